//! What stands between a pod and the DNS server: NetworkPolicies, and the cache on its node.

use std::net::IpAddr;

use super::asker::Walked;
use super::case::{Case, Rank, a_finding};
use super::{Asker, Outcome};
use crate::model::network_policy::{Destination, NetworkPolicy};
use crate::model::{Finding, Kind, Labels, ObjectKey, Pod, Protocol, Severity, Text};

/// The address of NodeLocal DNSCache.
pub(super) const NODE_LOCAL: &str = "169.254.20.10";

impl Case<'_> {
    pub(super) fn check_way(&mut self, pod: &Pod, walked: &Walked) {
        let mut lines = Vec::new();
        let local = self.node_local(pod, walked, &mut lines);
        let blocked = self.policies(pod, walked, &mut lines);
        let by_service = walked.conf.nameservers.iter().any(|s| &**s != NODE_LOCAL);
        let one_by_one = walked.conf.options.iter().any(|o| o.starts_with("single-request"));
        if by_service && !one_by_one && !local && blocked != Some(true) {
            lines.push(LOST_PACKETS.to_owned());
        }
        let outcome = match () {
            () if local || blocked == Some(true) => Outcome::Problem,
            () if blocked.is_none() => Outcome::Unknown,
            () => Outcome::Ok,
        };
        self.step("the way to the server", outcome, lines);
    }

    /// The cache on the pod's node, where the cluster has one.
    fn node_local(&mut self, pod: &Pod, walked: &Walked, lines: &mut Vec<String>) -> bool {
        let caches = || {
            let all = self.snapshot.pods_in("kube-system").iter();
            all.filter(|p| p.labels.get("k8s-app").is_some_and(|v| &**v == "node-local-dns"))
        };
        let uses = walked.conf.nameservers.iter().any(|s| &**s == NODE_LOCAL);
        if !uses && caches().next().is_none() {
            return false;
        }
        if pod.node.is_empty() || !self.knows(Kind::Pod, "kube-system") {
            lines.push(
                "a cache on each node stands in front (NodeLocal DNSCache); the one of this pod is not known"
                    .to_owned(),
            );
            return false;
        }
        let here = caches().find(|p| p.node == pod.node);
        if here.is_some_and(|p| p.is_ready()) {
            lines.push(format!("the DNS cache of node {} is ready (NodeLocal DNSCache)", pod.node));
            return false;
        }
        let what = match here {
            Some(cache) => format!("pod {} on node {} is not ready", cache.key, pod.node),
            None => format!("no pod of node-local-dns on node {}", pod.node),
        };
        let message = format!("the DNS cache of node {} (NodeLocal DNSCache) does not run", pod.node);
        lines.push(what.clone());
        let object = (
            Kind::Pod,
            here.map_or_else(|| ObjectKey::new("kube-system", "node-local-dns"), |p| p.key.clone()),
        );
        let finding = Finding {
            evidence: vec![what],
            advice: "kubectl get pods -n kube-system -l k8s-app=node-local-dns -o wide".to_owned(),
            ..a_finding("nodelocal-down", Severity::Error, object, message)
        };
        self.block(Rank::Way, finding);
        true
    }

    /// Whether policies keep the pod from the server; `None` where that is not known.
    fn policies(&mut self, pod: &Pod, walked: &Walked, lines: &mut Vec<String>) -> Option<bool> {
        if pod.spec.host_network {
            lines.push("NetworkPolicies do not hold for pods on the host network".to_owned());
            return Some(false);
        }
        let Some(all) = self.extra.policies.get() else {
            let why = self.extra.policies.why_not("NetworkPolicies");
            lines.push(why.unwrap_or_else(|| "NetworkPolicies were not looked at".to_owned()));
            return None;
        };
        let namespace = &*pod.key.namespace;
        let mine: Vec<&NetworkPolicy> =
            all.iter().map(|p| &**p).filter(|p| p.restricts(namespace, &pod.labels)).collect();
        if mine.is_empty() {
            lines.push("no NetworkPolicy restricts what leaves the pod".to_owned());
            return Some(false);
        }
        let allowed = |protocol: Protocol| self.lets_through(&mine, walked, &protocol);
        let (udp, tcp) = (allowed(Protocol::Udp), allowed(Protocol::Tcp));
        let names: Vec<&str> = mine.iter().map(|p| &*p.key.name).collect();
        let names = names.join(", ");
        if udp && tcp {
            lines.push(format!("NetworkPolicies {names} let port 53 to the DNS server through"));
            return Some(false);
        }
        let what = match (udp, tcp) {
            (false, false) => "port 53 of UDP and TCP",
            (false, true) => "port 53 of UDP",
            _ => "port 53 of TCP, which long answers need",
        };
        let who = match &self.question.from {
            Asker::Namespace(..) => format!("pods of namespace {namespace}"),
            _ => format!("pod {}", pod.key),
        };
        let message = format!("NetworkPolicy {names} keeps {who} from the DNS server: no rule allows {what}");
        lines.push(message.clone());
        lines.push(CAVEAT.to_owned());
        let object = (Kind::NetworkPolicy, mine[0].key.clone());
        let severity = if udp { Severity::Warning } else { Severity::Error };
        let finding = Finding {
            evidence: vec![format!("policies that select it: {names}"), CAVEAT.to_owned()],
            advice: "allow egress to namespace kube-system, pods k8s-app=kube-dns, port 53 for UDP and TCP"
                .to_owned(),
            ..a_finding("network-policy-blocks-dns", severity, object, message)
        };
        if udp {
            self.notes.push(finding);
        } else {
            self.block(Rank::Way, finding);
        }
        Some(!udp)
    }

    /// Whether one of the policies lets a protocol through to one of the server's pods. Policies add up.
    fn lets_through(&self, mine: &[&NetworkPolicy], walked: &Walked, protocol: &Protocol) -> bool {
        let fronts = self.dns_service().map(|f| f.service.clone());
        let in_front = fronts.iter().flat_map(|s| s.addresses()).chain(&walked.conf.nameservers);
        let in_front: Vec<IpAddr> = in_front.filter_map(|a| a.parse().ok()).collect();
        let namespace: Text =
            self.dns_service().map_or_else(|| "kube-system".into(), |f| f.key().namespace.clone());
        let known = self.snapshot.namespaces.iter().find(|n| n.name == namespace).map(|n| n.labels.clone());
        // Every namespace has this label.
        let own = Labels::new([("kubernetes.io/metadata.name".into(), namespace.clone())]);
        let namespace_labels = known.unwrap_or(own);
        let usual = Labels::new([("k8s-app".into(), "kube-dns".into())]);
        let pods = self.dns_pods();
        let port_name = if *protocol == Protocol::Udp { "dns" } else { "dns-tcp" };
        let reaches = |labels: &Labels, ips: &[IpAddr]| {
            let addresses: Vec<IpAddr> = ips.iter().chain(&in_front).copied().collect();
            let to = Destination {
                namespace: &namespace,
                namespace_labels: &namespace_labels,
                labels,
                addresses: &addresses,
                port: 53,
                port_name: Some(port_name),
            };
            mine.iter().any(|p| p.allows(&to, protocol))
        };
        if pods.is_empty() {
            return reaches(&usual, &[]);
        }
        pods.iter().any(|p| {
            let ips: Vec<IpAddr> = p.ips.iter().filter_map(|ip| ip.parse().ok()).collect();
            reaches(&p.labels, &ips)
        })
    }
}

/// Nothing in the API or in an answer over TCP shows it (kubernetes/kubernetes issue 56903).
const LOST_PACKETS: &str = "not visible from here: packets that the node loses when a pod asks for A and AAAA at once; that \
    shows as look-ups of 5 s now and then, never as NXDOMAIN (NodeLocal DNSCache or the option \
    single-request-reopen helps)";

const CAVEAT: &str =
    "whether policies are enforced is up to the cluster's network plugin, and not in the API";
