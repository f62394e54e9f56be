//! Faults: what a real API server does on its bad days, on demand.

use super::body::{Answer, Body, answer, pieces, whole};
use super::status::Refusal;
use bytes::Bytes;
use futures_util::stream::unfold;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Which requests a fault is for. A field that is `None` means any. A question to the demo's CoreDNS counts as verb
/// `ask` on `dns`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// RBAC verb: `list`, `watch`, `get`, `create`, …
    pub verb: Option<String>,
    /// Plural, with the sub-resource if it is about one: `pods`, `pods/portforward`.
    pub resource: Option<String>,
    /// Namespace; the empty text is a request over all namespaces.
    pub namespace: Option<String>,
}

impl Scope {
    /// The requests of one verb for one kind, in any namespace.
    pub fn of(verb: &str, resource: &str) -> Self {
        Self { verb: Some(verb.to_owned()), resource: Some(resource.to_owned()), namespace: None }
    }

    fn covers(&self, request: &Self) -> bool {
        let one = |mine: &Option<String>, asked: &Option<String>| mine.is_none() || mine == asked;
        one(&self.verb, &request.verb)
            && one(&self.resource, &request.resource)
            && one(&self.namespace, &request.namespace)
    }
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// 401.
    Unauthorized,
    /// 403 in RBAC's words; access reviews say the same.
    Forbidden,
    /// 429 with a `Retry-After` of so many seconds.
    TooManyRequests(u64),
    /// 500.
    InternalError,
    /// 503.
    Unavailable,
    /// 410: the HTTP answer of a list, an ERROR event in a watch.
    Gone,
    /// The connection breaks after so many pieces of the body (in a watch: about that many events).
    BreakAfterPieces(usize),
    /// The connection breaks after so many bytes of the body.
    BreakAfterBytes(usize),
    /// 200 with a body that is no JSON.
    Garbage,
    /// The request is taken and never answered.
    Silent,
    /// The body comes in pieces of so many bytes with a pause before each.
    Trickle(usize, Duration),
}

#[derive(Clone, Debug)]
struct Fault {
    scope: Scope,
    failure: Failure,
    /// How often it still strikes; `None` is for ever.
    left: Option<u32>,
}

/// The faults in force; can be changed while the demo runs. Off until one is added.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Vec<Fault>>>);

impl Faults {
    /// From now on every request in the scope fails so.
    pub fn always(&self, scope: Scope, failure: Failure) {
        self.lock().push(Fault { scope, failure, left: None });
    }

    /// The next `times` requests in the scope fail so.
    pub fn times(&self, times: u32, scope: Scope, failure: Failure) {
        self.lock().push(Fault { scope, failure, left: Some(times) });
    }

    /// All is well again. Answers that are under way keep their fault.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault that strikes this request, if any; counts it.
    pub(in crate::demo) fn strike(&self, request: &Scope) -> Option<Failure> {
        let mut faults = self.lock();
        let at = faults.iter().position(|fault| fault.scope.covers(request) && fault.left != Some(0))?;
        let fault = &mut faults[at];
        fault.left = fault.left.map(|left| left - 1);
        Some(fault.failure.clone())
    }

    /// Whether such a request would be refused as forbidden; counts nothing.
    pub(in crate::demo) fn forbids(&self, request: &Scope) -> bool {
        self.lock().iter().any(|fault| {
            fault.failure == Failure::Forbidden && fault.left != Some(0) && fault.scope.covers(request)
        })
    }
}

impl Failure {
    /// The answer that takes the place of the real one, where there is such.
    pub(in crate::demo) fn instead(&self) -> Option<Answer> {
        Some(match self {
            Self::Unauthorized => Refusal::unauthorized().answer(),
            Self::TooManyRequests(seconds) => Refusal::too_many_requests(*seconds).answer(),
            Self::InternalError => {
                Refusal::internal("Internal error occurred: the demo was asked to fail").answer()
            }
            Self::Unavailable => Refusal::unavailable("apiserver not ready").answer(),
            Self::Garbage => answer(StatusCode::OK, "application/json", whole("{\"kind\": \u{0}oops <html>")),
            _ => return None,
        })
    }

    /// Spoils the body of the real answer, where that is what the fault does.
    pub(in crate::demo) fn spoil(&self, body: Body) -> Body {
        match *self {
            Self::BreakAfterPieces(count) => broken(body, count, usize::MAX),
            Self::BreakAfterBytes(count) => broken(body, usize::MAX, count),
            Self::Trickle(size, pause) => trickling(body, size.max(1), pause),
            _ => body,
        }
    }
}

fn broken(body: Body, frames: usize, bytes: usize) -> Body {
    pieces(unfold((body, frames, bytes), |(mut body, frames, bytes)| async move {
        if frames == 0 || bytes == 0 {
            // What came before goes out first; an error throws away what is still in the server's buffer.
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            let cut = io::Error::new(io::ErrorKind::ConnectionAborted, "cut by a fault");
            return Some((Err(cut), (body, 0, 0)));
        }
        let mut piece = body.frame().await?.ok()?.into_data().ok()?;
        piece.truncate(bytes);
        let left = if bytes == usize::MAX { bytes } else { bytes - piece.len() };
        let frames = if frames == usize::MAX { frames } else { frames - 1 };
        Some((Ok(piece), (body, frames, left)))
    }))
}

fn trickling(body: Body, size: usize, pause: Duration) -> Body {
    pieces(unfold((body, Bytes::new()), move |(mut body, mut waiting)| async move {
        while waiting.is_empty() {
            waiting = body.frame().await?.ok()?.into_data().ok()?;
        }
        tokio::time::sleep(pause).await;
        let piece = waiting.split_to(size.min(waiting.len()));
        Some((Ok(piece), (body, waiting)))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_as_often_as_it_was_asked_to() {
        let faults = Faults::default();
        faults.times(2, Scope::of("list", "pods"), Failure::Gone);
        let request = Scope { namespace: Some("a".into()), ..Scope::of("list", "pods") };
        assert_eq!(faults.strike(&Scope::of("watch", "pods")), None);
        assert_eq!(faults.strike(&request), Some(Failure::Gone));
        assert_eq!(faults.strike(&request), Some(Failure::Gone));
        assert_eq!(faults.strike(&request), None);
    }

    #[test]
    fn what_is_forbidden_is_forbidden_in_reviews_too() {
        let faults = Faults::default();
        faults.times(1, Scope::of("list", "pods"), Failure::Forbidden);
        assert!(faults.forbids(&Scope::of("list", "pods")));
        assert!(faults.forbids(&Scope::of("list", "pods")), "asking is free");
        faults.clear();
        assert!(!faults.forbids(&Scope::of("list", "pods")));
    }

    #[tokio::test]
    async fn a_broken_body_ends_in_an_error() {
        let body = Failure::BreakAfterBytes(3).spoil(whole("abcdef"));
        assert!(body.collect().await.is_err());
        let body = Failure::BreakAfterPieces(2).spoil(whole("abcdef"));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abcdef", "one piece only, so it is whole");
    }
}
