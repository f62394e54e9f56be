//! Connecting as kubectl connects: real TLS handshakes, proxies and credential plugins, all on loopback.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a helper must fail the test")]

#[path = "common/tls.rs"]
mod tls;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use kdisco::cluster::ApiErrorKind;
use kdisco::cluster::kubeconfig::Overrides;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tls::{
    CA, OTHER_CA, V1_CERTIFICATE, V1_KEY, base64, client, connect, failure, issue, kubeconfig, plugin,
    read_head, runs, serve, trusted,
};

const SECOND_CERTIFICATE: &str = include_str!("fixtures/tls/client-2.crt");
const SECOND_KEY: &str = include_str!("fixtures/tls/client-2.key");

#[tokio::test]
async fn a_version_1_client_certificate_is_shown_to_the_server() {
    let (port, log) = serve(|_| "200 OK");
    let user =
        format!("client-certificate-data: {}, client-key-data: {}", base64(V1_CERTIFICATE), base64(V1_KEY));
    let (client, _folder) = client(&trusted(port), &user);
    assert_eq!(&*client.server_version().await.unwrap().git_version, "v1.34.4");
    let expected = CertificateDer::from_pem_slice(V1_CERTIFICATE.as_bytes()).unwrap();
    assert_eq!(log.lock().unwrap()[0].certificate.as_deref(), Some(&*expected));
}

#[tokio::test]
async fn the_servers_certificate_tells_the_cluster_domain() {
    let (port, _log) = serve(|_| "200 OK");
    let (client, _folder) = client(&trusted(port), "");
    assert_eq!(client.certificate_domain(), None);
    client.server_version().await.unwrap();
    assert_eq!(client.certificate_domain().as_deref(), Some("corp.example"));
}

#[tokio::test]
async fn certificate_files_are_relative_to_the_kubeconfig_and_read_for_each_connection() {
    let (port, log) = serve(|_| "200 OK");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.crt"), CA).unwrap();
    std::fs::write(folder.path().join("me.crt"), V1_CERTIFICATE).unwrap();
    std::fs::write(folder.path().join("me.key"), V1_KEY).unwrap();
    let cluster = format!("server: 'https://127.0.0.1:{port}', certificate-authority: ca.crt");
    let overrides = kubeconfig(folder.path(), &cluster, "client-certificate: ./me.crt, client-key: me.key");
    let client = connect(&overrides).unwrap();
    client.server_version().await.unwrap();
    // Renewed on disk.
    std::fs::write(folder.path().join("me.crt"), SECOND_CERTIFICATE).unwrap();
    std::fs::write(folder.path().join("me.key"), SECOND_KEY).unwrap();
    client.server_version().await.unwrap();
    let shown: Vec<_> = log.lock().unwrap().iter().map(|s| s.certificate.clone()).collect();
    let der = |pem: &str| Some(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec());
    assert_eq!(shown, [der(V1_CERTIFICATE), der(SECOND_CERTIFICATE)]);
}

#[tokio::test]
async fn an_authority_that_signed_nothing_here_is_named_as_the_cause() {
    let (port, log) = serve(|_| "200 OK");
    let cluster =
        |ca| format!("server: 'https://127.0.0.1:{port}', certificate-authority-data: {}", base64(ca));
    let error = failure(&cluster(OTHER_CA), "").await;
    assert_eq!(error.kind, ApiErrorKind::Certificate);
    assert!(error.why.contains("signed by an unknown authority"), "{error}");
    assert!(log.lock().unwrap().is_empty(), "nothing was sent to a server that is not trusted");
}

#[tokio::test]
async fn the_name_in_the_certificate_counts_and_tls_server_name_replaces_it() {
    let (port, _log) = serve(|_| "200 OK");
    let (good, _folder) = client(&format!("{}, tls-server-name: kubernetes", trusted(port)), "");
    good.server_version().await.unwrap();
    let error = failure(&format!("{}, tls-server-name: elsewhere.example", trusted(port)), "").await;
    assert_eq!(error.kind, ApiErrorKind::Certificate);
    assert!(error.why.contains("not for elsewhere.example, but for localhost"), "{error}");
}

/// client-go: `DirectClientConfig.getCluster`.
#[tokio::test]
async fn another_server_on_the_command_line_forgets_the_entrys_tls_server_name() {
    let (port, _log) = serve(|_| "200 OK");
    let folder = tempfile::tempdir().unwrap();
    let cluster = format!("{}, tls-server-name: elsewhere.example", trusted(1));
    let flags = Overrides {
        server: Some(format!("https://127.0.0.1:{port}")),
        ..kubeconfig(folder.path(), &cluster, "")
    };
    connect(&flags).unwrap().server_version().await.unwrap();
    let named = Overrides { tls_server_name: Some("other.example".to_owned()), ..flags };
    let error = connect(&named).unwrap().server_version().await.unwrap_err();
    assert!(error.why.contains("not for other.example"), "{error}");
}

#[tokio::test]
async fn verification_can_be_switched_off_and_it_is_known_that_it_is() {
    let (port, _log) = serve(|_| "200 OK");
    let cluster = format!(
        "server: 'https://127.0.0.1:{port}', insecure-skip-tls-verify: true, tls-server-name: x.example"
    );
    let (client, _folder) = client(&cluster, "");
    assert!(client.target().insecure);
    client.server_version().await.unwrap();
}

#[tokio::test]
async fn nobody_listening_is_told_from_a_server_without_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = failure(&trusted(port), "").await;
    assert_eq!((error.kind, &*error.why), (ApiErrorKind::Unreachable, "connection refused"));

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = stream.read(&mut [0; 512]);
    });
    let error = failure(&trusted(port), "").await;
    assert_eq!((error.kind, &*error.why), (ApiErrorKind::Certificate, "the server does not speak TLS"));
}

/// Copies bytes both ways until both sides have ended.
fn relay(a: TcpStream, b: TcpStream) {
    let (mut a2, mut b2) = (a.try_clone().unwrap(), b.try_clone().unwrap());
    let (mut a, mut b) = (a, b);
    let back = thread::spawn(move || std::io::copy(&mut b2, &mut a2));
    let _ = std::io::copy(&mut a, &mut b);
    let _ = b.shutdown(std::net::Shutdown::Write);
    let _ = back.join();
}

#[tokio::test]
async fn an_http_proxy_is_asked_to_connect_with_its_login() {
    let (port, _log) = serve(|_| "200 OK");
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy_port = proxy.local_addr().unwrap().port();
    let asked = thread::spawn(move || {
        let mut stream = proxy.accept().unwrap().0;
        let head = read_head(&mut stream).unwrap();
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
        relay(stream, TcpStream::connect(("127.0.0.1", port)).unwrap());
        head
    });
    let (client, _folder) =
        client(&format!("{}, proxy-url: 'http://me:p%40ss@127.0.0.1:{proxy_port}'", trusted(port)), "");
    client.server_version().await.unwrap();
    drop(client);
    let head = asked.join().unwrap();
    assert!(head.starts_with(&format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n")), "{head}");
    assert!(head.contains(&format!("Basic {}", base64("me:p@ss"))), "{head}");
}

#[tokio::test]
async fn a_socks5_proxy_resolves_the_name_itself() {
    let (port, _log) = serve(|_| "200 OK");
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy_port = proxy.local_addr().unwrap().port();
    let asked = thread::spawn(move || {
        let mut stream = proxy.accept().unwrap().0;
        let mut bytes = |n: usize| {
            let mut buffer = vec![0; n];
            stream.read_exact(&mut buffer).unwrap();
            buffer
        };
        let methods = bytes(2)[1];
        bytes(methods.into());
        stream.write_all(&[5, 0]).unwrap();
        let mut head = [0; 5];
        stream.read_exact(&mut head).unwrap();
        let mut name = vec![0; usize::from(head[4])];
        stream.read_exact(&mut name).unwrap();
        stream.read_exact(&mut [0; 2]).unwrap();
        stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).unwrap();
        relay(stream, TcpStream::connect(("127.0.0.1", port)).unwrap());
        (head[3], String::from_utf8(name).unwrap())
    });
    let cluster = format!(
        "server: 'https://localhost:{port}', certificate-authority-data: {}, proxy-url: 'socks5://127.0.0.1:{proxy_port}'",
        base64(CA)
    );
    let (client, _folder) = client(&cluster, "");
    client.server_version().await.unwrap();
    drop(client);
    assert_eq!(asked.join().unwrap(), (3, "localhost".to_owned()));
}

#[tokio::test]
async fn a_proxy_that_is_down_is_blamed_itself() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = failure(&format!("{}, proxy-url: 'http://127.0.0.1:{port}'", trusted(1)), "").await;
    assert_eq!(error.what, "cannot reach the API server through the proxy");
    assert!(error.why.starts_with("connection refused"), "{error}");
}

#[tokio::test]
async fn tokens_passwords_and_impersonation_travel_as_headers() {
    let (port, log) = serve(|_| "200 OK");
    let (token, _f1) = client(&trusted(port), "token: 'abc', as: jane, as-groups: [g1, g2]");
    token.server_version().await.unwrap();
    let (basic, _f2) = client(&trusted(port), "username: me, password: 'p:w'");
    basic.server_version().await.unwrap();
    let seen = log.lock().unwrap().clone();
    assert_eq!(seen[0].header("authorization"), Some("Bearer abc"));
    assert_eq!(seen[0].header("impersonate-user"), Some("jane"));
    assert_eq!(seen[0].head.matches("impersonate-group").count(), 2);
    assert_eq!(seen[1].header("authorization"), Some(&*format!("Basic {}", base64("me:p:w"))));
}

#[tokio::test]
async fn over_plain_http_no_credential_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let head = read_head(&mut stream).unwrap();
        stream.write_all(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n").unwrap();
        head
    });
    failure(&format!("server: 'http://127.0.0.1:{port}'"), "token: abc").await;
    assert!(!asked.join().unwrap().to_lowercase().contains("authorization"));
}

#[tokio::test]
async fn a_token_file_is_read_again_when_the_server_refuses_its_token() {
    let (port, log) =
        serve(
            |seen| {
                if seen.header("authorization") == Some("Bearer new") { "200 OK" } else { "401 Unauthorized" }
            },
        );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "old\n").unwrap();
    let client = connect(&kubeconfig(folder.path(), &trusted(port), "tokenFile: token")).unwrap();
    assert_eq!(client.server_version().await.unwrap_err().kind, ApiErrorKind::Unauthorized);
    std::fs::write(&file, "new\n").unwrap();
    client.server_version().await.unwrap();
    let tokens: Vec<_> =
        log.lock().unwrap().iter().map(|s| s.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(tokens, ["Bearer old", "Bearer old", "Bearer new"]);
}

#[tokio::test]
async fn a_plugin_runs_once_without_input_and_its_words_become_notices() {
    let (port, log) = serve(|_| "200 OK");
    let folder = tempfile::tempdir().unwrap();
    let script =
        format!("echo \"go to https://sign.in, $WHO\" >&2\ncat > /dev/null\n{}", issue(r#""token":"t1""#));
    let user = plugin(folder.path(), &script);
    let client = connect(&kubeconfig(folder.path(), &trusted(port), &user)).unwrap();
    let notices = client.notices();
    let (a, b) = tokio::join!(client.server_version(), client.server_version());
    a.unwrap();
    b.unwrap();
    assert_eq!(runs(folder.path()), 1);
    assert_eq!(notices.borrow().as_ref(), ["go to https://sign.in, me"]);
    assert_eq!(log.lock().unwrap()[1].header("authorization"), Some("Bearer t1"));
}

#[tokio::test]
async fn an_expired_credential_is_fetched_anew() {
    let (port, _log) = serve(|_| "200 OK");
    let folder = tempfile::tempdir().unwrap();
    let script = issue(r#""token":"t","expirationTimestamp":"2020-01-01T00:00:00Z""#);
    let user = plugin(folder.path(), &script);
    let client = connect(&kubeconfig(folder.path(), &trusted(port), &user)).unwrap();
    client.server_version().await.unwrap();
    client.server_version().await.unwrap();
    assert_eq!(runs(folder.path()), 2);
}

#[tokio::test]
async fn a_plugins_certificate_is_shown_to_the_server() {
    let (port, log) = serve(|_| "200 OK");
    let folder = tempfile::tempdir().unwrap();
    let credential = serde_json::json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"clientCertificateData": V1_CERTIFICATE, "clientKeyData": V1_KEY},
    });
    std::fs::write(folder.path().join("credential"), credential.to_string()).unwrap();
    let user = plugin(folder.path(), &format!("cat '{}/credential'", folder.path().display()));
    let client = connect(&kubeconfig(folder.path(), &trusted(port), &user)).unwrap();
    client.server_version().await.unwrap();
    let expected = CertificateDer::from_pem_slice(V1_CERTIFICATE.as_bytes()).unwrap();
    assert_eq!(log.lock().unwrap()[0].certificate.as_deref(), Some(&*expected));
}

#[tokio::test]
async fn a_plugin_that_fails_is_quoted_and_not_run_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let user = plugin(folder.path(), "echo 'SSO session has expired' >&2\nexit 3");
    let client = connect(&kubeconfig(folder.path(), &trusted(1), &user)).unwrap();
    let error = client.server_version().await.unwrap_err();
    assert_eq!(error.kind, ApiErrorKind::Credential);
    assert!(error.why.starts_with("SSO session has expired"), "{error}");
    client.server_version().await.unwrap_err();
    assert_eq!(runs(folder.path()), 1);
    client.retry_credential().await;
    client.server_version().await.unwrap_err();
    assert_eq!(runs(folder.path()), 2);
}

#[tokio::test]
async fn a_plugin_that_is_not_installed_is_told_with_its_hint() {
    let user = "exec: {apiVersion: client.authentication.k8s.io/v1, command: no-such-plugin-anywhere, \
                interactiveMode: Never, installHint: brew install it}";
    let error = failure(&trusted(1), user).await;
    assert!(error.why.contains("no-such-plugin-anywhere is not installed"), "{error}");
    assert_eq!(error.hint, "brew install it");
}

#[tokio::test]
async fn what_a_plugin_prints_never_shows_in_an_error() {
    for output in ["echo 'token: sesame", "echo 'sesame'", "echo '{\"status\":{\"token\":\"sesame\"}}'"] {
        let output = if output.ends_with('\'') { output.to_owned() } else { format!("{output}'") };
        let folder = tempfile::tempdir().unwrap();
        let user = plugin(folder.path(), &output);
        let client = connect(&kubeconfig(folder.path(), &trusted(1), &user)).unwrap();
        let error = client.server_version().await.unwrap_err();
        assert!(!format!("{error:?}").contains("sesame"), "{error:?}");
    }
}
