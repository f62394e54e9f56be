//! Saved objects of an enemy through every command of the real program: nothing panics, nothing raw reaches the
//! terminal, documents are documents, and what a shell evaluates gives back the values and runs nothing.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/pty.rs"]
mod pty;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kdisco::model::text::is_safe;
use serde_json::{Value, json};

/// Texts that forge, reorder, break or run something where they are not cleaned.
const EVIL: &[&str] = &[
    "\u{1b}[31mred\u{1b}[2J",
    "\u{1b}]52;c;cm0gLXJmIH4=\u{7}",
    "\u{9d}52;c;cm0=\u{9c}",
    "\u{202e}gnp.exe\u{2066}",
    "we\u{200b}b\u{feff}",
    "a\r\nB=2\nerror: all is well",
    "'; touch HACKED; '",
    "$(touch HACKED)`touch HACKED`",
    "\"; touch HACKED; \"",
    "\\'; touch HACKED #",
    "%s%n%x\\c\\0",
    "\u{0}nul",
    "-n",
    "",
    " ",
    "a b=c",
    "#hash",
    "~root",
    "!!",
    "\u{e0001}\u{e0041}",
    "\t\u{b}\u{c}\u{8}",
    "../../etc/passwd",
    "é\u{301}漢字👩\u{200d}💻",
];

/// A folder of its own, without anything of whoever runs the tests.
struct Home(tempfile::TempDir);

struct Ran {
    arguments: Vec<String>,
    code: i32,
    out: String,
    err: String,
}

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Runs it on a file; the end must be one that is documented, and the output fit for a terminal.
    fn run(&self, file: &Path, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kdisco"));
        command.arg("--objects").arg(file).args(["--now", "2026-01-11T00:00:00Z"]).args(arguments);
        command.env_clear().env("HOME", self.path()).env("LANG", "C.UTF-8").current_dir(self.path());
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap_or_else(|e| panic!("{arguments:?}: {e}"));
        let ran = Ran {
            arguments: arguments.iter().map(|&a| a.to_owned()).collect(),
            code: output.status.code().unwrap_or_else(|| panic!("{arguments:?}: {}", output.status)),
            out: text(output.stdout),
            err: text(output.stderr),
        };
        ran.is_clean();
        ran
    }
}

impl Ran {
    fn is_clean(&self) {
        let Self { arguments, code, out, err } = self;
        assert!(!err.contains("panicked"), "{arguments:?}: {err}");
        assert!(matches!(code, 0..=4), "{arguments:?}: {code}");
        for text in [out, err] {
            let odd = text.chars().position(|c| !is_safe(c) && c != '\n');
            let around = odd.map(|at| text.chars().skip(at.saturating_sub(40)).take(80).collect::<String>());
            assert_eq!(around, None, "{arguments:?}");
        }
    }
}

fn meta(namespace: &str, name: &str) -> Value {
    json!({"namespace": namespace, "name": name, "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z",
           "labels": {"app": name, name: name, "kubernetes.io/service-name": name}, "annotations": {name: name}})
}

/// Objects that carry a text wherever one can stand, in a namespace of that name and in one with a good name.
fn objects_with(text: &str, namespace: &str) -> Vec<Value> {
    let port = |number: i64| {
        json!({"name": text, "port": number, "targetPort": text, "nodePort": number,
                                    "protocol": text, "appProtocol": text})
    };
    let container = json!({
        "name": text, "image": text, "ports": [{"name": text, "containerPort": 80, "protocol": text}],
        "envFrom": [{"prefix": text, "configMapRef": {"name": text}}, {"secretRef": {"name": text}}],
        "env": [{"name": text, "value": text}, {"name": "VALUE", "value": text},
                {"name": "EXPANDED", "value": format!("$(VALUE){text}")},
                {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": text, "key": text}}},
                {"name": "FIELD", "valueFrom": {"fieldRef": {"fieldPath": format!("metadata.labels['{text}']")}}},
                {"name": "RESOURCE", "valueFrom": {"resourceFieldRef": {"resource": text}}}],
    });
    vec![
        json!({"kind": "Namespace", "metadata": meta("", namespace)}),
        json!({"kind": "Service", "metadata": meta(namespace, text), "spec": {
            "type": text, "clusterIP": text, "clusterIPs": [text], "externalIPs": [text],
            "loadBalancerIP": text, "sessionAffinity": text, "ipFamilies": [text],
            "selector": {text: text}, "ports": [port(80), port(0), port(-1), port(2_147_483_647)]}}),
        json!({"kind": "Service", "metadata": meta(namespace, &format!("x{text}")), "spec": {
            "type": "ExternalName", "externalName": text}}),
        json!({"kind": "Service", "metadata": meta(namespace, "good"), "spec": {
            "clusterIP": "10.96.0.10", "selector": {"app": text}, "ports": [port(443)]}}),
        json!({"kind": "EndpointSlice", "metadata": meta(namespace, text), "addressType": text,
            "ports": [{"name": text, "port": 80, "protocol": text, "appProtocol": text}],
            "endpoints": [{"addresses": [text], "hostname": text, "nodeName": text, "zone": text,
                           "hints": {"forZones": [{"name": text}]}, "conditions": {"ready": true},
                           "targetRef": {"kind": text, "namespace": text, "name": text}}]}),
        json!({"kind": "Pod", "metadata": meta(namespace, &format!("pod-{text}")), "spec": {
            "nodeName": text, "hostname": text, "subdomain": text, "serviceAccountName": text,
            "dnsPolicy": text, "restartPolicy": text,
            "dnsConfig": {"nameservers": [text], "searches": [text],
                          "options": [{"name": "ndots", "value": text}, {"name": text}]},
            "hostAliases": [{"ip": text, "hostnames": [text]}],
            "containers": [container], "initContainers": [container]},
            "status": {"phase": text, "reason": text, "message": text, "podIP": text, "podIPs": [{"ip": text}],
                "hostIP": text, "conditions": [{"type": "Ready", "status": text, "reason": text, "message": text}],
                "containerStatuses": [{"name": text, "ready": false, "restartCount": 3,
                    "state": {"waiting": {"reason": text, "message": text}},
                    "lastState": {"terminated": {"reason": text, "exitCode": -9, "message": text,
                                                 "finishedAt": "2026-01-01T00:00:00Z"}}}]}}),
        json!({"kind": "Pod", "metadata": meta(namespace, "good"), "spec": {
            "containers": [{"name": "main", "env": [{"name": "A_VALUE", "value": text},
                {"name": text, "value": "x"}, {"name": "LAST", "value": format!("{text}{text}\n\n")}]}]},
            "status": {"phase": "Running", "podIP": "10.244.0.9", "podIPs": [{"ip": "10.244.0.9"}],
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"name": "main", "ready": true,
                    "state": {"running": {"startedAt": "2026-01-01T00:10:00Z"}}}]}}),
        json!({"kind": "ConfigMap", "metadata": meta(namespace, text), "data": {text: text, "KEY": text}}),
        json!({"kind": "ConfigMap", "metadata": meta("kube-system", "coredns"), "data": {
            "Corefile": format!(".:53 {{\n  {text}\n  kubernetes cluster.local\n  forward . {text}\n}}\n")}}),
        json!({"kind": "Secret", "metadata": meta(namespace, text), "data": {text: text, "KEY": "aGk="},
            "stringData": {text: text}}),
        json!({"kind": "NetworkPolicy", "metadata": meta(namespace, text), "spec": {
            "podSelector": {"matchLabels": {text: text},
                            "matchExpressions": [{"key": text, "operator": text, "values": [text]}]},
            "policyTypes": [text, "Egress"], "egress": [{"to": [{"ipBlock": {"cidr": text, "except": [text]}}],
                "ports": [{"port": text, "protocol": text, "endPort": -5}]}]}}),
        json!({"kind": text, "metadata": meta(namespace, text)}),
    ]
}

fn list(items: &[Value]) -> Vec<u8> {
    serde_json::to_vec(&json!({"apiVersion": "v1", "kind": "List", "items": items})).unwrap()
}

/// Every command that takes a saved file; those that need a cluster have to say so.
fn every_command(home: &Home, file: &Path) {
    for command in ["services", "endpoints", "dns", "resolvconf", "env"] {
        for form in ["table", "wide", "json", "yaml", "name"] {
            let more = if command == "env" { &["--show-secrets"][..] } else { &[] };
            let ran = home.run(file, &[&[command, "-A", "-o", form], more].concat());
            if form == "json" && !ran.out.is_empty() {
                serde_json::from_str::<serde::de::IgnoredAny>(&ran.out)
                    .unwrap_or_else(|e| panic!("{command}: {e}: {}", ran.out));
            }
        }
    }
    let long = "a.".repeat(130);
    for name in ["good", "good.shop", "xgood.shop.svc.cluster.local", "*.shop", "loop-0.shop", &long] {
        for form in ["table", "json"] {
            home.run(file, &["resolve", "--predict", "--trace", name, "-o", form]);
            home.run(file, &["resolve", "--predict", "--from", "shop/good", name, "SRV", "-o", form]);
            home.run(file, &["doctor", "--no-live", "--from", "shop/good", name, "-o", form]);
        }
    }
    for arguments in [&["check"][..], &["access"], &["restart", "good", "--yes"], &["forward", "svc/good"]] {
        let ran = home.run(file, arguments);
        assert_ne!(ran.code, 0, "{arguments:?} needs a cluster: {}", ran.out);
        assert!(ran.err.starts_with("error: "), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn evil_text_in_every_field_goes_through_every_command() {
    let home = Home::new();
    let mut items = Vec::new();
    for text in EVIL {
        items.extend(objects_with(text, "shop"));
        items.extend(objects_with(text, text));
    }
    every_command(&home, &home.file("evil.json", &list(&items)));
    assert!(!home.path().join("HACKED").exists());
}

#[test]
fn evil_sizes_and_numbers_go_through_every_command() {
    let home = Home::new();
    let long = "x".repeat(64 * 1024);
    let long_names = home.file("long.json", &list(&objects_with(&long, "shop")));
    // More ports than any real Service has; each is a line of each container, so they stay apart from the long names.
    let ports: Vec<Value> =
        (0..2_000).map(|n| json!({"name": format!("p{n}"), "port": n * 40, "targetPort": -n})).collect();
    let mut items = objects_with("plain", "shop");
    items.push(json!({"kind": "Service", "metadata": meta("shop", "ports"), "spec": {
        "clusterIP": "10.96.0.11", "ports": ports}}));
    // A name that is another's, in a circle and in itself.
    for (name, other) in [("loop-0", "loop-1"), ("loop-1", "loop-0"), ("self", "self")] {
        items.push(json!({"kind": "Service", "metadata": meta("shop", name), "spec": {
            "type": "ExternalName", "externalName": format!("{other}.shop.svc.cluster.local")}}));
    }
    let many = home.file("many.json", &list(&items));
    for file in [&long_names, &many] {
        for command in ["services", "endpoints", "dns", "resolvconf", "env"] {
            for form in ["table", "json"] {
                home.run(file, &[command, "-A", "-o", form]);
            }
        }
    }
    for name in ["loop-0.shop", "self.shop", "ports.shop"] {
        let whole = format!("{name}.svc.cluster.local");
        home.run(&many, &["resolve", "--predict", &whole]);
        home.run(&many, &["resolve", "--predict", "--from", "shop/good", name]);
        home.run(&many, &["doctor", "--no-live", "--from", "shop/good", name]);
    }
}

/// Files that are no list of objects, or hardly one.
fn broken() -> Vec<(&'static str, Vec<u8>)> {
    let service = |spec: &str| {
        format!(r#"{{"kind":"List","items":[{{"kind":"Service","metadata":{{"name":"a","namespace":"b"}},"spec":{spec}}}]}}"#)
            .into_bytes()
    };
    let wrong = |what: &str| {
        let pod = format!(
            r#"{{"kind":"Pod","metadata":{{"name":"p","namespace":"shop"}},"spec":{what},"status":{what}}}"#
        );
        format!(r#"{{"kind":"List","items":[{pod}]}}"#).into_bytes()
    };
    vec![
        ("nothing", vec![]),
        ("a NUL", vec![0]),
        ("no UTF-8", b"{\"kind\":\"List\",\"items\":[{\"kind\":\"Service\",\"metadata\":{\"name\":\"\xff\xfe\"}}]}".to_vec()),
        ("UTF-16", "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("deep arrays", vec![b'['; 200_000]),
        ("deep objects", "{\"a\":".repeat(100_000).into_bytes()),
        ("deep in a field", service(&format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)))),
        ("deep YAML", format!("a: {}", "[".repeat(100_000)).into_bytes()),
        ("deep blocks", (0..2000).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>().into_bytes()),
        ("a YAML bomb", {
            let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
            for n in 1..30 {
                let one = format!("*a{}", n - 1);
                text += &format!("a{n}: &a{n} [{}]\n", [one.as_str(); 9].join(","));
            }
            text.into_bytes()
        }),
        ("escapes in broken YAML", b"kind: \x1b[2J\n\x1b]52;c;eA==\x07: [".to_vec()),
        ("escapes in broken JSON", b"{\"kind\": \"\x1b[2J\", \xe2\x80\xae}".to_vec()),
        ("twice the same key", service(r#"{"clusterIP":"1.2.3.4","clusterIP":[],"ports":[],"ports":7}"#)),
        ("numbers", service(r#"{"ports":[{"port":1e400,"targetPort":99999999999999999999},{"port":-0.5}]}"#)),
        ("words for objects", wrong("\"x\"")),
        ("numbers for objects", wrong("7")),
        ("lists for objects", wrong("[[],{}]")),
        ("nothing for objects", wrong("null")),
        ("a list of odd things", br#"{"kind":"List","items":[null,1,"x",[],{},{"kind":5},{"kind":"Service"}]}"#.to_vec()),
        ("a list that is none", br#"{"kind":"List","items":{"a":1}}"#.to_vec()),
        ("times", br#"{"kind":"List","items":[{"kind":"Service","metadata":{"name":"a","namespace":"b","creationTimestamp":"9999-99-99"}},{"kind":"Service","metadata":{"name":"c","creationTimestamp":"-9999-01-01T00:00:00Z"}},{"kind":"Service","metadata":{"name":"d","creationTimestamp":1e99}}]}"#.to_vec()),
    ]
}

#[test]
fn broken_files_are_told_or_read_as_far_as_they_go() {
    let home = Home::new();
    for (what, bytes) in broken() {
        let file = home.file("broken", &bytes);
        for arguments in
            [&["services", "-A"][..], &["env", "-A", "-o", "json"], &["doctor", "--no-live", "a.b"]]
        {
            let ran = home.run(&file, arguments);
            assert!(
                ran.code == 0
                    || ran.err.starts_with("error: ")
                    || ran.err.starts_with("warning: ")
                    || !ran.out.is_empty(),
                "{what}: {arguments:?} says nothing: {}",
                ran.code
            );
        }
    }
}

/// The values of a pod, as the program has them.
const NAMES: &[&str] = &["A_VALUE", "LAST"];

#[test]
fn a_shell_gets_back_the_values_and_runs_nothing() {
    for text in EVIL.iter().copied().filter(|text| !text.contains('\0')) {
        let home = Home::new();
        let file = home.file("objects.json", &list(&objects_with(text, "shop")));
        let ran = home.run(&file, &["env", "shop/good", "-o", "shell"]);
        let script = format!(
            "set -eu\neval \"$(cat exports)\"\nfor n in {}; do eval \"printf '%s\\001' \\\"\\$$n\\\"\"; done\n",
            NAMES.join(" ")
        );
        home.file("exports", ran.out.as_bytes());
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &script]).current_dir(home.path()).env_clear().env("PATH", "/usr/bin:/bin");
        let output = shell_output(&mut shell);
        let wanted = format!("{text}\u{1}{text}{text}\n\n\u{1}");
        assert_eq!(String::from_utf8_lossy(&output), wanted, "{text:?}: {}", ran.out);
        assert!(!home.path().join("HACKED").exists(), "{text:?}");
    }
}

fn shell_output(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// What Docker reads of an env-file (docker/cli: `opts.ParseEnvFile`): a line a variable, blanks before the name are
/// dropped, lines that begin with # too, and the value is what stands behind the first =.
fn docker(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once('=').unwrap()).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

#[test]
fn files_for_docker_hold_the_values_or_say_what_is_left_out() {
    for text in EVIL {
        let home = Home::new();
        let file = home.file("objects.json", &list(&objects_with(text, "shop")));
        let ran = home.run(&file, &["env", "shop/good", "-o", "docker"]);
        let read = docker(&ran.out);
        for (name, wanted) in [("A_VALUE", (*text).to_owned()), ("LAST", format!("{text}{text}\n\n"))] {
            match read.iter().find(|(n, _)| n == name) {
                Some((_, value)) => assert_eq!(*value, wanted, "{name}"),
                None => assert!(ran.err.contains(name), "{name} is left out in silence: {}", ran.err),
            }
        }
        // A value brings no variable of its own.
        assert!(read.iter().all(|(name, _)| name != "B"), "{}", ran.out);
        let dotenv = home.run(&file, &["env", "shop/good", "-o", "dotenv"]);
        assert!(dotenv.out.lines().all(|line| !line.starts_with("B=")), "{}", dotenv.out);
    }
}

#[test]
fn the_explorer_draws_evil_objects_and_writes_no_sequence_of_theirs() {
    let home = Home::new();
    let mut items = Vec::new();
    for text in EVIL {
        items.extend(objects_with(text, "shop"));
    }
    let file = home.file("evil.json", &list(&items));
    let mut command = portable_pty::CommandBuilder::new(env!("CARGO_BIN_EXE_kdisco"));
    command.args(["--objects", file.to_str().unwrap()]);
    command.env_clear();
    for (name, value) in
        [("HOME", home.path().to_str().unwrap()), ("TERM", "xterm-256color"), ("LANG", "C.UTF-8")]
    {
        command.env(name, value);
    }
    command.cwd(home.path());
    let mut terminal = pty::Terminal::start(command, 120, 36);
    terminal.expect("the Services", |screen| screen.contains("good"));
    terminal.send("G");
    terminal.expect("the last rows", |screen| screen.contains("gnp.exe"));
    terminal.send("gg");
    // Through rows, panes, details, menus of what to copy, and the help.
    for keys in
        ["j", "j", "\t", "\t", "\t", "\r", "Y", "\u{1b}", "M", "\u{1b}", "?", "\u{1b}", "/a b\r", "\u{1b}"]
    {
        terminal.send(keys);
        terminal.pump(std::time::Duration::from_millis(50));
    }
    terminal.send("q");
    terminal.send("q\x03");
    terminal.end();
    let raw = String::from_utf8_lossy(&terminal.raw);
    for foreign in ["\u{1b}]52;c;cm0", "\u{9d}", "\u{202e}", "\u{2066}", "\u{feff}", "\u{200b}"] {
        assert!(!raw.contains(foreign), "{foreign:?} reached the terminal");
    }
    // What was taken out has left a mark. The terminal of the test drops these, so they are looked for in its bytes.
    for marked in ["\u{fffd}[31mred\u{fffd}[2J", "we\u{fffd}b\u{fffd}", "\u{fffd}gnp.exe\u{fffd}"] {
        assert!(raw.contains(marked), "{marked:?} is not on the screen: {raw}");
    }
}
