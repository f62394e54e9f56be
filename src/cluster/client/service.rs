//! The stack that every request goes through: address, identity headers, credential, connection pool.

use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use http::header::{AUTHORIZATION, HOST, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use kube::client::Body;
use tower::{BoxError, Service};

use super::credential::{Certificate, Credential, Used};
use super::dial::Connector;
use super::{CONNECT_TIMEOUT, tls};
use crate::cluster::kubeconfig::{Impersonate, Target};
use crate::cluster::{ApiError, ApiErrorKind};

type Pool = legacy::Client<Connector, Body>;

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
    /// The pool and the credential's certificate it was made for.
    pool: Mutex<(Pool, Certificate)>,
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
                pool: Mutex::new((pool(&connector), Certificate::default())),
                connector,
            }),
        })
    }
}

fn pool(connector: &Connector) -> Pool {
    legacy::Client::builder(TokioExecutor::new()).build(connector.clone())
}

impl Shared {
    /// The pool for the present certificate: connections keep the identity they were made with, so a new
    /// certificate needs new ones.
    fn pool(&self, certificate: Certificate) -> Pool {
        let mut current = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if current.1 != certificate {
            *current = (pool(&self.connector), certificate);
        }
        current.0.clone()
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
        let pool = self.pool(present.certificate);
        Ok((pool.request(request).await?, used))
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
}

impl Failure {
    fn boxed(self) -> BoxError {
        match self {
            Self::Api(error) => Box::new(error),
            Self::Http(error) => Box::new(error),
            Self::Pool(error) => Box::new(error),
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
    let path = path.map_or("/", PathAndQuery::as_str);
    let mut parts = server.clone().into_parts();
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
    fn a_line_break_in_a_name_to_act_as_is_an_error() {
        assert!(headers(&Impersonate { user: Some("a\r\nb: c".into()), ..Impersonate::default() }).is_err());
    }
}
