//! A cluster that never rests, in small: after many changes and connections nothing is left of them. Alone in its
//! program, as it looks at what the whole process holds. (`tests/testbed/soak.py` is the same in large.)

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use kdisco::cluster::client::{Client, Terminal};
use kdisco::cluster::kubeconfig::{Environment, Kubeconfig, Overrides};
use kdisco::cluster::session::{Connection, Start};
use kdisco::cluster::watch::Timing;
use kdisco::demo::{Clock, Demo, Forwarding, Options, start};
use kdisco::model::session::ForwardSpec;
use kdisco::model::target::{PortWish, Target};
use kdisco::model::time::Timestamp;
use kdisco::model::{Kind, Load, NamespaceScope};
use kdisco::runtime::forwards::Forwards;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(120);
const FORWARDS: usize = 5;

/// What the process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    tasks: usize,
    descriptors: usize,
    kib: usize,
}

fn held() -> Held {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    Held {
        tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
        descriptors: std::fs::read_dir("/proc/self/fd").unwrap().count(),
        kib: line.split_whitespace().next().unwrap().parse().unwrap(),
    }
}

fn client(demo: &Demo) -> Client {
    let overrides = Overrides { server: Some(demo.server()), ..Overrides::default() };
    let environment = Environment { variables: [].into(), service_account: "/nonexistent".into() };
    let target = Kubeconfig::load(&overrides, &environment).unwrap().target().unwrap();
    Client::new(target, Terminal::Ours).unwrap()
}

struct World {
    demo: Demo,
    connection: Connection,
    forwards: Forwards,
    locals: Vec<SocketAddr>,
}

impl World {
    async fn start() -> Self {
        let options = Options {
            clock: Clock::Stepped,
            script: true,
            forwarding: Forwarding::Measured,
            ..Options::default()
        };
        let demo = start(options).await.unwrap();
        let start = Start {
            epoch: 1,
            scope: NamespaceScope::All,
            known: BTreeSet::new(),
            clock: || Timestamp::UNIX_EPOCH,
            timing: Timing { publish: Duration::from_millis(1), ..Timing::default() },
        };
        let connection = Connection::start(client(&demo), start);
        connection.set_pod_demand([None].into());
        let forwards = Forwards::new(|| Timestamp::UNIX_EPOCH);
        for _ in 0..FORWARDS {
            let port = PortWish::parse(":http").unwrap();
            forwards.start(&client(&demo), ForwardSpec::new(Target::service("default", "my-app"), port));
        }
        let mut statuses = forwards.statuses();
        let all = statuses.wait_for(|list| {
            list.len() == FORWARDS && list.iter().all(|s| s.address().is_some() && s.ready > 0)
        });
        let all = tokio::time::timeout(PATIENCE, all).await.unwrap().unwrap().clone();
        let locals = all.iter().map(|s| s.address().unwrap()).collect();
        Self { demo, connection, forwards, locals }
    }

    /// One page over each forward.
    async fn pages(&self) {
        for local in &self.locals {
            let page = tokio::time::timeout(PATIENCE, page(*local)).await.unwrap();
            assert!(page.contains("my-app pod "), "{page}");
        }
    }

    /// A minute of the script's changes.
    async fn minute(&self) {
        for _ in 0..60 {
            self.demo.step(Duration::from_secs(1));
        }
        // All that is known has come through.
        let mut snapshots = self.connection.snapshots();
        let live = snapshots.wait_for(|s| {
            let mut loads = s.loads.iter().filter(|l| [Kind::Service, Kind::Pod].contains(&l.kind));
            loads.all(|l| l.load == Load::Live)
        });
        tokio::time::timeout(PATIENCE, live).await.unwrap().unwrap();
    }
}

async fn page(local: SocketAddr) -> String {
    let mut stream = TcpStream::connect(local).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut page = String::new();
    while !page.contains("my-app pod ") {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(count @ 1..) => page.push_str(&String::from_utf8_lossy(&buffer[..count])),
            _ => break,
        }
    }
    page
}

/// Waits until it holds no more than that; says what it holds in the end.
async fn settles(most: impl Fn(Held) -> bool) -> Result<Held, Held> {
    let begun = Instant::now();
    loop {
        let now = held();
        if most(now) {
            return Ok(now);
        }
        if begun.elapsed() > PATIENCE {
            return Err(now);
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_cluster_that_never_rests_leaves_nothing_behind() {
    let nothing = held();
    let world = World::start().await;
    // Both kinds of work once, for what is kept ready.
    for _ in 0..5 {
        world.pages().await;
    }
    for _ in 0..5 {
        world.minute().await;
    }
    let before = settles(|now| now.tasks <= 160 && now.descriptors <= 80).await.unwrap();
    for _ in 0..40 {
        world.minute().await;
    }
    // Of the changes the demo keeps a history, which is what most of this is for.
    let after =
        settles(|now| now.tasks <= before.tasks + 24 && now.descriptors <= before.descriptors + 12).await;
    let after = after.unwrap_or_else(|now| panic!("after 40 minutes {now:?}, before them {before:?}"));
    assert!(after.kib <= before.kib + 24 * 1024, "after 40 minutes {after:?}, before them {before:?}");
    for _ in 0..40 {
        world.pages().await;
    }
    // Connections to pods end a while after the pages are read.
    let pages =
        settles(|now| now.tasks <= after.tasks + 24 && now.descriptors <= after.descriptors + 12).await;
    let pages = pages.unwrap_or_else(|now| panic!("after 200 pages {now:?}, before them {after:?}"));
    assert!(pages.kib <= after.kib + 16 * 1024, "after 200 pages {pages:?}, before them {after:?}");
    // Both at once: pods go while pages come from them.
    for _ in 0..20 {
        tokio::join!(world.minute(), world.pages());
    }
    let both = settles(|now| now.tasks <= pages.tasks + 24 && now.descriptors <= pages.descriptors + 8).await;
    let both =
        both.unwrap_or_else(|now| panic!("after 20 minutes with pages {now:?}, before them {pages:?}"));
    assert!(both.kib <= pages.kib + 24 * 1024, "after both {both:?}, before {pages:?}");
    // And nothing of all that outlives its owners.
    world.forwards.stop_all();
    drop(world);
    let end = settles(|now| now.tasks <= nothing.tasks && now.descriptors <= nothing.descriptors + 4).await;
    assert!(end.is_ok(), "in the end {end:?}, at first {nothing:?}");
}
