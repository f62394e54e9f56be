use super::*;
use crate::model::dns::{LiveReply, LiveStep, Record};
use crate::model::samples::{facts, service, snapshot};

const SETTLES: Duration = Duration::from_secs(2);

/// A cluster with Services of these names and addresses in `default`.
fn cluster(services: &[(&str, &str)]) -> Cluster {
    let of = |(name, ip): &(&str, &str)| {
        facts(service("default", name).with_port("http", 80, "").with_ips(&[ip]), vec![])
    };
    Cluster::new(&snapshot(services.iter().map(of).collect(), vec![]))
}

fn names(services: &[&str]) -> Vec<(String, RecordType)> {
    services.iter().map(|name| (full(name), RecordType::A)).collect()
}

fn full(name: &str) -> String {
    format!("{name}.default.svc.cluster.local.")
}

/// What a server says: this address, or that there is no such name.
fn says(cluster: &Cluster, name: &str, ip: Option<&str>) -> Comparison {
    let (name, kind) = (full(name), RecordType::A);
    let (rcode, answers) = match ip {
        Some(ip) => (Rcode::NoError, vec![Record::new(name.clone(), kind, 30, ip)]),
        None => (Rcode::NxDomain, vec![]),
    };
    let reply =
        LiveReply { rcode: rcode.into(), answers, authority: None, additional: vec![], authoritative: true };
    cluster.compare(LiveStep {
        name,
        kind,
        search: None,
        reply: Ok(reply),
        server: Some("dns".into()),
        took: None,
    })
}

fn words(news: Vec<News>) -> Vec<String> {
    let one = |n: &News| {
        let before = n.before.map_or_else(String::new, |v| format!(" (was {v})"));
        let name = n.now.live.name.split('.').next().unwrap_or_default();
        format!("{} {name} {}{before}", n.change.as_str(), n.now.verdict)
    };
    news.iter().map(one).collect()
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A watch that knows `web`, which is as it should be.
fn begun() -> (Changes, Cluster) {
    let now = cluster(&[("web", "10.0.0.1")]);
    let mut changes = Changes::new(SETTLES, false);
    assert_eq!(changes.expect(&now, names(&["web"])), names(&["web"]));
    let equal = vec![says(&now, "web", Some("10.0.0.1"))];
    assert!(changes.heard(equal, at(0)).is_empty(), "what is equal at the start is no news");
    (changes, now)
}

#[test]
fn at_the_start_what_is_odd_is_told_when_it_has_lasted() {
    let now = cluster(&[("web", "10.0.0.1"), ("db", "10.0.0.2")]);
    let mut changes = Changes::new(SETTLES, false);
    changes.expect(&now, names(&["web", "db"]));
    let all = || vec![says(&now, "web", Some("10.0.0.1")), says(&now, "db", None)];
    assert!(changes.heard(all(), at(0)).is_empty());
    assert_eq!(changes.unsettled(), names(&["db"]));
    assert!(changes.heard(vec![says(&now, "db", None)], at(1)).is_empty());
    assert_eq!(words(changes.heard(vec![says(&now, "db", None)], at(2))), ["found db different"]);
    assert!(changes.unsettled().is_empty());
    assert!(changes.heard(all(), at(9)).is_empty(), "it is told once");
    let better = vec![says(&now, "db", Some("10.0.0.2"))];
    assert_eq!(words(changes.heard(better, at(10))), ["changed db equal (was different)"]);
}

#[test]
fn names_come_change_and_go() {
    let (mut changes, before) = begun();
    assert_eq!(changes.expect(&before, names(&["web"])), [], "nothing has changed: nothing is asked");
    let more = cluster(&[("web", "10.0.0.1"), ("db", "10.0.0.2")]);
    assert_eq!(changes.expect(&more, names(&["web", "db"])), names(&["db"]));
    let news = changes.heard(vec![says(&more, "db", Some("10.0.0.2"))], at(5));
    assert_eq!(words(news), ["new db equal"]);

    let other = cluster(&[("web", "10.0.0.9"), ("db", "10.0.0.2")]);
    assert_eq!(changes.expect(&other, names(&["web", "db"])), names(&["web"]));
    let late = vec![says(&other, "web", Some("10.0.0.1"))];
    assert!(changes.heard(late, at(6)).is_empty(), "the server is a moment late");
    let news = changes.heard(vec![says(&other, "web", Some("10.0.0.9"))], at(7));
    assert_eq!(words(news), ["changed web equal (was equal)"]);
    assert!(changes.unsettled().is_empty());

    let fewer = cluster(&[("web", "10.0.0.9")]);
    assert_eq!(changes.expect(&fewer, names(&["web"])), names(&["db"]));
    let still = || vec![says(&fewer, "db", Some("10.0.0.2"))];
    assert!(changes.heard(still(), at(8)).is_empty());
    assert_eq!(changes.unsettled(), names(&["db"]), "what is gone is asked until the server says so");
    assert_eq!(words(changes.heard(still(), at(11))), ["changed db different (was equal)"]);
    assert_eq!(
        words(changes.heard(vec![says(&fewer, "db", None)], at(12))),
        ["gone db equal (was different)"]
    );
    assert_eq!(changes.all(), names(&["web"]));
    assert_eq!(changes.expect(&more, names(&["web", "db"])).len(), 2, "it may come again");
}

#[test]
fn each_server_is_told_of_on_its_own_where_all_are_asked() {
    let now = cluster(&[("web", "10.0.0.1")]);
    let mut changes = Changes::new(SETTLES, true);
    changes.expect(&now, names(&["web"]));
    let of = |server: &str, ip| {
        let mut one = says(&now, "web", ip);
        one.live.server = Some(server.into());
        one
    };
    changes.heard(vec![of("a", Some("10.0.0.1")), of("b", None)], at(0));
    let news = changes.heard(vec![of("a", Some("10.0.0.1")), of("b", None)], at(3));
    assert_eq!(
        (words(news.clone()), news[0].now.live.server.as_deref()),
        (vec!["found web different".to_owned()], Some("b"))
    );
}
