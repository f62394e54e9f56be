//! `kdisco doctor`: why a name does not resolve from somewhere, or why nothing answers behind it.
//!
//! What it is not: the judgement is `model::doctor`'s; here the facts for it are gathered, and its result is printed.

use std::io::{self, Write};

use super::args::doctor::Doctor;
use super::args::{Explore, Origin};
use super::explore::start_demo;
use super::facts::{self, Needs};
use super::failure::{Exit, Failure, tell};
use super::live::Cluster;
use super::names::Query;
use super::report::doctor as report;
use super::run::{Stop, block_on};
use crate::app::Problem;
use crate::cluster::gather::{About, gather};
use crate::dns::laptop::{Machine, look};
use crate::model::doctor::{Asker, Diagnosis, Extra, Known, Question, examine};
use crate::model::time::Timestamp;
use crate::model::{ClusterSnapshot, Kind, Load, ObjectKey, Text, dns};

/// Runs the command.
///
/// # Errors
/// A command line or a file that can't be used, no cluster, no right to anything, a closed output.
pub(super) fn run(explore: &Explore, doctor: &Doctor, out: &mut impl Write) -> Result<Exit, Stop> {
    match explore.origin() {
        Origin::Objects(file) => {
            let needs = Needs {
                required: vec![Kind::Service],
                helpful: vec![Kind::EndpointSlice, Kind::Pod],
                dns: true,
            };
            let facts = facts::from_file(&file, explore, &Query::all(explore), &needs)?;
            let own = explore.namespaces().first().copied().unwrap_or("default");
            // Nobody asked from this machine: without a word it is a pod of the namespace.
            let place = place(doctor.from.as_deref().unwrap_or(own), own)?;
            let extra = Extra {
                live: Known::Failed("a saved file can't be asked".into()),
                ..Extra::of(&facts.snapshot)
            };
            let from = block_on(asker(place, doctor, None))?;
            let diagnosis = judge(doctor, from, &facts.snapshot, &extra, facts.now);
            print(&diagnosis, None, &facts.warnings, explore, doctor, out)
        }
        Origin::Cluster | Origin::Demo(_) => block_on(in_cluster(explore, doctor, out)),
    }
}

async fn in_cluster(explore: &Explore, doctor: &Doctor, out: &mut impl Write) -> Result<Exit, Stop> {
    // Kept until the end: dropping it stops the demo cluster and removes its files.
    let demo = match explore.origin() {
        Origin::Demo(scale) => Some(start_demo(scale.map(|s| (s.services, s.pods))).await?),
        _ => None,
    };
    let kubeconfig = demo.as_ref().map(|demo| demo.kubeconfig().to_owned());
    let work = async {
        let cluster = Cluster::open(explore, kubeconfig, &Query::all(explore)).await?;
        let own = explore.namespaces().first().copied().unwrap_or(cluster.namespace()).to_owned();
        let place = place(doctor.from.as_deref().unwrap_or("laptop"), &own)?;
        let now = explore.now.unwrap_or_else(Timestamp::now);
        let about = about(doctor, &place, &own);
        let gathering = gather(cluster.client(), &about, now);
        let (gathered, from) = tokio::join!(gathering, asker(place, doctor, Some(&own)));
        nothing_to_see(&gathered.snapshot)?;
        let diagnosis = judge(doctor, from?, &gathered.snapshot, &gathered.extra, now);
        print(&diagnosis, cluster.context(), &[], explore, doctor, out)
    };
    tokio::select! {
        result = work => result,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Fine),
    }
}

/// From where it was asked, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Laptop,
    Pod(ObjectKey),
    Namespace(Text),
}

/// `laptop`, `NAMESPACE/POD`, `pod/POD` (of the usual namespace), `NAMESPACE`.
fn place(text: &str, own: &str) -> Result<Place, Failure> {
    let parts: Vec<&str> = text.split('/').collect();
    if parts.iter().any(|part| part.is_empty()) {
        let what = format!("\"{text}\" names no place to ask from");
        let why = "It has to be NAMESPACE/POD, NAMESPACE or laptop.";
        return Err(Failure::new(Exit::Usage, what, why, ""));
    }
    match parts[..] {
        ["laptop"] => Ok(Place::Laptop),
        [namespace] => Ok(Place::Namespace(namespace.into())),
        ["pod" | "po" | "pods", name] => Ok(Place::Pod(ObjectKey::new(own, name))),
        [namespace, name] | [namespace, "pod" | "po" | "pods", name] => {
            Ok(Place::Pod(ObjectKey::new(namespace, name)))
        }
        _ => {
            let what = format!("\"{text}\" names no place to ask from");
            Err(Failure::new(Exit::Usage, what, "It has to be NAMESPACE/POD, NAMESPACE or laptop.", ""))
        }
    }
}

fn about(doctor: &Doctor, place: &Place, own: &str) -> About {
    let (namespace, pod) = match place {
        Place::Laptop => (own.into(), None),
        Place::Pod(key) => (key.namespace.clone(), Some(key.name.clone())),
        Place::Namespace(namespace) => (namespace.clone(), None),
    };
    About { name: doctor.name.clone(), namespace: Some(namespace), pod }
}

/// The asker; of this machine with what its resolver says. `own` is the namespace that short names are read in.
async fn asker(place: Place, doctor: &Doctor, own: Option<&str>) -> Result<Asker, Failure> {
    Ok(match place {
        Place::Pod(key) => Asker::Pod(key, doctor.libc),
        Place::Namespace(namespace) => Asker::Namespace(namespace, doctor.libc),
        Place::Laptop => {
            let mut facts = look(&Machine::default(), &doctor.name, doctor.kind, !doctor.no_live).await;
            facts.namespace = own.map(Text::from);
            Asker::Laptop(Box::new(facts))
        }
    })
}

fn judge(
    doctor: &Doctor,
    from: Asker,
    snapshot: &ClusterSnapshot,
    extra: &Extra,
    now: Timestamp,
) -> Diagnosis {
    let question = Question { name: doctor.name.clone(), kind: doctor.kind, from };
    examine(&question, snapshot, &dns::Cluster::new(snapshot), extra, now)
}

/// A cluster of which nothing may be seen, or that does not answer.
fn nothing_to_see(snapshot: &ClusterSnapshot) -> Result<(), Failure> {
    let services = || snapshot.loads.iter().filter(|l| l.kind == Kind::Service).map(|l| &l.load);
    if services().any(Load::is_live) {
        return Ok(());
    }
    Err(match services().find(|l| matches!(l, Load::Forbidden { .. } | Load::Failed { .. })) {
        Some(Load::Forbidden { message, .. }) => Failure::new(
            Exit::Forbidden,
            "no right to list services",
            message.to_string(),
            "Name a namespace that you may see with -n or --from, or ask for a role such as \"view\".",
        ),
        Some(Load::Failed { why, .. }) => Failure::new(
            Exit::Unreachable,
            "cannot list services",
            why.to_string(),
            "Check that the API server can be reached: kubectl cluster-info.",
        ),
        _ => Failure::new(Exit::Unreachable, "cannot list services", "", ""),
    })
}

fn print(
    diagnosis: &Diagnosis,
    context: Option<&str>,
    warnings: &[Problem],
    explore: &Explore,
    doctor: &Doctor,
    out: &mut impl Write,
) -> Result<Exit, Stop> {
    for warning in warnings {
        tell(&mut io::stderr(), "warning", warning);
    }
    report::print(diagnosis, context, warnings, doctor.form, explore.ascii, out)?;
    Ok(if diagnosis.verdict.is_ok() { Exit::Fine } else { Exit::Problems })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_as_they_are_typed() {
        let pod = |namespace: &str, name: &str| Place::Pod(ObjectKey::new(namespace, name));
        for (text, wanted) in [
            ("laptop", Place::Laptop),
            ("shop", Place::Namespace("shop".into())),
            ("shop/web-0", pod("shop", "web-0")),
            ("shop/pod/web-0", pod("shop", "web-0")),
            ("pod/web-0", pod("own", "web-0")),
        ] {
            assert_eq!(place(text, "own").unwrap(), wanted, "{text}");
        }
        for text in ["", "/", "a/", "/b", "a/b/c", "a/b/c/d"] {
            assert_eq!(place(text, "own").unwrap_err().exit, Exit::Usage, "{text}");
        }
    }
}
