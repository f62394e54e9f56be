//! What the controllers of Deployments, `StatefulSets` and `DaemonSets` do about a change.
//!
//! Sources: Kubernetes concepts "Deployments" (rolling update: at most 25 % over, at most 25 % under, rounded up and
//! down) and "StatefulSets" (in order, from the highest ordinal on when updating).

use super::pod::{self, is_ready, is_terminating, stamp};
use super::random::hash;
use super::{SCHEDULING, STOPPING, Turn, World};
use crate::demo::resource::Resource;
use crate::demo::select::selects;
use crate::demo::store::{Key, Store};
use serde_json::{Value, json};

/// The workload that a pod belongs to: through its ReplicaSet the Deployment.
pub(super) fn owner(store: &Store, pod: &Value) -> Option<(Resource, Key)> {
    let namespace = pod["metadata"]["namespace"].as_str()?;
    let reference = &pod["metadata"]["ownerReferences"][0];
    let (kind, name) = (reference["kind"].as_str()?, reference["name"].as_str()?);
    if kind == "ReplicaSet" {
        let set = store.get(Resource::ReplicaSets, namespace, name)?.value();
        let deployment = set["metadata"]["ownerReferences"][0]["name"].as_str()?;
        return Some((Resource::Deployments, (namespace.to_owned(), deployment.to_owned())));
    }
    Some((Resource::by_kind(kind)?, (namespace.to_owned(), name.to_owned())))
}

/// A reference to the controller of an object.
pub(super) fn owner_reference(resource: Resource, owner: &Value) -> Value {
    json!([{
        "apiVersion": resource.api_version(), "kind": resource.info().kind, "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    }])
}

/// Brings a workload nearer to what it should be; more will follow when its pods have changed.
pub(super) fn reconcile(world: &mut World, resource: Resource, key: &Key) {
    let Some(workload) = world.store.get(resource, &key.0, &key.1).map(|object| object.value()) else {
        return;
    };
    match resource {
        Resource::Deployments => deployment(world, &workload),
        Resource::StatefulSets => stateful_set(world, &workload),
        Resource::DaemonSets => daemon_set(world, &workload),
        _ => {}
    }
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn replicas(workload: &Value) -> usize {
    let number = workload["spec"]["replicas"].as_u64().unwrap_or(1);
    usize::try_from(number).unwrap_or_default()
}

/// The pods that a workload's selector matches, in the order of their names.
fn pods(world: &World, workload: &Value) -> Vec<Value> {
    let selector = &workload["spec"]["selector"]["matchLabels"];
    let all = world.store.list(Resource::Pods, Some(text(workload, "/metadata/namespace")));
    all.filter(|pod| selects(selector, &pod.labels)).map(|pod| pod.value()).collect()
}

/// The name that a template goes by.
fn template_hash(template: &Value) -> String {
    hash(&template.to_string(), 10)
}

fn deployment(world: &mut World, workload: &Value) {
    let set = current_set(world, workload);
    let revision = text(&set, "/metadata/labels/pod-template-hash").to_owned();
    let wanted = replicas(workload);
    let all = pods(world, workload);
    let active: Vec<&Value> = all.iter().filter(|pod| !is_terminating(pod)).collect();
    let is_new = |pod: &&Value| text(pod, "/metadata/labels/pod-template-hash") == revision;
    let (new, mut old): (Vec<&Value>, Vec<&Value>) = active.iter().partition(|pod| is_new(pod));
    let most = if old.is_empty() { wanted } else { wanted + wanted.div_ceil(4) };
    let missing = wanted.saturating_sub(new.len()).min(most.saturating_sub(active.len()));
    for _ in 0..missing {
        let name = format!("{}-{}", text(&set, "/metadata/name"), world.random.letters(5));
        create(world, workload, (Resource::ReplicaSets, &set), &name, None, None);
    }
    // Those that are of no use go first, and of the others as many as can be spared.
    old.sort_by_key(|pod| is_ready(pod));
    let ready = active.iter().filter(|pod| is_ready(pod)).count();
    let mut spare = ready.saturating_sub(wanted - wanted / 4);
    let mut leave: Vec<Value> = Vec::new();
    for pod in old {
        if is_ready(pod) {
            if spare == 0 {
                continue;
            }
            spare -= 1;
        }
        leave.push(pod.clone());
    }
    leave.extend(new.iter().skip(wanted).map(|pod| (*pod).clone()));
    for pod in &leave {
        stop(world, pod);
    }
    set_statuses(world, workload);
    deployment_status(world, workload, &revision);
}

/// The ReplicaSet of a Deployment's present template; made if it is missing.
fn current_set(world: &mut World, workload: &Value) -> Value {
    let namespace = text(workload, "/metadata/namespace");
    let template = &workload["spec"]["template"];
    let uid = &workload["metadata"]["uid"];
    let sets = world.store.list(Resource::ReplicaSets, Some(namespace)).map(|set| set.value());
    let mine: Vec<Value> = sets.filter(|set| set["metadata"]["ownerReferences"][0]["uid"] == *uid).collect();
    if let Some(set) = mine.iter().find(|set| same_template(&set["spec"]["template"], template)) {
        return set.clone();
    }
    let revision = mine.len() + 1;
    let name = template_hash(template);
    let set = replica_set(workload, &name, revision, &world.random.uid(), &stamp(world.now));
    world.store.put(Resource::ReplicaSets, set.clone());
    let mut changed = workload.clone();
    changed["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = revision.to_string().into();
    world.store.put(Resource::Deployments, changed);
    set
}

/// A ReplicaSet as a Deployment makes it.
pub(super) fn replica_set(workload: &Value, hash: &str, revision: usize, uid: &str, created: &str) -> Value {
    let mut template = workload["spec"]["template"].clone();
    template["metadata"]["labels"]["pod-template-hash"] = hash.into();
    let mut selector = workload["spec"]["selector"].clone();
    selector["matchLabels"]["pod-template-hash"] = hash.into();
    json!({
        "metadata": {
            "name": format!("{}-{hash}", text(workload, "/metadata/name")),
            "namespace": workload["metadata"]["namespace"],
            "uid": uid,
            "generation": 1,
            "creationTimestamp": created,
            "labels": template["metadata"]["labels"],
            "annotations": {
                "deployment.kubernetes.io/desired-replicas": replicas(workload).to_string(),
                "deployment.kubernetes.io/revision": revision.to_string(),
            },
            "ownerReferences": owner_reference(Resource::Deployments, workload),
        },
        "spec": {"replicas": workload["spec"]["replicas"], "selector": selector, "template": template},
        "status": {"replicas": 0, "observedGeneration": 1},
    })
}

fn same_template(of_set: &Value, template: &Value) -> bool {
    let mut bare = of_set.clone();
    if let Some(labels) = bare.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.shift_remove("pod-template-hash");
    }
    bare == *template
}

/// Writes the pod counts of a Deployment's ReplicaSets.
fn set_statuses(world: &mut World, workload: &Value) {
    let namespace = text(workload, "/metadata/namespace").to_owned();
    let now = pods(world, workload);
    let sets: Vec<Value> =
        world.store.list(Resource::ReplicaSets, Some(&namespace)).map(|set| set.value()).collect();
    for mut set in sets {
        if set["metadata"]["ownerReferences"][0]["uid"] != workload["metadata"]["uid"] {
            continue;
        }
        let hash = set["metadata"]["labels"]["pod-template-hash"].clone();
        let mine = now.iter().filter(|pod| pod["metadata"]["labels"]["pod-template-hash"] == hash);
        let active: Vec<&Value> = mine.filter(|pod| !is_terminating(pod)).collect();
        let ready = active.iter().filter(|pod| is_ready(pod)).count();
        set["spec"]["replicas"] = active.len().into();
        let mut status = json!({"replicas": active.len(), "fullyLabeledReplicas": active.len()});
        if ready > 0 {
            status["readyReplicas"] = ready.into();
            status["availableReplicas"] = ready.into();
        }
        status["observedGeneration"] = 1.into();
        set["status"] = status;
        put_if_changed(world, Resource::ReplicaSets, set);
    }
}

fn deployment_status(world: &mut World, workload: &Value, revision: &str) {
    let Some(stored) = world.store.get(
        Resource::Deployments,
        text(workload, "/metadata/namespace"),
        text(workload, "/metadata/name"),
    ) else {
        return;
    };
    let mut value = stored.value();
    let all = pods(world, workload);
    let active: Vec<&Value> = all.iter().filter(|pod| !is_terminating(pod)).collect();
    let ready = active.iter().filter(|pod| is_ready(pod)).count();
    let updated =
        active.iter().filter(|pod| text(pod, "/metadata/labels/pod-template-hash") == revision).count();
    let wanted = replicas(workload);
    let available = ready >= wanted - wanted / 4;
    let old = value["status"]["conditions"].clone();
    let since = |kind: &str, status: &str| {
        let before =
            old.as_array().into_iter().flatten().find(|one| one["type"] == kind && one["status"] == status);
        before.map_or_else(|| stamp(world.now).into(), |one| one["lastTransitionTime"].clone())
    };
    let condition = |kind: &str, holds: bool, reason: &str, message: String| {
        let status = if holds { "True" } else { "False" };
        let at: Value = since(kind, status);
        json!({
            "type": kind, "status": status, "lastUpdateTime": at, "lastTransitionTime": at,
            "reason": reason, "message": message,
        })
    };
    let (word, reason) = if available {
        ("Deployment has minimum availability.", "MinimumReplicasAvailable")
    } else {
        ("Deployment does not have minimum availability.", "MinimumReplicasUnavailable")
    };
    let set = format!(
        "ReplicaSet \"{}-{revision}\" has successfully progressed.",
        text(workload, "/metadata/name")
    );
    let mut status = json!({
        "observedGeneration": value["metadata"]["generation"],
        "replicas": active.len(),
        "updatedReplicas": updated,
    });
    for (key, count) in [
        ("readyReplicas", ready),
        ("availableReplicas", ready),
        ("unavailableReplicas", wanted.max(active.len()).saturating_sub(ready)),
    ] {
        if count > 0 {
            status[key] = count.into();
        }
    }
    status["conditions"] = json!([
        condition("Available", available, reason, word.to_owned()),
        condition("Progressing", true, "NewReplicaSetAvailable", set),
    ]);
    value["status"] = status;
    put_if_changed(world, Resource::Deployments, value);
}

fn stateful_set(world: &mut World, workload: &Value) {
    let name = text(workload, "/metadata/name").to_owned();
    let wanted = replicas(workload);
    let revision = format!("{name}-{}", template_hash(&workload["spec"]["template"]));
    let revision = known_revision(workload).unwrap_or(revision);
    let all = pods(world, workload);
    let of =
        |ordinal: usize| all.iter().find(|pod| text(pod, "/metadata/name") == format!("{name}-{ordinal}"));
    let in_order = workload["spec"]["podManagementPolicy"] != "Parallel";
    let mut complete = true;
    for ordinal in 0..wanted {
        let pod = of(ordinal);
        if pod.is_none() {
            let pod_name = format!("{name}-{ordinal}");
            let labels = json!({
                "apps.kubernetes.io/pod-index": ordinal.to_string(),
                "controller-revision-hash": revision,
                "statefulset.kubernetes.io/pod-name": pod_name,
            });
            create(world, workload, (Resource::StatefulSets, workload), &pod_name, Some(&labels), None);
        }
        if !pod.is_some_and(|pod| is_ready(pod) && !is_terminating(pod)) {
            complete = false;
            if in_order {
                break;
            }
        }
    }
    let surplus = (wanted..wanted + 50).rev().find_map(of);
    let outdated = (0..wanted).rev().find_map(|ordinal| {
        of(ordinal).filter(|pod| text(pod, "/metadata/labels/controller-revision-hash") != revision)
    });
    let leaves = surplus.or_else(|| outdated.filter(|pod| complete || !is_ready(pod)));
    if let Some(pod) = leaves.filter(|pod| !is_terminating(pod)).cloned() {
        stop(world, &pod);
    }
    let now = pods(world, workload);
    let ready = now.iter().filter(|pod| is_ready(pod)).count();
    let updated =
        now.iter().filter(|pod| text(pod, "/metadata/labels/controller-revision-hash") == revision).count();
    let mut value = workload.clone();
    let current =
        if updated == now.len() { json!(revision) } else { workload["status"]["currentRevision"].clone() };
    value["status"] = json!({
        "observedGeneration": workload["metadata"]["generation"],
        "replicas": now.len(), "readyReplicas": ready, "availableReplicas": ready,
        "currentReplicas": now.len() - updated.min(now.len()) + if updated == now.len() { updated } else { 0 },
        "updatedReplicas": updated, "currentRevision": current, "updateRevision": revision, "collisionCount": 0,
    });
    put_if_changed(world, Resource::StatefulSets, value);
}

/// The revision that the world's file names for a template that has not been changed since.
fn known_revision(workload: &Value) -> Option<String> {
    let status = &workload["status"];
    (workload["metadata"]["generation"] == 1)
        .then(|| status["updateRevision"].as_str().map(str::to_owned))
        .flatten()
}

fn daemon_set(world: &mut World, workload: &Value) {
    let name = text(workload, "/metadata/name").to_owned();
    let known =
        (workload["metadata"]["generation"] == 1).then(|| text(workload, "/status/demoRevision").to_owned());
    let revision =
        known.filter(|hash| !hash.is_empty()).unwrap_or_else(|| template_hash(&workload["spec"]["template"]));
    let nodes: Vec<String> = world.store.list(Resource::Nodes, None).map(|node| node.name.clone()).collect();
    let all = pods(world, workload);
    let on = |node: &str| all.iter().find(|pod| text(pod, "/spec/nodeName") == node);
    for node in &nodes {
        if on(node).is_none() {
            let pod_name = format!("{name}-{}", world.random.letters(5));
            let labels = json!({"controller-revision-hash": revision, "pod-template-generation": "1"});
            create(world, workload, (Resource::DaemonSets, workload), &pod_name, Some(&labels), Some(node));
        }
    }
    let complete = nodes.iter().all(|node| on(node).is_some_and(|pod| is_ready(pod) && !is_terminating(pod)));
    let is_new = |pod: &&Value| text(pod, "/metadata/labels/controller-revision-hash") == revision;
    if complete && let Some(pod) = all.iter().find(|pod| !is_new(pod)).cloned() {
        stop(world, &pod);
    }
    let now = pods(world, workload);
    let ready = now.iter().filter(|pod| is_ready(pod)).count();
    let mut value = workload.clone();
    value["status"] = json!({
        "currentNumberScheduled": now.len(), "desiredNumberScheduled": nodes.len(), "numberMisscheduled": 0,
        "numberReady": ready, "numberAvailable": ready,
        "updatedNumberScheduled": now.iter().filter(is_new).count(),
        "observedGeneration": workload["metadata"]["generation"],
    });
    put_if_changed(world, Resource::DaemonSets, value);
}

/// Makes a pod of a workload's template. Its first turn follows when it has been placed.
fn create(
    world: &mut World,
    workload: &Value,
    controller: (Resource, &Value),
    name: &str,
    labels: Option<&Value>,
    node: Option<&str>,
) {
    let (resource, controller) = controller;
    let template = &controller["spec"]["template"];
    let uid = world.random.uid();
    let mut pod = pod::from_template(template, text(workload, "/metadata/namespace"), name, &uid, world.now);
    for (key, value) in labels.and_then(Value::as_object).into_iter().flatten() {
        pod["metadata"]["labels"][key] = value.clone();
    }
    pod["metadata"]["generateName"] = format!("{}-", text(controller, "/metadata/name")).into();
    pod["metadata"]["ownerReferences"] = owner_reference(resource, controller);
    if resource == Resource::StatefulSets {
        pod["spec"]["hostname"] = name.into();
        pod["spec"]["subdomain"] = workload["spec"]["serviceName"].clone();
    }
    if let Some(node) = node {
        pod["spec"]["nodeName"] = node.into();
    }
    let created = stamp(world.now);
    pod["metadata"]["managedFields"] = pod::managed_fields(&pod, &created, &created);
    world.schedule_turn(&pod, SCHEDULING, Turn::Schedule);
    let stored = world.store.put(Resource::Pods, pod);
    world.touched(&stored);
}

/// Lets a pod terminate.
fn stop(world: &mut World, pod: &Value) {
    let mut value = pod.clone();
    pod::terminate(&mut value, world.now);
    world.schedule_turn(&value, STOPPING, Turn::Gone);
    let stored = world.store.put(Resource::Pods, value);
    world.touched(&stored);
}

/// Writes an object unless nothing but its revision would change.
pub(super) fn put_if_changed(world: &mut World, resource: Resource, mut value: Value) {
    let (namespace, name) =
        (text(&value, "/metadata/namespace").to_owned(), text(&value, "/metadata/name").to_owned());
    if let Some(stored) = world.store.get(resource, &namespace, &name) {
        let stored = stored.value();
        value["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
        if stored == value {
            return;
        }
    }
    world.store.put(resource, value);
}
