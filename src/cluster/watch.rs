//! One watch: list, then watch, for ever; never polling.
//!
//! What it is: a task per kind and scope that keeps telling what the API server says, and how far it can be
//! believed. What it is not: it keeps no objects; the session that started it folds what it tells into the store.
//! Only [`super::session`] starts it.
//!
//! Sources of the rules: Kubernetes docs "Kubernetes API Concepts" (resource versions, 410, bookmarks, streaming
//! lists); client-go `tools/cache/reflector.go` for what a careful client does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;

use super::client::Client;
use super::convert::Converter;
use super::store::Delta;
use super::{ApiError, ApiErrorKind};
use crate::model::time::Timestamp;
use crate::model::{Kind, Load, Text};

mod identity;
pub(super) mod list;
pub(super) mod path;
mod stream;

pub(super) use identity::Identity;
use stream::Ended;

/// A server is left alone no longer than this, whatever its `Retry-After` says: a wrong one must not end a watch.
const LONGEST_WISH: Duration = Duration::from_mins(10);

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    pub(super) kind: Kind,
    /// Namespace, or `None` for the whole cluster.
    pub(super) namespace: Option<Text>,
    /// The one object of that name, or `None` for all.
    pub(super) name: Option<Text>,
    /// A part of them, for those who need no more; it counts as all there are.
    pub(super) only: Option<Only>,
}

/// Which part of a kind is enough. The server sends nothing of the rest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Only {
    /// The object of this name (`metadata.name`); rights that are given for single names are enough for it.
    Name(Text),
    /// Those that this label selector selects.
    Labels(Text),
}

/// News from one watch.
#[derive(Debug)]
pub(super) struct Batch {
    /// Which watch speaks; late words of one that was stopped are told by this.
    pub(super) id: u64,
    pub(super) deltas: Vec<Delta>,
    pub(super) load: Option<Load>,
}

/// All waiting times and bounds, so that tests need neither wait nor send so much.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// First pause after a failure; doubles with each further one.
    pub backoff: Duration,
    /// Longest pause.
    pub backoff_max: Duration,
    /// How often a forbidden list is tried again.
    pub forbidden: Duration,
    /// How long an answer may take to begin.
    pub head: Duration,
    /// How long a list may be silent in the middle.
    pub stall: Duration,
    /// How long a watch may be silent before everything is listed anew. A server that lives sends a bookmark each minute
    /// (apiserver: `defaultBookmarkFrequency`), so silence may be a way that is blocked without a word.
    pub silent: Duration,
    /// How long the server is asked to keep a watch open; up to a quarter more is added at random.
    pub watch: Duration,
    /// A watch that lived so long counts as a success: pauses begin small again.
    pub settled: Duration,
    /// Least time between two snapshots.
    pub publish: Duration,
    /// So many objects of one kind are kept; what comes beyond is left out, and that is said. Kubernetes promises to
    /// work up to 150 000 pods (docs "Considerations for large clusters").
    pub objects: usize,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            backoff: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
            forbidden: Duration::from_mins(1),
            head: Duration::from_mins(1),
            stall: Duration::from_secs(30),
            silent: Duration::from_secs(90),
            watch: Duration::from_secs(290),
            settled: Duration::from_secs(5),
            publish: Duration::from_millis(50),
            objects: 500_000,
        }
    }
}

/// What all watches of a connection share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) client: Client,
    /// One for all, so that texts that occur in several kinds are kept once.
    pub(super) converter: Arc<Mutex<Converter>>,
    pub(super) out: mpsc::Sender<Batch>,
    /// Changes when whoever waits should try again at once.
    pub(super) nudge: watch::Receiver<u64>,
    /// Changes when this computer has slept; since when it did. Whatever stood before may be dead without a word.
    pub(super) slept: watch::Receiver<Option<Timestamp>>,
    /// Which cluster this is.
    pub(super) identity: Arc<Identity>,
    /// Bounds how many lists run at once.
    pub(super) lists: Arc<Semaphore>,
    pub(super) timing: Timing,
    pub(super) clock: fn() -> Timestamp,
}

/// The session is gone: nobody listens any more.
#[derive(Debug)]
pub(super) struct Gone;

/// Why a step came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    Api(ApiError),
    Gone,
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<Gone> for Failure {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// The state of one watch.
pub(super) struct Watch {
    shared: Shared,
    source: Source,
    id: u64,
    /// Version to go on from; the last one that was seen.
    version: Option<String>,
    /// A list is due before the next watch.
    relist: bool,
    /// A list was complete at least once.
    listed: bool,
    /// The cluster that the picture is of, if that is known.
    cluster: Option<Text>,
    /// When the connection was lost, until it is back.
    lost: Option<Timestamp>,
    /// The server's protobuf could not be understood: ask for JSON.
    json: bool,
    /// How the last watch ended.
    last: Ended,
    /// How often in a row the server's cache had not come as far as our version.
    behind: u32,
    pause: Duration,
}

/// Runs a watch until the session is gone. Starting it is all that is needed; dropping the future stops it.
pub(super) async fn run(shared: Shared, source: Source, id: u64) {
    let pause = shared.timing.backoff;
    let mut watch = Watch {
        shared,
        source,
        id,
        version: None,
        relist: true,
        listed: false,
        cluster: None,
        lost: None,
        json: false,
        last: Ended::AsAgreed,
        behind: 0,
        pause,
    };
    loop {
        let began = Instant::now();
        // What starts now starts after the sleep.
        watch.shared.slept.mark_unchanged();
        match watch.step().await {
            Ok(()) => {}
            Err(Failure::Gone) => return,
            Err(Failure::Api(error)) => {
                if began.elapsed() >= watch.shared.timing.settled {
                    watch.pause = watch.shared.timing.backoff;
                }
                if watch.failed(error).await.is_err() {
                    return;
                }
            }
        }
    }
}

impl Watch {
    /// Lists if that is due, then watches until the watch ends.
    async fn step(&mut self) -> Result<(), Failure> {
        if !self.relist && self.lost.is_some() {
            self.compare_clusters().await?;
        }
        if self.relist {
            // A list that is given up in the middle is listed anew.
            let mut slept = self.shared.slept.clone();
            tokio::select! {
                result = self.list() => result?,
                since = asleep(&mut slept) => return Err(self.woke(since).into()),
            }
            self.relist = false;
            self.listed = true;
            self.behind = 0;
            self.cluster = self.shared.identity.latest();
            self.live().await?;
        }
        let began = Instant::now();
        let ended = self.watch().await?;
        let at_once = began.elapsed() < Duration::from_secs(1).min(self.shared.timing.settled);
        // One version that has expired is nothing special; one that was just listed is.
        let odd = at_once && (ended == Ended::AsAgreed || self.last == Ended::Expired);
        self.last = ended;
        self.relist |= ended == Ended::Expired;
        if odd {
            // A server (or a proxy) that ends every watch at once must not be asked without pause.
            tracing::debug!(source = ?self.source, ?ended, "a watch ended at once");
            // The first pause is over before anybody could see it.
            if self.pause > self.shared.timing.backoff {
                self.doubt(&ApiError::protocol("every watch is ended at once")).await?;
            }
            self.wait(jittered(self.pause)).await;
            self.pause = (self.pause * 2).min(self.shared.timing.backoff_max);
        } else if ended != Ended::Expired {
            self.pause = self.shared.timing.backoff;
        }
        if ended == Ended::Silent {
            // A way that swallows what a watch says may do so with the next one too: only a list tells what was missed.
            self.doubt(&ApiError::timeout("cannot watch", self.shared.timing.silent)).await?;
            self.relist = true;
        }
        if ended == Ended::Silent || ended == Ended::Slept {
            self.probe().await?;
            self.compare_clusters().await?;
        }
        Ok(())
    }

    /// A server that was away may have come back as another cluster: then nothing of the picture is worth keeping.
    async fn compare_clusters(&mut self) -> Result<(), Failure> {
        let identity = self.shared.identity.clone();
        let Some(before) = self.cluster.clone().or_else(|| identity.first()) else { return Ok(()) };
        if identity.ask(&self.shared.client).await?.is_some_and(|now| now != before) {
            tracing::debug!(source = ?self.source, "another cluster at the same address");
            self.relist = true;
            self.version = None;
            self.behind = 1;
        }
        Ok(())
    }

    /// The error of whatever was under way when this computer fell asleep.
    fn woke(&mut self, since: Timestamp) -> ApiError {
        self.lost.get_or_insert(since);
        ApiError::slept()
    }

    /// What is shown may be old.
    async fn doubt(&mut self, error: &ApiError) -> Result<(), Gone> {
        let since = *self.lost.get_or_insert_with(self.shared.clock);
        self.send(Vec::new(), Some(Load::Stale { since, why: error.why.as_str().into() })).await
    }

    /// What is shown is what the server says now.
    async fn live(&mut self) -> Result<(), Gone> {
        self.lost = None;
        self.send(Vec::new(), Some(Load::Live)).await
    }

    /// Tells what went wrong, and waits before the next try.
    async fn failed(&mut self, error: ApiError) -> Result<(), Gone> {
        tracing::debug!(source = ?self.source, %error, "watch failed");
        // While the server was away its versions went on: one that has expired is nothing odd then.
        self.last = Ended::AsAgreed;
        let since = *self.lost.get_or_insert_with(self.shared.clock);
        let why: Text = error.why.as_str().into();
        let (mut pause, mut least) = (self.pause, Duration::ZERO);
        let load = match &error.kind {
            ApiErrorKind::Forbidden(denied) => {
                self.relist = true;
                pause = self.shared.timing.forbidden;
                Load::Forbidden { verb: denied.verb.clone(), message: why }
            }
            _ if self.listed => Load::Stale { since, why },
            _ => Load::Failed { since, why },
        };
        match &error.kind {
            ApiErrorKind::Busy { retry_after: Some(after) } => least = (*after).min(LONGEST_WISH),
            ApiErrorKind::NotFound => pause = self.shared.timing.forbidden,
            // The cache catches up within moments; a version that never comes (the server was restored from a
            // backup) must be forgotten.
            ApiErrorKind::NotYet => {
                self.behind += 1;
                self.relist = true;
                if self.behind > 3 {
                    self.version = None;
                }
            }
            ApiErrorKind::Protocol if !self.json => self.json = true,
            // A page of a list has expired: begin again, from what is there now (client-go: `isExpiredError`).
            ApiErrorKind::Expired => {
                self.relist = true;
                self.version = None;
                self.behind = self.behind.max(1);
            }
            // Whatever the server dislikes about the version, a fresh list does without it.
            ApiErrorKind::Rejected(_) => {
                self.relist = true;
                self.version = None;
            }
            _ => {}
        }
        // What may no longer be seen is unknown from now on.
        let forbidden_list = matches!(&load, Load::Forbidden { verb, .. } if &**verb == "list");
        let deltas = if forbidden_list && self.listed { self.nothing() } else { Vec::new() };
        if forbidden_list {
            self.listed = false;
            self.version = None;
        }
        self.send(deltas, Some(load)).await?;
        // Later than the server asks for, never earlier.
        self.wait(jittered(pause).max(least)).await;
        self.pause = (self.pause * 2).min(self.shared.timing.backoff_max);
        Ok(())
    }

    /// All objects of the source are gone.
    fn nothing(&self) -> Vec<Delta> {
        let Source { kind, namespace, name, .. } = &self.source;
        match name {
            Some(name) => {
                let namespace = namespace.clone().unwrap_or_default();
                vec![Delta::Deleted(*kind, crate::model::ObjectKey { namespace, name: name.clone() })]
            }
            None => {
                vec![Delta::Restarted { kind: *kind, namespace: namespace.clone(), objects: Vec::new() }]
            }
        }
    }

    /// Waits, unless somebody wants another try at once.
    async fn wait(&mut self, pause: Duration) {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            changed = self.shared.nudge.changed() => {
                if changed.is_err() {
                    tokio::time::sleep(pause).await;
                }
                self.pause = self.shared.timing.backoff;
            }
        }
    }

    async fn send(&self, deltas: Vec<Delta>, load: Option<Load>) -> Result<(), Gone> {
        // One object by name is an extra of the session's: it has no state of its own to show.
        let load = load.filter(|_| self.source.name.is_none());
        if deltas.is_empty() && load.is_none() {
            return Ok(());
        }
        self.shared.out.send(Batch { id: self.id, deltas, load }).await.map_err(|_| Gone)
    }
}

/// Returns when this computer has slept, with since when it did; else never.
async fn asleep(slept: &mut watch::Receiver<Option<Timestamp>>) -> Timestamp {
    loop {
        if slept.changed().await.is_err() {
            return std::future::pending().await;
        }
        if let Some(since) = *slept.borrow_and_update() {
            return since;
        }
    }
}

/// A pause with up to a quarter more or less, so that many watches do not come back at the same moment.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.75 + 0.5 * random())
}

/// A number from 0 to 1, good enough to spread things out.
fn random() -> f64 {
    use std::hash::{BuildHasher, Hasher};
    let bits = std::collections::hash_map::RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(bits >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}
