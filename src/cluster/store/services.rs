//! Services, their slices, and the two joins of both: what is behind a Service, and which Services a pod is behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::{EndpointSlice, ObjectKey, Service, ServiceFacts, Text};

/// For each namespace: pod name → names of the Services whose slices list it, sorted.
type OfPods = BTreeMap<Text, Arc<BTreeMap<Text, Vec<Text>>>>;

/// Services and slices as they are, and their joins as far as they are up to date.
#[derive(Debug, Default)]
pub(super) struct Services {
    objects: BTreeMap<ObjectKey, Arc<Service>>,
    slices: BTreeMap<ObjectKey, Arc<EndpointSlice>>,
    /// Slice names by the Service that they say they belong to, which need not exist.
    behind: BTreeMap<ObjectKey, BTreeSet<Text>>,
    joined: Arc<Vec<Arc<ServiceFacts>>>,
    /// Slices whose Service is not there, by that Service; the shared list is made of them.
    strays_of: BTreeMap<ObjectKey, Vec<Arc<EndpointSlice>>>,
    strays: Arc<Vec<Arc<EndpointSlice>>>,
    /// Services whose join is out of date.
    stale: BTreeSet<ObjectKey>,
    of_pods: OfPods,
}

impl Services {
    pub(super) fn insert(&mut self, service: Arc<Service>) -> bool {
        if self.objects.get(&service.key).is_some_and(|known| *known == service) {
            return false;
        }
        self.stale.insert(service.key.clone());
        self.objects.insert(service.key.clone(), service);
        true
    }

    pub(super) fn remove(&mut self, key: &ObjectKey) -> bool {
        let known = self.objects.remove(key).is_some();
        if known {
            self.stale.insert(key.clone());
        }
        known
    }

    pub(super) fn insert_slice(&mut self, slice: &Arc<EndpointSlice>) -> bool {
        let key = slice.key.clone();
        if self.slices.get(&key).is_some_and(|known| known == slice) {
            return false;
        }
        let service = service_of(slice);
        let before = self.slices.insert(key.clone(), slice.clone());
        let mut lost = BTreeSet::new();
        match before {
            Some(before) if before.service == slice.service => lost = pods_of(&before).cloned().collect(),
            Some(before) => self.leave(&before),
            None => {}
        }
        self.behind.entry(service.clone()).or_default().insert(key.name);
        for pod in pods_of(slice) {
            if !lost.remove(pod) {
                self.relate(&service, pod);
            }
        }
        self.part(&service, lost);
        self.stale.insert(service);
        true
    }

    pub(super) fn remove_slice(&mut self, key: &ObjectKey) -> bool {
        let Some(slice) = self.slices.remove(key) else { return false };
        self.leave(&slice);
        true
    }

    pub(super) fn count(&self) -> usize {
        self.objects.len()
    }

    pub(super) fn count_slices(&self) -> usize {
        self.slices.len()
    }

    pub(super) fn knows(&self, key: &ObjectKey) -> bool {
        self.objects.contains_key(key)
    }

    pub(super) fn knows_slice(&self, key: &ObjectKey) -> bool {
        self.slices.contains_key(key)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.objects.keys()
    }

    pub(super) fn slice_keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.slices.keys()
    }

    /// All Services with what is behind them, sorted by key.
    pub(super) fn joined(&mut self) -> Arc<Vec<Arc<ServiceFacts>>> {
        if !self.stale.is_empty() {
            self.join();
        }
        self.joined.clone()
    }

    /// Slices whose Service is not there.
    pub(super) fn strays(&mut self) -> Arc<Vec<Arc<EndpointSlice>>> {
        if !self.stale.is_empty() {
            self.join();
        }
        self.strays.clone()
    }

    /// Which Services each pod is behind.
    pub(super) fn of_pods(&self) -> OfPods {
        self.of_pods.clone()
    }

    /// Brings the stale joins up to date, in one pass over both sorted lists.
    fn join(&mut self) {
        let (mut changed, mut strayed) = (false, false);
        let mut facts = Vec::with_capacity(self.objects.len());
        let mut known = self.joined.iter().peekable();
        for key in std::mem::take(&mut self.stale) {
            while let Some(before) = known.next_if(|facts| *facts.key() < key) {
                facts.push(before.clone());
            }
            let before = known.next_if(|facts| *facts.key() == key);
            let now = self.objects.get(&key).map(|service| {
                ServiceFacts::new(service.clone(), self.slices_behind(&key).cloned().collect())
            });
            let strays: Vec<_> = match now {
                Some(_) => Vec::new(),
                None => self.slices_behind(&key).cloned().collect(),
            };
            strayed |= if strays.is_empty() {
                self.strays_of.remove(&key).is_some()
            } else {
                self.strays_of.insert(key, strays.clone()) != Some(strays)
            };
            match (before, now) {
                (Some(before), Some(now)) if **before == now => facts.push(before.clone()),
                (before, now) => {
                    changed |= before.is_some() || now.is_some();
                    facts.extend(now.map(Arc::new));
                }
            }
        }
        if changed {
            facts.extend(known.cloned());
            self.joined = Arc::new(facts);
        }
        if strayed {
            self.strays = Arc::new(self.strays_of.values().flatten().cloned().collect());
        }
    }

    fn slices_behind(&self, service: &ObjectKey) -> impl Iterator<Item = &Arc<EndpointSlice>> {
        let names = self.behind.get(service).into_iter().flatten();
        let key = |name: &Text| ObjectKey { namespace: service.namespace.clone(), name: name.clone() };
        names.filter_map(move |name| self.slices.get(&key(name)))
    }

    /// Forgets that a slice, which is no longer there as such, belonged to its Service.
    fn leave(&mut self, slice: &EndpointSlice) {
        let service = service_of(slice);
        if let Some(names) = self.behind.get_mut(&service) {
            names.remove(&slice.key.name);
            if names.is_empty() {
                self.behind.remove(&service);
            }
        }
        self.part(&service, pods_of(slice).cloned().collect());
        self.stale.insert(service);
    }

    /// Notes that a Service has a pod as an endpoint.
    fn relate(&mut self, service: &ObjectKey, pod: &Text) {
        if service.name.is_empty() {
            return;
        }
        let index = self.of_pods.entry(service.namespace.clone()).or_default();
        let at = index.get(pod).map_or(Err(0), |services| services.binary_search(&service.name));
        if let Err(at) = at {
            Arc::make_mut(index).entry(pod.clone()).or_default().insert(at, service.name.clone());
        }
    }

    /// Notes that one slice of a Service no longer lists some pods. Another may: those of dual-stack Services do.
    fn part(&mut self, service: &ObjectKey, mut pods: BTreeSet<Text>) {
        if pods.is_empty() {
            return;
        }
        for still in self.slices_behind(service).flat_map(|slice| pods_of(slice)) {
            pods.remove(still);
        }
        let Some(index) = self.of_pods.get_mut(&service.namespace) else { return };
        for pod in pods {
            let Some(at) = index.get(&pod).and_then(|services| services.binary_search(&service.name).ok())
            else {
                continue;
            };
            let index = Arc::make_mut(index);
            if let Some(services) = index.get_mut(&pod) {
                services.remove(at);
                if services.is_empty() {
                    index.remove(&pod);
                }
            }
        }
        if index.is_empty() {
            self.of_pods.remove(&service.namespace);
        }
    }
}

/// The Service that a slice says it belongs to; the name is empty when it says nothing.
fn service_of(slice: &EndpointSlice) -> ObjectKey {
    ObjectKey { namespace: slice.key.namespace.clone(), name: slice.service.clone() }
}

/// Names of the pods that a slice lists.
fn pods_of(slice: &EndpointSlice) -> impl Iterator<Item = &Text> {
    let targets = slice.endpoints.iter().filter_map(|endpoint| endpoint.target.as_ref());
    let here = |namespace: &str| namespace.is_empty() || *namespace == *slice.key.namespace;
    targets.filter(move |target| &*target.kind == "Pod" && here(&target.namespace)).map(|target| &target.name)
}
