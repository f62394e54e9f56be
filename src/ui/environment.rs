//! The Environment pane: the variables that one container has, lacks or may have, grouped by where they come from.
//!
//! ```text
//!  mysql  the container started 2h before the Service mysql was created …
//!   ✗ MYSQL_SERVICE_HOST=10.96.80.9
//!  from the pod itself
//!   ✓ LOG_LEVEL=info
//!   • PASSWORD  a Secret: values are not fetched
//! ```

use ratatui::layout::Rect;

use crate::app::cure::LookState;
use crate::app::panes::{EnvRow, EnvironmentPane, Subject};
use crate::app::{App, Pane};
use crate::config::theme::Role;
use crate::model::env::verify::{Check, Verification, Verified};
use crate::model::env::{ContainerEnvironment, Origin, Status, Variable};
use crate::model::finding::Severity;
use crate::model::{Finding, Kind};

use super::face::{self, Face};
use super::loads::Summary;
use super::pane;
use super::widgets::glyph::Glyph;
use super::widgets::pen::Pen;
use super::widgets::spans::Spans;
use super::widgets::text::{Cut, fit};

/// Columns that the pod's name takes in the title.
const TITLE: usize = 28;

/// How the reason of a variable begins whose container does not run.
const NOT_RUNNING: &str = "the container is not running";

/// What the title says: of which container.
pub(super) fn about(pen: &Pen<'_>, app: &App) -> Spans<'static> {
    match &app.panes.environment {
        Some(EnvironmentPane::Container { pod, container, environment, counts, .. }) => {
            let name = crate::model::text::clean(&pod.key.name);
            let short = fit(&name, TITLE, Cut::Middle, pen.glyph(Glyph::Ellipsis)).into_owned();
            let state = match environment.state_word() {
                "running" => String::new(),
                other => format!(", {other}"),
            };
            let mut spans = Spans::of(Role::Text, format!(" {short} / {container}")).and(Role::Warn, state);
            if app.environment.narrows() {
                spans.push(Role::Text, format!("  {} of {}", counts.1, counts.0));
            }
            if app.environment.differences {
                spans.push(Role::Match, "  differences");
            }
            let filter = app.environment.filter.text();
            if !filter.is_empty() {
                spans.push(Role::Match, format!("  /{filter}"));
            }
            spans
        }
        Some(EnvironmentPane::Service(_)) => Spans::of(Role::Text, " of a container that starts now"),
        None => Spans::new(),
    }
}

pub(super) fn draw(pen: &mut Pen<'_>, app: &App, place: Rect, inner: Rect) {
    pen.drawn.viewport.rows[Pane::Environment.index()] = usize::from(inner.height);
    let Some(subject) = &app.panes.subject else {
        return Face::new(Role::Dim, Glyph::Dot, "Nothing is selected.").draw(pen, inner);
    };
    match &app.panes.environment {
        None => face(pen, app, subject).draw(pen, inner),
        Some(EnvironmentPane::Service(variables)) if variables.is_empty() => {
            Face::new(Role::Info, Glyph::Info, "No container gets a variable of this Service.")
                .line(Role::Dim, "It has no cluster address: headless, ExternalName, or not assigned yet.")
                .draw(pen, inner);
        }
        Some(EnvironmentPane::Service(variables)) => {
            let scroll = app.layout.scroll[Pane::Environment.index()];
            pane::rows(pen, app, Pane::Environment, place, inner, |pen, room, at, look| {
                if let Some((name, value)) = variables.get(at) {
                    let spans = assignment(pen, Role::Info, Glyph::Later, name, Some(value), Role::Name);
                    scrolled(pen, room, &spans, look, scroll);
                }
            });
        }
        Some(EnvironmentPane::Container { environment, rows, findings, counts, verification, .. }) => {
            let seen = Seen { environment, findings, counts: *counts, verification: verification.as_deref() };
            container(pen, app, &seen, rows, place, inner);
        }
    }
}

/// What the pane shows of a container.
struct Seen<'a> {
    environment: &'a ContainerEnvironment,
    findings: &'a [Finding],
    counts: (usize, usize),
    verification: Option<&'a Verification>,
}

fn container(pen: &mut Pen<'_>, app: &App, seen: &Seen<'_>, rows: &[EnvRow], place: Rect, inner: Rect) {
    let Seen { environment, counts, .. } = *seen;
    let (inner, foot) = pane::foot(app, Pane::Environment, inner);
    let used = banner(pen, app, seen, inner);
    let area = pane::below(inner, used);
    if rows.is_empty() && counts.0 > 0 {
        let what = if app.environment.differences { "No variable differs" } else { "No variable matches" };
        return Face::new(Role::Info, Glyph::Info, format!("{what} ({} are not shown).", counts.0))
            .draw(pen, area);
    }
    if rows.is_empty() {
        return Face::new(Role::Info, Glyph::Info, "This container gets no variables.")
            .line(
                Role::Dim,
                "No Service gives it any, and its pod sets none. Those of the image are not in the API.",
            )
            .draw(pen, area);
    }
    let scroll = app.layout.scroll[Pane::Environment.index()];
    pane::rows(pen, app, Pane::Environment, place, area, |pen, room, at, look| {
        let spans = match rows.get(at) {
            Some(EnvRow::Heading(service)) => {
                let next = rows.get(at + 1).and_then(|r| variable(environment, r));
                heading(service.as_ref().map(|s| &*s.name), next.as_ref())
            }
            Some(EnvRow::Besides) => Spans::of(Role::Title, "in the container besides")
                .and(Role::Dim, "  from the image, or older than what the API shows"),
            Some(EnvRow::Unpredicted(name)) => {
                let check = seen.verification.and_then(|v| v.get(name));
                let value = check.map(|c| c.actual.as_deref().unwrap_or("(hidden)"));
                assignment(pen, Role::Info, Glyph::Dot, name, value, Role::Name)
            }
            Some(row) => match variable(environment, row) {
                Some(v) => {
                    let check = seen.verification.and_then(|all| all.get(v.name));
                    line(pen, &v, check)
                }
                None => Spans::new(),
            },
            None => return,
        };
        scrolled(pen, room, &spans, look, scroll);
    });
    let selected = rows.get(app.panes.cursor(Pane::Environment).index());
    if let Some(v) = selected.and_then(|r| variable(environment, r)) {
        pane::foot_text(pen, foot, &sentence(&v));
    }
}

/// Draws a line, and notes how far it reaches beyond the pane.
fn scrolled(pen: &mut Pen<'_>, room: Rect, spans: &Spans<'_>, look: Option<Role>, scroll: usize) {
    let beyond = spans.width().saturating_sub(usize::from(room.width));
    let aside = &mut pen.drawn.viewport.aside[Pane::Environment.index()];
    *aside = (*aside).max(beyond);
    pen.spans_from(room, spans, look, scroll);
}

fn variable<'a>(environment: &'a ContainerEnvironment, row: &EnvRow) -> Option<Variable<'a>> {
    match row {
        EnvRow::Variable(name) => environment.get(name),
        EnvRow::Heading(_) | EnvRow::Besides | EnvRow::Unpredicted(_) => None,
    }
}

/// What holds for the container as a whole. Rows that were used.
fn banner(pen: &mut Pen<'_>, app: &App, seen: &Seen<'_>, inner: Rect) -> u16 {
    // What concerns one Service's variables stands in its heading.
    const IN_HEADINGS: [&str; 3] =
        ["pod-older-than-service", "service-changed-after-start", "service-links-off"];
    let Seen { environment, findings, .. } = *seen;
    let mut told = environment.blocked.clone();
    let worth = |f: &&Finding| f.severity <= Severity::Warning && !IN_HEADINGS.contains(&f.code);
    told.extend(findings.iter().filter(worth).map(|f| f.message.clone()));
    if !environment.service_links {
        told.push("enableServiceLinks: false, so only the Service kubernetes gives it variables".to_owned());
    }
    told.extend(environment.unknowns());
    if let Some(spans) = looked(pen, app, seen).filter(|_| inner.height > 2) {
        pane::lines(pen, inner, &[spans]);
        return 1;
    }
    let Some(first) = told.first().filter(|_| inner.height > 2) else { return 0 };
    let more = if told.len() > 1 { format!(" (and {} more)", told.len() - 1) } else { String::new() };
    let spans = Spans::of(Role::Warn, format!("{} ", pen.glyph(Glyph::Warn)))
        .and(Role::Text, first.clone())
        .and(Role::Dim, more);
    pane::lines(pen, inner, &[spans]);
    1
}

/// What a look into this container came to, if somebody looked.
fn looked(pen: &Pen<'_>, app: &App, seen: &Seen<'_>) -> Option<Spans<'static>> {
    let of = (&seen.environment.pod, &seen.environment.container);
    let look = app.look.as_ref().filter(|l| (&l.of.0, &l.of.1) == of)?;
    Some(match (&look.state, seen.verification) {
        (LookState::Asked(_), _) => Spans::of(Role::Dim, "looking into the container"),
        (LookState::Failed(problem), _) => Spans::of(Role::Bad, format!("{} ", pen.glyph(Glyph::Cross)))
            .and(Role::Text, format!("{}: {}", problem.what, problem.why)),
        (LookState::Printed(_), Some(verification)) => {
            let wrong = verification.contradictions().count() > 0;
            let (role, glyph) = if wrong { (Role::Bad, Glyph::Cross) } else { (Role::Ok, Glyph::Check) };
            let notes = verification.notes.first().map_or(String::new(), |n| format!("; {n}"));
            Spans::of(role, format!("{} ", pen.glyph(glyph)))
                .and(Role::Text, format!("verified by {}: {}", verification.by, verification.summary()))
                .and(Role::Dim, notes)
        }
        (LookState::Printed(_), None) => {
            Spans::of(Role::Dim, "the container has started again since it was looked into")
        }
    })
}

/// A group; what is the matter with a Service's variables is said once, here.
fn heading(service: Option<&str>, first: Option<&Variable<'_>>) -> Spans<'static> {
    let Some(service) = service else { return Spans::of(Role::Title, "from the pod itself") };
    let reason = first.filter(|v| v.origin == Origin::Service).and_then(told);
    Spans::of(Role::Title, service.to_owned())
        .and(Role::Dim, reason.map_or(String::new(), |r| format!("  {r}")))
}

/// The reason, as far as the title does not tell it: that the container does not run is said once.
fn told(variable: &Variable<'_>) -> Option<String> {
    variable.reason().filter(|r| variable.status != Status::NextStart || !r.starts_with(NOT_RUNNING))
}

fn line(pen: &Pen<'_>, variable: &Variable<'_>, check: Option<&Check>) -> Spans<'static> {
    let (role, glyph) = mark(variable.status);
    let seen = check.and_then(|check| {
        let actual = || check.actual.as_deref().unwrap_or("another value, hidden").to_owned();
        match check.verified {
            Verified::Equal | Verified::Unverifiable => None,
            Verified::Different => Some(format!("  in the container: {}", actual())),
            Verified::Missing => Some("  not in the container".to_owned()),
            Verified::Unpredicted => Some(format!("  in the container all the same: {}", actual())),
        }
    });
    let name_role = if variable.status == Status::Absent { Role::Dim } else { Role::Name };
    let mut spans = assignment(pen, role, glyph, variable.name, variable.value, name_role);
    if let Some(seen) = seen {
        // What was called stale or uncertain was not promised.
        let wrong = check.is_some_and(Check::contradicts);
        spans.push(if wrong { Role::Bad } else { Role::Warn }, seen);
        return spans;
    }
    // The Services' reasons stand in the heading.
    if variable.origin != Origin::Service
        && let Some(reason) = told(variable)
    {
        spans.push(Role::Dim, format!("  {reason}"));
    }
    spans
}

/// `✓ NAME=value`.
fn assignment(
    pen: &Pen<'_>,
    role: Role,
    glyph: Glyph,
    name: &str,
    value: Option<&str>,
    name_role: Role,
) -> Spans<'static> {
    let spans = Spans::of(role, format!(" {} ", pen.glyph(glyph))).and(name_role, name.to_owned());
    match value {
        Some(value) => {
            let role = if name_role == Role::Dim { Role::Dim } else { Role::Text };
            spans.and(Role::Dim, "=").and(role, value.to_owned())
        }
        None => spans,
    }
}

/// The mark of a status.
pub(super) fn mark(status: Status) -> (Role, Glyph) {
    match status {
        Status::Present => (Role::Ok, Glyph::Check),
        Status::Absent => (Role::Bad, Glyph::Cross),
        Status::NextStart => (Role::Info, Glyph::Later),
        Status::Stale => (Role::Warn, Glyph::Stale),
        Status::Uncertain => (Role::Warn, Glyph::Doubt),
        Status::Unreadable => (Role::Dim, Glyph::Hidden),
    }
}

/// All about one variable.
fn sentence(variable: &Variable<'_>) -> String {
    let origin = match variable.service {
        Some(service) => format!("Service {}", service.name),
        None => variable.origin.as_str().to_owned(),
    };
    let reason = variable.reason().map_or(String::new(), |r| format!(": {r}"));
    format!("{}, {}, from {origin}{reason}", variable.name, variable.status.as_str())
}

/// No container is known: why.
fn face(pen: &mut Pen<'_>, app: &App, subject: &Subject) -> Face {
    let summary = Summary::in_namespace(app, Kind::Pod, &subject.key().namespace);
    if let Some(face) = face::of_loads(pen, app, Kind::Pod, &summary) {
        return face;
    }
    Face::new(Role::Info, Glyph::Info, "No pod is known whose environment could be shown.")
}
