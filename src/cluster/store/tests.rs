use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::cluster::convert::{Converter, Encoding};
use crate::model::{EndpointSlice, Pod, Service, ServiceFacts};

/// One converter per test, as one connection has, so that equal texts are shared.
struct World {
    converter: Converter,
    store: Store,
}

impl World {
    fn new() -> Self {
        Self { converter: Converter::new(), store: Store::new() }
    }

    fn object(&mut self, kind: Kind, json: &str) -> Object {
        self.converter.object(kind, json.as_bytes(), Encoding::Json).unwrap().0
    }

    fn service(&mut self, key: &str, ip: &str) -> Object {
        let (namespace, name) = key.split_once('/').unwrap();
        self.object(
            Kind::Service,
            &format!(
                r#"{{"metadata":{{"name":"{name}","namespace":"{namespace}"}},"spec":{{"clusterIP":"{ip}"}}}}"#
            ),
        )
    }

    /// A slice whose endpoints are `pod` (ready) or `!pod` (not ready).
    fn slice(&mut self, key: &str, service: &str, pods: &[&str]) -> Object {
        let (namespace, name) = key.split_once('/').unwrap();
        let endpoints = pods.iter().map(|pod| {
            let (ready, pod) = (!pod.starts_with('!'), pod.trim_start_matches('!'));
            format!(
                r#"{{"addresses":["10.0.0.1"],"conditions":{{"ready":{ready}}},
                    "targetRef":{{"kind":"Pod","namespace":"{namespace}","name":"{pod}"}}}}"#
            )
        });
        let endpoints = endpoints.collect::<Vec<_>>().join(",");
        self.object(
            Kind::EndpointSlice,
            &format!(
                r#"{{"metadata":{{"name":"{name}","namespace":"{namespace}",
                    "labels":{{"kubernetes.io/service-name":"{service}"}}}},"endpoints":[{endpoints}]}}"#
            ),
        )
    }

    fn pod(&mut self, key: &str, phase: &str) -> Object {
        let (namespace, name) = key.split_once('/').unwrap();
        self.object(
            Kind::Pod,
            &format!(
                r#"{{"metadata":{{"name":"{name}","namespace":"{namespace}"}},"status":{{"phase":"{phase}"}}}}"#
            ),
        )
    }

    fn apply(&mut self, object: Object) -> bool {
        self.store.apply(Delta::Applied(object))
    }

    fn snapshot(&mut self) -> ClusterSnapshot {
        self.store.snapshot(1)
    }
}

fn key(text: &str) -> ObjectKey {
    let (namespace, name) = text.split_once('/').unwrap();
    ObjectKey::new(namespace, name)
}

fn counts(snapshot: &ClusterSnapshot, service: &str) -> (usize, usize) {
    let facts = snapshot.service(&key(service)).unwrap();
    (facts.ready, facts.total)
}

#[test]
fn slices_may_come_before_or_after_their_service() {
    let mut world = World::new();
    let slice = world.slice("a/web-1", "web", &["p", "!q"]);
    world.apply(slice);
    assert!(world.snapshot().services.is_empty());
    assert_eq!(world.snapshot().stray_slices.len(), 1);
    let service = world.service("a/web", "10.0.0.1");
    world.apply(service);
    assert_eq!(counts(&world.snapshot(), "a/web"), (1, 2));
    assert!(world.snapshot().stray_slices.is_empty());
    let slice = world.slice("a/web-1", "web", &["p", "q", "r"]);
    world.apply(slice);
    assert_eq!(counts(&world.snapshot(), "a/web"), (3, 3));
    world.store.apply(Delta::Deleted(Kind::Service, key("a/web")));
    assert_eq!(world.snapshot().stray_slices.len(), 1);
    let service = world.service("a/web", "10.0.0.1");
    world.apply(service);
    world.store.apply(Delta::Deleted(Kind::EndpointSlice, key("a/web-1")));
    assert_eq!(counts(&world.snapshot(), "a/web"), (0, 0));
}

#[test]
fn a_slice_that_changes_its_service_counts_for_the_new_one_only() {
    let mut world = World::new();
    for object in [world.service("a/old", ""), world.service("a/new", ""), world.slice("a/s", "old", &["p"])]
    {
        world.apply(object);
    }
    let before = world.snapshot();
    assert_eq!((counts(&before, "a/old"), counts(&before, "a/new")), ((1, 1), (0, 0)));
    let moved = world.slice("a/s", "new", &["p"]);
    world.apply(moved);
    let after = world.snapshot();
    assert_eq!((counts(&after, "a/old"), counts(&after, "a/new")), ((0, 0), (1, 1)));
    assert_eq!(after.services_of(&key("a/p")), ["new".into()]);
}

#[test]
fn a_pod_that_two_slices_of_a_service_list_stays_until_both_drop_it() {
    let mut world = World::new();
    for object in [world.slice("a/v4", "web", &["p"]), world.slice("a/v6", "web", &["p", "q"])] {
        world.apply(object);
    }
    world.store.apply(Delta::Deleted(Kind::EndpointSlice, key("a/v4")));
    assert_eq!(world.snapshot().services_of(&key("a/p")), ["web".into()]);
    world.store.apply(Delta::Deleted(Kind::EndpointSlice, key("a/v6")));
    assert!(world.snapshot().services_of_pod.is_empty());
}

#[test]
fn what_did_not_change_is_shared_with_the_snapshot_before() {
    let mut world = World::new();
    for object in [
        world.service("a/web", "10.0.0.1"),
        world.service("b/db", "10.0.0.2"),
        world.slice("a/web-1", "web", &["p"]),
        world.pod("a/p", "Running"),
        world.pod("b/q", "Running"),
    ] {
        assert!(world.apply(object));
    }
    let first = world.snapshot();
    // The same objects again, as after a reconnect: nothing changes.
    for object in [
        world.service("a/web", "10.0.0.1"),
        world.slice("a/web-1", "web", &["p"]),
        world.pod("a/p", "Running"),
    ] {
        assert!(!world.apply(object));
    }
    let second = world.snapshot();
    assert!(Arc::ptr_eq(&first.services, &second.services));
    // One pod: only its namespace's list is copied, and only that pod in it is new.
    let pod = world.pod("a/p", "Failed");
    assert!(world.apply(pod));
    let third = world.snapshot();
    assert!(Arc::ptr_eq(&second.services, &third.services));
    assert!(!Arc::ptr_eq(&second.pods["a"], &third.pods["a"]));
    assert!(Arc::ptr_eq(&second.pods["b"], &third.pods["b"]));
    assert_eq!(&*second.pod("a", "p").unwrap().phase, "Running");
    // One endpoint: the other Service's facts stay the same object, and so do the pods' Services.
    let slice = world.slice("a/web-1", "web", &["!p"]);
    assert!(world.apply(slice));
    let fourth = world.snapshot();
    assert!(Arc::ptr_eq(&third.services[1], &fourth.services[1]));
    assert_eq!((counts(&third, "a/web"), counts(&fourth, "a/web")), ((1, 1), (0, 1)));
    assert!(Arc::ptr_eq(&third.services_of_pod["a"], &fourth.services_of_pod["a"]));
}

#[test]
fn a_new_list_replaces_exactly_its_kind_and_scope() {
    let mut world = World::new();
    for object in [world.pod("a/p", ""), world.pod("a/q", ""), world.pod("b/p", ""), world.service("a/q", "")]
    {
        world.apply(object);
    }
    let kept = world.snapshot();
    let objects = vec![world.pod("a/p", ""), world.pod("a/r", "")];
    assert!(world.store.apply(Delta::Restarted { kind: Kind::Pod, namespace: Some("a".into()), objects }));
    let after = world.snapshot();
    let names: Vec<_> = after.pods_in("a").iter().map(|p| &*p.key.name).collect();
    assert_eq!(names, ["p", "r"]);
    assert!(Arc::ptr_eq(kept.pod("a", "p").unwrap(), after.pod("a", "p").unwrap()));
    assert_eq!((after.pods_in("b").len(), after.services.len()), (1, 1));
    let nothing = Delta::Restarted { kind: Kind::Pod, namespace: None, objects: Vec::new() };
    assert!(world.store.apply(nothing.clone()) && !world.store.apply(nothing));
    assert!(world.snapshot().pods.is_empty());
}

#[test]
fn a_list_shows_as_it_arrives_and_at_its_end_takes_away_what_it_lacks() {
    let mut world = World::new();
    let scope = (Kind::Pod, None);
    for object in [world.pod("a/old", ""), world.pod("a/kept", "")] {
        world.apply(object);
    }
    world.store.apply(Delta::ListBegan(scope.0, scope.1.clone()));
    for object in [world.pod("a/new", ""), world.pod("b/new", "")] {
        assert!(world.apply(object));
    }
    assert_eq!(world.snapshot().pods_in("a").len(), 3);
    let kept = world.pod("a/kept", "");
    assert!(!world.apply(kept));
    // Gone again while the list was still under way.
    world.store.apply(Delta::Deleted(Kind::Pod, key("b/new")));
    assert!(world.store.apply(Delta::ListEnded(scope.0, scope.1.clone())));
    let names: Vec<_> = world.snapshot().pods_in("a").iter().map(|p| p.key.name.to_string()).collect();
    assert_eq!(names, ["kept", "new"]);
    assert!(world.snapshot().pods_in("b").is_empty());
    assert!(!world.store.apply(Delta::ListEnded(scope.0, scope.1)), "ended already");
}

#[test]
fn a_list_that_broke_off_does_not_count_when_it_begins_anew() {
    let mut world = World::new();
    world.store.apply(Delta::ListBegan(Kind::Pod, None));
    let early = world.pod("a/early", "");
    world.apply(early);
    world.store.apply(Delta::ListBegan(Kind::Pod, None));
    let late = world.pod("a/late", "");
    world.apply(late);
    world.store.apply(Delta::ListEnded(Kind::Pod, None));
    let names: Vec<_> = world.snapshot().pods_in("a").iter().map(|p| p.key.name.to_string()).collect();
    assert_eq!(names, ["late"]);
}

#[test]
fn dropping_a_scope_leaves_what_another_watch_covers() {
    let mut world = World::new();
    for object in [world.pod("a/p", ""), world.pod("b/p", "")] {
        world.apply(object);
    }
    let a = Text::from("a");
    world.store.set_load(Kind::Pod, Some(a.clone()), Load::Live);
    world.store.set_load(Kind::Pod, None, Load::Loading(0));
    assert!(world.store.drop_scope(Kind::Pod, Some(&a)));
    assert_eq!(world.snapshot().pods_in("a").len(), 1, "the cluster-wide watch has it too");
    world.store.set_load(Kind::Pod, Some(a.clone()), Load::Live);
    assert!(world.store.drop_scope(Kind::Pod, None));
    let snapshot = world.snapshot();
    assert_eq!((snapshot.pods_in("a").len(), snapshot.pods_in("b").len()), (1, 0));
    assert_eq!((snapshot.load(Kind::Pod, "a"), snapshot.load(Kind::Pod, "b")), (Some(&Load::Live), None));
    assert!(world.store.drop_scope(Kind::Pod, Some(&a)) && !world.store.drop_scope(Kind::Pod, Some(&a)));
    assert!(world.snapshot().pods.is_empty());
}

#[test]
fn a_load_that_stays_the_same_is_no_news() {
    let mut store = Store::new();
    assert!(store.set_load(Kind::Service, None, Load::Loading(1)));
    assert!(!store.set_load(Kind::Service, None, Load::Loading(1)));
    assert!(store.set_load(Kind::Service, None, Load::Live));
}

#[test]
fn data_and_cluster_scoped_objects_come_and_go() {
    let mut world = World::new();
    for (kind, json) in [
        (Kind::Namespace, r#"{"metadata":{"name":"b"}}"#),
        (Kind::Namespace, r#"{"metadata":{"name":"a"}}"#),
        (Kind::Node, r#"{"metadata":{"name":"n"}}"#),
        (Kind::ConfigMap, r#"{"metadata":{"name":"c","namespace":"a"},"data":{"k":"v"}}"#),
        (Kind::Secret, r#"{"metadata":{"name":"c","namespace":"a"},"data":{"k":"dg=="}}"#),
    ] {
        let object = world.object(kind, json);
        assert!(world.apply(object.clone()) && !world.apply(object), "{kind:?}");
    }
    let full = world.snapshot();
    assert_eq!(full.namespaces.iter().map(|n| &*n.name).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((full.nodes.len(), full.config_maps.len(), full.secrets.len()), (1, 1, 1));
    for (kind, text) in
        [(Kind::Namespace, "/b"), (Kind::Node, "/n"), (Kind::ConfigMap, "a/c"), (Kind::Secret, "a/c")]
    {
        let delta = Delta::Deleted(kind, key(text));
        assert!(world.store.apply(delta.clone()) && !world.store.apply(delta), "{kind:?}");
    }
    let empty = world.snapshot();
    assert_eq!((empty.namespaces.len(), empty.nodes.len(), empty.config_maps.len()), (1, 0, 0));
    assert_eq!(full.namespaces.len(), 2, "an older snapshot stays as it was");
}

/// What a step of a random history does.
#[derive(Clone, Debug)]
enum Step {
    Service(String, u8),
    Slice(String, String, Vec<String>),
    Pod(String, u8),
    Delete(Kind, String),
    /// Kind, namespace, and which of the objects that are there the list still has.
    Relist(Kind, Option<String>, u8, bool),
    Drop(Kind, Option<String>),
    Snapshot,
}

fn keys(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    let namespace = prop::sample::select(vec!["a", "b", "c"]);
    (namespace, prop::sample::select(names)).prop_map(|(namespace, name)| format!("{namespace}/{name}"))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    const SERVICES: &[&str] = &["s1", "s2", "s3", "s4"];
    const SLICES: &[&str] = &["e1", "e2", "e3", "e4", "e5", "e6"];
    const PODS: &[&str] = &["p1", "p2", "p3", "p4", "p5"];
    let kinds = prop::sample::select(vec![Kind::Service, Kind::EndpointSlice, Kind::Pod]);
    let scope = prop::option::of(prop::sample::select(vec!["a", "b"]).prop_map(str::to_owned));
    let owner = prop::sample::select(vec!["s1", "s2", "s3", "gone", ""]).prop_map(str::to_owned);
    let listed = prop::sample::select(vec!["p1", "!p1", "p2", "!p2", "p3", "p4"]).prop_map(str::to_owned);
    let object = || prop_oneof![keys(SERVICES), keys(SLICES), keys(PODS)];
    let step = prop_oneof![
        4 => (keys(SERVICES), 0..3u8).prop_map(|(key, ip)| Step::Service(key, ip)),
        6 => (keys(SLICES), owner, prop::collection::vec(listed, 0..4)).prop_map(|(k, o, p)| Step::Slice(k, o, p)),
        4 => (keys(PODS), 0..3u8).prop_map(|(key, phase)| Step::Pod(key, phase)),
        3 => (kinds.clone(), object()).prop_map(|(kind, key)| Step::Delete(kind, key)),
        2 => (kinds.clone(), scope.clone(), any::<u8>(), any::<bool>()).prop_map(|(k, s, m, w)| Step::Relist(k, s, m, w)),
        1 => (kinds, scope).prop_map(|(kind, scope)| Step::Drop(kind, scope)),
        3 => Just(Step::Snapshot),
    ];
    prop::collection::vec(step, 1..60)
}

/// The same facts without any cleverness: maps, and everything joined from scratch.
#[derive(Default)]
struct Plain {
    services: BTreeMap<ObjectKey, Arc<Service>>,
    slices: BTreeMap<ObjectKey, Arc<EndpointSlice>>,
    pods: BTreeMap<ObjectKey, Arc<Pod>>,
}

impl Plain {
    fn insert(&mut self, object: Object) {
        let key = object.key();
        match object {
            Object::Service(service) => drop(self.services.insert(key, service)),
            Object::Slice(slice) => drop(self.slices.insert(key, slice)),
            Object::Pod(pod) => drop(self.pods.insert(key, pod)),
            _ => unreachable!(),
        }
    }

    fn retain(&mut self, kind: Kind, mut keep: impl FnMut(&ObjectKey) -> bool) {
        match kind {
            Kind::Service => self.services.retain(|key, _| keep(key)),
            Kind::EndpointSlice => self.slices.retain(|key, _| keep(key)),
            _ => self.pods.retain(|key, _| keep(key)),
        }
    }

    fn objects(&self, kind: Kind) -> Vec<Object> {
        match kind {
            Kind::Service => self.services.values().cloned().map(Object::Service).collect(),
            Kind::EndpointSlice => self.slices.values().cloned().map(Object::Slice).collect(),
            _ => self.pods.values().cloned().map(Object::Pod).collect(),
        }
    }

    fn facts(&self) -> Vec<ServiceFacts> {
        let behind = |key: &ObjectKey| {
            let slices = self.slices.values();
            slices.filter(|s| s.key.namespace == key.namespace && s.service == key.name).cloned().collect()
        };
        self.services.iter().map(|(key, service)| ServiceFacts::new(service.clone(), behind(key))).collect()
    }

    fn services_of_pods(&self) -> BTreeMap<ObjectKey, Vec<Text>> {
        let mut of: BTreeMap<ObjectKey, Vec<Text>> = BTreeMap::new();
        for slice in self.slices.values().filter(|slice| !slice.service.is_empty()) {
            for target in slice.endpoints.iter().filter_map(|endpoint| endpoint.target.as_ref()) {
                let key = ObjectKey::new(slice.key.namespace.clone(), target.name.clone());
                of.entry(key).or_default().push(slice.service.clone());
            }
        }
        for services in of.values_mut() {
            services.sort();
            services.dedup();
        }
        of
    }
}

fn in_scope(key: &ObjectKey, scope: Option<&String>) -> bool {
    scope.is_none_or(|namespace| **namespace == *key.namespace)
}

/// Takes one step in both worlds.
fn take_step(world: &mut World, plain: &mut Plain, step: Step) {
    let object = match step {
        Step::Service(key, ip) => world.service(&key, &format!("10.0.0.{ip}")),
        Step::Slice(key, owner, pods) => {
            world.slice(&key, &owner, &pods.iter().map(String::as_str).collect::<Vec<_>>())
        }
        Step::Pod(key, phase) => world.pod(&key, ["Pending", "Running", "Failed"][usize::from(phase)]),
        Step::Delete(kind, name) => {
            world.store.apply(Delta::Deleted(kind, key(&name)));
            return plain.retain(kind, |known| *known != key(&name));
        }
        Step::Relist(kind, scope, mask, whole) => {
            return relist(world, plain, kind, scope.as_ref(), mask, whole);
        }
        Step::Drop(kind, scope) => {
            world.store.drop_scope(kind, scope.as_deref().map(Text::from).as_ref());
            return plain.retain(kind, |known| !in_scope(known, scope.as_ref()));
        }
        Step::Snapshot => return,
    };
    plain.insert(object.clone());
    world.apply(object);
}

/// A list that still has some of the objects in its scope, told whole or one by one.
fn relist(world: &mut World, plain: &mut Plain, kind: Kind, scope: Option<&String>, mask: u8, whole: bool) {
    let mut at = 0;
    plain.retain(kind, |key| {
        at += 1;
        !in_scope(key, scope) || mask & (1 << (at % 8)) != 0
    });
    let objects: Vec<_> = plain.objects(kind).into_iter().filter(|o| in_scope(&o.key(), scope)).collect();
    let namespace = scope.map(|namespace| Text::from(namespace.as_str()));
    if whole {
        world.store.apply(Delta::Restarted { kind, namespace, objects });
    } else {
        world.store.apply(Delta::ListBegan(kind, namespace.clone()));
        for object in objects {
            world.apply(object);
        }
        world.store.apply(Delta::ListEnded(kind, namespace));
    }
}

fn agrees(snapshot: &ClusterSnapshot, plain: &Plain) {
    let facts: Vec<ServiceFacts> = snapshot.services.iter().map(|facts| (**facts).clone()).collect();
    assert_eq!(facts, plain.facts());
    let pods: Vec<_> = snapshot.pods.values().flat_map(|pods| pods.iter().cloned()).collect();
    assert_eq!(pods, plain.pods.values().cloned().collect::<Vec<_>>());
    assert!(snapshot.pods.values().all(|pods| !pods.is_empty()));
    let of: BTreeMap<ObjectKey, Vec<Text>> = snapshot
        .services_of_pod
        .iter()
        .flat_map(|(namespace, index)| {
            index.iter().map(|(pod, of)| (ObjectKey::new(namespace.clone(), pod.clone()), of.clone()))
        })
        .collect();
    assert_eq!(of, plain.services_of_pods());
    assert!(snapshot.services_of_pod.values().all(|index| !index.is_empty()));
}

/// What is equal in two snapshots that follow each other is the same object in both.
fn shares(before: &ClusterSnapshot, after: &ClusterSnapshot) {
    assert_eq!(before.services == after.services, Arc::ptr_eq(&before.services, &after.services));
    for facts in after.services.iter() {
        if let Some(known) = before.service(facts.key()) {
            assert_eq!(**known == **facts, Arc::ptr_eq(known, facts), "{:?}", facts.key());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_ends_in_what_a_join_from_scratch_gives(steps in steps()) {
        let (mut world, mut plain) = (World::new(), Plain::default());
        let mut before = world.snapshot();
        for step in steps {
            let publish = matches!(step, Step::Snapshot);
            take_step(&mut world, &mut plain, step);
            if publish {
                let after = world.snapshot();
                agrees(&after, &plain);
                shares(&before, &after);
                before = after;
            }
        }
        agrees(&world.snapshot(), &plain);
    }
}
