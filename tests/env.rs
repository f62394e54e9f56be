//! `kdisco env` beyond a list, and `kdisco restart`, as the program runs against the demo cluster.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use kdisco::demo::{Clock, Demo, Failure, Options, Scope, start};
use kdisco::session::registry::{Entry, Registry, Target, directory};
use serde_json::Value;

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/shop.json");

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {} {}", self.out, self.err))
    }
}

/// The program in a home of its own.
async fn run(home: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kdisco"));
    command.args(arguments).env_clear().env("HOME", home).env("LANG", "C.UTF-8").stdin(Stdio::null());
    command.env("XDG_CONFIG_HOME", home.join("config")).env("XDG_RUNTIME_DIR", home);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let ran = Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    ran
}

struct World {
    demo: Demo,
    home: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let demo = start(Options { clock: Clock::Stepped, ..Options::default() }).await.unwrap();
        Self { demo, home: tempfile::tempdir().unwrap() }
    }

    async fn run(&self, arguments: &[&str]) -> Ran {
        let kubeconfig = self.demo.kubeconfig().to_str().unwrap();
        run(self.home.path(), &[&["--kubeconfig", kubeconfig], arguments].concat()).await
    }
}

fn variable<'a>(item: &'a Value, name: &str) -> &'a Value {
    let all = item["variables"].as_array().unwrap();
    all.iter().find(|v| v["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn predictions_are_what_the_containers_have() {
    let world = World::new().await;
    for namespace in ["default", "shop", "monitoring", "kube-system"] {
        let ran = world.run(&["env", "-n", namespace, "--verify", "--show-secrets", "-o", "json"]).await;
        for item in ran.json()["items"].as_array().unwrap() {
            let who = format!("{} {}", item["pod"], item["container"]);
            if item["verifyError"].is_string() {
                assert!(
                    item["state"] != "running" || namespace == "kube-system",
                    "{who}: {}",
                    item["verifyError"]
                );
                continue;
            }
            assert_eq!(item["verifiedBy"], "exec env", "{who}");
            for v in item["variables"].as_array().unwrap() {
                let wrong = matches!(v["verified"].as_str().unwrap(), "different" | "missing");
                assert!(!wrong || v["status"] != "present", "{who}: {v}");
            }
            assert_eq!(variable(item, "PATH")["verified"], "unpredicted");
            assert_eq!(variable(item, "HOSTNAME")["verified"], "equal", "{who}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stale_and_what_is_secret_is_told() {
    let world = World::new().await;
    let ran = world.run(&["env", "-n", "shop", "--verify", "-o", "json"]).await;
    let list = ran.json();
    let cart =
        list["items"].as_array().unwrap().iter().find(|item| {
            item["pod"].as_str().unwrap().starts_with("cart-") && item["verifiedBy"].is_string()
        });
    let port = variable(cart.unwrap(), "CHECKOUT_SERVICE_PORT_GRPC");
    // The Service was changed after the start: the container has the port from before, as the reason says.
    assert_eq!((&port["status"], &port["value"]), (&"stale".into(), &"9090".into()), "{port}");
    assert_eq!((&port["verified"], &port["actual"]), (&"different".into(), &"50051".into()), "{port}");
    let ran = world.run(&["env", "my-app-7c5ddbdf54-x2k9p", "--verify", "-o", "json"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let item = &ran.json()["items"][0];
    let password = variable(item, "DB_PASSWORD");
    assert_eq!(password["actual"], Value::Null);
    assert_eq!((&password["actualHidden"], &password["verified"]), (&true.into(), &"unverifiable".into()));
    assert!(!ran.out.contains("s3cr3t-demo") && !ran.err.contains("s3cr3t-demo"));
    assert_eq!(variable(item, "GREETING")["verified"], "equal");
    assert!(item["bytes"].as_u64() > item["serviceBytes"].as_u64());
    assert_eq!(item["bytesLimit"], 2 << 20);

    let table = world.run(&["env", "my-app-7c5ddbdf54-x2k9p", "--verify"]).await;
    assert!(table.out.starts_with("POD "), "{}", table.out);
    assert!(table.out.contains(" VERIFIED ") && table.out.contains(" <hidden>"), "{}", table.out);
    // What is absent as predicted has no value in the container either.
    let absent = table.out.lines().find(|line| line.contains(" REPORTS_SERVICE_HOST ")).unwrap();
    assert!(absent.contains(" absent ") && absent.split_whitespace().last() == Some("<none>"), "{absent}");
    assert!(table.err.contains(" equal, ") && table.err.contains("(exec env)"), "{}", table.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_without_tools_is_said_to_be_so() {
    let world = World::new().await;
    let ran =
        world.run(&["env", "-n", "kube-system", "-l", "k8s-app=kube-dns", "--verify", "-o", "json"]).await;
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    let list = ran.json();
    let error = list["items"][0]["verifyError"].as_str().unwrap();
    assert!(error.contains("neither env nor cat"), "{error}");
    assert!(ran.err.contains("kubectl debug"), "{}", ran.err);
    world
        .demo
        .faults()
        .always(Scope { resource: Some("pods/exec".into()), ..Scope::default() }, Failure::Forbidden);
    let ran = world.run(&["env", "mysql-0", "--verify", "-o", "json"]).await;
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert!(ran.err.contains("get pods/exec in default, and create pods/exec in default"), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_forwards_are_found_and_what_has_none_is_told() {
    let world = World::new().await;
    let (runtime, pod) = (world.home.path().to_owned(), "my-app-7c5ddbdf54-k7w5d");
    let place = directory(|name| (name == "XDG_RUNTIME_DIR").then(|| runtime.clone().into())).unwrap();
    let registry = Registry::open(&place).unwrap();
    let entry = |server: String, name: &str, port: u16, local: &str| Entry {
        server,
        context: "demo".into(),
        namespace: "default".into(),
        kind: Target::Service,
        name: name.into(),
        port,
        local: local.parse().unwrap(),
    };
    let server = world.demo.server();
    registry
        .publish(&[
            entry(server, "mysql", 3306, "127.0.0.1:13306"),
            entry("https://another:6443/".into(), "reports", 8080, "127.0.0.1:1"),
            Entry { kind: Target::Pod, ..entry(world.demo.server(), "cache-0", 6379, "0.0.0.0:2") },
            Entry { kind: Target::Pod, ..entry(world.demo.server(), pod, 80, "0.0.0.0:18080") },
        ])
        .unwrap();
    let ran = world.run(&["env", pod, "--local", "-o", "dotenv"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("\nMYSQL_PORT_3306_TCP=tcp://127.0.0.1:13306\n"), "{}", ran.out);
    assert!(ran.out.contains("\nMY_APP_PORT=tcp://127.0.0.1:18080\n"), "by a pod behind it: {}", ran.out);
    assert!(!ran.out.contains("127.0.0.1:1\n"), "that is another cluster's: {}", ran.out);
    assert!(ran.err.contains("no forward to Service default/reports port 8080 runs"), "{}", ran.err);
    assert!(ran.err.contains("kdisco forward -n default svc/reports 8080"), "{}", ran.err);
    let ran = world.run(&["env", pod, "--forward", "reports=localhost:9999", "-o", "json"]).await;
    let list = ran.json();
    assert_eq!(variable(&list["items"][0], "REPORTS_SERVICE_PORT")["local"], "9999");
    assert_eq!(variable(&list["items"][0], "REPORTS_SERVICE_PORT")["value"], "8080");
    drop(registry);
    let ran = world.run(&["env", pod, "--local", "-o", "dotenv"]).await;
    assert!(!ran.out.contains("13306"), "{}", ran.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_names_everything_and_asks_first() {
    let world = World::new().await;
    let pods = async || world.run(&["env", "-o", "name"]).await.out;
    let before = pods().await;
    let client = before.lines().find(|line| line.starts_with("pod/client-")).unwrap().to_owned();
    let ran = world.run(&["restart", "mysql"]).await;
    assert_eq!(ran.code, Some(2), "{} {}", ran.out, ran.err);
    assert!(ran.out.contains("restart Deployment default/client: its 1 pod is replaced"), "{}", ran.out);
    assert!(ran.err.contains("nobody can be asked"), "{}", ran.err);
    let ran = world.run(&["restart", "mysql", "--yes", "--read-only"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{}", ran.err);
    assert!(ran.err.contains("switched off") && ran.err.contains("--read-only"), "{}", ran.err);
    let ran = world.run(&["restart", "mysql", "--dry-run=server"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("Deployment default/client restarted (server dry run)"), "{}", ran.out);
    world.demo.step(Duration::from_secs(60));
    assert_eq!(pods().await, before, "nothing was changed");
    let ran = world.run(&["restart", "mysql", "--yes"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("\nDeployment default/client restarted\n"), "{}", ran.out);
    world.demo.step(Duration::from_secs(60));
    assert!(!pods().await.contains(&client));
    let ran = world.run(&["restart", "mysql", "--yes"]).await;
    assert!(ran.out.contains("no running container surely lacks its variables"), "{}", ran.out);
    assert_eq!(world.run(&["restart", "nope", "--yes"]).await.code, Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_for_other_programs() {
    let home = tempfile::tempdir().unwrap();
    let shop = async |arguments: &[&str]| {
        run(home.path(), &[&["--objects", SHOP, "-n", "shop"], arguments].concat()).await
    };
    let ran = shop(&["env", "web-1", "-o", "shell"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("export WEB_SERVICE_HOST='10.96.0.10'\n"), "{}", ran.out);
    assert!(!ran.out.contains("hunter2"));
    assert!(ran.err.contains("1 variable is left out") && ran.err.contains("TOKEN"), "{}", ran.err);
    let ran = shop(&["env", "web-1", "-o", "docker", "--show-secrets"]).await;
    assert!(ran.out.contains("TOKEN=hunter2\n"), "{}", ran.out);
    let ran = shop(&["env", "web-1", "-o", "dotenv", "--forward", "web:http=127.0.0.1:8080"]).await;
    assert!(ran.out.contains("WEB_PORT=tcp://127.0.0.1:8080\n"), "{} {}", ran.out, ran.err);
    let ran = shop(&["env", "-o", "shell"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{}", ran.err);
    for wrong in ["web", "web=x", "web=127.0.0.1:0", "nope=127.0.0.1:1", "web:81=127.0.0.1:1"] {
        let ran = shop(&["env", "web-1", "-o", "shell", "--forward", wrong]).await;
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{wrong}: {}", ran.err);
    }
    for wrong in [&["--verify"][..], &["--verify", "-o", "shell"], &["--watch", "-o", "shell"]] {
        assert_eq!(shop(&[&["env", "web-1"], wrong].concat()).await.code, Some(2), "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_of_several_containers_needs_one_named() {
    let world = World::new().await;
    let names = world.run(&["env", "-n", "shop", "-o", "name"]).await.out;
    let pod = names.lines().find(|line| line.starts_with("pod/frontend-")).unwrap();
    let ran = world.run(&["env", "-n", "shop", pod, "-o", "shell"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    let name = pod.strip_prefix("pod/").unwrap();
    let words = format!("a container name must be specified for pod {name}, choose one of: [web proxy]");
    assert!(ran.err.contains(&words), "{}", ran.err);
    let ran = world.run(&["env", "-n", "shop", pod, "-c", "proxy", "-o", "shell"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("export FRONTEND_SERVICE_HOST="), "{}", ran.out);
    let ran = world.run(&["env", "-n", "shop", pod, "-c", "nope", "-o", "shell"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{}", ran.err);
}
