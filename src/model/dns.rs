//! Which DNS names exist in a cluster and what its DNS server answers, computed from the API's objects alone.
//!
//! What it is: the rules of CoreDNS' `kubernetes` plugin ([`answer`](Cluster::answer)), of the kubelet's
//! `resolv.conf` and `/etc/hosts` ([`resolvconf`], [`hosts`]) and of the stub resolvers in images ([`search`]), and
//! the records and names that follow from them ([`records`], [`forms`]). What it is not: it never asks a server, and
//! where the API does not determine an answer it says so and why instead of guessing.
//!
//! Everybody may use it; it uses only the rest of `model`. The rules were read from CoreDNS 1.14.7, the kubelet,
//! glibc and musl, and are checked against recordings of a real cluster (`tests/recordings_dns.rs`).

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::ObjectKey;

pub mod answer;
mod backend;
pub mod changes;
pub mod cluster;
pub mod compare;
pub mod corefile;
pub mod domain;
pub mod forms;
mod hits;
pub mod hosts;
pub mod input;
pub mod live;
pub mod lookup;
pub mod metrics;
pub mod name;
pub mod predicted;
pub mod records;
pub mod resolvconf;
pub mod reverse;
pub mod search;
pub mod selector;
pub mod server;
pub mod servers;

pub use answer::{Answer, Open};
pub use backend::Parsed;
pub use cluster::Cluster;
pub use compare::{Cause, Comparison, Verdict};
pub use corefile::Corefile;
pub use domain::{ClusterDomain, DomainSource};
pub use forms::{FormKind, NameForm, Step, Viewpoint, names_for, shortest};
pub use hits::endpoint_label;
pub use live::{Code, LiveFailure, LiveLookup, LiveReply, LiveStep, Mode, Outcome, Question, ReplyCode};
pub use lookup::{Lookup, LookupStep, Source};
pub use metrics::Metrics;
pub use name::{Name, NameError};
pub use records::{Zone, pod_record, service_records, zone_file};
pub use resolvconf::{KubeletDns, NodeResolvConf, ResolvConf};
pub use search::{Libc, LookupError, Query, Reply, Walk};
pub use server::{Kubernetes, PodMode, Server};
pub use servers::{DnsHealth, DnsServer, Software};

/// A DNS record type by its number (IANA "Resource Record (RR) TYPEs").
///
/// A number and not an enumeration: any type may be asked for, and CoreDNS answers every one with NODATA or NXDOMAIN.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordType(pub u16);

/// Types with a name, for reading and printing. Others are written `TYPE123` (RFC 3597).
const TYPES: [(&str, RecordType); 23] = [
    ("A", RecordType::A),
    ("NS", RecordType::NS),
    ("CNAME", RecordType::CNAME),
    ("SOA", RecordType::SOA),
    ("PTR", RecordType::PTR),
    ("HINFO", RecordType::HINFO),
    ("MX", RecordType::MX),
    ("TXT", RecordType::TXT),
    ("AAAA", RecordType::AAAA),
    ("SRV", RecordType::SRV),
    ("NAPTR", RecordType(35)),
    ("DNAME", RecordType(39)),
    ("DS", RecordType::DS),
    ("RRSIG", RecordType(46)),
    ("NSEC", RecordType(47)),
    ("DNSKEY", RecordType(48)),
    ("TLSA", RecordType(52)),
    ("SVCB", RecordType(64)),
    ("HTTPS", RecordType::HTTPS),
    ("CAA", RecordType(257)),
    ("IXFR", RecordType::IXFR),
    ("AXFR", RecordType::AXFR),
    ("ANY", RecordType::ANY),
];

impl RecordType {
    /// IPv4 address.
    pub const A: Self = Self(1);
    /// Name server.
    pub const NS: Self = Self(2);
    /// Alias.
    pub const CNAME: Self = Self(5);
    /// Start of authority.
    pub const SOA: Self = Self(6);
    /// Pointer from an address to a name.
    pub const PTR: Self = Self(12);
    /// Host information; what the `any` plugin answers (RFC 8482).
    pub const HINFO: Self = Self(13);
    /// Mail exchanger.
    pub const MX: Self = Self(15);
    /// Text.
    pub const TXT: Self = Self(16);
    /// IPv6 address.
    pub const AAAA: Self = Self(28);
    /// Location of a service: host and port.
    pub const SRV: Self = Self(33);
    /// Delegation signer; belongs to the parent zone.
    pub const DS: Self = Self(43);
    /// HTTPS service binding, asked by browsers.
    pub const HTTPS: Self = Self(65);
    /// Incremental zone transfer.
    pub const IXFR: Self = Self(251);
    /// Whole zone transfer.
    pub const AXFR: Self = Self(252);
    /// All types at once.
    pub const ANY: Self = Self(255);
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match TYPES.iter().find(|(_, t)| t == self) {
            Some((name, _)) => f.pad(name),
            None => f.pad(&format!("TYPE{}", self.0)),
        }
    }
}

impl fmt::Debug for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What was typed is no record type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no DNS record type")]
pub struct UnknownType(String);

impl FromStr for RecordType {
    type Err = UnknownType;

    fn from_str(text: &str) -> Result<Self, UnknownType> {
        let named = TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, t)| *t);
        let numbered = || {
            let (head, digits) = text.split_at_checked(4)?;
            head.eq_ignore_ascii_case("TYPE").then(|| digits.parse().ok().map(Self)).flatten()
        };
        named.or_else(numbered).ok_or_else(|| UnknownType(text.to_owned()))
    }
}

impl Serialize for RecordType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The outcome of a question as the server's reply states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Rcode {
    /// The name exists; without answers this is NODATA.
    NoError,
    /// The name does not exist.
    NxDomain,
    /// The server could not answer.
    ServFail,
    /// The server does not want to answer.
    Refused,
}

impl Rcode {
    /// DNS' own word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoError => "NOERROR",
            Self::NxDomain => "NXDOMAIN",
            Self::ServFail => "SERVFAIL",
            Self::Refused => "REFUSED",
        }
    }
}

impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One DNS record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Record {
    /// Owner name, with the final dot.
    pub name: String,
    /// Type.
    #[serde(rename = "type")]
    pub kind: RecordType,
    /// Seconds, as the server hands it out.
    pub ttl: u32,
    /// Data in zone-file form: `10.96.0.1`, `0 100 80 my-app.default.svc.cluster.local.`, `"1.1.0"`.
    pub data: String,
    /// The Service that makes it exist.
    pub service: Option<ObjectKey>,
    /// The pod behind it, where it stands for one pod.
    pub pod: Option<ObjectKey>,
}

impl Record {
    /// A record that belongs to no object.
    pub fn new(name: impl Into<String>, kind: RecordType, ttl: u32, data: impl Into<String>) -> Self {
        Self { name: name.into(), kind, ttl, data: data.into(), service: None, pod: None }
    }
}

impl fmt::Display for Record {
    /// A line of a zone file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}\tIN\t{}\t{}", self.name, self.ttl, self.kind, self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_by_name_in_any_case_and_by_number() {
        assert_eq!("aaaa".parse(), Ok(RecordType::AAAA));
        assert_eq!("TYPE65".parse(), Ok(RecordType::HTTPS));
        assert_eq!("type65280".parse(), Ok(RecordType(65280)));
        for bad in ["", "TYPE", "TYPE70000", "BOGUS", "TYPÉ1"] {
            assert!(bad.parse::<RecordType>().is_err(), "{bad}");
        }
        assert_eq!(RecordType(65280).to_string(), "TYPE65280");
        assert_eq!(RecordType::HTTPS.to_string(), "HTTPS");
    }

    #[test]
    fn a_record_prints_as_a_line_of_a_zone_file() {
        let record = Record::new("a.b.", RecordType::A, 30, "10.0.0.1");
        assert_eq!(record.to_string(), "a.b.\t30\tIN\tA\t10.0.0.1");
    }
}
