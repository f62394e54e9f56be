//! The Service that a name leads to, and whether anything answers behind it.

use super::Outcome;
use super::case::{Case, Rank, a_finding};
use crate::model::diagnose::diagnose;
use crate::model::{Finding, Kind, ObjectKey, Severity};

impl Case<'_> {
    /// Says which Service it is.
    pub(super) fn report_service(&mut self, target: Option<&ObjectKey>) {
        let Some(facts) = target.and_then(|k| self.service(k)) else { return };
        let service = &facts.service;
        let mut lines = vec![format!("Service {} exists, type {}", facts.key(), service.kind.as_str())];
        let addresses: Vec<&str> = service.addresses().map(|a| &**a).collect();
        lines.push(match () {
            () if service.headless() => {
                "headless: its name has the addresses of its ready endpoints".to_owned()
            }
            () if !service.external_name.is_empty() => {
                format!("its name is an alias for {}", service.external_name)
            }
            () if addresses.is_empty() => "it has no cluster address (yet)".to_owned(),
            () => format!("cluster address {}", addresses.join(", ")),
        });
        self.step("the Service", Outcome::Ok, lines);
    }

    /// What is behind the Service, where there is one.
    pub(super) fn check_behind(&mut self, target: Option<&ObjectKey>) {
        let Some(facts) = target.and_then(|k| self.service(k)) else { return };
        let domain = self.cluster.domain().text();
        let findings = diagnose(facts, self.snapshot, self.now, domain);
        let namespace = &facts.key().namespace;
        if !self.knows(Kind::EndpointSlice, namespace) && facts.service.external_name.is_empty() {
            let (code, why) = self.why_unknown(Kind::EndpointSlice, namespace);
            let message = format!("what is behind {} is not known", facts.key());
            let finding = a_finding(code, Severity::Warning, (Kind::Service, facts.key().clone()), message);
            self.step("behind it", Outcome::Unknown, vec![why.clone()]);
            self.block(Rank::Unknown, Finding { evidence: vec![why], ..finding });
            self.notes.extend(findings);
            return;
        }
        let mut lines = match facts.total {
            0 if !facts.service.external_name.is_empty() => vec![],
            0 => vec!["no endpoint".to_owned()],
            total => vec![format!("{} of {total} endpoints ready", facts.ready)],
        };
        let ports = facts.service.ports.len();
        let undeclared = findings.iter().filter(|f| f.code == "target-port-not-declared").count();
        let silent = |f: &Finding| {
            f.severity == Severity::Error
                || f.code == "no-selector-no-slices"
                // Not all programs declare their ports; but where others are declared and no port of the Service
                // leads to one of them, nobody can say that something answers.
                || (f.code == "target-port-not-declared" && undeclared >= ports)
        };
        let mut outcome = Outcome::Ok;
        for finding in findings {
            lines.push(finding.message.clone());
            if silent(&finding) {
                outcome = Outcome::Problem;
                self.block(Rank::Behind, finding);
            } else {
                self.notes.push(finding);
            }
        }
        if lines.is_empty() {
            lines.push("an alias: what is behind it is outside".to_owned());
            outcome = Outcome::Unknown;
        }
        self.step("behind it", outcome, lines);
    }
}
