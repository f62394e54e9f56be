//! The top line: where we are, how fresh it is, and from where everything is seen.
//!
//! ```text
//!  kdisco  prod-eu › default  ● live                              seen from my-app-6d…x2k / nginx
//! ```

use ratatui::layout::Rect;

use crate::app::{Action, App, Target, Viewpoint};
use crate::config::theme::Role;
use crate::model::session::ForwardState;
use crate::model::snapshot::LoadEntry;
use crate::model::text::clean;
use crate::model::time::age;
use crate::model::{Kind, Load};

use super::loads::{Summary, scope_words, where_words};
use super::widgets::glyph::Glyph;
use super::widgets::pen::Pen;
use super::widgets::spans::Spans;
use super::widgets::text::{Cut, fit};

/// One word of the line, and what a press on it does.
type Word = (Spans<'static>, Option<Action>);

pub(super) fn draw(pen: &mut Pen<'_>, app: &App, row: Rect) {
    if row.is_empty() {
        return;
    }
    let room = usize::from(row.width);
    let mut left: Vec<Word> = vec![];
    if room >= 60 {
        left.push((Spans::of(Role::Accent, "kdisco"), None));
    }
    left.extend(place(pen, app, room));
    left.extend(badges(app, room));
    left.push((state(pen, app), None));
    left.extend(dns(pen, app, room));
    left.extend(sessions(pen, app, room));
    let mut x = row.x.saturating_add(1);
    for (spans, action) in &left {
        let rest = Rect { x, width: row.right().saturating_sub(x), ..row };
        let used = pen.spans(rest, spans, None);
        if let Some(action) = action {
            pen.region(Rect { width: used, ..rest }, Target::Action(*action));
        }
        // What belongs together ends with a blank of its own.
        let gap =
            if spans.0.last().is_some_and(|s| s.text.ends_with(' ') && s.role == Role::Dim) { 0 } else { 2 };
        x = x.saturating_add(used).saturating_add(gap);
    }
    let right = viewpoint(pen, app, room / 3);
    let wide = u16::try_from(right.width()).unwrap_or(u16::MAX);
    // The viewpoint stands at the right, where there is room for it.
    if wide > 0 && x.saturating_add(wide).saturating_add(1) <= row.right() {
        let place = Rect { x: row.right() - wide - 1, width: wide, ..row };
        pen.spans(place, &right, None);
        pen.region(place, Target::Action(Action::Viewpoint));
    }
}

/// Context and namespaces, or the file that is shown.
fn place(pen: &Pen<'_>, app: &App, room: usize) -> Vec<Word> {
    let most = (room / 3).max(8);
    let short = |text: &str, cut| fit(text, most, cut, pen.glyph(Glyph::Ellipsis)).into_owned();
    let scope = short(&scope_words(app.scope.as_ref()), Cut::End);
    let crumb = format!(" {} ", pen.glyph(Glyph::Crumb));
    let Some(identity) = &app.connection.identity else {
        let wanted = app.connection.wanted.as_deref().unwrap_or_default();
        return if wanted.is_empty() {
            vec![]
        } else {
            vec![(Spans::of(Role::Name, short(wanted, Cut::Middle)), Some(Action::Contexts))]
        };
    };
    let name = match (&identity.file, identity.context.is_empty()) {
        (Some(file), _) => Spans::of(Role::Dim, "file ").and(Role::Name, short(file, Cut::Middle)),
        (None, false) => Spans::of(Role::Name, short(&identity.context, Cut::Middle)),
        (None, true) => Spans::of(Role::Name, short(&identity.server, Cut::Middle)),
    };
    let open = identity.file.is_none().then_some(Action::Contexts);
    if scope.is_empty() {
        vec![(name, open)]
    } else {
        vec![(name.and(Role::Dim, crumb), open), (Spans::of(Role::Name, scope), Some(Action::Namespaces))]
    }
}

/// How many of the pods that serve DNS are ready. Nothing where they may not be seen.
fn dns(pen: &Pen<'_>, app: &App, room: usize) -> Option<Word> {
    let health = &app.dns_health;
    if room < 100 || app.is_saved() || (health.servers.is_empty() && health.unknown.is_some()) {
        return None;
    }
    let (ready, all) = (health.ready(), health.servers.len());
    // No server is bad news only where one is expected: some clusters have theirs elsewhere.
    let expected =
        health.corefile.is_some() && app.snapshot.load(Kind::Pod, "kube-system").is_some_and(Load::is_live);
    if all == 0 && !expected {
        return None;
    }
    let (role, glyph) = match (ready, all) {
        (0, _) => (Role::Bad, Glyph::Ending),
        (r, a) if r < a => (Role::Warn, Glyph::Partly),
        _ => (Role::Ok, Glyph::Ready),
    };
    Some((
        Spans::of(role, format!("{} ", pen.glyph(glyph))).and(Role::Text, format!("dns {ready}/{all}")),
        None,
    ))
}

/// What runs: how many forwards, and whether one of them is in trouble.
fn sessions(pen: &Pen<'_>, app: &App, room: usize) -> Vec<Word> {
    let running = app.sessions.running().count();
    if running == 0 {
        return vec![];
    }
    let trouble = app
        .sessions
        .running()
        .any(|f| matches!(f.state, ForwardState::Degraded { .. } | ForwardState::Waiting { .. }));
    let role = if trouble { Role::Warn } else { Role::Ok };
    let words = match (running, room < 80) {
        (_, true) => running.to_string(),
        (1, false) => "1 forward".to_owned(),
        (_, false) => format!("{running} forwards"),
    };
    let spans = Spans::of(role, format!("{} {words}", pen.glyph(Glyph::Forward)));
    vec![(spans, Some(Action::Sessions))]
}

fn badges(app: &App, room: usize) -> Vec<Word> {
    let mut badges = Vec::new();
    if let Some(proxy) = app.sessions.running_proxy() {
        let mode = if proxy.openness.narrow { "read-only proxy" } else { "PROXY" };
        // Where room is short the port has to do: the screen's own proxy is on this computer's loopback.
        let port = proxy.address.rsplit_once(':').filter(|_| room < 80 && !proxy.openness.beyond_loopback);
        let place = port.map_or_else(|| clean(&proxy.address).into_owned(), |(_, port)| format!(":{port}"));
        badges.push((Spans::of(Role::BadgeWarn, format!(" {mode} {place} ")), Some(Action::Sessions)));
    }
    let insecure = app.connection.identity.as_ref().is_some_and(|i| i.insecure);
    if insecure {
        badges.push((Spans::of(Role::BadgeWarn, " insecure TLS "), None));
    }
    badges
}

/// How fresh what is shown is: the worst of the watches that everything depends on.
fn state(pen: &mut Pen<'_>, app: &App) -> Spans<'static> {
    let word = |pen: &Pen<'_>, role, glyph, text: String| {
        Spans::of(role, format!("{} ", pen.glyph(glyph))).and(role, text)
    };
    if app.connection.problem.is_some() {
        return word(pen, Role::Bad, Glyph::Ending, "no connection".into());
    }
    let Some(identity) = &app.connection.identity else {
        return word(pen, Role::Dim, Glyph::Unknown, "connecting".into());
    };
    if identity.file.is_some() {
        return word(pen, Role::Info, Glyph::NotReady, "saved, not live".into());
    }
    let kinds = [Kind::Service, Kind::EndpointSlice];
    let summaries: Vec<_> = kinds.iter().map(|k| (*k, Summary::of(app, *k))).collect();
    let first = |pick: fn(&Summary<'_>) -> bool| summaries.iter().find(|(_, s)| pick(s));
    if let Some((kind, summary)) = first(|s| !s.failed.is_empty()) {
        let why = reason(&summary.failed);
        return word(pen, Role::Bad, Glyph::Ending, format!("{}: {why}", kind.resource()));
    }
    if let Some((_, summary)) = first(|s| !s.stale.is_empty()) {
        let since = summary.stale_since();
        pen.ages(since, app.now);
        let why = reason(&summary.stale);
        return word(pen, Role::Warn, Glyph::Partly, format!("stale for {}: {why}", age(since, app.now)));
    }
    if let Some((kind, summary)) = first(|s| !s.forbidden.is_empty()) {
        let place = where_words(&summary.forbidden);
        return word(pen, Role::Warn, Glyph::Ending, format!("not allowed: {} {place}", kind.resource()));
    }
    if first(|s| s.loading.is_some()).is_some() {
        let arrived: usize = summaries.iter().filter_map(|(_, s)| s.loading).sum();
        let count = if arrived > 0 { format!(" {arrived}") } else { String::new() };
        return word(pen, Role::Dim, Glyph::Unknown, format!("loading{count}"));
    }
    word(pen, Role::Ok, Glyph::Ready, "live".into())
}

fn reason(entries: &[&LoadEntry]) -> String {
    match entries.first().map(|e| &e.load) {
        Some(Load::Stale { why, .. } | Load::Failed { why, .. }) => why.to_string(),
        _ => String::new(),
    }
}

/// From where everything is seen.
fn viewpoint(pen: &Pen<'_>, app: &App, most: usize) -> Spans<'static> {
    let short = |text: &str| fit(text, most.max(12), Cut::Middle, pen.glyph(Glyph::Ellipsis)).into_owned();
    let from = match &app.viewpoint {
        Viewpoint::Selection => match app.panes.container() {
            Some((pod, container)) => format!("{} / {container}", short(&pod.name)),
            None => return Spans::new(),
        },
        Viewpoint::Laptop => "this computer".to_owned(),
        Viewpoint::Namespace(name) => format!("namespace {}", short(name)),
        Viewpoint::Container { pod, container } => format!("{} / {container}", short(&pod.name)),
    };
    Spans::of(Role::Dim, "seen from ").and(Role::Accent, from)
}
