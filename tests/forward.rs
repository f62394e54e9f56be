//! Forwards as they are used: a listener that stays while pods come and go, and a status that is true.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use kdisco::cluster::client::{Client, Terminal};
use kdisco::cluster::kubeconfig::{Environment, Kubeconfig, Overrides};
use kdisco::demo::{Clock, Demo, Failure, Forwarding, Options, Scope, start};
use kdisco::model::session::{ForwardId, ForwardSpec, ForwardState, ForwardStatus};
use kdisco::model::target::{PortWish, Target, TargetKind};
use kdisco::model::time::Timestamp;
use kdisco::runtime::forwards::Forwards;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[path = "demo/client.rs"]
mod client;

async fn demo() -> Demo {
    let options = Options { clock: Clock::Stepped, forwarding: Forwarding::Measured, ..Options::default() };
    start(options).await.unwrap()
}

fn connect(demo: &Demo, context: &str) -> Client {
    let overrides = Overrides {
        kubeconfig: Some(demo.kubeconfig().to_owned()),
        context: Some(context.to_owned()),
        ..Overrides::default()
    };
    let environment = Environment { variables: [].into(), service_account: "/nonexistent".into() };
    let target = Kubeconfig::load(&overrides, &environment).unwrap().target().unwrap();
    Client::new(target, Terminal::Ours).unwrap()
}

fn spec(target: Target, port: &str) -> ForwardSpec {
    ForwardSpec::new(target, PortWish::parse(port).unwrap())
}

/// Waits until the status of a forward is as wished.
async fn until(
    forwards: &Forwards,
    id: ForwardId,
    what: &str,
    is: impl Fn(&ForwardStatus) -> bool,
) -> ForwardStatus {
    let mut statuses = forwards.statuses();
    let found = statuses.wait_for(|list| list.iter().any(|status| status.id == id && is(status)));
    let limit =
        tokio::time::timeout(Duration::from_secs(30), found).await.map(|found| found.unwrap().clone());
    let Ok(list) = limit else { panic!("{what}: {:#?}", forwards.statuses().borrow()) };
    list.iter().find(|status| status.id == id).unwrap().clone()
}

async fn listening(forwards: &Forwards, id: ForwardId) -> SocketAddr {
    let status = until(forwards, id, "it listens", |s| !s.local.is_empty() && s.ready > 0).await;
    status.address().unwrap()
}

/// The page of the pod that answers.
async fn page(local: SocketAddr) -> String {
    let mut stream = TcpStream::connect(local).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut text = String::new();
    while !text.ends_with('\n') || !text.contains("pod ") {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(count @ 1..) => text.push_str(std::str::from_utf8(&buffer[..count]).unwrap()),
            _ => break,
        }
    }
    text
}

#[tokio::test]
async fn new_connections_go_to_ready_pods_in_turn_and_to_new_ones_when_pods_go() {
    let demo = demo().await;
    let forwards = Forwards::new(Timestamp::now);
    let id = forwards.start(&connect(&demo, "demo"), spec(Target::service("default", "my-app"), ":http"));
    let local = listening(&forwards, id).await;
    let mut pods = std::collections::BTreeSet::new();
    for _ in 0..6 {
        pods.insert(page(local).await.lines().last().unwrap().to_owned());
    }
    assert!(pods.len() > 1 && pods.iter().all(|pod| pod.starts_with("my-app pod ")), "{pods:?}");
    let connected = |s: &ForwardStatus| s.state == ForwardState::Connected && s.total == 6;
    let status = until(&forwards, id, "it is connected", connected).await;
    assert_eq!((status.total, status.failed, status.target_port), (6, 0, Some(80)));
    assert!(status.bytes_in > 0 && status.bytes_out > 0);
    // All pods go at once; who connects meanwhile waits for the new ones.
    let list = client::names(
        &client::get(&demo, "/api/v1/namespaces/default/pods?labelSelector=app%3Dmy-app").await,
    );
    for pod in &list {
        let path = format!("/api/v1/namespaces/default/pods/{pod}?gracePeriodSeconds=0");
        client::request(&demo, "DELETE", &path, &[], "").await;
    }
    until(&forwards, id, "it waits", |s| matches!(s.state, ForwardState::Waiting { .. })).await;
    let waiting = tokio::spawn(page(local));
    until(&forwards, id, "the connection is taken", |s| s.open > 0 && s.total == 7).await;
    demo.step(Duration::from_secs(60));
    let answer = waiting.await.unwrap();
    assert!(answer.contains("my-app pod ") && !list.iter().any(|pod| answer.contains(pod)), "{answer}");
    until(&forwards, id, "it is connected again", |s| s.state == ForwardState::Connected).await;
    // Stopped, it is gone: no status, no listener.
    forwards.stop(id);
    assert!(forwards.statuses().borrow().is_empty());
    while TcpStream::connect(local).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn every_form_of_target_and_what_can_never_work() {
    let demo = demo().await;
    let (forwards, cluster) = (Forwards::new(Timestamp::now), connect(&demo, "demo"));
    let deployment = Target { kind: TargetKind::Deployment, ..Target::service("default", "my-app") };
    let pod = Target::pod("default", "my-app-7c5ddbdf54-x2k9p");
    for (target, port) in [(deployment, ":http"), (pod, ":80")] {
        let id = forwards.start(&cluster, spec(target, port));
        let local = listening(&forwards, id).await;
        assert!(page(local).await.contains("my-app pod "));
    }
    let wrong = forwards.start(&cluster, spec(Target::service("default", "my-app"), "81"));
    let closed = until(&forwards, wrong, "it ends", |s| matches!(s.state, ForwardState::Closed { .. })).await;
    assert_eq!(closed.state.why(), Some("Service my-app does not have a service port 81"));
}

#[tokio::test]
async fn a_refused_port_is_told_and_ends_nothing() {
    let demo = demo().await;
    let forwards = Forwards::new(Timestamp::now);
    let pod = Target::pod("default", "my-app-7c5ddbdf54-x2k9p");
    let id = forwards.start(&connect(&demo, "demo"), spec(pod, ":9999"));
    let local = listening(&forwards, id).await;
    for _ in 0..3 {
        let mut stream = TcpStream::connect(local).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    let told = until(&forwards, id, "it is told", |s| s.failed == 3 && s.open == 0).await;
    let why = told.last_error.unwrap().text;
    assert!(why.starts_with("nothing listens on port 9999 of pod my-app-"), "{why}");
    assert!(matches!(told.state, ForwardState::Degraded { .. }));
}

#[tokio::test]
async fn missing_rights_are_named() {
    let demo = demo().await;
    demo.faults().always(Scope::of("create", "pods/portforward"), Failure::Forbidden);
    demo.faults().always(Scope::of("get", "pods/portforward"), Failure::Forbidden);
    let forwards = Forwards::new(Timestamp::now);
    let id = forwards.start(&connect(&demo, "demo"), spec(Target::service("default", "my-app"), ":80"));
    let closed = until(&forwards, id, "it ends", |s| matches!(s.state, ForwardState::Closed { .. })).await;
    let why = closed.state.why().unwrap();
    assert!(why.contains("create pods/portforward in default, and get pods/portforward in default"), "{why}");
}

#[tokio::test]
async fn where_only_create_is_allowed_a_post_does() {
    let demo = demo().await;
    demo.faults().always(Scope::of("get", "pods/portforward"), Failure::Forbidden);
    let forwards = Forwards::new(Timestamp::now);
    let id = forwards.start(&connect(&demo, "demo"), spec(Target::service("default", "my-app"), ":80"));
    let local = listening(&forwards, id).await;
    assert!(page(local).await.contains("my-app pod "));
}

#[tokio::test]
async fn other_processes_find_the_forwards_that_run_here() {
    let (demo, directory) = (demo().await, tempfile::tempdir().unwrap());
    let forwards = Forwards::new(Timestamp::now);
    forwards.register_in(directory.path()).unwrap();
    let id = forwards.start(&connect(&demo, "demo"), spec(Target::service("default", "my-app"), ":http"));
    let local = listening(&forwards, id).await;
    let told = || kdisco::session::registry::running(directory.path());
    until(&forwards, id, "its port is known", |s| s.target_port.is_some()).await;
    while told().is_empty() {
        tokio::task::yield_now().await;
    }
    let entries = told();
    assert_eq!((&*entries[0].name, entries[0].port, entries[0].local), ("my-app", 80, local));
    forwards.stop(id);
    while !told().is_empty() {
        tokio::task::yield_now().await;
    }
}
