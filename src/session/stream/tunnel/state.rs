//! Ids, and what the streams of a connection share.
//!
//! Ids: both streams of a pair are of one residue modulo five, so that what the pair does to its worker stays within
//! a fifth of the connection; gaps are allowed (spdystream: `validateStreamId`).

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::AbortHandle;

use super::super::health::{Health, WORKERS};
use super::super::pipe::Pipe;

/// What changes while a connection lives.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the connection")]
pub(super) struct State {
    /// Data streams and error streams by their ids; the flag says that it is the error stream.
    pub(super) streams: HashMap<u32, (Arc<Pipe>, bool)>,
    /// Pairs on each worker.
    pub(super) load: [usize; 5],
    /// Long uploads on each worker.
    pub(super) uploads: [usize; 5],
    pub(super) last: u32,
    pub(super) pairs: usize,
    pub(super) bulk: usize,
    pub(super) used: bool,
    pub(super) health: Health,
    pub(super) tick: u64,
    /// The reader waits for a local reader; so long nothing is heard, and nothing follows from it.
    pub(super) stalled: bool,
    /// Ticks for which the sending side has not been free.
    pub(super) busy: u64,
    /// When the last bytes came, and when the last stream ended.
    pub(super) heard: u64,
    pub(super) left: u64,
    /// It may not have outlived a sleep of the computer: no new streams until it has answered.
    pub(super) doubtful: bool,
    /// No new streams; it is closed when the present ones have ended.
    pub(super) retiring: bool,
    /// Another one has been asked for in its place.
    pub(super) replaced: bool,
    pub(super) over: Option<Arc<str>>,
    pub(super) tasks: Vec<AbortHandle>,
}

/// A pair of streams of a tunnel.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Pair {
    pub(in super::super) error: u32,
    pub(in super::super) data: u32,
    pub(in super::super) worker: usize,
}

/// The worker of a stream.
pub(super) fn worker(id: u32) -> usize {
    usize::try_from(id % WORKERS).unwrap_or_default()
}

impl State {
    /// The next pair of ids: on the worker with the fewest streams, both on the same.
    pub(super) fn next(&mut self, one_worker: bool, keep_to: Option<usize>) -> Pair {
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
