//! Bad ways and bad servers under what is carried: forwards, exec, and the cluster's DNS. The same spoiling relay as
//! for lists and watches; times are injected, nothing sleeps.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/faulty.rs"]
mod faulty;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use faulty::{Faulty, Way};
use futures_util::future::join_all;
use kdisco::cluster::ApiErrorKind;
use kdisco::cluster::client::{Client, Terminal};
use kdisco::cluster::exec::{Limits as ExecLimits, Place, run};
use kdisco::cluster::kubeconfig::{Environment, Kubeconfig, Overrides};
use kdisco::cluster::session::list_once;
use kdisco::demo::{Clock, Demo, Failure, Forwarding, Options, Scope, start};
use kdisco::dns::resolver::Limits;
use kdisco::model::dns::{Cluster, DnsHealth, LiveStep, RecordType};
use kdisco::model::session::backends::{Backends, backends};
use kdisco::model::session::{ForwardId, ForwardSpec, ForwardState, ForwardStatus};
use kdisco::model::target::{PortWish, Target};
use kdisco::model::time::Timestamp;
use kdisco::model::{Kind, NamespaceScope, ObjectKey};
use kdisco::runtime::live::{LiveDns, Which, surroundings};
use kdisco::session::forward::{Forward, Start, start as start_forward};
use kdisco::session::stream::{Tuning, Tunnels};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);
/// One try that may meet the fault.
const TRY: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(20);
const AGAIN: Duration = Duration::from_millis(20);
const POD: &str = "my-app-7c5ddbdf54-x2k9p";

/// Pauses are short; connections are given up as late as in earnest.
fn patient() -> Tuning {
    Tuning { tick: Duration::from_secs(1), ..tuning() }
}

fn tuning() -> Tuning {
    Tuning { tick: TICK, again: AGAIN, again_most: AGAIN * 8, ..Tuning::default() }
}

fn client(server: &str) -> Client {
    let overrides = Overrides { server: Some(server.to_owned()), ..Overrides::default() };
    let environment = Environment { variables: [].into(), service_account: "/nonexistent".into() };
    let target = Kubeconfig::load(&overrides, &environment).unwrap().target().unwrap();
    Client::new(target, Terminal::Ours).unwrap()
}

fn address(demo: &Demo) -> SocketAddr {
    demo.server().strip_prefix("http://").unwrap().parse().unwrap()
}

async fn demo() -> Demo {
    let options = Options { clock: Clock::Stepped, forwarding: Forwarding::Measured, ..Options::default() };
    start(options).await.unwrap()
}

/// A forward to the web of `my-app`, over a way that can be spoiled.
struct World {
    demo: Demo,
    relay: Faulty,
    tunnels: Tunnels,
    local: SocketAddr,
    status: watch::Receiver<ForwardStatus>,
    pods: usize,
    _forward: Forward,
    _backends: watch::Sender<Arc<Backends>>,
}

impl World {
    async fn start(tuning: Tuning) -> Self {
        let demo = demo().await;
        let relay = Faulty::before(address(&demo)).await;
        let tunnels = Tunnels::tuned(client(&relay.url).kube().clone(), tuning);
        let spec = ForwardSpec::new(Target::service("default", "my-app"), PortWish::parse(":http").unwrap());
        let kinds = [Kind::Service, Kind::EndpointSlice];
        let snapshot = list_once(&client(&demo.server()), &NamespaceScope::one("default"), &kinds).await;
        let facts = backends(&spec, None, &snapshot.unwrap());
        let pods = facts.ready.len();
        let (feed, facts) = watch::channel(Arc::new(facts));
        let (told, mut status) = watch::channel(None);
        let forward = start_forward(Start {
            id: ForwardId(1),
            context: "x".into(),
            spec,
            tunnels: tunnels.clone(),
            backends: facts,
            clock: || Timestamp::UNIX_EPOCH,
            publish: Box::new(move |status| drop(told.send_replace(Some(status)))),
        });
        let first =
            status.wait_for(|s: &Option<ForwardStatus>| s.as_ref().is_some_and(|s| !s.local.is_empty()));
        let first = first.await.unwrap().clone().unwrap();
        let local = first.address().unwrap();
        let (tell, plain) = watch::channel(first);
        tokio::spawn(async move {
            while status.changed().await.is_ok() {
                let now = status.borrow_and_update().clone();
                tell.send_replace(now.unwrap());
            }
        });
        Self { demo, relay, tunnels, local, status: plain, pods, _forward: forward, _backends: feed }
    }

    /// One page, over a connection of its own.
    async fn page(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.local).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
        let mut page = Vec::new();
        stream.read_to_end(&mut page).await?;
        Ok(String::from_utf8_lossy(&page).into_owned())
    }

    async fn is_right(&self) -> bool {
        matches!(timeout(TRY, self.page()).await, Ok(Ok(page)) if page.starts_with("HTTP/1.1 200") && page.contains("my-app pod "))
    }

    /// Waits until connections are carried again.
    async fn recovers(&self, when: &str) {
        let good = async { while !self.is_right().await {} };
        assert!(timeout(PATIENCE, good).await.is_ok(), "{when}: {:#?}", self.status.borrow());
        let closed = matches!(self.status.borrow().state, ForwardState::Closed { .. });
        assert!(!closed, "{when}: {:#?}", self.status.borrow());
    }
}

/// The fault is a nuisance: each connection comes through or is ended, and nothing piles up.
async fn comes_through(way: Way, at_least: usize) {
    let world = World::start(patient()).await;
    world.recovers("at first").await;
    world.relay.set(way);
    let before = world.relay.attempts();
    let good = join_all((0..30).map(|_| world.is_right())).await.into_iter().filter(|good| *good).count();
    assert!(good >= at_least, "{way:?}: {good} of 30");
    // A connection to the API server costs at most one for each that was carried, and one for each pod.
    let tried = world.relay.attempts() - before;
    assert!(tried <= 3 * 30 + world.pods, "{way:?}: {tried}");
    world.relay.set(Way::Clear);
    world.recovers(&format!("after {way:?}")).await;
    assert!(world.relay.open() <= 16 * world.pods, "{} connections", world.relay.open());
}

#[tokio::test]
async fn a_slow_way_only_delays_what_is_forwarded() {
    comes_through(Way::Slow(Duration::from_millis(5)), 30).await;
}

#[tokio::test]
async fn forwarded_bytes_that_trickle_arrive() {
    comes_through(Way::Trickle(7), 30).await;
}

#[tokio::test]
async fn a_forward_outlives_resets() {
    comes_through(Way::Reset(20), 0).await;
}

#[tokio::test]
async fn a_forward_outlives_cuts() {
    comes_through(Way::Truncated(20), 0).await;
}

#[tokio::test]
async fn a_forward_outlives_spoiled_bytes() {
    comes_through(Way::Corrupted(20), 0).await;
}

#[tokio::test]
async fn a_connection_that_meets_a_server_that_is_gone_waits_for_its_return() {
    let world = World::start(tuning()).await;
    world.recovers("at first").await;
    world.relay.set(Way::Gone);
    let before = world.relay.attempts();
    let waiting = world.is_right_in_time();
    let back = async {
        timeout(PATIENCE, world.relay.tried(before + 3)).await.unwrap();
        world.relay.set(Way::Clear);
    };
    let (good, ()) = tokio::join!(waiting, back);
    assert!(good, "the connection that waited is carried: {:#?}", world.status.borrow());
}

impl World {
    /// As [`Self::is_right`], with all the time there is.
    async fn is_right_in_time(&self) -> bool {
        timeout(PATIENCE, self.page()).await.is_ok_and(|r| r.is_ok_and(|page| page.contains("my-app pod ")))
    }
}

/// So many wait, one of them tries: what is asked of a server that is down is bounded by the pause between two tries,
/// for each pod. The time is only used as what must at least have passed.
#[tokio::test]
async fn many_connections_that_wait_do_not_storm_a_server_that_is_down() {
    let world = Arc::new(World::start(tuning()).await);
    world.recovers("at first").await;
    world.relay.set(Way::Gone);
    let (before, began) = (world.relay.attempts(), Instant::now());
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { world.is_right_in_time().await })
        })
        .collect();
    // For each pod the pauses before the tenth try are 20, 40, 80 and six times 160 ms.
    let tries = 10 * world.pods;
    timeout(PATIENCE, world.relay.tried(before + tries)).await.expect("it goes on trying");
    let least = AGAIN * (1 + 2 + 4 + 8 * 5);
    assert!(began.elapsed() >= least, "{tries} tries in {:?}", began.elapsed());
    let degraded = |s: &ForwardStatus| matches!(s.state, ForwardState::Degraded { .. });
    assert!(degraded(&world.status.borrow()), "it is said: {:#?}", world.status.borrow());
    world.relay.set(Way::Clear);
    for one in waiting {
        assert!(one.await.unwrap(), "what waited is carried");
    }
}

#[tokio::test]
async fn a_server_that_wants_to_be_left_alone_is_asked_once() {
    // No pause of ours that could be taken for the server's.
    let at_once = Tuning { again: Duration::ZERO, again_most: Duration::ZERO, ..tuning() };
    let world = World::start(at_once).await;
    let scope = Scope { resource: Some("pods/portforward".into()), ..Scope::default() };
    world.demo.faults().always(scope, Failure::TooManyRequests(3600));
    world.relay.cut();
    world.relay.take_requests();
    // Each asks of each pod, again and again, for more rounds than there are ways.
    let tries =
        (0..20).map(|_| async { world.tunnels.open("default", POD, 7).await.err().map(|e| e.to_string()) });
    let told = join_all(tries).await;
    assert!(
        told.iter().all(|why| why
            .as_ref()
            .is_some_and(|why| why.contains("too many requests") || why.contains("429"))),
        "{told:?}"
    );
    let asked: usize =
        world.relay.take_requests().iter().filter(|(path, _)| path.contains(POD)).map(|(_, n)| n).sum();
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn a_way_that_is_blocked_without_a_word_is_replaced() {
    let world = World::start(tuning()).await;
    world.recovers("at first").await;
    world.relay.set(Way::Stalled);
    let mut stalled = TcpStream::connect(world.local).await.unwrap();
    stalled.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    // Nothing answers the pings: the connection is given up, and who waits on it is told so by its end.
    let ended = timeout(PATIENCE, stalled.read(&mut [0; 10])).await.expect("it is given up");
    assert!(matches!(ended, Ok(0) | Err(_)));
    world.relay.set(Way::Clear);
    world.recovers("afterwards").await;
}

#[tokio::test]
async fn after_a_sleep_dead_connections_are_replaced_at_once() {
    // No keeper would ever notice.
    let demo = demo().await;
    let relay = Faulty::before(address(&demo)).await;
    let slow = Tuning { tick: Duration::from_millis(100), dead: u64::MAX, ..tuning() };
    let tunnels = Tunnels::tuned(client(&relay.url).kube().clone(), slow);
    let mut before = tunnels.open("default", POD, 7).await.unwrap();
    before.write_all(b"a").await.unwrap();
    assert_eq!(before.read_u8().await.unwrap(), b'a');
    // Those that live are left alone.
    tunnels.woke();
    before.write_all(b"b").await.unwrap();
    assert_eq!(before.read_u8().await.unwrap(), b'b');
    relay.set(Way::Stalled);
    before.write_all(b"lost").await.unwrap();
    timeout(PATIENCE, relay.blocked(1)).await.unwrap();
    relay.set(Way::Clear);
    tunnels.woke();
    // Before it is known that the old one is dead, a new stream has a connection of its own.
    let mut after = tunnels.open("default", POD, 7).await.unwrap();
    after.write_all(b"c").await.unwrap();
    assert_eq!(timeout(TRY, after.read_u8()).await.unwrap().unwrap(), b'c');
    let ended = timeout(TRY, before.read_u8()).await.expect("it ends soon");
    assert!(ended.is_err());
}

/// Commands meet the fault and end, in time and with a reason; afterwards they work.
#[tokio::test]
async fn exec_ends_under_every_fault_and_works_after_it() {
    let demo = demo().await;
    let relay = Faulty::before(address(&demo)).await;
    let (client, pod) = (client(&relay.url), ObjectKey::new("default", POD));
    let limits = ExecLimits { deadline: Duration::from_secs(1), ..ExecLimits::default() };
    let echo = async || run(&client, Place { pod: &pod, container: "" }, &["echo", "a"], &limits).await;
    assert_eq!(echo().await.unwrap().stdout, b"a\n");
    let every = [
        Way::Slow(Duration::from_millis(5)),
        Way::Trickle(3),
        Way::Reset(2),
        Way::Truncated(2),
        Way::Corrupted(2),
        Way::Gone,
        Way::Stalled,
    ];
    for way in every {
        relay.set(way);
        for _ in 0..4 {
            let before = relay.attempts();
            match timeout(TRY, echo()).await.expect("it ends in time") {
                Ok(_) => assert!(way != Way::Gone && way != Way::Stalled, "{way:?}"),
                Err(error) => assert!(!error.error.why.is_empty(), "{way:?}: {error}"),
            }
            assert!(relay.attempts() - before <= 2, "{way:?}: no command is repeated");
        }
        relay.set(Way::Clear);
        relay.cut();
        assert_eq!(echo().await.unwrap().stdout, b"a\n", "after {way:?}");
    }
    let scope = Scope { resource: Some("pods/exec".into()), ..Scope::default() };
    let all = [Failure::TooManyRequests(7), Failure::InternalError, Failure::Unavailable, Failure::Garbage];
    for failure in all {
        demo.faults().always(scope.clone(), failure.clone());
        let error = echo().await.unwrap_err();
        assert_ne!(error.error.kind, ApiErrorKind::Timeout, "{failure:?}");
        demo.faults().clear();
        assert_eq!(echo().await.unwrap().stdout, b"a\n", "after {failure:?}");
    }
}

/// Questions meet the fault and are answered or said to be lost; afterwards they are answered.
#[tokio::test]
async fn live_dns_is_right_or_says_that_it_is_not_and_comes_back() {
    let demo = demo().await;
    let relay = Faulty::before(address(&demo)).await;
    let client = client(&relay.url);
    let surroundings = surroundings(&client, &[]).await.unwrap();
    let health = DnsHealth::of(&surroundings, &Cluster::new(&surroundings));
    let limits =
        Limits { question: Duration::from_millis(500), open: Duration::from_secs(1), ..Limits::default() };
    let dns = LiveDns::open(&client, &health, &Which::Best, limits).await.unwrap();
    let ask =
        async || -> LiveStep { dns.ask("my-app.default.svc.cluster.local", RecordType::A).await.remove(0) };
    let right = |step: &LiveStep| {
        step.reply.as_ref().is_ok_and(|r| r.answers.first().is_some_and(|a| a.data == "10.96.14.2"))
    };
    assert!(right(&ask().await));
    for way in [Way::Slow(Duration::from_millis(5)), Way::Trickle(3)] {
        relay.set(way);
        for _ in 0..5 {
            let step = ask().await;
            assert!(right(&step), "{way:?}: {step:?}");
        }
    }
    for way in [Way::Reset(3), Way::Truncated(3), Way::Corrupted(3), Way::Gone] {
        relay.set(way);
        let before = relay.attempts();
        for _ in 0..5 {
            let step = timeout(TRY, ask()).await.expect("it ends in time");
            assert!(right(&step) || step.reply.is_err(), "{way:?}: {step:?}");
            assert!(way != Way::Gone || step.reply.is_err(), "{step:?}");
        }
        assert!(relay.attempts() - before <= 40, "{way:?}: {}", relay.attempts() - before);
        relay.set(Way::Clear);
        let good = async { while !right(&ask().await) {} };
        assert!(timeout(PATIENCE, good).await.is_ok(), "after {way:?}: {:?}", ask().await);
    }
}

/// The API server lets nobody through to the DNS servers: which answer it gave is the answer's reason, it is not
/// stormed, and afterwards there are answers again.
#[tokio::test]
async fn live_dns_tells_what_the_api_server_says() {
    let demo = demo().await;
    let relay = Faulty::before(address(&demo)).await;
    let client = client(&relay.url);
    let surroundings = surroundings(&client, &[]).await.unwrap();
    let health = DnsHealth::of(&surroundings, &Cluster::new(&surroundings));
    let limits =
        Limits { question: Duration::from_secs(2), open: Duration::from_secs(2), ..Limits::default() };
    let name = "my-app.default.svc.cluster.local";
    for (failure, words) in told_by_servers() {
        let dns = LiveDns::open(&client, &health, &Which::Best, limits).await.unwrap();
        let ask = async || dns.ask(name, RecordType::A).await.remove(0).reply;
        assert_eq!(ask().await.unwrap().answers[0].data, "10.96.14.2");
        demo.faults().always(portforward(), failure.clone());
        relay.cut();
        relay.take_requests();
        for _ in 0..5 {
            let why = timeout(TRY, ask()).await.expect("it ends in time").unwrap_err().to_string();
            assert!(why.contains(words), "{failure:?}: {why}");
        }
        let asked: usize = relay.take_requests().values().sum();
        assert!(asked <= 5 * 4, "{failure:?}: {asked} requests");
        // Opened anew it says the same.
        let why = LiveDns::open(&client, &health, &Which::Best, limits).await.unwrap_err().to_string();
        assert!(why.contains(words), "{failure:?}: {why}");
        demo.faults().clear();
        let good = async { while ask().await.is_err() {} };
        assert!(timeout(PATIENCE, good).await.is_ok(), "after {failure:?}: {:?}", ask().await);
    }
}

fn portforward() -> Scope {
    Scope { resource: Some("pods/portforward".into()), ..Scope::default() }
}

/// Faults that an API server tells, and what has to be found in what a person reads.
fn told_by_servers() -> [(Failure, &'static str); 3] {
    [
        (Failure::InternalError, "Internal error occurred"),
        (Failure::Unavailable, "apiserver not ready"),
        (Failure::TooManyRequests(1), "too many requests"),
    ]
}

/// A page over a connection that stays.
async fn kept_page(stream: &mut TcpStream) -> std::io::Result<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await?;
    let (mut page, mut buffer) = (Vec::new(), [0; 4096]);
    while !page.windows(11).any(|some| some == b"my-app pod ") || !page.ends_with(b"\n") {
        match stream.read(&mut buffer).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => page.extend_from_slice(&buffer[..n]),
        }
    }
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// A server that refuses new ways to its pods leaves those alone that there are; who needs a new one is told why by
/// the forward, and is carried when the server has recovered.
#[tokio::test]
async fn a_forward_that_lives_goes_on_while_the_server_refuses_and_a_new_one_is_told_why() {
    for (failure, words) in told_by_servers() {
        let world = World::start(tuning()).await;
        let mut living = TcpStream::connect(world.local).await.unwrap();
        assert!(kept_page(&mut living).await.unwrap().starts_with("HTTP/1.1 200"));
        world.demo.faults().always(portforward(), failure.clone());
        for _ in 0..3 {
            let page = timeout(TRY, kept_page(&mut living)).await.expect("it goes on").unwrap();
            assert!(page.starts_with("HTTP/1.1 200"), "{failure:?}: {page}");
        }
        // With the ways that there are gone, a new one is needed, and refused.
        world.relay.cut();
        assert!(timeout(TRY, kept_page(&mut living)).await.expect("it ends").is_err());
        let mut status = world.status.clone();
        let waiting = world.is_right_in_time();
        let told = async {
            let said = |s: &ForwardStatus| {
                let why = s.state.why().unwrap_or_default();
                matches!(s.state, ForwardState::Degraded { .. }) && why.contains(words)
            };
            let seen = timeout(PATIENCE, status.wait_for(said)).await.is_ok();
            assert!(seen, "{failure:?}: {:#?}", *world.status.borrow());
            world.demo.faults().clear();
        };
        let (good, ()) = tokio::join!(waiting, told);
        assert!(good, "what waited is carried after {failure:?}: {:#?}", world.status.borrow());
        world.recovers(&format!("after {failure:?}")).await;
    }
}

/// The whole of it, with the times of earnest: watches, connections to pods, and the listener that stays.
#[tokio::test]
async fn a_forward_lives_through_a_restart_of_the_api_server() {
    let demo = demo().await;
    let relay = Faulty::before(address(&demo)).await;
    let forwards = kdisco::runtime::forwards::Forwards::new(|| Timestamp::UNIX_EPOCH);
    let spec = ForwardSpec::new(Target::service("default", "my-app"), PortWish::parse(":http").unwrap());
    forwards.start(&client(&relay.url), spec);
    let mut statuses = forwards.statuses();
    let listens = statuses.wait_for(|list| list.iter().any(|s| s.ready > 0 && s.address().is_some()));
    let local = timeout(PATIENCE, listens).await.unwrap().unwrap()[0].address().unwrap();
    let page = async || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(local).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
        let mut page = String::new();
        stream.read_to_string(&mut page).await?;
        Ok(page)
    };
    assert!(page().await.unwrap().contains("my-app pod "));
    let before = relay.attempts();
    relay.set(Way::Gone);
    // Who connects meanwhile is served when the server is back: by the same listener, without a word to anybody.
    let (served, ()) = tokio::join!(timeout(PATIENCE, page()), async {
        timeout(PATIENCE, relay.tried(before + 4)).await.unwrap();
        relay.set(Way::Clear);
    });
    assert!(served.unwrap().unwrap().contains("my-app pod "));
    assert!(page().await.unwrap().contains("my-app pod "));
    assert_eq!(forwards.statuses().borrow()[0].failed, 0);
}
