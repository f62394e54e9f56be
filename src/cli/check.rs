//! `kdisco check`: what the cluster's DNS says against what the API's objects make it say; `kdisco dns --health`.
//!
//! What it is not: the comparison is `model::dns::compare`'s, the questions go out through `runtime::live`.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use futures_util::StreamExt;

use super::args::dns::Check;
use super::args::{Explore, Origin, Output};
use super::explore::start_demo;
use super::facts::Facts;
use super::failure::{Exit, Failure, Stop, tell};
use super::list::List;
use super::live::{Cluster, failed};
use super::names::Query;
use super::report::check as report;
use super::resolve::live::{no_way, which};
use super::wait::wait_for;
use crate::app::Problem;
use crate::dns::resolver::Limits;
use crate::model::dns::changes::Changes;
use crate::model::dns::{self, Comparison, DnsHealth, RecordType, Verdict};
use crate::model::{Kind, NamespaceScope, ObjectKey};
use crate::runtime::live::{self, LiveDns};

/// A difference is looked at once more after so long: the API server and CoreDNS see a change at different moments.
const SETTLES: Duration = Duration::from_secs(2);
/// A watch asks everything again after so long, or after so many times as long as asking takes: servers change by
/// themselves too.
const EVERY: (Duration, u32) = (Duration::from_secs(10), 20);
/// It asks again after so long what the server may not have seen yet, and so often at most when objects change.
const SOON: Duration = Duration::from_millis(250);

/// Runs the command.
///
/// # Errors
/// No cluster, no right, no way to a server, a closed output.
pub(super) fn run(explore: &Explore, check: &Check, out: &mut impl Write) -> Result<Exit, Stop> {
    let query = Query::new(explore, &check.names, &[Kind::Service, Kind::Pod])?;
    wait_for(with_cluster(explore, &query, async |cluster| {
        let scope = query.namespaces(cluster.namespace());
        let work = Work { cluster, check, query: &query, scope };
        if check.output.watch { work.watch(out).await } else { work.once(out).await }
    }))
}

/// Runs `kdisco dns --health`.
///
/// # Errors
/// As [`run`], a way to a server not needed.
pub(super) fn health(explore: &Explore, output: Output, out: &mut impl Write) -> Result<Exit, Stop> {
    let query = Query::all(explore);
    wait_for(with_cluster(explore, &query, async |cluster| {
        let snapshot = live::surroundings(cluster.client(), &[]).await.map_err(failed)?;
        let facts = cluster.facts_of(snapshot);
        let around = dns::Cluster::new(&facts.snapshot);
        let health = live::health(cluster.client(), &facts.snapshot, &around).await;
        report::health(&health, &around, facts.context.as_deref(), output.form, out)?;
        let findings = health.findings();
        for f in &findings {
            let problem =
                Problem { what: f.message.clone(), why: f.evidence.join("\n"), hint: f.advice.clone() };
            tell(&mut io::stderr(), "problem", &problem);
        }
        Ok(match () {
            () if health.unknown.is_some() => Exit::Forbidden,
            () if findings.is_empty() => Exit::Fine,
            () => Exit::Problems,
        })
    }))
}

/// Opens the cluster (or the demo) for a command that asks it live.
async fn with_cluster(
    explore: &Explore,
    query: &Query,
    work: impl AsyncFnOnce(&Cluster) -> Result<Exit, Stop>,
) -> Result<Exit, Stop> {
    // Kept until the end: dropping it stops the demo cluster and removes its files.
    let demo = match explore.origin() {
        Origin::Objects(_) => {
            let (what, why) = ("a saved file can't be asked", "There is no server behind it.");
            return Err(Failure::new(Exit::Usage, what, why, "Leave out --objects.").into());
        }
        Origin::Demo(scale) => Some(start_demo(scale.map(|s| (s.services, s.pods))).await?),
        Origin::Cluster => None,
    };
    let kubeconfig = demo.as_ref().map(|demo| demo.kubeconfig().to_owned());
    let all = async {
        let cluster = Cluster::open(explore, kubeconfig, query).await?;
        work(&cluster).await
    };
    tokio::select! {
        result = all => result,
        // Ends a watch as it should, and everything else without leaving anything behind.
        _ = tokio::signal::ctrl_c() => Ok(Exit::Fine),
    }
}

struct Work<'a> {
    cluster: &'a Cluster,
    check: &'a Check,
    query: &'a Query,
    scope: NamespaceScope,
}

impl Work<'_> {
    async fn server(&self, facts: &Facts) -> Result<(LiveDns, DnsHealth), Failure> {
        let around = dns::Cluster::new(&facts.snapshot);
        let mut health = DnsHealth::of(&facts.snapshot, &around);
        if health.servers.is_empty() {
            // The pods of kube-system need not be among those that are checked.
            let snapshot = live::surroundings(self.cluster.client(), &[]).await.map_err(failed)?;
            health = DnsHealth::of(&snapshot, &dns::Cluster::new(&snapshot));
        }
        let limits = Limits { question: self.check.timeout, ..Limits::default() };
        let which = which(self.check.dns_pod.as_deref());
        let live = LiveDns::open(self.cluster.client(), &health, &which, limits).await;
        Ok((live.map_err(no_way)?, health))
    }

    /// The questions about what was named, on these facts.
    fn questions(&self, facts: &Facts, cluster: &dns::Cluster) -> Vec<(String, RecordType)> {
        let snapshot = &facts.snapshot;
        let services = snapshot.services.iter().map(|f| &**f);
        let wanted =
            services.filter(|f| self.query.wants(&self.scope, Kind::Service, f.key(), &f.service.labels));
        let pods = snapshot.pods.values().flat_map(|pods| pods.iter()).map(|p| &**p);
        let pods = pods.filter(|p| !p.finished());
        let pods = pods.filter(|p| self.query.wants(&self.scope, Kind::Pod, &p.key, &p.labels));
        cluster.check_questions(wanted, pods)
    }

    async fn compare(
        server: &LiveDns,
        cluster: &dns::Cluster,
        questions: Vec<(String, RecordType)>,
    ) -> Vec<Comparison> {
        let steps = server.ask_all(questions);
        steps.flat_map(futures_util::stream::iter).map(|step| cluster.compare(step)).collect().await
    }

    /// Everything once; what differs once more, with newer facts.
    async fn round(&self, server: &LiveDns, facts: Facts) -> Result<(Vec<Comparison>, Facts), Failure> {
        let cluster = dns::Cluster::new(&facts.snapshot);
        let mut all = Self::compare(server, &cluster, self.questions(&facts, &cluster)).await;
        let odd = |c: &Comparison| c.verdict == Verdict::Different;
        if !all.iter().any(odd) {
            return Ok((all, facts));
        }
        tokio::time::sleep(SETTLES).await;
        let facts = self.cluster.world(&[]).await?;
        let cluster = dns::Cluster::new(&facts.snapshot);
        let again: Vec<(String, RecordType)> =
            all.iter().filter(|c| odd(c)).map(|c| (c.live.name.clone(), c.live.kind)).collect();
        let mut newer: HashMap<_, _> = Self::compare(server, &cluster, again)
            .await
            .into_iter()
            .map(|c| ((c.live.name.clone(), c.live.kind, c.live.server.clone()), c))
            .collect();
        for one in all.iter_mut().filter(|c| odd(c)) {
            if let Some(new) = newer.remove(&(one.live.name.clone(), one.live.kind, one.live.server.clone()))
            {
                *one = new;
            }
        }
        Ok((all, facts))
    }

    async fn once(&self, out: &mut impl Write) -> Result<Exit, Stop> {
        let facts = self.cluster.world(&[]).await?;
        let (server, health) = self.server(&facts).await?;
        let start = Instant::now();
        let (all, facts) = self.round(&server, facts).await?;
        for warning in &facts.warnings {
            tell(&mut io::stderr(), "warning", warning);
        }
        for what in health.notes() {
            tell(&mut io::stderr(), "note", &Problem { what, ..Problem::default() });
        }
        let took = start.elapsed();
        report::print(&all, facts.context.as_deref(), took, self.check.output, out)?;
        out.flush()?;
        // A name that is mistyped must not pass as one that is fine.
        let facts = Facts { scope: self.scope.clone(), ..facts };
        let missing = List::Dns.tell_missing(&facts, self.query);
        Ok(match exit(&all, &facts) {
            Exit::Fine if missing => Exit::Problems,
            other => other,
        })
    }

    /// Follows the objects, and asks what they change; now and then everything. Only what changed is told.
    async fn watch(&self, out: &mut impl Write) -> Result<Exit, Stop> {
        let mut following = self.cluster.follow_world();
        let (mut facts, _) = following.next().await?;
        for warning in &facts.warnings {
            tell(&mut io::stderr(), "warning", warning);
        }
        // What is named may come to be later: that is what one waits for.
        facts.scope = self.scope.clone();
        List::Dns.tell_missing(&facts, self.query);
        let (mut server, mut health) = self.server(&facts).await?;
        let mut cluster = dns::Cluster::new(&facts.snapshot);
        let mut changes = Changes::new(SETTLES, self.check.dns_pod.as_deref() == Some("all"));
        let start = Instant::now();
        let mut due = changes.expect(&cluster, self.questions(&facts, &cluster));
        let (mut silent, mut pause, mut first) = (false, EVERY.0, true);
        let mut all_at = tokio::time::Instant::now() + pause;
        let (mut widths, mut headings) = (report::widths(), true);
        loop {
            let begun = Instant::now();
            let (count, all) = (due.len(), Self::compare(&server, &cluster, due).await);
            let lost = all.first().and_then(|c| c.live.reply.as_ref().err()).cloned();
            let none = lost.filter(|_| all.iter().all(|c| c.live.reply.is_err()));
            if let Some(why) = &none {
                // One server that is gone is one piece of news, not one for each name.
                if !silent {
                    let what = "the DNS server does not answer".to_owned();
                    let hint = "It is asked again.".to_owned();
                    tell(&mut io::stderr(), "warning", &Problem { what, why: why.to_string(), hint });
                }
                all_at = tokio::time::Instant::now() + SETTLES;
            } else {
                if first {
                    report::watching(count, self.check.output, out)?;
                }
                let news = changes.heard(all, start.elapsed());
                let context = facts.context.as_deref();
                if !news.is_empty() {
                    report::news(&news, headings, context, self.check.output, &mut widths, out)?;
                    headings = false;
                }
                out.flush()?;
                first = false;
            }
            if count > 0 {
                silent = none.is_some();
            }
            if count == changes.all().len() {
                pause = EVERY.0.max(begun.elapsed() * EVERY.1);
            }
            tokio::time::sleep(SOON).await;
            let soon = tokio::time::Instant::now() + SOON;
            let at = if changes.unsettled().is_empty() || silent { all_at } else { all_at.min(soon) };
            tokio::select! {
                next = following.next() => {
                    let lost;
                    (facts, lost) = next?;
                    if let Some(lost) = lost {
                        tell(&mut io::stderr(), "warning", &lost);
                    }
                    cluster = dns::Cluster::new(&facts.snapshot);
                    due = changes.expect(&cluster, self.questions(&facts, &cluster));
                    due.extend(changes.unsettled());
                    // Other pods serve DNS now: the old ones may be gone.
                    let now = DnsHealth::of(&facts.snapshot, &cluster);
                    let others = ready(&now) != ready(&health) && now.ready() > 0;
                    if (silent || others)
                        && let Ok((other, now)) = self.server(&facts).await
                    {
                        (server, health) = (other, now);
                    }
                }
                () = tokio::time::sleep_until(at) => {
                    if at < all_at {
                        due = changes.unsettled();
                        continue;
                    }
                    if silent && let Ok((other, now)) = self.server(&facts).await {
                        (server, health) = (other, now);
                    }
                    following.read_settings_again();
                    due = changes.all();
                    all_at = tokio::time::Instant::now() + pause;
                }
            }
        }
    }
}

/// The pods that are ready to be asked.
fn ready(health: &DnsHealth) -> Vec<&ObjectKey> {
    health.servers.iter().filter(|s| s.ready).map(|s| &s.pod).collect()
}

fn exit(all: &[Comparison], facts: &Facts) -> Exit {
    let any = |verdict| all.iter().any(|c| c.verdict == verdict);
    let silent = !all.is_empty() && all.iter().all(|c| c.live.reply.is_err());
    match () {
        () if silent => Exit::Unreachable,
        () if any(Verdict::Different) => Exit::Problems,
        () => facts.exit,
    }
}
