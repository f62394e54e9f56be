use super::*;
use crate::model::pod::{ContainerRole, ContainerState};
use crate::model::service::{PortTarget, Protocol, ServiceType};

/// Each object twice: as JSON, and as `k8s.io/api` v0.34.4 encodes it in protobuf (`Unmarshal` from the JSON, then
/// `Marshal`). Together they have every field that is read, and neighbours that are not.
macro_rules! fixtures {
    ($($kind:ident $name:literal)*) => {
        [$((
            Kind::$kind,
            include_bytes!(concat!("fixtures/", $name, ".json")).as_slice(),
            include_bytes!(concat!("fixtures/", $name, ".pb")).as_slice(),
        )),*]
    };
}

fn fixtures() -> [(Kind, &'static [u8], &'static [u8]); 7] {
    fixtures!(Service "service" EndpointSlice "slice" Pod "pod" Namespace "namespace" ConfigMap "config-map"
        Secret "secret" Node "node")
}

fn fixture(kind: Kind) -> Object {
    let (_, _, protobuf) = fixtures().into_iter().find(|f| f.0 == kind).unwrap();
    Converter::new().object(kind, protobuf, Encoding::Protobuf).unwrap().0
}

fn json(kind: Kind, text: &str) -> Object {
    Converter::new().object(kind, text.as_bytes(), Encoding::Json).unwrap().0
}

#[test]
fn both_encodings_say_the_same() {
    for (kind, json, protobuf) in fixtures() {
        let from_json = Converter::new().object(kind, json, Encoding::Json).unwrap();
        let from_protobuf = Converter::new().object(kind, protobuf, Encoding::Protobuf).unwrap();
        assert_eq!(from_json, from_protobuf, "{kind:?}");
        assert!(!from_json.1.is_empty());
    }
}

#[test]
fn a_pod_keeps_what_environments_and_names_depend_on() {
    let Object::Pod(pod) = fixture(Kind::Pod) else { panic!() };
    let time = |text: &str| Some(text.parse().unwrap());
    assert_eq!(pod.key.to_string(), "shop/web-0");
    assert_eq!(pod.labels.to_string(), "app=web,tier=front");
    assert_eq!(pod.annotations.to_string(), "kubernetes.io/config.source=file,team=red");
    assert_eq!(pod.created, time("2026-01-02T03:04:05Z"));
    assert_eq!(pod.deleting, time("2026-01-02T04:04:05Z"));
    assert_eq!(pod.owner.as_ref().map(|o| (&*o.kind, &*o.name)), Some(("StatefulSet", "web")));
    assert_eq!((&*pod.node, pod.hostname.as_deref()), ("node-1", Some("web-0")));
    assert_eq!((&*pod.phase, &*pod.reason), ("Running", "Evicted"));
    assert_eq!(pod.ips.iter().map(|ip| &**ip).collect::<Vec<_>>(), ["10.0.0.7", "fd00::7"]);
    assert_eq!(pod.host_ips.len(), 1);
    let conditions: Vec<_> = pod.conditions.iter().map(|c| (&*c.kind, c.status, &*c.reason)).collect();
    assert_eq!(conditions, [("Ready", true, ""), ("ContainersReady", false, "ContainersNotReady")]);
    let statuses: Vec<_> = pod.statuses.iter().map(|s| (&*s.name, s.ready, s.started, s.restarts)).collect();
    assert_eq!(statuses, [("once", true, false, 0), ("main", true, true, 2), ("dbg", false, false, 0)]);
    let ContainerState::Terminated { reason, exit_code, signal, started, finished } = &pod.statuses[0].state
    else {
        panic!()
    };
    assert_eq!((&**reason, *exit_code, *signal), ("Error", 1, 9));
    assert_eq!((*started, *finished), (time("2026-01-02T03:04:06Z"), time("2026-01-02T03:04:07Z")));
    assert_eq!(pod.statuses[1].state, ContainerState::Running(time("2026-01-02T03:04:08Z")));
    assert_eq!(pod.statuses[1].last_finished, time("2026-01-02T03:04:07Z"));
    assert_eq!(&*pod.statuses[1].last_reason, "Completed");
    assert_eq!(pod.statuses[2].state, ContainerState::Waiting("ContainerCreating".into()));
}

#[test]
fn a_pods_template_keeps_what_environments_and_resolvers_depend_on() {
    let Object::Pod(pod) = fixture(Kind::Pod) else { panic!() };
    let spec = &pod.spec;
    let containers: Vec<_> = spec.containers.iter().map(|c| (&*c.name, c.role, &*c.image, c.tty)).collect();
    assert_eq!(
        containers,
        [
            ("init", ContainerRole::Sidecar, "i:1", false),
            ("once", ContainerRole::Init, "i:2", false),
            ("main", ContainerRole::Main, "m:1", true),
            ("dbg", ContainerRole::Ephemeral, "d:1", true),
        ]
    );
    assert!(!spec.service_links && spec.host_network && spec.hostname_as_fqdn);
    assert_eq!((&*spec.dns_policy, &*spec.subdomain, &*spec.service_account), ("None", "web", "robot"));
    assert_eq!(spec.hostname_override.as_deref(), Some("over"));
    let dns = spec.dns_config.as_ref().unwrap();
    let options: Vec<_> = dns.options.iter().map(|(name, value)| (&**name, value.as_deref())).collect();
    assert_eq!(options, [("ndots", Some("3")), ("edns0", None), ("empty", Some(""))]);
    assert_eq!((&*dns.nameservers[0], &*dns.searches[0]), ("10.0.0.10", "corp.example"));
    assert_eq!((&*spec.host_aliases[0].0, &*spec.host_aliases[0].1[1]), ("10.1.1.1", "b.example"));
    let main = spec.container("main").unwrap();
    let ports: Vec<_> = main.ports.iter().map(|p| (&*p.name, p.port, p.protocol.as_str())).collect();
    assert_eq!(ports, [("http", 8080, "TCP"), ("", 53, "UDP")]);
    assert_eq!(main.limits.to_string(), "cpu=500m,memory=64Mi");
    assert_eq!(main.requests.to_string(), "cpu=100m");
    let from: Vec<_> = main.env_from.iter().map(|e| (&*e.prefix, e.secret, &*e.name, e.optional)).collect();
    assert_eq!(from, [("P_", false, "cm", true), ("", true, "sec", false)]);
    let env: Vec<_> = main.env.iter().map(|e| format!("{}={:?}", e.name, e.value)).collect();
    assert_eq!(
        env,
        [
            r#"A=Literal("1")"#,
            r#"EMPTY=Literal("")"#,
            r#"F=Field("metadata.annotations['team']")"#,
            r#"R=Resource { container: "main", resource: "limits.cpu", divisor: "" }"#,
            r#"D=Resource { container: "", resource: "limits.memory", divisor: "1Mi" }"#,
            r#"C=ConfigMapKey(KeyRef { name: "cm", key: "k", optional: true })"#,
            r#"S=SecretKey(KeyRef { name: "sec", key: "s", optional: false })"#,
            r#"K=FileKey { path: "env", key: "K", optional: true }"#,
        ]
    );
}

#[test]
fn a_service_keeps_what_is_shown_and_computed_with() {
    let Object::Service(service) = fixture(Kind::Service) else { panic!() };
    assert_eq!(service.kind, ServiceType::LoadBalancer);
    assert_eq!(&*service.cluster_ip, "10.96.14.2");
    assert_eq!(service.addresses().map(|a| &**a).collect::<Vec<_>>(), ["10.96.14.2", "fd00:1::2"]);
    assert_eq!((&*service.external_ips[0], &*service.external_name), ("203.0.113.7", "x.example"));
    assert_eq!(service.ingress.iter().map(|i| &**i).collect::<Vec<_>>(), ["198.51.100.1", "lb.example"]);
    assert!(service.publish_not_ready && service.internal_local && service.external_local);
    assert_eq!(service.selector.to_string(), "app=my-app");
    let ports: Vec<_> = service.ports.iter().map(|p| (&*p.name, p.port, &p.protocol, &p.target)).collect();
    assert_eq!(
        ports,
        [
            ("http", 80, &Protocol::Tcp, &PortTarget::Name("web".into())),
            ("dns", 53, &Protocol::Udp, &PortTarget::Number(5353)),
            ("same", 99, &Protocol::Sctp, &PortTarget::Same),
        ]
    );
    assert_eq!((service.ports[0].node_port, &*service.ports[0].app_protocol), (30080, "kubernetes.io/h2c"));
}

/// Neither a write to the target port alone nor one to the status changes what a container got.
#[test]
fn only_writes_to_what_environments_depend_on_are_kept_newest_first() {
    let Object::Service(service) = fixture(Kind::Service) else { panic!() };
    let changes: Vec<_> = service
        .changes
        .iter()
        .map(|c| (&*c.manager, c.owns_type, c.owns_cluster_ip, c.owns_ports, c.at.to_string()))
        .collect();
    assert_eq!(
        changes,
        [
            ("kubectl-edit", false, false, true, "2026-01-03T03:04:05Z".to_owned()),
            ("kubectl-create", true, true, true, "2026-01-02T03:04:05Z".to_owned()),
        ]
    );
}

#[test]
fn an_endpoint_that_does_not_say_whether_it_is_ready_stays_so() {
    let Object::Slice(slice) = fixture(Kind::EndpointSlice) else { panic!() };
    assert_eq!((&*slice.service, slice.address_type.as_str()), ("my-app", "IPv6"));
    let ports: Vec<_> = slice.ports.iter().map(|p| (&*p.name, p.port, p.protocol.as_str())).collect();
    assert_eq!(ports, [("http", Some(8080), "TCP"), ("", None, "UDP")]);
    let [first, second] = &*slice.endpoints else { panic!() };
    assert_eq!((first.ready, first.serving, first.terminating), (Some(false), Some(true), Some(true)));
    assert_eq!((second.ready, second.serving, second.terminating), (None, None, None));
    assert_eq!(first.addresses.len(), 2);
    assert_eq!(
        [&first.hostname, &first.node, &first.zone].map(Option::as_deref),
        [Some("web-0"), Some("node-1"), Some("a")]
    );
    assert_eq!([&second.hostname, &second.node, &second.zone].map(Option::as_deref), [None; 3]);
    assert_eq!(first.target.as_ref().unwrap().to_string(), "Pod default/web-0");
    assert_eq!((first.hints.zones.len(), &*first.hints.nodes[0]), (2, "node-1"));
    assert_eq!(second.hints, crate::model::Hints::default());
}

#[test]
fn namespaces_nodes_and_data() {
    let Object::Namespace(namespace) = fixture(Kind::Namespace) else { panic!() };
    assert!(namespace.terminating);
    assert_eq!((&*namespace.name, namespace.labels.to_string()), ("shop", "team=red".to_owned()));
    let Object::Node(node) = fixture(Kind::Node) else { panic!() };
    assert_eq!(node.allocatable.to_string(), "cpu=3900m,memory=1Gi");
    let Object::ConfigMap(data) = fixture(Kind::ConfigMap) else { panic!() };
    assert_eq!((&*data.data["k"], &*data.data["b"]), (b"v\nw".as_slice(), [0, 255].as_slice()));
    assert_eq!(*data.binary, ["b".into()]);
    let Object::Secret(data) = fixture(Kind::Secret) else { panic!() };
    assert_eq!((&*data.data["s"], &*data.data["raw"]), (b"hunter2".as_slice(), [0, 255].as_slice()));
    assert!(data.binary.is_empty());
}

#[test]
fn what_the_api_leaves_out_has_the_apis_default() {
    let Object::Pod(pod) =
        json(Kind::Pod, r#"{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c"}]}}"#)
    else {
        panic!()
    };
    assert!(pod.spec.service_links && pod.spec.dns_config.is_none() && pod.hostname.is_none());
    let Object::Service(service) =
        json(Kind::Service, r#"{"metadata":{"name":"s"},"spec":{"ports":[{"port":1}]}}"#)
    else {
        panic!()
    };
    assert_eq!(service.kind, ServiceType::ClusterIp);
    assert_eq!((&service.ports[0].protocol, &service.ports[0].target), (&Protocol::Tcp, &PortTarget::Same));
    assert_eq!(service.created, None);
}

/// apimachinery writes a time that is not set as an empty message (`Time.ProtoTime`).
#[test]
fn an_empty_time_message_is_no_time() {
    let bytes = [0x0a, 0x05, 0x0a, 0x01, b'p', 0x42, 0x00];
    let (Object::Pod(pod), _) = Converter::new().object(Kind::Pod, &bytes, Encoding::Protobuf).unwrap()
    else {
        panic!()
    };
    assert_eq!((&*pod.key.name, pod.created), ("p", None));
}

#[test]
fn protobuf_comes_with_or_without_its_envelope() {
    let (_, _, bare) = fixtures()[2];
    let mut wrapped = b"k8s\0".to_vec();
    wrapped.extend(slim::Unknown { raw: bare.into() }.encode_to_vec());
    let object = Converter::new().object(Kind::Pod, &wrapped, Encoding::Protobuf).unwrap().0;
    assert_eq!(object, fixture(Kind::Pod));
}

#[test]
fn a_bookmark_says_how_far_the_watch_is() {
    let text = br#"{"kind":"Pod","metadata":{"resourceVersion":"12","annotations":{"k8s.io/initial-events-end":"true"}},
        "spec":{"containers":null}}"#;
    let end = Converter::bookmark(text, Encoding::Json).unwrap();
    assert_eq!(end, Bookmark { resource_version: "12".into(), initial_events_end: true });
    let later = Converter::bookmark(br#"{"metadata":{"resourceVersion":"13"}}"#, Encoding::Json).unwrap();
    assert_eq!(later, Bookmark { resource_version: "13".into(), initial_events_end: false });
}

#[test]
fn an_object_without_a_name_is_refused_by_kind() {
    for text in ["{}", "null", "7", r#"{"metadata":{}}"#, r#"{"metadata":{"name":""}}"#] {
        let error = Converter::new().object(Kind::Service, text.as_bytes(), Encoding::Json).unwrap_err();
        assert_eq!(error.to_string(), "a Service without a name", "{text}");
    }
    let error = Converter::new().object(Kind::Pod, b"{\"a\":", Encoding::Json).unwrap_err();
    assert!(error.to_string().starts_with("broken JSON: EOF"), "{error}");
}

/// Every value of every object, replaced by every kind of odd value: the object stays, and so does all else in it.
#[test]
fn no_odd_value_loses_an_object() {
    let odd =
        ["null", "-7", "1e300", "18446744073709551615", r#""\u001b[31m""#, "true", "[]", "[null,1,{}]", "{}"];
    let odd = odd.map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
    for (kind, text, _) in fixtures() {
        let whole: serde_json::Value = serde_json::from_slice(text).unwrap();
        for path in paths(&whole) {
            for value in &odd {
                let mut changed = whole.clone();
                *changed.pointer_mut(&path).unwrap() = value.clone();
                let bytes = serde_json::to_vec(&changed).unwrap();
                let result = Converter::new().object(kind, &bytes, Encoding::Json);
                let named = !matches!(&*path, "" | "/metadata" | "/metadata/name");
                assert!(result.is_ok() || !named, "{kind:?} {path} = {value}: {result:?}");
            }
        }
    }
}

/// JSON pointers to every value.
fn paths(value: &serde_json::Value) -> Vec<String> {
    let children: Vec<(String, &serde_json::Value)> = match value {
        serde_json::Value::Object(map) => {
            map.iter().map(|(k, v)| (k.replace('~', "~0").replace('/', "~1"), v)).collect()
        }
        serde_json::Value::Array(list) => list.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        _ => Vec::new(),
    };
    let below = children
        .into_iter()
        .flat_map(|(name, child)| paths(child).into_iter().map(move |path| format!("/{name}{path}")));
    std::iter::once(String::new()).chain(below).collect()
}

#[test]
fn odd_values_are_shown_as_they_are() {
    let Object::Service(service) = json(
        Kind::Service,
        r#"{"metadata":{"name":"s","creationTimestamp":"yesterday"},"spec":{"type":"Teleport","clusterIPs":null,
            "selector":null,"ports":[{"port":70000,"protocol":"QUIC"},{"port":99999999999},{"port":"80"}]}}"#,
    ) else {
        panic!()
    };
    assert_eq!(service.kind.as_str(), "Teleport");
    let ports: Vec<_> = service.ports.iter().map(|p| (p.port, p.protocol.as_str())).collect();
    assert_eq!(ports, [(70_000, "QUIC"), (i32::MAX, "TCP"), (80, "TCP")]);
    assert_eq!(service.created, None);
}

#[test]
fn broken_protobuf_is_an_error_and_never_a_panic() {
    for (kind, _, protobuf) in fixtures() {
        for cut in 0..protobuf.len() {
            let _ = Converter::new().object(kind, &protobuf[..cut], Encoding::Protobuf);
            let mut flipped = protobuf.to_vec();
            flipped[cut] ^= 0x55;
            let _ = Converter::new().object(kind, &flipped, Encoding::Protobuf);
        }
    }
    let error = Converter::new().object(Kind::Pod, &[0xff], Encoding::Protobuf).unwrap_err();
    assert!(error.to_string().starts_with("broken protobuf: "), "{error}");
}

#[test]
fn replicas_share_their_template_labels_and_names() {
    let mut converter = Converter::new();
    let text = r#"{"metadata":{"name":"NAME","namespace":"n","labels":{"app":"a"}},"spec":{"nodeName":"node",
        "containers":[{"name":"c","image":"i"}]}}"#;
    let mut pod = |name| {
        let bytes = text.replace("NAME", name).into_bytes();
        let Object::Pod(pod) = converter.object(Kind::Pod, &bytes, Encoding::Json).unwrap().0 else {
            panic!()
        };
        pod
    };
    let (a, b) = (pod("a"), pod("b"));
    assert!(Arc::ptr_eq(&a.spec, &b.spec));
    assert!(Arc::ptr_eq(&a.node, &b.node) && Arc::ptr_eq(&a.key.namespace, &b.key.namespace));
    assert!(Arc::ptr_eq(a.labels.get("app").unwrap(), b.labels.get("app").unwrap()));
}

#[test]
fn policies_keep_what_is_about_egress() {
    use crate::model::network_policy::{Peer, PolicyPortNumber};
    let text = r#"{"metadata":{"name":"p","namespace":"shop"},"spec":{"podSelector":{"matchLabels":{"app":"web"}},
        "policyTypes":["Ingress","Egress"],"egress":[{},{"to":[{"namespaceSelector":{}},{"ipBlock":{"cidr":"10.0.0.0/8",
        "except":["10.1.0.0/16"]}}],"ports":[{"protocol":"UDP","port":53},{"port":"dns","endPort":60}]}]}}"#;
    let Object::Policy(policy) = json(Kind::NetworkPolicy, text) else { panic!() };
    assert!(policy.egress && policy.pods.labels.to_string() == "app=web");
    let [all, some] = &*policy.rules else { panic!() };
    assert!(all.to.is_empty() && all.ports.is_empty());
    assert!(
        matches!(&some.to[0], Peer::Pods { namespaces: Some(n), pods: None } if n.selects(&Labels::default()))
    );
    assert!(
        matches!(&some.to[1], Peer::Block { network, except } if &**network == "10.0.0.0/8" && except.len() == 1)
    );
    let [number, name] = &*some.ports else { panic!() };
    assert_eq!((number.protocol.as_str(), &number.port), ("UDP", &Some(PolicyPortNumber::Number(53))));
    assert_eq!((name.protocol.as_str(), name.end), ("TCP", Some(60)));
    let plain = r#"{"metadata":{"name":"p","namespace":"shop"},"spec":{"podSelector":{}}}"#;
    let Object::Policy(policy) = json(Kind::NetworkPolicy, plain) else { panic!() };
    assert!(!policy.egress, "without types and rules it is about ingress");
}
