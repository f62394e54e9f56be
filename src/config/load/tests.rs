use std::io::{Error, ErrorKind};

use crate::app::{Action, Mode};

use super::*;

/// A computer with these variables and these files, and nothing else.
fn try_load(
    variables: &[(&str, &str)],
    files: &[(&str, &str)],
    flags: &Flags,
) -> Result<Settings, LoadError> {
    let variable = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
    let read = |path: &Path| {
        let found = files.iter().find(|(name, _)| Path::new(name) == path);
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| Error::from(ErrorKind::NotFound))
    };
    load_from(&World { variable: &variable, read: &read, config_dir: Some("/home/.config".into()) }, flags)
}

const USUAL: &str = "/home/.config/kdisco/config.toml";

fn file(text: &str) -> Settings {
    try_load(&[], &[(USUAL, text)], &Flags::default()).unwrap()
}

fn wrong(text: &str) -> String {
    try_load(&[], &[(USUAL, text)], &Flags::default()).unwrap_err().to_string()
}

fn set<T>(value: T, origin: Origin) -> Value<T> {
    Value { value, origin }
}

#[test]
fn without_anything_the_defaults_hold() {
    let settings = try_load(&[], &[], &Flags::default()).unwrap();
    assert_eq!(settings.theme, set(String::new(), Origin::Default));
    assert_eq!(settings.color, set(true, Origin::Default));
    assert_eq!(settings.mouse, set(true, Origin::Default));
    assert_eq!(settings.ascii, set(false, Origin::Default));
    assert_eq!(settings.log_file, set(None, Origin::Default));
    assert_eq!(settings.file.as_deref(), Some(Path::new(USUAL)));
    assert_eq!(settings.keymap, Keymap::default());
}

#[test]
fn each_source_beats_the_one_before_and_is_remembered() {
    let text = "ascii = true\ntheme = \"light\"\nmouse = false\ncolor = true\n";
    let from = |variables: &[(&str, &str)], flags: &Flags| {
        let s = try_load(variables, &[(USUAL, text)], flags).unwrap();
        (s.theme, s.color)
    };
    let flags = Flags { theme: Some("contrast".into()), no_color: true, ..Flags::default() };
    let (theme, color) = from(&[], &Flags::default());
    assert_eq!((theme, color), (set("light".into(), Origin::File(2)), set(true, Origin::File(4))));
    let (theme, color) = from(&[("KDISCO_THEME", "dark"), ("NO_COLOR", "1")], &Flags::default());
    assert_eq!(theme, set("dark".into(), Origin::Environment("KDISCO_THEME")));
    assert_eq!(color, set(false, Origin::Environment("NO_COLOR")));
    let (theme, color) = from(&[("KDISCO_THEME", "dark"), ("KDISCO_COLOR", "1")], &flags);
    assert_eq!(theme, set("contrast".into(), Origin::Flag("--theme")));
    assert_eq!(color, set(false, Origin::Flag("--no-color")));
}

#[test]
fn a_variable_that_is_empty_is_not_set_and_one_that_is_neither_yes_nor_no_is_told() {
    let no = try_load(&[("NO_COLOR", ""), ("KDISCO_ASCII", "")], &[], &Flags::default()).unwrap();
    assert_eq!((no.color.value, no.ascii.value), (true, false));
    let error = try_load(&[("KDISCO_ASCII", "maybe")], &[], &Flags::default()).unwrap_err();
    assert_eq!(error.to_string(), "$KDISCO_ASCII is \"maybe\", which is neither 1 nor 0");
}

#[test]
fn a_locale_without_utf_8_means_ascii_unless_somebody_says_otherwise() {
    let ascii = |variables: &[(&str, &str)]| try_load(variables, &[], &Flags::default()).unwrap().ascii;
    assert_eq!(ascii(&[("LANG", "C")]), set(true, Origin::Environment("LANG")));
    assert_eq!(
        ascii(&[("LC_ALL", "POSIX"), ("LANG", "de_DE.UTF-8")]),
        set(true, Origin::Environment("LC_ALL"))
    );
    assert!(!ascii(&[("LANG", "de_DE.utf8")]).value);
    assert!(!ascii(&[("LC_ALL", ""), ("LANG", "C.UTF-8")]).value);
    assert!(ascii(&[("TERM", "linux"), ("LANG", "C.UTF-8")]).value);
    assert!(!ascii(&[("LANG", "C"), ("KDISCO_ASCII", "0")]).value);
    let settings = try_load(&[("LANG", "C")], &[(USUAL, "ascii = false\n")], &Flags::default()).unwrap();
    assert_eq!(settings.ascii, set(false, Origin::File(1)));
}

#[test]
fn only_a_file_that_was_named_has_to_be_there() {
    let named = Flags { config: Some("/x.toml".into()), ..Flags::default() };
    assert!(matches!(try_load(&[], &[], &named), Err(LoadError::Unreadable { .. })));
    let error = try_load(&[("KDISCO_CONFIG", "/y.toml")], &[], &Flags::default()).unwrap_err();
    assert!(error.to_string().starts_with("/y.toml: "), "{error}");
    let files = [("/x.toml", "theme = \"x\""), ("/y.toml", "theme = \"y\""), (USUAL, "theme = \"u\"")];
    let theme =
        |variables: &[(&str, &str)], flags: &Flags| try_load(variables, &files, flags).unwrap().theme.value;
    assert_eq!(theme(&[], &Flags::default()), "u");
    assert_eq!(theme(&[("KDISCO_CONFIG", "/y.toml")], &Flags::default()), "y");
    assert_eq!(theme(&[("KDISCO_CONFIG", "/y.toml")], &named), "x");
}

#[test]
fn namespaces_of_a_context_are_offered_besides_the_general_ones() {
    let settings =
        file("namespaces = [\"shop\"]\n[contexts.\"prod-eu\"]\nnamespaces = [\"billing\", \"shop\"]\n");
    assert_eq!(settings.namespaces_of("prod-eu"), ["billing", "shop"].map(String::from).into());
    assert_eq!(settings.namespaces_of("other"), ["shop".to_owned()].into());
    assert_eq!(settings.contexts["prod-eu"].origin, Origin::File(3));
    let variable = [("KDISCO_NAMESPACES", "a, b")];
    let settings = try_load(&variable, &[], &Flags::default()).unwrap();
    assert_eq!(settings.namespaces.value, ["a", "b"]);
}

#[test]
fn keys_stand_in_the_file_or_in_one_of_their_own() {
    let zoom = |s: &Settings| s.keymap.written_for(Mode::Browse, Action::Zoom);
    assert_eq!(zoom(&file("[keys.browse]\nzoom = \"x\"\n")), ["x"]);
    let files = [
        (USUAL, "keys = \"my.toml\""),
        ("/home/.config/kdisco/my.toml", "[browse]\nzoom = \"X\"\nzom = \"b\""),
    ];
    let settings = try_load(&[], &files, &Flags::default()).unwrap();
    assert_eq!(zoom(&settings), ["X"]);
    assert_eq!(
        settings.unknown[0].to_string(),
        "/home/.config/kdisco/my.toml:3:1: [browse] zom: there is no such action; did you mean zoom?"
    );
    let settings = file("[log]\nfile = \"/l\"\nlevel = \"debug\"\n");
    assert_eq!(settings.log_file, set(Some("/l".into()), Origin::File(2)));
    assert_eq!(settings.log_level, set("debug".into(), Origin::File(3)));
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_is_unknown_does_not_stop() {
    assert_eq!(wrong("mouse = \"yes\"\n"), format!("{USUAL}:1:9: mouse: has to be true or false"));
    assert_eq!(wrong("theme = 1\n"), format!("{USUAL}:1:9: theme: has to be a text in quotation marks"));
    assert!(
        wrong("namespaces = \"shop\"\n")
            .ends_with("has to be a list of texts, as in [\"shop\", \"billing\"]")
    );
    assert!(wrong("contexts = 1\n").ends_with("[contexts.NAME]"));
    assert!(wrong("keys = 1\n").ends_with("or the name of a file"));
    assert!(wrong("a = \n").starts_with(&format!("{USUAL}:1:")));
    assert!(
        wrong("[keys.browse]\nzoom = \"hyper-x\"\n")
            .starts_with(&format!("{USUAL}:2:8: [keys.browse] zoom: "))
    );
    let settings = file("theem = \"dark\"\nmouse = false\n[contexts.a]\nnamespace = []\n[log]\nx = 1\n");
    assert!(!settings.mouse.value);
    let texts: Vec<String> = settings.unknown.iter().map(|c| c.to_string().replace(USUAL, "f")).collect();
    assert_eq!(
        texts,
        [
            "f:4:1: [contexts.a] namespace: there is no such setting; did you mean namespaces?",
            "f:6:1: [log] x: there is no such setting; there are file, level",
            "f:1:1: theem: there is no such setting; did you mean theme?",
        ]
    );
}
