//! What the credential may use.

use std::collections::BTreeMap;

use super::*;
use crate::app::access::Access;
use crate::model::access::{judge, questions};
use crate::model::snapshot::LoadEntry;
use crate::model::{Kind, Load};

/// Everything may be done but what has to do with pods.
fn without_pods(namespaces: &[Text]) -> Access {
    let answers: BTreeMap<_, _> = questions(namespaces)
        .into_iter()
        .map(|right| {
            let allowed = !right.resource.starts_with("pods");
            (right, allowed)
        })
        .collect();
    Access { judged: judge(namespaces, &answers), silent: None }
}

fn asked(app: &mut App) -> (Id, Vec<Text>) {
    let effects = press(app, &[Action::Access]);
    let [Effect::AskAccess { id, epoch: 1, namespaces }] = &*effects else { panic!("{effects:?}") };
    (*id, namespaces.clone())
}

#[test]
fn the_namespaces_that_are_looked_at_are_asked_about() {
    let mut app = explorer();
    assert_eq!(asked(&mut app).1, Vec::<Text>::new(), "all of them");
    press(&mut app, &[Action::Back]);
    press(&mut app, &[Action::AllNamespaces]);
    assert_eq!(asked(&mut app).1, vec![Text::from("default")]);
    assert!(app.access.as_ref().unwrap().title.ends_with("in default"));
}

#[test]
fn the_page_is_opened_once_and_the_role_can_be_copied() {
    let mut app = explorer();
    let (id, namespaces) = asked(&mut app);
    assert_eq!(press(&mut app, &[Action::Copy]), vec![], "nothing is known yet");
    app.update(Message::AccessFound { id, result: Ok(without_pods(&namespaces)) });
    let effects = press(&mut app, &[Action::Copy]);
    let [Effect::Copy { text, .. }] = &*effects else { panic!("{effects:?}") };
    assert!(text.contains("kind: ClusterRole\n") && text.contains("pods/portforward"), "{text}");
    assert!(!text.contains("endpointslices"), "{text}");
    let again = press(&mut app, &[Action::Retry]);
    assert!(matches!(&*again, [Effect::AskAccess { id: other, .. }] if *other != id));
    assert_eq!(app.overlays.len(), 1);
    press(&mut app, &[Action::Access]);
    assert!(app.overlays.is_empty());
}

#[test]
fn late_answers_are_dropped_and_failures_are_shown() {
    let mut app = explorer();
    let (first, _) = asked(&mut app);
    press(&mut app, &[Action::Back]);
    let (second, namespaces) = asked(&mut app);
    app.update(Message::AccessFound { id: first, result: Ok(without_pods(&namespaces)) });
    assert!(app.access.as_ref().unwrap().result.is_none());
    let problem = Problem { what: "cannot ask".into(), why: "gone".into(), hint: String::new() };
    app.update(Message::AccessFound { id: second, result: Err(problem.clone()) });
    let page = app.access.as_ref().unwrap();
    assert!(matches!(&page.result, Some(Err(shown)) if *shown == problem) && page.waiting.is_none());
}

#[test]
fn where_all_is_allowed_there_is_no_role_to_copy() {
    let mut app = explorer();
    let (id, namespaces) = asked(&mut app);
    let answers = questions(&namespaces).into_iter().map(|right| (right, true)).collect();
    let judged = judge(&namespaces, &answers);
    app.update(Message::AccessFound { id, result: Ok(Access { judged, silent: None }) });
    assert_eq!(press(&mut app, &[Action::Copy]), vec![]);
    assert!(app.notices.back().unwrap().text.contains("no role"));
}

#[test]
fn a_look_into_a_container_that_may_not_be_seen_names_the_right() {
    let mut app = explorer();
    let mut snapshot = ClusterSnapshot::clone(&app.snapshot);
    snapshot.pods = BTreeMap::new();
    let load = Load::Forbidden { verb: "list".into(), message: "no".into() };
    let loads = snapshot.loads.iter().filter(|entry| entry.kind != Kind::Pod).cloned();
    snapshot.loads = loads.chain([LoadEntry { kind: Kind::Pod, namespace: None, load }]).collect();
    app.update(Message::Snapshot(Arc::new(snapshot)));
    assert_eq!(press(&mut app, &[Action::Verify]), vec![]);
    let text = &app.notices.back().unwrap().text;
    assert!(text.starts_with("not allowed: list pods in the whole cluster"), "{text}");
}
