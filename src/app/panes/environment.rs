//! The lines of the Environment pane for one container: predicted, grouped, in the order in which they are read.
//!
//! Only [`super`] uses it.

use std::sync::Arc;

use super::{EnvRow, EnvironmentPane, Subject};
use crate::app::environment::EnvironmentView;
use crate::model::env::{self, ContainerEnvironment, NamespaceVariables, Origin};
use crate::model::{ClusterSnapshot, ObjectKey, Pod, Text};

/// The environment of one container of a pod, as the pane shows it.
pub(super) fn of(
    snapshot: &ClusterSnapshot,
    options: &env::Options<'_>,
    (pod, container): (Arc<Pod>, Text),
    subject: &Subject,
    wish: &EnvironmentView,
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
    let (rows, counts) = rows_of(&environment, first, wish);
    let findings = env::findings::findings(&environment, &pod);
    EnvironmentPane::Container { pod, container, environment: Box::new(environment), rows, counts, findings }
}

/// Groups: the selected Service's variables, what comes from the pod itself, then the other Services by name.
/// With them how many variables there are, and how many are shown.
fn rows_of(
    environment: &ContainerEnvironment,
    first: Option<&ObjectKey>,
    wish: &EnvironmentView,
) -> (Vec<EnvRow>, (usize, usize)) {
    let (mut all, mut shown) = (0, 0);
    let mut groups: std::collections::BTreeMap<(u8, Option<&ObjectKey>), Vec<EnvRow>> =
        std::collections::BTreeMap::new();
    for variable in environment.variables() {
        all += 1;
        if !wish.shows(&variable) {
            continue;
        }
        shown += 1;
        let service = if variable.origin == Origin::Service { variable.service } else { None };
        let rank = match service {
            Some(key) if Some(key) == first => 0,
            None => 1,
            Some(_) => 2,
        };
        groups.entry((rank, service)).or_default().push(EnvRow::Variable(variable.name.into()));
    }
    let rows = groups
        .into_iter()
        .flat_map(|((_, service), rows)| std::iter::once(EnvRow::Heading(service.cloned())).chain(rows))
        .collect();
    (rows, (all, shown))
}
