//! The environment that each container has, predicted from the API's objects alone.
//!
//! What it is: the kubelet's rules for service variables, `envFrom`, `env`, `$(NAME)` and the runtime's own
//! variables, and what times say about which of them a running container really has. What it is not: a look into
//! the container; `PATH`, `HOME` and whatever else comes from the image are not in the API and are not listed.
//! Every doubt is in a variable's [`Status`] and its reason. Everybody may use it; it uses only `model`.
//!
//! Cost: the variables of a namespace's Services are collected once ([`NamespaceVariables`]) and shared. One
//! container then costs a verdict per Service plus its own entries; its thousands of variables are put together
//! only for those who walk over them ([`ContainerEnvironment::variables`]).

use std::sync::Arc;

use serde::Serialize;

use super::pod::{Container, ContainerRole, ContainerState, Owner};
use super::time::Timestamp;
use super::{ClusterSnapshot, Kind, ObjectKey, Pod, Service, Text};

mod build;
mod expand;
pub mod export;
pub mod findings;
pub mod local;
pub mod restart;
pub mod reverse;
mod runtime;
mod services;
mod sources;
mod verdict;
pub mod verify;
mod view;

#[cfg(test)]
mod tests;

pub use expand::expand_with;
pub use services::{NamespaceVariables, mangle, service_variables};
pub use sources::{Fetch, Fetches, Options, Secrets, references};
pub use verdict::{
    Doubt, Exclusion, SURELY_AFTER, SURELY_BEFORE, Start, Verdict, exclusion, has_address, is_master,
    is_static, verdict,
};
pub use view::{Candidate, Variable, Variables};

use build::{Builder, Built};

/// How sure it is that the container has a variable, and with this value. Orders from sure to unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It has it, with this value.
    Present,
    /// It lacks it until it restarts; the value is what a restart would bring.
    Absent,
    /// The container is not running; the value is what its next start would bring.
    NextStart,
    /// It has it, but something it comes from was changed since: the value shown is today's.
    Stale,
    /// The API can't tell whether it has it, or which value.
    Uncertain,
    /// It has it, but the value can't be read: rights, a masked Secret, a file inside the pod.
    Unreadable,
}

impl Status {
    /// The word of the JSON documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Absent => "absent",
            Self::NextStart => "next-start",
            Self::Stale => "stale",
            Self::Uncertain => "uncertain",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Where a variable comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// A Service.
    Service,
    /// A literal in `env`.
    Env,
    /// A ConfigMap or Secret in `envFrom`.
    EnvFrom,
    /// A field of the pod.
    FieldRef,
    /// A limit or request.
    ResourceFieldRef,
    /// A key of a ConfigMap.
    ConfigMapKeyRef,
    /// A key of a Secret.
    SecretKeyRef,
    /// A file in the pod.
    FileKeyRef,
    /// The container runtime.
    Runtime,
}

impl Origin {
    /// The word of the JSON documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Env => "env",
            Self::EnvFrom => "envFrom",
            Self::FieldRef => "fieldRef",
            Self::ResourceFieldRef => "resourceFieldRef",
            Self::ConfigMapKeyRef => "configMapKeyRef",
            Self::SecretKeyRef => "secretKeyRef",
            Self::FileKeyRef => "fileKeyRef",
            Self::Runtime => "runtime",
        }
    }
}

/// An `envFrom` source that could not be read: it may set any variable that begins with its prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// ConfigMap or Secret.
    pub kind: Kind,
    /// Which.
    pub key: ObjectKey,
    /// `envFrom[].prefix`.
    pub prefix: Text,
    /// Why, as the end of a sentence that begins with the object (`was not read`).
    pub why: String,
}

impl Gap {
    /// Whether it may set a variable of that name.
    pub fn may_set(&self, name: &str) -> bool {
        name.strip_prefix(&*self.prefix).is_some_and(|rest| !rest.is_empty())
    }
}

/// The predicted environment of one container. Owns or shares everything, so it may be kept.
#[derive(Clone, Debug)]
pub struct ContainerEnvironment {
    /// The pod.
    pub pod: ObjectKey,
    /// What controls the pod.
    pub owner: Option<Owner>,
    /// The container.
    pub container: Text,
    /// How it takes part in the pod.
    pub role: ContainerRole,
    /// Its state; `None` without a status.
    pub state: Option<ContainerState>,
    /// When its environment was computed.
    pub start: Start,
    /// `spec.enableServiceLinks`.
    pub service_links: bool,
    /// `envFrom` sources that could not be read.
    pub gaps: Vec<Gap>,
    /// What keeps the container from starting, a clause each (`CreateContainerConfigError`). Empty for running ones.
    pub blocked: Vec<String>,
    table: Arc<NamespaceVariables>,
    /// One for each Service of the table.
    verdicts: Box<[Verdict]>,
    /// Sorted by name, each with the first row of the table that does not come before it.
    own: Box<[(Text, usize, Own)]>,
}

impl ContainerEnvironment {
    /// The Services looked at, each with what is known about it in this container.
    pub fn services(&self) -> impl ExactSizeIterator<Item = (&Arc<Service>, Verdict)> {
        self.table.services().iter().zip(self.verdicts.iter().copied())
    }

    /// The state's word, as `kubectl get -o json` has it: `running`, `waiting`, `terminated`; `unknown` without a
    /// status.
    pub fn state_word(&self) -> &'static str {
        match self.state {
            Some(ContainerState::Running(_)) => "running",
            Some(ContainerState::Waiting(_)) => "waiting",
            Some(ContainerState::Terminated { .. }) => "terminated",
            None => "unknown",
        }
    }

    /// When it started; `None` unless it runs.
    pub fn started(&self) -> Option<Timestamp> {
        self.start.at
    }

    /// What is not known as a whole: Services that could not be listed, `envFrom` sources that were not read. A
    /// sentence each.
    pub fn unknowns(&self) -> Vec<String> {
        let lists = self.table.incomplete().into_iter().chain(self.table.master_unknown());
        let gaps = self.gaps.iter().map(|gap| {
            let what = if gap.prefix.is_empty() {
                String::new()
            } else {
                format!(" with the prefix {}", gap.prefix)
            };
            format!("{} {}{what} {}: its variables are not listed", gap.kind.name(), gap.key.name, gap.why)
        });
        lists.map(str::to_owned).chain(gaps).collect()
    }
}

/// A variable that does not come from a Service.
#[derive(Clone, Debug)]
struct Own {
    /// `None` when it can't be known or must not be shown.
    value: Option<Text>,
    status: Status,
    origin: Origin,
    /// Why the status is what it is.
    note: Option<String>,
    /// What of the pod's own entries or the runtime's it replaces.
    hides: Option<String>,
    /// The ConfigMap or Secret of an `envFrom` variable.
    object: Option<(Kind, Text)>,
    /// Something of a Secret is in the value.
    secret: bool,
    /// Length of the value, also where it is not shown.
    size: usize,
}

impl Own {
    fn known(origin: Origin, value: Text) -> Self {
        let value = Some(value);
        Self {
            value,
            status: Status::Present,
            origin,
            note: None,
            hides: None,
            object: None,
            secret: false,
            size: 0,
        }
    }

    fn unknown(origin: Origin, why: String) -> Self {
        let mut own = Self::known(origin, "".into());
        own.value = None;
        own.weaken(Status::Unreadable, why);
        own
    }

    fn from_bytes(origin: Origin, bytes: &[u8], secret: bool) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let torn = matches!(text, std::borrow::Cow::Owned(_));
        let mut own = Self::known(origin, text.into());
        own.secret = secret;
        if torn {
            own.weaken(
                Status::Uncertain,
                "the value is not UTF-8; shown with replacement characters".to_owned(),
            );
        }
        own
    }

    /// Adds a doubt; the strongest status stays.
    fn weaken(&mut self, status: Status, why: String) {
        self.status = self.status.max(status);
        self.note(why);
    }

    fn note(&mut self, why: String) {
        match &mut self.note {
            Some(note) if note.contains(&why) => {}
            Some(note) => *note = format!("{note}; {why}"),
            None => self.note = Some(why),
        }
    }

    /// What it is, for the entry that hides it.
    fn source(&self) -> String {
        match (&self.object, self.origin) {
            (Some((kind, name)), _) => format!("the same name from {} {name}", kind.name()),
            (None, origin) => format!("an earlier entry of the same name ({})", origin.as_str()),
        }
    }

    /// Takes a secret value out unless it may be shown.
    fn mask(&mut self, shown: bool) {
        self.size = self.value.as_ref().map_or(0, |value| value.len());
        if self.secret && !shown && self.value.take().is_some() {
            self.weaken(Status::Unreadable, "holds a value of a Secret, hidden until asked for".to_owned());
        }
    }
}

/// All rows of one name taken together.
#[derive(Clone, Copy, Debug)]
struct Resolved {
    /// The row whose value is shown.
    row: usize,
    status: Status,
    /// Several Services may have set it, to different values: the kubelet's choice is random.
    differing: bool,
    /// Whether any of the Services is one that this container gets.
    eligible: bool,
    /// The first row of another name.
    end: usize,
}

/// What the rows from `at` on, which have one name, come to. The kubelet copies all Services' variables into one map
/// in random order, so of several values any may have won.
fn resolve(table: &NamespaceVariables, verdicts: &[Verdict], at: usize) -> Resolved {
    let rows = table.rows();
    let (row, end) = (&rows[at], at + rows[at].rivals + 1);
    if end == at + 1 {
        let verdict = verdicts[row.service];
        let eligible = !matches!(verdict, Verdict::NotEligible(_));
        return Resolved { row: at, status: status_of(verdict), differing: false, eligible, end };
    }
    let verdict = |i: &usize| verdicts[rows[*i].service];
    let eligible = (at..end).find(|i| !matches!(verdict(i), Verdict::NotEligible(_)));
    let there: Vec<usize> = (at..end).filter(|i| verdict(i).may_be_there()).collect();
    let Some(&first) = there.first() else {
        return Resolved {
            row: eligible.unwrap_or(at),
            status: Status::Absent,
            differing: false,
            eligible: eligible.is_some(),
            end,
        };
    };
    let statuses = || there.iter().map(|i| status_of(verdict(i)));
    let differing = there.iter().any(|i| rows[*i].value != rows[first].value);
    let status = if statuses().all(|s| s == Status::NextStart) {
        Status::NextStart
    } else if differing {
        Status::Uncertain
    } else if statuses().any(|s| s == Status::Stale) {
        Status::Stale
    } else {
        // One that is surely there with this very value settles it.
        statuses().min().unwrap_or(Status::Uncertain)
    };
    Resolved { row: first, status, differing, eligible: true, end }
}

fn status_of(verdict: Verdict) -> Status {
    match verdict {
        Verdict::Present => Status::Present,
        Verdict::NotEligible(_) | Verdict::Absent { .. } => Status::Absent,
        Verdict::NextStart => Status::NextStart,
        Verdict::Uncertain(_) => Status::Uncertain,
        Verdict::Stale { .. } => Status::Stale,
    }
}

/// Predicts one container's environment with a table of its namespace that was made before.
pub fn predict(
    snapshot: &ClusterSnapshot,
    table: &Arc<NamespaceVariables>,
    pod: &Pod,
    container: &Container,
    options: &Options,
) -> ContainerEnvironment {
    let start = Start::of(pod, container);
    let verdicts = table.verdicts(&start, pod.spec.service_links);
    let builder = Builder { snapshot, options, pod, container, start: &start, table, verdicts: &verdicts };
    let Built { mut own, gaps, blocked } = builder.build();
    for (name, own) in &mut own {
        own.mask(options.secrets.shows(name));
    }
    if let Some(why) = table.master_unknown() {
        for name in ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "KUBERNETES_PORT"] {
            let row = || {
                Own::unknown(Origin::Service, format!("it comes from the Service default/kubernetes: {why}"))
            };
            own.entry(name.into()).or_insert_with(row);
        }
    }
    ContainerEnvironment {
        pod: pod.key.clone(),
        owner: pod.owner.clone(),
        container: container.name.clone(),
        role: container.role,
        state: pod.status(&container.name).map(|s| s.state.clone()),
        start,
        service_links: pod.spec.service_links,
        gaps,
        blocked: if start.running { Vec::new() } else { blocked },
        table: table.clone(),
        verdicts,
        own: own
            .into_iter()
            .map(|(name, own)| (name.clone(), table.position(&name).unwrap_or_else(|at| at), own))
            .collect(),
    }
}

/// Predicts one container's environment.
pub fn container_environment(
    snapshot: &ClusterSnapshot,
    pod: &Pod,
    container: &Container,
    options: &Options,
) -> ContainerEnvironment {
    predict(snapshot, &NamespaceVariables::new(snapshot, &pod.key.namespace), pod, container, options)
}

/// Predicts every container of the watched pods of one namespace, in the order of pods, then containers.
pub fn namespace_environments(
    snapshot: &ClusterSnapshot,
    namespace: &str,
    options: &Options,
) -> Vec<ContainerEnvironment> {
    let table = NamespaceVariables::new(snapshot, namespace);
    let pods = snapshot.pods_in(namespace).iter();
    let containers = pods.flat_map(|pod| pod.spec.containers.iter().map(move |container| (pod, container)));
    containers.map(|(pod, container)| predict(snapshot, &table, pod, container, options)).collect()
}
