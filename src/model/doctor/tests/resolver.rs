//! The resolver of the pod: its search list, its ndots, its name servers, and programs that read it otherwise.

use super::*;
use crate::model::pod::DnsConfig;

fn ndots(value: &str) -> DnsConfig {
    DnsConfig { options: Box::new([("ndots".into(), Some(value.into()))]), ..DnsConfig::default() }
}

#[test]
fn few_ndots_are_too_few_for_musl_alone() {
    let world = World::new().client(|spec| spec.dns_config = Some(ndots("1")));
    world.musl_says("my-app.default", "ndots-too-low");
    assert_ne!(world.asked_by_client("my-app.default", Libc::Glibc).resolves, Some(false));
}

#[test]
fn musl_stops_where_glibc_goes_on() {
    // `shop` is a namespace: shop.svc.cluster.local is NODATA, and a search domain behind it would answer.
    let more = DnsConfig { searches: Box::new(["default.svc.cluster.local".into()]), ..DnsConfig::default() };
    let world = World::new().with(ready(web("default", "shop"))).client(|spec| {
        spec.dns_policy = "None".into();
        spec.dns_config = Some(DnsConfig {
            nameservers: Box::new(["10.96.0.10".into()]),
            searches: Box::new(["svc.cluster.local".into(), more.searches[0].clone()]),
            options: Box::new([("ndots".into(), Some("5".into()))]),
        });
    });
    world.says("shop", "ok");
    world.musl_says("shop", "musl-stops-search");
}

#[test]
fn a_long_search_list_is_ignored_by_musl() {
    let searches = (0..12).map(|i| Text::from(format!("a-rather-long-search-domain-{i}.example"))).collect();
    let world = World::new().client(|spec| {
        spec.dns_config = Some(DnsConfig { searches, ..DnsConfig::default() });
    });
    world.musl_says("my-app.default", "too-many-searches");
    world.says("my-app.default", "ok");
}

#[test]
fn nameservers_beyond_three_are_told() {
    let nameservers = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(Text::from).into();
    let world = World::new().client(|spec| {
        spec.dns_config = Some(DnsConfig { nameservers, ..DnsConfig::default() });
    });
    assert!(has(&world.says("my-app.default", "ok"), "too-many-nameservers"));
}

#[test]
fn busybox_misleads() {
    let world = World::new().client(|spec| spec.containers[0].image = "busybox:1.36".into());
    assert!(has(&world.says("my-app.default", "ok"), "busybox-nslookup"));
    let old = World::new().client(|spec| spec.containers[0].image = "busybox:1.28".into());
    assert!(!has(&old.says("my-app.default", "ok"), "busybox-nslookup"));
}

#[test]
fn pods_that_ask_others() {
    let policy = |policy: &str, host: bool| {
        let policy = Text::from(policy);
        World::new().client(move |spec| (spec.dns_policy, spec.host_network) = (policy, host))
    };
    policy("Default", false).says("my-app.default", "not-cluster-dns");
    policy("ClusterFirst", true).says("my-app.default", "not-cluster-dns");
    policy("ClusterFirstWithHostNet", true).says("my-app.default", "ok");
    let none = World::new().client(|spec| {
        spec.dns_policy = "None".into();
        spec.dns_config =
            Some(DnsConfig { nameservers: Box::new(["192.0.2.1".into()]), ..DnsConfig::default() });
    });
    none.says("my-app.default", "not-cluster-dns");
    policy("Default", false).says("example.com", "not-determined");
}
