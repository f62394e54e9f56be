//! The lines of the Environment pane for one container: predicted, grouped, in the order in which they are read.
//!
//! Only [`super`] uses it.

use std::sync::Arc;

use super::{EnvRow, EnvironmentPane, Subject};
use crate::app::App;
use crate::app::environment::EnvironmentView;
use crate::model::env::verify::Verification;
use crate::model::env::{self, ContainerEnvironment, NamespaceVariables, Origin};
use crate::model::{ClusterSnapshot, ObjectKey, Pod, Text};

/// The environment of one container of a pod, as the pane shows it.
pub(super) fn of(
    snapshot: &ClusterSnapshot,
    options: &env::Options<'_>,
    (pod, container): (Arc<Pod>, Text),
    subject: &Subject,
    app: &App,
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
    let verification = app.verification(&pod, &container, &environment).map(Box::new);
    let (rows, counts) = rows_of(&environment, first, &app.environment, verification.as_deref());
    let findings = env::findings::findings(&environment, &pod);
    let environment = Box::new(environment);
    EnvironmentPane::Container { pod, container, environment, rows, counts, findings, verification }
}

/// Lists the lines again after what a person wants to see changed; the prediction stands.
pub(super) fn relist(pane: &mut EnvironmentPane, subject: Option<&Subject>, wish: &EnvironmentView) {
    let EnvironmentPane::Container { environment, rows, counts, verification, .. } = pane else { return };
    let first = match subject {
        Some(Subject::Service(facts)) => Some(facts.key()),
        Some(Subject::Pod(_)) | None => None,
    };
    (*rows, *counts) = rows_of(environment, first, wish, verification.as_deref());
}

/// Groups: the selected Service's variables, what comes from the pod itself, then the other Services by name.
/// With them how many variables there are, and how many are shown.
fn rows_of(
    environment: &ContainerEnvironment,
    first: Option<&ObjectKey>,
    wish: &EnvironmentView,
    verification: Option<&Verification>,
) -> (Vec<EnvRow>, (usize, usize)) {
    let (mut all, mut shown) = (0, 0);
    let mut groups: std::collections::BTreeMap<(u8, Option<&ObjectKey>), Vec<EnvRow>> =
        std::collections::BTreeMap::new();
    for variable in environment.variables() {
        all += 1;
        let check = verification.and_then(|v| v.get(variable.name));
        if !wish.shows(&variable, check) {
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
    let mut rows: Vec<EnvRow> = groups
        .into_iter()
        .flat_map(|((_, service), rows)| std::iter::once(EnvRow::Heading(service.cloned())).chain(rows))
        .collect();
    let besides: Vec<_> = verification.into_iter().flat_map(Verification::unpredicted).collect();
    all += besides.len();
    let besides: Vec<_> = besides.into_iter().filter(|check| wish.shows_besides(check)).collect();
    shown += besides.len();
    if !besides.is_empty() {
        rows.push(EnvRow::Besides);
        rows.extend(besides.into_iter().map(|check| EnvRow::Unpredicted((&*check.name).into())));
    }
    (rows, (all, shown))
}
