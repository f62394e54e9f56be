//! Watches: what changes, as it changes.
//!
//! Sources: Kubernetes API concepts, "Efficient detection of changes", "Watch bookmarks", "Streaming lists".

use super::body::{Answer, answer, pieces};
use super::list::{MATCH, match_forbidden, selector, version};
use super::request::{Query, Target, View};
use super::server::Shared;
use super::status::Refusal;
use super::table;
use crate::demo::resource::Resource;
use crate::demo::select::Selector;
use crate::demo::store::{Change, Event, Object};
use bytes::Bytes;
use futures_util::stream::unfold;
use hyper::StatusCode;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a watch lasts that names no time (apiserver: `min-request-timeout`).
const DEFAULT_LIFE: u64 = 1800;

/// One running watch.
struct Watch {
    shared: Arc<Shared>,
    resource: Resource,
    namespace: Option<String>,
    selector: Selector,
    view: View,
    include: String,
    bookmarks: bool,
    /// Changes up to here have been told.
    told: u64,
    /// The beat of the world's clock at which the last bookmark went out.
    beat: u64,
    ends: Instant,
    ready: VecDeque<Bytes>,
    /// No more events after those that are ready.
    over: bool,
    columns_told: bool,
}

/// Starts a watch.
pub(in crate::demo) fn start(
    shared: &Arc<Shared>,
    target: Target,
    query: &Query,
    view: View,
    gone: bool,
) -> Result<Answer, Refusal> {
    let life = query.number("timeoutSeconds")?.filter(|seconds| *seconds > 0).unwrap_or(DEFAULT_LIFE);
    let from = version(query)?;
    let initial = query.on("sendInitialEvents");
    let matching = query.get(MATCH);
    if !query.get("sendInitialEvents").is_empty() && matching != "NotOlderThan" {
        return Err(match_forbidden(
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ));
    }
    if query.get("sendInitialEvents").is_empty() && !matching.is_empty() {
        let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
        return Err(match_forbidden(why));
    }
    let mut watch = Watch {
        shared: Arc::clone(shared),
        resource: target.resource,
        selector: selector(target.resource, query)?,
        namespace: target.namespace,
        view,
        include: query.get("includeObject").to_owned(),
        bookmarks: query.on("allowWatchBookmarks"),
        told: from.unwrap_or_default(),
        beat: 0,
        ends: Instant::now() + Duration::from_secs(life),
        ready: VecDeque::new(),
        over: false,
        columns_told: false,
    };
    if gone {
        watch.expire(from.unwrap_or_default());
    } else if initial || from.unwrap_or_default() == 0 {
        watch.tell_all(initial);
    }
    let news = shared.world().store.news();
    let stream = unfold((watch, news), |(mut watch, mut news)| async move {
        loop {
            if let Some(event) = watch.ready.pop_front() {
                return Some((Ok(event), (watch, news)));
            }
            if watch.over {
                return None;
            }
            news.mark_unchanged();
            watch.tell_news();
            if watch.ready.is_empty() && !watch.over {
                tokio::select! {
                    changed = news.changed() => watch.over = changed.is_err(),
                    () = tokio::time::sleep_until(watch.ends) => watch.over = true,
                }
            }
        }
    });
    Ok(answer(StatusCode::OK, "application/json", pieces(stream)))
}

/// What an object of a kind has that has nothing: fields that are written even so.
fn empty(resource: Resource) -> Value {
    let template = json!({"metadata": {}, "spec": {"containers": null}});
    match resource {
        Resource::Namespaces => json!({"spec": {}, "status": {}}),
        Resource::Services => json!({"spec": {}, "status": {"loadBalancer": {}}}),
        Resource::Pods => json!({"spec": {"containers": null}, "status": {}}),
        Resource::EndpointSlices => json!({"addressType": "", "endpoints": null, "ports": null}),
        Resource::Deployments => json!({
            "spec": {"replicas": 0, "selector": null, "template": template, "strategy": {}}, "status": {},
        }),
        Resource::ReplicaSets => json!({
            "spec": {"replicas": 0, "selector": null, "template": template}, "status": {"replicas": 0},
        }),
        Resource::StatefulSets => json!({
            "spec": {
                "replicas": 0, "selector": null, "template": template, "serviceName": "", "updateStrategy": {},
            },
            "status": {"replicas": 0, "availableReplicas": 0},
        }),
        Resource::NetworkPolicies => json!({"spec": {"podSelector": {}}}),
        _ => json!({}),
    }
}

impl Watch {
    fn covers(&self, object: &Object) -> bool {
        self.namespace.as_ref().is_none_or(|namespace| object.namespace == *namespace)
            && self.selector.matches(object)
    }

    /// Tells everything that is there as ADDED, and with `end` the bookmark that closes a streamed list.
    fn tell_all(&mut self, end: bool) {
        let shared = Arc::clone(&self.shared);
        let world = shared.world();
        let objects: Vec<_> = world.store.list(self.resource, self.namespace.as_deref()).cloned().collect();
        self.told = world.store.revision();
        self.beat = world.beat();
        drop(world);
        for object in objects {
            if self.covers(&object) {
                self.tell("ADDED", &object);
            }
        }
        if end && self.bookmarks {
            self.bookmark(Some(("k8s.io/initial-events-end", "true")));
        }
    }

    /// Tells what has changed since the last time.
    fn tell_news(&mut self) {
        let shared = Arc::clone(&self.shared);
        let world = shared.world();
        let (events, beat) = (world.store.since(self.resource, self.told), world.beat());
        let newest = world.store.revision();
        drop(world);
        let Some(events) = events else {
            self.expire(self.told);
            return;
        };
        for event in events {
            self.told = event.version;
            if let Some(word) = self.word(&event) {
                self.tell(word, &event.object);
            }
        }
        self.told = self.told.max(newest);
        if self.bookmarks && beat > self.beat {
            self.beat = beat;
            self.bookmark(None);
        }
    }

    /// What a change is for this watch: one that leaves the selection is a deletion, one that enters it an addition.
    fn word(&self, event: &Event) -> Option<&'static str> {
        let before = event.before.as_ref().is_some_and(|object| self.covers(object));
        let after = event.change != Change::Deleted && self.covers(&event.object);
        match (before, after) {
            (false, true) => Some("ADDED"),
            (true, true) => Some("MODIFIED"),
            (true, false) => Some("DELETED"),
            (false, false) => None,
        }
    }

    fn tell(&mut self, word: &str, object: &Arc<Object>) {
        let mut out = format!(r#"{{"type":"{word}","object":"#).into_bytes();
        match self.view {
            View::Plain => object.write_whole(self.resource, &mut out),
            View::Metadata => out.extend_from_slice(table::metadata_only(object).to_string().as_bytes()),
            View::Table => {
                let now = self.shared.world().now();
                let metadata = json!({"resourceVersion": object.version.to_string()});
                let rows = std::slice::from_ref(object);
                let mut table = table::whole(self.resource, rows, &metadata, &self.include, now);
                if std::mem::replace(&mut self.columns_told, true) {
                    table["columnDefinitions"] = Value::Null;
                }
                out.extend_from_slice(table.to_string().as_bytes());
            }
        }
        out.extend_from_slice(b"}\n");
        self.ready.push_back(out.into());
    }

    fn bookmark(&mut self, annotation: Option<(&str, &str)>) {
        let mut metadata = json!({"resourceVersion": self.told.to_string()});
        if let Some((key, value)) = annotation {
            metadata["annotations"] = json!({key: value});
        }
        let object = match self.view {
            View::Plain => {
                let mut object = json!({
                    "kind": self.resource.info().kind, "apiVersion": self.resource.api_version(),
                    "metadata": metadata,
                });
                if let (Some(object), Value::Object(empty)) = (object.as_object_mut(), empty(self.resource)) {
                    object.extend(empty);
                }
                object
            }
            View::Metadata => json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
            }),
            View::Table => {
                let version = json!({"resourceVersion": self.told.to_string()});
                let mut table =
                    table::whole(self.resource, &[], &version, &self.include, self.shared.world().now());
                table["columnDefinitions"] = Value::Null;
                table["rows"] = json!([{"cells": [], "object": {
                    "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
                }}]);
                table
            }
        };
        let event = json!({"type": "BOOKMARK", "object": object});
        self.ready.push_back(format!("{event}\n").into());
    }

    /// Tells 410 Gone and ends.
    fn expire(&mut self, version: u64) {
        let current = self.shared.world().store.revision();
        let status = Refusal::expired(format!("too old resource version: {version} ({current})")).status();
        self.ready.push_back(format!("{}\n", json!({"type": "ERROR", "object": status})).into());
        self.over = true;
    }
}
