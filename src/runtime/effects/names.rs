//! Questions to the cluster's own DNS: one way to the servers is kept for each connection.
//!
//! Only [`super`] uses it.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::Mutex;

use super::api_problem;
use crate::app::lookups::ExamineFrom;
use crate::app::{Id, Message, Problem};
use crate::cluster::ApiError;
use crate::cluster::client::Client;
use crate::dns::resolver::Limits;
use crate::model::dns::{self, DnsHealth, Libc, LiveFailure, LiveLookup, Question};
use crate::model::{ClusterSnapshot, ObjectKey, Text};
use crate::runtime::examine::{Place, Wanted, examine};
use crate::runtime::live::{self, LiveDns, Which};

/// The way to the servers, opened with the first question.
#[derive(Debug, Default)]
pub(super) struct Names {
    kept: Mutex<Option<Kept>>,
}

/// A way to the servers, and what of the cluster says how pods are set up.
#[derive(Clone, Debug)]
struct Kept {
    live: LiveDns,
    cluster: Arc<dns::Cluster>,
    /// Namespaces whose pods it knows, besides kube-system.
    namespaces: BTreeSet<Text>,
    pods: Arc<ClusterSnapshot>,
}

impl Names {
    /// The way may be dead: the next question opens another. One that is being opened now is new enough.
    pub(super) fn forget(&self) {
        if let Ok(mut kept) = self.kept.try_lock() {
            *kept = None;
        }
    }

    /// The way that is kept, or a new one. `fresh`: the one that is kept did not work.
    async fn open(&self, client: &Client, namespace: Option<&Text>, fresh: bool) -> Result<Kept, ApiError> {
        let mut slot = self.kept.lock().await;
        let knows = |kept: &Kept| namespace.is_none_or(|n| kept.namespaces.contains(n));
        if let Some(kept) = slot.as_ref().filter(|kept| !fresh && knows(kept)) {
            return Ok(kept.clone());
        }
        let mut namespaces = slot.take().map(|kept| kept.namespaces).unwrap_or_default();
        namespaces.extend(namespace.cloned());
        let also: Vec<Text> = namespaces.iter().cloned().collect();
        let snapshot = live::surroundings(client, &also).await?;
        let cluster = dns::Cluster::new(&snapshot);
        let health = DnsHealth::of(&snapshot, &cluster);
        let live = LiveDns::open(client, &health, &Which::Best, Limits::default()).await?;
        let kept = Kept { live, cluster: Arc::new(cluster), namespaces, pods: Arc::new(snapshot) };
        *slot = Some(kept.clone());
        Ok(kept)
    }
}

/// Reads what the servers count. Nothing comes of it where not even they can be found.
pub(super) async fn metrics(client: Client, epoch: u64) -> Message {
    let metrics = match live::surroundings(&client, &[]).await {
        Ok(snapshot) => live::health(&client, &snapshot, &dns::Cluster::new(&snapshot)).await.metrics,
        Err(_) => std::collections::BTreeMap::new(),
    };
    Message::DnsMetrics { epoch, metrics }
}

/// Finds out everything that may stand between a name and its answer. What the watches know is not read again.
pub(super) async fn diagnose(
    client: Client,
    known: Arc<ClusterSnapshot>,
    id: Id,
    name: String,
    from: ExamineFrom,
) -> Message {
    let from = match from {
        ExamineFrom::Laptop => Place::Laptop,
        ExamineFrom::Namespace(namespace) => Place::Namespace(namespace),
        ExamineFrom::Pod(pod) => Place::Pod(pod),
    };
    let own = client.target().namespace.as_str().into();
    let wanted = Wanted { name, kind: None, from, libc: None, own, ask: true };
    let result = examine(&client, &wanted, Some(&known), jiff::Timestamp::now()).await.map_err(api_problem);
    Message::Examined { id, result: Box::new(result) }
}

/// What is asked.
pub(super) struct Asked {
    /// The questions.
    pub(super) questions: Vec<Question>,
    /// The pod whose search list is walked.
    pub(super) from: Option<ObjectKey>,
    /// The library.
    pub(super) libc: Libc,
}

/// Asks, and asks once more by a new way if the servers were lost.
pub(super) async fn resolve(names: Arc<Names>, client: Client, id: Id, asked: Asked) -> Message {
    let mut result = attempt(&names, &client, &asked, false).await;
    let lost = |lookup: &LiveLookup| {
        lookup.steps.last().is_some_and(|s| matches!(s.reply, Err(LiveFailure::Lost(_))))
    };
    if result.as_ref().is_ok_and(|all| !all.is_empty() && all.iter().all(lost)) {
        result = attempt(&names, &client, &asked, true).await;
    }
    Message::Resolved { id, result }
}

async fn attempt(
    names: &Names,
    client: &Client,
    asked: &Asked,
    fresh: bool,
) -> Result<Vec<LiveLookup>, Problem> {
    let namespace = asked.from.as_ref().map(|pod| &pod.namespace);
    let kept = names.open(client, namespace, fresh).await.map_err(api_problem)?;
    let place = match &asked.from {
        None => None,
        Some(key) => {
            let pod = kept.pods.pod(&key.namespace, &key.name).ok_or_else(|| Problem {
                what: format!("the pod {key} is not known"),
                why: "its resolver's settings decide what is asked".to_owned(),
                hint: "choose another viewpoint, or ask for the absolute name with a final dot".to_owned(),
            })?;
            Some(live::place(&kept.cluster, pod))
        }
    };
    let (live, libc) = (&kept.live, asked.libc);
    let ask = |(number, question): (usize, &Question)| {
        let (question, place) = (question.clone(), &place);
        async move {
            let found = live.lookup_of(number, &question, place.as_ref().map(|(place, _)| place), libc).await;
            found.into_iter().next().map(|mut lookup| {
                if let Some((_, Some(note))) = place {
                    lookup.outcome.caveat = Some(note.clone());
                }
                lookup
            })
        }
    };
    let answers: Vec<Option<LiveLookup>> =
        stream::iter(asked.questions.iter().enumerate().map(ask)).buffered(live.window()).collect().await;
    Ok(answers.into_iter().flatten().collect())
}
