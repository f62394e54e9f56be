//! What is between one stream of a connection and its local side.
//!
//! What it is: the state of one stream, and the way down: the reader of the connection writes straight to the local
//! socket; what the socket does not take waits here, within a bound. What it is not: a task. [`super::tunnel`] puts
//! in, [`super::carry`] takes out.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use bytes::{Buf as _, Bytes};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

use super::{Meter, lock};

/// The longest text of an error that is kept.
const LONGEST_TEXT: usize = 4096;

/// One stream.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) port: u16,
    pub(super) meter: Arc<Meter>,
    inner: Mutex<State>,
    /// More has gone through than through a short exchange.
    pub(super) bulk: AtomicBool,
    /// Something to look at for who carries down, and for who carries up.
    pub(super) news_down: Notify,
    pub(super) news_up: Notify,
    /// The reader of the connection may go on.
    space: Notify,
}

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the stream")]
struct State {
    local: Option<OwnedWriteHalf>,
    waiting: VecDeque<Bytes>,
    held: usize,
    /// The node has accepted the stream.
    accepted: bool,
    /// The pod has finished.
    fin: bool,
    /// What the error stream said.
    error: String,
    error_fin: bool,
    /// Why the connection below has ended.
    over: Option<Arc<str>>,
    /// The local side is gone; what still comes is dropped.
    gone: bool,
    /// Bytes from the pod.
    down: u64,
}

/// What has happened to a stream.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the stream")]
pub(super) struct Seen {
    pub(super) accepted: bool,
    pub(super) fin: bool,
    pub(super) error_fin: bool,
    pub(super) error: Option<String>,
    pub(super) over: Option<Arc<str>>,
    pub(super) waiting: bool,
    pub(super) gone: bool,
    pub(super) down: u64,
}

impl Pipe {
    pub(super) fn new(port: u16, meter: Arc<Meter>) -> Arc<Self> {
        Arc::new(Self {
            port,
            meter,
            inner: Mutex::default(),
            bulk: AtomicBool::new(false),
            news_down: Notify::new(),
            news_up: Notify::new(),
            space: Notify::new(),
        })
    }

    fn tell(&self) {
        self.news_down.notify_one();
        self.news_up.notify_one();
    }

    /// From now on bytes go straight to this socket.
    pub(super) fn attach(&self, local: OwnedWriteHalf) {
        lock(&self.inner).local = Some(local);
    }

    /// Gives the socket back.
    pub(super) fn detach(&self) -> Option<OwnedWriteHalf> {
        lock(&self.inner).local.take()
    }

    pub(super) fn seen(&self) -> Seen {
        let state = lock(&self.inner);
        Seen {
            accepted: state.accepted,
            fin: state.fin,
            error_fin: state.error_fin,
            error: (!state.error.is_empty()).then(|| state.error.clone()),
            over: state.over.clone(),
            waiting: state.held > 0,
            gone: state.gone,
            down: state.down,
        }
    }

    /// Nothing more is to be sent; a pod that has ended counts if `silent`.
    pub(super) fn ended(&self, silent: bool) -> bool {
        let state = lock(&self.inner);
        state.over.is_some() || state.gone || silent && (state.fin || !state.error.is_empty())
    }

    /// Waits until nobody wants what still comes.
    pub(super) async fn abandoned(&self) {
        while !lock(&self.inner).gone {
            self.news_down.notified().await;
        }
    }

    /// Why the stream failed, if it did.
    pub(super) fn failure(&self) -> Option<String> {
        let state = lock(&self.inner);
        if state.error.is_empty() {
            state.over.as_ref().map(ToString::to_string)
        } else {
            Some(state.error.clone())
        }
    }

    /// Bytes from the pod, which are taken out of `pieces`. Says how many wait now, and how many came in all.
    pub(super) fn deliver(&self, pieces: &mut Vec<Bytes>) -> (usize, u64) {
        let length = pieces.iter().map(Bytes::len).sum();
        let mut state = lock(&self.inner);
        state.down += length as u64;
        self.meter.add_down(length);
        let waiting = if state.gone || length == 0 { 0 } else { self.hand_on(&mut state, pieces, length) };
        pieces.clear();
        (waiting, state.down)
    }

    fn hand_on(&self, state: &mut State, pieces: &[Bytes], length: usize) -> usize {
        let mut written = 0;
        if state.waiting.is_empty()
            && let Some(local) = &state.local
        {
            let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            let mut left = &mut slices[..];
            while !left.is_empty() {
                match local.try_write_vectored(left) {
                    Ok(count) => {
                        written += count;
                        IoSlice::advance_slices(&mut left, count);
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                    Err(_) => {
                        state.gone = true;
                        self.tell();
                        return 0;
                    }
                }
            }
            if left.is_empty() {
                return 0;
            }
        }
        // Pieces are part of the reader's buffer, which is to be used again.
        let mut rest = Vec::with_capacity(length - written);
        let mut passed = written;
        for piece in pieces {
            let here = passed.min(piece.len());
            passed -= here;
            rest.extend_from_slice(&piece[here..]);
        }
        state.held += rest.len();
        state.waiting.push_back(rest.into());
        self.tell();
        state.held
    }

    /// Waits until less than the bound is held.
    pub(super) async fn wait_for_space(&self, bound: usize) {
        loop {
            let space = self.space.notified();
            {
                let state = lock(&self.inner);
                if state.gone || state.held < bound {
                    return;
                }
            }
            space.await;
        }
    }

    /// Writes what waits to the socket as far as it takes it. False when the socket is gone.
    pub(super) fn flush(&self) -> bool {
        let mut state = lock(&self.inner);
        let state = &mut *state;
        let Some(local) = &state.local else { return true };
        while let Some(bytes) = state.waiting.front_mut() {
            match local.try_write(bytes) {
                Ok(written) => {
                    state.held -= written;
                    bytes.advance(written);
                    if bytes.is_empty() {
                        state.waiting.pop_front();
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    state.gone = true;
                    state.waiting.clear();
                    state.held = 0;
                    self.space.notify_one();
                    return false;
                }
            }
        }
        self.space.notify_one();
        true
    }

    /// Takes what waits, for a local side that is no socket.
    pub(super) fn take(&self) -> Option<Bytes> {
        let mut state = lock(&self.inner);
        let bytes = state.waiting.pop_front()?;
        state.held -= bytes.len();
        self.space.notify_one();
        Some(bytes)
    }

    pub(super) fn accepted(&self) {
        lock(&self.inner).accepted = true;
        self.tell();
    }

    /// The pod has finished.
    pub(super) fn finished(&self) {
        lock(&self.inner).fin = true;
        self.tell();
    }

    pub(super) fn error(&self, text: &[u8], fin: bool) {
        let mut state = lock(&self.inner);
        let text = String::from_utf8_lossy(text);
        if state.error.len() + text.len() <= LONGEST_TEXT {
            state.error.push_str(&text);
        }
        state.error_fin |= fin;
        drop(state);
        self.tell();
    }

    /// The connection below has ended.
    pub(super) fn over(&self, why: &Arc<str>) {
        lock(&self.inner).over = Some(why.clone());
        self.tell();
    }

    /// Nobody wants what still comes.
    pub(super) fn abandon(&self) {
        let mut state = lock(&self.inner);
        state.gone = true;
        state.waiting.clear();
        state.held = 0;
        drop(state);
        self.space.notify_one();
        self.tell();
    }
}
