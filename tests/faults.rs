//! Bad ways and bad servers: what is shown is true or said to be stale, nothing storms, and after the fault all is
//! true again. A spoiling relay stands before the demo's API server; waiting times are injected, nothing sleeps.

#[path = "common/faulty.rs"]
mod faulty;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use faulty::{Faulty, Way};
use kdisco::app::{App, Identity, Message};
use kdisco::cluster::client::{Client, Terminal};
use kdisco::cluster::kubeconfig::{Environment, Kubeconfig, Overrides};
use kdisco::cluster::session::{Connection, Start, list_once};
use kdisco::cluster::watch::Timing;
use kdisco::config::{Keymap, Theme};
use kdisco::demo::{self, Demo, Failure, Scope};
use kdisco::model::time::Timestamp;
use kdisco::model::{ClusterSnapshot, Kind, Load, NamespaceScope};
use kdisco::ui::{Look, view};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const PATIENCE: Duration = Duration::from_secs(60);
const BACKOFF: Duration = Duration::from_millis(20);
const KINDS: [Kind; 2] = [Kind::Service, Kind::EndpointSlice];

/// Short times, in the proportions of the real ones.
fn timing() -> Timing {
    Timing {
        backoff: BACKOFF,
        backoff_max: BACKOFF * 8,
        forbidden: BACKOFF * 8,
        head: Duration::from_millis(400),
        stall: Duration::from_millis(400),
        silent: Duration::from_millis(600),
        publish: Duration::from_millis(1),
        ..Timing::default()
    }
}

fn client(server: &str) -> Client {
    let overrides = Overrides { server: Some(server.to_owned()), ..Overrides::default() };
    let environment = Environment { variables: [].into(), service_account: "/nonexistent".into() };
    let target = Kubeconfig::load(&overrides, &environment).unwrap().target().unwrap();
    Client::new(target, Terminal::Ours).unwrap()
}

/// The demo, the way to it, and a picture that is kept up over that way.
struct World {
    demo: Demo,
    relay: Faulty,
    connection: Connection,
}

async fn started() -> Demo {
    let options = demo::Options { clock: demo::Clock::Stepped, script: true, ..demo::Options::default() };
    demo::start(options).await.unwrap()
}

fn address(demo: &Demo) -> SocketAddr {
    demo.server().strip_prefix("http://").unwrap().parse().unwrap()
}

impl World {
    async fn start(timing: Timing) -> Self {
        let demo = started().await;
        let relay = Faulty::before(address(&demo)).await;
        let start = Start {
            epoch: 1,
            scope: NamespaceScope::All,
            known: BTreeSet::new(),
            clock: || Timestamp::UNIX_EPOCH,
            timing,
        };
        let connection = Connection::start(client(&relay.url), start);
        Self { demo, relay, connection }
    }

    async fn truth(&self) -> Vec<String> {
        truth(&self.demo).await
    }

    /// Waits until what is shown is what is there, and said to be so.
    async fn is_true(&self, when: &str) {
        let truth = self.truth().await;
        let snapshot = self.until(when, |snapshot| live(snapshot) && picture(snapshot) == truth).await;
        let (screen, count) = (screen(&snapshot), counted(&snapshot));
        let row = row(&screen, "my-app");
        assert!(top(&screen).contains(" live") && row.contains(&count), "{when}: {screen}");
        assert!(!row.contains(&format!("{count}~")), "{when}: {screen}");
    }

    async fn until(
        &self,
        what: &str,
        wanted: impl FnMut(&Arc<ClusterSnapshot>) -> bool,
    ) -> Arc<ClusterSnapshot> {
        let mut snapshots = self.connection.snapshots();
        if let Ok(seen) = tokio::time::timeout(PATIENCE, snapshots.wait_for(wanted)).await {
            return seen.unwrap().clone();
        }
        let snapshot = self.connection.snapshots().borrow().clone();
        panic!("{what}: it did not come to that; {:?}\n{:#?}", snapshot.loads, picture(&snapshot));
    }

    /// Pods come and go, and slices with them.
    fn churn(&self) {
        for _ in 0..60 {
            self.demo.step(Duration::from_secs(1));
        }
    }
}

async fn truth(demo: &Demo) -> Vec<String> {
    picture(&list_once(&client(&demo.server()), &NamespaceScope::All, &KINDS).await.unwrap())
}

/// Services with what is behind them, as text.
fn picture(snapshot: &ClusterSnapshot) -> Vec<String> {
    let facts = |f: &Arc<kdisco::model::ServiceFacts>| {
        let mut addresses: Vec<_> = f
            .slices
            .iter()
            .flat_map(|s| &s.endpoints)
            .flat_map(|e| e.addresses.iter().map(ToString::to_string))
            .collect();
        addresses.sort();
        format!("{} {}/{} {addresses:?}", f.key(), f.ready, f.total)
    };
    snapshot.services.iter().map(facts).collect()
}

fn loads(snapshot: &ClusterSnapshot) -> Vec<&Load> {
    snapshot.loads.iter().filter(|l| KINDS.contains(&l.kind)).map(|l| &l.load).collect()
}

fn live(snapshot: &ClusterSnapshot) -> bool {
    let loads = loads(snapshot);
    loads.len() == KINDS.len() && loads.iter().all(|l| matches!(l, Load::Live))
}

fn doubtful(snapshot: &ClusterSnapshot) -> bool {
    loads(snapshot).iter().any(|l| matches!(l, Load::Stale { .. } | Load::Failed { .. }))
}

fn all_doubtful(snapshot: &ClusterSnapshot) -> bool {
    loads(snapshot).iter().all(|l| matches!(l, Load::Stale { .. } | Load::Failed { .. }))
}

/// The screen that the explorer makes of it.
fn screen(snapshot: &Arc<ClusterSnapshot>) -> String {
    let mut app = App::start(Timestamp::UNIX_EPOCH).0;
    let identity = Identity { context: "demo".into(), ..Identity::default() };
    app.update(Message::Connected { epoch: 1, identity, scope: NamespaceScope::All });
    app.update(Message::Snapshot(snapshot.clone()));
    let (area, look) = (Rect::new(0, 0, 160, 40), Look::new(Theme::default(), false, Keymap::default()));
    for _ in 0..4 {
        let mut buffer = Buffer::empty(area);
        let drawn = view(&app, &look, area, &mut buffer);
        if drawn.viewport == app.layout.viewport {
            let line = |y| (0..area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
            return (0..area.height).map(line).collect::<Vec<_>>().join("\n");
        }
        app.update(Message::Viewport(drawn.viewport));
    }
    panic!("what a frame has room for never settles");
}

fn top(screen: &str) -> &str {
    screen.lines().next().unwrap_or("")
}

fn row<'a>(screen: &'a str, name: &str) -> &'a str {
    screen.lines().find(|line| line.contains(name)).unwrap_or("")
}

/// How many endpoints of `my-app` are ready, as its row says it.
fn counted(snapshot: &ClusterSnapshot) -> String {
    let facts = snapshot.services.iter().find(|facts| &*facts.key().name == "my-app").expect("my-app");
    format!(" {}/{}", facts.ready, facts.total)
}

/// The picture is old, and each of its parts says so: the badge with the reason, and the counts behind Services.
fn says_that_it_is_old(snapshot: &Arc<ClusterSnapshot>, when: &str) {
    let screen = screen(snapshot);
    let badge = top(&screen).split_once("stale for 0s: ").map_or("", |(_, why)| why.trim());
    assert!(!badge.is_empty(), "{when}: {screen}");
    let why = loads(snapshot).into_iter().find_map(|load| match load {
        Load::Stale { why, .. } => Some(why.to_string()),
        _ => None,
    });
    let why = why.unwrap();
    assert!(why.starts_with(badge.trim_end_matches('…')), "{when}: {why} is not what is said: {screen}");
    let slices_are_old =
        snapshot.loads.iter().any(|l| l.kind == Kind::EndpointSlice && matches!(l.load, Load::Stale { .. }));
    assert!(
        !slices_are_old || row(&screen, "my-app").contains(&format!("{}~", counted(snapshot))),
        "{when}: {screen}"
    );
}

/// The fault is lasting: it must be said, and after it all is true.
async fn survives(way: Way) {
    let world = World::start(timing()).await;
    world.is_true("at first").await;
    // What is true after a change came by a watch, so the fault meets one that stands.
    world.churn();
    world.is_true("by watching").await;
    world.relay.set(way);
    world.churn();
    let old = world.until("it is said that all of the picture may be old", |s| all_doubtful(s)).await;
    says_that_it_is_old(&old, &format!("{way:?}"));
    // Nothing that was known is forgotten meanwhile.
    assert!(!world.connection.snapshots().borrow().services.is_empty());
    world.relay.set(Way::Clear);
    world.is_true("afterwards").await;
}

/// The fault is a nuisance: the picture comes through it.
async fn comes_through(way: Way) {
    let world = World::start(timing()).await;
    world.is_true("at first").await;
    world.relay.set(way);
    for round in 0..3 {
        world.churn();
        world.is_true(&format!("{way:?}, round {round}")).await;
    }
    world.relay.set(Way::Clear);
    world.churn();
    world.is_true("afterwards").await;
    // Four watches, and what is kept for the next request: connections do not pile up.
    assert!(world.relay.open() <= 12, "{} connections", world.relay.open());
}

#[tokio::test]
async fn a_slow_way_only_delays_the_truth() {
    comes_through(Way::Slow(Duration::from_millis(5))).await;
}

#[tokio::test]
async fn bytes_that_trickle_are_put_together() {
    comes_through(Way::Trickle(7)).await;
}

#[tokio::test]
async fn connections_that_are_reset_now_and_then_are_made_again() {
    comes_through(Way::Reset(5)).await;
}

#[tokio::test]
async fn answers_that_are_cut_short_now_and_then_count_for_nothing() {
    comes_through(Way::Truncated(5)).await;
}

#[tokio::test]
async fn answers_that_are_spoiled_now_and_then_are_asked_for_again() {
    comes_through(Way::Corrupted(5)).await;
}

#[tokio::test]
async fn a_way_that_is_blocked_without_a_word_is_noticed() {
    survives(Way::Stalled).await;
}

#[tokio::test]
async fn a_server_that_is_gone_leaves_a_picture_that_is_said_to_be_old() {
    survives(Way::Gone).await;
}

#[tokio::test]
async fn every_answer_spoiled_or_cut_is_no_picture_at_all_but_the_old_one() {
    survives(Way::Corrupted(1)).await;
    survives(Way::Truncated(1)).await;
}

#[tokio::test]
async fn another_cluster_at_the_same_address_replaces_the_picture() {
    let world = World::start(timing()).await;
    world.churn();
    world.is_true("at first").await;
    let options = demo::Options { scale: Some((40, 80)), ..demo::Options::default() };
    let other = demo::start(options).await.unwrap();
    let expected = truth(&other).await;
    assert_ne!(expected, world.truth().await);
    // Versions of the other are larger: it would let watches go on, and the picture would be a mixture.
    world.relay.replace_server(address(&other));
    world.until("the other cluster", |s| live(s) && picture(s) == expected).await;
    // And back: to versions that may be smaller than those of the other.
    world.relay.replace_server(address(&world.demo));
    world.is_true("the first again").await;
}

/// Faults that the server itself tells.
async fn refused_with(failure: Failure, everything: bool) {
    let world = World::start(timing()).await;
    world.is_true("at first").await;
    let verbs = if everything { vec!["list", "watch"] } else { vec!["watch"] };
    for verb in verbs {
        let scope = Scope { verb: Some(verb.to_owned()), ..Scope::default() };
        world.demo.faults().always(scope, failure.clone());
    }
    // Watches that stand are ended, so that they meet the fault.
    world.relay.cut();
    world.churn();
    if everything {
        let old = world.until("it is said", |s| doubtful(s)).await;
        says_that_it_is_old(&old, &format!("{failure:?}"));
    }
    world.demo.faults().clear();
    world.churn();
    world.is_true(&format!("after {failure:?}")).await;
}

#[tokio::test]
async fn refusals_are_told_and_end() {
    let all = [
        Failure::InternalError,
        Failure::Unavailable,
        Failure::Unauthorized,
        Failure::Garbage,
        Failure::TooManyRequests(1),
        Failure::BreakAfterBytes(100),
    ];
    for failure in all {
        refused_with(failure, true).await;
    }
}

#[tokio::test]
async fn expired_versions_are_listed_anew() {
    refused_with(Failure::Gone, false).await;
    let world = World::start(timing()).await;
    world.is_true("at first").await;
    world.relay.set(Way::Gone);
    world.churn();
    world.demo.compact();
    world.relay.set(Way::Clear);
    world.is_true("after the compaction").await;
}

/// Requests that fail at once, for ever: what a watch asks is bounded by its backoff. The time is only used as what
/// must at least have passed, so a slow machine cannot fail this.
async fn asks_no_more_than_its_backoff_allows(failure: Failure) {
    let world = World::start(timing()).await;
    world.is_true("at first").await;
    world.relay.take_requests();
    let began = Instant::now();
    world.demo.faults().always(Scope::default(), failure.clone());
    world.relay.cut();
    tokio::time::timeout(PATIENCE, world.relay.asked(30)).await.expect("it goes on trying");
    // Each path makes some tries while its pause grows; from then on each costs at least 3/4 of the longest.
    let least = (BACKOFF * 8).mul_f64(0.75) * (30 - 10);
    let (took, asked) = (began.elapsed(), world.relay.take_requests());
    assert!(took >= least, "{failure:?}: {asked:?} in {took:?}");
    // Where the whole cluster is forbidden, the namespaces that are known are tried one by one, and not all of them.
    assert!(asked.len() <= 2 * 30 + 4, "{asked:?}");
}

#[tokio::test]
async fn a_server_that_refuses_everything_is_not_stormed() {
    for failure in [Failure::InternalError, Failure::Unauthorized, Failure::Forbidden] {
        asks_no_more_than_its_backoff_allows(failure).await;
    }
}

#[tokio::test]
async fn versions_that_always_expire_are_not_a_storm() {
    asks_no_more_than_its_backoff_allows(Failure::Gone).await;
}
