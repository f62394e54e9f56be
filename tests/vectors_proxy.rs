//! The rules of `kubectl proxy` and of the API server's proxy paths, from the vectors.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/world.rs"]
mod world;

use kdisco::model::copy::service_proxy_path;
use kdisco::session::proxy::filter::{Filter, FilterSpec, host_of};
use kdisco::session::proxy::{Path, Route, Routes};
use serde_json::Value;

fn cases(kind: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("vectors/proxy.json")).unwrap();
    let of = all["cases"].as_array().unwrap().iter().filter(|case| case["kind"] == kind).cloned().collect();
    let of: Vec<Value> = of;
    assert!(!of.is_empty(), "no case of {kind}");
    of
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn filter(flags: &Value) -> Option<Filter> {
    let usual = FilterSpec::default();
    let flag = |name: &str, usual: String| flags[name].as_str().map_or(usual, str::to_owned);
    let spec = FilterSpec {
        accept_paths: flag("accept_paths", usual.accept_paths),
        reject_paths: flag("reject_paths", usual.reject_paths),
        accept_hosts: flag("accept_hosts", usual.accept_hosts),
        reject_methods: flag("reject_methods", usual.reject_methods),
    };
    (flags["disable_filter"] != true).then(|| Filter::new(&spec).unwrap())
}

#[test]
fn the_filter_accepts_what_kubectl_accepts() {
    let mut wrong = Vec::new();
    for case in cases("filter") {
        let (request, http) = (&case["request"], case["level"] == "http");
        let (method, host) = (text(&request["method"]), text(&request["host"]));
        let accepted = match filter(&case["flags"]) {
            None => true,
            Some(filter) if http => {
                let path = text(&request["path"]).split('?').next().unwrap();
                let path = Path::parse(path.as_bytes()).unwrap();
                let Route::Api(path) = Routes::new("/", None).unwrap().of(path, None, false) else {
                    panic!("{case}");
                };
                filter.accepts(method, &path.text(), host_of(host))
            }
            Some(filter) => filter.accepts(method, text(&request["path"]), host),
        };
        if Some(accepted) != case["expect"]["accept"].as_bool() {
            wrong.push(case["id"].clone());
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn the_defaults_are_kubectls() {
    let all: Value = serde_json::from_str(include_str!("vectors/proxy.json")).unwrap();
    let (defaults, ours) = (&all["defaults"], FilterSpec::default());
    for (name, ours) in [
        ("accept_paths", &ours.accept_paths),
        ("reject_paths", &ours.reject_paths),
        ("accept_hosts", &ours.accept_hosts),
        ("reject_methods", &ours.reject_methods),
    ] {
        assert_eq!(defaults[name], ours.as_str(), "{name}");
    }
}

#[test]
fn prefixes_are_kubectls() {
    for case in cases("prefix") {
        let routes = Routes::new(text(&case["api_prefix"]), None).unwrap();
        let path = Path::parse(text(&case["request_path"]).as_bytes()).unwrap();
        let before = match case["append_server_path"].as_bool() {
            Some(true) => format!("{}/", text(&case["server_url_path"])),
            _ => String::new(),
        };
        let onward = match routes.of(path, None, false) {
            Route::Api(path) => Some(path.behind(&before)),
            Route::NotFound => None,
            other => panic!("{case}: {other:?}"),
        };
        assert_eq!(onward.as_deref(), case["expect"]["upstream_path"].as_str(), "{case}");
        assert_eq!(onward.is_none(), case["expect"]["status"] == 404, "{case}");
    }
}

/// Every port's path is one that the vectors lead to that very port.
#[test]
fn service_proxy_paths_lead_to_the_port_that_is_meant() {
    let mut checked = 0;
    for case in cases("service_proxy").iter().filter(|case| case["expect"]["backend_port"].is_number()) {
        let wanted = &case["expect"];
        let behind =
            case["endpoints"].as_array().unwrap().iter().find(|e| e["port"] == wanted["backend_port"]);
        let name = behind.unwrap()["name"].as_str().unwrap_or_default();
        let ports: Vec<String> = case["servicePorts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|port| format!("{}:{}", port["name"].as_str().unwrap_or_default(), port["port"]))
            .collect();
        let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
        let service = world::service(text(&case["namespace"]), "web", &["10.96.0.9"], &ports, world::DAY);
        let mut port = service.ports.iter().find(|port| *port.name == *name).unwrap().clone();
        if wanted["scheme"] == "https" {
            port.app_protocol = "https".into();
        }
        // A number is the same port as its name, which is what is written.
        let identifier = text(&case["identifier"]);
        if identifier.rsplit(':').next().unwrap().parse::<u16>().is_ok() {
            continue;
        }
        assert_eq!(service_proxy_path(&service, &port), text(&case["url"]), "{case}");
        checked += 1;
    }
    assert!(checked >= 3, "{checked}");
}
