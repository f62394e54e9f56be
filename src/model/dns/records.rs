//! The records that exist because of a Service or a pod, as a list: what the DNS pane, `kdisco dns` and zone files
//! show.
//!
//! What it is not: it is no full inventory of what CoreDNS would answer. Left out are its extensions beyond the
//! specification that repeat the same facts: SRV on the bare name, addresses below `_port._proto`, names without
//! underscores. Everybody may use it.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;

use super::hits::{self, HostKind, Part};
use super::{ClusterDomain, Kubernetes, Name, PodMode, Record, RecordType, Server, reverse};
use crate::model::{ObjectKey, Pod, ServiceFacts};

/// A zone of a cluster and how its server makes records of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// The cluster domain.
    pub domain: Name,
    /// TTL of records as it is handed out.
    pub ttl: u32,
    /// The plugin that serves it.
    pub plugin: Kubernetes,
}

impl Zone {
    /// The zone of a cluster domain on a server; with kubeadm's settings where that server does not serve it.
    pub fn new(server: &Server, domain: &ClusterDomain) -> Self {
        let name = domain.name.clone();
        let serves = |k: &&Kubernetes| k.zones.contains(&name);
        match server.block(&name).and_then(|b| Some((b, b.kubernetes.as_ref().filter(serves)?))) {
            Some((block, plugin)) => {
                let cache = block.cache.as_ref().filter(|c| c.covers(&name));
                let ttl = cache.map_or(plugin.ttl, |c| c.shown(plugin.ttl, true));
                Self { ttl, plugin: plugin.clone(), domain: name }
            }
            None => Self::assumed(name),
        }
    }

    /// The zone as kubeadm sets it up.
    pub fn assumed(domain: Name) -> Self {
        let kubeadm = Server::kubeadm(&domain);
        let plugin = kubeadm.kubernetes().next().cloned();
        let plugin = plugin.unwrap_or_else(|| Kubernetes::with_defaults(vec![domain.clone()]));
        Self { ttl: plugin.ttl, plugin, domain }
    }

    /// The name of a Service.
    pub fn service_name(&self, key: &ObjectKey) -> String {
        let domain = if self.domain.is_empty() { "" } else { self.domain.as_str() };
        [&*key.name, ".", &*key.namespace, ".svc.", domain].concat()
    }

    /// Whether the server answers reverse questions for an address.
    fn has_reverse(&self, name: &str) -> bool {
        self.plugin.zones.iter().any(|z| z.covers(name))
    }
}

/// The records of a Service: addresses, SRV for each named port, each ready endpoint's name, PTR, or the CNAME of an
/// ExternalName. Sorted as a reader expects: the Service, its ports, its endpoints, the reverse names.
pub fn service_records(facts: &ServiceFacts, zone: &Zone) -> Vec<Record> {
    let key = facts.key();
    let mut out = Vec::new();
    if !zone.plugin.exposes(&key.namespace) {
        return out;
    }
    let own = zone.service_name(key);
    let Some(all) = hits::hits(facts, Part::Whole, &zone.plugin) else { return out };
    out.reserve(all.len() + 2 * facts.total + facts.service.ports.len() + 2);
    let record = |name: String, kind, data: String, pod| Record {
        service: Some(key.clone()),
        pod,
        ..Record::new(name, kind, zone.ttl, data)
    };
    for hit in &all {
        let pod = hit.endpoint.and_then(hits::pod_of);
        let new = match hit.kind.record() {
            Some((kind, ip)) => record(own.clone(), kind, written(hit.host, ip), pod),
            None => record(own.clone(), RecordType::CNAME, absolute(hit.host), None),
        };
        out.push(new);
    }
    srv_records(facts, zone, &own, &mut out);
    if facts.service.addresses().next().is_none() && !facts.service.headless() {
        return without_duplicates(out);
    }
    for ip in facts.service.addresses().filter_map(|ip| ip.parse::<IpAddr>().ok()) {
        let name = reverse::reverse_name(ip);
        if zone.has_reverse(&name) {
            out.push(record(name, RecordType::PTR, own.clone(), None));
        }
    }
    let mut pointers = Vec::new();
    for (_, endpoint, address) in hits::ready(facts, &zone.plugin) {
        let Some((kind, ip)) = HostKind::of(address).record() else { continue };
        let label = hits::endpoint_label(endpoint, address, zone.plugin.endpoint_pod_names);
        let name = [&*label, ".", &*own].concat();
        let pod = hits::pod_of(endpoint);
        out.push(record(name.clone(), kind, written(address, ip), pod.clone()));
        let reversed = reverse::reverse_name(ip);
        let named = endpoint.hostname.is_some() || !zone.plugin.ptr_hostname_only;
        if named && zone.has_reverse(&reversed) {
            pointers.push(record(reversed, RecordType::PTR, name, pod));
        }
    }
    out.append(&mut pointers);
    without_duplicates(out)
}

/// SRV for each named port. The weight divides 100 among all entries, duplicates included (CoreDNS `plugin.SRV`).
fn srv_records(facts: &ServiceFacts, zone: &Zone, own: &str, out: &mut Vec<Record>) {
    let mut seen = std::collections::BTreeSet::new();
    let ports = facts.service.ports.iter().filter(|p| !p.name.is_empty());
    for port in ports.filter(|p| seen.insert((&p.name, &p.protocol))) {
        let protocol = port.protocol.as_str().to_ascii_lowercase();
        let part = Part::Port { port: &port.name, protocol: &protocol };
        let Some(found) = hits::hits(facts, part, &zone.plugin) else { continue };
        let name = format!("_{}._{protocol}.{own}", port.name);
        let weight = (100 / found.len().max(1)).max(1);
        for hit in found.iter().filter(|h| h.kind != HostKind::Name) {
            let Some(number) = hit.port else { continue };
            let target = hit.label.as_ref().map_or_else(|| own.to_owned(), |l| [&**l, ".", own].concat());
            out.push(Record {
                service: Some(facts.key().clone()),
                pod: hit.endpoint.and_then(hits::pod_of),
                ..Record::new(&*name, RecordType::SRV, zone.ttl, format!("0 {weight} {number} {target}"))
            });
        }
    }
}

/// Leaves the first of equal records: slices and families may repeat an address.
fn without_duplicates(mut records: Vec<Record>) -> Vec<Record> {
    let mut seen = HashSet::with_capacity_and_hasher(records.len(), BuildHasherDefault::<Fnv>::default());
    let first: Vec<bool> = records.iter().map(|r| seen.insert((&*r.name, r.kind, &*r.data))).collect();
    drop(seen);
    let mut first = first.into_iter();
    records.retain(|_| first.next() != Some(false));
    records
}

/// An address in its usual form. Text that was read as an IPv4 address has no other.
fn written(text: &str, ip: IpAddr) -> String {
    if ip.is_ipv4() && !text.contains(':') { text.to_owned() } else { ip.to_string() }
}

/// FNV-1a: records are many and short, and nobody gains by making them collide: a list is as long as its Service.
#[derive(Clone, Copy)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A host name as a target, with the final dot.
pub(super) fn absolute(host: &str) -> String {
    Name::parse(host).map_or_else(|_| format!("{}.", host.trim_end_matches('.')), |n| n.as_str().to_owned())
}

/// The record of a pod's own address (`10-244-1-5.ns.pod.Z`); none where the server serves no pod names, or not this
/// pod's. Only the primary address has one (CoreDNS `findPods`).
pub fn pod_record(pod: &Pod, zone: &Zone) -> Option<Record> {
    let plugin = &zone.plugin;
    let ip: IpAddr = pod.ips.first()?.parse().ok()?;
    let hidden = match plugin.pods {
        PodMode::Disabled => true,
        PodMode::Insecure => false,
        PodMode::Verified => !verified(pod, plugin),
    };
    if hidden || !plugin.exposes(&pod.key.namespace) {
        return None;
    }
    let (kind, label) = match ip {
        IpAddr::V4(ip) => (RecordType::A, ip.to_string().replace('.', "-")),
        IpAddr::V6(ip) => (RecordType::AAAA, padded(&ip.to_string().replace(':', "-"))),
    };
    let domain = if zone.domain.is_empty() { "" } else { zone.domain.as_str() };
    let name = format!("{label}.{}.pod.{domain}", pod.key.namespace);
    Some(Record { pod: Some(pod.key.clone()), ..Record::new(name, kind, zone.ttl, ip.to_string()) })
}

/// Whether `pods verified` knows a pod: CoreDNS lists them without those that are done or of which nothing is heard
/// (plugin/kubernetes controller.go, `status.phase!=…`), and forgets those that are being deleted.
pub(super) fn verified(pod: &Pod, plugin: &Kubernetes) -> bool {
    !pod.finished()
        && &*pod.phase != "Unknown"
        && pod.deleting.is_none()
        && plugin.labels.as_ref().is_none_or(|l| l.matches(&pod.labels))
}

/// A label may neither begin nor end with a dash; a zero changes no IPv6 address there.
fn padded(dashed: &str) -> String {
    let front = if dashed.starts_with('-') { "0" } else { "" };
    let back = if dashed.ends_with('-') { "0" } else { "" };
    format!("{front}{dashed}{back}")
}

/// Records as a zone file (RFC 1035 section 5), one a line, columns aligned.
pub fn zone_file(records: &[Record]) -> String {
    let name = records.iter().map(|r| r.name.len()).max().unwrap_or(0);
    let ttl = records.iter().map(|r| r.ttl.to_string().len()).max().unwrap_or(0);
    let mut out = String::new();
    for r in records {
        // Writing to a String never fails.
        let _ = writeln!(out, "{:name$}  {:ttl$}  IN  {:<5}  {}", r.name, r.ttl, r.kind, r.data);
    }
    out
}

#[cfg(test)]
mod tests;
