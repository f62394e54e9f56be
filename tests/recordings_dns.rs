//! Predictions of DNS against recordings of a real cluster: what a CoreDNS pod answered, the `resolv.conf` of pods,
//! and what `getaddrinfo` said in them through glibc and musl.
//!
//! Each folder of `tests/recordings` is one recording (its README says what is in it). `demands.json` lists the cases
//! that the API does not determine; every other case has to be predicted exactly.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a broken file fails the test; scores are shown with --nocapture"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::path::Path;

use kdisco::cluster::objects;
use kdisco::model::ClusterSnapshot;
use kdisco::model::Text;
use kdisco::model::dns::{Answer, Cluster, Libc, RecordType};
use serde_json::Value;

const RECORDINGS: [&str; 9] = ["a", "b", "v1", "v2", "v3", "v4", "v5", "v6", "v7"];

fn unpacked(name: &str, file: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings").join(name).join(file);
    let packed = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(&*packed).read_to_end(&mut out).unwrap();
    out
}

fn json(name: &str, file: &str) -> Value {
    serde_json::from_slice(&unpacked(name, &format!("{file}.json.gz"))).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], |v| v)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn snapshot(name: &str) -> ClusterSnapshot {
    let objects = unpacked(name, "objects.json.gz");
    objects::read(&*objects, name).unwrap().snapshot
}

/// Outcomes of one part, and the cases that are wrong.
#[derive(Default)]
struct Score {
    counts: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

impl Score {
    fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    fn check(&mut self, right: bool, example: impl FnOnce() -> String) {
        self.count(if right { "equal" } else { "wrong" });
        if !right {
            self.wrong.push(example());
        }
    }

    fn finish(self, name: &str, part: &str, least: usize) {
        println!("{name} {part}: {:?}", self.counts);
        let shown = self.wrong.iter().take(25).map(String::as_str).collect::<Vec<_>>().join("\n");
        assert!(
            self.wrong.is_empty(),
            "{name} {part}: {} wrong, {:?}\n{shown}",
            self.wrong.len(),
            self.counts
        );
        let equal = self.counts.get("equal").copied().unwrap_or(0);
        assert!(equal >= least, "{name} {part}: only {equal} cases were compared");
    }
}

type Key = (String, String, String);

/// A record as it is compared: case does not count, and the serial of an SOA is not in the API.
fn key(name: &str, kind: &str, data: &str, soa: bool) -> Key {
    (name.to_ascii_lowercase(), kind.to_owned(), if soa { String::new() } else { data.to_ascii_lowercase() })
}

fn said(answer: &Answer, soa: bool) -> BTreeSet<Key> {
    answer.answers.iter().map(|r| key(&r.name, &r.kind.to_string(), &r.data, soa)).collect()
}

fn dns(name: &str) -> Score {
    let (recorded, demands) = (json(name, "dns"), json(name, "demands"));
    let cluster = Cluster::new(&snapshot(name));
    let special: HashMap<(&str, &str), &Value> =
        list(&demands["dns"]).iter().map(|d| ((text(d, "name"), text(d, "type")), d)).collect();
    let mut score = Score::default();
    for x in list(&recorded) {
        let (qname, qtype) = (text(x, "name"), text(x, "type"));
        let kind: RecordType = qtype.parse().unwrap();
        let demand = special.get(&(qname, qtype)).copied().unwrap_or(&Value::Null);
        let how = demand["demand"].as_str().unwrap_or("all");
        let answer = cluster.answer(qname, kind);
        if how == "nothing" && answer.rcode.is_none() {
            score.count(text(demand, "why"));
            continue;
        }
        if how.ends_with("or-declined") && answer.rcode.is_none() {
            score.count("declined");
            continue;
        }
        let soa = kind == RecordType::SOA;
        let records = list(&x["answers"]);
        let cell = |r: &Value, i: usize| r[i].as_str().unwrap_or_default().to_owned();
        let real: BTreeMap<Key, u64> = records
            .iter()
            .map(|r| (key(&cell(r, 0), &cell(r, 2), &cell(r, 3), soa), r[1].as_u64().unwrap()))
            .collect();
        let got = said(&answer, soa);
        let rcode = answer.rcode.map(kdisco::model::dns::Rcode::as_str);
        let right = if how.starts_with("cname") {
            let alias = list(&demand["cname"]);
            let wanted = key(alias[0].as_str().unwrap(), "CNAME", alias[1].as_str().unwrap(), soa);
            rcode == Some("NOERROR") && got.contains(&wanted)
        } else {
            let same = rcode == Some(text(x, "rcode"))
                && got.iter().eq(real.keys())
                && answer.answers.len() == got.len();
            let ttl = |r: &kdisco::model::dns::Record| {
                let real = real[&key(&r.name, &r.kind.to_string(), &r.data, soa)];
                real == u64::from(r.ttl)
            };
            same && (how != "all" || answer.answers.iter().all(ttl)) && beyond(x, &answer, how == "all")
        };
        score.check(right, || {
            format!(
                "{qname} {qtype} ({how}) said {rcode:?} {:?} {:?} {:?} {:?} really {x}",
                answer.answers, answer.authority, answer.additional, answer.open
            )
        });
    }
    score
}

/// What the newer recordings hold besides: the authority's owner and TTL, the additional section, the AA flag.
fn beyond(x: &Value, answer: &Answer, ttl: bool) -> bool {
    let owner = x["soa_owner"].as_str().map(str::to_ascii_lowercase);
    let own = answer.authority.as_ref().map(|r| r.name.to_ascii_lowercase());
    if owner != own {
        return false;
    }
    let Some(extra) = x["extra"].as_array() else { return true };
    let cell = |r: &Value, i: usize| r[i].as_str().unwrap_or_default().to_owned();
    let real: BTreeSet<Key> =
        extra.iter().map(|r| key(&cell(r, 0), &cell(r, 2), &cell(r, 3), false)).collect();
    let got = answer.additional.iter().map(|r| key(&r.name, &r.kind.to_string(), &r.data, false));
    let same = got.collect::<BTreeSet<_>>() == real;
    let soa_ttl = x["soa_ttl"].as_u64();
    let ttl_fits = !ttl || soa_ttl == answer.authority.as_ref().map(|r| u64::from(r.ttl));
    same && ttl_fits && (x["aa"].as_bool() == Some(answer.authoritative) || x["aa"].is_null() || !ttl)
}

#[test]
fn answers_of_coredns() {
    for name in RECORDINGS {
        dns(name).finish(name, "dns", 400);
    }
}

/// Domains of the recorded node's own resolver file: not in the API.
const NODE_SEARCH: &str = "corp.example";

fn resolv(name: &str) -> Score {
    let (recorded, demands) = (json(name, "resolv"), json(name, "demands"));
    let snapshot = snapshot(name);
    let cluster = Cluster::new(&snapshot);
    let free: BTreeMap<(&str, &str), &str> = list(&demands["resolv"])
        .iter()
        .map(|d| ((text(d, "namespace"), text(d, "pod")), text(d, "why")))
        .collect();
    let mut score = Score::default();
    for x in list(&recorded) {
        let (namespace, pod) = (text(x, "namespace"), text(x, "pod"));
        if let Some(why) = free.get(&(namespace, pod)) {
            score.count(why);
            continue;
        }
        let conf = cluster.resolv_conf(snapshot.pod(namespace, pod).unwrap());
        let mut real: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for line in text(x, "text").lines() {
            let mut words = line.split_whitespace();
            if let Some(first) = words.next() {
                real.entry(first).or_default().extend(words);
            }
        }
        let real = |key: &str| real.get(key).cloned().unwrap_or_default();
        let (all, without_node) = (real("search"), |l: &[&str]| -> Vec<String> {
            l.iter().filter(|d| **d != NODE_SEARCH).map(|d| (*d).to_owned()).collect()
        });
        let have = without_node(&conf.search.iter().map(|s| &**s).collect::<Vec<_>>());
        let want = without_node(&all);
        // At the limits the node's own domains push others out.
        let full = all.len() >= 32 || all.join(" ").len() > 1700;
        let search = have == want || (full && have.len() <= 32 && have.starts_with(&want));
        let sorted = |mut l: Vec<String>| {
            l.sort();
            l
        };
        let options = real("options").into_iter().map(str::to_owned).collect();
        let servers: Vec<Text> = real("nameserver").into_iter().map(Text::from).collect();
        let right = search && conf.nameservers == servers && sorted(conf.options.clone()) == sorted(options);
        score
            .check(right, || format!("{namespace}/{pod} said {} really {}", conf.to_text(), text(x, "text")));
    }
    score
}

#[test]
fn resolv_conf_of_pods() {
    for name in RECORDINGS {
        resolv(name).finish(name, "resolv", 0);
    }
}

fn addresses_of(value: &Value) -> BTreeSet<String> {
    list(value).iter().map(|a| a.as_str().unwrap_or_default().to_owned()).collect()
}

fn stub(name: &str) -> Score {
    let (recorded, demands) = (json(name, "stub"), json(name, "demands"));
    let snapshot = snapshot(name);
    let cluster = Cluster::new(&snapshot);
    let key = |x: &Value| ["namespace", "pod", "libc", "name"].map(|k| text(x, k).to_owned());
    let special: HashMap<_, &Value> = list(&demands["stub"]).iter().map(|d| (key(d), d)).collect();
    let mut score = Score::default();
    for x in list(&recorded) {
        let demand = special.get(&key(x)).copied().unwrap_or(&Value::Null);
        let how = demand["demand"].as_str().unwrap_or("all");
        let libc: Libc = text(x, "libc").parse().unwrap();
        let pod = snapshot.pod(text(x, "namespace"), text(x, "pod")).unwrap();
        let got = cluster.lookup(pod, libc, text(x, "name"));
        if how == "nothing" && (got.open.is_some() || got.caveat.is_some()) {
            score.count(text(demand, "why"));
            continue;
        }
        if how == "right-or-declined" && got.open.is_some() {
            score.count("declined");
            continue;
        }
        let addresses: BTreeSet<String> = got.addresses.iter().map(ToString::to_string).collect();
        let real = addresses_of(&x["addresses"]);
        let right = match how {
            "one-of" => list(&demand["addresses"]).iter().any(|l| addresses_of(l) == addresses),
            _ => addresses == real && got.error.map(|e| e.text(libc)) == x["error"].as_str(),
        };
        let right = right && got.open.is_none();
        score.check(right, || {
            let steps: Vec<_> = got.steps.iter().map(|s| (&s.name, s.a.rcode, s.aaaa.rcode)).collect();
            format!("{x} ({how}) said {addresses:?} {:?} {:?} {steps:?}", got.error, got.open)
        });
    }
    score
}

#[test]
fn look_ups_in_pods() {
    for name in RECORDINGS {
        stub(name).finish(name, "stub", 20);
    }
}
