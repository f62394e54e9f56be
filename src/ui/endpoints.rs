//! The Endpoints pane: what is behind the selected Service, a row an address; or why nothing is. For a pod: the
//! Services that lead to it.
//!
//! ```text
//!   ADDRESS     POD              STATUS   NODE
//!  ● 10.244.1.7  my-app-6d…x2k  Running  node-1
//!  ○ 10.244.2.3  my-app-6d…k7w  Running  node-2
//!
//!  ✗ No pod carries the labels that this Service selects.
//!    · selector app=report
//!    → The nearest …
//! ```

use std::fmt::Write;

use ratatui::layout::{Position, Rect};

use crate::app::panes::Subject;
use crate::app::{App, Pane};
use crate::config::theme::Role;
use crate::model::columns;
use crate::model::join::{EndpointRow, EndpointState, PodService, TargetPod};
use crate::model::{Kind, ServiceFacts, ServiceType, Severity, SlicePort};

use super::face::{self, Face};
use super::loads::Summary;
use super::measure::grow;
use super::widgets::glyph::Glyph;
use super::widgets::pen::Pen;
use super::widgets::spans::Spans;
use super::widgets::table::{Cell, Column, Layout};
use super::widgets::text::Cut;
use super::{pane, pods};

const ADDRESS: usize = 0;
const POD: usize = 1;
const STATUS: usize = 2;
const RESTARTS: usize = 3;
const NODE: usize = 4;
const ZONE: usize = 5;
const PORTS: usize = 6;

/// Columns of the mark and the blank behind it.
const MARK: u16 = 2;
/// Rows from which headings are worth one.
const WITH_HEADINGS: u16 = 6;

/// What the title says.
pub(super) fn about(app: &App) -> Spans<'static> {
    match &app.panes.subject {
        Some(Subject::Service(facts)) if facts.total > 0 => {
            let role = if facts.ready == 0 {
                Role::Bad
            } else if facts.ready < facts.total {
                Role::Warn
            } else {
                Role::Ok
            };
            Spans::of(role, format!(" {}/{} ready", facts.ready, facts.total))
        }
        Some(Subject::Pod(_)) => Spans::of(Role::Text, format!(" {}", app.panes.leading.len())),
        _ => Spans::new(),
    }
}

pub(super) fn draw(pen: &mut Pen<'_>, app: &App, place: Rect, inner: Rect) {
    pen.drawn.viewport.rows[Pane::Endpoints.index()] = usize::from(inner.height);
    match &app.panes.subject {
        None => Face::new(Role::Dim, Glyph::Dot, "Nothing is selected.").draw(pen, inner),
        Some(Subject::Service(facts)) => behind(pen, app, facts, place, inner),
        Some(Subject::Pod(_)) => leading(pen, app, place, inner),
    }
}

/// What is behind a Service.
fn behind(pen: &mut Pen<'_>, app: &App, facts: &ServiceFacts, place: Rect, inner: Rect) {
    let summary = Summary::in_namespace(app, Kind::EndpointSlice, &facts.key().namespace);
    if app.panes.endpoints.is_empty() {
        return match face::of_loads(pen, app, Kind::EndpointSlice, &summary) {
            Some(face) if facts.service.kind != ServiceType::ExternalName => face.draw(pen, inner),
            _ => nothing(pen, app, facts, inner),
        };
    }
    let (inner, foot) = pane::foot(app, Pane::Endpoints, inner);
    let lines = pane::findings(pen, &app.panes.findings, usize::from(inner.width.saturating_sub(2)));
    let wanted = u16::try_from(lines.len() + usize::from(!lines.is_empty())).unwrap_or(u16::MAX);
    let free = usize::from(inner.height).saturating_sub(app.panes.endpoints.len() + 1);
    // Findings may take what the rows leave; those that tell of something broken half of the pane in any case.
    let grave = app.panes.findings.iter().any(|f| f.severity != Severity::Info);
    let granted = if grave { inner.height / 2 } else { 0 };
    let room = wanted.min(granted.max(u16::try_from(free).unwrap_or(0)));
    let area = Rect { height: inner.height - room, ..inner };
    let layout = layout(app, area.width.saturating_sub(pane::GUTTER + MARK));
    pen.drawn.viewport.aside[Pane::Endpoints.index()] = layout.aside();
    let heading = u16::from(area.height >= WITH_HEADINGS);
    if heading > 0 {
        let x = area.x + pane::GUTTER + MARK;
        layout.headings(pen, Rect { x, width: area.right().saturating_sub(x), height: 1, ..area }, None);
    }
    let area = pane::below(area, heading);
    let rest = pane::rows(pen, app, Pane::Endpoints, place, area, |pen, room, at, look| {
        if let Some(row) = app.panes.endpoints.get(at) {
            endpoint(pen, app, &layout, row, room, look);
        }
    });
    let below = Rect { height: inner.bottom() - rest.y, ..rest };
    pane::lines(pen, pane::below(below, 1), &lines);
    if let Some(row) = app.panes.endpoints.get(app.panes.cursor(Pane::Endpoints).index()) {
        pane::foot_text(pen, foot, &sentence(row));
    }
}

/// Nothing is: the findings say why.
fn nothing(pen: &mut Pen<'_>, app: &App, facts: &ServiceFacts, inner: Rect) {
    if !app.panes.findings.is_empty() {
        let lines = pane::findings(pen, &app.panes.findings, usize::from(inner.width.saturating_sub(2)));
        return pane::lines(pen, inner, &lines);
    }
    let service = &facts.service;
    let face = if service.kind == ServiceType::ExternalName {
        Face::new(Role::Info, Glyph::Info, format!("DNS answers with an alias: {}", service.external_name))
            .line(Role::Dim, "An ExternalName has no endpoints: connections go to that name directly.")
    } else if service.selector.is_empty() {
        Face::new(Role::Warn, Glyph::Warn, "Nothing is behind this Service.")
            .line(Role::Dim, "It has no selector, and nobody has written EndpointSlices for it.")
    } else {
        Face::new(Role::Bad, Glyph::Cross, "Nothing is behind this Service.")
            .line(Role::Dim, format!("It selects pods with {}.", service.selector))
    };
    face.draw(pen, inner);
}

/// The columns. Measured over all endpoints of this one Service, so that they stand still while it is scrolled.
fn layout(app: &App, room: u16) -> Layout {
    let rows = &app.panes.endpoints;
    let (mut address, mut target, mut node, mut zone, mut port) = (7, 3, 4, 4, 5);
    let mut hints = false;
    for row in rows {
        grow(&mut address, &row.address);
        grow(&mut target, target_name(row));
        grow(&mut node, row.node.as_deref().unwrap_or(columns::NONE));
        grow(&mut zone, row.zone.as_deref().unwrap_or_default());
        port = port.max(ports_width(&row.ports).min(40));
        hints |= !row.hints.zones.is_empty() || !row.hints.nodes.is_empty();
    }
    let zones = rows.iter().any(|r| r.zone.is_some());
    let all = vec![
        Column::new("ADDRESS", address).least(15, Cut::Middle),
        Column::new("POD", target).least(20, Cut::Middle),
        Column::new("STATUS", 17).least(8, Cut::End).gives_way(1),
        Column::new("RESTARTS", 8).right().gives_way(4),
        Column::new("NODE", node).least(8, Cut::Middle).gives_way(2),
        if zones { Column::new("ZONE", zone).least(6, Cut::Middle).gives_way(3) } else { Column::absent() },
        Column::new("PORTS", port).least(8, Cut::End).gives_way(5),
        if hints { Column::new("HINTS", 12).least(6, Cut::End).gives_way(6) } else { Column::absent() },
    ];
    Layout::new(all, room, 1, app.layout.scroll[Pane::Endpoints.index()])
}

fn endpoint(
    pen: &mut Pen<'_>,
    app: &App,
    layout: &Layout,
    row: &EndpointRow,
    room: Rect,
    look: Option<Role>,
) {
    let (role, glyph) = mark(row);
    let style = pen.style_on(look, role);
    pen.put(Position::new(room.x, room.y), room.width, pen.glyph(glyph), style);
    let indent = MARK.min(room.width);
    let room = Rect { x: room.x + indent, width: room.width - indent, ..room };
    let summary = row.pod.pod().map(|p| columns::pod_summary(p));
    let dim_none = |text: Option<&str>| match text {
        Some(text) if !text.is_empty() => Cell::new(Role::Text, text.to_owned()),
        _ => Cell::new(Role::Dim, columns::NONE),
    };
    layout.row(pen, room, look, |column| match column {
        ADDRESS => Cell::new(Role::Name, row.address.to_string()),
        POD => dim_none(Some(target_name(row))),
        STATUS => match (&row.pod, &summary) {
            (_, Some(summary)) => Cell::new(pods::status_role(summary), summary.status.clone()),
            (TargetPod::Missing, _) => Cell::new(Role::Bad, "gone"),
            (TargetPod::Unknown, _) => Cell::new(Role::Dim, "?"),
            _ => Cell::new(Role::Dim, columns::NONE),
        },
        RESTARTS => match &summary {
            Some(s) if s.restarts > 0 => Cell::new(Role::Text, s.restarts.to_string()),
            Some(_) => Cell::new(Role::Dim, "0"),
            None => Cell::new(Role::Dim, "?"),
        },
        NODE => dim_none(row.node.as_deref()),
        ZONE => dim_none(row.zone.as_deref()),
        PORTS => dim_none(Some(&ports(&row.ports))),
        _ => dim_none(Some(&hints(row))),
    });
    if let Some(pod) = row.pod.pod() {
        pen.ages(pod.created, app.now);
    }
}

/// The mark of an endpoint.
pub(super) fn mark(row: &EndpointRow) -> (Role, Glyph) {
    match row.state {
        EndpointState::Ready if row.ready.is_none() => (Role::Ok, Glyph::Unknown),
        other => state_mark(other),
    }
}

fn state_mark(state: EndpointState) -> (Role, Glyph) {
    match state {
        EndpointState::Ready => (Role::Ok, Glyph::Ready),
        EndpointState::Draining => (Role::Warn, Glyph::Partly),
        EndpointState::NotReady => (Role::Warn, Glyph::NotReady),
        EndpointState::Terminating => (Role::Bad, Glyph::Ending),
    }
}

/// The pod behind, or whatever else is.
pub(super) fn target_name(row: &EndpointRow) -> &str {
    match (&row.target, &row.hostname) {
        (Some(target), _) => &target.name,
        (None, Some(hostname)) => hostname,
        (None, None) => "",
    }
}

/// `http:8080/TCP`, as kubectl's describe writes ports.
pub(super) fn ports(ports: &[SlicePort]) -> String {
    let mut text = String::new();
    for (at, port) in ports.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let name = if port.name.is_empty() { String::new() } else { format!("{}:", port.name) };
        let number = port.port.map_or("*".to_owned(), |n| n.to_string());
        let _ = write!(text, "{comma}{name}{number}/{}", port.protocol.as_str());
    }
    text
}

/// Columns that [`ports`] takes, without making the text.
fn ports_width(ports: &[SlicePort]) -> usize {
    let one = |p: &SlicePort| {
        let digits = p.port.map_or(1, |n| n.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1);
        let name = if p.name.is_empty() { 0 } else { p.name.len() + 1 };
        name + digits + p.protocol.as_str().len() + 2
    };
    ports.iter().map(one).sum::<usize>().saturating_sub(1)
}

fn hints(row: &EndpointRow) -> String {
    row.hints.zones.iter().chain(&row.hints.nodes).map(|h| &**h).collect::<Vec<_>>().join(",")
}

/// All about one endpoint.
fn sentence(row: &EndpointRow) -> String {
    let said = |what: &str, value: Option<bool>| match value {
        Some(true) => what.to_owned(),
        Some(false) => format!("not {what}"),
        None => format!("{what}: not said"),
    };
    let mut text = format!(
        "{} {}, {}, {}",
        row.address,
        said("ready", row.ready),
        said("serving", row.serving),
        said("terminating", row.terminating),
    );
    if let Some(target) = &row.target {
        let _ = write!(text, "; {target}");
    }
    if let Some(hostname) = &row.hostname {
        let _ = write!(text, "; hostname {hostname}");
    }
    let _ = write!(text, "; slice {}", row.slices.join(", "));
    text
}

/// The Services that lead to a pod.
fn leading(pen: &mut Pen<'_>, app: &App, place: Rect, inner: Rect) {
    let Some(subject) = &app.panes.subject else { return };
    let namespace = &subject.key().namespace;
    if app.panes.leading.is_empty() {
        for kind in [Kind::Service, Kind::EndpointSlice] {
            let summary = Summary::in_namespace(app, kind, namespace);
            if let Some(face) = face::of_loads(pen, app, kind, &summary) {
                return face.draw(pen, inner);
            }
        }
        return Face::new(Role::Info, Glyph::Info, "No Service leads to this pod.")
            .line(Role::Dim, "No selector matches its labels, and no EndpointSlice lists it.")
            .draw(pen, inner);
    }
    let mut name = 4;
    for row in &app.panes.leading {
        grow(&mut name, &row.service.key().name);
    }
    let all = vec![
        Column::new("SERVICE", name).least(12, Cut::Middle),
        Column::new("STATE", 24).least(11, Cut::End),
        Column::new("CLUSTER-IP", 15).gives_way(1),
        Column::new("PORT(S)", 24).least(10, Cut::End).gives_way(2),
    ];
    let room = inner.width.saturating_sub(pane::GUTTER + MARK);
    let layout = Layout::new(all, room, 1, app.layout.scroll[Pane::Endpoints.index()]);
    pane::rows(pen, app, Pane::Endpoints, place, inner, |pen, room, at, look| {
        if let Some(row) = app.panes.leading.get(at) {
            leader(pen, &layout, row, room, look);
        }
    });
}

fn leader(pen: &mut Pen<'_>, layout: &Layout, row: &PodService, room: Rect, look: Option<Role>) {
    let (role, glyph) = row.state.map_or((Role::Bad, Glyph::Cross), state_mark);
    let style = pen.style_on(look, role);
    pen.put(Position::new(room.x, room.y), room.width, pen.glyph(glyph), style);
    let indent = MARK.min(room.width);
    let room = Rect { x: room.x + indent, width: room.width - indent, ..room };
    let service = &row.service.service;
    layout.row(pen, room, look, |column| match column {
        0 => Cell::new(Role::Name, service.key.name.to_string()),
        1 => Cell::new(role, row.state.map_or("selected, no endpoint", EndpointState::as_str)),
        2 => Cell::new(Role::Text, columns::cluster_ip(service).to_owned()),
        _ => Cell::new(Role::Text, columns::service_ports(service)),
    });
}
