use crossterm::event::{KeyCode, KeyModifiers};

use super::*;

fn press(code: KeyCode, modifiers: KeyModifiers) -> KeyEvent {
    KeyEvent::new(code, modifiers)
}

fn key(c: char) -> KeyEvent {
    press(KeyCode::Char(c), KeyModifiers::NONE)
}

fn user(text: &str) -> Result<(Keymap, Vec<Complaint>), Complaint> {
    let source = Source { file: "config.toml", text };
    let table = source.parse().unwrap();
    Keymap::default().with_user_config(&table, source, "")
}

fn complaint(text: &str) -> String {
    user(text).unwrap_err().to_string()
}

fn first(map: &Keymap, mode: Mode, event: KeyEvent) -> Lookup {
    map.lookup(mode, &mut Pending::default(), event)
}

#[test]
fn the_defaults_read_without_a_word_and_every_action_has_a_key_or_a_reason() {
    let source = Source { file: "keys.toml", text: DEFAULTS };
    let (settings, unknown) = read_tables(&source.parse().unwrap(), source, "").unwrap();
    assert_eq!(unknown, []);
    assert!(settings.iter().all(|s| !s.sequences.is_empty()));
    let map = Keymap::default();
    for action in Action::ALL {
        // `esc` removes the filter on its way out; a key of its own would be one more to learn. What opens the
        // cluster to every program here should not be a slip of a finger.
        let palette_only = matches!(action, Action::ClearFilter | Action::ProxyWide);
        let bound = Mode::ALL.iter().any(|m| !map.all_for(*m, *action, false).is_empty());
        assert_eq!(bound, !palette_only, "{}", action.name());
    }
}

#[test]
fn keys_reserved_for_later_are_free() {
    let map = Keymap::default();
    for c in "0".chars() {
        assert_eq!(first(&map, Mode::Browse, key(c)), Lookup::None, "{c}");
    }
}

#[test]
fn a_sequence_fires_at_its_last_key_only() {
    let (map, mut pending) = (Keymap::default(), Pending::default());
    assert_eq!(map.lookup(Mode::Browse, &mut pending, key('g')), Lookup::Pending);
    assert_eq!(pending.text(true), "g");
    assert_eq!(map.lookup(Mode::Browse, &mut pending, key('g')), Lookup::Action(Action::Top));
    assert_eq!(pending, Pending { mode: Some(Mode::Browse), keys: vec![] });
}

#[test]
fn a_sequence_that_leads_nowhere_does_nothing_at_all() {
    let (map, mut pending) = (Keymap::default(), Pending::default());
    map.lookup(Mode::Browse, &mut pending, key('g'));
    assert_eq!(map.lookup(Mode::Browse, &mut pending, key('q')), Lookup::None);
    assert_eq!(map.lookup(Mode::Browse, &mut pending, key('q')), Lookup::Action(Action::Quit));
}

#[test]
fn another_mode_forgets_what_was_begun() {
    let (map, mut pending) = (Keymap::default(), Pending::default());
    map.lookup(Mode::Browse, &mut pending, key('g'));
    assert_eq!(map.lookup(Mode::Menu, &mut pending, key('j')), Lookup::Action(Action::Down));
}

#[test]
fn releases_neither_act_nor_disturb_a_sequence() {
    let (map, mut pending) = (Keymap::default(), Pending::default());
    let release = KeyEvent { kind: KeyEventKind::Release, ..key('g') };
    map.lookup(Mode::Browse, &mut pending, key('g'));
    assert_eq!(map.lookup(Mode::Browse, &mut pending, release), Lookup::Pending);
    assert_eq!(map.lookup(Mode::Browse, &mut pending, key('g')), Lookup::Action(Action::Top));
    assert_eq!(map.lookup(Mode::Browse, &mut pending, release), Lookup::None);
}

#[test]
fn the_ways_terminals_say_one_key_are_one_key() {
    let map = Keymap::default();
    let (shift, ctrl) = (KeyModifiers::SHIFT, KeyModifiers::CONTROL);
    for (event, action) in [
        (press(KeyCode::Char('G'), shift), Action::Bottom),
        (press(KeyCode::Char('G'), KeyModifiers::NONE), Action::Bottom),
        (press(KeyCode::Char('g'), shift), Action::Bottom),
        (press(KeyCode::Char('?'), shift), Action::Help),
        (press(KeyCode::Char(':'), shift), Action::Palette),
        (press(KeyCode::BackTab, shift), Action::PreviousPane),
        (press(KeyCode::BackTab, KeyModifiers::NONE), Action::PreviousPane),
        (press(KeyCode::Tab, shift), Action::PreviousPane),
        (press(KeyCode::Tab, KeyModifiers::NONE), Action::NextPane),
        (press(KeyCode::Char('i'), ctrl), Action::NextPane),
        (press(KeyCode::Char('m'), ctrl), Action::Detail),
        (press(KeyCode::Char('D'), ctrl | shift), Action::HalfPageDown),
        (press(KeyCode::F(1), KeyModifiers::NONE), Action::Help),
        (press(KeyCode::PageDown, KeyModifiers::NONE), Action::PageDown),
    ] {
        assert_eq!(first(&map, Mode::Browse, event), Lookup::Action(action), "{event:?}");
    }
    assert_eq!(first(&map, Mode::Browse, press(KeyCode::Char('q'), KeyModifiers::ALT)), Lookup::None);
    assert_eq!(first(&map, Mode::Browse, press(KeyCode::Char('q'), KeyModifiers::SUPER)), Lookup::None);
}

#[test]
fn while_a_line_is_typed_characters_are_text() {
    let map = Keymap::default();
    for c in ('!'..='~').chain([' ', 'é', '数']) {
        assert_eq!(first(&map, Mode::Input, key(c)), Lookup::None, "{c}");
    }
    assert!(complaint("[input]\ntoggle = [\"space\"]\n").contains("\"space\" is text while a line is typed"));
    assert!(user("[input]\ntoggle = [\"ctrl-space\", \"alt-x y\"]\n").is_ok());
}

#[test]
fn shown_short_and_written_long() {
    let map = Keymap::default();
    let show = |action, ascii| map.all_for(Mode::Browse, action, ascii).join(",");
    assert_eq!(show(Action::HalfPageDown, false), "^d");
    assert_eq!(show(Action::Top, true), "gg,home");
    assert_eq!(show(Action::NextPane, false), "⇥");
    assert_eq!(show(Action::NextPane, true), "tab");
    assert_eq!(show(Action::PreviousPane, false), "shift-tab");
    assert_eq!(show(Action::Down, false), "j,↓");
    assert_eq!(show(Action::Detail, false), "⏎");
    assert_eq!(map.chord_for(Mode::Browse, Action::Help, false).as_deref(), Some("?"));
    assert_eq!(map.chord_for(Mode::Browse, Action::ClearFilter, false), None);
    assert_eq!(map.all_for(Mode::Input, Action::Toggle, false), ["^t", "ctrl-space"]);
    assert_eq!(map.written_for(Mode::Browse, Action::Top), ["g g", "home"]);
    assert_eq!(map.written_for(Mode::Input, Action::DeleteWord), ["ctrl-w", "alt-backspace"]);
}

#[test]
fn what_is_written_reads_back_as_the_same_key() {
    for binding in Keymap::default().bindings {
        for chord in binding.keys {
            assert_eq!(Chord::parse(&chord.to_string()), Ok(chord));
        }
    }
    assert_eq!(Chord::parse("ctrl--").unwrap().to_string(), "ctrl--");
    assert_eq!(Chord::parse("shift-g").unwrap().to_string(), "G");
    assert_eq!(Chord::parse("escape").unwrap().to_string(), "esc");
    assert_eq!(Chord::parse("alt-ctrl-x").unwrap().to_string(), "ctrl-alt-x");
}

#[test]
fn a_person_rebinds_an_action_and_takes_keys_from_others() {
    let (map, unknown) = user("[browse]\nzoom = \"G\"\nwide = []\nhelp = [\"g\"]\n").unwrap();
    assert_eq!(unknown, []);
    assert_eq!(first(&map, Mode::Browse, key('G')), Lookup::Action(Action::Zoom));
    assert_eq!(first(&map, Mode::Browse, key('z')), Lookup::None);
    assert_eq!(first(&map, Mode::Browse, key('w')), Lookup::None);
    assert_eq!(map.all_for(Mode::Browse, Action::Bottom, true), ["end"]);
    // `g g` could never be finished any more.
    assert_eq!(first(&map, Mode::Browse, key('g')), Lookup::Action(Action::Help));
    assert_eq!(map.all_for(Mode::Browse, Action::Top, true), ["home"]);
    // Other modes keep theirs.
    assert_eq!(first(&map, Mode::Menu, key('G')), Lookup::Action(Action::Bottom));
}

#[test]
fn mistakes_are_told_with_their_place() {
    assert_eq!(
        complaint("[browse]\nzoom = [\"z\", \"ctl-d\"]\n"),
        "config.toml:2:14: [browse] zoom: \"ctl-d\" is no key; keys are written like j, G, ctrl-d, alt-x, \
         shift-tab, f1, enter, or g g"
    );
    assert_eq!(
        complaint("[browse]\nzoom = \"x\"\nwide = [\"w\", \"x\"]\n"),
        "config.toml:3:14: [browse] wide: \"x\" is bound to zoom as well, in line 2"
    );
    assert_eq!(
        complaint("[menu]\nzoom = \"x\"\nwide = \"x y\"\n"),
        "config.toml:3:8: [menu] wide: \"x y\" and \"x\" of zoom in line 2 can't both be: one begins the other"
    );
    assert!(
        complaint("[browse]\nzoom = 1\n")
            .starts_with("config.toml:2:8: [browse] zoom: keys are written in quot")
    );
    assert!(complaint("browse = 1\n").starts_with("config.toml:1:10: [browse]: has to be a table"));
    assert!(complaint("[browse]\nzoom = \"\"\n").contains("[] means that there is none"));
    assert!(complaint("[browse]\nzoom = \"shift-1\"\n").contains("write the character it makes"));
    assert!(complaint("[browse]\nquit = []\n").contains("no key for quit in [browse]"));
    assert!(complaint("[input]\nzoom = \"esc\"\n").contains("no key for back in [input]"));
}

#[test]
fn names_that_nothing_is_known_of_are_told_and_left_out() {
    let (map, unknown) = user("[browse]\nzooom = \"x\"\n[brows]\nzoom = \"x\"\n").unwrap();
    assert_eq!(map, Keymap::default());
    let texts: Vec<String> = unknown.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "config.toml:3:2: [brows]: there is no such table; did you mean browse?",
            "config.toml:2:1: [browse] zooom: there is no such action; did you mean zoom?",
        ]
    );
}
