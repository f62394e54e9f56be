//! Screenshots: a drawn buffer as an SVG file.
//!
//! What it is: a small writer for documentation and for looking at screens. What it is not: part of the explorer;
//! nothing of the program itself calls it. Borders are drawn as lines and not as letters, so that they meet whatever
//! the font is; letters are placed word by word, so that they stay in their columns.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell, CellWidth};
use ratatui::style::{Color, Modifier};

/// Width of a cell.
const WIDE: f64 = 8.43;
/// Height of a cell.
const HIGH: f64 = 18.0;
/// Size of the letters: a monospaced letter is about 0.6 of it wide.
const LETTERS: f64 = 14.0;
/// Around everything.
const MARGIN: f64 = 12.0;
const FONTS: &str = "'DejaVu Sans Mono',Menlo,Consolas,monospace";

/// The terminal behind: its own colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backdrop {
    /// Light letters on a dark background.
    Dark,
    /// Dark letters on white.
    Light,
}

impl Backdrop {
    fn foreground(self) -> &'static str {
        match self {
            Self::Dark => "#d8dce2",
            Self::Light => "#24292f",
        }
    }

    fn background(self) -> &'static str {
        match self {
            Self::Dark => "#101419",
            Self::Light => "#ffffff",
        }
    }

    /// The 16, as a usual palette has them.
    fn ansi(self, number: usize) -> &'static str {
        const DARK: [&str; 16] = [
            "#1c2128", "#e06c75", "#7fb069", "#d6a24a", "#6a9fdb", "#c08bd6", "#4fb3bf", "#c9d1d9",
            "#6b7480", "#ef8790", "#9bcf83", "#ecbf6f", "#8fbcf2", "#d7abe8", "#76d0da", "#ffffff",
        ];
        const LIGHT: [&str; 16] = [
            "#24292f", "#c1352c", "#2c7a3f", "#8f6400", "#2f5fc0", "#8a3ea8", "#0b7285", "#6e7781",
            "#57606a", "#d9483e", "#3a9150", "#a87a0c", "#4675d6", "#a157bf", "#1a8ca0", "#8c959f",
        ];
        match self {
            Self::Dark => DARK[number % 16],
            Self::Light => LIGHT[number % 16],
        }
    }

    fn colour(self, colour: Color, otherwise: &str) -> String {
        match colour {
            Color::Reset => otherwise.to_owned(),
            Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
            Color::Indexed(n) if n < 16 => self.ansi(usize::from(n)).to_owned(),
            Color::Indexed(n @ 16..232) => {
                let n = n - 16;
                let level = |v: u8| if v == 0 { 0 } else { 55 + 40 * v };
                format!("#{:02x}{:02x}{:02x}", level(n / 36), level(n / 6 % 6), level(n % 6))
            }
            Color::Indexed(n) => {
                let grey = 8 + 10 * (n - 232);
                format!("#{grey:02x}{grey:02x}{grey:02x}")
            }
            named => self.ansi(ansi_number(named)).to_owned(),
        }
    }

    /// Letters and background of a cell.
    fn paint(self, cell: &Cell) -> Paint {
        let mut fill = self.colour(cell.fg, self.foreground());
        let mut behind = (cell.bg != Color::Reset).then(|| self.colour(cell.bg, self.background()));
        if cell.modifier.contains(Modifier::REVERSED) {
            let letters = behind.unwrap_or_else(|| self.background().to_owned());
            behind = Some(std::mem::replace(&mut fill, letters));
        }
        Paint { fill, behind, modifier: cell.modifier }
    }
}

fn ansi_number(colour: Color) -> usize {
    match colour {
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        _ => 15,
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Paint {
    fill: String,
    behind: Option<String>,
    modifier: Modifier,
}

/// The buffer as an SVG document. `label` is its accessible title.
pub fn svg(buffer: &Buffer, backdrop: Backdrop, label: &str) -> String {
    let area = buffer.area();
    let (width, height) =
        (f64::from(area.width) * WIDE + 2.0 * MARGIN, f64::from(area.height) * HIGH + 2.0 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\">\n<title>{}</title>\n<rect width=\"100%\" height=\"100%\" rx=\"8\" \
         fill=\"{}\"/>\n<g font-family=\"{FONTS}\" font-size=\"{LETTERS}\" xml:space=\"preserve\">\n",
        escaped(label),
        backdrop.background(),
    );
    for row in 0..area.height {
        self::row(&mut out, buffer, backdrop, row);
    }
    out.push_str("</g>\n</svg>\n");
    out
}

fn row(out: &mut String, buffer: &Buffer, backdrop: Backdrop, row: u16) {
    let area = buffer.area();
    let y = MARGIN + f64::from(row) * HIGH;
    let cells: Vec<(u16, &Cell)> = cells(buffer, area.y + row);
    // Backgrounds first, joined as far as they are alike.
    let mut at = 0;
    while at < cells.len() {
        let behind = backdrop.paint(cells[at].1).behind;
        let from = cells[at].0;
        let mut to = at + 1;
        while to < cells.len() && backdrop.paint(cells[to].1).behind == behind {
            to += 1;
        }
        let end = cells.get(to).map_or(area.width, |c| c.0);
        if let Some(fill) = behind {
            let (x, wide) = (MARGIN + f64::from(from) * WIDE, f64::from(end - from) * WIDE);
            let _ = writeln!(
                out,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{HIGH}\" fill=\"{fill}\"/>"
            );
        }
        at = to;
    }
    let mut word = String::new();
    let mut start: Option<(u16, Paint)> = None;
    for (x, cell) in &cells {
        let paint = backdrop.paint(cell);
        let symbol = cell.symbol();
        let line = lines(symbol);
        let alone = line.is_some() || !symbol.is_ascii();
        let ends = start.as_ref().is_some_and(|(_, p)| *p != paint);
        if ends || alone || symbol == " " {
            flush(out, &mut word, &mut start, y);
        }
        if let Some(path) = line {
            stroke(out, path, *x, y, symbol == "┃", &paint);
        } else if symbol != " " {
            start.get_or_insert((*x, paint));
            word.push_str(symbol);
            if alone {
                flush(out, &mut word, &mut start, y);
            }
        } else if paint.modifier.contains(Modifier::UNDERLINED) {
            start.get_or_insert((*x, paint));
            word.push('\u{a0}');
            flush(out, &mut word, &mut start, y);
        }
    }
    flush(out, &mut word, &mut start, y);
}

/// The cells of a row without those that a wide character covers.
fn cells(buffer: &Buffer, y: u16) -> Vec<(u16, &Cell)> {
    let area = buffer.area();
    let mut cells = Vec::new();
    let mut x = 0;
    while x < area.width {
        let cell = &buffer[(area.x + x, y)];
        cells.push((x, cell));
        x += cell.symbol().cell_width().max(1);
    }
    cells
}

fn flush(out: &mut String, word: &mut String, start: &mut Option<(u16, Paint)>, y: f64) {
    if let Some((x, paint)) = start.take() {
        let x = MARGIN + f64::from(x) * WIDE;
        let columns = word.cell_width();
        let mut attributes = String::new();
        for (modifier, text) in [
            (Modifier::BOLD, " font-weight=\"bold\""),
            (Modifier::ITALIC, " font-style=\"italic\""),
            (Modifier::UNDERLINED, " text-decoration=\"underline\""),
            (Modifier::DIM, " opacity=\"0.65\""),
        ] {
            if paint.modifier.contains(modifier) {
                attributes.push_str(text);
            }
        }
        let length = f64::from(columns) * WIDE;
        let _ = writeln!(
            out,
            "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"{}\" textLength=\"{length:.1}\"{attributes}>{}</text>",
            y + HIGH * 0.75,
            paint.fill,
            escaped(word),
        );
        word.clear();
    }
}

/// The lines that a piece of a border consists of, in a cell from 0 to 2 in both directions: letters of SVG's path
/// language, each with its numbers.
fn lines(symbol: &str) -> Option<&'static [(char, &'static [f64])]> {
    Some(match symbol {
        "│" | "┃" => &[('M', &[1.0, 0.0]), ('L', &[1.0, 2.0])],
        "─" => &[('M', &[0.0, 1.0]), ('L', &[2.0, 1.0])],
        "╭" => &[('M', &[2.0, 1.0]), ('Q', &[1.0, 1.0, 1.0, 2.0])],
        "╮" => &[('M', &[0.0, 1.0]), ('Q', &[1.0, 1.0, 1.0, 2.0])],
        "╰" => &[('M', &[1.0, 0.0]), ('Q', &[1.0, 1.0, 2.0, 1.0])],
        "╯" => &[('M', &[1.0, 0.0]), ('Q', &[1.0, 1.0, 0.0, 1.0])],
        "├" => &[('M', &[1.0, 0.0]), ('L', &[1.0, 2.0]), ('M', &[1.0, 1.0]), ('L', &[2.0, 1.0])],
        "┤" => &[('M', &[1.0, 0.0]), ('L', &[1.0, 2.0]), ('M', &[1.0, 1.0]), ('L', &[0.0, 1.0])],
        "┬" => &[('M', &[0.0, 1.0]), ('L', &[2.0, 1.0]), ('M', &[1.0, 1.0]), ('L', &[1.0, 2.0])],
        "┴" => &[('M', &[0.0, 1.0]), ('L', &[2.0, 1.0]), ('M', &[1.0, 0.0]), ('L', &[1.0, 1.0])],
        "┼" => &[('M', &[0.0, 1.0]), ('L', &[2.0, 1.0]), ('M', &[1.0, 0.0]), ('L', &[1.0, 2.0])],
        _ => return None,
    })
}

fn stroke(out: &mut String, steps: &[(char, &[f64])], x: u16, y: f64, heavy: bool, paint: &Paint) {
    let x = MARGIN + f64::from(x) * WIDE;
    let mut path = String::new();
    for (letter, numbers) in steps {
        path.push(*letter);
        for pair in numbers.chunks(2) {
            if let [dx, dy] = pair {
                let _ = write!(path, "{:.1} {:.1} ", x + dx * WIDE / 2.0, y + dy * HIGH / 2.0);
            }
        }
    }
    let width = if heavy { 3.2 } else { 1.2 };
    let _ = writeln!(
        out,
        "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\"/>",
        path.trim_end(),
        paint.fill,
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
