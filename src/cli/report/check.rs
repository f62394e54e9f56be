//! `kdisco check` and `kdisco dns --health`: tables and documents.
//!
//! What it is not: it compares nothing.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::table::{Table, Widths};
use super::{API_VERSION, document};
use crate::cli::args::{Form, Output};
use crate::model::dns::changes::News;
use crate::model::dns::{Cluster, Comparison, DnsHealth, Metrics, Record, Verdict};
use crate::model::text::clean;

fn data(records: &[Record]) -> Vec<&str> {
    let mut data: Vec<&str> = records.iter().map(|r| &*r.data).collect();
    data.sort_unstable();
    data
}

/// One side in a cell.
fn cell(rcode: Option<&str>, records: &[Record]) -> String {
    if records.is_empty() {
        return match rcode {
            None => "?".to_owned(),
            Some("NOERROR") => "NODATA".to_owned(),
            Some(other) => other.to_owned(),
        };
    }
    data(records).join(",")
}

fn predicted(c: &Comparison) -> String {
    cell(c.predicted.rcode.map(crate::model::dns::Rcode::as_str), &c.predicted.answers)
}

fn live(c: &Comparison) -> String {
    match &c.live.reply {
        Ok(reply) => cell(Some(&reply.rcode.to_string()), &reply.answers),
        Err(_) => "?".to_owned(),
    }
}

fn records(records: &[Record]) -> Value {
    let one = |r: &Record| json!({ "name": r.name, "type": r.kind, "ttl": r.ttl, "data": r.data });
    records.iter().map(one).collect()
}

fn item(c: &Comparison) -> Value {
    let reply = c.live.reply.as_ref().ok();
    json!({
        "name": c.live.name,
        "type": c.live.kind,
        "predicted": records(&c.predicted.answers),
        "live": reply.map_or_else(|| json!([]), |r| records(&r.answers)),
        "verdict": c.verdict,
        "why": c.why,
        "code": c.cause.map(crate::model::dns::Cause::code),
        "predictedRcode": c.predicted.rcode,
        "liveRcode": reply.map(|r| r.rcode.to_string()),
        "server": c.live.server,
        "millis": c.live.took.map(|t| (t.as_secs_f64() * 1e6).round() / 1e3),
    })
}

fn document(kind: &str, context: Option<&str>, items: &Value) -> Value {
    json!({ "apiVersion": API_VERSION, "kind": kind, "context": context, "items": items })
}

fn write(document: &Value, form: Form, out: &mut impl Write) -> io::Result<()> {
    if form == Form::Yaml {
        return document::yaml(document, out);
    }
    document::json(document, out)
}

fn table<'a>(all: impl IntoIterator<Item = &'a Comparison>, headings: bool) -> String {
    let mut table = Table::default();
    if headings {
        table.push(["VERDICT", "NAME", "TYPE", "PREDICTED", "LIVE", "WHY"]);
    }
    for c in all {
        table.push([
            c.verdict.to_string(),
            c.live.name.clone(),
            c.live.kind.to_string(),
            predicted(c),
            live(c),
            c.why.clone().unwrap_or_default(),
        ]);
    }
    table.lay_out(&mut Widths::default())
}

/// Prints a whole check: in the table what is not equal (all of it with `-o wide`), then the sum.
///
/// # Errors
/// Those of the output.
pub fn print(
    all: &[Comparison],
    context: Option<&str>,
    took: Duration,
    output: Output,
    out: &mut impl Write,
) -> io::Result<()> {
    if output.form.is_document() {
        return write(&document("CheckList", context, &all.iter().map(item).collect()), output.form, out);
    }
    if output.form == Form::Name {
        for c in all.iter().filter(|c| c.verdict != Verdict::Equal) {
            writeln!(out, "{}", clean(&c.live.name))?;
        }
        return Ok(());
    }
    let shown: Vec<&Comparison> =
        all.iter().filter(|c| output.form == Form::Wide || c.verdict != Verdict::Equal).collect();
    if !shown.is_empty() {
        out.write_all(table(shown, !output.no_headers).as_bytes())?;
    }
    writeln!(out, ";; {}", clean(&sum(all, took)))
}

fn count(all: &[Comparison], verdict: Verdict) -> usize {
    all.iter().filter(|c| c.verdict == verdict).count()
}

fn sum(all: &[Comparison], took: Duration) -> String {
    let mut servers: Vec<&str> = Vec::new();
    for server in all.iter().filter_map(|c| c.live.server.as_deref()) {
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    let counts = [Verdict::Equal, Verdict::Different, Verdict::Unverifiable]
        .map(|verdict| format!("{} {verdict}", count(all, verdict)));
    let servers = if servers.is_empty() { "nobody".to_owned() } else { servers.join(" and ") };
    format!("{} questions to {servers} in {:.2} s: {}", all.len(), took.as_secs_f64(), counts.join(", "))
}

/// Says what a watch watches.
///
/// # Errors
/// Those of the output.
pub fn watching(all: usize, output: Output, out: &mut impl Write) -> io::Result<()> {
    if output.form.is_document() || output.form == Form::Name {
        return Ok(());
    }
    writeln!(out, ";; {all} questions; what is not equal, and from now on what changes")
}

/// How wide a cell of records may be in a watch: one long list must not push all that follows off the screen.
const LONGEST: usize = 64;

/// The first records of a long cell, and how many more there are.
fn brief(cell: String) -> String {
    if cell.len() <= LONGEST {
        return cell;
    }
    let all: Vec<&str> = cell.split(',').collect();
    let mut shown = all[0].to_owned();
    let more = all[1..].iter().take_while(|one| {
        let fits = shown.len() + one.len() < LONGEST;
        if fits {
            shown.push(',');
            shown.push_str(one);
        }
        fits
    });
    match all.len() - 1 - more.count() {
        0 => shown,
        left => format!("{shown} +{left}"),
    }
}

/// Columns of a watch, as wide as its words.
pub fn widths() -> Widths {
    let (mut table, mut widths) = (Table::default(), Widths::default());
    table.push(["changed", "unverifiable", "", "AAAA", "", "", ""]);
    table.lay_out(&mut widths);
    widths
}

/// Prints what a watch has to tell: a line each, or in JSON a document each. `headings`: above them.
///
/// # Errors
/// Those of the output.
pub fn news(
    all: &[News],
    headings: bool,
    context: Option<&str>,
    output: Output,
    widths: &mut Widths,
    out: &mut impl Write,
) -> io::Result<()> {
    if output.form.is_document() {
        for one in all {
            let mut item = item(&one.now);
            item["change"] = json!(one.change);
            item["before"] = json!(one.before);
            document::json_line(&document("CheckList", context, &json!([item])), out)?;
        }
        return Ok(());
    }
    if output.form == Form::Name {
        return all.iter().try_for_each(|one| writeln!(out, "{}", clean(&one.now.live.name)));
    }
    let mut table = Table::default();
    if headings && !output.no_headers {
        table.push(["CHANGE", "VERDICT", "NAME", "TYPE", "PREDICTED", "LIVE", "WHY"]);
    }
    for News { change, before, now } in all {
        let was = before.filter(|before| *before != now.verdict).map(|before| format!("was {before}"));
        let why: Vec<String> = was.into_iter().chain(now.why.clone()).collect();
        table.push([
            change.as_str().to_owned(),
            now.verdict.to_string(),
            now.live.name.clone(),
            now.live.kind.to_string(),
            brief(predicted(now)),
            brief(live(now)),
            why.join("; "),
        ]);
    }
    table.write(widths, out)
}

fn per_cent(part: Option<f64>) -> String {
    part.map_or_else(|| "-".to_owned(), |p| format!("{:.1}%", p * 100.0))
}

fn millis(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), |s| format!("{:.2} ms", s * 1e3))
}

fn numbers(m: &Metrics) -> Value {
    json!({
        "version": m.version,
        "requests": m.requests,
        "responses": m.responses,
        "servfailShare": m.share("SERVFAIL"),
        "meanSeconds": m.mean_seconds(),
        "p99Seconds": m.within_seconds(0.99),
        "cacheHitShare": m.cache_share(),
        "panics": m.panics,
        "upstreamsBroken": m.upstreams_broken,
    })
}

/// Prints the state of the cluster's DNS.
///
/// # Errors
/// Those of the output.
pub fn health(
    health: &DnsHealth,
    cluster: &Cluster,
    context: Option<&str>,
    form: Form,
    out: &mut impl Write,
) -> io::Result<()> {
    let metrics = |name: &str| health.metrics.get(name);
    if form.is_document() {
        let items = health.servers.iter().map(|s| {
            let told = metrics(&s.pod.name);
            json!({
                "namespace": s.pod.namespace,
                "pod": s.pod.name,
                "software": s.software.to_string(),
                "version": s.version,
                "ready": s.ready,
                "restarts": s.restarts,
                "state": s.state,
                "node": s.node,
                "metrics": told.and_then(|m| m.as_ref().ok()).map(numbers),
                "metricsError": told.and_then(|m| m.as_ref().err()),
            })
        });
        let mut document = document("DnsHealth", context, &items.collect());
        let domain = cluster.domain();
        document["clusterDomain"] = json!({ "name": domain.text(), "how": domain.how.to_string() });
        document["corefile"] = json!({ "configMap": health.corefile, "notUnderstood": health.oddities });
        document["nodeLocal"] =
            json!(health.node_local.map(|(ready, total)| json!({ "ready": ready, "total": total })));
        document["unknown"] = json!(health.unknown);
        document["findings"] = json!(health.findings());
        return write(&document, form, out);
    }
    let mut table = Table::default();
    table.push([
        "POD", "READY", "STATE", "RESTARTS", "SOFTWARE", "VERSION", "REQUESTS", "SERVFAIL", "MEAN", "P99",
        "CACHE",
    ]);
    for s in &health.servers {
        let m = metrics(&s.pod.name).and_then(|m| m.as_ref().ok());
        table.push([
            s.pod.name.to_string(),
            if s.ready { "yes" } else { "no" }.to_owned(),
            s.state.to_string(),
            s.restarts.to_string(),
            s.software.to_string(),
            m.and_then(|m| m.version.as_deref()).or(s.version.as_deref()).unwrap_or("-").to_owned(),
            m.map_or_else(|| "-".to_owned(), |m| format!("{:.0}", m.requests)),
            per_cent(m.and_then(|m| m.share("SERVFAIL"))),
            millis(m.and_then(Metrics::mean_seconds)),
            millis(m.and_then(|m| m.within_seconds(0.99))),
            per_cent(m.and_then(Metrics::cache_share)),
        ]);
    }
    if health.servers.is_empty() {
        let why = health.unknown.as_deref().unwrap_or("no pod serves DNS in kube-system");
        writeln!(out, "{}", clean(why))?;
    } else {
        table.write(&mut Widths::default(), out)?;
    }
    let domain = cluster.domain();
    writeln!(out, ";; cluster domain {} ({})", clean(domain.text()), clean(&domain.how.to_string()))?;
    match &health.corefile {
        Some(key) => writeln!(out, ";; Corefile: ConfigMap {}", clean(&key.to_string()))?,
        None => writeln!(out, ";; Corefile: could not be read; kubeadm's is assumed")?,
    }
    let unread = health.metrics.values().find_map(|m| m.as_ref().err());
    let lines = health.oddities.iter().map(|o| format!("not understood: {o}"));
    let lines = lines.chain(health.notes()).chain(unread.map(|e| format!("no metrics: {e}")));
    for line in lines {
        writeln!(out, ";; {}", clean(&line))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_cells_tell_how_much_they_leave_out() {
        assert_eq!(brief("10.0.0.1,10.0.0.2".to_owned()), "10.0.0.1,10.0.0.2");
        let many: Vec<String> = (10..30).map(|i| format!("10.244.0.{i}")).collect();
        let cell = brief(many.join(","));
        assert!(cell.starts_with("10.244.0.10,10.244.0.11,") && cell.ends_with(" +15"), "{cell}");
        let long = "x".repeat(100);
        assert_eq!(brief(long.clone()), long, "one record is never cut");
    }
}
