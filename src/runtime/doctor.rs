//! The doctor at work: what has to be read and asked for a diagnosis, and the diagnosis.
//!
//! What it is: the joint of `cluster` (objects, rights, logs), `dns` (live answers, this machine's resolver) and
//! `model::doctor` (the judgement), for the explorer's effects and the command line. What it is not: it judges and
//! shows nothing.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::live::{LiveDns, Which};
use crate::cluster::client::Client;
use crate::cluster::gather::{About, Gathered, gather};
use crate::cluster::{ApiError, ApiErrorKind};
use crate::dns::laptop::{Machine, look};
use crate::dns::resolver::Limits;
use crate::model::dns::{Cluster, DnsHealth, Libc, LiveStep, RecordType};
use crate::model::doctor::{Asker, Diagnosis, Known, LiveAnswer, LiveReply, Question, examine, questions};
use crate::model::time::Timestamp;
use crate::model::{ClusterSnapshot, ObjectKey, Text};

/// How long all live questions may take together.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long one may take, and the way to the server.
const LIMITS: Limits = Limits { question: Duration::from_secs(4), open: Duration::from_secs(5) };

/// From where a name is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// This machine; short names are read in that namespace.
    Laptop(Option<Text>),
    /// A pod, through its C library, where that is known.
    Pod(ObjectKey, Option<Libc>),
    /// Any ordinary pod of a namespace.
    Namespace(Text, Option<Libc>),
}

/// What is to be examined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The name as typed.
    pub name: String,
    /// The record type; `None` for addresses.
    pub kind: Option<RecordType>,
    /// From where.
    pub place: Place,
    /// Whether name servers are asked.
    pub live: bool,
    /// The time by which ages are told.
    pub now: Timestamp,
}

/// A diagnosis and the objects that it was made from.
#[derive(Debug)]
pub struct Examined {
    /// What it comes to.
    pub diagnosis: Diagnosis,
    /// The objects; their loads tell what could not be read.
    pub snapshot: ClusterSnapshot,
}

/// Reads and asks all that a diagnosis needs, and makes it. What could not be had is said in it.
pub async fn diagnose(client: &Client, request: &Request) -> Examined {
    let about = about(request);
    let (gathered, from) = tokio::join!(gather(client, &about, request.now), asker(request));
    let Gathered { snapshot, mut extra } = gathered;
    let question = Question { name: request.name.clone(), kind: request.kind, from };
    let cluster = Cluster::new(&snapshot);
    if request.live {
        extra.live = ask(client, &snapshot, &cluster, &question).await;
    }
    let diagnosis = examine(&question, &snapshot, &cluster, &extra, request.now);
    Examined { diagnosis, snapshot }
}

fn about(request: &Request) -> About {
    let (namespace, pod) = match &request.place {
        Place::Laptop(own) => (own.clone(), None),
        Place::Pod(key, _) => (Some(key.namespace.clone()), Some(key.name.clone())),
        Place::Namespace(namespace, _) => (Some(namespace.clone()), None),
    };
    About { name: request.name.clone(), namespace, pod }
}

/// Who asks; of this machine with what its own resolver says.
pub async fn asker(request: &Request) -> Asker {
    match &request.place {
        Place::Pod(key, libc) => Asker::Pod(key.clone(), *libc),
        Place::Namespace(namespace, libc) => Asker::Namespace(namespace.clone(), *libc),
        Place::Laptop(own) => {
            let mut facts = look(&Machine::default(), &request.name, request.kind, request.live).await;
            facts.namespace.clone_from(own);
            Asker::Laptop(Box::new(facts))
        }
    }
}

/// Asks the cluster's own server what the examination would like to know.
async fn ask(
    client: &Client,
    snapshot: &ClusterSnapshot,
    cluster: &Cluster,
    question: &Question,
) -> Known<Vec<LiveReply>> {
    let questions = questions(question, snapshot, cluster);
    let health = DnsHealth::of(snapshot, cluster);
    let asking = async {
        let live = LiveDns::open(client, &health, &Which::Best, LIMITS).await?;
        let mut replies = Vec::new();
        let mut steps = std::pin::pin!(live.ask_all(questions));
        while let Some(answers) = steps.next().await {
            replies.extend(answers.into_iter().map(reply));
        }
        Ok(replies)
    };
    match timeout(PATIENCE, asking).await {
        Ok(Ok(replies)) => Known::Known(replies),
        Ok(Err(error)) => unknown(&error),
        Err(_) => Known::Failed(format!("no answer within {} s", PATIENCE.as_secs()).into()),
    }
}

fn unknown(error: &ApiError) -> Known<Vec<LiveReply>> {
    match &error.kind {
        ApiErrorKind::Forbidden(d) => {
            let place = d.namespace.as_ref().map_or_else(String::new, |n| format!(" in namespace {n}"));
            Known::Forbidden(format!("{} {}{place}", d.verb, d.resource).into())
        }
        _ => Known::Failed(error.to_string().into()),
    }
}

fn reply(step: LiveStep) -> LiveReply {
    let millis = step.took.map_or(0, |t| u32::try_from(t.as_millis()).unwrap_or(u32::MAX));
    let result = match step.reply {
        Ok(said) => match said.rcode.known() {
            Some(rcode) => {
                Ok(LiveAnswer { rcode, answers: said.answers, soa: said.authority.map(|r| r.name) })
            }
            None => Err(Text::from(format!("it says {}", said.rcode))),
        },
        Err(failure) => Err(failure.to_string().into()),
    };
    let server = step.server.unwrap_or_else(|| "the DNS server".into());
    LiveReply { name: step.name, kind: step.kind, server, millis, result }
}
