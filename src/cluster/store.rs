//! Folds what the watches say into the facts, and publishes them as snapshots.
//!
//! What it is: the one owner of cluster facts. An event changes a map; only what it touches is joined again, when
//! the next snapshot is made; everything else is shared with the snapshot before, down to the single object. What it
//! is not: it knows no connection, no task and no clock, and it cleans no text. The watch and the reader of saved
//! objects feed it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::model::snapshot::LoadEntry;
use crate::model::{
    ClusterSnapshot, ConfigData, Kind, Load, Namespace, NetworkPolicy, Node, ObjectKey, Text,
};

mod pods;
mod services;
mod sorted;
#[cfg(test)]
mod tests;

pub use super::convert::Object;

use pods::Pods;
use services::Services;

/// One thing that a watch has to tell.
///
/// A list may be told whole ([`Self::Restarted`]), or as it arrives: [`Self::ListBegan`], its objects one by one
/// (they show at once, next to what was known before), [`Self::ListEnded`].
#[derive(Clone, Debug)]
pub enum Delta {
    /// The object is now this.
    Applied(Object),
    /// The object is gone.
    Deleted(Kind, ObjectKey),
    /// These are all objects of that kind in the scope (`None`: the whole cluster).
    Restarted {
        /// Kind of all objects.
        kind: Kind,
        /// Namespace, or `None` for the whole cluster.
        namespace: Option<Text>,
        /// The objects; of several with the same key the last one counts.
        objects: Vec<Object>,
    },
    /// A list of that kind and scope begins. One that was not ended is given up.
    ListBegan(Kind, Option<Text>),
    /// The list is complete: what it did not mention is gone.
    ListEnded(Kind, Option<Text>),
}

/// A kind in one namespace, or in the whole cluster.
type Scope = (Kind, Option<Text>);

/// Everything known about one cluster.
#[derive(Debug, Default)]
pub struct Store {
    services: Services,
    pods: Pods,
    namespaces: Arc<Vec<Arc<Namespace>>>,
    config_maps: Arc<BTreeMap<ObjectKey, Arc<ConfigData>>>,
    secrets: Arc<BTreeMap<ObjectKey, Arc<ConfigData>>>,
    nodes: Arc<BTreeMap<Text, Arc<Node>>>,
    policies: Arc<BTreeMap<ObjectKey, Arc<NetworkPolicy>>>,
    loads: BTreeMap<Scope, Load>,
    /// For every list that is under way: what it has mentioned.
    listing: BTreeMap<Scope, HashSet<ObjectKey>>,
}

impl Store {
    /// A store that knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one piece of news; says whether the next snapshot may differ for it.
    pub fn apply(&mut self, delta: Delta) -> bool {
        match delta {
            Delta::Applied(object) => self.insert(object),
            Delta::Deleted(kind, key) => self.remove(kind, &key),
            Delta::Restarted { kind, namespace, objects } => {
                self.apply(Delta::ListBegan(kind, namespace.clone()));
                let mut changed = false;
                for object in objects {
                    changed |= self.insert(object);
                }
                changed | self.apply(Delta::ListEnded(kind, namespace))
            }
            Delta::ListBegan(kind, namespace) => {
                self.listing.insert((kind, namespace), HashSet::new());
                false
            }
            Delta::ListEnded(kind, namespace) => {
                let Some(seen) = self.listing.remove(&(kind, namespace.clone())) else { return false };
                self.remove_if(kind, namespace.as_ref(), |_, key| !seen.contains(key))
            }
        }
    }

    /// Says how far the watch of a kind in a scope has come. From the first call on the scope counts as watched.
    pub fn set_load(&mut self, kind: Kind, namespace: Option<Text>, load: Load) -> bool {
        let before = self.loads.insert((kind, namespace.clone()), load);
        before.as_ref() != self.loads.get(&(kind, namespace))
    }

    /// How far a list or watch has come, as it was said last.
    pub fn load(&self, kind: Kind, namespace: Option<Text>) -> Option<&Load> {
        self.loads.get(&(kind, namespace))
    }

    /// Ends the watch of a scope: its objects go, save those that another watched scope covers too.
    pub fn drop_scope(&mut self, kind: Kind, namespace: Option<&Text>) -> bool {
        let scope = (kind, namespace.cloned());
        self.listing.remove(&scope);
        let known = self.loads.remove(&scope).is_some();
        let changed = self.remove_if(kind, namespace, |store, key| !store.is_watched(kind, &key.namespace));
        known | changed
    }

    /// The facts as they are now. Joins what changed since the last snapshot.
    pub fn snapshot(&mut self, epoch: u64) -> ClusterSnapshot {
        ClusterSnapshot {
            epoch,
            services: self.services.joined(),
            stray_slices: self.services.strays(),
            pods: self.pods.shared(),
            services_of_pod: self.services.of_pods(),
            namespaces: self.namespaces.clone(),
            config_maps: self.config_maps.clone(),
            secrets: self.secrets.clone(),
            nodes: self.nodes.clone(),
            policies: self.policies.clone(),
            loads: self
                .loads
                .iter()
                .map(|((kind, namespace), load)| LoadEntry {
                    kind: *kind,
                    namespace: namespace.clone(),
                    load: load.clone(),
                })
                .collect(),
        }
    }

    /// Whether some watched scope covers a namespace.
    fn is_watched(&self, kind: Kind, namespace: &Text) -> bool {
        self.loads.contains_key(&(kind, None)) || self.loads.contains_key(&(kind, Some(namespace.clone())))
    }

    fn insert(&mut self, object: Object) -> bool {
        for ((kind, namespace), seen) in &mut self.listing {
            let key = object.key();
            if *kind == object.kind() && namespace.as_ref().is_none_or(|n| *n == key.namespace) {
                seen.insert(key);
            }
        }
        match object {
            Object::Service(service) => self.services.insert(service),
            Object::Slice(slice) => self.services.insert_slice(&slice),
            Object::Pod(pod) => self.pods.insert(pod),
            Object::Namespace(namespace) => sorted::insert(&mut self.namespaces, namespace),
            Object::ConfigMap(data) => replace(&mut self.config_maps, data.key.clone(), data),
            Object::Secret(data) => replace(&mut self.secrets, data.key.clone(), data),
            Object::Node(node) => replace(&mut self.nodes, node.name.clone(), node),
            Object::Policy(policy) => replace(&mut self.policies, policy.key.clone(), policy),
        }
    }

    fn remove(&mut self, kind: Kind, key: &ObjectKey) -> bool {
        match kind {
            Kind::Service => self.services.remove(key),
            Kind::EndpointSlice => self.services.remove_slice(key),
            Kind::Pod => self.pods.remove(key),
            Kind::Namespace => sorted::remove(&mut self.namespaces, &key.name),
            Kind::ConfigMap => take(&mut self.config_maps, key),
            Kind::Secret => take(&mut self.secrets, key),
            Kind::Node => take(&mut self.nodes, &key.name),
            Kind::NetworkPolicy => take(&mut self.policies, key),
        }
    }

    /// Removes those objects of a scope that something holds for.
    fn remove_if(
        &mut self,
        kind: Kind,
        namespace: Option<&Text>,
        gone: impl Fn(&Self, &ObjectKey) -> bool,
    ) -> bool {
        let keys = self.keys(kind).filter(|key| namespace.is_none_or(|n| *n == key.namespace));
        let keys: Vec<ObjectKey> = keys.filter(|key| gone(self, key)).collect();
        // From the end, so that a sorted list is emptied without moving what is left.
        keys.iter().rev().fold(false, |changed, key| self.remove(kind, key) | changed)
    }

    /// How many objects of a kind are known.
    pub fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Service => self.services.count(),
            Kind::EndpointSlice => self.services.count_slices(),
            Kind::Pod => self.pods.count(),
            Kind::Namespace => self.namespaces.len(),
            Kind::ConfigMap => self.config_maps.len(),
            Kind::Secret => self.secrets.len(),
            Kind::Node => self.nodes.len(),
            Kind::NetworkPolicy => self.policies.len(),
        }
    }

    /// Whether an object of that name is known.
    pub fn knows(&self, kind: Kind, key: &ObjectKey) -> bool {
        match kind {
            Kind::Service => self.services.knows(key),
            Kind::EndpointSlice => self.services.knows_slice(key),
            Kind::Pod => self.pods.knows(key),
            Kind::Namespace => sorted::knows(&self.namespaces, &key.name),
            Kind::ConfigMap => self.config_maps.contains_key(key),
            Kind::Secret => self.secrets.contains_key(key),
            Kind::Node => self.nodes.contains_key(&key.name),
            Kind::NetworkPolicy => self.policies.contains_key(key),
        }
    }

    /// The keys of all objects of a kind, in order.
    fn keys(&self, kind: Kind) -> Box<dyn Iterator<Item = ObjectKey> + '_> {
        let unscoped = |name: &Text| ObjectKey::new("", name.clone());
        match kind {
            Kind::Service => Box::new(self.services.keys().cloned()),
            Kind::EndpointSlice => Box::new(self.services.slice_keys().cloned()),
            Kind::Pod => Box::new(self.pods.keys().cloned()),
            Kind::Namespace => Box::new(self.namespaces.iter().map(move |n| unscoped(&n.name))),
            Kind::ConfigMap => Box::new(self.config_maps.keys().cloned()),
            Kind::Secret => Box::new(self.secrets.keys().cloned()),
            Kind::Node => Box::new(self.nodes.keys().map(unscoped)),
            Kind::NetworkPolicy => Box::new(self.policies.keys().cloned()),
        }
    }
}

/// Puts an object into a shared map, unless it is there already.
fn replace<K: Ord + Clone, V: PartialEq>(map: &mut Arc<BTreeMap<K, Arc<V>>>, key: K, value: Arc<V>) -> bool {
    if map.get(&key).is_some_and(|known| *known == value) {
        return false;
    }
    Arc::make_mut(map).insert(key, value);
    true
}

/// Takes an object out of a shared map, if it is there.
fn take<K: Ord + Clone, V>(map: &mut Arc<BTreeMap<K, Arc<V>>>, key: &K) -> bool {
    map.contains_key(key) && Arc::make_mut(map).remove(key).is_some()
}
