//! The asking pod's own settings: whether it asks the cluster's DNS server at all, and what of them is cut off.

use super::asker::{Walked, busybox_image, name_and_tag};
use super::case::{Case, Rank, a_finding};
use super::reading::{Form, Reading};
use super::{Asker, Outcome};
use crate::model::dns::{Answer, Libc, Record, RecordType};
use crate::model::{Finding, Kind, Pod, Severity};

/// kubelet dns.go: more are cut off.
const MOST_SERVERS: usize = 3;
const MOST_SEARCHES: usize = 32;

impl Case<'_> {
    /// Says where the question comes from, and whether it goes to the cluster's DNS server.
    pub(super) fn check_asker(&mut self, pod: &Pod, walked: &Walked, meant: Option<&Reading>) {
        let conf = &walked.conf;
        let (spec, libc) = (&pod.spec, walked.libc);
        let policy = if spec.dns_policy.is_empty() { "ClusterFirst" } else { &*spec.dns_policy };
        let mut lines = vec![match &self.question.from {
            Asker::Namespace(namespace, _) => format!("an ordinary pod of namespace {namespace}, {libc}"),
            _ => format!("pod {}, dnsPolicy {policy}{}, {libc}", pod.key, host_network(pod)),
        }];
        if let Some((guess, image)) = super::libc_of(pod).filter(|(guess, _)| *guess == libc) {
            lines.push(format!("{guess}, as the image {image} hints"));
        }
        lines.extend(conf.to_text().lines().map(str::to_owned));
        lines.extend(conf.assumed.iter().cloned());
        let others = self.asks_others(conf);
        if others {
            let finding = other_server(pod, walked);
            // A name outside the cluster may well be known to that server.
            let sure = meant.is_some_and(|m| m.form != Form::OtherDomain && self.service(&m.key).is_some());
            let clear = meant.is_some_and(|m| matches!(m.form, Form::Full | Form::Svc));
            lines.extend(finding.evidence.iter().cloned());
            if sure || clear {
                self.block(Rank::NotClusterDns, finding);
            } else {
                self.notes.push(Finding { severity: Severity::Warning, ..finding });
            }
        }
        self.check_limits(pod, walked);
        self.check_events(pod, &mut lines);
        let outcome = if others { Outcome::Problem } else { Outcome::Ok };
        self.step("where it is asked", outcome, lines);
    }

    /// Servers and search domains that the kubelet cuts off, and lines that musl ignores.
    fn check_limits(&mut self, pod: &Pod, walked: &Walked) {
        let config = pod.spec.dns_config.clone().unwrap_or_default();
        let conf = &walked.conf;
        let own = usize::from(&*pod.spec.dns_policy != "None");
        let object = || (Kind::Pod, pod.key.clone());
        if own + config.nameservers.len() > MOST_SERVERS {
            let count = own + config.nameservers.len();
            let message =
                format!("pod {} names {count} servers; the kubelet keeps the first {MOST_SERVERS}", pod.key);
            let finding = a_finding("too-many-nameservers", Severity::Warning, object(), message);
            self.notes.push(Finding {
                evidence: vec![format!("kept: {}", servers(walked))],
                advice: "leave out what is not needed from dnsConfig.nameservers".to_owned(),
                ..finding
            });
        }
        let cut = conf.events.contains(&"DNSConfigForming")
            && conf.search.len() >= MOST_SEARCHES.min(own * 3 + config.searches.len());
        let ignored =
            walked.libc == Libc::Musl && conf.search_for(Libc::Musl).is_empty() && !conf.search.is_empty();
        if cut || ignored {
            let finding = searches_lost(pod, ignored);
            self.notes.push(finding);
        }
    }

    fn check_events(&mut self, pod: &Pod, lines: &mut Vec<String>) {
        lines.extend(self.extra.events.why_not("events about the pod"));
        let Some(events) = self.extra.events.get() else { return };
        for event in events.iter().filter(|e| matches!(&*e.reason, "DNSConfigForming" | "MissingClusterDNS"))
        {
            lines.push(format!("event {}: {}", event.reason, event.message));
            if &*event.reason == "DNSConfigForming" && event.message.contains("earch") {
                let known = self.notes.iter().any(|f| f.code == "too-many-searches");
                if !known {
                    let finding = searches_lost(pod, false);
                    self.notes.push(finding);
                }
            }
        }
    }

    /// A tool in the pod's image that misleads about names that need the search list.
    pub(super) fn hint_at_tools(&mut self, pod: &Pod, libc: Libc) {
        let name = self.question.name.clone();
        if name.ends_with('.') {
            return;
        }
        if let Some(image) = busybox_image(pod) {
            let message = format!(
                "nslookup of the image {image} walks no search list: it says NXDOMAIN for {name} even where programs find it"
            );
            let finding =
                a_finding("busybox-nslookup", Severity::Info, (Kind::Pod, pod.key.clone()), message);
            self.notes.push(Finding {
                evidence: vec!["busybox has it so since 1.29".to_owned()],
                advice: "ask with `getent hosts`, or give nslookup the full name with its final dot"
                    .to_owned(),
                ..finding
            });
        }
        let said = matches!(&self.question.from, Asker::Pod(_, Some(_)) | Asker::Namespace(_, Some(_)));
        if said || libc == Libc::Musl || super::libc_of(pod).is_some() {
            return;
        }
        // Nothing tells the library: where the other one would fail, that is worth telling.
        let (here, there) =
            (self.cluster.lookup(pod, Libc::Glibc, &name), self.cluster.lookup(pod, Libc::Musl, &name));
        if here.open.is_none() && here.error.is_none() && there.open.is_none() && there.error.is_some() {
            let message = format!("{name} is found through glibc, but not through musl (Alpine)");
            let code = if self.dots_suffice(&name, pod) { "ndots-too-low" } else { "musl-stops-search" };
            let finding = a_finding(code, Severity::Warning, (Kind::Pod, pod.key.clone()), message);
            self.notes.push(Finding {
                advice: "if its image is built on Alpine, ask with --libc musl".to_owned(),
                ..finding
            });
        }
    }

    /// An answer that is too long for a datagram: musl before 1.2.4 knows no TCP, and takes what fitted, without a
    /// word (musl's release notes; Alpine has 1.2.4 since 3.18).
    pub(super) fn check_size(&mut self, pod: &Pod, walked: &Walked) {
        let Some(last) = walked.candidates.last().filter(|_| walked.libc == Libc::Musl) else { return };
        let age = musl_age(pod);
        let Some((kind, answer)) = last.answers.iter().find(|(_, a)| size(&last.name, a) > DATAGRAM) else {
            return;
        };
        if age == Some(Age::New) {
            return;
        }
        let room = DATAGRAM.saturating_sub(size(&last.name, &Answer::default()));
        let each = (size(&last.name, answer) - size(&last.name, &Answer::default())) / answer.answers.len();
        let (fit, all) = (room / each, answer.answers.len());
        let who = if age == Some(Age::Old) { "its musl" } else { "musl before 1.2.4 (Alpine before 3.18)" };
        let message = format!("{who} sees {fit} of the {all} {kind} records of {}", last.name);
        let severity = if age == Some(Age::Old) { Severity::Warning } else { Severity::Info };
        let finding = a_finding("answer-cut-by-musl", severity, (Kind::Pod, pod.key.clone()), message);
        self.notes.push(Finding {
            evidence: vec![format!(
                "the answer takes {} bytes; without TCP {DATAGRAM} arrive",
                size(&last.name, answer)
            )],
            advice: "build the image on Alpine 3.18 or newer, or on another base".to_owned(),
            ..finding
        });
    }

    /// Whether a name has so many dots that musl asks it as it stands.
    pub(super) fn dots_suffice(&self, name: &str, pod: &Pod) -> bool {
        let dots = name.bytes().filter(|b| *b == b'.').count();
        self.cluster.resolv_conf(pod).ndots().is_some_and(|n| dots >= n)
    }
}

/// What arrives by UDP from a server that was not told of more (RFC 1035 section 4.2.1).
const DATAGRAM: usize = 512;

/// How long a reply is, in bytes: CoreDNS writes owners short where they would not fit otherwise.
fn size(name: &str, answer: &Answer) -> usize {
    let data = |r: &Record| match r.kind {
        RecordType::A => 4,
        RecordType::AAAA => 16,
        _ => r.data.len() + 1,
    };
    12 + name.len() + 1 + 4 + answer.answers.iter().map(|r| 12 + data(r)).sum::<usize>()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    /// Before 1.2.4.
    Old,
    New,
}

/// How old the musl of a pod's image is, where its tag says which Alpine it is built on.
fn musl_age(pod: &Pod) -> Option<Age> {
    let (_, image) = super::libc_of(pod)?;
    let (name, tag) = name_and_tag(&image);
    let behind = if name == "alpine" { tag } else { tag.split("alpine").nth(1)? };
    let mut numbers = behind.split(['.', '-', '_']).map_while(|n| n.parse::<u32>().ok());
    let version = (numbers.next()?, numbers.next()?);
    Some(if version < (3, 18) { Age::Old } else { Age::New })
}

fn servers(walked: &Walked) -> String {
    if walked.conf.nameservers.is_empty() {
        return "no server".to_owned();
    }
    walked.conf.nameservers.join(", ")
}

fn host_network(pod: &Pod) -> &'static str {
    if pod.spec.host_network { " on the host network" } else { "" }
}

fn other_server(pod: &Pod, walked: &Walked) -> Finding {
    let spec = &pod.spec;
    let (why, advice) = match &*spec.dns_policy {
        "Default" => (
            "its dnsPolicy is Default, which means the node's own servers".to_owned(),
            "set dnsPolicy to ClusterFirst (the default when it is left out)",
        ),
        "None" => (
            format!("its dnsPolicy is None, and its dnsConfig names {}", servers(walked)),
            "name the cluster's DNS server in dnsConfig, or set dnsPolicy to ClusterFirst",
        ),
        _ if spec.host_network => (
            "it is on the host network, where dnsPolicy ClusterFirst means the node's own servers".to_owned(),
            "set dnsPolicy to ClusterFirstWithHostNet",
        ),
        _ => (
            format!("it asks {}", servers(walked)),
            "look at the kubelet's clusterDNS: its address is not that of the DNS Service",
        ),
    };
    let message = format!("pod {} does not ask the cluster's DNS server: {why}", pod.key);
    let mut evidence = vec![why];
    if walked.conf.events.contains(&"MissingClusterDNS") {
        evidence.push("the kubelet has no clusterDNS (event MissingClusterDNS)".to_owned());
    }
    Finding {
        evidence,
        advice: advice.to_owned(),
        ..a_finding("not-cluster-dns", Severity::Error, (Kind::Pod, pod.key.clone()), message)
    }
}

/// Search domains that are lost to the kubelet's limits or to musl's.
pub(super) fn searches_lost(pod: &Pod, ignored: bool) -> Finding {
    let message = if ignored {
        format!("the search list of pod {} is longer than 255 characters: musl ignores all of it", pod.key)
    } else {
        format!("pod {} has more search domains than the kubelet keeps: the last ones are cut off", pod.key)
    };
    Finding {
        evidence: vec![
            "the kubelet keeps 32 search domains and 2048 characters (event DNSConfigForming)".to_owned(),
        ],
        advice: "shorten dnsConfig.searches".to_owned(),
        ..a_finding("too-many-searches", Severity::Warning, (Kind::Pod, pod.key.clone()), message)
    }
}
