//! `kdisco env` with what goes beyond a list: held against the container's own environment, taken away as text for
//! other programs, rewritten to running forwards.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::StreamExt;
use futures_util::stream;

use super::args::{EnvArgs, EnvForm, Output};
use super::facts::Facts;
use super::failure::{Exit, Failure, Stop, tell};
use super::live::Cluster;
use super::names::Query;
use super::report;
use super::report::env::{Environments, Verifications};
use crate::app::Problem;
use crate::cluster::exec::environ::environment;
use crate::cluster::exec::{ExecError, Limits, Place};
use crate::cluster::{ApiError, ApiErrorKind};
use crate::config::nearest;
use crate::model::env::export::{Format, LeftOut, export, exportable};
use crate::model::env::findings::findings;
use crate::model::env::local::{Forward, Local, services_of_pod};
use crate::model::env::verify::{Actual, Verification, verify};
use crate::model::env::{ContainerEnvironment, Secrets};
use crate::model::finding::Severity;
use crate::model::pod::ContainerRole;
use crate::model::pod::ContainerState;
use crate::model::text::clean;
use crate::model::{ObjectKey, Pod, Text};
use crate::session::registry;

/// So many containers are looked into at the same time.
const PARALLEL: usize = 8;
/// So many findings are told one by one.
const FINDINGS: usize = 10;
/// So many names are told one by one.
const NAMES: usize = 8;

/// Refuses what does not go together, before anything is asked for.
///
/// # Errors
/// Which words exclude each other.
pub fn check(args: &EnvArgs, saved: bool) -> Result<(), Failure> {
    let usage = |what: &str, why: &str, hint: &str| Err(Failure::new(Exit::Usage, what, why, hint));
    let exports = args.output.form.export().is_some();
    if args.verify && saved {
        return usage(
            "a saved file can't be verified",
            "There is no container to look into.",
            "Leave out --objects.",
        );
    }
    if args.output.watch && (args.verify || args.local || exports) {
        return usage(
            "--watch goes with lists alone",
            "--verify, --local and the forms for other programs are about one moment.",
            "Leave out --watch.",
        );
    }
    if args.verify && exports {
        return usage(
            "--verify can't be exported",
            "It compares; the forms for other programs hold one value a name.",
            "Use -o table, wide, json or yaml.",
        );
    }
    Ok(())
}

/// Whether this is more than a list.
pub fn is_more(args: &EnvArgs) -> bool {
    args.verify || args.local || !args.forward.is_empty() || args.output.form.export().is_some()
}

/// Prints the environments with all that was asked for.
///
/// # Errors
/// As the list's, and those of the output.
pub async fn run(
    args: &EnvArgs,
    facts: &Facts,
    query: &Query,
    cluster: Option<&Cluster>,
    out: &mut impl Write,
) -> Result<Exit, Stop> {
    let mut environments = Environments::new(facts, query, args.container.as_deref(), args.show_secrets);
    let mut exit = Exit::Fine;
    if args.verify
        && let Some(cluster) = cluster
    {
        let rows = report::Report::rows(&environments);
        let secrets = if args.show_secrets { Secrets::Shown } else { Secrets::Hidden };
        let verified = verify_all(cluster, facts, &rows, secrets).await;
        exit = exit.max(judge(&verified));
        environments.verified = Some(verified);
    }
    if args.local || !args.forward.is_empty() {
        let mut forwards = given(&args.forward, facts, query)?;
        if args.local
            && let Some(cluster) = cluster
        {
            forwards.extend(running(cluster, facts));
        }
        environments.forwards = Some(forwards);
    }
    if let Some(format) = args.output.form.export() {
        export_one(&environments, args, facts, query, format, out)?;
        return Ok(exit);
    }
    let Some(form) = args.output.form.list() else { return Ok(exit) };
    let output = Output { form, watch: false, no_headers: args.output.no_headers };
    if let Some(nothing) = report::print(&environments, output, out)? {
        let _ = writeln!(io::stderr(), "{}", clean(&nothing));
    }
    out.flush()?;
    if matches!(args.output.form, EnvForm::Table | EnvForm::Wide) {
        for line in environments.summaries() {
            let _ = writeln!(io::stderr(), "{}", clean(&line));
        }
    }
    if environments.forwards.is_some() {
        for row in report::Report::rows(&environments) {
            tell_unmapped(&environments.local(&row));
        }
    }
    Ok(exit)
}

async fn verify_all(
    cluster: &Cluster,
    facts: &Facts,
    rows: &[ContainerEnvironment],
    secrets: Secrets<'_>,
) -> Verifications {
    stream::iter(rows)
        .map(|row| async move {
            let result = match facts.snapshot.pod(&row.pod.namespace, &row.pod.name) {
                Some(pod) => verify_one(cluster, pod, row, secrets).await,
                None => Err(Problem::default()),
            };
            ((row.pod.clone(), row.container.clone()), result)
        })
        .buffer_unordered(PARALLEL)
        .collect()
        .await
}

async fn verify_one(
    cluster: &Cluster,
    pod: &Pod,
    row: &ContainerEnvironment,
    secrets: Secrets<'_>,
) -> Result<Verification, Problem> {
    let Some(container) = pod.spec.container(&row.container) else { return Err(Problem::default()) };
    if !matches!(row.state, Some(ContainerState::Running(_))) {
        return Err(Problem {
            what: format!("container {} of pod {} can't be looked into", row.container, row.pod),
            why: format!("It is not running ({}).", row.state_word()),
            hint: String::new(),
        });
    }
    let place = Place { pod: &row.pod, container: &row.container };
    let printed = environment(cluster.client(), place, &Limits::default()).await;
    let printed = printed.map_err(|ExecError { error, .. }| problem(error))?;
    let actual = Actual::parse(&printed.text, printed.form, row);
    Ok(verify(row, container, &actual, secrets, printed.by))
}

fn problem(error: ApiError) -> Problem {
    let forbidden = matches!(error.kind, ApiErrorKind::Forbidden(_));
    let what = if forbidden { format!("forbidden: {}", error.what) } else { error.what };
    Problem { what, why: error.why, hint: error.hint }
}

/// What the result means for the exit code: a prediction that was wrong, or one that could not be checked.
fn judge(verified: &Verifications) -> Exit {
    let mut exit = Exit::Fine;
    for result in verified.values() {
        exit = exit.max(match result {
            Ok(result) if result.contradictions().next().is_some() => Exit::Problems,
            Ok(_) => Exit::Fine,
            Err(problem) if problem.what.starts_with("forbidden: ") => Exit::Forbidden,
            Err(_) => Exit::Problems,
        });
        if let Err(problem) = result {
            tell(&mut io::stderr(), "warning", problem);
        }
    }
    exit
}

/// The forwards that other kdisco processes run to this cluster. One to a pod stands for the Services that the pod is
/// behind.
fn running(cluster: &Cluster, facts: &Facts) -> Vec<Forward> {
    let Some(directory) = registry::directory(|name| std::env::var_os(name)) else { return vec![] };
    let server = cluster.client().target().server.to_string();
    let entries =
        registry::running(&directory).into_iter().filter(|entry| same_server(&entry.server, &server));
    let mut forwards = Vec::new();
    for entry in entries {
        let key = ObjectKey::new(entry.namespace, entry.name);
        let services = match entry.kind {
            registry::Target::Service => vec![(key, entry.port)],
            registry::Target::Pod => services_of_pod(&facts.snapshot, &key, entry.port),
        };
        forwards.extend(services.into_iter().map(|(service, port)| Forward {
            service,
            port,
            host: reachable(entry.local.ip()).to_string(),
            local_port: entry.local.port(),
        }));
    }
    forwards
}

/// A URL with and without the slash at its end is one.
fn same_server(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}

/// What listens on all addresses is reached by loopback.
fn reachable(listens: IpAddr) -> IpAddr {
    match listens {
        IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    }
}

/// `--forward SVC[:PORT]=HOST:PORT`, each with the Service's port, which is known where it has only one.
fn given(words: &[String], facts: &Facts, query: &Query) -> Result<Vec<Forward>, Failure> {
    let own = query.wishes.iter().find_map(|wish| wish.namespace.clone());
    let own = own.or_else(|| facts.scope.single().cloned()).unwrap_or_else(|| "default".into());
    words.iter().map(|word| one_given(word, &own, facts)).collect()
}

fn one_given(word: &str, own: &Text, facts: &Facts) -> Result<Forward, Failure> {
    let wrong = |why: String| {
        let hint = "Write it like mysql=127.0.0.1:13306, mysql:3306=localhost:13306 or shop/mysql:3306=….";
        Failure::new(Exit::Usage, format!("--forward {word} can't be used"), why, hint)
    };
    let form = || wrong("It has to be SERVICE[:PORT]=HOST:PORT.".to_owned());
    let (service, local) = word.split_once('=').ok_or_else(form)?;
    let (host, local_port) = local.rsplit_once(':').ok_or_else(form)?;
    let local_port: u16 = local_port.parse().ok().filter(|port| *port > 0).ok_or_else(form)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let (service, port) = match service.split_once(':') {
        Some((service, port)) => (service, Some(port)),
        None => (service, None),
    };
    let service = service.strip_prefix("svc/").or(service.strip_prefix("service/")).unwrap_or(service);
    let key = match service.split_once('/') {
        Some((namespace, name)) => ObjectKey::new(namespace, name),
        None => ObjectKey::new(own.clone(), service),
    };
    if host.is_empty() || key.name.is_empty() {
        return Err(form());
    }
    let Some(found) = facts.snapshot.service(&key) else {
        let names = facts.snapshot.services_in(&key.namespace).iter().map(|f| &*f.key().name);
        let near = nearest(&key.name, names).map(|near| format!(" Did you mean {near}?")).unwrap_or_default();
        return Err(wrong(format!("There is no Service {key}.{near}")));
    };
    let ports = &found.service.ports;
    let there = || ports.iter().map(|p| p.port.to_string()).collect::<Vec<_>>().join(", ");
    let port = match (port, &**ports) {
        (None, [only]) => only,
        (None, _) => return Err(wrong(format!("{key} has the ports {}; say which.", there()))),
        (Some(port), _) => ports
            .iter()
            .find(|p| p.port.to_string() == port || *p.name == *port)
            .ok_or_else(|| wrong(format!("{key} has no port {port}; it has {}.", there())))?,
    };
    let port = u16::try_from(port.port).map_err(|_| form())?;
    Ok(Forward { service: key, port, host: host.to_owned(), local_port })
}

/// Writes one container's environment in a form for other programs.
fn export_one(
    environments: &Environments<'_>,
    args: &EnvArgs,
    facts: &Facts,
    query: &Query,
    format: Format,
    out: &mut impl Write,
) -> Result<(), Stop> {
    let row = the_one(environments, args, facts, query)?;
    let local = environments.local(&row);
    let (pairs, mut left_out) = exportable(&row);
    let here = |(name, value)| (name, local.values.get(name).map_or(value, String::as_str));
    let export = export(pairs.into_iter().map(here), format);
    out.write_all(export.text.as_bytes())?;
    out.flush()?;
    left_out.extend(export.left_out);
    tell_left_out(&left_out);
    for unknown in row.unknowns() {
        let what = "the environment is not known as a whole".to_owned();
        tell(&mut io::stderr(), "warning", &Problem { what, why: unknown, hint: String::new() });
    }
    tell_unmapped(&local);
    Ok(())
}

/// The container whose environment is exported: a file holds one.
fn the_one(
    environments: &Environments<'_>,
    args: &EnvArgs,
    facts: &Facts,
    query: &Query,
) -> Result<ContainerEnvironment, Failure> {
    let mut pods = facts.pods(query);
    let Some(pod) = pods.next() else {
        let what = format!("no pod found {}", facts.where_());
        return Err(Failure::new(Exit::Problems, what, "", "Name one: kdisco env POD."));
    };
    if let Some(other) = pods.next() {
        return Err(Failure::new(
            Exit::Usage,
            "this form holds the environment of one container",
            format!("There are several pods: {}, {}, ….", pod.key.name, other.key.name),
            "Name one: kdisco env POD -c CONTAINER.",
        ));
    }
    let mut rows = report::Report::rows(environments);
    if args.container.is_none() {
        let names = |init: bool| {
            let all = pod.spec.containers.iter().filter(|c| is_init(c.role) == init);
            all.map(|c| &*c.name).collect::<Vec<_>>()
        };
        let (main, init) = (names(false), names(true));
        if main.len() > 1 {
            // kubectl: podcmd.FindOrDefaultContainerByName.
            let mut what = format!(
                "a container name must be specified for pod {}, choose one of: [{}]",
                pod.key.name,
                main.join(" ")
            );
            if !init.is_empty() {
                what = format!("{what} or one of the init containers: [{}]", init.join(" "));
            }
            return Err(Failure::new(Exit::Usage, what, "", "Give it with -c."));
        }
        rows.retain(|row| main.contains(&&*row.container));
    }
    rows.into_iter().next().ok_or_else(|| {
        let name = args.container.as_deref().unwrap_or_default();
        let there: Vec<&str> = pod.spec.containers.iter().map(|c| &*c.name).collect();
        Failure::new(
            Exit::Problems,
            format!("container {name} not found in pod {}", pod.key.name),
            format!("There are {}.", there.join(", ")),
            "",
        )
    })
}

fn is_init(role: ContainerRole) -> bool {
    matches!(role, ContainerRole::Init | ContainerRole::Sidecar)
}

/// Tells which variables are not in the text, by reason.
fn tell_left_out(left_out: &[LeftOut]) {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in left_out {
        by_reason.entry(one.why).or_default().push(&one.name);
    }
    for (why, names) in by_reason {
        let n = names.len();
        let what =
            if n == 1 { "1 variable is left out".to_owned() } else { format!("{n} variables are left out") };
        let problem = Problem { what, why: format!("{}: {why}.", some(&names)), hint: String::new() };
        tell(&mut io::stderr(), "warning", &problem);
    }
}

/// Tells what still leads into the cluster.
fn tell_unmapped(local: &Local) {
    for unmapped in &local.unmapped {
        let service = &unmapped.service;
        let port = unmapped.port.map_or(String::new(), |port| format!(" port {port}"));
        let names: Vec<&str> = unmapped.variables.iter().map(|name| &**name).collect();
        let wanted = unmapped.port.map_or(String::new(), |port| format!(" {port}"));
        let problem = Problem {
            what: format!("no forward to Service {service}{port} runs"),
            why: format!("It stays as it works in the cluster alone: {}.", some(&names)),
            hint: format!("Start one: kdisco forward -n {} svc/{}{wanted}", service.namespace, service.name),
        };
        tell(&mut io::stderr(), "warning", &problem);
    }
    for (name, port) in &local.ports_to_tell {
        let problem = Problem {
            what: format!("{name} is a host without a port"),
            why: format!("Here the port is {port}, and no variable beside it says so."),
            hint: "Tell the program the port.".to_owned(),
        };
        tell(&mut io::stderr(), "warning", &problem);
    }
}

/// The first names, and how many more there are.
fn some(names: &[&str]) -> String {
    let shown = names[..names.len().min(NAMES)].join(", ");
    if names.len() > NAMES { format!("{shown} and {} more", names.len() - NAMES) } else { shown }
}

/// Tells what is worth knowing about the environments that were listed, each thing once. Documents have all of it.
pub fn tell_findings(facts: &Facts, query: &Query, container: Option<&str>) {
    let environments = Environments::new(facts, query, container, false);
    let (mut told, mut more) = (Vec::new(), 0);
    for row in report::Report::rows(&environments) {
        let Some(pod) = facts.snapshot.pod(&row.pod.namespace, &row.pod.name) else { continue };
        for finding in findings(&row, pod) {
            // The table itself says what is absent or stale, and its reasons are in -o wide.
            let new =
                finding.severity != Severity::Info && !told.contains(&(finding.code, pod.owner.clone()));
            if !new {
                continue;
            }
            if told.len() == FINDINGS {
                more += 1;
                continue;
            }
            told.push((finding.code, pod.owner.clone()));
            let what = format!("{} ({})", finding.message, row.pod.name);
            let problem = Problem { what, why: finding.evidence.join("\n"), hint: finding.advice };
            tell(&mut io::stderr(), "warning", &problem);
        }
    }
    if more > 0 {
        let _ = writeln!(io::stderr(), "and {more} more findings; -o json has all of them");
    }
}
