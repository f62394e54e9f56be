//! Everything that is not a service variable, and what hides what.

use super::*;

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
fn an_optional_source_that_does_not_exist_is_passed_over() {
    let mut main = container(vec![]);
    main.env_from =
        [EnvFrom { prefix: "".into(), secret: false, name: "nope".into(), optional: true }].into();
    let mut pod = pod(main);
    for state in [ContainerState::Running(Some(at(0))), ContainerState::Waiting("".into())] {
        pod.statuses[0].state = state;
        let environment = predicted(&snapshot(vec![]), &pod);
        assert_eq!((environment.unknowns().len(), environment.blocked.len()), (0, 0));
        assert_eq!(environment.variables().map(|v| v.name).collect::<Vec<_>>(), ["HOSTNAME"]);
    }
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
