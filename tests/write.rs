//! Restarts against the demo's API server: planned from what is read, refused where the object is another one.

#[path = "common/demo.rs"]
mod common;

use common::{client, demo};
use std::time::Duration;

use jiff::Timestamp;
use kdisco::cluster::ApiErrorKind;
use kdisco::cluster::client::Client;
use kdisco::cluster::session::list_once;
use kdisco::cluster::write::{DryRun, MayWrite, check_rights, execute, plan};

use kdisco::model::env::restart::{Plan, Step};
use kdisco::model::{Kind, NamespaceScope, Pod};

async fn pods(client: &Client) -> Vec<Pod> {
    let scope = NamespaceScope::one("default");
    let snapshot = list_once(client, &scope, &[Kind::Service, Kind::Pod]).await.unwrap();
    snapshot.pods_in("default").iter().map(|pod| Pod::clone(pod)).collect()
}

fn now() -> Timestamp {
    "2026-01-31T12:00:00.5Z".parse().unwrap()
}

fn lines(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_plan_names_the_deployment_behind_the_replica_set() {
    let demo = demo().await;
    let client = client(&demo, "demo");
    let all = pods(&client).await;
    let lines = lines(&plan(&client, &all).await.unwrap());
    assert!(
        lines.contains(
            &"restart Deployment default/my-app: its 3 pods are replaced, a few at a time".to_owned()
        ),
        "{lines:#?}"
    );
    assert!(
        lines.iter().any(|line| line.starts_with("restart StatefulSet default/mysql: its 1 pod")),
        "{lines:#?}"
    );
}

#[tokio::test]
async fn a_restart_replaces_the_pods_and_a_dry_run_does_not() {
    let demo = demo().await;
    let client = client(&demo, "demo");
    let mine = async || {
        let mut all = pods(&client).await;
        all.retain(|pod| pod.labels.get("app").is_some_and(|app| &**app == "my-app"));
        all
    };
    let before = mine().await;
    let plan = plan(&client, &before).await.unwrap();
    check_rights(&client, &plan).await.unwrap();
    let may = MayWrite::unless(false).unwrap();
    let [step] = &plan.steps[..] else { panic!("{plan:?}") };
    execute(&client, step, now(), DryRun::Server, may).await.unwrap();
    demo.step(Duration::from_secs(60));
    let names = |pods: &[Pod]| pods.iter().map(|pod| pod.key.clone()).collect::<Vec<_>>();
    assert_eq!(names(&mine().await), names(&before));
    let done = execute(&client, step, now(), DryRun::No, may).await.unwrap();
    assert_eq!(done.to_string(), "Deployment default/my-app restarted");
    demo.step(Duration::from_secs(60));
    let after = names(&mine().await);
    assert_eq!(after.len(), 3);
    assert!(names(&before).iter().all(|old| !after.contains(old)));
    assert!(MayWrite::unless(true).is_none());
}

#[tokio::test]
async fn another_object_of_the_same_name_is_left_alone() {
    let demo = demo().await;
    let client = client(&demo, "demo");
    let all = pods(&client).await;
    let mut plan = plan(&client, &all).await.unwrap();
    let may = MayWrite::unless(false).unwrap();
    for step in &mut plan.steps {
        match step {
            Step::Rollout(workload) => workload.uid = "another".into(),
            Step::Delete { uid, .. } => *uid = "another".into(),
            Step::Impossible { .. } => {}
        }
        let error = execute(&client, step, now(), DryRun::No, may).await.unwrap_err();
        assert!(error.why.contains("made again meanwhile"), "{error}");
    }
    let bare = Step::Delete { pod: all[0].key.clone(), uid: all[0].uid.clone(), owner: None };
    let done = execute(&client, &bare, now(), DryRun::No, may).await.unwrap();
    assert_eq!(done.what, "deleted");
    let again = execute(&client, &bare, now(), DryRun::No, may).await.unwrap_err();
    assert!(again.why.contains("being deleted already"), "{again}");
}

#[tokio::test]
async fn rights_are_checked_before_anything_is_done() {
    let demo = demo().await;
    let admin = client(&demo, "demo");
    let plan = plan(&admin, &pods(&admin).await).await.unwrap();
    let error = check_rights(&client(&demo, "demo-viewer"), &plan).await.unwrap_err();
    assert!(matches!(error.kind, ApiErrorKind::Forbidden(_)));
    assert!(error.why.contains("patch deployments.apps in default"), "{error}");
}
