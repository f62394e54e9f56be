//! The cluster's DNS asked live: through the demo's API server and a port-forward to its CoreDNS pods, whose answers
//! are written down and not computed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/demo.rs"]
mod common;
#[path = "demo/client.rs"]
mod raw;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{client, demo};

use futures_util::StreamExt;
use kdisco::cluster::ApiErrorKind;
use kdisco::cluster::client::Client;
use kdisco::cluster::session::list_once;
use kdisco::demo::{Failure, Scope};
use kdisco::dns::resolver::Limits;
use kdisco::model::dns::changes::{Change, Changes};
use kdisco::model::dns::{
    Cluster, Comparison, DnsHealth, Libc, LiveFailure, Question, RecordType, Software, Verdict,
};
use kdisco::model::{ClusterSnapshot, Kind, NamespaceScope};
use kdisco::runtime::live::{LiveDns, Which, health, place, surroundings};

/// Everything in the cluster that decides what its DNS says.
async fn world(client: &Client) -> ClusterSnapshot {
    let kinds = [Kind::Namespace, Kind::Service, Kind::EndpointSlice, Kind::Pod];
    let all = list_once(client, &NamespaceScope::All, &kinds).await.unwrap();
    let settings = surroundings(client, &[]).await.unwrap();
    ClusterSnapshot { config_maps: settings.config_maps, ..all }
}

async fn open(client: &Client, which: Which, limits: Limits) -> (LiveDns, Cluster) {
    let cluster = Cluster::new(&world(client).await);
    let health = DnsHealth::of(&surroundings(client, &[]).await.unwrap(), &cluster);
    (LiveDns::open(client, &health, &which, limits).await.unwrap(), cluster)
}

#[tokio::test]
async fn a_name_is_found_as_a_pod_would_find_it() {
    let demo = demo().await;
    let client = client(&demo, "demo");
    let (dns, cluster) = open(&client, Which::Best, Limits::default()).await;
    let snapshot = world(&client).await;
    let pod = snapshot.pods_in("shop").first().unwrap();
    let (from, note) = place(&cluster, pod);
    assert_eq!(note, None);
    let found = dns.lookup(&Question::addresses("my-app.default"), Some(&from), Libc::Glibc).await;
    let found = &found[0];
    assert_eq!(found.outcome.addresses[0].to_string(), "10.96.14.2");
    let names: Vec<&str> = found.steps.iter().step_by(2).map(|s| &*s.name).collect();
    assert_eq!(names, ["my-app.default.shop.svc.cluster.local.", "my-app.default.svc.cluster.local."]);
    let server = found.steps[0].server.as_deref().unwrap();
    assert!(server.starts_with("coredns-") && server.ends_with(":53 by port-forward"), "{server}");
    assert!(found.steps.iter().all(|s| s.took.is_some()));
}

#[tokio::test]
async fn what_is_predicted_for_every_record_is_what_the_server_says() {
    let demo = demo().await;
    let client = client(&demo, "demo");
    let (dns, cluster) = open(&client, Which::All, Limits::default()).await;
    let snapshot = world(&client).await;
    let services = snapshot.services.iter().map(|f| &**f);
    let pods = snapshot.pods.values().flat_map(|pods| pods.iter()).map(|p| &**p);
    let questions = cluster.check_questions(services, pods);
    assert!(questions.len() > 60, "{}", questions.len());
    let count = questions.len();
    let steps: Vec<_> = dns.ask_all(questions).collect().await;
    let all: Vec<Comparison> = steps.into_iter().flatten().map(|s| cluster.compare(s)).collect();
    assert_eq!(all.len(), 2 * count, "both servers are asked");
    let odd: Vec<_> = all.iter().filter(|c| c.verdict == Verdict::Different).collect();
    assert!(odd.is_empty(), "{odd:#?}");
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle_is_replaced_by_another() {
    let demo = demo().await;
    let client = client(&demo, "demo");
    let (dns, _) = open(&client, Which::Best, Limits::default()).await;
    let first = dns.ask("my-app.default.svc.cluster.local", RecordType::A).await;
    let server = first[0].server.clone().unwrap();
    let pod = server.split(':').next().unwrap();
    let path = format!("/api/v1/namespaces/kube-system/pods/{pod}?gracePeriodSeconds=0");
    raw::request(&demo, "DELETE", &path, &[], "").await;
    demo.step(Duration::from_secs(1));
    let second = dns.ask("my-app.default.svc.cluster.local", RecordType::A).await;
    assert_eq!(second[0].reply.as_ref().unwrap().answers[0].data, "10.96.14.2", "{second:?}");
    assert_ne!(second[0].server.as_ref(), Some(&server));
}

#[tokio::test]
async fn a_batch_goes_on_when_a_server_dies_in_the_middle() {
    let demo = demo().await;
    let client = client(&demo, "demo");
    let (dns, _) = open(&client, Which::Best, Limits { window: 8, ..Limits::default() }).await;
    let name = "my-app.default.svc.cluster.local.".to_owned();
    let questions = vec![(name, RecordType::A); 900];
    let mut steps = std::pin::pin!(dns.ask_all(questions));
    let mut servers: BTreeMap<String, usize> = BTreeMap::new();
    let mut count = 0;
    while let Some(answers) = steps.next().await {
        assert_eq!(answers[0].reply.as_ref().unwrap().answers[0].data, "10.96.14.2", "{answers:?}");
        let server = answers[0].server.clone().unwrap();
        *servers.entry(server.to_string()).or_default() += 1;
        count += 1;
        if count == 700 {
            assert_eq!(servers.len(), 2, "both servers share the work: {servers:?}");
            let pod = server.split(':').next().unwrap();
            let path = format!("/api/v1/namespaces/kube-system/pods/{pod}?gracePeriodSeconds=0");
            raw::request(&demo, "DELETE", &path, &[], "").await;
            demo.step(Duration::from_secs(1));
        }
    }
    assert_eq!(count, 900, "every question has its answer");
    let (fewest, most) = (servers.values().min().unwrap(), servers.values().max().unwrap());
    assert!(most > fewest, "the other one took over: {servers:?}");
}

#[tokio::test]
async fn what_a_change_of_the_objects_changes_is_asked_and_told() {
    let demo = demo().await;
    let client = client(&demo, "demo");
    let (dns, _) = open(&client, Which::Best, Limits::default()).await;
    let mut changes = Changes::new(Duration::ZERO, false);
    let questions = |cluster: &Cluster, snapshot: &ClusterSnapshot| {
        let services = snapshot.services.iter().map(|f| &**f);
        let pods = snapshot.pods.values().flat_map(|pods| pods.iter()).map(|p| &**p);
        cluster.check_questions(services, pods)
    };
    let ask = async |due: Vec<(String, RecordType)>, cluster: &Cluster| -> Vec<Comparison> {
        let steps: Vec<_> = dns.ask_all(due).collect().await;
        steps.into_iter().flatten().map(|s| cluster.compare(s)).collect()
    };
    let before = world(&client).await;
    let cluster = Cluster::new(&before);
    let due = changes.expect(&cluster, questions(&cluster, &before));
    let count = due.len();
    let news = changes.heard(ask(due, &cluster).await, Duration::ZERO);
    assert!(news.iter().all(|n| n.change == Change::Found && n.now.verdict != Verdict::Equal), "{news:#?}");

    let pod = before.services_of_pod["shop"].keys().next().unwrap();
    let path = format!("/api/v1/namespaces/shop/pods/{pod}?gracePeriodSeconds=0");
    raw::request(&demo, "DELETE", &path, &[], "").await;
    demo.step(Duration::from_secs(1));
    let after = world(&client).await;
    let cluster = Cluster::new(&after);
    let due = changes.expect(&cluster, questions(&cluster, &after));
    assert!(!due.is_empty() && due.len() < count / 2, "only what it changes is asked: {due:?}");
    let news = changes.heard(ask(due, &cluster).await, Duration::from_secs(1));
    let own = |n: &&kdisco::model::dns::changes::News| n.now.live.name.contains(".shop.");
    assert!(news.iter().any(|n| n.change == Change::Gone && own(&n)), "its own name is gone: {news:#?}");
    assert!(news.iter().all(|n| n.now.verdict != Verdict::Different), "{news:#?}");
    assert!(changes.expect(&cluster, questions(&cluster, &after)).is_empty(), "and then nothing is new");
}

#[tokio::test]
async fn a_missing_right_is_named_and_others_are_not_guessed() {
    let demo = demo().await;
    let admin = client(&demo, "demo");
    let cluster = Cluster::new(&world(&admin).await);
    let health = DnsHealth::of(&surroundings(&admin, &[]).await.unwrap(), &cluster);
    demo.faults().always(Scope::of("create", "pods/portforward"), Failure::Forbidden);
    let live = LiveDns::open(&admin, &health, &Which::Best, Limits::default()).await;
    assert!(live.is_ok(), "get is enough for a WebSocket: {live:?}");
    demo.faults().always(Scope::of("get", "pods/portforward"), Failure::Forbidden);
    let error = LiveDns::open(&admin, &health, &Which::Best, Limits::default()).await.unwrap_err();
    assert!(matches!(error.kind, ApiErrorKind::Forbidden(_)));
    assert!(error.why.contains("create pods/portforward in kube-system"), "{error}");
    let viewer = client(&demo, "demo-viewer");
    let seen = surroundings(&viewer, &[]).await.unwrap();
    let health = DnsHealth::of(&seen, &Cluster::new(&seen));
    assert!(health.unknown.is_some() && health.servers.is_empty());
    let error = LiveDns::open(&viewer, &health, &Which::Best, Limits::default()).await.unwrap_err();
    assert!(matches!(error.kind, ApiErrorKind::Forbidden(_)), "{error}");
}

#[tokio::test]
async fn slow_and_broken_servers_are_told_apart() {
    let demo = demo().await;
    let client = client(&demo, "demo");
    let limits = Limits { question: Duration::from_millis(200), ..Limits::default() };
    let (dns, _) = open(&client, Which::Best, limits).await;
    let ask = async || dns.ask("my-app.default.svc.cluster.local", RecordType::A).await[0].clone();
    let query = || Scope::of("ask", "dns");
    demo.faults().times(1, query(), Failure::Silent);
    assert!(matches!(ask().await.reply, Err(LiveFailure::Timeout(_))));
    assert!(ask().await.reply.is_ok(), "the next question is none the worse");
    demo.faults().times(1, query(), Failure::Garbage);
    assert!(matches!(ask().await.reply, Err(LiveFailure::Nonsense(_))));
    demo.faults().times(1, query(), Failure::BreakAfterBytes(9));
    assert!(ask().await.reply.is_ok(), "a connection that breaks is opened again");
    demo.faults().always(query(), Failure::BreakAfterBytes(9));
    assert!(matches!(ask().await.reply, Err(LiveFailure::Lost(_))));
}

#[tokio::test]
async fn the_servers_state_is_read_with_what_they_count() {
    let demo = demo().await;
    let client = client(&demo, "demo");
    let snapshot = surroundings(&client, &[]).await.unwrap();
    let state = health(&client, &snapshot, &Cluster::new(&snapshot)).await;
    assert_eq!((state.servers.len(), state.ready()), (2, 2));
    let server = &state.servers[0];
    assert_eq!((&server.software, server.version.as_deref()), (&Software::CoreDns, Some("v1.12.1")));
    let metrics = state.metrics[&server.pod.name].as_ref().unwrap();
    assert_eq!(metrics.version.as_deref(), Some("1.12.1"));
    assert!(metrics.requests > 0.0 && metrics.share("SERVFAIL").unwrap() < 0.01);
    assert!(metrics.cache_share().is_some() && metrics.within_seconds(0.99).is_some());
    demo.faults().always(Scope::of("get", "pods/proxy"), Failure::Forbidden);
    let state = health(&client, &snapshot, &Cluster::new(&snapshot)).await;
    assert!(state.metrics[&state.servers[0].pod.name].as_ref().unwrap_err().contains("pods/proxy"));
}
