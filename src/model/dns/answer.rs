//! What the server answers to a question, plugin after plugin.
//!
//! What it is not: it never guesses. Where the API does not determine the answer, `Answer::open` says why, and what
//! is certain all the same is filled in. Everybody may use it.
//!
//! Sources: CoreDNS core/dnsserver/server.go, plugin.cfg (order), plugin/{any,autopath,cache,hosts,rewrite}.

use std::fmt;
use std::net::IpAddr;

use super::cluster::Cluster;
use super::server::{Block, Hosts, HostsFile, RewriteRule};
use super::{Name, NameError, Rcode, Record, RecordType, reverse};
use crate::model::{Pod, Text};

/// The answer to one question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The reply's code; `None` where the API does not determine it.
    pub rcode: Option<Rcode>,
    /// Answer section; a CNAME precedes what it leads to. TTLs are those of a reply that does not come out of a cache.
    pub answers: Vec<Record>,
    /// The SOA record of the authority section. Its serial is the time of the server's last change, which the API does
    /// not show: it is written as 0.
    pub authority: Option<Record>,
    /// Additional section.
    pub additional: Vec<Record>,
    /// The AA flag.
    pub authoritative: bool,
    /// Why the answer, or the rest of it, is not determined.
    pub open: Option<Open>,
}

/// Why the API does not determine an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Open {
    /// The name can't be asked at all.
    BadName(NameError),
    /// The name leaves the cluster; this plugin hands it to others.
    Outside(Text),
    /// The CNAME leads to this name, and what that has is not determined.
    Target(String),
    /// This plugin has a hand in it.
    Plugin(Text),
    /// Objects that decide it are not known; what, in a sentence.
    NotKnown(String),
    /// An address belongs to whatever namespace has it, and not all are known. What the known ones give it.
    Partly(Vec<Record>),
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName(error) => error.fmt(f),
            Self::Outside(plugin) => {
                write!(f, "the name is outside the cluster: plugin {plugin} passes the question on")
            }
            Self::Target(name) => write!(f, "the CNAME leads to {name}, which is outside the cluster"),
            Self::Plugin(plugin) => write!(f, "plugin {plugin} of the DNS server has a hand in this name"),
            Self::NotKnown(what) => f.write_str(what),
            Self::Partly(_) => f.write_str(
                "an address has the names that any namespace gives it, and not all namespaces are known",
            ),
        }
    }
}

impl Answer {
    /// An answer that is not determined.
    pub(super) fn open(why: Open) -> Self {
        Self { open: Some(why), ..Self::default() }
    }

    /// An empty reply.
    pub(super) fn empty(rcode: Rcode) -> Self {
        Self { rcode: Some(rcode), ..Self::default() }
    }

    /// Whether the name exists and has no record of the type.
    pub fn is_nodata(&self) -> bool {
        self.rcode == Some(Rcode::NoError) && self.answers.is_empty() && self.open.is_none()
    }

    /// Whether everything about it is determined.
    pub fn is_determined(&self) -> bool {
        self.open.is_none()
    }

    /// What a server says instead that has not finished its first list of the cluster's objects: it does not dare to
    /// deny a name (CoreDNS plugin/kubernetes handler.go, `HasSynced`).
    #[must_use]
    pub fn before_sync(mut self) -> Self {
        if self.rcode == Some(Rcode::NxDomain) && self.authority.is_some() {
            self.rcode = Some(Rcode::ServFail);
        }
        self
    }

    fn records_mut(&mut self) -> impl Iterator<Item = &mut Record> {
        self.answers.iter_mut().chain(&mut self.authority).chain(&mut self.additional)
    }
}

/// Who asks: `autopath` looks at the address that a question comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asker<'a> {
    /// Not a pod that the server could know.
    Nobody,
    /// This pod.
    Pod(&'a Pod),
}

/// How often the server asks itself for the target of a CNAME (CoreDNS server.go `maxreentries`).
const REENTRIES: usize = 10;

impl Cluster {
    /// What the server answers. The name is taken as absolute, with or without the final dot.
    pub fn answer(&self, name: &str, kind: RecordType) -> Answer {
        match Name::parse(name) {
            Ok(name) => self.serve(&name, kind, Asker::Nobody, 0),
            Err(error) => Answer::open(Open::BadName(error)),
        }
    }

    /// The whole server: the block, then its plugins in their order.
    pub(super) fn serve(&self, name: &Name, kind: RecordType, asker: Asker<'_>, depth: usize) -> Answer {
        let Some(block) = self.server().block(name) else { return Answer::empty(Rcode::Refused) };
        if kind == RecordType::DS && self.server().blocks.len() > 1 {
            // DS belongs to the parent zone, so another block may be asked.
            return Answer::open(Open::NotKnown("DS records are the parent zone's".to_owned()));
        }
        if depth > REENTRIES {
            return Answer::open(Open::NotKnown("the server asks itself too often".to_owned()));
        }
        if let Some(other) = block.before.iter().find(|o| o.covers(name, kind)) {
            return Answer::open(Open::Plugin(other.plugin.clone()));
        }
        if block.any && kind == RecordType::ANY {
            return any(name);
        }
        let (looked_up, restore) = match rewritten(block, name, kind) {
            Ok(rewritten) => rewritten,
            Err(open) => return Answer::open(open),
        };
        let mut answer = self.past_rewrite(block, &looked_up, kind, asker, depth);
        for (from, to) in restore {
            put_back(&mut answer, &from, &to);
        }
        if let Some(cache) = block.cache.as_ref().filter(|c| c.covers(name)) {
            let positive = !answer.answers.is_empty();
            if let Some(least) = answer.records_mut().map(|r| r.ttl).min() {
                let ttl = cache.shown(least, positive);
                answer.records_mut().for_each(|r| r.ttl = ttl);
            }
        }
        answer
    }

    fn past_rewrite(
        &self,
        block: &Block,
        name: &Name,
        kind: RecordType,
        asker: Asker<'_>,
        depth: usize,
    ) -> Answer {
        if let Some(answer) = self.by_autopath(block, name, kind, asker, depth) {
            return answer;
        }
        let answer = self.by_plugins(block, name, kind, asker, depth);
        if block.dns64 && kind == RecordType::AAAA && answer.rcode == Some(Rcode::NoError) {
            return Answer::open(Open::Plugin("dns64".into()));
        }
        answer
    }

    /// `autopath @kubernetes`: the first search name of a known pod is walked through the list on the server.
    /// `autopath FILE` does so for whoever asks, with the search list of a file that is not known: what the first
    /// name finds is certain, and what is not found may be found below another name of the list.
    fn by_autopath(
        &self,
        block: &Block,
        name: &Name,
        kind: RecordType,
        asker: Asker<'_>,
        depth: usize,
    ) -> Option<Answer> {
        let autopath = block.autopath.as_ref()?;
        if !autopath.zones.iter().any(|z| name.is_under(z)) {
            return None;
        }
        let open = || Some(Answer::open(Open::Plugin("autopath".into())));
        if !autopath.kubernetes {
            let first = self.by_plugins(block, name, kind, asker, depth);
            // The first name of the list itself is SERVFAIL, whatever it has (`dnsutil.TrimZone`).
            let zone = block.kubernetes.as_ref().and_then(|k| k.zone_of(name));
            let of_object = zone.is_some_and(|z| name.len() > z.len() + 2);
            let found = first.rcode == Some(Rcode::NoError) && (of_object || !first.answers.is_empty());
            return if found { Some(first) } else { open() };
        }
        let Asker::Pod(pod) = asker else { return None };
        let plugin = block.kubernetes.as_ref().filter(|k| k.pods == super::PodMode::Verified)?;
        let zone = plugin.zone_of(name)?;
        let first = Name::parse(&format!("{}.svc.{zone}", pod.key.namespace)).ok()?;
        let base = name.below(&first)?;
        let pods = pod.ips.first().map(|ip| self.with_pod_ip(ip).count());
        if base.is_empty() || pods != Some(1) || !super::records::verified(pod, plugin) {
            // The node's address, or a pod that the server may not know.
            return open();
        }
        let base = base.join(".");
        for domain in [first.as_str(), &format!("svc.{zone}"), zone.as_str()] {
            let Ok(next) = Name::parse(&format!("{base}.{domain}")) else { return open() };
            let mut answer = self.by_plugins(block, &next, kind, asker, depth);
            match answer.rcode {
                None => return Some(answer),
                Some(Rcode::NxDomain) => {}
                Some(_) => {
                    if next != *name && !answer.answers.is_empty() {
                        let ttl = answer.answers[0].ttl;
                        let alias = Record::new(name.as_str(), RecordType::CNAME, ttl, next.as_str());
                        answer.answers.insert(0, alias);
                    }
                    return Some(answer);
                }
            }
        }
        // What comes next are the search domains of the server's own pod.
        open()
    }

    /// `hosts`, `kubernetes`, and what is behind them.
    fn by_plugins(
        &self,
        block: &Block,
        name: &Name,
        kind: RecordType,
        asker: Asker<'_>,
        depth: usize,
    ) -> Answer {
        if let Some(answer) = block.hosts.as_ref().and_then(|h| self.by_hosts(h, name, kind, asker)) {
            return answer;
        }
        if let Some((plugin, zone)) = block.kubernetes.as_ref().and_then(|k| Some((k, k.zone_of(name)?))) {
            if let Some(option) = &plugin.beyond {
                return Answer::open(Open::Plugin(format!("kubernetes ({option})").into()));
            }
            if [RecordType::AXFR, RecordType::IXFR].contains(&kind) {
                let handed_out = block.transfer.iter().any(|z| name.is_under(z));
                let open = || Answer::open(Open::Plugin("transfer".into()));
                return if handed_out { open() } else { Answer::empty(Rcode::Refused) };
            }
            let answer = self.by_kubernetes(plugin, zone, name, kind, depth);
            if answer.rcode != Some(Rcode::NxDomain) || !plugin.falls_through(name) {
                return answer;
            }
        }
        match block.behind.iter().find(|o| o.covers(name, kind)) {
            Some(other) => Answer::open(Open::Outside(other.plugin.clone())),
            None => Answer::empty(Rcode::ServFail),
        }
    }

    /// The `hosts` plugin; `None` passes the question on.
    fn by_hosts(&self, hosts: &Hosts, name: &Name, kind: RecordType, asker: Asker<'_>) -> Option<Answer> {
        let open = || Some(Answer::open(Open::Plugin("hosts".into())));
        let reply = |answers| Some(Answer { answers, authoritative: true, ..Answer::empty(Rcode::NoError) });
        let record = |kind, data: String| Record::new(name.lower(), kind, hosts.ttl, data);
        if kind == RecordType::PTR {
            let ip = reverse::address_of(name).filter(|_| hosts.reverse)?;
            if self.in_unseen_file(hosts, None, Some(ip), asker) {
                return open();
            }
            let named = hosts.entries.iter().filter(|(_, ips)| ips.contains(&ip));
            let answers: Vec<_> = named.map(|(n, _)| record(RecordType::PTR, n.clone())).collect();
            return if answers.is_empty() { None } else { reply(answers) };
        }
        if !hosts.covers(name) {
            return None;
        }
        if self.in_unseen_file(hosts, Some(name), None, asker) {
            return open();
        }
        if let Some(ips) = hosts.entries.get(name.lower()) {
            let of = |ip: &IpAddr| if ip.is_ipv4() { RecordType::A } else { RecordType::AAAA };
            let answers = ips.iter().filter(|ip| of(ip) == kind).map(|ip| record(kind, ip.to_string()));
            return reply(answers.collect());
        }
        let passes = hosts.fallthrough.iter().any(|z| name.is_under(z));
        (!passes).then(|| Answer::empty(Rcode::ServFail))
    }

    /// Whether a name or address may stand in the file of a `hosts` plugin that the API does not show: the file that
    /// the kubelet writes for the server's own pod, or any other.
    fn in_unseen_file(
        &self,
        hosts: &Hosts,
        name: Option<&Name>,
        ip: Option<IpAddr>,
        asker: Asker<'_>,
    ) -> bool {
        match &hosts.file {
            HostsFile::Known => return false,
            HostsFile::Unknown(_) => return true,
            HostsFile::OwnPod => {}
        }
        // A pod's question goes to any of them.
        let servers: Vec<&Pod> = match asker {
            Asker::Nobody => self.asked().into_iter().collect(),
            Asker::Pod(_) => self.dns_servers().collect(),
        };
        if servers.is_empty() || servers.iter().any(|p| p.spec.host_network) {
            // The file of a node, or of pods that are not known.
            return true;
        }
        let domain = self.domain().text();
        servers.iter().flat_map(|p| super::hosts::of_pod(p, domain)).any(|(address, names)| {
            let named = |n: &Name| names.iter().any(|own| Name::parse(own).is_ok_and(|own| own == *n));
            name.is_some_and(named) || ip == Some(address)
        })
    }
}

impl super::server::Other {
    /// Whether it may answer a question.
    fn covers(&self, name: &Name, kind: RecordType) -> bool {
        // `template` takes a question for ANY as one for its own type.
        (kind == RecordType::ANY || self.kind.is_none_or(|k| k == kind))
            && self.zones.iter().any(|z| name.is_under(z))
    }
}

/// RFC 8482, as the `any` plugin writes it.
fn any(name: &Name) -> Answer {
    let hinfo = Record::new(name.as_str(), RecordType::HINFO, 8482, "\"ANY obsoleted\" \"See RFC 8482\"");
    Answer { answers: vec![hinfo], authoritative: true, ..Answer::empty(Rcode::NoError) }
}

/// What the `rewrite` rules make of a question, and which names to put back into the answer: (looked up, as asked).
fn rewritten(block: &Block, name: &Name, kind: RecordType) -> Result<(Name, Vec<(String, String)>), Open> {
    let open = || Open::Plugin("rewrite".into());
    let (mut now, mut restore) = (name.clone(), Vec::new());
    let mut uncertain = false;
    for rewrite in &block.rewrites {
        let next = match &rewrite.rule {
            RewriteRule::Neutral => {
                // It ends the list, where it applies.
                uncertain |= !rewrite.goes_on;
                continue;
            }
            RewriteRule::Opaque { contains, kind: only } => {
                if only.is_none_or(|k| k == kind) && now.lower().contains(&**contains) {
                    return Err(open());
                }
                continue;
            }
            RewriteRule::Exact { from, to } if *from == now => {
                restore.push((to.lower().to_owned(), from.lower().to_owned()));
                to.clone()
            }
            RewriteRule::Suffix { from, to, restores } if now.lower().ends_with(&**from) => {
                let head = &now.lower()[..now.lower().len() - from.len()];
                let next = Name::parse(&format!("{head}{to}")).map_err(|_| open())?;
                if *restores {
                    restore.push((next.lower().to_owned(), now.lower().to_owned()));
                }
                next
            }
            RewriteRule::Exact { .. } | RewriteRule::Suffix { .. } => continue,
        };
        if uncertain {
            return Err(open());
        }
        now = next;
        if !rewrite.goes_on {
            break;
        }
    }
    restore.reverse();
    Ok((now, restore))
}

/// Puts the name that was asked back where the one that was looked up stands: owners and targets.
fn put_back(answer: &mut Answer, looked_up: &str, asked: &str) {
    for record in answer.answers.iter_mut().chain(&mut answer.additional) {
        if record.name.eq_ignore_ascii_case(looked_up) {
            asked.clone_into(&mut record.name);
        }
        let target = record.data.rsplit(' ').next().unwrap_or_default();
        if target.eq_ignore_ascii_case(looked_up) {
            let head = record.data.len() - target.len();
            record.data.replace_range(head.., asked);
        }
    }
}

#[cfg(test)]
mod tests;
