//! The index that predictions are made on: built once per snapshot, asked many times.
//!
//! What it is not: it holds no facts of its own and never changes. Everybody may use it.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::hits;
use super::{ClusterDomain, KubeletDns, Kubernetes, Record, Server, Zone, records};
use crate::model::{
    ClusterSnapshot, EndpointSlice, Kind, Load, Namespace, ObjectKey, Pod, ServiceFacts, Text,
};

/// A cluster as its DNS server sees it.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(super) snapshot: ClusterSnapshot,
    server: Server,
    domain: ClusterDomain,
    kubelet: KubeletDns,
    namespaces: HashMap<Text, usize>,
    /// Cluster addresses → position in the snapshot's Services.
    service_ips: HashMap<IpAddr, Vec<u32>>,
    /// Ready endpoint addresses → positions of the Services that have them.
    endpoint_ips: HashMap<IpAddr, Vec<u32>>,
    /// Ready addresses of slices without a Service → positions in the snapshot's list of those.
    stray_ips: HashMap<IpAddr, Vec<u32>>,
    /// Primary addresses of pods, as written; a namespace may have several pods on one (host network).
    pod_ips: HashMap<Text, Vec<ObjectKey>>,
    /// The pods that serve DNS.
    servers: Vec<ObjectKey>,
}

/// Whether something exists, as far as the objects tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exists {
    Yes,
    No,
    Unknown,
}

impl Cluster {
    /// Builds the index. The snapshot's parts are shared, not copied.
    pub fn new(snapshot: &ClusterSnapshot) -> Self {
        let server = Server::of(snapshot);
        Self::with_server(snapshot, server)
    }

    /// The same with a server that is known otherwise.
    pub fn with_server(snapshot: &ClusterSnapshot, server: Server) -> Self {
        let domain = ClusterDomain::of(snapshot, &server);
        let kubelet = KubeletDns::of(snapshot, &domain);
        let mut out = Self {
            namespaces: snapshot.namespaces.iter().enumerate().map(|(i, n)| (n.name.clone(), i)).collect(),
            service_ips: HashMap::with_capacity(snapshot.services.len()),
            endpoint_ips: HashMap::with_capacity(snapshot.services.len()),
            stray_ips: HashMap::new(),
            pod_ips: HashMap::new(),
            servers: Vec::new(),
            snapshot: snapshot.clone(),
            server,
            domain,
            kubelet,
        };
        // Options are applied when a question is asked, so that blocks with different ones can share the index.
        let everything = Kubernetes::with_defaults(Vec::new());
        for (i, facts) in (0_u32..).zip(snapshot.services.iter()) {
            for ip in facts.service.addresses().filter_map(|ip| canonical(ip)) {
                out.service_ips.entry(ip).or_default().push(i);
            }
            for ip in hits::ready(facts, &everything).filter_map(|(_, _, ip)| canonical(ip)) {
                let services = out.endpoint_ips.entry(ip).or_default();
                if services.last() != Some(&i) {
                    services.push(i);
                }
            }
        }
        for (i, slice) in (0_u32..).zip(snapshot.stray_slices.iter()) {
            for ip in hits::ready_in(slice, &everything).filter_map(|(_, ip)| canonical(ip)) {
                out.stray_ips.entry(ip).or_default().push(i);
            }
        }
        for pod in snapshot.pods.values().flat_map(|pods| pods.iter()) {
            if let Some(ip) = pod.ips.first() {
                out.pod_ips.entry(ip.clone()).or_default().push(pod.key.clone());
            }
        }
        out.servers = out.dns_pods();
        out
    }

    /// The DNS server as its Corefile sets it up.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The cluster domain and how it is known.
    pub fn domain(&self) -> &ClusterDomain {
        &self.domain
    }

    /// What the kubelets are set to.
    pub fn kubelet(&self) -> &KubeletDns {
        &self.kubelet
    }

    /// The zone of the cluster domain.
    pub fn zone(&self) -> Zone {
        Zone::new(&self.server, &self.domain)
    }

    /// The records of all Services (and pods that are known) that are answered: a namespace that the server hides has
    /// none, and an address has the reverse name that the server gives it, not one for each Service.
    pub fn records(&self) -> Vec<Record> {
        let zone = self.zone();
        let shown = |namespace: &str| self.namespace(&zone.plugin, namespace) != Exists::No;
        let mut out = Vec::with_capacity(self.snapshot.services.len() * 6);
        for facts in self.snapshot.services.iter().filter(|f| shown(&f.key().namespace)) {
            out.extend(records::service_records(facts, &zone).into_iter().filter(|r| self.is_answered(r)));
        }
        let pods = self.snapshot.pods.iter().filter(|(namespace, _)| shown(namespace));
        let mut seen = HashSet::new();
        let pods = pods.flat_map(|(_, pods)| pods.iter()).filter(|p| !p.finished());
        out.extend(
            pods.filter_map(|p| records::pod_record(p, &zone)).filter(|r| seen.insert(r.name.clone())),
        );
        out
    }

    /// Of the reverse names only those that the server gives: the Service's before its endpoints'.
    fn is_answered(&self, record: &Record) -> bool {
        if record.kind != super::RecordType::PTR {
            return true;
        }
        let ip = super::reverse::address_in(&record.name);
        let Some(first) = ip.and_then(|ip| self.service_ips.get(&ip)).and_then(|i| i.first()) else {
            return true;
        };
        Some(self.at(*first).key()) == record.service.as_ref() && record.pod.is_none()
    }

    /// A Service by position.
    pub(super) fn at(&self, position: u32) -> &ServiceFacts {
        &self.snapshot.services[position as usize]
    }

    /// A Service by its names, both in lower case.
    pub(super) fn find(&self, namespace: &str, name: &str) -> Option<&ServiceFacts> {
        let in_order =
            |f: &std::sync::Arc<ServiceFacts>| (&*f.key().namespace, &*f.key().name).cmp(&(namespace, name));
        self.snapshot.services.binary_search_by(in_order).ok().map(|i| &*self.snapshot.services[i])
    }

    /// Services with that cluster address.
    pub(super) fn with_cluster_ip(&self, ip: IpAddr) -> impl Iterator<Item = &ServiceFacts> {
        self.service_ips.get(&ip).into_iter().flatten().map(|i| self.at(*i))
    }

    /// Services with a ready endpoint of that address.
    pub(super) fn with_endpoint_ip(&self, ip: IpAddr) -> impl Iterator<Item = &ServiceFacts> {
        self.endpoint_ips.get(&ip).into_iter().flatten().map(|i| self.at(*i))
    }

    /// Slices without a Service that have a ready endpoint of that address.
    pub(super) fn strays_with_ip(&self, ip: IpAddr) -> impl Iterator<Item = &EndpointSlice> {
        self.stray_ips.get(&ip).into_iter().flatten().map(|i| &*self.snapshot.stray_slices[*i as usize])
    }

    /// Pods whose primary address is written so.
    pub(super) fn with_pod_ip(&self, ip: &str) -> impl Iterator<Item = &Pod> {
        let keys = self.pod_ips.get(ip).into_iter().flatten();
        keys.filter_map(|k| self.snapshot.pod(&k.namespace, &k.name)).map(|p| &**p)
    }

    /// Whether all objects of a kind are known, in one namespace or (empty) in all.
    pub(super) fn knows(&self, kind: Kind, namespace: &str) -> bool {
        let complete = |load: &Load| matches!(load, Load::Live | Load::Stale { .. });
        let all =
            self.snapshot.loads.iter().any(|e| e.kind == kind && e.namespace.is_none() && complete(&e.load));
        all || (!namespace.is_empty() && self.snapshot.load(kind, namespace).is_some_and(complete))
    }

    /// Whether a namespace is served by a plugin.
    pub(super) fn namespace(&self, plugin: &Kubernetes, namespace: &str) -> Exists {
        if !plugin.exposes(namespace) {
            return Exists::No;
        }
        let selected = |n: &Namespace| plugin.namespace_labels.as_ref().is_none_or(|s| s.matches(&n.labels));
        match self.namespaces.get(namespace) {
            Some(i) if selected(&self.snapshot.namespaces[*i]) => Exists::Yes,
            Some(_) => Exists::No,
            None if self.knows(Kind::Namespace, "") => Exists::No,
            // It can't be listed, but something lives in it.
            None if plugin.namespace_labels.is_none() && self.inhabited(namespace) => Exists::Yes,
            None => Exists::Unknown,
        }
    }

    fn inhabited(&self, namespace: &str) -> bool {
        !self.snapshot.services_in(namespace).is_empty() || !self.snapshot.pods_in(namespace).is_empty()
    }

    /// The pods that serve DNS.
    pub fn dns_servers(&self) -> impl Iterator<Item = &Pod> {
        self.servers.iter().filter_map(|k| self.snapshot.pod(&k.namespace, &k.name)).map(|p| &**p)
    }

    /// The pods behind the DNS Service, else those with its usual label.
    fn dns_pods(&self) -> Vec<ObjectKey> {
        let plugin = Kubernetes::with_defaults(Vec::new());
        let mut keys: Vec<ObjectKey> = match self.find("kube-system", "kube-dns") {
            Some(facts) => hits::ready(facts, &plugin).filter_map(|(_, e, _)| hits::pod_of(e)).collect(),
            None => Vec::new(),
        };
        keys.retain(|k| self.snapshot.pod(&k.namespace, &k.name).is_some());
        if keys.is_empty() {
            let labelled =
                |p: &&std::sync::Arc<Pod>| p.labels.get("k8s-app").is_some_and(|v| &**v == "kube-dns");
            keys =
                self.snapshot.pods_in("kube-system").iter().filter(labelled).map(|p| p.key.clone()).collect();
        }
        keys.sort();
        keys.dedup();
        keys
    }

    /// The pod whose answers are predicted where the pods that serve DNS differ: the first ready one by name, which
    /// is the one that a live question should go to as well.
    pub fn asked(&self) -> Option<&Pod> {
        self.dns_servers().find(|p| p.is_ready()).or_else(|| self.dns_servers().next())
    }

    /// The Services that a pod is behind.
    pub(super) fn services_before(&self, pod: &Pod) -> Vec<&ServiceFacts> {
        let ips = pod.ips.iter().filter_map(|ip| canonical(ip));
        ips.flat_map(|ip| self.with_endpoint_ip(ip)).collect()
    }
}

/// An address that is written as CoreDNS would print it; it looks addresses up by their text.
pub(super) fn canonical(text: &str) -> Option<IpAddr> {
    let ip: IpAddr = text.parse().ok()?;
    let same = match ip {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => false,
        ip => ip.to_string() == text,
    };
    same.then_some(ip)
}
