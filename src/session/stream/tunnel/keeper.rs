//! What happens to a connection with time.

use std::sync::Arc;

use super::super::lock;
use super::super::pipe::Pipe;
use super::Tunnel;
use super::state::worker;

impl Tunnel {
    /// Proves life, finds what is stuck, and ends what nobody needs.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(self.tuning.tick);
        // After a sleep of the computer one tick passes, not a thousand.
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (ask, dead, stuck, behind, replace) = {
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
                let waited = |worker: usize, patience: u64| {
                    let patience = if uploads[worker] > 0 { 2 * tuning.dead } else { patience };
                    state.health.wedged(worker, tick, patience)
                };
                // A server under load is as silent for a while: streams are ended only when it can't be that.
                let stuck: [bool; 5] = std::array::from_fn(|worker| waited(worker, tuning.dead));
                let behind: [bool; 5] = std::array::from_fn(|worker| {
                    state.health.refused(worker) && waited(worker, tuning.wedged)
                });
                state.retiring |= (0..5).any(|worker| waited(worker, tuning.wedged));
                let ask = free && tick % tuning.keep_alive == 0 && !(state.health.is_asking() && silent > 0);
                let replace = state.retiring && !state.replaced;
                state.replaced = state.retiring;
                (ask, dead, stuck, behind, replace)
            };
            if dead {
                self.close("the connection to the API server does not answer any more");
                return;
            }
            self.give_up(stuck, behind);
            if replace && let Some(pool) = self.pool.upgrade() {
                pool.replenish();
            }
            if ask {
                self.ask().await;
            }
            match self.pool.upgrade() {
                Some(pool) => pool.tidy(&self),
                // Its pod's were dropped while it was being opened: there will be no stream for it.
                None => self.retire(),
            }
        }
    }

    /// Ends the streams of workers that are `stuck`, and those that wait `behind` something that nobody reads to be
    /// opened. The connection takes no new ones by then.
    fn give_up(&self, stuck: [bool; 5], behind: [bool; 5]) {
        if stuck == [false; 5] && behind == [false; 5] {
            return;
        }
        let ended: Vec<Arc<Pipe>> = {
            let state = lock(&self.state);
            let data = state.streams.iter().filter(|(_, (_, error))| !error);
            let ends =
                |id: u32, pipe: &Pipe| stuck[worker(id)] || behind[worker(id)] && !pipe.seen().accepted;
            data.filter(|(id, (pipe, _))| ends(**id, pipe)).map(|(_, (pipe, _))| pipe.clone()).collect()
        };
        let why: Arc<str> = "the node does not take what is sent on this connection any more".into();
        for pipe in ended {
            pipe.over(&why);
        }
    }
}
