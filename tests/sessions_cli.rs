//! `kdisco proxy` and `kdisco access` as they are run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn kdisco(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kdisco"));
    command.args(arguments).env_clear().env("HOME", "/nonexistent").stdin(Stdio::null());
    command
}

fn ran(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = kdisco(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A running proxy; killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn proxy(arguments: &[&str]) -> (Running, String) {
    let all = [&["--demo", "proxy", "--port=0"], arguments].concat();
    let mut child = kdisco(&all).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Running(child), line)
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_proxy_says_kubectls_line_and_serves() {
    let (_running, line) = proxy(&[]);
    let address = line.strip_prefix("Starting to serve on ").unwrap().trim();
    assert!(address.starts_with("127.0.0.1:"), "{line}");
    assert!(get(address, "/version").contains("gitVersion"));
    assert!(get(address, "/api/v1/namespaces/default/pods/x/exec").starts_with("HTTP/1.1 403 "));
}

#[test]
fn what_exposes_is_told_in_plain_words() {
    let (mut running, _) = proxy(&["--disable-filter=true", "--address=0.0.0.0"]);
    let mut told = BufReader::new(running.0.stderr.take().unwrap()).lines();
    let first = told.next().unwrap().unwrap();
    assert!(first.starts_with("warning: Everybody who can reach this address"), "{first}");
    assert!(told.next().unwrap().unwrap().contains("any web page"));
}

#[test]
fn a_forward_for_other_computers_wants_a_yes() {
    let arguments = ["--demo", "forward", "svc/my-app", ":80", "--address", "0.0.0.0"];
    let (code, out, told) = ran(&arguments);
    assert_eq!((code, &*out), (Some(2), ""), "{told}");
    assert!(told.contains("would be open to others, on 0.0.0.0"), "{told}");
    assert!(told.contains("error: nobody can be asked") && told.contains("--expose"), "{told}");
    let all = [&arguments[..], &["--expose"]].concat();
    let mut child = kdisco(&all).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let _running = Running(child);
    assert!(line.starts_with("Forwarding from 0.0.0.0:"), "{line}");
}

#[test]
fn forwards_are_kept_and_started_by_a_name() {
    let home = tempfile::tempdir().unwrap();
    let forward = |arguments: &[&str]| {
        let mut command = kdisco(&[&["--demo", "forward"], arguments].concat());
        command.env("HOME", home.path());
        command
    };
    for arguments in [
        &["svc/my-app", ":http", "--save-profile", "work"][..],
        &["--profile", "work"],
        &["--profile", "work"],
    ] {
        let mut child = forward(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let _running = Running(child);
        assert!(line.starts_with("Forwarding from 127.0.0.1:"), "{line}");
    }
    let Output { status, stderr, .. } = forward(&["--profile", "play"]).output().unwrap();
    let told = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(2), "{told}");
    assert!(told.contains("no profile \"play\"") && told.contains("There are work."), "{told}");
}

#[test]
fn events_are_lines_of_json() {
    let (_running, line) = proxy(&["-o", "json"]);
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&event["kind"], &event["event"]), (&"SessionEvent".into(), &"listening".into()));
    assert!(event["local"].as_str().unwrap().starts_with("127.0.0.1:"), "{event}");
}

#[test]
fn a_proxy_that_cannot_be_is_refused() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("--port={}", listener.local_addr().unwrap().port());
    for (arguments, code) in [
        (&["--demo", "proxy", &taken][..], 1),
        (&["--demo", "proxy", "--port=0", "--accept-hosts=(a"], 2),
        (&["--demo", "proxy", "--port=0", "--api-prefix=x"], 2),
        (&["--demo", "proxy", "--port=1", "--unix-socket=x.sock"], 2),
    ] {
        let (status, out, told) = ran(arguments);
        assert_eq!((status, &*out), (Some(code), ""), "{arguments:?} {told}");
        assert!(told.starts_with("error: "), "{told}");
    }
}

#[test]
fn the_viewer_is_told_what_is_missing_and_which_role_allows_it() {
    let (code, out, told) = ran(&["--demo", "--context", "demo-viewer", "access"]);
    assert_eq!((code, &*told), (Some(1), ""), "{out}");
    let line =
        |start: &str| out.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{out}"));
    assert!(line("Services and what is behind them").contains("works"));
    assert!(line("pods and their environments").ends_with("get pods in default"));
    assert!(out.contains("\n  namespace: default\n") && out.contains("resources: [pods/exec"), "{out}");
    assert!(!out.contains("endpointslices"), "what is allowed is in no role: {out}");
    let (_, role, _) = ran(&["--demo", "--context", "demo-viewer", "access", "--role"]);
    assert!(role.starts_with("---\napiVersion: rbac.authorization.k8s.io/v1\n"), "{role}");
}

#[test]
fn who_may_do_everything_misses_nothing() {
    let (code, out, told) = ran(&["--demo", "access", "-o", "json"]);
    assert_eq!((code, &*told), (Some(0), ""), "{out}");
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&document["kind"], &document["role"]), (&"AccessList".into(), &Value::Null));
    assert!(document["items"].as_array().unwrap().iter().all(|item| item["verdict"] == "works"), "{out}");
}
