//! What changed since a check was told last: for a watch that follows the cluster and tells news alone.
//!
//! What it is: which questions have to be asked when the objects change, and what of the answers is news. A difference
//! counts as one only when it has lasted: the API server and the DNS server see a change at different moments. What it
//! is not: it asks nobody and reads no clock; whoever calls it says how much time has passed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::answer::Answer;
use super::compare::keys;
use super::{Cluster, Comparison, Rcode, RecordType, Verdict};
use crate::model::Text;

/// What is new about a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: it was so when the watch began, and is not as it should be.
    Found,
    /// The name has come.
    New,
    /// Its records, or how they compare, are others than before.
    Changed,
    /// The name has gone.
    Gone,
}

impl Change {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::New => "new",
            Self::Changed => "changed",
            Self::Gone => "gone",
        }
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One piece of news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// What is new.
    pub change: Change,
    /// The verdict that was told before, if one was.
    pub before: Option<Verdict>,
    /// How it is now.
    pub now: Comparison,
}

type Key = (String, RecordType);

/// What of an answer makes it another one: its code, its records, and whether it is determined. TTLs count down.
type Shape = (Option<Rcode>, bool, BTreeSet<(String, RecordType, String)>);

fn shape(answer: &Answer) -> Shape {
    (answer.rcode, answer.open.is_some(), keys(&answer.answers))
}

/// What was told of a question last.
#[derive(Debug, Default)]
struct Told {
    state: Option<(Verdict, Shape, String)>,
    /// Since when it differs without that having been told.
    odd: Option<Duration>,
}

#[derive(Debug)]
struct Known {
    name: String,
    predicted: Shape,
    /// It came after the watch had begun.
    fresh: bool,
    /// Its object is still there.
    there: bool,
    /// By server, where each is asked.
    told: BTreeMap<Option<Text>, Told>,
}

/// See the module.
#[derive(Debug)]
pub struct Changes {
    known: BTreeMap<Key, Known>,
    settles: Duration,
    apart: bool,
    begun: bool,
}

impl Changes {
    /// A watch that has not begun. A difference is told when it has lasted for `settles`. `apart`: every server is
    /// asked everything, and told of on its own.
    pub fn new(settles: Duration, apart: bool) -> Self {
        Self { known: BTreeMap::new(), settles, apart, begun: false }
    }

    /// Takes the questions that are to be watched from now on; says which have to be asked: those that are new, gone,
    /// or that the objects answer otherwise now.
    pub fn expect(
        &mut self,
        cluster: &Cluster,
        questions: Vec<(String, RecordType)>,
    ) -> Vec<(String, RecordType)> {
        let mut ask = Vec::new();
        let mut there: BTreeSet<Key> = BTreeSet::new();
        for (name, kind) in questions {
            let key = (name.to_ascii_lowercase(), kind);
            let predicted = shape(&cluster.answer(&name, kind));
            there.insert(key.clone());
            if let Some(known) = self.known.get_mut(&key) {
                if known.predicted != predicted || !known.there {
                    ask.push((name, kind));
                }
                (known.predicted, known.there) = (predicted, true);
                continue;
            }
            ask.push((name.clone(), kind));
            let known = Known { name, predicted, fresh: self.begun, there: true, told: BTreeMap::new() };
            self.known.insert(key, known);
        }
        for ((lower, kind), known) in &mut self.known {
            if known.there && !there.contains(&(lower.clone(), *kind)) {
                known.there = false;
                known.predicted = shape(&cluster.answer(&known.name, *kind));
                ask.push((known.name.clone(), *kind));
            }
        }
        ask
    }

    /// Every question that is watched.
    pub fn all(&self) -> Vec<(String, RecordType)> {
        self.questions(|_| true)
    }

    /// Those that differ, or are gone, without that having been told: to be asked again soon.
    pub fn unsettled(&self) -> Vec<(String, RecordType)> {
        self.questions(|known| !known.there || known.told.values().any(|told| told.odd.is_some()))
    }

    fn questions(&self, which: impl Fn(&Known) -> bool) -> Vec<(String, RecordType)> {
        let some = self.known.iter().filter(|(_, known)| which(known));
        some.map(|((_, kind), known)| (known.name.clone(), *kind)).collect()
    }

    /// Takes answers; says what of them is news. `now` is how long the watch has been going on.
    pub fn heard(&mut self, all: Vec<Comparison>, now: Duration) -> Vec<News> {
        let mut news = Vec::new();
        for one in all {
            let key = (one.live.name.to_ascii_lowercase(), one.live.kind);
            let Some(known) = self.known.get_mut(&key) else { continue };
            let server = one.live.server.clone().filter(|_| self.apart);
            let (there, fresh) = (known.there, known.fresh);
            let told = known.told.entry(server.clone()).or_default();
            let state = (one.verdict, shape(&one.predicted), said(&one));
            let gone = !there && one.verdict != Verdict::Different;
            if told.state.as_ref() == Some(&state) && !gone {
                told.odd = None;
                continue;
            }
            // What is gone may be answered for a moment longer, by a server or its cache.
            let lingers = gone && one.live.reply.as_ref().is_ok_and(|reply| !reply.answers.is_empty());
            let lingers = lingers && one.verdict == Verdict::Unverifiable;
            if (one.verdict == Verdict::Different || lingers)
                && now.saturating_sub(*told.odd.get_or_insert(now)) < self.settles
            {
                continue;
            }
            told.odd = None;
            let before = told.state.replace(state).map(|(verdict, ..)| verdict);
            let change = match before {
                _ if gone => Change::Gone,
                Some(_) => Change::Changed,
                None if fresh => Change::New,
                None => Change::Found,
            };
            if gone {
                known.told.remove(&server);
                if known.told.is_empty() {
                    self.known.remove(&key);
                }
            }
            if change != Change::Found || one.verdict != Verdict::Equal {
                news.push(News { change, before, now: one });
            }
        }
        self.begun = true;
        news
    }
}

/// The other side, as far as it counts.
fn said(one: &Comparison) -> String {
    match &one.live.reply {
        Ok(reply) => format!("{} {:?}", reply.rcode, keys(&reply.answers)),
        // What keeps a server from answering is told in other words each time.
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests;
