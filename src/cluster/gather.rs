//! What the doctor wants to know of a cluster, read once: objects, and the state of the DNS server.
//!
//! What it is: lists and single reads, each of which may be forbidden or fail without stopping the others; what could
//! not be read is said in the snapshot's loads and in [`Extra`]. What it is not: a judgement (`model::doctor`), and no
//! DNS question is asked here. The runtime and the command line call it.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use http::{Request, header};
use kube::client::Body;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Asked, Client};
use super::reader::Reader;
use super::watch::path;
use super::{ApiError, ApiErrorKind};
use crate::model::doctor::{EventNote, Extra, Known, Replicas, ServerLog};
use crate::model::time::Timestamp;
use crate::model::{ClusterSnapshot, Kind, Load, NamespaceScope, ObjectKey, Pod, Text};

const SYSTEM: &str = "kube-system";
/// So many pods of the DNS server are looked at closely.
const MOST_PODS: usize = 3;
/// So many last lines of a log are read.
const TAIL: usize = 50;
/// What the DNS server has to be able to read (CoreDNS plugin/kubernetes: RBAC in its README).
const RIGHTS: [(&str, &str); 3] =
    [("discovery.k8s.io", "endpointslices"), ("", "services"), ("", "namespaces")];

/// What an examination is about, as far as it decides what has to be read.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The name.
    pub name: String,
    /// The namespace of who asks, or that short names are read in.
    pub namespace: Option<Text>,
    /// The pod that asks.
    pub pod: Option<Text>,
}

/// What was read.
#[derive(Debug)]
pub struct Gathered {
    /// The objects.
    pub snapshot: ClusterSnapshot,
    /// The rest.
    pub extra: Extra,
}

/// Reads everything that the doctor wants to know; what `known` has and is live is not read again. Never fails: what
/// could not be read is part of the result.
pub async fn gather(
    client: &Client,
    about: &About,
    known: Option<&ClusterSnapshot>,
    now: Timestamp,
) -> Gathered {
    let mut reader = Reader::new(client, now).knowing(known);
    reader.list(&[Kind::Service, Kind::EndpointSlice, Kind::Namespace], &NamespaceScope::All).await;
    let first = reader.snapshot();
    let namespaces = namespaces(&first, about);
    let with_system: BTreeSet<Text> = namespaces.iter().cloned().chain([SYSTEM.into()]).collect();
    // What may not be listed in the whole cluster may be in a namespace.
    let refused = |k: &Kind| matches!(first.load(*k, ""), Some(Load::Forbidden { .. }));
    let mut narrow = vec![Kind::Pod];
    narrow.extend([Kind::Service, Kind::EndpointSlice].into_iter().filter(refused));
    reader.list(&narrow, &NamespaceScope::Only(with_system)).await;
    if let Some(own) = &about.namespace {
        reader.list(&[Kind::NetworkPolicy], &NamespaceScope::one(own.clone())).await;
    }
    reader.settings().await;
    let snapshot = reader.snapshot();
    let extra = extra(client, &snapshot, about).await;
    Gathered { snapshot, extra }
}

/// The namespaces that the name may lead to, and that of who asks.
fn namespaces(snapshot: &ClusterSnapshot, about: &About) -> BTreeSet<Text> {
    let labels: Vec<String> = about.name.to_ascii_lowercase().split('.').map(str::to_owned).collect();
    let mut out: BTreeSet<Text> = about.namespace.iter().cloned().collect();
    let exists = |n: &str| {
        snapshot.namespaces.iter().any(|x| *x.name == *n)
            || !snapshot.services_in(n).is_empty()
            || matches!(snapshot.load(Kind::Namespace, ""), Some(Load::Forbidden { .. }))
    };
    let usable = |l: &&String| {
        !l.is_empty() && l.len() < 64 && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    out.extend(labels.iter().filter(usable).filter(|l| exists(l)).map(|l| Text::from(l.as_str())));
    // `web` may be a Service of another namespace.
    let named = snapshot.services.iter().map(|f| f.key()).filter(|k| labels.iter().any(|l| *k.name == **l));
    out.extend(named.take(4).map(|k| k.namespace.clone()));
    out
}

/// A right that is missing, or why something else went wrong.
fn unknown<T>(error: &ApiError) -> Known<T> {
    match &error.kind {
        ApiErrorKind::Forbidden(d) => {
            let place = d.namespace.as_ref().map_or_else(String::new, |n| format!(" in namespace {n}"));
            Known::Forbidden(format!("{} {}{place}", d.verb, d.resource).into())
        }
        _ => Known::Failed(error.to_string().into()),
    }
}

async fn extra(client: &Client, snapshot: &ClusterSnapshot, about: &About) -> Extra {
    let servers: Vec<&Pod> = {
        let labelled = |p: &&std::sync::Arc<Pod>| p.labels.get("k8s-app").is_some_and(|v| &**v == "kube-dns");
        snapshot.pods_in(SYSTEM).iter().filter(labelled).map(|p| &**p).take(MOST_PODS).collect()
    };
    let (deployment, logs, missing_rights, events) = tokio::join!(
        deployment(client),
        logs(client, &servers),
        rights(client, &servers),
        events(client, about),
    );
    Extra {
        policies: policies(snapshot, about),
        deployment,
        logs,
        missing_rights,
        events,
        ..Extra::default()
    }
}

fn policies(
    snapshot: &ClusterSnapshot,
    about: &About,
) -> Known<Vec<std::sync::Arc<crate::model::NetworkPolicy>>> {
    let Some(namespace) = &about.namespace else { return Known::NotAsked };
    match snapshot.load(Kind::NetworkPolicy, namespace) {
        Some(Load::Live | Load::Stale { .. }) => Known::Known(snapshot.policies.values().cloned().collect()),
        Some(Load::Forbidden { verb, .. }) => {
            let resource = Kind::NetworkPolicy.resource_and_group();
            Known::Forbidden(format!("{verb} {resource} in namespace {namespace}").into())
        }
        Some(Load::Failed { why, .. }) => Known::Failed(why.clone()),
        _ => Known::NotAsked,
    }
}

fn asked(verb: &'static str, resource: &str, namespace: &str) -> Asked {
    Asked { verb, resource: resource.to_owned(), namespace: Some(namespace.into()) }
}

async fn read_json(client: &Client, path: &str, asked: &Asked) -> Result<Value, ApiError> {
    let (body, _) = client.get_whole(path, "application/json", asked).await?;
    serde_json::from_slice(&body).map_err(|error| ApiError::protocol(error.to_string()))
}

async fn deployment(client: &Client) -> Known<Option<Replicas>> {
    let path = format!("/apis/apps/v1/namespaces/{SYSTEM}/deployments/coredns");
    match read_json(client, &path, &asked("get", "deployments.apps", SYSTEM)).await {
        Ok(value) => {
            let number = |v: &Value| v.as_i64().and_then(|n| i32::try_from(n).ok());
            let wanted = number(&value["spec"]["replicas"]).unwrap_or(1);
            let ready = number(&value["status"]["readyReplicas"]).unwrap_or(0);
            Known::Known(Some(Replicas { wanted, ready }))
        }
        Err(error) if error.kind == ApiErrorKind::NotFound => Known::Known(None),
        Err(error) => unknown(&error),
    }
}

/// The ends of the logs; of a pod that was restarted also what it wrote before.
async fn logs(client: &Client, servers: &[&Pod]) -> Known<Vec<ServerLog>> {
    let mut out = Vec::new();
    let mut why = None;
    for pod in servers {
        let mut lines = Vec::new();
        for previous in [true, false] {
            if previous && pod.restarts() == 0 {
                continue;
            }
            match log(client, &pod.key, previous).await {
                Ok(text) => lines.extend(text.lines().map(str::to_owned)),
                Err(error) => why = Some(error),
            }
        }
        out.push(ServerLog { pod: pod.key.name.clone(), lines });
    }
    match why {
        // A container that never ran has no log: that is no reason to tell nothing.
        Some(error) if out.iter().all(|l| l.lines.is_empty()) => unknown(&error),
        _ => Known::Known(out),
    }
}

async fn log(client: &Client, pod: &ObjectKey, previous: bool) -> Result<String, ApiError> {
    let path = path::object(Kind::Pod, &pod.namespace, &pod.name);
    let path = format!("{path}/log?tailLines={TAIL}{}", if previous { "&previous=true" } else { "" });
    let (body, _) =
        client.get_whole(&path, "text/plain, */*", &asked("get", "pods/log", &pod.namespace)).await?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

#[derive(Deserialize)]
struct Reviewed {
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    allowed: bool,
}

/// The rights that the server's account lacks, asked of the API server (`SubjectAccessReview`); nothing is written.
async fn rights(client: &Client, servers: &[&Pod]) -> Known<Vec<Text>> {
    let Some(account) = servers.first().map(|p| p.spec.service_account.clone()).filter(|a| !a.is_empty())
    else {
        return Known::NotAsked;
    };
    let questions =
        RIGHTS.iter().flat_map(|(group, resource)| ["list", "watch"].map(|verb| (*group, *resource, verb)));
    let answers = questions.map(|(group, resource, verb)| {
        let account = account.clone();
        async move {
            let allowed = may(client, &account, group, resource, verb).await?;
            let dot = if group.is_empty() { "" } else { "." };
            Ok((!allowed).then(|| Text::from(format!("{verb} {resource}{dot}{group}"))))
        }
    });
    let answers: Result<Vec<Option<Text>>, ApiError> = join_all(answers).await.into_iter().collect();
    match answers {
        Ok(missing) => Known::Known(missing.into_iter().flatten().collect()),
        Err(error) => unknown(&error),
    }
}

async fn may(
    client: &Client,
    account: &str,
    group: &str,
    resource: &str,
    verb: &str,
) -> Result<bool, ApiError> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": format!("system:serviceaccount:{SYSTEM}:{account}"),
            "groups": ["system:serviceaccounts", format!("system:serviceaccounts:{SYSTEM}"), "system:authenticated"],
            "resourceAttributes": { "verb": verb, "group": group, "resource": resource },
        },
    });
    let request = Request::post("/apis/authorization.k8s.io/v1/subjectaccessreviews")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .body(Body::from(review.to_string().into_bytes()))
        .map_err(|error| ApiError::protocol(error.to_string()))?;
    let asked = Asked {
        verb: "create",
        resource: "subjectaccessreviews.authorization.k8s.io".to_owned(),
        namespace: None,
    };
    let (body, _) = client.send_whole(request, &asked).await?;
    let Reviewed { status } =
        serde_json::from_slice(&body).map_err(|error| ApiError::protocol(error.to_string()))?;
    Ok(status.allowed)
}

/// Events about the asking pod's resolver file.
async fn events(client: &Client, about: &About) -> Known<Vec<EventNote>> {
    let (Some(namespace), Some(pod)) = (&about.namespace, &about.pod) else { return Known::NotAsked };
    let (at, name) = (path::escape(namespace), path::escape(pod));
    let path = format!("/api/v1/namespaces/{at}/events?fieldSelector=involvedObject.name%3D{name}&limit=200");
    match read_json(client, &path, &asked("list", "events", namespace)).await {
        Ok(list) => {
            let text = |v: &Value| Text::from(v.as_str().unwrap_or_default());
            let items = list["items"].as_array().map_or(&[][..], |i| i);
            let note = |e: &Value| EventNote { reason: text(&e["reason"]), message: text(&e["message"]) };
            Known::Known(items.iter().map(note).collect())
        }
        Err(error) => unknown(&error),
    }
}
