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
        assert_eq!(stream.read_to_end(&mut Vec::new()).await.unwrap(), 0, "an end, not a reset");
    }
    let told = until(&forwards, id, "it is told", |s| s.failed == 3 && s.open == 0).await;
    let why = told.last_error.unwrap().text;
    assert!(why.starts_with("nothing listens on port 9999 of pod my-app-"), "{why}");
    assert!(matches!(told.state, ForwardState::Degraded { .. }));
}

/// A pod that goes with a connection that is open: the client sees an end, and why is told.
#[tokio::test]
async fn a_pod_that_goes_in_the_middle_is_told() {
    let demo = demo().await;
    let forwards = Forwards::new(Timestamp::now);
    let id = forwards.start(&connect(&demo, "demo"), spec(Target::service("default", "my-app"), ":80"));
    let local = listening(&forwards, id).await;
    let mut held = TcpStream::connect(local).await.unwrap();
    held.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    held.read_exact(&mut [0; 20]).await.unwrap();
    // It waits for the answer to another one, that it has begun.
    held.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let status = until(&forwards, id, "it is connected", |s| s.pod.is_some() && s.ready > 1).await;
    let (pod, ready) = (status.pod.unwrap(), status.ready);
    let path = format!("/api/v1/namespaces/default/pods/{pod}?gracePeriodSeconds=0");
    client::request(&demo, "DELETE", &path, &[], "").await;
    until(&forwards, id, "it has left", |s| s.ready < ready).await;
    let mut rest = Vec::new();
    held.read_to_end(&mut rest).await.unwrap();
    let told = until(&forwards, id, "it is told", |s| s.cut + s.failed == 1).await;
    let why = told.last_error.unwrap().text;
    assert!(why.contains(&*pod), "{why}");
    assert!(page(local).await.contains("my-app pod "), "the next one goes elsewhere");
}

/// What comes without end is cut when the pod goes, however short it was.
#[tokio::test]
async fn a_download_that_is_cut_is_told() {
    let demo = demo().await;
    let forwards = Forwards::new(Timestamp::now);
    let pod = "my-app-7c5ddbdf54-x2k9p";
    let id = forwards.start(&connect(&demo, "demo"), spec(Target::pod("default", pod), ":19"));
    let local = listening(&forwards, id).await;
    let mut held = TcpStream::connect(local).await.unwrap();
    held.write_all(b"x").await.unwrap();
    held.read_exact(&mut vec![0; 200_000]).await.unwrap();
    until(&forwards, id, "it is connected", |s| s.pod.is_some() && s.ready == 1).await;
    let path = format!("/api/v1/namespaces/default/pods/{pod}?gracePeriodSeconds=0");
    client::request(&demo, "DELETE", &path, &[], "").await;
    // The client may see an end or a reset.
    let _ = held.read_to_end(&mut Vec::new()).await;
    let told = until(&forwards, id, "it is told", |s| s.cut + s.failed == 1).await;
    assert!(told.last_error.unwrap().text.contains(pod));
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
    assert_eq!(why, "you have no right to create pods/portforward in default");
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
async fn where_only_get_is_allowed_a_websocket_does() {
    let demo = demo().await;
    demo.faults().always(Scope::of("create", "pods/portforward"), Failure::Forbidden);
    let forwards = Forwards::new(Timestamp::now);
    let id = forwards.start(&connect(&demo, "demo"), spec(Target::service("default", "my-app"), ":80"));
    let local = listening(&forwards, id).await;
    assert!(page(local).await.contains("my-app pod "));
}

#[tokio::test]
async fn an_older_server_without_the_tunnel_serves_all_the_same() {
    let options = Options { clock: Clock::Stepped, forwarding: Forwarding::Old, ..Options::default() };
    let demo = start(options).await.unwrap();
    let forwards = Forwards::new(Timestamp::now);
    let id = forwards.start(&connect(&demo, "demo"), spec(Target::service("default", "my-app"), ":80"));
    let local = listening(&forwards, id).await;
    let pages = futures_util::future::join_all((0..20).map(|_| page(local))).await;
    assert!(pages.iter().all(|page| page.contains("my-app pod ")), "{pages:?}");
    let all = |s: &ForwardStatus| s.state == ForwardState::Connected && s.total == 20;
    assert_eq!(until(&forwards, id, "it is connected", all).await.failed, 0);
}

/// What the server is asked for while a forward starts.
#[tokio::test]
async fn nothing_but_what_it_leads_to_is_watched() {
    let demo = demo().await;
    for resource in ["namespaces", "pods", "secrets", "configmaps"] {
        for verb in ["list", "watch", "get"] {
            demo.faults().always(Scope::of(verb, resource), Failure::Forbidden);
        }
    }
    let (forwards, cluster) = (Forwards::new(Timestamp::now), connect(&demo, "demo"));
    let id = forwards.start(&cluster, spec(Target::service("default", "my-app"), ":80"));
    let local = listening(&forwards, id).await;
    assert!(page(local).await.contains("my-app pod "));
}

/// As kubectl chooses: the pods of the Service's selector, and the next one when that is gone.
#[tokio::test]
async fn kubectls_choice_stays_with_one_pod_until_it_is_gone() {
    let demo = demo().await;
    let (forwards, cluster) = (Forwards::new(Timestamp::now), connect(&demo, "demo"));
    let kubectl = |name: &str| ForwardSpec {
        choice: kdisco::model::session::Choice::Kubectl,
        ..spec(Target::service("default", name), ":80")
    };
    let id = forwards.start(&cluster, kubectl("my-app"));
    let local = listening(&forwards, id).await;
    let first = page(local).await;
    for _ in 0..4 {
        assert_eq!(page(local).await.lines().last(), first.lines().last());
    }
    let pod = first.lines().last().unwrap().rsplit(' ').next().unwrap().to_owned();
    let path = format!("/api/v1/namespaces/default/pods/{pod}?gracePeriodSeconds=0");
    client::request(&demo, "DELETE", &path, &[], "").await;
    until(&forwards, id, "another pod", |s| s.ready > 0 && s.state != ForwardState::Opening).await;
    let other = page(local).await;
    assert!(other.contains("my-app pod ") && !other.contains(&pod), "{other}");
    let gone = forwards.start(&cluster, kubectl("nothing"));
    let why = until(&forwards, gone, "it waits", |s| matches!(s.state, ForwardState::Waiting { .. })).await;
    assert!(why.state.why().unwrap().starts_with("there is no Service nothing"), "{why:?}");
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
