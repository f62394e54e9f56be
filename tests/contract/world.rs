//! What a check is run against: a cluster with the tutorial in one namespace, and two credentials.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use kdisco::cluster::client::{Client, Terminal};
use kdisco::cluster::kubeconfig::{Environment, Kubeconfig, Overrides};
use kdisco::cluster::session::{Connection, Start};
use kdisco::cluster::watch::Timing;
use kdisco::demo::{Clock, Demo, Options};
use kdisco::model::time::Timestamp;
use kdisco::model::{ClusterSnapshot, NamespaceScope};
use kube::client::Body;
use serde_json::{Value, json};

/// Nothing here takes longer, unless it hangs: a real node starts containers in that time.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);

/// A cluster with the tutorial in it.
pub(crate) struct World {
    /// Where the tutorial is.
    pub(crate) namespace: String,
    /// May do everything.
    pub(crate) admin: Client,
    /// May read Services and their slices in that namespace, and nothing else.
    pub(crate) viewer: Client,
    /// The viewer's name.
    pub(crate) viewer_name: String,
    /// A credential that nobody knows.
    pub(crate) stranger: Client,
    /// Kubeconfig and context of the admin and of the viewer, for programs.
    pub(crate) contexts: [(PathBuf, String); 2],
    /// The demo, which can let time pass; none behind a real cluster.
    pub(crate) demo: Option<Demo>,
    files: Option<tempfile::TempDir>,
}

/// An answer that has been read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

fn client(overrides: &Overrides) -> Client {
    let environment = Environment { variables: [].into(), service_account: "/nonexistent".into() };
    let target = Kubeconfig::load(overrides, &environment).unwrap().target().unwrap();
    Client::new(target, Terminal::Ours).unwrap()
}

fn at(path: &Path, context: &str) -> Overrides {
    Overrides { kubeconfig: Some(path.into()), context: Some(context.into()), ..Overrides::default() }
}

/// Sends a request as it is and reads the whole answer.
pub(crate) async fn ask(
    client: &Client,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = client.send(request.body(Body::from(body.as_bytes().to_vec())).unwrap());
    let answer = tokio::time::timeout(PATIENCE, answer).await.expect("an answer").unwrap();
    let (parts, body) = answer.into_parts();
    let body = if parts.status == 101 { Bytes::new() } else { body.collect().await.unwrap().to_bytes() };
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

impl World {
    /// A demo of its own.
    pub(crate) async fn demo() -> Self {
        let demo =
            kdisco::demo::start(Options { clock: Clock::Stepped, ..Options::default() }).await.unwrap();
        let path = demo.kubeconfig().to_owned();
        let stranger = Overrides { token: Some("nobody".into()), ..at(&path, "demo") };
        Self {
            namespace: "default".to_owned(),
            admin: client(&at(&path, "demo")),
            viewer: client(&at(&path, "demo-viewer")),
            viewer_name: "demo-viewer".to_owned(),
            stranger: client(&stranger),
            contexts: [(path.clone(), "demo".to_owned()), (path, "demo-viewer".to_owned())],
            demo: Some(demo),
            files: None,
        }
    }

    /// A namespace of its own in the cluster of a kubeconfig, with the tutorial in it, all ready.
    pub(crate) async fn real(kubeconfig: &Path) -> Result<Self, String> {
        let environment = Environment { variables: [].into(), service_account: "/nonexistent".into() };
        let overrides = Overrides { kubeconfig: Some(kubeconfig.into()), ..Overrides::default() };
        let target = Kubeconfig::load(&overrides, &environment)
            .and_then(|kubeconfig| kubeconfig.target())
            .map_err(|error| error.to_string())?;
        let context = target.context.clone();
        let admin = Client::new(target, Terminal::Ours).map_err(|error| error.to_string())?;
        admin.server_version().await.map_err(|error| error.to_string())?;
        let namespace = format!("kdisco-contract-{}", std::process::id());
        apply(&admin, &namespace).await?;
        let token = token_of(&admin, &namespace, "viewer").await?;
        let files = tempfile::tempdir().map_err(|error| error.to_string())?;
        let plain = kubeconfig_of(kubeconfig, &context, &namespace, &token)?;
        let viewer_path = files.path().join("kubeconfig");
        std::fs::write(&viewer_path, plain.to_string()).map_err(|error| error.to_string())?;
        let world = Self {
            viewer: client(&at(&viewer_path, "viewer")),
            viewer_name: format!("system:serviceaccount:{namespace}:viewer"),
            stranger: client(&at(&viewer_path, "stranger")),
            contexts: [(kubeconfig.into(), context), (viewer_path, "viewer".to_owned())],
            namespace,
            admin,
            demo: None,
            files: Some(files),
        };
        // A check that panics would leave the namespace behind.
        let settled = AssertUnwindSafe(world.settled()).catch_unwind().await.is_ok();
        if settled {
            return Ok(world);
        }
        world.remove().await;
        Err("the tutorial does not get ready in that cluster".to_owned())
    }

    /// Deletes everything that was made in a real cluster.
    pub(crate) async fn remove(self) {
        if self.demo.is_none() {
            let path = format!("/api/v1/namespaces/{}", self.namespace);
            ask(&self.admin, "DELETE", &path, &[], "").await;
        }
    }

    /// A path below the tutorial's namespace in the core group.
    pub(crate) fn core(&self, rest: &str) -> String {
        format!("/api/v1/namespaces/{}/{rest}", self.namespace)
    }

    /// Lets the demo's time pass; a real cluster's passes by itself.
    pub(crate) fn step(&self, seconds: u64) {
        if let Some(demo) = &self.demo {
            demo.step(Duration::from_secs(seconds));
        }
    }

    /// A live picture of the tutorial's namespace with its pods.
    pub(crate) fn connect(&self) -> Connection {
        let start = Start {
            epoch: 1,
            scope: NamespaceScope::one(self.namespace.as_str()),
            known: BTreeSet::new(),
            clock: || Timestamp::UNIX_EPOCH,
            timing: Timing { publish: Duration::from_millis(1), ..Timing::default() },
        };
        let connection = Connection::start(self.admin.clone(), start);
        connection.set_pod_demand(BTreeSet::from([Some(self.namespace.as_str().into())]));
        connection
    }

    /// Waits until everything is as it is to be: three of three, one of one, one of two.
    pub(crate) async fn settled(&self) -> Arc<ClusterSnapshot> {
        let connection = self.connect();
        until(&connection, "the tutorial is ready", |snapshot| {
            [("my-app", 3, 3), ("mysql", 1, 1), ("cache", 1, 2)].iter().all(|(name, ready, total)| {
                snapshot
                    .services
                    .iter()
                    .any(|one| &*one.key().name == *name && (one.ready, one.total) == (*ready, *total))
            }) && snapshot.pods_in(&self.namespace).iter().filter(|pod| self.is_app(&pod.key.name)).count()
                == 3
        })
        .await
    }

    /// Has the API server forget all revisions so far: the demo compacts, a real server needs a command for that
    /// (`KDISCO_CONTRACT_FORGET`). Whether it has.
    pub(crate) async fn forget(&self) -> bool {
        if let Some(demo) = &self.demo {
            demo.compact();
            return true;
        }
        let Ok(command) = std::env::var("KDISCO_CONTRACT_FORGET") else { return false };
        let mut shell = tokio::process::Command::new("sh");
        shell.args(["-c", &command]).current_dir(env!("CARGO_MANIFEST_DIR"));
        let status = tokio::time::timeout(PATIENCE, shell.status()).await.expect("it forgets").unwrap();
        assert!(status.success(), "{command}: {status}");
        true
    }

    fn is_app(&self, name: &str) -> bool {
        name.starts_with("my-app-")
    }

    /// A pod behind `my-app` that lives.
    pub(crate) async fn pod(&self) -> String {
        let snapshot = self.settled().await;
        let pods = snapshot.pods_in(&self.namespace);
        let pod = pods.iter().find(|pod| self.is_app(&pod.key.name)).expect("a pod of my-app");
        pod.key.name.to_string()
    }
}

/// Waits for a snapshot.
pub(crate) async fn until(
    connection: &Connection,
    what: &str,
    wanted: impl FnMut(&Arc<ClusterSnapshot>) -> bool,
) -> Arc<ClusterSnapshot> {
    let mut snapshots = connection.snapshots();
    if let Ok(snapshot) = tokio::time::timeout(PATIENCE, snapshots.wait_for(wanted)).await {
        return snapshot.unwrap().clone();
    }
    let last = connection.snapshots().borrow().clone();
    let services: Vec<String> =
        last.services.iter().map(|one| format!("{} {}/{}", one.key(), one.ready, one.total)).collect();
    let pods: Vec<String> =
        last.pods.values().flat_map(|pods| pods.iter()).map(|pod| pod.key.to_string()).collect();
    panic!("never seen: {what}; last: {services:?} {pods:?} {:?}", last.loads);
}

async fn create(admin: &Client, path: &str, object: &Value) -> Result<Value, String> {
    let headers = [("content-type", "application/json")];
    let answer = ask(admin, "POST", path, &headers, &object.to_string()).await;
    if answer.status == 201 {
        return Ok(answer.json());
    }
    Err(format!("cannot make {} at {path}: {}", object["kind"], String::from_utf8_lossy(&answer.body)))
}

/// A token of a ServiceAccount.
async fn token_of(admin: &Client, namespace: &str, account: &str) -> Result<String, String> {
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": null}});
    let token = create(admin, &path, &request).await?;
    Ok(token["status"]["token"].as_str().ok_or("no token")?.to_owned())
}

/// Makes the namespace and the tutorial in it.
async fn apply(admin: &Client, namespace: &str) -> Result<(), String> {
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    create(admin, "/api/v1/namespaces", &object).await?;
    let image = std::env::var("KDISCO_CONTRACT_IMAGE").unwrap_or_else(|_| "busybox:1.37".to_owned());
    let text = include_str!("world.yaml").replace("{ns}", namespace).replace("{image}", &image);
    let objects: Vec<Value> = serde_saphyr::from_str(&text).map_err(|error| error.to_string())?;
    for object in objects {
        let version = object["apiVersion"].as_str().unwrap_or_default();
        let base = if version == "v1" { "/api/v1".to_owned() } else { format!("/apis/{version}") };
        let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
        create(admin, &format!("{base}/namespaces/{namespace}/{kind}s"), &object).await?;
    }
    Ok(())
}

/// The same cluster for users with tokens: `viewer`, and `stranger` whose token is none.
fn kubeconfig_of(path: &Path, context: &str, namespace: &str, token: &str) -> Result<Value, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let whole: Value = serde_saphyr::from_str(&text).map_err(|error| error.to_string())?;
    let named = |list: &str, name: &str| {
        let all = whole[list].as_array().into_iter().flatten();
        all.into_iter().find(|one| one["name"] == name).cloned().unwrap_or_default()
    };
    let cluster = named("contexts", context)["context"]["cluster"].as_str().unwrap_or_default().to_owned();
    let user = |name: &str| json!({"name": name, "context": {"cluster": cluster, "user": name, "namespace": namespace}});
    Ok(json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "viewer",
        "clusters": [named("clusters", &cluster)],
        "contexts": [user("viewer"), user("stranger")],
        "users": [{"name": "viewer", "user": {"token": token}}, {"name": "stranger", "user": {"token": "nobody"}}],
    }))
}

impl World {
    /// Runs the binary as the admin; its exit code and what it printed.
    pub(crate) async fn kdisco(&self, arguments: &[&str]) -> (i32, String) {
        self.run(0, arguments).await
    }

    /// The same as the viewer.
    pub(crate) async fn kdisco_as_viewer(&self, arguments: &[&str]) -> (i32, String) {
        self.run(1, arguments).await
    }

    async fn run(&self, who: usize, arguments: &[&str]) -> (i32, String) {
        let (path, context) = &self.contexts[who];
        self.kdisco_with(path, context, arguments).await
    }

    /// A kubeconfig for a ServiceAccount of the tutorial's namespace; its context is `user`, in `default`.
    pub(crate) async fn kubeconfig_for(&self, account: &str) -> PathBuf {
        let token = token_of(&self.admin, &self.namespace, account).await.unwrap();
        let (path, context) = &self.contexts[0];
        let mut whole = kubeconfig_of(path, context, "default", &token).unwrap();
        whole["contexts"][0]["name"] = "user".into();
        whole["contexts"][0]["context"]["user"] = account.into();
        whole["users"][0]["name"] = account.into();
        let folder = self.files.as_ref().expect("a real cluster").path();
        let path = folder.join(format!("{account}.kubeconfig"));
        std::fs::write(&path, whole.to_string()).unwrap();
        path
    }

    /// The same with a kubeconfig and a context.
    pub(crate) async fn kdisco_with(&self, path: &Path, context: &str, arguments: &[&str]) -> (i32, String) {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_kdisco"));
        command.args(arguments).arg("--kubeconfig").arg(path).args([
            "--context",
            context,
            "-n",
            &self.namespace,
        ]);
        command.env_remove("KUBECONFIG").env_remove("KDISCO_CONFIG").env("XDG_CONFIG_HOME", "/nonexistent");
        let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends").unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if text.is_empty() {
            return (
                output.status.code().unwrap_or(-1),
                String::from_utf8_lossy(&output.stderr).into_owned(),
            );
        }
        (output.status.code().unwrap_or(-1), text)
    }
}
