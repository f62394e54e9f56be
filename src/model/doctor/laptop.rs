//! Asked on this machine: its resolver does not know the cluster, and the Service may be fine all the same.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::case::{Case, Rank, a_finding};
use super::extra::{LaptopFacts, LaptopReply};
use super::reading::Reading;
use super::{Diagnosis, Outcome};
use crate::model::dns::RecordType;
use crate::model::{Finding, Kind, Severity};

impl Case<'_> {
    pub(super) fn examine_laptop(mut self, facts: &LaptopFacts, meant: Option<&Reading>) -> Diagnosis {
        let found = facts.addresses();
        let inside = meant.map(|m| self.inside(m)).unwrap_or_default();
        let right = found.iter().any(|ip| inside.contains(ip));
        let knows_cluster = facts.nameservers.iter().any(|s| self.is_cluster_dns(s));
        // A name that no Service has, and that this machine knows: it is somebody else's.
        let foreign = !found.is_empty() && meant.is_none_or(|m| self.service(&m.key).is_none());
        let fine = right || foreign;
        let outcome = if fine { Outcome::Ok } else { Outcome::Problem };
        let lines = asked_lines(facts);
        self.step("where it is asked", outcome, lines.clone());
        let target = meant.map(|m| m.key.clone());
        if !fine && !knows_cluster {
            let finding = self.outside(facts, meant, &found, lines);
            self.block(Rank::Outside, finding);
        }
        if let Some(meant) = meant.filter(|_| !foreign) {
            self.report_inside(meant, &inside);
        }
        self.check_behind(target.as_ref().filter(|_| !foreign));
        self.check_server_alone();
        self.check_live_names(meant);
        let resolves = match () {
            () if !found.is_empty() => Some(fine),
            () if facts.replies.is_empty() => None,
            () => Some(false),
        };
        self.conclude(None, target.filter(|_| !foreign), resolves, if fine { found } else { vec![] })
    }

    /// The addresses that the name has inside.
    fn inside(&self, meant: &Reading) -> Vec<IpAddr> {
        let name = self.absolute(meant);
        let answers = [RecordType::A, RecordType::AAAA].map(|kind| self.cluster.answer(&name, kind));
        answers.iter().flat_map(|a| &a.answers).filter_map(|r| r.data.parse().ok()).collect()
    }

    fn outside(
        &self,
        facts: &LaptopFacts,
        meant: Option<&Reading>,
        found: &[IpAddr],
        evidence: Vec<String>,
    ) -> Finding {
        let server = facts.nameservers.first().map_or("its resolver", |s| &**s);
        let stub = facts.stub().map_or_else(String::new, |s| format!(" ({s})"));
        let service = meant.and_then(|m| self.service(&m.key)).map(|f| f.key().clone());
        let silent = !facts.replies.is_empty() && facts.replies.iter().all(|r| r.result.is_err());
        let mut message = if silent {
            format!("it was asked outside the cluster, and {server}{stub} did not answer")
        } else if found.is_empty() {
            format!("it was asked outside the cluster: {server}{stub} does not know the cluster's names")
        } else {
            format!("it was asked outside the cluster: {server}{stub} knows another {}", self.question.name)
        };
        if let (Some(key), Some(meant)) = (&service, meant) {
            let name = self.absolute(meant);
            let _ = write!(message, "; Service {key} exists, and inside its name is {name}");
        }
        let missing = |m: &Reading| self.knows(Kind::Service, &m.key.namespace);
        let advice = match &service {
            Some(_) => {
                "press f on the Service in the explorer, or type `kdisco forward`, to reach it from here"
            }
            None if meant.is_some_and(missing) => {
                "inside the cluster there is no such name either: see what else was found"
            }
            None => "inside the cluster the name may well be known: ask from a pod with --from NAMESPACE/POD",
        };
        let object = (Kind::Service, self.object_of(meant));
        Finding {
            evidence,
            advice: advice.to_owned(),
            ..a_finding("asked-outside-cluster", Severity::Error, object, message)
        }
    }

    /// What pods get for the name.
    fn report_inside(&mut self, meant: &Reading, inside: &[IpAddr]) {
        let name = self.absolute(meant);
        let outcome = if inside.is_empty() { Outcome::Unknown } else { Outcome::Ok };
        let answer = self.cluster.answer(&name, RecordType::A);
        let said = match () {
            () if !inside.is_empty() => inside.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            () => match (&answer.open, answer.rcode) {
                (Some(why), _) => format!("not determined: {why}"),
                (None, Some(rcode)) => rcode.to_string(),
                (None, None) => "not determined".to_owned(),
            },
        };
        self.step("the name inside the cluster", outcome, vec![format!("{name}: {said}")]);
        if inside.is_empty() {
            self.why_missing_inside(meant);
        } else {
            let key = meant.key.clone();
            self.report_service(Some(&key));
        }
    }
}

fn asked_lines(facts: &LaptopFacts) -> Vec<String> {
    let mut lines = vec!["this machine, which is not a pod".to_owned()];
    if !facts.nameservers.is_empty() {
        let stub = facts.stub().map_or_else(String::new, |s| format!(" ({s})"));
        lines.push(format!(
            "{}: nameserver {}{stub}, ndots {}",
            facts.file,
            facts.nameservers.join(", "),
            facts.ndots
        ));
    }
    if !facts.search.is_empty() {
        lines.push(format!("search {}", facts.search.join(" ")));
    }
    lines.extend(facts.problem.clone());
    if !facts.hosts.is_empty() {
        let hosts: Vec<String> = facts.hosts.iter().map(ToString::to_string).collect();
        lines.push(format!("its hosts file says {}", hosts.join(", ")));
    }
    lines.extend(facts.replies.iter().map(reply_line));
    lines
}

fn reply_line(reply: &LaptopReply) -> String {
    let (name, kind, server) = (&reply.name, reply.kind, &reply.server);
    match &reply.result {
        Ok(answer) if !answer.answers.is_empty() => {
            let data: Vec<&str> = answer.answers.iter().take(4).map(|r| &*r.data).collect();
            format!("{name} {kind}: {} from {server}", data.join(", "))
        }
        Ok(answer) => {
            let soa = answer.soa.as_ref().map_or_else(String::new, |s| format!(", says the zone {s}"));
            let rcode = match answer.rcode {
                crate::model::dns::Rcode::NoError => "NODATA",
                other => other.as_str(),
            };
            format!("{name} {kind}: {rcode} from {server}{soa}")
        }
        Err(why) => format!("{name} {kind}: {server} did not answer: {why}"),
    }
}
