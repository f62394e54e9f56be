//! Messages in, effects and state out.

mod cure;
mod environment;
mod lookups;
mod profiles;
mod sessions;

use std::sync::Arc;

use super::*;
use crate::model::samples;
use crate::model::{ObjectKey, Pod, Service};

/// Two ready pods of a Service and their slice.
fn backed(service: Service) -> ServiceFacts {
    let (ns, name) = (service.key.namespace.clone(), service.key.name.clone());
    let slice = samples::slice(&ns, &name, "x")
        .with_port("http", 80)
        .with(samples::endpoint("10.0.0.1").of(&ns, &format!("{name}-1")))
        .with(samples::endpoint("10.0.0.2").of(&ns, &format!("{name}-2")));
    samples::facts(service, vec![slice])
}

fn pods_of(namespace: &str, name: &str) -> Vec<Pod> {
    [1, 2].map(|i| samples::pod(namespace, &format!("{name}-{i}")).labelled(&format!("app={name}"))).into()
}

/// An explorer that is connected to a cluster with `my-app` and `mysql` in `default` and `cart` in `shop`.
fn explorer() -> App {
    let (mut app, _) = App::start(samples::now());
    app.update(Message::Connected {
        epoch: 1,
        identity: Identity { context: "prod".into(), namespace: "default".into(), ..Identity::default() },
        scope: NamespaceScope::All,
    });
    app.update(Message::Snapshot(world(1, &["my-app", "mysql"])));
    app
}

fn world(epoch: u64, names: &[&str]) -> Arc<ClusterSnapshot> {
    let services = names
        .iter()
        .map(|n| backed(samples::service("default", n).with_port("http", 80, "")))
        .chain([backed(samples::service("shop", "cart").with_port("", 8080, ""))])
        .collect();
    let pods = names.iter().flat_map(|n| pods_of("default", n)).chain(pods_of("shop", "cart")).collect();
    Arc::new(ClusterSnapshot { epoch, ..samples::snapshot(services, pods) })
}

fn selected(app: &App) -> String {
    app.services.selected().map(|f| f.key().to_string()).unwrap_or_default()
}

fn press(app: &mut App, actions: &[Action]) -> Vec<Effect> {
    actions.iter().flat_map(|a| app.update(Message::Action(*a))).collect()
}

fn type_text(app: &mut App, text: &str) {
    app.update(Message::Edit(Edit::Insert(text.into())));
}

#[test]
fn the_first_thing_it_does_is_to_connect() {
    let (app, effects) = App::start(samples::now());
    assert_eq!(effects, [Effect::Connect { epoch: 1, context: None }]);
    assert_eq!(app.mode(), Mode::Browse);
}

#[test]
fn the_selection_stays_on_its_service_while_others_come_and_go() {
    let mut app = explorer();
    press(&mut app, &[Action::Down]);
    assert_eq!(selected(&app), "default/mysql");
    app.update(Message::Snapshot(world(1, &["aaa", "bbb", "my-app", "mysql"])));
    assert_eq!(selected(&app), "default/mysql");
    app.update(Message::Snapshot(world(1, &["aaa", "bbb", "my-app"])));
    assert_eq!(selected(&app), "shop/cart", "its neighbour takes over");
}

#[test]
fn data_of_a_former_context_never_shows() {
    let mut app = explorer();
    app.connection.contexts = Arc::new(vec![ContextInfo {
        name: "test".into(),
        cluster: "t".into(),
        user: "u".into(),
        namespace: "default".into(),
    }]);
    let mut effects = press(&mut app, &[Action::Contexts, Action::Accept]);
    assert_eq!(effects.pop(), Some(Effect::Connect { epoch: 2, context: Some("test".into()) }));
    assert!(app.services.rows.is_empty(), "what was there is gone at once");
    app.update(Message::Snapshot(world(1, &["late"])));
    assert!(app.services.rows.is_empty(), "what comes late is dropped");
    app.update(Message::ConnectFailed { epoch: 1, problem: Problem::default() });
    assert_eq!(app.connection.problem, None);
    app.update(Message::Connected { epoch: 2, identity: Identity::default(), scope: NamespaceScope::All });
    app.update(Message::Snapshot(world(2, &["new"])));
    assert_eq!(selected(&app), "default/new");
}

#[test]
fn pods_are_watched_where_the_selection_is_and_everywhere_only_for_the_list_of_pods() {
    let (mut app, _) = App::start(samples::now());
    let identity = Identity::default();
    app.update(Message::Connected { epoch: 1, identity, scope: NamespaceScope::All });
    let watch = |names: &[Option<&str>]| Effect::WatchPods {
        epoch: 1,
        namespaces: names.iter().map(|n| n.map(Into::into)).collect(),
    };
    let dns = Some("kube-system");
    assert_eq!(app.update(Message::Snapshot(world(1, &["my-app"]))), [watch(&[Some("default"), dns])]);
    assert_eq!(press(&mut app, &[Action::Bottom]), [watch(&[Some("shop"), dns])]);
    let all = press(&mut app, &[Action::Up, Action::Pods]);
    assert_eq!(all, [watch(&[Some("default"), dns]), watch(&[None])]);
    assert_eq!(app.pods.rows.len(), 4);
}

#[test]
fn the_filter_narrows_while_it_is_typed_and_back_removes_it() {
    let mut app = explorer();
    press(&mut app, &[Action::Filter]);
    assert_eq!(app.mode(), Mode::Input);
    type_text(&mut app, "sql");
    assert_eq!((app.services.rows.len(), app.services.unfiltered), (1, 3));
    assert_eq!(selected(&app), "default/mysql");
    assert!(!app.services.rows[0].matched.is_empty(), "what matched can be marked");
    press(&mut app, &[Action::Accept]);
    assert_eq!((app.mode(), app.services.rows.len()), (Mode::Browse, 1));
    press(&mut app, &[Action::Back]);
    assert_eq!(app.services.rows.len(), 3);
    assert_eq!(selected(&app), "default/mysql", "the selection stays where it was found");
}

#[test]
fn a_filter_that_makes_no_sense_keeps_the_list_and_says_why() {
    let mut app = explorer();
    press(&mut app, &[Action::Filter]);
    type_text(&mut app, "port:http:x(");
    let before = app.services.rows.len();
    if app.services.filter_error.is_none() {
        // Whatever the language makes of it, it must not lose the list by an error.
        assert!(before <= 3);
    }
    press(&mut app, &[Action::ClearLine]);
    type_text(&mut app, "-l (((");
    assert!(app.services.filter_error.is_some());
    assert_eq!(app.services.rows.len(), 3);
}

#[test]
fn namespaces_can_be_typed_in_and_bad_names_are_refused() {
    let mut app = explorer();
    press(&mut app, &[Action::Namespaces]);
    type_text(&mut app, "brand-new");
    let effects = press(&mut app, &[Action::Accept]);
    let scope = NamespaceScope::one("brand-new");
    assert!(effects.contains(&Effect::SetScope { epoch: 1, scope: scope.clone() }));
    assert_eq!(app.scope, Some(scope));
    press(&mut app, &[Action::Namespaces]);
    type_text(&mut app, "Not A Name");
    assert_eq!(press(&mut app, &[Action::Accept]), []);
    assert_eq!(app.notices.back().map(|n| n.tone), Some(Tone::Fault));
}

#[test]
fn namespaces_that_are_configured_for_a_context_are_offered_in_it() {
    let (mut app, _) = App::start(samples::now());
    assert!(!app.namespace_names().contains("hidden"));
    let known_namespaces = BTreeSet::from(["hidden".into()]);
    let identity = Identity { context: "prod".into(), known_namespaces, ..Identity::default() };
    app.update(Message::Connected { epoch: 1, identity, scope: NamespaceScope::All });
    assert!(app.namespace_names().contains("hidden"));
}

#[test]
fn several_namespaces_can_be_marked() {
    let mut app = explorer();
    press(&mut app, &[Action::Namespaces, Action::Down, Action::Toggle, Action::Toggle]);
    let effects = press(&mut app, &[Action::Accept]);
    let scope = NamespaceScope::Only(["default".into(), "shop".into()].into());
    assert!(effects.contains(&Effect::SetScope { epoch: 1, scope }), "{effects:?}");
}

#[test]
fn all_namespaces_and_back() {
    let mut app = explorer();
    press(&mut app, &[Action::AllNamespaces]);
    assert_eq!(app.scope, Some(NamespaceScope::one("default")), "the context's own");
    press(&mut app, &[Action::AllNamespaces]);
    assert_eq!(app.scope, Some(NamespaceScope::All));
}

#[test]
fn the_name_that_is_copied_depends_on_the_viewpoint() {
    let copied = |app: &mut App| match press(app, &[Action::Copy]).pop() {
        Some(Effect::Copy { text, .. }) => text,
        other => panic!("{other:?}"),
    };
    let mut app = explorer();
    assert_eq!(copied(&mut app), "my-app", "its own pods are in its namespace");
    app.viewpoint = Viewpoint::Namespace("shop".into());
    app.repane();
    assert_eq!(copied(&mut app), "my-app.default");
    app.viewpoint = Viewpoint::Laptop;
    app.repane();
    assert!(copied(&mut app).starts_with("my-app.default.svc."), "the whole name, with a warning");
    assert_eq!(app.notices.back().map(|n| n.tone), Some(Tone::Note));
}

#[test]
fn a_name_without_a_record_is_not_said_to_work() {
    let (mut app, _) = App::start(samples::now());
    let identity = Identity::default();
    app.update(Message::Connected { epoch: 1, identity, scope: NamespaceScope::All });
    let headless = samples::service("default", "cache").with_ips(&["None"]).with_port("redis", 6379, "");
    let services = vec![samples::facts(headless, vec![samples::slice("default", "cache", "x")])];
    app.update(Message::Snapshot(Arc::new(ClusterSnapshot {
        epoch: 1,
        ..samples::snapshot(services, vec![])
    })));
    assert!(
        matches!(press(&mut app, &[Action::Copy]).pop(), Some(Effect::Copy { text, .. }) if text == "cache")
    );
    assert!(app.notices.back().is_some_and(|n| n.text.contains("no DNS record now")));
    press(&mut app, &[Action::CopyMenu]);
    let Some(Overlay::Picker(picker)) = app.overlays.last() else { panic!() };
    assert!(picker.entries.iter().all(|e| !e.note.contains("works from here")));
}

#[test]
fn what_was_copied_is_told_once_and_late_answers_are_dropped() {
    let mut app = explorer();
    let Some(Effect::Copy { id, .. }) = press(&mut app, &[Action::Copy]).pop() else { panic!() };
    app.update(Message::Copied { id: id + 7, outcome: CopyOutcome::Clipboard });
    assert!(app.notices.is_empty());
    app.update(Message::Copied { id, outcome: CopyOutcome::Clipboard });
    app.update(Message::Copied { id, outcome: CopyOutcome::Clipboard });
    assert_eq!(app.notices.len(), 1);
}

#[test]
fn what_can_not_be_copied_is_shown_to_be_selected() {
    let mut app = explorer();
    let Some(Effect::Copy { id, .. }) = press(&mut app, &[Action::Copy]).pop() else { panic!() };
    app.update(Message::Copied { id, outcome: CopyOutcome::Failed("no display".into()) });
    assert!(matches!(app.overlays.last(), Some(Overlay::Text { lines, .. }) if lines == &["my-app"]));
    press(&mut app, &[Action::Back]);
    assert!(app.overlays.is_empty());
}

#[test]
fn the_copy_menu_offers_every_form() {
    let mut app = explorer();
    press(&mut app, &[Action::CopyMenu]);
    let Some(Overlay::Picker(picker)) = app.overlays.last() else { panic!() };
    let texts: Vec<&str> = picker
        .entries
        .iter()
        .filter_map(|e| match &e.choice {
            Choice::Copy(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    for wanted in ["my-app", "my-app.default", "my-app.default.svc.cluster.local", "10.96.0.10:80"] {
        assert!(texts.contains(&wanted), "{wanted} in {texts:?}");
    }
}

#[test]
fn the_panes_follow_the_selection() {
    let mut app = explorer();
    assert_eq!(app.panes.endpoints.len(), 2);
    assert!(app.panes.records.iter().any(|r| r.name == "my-app.default.svc.cluster.local."));
    let Some(panes::EnvironmentPane::Container { pod, .. }) = &app.panes.environment else { panic!() };
    assert_eq!(&*pod.key.name, "my-app-1");
    press(&mut app, &[Action::Container]);
    let Some(panes::EnvironmentPane::Container { pod, .. }) = &app.panes.environment else { panic!() };
    assert_eq!(&*pod.key.name, "my-app-2");
    press(&mut app, &[Action::Bottom]);
    let Some(panes::EnvironmentPane::Container { pod, .. }) = &app.panes.environment else { panic!() };
    assert_eq!(&*pod.key.name, "cart-1", "another Service begins with its own first pod");
}

#[test]
fn config_maps_of_the_open_container_are_read_once_and_secrets_never() {
    use crate::model::env::Fetch;
    use crate::model::pod::EnvFrom;
    let (mut app, _) = App::start(samples::now());
    let identity = Identity::default();
    app.update(Message::Connected { epoch: 1, identity, scope: NamespaceScope::All });
    let mut pod = samples::pod("default", "my-app-1").labelled("app=my-app");
    let from = |name: &str, secret| EnvFrom { prefix: "".into(), secret, name: name.into(), optional: false };
    Arc::make_mut(&mut pod.spec).containers[0].env_from =
        [from("settings", false), from("password", true)].into();
    let services = vec![backed(samples::service("default", "my-app"))];
    let snapshot =
        || Arc::new(ClusterSnapshot { epoch: 1, ..samples::snapshot(services.clone(), vec![pod.clone()]) });
    let key = ObjectKey::new("default", "settings");
    let fetch = Effect::Fetch { epoch: 1, kind: Kind::ConfigMap, key: key.clone() };
    let fetches = |effects: Vec<Effect>| effects.into_iter().filter(|e| matches!(e, Effect::Fetch { .. }));
    assert_eq!(fetches(app.update(Message::Snapshot(snapshot()))).collect::<Vec<_>>(), [fetch]);
    assert_eq!(fetches(app.update(Message::Snapshot(snapshot()))).count(), 0);
    let why = Fetch::Forbidden("no".into());
    app.update(Message::NotFetched { epoch: 1, kind: Kind::ConfigMap, key, why });
    let Some(panes::EnvironmentPane::Container { environment, .. }) = &app.panes.environment else {
        panic!()
    };
    assert!(environment.gaps.iter().any(|g| g.why.contains("may not be read")), "{:?}", environment.gaps);
}

#[test]
fn nothing_is_made_for_panes_that_are_not_on_the_screen() {
    let mut app = explorer();
    app.update(Message::Viewport(Viewport {
        rows: [10, 10, 10, 0],
        overlay_rows: 10,
        narrow: true,
        ..Viewport::default()
    }));
    press(&mut app, &[Action::Down]);
    let stale = match &app.panes.environment {
        Some(panes::EnvironmentPane::Container { pod, .. }) => pod.key.name.to_string(),
        _ => String::new(),
    };
    assert_ne!(stale, "mysql-1");
    app.update(Message::Viewport(Viewport { rows: [10; 4], overlay_rows: 10, ..Viewport::default() }));
    assert!(matches!(&app.panes.environment,
        Some(panes::EnvironmentPane::Container { pod, .. }) if &*pod.key.name == "mysql-1"));
}

#[test]
fn back_undoes_one_thing_at_a_time() {
    let mut app = explorer();
    press(&mut app, &[Action::Filter]);
    type_text(&mut app, "my");
    press(&mut app, &[Action::Accept, Action::PaneDns, Action::Zoom, Action::Help]);
    press(&mut app, &[Action::Back]);
    assert!(app.overlays.is_empty() && app.layout.zoom);
    press(&mut app, &[Action::Back]);
    assert!(!app.layout.zoom && app.focus == Pane::Dns);
    press(&mut app, &[Action::Back]);
    assert!(app.focus == Pane::Main && app.services.filter.text() == "my");
    press(&mut app, &[Action::Back]);
    assert_eq!(app.services.filter.text(), "");
}

#[test]
fn the_palette_takes_commands_with_a_word() {
    let mut app = explorer();
    press(&mut app, &[Action::Palette]);
    type_text(&mut app, "ns shop");
    let effects = press(&mut app, &[Action::Accept]);
    assert!(effects.contains(&Effect::SetScope { epoch: 1, scope: NamespaceScope::one("shop") }));
    press(&mut app, &[Action::Palette]);
    type_text(&mut app, "svc cart");
    press(&mut app, &[Action::Accept]);
    assert_eq!(selected(&app), "shop/cart");
    press(&mut app, &[Action::Palette]);
    type_text(&mut app, "quit");
    assert_eq!(press(&mut app, &[Action::Accept]), [Effect::Quit]);
}

#[test]
fn headings_sort_and_a_second_press_reverses() {
    let mut app = explorer();
    let click = |app: &mut App| {
        app.update(Message::Click { target: Target::Heading(Column::Name), double: false });
        app.services.rows.iter().map(|r| r.item.key().name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(click(&mut app), ["cart", "my-app", "mysql"]);
    assert_eq!(click(&mut app), ["mysql", "my-app", "cart"]);
}

#[test]
fn a_press_beside_a_page_closes_it_and_a_double_press_on_a_row_opens_its_details() {
    let mut app = explorer();
    let row = Target::Row(ObjectKey::new("default", "mysql"));
    app.update(Message::Click { target: row.clone(), double: false });
    assert_eq!(selected(&app), "default/mysql");
    app.update(Message::Click { target: row.clone(), double: true });
    assert!(matches!(app.overlays.last(), Some(Overlay::Detail { .. })));
    app.update(Message::Click { target: row, double: false });
    assert!(app.overlays.is_empty());
}

#[test]
fn notices_go_by_themselves() {
    let mut app = explorer();
    app.note("something".into());
    assert_eq!(app.notices.len(), 1);
    app.update(Message::Tick(samples::now() + jiff::SignedDuration::from_secs(60)));
    assert!(app.notices.is_empty());
}

#[test]
fn a_connection_that_failed_is_tried_again_by_the_same_key() {
    let (mut app, _) = App::start(samples::now());
    app.update(Message::ConnectFailed {
        epoch: 1,
        problem: Problem { what: "no".into(), ..Problem::default() },
    });
    assert!(app.connection.problem.is_some());
    assert_eq!(press(&mut app, &[Action::Retry]), [Effect::Connect { epoch: 2, context: None }]);
    assert_eq!(app.connection.problem, None);
}

#[test]
fn a_plugin_that_has_to_talk_gets_the_terminal_only_when_a_person_says_so() {
    let mut app = explorer();
    let epoch = app.connection.epoch;
    assert!(app.update(Message::SignInAsked { epoch: epoch + 1, why: Some("late".into()) }).is_empty());
    assert_eq!(
        press(&mut app, &[Action::Retry]),
        [Effect::RetryNow { epoch }],
        "that was another connection"
    );
    assert!(app.update(Message::SignInAsked { epoch, why: Some("log in".into()) }).is_empty());
    assert!(app.notices.back().is_some_and(|n| n.text.contains("needs you")));
    assert_eq!(press(&mut app, &[Action::Retry]), [Effect::SignIn { epoch }]);
    let problem = Problem { what: "no".into(), why: "wrong code".into(), hint: String::new() };
    assert!(app.update(Message::SignedIn { epoch, problem: Some(problem) }).is_empty());
    assert!(app.notices.back().is_some_and(|n| n.text.contains("wrong code")));
    assert_eq!(app.update(Message::SignedIn { epoch, problem: None }), [Effect::RetryNow { epoch }]);
    app.update(Message::SignInAsked { epoch, why: None });
    assert_eq!(press(&mut app, &[Action::Retry]), [Effect::RetryNow { epoch }]);
}

#[test]
fn every_action_in_every_mode_is_survived() {
    for opening in
        [None, Some(Action::Help), Some(Action::Palette), Some(Action::Filter), Some(Action::Detail)]
    {
        for action in Action::ALL {
            for mut app in [explorer(), App::start(samples::now()).0] {
                if let Some(opening) = opening {
                    press(&mut app, &[opening]);
                }
                press(&mut app, &[*action, *action, Action::Down, Action::Back]);
            }
        }
    }
}
