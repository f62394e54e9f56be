//! Access reviews against the demo's API server, as its users see them.

#[path = "common/demo.rs"]
mod common;

use common::{client, demo};
use kdisco::cluster::ApiErrorKind;
use kdisco::cluster::access::{Question, may, may_all, missing, require};
use kdisco::demo::{Failure, Scope};

fn list(resource: &str, namespace: &str) -> Question {
    Question::new("list", resource).namespace(namespace)
}

#[tokio::test]
async fn answers_are_those_that_the_request_would_get() {
    let demo = demo().await;
    let viewer = client(&demo, "demo-viewer");
    let questions = [
        list("services", "shop"),
        list("services", ""),
        list("pods", "shop"),
        list("endpointslices", "shop").group("discovery.k8s.io"),
        list("endpointslices", "shop"),
        Question::new("create", "pods").subresource("exec").namespace("shop").name("web-0"),
    ];
    let answers: Vec<bool> =
        may_all(&viewer, &questions).await.into_iter().map(|answer| answer.unwrap().allowed).collect();
    assert_eq!(answers, [true, false, false, true, false, false]);
    let allowed = may(&viewer, &questions[0]).await.unwrap();
    assert!(allowed.reason.starts_with("RBAC: allowed by RoleBinding"), "{allowed:?}");
    assert!(may(&client(&demo, "demo"), &questions[5]).await.unwrap().allowed);
}

#[tokio::test]
async fn every_missing_right_is_named() {
    let demo = demo().await;
    let viewer = client(&demo, "demo-viewer");
    let exec = |verb: &str| Question::new(verb, "pods").subresource("exec").namespace("shop");
    let error = require(&viewer, "cannot exec", &[exec("create"), list("services", "shop"), exec("get")])
        .await
        .unwrap_err();
    assert!(matches!(error.kind, ApiErrorKind::Forbidden(_)));
    assert!(error.why.contains("create pods/exec in shop, and get pods/exec in shop"), "{error}");
    assert_eq!(require(&viewer, "", &[list("services", "shop")]).await, Ok(()));
}

#[tokio::test]
async fn a_server_that_answers_no_questions_forbids_nothing_and_one_that_is_down_is_an_error() {
    let demo = demo().await;
    let admin = client(&demo, "demo");
    demo.faults().always(Scope::of("create", "selfsubjectaccessreviews"), Failure::Forbidden);
    assert_eq!(missing(&admin, &[list("pods", "shop")]).await, Ok(vec![]));
    demo.faults().clear();
    demo.faults().always(Scope::of("create", "selfsubjectaccessreviews"), Failure::InternalError);
    let error = missing(&admin, &[list("pods", "shop")]).await.unwrap_err();
    assert_eq!(error.kind, ApiErrorKind::Server(500));
}
