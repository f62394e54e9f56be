use super::*;
use crate::model::ClusterSnapshot;
use crate::model::dns::LiveFailure;
use crate::model::samples::{endpoint, facts, service, slice, snapshot};
use crate::model::snapshot::LoadEntry;
use crate::model::{Load, Service, Text};

fn reply(rcode: Rcode, answers: Vec<Record>, authority: Option<Record>) -> LiveReply {
    LiveReply { rcode: rcode.into(), answers, authority, additional: vec![], authoritative: true }
}

fn step(name: &str, kind: RecordType, reply: Result<LiveReply, LiveFailure>) -> LiveStep {
    LiveStep { name: name.into(), kind, search: None, reply, server: Some("dns:53".into()), took: None }
}

fn soa(zone: &str, ttl: u32) -> Option<Record> {
    Some(Record::new(zone, RecordType::SOA, ttl, "ns.dns.cluster.local. x. 7 7200 1800 86400 30"))
}

fn shop() -> ClusterSnapshot {
    let web = service("default", "web").with_port("http", 80, "");
    snapshot(vec![facts(web, vec![])], vec![])
}

/// A cluster with one Service `web` in `default`, and the address it has.
fn web() -> (Cluster, String) {
    let cluster = Cluster::new(&shop());
    let answer = cluster.answer(NAME, RecordType::A);
    (cluster, answer.answers[0].data.clone())
}

const NAME: &str = "web.default.svc.cluster.local.";

#[test]
fn letter_case_order_and_smaller_ttls_do_not_count() {
    let (cluster, ip) = web();
    let live = Record::new("WEB.default.svc.cluster.local.", RecordType::A, 3, ip);
    let c = cluster.compare(step(NAME, RecordType::A, Ok(reply(Rcode::NoError, vec![live], None))));
    assert_eq!((c.verdict, c.why), (Verdict::Equal, None));
    let (cluster, ip) = web();
    let live = Record::new(NAME, RecordType::A, 300, ip);
    let c = cluster.compare(step(NAME, RecordType::A, Ok(reply(Rcode::NoError, vec![live], None))));
    assert!(c.verdict == Verdict::Equal && c.why.unwrap().contains("TTL is 300"));
}

#[test]
fn reasons_follow_from_the_signs() {
    let (cluster, _) = web();
    let cause = |live: LiveReply| {
        let c = cluster.compare(step(NAME, RecordType::A, Ok(live)));
        assert_eq!(c.verdict, Verdict::Different);
        c.cause.unwrap()
    };
    assert_eq!(cause(reply(Rcode::ServFail, vec![], None)), Cause::NotSynced);
    assert_eq!(cause(reply(Rcode::Refused, vec![], None)), Cause::Elsewhere);
    assert_eq!(cause(reply(Rcode::NxDomain, vec![], soa(".", 86400))), Cause::Elsewhere);
    assert_eq!(cause(reply(Rcode::NxDomain, vec![], soa("cluster.local.", 12))), Cause::Cached);
    // Nothing says what the Corefile is in this sample.
    assert_eq!(cause(reply(Rcode::NxDomain, vec![], soa("cluster.local.", 30))), Cause::Corefile);
    let other = Record::new(NAME, RecordType::A, 30, "10.9.9.9");
    assert_eq!(cause(reply(Rcode::NoError, vec![other], None)), Cause::NotSynced);
}

#[test]
fn what_is_not_known_on_either_side_is_not_judged() {
    let (cluster, _) = web();
    let lost = cluster.compare(step(NAME, RecordType::A, Err(LiveFailure::Lost("gone".into()))));
    assert_eq!((lost.verdict, lost.why.as_deref()), (Verdict::Unverifiable, Some("gone")));
    let fine = Ok(reply(Rcode::NoError, vec![], None));
    let outside = cluster.compare(step("example.com.", RecordType::A, fine));
    assert_eq!(outside.verdict, Verdict::Unverifiable);
    assert!(outside.why.unwrap().contains("outside"));
}

#[test]
fn a_check_asks_for_every_record_once_and_for_both_families() {
    let snapshot = shop();
    let cluster = Cluster::new(&snapshot);
    let services = snapshot.services.iter().map(|f| &**f);
    let questions = cluster.check_questions(services, std::iter::empty());
    assert!(questions.contains(&(NAME.to_owned(), RecordType::AAAA)));
    let unique: BTreeSet<_> = questions.iter().collect();
    assert_eq!(unique.len(), questions.len());
}

#[test]
fn what_is_passed_on_is_asked_last() {
    let external = Service {
        kind: ServiceType::ExternalName,
        external_name: "docs.example.com".into(),
        ..service("shop", "docs").with_ips(&[])
    };
    let web = service("shop", "web").with_ips(&["10.96.0.7"]);
    let snapshot = snapshot(vec![facts(external, vec![]), facts(web, vec![])], vec![]);
    let cluster = Cluster::new(&snapshot);
    let services = snapshot.services.iter().map(|f| &**f);
    let questions = cluster.check_questions(services, std::iter::empty());
    let docs = |(name, _): &(String, RecordType)| name.starts_with("docs.");
    let own = questions.iter().take_while(|one| !docs(one)).count();
    assert!(own >= 2 && questions.len() >= own + 2, "{questions:?}");
    assert!(questions[own..].iter().all(docs), "{questions:?}");
}

/// `default/db`, headless, with an endpoint 10.244.0.7; the objects of `default` alone are known.
fn one_namespace() -> Cluster {
    let of = slice("default", "db", "1").with_port("pg", 5432).with(endpoint("10.244.0.7"));
    let mut all = snapshot(vec![facts(service("default", "db").with_ips(&["None"]), vec![of])], vec![]);
    all.loads.retain(|e| ![Kind::Service, Kind::EndpointSlice].contains(&e.kind));
    let known = |kind| LoadEntry { kind, namespace: Some(Text::from("default")), load: Load::Live };
    all.loads.extend([Kind::Service, Kind::EndpointSlice].map(known));
    Cluster::new(&all)
}

fn pointers(cluster: &Cluster, address: &str, live: Result<&[&str], Rcode>) -> Comparison {
    let name = crate::model::dns::reverse::reverse_name(address.parse().unwrap());
    let of = |data: &&str| Record::new(name.clone(), RecordType::PTR, 30, *data);
    let live = match live {
        Ok(names) => reply(Rcode::NoError, names.iter().map(of).collect(), None),
        Err(rcode) => reply(rcode, vec![], None),
    };
    cluster.compare(step(&name, RecordType::PTR, Ok(live)))
}

#[test]
fn an_address_may_have_names_of_namespaces_that_are_not_known() {
    const OWN: &str = "10-244-0-7.db.default.svc.cluster.local.";
    const OTHER: &str = "web-0.web.shop.svc.cluster.local.";
    const SERVICE: &str = "web.shop.svc.cluster.local.";
    let cluster = one_namespace();
    let judged = |address, live| {
        let c = pointers(&cluster, address, live);
        (c.verdict, c.why.unwrap_or_default())
    };
    assert_eq!(judged("10.244.0.7", Ok(&[OWN])), (Verdict::Equal, String::new()));
    let both = judged("10.244.0.7", Ok(&[OWN, OTHER]));
    assert!(both.0 == Verdict::Equal && both.1.contains(OTHER), "{both:?}");
    let first = judged("10.244.0.7", Ok(&[SERVICE]));
    assert!(first.0 == Verdict::Unverifiable && first.1.contains(SERVICE), "{first:?}");
    assert_eq!(judged("10.244.0.7", Err(Rcode::NxDomain)).0, Verdict::Different);
    assert_eq!(judged("10.244.0.7", Err(Rcode::ServFail)).0, Verdict::Different);
    const WRONG: &str = "10-244-0-8.db.default.svc.cluster.local.";
    assert_eq!(judged("10.244.0.7", Ok(&[OWN, WRONG])).0, Verdict::Different);

    // Nothing that is known has this one.
    assert_eq!(judged("10.244.0.9", Err(Rcode::NxDomain)).0, Verdict::Equal);
    let lingers = judged("10.244.0.9", Ok(&["10-244-0-9.db.default.svc.cluster.local."]));
    assert!(lingers.0 == Verdict::Different && lingers.1.contains("gone"), "{lingers:?}");
    let elsewhere = judged("10.244.0.9", Ok(&[OTHER]));
    assert!(elsewhere.0 == Verdict::Unverifiable && elsewhere.1.contains(OTHER), "{elsewhere:?}");
    assert_eq!(judged("10.244.0.9", Err(Rcode::ServFail)).0, Verdict::Unverifiable);
}

/// kubeadm's Corefile hands reverse names that the cluster has nothing for to the server outside.
#[test]
fn what_is_gone_and_passed_on_is_gone_as_predicted() {
    let (cluster, _) = web();
    for nothing in [Err(Rcode::NxDomain), Err(Rcode::ServFail), Ok(&[][..])] {
        let gone = pointers(&cluster, "10.244.0.7", nothing);
        assert_eq!(gone.verdict, Verdict::Equal);
        assert!(gone.why.unwrap().contains("as predicted"));
    }
    let own = pointers(&cluster, "10.244.0.7", Ok(&["10-244-0-7.db.default.svc.cluster.local."]));
    assert_eq!((own.verdict, own.cause), (Verdict::Different, Some(Cause::NotSynced)));
    let others = pointers(&cluster, "10.244.0.7", Ok(&["host.example.com."]));
    assert_eq!(others.verdict, Verdict::Unverifiable);
    // A name outside all zones of the cluster is none of its business, whatever is said.
    let outside =
        cluster.compare(step("a.example.", RecordType::A, Ok(reply(Rcode::NxDomain, vec![], None))));
    assert_eq!(outside.verdict, Verdict::Unverifiable);
}
