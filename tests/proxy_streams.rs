//! What is more than one answer to one request, through the API proxy: commands in containers, streams to pods, and
//! credentials that are renewed on the way. The clients are our own, with the proxy for their API server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/tls.rs"]
mod tls;

use std::path::Path;

use kdisco::cluster::client::{Client, Terminal};
use kdisco::cluster::exec::{ExecErrorKind, Limits, Output, Place, run};
use kdisco::cluster::kubeconfig::{Environment, Kubeconfig, Overrides};
use kdisco::demo::{self, Demo};
use kdisco::model::ObjectKey;
use kdisco::session::proxy::filter::FilterSpec;
use kdisco::session::proxy::{Listen, Proxy, ProxySpec, start};
use kdisco::session::stream::Tunnels;
use tls::{VERSION, connect, issue, kubeconfig, plugin, serve_kept, trusted};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const POD: &str = "my-app-7c5ddbdf54-x2k9p";
const ECHO: u16 = 7;

fn spec(reject_paths: &str) -> ProxySpec {
    let listen = Listen::Tcp { address: "127.0.0.1".to_owned(), port: 0, next_free: false };
    let kubectl = ProxySpec::kubectl();
    let filter = kubectl.filter.clone().map(|f| FilterSpec { reject_paths: reject_paths.to_owned(), ..f });
    ProxySpec { listen, filter, ..kubectl }
}

fn client_of(kubeconfig: &Path) -> Client {
    let overrides = Overrides { kubeconfig: Some(kubeconfig.to_owned()), ..Overrides::default() };
    let environment = Environment { variables: [].into(), service_account: "/none".into() };
    let target = Kubeconfig::load(&overrides, &environment).unwrap().target().unwrap();
    Client::new(target, Terminal::Ours).unwrap()
}

/// The demo, a proxy before it, and a client that knows the proxy alone.
async fn behind_a_proxy(spec: ProxySpec) -> (Demo, Proxy, Client) {
    let options = demo::Options { clock: demo::Clock::Stepped, ..demo::Options::default() };
    let demo = demo::start(options).await.unwrap();
    let proxy = start(spec, client_of(demo.kubeconfig()).passing(false)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let overrides = kubeconfig(folder.path(), &format!("server: 'http://{}'", proxy.address()), "");
    (demo, proxy, connect(&overrides).unwrap())
}

#[tokio::test]
async fn a_command_in_a_container_goes_through() {
    let (_demo, _proxy, client) = behind_a_proxy(spec("")).await;
    let pod = ObjectKey::new("default", POD);
    let place = Place { pod: &pod, container: "" };
    let echo = run(&client, place, &["echo", "a&b", "c d"], &Limits::default()).await.unwrap();
    assert_eq!(echo, Output { stdout: b"a&b c d\n".to_vec(), stderr: vec![], code: Some(0) });
    let cat = run(&client, place, &["cat", "/nope"], &Limits::default()).await.unwrap();
    assert_eq!(cat.code, Some(1), "the command's own end arrives");
}

#[tokio::test]
async fn unless_it_is_on_the_list_of_what_is_refused() {
    let default = ProxySpec::kubectl().filter.unwrap().reject_paths;
    let (_demo, _proxy, client) = behind_a_proxy(spec(&default)).await;
    let pod = ObjectKey::new("default", POD);
    let refused = run(&client, Place { pod: &pod, container: "" }, &["env"], &Limits::default()).await;
    let error = refused.unwrap_err();
    assert_eq!(error.kind, ExecErrorKind::Other);
    assert!(error.to_string().contains("403") || error.to_string().contains("Forbidden"), "{error}");
}

#[tokio::test]
async fn many_streams_to_a_pod_go_through_at_once() {
    let (_demo, _proxy, client) = behind_a_proxy(spec("")).await;
    let tunnels = Tunnels::new(client.kube().clone());
    let one = |number: u32| {
        let tunnels = tunnels.clone();
        async move {
            let mut stream = tunnels.open("default", POD, ECHO).await.unwrap();
            let large = vec![number.to_le_bytes()[0]; 200_000];
            let mut answer = vec![0; large.len()];
            stream.write_all(&large).await.unwrap();
            stream.read_exact(&mut answer).await.unwrap();
            assert!(answer == large);
        }
    };
    futures_util::future::join_all((0..20).map(one)).await;
}

/// One request, read to its end.
async fn get(proxy: &Proxy, more: &str) -> String {
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let request = format!("GET /version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_credential_that_was_revoked_is_renewed_and_the_request_sent_again() {
    let (port, log) = serve_kept(|seen| {
        let right = seen.header("authorization") == Some("Bearer t2");
        if right { ("200 OK", VERSION.to_owned()) } else { ("401 Unauthorized", "{}".to_owned()) }
    });
    let folder = tempfile::tempdir().unwrap();
    // Each run gives another token: t1, t2, …
    let count = r#"n=$(wc -l < "$(dirname "$0")/runs" | tr -d ' ')"#;
    let user = plugin(folder.path(), &format!("{count}\n{}", issue(r#""token":"t'$n'""#)));
    let client = connect(&kubeconfig(folder.path(), &trusted(port), &user)).unwrap();
    let proxy = start(spec(""), client.passing(false)).await.unwrap();
    let answer = get(&proxy, "").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Who signs in with a token of their own is told what the server says of it.
    let answer = get(&proxy, "Authorization: Bearer mine\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let sent: Vec<_> = log
        .lock()
        .unwrap()
        .iter()
        .map(|s| s.header("authorization").unwrap_or_default().to_owned())
        .collect();
    assert_eq!(sent, ["Bearer t1", "Bearer t2", "Bearer mine"]);
}

#[tokio::test]
async fn a_request_may_have_more_headers_than_anybody_needs() {
    let (port, log) = serve_kept(|_| ("200 OK", VERSION.to_owned()));
    let folder = tempfile::tempdir().unwrap();
    let client = connect(&kubeconfig(folder.path(), &trusted(port), "")).unwrap();
    let proxy = start(spec(""), client.passing(false)).await.unwrap();
    // Around the two bounds at which the room for them changes, and far above.
    for count in (58..70).chain(94..104).chain([400]) {
        let many: String = (0..count).map(|n| format!("X-Number-{n}: {n}\r\n")).collect();
        let answer = get(&proxy, &many).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{count}: {answer}");
        let last = (count - 1).to_string();
        let log = log.lock().unwrap();
        assert_eq!(log.last().unwrap().header(&format!("x-number-{last}")), Some(&*last));
    }
}
