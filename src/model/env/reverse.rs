//! The other way round: which running containers lack a Service's variables or hold old ones, and what has to be
//! restarted so that they get them. Says what to do; does nothing.

use std::fmt;
use std::sync::Arc;

use super::verdict::{Start, Verdict, is_master, verdict};
use crate::model::pod::{Container, ContainerRole, Owner};
use crate::model::{ClusterSnapshot, ObjectKey, Pod, Service, Text};

/// A running container that does not surely have the Service's variables of today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    /// Its pod.
    pub pod: ObjectKey,
    /// The container.
    pub container: Text,
    /// How it takes part in the pod.
    pub role: ContainerRole,
    /// Absent, stale or uncertain.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub reason: String,
    /// What has to be restarted.
    pub cure: Cure,
}

/// What gives a pod's containers a fresh environment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cure {
    /// A rolling restart of the workload (`kubectl rollout restart`).
    Rollout {
        /// `Deployment`, `StatefulSet` or `DaemonSet`.
        kind: &'static str,
        /// Its name.
        name: Text,
    },
    /// Deleting the pod: what controls it makes another.
    Delete {
        /// The pod's name.
        pod: Text,
        /// What controls it.
        owner: Owner,
    },
    /// Deleting the pod and making it again: nothing else will.
    Recreate {
        /// The pod's name.
        pod: Text,
    },
    /// Its manifest on the node has to change, or the kubelet to restart it: the API shows a mirror.
    OnTheNode {
        /// The pod's name.
        pod: Text,
        /// The node.
        node: Text,
    },
}

impl Cure {
    /// What to do for a pod.
    pub fn of(pod: &Pod) -> Self {
        let name = pod.key.name.clone();
        if super::is_static(pod) {
            return Self::OnTheNode { pod: name, node: pod.node.clone() };
        }
        let Some(owner) = &pod.owner else { return Self::Recreate { pod: name } };
        match &*owner.kind {
            "StatefulSet" => Self::Rollout { kind: "StatefulSet", name: owner.name.clone() },
            "DaemonSet" => Self::Rollout { kind: "DaemonSet", name: owner.name.clone() },
            "ReplicaSet" => match deployment(pod, owner) {
                Some(name) => Self::Rollout { kind: "Deployment", name: name.into() },
                None => Self::Delete { pod: name, owner: owner.clone() },
            },
            _ => Self::Delete { pod: name, owner: owner.clone() },
        }
    }
}

/// The Deployment behind a ReplicaSet. The deployment controller calls its ReplicaSets `NAME-HASH` and labels their
/// pods `pod-template-hash: HASH`; a ReplicaSet without that label stands alone.
fn deployment<'a>(pod: &Pod, owner: &'a Owner) -> Option<&'a str> {
    let hash = pod.labels.get("pod-template-hash")?;
    owner.name.strip_suffix(&**hash)?.strip_suffix('-').filter(|name| !name.is_empty())
}

impl fmt::Display for Cure {
    /// As the end of a sentence: `restart Deployment web (kubectl rollout restart deployment/web)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rollout { kind, name } => {
                write!(f, "restart {kind} {name} (kubectl rollout restart {}/{name})", kind.to_lowercase())
            }
            Self::Delete { pod, owner } => {
                write!(f, "delete pod {pod}; {} {} makes another", owner.kind, owner.name)
            }
            Self::Recreate { pod } => write!(f, "delete pod {pod} and create it again; nothing else will"),
            Self::OnTheNode { pod, node } => write!(f, "restart the static pod {pod} on node {node}"),
        }
    }
}

/// The running containers that lack a Service's variables, hold those from before a change, or may do either;
/// ordered by pod and container. Only pods of watched namespaces are looked at. Containers that never get the
/// Service's variables are not among them.
pub fn containers_missing(snapshot: &ClusterSnapshot, service: &Service) -> Vec<Miss> {
    let mut missing = Vec::new();
    let everywhere = is_master(service);
    for (namespace, pods) in &snapshot.pods {
        if !everywhere && *namespace != service.key.namespace {
            continue;
        }
        let own = everywhere
            .then(|| snapshot.service(&ObjectKey::new(namespace.clone(), service.key.name.clone())));
        let own: Option<&Arc<_>> = own.flatten();
        for pod in pods.iter() {
            let here = pod.spec.containers.iter();
            missing
                .extend(here.filter_map(|container| miss(pod, container, service, own.map(|f| &*f.service))));
        }
    }
    missing
}

fn miss(
    pod: &Pod,
    container: &Container,
    service: &Service,
    own_kubernetes: Option<&Service>,
) -> Option<Miss> {
    let start = Start::of(pod, container);
    let verdict = verdict(pod, &start, service, own_kubernetes);
    if !matches!(verdict, Verdict::Absent { .. } | Verdict::Stale { .. } | Verdict::Uncertain(_)) {
        return None;
    }
    Some(Miss {
        pod: pod.key.clone(),
        container: container.name.clone(),
        role: container.role,
        verdict,
        reason: verdict.reason(service, &start)?,
        cure: Cure::of(pod),
    })
}
