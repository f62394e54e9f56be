//! Predicted environments against what containers of a real cluster really had.
//!
//! Every variable that the API determines has to be equal. `uncertain` is no error, but more than one in a hundred
//! of those that the API determines would be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use kdisco::cluster::objects;
use kdisco::model::env::{Options, Secrets, Status, container_environment, findings, namespace_environments};
use kdisco::model::{ClusterSnapshot, ObjectKey};
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
struct Recorded {
    namespace: String,
    pod: String,
    container: String,
    environ: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Demands {
    env: BTreeMap<String, BTreeMap<String, String>>,
}

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let entries = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut with_env: Vec<_> = entries.filter(|path| path.join("env.json.gz").exists()).collect();
    with_env.sort();
    assert!(with_env.len() >= 5, "the recordings are there");
    with_env
}

fn unpacked(path: &Path) -> GzDecoder<BufReader<File>> {
    GzDecoder::new(BufReader::new(File::open(path).unwrap()))
}

fn json<T: DeserializeOwned>(path: &Path) -> T {
    serde_json::from_reader(unpacked(path)).unwrap()
}

fn snapshot(folder: &Path) -> ClusterSnapshot {
    objects::read(unpacked(&folder.join("objects.json.gz")), "objects.json").unwrap().snapshot
}

/// The first zone of CoreDNS' `kubernetes` plugin.
fn cluster_domain(snapshot: &ClusterSnapshot) -> Option<String> {
    let config = snapshot.config_maps.get(&ObjectKey::new("kube-system", "coredns"))?;
    let corefile = String::from_utf8(config.data.get("Corefile")?.to_vec()).unwrap();
    let zones = corefile.lines().find_map(|line| line.trim().strip_prefix("kubernetes "))?;
    zones.split_whitespace().next().map(|zone| zone.trim_end_matches('.').to_owned())
}

#[derive(Default, Debug)]
struct Score {
    equal: usize,
    free: usize,
    vague: usize,
    wrong: Vec<String>,
}

impl Score {
    fn container(
        &mut self,
        snapshot: &ClusterSnapshot,
        domain: Option<&str>,
        real: &Recorded,
        free: &BTreeMap<String, String>,
    ) {
        let id = format!("{}/{}/{}", real.namespace, real.pod, real.container);
        let Some(pod) = snapshot.pod(&real.namespace, &real.pod) else {
            return self.wrong.push(format!("{id}: no such pod"));
        };
        let Some(container) = pod.spec.container(&real.container) else {
            return self.wrong.push(format!("{id}: no such container"));
        };
        let options = Options { secrets: Secrets::Shown, cluster_domain: domain, fetches: None };
        let environment = container_environment(snapshot, pod, container, &options);
        let said: BTreeMap<_, _> = environment.variables().map(|v| (v.name, v)).collect();
        let names: BTreeSet<&str> = said.keys().copied().chain(real.environ.keys().map(|n| &**n)).collect();
        for name in names {
            let (said, really) = (said.get(name), real.environ.get(name).map(|v| &**v));
            let equal = match said.map(|v| v.status) {
                _ if free.contains_key(name) => {
                    self.free += 1;
                    continue;
                }
                Some(Status::Uncertain) => {
                    self.vague += 1;
                    continue;
                }
                Some(Status::Present) => said.and_then(|v| v.value) == really && really.is_some(),
                None | Some(Status::Absent) => really.is_none(),
                Some(_) => false,
            };
            if equal {
                self.equal += 1;
            } else {
                let said = said.map(|v| (v.status, v.value, v.reason()));
                self.wrong.push(format!("{id}: {name}: said {said:?}, really {really:?}"));
            }
        }
    }
}

#[test]
fn every_variable_that_the_api_determines_is_equal() {
    let mut total = Score::default();
    for folder in folders() {
        let (snapshot, demands) = (snapshot(&folder), json::<Demands>(&folder.join("demands.json.gz")));
        let domain = cluster_domain(&snapshot);
        let mut score = Score::default();
        for real in json::<Vec<Recorded>>(&folder.join("env.json.gz")) {
            let id = format!("{}/{}/{}", real.namespace, real.pod, real.container);
            let free = demands.env.get(&id).cloned().unwrap_or_default();
            score.container(&snapshot, domain.as_deref(), &real, &free);
        }
        println!(
            "{}: {} equal, {} free, {} uncertain, {} wrong",
            folder.display(),
            score.equal,
            score.free,
            score.vague,
            score.wrong.len()
        );
        total.equal += score.equal;
        total.free += score.free;
        total.vague += score.vague;
        total.wrong.extend(score.wrong.into_iter().map(|w| format!("{}: {w}", folder.display())));
    }
    println!("{} equal, {} free, {} uncertain", total.equal, total.free, total.vague);
    assert!(
        total.wrong.is_empty(),
        "{} wrong:\n{}",
        total.wrong.len(),
        total.wrong[..total.wrong.len().min(20)].join("\n")
    );
    assert!(total.equal > 15_000, "only {} variables were compared", total.equal);
    assert!(total.vague * 100 <= total.equal + total.vague, "{} uncertain", total.vague);
}

#[test]
fn what_is_said_about_each_recorded_container_is_consistent() {
    for folder in folders() {
        let snapshot = snapshot(&folder);
        for namespace in snapshot.pods.keys() {
            for environment in namespace_environments(&snapshot, namespace, &Options::default()) {
                let mut last = "";
                for variable in environment.variables() {
                    let id = format!("{}/{} {}", environment.pod, environment.container, variable.name);
                    assert!(last < variable.name, "{id} comes after {last}");
                    last = variable.name;
                    assert_eq!(environment.get(variable.name).map(|v| v.value), Some(variable.value), "{id}");
                    let explained = variable.reason().is_some();
                    assert!(
                        explained || variable.status == Status::Present,
                        "{id} is {:?} without a reason",
                        variable.status
                    );
                }
                let pod = snapshot.pod(namespace, &environment.pod.name).unwrap();
                for finding in findings::findings(&environment, pod) {
                    assert!(!finding.message.is_empty(), "{}", finding.code);
                }
            }
        }
    }
}
