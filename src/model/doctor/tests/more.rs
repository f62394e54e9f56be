//! Answers that are cut, what can't be seen, and the order of the steps.

use super::*;

/// A headless Service with so many endpoints.
fn crowd(count: u8) -> ServiceFacts {
    let mut slice = slice("default", "crowd", "x").with_port("http", 80);
    for i in 1..=count {
        slice = slice.with(endpoint(&format!("10.244.1.{i}")).of("default", &format!("crowd-{i}")));
    }
    facts(web("default", "crowd").with_ips(&["None"]), vec![slice])
}

#[test]
fn answers_that_an_old_musl_sees_a_part_of() {
    let with = |image: &'static str| {
        World::new().with(crowd(100)).client(move |spec| spec.containers[0].image = image.into())
    };
    let cut = |d: &Diagnosis| d.findings.iter().find(|f| f.code == "answer-cut-by-musl").cloned();
    let old = with("app:1-alpine3.17").musl_says("crowd.default", "ok");
    let finding = cut(&old).unwrap();
    assert_eq!(finding.severity, crate::model::Severity::Warning);
    assert!(finding.message.contains("its musl sees 28 of the 100 A records"), "{}", finding.message);
    let unknown = with("app:1").musl_says("crowd.default", "ok");
    assert_eq!(cut(&unknown).unwrap().severity, crate::model::Severity::Info);
    assert_eq!(cut(&with("alpine:3.18").musl_says("crowd.default", "ok")), None);
    assert_eq!(cut(&with("app:1-alpine3.17").says("crowd.default", "ok")), None, "glibc asks again by TCP");
    let few = World::new().with(crowd(28)).client(|spec| spec.containers[0].image = "alpine:3.9".into());
    assert_eq!(cut(&few.musl_says("crowd.default", "ok")), None);
}

#[test]
fn what_can_not_be_seen_from_here_is_said() {
    let lost = |d: &Diagnosis| {
        let way = d.steps.iter().find(|s| s.what == "the way to the server").unwrap();
        way.evidence.iter().any(|line| line.contains("single-request-reopen"))
    };
    assert!(lost(&World::new().says("my-app.default", "ok")));
    let cured = World::new().client(|spec| {
        let option = ("single-request-reopen".into(), None);
        spec.dns_config = Some(DnsConfig { options: [option].into(), ..DnsConfig::default() });
    });
    assert!(!lost(&cured.says("my-app.default", "ok")));
}

#[test]
fn steps_come_in_the_order_in_which_a_look_up_meets_them() {
    let what = |d: &Diagnosis| d.steps.iter().map(|s| s.what).collect::<Vec<_>>();
    let (server, live) = ("the DNS server", "asked live");
    let walk = ["the name", "where it is asked", "what the resolver asks"];
    let end = ["behind it", server, live, "the way to the server"];
    let fine = World::new().says("my-app.default", "ok");
    assert_eq!(what(&fine), [&walk[..], &["the Service"], &end].concat());
    let missing = World::new().says("nope.default.svc.cluster.local.", "service-not-found");
    assert_eq!(what(&missing), [&walk[..], &["why nothing is found"], &end[1..]].concat());
    let outside = World::new().diagnose("my-app.default", None, laptop(nxdomain(".")));
    let laptop = ["the name", "where it is asked", "the name inside the cluster", "the Service", "behind it"];
    assert_eq!(what(&outside), [&laptop[..], &[server, live]].concat());
}
