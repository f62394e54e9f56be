//! One SPDY connection of a port-forward: pairs of streams in, connections into a pod behind them.
//!
//! For every connection the client opens an error stream and a data stream with one request id. The server answers
//! both before it dials. It keeps no flow control: neither `WINDOW_UPDATE` nor `SETTINGS` are sent or heeded.

use super::forward::Destination;
use super::upgrade::Duplex;
use crate::demo::inside;
use crate::wire::spdy::{Decoder, Encoder, Frame, Headers};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, WriteHalf, split};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How many frames a stream keeps for a pod that does not read.
const STREAM_QUEUE: usize = 64;
/// The longest DATA frame that is sent.
const PIECE: usize = 32 * 1024;
/// How many frames wait to be written.
const OUT_QUEUE: usize = 64;

/// How a port-forward behaves where a real node is rough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forwarding {
    /// Whole answers, immediate ends, data that nobody reads is dropped.
    #[default]
    Kind,
    /// As a Kubernetes 1.34 node with containerd 1.6 was measured: the pod's end is told a second late; a second after
    /// the client has finished sending both directions are closed; frames are handled by five workers, stream id
    /// modulo five, with fifty places each, and data for a pod side that is gone blocks its worker for good.
    Measured,
    /// As gentle, by a server from before Kubernetes 1.30, which knows no SPDY in a WebSocket.
    Old,
}

/// The workers of a measured server, and the places in the queue of each.
const WORKERS: u32 = 5;
const WORKER_QUEUE: usize = 50;
/// How late a measured server is with the pod's end, and how long it waits after the client's.
const LATE: Duration = Duration::from_secs(1);

/// What a client sends on a stream.
enum Piece {
    Bytes(Bytes),
    Fin,
}

/// What a worker has to do.
enum Job {
    Data { id: u32, payload: Bytes, fin: bool },
    Ping { id: u32 },
    Reset { id: u32 },
}

/// The sending ends of the streams; `None` once the client has finished sending.
type Streams = Arc<Mutex<HashMap<u32, Option<mpsc::Sender<Piece>>>>>;

fn lock(streams: &Streams) -> MutexGuard<'_, HashMap<u32, Option<mpsc::Sender<Piece>>>> {
    streams.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One of a measured server's workers.
struct Worker {
    jobs: mpsc::Sender<Job>,
    /// It waits for a reader that will never come.
    stuck: Arc<AtomicBool>,
}

/// A pair of which one stream has come.
#[derive(Default)]
struct Pair {
    port: u16,
    error: Option<u32>,
    data: Option<u32>,
}

/// See the module.
pub(super) struct Session {
    destination: Destination,
    traits: Forwarding,
    out: mpsc::Sender<Frame>,
    streams: Streams,
    pairs: HashMap<String, Pair>,
    /// Receiving ends of data streams whose pair is not complete.
    waiting: HashMap<u32, mpsc::Receiver<Piece>>,
    workers: Vec<Worker>,
    pings: usize,
    tasks: JoinSet<()>,
}

impl Session {
    /// Serves a connection until the client goes or breaks the protocol.
    pub(super) async fn run(duplex: Duplex, destination: Destination, traits: Forwarding) {
        let Duplex { mut from, to } = duplex;
        let (out, frames) = mpsc::channel(OUT_QUEUE);
        let mut session = Self {
            destination,
            traits,
            out,
            streams: Streams::default(),
            pairs: HashMap::new(),
            waiting: HashMap::new(),
            workers: Vec::new(),
            pings: 0,
            tasks: JoinSet::new(),
        };
        session.hire();
        session.tasks.spawn(write(frames, to));
        let mut decoder = Decoder::default();
        while let Some(bytes) = from.recv().await {
            decoder.push(bytes);
            loop {
                match decoder.frame() {
                    Ok(Some(frame)) => session.frame(frame).await,
                    Ok(None) => break,
                    Err(_) => return,
                }
            }
            while session.tasks.try_join_next().is_some() {}
        }
    }

    fn hire(&mut self) {
        if self.traits == Forwarding::Kind {
            return;
        }
        for _ in 0..WORKERS {
            let (jobs, mut row) = mpsc::channel(WORKER_QUEUE);
            let (streams, out) = (Arc::clone(&self.streams), self.out.clone());
            let stuck = Arc::new(AtomicBool::new(false));
            self.workers.push(Worker { jobs, stuck: Arc::clone(&stuck) });
            self.tasks.spawn(async move {
                while let Some(job) = row.recv().await {
                    if !perform(job, &streams, &out).await {
                        // Data that nobody reads: this worker serves nobody any more, and its queue fills up.
                        stuck.store(true, Ordering::Relaxed);
                        std::future::pending::<()>().await;
                    }
                }
            });
        }
    }

    async fn frame(&mut self, frame: Frame) {
        let (worker, job) = match frame {
            Frame::SynStream { id, headers, .. } => {
                // Behind what its worker waits for it is never seen.
                let worker = self.workers.get(usize::try_from(id % WORKERS).unwrap_or_default());
                if !worker.is_some_and(|worker| worker.stuck.load(Ordering::Relaxed)) {
                    self.open(id, &headers).await;
                }
                return;
            }
            Frame::Data { id, fin, payload } => (id % WORKERS, Job::Data { id, payload, fin }),
            Frame::RstStream { id, .. } => (id % WORKERS, Job::Reset { id }),
            Frame::Ping { id } => {
                // In turn, and the first one to worker 0.
                let worker = u32::try_from(self.pings % 5).unwrap_or_default();
                self.pings += 1;
                (worker, Job::Ping { id })
            }
            _ => return,
        };
        match self.workers.get(usize::try_from(worker).unwrap_or_default()) {
            Some(worker) => {
                let _ = worker.jobs.send(job).await;
            }
            None => {
                perform(job, &self.streams, &self.out).await;
            }
        }
    }

    async fn open(&mut self, id: u32, headers: &Headers) {
        let reply = Frame::SynReply { id, fin: false, headers: Headers::new() };
        let _ = self.out.send(reply).await;
        let (Some(kind), Some(port)) =
            (headers.get("streamtype"), headers.get("port").and_then(|port| port.parse::<u16>().ok()))
        else {
            let _ = self.out.send(Frame::RstStream { id, status: 1 }).await;
            return;
        };
        let request = headers.get("requestid").unwrap_or_default().to_owned();
        let pair = self.pairs.entry(request.clone()).or_default();
        pair.port = port;
        if kind == "error" {
            pair.error = Some(id);
            lock(&self.streams).insert(id, None);
        } else {
            pair.data = Some(id);
            let (sender, receiver) = mpsc::channel(STREAM_QUEUE);
            lock(&self.streams).insert(id, Some(sender));
            self.waiting.insert(id, receiver);
        }
        if let (Some(error), Some(data)) = (pair.error, pair.data)
            && let Some(pieces) = self.waiting.remove(&data)
        {
            self.pairs.remove(&request);
            let connection = Connection { port, error, data, out: self.out.clone(), traits: self.traits };
            let (destination, streams) = (self.destination.clone(), Arc::clone(&self.streams));
            self.tasks.spawn(async move {
                connection.run(&destination, pieces).await;
                if connection.traits == Forwarding::Kind {
                    let mut streams = lock(&streams);
                    streams.remove(&data);
                    streams.remove(&error);
                }
            });
        }
    }
}

/// Does a job; says `false` when it can never be done.
async fn perform(job: Job, streams: &Streams, out: &mpsc::Sender<Frame>) -> bool {
    match job {
        Job::Ping { id } => {
            let _ = out.send(Frame::Ping { id }).await;
        }
        Job::Reset { id } => {
            lock(streams).remove(&id);
        }
        Job::Data { id, payload, fin } => {
            let stream = lock(streams).get(&id).cloned().flatten();
            let Some(stream) = stream else { return true };
            if !payload.is_empty() && stream.send(Piece::Bytes(payload)).await.is_err() {
                return false;
            }
            if fin {
                let _ = stream.send(Piece::Fin).await;
                lock(streams).insert(id, None);
            }
        }
    }
    true
}

/// Encodes frames in the order in which they come.
async fn write(mut frames: mpsc::Receiver<Frame>, to: mpsc::Sender<Bytes>) {
    let mut encoder = Encoder::new();
    while let Some(frame) = frames.recv().await {
        let mut bytes = Vec::new();
        if encoder.encode(&frame, &mut bytes).is_err() || to.send(bytes.into()).await.is_err() {
            return;
        }
    }
}

/// One connection into a pod.
struct Connection {
    port: u16,
    error: u32,
    data: u32,
    out: mpsc::Sender<Frame>,
    traits: Forwarding,
}

impl Connection {
    async fn run(&self, destination: &Destination, mut pieces: mpsc::Receiver<Piece>) {
        let opened =
            inside::connect(&destination.shared, &destination.namespace, &destination.pod, self.port);
        let stream = match opened {
            Ok(stream) => stream,
            Err(refused) => {
                drop(pieces);
                self.send(self.data, Bytes::new(), true).await;
                self.send(self.error, refused.0.into(), false).await;
                self.send(self.error, Bytes::new(), true).await;
                return;
            }
        };
        let (mut read, write) = split(stream);
        let down = async {
            loop {
                let mut buffer = bytes::BytesMut::with_capacity(PIECE);
                match read.read_buf(&mut buffer).await {
                    Ok(1..) => self.send(self.data, buffer.freeze(), false).await,
                    _ => break,
                }
            }
            if self.traits == Forwarding::Measured {
                tokio::time::sleep(LATE).await;
            }
        };
        let up = async {
            let mut write = write;
            let finished = upload(&mut pieces, &mut write).await;
            match (finished, self.traits) {
                // A reset: nothing is wanted any more.
                (false, _) => {}
                (true, Forwarding::Measured) => tokio::time::sleep(LATE).await,
                (true, _) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = down => {}
            () = up => {}
        }
        self.send(self.data, Bytes::new(), true).await;
        self.send(self.error, Bytes::new(), true).await;
    }

    async fn send(&self, id: u32, payload: Bytes, fin: bool) {
        let _ = self.out.send(Frame::Data { id, fin, payload }).await;
    }
}

/// Carries what the client sends into the pod. True when the client has finished or the pod does not take any more,
/// false when the stream has been reset.
async fn upload(pieces: &mut mpsc::Receiver<Piece>, write: &mut WriteHalf<DuplexStream>) -> bool {
    while let Some(piece) = pieces.recv().await {
        match piece {
            Piece::Bytes(bytes) => {
                if write.write_all(&bytes).await.is_err() {
                    pieces.close();
                    return true;
                }
            }
            Piece::Fin => {
                let _ = write.shutdown().await;
                return true;
            }
        }
    }
    false
}
