//! Pods by namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::sorted;
use crate::model::{ObjectKey, Pod, Text};

/// The pods of each namespace, sorted by name. Namespaces without pods have no entry.
#[derive(Debug, Default)]
pub(super) struct Pods(BTreeMap<Text, Arc<Vec<Arc<Pod>>>>);

impl Pods {
    pub(super) fn insert(&mut self, pod: Arc<Pod>) -> bool {
        match self.0.get_mut(&pod.key.namespace) {
            Some(pods) => sorted::insert(pods, pod),
            None => self.0.insert(pod.key.namespace.clone(), Arc::new(vec![pod])).is_none(),
        }
    }

    pub(super) fn remove(&mut self, key: &ObjectKey) -> bool {
        let Some(pods) = self.0.get_mut(&key.namespace) else { return false };
        let changed = sorted::remove(pods, &key.name);
        if pods.is_empty() {
            self.0.remove(&key.namespace);
        }
        changed
    }

    pub(super) fn count(&self) -> usize {
        self.0.values().map(|pods| pods.len()).sum()
    }

    pub(super) fn knows(&self, key: &ObjectKey) -> bool {
        self.0.get(&key.namespace).is_some_and(|pods| sorted::knows(pods, &key.name))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.0.values().flat_map(|pods| pods.iter()).map(|pod| &pod.key)
    }

    /// The lists, to be shared with a snapshot.
    pub(super) fn shared(&self) -> BTreeMap<Text, Arc<Vec<Arc<Pod>>>> {
        self.0.clone()
    }
}
