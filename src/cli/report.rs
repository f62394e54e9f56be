//! Lists as tables, documents and names: what every command prints its facts with.
//!
//! What it is: the forms, and what a watch prints when something changed. What it is not: it knows no Kubernetes; a
//! [`Report`] says what its rows are. The JSON is `kdisco/v1`: fields are added, never renamed or removed.

pub mod check;
pub mod dns;
pub mod doctor;
pub mod document;
pub mod endpoints;
pub mod env;
pub mod keys;
pub mod lookup;
pub mod resolvconf;
pub mod services;
pub mod settings;
pub mod table;

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use super::args::{Form, Output};
use super::facts::Facts;
use crate::model::text::clean;
use table::{Table, Widths};

/// Version of the documents.
pub const API_VERSION: &str = "kdisco/v1";

/// One list that can be printed.
pub trait Report {
    /// One item of the list.
    type Row;
    /// `kind` of the document.
    const KIND: &'static str;

    /// What the list is made of.
    fn facts(&self) -> &Facts;
    /// The items, sorted by namespace, name, then the rest.
    fn rows(&self) -> Vec<Self::Row>;
    /// Headings of the table, the namespace's not included.
    fn headings(&self, wide: bool) -> Vec<&'static str>;
    /// The table's lines for an item, namespaces not included.
    fn lines(&self, row: &Self::Row, wide: bool) -> Vec<Vec<String>>;
    /// The item's namespace.
    fn namespace<'a>(&self, row: &'a Self::Row) -> &'a str;
    /// What `-o name` prints for an item.
    fn name(&self, row: &Self::Row) -> String;
    /// What stays the same when an item changes.
    fn identity(&self, row: &Self::Row) -> String;
    /// The item in a document.
    fn item(&self, row: &Self::Row) -> Value;
    /// What a person is told when there are none.
    fn nothing(&self) -> String;
    /// Further fields at the top of the document.
    fn more(&self) -> Vec<(&'static str, Value)> {
        vec![]
    }
}

/// A whole document. Items are made as they are written: an environment of a big namespace has millions of lines.
struct Document<'a, R: Report> {
    report: &'a R,
    rows: &'a [R::Row],
}

impl<R: Report> Serialize for Document<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Items<'a, R: Report>(&'a R, &'a [R::Row]);
        impl<R: Report> Serialize for Items<'_, R> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(self.1.iter().map(|row| self.0.item(row)))
            }
        }
        let facts = self.report.facts();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("apiVersion", API_VERSION)?;
        map.serialize_entry("kind", R::KIND)?;
        map.serialize_entry("context", &facts.context)?;
        for (name, value) in self.report.more() {
            map.serialize_entry(name, &value)?;
        }
        map.serialize_entry("items", &Items(self.report, self.rows))?;
        if !facts.warnings.is_empty() {
            map.serialize_entry("warnings", &warnings(facts))?;
        }
        map.end()
    }
}

fn warnings(facts: &Facts) -> Value {
    facts.warnings.iter().map(|w| json!({ "what": w.what, "why": w.why, "hint": w.hint })).collect()
}

/// Prints a list. Where a table or names would be empty, the result is what to tell instead.
///
/// # Errors
/// Those of the output.
pub fn print<R: Report>(report: &R, output: Output, out: &mut impl Write) -> io::Result<Option<String>> {
    let rows = report.rows();
    let documents = output.form.is_document();
    if !documents && rows.iter().all(|row| report.lines(row, false).is_empty()) {
        return Ok(Some(report.nothing()));
    }
    match output.form {
        Form::Json => {
            document::json(&Document { report, rows: &rows }, out)?;
        }
        Form::Yaml => {
            document::yaml(&Document { report, rows: &rows }, out)?;
        }
        Form::Name => print_names(report, &rows, out)?,
        Form::Table | Form::Wide => {
            print_table(report, &rows, output, !output.no_headers, &mut Widths::default(), out)?;
        }
    }
    Ok(None)
}

/// A name a line, each once where several items in a row have the same.
fn print_names<R: Report>(report: &R, rows: &[R::Row], out: &mut impl Write) -> io::Result<()> {
    let mut names: Vec<String> = rows.iter().map(|row| report.name(row)).collect();
    names.dedup();
    for name in names {
        writeln!(out, "{}", clean(&name))?;
    }
    Ok(())
}

fn print_table<R: Report>(
    report: &R,
    rows: &[R::Row],
    output: Output,
    with_headings: bool,
    widths: &mut Widths,
    out: &mut impl Write,
) -> io::Result<()> {
    let wide = output.form == Form::Wide;
    let namespaces = report.facts().several_namespaces();
    let mut table = Table::default();
    if with_headings {
        table.push(namespaces.then_some("NAMESPACE").into_iter().chain(report.headings(wide)));
    }
    for row in rows {
        for line in report.lines(row, wide) {
            table.push(namespaces.then(|| report.namespace(row).to_owned()).into_iter().chain(line));
        }
    }
    table.write(widths, out)
}

/// What a watch has printed so far.
#[derive(Debug, Default)]
pub struct Watch {
    seen: BTreeMap<String, Value>,
    widths: Widths,
    begun: bool,
}

impl Watch {
    /// Prints what changed since the last call: everything at the first one. A table has a line for each item that
    /// is new, changed or gone (as `kubectl get --watch`); documents are one line each and say which of the three.
    ///
    /// # Errors
    /// Those of the output.
    pub fn print<R: Report>(&mut self, report: &R, output: Output, out: &mut impl Write) -> io::Result<()> {
        let (rows, mut gone) = (report.rows(), std::mem::take(&mut self.seen));
        for row in &rows {
            let (identity, item) = (report.identity(row), report.item(row));
            let event = match gone.remove(&identity) {
                None => Some("ADDED"),
                Some(before) if before != item => Some("MODIFIED"),
                Some(_) => None,
            };
            if let Some(event) = event {
                self.print_change(report, row, &item, event, output, out)?;
            }
            self.seen.insert(identity, item);
        }
        for item in gone.into_values() {
            if output.form.is_document() {
                write_event(report, &item, "DELETED", output, out)?;
            }
        }
        self.begun = true;
        out.flush()
    }

    fn print_change<R: Report>(
        &mut self,
        report: &R,
        row: &R::Row,
        item: &Value,
        event: &str,
        output: Output,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let row = std::slice::from_ref(row);
        match output.form {
            Form::Json | Form::Yaml => write_event(report, item, event, output, out),
            Form::Name => print_names(report, row, out),
            Form::Table | Form::Wide => {
                let with_headings = !std::mem::replace(&mut self.begun, true) && !output.no_headers;
                print_table(report, row, output, with_headings, &mut self.widths, out)
            }
        }
    }
}

fn write_event<R: Report>(
    report: &R,
    item: &Value,
    event: &str,
    output: Output,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut document = json!({ "apiVersion": API_VERSION, "kind": R::KIND, "context": report.facts().context, "event": event });
    for (name, value) in report.more() {
        document[name] = value;
    }
    document["items"] = json!([item]);
    if output.form == Form::Yaml {
        out.write_all(b"---\n")?;
        return document::yaml(&document, out);
    }
    document::json_line(&document, out)
}

/// Text that may be missing: `null` where it is.
fn optional(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}
