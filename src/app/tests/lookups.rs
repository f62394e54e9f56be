//! Names asked about: the cluster's DNS beside the prediction, and the doctor.

use std::time::Duration;

use super::*;
use crate::app::lookups::{ExamineFrom, MarkVerdict};
use crate::model::dns::live::{
    LiveFailure, LiveLookup, LiveReply, LiveStep, Mode as Known, Outcome, Question,
};
use crate::model::dns::{Libc, Rcode, Record, RecordType};

fn answer(name: &str, kind: RecordType, reply: Result<&[&str], LiveFailure>) -> LiveLookup {
    let records = |data: &[&str]| data.iter().map(|d| Record::new(name, kind, 30, *d)).collect::<Vec<_>>();
    let step = LiveStep {
        name: name.to_owned(),
        kind,
        search: None,
        reply: reply.map(|data| LiveReply {
            rcode: if data.is_empty() { Rcode::NxDomain } else { Rcode::NoError }.into(),
            answers: records(data),
            authority: None,
            additional: vec![],
            authoritative: true,
        }),
        server: Some("coredns-abc:53 by port-forward".into()),
        took: Some(Duration::from_millis(2)),
    };
    LiveLookup {
        question: Question::of(name, kind),
        from: None,
        libc: Libc::Glibc,
        mode: Known::Live,
        outcome: Outcome {
            answers: step.reply.as_ref().map_or(vec![], |r| r.answers.clone()),
            ..Outcome::default()
        },
        steps: vec![step],
    }
}

const NAME: &str = "my-app.default.svc.cluster.local.";

fn asked(app: &mut App) -> (Id, Vec<Question>) {
    let effects = press(app, &[Action::Resolve]);
    let [Effect::Resolve { id, questions, from: None, .. }] = &*effects else { panic!("{effects:?}") };
    (*id, questions.clone())
}

fn verdict(app: &App, kind: RecordType) -> Option<MarkVerdict> {
    let record = app.panes.records.iter().find(|r| r.name == NAME && r.kind == kind)?;
    app.mark_of(record).map(|m| m.verdict.clone())
}

#[test]
fn every_record_shown_is_asked_for_once_and_marked() {
    let mut app = explorer();
    let (id, questions) = asked(&mut app);
    assert!(questions.contains(&Question::of(NAME, RecordType::A)), "{questions:?}");
    assert_eq!(verdict(&app, RecordType::A), Some(MarkVerdict::Asking));
    let good = vec![answer(NAME, RecordType::A, Ok(&["10.96.0.10"]))];
    app.update(Message::Resolved { id: id + 1, result: Ok(good.clone()) });
    assert_eq!(verdict(&app, RecordType::A), Some(MarkVerdict::Asking), "another question's answer");
    app.update(Message::Resolved { id, result: Ok(good) });
    assert_eq!(verdict(&app, RecordType::A), Some(MarkVerdict::Equal));
    assert!(!app.lookups.marks.values().any(|m| m.verdict == MarkVerdict::Asking));
}

#[test]
fn what_differs_says_what_came_instead() {
    let mut app = explorer();
    for (reply, wanted) in [
        (Ok(&["10.9.9.9"][..]), MarkVerdict::Different("10.9.9.9".into())),
        (Ok(&[]), MarkVerdict::Different("NXDOMAIN".into())),
        (Err(LiveFailure::Lost("the stream ended".into())), MarkVerdict::Failed("the stream ended".into())),
    ] {
        let (id, _) = asked(&mut app);
        app.update(Message::Resolved { id, result: Ok(vec![answer(NAME, RecordType::A, reply)]) });
        assert_eq!(verdict(&app, RecordType::A), Some(wanted));
        assert!(app.notices.back().is_some_and(|n| n.tone != Tone::Done));
    }
}

#[test]
fn a_missing_right_leaves_no_mark() {
    let mut app = explorer();
    let (id, _) = asked(&mut app);
    let problem =
        Problem { what: "no right".into(), why: "create pods/portforward".into(), hint: String::new() };
    app.update(Message::Resolved { id, result: Err(problem) });
    assert!(app.lookups.marks.is_empty());
    assert!(app.notices.iter().any(|n| n.text.contains("create pods/portforward")));
}

#[test]
fn any_name_is_asked_as_the_viewpoint_would() {
    let mut app = explorer();
    press(&mut app, &[Action::ResolveAny]);
    type_text(&mut app, "_http._tcp.my-app srv @shop/cart-1 musl");
    let effects = press(&mut app, &[Action::Accept]);
    let [Effect::Resolve { id, questions, from, libc, .. }] = &*effects else { panic!("{effects:?}") };
    assert_eq!(questions, &[Question::of("_http._tcp.my-app", RecordType::SRV)]);
    assert_eq!((from, *libc), (&Some(ObjectKey::new("shop", "cart-1")), Libc::Musl));
    assert_eq!(app.overlays, [Overlay::Lookup { offset: 0 }]);
    app.update(Message::Resolved {
        id: *id,
        result: Ok(vec![answer("x.", RecordType::SRV, Ok(&["0 0 80 y."]))]),
    });
    assert!(matches!(&app.lookups.lookup, Some(page) if page.waiting.is_none() && page.result.is_some()));
    let copied = press(&mut app, &[Action::Copy]);
    assert!(matches!(&*copied, [Effect::Copy { text, .. }] if text == "0 0 80 y."), "{copied:?}");
    press(&mut app, &[Action::Back, Action::ResolveAny]);
    type_text(&mut app, "my-app nonsense");
    assert!(press(&mut app, &[Action::Accept]).is_empty());
    assert!(app.notices.back().is_some_and(|n| n.text.contains("no record type")));
}

#[test]
fn the_doctor_says_at_once_what_the_facts_say() {
    let mut app = explorer();
    let effects = press(&mut app, &[Action::Doctor]);
    let [Effect::Examine { id, name, from, .. }] = &*effects else { panic!("{effects:?}") };
    assert_eq!((name.as_str(), from), ("my-app", &ExamineFrom::Pod(ObjectKey::new("default", "my-app-1"))));
    let page = app.lookups.doctor.as_ref().unwrap();
    let first = page.result.as_ref().unwrap().as_ref().unwrap().clone();
    assert!(page.waiting.is_some());
    let problem = Problem { what: "no".into(), why: "connection".into(), hint: String::new() };
    app.update(Message::Examined { id: *id, result: Box::new(Err(problem)) });
    let page = app.lookups.doctor.as_ref().unwrap();
    assert_eq!((page.waiting, page.result.as_ref().unwrap().as_ref().unwrap()), (None, &first), "it stays");
}

#[test]
fn the_laptop_is_asked_before_anything_is_said() {
    let mut app = explorer();
    app.viewpoint = Viewpoint::Laptop;
    app.repane();
    let effects = press(&mut app, &[Action::Doctor]);
    assert!(
        matches!(&*effects, [Effect::Examine { name, from: ExamineFrom::Laptop, .. }] if name == "my-app.default")
    );
    assert!(app.lookups.doctor.as_ref().unwrap().result.is_none());
}

#[test]
fn another_context_forgets_what_the_former_answered() {
    let mut app = explorer();
    let (id, _) = asked(&mut app);
    app.connect(Some("test".into()));
    app.update(Message::Resolved { id, result: Ok(vec![answer(NAME, RecordType::A, Ok(&["10.96.0.10"]))]) });
    assert!(app.lookups.marks.is_empty());
}

#[test]
fn names_that_can_not_be_asked_are_refused_and_odd_ones_are_told() {
    let mut app = explorer();
    for (typed, why) in
        [("a..b", "two dots"), (&*"x".repeat(300), "300 bytes"), (&"abc.".repeat(80), "321 bytes")]
    {
        press(&mut app, &[Action::Palette]);
        type_text(&mut app, &format!("resolve {typed}"));
        assert_eq!(press(&mut app, &[Action::Accept]), []);
        let notice = app.notices.back().unwrap();
        assert!(notice.tone == Tone::Fault && notice.text.contains(why), "{notice:?}");
    }
    press(&mut app, &[Action::Palette]);
    type_text(&mut app, "resolve my-app:80");
    let effects = press(&mut app, &[Action::Accept]);
    let [Effect::Resolve { id, .. }] = &*effects else { panic!("{effects:?}") };
    let result = Ok(vec![answer("my-app:80", RecordType::A, Ok(&[]))]);
    app.update(Message::Resolved { id: *id, result });
    let Some(Ok(lookup)) = app.lookups.lookup.as_ref().and_then(|l| l.result.as_ref()) else { panic!() };
    assert!(lookup.outcome.caveat.as_ref().is_some_and(|c| c.contains("a port?")), "{:?}", lookup.outcome);
}
