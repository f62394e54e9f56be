//! What goes into the `Authorization` header, and how it is renewed.
//!
//! Fixed tokens and passwords never change; token files are read again once a minute (client-go:
//! `cachedFileTokenSource`), plugins are run and OIDC tokens are renewed when they expire, and all of them also after
//! a 401; so are client certificates that change on disk. A credential is fetched once for all requests that wait
//! for it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use base64::Engine;
use http::HeaderValue;
use jiff::Timestamp;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use super::exec::{self, Plugin};
use super::oidc::Issuer;
use super::rotation::Rotation;
use super::tls::PluginCertificate;
use super::{Terminal, tls};
use crate::cluster::kubeconfig::{CredentialSource, Target};
use crate::cluster::{ApiError, ApiErrorKind};

/// How long a token file's content is believed.
const FILE_PERIOD: Duration = Duration::from_secs(50);
/// A credential is renewed so long before it expires.
const LEEWAY: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);
/// After a failure, and between two renewals that a 401 asks for, nothing is tried for so long: several watches
/// would otherwise run the plugin again and again.
const PAUSE: Duration = Duration::from_secs(15);

/// Said when an issuer does not let a refresh token be used twice.
const REPLACED: &str = "the OIDC issuer gave a new refresh token, which is kept in memory only: \
                        sign in again if kubectl is refused later";

/// The credential of one connection.
pub(super) struct Credential {
    source: Source,
    terminal: Terminal,
    state: Mutex<State>,
    certificate: PluginCertificate,
    rotation: Rotation,
    notices: watch::Sender<Arc<[String]>>,
    /// The plugin that could not sign in without talking to a person.
    asks: watch::Sender<Option<Arc<ApiError>>>,
}

enum Source {
    Fixed(Option<HeaderValue>),
    File(PathBuf),
    Plugin(Plugin),
    Oidc(Box<Issuer>),
}

#[derive(Default)]
struct State {
    header: Option<HeaderValue>,
    /// Counts the credentials; 0 means none was fetched yet.
    number: u64,
    /// Counts the certificates.
    certificate: u64,
    /// When something was fetched.
    at: Option<Instant>,
    /// When something was fetched because of a 401.
    renewed: Option<Instant>,
    /// When the credential ends, by the clock.
    expires: Option<Timestamp>,
    failed: Option<(Instant, ApiError)>,
}

/// The credential as it is now.
pub(super) struct Present {
    pub(super) header: Option<HeaderValue>,
    /// Which credential this is.
    number: u64,
    /// Which certificate belongs to it: another number means that connections have to be made anew.
    pub(super) certificate: Certificate,
}

/// What a request was sent with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Used {
    number: u64,
    certificate: Certificate,
}

impl Present {
    /// What to remember of it.
    pub(super) fn used(&self) -> Used {
        Used { number: self.number, certificate: self.certificate }
    }
}

/// Which certificate a connection is made with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Certificate {
    /// How often the plugin has given another one.
    plugin: u64,
    /// How often the files have changed.
    files: u64,
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
            CredentialSource::Oidc(settings) => Source::Oidc(Box::new(Issuer::new((**settings).clone())?)),
        };
        Ok(Self {
            source,
            terminal,
            state: Mutex::new(state),
            certificate: PluginCertificate::default(),
            rotation: Rotation::new(target.certificate_files()),
            notices: watch::Sender::new(Arc::from([])),
            asks: watch::Sender::new(None),
        })
    }

    /// The place of the plugin's certificate, for TLS.
    pub(super) fn certificate(&self) -> PluginCertificate {
        self.certificate.clone()
    }

    /// Whether it never changes.
    pub(super) fn is_fixed(&self) -> bool {
        matches!(self.source, Source::Fixed(_)) && self.rotation.is_empty()
    }

    pub(super) fn notices(&self) -> watch::Receiver<Arc<[String]>> {
        self.notices.subscribe()
    }

    pub(super) fn asks(&self) -> watch::Receiver<Option<Arc<ApiError>>> {
        self.asks.subscribe()
    }

    /// The credential to use now; fetches or renews it where that is due.
    pub(super) async fn present(&self) -> Result<Present, ApiError> {
        let files = self.rotation.changes();
        if let Source::Fixed(header) = &self.source {
            let certificate = Certificate { plugin: 0, files };
            return Ok(Present { header: header.clone(), number: 0, certificate });
        }
        let mut state = self.state.lock().await;
        let due = match &self.source {
            Source::Fixed(_) => false,
            Source::File(_) => state.at.is_none_or(|at| at.elapsed() >= FILE_PERIOD),
            Source::Plugin(_) | Source::Oidc(_) => {
                state.number == 0 || state.expires.is_some_and(|end| Timestamp::now() + LEEWAY >= end)
            }
        };
        if due {
            // In a box: each request would carry the room for it.
            Box::pin(self.fetch(&mut state, self.terminal, false)).await?;
        }
        let certificate = Certificate { plugin: state.certificate, files };
        Ok(Present { header: state.header.clone(), number: state.number, certificate })
    }

    /// The server has refused this credential. Whether there is another one now.
    pub(super) async fn renew(&self, used: &Used) -> Result<bool, ApiError> {
        let rotated = self.rotation.changed_since(used.certificate.files);
        if matches!(self.source, Source::Fixed(_)) {
            return Ok(rotated);
        }
        let mut state = self.state.lock().await;
        if state.number != used.number {
            return Ok(true);
        }
        let fetched = match &self.source {
            Source::File(_) => false,
            Source::Plugin(_) => true,
            Source::Oidc(issuer) if issuer.renewable() => true,
            Source::Fixed(_) | Source::Oidc(_) => return Ok(rotated),
        };
        if fetched && state.renewed.is_some_and(|at| at.elapsed() < PAUSE) {
            return Ok(rotated);
        }
        state.renewed = Some(Instant::now());
        let before = state.header.clone();
        self.fetch(&mut state, self.terminal, true).await?;
        Ok(rotated || fetched || state.header != before)
    }

    /// Fetches anew, with the terminal lent to the plugin.
    pub(super) async fn sign_in(&self) -> Result<(), ApiError> {
        let mut state = self.state.lock().await;
        state.failed = None;
        self.fetch(&mut state, Terminal::Shared, false).await
    }

    pub(super) async fn forget_failure(&self) {
        self.state.lock().await.failed = None;
        self.asks.send_replace(None);
    }

    async fn fetch(&self, state: &mut State, terminal: Terminal, force: bool) -> Result<(), ApiError> {
        if let Some((at, error)) = &state.failed
            && at.elapsed() < PAUSE
        {
            return Err(error.clone());
        }
        let result = self.fetch_now(state, terminal, force).await;
        state.at = Some(Instant::now());
        state.failed = result.as_ref().err().map(|error| (Instant::now(), error.clone()));
        match (&result, &self.source) {
            (Err(error), Source::Plugin(plugin)) if plugin.may_talk() => {
                // Once for each series of failures: whoever said no is not asked again and again.
                self.asks.send_if_modified(|asked| {
                    let new = asked.is_none();
                    if new {
                        *asked = Some(Arc::new(error.clone()));
                    }
                    new
                });
            }
            (Ok(()), Source::Plugin(_)) => drop(self.asks.send_replace(None)),
            _ => {}
        }
        result
    }

    async fn fetch_now(&self, state: &mut State, terminal: Terminal, force: bool) -> Result<(), ApiError> {
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
            Source::Oidc(issuer) => {
                let current = issuer.token(force, LEEWAY).await?;
                if current.replaced {
                    self.notices.send_replace(Arc::new([REPLACED.to_owned()]));
                }
                state.expires = Some(current.expires);
                state.take(Some(bearer(current.token.expose())?));
            }
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
