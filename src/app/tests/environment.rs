//! The Environment pane: search, differences, Secret values one by one, export.

use super::*;
use crate::app::environment::ExportForm;
use crate::app::panes::{EnvRow, EnvironmentPane};
use crate::model::pod::{ContainerState, EnvValue, EnvVar, KeyRef};
use crate::model::{ConfigData, Kind};

fn with_secret() -> (App, Arc<ClusterSnapshot>) {
    let (mut app, _) = App::start(samples::now());
    let identity = Identity { context: "prod".into(), namespace: "default".into(), ..Identity::default() };
    app.update(Message::Connected { epoch: 1, identity, scope: NamespaceScope::All });
    let mut pod = samples::pod("default", "my-app-1").labelled("app=my-app");
    let secret = |name: &str| EnvVar {
        name: name.into(),
        value: EnvValue::SecretKey(KeyRef { name: "db".into(), key: "password".into(), optional: false }),
    };
    Arc::make_mut(&mut pod.spec).containers[0].env = [secret("PASSWORD"), secret("OTHER")].into();
    let services = vec![backed(samples::service("default", "my-app").with_port("http", 80, ""))];
    let snapshot = Arc::new(ClusterSnapshot { epoch: 1, ..samples::snapshot(services, vec![pod]) });
    app.update(Message::Snapshot(snapshot.clone()));
    (app, snapshot)
}

/// An explorer whose pods started an hour after their Services were made.
pub(super) fn settled() -> App {
    let mut app = explorer();
    let mut snapshot = (*app.snapshot).clone();
    for facts in Arc::make_mut(&mut snapshot.services) {
        Arc::make_mut(&mut Arc::make_mut(facts).service).created = Some(samples::now() - hour() - hour());
    }
    for pods in snapshot.pods.values_mut() {
        for pod in Arc::make_mut(pods) {
            for status in &mut Arc::make_mut(pod).statuses {
                status.state = ContainerState::Running(Some(samples::now() - hour()));
            }
        }
    }
    app.update(Message::Snapshot(Arc::new(snapshot)));
    app
}

pub(super) fn hour() -> jiff::SignedDuration {
    jiff::SignedDuration::from_hours(1)
}

fn names(app: &App) -> Vec<String> {
    let Some(EnvironmentPane::Container { rows, .. }) = &app.panes.environment else {
        panic!("no container")
    };
    rows.iter()
        .filter_map(|row| match row {
            EnvRow::Variable(name) => Some(name.to_string()),
            _ => None,
        })
        .collect()
}

fn value(app: &App, name: &str) -> Option<String> {
    let Some(EnvironmentPane::Container { environment, .. }) = &app.panes.environment else { panic!() };
    environment.get(name).and_then(|v| v.value.map(str::to_owned))
}

fn go_to(app: &mut App, name: &str) {
    let at = {
        let Some(EnvironmentPane::Container { rows, .. }) = &app.panes.environment else { panic!() };
        rows.iter().position(|r| *r == EnvRow::Variable(name.into())).unwrap()
    };
    app.update(Message::Click { target: Target::PaneRow(Pane::Environment, at), double: false });
}

#[test]
fn the_search_line_of_the_environment_is_its_own() {
    let mut app = explorer();
    press(&mut app, &[Action::PaneEnvironment, Action::Filter]);
    assert_eq!(app.mode(), Mode::Input);
    type_text(&mut app, "my_app_service !http");
    assert_eq!(names(&app), ["MY_APP_SERVICE_HOST", "MY_APP_SERVICE_PORT"]);
    assert_eq!(app.services.rows.len(), 3, "the list keeps its rows");
    press(&mut app, &[Action::Accept]);
    assert_eq!(names(&app).len(), 2);
    press(&mut app, &[Action::Back]);
    assert!(names(&app).len() > 10, "back removes the search first");
    assert_eq!(app.focus, Pane::Environment);
}

#[test]
fn only_differences_leaves_out_what_is_simply_there() {
    let mut app = settled();
    assert!(!names(&app).is_empty());
    press(&mut app, &[Action::Differences]);
    assert_eq!(names(&app), Vec::<String>::new());
    press(&mut app, &[Action::Differences]);
    assert!(!names(&app).is_empty());
    let (mut app, _) = with_secret();
    press(&mut app, &[Action::Differences]);
    let names = names(&app);
    assert!(names.iter().any(|n| n == "PASSWORD"), "what can't be read may differ: {names:?}");
    assert!(!names.iter().any(|n| n == "HOSTNAME"), "{names:?}");
}

#[test]
fn a_secret_value_shows_only_when_that_one_is_asked_for() {
    let (mut app, snapshot) = with_secret();
    assert!(press(&mut app, &[Action::Reveal]).is_empty(), "the list has the focus");
    go_to(&mut app, "PASSWORD");
    let key = ObjectKey::new("default", "db");
    let fetch = Effect::Fetch { epoch: 1, kind: Kind::Secret, key: key.clone() };
    assert_eq!(press(&mut app, &[Action::Reveal]), [fetch]);
    let data = [("password".into(), b"hunter2"[..].into())].into();
    let secret = Arc::new(ConfigData { key: key.clone(), data, binary: [].into() });
    let mut read = (*snapshot).clone();
    Arc::make_mut(&mut read.secrets).insert(key, secret);
    app.update(Message::Snapshot(Arc::new(read)));
    assert_eq!((value(&app, "PASSWORD").as_deref(), value(&app, "OTHER")), (Some("hunter2"), None));
    press(&mut app, &[Action::Reveal]);
    assert_eq!(value(&app, "PASSWORD"), None, "hidden again");
    press(&mut app, &[Action::Reveal]);
    assert_eq!(value(&app, "PASSWORD").as_deref(), Some("hunter2"));
    press(&mut app, &[Action::PaneMain, Action::Filter]);
    type_text(&mut app, "nothing");
    press(&mut app, &[Action::Back]);
    assert_eq!(value(&app, "PASSWORD"), None, "another look begins hidden");
}

#[test]
fn an_environment_is_taken_away_in_the_form_that_is_chosen() {
    let mut app = settled();
    press(&mut app, &[Action::Export]);
    let Some(Overlay::Picker(picker)) = app.overlays.last() else { panic!("a menu") };
    assert_eq!(picker.entries[1].choice, Choice::Export(ExportForm::Shell));
    type_text(&mut app, "shell");
    let effects = press(&mut app, &[Action::Accept]);
    let [Effect::Copy { text, .. }] = &*effects else { panic!("{effects:?}") };
    assert!(text.lines().any(|l| l == "export MY_APP_SERVICE_HOST='10.96.0.10'"), "{text}");
    assert!(text.lines().count() > 10);
}

#[test]
fn a_group_is_copied_with_its_line_breaks() {
    let mut app = explorer();
    press(&mut app, &[Action::PaneEnvironment, Action::Top]);
    let effects = press(&mut app, &[Action::Copy]);
    let [Effect::Copy { text, .. }] = &*effects else { panic!("{effects:?}") };
    assert!(text.lines().count() > 3 && text.lines().all(|l| l.starts_with("MY_APP_")), "{text}");
}

#[test]
fn who_lacks_the_variables_is_asked_about_a_service_with_an_address() {
    let mut app = explorer();
    press(&mut app, &[Action::Missing]);
    assert_eq!(app.overlays, [Overlay::Missing { offset: 0 }]);
    press(&mut app, &[Action::Back, Action::Pods, Action::Missing]);
    assert!(app.overlays.is_empty());
}
