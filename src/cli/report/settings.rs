//! `kdisco config`: the settings in force, as a configuration file with the origin of each value.

use std::fmt::Write as _;
use std::path::Path;

use crate::app::{Action, Mode};
use crate::config::load::{Origin, Value};
use crate::config::{Keymap, Settings};

/// The settings as TOML; a comment behind each value tells where it was set.
pub fn toml(settings: &Settings) -> String {
    let mut text = String::new();
    match &settings.file {
        Some(file) => _ = writeln!(text, "# file: {}", shown(file)),
        None => text += "# file: none, as there is no home directory\n",
    }
    let mut lines = vec![
        line("theme", &settings.theme, &toml::Value::from(settings.theme.value.as_str())),
        line("color", &settings.color, &settings.color.value.into()),
        line("ascii", &settings.ascii, &settings.ascii.value.into()),
        line("mouse", &settings.mouse, &settings.mouse.value.into()),
        line("read_only", &settings.read_only, &settings.read_only.value.into()),
        line("namespaces", &settings.namespaces, &list(&settings.namespaces.value)),
    ];
    push_lines(&mut text, &lines);
    for (context, namespaces) in &settings.contexts {
        let context = toml::Value::from(context.as_str());
        let _ = writeln!(text, "\n[contexts.{context}]");
        push_lines(&mut text, &[line("namespaces", namespaces, &list(&namespaces.value))]);
    }
    text += "\n[log]\n";
    lines = vec![match &settings.log_file.value {
        Some(file) => line("file", &settings.log_file, &toml::Value::from(file.display().to_string())),
        None => ("# file".to_owned(), "\"\"".to_owned(), settings.log_file.origin.clone()),
    }];
    lines.push(line("level", &settings.log_level, &toml::Value::from(settings.log_level.value.as_str())));
    push_lines(&mut text, &lines);
    text + &keys(settings)
}

type Line = (String, String, Origin);

fn line<T>(name: &str, value: &Value<T>, written: &toml::Value) -> Line {
    (name.to_owned(), written.to_string(), value.origin.clone())
}

fn list(values: &[String]) -> toml::Value {
    values.iter().map(|v| toml::Value::from(v.as_str())).collect::<Vec<_>>().into()
}

fn push_lines(text: &mut String, lines: &[Line]) {
    for (name, value, origin) in lines {
        let _ = writeln!(text, "{:<32} # {origin}", format!("{name} = {value}"));
    }
}

/// Keys that are not the default ones.
fn keys(settings: &Settings) -> String {
    let (defaults, mut text) = (Keymap::default(), String::new());
    for mode in Mode::ALL {
        let mut begun = false;
        for action in Action::ALL {
            let keys = settings.keymap.written_for(mode, *action);
            if keys != defaults.written_for(mode, *action) {
                if !std::mem::replace(&mut begun, true) {
                    let from = settings.keys_file.as_deref().map(shown).unwrap_or_default();
                    let _ =
                        writeln!(text, "\n[keys.{}]  # other than the defaults; from {from}", mode.name());
                }
                let _ = writeln!(text, "{} = {}", action.name(), list(&keys));
            }
        }
    }
    text
}

fn shown(path: &Path) -> String {
    crate::model::text::clean(&path.display().to_string()).into_owned()
}
