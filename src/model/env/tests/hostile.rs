//! Names and values that nobody would write, and everything at once.

use proptest::prelude::*;

use super::*;
use crate::model::env::findings::findings;

#[test]
fn doubling_references_are_given_up() {
    let names: Vec<String> = (0..64).map(|i| format!("A{i}")).collect();
    let mut entries = vec![(&*names[0], literal("xx"))];
    for pair in names.windows(2) {
        entries.push((&*pair[1], literal(&format!("$({0})$({0})", pair[0]))));
    }
    let environment = predicted(&snapshot(vec![]), &pod(container(entries)));
    assert_eq!(environment.get("A20").unwrap().value_len(), 2 << 20);
    assert_eq!(said(&environment, "A21"), Some((Status::Uncertain, None)));
    assert_eq!(environment.get("A63").unwrap().value, None);
}

/// Names and values as hostile as the API lets through, and worse.
fn odd() -> impl Strategy<Value = String> {
    prop_oneof![
        "[$()A-C]{0,12}",
        "(A|B|HOSTNAME|FOO_PORT|FOO_SERVICE_HOST)",
        "\\$\\((A|B|FOO_PORT|FOO_SERVICE_PORT)\\)",
        any::<String>(),
        Just("a\nb\u{1b}[2J\0$".to_owned()),
    ]
}

proptest! {
    #[test]
    fn no_environment_panics_or_is_out_of_order(
        entries in proptest::collection::vec((odd(), odd()), 0..12),
        data in proptest::collection::btree_map(odd(), odd(), 0..6),
        prefix in odd(),
        names in proptest::collection::btree_set("(foo|foo-service|foo-port-80-tcp|kubernetes|[a-z0-9-]{1,6})", 0..5),
        created in -8_i64..8,
        shown: bool,
    ) {
        let mut main = container(entries.iter().map(|(name, value)| (&**name, literal(value))).collect());
        main.env_from = [EnvFrom { prefix: (&*prefix).into(), secret: true, name: "s".into(), optional: false }].into();
        let services: Vec<_> =
            names.iter().zip(0..).map(|(name, i)| service(name, &format!("10.0.0.{i}"), created * i)).collect();
        let mut snapshot = snapshot(services);
        let data: Vec<_> = data.iter().map(|(k, v)| (&**k, &**v)).collect();
        snapshot.secrets = config("s", &data);
        let pod = pod(main);
        let options = Options { secrets: if shown { Secrets::Shown } else { Secrets::Hidden }, ..Options::default() };
        let environment = predicted_with(&snapshot, &pod, &options);
        let all: Vec<_> = environment.variables().collect();
        prop_assert!(all.windows(2).all(|pair| pair[0].name < pair[1].name));
        for variable in &all {
            prop_assert!(variable.status == Status::Present || variable.reason().is_some());
            prop_assert_eq!(environment.get(variable.name).map(|v| v.value), Some(variable.value));
        }
        for (name, value) in &entries {
            prop_assert!(environment.get(name).is_some());
            if !value.contains('$') && entries.iter().filter(|(n, _)| n == name).count() == 1 {
                prop_assert_eq!(environment.get(name).unwrap().value, Some(&**value), "values survive as they are");
            }
        }
        findings(&environment, &pod);
        let (pairs, _) = export::exportable(&environment);
        for format in [export::Format::Dotenv, export::Format::Shell, export::Format::DockerEnvFile] {
            let text = export::export(pairs.iter().copied(), format).text;
            prop_assert!(text.chars().all(|c| c == '\n' || crate::model::text::is_safe(c)));
        }
    }

    #[test]
    fn expansion_without_references_changes_nothing(text in "[^$]*") {
        prop_assert_eq!(expand_with(&text, |_| None), text);
    }

    #[test]
    fn doubled_dollars_are_an_escape(text in "[ -~]*") {
        prop_assert_eq!(expand_with(&text.replace('$', "$$"), |_| Some("x".to_owned())), text);
    }
}
