//! `kdisco resolve`, live: the cluster's own DNS server asked, for one name or for many.
//!
//! What it is not: the client is `dns`', the way to the server `runtime`'s.

use std::io::{self, Write};

use futures_util::StreamExt;
use futures_util::stream;

use super::{Wanted, find_pod, refused};
use crate::app::Problem;
use crate::cli::args::dns::Resolve;
use crate::cli::facts::Facts;
use crate::cli::failure::{Exit, Failure, Stop, tell};
use crate::cli::live::{Cluster, failed};
use crate::cli::report::lookup::{self, Around};
use crate::cluster::{ApiError, ApiErrorKind};
use crate::dns::resolver::{Limits, Place};
use crate::model::Text;
use crate::model::dns::{self, Code, DnsHealth, LiveFailure, LiveLookup, Mode, Name};
use crate::runtime::live::{self, LiveDns, Which};

/// Which servers a command line names.
pub(in crate::cli) fn which(pod: Option<&str>) -> Which {
    match pod {
        None => Which::Best,
        Some("all") => Which::All,
        Some(pod) => Which::Pod(pod.strip_prefix("pod/").unwrap_or(pod).into()),
    }
}

/// Asks and prints.
///
/// # Errors
/// No way to a server, no such pod, a closed output.
pub(super) async fn run(
    cluster: &Cluster,
    resolve: &Resolve,
    wanted: &[Wanted],
    own: &str,
    out: &mut impl Write,
) -> Result<Exit, Stop> {
    let mut namespaces = super::namespaces(wanted);
    let unsaid = wanted.iter().any(|w| matches!(&w.from, Some((None, _))));
    namespaces.extend(unsaid.then(|| Text::from(own)));
    let snapshot = live::surroundings(cluster.client(), &namespaces).await.map_err(failed)?;
    let facts = cluster.facts_of(snapshot);
    let around = dns::Cluster::new(&facts.snapshot);
    let health = DnsHealth::of(&facts.snapshot, &around);
    let window = window(wanted, &around.zone().domain);
    let limits = Limits { question: resolve.timeout, window, ..Limits::default() };
    let server = LiveDns::open(cluster.client(), &health, &which(resolve.dns_pod.as_deref()), limits).await;
    let server = server.map_err(no_way)?;
    let warnings: Vec<Problem> =
        health.notes().into_iter().map(|what| Problem { what, ..Problem::default() }).collect();
    for warning in &warnings {
        tell(&mut io::stderr(), "note", warning);
    }
    let place = |wanted: &Wanted| place(&facts, &around, wanted, own);
    let mut exit = Exit::Fine;
    if resolve.batch.is_some() {
        let answers = stream::iter(wanted).enumerate().map(|(number, wanted)| {
            let (server, found) = (server.clone(), place(wanted));
            async move {
                match found {
                    Err(failure) => vec![refused(wanted, Mode::Live, &failure)],
                    Ok(found) => ask(&server, number, wanted, found.as_ref()).await,
                }
            }
        });
        let (mut answers, mut reached) = (std::pin::pin!(answers.buffered(server.window())), false);
        while let Some(lookups) = answers.next().await {
            for lookup in &lookups {
                // One name that nobody answers does not make the cluster unreachable; all of them do.
                let one = code(lookup);
                reached |= one != Exit::Unreachable;
                exit = exit.max(one);
                lookup::line(lookup, out)?;
            }
        }
        return Ok(if reached { exit.min(Exit::Problems) } else { exit });
    }
    let mut lookups = Vec::new();
    for wanted in wanted {
        lookups.extend(ask(&server, 0, wanted, place(wanted)?.as_ref()).await);
    }
    let around = Around { context: facts.context.as_deref(), warnings: &warnings };
    lookup::print(&lookups, resolve.output.form, resolve.trace, &around, out)?;
    if let Some(problem) = disagree(&lookups) {
        tell(&mut io::stderr(), "warning", &problem);
        exit = Exit::Problems;
    }
    Ok(lookups.iter().map(code).fold(exit, Exit::max))
}

/// So many questions of a batch may be under way at once when the cluster's server answers all of them itself. Fewer
/// than it passes on at once where it does (`forward … max_concurrent 1000` in kubeadm's Corefile), should it do so
/// after all.
const OWN: usize = 960;

/// How many questions of a batch are under way at once.
fn window(wanted: &[Wanted], domain: &Name) -> usize {
    let own = |wanted: &Wanted| {
        wanted.from.is_none()
            && !domain.is_empty()
            && Name::parse(&wanted.question.name).is_ok_and(|name| name.is_under(domain))
    };
    if wanted.iter().all(own) { OWN } else { Limits::default().window }
}

/// Where a question is asked from, with what is to be said about it.
type From = Option<(Place, Option<String>)>;

fn place(facts: &Facts, cluster: &dns::Cluster, wanted: &Wanted, own: &str) -> Result<From, Failure> {
    let Some((namespace, name)) = &wanted.from else { return Ok(None) };
    let pod = find_pod(facts, namespace.as_deref(), name, Some(own))?;
    Ok(Some(live::place(cluster, pod)))
}

/// Asks the question of a number in a batch.
async fn ask(
    server: &LiveDns,
    number: usize,
    wanted: &Wanted,
    from: Option<&(Place, Option<String>)>,
) -> Vec<LiveLookup> {
    let place = from.map(|(place, _)| place);
    let mut lookups = server.lookup_of(number, &wanted.question, place, wanted.libc).await;
    for lookup in &mut lookups {
        if let Some((_, Some(note))) = from {
            lookup.outcome.caveat = Some(note.clone());
        }
    }
    lookups.into_iter().map(LiveLookup::noted).collect()
}

/// The exit code of one look-up.
fn code(lookup: &LiveLookup) -> Exit {
    let silent = |f: &LiveFailure| matches!(f, LiveFailure::Timeout(_) | LiveFailure::Lost(_));
    let all_silent =
        !lookup.steps.is_empty() && lookup.steps.iter().all(|s| s.reply.as_ref().is_err_and(silent));
    match () {
        () if lookup.found() => Exit::Fine,
        () if all_silent || lookup.outcome.rcode == Some(Code::Timeout) => Exit::Unreachable,
        () => Exit::Problems,
    }
}

/// What several servers say differently.
fn disagree(lookups: &[LiveLookup]) -> Option<Problem> {
    let said = |l: &LiveLookup| {
        let mut data: Vec<&str> = l.outcome.answers.iter().map(|r| &*r.data).collect();
        data.sort_unstable();
        (l.outcome.rcode, data.join(" "), l.outcome.addresses.clone())
    };
    let first = said(lookups.first()?);
    lookups.iter().any(|l| said(l) != first).then(|| Problem {
        what: "the servers do not say the same".to_owned(),
        why: "Each has its own cache, and its own watch of the cluster's objects.".to_owned(),
        hint: "Ask again in a few seconds; kdisco dns --health shows how they are.".to_owned(),
    })
}

/// No way to a server: what else can be done belongs to it.
pub(in crate::cli) fn no_way(mut error: ApiError) -> Failure {
    if matches!(error.kind, ApiErrorKind::Forbidden(_)) {
        let others =
            "without it: --via exec --from POD asks by a command in a pod, --predict computes the answer";
        error.hint = format!("{}\n{others}", error.hint);
    }
    failed(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dns::{Libc, Question};

    #[test]
    fn many_are_under_way_only_where_the_cluster_answers_itself() {
        let wanted = |name: &str, from: bool| Wanted {
            question: Question { name: name.to_owned(), kind: None },
            from: from.then(|| (None, "web-0".into())),
            libc: Libc::Glibc,
        };
        let domain = Name::parse("cluster.local").unwrap();
        let own = wanted("a.b.SVC.cluster.local.", false);
        let few = Limits::default().window;
        assert!(few < OWN && OWN < 1000);
        assert_eq!(window(std::slice::from_ref(&own), &domain), OWN);
        assert_eq!(window(&[own.clone(), wanted("example.com.", false)], &domain), few);
        assert_eq!(window(&[wanted("a.b", true)], &domain), few);
        assert_eq!(window(&[own], &Name::parse(".").unwrap()), few);
    }
}
