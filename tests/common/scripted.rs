//! An API server on loopback whose every answer a test decides: requests wait until they are answered.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;

/// Nothing in these tests takes longer, unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

type Body = BoxBody<Bytes, io::Error>;

/// A request that waits for its answer.
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    reply: oneshot::Sender<Response<Body>>,
}

/// The rest of an answer that has begun.
pub(crate) struct Stream(mpsc::Sender<Result<Frame<Bytes>, io::Error>>);

impl Stream {
    pub(crate) async fn send(&self, text: impl Into<Bytes>) {
        self.0.send(Ok(Frame::data(text.into()))).await.expect("nobody reads this answer any more");
    }

    /// Cuts the connection in the middle.
    pub(crate) async fn cut(self) {
        let _ = self.0.send(Err(io::Error::other("cut"))).await;
    }

    /// Ends the answer as it should end.
    pub(crate) fn end(self) {
        drop(self.0);
    }

    /// Returns when the client has gone.
    pub(crate) async fn gone(self) {
        tokio::time::timeout(PATIENCE, self.0.closed()).await.expect("the client still reads");
    }
}

impl Asked {
    pub(crate) fn reply(self, status: u16, content_type: &str, body: impl Into<Bytes>) {
        let body = Full::new(body.into()).map_err(|e: Infallible| match e {}).boxed();
        self.respond(status, &[("content-type", content_type)], body);
    }

    pub(crate) fn json(self, status: u16, body: &serde_json::Value) {
        self.reply(status, "application/json", body.to_string());
    }

    /// An answer that is compressed.
    pub(crate) fn packed(self, content_type: &str, gzip: Vec<u8>) {
        let body = Full::new(Bytes::from(gzip)).map_err(|e: Infallible| match e {}).boxed();
        self.respond(200, &[("content-type", content_type), ("content-encoding", "gzip")], body);
    }

    /// A refusal as the API server words it.
    pub(crate) fn refuse(self, code: u16, reason: &str, message: &str) {
        self.json(code, &status(code, reason, message));
    }

    pub(crate) fn refuse_with(self, code: u16, headers: &[(&str, &str)], message: &str) {
        let body =
            Full::new(Bytes::from(status(code, "", message).to_string())).map_err(|e: Infallible| match e {});
        self.respond(code, headers, body.boxed());
    }

    pub(crate) fn stream(self, content_type: &str) -> Stream {
        let (sender, receiver) = mpsc::channel(16);
        let stream = futures_util::stream::unfold(receiver, |mut receiver: mpsc::Receiver<_>| async {
            receiver.recv().await.map(|item| (item, receiver))
        });
        self.respond(200, &[("content-type", content_type)], BodyExt::boxed(StreamBody::new(stream)));
        Stream(sender)
    }

    fn respond(self, status: u16, headers: &[(&str, &str)], body: Body) {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let _ = self.reply.send(response.body(body).unwrap());
    }

    pub(crate) fn is_watch(&self) -> bool {
        self.query.contains("watch=true")
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

pub(crate) fn status(code: u16, reason: &str, message: &str) -> serde_json::Value {
    serde_json::json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message})
}

#[derive(Default)]
struct Waiting {
    asked: Mutex<Vec<Asked>>,
    news: Notify,
    /// Paths that are answered with an empty list and a silent watch.
    quiet: Mutex<BTreeSet<String>>,
    kept: Mutex<Vec<Stream>>,
}

/// The server. Dropping it stops it.
pub(crate) struct Server {
    pub(crate) url: String,
    waiting: Arc<Waiting>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let waiting = Arc::<Waiting>::default();
        let mut tasks = JoinSet::new();
        let shared = waiting.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let shared = shared.clone();
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(shared.clone(), request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .with_upgrades()
                        .await;
                });
            }
        });
        Self { url, waiting, _tasks: tasks }
    }

    /// From now on this path is an empty list, and its watch is silent.
    pub(crate) fn quiet(&self, path: &str) {
        self.waiting.quiet.lock().unwrap().insert(path.to_owned());
    }

    /// Waits for the next request that the test is interested in.
    pub(crate) async fn wait(&self, wanted: impl Fn(&Asked) -> bool) -> Asked {
        let found = async {
            loop {
                let news = self.waiting.news.notified();
                if let Some(asked) = self.take(&wanted) {
                    return asked;
                }
                news.await;
            }
        };
        if let Ok(asked) = tokio::time::timeout(PATIENCE, found).await {
            return asked;
        }
        let asked = self.waiting.asked.lock().unwrap();
        let paths: Vec<_> = asked.iter().map(|a| format!("{}?{}", a.path, a.query)).collect();
        panic!("the request did not come; waiting are {paths:?}");
    }

    fn take(&self, wanted: impl Fn(&Asked) -> bool) -> Option<Asked> {
        let mut asked = self.waiting.asked.lock().unwrap();
        let at = asked.iter().position(wanted)?;
        Some(asked.remove(at))
    }

    pub(crate) async fn list(&self, path: &str) -> Asked {
        self.wait(|a| a.path == path && !a.is_watch()).await
    }

    pub(crate) async fn watch(&self, path: &str) -> Asked {
        self.wait(|a| a.path == path && a.is_watch()).await
    }

    /// Whether such a request waits at this moment.
    pub(crate) fn has(&self, wanted: impl Fn(&Asked) -> bool) -> bool {
        self.waiting.asked.lock().unwrap().iter().any(wanted)
    }
}

async fn answer(shared: Arc<Waiting>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (reply, answer) = oneshot::channel();
    let asked = Asked {
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        headers: request.headers().clone(),
        reply,
    };
    if shared.quiet.lock().unwrap().contains(&asked.path) {
        if asked.is_watch() {
            let stream = asked.stream("application/json");
            shared.kept.lock().unwrap().push(stream);
        } else {
            asked.json(200, &list("List", "1", &[]));
        }
    } else {
        shared.asked.lock().unwrap().push(asked);
        shared.news.notify_waiters();
    }
    match answer.await {
        Ok(response) => Ok(response),
        Err(_) => std::future::pending().await,
    }
}

/// A list as JSON.
pub(crate) fn list(kind: &str, version: &str, items: &[serde_json::Value]) -> serde_json::Value {
    serde_json::json!({"kind": kind, "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": items})
}

/// A Service as JSON.
pub(crate) fn service(namespace: &str, name: &str, version: &str) -> serde_json::Value {
    serde_json::json!({
        "metadata": {"namespace": namespace, "name": name, "uid": name, "resourceVersion": version},
        "spec": {"clusterIP": "10.0.0.1", "type": "ClusterIP", "ports": [{"port": 80, "protocol": "TCP"}]}
    })
}

/// A line of a watch.
pub(crate) fn event(kind: &str, object: &serde_json::Value) -> String {
    format!("{}\n", serde_json::json!({"type": kind, "object": object}))
}
