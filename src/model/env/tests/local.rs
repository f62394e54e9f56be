//! Environments for programs on this computer.

use super::*;
use crate::model::env::local::{Forward, Local, rewrite};

fn forward(service: &str, port: u16, local_port: u16) -> Forward {
    Forward { service: key(service), port, host: "127.0.0.1".into(), local_port }
}

fn world() -> ClusterSnapshot {
    let mysql = Service { ports: [port("", 3306)].into(), ..service("mysql", "10.0.0.1", -100) };
    let web =
        Service { ports: [port("http", 80), port("admin", 81)].into(), ..service("web", "10.0.0.2", -100) };
    let far = Service { ports: [port("", 6379)].into(), ..service("b/redis", "10.0.0.3", -100) };
    let six = Service { ports: [port("", 80)].into(), ..service("six", "fd00::1", -100) };
    snapshot(vec![mysql, web, far, six])
}

fn values(env: &[(&str, &str)], forwards: &[Forward]) -> Local {
    let env = env.iter().map(|(name, value)| (*name, literal(value))).collect();
    let (snapshot, pod) = (world(), pod(container(env)));
    rewrite(&predicted(&snapshot, &pod), &snapshot, "cluster.local", forwards)
}

#[test]
fn service_variables_lead_to_the_forwards() {
    let local = values(&[], &[forward("mysql", 3306, 13306), forward("web", 81, 8081)]);
    for (name, value) in [
        ("MYSQL_SERVICE_HOST", "127.0.0.1"),
        ("MYSQL_SERVICE_PORT", "13306"),
        ("MYSQL_PORT", "tcp://127.0.0.1:13306"),
        ("MYSQL_PORT_3306_TCP", "tcp://127.0.0.1:13306"),
        ("MYSQL_PORT_3306_TCP_PORT", "13306"),
        ("MYSQL_PORT_3306_TCP_ADDR", "127.0.0.1"),
        ("WEB_SERVICE_HOST", "127.0.0.1"),
        ("WEB_SERVICE_PORT_ADMIN", "8081"),
    ] {
        assert_eq!(local.values.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!local.values.contains_key("MYSQL_PORT_3306_TCP_PROTO"));
    assert!(!local.values.contains_key("WEB_SERVICE_PORT"), "port 80 has no forward");
    let told: Vec<_> = local.unmapped.iter().map(|u| (u.service.to_string(), u.port)).collect();
    assert_eq!(told, [("a/six".to_owned(), Some(80)), ("a/web".to_owned(), Some(80))]);
    assert!(local.unmapped[1].variables.iter().any(|name| &**name == "WEB_PORT_80_TCP"));
}

#[test]
fn hosts_in_other_values_are_found_and_other_words_are_left_alone() {
    let forwards = [forward("mysql", 3306, 13306), forward("web", 80, 8080), forward("b/redis", 6379, 16379)];
    for (value, wanted) in [
        ("mysql:3306", Some("127.0.0.1:13306")),
        ("mysql://root:1234@mysql:3306/db?x=mysql", Some("mysql://root:1234@127.0.0.1:13306/db?x=mysql")),
        ("mysql://mysql:pw@mysql/db", Some("mysql://mysql:pw@127.0.0.1:13306/db")),
        ("mysql://mysql:3306@mysql.a/db", Some("mysql://mysql:3306@127.0.0.1:13306/db")),
        ("http://web/path", Some("http://127.0.0.1:8080/path")),
        ("http://WEB.a.svc.cluster.local./", Some("http://127.0.0.1:8080/")),
        ("redis://redis.b.svc", Some("redis://127.0.0.1:16379")),
        ("10.0.0.2:80,mysql:3306", Some("127.0.0.1:8080,127.0.0.1:13306")),
        ("mysql.a", Some("127.0.0.1")),
        ("the web is wide", None),
        ("my-mysql:3306", None),
        ("mysql.example.com:3306", None),
        ("mysql.a.svc.other.domain:3306", None),
        ("redis:6379", None),
        ("web:99999", None),
        ("", None),
    ] {
        let local = values(&[("X", value)], &forwards);
        assert_eq!(local.values.get("X").map(String::as_str), wanted, "{value}");
    }
}

#[test]
fn what_has_no_forward_is_told_with_its_port() {
    let local = values(
        &[("A", "http://web:81/"), ("B", "http://[fd00::1]/"), ("C_HOST", "mysql"), ("D", "https://web")],
        &[forward("web", 80, 80)],
    );
    let told = |name: &str| {
        let found = local.unmapped.iter().filter(|u| u.variables.iter().any(|v| &**v == name));
        found.map(|u| (u.service.to_string(), u.port)).collect::<Vec<_>>()
    };
    assert_eq!(told("A"), [("a/web".to_owned(), Some(81))]);
    assert_eq!(told("B"), [("a/six".to_owned(), Some(80))]);
    assert_eq!(told("C_HOST"), [("a/mysql".to_owned(), None)]);
    assert_eq!(told("D"), [("a/web".to_owned(), Some(443))]);
    assert!(!local.values.contains_key("A"));
}

#[test]
fn a_port_beside_a_host_goes_with_it() {
    let forwards = [forward("mysql", 3306, 13306)];
    let local = values(&[("DB_HOST", "mysql"), ("DB_PORT", "3306"), ("OTHER_PORT", "3306")], &forwards);
    assert_eq!(local.values["DB_HOST"], "127.0.0.1");
    assert_eq!(local.values["DB_PORT"], "13306");
    assert!(!local.values.contains_key("OTHER_PORT"));
    assert!(local.ports_to_tell.is_empty());
    let local = values(&[("DB", "mysql")], &forwards);
    assert_eq!(local.ports_to_tell, [("DB".into(), 13306)]);
}
