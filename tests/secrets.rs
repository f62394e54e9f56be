//! Secrets are planted wherever one can stand, and the real program is run through commands, failures and the
//! explorer, with a log that leaves nothing out. No log, output, error or screen may hold one of them.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/pty.rs"]
mod pty;
#[path = "common/tls.rs"]
mod tls;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use portable_pty::CommandBuilder;
use tls::{Answer, base64, serve_kept, trusted};

/// What is planted. In base64 and in percent-encoding they are the same secrets.
const PLANTED: &str = "pl4nted-s3cret-0f-th1s-t3st";
/// What the demo's Secret holds.
const DEMO: &str = "s3cr3t-demo";

/// Fails when a text holds a secret in any form.
fn holds_none(text: &str, of: &str) {
    for secret in [PLANTED, DEMO, "BEGIN EC PRIVATE KEY", "BEGIN PRIVATE KEY", "BEGIN RSA PRIVATE KEY"] {
        assert!(!text.contains(secret), "{of} shows {secret:?}:\n{text}");
        // A part of the base64 that does not depend on what stands before it, whatever the offset.
        for shift in 0..3 {
            let encoded = base64([&b"xxx"[..shift], secret.as_bytes()].concat());
            let middle = &encoded[4..encoded.len() - 4];
            assert!(!text.contains(middle), "{of} shows {secret:?} in base64:\n{text}");
        }
    }
}

struct Home {
    folder: tempfile::TempDir,
    runs: std::cell::Cell<usize>,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), runs: std::cell::Cell::new(0) }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn log(&self) -> PathBuf {
        self.path().join("log")
    }

    fn kubeconfig(&self, text: &str) -> String {
        let file = self.path().join("kubeconfig");
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// A kubeconfig of one cluster and one user, given as YAML flow mappings.
    fn one(&self, cluster: &str, user: &str) -> String {
        tls::kubeconfig(self.path(), cluster, user).kubeconfig.unwrap().to_str().unwrap().to_owned()
    }

    fn variables(&self) -> [(&'static str, String); 6] {
        let home = self.path().to_str().unwrap().to_owned();
        [
            ("HOME", home),
            ("PATH", "/usr/bin:/bin".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("KDISCO_LOG", "trace".to_owned()),
            ("KDISCO_LOG_FILE", self.log().to_str().unwrap().to_owned()),
            ("RUST_BACKTRACE", "full".to_owned()),
        ]
    }

    /// Runs it with everything logged; what it printed, with nothing secret in it.
    fn run(&self, arguments: &[&str], more: &[(&str, &str)]) -> String {
        self.runs.set(self.runs.get() + 1);
        let mut command = Command::new(env!("CARGO_BIN_EXE_kdisco"));
        command.args(arguments).arg("--log-file").arg(self.log()).env_clear().envs(self.variables());
        command.envs(more.iter().copied()).current_dir(self.path()).stdin(Stdio::null());
        let output = command.output().unwrap();
        let printed =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        holds_none(&printed, &format!("{arguments:?}"));
        assert!(!printed.contains("panicked"), "{printed}");
        printed
    }

    /// Looks through everything that was written to this home.
    fn look(&self) {
        let log = std::fs::read_to_string(self.log()).unwrap();
        assert!(log.lines().count() >= self.runs.get(), "the log is not written");
        holds_none(&log, "the log");
    }
}

/// What is asked of a cluster, whether it answers or not.
const COMMANDS: &[&[&str]] = &[
    &["services", "-A", "-o", "json"],
    &["env", "-A"],
    &["access"],
    &["resolve", "kubernetes.default", "--timeout", "1"],
    &["doctor", "kubernetes.default", "--no-live"],
    &["forward", "svc/kubernetes", ":443", "--pod-running-timeout", "1s"],
];

#[test]
fn broken_kubeconfigs_are_told_without_their_secrets() {
    let home = Home::new();
    let server = "server: 'https://127.0.0.1:1'";
    let plugin = |rest: &str| {
        format!("exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, {rest}}}")
    };
    let users = [
        format!("token: [{PLANTED}]"),
        format!("token: {{a: {PLANTED}}}"),
        format!("token: \"{PLANTED}\\n\\u0001\""),
        format!("token: {PLANTED}, token: {PLANTED}"),
        format!("token: {PLANTED}, username: me, password: {PLANTED}"),
        format!("username: [me], password: {PLANTED}"),
        format!("username: me, password: [{PLANTED}]"),
        format!("username: \"me\\0\", password: \"{PLANTED}\\0\""),
        format!("client-key-data: '{PLANTED}!', client-certificate-data: '{PLANTED}!'"),
        format!("client-key-data: {0}, client-certificate-data: {0}", base64(PLANTED)),
        format!(
            "client-key-data: {}, client-certificate-data: {}",
            base64(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", base64(PLANTED))),
            base64(tls::V1_CERTIFICATE)
        ),
        format!("client-key-data: {}", base64(tls::V1_KEY)),
        format!("client-key-data: [{PLANTED}]"),
        format!("tokenFile: /nonexistent, token: {PLANTED}"),
        plugin(&format!(
            "command: /nonexistent/plugin, args: [--password, {PLANTED}], env: [{{name: P, value: {PLANTED}}}]"
        )),
        plugin(&format!("command: sh, args: [-c, 'echo {PLANTED}']")),
        plugin(&format!("command: sh, args: [-c, 'echo {PLANTED}; exit 3']")),
        plugin(&format!(
            "command: sh, args: [-c, 'echo \"{{\\\"kind\\\":\\\"ExecCredential\\\",\\\"status\\\":{{\\\"token\\\":[\\\"{PLANTED}\\\"]}}}}\"']"
        )),
        plugin(&format!(
            "command: sh, args: [-c, 'echo $KUBERNETES_EXEC_INFO'], env: [{{name: P, value: [{PLANTED}]}}]"
        )),
        plugin(&format!("command: sh, args: {{a: {PLANTED}}}")),
        format!(
            "auth-provider: {{name: oidc, config: {{id-token: {PLANTED}, refresh-token: {PLANTED}, client-secret: {PLANTED}, idp-issuer-url: 'https://127.0.0.1:1'}}}}"
        ),
        format!("auth-provider: {{name: oidc, config: {{id-token: [{PLANTED}]}}}}"),
        format!("auth-provider: {{name: gcp, config: {{access-token: {PLANTED}}}}}"),
        format!("as: [{PLANTED}]"),
    ];
    for user in &users {
        let file = home.one(server, user);
        home.run(&["--kubeconfig", &file, "services"], &[]);
    }
    for cluster in [
        format!("server: 'https://me:{PLANTED}@127.0.0.1:1'"),
        format!("server: 'https://me:{PLANTED}@[broken'"),
        format!("server: 'ftp://me:{PLANTED}@127.0.0.1'"),
        format!("server: 'https://me:{PLANTED}@ 127.0.0.1'"),
        format!("{server}, proxy-url: 'http://me:{PLANTED}@127.0.0.1:1'"),
        format!("{server}, proxy-url: 'https://me:{PLANTED}@127.0.0.1:1'"),
        format!("{server}, proxy-url: 'socks5://me:{PLANTED}@127.0.0.1:1'"),
        format!("{server}, proxy-url: 'ftp://me:{PLANTED}@127.0.0.1:1'"),
        format!("{server}, proxy-url: 'http://me:{PLANTED}@[broken'"),
        format!("{server}, proxy-url: 'http://me:{PLANTED}@127.0.0.1:99999'"),
        format!("{server}, proxy-url: 'me:{PLANTED}@127.0.0.1:1'"),
        format!("{server}, proxy-url: ['http://me:{PLANTED}@127.0.0.1']"),
        format!("{server}, certificate-authority-data: '{PLANTED}!'"),
        format!("{server}, certificate-authority-data: {}", base64(PLANTED)),
    ] {
        let file = home.one(&cluster, &format!("token: {PLANTED}"));
        home.run(&["--kubeconfig", &file, "services"], &[]);
    }
    for text in [
        format!("users:\n- name: u\n  user: {{token: {PLANTED}\n"),
        format!("users:\n- name: u\n  user:\n    token: {PLANTED}: {PLANTED}\n"),
        format!("users:\n- name: u\n  user:\n\ttoken: {PLANTED}\n"),
        format!("users:\n- name: u\n  user:\n    token: \"{PLANTED}\n"),
        format!("users:\n- name: u\n  user:\n    token: *{PLANTED}\n"),
        format!("users:\n- name: u\n  user:\n    token: !{PLANTED} [\n"),
        format!("users:\n- name: u\n  user: {PLANTED}\n"),
        format!("users: {PLANTED}\n"),
        format!("{{\"users\": [{{\"name\": \"u\", \"user\": {{\"token\": \"{PLANTED}\",,}}}}]}}"),
        format!("{PLANTED}\n"),
        format!("- {PLANTED}\n"),
        format!("users:\n- name: u\n  user:\n    token: {PLANTED}\u{1}\n"),
        format!("kind: Config\ntoken: {PLANTED}\ncurrent-context: nowhere\n"),
    ] {
        let file = home.kubeconfig(&text);
        home.run(&["--kubeconfig", &file, "services"], &[]);
    }
    home.look();
}

#[test]
fn flags_and_proxies_that_fail_are_told_without_their_secrets() {
    let home = Home::new();
    let server = ["--server", "https://127.0.0.1:1"];
    for flags in [
        &["--token", PLANTED][..],
        &["--token", PLANTED, "--username", "me", "--password", PLANTED],
        &["--username", "me", "--password", PLANTED],
        &["--token", concat!("pl4nted-s3cret-0f-th1s-t3st", "\n")],
    ] {
        for command in COMMANDS {
            home.run(&[&server, flags, command].concat(), &[]);
        }
        home.run(&[flags, &["--server", "nonsense", "services"]].concat(), &[]);
        home.run(&[flags, &["services", "--no-such-flag"]].concat(), &[]);
        home.run(&[flags, &["config"]].concat(), &[]);
    }
    let with_password = format!("https://me:{PLANTED}@127.0.0.1:1");
    home.run(&["--server", &with_password, "services"], &[]);
    for proxy in ["http", "https", "socks5", "ftp", ""] {
        for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
            let proxy = format!("{proxy}://me:{PLANTED}@127.0.0.1:1");
            home.run(&[&server[..], &["services"]].concat(), &[(variable, &proxy)]);
        }
    }
    home.look();
}

/// A server whose one Secret is broken in the way given.
fn answer(head: &str, refusal: Option<&'static str>, secret: &str) -> Answer {
    if let Some(status) = refusal {
        return (status, r#"{"kind":"Status","message":"no","reason":"x","code":401}"#.to_owned());
    }
    let path = head.split(' ').nth(1).unwrap_or_default();
    let list = |kind: &str, items: &str| {
        format!(
            r#"{{"kind":"{kind}List","apiVersion":"v1","metadata":{{"resourceVersion":"1"}},"items":[{items}]}}"#
        )
    };
    let pod = r#"{"metadata":{"name":"p","namespace":"default"},"spec":{"containers":[{"name":"c","env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}],"envFrom":[{"secretRef":{"name":"s"}}]}]},"status":{"phase":"Running"}}"#;
    let body = match path.split('?').next().unwrap_or_default() {
        "/version" => tls::VERSION.to_owned(),
        path if path.contains("/secrets/") => secret.to_owned(),
        path if path.ends_with("/pods") => list("Pod", pod),
        path if path.ends_with("/services") => list("Service", ""),
        path if path.ends_with("/endpointslices") => list("EndpointSlice", ""),
        path if path.ends_with("/namespaces") => list("Namespace", ""),
        _ => {
            return (
                "404 Not Found",
                r#"{"kind":"Status","message":"none","reason":"NotFound","code":404}"#.to_owned(),
            );
        }
    };
    ("200 OK", body)
}

#[test]
fn servers_that_refuse_or_answer_nonsense_are_told_without_secrets() {
    let home = Home::new();
    let (encoded, meta) = (base64(PLANTED), r#""metadata":{"name":"s","namespace":"default"}"#);
    let secrets = [
        format!(r#"{{"kind":"Secret","apiVersion":"v1",{meta},"data":{{"k":"{encoded}"}}}}"#),
        format!(r#"{{"kind":"Secret","apiVersion":"v1",{meta},"data":"{encoded}"}}"#),
        format!(r#"{{"kind":"Secret","apiVersion":"v1",{meta},"data":{{"k":["{PLANTED}"]}}}}"#),
        format!(r#"{{"kind":"Secret","apiVersion":"v1",{meta},"data":{{"k":"{PLANTED}!"}}}}"#),
        format!(r#"{{"kind":"Secret","apiVersion":"v1",{meta},"data":{{"k":"{encoded}"}},"#),
        PLANTED.to_owned(),
        format!("k8s\0{PLANTED}"),
    ];
    for (i, secret) in secrets.into_iter().enumerate() {
        let good = i == 0;
        let (port, log) = serve_kept(move |seen| answer(&seen.head, None, &secret));
        let file = home.one(&trusted(port), &format!("token: {PLANTED}"));
        home.run(&["--kubeconfig", &file, "env", "-A"], &[]);
        let asked = || log.lock().unwrap().iter().any(|seen| seen.head.contains("/secrets/s"));
        assert!(!asked(), "nobody asked for it");
        if !good {
            home.run(&["--kubeconfig", &file, "env", "-A", "--show-secrets", "-o", "json"], &[]);
            assert!(asked(), "the Secret is never read");
        }
    }
    for refusal in
        ["401 Unauthorized", "403 Forbidden", "500 Internal Server Error", "307 Temporary Redirect"]
    {
        let (port, _) = serve_kept(move |seen| answer(&seen.head, Some(refusal), ""));
        for user in [
            format!("token: {PLANTED}"),
            format!("username: me, password: {PLANTED}"),
            format!(
                "client-key-data: {}, client-certificate-data: {}",
                base64(tls::V1_KEY),
                base64(tls::V1_CERTIFICATE)
            ),
            tls::plugin(home.path(), &tls::issue(&format!(r#"{{"token":"{PLANTED}"}}"#))),
        ] {
            let file = home.one(&trusted(port), &user);
            for command in COMMANDS {
                home.run(&[&["--kubeconfig", &file], *command].concat(), &[]);
            }
        }
    }
    home.look();
}

#[test]
fn the_demos_secret_is_in_no_output_that_did_not_ask_for_it() {
    let home = Home::new();
    for command in [
        &["services", "-A", "-o", "yaml"][..],
        &["endpoints", "-A"],
        &["dns", "-A"],
        &["resolvconf", "-A"],
        &["env", "-A"],
        &["env", "-A", "-o", "json"],
        &["env", "-A", "-o", "wide"],
        &["check"],
        &["access"],
        &["doctor", "my-app"],
        &["resolve", "my-app", "--trace"],
        &["restart", "my-app", "--dry-run", "client"],
    ] {
        home.run(&[&["--demo"], command].concat(), &[]);
    }
    home.look();
}

#[test]
fn the_explorer_shows_and_logs_no_secret() {
    let home = Home::new();
    let explore = |arguments: &[&str], first: &str| {
        home.runs.set(home.runs.get() + 1);
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_kdisco"));
        command.args(arguments);
        command.env_clear();
        for (name, value) in home.variables() {
            command.env(name, value);
        }
        command.env("TERM", "xterm-256color");
        command.cwd(home.path());
        let mut terminal = pty::Terminal::start(command, 120, 36);
        terminal.expect(first, |screen| screen.contains(first));
        let mut screens = String::new();
        // Rows, panes, pods, environments, details, contexts, the help.
        for keys in [
            "j", "\t", "\t", "\t", "\t", "\r", "\u{1b}", "2", "3", "4", "5", "i", "\u{1b}", "?", "\u{1b}",
            "c", "\u{1b}",
        ] {
            terminal.send(keys);
            terminal.pump(Duration::from_millis(100));
            screens += &terminal.text();
        }
        terminal.send("\x03");
        terminal.end();
        holds_none(&screens, "a screen");
        holds_none(&String::from_utf8_lossy(&terminal.raw), "the terminal");
    };
    explore(&["--demo", "-A"], "my-app");
    let (port, said) = serve_kept(|seen| answer(&seen.head, Some("401 Unauthorized"), ""));
    for user in [format!("token: {PLANTED}"), format!("username: me, password: {PLANTED}")] {
        let file = home.one(&trusted(port), &user);
        explore(&["--kubeconfig", &file], "(401)");
    }
    assert!(said.lock().unwrap().iter().any(|seen| seen.head.contains(PLANTED)), "the token is never sent");
    let file = home.kubeconfig(&format!("users:\n- name: u\n  user: {{token: {PLANTED}\n"));
    explore(&["--kubeconfig", &file], "kdisco");
    home.look();
}

/// A bug at the worst moment: a Secret's value is on the screen, and what breaks quotes it and the token.
#[cfg(debug_assertions)]
#[test]
fn a_crash_report_holds_no_secret() {
    let home = Home::new();
    home.runs.set(1);
    let pipe = home.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_kdisco"));
    command.arg("--demo");
    command.env_clear();
    for (name, value) in home.variables() {
        command.env(name, value);
    }
    command.env("TERM", "xterm-256color");
    command.env("KDISCO_TEST_PANIC", &pipe);
    command.cwd(home.path());
    let mut terminal = pty::Terminal::start(command, 120, 36);
    terminal.expect("the list", |screen| screen.contains("my-app") && screen.contains("3/3"));
    terminal.send("/my-app\r");
    terminal.expect("its container", |screen| screen.contains("/ nginx"));
    terminal.send("4");
    terminal.expect("the keys of the environment", |screen| screen.contains("show secret"));
    terminal.send("/PASSWORD\r");
    terminal.expect("the variable", |screen| screen.contains("DB_PASSWORD") && !screen.contains("LOG_LEVEL"));
    terminal.send("ju");
    terminal.expect("the value, as it was asked for", |screen| screen.contains(DEMO));
    let shown = terminal.raw.len();
    std::fs::write(&pipe, format!("{PLANTED} {DEMO} {} {}\u{1b}[2J", base64(PLANTED), tls::V1_KEY)).unwrap();
    // It was a task: the rest would have gone on, showing what nobody keeps true any more.
    assert_eq!(terminal.end(), 101);
    assert!(!terminal.full_screen());
    let report = String::from_utf8_lossy(&terminal.raw[shown..]).into_owned();
    assert!(report.contains("panicked at src") && report.contains("its message is left out"), "{report}");
    assert!(report.contains("cli/crash.rs"), "a stack is asked for: {report}");
    // What leaving the full screen draws is no report; that stands behind it.
    let report = &report[report.find("error: kdisco has a bug").unwrap()..];
    holds_none(report, "the crash report");
    assert!(!report.contains("\u{1b}[2J"), "{report:?}");
    assert!(std::fs::read_to_string(home.log()).unwrap().contains("kdisco has a bug"), "the log has it");
    home.look();
}
