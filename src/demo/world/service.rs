//! Services as the API server stores them: what its defaulting adds to a manifest.

use super::pod::{set_default, stamp};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Fills in the defaults of a Service's spec and status.
pub(in crate::demo) fn complete(service: &mut Value) {
    let spec = &mut service["spec"];
    set_default(spec, "type", json!("ClusterIP"));
    set_default(spec, "sessionAffinity", json!("None"));
    for port in spec["ports"].as_array_mut().into_iter().flatten() {
        set_default(port, "protocol", json!("TCP"));
        let number = port["port"].clone();
        set_default(port, "targetPort", number);
    }
    let kind = spec["type"].as_str().unwrap_or_default().to_owned();
    if kind != "ExternalName" {
        let address = spec["clusterIP"].clone();
        set_default(spec, "clusterIPs", json!([address]));
        set_default(spec, "ipFamilies", json!(["IPv4"]));
        set_default(spec, "ipFamilyPolicy", json!("SingleStack"));
        set_default(spec, "internalTrafficPolicy", json!("Cluster"));
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        set_default(spec, "externalTrafficPolicy", json!("Cluster"));
    }
    if kind == "LoadBalancer" {
        set_default(spec, "allocateLoadBalancerNodePorts", json!(true));
    }
    for key in ["ports", "clusterIP", "selector"] {
        if spec[key].is_null()
            && let Some(map) = spec.as_object_mut()
        {
            map.shift_remove(key);
        }
    }
    set_default(service, "status", json!({"loadBalancer": {}}));
}

/// Who wrote a Service, when: the entry that the creation left, and one for a later change.
pub(in crate::demo) fn managed_fields(
    service: &Value,
    created: Timestamp,
    edit: Option<(&str, Timestamp)>,
) -> Value {
    let mut ports = Map::from_iter([(".".to_owned(), json!({}))]);
    for port in service["spec"]["ports"].as_array().into_iter().flatten() {
        let key = format!("k:{{\"port\":{},\"protocol\":{}}}", port["port"], port["protocol"]);
        let mut fields = json!({".": {}, "f:port": {}, "f:protocol": {}, "f:targetPort": {}});
        if !port["name"].is_null() {
            fields["f:name"] = json!({});
        }
        ports.insert(key, fields);
    }
    let mut spec = json!({"f:internalTrafficPolicy": {}, "f:sessionAffinity": {}, "f:type": {}});
    if ports.len() > 1 {
        spec["f:ports"] = ports.into();
    }
    if service["spec"]["selector"].is_object() {
        spec["f:selector"] = json!({});
    }
    let entry = |manager: &str, at: Timestamp, fields: Value| {
        json!({
            "manager": manager, "operation": "Update", "apiVersion": "v1", "time": stamp(at),
            "fieldsType": "FieldsV1", "fieldsV1": fields,
        })
    };
    let manager = if service["metadata"]["name"] == "kubernetes" {
        "kube-apiserver"
    } else {
        "kubectl-client-side-apply"
    };
    let mut entries = vec![entry(manager, created, json!({"f:spec": spec}))];
    if let Some((manager, at)) = edit {
        let changed = entries[0]["fieldsV1"]["f:spec"]["f:ports"].clone();
        entries.push(entry(manager, at, json!({"f:spec": {"f:ports": changed}})));
    }
    Value::Array(entries)
}
