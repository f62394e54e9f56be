//! The way of one request through the proxy: is it one, where does it go, may it pass, what came back.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderName, LOCATION};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt as _, Either, Empty, Full};
use hyper::body::{Body as _, Incoming};
use tokio::sync::watch;
use tower::BoxError;

use super::count::{Counted, Counters, Open};
use super::filter::{Filter, host_of};
use super::{Answered, Passed, Path, Route, Routes, Upstream, files, headers, narrow, tunnel};

const NO_SNIFF: HeaderName = HeaderName::from_static("x-content-type-options");

/// What all requests share.
pub(super) struct Shared {
    pub(super) routes: Routes,
    pub(super) filter: Option<Filter>,
    pub(super) narrow: bool,
    pub(super) files: Option<PathBuf>,
    pub(super) upstream: Box<dyn Upstream>,
    pub(super) counters: Arc<Counters>,
    /// Closed when the proxy ends.
    pub(super) alive: watch::Receiver<()>,
}

/// An answer of ours.
pub(super) type Own = Answered;
/// What a client reads: the server's answer, or one of ours.
pub(super) type Reply = Response<Either<Counted<Answered>, Own>>;

pub(super) async fn answer(shared: &Shared, peer: Option<&HeaderValue>, request: Request<Incoming>) -> Reply {
    let open = shared.counters.begin();
    let (host, path) = match understood(&request) {
        Ok(understood) => understood,
        Err(refusal) => {
            shared.counters.rejected();
            return own(refusal.response());
        }
    };
    let Some(path) = path else { return own(about_server(&request)) };
    let connect = request.method() == Method::CONNECT;
    match shared.routes.of(path, request.uri().query(), connect) {
        Route::Api(path) => {
            if let Some(why) = shared.refusal(&request, &host, &path) {
                shared.counters.rejected();
                return own(error(StatusCode::FORBIDDEN, why));
            }
            shared.pass(request, &path, peer, open).await
        }
        Route::Files(path) => match &shared.files {
            Some(root) => own(files::answer(root, &path, &request).await),
            None => own(error(StatusCode::NOT_FOUND, "404 page not found")),
        },
        Route::Redirect(location) => own(redirect(&location, &request)),
        Route::NotFound => own(error(StatusCode::NOT_FOUND, "404 page not found")),
    }
}

fn own(response: Response<Own>) -> Reply {
    response.map(Either::Right)
}

/// Why a request is none, as Go's server puts it.
struct Malformed(StatusCode, &'static str);

impl Malformed {
    const fn bad(why: &'static str) -> Self {
        Self(StatusCode::BAD_REQUEST, why)
    }

    fn response(&self) -> Response<Own> {
        let mut response = Response::new(full(self.1));
        *response.status_mut() = self.0;
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    }
}

/// Host and path of a request; no path where it is about the server as such (`*`).
///
/// # Errors
/// What Go's server refuses before anybody sees it (Go: `conn.readRequest`).
fn understood<B>(request: &Request<B>) -> Result<(String, Option<Path>), Malformed> {
    let uri = request.uri();
    let mut hosts = request.headers().get_all(HOST).iter();
    let header = hosts.next();
    if hosts.next().is_some() {
        return Err(Malformed::bad("400 Bad Request"));
    }
    if header.is_none() && request.version() == Version::HTTP_11 && request.method() != Method::CONNECT {
        return Err(Malformed::bad("400 Bad Request: missing required Host header"));
    }
    if header.is_some_and(|host| !host.as_bytes().iter().all(|b| may_be_in_host(*b))) {
        return Err(Malformed::bad("400 Bad Request: malformed Host header"));
    }
    // A host in the request line is the one that counts.
    let host = match uri.authority() {
        Some(authority) => authority.as_str().rsplit('@').next().unwrap_or_default(),
        None => header.and_then(|host| host.to_str().ok()).unwrap_or_default(),
    };
    let expect = request.headers().get(EXPECT).map(HeaderValue::as_bytes).unwrap_or_default();
    if !expect.is_empty() && !expect.to_ascii_lowercase().windows(12).any(|part| part == b"100-continue") {
        return Err(Malformed(StatusCode::EXPECTATION_FAILED, ""));
    }
    let path = match uri.path() {
        "*" => None,
        path => Some(Path::parse(path.as_bytes()).ok_or(Malformed::bad("400 Bad Request"))?),
    };
    Ok((host.to_owned(), path))
}

/// Go: `httpguts.ValidHostHeader`.
fn may_be_in_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!$%&()*+,-.:;='[]_~".contains(&byte)
}

/// The answer to a request for `*`.
fn about_server<B>(request: &Request<B>) -> Response<Own> {
    let mut response = Response::new(full(""));
    if request.method() != Method::OPTIONS {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

impl Shared {
    /// Why a request for the API may not pass.
    fn refusal(&self, request: &Request<Incoming>, host: &str, path: &Path) -> Option<&'static str> {
        if let Some(filter) = &self.filter
            && !filter.accepts(request.method().as_str(), &path.text(), host_of(host))
        {
            return Some("Forbidden");
        }
        if !self.narrow {
            return None;
        }
        let upgrade = headers::asks_for_upgrade(request.headers());
        narrow::refusal(request.method(), request.headers(), (host, path), upgrade)
    }

    /// Hands a request to the server and its answer to the client.
    async fn pass(
        &self,
        mut request: Request<Incoming>,
        path: &Path,
        peer: Option<&HeaderValue>,
        open: Open,
    ) -> Reply {
        match target(path, request.uri()) {
            Ok(uri) => *request.uri_mut() = uri,
            Err(_) => return own(error(StatusCode::BAD_REQUEST, "the path can't be passed on")),
        }
        *request.version_mut() = Version::HTTP_11;
        if headers::asks_for_upgrade(request.headers()) {
            return self.upgrade(request, peer, open).await;
        }
        let empty = request.body().is_end_stream();
        let method = request.method().clone();
        headers::onward(request.headers_mut(), &method, peer, empty);
        let open = Arc::new(open);
        let request = request.map(|body| passed(body, &open));
        match self.upstream.send(request).await {
            Ok(mut response) => {
                headers::strip_hop_by_hop(response.headers_mut());
                *response.version_mut() = Version::HTTP_11;
                response.map(|body| Either::Left(Counted::down(body, open)))
            }
            Err(failure) => own(self.failed(&*failure)),
        }
    }

    /// A request for another protocol: what comes back is that protocol, or why not.
    async fn upgrade(&self, mut request: Request<Incoming>, peer: Option<&HeaderValue>, open: Open) -> Reply {
        let client = hyper::upgrade::on(&mut request);
        headers::add_peer(request.headers_mut(), peer);
        let counted = Arc::new(open);
        let request = request.map(|body| passed(body, &counted));
        let mut response = match self.upstream.send(request).await {
            Ok(response) => response,
            Err(failure) => return own(self.failed(&*failure)),
        };
        let status = response.status();
        if status == StatusCode::SWITCHING_PROTOCOLS {
            let server = hyper::upgrade::on(&mut response);
            // The request's body is done with: the tunnel is what is open now.
            tokio::spawn(tunnel::carry(client, server, counted, self.alive.clone()));
            return own(response.map(|_| Empty::new().map_err(|never| match never {}).boxed_unsync()));
        }
        if !status.is_client_error() && !status.is_server_error() {
            let why = format!("invalid upgrade response: status code {}", status.as_u16());
            self.counters.failed(&why);
            return own(error(StatusCode::INTERNAL_SERVER_ERROR, &why));
        }
        headers::strip_hop_by_hop(response.headers_mut());
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        *response.version_mut() = Version::HTTP_11;
        response.map(|body| Either::Left(Counted::down(body, counted)))
    }

    fn failed(&self, failure: &(dyn std::error::Error + 'static)) -> Response<Own> {
        let why = failure.to_string();
        self.counters.failed(&why);
        error(StatusCode::INTERNAL_SERVER_ERROR, &why)
    }
}

/// The body of a request on its way to the server.
fn passed(body: Incoming, open: &Arc<Open>) -> Passed {
    if body.is_end_stream() {
        return Empty::new().map_err(|never| match never {}).boxed_unsync();
    }
    Counted::up(body, open).map_err(BoxError::from).boxed_unsync()
}

/// The path that goes to the server, with the query as it came.
fn target(path: &Path, asked: &Uri) -> Result<Uri, http::Error> {
    let onward = path.behind("");
    // Mostly it is what came.
    if let Some(same) = asked.path_and_query().filter(|same| same.path() == onward) {
        return Ok(Uri::from(same.clone()));
    }
    let whole = match asked.query() {
        Some(query) => format!("{onward}?{query}"),
        None => onward,
    };
    Ok(Uri::from(PathAndQuery::try_from(whole)?))
}

/// An error in Go's form (Go: `http.Error`).
pub(super) fn error(status: StatusCode, text: &str) -> Response<Own> {
    let mut response = Response::new(full(format!("{text}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(NO_SNIFF, HeaderValue::from_static("nosniff"));
    response
}

/// A redirect in Go's form (Go: `http.Redirect`).
fn redirect<B>(location: &str, request: &Request<B>) -> Response<Own> {
    let typed = request.headers().contains_key(CONTENT_TYPE);
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let text = if !typed && reads {
        format!("<a href=\"{}\">Temporary Redirect</a>.\n\n", escape_html(location))
    } else {
        String::new()
    };
    let mut response = Response::new(full(text));
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    let headers: &mut HeaderMap = response.headers_mut();
    if let Ok(location) = HeaderValue::try_from(location) {
        headers.insert(LOCATION, location);
    }
    if !typed && reads {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    }
    response
}

/// Text for HTML, attributes included.
pub(super) fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A body that is there already.
pub(super) fn full(text: impl Into<Bytes>) -> Own {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, hosts: &[&str]) -> Request<()> {
        let mut request = Request::get(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn requests_that_gos_server_refuses_are_refused() {
        for (uri, hosts) in [
            ("/", &[][..]),
            ("/", &["a", "b"]),
            ("/", &["user@localhost"]),
            ("/", &["a b"]),
            ("/%zz", &["localhost"]),
        ] {
            let refusal = understood(&request(uri, hosts)).err().unwrap();
            assert_eq!(refusal.response().status(), StatusCode::BAD_REQUEST, "{uri} {hosts:?}");
        }
        let old = Request::get("/").version(Version::HTTP_10).body(()).unwrap();
        assert_eq!(understood(&old).ok().unwrap().0, "");
        let expecting = Request::get("/").header(HOST, "a").header(EXPECT, "wonders").body(()).unwrap();
        assert_eq!(understood(&expecting).err().unwrap().response().status(), StatusCode::EXPECTATION_FAILED);
    }

    #[test]
    fn the_host_in_the_request_line_counts() {
        let host = |uri: &str| understood(&request(uri, &["evil.example"])).ok().unwrap().0;
        assert_eq!(host("http://u:p@localhost:8001/x"), "localhost:8001");
        assert_eq!(host("/x"), "evil.example");
    }
}
