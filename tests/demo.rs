//! The demo's API server as its clients see it: real loopback connections, no sleeps, no kubectl.

#[path = "demo/client.rs"]
mod client;

use client::{get, names, request, watch};
use kdisco::demo::{Clock, Demo, Failure, Options, Scope, start};
use serde_json::{Value, json};
use std::time::Duration;

async fn demo() -> Demo {
    start(Options { clock: Clock::Stepped, ..Options::default() }).await.unwrap()
}

const SERVICES: &str = "/api/v1/namespaces/default/services";
const PODS: &str = "/api/v1/namespaces/default/pods";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/default/deployments/my-app";

#[tokio::test]
async fn discovery_names_what_is_served() {
    let demo = demo().await;
    assert_eq!(get(&demo, "/version").await["gitVersion"], "v1.34.4");
    let groups = get(&demo, "/apis").await;
    assert!(groups["groups"].as_array().unwrap().iter().any(|group| group["name"] == "discovery.k8s.io"));
    for path in ["/api/v1", "/apis/apps/v1", "/apis/discovery.k8s.io/v1", "/apis/networking.k8s.io/v1"] {
        for one in get(&demo, path).await["resources"].as_array().unwrap() {
            let name = one["name"].as_str().unwrap();
            if !name.contains('/') {
                assert!(get(&demo, &format!("{path}/{name}")).await["items"].is_array(), "{path}/{name}");
            }
        }
    }
    assert_eq!(request(&demo, "GET", "/openapi/v3", &[], "").await.status, 404);
}

#[tokio::test]
async fn a_list_has_its_kind_and_every_item_once() {
    let demo = demo().await;
    let list = get(&demo, SERVICES).await;
    assert_eq!((list["kind"].as_str(), list["apiVersion"].as_str()), (Some("ServiceList"), Some("v1")));
    assert_eq!(names(&list), ["cache", "docs", "kubernetes", "my-app", "mysql", "payments", "reports"]);
    let chosen = async |query: &str| names(&get(&demo, &format!("{SERVICES}?{query}")).await);
    assert_eq!(chosen("labelSelector=app%20in%20(mysql,cache)").await, ["cache", "mysql"]);
    assert_eq!(chosen("fieldSelector=metadata.name%3Ddocs").await, ["docs"]);
    let stopped = get(&demo, "/api/v1/pods?fieldSelector=status.phase!%3DRunning").await;
    assert_eq!(names(&stopped), [""; 0]);
}

#[tokio::test]
async fn pages_are_of_one_moment() {
    let demo = demo().await;
    let whole = names(&get(&demo, "/api/v1/pods").await);
    let mut page = get(&demo, "/api/v1/pods?limit=10").await;
    assert_eq!(page["metadata"]["remainingItemCount"], whole.len() - 10);
    request(&demo, "DELETE", &format!("{PODS}/mysql-0?gracePeriodSeconds=0"), &[], "").await;
    let mut paged = names(&page);
    while let Some(token) = page["metadata"]["continue"].as_str().map(str::to_owned) {
        page = get(&demo, &format!("/api/v1/pods?limit=10&continue={token}")).await;
        paged.extend(names(&page));
    }
    assert_eq!(paged, whole);
    let page = get(&demo, "/api/v1/pods?limit=10").await;
    demo.step(Duration::from_secs(5));
    demo.compact();
    let token = page["metadata"]["continue"].as_str().unwrap();
    let gone = request(&demo, "GET", &format!("/api/v1/pods?limit=10&continue={token}"), &[], "").await;
    assert_eq!((gone.status, gone.json()["reason"].as_str()), (410, Some("Expired")));
}

#[tokio::test]
async fn versions_of_lists() {
    let demo = demo().await;
    let now: u64 = get(&demo, PODS).await["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    let status =
        async |query: String| request(&demo, "GET", &format!("{PODS}?{query}"), &[], "").await.status;
    assert_eq!(status("resourceVersion=0".to_owned()).await, 200);
    assert_eq!(status(format!("resourceVersion={now}&resourceVersionMatch=Exact")).await, 200);
    assert_eq!(status(format!("resourceVersion={}&resourceVersionMatch=Exact", now - 1)).await, 410);
    assert_eq!(status(format!("resourceVersion={}", now + 10)).await, 504);
    assert_eq!(status("resourceVersionMatch=Exact".to_owned()).await, 422);
    assert_eq!(status("resourceVersion=x".to_owned()).await, 400);
}

#[tokio::test]
async fn a_watch_tells_what_happens_to_a_pod() {
    let demo = demo().await;
    let list = get(&demo, PODS).await;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    let query = format!("watch=1&resourceVersion={version}&labelSelector=app%3Dmy-app");
    let mut watch = watch(&demo, &format!("{PODS}?{query}")).await;
    let name = "my-app-7c5ddbdf54-x2k9p";
    let deleted = request(&demo, "DELETE", &format!("{PODS}/{name}"), &[], "").await;
    assert_eq!(deleted.status, 200);
    assert!(deleted.json()["metadata"]["deletionTimestamp"].is_string());
    demo.step(Duration::from_secs(10));
    let (mut old, mut new, mut ready) = (Vec::new(), Vec::new(), false);
    while !ready || old.last().is_none_or(|word| word != "DELETED") {
        let event = watch.next().await.unwrap();
        let (word, object) = (event["type"].as_str().unwrap().to_owned(), &event["object"]);
        assert_eq!(object["kind"], "Pod");
        if object["metadata"]["name"] == name {
            old.push(word);
        } else {
            ready = object["status"]["containerStatuses"][0]["ready"] == true;
            new.push(word);
        }
    }
    assert_eq!(old, ["MODIFIED", "DELETED"]);
    assert_eq!(new, ["ADDED", "MODIFIED", "MODIFIED", "MODIFIED"], "pending, creating, running, ready");
    assert_eq!(names(&get(&demo, &format!("{PODS}?labelSelector=app%3Dmy-app")).await).len(), 3);
}

#[tokio::test]
async fn a_streamed_list_ends_with_a_bookmark() {
    let demo = demo().await;
    let query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = watch(&demo, &format!("{SERVICES}?{query}")).await;
    for _ in 0..7 {
        assert_eq!(watch.next().await.unwrap()["type"], "ADDED");
    }
    let end = watch.next().await.unwrap();
    assert_eq!(end["type"], "BOOKMARK");
    assert_eq!(end["object"]["kind"], "Service");
    assert_eq!(end["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    demo.step(Duration::from_secs(60));
    let later = watch.next().await.unwrap();
    assert_eq!(
        (&later["type"], &later["object"]["metadata"]["annotations"]),
        (&json!("BOOKMARK"), &Value::Null)
    );
    let refused = request(&demo, "GET", &format!("{SERVICES}?watch=1&sendInitialEvents=true"), &[], "").await;
    assert_eq!(refused.status, 422);
}

#[tokio::test]
async fn a_watch_from_a_forgotten_version_is_gone() {
    let demo = demo().await;
    let mut watch = watch(&demo, &format!("{SERVICES}?watch=1&resourceVersion=5")).await;
    let event = watch.next().await.unwrap();
    assert_eq!((event["type"].as_str(), event["object"]["code"].as_u64()), (Some("ERROR"), Some(410)));
    assert!(watch.next().await.is_none(), "and it ends");
    assert!(!watch.broken);
}

#[tokio::test]
async fn forms_of_an_answer() {
    let demo = demo().await;
    let table = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")];
    let services = request(&demo, "GET", SERVICES, &table, "").await.json();
    assert_eq!(services["kind"], "Table");
    let cells = &services["rows"][3]["cells"];
    assert_eq!(*cells, json!(["my-app", "ClusterIP", "10.96.14.2", "<none>", "80/TCP", "41d", "app=my-app"]));
    let metadata = [("accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")];
    let only = request(&demo, "GET", SERVICES, &metadata, "").await.json();
    assert_eq!(
        (only["kind"].as_str(), &only["items"][0]["spec"]),
        (Some("PartialObjectMetadataList"), &Value::Null)
    );
    let protobuf = [("accept", "application/vnd.kubernetes.protobuf")];
    assert_eq!(request(&demo, "GET", SERVICES, &protobuf, "").await.status, 406);
    let either = [("accept", "application/vnd.kubernetes.protobuf, application/json;q=0.9")];
    let answer = request(&demo, "GET", SERVICES, &either, "").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn errors_are_status_objects() {
    let demo = demo().await;
    let missing = request(&demo, "GET", &format!("{SERVICES}/nope"), &[], "").await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.json()["message"], "services \"nope\" not found");
    assert_eq!(missing.json()["details"], json!({"name": "nope", "kind": "services"}));
    assert_eq!(request(&demo, "DELETE", &format!("{SERVICES}/mysql"), &[], "").await.status, 405);
    assert_eq!(request(&demo, "GET", "/api/v1/gadgets", &[], "").await.status, 404);
    assert_eq!(request(&demo, "GET", SERVICES, &[("authorization", "Bearer stolen")], "").await.status, 401);
    assert_eq!(request(&demo, "GET", SERVICES, &[("host", "evil.example")], "").await.status, 403);
    let merge = [("content-type", "application/merge-patch+json")];
    let stale = request(&demo, "PATCH", DEPLOYMENT, &merge, r#"{"metadata":{"resourceVersion":"1"}}"#).await;
    assert_eq!(stale.status, 409);
    assert_eq!(request(&demo, "PATCH", DEPLOYMENT, &merge, r#"{"spec":{"replicas":-1}}"#).await.status, 422);
    assert_eq!(request(&demo, "PATCH", DEPLOYMENT, &[], "{}").await.status, 415);
}

#[tokio::test]
async fn a_restarted_deployment_has_new_pods() {
    let demo = demo().await;
    let mine = format!("{PODS}?labelSelector=app%3Dmy-app");
    let before = names(&get(&demo, &mine).await);
    let patch =
        r#"{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"now"}}}}}"#;
    let kind = [("content-type", "application/strategic-merge-patch+json")];
    assert_eq!(request(&demo, "PATCH", DEPLOYMENT, &kind, patch).await.status, 200);
    demo.step(Duration::from_secs(60));
    let after = names(&get(&demo, &mine).await);
    assert_eq!(after.len(), 3);
    assert!(after.iter().all(|name| !before.contains(name)));
}

#[tokio::test]
async fn the_viewer_is_forbidden_nearly_everything() {
    let demo = demo().await;
    let viewer = [("authorization", "Bearer demo-viewer")];
    assert_eq!(request(&demo, "GET", SERVICES, &viewer, "").await.status, 200);
    let refused = request(&demo, "GET", PODS, &viewer, "").await;
    assert_eq!(refused.status, 403);
    let words = "pods is forbidden: User \"demo-viewer\" cannot list resource \"pods\" in API group \"\" in the \
                 namespace \"default\"";
    assert_eq!(refused.json()["message"], words);
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let review = r#"{"spec":{"resourceAttributes":{"verb":"list","resource":"pods","namespace":"default"}}}"#;
    let allowed = async |headers: &[(&str, &str)]| {
        request(&demo, "POST", path, headers, review).await.json()["status"]["allowed"].as_bool().unwrap()
    };
    assert!(!allowed(&viewer).await);
    assert!(allowed(&[]).await);
    demo.faults().always(Scope::of("list", "pods"), Failure::Forbidden);
    assert!(!allowed(&[]).await);
}

#[tokio::test]
async fn faults_come_and_go() {
    let demo = demo().await;
    let faults = demo.faults();
    for (failure, status) in [
        (Failure::Unauthorized, 401),
        (Failure::Forbidden, 403),
        (Failure::Gone, 410),
        (Failure::TooManyRequests(3), 429),
        (Failure::InternalError, 500),
        (Failure::Unavailable, 503),
    ] {
        faults.times(1, Scope::of("list", "services"), failure);
        let answer = request(&demo, "GET", SERVICES, &[], "").await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("retry-after"), (status == 429).then_some("3"));
    }
    faults.times(1, Scope::of("list", "services"), Failure::BreakAfterBytes(100));
    let cut = request(&demo, "GET", SERVICES, &[], "").await;
    assert!(cut.broken && cut.body.len() == 100);
    faults.times(1, Scope::of("list", "services"), Failure::Garbage);
    let garbage = request(&demo, "GET", SERVICES, &[], "").await;
    assert!(garbage.status == 200 && serde_json::from_slice::<Value>(&garbage.body).is_err());
    faults.times(1, Scope::of("list", "services"), Failure::Trickle(1000, Duration::ZERO));
    assert_eq!(names(&request(&demo, "GET", SERVICES, &[], "").await.json()).len(), 7);
    faults.times(1, Scope::of("watch", "services"), Failure::BreakAfterPieces(2));
    let mut watch = watch(&demo, &format!("{SERVICES}?watch=1")).await;
    assert!(watch.next().await.is_some() && watch.next().await.is_some() && watch.next().await.is_none());
    assert!(watch.broken);
    assert_eq!(request(&demo, "GET", SERVICES, &[], "").await.status, 200);
}

#[tokio::test]
async fn the_kubeconfig_is_for_its_owner_and_goes_with_the_demo() {
    let demo = demo().await;
    let path = demo.kubeconfig().to_owned();
    let config: Value = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(config["current-context"], "demo");
    assert_eq!(config["clusters"][0]["cluster"]["server"], demo.server());
    let contexts: Vec<&str> =
        config["contexts"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(contexts, ["demo", "demo-viewer"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }
    drop(demo);
    assert!(!path.parent().unwrap().exists());
}

#[tokio::test]
async fn a_large_world_is_listed_whole() {
    let options = Options { scale: Some((25, 400)), clock: Clock::Stepped, ..Options::default() };
    let demo = start(options).await.unwrap();
    assert_eq!(names(&get(&demo, "/api/v1/services").await).len(), 25);
    assert_eq!(names(&get(&demo, "/api/v1/pods").await).len(), 400);
    let slices = get(&demo, "/apis/discovery.k8s.io/v1/endpointslices").await;
    let endpoints = |slice: &Value| slice["endpoints"].as_array().map_or(0, Vec::len);
    let sizes: Vec<usize> = slices["items"].as_array().unwrap().iter().map(endpoints).collect();
    assert!(sizes.iter().all(|size| *size <= 100));
    assert!(
        sizes.iter().filter(|size| **size == 100).count() == 3,
        "one Service has nearly all pods: {sizes:?}"
    );
}
