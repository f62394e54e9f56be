//! Why a look-up finds nothing: no such Service, a name written otherwise than the resolver can complete, a record
//! that the Service does not have, an option of the server.

use super::Outcome;
use super::asker::{End, NODE, Walked};
use super::case::{Case, Rank, a_finding};
use super::reading::{Form, Reading};
use super::records;
use super::resolver::searches_lost;
use crate::model::diagnose::{diagnose, similar};
use crate::model::dns::{Answer, Libc, Open, Rcode, RecordType};
use crate::model::{Finding, Kind, ObjectKey, Pod, ServiceFacts, ServiceType, Severity};

/// Names to offer for one that does not exist.
const MOST_GUESSES: usize = 3;

impl Case<'_> {
    /// The look-up ends without anything.
    pub(super) fn why_missing(&mut self, pod: &Pod, walked: &Walked, meant: Option<&Reading>) {
        let mut finding = self.cause(pod, walked, meant);
        if let End::Open(_) = walked.end
            && !self.question.name.ends_with('.')
        {
            finding.evidence.push(format!("not quite certain: {NODE}"));
        }
        self.look_elsewhere(&finding, meant);
        let outcome = if finding.code == "not-determined" { Outcome::Unknown } else { Outcome::Problem };
        let mut lines = vec![finding.message.clone()];
        lines.extend(finding.evidence.iter().cloned());
        self.step("why nothing is found", outcome, lines);
        self.block(Rank::Missing, finding);
    }

    /// Where the Service is that was meant, if it is in one other namespace.
    fn look_elsewhere(&mut self, finding: &Finding, meant: Option<&Reading>) {
        if !matches!(finding.code, "service-in-other-namespace" | "namespace-not-found") {
            return;
        }
        let mut all = self.snapshot.services.iter().map(|f| f.key());
        self.instead = meant.and_then(|m| all.find(|k| k.name == m.key.name)).cloned();
    }

    /// The look-up is not determined.
    pub(super) fn why_open(&mut self, pod: &Pod, walked: &Walked, meant: Option<&Reading>, why: &str) {
        if self.asks_others(&walked.conf) {
            let object = (Kind::Pod, pod.key.clone());
            let message = format!("what {} comes to is not known: {why}", self.question.name);
            let finding = Finding {
                advice: "look inside the pod: `cat /etc/resolv.conf`".to_owned(),
                ..a_finding("not-determined", Severity::Warning, object, message)
            };
            self.block(Rank::Unknown, finding);
            self.report_service(meant.map(|m| m.key.clone()).as_ref());
            return;
        }
        // The questions that are open may be others than the one that matters.
        let finding = match meant.filter(|m| self.service(&m.key).is_some() || self.gone(m)) {
            Some(meant) => self.cause_of(pod, walked, meant),
            None => self.not_determined(meant, why),
        };
        let mut lines = vec![finding.message.clone()];
        lines.extend(finding.evidence.iter().cloned());
        self.step("why it is not certain", Outcome::Unknown, lines);
        let rank = if finding.code == "not-determined" { Rank::Unknown } else { Rank::Missing };
        self.block(rank, finding);
    }

    /// Whether a Service is known not to exist in a namespace that does, or that is spelt nearly like one.
    fn gone(&self, meant: &Reading) -> bool {
        let namespace = &meant.key.namespace;
        match self.namespace_exists(namespace) {
            Some(true) => meant.form != Form::Own || meant.rest.is_empty(),
            Some(false) => {
                matches!(meant.form, Form::Full | Form::Svc)
                    || self.namespaces().iter().any(|n| similar(n, namespace))
                    || (meant.form == Form::Namespaced
                        && self.snapshot.services.iter().any(|f| f.key().name == meant.key.name))
            }
            None => false,
        }
    }

    fn not_determined(&self, meant: Option<&Reading>, why: &str) -> Finding {
        let name = &self.question.name;
        let message = format!(
            "{name} is no name of this cluster, as far as is known; what the outside says is not known"
        );
        Finding {
            evidence: vec![why.to_owned()],
            advice: "ask inside: `getent hosts` in the pod".to_owned(),
            ..a_finding("not-determined", Severity::Warning, (Kind::Service, self.object_of(meant)), message)
        }
    }

    fn cause(&self, pod: &Pod, walked: &Walked, meant: Option<&Reading>) -> Finding {
        if let Some(finding) = self.by_library(pod, walked) {
            return finding;
        }
        if let Some(meant) =
            meant.filter(|m| self.service(&m.key).is_some() || self.gone(m) || !self.foreign(m))
        {
            return self.cause_of(pod, walked, meant);
        }
        let name = &self.question.name;
        let message = format!(
            "nothing of the name {name} is known: no Service, and the outside does not know it either"
        );
        let finding =
            a_finding("service-not-found", Severity::Error, (Kind::Service, self.object_of(meant)), message);
        Finding {
            advice: "check the spelling; `kdisco services -A` lists all Services".to_owned(),
            ..finding
        }
    }

    /// A name that is most likely one of the internet.
    fn foreign(&self, meant: &Reading) -> bool {
        matches!(meant.form, Form::OtherDomain | Form::Namespaced)
            && self.namespace_exists(&meant.key.namespace) == Some(false)
    }

    fn cause_of(&self, pod: &Pod, walked: &Walked, meant: &Reading) -> Finding {
        match self.service(&meant.key) {
            None => self.no_service(meant),
            Some(facts) => match meant.form {
                Form::OtherDomain => self.wrong_domain(meant),
                Form::NoSvc => self.no_svc_label(meant),
                _ => self.not_reached(pod, walked, meant, facts),
            },
        }
    }

    fn no_service(&self, meant: &Reading) -> Finding {
        let (name, namespace) = (&meant.key.name, &meant.key.namespace);
        let object = (Kind::Service, meant.key.clone());
        if self.namespace_exists(namespace) == Some(false) {
            return self.no_namespace(meant);
        }
        if !self.knows(Kind::Service, namespace) {
            let (code, why) = self.why_unknown(Kind::Service, namespace);
            let message = format!("whether there is a Service {} is not known", meant.key);
            let advice = format!("ask for the right to list services in namespace {namespace}");
            let finding = a_finding(code, Severity::Warning, object, message);
            return Finding { evidence: vec![why], advice, ..finding };
        }
        let elsewhere: Vec<&ObjectKey> =
            self.snapshot.services.iter().map(|f| f.key()).filter(|k| k.name == *name).collect();
        if let Some(first) = elsewhere.first() {
            let places: Vec<&str> = elsewhere.iter().take(4).map(|k| &*k.namespace).collect();
            let message =
                format!("namespace {namespace} has no Service {name}; there is one in {}", places.join(", "));
            let finding = a_finding("service-in-other-namespace", Severity::Error, object, message);
            return Finding {
                evidence: elsewhere.iter().take(4).map(|k| format!("Service {k} exists")).collect(),
                advice: format!(
                    "write {}.{} (a short name is looked up in the asker's own namespace)",
                    first.name, first.namespace
                ),
                ..finding
            };
        }
        let here = self.snapshot.services_in(namespace);
        let near: Vec<&str> =
            here.iter().map(|f| &*f.key().name).filter(|n| similar(n, name)).take(MOST_GUESSES).collect();
        let mut evidence =
            vec![format!("namespace {namespace} has {} Services, none called {name}", here.len())];
        if self.namespace_exists(name) == Some(true) {
            evidence.push(format!("{name} is a namespace: its own name exists in DNS, without any address"));
        }
        let advice = match near.as_slice() {
            [] => format!("`kdisco services -n {namespace}` lists those that there are"),
            names => format!("did you mean {}?", names.join(" or ")),
        };
        let message = format!("there is no Service {name} in namespace {namespace}");
        Finding { evidence, advice, ..a_finding("service-not-found", Severity::Error, object, message) }
    }

    fn no_namespace(&self, meant: &Reading) -> Finding {
        let (name, namespace) = (&meant.key.name, &meant.key.namespace);
        let all = self.namespaces();
        let near: Vec<&str> =
            all.iter().map(|n| &***n).filter(|n| similar(n, namespace)).take(MOST_GUESSES).collect();
        let elsewhere: Vec<&ObjectKey> =
            self.snapshot.services.iter().map(|f| f.key()).filter(|k| k.name == *name).collect();
        let mut evidence = vec![format!("the cluster has {} namespaces, none called {namespace}", all.len())];
        evidence.extend(elsewhere.iter().take(4).map(|k| format!("Service {k} exists")));
        let advice = match (near.as_slice(), elsewhere.first()) {
            ([], None) => "`kubectl get namespaces` lists those that there are".to_owned(),
            ([], Some(key)) => format!("did you mean {}.{}?", key.name, key.namespace),
            (names, _) => format!("did you mean namespace {}?", names.join(" or ")),
        };
        let object = (Kind::Namespace, ObjectKey::new("", namespace.clone()));
        let message = format!("there is no namespace {namespace}, so no Service {name} in it");
        Finding { evidence, advice, ..a_finding("namespace-not-found", Severity::Error, object, message) }
    }

    fn wrong_domain(&self, meant: &Reading) -> Finding {
        let domain = self.cluster.domain();
        let message = format!(
            "Service {} exists, but the cluster domain is {}, not {}",
            meant.key,
            domain.text(),
            meant.tail.strip_prefix("svc.").unwrap_or(&meant.tail)
        );
        let finding =
            a_finding("wrong-cluster-domain", Severity::Error, (Kind::Service, meant.key.clone()), message);
        Finding {
            evidence: vec![domain.how.to_string()],
            advice: format!("write {}", self.absolute(meant)),
            ..finding
        }
    }

    fn no_svc_label(&self, meant: &Reading) -> Finding {
        let (key, domain) = (&meant.key, self.cluster.domain().text());
        let message =
            format!("the label `svc` is missing: the name of Service {key} is {}", self.absolute(meant));
        let finding = a_finding("missing-svc-label", Severity::Error, (Kind::Service, key.clone()), message);
        Finding {
            evidence: vec![format!("left of {domain} there are only names that end in `svc` or `pod`")],
            advice: format!("write {}", self.absolute(meant)),
            ..finding
        }
    }

    /// The Service is there; either its name has no such record, or the resolver never asks for it.
    fn not_reached(&self, pod: &Pod, walked: &Walked, meant: &Reading, facts: &ServiceFacts) -> Finding {
        let name = self.absolute(meant);
        let answers: Vec<Answer> = self.kinds().iter().map(|k| self.answered(&name, *k)).collect();
        if answers.iter().any(|a| !a.answers.is_empty() && a.open.is_none()) && self.has_wanted(&answers) {
            return self.never_asked(pod, walked, meant, &name);
        }
        self.no_record(meant, facts, &name, &answers)
    }

    fn answered(&self, name: &str, kind: RecordType) -> Answer {
        self.live(name, kind).map_or_else(|| self.cluster.answer(name, kind), super::asker::as_answer)
    }

    fn has_wanted(&self, answers: &[Answer]) -> bool {
        let kinds = self.kinds();
        answers
            .iter()
            .flat_map(|a| &a.answers)
            .any(|r| kinds.contains(&r.kind) || kinds.contains(&RecordType::ANY))
    }

    /// The name inside would answer, but the walk of the search list does not come to it.
    fn never_asked(&self, pod: &Pod, walked: &Walked, meant: &Reading, name: &str) -> Finding {
        let object = (Kind::Pod, pod.key.clone());
        let typed = &self.question.name;
        let advice = format!("write {name}");
        let conf = &walked.conf;
        let with = |code, message: String, evidence: Vec<String>| Finding {
            evidence,
            advice: advice.clone(),
            ..a_finding(code, Severity::Error, object.clone(), message)
        };
        if typed.ends_with('.') {
            let message = format!(
                "the final dot of {typed} means that no search list is used; Service {} is called {name}",
                meant.key
            );
            return with(
                "search-list-not-used",
                message,
                vec!["without the dot the search list completes it".to_owned()],
            );
        }
        if let Some(finding) = self.by_library(pod, walked) {
            return finding;
        }
        let cut = self.cut_off(pod, name);
        if cut {
            return Finding { severity: Severity::Error, advice, ..searches_lost(pod, false) };
        }
        if let Some(last) =
            walked.candidates.last().filter(|c| c.name != name && c.records().next().is_some())
        {
            let message =
                format!("the search ends before {name}: {} is an alias that leads nowhere", last.name);
            return with("external-name-unresolvable", message, vec![last.outcome()]);
        }
        let message = format!("no search domain of pod {} completes {typed} to {name}", pod.key);
        let list = if conf.search.is_empty() {
            "its search list is empty".to_owned()
        } else {
            format!("search {}", conf.search.join(" "))
        };
        with("search-list-not-used", message, vec![list])
    }

    /// What musl does not find, and glibc does.
    fn by_library(&self, pod: &Pod, walked: &Walked) -> Option<Finding> {
        if walked.libc != Libc::Musl {
            return None;
        }
        let glibc = self.walk(pod, Libc::Glibc);
        let name = glibc.candidates.last().filter(|_| glibc.likely == End::Found)?.name.clone();
        let (typed, conf) = (&self.question.name, &walked.conf);
        let advice = format!("write {name}");
        if conf.search_for(Libc::Musl).is_empty() && !conf.search.is_empty() {
            return Some(Finding { severity: Severity::Error, advice, ..searches_lost(pod, true) });
        }
        let object = (Kind::Pod, pod.key.clone());
        if self.dots_suffice(typed, pod) {
            let ndots = conf.ndots().unwrap_or(1);
            let message = format!(
                "ndots is {ndots}: musl asks {typed} only as it stands, and never walks the search list"
            );
            return Some(Finding {
                evidence: vec![format!("glibc walks the list afterwards, and finds {name}")],
                advice,
                ..a_finding("ndots-too-low", Severity::Error, object, message)
            });
        }
        let stopped = walked.candidates.last();
        let stopped = stopped.map_or_else(String::new, |c| format!("{}: {}", c.name, c.outcome()));
        let message = format!("musl stops its walk of the search list before it comes to {name}");
        Some(Finding {
            evidence: vec![stopped, "glibc goes on, and finds it".to_owned()],
            advice,
            ..a_finding("musl-stops-search", Severity::Error, object, message)
        })
    }

    /// Whether the search domain that is needed was there before the limits.
    fn cut_off(&self, pod: &Pod, name: &str) -> bool {
        let Some(config) = &pod.spec.dns_config else { return false };
        let completes = |domain: &str| {
            let full = format!("{}.{}.", self.question.name, domain.trim_end_matches('.'));
            full.eq_ignore_ascii_case(name)
        };
        config.searches.iter().any(|d| completes(d))
            && !self.cluster.resolv_conf(pod).search.iter().any(|d| completes(d))
    }

    /// The name is the right one, and has no such record.
    fn no_record(&self, meant: &Reading, facts: &ServiceFacts, name: &str, answers: &[Answer]) -> Finding {
        let key = facts.key();
        let object = (Kind::Service, key.clone());
        if let Some(finding) = self.contradicted(meant, name) {
            return finding;
        }
        if let Some(hidden) = self.hidden(meant, name) {
            return hidden;
        }
        let own = diagnose(facts, self.snapshot, self.now, self.cluster.domain().text());
        let silent = facts.service.headless() || facts.service.kind == ServiceType::ExternalName;
        let no_part = meant.rest.is_empty();
        if let Some(finding) = own.into_iter().find(|f| silent && no_part && f.severity == Severity::Error) {
            return finding;
        }
        if let Some(finding) = self.outside_target(facts, name) {
            return finding;
        }
        if let Some(why) = answers.iter().find_map(|a| a.open.as_ref()) {
            let code = if matches!(why, Open::NotKnown(_)) && !self.knows(Kind::EndpointSlice, &key.namespace)
            {
                self.why_unknown(Kind::EndpointSlice, &key.namespace).0
            } else {
                "not-determined"
            };
            let message = format!("what {name} answers is not determined");
            let advice = "ask the server itself: `kdisco resolve`".to_owned();
            return Finding {
                evidence: vec![why.to_string()],
                advice,
                ..a_finding(code, Severity::Warning, object, message)
            };
        }
        match &*meant.rest {
            [port, protocol] => return records::no_port(facts, port, protocol),
            [endpoint] => return records::no_endpoint(facts, endpoint),
            _ => {}
        }
        let kinds: Vec<String> = self.kinds().iter().map(ToString::to_string).collect();
        if answers.iter().any(|a| a.rcode == Some(Rcode::NoError)) {
            return records::no_type(facts, name, &kinds.join(" or "));
        }
        let message = format!("Service {key} exists, but {name} has no record");
        let advice = "look at the Corefile: kubectl get configmap coredns -n kube-system -o yaml".to_owned();
        Finding { advice, ..a_finding("live-differs-from-prediction", Severity::Error, object, message) }
    }

    /// An ExternalName whose target outside leads to nothing, as the server itself said.
    pub(super) fn outside_target(&self, facts: &ServiceFacts, name: &str) -> Option<Finding> {
        if facts.service.kind != ServiceType::ExternalName {
            return None;
        }
        let live = self.kinds().into_iter().filter_map(|k| self.live(name, k)).collect::<Vec<_>>();
        let failed =
            !live.is_empty() && live.iter().all(|a| a.answers.iter().all(|r| r.kind == RecordType::CNAME));
        if !failed {
            return None;
        }
        let message = format!(
            "the external name {} of {} leads to no address",
            facts.service.external_name,
            facts.key()
        );
        let finding = a_finding(
            "external-name-unresolvable",
            Severity::Error,
            (Kind::Service, facts.key().clone()),
            message,
        );
        Some(Finding {
            evidence: vec![
                "the server answers the CNAME alone: the name behind it does not exist, or its servers fail"
                    .to_owned(),
            ],
            advice: format!("look up {} outside; correct spec.externalName", facts.service.external_name),
            ..finding
        })
    }

    /// The same for a question from outside: only what is wrong with the name inside.
    pub(super) fn why_missing_inside(&mut self, meant: &Reading) {
        let name = self.absolute(meant);
        let finding = match self.service(&meant.key) {
            None => self.no_service(meant),
            Some(facts) => {
                let answers: Vec<Answer> = self.kinds().iter().map(|k| self.answered(&name, *k)).collect();
                self.no_record(meant, facts, &name, &answers)
            }
        };
        self.step("the Service", Outcome::Problem, vec![finding.message.clone()]);
        self.block(Rank::Missing, finding);
    }
}
