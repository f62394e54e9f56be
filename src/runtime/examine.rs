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
use crate::cluster::{ApiError, ApiErrorKind, Denied};
use crate::dns::laptop::{Machine, look};
use crate::dns::resolver::Limits;
use crate::dns::transport::WINDOW;
use crate::model::dns::{Cluster, DnsHealth, Libc, LiveStep, RecordType};
use crate::model::doctor::{self, Asker, Diagnosis, Known, LiveAnswer, LiveReply, Question, questions};
use crate::model::time::Timestamp;
use crate::model::{ClusterSnapshot, Kind, Load, ObjectKey, Text};

/// How long all live questions may take together.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long one may take, and the way to the server.
const LIMITS: Limits =
    Limits { question: Duration::from_secs(4), open: Duration::from_secs(5), window: WINDOW };

/// From where a name is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// This machine.
    Laptop,
    /// Any ordinary pod of a namespace.
    Namespace(Text),
    /// A pod.
    Pod(ObjectKey),
}

/// What is to be examined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The name as typed.
    pub name: String,
    /// The record type; `None` for addresses.
    pub kind: Option<RecordType>,
    /// From where.
    pub from: Place,
    /// The C library of the pod, where that is known.
    pub libc: Option<Libc>,
    /// The namespace that short names are read in on this machine.
    pub own: Text,
    /// Whether name servers are asked: the cluster's, and this machine's.
    pub ask: bool,
}

/// Reads and asks all that a diagnosis needs, and makes it. What `known` has and is live is not read again. What could
/// not be had is said in it.
///
/// # Errors
/// No Service of any namespace may be listed, or the API server does not answer: nothing could be said.
pub async fn examine(
    client: &Client,
    wanted: &Wanted,
    known: Option<&ClusterSnapshot>,
    now: Timestamp,
) -> Result<Diagnosis, ApiError> {
    let about = about(wanted);
    let (gathered, from) = tokio::join!(gather(client, &about, known, now), asker(wanted));
    let Gathered { snapshot, mut extra } = gathered;
    something_to_see(&snapshot)?;
    let question = Question { name: wanted.name.clone(), kind: wanted.kind, from };
    let cluster = Cluster::new(&snapshot);
    if wanted.ask {
        extra.live = ask(client, &snapshot, &cluster, &question).await;
    }
    Ok(doctor::examine(&question, &snapshot, &cluster, &extra, now))
}

/// A cluster of which nothing may be seen, or that does not answer, is an error.
fn something_to_see(snapshot: &ClusterSnapshot) -> Result<(), ApiError> {
    let services = || snapshot.loads.iter().filter(|l| l.kind == Kind::Service);
    if services().any(|l| l.load.is_live()) {
        return Ok(());
    }
    let what = "cannot list services";
    for entry in services() {
        match &entry.load {
            Load::Forbidden { verb, message } => {
                let denied = Denied {
                    verb: verb.clone(),
                    resource: "services".into(),
                    namespace: entry.namespace.clone(),
                };
                let error = ApiError::new(ApiErrorKind::Forbidden(Box::new(denied)), what, &**message);
                return Err(
                    error.hint("name a namespace that you may see, or ask for a role such as \"view\"")
                );
            }
            Load::Failed { why, .. } => return Err(ApiError::new(ApiErrorKind::Unreachable, what, &**why)),
            _ => {}
        }
    }
    Ok(())
}

fn about(wanted: &Wanted) -> About {
    let (namespace, pod) = match &wanted.from {
        Place::Laptop => (wanted.own.clone(), None),
        Place::Pod(key) => (key.namespace.clone(), Some(key.name.clone())),
        Place::Namespace(namespace) => (namespace.clone(), None),
    };
    About { name: wanted.name.clone(), namespace: Some(namespace), pod }
}

/// Who asks; of this machine with what its own resolver says.
pub async fn asker(wanted: &Wanted) -> Asker {
    match &wanted.from {
        Place::Pod(key) => Asker::Pod(key.clone(), wanted.libc),
        Place::Namespace(namespace) => Asker::Namespace(namespace.clone(), wanted.libc),
        Place::Laptop => {
            let mut facts = look(&Machine::default(), &wanted.name, wanted.kind, wanted.ask).await;
            facts.namespace = Some(wanted.own.clone());
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
