//! Records that a Service does not have: another type, another port, another endpoint.

use super::case::a_finding;
use crate::model::{Finding, Kind, ServiceFacts, ServiceType, Severity};

/// It has no record of that type.
pub(super) fn no_type(facts: &ServiceFacts, name: &str, kinds: &str) -> Finding {
    let service = &facts.service;
    let families: Vec<&str> =
        service.addresses().map(|a| if a.contains(':') { "AAAA" } else { "A" }).collect();
    let has = match () {
        () if service.kind == ServiceType::ExternalName => "CNAME alone".to_owned(),
        () if !families.is_empty() => families.join(" and "),
        () => "other records".to_owned(),
    };
    let message = format!("{name} exists, but has no {kinds} record: it has {has}");
    Finding {
        evidence: vec!["the answer is NODATA: NOERROR without a record".to_owned()],
        advice: format!("ask for {has}"),
        ..a_finding("no-such-record-type", Severity::Error, (Kind::Service, facts.key().clone()), message)
    }
}

/// It has no port of that name.
pub(super) fn no_port(facts: &ServiceFacts, port: &str, protocol: &str) -> Finding {
    let ports: Vec<String> = facts
        .service
        .ports
        .iter()
        .filter(|p| !p.name.is_empty())
        .map(|p| format!("_{}._{}", p.name, p.protocol.as_str().to_ascii_lowercase()))
        .collect();
    let message = format!("Service {} has no port for {port}.{protocol}", facts.key());
    let (evidence, advice) = if ports.is_empty() {
        (
            "none of its ports has a name, so none has such a record".to_owned(),
            "give the port a name".to_owned(),
        )
    } else {
        (format!("it has {}", ports.join(", ")), format!("ask for {}", ports.join(" or ")))
    };
    let finding =
        a_finding("port-name-not-found", Severity::Error, (Kind::Service, facts.key().clone()), message);
    Finding { evidence: vec![evidence], advice, ..finding }
}

/// It has no endpoint of that name.
pub(super) fn no_endpoint(facts: &ServiceFacts, endpoint: &str) -> Finding {
    let names: Vec<String> = facts
        .slices
        .iter()
        .flat_map(|s| &s.endpoints)
        .filter(|e| e.is_ready())
        .filter_map(|e| e.hostname.as_ref().map(ToString::to_string))
        .take(5)
        .collect();
    let message = format!("Service {} has no ready endpoint called {endpoint}", facts.key());
    let evidence = match names.len() {
        0 => {
            vec!["no ready endpoint has a host name: they are called by their address with dashes".to_owned()]
        }
        _ => vec![format!("ready endpoints with a name: {}", names.join(", "))],
    };
    let advice = format!(
        "look at its endpoints: `kdisco endpoints {} -n {}`",
        facts.key().name,
        facts.key().namespace
    );
    let finding =
        a_finding("endpoint-not-found", Severity::Error, (Kind::Service, facts.key().clone()), message);
    Finding { evidence, advice, ..finding }
}
