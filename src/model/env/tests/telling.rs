//! Findings, and which containers miss a Service.

use super::*;
use crate::model::Severity;
use crate::model::env::findings::{self, findings, service_findings};
use crate::model::env::reverse::{Cure, containers_missing};

#[test]
fn five_thousand_services_are_close_to_the_limit_and_more_are_beyond() {
    let many = |n: u32| {
        let one = |i: u32| {
            let mut service = service(&format!("service-{i:06}"), "10.100.100.100", -100);
            service.ports = [port("http", 8080)].into();
            service
        };
        snapshot((0..n).map(one).collect())
    };
    for (count, expected) in [(100, None), (5_000, Some(Severity::Warning)), (6_000, Some(Severity::Error))] {
        let environment = predicted(&many(count), &plain());
        assert_eq!(environment.variables().count(), 8 * count as usize + 1);
        let found = findings::environment_too_large(&environment);
        assert_eq!(found.as_ref().map(|f| f.severity), expected, "{count}: {found:?}");
    }
}

#[test]
fn one_variable_can_be_too_long_by_itself() {
    let text = "x".repeat(findings::STRING_LIMIT - 3);
    let long = |more: &str| {
        predicted(&snapshot(vec![]), &pod(container(vec![("A", literal(&(text.clone() + more)))])))
    };
    assert_eq!(findings::environment_too_large(&long("")), None);
    assert_eq!(findings::environment_too_large(&long("y")).map(|f| f.severity), Some(Severity::Error));
}

#[test]
fn findings_name_what_is_the_matter() {
    let mut changed = service("changed", "10.0.0.3", -100);
    changed.changes = [change(60, "ports")].into();
    let services = vec![
        service("late", "10.0.0.1", 41),
        changed,
        service("nginx", "10.0.0.4", -100),
        service("foo", "10.0.0.5", -100),
        service("foo-service", "10.0.0.6", -100),
    ];
    let mut pod = pod(container(vec![("FOO_PORT", literal("1"))]));
    pod.owner = Some(Owner { kind: "StatefulSet".into(), name: "db".into() });
    let environment = predicted(&snapshot(services), &pod);
    let said: Vec<_> = findings(&environment, &pod).iter().map(|f| (f.code, f.severity)).collect();
    let expected = [
        ("pod-older-than-service", Severity::Warning),
        ("service-changed-after-start", Severity::Warning),
        ("variable-collision", Severity::Warning),
        ("variable-is-url", Severity::Warning),
        ("variable-hidden", Severity::Info),
    ];
    assert_eq!(said, expected);
    let older = findings::pod_older_than_service(&environment, &pod).unwrap();
    assert_eq!(
        older.message,
        "container main started before the Service late existed and lacks the variables"
    );
    assert_eq!(older.evidence, ["Service late was created 41 s after the start"]);
    assert!(older.advice.starts_with("restart StatefulSet db (kubectl rollout restart statefulset/db)"));
    edit(&mut pod, |spec| spec.service_links = false);
    let off = predicted(&snapshot(vec![service("db", "10.0.0.1", -100)]), &pod);
    let said: Vec<_> = findings(&off, &pod).iter().map(|f| f.code).collect();
    assert_eq!(said, ["service-links-off"]);
}

#[test]
fn the_containers_that_miss_a_service() {
    let mut snapshot = snapshot(vec![]);
    let named = |name: &str, change: &dyn Fn(&mut Pod)| {
        let mut pod = plain();
        pod.key = key(name);
        change(&mut pod);
        Arc::new(pod)
    };
    let pods = vec![
        named("early", &|_| ()),
        named("later", &|pod| pod.statuses[0].state = ContainerState::Running(Some(at(1000)))),
        named("linkless", &|pod| edit(pod, |spec| spec.service_links = false)),
        named("waiting", &|pod| pod.statuses[0].state = ContainerState::Waiting("".into())),
    ];
    snapshot.pods =
        BTreeMap::from([("a".into(), Arc::new(pods)), ("b".into(), Arc::new(vec![named("b/x", &|_| ())]))]);
    let db = service("db", "10.0.0.1", 41);
    let missing = containers_missing(&snapshot, &db);
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert_eq!((&*missing[0].pod.name, missing[0].verdict), ("early", Verdict::Absent { early: 41 }));
    assert_eq!(missing[0].cure, Cure::Recreate { pod: "early".into() });
    let found = service_findings(&snapshot, &db);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].message, "1 running container lacks the variables of db");
    assert!(service_findings(&snapshot, &service("db", "None", 41)).is_empty());
}

#[test]
fn what_has_to_be_restarted() {
    let cure = |kind: &str, name: &str, hash: Option<&str>| {
        let mut pod = plain();
        pod.owner = Some(Owner { kind: kind.into(), name: name.into() });
        pod.labels = Labels::new(hash.map(|hash| ("pod-template-hash".into(), hash.into())));
        Cure::of(&pod).to_string()
    };
    for (kind, name, hash, text) in [
        (
            "ReplicaSet",
            "web-ui-5b7",
            Some("5b7"),
            "restart Deployment web-ui (kubectl rollout restart deployment/web-ui)",
        ),
        ("ReplicaSet", "web-ui-5b7", Some("zzz"), "delete pod pod; ReplicaSet web-ui-5b7 makes another"),
        ("ReplicaSet", "web5b7", Some("5b7"), "delete pod pod; ReplicaSet web5b7 makes another"),
        ("ReplicaSet", "bare", None, "delete pod pod; ReplicaSet bare makes another"),
        ("DaemonSet", "log", None, "restart DaemonSet log (kubectl rollout restart daemonset/log)"),
        ("Job", "once", None, "delete pod pod; Job once makes another"),
    ] {
        assert_eq!(cure(kind, name, hash), text);
    }
    assert_eq!(Cure::of(&plain()).to_string(), "delete pod pod and create it again; nothing else will");
}
