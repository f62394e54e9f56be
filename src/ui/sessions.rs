//! The page of sessions: what is forwarded to where, how it goes, and what went wrong.
//!
//! ```text
//! ╭ Sessions ──────────────────────────────────────────────────────────────────────╮
//! │   LOCAL            TARGET          STATE      CONN   IN        OUT     POD       │
//! │ ▸ 127.0.0.1:8080   svc/my-app:80   connected  2/14   1.2 MB/s  3 kB/s  my-app-x2k│
//! │                                                                                  │
//! │   ▁▁▃▇▅▂▁  up 3m  14 connections, 0 failed  12 MB in, 80 kB out                  │
//! ╰──────────────────────────────────────────────────────────────────────────────────╯
//! ```

use ratatui::layout::Rect;

use crate::app::{App, Target};
use crate::config::theme::Role;
use crate::model::session::{ForwardState, ForwardStatus};
use crate::model::text::clean;
use crate::model::time::age;

use super::overlay::size;
use super::widgets::glyph::Glyph;
use super::widgets::page;
use super::widgets::pen::Pen;
use super::widgets::spans::Spans;
use super::widgets::table::{Cell, Column, Layout};
use super::widgets::text::{Cut, wrap};

/// Columns that the page wants.
const COLUMNS: u16 = 120;
/// Rows for what is told about the selected one.
const FOOT: u16 = 5;
/// Columns from which rates and pods are shown.
const WITH_RATES: u16 = 80;
/// More rows than this are scrolled.
const ROWS: usize = 20;

pub(super) fn draw(pen: &mut Pen<'_>, app: &App, body: Rect) {
    let forwards = &app.sessions.forwards;
    let above = if app.sessions.proxy.is_some() { 2 } else { 0 };
    let rows = size(forwards.len().clamp(1, ROWS)).saturating_add(2 + FOOT + above);
    let title = format!("Forwards {}", forwards.len());
    let inner = page::open(pen, body, COLUMNS, rows, &Spans::of(Role::TitleFocused, title));
    if forwards.is_empty() {
        let inner = proxy(pen, app, inner);
        let told = "Nothing is forwarded. Select a Service, an endpoint or a pod and press f.";
        let key = pen.look.key(crate::app::Mode::Browse, crate::app::Action::Forward).unwrap_or_default();
        let told = told.replace("press f", &format!("press {key}"));
        pen.spans(inner, &Spans::of(Role::Dim, told), None);
        return;
    }
    let inner = proxy(pen, app, inner);
    let foot = FOOT.min(inner.height.saturating_sub(3));
    let list = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1 + foot), ..inner };
    pen.drawn.viewport.overlay_rows = usize::from(list.height);
    let layout = layout(forwards, inner.width.saturating_sub(2));
    let heading = Rect { x: inner.x + 2, width: inner.width.saturating_sub(2), height: 1, ..inner };
    layout.headings(pen, heading, None);
    let cursor = &app.sessions.cursor;
    let offset = cursor.offset().min(forwards.len().saturating_sub(usize::from(list.height)));
    for (row, (at, forward)) in list.rows().zip(forwards.iter().enumerate().skip(offset)) {
        let look = (at == cursor.index()).then_some(Role::Selection);
        if let Some(look) = look {
            pen.paint(row, look);
            let style = pen.style(look);
            pen.put(row.as_position(), 1, pen.glyph(Glyph::Pointer), style);
        }
        pen.region(row, Target::Overlay);
        let room = Rect { x: row.x + 2, width: row.width.saturating_sub(2), ..row };
        line(pen, &layout, forward, room, look);
    }
    let foot = Rect { y: list.bottom() + 1, height: foot.saturating_sub(1), ..inner };
    if let Some(forward) = app.sessions.selected() {
        about(pen, app, forward, foot);
    }
}

/// A line about the API proxy, if there is one. The room below it.
fn proxy(pen: &mut Pen<'_>, app: &App, inner: Rect) -> Rect {
    let Some(proxy) = &app.sessions.proxy else { return inner };
    let (role, state) = match &proxy.ended {
        None if proxy.openness.narrow => (Role::Ok, "GET and HEAD alone".to_owned()),
        None => (Role::Warn, "everything that kubectl proxy passes".to_owned()),
        Some(why) => (Role::Dim, format!("ended {}", clean(why))),
    };
    let spans = Spans::of(Role::Title, "API proxy ")
        .and(Role::Name, clean(&proxy.address).into_owned())
        .and(role, format!("  {state}"))
        .and(
            Role::Text,
            format!(
                "  {} requests, {} refused, {} failed, {} open; {} down, {} up",
                proxy.requests,
                proxy.rejected,
                proxy.failed,
                proxy.open,
                bytes(proxy.down),
                bytes(proxy.up)
            ),
        );
    pen.spans(Rect { height: 1.min(inner.height), ..inner }, &spans, None);
    super::pane::below(inner, 2)
}

fn layout(forwards: &[ForwardStatus], room: u16) -> Layout {
    let widest = |of: &dyn Fn(&ForwardStatus) -> usize, least: usize| {
        forwards.iter().map(of).max().unwrap_or(0).max(least)
    };
    let mut columns = vec![
        Column::new("LOCAL", widest(&|f| local(f).len(), 5)),
        Column::new("TARGET", widest(&|f| target(f).len(), 6)).least(14, Cut::Middle),
        Column::new("STATE", 9),
        Column::new("CONN", 7),
    ];
    // What matters least stands last and needs room.
    if room >= WITH_RATES {
        columns.extend([Column::new("IN", 8), Column::new("OUT", 8)]);
        let pod = widest(&|f| f.pod.as_ref().map_or(1, |p| p.len()), 3);
        columns.push(Column::new("POD", pod).least(8, Cut::Middle));
    }
    Layout::new(columns, room, 2, 0)
}

fn line(pen: &mut Pen<'_>, layout: &Layout, forward: &ForwardStatus, room: Rect, look: Option<Role>) {
    let (role, _) = mark(&forward.state);
    let (bytes_in, bytes_out) = forward.rates.last();
    layout.row(pen, room, look, |column| match column {
        0 => Cell::new(Role::Name, local(forward)),
        1 => Cell::new(Role::Text, target(forward)),
        2 => Cell::new(role, forward.state.word().to_owned()),
        3 => Cell::new(Role::Text, format!("{}/{}", forward.open, forward.total)),
        4 => Cell::new(Role::Text, format!("{}/s", bytes(bytes_in))),
        5 => Cell::new(Role::Text, format!("{}/s", bytes(bytes_out))),
        _ => Cell::new(Role::Dim, forward.pod.as_deref().map_or("-".into(), |p| clean(p).into_owned())),
    });
}

/// The mark of a state.
pub(super) fn mark(state: &ForwardState) -> (Role, Glyph) {
    match state {
        ForwardState::Opening => (Role::Dim, Glyph::Unknown),
        ForwardState::Listening => (Role::Info, Glyph::NotReady),
        ForwardState::Connected => (Role::Ok, Glyph::Ready),
        ForwardState::Degraded { .. } | ForwardState::Waiting { .. } => (Role::Warn, Glyph::Partly),
        ForwardState::Closed { .. } => (Role::Bad, Glyph::Ending),
    }
}

fn local(forward: &ForwardStatus) -> String {
    forward.address().map_or_else(|| "-".to_owned(), |a| a.to_string())
}

fn target(forward: &ForwardStatus) -> String {
    let target = &forward.spec.target;
    clean(&format!("{}/{target}:{}", target.namespace, forward.spec.port.remote)).into_owned()
}

/// Bytes as people read them: `980 B`, `1.2 kB`, `38 MB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let (mut whole, mut tenths, mut unit) = (count, 0, 0);
    while whole >= 1000 && unit + 1 < UNITS.len() {
        tenths = whole % 1000 / 100;
        whole /= 1000;
        unit += 1;
    }
    if unit > 0 && whole < 10 {
        format!("{whole}.{tenths} {}", UNITS[unit])
    } else {
        format!("{whole} {}", UNITS[unit])
    }
}

/// All about one forward.
fn about(pen: &mut Pen<'_>, app: &App, forward: &ForwardStatus, area: Rect) {
    pen.ages(Some(forward.started_at), app.now);
    let mut lines = vec![
        Spans::of(Role::Accent, spark(pen, forward))
            .and(Role::Dim, "  up ")
            .and(Role::Text, age(Some(forward.started_at), app.now))
            .and(Role::Dim, "  ")
            .and(
                Role::Text,
                format!(
                    "{} connections, {} failed; {} in, {} out; {} ready endpoint{}",
                    forward.total,
                    forward.failed,
                    bytes(forward.bytes_in),
                    bytes(forward.bytes_out),
                    forward.ready,
                    if forward.ready == 1 { "" } else { "s" },
                ),
            ),
    ];
    let told = forward.state.why().map(|why| (Role::Warn, why.to_owned())).or_else(|| {
        let error = forward.last_error.as_ref()?;
        Some((Role::Dim, format!("last error {} ago: {}", age(Some(error.at), app.now), error.text)))
    });
    if let Some((role, text)) = told {
        let wrapped = wrap(&clean(&text), usize::from(area.width).max(8));
        lines.extend(wrapped.into_iter().map(|l| Spans::of(role, l)));
    }
    for (row, line) in area.rows().zip(&lines) {
        pen.spans(row, line, None);
    }
}

/// The last half minute, both ways together.
fn spark(pen: &Pen<'_>, forward: &ForwardStatus) -> String {
    const UNICODE: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const ASCII: [char; 8] = ['_', '.', ':', '-', '=', '+', '*', '#'];
    let levels = if pen.look.ascii { ASCII } else { UNICODE };
    let seconds: Vec<u64> = forward.rates.seconds().map(|(i, o)| i + o).collect();
    let shown = &seconds[seconds.len().saturating_sub(30)..];
    let most = shown.iter().copied().max().unwrap_or(0).max(1);
    let level = |value: u64| {
        // The lowest is kept for nothing at all.
        let at = if value == 0 { 0 } else { 1 + value.saturating_mul(6) / most };
        levels[usize::try_from(at).unwrap_or(7).min(7)]
    };
    shown.iter().map(|v| level(*v)).collect()
}
