//! What actions, typing and the mouse do.

use crate::model::{NamespaceScope, ObjectKey};

use super::action::{Action, Mode};
use super::effect::Effect;
use super::message::{Edit, Target};
use super::overlay::{Confirm, Overlay, PickerKind};
use super::profiles::ProfileUse;
use super::state::{MainView, Pane, Tone};
use super::table::Column;
use super::{App, Line};

/// Columns that one step to the side scrolls.
const SIDE_STEP: usize = 8;
/// Share of the width that one step moves the split by, in 1/1000.
const SPLIT_STEP: u16 = 40;

impl App {
    pub(super) fn act(&mut self, action: Action) -> Vec<Effect> {
        match self.mode() {
            Mode::Input => self.act_typing(action),
            Mode::Menu => self.act_page(action),
            Mode::Browse => self.act_browsing(action),
        }
    }

    fn act_browsing(&mut self, action: Action) -> Vec<Effect> {
        let page = isize::try_from(self.page(self.focus)).unwrap_or(1);
        match action {
            Action::Down => self.step(self.focus, 1),
            Action::Up => self.step(self.focus, -1),
            Action::HalfPageDown => self.step(self.focus, (page / 2).max(1)),
            Action::HalfPageUp => self.step(self.focus, -(page / 2).max(1)),
            Action::PageDown => self.step(self.focus, page),
            Action::PageUp => self.step(self.focus, -page),
            Action::Top => self.step(self.focus, isize::MIN),
            Action::Bottom => self.step(self.focus, isize::MAX),
            Action::Left => self.scroll_aside(-1),
            Action::Right => self.scroll_aside(1),
            Action::NextPane => self.focus_by(1),
            Action::PreviousPane => self.focus_by(Pane::ALL.len() - 1),
            Action::PaneMain => self.focus_on(Pane::Main),
            Action::PaneEndpoints => self.focus_on(Pane::Endpoints),
            Action::PaneDns => self.focus_on(Pane::Dns),
            Action::PaneEnvironment => self.focus_on(Pane::Environment),
            Action::Zoom => self.layout.zoom = !self.layout.zoom,
            Action::Wide => self.layout.wide = !self.layout.wide,
            Action::Grow => self.layout.split = (self.layout.split + SPLIT_STEP).min(800),
            Action::Shrink => self.layout.split = self.layout.split.saturating_sub(SPLIT_STEP).max(200),
            Action::Container => self.next_container(),
            Action::Detail if self.selected_namespace().is_some() => {
                self.overlays.push(Overlay::Detail { offset: 0 });
                // What the servers count is read only for those who look.
                if self.focus == Pane::Dns && !self.is_saved() {
                    return vec![Effect::DnsMetrics { epoch: self.connection.epoch }];
                }
            }
            Action::Filter => {
                if !self.searches_environment() {
                    self.focus_on(Pane::Main);
                }
                self.filtering = true;
            }
            Action::Differences => self.toggle_differences(),
            Action::Reveal => return self.reveal(),
            Action::ClearFilter => self.set_filter(Line::default()),
            Action::Sort => {
                let column = match self.view {
                    MainView::Services => self.services.next_column(),
                    MainView::Pods => self.pods.next_column(),
                };
                self.sort_by(column, false);
            }
            Action::SortReverse => match self.view {
                MainView::Services => self.sort_by(self.services.column, !self.services.reverse),
                MainView::Pods => self.sort_by(self.pods.column, !self.pods.reverse),
            },
            Action::Back => self.back(),
            _ => return self.act_anywhere(action),
        }
        vec![]
    }

    /// Actions that mean the same whatever is open.
    fn act_anywhere(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Services => self.show(MainView::Services),
            Action::Pods => self.show(MainView::Pods),
            Action::Help => self.overlays.push(Overlay::Help { offset: 0 }),
            Action::Palette => self.open(PickerKind::Palette),
            Action::Namespaces => self.open(PickerKind::Namespaces),
            Action::Contexts => self.open(PickerKind::Contexts),
            Action::Viewpoint => self.open(PickerKind::Viewpoint),
            Action::CopyMenu => self.open(PickerKind::Copy),
            Action::Resolve => return self.resolve_selection(),
            Action::ResolveAny => self.choose_name(),
            Action::Doctor => return self.examine_selection(),
            Action::Verify => return self.look_into(),
            Action::Restart => return self.plan_restart(),
            Action::Forward => return self.toggle_forward(),
            Action::ForwardChoose => self.choose_forward(),
            Action::Profile => return self.choose_profile(ProfileUse::Start),
            Action::ProfileSave => return self.choose_profile(ProfileUse::Save),
            Action::ProfileAutostart => return self.choose_profile(ProfileUse::Autostart),
            Action::ProfileDelete => return self.choose_profile(ProfileUse::Delete),
            Action::Open => return self.open_forward(),
            Action::Proxy => return self.toggle_proxy(),
            Action::ProxyWide => self.widen_proxy(),
            Action::Sessions => self.overlays.push(Overlay::Sessions),
            Action::Missing => self.show_missing(),
            Action::Export => self.open(PickerKind::Export),
            Action::Copy => return self.copy_best(),
            Action::AllNamespaces => return self.toggle_all_namespaces(),
            Action::Retry if self.connection.problem.is_some() => {
                return self.connect(self.connection.wanted.clone());
            }
            Action::Retry if self.connection.asks.is_some() => {
                return vec![Effect::SignIn { epoch: self.connection.epoch }];
            }
            Action::Retry => {
                self.notify(Tone::Note, "connecting again");
                return vec![Effect::RetryNow { epoch: self.connection.epoch }];
            }
            Action::Redraw => return vec![Effect::Redraw],
            Action::Quit => {
                self.quitting = true;
                return vec![Effect::Quit];
            }
            _ => {}
        }
        vec![]
    }

    fn toggle_all_namespaces(&mut self) -> Vec<Effect> {
        match (&self.scope, &self.narrow_scope) {
            (None, _) => vec![],
            (Some(NamespaceScope::All), Some(narrow)) => self.set_scope(narrow.clone()),
            (Some(NamespaceScope::All), None) => {
                let own = self.connection.identity.as_ref().map(|i| i.namespace.clone());
                own.map_or_else(Vec::new, |own| self.set_scope(NamespaceScope::one(own)))
            }
            (Some(NamespaceScope::Only(_)), _) => self.set_scope(NamespaceScope::All),
        }
    }

    /// A page lies over the panes: moving scrolls it, everything else closes it or acts.
    fn act_page(&mut self, action: Action) -> Vec<Effect> {
        match self.overlays.last() {
            Some(Overlay::Sessions) => {
                if let Some(effects) = self.act_sessions(action) {
                    return effects;
                }
            }
            Some(Overlay::Lookup { .. } | Overlay::Doctor { .. }) => {
                if let Some(effects) = self.act_answers(action) {
                    return effects;
                }
            }
            Some(Overlay::Missing { .. }) if matches!(action, Action::Restart | Action::Accept) => {
                self.overlays.pop();
                return self.plan_restart();
            }
            Some(Overlay::Confirm(_)) if action == Action::Accept => return self.agree(),
            _ => {}
        }
        let page = isize::try_from(self.layout.viewport.overlay_rows.max(1)).unwrap_or(1);
        let by = match action {
            Action::Down => 1,
            Action::Up => -1,
            Action::HalfPageDown => page / 2,
            Action::HalfPageUp => -page / 2,
            Action::PageDown => page,
            Action::PageUp => -page,
            Action::Top => isize::MIN,
            Action::Bottom => isize::MAX,
            Action::Quit | Action::Redraw => return self.act_anywhere(action),
            Action::Back | Action::Help | Action::Detail | Action::Accept => {
                self.overlays.pop();
                return vec![];
            }
            Action::Copy | Action::CopyMenu
                if matches!(self.overlays.last(), Some(Overlay::Detail { .. })) =>
            {
                return self.act_anywhere(action);
            }
            _ => return vec![],
        };
        self.scroll_page(by);
        vec![]
    }

    /// Does what the open question asks about, if what has to be typed is.
    fn agree(&mut self) -> Vec<Effect> {
        match self.overlays.pop() {
            Some(Overlay::Confirm(confirm)) if confirm.agreed() => confirm.yes,
            Some(Overlay::Confirm(confirm)) => {
                let word = confirm.word.unwrap_or_default();
                self.notify(Tone::Note, format!("nothing was done: type \"{word}\" to agree"));
                vec![]
            }
            _ => vec![],
        }
    }

    pub(super) fn scroll_page(&mut self, by: isize) {
        if matches!(self.overlays.last(), Some(Overlay::Sessions)) {
            return self.step_sessions(by);
        }
        if let Some(
            Overlay::Help { offset }
            | Overlay::Detail { offset }
            | Overlay::Missing { offset }
            | Overlay::Lookup { offset }
            | Overlay::Doctor { offset }
            | Overlay::Confirm(Confirm { offset, .. })
            | Overlay::Text { offset, .. },
        ) = self.overlays.last_mut()
        {
            // Only the view knows how long the page is: the last frame told.
            let end = self.layout.viewport.overlay_end;
            *offset = (*offset).min(end).saturating_add_signed(by).min(end);
        }
    }

    fn act_typing(&mut self, action: Action) -> Vec<Effect> {
        let page = self.layout.viewport.overlay_rows.max(1);
        if matches!(action, Action::Quit | Action::Redraw) {
            return self.act_anywhere(action);
        }
        if let Some(Overlay::Confirm(confirm)) = self.overlays.last_mut() {
            match action {
                Action::Accept => return self.agree(),
                Action::Back => drop(self.overlays.pop()),
                Action::ClearLine => confirm.line.clear(),
                Action::DeleteWord => confirm.line.delete_word(),
                _ => {}
            }
            return vec![];
        }
        let Some(Overlay::Picker(picker)) = self.overlays.last_mut() else {
            return self.act_filtering(action);
        };
        let rows = isize::try_from(page).unwrap_or(1);
        let mut go = |by: isize| picker.select(picker.selected.saturating_add_signed(by), page);
        match action {
            Action::Down => go(1),
            Action::Up => go(-1),
            Action::HalfPageDown => go(rows / 2),
            Action::HalfPageUp => go(-rows / 2),
            Action::PageDown => go(rows),
            Action::PageUp => go(-rows),
            Action::Top => go(isize::MIN),
            Action::Bottom => go(isize::MAX),
            Action::Complete => {
                if let Some(label) = picker.selected().map(|e| e.label.clone()) {
                    picker.line = Line::new(label);
                    picker.narrow(page);
                }
            }
            Action::Toggle => self.toggle_mark(),
            Action::ClearLine => {
                picker.line.clear();
                picker.narrow(page);
            }
            Action::DeleteWord => {
                picker.line.delete_word();
                picker.narrow(page);
            }
            Action::Accept => return self.choose(),
            Action::Back => drop(self.overlays.pop()),
            _ => {}
        }
        vec![]
    }

    /// The filter line is being typed; the list can be moved in meanwhile.
    fn act_filtering(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Accept => {
                self.filtering = false;
                // What was found is chosen: it stays selected when the filter goes.
                self.step(self.searched(), 0);
            }
            Action::Back => {
                self.filtering = false;
                self.set_filter(Line::default());
            }
            Action::ClearLine => self.set_filter(Line::default()),
            Action::DeleteWord => {
                let mut line = self.filter_line().clone();
                line.delete_word();
                self.set_filter(line);
            }
            Action::Down | Action::Up | Action::PageDown | Action::PageUp => {
                return self.act_browsing(action);
            }
            _ => {}
        }
        vec![]
    }

    pub(super) fn edit(&mut self, edit: &Edit) -> Vec<Effect> {
        let page = self.layout.viewport.overlay_rows;
        if let Some(Overlay::Picker(picker)) = self.overlays.last_mut() {
            picker.line.edit(edit);
            picker.narrow(page);
        } else if let Some(Overlay::Confirm(confirm)) = self.overlays.last_mut() {
            confirm.line.edit(edit);
        } else if self.filtering && self.overlays.is_empty() {
            let mut line = self.filter_line().clone();
            line.edit(edit);
            self.set_filter(line);
        }
        vec![]
    }

    /// The pane whose search line is typed with the focus as it is.
    fn searched(&self) -> Pane {
        if self.searches_environment() { Pane::Environment } else { Pane::Main }
    }

    /// The search line that is typed with the focus as it is: that of the Environment pane, or of the list.
    pub fn filter_line(&self) -> &Line {
        if self.searches_environment() { &self.environment.filter } else { self.list_filter() }
    }

    /// The filter of the list that is shown.
    pub fn list_filter(&self) -> &Line {
        match self.view {
            MainView::Services => &self.services.filter,
            MainView::Pods => &self.pods.filter,
        }
    }

    pub(super) fn set_filter(&mut self, line: Line) {
        if self.searches_environment() {
            self.environment.filter = line;
            return self.relist_environment();
        }
        match self.view {
            MainView::Services => self.services.filter = line,
            MainView::Pods => self.pods.filter = line,
        }
        self.relist();
    }

    fn sort_by(&mut self, column: Column, reverse: bool) {
        match self.view {
            MainView::Services => (self.services.column, self.services.reverse) = (column, reverse),
            MainView::Pods => (self.pods.column, self.pods.reverse) = (column, reverse),
        }
        self.relist();
    }

    fn show(&mut self, view: MainView) {
        self.overlays.clear();
        self.focus_on(Pane::Main);
        if self.view != view {
            self.view = view;
            self.filtering = false;
            self.relist();
        }
    }

    /// One step out: the zoom, the filter, the pane, in this order.
    fn back(&mut self) {
        if self.searches_environment() && self.environment.narrows() {
            self.environment.filter.clear();
            self.environment.differences = false;
            self.relist_environment();
        } else if self.layout.zoom {
            self.layout.zoom = false;
        } else if self.focus != Pane::Main {
            self.focus_on(Pane::Main);
        } else if !self.filter_line().text().is_empty() {
            self.set_filter(Line::default());
        } else {
            self.notices.clear();
        }
    }

    fn focus_by(&mut self, by: usize) {
        self.focus_on(Pane::ALL[(self.focus.index() + by) % Pane::ALL.len()]);
    }

    pub(super) fn focus_on(&mut self, pane: Pane) {
        // What is typed belongs to the pane where it began.
        self.filtering &= (self.focus == Pane::Environment) == (pane == Pane::Environment);
        self.focus = pane;
        if pane != Pane::Main {
            self.layout.tab = pane;
        }
        self.repane();
    }

    fn scroll_aside(&mut self, by: isize) {
        let end = self.layout.viewport.aside[self.focus.index()];
        let scroll = &mut self.layout.scroll[self.focus.index()];
        *scroll = (*scroll).min(end).saturating_add_signed(by * SIDE_STEP.cast_signed()).min(end);
    }

    /// Moves the selection of a pane.
    pub(super) fn step(&mut self, pane: Pane, by: isize) {
        let page = self.page(pane);
        match (pane, self.view) {
            (Pane::Main, MainView::Services) => self.services.step(by, page),
            (Pane::Main, MainView::Pods) => self.pods.step(by, page),
            _ => self.panes.step(pane, by, page),
        }
        if pane == Pane::Main {
            self.repane();
        }
    }

    pub(super) fn click(&mut self, target: Target, double: bool) -> Vec<Effect> {
        match target {
            Target::Entry(index) => {
                if let Some(Overlay::Picker(picker)) = self.overlays.last_mut() {
                    picker.select(index, self.layout.viewport.overlay_rows);
                    return self.choose();
                }
            }
            Target::Overlay => {}
            // A press beside what lies on top closes it, as in any window.
            _ if !self.overlays.is_empty() => drop(self.overlays.pop()),
            Target::Row(key) => return self.click_row(&key, double),
            Target::PaneRow(pane, row) => {
                self.focus_on(pane);
                let page = self.page(pane);
                self.panes.go(pane, row, page);
                if double {
                    return self.copy_best();
                }
            }
            Target::Heading(column) => {
                let (now, reverse) = match self.view {
                    MainView::Services => (self.services.column, self.services.reverse),
                    MainView::Pods => (self.pods.column, self.pods.reverse),
                };
                self.sort_by(column, now == column && !reverse);
            }
            Target::Pane(pane) => self.focus_on(pane),
            Target::Action(action) => return self.act(action),
            Target::Split => {}
        }
        vec![]
    }

    fn click_row(&mut self, key: &ObjectKey, double: bool) -> Vec<Effect> {
        self.focus_on(Pane::Main);
        let page = self.page(Pane::Main);
        match self.view {
            MainView::Services => self.services.select(key, page),
            MainView::Pods => self.pods.select(key, page),
        };
        self.repane();
        if double { self.act_browsing(Action::Detail) } else { vec![] }
    }

    pub(super) fn wheel(&mut self, target: &Target, lines: isize) -> Vec<Effect> {
        let overlay_rows = self.layout.viewport.overlay_rows;
        match self.overlays.last_mut() {
            Some(Overlay::Picker(picker)) => {
                picker.select(picker.selected.saturating_add_signed(lines), overlay_rows);
            }
            Some(_) => self.scroll_page(lines),
            None => {
                let pane = match target {
                    Target::Row(_) | Target::Heading(_) | Target::Pane(Pane::Main) => Pane::Main,
                    Target::PaneRow(pane, _) | Target::Pane(pane) => *pane,
                    _ => return vec![],
                };
                let page = self.page(pane);
                match (pane, self.view) {
                    (Pane::Main, MainView::Services) => self.services.scroll(lines, page),
                    (Pane::Main, MainView::Pods) => self.pods.scroll(lines, page),
                    _ => self.panes.scroll(pane, lines, page),
                }
                if pane == Pane::Main {
                    self.repane();
                }
            }
        }
        vec![]
    }
}
