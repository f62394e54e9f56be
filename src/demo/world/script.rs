//! Plays `assets/demo/script.toml`: pods that come and go while one looks.
//!
//! A step has `after` (how long after the one before) and any of: `replace` (the workload's oldest pod is deleted),
//! `ready` and `unready` (of one of its pods), `restart` (of one pod's first container), `scale` with `replicas`,
//! `create` (a manifest as in world.yaml), `delete` (a Service), `records` and `without` (lines of the zone that are
//! there from now on, or no more).

use super::pod::{self, Stage, is_ready, is_terminating, stamp};
use super::{Due, World, file};
use crate::demo::resource::Resource;
use crate::demo::select::selects;
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    step: Vec<Step>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Step {
    after: String,
    replace: String,
    ready: String,
    unready: String,
    restart: String,
    scale: String,
    replicas: u64,
    create: String,
    delete: String,
    records: Vec<String>,
    without: Vec<String>,
}

/// The steps, and which is next.
#[derive(Debug)]
pub(super) struct Script {
    steps: Vec<(SignedDuration, Step)>,
    next: usize,
}

impl Script {
    /// Reads a script.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let written: Written = toml::from_str(text).map_err(|error| error.to_string())?;
        let steps: Result<Vec<_>, String> =
            written.step.into_iter().map(|step| Ok((file::duration(&step.after)?, step))).collect();
        let steps = steps?;
        if steps.iter().all(|(after, _)| after.is_zero()) {
            return Err("a script without any time in it would never end".to_owned());
        }
        Ok(Self { steps, next: 0 })
    }
}

impl World {
    /// Puts the script's next step into the queue.
    pub(super) fn schedule_script(&mut self) {
        if let Some(script) = &self.script {
            let after = script.steps[script.next].0;
            self.schedule(after, Due::Script);
        }
    }

    /// Plays the script's next step.
    pub(super) fn play(&mut self) {
        let Some(script) = &mut self.script else { return };
        let step = script.steps[script.next].1.clone();
        script.next = (script.next + 1) % script.steps.len();
        self.perform(&step);
        self.schedule_script();
    }

    fn perform(&mut self, step: &Step) {
        if let Some((namespace, name)) = step.replace.split_once('/')
            && let Some(pod) = self.pods_of(namespace, name).into_iter().min_by_key(age_key)
        {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            self.delete_pod(namespace, &name, false);
        }
        for (of, wanted) in [(&step.ready, true), (&step.unready, false)] {
            if let Some((namespace, name)) = of.split_once('/')
                && let Some(mut pod) =
                    self.pods_of(namespace, name).into_iter().rfind(|pod| is_ready(pod) != wanted)
            {
                pod::stage(&mut pod, if wanted { &Stage::Ready } else { &Stage::Running }, self.now);
                self.report(pod);
            }
        }
        if let Some((namespace, name)) = step.restart.split_once('/')
            && let Some(pod) = self.pods_of(namespace, name).pop()
        {
            self.restart(pod);
        }
        if let Some((namespace, name)) = step.scale.split_once('/')
            && let Some(workload) = self.store.get(Resource::Deployments, namespace, name)
        {
            let mut value = workload.value();
            value["spec"]["replicas"] = step.replicas.into();
            self.change_workload(Resource::Deployments, value);
        }
        self.perform_objects(step);
    }

    fn perform_objects(&mut self, step: &Step) {
        // What the script's file says has been tried by a test; a step that fails is left out.
        if !step.create.is_empty() {
            let _ = file::create(self, &step.create);
        }
        if let Some((namespace, name)) = step.delete.split_once('/') {
            self.delete_service(namespace, name);
        }
        for line in &step.records {
            let _ = self.zone.add(line);
        }
        for line in &step.without {
            let _ = self.zone.remove(line);
        }
    }

    /// A workload's pods that are not being deleted, in the order of their names.
    fn pods_of(&self, namespace: &str, name: &str) -> Vec<Value> {
        let kinds = [Resource::Deployments, Resource::StatefulSets, Resource::DaemonSets];
        let Some(workload) = kinds.into_iter().find_map(|kind| self.store.get(kind, namespace, name)) else {
            return Vec::new();
        };
        let selector = &workload.value()["spec"]["selector"]["matchLabels"];
        let pods =
            self.store.list(Resource::Pods, Some(namespace)).filter(|pod| selects(selector, &pod.labels));
        pods.map(|pod| pod.value())
            .filter(|pod| !is_terminating(pod) && !pod["status"]["podIP"].is_null())
            .collect()
    }

    /// Stores what a kubelet reports of a pod.
    fn report(&mut self, pod: Value) {
        let stored = self.store.put(Resource::Pods, pod);
        self.touched(&stored);
    }

    /// The first container of a pod exits and is started again, with an environment of now.
    fn restart(&mut self, mut pod: Value) {
        let status = &pod["status"]["containerStatuses"][0];
        let began = status.pointer("/state/running/startedAt").cloned().unwrap_or_default();
        let mut last = pod::terminated(1, "Error", self.now, self.now);
        last["startedAt"] = began;
        let count = status["restartCount"].as_u64().unwrap_or_default() + 1;
        pod["status"]["containerStatuses"][0]["state"] = json!({"running": {"startedAt": stamp(self.now)}});
        pod::stage(&mut pod, &Stage::Running, self.now);
        let status = &mut pod["status"]["containerStatuses"][0];
        status["restartCount"] = count.into();
        status["lastState"] = json!({"terminated": last});
        self.schedule_turn(&pod, super::PROBING, super::Turn::Ready);
        self.report(pod);
    }

    /// Removes a Service and its slices.
    fn delete_service(&mut self, namespace: &str, name: &str) {
        self.store.remove(Resource::Services, namespace, name);
        let label = ("kubernetes.io/service-name".to_owned(), name.to_owned());
        let slices = self.store.list(Resource::EndpointSlices, Some(namespace));
        let slices: Vec<String> =
            slices.filter(|slice| slice.labels.contains(&label)).map(|slice| slice.name.clone()).collect();
        for slice in slices {
            self.store.remove(Resource::EndpointSlices, namespace, &slice);
        }
    }
}

/// Orders pods from the oldest on.
fn age_key(pod: &Value) -> (String, String) {
    let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default().to_owned();
    (text("creationTimestamp"), text("name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_takes_no_time_is_refused() {
        assert!(Script::parse("[[step]]\nafter = \"0s\"\n").is_err());
        assert!(Script::parse("[[step]]\nafter = \"5s\"\nnonsense = 1\n").is_err());
        assert!(Script::parse("[[step]]\nafter = \"5s\"\n").is_ok());
    }
}
