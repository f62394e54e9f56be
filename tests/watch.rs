//! Watches against a server that does what the test says: recovery, honesty about what is known, and no storms.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a helper must fail the test")]

#[path = "watch/hostile.rs"]
mod hostile;
#[path = "common/scripted.rs"]
mod scripted;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kdisco::cluster::client::{Client, Terminal};
use kdisco::cluster::kubeconfig::{Environment, Kubeconfig, Overrides};
use kdisco::cluster::session::{Connection, Start, list_once};
use kdisco::cluster::watch::Timing;
use kdisco::cluster::{ApiErrorKind, Denied, store::Object};
use kdisco::model::time::Timestamp;
use kdisco::model::{ClusterSnapshot, Kind, Load, NamespaceScope, ObjectKey};
use scripted::{PATIENCE, Server, event, list, service, status};

const SERVICES: &str = "/api/v1/services";
const SLICES: &str = "/apis/discovery.k8s.io/v1/endpointslices";
const NAMESPACES: &str = "/api/v1/namespaces";

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

/// Retries come at once; whatever waits for time to pass would hang the test.
fn prompt() -> Timing {
    Timing {
        backoff: Duration::from_millis(1),
        backoff_max: Duration::from_millis(4),
        forbidden: Duration::from_hours(1),
        settled: Duration::ZERO,
        publish: Duration::from_millis(1),
        ..Timing::default()
    }
}

/// Nothing is retried unless somebody asks for it.
fn never() -> Timing {
    Timing { backoff: Duration::from_hours(1), backoff_max: Duration::from_hours(1), ..prompt() }
}

fn client(server: &Server) -> Client {
    let overrides = Overrides { server: Some(server.url.clone()), ..Overrides::default() };
    let environment = Environment { variables: [].into(), service_account: "/nonexistent".into() };
    let target = Kubeconfig::load(&overrides, &environment).unwrap().target().unwrap();
    Client::new(target, Terminal::Ours).unwrap()
}

fn connect(server: &Server, scope: NamespaceScope, timing: Timing) -> Connection {
    connect_knowing(server, scope, timing, &[])
}

/// With namespaces that the configuration names.
fn connect_knowing(server: &Server, scope: NamespaceScope, timing: Timing, known: &[&str]) -> Connection {
    let known = known.iter().map(|n| (*n).into()).collect();
    Connection::start(client(server), Start { epoch: 7, scope, known, clock: now, timing })
}

/// Waits for a snapshot.
async fn until(
    connection: &Connection,
    what: impl FnMut(&Arc<ClusterSnapshot>) -> bool,
) -> Arc<ClusterSnapshot> {
    let mut snapshots = connection.snapshots();
    if let Ok(snapshot) = tokio::time::timeout(PATIENCE, snapshots.wait_for(what)).await {
        return snapshot.unwrap().clone();
    }
    panic!("it did not come to that; last: {:?}", connection.snapshots().borrow());
}

fn names(snapshot: &ClusterSnapshot) -> Vec<String> {
    snapshot.services.iter().map(|s| s.key().to_string()).collect()
}

fn load(snapshot: &ClusterSnapshot, kind: Kind, namespace: Option<&str>) -> Option<Load> {
    let entry = snapshot.loads.iter().find(|e| e.kind == kind && e.namespace.as_deref() == namespace);
    entry.map(|e| e.load.clone())
}

fn services(snapshot: &ClusterSnapshot) -> Option<Load> {
    load(snapshot, Kind::Service, None)
}

fn is_live(snapshot: &ClusterSnapshot) -> bool {
    services(snapshot) == Some(Load::Live)
}

/// A server where only Services matter, and a connection with `a` and `b` on it, live.
async fn settled(timing: Timing) -> (Server, Connection, scripted::Stream) {
    let server = Server::start().await;
    server.quiet(SLICES);
    server.quiet(NAMESPACES);
    let connection = connect(&server, NamespaceScope::All, timing);
    let items = [service("x", "a", "3"), service("x", "b", "4")];
    server.list(SERVICES).await.json(200, &list("ServiceList", "10", &items));
    let watch = server.watch(SERVICES).await;
    assert_eq!(watch.parameter("resourceVersion"), Some("10"));
    assert_eq!(watch.parameter("allowWatchBookmarks"), Some("true"));
    let stream = watch.stream("application/json");
    until(&connection, |s| is_live(s) && names(s) == ["x/a", "x/b"]).await;
    (server, connection, stream)
}

#[tokio::test]
async fn events_change_the_picture() {
    let (_server, connection, stream) = settled(never()).await;
    stream.send(event("ADDED", &service("x", "c", "11"))).await;
    stream.send(event("DELETED", &service("x", "a", "12"))).await;
    let snapshot = until(&connection, |s| names(s) == ["x/b", "x/c"]).await;
    assert_eq!(snapshot.epoch, 7);
}

#[tokio::test]
async fn the_first_list_comes_from_the_cache_and_whole() {
    let server = Server::start().await;
    let _connection = connect(&server, NamespaceScope::All, never());
    let asked = server.list(SERVICES).await;
    assert_eq!(asked.parameter("resourceVersion"), Some("0"));
    assert_eq!(asked.parameter("limit"), None);
    assert_eq!(asked.headers["accept"], "application/vnd.kubernetes.protobuf,application/json");
}

#[tokio::test]
async fn a_watch_that_ends_as_agreed_goes_on_from_the_bookmark_without_a_word() {
    // With pauses of an hour, a watch taken for a failure would not come again.
    let timing = Timing { settled: Duration::ZERO, ..never() };
    let (server, connection, stream) = settled(timing).await;
    let mark = serde_json::json!({"kind": "Service", "metadata": {"resourceVersion": "20"}});
    stream.send(event("BOOKMARK", &mark)).await;
    stream.end();
    let again = server.watch(SERVICES).await;
    assert_eq!(again.parameter("resourceVersion"), Some("20"));
    assert!(is_live(&connection.snapshots().borrow()));
}

#[tokio::test]
async fn a_cut_watch_is_stale_until_it_stands_again_and_nothing_is_listed_twice() {
    let (server, connection, stream) = settled(prompt()).await;
    stream.send(event("ADDED", &service("x", "c", "11"))).await;
    until(&connection, |s| names(s).len() == 3).await;
    stream.cut().await;
    let stale = until(&connection, |s| matches!(services(s), Some(Load::Stale { .. }))).await;
    assert_eq!(names(&stale), ["x/a", "x/b", "x/c"], "what was known stays on show");
    let again = server.watch(SERVICES).await;
    assert_eq!(again.parameter("resourceVersion"), Some("11"));
    let _stream = again.stream("application/json");
    until(&connection, |s| is_live(s)).await;
    assert!(!server.has(|a| a.path == SERVICES && !a.is_watch()));
}

#[tokio::test]
async fn half_an_event_at_the_end_is_a_loss_of_connection() {
    let (server, connection, stream) = settled(prompt()).await;
    stream.send(event("ADDED", &service("x", "c", "11"))[..30].to_owned()).await;
    stream.end();
    until(&connection, |s| matches!(services(s), Some(Load::Stale { .. }))).await;
    assert_eq!(server.watch(SERVICES).await.parameter("resourceVersion"), Some("10"));
}

#[tokio::test]
async fn a_version_that_is_too_old_is_listed_anew_and_never_back_in_time() {
    for by_event in [true, false] {
        let (server, connection, stream) = settled(never()).await;
        if by_event {
            stream.send(event("ERROR", &status(410, "Expired", "too old resource version"))).await;
        } else {
            stream.end();
            server.watch(SERVICES).await.refuse(410, "Expired", "too old resource version");
        }
        let relist = server.list(SERVICES).await;
        assert_eq!(relist.parameter("resourceVersion"), Some("10"));
        assert_eq!(relist.parameter("resourceVersionMatch"), Some("NotOlderThan"));
        relist.json(200, &list("ServiceList", "50", &[service("x", "b", "4"), service("x", "z", "45")]));
        assert_eq!(server.watch(SERVICES).await.parameter("resourceVersion"), Some("50"));
        let snapshot = until(&connection, |s| names(s) == ["x/b", "x/z"]).await;
        assert!(is_live(&snapshot), "a relist at once is no outage");
    }
}

#[tokio::test]
async fn a_server_that_was_restored_from_a_backup_is_listed_without_version_in_the_end() {
    let (server, connection, stream) = settled(prompt()).await;
    stream.send(event("ERROR", &status(504, "Timeout", "Too large resource version: 10, current: 5"))).await;
    loop {
        let asked = server.list(SERVICES).await;
        if asked.parameter("resourceVersion").is_none() {
            asked.json(200, &list("ServiceList", "5", &[service("x", "a", "3")]));
            break;
        }
        asked.refuse(504, "Timeout", "Too large resource version: 10, current: 5");
    }
    assert_eq!(server.watch(SERVICES).await.parameter("resourceVersion"), Some("5"));
    until(&connection, |s| names(s) == ["x/a"]).await;
}

#[tokio::test]
async fn forbidden_is_said_with_the_verb_and_tried_again_on_demand() {
    let server = Server::start().await;
    server.quiet(NAMESPACES);
    server.quiet("/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices");
    server.quiet("/api/v1/namespaces/default/services");
    let connection = connect(&server, NamespaceScope::one("shop"), prompt());
    let path = "/api/v1/namespaces/shop/services";
    let words = "services is forbidden: User \"viewer\" cannot list resource \"services\"";
    server.list(path).await.refuse(403, "Forbidden", words);
    let forbidden = Load::Forbidden { verb: "list".into(), message: words.into() };
    until(&connection, |s| load(s, Kind::Service, Some("shop")).as_ref() == Some(&forbidden)).await;
    connection.retry_now();
    server.list(path).await.json(200, &list("ServiceList", "10", &[service("shop", "a", "3")]));
    server.watch(path).await.refuse(403, "Forbidden", "no watch for you");
    let only_listed = |s: &Arc<ClusterSnapshot>| matches!(load(s, Kind::Service, Some("shop")), Some(Load::Forbidden { verb, .. }) if &*verb == "watch");
    assert_eq!(names(&*until(&connection, only_listed).await), ["shop/a"]);
    // Even what was seen is unknown once it may not be seen any more.
    connection.retry_now();
    server.list(path).await.refuse(403, "Forbidden", words);
    until(&connection, |s| {
        names(s).is_empty() && load(s, Kind::Service, Some("shop")).as_ref() == Some(&forbidden)
    })
    .await;
}

#[tokio::test]
async fn without_the_right_to_list_everywhere_the_known_namespaces_are_tried() {
    let server = Server::start().await;
    for path in
        ["/api/v1/namespaces/default/services", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"]
    {
        server.quiet(path);
    }
    server.quiet(SLICES);
    let connection = connect(&server, NamespaceScope::All, prompt());
    server
        .list(NAMESPACES)
        .await
        .json(200, &list("NamespaceList", "1", &[serde_json::json!({"metadata": {"name": "shop"}})]));
    server.list(SERVICES).await.refuse(403, "Forbidden", "not everywhere");
    let shop = server.list("/api/v1/namespaces/shop/services").await;
    shop.json(200, &list("ServiceList", "10", &[service("shop", "a", "3")]));
    let _stream = server.watch("/api/v1/namespaces/shop/services").await.stream("application/json");
    let there = |s: &Arc<ClusterSnapshot>| load(s, Kind::Service, Some("shop")) == Some(Load::Live);
    let snapshot = until(&connection, there).await;
    assert_eq!(names(&snapshot), ["shop/a"]);
    assert!(matches!(services(&snapshot), Some(Load::Forbidden { .. })), "and it is said that it is not all");
    assert_eq!(snapshot.load(Kind::Service, "shop"), Some(&Load::Live));
    // The right is given: one watch for everything, and the others end.
    connection.retry_now();
    server.list(SERVICES).await.json(200, &list("ServiceList", "11", &[service("shop", "a", "3")]));
    let _everything = server.watch(SERVICES).await.stream("application/json");
    let whole = until(&connection, |s| is_live(s) && load(s, Kind::Service, Some("shop")).is_none()).await;
    assert_eq!(names(&whole), ["shop/a"]);
}

#[tokio::test]
async fn configured_namespaces_are_looked_at_where_nothing_may_be_listed_everywhere() {
    let server = Server::start().await;
    for path in
        ["/api/v1/namespaces/default/services", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"]
    {
        server.quiet(path);
    }
    server.quiet(SLICES);
    let connection = connect_knowing(&server, NamespaceScope::All, prompt(), &["hidden"]);
    server.list(NAMESPACES).await.refuse(403, "Forbidden", "no namespaces");
    server.list(SERVICES).await.refuse(403, "Forbidden", "not everywhere");
    let hidden = server.list("/api/v1/namespaces/hidden/services").await;
    hidden.json(200, &list("ServiceList", "10", &[service("hidden", "a", "3")]));
    let snapshot = until(&connection, |s| !names(s).is_empty()).await;
    assert_eq!(names(&snapshot), ["hidden/a"]);
}

#[tokio::test]
async fn what_never_worked_has_failed_and_says_why() {
    for (code, why) in [(401, "Unauthorized (401)"), (500, "etcd is down (500)"), (404, "no such thing")] {
        let server = Server::start().await;
        let connection = connect(&server, NamespaceScope::All, never());
        server.list(SERVICES).await.refuse(code, "", why.split(" (").next().unwrap());
        let expected = Load::Failed { since: now(), why: why.into() };
        until(&connection, |s| services(s).as_ref() == Some(&expected)).await;
    }
}

#[tokio::test]
async fn a_busy_server_is_left_alone_as_long_as_it_wants() {
    let server = Server::start().await;
    let connection = connect(&server, NamespaceScope::All, prompt());
    server.list(SERVICES).await.refuse_with(429, &[("retry-after", "3600")], "too many requests");
    until(&connection, |s| matches!(services(s), Some(Load::Failed { .. }))).await;
    // Other watches come back within milliseconds here; this one must not. Three rounds of another prove time passed.
    for _ in 0..3 {
        server.list(NAMESPACES).await.refuse(500, "", "x");
    }
    server.list(NAMESPACES).await;
    assert!(!server.has(|a| a.path == SERVICES));
}

#[tokio::test]
async fn a_list_that_breaks_off_counts_for_nothing() {
    let server = Server::start().await;
    server.quiet(SLICES);
    server.quiet(NAMESPACES);
    let connection = connect(&server, NamespaceScope::All, prompt());
    let body = list("ServiceList", "10", &[service("x", "a", "3"), service("x", "b", "4")]).to_string();
    let stream = server.list(SERVICES).await.stream("application/json");
    stream.send(body.clone().into_bytes()[..body.len() - 20].to_vec()).await;
    stream.end();
    let seen = until(&connection, |s| matches!(services(s), Some(Load::Failed { .. }))).await;
    assert!(!is_live(&seen));
    server.list(SERVICES).await.json(200, &list("ServiceList", "10", &[service("x", "b", "4")]));
    let _stream = server.watch(SERVICES).await.stream("application/json");
    until(&connection, |s| is_live(s) && names(s) == ["x/b"]).await;
}

#[tokio::test]
async fn a_list_that_falls_silent_is_given_up() {
    let server = Server::start().await;
    let timing = Timing { stall: Duration::from_millis(20), ..never() };
    let connection = connect(&server, NamespaceScope::All, timing);
    let stream = server.list(SERVICES).await.stream("application/json");
    stream.send("{\"kind\":").await;
    let snapshot = until(&connection, |s| matches!(services(s), Some(Load::Failed { .. }))).await;
    assert!(
        matches!(services(&snapshot), Some(Load::Failed { why, .. }) if why.contains("no answer within"))
    );
    stream.gone().await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let server = Server::start().await;
    let connection =
        connect(&server, NamespaceScope::All, Timing { head: Duration::from_millis(20), ..never() });
    let _asked = server.list(SERVICES).await;
    until(
        &connection,
        |s| matches!(services(s), Some(Load::Failed { why, .. }) if why.contains("no answer")),
    )
    .await;
}

#[tokio::test]
async fn garbage_is_said_to_be_garbage_and_json_is_tried_instead() {
    let server = Server::start().await;
    server.quiet(SLICES);
    server.quiet(NAMESPACES);
    let connection = connect(&server, NamespaceScope::All, prompt());
    server.list(SERVICES).await.reply(200, "application/vnd.kubernetes.protobuf", "not protobuf");
    let asked = server.list(SERVICES).await;
    assert_eq!(asked.headers["accept"], "application/json");
    asked.reply(200, "text/html", "<html>log in first</html>");
    let why = "it is text/html, neither protobuf nor JSON";
    let html =
        |s: &Arc<ClusterSnapshot>| matches!(services(s), Some(Load::Failed { why: w, .. }) if &*w == why);
    until(&connection, html).await;
    server.list(SERVICES).await.json(200, &list("ServiceList", "10", &[]));
    let _stream = server.watch(SERVICES).await.stream("application/json");
    until(&connection, |s| is_live(s)).await;
}

#[tokio::test]
async fn pages_are_followed_where_the_server_makes_them() {
    let server = Server::start().await;
    server.quiet(SLICES);
    server.quiet(NAMESPACES);
    let connection = connect(&server, NamespaceScope::All, never());
    let mut page = list("ServiceList", "10", &[service("x", "a", "3")]);
    page["metadata"]["continue"] = "to/ken".into();
    server.list(SERVICES).await.json(200, &page);
    let asked = server.list(SERVICES).await;
    assert_eq!(asked.query, "continue=to%2Fken");
    asked.json(200, &list("ServiceList", "10", &[service("x", "b", "4")]));
    let _stream = server.watch(SERVICES).await.stream("application/json");
    until(&connection, |s| is_live(s) && names(s) == ["x/a", "x/b"]).await;
}

#[tokio::test]
async fn a_compressed_list_is_unpacked() {
    use std::io::Write;
    let server = Server::start().await;
    server.quiet(SLICES);
    server.quiet(NAMESPACES);
    let connection = connect(&server, NamespaceScope::All, never());
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    write!(packer, "{}", list("ServiceList", "10", &[service("x", "a", "3")])).unwrap();
    let asked = server.list(SERVICES).await;
    assert!(!asked.headers.contains_key("accept-encoding"), "on one machine it is not worth the work");
    asked.packed("application/json", packer.finish().unwrap());
    let _stream = server.watch(SERVICES).await.stream("application/json");
    until(&connection, |s| is_live(s) && names(s) == ["x/a"]).await;
}

#[tokio::test]
async fn the_api_servers_own_service_is_known_wherever_one_looks() {
    let server = Server::start().await;
    let connection = connect(&server, NamespaceScope::one("shop"), never());
    let asked = server.list("/api/v1/namespaces/default/services").await;
    assert_eq!(asked.parameter("fieldSelector"), Some("metadata.name%3Dkubernetes"));
    asked.json(200, &list("ServiceList", "10", &[service("default", "kubernetes", "1")]));
    let snapshot = until(&connection, |s| names(s) == ["default/kubernetes"]).await;
    assert_eq!(load(&snapshot, Kind::Service, Some("default")), None, "it is no watch of that namespace");
}

#[tokio::test]
async fn pods_are_watched_where_they_are_wanted_and_the_last_few_are_kept() {
    let server = Server::start().await;
    for path in [SERVICES, SLICES, NAMESPACES] {
        server.quiet(path);
    }
    let connection = connect(&server, NamespaceScope::All, never());
    let pods = |n: &str| format!("/api/v1/namespaces/{n}/pods");
    let mut streams = Vec::new();
    for namespace in ["a", "b", "c", "d", "e"] {
        connection.set_pod_demand(BTreeSet::from([Some(namespace.into())]));
        server.list(&pods(namespace)).await.json(200, &list("PodList", "1", &[]));
        streams.push(server.watch(&pods(namespace)).await.stream("application/json"));
        until(&connection, |s| load(s, Kind::Pod, Some(namespace)) == Some(Load::Live)).await;
    }
    // Wanted is e; b, c, d are kept; a has ended.
    streams.remove(0).gone().await;
    let watched: Vec<_> = {
        let snapshots = connection.snapshots();
        let snapshot = snapshots.borrow();
        snapshot.loads.iter().filter(|e| e.kind == Kind::Pod).filter_map(|e| e.namespace.clone()).collect()
    };
    assert_eq!(watched.iter().map(|n| &**n).collect::<Vec<_>>(), ["b", "c", "d", "e"]);
}

#[tokio::test]
async fn another_scope_ends_the_watches_of_the_former_one() {
    let (server, connection, stream) = settled(never()).await;
    connection.set_scope(NamespaceScope::one("x"));
    let asked = server.list("/api/v1/namespaces/x/services").await;
    stream.gone().await;
    assert_eq!(
        names(&connection.snapshots().borrow()),
        ["x/a", "x/b"],
        "what is still in scope stays on show"
    );
    asked.json(200, &list("ServiceList", "10", &[service("x", "a", "3")]));
    until(&connection, |s| names(s) == ["x/a"]).await;
}

#[tokio::test]
async fn dropping_the_connection_stops_everything() {
    let (_server, connection, stream) = settled(prompt()).await;
    drop(connection);
    stream.gone().await;
}

#[tokio::test]
async fn one_object_by_name_is_fetched_and_kept() {
    let (server, connection, _stream) = settled(never()).await;
    let key = ObjectKey::new("x", "settings");
    let path = "/api/v1/namespaces/x/configmaps/settings";
    let body = serde_json::json!({"metadata": {"namespace": "x", "name": "settings"}, "data": {"K": "v"}});
    let serve = async { server.list(path).await.json(200, &body) };
    let (object, ()) = tokio::join!(connection.fetch_config(Kind::ConfigMap, &key), serve);
    assert!(matches!(object.unwrap(), Object::ConfigMap(data) if &*data.data["K"] == b"v"));
    until(&connection, |s| s.config_maps.contains_key(&key)).await;
    let serve =
        async { server.list(path).await.refuse(404, "NotFound", "configmaps \"settings\" not found") };
    let (gone, ()) = tokio::join!(connection.fetch_config(Kind::ConfigMap, &key), serve);
    assert_eq!(gone.unwrap_err().kind, ApiErrorKind::NotFound);
    until(&connection, |s| s.config_maps.is_empty()).await;
}

#[tokio::test]
async fn a_look_at_everything_once_tells_forbidden_kinds_apart_from_empty_ones() {
    let server = Server::start().await;
    let client = client(&server);
    let kinds = [Kind::Service, Kind::EndpointSlice];
    let serve = async {
        let asked = server.list(SERVICES).await;
        assert_eq!(asked.query, "", "a command sees what was there when it was called");
        asked.json(200, &list("ServiceList", "1", &[service("x", "a", "1")]));
        server.list(SLICES).await.refuse(403, "Forbidden", "no slices");
    };
    let (snapshot, ()) = tokio::join!(list_once(&client, &NamespaceScope::All, &kinds), serve);
    let snapshot = snapshot.unwrap();
    assert_eq!(names(&snapshot), ["x/a"]);
    let forbidden = Load::Forbidden { verb: "list".into(), message: "no slices".into() };
    assert_eq!(load(&snapshot, Kind::EndpointSlice, None), Some(forbidden));
    let serve = async { server.list(SERVICES).await.refuse(403, "Forbidden", "no services") };
    let (refused, ()) = tokio::join!(list_once(&client, &NamespaceScope::All, &kinds[..1]), serve);
    let denied = Denied { verb: "list".into(), resource: "services".into(), namespace: None };
    assert_eq!(refused.unwrap_err().kind, ApiErrorKind::Forbidden(Box::new(denied)));
}
