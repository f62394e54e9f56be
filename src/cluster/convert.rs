//! From the API's bytes to the facts of the model.
//!
//! What it is: the only code that knows both the API's objects ([`slim`]) and the model; it fills in the API's
//! defaults, keeps odd values as they are, and lets equal texts, label sets and pod templates share one copy. What
//! it is not: it does no IO, joins nothing, and cleans no text. The watch and the reader of saved objects call it.

use std::sync::Arc;

use prost::Message as _;

use super::slim::{self, loose::Loose, meta::Time};
use crate::model::time::Timestamp;
use crate::model::{
    ConfigData, EndpointSlice, Kind, Labels, Namespace, NetworkPolicy, Node, ObjectKey, Pod, Service, Text,
};

mod config;
mod intern;
mod pod;
mod policy;
mod service;
mod slice;
#[cfg(test)]
mod tests;

use intern::Interner;

/// How bytes of the API are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/vnd.kubernetes.protobuf`; an object may come with or without its `k8s\0` envelope.
    Protobuf,
    /// `application/json`.
    Json,
}

/// One object of the kinds that kdisco reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A Service.
    Service(Arc<Service>),
    /// An EndpointSlice.
    Slice(Arc<EndpointSlice>),
    /// A Pod.
    Pod(Arc<Pod>),
    /// A Namespace.
    Namespace(Arc<Namespace>),
    /// A ConfigMap.
    ConfigMap(Arc<ConfigData>),
    /// A Secret.
    Secret(Arc<ConfigData>),
    /// A Node.
    Node(Arc<Node>),
    /// A NetworkPolicy.
    Policy(Arc<NetworkPolicy>),
}

impl Object {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Service(_) => Kind::Service,
            Self::Slice(_) => Kind::EndpointSlice,
            Self::Pod(_) => Kind::Pod,
            Self::Namespace(_) => Kind::Namespace,
            Self::ConfigMap(_) => Kind::ConfigMap,
            Self::Secret(_) => Kind::Secret,
            Self::Node(_) => Kind::Node,
            Self::Policy(_) => Kind::NetworkPolicy,
        }
    }

    /// Its namespace (empty for cluster-scoped kinds) and name.
    pub fn key(&self) -> ObjectKey {
        match self {
            Self::Service(service) => service.key.clone(),
            Self::Slice(slice) => slice.key.clone(),
            Self::Pod(pod) => pod.key.clone(),
            Self::Namespace(namespace) => ObjectKey::new("", namespace.name.clone()),
            Self::ConfigMap(data) | Self::Secret(data) => data.key.clone(),
            Self::Node(node) => ObjectKey::new("", node.name.clone()),
            Self::Policy(policy) => policy.key.clone(),
        }
    }
}

/// Why bytes are no object. Odd values are no reason; only what can't be read at all, or has no name, is refused.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Broken protobuf.
    #[error("broken protobuf: {0}")]
    Protobuf(#[from] prost::DecodeError),
    /// Broken JSON.
    #[error("broken JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// No `metadata.name`: nothing can refer to it.
    #[error("a {} without a name", .0.name())]
    Unnamed(Kind),
}

/// What a BOOKMARK event says: no object, only how far the watch has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bookmark {
    /// The version to go on from.
    pub resource_version: Text,
    /// It ends the initial events of a streaming list (annotation `k8s.io/initial-events-end`).
    pub initial_events_end: bool,
}

/// Makes facts out of the API's objects. One converter serves a connection for its whole life: what its objects have
/// in common, they share.
#[derive(Debug, Default)]
pub struct Converter {
    intern: Interner,
}

impl Converter {
    /// A converter that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One object, and its `metadata.resourceVersion`.
    pub fn object(
        &mut self,
        kind: Kind,
        bytes: &[u8],
        encoding: Encoding,
    ) -> Result<(Object, Text), DecodeError> {
        let (object, version) = match kind {
            Kind::Service => {
                let slim: slim::Service = decode(bytes, encoding)?;
                (self.service(&slim).map(Object::Service), slim.metadata.map(|meta| meta.resource_version))
            }
            Kind::EndpointSlice => {
                let slim: slim::EndpointSlice = decode(bytes, encoding)?;
                (self.slice(&slim).map(Object::Slice), slim.metadata.map(|meta| meta.resource_version))
            }
            Kind::Pod => {
                let slim: slim::Pod = decode(bytes, encoding)?;
                (self.pod(&slim).map(Object::Pod), slim.metadata.map(|meta| meta.resource_version))
            }
            Kind::Namespace => {
                let slim: slim::Namespace = decode(bytes, encoding)?;
                (
                    self.namespace(&slim).map(Object::Namespace),
                    slim.metadata.map(|meta| meta.resource_version),
                )
            }
            Kind::ConfigMap => {
                let mut slim: slim::ConfigMap = decode(bytes, encoding)?;
                let version = slim.metadata.as_mut().map(|meta| std::mem::take(&mut meta.resource_version));
                (self.config_map(slim).map(Object::ConfigMap), version)
            }
            Kind::Secret => {
                let mut slim: slim::Secret = decode(bytes, encoding)?;
                let version = slim.metadata.as_mut().map(|meta| std::mem::take(&mut meta.resource_version));
                (self.secret(slim).map(Object::Secret), version)
            }
            Kind::Node => {
                let slim: slim::Node = decode(bytes, encoding)?;
                (self.node(&slim).map(Object::Node), slim.metadata.map(|meta| meta.resource_version))
            }
            Kind::NetworkPolicy => {
                let slim: slim::NetworkPolicy = decode(bytes, encoding)?;
                (self.policy(&slim).map(Object::Policy), slim.metadata.map(|meta| meta.resource_version))
            }
        };
        let (object, version) = object.zip(version).ok_or(DecodeError::Unnamed(kind))?;
        Ok((object, version.into()))
    }

    /// A BOOKMARK event's object, of whatever kind.
    pub fn bookmark(bytes: &[u8], encoding: Encoding) -> Result<Bookmark, DecodeError> {
        let slim: slim::Bookmark = decode(bytes, encoding)?;
        let meta = slim.metadata.unwrap_or_default();
        let end = meta.annotations.get("k8s.io/initial-events-end").is_some_and(|value| value == "true");
        Ok(Bookmark { resource_version: meta.resource_version.into(), initial_events_end: end })
    }

    /// The key of an object that has a name.
    fn key(&mut self, namespace: &str, name: &str) -> Option<ObjectKey> {
        (!name.is_empty())
            .then(|| ObjectKey { namespace: self.intern.text(namespace), name: self.intern.text(name) })
    }

    fn texts<S: AsRef<str>>(&mut self, texts: impl IntoIterator<Item = S>) -> Box<[Text]> {
        texts.into_iter().map(|text| self.intern.text(text.as_ref())).collect()
    }

    /// Quantities by resource name, as text.
    fn quantities(&mut self, map: &std::collections::BTreeMap<String, slim::meta::Quantity>) -> Labels {
        self.intern.labels(map.iter().map(|(name, quantity)| (name.as_str(), quantity.text.as_str())))
    }
}

fn decode<T: prost::Message + Loose>(bytes: &[u8], encoding: Encoding) -> Result<T, DecodeError> {
    match encoding {
        Encoding::Json => {
            let mut reader = serde_json::Deserializer::from_slice(bytes);
            let value = slim::loose::read(&mut reader)?;
            reader.end()?;
            Ok(value)
        }
        Encoding::Protobuf => Ok(match bytes.strip_prefix(b"k8s\0") {
            Some(envelope) => T::decode(slim::Unknown::decode(envelope)?.raw)?,
            None => T::decode(bytes)?,
        }),
    }
}

/// A time that the API may leave out, or write as one that isn't.
fn timestamp(time: Option<Time>) -> Option<Timestamp> {
    time.and_then(Time::timestamp)
}
