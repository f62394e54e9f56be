//! The pods that serve DNS: which there are, what they run, how they are, and which of them to ask.
//!
//! What it is: a reading of pods and settings for the top line, a page and `kdisco dns --health`, and for whoever opens
//! a connection to one of them. What it is not: it asks nobody. Everybody may use it.

use std::collections::BTreeMap;
use std::fmt;

use super::{Cluster, Metrics};
use crate::model::pod::ContainerState;
use crate::model::{ClusterSnapshot, Finding, Kind, Load, ObjectKey, ObjectRef, Pod, Severity, Text};

/// What a server pod runs, by its image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Software {
    /// CoreDNS.
    CoreDns,
    /// The old kube-dns (skydns behind dnsmasq): its answers follow other rules than those predicted here.
    KubeDns,
    /// Something else; the image.
    Other(Text),
}

impl fmt::Display for Software {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CoreDns => f.pad("CoreDNS"),
            Self::KubeDns => f.pad("kube-dns"),
            Self::Other(image) => f.pad(image),
        }
    }
}

/// One pod that serves DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsServer {
    /// The pod.
    pub pod: ObjectKey,
    /// What it runs.
    pub software: Software,
    /// The image's tag, which is the version in nearly all clusters.
    pub version: Option<Text>,
    /// Whether it is ready. CoreDNS' `ready` plugin asks its parts until they are ready once, so this proves no
    /// present health.
    pub ready: bool,
    /// Restarts of its containers.
    pub restarts: i32,
    /// Phase, or what a container waits for (`CrashLoopBackOff`).
    pub state: Text,
    /// The node it is on.
    pub node: Text,
    /// The port that takes DNS over TCP inside the pod.
    pub port: u16,
}

/// The state of a cluster's DNS, as far as it may be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsHealth {
    /// The pods, ready ones first, then by name. The first is the one to ask.
    pub servers: Vec<DnsServer>,
    /// Why the pods are not known, if they are not.
    pub unknown: Option<String>,
    /// Ready and all pods of NodeLocal DNSCache; `None` where there are none.
    pub node_local: Option<(usize, usize)>,
    /// The ConfigMap of the Corefile; `None` where it could not be read.
    pub corefile: Option<ObjectKey>,
    /// What in the Corefile is not understood.
    pub oddities: Vec<String>,
    /// What servers count of themselves, by pod, where that may be read; an error says why not.
    pub metrics: BTreeMap<Text, Result<Metrics, String>>,
}

/// The label of NodeLocal DNSCache's pods.
const NODE_LOCAL: &str = "node-local-dns";

impl DnsHealth {
    /// The state as a snapshot shows it; metrics are put in by whoever reads them.
    pub fn of(snapshot: &ClusterSnapshot, cluster: &Cluster) -> Self {
        let mut servers: Vec<DnsServer> =
            cluster.dns_servers().filter(|p| !is_node_local(p)).map(DnsServer::of).collect();
        servers.sort_by(|a, b| (!a.ready, &a.pod).cmp(&(!b.ready, &b.pod)));
        let caches: Vec<_> = snapshot.pods_in("kube-system").iter().filter(|p| is_node_local(p)).collect();
        let ready = caches.iter().filter(|p| p.is_ready()).count();
        let unknown = match snapshot.load(Kind::Pod, "kube-system") {
            _ if !servers.is_empty() => None,
            Some(Load::Forbidden { .. }) => Some("pods of kube-system may not be listed".to_owned()),
            Some(Load::Loading(_)) => Some("pods of kube-system are still being listed".to_owned()),
            None => Some("pods of kube-system are not known".to_owned()),
            Some(_) => None,
        };
        Self {
            servers,
            unknown,
            node_local: (!caches.is_empty()).then_some((ready, caches.len())),
            corefile: cluster.server().source.clone(),
            oddities: cluster.server().oddities.clone(),
            metrics: BTreeMap::new(),
        }
    }

    /// Ready servers.
    pub fn ready(&self) -> usize {
        self.servers.iter().filter(|s| s.ready).count()
    }

    /// What is wrong, worst first.
    pub fn findings(&self) -> Vec<Finding> {
        let finding = |code, severity, key: ObjectKey, message: String, advice: &str| Finding {
            code,
            severity,
            object: ObjectRef { kind: Kind::Pod, key },
            message,
            evidence: self.servers.iter().map(DnsServer::line).collect(),
            advice: advice.to_owned(),
        };
        let service = || ObjectKey::new("kube-system", "kube-dns");
        let mut out = Vec::new();
        if self.unknown.is_none() && self.ready() == 0 {
            let message = match self.servers.len() {
                0 => "No pod serves DNS: there is none behind kube-dns, and none with its label.".to_owned(),
                n => format!("None of the {n} pods that serve DNS is ready."),
            };
            let advice = "See kubectl -n kube-system get deployment coredns, and the logs of its pods.";
            out.push(finding("coredns-down", Severity::Error, service(), message, advice));
        }
        for server in self.servers.iter().filter(|s| &*s.state == "CrashLoopBackOff") {
            let message =
                format!("{} starts again and again; a forwarding loop is a usual reason.", server.pod);
            let advice = "kubectl -n kube-system logs --previous tells; see CoreDNS' plugin loop.";
            out.push(finding("coredns-loop", Severity::Error, server.pod.clone(), message, advice));
        }
        if let Some((ready, all)) = self.node_local.filter(|(ready, all)| ready < all) {
            let message = format!("{ready} of {all} pods of NodeLocal DNSCache are ready.");
            out.push(finding("nodelocal-down", Severity::Warning, service(), message, ""));
        }
        out
    }

    /// What is to be said before any answer: that somebody stands between pods and these servers, or that they are no
    /// CoreDNS.
    pub fn notes(&self) -> Vec<String> {
        let mut out = Vec::new();
        if let Some((ready, all)) = self.node_local {
            out.push(format!(
                "NodeLocal DNSCache runs on {all} nodes ({ready} ready): pods ask it first, here CoreDNS behind it is \
                 asked (it can't be reached by port-forward)"
            ));
        }
        if let Some(other) = self.servers.iter().find(|s| s.software != Software::CoreDns) {
            out.push(format!(
                "{} runs {}, no CoreDNS: predictions follow CoreDNS' rules",
                other.pod.name, other.software
            ));
        }
        out
    }
}

impl DnsServer {
    fn of(pod: &Pod) -> Self {
        let image = pod.spec.main_containers().map(|c| &c.image).find(|i| software(i).is_some());
        let first = || pod.spec.main_containers().next().map(|c| c.image.clone());
        let software = match image {
            Some(image) => software(image).unwrap_or(Software::CoreDns),
            None => Software::Other(first().unwrap_or_else(|| "".into())),
        };
        let waiting = pod.statuses.iter().find_map(|s| match &s.state {
            ContainerState::Waiting(reason) => Some(reason),
            _ => None,
        });
        Self {
            pod: pod.key.clone(),
            software,
            version: image.cloned().or_else(first).and_then(|i| tag(&i)),
            ready: pod.is_ready(),
            restarts: pod.restarts(),
            state: waiting.cloned().unwrap_or_else(|| pod.phase.clone()),
            node: pod.node.clone(),
            port: port(pod),
        }
    }

    /// In one line, as evidence.
    fn line(&self) -> String {
        let ready = if self.ready { "ready" } else { "not ready" };
        format!("{}: {}, {ready}, {} restarts", self.pod.name, self.state, self.restarts)
    }
}

fn is_node_local(pod: &Pod) -> bool {
    pod.labels.get("k8s-app").is_some_and(|v| &**v == NODE_LOCAL)
        || pod.owner.as_ref().is_some_and(|o| &*o.name == NODE_LOCAL)
}

/// What an image is, by its last part (`registry.k8s.io/coredns/coredns:v1.12.1`).
fn software(image: &str) -> Option<Software> {
    let path = image.split('@').next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default().split(':').next().unwrap_or_default();
    match name {
        _ if name.contains("coredns") => Some(Software::CoreDns),
        _ if ["kube-dns", "dnsmasq", "kubedns"].iter().any(|w| name.contains(w)) => Some(Software::KubeDns),
        _ => None,
    }
}

fn tag(image: &str) -> Option<Text> {
    let path = image.split('@').next().unwrap_or_default();
    let (_, tag) = path.rsplit('/').next()?.split_once(':')?;
    Some(tag.into())
}

/// The port for DNS over TCP: the one that is called so, else any called `dns`, else 53. Some distributions listen
/// elsewhere inside the pod.
fn port(pod: &Pod) -> u16 {
    let ports = || pod.spec.containers.iter().flat_map(|c| &c.ports);
    let named = |name: &str| ports().find(|p| &*p.name == name).map(|p| p.port);
    let port = named("dns-tcp").or_else(|| named("dns-tcp-local")).or_else(|| named("dns"));
    port.and_then(|p| u16::try_from(p).ok()).filter(|p| *p > 0).unwrap_or(53)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::samples::{pod, snapshot};

    fn server(name: &str, image: &str, label: &str) -> Pod {
        let mut pod = pod("kube-system", name).labelled(&format!("k8s-app={label}"));
        let mut spec = (*pod.spec).clone();
        for container in &mut spec.containers {
            container.image = image.into();
        }
        pod.spec = spec.into();
        pod
    }

    fn health(pods: Vec<Pod>) -> DnsHealth {
        let snapshot = snapshot(vec![], pods);
        DnsHealth::of(&snapshot, &Cluster::new(&snapshot))
    }

    #[test]
    fn images_tell_what_runs() {
        assert_eq!(software("registry.k8s.io/coredns/coredns:v1.12.1"), Some(Software::CoreDns));
        assert_eq!(software("rancher/mirrored-coredns-coredns:1.10"), Some(Software::CoreDns));
        assert_eq!(software("gcr.io/google/k8s-dns-dnsmasq-nanny-amd64:1.14"), Some(Software::KubeDns));
        assert_eq!(software("local/tools:1"), None);
        assert_eq!(tag("host:5000/coredns@sha256:abc"), None);
        assert_eq!(tag("host:5000/coredns:1.9@sha256:abc").as_deref(), Some("1.9"));
    }

    #[test]
    fn ready_ones_come_first_and_the_node_local_cache_is_no_server_to_ask() {
        let health = health(vec![
            server("a", "coredns:1.1", "kube-dns").unready("ContainersNotReady", "", 5),
            server("b", "coredns:1.1", "kube-dns"),
            server("c", "k8s-dns-node-cache:1.2", "node-local-dns"),
        ]);
        let names: Vec<&str> = health.servers.iter().map(|s| &*s.pod.name).collect();
        assert_eq!((names, health.ready(), health.node_local), (vec!["b", "a"], 1, Some((1, 1))));
        assert!(health.notes()[0].contains("NodeLocal DNSCache"));
        assert!(health.findings().is_empty());
    }

    #[test]
    fn nothing_ready_is_an_error_and_not_knowing_is_none() {
        let down = health(vec![server("a", "coredns:1.1", "kube-dns").unready("ContainersNotReady", "", 5)]);
        assert_eq!(down.findings()[0].code, "coredns-down");
        let mut snapshot = snapshot(vec![], vec![]);
        let denied = Load::Forbidden { verb: "list".into(), message: "no".into() };
        crate::model::samples::set_load(&mut snapshot, Kind::Pod, denied);
        let unknown = DnsHealth::of(&snapshot, &Cluster::new(&snapshot));
        assert!(unknown.unknown.is_some() && unknown.findings().is_empty());
    }
}
