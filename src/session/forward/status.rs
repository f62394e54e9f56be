//! What is true of a forward now, gathered from its connections, and told when it changes.
//!
//! What it is: the one place where a state is decided. What it is not: it acts on nothing.

use std::collections::VecDeque;
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
/// Trouble that came so often within [`FLAP_TIME`] is over only when there was none for [`CALM`]: a state that changes
/// with every other connection tells nothing.
const FLAPS: usize = 3;
const FLAP_TIME: Duration = Duration::from_secs(30);
const CALM: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Live {
    state: Mutex<State>,
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
    /// When the last troubles began.
    began: VecDeque<Instant>,
    /// When the trouble counts as over, if nothing else happens.
    calm_at: Option<Instant>,
    worked: bool,
    open: Vec<Counted>,
    /// Bytes of the connections that have ended, from pods and to them.
    ended: (u64, u64),
}

/// Counts a connection as open while it lives, and its bytes.
pub(super) struct Open<'a> {
    live: &'a Live,
    pub(super) meter: Arc<Meter>,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let (down, up) = self.meter.read();
        self.live.change(|state| {
            state.status.open -= 1;
            state.open.retain(|open| !Arc::ptr_eq(&open.meter, &self.meter));
            state.ended.0 += down;
            state.ended.1 += up;
        });
    }
}

/// The bytes of a connection that is open.
struct Counted {
    meter: Arc<Meter>,
    /// Some have come from the pod, and that was taken note of.
    answered: bool,
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
            cut: 0,
            bytes_in: 0,
            bytes_out: 0,
            rates: Rates::default(),
            last_error: None,
            started_at: clock(),
        };
        let state = State {
            status,
            bound: false,
            closed: false,
            none: None,
            trouble: None,
            began: VecDeque::new(),
            calm_at: None,
            worked: false,
            open: Vec::new(),
            ended: (0, 0),
        };
        Self { state: Mutex::new(state), changed: Notify::new(), clock }
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
        let meter = Arc::<Meter>::default();
        self.change(|state| {
            state.status.open += 1;
            state.status.total += 1;
            state.open.push(Counted { meter: meter.clone(), answered: false });
        });
        Open { live: self, meter }
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
            state.mended(Instant::now());
        });
    }

    /// A connection failed.
    pub(super) fn failed(&self, why: &str) {
        self.change(|state| state.status.failed += 1);
        self.problem(why);
    }

    /// A pod has ended a connection while it went: that says nothing about the next one, but it is told.
    pub(super) fn cut(&self, why: &str) {
        let now = (self.clock)();
        self.change(|state| {
            state.status.cut += 1;
            state.status.last_error = Some(LastError { text: why.into(), at: now });
        });
    }

    /// Something failed that is perhaps tried again.
    pub(super) fn problem(&self, why: &str) {
        let now = (self.clock)();
        self.change(|state| {
            state.troubled(why, now, Instant::now());
            state.status.last_error = Some(LastError { text: why.into(), at: now });
        });
    }

    /// A probe was answered: what was wrong with the way is over. What a port said is not the way's.
    pub(super) fn way_is_there(&self) {
        let state = self.state();
        let lost = state.trouble.as_ref().is_some_and(|(why, _)| !why.contains("connection refused"));
        drop(state);
        if lost {
            self.change(|state| state.mended(Instant::now()));
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
                () = self.calm() => {}
                () = sleep(SECOND), if quiet => if !self.moved() {
                    while !self.moved() {
                        tokio::select! {
                            () = self.changed.notified() => break,
                            () = self.calm() => break,
                            () = sleep(SECOND) => {}
                        }
                    }
                },
            }
            if Instant::now() >= second {
                second = Instant::now() + SECOND;
                let mut state = self.state();
                let (down, up) = state.bytes();
                state.status.rates.push(down, up);
            }
        }
    }

    /// Waits until trouble that was over counts as over.
    async fn calm(&self) {
        let at = self.state().calm_at;
        match at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Whether bytes have moved since they were last told.
    fn moved(&self) -> bool {
        let state = self.state();
        state.bytes() != (state.status.bytes_in, state.status.bytes_out)
    }

    fn read(&self) -> (ForwardStatus, bool) {
        let mut state = self.state();
        (state.status.bytes_in, state.status.bytes_out) = state.bytes();
        // The first bytes of a connection that goes on prove as much as its good end.
        if state.newly_answered() {
            state.worked = true;
            state.mended(Instant::now());
        }
        state.settle(Instant::now());
        state.decide();
        (state.status.clone(), state.closed)
    }
}

impl State {
    /// Bytes from pods, and to them.
    fn bytes(&self) -> (u64, u64) {
        let open = self.open.iter().map(|open| open.meter.read());
        open.fold(self.ended, |(down, up), (more_down, more_up)| (down + more_down, up + more_up))
    }

    /// Whether pods have sent the first bytes of any connection since this was asked last.
    fn newly_answered(&mut self) -> bool {
        let mut any = false;
        for open in self.open.iter_mut().filter(|open| !open.answered) {
            open.answered = open.meter.read().0 > 0;
            any |= open.answered;
        }
        any
    }

    /// Something failed, at a time that is told and at one that is counted with.
    fn troubled(&mut self, why: &str, now: Timestamp, at: Instant) {
        if self.trouble.is_none() {
            self.began.push_back(at);
            while self.began.len() > FLAPS {
                self.began.pop_front();
            }
        }
        let since = self.trouble.as_ref().map_or(now, |(_, since)| *since);
        self.trouble = Some((why.into(), since));
        self.calm_at = None;
    }

    /// Something worked: the trouble is over, unless it comes and goes.
    fn mended(&mut self, at: Instant) {
        let flaps =
            self.began.len() == FLAPS && self.began.front().is_some_and(|first| at - *first < FLAP_TIME);
        if flaps && self.trouble.is_some() {
            self.calm_at.get_or_insert(at + CALM);
        } else {
            self.trouble = None;
        }
    }

    fn settle(&mut self, at: Instant) {
        if self.calm_at.is_some_and(|calm| calm <= at) {
            self.calm_at = None;
            self.trouble = None;
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::target::{PortWish, Target};

    fn state() -> State {
        let spec = ForwardSpec::new(Target::service("shop", "web"), PortWish::number(80));
        let live = Live::new(ForwardId(1), "".into(), &spec, Timestamp::now);
        let mut state = live.state.into_inner().unwrap();
        (state.bound, state.worked) = (true, true);
        state
    }

    fn word(state: &mut State) -> &'static str {
        state.decide();
        state.status.state.word()
    }

    #[test]
    fn trouble_is_over_with_the_next_thing_that_works() {
        let (mut state, now) = (state(), Instant::now());
        state.troubled("it broke", Timestamp::now(), now);
        assert_eq!(word(&mut state), "degraded");
        state.mended(now);
        assert_eq!(word(&mut state), "connected");
    }

    #[test]
    fn trouble_that_comes_and_goes_stays_until_it_was_calm_for_a_while() {
        let (mut state, now) = (state(), Instant::now());
        for second in 0..3 {
            assert_eq!(word(&mut state), "connected");
            state.troubled("a pod refuses", Timestamp::now(), now + SECOND * second);
            state.mended(now + SECOND * second);
        }
        assert_eq!(word(&mut state), "degraded");
        state.settle(now + SECOND * 6);
        assert_eq!(word(&mut state), "degraded", "it worked four seconds ago");
        state.troubled("a pod refuses", Timestamp::now(), now + SECOND * 6);
        state.mended(now + SECOND * 6);
        state.settle(now + SECOND * 8);
        assert_eq!(word(&mut state), "degraded", "it began anew");
        state.settle(now + SECOND * 11);
        assert_eq!(word(&mut state), "connected");
        state.troubled("it broke", Timestamp::now(), now + SECOND * 60);
        state.mended(now + SECOND * 60);
        assert_eq!(word(&mut state), "connected", "that was long ago");
    }
}
