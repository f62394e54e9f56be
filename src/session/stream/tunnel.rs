//! One connection to one pod, with many streams on it.
//!
//! What it is: ids, the reader, the keeper (proof of life), and the state that streams share. What it is not: which
//! connection a stream gets ([`super::pool`]) and what goes over a stream ([`super::carry`]).
//!
//! Ids: both streams of a pair are of one residue modulo five, so that what the pair does to its worker stays within
//! a fifth of the connection; gaps are allowed (spdystream: `validateStreamId`).

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, ReadHalf};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::dial::Way;
use super::health::{Health, WORKERS};
use super::pipe::Pipe;
use super::pool::Pool;
use super::writer::{Io, Writer};
use super::{Tuning, lock};
use crate::wire::spdy::{Frame, Headers, Piece, Pieces};
use crate::wire::websocket::{self, Event, Opcode};

/// What the reader asks for at once.
const READ: usize = 64 * 1024;
/// No more ids are used than half of what there are.
const LAST_ID: u32 = 1 << 30;
/// The stream of a connection by channels.
const ONLY: u32 = 1;

/// See the module.
pub(super) struct Tunnel {
    pub(super) way: Way,
    pub(super) tuning: Tuning,
    /// The port of a connection by channels.
    pub(super) port: u16,
    writer: tokio::sync::Mutex<Writer>,
    state: Mutex<State>,
    /// An answer to a ping has come, or the end.
    pub(super) pongs: Notify,
    /// Ends a write that does not get on.
    closing: watch::Sender<bool>,
    pool: Weak<Pool>,
}

#[derive(Default)]
struct State {
    /// Data streams and error streams by their ids; the flag says that it is the error stream.
    streams: HashMap<u32, (Arc<Pipe>, bool)>,
    /// Pairs on each worker.
    load: [usize; 5],
    /// Long uploads on each worker.
    uploads: [usize; 5],
    last: u32,
    pairs: usize,
    bulk: usize,
    used: bool,
    health: Health,
    tick: u64,
    /// The reader waits for a local reader; so long nothing is heard, and nothing follows from it.
    stalled: bool,
    /// Ticks for which the sending side has not been free.
    busy: u64,
    /// When the last bytes came, and when the last stream ended.
    heard: u64,
    left: u64,
    /// It may not have outlived a sleep of the computer: no new streams until it has answered.
    doubtful: bool,
    /// No new streams; it is closed when the present ones have ended.
    retiring: bool,
    over: Option<Arc<str>>,
    tasks: Vec<AbortHandle>,
}

/// A pair of streams of a tunnel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) error: u32,
    pub(super) data: u32,
    pub(super) worker: usize,
}

/// The connection has ended.
#[derive(Clone, Debug)]
pub(super) struct Over(pub(super) Arc<str>);

impl Tunnel {
    /// Starts reading and keeping alive.
    pub(super) fn start(io: Io, way: Way, port: u16, tuning: Tuning, pool: &Weak<Pool>) -> Arc<Self> {
        let (read, write) = tokio::io::split(io);
        let (closing, closed) = watch::channel(false);
        let tunnel = Arc::new(Self {
            way,
            tuning,
            port,
            writer: tokio::sync::Mutex::new(Writer::new(write, way, closed)),
            state: Mutex::default(),
            pongs: Notify::new(),
            closing,
            pool: pool.clone(),
        });
        let reader = tokio::spawn(tunnel.clone().read(read)).abort_handle();
        let keeper = tokio::spawn(tunnel.clone().keep()).abort_handle();
        lock(&tunnel.state).tasks = vec![reader, keeper];
        tunnel
    }

    /// Whether it may have a new stream.
    pub(super) fn open(&self) -> bool {
        let state = lock(&self.state);
        let worker = (0..5).any(|worker| state.health.usable(worker));
        state.over.is_none()
            && !state.retiring
            && !state.doubtful
            && state.last < LAST_ID
            && match self.way {
                Way::Channels => !state.used,
                _ => worker,
            }
    }

    /// Takes it for a stream; a connection by channels can be taken once.
    pub(super) fn claim(&self) -> bool {
        !std::mem::replace(&mut lock(&self.state).used, true) || self.way != Way::Channels
    }

    /// Whether it carries no bulk.
    pub(super) fn calm(&self) -> bool {
        !self.tuning.apart || lock(&self.state).bulk == 0
    }

    pub(super) fn is_over(&self) -> bool {
        lock(&self.state).over.is_some()
    }

    /// Gives it no new streams, or gives it some again.
    pub(super) fn set_doubtful(&self, doubtful: bool) {
        lock(&self.state).doubtful = doubtful;
    }

    /// Whether nothing is read because a local reader does not: silence says nothing then.
    pub(super) fn is_stalled(&self) -> bool {
        lock(&self.state).stalled
    }

    pub(super) fn pairs(&self) -> usize {
        lock(&self.state).pairs
    }

    /// Ticks since anybody used it; 0 while somebody does.
    pub(super) fn idle(&self) -> u64 {
        let state = lock(&self.state);
        if state.pairs > 0 { 0 } else { state.tick.saturating_sub(state.left) }
    }

    /// No new streams from now on.
    pub(super) fn retire(&self) {
        let empty = {
            let mut state = lock(&self.state);
            state.retiring = true;
            state.pairs == 0
        };
        if empty {
            self.close("it was not needed any more");
        }
    }

    /// Ends it and every stream on it.
    pub(super) fn close(&self, why: &str) {
        let (tasks, streams, why) = {
            let mut state = lock(&self.state);
            if state.over.is_some() {
                return;
            }
            let why: Arc<str> = why.into();
            state.over = Some(why.clone());
            state.pairs = 0;
            (std::mem::take(&mut state.tasks), std::mem::take(&mut state.streams), why)
        };
        for (pipe, _) in streams.values() {
            pipe.over(&why);
        }
        self.pongs.notify_waiters();
        self.closing.send_replace(true);
        for task in tasks {
            task.abort();
        }
        if let Some(pool) = self.pool.upgrade() {
            pool.replenish();
        }
    }

    /// Opens a pair for `pipe`, with the first data behind it in the same message. `keep_to` is the worker it should have.
    pub(super) async fn pair(
        &self,
        pipe: &Arc<Pipe>,
        first: &[u8],
        keep_to: Option<usize>,
    ) -> Result<Pair, Over> {
        let mut writer = self.writer.lock().await;
        let pair = {
            let mut state = lock(&self.state);
            if let Some(why) = &state.over {
                return Err(Over(why.clone()));
            }
            let pair = if self.way == Way::Channels {
                Pair { error: ONLY + 1, data: ONLY, worker: 0 }
            } else {
                state.next(self.tuning.one_worker, keep_to)
            };
            state.streams.insert(pair.error, (pipe.clone(), true));
            state.streams.insert(pair.data, (pipe.clone(), false));
            state.load[pair.worker] += 1;
            state.pairs += 1;
            pair
        };
        let sent = if self.way == Way::Channels {
            pipe.accepted();
            if first.is_empty() {
                Ok(())
            } else {
                let mut buffer = vec![0; super::writer::ROOM];
                buffer.extend_from_slice(first);
                writer.data(pair.data, false, &mut buffer, &[]).await
            }
        } else {
            let open = |id: u32, kind: &str| Frame::SynStream {
                id,
                associated: 0,
                priority: 0,
                fin: kind == "error",
                unidirectional: false,
                headers: Headers::new()
                    .with("streamtype", kind)
                    .with("port", pipe.port.to_string())
                    .with("requestid", pair.error.to_string()),
            };
            let mut frames = vec![open(pair.error, "error"), open(pair.data, "data")];
            if !first.is_empty() {
                let payload = Bytes::copy_from_slice(first);
                frames.push(Frame::Data { id: pair.data, fin: false, payload });
            }
            writer.frames(&frames).await
        };
        drop(writer);
        self.judge(sent).map(|()| pair)
    }

    /// Sends payload of a stream: everything in `buffer` behind [`super::writer::ROOM`].
    pub(super) async fn send(&self, pair: Pair, buffer: &mut Vec<u8>, credit: bool) -> Result<u32, Over> {
        let mut writer = self.writer.lock().await;
        let (pings, number) = {
            let mut state = lock(&self.state);
            let tick = state.tick;
            if credit && self.way != Way::Channels && !state.health.in_doubt() {
                state.health.ask_worker(pair.worker, tick)
            } else {
                (Vec::new(), 0)
            }
        };
        let sent = writer.data(pair.data, false, buffer, &pings).await;
        drop(writer);
        self.judge(sent).map(|()| number)
    }

    /// Whether frames for the worker would only fill its queue.
    fn stuck(&self, worker: usize) -> bool {
        !lock(&self.state).health.usable(worker)
    }

    /// Ends our side of a stream. A connection by channels has no such end.
    pub(super) async fn finish(&self, pair: Pair) -> Result<(), Over> {
        if self.way == Way::Channels || self.stuck(pair.worker) {
            return Ok(());
        }
        let frame = Frame::Data { id: pair.data, fin: true, payload: Bytes::new() };
        let sent = self.writer.lock().await.frames(&[frame]).await;
        self.judge(sent)
    }

    /// Nobody wants what the stream still brings.
    pub(super) async fn reset(&self, pair: Pair) -> Result<(), Over> {
        if self.way == Way::Channels {
            self.close("its only stream has ended");
            return Ok(());
        }
        if self.stuck(pair.worker) {
            return Ok(());
        }
        let sent = self.writer.lock().await.frames(&[Frame::RstStream { id: pair.data, status: 5 }]).await;
        self.judge(sent)
    }

    /// Whether a ping has been answered.
    pub(super) fn has_answered(&self, number: u32) -> bool {
        let state = lock(&self.state);
        state.over.is_some() || state.health.has_answered(number)
    }

    /// Data may have gone to a worker that nobody reads from: asks it, and gives it nothing new until it answers.
    pub(super) async fn doubt(&self, worker: usize) {
        if self.way == Way::Channels {
            return;
        }
        lock(&self.state).health.avoid(worker);
        let mut writer = self.writer.lock().await;
        let pings = {
            let mut state = lock(&self.state);
            let tick = state.tick;
            state.health.doubt(worker, tick)
        };
        let Some(pings) = pings else { return };
        let sent = writer.frames(&pings.map(|id| Frame::Ping { id })).await;
        drop(writer);
        let _ = self.judge(sent);
    }

    /// Something may have met a reader that was gone: asks, unless it is being asked.
    pub(super) async fn check(&self) {
        if !lock(&self.state).health.is_asking() {
            self.ask().await;
        }
    }

    /// Asks all workers. The numbers of pings are given under the writer's lock: their order says whose they are.
    pub(super) async fn ask(&self) {
        let mut writer = self.writer.lock().await;
        // A worker that is stuck would keep the pings.
        let spare = self.way == Way::Tunnel && lock(&self.state).health.in_doubt();
        let sent = if self.way == Way::Channels || spare {
            writer.control(Opcode::Ping, b"").await
        } else {
            let pings = {
                let mut state = lock(&self.state);
                let tick = state.tick;
                state.health.ask_all(tick)
            };
            writer.frames(&pings.map(|id| Frame::Ping { id })).await
        };
        drop(writer);
        let _ = self.judge(sent);
    }

    /// Asks, and waits until something answers. False when nothing does.
    pub(super) async fn answers(self: &Arc<Self>, limit: std::time::Duration) -> bool {
        if self.way == Way::Channels {
            return !self.is_over();
        }
        let pong = self.pongs.notified();
        // A task of its own: a frame must not be cut in the middle when the time is up.
        let asking = self.clone();
        tokio::spawn(async move { asking.ask().await });
        tokio::time::timeout(limit, pong).await.is_ok() && !self.is_over()
    }

    /// A long upload keeps its worker busy: that the worker is silent says nothing against it.
    pub(super) fn uploads(&self, pair: Pair) {
        lock(&self.state).uploads[pair.worker] += 1;
    }

    fn judge(&self, sent: std::io::Result<()>) -> Result<(), Over> {
        if let Err(error) = sent {
            self.close(&format!("the connection to the API server is lost: {error}"));
        }
        match &lock(&self.state).over {
            Some(why) => Err(Over(why.clone())),
            None => Ok(()),
        }
    }

    /// A stream has become bulk, or slow: new ones go elsewhere.
    pub(super) fn bulky(&self, pipe: &Pipe) {
        if pipe.bulk.swap(true, Ordering::Relaxed) {
            return;
        }
        lock(&self.state).bulk += 1;
        if self.tuning.apart
            && let Some(pool) = self.pool.upgrade()
        {
            pool.replenish();
        }
    }

    /// A stream is not needed any more.
    pub(super) fn leave(&self, pair: Pair, bulk: bool, uploads: bool) {
        let done = {
            let mut state = lock(&self.state);
            if state.over.is_some() {
                return;
            }
            state.streams.remove(&pair.error);
            state.streams.remove(&pair.data);
            state.load[pair.worker] -= 1;
            state.pairs -= 1;
            state.bulk -= usize::from(bulk);
            state.uploads[pair.worker] -= usize::from(uploads);
            state.left = state.tick;
            state.pairs == 0 && (state.retiring || self.way == Way::Channels)
        };
        if done {
            self.close("it was not needed any more");
        }
    }

    async fn read(self: Arc<Self>, mut io: ReadHalf<Io>) {
        let mut buffer = BytesMut::new();
        let mut framing = Framing::new(self.way);
        let why = loop {
            buffer.reserve(READ);
            match io.read_buf(&mut buffer).await {
                Ok(0) => break self.closed(""),
                Ok(_) => {}
                Err(error) => break format!("the connection to the API server is lost: {error}"),
            }
            {
                let mut state = lock(&self.state);
                state.heard = state.tick;
            }
            let mut input = buffer.split().freeze();
            if let Err(why) = self.understand(&mut framing, &mut input).await {
                break why;
            }
        };
        self.close(&why);
    }

    /// The other side has closed the connection; by channels that is how the pod's end is told.
    fn closed(&self, reason: &str) -> String {
        if self.way == Way::Channels
            && let Some((pipe, _)) = self.stream(ONLY)
        {
            pipe.finished();
            pipe.error(b"", true);
        }
        let colon = if reason.is_empty() { "" } else { ": " };
        format!("the API server has closed the connection{colon}{reason}")
    }

    async fn understand(&self, framing: &mut Framing, input: &mut Bytes) -> Result<(), String> {
        let Some(socket) = &mut framing.socket else {
            return self.pieces(&mut framing.pieces, input).await;
        };
        while let Some(event) = socket.next(input).map_err(|error| error.to_string())? {
            match event {
                Event::Piece { mut payload, .. } if self.way == Way::Tunnel => {
                    self.pieces(&mut framing.pieces, &mut payload).await?;
                }
                Event::Piece { first, payload } => framing.channels.piece(self, first, payload).await,
                Event::Ping(payload) => {
                    let sent = self.writer.lock().await.control(Opcode::Pong, &payload).await;
                    let _ = self.judge(sent);
                }
                Event::Pong(_) => {}
                Event::Close(reason) => return Err(self.closed(&reason)),
            }
        }
        Ok(())
    }

    async fn pieces(&self, pieces: &mut Pieces, input: &mut Bytes) -> Result<(), String> {
        while let Some(piece) = pieces.next(input).map_err(|error| error.to_string())? {
            match piece {
                Piece::Data { id, payload, fin } => self.data(id, payload, fin).await,
                Piece::Control(Frame::Ping { id }) => {
                    if id % 2 == 1 {
                        lock(&self.state).health.answer(id);
                        self.pongs.notify_waiters();
                    } else {
                        let sent = self.writer.lock().await.frames(&[Frame::Ping { id }]).await;
                        let _ = self.judge(sent);
                    }
                }
                Piece::Control(Frame::SynReply { id, .. }) => {
                    if let Some((pipe, false)) = self.stream(id) {
                        pipe.accepted();
                    }
                }
                Piece::Control(Frame::RstStream { id, .. }) => {
                    if let Some((pipe, error)) = self.stream(id) {
                        if error {
                            pipe.error(b"", true);
                        } else {
                            pipe.finished();
                            pipe.error(b"", true);
                        }
                    }
                }
                Piece::Control(Frame::GoAway { .. }) => {
                    lock(&self.state).retiring = true;
                    if let Some(pool) = self.pool.upgrade() {
                        pool.replenish();
                    }
                }
                Piece::Control(_) => {}
            }
        }
        Ok(())
    }

    fn stream(&self, id: u32) -> Option<(Arc<Pipe>, bool)> {
        lock(&self.state).streams.get(&id).cloned()
    }

    /// Bytes of a stream. While its local side is far behind, nothing more is read: that is the only way to slow a
    /// pod down. So this connection must carry nobody else by then (see [`Self::bulky`]).
    async fn data(&self, id: u32, payload: Bytes, fin: bool) {
        let Some((pipe, error)) = self.stream(id) else { return };
        if error {
            pipe.error(&payload, fin);
            return;
        }
        let length = payload.len() as u64;
        let (held, down) = pipe.deliver(payload);
        if length > 0
            && down == length
            && let Some(pool) = self.pool.upgrade()
        {
            // Its first bytes: something listens there, so the next streams need not be careful.
            pool.serves(pipe.port);
        }
        if fin {
            pipe.finished();
        }
        let tuning = &self.tuning;
        if down > tuning.bulk || held > tuning.queue / 4 {
            self.bulky(&pipe);
        }
        if held > tuning.queue {
            let bound = if self.pairs() > 1 { tuning.queue_shared } else { tuning.queue };
            if held > bound {
                lock(&self.state).stalled = true;
                pipe.wait_for_space(bound).await;
                let mut state = lock(&self.state);
                state.stalled = false;
                state.heard = state.tick;
            }
        }
    }

    /// Proves life, finds what is stuck, and ends what nobody needs.
    async fn keep(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(self.tuning.tick);
        // After a sleep of the computer one tick passes, not a thousand.
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (ask, dead, stuck) = {
                let free = self.writer.try_lock().is_ok();
                let mut state = lock(&self.state);
                state.tick += 1;
                state.busy = if free { 0 } else { state.busy + 1 };
                if state.stalled {
                    continue;
                }
                let (tick, tuning) = (state.tick, &self.tuning);
                let uploads = state.uploads;
                state.health.notice_silence(tick, tuning.wedged, |worker| uploads[worker] > 0);
                let silent = tick.saturating_sub(state.heard);
                let asked = state.health.oldest().is_some_and(|t| tick.saturating_sub(t) >= tuning.dead);
                let dead = silent >= tuning.dead && (asked || state.busy >= tuning.dead);
                // A pod that takes its time with an upload looks the same for a while.
                let patience =
                    |worker: usize| if uploads[worker] > 0 { 2 * tuning.dead } else { tuning.wedged };
                let stuck: Vec<usize> =
                    (0..5).filter(|worker| state.health.wedged(*worker, tick, patience(*worker))).collect();
                let ask = free && tick % tuning.keep_alive == 0 && !(state.health.is_asking() && silent > 0);
                (ask, dead, stuck)
            };
            if dead {
                self.close("the connection to the API server does not answer any more");
                return;
            }
            if !stuck.is_empty() {
                self.give_up(&stuck);
            }
            if ask {
                self.ask().await;
            }
            if let Some(pool) = self.pool.upgrade() {
                pool.tidy(&self);
            }
        }
    }

    /// Workers that serve nobody any more: their streams end, and the connection takes no new ones.
    fn give_up(&self, stuck: &[usize]) {
        let ended: Vec<Arc<Pipe>> = {
            let mut state = lock(&self.state);
            state.retiring = true;
            let of = |id: &u32| stuck.contains(&worker(*id));
            state
                .streams
                .iter()
                .filter(|(id, (_, error))| of(id) && !error)
                .map(|(_, (p, _))| p.clone())
                .collect()
        };
        let why: Arc<str> = "the node does not take what is sent on this connection any more".into();
        for pipe in ended {
            pipe.over(&why);
        }
        if let Some(pool) = self.pool.upgrade() {
            pool.replenish();
        }
    }
}

fn worker(id: u32) -> usize {
    usize::try_from(id % WORKERS).unwrap_or_default()
}

impl State {
    /// The next pair of ids: on the worker with the fewest streams, both on the same.
    fn next(&mut self, one_worker: bool, keep_to: Option<usize>) -> Pair {
        if !one_worker {
            let error = if self.last == 0 { 1 } else { self.last + 2 };
            self.last = error + 2;
            return Pair { error, data: error + 2, worker: worker(error + 2) };
        }
        let first = if self.last == 0 { 1 } else { self.last + 2 };
        let candidates = (0..5).map(|step| first + 2 * step);
        let chosen = candidates
            .min_by_key(|id| {
                let worker = worker(*id);
                let other = keep_to.is_some_and(|keep_to| keep_to != worker);
                (!self.health.usable(worker), other, self.load[worker])
            })
            .unwrap_or(first);
        self.last = chosen + 2 * WORKERS;
        Pair { error: chosen, data: self.last, worker: worker(chosen) }
    }
}

/// What is between the connection's bytes and its streams.
struct Framing {
    socket: Option<websocket::Decoder>,
    pieces: Pieces,
    channels: Channels,
}

impl Framing {
    fn new(way: Way) -> Self {
        let socket = (way != Way::Plain).then(websocket::Decoder::new);
        Self { socket, pieces: Pieces::default(), channels: Channels::default() }
    }
}

/// A connection by channels: each message begins with its channel, the first two bytes of each channel are the port.
#[derive(Default)]
struct Channels {
    channel: u8,
    /// Bytes of the port that are still to come, of data and errors.
    port: [usize; 2],
    begun: [bool; 2],
}

impl Channels {
    async fn piece(&mut self, tunnel: &Tunnel, first: bool, mut payload: Bytes) {
        if first {
            self.channel = payload.split_to(1)[0];
        }
        let at = usize::from(self.channel.min(1));
        if !std::mem::replace(&mut self.begun[at], true) {
            self.port[at] = 2;
        }
        let skipped = self.port[at].min(payload.len());
        self.port[at] -= skipped;
        let payload = payload.split_off(skipped);
        if payload.is_empty() {
            return;
        }
        match self.channel {
            0 => tunnel.early(ONLY, payload).await,
            1 => tunnel.early(ONLY + 1, payload).await,
            _ => {}
        }
    }
}

impl Tunnel {
    /// Data of the only stream, which may come before anybody uses a spare connection.
    async fn early(&self, id: u32, payload: Bytes) {
        loop {
            let changed = self.pongs.notified();
            if self.stream(id).is_some() || self.is_over() {
                break;
            }
            changed.await;
        }
        self.data(id, payload, false).await;
    }

    /// A spare connection has got its stream.
    pub(super) fn claimed(&self) {
        self.pongs.notify_waiters();
    }
}
