//! What is read once and not watched: lists, and the settings of the cluster's DNS.
//!
//! What it is: the one way to look at a cluster once, for lists on the command line, live DNS, `check` and the doctor.
//! Each list may be forbidden or fail without stopping the others; what could not be read is a load in the snapshot,
//! and kept as an error for those who can't go on without it. What is known already (by the explorer's watches) is
//! not read again. What it is not: it follows nothing (`session` does).

use std::collections::BTreeSet;
use std::sync::Mutex;

use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::client::Client;
use super::convert::Converter;
use super::session::{PARALLEL_LISTS, fetch_once, once};
use super::store::{Delta, Object, Store};
use super::watch::Source;
use super::{ApiError, ApiErrorKind};
use crate::model::time::Timestamp;
use crate::model::{ClusterSnapshot, Kind, Load, NamespaceScope, ObjectKey, Text};

/// Where the DNS server and its settings are.
const SYSTEM: &str = "kube-system";
/// What tells the cluster's domain and its DNS server, each by its name. The Service is among them as most scopes do
/// not hold it.
pub const DNS_SETTINGS: [(Kind, &str); 4] = [
    (Kind::ConfigMap, "coredns"),
    (Kind::ConfigMap, "kubeadm-config"),
    (Kind::ConfigMap, "kubelet-config"),
    (Kind::Service, "kube-dns"),
];

/// Their keys.
pub fn dns_settings() -> impl Iterator<Item = (Kind, ObjectKey)> {
    DNS_SETTINGS.into_iter().map(|(kind, name)| (kind, ObjectKey::new(SYSTEM, name)))
}

/// Reads a cluster, list after list.
#[derive(Debug)]
pub struct Reader<'a> {
    client: &'a Client,
    converter: Mutex<Converter>,
    store: Store,
    now: Timestamp,
    known: Option<&'a ClusterSnapshot>,
    failed: Vec<(Kind, ApiError)>,
}

impl<'a> Reader<'a> {
    /// A reader that knows nothing yet. `now` is when lists that fail began to.
    pub fn new(client: &'a Client, now: Timestamp) -> Self {
        Self {
            client,
            converter: Mutex::default(),
            store: Store::new(),
            now,
            known: None,
            failed: Vec::new(),
        }
    }

    /// What is live in this snapshot is taken from it.
    #[must_use]
    pub fn knowing(mut self, known: Option<&'a ClusterSnapshot>) -> Self {
        self.known = known;
        self
    }

    /// Lists kinds in a scope, all at the same time. Kinds without a namespace are listed in the whole cluster.
    pub async fn list(&mut self, kinds: &[Kind], scope: &NamespaceScope) {
        let sources = sources(kinds, scope);
        self.read(sources).await;
    }

    /// Lists kinds in the whole cluster, and those that may not be listed there in some namespaces. Says where
    /// Services were listed.
    pub async fn list_everywhere(&mut self, kinds: &[Kind], instead: &BTreeSet<Text>) -> NamespaceScope {
        self.list(kinds, &NamespaceScope::All).await;
        let denied = |kind: &Kind| kind.namespaced() && self.is_forbidden(*kind);
        let denied: Vec<Kind> = kinds.iter().copied().filter(denied).collect();
        if denied.is_empty() {
            return NamespaceScope::All;
        }
        let scope = NamespaceScope::Only(instead.clone());
        self.list(&denied, &scope).await;
        if denied.contains(&Kind::Service) { scope } else { NamespaceScope::All }
    }

    /// Whether a kind may not be listed in the whole cluster.
    fn is_forbidden(&self, kind: Kind) -> bool {
        matches!(self.store.load(kind, None), Some(Load::Forbidden { .. }))
    }

    /// Reads the settings of the cluster's DNS. Where they may not be read, or are not there, the usual ones are
    /// assumed and said to be by who computes with them: that is no failure.
    pub async fn settings(&mut self) {
        let wanted: Vec<(Kind, ObjectKey)> = dns_settings().filter(|one| !self.has(one)).collect();
        let read = join_all(wanted.iter().map(|(kind, key)| fetch_once(self.client, *kind, key))).await;
        for object in read.into_iter().flatten() {
            self.store.apply(Delta::Applied(object));
        }
    }

    /// Takes an object from what is known, or finds it listed.
    fn has(&mut self, (kind, key): &(Kind, ObjectKey)) -> bool {
        if *kind == Kind::Service {
            let live =
                |namespace: Option<Text>| matches!(self.store.load(*kind, namespace), Some(Load::Live));
            return live(None) || live(Some(key.namespace.clone()));
        }
        let known = self.known.and_then(|known| known.config_maps.get(key)).cloned();
        known.map(|data| self.store.apply(Delta::Applied(Object::ConfigMap(data)))).is_some()
    }

    async fn read(&mut self, sources: Vec<Source>) {
        let (client, converter, limits) = (self.client, &self.converter, Semaphore::new(PARALLEL_LISTS));
        let known = self.known;
        let work = join_all(sources.iter().map(|source| async {
            if let Some(objects) = known.and_then(|known| from(known, source)) {
                return Ok(objects);
            }
            let _permit = limits.acquire().await;
            once::read(client, converter, source).await
        }));
        let results = match client.target().request_timeout {
            Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
                let late = || Err(ApiError::timeout("cannot list the cluster's objects", limit));
                sources.iter().map(|_| late()).collect()
            }),
            None => work.await,
        };
        for (source, result) in sources.into_iter().zip(results) {
            let Source { kind, namespace, .. } = source;
            let load = match result {
                Ok(objects) => {
                    self.store.apply(Delta::Restarted { kind, namespace: namespace.clone(), objects });
                    Load::Live
                }
                Err(error) => {
                    let load = load_of(&error, self.now);
                    self.failed.push((kind, error));
                    load
                }
            };
            self.store.set_load(kind, namespace, load);
        }
    }

    /// The first failure that is no missing right.
    pub fn failure(&self) -> Option<&ApiError> {
        let right = |error: &ApiError| matches!(error.kind, ApiErrorKind::Forbidden(_));
        self.failed.iter().map(|(_, error)| error).find(|error| !right(error))
    }

    /// Why a kind could not be listed somewhere, the last time.
    pub fn refused(&self, kind: Kind) -> Option<&ApiError> {
        self.failed.iter().rev().find(|(of, _)| *of == kind).map(|(_, error)| error)
    }

    /// What was read so far.
    pub fn snapshot(&mut self) -> ClusterSnapshot {
        self.store.snapshot(0)
    }
}

fn sources(kinds: &[Kind], scope: &NamespaceScope) -> Vec<Source> {
    let source = |kind, namespace| Source { kind, namespace, name: None, only: None };
    let of = |kind: &Kind| -> Vec<Source> {
        match scope {
            NamespaceScope::Only(names) if kind.namespaced() => {
                names.iter().map(|name| source(*kind, Some(name.clone()))).collect()
            }
            _ => vec![source(*kind, None)],
        }
    };
    kinds.iter().collect::<BTreeSet<_>>().into_iter().flat_map(of).collect()
}

fn load_of(error: &ApiError, now: Timestamp) -> Load {
    match &error.kind {
        ApiErrorKind::Forbidden(denied) => {
            Load::Forbidden { verb: denied.verb.clone(), message: error.why.as_str().into() }
        }
        _ => Load::Failed { since: now, why: error.why.as_str().into() },
    }
}

/// A list out of a snapshot, if that has all of it as it is now. Snapshots of parts are nobody's to give.
fn from(known: &ClusterSnapshot, source: &Source) -> Option<Vec<Object>> {
    let load = match &source.namespace {
        Some(namespace) => known.load(source.kind, namespace)?,
        None => &known.loads.iter().find(|l| l.kind == source.kind && l.namespace.is_none())?.load,
    };
    if !load.is_live() {
        return None;
    }
    let within = |key: &ObjectKey| source.namespace.as_ref().is_none_or(|n| *n == key.namespace);
    let services = || known.services.iter().filter(|facts| within(facts.key()));
    Some(match source.kind {
        Kind::Service => services().map(|f| Object::Service(f.service.clone())).collect(),
        Kind::EndpointSlice => {
            let strays = known.stray_slices.iter().filter(|slice| within(&slice.key));
            let all = known.services.iter().flat_map(|f| &f.slices).filter(|slice| within(&slice.key));
            all.chain(strays).cloned().map(Object::Slice).collect()
        }
        Kind::Namespace => known.namespaces.iter().cloned().map(Object::Namespace).collect(),
        Kind::Pod => {
            let pods = known.pods.values().flat_map(|pods| pods.iter()).filter(|pod| within(&pod.key));
            pods.cloned().map(Object::Pod).collect()
        }
        Kind::NetworkPolicy => {
            let policies = known.policies.values().filter(|policy| within(&policy.key));
            policies.cloned().map(Object::Policy).collect()
        }
        Kind::ConfigMap | Kind::Secret | Kind::Node => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::snapshot::LoadEntry;

    #[test]
    fn a_list_is_taken_from_what_is_known_where_that_is_live() {
        let mut store = Store::new();
        for namespace in ["a", "b"] {
            let pod = Object::Pod(std::sync::Arc::new(crate::model::samples::pod(namespace, "p")));
            store.apply(Delta::Applied(pod));
        }
        let entry = |kind, namespace: Option<&str>, load| LoadEntry {
            kind,
            namespace: namespace.map(Into::into),
            load,
        };
        let known = ClusterSnapshot {
            loads: vec![
                entry(Kind::Pod, Some("a"), Load::Live),
                entry(Kind::Pod, Some("b"), Load::Loading(1)),
                entry(Kind::Namespace, None, Load::Live),
            ],
            ..store.snapshot(0)
        };
        let list = |kind, namespace: Option<&str>| {
            from(&known, &Source { kind, namespace: namespace.map(Into::into), name: None, only: None })
        };
        let keys: Vec<String> =
            list(Kind::Pod, Some("a")).unwrap().iter().map(|o| o.key().to_string()).collect();
        assert_eq!(keys, ["a/p"], "of that namespace alone");
        assert_eq!(list(Kind::Pod, Some("b")), None, "it is not all there yet");
        assert_eq!(list(Kind::Pod, None), None, "the whole cluster is not watched");
        assert_eq!(list(Kind::Service, Some("a")), None);
        assert_eq!(list(Kind::Namespace, None), Some(vec![]));
    }
}
