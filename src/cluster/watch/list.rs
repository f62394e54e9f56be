//! Lists: whole, decoded as they arrive, never older than what was seen before.

use std::sync::{Mutex, PoisonError};

use http::header;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::path;
use super::{Failure, Source, Timing, Watch};
use crate::cluster::client::{Asked, Client, content_type};
use crate::cluster::convert::{Converter, Encoding};
use crate::cluster::store::{Delta, Object};
use crate::cluster::{ApiError, ApiErrorKind};
use crate::model::Load;
use crate::wire::k8s::{Gunzip, JsonList, ListMeta, PROTOBUF, ProtoList, WireError};

/// Protobuf where the server can, JSON where it cannot.
const ACCEPT: &str = "application/vnd.kubernetes.protobuf,application/json";
const ACCEPT_JSON: &str = "application/json";

/// No list has more pages: kubectl asks for pages of 500, and so many of those are ten times the largest cluster.
const MOST_PAGES: usize = 10_000;
/// So many pages in a row may be empty.
const MOST_EMPTY: usize = 10;

/// What to ask for.
pub(in crate::cluster) fn accept(json: bool) -> &'static str {
    if json { ACCEPT_JSON } else { ACCEPT }
}

/// A list that is being read.
pub(in crate::cluster) struct Reading<'a> {
    converter: &'a Mutex<Converter>,
    body: Incoming,
    decoder: Decoder,
    unpack: Option<Gunzip>,
    source: &'a Source,
    timing: &'a Timing,
}

enum Decoder {
    Proto(ProtoList),
    Json(JsonList),
}

/// Begins a list: the answer has begun, its items are still to come.
pub(in crate::cluster) async fn begin<'a>(
    client: &Client,
    converter: &'a Mutex<Converter>,
    source: &'a Source,
    query: &str,
    json: bool,
    timing: &'a Timing,
) -> Result<Reading<'a>, ApiError> {
    let asked = Asked::of("list", source.kind, source.namespace.clone());
    let path = format!("{}{query}", path::list(source));
    let path = path.trim_end_matches(['?', '&']);
    let answer = tokio::time::timeout(timing.head, client.get_large(path, accept(json), &asked)).await;
    let response = answer.map_err(|_| ApiError::timeout(what(source), timing.head))??;
    let decoder = match encoding(&content_type(&response))? {
        Encoding::Protobuf => Decoder::Proto(ProtoList::default()),
        Encoding::Json => Decoder::Json(JsonList::default()),
    };
    let packed = response.headers().get(header::CONTENT_ENCODING).is_some_and(|v| v == "gzip");
    let unpack = packed.then(Gunzip::default);
    Ok(Reading { converter, body: response.into_body(), decoder, unpack, source, timing })
}

/// How an answer is encoded, by its content type.
pub(in crate::cluster) fn encoding(content_type: &str) -> Result<Encoding, ApiError> {
    match content_type.split(';').next().unwrap_or_default().trim() {
        PROTOBUF => Ok(Encoding::Protobuf),
        "application/json" => Ok(Encoding::Json),
        other => Err(ApiError::protocol(format!(
            "it is {}, neither protobuf nor JSON",
            if other.is_empty() { "of no stated type" } else { other }
        ))),
    }
}

fn what(source: &Source) -> String {
    format!("cannot list {}", source.kind.resource_and_group())
}

/// A stream that makes no sense, or stops too early.
pub(super) fn wire(error: &WireError) -> ApiError {
    match error {
        WireError::Truncated => ApiError::new(
            ApiErrorKind::Unreachable,
            "the API server's answer is incomplete",
            error.to_string(),
        ),
        other => ApiError::protocol(other.to_string()),
    }
}

impl Reading<'_> {
    /// The objects that the next bytes complete (there may be none); `None` when the list is complete.
    pub(in crate::cluster) async fn next(&mut self) -> Result<Option<Vec<Object>>, ApiError> {
        let frame = tokio::time::timeout(self.timing.stall, self.body.frame()).await;
        let frame = frame.map_err(|_| ApiError::timeout(what(self.source), self.timing.stall))?;
        let Some(frame) = frame.transpose().map_err(|error| ApiError::transport(&error))? else {
            return match &self.unpack {
                Some(unpack) => unpack.finish().map(|()| None).map_err(|error| wire(&error)),
                None => Ok(None),
            };
        };
        match frame.data_ref() {
            Some(chunk) => self.decode(chunk).map(Some).map_err(|error| wire(&error)),
            None => Ok(Some(Vec::new())),
        }
    }

    /// The objects that a piece of the body completes.
    fn decode(&mut self, chunk: &[u8]) -> Result<Vec<Object>, WireError> {
        let mut objects = Vec::new();
        let mut converter = self.converter.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = self.source.kind;
        let mut take = |bytes: &[u8], encoding| {
            match converter.object(kind, bytes, encoding) {
                Ok((object, _)) => objects.push(object),
                // One object that cannot be read is no reason to lose all others.
                Err(error) => tracing::warn!(%error, "an object of a list is left out"),
            }
            Ok::<_, WireError>(())
        };
        let decoder = &mut self.decoder;
        let mut push = |plain: &[u8]| match decoder {
            Decoder::Proto(list) => list.push(plain, |item| take(item, Encoding::Protobuf)),
            Decoder::Json(list) => list.push(plain, |item| take(item, Encoding::Json)),
        };
        match &mut self.unpack {
            None => push(chunk)?,
            Some(unpack) => unpack.push(chunk, push)?,
        }
        Ok(objects)
    }

    /// What the list says about itself, once [`Self::next`] has said that it is complete.
    pub(in crate::cluster) fn finish(self) -> Result<ListMeta, ApiError> {
        match self.decoder {
            Decoder::Proto(list) => list.finish(),
            Decoder::Json(list) => list.finish(),
        }
        .map_err(|error| wire(&error))
    }
}

impl Watch {
    /// Asks, at the cost of one object, whether the server is there and has come as far as we have. One that was
    /// restored from a backup, or is another altogether, would let a watch wait for our version without a word.
    pub(super) async fn probe(&self) -> Result<(), Failure> {
        let Some(version) = &self.version else { return Ok(()) };
        let query =
            format!("limit=1&resourceVersion={}&resourceVersionMatch=NotOlderThan", path::escape(version));
        let Self { shared, source, json, .. } = self;
        let mut reading =
            begin(&shared.client, &shared.converter, source, &query, *json, &shared.timing).await?;
        while reading.next().await?.is_some() {}
        reading.finish()?;
        Ok(())
    }

    /// Lists the source and tells its objects as they come; ends with a version to watch from.
    ///
    /// The first list takes what the server's cache has (`resourceVersion=0`): fastest, and the watch that follows
    /// brings it up to date. Later ones must not go back in time, so they ask for nothing older than what was seen.
    pub(super) async fn list(&mut self) -> Result<(), Failure> {
        let shared = self.shared.clone();
        let source = self.source.clone();
        let Ok(_permit) = shared.lists.acquire().await else { return Err(Failure::Gone) };
        let versioned = match &self.version {
            None if self.behind > 0 => String::new(),
            None => "resourceVersion=0".to_owned(),
            Some(version) => {
                format!("resourceVersion={}&resourceVersionMatch=NotOlderThan", path::escape(version))
            }
        };
        let mut query = versioned;
        let mut count = 0;
        let (mut pages, mut empty) = (0, 0);
        // A list may take its time; what was known before is old meanwhile.
        let late = Instant::now() + shared.timing.head;
        let began = Delta::ListBegan(source.kind, source.namespace.clone());
        let mut pending = if source.name.is_none() { vec![began] } else { Vec::new() };
        loop {
            let reading =
                begin(&shared.client, &shared.converter, &source, &query, self.json, &shared.timing);
            let mut reading = reading.await?;
            let before = count;
            while let Some(objects) = reading.next().await? {
                count += objects.len();
                if self.listed && Instant::now() >= late && self.lost.is_none() {
                    self.doubt(&ApiError::timeout(what(&source), shared.timing.head)).await?;
                }
                pending.extend(objects.into_iter().map(Delta::Applied));
                if !pending.is_empty() {
                    let load = (!self.listed).then_some(Load::Loading(count));
                    self.send(std::mem::take(&mut pending), load).await?;
                }
            }
            let meta = reading.finish()?;
            if meta.continue_token.is_empty() {
                self.version = Some(meta.resource_version);
                break;
            }
            pages += 1;
            empty = if count == before { empty + 1 } else { 0 };
            if pages >= MOST_PAGES || empty >= MOST_EMPTY {
                let why = format!("the list of {} has no end: {pages} pages so far", source.kind.resource());
                return Err(ApiError::protocol(why).into());
            }
            // A server that pages on its own account; the token carries the version.
            query = format!("continue={}", path::escape(&meta.continue_token));
        }
        if source.name.is_none() {
            pending.push(Delta::ListEnded(source.kind, source.namespace));
        } else if count == 0 {
            pending = self.nothing();
        }
        self.send(pending, None).await?;
        Ok(())
    }
}
