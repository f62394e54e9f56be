//! Requests of others that have no body: each drives its connection to the server by itself.
//!
//! hyper's pool gives each connection a task of its own, and each answer one more that waits for its end; for a small
//! answer the tasks wake each other more than they work. Here the connection belongs to the request, then to the body
//! of the answer, then to nobody until the next request: a request through the API proxy takes some 7 % less of the
//! processor's time. What it is: connections, what they are used for again, and their end. What it is not: a way for
//! requests with bodies, which have to flow while nobody reads the answer, or for upgrades; those go through hyper's
//! pool. [`super::service`] chooses.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Empty;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use tokio::time::Instant;
use tower::{BoxError, Service as _};

use super::dial::{Connector, Stream};

/// See the module. Connections are shared by all who hold it; with the last of them they are closed.
pub(super) struct Direct {
    connector: Connector,
    /// So long a connection is kept that nobody needs.
    keep: Duration,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// The last one was used last.
    links: Vec<Link>,
    /// Somebody looks after them.
    watched: bool,
}

/// A connection, which does something only while somebody polls it.
struct Link {
    sender: SendRequest<Empty<Bytes>>,
    driver: Pin<Box<Connection<Stream, Empty<Bytes>>>>,
    /// Since when nobody has needed it.
    since: Instant,
}

impl Link {
    /// Whether another request can be sent. Looks at what has come meanwhile, such as the server's end.
    fn is_free(&mut self) -> bool {
        let mut nobody = Context::from_waker(Waker::noop());
        self.driver.as_mut().poll(&mut nobody).is_pending() && self.sender.is_ready()
    }
}

impl Direct {
    pub(super) fn new(connector: &Connector, keep: Duration) -> Arc<Self> {
        Arc::new(Self { connector: connector.clone(), keep, idle: Mutex::default() })
    }

    /// Sends a request, whose address is a whole one.
    ///
    /// # Errors
    /// No connection, or what became of it. A request that a connection which was used before did not take any more is
    /// sent on another one.
    pub(super) async fn request(
        self: &Arc<Self>,
        request: Request<()>,
    ) -> Result<Response<AnswerBody>, BoxError> {
        let mut request = request.map(|()| Empty::new());
        let server = request.uri().clone();
        // Without a name and password, should the address have them.
        let host = server.authority().map_or("", |authority| authority.as_str());
        let host = host.rsplit('@').next().unwrap_or_default();
        request.headers_mut().insert(HOST, HeaderValue::from_str(host)?);
        let path = server.path_and_query().cloned();
        *request.uri_mut() = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
        loop {
            let (link, fresh) = match self.take() {
                Some(link) => (link, false),
                // In a box: what is seldom needed would make each request large.
                None => (Box::pin(self.connect(&server)).await?, true),
            };
            let (mut sender, mut driver) = (link.sender, Some(link.driver));
            let mut response = pin!(sender.try_send_request(request));
            let result = poll_fn(|context| {
                // With a connection that is over goes what it has not sent: the answer is an error then.
                driver.take_if(|driver| driver.as_mut().poll(context).is_ready());
                response.as_mut().poll(context)
            })
            .await;
            match result {
                Ok(response) => {
                    let link = driver.map(|driver| Link { sender, driver, since: link.since });
                    let home = link.map(|link| (link, Arc::downgrade(self)));
                    return Ok(response.map(|body| AnswerBody { body, home }));
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !fresh => request = unsent,
                    _ => return Err(error.into_error().into()),
                },
            }
        }
    }

    async fn connect(&self, server: &Uri) -> Result<Link, BoxError> {
        let stream = self.connector.clone().call(server.clone()).await?;
        let (sender, driver) = http1::handshake(stream).await?;
        Ok(Link { sender, driver: Box::pin(driver), since: Instant::now() })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Link> {
        loop {
            let mut link = self.idle().links.pop()?;
            if link.since.elapsed() < self.keep && link.is_free() {
                return Some(link);
            }
        }
    }

    fn put(self: &Arc<Self>, mut link: Link) {
        if !link.is_free() {
            return;
        }
        link.since = Instant::now();
        let mut idle = self.idle();
        idle.links.push(link);
        if !idle.watched
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            idle.watched = true;
            runtime.spawn(watch(Arc::downgrade(self), self.keep));
        }
    }

    /// Closes what nobody has needed for long. False when nothing is left.
    fn sweep(&self) -> bool {
        let mut idle = self.idle();
        idle.links.retain_mut(|link| link.since.elapsed() < self.keep && link.is_free());
        idle.watched = !idle.links.is_empty();
        idle.watched
    }
}

/// Looks after connections that are idle, as long as there are any.
async fn watch(direct: Weak<Direct>, keep: Duration) {
    loop {
        tokio::time::sleep(keep).await;
        if !direct.upgrade().is_some_and(|direct| direct.sweep()) {
            return;
        }
    }
}

/// The body of an answer, with the connection that it comes over.
pub(super) struct AnswerBody {
    body: Incoming,
    /// None where it is over.
    home: Option<(Link, Weak<Direct>)>,
}

impl AnswerBody {
    /// Others may use the connection, if the answer is complete.
    fn give_back(&mut self) {
        if let Some((link, direct)) = self.home.take()
            && let Some(direct) = direct.upgrade()
        {
            direct.put(link);
        }
    }
}

impl std::fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnswerBody").field("body", &self.body).finish_non_exhaustive()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        // Of a body with a length nobody asks for the end. One that is not complete takes its connection with it.
        self.give_back();
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        let mut frame = Pin::new(&mut this.body).poll_frame(context);
        if frame.is_pending()
            && let Some((link, _)) = &mut this.home
        {
            if link.driver.as_mut().poll(context).is_ready() {
                this.home = None;
            }
            frame = Pin::new(&mut this.body).poll_frame(context);
        }
        let frame = ready!(frame);
        if frame.is_none() {
            this.give_back();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::Method;
    use http_body_util::BodyExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    /// A server whose first connection answers so, one request after the other, and then closes if it has to; later
    /// ones answer `ok`. Counts its connections, and those that have ended.
    struct Server {
        uri: Uri,
        made: Arc<AtomicUsize>,
        ended: Arc<AtomicUsize>,
    }

    async fn read_head(stream: &mut TcpStream) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        Some(String::from_utf8(head).unwrap())
    }

    async fn server(first: &'static [&'static str], closes: bool) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let (made, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counts = (made.clone(), ended.clone());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let is_first = counts.0.fetch_add(1, Ordering::SeqCst) == 0;
                let ended = counts.1.clone();
                tokio::spawn(async move {
                    let mut answers = if is_first { first } else { &[] }.iter();
                    while read_head(&mut stream).await.is_some() {
                        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                        let answer = answers.next().copied();
                        stream.write_all(answer.unwrap_or(ok).as_bytes()).await.unwrap();
                        if is_first && closes && answers.len() == 0 {
                            break;
                        }
                    }
                    drop(stream);
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Server { uri, made, ended }
    }

    fn direct(keep: Duration) -> Arc<Direct> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let tls = tls.unwrap().with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
        let names = Arc::new(Mutex::default());
        let connector = Connector::to(None, None, tls, names, Duration::from_secs(10)).unwrap();
        Direct::new(&connector, keep)
    }

    async fn ask(direct: &Arc<Direct>, server: &Server, method: Method) -> Response<AnswerBody> {
        let request = Request::builder().method(method).uri(server.uri.clone()).body(()).unwrap();
        direct.request(request).await.unwrap()
    }

    async fn whole(response: Response<AnswerBody>) -> Result<String, hyper::Error> {
        let bytes = response.into_body().collect().await?.to_bytes();
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn until(mut reached: impl FnMut() -> bool) {
        let waited = async {
            while !reached() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waited).await.expect("never reached");
    }

    #[tokio::test]
    async fn a_connection_is_used_again_however_an_answer_ends() {
        let answers = &[
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n",
        ];
        let (server, direct) = (server(answers, false).await, direct(LONG));
        let get = |expected: &'static str| (Method::GET, expected);
        let head = (Method::HEAD, "");
        for (method, expected) in
            [get("hello"), get("hello"), get(""), get(""), get(""), head, get("ok"), get("ok")]
        {
            let answer = ask(&direct, &server, method).await;
            assert_eq!(whole(answer).await.unwrap(), expected);
            assert_eq!(direct.idle().links.len(), 1, "{expected}");
        }
        assert_eq!(server.made.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn the_host_is_the_servers_without_name_and_password() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let uri: Uri = format!("http://me:secret@{address}/version?a=b").parse().unwrap();
        let request = Request::get(uri).header(HOST, "localhost:8001").body(()).unwrap();
        let direct = direct(LONG);
        let asked = direct.request(request);
        let head = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_head(&mut stream).await.unwrap()
        };
        let (answer, head) = tokio::join!(asked, head);
        assert_eq!(head, format!("GET /version?a=b HTTP/1.1\r\nhost: {address}\r\n\r\n"));
        assert!(answer.is_err(), "the server has gone");
    }

    #[tokio::test]
    async fn requests_at_once_have_connections_of_their_own_and_keep_them() {
        let (server, direct) = (server(&[], false).await, direct(LONG));
        for _ in 0..3 {
            let asked = (0..4).map(|_| ask(&direct, &server, Method::GET));
            for answer in futures_util::future::join_all(asked).await {
                assert_eq!(whole(answer).await.unwrap(), "ok");
            }
        }
        assert_eq!((server.made.load(Ordering::SeqCst), direct.idle().links.len()), (4, 4));
    }

    #[tokio::test]
    async fn an_answer_with_a_length_is_complete_without_asking_for_its_end() {
        let (server, direct) = (server(&[], false).await, direct(LONG));
        for _ in 0..2 {
            let mut answer = ask(&direct, &server, Method::GET).await;
            let frame = answer.body_mut().frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), "ok");
            assert!(answer.body().is_end_stream() && direct.idle().links.is_empty());
            drop(answer);
            assert_eq!(direct.idle().links.len(), 1);
        }
        assert_eq!(server.made.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn an_answer_that_nobody_reads_to_its_end_takes_its_connection_with_it() {
        let answers = &["HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"];
        let (server, direct) = (server(answers, false).await, direct(LONG));
        let mut answer = ask(&direct, &server, Method::GET).await;
        let frame = answer.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "hello");
        drop(answer);
        until(|| server.ended.load(Ordering::SeqCst) == 1).await;
        assert_eq!(whole(ask(&direct, &server, Method::GET).await).await.unwrap(), "ok");
        assert_eq!(server.made.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_request_that_is_given_up_takes_its_connection_with_it() {
        let (server, direct) = (server(&[""], false).await, direct(LONG));
        let request = Request::get(server.uri.clone()).body(()).unwrap();
        let asking = tokio::spawn({
            let direct = direct.clone();
            async move { direct.request(request).await.map(|_| ()) }
        });
        until(|| server.made.load(Ordering::SeqCst) == 1).await;
        asking.abort();
        until(|| server.ended.load(Ordering::SeqCst) == 1).await;
        assert!(direct.idle().links.is_empty());
    }

    #[tokio::test]
    async fn a_connection_that_the_server_has_closed_meanwhile_is_not_used() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri: Uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let direct = direct(LONG);
        for _ in 0..2 {
            let served = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                read_head(&mut stream).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
                stream
            };
            let asked = async {
                let request = Request::get(uri.clone()).body(()).unwrap();
                whole(direct.request(request).await.unwrap()).await.unwrap()
            };
            let (stream, answer) = tokio::join!(served, asked);
            assert_eq!((&*answer, direct.idle().links.len()), ("ok", 1));
            drop(stream);
            until(|| !direct.idle().links[0].is_free()).await;
        }
        assert!(direct.take().is_none());
    }

    #[tokio::test]
    async fn an_answer_may_last_until_the_connection_ends_and_one_that_is_cut_is_an_error() {
        for (answer, cut) in [
            ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", true),
        ] {
            let (server, direct) = (server(Box::leak(Box::new([answer])), true).await, direct(LONG));
            let body = whole(ask(&direct, &server, Method::GET).await).await;
            assert_eq!(body.is_err(), cut, "{body:?}");
            assert_eq!(body.unwrap_or_else(|_| "hello".to_owned()), "hello");
            assert!(direct.idle().links.is_empty());
        }
    }

    #[tokio::test]
    async fn a_server_that_ends_without_an_answer_is_an_error() {
        let (server, direct) =
            (server(&["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ""], true).await, direct(LONG));
        assert_eq!(whole(ask(&direct, &server, Method::GET).await).await.unwrap(), "ok");
        let request = Request::get(server.uri.clone()).body(()).unwrap();
        // The request may have had an effect, so it is not sent again.
        let error = direct.request(request).await.err().unwrap();
        assert!(error.downcast_ref::<hyper::Error>().unwrap().is_incomplete_message(), "{error}");
        assert_eq!(server.made.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn what_nobody_needs_for_long_is_closed() {
        let (server, direct) = (server(&[], false).await, direct(Duration::from_millis(1)));
        assert_eq!(whole(ask(&direct, &server, Method::GET).await).await.unwrap(), "ok");
        until(|| server.ended.load(Ordering::SeqCst) == 1).await;
        until(|| !direct.idle().watched).await;
        assert!(direct.idle().links.is_empty());
        assert_eq!(whole(ask(&direct, &server, Method::GET).await).await.unwrap(), "ok");
        until(|| server.ended.load(Ordering::SeqCst) == 2).await;
    }

    #[tokio::test]
    async fn with_the_last_who_holds_them_connections_are_closed() {
        let (server, direct) = (server(&[], false).await, direct(LONG));
        let first = ask(&direct, &server, Method::GET).await;
        assert_eq!(whole(ask(&direct, &server, Method::GET).await).await.unwrap(), "ok");
        drop(direct);
        until(|| server.ended.load(Ordering::SeqCst) == 1).await;
        // One that is in use goes on to the end of the answer.
        assert_eq!(whole(first).await.unwrap(), "ok");
        until(|| server.ended.load(Ordering::SeqCst) == 2).await;
    }
}
