//! The API proxy: a plain HTTP/1.1 server on this machine that hands requests to the API server, as `kubectl proxy`.
//!
//! What it is: [`start`] listens and serves until the [`Proxy`] is dropped. Paths, filter and headers are kubectl's,
//! byte for byte; a narrow mode allows less. What it is not: it holds no credential and makes no connection; whoever
//! starts it hands it the way to the server ([`Upstream`]). The runtime and the command line may use it.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::{BoxError, Service, ServiceExt as _};

mod address;
mod count;
mod files;
pub mod filter;
mod headers;
mod listen;
mod narrow;
pub mod re2;
mod route;
mod serve;
mod tunnel;

pub use address::Path;
pub use listen::Listen;
pub use route::{Route, Routes};

use crate::model::proxy::{Openness, ProxyStatus};
use count::Counters;
use filter::{BadExpression, Filter, FilterSpec};
use serve::Shared;

/// The body of a request that is passed on.
pub type Passed = UnsyncBoxBody<Bytes, BoxError>;

/// The body of an answer. Its failure is not boxed: an answer of either kind could not be sent between threads then.
pub type Answered = UnsyncBoxBody<Bytes, std::io::Error>;

/// What comes back from the server.
pub type Answering = Pin<Box<dyn Future<Output = Result<Response<Answered>, BoxError>> + Send>>;

/// The way to the API server. It gets requests whose address is a path alone and puts server, credential and agent
/// where the request has none.
pub trait Upstream: Send + Sync + 'static {
    /// Sends a request; the answer's body is still to be read.
    fn send(&self, request: Request<Passed>) -> Answering;
}

impl<S> Upstream for S
where
    S: Service<Request<Passed>, Response = Response<Answered>, Error = BoxError>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    fn send(&self, request: Request<Passed>) -> Answering {
        Box::pin(self.clone().oneshot(request))
    }
}

/// What to serve, and where.
#[derive(Clone, Debug)]
pub struct ProxySpec {
    /// Where to listen.
    pub listen: Listen,
    /// The prefix of the API's paths; one that begins with `/api` is not cut off.
    pub api_prefix: String,
    /// A directory whose files are served too.
    pub files: Option<PathBuf>,
    /// The prefix of their paths.
    pub files_prefix: String,
    /// Which requests pass; `None` lets all pass.
    pub filter: Option<FilterSpec>,
    /// GET and HEAD only, no upgrades, no pages of other origins.
    pub narrow: bool,
}

impl ProxySpec {
    /// kubectl's defaults, at 127.0.0.1:8001.
    pub fn kubectl() -> Self {
        Self {
            listen: Listen::Tcp { address: "127.0.0.1".to_owned(), port: 8001, next_free: false },
            api_prefix: "/".to_owned(),
            files: None,
            files_prefix: "/static/".to_owned(),
            filter: Some(FilterSpec::default()),
            narrow: false,
        }
    }

    /// What the explorer opens without asking: narrow, at 127.0.0.1:8001 or the next free port.
    pub fn narrow() -> Self {
        let listen = Listen::Tcp { address: "127.0.0.1".to_owned(), port: 8001, next_free: true };
        Self { listen, narrow: true, ..Self::kubectl() }
    }
}

/// Why a proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// An expression of the filter is none.
    #[error(transparent)]
    Expression(#[from] BadExpression),
    /// A prefix that no path begins with.
    #[error("the prefix \"{0}\" does not begin with a /")]
    Prefix(String),
    /// API and files under the same prefix.
    #[error("the API and the files can't both be under {0}")]
    SamePrefix(String),
    /// The address or port can't be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address that was tried.
        address: String,
        /// What the system says.
        error: std::io::Error,
    },
}

/// A running proxy. Dropping it closes the listener, all connections and all tunnels.
#[derive(Debug)]
pub struct Proxy {
    address: String,
    openness: Openness,
    status: watch::Receiver<Arc<ProxyStatus>>,
    tasks: JoinSet<()>,
    /// Tunnels end when it closes.
    _alive: watch::Sender<()>,
    /// Removes the socket's file.
    _file: Option<listen::SocketFile>,
}

impl Proxy {
    /// Where it listens: `127.0.0.1:8001`, or the path of a socket.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How far it is open.
    pub fn openness(&self) -> Openness {
        self.openness
    }

    /// What goes through it; changes at most every 200 ms.
    pub fn status(&self) -> watch::Receiver<Arc<ProxyStatus>> {
        self.status.clone()
    }

    /// Ends it, and returns when the listener and all connections are closed.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }

    /// Waits for ever, unless the listener breaks.
    pub async fn closed(&self) {
        let mut status = self.status.clone();
        // The sender lives in a task of ours: that it is gone means the same.
        let _ = status.wait_for(|status| status.ended.is_some()).await;
    }
}

/// Starts a proxy. Must be called inside a tokio runtime.
///
/// # Errors
/// Expressions or prefixes that can't be, an address that can't be listened on.
pub async fn start(spec: ProxySpec, upstream: impl Upstream) -> Result<Proxy, ProxyError> {
    let rules = Rules::new(&spec)?;
    let listener = listen::bind(&spec.listen).await?;
    let openness = rules.openness(&spec, listener.beyond_loopback);
    let (alive, living) = watch::channel(());
    let (shared, status) = rules.shared(spec, upstream, (listener.address.as_str(), openness), living);
    let counters = shared.counters.clone();
    let mut tasks = JoinSet::new();
    tasks.spawn(listen::serve(listener.socket, Arc::new(shared)));
    tasks.spawn(counters.publish());
    Ok(Proxy { address: listener.address, openness, status, tasks, _alive: alive, _file: listener.file })
}

/// Serves one connection that is there already, as a proxy serves those that it accepts, until it ends. Nothing
/// listens.
///
/// # Errors
/// Expressions or prefixes that can't be.
pub async fn serve_one(
    spec: ProxySpec,
    upstream: impl Upstream,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<(), ProxyError> {
    let rules = Rules::new(&spec)?;
    let openness = rules.openness(&spec, false);
    let (_alive, living) = watch::channel(());
    let (shared, _) = rules.shared(spec, upstream, ("", openness), living);
    listen::connection(stream, true, None, Arc::new(shared)).await;
    Ok(())
}

/// What a proxy goes by, read from its flags.
struct Rules {
    filter: Option<Filter>,
    /// Whether Hosts that are none of this machine pass.
    foreign_hosts: bool,
    routes: Routes,
}

impl Rules {
    fn new(spec: &ProxySpec) -> Result<Self, ProxyError> {
        let filter = spec.filter.as_ref().map(Filter::new).transpose()?;
        let foreign = spec.filter.as_ref().map(FilterSpec::accepts_foreign_hosts).transpose()?;
        Ok(Self { filter, foreign_hosts: foreign.unwrap_or(true), routes: routes(spec)? })
    }

    fn openness(&self, spec: &ProxySpec, beyond_loopback: bool) -> Openness {
        Openness {
            narrow: spec.narrow,
            beyond_loopback,
            foreign_hosts: self.foreign_hosts,
            unfiltered: self.filter.is_none(),
        }
    }

    fn shared(
        self,
        spec: ProxySpec,
        upstream: impl Upstream,
        (address, openness): (&str, Openness),
        alive: watch::Receiver<()>,
    ) -> (Shared, watch::Receiver<Arc<ProxyStatus>>) {
        let (counters, status) = Counters::new(ProxyStatus {
            address: address.into(),
            openness,
            started: Timestamp::now(),
            requests: 0,
            open: 0,
            rejected: 0,
            failed: 0,
            up: 0,
            down: 0,
            last_error: None,
            ended: None,
        });
        let shared = Shared {
            routes: self.routes,
            filter: self.filter,
            narrow: spec.narrow,
            files: spec.files,
            upstream: Box::new(upstream),
            counters,
            alive,
        };
        (shared, status)
    }
}

fn routes(spec: &ProxySpec) -> Result<Routes, ProxyError> {
    let files = spec.files.as_ref().map(|_| &*spec.files_prefix);
    let Some(routes) = Routes::new(&spec.api_prefix, files) else {
        let bad = if spec.api_prefix.starts_with('/') { &spec.files_prefix } else { &spec.api_prefix };
        return Err(ProxyError::Prefix(bad.clone()));
    };
    if routes.files() == Some(routes.api()) {
        return Err(ProxyError::SamePrefix(routes.api().to_owned()));
    }
    Ok(routes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_told_otherwise_listens_on_loopback() {
        for spec in [ProxySpec::kubectl(), ProxySpec::narrow()] {
            let Listen::Tcp { address, .. } = &spec.listen else { panic!("{spec:?}") };
            assert!(address.parse::<std::net::IpAddr>().unwrap().is_loopback(), "{address}");
            assert!(!Rules::new(&spec).unwrap().openness(&spec, false).foreign_hosts);
        }
        assert!(ProxySpec::narrow().narrow);
    }
}
