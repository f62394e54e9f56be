//! One examination: the steps in their order, what each found, and which of it explains the failure.

use std::net::IpAddr;

use super::asker::{End, NODE, Walked};
use super::reading::{Form, Reading, readings};
use super::{Asker, Diagnosis, Extra, OK, Outcome, Question, Step, Verdict};
use crate::model::dns::{Cluster, Libc, Name, RecordType, Source, input};
use crate::model::time::Timestamp;
use crate::model::{
    ClusterSnapshot, Finding, Kind, Load, ObjectKey, ObjectRef, Pod, ServiceFacts, Severity, Text,
};

/// Which finding explains a failure before which others: the first thing on the way of a look-up wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// The name can't be asked.
    Name,
    /// It was asked outside the cluster.
    Outside,
    /// The pod does not ask the cluster's DNS server.
    NotClusterDns,
    /// The DNS server does not answer.
    ServerDown,
    /// Nothing of that name is reached.
    Missing,
    /// Something stands between pod and server.
    Way,
    /// The server says something else than the API's objects.
    Differs,
    /// The server answers, and is not well.
    ServerIll,
    /// The name resolves, and nothing answers behind it.
    Behind,
    /// It is not known.
    Unknown,
}

/// What is being examined, and what was found so far.
pub(super) struct Case<'a> {
    pub(super) question: &'a Question,
    pub(super) snapshot: &'a ClusterSnapshot,
    pub(super) cluster: &'a Cluster,
    pub(super) extra: &'a Extra,
    pub(super) now: Timestamp,
    pub(super) steps: Vec<Step>,
    /// What explains a failure.
    pub(super) blockers: Vec<(Rank, Finding)>,
    /// What is worth telling besides.
    pub(super) notes: Vec<Finding>,
    /// The Service that is there instead of the one that was meant.
    pub(super) instead: Option<ObjectKey>,
}

impl<'a> Case<'a> {
    pub(super) fn new(
        question: &'a Question,
        snapshot: &'a ClusterSnapshot,
        cluster: &'a Cluster,
        extra: &'a Extra,
        now: Timestamp,
    ) -> Self {
        let (steps, blockers, notes) = (vec![], vec![], vec![]);
        Self { question, snapshot, cluster, extra, now, steps, blockers, notes, instead: None }
    }

    /// The kinds of records that were asked for.
    pub(super) fn kinds(&self) -> Vec<RecordType> {
        self.question.kind.map_or_else(|| vec![RecordType::A, RecordType::AAAA], |k| vec![k])
    }

    pub(super) fn step(&mut self, what: &'static str, outcome: Outcome, evidence: Vec<String>) {
        self.steps.push(Step { what, evidence, outcome });
    }

    pub(super) fn block(&mut self, rank: Rank, finding: Finding) {
        self.blockers.push((rank, finding));
    }

    /// Whether all objects of a kind in a namespace are known.
    pub(super) fn knows(&self, kind: Kind, namespace: &str) -> bool {
        matches!(self.snapshot.load(kind, namespace), Some(Load::Live | Load::Stale { .. }))
    }

    /// Why they are not known: a code, and a sentence.
    pub(super) fn why_unknown(&self, kind: Kind, namespace: &str) -> (&'static str, String) {
        let resource = kind.resource_and_group();
        match self.snapshot.load(kind, namespace) {
            Some(Load::Forbidden { verb, message }) => {
                ("forbidden", format!("no right to {verb} {resource} in namespace {namespace} ({message})"))
            }
            Some(Load::Failed { why, .. }) => ("unreachable", format!("{resource} could not be read: {why}")),
            Some(Load::Loading(_)) => ("not-determined", format!("{resource} are still being read")),
            _ => ("not-determined", format!("nothing is known of the {resource} of namespace {namespace}")),
        }
    }

    pub(super) fn service(&self, key: &ObjectKey) -> Option<&'a ServiceFacts> {
        self.snapshot.service(key).map(|f| &**f)
    }

    /// Whether a namespace exists; `None` where that is not known.
    pub(super) fn namespace_exists(&self, name: &str) -> Option<bool> {
        let listed = self.snapshot.namespaces.iter().any(|n| *n.name == *name);
        let inhabited =
            !self.snapshot.services_in(name).is_empty() || !self.snapshot.pods_in(name).is_empty();
        if listed || inhabited { Some(true) } else { self.knows(Kind::Namespace, "").then_some(false) }
    }

    /// The name and what it comes to.
    pub(super) fn examine(mut self) -> Diagnosis {
        let typed = &*self.question.name;
        let own = self.own_namespace();
        let name = match Name::parse(typed) {
            Ok(name) => name,
            Err(error) => {
                let object = (Kind::Service, ObjectKey::new(own.unwrap_or_default(), typed));
                let message = format!("\"{typed}\" can't be asked: {error}");
                self.step("the name", Outcome::Problem, vec![error.to_string()]);
                let finding = a_finding("invalid-name", Severity::Error, object, message);
                self.block(Rank::Name, finding);
                return self.conclude(None, None, Some(false), vec![]);
            }
        };
        let all = readings(&name, own, self.cluster);
        let meant = self.choose(&all).cloned();
        self.report_name(&name, meant.as_ref());
        match &self.question.from {
            Asker::Laptop(facts) => self.examine_laptop(facts, meant.as_ref()),
            _ => match self.asking_pod() {
                Some(pod) => self.examine_pod(&pod, meant.as_ref()),
                None => self.without_pod(meant.as_ref()),
            },
        }
    }

    /// The namespace that short names are read in. Whoever types on a laptop may have any in mind.
    fn own_namespace(&self) -> Option<&'a str> {
        let own = self.question.from.namespace().map(|n| &**n);
        let Asker::Laptop(_) = self.question.from else { return own };
        let name = &*self.question.name;
        let there = own.filter(|n| self.service(&ObjectKey::new(*n, name)).is_some());
        there.or_else(|| self.only_namespace(name)).or(own)
    }

    /// The namespace of the Service of that name, for who asks from no namespace; `default` where there are several.
    fn only_namespace(&self, name: &str) -> Option<&'a str> {
        let mut all =
            self.snapshot.services.iter().filter(|f| *f.key().name == *name).map(|f| &*f.key().namespace);
        let first = all.next()?;
        if first == "default" || all.next().is_none() {
            return Some(first);
        }
        all.find(|n| *n == "default")
    }

    /// The reading that is most likely meant: of a Service that exists, else in a namespace that exists.
    fn choose<'r>(&self, all: &'r [Reading]) -> Option<&'r Reading> {
        let known_form = |r: &&Reading| matches!(r.form, Form::Full | Form::Svc | Form::NoSvc);
        let single = |r: &&Reading| r.rest.is_empty();
        all.iter()
            .find(|r| self.service(&r.key).is_some())
            .or_else(|| all.iter().find(known_form))
            .or_else(|| {
                let there = |r: &&Reading| {
                    r.form != Form::Own && self.namespace_exists(&r.key.namespace) == Some(true)
                };
                all.iter().find(there)
            })
            // `svc.somewhere` names a namespace that does not exist; `svc` alone the asker's own.
            .or_else(|| all.iter().find(|r| r.form == Form::OtherDomain && r.tail.starts_with("svc")))
            .or_else(|| all.iter().find(|r| r.form == Form::Own && single(r)))
            .or_else(|| all.iter().find(|r| r.form == Form::Namespaced && single(r)))
            .or_else(|| all.iter().find(|r| r.form == Form::OtherDomain && self.namespace_like(r)))
    }

    fn namespace_like(&self, reading: &Reading) -> bool {
        self.namespace_exists(&reading.key.namespace) == Some(true)
    }

    fn report_name(&mut self, name: &Name, meant: Option<&Reading>) {
        let typed = &*self.question.name;
        let domain = self.cluster.domain();
        let labels = name.len();
        let dot = if typed.ends_with('.') { "a final dot: it is asked as it stands" } else { "no final dot" };
        let mut lines = vec![
            format!("{labels} label{} and {dot}", if labels == 1 { "" } else { "s" }),
            if name.is_under(&domain.name) {
                format!("it ends in the cluster domain {} ({})", domain.text(), domain.how)
            } else {
                format!("it does not end in the cluster domain {} ({})", domain.text(), domain.how)
            },
        ];
        if let Some(meant) = meant {
            let (name, namespace) = (&meant.key.name, &meant.key.namespace);
            lines.push(format!("read as Service {name} of namespace {namespace}: {}", self.absolute(meant)));
        }
        lines.extend(input::note(typed));
        self.step("the name", Outcome::Ok, lines);
    }

    /// The absolute name of a reading in the cluster's domain.
    pub(super) fn absolute(&self, reading: &Reading) -> String {
        reading.absolute(&self.cluster.domain().name)
    }

    fn examine_pod(mut self, pod: &Pod, meant: Option<&Reading>) -> Diagnosis {
        let libc = self.library(pod);
        let walked = self.walk(pod, libc);
        let direct = walked.source != Source::Dns;
        if !direct {
            self.check_asker(pod, &walked, meant);
        }
        self.report_walk(&walked);
        let target = target_of(&walked).or_else(|| meant.map(|m| m.key.clone()));
        match &walked.likely {
            End::Found if is_doubtful(&walked) => self.doubtful(&walked, meant),
            End::Found => self.report_service(target.as_ref()),
            End::Missing(_) => self.why_missing(pod, &walked, meant),
            End::Open(why) => self.why_open(pod, &walked, meant, why),
        }
        self.check_behind(target.as_ref());
        if !direct && !self.asks_others(&walked.conf) {
            self.check_server(pod, Some(&walked));
            self.check_live(&walked, meant);
            self.check_way(pod, &walked);
        }
        self.hint_at_tools(pod, libc);
        self.check_size(pod, &walked);
        let dead = |rank: Rank| matches!(rank, Rank::ServerDown | Rank::Way);
        let broken = self.blockers.iter().any(|(rank, _)| dead(*rank));
        let resolves = match &walked.end {
            _ if broken => self.blockers.iter().any(|(r, _)| *r == Rank::ServerDown).then_some(false),
            End::Found => Some(true),
            End::Missing(_) => Some(false),
            End::Open(_) => None,
        };
        let addresses = if broken { vec![] } else { walked.addresses.clone() };
        self.conclude(Some(&walked), target, resolves, addresses)
    }

    fn doubtful(&mut self, walked: &Walked, meant: Option<&Reading>) {
        let key = self.object_of(meant);
        let name = walked.candidates.last().map_or("", |c| &*c.name);
        let message = format!(
            "musl reaches {name} only if the servers of the node's own search domains answer: one that fails ends the look-up"
        );
        let finding = Finding {
            evidence: vec![NODE.to_owned(), "musl stops at the first SERVFAIL or empty answer".to_owned()],
            advice: format!("write it with a final dot: {name}"),
            ..a_finding("not-determined", Severity::Warning, (Kind::Service, key), message)
        };
        self.block(Rank::Unknown, finding);
    }

    /// The object that findings about a name are about.
    pub(super) fn object_of(&self, meant: Option<&Reading>) -> ObjectKey {
        let own = self.question.from.namespace().cloned().unwrap_or_default();
        meant.map_or_else(|| ObjectKey::new(own, &*self.question.name), |m| m.key.clone())
    }

    /// The library of the asking pod: what was said, what its image hints at, or glibc.
    fn library(&self, pod: &Pod) -> Libc {
        match &self.question.from {
            Asker::Pod(_, Some(libc)) | Asker::Namespace(_, Some(libc)) => *libc,
            _ => super::libc_of(pod).map_or(Libc::Glibc, |(libc, _)| libc),
        }
    }

    /// The asking pod is not known: all but its own part is examined.
    fn without_pod(mut self, meant: Option<&Reading>) -> Diagnosis {
        let Asker::Pod(key, _) = &self.question.from else { return self.conclude(None, None, None, vec![]) };
        let (code, why) = if self.knows(Kind::Pod, &key.namespace) {
            ("pod-not-found", format!("there is no pod {key}"))
        } else {
            self.why_unknown(Kind::Pod, &key.namespace)
        };
        self.step("where it is asked", Outcome::Unknown, vec![why.clone()]);
        let finding = Finding {
            evidence: vec![why],
            ..a_finding(
                code,
                Severity::Error,
                (Kind::Pod, key.clone()),
                format!("the pod {key} is not known"),
            )
        };
        self.block(Rank::Unknown, finding);
        let target = meant.map(|m| m.key.clone());
        self.report_service(target.as_ref());
        self.check_behind(target.as_ref());
        self.conclude(None, target, None, vec![])
    }

    fn report_walk(&mut self, walked: &Walked) {
        let mut lines: Vec<String> = walked
            .candidates
            .iter()
            .map(|c| {
                let by = c.search.as_ref().map_or_else(String::new, |s| format!(" (search {s})"));
                let live = if c.live { ", asked live" } else { "" };
                format!("{}{by}: {}{live}", c.name, c.outcome())
            })
            .collect();
        match walked.source {
            Source::Literal => lines.push("it is an address: nothing is asked".to_owned()),
            Source::Hosts => lines.push("it is in the pod's /etc/hosts: DNS is not asked".to_owned()),
            Source::Dns => {}
        }
        let outcome = match &walked.end {
            End::Found => Outcome::Ok,
            End::Missing(error) => {
                lines.push(format!("{} says: {}", walked.libc, error.text(walked.libc)));
                Outcome::Problem
            }
            End::Open(why) => {
                lines.push(why.clone());
                match walked.likely {
                    End::Found => Outcome::Ok,
                    End::Missing(_) => Outcome::Problem,
                    End::Open(_) => Outcome::Unknown,
                }
            }
        };
        lines.extend(walked.caveat.clone());
        self.step("what the resolver asks", outcome, lines);
    }

    /// The end: the verdict, all findings in their order, and what to do.
    pub(super) fn conclude(
        mut self,
        walked: Option<&Walked>,
        target: Option<ObjectKey>,
        resolves: Option<bool>,
        addresses: Vec<IpAddr>,
    ) -> Diagnosis {
        self.blockers.sort_by_key(|(rank, finding)| (*rank, finding.severity));
        let verdict = match self.blockers.first() {
            Some((_, finding)) => Verdict { code: finding.code, message: finding.message.clone() },
            None => Verdict { code: OK, message: self.fine(walked, target.as_ref(), &addresses) },
        };
        let named = target.clone();
        let target = target.filter(|k| self.service(k).is_some()).or_else(|| self.instead.clone()).or(named);
        let absolute =
            target.as_ref().map(|k| format!("{}.{}.svc.{}", k.name, k.namespace, self.cluster.domain().name));
        let try_next = self.try_next(&verdict, target.as_ref(), absolute.as_deref());
        self.notes.sort_by_key(|f| f.severity);
        let mut findings: Vec<Finding> = Vec::new();
        for finding in self.blockers.into_iter().map(|(_, f)| f).chain(self.notes) {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        Diagnosis {
            name: self.question.name.clone(),
            kind: self.question.kind,
            asked_from: self.question.from.to_string(),
            libc: walked.map(|w| w.libc),
            resolves,
            addresses,
            service: target,
            absolute,
            verdict,
            steps: self.steps,
            findings,
            try_next,
        }
    }

    fn fine(&self, walked: Option<&Walked>, target: Option<&ObjectKey>, addresses: &[IpAddr]) -> String {
        let name = &self.question.name;
        let from = match &self.question.from {
            Asker::Laptop(_) => "on this machine".to_owned(),
            Asker::Pod(key, _) => format!("in pod {key}"),
            Asker::Namespace(namespace, _) => format!("in a pod of namespace {namespace}"),
        };
        let mut to = addresses.iter().take(4).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if addresses.len() > 4 {
            to.push_str(", …");
        }
        let to = if to.is_empty() { String::new() } else { format!(" to {to}") };
        let sure = walked.is_none_or(|w| matches!(w.end, End::Found));
        let doubt = if sure { String::new() } else { format!("; {NODE}") };
        let behind = target.and_then(|k| self.service(k)).map(|facts| match facts.ready {
            0 => format!(" (Service {})", facts.key()),
            1 => format!(" (Service {}), and one endpoint is ready behind it", facts.key()),
            n => format!(" (Service {}), and {n} endpoints are ready behind it", facts.key()),
        });
        format!("{name} resolves {from}{to}{}{doubt}", behind.unwrap_or_default())
    }

    /// The namespaces that are known, for guesses at what was meant.
    pub(super) fn namespaces(&self) -> Vec<&Text> {
        let mut out: Vec<&Text> = self.snapshot.namespaces.iter().map(|n| &n.name).collect();
        out.extend(self.snapshot.services.iter().map(|f| &f.key().namespace));
        out.sort();
        out.dedup();
        out
    }
}

/// A finding about an object.
pub(super) fn a_finding(
    code: &'static str,
    severity: Severity,
    object: (Kind, ObjectKey),
    message: String,
) -> Finding {
    let object = ObjectRef { kind: object.0, key: object.1 };
    Finding { code, severity, object, message, evidence: vec![], advice: String::new() }
}

/// A name with many dots that only the questions behind the node's own search domains answer: musl gives up if one of
/// those fails.
fn is_doubtful(walked: &Walked) -> bool {
    walked.libc == Libc::Musl && matches!(walked.end, End::Open(_))
}

/// The Service that the found records belong to; of an alias the one at its end.
fn target_of(walked: &Walked) -> Option<ObjectKey> {
    if walked.likely != End::Found {
        return None;
    }
    walked.candidates.last()?.records().filter_map(|r| r.service.clone()).last()
}
