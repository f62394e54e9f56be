use super::*;

fn world() -> World {
    World::story("2026-03-01T12:00:00Z".parse().unwrap(), false, None).unwrap()
}

fn step(world: &mut World, seconds: i64) {
    let to = world.now() + SignedDuration::from_secs(seconds);
    world.advance(to);
}

fn pods(world: &World, app: &str) -> Vec<Value> {
    let label = ("app".to_owned(), app.to_owned());
    world
        .store
        .list(Resource::Pods, Some("default"))
        .filter(|pod| pod.labels.contains(&label))
        .map(|pod| pod.value())
        .collect()
}

fn endpoints(world: &World, namespace: &str, service: &str) -> Vec<(String, bool)> {
    let label = ("kubernetes.io/service-name".to_owned(), service.to_owned());
    let slices = world
        .store
        .list(Resource::EndpointSlices, Some(namespace))
        .filter(|slice| slice.labels.contains(&label));
    let mut out: Vec<(String, bool)> = slices
        .map(|slice| slice.value())
        .flat_map(|slice| slice["endpoints"].as_array().cloned().unwrap_or_default())
        .map(|one| (one["addresses"][0].as_str().unwrap().to_owned(), one["conditions"]["ready"] == true))
        .collect();
    out.sort();
    out
}

fn ready(world: &World, namespace: &str, service: &str) -> usize {
    endpoints(world, namespace, service).iter().filter(|(_, ready)| *ready).count()
}

#[test]
fn the_beginning_is_as_written() {
    let world = world();
    assert_eq!(pods(&world, "my-app").len(), 3);
    assert_eq!(ready(&world, "default", "my-app"), 3);
    assert_eq!(
        endpoints(&world, "default", "cache"),
        [("10.244.1.9".into(), true), ("10.244.2.5".into(), false)]
    );
    assert_eq!(endpoints(&world, "default", "reports"), []);
    assert_eq!(endpoints(&world, "shop", "checkout").len(), 6, "three pods in two families");
    assert_eq!(ready(&world, "shop", "checkout"), 4, "the terminating one is not ready");
    assert_eq!(ready(&world, "legacy", "billing"), 0);
    let deployment = world.store.get(Resource::Deployments, "default", "my-app").unwrap().value();
    assert_eq!(deployment["status"]["readyReplicas"], 3);
    assert_eq!(
        world.store.list(Resource::ReplicaSets, Some("default")).count(),
        4,
        "no second sets were made"
    );
}

#[test]
fn nothing_happens_by_itself() {
    let mut world = world();
    let before = world.store.revision();
    step(&mut world, 600);
    assert_eq!(world.store.revision(), before);
    assert_eq!(world.beat(), 10);
}

#[test]
fn a_deleted_pod_is_replaced() {
    let mut world = world();
    world.delete_pod("default", "my-app-7c5ddbdf54-x2k9p", false).unwrap();
    assert_eq!(pods(&world, "my-app").len(), 4, "the new one is there at once");
    assert_eq!(ready(&world, "default", "my-app"), 2);
    step(&mut world, 3);
    assert_eq!(pods(&world, "my-app").len(), 3, "the old one is gone");
    assert_eq!(ready(&world, "default", "my-app"), 2);
    step(&mut world, 2);
    assert_eq!(ready(&world, "default", "my-app"), 3);
    assert!(endpoints(&world, "default", "my-app").contains(&("10.244.2.21".into(), true)));
}

#[test]
fn a_deleted_pod_of_a_stateful_set_keeps_its_name() {
    let mut world = world();
    let before = world.store.get(Resource::Pods, "default", "mysql-0").unwrap().value();
    world.delete_pod("default", "mysql-0", true).unwrap();
    step(&mut world, 10);
    let after = world.store.get(Resource::Pods, "default", "mysql-0").unwrap().value();
    assert_ne!(before["metadata"]["uid"], after["metadata"]["uid"]);
    assert_eq!(endpoints(&world, "default", "mysql"), [("10.244.1.31".into(), true)]);
}

#[test]
fn a_restart_replaces_every_pod_and_keeps_enough_of_them_ready() {
    let mut world = world();
    let mut deployment = world.store.get(Resource::Deployments, "default", "my-app").unwrap().value();
    deployment["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] =
        "now".into();
    world.change_workload(Resource::Deployments, deployment);
    for _ in 0..60 {
        step(&mut world, 1);
        assert!(ready(&world, "default", "my-app") >= 3);
    }
    let now = pods(&world, "my-app");
    assert_eq!(now.len(), 3);
    assert!(now.iter().all(|pod| !pod["metadata"]["name"].as_str().unwrap().contains("7c5ddbdf54")));
    let deployment = world.store.get(Resource::Deployments, "default", "my-app").unwrap().value();
    assert_eq!(deployment["status"]["updatedReplicas"], 3);
    assert_eq!(deployment["status"]["observedGeneration"], 2);
}

#[test]
fn stateful_and_daemon_sets_restart_in_order() {
    let mut world = world();
    for (resource, namespace, name) in [
        (Resource::StatefulSets, "monitoring", "prometheus"),
        (Resource::DaemonSets, "monitoring", "node-exporter"),
    ] {
        let mut set = world.store.get(resource, namespace, name).unwrap().value();
        set["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] =
            "now".into();
        world.change_workload(resource, set);
        let uids = |world: &World| -> BTreeSet<String> {
            let all =
                world.store.list(Resource::Pods, Some(namespace)).filter(|pod| pod.name.starts_with(name));
            all.map(|pod| pod.value()["metadata"]["uid"].to_string()).collect()
        };
        let before = uids(&world);
        step(&mut world, 120);
        let after = uids(&world);
        assert_eq!((before.len(), after.len()), (2, 2), "{name}");
        assert!(before.is_disjoint(&after), "{name}");
        let revision = world.store.revision();
        step(&mut world, 50);
        assert_eq!(world.store.revision(), revision, "{name} has come to rest");
    }
}

#[test]
fn scaling_adds_and_removes() {
    let mut world = world();
    for (wanted, seconds) in [(5_u64, 10), (1, 10), (0, 10)] {
        let mut deployment = world.store.get(Resource::Deployments, "default", "my-app").unwrap().value();
        deployment["spec"]["replicas"] = wanted.into();
        world.change_workload(Resource::Deployments, deployment);
        step(&mut world, seconds);
        assert_eq!(pods(&world, "my-app").len() as u64, wanted);
    }
    let slices = world
        .store
        .list(Resource::EndpointSlices, Some("default"))
        .filter(|one| one.name.starts_with("my-app-"));
    let slices: Vec<Value> = slices.map(|one| one.value()).collect();
    assert_eq!(slices.len(), 1, "a placeholder stays");
    assert_eq!(slices[0]["endpoints"], Value::Null);
}

fn address(world: &World, name: &str, kind: hickory_proto::rr::RecordType) -> Vec<String> {
    let mut query = Message::query();
    query
        .add_query(hickory_proto::op::Query::query(hickory_proto::rr::Name::from_ascii(name).unwrap(), kind));
    let mut out: Vec<String> =
        world.resolve(&query).answers.iter().map(|record| record.data.to_string()).collect();
    out.sort();
    out
}

#[test]
fn names_follow_the_endpoints() {
    use hickory_proto::rr::RecordType::{A, PTR};
    let mut world = world();
    assert_eq!(address(&world, "cache.default.svc.cluster.local.", A), ["10.244.1.9"]);
    assert_eq!(address(&world, "cache-0.cache.default.svc.cluster.local.", A), ["10.244.1.9"]);
    assert!(address(&world, "cache-1.cache.default.svc.cluster.local.", A).is_empty());
    assert_eq!(
        address(&world, "7.1.244.10.in-addr.arpa.", PTR),
        ["10-244-1-7.my-app.default.svc.cluster.local."]
    );
    world.delete_pod("default", "my-app-7c5ddbdf54-x2k9p", false).unwrap();
    assert!(address(&world, "7.1.244.10.in-addr.arpa.", PTR).is_empty());
    step(&mut world, 5);
    assert_eq!(
        address(&world, "21.2.244.10.in-addr.arpa.", PTR),
        ["10-244-2-21.my-app.default.svc.cluster.local."]
    );
}

/// Whatever endpoint the script brings about has the records that are written for it.
#[test]
fn the_script_comes_round_and_leaves_nothing_behind() {
    let mut world = World::story("2026-03-01T12:00:00Z".parse().unwrap(), true, None).unwrap();
    let services = world.store.count(Resource::Services);
    let (mut promo, mut unready, mut restarted) = (false, false, false);
    for second in 0..400 {
        step(&mut world, 1);
        promo |= world.store.get(Resource::Services, "shop", "promo").is_some()
            && address(&world, "promo.shop.svc.cluster.local.", hickory_proto::rr::RecordType::A)
                == ["10.96.77.7"]
            && ready(&world, "shop", "promo") > 0;
        unready |= ready(&world, "shop", "cart") == 2;
        restarted |= ready(&world, "default", "cache") == 2;
        assert!(ready(&world, "default", "my-app") >= 2, "{second}");
        assert!(ready(&world, "kube-system", "kube-dns") >= 1, "{second}");
    }
    assert!(promo && unready && restarted, "{promo} {unready} {restarted}");
    assert_eq!(world.store.count(Resource::Services), services);
    for _ in 0..12 {
        step(&mut world, 100);
    }
    for (address, ready) in endpoints(&world, "default", "my-app") {
        let mut parts: Vec<&str> = address.split('.').collect();
        parts.reverse();
        let name = format!("{}.in-addr.arpa.", parts.join("."));
        let told = self::address(&world, &name, hickory_proto::rr::RecordType::PTR);
        assert_eq!(told.len(), usize::from(ready), "{address}: {told:?}");
    }
}

#[test]
fn a_large_world_is_as_large_as_asked_and_lives() {
    let mut world = World::story("2026-03-01T12:00:00Z".parse().unwrap(), false, Some((300, 1500))).unwrap();
    assert_eq!(world.store.count(Resource::Services), 300);
    assert_eq!(world.store.count(Resource::Pods), 1500);
    let slices =
        world.store.list(Resource::EndpointSlices, None).filter(|slice| slice.namespace.starts_with("team-"));
    let sizes: Vec<usize> =
        slices.map(|slice| slice.value()["endpoints"].as_array().map_or(0, Vec::len)).collect();
    assert!(sizes.iter().all(|size| *size <= 100));
    let pod = world.store.list(Resource::Pods, Some("team-03")).next().unwrap().value();
    let (name, app) =
        (pod["metadata"]["name"].as_str().unwrap(), pod["metadata"]["labels"]["app"].as_str().unwrap());
    let before = ready(&world, "team-03", app);
    assert!(before > 0);
    world.delete_pod("team-03", name, false).unwrap();
    assert_eq!(ready(&world, "team-03", app), before - 1);
    step(&mut world, 10);
    assert_eq!(ready(&world, "team-03", app), before);
    assert_eq!(world.store.count(Resource::Pods), 1500);
}
