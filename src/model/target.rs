//! What `kubectl port-forward` is told: a target (`svc/web`, `deploy/web`, `web-0`) and ports (`8080:http`, `:80`).
//!
//! What it is: the grammar, and how a Service's port becomes a pod's. What it is not: it looks nothing up; Services
//! and pods are arguments. Sources: kubectl `pkg/cmd/portforward`, client-go `tools/portforward`.

use std::fmt;

use super::pod::{ContainerPort, ContainerRole};
use super::service::{Port, PortTarget, Protocol};
use super::{Pod, Service, Text};

/// The kinds that a forward can lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetKind {
    /// A Service: the ready ones of its endpoints.
    Service,
    /// One pod.
    Pod,
    /// Pods that a Deployment selects.
    Deployment,
    /// Pods that a ReplicaSet selects.
    ReplicaSet,
    /// Pods that a StatefulSet selects.
    StatefulSet,
    /// Pods that a DaemonSet selects.
    DaemonSet,
    /// Pods that a Job selects.
    Job,
    /// Pods that a `ReplicationController` selects.
    ReplicationController,
}

impl TargetKind {
    /// Reads a type as kubectl does: short, singular or plural, with or without its group.
    pub fn parse(word: &str) -> Option<Self> {
        let (name, group) = word.split_once('.').unwrap_or((word, ""));
        let kind = match name.to_ascii_lowercase().as_str() {
            "svc" | "service" | "services" => Self::Service,
            "po" | "pod" | "pods" => Self::Pod,
            "deploy" | "deployment" | "deployments" => Self::Deployment,
            "rs" | "replicaset" | "replicasets" => Self::ReplicaSet,
            "sts" | "statefulset" | "statefulsets" => Self::StatefulSet,
            "ds" | "daemonset" | "daemonsets" => Self::DaemonSet,
            "job" | "jobs" => Self::Job,
            "rc" | "replicationcontroller" | "replicationcontrollers" => Self::ReplicationController,
            _ => return None,
        };
        // `deployments.apps` and `deployments.v1.apps`
        (group.is_empty() || group.rsplit('.').next() == Some(kind.group())).then_some(kind)
    }

    /// API group; empty for the core group.
    pub fn group(self) -> &'static str {
        match self {
            Self::Service | Self::Pod | Self::ReplicationController => "",
            Self::Job => "batch",
            _ => "apps",
        }
    }

    /// The plural resource name as URLs write it.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Service => "services",
            Self::Pod => "pods",
            Self::Deployment => "deployments",
            Self::ReplicaSet => "replicasets",
            Self::StatefulSet => "statefulsets",
            Self::DaemonSet => "daemonsets",
            Self::Job => "jobs",
            Self::ReplicationController => "replicationcontrollers",
        }
    }

    /// The short word that is typed before the slash.
    pub fn short(self) -> &'static str {
        match self {
            Self::Service => "svc",
            Self::Pod => "pod",
            Self::Deployment => "deploy",
            Self::ReplicaSet => "rs",
            Self::StatefulSet => "sts",
            Self::DaemonSet => "ds",
            Self::Job => "job",
            Self::ReplicationController => "rc",
        }
    }

    /// Whether its pods are found by a selector that has to be read from the object first.
    pub fn is_workload(self) -> bool {
        !matches!(self, Self::Service | Self::Pod)
    }
}

/// What a forward leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// Namespace.
    pub namespace: Text,
    /// Kind.
    pub kind: TargetKind,
    /// Name.
    pub name: Text,
}

impl Target {
    /// A Service.
    pub fn service(namespace: impl Into<Text>, name: impl Into<Text>) -> Self {
        Self { namespace: namespace.into(), kind: TargetKind::Service, name: name.into() }
    }

    /// A pod.
    pub fn pod(namespace: impl Into<Text>, name: impl Into<Text>) -> Self {
        Self { namespace: namespace.into(), kind: TargetKind::Pod, name: name.into() }
    }

    /// Reads `TYPE/NAME`, `NAMESPACE/TYPE/NAME`, or the bare name of a pod.
    ///
    /// # Errors
    /// Types that have no pods, and what is no target at all.
    pub fn parse(text: &str, namespace: &str) -> Result<Self, WishError> {
        let parts: Vec<&str> = text.split('/').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(WishError::NoTarget(text.into()));
        }
        let (namespace, kind, name) = match parts[..] {
            [name] => (namespace, "pod", name),
            [kind, name] => (namespace, kind, name),
            [namespace, kind, name] => (namespace, kind, name),
            _ => return Err(WishError::NoTarget(text.into())),
        };
        let kind = TargetKind::parse(kind).ok_or_else(|| WishError::NoSuchType(kind.into()))?;
        Ok(Self { namespace: namespace.into(), kind, name: name.into() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.short(), self.name)
    }
}

/// The local port that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LocalPort {
    /// The number of the remote port (of a Service: of its own port).
    Same,
    /// Any free one.
    Any,
    /// This one.
    Fixed(u16),
}

/// The port at the target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RemotePort {
    /// A number: of a Service its port, of anything else the pod's.
    Number(u16),
    /// The name of a Service port, or of a container port.
    Name(Text),
}

impl fmt::Display for RemotePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A pair of ports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortWish {
    /// Here.
    pub local: LocalPort,
    /// There.
    pub remote: RemotePort,
}

impl PortWish {
    /// A port of the target by number, on the same local port.
    pub fn number(port: u16) -> Self {
        Self { local: LocalPort::Same, remote: RemotePort::Number(port) }
    }

    /// Reads `80`, `8080:80`, `:80`, `0:80`, `http`, `8080:http` (kubectl: `splitPort`, `convertPodNamedPortToNumber`;
    /// client-go: `parsePorts`).
    ///
    /// # Errors
    /// In kubectl's words.
    pub fn parse(text: &str) -> Result<Self, WishError> {
        let (local, remote) = match text.split(':').collect::<Vec<_>>()[..] {
            [both] => (None, both),
            [local, remote] => (Some(local), remote),
            _ => return Err(WishError::Format(text.into())),
        };
        let remote = match number(remote) {
            Ok(0) => return Err(WishError::RemoteZero),
            Ok(port) => RemotePort::Number(port),
            Err(_) if could_be_a_name(remote) => RemotePort::Name(remote.into()),
            Err(why) => return Err(WishError::Remote(remote.into(), why)),
        };
        let local = match local {
            None => LocalPort::Same,
            Some("") => LocalPort::Any,
            Some(local) => match number(local).map_err(|why| WishError::Local(local.into(), why))? {
                0 => LocalPort::Any,
                port => LocalPort::Fixed(port),
            },
        };
        Ok(Self { local, remote })
    }
}

impl fmt::Display for PortWish {
    /// The form that [`Self::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.local {
            LocalPort::Same => write!(f, "{}", self.remote),
            LocalPort::Any => write!(f, ":{}", self.remote),
            LocalPort::Fixed(port) => write!(f, "{port}:{}", self.remote),
        }
    }
}

/// Unsigned, decimal, 16 bits; what is wrong in Go's words.
fn number(text: &str) -> Result<u16, &'static str> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err("invalid syntax");
    }
    text.parse().map_err(|_| "value out of range")
}

/// Port names have a letter (apimachinery: `IsValidPortName`); digits alone are a number that is wrong.
fn could_be_a_name(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// What is wrong with a target or a port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WishError {
    /// No target.
    #[error("\"{0}\" is no target: it has to be TYPE/NAME, or the name of a pod")]
    NoTarget(Text),
    /// A type that has no pods.
    #[error("\"{0}\" is no type that has pods to forward to (pod, svc, deploy, rs, sts, ds, job, rc)")]
    NoSuchType(Text),
    /// More than one colon.
    #[error("invalid port format '{0}'")]
    Format(Text),
    /// The local part.
    #[error("error parsing local port '{0}': {1}")]
    Local(Text, &'static str),
    /// The remote part.
    #[error("error parsing remote port '{0}': {1}")]
    Remote(Text, &'static str),
    /// The remote part is 0.
    #[error("remote port must be > 0")]
    RemoteZero,
    /// A Service without that port.
    #[error("Service {0} does not have a service port {1}")]
    NoServicePort(Text, u16),
    /// A Service without that port name.
    #[error("Service '{0}' does not have a named port '{1}'")]
    NoServicePortName(Text, Text),
    /// A pod without that port name.
    #[error("Pod '{0}' does not have a named port '{1}'")]
    NoPodPortName(Text, Text),
    /// Only UDP.
    #[error("UDP protocol is not supported for {0}")]
    Udp(RemotePort),
}

/// Reads the arguments of the command: a target, its ports, and further targets (an argument with a `/`).
///
/// # Errors
/// See [`WishError`].
pub fn arguments(texts: &[String], namespace: &str) -> Result<Vec<(Target, Vec<PortWish>)>, WishError> {
    let mut all: Vec<(Target, Vec<PortWish>)> = Vec::new();
    for text in texts {
        match all.last_mut() {
            Some((_, ports)) if !text.contains('/') => ports.push(PortWish::parse(text)?),
            _ => all.push((Target::parse(text, namespace)?, Vec::new())),
        }
    }
    Ok(all)
}

/// The TCP ports of a Service, for when none is named.
pub fn all_ports(service: &Service) -> Vec<PortWish> {
    let tcp = service.ports.iter().filter(|port| port.protocol == Protocol::Tcp);
    tcp.filter_map(|port| u16::try_from(port.port).ok().filter(|p| *p > 0)).map(PortWish::number).collect()
}

/// The port of a Service that is meant (kubectl: `translateServicePortToTargetPort`, `checkUDPPortInService`).
///
/// # Errors
/// It has no such port, or only for UDP.
pub fn service_port<'a>(service: &'a Service, remote: &RemotePort) -> Result<&'a Port, WishError> {
    let is = |port: &&Port| match remote {
        RemotePort::Number(number) => port.port == i32::from(*number),
        RemotePort::Name(name) => port.name == *name,
    };
    let mut found = service.ports.iter().filter(is);
    let first = found.next().ok_or_else(|| match remote {
        RemotePort::Number(number) => WishError::NoServicePort(service.key.name.clone(), *number),
        RemotePort::Name(name) => WishError::NoServicePortName(service.key.name.clone(), name.clone()),
    })?;
    let tcp = std::iter::once(first).chain(found).find(|port| port.protocol == Protocol::Tcp);
    tcp.ok_or_else(|| WishError::Udp(remote.clone()))
}

/// The pod's port behind a Service's (kubectl: `LookupContainerPortNumberByServicePort`). Headless Services have no
/// translation: what connects to their names meets the pod's own ports.
///
/// # Errors
/// A name that the pod does not declare.
pub fn pod_port_of_service(service: &Service, port: &Port, pod: &Pod) -> Result<u16, WishError> {
    let own = u16::try_from(port.port).unwrap_or_default();
    match &port.target {
        _ if service.headless() => Ok(own),
        PortTarget::Same | PortTarget::Number(0) => Ok(own),
        PortTarget::Number(number) => Ok(u16::try_from(*number).unwrap_or_default()),
        PortTarget::Name(name) => pod_port(pod, &RemotePort::Name(name.clone())),
    }
}

/// A port of a pod: any number, or the name of a declared one; init containers are searched last
/// (kubectl: `LookupContainerPortNumberByName`, `checkUDPPortInPod`).
///
/// # Errors
/// A name that the pod does not declare, or a port that it declares for UDP alone.
pub fn pod_port(pod: &Pod, remote: &RemotePort) -> Result<u16, WishError> {
    let containers = &pod.spec.containers;
    let main = containers.iter().filter(|c| c.role == ContainerRole::Main);
    let before = containers.iter().filter(|c| matches!(c.role, ContainerRole::Init | ContainerRole::Sidecar));
    let declared: Vec<&ContainerPort> = main.chain(before).flat_map(|c| c.ports.iter()).collect();
    let port = match remote {
        RemotePort::Number(number) => *number,
        RemotePort::Name(name) => {
            let found = declared.iter().find(|p| p.name == *name);
            let found = found.ok_or_else(|| WishError::NoPodPortName(pod.key.name.clone(), name.clone()))?;
            u16::try_from(found.port).unwrap_or_default()
        }
    };
    let mut same = declared.iter().filter(|p| p.port == i32::from(port)).peekable();
    if same.peek().is_some() && same.all(|p| p.protocol == Protocol::Udp) {
        return Err(WishError::Udp(remote.clone()));
    }
    Ok(port)
}

#[cfg(test)]
mod tests;
