//! Reads `assets/demo/world.yaml`: manifests as people write them, with their age, into objects as a cluster has them.
//!
//! Beside the manifest's own fields an entry may have: `age` (how long it exists), `edited` (a later change of a
//! Service: `{age, manager, before}`, with the ports of before), and for workloads `hash` (the revision its pods are named by), `pods` (those that
//! exist, see [`Plan`]), `spare` (the addresses that later pods get) and `becomes: crashing`. A bare Pod has the
//! fields of a plan itself.

use super::controllers::{owner_reference, replica_set};
use super::pod::{self, Stage, set_default, stamp};
use super::{Turn, World, service};
use crate::demo::resource::Resource;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

/// A pod that exists when the world begins.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Plan {
    /// The end of its name, after the workload's (and revision's).
    name: String,
    /// Its IPv4 address; the node goes by it.
    ip: String,
    /// How long it exists.
    age: String,
    /// How long its containers run; as long as it exists if unset.
    started: String,
    /// `ready` (default), `unready`, `creating`, `pending`, `crashing`, `succeeded`, `terminating`.
    state: String,
    /// For how long it has been in this state.
    since: String,
    restarts: Restarts,
}

/// What is known of earlier runs of a pod's first container.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Restarts {
    count: u32,
    /// How the last run ended.
    reason: String,
    code: i32,
}

/// Fills a world.
pub(super) fn load(world: &mut World, text: &str) -> Result<(), String> {
    let options = serde_saphyr::options! { budget: None };
    let entries: Vec<Value> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())?;
    for entry in entries {
        let name = entry.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        self::entry(world, entry).map_err(|why| format!("{name}: {why}"))?;
    }
    let services: Vec<_> = world.store.list(Resource::Services, None).cloned().collect();
    for one in services {
        world.work.insert(super::Work::Service((one.namespace.clone(), one.name.clone())));
    }
    Ok(())
}

/// Makes one more object, from a manifest as in the file, now.
pub(super) fn create(world: &mut World, manifest: &str) -> Result<(), String> {
    let entry: Value = serde_saphyr::from_str(manifest).map_err(|error| error.to_string())?;
    let text = |path: &str| entry.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let key = (text("/metadata/namespace"), text("/metadata/name"));
    let start = std::mem::replace(&mut world.start, world.now);
    let made = self::entry(world, entry);
    world.start = start;
    world.work.insert(super::Work::Service(key));
    made
}

/// Reads `3d`, `2h30m`, `45s`.
pub(super) fn duration(text: &str) -> Result<SignedDuration, String> {
    let (mut seconds, mut number) = (0_i64, String::new());
    for letter in text.chars() {
        let unit = match letter {
            '0'..='9' => {
                number.push(letter);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return Err(format!("not a duration: {text}")),
        };
        seconds += unit * number.parse::<i64>().map_err(|_| format!("not a duration: {text}"))?;
        number.clear();
    }
    if number.is_empty() {
        Ok(SignedDuration::from_secs(seconds))
    } else {
        Err(format!("not a duration: {text}"))
    }
}

fn take(entry: &mut Value, key: &str) -> Value {
    entry.as_object_mut().and_then(|map| map.shift_remove(key)).unwrap_or_default()
}

fn ago(world: &World, age: &Value) -> Result<Timestamp, String> {
    Ok(world.start - duration(age.as_str().unwrap_or("0s"))?)
}

fn entry(world: &mut World, mut entry: Value) -> Result<(), String> {
    let kind = take(&mut entry, "kind");
    let resource =
        Resource::by_kind(kind.as_str().unwrap_or_default()).ok_or_else(|| format!("kind {kind}"))?;
    let created = ago(world, &take(&mut entry, "age"))?;
    if resource.info().namespaced {
        set_default(&mut entry["metadata"], "namespace", json!("default"));
    }
    entry["metadata"]["uid"] = world.random.uid().into();
    entry["metadata"]["creationTimestamp"] = stamp(created).into();
    match resource {
        Resource::Services => {
            let edited = take(&mut entry, "edited");
            service::complete(&mut entry);
            let edit = match edited["manager"].as_str() {
                Some(manager) => {
                    let changed = ago(world, &edited["age"])?;
                    let key = |key: &str| entry["metadata"][key].as_str().unwrap_or_default().to_owned();
                    let mut before = json!({"metadata": {}, "spec": {"ports": edited["before"]}});
                    service::complete(&mut before);
                    world
                        .former
                        .insert((key("namespace"), key("name")), (changed, before["spec"]["ports"].clone()));
                    Some((manager, changed))
                }
                None => None,
            };
            entry["metadata"]["managedFields"] = service::managed_fields(&entry, created, edit);
        }
        Resource::Namespaces => {
            let name = entry["metadata"]["name"].clone();
            entry["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
            entry["spec"] = json!({"finalizers": ["kubernetes"]});
            entry["status"] = json!({"phase": "Active"});
        }
        Resource::Secrets => encode(&mut entry),
        Resource::Pods => return bare_pod(world, entry, created),
        Resource::Deployments | Resource::StatefulSets | Resource::DaemonSets => {
            return workload(world, resource, entry, created);
        }
        Resource::EndpointSlices => {
            entry["metadata"]["labels"]["kubernetes.io/service-name"] = entry["service"].clone();
            take(&mut entry, "service");
        }
        _ => {}
    }
    world.store.put(resource, entry);
    Ok(())
}

/// Secrets are written in plain text in the file.
fn encode(secret: &mut Value) {
    use base64::Engine as _;
    let plain = take(secret, "stringData");
    for (key, value) in plain.as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        secret["data"][key] = base64::engine::general_purpose::STANDARD.encode(text).into();
    }
    set_default(secret, "type", json!("Opaque"));
}

fn bare_pod(world: &mut World, mut entry: Value, created: Timestamp) -> Result<(), String> {
    let mut plan = serde_json::Map::new();
    for key in ["ip", "started", "state", "since", "restarts"] {
        let value = take(&mut entry, key);
        if !value.is_null() {
            plan.insert(key.to_owned(), value);
        }
    }
    let plan: Plan = serde_json::from_value(plan.into()).map_err(|error| error.to_string())?;
    let metadata = &entry["metadata"];
    let text = |key: &str| metadata[key].as_str().unwrap_or_default().to_owned();
    let mut pod = pod::from_template(&entry, &text("namespace"), &text("name"), &text("uid"), created);
    live(world, &mut pod, &plan, created)?;
    world.store.put(Resource::Pods, pod);
    Ok(())
}

fn workload(
    world: &mut World,
    resource: Resource,
    mut entry: Value,
    created: Timestamp,
) -> Result<(), String> {
    let plans: Vec<Plan> =
        serde_json::from_value(take(&mut entry, "pods")).map_err(|error| error.to_string())?;
    let spare: Vec<String> = serde_json::from_value(take(&mut entry, "spare")).unwrap_or_default();
    let hash = take(&mut entry, "hash").as_str().unwrap_or_default().to_owned();
    let crashing = take(&mut entry, "becomes") == "crashing";
    let metadata = &mut entry["metadata"];
    metadata["generation"] = 1.into();
    if resource == Resource::Deployments {
        metadata["annotations"]["deployment.kubernetes.io/revision"] = "1".into();
    }
    let labels = entry["spec"]["template"]["metadata"]["labels"].clone();
    entry["spec"]["selector"] = json!({"matchLabels": labels});
    let name = entry["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let namespace = entry["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    let key = (namespace.clone(), name.clone());
    let revision = format!("{name}-{hash}");
    match resource {
        Resource::Deployments => complete_deployment(&mut entry),
        Resource::StatefulSets => {
            set_default(&mut entry["spec"], "podManagementPolicy", json!("OrderedReady"));
            entry["status"] = json!({"currentRevision": revision, "updateRevision": revision, "replicas": 0});
        }
        _ => entry["status"] = json!({"demoRevision": hash}),
    }
    world.store.put(resource, entry.clone());
    let controller = if resource == Resource::Deployments {
        let set = replica_set(&entry, &hash, 1, &world.random.uid(), &stamp(created));
        world.store.put(Resource::ReplicaSets, set.clone());
        (Resource::ReplicaSets, set)
    } else {
        (resource, entry.clone())
    };
    world.free.insert((resource, key.clone()), spare.into());
    if crashing {
        world.crashing.insert((resource, key.clone()));
    }
    for plan in plans {
        let stem = if resource == Resource::Deployments { &revision } else { &name };
        let pod_name = format!("{stem}-{}", plan.name);
        let uid = world.random.uid();
        let born = ago(world, &json!(plan.age))?;
        let mut pod =
            pod::from_template(&controller.1["spec"]["template"], &namespace, &pod_name, &uid, born);
        pod["metadata"]["generateName"] = format!("{stem}-").into();
        pod["metadata"]["ownerReferences"] = owner_reference(controller.0, &controller.1);
        match resource {
            Resource::StatefulSets => {
                pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"] = plan.name.clone().into();
                pod["metadata"]["labels"]["controller-revision-hash"] = revision.clone().into();
                pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] = pod_name.clone().into();
                pod["spec"]["hostname"] = pod_name.into();
                pod["spec"]["subdomain"] = entry["spec"]["serviceName"].clone();
            }
            Resource::DaemonSets => {
                pod["metadata"]["labels"]["controller-revision-hash"] = hash.clone().into();
                pod["metadata"]["labels"]["pod-template-generation"] = "1".into();
            }
            _ => {}
        }
        world.lent.insert(uid, (resource, key.clone(), plan.ip.clone()));
        live(world, &mut pod, &plan, born)?;
        world.store.put(Resource::Pods, pod);
    }
    world.work.insert(super::Work::Workload(resource, key));
    Ok(())
}

fn complete_deployment(entry: &mut Value) {
    set_default(&mut entry["spec"], "replicas", json!(1));
    for (key, value) in [
        (
            "strategy",
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}),
        ),
        ("revisionHistoryLimit", json!(10)),
        ("progressDeadlineSeconds", json!(600)),
    ] {
        set_default(&mut entry["spec"], key, value);
    }
    entry["status"] = json!({"replicas": 0});
}

/// Lets a pod live through its life so far.
fn live(world: &mut World, pod: &mut Value, plan: &Plan, born: Timestamp) -> Result<(), String> {
    let state = if plan.state.is_empty() { "ready" } else { plan.state.as_str() };
    let since = if plan.since.is_empty() { None } else { Some(ago(world, &json!(plan.since))?) };
    let created = stamp(born);
    if state == "pending" {
        pod["metadata"]["managedFields"] = pod::managed_fields(pod, &created, &created);
        return Ok(());
    }
    pod::place(pod, &plan.ip);
    pod::stage(pod, &Stage::Creating, born);
    let started = if plan.started.is_empty() {
        born + SignedDuration::from_secs(2)
    } else {
        ago(world, &json!(plan.started))?
    };
    if state != "creating" {
        pod::give_address(pod, &plan.ip);
        pod::stage(pod, &Stage::Running, started);
    }
    match state {
        "creating" => {}
        "ready" => pod::stage(pod, &Stage::Ready, started + SignedDuration::from_secs(2)),
        "unready" => {
            let ready = started + SignedDuration::from_secs(2);
            pod::stage(pod, &Stage::Ready, ready);
            pod::stage(pod, &Stage::Running, since.unwrap_or(ready));
        }
        "crashing" => pod::stage(pod, &Stage::Crashing, since.unwrap_or(started)),
        "succeeded" => pod::stage(pod, &Stage::Succeeded, since.unwrap_or(started)),
        "terminating" => {
            pod::stage(pod, &Stage::Ready, started + SignedDuration::from_secs(2));
            let told = since.unwrap_or(world.start);
            pod::terminate(pod, told);
            let grace = pod["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
            let left = SignedDuration::from_secs(grace) - world.start.duration_since(told);
            world.schedule_turn(pod, left, Turn::Gone);
        }
        other => return Err(format!("unknown state {other}")),
    }
    if plan.restarts.count > 0 {
        restarted(pod, &plan.restarts, started);
    }
    pod["metadata"]["managedFields"] =
        pod::managed_fields(pod, &created, &stamp(since.unwrap_or(started + SignedDuration::from_secs(2))));
    Ok(())
}

/// Notes earlier runs of the first container.
fn restarted(pod: &mut Value, restarts: &Restarts, started: Timestamp) {
    let status = &mut pod["status"]["containerStatuses"][0];
    status["restartCount"] = restarts.count.into();
    let ended = started - SignedDuration::from_secs(1);
    let began = ended - SignedDuration::from_hours(5);
    if status["lastState"].as_object().is_none_or(serde_json::Map::is_empty) {
        status["lastState"] =
            json!({"terminated": pod::terminated(restarts.code, &restarts.reason, began, ended)});
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("2d3h").unwrap(), SignedDuration::from_hours(51));
        assert_eq!(duration("90s").unwrap(), SignedDuration::from_secs(90));
        assert!(duration("5").is_err());
        assert!(duration("x").is_err());
    }
}
