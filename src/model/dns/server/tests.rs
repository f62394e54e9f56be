//! Corefiles of every kind and what they mean.

use super::*;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn server(text: &str) -> Server {
    Server::new(&Corefile::parse(text), &|_| None)
}

#[test]
fn kubeadms_corefile() {
    let s = Server::kubeadm(&name("k8s.corp.net"));
    assert_eq!(s.oddities, [""; 0]);
    let k = s.block(&name("a.b.svc.k8s.corp.net")).unwrap().kubernetes.as_ref().unwrap();
    assert_eq!((k.ttl, k.pods), (30, PodMode::Insecure));
    assert_eq!(k.primary_zone(), Some(&name("k8s.corp.net")));
    assert!(k.falls_through(&name("1.0.0.10.in-addr.arpa")));
    assert!(!k.falls_through(&name("a.k8s.corp.net")));
    let cache = s.blocks[0].cache.as_ref().unwrap();
    assert_eq!((cache.shown(28800, true), cache.shown(0, true), cache.shown(30, false)), (30, 5, 30));
}

#[test]
fn the_longest_zone_is_responsible_and_other_ports_and_transports_are_not() {
    let s = server(
        ".:53 {\n kubernetes\n}\ntls://.:853 {\n whoami\n}\nx.example:1053 {\n whoami\n}\na.example b.a.example:53 {\n erratic\n}\n",
    );
    assert_eq!(s.blocks.len(), 2);
    assert!(s.block(&name("c.b.a.example")).unwrap().kubernetes.is_none());
    assert!(s.block(&name("x.example")).unwrap().kubernetes.is_some());
    assert!(server("a.example {\n}\n").block(&name("b.example")).is_none());
    assert_eq!(server(".:1053 {\n whoami\n}\n").blocks.len(), 1);
}

#[test]
fn every_option_of_the_kubernetes_plugin() {
    let s = server(
        ". {\n kubernetes a.local 10.96.0.0/16 {\n pods verified\n ttl 0\n endpoint_pod_names\n namespaces x y\n labels app in (a, b)\n\
         noendpoints\n ignore empty_service\n fallthrough\n zonal\n ptr_hostname_only\n surprise\n }\n}\n",
    );
    let k = s.blocks[0].kubernetes.as_ref().unwrap();
    assert_eq!(k.zones, [name("a.local"), name("96.10.in-addr.arpa")]);
    assert_eq!((k.pods, k.ttl, k.endpoint_pod_names, k.endpoints), (PodMode::Verified, 0, true, false));
    assert!(k.ignore_empty_service && k.zonal && k.ptr_hostname_only && k.labels.is_some());
    assert!(k.exposes("x") && !k.exposes("z") && k.falls_through(&name("any.where")));
    assert_eq!(s.oddities.len(), 1);
}

#[test]
fn plugins_that_are_not_understood_are_kept_by_name() {
    let s = server(
        ". {\n kubernetes\n k8s_gateway x\n template IN A a.example {\n }\n forward . 1.1.1.1\n file db b.example\n}\n",
    );
    let names: Vec<_> = s.blocks[0].before.iter().map(|o| &*o.plugin).collect();
    assert_eq!(names, ["k8s_gateway", "template"]);
    assert_eq!(s.blocks[0].before[1].zones, [name("a.example")]);
    assert_eq!(s.blocks[0].behind[1].zones, [name("b.example")]);
}

#[test]
fn hosts_with_inline_entries_and_with_a_file_of_the_config_map() {
    let text =
        ". {\n hosts /etc/coredns/NodeHosts {\n ttl 60\n 10.0.0.1 a.example B.example\n fallthrough\n}\n}\n";
    let s = Server::new(&Corefile::parse(text), &|path| {
        path.ends_with("NodeHosts").then(|| "10.0.0.2 node-1\n".into())
    });
    let hosts = s.blocks[0].hosts.as_ref().unwrap();
    assert_eq!((hosts.ttl, &hosts.file), (60, &HostsFile::Known));
    assert_eq!(hosts.entries.keys().collect::<Vec<_>>(), ["a.example.", "b.example.", "node-1."]);
    let unknown = server(". {\n hosts /somewhere x.example {\n no_reverse\n}\n}\n");
    let hosts = unknown.blocks[0].hosts.as_ref().unwrap();
    assert!(hosts.covers(&name("a.x.example")) && !hosts.covers(&name("a.example")) && !hosts.reverse);
}

#[test]
fn rewrite_rules() {
    let s = server(
        ". {\n rewrite name exact a.example b.example\n rewrite continue name suffix .c.example .d.example answer auto\n\
         rewrite {\n name regex (.*)\\.e\\.example {1}.f.example\n answer auto\n}\n rewrite edns0 local set 0xffee 0x1\n rewrite type ANY HINFO\n}\n",
    );
    let rules = &s.blocks[0].rewrites;
    assert_eq!(rules[0].rule, RewriteRule::Exact { from: name("a.example"), to: name("b.example") });
    assert!(rules[1].goes_on);
    assert!(
        matches!(&rules[1].rule, RewriteRule::Suffix { from, restores: true, .. } if from == ".c.example.")
    );
    assert!(
        matches!(&rules[2].rule, RewriteRule::Opaque { contains, kind: None } if contains == ".e.example")
    );
    assert_eq!(rules[3].rule, RewriteRule::Neutral);
    assert!(matches!(&rules[4].rule, RewriteRule::Opaque { kind: Some(RecordType::ANY), .. }));
}
