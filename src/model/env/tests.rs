//! The rules that the vectors and recordings do not single out, one test each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::findings::{findings, service_findings};
use super::reverse::{Cure, containers_missing};
use super::*;
use crate::model::pod::{ContainerStatus, EnvFrom, EnvValue, EnvVar, KeyRef, PodSpec};
use crate::model::service::SpecChange;
use crate::model::snapshot::LoadEntry;
use crate::model::{
    ConfigData, Labels, Load, Node, Port, PortTarget, Protocol, ServiceFacts, ServiceType, Severity,
};

const START: i64 = 1_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(START + seconds).unwrap()
}

/// A Service with one unnamed TCP port, created so many seconds after the start of all containers here.
fn service(name: &str, ip: &str, created: i64) -> Service {
    Service {
        key: key(name),
        uid: name.into(),
        created: Some(at(created)),
        deleting: None,
        labels: Labels::default(),
        kind: ServiceType::ClusterIp,
        cluster_ip: ip.into(),
        cluster_ips: [].into(),
        external_ips: [].into(),
        external_name: "".into(),
        ports: [port("", 80)].into(),
        selector: Labels::default(),
        publish_not_ready: false,
        internal_local: false,
        external_local: false,
        ingress: [].into(),
        changes: [].into(),
    }
}

/// `ns/name`, or a name in the namespace `a`.
fn key(name: &str) -> ObjectKey {
    let (namespace, name) = name.split_once('/').unwrap_or(("a", name));
    ObjectKey::new(namespace, name)
}

fn port(name: &str, port: i32) -> Port {
    let protocol = Protocol::Tcp;
    Port {
        name: name.into(),
        port,
        protocol,
        target: PortTarget::Same,
        node_port: 0,
        app_protocol: "".into(),
    }
}

fn change(after: i64, owns: &str) -> SpecChange {
    SpecChange {
        manager: "kubectl-edit".into(),
        at: at(after),
        owns_type: owns.contains("type"),
        owns_cluster_ip: owns.contains("ip"),
        owns_ports: owns.contains("ports"),
    }
}

fn container(env: Vec<(&str, EnvValue)>) -> Container {
    Container {
        name: "main".into(),
        role: ContainerRole::Main,
        image: "registry:5000/library/nginx:1.27".into(),
        ports: [].into(),
        env: env.into_iter().map(|(name, value)| EnvVar { name: name.into(), value }).collect(),
        env_from: [].into(),
        tty: false,
        limits: Labels::default(),
        requests: Labels::default(),
    }
}

fn status(name: &str, state: ContainerState) -> ContainerStatus {
    ContainerStatus {
        name: name.into(),
        ready: true,
        started: true,
        restarts: 0,
        state,
        last_finished: None,
        last_reason: "".into(),
    }
}

fn pod(container: Container) -> Pod {
    let statuses = [status(&container.name, ContainerState::Running(Some(at(0))))].into();
    Pod {
        key: key("pod"),
        uid: "u-1".into(),
        created: Some(at(-3600)),
        deleting: None,
        labels: Labels::new([("app".into(), "web".into())]),
        annotations: Labels::default(),
        owner: None,
        spec: Arc::new(PodSpec { containers: [container].into(), service_links: true, ..PodSpec::default() }),
        node: "node-1".into(),
        hostname: None,
        phase: "Running".into(),
        reason: "".into(),
        ips: ["10.0.0.7".into(), "fd00::7".into()].into(),
        host_ips: ["192.0.2.1".into()].into(),
        conditions: [].into(),
        statuses,
    }
}

fn plain() -> Pod {
    pod(container(vec![]))
}

fn edit(pod: &mut Pod, change: impl FnOnce(&mut PodSpec)) {
    change(Arc::make_mut(&mut pod.spec));
}

fn snapshot(services: Vec<Service>) -> ClusterSnapshot {
    let mut facts: Vec<_> =
        services.into_iter().map(|s| Arc::new(ServiceFacts::new(Arc::new(s), vec![]))).collect();
    facts.sort_by(|a, b| a.key().cmp(b.key()));
    let loads = [Kind::Service, Kind::ConfigMap, Kind::Secret];
    ClusterSnapshot {
        services: Arc::new(facts),
        loads: loads.map(|kind| LoadEntry { kind, namespace: None, load: Load::Live }).into(),
        ..ClusterSnapshot::default()
    }
}

fn config(name: &str, data: &[(&str, &str)]) -> Arc<BTreeMap<ObjectKey, Arc<ConfigData>>> {
    let data = data.iter().map(|(k, v)| ((*k).into(), v.as_bytes().into())).collect();
    Arc::new(BTreeMap::from([(key(name), Arc::new(ConfigData { key: key(name), data, binary: [].into() }))]))
}

fn predicted(snapshot: &ClusterSnapshot, pod: &Pod) -> ContainerEnvironment {
    predicted_with(snapshot, pod, &Options { secrets: Secrets::Shown, ..Options::default() })
}

fn predicted_with(snapshot: &ClusterSnapshot, pod: &Pod, options: &Options) -> ContainerEnvironment {
    container_environment(snapshot, pod, &pod.spec.containers[0], options)
}

/// Status and value of one variable.
fn said<'a>(environment: &'a ContainerEnvironment, name: &str) -> Option<(Status, Option<&'a str>)> {
    environment.get(name).map(|v| (v.status, v.value))
}

fn reason(environment: &ContainerEnvironment, name: &str) -> String {
    environment.get(name).and_then(|v| v.reason()).unwrap_or_default()
}

fn status_with(service: Service, pod: &Pod) -> Status {
    let name = format!("{}_SERVICE_HOST", mangle(&service.key.name));
    predicted(&snapshot(vec![service]), pod).get(&name).unwrap().status
}

fn literal(text: &str) -> EnvValue {
    EnvValue::Literal(text.into())
}

fn key_ref(name: &str, key: &str, optional: bool) -> KeyRef {
    KeyRef { name: name.into(), key: key.into(), optional }
}

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
fn what_env_hides_is_named() {
    let mut main =
        container(vec![("DB_PORT", literal("5432")), ("K", literal("mine")), ("HOSTNAME", literal("h"))]);
    main.env_from =
        [EnvFrom { prefix: "".into(), secret: false, name: "cfg".into(), optional: false }].into();
    let mut snapshot = snapshot(vec![service("db", "10.0.0.1", -100)]);
    snapshot.config_maps = config("cfg", &[("K", "theirs"), ("DB_SERVICE_HOST", "db.example")]);
    let environment = predicted(&snapshot, &pod(main));
    assert_eq!(said(&environment, "DB_PORT"), Some((Status::Present, Some("5432"))));
    assert_eq!(reason(&environment, "DB_PORT"), "hides the Service db");
    assert_eq!(environment.get("DB_SERVICE_HOST").unwrap().origin, Origin::EnvFrom);
    assert_eq!(reason(&environment, "DB_SERVICE_HOST"), "hides the Service db");
    assert_eq!(reason(&environment, "K"), "hides the same name from ConfigMap cfg");
    assert_eq!(reason(&environment, "HOSTNAME"), "hides what the runtime would set");
}

#[test]
fn missing_unread_and_forbidden_are_three_things() {
    let pod = |optional| {
        let reference = EnvValue::ConfigMapKey(key_ref("cfg", "k", optional));
        pod(container(vec![("DB_SERVICE_HOST", reference)]))
    };
    let mut snapshot = snapshot(vec![service("db", "10.0.0.1", -100)]);
    let shows_through = Some((Status::Present, Some("10.0.0.1")));
    assert_eq!(said(&predicted(&snapshot, &pod(true)), "DB_SERVICE_HOST"), shows_through);
    let gone = predicted(&snapshot, &pod(false));
    assert_eq!(said(&gone, "DB_SERVICE_HOST"), Some((Status::Unreadable, None)));
    assert!(reason(&gone, "DB_SERVICE_HOST").starts_with("ConfigMap cfg does not exist any more"));
    snapshot.config_maps = config("cfg", &[("other", "x")]);
    assert_eq!(said(&predicted(&snapshot, &pod(true)), "DB_SERVICE_HOST"), shows_through);
    snapshot.config_maps = Arc::default();
    snapshot.loads.retain(|entry| entry.kind == Kind::Service);
    let words = |fetch: Option<Fetch>| {
        let fetches: Fetches = fetch.map(|f| ((Kind::ConfigMap, key("cfg")), f)).into_iter().collect();
        let options = Options { fetches: Some(&fetches), ..Options::default() };
        reason(&predicted_with(&snapshot, &pod(true), &options), "DB_SERVICE_HOST")
    };
    assert!(words(None).starts_with("ConfigMap cfg was not read"));
    assert!(words(Some(Fetch::Pending)).starts_with("ConfigMap cfg is being read"));
    assert!(words(Some(Fetch::Forbidden("no".into()))).starts_with("ConfigMap cfg may not be read: no"));
    assert_eq!(words(Some(Fetch::Missing)), "");
}

#[test]
fn what_a_start_needs_and_lacks_is_told() {
    let mut main = container(vec![
        ("A", EnvValue::SecretKey(key_ref("s", "k", false))),
        ("B", EnvValue::Field("spec.nonsense".into())),
    ]);
    main.env_from =
        [EnvFrom { prefix: "".into(), secret: false, name: "cfg".into(), optional: false }].into();
    let mut pod = pod(main);
    let snapshot = snapshot(vec![]);
    assert!(predicted(&snapshot, &pod).blocked.is_empty(), "it runs");
    assert_eq!(predicted(&snapshot, &pod).unknowns().len(), 1, "the ConfigMap is gone");
    pod.statuses[0].state = ContainerState::Waiting("CreateContainerConfigError".into());
    assert_eq!(
        predicted(&snapshot, &pod).blocked,
        [
            "ConfigMap cfg does not exist",
            "A: Secret s does not exist",
            "B: the kubelet knows no field spec.nonsense"
        ]
    );
}

#[test]
fn an_unread_source_is_a_gap_and_whoever_it_may_hide_says_so() {
    let mut main = container(vec![("DB_PORT", literal("1")), ("URL", literal("$(P_X)$(DB_SERVICE_HOST)"))]);
    main.env_from = [EnvFrom { prefix: "DB_".into(), secret: true, name: "s".into(), optional: true }].into();
    let mut snapshot = snapshot(vec![service("db", "10.0.0.1", -100), service("web", "10.0.0.2", -100)]);
    snapshot.loads.retain(|entry| entry.kind == Kind::Service);
    let environment = predicted(&snapshot, &pod(main));
    assert_eq!(
        environment.unknowns(),
        ["Secret s with the prefix DB_ was not read: its variables are not listed"]
    );
    assert_eq!(reason(&environment, "DB_SERVICE_HOST"), "unless Secret s, which was not read, sets it");
    assert_eq!(reason(&environment, "DB_PORT"), "hides the Service db");
    assert_eq!(reason(&environment, "WEB_PORT"), "");
    assert!(reason(&environment, "URL").contains("$(DB_SERVICE_HOST) is as shown unless Secret s"));
}

#[test]
fn secret_values_are_hidden_wherever_they_went() {
    let main = container(vec![
        ("PASSWORD", EnvValue::SecretKey(key_ref("s", "p", false))),
        ("URL", literal("postgres://u:$(PASSWORD)@db")),
        ("OTHER", literal("x")),
    ]);
    let pod = pod(main);
    let mut snapshot = snapshot(vec![]);
    snapshot.secrets = config("s", &[("p", "hunter2")]);
    let with = |secrets| predicted_with(&snapshot, &pod, &Options { secrets, ..Options::default() });
    let hidden = with(Secrets::Hidden);
    assert_eq!(said(&hidden, "PASSWORD"), Some((Status::Unreadable, None)));
    assert_eq!(said(&hidden, "URL"), Some((Status::Unreadable, None)));
    assert_eq!(said(&hidden, "OTHER"), Some((Status::Present, Some("x"))));
    assert!(!format!("{hidden:?}").contains("hunter2"));
    let names = BTreeSet::from(["PASSWORD".into()]);
    let one = with(Secrets::Named(&names));
    assert_eq!(said(&one, "PASSWORD"), Some((Status::Present, Some("hunter2"))));
    assert_eq!(said(&one, "URL"), Some((Status::Unreadable, None)));
    assert_eq!(said(&with(Secrets::Shown), "URL"), Some((Status::Present, Some("postgres://u:hunter2@db"))));
    assert_eq!(hidden.bytes(), with(Secrets::Shown).bytes(), "hidden values count with their length");
}

#[test]
fn binary_keys_reach_no_environment_and_odd_keys_do() {
    let mut main = container(vec![("B", EnvValue::ConfigMapKey(key_ref("cfg", "bin", true)))]);
    main.env_from =
        [EnvFrom { prefix: "p.".into(), secret: false, name: "cfg".into(), optional: false }].into();
    let data = [("bin", &b"\xff"[..]), ("9 lives", b"a\nb"), ("nul", b"a\0b"), ("latin", b"\xe9")];
    let data = data.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let mut snapshot = snapshot(vec![]);
    let object = ConfigData { key: key("cfg"), data, binary: ["bin".into()].into() };
    snapshot.config_maps = Arc::new(BTreeMap::from([(key("cfg"), Arc::new(object))]));
    let environment = predicted(&snapshot, &pod(main));
    assert_eq!(said(&environment, "p.9 lives"), Some((Status::Present, Some("a\nb"))));
    assert_eq!(said(&environment, "p.nul"), Some((Status::Uncertain, Some("a\0b"))));
    assert_eq!(said(&environment, "p.latin"), Some((Status::Uncertain, Some("\u{fffd}"))));
    assert_eq!(said(&environment, "p.bin"), None);
    assert_eq!(said(&environment, "B"), None);
}

#[test]
fn fields_of_the_pod() {
    let paths = [
        ("metadata.name", "pod"),
        ("metadata.namespace", "a"),
        ("metadata.uid", "u-1"),
        ("metadata.labels['app']", "web"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['none']", ""),
        ("spec.nodeName", "node-1"),
        ("spec.serviceAccountName", "robot"),
        ("status.hostIP", "192.0.2.1"),
        ("status.hostIPs", "192.0.2.1"),
        ("status.podIP", "10.0.0.7"),
        ("status.podIPs", "10.0.0.7,fd00::7"),
    ];
    let mut pod =
        pod(container(paths.iter().map(|(path, _)| (*path, EnvValue::Field((*path).into()))).collect()));
    edit(&mut pod, |spec| spec.service_account = "robot".into());
    let environment = predicted(&snapshot(vec![]), &pod);
    for (path, value) in paths {
        assert_eq!(said(&environment, path), Some((Status::Present, Some(value))), "{path}");
    }
    pod.ips = ["10.0.0.7".into(), "10.0.0.8".into(), "fd00::7".into()].into();
    let environment = predicted(&snapshot(vec![]), &pod);
    assert_eq!(said(&environment, "status.podIPs"), Some((Status::Present, Some("10.0.0.7,fd00::7"))));
    (pod.ips, pod.node, pod.statuses) = ([].into(), "".into(), [].into());
    let environment = predicted(&snapshot(vec![]), &pod);
    assert_eq!(said(&environment, "status.podIP"), Some((Status::NextStart, None)));
    assert_eq!(said(&environment, "spec.nodeName"), Some((Status::NextStart, None)));
}

#[test]
fn resources_with_divisors_and_the_nodes_amounts() {
    let resource = |container: &str, resource: &str, divisor: &str| EnvValue::Resource {
        container: container.into(),
        resource: resource.into(),
        divisor: divisor.into(),
    };
    let main = container(vec![
        ("CPU", resource("", "limits.cpu", "0")),
        ("MILLI", resource("", "limits.cpu", "1m")),
        ("MEM", resource("", "limits.memory", "1Mi")),
        ("REQ", resource("", "requests.memory", "")),
        ("DISK", resource("", "limits.ephemeral-storage", "1Gi")),
        ("PAGES", resource("", "limits.hugepages-2Mi", "")),
        ("INIT", resource("init", "limits.memory", "")),
        ("SELF", resource("main", "limits.memory", "1Gi")),
    ]);
    let mut pod = pod(main);
    edit(&mut pod, |spec| {
        spec.containers[0].limits = Labels::new([("cpu".into(), "1500m".into())]);
        let mut init = container(vec![]);
        (init.name, init.role) = ("init".into(), ContainerRole::Init);
        spec.containers = [spec.containers[0].clone(), init].into();
    });
    let amounts = [("cpu", "8"), ("memory", "3000000Ki"), ("ephemeral-storage", "10000000000")];
    let allocatable = Labels::new(amounts.map(|(k, v)| (k.into(), v.into())));
    let node = Node { name: "node-1".into(), allocatable, labels: Labels::default() };
    let mut snapshot = snapshot(vec![]);
    let without = predicted(&snapshot, &pod);
    assert_eq!(said(&without, "CPU"), Some((Status::Present, Some("2"))));
    assert_eq!(said(&without, "MEM"), Some((Status::Unreadable, None)));
    assert!(reason(&without, "MEM").ends_with("what node node-1 can allocate, which was not read"));
    snapshot.nodes = Arc::new(BTreeMap::from([("node-1".into(), Arc::new(node))]));
    let environment = predicted(&snapshot, &pod);
    for (name, value) in [
        ("CPU", "2"),
        ("MILLI", "1500"),
        ("MEM", "2930"),
        ("REQ", "0"),
        ("DISK", "10"),
        ("PAGES", "0"),
        ("INIT", "0"), // by name, only main containers fall back to the node
        ("SELF", "3"),
    ] {
        assert_eq!(said(&environment, name), Some((Status::Present, Some(value))), "{name}");
    }
}

#[test]
fn host_names() {
    let long = "x".repeat(62) + "-y";
    let case = |change: &dyn Fn(&mut Pod), domain| {
        let mut pod = plain();
        change(&mut pod);
        let options = Options { cluster_domain: domain, ..Options::default() };
        let environment = predicted_with(&snapshot(vec![]), &pod, &options);
        let (status, value) = said(&environment, "HOSTNAME").unwrap();
        (status, value.map(str::to_owned))
    };
    let sure = |name: &str| (Status::Present, Some(name.to_owned()));
    let fqdn = |pod: &mut Pod| {
        edit(pod, |spec| (spec.hostname_as_fqdn, spec.subdomain) = (true, "sub".into()));
    };
    assert_eq!(case(&|_| (), None), sure("pod"));
    assert_eq!(case(&|pod| pod.hostname = Some("h".into()), None), sure("h"));
    assert_eq!(case(&|pod| pod.key.name = long.as_str().into(), None), sure(&"x".repeat(62)));
    assert_eq!(case(&|pod| edit(pod, |spec| spec.hostname_as_fqdn = true), None), sure("pod"));
    assert_eq!(case(&fqdn, Some("k8s.example")), sure("pod.sub.a.svc.k8s.example"));
    assert_eq!(case(&fqdn, None), (Status::Uncertain, Some("pod.sub.a.svc.cluster.local".to_owned())));
    assert_eq!(case(&|pod| edit(pod, |s| s.hostname_override = Some("o.r".into())), None), sure("o.r"));
    let on_host = |pod: &mut Pod| edit(pod, |spec| spec.host_network = true);
    assert_eq!(case(&on_host, None), (Status::Uncertain, Some("node-1".to_owned())));
    let tty = predicted(&snapshot(vec![]), &{
        let mut pod = pod(container(vec![("A", literal("$(HOSTNAME)$(TERM)"))]));
        edit(&mut pod, |spec| spec.containers[0].tty = true);
        pod
    });
    assert_eq!(said(&tty, "TERM"), Some((Status::Present, Some("xterm"))));
    assert_eq!(
        said(&tty, "A"),
        Some((Status::Present, Some("$(HOSTNAME)$(TERM)"))),
        "the kubelet does not know them"
    );
}

#[test]
fn without_rights_in_default_the_api_servers_variables_are_unreadable() {
    let mut snapshot = snapshot(vec![service("db", "10.0.0.1", -100)]);
    snapshot.loads = vec![LoadEntry { kind: Kind::Service, namespace: Some("a".into()), load: Load::Live }];
    let environment = predicted(&snapshot, &plain());
    assert_eq!(said(&environment, "KUBERNETES_SERVICE_HOST"), Some((Status::Unreadable, None)));
    assert_eq!(environment.unknowns(), ["the Services of default are not looked at"]);
    assert_eq!(said(&environment, "DB_PORT"), Some((Status::Present, Some("tcp://10.0.0.1:80"))));
}

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

#[test]
fn five_thousand_services_are_close_to_the_limit_and_more_are_beyond() {
    let many = |n: u32| {
        let one = |i: u32| {
            let mut service = service(&format!("service-{i:06}"), "10.100.100.100", -100);
            service.ports = [port("http", 8080)].into();
            service
        };
        snapshot((0..n).map(one).collect())
    };
    for (count, expected) in [(100, None), (5_000, Some(Severity::Warning)), (6_000, Some(Severity::Error))] {
        let environment = predicted(&many(count), &plain());
        assert_eq!(environment.variables().count(), 8 * count as usize + 1);
        let found = findings::environment_too_large(&environment);
        assert_eq!(found.as_ref().map(|f| f.severity), expected, "{count}: {found:?}");
    }
}

#[test]
fn one_variable_can_be_too_long_by_itself() {
    let text = "x".repeat(findings::STRING_LIMIT - 3);
    let long = |more: &str| {
        predicted(&snapshot(vec![]), &pod(container(vec![("A", literal(&(text.clone() + more)))])))
    };
    assert_eq!(findings::environment_too_large(&long("")), None);
    assert_eq!(findings::environment_too_large(&long("y")).map(|f| f.severity), Some(Severity::Error));
}

#[test]
fn findings_name_what_is_the_matter() {
    let mut changed = service("changed", "10.0.0.3", -100);
    changed.changes = [change(60, "ports")].into();
    let services = vec![
        service("late", "10.0.0.1", 41),
        changed,
        service("nginx", "10.0.0.4", -100),
        service("foo", "10.0.0.5", -100),
        service("foo-service", "10.0.0.6", -100),
    ];
    let mut pod = pod(container(vec![("FOO_PORT", literal("1"))]));
    pod.owner = Some(Owner { kind: "StatefulSet".into(), name: "db".into() });
    let environment = predicted(&snapshot(services), &pod);
    let said: Vec<_> = findings(&environment, &pod).iter().map(|f| (f.code, f.severity)).collect();
    let expected = [
        ("pod-older-than-service", Severity::Warning),
        ("service-changed-after-start", Severity::Warning),
        ("variable-collision", Severity::Warning),
        ("variable-is-url", Severity::Warning),
        ("variable-hidden", Severity::Info),
    ];
    assert_eq!(said, expected);
    let older = findings::pod_older_than_service(&environment, &pod).unwrap();
    assert_eq!(
        older.message,
        "container main started before the Service late existed and lacks the variables"
    );
    assert_eq!(older.evidence, ["Service late was created 41 s after the start"]);
    assert!(older.advice.starts_with("restart StatefulSet db (kubectl rollout restart statefulset/db)"));
    edit(&mut pod, |spec| spec.service_links = false);
    let off = predicted(&snapshot(vec![service("db", "10.0.0.1", -100)]), &pod);
    let said: Vec<_> = findings(&off, &pod).iter().map(|f| f.code).collect();
    assert_eq!(said, ["service-links-off"]);
}

#[test]
fn the_containers_that_miss_a_service() {
    let mut snapshot = snapshot(vec![]);
    let named = |name: &str, change: &dyn Fn(&mut Pod)| {
        let mut pod = plain();
        pod.key = key(name);
        change(&mut pod);
        Arc::new(pod)
    };
    let pods = vec![
        named("early", &|_| ()),
        named("later", &|pod| pod.statuses[0].state = ContainerState::Running(Some(at(1000)))),
        named("linkless", &|pod| edit(pod, |spec| spec.service_links = false)),
        named("waiting", &|pod| pod.statuses[0].state = ContainerState::Waiting("".into())),
    ];
    snapshot.pods =
        BTreeMap::from([("a".into(), Arc::new(pods)), ("b".into(), Arc::new(vec![named("b/x", &|_| ())]))]);
    let db = service("db", "10.0.0.1", 41);
    let missing = containers_missing(&snapshot, &db);
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert_eq!((&*missing[0].pod.name, missing[0].verdict), ("early", Verdict::Absent { early: 41 }));
    assert_eq!(missing[0].cure, Cure::Recreate { pod: "early".into() });
    let found = service_findings(&snapshot, &db);
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].message,
        "1 running container started before it was created and lack the variables of db"
    );
    assert!(service_findings(&snapshot, &service("db", "None", 41)).is_empty());
}

#[test]
fn what_has_to_be_restarted() {
    let cure = |kind: &str, name: &str, hash: Option<&str>| {
        let mut pod = plain();
        pod.owner = Some(Owner { kind: kind.into(), name: name.into() });
        pod.labels = Labels::new(hash.map(|hash| ("pod-template-hash".into(), hash.into())));
        Cure::of(&pod).to_string()
    };
    for (kind, name, hash, text) in [
        (
            "ReplicaSet",
            "web-ui-5b7",
            Some("5b7"),
            "restart Deployment web-ui (kubectl rollout restart deployment/web-ui)",
        ),
        ("ReplicaSet", "web-ui-5b7", Some("zzz"), "delete pod pod; ReplicaSet web-ui-5b7 makes another"),
        ("ReplicaSet", "bare", None, "delete pod pod; ReplicaSet bare makes another"),
        ("DaemonSet", "log", None, "restart DaemonSet log (kubectl rollout restart daemonset/log)"),
        ("Job", "once", None, "delete pod pod; Job once makes another"),
    ] {
        assert_eq!(cure(kind, name, hash), text);
    }
    assert_eq!(Cure::of(&plain()).to_string(), "delete pod pod and create it again; nothing else will");
}

#[test]
fn what_has_to_be_fetched() {
    let mut main = container(vec![
        ("A", EnvValue::SecretKey(key_ref("s", "k", false))),
        ("B", EnvValue::ConfigMapKey(key_ref("c", "k", false))),
        ("C", EnvValue::Resource { container: "".into(), resource: "limits.cpu".into(), divisor: "".into() }),
    ]);
    main.env_from = [EnvFrom { prefix: "".into(), secret: true, name: "t".into(), optional: true }].into();
    let pod = pod(main);
    let said: Vec<_> =
        references(&pod, &pod.spec.containers[0]).into_iter().map(|(k, o)| (k, o.to_string())).collect();
    let expected =
        [(Kind::ConfigMap, "a/c"), (Kind::Secret, "a/s"), (Kind::Secret, "a/t"), (Kind::Node, "node-1")];
    assert_eq!(said, expected.map(|(kind, name)| (kind, name.to_owned())));
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
