//! The `/etc/resolv.conf` that the kubelet writes for a pod.
//!
//! What it is not: the node's own resolver file is not in the API; without it the result says where its part would
//! stand. Everybody may use it.
//!
//! Source: Kubernetes pkg/kubelet/network/dns/dns.go.

use super::search::Libc;
use super::{ClusterDomain, domain};
use crate::model::pod::DnsConfig;
use crate::model::{ClusterSnapshot, Finding, Kind, ObjectKey, ObjectRef, Pod, Severity, Text};

/// What the kubelet of a node knows about DNS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeletDns {
    /// `clusterDNS`.
    pub cluster_dns: Vec<Text>,
    /// `clusterDomain`, without the final dot; empty if it has none.
    pub cluster_domain: Text,
    /// The node's resolver file; `None` where it is not known, as always from the API alone.
    pub node: Option<NodeResolvConf>,
    /// What of this is not stated by an object but concluded, one sentence each.
    pub assumed: Vec<String>,
}

/// The node's resolver file (kubelet `resolvConf`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeResolvConf {
    /// Name servers.
    pub nameservers: Vec<Text>,
    /// The last `search` line.
    pub search: Vec<Text>,
    /// The last `options` line.
    pub options: Vec<Text>,
}

/// A pod's `/etc/resolv.conf`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvConf {
    /// `nameserver` lines, as far as they are known.
    pub nameservers: Vec<Text>,
    /// The search list, as far as it is known.
    pub search: Vec<Text>,
    /// Options (`ndots:5`); the kubelet writes them in no particular order.
    pub options: Vec<String>,
    /// Where the node's own search domains stand in the list; `None` when they are known or not used.
    pub node_search_at: Option<usize>,
    /// The node's own name servers stand in front, and they are not known.
    pub node_servers: bool,
    /// The node's own options may be there too, and they are not known.
    pub node_options: bool,
    /// Events that the kubelet records about it (`DNSConfigForming`, `MissingClusterDNS`).
    pub events: Vec<&'static str>,
    /// What is concluded and not stated by an object, one sentence each.
    pub assumed: Vec<String>,
}

const MAX_SERVERS: usize = 3;
/// `ExpandedDNSConfig`, general since Kubernetes 1.28.
const MAX_SEARCHES: usize = 32;
const MAX_SEARCH_CHARACTERS: usize = 2048;
/// A search domain is a DNS name.
const MAX_SEARCH_NAME: usize = 253;

impl KubeletDns {
    /// What the kubelets are set to, concluded from the objects: kubeadm's copy of their configuration where it can be
    /// read, else the address of the DNS Service and the cluster domain.
    pub fn of(snapshot: &ClusterSnapshot, cluster: &ClusterDomain) -> Self {
        let (mut servers, mut zone) = (Vec::new(), None);
        if let Some((_, text)) = domain::kubelet_config(snapshot) {
            servers = domain::yaml_list(&text, "clusterDNS").into_iter().map(Text::from).collect();
            zone = domain::yaml_value(&text, "clusterDomain").map(Text::from);
        }
        let mut assumed = Vec::new();
        if servers.is_empty() {
            match snapshot.service(&ObjectKey::new("kube-system", "kube-dns")) {
                Some(facts) => {
                    servers = facts.service.addresses().cloned().collect();
                    // A dual-stack Service has two, kubeadm gives the kubelet the first.
                    servers.truncate(1);
                    assumed.push("nameserver: the address of Service kube-system/kube-dns".to_owned());
                }
                None => assumed.push("nameserver: no Service kube-system/kube-dns is known".to_owned()),
            }
        }
        let cluster_domain = zone.unwrap_or_else(|| {
            assumed.push(format!("cluster domain {}", cluster.how));
            cluster.text().into()
        });
        Self { cluster_dns: servers, cluster_domain, node: None, assumed }
    }
}

/// Which of the two forms the kubelet builds on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    Cluster,
    Node,
    Nothing,
}

fn base(policy: &str, host_network: bool) -> Base {
    match policy {
        "None" => Base::Nothing,
        "Default" => Base::Node,
        "ClusterFirstWithHostNet" => Base::Cluster,
        _ if host_network => Base::Node,
        _ => Base::Cluster,
    }
}

impl ResolvConf {
    /// The file of a pod.
    pub fn of_pod(pod: &Pod, kubelet: &KubeletDns) -> Self {
        let spec = &pod.spec;
        Self::new(&pod.key.namespace, &spec.dns_policy, spec.host_network, spec.dns_config.as_ref(), kubelet)
    }

    /// The file of an ordinary pod (dnsPolicy ClusterFirst, no dnsConfig) of a namespace.
    pub fn of_namespace(namespace: &str, kubelet: &KubeletDns) -> Self {
        Self::new(namespace, "ClusterFirst", false, None, kubelet)
    }

    /// The file that the kubelet makes of these settings (dns.go, `GetPodDNS`).
    pub fn new(
        namespace: &str,
        policy: &str,
        host_network: bool,
        config: Option<&DnsConfig>,
        kubelet: &KubeletDns,
    ) -> Self {
        let mut out = Self::default();
        let mut base = base(policy, host_network);
        if base == Base::Cluster && kubelet.cluster_dns.is_empty() && kubelet.assumed.is_empty() {
            out.events.push("MissingClusterDNS");
            base = Base::Node;
        }
        match base {
            Base::Cluster => out.cluster_first(namespace, kubelet),
            Base::Node => out.node_first(kubelet),
            Base::Nothing => {}
        }
        if let Some(config) = config {
            out.append(config);
        }
        out.limit();
        out
    }

    fn cluster_first(&mut self, namespace: &str, kubelet: &KubeletDns) {
        self.nameservers.clone_from(&kubelet.cluster_dns);
        self.assumed.clone_from(&kubelet.assumed);
        self.options.push("ndots:5".to_owned());
        let zone = &kubelet.cluster_domain;
        if !zone.is_empty() {
            let own = [format!("{namespace}.svc.{zone}"), format!("svc.{zone}"), zone.to_string()];
            self.search.extend(own.into_iter().map(Text::from));
        }
        match &kubelet.node {
            Some(node) => self.add_searches(&node.search),
            None => self.node_search_at = Some(self.search.len()),
        }
    }

    fn node_first(&mut self, kubelet: &KubeletDns) {
        let Some(node) = &kubelet.node else {
            self.node_search_at = Some(0);
            self.node_servers = true;
            self.node_options = true;
            return;
        };
        self.nameservers.clone_from(&node.nameservers);
        self.add_searches(&node.search);
        self.options.extend(node.options.iter().map(ToString::to_string));
    }

    /// `dnsConfig` on top: lists grow without duplicates, options are merged by name and the pod's win.
    fn append(&mut self, config: &DnsConfig) {
        for server in &config.nameservers {
            if !self.nameservers.contains(server) {
                self.nameservers.push(server.clone());
            }
        }
        self.add_searches(&config.searches);
        for (name, value) in &config.options {
            self.options.retain(|o| o.split(':').next() != Some(&**name));
            self.options.push(match value.as_deref() {
                None | Some("") => name.to_string(),
                Some(value) => format!("{name}:{value}"),
            });
        }
    }

    fn add_searches(&mut self, more: &[Text]) {
        for domain in more {
            if !self.search.contains(domain) {
                self.search.push(domain.clone());
            }
        }
    }

    /// The limits, cut from the end (dns.go, `formDNSNameserversFitsLimits`, `formDNSSearchFitsLimits`).
    fn limit(&mut self) {
        let before = (self.nameservers.len(), self.search.len());
        self.nameservers.truncate(MAX_SERVERS);
        self.search.truncate(MAX_SEARCHES);
        let mut characters = 0;
        self.search.retain(|domain| {
            if domain.len() > MAX_SEARCH_NAME {
                return false;
            }
            characters += domain.len() + usize::from(characters > 0);
            characters <= MAX_SEARCH_CHARACTERS
        });
        if before != (self.nameservers.len(), self.search.len()) {
            self.events.push("DNSConfigForming");
        }
        self.node_search_at = self.node_search_at.map(|at| at.min(self.search.len()));
    }

    /// The `ndots` that the resolvers take: 1 without the option; `None` where the node's own options decide.
    pub fn ndots(&self) -> Option<usize> {
        let said = self.options.iter().rev().find_map(|o| o.strip_prefix("ndots:"));
        match said {
            Some(n) => Some(n.parse().unwrap_or(1)),
            None if self.node_options => None,
            None => Some(1),
        }
    }

    /// The search list that a resolver takes from the file. musl ignores lines that do not fit its buffer of 256
    /// bytes (resolvconf.c), so a long list leaves it without any.
    pub fn search_for(&self, libc: Libc) -> &[Text] {
        let line = "search".len() + self.search.iter().map(|d| d.len() + 1).sum::<usize>();
        if libc == Libc::Musl && line > 254 { &[] } else { &self.search }
    }

    /// The text of the file. Where the node's part is not known, a comment stands for it.
    pub fn to_text(&self) -> String {
        let mut search: Vec<&str> = self.search.iter().map(|s| &**s).collect();
        if let Some(at) = self.node_search_at {
            search.insert(at, "<the node's own domains>");
        }
        let mut lines = Vec::new();
        if !search.is_empty() {
            lines.push(format!("search {}", search.join(" ")));
        }
        if self.node_servers {
            lines.push("nameserver <the node's own>".to_owned());
        }
        lines.extend(self.nameservers.iter().map(|server| format!("nameserver {server}")));
        if !self.options.is_empty() {
            lines.push(format!("options {}", self.options.join(" ")));
        }
        lines.iter().flat_map(|line| [line, "\n"]).collect()
    }
}

/// What is worth telling about a pod's file: that it does not lead to the cluster's DNS, that something did not fit,
/// that short names do not go as far as people expect.
pub fn findings(pod: &Pod, conf: &ResolvConf, kubelet: &KubeletDns) -> Vec<Finding> {
    let finding = |code, severity, message: &str, evidence: Vec<String>, advice: &str| Finding {
        code,
        severity,
        object: ObjectRef { kind: Kind::Pod, key: pod.key.clone() },
        message: message.to_owned(),
        evidence,
        advice: advice.to_owned(),
    };
    let mut out = Vec::new();
    let spec = &pod.spec;
    let config = spec.dns_config.as_ref();
    let asks_cluster = conf.nameservers.iter().any(|s| kubelet.cluster_dns.contains(s));
    if !asks_cluster && !kubelet.cluster_dns.is_empty() {
        let mut evidence = vec![format!("dnsPolicy: {}", spec.dns_policy)];
        evidence.extend(spec.host_network.then(|| "hostNetwork: true".to_owned()));
        let message =
            "The pod does not ask the cluster's DNS server: names of Services do not resolve in it.";
        let advice = match (spec.host_network, &*spec.dns_policy) {
            (true, "ClusterFirst" | "") => "Set dnsPolicy: ClusterFirstWithHostNet.",
            (_, "None") => "Put the cluster's DNS address into dnsConfig.nameservers.",
            _ => "Set dnsPolicy: ClusterFirst.",
        };
        out.push(finding("not-cluster-dns", Severity::Info, message, evidence, advice));
    }
    let own = |list: fn(&DnsConfig) -> &[Text]| config.map_or(0, |c| list(c).len());
    if conf.events.contains(&"DNSConfigForming") {
        let servers = own(|c| &c.nameservers) + kubelet.cluster_dns.len();
        if servers > MAX_SERVERS {
            let message = "There are more name servers than the three that fit; the last are left out.";
            let evidence = vec![format!("{servers} name servers")];
            out.push(finding("too-many-nameservers", Severity::Warning, message, evidence, ""));
        } else {
            let message = "There are more search domains than fit; the last are left out.";
            let evidence = vec![format!("{} of its own", own(|c| &c.searches))];
            out.push(finding("too-many-searches", Severity::Warning, message, evidence, ""));
        }
    } else if conf.search_for(Libc::Musl).len() < conf.search.len() {
        let message = "The search line is too long for musl (Alpine), which ignores it whole.";
        let evidence = vec![format!("{} search domains", conf.search.len())];
        out.push(finding("too-many-searches", Severity::Warning, message, evidence, ""));
    }
    if asks_cluster && !conf.search.is_empty() && conf.ndots().is_some_and(|n| n < 2) {
        let message =
            "ndots is below 2: musl (Alpine) does not search for names with a dot, such as svc.namespace.";
        let evidence = vec![format!("options {}", conf.options.join(" "))];
        let advice = "Write such names in full, or leave ndots at 5.";
        out.push(finding("ndots-too-low", Severity::Info, message, evidence, advice));
    }
    out
}
