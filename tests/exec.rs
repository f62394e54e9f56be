//! Commands in containers, by exec against the demo's API server and against one that does as it is told.

#[path = "common/demo.rs"]
mod common;

use common::{client, demo};
use std::time::Duration;

use kdisco::cluster::ApiErrorKind;
use kdisco::cluster::client::Client;
use kdisco::cluster::exec::environ::environment;
use kdisco::cluster::exec::{ExecErrorKind, Limits, Output, Place, run};
use kdisco::demo::{Failure, Scope};
use kdisco::model::ObjectKey;
use kdisco::model::env::verify::Form;

const POD: &str = "my-app-7c5ddbdf54-x2k9p";

fn pod(name: &str) -> ObjectKey {
    ObjectKey::new("default", name)
}

#[tokio::test]
async fn a_command_prints_and_ends() {
    let demo = demo().await;
    let (client, pod) = (client(&demo, "demo"), pod(POD));
    let place = Place { pod: &pod, container: "" };
    let echo = run(&client, place, &["echo", "a&b", "c d"], &Limits::default()).await.unwrap();
    assert_eq!(echo, Output { stdout: b"a&b c d\n".to_vec(), stderr: vec![], code: Some(0) });
    let cat = run(&client, place, &["cat", "/nope"], &Limits::default()).await.unwrap();
    assert_eq!(cat.code, Some(1));
    assert!(String::from_utf8(cat.stderr).unwrap().contains("No such file"));
    // Of a command that prints too much there is the beginning.
    let little = Limits { stdout: 3, stderr: 2, ..Limits::default() };
    let cut = run(&client, place, &["echo", "abcdef"], &little).await.unwrap();
    assert_eq!(cut, Output { stdout: b"abc".to_vec(), stderr: vec![], code: None });
    let cut = run(&client, place, &["cat", "/nope"], &little).await.unwrap();
    assert_eq!((cut.stderr.len(), cut.code), (2, Some(1)));
}

#[tokio::test]
async fn what_cannot_be_run_says_why() {
    let demo = demo().await;
    let admin = client(&demo, "demo");
    let ask = async |client: &Client, name: &str, container: &str, command: &[&str]| {
        let pod = pod(name);
        run(client, Place { pod: &pod, container }, command, &Limits::default()).await.unwrap_err()
    };
    let error = ask(&admin, POD, "", &["frobnicate"]).await;
    assert_eq!(
        (error.kind, &*error.error.why),
        (ExecErrorKind::NoProgram, "its image has no program frobnicate")
    );
    let error = ask(&admin, "nope", "", &["env"]).await;
    assert_eq!((error.kind, &*error.error.why), (ExecErrorKind::Gone, "there is no pod nope"));
    let error = ask(&admin, POD, "nope", &["env"]).await;
    assert_eq!((error.kind, &*error.error.why), (ExecErrorKind::Gone, "the pod has no container nope"));
    let error = ask(&client(&demo, "demo-viewer"), POD, "", &["env"]).await;
    assert!(matches!(error.error.kind, ApiErrorKind::Forbidden(_)), "{error:?}");
    assert!(
        error.error.why.contains("get pods/exec in default, and create pods/exec in default"),
        "every right is named: {error}"
    );
    assert!(error.error.what.contains(POD), "{error}");
}

#[tokio::test]
async fn a_silent_server_is_given_up_and_a_broken_one_told() {
    let demo = demo().await;
    let (client, pod) = (client(&demo, "demo"), pod(POD));
    let place = Place { pod: &pod, container: "" };
    demo.faults().times(1, Scope { resource: Some("pods/exec".into()), ..Scope::default() }, Failure::Silent);
    let hasty = Limits { deadline: Duration::from_millis(1), ..Limits::default() };
    let error = run(&client, place, &["env"], &hasty).await.unwrap_err();
    assert_eq!(error.error.kind, ApiErrorKind::Timeout);
    demo.faults().clear();
    demo.faults()
        .always(Scope { resource: Some("pods/exec".into()), ..Scope::default() }, Failure::Unavailable);
    let error = run(&client, place, &["env"], &Limits::default()).await.unwrap_err();
    assert_eq!(error.error.kind, ApiErrorKind::Server(503));
    demo.faults().clear();
    // A credential that is not accepted is no missing right.
    demo.faults()
        .always(Scope { resource: Some("pods/exec".into()), ..Scope::default() }, Failure::Unauthorized);
    let error = run(&client, place, &["env"], &Limits::default()).await.unwrap_err();
    assert_eq!(error.error.kind, ApiErrorKind::Unauthorized);
}

#[tokio::test]
async fn a_server_without_websockets_is_told_so() {
    let demo = demo().await;
    let (client, pod) = (client(&demo, "demo"), pod(POD));
    demo.faults().always(Scope { resource: Some("pods/exec".into()), ..Scope::default() }, Failure::Garbage);
    let place = Place { pod: &pod, container: "" };
    let error = run(&client, place, &["env"], &Limits::default()).await.unwrap_err();
    assert_eq!(error.error.kind, ApiErrorKind::Protocol);
    assert!(error.error.why.contains("no WebSocket"), "{error}");
}

#[tokio::test]
async fn the_environment_comes_with_what_the_image_has() {
    let demo = demo().await;
    let (client, pod) = (client(&demo, "demo"), pod(POD));
    let place = Place { pod: &pod, container: "" };
    let printed = environment(&client, place, &Limits::default()).await.unwrap();
    assert_eq!((printed.form, printed.by), (Form::Nul, "exec env"));
    let text = String::from_utf8(printed.text.clone()).unwrap();
    assert!(text.contains(&format!("HOSTNAME={POD}\0")), "{text}");
    assert!(!format!("{printed:?}").contains("HOSTNAME"));
    let little = Limits { stdout: 10, ..Limits::default() };
    let error = environment(&client, place, &little).await.unwrap_err();
    assert!(error.error.why.contains("printed more than"), "{error}");
}
