//! What is true of a forward now, gathered from its connections, and told when it changes.
//!
//! What it is: the one place where a state is decided. What it is not: it acts on nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::listen::{Bound, words};
use crate::model::Text;
use crate::model::session::backends::{Backend, Backends};
use crate::model::session::{ForwardId, ForwardSpec, ForwardState, ForwardStatus, LastError, Rates};
use crate::model::time::Timestamp;
use crate::session::stream::Meter;

/// Changes are told so far apart at least.
const APART: Duration = Duration::from_millis(30);
/// Rates are of seconds.
const SECOND: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Live {
    state: Mutex<State>,
    meter: Arc<Meter>,
    changed: Notify,
    clock: fn() -> Timestamp,
}

struct State {
    status: ForwardStatus,
    bound: bool,
    closed: bool,
    /// There is no endpoint: why, since when.
    none: Option<(Text, Timestamp)>,
    /// The last thing that was tried failed.
    trouble: Option<(Text, Timestamp)>,
    worked: bool,
}

/// Counts a connection as open while it lives.
pub(super) struct Open<'a>(&'a Live);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.status.open -= 1);
    }
}

impl Live {
    pub(super) fn new(id: ForwardId, context: Text, spec: &ForwardSpec, clock: fn() -> Timestamp) -> Self {
        let status = ForwardStatus {
            id,
            context,
            spec: spec.clone(),
            local: Vec::new(),
            taken: None,
            state: ForwardState::Opening,
            pod: None,
            pod_port: None,
            target_port: None,
            ready: 0,
            open: 0,
            total: 0,
            failed: 0,
            bytes_in: 0,
            bytes_out: 0,
            rates: Rates::default(),
            last_error: None,
            started_at: clock(),
        };
        let state = State { status, bound: false, closed: false, none: None, trouble: None, worked: false };
        Self { state: Mutex::new(state), meter: Arc::default(), changed: Notify::new(), clock }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        state.decide();
        drop(state);
        self.changed.notify_one();
    }

    pub(super) fn meter(&self) -> Arc<Meter> {
        self.meter.clone()
    }

    pub(super) fn pod(&self) -> Option<Text> {
        self.state().status.pod.clone()
    }

    pub(super) fn has_worked(&self) -> bool {
        self.state().worked
    }

    pub(super) fn listening(&self, bound: &Bound) {
        let now = (self.clock)();
        self.change(|state| {
            state.bound = true;
            state.status.local.clone_from(&bound.local);
            state.status.taken.clone_from(&bound.taken);
            if let Some(taken) = &bound.taken {
                state.status.last_error = Some(LastError { text: words(taken).into(), at: now });
            }
        });
    }

    pub(super) fn close(&self, why: &str) {
        self.change(|state| {
            state.closed = true;
            state.status.local.clear();
            state.status.state = ForwardState::Closed { why: why.into() };
        });
    }

    pub(super) fn backends(&self, backends: &Backends) {
        let now = (self.clock)();
        self.change(|state| {
            state.status.ready = backends.ready.len();
            state.status.target_port = backends.own_port.or(state.status.target_port);
            let known = state.status.pod.as_ref();
            if known.is_none_or(|pod| !backends.ready.iter().any(|b| b.pod == *pod)) {
                let next = backends.ready.first();
                state.status.pod = next.map(|b| b.pod.clone());
                state.status.pod_port = next.map(|b| b.port).or(state.status.pod_port);
            }
            state.none = match (&state.none, backends.ready.is_empty()) {
                (_, false) => None,
                (Some((_, since)), true) => Some((backends.why_none.clone(), *since)),
                (None, true) => Some((backends.why_none.clone(), now)),
            };
        });
    }

    pub(super) fn connection(&self) -> Open<'_> {
        self.change(|state| {
            state.status.open += 1;
            state.status.total += 1;
        });
        Open(self)
    }

    pub(super) fn uses(&self, backend: &Backend) {
        self.change(|state| {
            state.status.pod = Some(backend.pod.clone());
            state.status.pod_port = Some(backend.port);
        });
    }

    pub(super) fn worked(&self) {
        self.change(|state| {
            state.worked = true;
            state.trouble = None;
        });
    }

    /// A connection failed.
    pub(super) fn failed(&self, why: &str) {
        self.change(|state| state.status.failed += 1);
        self.problem(why);
    }

    /// Something failed that is perhaps tried again.
    pub(super) fn problem(&self, why: &str) {
        let now = (self.clock)();
        self.change(|state| {
            let since = state.trouble.as_ref().map_or(now, |(_, since)| *since);
            state.trouble = Some((why.into(), since));
            state.status.last_error = Some(LastError { text: why.into(), at: now });
        });
    }

    /// A probe was answered: what was wrong with the way is over. What a port said is not the way's.
    pub(super) fn way_is_there(&self) {
        let state = self.state();
        let lost = state.trouble.as_ref().is_some_and(|(why, _)| !why.contains("connection refused"));
        drop(state);
        if lost {
            self.change(|state| state.trouble = None);
        }
    }

    pub(super) fn way_is_lost(&self, why: &str) {
        self.problem(why);
    }

    /// Tells each change, and the rates while something moves.
    pub(super) async fn publish_all(&self, publish: &(dyn Fn(ForwardStatus) + Send + Sync)) {
        let mut second = Instant::now() + SECOND;
        loop {
            let (status, closed) = self.read();
            let quiet = status.rates.quiet() && status.rates.seconds().len() > 0;
            publish(status);
            if closed {
                return;
            }
            sleep(APART).await;
            tokio::select! {
                () = self.changed.notified() => {}
                // Bytes wake nobody; while none move, a look a second is enough, and the rates need it.
                () = tokio::time::sleep_until(second), if !quiet || self.moved() => {}
                () = sleep(SECOND), if quiet => if !self.moved() {
                    while !self.moved() {
                        tokio::select! {
                            () = self.changed.notified() => break,
                            () = sleep(SECOND) => {}
                        }
                    }
                },
            }
            if Instant::now() >= second {
                second = Instant::now() + SECOND;
                let (down, up) = self.meter.read();
                self.state().status.rates.push(down, up);
            }
        }
    }

    /// Whether bytes have moved since they were last told.
    fn moved(&self) -> bool {
        let state = self.state();
        self.meter.read() != (state.status.bytes_in, state.status.bytes_out)
    }

    fn read(&self) -> (ForwardStatus, bool) {
        let mut state = self.state();
        let (down, up) = self.meter.read();
        (state.status.bytes_in, state.status.bytes_out) = (down, up);
        // The first bytes of a connection that goes on prove as much as its good end.
        if down > 0 && !state.worked {
            state.worked = true;
            state.trouble = None;
        }
        state.decide();
        (state.status.clone(), state.closed)
    }
}

impl State {
    fn decide(&mut self) {
        if self.closed {
            return;
        }
        self.status.state = match (&self.none, &self.trouble) {
            _ if !self.bound => ForwardState::Opening,
            (Some((why, since)), _) => ForwardState::Waiting { why: why.clone(), since: *since },
            (None, Some((why, since))) => ForwardState::Degraded { why: why.clone(), since: *since },
            (None, None) if self.worked => ForwardState::Connected,
            (None, None) => ForwardState::Listening,
        };
    }
}
