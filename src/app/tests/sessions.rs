//! Forwards from the keyboard: one key starts and stops, several ports ask once, what is exposed asks for a word.

use super::*;
use crate::model::proxy::{Openness, ProxyStatus};
use crate::model::session::{ForwardId, ForwardSpec, ForwardState, ForwardStatus, Rates};
use crate::model::target::{PortWish, Target as ForwardTarget};

pub(super) fn status(id: u64, target: ForwardTarget, state: ForwardState) -> ForwardStatus {
    let closed = matches!(state, ForwardState::Closed { .. });
    ForwardStatus {
        id: ForwardId(id),
        context: "prod".into(),
        spec: ForwardSpec::new(target, PortWish::number(80)),
        local: if closed { vec![] } else { vec!["127.0.0.1:8080".parse().unwrap()] },
        taken: None,
        state,
        pod: None,
        pod_port: None,
        target_port: None,
        ready: 2,
        open: 0,
        total: 0,
        failed: 0,
        cut: 0,
        bytes_in: 0,
        bytes_out: 0,
        rates: Rates::default(),
        last_error: None,
        started_at: samples::now(),
    }
}

fn my_app() -> ForwardTarget {
    ForwardTarget::service("default", "my-app")
}

fn running(app: &mut App, forwards: Vec<ForwardStatus>) {
    app.update(Message::Forwards(Arc::new(forwards)));
}

fn started(effects: &[Effect]) -> Vec<String> {
    let specs = effects.iter().flat_map(|e| match e {
        Effect::StartForwards { specs, .. } => specs.clone(),
        other => panic!("{other:?}"),
    });
    specs.map(|s| format!("{} {}", s.target, s.port)).collect()
}

/// A Service with two ports besides the others.
fn two_ports() -> App {
    let (mut app, _) = App::start(samples::now());
    let identity = Identity { context: "prod".into(), namespace: "default".into(), ..Identity::default() };
    app.update(Message::Connected { epoch: 1, identity, scope: NamespaceScope::All });
    let service = samples::service("default", "web").with_port("http", 80, "").with_port("admin", 9000, "");
    let snapshot = samples::snapshot(vec![backed(service)], vec![]);
    app.update(Message::Snapshot(Arc::new(ClusterSnapshot { epoch: 1, ..snapshot })));
    app
}

#[test]
fn one_key_starts_and_stops() {
    let mut app = explorer();
    assert_eq!(started(&press(&mut app, &[Action::Forward])), ["svc/my-app 80"]);
    running(&mut app, vec![status(1, my_app(), ForwardState::Listening)]);
    assert!(app.notices.iter().any(|n| n.text.contains("127.0.0.1:8080")), "{:?}", app.notices);
    assert_eq!(press(&mut app, &[Action::Forward]), [Effect::StopForwards { ids: vec![ForwardId(1)] }]);
    let closed = ForwardState::Closed { why: "stopped".into() };
    running(&mut app, vec![status(1, my_app(), closed)]);
    assert_eq!(
        started(&press(&mut app, &[Action::Forward])),
        ["svc/my-app 80"],
        "one that has ended is none"
    );
}

#[test]
fn several_ports_are_asked_for_once() {
    let mut app = two_ports();
    assert!(press(&mut app, &[Action::Forward]).is_empty());
    let Some(Overlay::Picker(picker)) = app.overlays.last() else { panic!("a menu") };
    let labels: Vec<_> = picker.entries.iter().map(|e| e.label.as_str()).take(3).collect();
    assert_eq!(labels, ["all", "80", "9000"]);
    press(&mut app, &[Action::Down, Action::Down]);
    assert_eq!(started(&press(&mut app, &[Action::Accept])), ["svc/web 9000"]);
    assert_eq!(started(&press(&mut app, &[Action::Forward])), ["svc/web 9000"], "it is remembered");
}

#[test]
fn what_is_typed_is_what_kubectl_takes() {
    let mut app = two_ports();
    press(&mut app, &[Action::ForwardChoose]);
    type_text(&mut app, "8080:http :9000 --pod web-1");
    let effects = press(&mut app, &[Action::Accept]);
    assert_eq!(started(&effects), ["svc/web 8080:http", "svc/web :9000"]);
    press(&mut app, &[Action::ForwardChoose]);
    type_text(&mut app, "80:80:80");
    assert!(press(&mut app, &[Action::Accept]).is_empty());
    assert!(app.notices.back().is_some_and(|n| n.text.contains("invalid port format")), "{:?}", app.notices);
}

#[test]
fn listening_for_others_takes_a_typed_word() {
    let mut app = two_ports();
    press(&mut app, &[Action::ForwardChoose]);
    type_text(&mut app, "80 --address 0.0.0.0");
    assert!(press(&mut app, &[Action::Accept]).is_empty());
    assert_eq!(app.mode(), Mode::Input);
    type_text(&mut app, "yes");
    assert!(press(&mut app, &[Action::Accept]).is_empty(), "another word does nothing");
    press(&mut app, &[Action::ForwardChoose]);
    type_text(&mut app, "80 --address 0.0.0.0");
    press(&mut app, &[Action::Accept]);
    type_text(&mut app, "expose");
    assert_eq!(started(&press(&mut app, &[Action::Accept])), ["svc/web 80"]);
}

#[test]
fn an_endpoint_is_forwarded_by_its_pod() {
    let mut app = explorer();
    press(&mut app, &[Action::PaneEndpoints, Action::Down]);
    assert_eq!(started(&press(&mut app, &[Action::Forward])), ["pod/my-app-2 80"]);
    assert_eq!(started(&press(&mut app, &[Action::PaneMain, Action::Forward])), ["svc/my-app 80"]);
}

#[test]
fn the_laptop_copies_and_opens_the_forward() {
    let mut app = explorer();
    app.viewpoint = Viewpoint::Laptop;
    app.repane();
    assert!(press(&mut app, &[Action::Open]).is_empty(), "nothing to open yet");
    running(&mut app, vec![status(1, my_app(), ForwardState::Connected)]);
    assert!(matches!(press(&mut app, &[Action::Copy]).pop(),
        Some(Effect::Copy { text, .. }) if text == "127.0.0.1:8080"));
    let url = "http://127.0.0.1:8080/".to_owned();
    assert_eq!(press(&mut app, &[Action::Open]), [Effect::OpenUrl { url }]);
}

#[test]
fn the_page_of_sessions_stops_the_selected_one() {
    let mut app = explorer();
    let other = ForwardTarget::pod("shop", "cart-1");
    running(
        &mut app,
        vec![status(1, my_app(), ForwardState::Listening), status(2, other, ForwardState::Connected)],
    );
    press(&mut app, &[Action::Sessions, Action::Down]);
    assert_eq!(press(&mut app, &[Action::Forward]), [Effect::StopForwards { ids: vec![ForwardId(2)] }]);
    running(&mut app, vec![status(1, my_app(), ForwardState::Listening)]);
    assert_eq!(press(&mut app, &[Action::Forward]), [Effect::StopForwards { ids: vec![ForwardId(1)] }]);
    press(&mut app, &[Action::Back]);
    assert!(app.overlays.is_empty());
}

#[test]
fn forwards_outlive_a_switch_of_context() {
    let mut app = explorer();
    running(&mut app, vec![status(1, my_app(), ForwardState::Connected)]);
    app.connect(Some("test".into()));
    assert_eq!(app.sessions.running().count(), 1);
}

#[test]
fn what_has_no_pod_says_so() {
    let (mut app, _) = App::start(samples::now());
    let identity = Identity::default();
    app.update(Message::Connected { epoch: 1, identity, scope: NamespaceScope::All });
    let mut service = samples::service("default", "docs");
    service.kind = crate::model::ServiceType::ExternalName;
    let snapshot = samples::snapshot(vec![samples::facts(service, vec![])], vec![]);
    app.update(Message::Snapshot(Arc::new(ClusterSnapshot { epoch: 1, ..snapshot })));
    assert!(press(&mut app, &[Action::Forward]).is_empty());
    assert!(app.notices.back().is_some_and(|n| n.text.contains("ExternalName")), "{:?}", app.notices);
}

fn proxy(narrow: bool) -> ProxyStatus {
    ProxyStatus {
        address: "127.0.0.1:8001".into(),
        openness: Openness { narrow, ..Openness::default() },
        started: samples::now(),
        requests: 3,
        open: 0,
        rejected: 1,
        failed: 0,
        up: 0,
        down: 900,
        last_error: None,
        ended: None,
    }
}

#[test]
fn the_api_proxy_starts_narrow_and_writes_take_a_typed_word() {
    let mut app = explorer();
    assert_eq!(press(&mut app, &[Action::Proxy]), [Effect::StartProxy { epoch: 1, wide: false }]);
    app.update(Message::Proxy(Some(proxy(true))));
    assert_eq!(press(&mut app, &[Action::Proxy]), [Effect::StopProxy]);
    assert!(press(&mut app, &[Action::ProxyWide]).is_empty());
    type_text(&mut app, "writes");
    assert_eq!(press(&mut app, &[Action::Accept]), [Effect::StartProxy { epoch: 1, wide: true }]);
}

#[test]
fn behind_the_api_proxy_a_service_has_a_url() {
    let mut app = explorer();
    app.update(Message::Proxy(Some(proxy(true))));
    let url = "http://127.0.0.1:8001/api/v1/namespaces/default/services/my-app:http/proxy/".to_owned();
    let effects = press(&mut app, &[Action::Open]);
    assert_eq!(effects, [Effect::OpenUrl { url: url.clone() }]);
    press(&mut app, &[Action::CopyMenu]);
    let Some(Overlay::Picker(picker)) = app.overlays.last() else { panic!("a menu") };
    assert!(picker.entries.iter().any(|e| e.label == url), "{:?}", picker.entries);
}
