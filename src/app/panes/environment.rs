//! The lines of the Environment pane for one container: predicted, grouped, in the order in which they are read.
//!
//! Only [`super`] uses it.

use std::sync::Arc;

use super::{EnvRow, EnvironmentPane, Subject};
use crate::model::env::{self, ContainerEnvironment, NamespaceVariables, Origin};
use crate::model::{ClusterSnapshot, ObjectKey, Pod, Text};

/// The environment of one container of a pod, as the pane shows it.
pub(super) fn of(
    snapshot: &ClusterSnapshot,
    options: &env::Options<'_>,
    pod: Arc<Pod>,
    container: Text,
    subject: &Subject,
) -> EnvironmentPane {
    let table = NamespaceVariables::new(snapshot, &pod.key.namespace);
    // The caller has looked the container up.
    let spec = pod.spec.container(&container);
    let environment = match spec {
        Some(spec) => env::predict(snapshot, &table, &pod, spec, options),
        None => return EnvironmentPane::Service(Vec::new()),
    };
    let first = match subject {
        Subject::Service(facts) => Some(facts.key()),
        Subject::Pod(_) => None,
    };
    let rows = rows_of(&environment, first);
    EnvironmentPane::Container { pod, container, environment: Box::new(environment), rows }
}

/// Groups: the selected Service's variables, what comes from the pod itself, then the other Services by name.
fn rows_of(environment: &ContainerEnvironment, first: Option<&ObjectKey>) -> Vec<EnvRow> {
    let mut groups: std::collections::BTreeMap<(u8, Option<&ObjectKey>), Vec<EnvRow>> =
        std::collections::BTreeMap::new();
    for variable in environment.variables() {
        let service = if variable.origin == Origin::Service { variable.service } else { None };
        let rank = match service {
            Some(key) if Some(key) == first => 0,
            None => 1,
            Some(_) => 2,
        };
        groups.entry((rank, service)).or_default().push(EnvRow::Variable(variable.name.into()));
    }
    groups
        .into_iter()
        .flat_map(|((_, service), rows)| std::iter::once(EnvRow::Heading(service.cloned())).chain(rows))
        .collect()
}
