//! Credentials that end, are revoked or are replaced while we run; all on loopback, with real plugins and real TLS.

#[path = "common/tls.rs"]
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use kdisco::cluster::ApiErrorKind;
use kdisco::cluster::client::{Client, Terminal};
use kdisco::cluster::kubeconfig::{Environment, Kubeconfig, Overrides};
use kdisco::cluster::session::{Connection, Start};
use kdisco::cluster::watch::Timing;
use kdisco::model::{Kind, Load, NamespaceScope};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tls::{
    Answer, CA, OTHER_CA, Seen, V1_CERTIFICATE, V1_KEY, VERSION, base64, client, connect, issue, kubeconfig,
    plugin, read_head, runs, serve, serve_kept, trusted,
};

const PATIENCE: Duration = Duration::from_secs(20);
const SECOND_CERTIFICATE: &str = include_str!("fixtures/tls/client-2.crt");
const SECOND_KEY: &str = include_str!("fixtures/tls/client-2.key");

fn der(pem: &str) -> Option<Vec<u8>> {
    Some(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec())
}

/// A server that takes one token alone.
fn only(token: &'static str) -> impl Fn(&Seen) -> Answer + Send + Sync + 'static {
    move |seen| {
        let right = seen.header("authorization") == Some(&format!("Bearer {token}"));
        if right { ("200 OK", VERSION.to_owned()) } else { ("401 Unauthorized", "{}".to_owned()) }
    }
}

/// A plugin whose first credential was revoked: each run gives another one.
fn counting_plugin(folder: &Path) -> String {
    let count = r#"n=$(wc -l < "$(dirname "$0")/runs" | tr -d ' ')"#;
    plugin(folder, &format!("{count}\n{}", issue(r#""token":"t'$n'""#)))
}

fn tokens(log: &tls::Log) -> Vec<String> {
    log.lock().unwrap().iter().map(|s| s.header("authorization").unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn an_authority_file_that_is_replaced_counts_from_the_next_connection_on() {
    let (port, _log) = serve(|_| "200 OK");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.crt");
    std::fs::write(&file, OTHER_CA).unwrap();
    let cluster = format!("server: 'https://127.0.0.1:{port}', certificate-authority: ca.crt");
    let client = connect(&kubeconfig(folder.path(), &cluster, "")).unwrap();
    let error = client.server_version().await.unwrap_err();
    assert_eq!(error.kind, ApiErrorKind::Certificate);
    assert!(error.why.contains("unknown authority"), "{error}");
    std::fs::write(&file, CA).unwrap();
    client.server_version().await.unwrap();
    // Half-written, or gone for a moment: what was trusted stays so.
    std::fs::write(&file, "-----BEGIN CERT").unwrap();
    client.server_version().await.unwrap();
    std::fs::remove_file(&file).unwrap();
    client.server_version().await.unwrap();
    std::fs::write(&file, OTHER_CA).unwrap();
    assert_eq!(client.server_version().await.unwrap_err().kind, ApiErrorKind::Certificate);
}

#[tokio::test]
async fn a_certificate_that_is_replaced_on_disk_replaces_the_open_connection_after_a_401() {
    let (port, log) = serve_kept(move |seen| {
        let good = seen.certificate == der(SECOND_CERTIFICATE);
        if good { ("200 OK", VERSION.to_owned()) } else { ("401 Unauthorized", "{}".to_owned()) }
    });
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("me.crt", V1_CERTIFICATE);
    write("me.key", V1_KEY);
    let client =
        connect(&kubeconfig(folder.path(), &trusted(port), "client-certificate: me.crt, client-key: me.key"))
            .unwrap();
    assert_eq!(client.server_version().await.unwrap_err().kind, ApiErrorKind::Unauthorized);
    assert_eq!(log.lock().unwrap().len(), 1, "nothing has changed, so nothing is tried again");
    write("me.crt", SECOND_CERTIFICATE);
    write("me.key", SECOND_KEY);
    client.server_version().await.unwrap();
    let shown: Vec<_> = log.lock().unwrap().iter().map(|s| s.certificate.clone()).collect();
    assert_eq!(shown, [der(V1_CERTIFICATE), der(V1_CERTIFICATE), der(SECOND_CERTIFICATE)]);
}

#[tokio::test]
async fn a_pair_that_is_half_replaced_is_not_used() {
    let (port, log) = serve(|_| "200 OK");
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("me.crt", SECOND_CERTIFICATE);
    write("me.key", SECOND_KEY);
    let client =
        connect(&kubeconfig(folder.path(), &trusted(port), "client-certificate: me.crt, client-key: me.key"))
            .unwrap();
    client.server_version().await.unwrap();
    write("me.crt", OTHER_CA);
    client.server_version().await.unwrap();
    let shown: Vec<_> = log.lock().unwrap().iter().map(|s| s.certificate.clone()).collect();
    assert_eq!(shown, [der(SECOND_CERTIFICATE), der(SECOND_CERTIFICATE)]);
}

#[tokio::test]
async fn a_pods_own_cluster_is_reached_with_its_token_as_it_is_now() {
    let (port, log) = serve_kept(only("second"));
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("token", "first"), ("ca.crt", CA), ("namespace", "shop\n")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let variables =
        [("KUBERNETES_SERVICE_HOST", "127.0.0.1"), ("KUBERNETES_SERVICE_PORT", &*port.to_string())]
            .map(|(k, v)| (k.to_owned(), v.into()));
    let environment =
        Environment { variables: BTreeMap::from(variables), service_account: folder.path().to_owned() };
    let target = Kubeconfig::load(&Overrides::default(), &environment).unwrap().target().unwrap();
    assert_eq!((&*target.context, &*target.namespace), ("in-cluster", "shop"));
    let client = Client::new(target, Terminal::Ours).unwrap();
    assert_eq!(client.server_version().await.unwrap_err().kind, ApiErrorKind::Unauthorized);
    std::fs::write(folder.path().join("token"), "second\n").unwrap();
    client.server_version().await.unwrap();
    assert_eq!(tokens(&log), ["Bearer first", "Bearer first", "Bearer second"]);
}

#[tokio::test]
async fn a_revoked_credential_is_renewed_once_and_the_request_repeated() {
    let (port, log) = serve_kept(only("t2"));
    let folder = tempfile::tempdir().unwrap();
    let user = counting_plugin(folder.path());
    let client = connect(&kubeconfig(folder.path(), &trusted(port), &user)).unwrap();
    client.server_version().await.unwrap();
    assert_eq!(tokens(&log), ["Bearer t1", "Bearer t2"]);
    assert_eq!(runs(folder.path()), 2);
}

#[tokio::test]
async fn a_server_that_refuses_every_credential_does_not_run_the_plugin_each_time() {
    let (port, log) = serve_kept(only("none of them"));
    let folder = tempfile::tempdir().unwrap();
    let user = counting_plugin(folder.path());
    let client = connect(&kubeconfig(folder.path(), &trusted(port), &user)).unwrap();
    for _ in 0..20 {
        assert_eq!(client.server_version().await.unwrap_err().kind, ApiErrorKind::Unauthorized);
    }
    assert_eq!(runs(folder.path()), 2);
    assert_eq!(log.lock().unwrap().len(), 21);
}

#[tokio::test]
async fn an_upgrade_is_repeated_with_the_renewed_credential() {
    let (port, log) = serve_kept(only("t2"));
    let folder = tempfile::tempdir().unwrap();
    let user = counting_plugin(folder.path());
    let client = connect(&kubeconfig(folder.path(), &trusted(port), &user)).unwrap();
    let request =
        http::Request::get("/api/v1/namespaces/a/pods/p/exec?command=true&stdout=true").body(vec![]).unwrap();
    // The server answers 200 to an upgrade, which is no upgrade: what matters is how it was asked.
    assert!(client.kube().connect(request).await.is_err());
    assert_eq!(tokens(&log), ["Bearer t1", "Bearer t2"]);
    assert!(log.lock().unwrap().iter().all(|s| s.header("upgrade") == Some("websocket")));
}

/// An API server with one Service, whose watches end when their token is no longer the right one.
fn one_service(right: Arc<Mutex<&'static str>>) -> (u16, tls::Log) {
    serve_kept(move |seen| {
        if seen.header("authorization") != Some(&format!("Bearer {}", right.lock().unwrap())) {
            return ("401 Unauthorized", "{}".to_owned());
        }
        let first = seen.head.lines().next().unwrap_or_default();
        if first.contains("watch=true") {
            // Revoked while it runs; the watch itself is cut as the API server does it with its timeout.
            *right.lock().unwrap() = "t2";
            return ("200 OK", String::new());
        }
        let services = first.contains("/services?");
        let items = if services {
            r#"[{"metadata":{"name":"web","namespace":"default","uid":"1","resourceVersion":"5"},"spec":{"clusterIP":"10.0.0.1"}}]"#
        } else {
            "[]"
        };
        (
            "200 OK",
            format!(
                r#"{{"kind":"List","apiVersion":"v1","metadata":{{"resourceVersion":"5"}},"items":{items}}}"#
            ),
        )
    })
}

#[tokio::test]
async fn lists_and_watches_go_on_with_the_renewed_credential_and_nothing_goes_stale() {
    let right = Arc::new(Mutex::new("t1"));
    let (port, log) = one_service(right);
    let folder = tempfile::tempdir().unwrap();
    let user = counting_plugin(folder.path());
    let client = connect(&kubeconfig(folder.path(), &trusted(port), &user)).unwrap();
    let connection = Connection::start(
        client,
        Start {
            epoch: 1,
            scope: NamespaceScope::one("default"),
            known: BTreeSet::new(),
            clock: || jiff::Timestamp::UNIX_EPOCH,
            timing: Timing { backoff: Duration::from_millis(1), ..Timing::default() },
        },
    );
    let mut snapshots = connection.snapshots();
    let renewed = tokio::time::timeout(PATIENCE, async {
        loop {
            snapshots.changed().await.unwrap();
            let snapshot = snapshots.borrow_and_update().clone();
            let stale = snapshot.loads.iter().find(|l| {
                l.kind == Kind::Service && matches!(l.load, Load::Stale { .. } | Load::Failed { .. })
            });
            assert!(stale.is_none(), "{stale:?}");
            let watched = |s: &Seen| s.head.contains("watch=true") && s.head.contains("Bearer t2");
            if snapshot.services.iter().len() == 1 && log.lock().unwrap().iter().any(watched) {
                return;
            }
        }
    });
    // Watches begin again and again, so that a snapshot always comes.
    let asked = tokio::time::timeout(PATIENCE, async {
        while !log
            .lock()
            .unwrap()
            .iter()
            .any(|s| s.head.contains("watch=true") && s.head.contains("Bearer t2"))
        {
            tokio::task::yield_now().await;
        }
    });
    tokio::select! { done = renewed => done.unwrap(), done = asked => done.unwrap() }
    assert_eq!(runs(folder.path()), 2);
    let shown = connection.snapshots().borrow().clone();
    assert_eq!(shown.services.iter().len(), 1);
}

#[tokio::test]
async fn a_plugin_that_has_to_talk_asks_for_the_terminal_once() {
    let folder = tempfile::tempdir().unwrap();
    let user = plugin(folder.path(), "echo 'run the login first' >&2; exit 1");
    let client = connect(&kubeconfig(folder.path(), &trusted(1), &user)).unwrap();
    let mut asks = client.asks_for_terminal();
    client.server_version().await.unwrap_err();
    client.server_version().await.unwrap_err();
    let said = asks.borrow_and_update().clone().expect("it asks");
    assert!(said.why.starts_with("run the login first"), "{said}");
    // Tried again, it is asked again.
    client.retry_credential().await;
    assert!(asks.borrow_and_update().is_none());
    client.server_version().await.unwrap_err();
    assert!(asks.borrow_and_update().is_some());

    let silent = user.replace("IfAvailable", "Never");
    let client = connect(&kubeconfig(folder.path(), &trusted(1), &silent)).unwrap();
    client.server_version().await.unwrap_err();
    assert!(client.asks_for_terminal().borrow().is_none());

    let always = user.replace("IfAvailable", "Always");
    let before = runs(folder.path());
    let client = connect(&kubeconfig(folder.path(), &trusted(1), &always)).unwrap();
    let error = client.server_version().await.unwrap_err();
    assert!(error.why.contains("must talk to you in a terminal"), "{error}");
    assert!(client.asks_for_terminal().borrow().is_some());
    assert_eq!(runs(folder.path()), before, "without the terminal it is not run at all");
}

/// An OIDC issuer over plain HTTP: the closure sees the path, the head and the form.
fn issuer(answer: impl Fn(&str, &str, &str) -> Answer + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let Some(head) = read_head(&mut stream) else { continue };
            let length =
                head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let mut form = vec![0; length.unwrap_or(0)];
            stream.read_exact(&mut form).unwrap();
            let path = head.split(' ').nth(1).unwrap().to_owned();
            let (status, body) = answer(&path, &head, &String::from_utf8(form).unwrap());
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
        }
    });
    port
}

fn jwt(name: &str, expires: i64) -> String {
    let part = |text: String| base64(text).replace('+', "-").replace('/', "_").replace('=', "");
    format!(
        "{}.{}.c2ln",
        part(r#"{"alg":"none"}"#.into()),
        part(format!(r#"{{"sub":"{name}","exp":{expires}}}"#))
    )
}

const LONG_AGO: i64 = 1_000_000_000;
const FAR_AWAY: i64 = 33_000_000_000;

fn oidc(port: u16, more: &str) -> String {
    format!(
        "auth-provider: {{name: oidc, config: {{idp-issuer-url: 'http://127.0.0.1:{port}/realm/', client-id: kubernetes, {more}}}}}"
    )
}

fn discovery(path: &str, port_of: &str) -> Option<Answer> {
    (path == "/realm/.well-known/openid-configuration")
        .then(|| ("200 OK", format!(r#"{{"token_endpoint":"http://{port_of}/realm/token"}}"#)))
}

fn host(head: &str) -> String {
    head.lines().find_map(|l| l.strip_prefix("host: ")).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_oidc_token_that_has_expired_is_renewed_at_its_issuer() {
    let fresh = jwt("new", FAR_AWAY);
    let (given, forms) = (fresh.clone(), Arc::new(Mutex::new(Vec::new())));
    let seen = forms.clone();
    let issuer = issuer(move |path, head, form| {
        if let Some(answer) = discovery(path, &host(head)) {
            return answer;
        }
        seen.lock().unwrap().push(form.to_owned());
        // This one does not take the client's name as a header.
        if head.to_lowercase().contains("authorization: basic") {
            return ("401 Unauthorized", r#"{"error":"invalid_client"}"#.to_owned());
        }
        ("200 OK", format!(r#"{{"id_token":"{given}","refresh_token":"r2"}}"#))
    });
    let (port, log) = serve(|_| "200 OK");
    let user = oidc(
        issuer,
        &format!("id-token: {}, refresh-token: 'r/1', client-secret: 's&t'", jwt("old", LONG_AGO)),
    );
    let (client, _folder) = client(&trusted(port), &user);
    let notices = client.notices();
    client.server_version().await.unwrap();
    client.server_version().await.unwrap();
    assert_eq!(tokens(&log), [format!("Bearer {fresh}"), format!("Bearer {fresh}")]);
    let forms = forms.lock().unwrap().clone();
    assert_eq!(forms.len(), 2, "asked once in each way, and then kept");
    assert_eq!(forms[0], "grant_type=refresh_token&refresh_token=r%2F1");
    assert_eq!(
        forms[1],
        "grant_type=refresh_token&refresh_token=r%2F1&client_id=kubernetes&client_secret=s%26t"
    );
    assert!(notices.borrow()[0].contains("new refresh token"), "{:?}", notices.borrow());
}

#[tokio::test]
async fn an_oidc_token_that_is_revoked_is_renewed_after_the_401() {
    let (old, fresh) = (jwt("old", FAR_AWAY), jwt("new", FAR_AWAY));
    let given = fresh.clone();
    let issuer = issuer(move |path, head, _| {
        discovery(path, &host(head)).unwrap_or_else(|| ("200 OK", format!(r#"{{"id_token":"{given}"}}"#)))
    });
    let right = format!("Bearer {fresh}");
    let (port, log) = serve_kept(move |seen| {
        let good = seen.header("authorization") == Some(&right);
        if good { ("200 OK", VERSION.to_owned()) } else { ("401 Unauthorized", "{}".to_owned()) }
    });
    let (client, _folder) =
        client(&trusted(port), &oidc(issuer, &format!("id-token: {old}, refresh-token: r")));
    client.server_version().await.unwrap();
    assert_eq!(tokens(&log), [format!("Bearer {old}"), format!("Bearer {fresh}")]);
}

#[tokio::test]
async fn an_issuer_that_refuses_is_quoted() {
    let issuer = issuer(|path, head, _| {
        let refused = r#"{"error":"invalid_grant","error_description":"Session not active"}"#;
        discovery(path, &host(head)).unwrap_or_else(|| ("400 Bad Request", refused.to_owned()))
    });
    let user = oidc(issuer, &format!("id-token: {}, refresh-token: sesame", jwt("old", LONG_AGO)));
    let (client, _folder) = client(&trusted(1), &user);
    let error = client.server_version().await.unwrap_err();
    assert_eq!(error.kind, ApiErrorKind::Credential);
    assert_eq!(error.why, "Session not active (invalid_grant)");
    assert!(!format!("{error:?}").contains("sesame"));
}

#[tokio::test]
async fn an_oidc_user_without_what_it_needs_is_told_what_is_missing() {
    let (expired, _f1) = client(&trusted(1), &oidc(1, &format!("id-token: {}", jwt("old", LONG_AGO))));
    let error = expired.server_version().await.unwrap_err();
    assert!(error.why.contains("no refresh-token"), "{error}");
    let (broken, _f2) = client(&trusted(1), &oidc(1, "id-token: sesame, refresh-token: r"));
    let error = broken.server_version().await.unwrap_err();
    assert!(error.why.contains("no valid JWT") && !error.why.contains("sesame"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let refused = |user: &str| connect(&kubeconfig(folder.path(), &trusted(1), user)).unwrap_err().why;
    assert!(refused("auth-provider: {name: oidc, config: {client-id: a}}").contains("idp-issuer-url"));
    assert!(refused("auth-provider: {name: gcp, config: {}}").contains("exec plugin"));
}

/// A plugin that waits until the test says so, by a pipe that the test opens.
pub fn waiting_plugin(folder: &Path) -> (String, PathBuf) {
    let pipe = folder.join("go");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let script = format!("echo 'open https://sign.in in your browser' >&2\ncat '{}'", pipe.display());
    (plugin(folder, &script), pipe)
}

#[tokio::test]
async fn requests_that_wait_for_one_plugin_all_go_on_with_what_it_gives() {
    let (port, log) = serve_kept(only("late"));
    let folder = tempfile::tempdir().unwrap();
    let (user, pipe) = waiting_plugin(folder.path());
    let client = connect(&kubeconfig(folder.path(), &trusted(port), &user)).unwrap();
    let mut notices = client.notices();
    let asking: Vec<_> = (0..5)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.server_version().await })
        })
        .collect();
    tokio::time::timeout(PATIENCE, notices.changed()).await.unwrap().unwrap();
    assert_eq!(notices.borrow_and_update()[0], "open https://sign.in in your browser");
    assert!(log.lock().unwrap().is_empty());
    let credential = r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"late"}}"#;
    tokio::task::spawn_blocking(move || std::fs::write(pipe, credential)).await.unwrap().unwrap();
    for answer in asking {
        tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap().unwrap();
    }
    assert_eq!(runs(folder.path()), 1);
}
