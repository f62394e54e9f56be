//! From HTTP to a connection of frames: the request, what the server thinks of it, and the bare connection.
//!
//! What it is: one upgrade, in each of three ways. What it is not: a choice between them ([`super::pool`] makes it).
//! (KEP-4006; client-go: `tools/portforward/tunneling_dialer.go`.)

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use http::header::{
    CONNECTION, RETRY_AFTER, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use serde::Deserialize;

/// How long a connection may take until it is open.
const LIMIT: Duration = Duration::from_secs(15);
/// No refusal is longer.
const LONGEST_REFUSAL: usize = 64 * 1024;

/// SPDY frames in WebSocket messages.
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
/// One channel byte before each message.
const CHANNELS: &str = "v4.channel.k8s.io";
/// The version of the streams in a SPDY connection.
const STREAMS: &str = "portforward.k8s.io";

/// A way to a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// SPDY/3.1 in a WebSocket.
    Tunnel,
    /// SPDY/3.1 by POST.
    Plain,
    /// A WebSocket for one stream to one port.
    Channels,
}

/// What kind of refusal it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The API server can't be reached, or did not answer in time.
    Unreachable,
    /// Not signed in.
    Unauthorized,
    /// Not allowed.
    Forbidden,
    /// There is no such pod.
    NotFound,
    /// The pod is there and can't be forwarded to (yet).
    NotReady,
    /// The server does not understand this way.
    Unsupported,
}

/// Why there is no stream.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{text}")]
pub struct OpenError {
    /// What kind it is.
    pub refusal: Refusal,
    /// The server's own words, or what happened on the way there.
    pub text: Arc<str>,
    /// How long the server wants to be left alone.
    pub retry_after: Option<Duration>,
}

impl OpenError {
    pub(super) fn new(refusal: Refusal, text: impl Into<String>) -> Self {
        Self { refusal, text: text.into().into(), retry_after: None }
    }
}

/// A `Status` object, as far as its words go.
#[derive(Deserialize)]
struct Status {
    message: String,
}

/// Opens a connection. `port` is needed for [`Way::Channels`] alone.
pub(super) async fn dial(
    client: &kube::Client,
    way: Way,
    namespace: &str,
    pod: &str,
    port: u16,
) -> Result<TokioIo<Upgraded>, OpenError> {
    let exchange = async {
        let request = request(way, namespace, pod, port)?;
        let response = client.send(request).await.map_err(|error| unreachable(&error))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refused(response).await);
        }
        if !agreed(way, &response) {
            let text = "the server has agreed to another protocol than was asked for";
            return Err(OpenError::new(Refusal::Unsupported, text));
        }
        let upgraded = hyper::upgrade::on(response).await;
        upgraded.map(TokioIo::new).map_err(|error| OpenError::new(Refusal::Unreachable, error.to_string()))
    };
    tokio::time::timeout(LIMIT, exchange).await.unwrap_or_else(|_| {
        let text = format!("no answer from the API server within {} s", LIMIT.as_secs());
        Err(OpenError::new(Refusal::Unreachable, text))
    })
}

fn request(way: Way, namespace: &str, pod: &str, port: u16) -> Result<Request<Body>, OpenError> {
    let mut path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/portforward");
    if way == Way::Channels {
        path = format!("{path}?ports={port}");
    }
    let builder = match way {
        Way::Plain => {
            Request::post(path).header(UPGRADE, "SPDY/3.1").header("x-stream-protocol-version", STREAMS)
        }
        Way::Tunnel | Way::Channels => Request::get(path)
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, key())
            .header(SEC_WEBSOCKET_PROTOCOL, protocol(way)),
    };
    let request = builder.header(CONNECTION, "Upgrade").body(Body::empty());
    request.map_err(|error| OpenError::new(Refusal::NotFound, format!("the pod has no usable name: {error}")))
}

fn protocol(way: Way) -> &'static str {
    if way == Way::Channels { CHANNELS } else { TUNNEL }
}

/// Sixteen bytes that nobody guesses.
fn key() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    let half = |salt: u8| RandomState::new().hash_one(salt).to_ne_bytes();
    base64::engine::general_purpose::STANDARD.encode([half(0), half(1)].concat())
}

/// Whether the answer agrees to what was asked. The accept key proves nothing over a connection that is ours alone,
/// so the protocol's name is what counts.
fn agreed(way: Way, response: &Response<Body>) -> bool {
    let header = |name: &str| response.headers().get(name).map_or(&b""[..], HeaderValue::as_bytes);
    match way {
        Way::Plain => header("x-stream-protocol-version") == STREAMS.as_bytes(),
        Way::Tunnel | Way::Channels => header("sec-websocket-protocol") == protocol(way).as_bytes(),
    }
}

/// The whole chain of an error, each sentence once.
fn unreachable(error: &kube::Error) -> OpenError {
    let mut text = match error {
        kube::Error::Service(inner) => inner.to_string(),
        other => other.to_string(),
    };
    let mut cause = match error {
        kube::Error::Service(inner) => inner.source(),
        other => other.source(),
    };
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    OpenError::new(Refusal::Unreachable, text)
}

async fn refused(response: Response<Body>) -> OpenError {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    let body = Limited::new(response.into_body(), LONGEST_REFUSAL).collect().await;
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let said = serde_json::from_slice::<Status>(&body).map(|status| status.message);
    let said = said.unwrap_or_else(|_| String::from_utf8_lossy(&body).trim().to_owned());
    let text = if said.is_empty() { format!("the server answered {status}") } else { said };
    let refusal = match status.as_u16() {
        401 => Refusal::Unauthorized,
        403 => Refusal::Forbidden,
        404 => Refusal::NotFound,
        400 if text.contains("does not have a host assigned") => Refusal::NotReady,
        429 => Refusal::NotReady,
        // A proxy or a server that does not know the protocol: kubectl falls back on any failed upgrade
        // (client-go: `httpstream.IsUpgradeFailure`).
        200..=299 | 400..=499 => Refusal::Unsupported,
        500 if text.contains("unable to upgrade") && !text.contains("sandbox") => Refusal::Unsupported,
        _ => Refusal::NotReady,
    };
    OpenError { retry_after, ..OpenError::new(refusal, text) }
}
