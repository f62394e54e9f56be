//! From the terminal's events to messages: keys through the keymap, the mouse through what the last frame drew.

use std::time::{Duration, Instant};

use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::{Position, Rect};

use crate::app::{Edit, Message, Mode, Target};
use crate::config::keys::{Keymap, Lookup, Pending};

/// Two presses on one spot within this time are one double press.
const DOUBLE: Duration = Duration::from_millis(400);
/// Lines that one notch of the wheel scrolls.
const WHEEL_LINES: isize = 3;

/// What has to be remembered between events.
#[derive(Debug, Default)]
pub struct Input {
    pending: Pending,
    dragging: bool,
    last_press: Option<(Instant, Position)>,
}

/// What an event asks the loop for.
#[derive(Debug)]
pub enum Asked {
    /// A message for the state machine.
    Message(Message),
    /// The terminal has another size: draw again.
    Resize,
    /// Nothing.
    Nothing,
}

impl Input {
    /// Translates one event. `regions` is what the last frame drew, topmost last; `area` the whole screen.
    pub fn translate(
        &mut self,
        event: Event,
        mode: Mode,
        keymap: &Keymap,
        regions: &[(Rect, Target)],
        area: Rect,
    ) -> Asked {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(key, mode, keymap),
            Event::Paste(text) if mode == Mode::Input => Asked::Message(Message::Edit(Edit::Insert(text))),
            Event::Mouse(mouse) => self.mouse(mouse, regions, area),
            Event::Resize(..) => Asked::Resize,
            _ => Asked::Nothing,
        }
    }

    fn key(&mut self, mut key: KeyEvent, mode: Mode, keymap: &Keymap) -> Asked {
        // Esc and ctrl-c that arrive together are the same bytes as alt-ctrl-c. Whoever types that wants out.
        if (key.code, key.modifiers) == (KeyCode::Char('c'), KeyModifiers::CONTROL | KeyModifiers::ALT) {
            key.modifiers = KeyModifiers::CONTROL;
        }
        match keymap.lookup(mode, &mut self.pending, key) {
            Lookup::Action(action) => Asked::Message(Message::Action(action)),
            Lookup::None if mode == Mode::Input => {
                edit(key).map_or(Asked::Nothing, |edit| Asked::Message(Message::Edit(edit)))
            }
            Lookup::Pending | Lookup::None => Asked::Nothing,
        }
    }

    fn mouse(&mut self, mouse: MouseEvent, regions: &[(Rect, Target)], area: Rect) -> Asked {
        let at = Position::new(mouse.column, mouse.row);
        let hit =
            || regions.iter().rev().find(|(rect, _)| rect.contains(at)).map(|(_, target)| target.clone());
        match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => {
                let double = self
                    .last_press
                    .take()
                    .is_some_and(|(when, where_)| where_ == at && when.elapsed() < DOUBLE);
                if !double {
                    self.last_press = Some((Instant::now(), at));
                }
                let target = hit();
                self.dragging = target == Some(Target::Split);
                target.map_or(Asked::Nothing, |target| Asked::Message(Message::Click { target, double }))
            }
            MouseEventKind::Drag(MouseButton::Left) if self.dragging && area.width > 0 => {
                let share = u32::from(mouse.column) * 1000 / u32::from(area.width);
                Asked::Message(Message::DragSplit(u16::try_from(share).unwrap_or(1000)))
            }
            MouseEventKind::Up(_) => {
                self.dragging = false;
                Asked::Nothing
            }
            MouseEventKind::ScrollDown | MouseEventKind::ScrollUp => {
                let lines = if mouse.kind == MouseEventKind::ScrollDown { WHEEL_LINES } else { -WHEEL_LINES };
                hit().map_or(Asked::Nothing, |target| Asked::Message(Message::Wheel { target, lines }))
            }
            _ => Asked::Nothing,
        }
    }
}

/// What an unbound key does to the line being typed.
fn edit(key: KeyEvent) -> Option<Edit> {
    let plain = !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SUPER);
    match key.code {
        KeyCode::Char(c) if plain => Some(Edit::Insert(c.to_string())),
        KeyCode::Char('h') if key.modifiers == KeyModifiers::CONTROL => Some(Edit::Backspace),
        KeyCode::Char('a') if key.modifiers == KeyModifiers::CONTROL => Some(Edit::Home),
        KeyCode::Char('e') if key.modifiers == KeyModifiers::CONTROL => Some(Edit::End),
        KeyCode::Backspace => Some(Edit::Backspace),
        KeyCode::Delete => Some(Edit::Delete),
        KeyCode::Left => Some(Edit::Left),
        KeyCode::Right => Some(Edit::Right),
        KeyCode::Home => Some(Edit::Home),
        KeyCode::End => Some(Edit::End),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Action;

    #[test]
    fn ctrl_c_right_behind_esc_is_ctrl_c() {
        for modifiers in [KeyModifiers::CONTROL, KeyModifiers::CONTROL | KeyModifiers::ALT] {
            let event = Event::Key(KeyEvent::new(KeyCode::Char('c'), modifiers));
            let asked =
                Input::default().translate(event, Mode::Browse, &Keymap::default(), &[], Rect::default());
            assert!(
                matches!(asked, Asked::Message(Message::Action(Action::Quit))),
                "{modifiers:?}: {asked:?}"
            );
        }
    }
}
