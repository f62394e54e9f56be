//! The pages of sessions and answers, and what stands beside records and Services because of them.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use kdisco::app::{Action, Edit, Effect, Message, Viewpoint};
use kdisco::model::dns::live::{Code, LiveLookup, LiveReply, LiveStep, Mode as Known, Outcome, Question};
use kdisco::model::dns::{Libc, Rcode, Record, RecordType};
use kdisco::model::session::{ForwardId, ForwardSpec, ForwardState, ForwardStatus, LastError, Rates};
use kdisco::model::target::{PortWish, Target as ForwardTarget};

use super::world::{MINUTE, ago, tutorial};
use super::{act, draw, in_default, look, screen, select};

/// Forwards with names that try to break the screen.
pub(super) fn hostile_forwards() -> Vec<ForwardStatus> {
    let mut all = forwards();
    let evil = "a\u{1b}[2J\u{202e}b\u{200b}数据";
    all[0].pod = Some(evil.into());
    all[1].last_error = Some(LastError { text: evil.into(), at: ago(1) });
    all[2].spec.target = ForwardTarget::pod(evil, evil.repeat(40));
    all
}

/// The forwards of the page of sessions, one in every state.
fn forwards() -> Vec<ForwardStatus> {
    let forward = |id: u64, target: ForwardTarget, port: u16, state: ForwardState| {
        let mut rates = Rates::default();
        for second in 1..=40_u64 {
            rates.push(second * second * 90 * id, second * 700);
        }
        ForwardStatus {
            id: ForwardId(id),
            context: "prod-eu".into(),
            spec: ForwardSpec::new(target, PortWish::number(port)),
            local: vec![format!("127.0.0.1:{}", 8000 + port % 1000).parse().unwrap()],
            taken: None,
            pod: matches!(state, ForwardState::Connected).then(|| "my-app-6d4cf56db6-9qz4t".into()),
            state,
            pod_port: Some(port),
            target_port: None,
            ready: 3,
            open: 2,
            total: 14 * id,
            failed: id - 1,
            cut: 0,
            bytes_in: 12_345_678,
            bytes_out: 80_123,
            rates,
            last_error: (id == 2).then(|| LastError { text: "connection refused".into(), at: ago(8) }),
            started_at: ago(3 * MINUTE),
        }
    };
    let why = "no endpoint of my-app is ready";
    vec![
        forward(1, ForwardTarget::service("default", "my-app"), 80, ForwardState::Connected),
        forward(2, ForwardTarget::service("default", "mysql"), 3306, ForwardState::Listening),
        forward(
            3,
            ForwardTarget::pod("default", "cache-0"),
            6379,
            ForwardState::Waiting { why: why.into(), since: ago(9) },
        ),
    ]
}

#[test]
fn sessions() {
    let mut out = String::new();
    for (name, actions, size) in [
        ("none", &[Action::Sessions][..], (100, 16)),
        ("list", &[], (100, 20)),
        ("page", &[Action::Sessions], (100, 20)),
        ("page", &[Action::Sessions, Action::Down, Action::Down], (160, 24)),
        ("page", &[Action::Sessions, Action::Down], (60, 16)),
        ("ports", &[Action::ForwardChoose], (100, 20)),
    ] {
        let mut app = in_default(tutorial());
        if name != "none" {
            app.update(Message::Forwards(Arc::new(forwards())));
            app.notices.clear();
        }
        draw(&mut app, &look("dark", false), size);
        act(&mut app, actions);
        let _ = writeln!(out, "{name}\n{}", screen(&mut app, size));
    }
    let mut app = in_default(tutorial());
    app.update(Message::Forwards(Arc::new(forwards())));
    app.notices.clear();
    app.viewpoint = Viewpoint::Laptop;
    select(&mut app, "my-app");
    let _ = writeln!(out, "laptop\n{}", screen(&mut app, (160, 30)));
    act(&mut app, &[Action::ForwardChoose]);
    app.update(Message::Edit(Edit::Insert("80 --address 0.0.0.0".into())));
    act(&mut app, &[Action::Accept]);
    let _ = writeln!(out, "question\n{}", screen(&mut app, (100, 20)));
    insta::assert_snapshot!("sessions", out);
}

/// A look-up that walks a search list: one domain knows nothing, the next answers.
fn looked_up() -> LiveLookup {
    let step = |name: &str, search: &str, rcode: Rcode, answers: Vec<Record>| LiveStep {
        name: name.to_owned(),
        kind: RecordType::A,
        search: Some(search.into()),
        reply: Ok(LiveReply {
            rcode: rcode.into(),
            authority: answers.is_empty().then(|| {
                Record::new("cluster.local.", RecordType::SOA, 30, "ns.dns.cluster.local. h. 1 2 3 4 5")
            }),
            answers,
            additional: vec![],
            authoritative: true,
        }),
        server: Some("coredns-6d8f-k2x:53 by port-forward".into()),
        took: Some(Duration::from_millis(2)),
    };
    let name = "mysql.shop.default.svc.cluster.local.";
    let found = Record::new("mysql.shop.svc.cluster.local.", RecordType::A, 30, "10.96.80.9");
    LiveLookup {
        question: Question::addresses("mysql.shop"),
        from: Some(kdisco::model::ObjectKey::new("default", "cache-0")),
        libc: Libc::Glibc,
        mode: Known::Live,
        outcome: Outcome {
            rcode: Some(Code::Reply(Rcode::NoError.into())),
            addresses: vec!["10.96.80.9".parse().unwrap()],
            answers: vec![found.clone()],
            ..Outcome::default()
        },
        steps: vec![
            step(name, "default.svc.cluster.local", Rcode::NxDomain, vec![]),
            step("mysql.shop.svc.cluster.local.", "svc.cluster.local", Rcode::NoError, vec![found]),
        ],
    }
}

#[test]
fn answers() {
    let mut out = String::new();
    for size in [(60, 20), (100, 30), (160, 36)] {
        let mut app = in_default(tutorial());
        select(&mut app, "cache");
        draw(&mut app, &look("dark", false), size);
        app.update(Message::Action(Action::Palette));
        app.update(Message::Edit(Edit::Insert("resolve mysql.shop".into())));
        let effects = app.update(Message::Action(Action::Accept));
        let Some(Effect::Resolve { id, .. }) = effects.first() else { panic!("{effects:?}") };
        if size.0 == 60 {
            let _ = writeln!(out, "asking\n{}", screen(&mut app, size));
        }
        app.update(Message::Resolved { id: *id, result: Ok(vec![looked_up()]) });
        let _ = writeln!(out, "a look-up\n{}", screen(&mut app, size));
        act(&mut app, &[Action::Back, Action::Doctor]);
        let _ = writeln!(out, "doctor\n{}", screen(&mut app, size));
    }
    insta::assert_snapshot!("answers", out);
}

#[test]
fn live_answers_stand_beside_the_records() {
    let mut app = in_default(tutorial());
    select(&mut app, "my-app");
    draw(&mut app, &look("dark", false), (160, 48));
    let effects = app.update(Message::Action(Action::Resolve));
    let Some(Effect::Resolve { id, questions, .. }) = effects.first() else { panic!("{effects:?}") };
    let answer = |question: &Question| {
        let kind = question.kind.unwrap();
        let mut lookup = looked_up();
        lookup.steps.truncate(1);
        lookup.steps[0].name.clone_from(&question.name);
        lookup.steps[0].kind = kind;
        let data = if kind == RecordType::A { "10.96.14.2" } else { "other.default.svc.cluster.local." };
        let records = vec![Record::new(&question.name, kind, 30, data)];
        if let Ok(reply) = &mut lookup.steps[0].reply {
            reply.answers = records;
        }
        lookup
    };
    let result = Ok(questions.iter().map(answer).collect());
    app.update(Message::Resolved { id: *id, result });
    app.notices.clear();
    act(&mut app, &[Action::PaneDns]);
    insta::assert_snapshot!("live", screen(&mut app, (160, 48)));
}
