//! `kdisco keys`: the keys in force, for people, for the README and for a configuration file.

use std::fmt::Write as _;

use super::table::{Table, Widths};
use crate::app::{Action, Group, Mode};
use crate::config::Keymap;

/// All keys as a table with headings.
pub fn table(keymap: &Keymap) -> String {
    let mut table = Table::default();
    table.push(["ACTION", "BROWSE", "INPUT", "MENU", "DOES"]);
    for action in Action::ALL {
        let keys = |mode| match keymap.written_for(mode, *action).join(", ") {
            keys if keys.is_empty() => "-".to_owned(),
            keys => keys,
        };
        let [browse, input, menu] = Mode::ALL.map(keys);
        table.push([action.name(), &browse, &input, &menu, action.help()]);
    }
    table.lay_out(&mut Widths::default())
}

/// All keys as a Markdown table, grouped as on the help page. The README has it between its `keys` marks.
pub fn markdown(keymap: &Keymap) -> String {
    let mut text = "| action | browse | while typing | menu | does |\n|---|---|---|---|---|\n".to_owned();
    for group in Group::ALL {
        let _ = writeln!(text, "| **{}** | | | | |", group.title());
        for action in Action::ALL.iter().filter(|a| a.group() == group) {
            let keys = |mode| {
                let keys = keymap.written_for(mode, *action);
                keys.iter().map(|k| format!("`{}`", k.replace('|', "\\|"))).collect::<Vec<_>>().join(" ")
            };
            let [browse, input, menu] = Mode::ALL.map(keys);
            let _ =
                writeln!(text, "| `{}` | {browse} | {input} | {menu} | {} |", action.name(), action.help());
        }
    }
    text
}

/// All keys in the form of `assets/keys.toml`.
pub fn toml(keymap: &Keymap) -> String {
    let mut text = String::new();
    for mode in Mode::ALL {
        let _ = writeln!(text, "{}[keys.{}]", if text.is_empty() { "" } else { "\n" }, mode.name());
        for action in Action::ALL {
            let keys: Vec<String> = keymap.written_for(mode, *action).into_iter().map(quoted).collect();
            if !keys.is_empty() {
                let _ = writeln!(text, "{} = [{}]", action.name(), keys.join(", "));
            }
        }
    }
    text
}

fn quoted(key: String) -> String {
    toml::Value::String(key).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;

    #[test]
    fn the_toml_form_reads_back_as_the_same_keys() {
        let text = toml(&Keymap::default()).replace("[keys.", "[");
        let source = Source { file: "keys", text: &text };
        let (read, unknown) =
            Keymap::default().with_user_config(&source.parse().unwrap(), source, "").unwrap();
        assert_eq!(unknown, []);
        for (mode, action) in Mode::ALL.iter().flat_map(|m| Action::ALL.iter().map(move |a| (*m, *a))) {
            assert_eq!(read.written_for(mode, action), Keymap::default().written_for(mode, action));
        }
    }

    #[test]
    fn every_action_is_in_every_form() {
        let keymap = Keymap::default();
        for action in Action::ALL {
            assert!(table(&keymap).contains(action.help()), "{}", action.name());
            assert!(markdown(&keymap).contains(&format!("| `{}` |", action.name())), "{}", action.name());
        }
        assert!(
            markdown(&keymap)
                .contains("| `top` | `g g` `home` | `ctrl-home` | `g g` `home` | to the first line |")
        );
    }
}
