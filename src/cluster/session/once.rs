//! Everything once, for commands that print and end.

use std::collections::BTreeSet;
use std::sync::Mutex;

use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::PARALLEL_LISTS;
use crate::cluster::client::Client;
use crate::cluster::convert::Converter;
use crate::cluster::store::{Delta, Object, Store};
use crate::cluster::watch::{Source, Timing, list, path};
use crate::cluster::{ApiError, ApiErrorKind};
use crate::model::{ClusterSnapshot, Kind, Load, NamespaceScope, Text};

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
    let (converter, lists) = (Mutex::new(Converter::new()), Semaphore::new(PARALLEL_LISTS));
    let sources = sources(scope, kinds);
    let work = join_all(sources.iter().map(|source| async {
        let _permit = lists.acquire().await;
        read(client, &converter, source).await
    }));
    let limit = client.target().request_timeout;
    let results = match limit {
        Some(limit) => tokio::time::timeout(limit, work)
            .await
            .map_err(|_| ApiError::timeout("cannot list the cluster's objects", limit))?,
        None => work.await,
    };
    let mut store = Store::new();
    for (source, result) in sources.into_iter().zip(results) {
        let load = match result {
            Ok(objects) => {
                store.apply(Delta::Restarted {
                    kind: source.kind,
                    namespace: source.namespace.clone(),
                    objects,
                });
                Load::Live
            }
            Err(error) => match &error.kind {
                ApiErrorKind::Forbidden(denied) if source.kind != Kind::Service => {
                    Load::Forbidden { verb: denied.verb.clone(), message: error.why.as_str().into() }
                }
                _ => return Err(error),
            },
        };
        store.set_load(source.kind, source.namespace, load);
    }
    Ok(store.snapshot(0))
}

fn sources(scope: &NamespaceScope, kinds: &[Kind]) -> Vec<Source> {
    let everywhere = BTreeSet::from([None]);
    let mut sources = Vec::new();
    for kind in kinds.iter().collect::<BTreeSet<_>>() {
        let namespaces: BTreeSet<Option<Text>> = match scope {
            NamespaceScope::Only(names) if kind.namespaced() => names.iter().cloned().map(Some).collect(),
            _ => everywhere.clone(),
        };
        let all = |namespace| Source { kind: *kind, namespace, name: None, only: None };
        sources.extend(namespaces.into_iter().map(all));
    }
    sources
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
