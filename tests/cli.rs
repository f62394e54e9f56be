//! The program as it is run: outputs, exit codes, and what happens when files, clusters or pipes are broken.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/shop.json");

/// The program in a home of its own: no kubeconfig, no configuration, nothing of whoever runs the tests.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kdisco"));
        command.args(arguments).env_clear().env("HOME", self.0.path()).env("LANG", "C.UTF-8");
        command.env("XDG_CONFIG_HOME", self.path("config")).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }
}

#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let ran = Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        ran
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

fn shop(arguments: &[&str]) -> Ran {
    let file = ["--objects", SHOP, "--now", "2026-01-11T00:00:00Z"];
    Home::new().run(&[&file, arguments].concat())
}

/// What went well, and nothing told besides.
fn printed(arguments: &[&str]) -> String {
    let ran = shop(arguments);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{arguments:?}");
    ran.out
}

/// A failure in the form of three lines: what, why, what to do.
fn failed(ran: &Ran, code: i32) -> Vec<&str> {
    assert_eq!((ran.code, ran.out.as_str()), (Some(code), ""), "{ran:?}");
    let lines: Vec<&str> = ran.err.lines().collect();
    assert!(lines[0].starts_with("error: "), "{ran:?}");
    assert!(lines[1..].iter().all(|l| l.starts_with("  ")), "{ran:?}");
    lines
}

#[test]
fn services_as_kubectl_prints_them_and_their_endpoints() {
    assert_eq!(
        printed(&["services", "-n", "shop", "-o", "wide"]),
        "\
NAME   TYPE           CLUSTER-IP   EXTERNAL-IP             PORT(S)        AGE   SELECTOR   ENDPOINTS
db     ClusterIP      None         <none>                  5432/TCP       10d   app=db     0/0
evil   ExternalName   <none>       evil\u{fffd}[31m.example.com   <none>         10d   <none>     0/0
web    NodePort       10.96.0.10   <none>                  80:30080/TCP   10d   app=web    1/2
"
    );
    assert_eq!(
        printed(&["svc", "-A", "--no-headers", "kubernetes"]),
        "default   kubernetes   ClusterIP   10.96.0.1   <none>   443/TCP   10d   1/1\n"
    );
    assert_eq!(printed(&["svc", "-l", "tier in (back)", "-o", "name"]), "service/db\nservice/evil\n");
}

#[test]
fn endpoints_records_and_environments() {
    assert_eq!(
        printed(&["endpoints", "svc/web", "-n", "shop"]),
        "\
SERVICE   ADDRESS       STATE       PORTS      TARGET      NODE     ZONE
web       10.244.0.11   ready       8080/TCP   pod/web-1   node-1   zone-a
web       10.244.0.12   not-ready   8080/TCP   pod/web-2   node-1   <none>
"
    );
    assert_eq!(
        printed(&["dns", "shop/web", "--no-headers"]).lines().next(),
        Some("web.shop.svc.cluster.local.               30    A     10.96.0.10")
    );
    let env = printed(&["env", "web-1", "-n", "shop"]);
    assert!(env.contains("\nweb-1   main        WEB_SERVICE_HOST                10.96.0.10 "), "{env}");
    assert!(env.contains(" TOKEN                           <unreadable>  "), "{env}");
    assert!(!env.contains("hunter2"), "{env}");
    assert!(printed(&["env", "web-1", "-n", "shop", "--show-secrets"]).contains(" hunter2 "));
    assert_eq!(printed(&["env", "-o", "name"]), "pod/web-1\npod/web-2\n");
}

#[test]
fn names_are_resolved_as_pods_would_from_a_saved_file() {
    let items = |arguments: &[&str]| shop(&[arguments, &["-o", "json"]].concat()).json()["items"].clone();
    let web = &items(&["resolve", "web.shop.svc.cluster.local", "A", "--predict"])[0];
    assert_eq!(web["question"]["type"], "A");
    assert_eq!((&web["from"], &web["mode"]), (&Value::Null, &"predict".into()));
    assert_eq!(web["outcome"]["answers"][0]["data"], "10.96.0.10");
    let searched = &items(&["resolve", "web", "--predict", "--from", "shop/web-1", "--libc", "musl"])[0];
    assert_eq!(searched["from"]["pod"], "web-1");
    assert_eq!(searched["outcome"]["addresses"], serde_json::json!(["10.96.0.10"]));
    assert_eq!(searched["steps"][0]["name"], "web.shop.svc.cluster.local.");
    assert_eq!(searched["steps"][0]["millis"], Value::Null);

    let table = printed(&["resolve", "web.shop.svc.cluster.local", "--predict"]);
    assert!(table.starts_with("web.shop.svc.cluster.local.   30    A     10.96.0.10\n"), "{table}");
    assert!(table.contains(";; computed from the API"), "{table}");
    let missing = shop(&["resolve", "nope.shop.svc.cluster.local", "--predict"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.out.contains("NXDOMAIN"), "{missing:?}");
}

#[test]
fn a_batch_answers_in_the_order_of_its_lines() {
    let home = Home::new();
    let lines = "web.shop.svc.cluster.local A\n\n{\"name\": \"db.shop.svc.cluster.local.\", \"from\": \"shop/web-1\"}\na..b\n{\"name\": \"x\", \"from\": \"shop/gone\"}\n";
    let file = home.file("questions", lines);
    let ran = home.run(&["--objects", SHOP, "resolve", "--batch", &file, "--predict"]);
    let items: Vec<Value> = ran.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let rcodes: Vec<&Value> = items.iter().map(|i| &i["outcome"]["rcode"]).collect();
    assert_eq!(rcodes, [&Value::from("NOERROR"), &"NXDOMAIN".into(), &Value::Null, &Value::Null]);
    assert!(items[2]["outcome"]["error"].as_str().unwrap().contains("empty label"));
    assert!(items[3]["outcome"]["error"].as_str().unwrap().contains("not found"));
    assert_eq!(ran.code, Some(1));
    let wrong = home.file("wrong", "web A\nweb BOGUS\n");
    let ran = home.run(&["--objects", SHOP, "resolve", "--batch", &wrong, "--predict"]);
    assert!(failed(&ran, 2)[0].contains("line 2"), "{ran:?}");
}

#[test]
fn what_can_not_be_resolved_says_why() {
    assert!(failed(&shop(&["resolve", "web"]), 2)[2].contains("--predict"));
    let long = "abcdefghi.".repeat(31);
    assert!(failed(&shop(&["resolve", &long, "--predict"]), 2)[1].contains("255"));
    let odd = printed(&["resolve", "web.shop.svc.cluster.local", "--predict", "--trace"]);
    assert!(odd.starts_with("ASKED"), "{odd}");
    let odd = shop(&["resolve", "my\u{1b}[31m app", "--predict"]);
    assert!(odd.out.contains("control characters") && !odd.out.contains('\u{1b}'), "{odd:?}");
    let ran = shop(&["resolve", "web", "--predict", "--from", "web-9"]);
    assert!(failed(&ran, 1)[0].contains("\"web-9\" not found"), "{ran:?}");
}

#[test]
fn names_are_asked_live_and_compared() {
    let home = Home::new();
    let demo = |arguments: &[&str]| home.run(&[&["--demo"], arguments].concat());
    let ran = demo(&["resolve", "my-app", "--from", "client-5f6d8c9b7d-q4m2t", "-o", "json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let item = &ran.json()["items"][0];
    assert_eq!((&item["mode"], &item["outcome"]["addresses"][0]), (&"live".into(), &"10.96.14.2".into()));
    let step = &item["steps"][0];
    assert!(step["server"].as_str().unwrap().ends_with(":53 by port-forward"), "{step}");
    assert!(step["millis"].as_f64().unwrap() > 0.0);

    let missing = demo(&["resolve", "nope.default.svc.cluster.local", "A"]);
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.out.contains("NXDOMAIN") && missing.out.contains("by port-forward"), "{missing:?}");
    let inside = demo(&["resolve", "my-app", "--via", "exec", "--from", "client-5f6d8c9b7d-q4m2t"]);
    assert!(inside.code == Some(0) && inside.out.starts_with("10.96.14.2\n"), "{inside:?}");

    let check = demo(&["check", "-A"]);
    assert_eq!((check.code, check.err.as_str()), (Some(0), ""), "{check:?}");
    assert!(check.out.contains(" 0 different"), "{check:?}");
    let one = demo(&["check", "my-app", "-o", "json"]).json();
    assert_eq!((&one["kind"], &one["items"][0]["verdict"]), (&"CheckList".into(), &"equal".into()));

    let mistyped = demo(&["check", "my-ap", "mysql"]);
    assert!(mistyped.code == Some(1) && mistyped.err.contains("Did you mean my-app?"), "{mistyped:?}");
    assert!(mistyped.err.contains("none in namespace default"), "{mistyped:?}");
    assert!(mistyped.out.contains(" 0 different") && !mistyped.out.contains(" 0 equal"), "{mistyped:?}");

    let health = demo(&["dns", "--health"]);
    assert!(health.code == Some(0) && health.out.contains("CoreDNS"), "{health:?}");
}

#[test]
fn without_the_right_to_ask_it_says_which_and_what_else_can_be_done() {
    let viewer = ["--demo", "--context", "demo-viewer"];
    let ran = Home::new().run(&[&viewer[..], &["resolve", "my-app.default"]].concat());
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.err.contains("kube-system") && ran.err.contains("--via exec"), "{ran:?}");
    let ran = Home::new().run(&["--demo", "resolve", "my-app", "--via", "exec"]);
    assert!(failed(&ran, 2)[0].contains("needs a pod"), "{ran:?}");
    let ran = shop(&["check"]);
    assert!(failed(&ran, 2)[0].contains("a saved file can't be asked"), "{ran:?}");
}

#[test]
fn resolver_files_of_pods() {
    let list = shop(&["resolvconf", "-A", "-o", "json"]).json();
    assert_eq!(list["kind"], "ResolvConfList");
    let one = &list["items"][0];
    assert_eq!(one["search"][0], "shop.svc.cluster.local");
    assert_eq!((&one["options"][0], &one["nodeSearch"]), (&"ndots:5".into(), &"unknown".into()));
    assert!(!one["assumed"].as_array().unwrap().is_empty());
    let table = printed(&["resolvconf", "shop/web-1"]);
    assert!(table.contains("shop.svc.cluster.local svc.cluster.local cluster.local <node's>"), "{table}");
}

#[test]
fn documents_are_versioned_and_keep_text_as_the_cluster_has_it() {
    let list: Value = serde_json::from_str(&printed(&["services", "-n", "shop", "-o", "json"])).unwrap();
    assert_eq!((&list["apiVersion"], &list["kind"]), (&"kdisco/v1".into(), &"ServiceList".into()));
    assert_eq!(list["context"], Value::Null);
    let names: Vec<_> = list["items"].as_array().unwrap().iter().map(|i| i["name"].clone()).collect();
    assert_eq!(names, ["db", "evil", "web"]);
    assert_eq!(list["items"][1]["externalName"], "evil\u{1b}[31m.example.com");
    let web = &list["items"][2];
    assert_eq!(web["endpoints"], serde_json::json!({ "ready": 1, "total": 2 }));
    assert_eq!(web["ports"][0]["targetPort"], "http");
    assert_eq!(web["ports"][0]["nodePort"], 30080);
    assert_eq!(web["dnsNames"][0], "web.shop.svc.cluster.local.");
    assert_eq!(web["creationTimestamp"], "2026-01-01T00:00:00Z");
    assert_eq!(list["items"][0]["findings"][0]["code"], "selector-matches-nothing");

    let env: Value = serde_json::from_str(&printed(&["env", "shop/web-1", "-o", "json"])).unwrap();
    let variable = |name: &str| {
        let all = env["items"][0]["variables"].as_array().unwrap();
        all.iter().find(|v| v["name"] == name).unwrap().clone()
    };
    assert_eq!(variable("WEB_SERVICE_PORT")["service"]["name"], "web");
    assert_eq!(
        (&variable("TOKEN")["value"], &variable("TOKEN")["status"]),
        (&Value::Null, &"unreadable".into())
    );
    assert_eq!(env["items"][0]["state"], "running");

    let dns: Value = serde_json::from_str(&printed(&["dns", "web", "-o", "json"])).unwrap();
    assert_eq!(dns["clusterDomain"]["name"], "cluster.local");
    assert!(dns["clusterDomain"]["how"].as_str().unwrap().starts_with("assumed"));
}

#[test]
fn yaml_is_the_same_document() {
    for command in ["services", "endpoints", "dns", "env"] {
        let json: Value = serde_json::from_str(&printed(&[command, "-o", "json"])).unwrap();
        let yaml: Value = serde_saphyr::from_str(&printed(&[command, "-o", "yaml"])).unwrap();
        assert_eq!(json, yaml, "{command}");
    }
}

#[test]
fn what_does_not_exist_is_told_and_the_rest_printed() {
    let ran = shop(&["services", "web", "wbe", "-n", "shop", "-o", "name"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), "service/web\n"));
    assert_eq!(
        ran.err,
        "error: Service \"wbe\" not found\n  There is none in namespace shop.\n  Did you mean web?\n"
    );
    let elsewhere = shop(&["endpoints", "web", "-n", "default"]);
    assert!(failed(&elsewhere, 1)[2].contains("There is one in namespace shop"), "{elsewhere:?}");
    let container = shop(&["env", "web-1", "-c", "sidecar"]);
    assert_eq!(failed(&container, 1)[1], "  There are main.");
}

#[test]
fn an_empty_list_is_no_failure() {
    let ran = shop(&["services", "-n", "nowhere"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""));
    assert_eq!(ran.err, "No Services found in namespace nowhere.\n");
    assert_eq!(shop(&["services", "-n", "nowhere", "-o", "json"]).json()["items"], serde_json::json!([]));
}

#[test]
fn what_can_not_be_asked_is_a_usage_error() {
    for arguments in [
        &["services", "-o", "xml"][..],
        &["services", "--bogus"],
        &["services", "-l", "a=("],
        &["services", "pod/web-1"],
        &["services", "web", "-l", "a=b"],
        &["services", "--watch"],
        &["frobnicate"],
        &["--demo", "services"],
    ] {
        assert_eq!(shop(arguments).code, Some(2), "{arguments:?}");
    }
    // Without a terminal there is no explorer.
    assert!(failed(&shop(&[]), 2)[0].contains("needs a terminal"));
}

#[test]
fn broken_files_are_told_with_their_place() {
    let home = Home::new();
    let run = |name: &str, text: &str| home.run(&["--objects", &home.file(name, text), "services"]);
    let json = run("a.json", "{\"kind\": \"List\",\n \"items\": [}");
    assert!(failed(&json, 2)[1].contains("line 2 column 12"), "{json:?}");
    let yaml = run("b.yaml", "kind: List\n  items: ]\n");
    assert!(failed(&yaml, 2)[0].contains("b.yaml is broken YAML"), "{yaml:?}");
    for (name, text) in [("empty", ""), ("array", "[]"), ("number", "7"), ("binary", "\u{0}\u{1}\u{2}")] {
        assert_eq!(failed(&run(name, text), 2).len(), 3, "{name}");
    }
    let missing = home.run(&["--objects", home.path("no\u{1b}[2J").to_str().unwrap(), "services"]);
    assert!(failed(&missing, 2)[0].contains("no\u{fffd}[2J"), "{missing:?}");
    let directory = home.run(&["--objects", home.0.path().to_str().unwrap(), "services"]);
    failed(&directory, 2);
}

#[test]
fn kinds_that_a_file_lacks_are_unknown_and_not_absent() {
    let home = Home::new();
    let service = r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"a","namespace":"n"},"spec":{}}"#;
    let file = home.file("one.json", service);
    let table = home.run(&["--objects", &file, "services", "--no-headers"]);
    assert!(table.out.trim_end().ends_with("<unknown>"), "{table:?}");
    assert!(table.err.starts_with("warning: nothing is known of endpointslices"), "{table:?}");
    let document = home.run(&["--objects", &file, "services", "-o", "json"]).json();
    assert_eq!(document["items"][0]["endpoints"], Value::Null);
    assert_eq!(document["warnings"][0]["why"], "The file holds none.");
    let endpoints = home.run(&["--objects", &file, "endpoints"]);
    assert!(failed(&endpoints, 1)[0].ends_with("holds no endpointslices"), "{endpoints:?}");
}

#[test]
fn a_broken_configuration_stops_and_an_unknown_setting_does_not() {
    let home = Home::new();
    let with = |text: &str| home.run(&["--config", &home.file("config.toml", text), "keys"]);
    let broken = with("theme = \"dark\"\nmouse = maybe\n");
    assert!(failed(&broken, 2)[1].contains("config.toml, line 2, column 9"), "{broken:?}");
    assert!(failed(&with("[keys.browse]\nzoom = \"ctl-x\"\n"), 2)[0].contains("\"ctl-x\" is no key"));
    let unknown = with("theem = \"dark\"\n");
    assert_eq!(unknown.code, Some(0));
    assert!(unknown.err.contains("did you mean theme?"), "{unknown:?}");
    let missing = home.run(&["--config", "nowhere.toml", "config"]);
    assert!(failed(&missing, 2)[0].contains("nowhere.toml"), "{missing:?}");
}

#[test]
fn settings_are_printed_with_their_origin_and_read_back() {
    let home = Home::new();
    let text = "theme = \"light\"\nnamespaces = [\"shop\"]\n[contexts.\"a.b\"]\nnamespaces = [\"x\"]\n[keys.browse]\nzoom = \"Z\"\n";
    let file = home.file("config.toml", text);
    let first = home.run(&["--config", &file, "--ascii", "config"]);
    for line in [
        "theme = \"light\"                  # line 1",
        "ascii = true                     # --ascii",
        "zoom = [\"Z\"]",
    ] {
        assert!(first.out.contains(line), "{line}: {}", first.out);
    }
    let again = home.file("again.toml", &first.out);
    let second = home.run(&["--config", &again, "config"]);
    assert_eq!((second.code, second.err.as_str()), (Some(0), ""), "{second:?}");
    let values = |text: &str| {
        text.lines()
            .map(|l| l.split('#').next().unwrap().trim().to_owned())
            .filter(|l| !l.is_empty())
            .collect::<Vec<_>>()
    };
    assert_eq!(values(&first.out), values(&second.out));
}

#[test]
fn a_cluster_that_does_not_answer_is_unreachable() {
    let home = Home::new();
    // A port that nobody listens on: bound, and given back.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ran = home.run(&["-s", &format!("http://127.0.0.1:{port}"), "services"]);
    assert!(failed(&ran, 3)[0].contains("cannot reach the API server"), "{ran:?}");
}

#[test]
fn a_cluster_that_is_not_configured_is_a_usage_error() {
    let home = Home::new();
    assert!(failed(&home.run(&["services"]), 2)[0].contains("no cluster is configured"));
    let config = home.file("kube", "apiVersion: v1\nkind: Config\ncontexts: []\n");
    failed(&home.run(&["--kubeconfig", &config, "--context", "prod", "services"]), 2);
    failed(&home.run(&["--request-timeout", "soon", "services"]), 2);
}

/// Answers every request on a loopback port with one status and body, and hands out its address.
fn server(status: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            std::thread::spawn(move || {
                let mut lines = BufReader::new(&stream).lines();
                while lines.next().is_some_and(|line| line.is_ok_and(|l| !l.is_empty())) {}
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = (&stream).write_all(&[head.as_bytes(), body.as_bytes()].concat());
            });
        }
    });
    address
}

#[test]
fn a_cluster_that_forbids_is_told_apart() {
    let body = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"services is forbidden: User \"jane\u001b[31m\" cannot list resource \"services\""}"#;
    let ran = Home::new().run(&["-s", &server("403 Forbidden", body), "services"]);
    let lines = failed(&ran, 4);
    assert!(lines.len() >= 2 && ran.err.contains("services") && !ran.err.contains('\u{1b}'), "{ran:?}");
    let ran = Home::new().run(&["-s", &server("401 Unauthorized", "{}"), "services"]);
    failed(&ran, 4);
}

#[test]
fn garbage_instead_of_an_api_server_is_told() {
    failed(&Home::new().run(&["-s", &server("200 OK", "<html>hello</html>"), "services"]), 3);
    failed(&Home::new().run(&["-s", &server("500 Oops", "no"), "services"]), 3);
}

#[test]
fn a_reader_that_has_enough_ends_the_program_silently() {
    let home = Home::new();
    let (_directory, recording) = recording("v7");
    let mut child = home
        .command(&["--objects", &recording, "env", "-A", "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}

/// A recording of a real cluster as a file. The directory has to be kept.
fn recording(name: &str) -> (tempfile::TempDir, String) {
    let packed =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings").join(name).join("objects.json.gz");
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(packed).unwrap()).read_to_end(&mut text).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("objects.json");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

#[test]
fn every_object_of_a_recorded_cluster_is_listed() {
    let (_directory, file) = recording("a");
    let objects: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let of_kind = |kind: &str| {
        let all = objects["items"].as_array().unwrap().iter();
        all.filter(|o| o["kind"] == kind).cloned().collect::<Vec<Value>>()
    };
    let list = |command: &str| {
        let ran = Home::new().run(&["--objects", &file, command, "-o", "json"]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        ran.json()["items"].as_array().unwrap().clone()
    };
    assert_eq!(list("services").len(), of_kind("Service").len());
    let containers: usize = of_kind("Pod")
        .iter()
        .flat_map(|p| ["initContainers", "containers", "ephemeralContainers"].map(|c| p["spec"][c].clone()))
        .map(|list| list.as_array().map_or(0, Vec::len))
        .sum();
    assert_eq!(list("env").len(), containers);
    let mut addresses: Vec<String> = of_kind("EndpointSlice")
        .iter()
        .flat_map(|s| s["endpoints"].as_array().cloned().unwrap_or_default())
        .flat_map(|e| e["addresses"].as_array().cloned().unwrap_or_default())
        .map(|a| a.as_str().unwrap().to_owned())
        .collect();
    let mut listed: Vec<String> =
        list("endpoints").iter().map(|e| e["address"].as_str().unwrap().to_owned()).collect();
    for list in [&mut addresses, &mut listed] {
        list.sort();
        list.dedup();
    }
    assert_eq!(addresses, listed);
}

#[test]
fn two_runs_print_the_same() {
    let (_directory, file) = recording("v6");
    for command in ["services", "endpoints", "dns", "env"] {
        let run = || Home::new().run(&["--objects", &file, command, "-A", "-o", "json"]).out;
        assert!(run() == run(), "{command}");
    }
}

#[test]
fn the_demo_is_listed_and_watched_like_any_cluster() {
    let home = Home::new();
    let ran = home.run(&["--demo", "services", "my-app", "-o", "json"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    assert_eq!(ran.json()["context"], "demo");
    assert_eq!(ran.json()["items"][0]["name"], "my-app");
    let ran = home.run(&["--demo", "services", "-n", "nowhere"]);
    assert!(failed(&ran, 1)[0].contains("namespace \"nowhere\" not found"), "{ran:?}");
    let ran = home.run(&["--demo", "env", "mysql-0", "-o", "json"]);
    let variables = ran.json()["items"][0]["variables"].clone();
    assert!(variables.as_array().unwrap().iter().any(|v| v["name"] == "KUBERNETES_SERVICE_HOST"), "{ran:?}");

    let mut child =
        home.command(&["--demo", "services", "-w", "-o", "json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&event["event"], &event["items"][0]["name"]), (&"ADDED".into(), &"cache".into()));
}

#[test]
fn help_speaks_of_every_command_and_flag_groups() {
    let help = Home::new().run(&["--help"]);
    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    for word in [
        "services",
        "endpoints",
        "dns",
        "env",
        "completions",
        "man",
        "config",
        "keys",
        "--demo",
        "--objects",
        "svc",
        "Exit codes",
    ] {
        assert!(help.out.contains(word), "{word}");
    }
    for command in ["services", "endpoints", "dns", "env"] {
        let help = Home::new().run(&[command, "--help"]);
        assert!(help.out.contains("--no-headers") && help.out.contains("--watch"), "{command}");
    }
}

#[test]
fn the_version_reads_nothing() {
    let home = Home::new();
    let broken = home.file("broken", "]");
    let mut command = home.command(&["--version"]);
    command.env("KDISCO_CONFIG", &broken).env("KUBECONFIG", &broken).env("KDISCO_ASCII", "perhaps");
    let ran = Ran::of(command.output().unwrap());
    let version = concat!("kdisco ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(0), version, ""));
}

#[test]
fn completions_and_the_manual_page_are_made() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = Home::new().run(&["completions", shell]);
        assert!(
            ran.code == Some(0) && ran.out.contains("endpoints") && ran.out.contains("kubeconfig"),
            "{shell}"
        );
    }
    let man = Home::new().run(&["man"]);
    assert!(man.out.contains(".TH kdisco 1") && man.out.contains("\\-\\-all\\-namespaces"), "{}", man.out);
    let page = Home::new().run(&["man", "env"]);
    assert!(
        page.out.contains(".TH kdisco-env 1") && page.out.contains("\\-\\-show\\-secrets"),
        "{}",
        page.out
    );
    assert_eq!(Home::new().run(&["man", "frob"]).code, Some(2));
}

#[test]
fn a_log_is_written_where_it_was_asked_for() {
    let home = Home::new();
    let log = home.path("kdisco.log");
    let ran = home.run(&["--objects", SHOP, "services", "--log-file", log.to_str().unwrap()]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(std::fs::read_to_string(&log).unwrap().contains("kdisco "), "{log:?}");
    let ran = home.run(&["--objects", SHOP, "services", "--log-file", "/nowhere/at/all"]);
    assert!(failed(&ran, 2)[0].contains("cannot write the log"), "{ran:?}");
}

#[test]
fn the_keys_are_printed_in_three_forms() {
    for (form, text) in
        [("table", "half-page-down"), ("markdown", "| `zoom` | `z` |"), ("toml", "top = [\"g g\", \"home\"]")]
    {
        assert!(Home::new().run(&["keys", "-o", form]).out.contains(text), "{form}");
    }
}

#[cfg(unix)]
#[test]
fn as_a_plugin_it_is_called_what_one_types() {
    use std::os::unix::process::CommandExt;
    let mut command = Home::new().command(&["services", "--help"]);
    let ran = Ran::of(command.arg0("/usr/local/bin/kubectl-disco").output().unwrap());
    assert!(ran.out.contains("Usage: kubectl disco services [OPTIONS]"), "{}", ran.out);
}

#[test]
fn the_doctor_on_a_saved_file() {
    let ran = shop(&["doctor", "web", "--from", "shop/web-2", "--ascii"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    assert!(ran.out.starts_with("web, asked from shop/web-2 (glibc)\n"), "{}", ran.out);
    assert!(ran.out.contains("\n+ behind it\n  1 of 2 endpoints ready\n"), "{}", ran.out);
    assert!(ran.out.contains("a saved file can't be asked"), "{}", ran.out);
    assert!(ran.out.contains("\nverdict: ok\n") && ran.out.is_ascii(), "{}", ran.out);
    // Without a word it is a pod of the namespace that asks.
    let ran = shop(&["doctor", "web", "-o", "json"]);
    let document = ran.json();
    assert_eq!((ran.code, document["kind"].as_str()), (Some(1), Some("Diagnosis")));
    let item = &document["items"][0];
    assert_eq!(item["askedFrom"], "default");
    assert_eq!(item["verdict"]["code"], "service-in-other-namespace");
    assert_eq!(item["question"]["name"], "web");
    let ran = shop(&["doctor", "evil.shop", "--from", "shop", "-o", "name"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), "not-determined\n"), "{ran:?}");
}

#[test]
fn the_doctor_refuses_places_that_are_none_and_survives_any_name() {
    failed(&shop(&["doctor", "web", "--from", "a/b/c"]), 2);
    for name in ["", "a..b", "\u{1b}[2J", &"x".repeat(300), "数据", "a b"] {
        let ran = shop(&["doctor", name, "--from", "shop"]);
        assert_eq!(ran.code, Some(1), "{name:?} {ran:?}");
        assert!(!ran.out.contains('\u{1b}'), "{ran:?}");
    }
}

#[test]
fn the_doctor_in_the_demo_cluster() {
    let home = Home::new();
    let ran = home.run(&["--demo", "doctor", "my-app.default", "--from", "default", "-o", "json"]);
    let item = ran.json()["items"][0].clone();
    assert_eq!((ran.code, item["verdict"]["code"].as_str()), (Some(0), Some("ok")), "{item:#}");
    assert_eq!(item["service"]["name"], "my-app");
    // The tutorial's riddle, without asking this machine's resolver.
    let ran = home.run(&["--demo", "doctor", "my-app.default", "--no-live"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains("verdict: asked-outside-cluster"), "{}", ran.out);
    assert!(ran.out.contains("my-app.default.svc.cluster.local."), "{}", ran.out);
    assert!(ran.out.contains("kdisco forward svc/my-app"), "{}", ran.out);
    let ran = home.run(&["doctor", "web", "--server", "http://127.0.0.1:1", "--from", "shop", "--no-live"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
}
