//! What starts, creations and changes say about service variables.

use super::*;

#[test]
fn the_margins_around_the_start() {
    for (created, expected) in [
        (-5, Status::Present),
        (-4, Status::Uncertain),
        (0, Status::Uncertain),
        (1, Status::Uncertain),
        (2, Status::Absent),
        (41, Status::Absent),
    ] {
        assert_eq!(
            status_with(service("db", "10.0.0.1", created), &plain()),
            expected,
            "{created} s after the start"
        );
    }
    let environment = predicted(&snapshot(vec![service("db", "10.0.0.1", 41)]), &plain());
    assert_eq!(
        reason(&environment, "DB_PORT"),
        "the container started 41 s before the Service db was created, so it lacks this until it restarts; unless an \
         older Service of that name existed, whose variables it would still have"
    );
}

#[test]
fn the_end_of_what_ran_before_narrows_the_margin() {
    let mut restarted = plain();
    restarted.statuses[0].last_finished = Some(at(-1));
    for (created, finished, expected) in [
        (-2, -1, Status::Present),
        (-1, -1, Status::Uncertain),
        (-2, 60, Status::Uncertain), // an end after the start is not of what ran before
        (2, -1, Status::Absent),
    ] {
        restarted.statuses[0].last_finished = Some(at(finished));
        assert_eq!(
            status_with(service("db", "10.0.0.1", created), &restarted),
            expected,
            "{created}, {finished}"
        );
    }
}

#[test]
fn init_containers_end_before_the_main_ones_start_but_sidecars_and_ephemeral_ones_tell_nothing() {
    let ended = |seconds| ContainerState::Terminated {
        reason: "Completed".into(),
        exit_code: 0,
        signal: 0,
        started: None,
        finished: Some(at(seconds)),
    };
    for (first, second, expected) in [
        (ContainerRole::Init, ContainerRole::Main, Status::Present),
        (ContainerRole::Init, ContainerRole::Sidecar, Status::Present),
        (ContainerRole::Init, ContainerRole::Ephemeral, Status::Uncertain),
        (ContainerRole::Sidecar, ContainerRole::Main, Status::Uncertain),
    ] {
        let mut pod = plain();
        let mut before = container(vec![]);
        (before.name, before.role) = ("before".into(), first);
        edit(&mut pod, |spec| {
            spec.containers[0].role = second;
            spec.containers = [spec.containers[0].clone(), before].into();
            spec.containers.reverse();
        });
        pod.statuses = [status("before", ended(-1)), pod.statuses[0].clone()].into();
        let snapshot = snapshot(vec![service("db", "10.0.0.1", -3)]);
        let environment =
            container_environment(&snapshot, &pod, &pod.spec.containers[1], &Options::default());
        assert_eq!(environment.get("DB_PORT").unwrap().status, expected, "{first:?}, then {second:?}");
    }
}

#[test]
fn a_static_pod_is_never_sure_of_a_service_but_may_surely_lack_it() {
    let mut pod = plain();
    for (source, old, young) in
        [("file", Status::Uncertain, Status::Absent), ("api", Status::Present, Status::Absent)]
    {
        pod.annotations = Labels::new([("kubernetes.io/config.source".into(), source.into())]);
        assert_eq!(status_with(service("db", "10.0.0.1", -9999), &pod), old, "{source}");
        assert_eq!(status_with(service("db", "10.0.0.1", 9999), &pod), young, "{source}");
    }
}

#[test]
fn containers_that_do_not_run_get_everything_at_their_next_start() {
    let mut pod = pod(container(vec![("A", literal("1$(DB_PORT)"))]));
    for state in [Some(ContainerState::Waiting("CrashLoopBackOff".into())), None] {
        pod.statuses = state.into_iter().map(|state| status("main", state)).collect();
        let environment = predicted(&snapshot(vec![service("db", "10.0.0.1", 9999)]), &pod);
        assert_eq!(said(&environment, "DB_SERVICE_HOST"), Some((Status::NextStart, Some("10.0.0.1"))));
        assert_eq!(said(&environment, "A"), Some((Status::NextStart, Some("1tcp://10.0.0.1:80"))));
        assert_eq!(said(&environment, "HOSTNAME"), Some((Status::NextStart, Some("pod"))));
    }
}

#[test]
fn a_running_container_without_a_start_time_and_a_service_without_a_creation_are_doubts() {
    let mut pod = plain();
    let mut timeless = service("db", "10.0.0.1", 0);
    timeless.created = None;
    assert_eq!(status_with(timeless, &pod), Status::Uncertain);
    pod.statuses[0].state = ContainerState::Running(None);
    assert_eq!(status_with(service("db", "10.0.0.1", -9999), &pod), Status::Uncertain);
}

#[test]
fn a_change_after_the_start_makes_all_variables_stale() {
    for (after, owns, expected) in [
        (60, "ports", Status::Stale),
        (60, "type", Status::Stale),
        (60, "ip", Status::Stale),
        (60, "", Status::Present),
        (-4, "ports", Status::Stale),
        (-5, "ports", Status::Present),
        (-100, "ports", Status::Present), // the creation's own entry
    ] {
        let mut db = service("db", "10.0.0.1", -100);
        db.changes = [change(after, owns)].into();
        assert_eq!(status_with(db, &plain()), expected, "{after} s, owns {owns:?}");
    }
    // The creation's own entry is no change, even where it is as young as can be.
    let mut restarted = plain();
    restarted.statuses[0].last_finished = Some(at(-1));
    let mut young = service("db", "10.0.0.1", -2);
    young.changes = [change(-2, "type ip ports")].into();
    assert_eq!(status_with(young, &restarted), Status::Present);
    let mut db = service("db", "10.0.0.1", -100);
    db.changes = [change(60, "ports")].into();
    let environment = predicted(&snapshot(vec![db]), &plain());
    assert!(
        environment.variables().filter(|v| v.origin == Origin::Service).all(|v| v.status == Status::Stale)
    );
    let reason = reason(&environment, "DB_PORT");
    assert!(
        reason.contains("changed by kubectl-edit at 1970-01-12T13:47:40Z, 60 s after the container"),
        "{reason}"
    );
}

#[test]
fn expanded_text_is_as_sure_as_the_service_it_comes_from() {
    let refers = [
        ("HOST", "$(DB_SERVICE_HOST)"),
        ("PORT", "$(DB_SERVICE_PORT)"),
        ("FORMER", "$(DB_PORT_81_TCP)"),
        ("OTHER", "$(DBX_PORT)"),
        ("TWICE", "<$(PORT)>"),
    ];
    let pod = pod(container(refers.iter().map(|(name, text)| (*name, literal(text))).collect()));
    let with = |created, owns| {
        let mut db = service("db", "10.0.0.1", created);
        db.changes = [change(60, owns)].into();
        predicted(&snapshot(vec![db]), &pod)
    };
    let ports = with(-100, "ports");
    assert_eq!(
        said(&ports, "HOST"),
        Some((Status::Present, Some("10.0.0.1"))),
        "ports changed, the address did not"
    );
    assert_eq!(said(&ports, "PORT"), Some((Status::Stale, Some("80"))));
    assert_eq!(said(&ports, "TWICE"), Some((Status::Stale, Some("<80>"))));
    assert_eq!(
        said(&ports, "FORMER"),
        Some((Status::Stale, Some("$(DB_PORT_81_TCP)"))),
        "it may have had that port"
    );
    assert_eq!(said(&ports, "OTHER"), Some((Status::Present, Some("$(DBX_PORT)"))));
    let mut portless = service("db", "10.0.0.1", -100);
    (portless.ports, portless.changes) = ([].into(), [change(60, "ports")].into());
    let environment =
        predicted(&snapshot(vec![portless]), &super::pod(container(vec![("URL", literal("$(DB_PORT)"))])));
    assert_eq!(
        said(&environment, "URL"),
        Some((Status::Stale, Some("$(DB_PORT)"))),
        "it must have had ports"
    );
    assert_eq!(said(&with(-100, "type"), "HOST"), Some((Status::Stale, Some("10.0.0.1"))));
    assert_eq!(said(&with(-2, ""), "HOST"), Some((Status::Uncertain, Some("10.0.0.1"))));
    let absent = with(41, "");
    assert_eq!(said(&absent, "HOST"), Some((Status::Present, Some("$(DB_SERVICE_HOST)"))));
    assert!(reason(&absent, "HOST").contains("stays as written"));
}

#[test]
fn a_service_called_kubernetes_takes_the_place_of_the_default_one_if_it_was_there() {
    let default = || service("default/kubernetes", "10.96.0.1", -9999);
    for (created, expected, status) in [
        (-100, Some("10.0.0.1"), Status::Present),
        (100, Some("10.96.0.1"), Status::Present),
        (0, None, Status::Uncertain),
    ] {
        let environment =
            predicted(&snapshot(vec![default(), service("kubernetes", "10.0.0.1", created)]), &plain());
        assert_eq!(said(&environment, "KUBERNETES_SERVICE_HOST"), Some((status, expected)), "{created}");
    }
    let headless = service("kubernetes", "None", -100);
    let environment = predicted(&snapshot(vec![default(), headless]), &plain());
    assert_eq!(said(&environment, "KUBERNETES_SERVICE_HOST"), Some((Status::Present, Some("10.96.0.1"))));
}

#[test]
fn colliding_services_are_both_shown_and_only_different_values_are_a_doubt() {
    let environment = |created, url: bool| {
        let other = if url { "foo-service" } else { "foo-service-port-x" };
        let mut foo = service("foo", "10.0.0.1", -100);
        if !url {
            // The port is called so that foo makes FOO_SERVICE_PORT_X_SERVICE_PORT=80, as the other Service does.
            foo.ports = [port("x-service-port", 80)].into();
        }
        predicted(&snapshot(vec![foo, service(other, "10.0.0.2", created)]), &plain())
    };
    let collided = environment(-100, true);
    assert_eq!(said(&collided, "FOO_SERVICE_PORT"), Some((Status::Uncertain, None)));
    let variable = collided.get("FOO_SERVICE_PORT").unwrap();
    let candidates: Vec<_> = variable.candidates().map(|c| (&*c.service.name, c.value)).collect();
    assert_eq!(candidates, [("foo", "80"), ("foo-service", "tcp://10.0.0.2:80")]);
    assert!(variable.collides() && variable.service.is_none());
    assert!(reason(&collided, "FOO_SERVICE_PORT").ends_with("80 (foo), tcp://10.0.0.2:80 (foo-service)"));
    // The other came too late: there is nothing to choose from.
    assert_eq!(said(&environment(100, true), "FOO_SERVICE_PORT"), Some((Status::Present, Some("80"))));
    let equal = environment(-100, false);
    assert_eq!(said(&equal, "FOO_SERVICE_PORT_X_SERVICE_PORT"), Some((Status::Present, Some("80"))));
    // Of two with the same value one that is surely there is enough.
    assert_eq!(
        said(&environment(0, false), "FOO_SERVICE_PORT_X_SERVICE_PORT"),
        Some((Status::Present, Some("80")))
    );
}

#[test]
fn three_services_can_make_one_variable() {
    let mut foo = service("foo", "10.0.0.1", -100);
    foo.ports = [port("80-tcp-port", 1)].into();
    let others = ["foo-service", "foo-service-port-80-tcp"].map(|name| service(name, "10.0.0.2", -100));
    let environment = predicted(&snapshot([vec![foo], others.to_vec()].concat()), &plain());
    let variable = environment.get("FOO_SERVICE_PORT_80_TCP_PORT").unwrap();
    let values: Vec<_> = variable.candidates().map(|c| c.value).collect();
    assert_eq!(values, ["1", "80", "tcp://10.0.0.2:80"]);
    let listed = environment.variables().filter(|v| v.name == variable.name).count();
    assert_eq!((variable.status, listed), (Status::Uncertain, 1));
}
