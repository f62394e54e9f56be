//! Forwards with all that they need: the facts of their cluster, the way to its pods, and a list of what is true.
//!
//! What it is: [`Forwards`] starts and stops them; each has its own watches of what it leads to and of nothing else, so
//! it outlives whatever the screen looks at. What it is not: it shows nothing. The explorer and `kdisco forward` use it alike.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cluster::ApiErrorKind;
use crate::cluster::access::require_any;
use crate::cluster::client::Client;
use crate::cluster::session::{Connection, Only, Part, Start as StartConnection};
use crate::cluster::watch::Timing;
use crate::cluster::workload;
use crate::model::selector::Selector;
use crate::model::session::backends::{Backends, backends};
use crate::model::session::{Choice, ForwardId, ForwardSpec, ForwardState, ForwardStatus};
use crate::model::target::{Target, TargetKind};
use crate::model::time::Timestamp;
use crate::model::{ClusterSnapshot, Kind, NamespaceScope, ObjectKey, Text};
use crate::session::forward::{Forward, Start, start};
use crate::session::registry::{self, Entry, Registry};
use crate::session::stream::Tunnels;

use super::live::rights;

/// The longest pause between two questions for a workload's selector.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// All forwards of the program. Clones share them; with the last clone they stop.
#[derive(Clone)]
pub struct Forwards {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    statuses: watch::Sender<Arc<Vec<ForwardStatus>>>,
    clock: fn() -> Timestamp,
}

#[derive(Default)]
struct State {
    last: u64,
    running: BTreeMap<ForwardId, Running>,
    /// URL of the API server of each.
    servers: BTreeMap<ForwardId, String>,
    /// Connections to pods, by context and server.
    tunnels: HashMap<(String, String), Tunnels>,
    /// Watches that several forwards may share.
    watches: HashMap<Watched, Weak<Connection>>,
}

/// Context, server, target, and whether kubectl's choice of the pod is wanted, which needs other facts.
type Watched = (String, String, Target, bool);

/// What ends with a forward.
struct Running {
    _forward: Forward,
    feeder: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.feeder.abort();
    }
}

impl std::fmt::Debug for Forwards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forwards").field("running", &self.state().running.len()).finish_non_exhaustive()
    }
}

impl Forwards {
    /// None yet.
    pub fn new(clock: fn() -> Timestamp) -> Self {
        let (statuses, _) = watch::channel(Arc::default());
        Self { inner: Arc::new(Inner { state: Mutex::default(), statuses, clock }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is true of each, in the order in which they were started; always the latest.
    pub fn statuses(&self) -> watch::Receiver<Arc<Vec<ForwardStatus>>> {
        self.inner.statuses.subscribe()
    }

    /// Starts one in the cluster of a client. It can't fail: what does not work is in its status. Must be called
    /// inside a tokio runtime.
    pub fn start(&self, client: &Client, spec: ForwardSpec) -> ForwardId {
        let target = client.target();
        let (context, server) = (target.context.clone(), target.server.to_string());
        let kubectl = spec.choice == Choice::Kubectl;
        let watched = (context.clone(), server.clone(), spec.target.clone(), kubectl);
        let mut state = self.state();
        state.last += 1;
        let id = ForwardId(state.last);
        let tunnels = state
            .tunnels
            .entry((context.clone(), server.clone()))
            .or_insert_with(|| Tunnels::new(client.kube().clone()))
            .clone();
        state.watches.retain(|_, connection| connection.strong_count() > 0);
        let connection = state.watches.get(&watched).and_then(Weak::upgrade).unwrap_or_else(|| {
            let connection = Arc::new(connect(client, &spec, self.inner.clock));
            state.watches.insert(watched, Arc::downgrade(&connection));
            connection
        });
        let (feed, facts) = watch::channel(Arc::new(Backends::default()));
        let list = self.inner.statuses.clone();
        let publish = Box::new(move |status: ForwardStatus| put(&list, status));
        let begun = Start {
            id,
            context: context.as_str().into(),
            spec: spec.clone(),
            tunnels,
            backends: facts,
            clock: self.inner.clock,
            publish,
        };
        let feeder = tokio::spawn(feed_all(connection, spec, feed));
        state.running.insert(id, Running { _forward: start(begun), feeder });
        state.servers.insert(id, server);
        id
    }

    /// This computer has slept since then: asks anew what is behind each forward, and whether the connections to the
    /// pods still answer; those that do not are replaced at once.
    pub fn woke(&self, since: Timestamp) {
        let state = self.state();
        for connection in state.watches.values().filter_map(Weak::upgrade) {
            connection.woke(since);
        }
        for tunnels in state.tunnels.values() {
            tunnels.woke();
        }
    }

    /// Keeps telling other processes of ours which forwards run here, for `env --local`: in a file of a directory that
    /// goes with this process. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// What the system says to the directory.
    pub fn register_in(&self, directory: &Path) -> io::Result<()> {
        let registry = Registry::open(directory)?;
        let (inner, mut statuses) = (Arc::downgrade(&self.inner), self.statuses());
        tokio::spawn(async move {
            let mut told = Vec::new();
            loop {
                let list = statuses.borrow_and_update().clone();
                let Some(forwards) = inner.upgrade().map(|inner| Self { inner }) else { return };
                let entries: Vec<Entry> = list.iter().filter_map(|status| forwards.entry(status)).collect();
                drop(forwards);
                if entries != told {
                    // Somebody else's convenience: a full disk is no reason to end a forward.
                    let _ = registry.publish(&entries);
                    told = entries;
                }
                if statuses.changed().await.is_err() {
                    return;
                }
            }
        });
        Ok(())
    }

    /// A forward as other processes are told of it, once it listens.
    fn entry(&self, status: &ForwardStatus) -> Option<Entry> {
        let target = &status.spec.target;
        let kind = match target.kind {
            TargetKind::Service => registry::Target::Service,
            TargetKind::Pod => registry::Target::Pod,
            _ => return None,
        };
        Some(Entry {
            server: self.state().servers.get(&status.id)?.clone(),
            context: status.context.to_string(),
            namespace: target.namespace.to_string(),
            kind,
            name: target.name.to_string(),
            port: status.target_port?,
            local: status.address()?,
        })
    }

    /// Stops one: its connections end, its listeners are closed, its status goes.
    pub fn stop(&self, id: ForwardId) {
        drop(self.state().running.remove(&id));
        self.state().servers.remove(&id);
        self.inner.statuses.send_modify(|list| Arc::make_mut(list).retain(|status| status.id != id));
    }

    /// Stops all.
    pub fn stop_all(&self) {
        let all: Vec<ForwardId> = self.state().running.keys().copied().collect();
        for id in all {
            self.stop(id);
        }
    }
}

fn put(list: &watch::Sender<Arc<Vec<ForwardStatus>>>, status: ForwardStatus) {
    list.send_modify(|list| {
        let list = Arc::make_mut(list);
        match list.iter_mut().find(|known| known.id == status.id) {
            Some(known) => *known = status,
            None => list.push(status),
        }
    });
}

fn connect(client: &Client, spec: &ForwardSpec, clock: fn() -> Timestamp) -> Connection {
    let start = StartConnection {
        epoch: 0,
        scope: NamespaceScope::one(spec.target.namespace.clone()),
        known: std::collections::BTreeSet::new(),
        clock,
        timing: Timing::default(),
    };
    Connection::of_parts(client.clone(), start, parts(spec, None, &ClusterSnapshot::default()))
}

/// What has to be watched for a forward, as far as it is known by now: one Service and its slices, or one pod, or the
/// pods that a selector selects; never a whole namespace.
fn parts(spec: &ForwardSpec, selector: Option<&Selector>, snapshot: &ClusterSnapshot) -> BTreeSet<Part> {
    let Target { kind, namespace, name } = &spec.target;
    let part = |kind, only| Part { kind, namespace: namespace.clone(), only: Some(only) };
    match kind {
        TargetKind::Pod => [part(Kind::Pod, Only::Name(name.clone()))].into(),
        TargetKind::Service if spec.choice != Choice::Kubectl => {
            // discovery.k8s.io: `LabelServiceName`.
            let slices = format!("kubernetes.io/service-name={name}");
            let service = part(Kind::Service, Only::Name(name.clone()));
            [service, part(Kind::EndpointSlice, Only::Labels(slices.into()))].into()
        }
        TargetKind::Service => {
            let mut parts = BTreeSet::from([part(Kind::Service, Only::Name(name.clone()))]);
            let facts = snapshot.service(&ObjectKey::new(namespace.clone(), name.clone()));
            if let Some(facts) = facts.filter(|facts| !facts.service.selector.is_empty()) {
                let pods = facts.service.selector.to_string();
                parts.insert(part(Kind::Pod, Only::Labels(pods.into())));
            }
            parts
        }
        _ => selector.map(|s| part(Kind::Pod, Only::Labels(s.to_string().into()))).into_iter().collect(),
    }
}

/// Works out what is behind a forward each time the facts change. Rights are asked for first: a missing one is all
/// there is to say.
async fn feed_all(connection: Arc<Connection>, spec: ForwardSpec, feed: watch::Sender<Arc<Backends>>) {
    let client = connection.client();
    if let Some(why) = not_allowed(client, &spec).await {
        feed.send_replace(wrong(why));
        return std::future::pending().await;
    }
    let selector = match selector(client, &spec).await {
        Ok(selector) => selector,
        Err(why) => {
            feed.send_replace(wrong(why));
            return std::future::pending().await;
        }
    };
    let mut snapshots = connection.snapshots();
    let mut watched = BTreeSet::new();
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        let wanted = parts(&spec, selector.as_ref(), &snapshot);
        if watched != wanted {
            connection.set_parts(wanted.clone());
            watched = wanted;
        }
        let facts = backends(&spec, selector.as_ref(), &snapshot);
        drop(snapshot);
        feed.send_if_modified(|known| {
            let changed = **known != facts;
            if changed {
                *known = Arc::new(facts);
            }
            changed
        });
        if snapshots.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn wrong(why: String) -> Arc<Backends> {
    let why: Text = why.into();
    Arc::new(Backends { certain: true, wrong: Some(why.clone()), why_none: why, ..Backends::default() })
}

/// Names the missing right if no way to the pods is left.
async fn not_allowed(client: &Client, spec: &ForwardSpec) -> Option<String> {
    let error = require_any(client, "cannot forward", &rights(&spec.target.namespace)).await.err()?;
    matches!(error.kind, ApiErrorKind::Forbidden(_)).then_some(error.why)
}

/// The selector of a workload; tried again until the server answers.
async fn selector(client: &Client, spec: &ForwardSpec) -> Result<Option<Selector>, String> {
    if !spec.target.kind.is_workload() {
        return Ok(None);
    }
    let mut pause = Duration::from_secs(1);
    loop {
        match workload::selector(client, &spec.target).await {
            Ok(selector) => return Ok(Some(selector)),
            Err(error) if error.is_final() => return Err(error.to_string()),
            Err(error) => {
                let wish = match error.kind {
                    ApiErrorKind::Busy { retry_after } => retry_after.unwrap_or_default().min(LONGEST_PAUSE),
                    _ => Duration::ZERO,
                };
                tokio::time::sleep(pause.max(wish)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Whether a forward has ended for good.
pub fn is_closed(status: &ForwardStatus) -> bool {
    matches!(status.state, ForwardState::Closed { .. })
}
