use super::*;
use crate::model::ClusterSnapshot;
use crate::model::dns::LiveFailure;
use crate::model::samples::{facts, service, snapshot};

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
