//! The `kubernetes` plugin: from a name in one of its zones to records.
//!
//! Only [`answer`](super::answer) uses it, apart from [`Parsed`]. Sources: CoreDNS plugin/kubernetes (handler.go,
//! kubernetes.go, parse.go, reverse.go, ns.go) and `plugin/backend_lookup.go`.

use std::collections::HashSet;
use std::net::IpAddr;

use super::answer::{Answer, Asker, Open};
use super::cluster::{Cluster, Exists};
use super::hits::{self, Hit, HostKind, Part};
use super::{Kubernetes, Name, PodMode, Rcode, Record, RecordType, records, reverse};
use crate::model::{Kind, ObjectKey, ServiceFacts};

mod ptr;

/// What a name means in a zone (parse.go `parseRequest`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// `svc` or `pod`; empty for the names above.
    pub kind: &'a str,
    /// Namespace; empty if the name ends before.
    pub namespace: &'a str,
    /// Service, or a pod's address with dashes; empty if the name ends before.
    pub service: &'a str,
    /// The labels left of it, the leftmost first: none, an endpoint, port and protocol, or a topology zone.
    pub rest: Vec<&'a str>,
}

impl<'a> Parsed<'a> {
    /// Reads the labels of a name below its zone, the leftmost first. `zonal` is the plugin's option. `None` is
    /// NXDOMAIN.
    pub fn new(labels: &[&'a str], zonal: bool) -> Option<Self> {
        let (rest, kind) = match labels {
            [] | ["svc" | "pod"] => return Some(Self::default()),
            [rest @ .., kind @ ("svc" | "pod")] => (rest, *kind),
            _ => return None,
        };
        let (namespace, service, rest) = match rest {
            [] => ("", "", &[][..]),
            [namespace] => (*namespace, "", &[][..]),
            [rest @ .., service, namespace] => (*namespace, *service, rest),
        };
        let zone = zonal && kind == "svc" && matches!(rest, [_, "pin" | "prefer", "_zone"]);
        (rest.len() < 3 || zone).then(|| Self { kind, namespace, service, rest: rest.to_vec() })
    }

    /// The part of a Service that is asked for.
    pub(super) fn part(&self) -> Part<'a> {
        let bare = |label: &'a str| label.strip_prefix('_').unwrap_or(label);
        match *self.rest {
            [] => Part::Whole,
            [endpoint] => Part::Endpoint(endpoint),
            [port, protocol] => Part::Port { port: bare(port), protocol: bare(protocol) },
            [zone, how, ..] => Part::Zonal { zone, pin: how == "pin" },
        }
    }
}

/// What was found under a name.
#[derive(Default)]
struct Found<'a> {
    /// What SRV targets are made of: the name of the Service or of the pod's address.
    base: String,
    service: Option<&'a ServiceFacts>,
    hits: Vec<Hit<'a>>,
    /// The pod's address, under `pod`.
    pod: Option<(IpAddr, Option<ObjectKey>)>,
}

impl Found<'_> {
    fn is_empty(&self) -> bool {
        self.hits.is_empty() && self.pod.is_none()
    }
}

/// Why nothing was found.
enum Miss {
    /// NXDOMAIN.
    NameError,
    /// It is not known whether there is something.
    Open(Open),
}

fn unknown(what: String) -> Miss {
    Miss::Open(Open::NotKnown(what))
}

/// One plugin, one of its zones, and how deep the server is in asking itself.
#[derive(Clone, Copy)]
struct Ask<'q> {
    plugin: &'q Kubernetes,
    zone: &'q Name,
    /// The zone in the letter case of the question, as the plugin carries it.
    typed: &'q str,
    depth: usize,
}

/// Most CNAMEs in a row inside a zone.
const CHAIN: usize = 10;

impl Cluster {
    /// What the plugin answers, before `fallthrough`.
    pub(super) fn by_kubernetes(
        &self,
        plugin: &Kubernetes,
        zone: &Name,
        name: &Name,
        kind: RecordType,
        depth: usize,
    ) -> Answer {
        let ask = Ask { plugin, zone, typed: name.tail(zone.len()), depth };
        let below = if zone.is_empty() { "" } else { zone.lower() };
        let data = format!("ns.dns.{below} hostmaster.{below} 0 7200 1800 86400 {}", plugin.ttl);
        let soa = Record::new(name.tail(zone.len()), RecordType::SOA, plugin.ttl.min(300), data);
        let result = match kind {
            RecordType::SOA if name == zone => Ok(Answer { answers: vec![soa.clone()], ..Answer::default() }),
            RecordType::SOA => Ok(Answer::default()),
            // The plugin compares the name in lower case with the zone as it was typed.
            RecordType::NS if name == zone && name.lower() == ask.typed => self.name_servers(ask, name),
            RecordType::A | RecordType::AAAA => self.addresses(ask, name, kind, &mut Vec::new()),
            RecordType::TXT => self.txt(ask, name),
            RecordType::PTR => self.ptr(ask, name),
            _ if is_default_ns(name, ask.typed) => Ok(Answer::default()),
            RecordType::SRV => self.srv(ask, name),
            RecordType::CNAME => self.cname(ask, name),
            _ => self.find_records(ask, name).map(|_| Answer::default()),
        };
        match result {
            Err(Miss::Open(why)) => Answer::open(why),
            Err(Miss::NameError) => {
                Answer { authority: Some(soa), authoritative: true, ..Answer::empty(Rcode::NxDomain) }
            }
            Ok(answer) if answer.answers.is_empty() && answer.open.is_some() => answer,
            Ok(mut answer) => {
                answer.rcode = Some(Rcode::NoError);
                answer.authoritative = true;
                if answer.answers.is_empty() {
                    answer.authority = Some(soa);
                }
                answer
            }
        }
    }

    /// kubernetes.go `Records`.
    fn find_records(&self, ask: Ask<'_>, name: &Name) -> Result<Found<'_>, Miss> {
        let labels = name.below(ask.zone).unwrap_or_default();
        let parsed = Parsed::new(&labels, ask.plugin.zonal).ok_or(Miss::NameError)?;
        if parsed.kind.is_empty() {
            return Ok(Found::default());
        }
        if reverse::is_reverse(name) {
            return Err(Miss::NameError);
        }
        let namespace = parsed.namespace;
        let exists = self.namespace(ask.plugin, namespace);
        if exists == Exists::No {
            return Err(Miss::NameError);
        }
        if parsed.kind == "pod" {
            return self.find_pods(ask, &parsed, exists);
        }
        let no_namespace = || unknown(format!("whether namespace {namespace} exists is not known"));
        if parsed.service.is_empty() {
            return if exists == Exists::Yes { Ok(Found::default()) } else { Err(no_namespace()) };
        }
        let Some(facts) = self.find(namespace, parsed.service) else {
            return Err(self.miss(Kind::Service, namespace));
        };
        if exists == Exists::Unknown {
            return Err(no_namespace());
        }
        let part = parsed.part();
        let by_endpoints = facts.service.headless()
            || !matches!(part, Part::Whole | Part::Port { .. })
            || ask.plugin.ignore_empty_service;
        if by_endpoints && ask.plugin.endpoints && facts.service.external_name.is_empty() {
            if !self.knows(Kind::EndpointSlice, namespace) {
                return Err(unknown(format!("the endpoint slices of namespace {namespace} are not known")));
            }
            if hits::has_fqdn_endpoints(facts) {
                return Err(unknown("endpoints that are names and not addresses".to_owned()));
            }
        }
        let found = hits::hits(facts, part, ask.plugin).ok_or(Miss::NameError)?;
        let key = facts.key();
        let base = below(&format!("{}.{}.svc.", key.name, key.namespace), name.tail(ask.zone.len()));
        Ok(Found { base, service: Some(facts), hits: found, pod: None })
    }

    /// An object is not among those of its kind: NXDOMAIN, if all of them are known.
    fn miss(&self, kind: Kind, namespace: &str) -> Miss {
        if self.knows(kind, namespace) {
            return Miss::NameError;
        }
        unknown(format!("the {} of namespace {namespace} are not known", kind.resource()))
    }

    /// kubernetes.go `findPods`.
    fn find_pods(&self, ask: Ask<'_>, parsed: &Parsed<'_>, exists: Exists) -> Result<Found<'_>, Miss> {
        let namespace = parsed.namespace;
        if ask.plugin.pods == PodMode::Disabled {
            return Err(Miss::NameError);
        }
        let label = parsed.service;
        let dots = label.bytes().filter(|b| *b == b'-').count() == 3 && !label.contains("--");
        let text = label.replace('-', if dots { "." } else { ":" });
        let address = match HostKind::of(&text) {
            HostKind::Address(ip) => Some(ip),
            HostKind::Name => None,
        };
        if exists == Exists::Unknown && (label.is_empty() || address.is_some()) {
            return Err(unknown(format!("whether namespace {namespace} exists is not known")));
        }
        if label.is_empty() {
            return Ok(Found::default());
        }
        let Some(ip) = address else { return Err(Miss::NameError) };
        let here =
            |p: &&crate::model::Pod| &*p.key.namespace == namespace && records::verified(p, ask.plugin);
        let pod = self.with_pod_ip(&text).find(here).map(|p| p.key.clone());
        if ask.plugin.pods == PodMode::Verified && pod.is_none() {
            return Err(self.miss(Kind::Pod, namespace));
        }
        let base = below(&format!("{label}.{namespace}.pod."), ask.zone.as_str());
        Ok(Found { base, pod: Some((ip, pod)), ..Found::default() })
    }

    /// `plugin.A`, `plugin.AAAA`. `chain` holds the CNAMEs that led here.
    fn addresses(
        &self,
        ask: Ask<'_>,
        name: &Name,
        kind: RecordType,
        chain: &mut Vec<(String, String)>,
    ) -> Result<Answer, Miss> {
        if is_default_ns(name, ask.typed) {
            let addresses = self.server_addresses(ask, Some(kind))?;
            let record =
                |(_, ip): (_, IpAddr)| Record::new(name.as_str(), kind, ask.plugin.ttl, ip.to_string());
            let wanted = addresses.into_iter().filter(|(_, ip)| record_type(*ip) == kind);
            return Ok(Answer { answers: unique(wanted.map(record)), ..Answer::default() });
        }
        let found = self.find_records(ask, name)?;
        let owned = |ip: IpAddr, pod| Record {
            service: found.service.map(|s| s.key().clone()),
            pod,
            ..Record::new(name.as_str(), kind, ask.plugin.ttl, ip.to_string())
        };
        if let Some((ip, pod)) = &found.pod {
            let answers = (record_type(*ip) == kind).then(|| owned(*ip, pod.clone()));
            return Ok(Answer { answers: answers.into_iter().collect(), ..Answer::default() });
        }
        if let [Hit { kind: HostKind::Name, host, .. }] = *found.hits {
            return Ok(self.alias(ask, name, kind, host, &found, chain));
        }
        let all = found.hits.iter().filter_map(|h| {
            let (of, ip) = h.kind.record()?;
            (of == kind).then(|| owned(ip, h.endpoint.and_then(hits::pod_of)))
        });
        Ok(Answer { answers: unique(all), ..Answer::default() })
    }

    /// An ExternalName and what it leads to. Inside the zone a target without records hides the CNAME as well;
    /// any other name is asked of the whole server.
    fn alias(
        &self,
        ask: Ask<'_>,
        name: &Name,
        kind: RecordType,
        host: &str,
        found: &Found<'_>,
        chain: &mut Vec<(String, String)>,
    ) -> Answer {
        let Ok(target) = Name::parse(host) else {
            return Answer::open(Open::NotKnown(format!("the external name {host:?} is no DNS name")));
        };
        let link = (name.lower().to_owned(), target.lower().to_owned());
        if target == *name || chain.len() >= CHAIN || chain.contains(&link) {
            return Answer::default();
        }
        let cname = alias_record(ask, name, host, found);
        if target.is_under(ask.zone) {
            chain.push(link);
            let rest = self.addresses(ask, &target, kind, chain);
            chain.pop();
            return match rest {
                Ok(mut rest) => {
                    if !rest.answers.is_empty() {
                        rest.answers.insert(0, cname);
                    }
                    rest
                }
                Err(Miss::Open(why)) => Answer::open(why),
                Err(Miss::NameError) => Answer::default(),
            };
        }
        let rest = self.serve(&target, kind, Asker::Nobody, ask.depth + 1);
        let mut answers = vec![cname];
        answers.extend(rest.answers);
        let open = rest.open.map(|why| match why {
            Open::Outside(_) => Open::Target(target.as_str().to_owned()),
            other => other,
        });
        Answer { answers, open, ..Answer::default() }
    }

    /// `plugin.SRV`.
    fn srv(&self, ask: Ask<'_>, name: &Name) -> Result<Answer, Miss> {
        let found = self.find_records(ask, name)?;
        let ttl = ask.plugin.ttl;
        let mut answer = Answer::default();
        if let Some((ip, pod)) = &found.pod {
            let of_pod = |record| Record { pod: pod.clone(), ..record };
            let data = format!("0 100 0 {}", found.base);
            answer.answers.push(of_pod(Record::new(name.as_str(), RecordType::SRV, ttl, data)));
            answer.additional.push(of_pod(Record::new(&*found.base, record_type(*ip), ttl, ip.to_string())));
            return Ok(answer);
        }
        let hits = || found.hits.iter().filter(|h| h.kind != HostKind::Name);
        let weight = (100 / hits().count().max(1)).max(1);
        let mut extra = Vec::new();
        for hit in hits() {
            let (Some(port), Some((of, ip))) = (hit.port, hit.kind.record()) else { continue };
            let target =
                hit.label.as_ref().map_or_else(|| found.base.clone(), |l| format!("{l}.{}", found.base));
            let owned = |record| Record {
                service: found.service.map(|s| s.key().clone()),
                pod: hit.endpoint.and_then(hits::pod_of),
                ..record
            };
            let data = format!("0 {weight} {port} {target}");
            answer.answers.push(owned(Record::new(name.as_str(), RecordType::SRV, ttl, data)));
            extra.push(owned(Record::new(target, of, ttl, ip.to_string())));
        }
        answer.answers = unique(answer.answers);
        answer.additional = unique(extra);
        Ok(answer)
    }

    /// `plugin.CNAME`: the CNAME alone, whatever its target has.
    fn cname(&self, ask: Ask<'_>, name: &Name) -> Result<Answer, Miss> {
        let found = self.find_records(ask, name)?;
        let alias = |h: &Hit<'_>| (h.kind == HostKind::Name).then(|| alias_record(ask, name, h.host, &found));
        Ok(Answer { answers: found.hits.first().and_then(alias).into_iter().collect(), ..Answer::default() })
    }

    /// TXT: the version of the scheme; NODATA where there are other records, NXDOMAIN everywhere else, also for
    /// names that exist without records.
    fn txt(&self, ask: Ask<'_>, name: &Name) -> Result<Answer, Miss> {
        if name.below(ask.zone).as_deref() == Some(&["dns-version"]) {
            let version = Record::new(name.as_str(), RecordType::TXT, 28800, "\"1.1.0\"");
            return Ok(Answer { answers: vec![version], ..Answer::default() });
        }
        let found = self.find_records(ask, name)?;
        if found.is_empty() { Err(Miss::NameError) } else { Ok(Answer::default()) }
    }

    /// NS at the apex, with glue.
    fn name_servers(&self, ask: Ask<'_>, name: &Name) -> Result<Answer, Miss> {
        let servers = self.server_addresses(ask, None)?;
        let ttl = ask.plugin.ttl;
        let names = servers.iter().map(|(n, _)| Record::new(name.as_str(), RecordType::NS, ttl, n.clone()));
        let glue =
            servers.iter().map(|(n, ip)| Record::new(n.clone(), record_type(*ip), ttl, ip.to_string()));
        Ok(Answer { answers: unique(names), additional: unique(glue), ..Answer::default() })
    }

    /// ns.go `nsAddrs`: the Services in front of the server's pod; without any its own addresses under `ns.dns.Z`.
    /// `kind` is the only type that matters to the asker.
    fn server_addresses(
        &self,
        ask: Ask<'_>,
        kind: Option<RecordType>,
    ) -> Result<Vec<(String, IpAddr)>, Miss> {
        if !self.knows(Kind::Service, "") || !self.knows(Kind::EndpointSlice, "") {
            return Err(unknown("the Services in front of the DNS server are not known".to_owned()));
        }
        let Some(pod) = self.asked() else {
            return Err(unknown("the pods of the DNS server are not known".to_owned()));
        };
        let zone = if ask.zone.is_empty() { "" } else { ask.zone.lower() };
        let mut addresses = Vec::new();
        for facts in self.services_before(pod) {
            server_service(ask, facts, zone, &mut addresses);
        }
        if addresses.is_empty() {
            if kind == Some(RecordType::AAAA) {
                return Err(unknown(
                    "the link-local address of the DNS server's pod is not known".to_owned(),
                ));
            }
            let own = pod.ips.iter().filter_map(|ip| ip.parse().ok());
            addresses.extend(own.map(|ip| (format!("ns.dns.{zone}"), ip)));
        }
        Ok(addresses)
    }
}

/// The names and addresses that one Service gives to the server behind it.
fn server_service(ask: Ask<'_>, facts: &ServiceFacts, zone: &str, out: &mut Vec<(String, IpAddr)>) {
    let visible = ask.plugin.labels.as_ref().is_none_or(|l| l.matches(&facts.service.labels));
    if !visible || hits::ready(facts, ask.plugin).next().is_none() {
        return;
    }
    let own = format!("{}.{}.svc.{zone}", facts.key().name, facts.key().namespace);
    if !facts.service.headless() {
        out.extend(facts.service.addresses().filter_map(|ip| Some((own.clone(), ip.parse().ok()?))));
        return;
    }
    for (_, endpoint, address) in hits::ready(facts, ask.plugin) {
        let Ok(ip) = address.parse() else { continue };
        let label = hits::endpoint_label(endpoint, address, ask.plugin.endpoint_pod_names);
        out.push((format!("{label}.{own}"), ip));
    }
}

/// Whether a name is the one that SOA records call the name server (ns.go `isDefaultNS`). It looks for the zone as it
/// was typed in the name in lower case, and for no end: `NS.DNS.CLUSTER.LOCAL` is not it, and what a search list makes
/// of it (`ns.dns.cluster.local.svc.cluster.local`) is.
fn is_default_ns(name: &Name, typed: &str) -> bool {
    const LABELS: &str = "ns.dns.";
    name.lower().starts_with(LABELS) && name.lower().find(typed) == Some(LABELS.len())
}

/// A name in a zone; the root adds nothing.
fn below(labels: &str, zone: &str) -> String {
    if zone == "." { labels.to_owned() } else { format!("{labels}{zone}") }
}

fn record_type(ip: IpAddr) -> RecordType {
    if ip.is_ipv4() { RecordType::A } else { RecordType::AAAA }
}

fn alias_record(ask: Ask<'_>, name: &Name, host: &str, found: &Found<'_>) -> Record {
    Record {
        service: found.service.map(|s| s.key().clone()),
        ..Record::new(name.as_str(), RecordType::CNAME, ask.plugin.ttl, records::absolute(host))
    }
}

/// Without repeated records.
fn unique(records: impl IntoIterator<Item = Record>) -> Vec<Record> {
    let mut seen = HashSet::new();
    records.into_iter().filter(|r| seen.insert((r.name.clone(), r.kind, r.data.clone()))).collect()
}
