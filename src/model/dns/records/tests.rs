//! The records of Services of every kind.

use std::sync::Arc;

use super::*;
use crate::model::endpoint::{Hints, TargetRef};
use crate::model::service::PortTarget;
use crate::model::{
    AddressType, Endpoint, EndpointSlice, Labels, Port, Protocol, Service, ServiceType, SlicePort, Text,
};

fn zone() -> Zone {
    Zone::assumed(Name::parse("cluster.local").unwrap())
}

fn service(name: &str, kind: ServiceType, ips: &[&str], ports: &[(&str, i32)]) -> Service {
    let port = |(name, port): &(&str, i32)| Port {
        name: (*name).into(),
        port: *port,
        protocol: Protocol::Tcp,
        target: PortTarget::Same,
        node_port: 0,
        app_protocol: "".into(),
    };
    Service {
        key: ObjectKey::new("shop", name),
        uid: "".into(),
        created: None,
        deleting: None,
        labels: Labels::default(),
        kind,
        cluster_ip: ips.first().copied().unwrap_or_default().into(),
        cluster_ips: ips.iter().map(|ip| Text::from(*ip)).collect(),
        external_ips: Box::default(),
        external_name: "".into(),
        ports: ports.iter().map(port).collect(),
        selector: Labels::default(),
        publish_not_ready: false,
        internal_local: false,
        external_local: false,
        ingress: Box::default(),
        changes: Box::default(),
    }
}

fn endpoint(address: &str, hostname: Option<&str>, ready: Option<bool>) -> Endpoint {
    Endpoint {
        addresses: [Text::from(address)].into(),
        ready,
        serving: None,
        terminating: None,
        hostname: hostname.map(Text::from),
        node: None,
        zone: None,
        hints: Hints::default(),
        target: Some(TargetRef { kind: "Pod".into(), namespace: "shop".into(), name: "a-pod".into() }),
    }
}

fn slice(ports: &[(&str, i32)], endpoints: Vec<Endpoint>) -> Arc<EndpointSlice> {
    let port = |(name, port): &(&str, i32)| SlicePort {
        name: (*name).into(),
        port: Some(*port),
        protocol: Protocol::Tcp,
    };
    Arc::new(EndpointSlice {
        key: ObjectKey::new("shop", "slice"),
        service: "".into(),
        labels: Labels::default(),
        created: None,
        address_type: AddressType::Ipv4,
        ports: ports.iter().map(port).collect(),
        endpoints: endpoints.into(),
    })
}

fn lines(service: Service, slices: Vec<Arc<EndpointSlice>>) -> Vec<String> {
    let facts = ServiceFacts::new(Arc::new(service), slices);
    let records = service_records(&facts, &zone());
    records.iter().map(|r| format!("{} {} {}", r.name, r.kind, r.data)).collect()
}

#[test]
fn a_cluster_ip_service_with_both_families() {
    let s = service("web", ServiceType::ClusterIp, &["10.96.0.7", "fd00::7"], &[("http", 80), ("", 81)]);
    let got = lines(s, vec![slice(&[("http", 8080)], vec![endpoint("10.244.0.5", None, Some(true))])]);
    assert_eq!(
        got,
        [
            "web.shop.svc.cluster.local. A 10.96.0.7",
            "web.shop.svc.cluster.local. AAAA fd00::7",
            "_http._tcp.web.shop.svc.cluster.local. SRV 0 50 80 web.shop.svc.cluster.local.",
            "7.0.96.10.in-addr.arpa. PTR web.shop.svc.cluster.local.",
            "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa. PTR web.shop.svc.cluster.local.",
            "10-244-0-5.web.shop.svc.cluster.local. A 10.244.0.5",
            "5.0.244.10.in-addr.arpa. PTR 10-244-0-5.web.shop.svc.cluster.local.",
        ]
    );
}

#[test]
fn a_headless_service_names_its_ready_endpoints() {
    let s = service("db", ServiceType::ClusterIp, &["None"], &[("pg", 5432)]);
    let endpoints = vec![
        endpoint("10.244.0.1", Some("db-0"), Some(true)),
        endpoint("10.244.0.2", None, None),
        endpoint("10.244.0.3", Some("db-2"), Some(false)),
    ];
    let got = lines(s, vec![slice(&[("pg", 5433)], endpoints)]);
    assert_eq!(
        got,
        [
            "db.shop.svc.cluster.local. A 10.244.0.1",
            "db.shop.svc.cluster.local. A 10.244.0.2",
            "_pg._tcp.db.shop.svc.cluster.local. SRV 0 50 5433 db-0.db.shop.svc.cluster.local.",
            "_pg._tcp.db.shop.svc.cluster.local. SRV 0 50 5433 10-244-0-2.db.shop.svc.cluster.local.",
            "db-0.db.shop.svc.cluster.local. A 10.244.0.1",
            "10-244-0-2.db.shop.svc.cluster.local. A 10.244.0.2",
            "1.0.244.10.in-addr.arpa. PTR db-0.db.shop.svc.cluster.local.",
            "2.0.244.10.in-addr.arpa. PTR 10-244-0-2.db.shop.svc.cluster.local.",
        ]
    );
}

#[test]
fn an_address_in_two_slices_is_one_record() {
    let s = service("web", ServiceType::ClusterIp, &["None"], &[]);
    let two = || vec![endpoint("10.244.0.1", None, Some(true)), endpoint("10.244.0.2", None, Some(true))];
    let got = lines(s, vec![slice(&[("a", 1)], two()), slice(&[("b", 2)], two())]);
    assert_eq!(got.len(), 6);
}

#[test]
fn external_names_are_one_cname_and_addresses_are_nothing() {
    let external = |name: &str| {
        let mut s = service("ext", ServiceType::ExternalName, &[], &[]);
        s.external_name = name.into();
        lines(s, vec![])
    };
    assert_eq!(external("db.example.com"), ["ext.shop.svc.cluster.local. CNAME db.example.com."]);
    assert_eq!(external("10.1.2.3"), [""; 0]);
}

#[test]
fn nothing_ready_is_nothing_at_all() {
    let s = service("idle", ServiceType::ClusterIp, &["None"], &[("pg", 5432)]);
    assert_eq!(lines(s, vec![slice(&[], vec![endpoint("10.244.0.3", None, Some(false))])]), [""; 0]);
}

#[test]
fn zone_files_are_aligned() {
    let records = [
        Record::new("a.cluster.local.", RecordType::A, 30, "10.0.0.1"),
        Record::new("longer.cluster.local.", RecordType::AAAA, 5, "fd00::1"),
    ];
    assert_eq!(
        zone_file(&records),
        "a.cluster.local.       30  IN  A      10.0.0.1\nlonger.cluster.local.   5  IN  AAAA   fd00::1\n"
    );
}
