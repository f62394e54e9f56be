//! The Detail page: all that is known about the selected Service or pod, about the open environment, or about the cluster's DNS.

mod dns;
pub(super) mod environment;

use std::fmt::Write;

use ratatui::layout::Rect;

use crate::app::panes::Subject;
use crate::app::{App, Pane};
use crate::config::theme::Role;
use crate::model::pod::{ContainerRole, ContainerState};
use crate::model::time::{Timestamp, age};
use crate::model::{Labels, Pod, Service, ServiceFacts, ServiceType, columns};

use super::overlay::{self, size};
use super::widgets::pen::Pen;
use super::widgets::spans::Spans;
use super::widgets::text::{width, wrap};
use super::{dns as dns_pane, endpoints, pane, pods};

/// Columns that the page wants.
const COLUMNS: u16 = 110;
/// Columns of the names of the fields.
const FIELD: usize = 17;
/// More endpoints than this are counted, not listed: the pane lists them.
const ENDPOINTS: usize = 12;

pub(super) fn draw(pen: &mut Pen<'_>, app: &App, body: Rect, offset: usize) {
    let columns = COLUMNS.min(body.width.saturating_sub(4));
    let mut page = Page { lines: vec![], columns: usize::from(columns).max(1) };
    let of_environment =
        (app.focus == Pane::Environment).then(|| environment::environment(pen, app, &mut page)).flatten();
    let title = match &app.panes.subject {
        _ if of_environment.is_some() => of_environment.unwrap_or_default(),
        _ if app.focus == Pane::Dns => dns::servers(pen, app, &mut page),
        Some(Subject::Service(facts)) => {
            service(pen, app, &mut page, facts);
            format!("Service {} in {}", facts.key().name, facts.key().namespace)
        }
        Some(Subject::Pod(pod)) => {
            of_pod(pen, app, &mut page, pod);
            format!("Pod {} in {}", pod.key.name, pod.key.namespace)
        }
        None => "Detail".to_owned(),
    };
    let rows = size(page.lines.len());
    overlay::show(pen, body, columns, rows, &Spans::of(Role::TitleFocused, title), &page.lines, offset);
}

/// Lines as they are collected.
struct Page {
    lines: Vec<Spans<'static>>,
    columns: usize,
}

impl Page {
    fn heading(&mut self, text: &str) {
        if !self.lines.is_empty() {
            self.lines.push(Spans::new());
        }
        self.lines.push(Spans::of(Role::Title, text.to_owned()));
    }

    /// `Name   value`, wrapped under itself.
    fn field(&mut self, name: &str, value: impl AsRef<str>) {
        let value = crate::model::text::clean(value.as_ref()).into_owned();
        for (at, line) in wrap(&value, self.columns.saturating_sub(FIELD)).into_iter().enumerate() {
            let name = if at == 0 { name } else { "" };
            let role = if matches!(&*value, columns::NONE | "None") { Role::Dim } else { Role::Text };
            self.lines.push(Spans::of(Role::Dim, format!("{name:FIELD$}")).and(role, line));
        }
    }

    fn line(&mut self, spans: Spans<'static>) {
        self.lines.push(spans);
    }

    /// A small table, columns as wide as they need.
    fn table(&mut self, headings: &[&str], rows: &[Vec<String>]) {
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|r| r.iter().map(|c| crate::model::text::clean(c).into_owned()).collect())
            .collect();
        let wide = |at: usize| {
            let cells = rows.iter().filter_map(|r| r.get(at)).map(|c| width(c));
            cells.chain([headings[at].len()]).max().unwrap_or(0).min(48)
        };
        let widths: Vec<usize> = (0..headings.len()).map(wide).collect();
        let join = |cells: &mut dyn Iterator<Item = &str>| {
            let mut text = String::from("  ");
            for (cell, column) in cells.zip(&widths) {
                let padding = column.saturating_sub(width(cell)) + 2;
                let _ = write!(text, "{cell}{}", " ".repeat(padding));
            }
            text.trim_end().to_owned()
        };
        self.lines.push(Spans::of(Role::Heading, join(&mut headings.iter().copied())));
        for row in &rows {
            self.lines.push(Spans::of(Role::Text, join(&mut row.iter().map(String::as_str))));
        }
    }
}

fn moment(at: Option<Timestamp>, now: Timestamp) -> String {
    at.map_or_else(
        || "<unknown>".to_owned(),
        |at| format!("{} ago, {}", age(Some(at), now), at.strftime("%Y-%m-%d %H:%M:%S UTC")),
    )
}

fn or_none(text: String) -> String {
    if text.is_empty() { columns::NONE.to_owned() } else { text }
}

fn labels(labels: &Labels) -> String {
    or_none(labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("  "))
}

fn findings(pen: &Pen<'_>, app: &App, page: &mut Page) {
    if !app.panes.findings.is_empty() {
        page.heading("Findings");
        let lines = pane::findings(pen, &app.panes.findings, page.columns);
        page.lines.extend(lines);
    }
}

fn service(pen: &mut Pen<'_>, app: &App, page: &mut Page, facts: &ServiceFacts) {
    let service = &*facts.service;
    let headless = if service.headless() { ", headless" } else { "" };
    page.field("Type", format!("{}{headless}", columns::service_type(service)));
    if service.kind == ServiceType::ExternalName {
        page.field("External name", &*service.external_name);
    } else {
        let ips: Vec<_> = service.cluster_ips.iter().map(|ip| &**ip).collect();
        page.field(
            "Cluster IP",
            if ips.is_empty() { columns::cluster_ip(service).into() } else { ips.join(", ") },
        );
        page.field("External IP", columns::external_ip(service, columns::Width::Wide));
    }
    page.field("Selector", columns::selector(&service.selector));
    page.field("Created", moment(service.created, app.now));
    pen.ages(service.created, app.now);
    if service.deleting.is_some() {
        page.field("Being deleted", moment(service.deleting, app.now));
    }
    policies(page, service);
    page.field("Labels", labels(&service.labels));
    findings(pen, app, page);
    if !service.ports.is_empty() {
        page.heading("Ports");
        let rows: Vec<_> = service
            .ports
            .iter()
            .map(|p| {
                let node = if p.node_port == 0 { columns::NONE.to_owned() } else { p.node_port.to_string() };
                let target = match &p.target {
                    crate::model::PortTarget::Same => p.port.to_string(),
                    other => other.to_string(),
                };
                vec![
                    or_none(p.name.to_string()),
                    p.port.to_string(),
                    p.protocol.as_str().to_owned(),
                    target,
                    node,
                    or_none(p.app_protocol.to_string()),
                ]
            })
            .collect();
        page.table(&["NAME", "PORT", "PROTOCOL", "TARGET", "NODE PORT", "APP PROTOCOL"], &rows);
    }
    behind(pen, app, page, facts);
    names(pen, app, page);
    environment::lacking(pen, app, page);
}

fn policies(page: &mut Page, service: &Service) {
    let mut told = Vec::new();
    if service.internal_local {
        told.push("internal traffic stays on the node");
    }
    if service.external_local {
        told.push("external traffic stays on the node");
    }
    if service.publish_not_ready {
        told.push("addresses that are not ready are published");
    }
    if !told.is_empty() {
        page.field("Policies", told.join("; "));
    }
}

fn behind(pen: &Pen<'_>, app: &App, page: &mut Page, facts: &ServiceFacts) {
    let rows = &app.panes.endpoints;
    if rows.is_empty() {
        return;
    }
    page.heading(&format!("Endpoints, {} of {} ready", facts.ready, facts.total));
    for row in rows.iter().take(ENDPOINTS) {
        let (role, glyph) = endpoints::mark(row);
        let node = row.node.as_deref().unwrap_or_default();
        page.line(
            Spans::of(role, format!("  {} ", pen.glyph(glyph)))
                .and(Role::Name, format!("{:15}", row.address))
                .and(Role::Text, format!("  {}", endpoints::target_name(row)))
                .and(Role::Dim, format!("  {node}  {}", endpoints::ports(&row.ports))),
        );
    }
    if rows.len() > ENDPOINTS {
        page.line(Spans::of(Role::Dim, format!("  and {} more", rows.len() - ENDPOINTS)));
    }
}

fn names(pen: &Pen<'_>, app: &App, page: &mut Page) {
    if app.panes.names.is_empty() {
        return;
    }
    page.heading("Names");
    let exists = dns_pane::exists(app);
    for form in &app.panes.names {
        let (role, glyph) = dns_pane::mark(form, exists);
        page.line(Spans::of(role, format!("  {} ", pen.glyph(glyph))).and(Role::Text, form.text.clone()));
    }
    let how = format!("Cluster domain {}, {}", app.panes.domain.text(), app.panes.domain.how);
    page.line(Spans::of(Role::Dim, format!("  {how}")));
}

fn of_pod(pen: &mut Pen<'_>, app: &App, page: &mut Page, pod: &Pod) {
    let summary = columns::pod_summary(pod);
    page.field("Status", format!("{}, {} ready", summary.status, summary.ready_cell()));
    page.field("Restarts", summary.restarts_cell(app.now));
    page.field("Addresses", or_none(pod.ips.join(", ")));
    page.field("Node", or_none(pod.node.to_string()));
    page.field("Created", moment(pod.created, app.now));
    pen.ages(pod.created, app.now);
    if pod.deleting.is_some() {
        page.field("Being deleted", moment(pod.deleting, app.now));
    }
    if let Some(owner) = &pod.owner {
        page.field("Controlled by", format!("{} {}", owner.kind, owner.name));
    }
    page.field("Labels", labels(&pod.labels));
    for condition in pod.conditions.iter().filter(|c| !c.status) {
        let since = age(condition.since, app.now);
        let why = [&*condition.reason, &*condition.message].join(" ");
        page.field(&format!("Not {}", condition.kind), format!("for {since}  {}", why.trim()));
    }
    findings(pen, app, page);
    page.heading("Containers");
    let rows: Vec<_> = pod
        .spec
        .containers
        .iter()
        .map(|c| {
            let status = pod.status(&c.name);
            let state = match status.map(|s| &s.state) {
                Some(ContainerState::Running(at)) => format!("running for {}", age(*at, app.now)),
                Some(ContainerState::Waiting(why)) => format!("waiting {why}"),
                Some(ContainerState::Terminated { reason, exit_code, .. }) => {
                    format!("ended {reason} {exit_code}")
                }
                None => "?".to_owned(),
            };
            let role = match c.role {
                ContainerRole::Init => "init",
                ContainerRole::Sidecar => "sidecar",
                ContainerRole::Main => "main",
                ContainerRole::Ephemeral => "ephemeral",
            };
            let restarts = status.map_or("?".to_owned(), |s| s.restarts.to_string());
            vec![c.name.to_string(), role.to_owned(), state, restarts, c.image.to_string()]
        })
        .collect();
    page.table(&["NAME", "ROLE", "STATE", "RESTARTS", "IMAGE"], &rows);
    if !app.panes.leading.is_empty() {
        page.heading("Services that lead here");
        let rows: Vec<_> = app
            .panes
            .leading
            .iter()
            .map(|l| {
                let service = &l.service.service;
                let state = l.state.map_or("selected, but no endpoint", |s| s.as_str());
                vec![service.key.name.to_string(), state.to_owned(), columns::service_ports(service)]
            })
            .collect();
        page.table(&["NAME", "STATE", "PORT(S)"], &rows);
    }
    let role = pods::status_role(&summary);
    if let Some(first) = page.lines.first_mut().and_then(|l| l.0.last_mut()) {
        first.role = role;
    }
}
