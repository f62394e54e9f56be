//! One connection to a cluster as a whole: which watches run, and the snapshots they add up to.
//!
//! What it is: [`Connection`] owns the store. It starts and stops watches as the scope and the demand for pods
//! change, and publishes at most every few dozen milliseconds what is known. [`list_once`] is the same for a command
//! that looks once. What it is not: it shows nothing and decides nothing about what is worth showing. The runtime
//! and the command line use it; dropping a `Connection` stops everything it started.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

pub(super) mod once;
mod owner;

pub use once::list_once;

use super::client::{Asked, Client};
use super::convert::Converter;
use super::store::Object;
pub use super::watch::Only;
use super::watch::{Shared, Source, Timing, list, path};
use super::{ApiError, ApiErrorKind};
use crate::model::time::Timestamp;
use crate::model::{ClusterSnapshot, Kind, NamespaceScope, ObjectKey, Text};
use owner::Owner;

/// So many lists run at once; more would only make each of them slower, and the server busy.
pub(super) const PARALLEL_LISTS: usize = 4;
/// So many batches may wait for the store before watches are held up.
const QUEUE: usize = 64;

/// What a connection starts with.
#[derive(Clone, Debug)]
pub struct Start {
    /// Marks every snapshot, so that those of a former connection can be told.
    pub epoch: u64,
    /// Which namespaces to look at.
    pub scope: NamespaceScope,
    /// Namespaces that are known by other means (the configuration): looked at where the whole cluster may not be
    /// listed, besides the kubeconfig's own.
    pub known: BTreeSet<Text>,
    /// The clock: when something was lost is part of the snapshots.
    pub clock: fn() -> Timestamp,
    /// Waiting times; the default suits everybody but tests.
    pub timing: Timing,
}

/// A part of one kind in one namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// The kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: Text,
    /// Which of them; `None`: all.
    pub only: Option<Only>,
}

impl Part {
    fn source(self) -> Source {
        Source { kind: self.kind, namespace: Some(self.namespace), name: None, only: self.only }
    }
}

/// What the connection is told to do.
#[derive(Debug)]
enum Command {
    Scope(NamespaceScope),
    Pods(BTreeSet<Option<Text>>),
    Parts(BTreeSet<Part>),
    Fetched(Object),
    Missing(Kind, ObjectKey),
}

/// A live picture of one cluster.
#[derive(Debug)]
pub struct Connection {
    client: Client,
    converter: Arc<Mutex<Converter>>,
    snapshots: watch::Receiver<Arc<ClusterSnapshot>>,
    commands: mpsc::UnboundedSender<Command>,
    nudge: watch::Sender<u64>,
    slept: watch::Sender<Option<Timestamp>>,
    owner: JoinHandle<()>,
}

impl Connection {
    /// Starts watching: Services and EndpointSlices of the scope, and Namespaces. Must be called inside a tokio
    /// runtime. Cannot fail: what does not work is in the snapshots' loads.
    pub fn start(client: Client, start: Start) -> Self {
        Self::begin(client, start, None)
    }

    /// The same for whoever needs no more than these parts: nothing else is asked for. Of one kind in one namespace
    /// there may be one part.
    pub fn of_parts(client: Client, start: Start, parts: BTreeSet<Part>) -> Self {
        Self::begin(client, start, Some(parts))
    }

    fn begin(client: Client, start: Start, parts: Option<BTreeSet<Part>>) -> Self {
        let (commands, orders) = mpsc::unbounded_channel();
        let (out, news) = mpsc::channel(QUEUE);
        let (nudge, nudged) = watch::channel(0);
        let (slept, woken) = watch::channel(None);
        let (publish, snapshots) =
            watch::channel(Arc::new(ClusterSnapshot { epoch: start.epoch, ..Default::default() }));
        let converter = Arc::new(Mutex::new(Converter::new()));
        let shared = Shared {
            client: client.clone(),
            converter: converter.clone(),
            out,
            nudge: nudged,
            slept: woken,
            identity: Arc::default(),
            lists: Arc::new(Semaphore::new(PARALLEL_LISTS)),
            timing: start.timing,
            clock: start.clock,
        };
        let mut owner = Owner::new(shared, start.epoch, start.scope, start.known, publish);
        if let Some(parts) = parts {
            owner.restrict(parts);
        }
        // The first watches start, and the first snapshot says so, before this returns.
        owner.begin();
        let owner = tokio::spawn(owner.run(orders, news));
        Self { client, converter, snapshots, commands, nudge, slept, owner }
    }

    /// The snapshots: always the latest; a slow reader misses some and nothing else.
    pub fn snapshots(&self) -> watch::Receiver<Arc<ClusterSnapshot>> {
        self.snapshots.clone()
    }

    /// The connection's client, for requests of one's own.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Looks at other namespaces from now on. What is known and still in scope stays on show meanwhile.
    pub fn set_scope(&self, scope: NamespaceScope) {
        self.tell(Command::Scope(scope));
    }

    /// Says where pods are needed (`None`: everywhere). The last few namespaces are kept a while beyond that, as
    /// people come back.
    pub fn set_pod_demand(&self, namespaces: BTreeSet<Option<Text>>) {
        self.tell(Command::Pods(namespaces));
    }

    /// Watches these parts from now on, in place of those of [`Self::of_parts`].
    pub fn set_parts(&self, parts: BTreeSet<Part>) {
        self.tell(Command::Parts(parts));
    }

    /// Lets everything that waits for its next try have it now.
    pub fn retry_now(&self) {
        let (client, nudge) = (self.client.clone(), self.nudge.clone());
        tokio::spawn(async move {
            client.retry_credential().await;
            nudge.send_modify(|n| *n += 1);
        });
    }

    /// This computer has slept since then, or stood still. What was open may be dead, and nobody says so: everything
    /// is said to be old until the server has answered again, which is asked at once and over new connections.
    pub fn woke(&self, since: Timestamp) {
        self.client.forget_connections();
        self.slept.send_replace(Some(since));
        self.retry_now();
    }

    /// Reads one object by name (a ConfigMap, a Secret, a Node) and puts it into the snapshots to come.
    ///
    /// # Errors
    /// Not found, forbidden, or no connection.
    pub async fn fetch_config(&self, kind: Kind, key: &ObjectKey) -> Result<Object, ApiError> {
        match fetch(&self.client, &self.converter, kind, key).await {
            Ok(object) => {
                self.tell(Command::Fetched(object.clone()));
                Ok(object)
            }
            Err(error) => {
                if error.kind == ApiErrorKind::NotFound {
                    self.tell(Command::Missing(kind, key.clone()));
                }
                Err(error)
            }
        }
    }

    fn tell(&self, command: Command) {
        // The owner lives as long as this does; if it is gone, the runtime is shutting down.
        let _ = self.commands.send(command);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The owner holds all watches; they end with it.
        self.owner.abort();
    }
}

/// Reads one object by name, without a connection (for commands that look once).
///
/// # Errors
/// Not found, forbidden, or no answer.
pub async fn fetch_once(client: &Client, kind: Kind, key: &ObjectKey) -> Result<Object, ApiError> {
    fetch(client, &Mutex::new(Converter::new()), kind, key).await
}

async fn fetch(
    client: &Client,
    converter: &Mutex<Converter>,
    kind: Kind,
    key: &ObjectKey,
) -> Result<Object, ApiError> {
    let asked = Asked::of("get", kind, kind.namespaced().then(|| key.namespace.clone()));
    let path = path::object(kind, &key.namespace, &key.name);
    let (body, content_type) = client.get_whole(&path, list::accept(false), &asked).await?;
    let encoding = list::encoding(&content_type)?;
    let mut converter = converter.lock().unwrap_or_else(PoisonError::into_inner);
    let (object, _) =
        converter.object(kind, &body, encoding).map_err(|error| ApiError::protocol(error.to_string()))?;
    Ok(object)
}
