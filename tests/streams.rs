//! Streams to pods, against a server with the traits that a real node was measured to have: no flow control, five
//! workers that an unread frame blocks for good, ends that are told late.
//!
//! Every cure is also turned off once, to see that it is one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures_util::future::join_all;
use kdisco::demo::{Clock, Demo, Forwarding, Options, start};
use kdisco::session::stream::{End, Meter, Refusal, Tuning, Tunnels, Way};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const POD: &str = "my-app-7c5ddbdf54-x2k9p";
/// Ports of that pod: echo, discard (answers with a count), generator, web; and one where nothing listens.
const ECHO: u16 = 7;
const DISCARD: u16 = 9;
const GENERATOR: u16 = 19;
const WEB: u16 = 80;
const CLOSED: u16 = 9999;
/// Far more than anything here takes, and only waited for where something hangs as it should.
const HANGS: Duration = Duration::from_millis(400);
/// Only waited for where something hangs that should not.
const FAILS: Duration = Duration::from_secs(60);

async fn measured() -> Demo {
    let options = Options { clock: Clock::Stepped, forwarding: Forwarding::Measured, ..Options::default() };
    start(options).await.unwrap()
}

fn tunnels(demo: &Demo, tuning: Tuning) -> Tunnels {
    let config = kube::Config::new(demo.server().parse().unwrap());
    Tunnels::tuned(kube::Client::try_from(config).unwrap(), tuning)
}

/// Connections to the server, in all and now.
#[derive(Default)]
struct Counts {
    all: AtomicUsize,
    open: AtomicUsize,
}

/// Stands before the server and counts.
async fn counted(demo: &Demo) -> (String, Arc<Counts>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = format!("http://{}", listener.local_addr().unwrap());
    let server = demo.server().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let counts = Arc::<Counts>::default();
    let counting = counts.clone();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (counts, server) = (counting.clone(), server.clone());
            tokio::spawn(async move {
                counts.all.fetch_add(1, Ordering::SeqCst);
                counts.open.fetch_add(1, Ordering::SeqCst);
                let mut far = TcpStream::connect(server).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                counts.open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (here, counts)
}

/// One exchange with the echo.
async fn echo(tunnels: &Tunnels, text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = tunnels.open("default", POD, ECHO).await.unwrap();
    stream.write_all(text).await?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

async fn good(tunnels: &Tunnels, count: usize) -> usize {
    let one = || async { timeout(FAILS, echo(tunnels, b"hello")).await.is_ok_and(|r| r.is_ok()) };
    join_all((0..count).map(|_| one())).await.into_iter().filter(|good| *good).count()
}

/// A connection through a socket: ours, and the task that carries it.
async fn socket(
    tunnels: &Tunnels,
    port: u16,
) -> (TcpStream, tokio::task::JoinHandle<kdisco::session::stream::Carried>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    let tunnels = tunnels.clone();
    let work = tokio::spawn(async move {
        tunnels.carry("default", POD, port, far, Vec::new(), Arc::<Meter>::default()).await.unwrap()
    });
    (near, work)
}

#[tokio::test]
async fn every_way_leads_to_the_pod() {
    let demo = measured().await;
    for way in [Way::Tunnel, Way::Plain, Way::Channels] {
        let tunnels = tunnels(&demo, Tuning { only: Some(way), ..Tuning::default() });
        let large = vec![7; 300_000];
        assert!(echo(&tunnels, &large).await.unwrap() == large, "{way:?}");
        let (mut near, work) = socket(&tunnels, WEB).await;
        near.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut page = String::new();
        near.read_to_string(&mut page).await.unwrap();
        assert!(page.ends_with(&format!("my-app pod {POD}\n")), "{way:?}: {page}");
        let carried = work.await.unwrap();
        assert_eq!((carried.end, carried.down), (End::Pod, page.len() as u64), "{way:?}");
        assert!(carried.answered, "{way:?}");
        let mut refused = tunnels.open("default", POD, CLOSED).await.unwrap();
        let error = refused.read_to_end(&mut Vec::new()).await.unwrap_err().to_string();
        assert!(error.contains("connection refused"), "{way:?}: {error}");
    }
}

#[tokio::test]
async fn a_pod_that_is_not_there_is_told_in_the_servers_words() {
    let demo = measured().await;
    let error = tunnels(&demo, Tuning::default()).open("default", "nope", ECHO).await.unwrap_err();
    assert_eq!((error.refusal, error.to_string().as_str()), (Refusal::NotFound, "pods \"nope\" not found"));
}

#[tokio::test]
async fn two_hundred_at_once() {
    let demo = measured().await;
    assert_eq!(good(&tunnels(&demo, Tuning::default()), 200).await, 200);
}

/// Connections with data for a port where nothing listens, all at once.
async fn refused(tunnels: &Tunnels, count: usize) {
    let one = || async {
        let (mut near, work) = socket(tunnels, CLOSED).await;
        near.write_all(b"nobody reads this").await.unwrap();
        let carried = work.await.unwrap();
        assert!(matches!(carried.end, End::Refused(_)), "{carried:?}");
        let (mut socket, mut again) = carried.again.expect("nothing is lost, another pod could be tried");
        drop(near);
        socket.read_to_end(&mut again).await.unwrap();
        assert_eq!(again, b"nobody reads this");
    };
    join_all((0..count).map(|_| one())).await;
}

#[tokio::test]
async fn a_port_that_refuses_harms_no_other() {
    let demo = measured().await;
    // Only one that was not refused would wait so long.
    let tunnels = tunnels(&demo, Tuning { refused_delay: FAILS, ..Tuning::default() });
    let mut before = tunnels.open("default", POD, ECHO).await.unwrap();
    before.write_all(b"a").await.unwrap();
    before.read_u8().await.unwrap();
    refused(&tunnels, 20).await;
    assert_eq!(good(&tunnels, 60).await, 60);
    before.write_all(b"b").await.unwrap();
    let answer = timeout(FAILS, before.read_u8()).await;
    assert_eq!(answer.unwrap().unwrap(), b'b', "what was open before goes on");
}

/// As a client does that tries again: what one refusal leaves behind is not in the way of the next.
#[tokio::test]
async fn a_port_that_refuses_does_so_each_time() {
    let demo = measured().await;
    // Nothing but what the refusals themselves cause is asked.
    let tuning = Tuning { keep_alive: u64::MAX, refused_delay: FAILS, ..Tuning::default() };
    let tunnels = tunnels(&demo, tuning);
    for at in 0..8 {
        assert!(timeout(FAILS, refused(&tunnels, 1)).await.is_ok(), "number {at} hangs");
    }
}

#[tokio::test]
async fn a_connection_with_a_stuck_worker_is_replaced() {
    let demo = measured().await;
    let (server, counts) = counted(&demo).await;
    let config = kube::Config::new(server.parse().unwrap());
    let tuning = Tuning { tick: Duration::from_millis(10), dead: 10_000, ..Tuning::default() };
    let tunnels = Tunnels::tuned(kube::Client::try_from(config).unwrap(), tuning);
    tunnels.warm("default", POD).await.unwrap();
    assert_eq!(counts.all.load(Ordering::SeqCst), 1);
    // What comes first for a port that refuses sticks in its worker, for good.
    refused(&tunnels, 3).await;
    let replaced = async {
        while (counts.all.load(Ordering::SeqCst), counts.open.load(Ordering::SeqCst)) != (2, 1) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), replaced).await.unwrap();
    assert_eq!(good(&tunnels, 60).await, 60);
    assert_eq!(counts.all.load(Ordering::SeqCst), 2, "all over the new one");
}

/// Waits for a number of open connections.
async fn open(counts: &Counts, wanted: usize) {
    let reached = async {
        while counts.open.load(Ordering::SeqCst) != wanted {
            tokio::task::yield_now().await;
        }
    };
    timeout(FAILS, reached)
        .await
        .unwrap_or_else(|_| panic!("{} are open", counts.open.load(Ordering::SeqCst)));
}

#[tokio::test]
async fn of_a_pod_that_has_gone_nothing_stays_open() {
    let demo = measured().await;
    let (server, counts) = counted(&demo).await;
    let config = kube::Config::new(server.parse().unwrap());
    let tunnels = Tunnels::new(kube::Client::try_from(config).unwrap());
    for _ in 0..3 {
        tunnels.warm("default", POD).await.unwrap();
        assert_eq!(counts.open.load(Ordering::SeqCst), 1);
        tunnels.cool("default", POD);
        open(&counts, 0).await;
    }
    // One that is in use stays until it is not.
    tunnels.warm("default", POD).await.unwrap();
    let (mut near, work) = socket(&tunnels, ECHO).await;
    near.write_all(b"a").await.unwrap();
    near.read_exact(&mut [0]).await.unwrap();
    tunnels.cool("default", POD);
    near.write_all(b"b").await.unwrap();
    near.read_exact(&mut [0]).await.unwrap();
    assert_eq!(counts.open.load(Ordering::SeqCst), 1);
    near.set_zero_linger().unwrap();
    drop(near);
    assert_eq!(work.await.unwrap().end, End::Local);
    open(&counts, 0).await;
    tunnels.cool("default", POD);
    assert_eq!(format!("{tunnels:?}"), "Tunnels { pods: 0, .. }");
}

#[tokio::test]
async fn without_pairs_on_one_worker_it_does() {
    let demo = measured().await;
    let tuning = Tuning { one_worker: false, refused_memory: Duration::ZERO, ..Tuning::default() };
    let tunnels = tunnels(&demo, tuning);
    let mut before = tunnels.open("default", POD, ECHO).await.unwrap();
    before.write_all(b"a").await.unwrap();
    before.read_u8().await.unwrap();
    // Some of them are never opened.
    let _ = timeout(HANGS, refused(&tunnels, 20)).await;
    before.write_all(b"b").await.unwrap();
    assert!(timeout(HANGS, before.read_u8()).await.is_err(), "its worker waits for a reader forever");
}

/// An upload to a program that never reads, then others on the same connection.
async fn beside_an_upload_that_stalls(credit: bool) -> (u64, bool) {
    let demo = measured().await;
    let tunnels = tunnels(&demo, Tuning { credit, apart: false, ..Tuning::default() });
    echo(&tunnels, b"the echo is there").await.unwrap();
    let meter = Arc::<Meter>::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    let (ours, counted) = (tunnels.clone(), meter.clone());
    let _work = tokio::spawn(async move {
        let _ = ours.carry("default", POD, GENERATOR, far, Vec::new(), counted).await;
    });
    let (mut from, mut near) = near.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut from, &mut tokio::io::sink()).await });
    let block = vec![0; 64 * 1024];
    while timeout(HANGS, near.write_all(&block)).await.is_ok_and(|r| r.is_ok()) {}
    let fine = timeout(HANGS, echo(&tunnels, b"x")).await.is_ok_and(|r| r.is_ok());
    (meter.read().1, fine)
}

#[tokio::test]
async fn an_upload_that_nobody_reads_stops_and_others_go_on() {
    let (sent, fine) = beside_an_upload_that_stalls(true).await;
    // A few of them are with the node's own queue for the stream.
    assert!(fine && sent < 16 << 20, "{sent} bytes are on their way");
}

#[tokio::test]
async fn without_credit_it_stops_everybody() {
    assert!(!beside_an_upload_that_stalls(false).await.1);
}

/// A client that sends its end at once, while the pod has much to say: whether it still does after more than the
/// second for which the node leaves the stream open.
async fn the_pod_goes_on_after_the_clients_end(hold: Duration) -> bool {
    let demo = measured().await;
    let tuning = Tuning { hold_end: hold, hold_end_unanswered: hold, ..Tuning::default() };
    let tunnels = tunnels(&demo, tuning);
    let mut stream = tunnels.open("default", POD, GENERATOR).await.unwrap();
    let mut block = vec![0; 64 * 1024];
    stream.read_exact(&mut block).await.unwrap();
    stream.shutdown().await.unwrap();
    let begun = std::time::Instant::now();
    while stream.read_exact(&mut block).await.is_ok() {
        if begun.elapsed() > Duration::from_millis(1600) {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn what_a_pod_sends_after_the_clients_end_arrives() {
    assert!(the_pod_goes_on_after_the_clients_end(Duration::from_secs(2)).await);
}

#[tokio::test]
async fn without_holding_the_end_back_it_is_cut() {
    assert!(!the_pod_goes_on_after_the_clients_end(Duration::ZERO).await);
}

async fn beside_a_reader_that_has_stopped(apart: bool) -> usize {
    let demo = measured().await;
    let tunnels = tunnels(&demo, Tuning { apart, ..Tuning::default() });
    tunnels.warm("default", POD).await.unwrap();
    let (mut near, work) = socket(&tunnels, GENERATOR).await;
    near.read_exact(&mut vec![0; 1_000_000]).await.unwrap();
    // Nothing is read any more; the connection fills up meanwhile.
    let mut fine = 0;
    for _ in 0..6 {
        fine += usize::from(timeout(HANGS, echo(&tunnels, b"x")).await.is_ok_and(|r| r.is_ok()));
        tokio::task::yield_now().await;
    }
    drop(near);
    assert_eq!(work.await.unwrap().end, End::Local);
    fine
}

#[tokio::test]
async fn a_reader_that_stops_stalls_nobody_else() {
    assert_eq!(beside_a_reader_that_has_stopped(true).await, 6);
}

#[tokio::test]
async fn on_one_connection_it_would() {
    assert!(beside_a_reader_that_has_stopped(false).await < 6);
}

#[tokio::test]
async fn an_upload_arrives_whole() {
    let demo = measured().await;
    let hold_end_unanswered = Duration::from_millis(20);
    let tunnels = tunnels(&demo, Tuning { hold_end_unanswered, ..Tuning::default() });
    let (mut near, work) = socket(&tunnels, DISCARD).await;
    let block = vec![1; 1 << 20];
    for _ in 0..20 {
        near.write_all(&block).await.unwrap();
    }
    near.shutdown().await.unwrap();
    let mut count = String::new();
    let read = near.read_to_string(&mut count).await;
    assert!(read.is_ok(), "{:?}", work.await);
    assert_eq!(count, format!("{}\n", 20 << 20));
    assert_eq!(work.await.unwrap().up, 20 << 20);
}
