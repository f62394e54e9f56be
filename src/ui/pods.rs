//! The list of pods: the columns of `kubectl get pods -o wide`, and the Services that lead to each.
//!
//! ```text
//!   NAME▲              READY  STATUS   RESTARTS  AGE  IP          NODE    SERVICES
//! ▸ my-app-6d…x2k      1/1    Running         0   3d  10.244.1.7  node-1  my-app
//! ```

use ratatui::layout::Rect;

use crate::app::{App, Column as Sort, Pane};
use crate::config::theme::Role;
use crate::model::columns::{self, PodSummary};
use crate::model::time::age;
use crate::model::{Kind, Load, Pod};

use super::services::AGE;
use super::widgets::pen::Pen;
use super::widgets::table::{Cell, Column, Layout};
use super::widgets::text::Cut;
use super::{list, measure};

const NAMESPACE: usize = 0;
const NAME: usize = 1;
const READY: usize = 2;
const STATUS: usize = 3;
const RESTARTS: usize = 4;
const AGE_AT: usize = 5;
const IP: usize = 6;
const NODE: usize = 7;

/// Columns that the usual STATUS takes (`ContainerCreating`); longer ones are cut.
const STATUS_WIDTH: usize = 17;
/// `12 (4d5h ago)`.
const RESTARTS_WIDTH: usize = 13;
/// The Services come last and may be many.
const SERVICES_WIDTH: usize = 24;

fn layout(pen: &Pen<'_>, app: &App, room: u16) -> Layout {
    let widths: measure::PodWidths = pen.look.measures.pods(&app.snapshot);
    let several = list::several_namespaces(app);
    let mut all = vec![
        Column::new("NAMESPACE", widths.namespace).least(10, Cut::Middle).sort(Sort::Namespace),
        Column::new("NAME", widths.name).least(20, Cut::Middle).sort(Sort::Name),
        Column::new("READY", 5).gives_way(1),
        Column::new("STATUS", STATUS_WIDTH).least(16, Cut::End).sort(Sort::Status),
        Column::new("RESTARTS", RESTARTS_WIDTH).least(9, Cut::End).gives_way(3).sort(Sort::Restarts),
        Column::new("AGE", AGE).right().gives_way(5).sort(Sort::Age),
        Column::new("IP", widths.ip).least(15, Cut::Middle).gives_way(4).sort(Sort::Address),
        Column::new("NODE", widths.node).least(8, Cut::Middle).gives_way(6).sort(Sort::Node),
        Column::new("SERVICES", SERVICES_WIDTH).least(12, Cut::End).gives_way(2),
    ];
    if !several {
        all[NAMESPACE] = Column::absent();
    }
    Layout::new(all, room, usize::from(several) + 1, app.layout.scroll[0])
}

pub(super) fn draw(pen: &mut Pen<'_>, app: &App, heading: Rect, rows: Rect) {
    let table = &app.pods;
    let room = rows.width.saturating_sub(list::GUTTER);
    let layout = layout(pen, app, room);
    pen.drawn.viewport.aside[Pane::Main.index()] = layout.aside();
    if heading.height > 0 {
        let sorted = match table.column {
            Sort::Namespace if !list::several_namespaces(app) => Sort::Name,
            other => other,
        };
        let area = Rect { x: heading.x + list::GUTTER.min(heading.width), width: room, ..heading };
        layout.headings(pen, area, Some((sorted, table.reverse)));
    }
    let visible = list::visible(&table.cursor, table.rows.len(), rows);
    for (area, at) in rows.rows().zip(visible) {
        let row = &table.rows[at];
        let pod = &*row.item;
        let (room, look) = list::object_row(pen, app, area, at == table.cursor.index(), &pod.key);
        if layout.shows(AGE_AT) {
            pen.ages(pod.created, app.now);
        }
        let summary = columns::pod_summary(pod);
        layout.row(pen, room, look, |column| {
            cell(app, pod, &summary, column).matched_in(column == NAME, &row.matched)
        });
    }
}

fn cell<'a>(app: &'a App, pod: &'a Pod, summary: &PodSummary, column: usize) -> Cell<'a> {
    match column {
        NAMESPACE => Cell::new(Role::Dim, &*pod.key.namespace),
        NAME => Cell::new(Role::Name, &*pod.key.name),
        READY => {
            let role = if summary.ready < summary.total && !pod.finished() { Role::Warn } else { Role::Text };
            Cell::new(role, summary.ready_cell())
        }
        STATUS => Cell::new(status_role(summary), summary.status.clone()),
        RESTARTS => {
            let role = if summary.restarts > 0 { Role::Text } else { Role::Dim };
            Cell::new(role, summary.restarts_cell(app.now))
        }
        AGE_AT => Cell::new(Role::Text, age(pod.created, app.now)),
        IP => match pod.ips.first() {
            Some(ip) => Cell::new(Role::Text, &**ip),
            None => Cell::new(Role::Dim, columns::NONE),
        },
        NODE if pod.node.is_empty() => Cell::new(Role::Dim, columns::NONE),
        NODE => Cell::new(Role::Text, &*pod.node),
        _ => services(app, pod),
    }
}

/// How a STATUS looks: the word itself says what it means.
pub(super) fn status_role(summary: &PodSummary) -> Role {
    match summary.status.as_str() {
        "Running" if summary.ready == summary.total => Role::Ok,
        "Completed" | "Succeeded" => Role::Dim,
        "Running" | "Pending" | "ContainerCreating" | "PodInitializing" | "Terminating" => Role::Warn,
        status if status.starts_with("Init:") && !status.ends_with("BackOff") => Role::Warn,
        _ => Role::Bad,
    }
}

/// The Services that have the pod as an endpoint.
fn services<'a>(app: &'a App, pod: &Pod) -> Cell<'a> {
    let names = app.snapshot.services_of(&pod.key);
    match names {
        [one] => Cell::new(Role::Text, &**one),
        [] => match app.snapshot.load(Kind::EndpointSlice, &pod.key.namespace) {
            Some(Load::Live | Load::Stale { .. }) => Cell::new(Role::Dim, columns::NONE),
            _ => Cell::new(Role::Dim, "?"),
        },
        several => Cell::new(Role::Text, several.join(",")),
    }
}
