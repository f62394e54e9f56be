//! ExternalName Services: names that cannot work, and names of the cluster that do not exist.

use std::net::IpAddr;

use super::super::{Finding, Kind, ObjectKey, Severity};
use super::{Case, is_known};

const MISSING: &str = "external-name-target-missing";

/// Whether an external name can be told to fail by itself.
pub(super) fn cannot_work(name: &str) -> bool {
    name.is_empty() || is_address(name)
}

/// The API takes IPv4 addresses, as they look like names.
fn is_address(name: &str) -> bool {
    name.strip_suffix('.').unwrap_or(name).parse::<IpAddr>().is_ok()
}

pub(super) fn check(case: &Case<'_>, domain: &str, findings: &mut Vec<Finding>) {
    let (key, name) = (&case.service.key, &*case.service.external_name);
    if name.is_empty() {
        findings.push(Finding {
            advice: "set spec.externalName".to_owned(),
            ..case.finding(MISSING, Severity::Error, format!("{key} is an ExternalName without a name"))
        });
    } else if is_address(name) {
        findings.push(Finding {
            evidence: vec![format!("spec.externalName is {name}")],
            advice: "use a Service without selector and an EndpointSlice that lists the address".to_owned(),
            ..case.finding(
                "external-name-is-ip",
                Severity::Error,
                format!(
                    "the external name of {key} is an address, and a CNAME cannot be one: it does not resolve"
                ),
            )
        });
    } else {
        findings.extend(in_cluster(case, name, domain));
    }
}

/// What is wrong with a target inside the cluster; `None` for one outside, or where it cannot be known.
fn in_cluster(case: &Case<'_>, name: &str, domain: &str) -> Option<Finding> {
    let key = &case.service.key;
    let lower = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if lower.rsplit('.').next() == Some("svc") {
        // A CNAME's target is absolute: no search list is applied to it, and there is no top-level domain `svc`.
        return Some(Finding {
            evidence: vec![format!("spec.externalName is {name}; the target of a CNAME is always absolute")],
            advice: format!("write it with the cluster domain: {lower}.{domain}"),
            ..case.finding(
                MISSING,
                Severity::Error,
                format!("the external name of {key} ends in `svc`, without the cluster domain: it does not resolve"),
            )
        });
    }
    let inside = lower.strip_suffix(&domain.to_ascii_lowercase())?.strip_suffix('.')?;
    let labels: Vec<&str> = inside.split('.').collect();
    let [.., service, namespace, "svc"] = labels[..] else { return None };
    let target = ObjectKey::new(namespace, service);
    if target == *key {
        return Some(Finding {
            evidence: vec![format!("spec.externalName is {name}")],
            advice: "name another Service, or one outside".to_owned(),
            ..case.finding(
                MISSING,
                Severity::Error,
                format!("the external name of {key} is its own: it does not resolve"),
            )
        });
    }
    let known = case.snapshot.load(Kind::Service, namespace).is_some_and(is_known);
    if !known || case.snapshot.service(&target).is_some() {
        return None;
    }
    let same_name = case.snapshot.services.iter().map(|f| f.key()).filter(|k| *k.name == *service);
    let mut evidence = vec![format!("spec.externalName is {name}"), format!("there is no Service {target}")];
    evidence.extend(same_name.take(3).map(|k| format!("there is a Service {k}")));
    Some(Finding {
        evidence,
        advice: format!("create the Service {target}, or correct the name"),
        ..case.finding(
            MISSING,
            Severity::Error,
            format!("the external name of {key} is a name of this cluster that does not exist: it does not resolve"),
        )
    })
}
