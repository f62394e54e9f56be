//! `kdisco resolve`: a look-up as a table with its trace, and as an item of a document.
//!
//! What it is not: it asks and computes nothing.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

use super::table::{Table, Widths};
use super::{API_VERSION, document};
use crate::app::Problem;
use crate::cli::args::Form;
use crate::model::ObjectKey;
use crate::model::dns::{Code, Libc, LiveFailure, LiveLookup, LiveStep, Mode, Question, Record, RecordType};
use crate::model::text::clean;

/// One look-up in a document.
#[derive(Debug, Serialize)]
struct Item<'a> {
    question: &'a Question,
    from: Option<From<'a>>,
    libc: Libc,
    mode: Mode,
    steps: Vec<Step<'a>>,
    outcome: Outcome<'a>,
}

#[derive(Debug, Serialize)]
struct From<'a> {
    namespace: &'a str,
    pod: &'a str,
}

#[derive(Debug, Serialize)]
struct Step<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: RecordType,
    rcode: Option<Code>,
    answers: Vec<Data<'a>>,
    soa: Option<Data<'a>>,
    server: Option<&'a str>,
    millis: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Data<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: RecordType,
    ttl: u32,
    #[serde(rename = "data")]
    text: &'a str,
}

#[derive(Debug, Serialize)]
struct Outcome<'a> {
    rcode: Option<Code>,
    addresses: &'a [std::net::IpAddr],
    answers: Vec<Data<'a>>,
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caveat: Option<&'a str>,
}

impl<'a> Data<'a> {
    fn of(record: &'a Record) -> Self {
        Self { name: &record.name, kind: record.kind, ttl: record.ttl, text: &record.data }
    }

    fn all(records: &'a [Record]) -> Vec<Self> {
        records.iter().map(Self::of).collect()
    }
}

impl<'a> Item<'a> {
    fn of(lookup: &'a LiveLookup) -> Self {
        let from = |key: &'a ObjectKey| From { namespace: &key.namespace, pod: &key.name };
        let outcome = &lookup.outcome;
        Self {
            question: &lookup.question,
            from: lookup.from.as_ref().map(from),
            libc: lookup.libc,
            mode: lookup.mode,
            steps: lookup.steps.iter().map(Step::of).collect(),
            outcome: Outcome {
                rcode: outcome.rcode,
                addresses: &outcome.addresses,
                answers: Data::all(&outcome.answers),
                error: outcome.error.as_deref().or(outcome.undetermined.as_deref()),
                caveat: outcome.caveat.as_deref(),
            },
        }
    }
}

impl<'a> Step<'a> {
    fn of(step: &'a LiveStep) -> Self {
        let reply = step.reply.as_ref().ok();
        Self {
            name: &step.name,
            kind: step.kind,
            rcode: rcode(step),
            answers: reply.map(|r| Data::all(&r.answers)).unwrap_or_default(),
            soa: reply.and_then(|r| r.authority.as_ref()).map(Data::of),
            server: step.server.as_deref(),
            millis: step.took.map(|t| (t.as_secs_f64() * 1e6).round() / 1e3),
            error: step.reply.as_ref().err().map(ToString::to_string),
        }
    }
}

fn rcode(step: &LiveStep) -> Option<Code> {
    match &step.reply {
        Ok(reply) => Some(Code::Reply(reply.rcode)),
        Err(LiveFailure::Timeout(_)) => Some(Code::Timeout),
        Err(_) => None,
    }
}

/// Writes one look-up as a line of JSON.
///
/// # Errors
/// Those of the output.
pub fn line(lookup: &LiveLookup, out: &mut impl Write) -> io::Result<()> {
    document::json_line(&Item::of(lookup), out)
}

/// What else a document says.
#[derive(Debug, Default)]
pub struct Around<'a> {
    /// The kubeconfig's context.
    pub context: Option<&'a str>,
    /// What did not work but did not stop the command.
    pub warnings: &'a [Problem],
}

/// Prints look-ups.
///
/// # Errors
/// Those of the output.
pub fn print(
    lookups: &[LiveLookup],
    form: Form,
    trace: bool,
    around: &Around<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    match form {
        Form::Json | Form::Yaml => return document(lookups, form, around, out),
        Form::Name => {
            for lookup in lookups {
                for address in &lookup.outcome.addresses {
                    writeln!(out, "{address}")?;
                }
                let others = lookup.outcome.answers.iter().filter(|_| lookup.outcome.addresses.is_empty());
                for record in others {
                    writeln!(out, "{}", clean(&record.data))?;
                }
            }
        }
        Form::Table | Form::Wide => {
            for lookup in lookups {
                out.write_all(text(lookup, trace || form == Form::Wide).as_bytes())?;
            }
        }
    }
    Ok(())
}

fn document(lookups: &[LiveLookup], form: Form, around: &Around<'_>, out: &mut impl Write) -> io::Result<()> {
    let warnings = around.warnings.iter();
    let mut document = serde_json::json!({
        "apiVersion": API_VERSION,
        "kind": "LookupList",
        "context": around.context,
        "items": lookups.iter().map(Item::of).collect::<Vec<_>>(),
    });
    if !around.warnings.is_empty() {
        document["warnings"] =
            warnings.map(|w| serde_json::json!({ "what": w.what, "why": w.why, "hint": w.hint })).collect();
    }
    if form == Form::Yaml {
        return document::yaml(&document, out);
    }
    document::json(&document, out)
}

/// Records as in a zone file, then lines that begin with `;;`, as dig's, for a person.
fn text(lookup: &LiveLookup, trace: bool) -> String {
    let (outcome, mut text) = (&lookup.outcome, String::new());
    if trace {
        text += &steps(&lookup.steps);
    }
    let mut records = Table::default();
    for r in &outcome.answers {
        records.push([r.name.clone(), r.ttl.to_string(), r.kind.to_string(), r.data.clone()]);
    }
    text += &records.lay_out(&mut Widths::default());
    if outcome.answers.is_empty() {
        for address in &outcome.addresses {
            let _ = writeln!(text, "{address}");
        }
    }
    let code = outcome.rcode.map_or_else(|| "not determined".to_owned(), |c| c.to_string());
    let _ = write!(text, ";; {}", clean(&lookup.question.to_string()));
    if let Some(pod) = &lookup.from {
        let _ = write!(text, " as {} sees it ({})", clean(&pod.to_string()), lookup.libc);
    }
    let said = outcome.error.as_deref().map(|e| format!(": {e}")).unwrap_or_default();
    let _ = writeln!(text, ": {code}{}", clean(&said));
    if lookup.mode == Mode::Predict || !lookup.steps.is_empty() {
        let _ = writeln!(text, ";; {}", clean(&way(lookup)));
    }
    for note in outcome.undetermined.iter().chain(&outcome.caveat) {
        let _ = writeln!(text, ";; {}", clean(note));
    }
    text
}

/// How the answer came about: who was asked, how often, how long it took.
fn way(lookup: &LiveLookup) -> String {
    let asked = lookup.steps.iter().filter(|s| s.server.is_some()).count();
    if lookup.mode == Mode::Predict {
        return "computed from the API's objects; no server was asked".to_owned();
    }
    let mut servers: Vec<&str> = Vec::new();
    for server in lookup.steps.iter().filter_map(|s| s.server.as_deref()) {
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    if servers.is_empty() {
        return "no server was asked".to_owned();
    }
    let took: std::time::Duration = lookup.steps.iter().filter_map(|s| s.took).sum();
    let word = if asked == 1 { "question" } else { "questions" };
    format!("{asked} {word} to {}, {:.1} ms", servers.join(" and "), took.as_secs_f64() * 1e3)
}

fn steps(steps: &[LiveStep]) -> String {
    let mut table = Table::default();
    table.push(["ASKED", "TYPE", "REPLY", "ANSWERS", "SOA", "TIME", "SERVER"]);
    for step in steps {
        let answers = match &step.reply {
            Ok(reply) => reply.answers.iter().map(|r| format!("{} {}", r.kind, r.data)).collect::<Vec<_>>(),
            Err(why) => vec![why.to_string()],
        };
        let soa = step.reply.as_ref().ok().and_then(|r| r.authority.as_ref()).map(|r| r.name.clone());
        table.push([
            step.name.clone(),
            step.kind.to_string(),
            rcode(step).map_or_else(|| "?".to_owned(), |c| c.to_string()),
            if answers.is_empty() { "-".to_owned() } else { answers.join(", ") },
            soa.unwrap_or_else(|| "-".to_owned()),
            step.took.map_or_else(|| "-".to_owned(), |t| format!("{:.1} ms", t.as_secs_f64() * 1e3)),
            step.server.as_deref().unwrap_or("-").to_owned(),
        ]);
    }
    table.lay_out(&mut Widths::default()) + "\n"
}
