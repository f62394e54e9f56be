//! The DNS rules against `vectors/dns.json`: expected answers that were written down from the sources and tests of
//! CoreDNS, the kubelet, glibc and musl, not computed by this program.

#![expect(clippy::unwrap_used, reason = "a broken file fails the test")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kdisco::cluster::objects;
use kdisco::model::dns::{
    Answer, Cluster, KubeletDns, Libc, LookupError, Name, NodeResolvConf, Open, Parsed, Rcode, Record,
    RecordType, Reply, ResolvConf, Walk, endpoint_label, search,
};
use kdisco::model::endpoint::{Hints, TargetRef};
use kdisco::model::pod::DnsConfig;
use kdisco::model::{Endpoint, Text};
use serde_json::{Value, json};

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/dns.json")).unwrap()
}

fn cases(kind: &str) -> Vec<Value> {
    let all = vectors();
    let of_kind: Vec<_> = list(&all["cases"]).iter().filter(|c| c["kind"] == kind).cloned().collect();
    assert!(!of_kind.is_empty(), "there are cases of kind {kind}");
    of_kind
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], |v| v)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn texts(value: &Value) -> Vec<Text> {
    list(value).iter().map(|v| text(v).into()).collect()
}

/// The Corefile that a fixture stands for.
fn corefile(fixture: &Value) -> String {
    let words = |key: &str| texts(&fixture[key]).join(" ");
    let mut options =
        format!("ttl {}\n pods {}\n", fixture["ttl"], fixture["podsMode"].as_str().unwrap_or("disabled"));
    for (option, key) in [("namespaces", "exposedNamespaces"), ("fallthrough", "fallthroughZones")] {
        if !list(&fixture[key]).is_empty() {
            options.extend([" ", option, " ", &words(key), "\n"]);
        }
    }
    for (option, key) in
        [("endpoint_pod_names", "endpointPodNames"), ("ignore empty_service", "ignoreEmptyService")]
    {
        if fixture[key] == true {
            options.extend([" ", option, "\n"]);
        }
    }
    let zones = format!("{} {}", text(&fixture["zone"]), words("reverseZones"));
    format!(".:53 {{\n kubernetes {zones} {{\n {options} }}\n forward . 192.0.2.1\n}}\n")
}

/// The objects of a fixture as the API writes them.
fn cluster(fixture: &Value) -> Cluster {
    let object = |kind: &str, namespace: &str, name: &str, rest: Value| {
        let mut out =
            json!({"apiVersion": "v1", "kind": kind, "metadata": {"namespace": namespace, "name": name}});
        for (key, value) in rest.as_object().unwrap() {
            match value.as_object() {
                Some(inner) if out[key].is_object() => {
                    out[key].as_object_mut().unwrap().extend(inner.clone());
                }
                _ => out[key] = value.clone(),
            }
        }
        out
    };
    let mut items = vec![
        object("ConfigMap", "kube-system", "coredns", json!({"data": {"Corefile": corefile(fixture)}})),
        object(
            "Pod",
            "kube-system",
            "coredns-1",
            json!({
                "metadata": {"labels": {"k8s-app": "kube-dns"}},
                "status": {"phase": "Running", "podIP": fixture["corednsPodIP"], "podIPs": [{"ip": fixture["corednsPodIP"]}]},
            }),
        ),
    ];
    for name in texts(&fixture["existingNamespaces"]) {
        items.push(object("Namespace", "", &name, json!({})));
    }
    for s in list(&fixture["services"]) {
        let spec = json!({
            "type": s["type"], "clusterIPs": s["clusterIPs"], "clusterIP": s["clusterIPs"][0],
            "ports": s["ports"], "externalName": s["externalName"],
        });
        items.push(object("Service", text(&s["namespace"]), text(&s["name"]), json!({"spec": spec})));
    }
    for (i, s) in list(&fixture["endpointSlices"]).iter().enumerate() {
        let mut slice = object(
            "EndpointSlice",
            text(&s["namespace"]),
            &format!("slice-{i}"),
            json!({
                "metadata": {"labels": {"kubernetes.io/service-name": s["service"]}},
                "addressType": "IPv4", "ports": s["ports"], "endpoints": s["endpoints"],
            }),
        );
        slice["apiVersion"] = "discovery.k8s.io/v1".into();
        items.push(slice);
    }
    // One of every kind, so that none counts as unknown.
    items.push(object("Service", "another", "one", json!({"spec": {"clusterIP": "10.255.255.1"}})));
    let mut empty =
        object("EndpointSlice", "another", "empty", json!({"addressType": "IPv4", "endpoints": []}));
    empty["apiVersion"] = "discovery.k8s.io/v1".into();
    items.push(empty);
    for p in list(&fixture["pods"]) {
        let status = json!({"phase": "Running", "podIP": p["podIP"], "podIPs": [{"ip": p["podIP"]}]});
        items.push(object("Pod", text(&p["namespace"]), text(&p["name"]), json!({"status": status})));
    }
    let document = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    Cluster::new(&objects::read(document.as_bytes(), "fixture").unwrap().snapshot)
}

type Line = (String, String, u64, String);

fn expected(records: &Value) -> BTreeSet<Line> {
    let line = |r: &Value| {
        (
            text(&r["name"]).to_lowercase(),
            text(&r["type"]).to_owned(),
            r["ttl"].as_u64().unwrap(),
            text(&r["data"]).to_owned(),
        )
    };
    list(records).iter().map(line).collect()
}

fn got(records: &[Record]) -> BTreeSet<Line> {
    let data = |r: &Record| r.data.trim_matches('"').to_owned();
    records.iter().map(|r| (r.name.to_lowercase(), r.kind.to_string(), u64::from(r.ttl), data(r))).collect()
}

/// What the upstream of a fixture adds to an answer that leaves the cluster.
fn from_upstream(fixture: &Value, answer: &Answer, kind: &str) -> BTreeSet<Line> {
    let Some(Open::Target(target)) = &answer.open else { return BTreeSet::new() };
    let records = list(&fixture["upstream"][target][kind]).iter();
    records
        .map(|r| (target.clone(), kind.to_owned(), r[0].as_u64().unwrap(), text(&r[1]).to_owned()))
        .collect()
}

#[test]
fn queries() {
    let all = vectors();
    let fixtures = all["fixtures"].as_object().unwrap();
    let clusters: HashMap<&String, Cluster> = fixtures.iter().map(|(name, f)| (name, cluster(f))).collect();
    for case in cases("query") {
        let (id, want) = (text(&case["id"]), &case["expect"]);
        let (name, fixture) = fixtures.get_key_value(text(&case["fixture"])).unwrap();
        let kind = text(&case["qtype"]);
        let mut answer = clusters[name].answer(text(&case["qname"]), kind.parse().unwrap());
        if fixture["synced"] == false {
            answer = answer.before_sync();
        }
        if want["outcome"] == "FORWARDED" {
            assert!(matches!(answer.open, Some(Open::Outside(_))), "{id}: {answer:?}");
            continue;
        }
        assert_eq!(answer.rcode.map(Rcode::as_str), want["rcode"].as_str(), "{id}: {answer:?}");
        let mut records = got(&answer.answers);
        records.extend(from_upstream(fixture, &answer, kind));
        let expected_answer: BTreeSet<Line> = expected(&want["answer"]);
        let comparable = |lines: BTreeSet<Line>| -> BTreeSet<Line> {
            lines.into_iter().filter(|l| l.1 != "SOA").collect()
        };
        assert_eq!(comparable(records), comparable(expected_answer), "{id}: {answer:?}");
        if !list(&want["additional"]).is_empty() {
            assert_eq!(got(&answer.additional), expected(&want["additional"]), "{id}");
        }
        assert_eq!(answer.authority.is_some(), want["authority"] == "SOA", "{id}: {answer:?}");
        if let Some(aa) = want["aa"].as_bool() {
            assert_eq!(answer.authoritative, aa, "{id}");
        }
    }
}

#[test]
fn endpoint_names() {
    for case in cases("endpoint_name") {
        let target = text(&case["targetRefName"]);
        let endpoint = Endpoint {
            addresses: [text(&case["address"]).into()].into(),
            ready: None,
            serving: None,
            terminating: None,
            hostname: case["hostname"].as_str().map(Text::from),
            node: None,
            zone: None,
            hints: Hints::default(),
            target: Some(TargetRef { kind: "Pod".into(), namespace: "a".into(), name: target.into() }),
        };
        let label = endpoint_label(&endpoint, text(&case["address"]), case["endpointPodNames"] == true);
        assert_eq!(label, text(&case["expect"]["label"]), "{}", case["id"]);
    }
}

#[test]
fn parsing() {
    for case in cases("parse") {
        let (zone, name) = (text(&case["zone"]), text(&case["qname"]));
        let (zone, name) = (Name::parse(zone).unwrap(), Name::parse(name).unwrap());
        let labels = name.below(&zone).unwrap();
        let parsed = Parsed::new(&labels, false);
        let want = &case["expect"];
        if want["invalid"] == true {
            assert_eq!(parsed, None, "{}", case["id"]);
            continue;
        }
        let parsed = parsed.unwrap();
        let want = &want["parsed"];
        assert_eq!(
            [parsed.kind, parsed.namespace, parsed.service],
            [text(&want["type"]), text(&want["namespace"]), text(&want["service"])]
        );
        let bare: Vec<&str> = parsed.rest.iter().map(|l| l.trim_start_matches('_')).collect();
        let rest: Vec<&str> = ["endpoint", "port", "protocol"]
            .iter()
            .map(|k| text(&want[*k]))
            .filter(|t| !t.is_empty())
            .collect();
        assert_eq!(bare, rest, "{}", case["id"]);
    }
}

#[test]
fn resolv_conf() {
    for case in cases("resolvconf") {
        let (pod, kubelet, host) = (&case["pod"], &case["kubelet"], &case["hostResolvConf"]);
        let kubelet = KubeletDns {
            cluster_dns: texts(&kubelet["clusterDNS"]),
            cluster_domain: text(&kubelet["clusterDomain"]).into(),
            node: Some(NodeResolvConf {
                nameservers: texts(&host["nameservers"]),
                search: texts(&host["searches"]),
                options: texts(&host["options"]),
            }),
            assumed: Vec::new(),
        };
        let options = |o: &Value| (text(&o["name"]).into(), o["value"].as_str().map(Text::from));
        let config = pod["dnsConfig"].as_object().map(|c| DnsConfig {
            nameservers: texts(c.get("nameservers").unwrap_or(&Value::Null)).into(),
            searches: texts(c.get("searches").unwrap_or(&Value::Null)).into(),
            options: list(c.get("options").unwrap_or(&Value::Null)).iter().map(options).collect(),
        });
        let (namespace, policy) = (text(&pod["namespace"]), text(&pod["dnsPolicy"]));
        let mut got =
            ResolvConf::new(namespace, policy, pod["hostNetwork"] == true, config.as_ref(), &kubelet);
        got.options.sort();
        let want = &case["expect"];
        assert_eq!(got.nameservers, texts(&want["nameservers"]), "{}", case["id"]);
        assert_eq!(got.search, texts(&want["searches"]), "{}", case["id"]);
        assert_eq!(got.options, texts(&want["options"]).iter().map(ToString::to_string).collect::<Vec<_>>());
        let events: Vec<Text> = got.events.iter().map(|e| Text::from(*e)).collect();
        assert_eq!(events, texts(&want["events"]), "{}", case["id"]);
        assert_eq!(got.node_search_at, None, "{}", case["id"]);
    }
}

#[test]
fn searching() {
    for case in cases("search") {
        let libc: Libc = text(&case["resolver"]).parse().unwrap();
        let conf = &case["resolvConf"];
        let domains: Vec<&str> = list(&conf["searches"]).iter().map(text).collect();
        let ndots = usize::try_from(conf["ndots"].as_u64().unwrap()).unwrap();
        let zone: BTreeMap<String, Value> = serde_json::from_value(case["zone"].clone()).unwrap();
        let mut walk = Walk::new(search::plan(text(&case["name"]), &domains, ndots, libc), libc);
        let mut asked = Vec::new();
        while let Some(query) = walk.next().cloned() {
            walk.reply(match zone.get(&query.name).map(text) {
                Some("ANSWER") => Reply::Addresses,
                Some("NODATA") => Reply::NoData,
                Some("SERVFAIL") => Reply::ServFail,
                _ => Reply::NxDomain,
            });
            asked.push(query.name);
        }
        let want = &case["expect"];
        assert_eq!(
            asked,
            texts(&want["queries"]).iter().map(ToString::to_string).collect::<Vec<_>>(),
            "{}",
            case["id"]
        );
        let outcome = match walk.end().unwrap() {
            Ok(()) => "ANSWER",
            Err(LookupError::NoName) => "NXDOMAIN",
            Err(LookupError::NoData) => "NODATA",
            Err(LookupError::Again) => "SERVFAIL",
        };
        assert_eq!(outcome, text(&want["outcome"]), "{}", case["id"]);
    }
}

#[test]
fn any_type_is_answered() {
    // Types without a rule of their own test only whether the name exists.
    let fixture = &vectors()["fixtures"]["demo"];
    let cluster = cluster(fixture);
    let caa: RecordType = "CAA".parse().unwrap();
    assert!(cluster.answer("my-app.default.svc.cluster.local", caa).is_nodata());
    assert_eq!(cluster.answer("gone.default.svc.cluster.local", caa).rcode, Some(Rcode::NxDomain));
}
