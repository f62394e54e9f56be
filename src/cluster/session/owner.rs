//! The task that owns the store: starts and stops watches, folds their news, publishes snapshots.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::{Command, Part};
use crate::cluster::store::{Delta, Object, Store};
use crate::cluster::watch::{Batch, Shared, Source, run};
use crate::model::{ClusterSnapshot, Kind, Load, NamespaceScope, Text};

/// So many namespaces keep their pods after nobody asks for them any more.
const KEPT_PODS: usize = 3;
/// Where the whole cluster may not be listed, at most so many namespaces are tried one by one.
const MAX_FALLBACK: usize = 30;

/// The owner of everything that is known about one cluster.
pub(super) struct Owner {
    shared: Shared,
    epoch: u64,
    store: Store,
    scope: NamespaceScope,
    /// Namespaces that were ever named: by the kubeconfig, or by a person.
    named: BTreeSet<Text>,
    /// These alone are watched, whatever the scope is.
    parts: Option<BTreeSet<Source>>,
    /// Namespaces that the API server lists.
    listed: BTreeSet<Text>,
    /// Kinds that may not be listed for the whole cluster.
    denied: BTreeSet<Kind>,
    pods: BTreeSet<Option<Text>>,
    /// Namespaces whose pods were wanted, the latest last.
    recent: VecDeque<Text>,
    watches: BTreeMap<Source, (u64, AbortHandle)>,
    /// Those whose first list is under way.
    loading: BTreeSet<Source>,
    sources: BTreeMap<u64, Source>,
    tasks: JoinSet<()>,
    /// Those of whose objects some were left out.
    overflowing: BTreeSet<Source>,
    next_id: u64,
    publish: watch::Sender<Arc<ClusterSnapshot>>,
    /// There is something to publish, and whether it may wait.
    dirty: bool,
    published: Instant,
    /// Services and their endpoints have been complete once.
    complete: bool,
    /// It has been asked which cluster this is.
    introduced: bool,
}

impl Owner {
    pub(super) fn new(
        shared: Shared,
        epoch: u64,
        scope: NamespaceScope,
        mut named: BTreeSet<Text>,
        publish: watch::Sender<Arc<ClusterSnapshot>>,
    ) -> Self {
        named.insert(shared.client.target().namespace.as_str().into());
        if let NamespaceScope::Only(names) = &scope {
            named.extend(names.iter().cloned());
        }
        Self {
            shared,
            epoch,
            store: Store::new(),
            scope,
            named,
            parts: None,
            listed: BTreeSet::new(),
            denied: BTreeSet::new(),
            pods: BTreeSet::new(),
            recent: VecDeque::new(),
            watches: BTreeMap::new(),
            loading: BTreeSet::new(),
            sources: BTreeMap::new(),
            tasks: JoinSet::new(),
            overflowing: BTreeSet::new(),
            next_id: 0,
            publish,
            dirty: false,
            published: Instant::now(),
            complete: false,
            introduced: false,
        }
    }

    /// Watches these parts alone.
    pub(super) fn restrict(&mut self, parts: impl IntoIterator<Item = Part>) {
        self.parts = Some(parts.into_iter().map(Part::source).collect());
    }

    /// Starts the first watches and says that they load.
    pub(super) fn begin(&mut self) {
        self.reconcile();
        self.publish_now();
    }

    /// Runs until the connection is dropped.
    pub(super) async fn run(
        mut self,
        mut orders: mpsc::UnboundedReceiver<Command>,
        mut news: mpsc::Receiver<Batch>,
    ) {
        loop {
            let due = self.published + self.shared.timing.publish;
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => return,
                },
                () = tokio::time::sleep_until(due), if self.dirty => self.publish_now(),
                batch = news.recv() => match batch {
                    Some(batch) => self.take(batch),
                    None => return,
                },
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Scope(scope) => {
                if let NamespaceScope::Only(names) = &scope {
                    self.named.extend(names.iter().cloned());
                }
                self.scope = scope;
                self.reconcile();
            }
            Command::Pods(namespaces) => {
                for namespace in namespaces.iter().flatten() {
                    self.recent.retain(|n| n != namespace);
                    self.recent.push_back(namespace.clone());
                }
                self.pods = namespaces;
                self.forget_old_pods();
                self.reconcile();
            }
            Command::Parts(parts) => {
                self.restrict(parts);
                self.reconcile();
            }
            Command::Fetched(object) => self.dirty |= self.store.apply(Delta::Applied(object)),
            Command::Missing(kind, key) => self.dirty |= self.store.apply(Delta::Deleted(kind, key)),
        }
    }

    /// Lets go of the pods of namespaces that were left, save the last few.
    fn forget_old_pods(&mut self) {
        let wanted = &self.pods;
        let mut left = self.recent.iter().filter(|n| !wanted.contains(&Some((*n).clone()))).count();
        self.recent.retain(|namespace| {
            let old = !wanted.contains(&Some(namespace.clone()));
            let keep = !old || left <= KEPT_PODS;
            left -= usize::from(old);
            keep
        });
    }

    fn take(&mut self, batch: Batch) {
        // A watch that was stopped may still have words on the way.
        let Some(source) = self.sources.get(&batch.id).cloned() else { return };
        let mut namespaces_changed = false;
        let full = self.store.count(source.kind) >= self.shared.timing.objects;
        let mut left_out = false;
        for delta in batch.deltas {
            if full
                && let Delta::Applied(object) = &delta
                && !self.store.knows(source.kind, &object.key())
            {
                left_out = true;
                continue;
            }
            match &delta {
                Delta::Applied(Object::Namespace(namespace)) => {
                    namespaces_changed |= self.listed.insert(namespace.name.clone());
                }
                Delta::Deleted(Kind::Namespace, key) => {
                    namespaces_changed |= self.listed.remove(&key.name);
                }
                _ => {}
            }
            self.dirty |= self.store.apply(delta);
        }
        if left_out {
            self.overflowing.insert(source.clone());
        } else if !full {
            self.overflowing.remove(&source);
        }
        // Not all of it: what is shown can't be called live.
        let load = match batch.load {
            Some(Load::Live) | None if self.overflowing.contains(&source) => Some(self.too_many(source.kind)),
            load => load,
        };
        let Some(load) = load else {
            if namespaces_changed && !self.denied.is_empty() {
                self.reconcile();
            }
            return;
        };
        if matches!(load, Load::Live) && !std::mem::replace(&mut self.introduced, true) {
            // After the first list, which is what a person waits for.
            let Shared { identity, client, .. } = self.shared.clone();
            self.tasks.spawn(async move { drop(identity.ask(&client).await) });
        }
        let denied_before = self.denied.len();
        if source.namespace.is_none() && source.kind.namespaced() {
            match &load {
                Load::Forbidden { verb, .. } if &**verb == "list" => {
                    self.denied.insert(source.kind);
                }
                Load::Live => {
                    self.denied.remove(&source.kind);
                }
                _ => {}
            }
        }
        if !matches!(load, Load::Loading(_)) {
            self.loading.remove(&source);
        }
        self.dirty |= self.store.set_load(source.kind, source.namespace, load);
        if self.denied.len() != denied_before || (namespaces_changed && !self.denied.is_empty()) {
            self.reconcile();
        }
        if !self.complete && self.is_complete() {
            self.complete = true;
            self.publish_now();
        }
    }

    /// What is said where a cluster has more objects than are kept.
    fn too_many(&self, kind: Kind) -> Load {
        let most = self.shared.timing.objects;
        let why = format!("there are more than {most} {}; those beyond are left out", kind.resource());
        Load::Stale { since: (self.shared.clock)(), why: why.into() }
    }

    /// Services and their endpoints are there, or it is known why not.
    fn is_complete(&self) -> bool {
        !self.loading.iter().any(|source| matches!(source.kind, Kind::Service | Kind::EndpointSlice))
    }

    /// What ought to be watched.
    fn wanted(&self) -> BTreeSet<Source> {
        if let Some(parts) = &self.parts {
            return parts.clone();
        }
        let source = |kind, namespace| Source { kind, namespace, name: None, only: None };
        let mut wanted = BTreeSet::from([source(Kind::Namespace, None)]);
        for kind in [Kind::Service, Kind::EndpointSlice] {
            match &self.scope {
                NamespaceScope::All => self.want_everywhere(kind, &mut wanted),
                NamespaceScope::Only(names) => {
                    wanted.extend(names.iter().map(|name| source(kind, Some(name.clone()))));
                }
            }
        }
        // Every container sees `default/kubernetes`, wherever one looks (kubelet: `getServiceEnvVarMap`).
        let default: Text = "default".into();
        let covers =
            |s: &Source| s.kind == Kind::Service && s.namespace.as_ref().is_none_or(|n| *n == default);
        let everywhere = self.scope == NamespaceScope::All && !self.denied.contains(&Kind::Service);
        if !everywhere && !wanted.iter().any(|s| covers(s) && s.namespace.is_some()) {
            wanted.insert(Source {
                kind: Kind::Service,
                namespace: Some(default),
                name: Some("kubernetes".into()),
                only: None,
            });
        }
        if self.pods.contains(&None) {
            self.want_everywhere(Kind::Pod, &mut wanted);
        }
        if !self.pods.contains(&None) || self.denied.contains(&Kind::Pod) {
            let named = self.pods.iter().flatten().chain(&self.recent);
            wanted.extend(named.map(|name| source(Kind::Pod, Some(name.clone()))));
        }
        wanted
    }

    /// The whole cluster, or where that is not allowed, the namespaces that are known. The forbidden watch stays: it
    /// says so, and it finds out when the right is given.
    fn want_everywhere(&self, kind: Kind, wanted: &mut BTreeSet<Source>) {
        let source = |namespace| Source { kind, namespace, name: None, only: None };
        wanted.insert(source(None));
        if self.denied.contains(&kind) {
            let others = self.listed.iter().filter(|n| !self.named.contains(*n));
            let known = self.named.iter().chain(others).take(MAX_FALLBACK);
            wanted.extend(known.map(|name| source(Some(name.clone()))));
        }
    }

    /// Starts what is missing, stops what is no longer wanted.
    fn reconcile(&mut self) {
        let wanted = self.wanted();
        if self.parts.is_some() {
            // Two parts of one kind and namespace would be one and the same to the store.
            self.stop_all_but(&wanted);
        }
        // First what begins: a scope that is registered keeps its objects when a wider one ends.
        for source in &wanted {
            if !self.watches.contains_key(source) {
                self.start(source.clone());
            }
        }
        self.stop_all_but(&wanted);
    }

    fn stop_all_but(&mut self, wanted: &BTreeSet<Source>) {
        let over: Vec<Source> = self.watches.keys().filter(|s| !wanted.contains(*s)).cloned().collect();
        for source in over {
            self.stop(&source);
        }
    }

    fn start(&mut self, source: Source) {
        self.next_id += 1;
        let id = self.next_id;
        if source.name.is_none() {
            self.loading.insert(source.clone());
            self.dirty |= self.store.set_load(source.kind, source.namespace.clone(), Load::Loading(0));
        }
        let task = self.tasks.spawn(run(self.shared.clone(), source.clone(), id));
        self.sources.insert(id, source.clone());
        self.watches.insert(source, (id, task));
    }

    fn stop(&mut self, source: &Source) {
        let Some((id, task)) = self.watches.remove(source) else { return };
        task.abort();
        self.sources.remove(&id);
        self.loading.remove(source);
        // A single object that is let go is covered by a wider watch now, which will say what becomes of it.
        if source.name.is_none() {
            self.dirty |= self.store.drop_scope(source.kind, source.namespace.as_ref());
        }
        // Finished tasks are of no interest any more.
        while self.tasks.try_join_next().is_some() {}
    }

    fn publish_now(&mut self) {
        self.dirty = false;
        self.published = Instant::now();
        self.publish.send_replace(Arc::new(self.store.snapshot(self.epoch)));
    }
}
