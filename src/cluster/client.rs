//! The connection to one API server: TLS, proxy and sign-in, as kubectl does them.
//!
//! What it is: [`Client`] sends requests and gives their answers as streams; for what kube does better (exec,
//! port-forward) there is a [`kube::Client`] over the same connections. What it is not: it knows no objects and
//! never repeats a request by itself, except once after a 401 with a renewed credential.
//!
//! kube's own connector is not used because rustls, as kube sets it up, refuses X.509 version 1 client
//! certificates, which kubectl takes; because exec plugins would share the terminal with the explorer; and because
//! kube holds `NO_PROXY` against the proxy's address instead of the server's.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use kube::client::Body;
use serde::Deserialize;
use tokio::sync::watch;
use tower::Service;

mod certificate;
mod credential;
pub mod detached;
mod dial;
mod direct;
mod exec;
mod gather;
mod oidc;
mod rotation;
mod service;
mod tls;
mod websocket;

use super::kubeconfig::Target;
use super::{ApiError, ApiErrorKind, Denied};
use crate::model::{Kind, Text};
use crate::wire::k8s::Status;
use credential::Credential;
use service::Stack;
pub use service::{AnsweredBody, PassedBody, Passing};

pub use websocket::WebSocket;

/// How long a connection may take: name, TCP, proxy and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a single small request may take, unless `--request-timeout` says otherwise.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// No single object (and no error body) is larger.
const MAX_BODY: usize = 64 << 20;

/// Who may talk to the person at the terminal while signing in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// The program owns the screen: plugins get no input, and what they write becomes a notice.
    Ours,
    /// A command that runs like kubectl: plugins may ask and write.
    Shared,
}

/// A connection to one API server. Clones share everything.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    target: Target,
    stack: Stack,
    kube: kube::Client,
    credential: Arc<Credential>,
    server_names: Arc<Mutex<Vec<String>>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("server", &self.inner.target.server).finish_non_exhaustive()
    }
}

/// What `/version` says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerVersion {
    /// Major version.
    pub major: Text,
    /// Minor version; managed clusters append a `+`.
    pub minor: Text,
    /// Full version (`v1.34.4`).
    pub git_version: Text,
}

impl ServerVersion {
    /// Whether it is this one or a later one; no for what is no number.
    pub fn is_from(&self, major: u32, minor: u32) -> bool {
        let number = |text: &str| text.trim_end_matches('+').parse().ok();
        number(&self.major).zip(number(&self.minor)).is_some_and(|version| version >= (major, minor))
    }
}

/// What a request is about, so that its failure can be told in those terms.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Verb of RBAC (`list`, `watch`, `get`, …).
    pub verb: &'static str,
    /// Resource with group, as RBAC writes it.
    pub resource: String,
    /// Namespace, or `None` for the whole cluster.
    pub namespace: Option<Text>,
}

impl Asked {
    /// A verb on a kind.
    pub fn of(verb: &'static str, kind: Kind, namespace: Option<Text>) -> Self {
        Self { verb, resource: kind.resource_and_group(), namespace }
    }
}

impl Client {
    /// Prepares the connection; nothing is sent yet, so a server that is down shows with the first request. Must be
    /// called inside a tokio runtime.
    ///
    /// # Errors
    /// Certificates or keys that cannot be used.
    pub fn new(target: Target, terminal: Terminal) -> Result<Self, ApiError> {
        let credential = Arc::new(Credential::new(&target, terminal)?);
        let server_names = Arc::default();
        let stack = Stack::new(&target, &credential, &server_names)?;
        let kube = kube::Client::new(stack.clone(), target.namespace.clone());
        Ok(Self { inner: Arc::new(Inner { target, stack, kube, credential, server_names }) })
    }

    /// Where it leads.
    pub fn target(&self) -> &Target {
        &self.inner.target
    }

    /// kube's client over the same connections and credentials.
    pub fn kube(&self) -> &kube::Client {
        &self.inner.kube
    }

    /// A way for requests of other programs: their own credential and agent win, see [`Passing`]. The server's path
    /// prefix is put before their paths only `with_server_path`.
    pub fn passing(&self, with_server_path: bool) -> Passing {
        self.inner.stack.passing(with_server_path)
    }

    /// The last lines that a credential plugin wrote while it ran (where to sign in, what failed).
    pub fn notices(&self) -> watch::Receiver<Arc<[String]>> {
        self.inner.credential.notices()
    }

    /// Why the credential plugin could not sign in, where it could if it had the terminal: [`Self::sign_in`] is what
    /// to offer. Changes once for each series of failures; `None` after a success or [`Self::retry_credential`].
    pub fn asks_for_terminal(&self) -> watch::Receiver<Option<Arc<ApiError>>> {
        self.inner.credential.asks()
    }

    /// Runs the credential plugin with the terminal, for plugins that must talk to a person. The caller has put its
    /// screen aside.
    ///
    /// # Errors
    /// What the plugin said.
    pub async fn sign_in(&self) -> Result<(), ApiError> {
        self.inner.credential.sign_in().await
    }

    /// Forgets that a credential could not be had a moment ago: the next request tries again at once.
    pub async fn retry_credential(&self) {
        self.inner.credential.forget_failure().await;
    }

    /// Uses none of the connections that are open now for further requests: they may be dead without a word, as after
    /// a sleep of the computer.
    pub fn forget_connections(&self) {
        self.inner.stack.forget_connections();
    }

    /// DNS names in the API server's certificate, from the last connection. Empty before the first one.
    pub fn server_names(&self) -> Vec<String> {
        self.inner.server_names.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The cluster domain, if the API server's certificate names it: kubeadm writes `kubernetes.default.svc.DOMAIN`
    /// into it (kubeadm: `pki_helpers.go`, `GetAPIServerAltNames`).
    pub fn certificate_domain(&self) -> Option<String> {
        self.server_names()
            .iter()
            .find_map(|name| name.strip_prefix("kubernetes.default.svc.").map(str::to_owned))
            .filter(|domain| !domain.is_empty())
    }

    /// Sends a request whose path is relative to the server, and returns the answer whatever its status, with the
    /// body still to be read. No time limit beyond that for connecting.
    ///
    /// # Errors
    /// No connection, no credential, no HTTP.
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, ApiError> {
        let mut stack = self.inner.stack.clone();
        stack.call(request).await.map_err(|error| ApiError::transport(&*error))
    }

    /// A GET whose answer is judged: anything but success becomes an error about `asked`. The body is still to be
    /// read.
    ///
    /// # Errors
    /// As [`Self::send`], and every status but 2xx.
    pub async fn get(&self, path: &str, accept: &str, asked: &Asked) -> Result<Response<Incoming>, ApiError> {
        self.judged(get_request(path, accept)?, asked).await
    }

    /// As [`Self::get`], for something large: the answer may be compressed (`Content-Encoding: gzip`).
    pub(super) async fn get_large(
        &self,
        path: &str,
        accept: &str,
        asked: &Asked,
    ) -> Result<Response<Incoming>, ApiError> {
        let mut request = get_request(path, accept)?;
        if self.inner.target.compressed() {
            request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        self.judged(request, asked).await
    }

    async fn judged(&self, request: Request<Body>, asked: &Asked) -> Result<Response<Incoming>, ApiError> {
        let response = self.send(request).await?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(response, asked).await) }
    }

    /// A GET of something small, read whole, with its content type. Bounded in time and size.
    ///
    /// # Errors
    /// As [`Self::get`], or too slow, or too large.
    pub async fn get_whole(
        &self,
        path: &str,
        accept: &str,
        asked: &Asked,
    ) -> Result<(Bytes, String), ApiError> {
        self.send_whole(get_request(path, accept)?, asked).await
    }

    /// Any request with a small answer: judged as [`Self::get`] does and read whole, with its content type. Bounded in
    /// time (`--request-timeout`, else half a minute) and size.
    ///
    /// # Errors
    /// As [`Self::get`], or too slow, or too large.
    pub async fn send_whole(
        &self,
        request: Request<Body>,
        asked: &Asked,
    ) -> Result<(Bytes, String), ApiError> {
        let limit = self.inner.target.request_timeout.unwrap_or(REQUEST_TIMEOUT);
        let exchange = async {
            let response = self.judged(request, asked).await?;
            let content_type = content_type(&response);
            let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
            let body = body.map_err(|error| ApiError::transport(&*error))?;
            Ok((body.to_bytes(), content_type))
        };
        let timeout = |_| ApiError::timeout(format!("cannot {} {}", asked.verb, asked.resource), limit);
        tokio::time::timeout(limit, exchange).await.map_err(timeout)?
    }

    /// The server's version. Needs no rights in most clusters.
    ///
    /// # Errors
    /// As [`Self::get_whole`], or an answer that is no version.
    pub async fn server_version(&self) -> Result<ServerVersion, ApiError> {
        let asked = Asked { verb: "get", resource: "/version".to_owned(), namespace: None };
        let (body, _) = self.get_whole("/version", "application/json", &asked).await?;
        serde_json::from_slice(&body).map_err(|_| ApiError::protocol("/version is no version"))
    }
}

/// A GET request relative to the server.
fn get_request(path: &str, accept: &str) -> Result<Request<Body>, ApiError> {
    Request::get(path)
        .header(header::ACCEPT, accept)
        .body(Body::empty())
        .map_err(|error| ApiError::protocol(format!("the request could not be built: {error}")))
}

/// The media type of an answer, lower case.
pub(super) fn content_type<B>(response: &Response<B>) -> String {
    let value = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    value.unwrap_or_default().to_ascii_lowercase()
}

/// Reads the body of an answer that is no success, within bounds, and makes an error of it.
async fn refusal(response: Response<Incoming>, asked: &Asked) -> ApiError {
    let (parts, body) = response.into_parts();
    let body = tokio::time::timeout(Duration::from_secs(5), Limited::new(body, 1 << 20).collect()).await;
    let body = body.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut status = Status::from_body(&body);
    if status.retry_after == 0 {
        let value = parts.headers.get(header::RETRY_AFTER).and_then(|v: &HeaderValue| v.to_str().ok());
        status.retry_after = value.and_then(|v| v.trim().parse().ok()).unwrap_or(0);
    }
    from_status(parts.status, &status, asked)
}

/// The error for a status that is no success.
pub(super) fn from_status(code: StatusCode, status: &Status, asked: &Asked) -> ApiError {
    let Asked { verb, resource, namespace } = asked;
    let place =
        namespace.as_deref().map_or_else(|| " in the whole cluster".to_owned(), |n| format!(" in {n}"));
    let what = format!("cannot {verb} {resource}{place}");
    let said = if status.message.is_empty() {
        code.canonical_reason().unwrap_or("the server gives no reason").to_owned()
    } else {
        status.message.clone()
    };
    let retry_after = (status.retry_after > 0).then(|| Duration::from_secs(status.retry_after.into()));
    let (kind, hint) = match code.as_u16() {
        401 => (
            ApiErrorKind::Unauthorized,
            "the credential is unknown or has expired: sign in again, or check the kubeconfig's user"
                .to_owned(),
        ),
        403 => (
            ApiErrorKind::Forbidden(Box::new(Denied {
                verb: (*verb).into(),
                resource: resource.as_str().into(),
                namespace: namespace.clone(),
            })),
            format!("ask for the right to {verb} {resource}{place}"),
        ),
        404 => (ApiErrorKind::NotFound, String::new()),
        410 => (ApiErrorKind::Expired, String::new()),
        429 => (ApiErrorKind::Busy { retry_after }, "the server is busy; it is asked again later".to_owned()),
        504 if said.contains("Too large resource version") => (ApiErrorKind::NotYet, String::new()),
        // Any server error may carry it (client-go: `rest/with_retry.go`, `checkWait`).
        500.. if retry_after.is_some() => {
            (ApiErrorKind::Busy { retry_after }, "the server is busy; it is asked again later".to_owned())
        }
        500.. => (
            ApiErrorKind::Server(code.as_u16()),
            "the API server or a proxy before it has a problem".to_owned(),
        ),
        other => (ApiErrorKind::Rejected(other), String::new()),
    };
    let why = if matches!(code.as_u16(), 401 | 500..) { format!("{said} ({})", code.as_u16()) } else { said };
    ApiError::new(kind, what, why).hint(hint)
}
