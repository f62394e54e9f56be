//! What the API server answers, word for word: the demo and a real cluster against the same recordings.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use http_body_util::BodyExt as _;
use kube::client::Body;
use regex::Regex;
use serde_json::Value;

use super::probes::{self, Probe, Who};
use super::world::{PATIENCE, World, ask};

/// Headers that clients decide by.
const HEADERS: [&str; 10] = [
    "allow",
    "cache-control",
    "content-type",
    "location",
    "retry-after",
    "connection",
    "upgrade",
    "sec-websocket-protocol",
    "x-stream-protocol-version",
    "x-content-type-options",
];

pub(crate) async fn discovery(world: &World) {
    compare(world, "discovery", probes::DISCOVERY).await;
}

pub(crate) async fn lists_and_watches(world: &World) {
    compare(world, "lists", probes::LISTS).await;
}

pub(crate) async fn refusals(world: &World) {
    compare(world, "refusals", probes::REFUSALS).await;
}

pub(crate) async fn refusals_of_rights(world: &World) {
    compare(world, "rights", probes::RIGHTS).await;
}

pub(crate) async fn writes(world: &World) {
    compare(world, "writes", probes::WRITES).await;
    world.settled().await;
}

pub(crate) async fn upgrades(world: &World) {
    compare(world, "upgrades", probes::UPGRADES).await;
}

pub(crate) async fn proxied(world: &World) {
    compare(world, "proxy", probes::PROXY).await;
}

/// Where the recordings are.
fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/contract/answers").join(name)
}

/// Whether a real cluster is to write the recordings.
fn updating(world: &World) -> bool {
    world.demo.is_none() && std::env::var_os("KDISCO_CONTRACT_UPDATE").is_some()
}

/// Asks everything and holds the answers against the recording.
async fn compare(world: &World, group: &str, probes: &[Probe]) {
    let pod = world.pod().await;
    let cleaner = Cleaner::new(world, &pod);
    let mut said = String::new();
    for probe in probes {
        let answer = tell(world, &cleaner, &pod, probe).await;
        let forgotten = probe.events.is_some() && probe.path.ends_with("resourceVersion=1");
        if forgotten && world.demo.is_none() && !answer.contains("ERROR") {
            // A young server has forgotten nothing yet.
            continue;
        }
        let _ = writeln!(said, "=== {} {} {}", probe.who.name(), probe.method, probe.path);
        for (name, value) in probe.headers {
            let _ = writeln!(said, "> {name}: {value}");
        }
        if !probe.body.is_empty() {
            let _ = writeln!(said, "> {}", probe.body);
        }
        said.push_str(&answer);
    }
    let path = file(&format!("{group}.txt"));
    if updating(world) {
        std::fs::write(&path, said).unwrap();
        return;
    }
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    let differences = differences(&recorded, &said);
    assert!(
        differences.is_empty(),
        "{} differs (- recorded of a real cluster, + here):\n{differences}",
        path.display()
    );
}

/// The blocks that differ.
fn differences(recorded: &str, said: &str) -> String {
    let blocks = |text: &str| -> Vec<String> { text.split("=== ").skip(1).map(str::to_owned).collect() };
    let (recorded, said) = (blocks(recorded), blocks(said));
    let mut out = String::new();
    for block in &said {
        let head = |text: &str| {
            text.lines().take_while(|line| !line.starts_with("< ")).collect::<Vec<_>>().join("\n")
        };
        let was = recorded.iter().find(|one| head(one) == head(block));
        if was == Some(block) {
            continue;
        }
        let _ = writeln!(out, "=== {}", head(block));
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let (was, now) = (was.map(|text| lines(text)).unwrap_or_default(), lines(block));
        for line in was.iter().filter(|line| !now.contains(line)) {
            let _ = writeln!(out, "- {line}");
        }
        for line in now.iter().filter(|line| !was.contains(line)) {
            let _ = writeln!(out, "+ {line}");
        }
    }
    out
}

async fn tell(world: &World, cleaner: &Cleaner, pod: &str, probe: &Probe) -> String {
    let client = match probe.who {
        Who::Admin => &world.admin,
        Who::Viewer => &world.viewer,
        Who::Stranger => &world.stranger,
    };
    let fill = |text: &str| text.replace("{ns}", &world.namespace).replace("{pod}", pod);
    let (path, body) = (fill(probe.path), fill(probe.body));
    if let Some(events) = probe.events {
        return cleaner.watch(client, &path, events).await;
    }
    let mut headers = probe.headers.to_vec();
    if matches!(probe.who, Who::Stranger) && world.demo.is_some() {
        // kdisco, as kubectl, gives no token away over plain HTTP.
        headers.push(("authorization", "Bearer nobody"));
    }
    let answer = ask(client, probe.method, &path, &headers, &body).await;
    let mut out = format!("< {}\n", answer.status);
    // What a pod answered through the API server has the type that the pod gave it.
    let of_pod = answer.status == 200 && path.contains("/proxy");
    for name in HEADERS.iter().filter(|name| !of_pod || **name != "content-type") {
        if let Some(value) = answer.headers.get(*name).and_then(|value| value.to_str().ok()) {
            let _ = writeln!(out, "< {name}: {}", cleaner.text(value));
        }
    }
    match serde_json::from_slice::<Value>(&answer.body) {
        Ok(value) => out.push_str(&cleaner.json(value)),
        Err(_) => out.push_str(cleaner.text(&String::from_utf8_lossy(&answer.body)).trim_end()),
    }
    out.push('\n');
    out
}

/// Takes out of answers what differs from cluster to cluster.
struct Cleaner {
    namespace: String,
    viewer: String,
    rules: Vec<(Regex, &'static str)>,
}

impl Cleaner {
    fn new(world: &World, pod: &str) -> Self {
        let rule = |pattern: &str, with| (Regex::new(pattern).unwrap(), with);
        let quoted = regex::escape(pod);
        Self {
            namespace: world.namespace.clone(),
            viewer: world.viewer_name.clone(),
            rules: vec![
                rule(&quoted, "{pod}"),
                rule("my-app-[0-9a-z]{6,10}-[0-9a-z]{5}", "{pod}"),
                rule("[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", "{uid}"),
                rule("[0-9a-f]{64}", "{sandbox}"),
                rule(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z", "{time}"),
                rule(r"(version: [0-9]+) \([0-9]+\)", "$1 ({version})"),
                rule(r"current: [0-9]+", "current: {version}"),
                rule(r#""serverAddress": "[^"]*""#, "\"serverAddress\": \"{server}\""),
                rule(r"(10|198|192|172)\.[0-9]+\.[0-9]+\.[0-9]+", "{ip}"),
                // What is bound to whom has other names here and there.
                rule(r#"RoleBinding \\"[^/]*/(.*) to .*""#, r#"RoleBinding \"{binding}/$1 to {subject}""#),
                // What is served besides JSON is no matter.
                rule("(Available representations: application/json).*\"", "$1{…}\""),
            ],
        }
    }

    fn text(&self, text: &str) -> String {
        let mut out = text.to_owned();
        // The viewer's name of the demo is also that of what is bound to it.
        out = out.replace(&format!("\\\"{}\\\"", self.viewer), "\\\"{viewer}\\\"");
        out = out.replace(&format!("\"{}\"", self.viewer), "\"{viewer}\"");
        for (rule, with) in &self.rules {
            out = rule.replace_all(&out, *with).into_owned();
        }
        for (before, after) in [("/", "/"), ("\"", "\""), ("/", "\""), ("/", "\\"), ("\\\"", "\\\"")] {
            out =
                out.replace(&format!("{before}{}{after}", self.namespace), &format!("{before}{{ns}}{after}"));
        }
        out
    }

    /// An answer of JSON; objects of the cluster by kind and name alone, everything else whole.
    fn json(&self, mut value: Value) -> String {
        shorten(&mut value);
        value.sort_all_objects();
        self.text(&serde_json::to_string_pretty(&value).unwrap())
    }

    /// The first events of a watch.
    async fn watch(&self, client: &kdisco::cluster::client::Client, path: &str, events: usize) -> String {
        let request = http::Request::get(path).body(Body::empty()).unwrap();
        let answer = client.send(request).await.unwrap();
        let mut out = format!("< {}\n", answer.status().as_u16());
        for name in HEADERS {
            if let Some(value) = answer.headers().get(name).and_then(|value| value.to_str().ok()) {
                let _ = writeln!(out, "< {name}: {value}");
            }
        }
        let (mut body, mut waiting, mut seen) = (answer.into_body(), Vec::new(), 0);
        while seen < events {
            let Some(end) = waiting.iter().position(|byte| *byte == b'\n') else {
                let frame = tokio::time::timeout(PATIENCE, body.frame()).await.expect("an event");
                match frame {
                    Some(frame) => waiting.extend_from_slice(&frame.unwrap().into_data().unwrap_or_default()),
                    None => break,
                }
                continue;
            };
            let line: Vec<u8> = waiting.drain(..=end).collect();
            let event = serde_json::from_slice(&line).unwrap();
            out.push_str(&self.json(event));
            out.push('\n');
            seen += 1;
        }
        if seen < events {
            out.push_str("(the end)\n");
        }
        out
    }
}

/// Leaves of an object what is the same in every cluster.
fn shorten(value: &mut Value) {
    if let Some(object) = value.as_object_mut() {
        let is_object = object.get("metadata").is_some_and(|metadata| metadata.get("uid").is_some());
        if is_object {
            object.retain(|key, _| ["kind", "apiVersion", "metadata"].contains(&key.as_str()));
        }
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            if is_object {
                metadata.retain(|key, _| ["name", "namespace", "resourceVersion"].contains(&key.as_str()));
            }
            metadata.remove("managedFields");
            for key in ["resourceVersion", "continue", "remainingItemCount", "creationTimestamp"] {
                if let Some(one) = metadata.get_mut(key)
                    && !one.is_null()
                    && one.as_str() != Some("")
                {
                    *one = format!("{{{key}}}").into();
                }
            }
        }
        for (key, one) in object.iter_mut() {
            if ["gitVersion", "gitCommit", "buildDate", "goVersion", "gitTreeState"].contains(&key.as_str()) {
                *one = "{}".into();
            }
            shorten(one);
            // A real server tells some causes twice.
            if let ("causes", Some(list)) = (key.as_str(), one.as_array_mut()) {
                list.dedup();
            }
        }
    }
    if let Some(list) = value.as_array_mut() {
        list.iter_mut().for_each(shorten);
    }
}

/// Every field that the demo's objects have is one that a real object has, of the same type.
pub(crate) async fn fields(world: &World) {
    let app = format!("/api/v1/namespaces/{}", world.namespace);
    let slices = format!("/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices", world.namespace);
    let lists = [
        ("Service", format!("{app}/services")),
        ("Pod", format!("{app}/pods")),
        ("EndpointSlice", slices),
        ("ConfigMap", format!("{app}/configmaps")),
        ("Namespace", "/api/v1/namespaces".to_owned()),
        ("Node", "/api/v1/nodes".to_owned()),
        ("Deployment", format!("/apis/apps/v1/namespaces/{}/deployments", world.namespace)),
        ("StatefulSet", format!("/apis/apps/v1/namespaces/{}/statefulsets", world.namespace)),
        ("ReplicaSet", format!("/apis/apps/v1/namespaces/{}/replicasets", world.namespace)),
    ];
    world.settled().await;
    let mut all = BTreeSet::new();
    for (kind, path) in &lists {
        let list = ask(&world.admin, "GET", path, &[], "").await.json();
        for item in list["items"].as_array().unwrap() {
            paths(kind, item, &mut all);
        }
    }
    let path = file("fields.txt");
    if updating(world) {
        let text: Vec<String> = all.into_iter().collect();
        return std::fs::write(path, text.join("\n") + "\n").unwrap();
    }
    let recorded = std::fs::read_to_string(path).unwrap();
    let recorded: BTreeSet<String> = recorded.lines().map(str::to_owned).collect();
    let known: Vec<&String> = all.intersection(&recorded).collect();
    assert!(known.len() > 100, "only {} fields are known", known.len());
    if world.demo.is_some() {
        // What the recorded cluster had none of: nodes with pods' addresses of their own, and containers that died.
        let absent = ["Node.spec.podCIDR", "Pod.status.containerStatuses[].lastState.terminated."];
        let invented: Vec<&String> = all
            .difference(&recorded)
            .filter(|field| !absent.iter().any(|known| field.starts_with(known)))
            .collect();
        assert!(invented.is_empty(), "no real object has these: {invented:#?}");
    }
}

/// Adds the path of every field with its type; what keys anybody chooses counts as one.
fn paths(at: &str, value: &Value, all: &mut BTreeSet<String>) {
    const CHOSEN: [&str; 7] =
        ["labels", "annotations", "selector", "matchLabels", "data", "stringData", "nodeSelector"];
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(list) => {
            for one in list {
                paths(&format!("{at}[]"), one, all);
            }
            return;
        }
        Value::Object(object) => {
            for (key, one) in object {
                if key == "managedFields" || key.starts_with("kdisco-") {
                    continue;
                }
                if CHOSEN.contains(&key.as_str()) && one.is_object() {
                    let inner = if key == "selector" && one.get("matchLabels").is_some() {
                        "selector.matchLabels"
                    } else {
                        key
                    };
                    all.insert(format!("{at}.{inner} map"));
                } else {
                    paths(&format!("{at}.{key}"), one, all);
                }
            }
            return;
        }
    };
    all.insert(format!("{at} {kind}"));
}
