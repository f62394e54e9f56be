//! Streams to the ports of pods, many of them over few connections to the API server.
//!
//! What it is: [`Tunnels`] opens streams and keeps the connections below them warm and healthy. What it is not: it
//! listens nowhere and chooses no pod. The forwards and who needs a stream of bytes to a pod (live DNS) call it.
//!
//! Three ways lead to a pod. The first that works for a cluster is kept:
//!
//! - SPDY/3.1 inside a WebSocket: many streams on one connection that is open already (Kubernetes 1.31 and newer).
//! - SPDY/3.1 by POST: the same streams on the bare connection, where only `create` is allowed.
//! - `v4.channel.k8s.io`: one WebSocket for each stream, with a spare one, where the others are not understood.
//!
//! A Kubernetes node keeps no flow control and has five workers for the frames of a connection, stream id modulo
//! five; a frame that nobody reads blocks its worker until the connection ends. The rules that follow from it stand
//! where they are kept: `tunnel` (ids, ends), `health` (which workers live), `carry` (what is sent when), and
//! `pool` (which connection a stream gets).

mod carry;
mod dial;
mod health;
mod pipe;
mod pool;
mod tunnel;
mod writer;

pub use self::carry::{Carried, End};
pub use self::dial::{OpenError, Refusal, Way};

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::net::TcpStream;

use self::carry::{Local, carry};
use self::pipe::Pipe;
use self::pool::{Pool, Shared};

/// What a stream in memory holds in each direction.
const DUPLEX: usize = 64 * 1024;

/// Times and cures. The default suits everybody but tests, which turn cures off to see that they are needed.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each turns off one cure")]
pub struct Tuning {
    /// The unit of all waiting below.
    pub tick: Duration,
    /// The ticks between two proofs of life of a connection.
    pub keep_alive: u64,
    /// A connection that has been silent for so many ticks after a question is dead.
    pub dead: u64,
    /// A worker that has been silent for so many ticks, while others answer, gets no new streams, and the connection is
    /// replaced; after [`Self::dead`] its streams end.
    pub wedged: u64,
    /// A connection that nobody needs is closed after so many ticks.
    pub idle: u64,
    /// How long the client's end is held back after the pod was last heard, if it has answered.
    pub hold_end: Duration,
    /// The same, if it has not answered yet.
    pub hold_end_unanswered: Duration,
    /// How long a port that refused is treated with care.
    pub refused_memory: Duration,
    /// How long after the acceptance of a stream the first data goes out, if its port refused lately.
    pub refused_delay: Duration,
    /// After so many bytes a stream is bulk: new ones get another connection.
    pub bulk: u64,
    /// So many bytes wait for a local reader that is alone on its connection, then the connection waits.
    pub queue: usize,
    /// The same for one that is not alone.
    pub queue_shared: usize,
    /// How long no connection to a pod is tried after one could not be had; doubles with each further one.
    pub again: Duration,
    /// The longest such pause.
    pub again_most: Duration,
    /// So many connections to one pod at most, beyond those that have to be replaced.
    pub connections: usize,
    /// Both streams of a pair on one worker.
    pub one_worker: bool,
    /// Uploads wait for answers to pings.
    pub credit: bool,
    /// Bulk streams have connections of their own.
    pub apart: bool,
    /// Nothing but its end is sent to a pod that has ended.
    pub silent_after_end: bool,
    /// No other way than this is tried.
    pub only: Option<Way>,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            tick: Duration::from_secs(1),
            keep_alive: 10,
            dead: 15,
            wedged: 3,
            idle: 120,
            hold_end: Duration::from_secs(2),
            hold_end_unanswered: Duration::from_secs(5),
            refused_memory: Duration::from_secs(30),
            refused_delay: Duration::from_millis(10),
            bulk: 256 * 1024,
            queue: 256 * 1024,
            queue_shared: 4 * 1024 * 1024,
            again: Duration::from_millis(250),
            again_most: Duration::from_secs(5),
            connections: 16,
            one_worker: true,
            credit: true,
            apart: true,
            silent_after_end: true,
            only: None,
        }
    }
}

/// Bytes that have gone through, in both directions. Shared by who counts and who shows.
#[derive(Debug, Default)]
pub struct Meter {
    down: AtomicU64,
    up: AtomicU64,
}

impl Meter {
    /// Bytes from pods, and to them.
    pub fn read(&self) -> (u64, u64) {
        (self.down.load(Ordering::Relaxed), self.up.load(Ordering::Relaxed))
    }

    fn add_down(&self, bytes: usize) {
        self.down.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn add_up(&self, bytes: usize) {
        self.up.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Connections to the pods of one cluster. Clones share them; with the last clone (and the last stream) they close.
#[derive(Clone)]
pub struct Tunnels {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    pools: Mutex<HashMap<(String, String), Arc<Pool>>>,
}

impl std::fmt::Debug for Tunnels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tunnels").field("pods", &lock(&self.inner.pools).len()).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for pool in lock(&self.pools).values() {
            pool.close();
        }
    }
}

impl Tunnels {
    /// For a cluster. Nothing is opened yet.
    pub fn new(client: kube::Client) -> Self {
        Self::tuned(client, Tuning::default())
    }

    /// With other times.
    pub fn tuned(client: kube::Client, tuning: Tuning) -> Self {
        let shared = Arc::new(Shared::new(client, tuning));
        Self { inner: Arc::new(Inner { shared, pools: Mutex::default() }) }
    }

    fn pool(&self, namespace: &str, pod: &str) -> Arc<Pool> {
        let mut pools = lock(&self.inner.pools);
        // Pods come and go; what was kept for those that went is dropped in passing.
        if pools.len() > 64 {
            pools.retain(|_, pool| pool.used());
        }
        let key = (namespace.to_owned(), pod.to_owned());
        pools.entry(key).or_insert_with(|| Pool::new(&self.inner.shared, namespace, pod)).clone()
    }

    /// Opens a connection to a pod ahead of its use, and keeps one open until [`Self::cool`].
    ///
    /// # Errors
    /// There is none to be had.
    pub async fn warm(&self, namespace: &str, pod: &str) -> Result<(), OpenError> {
        self.pool(namespace, pod).warm().await
    }

    /// Lets the connections to a pod go when their streams have ended.
    pub fn cool(&self, namespace: &str, pod: &str) {
        let key = (namespace.to_owned(), pod.to_owned());
        let pool = lock(&self.inner.pools).get(&key).cloned();
        if let Some(pool) = pool {
            pool.cool();
            // Most pods that are no longer wanted never come back. Streams that still run hold it themselves.
            lock(&self.inner.pools).retain(|_, pool| pool.used());
        }
    }

    /// Whether the connections to a pod answer: asks one of them, or opens one.
    ///
    /// # Errors
    /// It can't be reached.
    pub async fn probe(&self, namespace: &str, pod: &str) -> Result<(), OpenError> {
        self.pool(namespace, pod).probe().await
    }

    /// This computer has slept: connections that do not answer now are ended at once, and others opened where some are
    /// wanted. Must be called inside a tokio runtime.
    pub fn woke(&self) {
        for pool in lock(&self.inner.pools).values() {
            pool.woke();
        }
    }

    /// A stream to a port of a pod. That nothing listens there shows only when the stream is read: the error then
    /// says what the node said.
    ///
    /// # Errors
    /// The pod can't be reached, or may not be.
    pub async fn open(&self, namespace: &str, pod: &str, port: u16) -> Result<PodStream, OpenError> {
        let pool = self.pool(namespace, pod);
        let (near, far) = duplex(DUPLEX);
        let pipe = Pipe::new(port, Arc::default());
        let tunnel = pool.get(port).await?;
        let own = pipe.clone();
        tokio::spawn(async move { carry(&pool, &tunnel, &own, Local::memory(far), Vec::new()).await });
        Ok(PodStream { near, pipe, _tunnels: self.clone() })
    }

    /// Carries a TCP connection to a port of a pod and back, until either side has ended. `first` was read from it
    /// already and goes before everything else.
    ///
    /// # Errors
    /// The pod can't be reached, or may not be; the connection is given back, nothing has been lost.
    pub async fn carry(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
        socket: TcpStream,
        first: Vec<u8>,
        meter: Arc<Meter>,
    ) -> Result<Carried, (OpenError, TcpStream, Vec<u8>)> {
        let pool = self.pool(namespace, pod);
        let tunnel = match pool.get(port).await {
            Ok(tunnel) => tunnel,
            Err(error) => return Err((error, socket, first)),
        };
        let pipe = Pipe::new(port, meter);
        let local = Local::tcp(socket, &pipe);
        // A task of its own: who waits for it may be dropped, a frame must not be cut in the middle.
        let _abandoned = Abandoned(pipe.clone());
        let work = tokio::spawn(async move { carry(&pool, &tunnel, &pipe, local, first).await });
        let lost = |_| Carried {
            end: End::Lost("the session has ended".into()),
            down: 0,
            up: 0,
            answered: false,
            again: None,
        };
        Ok(work.await.unwrap_or_else(lost))
    }
}

/// Ends a stream when nobody waits for it any more.
struct Abandoned(Arc<Pipe>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// A stream to a port of a pod.
#[derive(Debug)]
pub struct PodStream {
    near: DuplexStream,
    pipe: Arc<Pipe>,
    /// Keeps the connection below.
    _tunnels: Tunnels,
}

impl Drop for PodStream {
    fn drop(&mut self) {
        self.pipe.abandon();
    }
}

impl AsyncRead for PodStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.near).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = result
            && buffer.filled().len() == before
            && buffer.remaining() > 0
            && let Some(why) = self.pipe.failure()
        {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, why)));
        }
        result
    }
}

impl AsyncWrite for PodStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.near).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.near).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.near).poll_shutdown(context)
    }
}
