//! The connections to one pod: which one a new stream gets, and that one is open before it is needed.
//!
//! What it is: new streams share one connection; when that carries bulk, or a worker of it is stuck, another one is
//! opened ahead and takes the new ones. What it is not: it sends nothing. [`super::Tunnels`] holds one for each pod.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::dial::{OpenError, Refusal, Way, dial};
use super::tunnel::Tunnel;
use super::writer::ROOM;
use super::{Tuning, lock};

/// A buffer for what is read from local sockets; so many are kept.
const BUFFERS: usize = 4;
/// What is read from the local socket of bulk at once.
const UPLOAD: usize = 128 * 1024;
/// The same for streams that are no bulk.
const SMALL: usize = 16 * 1024;
/// What pings behind the data take.
const PINGS: usize = 128;
/// A server is left alone no longer than this, whatever its `Retry-After` says.
const LONGEST_WISH: Duration = Duration::from_mins(1);
/// How many ticks a connection has to answer a probe.
const PROBE_TICKS: u32 = 5;

/// What all connections to one cluster have in common.
pub(super) struct Shared {
    client: kube::Client,
    pub(super) tuning: Tuning,
    /// The way that works for this cluster.
    way: AtomicU8,
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl Shared {
    pub(super) fn new(client: kube::Client, tuning: Tuning) -> Self {
        Self { client, tuning, way: AtomicU8::new(0), buffers: Mutex::default() }
    }

    /// The ways to try, the one that worked last first.
    fn ways(&self) -> &'static [Way] {
        match self.way.load(Ordering::Relaxed) {
            _ if self.tuning.only.is_some() => match self.tuning.only {
                Some(Way::Plain) => &[Way::Plain],
                Some(Way::Channels) => &[Way::Channels],
                _ => &[Way::Tunnel],
            },
            1 => &[Way::Plain, Way::Tunnel, Way::Channels],
            2 => &[Way::Channels, Way::Tunnel, Way::Plain],
            _ => &[Way::Tunnel, Way::Channels, Way::Plain],
        }
    }

    fn works(&self, way: Way) {
        let number = match way {
            Way::Tunnel => 0,
            Way::Plain => 1,
            Way::Channels => 2,
        };
        self.way.store(number, Ordering::Relaxed);
    }

    /// How much is read into a buffer at once.
    pub(super) fn read_size(large: bool) -> usize {
        if large { UPLOAD } else { SMALL }
    }

    /// A buffer for one read: room, and nothing behind it yet. Large ones are for bulk.
    pub(super) fn buffer(&self, large: bool) -> Vec<u8> {
        let size = ROOM + Self::read_size(large);
        let mut buffers = lock(&self.buffers);
        let found = buffers.iter().position(|buffer| (buffer.capacity() >= size) == large);
        let mut buffer = found.map(|at| buffers.swap_remove(at)).unwrap_or_default();
        drop(buffers);
        buffer.clear();
        buffer.resize(ROOM, 0);
        buffer.reserve_exact(size - ROOM + PINGS);
        buffer
    }

    pub(super) fn give_back(&self, buffer: Vec<u8>) {
        let mut buffers = lock(&self.buffers);
        if buffers.len() < BUFFERS {
            buffers.push(buffer);
        }
    }
}

/// Why there is no connection, and until when none is tried.
struct Failed {
    until: Instant,
    pause: Duration,
    error: OpenError,
}

/// See the module.
pub(super) struct Pool {
    pub(super) shared: Arc<Shared>,
    namespace: String,
    pod: String,
    this: Weak<Self>,
    tunnels: Mutex<Vec<Arc<Tunnel>>>,
    /// One connection is opened at a time.
    dialing: tokio::sync::Mutex<()>,
    /// After a failure: what is told to who asks in the pause.
    failed: Mutex<Option<Failed>>,
    /// A connection is kept open.
    wanted: AtomicBool,
    closed: AtomicBool,
    refused: Mutex<HashMap<u16, Instant>>,
    /// Ports from which something has come, since they last refused.
    proven: Mutex<HashSet<u16>>,
    /// Streams to each port.
    streams: Mutex<HashMap<u16, usize>>,
}

impl Pool {
    pub(super) fn new(shared: &Arc<Shared>, namespace: &str, pod: &str) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            shared: shared.clone(),
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            this: this.clone(),
            tunnels: Mutex::default(),
            dialing: tokio::sync::Mutex::default(),
            failed: Mutex::default(),
            wanted: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            refused: Mutex::default(),
            proven: Mutex::default(),
            streams: Mutex::default(),
        })
    }

    /// Whether there is a reason to keep it.
    pub(super) fn used(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) || !lock(&self.tunnels).is_empty()
    }

    /// Lets go of a connection that has ended: its socket is closed with the last who holds it.
    pub(super) fn forget(&self, over: &Tunnel) {
        lock(&self.tunnels).retain(|tunnel| !std::ptr::eq(Arc::as_ptr(tunnel), over));
    }

    /// The connection for a new stream: the first that is in order and calm.
    fn ready(&self, port: u16) -> Option<Arc<Tunnel>> {
        let mut tunnels = lock(&self.tunnels);
        tunnels.retain(|tunnel| !tunnel.is_over());
        let fits =
            |tunnel: &&Arc<Tunnel>| tunnel.open() && (tunnel.way != Way::Channels || tunnel.port == port);
        let calm = tunnels.iter().find(|tunnel| fits(tunnel) && tunnel.calm());
        let full = tunnels.len() >= self.shared.tuning.connections;
        let any = || tunnels.iter().filter(fits).min_by_key(|tunnel| tunnel.pairs()).filter(|_| full);
        calm.or_else(any).cloned()
    }

    /// The connection for a new stream to this port.
    pub(super) async fn get(&self, port: u16) -> Result<Arc<Tunnel>, OpenError> {
        loop {
            let tunnel = self.ensure(port).await?;
            if tunnel.claim() {
                return Ok(tunnel);
            }
        }
    }

    /// A connection that a new stream could have.
    async fn ensure(&self, port: u16) -> Result<Arc<Tunnel>, OpenError> {
        if let Some(tunnel) = self.ready(port) {
            return Ok(tunnel);
        }
        let dialing = self.dialing.lock().await;
        // Another one may have been opened meanwhile.
        if let Some(tunnel) = self.ready(port) {
            return Ok(tunnel);
        }
        // Many may wait for a connection that can't be had: one of them tries, now and then.
        if let Some(error) = self.resting() {
            return Err(error);
        }
        // In a box: few connections dial, and the task of every one would have the room for it.
        let dialed = Box::pin(self.dial(port)).await;
        // Without a port not every way can be tried: that none of the others is understood says little.
        let partly = |error: &&OpenError| {
            port == 0 && matches!(error.refusal, Refusal::Forbidden | Refusal::Unsupported)
        };
        self.remember(dialed.as_ref().err().filter(|error| !partly(error)));
        drop(dialing);
        dialed
    }

    /// What the last try failed of, while it is too early for another.
    fn resting(&self) -> Option<OpenError> {
        let failed = lock(&self.failed);
        failed.as_ref().filter(|failed| Instant::now() < failed.until).map(|failed| failed.error.clone())
    }

    fn remember(&self, error: Option<&OpenError>) {
        let mut failed = lock(&self.failed);
        let tuning = &self.shared.tuning;
        *failed = error.map(|error| {
            let pause =
                failed.as_ref().map_or(tuning.again, |before| (before.pause * 2).min(tuning.again_most));
            let wish = error.retry_after.unwrap_or_default().min(LONGEST_WISH);
            Failed { until: Instant::now() + pause.max(wish), pause, error: error.clone() }
        });
    }

    async fn dial(&self, port: u16) -> Result<Arc<Tunnel>, OpenError> {
        let mut first = None;
        for way in self.shared.ways() {
            // Only who knows the port can go this way.
            if *way == Way::Channels && port == 0 {
                continue;
            }
            match dial(&self.shared.client, *way, &self.namespace, &self.pod, port).await {
                Ok(io) => {
                    self.shared.works(*way);
                    let tunnel = Tunnel::start(io, *way, port, self.shared.tuning, &self.this);
                    lock(&self.tunnels).push(tunnel.clone());
                    // It may have ended before it was there to be forgotten.
                    if tunnel.is_over() {
                        self.forget(&tunnel);
                    }
                    if self.closed.load(Ordering::Relaxed) {
                        tunnel.close("the session has ended");
                    }
                    return Ok(tunnel);
                }
                Err(error) => match error.refusal {
                    // Another verb may be allowed, another protocol understood.
                    Refusal::Forbidden | Refusal::Unsupported => {
                        first.get_or_insert(error);
                    }
                    _ => return Err(first.unwrap_or(error)),
                },
            }
        }
        Err(first.unwrap_or_else(|| OpenError::new(Refusal::Unsupported, "no way leads to the pod")))
    }

    pub(super) async fn warm(&self) -> Result<(), OpenError> {
        self.wanted.store(true, Ordering::Relaxed);
        let tunnel = self.ensure(0).await?;
        // It may have become needless while it was opened.
        if !self.wanted.load(Ordering::Relaxed) {
            tunnel.retire();
        }
        Ok(())
    }

    pub(super) fn cool(&self) {
        self.wanted.store(false, Ordering::Relaxed);
        let tunnels = lock(&self.tunnels).clone();
        for tunnel in tunnels {
            tunnel.retire();
        }
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        let tunnels = std::mem::take(&mut *lock(&self.tunnels));
        for tunnel in tunnels {
            tunnel.close("the session has ended");
        }
    }

    pub(super) async fn probe(&self) -> Result<(), OpenError> {
        // One that carries bulk may be held up by a slow reader here, which says nothing about the way.
        match self.ready(0).filter(|tunnel| tunnel.calm()) {
            Some(tunnel) if tunnel.answers(self.shared.tuning.tick * PROBE_TICKS).await => Ok(()),
            Some(_) => Err(OpenError::new(Refusal::Unreachable, "the connection does not answer")),
            None => self.ensure(0).await.map(|_| ()),
        }
    }

    /// After a sleep: see [`super::Tunnels::woke`].
    pub(super) fn woke(&self) {
        *lock(&self.failed) = None;
        let tunnels = lock(&self.tunnels).clone();
        for tunnel in tunnels.into_iter().filter(|tunnel| !tunnel.is_stalled()) {
            let patience = self.shared.tuning.tick * PROBE_TICKS;
            tunnel.set_doubtful(true);
            tokio::spawn(async move {
                if tunnel.answers(patience).await {
                    tunnel.set_doubtful(false);
                } else {
                    tunnel.close("the connection to the API server did not outlive this computer's sleep");
                }
            });
        }
    }

    /// Opens a connection ahead, if one is wanted and there is none for a new stream.
    pub(super) fn replenish(&self) {
        if !self.wanted.load(Ordering::Relaxed) || self.closed.load(Ordering::Relaxed) {
            return;
        }
        let Some(pool) = self.this.upgrade() else { return };
        tokio::spawn(async move {
            // Where it fails, the next stream tries again and tells.
            let _ = pool.ensure(0).await;
        });
    }

    /// By channels a spare connection is opened when one has been taken.
    pub(super) fn spare(&self, port: u16) {
        let Some(pool) = self.this.upgrade() else { return };
        tokio::spawn(async move {
            let _ = pool.ensure(port).await;
        });
    }

    /// Closes a connection that nobody needs: idle, and not the one that is kept.
    pub(super) fn tidy(&self, tunnel: &Arc<Tunnel>) {
        if tunnel.idle() < self.shared.tuning.idle {
            return;
        }
        let kept = self.wanted.load(Ordering::Relaxed)
            && self.ready(tunnel.port).is_some_and(|ready| Arc::ptr_eq(&ready, tunnel));
        if !kept {
            tunnel.retire();
        }
    }

    /// The port has refused a connection.
    pub(super) fn refused(&self, port: u16) {
        lock(&self.refused).insert(port, Instant::now());
        lock(&self.proven).remove(&port);
    }

    /// Whether the port has refused lately.
    pub(super) fn refused_lately(&self, port: u16) -> bool {
        let memory = self.shared.tuning.refused_memory;
        lock(&self.refused).get(&port).is_some_and(|at| at.elapsed() < memory)
    }

    /// The port has taken a connection.
    pub(super) fn serves(&self, port: u16) {
        lock(&self.refused).remove(&port);
        lock(&self.proven).insert(port);
    }

    /// A stream to a port begins: how many there are, as long as nothing has come from it; 0 afterwards.
    pub(super) fn begin(&self, port: u16) -> usize {
        let proven = lock(&self.proven).contains(&port);
        let mut streams = lock(&self.streams);
        let count = streams.entry(port).or_default();
        *count += 1;
        if proven { 0 } else { *count }
    }

    /// A stream to a port has ended.
    pub(super) fn end(&self, port: u16) {
        let mut streams = lock(&self.streams);
        let left = streams.get_mut(&port).map(|count| {
            *count -= 1;
            *count
        });
        if left == Some(0) {
            streams.remove(&port);
        }
    }

    /// The worker that streams to a port have to keep to as long as nothing has come from it: should the port
    /// refuse, it harms no other.
    pub(super) fn worker(&self, port: u16) -> Option<usize> {
        (!lock(&self.proven).contains(&port)).then_some(usize::from(port % 5))
    }
}
