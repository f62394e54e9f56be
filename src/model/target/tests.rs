//! kubectl's forms, and the errors that it has for others.

use super::*;
use crate::model::samples::{pod, service};

fn port(text: &str) -> Result<PortWish, String> {
    PortWish::parse(text).map_err(|error| error.to_string())
}

#[test]
fn ports_as_kubectl_takes_them() {
    use LocalPort::{Any, Fixed, Same};
    let number = |local, remote| Ok(PortWish { local, remote: RemotePort::Number(remote) });
    let name = |local, remote: &str| Ok(PortWish { local, remote: RemotePort::Name(remote.into()) });
    assert_eq!(port("80"), number(Same, 80));
    assert_eq!(port("8080:80"), number(Fixed(8080), 80));
    assert_eq!(port(":80"), number(Any, 80));
    assert_eq!(port("0:80"), number(Any, 80));
    assert_eq!(port("http"), name(Same, "http"));
    assert_eq!(port("8080:http"), name(Fixed(8080), "http"));
    for text in ["80", "8080:80", ":80", "http", "8080:http", ":http"] {
        assert_eq!(port(text).unwrap().to_string(), text);
    }
}

#[test]
fn ports_that_kubectl_refuses() {
    for (text, why) in [
        ("28015:", "error parsing remote port '': invalid syntax"),
        ("1:2:3", "invalid port format '1:2:3'"),
        ("80:0", "remote port must be > 0"),
        ("0", "remote port must be > 0"),
        ("70000", "error parsing remote port '70000': value out of range"),
        ("70000:80", "error parsing local port '70000': value out of range"),
        ("web:80", "error parsing local port 'web': invalid syntax"),
        ("-1:80", "error parsing local port '-1': invalid syntax"),
        ("80:a b", "error parsing remote port 'a b': invalid syntax"),
    ] {
        assert_eq!(port(text).unwrap_err(), why, "{text}");
    }
}

#[test]
fn targets_and_several_of_them() {
    let all = |line: &str| {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        arguments(&words, "shop").map(|all| {
            let one = |(target, ports): (Target, Vec<PortWish>)| {
                let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
                format!("{} {target} {}", target.namespace, ports.join(","))
            };
            all.into_iter().map(one).collect::<Vec<_>>()
        })
    };
    assert_eq!(all("web-0 80 8443:443").unwrap(), ["shop pod/web-0 80,8443:443"]);
    assert_eq!(
        all("services/web :80 deployment.apps/api billing/sts/db http").unwrap(),
        ["shop svc/web :80", "shop deploy/api ", "billing sts/db http"]
    );
    assert_eq!(all("cm/web 80").unwrap_err(), WishError::NoSuchType("cm".into()));
    assert_eq!(all("deploy.batch/web 80").unwrap_err(), WishError::NoSuchType("deploy.batch".into()));
    assert_eq!(all("svc/ 80").unwrap_err(), WishError::NoTarget("svc/".into()));
}

#[test]
fn a_services_port_becomes_the_pods() {
    let mut pod = pod("default", "web-0").declaring("http", 8080);
    let web = service("default", "web").with_port("http", 80, "http").with_port("plain", 81, "8081");
    let through = |service: &Service, remote: RemotePort| {
        service_port(service, &remote).and_then(|port| pod_port_of_service(service, port, &pod))
    };
    assert_eq!(through(&web, RemotePort::Number(80)), Ok(8080));
    assert_eq!(through(&web, RemotePort::Name("plain".into())), Ok(8081));
    let error = |remote| through(&web, remote).unwrap_err().to_string();
    assert_eq!(error(RemotePort::Number(82)), "Service web does not have a service port 82");
    assert_eq!(error(RemotePort::Name("x".into())), "Service 'web' does not have a named port 'x'");
    let mut headless = web.clone();
    headless.cluster_ip = "None".into();
    assert_eq!(through(&headless, RemotePort::Number(80)), Ok(80));
    let named = service("default", "web").with_port("a", 80, "admin");
    assert_eq!(
        through(&named, RemotePort::Number(80)).unwrap_err().to_string(),
        "Pod 'web-0' does not have a named port 'admin'"
    );
    assert_eq!(
        pod_port(&pod, &RemotePort::Number(9999)),
        Ok(9999),
        "pods may have ports they do not declare"
    );
    pod = super::super::samples::pod("default", "dns").declaring("dns", 53);
    assert_eq!(pod_port(&pod, &RemotePort::Name("dns".into())), Ok(53));
}

#[test]
fn udp_alone_is_refused() {
    let mut dns =
        service("kube-system", "kube-dns").with_port("dns", 53, "53").with_port("dns-tcp", 53, "53");
    dns.ports[0].protocol = Protocol::Udp;
    assert_eq!(&*service_port(&dns, &RemotePort::Number(53)).unwrap().name, "dns-tcp");
    assert_eq!(
        service_port(&dns, &RemotePort::Name("dns".into())).unwrap_err().to_string(),
        "UDP protocol is not supported for dns"
    );
    assert_eq!(all_ports(&dns), [PortWish::number(53)]);
}
