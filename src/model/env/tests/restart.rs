//! What a restart would change.

use super::*;
use crate::model::env::restart::{Plan, Root, Step, Workload, WorkloadKind};

fn owned(name: &str, kind: &str, owner: &str) -> Pod {
    let owner = (!kind.is_empty()).then(|| Owner { kind: kind.into(), name: owner.into() });
    Pod { key: key(name), uid: format!("uid-{name}").into(), owner, ..plain() }
}

fn workload(kind: WorkloadKind, name: &str, pods: usize) -> Workload {
    Workload { kind, key: key(name), uid: "w".into(), pods, paused: false, on_delete: false }
}

#[test]
fn every_object_is_named_once_with_what_happens_to_its_pods() {
    let mut mirror = owned("etcd", "Node", "node-1");
    mirror.annotations = Labels::new([("kubernetes.io/config.source".into(), "file".into())]);
    let pods = [
        owned("web-1-a", "ReplicaSet", "web-1"),
        owned("web-1-b", "ReplicaSet", "web-1"),
        owned("old-1-a", "ReplicaSet", "old-1"),
        owned("db-0", "StatefulSet", "db"),
        owned("log-x", "DaemonSet", "log"),
        owned("alone-x", "ReplicaSet", "alone"),
        owned("job-x", "Job", "job"),
        owned("orphan-x", "ReplicaSet", "gone"),
        owned("dark-x", "Thing", "dark"),
        owned("bare", "", ""),
        mirror,
    ];
    let plan = Plan::new(&pods, |_, owner| match &*owner.name {
        "web-1" => Root::Workload(workload(WorkloadKind::Deployment, "web", 3)),
        "old-1" => Root::Workload(Workload { paused: true, ..workload(WorkloadKind::Deployment, "old", 1) }),
        "db" => Root::Workload(workload(WorkloadKind::StatefulSet, "db", 1)),
        "log" => Root::Workload(Workload { on_delete: true, ..workload(WorkloadKind::DaemonSet, "log", 9) }),
        "gone" => Root::Gone,
        "dark" => Root::Unread("may not be read".to_owned()),
        _ => Root::Other,
    });
    let lines: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "restart Deployment a/web: its 3 pods are replaced, a few at a time",
            "restart StatefulSet a/db: its 1 pod is replaced",
            "delete Pod a/alone-x: ReplicaSet alone makes another",
            "delete Pod a/bare: nothing makes it again, you have to",
            "delete Pod a/job-x: Job job makes another",
            "delete Pod a/log-x: DaemonSet log makes another",
            "delete Pod a/orphan-x: nothing makes it again, you have to",
            "not Deployment a/old: can't restart paused deployment (run rollout resume first)",
            "not Pod a/dark-x: its owner Thing dark may not be read",
            "not Pod a/etcd: it is a static pod: change its manifest on the node node-1",
        ]
    );
    assert_eq!((plan.possible().count(), plan.impossible().count(), plan.pods()), (7, 3, 9));
    let spared = plan.clone().sparing_unmanaged();
    assert_eq!((spared.possible().count(), spared.pods()), (5, 7));
    assert!(spared.steps[5].to_string().starts_with("not Pod a/bare: nothing makes it again"), "{spared:?}");
    let Step::Delete { uid, .. } = &plan.steps[3] else { panic!("{plan:?}") };
    assert_eq!(&**uid, "uid-bare", "no other pod of the name");
}
