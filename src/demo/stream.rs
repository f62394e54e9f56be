//! Connections that leave HTTP: port-forward, exec and the API server's proxy into the pods.
//!
//! Sources: KEP-4006 (SPDY in WebSocket), apimachinery `pkg/util/portforward`, `pkg/util/remotecommand`, and what a
//! Kubernetes 1.34 node was seen to do. For the demo alone.

pub(super) mod channels;
pub(super) mod command;
pub(super) mod forward;
pub(super) mod proxy;
pub(super) mod session;
pub(super) mod upgrade;

use super::api::body::{Answer, text};
use super::api::request::{Query, Target};
use super::api::server::Shared;
use super::api::status::Refusal;
use super::resource::Resource;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use serde_json::Value;
use std::sync::Arc;

/// Answers a request for something below an object.
pub(super) async fn subresource(
    request: Request<Incoming>,
    shared: &Arc<Shared>,
    target: &Target,
    query: &Query,
) -> Result<Answer, Refusal> {
    match (target.resource, target.sub.as_deref()) {
        (Resource::Pods, Some("log")) => log(shared, target, query),
        (Resource::Pods, Some("exec")) => command::start(request, shared, target, query),
        (Resource::Pods, Some("portforward")) => forward::start(request, shared, target, query),
        (Resource::Pods | Resource::Services, Some("proxy")) => proxy::pass(request, shared, target).await,
        _ => Err(Refusal::no_such_kind()),
    }
}

/// The pod of a request, which must be on a node.
fn pod(shared: &Shared, target: &Target) -> Result<Value, Refusal> {
    let (namespace, name) = place(target);
    let stored = shared.world().store.get(Resource::Pods, namespace, name);
    let pod = stored.ok_or_else(|| Refusal::not_found(Resource::Pods, name))?.value();
    if pod["spec"]["nodeName"].as_str().is_none() {
        return Err(Refusal::bad_request(format!("pod {name} does not have a host assigned")));
    }
    Ok(pod)
}

fn place(target: &Target) -> (&str, &str) {
    (target.namespace.as_deref().unwrap_or_default(), target.name.as_deref().unwrap_or_default())
}

/// The container that is meant: the named one, or the first.
fn container<'a>(pod: &'a Value, name: &str) -> Result<&'a Value, Refusal> {
    let mut all = pod["spec"]["containers"].as_array().into_iter().flatten();
    let pod_name = pod["metadata"]["name"].as_str().unwrap_or_default();
    all.find(|one| name.is_empty() || one["name"] == name)
        .ok_or_else(|| Refusal::bad_request(format!("container {name} is not valid for pod {pod_name}")))
}

/// A few lines of a container's output.
fn log(shared: &Shared, target: &Target, query: &Query) -> Result<Answer, Refusal> {
    let pod = pod(shared, target)?;
    let container = container(&pod, query.get("container"))?;
    let (name, started) = (container["name"].as_str().unwrap_or_default(), &pod["status"]["startTime"]);
    let mut lines = vec![
        format!("{name}: started at {}", started.as_str().unwrap_or("?")),
        format!("{name}: ready to serve"),
    ];
    if pod["metadata"]["labels"]["k8s-app"] == "kube-dns" {
        lines = vec![
            ".:53".to_owned(),
            "[INFO] plugin/reload: Running configuration SHA512 = 591cf328cccc12bc490481273e738df59329c62c0b729d94".to_owned(),
            "CoreDNS-1.12.1".to_owned(),
            "linux/amd64, go1.24.1, 707c7c1".to_owned(),
        ];
    }
    if pod["metadata"]["namespace"] == "legacy" {
        lines.push(format!("{name}: panic: no database at db.legacy.svc.cluster.local"));
    }
    let tail =
        query.number("tailLines")?.and_then(|lines| usize::try_from(lines).ok()).unwrap_or(lines.len());
    let from = lines.len().saturating_sub(tail);
    Ok(text(StatusCode::OK, lines[from..].join("\n") + "\n"))
}
