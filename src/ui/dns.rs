//! The DNS pane: which name works from the viewpoint and how, then the records that exist, a name's records together.
//!
//! ```text
//!  ✓ my-app  by search default.svc.cluster.local
//!  A    my-app.default.svc.cluster.local             10.96.14.2
//!  SRV  _http._tcp.my-app.default.svc.cluster.local  0 100 80 my-app.default.svc.cluster.local.
//!  PTR  2.14.96.10.in-addr.arpa                      my-app.default.svc.cluster.local.
//! ```

use ratatui::layout::Rect;

use crate::app::lookups::MarkVerdict;
use crate::app::panes::Subject;
use crate::app::{Action, App, Mode, Pane, Viewpoint};
use crate::config::theme::Role;
use crate::model::dns::forms::{NameForm, Step, shortest};
use crate::model::dns::{Record, RecordType};
use crate::model::session::ForwardStatus;
use crate::model::time::age;
use crate::model::{Kind, ServiceType};

use super::face::{self, Face};
use super::loads::Summary;
use super::measure::grow;
use super::pane;
use super::widgets::glyph::Glyph;
use super::widgets::pen::Pen;
use super::widgets::spans::Spans;
use super::widgets::table::{Cell, Column, GAP, Layout};
use super::widgets::text::{Cut, width};

/// Columns of what the server said.
const LIVE: usize = 12;
/// Where there is less room than for that: the mark, and how old it is.
const LIVE_SHORT: usize = 7;
/// What is said instead of a record may be cut down to so many, mark included.
const DIFFERENT: usize = 10;
/// The data may be cut down to so many columns.
const DATA: usize = 15;
/// Names beside marks may be.
const NAME: usize = 20;
/// Rows from which every form of the name has a line of its own.
const WITH_FORMS: u16 = 14;
/// Rows from which the best one has.
const WITH_BEST: u16 = 4;

/// What the title says.
pub(super) fn about(app: &App) -> Spans<'static> {
    let records = app.panes.records.len();
    if records == 0 {
        return Spans::new();
    }
    Spans::of(Role::Text, format!(" {records} record{}", if records == 1 { "" } else { "s" }))
}

/// What of it is not known: the domain, or the names that endpoints have.
pub(super) fn remark(app: &App) -> Spans<'static> {
    let Some(Subject::Service(facts)) = &app.panes.subject else { return Spans::new() };
    if facts.service.kind != ServiceType::ExternalName
        && !Summary::in_namespace(app, Kind::EndpointSlice, &facts.key().namespace).known()
    {
        Spans::of(Role::Warn, "endpoints' names unknown")
    } else if app.panes.domain.how.is_assumed() {
        Spans::of(Role::Dim, format!("{} assumed", app.panes.domain.text()))
    } else {
        Spans::new()
    }
}

pub(super) fn draw(pen: &mut Pen<'_>, app: &App, place: Rect, inner: Rect) {
    pen.drawn.viewport.rows[Pane::Dns.index()] = usize::from(inner.height);
    let Some(subject) = &app.panes.subject else {
        return Face::new(Role::Dim, Glyph::Dot, "Nothing is selected.").draw(pen, inner);
    };
    let (inner, foot) = pane::foot(app, Pane::Dns, inner);
    let used = names(pen, app, inner);
    let area = pane::below(inner, used);
    if app.panes.records.is_empty() {
        return face(pen, app, subject).draw(pen, area);
    }
    let layout = layout(app, area.width.saturating_sub(pane::GUTTER));
    pen.drawn.viewport.aside[Pane::Dns.index()] = layout.aside();
    let mut first = true;
    pane::rows(pen, app, Pane::Dns, place, area, |pen, room, at, look| {
        let records = &app.panes.records;
        let Some(record) = records.get(at) else { return };
        // A name stands at its first record, and at the first visible one.
        let again = !std::mem::take(&mut first) && at > 0 && records[at - 1].name == record.name;
        row(pen, app, &layout, (record, again), room, look);
    });
    for record in app.panes.records.iter().take(1) {
        pen.ages(app.mark_of(record).map(|m| m.at), app.now);
    }
    if let Some(record) = app.panes.records.get(app.panes.cursor(Pane::Dns).index()) {
        pane::foot_text(
            pen,
            foot,
            &format!(
                "{} {} IN {} {}{}",
                record.name,
                record.ttl,
                record.kind,
                record.data,
                live_sentence(app, record)
            ),
        );
    }
}

/// The forms of the name that work from the viewpoint. Rows that were used.
fn names(pen: &mut Pen<'_>, app: &App, inner: Rect) -> u16 {
    let forms = &app.panes.names;
    if forms.is_empty() || inner.height < WITH_BEST {
        return 0;
    }
    let laptop = app.viewpoint == Viewpoint::Laptop;
    let exists = exists(app);
    let all = inner.height >= WITH_FORMS + u16::try_from(forms.len()).unwrap_or(0) && !laptop;
    let mut lines: Vec<Spans<'static>> = Vec::new();
    if all {
        let widest = forms.iter().map(|f| width(&f.text)).max().unwrap_or(0);
        lines.extend(forms.iter().map(|f| form(pen, f, exists, widest)));
        lines.push(Spans::new());
    } else {
        let forward = app.forwards_of_subject().find_map(ForwardStatus::address);
        match forward.filter(|_| laptop) {
            Some(address) => lines.push(
                Spans::of(Role::Ok, format!("{} ", pen.glyph(Glyph::Forward)))
                    .and(Role::Name, address.to_string())
                    .and(Role::Dim, "  by the forward; no name of it resolves on this computer"),
            ),
            None => lines.push(best(pen, forms, exists, laptop)),
        }
    }
    pane::lines(pen, inner, &lines);
    u16::try_from(lines.len()).unwrap_or(0)
}

/// The best form, or that none works.
fn best(pen: &Pen<'_>, forms: &[NameForm], exists: bool, laptop: bool) -> Spans<'static> {
    if let Some(best) = shortest(forms) {
        return form(pen, best, exists, 0);
    }
    let why = if laptop { "this computer asks its own DNS server" } else { "its resolver can't reach it" };
    let told = Spans::of(Role::Bad, format!("{} ", pen.glyph(Glyph::Cross)))
        .and(Role::Text, "no name of it resolves from here")
        .and(Role::Dim, format!(": {why}"));
    match pen.look.key(Mode::Browse, Action::Forward).filter(|_| laptop) {
        Some(key) => told.and(Role::Dim, "; press ").and(Role::Key, key).and(Role::Dim, " to reach it"),
        None => told,
    }
}

/// Whether there is a record of the Service's own name: a search list alone finds nothing.
pub(super) fn exists(app: &App) -> bool {
    app.panes.name_exists()
}

/// The mark of one form of a name that exists or not.
pub(super) fn mark(form: &NameForm, exists: bool) -> (Role, Glyph) {
    match &form.step {
        Some(step) if exists && !step.after_unknown => (Role::Ok, Glyph::Check),
        Some(_) if exists => (Role::Warn, Glyph::Doubt),
        _ => (Role::Bad, Glyph::Cross),
    }
}

/// One form: whether it works, and by which step.
fn form(pen: &Pen<'_>, form: &NameForm, exists: bool, widest: usize) -> Spans<'static> {
    let padding = " ".repeat(widest.saturating_sub(width(&form.text)));
    let (role, glyph) = mark(form, exists);
    let how = match &form.step {
        None => "does not resolve from here".to_owned(),
        Some(_) if !exists => "does not exist now".to_owned(),
        Some(step) => how(step),
    };
    Spans::of(role, format!("{} ", pen.glyph(glyph)))
        .and(Role::Name, form.text.clone())
        .and(Role::Dim, format!("{padding}  {how}"))
}

/// By which question of the resolver.
fn how(step: &Step) -> String {
    let by = match &step.search {
        Some(search) => format!("by search {search}"),
        None => "as it is".to_owned(),
    };
    let question = if step.number > 1 { format!(", question {}", step.number) } else { String::new() };
    let unless = if step.after_unknown { ", unless a name outside answers first" } else { "" };
    format!("{by}{question}{unless}")
}

fn layout(app: &App, room: u16) -> Layout {
    let (mut kind, mut name, mut least, mut data) = (3, 4, 4, 4);
    let domain = app.panes.domain.text();
    for record in &app.panes.records {
        kind = kind.max(if record.kind == RecordType::CNAME { 5 } else { 4 });
        grow(&mut name, record.name.trim_end_matches('.'));
        grow(&mut least, without(&record.name, domain).unwrap_or_default());
        grow(&mut data, &record.data);
    }
    let marked = app.panes.records.iter().any(|r| app.mark_of(r).is_some());
    let mut least = (least + 1).min(40);
    let others = kind + DATA.min(data) + 3 * usize::from(GAP);
    let live = if least + others + LIVE > usize::from(room) { LIVE_SHORT } else { LIVE };
    if marked {
        // A mark that is cut off says nothing: names give way to it.
        least = least.min(usize::from(room).saturating_sub(others + live)).max(NAME);
    }
    let mut columns = vec![
        Column::new("", kind),
        Column::new("", name).least(least, Cut::End),
        Column::new("", data).least(DATA, Cut::End),
    ];
    if marked {
        columns.push(Column::new("", LIVE).least(live, Cut::End));
    }
    Layout::new(columns, room, 1, app.layout.scroll[Pane::Dns.index()])
}

/// A name without the cluster's domain, which every reader can add; `None` where it has another one.
fn without<'a>(name: &'a str, domain: &str) -> Option<&'a str> {
    name.trim_end_matches('.').strip_suffix(domain)?.strip_suffix('.')
}

/// Drawn in `columns`: where the whole name has no room, the cluster's domain is what gives way.
fn shortened(pen: &Pen<'_>, name: &str, domain: &str, columns: usize) -> String {
    let whole = name.trim_end_matches('.');
    match without(name, domain) {
        Some(short) if width(whole) > columns && width(short) < columns => {
            format!("{short}{}", pen.glyph(Glyph::Ellipsis))
        }
        _ => whole.to_owned(),
    }
}

fn row(
    pen: &mut Pen<'_>,
    app: &App,
    layout: &Layout,
    (record, again): (&Record, bool),
    room: Rect,
    look: Option<Role>,
) {
    let domain = app.panes.domain.text();
    let name = shortened(pen, &record.name, domain, layout.width(1));
    let ascii = pen.look.ascii;
    let too_long = record.data.ends_with('.') && width(&record.data) > layout.width(2);
    let data =
        if too_long { shortened(pen, &record.data, domain, layout.width(2)) } else { record.data.clone() };
    layout.row(pen, room, look, |column| match column {
        0 => Cell::new(Role::Info, record.kind.to_string()),
        1 if again => Cell::new(Role::Dim, ""),
        1 => Cell::new(Role::Name, name.clone()),
        2 => Cell::new(Role::Text, data.clone()),
        _ => live(app, record, layout.width(3)).map_or_else(
            || Cell::new(Role::Dim, ""),
            |(role, glyph, told)| Cell::new(role, format!("{} {told}", glyph.text(ascii))),
        ),
    });
}

/// What the server said to a record: its mark, and how fast and when, or what it said instead. Where `room` is scarce:
/// how old it is. Why it could not be compared takes a sentence, which the selected record has room for.
fn live(app: &App, record: &Record, room: usize) -> Option<(Role, Glyph, String)> {
    let mark = app.mark_of(record)?;
    let ago = age(Some(mark.at), app.now);
    let (role, glyph, told) = match &mark.verdict {
        MarkVerdict::Asking => {
            let told = if room < LIVE_SHORT + 1 { "" } else { "asking" };
            return Some((Role::Dim, Glyph::Unknown, told.to_owned()));
        }
        MarkVerdict::Equal => (Role::Ok, Glyph::Check, format!("{} ms {ago}", mark.millis)),
        MarkVerdict::Different(what) => (Role::Bad, Glyph::Cross, what.clone()),
        MarkVerdict::Failed(_) => (Role::Warn, Glyph::Doubt, format!("open {ago}")),
    };
    let fits = width(&told) + 2 <= room || (glyph == Glyph::Cross && room >= DIFFERENT);
    Some((role, glyph, if fits { told } else { ago }))
}

/// The same in full.
fn live_sentence(app: &App, record: &Record) -> String {
    let Some(mark) = app.mark_of(record) else { return String::new() };
    let ago = age(Some(mark.at), app.now);
    match &mark.verdict {
        MarkVerdict::Asking => "; asking the server".to_owned(),
        MarkVerdict::Equal => format!("; {ago} ago {} said the same in {} ms", mark.server, mark.millis),
        MarkVerdict::Different(what) => {
            let why = mark.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
            format!("; {ago} ago {} said {what}{why}", mark.server)
        }
        MarkVerdict::Failed(why) => format!("; {ago} ago the server could not be asked: {why}"),
    }
}

/// No records: why.
fn face(pen: &mut Pen<'_>, app: &App, subject: &Subject) -> Face {
    match subject {
        Subject::Pod(_) => Face::new(Role::Info, Glyph::Info, "This pod has no name of its own.").line(
            Role::Dim,
            "Pods get one from a headless Service, or where CoreDNS answers for their addresses.",
        ),
        Subject::Service(facts) => {
            let summary = Summary::in_namespace(app, Kind::EndpointSlice, &facts.key().namespace);
            // The names of a headless Service are those of its endpoints.
            if facts.service.headless()
                && let Some(face) = face::of_loads(pen, app, Kind::EndpointSlice, &summary)
            {
                return face;
            }
            let why = if facts.service.headless() {
                "It is headless and has no ready endpoint: the server says NXDOMAIN or has no data."
            } else if facts.service.kind == ServiceType::ExternalName {
                "It is an ExternalName, and what it points to is no name."
            } else {
                "It has no cluster address that the server could answer with."
            };
            Face::new(Role::Bad, Glyph::Cross, "No DNS record exists for this Service.").line(Role::Dim, why)
        }
    }
}
