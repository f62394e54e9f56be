//! Web servers in the pods.
//!
//! `/` says who answers, `/health` whether it is well, `/bytes/N` sends N bytes, `/headers` what arrived; a POST
//! comes back as it is.

use crate::demo::api::body::{Answer, answer, pieces, text, whole};
use bytes::Bytes;
use futures_util::stream::unfold;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use tokio::io::DuplexStream;

/// Whose web server it is.
pub(super) struct Site {
    pub(super) app: String,
    pub(super) pod: String,
    pub(super) ready: bool,
}

/// Serves one connection.
pub(super) async fn serve(stream: DuplexStream, site: Site) {
    let site = Arc::new(site);
    let service = service_fn(move |request| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(respond(request, &site)) }
    });
    // A visitor who leaves in the middle is nobody's error.
    let _ = hyper::server::conn::http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Serves one connection of a server that has one page.
pub(super) async fn fixed(stream: DuplexStream, path: &'static str, page: &'static str) {
    let service = service_fn(move |request: Request<Incoming>| async move {
        let found = request.uri().path() == path;
        Ok::<_, Infallible>(if found {
            text(StatusCode::OK, page)
        } else {
            text(StatusCode::NOT_FOUND, "404 page not found\n")
        })
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn respond(request: Request<Incoming>, site: &Site) -> Answer {
    if request.method() == Method::POST {
        let body = request.into_body().map_err(std::io::Error::other).boxed_unsync();
        return answer(StatusCode::OK, "application/octet-stream", body);
    }
    match request.uri().path() {
        "/" => text(StatusCode::OK, format!("{} pod {}\n", site.app, site.pod)),
        "/health" if site.ready => text(StatusCode::OK, "ok\n"),
        "/health" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        "/headers" => {
            let mut page = String::new();
            for (name, value) in request.headers() {
                let _ = writeln!(page, "{name}: {}", value.to_str().unwrap_or("?"));
            }
            text(StatusCode::OK, page)
        }
        "/page" => answer(StatusCode::OK, "text/html", whole("<a href=\"/health\">health</a>\n")),
        path => match path.strip_prefix("/bytes/").and_then(|count| count.parse::<u64>().ok()) {
            Some(count) => many(count),
            None => text(StatusCode::NOT_FOUND, "404 page not found\n"),
        },
    }
}

/// So many bytes, each the low byte of its place.
fn many(count: u64) -> Answer {
    const PIECE: u64 = 32 * 1024;
    let piece: Bytes = (0..=u8::MAX).cycle().take(32 * 1024).collect();
    let body = pieces(unfold(count, move |left| {
        let next = (left > 0).then(|| {
            let size = left.min(PIECE);
            (Ok(piece.slice(..usize::try_from(size).unwrap_or_default())), left - size)
        });
        std::future::ready(next)
    }));
    let mut answer = answer(StatusCode::OK, "application/octet-stream", body);
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(count));
    answer
}
