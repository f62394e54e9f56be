//! Looking into a container, and giving containers a fresh environment: what is asked first, and what comes of it.
//!
//! Only `app` uses it. Nothing here happens by itself: a look into a container follows its key, a restart follows a
//! confirmation that names every object.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::env::findings::service_findings;
use crate::model::env::restart::Plan;
use crate::model::env::reverse::{Miss, containers_missing};
use crate::model::env::verify::{Actual, Form, Verification, verify};
use crate::model::env::{self, Secrets};
use crate::model::pod::ContainerState;
use crate::model::{ClusterSnapshot, Finding, Kind, ObjectKey, Pod, Text};

use super::App;
use super::effect::{Effect, Id};
use super::overlay::{Confirm, Overlay};
use super::panes::EnvironmentPane;
use super::problem::Problem;
use super::state::{Pane, Tone};

/// What a container printed when it was asked for its environment. `Debug` prints no value.
#[derive(Clone, PartialEq, Eq)]
pub struct Printed {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// How they are to be read.
    pub form: Form,
    /// How they were got (`exec env`).
    pub by: Text,
}

impl std::fmt::Debug for Printed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Printed({} bytes by {})", self.bytes.len(), self.by)
    }
}

/// A look into a container.
#[derive(Clone, Debug)]
pub struct Look {
    /// Into which.
    pub of: (ObjectKey, Text),
    /// When that container had started: after a restart the look is of another one.
    started: Option<crate::model::time::Timestamp>,
    /// What came of it.
    pub state: LookState,
}

/// How a look into a container stands.
#[derive(Clone, Debug)]
pub enum LookState {
    /// Under way.
    Asked(Id),
    /// What is there, as it was printed.
    Printed(Arc<Printed>),
    /// Nothing could be seen; why.
    Failed(Problem),
}

/// The running containers that lack a Service's variables or hold old ones: found once for each state of the cluster.
#[derive(Clone, Debug)]
pub struct Lacking {
    /// Of which state.
    snapshot: Arc<ClusterSnapshot>,
    /// Of which Service.
    service: ObjectKey,
    /// The containers.
    pub containers: Vec<Miss>,
    /// The same as findings.
    pub findings: Vec<Finding>,
}

impl App {
    /// Finds out again who lacks the selected Service's variables, if a page shows it and something changed.
    pub(super) fn refresh_lacking(&mut self) {
        let shown =
            self.overlays.iter().any(|o| matches!(o, Overlay::Missing { .. } | Overlay::Detail { .. }));
        let Some(facts) = self.selected_service().filter(|_| shown).cloned() else {
            self.lacking = None;
            return;
        };
        let current = self
            .lacking
            .as_ref()
            .is_some_and(|l| Arc::ptr_eq(&l.snapshot, &self.snapshot) && l.service == *facts.key());
        if !current {
            self.lacking = Some(Lacking {
                snapshot: self.snapshot.clone(),
                service: facts.key().clone(),
                containers: containers_missing(&self.snapshot, &facts.service),
                findings: service_findings(&self.snapshot, &facts.service),
            });
        }
    }

    /// Asks the open container for its real environment.
    pub(super) fn look_into(&mut self) -> Vec<Effect> {
        let Some(EnvironmentPane::Container { pod, container, environment, .. }) = &self.panes.environment
        else {
            let text = match self.forbidden(Kind::Pod) {
                Some(right) => format!("not allowed: {right}, so no container is known to look into"),
                None => "no container's environment is open".to_owned(),
            };
            self.notify(Tone::Note, text);
            return vec![];
        };
        if self.is_saved() {
            self.notify(Tone::Note, "a saved file is shown: there is no container to look into");
            return vec![];
        }
        let of = (pod.key.clone(), container.clone());
        if !matches!(environment.state, Some(ContainerState::Running(_))) {
            let text = format!("{container} is not running: there is nothing to look into");
            self.notify(Tone::Note, text);
            return vec![];
        }
        let started = environment.started();
        let (pod, container) = of.clone();
        let id = self.id();
        self.look = Some(Look { of, started, state: LookState::Asked(id) });
        self.focus_on(Pane::Environment);
        vec![Effect::ReadEnvironment { id, epoch: self.connection.epoch, pod, container }]
    }

    /// What came of a look.
    pub(super) fn looked(&mut self, id: Id, result: Result<Printed, Problem>) {
        let Some(look) = self.look.as_mut().filter(|l| matches!(l.state, LookState::Asked(i) if i == id))
        else {
            return;
        };
        match result {
            Ok(printed) => look.state = LookState::Printed(Arc::new(printed)),
            Err(problem) => {
                look.state = LookState::Failed(problem.clone());
                self.refused(problem);
            }
        }
        self.environment_changed();
    }

    /// The prediction held against the last look, if that was into this container since its last start.
    pub(super) fn verification(
        &self,
        pod: &Pod,
        container: &Text,
        environment: &env::ContainerEnvironment,
    ) -> Option<Verification> {
        let look = self.look.as_ref()?;
        let same = look.of.0 == pod.key && look.of.1 == *container && look.started == environment.started();
        let LookState::Printed(printed) = &look.state else { return None };
        let spec = pod.spec.container(container).filter(|_| same)?;
        let actual = Actual::parse(&printed.bytes, printed.form, environment);
        let secrets = Secrets::Named(&self.environment.revealed);
        Some(verify(environment, spec, &actual, secrets, printed.by.clone()))
    }

    /// Works out what would have to be restarted so that every container has the selected Service's variables.
    pub(super) fn plan_restart(&mut self) -> Vec<Effect> {
        if self.is_saved() {
            self.notify(Tone::Note, "a saved file is shown: there is nothing to restart");
            return vec![];
        }
        if self.read_only {
            self.notify(Tone::Note, "nothing may be changed: read-only is on");
            return vec![];
        }
        let Some(facts) = self.selected_service().cloned() else {
            self.notify(Tone::Note, "go to a Service to restart what lacks its variables");
            return vec![];
        };
        let names: BTreeSet<ObjectKey> =
            containers_missing(&self.snapshot, &facts.service).into_iter().map(|m| m.pod).collect();
        let pods: Vec<Arc<Pod>> =
            names.iter().filter_map(|key| self.snapshot.pod(&key.namespace, &key.name).cloned()).collect();
        if pods.is_empty() {
            let text = format!("no running container lacks the variables of {}", facts.key().name);
            self.notify(Tone::Done, text);
            return vec![];
        }
        let id = self.id();
        self.planning = Some((id, facts.key().clone()));
        self.notify(Tone::Note, "reading what owns the pods, and what you may change");
        vec![Effect::PlanRestart { id, epoch: self.connection.epoch, pods }]
    }

    /// A plan has been made: it is shown, and nothing is done before a person agrees.
    pub(super) fn planned(&mut self, id: Id, result: Result<Plan, Problem>) {
        let Some((_, service)) = self.planning.take_if(|(waiting, _)| *waiting == id) else { return };
        self.notices.clear();
        let plan = match result {
            Ok(plan) => plan,
            Err(problem) => return self.refused(problem),
        };
        let mut lines: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
        if plan.possible().next().is_none() {
            let title = "Nothing can be restarted from here".to_owned();
            self.overlays.push(Overlay::Text { title, lines, offset: 0 });
            return;
        }
        lines.push(String::new());
        lines.push(match plan.pods() {
            1 => "In all 1 pod ends.".to_owned(),
            n => format!("In all {n} pods end."),
        });
        let loses = plan
            .steps
            .iter()
            .any(|s| matches!(s, crate::model::env::restart::Step::Delete { owner: None, .. }));
        let title = format!("Restart what lacks the variables of {}?", service.name);
        let yes = vec![Effect::Restart { epoch: self.connection.epoch, plan }];
        // What nobody makes again takes more than one key.
        let confirm =
            if loses { Confirm::typed(title, lines, "delete", yes) } else { Confirm::new(title, lines, yes) };
        self.overlays.push(Overlay::Confirm(confirm));
    }

    /// What came of one step of a restart.
    pub(super) fn restarted(&mut self, result: Result<String, Problem>) {
        match result {
            Ok(done) => self.notify(Tone::Done, done),
            Err(problem) => self.refused(problem),
        }
    }
}
