//! The few writes that the demo takes: deleting pods, and patching and scaling workloads.

use super::body::{Answer, answer, json, whole};
use super::request::{Query, Target};
use super::server::Shared;
use super::status::Refusal;
use crate::demo::resource::Resource;
use hyper::StatusCode;
use serde_json::{Value, json as object};

/// What a patch may be written in here; strategic merge is the same for maps, which is all a restart touches.
const PATCH_TYPES: [&str; 2] = ["application/strategic-merge-patch+json", "application/merge-patch+json"];

/// `DELETE` of one pod: it terminates, and its controller replaces it.
pub(in crate::demo) fn delete(
    shared: &Shared,
    target: &Target,
    query: &Query,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let (Resource::Pods, Some(name)) = (target.resource, target.name.as_deref()) else {
        let name = target.name.as_deref().unwrap_or_default();
        let there = shared.world().store.get(target.resource, namespace, name).is_some();
        // A real server would delete it; the demo keeps everything but pods.
        return Err(if there { Refusal::not_allowed() } else { Refusal::not_found(target.resource, name) });
    };
    check_dry_run("DeleteOptions", query)?;
    let options: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut world = shared.world();
    let pod = world
        .store
        .get(Resource::Pods, namespace, name)
        .ok_or_else(|| Refusal::not_found(Resource::Pods, name))?;
    if let Some(wanted) = options.pointer("/preconditions/uid").and_then(Value::as_str) {
        let value = pod.value();
        let found = value.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
        if found != wanted {
            return Err(Refusal::another_object(Resource::Pods, name, wanted, found));
        }
    }
    let dry = query.get("dryRun") == "All" || options["dryRun"][0] == "All";
    let last = if dry {
        pod
    } else {
        let at_once = options["gracePeriodSeconds"] == 0 || query.get("gracePeriodSeconds") == "0";
        world.delete_pod(namespace, name, at_once).unwrap_or(pod)
    };
    Ok(answer(StatusCode::OK, "application/json", whole(last.whole(Resource::Pods))))
}

/// `PATCH` of a workload or of its scale.
pub(in crate::demo) fn patch(
    shared: &Shared,
    target: &Target,
    query: &Query,
    kind: &str,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let (resource, Some(name)) = (target.resource, target.name.as_deref()) else {
        return Err(Refusal::not_allowed());
    };
    let scaling = match target.sub.as_deref() {
        None => false,
        Some("scale") => true,
        Some(_) => return Err(Refusal::no_such_kind()),
    };
    if !resource.patchable() || (scaling && resource == Resource::DaemonSets) {
        return Err(Refusal::not_allowed());
    }
    let kind = kind.split(';').next().unwrap_or_default();
    if !PATCH_TYPES.contains(&kind) {
        return Err(Refusal::unsupported_media());
    }
    check_dry_run("PatchOptions", query)?;
    let patch: Value = serde_json::from_slice(body).map_err(|error| {
        let words =
            if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() };
        Refusal::bad_request(format!("error decoding patch: {words}"))
    })?;
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let mut world = shared.world();
    let old = world.store.get(resource, namespace, name).ok_or_else(|| Refusal::not_found(resource, name))?;
    let mut new = old.value();
    if scaling {
        new["spec"]["replicas"] = patch.pointer("/spec/replicas").cloned().unwrap_or_default();
    } else {
        if patch
            .pointer("/metadata/resourceVersion")
            .is_some_and(|version| version.as_str().and_then(|text| text.parse().ok()) != Some(old.version))
        {
            return Err(Refusal::conflict(resource, name));
        }
        merge(&mut new, &patch);
    }
    check(resource, name, &old.value(), &new)?;
    if query.get("dryRun") != "All" {
        world.change_workload(resource, new.clone());
    }
    let now = world.store.get(resource, namespace, name).unwrap_or(old);
    drop(world);
    if scaling {
        return Ok(json(StatusCode::OK, &scale(&now.value())));
    }
    Ok(answer(StatusCode::OK, "application/json", whole(now.whole(resource))))
}

/// The `scale` of a workload.
pub(in crate::demo) fn scale(workload: &Value) -> Value {
    let metadata = &workload["metadata"];
    let copy = |key: &str| metadata[key].clone();
    object!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": copy("name"), "namespace": copy("namespace"), "uid": copy("uid"),
            "resourceVersion": copy("resourceVersion"), "creationTimestamp": copy("creationTimestamp"),
        },
        "spec": {"replicas": workload["spec"]["replicas"]},
        "status": {"replicas": workload["status"]["replicas"]},
    })
}

/// JSON merge patch (RFC 7396).
fn merge(value: &mut Value, patch: &Value) {
    let Some(changes) = patch.as_object() else {
        value.clone_from(patch);
        return;
    };
    if !value.is_object() {
        *value = object!({});
    }
    for (key, change) in changes {
        if change.is_null() {
            if let Some(map) = value.as_object_mut() {
                map.shift_remove(key);
            }
        } else {
            merge(&mut value[key], change);
        }
    }
}

/// The only value that `dryRun` can have.
fn check_dry_run(options: &str, query: &Query) -> Result<(), Refusal> {
    match query.get("dryRun") {
        "" | "All" => Ok(()),
        other => {
            let why = format!("Unsupported value: [\"{other}\"]: supported values: \"All\"");
            Err(Refusal::options(options, "dryRun", "FieldValueNotSupported", why))
        }
    }
}

/// What the API server would refuse to store.
fn check(resource: Resource, name: &str, old: &Value, new: &Value) -> Result<(), Refusal> {
    let invalid = |field: &str, why: String| {
        let about = (resource.info().group, resource.info().kind, name);
        Err(Refusal::invalid(about, field, "FieldValueInvalid", format!("Invalid value: {why}")))
    };
    let (changed, metadata) = (&new["metadata"], &old["metadata"]);
    if changed["name"] != metadata["name"] {
        return Err(Refusal::bad_request(format!(
            "the name of the object ({}) does not match the name on the URL ({name})",
            changed["name"].as_str().unwrap_or_default()
        )));
    }
    if changed["uid"] != metadata["uid"] {
        return invalid("metadata.uid", format!("{}: field is immutable", changed["uid"]));
    }
    if new["spec"]["selector"] != old["spec"]["selector"] {
        return invalid("spec.selector", format!("{}: field is immutable", new["spec"]["selector"]));
    }
    if resource == Resource::DaemonSets {
        return Ok(());
    }
    let replicas = &new["spec"]["replicas"];
    if replicas.as_i64().is_some_and(|replicas| replicas < 0) {
        return invalid("spec.replicas", format!("{replicas}: must be greater than or equal to 0"));
    }
    if replicas.as_u64().is_none_or(|replicas| replicas > 50) {
        return invalid("spec.replicas", format!("{replicas}: must be from 0 to 50 in the demo"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging() {
        let mut value = object!({"a": {"b": 1, "c": 2}, "d": [1]});
        merge(&mut value, &object!({"a": {"b": null, "x": {"y": 1}}, "d": [2, 3]}));
        assert_eq!(value, object!({"a": {"c": 2, "x": {"y": 1}}, "d": [2, 3]}));
    }
}
