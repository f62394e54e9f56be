//! Everything once, for commands that print and end.

use std::sync::Mutex;

use crate::cluster::ApiError;
use crate::cluster::ApiErrorKind;
use crate::cluster::client::Client;
use crate::cluster::convert::Converter;
use crate::cluster::reader::Reader;
use crate::cluster::store::Object;
use crate::cluster::watch::{Source, Timing, list, path};
use crate::model::time::Timestamp;
use crate::model::{ClusterSnapshot, Kind, NamespaceScope};

/// Lists kinds in a scope, once, all at the same time. A kind that may not be listed is a forbidden load in the
/// snapshot, unless it is Services, without which nothing makes sense. Consistent: what was there before the call is
/// seen.
///
/// # Errors
/// Services are forbidden, or any list fails for another reason than missing rights.
pub async fn list_once(
    client: &Client,
    scope: &NamespaceScope,
    kinds: &[Kind],
) -> Result<ClusterSnapshot, ApiError> {
    // No load tells since when: whatever fails is an error here.
    let mut reader = Reader::new(client, Timestamp::UNIX_EPOCH);
    reader.list(kinds, scope).await;
    match reader.failure().or_else(|| reader.refused(Kind::Service)) {
        Some(error) => Err(error.clone()),
        None => Ok(reader.snapshot()),
    }
}

/// One list, whole. Once more from the start if its pages expire, and in JSON if its protobuf makes no sense.
pub(in crate::cluster) async fn read(
    client: &Client,
    converter: &Mutex<Converter>,
    source: &Source,
) -> Result<Vec<Object>, ApiError> {
    match attempt(client, converter, source, false).await {
        Err(error) if error.kind == ApiErrorKind::Expired => attempt(client, converter, source, false).await,
        Err(error) if error.kind == ApiErrorKind::Protocol => attempt(client, converter, source, true).await,
        other => other,
    }
}

async fn attempt(
    client: &Client,
    converter: &Mutex<Converter>,
    source: &Source,
    json: bool,
) -> Result<Vec<Object>, ApiError> {
    let (timing, mut objects, mut query) = (Timing::default(), Vec::new(), String::new());
    loop {
        let mut reading = list::begin(client, converter, source, &query, json, &timing).await?;
        while let Some(more) = reading.next().await? {
            objects.extend(more);
        }
        let token = reading.finish()?.continue_token;
        if token.is_empty() {
            return Ok(objects);
        }
        query = format!("continue={}", path::escape(&token));
    }
}
