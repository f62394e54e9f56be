//! What `getaddrinfo` finds in a pod: its hosts file, then its search list walked through the predicted server.
//!
//! What it is not: it asks nobody. Everybody may use it.

use std::net::IpAddr;

use super::answer::{Answer, Asker};
use super::cluster::Cluster;
use super::live::{Half, taken, taken_one};
use super::search::{self, Libc, LookupError, Query, Reply, Walk};
use super::{Name, Rcode, RecordType, ResolvConf, hosts};
use crate::model::{Pod, Text};

/// A look-up as a program in a pod sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Where the end came from.
    pub source: Source,
    /// The questions that were asked, in order.
    pub steps: Vec<LookupStep>,
    /// Addresses found; sorted, each once.
    pub addresses: Vec<IpAddr>,
    /// What it says when it found none.
    pub error: Option<LookupError>,
    /// What could make it come out otherwise all the same, in a sentence.
    pub caveat: Option<String>,
    /// Why the end is not determined, in a sentence; then neither addresses nor error are given.
    pub open: Option<String>,
}

/// Where the end of a look-up came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The name is an address.
    Literal,
    /// The pod's `/etc/hosts`.
    Hosts,
    /// DNS.
    Dns,
}

/// One question of a look-up with the answers to both of its types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupStep {
    /// The name that is asked, with the final dot.
    pub name: String,
    /// The search domain that made it; `None` for the name as typed.
    pub search: Option<Text>,
    /// The answer for A.
    pub a: Answer,
    /// The answer for AAAA.
    pub aaaa: Answer,
}

impl Lookup {
    /// The outcome as a code: NOERROR also for a name without addresses; `None` where it is not determined.
    pub fn rcode(&self) -> Option<Rcode> {
        match self.error {
            _ if self.open.is_some() => None,
            None | Some(LookupError::NoData) => Some(Rcode::NoError),
            Some(LookupError::Again) => Some(Rcode::ServFail),
            Some(LookupError::NoName) => {
                let last = self.steps.iter().rev().find_map(|s| s.a.rcode);
                Some(last.unwrap_or(Rcode::NxDomain))
            }
        }
    }

    fn found(source: Source, steps: Vec<LookupStep>, mut addresses: Vec<IpAddr>) -> Self {
        addresses.sort_unstable();
        addresses.dedup();
        Self { source, steps, addresses, error: None, caveat: None, open: None }
    }

    fn open(steps: Vec<LookupStep>, why: impl Into<String>) -> Self {
        Self {
            source: Source::Dns,
            steps,
            addresses: Vec::new(),
            error: None,
            caveat: None,
            open: Some(why.into()),
        }
    }
}

/// The address of a node-local cache of cluster DNS (Kubernetes' NodeLocal DNSCache).
const NODE_LOCAL: &str = "169.254.20.10";

impl Cluster {
    /// The resolver file of a pod.
    pub fn resolv_conf(&self, pod: &Pod) -> ResolvConf {
        ResolvConf::of_pod(pod, self.kubelet())
    }

    /// What a program in a pod finds for a name through its C library.
    pub fn lookup(&self, pod: &Pod, libc: Libc, name: &str) -> Lookup {
        if let Ok(ip) = name.parse() {
            return Lookup::found(Source::Literal, Vec::new(), vec![ip]);
        }
        let lines = hosts::of_pod(pod, &self.kubelet().cluster_domain);
        let local = hosts::look_up(&lines, name, libc);
        if !local.is_empty() {
            return Lookup::found(Source::Hosts, Vec::new(), local);
        }
        if pod.spec.host_network && name.eq_ignore_ascii_case("localhost") {
            return Lookup::open(Vec::new(), "the node's /etc/hosts is not known");
        }
        let conf = self.resolv_conf(pod);
        if let Some(why) = self.asks_others(&conf) {
            return Lookup::open(Vec::new(), why);
        }
        let caveat = self.races(&conf, libc);
        Lookup { caveat, ..self.walk(pod, &conf, libc, name) }
    }

    /// Whether a name server is the cluster's.
    fn is_cluster_dns(&self, server: &Text) -> bool {
        let fronts = |ip| self.with_cluster_ip(ip).any(|f| f.service.ports.iter().any(|p| p.port == 53));
        &**server == NODE_LOCAL
            || self.kubelet().cluster_dns.contains(server)
            || server.parse().is_ok_and(fronts)
    }

    /// Why a pod's questions do not go to the cluster's DNS server first.
    pub fn asks_others(&self, conf: &ResolvConf) -> Option<String> {
        // Whatever its address is, the kubelet puts the cluster's server first.
        if self.kubelet().cluster_dns.is_empty() && !conf.assumed.is_empty() {
            return None;
        }
        if conf.node_servers {
            return Some("the pod asks the node's own name servers first".to_owned());
        }
        let Some(first) = conf.nameservers.first() else {
            return Some("the pod has no name server that is known".to_owned());
        };
        let others = || format!("the pod asks {first} first, which is not the cluster's DNS server");
        (!self.is_cluster_dns(first)).then(others)
    }

    /// musl asks all servers at once and takes the first reply: another server that answers sooner is believed.
    fn races(&self, conf: &ResolvConf, libc: Libc) -> Option<String> {
        let other =
            conf.nameservers.iter().find(|s| !self.is_cluster_dns(s)).filter(|_| libc == Libc::Musl)?;
        Some(format!("musl asks all name servers at once: if {other} answers sooner, its answer counts"))
    }

    fn walk(&self, pod: &Pod, conf: &ResolvConf, libc: Libc, name: &str) -> Lookup {
        let (mut steps, mut addresses) = (Vec::new(), Vec::new());
        let end = through(conf, libc, name, |query, list| {
            let (reply, found) = self.step(pod, query, libc, list, &mut steps)?;
            addresses = found;
            Ok(reply)
        });
        match end {
            Ok(Ok(())) => Lookup::found(Source::Dns, steps, addresses),
            Ok(Err(error)) => Lookup { error: Some(error), ..Lookup::found(Source::Dns, steps, Vec::new()) },
            Err(why) => Lookup::open(steps, why),
        }
    }

    /// What `res_search` finds in a pod for records of one type: the questions with their answers, and the end.
    /// musl searches for addresses alone and asks other types for the name as it stands (musl: `res_search` is
    /// `res_query`).
    ///
    /// # Errors
    /// Why the end is not determined, in a sentence.
    #[expect(clippy::type_complexity, reason = "one caller, which takes it apart at once")]
    pub fn search_records(
        &self,
        pod: &Pod,
        libc: Libc,
        name: &str,
        kind: RecordType,
    ) -> (Vec<(Query, Answer)>, Result<Result<(), LookupError>, String>) {
        let conf = self.resolv_conf(pod);
        if let Some(why) = self.asks_others(&conf) {
            return (Vec::new(), Err(why));
        }
        let mut steps = Vec::new();
        let absolute = format!("{}.", name.strip_suffix('.').unwrap_or(name));
        let searched = libc == Libc::Glibc || matches!(kind, RecordType::A | RecordType::AAAA);
        let name = if searched { name } else { &absolute };
        let end = through(&conf, libc, name, |query, _| {
            let Ok(asked) = Name::parse(&query.name) else { return Ok(Reply::NxDomain) };
            let answer = self.serve(&asked, kind, Asker::Pod(pod), 0);
            let half = Half { rcode: answer.rcode.map(Into::into), answers: &answer.answers };
            let open = answer.open.as_ref().map(|open| format!("{}: {open}", query.name));
            let reply = taken_one(kind, half);
            steps.push((query.clone(), answer));
            open.map_or(Ok(reply), Err)
        });
        (steps, end)
    }

    /// Asks one question for both types.
    fn step(
        &self,
        pod: &Pod,
        query: &Query,
        libc: Libc,
        search: &[Text],
        steps: &mut Vec<LookupStep>,
    ) -> Result<(Reply, Vec<IpAddr>), String> {
        // A name that is too long is not asked at all.
        let Ok(asked) = Name::parse(&query.name) else { return Ok((Reply::NxDomain, Vec::new())) };
        let ask = |kind| self.serve(&asked, kind, Asker::Pod(pod), 0);
        let (a, aaaa) = (ask(RecordType::A), ask(RecordType::AAAA));
        let half = |answer: &'_ Answer| answer.rcode.map(Into::into);
        let halves = [
            Half { rcode: half(&a), answers: &a.answers },
            Half { rcode: half(&aaaa), answers: &aaaa.answers },
        ];
        let result = match a.open.as_ref().or(aaaa.open.as_ref()) {
            Some(open) => Err(format!("{}: {open}", query.name)),
            None => Ok(taken(asked.lower(), &halves, libc)),
        };
        let search = query.via.and_then(|i| search.get(i)).cloned();
        steps.push(LookupStep { name: query.name.clone(), search, a, aaaa });
        result
    }
}

/// Walks a name through a resolver file. `ask` gives the reply to one question, or why it is not determined.
///
/// # Errors
/// Why the end is not determined, in a sentence.
fn through(
    conf: &ResolvConf,
    libc: Libc,
    name: &str,
    mut ask: impl FnMut(&Query, &[Text]) -> Result<Reply, String>,
) -> Result<Result<(), LookupError>, String> {
    let list = conf.search_for(libc);
    let search: Vec<&str> = list.iter().map(|s| &**s).collect();
    // Without a final dot the node's own `ndots` would decide.
    let ndots = if name.ends_with('.') { Some(1) } else { conf.ndots() };
    let ndots = ndots.ok_or("the node's own ndots option is not known")?;
    let mut walk = Walk::new(search::plan(name, &search, ndots, libc), libc);
    // A list that musl ignores is ignored with the node's part.
    let node = conf.node_search_at.filter(|_| list.len() == conf.search.len());
    let mut searched = false;
    while let Some(query) = walk.next().cloned() {
        let behind = match query.via {
            Some(i) => node.is_some_and(|at| i >= at),
            None => searched && node.is_some(),
        };
        searched |= query.via.is_some();
        if behind {
            return Err("the node's own search domains are asked before it, and are not known".to_owned());
        }
        let reply = ask(&query, list)?;
        if reply == Reply::ServFail && conf.nameservers.len() > 1 {
            return Err("the server fails, and the next one is asked".to_owned());
        }
        walk.reply(reply);
        // The list may end with the node's part, or be that part alone.
        let last_known = query.via.map_or(search.is_empty(), |i| i + 1 == search.len());
        let failed = walk.end().is_some_and(|e| e.is_err());
        if failed && last_known && node == Some(search.len()) && goes_on(reply, libc) {
            let absolute = name.ends_with('.') || (query.via.is_none() && libc == Libc::Musl);
            if !absolute {
                return Err("the node's own search domains are asked next, and are not known".to_owned());
            }
        }
    }
    Ok(walk.end().unwrap_or(Err(LookupError::NoName)))
}

fn goes_on(reply: Reply, libc: Libc) -> bool {
    match reply {
        Reply::NxDomain => true,
        Reply::NoData | Reply::ServFail => libc == Libc::Glibc,
        Reply::Addresses | Reply::Alias => false,
    }
}
