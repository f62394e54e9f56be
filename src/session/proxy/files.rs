//! Static files beside the API (`--www`), as Go's file server gives them (Go: `http.FileServer`).
//!
//! What it is: files, `index.html`, listings, ranges, dates. What it is not: filtered; kubectl's filter is about the
//! API alone. Links within the directory are followed, as kubectl does.

mod sniff;

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::Metadata;
use std::hash::BuildHasher as _;
use std::io::{self, SeekFrom};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::stream;
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, LAST_MODIFIED, LOCATION, RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::address::{clean, escape};
use super::serve::{Own, error, escape_html, full};

/// How much of a file is read at once.
const CHUNK: usize = 64 * 1024;

/// The file, listing, redirect or error for a decoded path behind the prefix.
pub(super) async fn answer<B>(root: &Path, path: &[u8], request: &Request<B>) -> Response<Own> {
    let not_found = || error(StatusCode::NOT_FOUND, "404 page not found");
    let Ok(path) = std::str::from_utf8(path) else { return not_found() };
    let path = format!("/{}", path.strip_prefix('/').unwrap_or(path));
    if path.contains('\0') || (cfg!(windows) && path.contains(['\\', ':'])) {
        return not_found();
    }
    if path.ends_with("/index.html") {
        return moved("./", request);
    }
    // Cleaned, it can't lead above the root.
    let cleaned = clean(&path);
    let mut file = root.join(cleaned.trim_matches('/'));
    let mut about = match tokio::fs::metadata(&file).await {
        Ok(about) => about,
        Err(failure) => return failed(&failure),
    };
    let last = cleaned.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    match (about.is_dir(), path.ends_with('/')) {
        (true, false) => return moved(&format!("{last}/"), request),
        (false, true) => return moved(&format!("../{last}"), request),
        _ => {}
    }
    if about.is_dir() {
        let index = file.join("index.html");
        match tokio::fs::metadata(&index).await {
            Ok(found) if !found.is_dir() => (file, about) = (index, found),
            _ => return listing(&file, &about, request).await,
        }
    }
    content(&file, &about, request).await.unwrap_or_else(|failure| failed(&failure))
}

fn failed(failure: &io::Error) -> Response<Own> {
    match failure.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            error(StatusCode::NOT_FOUND, "404 page not found")
        }
        io::ErrorKind::PermissionDenied => error(StatusCode::FORBIDDEN, "403 Forbidden"),
        _ => error(StatusCode::INTERNAL_SERVER_ERROR, "500 Internal Server Error"),
    }
}

/// A relative redirect: it stays right under whatever prefix.
fn moved<B>(to: &str, request: &Request<B>) -> Response<Own> {
    let mut to = to.to_owned();
    if let Some(query) = request.uri().query().filter(|query| !query.is_empty()) {
        let _ = write!(to, "?{query}");
    }
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(to) = HeaderValue::from_bytes(to.as_bytes()) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

async fn listing<B>(directory: &Path, about: &Metadata, request: &Request<B>) -> Response<Own> {
    let modified = modified(about);
    if unchanged(request.headers(), request.method(), modified) {
        return not_modified(modified);
    }
    let mut names = Vec::new();
    let read = async {
        let mut entries = tokio::fs::read_dir(directory).await?;
        while let Some(entry) = entries.next_entry().await? {
            let slash = if entry.file_type().await?.is_dir() { "/" } else { "" };
            names.push(format!("{}{slash}", entry.file_name().to_string_lossy()));
        }
        Ok::<_, io::Error>(())
    };
    if read.await.is_err() {
        return error(StatusCode::INTERNAL_SERVER_ERROR, "Error reading directory");
    }
    names.sort_unstable();
    let mut text =
        "<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n".to_owned();
    for name in &names {
        // The first part of a relative path would be a scheme if it had a colon.
        let before = if name.trim_end_matches('/').contains(':') { "./" } else { "" };
        let _ = writeln!(text, "<a href=\"{before}{}\">{}</a>", escape(name.as_bytes()), escape_html(name));
    }
    text.push_str("</pre>\n");
    let mut response = Response::new(full(text));
    put(&mut response, CONTENT_TYPE, "text/html; charset=utf-8");
    dated(&mut response, modified);
    response
}

async fn content<B>(path: &Path, about: &Metadata, request: &Request<B>) -> io::Result<Response<Own>> {
    let (headers, method) = (request.headers(), request.method());
    let modified = modified(about);
    let date =
        |name: HeaderName| headers.get(name).and_then(|v| httpdate::parse_http_date(v.to_str().ok()?).ok());
    if date(IF_UNMODIFIED_SINCE).is_some_and(|since| modified > since) {
        let mut response = Response::new(full(""));
        *response.status_mut() = StatusCode::PRECONDITION_FAILED;
        return Ok(response);
    }
    if unchanged(headers, method, modified) {
        return Ok(not_modified(modified));
    }
    let mut file = File::open(path).await?;
    let size = about.len();
    let mut response = Response::new(());
    response.headers_mut().insert(CONTENT_TYPE, content_type(path, &mut file).await?);
    // A date that is another one, or a tag (there are none here), makes the range meaningless.
    let wanted = if headers.contains_key(IF_RANGE) && date(IF_RANGE) != Some(modified) {
        None
    } else {
        headers.get(RANGE).and_then(|range| range.to_str().ok())
    };
    let parts = match range(wanted, size) {
        Range::Parts(parts) => parts,
        Range::Wrong => return Ok(error(StatusCode::RANGE_NOT_SATISFIABLE, "invalid range")),
        Range::Beyond => {
            let mut response = error(StatusCode::RANGE_NOT_SATISFIABLE, "invalid range: failed to overlap");
            put(&mut response, CONTENT_RANGE, &format!("bytes */{size}"));
            return Ok(response);
        }
    };
    dated(&mut response, modified);
    put(&mut response, ACCEPT_RANGES, "bytes");
    let place = |part: &Part| format!("bytes {}-{}/{size}", part.start, i128::from(part.end()) - 1);
    let pieces = match parts.as_slice() {
        [] => VecDeque::from([Piece::File(Part { start: 0, length: size })]),
        [part] => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            put(&mut response, CONTENT_RANGE, &place(part));
            VecDeque::from([Piece::File(*part)])
        }
        parts => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let kind = response.headers()[CONTENT_TYPE].to_str().unwrap_or_default().to_owned();
            let boundary = boundary();
            put(&mut response, CONTENT_TYPE, &format!("multipart/byteranges; boundary={boundary}"));
            several(parts, &boundary, |part| {
                format!("Content-Range: {}\r\nContent-Type: {kind}\r\n\r\n", place(part))
            })
        }
    };
    let length: u64 = pieces.iter().map(Piece::length).sum();
    put(&mut response, CONTENT_LENGTH, &length.to_string());
    if *method == Method::HEAD {
        return Ok(response.map(|()| full("")));
    }
    Ok(response.map(|()| chunks(file, pieces)))
}

/// What an answer consists of.
enum Piece {
    Text(String),
    File(Part),
}

impl Piece {
    fn length(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::File(part) => part.length,
        }
    }
}

/// Several ranges in one answer (Go: `mime/multipart.Writer`).
fn several(parts: &[Part], boundary: &str, heads: impl Fn(&Part) -> String) -> VecDeque<Piece> {
    let mut pieces = VecDeque::new();
    for (at, part) in parts.iter().enumerate() {
        let line = if at == 0 { "" } else { "\r\n" };
        pieces.push_back(Piece::Text(format!("{line}--{boundary}\r\n{}", heads(part))));
        pieces.push_back(Piece::File(*part));
    }
    pieces.push_back(Piece::Text(format!("\r\n--{boundary}--\r\n")));
    pieces
}

/// What no file contains: as long as Go's, and as random.
fn boundary() -> String {
    let random = RandomState::new();
    let words = (0..4_u64).map(|at| format!("{:016x}", random.hash_one(at)));
    words.collect::<String>()[..60].to_owned()
}

/// The pieces, those of the file read as they are taken.
fn chunks(file: File, pieces: VecDeque<Piece>) -> Own {
    let parts = stream::try_unfold((file, pieces), |(mut file, mut pieces)| async move {
        let (start, left) = match pieces.pop_front() {
            None => return Ok(None),
            Some(Piece::Text(text)) => return Ok(Some((Frame::data(Bytes::from(text)), (file, pieces)))),
            Some(Piece::File(part)) => (part.start, part.length),
        };
        let mut chunk = vec![0; usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK))];
        if left > 0 {
            file.seek(SeekFrom::Start(start)).await?;
            let read = file.read(&mut chunk).await?;
            if read == 0 {
                // It has become shorter: the client must not take it for whole.
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            chunk.truncate(read);
            let read = read as u64;
            if read < left {
                pieces.push_front(Piece::File(Part { start: start + read, length: left - read }));
            }
        }
        Ok(Some((Frame::data(Bytes::from(chunk)), (file, pieces))))
    });
    StreamBody::new(parts).boxed_unsync()
}

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    start: u64,
    length: u64,
}

impl Part {
    fn end(self) -> u64 {
        self.start + self.length
    }
}

/// The ranges that are asked for.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    /// These; the whole file if there are none.
    Parts(Vec<Part>),
    Wrong,
    Beyond,
}

/// Reads a `Range` header (Go: `http.parseRange`, `serveContent`).
fn range(header: Option<&str>, size: u64) -> Range {
    let whole = Range::Parts(Vec::new());
    let Some(header) = header.filter(|header| !header.is_empty()) else { return whole };
    let Some(list) = header.strip_prefix("bytes=") else { return Range::Wrong };
    let (mut found, mut beyond) = (Vec::new(), false);
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let Some((first, last)) = part.split_once('-') else { return Range::Wrong };
        let (first, last) = (first.trim(), last.trim());
        let number = |text: &str| text.parse::<u64>().ok().filter(|n| i64::try_from(*n).is_ok());
        if first.is_empty() {
            let Some(length) = number(last) else { return Range::Wrong };
            let length = length.min(size);
            found.push(Part { start: size - length, length });
            continue;
        }
        let Some(first) = number(first) else { return Range::Wrong };
        if first >= size {
            beyond = true;
            continue;
        }
        let last = if last.is_empty() { Some(size - 1) } else { number(last).filter(|last| *last >= first) };
        let Some(last) = last else { return Range::Wrong };
        found.push(Part { start: first, length: last.min(size - 1) - first + 1 });
    }
    if found.is_empty() && beyond && size > 0 {
        return Range::Beyond;
    }
    // More than the file itself: somebody wants to make work, or is confused.
    if found.iter().map(|part| u128::from(part.length)).sum::<u128>() > u128::from(size) {
        return whole;
    }
    Range::Parts(found)
}

/// When it was changed, in whole seconds, as HTTP dates are.
fn modified(about: &Metadata) -> SystemTime {
    let since = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    UNIX_EPOCH + std::time::Duration::from_secs(since.as_secs())
}

/// Whether the client has it already.
fn unchanged(headers: &HeaderMap, method: &Method, modified: SystemTime) -> bool {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return false;
    }
    if let Some(tags) = headers.get(IF_NONE_MATCH) {
        // Files have no tag here: only "any" fits.
        return tags.as_bytes().split(|b| *b == b',').any(|tag| tag.trim_ascii() == b"*");
    }
    let since = headers.get(IF_MODIFIED_SINCE).and_then(|v| httpdate::parse_http_date(v.to_str().ok()?).ok());
    since.is_some_and(|since| modified <= since)
}

fn not_modified(modified: SystemTime) -> Response<Own> {
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    dated(&mut response, modified);
    response
}

fn dated<B>(response: &mut Response<B>, modified: SystemTime) {
    if modified > UNIX_EPOCH {
        put(response, LAST_MODIFIED, &httpdate::fmt_http_date(modified));
    }
}

fn put<B>(response: &mut Response<B>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
}

/// By the name's ending; where that says nothing, by the first bytes.
async fn content_type(path: &Path, file: &mut File) -> io::Result<HeaderValue> {
    let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
    let known = match ending.as_str() {
        "css" => "text/css; charset=utf-8",
        "htm" | "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        "xml" => "text/xml; charset=utf-8",
        "json" => "application/json",
        "pdf" => "application/pdf",
        "wasm" => "application/wasm",
        "gif" => "image/gif",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "",
    };
    if !known.is_empty() {
        return Ok(HeaderValue::from_static(known));
    }
    let mut first = Vec::with_capacity(sniff::LOOK);
    file.take(sniff::LOOK as u64).read_to_end(&mut first).await?;
    Ok(HeaderValue::from_static(sniff::sniff(&first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_in_go() {
        let parts = |parts: &[(u64, u64)]| {
            Range::Parts(
                parts.iter().map(|(start, length)| Part { start: *start, length: *length }).collect(),
            )
        };
        for (header, expected) in [
            (None, parts(&[])),
            (Some("bytes=0-1"), parts(&[(0, 2)])),
            (Some("bytes=3-"), parts(&[(3, 7)])),
            (Some("bytes=-4"), parts(&[(6, 4)])),
            (Some("bytes=-99"), parts(&[(0, 10)])),
            (Some("bytes=-0"), parts(&[(10, 0)])),
            (Some("bytes=8-99"), parts(&[(8, 2)])),
            (Some("bytes=10-"), Range::Beyond),
            (Some("bytes=2-1"), Range::Wrong),
            (Some("bytes=x-1"), Range::Wrong),
            (Some("lines=1-2"), Range::Wrong),
            (Some("bytes=0-1,3-4"), parts(&[(0, 2), (3, 2)])),
            (Some("bytes=0-1,99-"), parts(&[(0, 2)])),
            (Some("bytes=0-5,3-9"), parts(&[])),
        ] {
            assert_eq!(range(header, 10), expected, "{header:?}");
        }
        assert_eq!(range(Some("bytes=0-1"), 0), parts(&[]));
    }

    #[tokio::test]
    async fn several_ranges_come_in_one_answer() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.txt"), "0123456789").unwrap();
        let request = Request::builder().header(RANGE, "bytes=0-1, -3").body(()).unwrap();
        let response = answer(folder.path(), b"a.txt", &request).await;
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        let kind = response.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
        let length: usize = response.headers()[CONTENT_LENGTH].to_str().unwrap().parse().unwrap();
        let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
        assert_eq!(boundary.len(), 60);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.len(), length);
        let expected = [
            "--B\r\nContent-Range: bytes 0-1/10\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n01",
            "\r\n--B\r\nContent-Range: bytes 7-9/10\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n789",
            "\r\n--B--\r\n",
        ];
        assert_eq!(str::from_utf8(&body).unwrap().replace(boundary, "B"), expected.concat());
    }
}
