//! Namespaces, ConfigMaps, Secrets, Nodes.

use std::sync::Arc;

use super::Converter;
use super::service::pairs;
use crate::cluster::slim::config as slim;
use crate::model::{ConfigData, Namespace, Node};

impl Converter {
    /// A Namespace; `None` when it has no name.
    pub fn namespace(&mut self, slim: &slim::Namespace) -> Option<Arc<Namespace>> {
        let meta = slim.metadata.as_ref()?;
        let terminating = slim.status.as_ref().is_some_and(|status| status.phase == "Terminating");
        Some(Arc::new(Namespace {
            name: self.intern.some(&meta.name)?,
            labels: self.intern.labels(pairs(&meta.labels)),
            terminating: terminating || meta.deletion_timestamp.is_some(),
        }))
    }

    /// A ConfigMap's data; `None` when it has no name.
    pub fn config_map(&mut self, slim: slim::ConfigMap) -> Option<Arc<ConfigData>> {
        let meta = slim.metadata.as_ref()?;
        let key = self.key(&meta.namespace, &meta.name)?;
        let binary = slim.binary_data.keys().filter(|key| !slim.data.contains_key(*key));
        let binary = self.texts(binary);
        let data = slim.data.into_iter().map(|(key, text)| (key, text.into_bytes()));
        let data = slim.binary_data.into_iter().chain(data);
        let data = data.map(|(key, bytes)| (key.into(), bytes.into())).collect();
        Some(Arc::new(ConfigData { key, data, binary }))
    }

    /// A Secret's data; `None` when it has no name.
    pub fn secret(&mut self, slim: slim::Secret) -> Option<Arc<ConfigData>> {
        let meta = slim.metadata.as_ref()?;
        let key = self.key(&meta.namespace, &meta.name)?;
        let text = slim.string_data.into_iter().map(|(key, text)| (key, text.into_bytes()));
        let data = slim.data.into_iter().chain(text);
        let data = data.map(|(key, bytes)| (key.into(), bytes.into())).collect();
        Some(Arc::new(ConfigData { key, data, binary: Box::default() }))
    }

    /// A Node; `None` when it has no name.
    pub fn node(&mut self, slim: &slim::Node) -> Option<Arc<Node>> {
        let meta = slim.metadata.as_ref()?;
        let no_status = slim::NodeStatus::default();
        let status = slim.status.as_ref().unwrap_or(&no_status);
        Some(Arc::new(Node {
            name: self.intern.some(&meta.name)?,
            allocatable: self.quantities(&status.allocatable),
            labels: self.intern.labels(pairs(&meta.labels)),
        }))
    }
}
