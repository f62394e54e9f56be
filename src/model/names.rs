//! What objects are called: kinds with their API resource names, and namespace/name keys.

use std::fmt;

use serde::Serialize;

use super::Text;

/// The kinds of objects that kdisco reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Kind {
    /// `v1` Namespace, cluster-scoped.
    Namespace,
    /// `v1` Service.
    Service,
    /// `discovery.k8s.io/v1` EndpointSlice.
    EndpointSlice,
    /// `v1` Pod.
    Pod,
    /// `v1` ConfigMap, read one at a time by name.
    ConfigMap,
    /// `v1` Secret, read one at a time by name and only when asked.
    Secret,
    /// `v1` Node, cluster-scoped, read one at a time.
    Node,
    /// `networking.k8s.io/v1` NetworkPolicy, read when a diagnosis asks for it.
    NetworkPolicy,
}

impl Kind {
    /// API group; empty for the core group.
    pub fn group(self) -> &'static str {
        match self {
            Self::EndpointSlice => "discovery.k8s.io",
            Self::NetworkPolicy => "networking.k8s.io",
            _ => "",
        }
    }

    /// The plural resource name as RBAC and URLs write it (`endpointslices`).
    pub fn resource(self) -> &'static str {
        match self {
            Self::Namespace => "namespaces",
            Self::Service => "services",
            Self::EndpointSlice => "endpointslices",
            Self::Pod => "pods",
            Self::ConfigMap => "configmaps",
            Self::Secret => "secrets",
            Self::Node => "nodes",
            Self::NetworkPolicy => "networkpolicies",
        }
    }

    /// Resource and group as error messages of the API write them (`endpointslices.discovery.k8s.io`).
    pub fn resource_and_group(self) -> String {
        if self.group().is_empty() {
            self.resource().to_owned()
        } else {
            format!("{}.{}", self.resource(), self.group())
        }
    }

    /// Whether objects of this kind live in a namespace.
    pub fn namespaced(self) -> bool {
        !matches!(self, Self::Namespace | Self::Node)
    }

    /// The kind's own name (`EndpointSlice`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::Pod => "Pod",
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
            Self::Node => "Node",
            Self::NetworkPolicy => "NetworkPolicy",
        }
    }
}

/// Namespace and name of an object; orders by namespace, then name, as lists are shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ObjectKey {
    /// Namespace; empty for cluster-scoped objects.
    pub namespace: Text,
    /// Object name.
    pub name: Text,
}

impl ObjectKey {
    /// A key from anything that is text.
    pub fn new(namespace: impl Into<Text>, name: impl Into<Text>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
