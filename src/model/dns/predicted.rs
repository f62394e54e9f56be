//! A look-up told as one, computed from the API's objects: the same shape as what a server answers.
//!
//! What it is not: the rules are [`answer`](super::answer)'s and [`lookup`](super::lookup)'s. Everybody may use it.

use std::net::IpAddr;

use super::live::{Half, code_of, taken};
use super::lookup::{Lookup, LookupStep, Source};
use super::search::{Libc, Query};
use super::{
    Answer, Cluster, Code, LiveFailure, LiveLookup, LiveReply, LiveStep, Mode, Outcome, Question, Record,
    RecordType, ReplyCode,
};
use crate::model::{Pod, Text};

impl Cluster {
    /// What comes of a question, computed: as a program in a pod would find it through its C library, or without a
    /// pod the answer to the name as it stands.
    pub fn predicted(&self, question: Question, from: Option<&Pod>, libc: Libc) -> LiveLookup {
        match (from, question.kind) {
            (None, _) => self.absolute(question, libc),
            (Some(pod), None) => {
                let lookup = self.lookup(pod, libc, &question.name);
                told(question, pod, libc, lookup)
            }
            (Some(pod), Some(kind)) => self.records_for(question, pod, libc, kind),
        }
    }

    fn absolute(&self, question: Question, libc: Libc) -> LiveLookup {
        let mut out = LiveLookup::unasked(question, None, libc, Mode::Predict);
        let name = dotted(&out.question.name);
        let answers: Vec<_> =
            out.question.kinds().into_iter().map(|kind| (kind, self.answer(&name, kind))).collect();
        let halves: Vec<_> = answers
            .iter()
            .map(|(_, a)| Half { rcode: a.rcode.map(ReplyCode::from), answers: &a.answers })
            .collect();
        let addresses = taken(&name, &halves, Libc::Glibc).1;
        let best = halves.iter().find(|h| !h.answers.is_empty()).or(halves.first());
        out.outcome.rcode = best.and_then(|h| h.rcode).map(Code::Reply);
        out.outcome.undetermined = answers.iter().find_map(|(_, a)| a.open.as_ref()).map(ToString::to_string);
        out.outcome.addresses = sorted(addresses);
        out.outcome.answers = answers.iter().flat_map(|(_, a)| a.answers.iter().cloned()).collect();
        out.outcome.answers = without_repeats(out.outcome.answers);
        out.steps = answers.into_iter().map(|(kind, a)| step(name.clone(), kind, None, a)).collect();
        out
    }

    fn records_for(&self, question: Question, pod: &Pod, libc: Libc, kind: RecordType) -> LiveLookup {
        let mut out = LiveLookup::unasked(question, Some(pod.key.clone()), libc, Mode::Predict);
        let (steps, end) = self.search_records(pod, libc, &out.question.name, kind);
        let conf = self.resolv_conf(pod);
        out.outcome = match end {
            Err(why) => Outcome { undetermined: Some(why), ..Outcome::default() },
            Ok(end) => {
                let last = steps.last().map(|(_, answer)| answer);
                let rcode = last.and_then(|a| a.rcode).map(ReplyCode::from);
                let answers = last.map(|a| a.answers.clone()).unwrap_or_default();
                match end {
                    Ok(()) => Outcome { rcode: rcode.map(Code::Reply), answers, ..Outcome::default() },
                    Err(error) => Outcome {
                        rcode: Some(code_of(error, rcode)),
                        error: Some(error.text(libc).to_owned()),
                        answers,
                        ..Outcome::default()
                    },
                }
            }
        };
        if libc == Libc::Musl && !out.question.wants_addresses() {
            out.outcome.caveat = Some(MUSL_RECORDS.to_owned());
        }
        let domain = |query: &Query| query.via.and_then(|i| conf.search.get(i)).cloned();
        out.steps = steps.into_iter().map(|(q, a)| step(q.name.clone(), kind, domain(&q), a)).collect();
        out
    }
}

/// What is told of musl and records that are no addresses.
pub const MUSL_RECORDS: &str =
    "musl searches for addresses alone: other types are asked for the name as it stands";

/// A name with its final dot.
pub fn dotted(name: &str) -> String {
    if name.ends_with('.') { name.to_owned() } else { format!("{name}.") }
}

/// Addresses in order, each once.
pub fn sorted(mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// Records of two answers without the CNAMEs that A and AAAA share.
pub fn without_repeats(records: Vec<Record>) -> Vec<Record> {
    let mut out: Vec<Record> = Vec::with_capacity(records.len());
    let aliases = |out: &[Record], r: &Record| r.kind == RecordType::CNAME && out.contains(r);
    for record in records {
        if !aliases(&out, &record) {
            out.push(record);
        }
    }
    out
}

fn step(name: String, kind: RecordType, search: Option<Text>, answer: Answer) -> LiveStep {
    let reply = match (answer.rcode, &answer.open) {
        (None, open) => {
            let why = open.as_ref().map(ToString::to_string).unwrap_or_default();
            Err(LiveFailure::Undetermined(why))
        }
        (Some(rcode), _) => Ok(LiveReply {
            rcode: rcode.into(),
            answers: answer.answers,
            authority: answer.authority,
            additional: answer.additional,
            authoritative: answer.authoritative,
        }),
    };
    LiveStep { name, kind, search, reply, server: None, took: None }
}

fn told(question: Question, pod: &Pod, libc: Libc, lookup: Lookup) -> LiveLookup {
    let mut out = LiveLookup::unasked(question, Some(pod.key.clone()), libc, Mode::Predict);
    let rcode = lookup.rcode().map(|rcode| Code::Reply(rcode.into()));
    let found = lookup.error.is_none() && lookup.open.is_none() && lookup.source == Source::Dns;
    if let Some(last) = lookup.steps.last().filter(|_| found) {
        out.outcome.answers =
            without_repeats(last.a.answers.iter().chain(&last.aaaa.answers).cloned().collect());
    }
    out.outcome.rcode = rcode;
    out.outcome.error = lookup.error.map(|e| e.text(libc).to_owned());
    out.outcome.undetermined = lookup.open;
    out.outcome.caveat = match lookup.source {
        Source::Literal => Some("the name is an address: nothing is asked".to_owned()),
        Source::Hosts => Some("found in the pod's /etc/hosts: DNS is not asked".to_owned()),
        Source::Dns => lookup.caveat,
    };
    out.outcome.addresses = lookup.addresses;
    out.steps = lookup.steps.into_iter().flat_map(both).collect();
    out
}

fn both(lookup: LookupStep) -> [LiveStep; 2] {
    let LookupStep { name, search, a, aaaa } = lookup;
    [step(name.clone(), RecordType::A, search.clone(), a), step(name, RecordType::AAAA, search, aaaa)]
}
