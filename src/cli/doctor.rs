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
use super::run::{Stop, wait_for};
use crate::app::Problem;
use crate::dns::laptop::{Machine, look};
use crate::model::doctor::{Asker, Diagnosis, Extra, Known, LaptopFacts, Question, examine};
use crate::model::time::Timestamp;
use crate::model::{ClusterSnapshot, Kind, Load, ObjectKey, dns};
use crate::runtime::doctor::{Examined, Place, Request, diagnose};

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
            let from = match place(doctor, own, own)? {
                Place::Pod(key, libc) => Asker::Pod(key, libc),
                Place::Namespace(namespace, libc) => Asker::Namespace(namespace, libc),
                Place::Laptop(own) => {
                    let here = Machine::default();
                    let asking = look(&here, &doctor.name, doctor.kind, !doctor.no_live);
                    let machine = wait_for(async { Ok::<_, Failure>(asking.await) })?;
                    Asker::Laptop(Box::new(LaptopFacts { namespace: own, ..machine }))
                }
            };
            let extra = Extra {
                live: Known::Failed("a saved file can't be asked".into()),
                ..Extra::of(&facts.snapshot)
            };
            let question = Question { name: doctor.name.clone(), kind: doctor.kind, from };
            let diagnosis =
                examine(&question, &facts.snapshot, &dns::Cluster::new(&facts.snapshot), &extra, facts.now);
            print(&diagnosis, None, &facts.warnings, explore, doctor, out)
        }
        Origin::Cluster | Origin::Demo(_) => wait_for(in_cluster(explore, doctor, out)),
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
        let place = place(doctor, "laptop", &own)?;
        let now = explore.now.unwrap_or_else(Timestamp::now);
        let request =
            Request { name: doctor.name.clone(), kind: doctor.kind, place, live: !doctor.no_live, now };
        let Examined { diagnosis, snapshot } = diagnose(cluster.client(), &request).await;
        nothing_to_see(&snapshot)?;
        print(&diagnosis, cluster.context(), &[], explore, doctor, out)
    };
    tokio::select! {
        result = work => result,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Fine),
    }
}

/// `laptop`, `NAMESPACE/POD`, `pod/POD` (of the usual namespace), `NAMESPACE`.
fn place(doctor: &Doctor, unsaid: &str, own: &str) -> Result<Place, Failure> {
    let text = doctor.from.as_deref().unwrap_or(unsaid);
    let parts: Vec<&str> = text.split('/').collect();
    let pod = |namespace: &str, name: &str| Ok(Place::Pod(ObjectKey::new(namespace, name), doctor.libc));
    match parts[..] {
        _ if parts.iter().any(|part| part.is_empty()) => {}
        ["laptop"] => return Ok(Place::Laptop(Some(own.into()))),
        [namespace] => return Ok(Place::Namespace(namespace.into(), doctor.libc)),
        ["pod" | "po" | "pods", name] => return pod(own, name),
        [namespace, name] | [namespace, "pod" | "po" | "pods", name] => return pod(namespace, name),
        _ => {}
    }
    let what = format!("\"{text}\" names no place to ask from");
    Err(Failure::new(Exit::Usage, what, "It has to be NAMESPACE/POD, NAMESPACE or laptop.", ""))
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
        let doctor = |from: &str| Doctor {
            name: "web".to_owned(),
            kind: None,
            from: Some(from.to_owned()),
            libc: None,
            no_live: true,
            form: crate::cli::args::Form::Table,
        };
        let pod = |namespace: &str, name: &str| Place::Pod(ObjectKey::new(namespace, name), None);
        for (text, wanted) in [
            ("laptop", Place::Laptop(Some("own".into()))),
            ("shop", Place::Namespace("shop".into(), None)),
            ("shop/web-0", pod("shop", "web-0")),
            ("shop/pod/web-0", pod("shop", "web-0")),
            ("pod/web-0", pod("own", "web-0")),
        ] {
            assert_eq!(place(&doctor(text), "laptop", "own").unwrap(), wanted, "{text}");
        }
        for text in ["", "/", "a/", "/b", "a/b/c", "a/b/c/d"] {
            assert_eq!(place(&doctor(text), "laptop", "own").unwrap_err().exit, Exit::Usage, "{text}");
        }
    }
}
