//! The Detail page of a container's environment, and the page of the containers that lack a Service's variables.

use ratatui::layout::Rect;

use crate::app::App;
use crate::app::panes::EnvironmentPane;
use crate::config::theme::Role;
use crate::model::env::findings::ENVIRONMENT_LIMIT;
use crate::model::env::reverse::Miss;
use crate::model::env::{ContainerEnvironment, Status, Verdict};

use super::{COLUMNS, Page, moment, or_none};
use crate::ui::overlay::{self, size};
use crate::ui::pane;
use crate::ui::widgets::glyph::Glyph;
use crate::ui::widgets::pen::Pen;
use crate::ui::widgets::spans::Spans;

/// More containers than this are counted, not listed.
const LISTED: usize = 200;

/// All about the environment that the pane shows. Whether there is one.
pub(super) fn environment(pen: &mut Pen<'_>, app: &App, page: &mut Page) -> Option<String> {
    let Some(EnvironmentPane::Container { pod, container, environment, findings, counts, .. }) =
        &app.panes.environment
    else {
        return None;
    };
    page.field("Pod", format!("{} in {}", pod.key.name, pod.key.namespace));
    page.field("Container", format!("{container}, {}", environment.state_word()));
    page.field("Started", moment(environment.started(), app.now));
    pen.ages(environment.started(), app.now);
    let links = if environment.service_links { "on" } else { "off: only the Service kubernetes counts" };
    page.field("Service links", links);
    page.field("Variables", format!("{}, {}", counts.0, tally(environment)));
    page.field(
        "Size",
        format!(
            "{} bytes, {} of them from Services; a process can start with about {}",
            environment.bytes(),
            environment.service_bytes(),
            ENVIRONMENT_LIMIT
        ),
    );
    for told in environment.blocked.iter().cloned().chain(environment.unknowns()) {
        page.field("Not known", told);
    }
    if !findings.is_empty() {
        page.heading("Findings");
        let lines = pane::findings(pen, findings, page.columns);
        page.lines.extend(lines);
    }
    services(pen, page, environment);
    Some(format!("Environment of {} / {container}", pod.key.name))
}

/// `31 present, 8 absent`.
fn tally(environment: &ContainerEnvironment) -> String {
    let all = [
        Status::Present,
        Status::Absent,
        Status::NextStart,
        Status::Stale,
        Status::Uncertain,
        Status::Unreadable,
    ];
    let mut counts = [0_usize; 6];
    for variable in environment.variables() {
        if let Some(at) = all.iter().position(|s| *s == variable.status) {
            counts[at] += 1;
        }
    }
    let told = all.iter().zip(counts).filter(|(_, n)| *n > 0);
    or_none(told.map(|(status, n)| format!("{n} {}", status.as_str())).collect::<Vec<_>>().join(", "))
}

/// The Services of the namespace, and what this container has of each.
fn services(pen: &Pen<'_>, page: &mut Page, environment: &ContainerEnvironment) {
    let all = environment.services();
    if all.len() == 0 {
        return;
    }
    page.heading(&format!("Services looked at, {}", all.len()));
    for (service, verdict) in all.take(LISTED) {
        let (role, glyph) = match verdict {
            Verdict::Present => (Role::Ok, Glyph::Check),
            Verdict::Absent { .. } => (Role::Bad, Glyph::Cross),
            Verdict::NextStart => (Role::Info, Glyph::Later),
            Verdict::Stale { .. } => (Role::Warn, Glyph::Stale),
            Verdict::Uncertain(_) => (Role::Warn, Glyph::Doubt),
            Verdict::NotEligible(_) => (Role::Dim, Glyph::Dot),
        };
        let reason = verdict.reason(service, &environment.start).unwrap_or_default();
        page.line(
            Spans::of(role, format!("  {} ", pen.glyph(glyph)))
                .and(Role::Name, service.key.name.to_string())
                .and(Role::Dim, format!("  {reason}")),
        );
    }
}

/// What a Service's page says about the containers that lack its variables.
pub(super) fn lacking(pen: &Pen<'_>, app: &App, page: &mut Page) {
    if let Some(lacking) = app.lacking.as_ref().filter(|l| !l.findings.is_empty()) {
        page.heading("Environments");
        let lines = pane::findings(pen, &lacking.findings, page.columns);
        page.lines.extend(lines);
    }
}

/// The page of the containers that lack the selected Service's variables.
pub(in crate::ui) fn missing(pen: &mut Pen<'_>, app: &App, body: Rect, offset: usize) {
    let Some(facts) = app.selected_service() else { return };
    let columns = COLUMNS.min(body.width.saturating_sub(4));
    let mut page = Page { lines: vec![], columns: usize::from(columns).max(1) };
    let missing = app.lacking.as_ref().map_or(&[][..], |l| &l.containers);
    let name = &facts.key().name;
    if missing.is_empty() {
        page.line(
            Spans::of(Role::Ok, format!("{} ", pen.glyph(Glyph::Check)))
                .and(Role::Text, format!("No running container lacks the variables of {name}.")),
        );
    }
    for miss in missing.iter().take(LISTED) {
        one(pen, &mut page, miss);
    }
    if missing.len() > LISTED {
        page.line(Spans::of(Role::Dim, format!("and {} more", missing.len() - LISTED)));
    }
    let mut cures: Vec<_> = missing.iter().map(|m| m.cure.to_string()).collect();
    cures.sort();
    cures.dedup();
    if !cures.is_empty() {
        page.heading("What gives them a fresh environment");
        for cure in &cures {
            page.line(
                Spans::of(Role::Accent, format!("  {} ", pen.glyph(Glyph::Arrow)))
                    .and(Role::Text, cure.clone()),
            );
        }
    }
    let title = format!("Running containers without the variables of {name} as they are today");
    let rows = size(page.lines.len());
    overlay::show(pen, body, columns, rows, &Spans::of(Role::TitleFocused, title), &page.lines, offset);
}

fn one(pen: &Pen<'_>, page: &mut Page, miss: &Miss) {
    let (role, glyph) = match miss.verdict {
        Verdict::Absent { .. } => (Role::Bad, Glyph::Cross),
        Verdict::Stale { .. } => (Role::Warn, Glyph::Stale),
        _ => (Role::Warn, Glyph::Doubt),
    };
    page.line(
        Spans::of(role, format!("{} ", pen.glyph(glyph)))
            .and(Role::Name, miss.pod.name.to_string())
            .and(Role::Text, format!(" / {}", miss.container)),
    );
    let reason = crate::model::text::clean(&miss.reason).into_owned();
    for line in crate::ui::widgets::text::wrap(&reason, page.columns.saturating_sub(4)) {
        page.line(Spans::of(Role::Dim, format!("    {line}")));
    }
}
