//! Which container the Environment pane shows, and which comes next.

use std::sync::Arc;

use super::{App, Subject};
use crate::app::state::Viewpoint;
use crate::model::{ObjectKey, Pod, Text, join};

impl App {
    /// The container whose environment is shown: the viewpoint's, the one that was chosen, or the first container
    /// of the subject's first pod.
    pub(super) fn container(&self, subject: &Subject) -> Option<(ObjectKey, Text)> {
        if let Viewpoint::Container { pod, container } = &self.viewpoint {
            return Some((pod.clone(), container.clone()));
        }
        self.container_choice.clone().or_else(|| self.containers(subject).into_iter().next())
    }

    /// Stays with the container that is shown while it exists, whatever other pods come and go.
    pub(super) fn keep_container(&mut self, subject: &Subject) {
        let candidates = self.containers(subject);
        if self.container_choice.as_ref().is_none_or(|choice| !candidates.contains(choice)) {
            self.container_choice = candidates.into_iter().next();
        }
    }

    /// All containers that the Environment pane can show for a subject, the main ones of ready pods first.
    pub(super) fn containers(&self, subject: &Subject) -> Vec<(ObjectKey, Text)> {
        let of = |pod: &Pod| {
            let mut containers: Vec<_> = pod.spec.containers.iter().collect();
            containers.sort_by_key(|c| c.role != crate::model::pod::ContainerRole::Main);
            containers.into_iter().map(|c| (pod.key.clone(), c.name.clone())).collect::<Vec<_>>()
        };
        match subject {
            Subject::Pod(pod) => of(pod),
            Subject::Service(facts) => {
                let key = facts.key();
                let mut pods: Vec<&Arc<Pod>> = self
                    .snapshot
                    .pods_in(&key.namespace)
                    .iter()
                    .filter(|p| facts.service.selector.selects(&p.labels) && !p.finished())
                    .collect();
                pods.sort_by_key(|p| (p.deleting.is_some(), !p.is_ready()));
                if pods.is_empty() {
                    // Selector-less Services may still have pods behind.
                    let rows = join::endpoint_rows(facts, &self.snapshot);
                    return rows.iter().filter_map(|r| r.pod.pod()).flat_map(|p| of(p)).collect();
                }
                pods.into_iter().flat_map(|p| of(p)).collect()
            }
        }
    }

    /// Shows the next container in the Environment pane.
    pub(in crate::app) fn next_container(&mut self) {
        let Some(subject) = self.panes.subject.clone() else { return };
        if self.viewpoint != Viewpoint::Selection {
            self.viewpoint = Viewpoint::Selection;
        }
        let all = self.containers(&subject);
        let now = self.container(&subject);
        let at = all.iter().position(|c| Some(c) == now.as_ref());
        self.container_choice = match at {
            Some(at) => all.get((at + 1) % all.len()).cloned(),
            None => all.into_iter().next(),
        };
        self.repane();
    }
}
