use super::*;
use crate::model::samples::{endpoint, facts, pod, service, set_load, slice, snapshot};

fn addresses(rows: &[EndpointRow]) -> Vec<&str> {
    rows.iter().map(|r| &*r.address).collect()
}

#[test]
fn the_three_conditions_and_what_is_not_said() {
    use EndpointState::{Draining, NotReady, Ready, Terminating};
    let (yes, no) = (Some(true), Some(false));
    for (ready, serving, terminating, state) in [
        (yes, yes, no, Ready),
        (None, None, None, Ready),
        (None, None, yes, Ready),
        (yes, no, yes, Ready),
        (no, yes, yes, Draining),
        (no, no, yes, Terminating),
        (no, None, yes, Terminating),
        (no, no, no, NotReady),
        (no, yes, no, NotReady),
        (no, None, None, NotReady),
    ] {
        let e = endpoint("10.0.0.1").conditions(ready, serving, terminating);
        assert_eq!(EndpointState::of(&e), state, "{ready:?} {serving:?} {terminating:?}");
    }
}

#[test]
fn rows_are_ready_first_and_by_number_within_a_state() {
    let not_ready = || endpoint("10.0.0.1").conditions(Some(false), Some(false), Some(false));
    let facts = facts(
        service("default", "web").with_ips(&["10.96.0.1", "fd00::1"]),
        vec![
            slice("default", "web", "b").v6().with(endpoint("fd00::a")).with(endpoint("fd00::9")),
            slice("default", "web", "a")
                .with(not_ready())
                .with(endpoint("10.0.0.10"))
                .with(endpoint("10.0.0.9"))
                .with(endpoint("odd")),
        ],
    );
    let rows = endpoint_rows(&facts, &ClusterSnapshot::default());
    assert_eq!(addresses(&rows), ["10.0.0.9", "10.0.0.10", "fd00::9", "fd00::a", "odd", "10.0.0.1"]);
    assert_eq!(rows[2].address_type, AddressType::Ipv6);
    assert_eq!(rows[5].state, EndpointState::NotReady);
    assert!(rows.iter().all(|r| r.pod == TargetPod::None), "written by hand");
}

#[test]
fn an_endpoint_in_several_slices_is_one_row_with_all_its_ports() {
    let old = endpoint("10.0.0.1").of("default", "web-0").conditions(Some(false), Some(false), None);
    let new = endpoint("10.0.0.1").of("default", "web-0").conditions(None, Some(true), None).on("node-2");
    let facts = facts(
        service("default", "web"),
        vec![
            slice("default", "web", "a").with_port("http", 80).with(old),
            slice("default", "web", "b").with_port("http", 80).with_port("admin", 81).with(new),
        ],
    );
    let [row] = &endpoint_rows(&facts, &ClusterSnapshot::default())[..] else { panic!("one row") };
    assert_eq!(row.ports.iter().map(|p| &*p.name).collect::<Vec<_>>(), ["http", "admin"]);
    assert_eq!(row.slices.iter().map(|s| &**s).collect::<Vec<_>>(), ["web-a", "web-b"]);
    assert_eq!((row.ready, row.serving, row.terminating), (None, Some(true), None), "unknown stays unknown");
    assert_eq!(row.node.as_deref(), Some("node-2"));
    assert_eq!((facts.ready, facts.total), (1, 1));
}

#[test]
fn one_address_of_two_pods_is_two_rows() {
    // Pods of the host network share their node's address.
    let on_host = |pod| endpoint("192.168.0.5").of("default", pod);
    let facts = facts(
        service("default", "web"),
        vec![slice("default", "web", "a").with(on_host("b")).with(on_host("a"))],
    );
    let rows = endpoint_rows(&facts, &ClusterSnapshot::default());
    let names: Vec<_> = rows.iter().map(|r| &*r.target.as_ref().unwrap().name).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn the_pod_behind_is_known_missing_or_unknown() {
    let known = || {
        facts(
            service("default", "web"),
            vec![
                slice("default", "web", "a")
                    .with(endpoint("10.0.0.1").of("default", "web-0"))
                    .with(endpoint("10.0.0.2").of("default", "gone"))
                    .with(endpoint("10.0.0.3")),
            ],
        )
    };
    let mut snapshot = snapshot(vec![known()], vec![pod("default", "web-0")]);
    let kinds = |snapshot: &ClusterSnapshot| {
        endpoint_rows(&known(), snapshot).into_iter().map(|r| r.pod).collect::<Vec<_>>()
    };
    let pods = kinds(&snapshot);
    assert_eq!(pods[0].pod().map(|p| &*p.key.name), Some("web-0"));
    assert_eq!(pods[1..], [TargetPod::Missing, TargetPod::None]);
    set_load(&mut snapshot, Kind::Pod, Load::Loading(1));
    assert_eq!(kinds(&snapshot)[1], TargetPod::Unknown);
    assert_eq!(kinds(&ClusterSnapshot::default())[0], TargetPod::Unknown);
}

#[test]
fn the_services_of_a_pod_by_slice_and_by_selector() {
    let listed = facts(
        service("default", "by-hand").with_port("", 80, ""),
        vec![slice("default", "by-hand", "a").with(endpoint("10.0.0.1").of("default", "web-0"))],
    );
    let draining =
        endpoint("10.0.0.1").of("default", "web-0").conditions(Some(false), Some(true), Some(true));
    let both = facts(service("default", "web"), vec![slice("default", "web", "a").with(draining)]);
    let mut selected = service("default", "also");
    selected.selector = crate::model::samples::labels("app=web");
    let mut other_namespace = service("shop", "web");
    other_namespace.selector = crate::model::samples::labels("app=web");
    let web = pod("default", "web-0").labelled("app=web");
    let snapshot = snapshot(
        vec![
            listed,
            both,
            facts(selected, vec![]),
            facts(other_namespace, vec![]),
            facts(service("default", "stranger"), vec![]),
        ],
        vec![web.clone()],
    );
    let found: Vec<_> = services_of_pod(&web, &snapshot)
        .into_iter()
        .map(|s| (s.service.key().name.to_string(), s.state))
        .collect();
    assert_eq!(
        found,
        [
            ("also".to_owned(), None),
            ("by-hand".to_owned(), Some(EndpointState::Ready)),
            ("web".to_owned(), Some(EndpointState::Draining)),
        ]
    );
}
