//! Whether this computer has slept, or the program stood still.
//!
//! What it is: two clocks compared between two looks. What it is not: it asks no system for its power events, which
//! every one tells otherwise and containers not at all.
//!
//! Most systems stop the steady clock during a sleep, the wall clock never stands still, and a program that was
//! stopped (`SIGSTOP`, a frozen container) sees both go on. So whichever has gone further counts; a wall clock that was
//! set back says nothing, and one that was set forward costs a few needless questions.

use std::time::Duration;

use tokio::time::Instant;

use super::clock::Clock;
use crate::model::time::Timestamp;

/// How often to look, at least.
pub(super) const PERIOD: Duration = Duration::from_secs(5);
/// A gap between two looks that no busy computer makes.
const GAP: Duration = Duration::from_secs(20);

/// Remembers the last look.
#[derive(Clone, Copy, Debug)]
pub struct Wake {
    wall: Timestamp,
    steady: Instant,
}

impl Wake {
    /// The first look.
    pub fn new(wall: Timestamp, steady: Instant) -> Self {
        Self { wall, steady }
    }

    /// Another look: since when nothing was looked at, if that is so long ago that there must have been a sleep.
    pub fn look(&mut self, wall: Timestamp, steady: Instant) -> Option<Timestamp> {
        let before = std::mem::replace(self, Self { wall, steady });
        let by_wall = Duration::try_from(wall.duration_since(before.wall)).unwrap_or_default();
        let gap = by_wall.max(steady.duration_since(before.steady));
        (gap >= GAP).then_some(before.wall)
    }
}

/// Looks for ever, and tells of every sleep. For commands that have no loop of their own.
pub async fn mind(clock: &dyn Clock, mut woke: impl FnMut(Timestamp)) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut wake = Wake::new(clock.now(), Instant::now());
    loop {
        ticks.tick().await;
        if let Some(since) = wake.look(clock.now(), Instant::now()) {
            woke(since);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_on_either_clock_is_a_sleep_and_a_clock_that_is_set_back_is_none() {
        let (wall, steady) = (Timestamp::UNIX_EPOCH, Instant::now());
        let at = |wall_s: i64, steady_s: u64| {
            let wall = wall.saturating_add(jiff::SignedDuration::from_secs(wall_s)).unwrap();
            let mut wake = Wake::new(Timestamp::UNIX_EPOCH, steady);
            wake.look(wall, steady + Duration::from_secs(steady_s))
        };
        assert_eq!(at(5, 5), None);
        assert_eq!(at(19, 19), None, "a busy computer");
        assert_eq!(at(8 * 3600, 5), Some(wall), "the steady clock stood still");
        assert_eq!(at(120, 120), Some(wall), "the program stood still");
        assert_eq!(at(-3600, 5), None, "set back");
        assert_eq!(at(-3600, 120), Some(wall), "set back in a sleep");
    }

    #[test]
    fn a_sleep_is_told_once() {
        let steady = Instant::now();
        let mut wake = Wake::new(Timestamp::UNIX_EPOCH, steady);
        let later = Timestamp::UNIX_EPOCH.saturating_add(jiff::SignedDuration::from_hours(1)).unwrap();
        assert!(wake.look(later, steady).is_some());
        assert!(wake.look(later, steady + PERIOD).is_none());
    }
}
