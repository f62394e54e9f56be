use super::*;

fn parse(text: &str) -> Result<Theme, Complaint> {
    Theme::parse("mine", Source { file: "mine.toml", text })
}

#[test]
fn every_built_in_theme_is_read_and_names_every_role() {
    for (name, text) in BUILT_IN {
        let theme = Theme::parse(name, Source { file: name, text }).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(theme.name(), name);
        for role in Role::ALL {
            assert!(text.contains(&format!("\n{} = ", role.name())), "{name} leaves {} out", role.name());
        }
    }
}

#[test]
fn a_style_is_read_word_by_word() {
    let paint = Paint::parse("bold #0a141e on bright-blue underline").unwrap();
    assert_eq!(paint.foreground, Some(Colour::Rgb(10, 20, 30)));
    assert_eq!(paint.background, Some(Colour::Ansi(12)));
    assert!(paint.has(Emphasis::Bold) && paint.has(Emphasis::Underline) && !paint.has(Emphasis::Reverse));
    assert_eq!(Paint::parse("214 on default").unwrap().foreground, Some(Colour::Indexed(214)));
    assert_eq!(Paint::parse("").unwrap(), Paint::default());
    for wrong in ["#12345", "#+12345", "256", "rosa", "red green", "red on", "red on bold"] {
        Paint::parse(wrong).expect_err(wrong);
    }
}

#[test]
fn a_users_theme_starts_from_its_base() {
    let theme = parse("base = \"light\"\n[roles]\nok = \"green\"\n").unwrap();
    let light = Theme::built_in("light").unwrap();
    assert_eq!(theme.paint(Role::Ok).foreground, Some(Colour::Ansi(2)));
    assert_eq!(theme.paint(Role::Bad), light.paint(Role::Bad));
    // Where the base stands does not matter, and without one the terminal's own look is used.
    assert_eq!(parse("[roles]\nok = \"2\"").unwrap().paint(Role::Bad), Paint::default());
}

#[test]
fn an_error_says_line_and_role() {
    for (text, line, place, part) in [
        ("[roles]\nok = \"green\"\nbad = \"rosa\"\n", 3, "[roles] bad", "\"rosa\" is neither a colour"),
        ("[roles]\n\nselektion = \"green\"\n", 3, "[roles] selektion", "no such role; \"selection\" is one"),
        ("[roles]\nthe-rows = \"green\"\n", 2, "[roles] the-rows", "no such role: text, dim"),
        ("[roles]\nok = 3\n", 2, "[roles] ok", "a text is expected"),
        ("base = \"dusk\"\n", 1, "base", "no built-in theme \"dusk\": dark, light"),
        ("colour = \"red\"\n", 1, "colour", "is not expected here"),
        ("[roles]\nok = \"green\nbad = \"red\"\n", 2, "", ""),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!((error.line, error.place.as_str()), (line, place), "{error}");
        assert!(error.message.contains(part), "{error}");
    }
    let error = parse("[roles]\nbad = \"red on\"\n").unwrap_err();
    assert_eq!(error.to_string(), "mine.toml:2:7: [roles] bad: no colour after \"on\"");
}

#[test]
fn without_colours_there_is_none() {
    let theme = Theme::without_colours();
    for role in Role::ALL {
        let paint = theme.paint(*role);
        assert_eq!((paint.foreground, paint.background), (None, None), "{}", role.name());
    }
    // What is selected and what has the focus has to be seen without colour as well.
    assert!(theme.paint(Role::Selection).has(Emphasis::Reverse));
    assert_ne!(theme.paint(Role::TitleFocused), theme.paint(Role::Title));
}

#[test]
fn ansi16_asks_for_nothing_else() {
    let theme = Theme::built_in("ansi16").unwrap();
    for role in Role::ALL {
        let paint = theme.paint(*role);
        for colour in [paint.foreground, paint.background].into_iter().flatten() {
            assert!(matches!(colour, Colour::Ansi(_) | Colour::Default), "{}", role.name());
        }
    }
}

/// Contrast as WCAG 2.1 defines it.
fn contrast(a: (u8, u8, u8), b: (u8, u8, u8)) -> f64 {
    let luminance = |(r, g, b): (u8, u8, u8)| {
        let channel = |c: u8| {
            let c = f64::from(c) / 255.0;
            if c <= 0.039_28 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b)
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn the_colours_can_be_read() {
    const BLACK: (u8, u8, u8) = (0, 0, 0);
    const WHITE: (u8, u8, u8) = (255, 255, 255);
    for (name, on_black, on_white) in [("dark", 4.5, 2.7), ("light", 2.6, 4.5), ("high-contrast", 7.0, 1.0)] {
        let theme = Theme::built_in(name).unwrap();
        for role in Role::ALL {
            let paint = theme.paint(*role);
            let Some(Colour::Rgb(r, g, b)) = paint.foreground else { continue };
            if let Some(Colour::Rgb(br, bg, bb)) = paint.background {
                let ratio = contrast((r, g, b), (br, bg, bb));
                assert!(ratio >= 4.5, "{name}: {} has {ratio:.1} on its own background", role.name());
            } else if *role != Role::Border {
                let (black, white) = (contrast((r, g, b), BLACK), contrast((r, g, b), WHITE));
                assert!(black >= on_black, "{name}: {} has {black:.1} on black", role.name());
                assert!(white >= on_white, "{name}: {} has {white:.1} on white", role.name());
            }
        }
    }
}
