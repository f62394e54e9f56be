//! `kdisco doctor`: why a name does not resolve from somewhere, or why nothing answers behind it.
//!
//! What it is not: the judgement is `model::doctor`'s; here the facts for it are gathered, and its result is printed.

use std::io::{self, Write};

use super::args::doctor::Doctor;
use super::args::{Explore, Origin};
use super::explore::start_demo;
use super::facts::{self, Needs};
use super::failure::{Exit, Failure, Stop, tell};
use super::live::{Cluster, failed};
use super::names::Query;
use super::report::doctor as report;
use super::wait::wait_for;
use crate::app::Problem;
use crate::model::doctor::{Diagnosis, Extra, Known, Question};
use crate::model::time::Timestamp;
use crate::model::{Kind, ObjectKey, dns, doctor as model};
use crate::runtime::examine::{self, Place, Wanted, asker};

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
            let wanted = wanted(doctor, own, own)?;
            let from = wait_for(async { Ok::<_, Failure>(asker(&wanted).await) })?;
            let extra = Extra {
                live: Known::Failed("a saved file can't be asked".into()),
                ..Extra::of(&facts.snapshot)
            };
            let question = Question { name: doctor.name.clone(), kind: doctor.kind, from };
            let diagnosis = model::examine(
                &question,
                &facts.snapshot,
                &dns::Cluster::new(&facts.snapshot),
                &extra,
                facts.now,
            );
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
        let wanted = wanted(doctor, "laptop", &own)?;
        let now = explore.now.unwrap_or_else(Timestamp::now);
        let diagnosis = examine::examine(cluster.client(), &wanted, None, now).await.map_err(failed)?;
        print(&diagnosis, cluster.context(), &[], explore, doctor, out)
    };
    tokio::select! {
        result = work => result,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Fine),
    }
}

/// The question; `unsaid` is from where without `--from`.
fn wanted(doctor: &Doctor, unsaid: &str, own: &str) -> Result<Wanted, Failure> {
    Ok(Wanted {
        name: doctor.name.clone(),
        kind: doctor.kind,
        from: place(doctor.from.as_deref().unwrap_or(unsaid), own)?,
        libc: doctor.libc,
        own: own.into(),
        ask: !doctor.no_live,
    })
}

/// `laptop`, `NAMESPACE/POD`, `pod/POD` (of the usual namespace), `NAMESPACE`.
fn place(text: &str, own: &str) -> Result<Place, Failure> {
    let parts: Vec<&str> = text.split('/').collect();
    let pod = |namespace: &str, name: &str| Ok(Place::Pod(ObjectKey::new(namespace, name)));
    match parts[..] {
        _ if parts.iter().any(|part| part.is_empty()) => {}
        ["laptop"] => return Ok(Place::Laptop),
        [namespace] => return Ok(Place::Namespace(namespace.into())),
        ["pod" | "po" | "pods", name] => return pod(own, name),
        [namespace, name] | [namespace, "pod" | "po" | "pods", name] => return pod(namespace, name),
        _ => {}
    }
    let what = format!("\"{text}\" names no place to ask from");
    Err(Failure::new(Exit::Usage, what, "It has to be NAMESPACE/POD, NAMESPACE or laptop.", ""))
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
    report::print(diagnosis, context, warnings, doctor.output.form, explore.ascii, out)?;
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
