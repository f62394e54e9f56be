//! Bodies of answers: whole, in pieces made on demand, or endless.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};
use std::convert::Infallible;
use std::io;

/// Any body; an error in it ends the connection, as a server that dies does.
pub(in crate::demo) type Body = UnsyncBoxBody<Bytes, io::Error>;
/// Any answer.
pub(in crate::demo) type Answer = Response<Body>;

/// A body that is there as a whole.
pub(in crate::demo) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// A body made piece by piece.
pub(in crate::demo) fn pieces<S>(stream: S) -> Body
where
    S: futures_util::Stream<Item = io::Result<Bytes>> + Send + 'static,
{
    use futures_util::StreamExt as _;
    StreamBody::new(stream.map(|piece| piece.map(Frame::data))).boxed_unsync()
}

/// An answer with a body of some type.
pub(in crate::demo) fn answer(code: StatusCode, kind: &'static str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = code;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// An answer of JSON.
pub(in crate::demo) fn json(code: StatusCode, value: &serde_json::Value) -> Answer {
    answer(code, "application/json", whole(value.to_string()))
}

/// An answer of plain text that Go's `http.Error` writes: with a line break, and not to be taken for anything else.
pub(in crate::demo) fn plain_error(code: StatusCode, words: &str) -> Answer {
    let mut answer = text(code, format!("{words}\n"));
    answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// Marks an answer that a node gives and the API server only passes on: it says nothing about caches.
#[derive(Clone, Copy, Debug)]
pub(in crate::demo) struct FromNode;

/// Marks it.
pub(in crate::demo) fn from_node(mut answer: Answer) -> Answer {
    answer.extensions_mut().insert(FromNode);
    answer
}

/// An answer of plain text.
pub(in crate::demo) fn text(code: StatusCode, text: impl Into<String>) -> Answer {
    answer(code, "text/plain; charset=utf-8", whole(text.into()))
}
