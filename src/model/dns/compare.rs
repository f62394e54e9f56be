//! Predicted against live: whether a server says what the API's objects make it say, and if not, the likely reason.
//!
//! What it is: one pure comparison for the command line and the screen, and the list of questions that a check asks.
//! What it is not: it asks nobody and never calls a difference a bug of the server: the objects are read by two
//! programs at two moments. Everybody may use it.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Serialize, Serializer};

use super::answer::{Answer, Open};
use super::{Cluster, LiveReply, LiveStep, Name, Rcode, Record, RecordType, ReplyCode};
use crate::model::{Kind, Pod, ServiceFacts, ServiceType};

/// What a comparison came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The same code, names, types and data.
    Equal,
    /// Not the same.
    Different,
    /// One side is not known.
    Unverifiable,
}

impl Verdict {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Different => "different",
            Self::Unverifiable => "unverifiable",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The likely reason of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The server has not (yet) seen what the API says now.
    NotSynced,
    /// The answer is an older one, out of the server's cache.
    Cached,
    /// An option of the Corefile that could not be read, or was assumed.
    Corefile,
    /// Another plugin, or another server, answered.
    Elsewhere,
    /// Nothing that is known explains it.
    Unknown,
}

impl Cause {
    /// The code of the finding that tells it.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotSynced => "coredns-not-synced",
            Self::Cached => "cached-negative",
            Self::Corefile => "corefile-hides-name",
            Self::Elsewhere | Self::Unknown => "live-differs-from-prediction",
        }
    }
}

/// One question with both answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// What was asked, and what was said to it.
    pub live: LiveStep,
    /// What was computed.
    pub predicted: Answer,
    /// What it came to.
    pub verdict: Verdict,
    /// The likely reason, where they differ.
    pub cause: Option<Cause>,
    /// Why, in a sentence; also of an equal answer that deserves a word.
    pub why: Option<String>,
}

type Key = (String, RecordType, String);

/// What a comparison came to, with the reason's code and sentence.
type Judged = (Verdict, Option<Cause>, Option<String>);

/// Records without what may differ: order, letter case, TTL, and the serial of an SOA.
pub(super) fn keys(records: &[Record]) -> BTreeSet<Key> {
    let data = |r: &Record| match r.kind {
        RecordType::SOA => String::new(),
        // A weight that changes with the number of endpoints is told by the endpoints.
        _ => r.data.to_ascii_lowercase(),
    };
    records.iter().map(|r| (r.name.to_ascii_lowercase(), r.kind, data(r))).collect()
}

impl Cluster {
    /// Compares what a server said with what is predicted now.
    pub fn compare(&self, live: LiveStep) -> Comparison {
        let predicted = self.answer(&live.name, live.kind);
        let (verdict, cause, why) = self.judge(&live, &predicted);
        Comparison { live, predicted, verdict, cause, why }
    }

    fn judge(&self, live: &LiveStep, predicted: &Answer) -> Judged {
        let reply = match &live.reply {
            Ok(reply) => reply,
            Err(why) => return (Verdict::Unverifiable, None, Some(why.to_string())),
        };
        let (said, computed) = (keys(&reply.answers), keys(&predicted.answers));
        if let Some(Open::Partly(known)) = &predicted.open {
            return self.judge_part(live, reply, known);
        }
        if let Some(open) = &predicted.open {
            if let Open::Outside(plugin) = open
                && self.is_passed_on(&live.name)
                && let Some(judged) = self.judge_passed_on(live, reply, plugin)
            {
                return judged;
            }
            let certain = !computed.is_empty() && computed.is_subset(&said);
            return match open {
                Open::Target(_) if certain => (Verdict::Equal, None, Some(open.to_string())),
                Open::Target(_) if !computed.is_empty() => {
                    let why = "the CNAME that the Service has is not in the answer".to_owned();
                    (Verdict::Different, Some(Cause::NotSynced), Some(why))
                }
                open => (Verdict::Unverifiable, None, Some(open.to_string())),
            };
        }
        if predicted.rcode.map(ReplyCode::from) == Some(reply.rcode) && said == computed {
            return (Verdict::Equal, None, ttl_note(reply, predicted));
        }
        let (cause, why) = self.cause(live, reply, predicted);
        (Verdict::Different, Some(cause), Some(why))
    }

    /// The names of an address of which only some namespaces' are known. What those give is compared; a name of
    /// another namespace may come on top of it, and where that is a Service with the address as its cluster address,
    /// instead of it (CoreDNS reverse.go `Reverse`).
    fn judge_part(&self, live: &LiveStep, reply: &LiveReply, known: &[Record]) -> Judged {
        let (ours, others): (Vec<Record>, Vec<Record>) =
            reply.answers.iter().cloned().partition(|r| self.is_known(&r.data));
        let others: Vec<&str> = others.iter().map(|r| r.data.as_str()).collect();
        let others = others.join(", ");
        let unverifiable = |why| (Verdict::Unverifiable, None, Some(why));
        if keys(&ours) != keys(known) {
            if ours.is_empty() && !others.is_empty() {
                return unverifiable(format!(
                    "the server says {others}, of a namespace that is not looked at: a Service there may have the \
                     address as its cluster address, which goes before endpoints"
                ));
            }
            let predicted = Answer { answers: known.to_vec(), ..Answer::empty(Rcode::NoError) };
            let (cause, why) = self.cause(live, reply, &predicted);
            return (Verdict::Different, Some(cause), Some(why));
        }
        match (ours.is_empty(), others.is_empty()) {
            (false, true) => (Verdict::Equal, None, None),
            (false, false) => {
                let why = format!("the server also says {others}, of a namespace that is not looked at");
                (Verdict::Equal, None, Some(why))
            }
            (true, false) => unverifiable(format!(
                "the server says {others}, of a namespace that is not looked at; in those that are, nothing ready \
                 has the address"
            )),
            (true, true) if [Rcode::NoError, Rcode::NxDomain].map(ReplyCode::from).contains(&reply.rcode) => {
                let why = "nothing has the address in the namespaces that are looked at, and the server knows \
                           nothing either";
                (Verdict::Equal, None, Some(why.to_owned()))
            }
            (true, true) => unverifiable(format!(
                "the server says {}, and in the namespaces that are looked at nothing has the address",
                reply.rcode
            )),
        }
    }

    /// Whether a name is in a zone of the cluster and was passed on because the cluster has nothing under it.
    fn is_passed_on(&self, name: &str) -> bool {
        let Ok(name) = Name::parse(name) else { return false };
        let block = self.server().block(&name);
        block.and_then(|b| b.kubernetes.as_ref()).is_some_and(|k| k.zone_of(&name).is_some())
    }

    /// A question that the cluster has no answer to and that was passed on: an empty reply says that the cluster has
    /// nothing, as was predicted, and a name of the cluster that it still has something. `None`: others answered.
    fn judge_passed_on(&self, live: &LiveStep, reply: &LiveReply, plugin: &str) -> Option<Judged> {
        if reply.answers.is_empty() {
            let why = format!(
                "the cluster has no such record, as predicted; plugin {plugin} passed the question on, which came to {}",
                reply.rcode
            );
            return Some((Verdict::Equal, None, Some(why)));
        }
        let own = |r: &Record| r.kind == RecordType::PTR && self.namespace_of(&r.data).is_some();
        reply.answers.iter().any(own).then(|| {
            let (cause, why) = self.cause(live, reply, &Answer::empty(Rcode::NxDomain));
            (Verdict::Different, Some(cause), Some(why))
        })
    }

    /// The namespace of a Service's or an endpoint's name.
    fn namespace_of(&self, name: &str) -> Option<String> {
        let name = Name::parse(name).ok()?;
        let mut zones = self.server().kubernetes().filter_map(super::Kubernetes::primary_zone);
        zones.find_map(|zone| match *name.below(zone)?.as_slice() {
            [.., _, namespace, "svc"] => Some(namespace.to_owned()),
            _ => None,
        })
    }

    /// Whether a name is of a namespace whose Services and endpoints are all known.
    fn is_known(&self, name: &str) -> bool {
        let all = |namespace: String| {
            [Kind::Service, Kind::EndpointSlice].iter().all(|kind| self.knows(*kind, &namespace))
        };
        self.namespace_of(name).is_some_and(all)
    }

    /// The likely reason, the most telling sign first.
    fn cause(&self, live: &LiveStep, reply: &LiveReply, predicted: &Answer) -> (Cause, String) {
        if reply.rcode == Rcode::ServFail.into() {
            let why = if predicted.rcode == Some(Rcode::NxDomain) {
                "SERVFAIL where a name should be denied: the server has not finished its first list of the \
                 cluster's objects, or may not list them"
            } else {
                "the server failed: it has not finished its first list, or may not list the cluster's objects"
            };
            return (Cause::NotSynced, why.to_owned());
        }
        if reply.rcode == Rcode::Refused.into() {
            return (Cause::Elsewhere, "the server refuses: an acl, or no zone for the name".to_owned());
        }
        if let Some(outside) = self.outside(live, reply) {
            return (Cause::Elsewhere, outside);
        }
        let corefile = || {
            if self.server().source.is_none() {
                return Some(
                    "the Corefile could not be read and kubeadm's is assumed: an option may hide it"
                        .to_owned(),
                );
            }
            let odd = self.server().oddities.first()?;
            Some(format!("the Corefile has what is not understood: {odd}"))
        };
        let full = predicted.answers.iter().chain(&predicted.authority).map(|r| r.ttl).min();
        let left = reply.answers.iter().chain(&reply.authority).map(|r| r.ttl).min();
        if let (Some(left), Some(full)) = (left, full)
            && left < full
        {
            let kind = if reply.answers.is_empty() { "denial" } else { "answer" };
            let why = format!("an older {kind} out of a cache: {left} of {full} seconds are left");
            return (Cause::Cached, why);
        }
        let lacks = reply.answers.is_empty() && !predicted.answers.is_empty();
        if lacks && let Some(why) = corefile() {
            return (Cause::Corefile, why);
        }
        if predicted.answers.is_empty() == reply.answers.is_empty() && reply.answers.is_empty() {
            return (
                Cause::Unknown,
                "the server gives another code than the objects make it give".to_owned(),
            );
        }
        let why = match (lacks, reply.answers.len().cmp(&predicted.answers.len())) {
            (true, _) => {
                "the server does not know it (yet): its watch is behind, or something hides the name"
            }
            (_, std::cmp::Ordering::Greater) => "the server still has records of what is gone",
            _ => "the server has other records: its watch is behind, or something changed just now",
        };
        (Cause::NotSynced, why.to_owned())
    }

    /// Whether somebody else than the cluster's zone answered.
    fn outside(&self, live: &LiveStep, reply: &LiveReply) -> Option<String> {
        let name = Name::parse(&live.name).ok()?;
        let owner = Name::parse(&reply.authority.as_ref()?.name).ok()?;
        let served = self.server().kubernetes().flat_map(|k| &k.zones).filter(|z| name.is_under(z));
        let own: Vec<&Name> = served.collect();
        (!own.is_empty() && !own.contains(&&owner)).then(|| {
            format!("the denial comes from the zone {owner}: the question was passed on to another server")
        })
    }

    /// The questions that check Services and pods: all their records, and for each Service's name both families, so
    /// that an address that should not be there is seen as well. Each question once, in order, but for ExternalNames:
    /// they come last. CoreDNS answers what comes over a connection one after the other (miekg/dns: `serveTCPConn`), so
    /// where the servers are silent to which their targets are passed on, all questions behind them would go unanswered.
    pub fn check_questions<'a>(
        &'a self,
        services: impl IntoIterator<Item = &'a ServiceFacts>,
        pods: impl IntoIterator<Item = &'a Pod>,
    ) -> Vec<(String, RecordType)> {
        let zone = self.zone();
        let (mut seen, mut own, mut passed_on) = (BTreeSet::new(), Vec::new(), Vec::new());
        let mut add = |external: bool, name: String, kind: RecordType| {
            if seen.insert((name.to_ascii_lowercase(), kind)) {
                if external { &mut passed_on } else { &mut own }.push((name, kind));
            }
        };
        for facts in services {
            let external = facts.service.kind == ServiceType::ExternalName;
            let name = zone.service_name(facts.key());
            add(external, name.clone(), RecordType::A);
            add(external, name, RecordType::AAAA);
            for record in super::service_records(facts, &zone) {
                add(external, record.name, record.kind);
            }
        }
        for record in pods.into_iter().filter_map(|pod| super::pod_record(pod, &zone)) {
            add(false, record.name, record.kind);
        }
        own.append(&mut passed_on);
        own
    }
}

/// TTLs are no part of the verdict, but one that is longer than the server's own is odd.
fn ttl_note(reply: &LiveReply, predicted: &Answer) -> Option<String> {
    let live = reply.answers.iter().map(|r| r.ttl).max()?;
    let computed = predicted.answers.iter().map(|r| r.ttl).max()?;
    (live > computed).then(|| format!("the TTL is {live}, {computed} was computed"))
}

#[cfg(test)]
mod tests;
