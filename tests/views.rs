//! What is drawn: every pane's faces at three sizes, and what holds at every size.
//!
//! Snapshots are plain text, a screen below the other; `styles` shows the looks of two of them.

#[path = "views/access.rs"]
mod access;
#[path = "views/sessions.rs"]
mod sessions;
#[path = "common/world.rs"]
mod world;

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use kdisco::app::{Action, App, Edit, Message, Mode, Pane, Problem, Target, Tone, Viewpoint};
use kdisco::config::{Keymap, Theme};
use kdisco::model::{ClusterSnapshot, Kind, Load, NamespaceScope, ServiceFacts};
use kdisco::ui::{Drawn, Look, view};
use ratatui::buffer::{Buffer, CellWidth};
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier};

use world::{MINUTE, ago, tutorial};

const SIZES: [(u16, u16); 3] = [(60, 16), (100, 30), (160, 48)];

fn look(theme: &str, ascii: bool) -> Look {
    Look::new(Theme::built_in(theme).unwrap(), ascii, Keymap::default())
}

/// Draws as the driver does: what the frame had room for goes back into the state until nothing changes.
fn draw(app: &mut App, look: &Look, (width, height): (u16, u16)) -> (Buffer, Drawn) {
    let area = Rect::new(0, 0, width, height);
    for _ in 0..4 {
        let mut buffer = Buffer::empty(area);
        let drawn = view(app, look, area, &mut buffer);
        if drawn.viewport == app.layout.viewport {
            return (buffer, drawn);
        }
        app.update(Message::Viewport(drawn.viewport));
    }
    panic!("what a frame has room for never settles");
}

/// The rows as a person sees them.
fn text(buffer: &Buffer) -> String {
    let area = *buffer.area();
    let mut out = String::new();
    for y in area.rows().map(|r| r.y) {
        let mut row = String::new();
        let mut x = area.x;
        while x < area.right() {
            let symbol = buffer[(x, y)].symbol();
            row.push_str(symbol);
            x += symbol.cell_width().max(1);
        }
        let _ = writeln!(out, "{}", row.trim_end());
    }
    out
}

fn screen(app: &mut App, size: (u16, u16)) -> String {
    text(&draw(app, &look("dark", false), size).0)
}

fn act(app: &mut App, actions: &[Action]) {
    for action in actions {
        app.update(Message::Action(*action));
    }
}

fn select(app: &mut App, name: &str) {
    let key = app.services.rows.iter().find(|r| &*r.item.key().name == name).unwrap().item.key().clone();
    app.update(Message::Click { target: Target::Row(key), double: false });
}

fn in_default(snapshot: ClusterSnapshot) -> App {
    world::app(snapshot, NamespaceScope::one("default"))
}

/// The Services, with nothing known of what is behind them.
fn unjoined(load: &Load) -> ClusterSnapshot {
    let mut snapshot = tutorial();
    let bare = |f: &Arc<ServiceFacts>| Arc::new(ServiceFacts::new(f.service.clone(), vec![]));
    snapshot.services = Arc::new(snapshot.services.iter().map(bare).collect());
    snapshot.pods.clear();
    snapshot.services_of_pod.clear();
    let snapshot = world::with_load(snapshot, Kind::EndpointSlice, Some("default"), load.clone());
    world::with_load(snapshot, Kind::Pod, Some("default"), load.clone())
}

/// Nothing at all, because of this.
fn without_services(load: Load) -> ClusterSnapshot {
    let empty = ClusterSnapshot { epoch: 1, loads: world::loads(&Load::Live), ..ClusterSnapshot::default() };
    world::with_load(empty, Kind::Service, Some("default"), load)
}

fn forbidden(resource: &str) -> Load {
    Load::Forbidden {
        verb: "list".into(),
        message: format!("{resource} is forbidden: User \"alice\" cannot list resource \"{resource}\"")
            .into(),
    }
}

fn failed() -> Load {
    Load::Failed { since: ago(42), why: "the server closed the connection in the middle of the list".into() }
}

/// The screens of one face: the list itself, then every pane that has a place, or as many as have one at a time.
fn face(list: App, mut behind: App, selected: &str) -> Vec<(&'static str, App)> {
    select(&mut behind, selected);
    vec![("list", list), ("panes", behind)]
}

fn check(name: &str, screens: Vec<(&'static str, App)>) {
    let mut screens = screens;
    for size in SIZES {
        let mut out = String::new();
        for (title, app) in &mut screens {
            let panes: &[Pane] =
                if *title == "list" || size.0 >= 120 { &[Pane::Main] } else { &Pane::ALL[1..] };
            for pane in panes {
                let focus =
                    [Action::PaneMain, Action::PaneEndpoints, Action::PaneDns, Action::PaneEnvironment];
                act(app, &[focus[pane.index()]]);
                let drawn = screen(app, size);
                let _ = writeln!(out, "{title} {}\n{drawn}", pane.title());
            }
        }
        insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), out);
    }
}

#[test]
fn loading() {
    let load = Load::Loading(1203);
    let list = in_default(without_services(load));
    check("loading", face(list, in_default(unjoined(&Load::Loading(40))), "my-app"));
}

#[test]
fn typical() {
    let mut list = world::app(tutorial(), NamespaceScope::All);
    act(&mut list, &[Action::Down, Action::Down]);
    check("typical", face(list, in_default(tutorial()), "my-app"));
}

#[test]
fn empty() {
    let list = in_default(without_services(Load::Live));
    check("empty", face(list, in_default(tutorial()), "reports"));
}

#[test]
fn not_allowed() {
    let list = in_default(without_services(forbidden("services")));
    check("forbidden", face(list, in_default(unjoined(&forbidden("endpointslices"))), "my-app"));
}

#[test]
fn failing() {
    let list = in_default(without_services(failed()));
    check("error", face(list, in_default(unjoined(&failed())), "my-app"));
}

#[test]
fn huge() {
    let mut list = world::app(world::huge(2014), NamespaceScope::All);
    act(&mut list, &[Action::Bottom, Action::HalfPageUp, Action::Filter]);
    list.update(Message::Edit(Edit::Insert("01".into())));
    check("huge", face(list, in_default(world::crowded(400)), "crowd"));
}

#[test]
fn no_connection() {
    let mut app = world::connecting();
    let mut out = screen(&mut app, (100, 14));
    app.update(Message::ConnectFailed {
        epoch: app.connection.epoch,
        problem: Problem {
            what: "the cluster \"prod-eu\" does not answer".into(),
            why: "connecting to 10.0.0.1:6443: connection refused".into(),
            hint: "Is the VPN up?\nkubectl cluster-info --context prod-eu  should fail in the same way."
                .into(),
        },
    });
    for size in SIZES {
        let _ = writeln!(out, "\n{}", screen(&mut app, size));
    }
    insta::assert_snapshot!("no_connection", out);
}

#[test]
fn overlays() {
    let mut out = String::new();
    for (name, actions, size) in [
        ("help", &[Action::Help][..], (160, 48)),
        ("help", &[Action::Help, Action::Bottom], (60, 16)),
        ("palette", &[Action::Palette], (100, 30)),
        ("namespaces", &[Action::Namespaces], (100, 20)),
        ("viewpoint", &[Action::Viewpoint], (100, 20)),
        ("copy", &[Action::CopyMenu], (100, 24)),
        ("detail", &[Action::Detail], (100, 44)),
        ("detail of a pod", &[Action::Pods, Action::Detail], (100, 36)),
        ("detail of an environment", &[Action::PaneEnvironment, Action::Detail], (100, 40)),
        ("who lacks its variables", &[Action::Down, Action::Down, Action::Down, Action::Missing], (100, 24)),
        ("differences", &[Action::PaneEnvironment, Action::Differences], (100, 20)),
    ] {
        let mut app = in_default(tutorial());
        select(&mut app, "cache");
        draw(&mut app, &look("dark", false), size);
        for action in actions {
            act(&mut app, &[*action]);
            draw(&mut app, &look("dark", false), size);
        }
        let _ = writeln!(out, "{name}\n{}", screen(&mut app, size));
    }
    insta::assert_snapshot!("overlays", out);
}

#[test]
fn pods_and_the_services_that_lead_to_them() {
    let mut app = in_default(tutorial());
    act(&mut app, &[Action::Pods, Action::Down]);
    let out = SIZES.map(|size| screen(&mut app, size)).join("\n");
    insta::assert_snapshot!("pods", out);
}

/// The looks of each row, a run a line.
fn styles(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in buffer.area().rows().map(|r| r.y) {
        let mut runs: Vec<(String, String)> = Vec::new();
        for x in 0..buffer.area().width {
            let cell = &buffer[(x, y)];
            let mut words: Vec<String> = Vec::new();
            if cell.fg != Color::Reset {
                words.push(cell.fg.to_string());
            }
            if cell.bg != Color::Reset {
                words.push(format!("on {}", cell.bg));
            }
            words.extend(cell.modifier.iter_names().map(|(name, _)| name.to_lowercase()));
            let look = words.join(" ");
            match runs.last_mut() {
                Some((last, text)) if *last == look => text.push_str(cell.symbol()),
                _ => runs.push((look, cell.symbol().to_owned())),
            }
        }
        for (look, text) in runs.iter().filter(|(look, text)| !look.is_empty() && !text.trim().is_empty()) {
            let _ = writeln!(out, "{y:2}  {:30} {}", look, text.trim());
        }
    }
    out
}

#[test]
fn looks() {
    let mut app = in_default(tutorial());
    act(&mut app, &[Action::Down, Action::Down, Action::Filter]);
    app.update(Message::Edit(Edit::Insert("c".into())));
    let mut out = String::new();
    for theme in ["dark", "mono"] {
        let _ = writeln!(out, "{theme}\n{}", styles(&draw(&mut app, &look(theme, false), (60, 12)).0));
    }
    insta::assert_snapshot!("styles", out);
}

/// States that differ in what is drawn.
fn states() -> Vec<App> {
    let worlds: [fn() -> App; 6] = [
        || in_default(tutorial()),
        || world::app(world::hostile(), NamespaceScope::All),
        || in_default(unjoined(&forbidden("pods"))),
        || in_default(without_services(failed())),
        || in_default(world::crowded(50)),
        world::connecting,
    ];
    let mut states = Vec::new();
    for make in worlds {
        for actions in [
            &[][..],
            &[Action::PaneEndpoints],
            &[Action::PaneDns, Action::Bottom],
            &[Action::PaneEnvironment, Action::Zoom, Action::Bottom],
            &[Action::Pods, Action::Wide],
            &[Action::Right, Action::Right, Action::Wide],
            &[Action::Help, Action::Bottom],
            &[Action::Palette],
            &[Action::Namespaces, Action::Toggle],
            &[Action::Viewpoint, Action::Bottom],
            &[Action::CopyMenu],
            &[Action::Detail, Action::Bottom],
            &[Action::Filter],
            &[Action::PaneEnvironment, Action::Detail, Action::Bottom],
            &[Action::PaneDns, Action::Detail],
            &[Action::PaneEnvironment, Action::Filter],
            &[Action::Missing],
            &[Action::Export],
            &[Action::ForwardChoose],
            &[Action::Sessions, Action::Down],
            &[Action::ProxyWide],
            &[Action::Doctor, Action::Bottom],
            &[Action::ResolveAny],
        ] {
            let mut app = make();
            app.update(Message::Forwards(Arc::new(sessions::hostile_forwards())));
            act(&mut app, actions);
            app.update(Message::Note("something happened that is worth a line".into()));
            if actions.contains(&Action::Filter) {
                app.update(Message::Edit(Edit::Insert("port:x 数据 👩\u{200d}💻".into())));
            }
            states.push(app);
        }
    }
    states
}

#[test]
fn no_size_is_too_small() {
    let look = look("dark", false);
    // Every third: thirteen states of each world, so that each kind of state is there with several worlds.
    for app in states().into_iter().step_by(3) {
        for width in 0..=20 {
            for height in 0..=10 {
                let area = Rect::new(0, 0, width, height);
                view(&app, &look, area, &mut Buffer::empty(area));
            }
        }
    }
}

#[test]
fn nothing_is_drawn_outside_and_nothing_unclean_inside() {
    let look = look("dark", false);
    let outer = Rect::new(0, 0, 140, 44);
    for app in &mut states() {
        for area in [Rect::new(3, 2, 60, 16), Rect::new(1, 1, 100, 30), Rect::new(2, 3, 130, 40)] {
            let mut buffer = Buffer::filled(outer, ratatui::buffer::Cell::new("#"));
            let drawn = view(app, &look, area, &mut buffer);
            for y in 0..outer.height {
                for x in 0..outer.width {
                    let symbol = buffer[(x, y)].symbol();
                    if area.contains(Position::new(x, y)) {
                        assert!(symbol.chars().all(kdisco::model::text::is_safe), "{symbol:?} at {x},{y}");
                        let end = x + symbol.cell_width().max(1);
                        assert!(end <= area.right(), "{symbol:?} at {x},{y} reaches over the edge");
                    } else {
                        assert_eq!(symbol, "#", "drawn at {x},{y}, outside {area}");
                    }
                }
            }
            for (region, target) in &drawn.regions {
                assert_eq!(region.intersection(area), *region, "{target:?} reaches outside");
            }
            assert!(drawn.cursor.is_none_or(|c| area.contains(c)));
        }
    }
}

#[test]
fn borders_stand_still_whatever_the_names_are() {
    let mut app = world::app(world::hostile(), NamespaceScope::All);
    let (buffer, _) = draw(&mut app, &look("dark", false), (100, 30));
    for y in 2..15 {
        for x in [0, 99] {
            let symbol = buffer[(x, y)].symbol();
            assert!(matches!(symbol, "│" | "┃" | "├" | "┤"), "{symbol:?} at {x},{y}");
        }
    }
}

#[test]
fn the_same_state_gives_the_same_cells() {
    for app in &states() {
        let area = Rect::new(0, 0, 130, 40);
        let mut first = Buffer::empty(area);
        let mut second = Buffer::filled(area, ratatui::buffer::Cell::new("数"));
        assert_eq!(
            view(app, &look("dark", false), area, &mut first),
            view(app, &look("dark", false), area, &mut second)
        );
        assert_eq!(first, second);
    }
}

#[test]
fn without_colours_there_are_none_and_nothing_is_lost() {
    for app in &mut states() {
        let (mono, _) = draw(app, &look("mono", false), (130, 40));
        for cell in &mono.content {
            assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
        }
        let (dark, _) = draw(app, &look("dark", false), (130, 40));
        assert_eq!(text(&mono), text(&dark), "colour does not decide what is said");
    }
    let mut app = in_default(tutorial());
    let (mono, _) = draw(&mut app, &look("mono", false), (130, 40));
    let row = (2..20).find(|y| mono[(2, *y)].symbol() == "▸" || mono[(1, *y)].symbol() == "▸").unwrap();
    assert!(mono[(10, row)].modifier.contains(Modifier::REVERSED), "the selection is seen without colour");
}

#[test]
fn ascii_is_ascii() {
    let look = look("mono", true);
    let mut apps = vec![in_default(without_services(Load::Loading(3))), in_default(unjoined(&failed()))];
    for actions in [
        &[][..],
        &[Action::Help],
        &[Action::Pods],
        &[Action::Detail],
        &[Action::Palette],
        &[Action::Viewpoint],
        &[Action::PaneEnvironment],
    ] {
        let mut app = in_default(tutorial());
        act(&mut app, actions);
        apps.push(app);
    }
    for app in &mut apps {
        for size in SIZES {
            let drawn = text(&draw(app, &look, size).0);
            let foreign: Vec<_> = drawn.chars().filter(|c| !c.is_ascii()).collect();
            assert!(foreign.is_empty(), "{foreign:?} in\n{drawn}");
        }
    }
}

#[test]
fn columns_stand_still_while_scrolling_and_filtering() {
    let mut app = world::app(world::huge(300), NamespaceScope::All);
    let heading = |app: &mut App| screen(app, (100, 30)).lines().nth(2).unwrap().to_owned();
    let first = heading(&mut app);
    assert!(first.contains("CLUSTER-IP"), "{first}");
    act(&mut app, &[Action::Bottom]);
    assert_eq!(heading(&mut app), first);
    act(&mut app, &[Action::Filter]);
    app.update(Message::Edit(Edit::Insert("00001".into())));
    assert_eq!(heading(&mut app), first);
}

#[test]
fn forbidden_names_what_is_missing_and_is_not_shown_as_empty() {
    let mut app = in_default(unjoined(&forbidden("endpointslices")));
    select(&mut app, "my-app");
    let drawn = screen(&mut app, (160, 48));
    assert!(drawn.contains("Not allowed: list endpointslices.discovery.k8s.io in namespace"), "{drawn}");
    assert!(drawn.contains("Not allowed: list pods in namespace default"), "{drawn}");
    assert!(!drawn.contains("0/0"), "unknown is not none:\n{drawn}");
}

#[test]
fn the_mouse_hits_what_is_seen() {
    let mut app = in_default(tutorial());
    select(&mut app, "my-app");
    let (buffer, drawn) = draw(&mut app, &look("dark", false), (160, 48));
    let at = |word: &str| {
        let drawn = text(&buffer);
        let (y, line) = drawn.lines().enumerate().find(|(_, l)| l.contains(word)).unwrap();
        let x = line.find(word).map(|i| line[..i].chars().count()).unwrap();
        Position::new(u16::try_from(x).unwrap(), u16::try_from(y).unwrap())
    };
    let hit = |word: &str| drawn.hit(at(word)).cloned();
    assert!(matches!(hit("mysql  "), Some(Target::Row(key)) if &*key.name == "mysql"));
    assert!(matches!(hit("CLUSTER-IP"), Some(Target::Heading(kdisco::app::Column::Address))));
    assert_eq!(hit("10.244.1.8"), Some(Target::PaneRow(Pane::Endpoints, 1)));
    assert_eq!(hit("? help"), Some(Target::Action(Action::Help)));
    assert_eq!(hit("prod-eu"), Some(Target::Action(Action::Contexts)));
    assert_eq!(hit("┬"), Some(Target::Split));
    // Where one pane shows at a time, its tabs can be pressed.
    let (buffer, drawn) = draw(&mut app, &look("dark", false), (60, 16));
    let line = text(&buffer).lines().nth(1).unwrap().to_owned();
    let x = line[..line.find("DNS").unwrap()].chars().count();
    assert_eq!(drawn.hit(Position::new(u16::try_from(x).unwrap(), 1)), Some(&Target::Pane(Pane::Dns)));
}

#[test]
fn a_page_scrolls_to_its_end_and_back_at_once() {
    let mut app = in_default(tutorial());
    act(&mut app, &[Action::Help]);
    let top = screen(&mut app, (80, 20));
    act(&mut app, &[Action::Bottom]);
    let bottom = screen(&mut app, (80, 20));
    assert!(bottom.contains("the selected row"), "{bottom}");
    act(&mut app, &[Action::Up]);
    assert_ne!(screen(&mut app, (80, 20)), bottom, "one step up from the end is seen");
    act(&mut app, &[Action::Top]);
    assert_eq!(screen(&mut app, (80, 20)), top);
}

#[test]
fn the_clock_ticks_only_while_something_ages() {
    let tick = |app: &mut App| draw(app, &look("dark", false), (160, 48)).1.next_tick;
    let mut app = in_default(tutorial());
    select(&mut app, "my-app");
    assert_eq!(tick(&mut app), Some(Duration::from_secs(1)), "one of its pods is four minutes old");
    select(&mut app, "docs");
    assert_eq!(tick(&mut app), Some(Duration::from_secs(60)));
    app.update(Message::Note("done".into()));
    assert_eq!(tick(&mut app), Some(Duration::from_secs(6)), "a notice goes by itself");
    assert!(app.notices.iter().all(|n| n.tone == Tone::Note));
    let mut old = world::huge(20);
    let fresh = ServiceFacts::new(
        Arc::new(world::service("team-00", "fresh", &["10.0.0.9"], &[], 9 * MINUTE)),
        vec![],
    );
    let mut services = old.services.to_vec();
    services.insert(0, Arc::new(fresh));
    old.services = Arc::new(services);
    let mut app = world::app(old, NamespaceScope::All);
    assert_eq!(tick(&mut app), Some(Duration::from_secs(1)));
    assert_eq!(tick(&mut world::connecting()), None);
}

#[test]
fn what_is_typed_is_seen_with_the_cursor_behind_it() {
    let mut app = in_default(tutorial());
    act(&mut app, &[Action::Filter]);
    assert_eq!(app.mode(), Mode::Input);
    app.update(Message::Edit(Edit::Insert("数据".into())));
    let (buffer, drawn) = draw(&mut app, &look("dark", false), (60, 16));
    assert_eq!(drawn.cursor, Some(Position::new(6, 15)));
    assert!(text(&buffer).lines().last().unwrap().starts_with(" /数据"));
    app.update(Message::Edit(Edit::Insert("x".repeat(200))));
    let (_, drawn) = draw(&mut app, &look("dark", false), (60, 16));
    assert!(drawn.cursor.unwrap().x < 60);
}

#[test]
fn the_top_line_says_how_fresh_and_from_where() {
    let top = |app: &mut App| screen(app, (160, 48)).lines().next().unwrap().to_owned();
    let mut app = in_default(tutorial());
    select(&mut app, "mysql");
    assert!(top(&mut app).ends_with("seen from mysql-0 / main"));
    app.viewpoint = Viewpoint::Laptop;
    assert!(top(&mut app).ends_with("seen from this computer"));
    let stale = Load::Stale { since: ago(12), why: "connection reset".into() };
    let mut app = in_default(world::with_load(tutorial(), Kind::Service, None, stale));
    assert!(top(&mut app).contains("◐ stale for 12s: connection reset"));
    let mut app = in_default(tutorial());
    let insecure = kdisco::app::Identity { insecure: true, ..world::identity() };
    app.update(Message::Connected { epoch: 1, identity: insecure, scope: NamespaceScope::one("default") });
    assert!(top(&mut app).contains(" insecure TLS "));
    let saved = kdisco::app::Identity { file: Some("cluster.json".into()), ..world::identity() };
    app.update(Message::Connected { epoch: 1, identity: saved, scope: NamespaceScope::All });
    assert!(
        top(&mut app).contains("file cluster.json › all namespaces  ○ saved, not live"),
        "{}",
        top(&mut app)
    );
}
