//! Discovery: what kinds there are, for clients that ask before they act.

use super::body::{Answer, json};
use super::status::Refusal;
use crate::demo::resource::{ALL, GROUPS, Resource};
use hyper::StatusCode;
use serde_json::{Value, json as object};

/// The version that the demo claims to be.
const VERSION: &str = "v1.34.4";

/// `/version`.
pub(super) fn version() -> Answer {
    json(
        StatusCode::OK,
        &object!({
            "major": "1",
            "minor": "34",
            "emulationMajor": "1",
            "emulationMinor": "34",
            "minCompatibilityMajor": "1",
            "minCompatibilityMinor": "33",
            "gitVersion": VERSION,
            "gitCommit": "",
            "gitTreeState": "clean",
            "buildDate": "2026-02-10T12:00:00Z",
            "goVersion": "go1.24.12",
            "compiler": "gc",
            "platform": "linux/amd64",
        }),
    )
}

/// `/api`.
pub(super) fn core_versions(server: &str) -> Answer {
    json(
        StatusCode::OK,
        &object!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server}],
        }),
    )
}

/// `/apis`.
pub(super) fn groups() -> Answer {
    let groups: Vec<Value> = GROUPS.iter().map(|name| group(name)).collect();
    json(StatusCode::OK, &object!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
}

/// `/apis/GROUP`.
pub(super) fn one_group(name: &str) -> Result<Answer, Refusal> {
    if !GROUPS.contains(&name) {
        return Err(Refusal::no_such_kind());
    }
    let mut one = object!({"kind": "APIGroup", "apiVersion": "v1"});
    if let (Some(one), Value::Object(group)) = (one.as_object_mut(), group(name)) {
        one.extend(group);
    }
    Ok(json(StatusCode::OK, &one))
}

fn group(name: &str) -> Value {
    let version = object!({"groupVersion": format!("{name}/v1"), "version": "v1"});
    object!({"name": name, "versions": [version.clone()], "preferredVersion": version})
}

/// `/api/v1` or `/apis/GROUP/v1`.
pub(super) fn resources(group: &str) -> Result<Answer, Refusal> {
    let mut list: Vec<Value> =
        ALL.into_iter().filter(|one| one.info().group == group).flat_map(entries).collect();
    if group == "authorization.k8s.io" {
        list.extend(["SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview"].map(
            |kind| {
                let name = kind.to_lowercase();
                object!({
                    "name": format!("{name}s"), "singularName": name, "namespaced": false, "kind": kind,
                    "verbs": ["create"],
                })
            },
        ));
    }
    if list.is_empty() {
        return Err(Refusal::no_such_kind());
    }
    let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    Ok(json(
        StatusCode::OK,
        &object!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": list}),
    ))
}

/// The kind itself and its sub-resources.
fn entries(resource: Resource) -> Vec<Value> {
    let info = resource.info();
    let mut verbs = vec!["get", "list", "watch"];
    if resource == Resource::Pods {
        verbs.insert(0, "delete");
    }
    if resource.patchable() {
        verbs.push("patch");
    }
    let mut entry = object!({
        "name": info.plural,
        "singularName": info.singular,
        "namespaced": info.namespaced,
        "kind": info.kind,
        "verbs": verbs,
    });
    if !info.short.is_empty() {
        entry["shortNames"] = object!(info.short);
    }
    if info.in_all {
        entry["categories"] = object!(["all"]);
    }
    let mut out = vec![entry];
    for sub in info.sub {
        let (kind, verbs) = match *sub {
            "exec" => ("PodExecOptions", object!(["create", "get"])),
            "portforward" => ("PodPortForwardOptions", object!(["create", "get"])),
            "proxy" if resource == Resource::Pods => ("PodProxyOptions", object!(["create", "get"])),
            "proxy" => ("ServiceProxyOptions", object!(["create", "get"])),
            _ => ("Pod", object!(["get"])),
        };
        out.push(object!({
            "name": format!("{}/{sub}", info.plural), "singularName": "", "namespaced": true, "kind": kind,
            "verbs": verbs,
        }));
    }
    out
}
