//! Which ready pod a new connection gets.
//!
//! What it is: turns, counts and a memory of what failed. What it is not: it knows no connection. Only
//! [`super::connection`] uses it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::model::Text;
use crate::model::session::Choice;
use crate::model::session::backends::Backend;

/// A pod that failed is passed over for so long at first, twice as long each time, if there are others.
const FIRST_PENALTY: Duration = Duration::from_millis(500);
const LONGEST_PENALTY: Duration = Duration::from_secs(30);

/// See [`Balance::has_left`].
const PEACE: Duration = Duration::from_millis(500);
/// Pods that left are remembered for so long: no connection to one that is gone lasts longer.
const REMEMBERED: Duration = Duration::from_hours(1);

/// See the module.
pub(super) struct Balance {
    choice: Choice,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    turn: usize,
    open: HashMap<Text, usize>,
    failed: HashMap<Text, (u32, Instant)>,
    /// When pods stopped being ready.
    left: HashMap<Text, Instant>,
    /// The pod that kubectl's choice stays with.
    stay: Option<Text>,
}

impl Balance {
    pub(super) fn new(choice: &Choice) -> Self {
        Self { choice: choice.clone(), state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of the ready ones that has not been tried for this connection.
    pub(super) fn pick(&self, ready: &[Backend], tried: &HashSet<Text>) -> Option<Backend> {
        let mut state = self.state();
        let now = Instant::now();
        if self.choice == Choice::Kubectl {
            let stay = state.stay.clone().filter(|stay| ready.iter().any(|b| b.pod == *stay));
            let chosen = ready.iter().find(|b| stay.as_ref().is_none_or(|stay| b.pod == *stay))?.clone();
            state.stay = Some(chosen.pod.clone());
            return (!tried.contains(&chosen.pod)).then_some(chosen);
        }
        let left: Vec<&Backend> = ready.iter().filter(|b| !tried.contains(&b.pod)).collect();
        let fine: Vec<&Backend> = left
            .iter()
            .copied()
            .filter(|b| state.failed.get(&b.pod).is_none_or(|(_, until)| *until <= now))
            .collect();
        let among = if fine.is_empty() { left } else { fine };
        if among.is_empty() {
            return None;
        }
        let turn = state.turn;
        state.turn = turn.wrapping_add(1);
        let start = turn % among.len();
        let mut rotated = among[start..].iter().chain(&among[..start]);
        let chosen = match self.choice {
            Choice::LeastConnections => {
                rotated.min_by_key(|b| state.open.get(&b.pod).copied().unwrap_or_default())
            }
            _ => rotated.next(),
        };
        chosen.map(|b| (*b).clone())
    }

    pub(super) fn begin(&self, pod: &Text) {
        *self.state().open.entry(pod.clone()).or_default() += 1;
    }

    pub(super) fn end(&self, pod: &Text) {
        let mut state = self.state();
        if let Some(count) = state.open.get_mut(pod) {
            *count -= 1;
            if *count == 0 {
                state.open.remove(pod);
            }
        }
    }

    pub(super) fn failed(&self, pod: &Text) {
        let mut state = self.state();
        let (times, until) = state.failed.entry(pod.clone()).or_insert((0, Instant::now()));
        let penalty = FIRST_PENALTY.saturating_mul(1 << (*times).min(10)).min(LONGEST_PENALTY);
        *times += 1;
        *until = Instant::now() + penalty;
        if state.failed.len() > 256 {
            state.failed.retain(|_, (_, until)| *until > Instant::now());
        }
    }

    /// These are no longer ready, those are.
    pub(super) fn changed<'a>(&self, left: impl Iterator<Item = &'a Text>, ready: &[Backend], now: Instant) {
        let mut state = self.state();
        state.left.retain(|pod, at| now - *at < REMEMBERED && !ready.iter().any(|b| b.pod == *pod));
        state.left.extend(left.map(|pod| (pod.clone(), now)));
    }

    /// Whether a pod stopped being ready a while ago: long enough for a connection that only just met that moment to
    /// have ended in peace.
    pub(super) fn has_left(&self, pod: &Text, now: Instant) -> bool {
        self.state().left.get(pod).is_some_and(|at| now - *at >= PEACE)
    }

    pub(super) fn worked(&self, pod: &Text) {
        self.state().failed.remove(pod);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Vec<Backend> {
        ["a", "b", "c"].map(|pod| Backend { pod: pod.into(), port: 80 }).into()
    }

    fn picks(balance: &Balance, count: usize) -> String {
        (0..count).map(|_| balance.pick(&ready(), &HashSet::new()).unwrap().pod.to_string()).collect()
    }

    #[test]
    fn in_turn_and_past_what_failed() {
        let balance = Balance::new(&Choice::RoundRobin);
        assert_eq!(picks(&balance, 6), "abcabc");
        balance.failed(&"b".into());
        assert!(!picks(&balance, 9).contains('b'));
        balance.worked(&"b".into());
        assert!(picks(&balance, 3).contains('b'));
        let tried = HashSet::from(["a".into(), "b".into(), "c".into()]);
        assert_eq!(balance.pick(&ready(), &tried), None);
    }

    #[test]
    fn the_fewest_connections_and_one_pod_that_stays() {
        let balance = Balance::new(&Choice::LeastConnections);
        balance.begin(&"a".into());
        balance.begin(&"c".into());
        assert_eq!(picks(&balance, 3), "bbb");
        balance.begin(&"b".into());
        balance.end(&"c".into());
        assert_eq!(picks(&balance, 2), "cc");
        let stays = Balance::new(&Choice::Kubectl);
        assert_eq!(picks(&stays, 2), "aa");
        let others = &ready()[1..];
        assert_eq!(&*stays.pick(others, &HashSet::new()).unwrap().pod, "b");
        assert_eq!(picks(&stays, 1), "b", "the one before does not come back while this one lives");
    }

    #[test]
    fn a_pod_has_left_when_it_was_gone_for_a_moment_and_not_when_it_is_back() {
        let balance = Balance::new(&Choice::RoundRobin);
        let (a, b) = (Text::from("a"), Text::from("b"));
        let now = Instant::now();
        balance.changed([&a].into_iter(), &ready()[1..], now);
        assert!(!balance.has_left(&a, now), "who met that moment ended in peace");
        let later = now + PEACE;
        assert!(balance.has_left(&a, later) && !balance.has_left(&b, later));
        balance.changed(std::iter::empty(), &ready(), later);
        assert!(!balance.has_left(&a, later));
    }
}
