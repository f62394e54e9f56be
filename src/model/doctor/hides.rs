//! Names that an option or another block of the Corefile hides: the same question is put to a server without it.

use super::case::{Case, a_finding};
use super::reading::Reading;
use crate::model::dns::{Cluster, Kubernetes, Name, PodMode, RecordType, Server};
use crate::model::{Finding, Kind, ObjectKey, Severity};

/// An option of the `kubernetes` plugin, and how to do without it.
type Option_ = (&'static str, fn(&mut Kubernetes));

const OPTIONS: [Option_; 7] = [
    ("namespaces", |k| k.namespaces.clear()),
    ("namespace_labels", |k| k.namespace_labels = None),
    ("labels", |k| k.labels = None),
    ("noendpoints", |k| k.endpoints = true),
    ("ignore empty_service", |k| k.ignore_empty_service = false),
    ("pods", |k| k.pods = PodMode::Insecure),
    ("endpoint_pod_names", |k| k.endpoint_pod_names = !k.endpoint_pod_names),
];

impl Case<'_> {
    /// Why the server does not answer a name that a server with kubeadm's settings would; `None` where that one would
    /// not either.
    pub(super) fn hidden(&self, meant: &Reading, name: &str) -> Option<Finding> {
        let server = self.cluster.server();
        server.source.as_ref()?;
        let answers = |cluster: &Cluster| self.kinds().iter().any(|k| has(cluster, name, *k));
        let usual = Server::kubeadm(&self.cluster.domain().name);
        if answers(self.cluster) || !answers(&Cluster::with_server(self.snapshot, usual)) {
            return None;
        }
        let why = self.option(&answers).unwrap_or_else(|| self.other_plugin(name));
        let key = &meant.key;
        let source = server.source.clone().unwrap_or_else(|| ObjectKey::new("kube-system", "coredns"));
        let message = format!("the Corefile hides {name}: {why}");
        let finding =
            a_finding("corefile-hides-name", Severity::Error, (Kind::ConfigMap, source.clone()), message);
        Some(Finding {
            evidence: vec![format!("Service {key} exists"), format!("{why} (ConfigMap {source})")],
            advice: format!(
                "look at it: kubectl get configmap {} -n {} -o yaml",
                source.name, source.namespace
            ),
            ..finding
        })
    }

    /// The option without which the name would be answered.
    fn option(&self, answers: &dyn Fn(&Cluster) -> bool) -> Option<String> {
        OPTIONS.iter().find_map(|(option, without)| {
            let mut server = self.cluster.server().clone();
            server.blocks.iter_mut().filter_map(|b| b.kubernetes.as_mut()).for_each(without);
            let changed = server != *self.cluster.server();
            (changed && answers(&Cluster::with_server(self.snapshot, server)))
                .then(|| format!("the option `{option}` of the kubernetes plugin"))
        })
    }

    /// The block or plugin that is in the way.
    fn other_plugin(&self, name: &str) -> String {
        let Ok(parsed) = Name::parse(name) else { return "another plugin".to_owned() };
        let Some(block) = self.cluster.server().block(&parsed) else {
            return "no server block is responsible for it".to_owned();
        };
        let zones: Vec<&str> = block.zones.iter().map(Name::as_str).collect();
        let zones = zones.join(" ");
        let own = block.kubernetes.as_ref().is_some_and(|k| k.zone_of(&parsed).is_some());
        match () {
            () if !own => format!(
                "the server block for {zones} is responsible, and its kubernetes plugin does not serve it"
            ),
            () if block.hosts.as_ref().is_some_and(|h| h.covers(&parsed)) => {
                format!("the hosts plugin of the block for {zones} answers before the kubernetes plugin")
            }
            () if !block.rewrites.is_empty() => {
                format!("a rewrite rule of the block for {zones} turns it into another name")
            }
            () => format!("another plugin of the block for {zones} answers first"),
        }
    }
}

fn has(cluster: &Cluster, name: &str, kind: RecordType) -> bool {
    cluster.answer(name, kind).answers.iter().any(|r| r.kind == kind || r.kind == RecordType::CNAME)
}
