//! Pods, cut down to what service discovery needs: identity, labels, addresses, the containers' environment
//! sources, resolver settings, and each container's own times.
//!
//! Replicas share everything that comes from their template: [`PodSpec`] is one shared copy.

use std::sync::Arc;

use super::{Labels, ObjectKey, Text, service::Protocol, time::Timestamp};

/// One pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Namespace and name.
    pub key: ObjectKey,
    /// Identity of this very object.
    pub uid: Text,
    /// Creation time of the API object; never a container's start.
    pub created: Option<Timestamp>,
    /// Set while it is being deleted.
    pub deleting: Option<Timestamp>,
    /// Labels.
    pub labels: Labels,
    /// Only the annotations that something reads: `kubernetes.io/config.source` and those that a container's
    /// `fieldRef` names.
    pub annotations: Labels,
    /// The controlling owner, if any.
    pub owner: Option<Owner>,
    /// What the template says; shared by replicas.
    pub spec: Arc<PodSpec>,
    /// `spec.nodeName`; empty until scheduled.
    pub node: Text,
    /// `spec.hostname`; differs between the pods of a StatefulSet.
    pub hostname: Option<Text>,
    /// `status.phase` (`Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`).
    pub phase: Text,
    /// `status.reason` (`Evicted`, …); empty when unset.
    pub reason: Text,
    /// `status.podIPs`, primary first (or `status.podIP` alone).
    pub ips: Box<[Text]>,
    /// `status.hostIPs`, primary first (or `status.hostIP` alone).
    pub host_ips: Box<[Text]>,
    /// `status.conditions` that are not True, and `Ready` whatever it is.
    pub conditions: Box<[Condition]>,
    /// Status of every container: init, main, then ephemeral, in the API's order.
    pub statuses: Box<[ContainerStatus]>,
}

impl Pod {
    /// The condition of that type, as far as kept: `Ready` always, others only when not True.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|c| &*c.kind == kind)
    }

    /// Whether the `Ready` condition is True.
    pub fn is_ready(&self) -> bool {
        self.condition("Ready").is_some_and(|c| c.status)
    }

    /// Phase Succeeded or Failed: the endpoint controllers no longer list it.
    pub fn finished(&self) -> bool {
        matches!(&*self.phase, "Succeeded" | "Failed")
    }

    /// The status of a container by name.
    pub fn status(&self, container: &str) -> Option<&ContainerStatus> {
        self.statuses.iter().find(|s| &*s.name == container)
    }

    /// All restarts of its containers (kubectl's RESTARTS counts the main and restartable init containers).
    pub fn restarts(&self) -> i32 {
        self.statuses
            .iter()
            .filter(|s| match self.spec.container(&s.name) {
                Some(c) => c.role != ContainerRole::Ephemeral && c.role != ContainerRole::Init,
                None => true,
            })
            .map(|s| s.restarts)
            .sum()
    }
}

/// The object that controls a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Kind (`ReplicaSet`, `StatefulSet`, `DaemonSet`, `Job`, …).
    pub kind: Text,
    /// Name, in the pod's namespace.
    pub name: Text,
}

/// What the replicas of a workload have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PodSpec {
    /// Containers: init (sidecars included), main, then ephemeral, in the API's order.
    pub containers: Box<[Container]>,
    /// `spec.enableServiceLinks`; true where the API does not say.
    pub service_links: bool,
    /// `spec.hostNetwork`.
    pub host_network: bool,
    /// `spec.dnsPolicy`; empty means ClusterFirst.
    pub dns_policy: Text,
    /// `spec.dnsConfig`.
    pub dns_config: Option<DnsConfig>,
    /// `spec.subdomain`; empty when unset.
    pub subdomain: Text,
    /// `spec.setHostnameAsFQDN`.
    pub hostname_as_fqdn: bool,
    /// `spec.hostnameOverride`.
    pub hostname_override: Option<Text>,
    /// `spec.serviceAccountName`.
    pub service_account: Text,
    /// `spec.hostAliases`: each address with its names.
    pub host_aliases: Box<[(Text, Box<[Text]>)]>,
}

impl PodSpec {
    /// A container by name.
    pub fn container(&self, name: &str) -> Option<&Container> {
        self.containers.iter().find(|c| &*c.name == name)
    }

    /// The containers that run for the pod's lifetime.
    pub fn main_containers(&self) -> impl Iterator<Item = &Container> {
        self.containers.iter().filter(|c| c.role == ContainerRole::Main)
    }
}

/// `spec.dnsConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DnsConfig {
    /// Name servers that are appended.
    pub nameservers: Box<[Text]>,
    /// Search domains that are appended.
    pub searches: Box<[Text]>,
    /// Options; a value of `None` and an empty one are both written without a colon.
    pub options: Box<[(Text, Option<Text>)]>,
}

/// How a container takes part in the pod's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ContainerRole {
    /// Runs to its end before the main ones start.
    Init,
    /// An init container with `restartPolicy: Always`.
    Sidecar,
    /// An ordinary container.
    Main,
    /// Added to a running pod for debugging.
    Ephemeral,
}

/// One container of a pod's spec.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Container {
    /// Name.
    pub name: Text,
    /// Role.
    pub role: ContainerRole,
    /// Image reference; hints at the libc inside.
    pub image: Text,
    /// Declared ports.
    pub ports: Box<[ContainerPort]>,
    /// `env` in order.
    pub env: Box<[EnvVar]>,
    /// `envFrom` in order.
    pub env_from: Box<[EnvFrom]>,
    /// `tty: true` makes the runtime set TERM.
    pub tty: bool,
    /// `resources.limits`, quantities as text.
    pub limits: Labels,
    /// `resources.requests`, quantities as text.
    pub requests: Labels,
}

/// A declared container port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContainerPort {
    /// Name; empty when unnamed.
    pub name: Text,
    /// Number.
    pub port: i32,
    /// Protocol.
    pub protocol: Protocol,
}

/// One entry of `env`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EnvVar {
    /// Variable name.
    pub name: Text,
    /// Where the value comes from.
    pub value: EnvValue,
}

/// The value of an `env` entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EnvValue {
    /// A literal, in which `$(NAME)` is expanded. Empty where the API has neither value nor valueFrom.
    Literal(Text),
    /// `fieldRef`: the field's path (`metadata.labels['app']`).
    Field(Text),
    /// `resourceFieldRef`.
    Resource {
        /// Container it speaks of; empty means this one.
        container: Text,
        /// `limits.cpu`, `requests.memory`, …
        resource: Text,
        /// Divisor; empty means 1.
        divisor: Text,
    },
    /// `configMapKeyRef`.
    ConfigMapKey(KeyRef),
    /// `secretKeyRef`.
    SecretKey(KeyRef),
    /// `fileKeyRef`: a file inside the pod, which the API can't show.
    FileKey {
        /// Path in the volume.
        path: Text,
        /// Key in the file.
        key: Text,
        /// May be missing.
        optional: bool,
    },
}

/// A key of a ConfigMap or Secret of the pod's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyRef {
    /// Object name.
    pub name: Text,
    /// Key.
    pub key: Text,
    /// Whether object or key may be missing.
    pub optional: bool,
}

/// One entry of `envFrom`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EnvFrom {
    /// Put in front of every key.
    pub prefix: Text,
    /// Whether it is a Secret (else a ConfigMap).
    pub secret: bool,
    /// Object name.
    pub name: Text,
    /// Whether the object may be missing.
    pub optional: bool,
}

/// One entry of `status.conditions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Type (`Ready`, `PodScheduled`, …).
    pub kind: Text,
    /// Whether the status is `True`.
    pub status: bool,
    /// Reason; empty when unset.
    pub reason: Text,
    /// Message; empty when unset.
    pub message: Text,
    /// When it last changed.
    pub since: Option<Timestamp>,
}

/// The status of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerStatus {
    /// Container name.
    pub name: Text,
    /// Ready.
    pub ready: bool,
    /// `started`: it runs and its startup probe, if any, has passed. kubectl's STATUS asks this of sidecars.
    pub started: bool,
    /// Restart count.
    pub restarts: i32,
    /// State now.
    pub state: ContainerState,
    /// End of what ran before in this place (`lastState.terminated.finishedAt`).
    pub last_finished: Option<Timestamp>,
    /// `lastState.terminated.reason`; empty when unset.
    pub last_reason: Text,
}

/// `state` of a container status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Not running (yet); the reason (`ContainerCreating`, `CrashLoopBackOff`, …).
    Waiting(Text),
    /// Running since.
    Running(Option<Timestamp>),
    /// Ended.
    Terminated {
        /// Reason (`Completed`, `Error`, …).
        reason: Text,
        /// Exit code.
        exit_code: i32,
        /// Signal; 0 when unset.
        signal: i32,
        /// When it had started.
        started: Option<Timestamp>,
        /// When it ended.
        finished: Option<Timestamp>,
    },
}
