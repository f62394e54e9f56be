//! The stack that every request goes through: address, identity headers, credential, connection pool.

use std::fmt::Write as _;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{AUTHORIZATION, CONNECTION, HOST, UPGRADE, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Either};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use kube::client::Body;
use tower::{BoxError, Service};

use super::credential::{Certificate, Credential, Used};
use super::dial::Connector;
use super::direct::Direct;
use super::{CONNECT_TIMEOUT, tls};
use crate::cluster::kubeconfig::{Impersonate, Target};
use crate::cluster::{ApiError, ApiErrorKind};

/// The body of somebody else's request, which is passed on as it comes.
pub type PassedBody = UnsyncBoxBody<Bytes, BoxError>;
/// The body of its answer.
pub type AnsweredBody = UnsyncBoxBody<Bytes, io::Error>;
type Sent = Either<Body, PassedBody>;
type Pool = legacy::Client<Connector, Sent>;

/// A connection that was idle for longer is not used again: the API server closes its end after 90 seconds, and a
/// request that meets the closing would fail.
const IDLE: Duration = Duration::from_mins(1);
const IMPERSONATE_USER: HeaderName = HeaderName::from_static("impersonate-user");

/// The stack. Clones share connections and credential.
#[derive(Clone)]
pub(super) struct Stack {
    shared: Arc<Shared>,
}

struct Shared {
    server: Uri,
    headers: HeaderMap,
    credential: Arc<Credential>,
    connector: Connector,
    /// The ways to the server for the present certificate.
    ways: Mutex<Ways>,
}

/// Connections that are used again and again. They keep the identity they were made with.
#[derive(Clone)]
struct Ways {
    certificate: Certificate,
    pool: Pool,
    direct: Arc<Direct>,
}

impl Ways {
    fn new(connector: &Connector, certificate: Certificate) -> Self {
        let mut pool = legacy::Client::builder(TokioExecutor::new());
        let pool = pool.pool_idle_timeout(IDLE).build(connector.clone());
        Self { certificate, pool, direct: Direct::new(connector, IDLE) }
    }
}

impl Stack {
    pub(super) fn new(
        target: &Target,
        credential: &Arc<Credential>,
        names: &Arc<Mutex<Vec<String>>>,
    ) -> Result<Self, ApiError> {
        let config = tls::config(target, &credential.certificate())?;
        let connector = Connector::new(target, config, names.clone(), CONNECT_TIMEOUT)?;
        Ok(Self {
            shared: Arc::new(Shared {
                server: target.server.clone(),
                headers: headers(&target.impersonate)?,
                credential: credential.clone(),
                ways: Mutex::new(Ways::new(&connector, Certificate::default())),
                connector,
            }),
        })
    }
}

impl Stack {
    /// Connections that are idle now are not used again.
    pub(super) fn forget_connections(&self) {
        let mut ways = self.shared.ways.lock().unwrap_or_else(PoisonError::into_inner);
        *ways = Ways::new(&self.shared.connector, ways.certificate);
    }
}

/// A client that makes a connection for each request.
fn fresh(connector: &Connector) -> Pool {
    legacy::Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector.clone())
}

impl Shared {
    /// The ways for the present certificate: connections keep the identity they were made with, so a new certificate
    /// needs new ones.
    fn ways(&self, certificate: Certificate) -> MutexGuard<'_, Ways> {
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        if ways.certificate != certificate {
            *ways = Ways::new(&self.connector, certificate);
        }
        ways
    }

    async fn exchange(&self, request: Request<Body>) -> Result<Response<Incoming>, Failure> {
        let again = copy(&request);
        let (response, used) = self.attempt(request).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        // The credential may have been revoked before its time: fetch another one, once.
        let Some(again) = again else { return Ok(response) };
        if self.credential.renew(&used).await? { Ok(self.attempt(again).await?.0) } else { Ok(response) }
    }

    /// One try, with the credential that was used.
    async fn attempt(&self, mut request: Request<Body>) -> Result<(Response<Incoming>, Used), Failure> {
        let present = self.credential.present().await?;
        let used = present.used();
        *request.uri_mut() = absolute(&self.server, request.uri().path_and_query())?;
        let headers = request.headers_mut();
        headers.remove(HOST);
        for (name, value) in &self.headers {
            headers.append(name.clone(), value.clone());
        }
        if let Some(value) = present.header {
            headers.insert(AUTHORIZATION, value);
        }
        let sending = self.ways(present.certificate).pool.request(request.map(Either::Left));
        Ok((sending.await?, used))
    }
}

/// Requests of other programs, passed on with our credential where they bring none of their own.
///
/// The rules are those of client-go's round trippers: `Authorization`, `User-Agent` and `Impersonate-User` of the
/// request win, ours are put where there is none. The server's path prefix is left out unless it is asked for. A
/// request for an upgrade gets a connection of its own.
#[derive(Clone)]
pub struct Passing {
    shared: Arc<Shared>,
    /// The server, with its path prefix or without.
    server: Uri,
}

impl std::fmt::Debug for Passing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passing").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Stack {
    /// The way for requests of others.
    pub(super) fn passing(&self, with_server_path: bool) -> Passing {
        let mut server = self.shared.server.clone().into_parts();
        if !with_server_path {
            server.path_and_query = Some(PathAndQuery::from_static("/"));
        }
        let server = Uri::from_parts(server).unwrap_or_else(|_| self.shared.server.clone());
        Passing { shared: self.shared.clone(), server }
    }
}

impl Passing {
    async fn exchange(&self, request: Request<PassedBody>) -> Result<Response<AnsweredBody>, Failure> {
        // Without a body the request can be sent once more, with another credential.
        if !request.body().is_end_stream() {
            return Ok(Box::pin(self.attempt(request.map(Some))).await?.0);
        }
        let request = request.map(|_| ());
        let own = request.headers().get(AUTHORIZATION).is_some_and(|value| !value.is_empty());
        let again = if own || self.shared.credential.is_fixed() { None } else { Some(request.clone()) };
        let (response, used) = self.attempt(request.map(|()| None)).await?;
        let Some(again) = again.filter(|_| response.status() == StatusCode::UNAUTHORIZED) else {
            return Ok(response);
        };
        // Who asked gets the server's own words where there is no other credential.
        if Box::pin(self.shared.credential.renew(&used)).await.unwrap_or(false) {
            Ok(Box::pin(self.attempt(again.map(|()| None))).await?.0)
        } else {
            Ok(response)
        }
    }

    async fn attempt(
        &self,
        mut request: Request<Option<PassedBody>>,
    ) -> Result<(Response<AnsweredBody>, Used), Failure> {
        let present = self.shared.credential.present().await?;
        let used = present.used();
        *request.uri_mut() = absolute(&self.server, request.uri().path_and_query())?;
        let upgrade = request.headers().contains_key(CONNECTION) && request.headers().contains_key(UPGRADE);
        let tunnel = request.method() == Method::CONNECT;
        complete(request.headers_mut(), present.header, &self.shared.headers);
        if !upgrade && !tunnel && request.body().is_none() {
            let direct = self.shared.ways(present.certificate).direct.clone();
            let response = direct.request(request.map(|_| ())).await.map_err(Failure::Direct)?;
            return Ok((response.map(answered), used));
        }
        let request = request.map(|body| body.map_or_else(|| Either::Left(Body::empty()), Either::Right));
        let sending = if upgrade {
            fresh(&self.shared.connector).request(request)
        } else {
            self.shared.ways(present.certificate).pool.request(request)
        };
        Ok((sending.await?.map(answered), used))
    }
}

fn answered(
    body: impl hyper::body::Body<Data = Bytes, Error = hyper::Error> + Send + 'static,
) -> AnsweredBody {
    body.map_err(io::Error::other).boxed_unsync()
}

/// Puts our credential, agent and impersonation into somebody's request, each where it has none of its own.
fn complete(headers: &mut HeaderMap, credential: Option<HeaderValue>, ours: &HeaderMap) {
    headers.remove(HOST);
    let missing =
        |headers: &HeaderMap, name: &HeaderName| headers.get(name).is_none_or(HeaderValue::is_empty);
    if missing(headers, &AUTHORIZATION)
        && let Some(value) = credential
    {
        headers.insert(AUTHORIZATION, value);
    }
    let (agent, acting) = (missing(headers, &USER_AGENT), missing(headers, &IMPERSONATE_USER));
    for (name, value) in ours {
        if name == USER_AGENT {
            if agent {
                headers.insert(USER_AGENT, value.clone());
            }
        } else if acting {
            headers.append(name.clone(), value.clone());
        }
    }
}

impl Service<Request<PassedBody>> for Passing {
    type Response = Response<AnsweredBody>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<PassedBody>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            // What is told to who asked is a sentence, not hyper's chain of causes.
            this.exchange(request).await.map_err(|failure| ApiError::transport(&*failure.boxed()).into())
        })
    }
}

impl Service<Request<Body>> for Stack {
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let shared = self.shared.clone();
        Box::pin(async move { shared.exchange(request).await.map_err(Failure::boxed) })
    }
}

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Http(#[from] http::Error),
    #[error(transparent)]
    Pool(#[from] legacy::Error),
    #[error("{0}")]
    Direct(BoxError),
}

impl Failure {
    fn boxed(self) -> BoxError {
        match self {
            Self::Api(error) => Box::new(error),
            Self::Http(error) => Box::new(error),
            Self::Pool(error) => Box::new(error),
            Self::Direct(error) => error,
        }
    }
}

/// The same request once more, if its body can be sent twice.
fn copy(request: &Request<Body>) -> Option<Request<Body>> {
    let mut copy = Request::new(request.body().try_clone()?);
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    Some(copy)
}

/// Puts the server's address, and its path prefix if it has one, before a path.
fn absolute(server: &Uri, path: Option<&PathAndQuery>) -> Result<Uri, http::Error> {
    let prefix = server.path().trim_end_matches('/');
    let mut parts = server.clone().into_parts();
    if prefix.is_empty() {
        parts.path_and_query = Some(path.cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
        return Ok(Uri::from_parts(parts)?);
    }
    let path = path.map_or("/", PathAndQuery::as_str);
    parts.path_and_query = Some(format!("{prefix}{path}").parse().map_err(http::Error::from)?);
    Ok(Uri::from_parts(parts)?)
}

/// What every request carries: who we are, and whom to act as (client-go: `impersonatingRoundTripper`).
fn headers(impersonate: &Impersonate) -> Result<HeaderMap, ApiError> {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("kdisco/", env!("CARGO_PKG_VERSION"))));
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|_| {
            let why = format!("{text:?} cannot be acted as: a header cannot carry it");
            ApiError::new(ApiErrorKind::Config, "impersonation cannot be used", why)
        })
    };
    if let Some(user) = &impersonate.user {
        headers.insert("impersonate-user", value(user)?);
    }
    if let Some(uid) = &impersonate.uid {
        headers.insert("impersonate-uid", value(uid)?);
    }
    for group in &impersonate.groups {
        headers.append("impersonate-group", value(group)?);
    }
    for (key, values) in &impersonate.extra {
        let name = format!("impersonate-extra-{}", escape_key(key));
        let name = HeaderName::try_from(name).map_err(|_| {
            ApiError::new(ApiErrorKind::Config, "impersonation cannot be used", format!("{key:?} is no key"))
        })?;
        for text in values {
            headers.append(name.clone(), value(text)?);
        }
    }
    Ok(headers)
}

/// Percent-encodes what a header's name cannot hold, and `%` itself (client-go: `headerKeyEscape`).
fn escape_key(key: &str) -> String {
    let mut out = String::new();
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_prefix_of_a_server_stays() {
        let at = |server: &str, path: &str| {
            absolute(&server.parse().unwrap(), Some(&path.parse().unwrap())).unwrap().to_string()
        };
        assert_eq!(at("https://h:6443", "/api?x=1"), "https://h:6443/api?x=1");
        assert_eq!(at("https://h/k8s/clusters/c-1/", "/api"), "https://h/k8s/clusters/c-1/api");
    }

    #[test]
    fn impersonation_headers_are_escaped_and_repeated() {
        let headers = headers(&Impersonate {
            user: Some("jane".into()),
            uid: None,
            groups: vec!["a".into(), "b".into()],
            extra: [("example.com/x%".to_owned(), vec!["1".to_owned()])].into(),
        })
        .unwrap();
        assert_eq!(headers["impersonate-user"], "jane");
        assert_eq!(headers.get_all("impersonate-group").iter().count(), 2);
        assert_eq!(headers["impersonate-extra-example.com%2fx%25"], "1");
    }

    #[test]
    fn a_requests_own_identity_wins_over_ours() {
        let ours = headers(&Impersonate { user: Some("jane".into()), ..Impersonate::default() }).unwrap();
        let ours_is = HeaderValue::from_static("Bearer ours");
        let mut bare = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(""))]);
        bare.insert(HOST, HeaderValue::from_static("localhost"));
        complete(&mut bare, Some(ours_is.clone()), &ours);
        assert_eq!(
            (&bare[AUTHORIZATION], &bare[IMPERSONATE_USER]),
            (&ours_is, &HeaderValue::from_static("jane"))
        );
        assert!(!bare.contains_key(HOST) && bare.contains_key(USER_AGENT));
        let own = |text: &'static str| HeaderValue::from_static(text);
        let mut theirs = HeaderMap::from_iter([
            (AUTHORIZATION, own("Bearer mine")),
            (USER_AGENT, own("me")),
            (IMPERSONATE_USER, own("john")),
        ]);
        let before = theirs.clone();
        complete(&mut theirs, Some(ours_is), &ours);
        assert_eq!(theirs, before);
    }

    #[test]
    fn a_line_break_in_a_name_to_act_as_is_an_error() {
        assert!(headers(&Impersonate { user: Some("a\r\nb: c".into()), ..Impersonate::default() }).is_err());
    }

    fn size<F: Future>(_: impl FnOnce(Passing, Request<PassedBody>) -> F) -> usize {
        size_of::<F>()
    }

    /// It is put into a box for each request: what is seldom needed has a box of its own.
    #[test]
    fn a_request_on_its_way_is_small() {
        let size = size(|passing, request| async move {
            let _ = passing.exchange(request).await;
        });
        assert!(size < 4000, "{size} bytes");
    }
}
