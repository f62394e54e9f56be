//! What an examination may know beyond the cluster's Services, slices and pods. All of it may be missing.

use std::net::IpAddr;
use std::sync::Arc;

use crate::model::dns::{Rcode, Record, RecordType};
use crate::model::{ClusterSnapshot, Kind, Load, NetworkPolicy, Text};

/// Something that could be found out, or why not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Known<T> {
    /// It is this.
    Known(T),
    /// The right is missing; which one (`list pods/log in namespace kube-system`).
    Forbidden(Text),
    /// It could not be had; why.
    Failed(Text),
    /// Nobody looked.
    #[default]
    NotAsked,
}

impl<T> Known<T> {
    /// What is known.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            _ => None,
        }
    }

    /// Why it is not known, in a sentence; `None` where it is, or nobody looked.
    pub fn why_not(&self, what: &str) -> Option<String> {
        match self {
            Self::Forbidden(right) => Some(format!("{what} could not be checked: no right to {right}")),
            Self::Failed(why) => Some(format!("{what} could not be checked: {why}")),
            Self::Known(_) | Self::NotAsked => None,
        }
    }
}

/// What else is known.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    /// NetworkPolicies of the asking pod's namespace.
    pub policies: Known<Vec<Arc<NetworkPolicy>>>,
    /// The Deployment of the DNS server; `None` inside where there is none of the usual name.
    pub deployment: Known<Option<Replicas>>,
    /// The last lines that the DNS server's pods wrote.
    pub logs: Known<Vec<ServerLog>>,
    /// Rights that the DNS server's account lacks (`list endpointslices.discovery.k8s.io`).
    pub missing_rights: Known<Vec<Text>>,
    /// Events about the asking pod.
    pub events: Known<Vec<EventNote>>,
    /// Answers of the cluster's own DNS server.
    pub live: Known<Vec<LiveReply>>,
}

impl Extra {
    /// What a snapshot holds of it: policies, where it was given some.
    pub fn of(snapshot: &ClusterSnapshot) -> Self {
        let policies = match snapshot.load(Kind::NetworkPolicy, "") {
            Some(Load::Live | Load::Stale { .. }) => {
                Known::Known(snapshot.policies.values().cloned().collect())
            }
            _ => Known::NotAsked,
        };
        Self { policies, ..Self::default() }
    }
}

/// Replicas of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replicas {
    /// `spec.replicas`.
    pub wanted: i32,
    /// `status.readyReplicas`.
    pub ready: i32,
}

/// The end of a pod's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLog {
    /// The pod.
    pub pod: Text,
    /// Lines, the newest last; those of the container that ran before come first.
    pub lines: Vec<String>,
}

/// An event, cut down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventNote {
    /// `reason`.
    pub reason: Text,
    /// `message`.
    pub message: Text,
}

/// The reply of the cluster's DNS server to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveReply {
    /// The absolute name that was asked, with its final dot.
    pub name: String,
    /// Type that was asked.
    pub kind: RecordType,
    /// Who answered, and on which way (`coredns-abc:53 by port-forward`).
    pub server: Text,
    /// Milliseconds.
    pub millis: u32,
    /// The answer, or why there is none.
    pub result: Result<LiveAnswer, Text>,
}

/// What a reply says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveAnswer {
    /// Its code.
    pub rcode: Rcode,
    /// Answer section.
    pub answers: Vec<Record>,
    /// Owner of the SOA record in the authority section.
    pub soa: Option<String>,
}

/// This machine's resolver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaptopFacts {
    /// Where its settings were read (`/etc/resolv.conf`).
    pub file: String,
    /// Name servers.
    pub nameservers: Vec<Text>,
    /// Search list.
    pub search: Vec<Text>,
    /// `ndots`.
    pub ndots: usize,
    /// The namespace that short names are read in: that of the kubeconfig's context.
    pub namespace: Option<Text>,
    /// The addresses that the hosts file has for the name.
    pub hosts: Vec<IpAddr>,
    /// What it answered, in the order asked.
    pub replies: Vec<LaptopReply>,
    /// Why it could not be asked.
    pub problem: Option<String>,
}

impl LaptopFacts {
    /// The name of a well-known stub resolver that the first server is.
    pub fn stub(&self) -> Option<&'static str> {
        match &**self.nameservers.first()? {
            "127.0.0.53" | "127.0.0.54" => Some("systemd-resolved's stub"),
            first if first.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()) => {
                Some("a resolver on this machine")
            }
            _ => None,
        }
    }

    /// Every address that was found.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut out = self.hosts.clone();
        for reply in self.replies.iter().filter_map(|r| r.result.as_ref().ok()) {
            out.extend(reply.answers.iter().filter_map(|r| r.data.parse::<IpAddr>().ok()));
        }
        out.sort_unstable();
        out.dedup();
        out
    }
}

/// The reply of this machine's resolver to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaptopReply {
    /// The absolute name that was asked, with its final dot.
    pub name: String,
    /// Type that was asked.
    pub kind: RecordType,
    /// Which server was asked.
    pub server: Text,
    /// The answer, or why there is none.
    pub result: Result<LiveAnswer, Text>,
}
