//! What the endpoint slice controller does: it keeps the slices of Services with a selector.
//!
//! Sources: endpointslice `reconciler.go`, `utils.go` (which pods, which conditions, at most 100 endpoints a slice).
//! It is written for the demo alone and shares nothing with what kdisco knows of slices.

use super::World;
use super::controllers::{owner_reference, put_if_changed};
use super::pod::{is_ready, is_terminating, stamp, zone_of};
use crate::demo::resource::Resource;
use crate::demo::select::selects;
use crate::demo::store::Key;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The controller's `--max-endpoints-per-slice`.
const MOST: usize = 100;

/// Endpoints of one address family that share their target ports.
type Groups = BTreeMap<(String, String), Vec<Value>>;

/// Brings the slices of a Service up to date.
pub(super) fn reconcile(world: &mut World, key: &Key) {
    let Some(service) = world.store.get(Resource::Services, &key.0, &key.1).map(|object| object.value())
    else {
        return;
    };
    let selector = &service["spec"]["selector"];
    if !selector.is_object() || service["spec"]["type"] == "ExternalName" {
        return;
    }
    let chosen = world.store.list(Resource::Pods, Some(&key.0)).filter(|pod| selects(selector, &pod.labels));
    let pods: Vec<Value> = chosen.map(|pod| pod.value()).collect();
    let mut groups = group(&service, &pods);
    let families = service["spec"]["ipFamilies"].as_array().cloned().unwrap_or_default();
    let mut mine = slices_of(world, key);
    // What is left over of former slices goes first, so that no endpoint is in two of them.
    for slice in &mut mine {
        let group = (text(slice, "addressType"), slice["ports"].to_string());
        keep(slice, groups.get_mut(&group));
    }
    for (group, endpoints) in &mut groups {
        fill(world, &service, &mut mine, group, endpoints);
    }
    for family in families.iter().filter_map(Value::as_str) {
        if !mine.iter().any(|slice| text(slice, "addressType") == family && holds_any(slice)) {
            placeholder(world, &service, &mut mine, family);
        }
    }
    for slice in mine {
        let placeholder = slice["endpoints"].is_null();
        if !holds_any(&slice) && !placeholder {
            world.store.remove(Resource::EndpointSlices, &key.0, &text(&slice["metadata"], "name"));
        } else {
            write(world, slice);
        }
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn holds_any(slice: &Value) -> bool {
    slice["endpoints"].as_array().is_some_and(|endpoints| !endpoints.is_empty())
}

fn slices_of(world: &World, key: &Key) -> Vec<Value> {
    let label = ("kubernetes.io/service-name".to_owned(), key.1.clone());
    let all = world.store.list(Resource::EndpointSlices, Some(&key.0));
    all.filter(|slice| slice.labels.contains(&label)).map(|slice| slice.value()).collect()
}

/// The endpoints that there should be.
fn group(service: &Value, pods: &[Value]) -> Groups {
    let mut groups = Groups::new();
    for family in service["spec"]["ipFamilies"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        for pod in pods {
            let phase = pod["status"]["phase"].as_str().unwrap_or_default();
            let addresses = pod["status"]["podIPs"].as_array().into_iter().flatten();
            let mut addresses = addresses.filter_map(|one| one["ip"].as_str());
            let address = addresses.find(|ip| ip.contains(':') == (family == "IPv6"));
            if let (Some(address), false) = (address, matches!(phase, "Succeeded" | "Failed")) {
                let ports = ports(service, pod).to_string();
                groups.entry((family.to_owned(), ports)).or_default().push(endpoint(service, pod, address));
            }
        }
    }
    groups
}

/// A Service's ports as this pod has them; a port whose name the pod does not declare is left out.
fn ports(service: &Value, pod: &Value) -> Value {
    let wanted = service["spec"]["ports"].as_array().into_iter().flatten();
    let found = wanted.filter_map(|port| {
        let target = &port["targetPort"];
        let number = if target.is_u64() { target.clone() } else { named_port(pod, target, &port["protocol"])? };
        let mut out = json!({"name": port["name"].as_str().unwrap_or_default(), "port": number, "protocol": port["protocol"]});
        if !port["appProtocol"].is_null() {
            out["appProtocol"] = port["appProtocol"].clone();
        }
        Some(out)
    });
    let found: Vec<Value> = found.collect();
    if found.is_empty() { Value::Null } else { Value::Array(found) }
}

fn named_port(pod: &Value, name: &Value, protocol: &Value) -> Option<Value> {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let mut ports = containers.flat_map(|one| one["ports"].as_array().into_iter().flatten());
    ports
        .find(|port| port["name"] == *name && port["protocol"] == *protocol)
        .map(|port| port["containerPort"].clone())
}

fn endpoint(service: &Value, pod: &Value, address: &str) -> Value {
    let (serving, terminating) = (is_ready(pod), is_terminating(pod));
    let published = service["spec"]["publishNotReadyAddresses"] == true;
    let ready = published || (serving && !terminating);
    let node = text(&pod["spec"], "nodeName");
    let mut endpoint = json!({
        "addresses": [address],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
    });
    let named = !pod["spec"]["hostname"].is_null() && pod["spec"]["subdomain"] == service["metadata"]["name"];
    if named {
        endpoint["hostname"] = pod["spec"]["hostname"].clone();
    }
    let metadata = &pod["metadata"];
    endpoint["targetRef"] = json!({
        "kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"],
    });
    endpoint["nodeName"] = node.clone().into();
    endpoint["zone"] = zone_of(&node).into();
    if service["spec"]["trafficDistribution"].is_string() && ready {
        endpoint["hints"] = json!({"forZones": [{"name": zone_of(&node)}]});
    }
    endpoint
}

/// Keeps in a slice what should still be there, in its present state, and takes it from what is to be placed.
fn keep(slice: &mut Value, wanted: Option<&mut Vec<Value>>) {
    let Some(old) = slice["endpoints"].as_array_mut() else { return };
    let mut nothing = Vec::new();
    let wanted = wanted.unwrap_or(&mut nothing);
    let same = |one: &Value, other: &Value| {
        one["addresses"] == other["addresses"] && one["targetRef"]["uid"] == other["targetRef"]["uid"]
    };
    old.retain_mut(|endpoint| {
        let at = wanted.iter().position(|other| same(endpoint, other));
        at.map(|at| *endpoint = wanted.remove(at)).is_some()
    });
}

/// Puts endpoints where there is room, and makes slices for the rest.
fn fill(
    world: &mut World,
    service: &Value,
    mine: &mut Vec<Value>,
    group: &(String, String),
    endpoints: &mut Vec<Value>,
) {
    let ports: Value = serde_json::from_str(&group.1).unwrap_or_default();
    while !endpoints.is_empty() {
        let fits = |slice: &&mut Value| {
            text(slice, "addressType") == group.0
                && (slice["endpoints"].is_null() || slice["ports"] == ports)
                && slice["endpoints"].as_array().map_or(0, Vec::len) < MOST
        };
        let Some(slice) = mine.iter_mut().find(fits) else {
            mine.push(new_slice(world, service, &group.0));
            continue;
        };
        if slice["endpoints"].is_null() {
            slice["endpoints"] = json!([]);
            slice["ports"] = ports.clone();
        }
        if let Some(list) = slice["endpoints"].as_array_mut() {
            let room = (MOST - list.len()).min(endpoints.len());
            list.extend(endpoints.drain(..room));
        }
    }
}

/// A Service without a pod keeps one slice without endpoints.
fn placeholder(world: &mut World, service: &Value, mine: &mut Vec<Value>, family: &str) {
    let at = mine.iter().position(|slice| text(slice, "addressType") == family);
    let at = at.unwrap_or_else(|| {
        mine.push(new_slice(world, service, family));
        mine.len() - 1
    });
    mine[at]["endpoints"] = Value::Null;
    mine[at]["ports"] = Value::Null;
}

fn new_slice(world: &mut World, service: &Value, family: &str) -> Value {
    let name = text(&service["metadata"], "name");
    let mut labels: Map<String, Value> =
        service["metadata"]["labels"].as_object().cloned().unwrap_or_default();
    labels.insert("endpointslice.kubernetes.io/managed-by".into(), "endpointslice-controller.k8s.io".into());
    labels.insert("kubernetes.io/service-name".into(), name.clone().into());
    if service["spec"]["clusterIP"] == "None" {
        labels.insert("service.kubernetes.io/headless".into(), "".into());
    }
    // The first slices are as old as their Service.
    let created = if world.now == world.start {
        service["metadata"]["creationTimestamp"].clone()
    } else {
        stamp(world.now).into()
    };
    json!({
        "metadata": {
            "name": format!("{name}-{}", world.random.letters(5)),
            "generateName": format!("{name}-"),
            "namespace": service["metadata"]["namespace"],
            "uid": world.random.uid(),
            "generation": 1,
            "creationTimestamp": created,
            "labels": labels,
            "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": created},
            "ownerReferences": owner_reference(Resource::Services, service),
        },
        "addressType": family,
        "endpoints": null,
        "ports": null,
    })
}

/// Stores a slice if its endpoints or ports have changed.
fn write(world: &mut World, mut slice: Value) {
    let (namespace, name) = (text(&slice["metadata"], "namespace"), text(&slice["metadata"], "name"));
    if let Some(stored) = world.store.get(Resource::EndpointSlices, &namespace, &name) {
        let stored = stored.value();
        if stored["endpoints"] == slice["endpoints"] && stored["ports"] == slice["ports"] {
            return;
        }
        let generation = slice["metadata"]["generation"].as_u64().unwrap_or(1);
        slice["metadata"]["generation"] = (generation + 1).into();
        slice["metadata"]["annotations"]["endpoints.kubernetes.io/last-change-trigger-time"] =
            stamp(world.now).into();
    }
    put_if_changed(world, Resource::EndpointSlices, slice);
}
