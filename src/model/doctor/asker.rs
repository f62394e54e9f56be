//! The asker's side: what its resolver makes of the name, question after question.

use std::net::IpAddr;

use super::case::Case;
use super::extra::LiveAnswer;
use crate::model::dns::search::{self, Query, Reply, Walk};
use crate::model::dns::{
    Answer, Libc, LookupError, Name, Open, Rcode, Record, RecordType, ResolvConf, Source,
};
use crate::model::pod::ContainerRole;
use crate::model::{ObjectKey, Pod, Text};

/// The C library that a pod's images hint at, with the image that does; `None` where none does.
pub fn libc_of(pod: &Pod) -> Option<(Libc, Text)> {
    let mut images = pod.spec.containers.iter().filter(|c| c.role == ContainerRole::Main).map(|c| &c.image);
    images.find_map(|image| Some((of_image(image)?, image.clone())))
}

/// By the image's own name and tag: `registry:5000/team/app:1.2-alpine@sha256:…`.
fn of_image(image: &str) -> Option<Libc> {
    let (name, tag) = name_and_tag(image);
    let says = |word: &str| name == word || tag.split(['-', '.', '_']).any(|t| t.starts_with(word));
    match () {
        () if says("alpine") || says("musl") => Some(Libc::Musl),
        () if ["debian", "ubuntu", "bookworm", "bullseye", "trixie", "slim", "jammy", "noble", "glibc"]
            .iter()
            .any(|w| says(w)) =>
        {
            Some(Libc::Glibc)
        }
        () => None,
    }
}

/// The last part of an image's path, and its tag.
pub(super) fn name_and_tag(image: &str) -> (&str, &str) {
    let image = image.split('@').next().unwrap_or_default();
    let last = image.rsplit('/').next().unwrap_or_default();
    last.split_once(':').unwrap_or((last, ""))
}

/// An image whose `nslookup` is busybox's of 1.29 or later, which walks no search list.
pub(super) fn busybox_image(pod: &Pod) -> Option<&Text> {
    let old = |tag: &str| {
        let mut numbers = tag.split(['.', '-']).map_while(|n| n.parse::<u32>().ok());
        matches!((numbers.next(), numbers.next()), (Some(1), Some(minor)) if minor < 29)
    };
    let is = |image: &&Text| match name_and_tag(image) {
        ("busybox", tag) => !old(tag),
        (name, tag) => name == "alpine" || tag.contains("alpine"),
    };
    pod.spec.containers.iter().map(|c| &c.image).find(is)
}

/// One question of the plan with its answers.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// The name that is asked, with its final dot.
    pub(super) name: String,
    /// The search domain that made it.
    pub(super) search: Option<Text>,
    /// The answers by type.
    pub(super) answers: Vec<(RecordType, Answer)>,
    /// Whether the answers are the server's own, not predicted.
    pub(super) live: bool,
}

impl Candidate {
    /// The records of the wanted types that were found.
    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.answers.iter().flat_map(|(_, a)| &a.answers)
    }

    /// In a few words.
    pub(super) fn outcome(&self) -> String {
        let open = self.answers.iter().find_map(|(_, a)| a.open.as_ref());
        let data: Vec<&str> = self.records().map(|r| &*r.data).collect();
        let has = |rcode| self.answers.iter().any(|(_, a)| a.rcode == Some(rcode));
        match open {
            Some(why) => format!("not determined: {why}"),
            None if !data.is_empty() => {
                let more =
                    if data.len() > 4 { format!(" and {} more", data.len() - 4) } else { String::new() };
                format!("{}{more}", data[..data.len().min(4)].join(", "))
            }
            None if has(Rcode::NxDomain) => "NXDOMAIN".to_owned(),
            None if has(Rcode::ServFail) => "SERVFAIL".to_owned(),
            None if has(Rcode::Refused) => "REFUSED".to_owned(),
            None => "NODATA: the name exists, without such a record".to_owned(),
        }
    }
}

/// How a look-up ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With addresses (or records of the type that was asked for).
    Found,
    /// With an error.
    Missing(LookupError),
    /// It is not determined; why.
    Open(String),
}

/// A look-up from where it was asked.
#[derive(Clone, Debug)]
pub(super) struct Walked {
    /// The resolver file; `None` on the laptop.
    pub(super) conf: ResolvConf,
    /// The library that was assumed.
    pub(super) libc: Libc,
    /// Where the end came from.
    pub(super) source: Source,
    /// The questions in order.
    pub(super) candidates: Vec<Candidate>,
    /// The addresses that were found.
    pub(super) addresses: Vec<IpAddr>,
    /// How it ends for certain.
    pub(super) end: End,
    /// How it ends if the node's own search domains know nothing; the same as `end` where they have no part in it.
    pub(super) likely: End,
    /// What could make it come out otherwise, in a sentence.
    pub(super) caveat: Option<String>,
}

impl Case<'_> {
    /// The pod that asks; one of the usual kind where only its namespace was said.
    pub(super) fn asking_pod(&self) -> Option<Pod> {
        match &self.question.from {
            super::Asker::Laptop(_) => None,
            super::Asker::Pod(key, _) => self.snapshot.pod(&key.namespace, &key.name).map(|p| (**p).clone()),
            super::Asker::Namespace(namespace, _) => Some(usual_pod(namespace)),
        }
    }

    /// What a pod's resolver does with the name.
    pub(super) fn walk(&self, pod: &Pod, libc: Libc) -> Walked {
        let conf = self.cluster.resolv_conf(pod);
        let Some(kind) = self.question.kind else { return self.walk_addresses(pod, conf, libc) };
        let ndots = if self.question.name.ends_with('.') { Some(1) } else { conf.ndots() };
        let others = self.cluster.lookup(pod, libc, "kubernetes.default.svc.cluster.local.").open;
        let others = others.filter(|_| conf.node_servers || conf.nameservers.is_empty());
        let mut walked = self.by_hand(&conf, libc, ndots.unwrap_or(1), &[kind]);
        if let Some(why) = others {
            walked.end = End::Open(why);
            walked.likely = walked.end.clone();
        } else if conf.node_search_at.is_some()
            && walked.end != End::Found
            && !self.question.name.ends_with('.')
        {
            walked.end = End::Open(NODE.to_owned());
        }
        walked
    }

    /// The same for addresses, as `getaddrinfo` asks for them.
    fn walk_addresses(&self, pod: &Pod, conf: ResolvConf, libc: Libc) -> Walked {
        let lookup = self.cluster.lookup(pod, libc, &self.question.name);
        let candidate = |s: &crate::model::dns::LookupStep| Candidate {
            name: s.name.clone(),
            search: s.search.clone(),
            answers: vec![(RecordType::A, s.a.clone()), (RecordType::AAAA, s.aaaa.clone())],
            live: false,
        };
        let end = match (&lookup.open, lookup.error) {
            (Some(why), _) => End::Open(why.clone()),
            (None, Some(error)) => End::Missing(error),
            (None, None) => End::Found,
        };
        let mut walked = Walked {
            libc,
            source: lookup.source,
            candidates: lookup.steps.iter().map(candidate).collect(),
            addresses: lookup.addresses,
            likely: end.clone(),
            end,
            caveat: lookup.caveat,
            conf,
        };
        let asks_others = self.asks_others(&walked.conf);
        let ndots = if self.question.name.ends_with('.') { Some(1) } else { walked.conf.ndots() };
        let Some(ndots) = ndots.filter(|_| walked.source == Source::Dns && !asks_others) else {
            return walked;
        };
        let by_hand = self.by_hand(&walked.conf, libc, ndots, &[RecordType::A, RecordType::AAAA]);
        let live = by_hand.candidates.iter().any(|c| c.live);
        if !live && !matches!(walked.end, End::Open(_)) {
            return walked;
        }
        if live {
            // What the server said itself counts before what was predicted.
            let node = walked.conf.node_search_at.is_some() && !self.question.name.ends_with('.');
            let last = by_hand.candidates.last();
            let in_front = last.is_some_and(|c| c.search.is_some()) || by_hand.candidates.len() == 1;
            walked.end = match &by_hand.likely {
                End::Found if in_front || libc == Libc::Glibc => End::Found,
                other if !node => other.clone(),
                _ => End::Open(NODE.to_owned()),
            };
        }
        let Walked { likely, candidates, addresses, .. } = by_hand;
        Walked { candidates, addresses, likely, ..walked }
    }

    /// Whether the questions of a pod go to others than the cluster's DNS server.
    pub(super) fn asks_others(&self, conf: &ResolvConf) -> bool {
        match conf.nameservers.first() {
            _ if conf.node_servers => true,
            Some(first) => !self.is_cluster_dns(first),
            // It is the cluster's, and only its address is not known.
            None => conf.node_search_at.is_none(),
        }
    }

    /// Whether an address is the cluster's DNS server.
    pub(super) fn is_cluster_dns(&self, server: &Text) -> bool {
        let fronts = |f: &crate::model::ServiceFacts| {
            f.service.addresses().any(|a| a == server) && f.service.ports.iter().any(|p| p.port == 53)
        };
        &**server == super::way::NODE_LOCAL
            || self.cluster.kubelet().cluster_dns.contains(server)
            || self.snapshot.services.iter().any(|f| fronts(f))
    }

    /// Walks the plan with the server's own answers where there are some, else with predicted ones; the node's own
    /// search domains are left out.
    fn by_hand(&self, conf: &ResolvConf, libc: Libc, ndots: usize, kinds: &[RecordType]) -> Walked {
        let list = conf.search_for(libc);
        let domains: Vec<&str> = list.iter().map(|s| &**s).collect();
        let mut walk = Walk::new(search::plan(&self.question.name, &domains, ndots, libc), libc);
        let (mut candidates, mut addresses, mut end, mut outside) = (Vec::new(), Vec::new(), None, None);
        while let Some(query) = walk.next().cloned() {
            let candidate = self.candidate(&query, list, kinds);
            let reply = reply(&candidate);
            if let Ok(Reply::Addresses) = reply {
                addresses.extend(candidate.records().filter_map(|r| r.data.parse::<IpAddr>().ok()));
            }
            candidates.push(candidate);
            match reply {
                Ok(reply) => walk.reply(reply),
                // The outside most likely knows no name that was made for the cluster.
                Err(Open::Outside(plugin)) => {
                    outside = Some(format!("{}: {}", query.name, Open::Outside(plugin)));
                    walk.reply(Reply::NxDomain);
                }
                Err(why) => {
                    end = Some(End::Open(format!("{}: {why}", query.name)));
                    break;
                }
            }
        }
        addresses.sort_unstable();
        addresses.dedup();
        let end = end.unwrap_or_else(|| match (walk.end(), outside) {
            (Some(Ok(())), _) => End::Found,
            (_, Some(why)) => End::Open(why),
            (Some(Err(error)), None) => End::Missing(error),
            (None, None) => End::Missing(LookupError::NoName),
        });
        let (likely, conf) = (end.clone(), conf.clone());
        Walked { conf, libc, source: Source::Dns, candidates, addresses, end, likely, caveat: None }
    }

    fn candidate(&self, query: &Query, list: &[Text], kinds: &[RecordType]) -> Candidate {
        let (mut live, mut answers) = (false, Vec::new());
        for kind in kinds {
            let said = self.live(&query.name, *kind);
            live |= said.is_some();
            let predicted = || self.cluster.answer(&query.name, *kind);
            answers.push((*kind, said.map_or_else(predicted, as_answer)));
        }
        let search = query.via.and_then(|i| list.get(i)).cloned();
        Candidate { name: query.name.clone(), search, answers, live }
    }

    /// What the server said to a question, if it was asked and answered.
    pub(super) fn live(&self, name: &str, kind: RecordType) -> Option<&LiveAnswer> {
        let replies = self.extra.live.get()?;
        let is = |r: &&super::LiveReply| r.kind == kind && r.name.eq_ignore_ascii_case(name);
        replies.iter().filter(is).find_map(|r| r.result.as_ref().ok())
    }
}

/// Why an end is not certain.
pub(super) const NODE: &str = "the node's own search domains are asked too, and are not known";

/// The server's reply in the shape of a predicted one. Its owner of the SOA record is kept as a record without data.
pub(super) fn as_answer(live: &LiveAnswer) -> Answer {
    Answer {
        rcode: Some(live.rcode),
        answers: live.answers.clone(),
        authority: live.soa.as_ref().map(|owner| Record::new(&**owner, RecordType::SOA, 0, "")),
        ..Answer::default()
    }
}

/// What a resolver makes of the answers to one question.
fn reply(candidate: &Candidate) -> Result<Reply, Open> {
    let kinds: Vec<RecordType> = candidate.answers.iter().map(|(k, _)| *k).collect();
    let wanted = |r: &&Record| kinds.contains(&r.kind) || kinds.contains(&RecordType::ANY);
    let has = |rcode| candidate.answers.iter().any(|(_, a)| a.rcode == Some(rcode));
    if Name::parse(&candidate.name).is_err() {
        return Ok(Reply::NxDomain);
    }
    if candidate.records().any(|r| wanted(&r)) {
        return Ok(Reply::Addresses);
    }
    if let Some(why) = candidate.answers.iter().find_map(|(_, a)| a.open.as_ref()) {
        return Err(why.clone());
    }
    Ok(match () {
        () if candidate.records().next().is_some() => Reply::Alias,
        () if has(Rcode::NxDomain) => Reply::NxDomain,
        () if has(Rcode::ServFail) || has(Rcode::Refused) => Reply::ServFail,
        () => Reply::NoData,
    })
}

/// An ordinary pod of a namespace, which has no name of its own.
fn usual_pod(namespace: &str) -> Pod {
    use crate::model::{Labels, pod::PodSpec};
    Pod {
        key: ObjectKey::new(namespace, ""),
        uid: "".into(),
        created: None,
        deleting: None,
        labels: Labels::default(),
        annotations: Labels::default(),
        owner: None,
        spec: std::sync::Arc::new(PodSpec::default()),
        node: "".into(),
        hostname: None,
        phase: "Running".into(),
        reason: "".into(),
        ips: Box::default(),
        host_ips: Box::default(),
        conditions: Box::default(),
        statuses: Box::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::samples::pod;

    fn with_image(image: &str) -> Pod {
        let mut pod = pod("a", "p");
        std::sync::Arc::make_mut(&mut pod.spec).containers[0].image = image.into();
        pod
    }

    #[test]
    fn images_hint_at_their_library() {
        for (image, libc) in [
            ("nginx:1.27-alpine3.20", Some(Libc::Musl)),
            ("alpine", Some(Libc::Musl)),
            ("registry:5000/team/alpine:3.20@sha256:00", Some(Libc::Musl)),
            ("python:3.13-slim-bookworm", Some(Libc::Glibc)),
            ("debian:12", Some(Libc::Glibc)),
            ("nginx:1.27", None),
            ("registry.example/alpine-team/app:1", None),
        ] {
            assert_eq!(libc_of(&with_image(image)).map(|(l, _)| l), libc, "{image}");
        }
    }

    #[test]
    fn a_newer_busybox_is_told_from_an_older_one() {
        for (image, newer) in [
            ("busybox", true),
            ("busybox:1.36", true),
            ("busybox:1.28", false),
            ("busybox:1.28.4-glibc", false),
            ("alpine:3.20", true),
            ("nginx:1.27", false),
        ] {
            assert_eq!(busybox_image(&with_image(image)).is_some(), newer, "{image}");
        }
    }
}
