//! Lists: whole or in pages, of now or of an earlier revision.
//!
//! Sources: Kubernetes API concepts, "Resource versions in list" and "Retrieving large results sets in chunks".

use super::body::{Answer, Body, answer, pieces, whole};
use super::request::{Query, Target, View};
use super::status::Refusal;
use super::table;
use crate::demo::resource::Resource;
use crate::demo::select::{Selector, Unreadable};
use crate::demo::store::{Object, Page, Store};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{Bytes, BytesMut};
use futures_util::stream::unfold;
use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

/// About how many bytes of a list are put together at a time.
const PIECE: usize = 256 * 1024;
/// The options of lists and watches, as refusals name them.
const OPTIONS: &str = "ListOptions";
/// How `resourceVersion` is meant.
pub(in crate::demo) const MATCH: &str = "resourceVersionMatch";

/// What a list has come down to, before it is written.
#[derive(Debug)]
pub(in crate::demo) struct Listing {
    pub(in crate::demo) version: u64,
    pub(in crate::demo) objects: Vec<Arc<Object>>,
    /// Token for the next page, empty at the end.
    next: String,
    /// How many objects come after this page; only known without a selector.
    remaining: Option<usize>,
}

/// Reads the selectors of a query, with the name of the target as one more.
pub(in crate::demo) fn selector(resource: Resource, query: &Query) -> Result<Selector, Refusal> {
    Selector::parse(resource, query.get("labelSelector"), query.get("fieldSelector"))
        .map_err(|Unreadable(why)| Refusal::bad_request(why))
}

/// Reads `resourceVersion`: `None` when it is unset.
pub(in crate::demo) fn version(query: &Query) -> Result<Option<u64>, Refusal> {
    let text = query.get("resourceVersion");
    if text.is_empty() {
        return Ok(None);
    }
    // A list wraps the error, a watch passes it on as nobody's fault.
    text.parse().map(Some).map_err(|_| {
        let why =
            format!("resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax");
        if query.on("watch") {
            Refusal::unforeseen(why)
        } else {
            Refusal::bad_request(format!("invalid resource version: {why}"))
        }
    })
}

/// 422 for a `resourceVersionMatch` that is not allowed here.
pub(in crate::demo) fn match_forbidden(why: &str) -> Refusal {
    Refusal::options(OPTIONS, MATCH, "FieldValueForbidden", format!("Forbidden: {why}"))
}

/// Finds out what to list.
pub(in crate::demo) fn choose(store: &mut Store, target: &Target, query: &Query) -> Result<Listing, Refusal> {
    let resource = target.resource;
    let selector = selector(resource, query)?;
    let limit =
        query.number("limit")?.filter(|limit| *limit > 0).and_then(|limit| usize::try_from(limit).ok());
    let asked = version(query)?;
    let token = query.get("continue");
    check_options(query, asked)?;
    let (at, after) = if token.is_empty() {
        (check_version(store, asked, query)?, None)
    } else {
        if asked.is_some_and(|version| version != 0) {
            return Err(Refusal::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        let (version, after) = read_token(token)?;
        (version, Some(after))
    };
    let all = store.page(resource, at).ok_or_else(|| {
        Refusal::expired(if after.is_some() {
            "The provided continue parameter is too old to display a consistent list result. You can start a new \
             list without the continue parameter."
        } else {
            "The resourceVersion for the provided list is too old."
        })
    })?;
    let start = after.as_ref().map_or(0, |after| {
        all.partition_point(|object| {
            (object.namespace.as_str(), object.name.as_str()) <= (&after.0, &after.1)
        })
    });
    let wanted = |object: &&Arc<Object>| {
        target.namespace.as_ref().is_none_or(|namespace| object.namespace == *namespace)
            && selector.matches(object)
    };
    let mut rest = all[start..].iter().filter(wanted);
    let objects: Vec<_> = rest.by_ref().take(limit.unwrap_or(usize::MAX)).cloned().collect();
    let left = if limit.is_some() { rest.count() } else { 0 };
    let next = objects.last().filter(|_| left > 0).map_or_else(String::new, |last| {
        store.keep_page(resource, at, Page::clone(&all));
        write_token(at, last)
    });
    let remaining = (left > 0 && selector.is_empty()).then_some(left);
    Ok(Listing { version: at, objects, next, remaining })
}

/// Options that exclude each other (apimachinery: `ValidateListOptions`).
fn check_options(query: &Query, asked: Option<u64>) -> Result<(), Refusal> {
    if !query.get("sendInitialEvents").is_empty() {
        let why = "Forbidden: sendInitialEvents is forbidden for list";
        return Err(Refusal::options(OPTIONS, "sendInitialEvents", "FieldValueForbidden", why));
    }
    match (query.get(MATCH), asked) {
        ("", _) => Ok(()),
        (_, None) => {
            Err(match_forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided"))
        }
        _ if !query.get("continue").is_empty() => {
            Err(match_forbidden("resourceVersionMatch is forbidden when continue is provided"))
        }
        ("Exact", Some(0)) => {
            Err(match_forbidden("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""))
        }
        ("Exact" | "NotOlderThan", _) => Ok(()),
        (other, _) => {
            let why = format!(
                "Unsupported value: \"{other}\": supported values: \"Exact\", \"NotOlderThan\", \"\""
            );
            Err(Refusal::options(OPTIONS, MATCH, "FieldValueNotSupported", why))
        }
    }
}

/// The revision that a first page is of.
fn check_version(store: &Store, asked: Option<u64>, query: &Query) -> Result<u64, Refusal> {
    let exact = query.get(MATCH) == "Exact";
    let current = store.revision();
    match asked {
        Some(version) if version > current => Err(Refusal::from_the_future(version, current)),
        Some(version) if exact => Ok(version),
        _ => Ok(current),
    }
}

fn write_token(version: u64, last: &Object) -> String {
    let token = json!({"v": "meta.k8s.io/v1", "rv": version, "start": [last.namespace, last.name]});
    URL_SAFE_NO_PAD.encode(token.to_string())
}

fn read_token(token: &str) -> Result<(u64, (String, String)), Refusal> {
    let broken =
        |why: &str| Refusal::bad_request(format!("invalid continue token: continue key is not valid: {why}"));
    let decoded = URL_SAFE_NO_PAD.decode(token);
    let decoded = decoded.map_err(|_| broken("illegal base64 data at input byte 0"))?;
    let value: Option<Value> = serde_json::from_slice(&decoded).ok();
    let read = |value: &Value| {
        let start = |at: usize| value["start"][at].as_str().map(str::to_owned);
        Some((value["rv"].as_u64()?, (start(0)?, start(1)?)))
    };
    value.as_ref().and_then(read).ok_or_else(|| {
        let first = decoded.first().map_or(' ', |byte| char::from(*byte));
        broken(&format!("invalid character '{first}' looking for beginning of value"))
    })
}

impl Listing {
    /// The list's own metadata.
    fn metadata(&self) -> Value {
        let mut metadata = json!({"resourceVersion": self.version.to_string()});
        if !self.next.is_empty() {
            metadata["continue"] = self.next.clone().into();
        }
        if let Some(remaining) = self.remaining {
            metadata["remainingItemCount"] = remaining.into();
        }
        metadata
    }

    /// The answer, in the form that was asked for.
    pub(in crate::demo) fn answer(
        self,
        resource: Resource,
        view: View,
        query: &Query,
        now: Timestamp,
    ) -> Answer {
        let metadata = self.metadata();
        let body = match view {
            View::Plain => self.plain(resource, &metadata),
            View::Table => {
                let table = table::whole(resource, &self.objects, &metadata, query.get("includeObject"), now);
                whole(table.to_string())
            }
            View::Metadata => {
                let items: Vec<Value> =
                    self.objects.iter().map(|object| table::metadata_only(object)).collect();
                let list = json!({
                    "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                    "metadata": metadata, "items": items,
                });
                whole(list.to_string())
            }
        };
        answer(StatusCode::OK, "application/json", body)
    }

    /// Ready bytes one after the other.
    fn plain(self, resource: Resource, metadata: &Value) -> Body {
        let (kind, version) = (resource.info().kind, resource.api_version());
        let head =
            format!(r#"{{"kind":"{kind}List","apiVersion":"{version}","metadata":{metadata},"items":["#);
        let objects = self.objects;
        if objects.iter().map(|object| object.json.len() + 1).sum::<usize>() < PIECE {
            let mut out = BytesMut::from(head.as_bytes());
            append(&mut out, &objects, 0);
            return whole(out.freeze());
        }
        pieces(unfold((objects, 0, Some(head)), |(objects, from, head)| async move {
            if from > objects.len() {
                return None;
            }
            let mut out = BytesMut::with_capacity(PIECE + PIECE / 4);
            if let Some(head) = head {
                out.extend_from_slice(head.as_bytes());
            }
            let next = append(&mut out, &objects, from);
            Some((Ok(Bytes::from(out)), (objects, next, None)))
        }))
    }
}

/// Appends objects from `from` on until the piece is large enough, or the end of the list after the last one.
/// Says where to go on; past the end when the list is complete.
fn append(out: &mut BytesMut, objects: &[Arc<Object>], from: usize) -> usize {
    for (at, object) in objects.iter().enumerate().skip(from) {
        if out.len() >= PIECE {
            return at;
        }
        if at > 0 {
            out.extend_from_slice(b",");
        }
        out.extend_from_slice(&object.json);
    }
    out.extend_from_slice(b"]}\n");
    objects.len() + 1
}
