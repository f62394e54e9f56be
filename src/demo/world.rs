//! The small world: what is in the cluster, and what happens in it as time goes by.
//!
//! What it is: the store, a clock that is moved from outside, and what the controllers and kubelets of a real cluster
//! would do about a change. What it is not: a scheduler or a network; it decides nothing that is not written in
//! `assets/demo`. For the demo alone.

pub(super) mod controllers;
pub(super) mod file;
pub(super) mod pod;
pub(super) mod random;
pub(super) mod scale;
pub(super) mod script;
pub(super) mod service;
pub(super) mod slices;
#[cfg(test)]
mod tests;
pub(super) mod zone;

use self::pod::Stage;
use self::random::Random;
use self::script::Script;
use self::zone::{When, Zone};
use super::resource::Resource;
use super::store::{Key, Object, Store};
use hickory_proto::op::Message;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tokio::sync::Notify;

/// The revision that the world begins with; a cluster of some months has seen a few.
const FIRST_REVISION: u64 = 412_000;
/// How often watches get a bookmark.
const BEAT: SignedDuration = SignedDuration::from_secs(60);
/// From a pod's creation to its place on a node, to its running containers, and from there to its readiness.
const SCHEDULING: SignedDuration = SignedDuration::from_millis(200);
const CREATING: SignedDuration = SignedDuration::from_millis(1800);
const PROBING: SignedDuration = SignedDuration::from_secs(2);
/// From the deletion of a pod to its end: its programs heed SIGTERM.
const STOPPING: SignedDuration = SignedDuration::from_secs(3);

/// Something that will happen.
#[derive(Debug)]
enum Due {
    /// The script's next step.
    Script,
    /// The next turn in a pod's life, if it is still this pod.
    Pod { key: Key, uid: String, turn: Turn },
    /// Bookmarks.
    Beat,
}

#[derive(Clone, Copy, Debug)]
enum Turn {
    Schedule,
    Run,
    Ready,
    Gone,
}

/// Something that a controller has to look at.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    Workload(Resource, Key),
    Service(Key),
}

/// See the module.
pub(super) struct World {
    pub(super) store: Store,
    zone: Zone,
    start: Timestamp,
    now: Timestamp,
    beat: u64,
    queue: BTreeMap<(Timestamp, u64), Due>,
    queued: u64,
    work: BTreeSet<Work>,
    /// Pod addresses that the pods of a workload will get next.
    free: BTreeMap<(Resource, Key), VecDeque<String>>,
    /// The addresses that pods have from there, by UID.
    lent: BTreeMap<String, (Resource, Key, String)>,
    /// Addresses given out beyond those that are written.
    invented: u32,
    /// Workloads whose new pods never become ready.
    crashing: BTreeSet<(Resource, Key)>,
    random: Random,
    script: Option<Script>,
    /// Rung when something has been put into the queue.
    alarm: Arc<Notify>,
    /// The ports that Services had before they were changed, and when that was.
    former: BTreeMap<Key, (Timestamp, Value)>,
}

impl World {
    /// An empty world at a time.
    fn empty(start: Timestamp) -> Self {
        let mut world = Self {
            store: Store::new(FIRST_REVISION),
            zone: Zone::default(),
            start,
            now: start,
            beat: 0,
            queue: BTreeMap::new(),
            queued: 0,
            work: BTreeSet::new(),
            free: BTreeMap::new(),
            lent: BTreeMap::new(),
            invented: 0,
            crashing: BTreeSet::new(),
            random: Random::new(0x6b64_6973_636f),
            script: None,
            alarm: Arc::default(),
            former: BTreeMap::new(),
        };
        world.schedule(BEAT, Due::Beat);
        world
    }

    /// The world of `assets/demo`, with its script or without, and so many more Services and pods that there are
    /// `scale` in all.
    pub(super) fn story(
        start: Timestamp,
        script: bool,
        scale: Option<(usize, usize)>,
    ) -> Result<Self, String> {
        let mut world = Self::empty(start);
        world.zone = Zone::parse(include_str!("../../assets/demo/zone"))?;
        file::load(&mut world, include_str!("../../assets/demo/world.yaml"))?;
        world.settle();
        if let Some((services, pods)) = scale {
            scale::fill(&mut world, services, pods);
        }
        world.store.seal();
        if script {
            world.script = Some(Script::parse(include_str!("../../assets/demo/script.toml"))?);
            world.schedule_script();
        }
        Ok(world)
    }

    /// What CoreDNS says to a query now.
    pub(super) fn resolve(&self, query: &Message) -> Message {
        self.zone.answer(query, &|when| self.is_ready(when))
    }

    /// Whether a Service has such a ready endpoint.
    fn is_ready(&self, when: &When) -> bool {
        let Some((namespace, service)) = when.service.split_once('/') else { return false };
        let label = ("kubernetes.io/service-name".to_owned(), service.to_owned());
        let slices = self.store.list(Resource::EndpointSlices, Some(namespace));
        slices.filter(|slice| slice.labels.contains(&label)).any(|slice| {
            let value = slice.value();
            let mut endpoints = value["endpoints"].as_array().into_iter().flatten();
            endpoints.any(|one| {
                let here =
                    one["addresses"].as_array().is_some_and(|all| all.iter().any(|ip| *ip == *when.address));
                let ready = one["conditions"]["ready"].as_bool().unwrap_or(true);
                here && ready && when.hostname.as_ref().is_none_or(|name| one["hostname"] == **name)
            })
        })
    }

    /// The world's present.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// Counts the minutes: watches send a bookmark when it has grown.
    pub(super) fn beat(&self) -> u64 {
        self.beat
    }

    /// When the next thing happens.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    /// Rings when that may have become earlier.
    pub(super) fn alarm(&self) -> Arc<Notify> {
        Arc::clone(&self.alarm)
    }

    /// The ports that a Service had at a time, if they are known to have been others than today.
    pub(super) fn former_ports(&self, service: &Value, at: Timestamp) -> Option<&Value> {
        let text = |key: &str| service["metadata"][key].as_str().unwrap_or_default().to_owned();
        let (changed, ports) = self.former.get(&(text("namespace"), text("name")))?;
        (at < *changed).then_some(ports)
    }

    /// Lets everything happen up to a time, in order.
    pub(super) fn advance(&mut self, to: Timestamp) {
        while let Some(entry) = self.queue.first_entry()
            && entry.key().0 <= to
        {
            let ((at, _), due) = entry.remove_entry();
            self.now = self.now.max(at);
            match due {
                Due::Script => self.play(),
                Due::Pod { key, uid, turn } => self.turn(&key, &uid, turn),
                Due::Beat => {
                    self.beat += 1;
                    self.store.wake();
                    self.schedule(BEAT, Due::Beat);
                }
            }
            self.settle();
        }
        self.now = self.now.max(to);
    }

    fn schedule(&mut self, after: SignedDuration, due: Due) {
        self.queued += 1;
        self.queue.insert((self.now + after, self.queued), due);
        self.alarm.notify_one();
    }

    /// Lets a pod terminate; says what it is now, `None` when there is none.
    /// `at_once` removes it without grace, as `--force` does.
    pub(super) fn delete_pod(&mut self, namespace: &str, name: &str, at_once: bool) -> Option<Arc<Object>> {
        let pod = self.store.get(Resource::Pods, namespace, name)?;
        let mut value = pod.value();
        let last = if at_once {
            self.release(&value);
            self.store.remove(Resource::Pods, namespace, name)?
        } else if value.pointer("/metadata/deletionTimestamp").is_some() {
            pod
        } else {
            pod::terminate(&mut value, self.now);
            self.schedule_turn(&value, STOPPING, Turn::Gone);
            self.store.put(Resource::Pods, value)
        };
        self.touched(&last);
        self.settle();
        Some(last)
    }

    /// Takes a changed workload: its generation grows and its controller acts on it.
    pub(super) fn change_workload(&mut self, resource: Resource, mut value: Value) {
        let generation = value.pointer("/metadata/generation").and_then(Value::as_u64).unwrap_or(1);
        value["metadata"]["generation"] = (generation + 1).into();
        let stored = self.store.put(resource, value);
        self.work.insert(Work::Workload(resource, (stored.namespace.clone(), stored.name.clone())));
        self.settle();
    }

    fn schedule_turn(&mut self, pod: &Value, after: SignedDuration, turn: Turn) {
        let text = |path: &str| pod.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let key = (text("/metadata/namespace"), text("/metadata/name"));
        self.schedule(after, Due::Pod { key, uid: text("/metadata/uid"), turn });
    }

    /// The next turn in a pod's life.
    fn turn(&mut self, key: &Key, uid: &str, turn: Turn) {
        let Some(pod) = self.store.get(Resource::Pods, &key.0, &key.1) else { return };
        let mut value = pod.value();
        let terminating = value.pointer("/metadata/deletionTimestamp").is_some();
        if value.pointer("/metadata/uid").and_then(Value::as_str) != Some(uid) {
            return;
        }
        let owner = controllers::owner(&self.store, &value);
        match turn {
            Turn::Gone => {
                self.release(&value);
                self.store.remove(Resource::Pods, &key.0, &key.1);
                self.touched(&pod);
                return;
            }
            _ if terminating => return,
            Turn::Schedule => {
                let node = value["spec"]["nodeName"].as_str().map(str::to_owned);
                let address = self.lend(uid, owner.clone(), node.as_deref());
                pod::place(&mut value, &address);
                pod::stage(&mut value, &Stage::Creating, self.now);
                self.schedule_turn(&value, CREATING, Turn::Run);
            }
            Turn::Run => {
                let crashes = owner.is_some_and(|owner| self.crashing.contains(&owner));
                let stage = if crashes { Stage::Crashing } else { Stage::Running };
                let address = self.lent.get(uid).map(|(_, _, address)| address.clone());
                pod::give_address(&mut value, &address.unwrap_or_default());
                pod::stage(&mut value, &stage, self.now);
                if !crashes {
                    self.schedule_turn(&value, PROBING, Turn::Ready);
                }
            }
            Turn::Ready => pod::stage(&mut value, &Stage::Ready, self.now),
        }
        let now = self.store.put(Resource::Pods, value);
        self.touched(&now);
    }

    /// Marks what depends on a pod for its controllers.
    fn touched(&mut self, pod: &Object) {
        for service in self.store.list(Resource::Services, Some(&pod.namespace)) {
            let selector = &service.value()["spec"]["selector"];
            if super::select::selects(selector, &pod.labels) {
                self.work.insert(Work::Service((service.namespace.clone(), service.name.clone())));
            }
        }
        if let Some((resource, key)) = controllers::owner(&self.store, &pod.value()) {
            self.work.insert(Work::Workload(resource, key));
        }
    }

    /// Lets the controllers work until nothing is left to do.
    fn settle(&mut self) {
        while let Some(work) = self.work.pop_first() {
            match work {
                Work::Workload(resource, key) => controllers::reconcile(self, resource, &key),
                Work::Service(key) => slices::reconcile(self, &key),
            }
        }
    }

    /// Takes the address that a workload's next pod gets, on a certain node if it has to be there.
    fn lend(&mut self, uid: &str, owner: Option<(Resource, Key)>, node: Option<&str>) -> String {
        let fits = |address: &String| node.is_none_or(|node| pod::node_of(address) == node);
        let free = owner.as_ref().and_then(|owner| self.free.get_mut(owner));
        let written = free.and_then(|free| {
            let at = free.iter().position(fits)?;
            free.remove(at)
        });
        let address = written.unwrap_or_else(|| {
            self.invented += 1;
            let net = if node.unwrap_or_default().ends_with('2') { 2 } else { 1 };
            format!("10.244.{net}.{}", 250 - self.invented % 40)
        });
        if let Some((resource, key)) = owner {
            self.lent.insert(uid.to_owned(), (resource, key, address.clone()));
        }
        address
    }

    /// Gives a pod's address back to the end of the row.
    fn release(&mut self, pod: &Value) {
        let uid = pod.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
        if let Some((resource, key, address)) = self.lent.remove(uid) {
            self.free.entry((resource, key)).or_default().push_back(address);
        }
    }
}
