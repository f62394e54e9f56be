//! Services as the API describes them, cut down to what is shown or computed with.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{Labels, ObjectKey, Text, time::Timestamp};

/// One Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Namespace and name.
    pub key: ObjectKey,
    /// Identity of this very object; a Service deleted and made again has another.
    pub uid: Text,
    /// When it was created; `None` only in broken data.
    pub created: Option<Timestamp>,
    /// Set while it is being deleted (finalizers).
    pub deleting: Option<Timestamp>,
    /// Labels of the Service itself (not its selector).
    pub labels: Labels,
    /// `spec.type`.
    pub kind: ServiceType,
    /// `spec.clusterIP` verbatim: an address, `None` (headless) or empty.
    pub cluster_ip: Text,
    /// `spec.clusterIPs` verbatim, primary family first.
    pub cluster_ips: Box<[Text]>,
    /// `spec.externalIPs`.
    pub external_ips: Box<[Text]>,
    /// `spec.externalName`; empty unless the type is ExternalName.
    pub external_name: Text,
    /// `spec.ports` in order.
    pub ports: Box<[Port]>,
    /// `spec.selector`; empty for selector-less Services.
    pub selector: Labels,
    /// `spec.publishNotReadyAddresses`, or the old annotation `service.alpha.kubernetes.io/tolerate-unready-endpoints`.
    pub publish_not_ready: bool,
    /// `spec.internalTrafficPolicy` is `Local`.
    pub internal_local: bool,
    /// `spec.externalTrafficPolicy` is `Local`.
    pub external_local: bool,
    /// `status.loadBalancer.ingress`: each one's IP, or its host name.
    pub ingress: Box<[Text]>,
    /// Writes to the parts of the spec that environments depend on, newest first, from managedFields.
    pub changes: Box<[SpecChange]>,
}

impl Service {
    /// Whether `spec.clusterIP` is `None`.
    pub fn headless(&self) -> bool {
        &*self.cluster_ip == "None"
    }

    /// The cluster addresses of every family; empty for headless and ExternalName Services.
    pub fn addresses(&self) -> impl Iterator<Item = &Text> {
        let primary = self.cluster_ips.is_empty().then_some(&self.cluster_ip);
        self.cluster_ips.iter().chain(primary).filter(|ip| !ip.is_empty() && &***ip != "None")
    }
}

/// `spec.type`. Values that the API may gain later are kept as they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceType {
    /// A virtual address inside the cluster, or headless.
    ClusterIp,
    /// And a port on every node.
    NodePort,
    /// And a load balancer outside.
    LoadBalancer,
    /// A CNAME to somewhere else.
    ExternalName,
    /// Something this program does not know.
    Other(Text),
}

impl ServiceType {
    /// Kubernetes' own word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::ClusterIp => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
            Self::ExternalName => "ExternalName",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for ServiceType {
    /// An absent type is ClusterIP, the API's default.
    fn from(text: &str) -> Self {
        match text {
            "" | "ClusterIP" => Self::ClusterIp,
            "NodePort" => Self::NodePort,
            "LoadBalancer" => Self::LoadBalancer,
            "ExternalName" => Self::ExternalName,
            other => Self::Other(other.into()),
        }
    }
}

impl Serialize for ServiceType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A transport protocol. Values that the API may gain later are kept as they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP, also where the API left it out.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
    /// Something this program does not know.
    Other(Text),
}

impl Protocol {
    /// Upper case, as the API writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for Protocol {
    /// An absent protocol is TCP, the API's default.
    fn from(text: &str) -> Self {
        match text {
            "" | "TCP" => Self::Tcp,
            "UDP" => Self::Udp,
            "SCTP" => Self::Sctp,
            other => Self::Other(other.into()),
        }
    }
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Port name; empty for the one unnamed port.
    pub name: Text,
    /// Service port number. Kept as the API's wide integer: broken data is shown, not refused.
    pub port: i32,
    /// Protocol.
    pub protocol: Protocol,
    /// `targetPort`.
    pub target: PortTarget,
    /// Node port; 0 when there is none.
    pub node_port: i32,
    /// `appProtocol`; empty when unset.
    pub app_protocol: Text,
}

/// `targetPort`: the port of the pod behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortTarget {
    /// Not set (or 0): the Service port's own number.
    Same,
    /// A number.
    Number(i32),
    /// The name of a container port, looked up in each pod.
    Name(Text),
}

impl fmt::Display for PortTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("same"),
            Self::Number(n) => write!(f, "{n}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Who last wrote which part of a Service's spec, and when (from one managedFields entry).
///
/// An environment is computed at the container's start, so a newer write means that the container may still have
/// the names and values from before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecChange {
    /// The field manager (`kubectl-edit`, `helm`, …).
    pub manager: Text,
    /// When it last wrote; one time per manager and operation.
    pub at: Timestamp,
    /// It owns `f:type`: an episode as ExternalName is possible.
    pub owns_type: bool,
    /// It owns `f:clusterIP` or `f:clusterIPs`.
    pub owns_cluster_ip: bool,
    /// It owns something in `f:ports` other than `f:targetPort`, `f:nodePort`, `f:appProtocol`.
    pub owns_ports: bool,
}
