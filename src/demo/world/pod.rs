//! Pods as objects: what the API server fills in, and what a kubelet reports at each stage of a pod's life.
//!
//! The shape follows what a Kubernetes 1.34 cluster stores.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Where a pod is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::demo) enum Stage {
    /// Not on any node yet.
    Unscheduled,
    /// On a node, containers are being made.
    Creating,
    /// Containers run, the readiness probe has not succeeded (again).
    Running,
    /// Containers run and are ready.
    Ready,
    /// The container exits again and again.
    Crashing,
    /// Done, exit code 0.
    Succeeded,
}

/// A time as objects have it: whole seconds.
pub(in crate::demo) fn stamp(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// The node that addresses `10.244.N.x` belong to.
pub(in crate::demo) fn node_of(address: &str) -> String {
    format!("node-{}", address.split('.').nth(2).filter(|part| !part.is_empty()).unwrap_or("1"))
}

/// The address that a node has itself.
pub(in crate::demo) fn node_address(node: &str) -> String {
    let number: u32 = node.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(1);
    format!("192.0.2.{}", 10 + number)
}

/// The zone of a node.
pub(in crate::demo) fn zone_of(node: &str) -> &'static str {
    if node.ends_with('2') { "zone-b" } else { "zone-a" }
}

/// The IPv6 address beside an IPv4 one: `10.244.1.7` has `fd00:10:244:1::7`.
pub(in crate::demo) fn second_address(address: &str) -> String {
    let parts: Vec<u16> = address.split('.').filter_map(|part| part.parse().ok()).collect();
    match parts.as_slice() {
        [_, _, net, host] => format!("fd00:10:244:{net:x}::{host:x}"),
        _ => String::new(),
    }
}

/// A new pod from a template (`metadata`, `spec`), as the API server stores it.
pub(in crate::demo) fn from_template(
    template: &Value,
    namespace: &str,
    name: &str,
    uid: &str,
    at: Timestamp,
) -> Value {
    let mut metadata = json!({
        "name": name,
        "namespace": namespace,
        "uid": uid,
        "creationTimestamp": stamp(at),
        "generation": 1,
    });
    for key in ["labels", "annotations"] {
        if let Some(value) = template["metadata"].get(key).filter(|value| !value.is_null()) {
            metadata[key] = value.clone();
        }
    }
    let mut pod = json!({"metadata": metadata, "spec": template["spec"]});
    complete_spec(&mut pod["spec"], uid);
    stage(&mut pod, &Stage::Unscheduled, at);
    pod
}

/// Fills in what the API server's defaulting and admission add to a pod's spec.
fn complete_spec(spec: &mut Value, uid: &str) {
    let volume = format!("kube-api-access-{}", super::random::hash(uid, 5));
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            complete_container(container, &volume);
        }
    }
    if spec["initContainers"].is_null()
        && let Some(map) = spec.as_object_mut()
    {
        map.shift_remove("initContainers");
    }
    for (key, value) in [
        ("dnsPolicy", json!("ClusterFirst")),
        ("enableServiceLinks", json!(true)),
        ("preemptionPolicy", json!("PreemptLowerPriority")),
        ("priority", json!(0)),
        ("restartPolicy", json!("Always")),
        ("schedulerName", json!("default-scheduler")),
        ("securityContext", json!({})),
        ("serviceAccountName", json!("default")),
        ("terminationGracePeriodSeconds", json!(30)),
    ] {
        set_default(spec, key, value);
    }
    let account = spec["serviceAccountName"].clone();
    set_default(spec, "serviceAccount", account);
    let toleration = |key: &str| {
        json!({
            "key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": "NoExecute",
            "tolerationSeconds": 300,
        })
    };
    set_default(spec, "tolerations", json!([toleration("not-ready"), toleration("unreachable")]));
    let token = json!({"name": volume, "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [
            {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
        ]}},
    ]}});
    match spec["volumes"].as_array_mut() {
        Some(volumes) => volumes.push(token),
        None => spec["volumes"] = json!([token]),
    }
}

fn complete_container(container: &mut Value, volume: &str) {
    for port in container["ports"].as_array_mut().into_iter().flatten() {
        set_default(port, "protocol", json!("TCP"));
    }
    for variable in container["env"].as_array_mut().into_iter().flatten() {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            set_default(field, "apiVersion", json!("v1"));
        }
    }
    set_default(container, "imagePullPolicy", json!("IfNotPresent"));
    set_default(container, "resources", json!({}));
    set_default(container, "terminationMessagePath", json!("/dev/termination-log"));
    set_default(container, "terminationMessagePolicy", json!("File"));
    let mount = json!({"name": volume, "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"});
    match container.get_mut("volumeMounts").and_then(Value::as_array_mut) {
        Some(mounts) => mounts.push(mount),
        None => container["volumeMounts"] = json!([mount]),
    }
    for key in ["ports", "env"] {
        if container[key].is_null()
            && let Some(map) = container.as_object_mut()
        {
            map.shift_remove(key);
        }
    }
}

/// Sets a field unless it is there.
pub(in crate::demo) fn set_default(value: &mut Value, key: &str, default: Value) {
    if value.get(key).is_none_or(Value::is_null) {
        value[key] = default;
    }
}

/// Puts a pod on the node that its address belongs to.
pub(in crate::demo) fn place(pod: &mut Value, address: &str) {
    if pod["spec"]["nodeName"].is_null() {
        pod["spec"]["nodeName"] = node_of(address).into();
    }
}

/// Gives a pod its addresses, one per family; a pod on the host's network has the node's.
pub(in crate::demo) fn give_address(pod: &mut Value, address: &str) {
    let node = pod["spec"]["nodeName"].as_str().unwrap_or_default().to_owned();
    if pod["spec"]["hostNetwork"] == true {
        let own = node_address(&node);
        pod["status"]["podIP"] = own.clone().into();
        pod["status"]["podIPs"] = json!([{"ip": own}]);
    } else {
        pod["status"]["podIP"] = address.into();
        pod["status"]["podIPs"] = json!([{"ip": address}, {"ip": second_address(address)}]);
    }
}

/// Writes the status of a stage that begins now. What began earlier keeps its times.
pub(in crate::demo) fn stage(pod: &mut Value, stage: &Stage, now: Timestamp) {
    let running = matches!(stage, Stage::Running | Stage::Ready);
    if *stage == Stage::Unscheduled {
        pod["status"] = json!({"phase": "Pending", "qosClass": qos(pod)});
        return;
    }
    let node = pod["spec"]["nodeName"].as_str().unwrap_or_default().to_owned();
    set_default(&mut pod["status"], "hostIP", node_address(&node).into());
    set_default(&mut pod["status"], "hostIPs", json!([{"ip": node_address(&node)}]));
    set_default(&mut pod["status"], "startTime", stamp(now).into());
    pod["status"]["observedGeneration"] = pod["metadata"]["generation"].clone();
    pod["status"]["phase"] = match stage {
        Stage::Unscheduled | Stage::Creating => "Pending",
        Stage::Running | Stage::Ready | Stage::Crashing => "Running",
        Stage::Succeeded => "Succeeded",
    }
    .into();
    pod["status"]["containerStatuses"] = container_statuses(pod, stage, now);
    if pod["spec"]["initContainers"].is_array() {
        pod["status"]["initContainerStatuses"] = init_statuses(pod, stage, now);
    }
    let ready = *stage == Stage::Ready;
    condition(pod, "PodReadyToStartContainers", running || *stage == Stage::Crashing, None, now);
    condition(
        pod,
        "Initialized",
        *stage != Stage::Creating || pod["spec"]["initContainers"].is_null(),
        None,
        now,
    );
    let why = if *stage == Stage::Succeeded {
        Some(("PodCompleted", String::new()))
    } else {
        let names: Vec<&str> = pod["spec"]["containers"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one["name"].as_str())
            .collect();
        (!ready)
            .then(|| ("ContainersNotReady", format!("containers with unready status: [{}]", names.join(" "))))
    };
    condition(pod, "Ready", ready, why.clone(), now);
    condition(pod, "ContainersReady", ready, why, now);
    condition(pod, "PodScheduled", true, None, now);
}

/// Sets a condition; its time changes only with its status.
fn condition(pod: &mut Value, kind: &str, holds: bool, why: Option<(&str, String)>, now: Timestamp) {
    let status = if holds { "True" } else { "False" };
    let generation = pod["metadata"]["generation"].clone();
    if !pod["status"]["conditions"].is_array() {
        pod["status"]["conditions"] = json!([]);
    }
    let Some(conditions) = pod["status"]["conditions"].as_array_mut() else { return };
    let old = conditions.iter().position(|one| one["type"] == kind);
    let since = old
        .filter(|at| conditions[*at]["status"] == status)
        .map_or_else(|| stamp(now).into(), |at| conditions[at]["lastTransitionTime"].clone());
    let mut new = json!({
        "type": kind, "observedGeneration": generation, "status": status, "lastProbeTime": null,
        "lastTransitionTime": since,
    });
    if let Some((reason, message)) = why {
        new["reason"] = reason.into();
        if !message.is_empty() {
            new["message"] = message.into();
        }
    }
    match old {
        Some(at) => conditions[at] = new,
        None => conditions.push(new),
    }
}

fn qos(pod: &Value) -> &'static str {
    let containers = pod["spec"]["containers"].as_array();
    let limited =
        |one: &Value| one["resources"]["requests"].is_object() || one["resources"]["limits"].is_object();
    if containers.is_some_and(|all| all.iter().any(limited)) { "Burstable" } else { "BestEffort" }
}

fn container_statuses(pod: &Value, stage: &Stage, now: Timestamp) -> Value {
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    let old = pod["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let statuses = containers.map(|container| {
        let name = container["name"].as_str().unwrap_or_default();
        let before = old.iter().find(|one| one["name"] == name);
        let started = before.and_then(|one| one.pointer("/state/running/startedAt")).cloned();
        let restarts = before.and_then(|one| one["restartCount"].as_u64()).unwrap_or_default();
        let mut status = json!({
            "name": name,
            "state": {},
            "lastState": before.map_or_else(|| json!({}), |one| one["lastState"].clone()),
            "ready": *stage == Stage::Ready,
            "restartCount": restarts,
            "image": container["image"],
            "imageID": "",
            "started": matches!(stage, Stage::Running | Stage::Ready),
        });
        if *stage != Stage::Creating {
            status["imageID"] =
                format!("sha256:{}", digest(container["image"].as_str().unwrap_or_default())).into();
            status["containerID"] =
                format!("containerd://{}", digest(&format!("{uid}/{name}/{restarts}"))).into();
        }
        status["state"] = match stage {
            Stage::Unscheduled | Stage::Creating => json!({"waiting": {"reason": "ContainerCreating"}}),
            Stage::Running | Stage::Ready => {
                json!({"running": {"startedAt": started.unwrap_or_else(|| stamp(now).into())}})
            }
            Stage::Crashing => {
                let full = format!("{}_{}", pod["metadata"]["name"].as_str().unwrap_or_default(), uid);
                let ended = terminated(1, "Error", now - SignedDuration::from_secs(1), now);
                status["lastState"] = json!({"terminated": ended});
                json!({"waiting": {
                    "reason": "CrashLoopBackOff",
                    "message": format!("back-off 5m0s restarting failed container={name} pod={full}"),
                }})
            }
            Stage::Succeeded => json!({"terminated": terminated(0, "Completed", now, now)}),
        };
        status
    });
    Value::Array(statuses.collect())
}

fn init_statuses(pod: &Value, stage: &Stage, now: Timestamp) -> Value {
    let old = pod["status"]["initContainerStatuses"].as_array().cloned().unwrap_or_default();
    let containers = pod["spec"]["initContainers"].as_array().into_iter().flatten();
    let statuses = containers.map(|container| {
        let done = old.iter().find(|one| one["name"] == container["name"] && one["ready"] == true);
        if let Some(done) = done {
            return done.clone();
        }
        let over = *stage != Stage::Creating;
        let state = if over {
            let began = now - SignedDuration::from_secs(1);
            json!({"terminated": terminated(0, "Completed", began, now)})
        } else {
            json!({"waiting": {"reason": "PodInitializing"}})
        };
        json!({
            "name": container["name"], "state": state, "lastState": {}, "ready": over, "restartCount": 0,
            "image": container["image"], "imageID": "", "started": false,
        })
    });
    Value::Array(statuses.collect())
}

/// The state of a container that has ended.
pub(in crate::demo) fn terminated(code: i32, reason: &str, began: Timestamp, ended: Timestamp) -> Value {
    json!({"exitCode": code, "reason": reason, "startedAt": stamp(began), "finishedAt": stamp(ended)})
}

/// Sixty-four hexadecimal digits that look like a digest.
fn digest(text: &str) -> String {
    let mut random = super::random::Random::new(
        text.bytes().fold(7, |sum: u64, byte| sum.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte)),
    );
    [(); 4].map(|()| format!("{:016x}", random.next())).concat()
}

/// Marks a pod as being deleted, with its own grace period.
pub(in crate::demo) fn terminate(pod: &mut Value, now: Timestamp) {
    let grace = pod["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
    pod["metadata"]["deletionTimestamp"] = stamp(now + SignedDuration::from_secs(grace)).into();
    pod["metadata"]["deletionGracePeriodSeconds"] = grace.into();
    let generation = pod["metadata"]["generation"].as_u64().unwrap_or(1);
    pod["metadata"]["generation"] = (generation + 1).into();
}

/// Whether the pod's condition Ready is true.
pub(in crate::demo) fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    conditions.into_iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

/// Whether the pod is being deleted.
pub(in crate::demo) fn is_terminating(pod: &Value) -> bool {
    pod.pointer("/metadata/deletionTimestamp").is_some()
}

/// Which fields of a pod are whose, as the controller manager's and the kubelet's writes leave them.
pub(in crate::demo) fn managed_fields(pod: &Value, created: &str, reported: &str) -> Value {
    let nothing = json!({});
    let keys = |value: &Value| -> Value {
        value
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| (format!("f:{key}"), nothing.clone()))
            .collect()
    };
    let mut spec = keys(&pod["spec"]);
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    spec["f:containers"] = containers
        .map(|one| (format!("k:{{\"name\":{}}}", one["name"]), keys(one)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let kinds = ["ContainersReady", "Initialized", "PodReadyToStartContainers", "Ready"];
    let conditions: Value = kinds
        .iter()
        .map(|kind| {
            let fields = json!({
                ".": {}, "f:lastProbeTime": {}, "f:lastTransitionTime": {}, "f:observedGeneration": {},
                "f:status": {}, "f:type": {},
            });
            (format!("k:{{\"type\":\"{kind}\"}}"), fields)
        })
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!([
        {
            "manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1", "time": created,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": {"f:labels": keys(&pod["metadata"]["labels"])}, "f:spec": spec},
        },
        {
            "manager": "kubelet", "operation": "Update", "apiVersion": "v1", "time": reported,
            "fieldsType": "FieldsV1", "subresource": "status",
            "fieldsV1": {"f:status": {
                "f:conditions": conditions, "f:containerStatuses": {}, "f:hostIP": {}, "f:hostIPs": {},
                "f:observedGeneration": {}, "f:phase": {}, "f:podIP": {}, "f:podIPs": {".": {}}, "f:startTime": {},
            }},
        },
    ])
}
