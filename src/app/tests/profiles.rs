//! Forwards under a name: what runs is kept, what is kept starts, what would expose or replace asks first.

use super::*;
use crate::app::profiles::ProfileUse;
use crate::model::session::profile::{Profile, ProfileAct};
use crate::model::session::{ForwardSpec, ForwardState, ForwardStatus, Listen};
use crate::model::target::{PortWish, Target as ForwardTarget};

fn spec(name: &str, port: u16) -> ForwardSpec {
    ForwardSpec::new(ForwardTarget::service("default", name), PortWish::number(port))
}

fn profile(name: &str, autostart: bool, forwards: Vec<ForwardSpec>) -> Profile {
    Profile { name: name.into(), autostart, forwards: Ok(forwards) }
}

/// The answer to what was asked for.
fn answer(app: &mut App, act: ProfileAct, profiles: Vec<Profile>) -> Vec<Effect> {
    let epoch = app.connection.epoch;
    app.update(Message::Profiles { epoch, act, result: Ok(Arc::new(profiles)) })
}

fn asked(context: &str, act: ProfileAct) -> Effect {
    Effect::Profiles { epoch: 1, context: context.into(), act }
}

fn running(app: &mut App, specs: Vec<ForwardSpec>) {
    let status = |(at, spec): (usize, ForwardSpec)| ForwardStatus {
        spec,
        ..super::sessions::status(
            u64::try_from(at).unwrap(),
            ForwardTarget::service("a", "b"),
            ForwardState::Listening,
        )
    };
    app.update(Message::Forwards(Arc::new(specs.into_iter().enumerate().map(status).collect())));
}

fn told(app: &App) -> String {
    app.notices.iter().map(|n| n.text.as_str()).collect::<Vec<_>>().join("; ")
}

fn picker(app: &App) -> Option<&Picker> {
    match app.overlays.last() {
        Some(Overlay::Picker(picker)) => Some(picker),
        _ => None,
    }
}

#[test]
fn the_profiles_are_read_with_the_context_and_start_once() {
    let (mut app, _) = App::start(samples::now());
    let identity = Identity { context: "prod".into(), ..Identity::default() };
    let connected = Message::Connected { epoch: 1, identity, scope: NamespaceScope::All };
    assert!(app.update(connected).contains(&asked("prod", ProfileAct::Read)));
    let both = vec![
        profile("work", true, vec![spec("my-app", 80), spec("mysql", 3306)]),
        profile("play", false, vec![spec("cart", 8080)]),
    ];
    running(&mut app, vec![spec("mysql", 3306)]);
    let started = answer(&mut app, ProfileAct::Read, both.clone());
    assert_eq!(
        started,
        [Effect::StartForwards { epoch: 1, specs: vec![spec("my-app", 80)] }],
        "what runs, runs"
    );
    assert_eq!(answer(&mut app, ProfileAct::Read, both.clone()), [], "once");
    let late = Message::Profiles { epoch: 0, act: ProfileAct::Read, result: Ok(Arc::default()) };
    app.update(late);
    assert_eq!(app.sessions.profiles.len(), 2, "what belongs to a former connection is late");
}

#[test]
fn what_runs_here_is_kept_under_a_name() {
    let mut app = explorer();
    assert_eq!(press(&mut app, &[Action::ProfileSave]), []);
    assert!(told(&app).contains("no forward of this context runs"), "{}", told(&app));
    running(&mut app, vec![spec("my-app", 80)]);
    assert_eq!(press(&mut app, &[Action::Sessions, Action::ProfileSave]), [asked("prod", ProfileAct::Read)]);
    assert!(press(&mut app, &[Action::Accept]).is_empty(), "without a name nothing");
    press(&mut app, &[Action::ProfileSave]);
    type_text(&mut app, "work");
    let save = ProfileAct::Save { name: "work".into(), forwards: vec![spec("my-app", 80)] };
    assert_eq!(press(&mut app, &[Action::Accept]), [asked("prod", save.clone())]);
    answer(&mut app, save.clone(), vec![profile("work", false, vec![spec("my-app", 80)])]);
    assert!(told(&app).contains("kept 1 forward under the name \"work\""), "{}", told(&app));
    // The same again changes nothing; another set asks before it replaces.
    assert_eq!(app.use_profile(ProfileUse::Save, "work"), [asked("prod", save)]);
    running(&mut app, vec![spec("mysql", 3306)]);
    assert_eq!(app.use_profile(ProfileUse::Save, "work"), []);
    let save = ProfileAct::Save { name: "work".into(), forwards: vec![spec("mysql", 3306)] };
    assert_eq!(press(&mut app, &[Action::Accept]), [asked("prod", save)]);
}

#[test]
fn a_profile_is_started_by_its_name() {
    let mut app = explorer();
    answer(&mut app, ProfileAct::Read, vec![]);
    press(&mut app, &[Action::Profile]);
    assert!(picker(&app).unwrap().entries[0].note.contains("profile-save"));
    // What the file says by now comes into the open menu.
    answer(&mut app, ProfileAct::Read, vec![profile("work", true, vec![spec("my-app", 80)])]);
    assert_eq!(picker(&app).unwrap().entries[0].label, "work");
    let start = [Effect::StartForwards { epoch: 1, specs: vec![spec("my-app", 80)] }];
    assert_eq!(press(&mut app, &[Action::Accept]), start);
    press(&mut app, &[Action::Palette]);
    type_text(&mut app, "profile work");
    assert_eq!(press(&mut app, &[Action::Accept]), start);
    press(&mut app, &[Action::Palette]);
    type_text(&mut app, "profile wrok");
    assert_eq!(press(&mut app, &[Action::Accept]), []);
    assert!(told(&app).contains("\"wrok\""), "{}", told(&app));
}

#[test]
fn a_profile_for_other_computers_asks_for_a_word() {
    let mut app = explorer();
    let listen = Listen::parse(["0.0.0.0"]).unwrap();
    let open = ForwardSpec { listen, ..spec("my-app", 80) };
    answer(&mut app, ProfileAct::Read, vec![profile("work", true, vec![open.clone()])]);
    assert_eq!(app.mode(), Mode::Input, "by itself it does not start either");
    type_text(&mut app, "expose");
    let start = [Effect::StartForwards { epoch: 1, specs: vec![open] }];
    assert_eq!(press(&mut app, &[Action::Accept]), start);
}

#[test]
fn one_is_started_by_itself_from_now_on_or_deleted_after_a_question() {
    let mut app = explorer();
    answer(&mut app, ProfileAct::Read, vec![profile("work", false, vec![spec("my-app", 80)])]);
    press(&mut app, &[Action::ProfileAutostart]);
    let on = ProfileAct::Autostart("work".into(), true);
    assert_eq!(press(&mut app, &[Action::Accept]), [asked("prod", on)]);
    press(&mut app, &[Action::ProfileDelete]);
    assert_eq!(press(&mut app, &[Action::Accept]), [], "it asks");
    let delete = ProfileAct::Delete("work".into());
    assert_eq!(press(&mut app, &[Action::Accept]), [asked("prod", delete)]);
}

#[test]
fn what_can_t_be_used_or_read_is_told() {
    let mut app = explorer();
    let odd = Profile { name: "odd".into(), autostart: true, forwards: Err("invalid port".into()) };
    assert_eq!(answer(&mut app, ProfileAct::Read, vec![odd]), []);
    assert!(told(&app).contains("\"odd\" can't be used: invalid port"), "{}", told(&app));
    let problem =
        Problem { what: "the profiles can't be read".into(), why: "line 3".into(), hint: String::new() };
    app.update(Message::Profiles { epoch: 1, act: ProfileAct::Read, result: Err(problem) });
    assert!(told(&app).contains("can't be read: line 3"), "{}", told(&app));
    assert_eq!(app.sessions.profiles.len(), 1, "what was known stays");
}
