//! Which of a connection's five workers live, as far as pings tell.
//!
//! What it is: the numbers of pings, pure. Pings go to the workers in turn, a client's first one to worker 0, each
//! after the frames that were queued there before it; so an answer proves that everything before it was taken. What it
//! is not: it sends nothing. Only [`super::tunnel`] uses it. (spdystream: `Connection.Serve`, `partitionRoundRobin`.)

use std::collections::VecDeque;

/// How many workers a server has for one connection.
pub(super) const WORKERS: u32 = 5;

/// A ping without its answer.
#[derive(Clone, Copy, Debug)]
struct Asked {
    number: u32,
    tick: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Pings so far.
    sent: u32,
    waiting: VecDeque<Asked>,
    /// The last ping that each worker answered.
    answered: [u32; 5],
    /// Not to be used before this ping is answered: something was sent that perhaps nobody reads.
    suspect: [Option<u32>; 5],
    /// It is in doubt because of what was sent to it, not because it is slow.
    refused: [bool; 5],
}

/// The id that a ping has; odd, as clients' are.
fn id_of(number: u32) -> u32 {
    number.wrapping_mul(2).wrapping_sub(1)
}

/// Who handles the ping of a number; the first one has the number 1.
fn worker_of(number: u32) -> usize {
    usize::try_from(number.wrapping_sub(1) % WORKERS).unwrap_or_default()
}

impl Health {
    /// The next ping's id and number.
    fn ask(&mut self, tick: u64) -> (u32, u32) {
        self.sent += 1;
        self.waiting.push_back(Asked { number: self.sent, tick });
        (id_of(self.sent), self.sent)
    }

    /// A ping to each worker.
    pub(super) fn ask_all(&mut self, tick: u64) -> [u32; 5] {
        std::array::from_fn(|_| self.ask(tick).0)
    }

    /// As many pings as it takes to reach a worker; their ids, and the number whose answer is the worker's.
    pub(super) fn ask_worker(&mut self, worker: usize, tick: u64) -> (Vec<u32>, u32) {
        let mut ids = Vec::with_capacity(5);
        loop {
            let (id, number) = self.ask(tick);
            ids.push(id);
            if worker_of(number) == worker {
                return (ids, number);
            }
        }
    }

    /// An answer has come.
    pub(super) fn answer(&mut self, id: u32) {
        let Some(at) = self.waiting.iter().position(|asked| id_of(asked.number) == id) else { return };
        let Some(asked) = self.waiting.remove(at) else { return };
        let worker = worker_of(asked.number);
        self.answered[worker] = self.answered[worker].max(asked.number);
        if self.suspect[worker].is_some_and(|until| asked.number >= until) {
            self.suspect[worker] = None;
            self.refused[worker] = false;
        }
    }

    /// Whether a worker has answered this ping, or a later one.
    pub(super) fn has_answered(&self, number: u32) -> bool {
        self.answered[worker_of(number)] >= number
    }

    /// The worker is not to be used for the moment.
    pub(super) fn avoid(&mut self, worker: usize) {
        self.suspect[worker].get_or_insert(u32::MAX);
        self.refused[worker] = true;
    }

    /// The worker may have got something that nobody reads: it is not to be used until it answers the pings, which
    /// are returned and have to be sent. While it owes an answer it is not asked again: its queue has fifty places,
    /// and when they are full the whole connection stands still.
    pub(super) fn doubt(&mut self, worker: usize, tick: u64) -> Option<[u32; 5]> {
        if self.suspect[worker].is_some_and(|until| until != u32::MAX) {
            return None;
        }
        self.suspect[worker] = Some(self.sent + 1);
        self.refused[worker] = true;
        Some(self.ask_all(tick))
    }

    /// Whether any worker is in doubt.
    pub(super) fn in_doubt(&self) -> bool {
        self.suspect.iter().any(Option::is_some)
    }

    /// Whether a new stream may use the worker.
    pub(super) fn usable(&self, worker: usize) -> bool {
        self.suspect[worker].is_none()
    }

    /// Whether the worker is in doubt because of what was sent to it.
    pub(super) fn refused(&self, worker: usize) -> bool {
        self.refused[worker]
    }

    /// Whether the worker is in doubt and has been silent for so many ticks while others have answered later pings.
    pub(super) fn wedged(&self, worker: usize, tick: u64, patience: u64) -> bool {
        if self.suspect[worker].is_none() {
            return false;
        }
        let oldest = self.waiting.iter().find(|asked| worker_of(asked.number) == worker);
        oldest.is_some_and(|asked| {
            tick.saturating_sub(asked.tick) >= patience
                && self.answered.iter().any(|answered| *answered > 0 && *answered + WORKERS > asked.number)
        })
    }

    /// A worker that is silent without a doubt about it, and not `excused`: in doubt from now on.
    pub(super) fn notice_silence(&mut self, tick: u64, patience: u64, excused: impl Fn(usize) -> bool) {
        for worker in (0..5).filter(|worker| !excused(*worker)) {
            let oldest = self.waiting.iter().find(|asked| worker_of(asked.number) == worker);
            let Some(asked) = oldest else { continue };
            let later = self.answered.iter().any(|answered| *answered > asked.number);
            if later && tick.saturating_sub(asked.tick) >= patience && self.suspect[worker].is_none() {
                self.suspect[worker] = Some(asked.number);
            }
        }
    }

    /// The tick of the oldest ping without an answer.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.waiting.front().map(|asked| asked.tick)
    }

    /// The last ping's tick; pings that are still out make another one needless.
    pub(super) fn is_asking(&self) -> bool {
        !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_go_to_the_workers_in_turn_and_the_first_to_worker_0() {
        let mut health = Health::default();
        let (ids, number) = health.ask_worker(2, 0);
        assert_eq!((ids, number), (vec![1, 3, 5], 3));
        let (ids, number) = health.ask_worker(2, 0);
        assert_eq!((ids.len(), number), (5, 8));
        health.answer(5);
        assert!(health.has_answered(3) && !health.has_answered(8));
        health.answer(15);
        assert!(health.has_answered(8));
    }

    #[test]
    fn a_worker_in_doubt_is_not_used_until_it_answers() {
        let mut health = Health::default();
        let ids = health.doubt(1, 0).unwrap();
        assert_eq!(health.doubt(1, 0), None);
        assert!(!health.usable(1) && health.usable(2));
        assert!(!health.wedged(1, 9, 3), "nobody has answered: the way is slow, not the worker");
        for id in [ids[0], ids[2], ids[3], ids[4]] {
            health.answer(id);
        }
        assert!(!health.wedged(1, 2, 3) && health.wedged(1, 3, 3));
        assert!(health.refused(1) && !health.refused(2));
        health.answer(ids[1]);
        assert!(!health.refused(1) && health.usable(1) && !health.wedged(1, 9, 3));
    }

    #[test]
    fn silence_while_others_answer_is_noticed() {
        let mut health = Health::default();
        let first = health.ask_all(0);
        for id in [first[0], first[2], first[3], first[4]] {
            health.answer(id);
        }
        health.notice_silence(5, 3, |worker| worker == 1);
        assert!(health.usable(1), "an upload waits there");
        health.notice_silence(5, 3, |_| false);
        assert!(!health.usable(1) && health.usable(2) && !health.refused(1));
    }
}
