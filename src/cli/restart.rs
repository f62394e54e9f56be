//! `kdisco restart`: what owns the containers that lack a Service's variables, named first, restarted after a yes.

use std::io::{self, Write};

use super::args::{DryRunAt, Explore, Origin as FactsOrigin};
use super::ask;
use super::explore::start_demo;
use super::facts::{Facts, Needs};
use super::failure::{Exit, Failure, Stop, tell};
use super::list::List;
use super::live::{Cluster, failed};
use super::names::Query;
use crate::cluster::write::{self, DryRun, MayWrite};
use crate::config::Settings;
use crate::model::env::Verdict;
use crate::model::env::restart::{Plan, Step};
use crate::model::env::reverse::containers_missing;
use crate::model::text::clean;
use crate::model::time::Timestamp;
use crate::model::{Kind, ObjectKey, Pod};

/// How far a restart goes.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Without asking.
    pub yes: bool,
    /// Deleting pods too that nothing makes again.
    pub force: bool,
    /// Only saying what would be done.
    pub dry_run: Option<DryRunAt>,
}

/// Plans, asks, restarts.
///
/// # Errors
/// Writing is switched off, nobody can be asked, no rights, no connection, and those of the output.
pub async fn run(
    explore: &Explore,
    settings: &Settings,
    names: &[String],
    How { yes, force, dry_run }: How,
    out: &mut impl Write,
) -> Result<Exit, Stop> {
    let query = Query::new(explore, names, &[Kind::Service, Kind::Pod])?;
    if explore.objects.is_some() {
        let (what, why) = ("a saved file can't be restarted", "There is no cluster to change.");
        return Err(Failure::new(Exit::Usage, what, why, "Leave out --objects.").into());
    }
    let may = may_write(settings, dry_run)?;
    // Kept until the end: dropping it stops the demo cluster and removes its files.
    let demo = match explore.origin() {
        FactsOrigin::Demo(scale) => Some(start_demo(scale.map(|s| (s.services, s.pods))).await?),
        _ => None,
    };
    let kubeconfig = demo.as_ref().map(|demo| demo.kubeconfig().to_owned());
    let cluster = Cluster::open(explore, kubeconfig, &query).await?;
    let needs = Needs { required: vec![Kind::Service, Kind::Pod], ..Needs::default() };
    let facts = cluster.once(&List::Dns, &query, &needs).await?;
    let absent = List::Dns.missing(&facts, &query);
    for problem in &absent {
        tell(&mut io::stderr(), "error", problem);
    }
    if !absent.is_empty() {
        return Ok(Exit::Problems);
    }
    let pods = affected(&facts, &query, out)?;
    if pods.is_empty() {
        out.flush()?;
        return Ok(facts.exit);
    }
    let plan = write::plan(cluster.client(), &pods).await.map_err(failed)?;
    let plan = if force { plan } else { plan.sparing_unmanaged() };
    for step in plan.possible() {
        writeln!(out, "{}", clean(&step.to_string()))?;
    }
    out.flush()?;
    for step in plan.impossible() {
        let _ = writeln!(io::stderr(), "{}", clean(&step.to_string()));
    }
    if !force && plan.impossible().any(Step::is_unmanaged) {
        let _ = writeln!(io::stderr(), "  --force deletes such pods all the same");
    }
    let nothing_left_out = if plan.impossible().next().is_some() { Exit::Problems } else { Exit::Fine };
    let Some(may) = may.filter(|_| plan.possible().next().is_some()) else { return Ok(nothing_left_out) };
    write::check_rights(cluster.client(), &plan).await.map_err(failed)?;
    if dry_run.is_none() && !yes && !confirmed(&plan).await? {
        let _ = writeln!(io::stderr(), "nothing was changed");
        return Ok(Exit::Problems);
    }
    let dry_run = if dry_run.is_some() { DryRun::Server } else { DryRun::No };
    let done = execute(&cluster, &plan, dry_run, may, out).await?;
    Ok(done.max(nothing_left_out))
}

/// Whether writing is switched off. Printing what would be done is always allowed.
fn may_write(settings: &Settings, dry_run: Option<DryRunAt>) -> Result<Option<MayWrite>, Failure> {
    if dry_run == Some(DryRunAt::Client) {
        return Ok(None);
    }
    MayWrite::unless(settings.read_only.value).map(Some).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            "restarts are switched off",
            format!("read_only is set ({}).", settings.read_only.origin),
            "--dry-run=client prints what would be done.",
        )
    })
}

/// The pods that have to be restarted, and for each Service why.
fn affected(facts: &Facts, query: &Query, out: &mut impl Write) -> io::Result<Vec<Pod>> {
    let mut pods: Vec<ObjectKey> = Vec::new();
    for wish in &query.wishes {
        let wants = |kind: Kind, key: &ObjectKey| {
            wish.is(kind, key) && (wish.namespace.is_some() || facts.scope.contains(&key.namespace))
        };
        let services = facts.snapshot.services.iter().filter(|f| wants(Kind::Service, f.key()));
        let mut is_service = false;
        for service in services {
            is_service = true;
            let missing = containers_missing(&facts.snapshot, &service.service);
            let (unsure, sure): (Vec<_>, Vec<_>) =
                missing.into_iter().partition(|miss| matches!(miss.verdict, Verdict::Uncertain(_)));
            let key = service.key();
            if sure.is_empty() {
                writeln!(
                    out,
                    "{}",
                    clean(&format!("Service {key}: no running container surely lacks its variables"))
                )?;
            }
            for miss in &sure {
                let line = format!("Service {key}: {} / {}: {}", miss.pod.name, miss.container, miss.reason);
                writeln!(out, "{}", clean(&line))?;
            }
            for miss in unsure {
                let line = format!(
                    "not sure: {} / {}: {}; kdisco env -n {} {} --verify tells",
                    miss.pod.name, miss.container, miss.reason, miss.pod.namespace, miss.pod.name
                );
                let _ = writeln!(io::stderr(), "{}", clean(&line));
            }
            pods.extend(sure.into_iter().map(|miss| miss.pod));
        }
        // A bare name is a Service's; only where there is none it may be a pod's.
        if !is_service || wish.kind == Some(Kind::Pod) {
            let all = facts.snapshot.pods.values().flat_map(|pods| pods.iter());
            pods.extend(all.filter(|pod| wants(Kind::Pod, &pod.key)).map(|pod| pod.key.clone()));
        }
    }
    pods.sort();
    pods.dedup();
    let found = pods.iter().filter_map(|key| facts.snapshot.pod(&key.namespace, &key.name));
    Ok(found.map(|pod| Pod::clone(pod)).collect())
}

/// Asks a person.
async fn confirmed(plan: &Plan) -> Result<bool, Failure> {
    if !ask::somebody_is_there() {
        return Err(Failure::new(
            Exit::Usage,
            "nobody can be asked",
            "Input or output is no terminal, and nothing is restarted without a yes.",
            "Give --yes to do what is listed above.",
        ));
    }
    let (objects, pods) = (plan.possible().count(), plan.pods());
    let things = if objects == 1 { "this object" } else { "these objects" };
    let ends = if pods == 1 { "1 pod ends" } else { &format!("{pods} pods end") };
    Ok(ask::agreed(&format!("Change {things} ({ends})? [y/N] "), &["y", "yes"]).await)
}

/// Does the steps one after the other; one that fails does not stop the others.
async fn execute(
    cluster: &Cluster,
    plan: &Plan,
    dry_run: DryRun,
    may: MayWrite,
    out: &mut impl Write,
) -> Result<Exit, Stop> {
    let mut exit = Exit::Fine;
    let steps: Vec<&Step> = plan.possible().collect();
    for step in steps {
        match write::execute(cluster.client(), step, Timestamp::now(), dry_run, may).await {
            Ok(done) => {
                let tried = if dry_run == DryRun::Server { " (server dry run)" } else { "" };
                writeln!(out, "{}{tried}", clean(&done.to_string()))?;
                out.flush()?;
            }
            Err(error) => {
                let failure = failed(error);
                tell(&mut io::stderr(), "error", &failure.problem);
                exit = exit.max(failure.exit.max(Exit::Problems));
            }
        }
    }
    Ok(exit)
}
