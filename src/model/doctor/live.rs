//! What the cluster's DNS server itself said, against what the API's objects make one expect.

use std::collections::BTreeSet;

use super::asker::Walked;
use super::case::{Case, Rank, a_finding};
use super::reading::{Form, Reading, readings};
use super::{Asker, LiveAnswer, LiveReply, Outcome, Question};
use crate::model::dns::{Answer, Cluster, Libc, Name, Rcode, RecordType, search};
use crate::model::{ClusterSnapshot, Finding, Kind, ObjectKey, Severity};

/// Most seconds that an answer may be remembered where no cache plugin says otherwise (NodeLocal's negative cache).
const SHORT_MEMORY: u32 = 5;

/// The questions that an examination would like to have answered live: those of the asker's resolver, and the
/// absolute name of what is meant. Names are absolute; each question once.
pub fn questions(
    question: &Question,
    snapshot: &ClusterSnapshot,
    cluster: &Cluster,
) -> Vec<(String, RecordType)> {
    let kinds = question.kind.map_or_else(|| vec![RecordType::A, RecordType::AAAA], |k| vec![k]);
    let Ok(parsed) = Name::parse(&question.name) else { return vec![] };
    let mut names: Vec<String> = Vec::new();
    let own = question.from.namespace().map(|n| &**n);
    let all = readings(&parsed, own, cluster);
    let in_namespace =
        |r: &&Reading| r.form != Form::Own && !snapshot.services_in(&r.key.namespace).is_empty();
    let known = all.iter().find(|r| snapshot.service(&r.key).is_some());
    let meant = known.or_else(|| all.iter().find(in_namespace)).or_else(|| all.first());
    if let Asker::Pod(..) | Asker::Namespace(..) = question.from {
        let conf = match &question.from {
            Asker::Pod(key, _) => snapshot.pod(&key.namespace, &key.name).map(|p| cluster.resolv_conf(p)),
            Asker::Namespace(namespace, _) => {
                Some(crate::model::dns::ResolvConf::of_namespace(namespace, cluster.kubelet()))
            }
            Asker::Laptop(_) => None,
        };
        if let Some(conf) = conf {
            let domains: Vec<&str> = conf.search.iter().map(|s| &**s).collect();
            let plan = search::plan(&question.name, &domains, conf.ndots().unwrap_or(1), Libc::Glibc);
            names.extend(plan.into_iter().map(|q| q.name));
        }
    }
    names.extend(meant.map(|r| r.absolute(&cluster.domain().name)));
    let mut seen = BTreeSet::new();
    names.retain(|n| Name::parse(n).is_ok() && seen.insert(n.to_ascii_lowercase()));
    // Where it is clear what is meant, the outside has no say; its servers may take their time.
    if known.is_some_and(|r| snapshot.service(&r.key).is_some()) {
        names.retain(|n| Name::parse(n).is_ok_and(|n| n.is_under(&cluster.domain().name)));
    }
    // Servers outside may take their time, and answers come in the order of the questions.
    let outside = |n: &String| !Name::parse(n).is_ok_and(|n| n.is_under(&cluster.domain().name));
    names.sort_by_key(outside);
    names.into_iter().flat_map(|n| kinds.iter().map(move |k| (n.clone(), *k))).collect()
}

impl Case<'_> {
    /// Compares the server's own answers with the prediction.
    pub(super) fn check_live(&mut self, _walked: &Walked, meant: Option<&Reading>) {
        self.check_live_names(meant);
    }

    /// The same for whoever asks from outside.
    pub(super) fn check_live_names(&mut self, meant: Option<&Reading>) {
        let Some(replies) = self.extra.live.get() else {
            let why = self.extra.live.why_not("the server's own answers");
            let why = why.unwrap_or_else(|| "the server itself was not asked".to_owned());
            self.step("asked live", Outcome::Unknown, vec![why]);
            return;
        };
        let mut lines = Vec::new();
        let mut differing: Option<Finding> = None;
        // One server that said everything is told of once.
        let one = replies.first().filter(|first| {
            replies.len() > 1 && replies.iter().all(|r| r.result.is_ok() && r.server == first.server)
        });
        if let Some(first) = one {
            let slowest = replies.iter().map(|r| r.millis).max().unwrap_or_default();
            let questions = replies.len();
            lines.push(format!("{} answered {questions} questions, each within {slowest} ms", first.server));
        }
        for reply in replies {
            let predicted = self.cluster.answer(&reply.name, reply.kind);
            match &reply.result {
                Err(why) => lines
                    .push(format!("{} {}: no answer from {}: {why}", reply.name, reply.kind, reply.server)),
                Ok(answer) => {
                    let same = agrees(&predicted, answer);
                    let sign = if same { "" } else { ", which is not what the API's objects say" };
                    let by = match one {
                        Some(_) => String::new(),
                        None => format!(" ({}, {} ms)", reply.server, reply.millis),
                    };
                    lines.push(format!("{} {}: {}{by}{sign}", reply.name, reply.kind, said(answer)));
                    if !same && differing.is_none() {
                        differing = Some(self.difference(reply, answer, &predicted, meant));
                    }
                }
            }
        }
        let none = replies.iter().all(|r| r.result.is_err());
        let outcome = match &differing {
            _ if replies.is_empty() || none => Outcome::Unknown,
            Some(_) => Outcome::Problem,
            None => Outcome::Ok,
        };
        if outcome == Outcome::Ok && !self.blockers.is_empty() {
            lines.push("the server says what the API's objects say".to_owned());
        }
        if let Some(finding) = differing {
            self.block(Rank::Differs, finding);
        }
        if let Some(first) = replies.first().filter(|_| none) {
            let object = (Kind::Service, ObjectKey::new("kube-system", "kube-dns"));
            let message = "the DNS server could not be asked live".to_owned();
            let finding = a_finding("unreachable", Severity::Info, object, message);
            self.notes.push(Finding {
                evidence: first.result.as_ref().err().map(ToString::to_string).into_iter().collect(),
                ..finding
            });
        }
        self.step("asked live", outcome, lines);
    }

    /// Where the server denies what the API's objects say it has.
    pub(super) fn contradicted(&self, meant: &Reading, name: &str) -> Option<Finding> {
        self.extra.live.get()?.iter().filter(|r| r.name.eq_ignore_ascii_case(name)).find_map(|reply| {
            let answer = reply.result.as_ref().ok()?;
            let predicted = self.cluster.answer(name, reply.kind);
            let denied = !predicted.answers.is_empty() && !agrees(&predicted, answer);
            denied.then(|| self.difference(reply, answer, &predicted, Some(meant)))
        })
    }

    /// What a difference most likely comes from.
    fn difference(
        &self,
        reply: &LiveReply,
        live: &LiveAnswer,
        predicted: &Answer,
        meant: Option<&Reading>,
    ) -> Finding {
        let (name, kind) = (&reply.name, reply.kind);
        let object = (Kind::Service, self.object_of(meant));
        let expected = match predicted.rcode {
            Some(Rcode::NoError) if !predicted.answers.is_empty() => {
                predicted.answers.iter().take(4).map(|r| &*r.data).collect::<Vec<_>>().join(", ")
            }
            Some(rcode) => rcode.to_string(),
            None => "something else".to_owned(),
        };
        let evidence = vec![
            format!("{} says {}", reply.server, said(live)),
            format!("the API's objects make it {expected}"),
        ];
        if live.rcode == Rcode::ServFail {
            return Finding {
                evidence,
                advice: "look at its log: kubectl logs -n kube-system -l k8s-app=kube-dns".to_owned(),
                ..a_finding(
                    "coredns-not-synced",
                    Severity::Error,
                    object,
                    format!(
                        "the DNS server fails for {name} {kind}: it has not read the cluster, or may not"
                    ),
                )
            };
        }
        let young = self.memory(name).is_some_and(|seconds| {
            let facts = meant.and_then(|m| self.service(&m.key));
            let created = facts.and_then(|f| f.service.created);
            created.is_some_and(|c| self.now.as_second() - c.as_second() <= i64::from(seconds))
        });
        let denied = live.answers.is_empty() && !predicted.answers.is_empty();
        if denied && young {
            return Finding {
                evidence,
                advice: "ask again in half a minute".to_owned(),
                ..a_finding(
                    "cached-negative",
                    Severity::Warning,
                    object,
                    format!("the Service is new, and an older answer for {name} is still remembered"),
                )
            };
        }
        Finding {
            evidence,
            advice: "look at the Corefile, and ask each DNS pod: their caches differ".to_owned(),
            ..a_finding(
                "live-differs-from-prediction",
                Severity::Error,
                object,
                format!("the DNS server answers {name} {kind} otherwise than the API's objects say"),
            )
        }
    }

    /// How long a negative answer for a name may be remembered, in seconds.
    fn memory(&self, name: &str) -> Option<u32> {
        let parsed = Name::parse(name).ok()?;
        let block = self.cluster.server().block(&parsed)?;
        let cache = block
            .cache
            .as_ref()
            .filter(|c| c.covers(&parsed) && !c.disabled.iter().any(|z| parsed.is_under(z)));
        Some(cache.map_or(SHORT_MEMORY, |c| c.denial.1.min(30)))
    }
}

/// Whether an answer is the predicted one; where the prediction is open there is nothing to say against it.
fn agrees(predicted: &Answer, live: &LiveAnswer) -> bool {
    if predicted.open.is_some() {
        return true;
    }
    let key =
        |r: &crate::model::dns::Record| (r.name.to_ascii_lowercase(), r.kind, r.data.to_ascii_lowercase());
    let serial = |r: &&crate::model::dns::Record| r.kind != RecordType::SOA;
    let said: BTreeSet<_> = live.answers.iter().filter(serial).map(key).collect();
    let expected: BTreeSet<_> = predicted.answers.iter().filter(serial).map(key).collect();
    predicted.rcode == Some(live.rcode) && said == expected
}

fn said(answer: &LiveAnswer) -> String {
    if answer.answers.is_empty() {
        return match answer.rcode {
            Rcode::NoError => "NODATA".to_owned(),
            other => other.to_string(),
        };
    }
    let mut text = answer.answers.iter().take(4).map(|r| &*r.data).collect::<Vec<_>>().join(", ");
    if answer.answers.len() > 4 {
        text.push_str(", …");
    }
    text
}
