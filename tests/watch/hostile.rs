//! Sleep, other clusters, and servers that mean no good: what is shown is true or said to be old, and bounded.

use super::*;

const KUBE_SYSTEM: &str = "/api/v1/namespaces/kube-system";

/// A time that no clock here tells.
fn bedtime() -> Timestamp {
    Timestamp::from_second(1_234).unwrap()
}

#[tokio::test]
async fn after_a_sleep_the_picture_is_old_until_the_server_has_answered_anew() {
    // With pauses of an hour: what happens, happens at once.
    let (server, connection, stream) = settled(never()).await;
    // The watch stands.
    stream.send(event("ADDED", &service("x", "c", "11"))).await;
    until(&connection, |s| names(s).len() == 3).await;
    connection.woke(bedtime());
    let stale = until(&connection, |s| matches!(services(s), Some(Load::Stale { .. }))).await;
    let Some(Load::Stale { since, why }) = services(&stale) else { panic!() };
    assert_eq!((since, &*why), (bedtime(), "this computer was asleep; everything is asked anew"));
    assert_eq!(names(&stale), ["x/a", "x/b", "x/c"], "what was known stays on show");
    stream.gone().await;
    // First whether the server is still the same one, then on from where it was.
    let probe = server.list(SERVICES).await;
    assert_eq!((probe.parameter("limit"), probe.parameter("resourceVersion")), (Some("1"), Some("11")));
    probe.json(200, &list("ServiceList", "12", &[]));
    let watch = server.watch(SERVICES).await;
    assert_eq!(watch.parameter("resourceVersion"), Some("11"));
    let _stream = watch.stream("application/json");
    until(&connection, |s| is_live(s) && names(s).len() == 3).await;
}

#[tokio::test]
async fn what_was_under_way_when_the_computer_fell_asleep_is_begun_again() {
    let server = Server::start().await;
    server.quiet(SLICES);
    server.quiet(NAMESPACES);
    let connection = connect(&server, NamespaceScope::All, never());
    // A list that nobody will ever answer.
    let _asleep = server.list(SERVICES).await;
    connection.woke(bedtime());
    server.list(SERVICES).await.json(200, &list("ServiceList", "10", &[service("x", "a", "3")]));
    // And a watch.
    let _asleep = server.watch(SERVICES).await;
    connection.woke(bedtime());
    let _stream = server.watch(SERVICES).await.stream("application/json");
    until(&connection, |s| is_live(s) && names(s) == ["x/a"]).await;
}

#[tokio::test]
async fn a_server_error_with_a_wish_is_left_alone_as_long() {
    let server = Server::start().await;
    let connection = connect(&server, NamespaceScope::All, prompt());
    server.list(SERVICES).await.refuse_with(503, &[("retry-after", "3600")], "starting");
    until(&connection, |s| matches!(services(s), Some(Load::Failed { why, .. }) if why.contains("503")))
        .await;
    for _ in 0..3 {
        server.list(NAMESPACES).await.refuse(500, "", "x");
    }
    server.list(NAMESPACES).await;
    assert!(!server.has(|a| a.path == SERVICES));
}

#[tokio::test]
async fn bytes_that_never_make_an_event_count_as_silence() {
    let timing = Timing { silent: Duration::from_millis(100), ..never() };
    let (server, connection, stream) = settled(timing).await;
    // What follows an event whose length was spoiled.
    let dribble = tokio::spawn(async move {
        loop {
            stream.send(" ").await;
            tokio::task::yield_now().await;
        }
    });
    let probe = server.list(SERVICES).await;
    assert_eq!(probe.parameter("limit"), Some("1"));
    dribble.abort();
    drop(connection);
}

#[tokio::test]
async fn what_a_silent_watch_may_have_kept_back_is_listed_and_the_picture_old_until_then() {
    let timing = Timing { silent: Duration::from_millis(100), ..never() };
    let (server, connection, _swallowed) = settled(timing).await;
    // The server is well, only its watches are heard no more.
    server.list(SERVICES).await.json(200, &list("ServiceList", "20", &[]));
    let asked = server.list(SERVICES).await;
    assert_eq!((asked.parameter("limit"), asked.parameter("resourceVersion")), (None, Some("10")));
    let why = |s: &Arc<ClusterSnapshot>| {
        matches!(services(s), Some(Load::Stale { .. })) && names(s) == ["x/a", "x/b"]
    };
    until(&connection, why).await;
    asked.json(200, &list("ServiceList", "20", &[service("x", "c", "15")]));
    until(&connection, |s| is_live(s) && names(s) == ["x/c"]).await;
    let watch = server.watch(SERVICES).await;
    assert_eq!(watch.parameter("resourceVersion"), Some("20"));
}

#[tokio::test]
async fn a_list_that_takes_long_leaves_a_picture_that_is_said_to_be_old() {
    let timing = Timing { head: Duration::from_millis(500), ..never() };
    let (server, connection, stream) = settled(timing).await;
    stream.send(event("ERROR", &status(410, "Expired", "too old"))).await;
    let list = server.list(SERVICES).await.stream("application/json");
    let mut snapshots = connection.snapshots();
    let stale = snapshots.wait_for(|s| matches!(services(s), Some(Load::Stale { .. })));
    let slowly = async {
        loop {
            list.send(" ").await;
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        stale = tokio::time::timeout(PATIENCE, stale) => drop(stale.expect("it is never said").unwrap()),
        () = slowly => {}
    }
}

#[tokio::test]
async fn pages_without_end_are_not_followed_for_ever() {
    let server = Server::start().await;
    server.quiet(SLICES);
    server.quiet(NAMESPACES);
    let connection = connect(&server, NamespaceScope::All, never());
    let mut page = list("ServiceList", "10", &[]);
    page["metadata"]["continue"] = "again".into();
    for _ in 0..10 {
        server.list(SERVICES).await.json(200, &page);
    }
    let failed = |s: &Arc<ClusterSnapshot>| matches!(services(s), Some(Load::Failed { why, .. }) if &*why == "the list of services has no end: 10 pages so far");
    until(&connection, failed).await;
}

#[tokio::test]
async fn of_more_objects_than_are_kept_the_rest_is_left_out_and_that_is_said() {
    let timing = Timing { objects: 2, ..never() };
    let (_server, connection, stream) = settled(timing).await;
    stream.send(event("ADDED", &service("x", "c", "11"))).await;
    let why = "there are more than 2 services; those beyond are left out";
    let said =
        |s: &Arc<ClusterSnapshot>| matches!(services(s), Some(Load::Stale { why: w, .. }) if &*w == why);
    let seen = until(&connection, said).await;
    assert_eq!(names(&seen), ["x/a", "x/b"]);
    // What is known is kept up, and a bookmark makes nothing true that is not.
    stream.send(event("DELETED", &service("x", "a", "12"))).await;
    let seen = until(&connection, |s| names(s) == ["x/b"]).await;
    assert!(said(&seen));
}

/// With pauses of an hour: what happens, happens at once.
#[tokio::test]
async fn a_version_that_expired_while_the_server_was_away_is_listed_at_once_though_one_expired_before() {
    let timing = Timing { settled: Duration::from_secs(5), ..never() };
    let (server, connection, stream) = settled(timing).await;
    stream.send(event("ERROR", &status(410, "Expired", "too old"))).await;
    server.list(SERVICES).await.json(200, &list("ServiceList", "20", &[service("x", "a", "3")]));
    server.watch(SERVICES).await.refuse(500, "InternalError", "on its way out");
    until(&connection, |s| matches!(services(s), Some(Load::Stale { .. }))).await;
    connection.retry_now();
    server.watch(SERVICES).await.refuse(410, "Expired", "too old");
    server.list(SERVICES).await.json(200, &list("ServiceList", "90", &[service("x", "z", "80")]));
    let _stream = server.watch(SERVICES).await.stream("application/json");
    until(&connection, |s| is_live(s) && names(s) == ["x/z"]).await;
}

#[tokio::test]
async fn another_cluster_at_the_same_address_is_listed_from_nothing() {
    let (server, connection, mut stream) = settled(prompt()).await;
    let named = |uid: &str| serde_json::json!({"metadata": {"name": "kube-system", "uid": uid}});
    server.list(KUBE_SYSTEM).await.json(200, &named("one"));
    // Its versions are larger than ours: a watch from ours would be taken.
    loop {
        stream.cut().await;
        let asked = server.wait(|a| a.path == KUBE_SYSTEM || (a.path == SERVICES && a.is_watch())).await;
        if asked.path == KUBE_SYSTEM {
            asked.json(200, &named("two"));
            break;
        }
        // The first name was still on its way.
        stream = asked.stream("application/json");
    }
    let asked = server.list(SERVICES).await;
    assert_eq!(asked.parameter("resourceVersion"), None);
    asked.json(200, &list("ServiceList", "500", &[service("x", "z", "400")]));
    let _stream = server.watch(SERVICES).await.stream("application/json");
    until(&connection, |s| is_live(s) && names(s) == ["x/z"]).await;
}

#[tokio::test]
async fn who_may_no_longer_know_the_cluster_goes_on_and_is_not_asked_again() {
    let (server, connection, mut stream) = settled(prompt()).await;
    let named = serde_json::json!({"metadata": {"name": "kube-system", "uid": "one"}});
    server.list(KUBE_SYSTEM).await.json(200, &named);
    loop {
        stream.cut().await;
        let asked = server.wait(|a| a.path == KUBE_SYSTEM || (a.path == SERVICES && a.is_watch())).await;
        if asked.path == KUBE_SYSTEM {
            asked.refuse(403, "Forbidden", "no");
            stream = server.watch(SERVICES).await.stream("application/json");
            break;
        }
        // The first name was still on its way.
        stream = asked.stream("application/json");
    }
    until(&connection, |s| is_live(s)).await;
    stream.cut().await;
    let asked = server.wait(|a| a.path == KUBE_SYSTEM || a.path == SERVICES).await;
    assert!(asked.is_watch(), "{}", asked.path);
    assert_eq!(asked.parameter("resourceVersion"), Some("10"));
    let _stream = asked.stream("application/json");
    until(&connection, |s| is_live(s)).await;
}

#[tokio::test]
async fn who_may_not_know_the_cluster_goes_on_without() {
    let (server, connection, stream) = settled(prompt()).await;
    server.list(KUBE_SYSTEM).await.refuse(403, "Forbidden", "no");
    stream.cut().await;
    let watch = server.watch(SERVICES).await;
    assert_eq!(watch.parameter("resourceVersion"), Some("10"));
    let _stream = watch.stream("application/json");
    until(&connection, |s| is_live(s)).await;
    assert!(!server.has(|a| a.path == KUBE_SYSTEM));
}
