//! "Why does this name not resolve, or not connect?": the chain of causes, each with its evidence.
//!
//! What it is: [`examine`] takes a question, what is known of the cluster and what else could be found out, and goes
//! through everything that can stand between a name and an answer, in the order in which a resolver meets it. What it
//! is not: it asks nobody; whoever calls it brings live answers, logs and the like as [`Extra`], or leaves them out,
//! and what could not be looked at is said. The `doctor` command and the explorer's doctor call it.
//!
//! Sources: Kubernetes "Debugging DNS Resolution" and "Debug Services", CoreDNS' plugins, and the rules of
//! [`dns`](super::dns) and [`diagnose`](super::diagnose).

use std::fmt;
use std::net::IpAddr;

use serde::{Serialize, Serializer};

use super::dns::{Cluster, Libc, RecordType};
use super::time::Timestamp;
use super::{ClusterSnapshot, Finding, ObjectKey, Text};

mod asker;
mod behind;
mod case;
mod extra;
mod hides;
mod laptop;
mod live;
mod missing;
mod next;
mod reading;
mod records;
mod resolver;
mod server;
mod way;

pub use asker::libc_of;
pub use extra::{
    EventNote, Extra, Known, LaptopFacts, LaptopReply, LiveAnswer, LiveReply, Replicas, ServerLog,
};
pub use live::questions;

use case::Case;

/// What is asked, and from where.
#[derive(Clone, Debug)]
pub struct Question {
    /// The name as it was typed.
    pub name: String,
    /// The record type; `None` means addresses of either family, as programs ask.
    pub kind: Option<RecordType>,
    /// From where.
    pub from: Asker,
}

/// Who asks.
#[derive(Clone, Debug)]
pub enum Asker {
    /// This machine.
    Laptop(Box<LaptopFacts>),
    /// A pod, through its C library; `None` where that is not known.
    Pod(ObjectKey, Option<Libc>),
    /// Any ordinary pod of a namespace.
    Namespace(Text, Option<Libc>),
}

impl Asker {
    /// The namespace whose names are the short ones; on a laptop the one that a person has in mind.
    pub fn namespace(&self) -> Option<&Text> {
        match self {
            Self::Laptop(facts) => facts.namespace.as_ref(),
            Self::Pod(key, _) => Some(&key.namespace),
            Self::Namespace(namespace, _) => Some(namespace),
        }
    }
}

impl fmt::Display for Asker {
    /// As the option `--from` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Laptop(_) => f.write_str("laptop"),
            Self::Pod(key, _) => key.fmt(f),
            Self::Namespace(namespace, _) => f.write_str(namespace),
        }
    }
}

/// How a step came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing wrong there.
    Ok,
    /// Something is wrong there.
    Problem,
    /// It could not be looked at, or does not decide anything.
    Unknown,
}

/// One step of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What was looked at.
    pub what: &'static str,
    /// What was seen, a line each.
    #[serde(serialize_with = "joined")]
    pub evidence: Vec<String>,
    /// How it came out.
    pub outcome: Outcome,
}

/// The contract has one text for each step.
fn joined<S: Serializer>(lines: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&lines.join("; "))
}

/// What it all comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// `ok`, or the code of the finding that explains the failure best.
    pub code: &'static str,
    /// In plain words.
    pub message: String,
}

impl Verdict {
    /// Whether the name resolves from there and something answers behind it.
    pub fn is_ok(&self) -> bool {
        self.code == OK
    }
}

/// The code of a verdict that finds nothing wrong.
pub const OK: &str = "ok";

/// The result of an examination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The name as it was typed.
    pub name: String,
    /// The type that was asked for.
    pub kind: Option<RecordType>,
    /// From where it was asked (`laptop`, `NAMESPACE/POD` or `NAMESPACE`).
    pub asked_from: String,
    /// The C library that was assumed; `None` on the laptop.
    pub libc: Option<Libc>,
    /// Whether the name resolves from there; `None` where that is not determined.
    pub resolves: Option<bool>,
    /// The addresses that it resolves to, sorted.
    pub addresses: Vec<IpAddr>,
    /// The Service that it leads to, or was meant to.
    pub service: Option<ObjectKey>,
    /// The absolute name of that Service, with its final dot.
    pub absolute: Option<String>,
    /// What it comes to.
    pub verdict: Verdict,
    /// The chain, in the order in which a look-up meets it.
    pub steps: Vec<Step>,
    /// Everything that was found, what explains the verdict first.
    pub findings: Vec<Finding>,
    /// What to type next.
    pub try_next: Vec<String>,
}

impl Serialize for Diagnosis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        #[derive(Serialize)]
        struct Asked<'a> {
            name: &'a str,
            #[serde(rename = "type")]
            kind: Option<RecordType>,
        }
        let mut out = serializer.serialize_struct("Diagnosis", 11)?;
        out.serialize_field("question", &Asked { name: &self.name, kind: self.kind })?;
        out.serialize_field("askedFrom", &self.asked_from)?;
        out.serialize_field("libc", &self.libc)?;
        out.serialize_field("resolves", &self.resolves)?;
        out.serialize_field("addresses", &self.addresses)?;
        out.serialize_field("service", &self.service)?;
        out.serialize_field("absoluteName", &self.absolute)?;
        out.serialize_field("verdict", &self.verdict)?;
        out.serialize_field("steps", &self.steps)?;
        out.serialize_field("findings", &self.findings)?;
        out.serialize_field("tryNext", &self.try_next)?;
        out.end()
    }
}

/// Examines why a name does not resolve from somewhere, or why nothing answers behind it. `cluster` is the index of
/// the same snapshot.
pub fn examine(
    question: &Question,
    snapshot: &ClusterSnapshot,
    cluster: &Cluster,
    extra: &Extra,
    now: Timestamp,
) -> Diagnosis {
    Case::new(question, snapshot, cluster, extra, now).examine()
}

#[cfg(test)]
mod tests;
