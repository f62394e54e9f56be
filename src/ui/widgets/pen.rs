//! The pen: the only way in which views put something into the buffer.
//!
//! It cleans, cuts and clips, so that no view has to think of it: nothing reaches a cell outside the buffer, and no
//! control character reaches a cell at all.

use std::borrow::Cow;

use ratatui::buffer::{Buffer, CellWidth};
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};

use crate::app::Target;
use crate::config::theme::{Colour, Emphasis, Paint, Role};
use crate::model::text::clean;
use crate::model::time::{Timestamp, seconds_between};
use crate::ui::{Drawn, Look};

use super::glyph::Glyph;
use super::spans::Spans;
use super::text::{Cut, fit, skip, width};

/// Seconds after which an age is told in minutes.
const SECONDS_COUNT: i64 = 600;

/// A buffer with a look, and what was learnt while drawing.
pub(in crate::ui) struct Pen<'a> {
    buffer: &'a mut Buffer,
    /// The look.
    pub(in crate::ui) look: &'a Look,
    /// What the driver is told about the frame.
    pub(in crate::ui) drawn: Drawn,
}

impl<'a> Pen<'a> {
    pub(in crate::ui) fn new(buffer: &'a mut Buffer, look: &'a Look) -> Self {
        Self { buffer, look, drawn: Drawn::default() }
    }

    /// A mark as this terminal can show it.
    pub(in crate::ui) fn glyph(&self, glyph: Glyph) -> &'static str {
        glyph.text(self.look.ascii)
    }

    /// How a role looks.
    pub(in crate::ui) fn style(&self, role: Role) -> Style {
        style(self.look.theme.paint(role))
    }

    /// How a role looks on a row that has a look of its own. What steps back would be unreadable there.
    pub(in crate::ui) fn style_on(&self, row: Option<Role>, role: Role) -> Style {
        match row {
            None => self.style(role),
            Some(row) if matches!(role, Role::Dim | Role::Heading) => self.style(row),
            Some(row) => {
                let mut over = self.style(role);
                // Reversed letters on a reversed row would be told apart by nothing.
                over.bg = None;
                over.add_modifier.remove(Modifier::REVERSED);
                self.style(row).patch(over)
            }
        }
    }

    /// The part of `area` that exists.
    fn clip(&self, area: Rect) -> Rect {
        area.intersection(*self.buffer.area())
    }

    /// Makes the area blank, and what a wide character left half of it, too.
    pub(in crate::ui) fn clear(&mut self, area: Rect) {
        let area = self.clip(area);
        for y in area.top()..area.bottom() {
            self.mend(area.left(), y);
            for x in area.left()..area.right() {
                self.buffer[(x, y)].reset();
            }
        }
    }

    /// Replaces a wide character that would reach over the left edge at `x`.
    fn mend(&mut self, x: u16, y: u16) {
        if x > self.buffer.area().left() {
            let before = &mut self.buffer[(x - 1, y)];
            if before.symbol().cell_width() > 1 {
                before.set_symbol(" ");
            }
        }
    }

    /// Lays a look over an area.
    pub(in crate::ui) fn paint(&mut self, area: Rect, role: Role) {
        let style = self.style(role);
        self.buffer.set_style(self.clip(area), style);
    }

    /// Notes that the mouse can hit something here.
    pub(in crate::ui) fn region(&mut self, area: Rect, target: Target) {
        let area = self.clip(area);
        if !area.is_empty() {
            self.drawn.regions.push((area, target));
        }
    }

    /// Writes text that is known to fit or may be cut off hard. Columns that were used.
    pub(in crate::ui) fn put(&mut self, at: Position, columns: u16, text: &str, style: Style) -> u16 {
        if !self.buffer.area().contains(at) || columns == 0 {
            return 0;
        }
        let text = clean(text);
        let text = if self.look.ascii { plain(text) } else { text };
        let (end, _) = self.buffer.set_stringn(at.x, at.y, &text, usize::from(columns), style);
        end - at.x
    }

    /// Writes text, cut where it is too long. Columns that were used.
    pub(in crate::ui) fn fitted(
        &mut self,
        at: Position,
        columns: u16,
        text: &str,
        cut: Cut,
        style: Style,
    ) -> u16 {
        let text = clean(text);
        let text = fit(&text, usize::from(columns), cut, self.glyph(Glyph::Ellipsis));
        self.put(at, columns, &text, style)
    }

    /// Writes a line of spans on the first row of an area, cut at its end. Columns that were used.
    pub(in crate::ui) fn spans(&mut self, area: Rect, spans: &Spans<'_>, row: Option<Role>) -> u16 {
        self.spans_from(area, spans, row, 0)
    }

    /// The same, scrolled to the right by some columns.
    pub(in crate::ui) fn spans_from(
        &mut self,
        area: Rect,
        spans: &Spans<'_>,
        row: Option<Role>,
        scroll: usize,
    ) -> u16 {
        if area.is_empty() {
            return 0;
        }
        let mut hidden = scroll;
        let mut rest = spans.width().saturating_sub(scroll);
        let mut x = area.x;
        for span in &spans.0 {
            let wide = width(&span.text);
            if hidden >= wide {
                hidden -= wide;
                continue;
            }
            let text = skip(&span.text, std::mem::take(&mut hidden));
            let room = area.right() - x;
            let style = self.style_on(row, span.role);
            let fits = rest <= usize::from(room);
            if !fits && width(text) >= usize::from(room) {
                // The ellipsis belongs into this part: what follows has no room at all.
                let text = format!("{text}  ");
                x += self.fitted(Position::new(x, area.y), room, &text, Cut::End, style);
                break;
            }
            x += self.put(Position::new(x, area.y), room, text, style);
            rest = rest.saturating_sub(width(text));
        }
        x - area.x
    }

    /// An age that is shown was true at this moment: the screen has to be drawn again when it changes.
    pub(in crate::ui) fn ages(&mut self, then: Option<Timestamp>, now: Timestamp) {
        if let Some(then) = then {
            let young = seconds_between(then, now) < SECONDS_COUNT;
            self.ticks(if young { 1 } else { 60 });
        }
    }

    /// Something changes after so many seconds by itself.
    pub(in crate::ui) fn ticks(&mut self, seconds: u64) {
        let new = std::time::Duration::from_secs(seconds);
        self.drawn.next_tick = Some(self.drawn.next_tick.map_or(new, |old| old.min(new)));
    }
}

/// Our own prose without its typographic signs. What the cluster calls its objects stays as it is.
fn plain(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.is_ascii() {
        return text;
    }
    let one = |c| match c {
        '…' => '~',
        '→' | '›' => '>',
        '·' | '–' | '—' => '-',
        '’' => '\'',
        '\u{fffd}' => '?',
        other => other,
    };
    text.chars().map(one).collect::<String>().into()
}

/// A paint as ratatui understands it.
fn style(paint: Paint) -> Style {
    let mut style = Style::new();
    style.fg = paint.foreground.map(colour);
    style.bg = paint.background.map(colour);
    for emphasis in Emphasis::ALL.into_iter().filter(|e| paint.has(*e)) {
        style = style.add_modifier(match emphasis {
            Emphasis::Bold => Modifier::BOLD,
            Emphasis::Dim => Modifier::DIM,
            Emphasis::Italic => Modifier::ITALIC,
            Emphasis::Underline => Modifier::UNDERLINED,
            Emphasis::Reverse => Modifier::REVERSED,
        });
    }
    style
}

fn colour(colour: Colour) -> Color {
    match colour {
        Colour::Default => Color::Reset,
        Colour::Rgb(r, g, b) => Color::Rgb(r, g, b),
        Colour::Indexed(n) => Color::Indexed(n),
        Colour::Ansi(n) => match n {
            0 => Color::Black,
            1 => Color::Red,
            2 => Color::Green,
            3 => Color::Yellow,
            4 => Color::Blue,
            5 => Color::Magenta,
            6 => Color::Cyan,
            7 => Color::Gray,
            8 => Color::DarkGray,
            9 => Color::LightRed,
            10 => Color::LightGreen,
            11 => Color::LightYellow,
            12 => Color::LightBlue,
            13 => Color::LightMagenta,
            14 => Color::LightCyan,
            _ => Color::White,
        },
    }
}
