//! A diagnosis as a chain that can be read, and as a document.

use std::io::{self, Write};

use serde_json::json;

use super::{API_VERSION, document};
use crate::app::Problem;
use crate::cli::args::Form;
use crate::model::doctor::{Diagnosis, Outcome};
use crate::model::text::clean;

/// Where the evidence of a step begins.
const INDENT: usize = 2;

/// Prints a diagnosis.
///
/// # Errors
/// Those of the output.
pub fn print(
    diagnosis: &Diagnosis,
    context: Option<&str>,
    warnings: &[Problem],
    form: Form,
    ascii: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    match form {
        Form::Json | Form::Yaml => {
            let mut document = json!({
                "apiVersion": API_VERSION,
                "kind": "Diagnosis",
                "context": context,
                "items": [diagnosis],
            });
            if !warnings.is_empty() {
                let all = warnings.iter().map(|w| json!({ "what": w.what, "why": w.why, "hint": w.hint }));
                document["warnings"] = all.collect();
            }
            if form == Form::Yaml {
                return document::yaml(&document, out);
            }
            document::json(&document, out)
        }
        Form::Name => writeln!(out, "{}", diagnosis.verdict.code),
        Form::Table | Form::Wide => out.write_all(chain(diagnosis, form == Form::Wide, ascii).as_bytes()),
    }
}

fn sign(outcome: Outcome, ascii: bool) -> &'static str {
    match (outcome, ascii) {
        (Outcome::Ok, false) => "✓",
        (Outcome::Problem, false) => "✗",
        (Outcome::Ok, true) => "+",
        (Outcome::Problem, true) => "x",
        (Outcome::Unknown, _) => "?",
    }
}

/// The steps, the verdict, what else was found, what to type. Text of the cluster is cleaned line by line.
fn chain(diagnosis: &Diagnosis, wide: bool, ascii: bool) -> String {
    let mut lines: Vec<String> = Vec::new();
    let kind = diagnosis.kind.map_or_else(String::new, |k| format!(" {k}"));
    let libc = diagnosis.libc.map_or_else(String::new, |l| format!(" ({l})"));
    lines.push(format!("{}{kind}, asked from {}{libc}", diagnosis.name, diagnosis.asked_from));
    lines.push(String::new());
    let indent = " ".repeat(INDENT);
    for step in &diagnosis.steps {
        lines.push(format!("{} {}", sign(step.outcome, ascii), step.what));
        lines.extend(step.evidence.iter().map(|line| format!("{indent}{line}")));
    }
    lines.push(String::new());
    lines.push(format!("verdict: {}", diagnosis.verdict.code));
    lines.push(format!("{indent}{}", diagnosis.verdict.message));
    let mut others = diagnosis.findings.iter().filter(|f| f.message != diagnosis.verdict.message).peekable();
    if others.peek().is_some() {
        lines.push(String::new());
        lines.push("also:".to_owned());
    }
    for finding in others {
        lines.push(format!("{indent}{}: {}", finding.code, finding.message));
        if wide {
            lines.extend(finding.evidence.iter().map(|line| format!("{indent}{indent}{line}")));
        }
        if !finding.advice.is_empty() {
            lines.push(format!("{indent}{indent}{}", finding.advice));
        }
    }
    if !diagnosis.try_next.is_empty() {
        lines.push(String::new());
        lines.push("next:".to_owned());
        lines.extend(diagnosis.try_next.iter().map(|line| format!("{indent}{line}")));
    }
    lines.iter().fold(String::new(), |text, line| text + &clean(line) + "\n")
}
