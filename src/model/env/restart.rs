//! What a cure changes: every object by name, before anything is changed.
//!
//! What it is: pods and what owns them, as they were read, turned into steps and sentences for a confirmation. What it
//! is not: it reads and writes nothing (`cluster::write` does); and it decides nothing: a [`Plan`] is to be shown.

use std::collections::BTreeMap;
use std::fmt;

use super::is_static;
use crate::model::pod::Owner;
use crate::model::{ObjectKey, Pod, Text};

/// The kinds that can be restarted as a whole (`kubectl rollout restart`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadKind {
    /// `apps/v1` Deployment.
    Deployment,
    /// `apps/v1` StatefulSet.
    StatefulSet,
    /// `apps/v1` DaemonSet.
    DaemonSet,
}

impl WorkloadKind {
    /// By the kind's name.
    pub fn named(kind: &str) -> Option<Self> {
        [Self::Deployment, Self::StatefulSet, Self::DaemonSet].into_iter().find(|one| one.name() == kind)
    }

    /// The kind's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }

    /// Plural, as in paths and rights.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
            Self::DaemonSet => "daemonsets",
        }
    }
}

/// A workload as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Namespace and name.
    pub key: ObjectKey,
    /// Identity of this very object.
    pub uid: Text,
    /// How many pods it has: all of them are replaced.
    pub pods: usize,
    /// `spec.paused`: nothing is rolled out until it is resumed.
    pub paused: bool,
    /// `updateStrategy: OnDelete`: pods are replaced only when somebody deletes them.
    pub on_delete: bool,
}

/// What reading the owner of pods came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// The workload at the top (a ReplicaSet's Deployment, a StatefulSet, a DaemonSet).
    Workload(Workload),
    /// Something that makes another pod when one is deleted: a ReplicaSet that stands alone, a Job, a kind of others.
    Other,
    /// It does not exist any more: nothing makes another pod.
    Gone,
    /// It could not be read; why.
    Unread(String),
}

/// Why a pod is spared.
const UNMANAGED: &str = "nothing makes it again once it is deleted";

/// One object that changes, or one that can't be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// All pods of a workload are replaced, a few at a time.
    Rollout(Workload),
    /// A pod is deleted.
    Delete {
        /// The pod.
        pod: ObjectKey,
        /// Identity of this very pod: no other of its name is deleted.
        uid: Text,
        /// What makes another one; `None`: nothing does.
        owner: Option<Owner>,
    },
    /// It can't be restarted from here.
    Impossible {
        /// What: `Pod kube-system/etcd`.
        object: String,
        /// Why, as a clause.
        why: String,
    },
}

impl Step {
    /// Whether it does anything.
    pub fn is_possible(&self) -> bool {
        !matches!(self, Self::Impossible { .. })
    }

    /// Whether it is a pod that was spared because nothing makes it again.
    pub fn is_unmanaged(&self) -> bool {
        matches!(self, Self::Impossible { why, .. } if why == UNMANAGED)
    }

    /// The object: `Deployment shop/web`.
    pub fn object(&self) -> String {
        match self {
            Self::Rollout(workload) => format!("{} {}", workload.kind.name(), workload.key),
            Self::Delete { pod, .. } => format!("Pod {pod}"),
            Self::Impossible { object, .. } => object.clone(),
        }
    }

    /// How many pods end.
    pub fn pods(&self) -> usize {
        match self {
            Self::Rollout(workload) => workload.pods,
            Self::Delete { .. } => 1,
            Self::Impossible { .. } => 0,
        }
    }
}

impl fmt::Display for Step {
    /// A line of the confirmation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = self.object();
        match self {
            Self::Rollout(workload) => match workload.pods {
                0 => write!(f, "restart {object}: it has no pods now"),
                1 => write!(f, "restart {object}: its 1 pod is replaced"),
                n => write!(f, "restart {object}: its {n} pods are replaced, a few at a time"),
            },
            Self::Delete { owner: Some(owner), .. } => {
                write!(f, "delete {object}: {} {} makes another", owner.kind, owner.name)
            }
            Self::Delete { owner: None, .. } => {
                write!(f, "delete {object}: nothing makes it again, you have to")
            }
            Self::Impossible { why, .. } => write!(f, "not {object}: {why}"),
        }
    }
}

/// Everything that a restart would change, sorted: rollouts, deletions, then what can't be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps; each object once.
    pub steps: Vec<Step>,
}

impl Plan {
    /// The plan for pods. `root` tells what was read about a pod's owner; it is asked for pods that have one.
    pub fn new<'a>(
        pods: impl IntoIterator<Item = &'a Pod>,
        mut root: impl FnMut(&Pod, &Owner) -> Root,
    ) -> Self {
        let mut steps = BTreeMap::new();
        for pod in pods {
            let step = step(pod, &mut root);
            let rank = match &step {
                Step::Rollout(_) => 0,
                Step::Delete { .. } => 1,
                Step::Impossible { .. } => 2,
            };
            steps.insert((rank, step.object()), step);
        }
        Self { steps: steps.into_values().collect() }
    }

    /// What would be done.
    pub fn possible(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.is_possible())
    }

    /// What can't be done.
    pub fn impossible(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| !step.is_possible())
    }

    /// The same without the deletion of pods that nothing makes again (kubectl: `drain` without `--force`).
    #[must_use]
    pub fn sparing_unmanaged(self) -> Self {
        let spare = |step| match step {
            Step::Delete { ref pod, owner: None, .. } => {
                Step::Impossible { object: format!("Pod {pod}"), why: UNMANAGED.to_owned() }
            }
            other => other,
        };
        let mut steps: Vec<Step> = self.steps.into_iter().map(spare).collect();
        steps.sort_by_key(|step| !step.is_possible());
        Self { steps }
    }

    /// How many pods end.
    pub fn pods(&self) -> usize {
        self.steps.iter().map(Step::pods).sum()
    }
}

fn step(pod: &Pod, root: &mut impl FnMut(&Pod, &Owner) -> Root) -> Step {
    let impossible = |object: String, why: &str| Step::Impossible { object, why: why.to_owned() };
    let object = format!("Pod {}", pod.key);
    if is_static(pod) {
        let why = format!("it is a static pod: change its manifest on the node {}", pod.node);
        return impossible(object, &why);
    }
    let delete = |owner: Option<&Owner>| Step::Delete {
        pod: pod.key.clone(),
        uid: pod.uid.clone(),
        owner: owner.cloned(),
    };
    let Some(owner) = &pod.owner else { return delete(None) };
    match root(pod, owner) {
        Root::Workload(workload) if workload.paused => impossible(
            format!("{} {}", workload.kind.name(), workload.key),
            // kubectl: objectrestarter.go.
            "can't restart paused deployment (run rollout resume first)",
        ),
        Root::Workload(workload) if workload.on_delete => delete(Some(owner)),
        Root::Workload(workload) => Step::Rollout(workload),
        Root::Other => delete(Some(owner)),
        Root::Gone => delete(None),
        Root::Unread(why) => impossible(object, &format!("its owner {} {} {why}", owner.kind, owner.name)),
    }
}
