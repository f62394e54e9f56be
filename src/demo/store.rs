//! The demo's etcd: objects by kind and key, one revision counter, and the changes since.
//!
//! What it is: versions, events and pages, in memory. Every object is serialised once, when it is written, so that a
//! list is a concatenation of ready bytes. What it is not: it knows no rules of any kind of object.
//! For the demo alone.

use super::resource::{ALL, Resource};
use bytes::Bytes;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::sync::watch;

/// How many changes of a kind a watch may lag behind before it is told 410 Gone.
const LOG_LENGTH: usize = 4096;
/// How many interrupted lists can go on from where they were.
const PAGED_LISTS: usize = 16;

/// Namespace (empty for cluster-scoped kinds) and name.
pub(super) type Key = (String, String);

/// One version of one object.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) labels: Vec<(String, String)>,
    /// `status.phase`, empty where there is none.
    pub(super) phase: String,
    /// The `resourceVersion` of this version.
    pub(super) version: u64,
    /// The object without `kind` and `apiVersion`: `{"metadata":…}`, as items of a list are.
    pub(super) json: Bytes,
}

impl Object {
    /// The object as a tree.
    pub(super) fn value(&self) -> Value {
        serde_json::from_slice(&self.json).unwrap_or_default()
    }

    /// The object by itself, with `kind` and `apiVersion`, as `get` and watches show it.
    pub(super) fn whole(&self, resource: Resource) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.json.len() + 64);
        self.write_whole(resource, &mut out);
        out
    }

    /// Appends what [`Object::whole`] returns.
    pub(super) fn write_whole(&self, resource: Resource, out: &mut Vec<u8>) {
        let (kind, version) = (resource.info().kind, resource.api_version());
        out.extend_from_slice(format!(r#"{{"kind":"{kind}","apiVersion":"{version}","#).as_bytes());
        out.extend_from_slice(&self.json[1..]);
    }
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Added,
    Modified,
    Deleted,
}

/// One change, as watches tell it.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) version: u64,
    pub(super) change: Change,
    /// The new version; of a deletion the last one, with the deletion's `resourceVersion`.
    pub(super) object: Arc<Object>,
    /// The version before, which decides whether a selector has lost or gained the object.
    pub(super) before: Option<Arc<Object>>,
}

/// The objects of a kind at one revision, for a list that is asked for in pages.
pub(super) type Page = Arc<Vec<Arc<Object>>>;

#[derive(Default)]
struct Shelf {
    objects: BTreeMap<Key, Arc<Object>>,
    log: VecDeque<Event>,
    /// Changes up to this revision are forgotten.
    floor: u64,
    paged: VecDeque<(u64, Page)>,
}

/// All objects. See the module.
pub(super) struct Store {
    revision: u64,
    shelves: Vec<Shelf>,
    news: watch::Sender<u64>,
}

impl Store {
    /// An empty store whose next write gets `first` as its revision.
    pub(super) fn new(first: u64) -> Self {
        Self {
            revision: first,
            shelves: ALL.iter().map(|_| Shelf { floor: first, ..Shelf::default() }).collect(),
            news: watch::Sender::new(first),
        }
    }

    /// The newest revision.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Wakes whoever waits for changes.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Wakes them although nothing has changed.
    pub(super) fn wake(&self) {
        self.news.send_replace(self.revision);
    }

    /// One object.
    pub(super) fn get(&self, resource: Resource, namespace: &str, name: &str) -> Option<Arc<Object>> {
        self.shelves[resource.index()].objects.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// All objects of a kind, of one namespace or of all, in key order.
    pub(super) fn list<'a>(
        &'a self,
        resource: Resource,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Arc<Object>> {
        let from = (namespace.unwrap_or_default().to_owned(), String::new());
        self.shelves[resource.index()]
            .objects
            .range(from..)
            .map(|(_, object)| object)
            .take_while(move |object| namespace.is_none_or(|wanted| object.namespace == wanted))
    }

    /// Writes an object, `kind` and `apiVersion` left out of what is kept, and gives it the next revision.
    /// Says what is stored now.
    pub(super) fn put(&mut self, resource: Resource, value: Value) -> Arc<Object> {
        self.revision += 1;
        let object = Arc::new(render(value, self.revision));
        let key = (object.namespace.clone(), object.name.clone());
        let shelf = &mut self.shelves[resource.index()];
        let before = shelf.objects.insert(key, Arc::clone(&object));
        let change = if before.is_some() { Change::Modified } else { Change::Added };
        self.record(resource, Event { version: self.revision, change, object: Arc::clone(&object), before });
        object
    }

    /// Writes an object that is made for its revision, without a change that watches would tell: the first filling.
    pub(super) fn fill(&mut self, resource: Resource, make: impl FnOnce(u64) -> Object) {
        self.revision += 1;
        let object = Arc::new(make(self.revision));
        let key = (object.namespace.clone(), object.name.clone());
        self.shelves[resource.index()].objects.insert(key, object);
    }

    /// How many objects of a kind there are.
    pub(super) fn count(&self, resource: Resource) -> usize {
        self.shelves[resource.index()].objects.len()
    }

    /// Declares everything so far to be the beginning: earlier revisions can't be watched from.
    pub(super) fn seal(&mut self) {
        for shelf in &mut self.shelves {
            shelf.floor = self.revision;
            shelf.log.clear();
        }
        self.news.send_replace(self.revision);
    }

    /// Removes an object. Says what was removed.
    pub(super) fn remove(&mut self, resource: Resource, namespace: &str, name: &str) -> Option<Arc<Object>> {
        let key = (namespace.to_owned(), name.to_owned());
        let before = self.shelves[resource.index()].objects.remove(&key)?;
        self.revision += 1;
        let object = Arc::new(render(before.value(), self.revision));
        let event = Event { version: self.revision, change: Change::Deleted, object, before: Some(before) };
        let last = Arc::clone(&event.object);
        self.record(resource, event);
        Some(last)
    }

    /// The changes of a kind after `version`, or `None` when some of them are forgotten (410 Gone).
    pub(super) fn since(&self, resource: Resource, version: u64) -> Option<Vec<Event>> {
        let shelf = &self.shelves[resource.index()];
        if version < shelf.floor {
            return None;
        }
        let start = shelf.log.partition_point(|event| event.version <= version);
        Some(shelf.log.range(start..).cloned().collect())
    }

    /// Forgets all changes so far, as etcd's compaction does.
    pub(super) fn compact(&mut self) {
        for shelf in &mut self.shelves {
            shelf.paged.clear();
        }
        self.seal();
    }

    /// Keeps the objects of a list whose first page has been given out.
    pub(super) fn keep_page(&mut self, resource: Resource, version: u64, page: Page) {
        let paged = &mut self.shelves[resource.index()].paged;
        if paged.iter().any(|(kept, _)| *kept == version) {
            return;
        }
        if paged.len() == PAGED_LISTS {
            paged.pop_front();
        }
        paged.push_back((version, page));
    }

    /// All objects of a kind as they were at `version`, if a list of then is still kept.
    pub(super) fn page(&self, resource: Resource, version: u64) -> Option<Page> {
        if version == self.revision {
            return Some(Arc::new(self.list(resource, None).cloned().collect()));
        }
        let paged = &self.shelves[resource.index()].paged;
        paged.iter().find(|(kept, _)| *kept == version).map(|(_, page)| Arc::clone(page))
    }

    fn record(&mut self, resource: Resource, event: Event) {
        let shelf = &mut self.shelves[resource.index()];
        if shelf.log.len() == LOG_LENGTH
            && let Some(forgotten) = shelf.log.pop_front()
        {
            shelf.floor = forgotten.version;
        }
        shelf.log.push_back(event);
        self.news.send_replace(self.revision);
    }
}

/// Serialises an object under a revision.
fn render(mut value: Value, version: u64) -> Object {
    if let Some(object) = value.as_object_mut() {
        object.shift_remove("kind");
        object.shift_remove("apiVersion");
    }
    value["metadata"]["resourceVersion"] = Value::String(version.to_string());
    let text = |path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let labels = value.pointer("/metadata/labels").and_then(Value::as_object).map(|labels| {
        labels
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect()
    });
    Object {
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name"),
        labels: labels.unwrap_or_default(),
        phase: text("/status/phase"),
        version,
        json: serde_json::to_vec(&value).unwrap_or_default().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str) -> Value {
        json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"namespace": "default", "name": name}})
    }

    #[test]
    fn changes_are_told_in_order_and_forgotten_ones_are_gone() {
        let mut store = Store::new(100);
        store.put(Resource::Pods, pod("a"));
        store.put(Resource::Pods, pod("a"));
        store.remove(Resource::Pods, "default", "a");
        let told: Vec<_> =
            store.since(Resource::Pods, 100).unwrap().into_iter().map(|event| event.change).collect();
        assert_eq!(told, [Change::Added, Change::Modified, Change::Deleted]);
        assert_eq!(store.since(Resource::Pods, 102).unwrap().len(), 1);
        assert!(store.since(Resource::Pods, 99).is_none());
        store.compact();
        assert!(store.since(Resource::Pods, 102).is_none());
        assert!(store.since(Resource::Pods, 103).unwrap().is_empty());
    }

    #[test]
    fn a_log_that_is_full_forgets_the_oldest() {
        let mut store = Store::new(0);
        for _ in 0..=LOG_LENGTH {
            store.put(Resource::Pods, pod("a"));
        }
        assert!(store.since(Resource::Pods, 0).is_none());
        assert_eq!(store.since(Resource::Pods, 1).unwrap().len(), LOG_LENGTH);
    }

    #[test]
    fn an_object_alone_has_its_kind_and_in_lists_has_not() {
        let mut store = Store::new(0);
        let object = store.put(Resource::Pods, pod("a"));
        assert_eq!(
            object.value(),
            json!({"metadata": {"namespace": "default", "name": "a", "resourceVersion": "1"}})
        );
        let whole: Value = serde_json::from_slice(&object.whole(Resource::Pods)).unwrap();
        assert_eq!(whole["kind"], "Pod");
        assert_eq!(whole["metadata"]["name"], "a");
    }

    #[test]
    fn pages_stay_as_they_were() {
        let mut store = Store::new(0);
        store.put(Resource::Pods, pod("a"));
        let page = store.page(Resource::Pods, 1).unwrap();
        store.keep_page(Resource::Pods, 1, page);
        store.put(Resource::Pods, pod("b"));
        assert_eq!(store.page(Resource::Pods, 1).unwrap().len(), 1);
        assert_eq!(store.page(Resource::Pods, 2).unwrap().len(), 2);
        store.compact();
        assert!(store.page(Resource::Pods, 1).is_none());
    }
}
