//! The other objects that predictions need: namespaces, the data of ConfigMaps and Secrets, nodes.

use std::collections::BTreeMap;

use super::{Labels, ObjectKey, Text};

/// One namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Name.
    pub name: Text,
    /// Labels; CoreDNS' `namespace_labels` option reads them.
    pub labels: Labels,
    /// It is being deleted.
    pub terminating: bool,
}

/// The data of one ConfigMap or Secret, fetched by name.
///
/// `Debug` never prints values: they may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigData {
    /// Namespace and name.
    pub key: ObjectKey,
    /// Keys with their bytes (Secrets decoded; ConfigMaps' `data` and `binaryData` as one, text kept as bytes).
    pub data: BTreeMap<Text, Box<[u8]>>,
    /// Keys that came from `binaryData`: the kubelet gives those to no environment.
    pub binary: Box<[Text]>,
}

impl std::fmt::Debug for ConfigData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfigData")
            .field("key", &self.key)
            .field("keys", &self.data.len())
            .finish_non_exhaustive()
    }
}

/// One node, as far as predictions need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Name.
    pub name: Text,
    /// `status.allocatable`: what `resourceFieldRef` falls back to. Quantities as text.
    pub allocatable: Labels,
    /// Labels (zone, region).
    pub labels: Labels,
}
