//! A look-up as it is told: the question, who asks, every step with its reply, and what came of it.
//!
//! What it is: one shape for what a server answered and for what was computed ([`Cluster::predicted`]), so that both
//! can be shown, written and compared by the same code. What it is not: it asks nobody. Everybody may use it.
//!
//! [`Cluster::predicted`]: super::Cluster::predicted

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::search::{Libc, LookupError, Reply};
use super::{Answer, Rcode, Record, RecordType};
use crate::model::{ObjectKey, Text};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Question {
    /// The name as typed.
    pub name: String,
    /// The record type; `None` for addresses, as `getaddrinfo` asks for them (A and AAAA).
    #[serde(rename = "type")]
    pub kind: Option<RecordType>,
}

impl Question {
    /// Addresses of a name.
    pub fn addresses(name: impl Into<String>) -> Self {
        Self { name: name.into(), kind: None }
    }

    /// Records of one type.
    pub fn of(name: impl Into<String>, kind: RecordType) -> Self {
        Self { name: name.into(), kind: Some(kind) }
    }

    /// Whether it goes through `getaddrinfo`, and with that through the hosts file and the search list of either
    /// libc. Other types go through `res_search`.
    pub fn wants_addresses(&self) -> bool {
        self.kind.is_none_or(|k| k == RecordType::A || k == RecordType::AAAA)
    }

    /// The types that are asked at each step.
    pub fn kinds(&self) -> Vec<RecordType> {
        self.kind.map_or_else(|| vec![RecordType::A, RecordType::AAAA], |kind| vec![kind])
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Some(kind) => write!(f, "{} {kind}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// The code of a reply: one of the usual four, or another by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReplyCode {
    /// One that CoreDNS gives.
    Known(Rcode),
    /// Another (RFC 6895 section 2.3).
    Other(u16),
}

impl From<Rcode> for ReplyCode {
    fn from(rcode: Rcode) -> Self {
        Self::Known(rcode)
    }
}

impl ReplyCode {
    /// The code for a number of the protocol.
    pub fn from_number(number: u16) -> Self {
        match number {
            0 => Self::Known(Rcode::NoError),
            2 => Self::Known(Rcode::ServFail),
            3 => Self::Known(Rcode::NxDomain),
            5 => Self::Known(Rcode::Refused),
            other => Self::Other(other),
        }
    }

    /// The usual code, if it is one.
    pub fn known(self) -> Option<Rcode> {
        match self {
            Self::Known(rcode) => Some(rcode),
            Self::Other(_) => None,
        }
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(rcode) => rcode.fmt(f),
            Self::Other(1) => f.pad("FORMERR"),
            Self::Other(4) => f.pad("NOTIMP"),
            Self::Other(9) => f.pad("NOTAUTH"),
            Self::Other(n) => f.pad(&format!("RCODE{n}")),
        }
    }
}

/// How a whole look-up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// With a reply.
    Reply(ReplyCode),
    /// Nobody answered in time.
    Timeout,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(code) => code.fmt(f),
            Self::Timeout => f.pad("TIMEOUT"),
        }
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a server said to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveReply {
    /// Its code.
    pub rcode: ReplyCode,
    /// Answer section, in the server's order.
    pub answers: Vec<Record>,
    /// The SOA record of the authority section: whose zone it is that says so.
    pub authority: Option<Record>,
    /// Additional section, without EDNS.
    pub additional: Vec<Record>,
    /// The AA flag. CoreDNS' cache sets it on everything: no proof of anything.
    pub authoritative: bool,
}

impl LiveReply {
    /// The name exists and has no record of the type.
    pub fn is_nodata(&self) -> bool {
        self.rcode == Rcode::NoError.into() && self.answers.is_empty()
    }
}

/// Why a question has no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveFailure {
    /// Nothing came in time; how long was waited.
    Timeout(Duration),
    /// The connection ended; why, in a sentence.
    Lost(String),
    /// What came makes no sense; why, in a sentence.
    Nonsense(String),
    /// The name can't be asked; why, in a sentence.
    NotAsked(String),
    /// Computed, and the API does not determine it; why, in a sentence.
    Undetermined(String),
}

impl fmt::Display for LiveFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout(waited) => write!(f, "no answer within {:.1} s", waited.as_secs_f32()),
            Self::Lost(why) | Self::Nonsense(why) | Self::NotAsked(why) | Self::Undetermined(why) => {
                f.write_str(why)
            }
        }
    }
}

/// One question to one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveStep {
    /// The name that is asked, with the final dot.
    pub name: String,
    /// The type.
    pub kind: RecordType,
    /// The search domain that made the name; `None` for the name as typed.
    pub search: Option<Text>,
    /// What came back.
    pub reply: Result<LiveReply, LiveFailure>,
    /// Who was asked and how (`coredns-abc:53 by port-forward`); `None` for a prediction.
    pub server: Option<Text>,
    /// From question to reply; `None` for a prediction.
    pub took: Option<Duration>,
}

/// How the end of a look-up is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A server was asked.
    Live,
    /// It was computed from the API's objects.
    Predict,
}

/// What came of a look-up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The code; `None` where nothing determines it.
    pub rcode: Option<Code>,
    /// Addresses found; sorted, each once.
    pub addresses: Vec<IpAddr>,
    /// The answers of the step that decided.
    pub answers: Vec<Record>,
    /// What a program is told that finds nothing (`gai_strerror`), or what went wrong.
    pub error: Option<String>,
    /// Why the end is not determined, in a sentence.
    pub undetermined: Option<String>,
    /// What could make it come out otherwise all the same, in a sentence.
    pub caveat: Option<String>,
}

/// A look-up with its trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveLookup {
    /// What was asked for.
    pub question: Question,
    /// The pod whose place it was asked from; `None`: the name was taken as absolute.
    pub from: Option<ObjectKey>,
    /// The library whose search is imitated.
    pub libc: Libc,
    /// How the end is known.
    pub mode: Mode,
    /// The questions in order.
    pub steps: Vec<LiveStep>,
    /// The end.
    pub outcome: Outcome,
}

impl LiveLookup {
    /// With what is to be said about the way its name is written.
    #[must_use]
    pub fn noted(mut self) -> Self {
        if let Some(note) = super::input::note(&self.question.name) {
            self.outcome.caveat = Some(match self.outcome.caveat.take() {
                Some(caveat) => format!("{note}; {caveat}"),
                None => note,
            });
        }
        self
    }

    /// One that ends before anything is asked.
    pub fn unasked(question: Question, from: Option<ObjectKey>, libc: Libc, mode: Mode) -> Self {
        Self { question, from, libc, mode, steps: Vec::new(), outcome: Outcome::default() }
    }

    /// Whether it found what it was about: addresses, or records of the type.
    pub fn found(&self) -> bool {
        !self.outcome.addresses.is_empty()
            || (!self.outcome.answers.is_empty() && self.outcome.error.is_none())
    }
}

impl From<&Answer> for LiveReply {
    /// A computed answer; only of use where its code is determined.
    fn from(answer: &Answer) -> Self {
        Self {
            rcode: answer.rcode.unwrap_or(Rcode::NoError).into(),
            answers: answer.answers.clone(),
            authority: answer.authority.clone(),
            additional: answer.additional.clone(),
            authoritative: answer.authoritative,
        }
    }
}

/// A reply as far as a library's choice depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Half<'a> {
    /// Its code; `None` where there is none (no answer, not determined).
    pub rcode: Option<ReplyCode>,
    /// Its answers.
    pub answers: &'a [Record],
}

/// What a library makes of the replies to one step of its search, and the addresses in them. glibc takes only
/// addresses that the chain of aliases leads to, and one good reply is enough; musl takes every address, and a
/// failure or an NXDOMAIN of either type counts for both (musl: `name_from_dns`; semantics measured).
pub fn taken(asked: &str, halves: &[Half<'_>], libc: Libc) -> (Reply, Vec<IpAddr>) {
    let mut addresses = Vec::new();
    for half in halves {
        let mut owner = asked.to_ascii_lowercase();
        for record in half.answers {
            let own = record.name.eq_ignore_ascii_case(&owner);
            if record.kind == RecordType::CNAME && own {
                owner = record.data.to_ascii_lowercase();
            } else if own || libc == Libc::Musl {
                addresses.extend(record.data.parse::<IpAddr>().ok());
            }
        }
    }
    let is = |half: &Half<'_>, rcode: Rcode| half.rcode == Some(rcode.into());
    let either = |rcode| halves.iter().any(|half| is(half, rcode));
    let failed = halves
        .iter()
        .any(|h| h.rcode.is_none_or(|c| !matches!(c, ReplyCode::Known(Rcode::NoError | Rcode::NxDomain))));
    if libc == Libc::Musl && (failed || either(Rcode::NxDomain)) {
        return (if failed { Reply::ServFail } else { Reply::NxDomain }, Vec::new());
    }
    if !addresses.is_empty() {
        return (Reply::Addresses, addresses);
    }
    let reply = match () {
        () if halves.iter().any(|h| !h.answers.is_empty()) => Reply::Alias,
        () if either(Rcode::NxDomain) => Reply::NxDomain,
        () if failed => Reply::ServFail,
        () => Reply::NoData,
    };
    (reply, addresses)
}

/// What `res_search` makes of the reply to a question for records of one type.
pub fn taken_one(kind: RecordType, half: Half<'_>) -> Reply {
    match half.rcode {
        _ if half.answers.iter().any(|r| r.kind == kind || kind == RecordType::ANY) => Reply::Addresses,
        _ if !half.answers.is_empty() => Reply::Alias,
        Some(ReplyCode::Known(Rcode::NoError)) => Reply::NoData,
        Some(ReplyCode::Known(Rcode::NxDomain)) => Reply::NxDomain,
        _ => Reply::ServFail,
    }
}

/// The code that a failed search ends with: that of the last reply, except where the failure itself says more.
pub fn code_of(error: LookupError, last: Option<ReplyCode>) -> Code {
    Code::Reply(match error {
        LookupError::NoData => Rcode::NoError.into(),
        LookupError::Again => Rcode::ServFail.into(),
        LookupError::NoName => last.unwrap_or(Rcode::NxDomain.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a(name: &str, data: &str) -> Record {
        Record::new(name, RecordType::A, 5, data)
    }

    #[test]
    fn the_libraries_differ_where_the_types_do() {
        let answers = [a("x.", "10.0.0.1")];
        let good = Half { rcode: Some(Rcode::NoError.into()), answers: &answers };
        let with = |rcode: Option<Rcode>| [good, Half { rcode: rcode.map(Into::into), answers: &[] }];
        let reply = |halves: &[Half<'_>], libc| taken("X.", halves, libc).0;
        for (other, musl) in [
            (Some(Rcode::NoError), Reply::Addresses),
            (Some(Rcode::NxDomain), Reply::NxDomain),
            (Some(Rcode::ServFail), Reply::ServFail),
            (None, Reply::ServFail),
        ] {
            assert_eq!(reply(&with(other), Libc::Glibc), Reply::Addresses, "{other:?}");
            assert_eq!(reply(&with(other), Libc::Musl), musl, "{other:?}");
        }
    }

    #[test]
    fn glibc_takes_only_what_the_chain_leads_to() {
        let answers =
            [Record::new("x.", RecordType::CNAME, 5, "Y."), a("y.", "10.0.0.1"), a("z.", "10.0.0.2")];
        let half = Half { rcode: Some(Rcode::NoError.into()), answers: &answers };
        assert_eq!(taken("x.", &[half], Libc::Glibc).1.len(), 1);
        assert_eq!(taken("x.", &[half], Libc::Musl).1.len(), 2);
        let half = Half { rcode: Some(Rcode::NoError.into()), answers: &answers[..1] };
        assert_eq!(taken("x.", &[half], Libc::Glibc).0, Reply::Alias);
        assert_eq!(taken_one(RecordType::SRV, half), Reply::Alias);
    }

    #[test]
    fn codes_have_their_usual_words() {
        let words = |n| ReplyCode::from_number(n).to_string();
        assert_eq!(
            [0, 1, 2, 3, 5, 23].map(words),
            ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "REFUSED", "RCODE23"]
        );
        assert_eq!(Code::Timeout.to_string(), "TIMEOUT");
    }
}
