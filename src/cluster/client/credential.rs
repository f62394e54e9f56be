//! What goes into the `Authorization` header, and how it is renewed.
//!
//! Fixed tokens and passwords never change; token files are read again once a minute (client-go:
//! `cachedFileTokenSource`), plugins are run when their credential expires, and either also after a 401. A
//! credential is fetched once for all requests that wait for it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use base64::Engine;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use jiff::Timestamp;
use kube::client::middleware::AuthLayer;
use kube::client::{Body, ConfigExt};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use tower::{BoxError, Layer, ServiceExt};

use super::exec::{self, Plugin};
use super::tls::PluginCertificate;
use super::{Terminal, tls};
use crate::cluster::kubeconfig::{AuthProvider, CredentialSource, Target};
use crate::cluster::{ApiError, ApiErrorKind};

/// How long a token file's content is believed.
const FILE_PERIOD: Duration = Duration::from_secs(50);
/// A credential is renewed so long before it expires.
const LEEWAY: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);
/// After a failure, and between two renewals that a 401 asks for, nothing is tried for so long: several watches
/// would otherwise run the plugin again and again.
const PAUSE: Duration = Duration::from_secs(15);

/// The credential of one connection.
pub(super) struct Credential {
    source: Source,
    terminal: Terminal,
    state: Mutex<State>,
    certificate: PluginCertificate,
    notices: watch::Sender<Arc<[String]>>,
}

enum Source {
    Fixed(Option<HeaderValue>),
    File(PathBuf),
    Plugin(Plugin),
    Provider(Provider),
}

#[derive(Default)]
struct State {
    header: Option<HeaderValue>,
    /// Counts the credentials; 0 means none was fetched yet.
    number: u64,
    /// Counts the certificates.
    certificate: u64,
    /// When a file was read or a renewal was tried.
    at: Option<Instant>,
    /// When the credential ends, by the clock.
    expires: Option<Timestamp>,
    failed: Option<(Instant, ApiError)>,
}

/// The credential as it is now.
pub(super) struct Present {
    pub(super) header: Option<HeaderValue>,
    /// Which credential this is, for [`Credential::renew`].
    pub(super) number: u64,
    /// Which of the plugin's certificates belongs to it.
    pub(super) certificate: u64,
}

impl Credential {
    pub(super) fn new(target: &Target, terminal: Terminal) -> Result<Self, ApiError> {
        let mut state = State::default();
        let source = match &target.credential {
            CredentialSource::None => Source::Fixed(None),
            CredentialSource::Token(token) => Source::Fixed(Some(bearer(token.expose())?)),
            CredentialSource::Basic { username, password } => {
                let login = format!("{username}:{}", password.expose());
                let encoded = base64::engine::general_purpose::STANDARD.encode(login);
                Source::Fixed(Some(header(&format!("Basic {encoded}"))?))
            }
            CredentialSource::TokenFile { file, first } => {
                if let Some(token) = first {
                    state.header = Some(bearer(token.expose())?);
                }
                Source::File(file.clone())
            }
            CredentialSource::Exec { exec, cluster } => {
                Source::Plugin(Plugin::new(exec.clone(), cluster.clone()))
            }
            CredentialSource::Provider(provider) => {
                Source::Provider(Provider { provider: provider.clone(), layer: tokio::sync::OnceCell::new() })
            }
        };
        Ok(Self {
            source,
            terminal,
            state: Mutex::new(state),
            certificate: PluginCertificate::default(),
            notices: watch::Sender::new(Arc::from([])),
        })
    }

    /// The place of the plugin's certificate, for TLS.
    pub(super) fn certificate(&self) -> PluginCertificate {
        self.certificate.clone()
    }

    /// Whether it never changes.
    pub(super) fn is_fixed(&self) -> bool {
        matches!(self.source, Source::Fixed(_))
    }

    pub(super) fn notices(&self) -> watch::Receiver<Arc<[String]>> {
        self.notices.subscribe()
    }

    /// The credential to use now; fetches or renews it where that is due.
    pub(super) async fn present(&self) -> Result<Present, ApiError> {
        if let Source::Fixed(header) = &self.source {
            return Ok(Present { header: header.clone(), number: 0, certificate: 0 });
        }
        let mut state = self.state.lock().await;
        let due = match &self.source {
            Source::Fixed(_) => false,
            Source::File(_) => state.at.is_none_or(|at| at.elapsed() >= FILE_PERIOD),
            Source::Plugin(_) => {
                state.number == 0 || state.expires.is_some_and(|end| Timestamp::now() + LEEWAY >= end)
            }
            // kube renews it within its own layer; ask it each minute.
            Source::Provider(_) => state.at.is_none_or(|at| at.elapsed() >= FILE_PERIOD),
        };
        if due {
            self.fetch(&mut state, self.terminal).await?;
        }
        Ok(Present { header: state.header.clone(), number: state.number, certificate: state.certificate })
    }

    /// The server has refused the credential of that number. Whether there is another one now.
    pub(super) async fn renew(&self, used: u64) -> Result<bool, ApiError> {
        if matches!(self.source, Source::Fixed(_)) {
            return Ok(false);
        }
        let mut state = self.state.lock().await;
        if state.number != used {
            return Ok(true);
        }
        if matches!(self.source, Source::Plugin(_)) && state.at.is_some_and(|at| at.elapsed() < PAUSE) {
            return Ok(false);
        }
        let before = state.header.clone();
        self.fetch(&mut state, self.terminal).await?;
        Ok(state.header != before || matches!(self.source, Source::Plugin(_)))
    }

    /// Fetches anew, with the terminal lent to the plugin.
    pub(super) async fn sign_in(&self) -> Result<(), ApiError> {
        let mut state = self.state.lock().await;
        state.failed = None;
        self.fetch(&mut state, Terminal::Shared).await
    }

    pub(super) async fn forget_failure(&self) {
        self.state.lock().await.failed = None;
    }

    async fn fetch(&self, state: &mut State, terminal: Terminal) -> Result<(), ApiError> {
        if let Some((at, error)) = &state.failed
            && at.elapsed() < PAUSE
        {
            return Err(error.clone());
        }
        let result = self.fetch_now(state, terminal).await;
        state.at = Some(Instant::now());
        state.failed = result.as_ref().err().map(|error| (Instant::now(), error.clone()));
        result
    }

    async fn fetch_now(&self, state: &mut State, terminal: Terminal) -> Result<(), ApiError> {
        match &self.source {
            Source::Fixed(_) => {}
            Source::File(path) => match read_token(path) {
                Ok(header) => state.take(Some(header)),
                // The last one stays in use while the file is being replaced, or after it was taken away.
                Err(error) if state.header.is_none() => return Err(error),
                Err(_) => {}
            },
            Source::Plugin(plugin) => {
                let issued = exec::run(plugin, terminal, &self.notices).await?;
                let header = issued.token.as_ref().map(|token| bearer(token.expose())).transpose()?;
                if let Some((certificate, key)) = &issued.certificate {
                    let key =
                        tls::key_pair(certificate.as_bytes(), key.expose().as_bytes()).map_err(|error| {
                            ApiError { what: format!("cannot use what {} gave", plugin.name()), ..error }
                        })?;
                    let mut slot = self.certificate.lock().unwrap_or_else(PoisonError::into_inner);
                    if slot.as_ref().is_none_or(|old| old.cert != key.cert) {
                        *slot = Some(Arc::new(key));
                        state.certificate += 1;
                    }
                }
                state.expires = issued.expires;
                state.header = header;
                state.number += 1;
            }
            Source::Provider(provider) => state.take(provider.header().await?),
        }
        Ok(())
    }
}

impl State {
    /// Another credential, unless it is the same.
    fn take(&mut self, header: Option<HeaderValue>) {
        if self.header != header || self.number == 0 {
            self.header = header;
            self.number += 1;
        }
    }
}

fn header(text: &str) -> Result<HeaderValue, ApiError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        let why = "it has characters that a header cannot carry (a line break?)";
        ApiError::new(ApiErrorKind::Credential, "the credential cannot be used", why)
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn bearer(token: &str) -> Result<HeaderValue, ApiError> {
    header(&format!("Bearer {}", token.trim()))
}

fn read_token(path: &Path) -> Result<HeaderValue, ApiError> {
    let failed = |why: String| {
        ApiError::new(ApiErrorKind::Credential, format!("cannot read the token file {}", path.display()), why)
    };
    let token = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    if token.trim().is_empty() {
        return Err(failed("it is empty".to_owned()));
    }
    bearer(&token)
}

/// A provider that used to be built into kubectl (`oidc`, `gcp`): kube's own code signs in and keeps the token fresh.
struct Provider {
    provider: AuthProvider,
    layer: tokio::sync::OnceCell<Option<AuthLayer>>,
}

impl Provider {
    async fn header(&self) -> Result<Option<HeaderValue>, ApiError> {
        let layer = self.layer.get_or_try_init(|| async {
            let provider = self.provider.clone();
            let making = tokio::task::spawn_blocking(move || {
                let mut config = kube::Config::new(http::Uri::from_static("https://unused"));
                config.auth_info.auth_provider = Some(kube::config::AuthProviderConfig {
                    name: provider.name,
                    config: provider.config.into_iter().collect(),
                    other: std::collections::BTreeMap::new(),
                });
                config.auth_layer()
            });
            making.await.map_err(|error| self.failed(&error))?.map_err(|error| self.failed(&error))
        });
        let Some(layer) = layer.await? else { return Ok(None) };
        let probe = layer.layer(tower::service_fn(|request: Request<Body>| {
            std::future::ready(Ok::<_, BoxError>(Response::new(
                request.headers().get(AUTHORIZATION).cloned(),
            )))
        }));
        let asking = tokio::spawn(probe.oneshot(Request::new(Body::empty())));
        let answer = asking.await.map_err(|error| self.failed(&error))?;
        Ok(answer.map_err(|error| self.failed(&error))?.into_body())
    }

    fn failed(&self, why: &dyn std::fmt::Display) -> ApiError {
        let what = format!("cannot sign in by auth-provider {}", self.provider.name);
        ApiError::new(ApiErrorKind::Credential, what, why.to_string())
            .hint("use an exec plugin instead; built-in providers are deprecated")
    }
}
