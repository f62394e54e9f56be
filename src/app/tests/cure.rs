//! Looking into containers, and restarts: nothing happens unasked.

use super::environment::{hour, settled};
use super::*;
use crate::app::cure::{LookState, Printed};
use crate::model::env::restart::{Plan, Step, Workload, WorkloadKind};
use crate::model::env::verify::Form;
use crate::model::pod::ContainerState;

fn look(app: &mut App) -> Id {
    let effects = press(app, &[Action::Verify]);
    let [Effect::ReadEnvironment { id, pod, container, .. }] = &*effects else { panic!("{effects:?}") };
    assert_eq!((&*pod.name, &**container), ("my-app-1", "main"));
    *id
}

fn printed(text: &str) -> Result<Printed, Problem> {
    Ok(Printed { bytes: text.replace('\n', "\0").into_bytes(), form: Form::Nul, by: "exec env".into() })
}

fn verification(app: &App) -> Option<String> {
    let Some(panes::EnvironmentPane::Container { verification, .. }) = &app.panes.environment else {
        panic!()
    };
    verification.as_ref().map(|v| v.summary())
}

#[test]
fn a_look_into_the_container_is_held_against_the_prediction() {
    let mut app = settled();
    let id = look(&mut app);
    app.update(Message::Looked { id: id + 1, result: printed("LATE=1") });
    assert_eq!(verification(&app), None, "another look's result");
    app.update(Message::Looked { id, result: printed("PATH=/bin\nMY_APP_SERVICE_HOST=10.9.9.9\n") });
    let told = verification(&app).unwrap();
    assert!(told.contains("1 different") && told.contains("1 unpredicted"), "{told}");
    let Some(panes::EnvironmentPane::Container { rows, .. }) = &app.panes.environment else { panic!() };
    assert!(rows.contains(&panes::EnvRow::Unpredicted("PATH".into())));
}

#[test]
fn a_restarted_container_has_not_been_looked_into() {
    let mut app = settled();
    let id = look(&mut app);
    app.update(Message::Looked { id, result: printed("PATH=/bin") });
    assert!(verification(&app).is_some());
    let mut snapshot = (*app.snapshot).clone();
    for pod in snapshot.pods.values_mut().flat_map(|pods| Arc::make_mut(pods).iter_mut()) {
        Arc::make_mut(pod).statuses[0].state = ContainerState::Running(Some(samples::now() - hour() / 2));
    }
    app.update(Message::Snapshot(Arc::new(snapshot)));
    assert_eq!(verification(&app), None);
}

#[test]
fn what_could_not_be_seen_is_told() {
    let mut app = settled();
    let id = look(&mut app);
    let problem =
        Problem { what: "cannot run env".into(), why: "no such program".into(), hint: String::new() };
    app.update(Message::Looked { id, result: Err(problem) });
    assert!(matches!(app.look.as_ref().map(|l| &l.state), Some(LookState::Failed(_))));
    assert!(app.notices.iter().any(|n| n.text.contains("no such program")));
}

/// `my-app` is newer than its running pods.
fn late() -> App {
    let mut app = settled();
    let mut snapshot = (*app.snapshot).clone();
    let facts = &mut Arc::make_mut(&mut snapshot.services)[0];
    Arc::make_mut(&mut Arc::make_mut(facts).service).created = Some(samples::now());
    app.update(Message::Snapshot(Arc::new(snapshot)));
    app
}

fn rollout() -> Step {
    Step::Rollout(Workload {
        kind: WorkloadKind::Deployment,
        key: ObjectKey::new("default", "my-app"),
        uid: "u".into(),
        pods: 3,
        paused: false,
        on_delete: false,
    })
}

#[test]
fn a_restart_names_every_object_and_waits_for_a_yes() {
    let mut app = late();
    let effects = press(&mut app, &[Action::Missing, Action::Restart]);
    let [Effect::PlanRestart { id, pods, .. }] = &*effects else { panic!("{effects:?}") };
    let mut names: Vec<_> = pods.iter().map(|p| p.key.to_string()).collect();
    names.sort();
    assert_eq!(names, ["default/my-app-1", "default/my-app-2", "default/mysql-1", "default/mysql-2"]);
    let plan = Plan { steps: vec![rollout()] };
    app.update(Message::RestartPlanned { id: *id, result: Ok(plan.clone()) });
    let Some(Overlay::Confirm(confirm)) = app.overlays.last() else { panic!("a question") };
    assert!(confirm.lines[0].contains("Deployment default/my-app"), "{:?}", confirm.lines);
    assert!(press(&mut app, &[Action::Back]).is_empty(), "no");
    assert!(app.overlays.is_empty());
    let effects = press(&mut app, &[Action::Restart]);
    let [Effect::PlanRestart { id, .. }] = &*effects else { panic!("{effects:?}") };
    app.update(Message::RestartPlanned { id: *id, result: Ok(plan.clone()) });
    assert_eq!(press(&mut app, &[Action::Accept]), [Effect::Restart { epoch: 1, plan }]);
}

#[test]
fn what_nobody_makes_again_takes_a_typed_word() {
    let mut app = late();
    let effects = press(&mut app, &[Action::Restart]);
    let [Effect::PlanRestart { id, .. }] = &*effects else { panic!("{effects:?}") };
    let pod = ObjectKey::new("default", "my-app-1");
    let plan = Plan { steps: vec![Step::Delete { pod, uid: "u".into(), owner: None }] };
    app.update(Message::RestartPlanned { id: *id, result: Ok(plan.clone()) });
    assert_eq!(app.mode(), Mode::Input);
    type_text(&mut app, "delete");
    assert_eq!(press(&mut app, &[Action::Accept]), [Effect::Restart { epoch: 1, plan }]);
}

#[test]
fn read_only_changes_nothing() {
    let mut app = late();
    app.read_only = true;
    assert!(press(&mut app, &[Action::Restart]).is_empty());
    assert!(app.notices.back().is_some_and(|n| n.text.contains("read-only")));
}

#[test]
fn where_nothing_is_missing_nothing_is_planned() {
    let mut app = settled();
    assert!(press(&mut app, &[Action::Restart]).is_empty());
    assert_eq!(app.notices.back().map(|n| n.tone), Some(Tone::Done));
}
