//! The bottom line: the keys that work here and now, the filter while it is typed, or what just happened.

use ratatui::layout::Rect;

use crate::app::panes::EnvironmentPane;
use crate::app::{Action, App, MainView, Mode, Notice, Overlay, Pane, PickerKind, Target, Tone};
use crate::config::theme::Role;
use crate::model::time::seconds_between;

use super::layout::Plan;
use super::widgets::glyph::Glyph;
use super::widgets::input;
use super::widgets::pen::Pen;
use super::widgets::spans::Spans;
use super::widgets::text::{Cut, fit};

/// Rows of the body from which older notices are shown above the newest.
const ROOM_FOR_NOTICES: u16 = 10;

pub(super) fn draw(pen: &mut Pen<'_>, app: &App, plan: &Plan) {
    // Without a bottom line, what is being typed and what just happened go over the last row there is.
    let urgent = !app.notices.is_empty() || app.filtering;
    let row = match (plan.bottom.is_empty(), urgent) {
        (false, _) => plan.bottom,
        (true, true) if !plan.body.is_empty() => Rect { y: plan.body.bottom() - 1, height: 1, ..plan.body },
        (true, _) => return,
    };
    if app.filtering && app.overlays.is_empty() {
        pen.clear(row);
        filter(pen, app, row);
        notices(pen, app, Rect { height: row.y.saturating_sub(plan.body.y), ..plan.body });
    } else if app.notices.is_empty() {
        hints(pen, app, row);
    } else {
        notices(pen, app, Rect { height: row.bottom() - plan.body.y, ..plan.body });
    }
}

/// What just happened, the newest in the last row of `area`, older ones above it where there is room.
fn notices(pen: &mut Pen<'_>, app: &App, area: Rect) {
    let most = if area.height >= ROOM_FOR_NOTICES { app.notices.len() } else { 1 };
    for (row, notice) in area.rows().rev().zip(app.notices.iter().rev().take(most)) {
        pen.clear(row);
        let (role, glyph) = match notice.tone {
            Tone::Done => (Role::Ok, Glyph::Check),
            Tone::Note => (Role::Info, Glyph::Info),
            Tone::Fault => (Role::Bad, Glyph::Cross),
        };
        let spans = Spans::of(role, format!(" {} ", pen.glyph(glyph))).and(Role::Text, notice.text.clone());
        pen.spans(row, &spans, None);
        let left = left(app, notice);
        pen.ticks(left);
    }
}

/// Seconds until a notice goes.
fn left(app: &App, notice: &Notice) -> u64 {
    u64::try_from(seconds_between(app.now, notice.until)).unwrap_or(0).max(1)
}

/// The filter line: what is typed, how many match, what is wrong with it.
fn filter(pen: &mut Pen<'_>, app: &App, row: Rect) {
    let of_environment = match &app.panes.environment {
        Some(EnvironmentPane::Container { counts, .. }) if app.focus == Pane::Environment => Some(counts),
        _ => None,
    };
    let (shown, all, error) = match app.view {
        _ if of_environment.is_some() => of_environment.map_or((0, 0, &None), |c| (c.1, c.0, &None)),
        MainView::Services => (app.services.rows.len(), app.services.unfiltered, &app.services.filter_error),
        MainView::Pods => (app.pods.rows.len(), app.pods.unfiltered, &app.pods.filter_error),
    };
    let told = match error {
        Some(why) => {
            Spans::of(Role::Bad, format!("{} ", pen.glyph(Glyph::Cross))).and(Role::Bad, why.clone())
        }
        None => Spans::of(Role::Dim, format!("{shown} of {all}")),
    };
    // An error may take two thirds of the line: what is typed stays in sight.
    let most = if error.is_some() { row.width / 3 * 2 } else { row.width / 2 };
    let wide = u16::try_from(told.width()).unwrap_or(u16::MAX).min(most);
    let style = pen.style(Role::Key);
    let used =
        1 + pen.put(Rect { x: row.x + 1, ..row }.as_position(), row.width.saturating_sub(1), "/", style);
    let line = Rect { x: row.x + used, width: row.width.saturating_sub(used + wide + 2), ..row };
    input::draw(pen, line, app.filter_line());
    let place = Rect { x: line.right() + 1, width: row.right().saturating_sub(line.right() + 1), ..row };
    pen.spans(place, &told, None);
}

/// An action with the word that the hint has for it.
type Hint = (Action, &'static str);

/// What can be done here, the most useful first.
fn offers(app: &App) -> Vec<Hint> {
    use Action as A;
    match app.overlays.last() {
        Some(Overlay::Picker(picker)) => {
            let mut hints = vec![(A::Accept, "take it"), (A::Back, "close"), (A::Complete, "complete")];
            if matches!(picker.kind, PickerKind::Namespaces | PickerKind::Ports) {
                hints.insert(1, (A::Toggle, "mark several"));
            }
            hints
        }
        Some(Overlay::Detail { .. }) => {
            vec![(A::Back, "close"), (A::Copy, "copy name"), (A::CopyMenu, "copy…"), (A::Down, "scroll")]
        }
        Some(Overlay::Sessions) => vec![
            (A::Back, "close"),
            (A::Forward, "stop"),
            (A::Copy, "copy"),
            (A::Open, "open"),
            (A::Profile, "start a profile"),
            (A::ProfileSave, "save as one"),
            (A::ProfileAutostart, "autostart"),
            (A::ProfileDelete, "delete one"),
            (A::Proxy, "API proxy"),
            (A::Down, "down"),
        ],
        Some(Overlay::Confirm(_)) => vec![(A::Accept, "do it"), (A::Back, "leave it")],
        Some(Overlay::Lookup { .. }) => {
            vec![(A::Back, "close"), (A::Copy, "copy answers"), (A::Down, "scroll")]
        }
        Some(Overlay::Doctor { .. }) => {
            vec![(A::Back, "close"), (A::Copy, "copy the name"), (A::Forward, "forward"), (A::Down, "scroll")]
        }
        Some(Overlay::Missing { .. }) => {
            vec![(A::Back, "close"), (A::Restart, "restart them"), (A::Down, "scroll")]
        }
        Some(Overlay::Help { .. } | Overlay::Text { .. }) => {
            vec![(A::Back, "close"), (A::Down, "scroll")]
        }
        None if app.connection.identity.is_none() || app.connection.problem.is_some() => {
            let mut hints = vec![(A::Retry, "try again"), (A::Quit, "quit")];
            if !app.connection.contexts.is_empty() {
                hints.insert(1, (A::Contexts, "contexts"));
            }
            hints
        }
        None => browsing(app),
    }
}

fn browsing(app: &App) -> Vec<Hint> {
    use Action as A;
    let other = match app.view {
        MainView::Services => (A::Pods, "pods"),
        MainView::Pods => (A::Services, "Services"),
    };
    let mut hints: Vec<Hint> = if app.layout.zoom { vec![(A::Back, "leave zoom")] } else { vec![] };
    hints.extend(match app.focus {
        Pane::Main => vec![
            (A::Copy, "copy name"),
            (A::Forward, "forward"),
            (A::Resolve, "resolve"),
            (A::Doctor, "doctor"),
            (A::Filter, "filter"),
            (A::Detail, "detail"),
            (A::Viewpoint, "viewpoint"),
            (A::Namespaces, "namespaces"),
            other,
            (A::Palette, "command"),
            (A::Sort, "sort"),
            (A::Contexts, "contexts"),
            (A::Wide, "wide"),
            (A::CopyMenu, "copy…"),
            (A::NextPane, "next pane"),
        ],
        Pane::Dns => vec![
            (A::Copy, "copy"),
            (A::Resolve, "ask live"),
            (A::ResolveAny, "look up…"),
            (A::Doctor, "doctor"),
            (A::Viewpoint, "viewpoint"),
            (A::Zoom, "zoom"),
            (A::CopyMenu, "copy…"),
            (A::NextPane, "next pane"),
            (A::Palette, "command"),
        ],
        Pane::Endpoints => vec![
            (A::Copy, "copy"),
            (A::Forward, "forward"),
            (A::CopyMenu, "copy…"),
            (A::Viewpoint, "viewpoint"),
            (A::Zoom, "zoom"),
            (A::Detail, "detail"),
            (A::NextPane, "next pane"),
            (A::Palette, "command"),
        ],
        Pane::Environment => vec![
            (A::Copy, "copy"),
            (A::Container, "next container"),
            (A::Filter, "search"),
            (A::Differences, "differences"),
            (A::Verify, "verify"),
            (A::Reveal, "show secret"),
            (A::Export, "export"),
            (A::Detail, "detail"),
            (A::Viewpoint, "viewpoint"),
            (A::Zoom, "zoom"),
            (A::NextPane, "next pane"),
            (A::Palette, "command"),
        ],
    });
    hints
}

fn hints(pen: &mut Pen<'_>, app: &App, row: Rect) {
    let mode = app.mode();
    // Help stands at the right end, always at the same place.
    let help = if mode == Mode::Browse { hint(pen, mode, (Action::Help, "help")) } else { None };
    let mut end = row.right();
    if let Some((spans, action)) = help {
        let wide = u16::try_from(spans.width()).unwrap_or(u16::MAX);
        if wide.saturating_add(2) <= row.width {
            let place = Rect { x: end - wide - 1, width: wide, ..row };
            pen.spans(place, &spans, None);
            pen.region(place, Target::Action(action));
            end = place.x.saturating_sub(2);
        }
    }
    let mut x = row.x.saturating_add(1);
    for offer in offers(app) {
        let Some((spans, action)) = hint(pen, mode, offer) else { continue };
        let wide = u16::try_from(spans.width()).unwrap_or(u16::MAX);
        if x.saturating_add(wide) > end {
            break;
        }
        let place = Rect { x, width: wide, ..row };
        pen.spans(place, &spans, None);
        pen.region(place, Target::Action(action));
        x = x.saturating_add(wide).saturating_add(2);
    }
}

/// `y copy name`: the key as it is bound, and the word. Nothing where no key is bound.
fn hint(pen: &Pen<'_>, mode: Mode, (action, word): Hint) -> Option<(Spans<'static>, Action)> {
    let key = pen.look.key(mode, action)?;
    let word = if pen.look.ascii { word.replace('…', "...") } else { word.to_owned() };
    let key = fit(&key, 12, Cut::End, "").into_owned();
    Some((Spans::of(Role::Key, key).and(Role::Dim, format!(" {word}")), action))
}
