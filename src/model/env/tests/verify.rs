//! Predictions held against what a container prints.

use super::*;
use crate::model::env::verify::{Actual, Check, Form, Verification, Verified, verify};

fn nul(variables: &[(&str, &str)]) -> Vec<u8> {
    variables.iter().flat_map(|(name, value)| format!("{name}={value}\0").into_bytes()).collect()
}

fn held(environment: &ContainerEnvironment, pod: &Pod, printed: &[u8], form: Form) -> Verification {
    let actual = Actual::parse(printed, form, environment);
    verify(environment, &pod.spec.containers[0], &actual, Secrets::Hidden, "exec env")
}

fn check<'a>(result: &'a Verification, name: &str) -> &'a Check {
    result.get(name).unwrap_or_else(|| panic!("no {name} in {result:?}"))
}

/// Verdict, actual value, whether it is kept back.
fn verdict<'a>(result: &'a Verification, name: &str) -> (Verified, Option<&'a str>, bool) {
    let check = check(result, name);
    (check.verified, check.actual.as_deref(), check.hidden)
}

#[test]
fn each_verdict_says_what_is_there() {
    let services = vec![
        service("db", "10.0.0.1", -100),
        service("late", "10.0.0.2", 100),
        service("maybe", "10.0.0.3", 0),
        Service { changes: [change(50, "ports")].into(), ..service("old", "10.0.0.4", -100) },
    ];
    let pod = pod(container(vec![("GONE", literal("x"))]));
    let environment = predicted(&snapshot(services), &pod);
    let printed = nul(&[
        ("PATH", "/bin"),
        ("HOSTNAME", "pod"),
        ("DB_SERVICE_HOST", "10.0.0.1"),
        ("DB_SERVICE_PORT", "81"),
        ("OLD_SERVICE_PORT", "90"),
        ("OLD_PORT_90_TCP_ADDR", "10.0.0.4"),
        ("LATE_SERVICE_HOST", "10.0.0.99"),
        ("FORMER_SERVICE_HOST", "10.0.0.9"),
        ("MAYBE_SERVICE_HOST", "10.0.0.3"),
    ]);
    let result = held(&environment, &pod, &printed, Form::Nul);
    for (name, verified, actual) in [
        ("DB_SERVICE_HOST", Verified::Equal, Some("10.0.0.1")),
        ("DB_SERVICE_PORT", Verified::Different, Some("81")),
        ("DB_PORT", Verified::Missing, None),
        ("GONE", Verified::Missing, None),
        ("HOSTNAME", Verified::Equal, Some("pod")),
        ("LATE_SERVICE_HOST", Verified::Unpredicted, Some("10.0.0.99")),
        ("LATE_SERVICE_PORT", Verified::Equal, None),
        ("MAYBE_SERVICE_HOST", Verified::Equal, Some("10.0.0.3")),
        ("MAYBE_SERVICE_PORT", Verified::Missing, None),
        ("OLD_SERVICE_PORT", Verified::Different, Some("90")),
        ("PATH", Verified::Unpredicted, Some("/bin")),
    ] {
        assert_eq!(verdict(&result, name), (verified, actual, false), "{name}");
    }
    let note = |name: &str| check(&result, name).note.clone().unwrap_or_default();
    assert!(note("OLD_SERVICE_PORT").contains("before the change"), "{}", note("OLD_SERVICE_PORT"));
    assert!(note("OLD_PORT_90_TCP_ADDR").contains("the Service old"), "{}", note("OLD_PORT_90_TCP_ADDR"));
    assert!(note("LATE_SERVICE_HOST").contains("older Service"), "{}", note("LATE_SERVICE_HOST"));
    assert!(
        note("FORMER_SERVICE_HOST").contains("a Service that is gone"),
        "{}",
        note("FORMER_SERVICE_HOST")
    );
    let wrong: Vec<&str> = result.contradictions().map(|c| &*c.name).collect();
    // What was called stale, uncertain or absent had not been promised.
    assert!(wrong.contains(&"DB_SERVICE_PORT") && wrong.contains(&"GONE"), "{wrong:?}");
    assert!(wrong.iter().all(|name| name.starts_with("DB_") || *name == "GONE"), "{wrong:?}");
    assert!(result.summary().contains(" different, "), "{}", result.summary());
}

#[test]
fn what_may_be_a_secrets_value_is_never_kept() {
    let mut main = container(vec![
        ("TOKEN", EnvValue::SecretKey(key_ref("s", "k", true))),
        ("URL", literal("http://u:$(TOKEN)@host")),
        ("PLAIN", literal("a$(HOSTNAME)")),
        ("PRE_OPEN", literal("open")),
        ("FILE", EnvValue::FileKey { path: "f".into(), key: "k".into(), optional: false }),
    ]);
    main.env_from =
        [EnvFrom { prefix: "PRE_".into(), secret: true, name: "gone".into(), optional: true }].into();
    let pod = pod(main);
    // Both Secrets are gone today; the container started when they were there.
    let environment = predicted_with(&snapshot(vec![]), &pod, &Options::default());
    let printed = nul(&[
        ("TOKEN", "hunter2"),
        ("URL", "http://u:hunter2@host"),
        ("PLAIN", "apod"),
        ("PRE_KEY", "hunter2"),
        ("PRE_OPEN", "changed"),
        ("FILE", "hunter2"),
        ("PATH", "/bin"),
    ]);
    let result = held(&environment, &pod, &printed, Form::Nul);
    for name in ["TOKEN", "URL", "PRE_KEY", "FILE"] {
        let check = check(&result, name);
        assert!(check.hidden && check.actual.is_none() && check.is_there(), "{name}");
    }
    assert_eq!(verdict(&result, "TOKEN").0, Verified::Unpredicted);
    assert_eq!(verdict(&result, "URL").0, Verified::Different);
    assert_eq!(verdict(&result, "FILE").0, Verified::Unverifiable);
    assert_eq!(verdict(&result, "PRE_OPEN"), (Verified::Different, Some("changed"), false));
    assert_eq!(verdict(&result, "PATH"), (Verified::Unpredicted, Some("/bin"), false));
    let debug = format!("{result:?} {:?}", Actual::parse(&printed, Form::Nul, &environment));
    assert!(!debug.contains("hunter2"), "{debug}");

    let actual = Actual::parse(&printed, Form::Nul, &environment);
    let one = BTreeSet::from(["TOKEN".into()]);
    let asked = verify(&environment, &pod.spec.containers[0], &actual, Secrets::Named(&one), "exec env");
    assert_eq!(check(&asked, "TOKEN").actual.as_deref(), Some("hunter2"));
    assert!(check(&asked, "URL").hidden);
}

#[test]
fn a_secret_that_is_shown_is_compared() {
    let pod = pod(container(vec![("TOKEN", EnvValue::SecretKey(key_ref("s", "k", false)))]));
    let mut snapshot = snapshot(vec![]);
    snapshot.secrets = config("s", &[("k", "hunter2")]);
    let printed = nul(&[("TOKEN", "hunter2")]);
    let masked = predicted_with(&snapshot, &pod, &Options::default());
    let result = held(&masked, &pod, &printed, Form::Nul);
    assert_eq!(verdict(&result, "TOKEN"), (Verified::Unverifiable, None, true));
    let shown = predicted(&snapshot, &pod);
    let actual = Actual::parse(&printed, Form::Nul, &shown);
    let result = verify(&shown, &pod.spec.containers[0], &actual, Secrets::Shown, "exec env");
    assert_eq!(verdict(&result, "TOKEN"), (Verified::Equal, Some("hunter2"), false));
}

#[test]
fn values_with_line_ends_survive() {
    let pod = pod(container(vec![("PEM", literal("-----\nA=B\n==\n-----\n")), ("Z", literal("1"))]));
    let environment = predicted(&snapshot(vec![]), &pod);
    let whole = "-----\nA=B\n==\n-----\n";
    let printed = nul(&[("PEM", whole), ("Z", "1"), ("W", "a\nb=c"), ("E", "")]);
    let result = held(&environment, &pod, &printed, Form::Nul);
    assert_eq!(verdict(&result, "PEM"), (Verified::Equal, Some(whole), false));
    assert_eq!(verdict(&result, "W").1, Some("a\nb=c"));
    assert_eq!(verdict(&result, "E").1, Some(""));
    assert!(result.get("A").is_none() && result.notes.is_empty());

    // By lines a predicted value is found whole, others as far as lines can be told apart.
    let printed = format!("PEM={whole}\nW=a\n b\nZ=1\n=x\n");
    let result = held(&environment, &pod, printed.as_bytes(), Form::Lines);
    assert_eq!(verdict(&result, "PEM"), (Verified::Equal, Some(whole), false));
    assert_eq!(verdict(&result, "W").1, Some("a\n b"));
    assert_eq!(verdict(&result, "Z"), (Verified::Different, Some("1\n=x"), false));
    assert!(result.get("A").is_none());
    assert_eq!(result.notes.len(), 1);
}

#[test]
fn parts_of_a_hidden_value_are_not_taken_for_names() {
    let pod = pod(container(vec![("KEY", EnvValue::SecretKey(key_ref("s", "k", false)))]));
    let environment = predicted_with(&snapshot(vec![]), &pod, &Options::default());
    let printed = b"KEY=-----BEGIN\nc2VjcmV0==\n-----END\nPATH=/bin\n";
    let result = held(&environment, &pod, printed, Form::Lines);
    let names: Vec<&str> = result.checks.iter().map(|c| &*c.name).collect();
    assert_eq!(names, ["HOSTNAME", "KEY"]);
    assert_eq!(result.notes.len(), 1);
}

#[test]
fn colliding_services_are_settled() {
    let services = vec![
        Service { ports: [port("80-tcp", 9)].into(), ..service("foo", "10.0.0.1", -100) },
        service("foo-service", "10.0.0.2", -100),
    ];
    let pod = plain();
    let environment = predicted(&snapshot(services), &pod);
    let of = |value: &str| {
        let printed = nul(&[("FOO_SERVICE_PORT", value)]);
        verdict(&held(&environment, &pod, &printed, Form::Nul), "FOO_SERVICE_PORT").0
    };
    assert_eq!(of("9"), Verified::Equal);
    assert_eq!(of("tcp://10.0.0.2:80"), Verified::Equal);
    assert_eq!(of("7"), Verified::Different);
}

#[test]
fn odd_bytes_are_told_and_do_no_harm() {
    let pod = pod(container(vec![("A", literal("x"))]));
    let environment = predicted(&snapshot(vec![]), &pod);
    let result = held(&environment, &pod, b"A=\xff\xfe\0\0=y\0novalue\0A=second\0B=\x1b[31m", Form::Nul);
    assert_eq!(verdict(&result, "A"), (Verified::Different, Some("\u{fffd}\u{fffd}"), false));
    assert!(check(&result, "A").note.as_ref().unwrap().contains("not UTF-8"));
    assert_eq!(verdict(&result, "B").1, Some("\u{1b}[31m"), "verbatim; cleaned where it is shown");
    assert_eq!(held(&environment, &pod, b"", Form::Nul).count(Verified::Missing), 2);
    assert_eq!(held(&environment, &pod, b"", Form::Lines).count(Verified::Missing), 2);
}

#[test]
fn a_container_that_does_not_run_has_nothing_to_compare() {
    let mut pod = pod(container(vec![("A", literal("x"))]));
    pod.statuses[0].state = ContainerState::Waiting("CrashLoopBackOff".into());
    let environment = predicted(&snapshot(vec![]), &pod);
    let result = held(&environment, &pod, &nul(&[("A", "x")]), Form::Nul);
    assert_eq!(verdict(&result, "A").0, Verified::Unverifiable);
}
