//! The list of Services: the columns of `kubectl get services`, and how many endpoints are ready.
//!
//! ```text
//!   NAME▲    TYPE       CLUSTER-IP  EXTERNAL-IP  PORT(S)    AGE    EP
//! ▸ my-app   ClusterIP  10.96.14.2  <none>       80/TCP      3d   3/3
//!   cache    ClusterIP  None        <none>       6379/TCP    2h   0/2!
//! ```

use std::borrow::Cow;

use ratatui::layout::Rect;

use crate::app::{App, Column as Sort, Pane};
use crate::config::theme::Role;
use crate::model::columns::{self, Width};
use crate::model::time::age;
use crate::model::{Kind, Load, ServiceFacts, ServiceType};

use super::list;
use super::widgets::pen::Pen;
use super::widgets::table::{Cell, Column, Layout};
use super::widgets::text::Cut;

/// Columns that an age takes: `2y364d`.
pub(super) const AGE: usize = 6;

const NAMESPACE: usize = 0;
const NAME: usize = 1;
const TYPE: usize = 2;
const CLUSTER_IP: usize = 3;
const EXTERNAL_IP: usize = 4;
const PORTS: usize = 5;
const AGE_AT: usize = 6;
const ENDPOINTS: usize = 7;

fn layout(pen: &Pen<'_>, app: &App, room: u16) -> Layout {
    let wide = app.layout.wide;
    let widths = pen.look.measures.services(&app.snapshot, wide);
    let several = list::several_namespaces(app);
    let mut all = vec![
        Column::new("NAMESPACE", widths.namespace).least(10, Cut::Middle).sort(Sort::Namespace),
        Column::new("NAME", widths.name).least(16, Cut::Middle).sort(Sort::Name),
        Column::new("TYPE", 12).gives_way(3).sort(Sort::Type),
        Column::new("CLUSTER-IP", widths.cluster_ip).least(15, Cut::Middle).gives_way(2).sort(Sort::Address),
        Column::new("EXTERNAL-IP", widths.external_ip).least(15, Cut::Middle).gives_way(5),
        Column::new("PORT(S)", widths.ports).least(14, Cut::End).gives_way(1).sort(Sort::Ports),
        Column::new("AGE", AGE).right().gives_way(4).sort(Sort::Age),
        Column::new("EP", widths.endpoints).right().sort(Sort::Endpoints),
        Column::new("SELECTOR", widths.selector).least(12, Cut::End).gives_way(6),
    ];
    if !wide {
        all.truncate(ENDPOINTS + 1);
    }
    if !several {
        // It stays in its place, so that the indices mean the same, but takes none.
        all[NAMESPACE] = Column::absent();
    }
    let frozen = usize::from(several) + 1;
    Layout::new(all, room, frozen, app.layout.scroll[0])
}

pub(super) fn draw(pen: &mut Pen<'_>, app: &App, heading: Rect, rows: Rect) {
    let table = &app.services;
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
        let facts = &*row.item;
        let selected = at == table.cursor.index();
        let (room, look) = list::object_row(pen, app, area, selected, facts.key());
        if layout.shows(AGE_AT) {
            pen.ages(facts.service.created, app.now);
        }
        layout
            .row(pen, room, look, |column| cell(app, facts, column).matched_in(column == NAME, &row.matched));
    }
}

fn cell<'a>(app: &App, facts: &'a ServiceFacts, column: usize) -> Cell<'a> {
    let service = &*facts.service;
    let form = if app.layout.wide { Width::Wide } else { Width::Narrow };
    let none = |text: Cow<'a, str>| {
        let role = if matches!(&*text, columns::NONE | "None") { Role::Dim } else { Role::Text };
        Cell::new(role, text)
    };
    match column {
        NAMESPACE => Cell::new(Role::Dim, &*service.key.namespace),
        NAME => Cell::new(Role::Name, &*service.key.name),
        TYPE => Cell::new(Role::Text, columns::service_type(service)),
        CLUSTER_IP => none(columns::cluster_ip(service).into()),
        EXTERNAL_IP => none(columns::external_ip(service, form)),
        PORTS => none(columns::service_ports(service).into()),
        AGE_AT => Cell::new(Role::Text, age(service.created, app.now)),
        ENDPOINTS => endpoints(app, facts),
        _ => none(columns::selector(&service.selector).into()),
    }
}

/// Ready and all endpoints, `!` where not all are ready. What is not known is not told.
fn endpoints(app: &App, facts: &ServiceFacts) -> Cell<'static> {
    let (ready, total) = (facts.ready, facts.total);
    if facts.service.kind == ServiceType::ExternalName && total == 0 {
        return Cell::new(Role::Dim, "- ");
    }
    let role = match (ready, total) {
        (0, _) => Role::Bad,
        (r, t) if r < t => Role::Warn,
        _ => Role::Ok,
    };
    let mark = if role == Role::Ok { ' ' } else { '!' };
    match app.snapshot.load(Kind::EndpointSlice, &facts.key().namespace) {
        Some(Load::Live) => Cell::new(role, format!("{ready}/{total}{mark}")),
        Some(Load::Stale { .. }) => Cell::new(Role::Dim, format!("{ready}/{total}~")),
        // While the list is still arriving a count would be too low.
        Some(Load::Loading(_)) => Cell::new(Role::Dim, "… "),
        Some(Load::Forbidden { .. } | Load::Failed { .. }) | None => Cell::new(Role::Dim, "? "),
    }
}
