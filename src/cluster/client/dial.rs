//! Makes connections: TCP, through a proxy if there is one, then TLS; all within one time limit.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use http::{HeaderValue, Uri};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower::{BoxError, Service};

use super::certificate::dns_names;
use super::gather::Gather;
use crate::cluster::kubeconfig::{Proxy, ProxyKind, Target};
use crate::cluster::{ApiError, ApiErrorKind};

type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;
type Tcp = TokioIo<Gather<TcpStream>>;
/// A TCP connection, or a TLS one to an https proxy.
type Way = MaybeHttpsStream<Tcp>;

/// A connection to the server.
pub(super) type Stream = MaybeHttpsStream<Way>;

/// Makes connections to the server. hyper calls it when it has none to spare, and copies it with each request.
#[derive(Clone)]
pub(super) struct Connector {
    parts: Arc<Parts>,
}

struct Parts {
    https: HttpsConnector<Dial>,
    names: Arc<Mutex<Vec<String>>>,
    limit: Duration,
}

impl Connector {
    /// To the API server. `names` receives the DNS names of its certificate with each connection.
    pub(super) fn new(
        target: &Target,
        tls: ClientConfig,
        names: Arc<Mutex<Vec<String>>>,
        limit: Duration,
    ) -> Result<Self, ApiError> {
        Self::to(target.proxy.clone(), target.tls_server_name.as_deref(), tls, names, limit)
    }

    /// To any server, whose certificate may have to carry another name than the address.
    pub(super) fn to(
        proxy: Option<Proxy>,
        tls_server_name: Option<&str>,
        tls: ClientConfig,
        names: Arc<Mutex<Vec<String>>>,
        limit: Duration,
    ) -> Result<Self, ApiError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(limit));
        // A watch can be silent for minutes; this is how a dead way is told from a quiet one.
        tcp.set_keepalive(Some(Duration::from_secs(20)));
        tcp.set_keepalive_interval(Some(Duration::from_secs(5)));
        tcp.set_keepalive_retries(Some(4));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(Duration::from_secs(40)));
        let dial = Dial { tcp: Wire(tcp), proxy: proxy.map(Arc::new), tls: tls.clone() };
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let builder = match tls_server_name {
            Some(name) => {
                let fixed = name.to_owned().try_into().map_err(|_| {
                    let why = format!("tls-server-name \"{name}\" is no name");
                    ApiError::new(ApiErrorKind::Config, "the kubeconfig cannot be used", why)
                })?;
                builder.with_server_name_resolver(FixedServerNameResolver::new(fixed))
            }
            None => builder,
        };
        let https = builder.enable_http1().wrap_connector(dial);
        Ok(Self { parts: Arc::new(Parts { https, names, limit }) })
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Boxed<Stream>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let parts = self.parts.clone();
        Box::pin(async move {
            let Parts { https, names, limit } = &*parts;
            let Ok(stream) = tokio::time::timeout(*limit, https.clone().call(uri)).await else {
                return Err(ApiError::timeout("cannot reach the API server", *limit).into());
            };
            let stream = stream?;
            if let MaybeHttpsStream::Https(tls) = &stream {
                let (_, session) = tls.inner().get_ref();
                if let Some(certificate) = session.peer_certificates().and_then(<[_]>::first) {
                    *names.lock().unwrap_or_else(PoisonError::into_inner) = dns_names(certificate);
                }
            }
            Ok(stream)
        })
    }
}

/// TCP alone.
#[derive(Clone)]
struct Wire(HttpConnector);

impl Service<Uri> for Wire {
    type Response = Tcp;
    type Error = BoxError;
    type Future = Boxed<Tcp>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move { Ok(TokioIo::new(Gather::new(connecting.await?.into_inner()))) })
    }
}

/// The way below TLS.
#[derive(Clone)]
struct Dial {
    tcp: Wire,
    proxy: Option<Arc<Proxy>>,
    tls: ClientConfig,
}

impl Service<Uri> for Dial {
    type Response = Way;
    type Error = BoxError;
    type Future = Boxed<Way>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let mut tcp = self.tcp.clone();
        let Some(proxy) = self.proxy.clone() else {
            return Box::pin(async move { Ok(MaybeHttpsStream::Http(tcp.call(uri).await?)) });
        };
        let tls = self.tls.clone();
        Box::pin(async move {
            through(&proxy, tcp, tls, uri).await.map_err(|error| {
                let cause = ApiError::transport(&*error);
                let what = "cannot reach the API server through the proxy";
                ApiError::new(cause.kind, what, format!("{} ({})", cause.why, proxy.address))
                    .hint("check proxy-url in the kubeconfig, or HTTPS_PROXY and NO_PROXY")
                    .into()
            })
        })
    }
}

async fn through(proxy: &Proxy, tcp: Wire, tls: ClientConfig, uri: Uri) -> Result<Way, BoxError> {
    let address = proxy.address.clone();
    match proxy.kind {
        ProxyKind::Http => {
            let mut tunnel = with_login(Tunnel::new(address, tcp), proxy)?;
            Ok(MaybeHttpsStream::Http(tunnel.call(uri).await?))
        }
        ProxyKind::Https => {
            let outer = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
            let mut tunnel = with_login(Tunnel::new(address, outer.wrap_connector(tcp)), proxy)?;
            Ok(tunnel.call(uri).await?)
        }
        ProxyKind::Socks5 => {
            let mut socks = SocksV5::new(address, tcp);
            if let Some((user, password)) = &proxy.login {
                socks = socks.with_auth(user.clone(), password.expose().to_owned());
            }
            Ok(MaybeHttpsStream::Http(socks.call(uri).await?))
        }
    }
}

fn with_login<C>(tunnel: Tunnel<C>, proxy: &Proxy) -> Result<Tunnel<C>, BoxError> {
    let Some((user, password)) = &proxy.login else { return Ok(tunnel) };
    let login = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{}", password.expose()));
    let header = HeaderValue::try_from(format!("Basic {login}")).map_err(io::Error::other)?;
    Ok(tunnel.with_auth(header))
}
