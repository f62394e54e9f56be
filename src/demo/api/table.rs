//! Tables: the columns that `kubectl get` prints, made by the server.
//!
//! Source of columns and cells: Kubernetes `pkg/printers/internalversion/printers.go`.

use crate::demo::resource::Resource;
use crate::demo::store::Object;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;

/// Column name and priority; those above 0 are for `-o wide`.
type Column = (&'static str, u8);

/// The metadata of an object under the kind that clients of metadata ask for.
pub(in crate::demo) fn metadata_only(object: &Object) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object.value()["metadata"],
    })
}

/// A table of these objects. `include` is the parameter `includeObject`: `None`, `Metadata` or `Object`.
pub(in crate::demo) fn whole(
    resource: Resource,
    objects: &[Arc<Object>],
    metadata: &Value,
    include: &str,
    now: Timestamp,
) -> Value {
    let columns: Vec<Value> = columns(resource)
        .iter()
        .map(|(name, priority)| {
            let kind = if *priority == 0 && *name == "Data" { "integer" } else { "string" };
            let format = if *name == "Name" { "name" } else { "" };
            json!({"name": name, "type": kind, "format": format, "description": "", "priority": priority})
        })
        .collect();
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let value = object.value();
            let mut row = json!({"cells": cells(resource, &value, now)});
            match include {
                "None" => {}
                "Object" => {
                    row["object"] = serde_json::from_slice(&object.whole(resource)).unwrap_or_default();
                }
                _ => row["object"] = metadata_only(object),
            }
            row
        })
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": columns, "rows": rows,
    })
}

fn columns(resource: Resource) -> &'static [Column] {
    match resource {
        Resource::Services => &[
            ("Name", 0),
            ("Type", 0),
            ("Cluster-IP", 0),
            ("External-IP", 0),
            ("Port(s)", 0),
            ("Age", 0),
            ("Selector", 1),
        ],
        Resource::Pods => &[
            ("Name", 0),
            ("Ready", 0),
            ("Status", 0),
            ("Restarts", 0),
            ("Age", 0),
            ("IP", 1),
            ("Node", 1),
            ("Nominated Node", 1),
            ("Readiness Gates", 1),
        ],
        Resource::EndpointSlices => {
            &[("Name", 0), ("AddressType", 0), ("Ports", 0), ("Endpoints", 0), ("Age", 0)]
        }
        Resource::Deployments => {
            &[("Name", 0), ("Ready", 0), ("Up-to-date", 0), ("Available", 0), ("Age", 0)]
        }
        Resource::ReplicaSets => &[("Name", 0), ("Desired", 0), ("Current", 0), ("Ready", 0), ("Age", 0)],
        Resource::StatefulSets => &[("Name", 0), ("Ready", 0), ("Age", 0)],
        Resource::DaemonSets => &[
            ("Name", 0),
            ("Desired", 0),
            ("Current", 0),
            ("Ready", 0),
            ("Up-to-date", 0),
            ("Available", 0),
            ("Node Selector", 0),
            ("Age", 0),
        ],
        Resource::Namespaces => &[("Name", 0), ("Status", 0), ("Age", 0)],
        Resource::Nodes => {
            &[("Name", 0), ("Status", 0), ("Roles", 0), ("Age", 0), ("Version", 0), ("Internal-IP", 1)]
        }
        Resource::ConfigMaps => &[("Name", 0), ("Data", 0), ("Age", 0)],
        Resource::Secrets => &[("Name", 0), ("Type", 0), ("Data", 0), ("Age", 0)],
        Resource::Endpoints => &[("Name", 0), ("Endpoints", 0), ("Age", 0)],
        Resource::NetworkPolicies => &[("Name", 0), ("Pod-Selector", 0), ("Age", 0)],
        Resource::Events => &[("Last Seen", 0), ("Type", 0), ("Reason", 0), ("Object", 0), ("Message", 0)],
        Resource::ServiceAccounts => &[("Name", 0), ("Age", 0)],
    }
}

fn cells(resource: Resource, value: &Value, now: Timestamp) -> Vec<Value> {
    let name = text(value, "/metadata/name");
    let age = age(value, now);
    let count = |path: &str| value.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    let ready_of = |ready: &str, all: &str| format!("{}/{}", count(ready), count(all));
    let cells = match resource {
        Resource::Services => service(value, age),
        Resource::Pods => pod(value, age),
        Resource::EndpointSlices => {
            let kind = text(value, "/addressType");
            vec![name, kind, slice_ports(value), addresses(value), age]
        }
        Resource::Deployments => {
            let ready = ready_of("/status/readyReplicas", "/spec/replicas");
            let (updated, available) = (count("/status/updatedReplicas"), count("/status/availableReplicas"));
            vec![name, ready, updated.to_string(), available.to_string(), age]
        }
        Resource::ReplicaSets => {
            let numbers = ["/spec/replicas", "/status/replicas", "/status/readyReplicas"];
            let [desired, current, ready] = numbers.map(|path| count(path).to_string());
            vec![name, desired, current, ready, age]
        }
        Resource::StatefulSets => vec![name, ready_of("/status/readyReplicas", "/spec/replicas"), age],
        Resource::DaemonSets => {
            let numbers =
                ["desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled"];
            let [desired, current, ready, updated] =
                numbers.map(|key| count(&format!("/status/{key}")).to_string());
            let available = count("/status/numberAvailable").to_string();
            vec![name, desired, current, ready, updated, available, "<none>".to_owned(), age]
        }
        Resource::Namespaces => vec![name, text(value, "/status/phase"), age],
        Resource::Nodes => {
            let address = text(value, "/status/addresses/0/address");
            let version = text(value, "/status/nodeInfo/kubeletVersion");
            vec![name, "Ready".to_owned(), roles(value), age, version, address]
        }
        Resource::ConfigMaps => {
            return vec![name.into(), entries(value).into(), age.into()];
        }
        Resource::Secrets => {
            return vec![name.into(), text(value, "/type").into(), entries(value).into(), age.into()];
        }
        Resource::Endpoints => vec![name, "<none>".to_owned(), age],
        Resource::NetworkPolicies => vec![name, labels(value.pointer("/spec/podSelector/matchLabels")), age],
        Resource::Events => {
            let object = format!(
                "{}/{}",
                text(value, "/involvedObject/kind").to_lowercase(),
                text(value, "/involvedObject/name")
            );
            vec![age, text(value, "/type"), text(value, "/reason"), object, text(value, "/message")]
        }
        Resource::ServiceAccounts => vec![name, age],
    };
    cells.into_iter().map(Value::String).collect()
}

fn text(value: &Value, path: &str) -> String {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list<'a>(value: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(path).and_then(Value::as_array).into_iter().flatten()
}

fn or_none(text: String) -> String {
    if text.is_empty() { "<none>".to_owned() } else { text }
}

fn entries(value: &Value) -> usize {
    ["data", "binaryData"].iter().filter_map(|key| value[*key].as_object()).map(serde_json::Map::len).sum()
}

fn labels(map: Option<&Value>) -> String {
    let pairs = map.and_then(Value::as_object).into_iter().flatten();
    let mut pairs: Vec<String> =
        pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    pairs.sort();
    or_none(pairs.join(","))
}

fn roles(value: &Value) -> String {
    let labels = value.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
    let roles: Vec<&str> =
        labels.filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/")).collect();
    or_none(roles.join(","))
}

fn service(value: &Value, age: String) -> Vec<String> {
    let kind = text(value, "/spec/type");
    let cluster = or_none(text(value, "/spec/clusterIP"));
    let mut ports = String::new();
    for port in list(value, "/spec/ports") {
        let comma = if ports.is_empty() { "" } else { "," };
        let node = port["nodePort"].as_u64().map(|node| format!(":{node}")).unwrap_or_default();
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        let _ = write!(ports, "{comma}{}{node}/{protocol}", port["port"]);
    }
    let external: Vec<&str> = list(value, "/spec/externalIPs").filter_map(Value::as_str).collect();
    let outside = match kind.as_str() {
        "ExternalName" => text(value, "/spec/externalName"),
        "LoadBalancer" => {
            let given = list(value, "/status/loadBalancer/ingress")
                .filter_map(|one| one["ip"].as_str().or_else(|| one["hostname"].as_str()));
            let all: Vec<&str> = given.chain(external.iter().copied()).collect();
            if all.is_empty() { "<pending>".to_owned() } else { all.join(",") }
        }
        _ => or_none(external.join(",")),
    };
    let selector = labels(value.pointer("/spec/selector"));
    vec![text(value, "/metadata/name"), kind, cluster, outside, or_none(ports), age, selector]
}

fn pod(value: &Value, age: String) -> Vec<String> {
    let statuses: Vec<&Value> = list(value, "/status/containerStatuses").collect();
    let ready = statuses.iter().filter(|one| one["ready"] == true).count();
    let restarts: u64 = statuses.iter().filter_map(|one| one["restartCount"].as_u64()).sum();
    let mut status = or_none(text(value, "/status/reason"));
    if status == "<none>" {
        status = text(value, "/status/phase");
    }
    for one in &statuses {
        if let Some(reason) =
            one.pointer("/state/waiting/reason").or_else(|| one.pointer("/state/terminated/reason"))
        {
            reason.as_str().unwrap_or_default().clone_into(&mut status);
        }
    }
    if value.pointer("/metadata/deletionTimestamp").is_some() {
        "Terminating".clone_into(&mut status);
    }
    let all = list(value, "/spec/containers").count();
    vec![
        text(value, "/metadata/name"),
        format!("{ready}/{all}"),
        status,
        restarts.to_string(),
        age,
        or_none(text(value, "/status/podIP")),
        or_none(text(value, "/spec/nodeName")),
        "<none>".to_owned(),
        "<none>".to_owned(),
    ]
}

fn slice_ports(value: &Value) -> String {
    let ports: Vec<String> =
        list(value, "/ports").filter_map(|port| port["port"].as_u64()).map(|n| n.to_string()).collect();
    if ports.is_empty() { "<unset>".to_owned() } else { ports.join(",") }
}

fn addresses(value: &Value) -> String {
    let all: Vec<&str> =
        list(value, "/endpoints").flat_map(|one| list(one, "/addresses")).filter_map(Value::as_str).collect();
    match all.len() {
        0 => "<unset>".to_owned(),
        1..=3 => all.join(","),
        more => format!("{} + {} more...", all[..3].join(","), more - 3),
    }
}

/// Age in kubectl's words (apimachinery `duration.HumanDuration`).
fn age(value: &Value, now: Timestamp) -> String {
    let created = text(value, "/metadata/creationTimestamp").parse::<Timestamp>();
    created.map_or_else(|_| "<unknown>".to_owned(), |created| human(now.duration_since(created).as_secs()))
}

fn human(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: i64, unit: char, small: i64, small_unit: char| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{small}{small_unit}") }
    };
    match seconds {
        ..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, 'm', seconds % 60, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, 'd', hours % 24, 'h'),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => two(days / 365, 'y', days % 365, 'd'),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        for (seconds, said) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (130, "2m10s"),
            (599, "9m59s"),
            (601, "10m"),
            (10_860, "3h1m"),
            (86_400, "24h"),
            (172_800, "2d"),
            (176_400, "2d1h"),
            (700_000, "8d"),
            (31_536_000, "365d"),
        ] {
            assert_eq!(human(seconds), said, "{seconds}");
        }
    }

    #[test]
    fn a_load_balancer_without_an_address_is_pending() {
        let value = json!({"metadata": {"name": "a"}, "spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.9",
            "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}});
        let cells = service(&value, "1d".to_owned());
        assert_eq!(
            cells,
            ["a", "LoadBalancer", "10.96.0.9", "<pending>", "80:30080/TCP,53/UDP", "1d", "<none>"]
        );
    }
}
