//! The cluster's DNS server: whether it runs, is ready, has read the cluster, and may read it.

use super::asker::Walked;
use super::case::{Case, Rank, a_finding};
use super::{Outcome, ServerLog};
use crate::model::columns::pod_summary;
use crate::model::{Finding, Kind, ObjectKey, Pod, ServiceFacts, Severity};

const NAMESPACE: &str = "kube-system";

impl Case<'_> {
    /// The server's health, for a question from a pod.
    pub(super) fn check_server(&mut self, _pod: &Pod, walked: Option<&Walked>) {
        let Some(facts) = self.dns_service() else { return self.no_dns_service() };
        let pods = self.dns_pods();
        let mut lines = self.health_lines(facts, &pods);
        let ready = facts.ready > 0;
        let slices = self.knows(Kind::EndpointSlice, &facts.key().namespace);
        let listed = walked
            .is_none_or(|w| w.conf.nameservers.iter().any(|s| facts.service.addresses().any(|a| a == s)));
        let outcome = match () {
            () if !slices => {
                lines.push(self.why_unknown(Kind::EndpointSlice, &facts.key().namespace).1);
                Outcome::Unknown
            }
            () if !ready => Outcome::Problem,
            () => Outcome::Ok,
        };
        let finding = self.illness(facts, &pods, !ready && slices);
        let outcome = if finding.is_some() { Outcome::Problem } else { outcome };
        if let Some(finding) = finding {
            lines.push(finding.message.clone());
            lines.extend(finding.evidence.iter().cloned());
            let rank = if !ready && slices && listed { Rank::ServerDown } else { Rank::ServerIll };
            self.block(rank, finding);
        }
        lines.dedup();
        self.step("the DNS server", outcome, lines);
    }

    /// The same where it decides nothing: the question came from outside.
    pub(super) fn check_server_alone(&mut self) {
        let Some(facts) = self.dns_service() else { return self.no_dns_service() };
        let pods = self.dns_pods();
        let lines = self.health_lines(facts, &pods);
        let known = self.knows(Kind::EndpointSlice, &facts.key().namespace);
        let finding = self.illness(facts, &pods, facts.ready == 0 && known);
        let outcome = match (&finding, known) {
            (Some(_), _) => Outcome::Problem,
            (None, true) => Outcome::Ok,
            (None, false) => Outcome::Unknown,
        };
        self.notes.extend(finding);
        self.step("the DNS server", outcome, lines);
    }

    /// The Service in front of the DNS server: the usual one, or the one with an address that the kubelets name.
    pub(super) fn dns_service(&self) -> Option<&ServiceFacts> {
        let usual = ObjectKey::new(NAMESPACE, "kube-dns");
        self.snapshot.service(&usual).map(|f| &**f).or_else(|| {
            let named = |f: &&std::sync::Arc<ServiceFacts>| {
                f.service.ports.iter().any(|p| p.port == 53)
                    && f.service.addresses().any(|a| self.cluster.kubelet().cluster_dns.contains(a))
            };
            self.snapshot.services.iter().find(named).map(|f| &**f)
        })
    }

    /// The pods that the DNS Service selects, ready or not.
    pub(super) fn dns_pods(&self) -> Vec<&Pod> {
        let Some(facts) = self.dns_service() else { return vec![] };
        let pods = self.snapshot.pods_in(&facts.key().namespace);
        pods.iter()
            .filter(|p| facts.service.selector.selects(&p.labels) && !p.finished())
            .map(|p| &**p)
            .collect()
    }

    fn no_dns_service(&mut self) {
        let why = if self.knows(Kind::Service, NAMESPACE) {
            "no Service kube-system/kube-dns: which server the pods ask is not known".to_owned()
        } else {
            format!("its health could not be checked: {}", self.why_unknown(Kind::Service, NAMESPACE).1)
        };
        self.step("the DNS server", Outcome::Unknown, vec![why]);
    }

    fn health_lines(&self, facts: &ServiceFacts, pods: &[&Pod]) -> Vec<String> {
        let mut lines = Vec::new();
        if self.knows(Kind::EndpointSlice, &facts.key().namespace) {
            lines.push(format!(
                "Service {}: {} of {} endpoints ready",
                facts.key(),
                facts.ready,
                facts.total
            ));
        }
        match self.extra.deployment.get() {
            Some(Some(r)) => {
                lines.push(format!("Deployment coredns: {} of {} replicas ready", r.ready, r.wanted));
            }
            Some(None) => lines.push("there is no Deployment coredns in kube-system".to_owned()),
            None => lines.extend(self.extra.deployment.why_not("its Deployment")),
        }
        if self.knows(Kind::Pod, &facts.key().namespace) {
            lines.extend(pods.iter().map(|pod| {
                let summary = pod_summary(pod);
                let ready = if pod.is_ready() { "ready" } else { "not ready" };
                format!(
                    "pod {}: {}, {ready}, restarts {}",
                    pod.key.name,
                    summary.status,
                    summary.restarts_cell(self.now)
                )
            }));
        } else {
            lines
                .push(format!("its pods could not be checked: {}", self.why_unknown(Kind::Pod, NAMESPACE).1));
        }
        lines.extend(self.extra.logs.why_not("its log"));
        lines.extend(self.extra.missing_rights.why_not("its own rights"));
        let server = self.cluster.server();
        match &server.source {
            Some(source) => lines.push(format!("Corefile in ConfigMap {source}")),
            None => lines.push("its Corefile could not be read: kubeadm's is assumed".to_owned()),
        }
        lines.extend(server.oddities.iter().map(|o| format!("in the Corefile: {o}")));
        lines
    }

    /// Whether all its pods were restarted a moment ago: they answer between two restarts, which are five minutes apart
    /// at most (kubelet `MaxContainerBackOff`).
    fn restarting(&self, pods: &[&Pod]) -> bool {
        const RECENT: i64 = 6 * 60;
        let recently = |pod: &&Pod| {
            let last = pod.statuses.iter().filter_map(|s| s.last_finished).max();
            pod.restarts() > 0 && last.is_some_and(|t| self.now.as_second() - t.as_second() < RECENT)
        };
        !pods.is_empty() && pods.iter().all(recently)
    }

    /// What is wrong with the server; `down` where none of its endpoints is ready.
    fn illness(&self, facts: &ServiceFacts, pods: &[&Pod], down: bool) -> Option<Finding> {
        let object = (Kind::Service, facts.key().clone());
        let logs: &[ServerLog] = self.extra.logs.get().map_or(&[], |l| l);
        let line = |test: &dyn Fn(&str) -> bool| -> Option<String> {
            logs.iter().find_map(|l| {
                l.lines.iter().rev().find(|t| test(t)).map(|t| format!("{} wrote: {}", l.pod, short(t)))
            })
        };
        let with = |code, message: &str, evidence: Vec<String>, advice: &str| Finding {
            evidence,
            advice: advice.to_owned(),
            ..a_finding(code, Severity::Error, object.clone(), message.to_owned())
        };
        let rights = self.extra.missing_rights.get().filter(|r| !r.is_empty());
        let refused = line(&|t| {
            t.contains("is forbidden") && t.contains("cannot list") || t.contains("cannot watch resource")
        });
        if rights.is_some() || (down && refused.is_some()) {
            let mut evidence: Vec<String> =
                rights.iter().flat_map(|r| r.iter()).map(|r| format!("its account may not {r}")).collect();
            evidence.extend(refused);
            return Some(with(
                "coredns-missing-rights",
                "the DNS server may not read what it answers from: its names fail, or grow old",
                evidence,
                "give ClusterRole system:coredns list and watch on services, namespaces, and endpointslices.discovery.k8s.io",
            ));
        }
        if !down && !self.restarting(pods) {
            return None;
        }
        if let Some(said) = line(&|t| t.contains("Loop (") && t.contains("detected")) {
            return Some(with(
                "coredns-loop",
                "the DNS server stops itself: its questions to the outside come back to it",
                vec![
                    said,
                    "its pods inherit the node's resolver file, which names a stub on the node itself"
                        .to_owned(),
                ],
                "set the kubelet's resolvConf to /run/systemd/resolve/resolv.conf, or name a server behind `forward .`",
            ));
        }
        if !down {
            return None;
        }
        let unsynced = line(&|t| {
            t.contains("waiting for Kubernetes API")
                || t.contains("unsynced Kubernetes API")
                || t.contains("Failed to list")
        });
        let running = |p: &&&Pod| {
            &*p.phase == "Running"
                && p.restarts() == 0
                && p.statuses.iter().all(|s| matches!(s.state, crate::model::pod::ContainerState::Running(_)))
        };
        let up = pods.iter().filter(running).count();
        if up > 0 && up == pods.len() {
            let mut evidence = vec![format!("{up} of its pods run, and none is ready")];
            evidence.extend(unsynced);
            return Some(with(
                "coredns-not-synced",
                "the DNS server runs, but has not read the cluster yet: it is not ready",
                evidence,
                "look at its log: kubectl logs -n kube-system -l k8s-app=kube-dns",
            ));
        }
        let mut evidence = vec![format!("Service {} has no ready endpoint", facts.key())];
        if self.knows(Kind::Pod, &facts.key().namespace) && pods.is_empty() {
            evidence.push("it has no pod at all".to_owned());
        }
        if let Some(Some(replicas)) = self.extra.deployment.get() {
            evidence.push(format!("Deployment coredns wants {} replicas", replicas.wanted));
        }
        let advice = match self.extra.deployment.get() {
            Some(Some(r)) if r.wanted == 0 => "kubectl scale deployment coredns -n kube-system --replicas=2",
            _ => "look at its pods: kubectl get pods -n kube-system -l k8s-app=kube-dns",
        };
        Some(with(
            "coredns-down",
            "the DNS server is down: no pod of the cluster resolves any name",
            evidence,
            advice,
        ))
    }
}

/// A line of a log, cut.
fn short(text: &str) -> String {
    const MOST: usize = 200;
    text.chars().take(MOST).collect()
}
