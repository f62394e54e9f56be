use super::*;
use crate::model::join::endpoint_rows;
use crate::model::samples::{endpoint, facts, pod, service, slice};
use crate::model::{ClusterSnapshot, EndpointSlice};

const DOMAIN: &str = "cluster.local";

fn texts(items: Vec<CopyItem>) -> Vec<(String, String)> {
    items.into_iter().map(|i| (i.label, i.text)).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

fn offered(service: Service, slices: Vec<EndpointSlice>, label: &str) -> Vec<String> {
    let items = of_service(&facts(service, slices), DOMAIN);
    items.into_iter().filter(|i| i.label.starts_with(label)).map(|i| i.text).collect()
}

#[test]
fn the_whole_menu_of_an_ordinary_service() {
    let mysql = service("shop", "mysql").with_ips(&["10.96.80.9"]).with_port("", 3306, "");
    assert_eq!(
        texts(of_service(&facts(mysql, vec![]), DOMAIN)),
        pairs(&[
            ("short name", "mysql"),
            ("name.namespace", "mysql.shop"),
            ("full name", "mysql.shop.svc.cluster.local"),
            ("full name, absolute", "mysql.shop.svc.cluster.local."),
            ("address:port", "10.96.80.9:3306"),
            ("connection string (MySQL)", "mysql://mysql.shop.svc.cluster.local:3306/"),
            ("environment", "export MYSQL_SERVICE_HOST=10.96.80.9 MYSQL_SERVICE_PORT=3306"),
            ("proxy path", "/api/v1/namespaces/shop/services/mysql/proxy/"),
            ("port-forward command", "kubectl port-forward svc/mysql -n shop 3306"),
        ])
    );
}

#[test]
fn several_ports_and_families_are_told_apart() {
    let mut web = service("shop", "web")
        .with_ips(&["10.96.0.1", "fd00::1"])
        .with_port("http", 80, "8080")
        .with_port("admin", 9000, "");
    web.ports[1].protocol = Protocol::Udp;
    let items = texts(of_service(&facts(web, vec![]), DOMAIN));
    assert_eq!(
        items[4..],
        pairs(&[
            ("address:port: http", "10.96.0.1:80"),
            ("address:port: admin", "10.96.0.1:9000"),
            ("address:port: http", "[fd00::1]:80"),
            ("address:port: admin", "[fd00::1]:9000"),
            ("URL (http, by port name): http", "http://web.shop.svc.cluster.local/"),
            ("SRV name: http", "_http._tcp.web.shop.svc.cluster.local"),
            ("SRV name: admin", "_admin._udp.web.shop.svc.cluster.local"),
            ("environment", "export WEB_SERVICE_HOST=10.96.0.1 WEB_SERVICE_PORT=80"),
            ("proxy path: http", "/api/v1/namespaces/shop/services/web:http/proxy/"),
            ("port-forward command: http", "kubectl port-forward svc/web -n shop 8080:80"),
        ])
    );
}

#[test]
fn behind_a_headless_name_one_dials_the_target_port() {
    let headless = |target| service("shop", "db").with_ips(&["None"]).with_port("pg", 5432, target);
    let sliced =
        |a, b| vec![slice("shop", "db", "a").with_port("pg", a), slice("shop", "db", "b").with_port("pg", b)];
    for (target, slices, text) in [
        ("", vec![], &["postgresql://db.shop.svc.cluster.local:5432/"][..]),
        ("6543", vec![], &["postgresql://db.shop.svc.cluster.local:6543/"]),
        ("pg", sliced(6543, 6543), &["postgresql://db.shop.svc.cluster.local:6543/"]),
        ("pg", sliced(6543, 5432), &[]),
        ("pg", vec![], &[]),
    ] {
        assert_eq!(offered(headless(target), slices, "connection"), text, "{target}");
    }
    // kubectl ignores the target port of a headless Service.
    assert_eq!(offered(headless(""), vec![], "port-forward"), ["kubectl port-forward svc/db -n shop 5432"]);
    assert_eq!(offered(headless("6543"), vec![], "port-forward"), [""; 0]);
    assert_eq!(offered(headless(""), vec![], "address"), [""; 0]);
    assert_eq!(offered(headless(""), vec![], "environment"), [""; 0]);
}

#[test]
fn an_external_name_has_names_only() {
    let items =
        texts(of_service(&facts(service("shop", "partner").external("api.example.com"), vec![]), DOMAIN));
    assert_eq!(items.len(), 5);
    assert_eq!(items[4], ("external name".to_owned(), "api.example.com".to_owned()));
}

#[test]
fn schemes_are_guessed_only_where_something_says_so() {
    let port = |name: &str, number, app: &str| {
        let mut port = service("a", "b").with_port(name, number, "").ports[0].clone();
        port.app_protocol = app.into();
        port
    };
    for (name, number, app, expected) in [
        ("", 80, "", Some(("http", "port number"))),
        ("", 443, "", Some(("https", "port number"))),
        ("", 8443, "", None),
        ("", 8080, "", None),
        ("http", 8080, "", Some(("http", "port name"))),
        ("http-admin", 9000, "", Some(("http", "port name"))),
        ("https", 6443, "", Some(("https", "port name"))),
        ("https-web", 80, "", Some(("https", "port name"))),
        ("httpd", 9000, "", None),
        ("http", 80, "https", Some(("https", "appProtocol"))),
        ("", 50051, "kubernetes.io/h2c", Some(("http", "appProtocol"))),
        ("", 1, "kubernetes.io/wss", Some(("https", "appProtocol"))),
        ("http", 80, "redis", None),
    ] {
        let guess = url_scheme(&port(name, number, app)).map(|g| (g.scheme, g.why));
        assert_eq!(guess, expected, "{name} {number} {app}");
    }
    for (name, number, app, expected) in [
        ("", 5432, "", Some("PostgreSQL")),
        ("", 3306, "", Some("MySQL")),
        ("", 6379, "", Some("Redis")),
        ("", 27017, "", Some("MongoDB")),
        ("", 5672, "", Some("AMQP")),
        ("", 4222, "", Some("NATS")),
        ("", 9092, "", Some("Kafka")),
        ("tcp-redis", 16379, "", Some("Redis")),
        ("", 1, "mysql", Some("MySQL")),
        ("mysql", 3306, "custom", None),
        ("", 1234, "", None),
    ] {
        let found = connection_scheme(&port(name, number, app)).map(|c| c.name);
        assert_eq!(found, expected, "{name} {number} {app}");
    }
    let kafka = service("shop", "kafka").with_port("", 9092, "");
    assert_eq!(offered(kafka, vec![], "connection"), ["kafka.shop.svc.cluster.local:9092"]);
}

#[test]
fn proxy_paths_take_the_port_as_the_api_server_reads_it() {
    for (name, number, path) in [
        ("", 80, "web"),
        ("", 443, "https:web:"),
        ("http", 80, "web:http"),
        ("https", 443, "https:web:https"),
        // All digits would be read as a number.
        ("8083", 90, "web:90"),
        ("a/b", 90, "web:a%2Fb"),
    ] {
        let web = service("prod", "web").with_port(name, number, "");
        let expected = format!("/api/v1/namespaces/prod/services/{path}/proxy/");
        assert_eq!(service_proxy_path(&web, &web.ports[0]), expected);
    }
}

#[test]
fn environment_lines_are_as_the_kubelet_names_them() {
    let line = |name: &str, ips: &[&str]| env_line(&service("a", name).with_ips(ips).with_port("", 80, ""));
    let line_of = |text: &str| Some(text.to_owned());
    assert_eq!(
        line("my-app", &["10.0.0.1"]),
        line_of("export MY_APP_SERVICE_HOST=10.0.0.1 MY_APP_SERVICE_PORT=80")
    );
    assert_eq!(line("x", &["2001:DB8::1"]), line_of("export X_SERVICE_HOST=2001:DB8::1 X_SERVICE_PORT=80"));
    assert_eq!(line("1-svc", &["10.0.0.1"]), None, "no shell can export it");
    assert_eq!(line("x", &["None"]), None);
    assert_eq!(line("x", &[]), None);
    assert_eq!(line("x;reboot", &["10.0.0.1"]), None);
}

#[test]
fn shell_words() {
    for (text, quoted) in [
        ("web", "web"),
        ("app=web,tier=x", "app=web,tier=x"),
        ("", "''"),
        ("a b", "'a b'"),
        ("$(reboot)", "'$(reboot)'"),
        ("it's", r"'it'\''s'"),
        ("-n", "'-n'"),
        ("~root", "'~root'"),
        ("a\nb", "'a\nb'"),
        ("数", "'数'"),
    ] {
        assert_eq!(shell_quote(text), quoted);
    }
    let odd = service("a b", "x;reboot").with_port("", 8080, "");
    assert_eq!(offered(odd, vec![], "port-forward"), ["kubectl port-forward 'svc/x;reboot' -n 'a b' 8080"]);
}

#[test]
fn a_pod_and_an_endpoint() {
    let mut db = pod("shop", "db-0").declaring("pg", 5432);
    db.hostname = Some("db-0".into());
    std::sync::Arc::make_mut(&mut db.spec).subdomain = "db".into();
    assert_eq!(
        texts(of_pod(&db, DOMAIN)),
        pairs(&[
            ("name", "db-0"),
            ("namespace/name", "shop/db-0"),
            ("address", "10.244.1.7"),
            ("full name", "db-0.db.shop.svc.cluster.local"),
            ("address:port, pg (5432/TCP)", "10.244.1.7:5432"),
            ("port-forward command, pg (5432/TCP)", "kubectl port-forward pod/db-0 -n shop 5432"),
            ("proxy path, pg (5432/TCP)", "/api/v1/namespaces/shop/pods/db-0:5432/proxy/"),
            ("node", "node-1"),
            ("shell command", "kubectl exec -it db-0 -n shop -c main -- sh"),
            ("log command", "kubectl logs db-0 -n shop -c main -f"),
        ])
    );

    let mut behind = endpoint("fd00::7").of("shop", "db-0").on("node-1");
    behind.hostname = Some("db-0".into());
    let headless = service("shop", "db").with_ips(&["None"]);
    let facts = facts(headless, vec![slice("shop", "db", "a").v6().with_port("pg", 443).with(behind)]);
    let rows = endpoint_rows(&facts, &ClusterSnapshot::default());
    assert_eq!(
        texts(of_endpoint(&rows[0], &facts.service, DOMAIN)),
        pairs(&[
            ("address", "fd00::7"),
            ("address:port, pg", "[fd00::7]:443"),
            ("full name", "db-0.db.shop.svc.cluster.local"),
            ("pod", "db-0"),
            ("port-forward command, 443", "kubectl port-forward pod/db-0 -n shop 8443:443"),
            ("shell command", "kubectl exec -it db-0 -n shop -- sh"),
            ("node", "node-1"),
        ])
    );
}
