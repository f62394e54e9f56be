//! The doctor against recordings of a real cluster: what it says of a name must agree with what `getaddrinfo` found in
//! the pod. The recordings are those of `recordings_dns.rs`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a broken file fails the test; counts are shown with --nocapture"
)]

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Read;
use std::path::Path;

use kdisco::cluster::objects;
use kdisco::model::ObjectKey;
use kdisco::model::dns::{Cluster, Libc};
use kdisco::model::doctor::{Asker, Diagnosis, Extra, Question, examine};
use serde_json::Value;

const RECORDINGS: [&str; 9] = ["a", "b", "v1", "v2", "v3", "v4", "v5", "v6", "v7"];

/// Codes that say that a name resolves, and that something else is wrong.
const RESOLVES: [&str; 9] = [
    "ok",
    "no-ready-endpoints",
    "selector-matches-nothing",
    "target-port-not-declared",
    "port-not-in-slices",
    "all-endpoints-terminating",
    "no-selector-no-slices",
    // What cannot be known is no claim.
    "not-determined",
    "network-policy-blocks-dns",
];

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

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], |v| v)
}

fn identity(x: &Value) -> [String; 4] {
    ["namespace", "pod", "libc", "name"].map(|k| text(x, k).to_owned())
}

#[test]
fn what_the_doctor_says_agrees_with_what_pods_found() {
    let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut decided = 0;
    for name in RECORDINGS {
        let loaded = objects::read(&*unpacked(name, "objects.json.gz"), name).unwrap();
        let (snapshot, now) = (loaded.snapshot, loaded.newest.unwrap());
        let cluster = Cluster::new(&snapshot);
        let demands = json(name, "demands");
        // What the API does not determine; several outcomes are possible for some.
        let free: HashSet<[String; 4]> = list(&demands["stub"]).iter().map(identity).collect();
        for x in list(&json(name, "stub")) {
            let libc: Libc = text(x, "libc").parse().unwrap();
            let from = Asker::Pod(ObjectKey::new(text(x, "namespace"), text(x, "pod")), Some(libc));
            let question = Question { name: text(x, "name").to_owned(), kind: None, from };
            let diagnosis = examine(&question, &snapshot, &cluster, &Extra::of(&snapshot), now);
            *codes.entry(diagnosis.verdict.code).or_default() += 1;
            let addresses: BTreeSet<&str> =
                list(&x["addresses"]).iter().map(|a| a.as_str().unwrap_or_default()).collect();
            let undetermined = free.contains(&identity(x));
            decided += usize::from(!undetermined && diagnosis.resolves.is_some());
            if let Some(what) = disagreement(&diagnosis, &addresses, undetermined) {
                wrong.push(format!(
                    "{name}: {what}: {x} said {:?} {:?}",
                    diagnosis.resolves, diagnosis.verdict
                ));
            }
        }
    }
    println!("{decided} look-ups decided; verdicts: {codes:?}");
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong[..wrong.len().min(30)].join("\n"));
    assert!(decided >= 1000, "only {decided} look-ups were decided");
}

fn disagreement(diagnosis: &Diagnosis, real: &BTreeSet<&str>, undetermined: bool) -> Option<&'static str> {
    let found = !real.is_empty();
    let said: BTreeSet<String> = diagnosis.addresses.iter().map(ToString::to_string).collect();
    let code = diagnosis.verdict.code;
    if undetermined {
        return None;
    }
    match diagnosis.resolves {
        Some(resolves) if resolves != found => Some("resolves"),
        Some(true) if !said.iter().map(String::as_str).eq(real.iter().copied()) => Some("addresses"),
        None => Some("determined by the API, and not said"),
        _ if !found && code == "ok" => Some("ok where it failed"),
        _ if found && !RESOLVES.contains(&code) => Some("a cause for a success"),
        _ => None,
    }
}
