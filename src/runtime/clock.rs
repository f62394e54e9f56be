//! The one place that looks at a clock.

use jiff::Timestamp;

/// Where the loop gets the time from. Tests hand in one that they turn themselves.
pub trait Clock: Send {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The computer's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Seconds since the clock was made, added to a fixed time: notices go away also over a saved file.
#[derive(Clone, Copy, Debug)]
pub struct OffsetClock {
    base: Timestamp,
    started: std::time::Instant,
}

impl OffsetClock {
    /// A clock that begins at `base`.
    pub fn new(base: Timestamp) -> Self {
        Self { base, started: std::time::Instant::now() }
    }
}

impl Clock for OffsetClock {
    fn now(&self) -> Timestamp {
        let elapsed = jiff::SignedDuration::try_from(self.started.elapsed()).unwrap_or_default();
        self.base.saturating_add(elapsed).unwrap_or(self.base)
    }
}
