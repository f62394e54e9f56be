//! The API proxy over real sockets: against the demo's API server, and against servers that do one thing each.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kdisco::cluster::client::{Client, Terminal};
use kdisco::cluster::kubeconfig::{Environment, Kubeconfig, Overrides};
use kdisco::demo::{self, Demo};
use kdisco::session::proxy::filter::FilterSpec;
use kdisco::session::proxy::{Listen, Proxy, ProxySpec, start};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

const LIMIT: Duration = Duration::from_secs(20);

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work).await.expect("it takes too long")
}

fn anywhere() -> ProxySpec {
    let listen = Listen::Tcp { address: "127.0.0.1".to_owned(), port: 0, next_free: false };
    ProxySpec { listen, ..ProxySpec::kubectl() }
}

fn client(kubeconfig: &Path) -> Client {
    let overrides = Overrides { kubeconfig: Some(kubeconfig.to_owned()), ..Overrides::default() };
    let environment =
        Environment { variables: std::collections::BTreeMap::new(), service_account: "/none".into() };
    let target = Kubeconfig::load(&overrides, &environment).unwrap().target().unwrap();
    Client::new(target, Terminal::Ours).unwrap()
}

/// A proxy before a server at an address, with somebody to act as in its kubeconfig (a token would not be sent
/// without TLS).
async fn before(server: &str, spec: ProxySpec) -> Proxy {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    let text = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": server}}],
        "users": [{"name": "x", "user": {"as": "jane"}}],
    });
    std::fs::write(&file, text.to_string()).unwrap();
    start(spec, client(&file).passing(false)).await.unwrap()
}

async fn with_demo(spec: ProxySpec) -> (Demo, Proxy) {
    let demo =
        demo::start(demo::Options { clock: demo::Clock::Stepped, ..demo::Options::default() }).await.unwrap();
    demo.step(Duration::from_secs(120));
    let proxy = start(spec, client(demo.kubeconfig()).passing(false)).await.unwrap();
    (demo, proxy)
}

/// What a server has read of one request: head, and body as far as its length says.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).await.ok()? == 0 {
            return None;
        }
        read.push(byte[0]);
    }
    Some(String::from_utf8(read).unwrap().to_ascii_lowercase())
}

/// A server that answers each request of each connection with the same bytes, and tells what it was asked.
async fn server(answer: &'static [u8]) -> (String, mpsc::UnboundedReceiver<String>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (asked, told) = mpsc::unbounded_channel();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let asked = asked.clone();
            tokio::spawn(async move {
                while let Some(request) = read_request(&mut stream).await {
                    let _ = asked.send(request);
                    if stream.write_all(answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, told, connections)
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Up: 1\r\n\r\nok";

/// Sends raw bytes and reads until the proxy closes.
async fn raw(proxy: &Proxy, request: impl AsRef<[u8]>) -> String {
    within(async {
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        stream.write_all(request.as_ref()).await.unwrap();
        let mut answer = Vec::new();
        // What was answered before a reset counts.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    })
    .await
}

async fn get(proxy: &Proxy, path: &str) -> String {
    raw(proxy, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
}

#[tokio::test]
async fn the_demos_api_services_and_pods_are_served() {
    let (_demo, proxy) = with_demo(anywhere()).await;
    let answer = get(&proxy, "/version").await;
    assert!(status(&answer) == 200 && answer.contains("gitVersion"), "{answer}");
    let answer = get(&proxy, "/api/v1/namespaces/default/services/my-app/proxy/").await;
    assert!(matches!(status(&answer), 200 | 503), "{answer}");
    assert_eq!(status(&get(&proxy, "/api/v1/namespaces/default/services/my-app/proxy").await), 301);
    assert_eq!(status(&get(&proxy, "/api/v1/namespaces/default/pods/x/exec").await), 403);
    assert_eq!(status(&get(&proxy, "/api/v1/namespaces/default/pods/none").await), 404);
}

#[tokio::test]
async fn a_watch_flows_as_it_comes() {
    let (demo, proxy) = with_demo(anywhere()).await;
    within(async {
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let ask = "GET /api/v1/namespaces?watch=true HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(ask.as_bytes()).await.unwrap();
        let (mut read, mut chunk) = (String::new(), [0; 4096]);
        // The answer never ends; what has come is there nevertheless.
        while !read.contains("\"ADDED\"") {
            let n = stream.read(&mut chunk).await.unwrap();
            assert!(n > 0, "{read}");
            read.push_str(&String::from_utf8_lossy(&chunk[..n]));
        }
    })
    .await;
    drop(demo);
}

#[tokio::test]
async fn credentials_of_ours_are_added_and_those_of_clients_win() {
    let (address, mut asked, _) = server(OK).await;
    let proxy = before(&address, anywhere()).await;
    get(&proxy, "/version").await;
    let request = asked.recv().await.unwrap();
    assert!(request.contains("impersonate-user: jane\r\n"), "{request}");
    assert!(
        request.contains("x-forwarded-for: 127.0.0.1\r\n") && request.contains("user-agent: kdisco/"),
        "{request}"
    );
    assert!(!request.contains("host: localhost") && !request.contains("connection:"), "{request}");
    let own = "GET /version HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer mine\r\nUser-Agent: me\r\n\
               Impersonate-User: john\r\n\
               X-Forwarded-For: 1.2.3.4\r\nTE: trailers\r\nKeep-Alive: 5\r\nConnection: close\r\n\r\n";
    raw(&proxy, own).await;
    let request = asked.recv().await.unwrap();
    assert!(
        request.contains("authorization: bearer mine\r\n") && request.contains("user-agent: me\r\n"),
        "{request}"
    );
    assert!(request.contains("impersonate-user: john\r\n") && !request.contains("jane"), "{request}");
    assert!(request.contains("x-forwarded-for: 1.2.3.4, 127.0.0.1\r\n"), "{request}");
    assert!(request.contains("te: trailers\r\n") && !request.contains("keep-alive"), "{request}");
}

#[tokio::test]
async fn hosts_that_are_none_and_requests_that_are_none_are_refused() {
    let (address, _asked, connections) = server(OK).await;
    let proxy = before(&address, anywhere()).await;
    for (request, expected) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: user@localhost\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(), 400),
        ("GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), 400),
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nExpect: wonders\r\nConnection: close\r\n\r\n".to_owned(), 417),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".to_owned(), 403),
        ("GET / HTTP/1.1\r\nHost: [::1]:8001\r\nConnection: close\r\n\r\n".to_owned(), 403),
        ("GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(), 403),
        ("GET //api HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".to_owned(), 307),
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(2 << 20)), 431),
    ] {
        let answer = raw(&proxy, &request).await;
        assert_eq!(status(&answer), expected, "{}", &request[..request.len().min(80)]);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0, "nothing of that reaches the server");
    let mut status = proxy.status();
    within(status.wait_for(|s| s.rejected >= 7)).await.unwrap();
}

#[tokio::test]
async fn old_and_absolute_requests_are_served() {
    let (address, mut asked, _) = server(OK).await;
    let proxy = before(&address, ProxySpec { filter: None, ..anywhere() }).await;
    let answer = raw(&proxy, "GET /version HTTP/1.0\r\n\r\n").await;
    assert!(status(&answer) == 200 && answer.ends_with("ok"), "{answer}");
    assert!(asked.recv().await.unwrap().starts_with("get /version http/1.1\r\n"));
    let answer =
        raw(&proxy, "GET http://localhost/a?b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status(&answer), 200);
    assert!(asked.recv().await.unwrap().starts_with("get /a?b http/1.1\r\n"));
    let answer = raw(&proxy, "HEAD /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.contains("content-length: 2\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn thousands_of_requests_use_few_connections() {
    let (address, _asked, connections) = server(OK).await;
    let proxy = before(&address, anywhere()).await;
    let ask = b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let address = proxy.address().to_owned();
        clients.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            for _ in 0..250 {
                stream.write_all(ask).await.unwrap();
                let mut read = Vec::new();
                while !read.ends_with(b"\r\n\r\nok") {
                    let mut chunk = [0; 512];
                    let n = stream.read(&mut chunk).await.unwrap();
                    assert!(n > 0);
                    read.extend_from_slice(&chunk[..n]);
                }
            }
        });
    }
    within(async {
        while let Some(done) = clients.join_next().await {
            done.unwrap()
        }
    })
    .await;
    let made = connections.load(Ordering::SeqCst);
    assert!((1..=24).contains(&made), "{made} connections for 2000 requests of 8 clients");
    let mut status = proxy.status();
    within(status.wait_for(|s| s.requests == 2000 && s.open == 0 && s.down == 4000)).await.unwrap();
}

/// A server that echoes the body of one request as it comes, chunk for chunk.
#[tokio::test]
async fn bodies_flow_both_ways_in_chunks() {
    let (listener, address) = bound().await;
    let proxy = before(&address, anywhere()).await;
    let upstream = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = read_request(&mut stream).await.unwrap();
        assert!(head.contains("transfer-encoding: chunked") && !head.contains("content-length"), "{head}");
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        let (mut seen, mut chunk) = (Vec::new(), [0; 4096]);
        while !seen.ends_with(b"0\r\n\r\n") {
            let n = stream.read(&mut chunk).await.unwrap();
            stream.write_all(&chunk[..n]).await.unwrap();
            seen.extend_from_slice(&chunk[..n]);
        }
    });
    within(async {
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let head = "POST /api HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
                    Expect: 100-continue\r\nConnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut read = String::new();
        until(&mut stream, &mut read, "100 Continue").await;
        stream.write_all(b"3\r\none\r\n").await.unwrap();
        // The first part is back before the second is sent.
        until(&mut stream, &mut read, "one").await;
        stream.write_all(b"3\r\ntwo\r\n0\r\n\r\n").await.unwrap();
        until(&mut stream, &mut read, "two").await;
        upstream.await.unwrap();
    })
    .await;
}

async fn bound() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (listener, address)
}

async fn until(stream: &mut TcpStream, read: &mut String, wanted: &str) {
    let mut chunk = [0; 4096];
    while !read.contains(wanted) {
        let n = stream.read(&mut chunk).await.unwrap();
        assert!(n > 0, "{read:?} ends without {wanted:?}");
        read.push_str(&String::from_utf8_lossy(&chunk[..n]));
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_request_to_the_server() {
    let (listener, address) = bound().await;
    let proxy = before(&address, anywhere()).await;
    let (gone, seen) = oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await.unwrap();
        let n = stream.read(&mut [0; 16]).await.unwrap_or(0);
        gone.send(n).unwrap();
    });
    within(async {
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        stream.write_all(b"GET /api?watch=1 HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        until(&mut stream, &mut String::new(), "one").await;
        drop(stream);
        assert_eq!(seen.await.unwrap(), 0);
    })
    .await;
    within(proxy.status().wait_for(|s| s.open == 0)).await.unwrap();
}

#[tokio::test]
async fn a_reader_that_has_stopped_stalls_nobody_else() {
    let (listener, address) = bound().await;
    let proxy = before(&address, anywhere()).await;
    tokio::spawn(async move {
        let flood = vec![b'x'; 64 << 10];
        while let Ok((mut stream, _)) = listener.accept().await {
            let flood = flood.clone();
            tokio::spawn(async move {
                let head = read_request(&mut stream).await.unwrap();
                if head.starts_with("get /slow") {
                    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                    while stream.write_all(&flood).await.is_ok() {}
                } else {
                    stream.write_all(OK).await.unwrap();
                }
            });
        }
    });
    let mut slow = TcpStream::connect(proxy.address()).await.unwrap();
    slow.write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    within(until(&mut slow, &mut String::new(), "xxxx")).await;
    for _ in 0..20 {
        assert!(get(&proxy, "/fast").await.ends_with("ok"));
    }
}

#[tokio::test]
async fn upgrades_carry_bytes_both_ways_until_one_side_ends() {
    let (listener, address) = bound().await;
    let proxy = before(&address, anywhere()).await;
    let upstream = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = read_request(&mut stream).await.unwrap();
        assert!(head.contains("upgrade: spdy/3.1") && head.contains("connection: upgrade"), "{head}");
        assert!(head.contains("impersonate-user: jane"), "{head}");
        let answer =
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\nhello";
        stream.write_all(answer).await.unwrap();
        let mut read = [0; 4];
        stream.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"ping");
        stream.write_all(b"pong").await.unwrap();
        // The client ends first.
        assert_eq!(stream.read(&mut read).await.unwrap_or(0), 0);
    });
    within(async {
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let ask = "POST /api/v1/namespaces/d/pods/p/portforward HTTP/1.1\r\nHost: localhost\r\n\
                   Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut read = String::new();
        until(&mut stream, &mut read, "hello").await;
        assert!(read.starts_with("HTTP/1.1 101 "), "{read}");
        stream.write_all(b"ping").await.unwrap();
        until(&mut stream, &mut read, "pong").await;
        drop(stream);
        upstream.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_upgrade_that_is_none_is_an_error_and_a_refusal_is_passed_on() {
    let ask =
        "GET /api/v1/x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let (address, _asked, _) = server(OK).await;
    let proxy = before(&address, anywhere()).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within(until(&mut stream, &mut answer, "invalid upgrade response: status code 200")).await;
    assert_eq!(status(&answer), 500, "{answer}");
    let (address, _asked, _) = server(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope").await;
    let answer = raw(&before(&address, anywhere()).await, ask).await;
    assert!(
        status(&answer) == 403 && answer.ends_with("nope") && answer.contains("connection: close"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_server_that_is_away_is_told_and_the_proxy_goes_on() {
    let (listener, address) = bound().await;
    drop(listener);
    let proxy = before(&address, anywhere()).await;
    for _ in 0..2 {
        let answer = get(&proxy, "/version").await;
        assert!(status(&answer) == 500 && answer.contains("cannot reach the API server"), "{answer}");
    }
    let mut status = proxy.status();
    let now = within(status.wait_for(|s| s.failed == 2)).await.unwrap();
    assert!(now.last_error.as_ref().unwrap().1.contains("refused"), "{now:?}");
}

#[tokio::test]
async fn the_narrow_mode_reads_alone_and_keeps_foreign_pages_out() {
    let (address, _asked, connections) = server(OK).await;
    let Listen::Tcp { address: loopback, .. } = ProxySpec::narrow().listen else { panic!() };
    let listen = Listen::Tcp { address: loopback, port: 0, next_free: true };
    let proxy = before(&address, ProxySpec { listen, ..ProxySpec::narrow() }).await;
    let own = format!("Origin: http://{}\r\n", proxy.address());
    let host = proxy.address();
    for (method, more, expected) in [
        ("GET", "", 200),
        ("HEAD", "", 200),
        ("GET", &*own, 200),
        ("POST", "", 403),
        ("DELETE", "", 403),
        ("OPTIONS", "", 403),
        ("GET", "Origin: http://evil.example\r\n", 403),
        ("GET", "Origin: http://localhost:3000\r\n", 403),
        ("GET", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n", 403),
        ("GET", "Upgrade: websocket\r\nConnection: upgrade\r\n", 403),
        ("GET", "Sec-Fetch-Site: same-origin\r\n", 403),
    ] {
        let ask = format!("{method} /version HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n");
        let answer = raw(&proxy, &ask).await;
        assert_eq!(status(&answer), expected, "{ask}");
        assert!(!answer.to_ascii_lowercase().contains("access-control"), "{answer}");
    }
    let rebound = "GET /version HTTP/1.1\r\nHost: rebind.evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&raw(&proxy, rebound).await), 403);
    assert!(proxy.openness().narrow && proxy.openness().dangers().is_empty());
    assert!(connections.load(Ordering::SeqCst) <= 3);
}

#[tokio::test]
async fn stopping_leaves_no_listener_and_no_connection() {
    let (address, _asked, _) = server(OK).await;
    let proxy = before(&address, anywhere()).await;
    let at = proxy.address().to_owned();
    let mut idle = TcpStream::connect(&at).await.unwrap();
    proxy.stop().await;
    assert!(TcpStream::connect(&at).await.is_err());
    assert_eq!(within(idle.read(&mut [0; 1])).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_taken_port_is_an_error_or_the_next_one_is_taken() {
    let (address, _asked, _) = server(OK).await;
    let first = before(&address, anywhere()).await;
    let port: u16 = first.address().rsplit(':').next().unwrap().parse().unwrap();
    let at = |next_free| Listen::Tcp { address: "127.0.0.1".to_owned(), port, next_free };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    std::fs::write(&file, format!("apiVersion: v1\nkind: Config\ncurrent-context: x\ncontexts: [{{name: x, context: {{cluster: x, user: x}}}}]\nclusters: [{{name: x, cluster: {{server: '{address}'}}}}]\nusers: [{{name: x, user: {{}}}}]\n")).unwrap();
    let passing = client(&file).passing(false);
    let error = start(ProxySpec { listen: at(false), ..anywhere() }, passing.clone()).await.unwrap_err();
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    let second = start(ProxySpec { listen: at(true), ..anywhere() }, passing).await.unwrap();
    assert_ne!(second.address(), first.address());
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_its_owners_alone_and_replaces_a_stale_one() {
    use std::os::unix::fs::PermissionsExt as _;
    let (address, mut asked, _) = server(OK).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let proxy = before(&address, ProxySpec { listen: Listen::Unix(path.clone()), ..anywhere() }).await;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0);
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET /version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    assert_eq!(status(&answer), 200);
    assert!(!asked.recv().await.unwrap().contains("x-forwarded-for"));
    proxy.stop().await;
    assert!(!path.exists());
    std::fs::write(&path, "precious").unwrap();
    let taken = ProxySpec { listen: Listen::Unix(path.clone()), ..anywhere() };
    let (demo, other) = with_demo(anywhere()).await;
    assert!(start(taken, client(demo.kubeconfig()).passing(false)).await.is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    drop(other);
}

#[tokio::test]
async fn files_are_served_beside_the_api_and_are_not_filtered() {
    let (address, _asked, _) = server(OK).await;
    let folder = tempfile::tempdir().unwrap();
    let www = folder.path().join("www");
    std::fs::create_dir_all(www.join("sub")).unwrap();
    std::fs::write(www.join("index.html"), "hello").unwrap();
    std::fs::write(www.join("a b.txt"), "0123456789").unwrap();
    std::fs::write(folder.path().join("secret"), "secret").unwrap();
    let filter = Some(FilterSpec { accept_hosts: String::new(), ..FilterSpec::default() });
    let proxy = before(&address, ProxySpec { files: Some(www), filter, ..anywhere() }).await;
    let body = |answer: &str| answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!(body(&get(&proxy, "/static/").await), "hello");
    assert!(get(&proxy, "/static").await.contains("location: /static/\r\n"));
    assert!(get(&proxy, "/static/index.html?x").await.contains("location: ./?x\r\n"));
    assert!(get(&proxy, "/static/sub").await.contains("location: sub/\r\n"));
    let list = get(&proxy, "/static/sub/").await;
    assert!(status(&list) == 200 && list.contains("<pre>"), "{list}");
    let part = "GET /static/a%20b.txt HTTP/1.1\r\nHost: x\r\nRange: bytes=2-4\r\nConnection: close\r\n\r\n";
    let part = raw(&proxy, part).await;
    assert!(status(&part) == 206 && part.contains("content-range: bytes 2-4/10"), "{part}");
    assert_eq!(body(&part), "234");
    for path in ["/static/%2e%2e/secret", "/static/..%2fsecret", "/static/none", "/static/a%00b"] {
        assert_eq!(status(&get(&proxy, path).await), 404, "{path}");
    }
    assert_eq!(status(&get(&proxy, "/version").await), 403);
}
