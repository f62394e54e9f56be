//! Port-forward: which protocol, and what is behind a port.

use super::session::{Forwarding, Session};
use super::upgrade::{Wanted, agree, choose, run};
use super::{channels, place, pod};
use crate::demo::api::body::Answer;
use crate::demo::api::request::{Query, Target};
use crate::demo::api::server::Shared;
use crate::demo::api::status::Refusal;
use hyper::Request;
use hyper::body::Incoming;
use std::sync::Arc;

/// SPDY frames in WebSocket messages.
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
/// One channel byte before each message.
const CHANNELS: &str = "v4.channel.k8s.io";
/// The version of the streams in a SPDY connection.
const STREAMS: &str = "portforward.k8s.io";

/// A pod whose ports are forwarded.
#[derive(Clone)]
pub(super) struct Destination {
    pub(super) shared: Arc<Shared>,
    pub(super) namespace: String,
    pub(super) pod: String,
}

/// Starts a port-forward.
pub(super) fn start(
    request: Request<Incoming>,
    shared: &Arc<Shared>,
    target: &Target,
    query: &Query,
) -> Result<Answer, Refusal> {
    let found = pod(shared, target)?;
    let (namespace, name) = place(target);
    if found["status"]["podIP"].is_null() {
        let uid = found["metadata"]["uid"].as_str().unwrap_or_default();
        return Err(Refusal::internal(format!(
            "unable to upgrade connection: failed to find sandboxes for pod \"{name}_{namespace}({uid})\""
        )));
    }
    let old = shared.forwarding == Forwarding::Old;
    let wanted = choose(&request, if old { &[CHANNELS] } else { &[TUNNEL, CHANNELS] }, true)?;
    let destination =
        Destination { shared: Arc::clone(shared), namespace: namespace.to_owned(), pod: name.to_owned() };
    let traits = if old { Forwarding::Kind } else { shared.forwarding };
    let ports = match wanted {
        Wanted::WebSocket(CHANNELS) => ports(query)?,
        _ => Vec::new(),
    };
    let (answer, upgrade) = agree(request, &wanted, STREAMS);
    let channels = matches!(wanted, Wanted::WebSocket(CHANNELS));
    shared.spawn(run(upgrade, wanted, move |duplex| async move {
        if channels {
            channels::forward(duplex, &destination, &ports).await;
        } else {
            Session::run(duplex, destination, traits).await;
        }
    }));
    Ok(answer)
}

/// The ports of the query, in channels' order: `ports=80,1234` or `ports=80&ports=1234`.
fn ports(query: &Query) -> Result<Vec<u16>, Refusal> {
    let all = query.all("ports").flat_map(|list| list.split(','));
    let ports: Result<Vec<u16>, Refusal> = all
        .map(|text| match text.parse() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(Refusal::bad_request(format!(
                "query parameter \"ports\" must be a port number: {text:?}"
            ))),
        })
        .collect();
    let ports = ports?;
    if ports.is_empty() {
        Err(Refusal::bad_request("query parameter \"ports\" is required"))
    } else {
        Ok(ports)
    }
}
