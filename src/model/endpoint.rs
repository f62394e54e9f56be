//! EndpointSlices: what is behind a Service, as the endpoint controllers publish it.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{Labels, ObjectKey, Text, service::Protocol, time::Timestamp};

/// One EndpointSlice. A Service's endpoints are all slices that carry its name in the label
/// `kubernetes.io/service-name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSlice {
    /// Namespace and name of the slice.
    pub key: ObjectKey,
    /// Value of `kubernetes.io/service-name`; empty when the label is missing.
    pub service: Text,
    /// Labels; CoreDNS' `labels` option reads them.
    pub labels: Labels,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Address family of all its endpoints.
    pub address_type: AddressType,
    /// Ports that every endpoint of the slice serves. Empty also where the API says `null`.
    pub ports: Box<[SlicePort]>,
    /// The endpoints. Empty also where the API says `null`.
    pub endpoints: Box<[Endpoint]>,
}

/// Address family of a slice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressType {
    /// IPv4 addresses.
    Ipv4,
    /// IPv6 addresses.
    Ipv6,
    /// DNS names (deprecated; kube-proxy and CoreDNS skip them).
    Fqdn,
    /// Something this program does not know.
    Other(Text),
}

impl AddressType {
    /// The API's own word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
            Self::Fqdn => "FQDN",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for AddressType {
    fn from(text: &str) -> Self {
        match text {
            "" | "IPv4" => Self::Ipv4,
            "IPv6" => Self::Ipv6,
            "FQDN" => Self::Fqdn,
            other => Self::Other(other.into()),
        }
    }
}

impl Serialize for AddressType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One port of a slice: the pods' own port, already translated from the Service's `targetPort`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SlicePort {
    /// Name of the Service port; empty for the unnamed one.
    pub name: Text,
    /// Number in the pod; `None` means "all ports", which only hand-written slices say.
    pub port: Option<i32>,
    /// Protocol.
    pub protocol: Protocol,
}

/// One endpoint of a slice. The three conditions are `None` where the API does not give them: unknown is not false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Addresses; the controllers write one, others may write more.
    pub addresses: Box<[Text]>,
    /// `conditions.ready`; consumers take `None` as ready (discovery/v1 `EndpointConditions`).
    pub ready: Option<bool>,
    /// `conditions.serving`; readiness regardless of termination.
    pub serving: Option<bool>,
    /// `conditions.terminating`.
    pub terminating: Option<bool>,
    /// Host name that DNS publishes for it.
    pub hostname: Option<Text>,
    /// Node it runs on.
    pub node: Option<Text>,
    /// Zone it runs in.
    pub zone: Option<Text>,
    /// Topology hints.
    pub hints: Hints,
    /// The object behind, nearly always a pod.
    pub target: Option<TargetRef>,
}

impl Endpoint {
    /// Whether kube-proxy and CoreDNS use it: ready, or not said.
    pub fn is_ready(&self) -> bool {
        self.ready != Some(false)
    }
}

/// Topology hints: for which zones and nodes an endpoint should be used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hints {
    /// `hints.forZones`.
    pub zones: Box<[Text]>,
    /// `hints.forNodes`.
    pub nodes: Box<[Text]>,
}

/// A reference to the object behind an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TargetRef {
    /// Kind, nearly always `Pod`.
    pub kind: Text,
    /// Namespace.
    pub namespace: Text,
    /// Name.
    pub name: Text,
}

impl fmt::Display for TargetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}
