//! Puts what a file held together.

use std::collections::BTreeSet;

use super::document::Slim;
use super::{Converter, Loaded};
use crate::cluster::slim::{self, meta::Time};
use crate::cluster::store::{Delta, Object, Store};
use crate::model::time::Timestamp;
use crate::model::{Kind, Load};

/// Everything found so far. Of an object that a file holds twice the last one stays.
#[derive(Default)]
pub(super) struct Collector {
    converter: Converter,
    store: Store,
    kinds: BTreeSet<Kind>,
    newest: Option<Timestamp>,
    skipped: usize,
    others: usize,
}

impl Collector {
    /// Takes one thing.
    pub(super) fn take(&mut self, slim: Slim) {
        self.newest = self.newest.max(newest(&slim));
        let converter = &mut self.converter;
        let object = match slim {
            Slim::Service(slim) => converter.service(&slim).map(Object::Service),
            Slim::Slice(slim) => converter.slice(&slim).map(Object::Slice),
            Slim::Pod(slim) => converter.pod(&slim).map(Object::Pod),
            Slim::Namespace(slim) => converter.namespace(&slim).map(Object::Namespace),
            Slim::ConfigMap(slim) => converter.config_map(slim).map(Object::ConfigMap),
            Slim::Secret(slim) => converter.secret(slim).map(Object::Secret),
            Slim::Node(slim) => converter.node(&slim).map(Object::Node),
            Slim::Policy(slim) => converter.policy(&slim).map(Object::Policy),
            Slim::Other => {
                self.others += 1;
                return;
            }
            Slim::Nothing => None,
        };
        match object {
            Some(object) => {
                self.kinds.insert(object.kind());
                self.store.apply(Delta::Applied(object));
            }
            None => self.skipped += 1,
        }
    }

    /// The snapshot; `None` when nothing was found.
    pub(super) fn finish(mut self) -> Option<Loaded> {
        if self.kinds.is_empty() {
            return None;
        }
        for kind in self.kinds {
            self.store.set_load(kind, None, Load::Live);
        }
        let (newest, skipped, others) = (self.newest, self.skipped, self.others);
        Some(Loaded { snapshot: self.store.snapshot(0), newest, skipped, others })
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
        | Slim::Secret(slim::Secret { metadata, .. })
        | Slim::Policy(slim::NetworkPolicy { metadata, .. }) => {
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
    let moments = containers.flat_map(|c| [&c.state, &c.last_state]).flatten().flat_map(|state| {
        let running = state.running.as_ref().and_then(|running| running.started_at);
        let ended = state.terminated.as_ref();
        [running, ended.and_then(|ended| ended.started_at), ended.and_then(|ended| ended.finished_at)]
    });
    let created = pod.metadata.iter().map(|meta| meta.creation_timestamp);
    conditions.chain(moments).chain(created)
}

fn latest(times: impl Iterator<Item = Option<Time>>) -> Option<Timestamp> {
    times.filter_map(|time| time?.timestamp()).max()
}
