//! The stream of one watch request.

use std::sync::PoisonError;
use std::time::Duration;

use http::StatusCode;
use http_body_util::BodyExt;
use tokio::time::Instant;

use super::list::{accept, encoding, wire};
use super::path;
use super::{Failure, Watch, asleep, random};
use crate::cluster::client::{Asked, content_type, from_status};
use crate::cluster::convert::{Converter, DecodeError, Encoding};
use crate::cluster::store::Delta;
use crate::cluster::{ApiError, ApiErrorKind};
use crate::wire::k8s::{EventType, JsonWatch, ProtoWatch, Status, WireError};

/// How a watch ended without anything being wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Its time was over: go on where it stopped.
    AsAgreed,
    /// The server no longer knows our version: list again.
    Expired,
    /// Nothing came for so long that the server, or the way to it, may have changed.
    Silent,
    /// This computer slept: the same, but what comes now is heard.
    Slept,
}

enum Decoder {
    Proto(ProtoWatch),
    Json(JsonWatch),
}

/// Why the events of a chunk stop.
enum Stop {
    Wire(WireError),
    Status(Status),
    Object(DecodeError),
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl Watch {
    /// One watch request, from the last version on, until it ends.
    pub(super) async fn watch(&mut self) -> Result<Ended, Failure> {
        let shared = self.shared.clone();
        let Some(version) = self.version.clone() else { return Ok(Ended::Expired) };
        let limit = shared.timing.watch.mul_f64(1.0 + random() / 4.0);
        let path = format!(
            "{}watch=true&allowWatchBookmarks=true&timeoutSeconds={}&resourceVersion={}",
            path::list(&self.source),
            limit.as_secs().max(1),
            path::escape(&version),
        );
        let asked = Asked::of("watch", self.source.kind, self.source.namespace.clone());
        let mut slept = shared.slept.clone();
        let opening = shared.client.get(&path, accept(self.json), &asked);
        let opening = tokio::time::timeout(shared.timing.head, opening);
        let opened = tokio::select! {
            opened = opening => opened,
            since = asleep(&mut slept) => return Err(self.woke(since).into()),
        };
        let response = match opened {
            Err(_) => {
                let what = format!("cannot watch {}", self.source.kind.resource_and_group());
                return Err(ApiError::timeout(what, shared.timing.head).into());
            }
            Ok(Err(error)) if error.kind == ApiErrorKind::Expired => return Ok(Ended::Expired),
            Ok(result) => result?,
        };
        let encoding = encoding(&content_type(&response))?;
        let mut decoder = match encoding {
            Encoding::Protobuf => Decoder::Proto(ProtoWatch::default()),
            Encoding::Json => Decoder::Json(JsonWatch::default()),
        };
        let mut body = response.into_body();
        self.live().await?;
        // The server ends the watch by itself; one that does not has forgotten us.
        let deadline = Instant::now() + limit + Duration::from_secs(15);
        // Bytes that never make an event are silence too: they may be the rest of one whose length was spoiled.
        let mut heard = Instant::now();
        loop {
            let patience = deadline.min(heard + shared.timing.silent);
            let frame = tokio::select! {
                frame = tokio::time::timeout_at(patience, body.frame()) => frame,
                since = asleep(&mut slept) => {
                    let error = self.woke(since);
                    self.doubt(&error).await?;
                    return Ok(Ended::Slept);
                }
            };
            let Ok(frame) = frame else { return Ok(Ended::Silent) };
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|error| ApiError::transport(&error))?;
            let Some(chunk) = frame.data_ref() else { continue };
            let (count, deltas, result) = self.events(&mut decoder, chunk, encoding);
            if count > 0 {
                heard = Instant::now();
            }
            self.send(deltas, None).await?;
            match result {
                Ok(()) => {}
                Err(Stop::Status(status)) if status.code == 410 => return Ok(Ended::Expired),
                Err(Stop::Status(status)) => {
                    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                    return Err(from_status(code, &status, &asked).into());
                }
                Err(Stop::Wire(error)) => return Err(wire(&error).into()),
                Err(Stop::Object(error)) => return Err(ApiError::protocol(error.to_string()).into()),
            }
        }
        let whole = match &decoder {
            Decoder::Proto(watch) => watch.at_boundary(),
            Decoder::Json(watch) => watch.at_boundary(),
        };
        if whole { Ok(Ended::AsAgreed) } else { Err(wire(&WireError::Truncated).into()) }
    }

    /// What a chunk completes: how many events, the news in them, up to whatever stops them.
    fn events(
        &mut self,
        decoder: &mut Decoder,
        chunk: &[u8],
        encoding: Encoding,
    ) -> (usize, Vec<Delta>, Result<(), Stop>) {
        let (mut count, mut deltas) = (0, Vec::new());
        let mut converter = self.shared.converter.lock().unwrap_or_else(PoisonError::into_inner);
        let (kind, version) = (self.source.kind, &mut self.version);
        let mut take = |event: EventType, object: &[u8]| {
            count += 1;
            match event {
                EventType::Error => {
                    let status = match encoding {
                        Encoding::Protobuf => Status::from_proto(object),
                        Encoding::Json => Status::from_json(object).unwrap_or_default(),
                    };
                    return Err(Stop::Status(status));
                }
                EventType::Bookmark => {
                    let mark = Converter::bookmark(object, encoding).map_err(Stop::Object)?;
                    advance(version, &mark.resource_version);
                }
                EventType::Added | EventType::Modified | EventType::Deleted => {
                    let (object, at) = match converter.object(kind, object, encoding) {
                        Ok(read) => read,
                        Err(error @ DecodeError::Unnamed(_)) => {
                            tracing::warn!(%error, "an event is left out");
                            return Ok(());
                        }
                        Err(error) => return Err(Stop::Object(error)),
                    };
                    advance(version, &at);
                    deltas.push(match event {
                        EventType::Deleted => Delta::Deleted(kind, object.key()),
                        _ => Delta::Applied(object),
                    });
                }
                EventType::Other => {}
            }
            Ok(())
        };
        let result = match decoder {
            Decoder::Proto(watch) => watch.push(chunk, |event, object| take(event, object.raw)),
            Decoder::Json(watch) => watch.push(chunk, take),
        };
        (count, deltas, result)
    }
}

fn advance(version: &mut Option<String>, to: &str) {
    if !to.is_empty() {
        *version = Some(to.to_owned());
    }
}
