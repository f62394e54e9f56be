//! The pages of answers: a look-up with its trace, and the doctor's chain of causes.
//!
//! ```text
//! ╭ my-app.default from this computer ───────────────────────────────────────╮
//! │ ✗ asked-outside-cluster                                                   │
//! │   127.0.0.53 does not know the cluster's names                            │
//! │                                                                           │
//! │ ✓ the name            my-app in the namespace default                     │
//! │ ✗ this computer       NXDOMAIN from 127.0.0.53                            │
//! │                                                                           │
//! │ Next                                                                      │
//! │   → kdisco forward svc/my-app                                             │
//! ╰───────────────────────────────────────────────────────────────────────────╯
//! ```

use ratatui::layout::Rect;

use crate::app::App;
use crate::app::lookups::Asked;
use crate::config::theme::Role;
use crate::model::dns::live::{LiveLookup, LiveStep};
use crate::model::doctor::{Diagnosis, Outcome};
use crate::model::text::clean;
use crate::model::time::age;

use super::overlay::{self, size};
use super::pane;
use super::widgets::glyph::Glyph;
use super::widgets::pen::Pen;
use super::widgets::spans::Spans;
use super::widgets::text::wrap;

/// Columns that the pages want.
const COLUMNS: u16 = 110;
/// Columns from which the evidence stands beside its step.
const BESIDE: usize = 80;
/// Columns for what a step looked at.
const STEP: usize = 26;

/// The page of the last look-up.
pub(super) fn lookup(pen: &mut Pen<'_>, app: &App, body: Rect, offset: usize) {
    page(pen, app, app.lookups.lookup.as_ref(), body, offset, |pen, lookup, columns| {
        lines_of(pen, lookup, columns)
    });
}

/// The page of the last examination.
pub(super) fn doctor(pen: &mut Pen<'_>, app: &App, body: Rect, offset: usize) {
    page(pen, app, app.lookups.doctor.as_ref(), body, offset, |pen, diagnosis, columns| {
        chain(pen, diagnosis, columns)
    });
}

/// A page of what was asked: what is known of it, or why nothing is, and how old that is.
pub(super) fn page<T>(
    pen: &mut Pen<'_>,
    app: &App,
    asked: Option<&Asked<T>>,
    body: Rect,
    offset: usize,
    lines: impl Fn(&Pen<'_>, &T, usize) -> Vec<Spans<'static>>,
) {
    let Some(asked) = asked else { return };
    let columns = COLUMNS.min(body.width.saturating_sub(4));
    let room = usize::from(columns).max(8);
    let mut all = match &asked.result {
        Some(Ok(found)) => lines(pen, found, room),
        Some(Err(problem)) => {
            let mut lines = Vec::new();
            set(&mut lines, pen.glyph(Glyph::Cross), &problem.what, room, Role::Bad, Role::Text);
            set(&mut lines, " ", &problem.why, room, Role::Dim, Role::Dim);
            set(&mut lines, pen.glyph(Glyph::Arrow), &problem.hint, room, Role::Accent, Role::Text);
            lines
        }
        None => vec![],
    };
    if asked.waiting.is_some() {
        if !all.is_empty() {
            all.push(Spans::new());
        }
        all.push(Spans::of(Role::Dim, "asking…"));
    } else {
        pen.ages(Some(asked.at), app.now);
        all.push(Spans::new());
        all.push(Spans::of(Role::Dim, format!("{} ago", age(Some(asked.at), app.now))));
    }
    let title = Spans::of(Role::TitleFocused, clean(&asked.title).into_owned());
    overlay::show(pen, body, columns, size(all.len()), &title, &all, offset);
}

/// A text with a mark, wrapped under itself.
pub(super) fn set(
    lines: &mut Vec<Spans<'static>>,
    mark: &str,
    text: &str,
    columns: usize,
    mark_role: Role,
    text_role: Role,
) {
    if text.is_empty() {
        return;
    }
    for (at, line) in wrap(&clean(text), columns.saturating_sub(4)).into_iter().enumerate() {
        let mark = if at == 0 { mark } else { " " };
        lines.push(Spans::of(mark_role, format!(" {mark} ")).and(text_role, line));
    }
}

fn lines_of(pen: &Pen<'_>, lookup: &LiveLookup, columns: usize) -> Vec<Spans<'static>> {
    let mut lines = Vec::new();
    let outcome = &lookup.outcome;
    let (role, glyph) = if lookup.found() { (Role::Ok, Glyph::Check) } else { (Role::Bad, Glyph::Cross) };
    let code = outcome.rcode.map_or("not determined".to_owned(), |c| c.to_string());
    let found = match (&*outcome.addresses, &*outcome.answers) {
        ([], []) => outcome.error.clone().unwrap_or_else(|| "no answer".to_owned()),
        ([], answers) => answers.iter().map(|r| r.data.clone()).collect::<Vec<_>>().join("  "),
        (addresses, _) => addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join("  "),
    };
    set(&mut lines, pen.glyph(glyph), &format!("{code}  {found}"), columns, role, Role::Text);
    for told in [&outcome.undetermined, &outcome.caveat].into_iter().flatten() {
        set(&mut lines, pen.glyph(Glyph::Warn), told, columns, Role::Warn, Role::Text);
    }
    for (at, step) in lookup.steps.iter().enumerate() {
        lines.push(Spans::new());
        lines.extend(question(pen, at + 1, step, columns));
    }
    lines
}

/// One question, and what came back.
fn question(pen: &Pen<'_>, number: usize, step: &LiveStep, columns: usize) -> Vec<Spans<'static>> {
    let mut lines = Vec::new();
    let by = step.search.as_ref().map_or(String::new(), |s| format!("  by search {}", clean(s)));
    lines.push(
        Spans::of(Role::Dim, format!("{number:2} "))
            .and(Role::Name, clean(&step.name).into_owned())
            .and(Role::Info, format!(" {}", step.kind))
            .and(Role::Dim, by),
    );
    let way = match (&step.server, step.took) {
        (Some(server), Some(took)) => format!("{} ms, {}", took.as_millis(), clean(server)),
        (Some(server), None) => clean(server).into_owned(),
        _ => String::new(),
    };
    match &step.reply {
        Err(failure) => {
            set(&mut lines, pen.glyph(Glyph::Cross), &failure.to_string(), columns, Role::Bad, Role::Text);
        }
        Ok(reply) => {
            let code =
                if reply.is_nodata() { "NOERROR, no data".to_owned() } else { reply.rcode.to_string() };
            let good = !reply.answers.is_empty();
            let (role, glyph) = if good { (Role::Ok, Glyph::Check) } else { (Role::Warn, Glyph::Dot) };
            set(&mut lines, pen.glyph(glyph), &code, columns, role, Role::Text);
            for record in &reply.answers {
                let text = format!("{} {} {} {}", record.name, record.ttl, record.kind, record.data);
                set(&mut lines, " ", &text, columns, Role::Dim, Role::Text);
            }
            if let Some(soa) = reply.authority.as_ref().filter(|_| !good) {
                let text = format!("says the zone {}, for {} s", soa.name, soa.ttl);
                set(&mut lines, " ", &text, columns, Role::Dim, Role::Dim);
            }
        }
    }
    set(&mut lines, " ", &way, columns, Role::Dim, Role::Dim);
    lines
}

fn chain(pen: &Pen<'_>, diagnosis: &Diagnosis, columns: usize) -> Vec<Spans<'static>> {
    let mut lines = Vec::new();
    let verdict = &diagnosis.verdict;
    let (role, glyph) = if verdict.is_ok() { (Role::Ok, Glyph::Check) } else { (Role::Bad, Glyph::Cross) };
    lines.push(Spans::of(role, format!(" {} ", pen.glyph(glyph))).and(role, verdict.code.to_owned()));
    set(&mut lines, " ", &verdict.message, columns, Role::Dim, Role::Text);
    lines.push(Spans::new());
    for step in &diagnosis.steps {
        let (role, glyph) = match step.outcome {
            Outcome::Ok => (Role::Ok, Glyph::Check),
            Outcome::Problem => (Role::Bad, Glyph::Cross),
            Outcome::Unknown => (Role::Warn, Glyph::Doubt),
        };
        // Where there is no room for two columns, the evidence stands below.
        if columns < BESIDE {
            lines.push(
                Spans::of(role, format!(" {} ", pen.glyph(glyph))).and(Role::Name, step.what.to_owned()),
            );
            for evidence in &step.evidence {
                set(&mut lines, " ", evidence, columns, Role::Dim, Role::Text);
            }
            continue;
        }
        let room = columns.saturating_sub(STEP + 4).max(8);
        let mut first = true;
        for line in step.evidence.iter().flat_map(|e| wrap(&clean(e), room)) {
            let (mark, what) = if first { (pen.glyph(glyph), step.what) } else { (" ", "") };
            lines.push(
                Spans::of(role, format!(" {mark} "))
                    .and(Role::Name, format!("{what:STEP$}"))
                    .and(Role::Text, line),
            );
            first = false;
        }
        if first {
            lines.push(
                Spans::of(role, format!(" {} ", pen.glyph(glyph))).and(Role::Name, step.what.to_owned()),
            );
        }
    }
    let findings: Vec<_> = diagnosis.findings.iter().filter(|f| f.code != verdict.code).cloned().collect();
    if !findings.is_empty() {
        lines.push(Spans::new());
        lines.push(Spans::of(Role::Title, "Besides"));
        lines.extend(pane::findings(pen, &findings, columns));
    }
    if !diagnosis.try_next.is_empty() {
        lines.push(Spans::new());
        lines.push(Spans::of(Role::Title, "Next"));
        for next in &diagnosis.try_next {
            set(&mut lines, pen.glyph(Glyph::Arrow), next, columns, Role::Accent, Role::Text);
        }
    }
    lines
}
