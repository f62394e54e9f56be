//! Servers that never end what they say, or say more than fits: each is refused with a sentence, after a bounded number
//! of bytes. What a server got rid of is counted; what it could not send nobody has kept.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kdisco::cluster::client::{Client, Terminal};
use kdisco::cluster::exec::{Limits, Place, run};
use kdisco::cluster::kubeconfig::{Environment, Kubeconfig, Overrides, parse_timeout};
use kdisco::cluster::session::{Connection, Start};
use kdisco::cluster::watch::Timing;
use kdisco::model::time::Timestamp;
use kdisco::model::{ClusterSnapshot, Kind, Load, NamespaceScope, ObjectKey};
use kdisco::session::stream::{Tuning, Tunnels, Way};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(100);
const MIB: u64 = 1 << 20;
/// What a connection's buffers on both sides may hold.
const BUFFERS: u64 = 16 * MIB;

/// A server that answers every request whose path contains a word by a beginning and then the same block without
/// end, and every other with 404.
struct Pourer {
    url: String,
    poured: Arc<AtomicU64>,
    _task: tokio::task::JoinHandle<()>,
}

impl Pourer {
    async fn start(word: &'static str, beginning: impl Into<Vec<u8>>, block: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let poured = Arc::<AtomicU64>::default();
        let (beginning, block, count) = (beginning.into(), block.into(), poured.clone());
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(pour(stream, word, beginning.clone(), block.clone(), count.clone()));
            }
        });
        Self { url, poured, _task: task }
    }

    fn client(&self) -> Client {
        self.client_within("0")
    }

    /// With a limit for each request.
    fn client_within(&self, limit: &str) -> Client {
        let overrides = Overrides {
            server: Some(self.url.clone()),
            request_timeout: parse_timeout(limit).unwrap(),
            ..Overrides::default()
        };
        let environment = Environment { variables: [].into(), service_account: "/nonexistent".into() };
        let target = Kubeconfig::load(&overrides, &environment).unwrap().target().unwrap();
        Client::new(target, Terminal::Ours).unwrap()
    }

    fn connection(&self) -> Connection {
        // One try: what happens then is not of interest.
        let timing = Timing {
            backoff: Duration::from_hours(1),
            publish: Duration::from_millis(1),
            ..Timing::default()
        };
        let known = BTreeSet::new();
        let clock = || Timestamp::UNIX_EPOCH;
        let scope = NamespaceScope::All;
        Connection::start(self.client(), Start { epoch: 1, scope, known, clock, timing })
    }

    fn poured(&self) -> u64 {
        self.poured.load(Ordering::SeqCst)
    }
}

async fn pour(
    mut stream: TcpStream,
    word: &str,
    beginning: Vec<u8>,
    block: Vec<u8>,
    count: Arc<AtomicU64>,
) -> Option<()> {
    let mut head = Vec::new();
    loop {
        head.clear();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        if head.split(|b| *b == b'\r').next()?.windows(word.len()).any(|w| w == word.as_bytes()) {
            break;
        }
        stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await.ok()?;
    }
    stream.write_all(&beginning).await.ok()?;
    loop {
        stream.write_all(&block).await.ok()?;
        count.fetch_add(block.len() as u64, Ordering::SeqCst);
    }
}

fn head(more: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{more}")
}

/// What is said of the Services in the end.
async fn said(connection: &Connection) -> String {
    let failed = |s: &Arc<ClusterSnapshot>| {
        let services = s.loads.iter().find(|l| l.kind == Kind::Service && l.namespace.is_none());
        services.and_then(|l| match &l.load {
            Load::Failed { why, .. } => Some(why.to_string()),
            _ => None,
        })
    };
    let mut snapshots = connection.snapshots();
    let seen = timeout(PATIENCE, snapshots.wait_for(|s| failed(s).is_some())).await;
    failed(&seen.expect("it never ends").unwrap()).unwrap()
}

#[tokio::test]
async fn a_head_a_line_and_a_chunk_size_without_end_are_given_up() {
    let endless: [(&str, String, &str); 4] = [
        ("a header", head("x: "), "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"),
        ("headers", head(""), "x: y\r\nx: y\r\nx: y\r\nx: y\r\n"),
        ("a status line", "HTTP/1.1 200 ".to_owned(), "OK and so on and so on and so on"),
        ("a chunk's size", head("transfer-encoding: chunked\r\n\r\n"), "00000000000000000000000000000000"),
    ];
    for (what, beginning, block) in endless {
        let server = Pourer::start("/version", beginning, block.repeat(1024)).await;
        let answer = timeout(PATIENCE, server.client_within("2s").server_version()).await;
        let error = answer.expect("it never ends").unwrap_err();
        assert!(!error.what.is_empty() && !error.why.is_empty(), "{what}: {error}");
        // Of leading zeros nothing is kept: what ends them is the time that a request may take.
        let counts = what != "a chunk's size";
        assert!(!counts || server.poured() <= BUFFERS, "{what}: {} bytes", server.poured());
    }
}

#[tokio::test]
async fn a_small_answer_without_end_is_given_up_after_64_mib() {
    let server = Pourer::start("/version", head("\r\n{"), vec![b' '; 1 << 16]).await;
    let error =
        timeout(PATIENCE, server.client().server_version()).await.expect("it never ends").unwrap_err();
    assert!(!error.why.is_empty(), "{error}");
    assert!(server.poured() <= 64 * MIB + BUFFERS, "{} bytes", server.poured());
}

#[tokio::test]
async fn an_object_without_end_is_given_up_after_64_mib() {
    let list = "{\"kind\":\"ServiceList\",\"items\":[{\"metadata\":{\"annotations\":{\"a\":\"";
    let server = Pourer::start("/services", head(&format!("\r\n{list}")), vec![b'x'; 1 << 16]).await;
    let connection = server.connection();
    assert_eq!(said(&connection).await, "an object is larger than 67108864 bytes");
    assert!(server.poured() <= 64 * MIB + BUFFERS, "{} bytes", server.poured());
}

#[tokio::test]
async fn an_object_that_claims_too_much_is_refused_by_its_length() {
    // `runtime.Unknown` with a list that has room for an item of four gigabytes.
    let proto = [b"k8s\0\x12\xff\xff\xff\xff\x7f\x12\xff\xff\xff\xff\x0f".as_slice(), &[0; 32]].concat();
    let mut answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.kubernetes.protobuf\r\n\r\n".to_vec();
    answer.extend(proto);
    let server = Pourer::start("/services", answer, vec![0; 1 << 12]).await;
    let connection = server.connection();
    assert_eq!(said(&connection).await, "an object is larger than 67108864 bytes");
    assert!(server.poured() <= BUFFERS, "{} bytes", server.poured());
}

#[tokio::test]
async fn a_compressed_object_without_end_is_given_up_after_64_mib_of_it() {
    // Packed once and said often: a flush leaves nothing that what follows could refer to.
    let mut packer = flate2::Compress::new(flate2::Compression::fast(), false);
    let mut packed = |plain: &[u8]| {
        let mut out = Vec::with_capacity(MIB as usize);
        packer.compress_vec(plain, &mut out, flate2::FlushCompress::Full).unwrap();
        out
    };
    let head_of_gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff].as_slice();
    let beginning = packed(b"{\"kind\":\"ServiceList\",\"items\":[{\"metadata\":{\"annotations\":{\"a\":\"");
    let bomb = [head_of_gzip, &beginning, &packed(&vec![b'x'; 1 << 20]).repeat(66)].concat();
    assert!((bomb.len() as u64) < MIB, "a thousand to one");
    let mut answer = head("content-encoding: gzip\r\n\r\n").into_bytes();
    answer.extend(bomb);
    let server = Pourer::start("/services", answer, vec![0; 1 << 12]).await;
    let connection = server.connection();
    assert_eq!(said(&connection).await, "an object is larger than 67108864 bytes");
}

/// Many events in one burst, about few objects: each is folded, nothing queues up.
#[tokio::test]
async fn a_burst_of_events_is_folded_as_it_comes() {
    let event = |name: &str, version: usize| {
        format!(
            "{{\"type\":\"MODIFIED\",\"object\":{{\"metadata\":{{\"namespace\":\"x\",\"name\":\"{name}\",\"resourceVersion\":\"{version}\"}},\"spec\":{{\"clusterIP\":\"10.0.0.1\",\"type\":\"ClusterIP\"}}}}}}\n"
        )
    };
    let burst: String = (0..100).map(|n| event(&format!("s-{}", n % 10), 10 + n)).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let burst = burst.clone();
            tokio::spawn(async move {
                let mut stream = tokio::io::BufStream::new(stream);
                loop {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await.ok()?);
                    }
                    let line = String::from_utf8_lossy(&head);
                    if line.contains("/services?watch")
                        || line.contains("services?") && line.contains("watch=true")
                    {
                        stream.write_all(self::head("\r\n").as_bytes()).await.ok()?;
                        for _ in 0..300 {
                            stream.write_all(burst.as_bytes()).await.ok()?;
                        }
                        let last = "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"namespace\":\"x\",\"name\":\"the-last\",\"resourceVersion\":\"999\"}}}\n";
                        stream.write_all(last.as_bytes()).await.ok()?;
                        stream.flush().await.ok()?;
                        std::future::pending::<()>().await;
                    }
                    let body = "{\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[]}";
                    let answer = format!("{}content-length: {}\r\n\r\n{body}", self::head(""), body.len());
                    stream.write_all(answer.as_bytes()).await.ok()?;
                    stream.flush().await.ok()?;
                }
                #[expect(unreachable_code, reason = "it says what the block is")]
                Some(())
            });
        }
    });
    let server = Pourer { url, poured: Arc::default(), _task: tokio::spawn(async {}) };
    let connection = server.connection();
    let mut snapshots = connection.snapshots();
    let all = |s: &Arc<ClusterSnapshot>| s.services.iter().any(|f| f.key().to_string() == "x/the-last");
    let seen = timeout(PATIENCE, snapshots.wait_for(all)).await.expect("it never comes").unwrap().clone();
    assert_eq!(seen.services.len(), 11);
}

/// An upgrade to a WebSocket, and what the server says on it.
async fn websocket(protocol: &'static str, said: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let said = said.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.ok()?);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let key = head.lines().find_map(|l| {
                    let (name, value) = l.split_once(": ")?;
                    name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.to_owned())
                })?;
                let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
                let answer = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\nsec-websocket-protocol: {protocol}\r\n\r\n"
                );
                stream.write_all(answer.as_bytes()).await.ok()?;
                stream.write_all(&said).await.ok()?;
                std::future::pending::<Option<()>>().await
            });
        }
    });
    url
}

/// A binary frame that claims four gigabytes, and a little of it: a control frame of SPDY/9.
fn huge_frame() -> Vec<u8> {
    let mut frame = vec![0x82, 127];
    frame.extend(0xffff_ffff_u64.to_be_bytes());
    frame.extend([0x80, 9].repeat(32));
    frame
}

#[tokio::test]
async fn an_exec_message_of_four_gigabytes_is_refused_by_its_length() {
    let url = websocket("v5.channel.k8s.io", huge_frame()).await;
    let server = Pourer { url, poured: Arc::default(), _task: tokio::spawn(async {}) };
    let pod = ObjectKey::new("x", "y");
    let limits = Limits { deadline: PATIENCE, ..Limits::default() };
    let place = Place { pod: &pod, container: "" };
    let error = timeout(PATIENCE, run(&server.client(), place, &["env"], &limits))
        .await
        .expect("it waits for all of it");
    let error = error.unwrap_err();
    assert!(error.error.why.contains("large") || error.error.why.contains("long"), "{error}");
}

#[tokio::test]
async fn a_forwards_message_of_four_gigabytes_is_taken_piece_by_piece() {
    // Its first bytes are no SPDY/3: that ends the connection, long before all of it is there.
    let url = websocket("SPDY/3.1+portforward.k8s.io", huge_frame()).await;
    let server = Pourer { url, poured: Arc::default(), _task: tokio::spawn(async {}) };
    let tuning = Tuning { only: Some(Way::Tunnel), ..Tuning::default() };
    let tunnels = Tunnels::tuned(server.client().kube().clone(), tuning);
    // The frame may have come before the stream was there.
    let ended =
        async { tunnels.open("x", "y", 80).await?.read_to_end(&mut Vec::new()).await.map_err(Into::into) };
    let ended: Result<usize, Box<dyn std::error::Error>> =
        timeout(PATIENCE, ended).await.expect("it waits for all of it");
    let why = ended.unwrap_err().to_string();
    assert!(why.contains("SPDY version 9"), "{why}");
}
