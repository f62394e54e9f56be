use super::*;
use crate::model::samples::{endpoint, facts, labels, pod, service, slice};
use crate::model::{Protocol, ServiceType};

/// A small world: the names of the Services in it that a filter lets pass, best first.
fn passing(filter: &str) -> Vec<String> {
    let filter = Filter::parse(filter).unwrap_or_else(|e| panic!("{filter}: {e}"));
    let mut matcher = Matcher::default();
    let mut found: Vec<_> = world()
        .into_iter()
        .filter_map(|f| Some((filter.score_service(&mut matcher, &f)?, f.key().name.to_string())))
        .collect();
    found.sort_by_key(|(score, name)| (std::cmp::Reverse(*score), name.clone()));
    found.into_iter().map(|(_, name)| name).collect()
}

fn world() -> Vec<ServiceFacts> {
    let mut my_app = service("default", "my-app").with_ips(&["10.96.14.2"]).with_port("http", 80, "8080");
    my_app.labels = labels("app=my-app,tier=front");
    my_app.kind = ServiceType::NodePort;
    my_app.ports[0].node_port = 30080;
    let mut mysql = service("shop", "mysql").with_ips(&["10.96.80.9", "fd00::80:9"]).with_port("", 3306, "");
    mysql.labels = labels("app=mysql,tier=back");
    let mut cache = service("shop", "cache").with_ips(&["None"]).with_port("redis", 6379, "redis");
    cache.labels = labels("app=cache");
    cache.ports[0].protocol = Protocol::Udp;
    let partner = service("shop", "partner").external("api.example.com");
    let edge = service("kube-system", "Edge").with_ips(&["10.97.0.1"]).with_ingress(&["203.0.113.7"]);
    let not_ready = endpoint("10.244.2.3").conditions(Some(false), Some(false), Some(false));
    vec![
        facts(
            my_app,
            vec![
                slice("default", "my-app", "a")
                    .with_port("http", 8080)
                    .with(endpoint("10.244.1.7").of("default", "my-app-x2k").on("node-1"))
                    .with(endpoint("10.244.1.8").of("default", "my-app-9qz").on("node-2")),
            ],
        ),
        facts(
            mysql,
            vec![
                slice("shop", "mysql", "a")
                    .with_port("", 3306)
                    .with(endpoint("10.244.2.2"))
                    .with(not_ready.clone()),
            ],
        ),
        facts(cache, vec![slice("shop", "cache", "a").with_port("redis", 6380).with(not_ready)]),
        facts(partner, vec![]),
        facts(edge, vec![]),
    ]
}

const ALL: &[&str] = &["Edge", "cache", "my-app", "mysql", "partner"];

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn terms_by_what_they_let_pass() {
    for (filter, names) in [
        ("", ALL),
        ("   ", ALL),
        // Plain text: the name ranks above the namespace, and that above all else.
        ("mysql", &["mysql"][..]),
        ("map", &["my-app"]),
        ("shop", &["cache", "mysql", "partner"]),
        ("shop cache", &["cache"]),
        ("shop/m", &["mysql"]),
        ("sho/ca", &["cache"]),
        ("headless", &["cache"]),
        ("nodeport", &["my-app"]),
        ("3306", &["mysql"]),
        ("33", &["mysql"]),
        ("300", &["my-app"]),
        ("redis", &["cache"]),
        ("10.96", &["my-app", "mysql"]),
        ("203.0", &["Edge"]),
        ("10.244.1.7", &["my-app"]),
        ("fd00::", &["mysql"]),
        ("example.com", &["partner"]),
        ("nothing-like-it", &[]),
        // Case: smart.
        ("edge", &["Edge"]),
        ("Edge", &["Edge"]),
        ("EDGE", &[]),
        ("MySQL", &[]),
        // Quoted and inverse terms are parts, not fuzzy.
        ("\"my-\"", &["my-app"]),
        ("\"map\"", &[]),
        ("\"my-app", &["my-app"]),
        ("!shop", &["Edge", "my-app"]),
        ("!map", ALL),
        ("!\"my\"", &["Edge", "cache", "partner"]),
        ("my !sql", &["my-app"]),
        ("!", ALL),
        ("!port:3306 shop", &["cache", "partner"]),
        ("!-l app=mysql shop", &["cache", "partner"]),
        // Typed terms.
        ("name:a", &["cache", "my-app", "partner"]),
        ("name:\"a\"", &[]),
        ("name:\"cache\"", &["cache"]),
        ("ns:kube", &["Edge"]),
        ("namespace:shop", &["cache", "mysql", "partner"]),
        ("ns:\"sho\"", &[]),
        ("type:headless", &["cache"]),
        ("type:clusterip", &["cache", "mysql"]),
        ("type:lb", &["Edge"]),
        ("type:ext", &["partner"]),
        ("ip:10.96", &["my-app", "mysql"]),
        ("ip:0.96", &[]),
        ("ip:fd00", &["mysql"]),
        ("ip:10.244.1.8", &["my-app"]),
        ("ip:10.96.0.0/12", &["Edge", "my-app", "mysql"]),
        ("ip:10.96.0.0/", &[]),
        ("ip:10.96.80.0/24", &["mysql"]),
        ("ip:0.0.0.0/0", &["Edge", "cache", "my-app", "mysql"]),
        ("ip:fd00::/16", &["mysql"]),
        ("ip:\"10.96.14\"", &[]),
        ("port:80", &["my-app"]),
        ("port:8080", &["my-app"]),
        ("port:30080", &["my-app"]),
        ("port:8", &[]),
        ("port:6380", &["cache"]),
        ("port:http", &["my-app"]),
        ("port:6379/udp", &["cache"]),
        ("port:6379/tcp", &[]),
        ("port:/udp", &["cache"]),
        ("label:tier", &["my-app", "mysql"]),
        ("label:tier=fr", &["my-app"]),
        ("label:\"tier=front\"", &["my-app"]),
        ("label:\"tier=fr\"", &[]),
        ("selector:app=cache", &["cache"]),
        ("node:node-1", &["my-app"]),
        ("pod:9qz", &["my-app"]),
        ("svc:cache", &["cache"]),
        ("ready:yes", &["my-app", "mysql"]),
        ("ready:no", &["Edge", "cache"]),
        ("ready:all", &["my-app"]),
        ("ready:partial", &["mysql"]),
        // Label selectors.
        ("-l app=cache", &["cache"]),
        ("-l tier", &["my-app", "mysql"]),
        ("-l tier sql", &["mysql"]),
        ("-l app in (cache, mysql) ready:partial", &["mysql"]),
        ("-l app in (cache,mysql),tier", &["mysql"]),
        ("-l \"app in (cache)\" shop", &["cache"]),
        ("-l '!app'", &["Edge", "partner"]),
        ("-l=app=cache", &["cache"]),
        // Half typed.
        ("port:", ALL),
        ("ready:", ALL),
        ("ready:n", &["Edge", "cache"]),
        ("-l", ALL),
        ("-l ", ALL),
        ("-l tier,app in (ca", &["my-app", "mysql"]),
        ("-l app in", ALL),
        ("-l app notin (", ALL),
        ("-l app=", &[]),
        ("-l app=my-", ALL),
        // No field of that name: plain text.
        ("colour:red", &[]),
    ] {
        let found = passing(filter);
        let mut sorted = found.clone();
        sorted.sort();
        assert_eq!(sorted, names, "{filter:?}");
    }
}

#[test]
fn the_best_match_comes_first() {
    fn ranked<'a>(filter: &str, names: &[&'a str]) -> Vec<&'a str> {
        let filter = Filter::parse(filter).unwrap();
        let mut matcher = Matcher::default();
        let mut scores: Vec<_> = names
            .iter()
            .map(|n| (filter.score_service(&mut matcher, &facts(service("web", n), vec![])).unwrap(), *n))
            .collect();
        scores.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        scores.into_iter().map(|(_, name)| name).collect()
    }
    assert_eq!(ranked("web", &["w-e-b", "my-web", "web-2", "web"]), ["web", "web-2", "my-web", "w-e-b"]);
    assert_eq!(ranked("web", &["other", "web"])[0], "web", "the name counts more than the namespace");
}

#[test]
fn mistakes_name_their_place_in_characters() {
    for (text, at, message) in [
        ("é ready:maybe", 8, "`maybe` is not one of yes, no, all, partial"),
        ("ip:10.0.0.0/33", 3, "`33` is no prefix length; it lies between 0 and 32"),
        ("ip:10.0/8", 3, "`10.0` is no address; a network is written 10.96.0.0/16"),
        ("é -l a=b=c", 8, "found `=` where a comma or the end should be"),
        ("-l \"a b\"", 6, "found `b` where one of = == != in notin > < should be"),
    ] {
        let error = Filter::parse(text).unwrap_err();
        assert_eq!((error.at, error.message.as_str()), (at, message), "{text}");
    }
}

#[test]
fn highlights_are_characters_of_the_name() {
    for (filter, name, marked) in [
        ("map", "my-app", &[0, 3, 4][..]),
        ("shop/my", "mysql", &[0, 1]),
        ("\"app\"", "my-app", &[3, 4, 5]),
        ("name:my app", "my-app", &[0, 1, 3, 4, 5]),
        ("!x ip:10", "my-app", &[]),
        ("shop", "mysql", &[]),
        ("据", "数据-a", &[1]),
        ("\"据-\"", "数据-a", &[1, 2]),
    ] {
        let filter = Filter::parse(filter).unwrap();
        assert_eq!(filter.highlights(&mut Matcher::default(), name), marked, "{filter:?}");
    }
}

#[test]
fn pods_by_their_own_facts_and_by_the_services_that_lead_to_them() {
    let mut crashing =
        pod("shop", "cache-0").labelled("app=cache").declaring("redis", 6379).unready("", "", 5);
    crashing.statuses[0].state = crate::model::samples::waiting("CrashLoopBackOff");
    let pods = [(pod("default", "my-app-x2k").labelled("app=my-app"), &["web"][..]), (crashing, &["cache"])];
    for (filter, names) in [
        ("x2k", &["my-app-x2k"][..]),
        ("crash", &["cache-0"]),
        ("running", &["my-app-x2k", "cache-0"]),
        ("web", &["my-app-x2k"]),
        ("svc:web", &["my-app-x2k"]),
        ("pod:cache", &["cache-0"]),
        ("port:6379", &["cache-0"]),
        ("ready:no", &["cache-0"]),
        ("ready:yes", &["my-app-x2k"]),
        ("node:node-1 -l app=cache", &["cache-0"]),
        ("ip:10.244.1.7", &["my-app-x2k", "cache-0"]),
        ("type:headless", &[]),
        ("selector:app", &[]),
    ] {
        let filter = Filter::parse(filter).unwrap();
        let mut matcher = Matcher::default();
        let found: Vec<_> = pods
            .iter()
            .filter(|(pod, services)| {
                let services: Vec<Text> = services.iter().map(|s| (*s).into()).collect();
                filter.score_pod(&mut matcher, pod, &services).is_some()
            })
            .map(|(pod, _)| &*pod.key.name)
            .collect();
        assert_eq!(found, names, "{filter:?}");
    }
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_typed_panics(text in "[-!l:a-z\"'()=,/ 0-9.é]{0,24}", name in ".{0,12}") {
        if let Ok(filter) = Filter::parse(&text) {
            let mut matcher = Matcher::default();
            let facts = facts(service("ns", &name), vec![]);
            let length = name.chars().count();
            filter.score_service(&mut matcher, &facts);
            assert!(filter.highlights(&mut matcher, &name).iter().all(|i| (*i as usize) < length));
        }
    }
}
