//! Everything known about the cluster at one moment, joined and ready to be shown.
//!
//! The store publishes a new snapshot at most every few dozen milliseconds; the parts that did not change are
//! shared with the one before. Sorted by key throughout, so finding something is a binary search and two runs
//! print the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::time::Timestamp;
use super::{ConfigData, EndpointSlice, Kind, Namespace, NetworkPolicy, Node, ObjectKey, Pod, Service, Text};

/// Which namespaces are looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamespaceScope {
    /// All of them, with cluster-wide watches.
    All,
    /// These.
    Only(BTreeSet<Text>),
}

impl NamespaceScope {
    /// One namespace.
    pub fn one(namespace: impl Into<Text>) -> Self {
        Self::Only(BTreeSet::from([namespace.into()]))
    }

    /// Whether a namespace is in it.
    pub fn contains(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(namespace),
        }
    }

    /// The one namespace, if it is exactly one.
    pub fn single(&self) -> Option<&Text> {
        match self {
            Self::Only(names) if names.len() == 1 => names.first(),
            _ => None,
        }
    }
}

/// How far the watch of one kind in one scope has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Load {
    /// The first list has not arrived yet; how many objects have.
    Loading(usize),
    /// What is shown is what the API server says now.
    Live,
    /// The connection is lost: what is shown was true at that time. Why, in a sentence.
    Stale {
        /// Since when.
        since: Timestamp,
        /// What happened last.
        why: Text,
    },
    /// Not allowed. The API server's own words; verb and resource follow from the kind.
    Forbidden {
        /// The verb that is missing (`list` or `watch`).
        verb: Text,
        /// What the server said.
        message: Text,
    },
    /// It never worked so far, and it is no matter of rights. Why, in a sentence; it is being retried.
    Failed {
        /// Since when.
        since: Timestamp,
        /// What happened last.
        why: Text,
    },
}

impl Load {
    /// Whether data of this kind can be trusted to be complete now.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Live)
    }
}

/// One watched kind with the namespace it is watched in (`None`: cluster-wide) and its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadEntry {
    /// Kind.
    pub kind: Kind,
    /// Namespace, or `None` for the whole cluster.
    pub namespace: Option<Text>,
    /// State.
    pub load: Load,
}

/// A Service with what is behind it, joined by the store when either changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceFacts {
    /// The Service.
    pub service: Arc<Service>,
    /// All its slices, sorted by name.
    pub slices: Box<[Arc<EndpointSlice>]>,
    /// Endpoints that are ready (or do not say). An endpoint is counted once, however many slices or families
    /// list it.
    pub ready: usize,
    /// All endpoints.
    pub total: usize,
    /// The endpoints' addresses in one piece, a line each: a search over many Services reads memory in a row
    /// instead of following three pointers an endpoint.
    addresses: Box<str>,
}

impl ServiceFacts {
    /// Joins a Service with its slices and counts.
    pub fn new(service: Arc<Service>, mut slices: Vec<Arc<EndpointSlice>>) -> Self {
        slices.sort_by(|a, b| a.key.cmp(&b.key));
        let (ready, total) = count(&slices);
        let mut addresses = String::new();
        for address in slices.iter().flat_map(|s| &s.endpoints).flat_map(|e| &e.addresses) {
            addresses.push_str(address);
            addresses.push('\n');
        }
        Self { service, slices: slices.into(), ready, total, addresses: addresses.into() }
    }

    /// The addresses of all endpoints, as the slices list them.
    pub fn endpoint_addresses(&self) -> impl Iterator<Item = &str> {
        self.addresses.lines()
    }

    /// Its key.
    pub fn key(&self) -> &ObjectKey {
        &self.service.key
    }
}

/// Ready and total endpoints over all slices. Dual-stack Services list each pod once per family, and pods whose
/// named target port differs stand in several slices: the target counts, or without one the address.
fn count(slices: &[Arc<EndpointSlice>]) -> (usize, usize) {
    if let [only] = slices
        && only.endpoints.iter().all(|e| e.target.is_none() && e.addresses.len() == 1)
    {
        return (only.endpoints.iter().filter(|e| e.is_ready()).count(), only.endpoints.len());
    }
    let mut seen: BTreeMap<(&str, &str, &str), bool> = BTreeMap::new();
    for endpoint in slices.iter().flat_map(|s| &s.endpoints) {
        let identities: Vec<_> = match &endpoint.target {
            Some(t) => vec![(&*t.kind, &*t.namespace, &*t.name)],
            None => endpoint.addresses.iter().map(|a| ("", "", &**a)).collect(),
        };
        for identity in identities {
            *seen.entry(identity).or_default() |= endpoint.is_ready();
        }
    }
    (seen.values().filter(|ready| **ready).count(), seen.len())
}

/// Everything known about the cluster at one moment.
#[derive(Clone, Debug, Default)]
pub struct ClusterSnapshot {
    /// Which connection made it; a snapshot of a former context is dropped by this.
    pub epoch: u64,
    /// Services with their endpoints, sorted by key.
    pub services: Arc<Vec<Arc<ServiceFacts>>>,
    /// Slices whose Service is not there (deleted while a hand-written slice stays, or none named), sorted by their
    /// Service and name. DNS still answers reverse questions from them.
    pub stray_slices: Arc<Vec<Arc<EndpointSlice>>>,
    /// Pods by namespace; only the watched ones are there, see [`Self::loads`].
    pub pods: BTreeMap<Text, Arc<Vec<Arc<Pod>>>>,
    /// For each namespace: pod name → names of the Services that have it as an endpoint, sorted.
    pub services_of_pod: BTreeMap<Text, Arc<BTreeMap<Text, Vec<Text>>>>,
    /// Namespaces, sorted; empty when they may not be listed.
    pub namespaces: Arc<Vec<Arc<Namespace>>>,
    /// ConfigMaps fetched by name so far.
    pub config_maps: Arc<BTreeMap<ObjectKey, Arc<ConfigData>>>,
    /// Secrets fetched by name so far.
    pub secrets: Arc<BTreeMap<ObjectKey, Arc<ConfigData>>>,
    /// Nodes fetched so far, by name.
    pub nodes: Arc<BTreeMap<Text, Arc<Node>>>,
    /// NetworkPolicies read so far.
    pub policies: Arc<BTreeMap<ObjectKey, Arc<NetworkPolicy>>>,
    /// State of every watch, sorted by kind and namespace.
    pub loads: Vec<LoadEntry>,
}

impl ClusterSnapshot {
    /// A Service by key.
    pub fn service(&self, key: &ObjectKey) -> Option<&Arc<ServiceFacts>> {
        self.services.binary_search_by(|f| f.key().cmp(key)).ok().map(|i| &self.services[i])
    }

    /// The Services of one namespace, sorted by name.
    pub fn services_in(&self, namespace: &str) -> &[Arc<ServiceFacts>] {
        let from = self.services.partition_point(|f| &*f.key().namespace < namespace);
        let len = self.services[from..].partition_point(|f| &*f.key().namespace == namespace);
        &self.services[from..from + len]
    }

    /// A pod by namespace and name, if pods of that namespace are watched.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&Arc<Pod>> {
        let pods = self.pods.get(namespace)?;
        pods.binary_search_by(|p| (*p.key.name).cmp(name)).ok().map(|i| &pods[i])
    }

    /// The watched pods of one namespace, sorted by name.
    pub fn pods_in(&self, namespace: &str) -> &[Arc<Pod>] {
        self.pods.get(namespace).map_or(&[], |pods| pods)
    }

    /// The Services that have this pod as an endpoint.
    pub fn services_of(&self, pod: &ObjectKey) -> &[Text] {
        self.services_of_pod.get(&pod.namespace).and_then(|index| index.get(&pod.name)).map_or(&[], |v| v)
    }

    /// How far the watch that covers this kind in this namespace has come; `None` when nothing watches it. A watch of
    /// the namespace itself counts before one of the whole cluster: it is there because the other is forbidden.
    pub fn load(&self, kind: Kind, namespace: &str) -> Option<&Load> {
        let of = |namespace: Option<&str>| {
            self.loads.iter().find(|e| e.kind == kind && e.namespace.as_deref() == namespace).map(|e| &e.load)
        };
        of(Some(namespace)).or_else(|| of(None))
    }
}
