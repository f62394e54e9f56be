//! What a Corefile means for a question: which server block is responsible, what its `kubernetes` plugin serves, and
//! which other plugins have a hand in it.
//!
//! What it is not: it answers nothing; [`Cluster::answer`](super::Cluster::answer) does. Everybody may use it.
//!
//! Sources: CoreDNS plugin.cfg (order of plugins), core/dnsserver (choice of the block), the plugins' setup.go.

use std::collections::BTreeMap;

use super::corefile::{Directive, ServerBlock};
use super::{Corefile, Name, RecordType, reverse};
use crate::model::{ClusterSnapshot, ConfigData, ObjectKey, Text};

mod plugins;
mod rewrite;

pub use plugins::{Autopath, Cache, Hosts, HostsFile, Kubernetes, PodMode};
pub use rewrite::{Rewrite, RewriteRule};

/// A DNS server as its Corefile sets it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Server blocks that listen on the DNS port.
    pub blocks: Vec<Block>,
    /// The ConfigMap it was read from; `None` when it could not be read and kubeadm's defaults are assumed.
    pub source: Option<ObjectKey>,
    /// What could not be read in it, one sentence each.
    pub oddities: Vec<String>,
}

/// One server block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Zones it is responsible for.
    pub zones: Vec<Name>,
    /// The `kubernetes` plugin.
    pub kubernetes: Option<Kubernetes>,
    /// The `hosts` plugin.
    pub hosts: Option<Hosts>,
    /// `rewrite` rules in order.
    pub rewrites: Vec<Rewrite>,
    /// The `autopath` plugin.
    pub autopath: Option<Autopath>,
    /// The `cache` plugin.
    pub cache: Option<Cache>,
    /// The `any` plugin: ANY gets one HINFO record (RFC 8482).
    pub any: bool,
    /// The `dns64` plugin: makes AAAA records where there are none.
    pub dns64: bool,
    /// Zones that the `transfer` plugin hands out whole.
    pub transfer: Vec<Name>,
    /// Plugins in front of `kubernetes` whose answers the API does not show, with their zones.
    pub before: Vec<Other>,
    /// Plugins behind `kubernetes` that get what is left, with their zones.
    pub behind: Vec<Other>,
}

/// Another plugin that may answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Its name.
    pub plugin: Text,
    /// Names it may answer.
    pub zones: Vec<Name>,
    /// The only type it answers; `None` for all.
    pub kind: Option<RecordType>,
}

/// kubeadm's Corefile (cmd/kubeadm/app/phases/addons/dns/manifests.go) as far as it matters for answers.
const KUBEADM: &str = ".:53 {\n kubernetes DOMAIN in-addr.arpa ip6.arpa {\n pods insecure\n fallthrough in-addr.arpa ip6.arpa\n \
ttl 30\n }\n forward . /etc/resolv.conf\n cache 30 {\n disable success DOMAIN\n disable denial DOMAIN\n }\n}\n";

impl Server {
    /// The server that a Corefile describes. `file` gives the text of other files that it names.
    pub fn new(corefile: &Corefile, file: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut oddities = corefile.oddities.clone();
        let mut blocks: Vec<(u16, Block)> = Vec::new();
        for block in &corefile.blocks {
            let keys: Vec<(u16, Name)> =
                block.keys.iter().flat_map(|k| zones_of_key(k, &mut oddities)).collect();
            let mut ports: Vec<u16> = keys.iter().map(|(port, _)| *port).collect();
            ports.sort_unstable();
            ports.dedup();
            for port in ports {
                let zones = keys.iter().filter(|(p, _)| *p == port).map(|(_, zone)| zone.clone()).collect();
                blocks.push((port, Block::new(zones, block, file, &mut oddities)));
            }
        }
        // Pods and Services ask on port 53; a server that listens elsewhere alone stands behind a mapping to it.
        let port =
            if blocks.iter().any(|(p, _)| *p == 53) { 53 } else { blocks.first().map_or(53, |(p, _)| *p) };
        let blocks = blocks.into_iter().filter(|(p, _)| *p == port).map(|(_, block)| block).collect();
        oddities.sort();
        oddities.dedup();
        Self { blocks, source: None, oddities }
    }

    /// The server that kubeadm sets up for a cluster domain: what is assumed where no Corefile can be read.
    pub fn kubeadm(domain: &Name) -> Self {
        Self::new(&Corefile::parse(&KUBEADM.replace("DOMAIN", domain.as_str())), &|_| None)
    }

    /// The server of a cluster: from the Corefile in `kube-system/coredns` (or another ConfigMap that was read and
    /// holds one), else as kubeadm sets it up for the domain that the other objects tell.
    pub fn of(snapshot: &ClusterSnapshot) -> Self {
        let Some(map) = corefile_of(snapshot) else {
            return Self::kubeadm(&super::domain::without_corefile(snapshot).name);
        };
        let file = |path: &str| file_in(snapshot, map, path);
        let corefile = Corefile::parse_with(&text_of(map, "Corefile").unwrap_or_default(), &file);
        Self { source: Some(map.key.clone()), ..Self::new(&corefile, &file) }
    }

    /// The block that is responsible for a name: the one with the longest zone.
    pub fn block(&self, name: &Name) -> Option<&Block> {
        let longest = |b: &Block| b.zones.iter().filter(|z| name.is_under(z)).map(Name::len).max();
        // Of equal ones the first: CoreDNS refuses duplicates unless `view` tells them apart.
        self.blocks
            .iter()
            .rev()
            .filter_map(|b| Some((longest(b)?, b)))
            .max_by_key(|(len, _)| *len)
            .map(|(_, b)| b)
    }

    /// The `kubernetes` plugins of all blocks.
    pub fn kubernetes(&self) -> impl Iterator<Item = &Kubernetes> {
        self.blocks.iter().filter_map(|b| b.kubernetes.as_ref())
    }
}

/// The ConfigMap that holds the Corefile in force, among those that were read.
fn corefile_of(snapshot: &ClusterSnapshot) -> Option<&ConfigData> {
    let usual = ObjectKey::new("kube-system", "coredns");
    let holds = |c: &&std::sync::Arc<ConfigData>| c.data.contains_key("Corefile");
    let other = || {
        let mut maps = snapshot.config_maps.values().filter(holds);
        maps.find(|c| c.key.name.contains("coredns") || &*c.key.namespace == "openshift-dns")
    };
    snapshot.config_maps.get(&usual).filter(holds).or_else(other).map(|c| &**c)
}

/// A file that the Corefile names, where it comes from the same ConfigMap (k3s' `NodeHosts`) or from the usual one
/// for custom settings (`custom/*.server`).
fn file_in(snapshot: &ClusterSnapshot, map: &ConfigData, path: &str) -> Option<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if folder.rsplit('/').next() != Some("custom") {
        return text_of(map, name);
    }
    let key = ObjectKey::new(map.key.namespace.clone(), format!("{}-custom", map.key.name));
    let custom = snapshot.config_maps.get(&key)?;
    let (head, tail) = name.split_once('*').unwrap_or((name, ""));
    let glob = name.contains('*');
    let in_glob = |k: &str| k.len() >= head.len() + tail.len() && k.starts_with(head) && k.ends_with(tail);
    let fits = |k: &Text| &**k == name || (glob && in_glob(k));
    Some(
        custom.data.keys().filter(|k| fits(k)).filter_map(|k| text_of(custom, k)).map(|t| t + "\n").collect(),
    )
}

fn text_of(map: &ConfigData, key: &str) -> Option<String> {
    map.data.get(key).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// Port and zones of one key of a server block. Keys for other transports than plain DNS have none.
fn zones_of_key(key: &str, oddities: &mut Vec<String>) -> Vec<(u16, Name)> {
    let (scheme, rest) = key.split_once("://").unwrap_or(("dns", key));
    if scheme != "dns" {
        return Vec::new();
    }
    let (zone, port) = match rest.rsplit_once(':') {
        Some((zone, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            (zone, port.parse().ok())
        }
        _ => (rest.strip_suffix(':').unwrap_or(rest), Some(53)),
    };
    let zones = zones_of(zone);
    if zones.is_empty() {
        oddities.push(format!("the zone {zone:?} can't be read"));
    }
    zones.into_iter().map(|z| (port.unwrap_or(53), z)).collect()
}

/// The zones that one argument names: itself, or the reverse zones of a network. Empty if it is no name.
pub(super) fn zones_of(text: &str) -> Vec<Name> {
    let name = || Name::parse(if text.is_empty() { "." } else { text }).ok().into_iter().collect();
    reverse::zones_of_network(text).unwrap_or_else(name)
}

impl Block {
    fn new(
        zones: Vec<Name>,
        block: &ServerBlock,
        file: &dyn Fn(&str) -> Option<String>,
        oddities: &mut Vec<String>,
    ) -> Self {
        let mut out = Self { zones, ..Self::default() };
        for d in &block.directives {
            out.add(d, file, oddities);
        }
        out
    }

    /// The zones that arguments name, or all of the block without any.
    fn zones_or_all(&self, args: &[String]) -> Vec<Name> {
        let zones: Vec<Name> = args.iter().flat_map(|a| zones_of(a)).collect();
        if zones.is_empty() { self.zones.clone() } else { zones }
    }

    fn add(&mut self, d: &Directive, file: &dyn Fn(&str) -> Option<String>, oddities: &mut Vec<String>) {
        let all = self.zones.clone();
        let other = |zones| Other { plugin: d.name.as_str().into(), zones, kind: None };
        match d.name.as_str() {
            "kubernetes" => self.kubernetes = Some(Kubernetes::new(self.zones_or_all(&d.args), d, oddities)),
            "hosts" => self.hosts = Some(Hosts::new(d, &all, file)),
            "rewrite" => self.rewrites.push(Rewrite::new(d)),
            "autopath" => self.autopath = Autopath::new(d, &all),
            "cache" => self.cache = Some(Cache::new(d, &all)),
            "any" => self.any = true,
            "dns64" => self.dns64 = true,
            "transfer" => self.transfer.extend(self.zones_or_all(&d.args)),
            // `template CLASS TYPE [ZONE…]`
            "template" => {
                let kind = d.args.get(1).and_then(|t| t.parse().ok()).filter(|t| *t != RecordType::ANY);
                let zones = self.zones_or_all(d.args.get(2..).unwrap_or_default());
                self.before.push(Other { kind, ..other(zones) });
            }
            "local" => self.before.push(other(local_zones())),
            "acl" | "k8s_external" => self.before.push(other(self.zones_or_all(&d.args))),
            // `route53 ZONE:ID`, `clouddns ZONE:PROJECT:ID`, `azure GROUP:ZONE`
            "route53" | "clouddns" | "azure" => {
                let at = usize::from(d.name == "azure");
                let zone = |a: &String| a.split(':').nth(at).unwrap_or_default().to_owned();
                let zones: Vec<String> = d.args.iter().map(zone).collect();
                self.before.push(other(self.zones_or_all(&zones)));
            }
            // Behind `kubernetes` in plugin.cfg; `FROM TO…`.
            "forward" | "grpc" | "fanout" => {
                self.behind.push(other(self.zones_or_all(d.args.get(..1).unwrap_or_default())));
            }
            "file" => self.behind.push(other(self.zones_or_all(d.args.get(1..).unwrap_or_default()))),
            "auto" | "secondary" | "etcd" => self.behind.push(other(self.zones_or_all(&d.args))),
            "erratic" | "whoami" | "nomad" | "unbound" | "recursor" => self.behind.push(other(all)),
            name if NEUTRAL.contains(&name) => {}
            _ => self.before.push(other(all)),
        }
    }
}

/// Plugins that change no answer to an ordinary question.
const NEUTRAL: [&str; 31] = [
    "bind",
    "bufsize",
    "cancel",
    "chaos",
    "debug",
    "dnssec",
    "dnstap",
    "errors",
    "geoip",
    "header",
    "health",
    "loadbalance",
    "log",
    "loop",
    "metadata",
    "minimal",
    "multisocket",
    "nsid",
    "on",
    "pprof",
    "prometheus",
    "proxyproto",
    "quic",
    "ready",
    "reload",
    "root",
    "sign",
    "timeouts",
    "tls",
    "trace",
    "tsig",
];

/// Zones that the `local` plugin answers itself (RFC 6303, RFC 6761).
fn local_zones() -> Vec<Name> {
    let v6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.";
    let zones = ["localhost.", "0.in-addr.arpa.", "127.in-addr.arpa.", "255.in-addr.arpa.", v6];
    zones.iter().filter_map(|z| Name::parse(z).ok()).collect()
}

/// The names and addresses of a hosts file, names in lower case.
pub(super) fn hosts_lines<'a>(
    lines: impl Iterator<Item = &'a str>,
) -> BTreeMap<String, Vec<std::net::IpAddr>> {
    let mut out: BTreeMap<String, Vec<std::net::IpAddr>> = BTreeMap::new();
    for line in lines {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(address) = words.next().and_then(|w| w.parse().ok()) else { continue };
        for name in words.filter_map(|w| Name::parse(w).ok()) {
            let known = out.entry(name.lower().to_owned()).or_default();
            if !known.contains(&address) {
                known.push(address);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests;
