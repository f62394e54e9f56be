//! Expected cells are those of kubernetes' own `printers_test.go` where a test names one, else read off `printers.go`.

use super::*;
use crate::model::pod::ContainerRole::{Ephemeral, Init, Main, Sidecar};
use crate::model::samples::{self, ago, ended, endpoint, now, running, waiting};
use crate::model::{AddressType, Protocol, SlicePort};

#[test]
fn services_as_in_test_print_service() {
    let base = || samples::service("default", "test").with_ips(&["10.9.8.7"]);
    let external = |s: &Service| external_ip(s, Width::Narrow).into_owned();
    assert_eq!(external(&base()), "<none>");
    assert_eq!(external(&base().with_external_ips(&["80.11.12.10"])), "80.11.12.10");
    assert_eq!(external(&base().with_ingress(&[])), "<pending>");
    assert_eq!(external(&base().with_ingress(&[]).with_external_ips(&["80.11.12.10"])), "80.11.12.10");
    assert_eq!(
        external(&base().with_ingress(&["3.4.5.6"]).with_external_ips(&["80.11.12.10"])),
        "3.4.5.6,80.11.12.10"
    );
    assert_eq!(
        external(
            &base().with_ingress(&["2.3.4.5", "3.4.5.6"]).with_external_ips(&["80.11.12.10", "80.11.12.11"])
        ),
        "2.3.4.5,3.4.5.6,80.11.12.10,80.11.12.11"
    );
    let outside = samples::service("default", "test7").external("my.database.example.com");
    assert_eq!(
        service_row(&outside, now(), Width::Wide),
        ["test7", "ExternalName", "<none>", "my.database.example.com", "<none>", "<unknown>", "<none>"]
    );
}

#[test]
fn load_balancer_addresses_are_a_sorted_set_that_the_narrow_table_cuts() {
    for (ingress, narrow, wide) in [
        (&["2.3.4.5", "3.4.5.6"][..], "2.3.4.5,3.4.5.6", "2.3.4.5,3.4.5.6"),
        (&["3.4.5.6", "2.3.4.5", "3.4.5.6", ""], "2.3.4.5,3.4.5.6", "2.3.4.5,3.4.5.6"),
        (&["2.3.4.5", "3.4.5.6", "5.6.7.8"], "2.3.4.5,3.4.5...", "2.3.4.5,3.4.5.6,5.6.7.8"),
        (&["1234567890abcdef"], "1234567890abcdef", "1234567890abcdef"),
        (&["aaaaaaaaaaaaäaaaaaa"], "aaaaaaaaaaaa...", "aaaaaaaaaaaaäaaaaaa"),
    ] {
        let service = samples::service("default", "lb").with_ingress(ingress);
        assert_eq!(external_ip(&service, Width::Narrow), narrow);
        assert_eq!(external_ip(&service, Width::Wide), wide);
    }
}

#[test]
fn the_other_service_cells() {
    let mut service = samples::service("default", "my-app")
        .with_port("http", 80, "")
        .with_port("dns", 53, "")
        .with_ips(&["fd00::1", "10.96.0.1"]);
    service.ports[0].node_port = 30080;
    service.ports[1].protocol = Protocol::Udp;
    service.created = ago(3 * 86_400);
    assert_eq!(
        service_row(&service, now(), Width::Wide),
        ["my-app", "ClusterIP", "fd00::1", "<none>", "80:30080/TCP,53/UDP", "3d", "app=my-app"]
    );
    assert_eq!(service_row(&service, now(), Width::Narrow).len(), 6);
    assert_eq!(cluster_ip(&samples::service("default", "x").with_ips(&["None"])), "None");
    let mut odd = samples::service("default", "x");
    odd.kind = ServiceType::from("Telepathy");
    odd.ports = Box::default();
    assert_eq!(
        service_row(&odd, now(), Width::Narrow),
        ["x", "Telepathy", "10.96.0.10", "<unknown>", "<none>", "<unknown>"]
    );
}

/// A status maker with that many restarts, the last run over some seconds ago.
fn restarted(state: ContainerState, restarts: i32, last: Option<i64>) -> ContainerStatus {
    ContainerStatus { restarts, last_finished: last.and_then(ago), ..samples::status("", state) }
}

struct Case {
    test: &'static str,
    phase: &'static str,
    reason: &'static str,
    deleting: bool,
    conditions: &'static [(&'static str, bool)],
    containers: Vec<(ContainerRole, ContainerStatus)>,
    /// READY, STATUS, RESTARTS.
    cells: [&'static str; 3],
}

impl Default for Case {
    fn default() -> Self {
        Self {
            test: "",
            phase: "podPhase",
            reason: "",
            deleting: false,
            conditions: &[],
            containers: Vec::new(),
            cells: ["0/0", "podPhase", "0"],
        }
    }
}

fn check(case: Case) {
    let mut pod = samples::pod("default", "test");
    let spec = std::sync::Arc::make_mut(&mut pod.spec);
    spec.containers = case
        .containers
        .iter()
        .enumerate()
        .map(|(i, (role, _))| samples::container(&format!("c{i}"), *role))
        .collect();
    pod.statuses = case
        .containers
        .into_iter()
        .enumerate()
        .map(|(i, (_, status))| ContainerStatus { name: format!("c{i}").into(), ..status })
        .collect();
    pod.phase = case.phase.into();
    pod.reason = case.reason.into();
    pod.deleting = case.deleting.then(now);
    // What the converter keeps: Ready, and whatever is not True.
    pod.conditions = case
        .conditions
        .iter()
        .filter(|(kind, status)| *kind == "Ready" || !status)
        .map(|(kind, status)| samples::condition(kind, *status))
        .collect();
    let summary = pod_summary(&pod);
    assert_eq!(
        [summary.ready_cell().as_str(), &summary.status, &summary.restarts_cell(now())],
        case.cells,
        "{}",
        case.test
    );
}

#[test]
fn pods_as_in_test_print_pod() {
    let up = |n| (Main, restarted(running(), n, None));
    let blank = |ready| (Main, ContainerStatus { ready, ..restarted(waiting(""), 3, None) });
    let done = || restarted(ended("Completed", 0, 0), 3, None);
    for (test, containers, cells) in [
        ("test1", vec![up(3), blank(false)], ["1/2", "podPhase", "6"]),
        (
            "test2",
            vec![up(3), (Main, restarted(waiting("ContainerWaitingReason"), 3, None))],
            ["1/2", "ContainerWaitingReason", "6"],
        ),
        (
            "test3",
            vec![
                (Main, restarted(waiting("ContainerWaitingReason"), 3, None)),
                (Main, restarted(ended("ContainerTerminatedReason", 0, 0), 3, None)),
            ],
            ["0/2", "ContainerWaitingReason", "6"],
        ),
        ("test4", vec![up(3), blank(true)], ["1/2", "podPhase", "6"]),
        (
            "test12",
            vec![(Main, restarted(running(), 3, Some(5 * 86_400)))],
            ["1/1", "podPhase", "3 (5d ago)"],
        ),
        (
            "test13",
            vec![up(0), (Main, restarted(running(), 3, Some(10 * 86_400)))],
            ["2/2", "podPhase", "3 (10d ago)"],
        ),
        (
            "test14",
            vec![
                (Main, restarted(running(), 6, Some(5 * 86_400))),
                (Main, restarted(running(), 3, Some(20 * 86_400))),
            ],
            ["2/2", "podPhase", "9 (5d ago)"],
        ),
        ("a signal", vec![(Main, restarted(ended("", 137, 9), 0, None))], ["0/1", "Signal:9", "0"]),
        ("an exit code", vec![(Main, restarted(ended("", 3, 0), 0, None))], ["0/1", "ExitCode:3", "0"]),
        (
            "ephemeral containers do not count",
            vec![up(0), (Ephemeral, restarted(ended("Error", 1, 0), 7, None))],
            ["1/1", "podPhase", "0"],
        ),
    ] {
        check(Case { test, containers, cells, ..Case::default() });
    }
    check(Case {
        test: "test5",
        reason: "podReason",
        containers: vec![up(3), blank(true)],
        cells: ["1/2", "podReason", "6"],
        ..Case::default()
    });
    check(Case {
        test: "test6, without Ready",
        phase: "Running",
        containers: vec![(Main, done()), up(3)],
        cells: ["1/2", "NotReady", "6"],
        ..Case::default()
    });
    check(Case {
        test: "test6, with Ready",
        phase: "Running",
        conditions: &[("Ready", true)],
        containers: vec![(Main, done()), up(3)],
        cells: ["1/2", "Running", "6"],
        ..Case::default()
    });
    check(Case {
        test: "test15",
        conditions: &[("Ready", false)],
        containers: vec![(Main, restarted(waiting(""), 0, None))],
        cells: ["0/1", "podPhase", "0"],
        ..Case::default()
    });
}

#[test]
fn pods_that_wait_for_init_containers() {
    let idle = || (Main, restarted(waiting(""), 0, None));
    let working = || (Init, restarted(running(), 3, Some(10)));
    let no_init = (Init, restarted(waiting(""), 0, None));
    for (test, containers, cells) in [
        ("test7", vec![working(), idle()], ["0/1", "Init:0/1", "3 (10s ago)"]),
        ("test8", vec![working(), no_init.clone(), idle()], ["0/1", "Init:0/2", "3 (10s ago)"]),
        (
            "test9",
            vec![(Init, restarted(ended("", 0, 0), 0, None)), working(), idle()],
            ["0/1", "Init:1/2", "3 (10s ago)"],
        ),
        (
            "test10",
            vec![(Init, restarted(ended("", 0, 0), 2, Some(120))), working(), idle()],
            ["0/1", "Init:1/2", "5 (10s ago)"],
        ),
        (
            "test11",
            vec![
                (Init, restarted(ended("", 0, 0), 2, Some(120))),
                (Main, ContainerStatus { ready: false, ..restarted(running(), 4, Some(20)) }),
            ],
            ["0/1", "podPhase", "4 (20s ago)"],
        ),
        (
            "a crash loop",
            vec![(Init, restarted(waiting("CrashLoopBackOff"), 5, Some(300))), idle()],
            ["0/1", "Init:CrashLoopBackOff", "5 (5m ago)"],
        ),
        (
            "the container is being made",
            vec![(Init, restarted(waiting("PodInitializing"), 0, None)), idle()],
            ["0/1", "Init:0/1", "0"],
        ),
        (
            "a failure",
            vec![(Init, restarted(ended("Error", 1, 0), 0, None)), idle()],
            ["0/1", "Init:Error", "0"],
        ),
        (
            "a failure without a reason",
            vec![(Init, restarted(ended("", 2, 0), 0, None)), idle()],
            ["0/1", "Init:ExitCode:2", "0"],
        ),
        (
            "a kill without a reason",
            vec![(Init, restarted(ended("", 137, 9), 0, None)), idle()],
            ["0/1", "Init:Signal:9", "0"],
        ),
    ] {
        check(Case { test, containers, cells, ..Case::default() });
    }
}

#[test]
fn pods_as_in_test_print_pod_with_restartable_init_container() {
    let first = |started| ContainerStatus { ready: false, started, ..restarted(running(), 3, Some(10)) };
    let second = |state, started| ContainerStatus { ready: false, started, ..restarted(state, 0, None) };
    let idle = || (Main, restarted(waiting(""), 0, None));
    let killed =
        |n, last| (Sidecar, ContainerStatus { started: false, ..restarted(ended("Error", 137, 0), n, last) });
    for (phase, conditions, containers, cells) in [
        (
            "Pending",
            &[("Initialized", false), ("Ready", false)][..],
            vec![(Sidecar, first(false)), (Sidecar, second(waiting(""), false)), idle()],
            ["0/3", "Init:0/2", "3 (10s ago)"],
        ),
        (
            "Pending",
            &[("Initialized", false), ("Ready", false)],
            vec![(Sidecar, first(true)), (Sidecar, second(running(), false)), idle()],
            ["0/3", "Init:1/2", "3 (10s ago)"],
        ),
        (
            "Running",
            &[("Initialized", true), ("Ready", false)],
            vec![
                (Sidecar, first(true)),
                (Sidecar, second(running(), true)),
                (Main, restarted(running(), 4, Some(20))),
            ],
            ["1/3", "Running", "7 (10s ago)"],
        ),
        (
            "Succeeded",
            &[("Initialized", true), ("Ready", false)],
            vec![
                killed(3, Some(10)),
                killed(0, None),
                (Main, restarted(ended("Completed", 0, 0), 4, Some(20))),
            ],
            ["0/3", "Completed", "7 (10s ago)"],
        ),
    ] {
        check(Case { test: cells[1], phase, conditions, containers, cells, ..Case::default() });
    }
}

#[test]
fn gates_evictions_deletions_and_lost_nodes() {
    let mut gated = samples::pod("default", "gated");
    gated.phase = "Pending".into();
    gated.conditions = Box::new([samples::condition("PodScheduled", false)]);
    gated.conditions[0].reason = "SchedulingGated".into();
    gated.statuses = Box::default();
    assert_eq!(pod_summary(&gated).status, "SchedulingGated");

    let dead = |reason| vec![(Main, restarted(ended(reason, i32::from(reason == "Error"), 0), 0, None))];
    let up = || vec![(Main, ContainerStatus { ready: false, ..restarted(running(), 0, None) })];
    for (phase, reason, deleting, containers, status) in [
        ("Succeeded", "", false, dead("Completed"), "Completed"),
        ("Failed", "", false, dead("Error"), "Error"),
        ("Succeeded", "", true, dead("Completed"), "Completed"),
        ("Running", "", true, up(), "Terminating"),
        ("Pending", "", true, up(), "Terminating"),
        ("Running", "NodeLost", true, up(), "Unknown"),
        ("Running", "NodeLost", false, up(), "NodeLost"),
        ("Failed", "Evicted", false, up(), "Evicted"),
    ] {
        check(Case {
            test: status,
            phase,
            reason,
            deleting,
            containers,
            cells: ["0/1", status, "0"],
            ..Case::default()
        });
    }
}

#[test]
fn the_wide_pod_row_ends_with_address_and_node() {
    let mut pod = samples::pod("default", "test1");
    pod.created = ago(60);
    assert_eq!(
        pod_row(&pod, now(), Width::Wide),
        ["test1", "1/1", "Running", "0", "60s", "10.244.1.7", "node-1"]
    );
    (pod.ips, pod.node) = (Box::default(), "".into());
    assert_eq!(pod_row(&pod, now(), Width::Wide)[5..], ["<none>", "<none>"]);
    assert_eq!(pod_row(&pod, now(), Width::Narrow).len(), 5);
}

#[test]
fn slices_as_in_test_print_endpoint_slice() {
    let pair = |a: &str, b: &str| {
        let mut endpoint = endpoint(a);
        endpoint.addresses = [a, b].map(Into::into).into();
        endpoint
    };
    let mut slice = samples::slice("default", "abcslice", "123")
        .with_port("http", 80)
        .with(pair("10.1.2.3", "2001:db8::1234:5678"));
    slice.created = ago(300);
    assert_eq!(
        slice_row(&slice, now()),
        ["abcslice-123", "IPv4", "80", "10.1.2.3,2001:db8::1234:5678", "5m"]
    );
    let mut slice = slice
        .with_port("https", 443)
        .with_port("extra1", 3000)
        .with_port("extra2", 3001)
        .with(pair("10.2.3.4", "2001:db8::2345:6789"));
    slice.address_type = AddressType::Ipv6;
    assert_eq!(
        slice_row(&slice, now())[1..4],
        ["IPv6", "80,443,3000 + 1 more...", "10.1.2.3,2001:db8::1234:5678,10.2.3.4 + 1 more..."]
    );
    slice.ports = Box::new([SlicePort { name: "all".into(), port: None, protocol: Protocol::Tcp }]);
    slice.endpoints = Box::default();
    assert_eq!(slice_row(&slice, now())[2..4], ["all", "<unset>"]);
    slice.ports = Box::new([SlicePort { name: "".into(), port: None, protocol: Protocol::Tcp }]);
    assert_eq!(slice_ports(&slice), "<unset>");
}
