//! The page that says what the credential may use.
//!
//! ```text
//! ╭ What viewer may use in shop ──────────────────────────────────────────────╮
//! │ ✓ Services and what is behind them                                         │
//! │ ✗ pods and their environments                                              │
//! │   not allowed: list pods in shop                                           │
//! │   without it: Services and endpoints alone                                 │
//! │                                                                            │
//! │ The smallest roles that allow what is missing                              │
//! │ apiVersion: rbac.authorization.k8s.io/v1                                   │
//! ╰────────────────────────────────────────────────────────────────────────────╯
//! ```

use ratatui::layout::Rect;

use crate::app::App;
use crate::app::access::Access;
use crate::config::theme::Role;
use crate::model::access::{Judged, Verdict};
use crate::model::text::clean;

use super::answers::{page, set};
use super::widgets::glyph::Glyph;
use super::widgets::pen::Pen;
use super::widgets::spans::Spans;

/// Draws it.
pub(super) fn draw(pen: &mut Pen<'_>, app: &App, body: Rect, offset: usize) {
    page(pen, app, app.access.as_ref(), body, offset, lines);
}

fn lines(pen: &Pen<'_>, access: &Access, columns: usize) -> Vec<Spans<'static>> {
    let mut lines = Vec::new();
    for judged in &access.judged {
        feature(pen, &mut lines, judged, columns);
    }
    if let Some(why) = &access.silent {
        lines.push(Spans::new());
        let text = format!("some questions have no answer: {why}");
        set(&mut lines, pen.glyph(Glyph::Warn), &text, columns, Role::Warn, Role::Text);
    }
    lines.push(Spans::new());
    let role = access.roles();
    if role.is_empty() {
        let all = access.judged.iter().all(|judged| judged.verdict == Verdict::Works);
        let text = if all { "everything is allowed" } else { "nothing is known to be missing" };
        lines.push(Spans::of(Role::Dim, text));
        return lines;
    }
    lines.push(Spans::of(
        Role::Title,
        "The smallest roles that allow what is missing; bind them to this user",
    ));
    lines.extend(role.lines().map(|line| Spans::of(Role::Text, clean(line).into_owned())));
    lines
}

fn feature(pen: &Pen<'_>, lines: &mut Vec<Spans<'static>>, judged: &Judged, columns: usize) {
    let (role, glyph) = match judged.verdict {
        Verdict::Works => (Role::Ok, Glyph::Check),
        Verdict::Partly => (Role::Warn, Glyph::Partly),
        Verdict::Missing => (Role::Bad, Glyph::Cross),
        Verdict::Unknown => (Role::Warn, Glyph::Doubt),
    };
    let said = if judged.verdict == Verdict::Unknown { ": the server does not say" } else { "" };
    let title = format!("{}{said}", judged.feature.title);
    set(lines, pen.glyph(glyph), &title, columns, role, Role::Name);
    for right in &judged.missing {
        set(lines, " ", &format!("not allowed: {right}"), columns, Role::Dim, Role::Text);
    }
    if judged.verdict != Verdict::Works && !judged.feature.without.is_empty() {
        set(lines, " ", &format!("without it: {}", judged.feature.without), columns, Role::Dim, Role::Dim);
    }
}
