//! Corefiles and states of knowledge that change answers.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::dns::{Corefile, Libc, Server};
use crate::model::samples::{endpoint, facts, labels, pod, service, set_load, slice, snapshot};
use crate::model::{ClusterSnapshot, Kind, Load, Namespace, ObjectKey};

/// `shop/web` (two ports, selected by `app=web`), headless `shop/db` (zones a and b, one host name), `hidden/web`,
/// `shop/ext` to the outside, two pods, and the server's own.
fn world() -> ClusterSnapshot {
    let mut web =
        service("shop", "web").with_ips(&["10.96.0.7"]).with_port("http", 80, "").with_port("", 81, "");
    web.labels = labels("team=a");
    let mut web_slice = slice("shop", "web", "1").with_port("http", 8080).with(endpoint("10.244.0.5"));
    web_slice.labels = labels("team=a");
    let in_zone = |address, zone: &str, hostname: Option<&str>| {
        let mut e = endpoint(address);
        e.zone = Some(zone.into());
        e.hostname = hostname.map(Into::into);
        e.of("shop", "db-0")
    };
    let db = slice("shop", "db", "1")
        .with_port("pg", 5432)
        .with(in_zone("10.244.0.1", "a", Some("first")))
        .with(in_zone("10.244.0.2", "b", None));
    let dns =
        slice("kube-system", "kube-dns", "1").with(endpoint("10.244.0.53").of("kube-system", "coredns-1"));
    let services = vec![
        facts(web, vec![web_slice]),
        facts(service("shop", "db").with_ips(&["None"]).with_port("pg", 5432, ""), vec![db]),
        facts(service("hidden", "web").with_ips(&["10.96.0.8"]).with_port("http", 80, ""), vec![]),
        facts(service("shop", "ext").external("db.example.com"), vec![]),
        facts(
            service("kube-system", "kube-dns").with_ips(&["10.96.0.10"]).with_port("dns-tcp", 53, ""),
            vec![dns],
        ),
    ];
    let with_ip = |namespace: &str, name: &str, ip: &str| {
        let mut p = pod(namespace, name);
        p.ips = [ip.into()].into();
        p
    };
    let pods = vec![
        with_ip("shop", "client", "10.244.0.20"),
        with_ip("shop", "gone", "10.244.0.21"),
        with_ip("kube-system", "coredns-1", "10.244.0.53"),
    ];
    let mut out = snapshot(services, pods);
    let namespace = |name: &str, text: &str| {
        Arc::new(Namespace { name: name.into(), labels: labels(text), terminating: false })
    };
    let all = [
        namespace("empty", ""),
        namespace("hidden", ""),
        namespace("kube-system", ""),
        namespace("shop", "dns=yes"),
    ];
    out.namespaces = Arc::new(all.to_vec());
    set_load(&mut out, Kind::Namespace, Load::Live);
    out
}

/// The world behind a server block with these lines in its `kubernetes` plugin and these beside it.
fn with(options: &str, plugins: &str) -> Cluster {
    let text = format!(
        ".:53 {{\n kubernetes cluster.local in-addr.arpa {{\n fallthrough in-addr.arpa\n {options}\n}}\n{plugins}\n}}\n"
    );
    Cluster::with_server(&world(), Server::new(&Corefile::parse(&text), &|_| None))
}

fn code(cluster: &Cluster, name: &str) -> &'static str {
    let answer = cluster.answer(&format!("{name}.cluster.local"), RecordType::A);
    match answer.rcode {
        Some(Rcode::NoError) if answer.answers.is_empty() => "NODATA",
        Some(rcode) => rcode.as_str(),
        None => "open",
    }
}

fn data(cluster: &Cluster, name: &str, kind: RecordType) -> Vec<String> {
    let mut out: Vec<_> = cluster.answer(name, kind).answers.into_iter().map(|r| r.data).collect();
    out.sort();
    out
}

#[test]
fn options_that_hide_names() {
    let all = ["web.shop.svc", "db.shop.svc", "first.db.shop.svc", "web.hidden.svc", "empty.svc"];
    for (options, codes) in [
        ("", ["NOERROR", "NOERROR", "NOERROR", "NOERROR", "NODATA"]),
        ("namespaces shop", ["NOERROR", "NOERROR", "NOERROR", "NXDOMAIN", "NXDOMAIN"]),
        ("namespace_labels dns=yes", ["NOERROR", "NOERROR", "NOERROR", "NXDOMAIN", "NXDOMAIN"]),
        ("labels team=a", ["NOERROR", "NXDOMAIN", "NXDOMAIN", "NXDOMAIN", "NODATA"]),
        ("noendpoints", ["NOERROR", "NXDOMAIN", "NXDOMAIN", "NOERROR", "NODATA"]),
        ("ignore empty_service", ["NOERROR", "NOERROR", "NOERROR", "NXDOMAIN", "NODATA"]),
    ] {
        let cluster = with(options, "");
        assert_eq!(all.map(|n| code(&cluster, n)), codes, "{options}");
    }
}

#[test]
fn reverse_names_follow_the_options() {
    let name = "8.0.96.10.in-addr.arpa.";
    assert_eq!(data(&with("", ""), name, RecordType::PTR), ["web.hidden.svc.cluster.local."]);
    assert_eq!(data(&with("namespaces shop", "forward . 1.1.1.1"), name, RecordType::PTR), [""; 0]);
    // Namespaces hidden by a label keep their reverse names.
    assert_eq!(data(&with("namespace_labels dns=yes", ""), name, RecordType::PTR).len(), 1);
    let endpoint = "2.0.244.10.in-addr.arpa.";
    assert_eq!(data(&with("", ""), endpoint, RecordType::PTR), ["10-244-0-2.db.shop.svc.cluster.local."]);
    assert_eq!(
        data(&with("endpoint_pod_names", ""), endpoint, RecordType::PTR),
        ["db-0.db.shop.svc.cluster.local."]
    );
    assert_eq!(data(&with("ptr_hostname_only", ""), endpoint, RecordType::PTR), [""; 0]);
    // The label of the slice decides, not that of its Service.
    let labelled = with("labels team=a", "");
    assert_eq!(data(&labelled, endpoint, RecordType::PTR), [""; 0]);
    assert_eq!(data(&labelled, "5.0.244.10.in-addr.arpa.", RecordType::PTR).len(), 1);
}

#[test]
fn pod_names_by_mode() {
    let known = "10-244-0-20.shop.pod";
    let other = "10-9-9-9.shop.pod";
    for (mode, codes) in [
        ("disabled", ["NXDOMAIN", "NXDOMAIN", "NXDOMAIN", "NXDOMAIN"]),
        ("insecure", ["NOERROR", "NOERROR", "NODATA", "NXDOMAIN"]),
        ("verified", ["NOERROR", "NXDOMAIN", "NODATA", "NXDOMAIN"]),
    ] {
        let cluster = with(&format!("pods {mode}"), "");
        assert_eq!([known, other, "shop.pod", "name.shop.pod"].map(|n| code(&cluster, n)), codes, "{mode}");
    }
    let data =
        |name: &str, kind| data(&with("pods insecure", ""), &format!("{name}.shop.pod.cluster.local"), kind);
    assert_eq!(data("fd00--1", RecordType::AAAA), ["fd00::1"]);
    assert_eq!(data("fd00--1", RecordType::A), [""; 0]);
}

/// CoreDNS lists pods by `status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown` (plugin/kubernetes
/// controller.go).
#[test]
fn pods_of_which_nothing_is_heard_are_not_verified() {
    let of_phase = |phase: &str| {
        let mut snapshot = world();
        let mut client = pod("shop", "client");
        client.ips = ["10.244.0.20".into()].into();
        client.phase = phase.into();
        snapshot.pods.insert("shop".into(), Arc::new(vec![Arc::new(client)]));
        let text = ". {\n kubernetes cluster.local {\n pods verified\n}\n}\n";
        let cluster = Cluster::with_server(&snapshot, Server::new(&Corefile::parse(text), &|_| None));
        code(&cluster, "10-244-0-20.shop.pod")
    };
    assert_eq!(["Running", "Pending", ""].map(of_phase), ["NOERROR"; 3]);
    assert_eq!(["Succeeded", "Failed", "Unknown"].map(of_phase), ["NXDOMAIN"; 3]);
}

/// As CoreDNS 1.14.7 answered.
#[test]
fn the_root_as_the_clusters_zone() {
    let text = ". {\n kubernetes . {\n pods insecure\n}\n}\n";
    let cluster = Cluster::with_server(&world(), Server::new(&Corefile::parse(text), &|_| None));
    assert_eq!(data(&cluster, "web.shop.svc.", RecordType::A), ["10.96.0.7"]);
    assert_eq!(data(&cluster, "_http._tcp.web.shop.svc.", RecordType::SRV), ["0 100 80 web.shop.svc."]);
    assert_eq!(
        data(&cluster, "db.shop.svc.", RecordType::SRV),
        ["0 50 5432 10-244-0-2.db.shop.svc.", "0 50 5432 first.db.shop.svc."]
    );
    assert_eq!(data(&cluster, "1-2-3-4.shop.pod.", RecordType::SRV), ["0 100 0 1-2-3-4.shop.pod."]);
    let zone = crate::model::dns::Zone::assumed(Name::root());
    assert_eq!(zone.service_name(&ObjectKey::new("shop", "web")), "web.shop.svc.");
    assert!(!cluster.answer("7.0.96.10.in-addr.arpa.", RecordType::PTR).is_determined());
    assert_eq!(cluster.answer("9.9.9.9.in-addr.arpa.", RecordType::PTR).rcode, Some(Rcode::NxDomain));
}

#[test]
fn zonal_names() {
    let plain = with("", "");
    assert_eq!(code(&plain, "a.pin._zone.db.shop.svc"), "NXDOMAIN");
    let zonal = with("zonal", "");
    let addresses = |name: &str| data(&zonal, &format!("{name}.db.shop.svc.cluster.local"), RecordType::A);
    assert_eq!(addresses("A.pin._zone"), ["10.244.0.1"]);
    assert_eq!(addresses("a.prefer._zone"), ["10.244.0.1"]);
    assert_eq!(addresses("c.prefer._zone").len(), 2);
    assert_eq!(code(&zonal, "c.pin._zone.db.shop.svc"), "NODATA");
    assert_eq!(code(&zonal, "a.else._zone.db.shop.svc"), "NXDOMAIN");
    assert_eq!(code(&zonal, "a.pin._zone.web.shop.svc"), "NXDOMAIN");
}

#[test]
fn name_servers_are_the_services_in_front_of_the_asked_pod() {
    let cluster = with("", "");
    let answer = cluster.answer("cluster.local", RecordType::NS);
    assert_eq!(answer.answers[0].data, "kube-dns.kube-system.svc.cluster.local.");
    assert_eq!(answer.additional[0].data, "10.96.0.10");
    assert_eq!(data(&cluster, "ns.dns.cluster.local", RecordType::A), ["10.96.0.10"]);
    // The plugin mixes lower case with the case of the question here, and does not look for the end of the name.
    assert_eq!(data(&cluster, "ns.dns.cluster.local.svc.cluster.local", RecordType::A), ["10.96.0.10"]);
    assert_eq!(cluster.answer("NS.DNS.CLUSTER.LOCAL", RecordType::A).rcode, Some(Rcode::NxDomain));
    assert_eq!(data(&cluster, "NS.dns.cluster.local", RecordType::A), ["10.96.0.10"]);
    assert_eq!(data(&cluster, "CLUSTER.LOCAL", RecordType::NS), [""; 0]);
    // With its own slices hidden the server only knows itself.
    let alone = with("labels team=a", "");
    assert_eq!(data(&alone, "cluster.local", RecordType::NS), ["ns.dns.cluster.local."]);
    assert_eq!(data(&alone, "ns.dns.cluster.local", RecordType::A), ["10.244.0.53"]);
    assert!(!alone.answer("ns.dns.cluster.local", RecordType::AAAA).is_determined());
}

#[test]
fn what_leaves_the_cluster_is_not_guessed() {
    let cluster = with("", "forward . 1.1.1.1");
    let outside = cluster.answer("example.com", RecordType::A);
    assert_eq!((outside.rcode, outside.open), (None, Some(Open::Outside("forward".into()))));
    let alias = cluster.answer("ext.shop.svc.cluster.local", RecordType::A);
    assert_eq!(alias.rcode, Some(Rcode::NoError));
    assert_eq!(alias.answers[0].data, "db.example.com.");
    assert_eq!(alias.open, Some(Open::Target("db.example.com.".into())));
    // Without anybody behind it the server fails, and that is certain.
    let alone = with("", "");
    assert_eq!(alone.answer("example.com", RecordType::A).rcode, Some(Rcode::ServFail));
    let nobody = Cluster::with_server(
        &world(),
        Server::new(&Corefile::parse("a.example {\n kubernetes\n}\n"), &|_| None),
    );
    assert_eq!(nobody.answer("b.example", RecordType::A).rcode, Some(Rcode::Refused));
}

#[test]
fn other_plugins_are_named_and_not_guessed() {
    let name = "web.shop.svc.cluster.local";
    for (plugins, plugin) in [
        ("acl {\n block\n}", "acl"),
        ("template IN A cluster.local {\n}", "template"),
        ("k8s_external cluster.local", "k8s_external"),
        ("some_new_plugin", "some_new_plugin"),
        ("rewrite name regex (.*)\\.shop\\.svc (.*) answer auto", "rewrite"),
        ("hosts /somewhere/else {\n fallthrough\n}", "hosts"),
    ] {
        let answer = with("", plugins).answer(name, RecordType::A);
        assert_eq!(answer.open, Some(Open::Plugin(plugin.into())), "{plugins}");
        assert_eq!(answer.rcode, None);
    }
    for plugins in
        ["template IN AAAA example.com {\n}", "rewrite name regex (.*)\\.example (.*)", "any", "dns64"]
    {
        assert_eq!(data(&with("", plugins), name, RecordType::A), ["10.96.0.7"], "{plugins}");
    }
    assert!(!with("", "dns64").answer(name, RecordType::AAAA).is_determined());
    let mail = with("", "template IN MX cluster.local {\n rcode NXDOMAIN\n}");
    assert!(!mail.answer(name, RecordType::ANY).is_determined());
    assert!(mail.answer(name, RecordType::TXT).is_determined());
    assert!(with("", "acl example.com {\n block\n}").answer(name, RecordType::A).is_determined());
    assert_eq!(with("", "any").answer(name, RecordType::ANY).answers[0].kind, RecordType::HINFO);
    assert!(!with("kubeconfig /x", "").answer(name, RecordType::A).is_determined());
}

#[test]
fn hosts_and_rewrites() {
    let hosts = "hosts {\n 10.9.9.9 db.shop.svc.cluster.local fixed.example\n fallthrough\n}";
    let cluster = with("", hosts);
    assert_eq!(data(&cluster, "db.shop.svc.cluster.local", RecordType::A), ["10.9.9.9"]);
    let other = cluster.answer("fixed.example", RecordType::AAAA);
    assert!(other.is_nodata() && other.authority.is_none());
    assert_eq!(data(&cluster, "9.9.9.10.in-addr.arpa", RecordType::PTR).len(), 2);
    assert_eq!(data(&cluster, "web.shop.svc.cluster.local", RecordType::A), ["10.96.0.7"]);
    // The file of the server's own pod holds its own name and address, and the local ones.
    assert!(!cluster.answer("53.0.244.10.in-addr.arpa", RecordType::PTR).is_determined());
    assert!(!cluster.answer("localhost", RecordType::A).is_determined());
    let strict = with("", "hosts {\n 10.9.9.9 fixed.example\n}");
    assert_eq!(strict.answer("web.shop.svc.cluster.local", RecordType::A).rcode, Some(Rcode::ServFail));

    let rewritten = with(
        "",
        "rewrite name suffix .legacy .shop.svc.cluster.local answer auto\nrewrite name exact old web.shop.svc.cluster.local",
    );
    let answer = rewritten.answer("WEB.legacy", RecordType::SRV);
    assert_eq!(answer.answers[0].name, "web.legacy.");
    assert_eq!(rewritten.answer("old", RecordType::A).answers[0].name, "old.");
    let plain = with("", "rewrite name suffix .legacy .shop.svc.cluster.local");
    assert_eq!(plain.answer("web.legacy", RecordType::A).answers[0].name, "web.shop.svc.cluster.local.");
}

#[test]
fn the_cache_sets_one_ttl() {
    let ttl = |options: &str, plugins: &str| {
        let cluster = with(options, plugins);
        let of = |name: &str, kind| cluster.answer(name, kind).answers[0].ttl;
        (of("web.shop.svc.cluster.local", RecordType::A), of("dns-version.cluster.local", RecordType::TXT))
    };
    assert_eq!(ttl("", ""), (5, 28800));
    assert_eq!(ttl("ttl 60", "cache 30"), (30, 30));
    assert_eq!(ttl("ttl 0", "cache"), (5, 3600));
    assert_eq!(ttl("ttl 0", ""), (0, 28800));
    let denied =
        with("ttl 3600", "cache {\n denial 1000 20\n}").answer("no.shop.svc.cluster.local", RecordType::A);
    assert_eq!(denied.authority.unwrap().ttl, 20);
    let soa = with("ttl 3600", "").answer("no.shop.svc.cluster.local", RecordType::A).authority.unwrap();
    assert_eq!(
        (soa.ttl, soa.data.as_str()),
        (300, "ns.dns.cluster.local. hostmaster.cluster.local. 0 7200 1800 86400 3600")
    );
}

/// As CoreDNS 1.14.7 answered anybody who asked: below the first name of the list, what is missing is looked for
/// below the others.
#[test]
fn autopath_with_a_file_leaves_what_is_missing_open() {
    let cluster = with("", "autopath cluster.local /etc/resolv.conf");
    assert_eq!(data(&cluster, "web.shop.svc.cluster.local", RecordType::A), ["10.96.0.7"]);
    assert!(cluster.answer("web.shop.svc.cluster.local", RecordType::AAAA).is_nodata());
    for missing in ["none.shop.svc.cluster.local", "shop.svc.cluster.local"] {
        let missing = cluster.answer(missing, RecordType::A);
        assert_eq!((missing.rcode, missing.open), (None, Some(Open::Plugin("autopath".into()))));
    }
    let other = cluster.answer("1.2.3.10.in-addr.arpa", RecordType::PTR);
    assert_eq!(other.rcode, Some(Rcode::ServFail));
}

#[test]
fn autopath_walks_for_pods_that_the_server_knows() {
    let cluster = with("pods verified", "autopath @kubernetes\nforward . 1.1.1.1");
    let client = cluster.snapshot.pod("shop", "client").unwrap().clone();
    let found = cluster.lookup(&client, Libc::Musl, "web.hidden");
    assert_eq!(found.addresses, ["10.96.0.8".parse::<IpAddr>().unwrap()]);
    assert_eq!(found.steps.len(), 1, "the server walks, not the pod");
    let missing = cluster.lookup(&client, Libc::Musl, "no.such");
    assert!(missing.open.unwrap().contains("autopath"));
    let plain = with("pods insecure", "autopath @kubernetes\nforward . 1.1.1.1");
    assert_eq!(plain.lookup(&client, Libc::Musl, "web.hidden").steps.len(), 2);
}

#[test]
fn what_may_not_be_read_is_said() {
    let server = || Server::kubeadm(&Name::parse("cluster.local").unwrap());
    let without = |kind| {
        let mut snapshot = world();
        let forbidden = Load::Forbidden { verb: "list".into(), message: "no".into() };
        set_load(&mut snapshot, kind, forbidden);
        if kind == Kind::Namespace {
            snapshot.namespaces = Arc::default();
        }
        Cluster::with_server(&snapshot, server())
    };
    let services = without(Kind::Service);
    assert_eq!(code(&services, "web.shop.svc"), "NOERROR");
    assert_eq!(code(&services, "other.shop.svc"), "open");
    assert!(!services.answer("1.1.1.1.in-addr.arpa", RecordType::PTR).is_determined());
    let slices = without(Kind::EndpointSlice);
    assert_eq!((code(&slices, "web.shop.svc"), code(&slices, "db.shop.svc")), ("NOERROR", "open"));
    let namespaces = without(Kind::Namespace);
    assert_eq!(
        ["shop.svc", "unseen.svc", "web.shop.svc"].map(|n| code(&namespaces, n)),
        ["NODATA", "open", "NOERROR"]
    );
    assert_eq!(code(&namespaces, "a.unseen.svc"), "NXDOMAIN");
}

#[test]
fn a_chain_of_aliases_inside_the_zone() {
    let mut snapshot = world();
    let alias = |n: usize| {
        let target = if n == 0 { "web.shop".to_owned() } else { format!("alias-{}.shop", n - 1) };
        facts(service("shop", &format!("alias-{n}")).external(&format!("{target}.svc.cluster.local")), vec![])
    };
    let mut services: Vec<_> =
        snapshot.services.iter().cloned().chain((0..14).map(|n| Arc::new(alias(n)))).collect();
    let own = service("shop", "self").external("self.shop.svc.cluster.local");
    services.push(Arc::new(facts(own, vec![])));
    services.sort_by(|a, b| a.key().cmp(b.key()));
    snapshot.services = Arc::new(services);
    let cluster = Cluster::with_server(&snapshot, Server::kubeadm(&Name::parse("cluster.local").unwrap()));
    let chain = cluster.answer("alias-3.shop.svc.cluster.local", RecordType::A).answers;
    assert_eq!(chain.len(), 5);
    assert_eq!((chain[0].kind, chain[4].data.as_str()), (RecordType::CNAME, "10.96.0.7"));
    assert_eq!(code(&cluster, "alias-12.shop.svc"), "NODATA");
    assert_eq!(code(&cluster, "self.shop.svc"), "NODATA");
    assert_eq!(
        data(&cluster, "self.shop.svc.cluster.local", RecordType::CNAME),
        ["self.shop.svc.cluster.local."]
    );
    let zone = cluster.zone();
    let of = ObjectKey::new("shop", "alias-1");
    let listed = crate::model::dns::service_records(snapshot.service(&of).unwrap(), &zone);
    assert_eq!(listed[0].data, "alias-0.shop.svc.cluster.local.");
}

proptest! {
    #[test]
    fn every_listed_record_is_answered(seed in 0_usize..3) {
        let options = ["pods verified", "pods insecure\nendpoint_pod_names", "labels team=a"][seed];
        let cluster = with(options, "");
        for record in cluster.records() {
            let answers = cluster.answer(&record.name, record.kind).answers;
            prop_assert!(answers.contains(&record), "{record} {answers:?}");
        }
    }

    #[test]
    fn any_name_is_answered_or_refused(name in "\\PC{0,40}|([a-z_*-]{0,12}\\.){0,40}|[\\x00-\\x7f]{0,300}", kind: u16) {
        let cluster = with("pods verified\nzonal", "autopath @kubernetes\nhosts\nrewrite name suffix .x .shop.svc.cluster.local");
        let client = cluster.snapshot.pod("shop", "client").unwrap().clone();
        for name in [name.clone(), format!("{name}.shop.svc.cluster.local"), format!("{name}.in-addr.arpa")] {
            let answer = cluster.answer(&name, RecordType(kind));
            prop_assert!(answer.rcode.is_some() || answer.open.is_some());
            let _ = cluster.answer(&name, RecordType::PTR);
            let _ = cluster.answer(&name, RecordType::SRV);
            let found = cluster.lookup(&client, Libc::Glibc, &name);
            let ends = [found.error.is_some(), found.open.is_some(), !found.addresses.is_empty()];
            prop_assert_eq!(ends.iter().filter(|e| **e).count(), 1);
        }
    }
}
