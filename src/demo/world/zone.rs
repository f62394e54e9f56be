//! The answers of the demo's CoreDNS, out of a written zone.
//!
//! What it is: records by name, each there always or only while an endpoint is ready, and how CoreDNS puts them into
//! a message (SOA of negative answers, CNAMEs followed, additional records). What it is not: it derives no record from
//! any object; what is not written in `assets/demo/zone` (or added by the script) does not exist.
//!
//! The file is a zone file of one record a line, with four lines of its own kind:
//! - `$WHEN NAMESPACE/SERVICE ADDRESS [HOSTNAME]`: what follows is there only while this address (under this host
//!   name, if one is given) is a ready endpoint of the Service; `$ALWAYS` ends that.
//! - `name EXISTS`: the name exists without a record (NODATA).
//! - `name NOTXT`: asked for TXT it is NXDOMAIN, although it has records.
//! - `*.NS.pod POD`: every dashed address below it answers with that address.
//!
//! A weight `*` of an SRV record is 100 divided by the number of such records that are there.

use hickory_proto::op::{Edns, Message, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::str::FromStr as _;

/// The cluster's own zone.
const CLUSTER: &str = "cluster.local.";
/// How many CNAMEs are followed.
const LONGEST_CHAIN: usize = 10;

/// Whether a condition holds at present.
pub(in crate::demo) type IsReady<'a> = &'a dyn Fn(&When) -> bool;

/// What `$WHEN` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::demo) struct When {
    /// `namespace/name` of the Service.
    pub(in crate::demo) service: String,
    /// The address of its endpoint.
    pub(in crate::demo) address: String,
    /// The endpoint's host name, if that matters.
    pub(in crate::demo) hostname: Option<String>,
}

type Condition = Option<When>;

#[derive(Clone, Debug, PartialEq)]
enum What {
    Record(u32, RData),
    /// An SRV record whose weight depends on how many there are.
    Shared(u32, u16, Name),
    Exists,
    NoTxt,
    Pod,
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::demo) struct Zone {
    entries: HashMap<String, Vec<(Condition, What)>>,
    /// Apexes with their SOA, in order of their names.
    apexes: BTreeMap<String, (Name, u32, RData)>,
    origin: String,
    ttl: u32,
}

/// What a look-up has come to.
#[derive(Default)]
struct Found {
    code: Option<ResponseCode>,
    answers: Vec<Record>,
    additionals: Vec<Record>,
}

impl Zone {
    /// Reads a zone file.
    pub(in crate::demo) fn parse(text: &str) -> Result<Self, String> {
        let mut zone = Self { ttl: 30, ..Self::default() };
        let mut condition = None;
        for (number, line) in text.lines().enumerate() {
            let line = line.split(';').next().unwrap_or_default();
            zone.line(line, &mut condition).map_err(|why| format!("zone, line {}: {why}", number + 1))?;
        }
        Ok(zone)
    }

    /// Adds one record, written as in the file.
    pub(in crate::demo) fn add(&mut self, line: &str) -> Result<(), String> {
        self.line(line, &mut None)
    }

    /// Removes one record, written as it was added; says whether it was there.
    pub(in crate::demo) fn remove(&mut self, line: &str) -> Result<bool, String> {
        let mut other = Self { origin: self.origin.clone(), ttl: self.ttl, ..Self::default() };
        other.add(line)?;
        let mut removed = false;
        for (name, entries) in other.entries {
            if let Some(mine) = self.entries.get_mut(&name) {
                let before = mine.len();
                mine.retain(|one| !entries.contains(one));
                removed |= mine.len() < before;
            }
        }
        Ok(removed)
    }

    fn line(&mut self, line: &str, condition: &mut Condition) -> Result<(), String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            ["$ORIGIN", origin] => (*origin).clone_into(&mut self.origin),
            ["$TTL", ttl] => self.ttl = ttl.parse().map_err(|_| "a TTL is a number".to_owned())?,
            ["$WHEN", service, address, hostname @ ..] => {
                *condition = Some(When {
                    service: (*service).to_owned(),
                    address: (*address).to_owned(),
                    hostname: hostname.first().map(|name| (*name).to_owned()),
                });
            }
            ["$ALWAYS"] => *condition = None,
            [name, kind, data @ ..] => {
                let owner = self.full(name).to_lowercase();
                let what = match *kind {
                    "EXISTS" => What::Exists,
                    "NOTXT" => What::NoTxt,
                    "POD" => What::Pod,
                    kind => self.record(kind, data)?,
                };
                if let What::Record(ttl, data @ RData::SOA(_)) = &what {
                    self.apexes.insert(owner.clone(), (parse_name(&owner)?, *ttl, data.clone()));
                }
                self.entries.entry(owner).or_default().push((condition.clone(), what));
            }
            [_] => return Err("a name without a record".to_owned()),
        }
        Ok(())
    }

    /// A name with the origin behind it, unless it is complete.
    fn full(&self, name: &str) -> String {
        match name {
            "@" => self.origin.clone(),
            name if name.ends_with('.') => name.to_owned(),
            name => format!("{name}.{}", self.origin),
        }
    }

    fn record(&self, kind: &str, data: &[&str]) -> Result<What, String> {
        let word = |at: usize| data.get(at).copied().ok_or_else(|| format!("{kind} needs more"));
        let name = |at: usize| parse_name(&self.full(word(at)?));
        let record = match kind {
            "SRV" => {
                let port = word(2)?.parse().map_err(|_| "a port is a number".to_owned())?;
                let target = name(3)?;
                if word(1)? == "*" {
                    return Ok(What::Shared(self.ttl, port, target));
                }
                let weight = word(1)?.parse().map_err(|_| "a weight is a number".to_owned())?;
                RData::SRV(hickory_proto::rr::rdata::SRV::new(0, weight, port, target))
            }
            "CNAME" => RData::CNAME(hickory_proto::rr::rdata::CNAME(name(0)?)),
            "PTR" => RData::PTR(hickory_proto::rr::rdata::PTR(name(0)?)),
            "NS" => RData::NS(hickory_proto::rr::rdata::NS(name(0)?)),
            kind => {
                let kind = RecordType::from_str(kind).map_err(|error| error.to_string())?;
                RData::try_from_str(kind, &data.join(" ")).map_err(|error| error.to_string())?
            }
        };
        Ok(What::Record(self.ttl, record))
    }

    /// What is at a name now.
    fn at<'a>(&'a self, name: &str, ready: IsReady<'a>) -> Vec<&'a What> {
        let entries = self.entries.get(name).into_iter().flatten();
        entries.filter(|(condition, _)| condition.as_ref().is_none_or(ready)).map(|(_, what)| what).collect()
    }

    /// The records at a name, under the owner as it was asked for; none if the name does not exist.
    fn records(&self, owner: &Name, ready: IsReady<'_>) -> Option<Vec<Record>> {
        let name = lower(owner);
        if let Some(record) = self.pod_record(owner, &name) {
            return Some(vec![record]);
        }
        let here = self.at(&name, ready);
        if here.is_empty() {
            return None;
        }
        let shared = here.iter().filter(|what| matches!(what, What::Shared(..))).count();
        let weight = u16::try_from(100 / shared.max(1)).unwrap_or(1).max(1);
        let record = |what: &&What| match what {
            What::Record(ttl, data) => Some(Record::from_rdata(owner.clone(), *ttl, data.clone())),
            What::Shared(ttl, port, target) => {
                let srv = hickory_proto::rr::rdata::SRV::new(0, weight, *port, target.clone());
                Some(Record::from_rdata(owner.clone(), *ttl, RData::SRV(srv)))
            }
            What::Exists | What::NoTxt | What::Pod => None,
        };
        Some(here.iter().filter_map(record).collect())
    }

    /// The record of a dashed address below a `POD` line.
    fn pod_record(&self, owner: &Name, name: &str) -> Option<Record> {
        let (label, rest) = name.split_once('.')?;
        let wild = self.entries.get(&format!("*.{rest}"))?;
        if !wild.iter().any(|(_, what)| *what == What::Pod) {
            return None;
        }
        let four = label.matches('-').count() == 3 && !label.contains("--");
        let address: IpAddr = label.replace('-', if four { "." } else { ":" }).parse().ok()?;
        Some(Record::from_rdata(owner.clone(), self.ttl, address.into()))
    }

    /// The apex of the zone that a name belongs to.
    fn apex(&self, name: &str) -> &str {
        let inside = |apex: &&String| *apex == "." || name == **apex || name.ends_with(&format!(".{apex}"));
        self.apexes.keys().filter(inside).max_by_key(|apex| apex.len()).map_or("", String::as_str)
    }

    /// The answer to a message.
    pub(in crate::demo) fn answer(&self, query: &Message, ready: IsReady<'_>) -> Message {
        let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
        reply.metadata.recursion_desired = query.metadata.recursion_desired;
        reply.metadata.recursion_available = true;
        reply.add_queries(query.queries.iter().cloned());
        if query.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(1232);
            reply.set_edns(edns);
        }
        let [question] = query.queries.as_slice() else {
            reply.metadata.response_code = ResponseCode::FormErr;
            return reply;
        };
        if query.metadata.op_code != OpCode::Query || question.query_class != DNSClass::IN {
            reply.metadata.response_code = ResponseCode::NotImp;
            return reply;
        }
        let name = lower(&question.name);
        let ours = self.apex(&name) == CLUSTER;
        let found = self.find(&question.name, question.query_type, ready, 0);
        let code = found.code.unwrap_or(ResponseCode::NoError);
        let negative =
            found.answers.is_empty() && matches!(code, ResponseCode::NoError | ResponseCode::NXDomain);
        reply.metadata.response_code = code;
        reply.metadata.authoritative = ours || is_reverse(&name) && !negative;
        reply.add_answers(found.answers);
        reply.add_additionals(found.additionals);
        if negative {
            let apex = if is_reverse(&name) { "." } else { self.apex(&name) };
            if let Some((owner, ttl, soa)) = self.apexes.get(apex) {
                // The owner is written as the asker wrote it.
                let owner = question.name.trim_to(usize::from(owner.num_labels()));
                reply.add_authority(Record::from_rdata(owner, *ttl, soa.clone()));
            }
        }
        reply
    }

    fn find(&self, name: &Name, kind: RecordType, ready: IsReady<'_>, links: usize) -> Found {
        let text = lower(name);
        if is_reverse(&text) {
            return self.find_reverse(name, kind, ready);
        }
        let ours = self.apex(&text) == CLUSTER;
        let apex = ours && text == CLUSTER;
        match kind {
            RecordType::AXFR | RecordType::IXFR => return refused(),
            // Below the apex there is never an SOA record, and never an error.
            RecordType::SOA if ours && !apex => return Found::default(),
            _ => {}
        }
        let Some(records) = self.records(name, ready) else { return missing() };
        if kind == RecordType::TXT && ours {
            let no_text = self.at(&text, ready).contains(&&What::NoTxt);
            if records.is_empty() || no_text {
                return missing();
            }
        }
        let alias = records.iter().find_map(|record| match &record.data {
            RData::CNAME(target) => Some((record.clone(), target.0.clone())),
            _ => None,
        });
        match alias {
            Some((record, target)) if matches!(kind, RecordType::A | RecordType::AAAA) => {
                self.follow(record, &target, kind, ready, links)
            }
            _ => {
                let answers: Vec<Record> =
                    records.into_iter().filter(|one| one.record_type() == kind).collect();
                let additionals = self.addresses(&answers, ready);
                Found { answers, additionals, code: None }
            }
        }
    }

    /// A CNAME and what its target has. A target in the cluster's zone that has nothing leaves no CNAME either.
    fn follow(
        &self,
        alias: Record,
        target: &Name,
        kind: RecordType,
        ready: IsReady<'_>,
        links: usize,
    ) -> Found {
        if links >= LONGEST_CHAIN {
            return Found::default();
        }
        let behind = self.find(target, kind, ready, links + 1);
        let ours = self.apex(&lower(target)) == CLUSTER;
        if ours && behind.answers.is_empty() {
            return Found::default();
        }
        let mut answers = vec![alias];
        answers.extend(behind.answers);
        Found { answers, additionals: Vec::new(), code: None }
    }

    /// Only PTR is looked for in the reverse zones; everything else goes on to the upstream, which has nothing.
    fn find_reverse(&self, name: &Name, kind: RecordType, ready: IsReady<'_>) -> Found {
        let records = self.records(name, ready).unwrap_or_default();
        let answers: Vec<Record> =
            records.into_iter().filter(|one| one.record_type() == kind && kind == RecordType::PTR).collect();
        let code = answers.is_empty().then_some(ResponseCode::NXDomain);
        Found { answers, additionals: Vec::new(), code }
    }

    /// The addresses of the names that SRV and NS records lead to.
    fn addresses(&self, answers: &[Record], ready: IsReady<'_>) -> Vec<Record> {
        let mut out: Vec<Record> = Vec::new();
        for answer in answers {
            let target = match &answer.data {
                RData::SRV(srv) => &srv.target,
                RData::NS(server) => &server.0,
                _ => continue,
            };
            for record in self.records(target, ready).unwrap_or_default() {
                let address = matches!(record.record_type(), RecordType::A | RecordType::AAAA);
                if address && !out.contains(&record) {
                    out.push(record);
                }
            }
        }
        out
    }
}

fn lower(name: &Name) -> String {
    let mut text = name.to_lowercase().to_ascii();
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}

fn parse_name(text: &str) -> Result<Name, String> {
    Name::from_ascii(text).map_err(|error| error.to_string())
}

fn is_reverse(name: &str) -> bool {
    name.ends_with(".in-addr.arpa.") || name.ends_with(".ip6.arpa.")
}

fn missing() -> Found {
    Found { code: Some(ResponseCode::NXDomain), ..Found::default() }
}

fn refused() -> Found {
    Found { code: Some(ResponseCode::Refused), ..Found::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::Query;

    const ZONE: &str = "
$ORIGIN cluster.local.
$TTL 30
@ SOA ns.dns.cluster.local. hostmaster.cluster.local. 7 7200 1800 86400 30
@ NS kube-dns.kube-system.svc
svc EXISTS
a.svc EXISTS
kube-dns.kube-system.svc A 10.96.0.10
ns.dns A 10.96.0.10
ns.dns NOTXT
web.a.svc A 10.96.0.7
web.a.svc SRV 0 100 80 web.a.svc
docs.a.svc CNAME docs.example.com.
gone.a.svc CNAME nowhere.a.svc
*.a.pod POD
$WHEN a/db 10.244.0.1
db.a.svc A 10.244.0.1
db.a.svc SRV 0 * 1 one.db.a.svc
$WHEN a/db 10.244.0.2
db.a.svc A 10.244.0.2
db.a.svc SRV 0 * 1 two.db.a.svc
$ALWAYS
7.0.96.10.in-addr.arpa. PTR web.a.svc
. SOA a.root-servers.net. nstld.verisign-grs.com. 1 1800 900 604800 300
docs.example.com. A 203.0.113.5
";

    fn ask(name: &str, kind: RecordType, ready: &[&str]) -> (ResponseCode, Vec<String>, Option<String>) {
        let zone = Zone::parse(ZONE).unwrap();
        let mut query = Message::query();
        query.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        let reply = zone.answer(&query, &|when| ready.contains(&when.address.as_str()));
        let soa = reply.authorities.first().map(|record| record.name.to_ascii());
        let data = reply.answers.iter().map(|record| record.data.to_string()).collect();
        (reply.metadata.response_code, data, soa)
    }

    const OK: ResponseCode = ResponseCode::NoError;
    const NO: ResponseCode = ResponseCode::NXDomain;

    #[test]
    fn answers_and_their_absence() {
        let own = || Some("cluster.local.".to_owned());
        assert_eq!(ask("web.a.svc.cluster.local.", RecordType::A, &[]), (OK, vec!["10.96.0.7".into()], None));
        assert_eq!(ask("web.a.svc.cluster.local.", RecordType::AAAA, &[]), (OK, vec![], own()));
        assert_eq!(ask("a.svc.cluster.local.", RecordType::A, &[]), (OK, vec![], own()));
        assert_eq!(ask("a.svc.cluster.local.", RecordType::TXT, &[]), (NO, vec![], own()));
        assert_eq!(ask("ns.dns.cluster.local.", RecordType::TXT, &[]), (NO, vec![], own()));
        assert_eq!(
            ask("b.svc.CLUSTER.local.", RecordType::A, &[]),
            (NO, vec![], Some("CLUSTER.local.".into()))
        );
        assert_eq!(ask("nothing.cluster.local.", RecordType::SOA, &[]), (OK, vec![], own()));
        assert_eq!(ask("cluster.local.", RecordType::AXFR, &[]).0, ResponseCode::Refused);
        assert_eq!(ask("web.a.", RecordType::A, &[]), (NO, vec![], Some(".".into())));
    }

    #[test]
    fn records_that_depend_on_an_endpoint() {
        assert_eq!(ask("db.a.svc.cluster.local.", RecordType::A, &[]).0, NO);
        assert_eq!(ask("db.a.svc.cluster.local.", RecordType::A, &["10.244.0.2"]).1, ["10.244.0.2"]);
        let one = ask("db.a.svc.cluster.local.", RecordType::SRV, &["10.244.0.2"]).1;
        assert_eq!(one, ["0 100 1 two.db.a.svc.cluster.local."]);
        let two = ask("db.a.svc.cluster.local.", RecordType::SRV, &["10.244.0.1", "10.244.0.2"]).1;
        assert_eq!(two, ["0 50 1 one.db.a.svc.cluster.local.", "0 50 1 two.db.a.svc.cluster.local."]);
    }

    #[test]
    fn aliases() {
        let docs = ask("docs.a.svc.cluster.local.", RecordType::A, &[]);
        assert_eq!(docs, (OK, vec!["docs.example.com.".into(), "203.0.113.5".into()], None));
        assert_eq!(ask("docs.a.svc.cluster.local.", RecordType::AAAA, &[]).1, ["docs.example.com."]);
        assert_eq!(ask("docs.a.svc.cluster.local.", RecordType::SRV, &[]).1, [""; 0]);
        assert_eq!(ask("gone.a.svc.cluster.local.", RecordType::A, &[]).1, [""; 0]);
        assert_eq!(
            ask("gone.a.svc.cluster.local.", RecordType::CNAME, &[]).1,
            ["nowhere.a.svc.cluster.local."]
        );
    }

    #[test]
    fn pods_and_reverse_names() {
        assert_eq!(ask("1-2-3-4.a.pod.cluster.local.", RecordType::A, &[]).1, ["1.2.3.4"]);
        assert_eq!(ask("fd00--5.a.pod.cluster.local.", RecordType::AAAA, &[]).1, ["fd00::5"]);
        assert_eq!(ask("x.a.pod.cluster.local.", RecordType::A, &[]).0, NO);
        assert_eq!(ask("7.0.96.10.in-addr.arpa.", RecordType::PTR, &[]).1, ["web.a.svc.cluster.local."]);
        assert_eq!(ask("7.0.96.10.in-addr.arpa.", RecordType::A, &[]), (NO, vec![], Some(".".into())));
    }

    #[test]
    fn the_script_names_records() {
        let mut zone = Zone::parse(ZONE).unwrap();
        zone.add("new.a.svc A 10.96.0.99").unwrap();
        assert!(zone.remove("new.a.svc A 10.96.0.99").unwrap());
        assert!(!zone.remove("new.a.svc A 10.96.0.99").unwrap());
        assert!(zone.add("new.a.svc A ten").is_err());
    }

    #[test]
    fn the_written_zone_can_be_read() {
        Zone::parse(include_str!("../../../assets/demo/zone")).unwrap();
    }
}
