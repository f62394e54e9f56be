//! Lists and watches, as kdisco keeps them.

use std::collections::BTreeSet;
use std::sync::Arc;

use kdisco::cluster::client::{Client, Terminal};
use kdisco::cluster::kubeconfig::{Environment, Kubeconfig, Overrides};
use kdisco::cluster::session::{Connection, Start, list_once};
use kdisco::cluster::watch::Timing;
use kdisco::model::time::Timestamp;
use kdisco::model::{ClusterSnapshot, Kind, NamespaceScope};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::world::{PATIENCE, World, ask, until};

const MERGE: (&str, &str) = ("content-type", "application/merge-patch+json");

fn pods(snapshot: &ClusterSnapshot, namespace: &str) -> BTreeSet<String> {
    snapshot.pods_in(namespace).iter().map(|pod| pod.key.name.to_string()).collect()
}

/// The Services of the tutorial that are there.
fn services(snapshot: &ClusterSnapshot) -> BTreeSet<&str> {
    let names = snapshot.services.iter().map(|one| &*one.key().name);
    names.filter(|name| ["my-app", "mysql", "cache", "docs", "reports"].contains(name)).collect()
}

pub(crate) async fn every_kind_is_listed(world: &World) {
    world.settled().await;
    let kinds =
        [Kind::Namespace, Kind::Node, Kind::Service, Kind::EndpointSlice, Kind::Pod, Kind::NetworkPolicy];
    let all = list_once(&world.admin, &NamespaceScope::All, &kinds).await.unwrap();
    assert!(all.loads.iter().all(|entry| entry.load.is_live()), "{:?}", all.loads);
    assert_eq!(all.loads.len(), kinds.len());
    let one = list_once(&world.admin, &NamespaceScope::one(world.namespace.as_str()), &kinds).await.unwrap();
    assert_eq!(services(&one).len(), 5);
    assert_eq!(pods(&one, &world.namespace), pods(&all, &world.namespace));
    assert!(one.services.len() <= all.services.len());
    assert!(all.namespaces.iter().any(|namespace| *namespace.name == *world.namespace));
}

/// Kills the pod, lets the demo's time pass, and waits until another has taken its place.
async fn replaced(world: &World, connection: &Connection, pod: &str) {
    let before = pods(&connection.snapshots().borrow(), &world.namespace);
    assert!(before.contains(pod), "{before:?}");
    let path = world.core(&format!("pods/{pod}?gracePeriodSeconds=0"));
    assert_eq!(ask(&world.admin, "DELETE", &path, &[], "").await.status, 200);
    world.step(30);
    until(connection, "another pod", |snapshot| {
        let now = pods(snapshot, &world.namespace);
        !now.contains(pod) && now.iter().any(|name| !before.contains(name))
    })
    .await;
}

pub(crate) async fn what_changes_shows(world: &World) {
    let pod = world.pod().await;
    let connection = world.connect();
    let ready = |count: usize| {
        move |snapshot: &Arc<ClusterSnapshot>| {
            snapshot
                .services
                .iter()
                .any(|one| &*one.key().name == "my-app" && one.ready == count && one.total == count)
        }
    };
    until(&connection, "everything", |snapshot| {
        ready(3)(snapshot) && pods(snapshot, &world.namespace).contains(&pod)
    })
    .await;
    replaced(world, &connection, &pod).await;
    until(&connection, "three again", ready(3)).await;
    let scale = format!("/apis/apps/v1/namespaces/{}/deployments/my-app/scale", world.namespace);
    for count in [1, 3] {
        let body = format!("{{\"spec\":{{\"replicas\":{count}}}}}");
        let answer = ask(&world.admin, "PATCH", &scale, &[MERGE], &body).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        world.step(60);
        until(&connection, "the new number of endpoints", ready(count)).await;
    }
    drop(connection);
    world.settled().await;
}

/// Passes bytes on to a server, but cuts everything and takes nothing new while it is told to.
async fn relay(to: (String, u16), shut: watch::Receiver<bool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (to, mut shut) = (to.clone(), shut.clone());
            tokio::spawn(async move {
                let Ok(mut far) = TcpStream::connect((to.0.as_str(), to.1)).await else { return };
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => {}
                    _ = shut.wait_for(|shut| *shut) => {}
                }
            });
        }
    });
    port
}

pub(crate) async fn a_watch_from_a_forgotten_revision_recovers(world: &World) {
    let server = world.admin.target().server.clone();
    let host = server.host().unwrap().to_owned();
    let port = server.port_u16().unwrap_or(443);
    let (shut, is_shut) = watch::channel(false);
    let near = relay((host.clone(), port), is_shut).await;
    let (path, context) = &world.contexts[0];
    let tls = server.scheme_str() == Some("https");
    let overrides = Overrides {
        kubeconfig: Some(path.clone()),
        context: Some(context.clone()),
        server: Some(format!("{}://127.0.0.1:{near}", if tls { "https" } else { "http" })),
        tls_server_name: tls.then_some(host),
        ..Overrides::default()
    };
    let environment = Environment { variables: [].into(), service_account: "/nonexistent".into() };
    let target = Kubeconfig::load(&overrides, &environment).unwrap().target().unwrap();
    let start = Start {
        epoch: 1,
        scope: NamespaceScope::one(world.namespace.as_str()),
        known: BTreeSet::new(),
        clock: || Timestamp::UNIX_EPOCH,
        timing: Timing { backoff: std::time::Duration::from_millis(1), ..Timing::default() },
    };
    let pod = world.pod().await;
    let connection = Connection::start(Client::new(target, Terminal::Ours).unwrap(), start);
    connection.set_pod_demand(BTreeSet::from([Some(world.namespace.as_str().into())]));
    until(&connection, "the pod", |snapshot| pods(snapshot, &world.namespace).contains(&pod)).await;
    let list = ask(&world.admin, "GET", &world.core("pods"), &[], "").await.json();
    let revision = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    // What happens now is neither seen nor to be had from the server later.
    shut.send_replace(true);
    let path = world.core(&format!("pods/{pod}?gracePeriodSeconds=0"));
    assert_eq!(ask(&world.admin, "DELETE", &path, &[], "").await.status, 200);
    world.step(30);
    world.settled().await;
    if world.forget().await {
        let path = world.core(&format!("pods?watch=1&resourceVersion={revision}&timeoutSeconds=5"));
        let answer = ask(&world.admin, "GET", &path, &[], "").await;
        let said = String::from_utf8_lossy(&answer.body);
        assert!(answer.status == 410 || said.contains("\"code\":410"), "{}: {said}", answer.status);
    }
    shut.send_replace(false);
    until(&connection, "everything live again, and what was missed", |snapshot| {
        snapshot.loads.iter().all(|entry| entry.load.is_live())
            && services(snapshot).len() == 5
            && !pods(snapshot, &world.namespace).contains(&pod)
    })
    .await;
    // The new watches tell as the old ones did.
    let pod = world.pod().await;
    replaced(world, &connection, &pod).await;
    drop(connection);
    world.settled().await;
}

pub(crate) async fn pages_are_one_list(world: &World) {
    let path = world.core("services");
    let names = |list: &serde_json::Value| -> Vec<String> {
        let items = list["items"].as_array().unwrap();
        items.iter().map(|one| one["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    };
    let whole = names(&ask(&world.admin, "GET", &path, &[], "").await.json());
    let (mut paged, mut next) = (Vec::new(), String::new());
    loop {
        let address = format!("{path}?limit=2&continue={next}");
        let page = ask(&world.admin, "GET", &address, &[], "");
        let page = tokio::time::timeout(PATIENCE, page).await.unwrap().json();
        paged.extend(names(&page));
        let left = page["metadata"]["remainingItemCount"].as_u64().unwrap_or(0);
        assert_eq!(paged.len() + usize::try_from(left).unwrap(), whole.len());
        match page["metadata"]["continue"].as_str() {
            Some(token) if !token.is_empty() => next = token.to_owned(),
            _ => break,
        }
    }
    assert_eq!(paged, whole);
}
