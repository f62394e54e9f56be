//! The Detail page of the DNS pane: the pods that serve the cluster's DNS, how they are, and what they count.

use crate::app::App;
use crate::config::theme::Role;
use crate::model::dns::{DnsHealth, Metrics};

use super::{Page, or_none};
use crate::ui::pane;
use crate::ui::widgets::pen::Pen;
use crate::ui::widgets::spans::Spans;

/// All about the cluster's DNS. The title.
pub(super) fn servers(pen: &Pen<'_>, app: &App, page: &mut Page) -> String {
    let health = &app.dns_health;
    let domain = &app.panes.domain;
    page.field("Cluster domain", format!("{}, {}", domain.text(), domain.how));
    page.field(
        "Corefile",
        health.corefile.as_ref().map_or_else(
            || "could not be read: the usual settings are assumed".to_owned(),
            |key| format!("ConfigMap {key}"),
        ),
    );
    for oddity in &health.oddities {
        page.field("Not understood", oddity);
    }
    for note in health.notes() {
        page.field("Note", note);
    }
    if let Some(why) = &health.unknown {
        page.field("Servers", why);
    }
    if !health.servers.is_empty() {
        page.heading(&format!("Servers, {} of {} ready", health.ready(), health.servers.len()));
        let rows: Vec<_> = health
            .servers
            .iter()
            .map(|server| {
                vec![
                    server.pod.name.to_string(),
                    if server.ready { "ready".to_owned() } else { server.state.to_string() },
                    server.restarts.to_string(),
                    format!("{} {}", server.software, server.version.as_deref().unwrap_or("")),
                    or_none(server.node.to_string()),
                ]
            })
            .collect();
        page.table(&["NAME", "STATE", "RESTARTS", "RUNS", "NODE"], &rows);
    }
    metrics(page, health);
    let findings = health.findings();
    if !findings.is_empty() {
        page.heading("Findings");
        let lines = pane::findings(pen, &findings, page.columns);
        page.lines.extend(lines);
    }
    "The cluster's DNS".to_owned()
}

fn metrics(page: &mut Page, health: &DnsHealth) {
    if health.metrics.is_empty() {
        return;
    }
    page.heading("What they count, since their start");
    let mut rows = Vec::new();
    for (pod, told) in &health.metrics {
        match told {
            Ok(metrics) => rows.push(row(pod, metrics)),
            Err(why) => page.line(Spans::of(Role::Dim, format!("  {pod}: {why}"))),
        }
    }
    if !rows.is_empty() {
        page.table(&["NAME", "REQUESTS", "NXDOMAIN", "SERVFAIL", "CACHE HITS", "MEAN", "99 % WITHIN"], &rows);
    }
}

fn row(pod: &str, metrics: &Metrics) -> Vec<String> {
    let share = |part: Option<f64>| part.map_or_else(|| "?".to_owned(), |p| format!("{:.1} %", p * 100.0));
    let time =
        |seconds: Option<f64>| seconds.map_or_else(|| "?".to_owned(), |s| format!("{:.1} ms", s * 1000.0));
    vec![
        pod.to_owned(),
        format!("{:.0}", metrics.requests),
        share(metrics.share("NXDOMAIN")),
        share(metrics.share("SERVFAIL")),
        share(metrics.cache_share()),
        time(metrics.mean_seconds()),
        time(metrics.within_seconds(0.99)),
    ]
}
