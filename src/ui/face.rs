//! The faces of a pane that has nothing to list: loading, empty, forbidden, failed; and the face of the whole screen
//! while there is no connection.
//!
//! Each says what is the matter, why, and what can be done about it. Forbidden is never shown as empty.

use ratatui::layout::Rect;

use crate::app::{Action, App, MainView, Mode};
use crate::config::theme::Role;
use crate::model::snapshot::LoadEntry;
use crate::model::text::clean;
use crate::model::time::age;
use crate::model::{Kind, Load};

use super::list;
use super::loads::{Summary, scope_words, where_words};
use super::widgets::glyph::Glyph;
use super::widgets::pen::Pen;
use super::widgets::spans::Spans;
use super::widgets::text::{width, wrap};

/// The widest that prose is set.
const PROSE: usize = 72;

/// What stands in a pane instead of rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Face {
    mark: Option<(Role, Glyph)>,
    head: String,
    lines: Vec<(Role, String)>,
    keys: Vec<(String, &'static str)>,
    after: Vec<(Role, String)>,
}

impl Face {
    /// A face with a mark and one sentence.
    pub(super) fn new(role: Role, glyph: Glyph, head: impl Into<String>) -> Self {
        Self { mark: Some((role, glyph)), head: head.into(), ..Self::default() }
    }

    /// One more line below; an empty one is a gap.
    #[must_use]
    pub(super) fn line(mut self, role: Role, text: impl Into<String>) -> Self {
        self.lines.push((role, text.into()));
        self
    }

    /// What a key does here, below all lines; nothing where the action has no key.
    #[must_use]
    pub(super) fn key(mut self, key: Option<String>, what: &'static str) -> Self {
        self.keys.extend(key.map(|key| (key, what)));
        self
    }

    /// One more line, below the keys.
    #[must_use]
    fn after(mut self, role: Role, text: impl Into<String>) -> Self {
        self.after.push((role, text.into()));
        self
    }

    /// The lines as they are drawn in so many columns.
    fn set(&self, pen: &Pen<'_>, columns: usize) -> Vec<Spans<'static>> {
        let mut set = Vec::new();
        let indent = if self.mark.is_some() { 2 } else { 0 };
        let room = columns.saturating_sub(indent).clamp(1, PROSE);
        for (at, text) in wrap(&clean(&self.head), room).into_iter().enumerate() {
            let mut spans = Spans::new();
            match self.mark {
                Some((role, glyph)) if at == 0 => spans.push(role, format!("{} ", pen.glyph(glyph))),
                Some(_) => spans.push(Role::Text, "  "),
                None => {}
            }
            spans.push(self.mark.map_or(Role::Text, |(role, _)| role), text);
            set.push(spans);
        }
        let prose = |set: &mut Vec<Spans<'static>>, lines: &[(Role, String)]| {
            for (role, text) in lines {
                // Lines of their own are kept, and how far they are indented.
                for part in text.split('\n') {
                    let own = part.len() - part.trim_start().len();
                    for line in wrap(&clean(part), room.saturating_sub(own)) {
                        set.push(Spans::of(*role, format!("{}{line}", " ".repeat(indent + own))));
                    }
                }
            }
        };
        prose(&mut set, &self.lines);
        if !self.keys.is_empty() {
            set.push(Spans::new());
            let widest = self.keys.iter().map(|(key, _)| width(key)).max().unwrap_or(0);
            for (key, what) in &self.keys {
                let padding = " ".repeat(widest - width(key) + 2);
                let spans = Spans::of(Role::Text, " ".repeat(indent)).and(Role::Key, key.clone());
                set.push(spans.and(Role::Dim, format!("{padding}{what}")));
            }
        }
        prose(&mut set, &self.after);
        set
    }

    /// Draws it at the upper left of a pane.
    pub(super) fn draw(&self, pen: &mut Pen<'_>, inner: Rect) {
        let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
        let lines = self.set(pen, usize::from(inner.width));
        for (row, line) in inner.rows().zip(&lines) {
            pen.spans(row, line, None);
        }
    }

    /// Draws it in the middle of a big pane; where it is small, at its upper left.
    pub(super) fn draw_centred(&self, pen: &mut Pen<'_>, inner: Rect) {
        let lines = self.set(pen, usize::from(inner.width.saturating_sub(4)));
        let rows = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        if inner.width < 40 || rows + 2 > inner.height {
            return self.draw(pen, inner);
        }
        let widest = lines.iter().map(Spans::width).max().unwrap_or(0);
        let columns = u16::try_from(widest).unwrap_or(inner.width).min(inner.width);
        let place = Rect {
            x: inner.x + (inner.width - columns) / 2,
            y: inner.y + (inner.height - rows) / 3,
            width: columns,
            height: rows,
        };
        for (row, line) in place.rows().zip(&lines) {
            pen.spans(row, line, None);
        }
    }
}

/// The face that the watches of a kind give a pane, if they have one: nothing could be read, or not yet.
pub(super) fn of_loads(pen: &mut Pen<'_>, app: &App, kind: Kind, summary: &Summary<'_>) -> Option<Face> {
    if let Some(failed) = summary.failed.first() {
        return Some(failure(pen, app, kind, failed));
    }
    if !summary.forbidden.is_empty() {
        let key = pen.look.key(Mode::Browse, Action::Access);
        return Some(refusal(kind, &summary.forbidden).key(key, "what you may use, and the role to ask for"));
    }
    let arrived = summary.loading?;
    let so_far = if arrived > 0 { format!(" {arrived} so far") } else { String::new() };
    Some(Face::new(Role::Dim, Glyph::Unknown, format!("Loading {}…{so_far}", kind.resource())))
}

/// Not allowed: which verb and resource where, in the API's own words, and what to ask for.
fn refusal(kind: Kind, entries: &[&LoadEntry]) -> Face {
    let first = entries.first();
    let (verb, message) = match first.map(|e| &e.load) {
        Some(Load::Forbidden { verb, message }) => (verb.to_string(), message.to_string()),
        _ => ("list".to_owned(), String::new()),
    };
    let namespace = first.and_then(|e| e.namespace.as_deref());
    let resource = kind.resource_and_group();
    let place = where_words(entries);
    let flag = namespace.map_or("-A".to_owned(), |n| format!("-n {n}"));
    let mut face = Face::new(Role::Warn, Glyph::Ending, format!("Not allowed: {verb} {resource} {place}"));
    if !message.is_empty() {
        face = face.line(Role::Dim, message);
    }
    face.line(Role::Text, "")
        .line(Role::Text, format!("Ask for the verbs get, list and watch on {resource} {place}."))
        .line(Role::Dim, format!("Check: kubectl auth can-i {verb} {resource} {flag}"))
}

/// It never worked: why, since when, and that it is being tried again.
fn failure(pen: &mut Pen<'_>, app: &App, kind: Kind, entry: &LoadEntry) -> Face {
    let Load::Failed { since, why } = &entry.load else { return Face::default() };
    pen.ages(Some(*since), app.now);
    let place = where_words(&[entry]);
    let face = Face::new(Role::Bad, Glyph::Ending, format!("Could not list {} {place}", kind.resource()))
        .line(Role::Text, why.to_string())
        .line(Role::Text, "")
        .line(Role::Dim, format!("Tried again and again for {}.", age(Some(*since), app.now)));
    face.key(pen.look.key(Mode::Browse, Action::Retry), "try now")
}

/// The list is empty: why.
pub(super) fn list(pen: &mut Pen<'_>, app: &App, inner: Rect) {
    let kind = list::kind(app);
    let summary = Summary::of(app, kind);
    let unfiltered = match app.view {
        MainView::Services => app.services.unfiltered,
        MainView::Pods => app.pods.unfiltered,
    };
    let key = |action| pen.look.key(Mode::Browse, action);
    let face = if unfiltered > 0 && !app.list_filter().text().is_empty() {
        let filter = clean(app.list_filter().text()).into_owned();
        let what = if unfiltered == 1 { "object".to_owned() } else { format!("of {unfiltered}") };
        let key = if app.filtering { pen.look.key(Mode::Input, Action::Back) } else { key(Action::Back) };
        Face::new(Role::Info, Glyph::Info, format!("None {what} matches /{filter}"))
            .key(key, "remove the filter")
    } else if let Some(face) = of_loads(pen, app, kind, &summary) {
        // What may not be seen here may be allowed elsewhere.
        if summary.forbidden.is_empty() {
            face
        } else {
            face.key(key(Action::Namespaces), "choose or type a namespace that you may see")
        }
    } else {
        empty(pen, app, kind)
    };
    face.draw_centred(pen, inner);
}

/// There is nothing, and that is known for sure.
fn empty(pen: &Pen<'_>, app: &App, kind: Kind) -> Face {
    let words = scope_words(app.scope.as_ref());
    let plural = if kind == Kind::Pod { "pods" } else { "Services" };
    let place = match app.scope.as_ref().and_then(|s| s.single()) {
        Some(name) => format!("in namespace {name}"),
        None => format!("in {words}"),
    };
    let key = |action| pen.look.key(Mode::Browse, action);
    Face::new(Role::Info, Glyph::Info, format!("There are no {plural} {place}."))
        .key(key(Action::Namespaces), "choose other namespaces")
        .key(key(Action::AllNamespaces), "all namespaces, and back")
}

/// The whole screen while there is no connection: it is being made, or what is in its way.
pub(super) fn connection(pen: &mut Pen<'_>, app: &App, body: Rect) {
    let Some(problem) = &app.connection.problem else {
        let to = app.connection.wanted.as_deref().map_or(String::new(), |c| format!(" to {c}"));
        return Face::new(Role::Dim, Glyph::Unknown, format!("Connecting{to}…")).draw_centred(pen, body);
    };
    let mut face = Face::new(Role::Bad, Glyph::Ending, sentence(&problem.what))
        .line(Role::Text, "")
        .line(Role::Text, sentence(&problem.why));
    if !problem.hint.is_empty() {
        face = face.line(Role::Text, "").line(Role::Text, problem.hint.clone());
    }
    let key = |action| pen.look.key(Mode::Browse, action);
    face = face.key(key(Action::Retry), "try again");
    if !app.connection.contexts.is_empty() {
        face = face.key(key(Action::Contexts), "choose another context");
    }
    face = face
        .key(key(Action::Quit), "quit")
        .after(Role::Text, "")
        .after(Role::Accent, "kdisco --demo")
        .after(Role::Dim, "shows everything on a small cluster that is part of the program.");
    face.draw_centred(pen, body);
}

/// With a capital letter at the beginning.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
