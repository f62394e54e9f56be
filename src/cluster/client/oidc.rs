//! `auth-provider: oidc`: an id-token, renewed at the issuer with the refresh token (client-go:
//! `plugin/pkg/client/auth/oidc`; "Connect Discovery 1.0" section 4; RFC 6749 section 6).
//!
//! Unlike kubectl it renews after a 401 too, and it never writes what it was given into the kubeconfig; where an
//! issuer hands out a new refresh token with each renewal it says so, as kubectl's copy is then of no use.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use serde::Deserialize;

use super::dial::Connector;
use super::{CONNECT_TIMEOUT, tls};
use crate::cluster::kubeconfig::{Oidc, Secret};
use crate::cluster::watch::path::escape;
use crate::cluster::{ApiError, ApiErrorKind};

/// How long the issuer may take for one answer.
const LIMIT: Duration = Duration::from_secs(30);
/// More than any answer of an issuer needs.
const MAX_ANSWER: usize = 1 << 20;

type Http = legacy::Client<Connector, Full<Bytes>>;

/// An issuer, and the tokens that it gave.
pub(super) struct Issuer {
    settings: Oidc,
    http: Http,
    tokens: Mutex<Tokens>,
}

struct Tokens {
    id: Option<Secret>,
    refresh: Option<Secret>,
    endpoint: Option<Uri>,
    /// The client's name and secret go into the body: the issuer did not take them as a header.
    in_body: bool,
}

/// A token that can be used.
pub(super) struct Current {
    pub(super) token: Secret,
    pub(super) expires: Timestamp,
    /// The refresh token in the kubeconfig may be of no use any more.
    pub(super) replaced: bool,
}

#[derive(Deserialize)]
struct Discovery {
    token_endpoint: String,
}

#[derive(Deserialize)]
struct Claims {
    exp: f64,
}

#[derive(Deserialize)]
struct Granted {
    id_token: Option<Secret>,
    refresh_token: Option<Secret>,
}

/// How an issuer refuses (RFC 6749 section 5.2).
#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    error_description: String,
}

enum Answer {
    Granted(Granted),
    /// With the issuer's words.
    Refused(String),
}

impl Issuer {
    pub(super) fn new(settings: Oidc) -> Result<Self, ApiError> {
        let config = tls::plain(&settings.issuer, settings.authorities.as_deref())?;
        let connector = Connector::to(settings.proxy.clone(), None, config, Arc::default(), CONNECT_TIMEOUT)?;
        let tokens = Tokens {
            id: settings.id_token.clone(),
            refresh: settings.refresh_token.clone(),
            endpoint: None,
            in_body: false,
        };
        let http = legacy::Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { settings, http, tokens: Mutex::new(tokens) })
    }

    /// Whether there is anything to renew a token with.
    pub(super) fn renewable(&self) -> bool {
        self.tokens().refresh.is_some()
    }

    /// The token to use; fetched anew where the one there is has no time left, or `force`d.
    pub(super) async fn token(&self, force: bool, leeway: jiff::SignedDuration) -> Result<Current, ApiError> {
        let (id, refresh) = {
            let tokens = self.tokens();
            (tokens.id.clone(), tokens.refresh.clone())
        };
        if let (Some(token), false) = (id, force) {
            let expires = expiry(&token).ok_or_else(|| self.failed("the id-token is no valid JWT"))?;
            if Timestamp::now() + leeway < expires {
                return Ok(Current { token, expires, replaced: false });
            }
        }
        let Some(refresh) = refresh else {
            return Err(
                self.failed("the id-token has expired, and there is no refresh-token to renew it with")
            );
        };
        let granted = self.renew(&refresh).await?;
        let Some(token) = granted.id_token else {
            let why =
                "the issuer's answer has no id_token (was the scope \"openid\" asked for at the login?)";
            return Err(self.failed(why));
        };
        let expires =
            expiry(&token).ok_or_else(|| self.failed("the issuer's new id-token is no valid JWT"))?;
        let mut tokens = self.tokens();
        tokens.id = Some(token.clone());
        let mut replaced = false;
        if let Some(new) = granted.refresh_token.filter(|new| *new != refresh) {
            tokens.refresh = Some(new);
            replaced = true;
        }
        Ok(Current { token, expires, replaced })
    }

    fn tokens(&self) -> std::sync::MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn renew(&self, refresh: &Secret) -> Result<Granted, ApiError> {
        let endpoint = self.endpoint().await?;
        let first = self.tokens().in_body;
        let mut words = String::new();
        // Some issuers want the client's secret in a header, some in the body, and none says which
        // (golang.org/x/oauth2: `AuthStyleAutoDetect`).
        for in_body in [first, !first] {
            match self.ask(&endpoint, refresh, in_body).await? {
                Answer::Granted(granted) => {
                    self.tokens().in_body = in_body;
                    return Ok(granted);
                }
                Answer::Refused(why) if words.is_empty() => words = why,
                Answer::Refused(_) => {}
            }
        }
        Err(self.failed(&words))
    }

    /// Where tokens are renewed, as the issuer itself tells.
    async fn endpoint(&self) -> Result<Uri, ApiError> {
        if let Some(known) = self.tokens().endpoint.clone() {
            return Ok(known);
        }
        let issuer = self.settings.issuer.to_string();
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let request = Request::get(url).body(Full::default()).map_err(|error| self.failed(&error))?;
        let (status, body) = self.exchange(request).await?;
        if !status.is_success() {
            return Err(self.failed(&format!("its openid-configuration cannot be read ({status})")));
        }
        let discovery: Discovery = serde_json::from_slice(&body)
            .map_err(|_| self.failed("its openid-configuration names no token_endpoint"))?;
        let endpoint: Uri =
            discovery.token_endpoint.parse().map_err(|_| self.failed("its token_endpoint is no address"))?;
        self.tokens().endpoint = Some(endpoint.clone());
        Ok(endpoint)
    }

    async fn ask(&self, endpoint: &Uri, refresh: &Secret, in_body: bool) -> Result<Answer, ApiError> {
        let Oidc { client_id, client_secret, .. } = &self.settings;
        let secret = client_secret.as_ref().map_or("", Secret::expose);
        let mut form = format!("grant_type=refresh_token&refresh_token={}", escape_form(refresh.expose()));
        let mut request = Request::post(endpoint.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if in_body {
            let _ = write!(form, "&client_id={}", escape_form(client_id));
            if !secret.is_empty() {
                let _ = write!(form, "&client_secret={}", escape_form(secret));
            }
        } else {
            let login = STANDARD.encode(format!("{}:{}", escape_form(client_id), escape_form(secret)));
            request = request.header(AUTHORIZATION, format!("Basic {login}"));
        }
        let request = request.body(Full::from(form)).map_err(|error| self.failed(&error))?;
        let (status, body) = self.exchange(request).await?;
        if status.is_success() {
            let granted = serde_json::from_slice(&body);
            return granted
                .map(Answer::Granted)
                .map_err(|_| self.failed("its answer to the renewal makes no sense"));
        }
        Ok(Answer::Refused(match serde_json::from_slice::<Refused>(&body) {
            Ok(said) if said.error_description.is_empty() => said.error,
            Ok(said) => format!("{} ({})", said.error_description, said.error),
            Err(_) => format!("the issuer refuses to renew the id-token ({status})"),
        }))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(http::StatusCode, Bytes), ApiError> {
        let exchange = async {
            let response = self.http.request(request).await.map_err(|error| {
                let cause = ApiError::transport(&error);
                self.failed(&cause.why)
            })?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
            Ok((status, body.map_err(|error| self.failed(&error))?.to_bytes()))
        };
        let late = |_| self.failed(&format!("no answer within {} s", LIMIT.as_secs()));
        tokio::time::timeout(LIMIT, exchange).await.map_err(late)?
    }

    fn failed(&self, why: &(impl std::fmt::Display + ?Sized)) -> ApiError {
        let what = format!("cannot sign in with OIDC at {}", self.settings.issuer);
        ApiError::new(ApiErrorKind::Credential, what, why.to_string())
            .hint("sign in with your provider's tool again, which puts new tokens into the kubeconfig")
    }
}

/// When a JWT ends (RFC 7519: `exp`). Its signature is for the server to check.
fn expiry(token: &Secret) -> Option<Timestamp> {
    let payload = token.expose().split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let exp = serde_json::from_slice::<Claims>(&claims).ok()?.exp;
    Timestamp::UNIX_EPOCH.checked_add(jiff::SignedDuration::try_from_secs_f64(exp.floor()).ok()?).ok()
}

/// Percent-encoding is also right in a form.
fn escape_form(text: &str) -> String {
    escape(text)
}
