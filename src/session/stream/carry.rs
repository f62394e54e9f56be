//! What goes over one stream, in both directions, from its opening to its end.
//!
//! What it is: the rules of one stream. What it is not: a listener. They are, each with what it is for:
//!
//! - The first data goes out with the opening, without waiting for its acceptance: one round trip less. If the port
//!   refused lately it waits until the refusal would have come.
//! - To a pod that has ended nothing is sent but our own end: its worker at the node would wait for a reader forever.
//! - Uploads stop when pings behind their data are not answered: the node would pile them up.
//! - Our end is held back while the pod sends, and until it has been quiet: the node closes both directions a second
//!   after it, and what the pod still had to say is lost.

mod down;

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::BufMut as _;
use tokio::io::{AsyncReadExt as _, DuplexStream, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::{Instant, sleep, timeout};

use self::down::{down_to_memory, down_to_socket};
use super::dial::Way;
use super::pipe::Pipe;
use super::pool::{Pool, Shared};
use super::tunnel::{Over, Pair, Tunnel};
use super::writer::ROOM;

/// After so many frames of an upload a ping is sent behind them.
const CREDIT: u32 = 16;
/// So many of those may be without an answer.
const CREDITS: usize = 2;
/// So many streams at once may send first data with their opening to a port from which nothing has come so far: should
/// it refuse, its worker serves nobody any more, those behind it neither.
const UNPROVEN: usize = 1;
/// What was sent is kept so long, to be sent to another pod if this one refuses.
const REPLAY: usize = 32 * 1024;
/// An answer that took longer, or was larger, may have been cut by the end.
const ANSWER: Duration = Duration::from_secs(3);
const ANSWER_SIZE: u64 = 64 * 1024;
/// A pod's end is told a second late: data that was sent in the meantime had no reader.
const LATE: Duration = Duration::from_secs(3);

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The pod has ended it.
    Pod,
    /// The local side has gone.
    Local,
    /// The node could not connect to the port; its own words.
    Refused(Arc<str>),
    /// The connection to the API server ended under it; why.
    Lost(Arc<str>),
}

/// A stream that has ended.
#[derive(Debug)]
pub struct Carried {
    /// How.
    pub end: End,
    /// Bytes from the pod, and to it.
    pub down: u64,
    /// Bytes to the pod.
    pub up: u64,
    /// The pod ended it moments after it had answered what the client sent last: that was a whole answer, as far as
    /// bytes tell.
    pub answered: bool,
    /// The local connection, if nothing has reached a pod for certain: with what was read from it, to be carried to
    /// another one.
    pub again: Option<(TcpStream, Vec<u8>)>,
}

/// The local side of a stream.
pub(super) enum Local {
    /// A socket; its writing half is the pipe's.
    Tcp(OwnedReadHalf),
    /// A stream in memory.
    Memory(ReadHalf<DuplexStream>, WriteHalf<DuplexStream>),
}

impl Local {
    pub(super) fn tcp(socket: TcpStream, pipe: &Pipe) -> Self {
        // Small answers of interactive protocols must not wait for more.
        let _ = socket.set_nodelay(true);
        let (read, write) = socket.into_split();
        pipe.attach(write);
        Self::Tcp(read)
    }

    pub(super) fn memory(stream: DuplexStream) -> Self {
        let (read, write) = split(stream);
        Self::Memory(read, write)
    }
}

/// The sending side of the local connection.
enum Source<'a> {
    Tcp(&'a OwnedReadHalf),
    Memory(&'a mut ReadHalf<DuplexStream>),
}

/// What reading from it gave.
enum Got {
    /// Bytes behind the room of a buffer.
    Bytes(Vec<u8>),
    /// The client has finished.
    End,
    /// The client is gone.
    Gone,
    /// There is nobody to send to.
    Stop,
}

/// One stream at work.
struct Job<'a> {
    pool: &'a Pool,
    tunnel: &'a Tunnel,
    pipe: &'a Arc<Pipe>,
    pair: Pair,
    sent: u64,
    frames: u32,
    last: Option<Instant>,
    /// Bytes that had come from the pod by then.
    heard: u64,
    owed: VecDeque<u32>,
    finished: bool,
    replay: Option<Vec<u8>>,
}

/// Carries a stream over a connection until it has ended. Must not be dropped before: see [`super::Tunnels::carry`].
pub(super) async fn carry(
    pool: &Arc<Pool>,
    tunnel: &Arc<Tunnel>,
    pipe: &Arc<Pipe>,
    local: Local,
    first: Vec<u8>,
) -> Carried {
    let unproven = pool.begin(pipe.port);
    let careful = tunnel.way != Way::Channels && (unproven > UNPROVEN || pool.refused_lately(pipe.port));
    let carried = over(pool, tunnel, pipe, local, first, careful).await;
    pool.end(pipe.port);
    carried
}

/// The same, when it is known whether the first data has to wait.
async fn over(
    pool: &Arc<Pool>,
    tunnel: &Arc<Tunnel>,
    pipe: &Arc<Pipe>,
    mut local: Local,
    mut first: Vec<u8>,
    careful: bool,
) -> Carried {
    if first.is_empty()
        && !careful
        && let Local::Tcp(read) = &local
    {
        // Clients that speak first have often done so by now.
        tokio::task::yield_now().await;
        let mut buffer = vec![0; 4096];
        if let Ok(count) = read.try_read(&mut buffer)
            && count > 0
        {
            buffer.truncate(count);
            first = buffer;
        }
    }
    let opening = if careful { &[][..] } else { &first };
    // One that is careful keeps away from the worker of one that is not.
    let apart = if careful { None } else { pool.worker(pipe.port) };
    let pair = match tunnel.pair(pipe, opening, apart).await {
        Ok(pair) => pair,
        Err(Over(why)) => {
            // Who reads the stream has to hear of it.
            pipe.over(&why);
            return give_back(pipe, local, End::Lost(why), Some(first), 0);
        }
    };
    if tunnel.way == Way::Channels {
        tunnel.claimed();
        pool.spare(pipe.port);
    }
    pipe.meter.add_up(opening.len());
    let mut job = Job {
        pool,
        tunnel,
        pipe,
        pair,
        sent: opening.len() as u64,
        frames: u32::from(!opening.is_empty()),
        last: (!opening.is_empty()).then(Instant::now),
        heard: 0,
        owed: VecDeque::new(),
        finished: false,
        replay: Some(first.clone()),
    };
    let held = careful.then_some(first);
    let end = match &mut local {
        Local::Tcp(read) => {
            let down = pin!(down_to_socket(pipe, read));
            job.both(Source::Tcp(read), held, down).await
        }
        Local::Memory(read, write) => {
            let down = pin!(down_to_memory(pipe, write));
            job.both(Source::Memory(read), held, down).await
        }
    };
    job.settle(&end).await;
    let answered = (1..ANSWER_SIZE).contains(&(pipe.seen().down - job.heard))
        && job.last.is_some_and(|last| last.elapsed() < ANSWER);
    let (sent, replay) = (job.sent, job.replay.take());
    Carried { answered, ..give_back(pipe, local, end, replay, sent) }
}

/// What is told of a stream that has ended, with its socket if it can be used again.
fn give_back(pipe: &Pipe, local: Local, end: End, replay: Option<Vec<u8>>, up: u64) -> Carried {
    let down = pipe.seen().down;
    let write = pipe.detach();
    let mut again = None;
    if let (Local::Tcp(read), Some(write)) = (local, write) {
        let unused = match &end {
            End::Refused(_) => down == 0,
            // Whether the pod got what was sent is not known.
            End::Lost(_) => down == 0 && up == 0,
            End::Pod | End::Local => false,
        };
        match replay {
            Some(replay) if unused => again = read.reunite(write).ok().map(|socket| (socket, replay)),
            _ if matches!(end, End::Lost(_)) => {
                // An answer that was cut must not look complete.
                if let Ok(socket) = read.reunite(write) {
                    let _ = socket.set_zero_linger();
                }
            }
            _ => {}
        }
    }
    Carried { end, down, up, answered: false, again }
}

impl Job<'_> {
    /// Runs both directions until the stream has ended. Neither is dropped in the middle of a frame.
    async fn both(
        &mut self,
        source: Source<'_>,
        held: Option<Vec<u8>>,
        mut down: Pin<&mut impl Future<Output = End>>,
    ) -> End {
        let pipe = self.pipe;
        let mut up = pin!(self.up(source, held));
        let gone = tokio::select! {
            end = &mut down => {
                pipe.abandon();
                up.await;
                return end;
            }
            gone = &mut up => gone,
        };
        if gone {
            pipe.abandon();
            return End::Local;
        }
        down.await
    }

    /// What the local side sends. True when it is gone.
    async fn up(&mut self, mut source: Source<'_>, held: Option<Vec<u8>>) -> bool {
        if !self.careful(held).await {
            return false;
        }
        loop {
            match self.read(&mut source).await {
                Got::Bytes(mut buffer) => {
                    let goes_on = self.send(&mut buffer).await;
                    self.pool.shared.give_back(buffer);
                    if !goes_on {
                        return false;
                    }
                }
                Got::End => {
                    self.hold_end().await;
                    return false;
                }
                Got::Gone => return true,
                Got::Stop => return false,
            }
        }
    }

    /// Sends what was held back, when the port would have refused by now.
    async fn careful(&mut self, held: Option<Vec<u8>>) -> bool {
        let Some(held) = held else { return true };
        while !self.pipe.seen().accepted {
            if self.stopped() {
                return false;
            }
            self.pipe.news_up.notified().await;
        }
        if timeout(self.tunnel.tuning.refused_delay, self.ended()).await.is_ok() {
            return false;
        }
        if held.is_empty() {
            return true;
        }
        let mut buffer = vec![0; ROOM];
        buffer.extend_from_slice(&held);
        self.replay = Some(Vec::new());
        self.send(&mut buffer).await
    }

    fn stopped(&self) -> bool {
        self.pipe.ended(self.tunnel.tuning.silent_after_end)
    }

    async fn ended(&self) {
        while !self.stopped() {
            self.pipe.news_up.notified().await;
        }
    }

    async fn read(&self, source: &mut Source<'_>) -> Got {
        loop {
            let mut buffer;
            let result = match source {
                Source::Tcp(read) => {
                    tokio::select! {
                        biased;
                        () = self.ended() => return Got::Stop,
                        _ = read.readable() => {}
                    }
                    // Idle streams hold no buffer.
                    let large = self.pipe.bulk.load(Ordering::Relaxed);
                    buffer = self.pool.shared.buffer(large);
                    read.try_read_buf(&mut (&mut buffer).limit(Shared::read_size(large)))
                }
                Source::Memory(read) => {
                    buffer = vec![0; ROOM];
                    buffer.reserve(16 * 1024);
                    tokio::select! {
                        biased;
                        () = self.ended() => return Got::Stop,
                        result = read.read_buf(&mut buffer) => result,
                    }
                }
            };
            match result {
                Ok(0) => return Got::End,
                Ok(_) => return Got::Bytes(buffer),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.pool.shared.give_back(buffer);
                }
                Err(_) => return Got::Gone,
            }
        }
    }

    /// Sends a buffer. False when nothing more is to be sent.
    async fn send(&mut self, buffer: &mut Vec<u8>) -> bool {
        if !self.credit().await {
            return false;
        }
        let count = buffer.len() - ROOM;
        if let Some(replay) = &mut self.replay {
            if replay.len() + count > REPLAY || self.pipe.seen().down > 0 {
                self.replay = None;
            } else {
                replay.extend_from_slice(&buffer[ROOM..]);
            }
        }
        self.frames += 1;
        if self.frames == CREDIT {
            self.tunnel.uploads(self.pair);
        }
        let asks = self.tunnel.tuning.credit && self.frames.is_multiple_of(CREDIT);
        let Ok(number) = self.tunnel.send(self.pair, buffer, asks).await else { return false };
        if number > 0 {
            self.owed.push_back(number);
        }
        self.last = Some(Instant::now());
        self.heard = self.pipe.seen().down;
        self.sent += count as u64;
        self.pipe.meter.add_up(count);
        if self.sent > self.tunnel.tuning.bulk {
            self.tunnel.bulky(self.pipe);
        }
        true
    }

    /// Waits until the node has taken what was sent, but for the last part. False when nothing more is to be sent.
    async fn credit(&mut self) -> bool {
        while let Some(number) = self.owed.front().copied() {
            if self.tunnel.has_answered(number) {
                self.owed.pop_front();
                continue;
            }
            if self.owed.len() < CREDITS {
                break;
            }
            loop {
                let pong = self.tunnel.pongs.notified();
                if self.tunnel.has_answered(number) || self.stopped() {
                    break;
                }
                tokio::select! {
                    () = pong => {}
                    () = self.ended() => break,
                }
            }
            if self.stopped() {
                return false;
            }
        }
        !self.stopped()
    }

    /// The client has finished: that is told when the pod has been quiet for a while.
    async fn hold_end(&mut self) {
        let tuning = &self.tunnel.tuning;
        let mut before = self.pipe.seen();
        loop {
            let hold = if before.down > 0 { tuning.hold_end } else { tuning.hold_end_unanswered };
            tokio::select! {
                () = sleep(hold) => {}
                () = self.ended() => return,
            }
            let now = self.pipe.seen();
            if hold.is_zero() || now.down == before.down && !now.waiting {
                break;
            }
            before = now;
        }
        self.finished = self.tunnel.finish(self.pair).await.is_ok();
    }

    /// Leaves the connection in order.
    async fn settle(&mut self, end: &End) {
        let seen = self.pipe.seen();
        match end {
            End::Pod => {
                if !self.finished {
                    let _ = self.tunnel.finish(self.pair).await;
                }
                if self.last.is_some_and(|last| last.elapsed() < LATE) {
                    self.tunnel.check().await;
                }
            }
            End::Local => {
                let _ = self.tunnel.reset(self.pair).await;
            }
            End::Refused(_) => {
                self.pool.refused(self.pipe.port);
                if self.frames > 0 {
                    self.tunnel.doubt(self.pair.worker).await;
                }
                if !self.finished {
                    let _ = self.tunnel.finish(self.pair).await;
                }
            }
            End::Lost(_) => {}
        }
        if seen.down > 0 {
            self.pool.serves(self.pipe.port);
        }
        self.tunnel.leave(self.pair, self.pipe.bulk.load(Ordering::Relaxed), self.frames >= CREDIT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<F: Future>(_: impl FnOnce(Arc<Pool>, Arc<Tunnel>, Arc<Pipe>, Local) -> F) -> usize {
        size_of::<F>()
    }

    /// See the test of the same kind in `session::forward::connection`.
    #[test]
    fn a_stream_at_work_is_small() {
        let size = size(|pool, tunnel, pipe, local| async move {
            carry(&pool, &tunnel, &pipe, local, Vec::new()).await;
        });
        assert!(size < 1800, "{size} bytes");
    }
}
