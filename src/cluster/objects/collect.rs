//! Puts what a file held together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::document::Slim;
use super::{Converter, Loaded};
use crate::cluster::slim::{self, meta::Time};
use crate::model::snapshot::LoadEntry;
use crate::model::time::Timestamp;
use crate::model::{
    ClusterSnapshot, ConfigData, EndpointSlice, Kind, Load, Namespace, Node, ObjectKey, Pod, Service,
    ServiceFacts, Text,
};

/// Everything found so far. Of an object that a file holds twice the last one stays.
#[derive(Default)]
pub(super) struct Collector {
    converter: Converter,
    services: BTreeMap<ObjectKey, Arc<Service>>,
    slices: BTreeMap<ObjectKey, Arc<EndpointSlice>>,
    pods: BTreeMap<ObjectKey, Arc<Pod>>,
    namespaces: BTreeMap<Text, Arc<Namespace>>,
    config_maps: BTreeMap<ObjectKey, Arc<ConfigData>>,
    secrets: BTreeMap<ObjectKey, Arc<ConfigData>>,
    nodes: BTreeMap<Text, Arc<Node>>,
    kinds: BTreeSet<Kind>,
    newest: Option<Timestamp>,
    skipped: usize,
    others: usize,
}

impl Collector {
    /// Takes one thing.
    pub(super) fn take(&mut self, slim: Slim) {
        self.newest = self.newest.max(newest(&slim));
        let kind = match slim {
            Slim::Service(slim) => self.converter.service(&slim).map(|object| {
                self.services.insert(object.key.clone(), object);
                Kind::Service
            }),
            Slim::Slice(slim) => self.converter.slice(&slim).map(|object| {
                self.slices.insert(object.key.clone(), object);
                Kind::EndpointSlice
            }),
            Slim::Pod(slim) => self.converter.pod(&slim).map(|object| {
                self.pods.insert(object.key.clone(), object);
                Kind::Pod
            }),
            Slim::Namespace(slim) => self.converter.namespace(&slim).map(|object| {
                self.namespaces.insert(object.name.clone(), object);
                Kind::Namespace
            }),
            Slim::ConfigMap(slim) => self.converter.config_map(slim).map(|object| {
                self.config_maps.insert(object.key.clone(), object);
                Kind::ConfigMap
            }),
            Slim::Secret(slim) => self.converter.secret(slim).map(|object| {
                self.secrets.insert(object.key.clone(), object);
                Kind::Secret
            }),
            Slim::Node(slim) => self.converter.node(&slim).map(|object| {
                self.nodes.insert(object.name.clone(), object);
                Kind::Node
            }),
            Slim::Other => {
                self.others += 1;
                return;
            }
            Slim::Nothing => None,
        };
        match kind {
            Some(kind) => drop(self.kinds.insert(kind)),
            None => self.skipped += 1,
        }
    }

    /// The snapshot; `None` when nothing was found.
    pub(super) fn finish(self) -> Option<Loaded> {
        if self.kinds.is_empty() {
            return None;
        }
        let mut slices: BTreeMap<ObjectKey, Vec<Arc<EndpointSlice>>> = BTreeMap::new();
        let mut services_of_pod: BTreeMap<Text, BTreeMap<Text, Vec<Text>>> = BTreeMap::new();
        for slice in self.slices.into_values() {
            let service = ObjectKey { namespace: slice.key.namespace.clone(), name: slice.service.clone() };
            slices.entry(service).or_default().push(slice);
        }
        for (service, slices) in &slices {
            for target in slices.iter().flat_map(|s| &s.endpoints).filter_map(|e| e.target.as_ref()) {
                if &*target.kind == "Pod" && !service.name.is_empty() {
                    let of = services_of_pod.entry(service.namespace.clone()).or_default();
                    let of = of.entry(target.name.clone()).or_default();
                    if !of.contains(&service.name) {
                        of.push(service.name.clone());
                    }
                }
            }
        }
        let services = self.services.into_values().map(|service| {
            let slices = slices.get(&service.key).cloned().unwrap_or_default();
            Arc::new(ServiceFacts::new(service, slices))
        });
        let mut pods: BTreeMap<Text, Vec<Arc<Pod>>> = BTreeMap::new();
        for pod in self.pods.into_values() {
            pods.entry(pod.key.namespace.clone()).or_default().push(pod);
        }
        let snapshot = ClusterSnapshot {
            epoch: 0,
            services: Arc::new(services.collect()),
            pods: pods.into_iter().map(|(namespace, pods)| (namespace, Arc::new(pods))).collect(),
            services_of_pod: services_of_pod.into_iter().map(|(n, of)| (n, Arc::new(of))).collect(),
            namespaces: Arc::new(self.namespaces.into_values().collect()),
            config_maps: Arc::new(self.config_maps),
            secrets: Arc::new(self.secrets),
            nodes: Arc::new(self.nodes),
            loads: self
                .kinds
                .into_iter()
                .map(|kind| LoadEntry { kind, namespace: None, load: Load::Live })
                .collect(),
        };
        let (newest, skipped, others) = (self.newest, self.skipped, self.others);
        Some(Loaded { snapshot, newest, skipped, others })
    }
}

/// The newest moment that an object speaks of. Deletion times lie in the future and do not count.
fn newest(slim: &Slim) -> Option<Timestamp> {
    match slim {
        Slim::Service(service) => {
            let meta = service.metadata.as_ref()?;
            let writes = meta.managed_fields.iter().map(|entry| entry.time);
            latest(writes.chain([meta.creation_timestamp]))
        }
        Slim::Pod(pod) => latest(pod_times(pod)),
        Slim::Node(node) => {
            let conditions = node.status.iter().flat_map(|status| &status.conditions);
            let times = conditions.flat_map(|c| [c.last_heartbeat_time, c.last_transition_time]);
            latest(times.chain(node.metadata.iter().map(|meta| meta.creation_timestamp)))
        }
        Slim::Slice(slim::EndpointSlice { metadata, .. })
        | Slim::Namespace(slim::Namespace { metadata, .. })
        | Slim::ConfigMap(slim::ConfigMap { metadata, .. })
        | Slim::Secret(slim::Secret { metadata, .. }) => {
            latest(metadata.iter().map(|meta| meta.creation_timestamp))
        }
        Slim::Other | Slim::Nothing => None,
    }
}

fn pod_times(pod: &slim::Pod) -> impl Iterator<Item = Option<Time>> {
    let status = pod.status.iter();
    let conditions = status.clone().flat_map(|s| &s.conditions).map(|c| c.last_transition_time);
    let containers = status.flat_map(|s| {
        s.init_container_statuses.iter().chain(&s.container_statuses).chain(&s.ephemeral_container_statuses)
    });
    let states = containers.flat_map(|c| [&c.state, &c.last_state]).flatten().flat_map(|state| {
        let running = state.running.as_ref().and_then(|running| running.started_at);
        let ended = state.terminated.as_ref();
        [running, ended.and_then(|ended| ended.started_at), ended.and_then(|ended| ended.finished_at)]
    });
    let created = pod.metadata.iter().map(|meta| meta.creation_timestamp);
    conditions.chain(states).chain(created)
}

fn latest(times: impl Iterator<Item = Option<Time>>) -> Option<Timestamp> {
    times.filter_map(|time| time?.timestamp()).max()
}
