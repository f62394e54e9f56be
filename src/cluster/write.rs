//! The few writes that kdisco does when it is told to: restarting what owns pods, and deleting a pod.
//!
//! What it is: a plan made of objects that are read afresh, the rights that it takes, and its steps. What it is not:
//! it asks nobody. Whoever calls [`execute`] has shown the plan and got a yes; [`MayWrite`] is the proof that writing
//! is not switched off. Every write names the very object that was shown (by its UID), so that one that was made
//! again meanwhile is left alone.

use std::collections::{HashMap, HashSet};
use std::fmt;

use futures_util::StreamExt;
use futures_util::stream;
use http::{Method, Request, header};
use jiff::Timestamp;
use kube::client::Body;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{self, Question};
use super::client::{Asked, Client};
use super::watch::path::escape;
use super::{ApiError, ApiErrorKind};
use crate::model::env::restart::{Plan, Root, Step, Workload, WorkloadKind};
use crate::model::pod::Owner;
use crate::model::{ObjectKey, Pod, Text};

/// So many owners are read at the same time.
const PARALLEL: usize = 8;

/// Proof that writing is not switched off (`--read-only`).
#[derive(Clone, Copy, Debug)]
pub struct MayWrite(());

impl MayWrite {
    /// `None` where the settings say that nothing may be changed.
    pub fn unless(read_only: bool) -> Option<Self> {
        (!read_only).then_some(Self(()))
    }
}

/// Whether a step is done or only tried by the server (`--dry-run=server`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// It is done.
    No,
    /// The server checks everything and stores nothing.
    Server,
}

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The object.
    pub object: String,
    /// `restarted`, `deleted`.
    pub what: &'static str,
}

impl fmt::Display for Done {
    /// As kubectl words it: `Deployment shop/web restarted`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.object, self.what)
    }
}

/// Reads what owns the pods, up to the workload at the top, and plans the restart.
///
/// # Errors
/// No connection. An owner that may not be read becomes a step that is impossible.
pub async fn plan(client: &Client, pods: &[Pod]) -> Result<Plan, ApiError> {
    let key = |pod: &Pod, owner: &Owner| (pod.key.namespace.clone(), owner.clone());
    let owners: HashSet<OwnerKey> =
        pods.iter().filter_map(|pod| Some(key(pod, pod.owner.as_ref()?))).collect();
    let read: Vec<(OwnerKey, Result<Root, ApiError>)> = stream::iter(owners)
        .map(|owner| async move {
            let root = root(client, &owner.0, &owner.1).await;
            (owner, root)
        })
        .buffer_unordered(PARALLEL)
        .collect()
        .await;
    let mut found = HashMap::new();
    for (owner, result) in read {
        let root = match result {
            Ok(root) => root,
            Err(error) if error.kind == ApiErrorKind::NotFound => Root::Gone,
            Err(error) if matches!(error.kind, ApiErrorKind::Forbidden(_)) => {
                Root::Unread(format!("may not be read: {}", error.why))
            }
            Err(error) => return Err(error),
        };
        found.insert(owner, root);
    }
    Ok(Plan::new(pods, |pod, owner| {
        found.get(&key(pod, owner)).cloned().unwrap_or_else(|| Root::Unread("was not read".to_owned()))
    }))
}

/// Namespace and owner.
type OwnerKey = (Text, Owner);

/// The rights that a step takes.
pub fn rights(step: &Step) -> Vec<Question> {
    let (group, resource, key, verb) = match step {
        Step::Rollout(workload) => ("apps", workload.kind.resource(), &workload.key, "patch"),
        Step::Delete { pod, .. } => ("", "pods", pod, "delete"),
        Step::Impossible { .. } => return vec![],
    };
    let of = |verb: &'static str| {
        Question::new(verb, resource).group(group).namespace(key.namespace.clone()).name(key.name.clone())
    };
    vec![of("get"), of(verb)]
}

/// Checks the rights for all steps of a plan.
///
/// # Errors
/// A right is missing (all are named), or no connection.
pub async fn check_rights(client: &Client, plan: &Plan) -> Result<(), ApiError> {
    let questions: Vec<Question> = plan.steps.iter().flat_map(rights).collect();
    access::require(client, "cannot restart", &questions).await
}

/// Does one step. The object is read again first: one that was made again, paused or is going away is left alone.
/// `now` is what the restart is marked with.
///
/// # Errors
/// The object is not what was shown any more, no right, no connection.
pub async fn execute(
    client: &Client,
    step: &Step,
    now: Timestamp,
    dry_run: DryRun,
    _: MayWrite,
) -> Result<Done, ApiError> {
    match step {
        Step::Rollout(shown) => {
            let (kind, key) = (shown.kind, &shown.key);
            let there = read(client, "apps", kind.resource(), key).await?;
            unchanged(&there, &shown.uid, step)?;
            if there.spec.paused {
                let why = "can't restart paused deployment (run rollout resume first)";
                return Err(refused(step, why));
            }
            restart(client, kind, key, &shown.uid, now, dry_run).await?;
            Ok(Done { object: step.object(), what: "restarted" })
        }
        Step::Delete { pod, uid, .. } => {
            let there = read(client, "", "pods", pod).await?;
            unchanged(&there, uid, step)?;
            delete(client, pod, uid, dry_run).await?;
            Ok(Done { object: step.object(), what: "deleted" })
        }
        Step::Impossible { why, .. } => Err(refused(step, why)),
    }
}

fn refused(step: &Step, why: &str) -> ApiError {
    ApiError::new(ApiErrorKind::Rejected(409), format!("cannot change {}", step.object()), why)
}

fn unchanged(there: &Read, uid: &str, step: &Step) -> Result<(), ApiError> {
    if there.metadata.uid != uid {
        return Err(refused(step, "it was deleted and made again meanwhile; look again"));
    }
    if there.metadata.deletion_timestamp.is_some() {
        return Err(refused(step, "it is being deleted already"));
    }
    Ok(())
}

/// As `kubectl rollout restart` does it: a mark in the pod template, which makes it another one
/// (kubectl: `objectrestarter.go`). The UID in the patch makes the server refuse any other object of the name.
async fn restart(
    client: &Client,
    kind: WorkloadKind,
    key: &ObjectKey,
    uid: &str,
    now: Timestamp,
    dry_run: DryRun,
) -> Result<(), ApiError> {
    let second = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let patch = json!({
        "metadata": {"uid": uid},
        "spec": {"template": {"metadata": {"annotations": {
            "kubectl.kubernetes.io/restartedAt": second.to_string(),
        }}}},
    });
    let mut uri = format!("{}?fieldManager=kdisco", path("apps", kind.resource(), key));
    if dry_run == DryRun::Server {
        uri.push_str("&dryRun=All");
    }
    let request = Request::patch(uri).header(header::CONTENT_TYPE, "application/strategic-merge-patch+json");
    send(client, request, &patch, ("patch", "apps", kind.resource(), key)).await
}

async fn delete(client: &Client, pod: &ObjectKey, uid: &str, dry_run: DryRun) -> Result<(), ApiError> {
    let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}});
    if dry_run == DryRun::Server {
        options["dryRun"] = json!(["All"]);
    }
    let request = Request::builder().method(Method::DELETE).uri(path("", "pods", pod));
    let request = request.header(header::CONTENT_TYPE, "application/json");
    send(client, request, &options, ("delete", "", "pods", pod)).await
}

type About<'a> = (&'static str, &'static str, &'static str, &'a ObjectKey);

async fn send(
    client: &Client,
    request: http::request::Builder,
    body: &Value,
    (verb, group, resource, key): About<'_>,
) -> Result<(), ApiError> {
    let request = request
        .header(header::ACCEPT, "application/json")
        .body(Body::from(body.to_string().into_bytes()))
        .map_err(|error| ApiError::protocol(error.to_string()))?;
    client.send_whole(request, &asked(verb, group, resource, key)).await.map(drop)
}

fn asked(verb: &'static str, group: &str, resource: &str, key: &ObjectKey) -> Asked {
    let resource = Question::new(verb, resource).group(group).full_resource();
    Asked { verb, resource, namespace: Some(key.namespace.clone()) }
}

fn path(group: &str, resource: &str, key: &ObjectKey) -> String {
    let api = if group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{group}/v1") };
    format!("{api}/namespaces/{}/{resource}/{}", escape(&key.namespace), escape(&key.name))
}

/// What is read of a workload, a ReplicaSet or a pod.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Read {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    uid: String,
    owner_references: Vec<OwnerReference>,
    deletion_timestamp: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct OwnerReference {
    api_version: String,
    kind: String,
    name: String,
    controller: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    replicas: Option<usize>,
    paused: bool,
    update_strategy: Strategy,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Strategy {
    r#type: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    replicas: Option<usize>,
    current_number_scheduled: Option<usize>,
}

async fn read(client: &Client, group: &str, resource: &str, key: &ObjectKey) -> Result<Read, ApiError> {
    let asked = asked("get", group, resource, key);
    let (body, _) = client.get_whole(&path(group, resource, key), "application/json", &asked).await?;
    serde_json::from_slice(&body).map_err(|error| ApiError::protocol(format!("no object came back: {error}")))
}

/// The workload at the top of what owns a pod. A ReplicaSet is a Deployment's if its controller says so, whatever its
/// name.
async fn root(client: &Client, namespace: &Text, owner: &Owner) -> Result<Root, ApiError> {
    let key = ObjectKey::new(namespace.clone(), owner.name.clone());
    if let Some(kind) = WorkloadKind::named(&owner.kind) {
        return workload(client, kind, key).await;
    }
    if &*owner.kind != "ReplicaSet" {
        return Ok(Root::Other);
    }
    let set = read(client, "apps", "replicasets", &key).await?;
    let deployment = set.metadata.owner_references.into_iter().find(|owner| {
        owner.controller && owner.kind == "Deployment" && owner.api_version.starts_with("apps/")
    });
    match deployment {
        Some(owner) => {
            let key = ObjectKey::new(namespace.clone(), owner.name);
            workload(client, WorkloadKind::Deployment, key).await
        }
        None => Ok(Root::Other),
    }
}

async fn workload(client: &Client, kind: WorkloadKind, key: ObjectKey) -> Result<Root, ApiError> {
    let there = read(client, "apps", kind.resource(), &key).await?;
    let pods = match kind {
        WorkloadKind::DaemonSet => there.status.current_number_scheduled,
        _ => there.status.replicas.or(there.spec.replicas),
    };
    Ok(Root::Workload(Workload {
        kind,
        key,
        uid: there.metadata.uid.into(),
        pods: pods.unwrap_or(0),
        paused: there.spec.paused,
        on_delete: there.spec.update_strategy.r#type == "OnDelete",
    }))
}
