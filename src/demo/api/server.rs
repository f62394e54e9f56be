//! The listener and the way of a request through it.

use super::body::{Answer, Body, FromNode, answer, json, plain_error, text, whole};
use super::faults::{Failure, Faults, Scope};
use super::request::{Query, Route, Target, View, route, verb, view};
use super::rights::{Attributes, User};
use super::status::Refusal;
use super::{discovery, list, protobuf, table, watch as watching, write};
use crate::demo::Clock;
use crate::demo::stream;
use crate::demo::stream::session::Forwarding;
use crate::demo::world::World;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long the world sleeps at most when nothing is to happen.
const LONGEST_NAP: Duration = Duration::from_mins(1);
/// The largest body that is read.
const LARGEST_BODY: usize = 1024 * 1024;

/// What all requests share.
pub(in crate::demo) struct Shared {
    world: Mutex<World>,
    clock: Clock,
    pub(in crate::demo) faults: Faults,
    /// How port-forwards behave.
    pub(in crate::demo) forwarding: Forwarding,
    /// Closed when the demo ends.
    alive: watch::Receiver<()>,
}

impl Shared {
    /// A server's state over a world.
    pub(in crate::demo) fn new(
        world: World,
        clock: Clock,
        forwarding: Forwarding,
        alive: watch::Receiver<()>,
    ) -> Self {
        Self { world: Mutex::new(world), clock, faults: Faults::default(), forwarding, alive }
    }

    /// The world, for a short time: never across an `await`.
    pub(in crate::demo) fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        if self.clock == Clock::Wall {
            world.advance(Timestamp::now());
        }
        world
    }

    /// Runs something that outlives its request, but not the demo.
    pub(in crate::demo) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut alive = self.alive.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = task => {}
                _ = alive.changed() => {}
            }
        });
    }

    /// Lets the world's time pass with the clock on the wall, whether somebody looks or not.
    pub(in crate::demo) async fn keep_time(self: Arc<Self>) {
        loop {
            let (alarm, due) = {
                let world = self.world();
                (world.alarm(), world.next_due())
            };
            let now = Timestamp::now();
            let wait = due.map_or(LONGEST_NAP, |due| due.duration_since(now).try_into().unwrap_or_default());
            // Something nearer may be put into the queue meanwhile.
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = alarm.notified() => {}
            }
        }
    }
}

/// Serves a listener until the task is dropped, and all its connections with it.
pub(in crate::demo) async fn serve(listener: TcpListener, shared: Arc<Shared>, user: User) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(stream, Arc::clone(&shared), user));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>, of_port: User) {
    // Answers are small and many: waiting to fill segments would only slow them down.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(respond(request, &shared, of_port).await) }
    });
    // A client that goes away in the middle is nobody's error.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

async fn respond(request: Request<Incoming>, shared: &Arc<Shared>, of_port: User) -> Answer {
    if !is_loopback(request.headers().get(HOST)) {
        return text(StatusCode::FORBIDDEN, "Forbidden: the demo answers to loopback names only\n");
    }
    let head = request.method() == Method::HEAD;
    let result = dispatch(request, shared, of_port).await;
    let mut answer = result.unwrap_or_else(|refusal| refusal.answer());
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS && answer.extensions().get::<FromNode>().is_none() {
        answer.headers_mut().insert("cache-control", HeaderValue::from_static("no-cache, private"));
    }
    if head {
        *answer.body_mut() = whole("");
    }
    answer
}

/// Whether a Host header names this machine: what a web page of somebody else can't bring about (DNS rebinding).
fn is_loopback(host: Option<&HeaderValue>) -> bool {
    let Some(host) = host.and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Everything about a request but its body.
struct Asked {
    path: String,
    query: Query,
    user: User,
}

async fn dispatch(
    request: Request<Incoming>,
    shared: &Arc<Shared>,
    of_port: User,
) -> Result<Answer, Refusal> {
    let asked = Asked {
        path: request.uri().path().to_owned(),
        query: Query::parse(request.uri().query().unwrap_or_default()),
        user: User::of(request.headers(), of_port)?,
    };
    let route = route(&asked.path);
    let what = match &route {
        Route::Objects(target) => Some(Attributes::of(verb(request.method(), target, &asked.query), target)),
        _ => None,
    };
    let scope = match &route {
        Route::Review(kind) => Scope::of("create", kind),
        _ => what.as_ref().map(Attributes::scope).unwrap_or_default(),
    };
    let fault = shared.faults.strike(&scope);
    if let Some(answer) = fault.as_ref().and_then(Failure::instead) {
        return Ok(answer);
    }
    if fault == Some(Failure::Silent) {
        std::future::pending::<()>().await;
    }
    let answer = match (route, what) {
        (Route::Objects(target), Some(what)) => {
            if fault == Some(Failure::Forbidden) || !asked.user.may(&what, &shared.faults) {
                return Err(asked.user.refusal(&what, &target));
            }
            let gone = fault == Some(Failure::Gone);
            objects(request, shared, &asked, target, what.verb.as_str(), gone).await
        }
        (Route::Review(kind), _) if fault == Some(Failure::Forbidden) => {
            return Err(asked.user.no_review(&kind));
        }
        (Route::Review(kind), _) => review(request, shared, &asked, &kind).await,
        (other, _) => plain(&request, &other),
    };
    match fault {
        Some(fault) => answer.map(|answer| answer.map(|body: Body| fault.spoil(body))),
        None => answer,
    }
}

fn plain(request: &Request<Incoming>, route: &Route) -> Result<Answer, Refusal> {
    match (route, request.method()) {
        (Route::Unknown, _) => return Ok(plain_error(StatusCode::NOT_FOUND, "404 page not found")),
        (Route::NoSuchKind, _) => return Err(Refusal::no_such_kind()),
        (Route::Health, &Method::HEAD) | (_, &Method::GET) => {}
        // The API server routes no HEAD.
        _ => return Err(Refusal::not_allowed()),
    }
    Ok(match route {
        Route::Version => discovery::version(),
        Route::Health => nosniff(text(StatusCode::OK, "ok")),
        Route::CoreVersions => {
            let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
            discovery::core_versions(host.unwrap_or_default())
        }
        Route::Groups => discovery::groups(),
        Route::Group(name) => discovery::one_group(name)?,
        Route::Resources(group) => discovery::resources(group)?,
        Route::Objects(_) | Route::Review(_) | Route::Unknown | Route::NoSuchKind => {
            return Err(Refusal::no_such_kind());
        }
    })
}

fn nosniff(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

async fn review(
    request: Request<Incoming>,
    shared: &Arc<Shared>,
    asked: &Asked,
    kind: &str,
) -> Result<Answer, Refusal> {
    if request.method() != Method::POST {
        return Err(asked.user.no_other_review(kind, request.method()));
    }
    let body = read(request).await?;
    let posted = match protobuf::review(&body) {
        Some(posted) => posted,
        None => serde_json::from_slice(&body).map_err(|error| Refusal::bad_request(error.to_string()))?,
    };
    let answer = asked.user.review(kind, &posted, &shared.faults)?.ok_or_else(Refusal::no_such_kind)?;
    Ok(json(StatusCode::CREATED, &answer))
}

/// Reads a body that has to be small.
pub(in crate::demo) async fn read(request: Request<Incoming>) -> Result<bytes::Bytes, Refusal> {
    let body = Limited::new(request.into_body(), LARGEST_BODY).collect().await;
    body.map(http_body_util::Collected::to_bytes)
        .map_err(|error| Refusal::bad_request(format!("the body can't be read: {error}")))
}

async fn objects(
    request: Request<Incoming>,
    shared: &Arc<Shared>,
    asked: &Asked,
    target: Target,
    verb: &str,
    gone: bool,
) -> Result<Answer, Refusal> {
    let query = &asked.query;
    if request.method() == Method::HEAD && target.sub.as_deref() != Some("proxy") {
        return Err(Refusal::not_allowed());
    }
    match (verb, target.sub.as_deref()) {
        ("list" | "watch", _) => {
            let view = view(request.headers())?;
            if verb == "watch" {
                return watching::start(shared, target, query, view, gone);
            }
            if gone {
                return Err(Refusal::expired("The resourceVersion for the provided list is too old."));
            }
            let mut world = shared.world();
            let listing = list::choose(&mut world.store, &target, query)?;
            let now = world.now();
            drop(world);
            Ok(listing.answer(target.resource, view, query, now))
        }
        ("get", None | Some("status" | "scale")) => get(shared, &target, view(request.headers())?, query),
        ("delete", None) => {
            let body = read(request).await?;
            write::delete(shared, &target, query, &body)
        }
        ("patch", None | Some("scale")) => {
            let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            let kind = kind.unwrap_or_default().to_owned();
            let body = read(request).await?;
            write::patch(shared, &target, query, &kind, &body)
        }
        (_, Some(_)) => stream::subresource(request, shared, &target, query).await,
        _ => Err(Refusal::not_allowed()),
    }
}

fn get(shared: &Shared, target: &Target, view: View, query: &Query) -> Result<Answer, Refusal> {
    let (resource, name) = (target.resource, target.name.as_deref().unwrap_or_default());
    let world = shared.world();
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let object =
        world.store.get(resource, namespace, name).ok_or_else(|| Refusal::not_found(resource, name))?;
    let now = world.now();
    drop(world);
    if target.sub.as_deref() == Some("scale") {
        return Ok(json(StatusCode::OK, &write::scale(&object.value())));
    }
    Ok(match view {
        View::Plain => answer(StatusCode::OK, "application/json", whole(object.whole(resource))),
        View::Metadata => json(StatusCode::OK, &table::metadata_only(&object)),
        View::Table => {
            let metadata = serde_json::json!({"resourceVersion": object.version.to_string()});
            let rows = std::slice::from_ref(&object);
            json(StatusCode::OK, &table::whole(resource, rows, &metadata, query.get("includeObject"), now))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        let loopback = |host: &'static str| is_loopback(Some(&HeaderValue::from_static(host)));
        for yes in ["127.0.0.1:8443", "127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:80", "127.9.9.9:1"] {
            assert!(loopback(yes), "{yes}");
        }
        for no in ["evil.example", "evil.example:80", "127.0.0.1.evil.example:80", "10.0.0.1:80", ""] {
            assert!(!loopback(no), "{no}");
        }
        assert!(!is_loopback(None));
    }
}
