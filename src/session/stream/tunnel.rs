//! One connection to one pod, with many streams on it.
//!
//! What it is: what streams ask of it: to be opened, to send, to end, to prove that it lives. What comes in is
//! `reader`'s, what happens with time `keeper`'s, ids and what else its streams share `state`'s. What it is not: which
//! connection a stream gets ([`super::pool`]) and what goes over a stream ([`super::carry`]).

mod keeper;
mod reader;
mod state;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

pub(super) use self::state::Pair;
use self::state::State;
use super::dial::Way;
use super::pipe::Pipe;
use super::pool::Pool;
use super::writer::{Io, Writer};
use super::{Tuning, lock};
use crate::wire::spdy::{Frame, Headers};
use crate::wire::websocket::Opcode;

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

/// The connection has ended.
#[derive(Clone, Debug)]
pub(super) struct Over(pub(super) Arc<str>);

/// That a connection broke, in words for who looks at a forward: libraries have their own, with links in them.
fn lost(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    let why = match error.kind() {
        ErrorKind::UnexpectedEof => "the other side has closed it".to_owned(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => "the other side has broken it off".to_owned(),
        _ => error.to_string(),
    };
    format!("the connection to the API server is lost: {why}")
}

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
        let tasks = vec![reader, keeper];
        let mut state = lock(&tunnel.state);
        if state.over.is_none() {
            state.tasks = tasks;
        } else {
            // What came in first was its end.
            tasks.iter().for_each(AbortHandle::abort);
        }
        drop(state);
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
            pool.forget(self);
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
            self.close(&lost(&error));
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_s_words_are_not_told() {
        let error = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "see https://docs.example/eof");
        assert_eq!(lost(&error), "the connection to the API server is lost: the other side has closed it");
    }
}
