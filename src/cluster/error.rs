//! What can go wrong between this program and the API server, said so that a person can act on it.
//!
//! Every error says what failed, why, and what to do next, in plain sentences and without any credential in them.
//! The texts may quote the server verbatim; whoever shows them cleans them as all text from a cluster.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::model::Text;

/// Which sort of failure it is; callers decide by this, never by the texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiErrorKind {
    /// No kubeconfig, or one that cannot be used.
    Config,
    /// No connection: refused, no route, name unknown, cut off in the middle.
    Unreachable,
    /// The server's certificate is not trusted, or ours could not be used.
    Certificate,
    /// The credential could not be obtained (an exec plugin failed, a token file is gone).
    Credential,
    /// 401: the server does not accept the credential.
    Unauthorized,
    /// 403: the credential has no right to this.
    Forbidden(Box<Denied>),
    /// 404.
    NotFound,
    /// 410, or a watch's ERROR event of that code: the resource version is too old, list again.
    Expired,
    /// 504 "Too large resource version": the server's cache has not come that far yet.
    NotYet,
    /// 429: the server asks to come back later.
    Busy {
        /// What `Retry-After` says, if it says anything.
        retry_after: Option<Duration>,
    },
    /// Another 4xx: the server does not understand the request.
    Rejected(u16),
    /// 5xx.
    Server(u16),
    /// The answer makes no sense.
    Protocol,
    /// No answer in time.
    Timeout,
}

/// The right that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Verb that is missing.
    pub verb: Text,
    /// Resource with its group, as RBAC messages write it (`endpointslices.discovery.k8s.io`).
    pub resource: Text,
    /// Namespace, or `None` for the whole cluster.
    pub namespace: Option<Text>,
}

/// A failure with its three sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// Sort of failure.
    pub kind: ApiErrorKind,
    /// What failed.
    pub what: String,
    /// Why, in words that fit behind a colon.
    pub why: String,
    /// What to do next; empty when there is nothing to say.
    pub hint: String,
}

impl ApiError {
    /// An error with a cause and without advice.
    pub fn new(kind: ApiErrorKind, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { kind, what: what.into(), why: why.into(), hint: String::new() }
    }

    /// The same with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// The answer of the server (or its stream) makes no sense.
    pub fn protocol(why: impl Into<String>) -> Self {
        Self::new(ApiErrorKind::Protocol, "cannot understand the API server's answer", why)
            .hint("is this address really a Kubernetes API server, or a proxy in front of it?")
    }

    /// Nothing came in time.
    pub fn timeout(what: impl Into<String>, after: Duration) -> Self {
        Self::new(ApiErrorKind::Timeout, what, format!("no answer within {} s", after.as_secs().max(1)))
            .hint("the API server or something on the way to it is slow or silent")
    }

    /// Something was under way when this computer fell asleep.
    pub fn slept() -> Self {
        Self::new(
            ApiErrorKind::Unreachable,
            "cannot go on",
            "this computer was asleep; everything is asked anew",
        )
    }

    /// From a failed request: finds the cause in the chain of errors below and words it.
    pub fn transport(error: &(dyn StdError + 'static)) -> Self {
        let mut chain = Vec::new();
        collect(error, &mut chain);
        if let Some(api) = chain.iter().find_map(|e| e.downcast_ref::<Self>()) {
            return api.clone();
        }
        let what = "cannot reach the API server";
        if let Some(tls) = chain.iter().find_map(|e| e.downcast_ref::<rustls::Error>()) {
            let (why, hint) = describe_tls(tls);
            return Self::new(ApiErrorKind::Certificate, what, why).hint(hint);
        }
        if let Some(io) = chain.iter().rev().find_map(|e| e.downcast_ref::<io::Error>()) {
            return describe_io(io, what);
        }
        let hyper = chain.iter().find_map(|e| e.downcast_ref::<hyper::Error>());
        if hyper.is_some_and(hyper::Error::is_parse) {
            return Self::protocol("it does not speak HTTP")
                .hint("is the port right, and http or https as it should be?");
        }
        if hyper.is_some_and(|e| e.is_incomplete_message() || e.is_closed() || e.is_canceled()) {
            return Self::new(ApiErrorKind::Unreachable, what, "connection closed by the server");
        }
        let why = chain.last().map_or_else(|| error.to_string(), ToString::to_string);
        Self::new(ApiErrorKind::Unreachable, what, why)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl StdError for ApiError {}

/// The error and everything below it. An `io::Error` hides the error it wraps from `source`, so it is opened.
fn collect<'a>(error: &'a (dyn StdError + 'static), chain: &mut Vec<&'a (dyn StdError + 'static)>) {
    if chain.len() > 32 {
        return;
    }
    chain.push(error);
    if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        collect(inner, chain);
    } else if let Some(source) = error.source() {
        collect(source, chain);
    }
}

fn describe_io(error: &io::Error, what: &str) -> ApiError {
    let (why, hint) = match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            ("connection refused".to_owned(), "nothing listens at that address: is the cluster running?")
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            ("connection closed by the other side".to_owned(), "")
        }
        io::ErrorKind::UnexpectedEof => ("connection closed in the middle of an answer".to_owned(), ""),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            ("no route to that address".to_owned(), "is the network or the VPN up?")
        }
        io::ErrorKind::TimedOut => {
            let why = "no answer in time".to_owned();
            return ApiError::new(ApiErrorKind::Timeout, what, why).hint("is the network or the VPN up?");
        }
        _ => {
            let text = error.to_string();
            // getaddrinfo's failures have no kind of their own in std.
            if text.contains("failed to lookup address") {
                (
                    "the server's name is unknown to this machine's resolver".to_owned(),
                    "is the network or the VPN up?",
                )
            } else {
                (text, "")
            }
        }
    };
    ApiError::new(ApiErrorKind::Unreachable, what, why).hint(hint)
}

/// rustls' errors in sentences, each with its advice.
fn describe_tls(error: &rustls::Error) -> (String, &'static str) {
    use rustls::{AlertDescription, CertificateError as Cert, Error};
    const CA: &str = "certificate-authority(-data) in the kubeconfig must be the CA that signed it";
    const NAME: &str = "use an address that the certificate names, or set tls-server-name";
    match error {
        Error::InvalidCertificate(cert) => {
            let (why, hint) = match cert {
                Cert::UnknownIssuer => ("signed by an unknown authority".to_owned(), CA),
                Cert::BadSignature => {
                    ("its signature does not match the authority in the kubeconfig".to_owned(), CA)
                }
                Cert::Expired | Cert::ExpiredContext { .. } => (
                    "it has expired".to_owned(),
                    "renew the server's certificate, or check this machine's clock",
                ),
                Cert::NotValidYet | Cert::NotValidYetContext { .. } => {
                    ("it is not valid yet".to_owned(), "check this machine's clock")
                }
                Cert::NotValidForName => ("it is for another name".to_owned(), NAME),
                Cert::NotValidForNameContext { expected, presented } => {
                    let names: Vec<_> = presented.iter().take(8).map(|n| plain_name(n)).collect();
                    (format!("it is not for {}, but for {}", expected.to_str(), names.join(", ")), NAME)
                }
                Cert::Revoked => ("it is revoked".to_owned(), ""),
                other => (other.to_string(), ""),
            };
            (format!("the server's certificate is not trusted: {why}"), hint)
        }
        Error::InvalidMessage(_) => (
            "the server does not speak TLS".to_owned(),
            "is the port right, and should the server address begin with http:// instead?",
        ),
        Error::AlertReceived(alert) => match alert {
            AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked => (
                format!("the server does not accept our client certificate ({alert:?})"),
                "renew the client certificate in the kubeconfig",
            ),
            AlertDescription::CertificateRequired => (
                "the server wants a client certificate".to_owned(),
                "the kubeconfig's user has none; is it the right user?",
            ),
            AlertDescription::UnrecognisedName => {
                ("the server does not know the name we asked for".to_owned(), NAME)
            }
            other => (format!("the server ended the TLS handshake ({other:?})"), ""),
        },
        other => (format!("the TLS handshake failed: {other}"), ""),
    }
}

/// `DnsName("a.b")` as rustls reports presented names, cut down to the name.
fn plain_name(presented: &str) -> &str {
    presented.split('"').nth(1).unwrap_or(presented)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_found_however_deep_it_is_wrapped() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let deep = io::Error::other(io::Error::other(refused));
        let error = ApiError::transport(&deep);
        assert_eq!((error.kind, &*error.why), (ApiErrorKind::Unreachable, "connection refused"));
    }

    #[test]
    fn an_untrusted_certificate_says_which_authority_is_missing() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let error = ApiError::transport(&io::Error::new(io::ErrorKind::InvalidData, tls));
        assert_eq!(error.kind, ApiErrorKind::Certificate);
        assert!(error.why.contains("unknown authority"), "{error}");
        assert!(error.hint.contains("certificate-authority"), "{}", error.hint);
    }

    #[test]
    fn a_certificate_for_another_name_lists_its_names() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::NotValidForNameContext {
            expected: "10.0.0.1".try_into().unwrap(),
            presented: vec!["DnsName(\"kubernetes.default\")".into()],
        });
        let error = ApiError::transport(&io::Error::other(tls));
        assert!(error.why.ends_with("not for 10.0.0.1, but for kubernetes.default"), "{error}");
    }
}
