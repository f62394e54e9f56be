//! Who may use whom. The table is that of `ARCHITECTURE.md`; what is not in it is forbidden.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "architecture/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use source::{SourceFile, sources};

/// What one module may use.
struct Rule {
    module: &'static str,
    ours: &'static [&'static str],
    outside: &'static [&'static str],
    /// Words of the standard library and of the language that it may not use.
    never: &'static [&'static str],
}

/// Nothing that reads, waits, asks, or looks at a clock.
const PURE: &[&str] = &[
    "std::fs",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "Instant",
    "SystemTime",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "Timestamp::now",
    "Zoned::now",
    "async",
    "await",
];

/// The same for codecs; `std::io`'s traits over memory are how a compressor is spoken to.
const CODEC: &[&str] = &[
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "Instant",
    "SystemTime",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "Timestamp::now",
    "async",
    "await",
];

const RULES: &[Rule] = &[
    Rule { module: "model", ours: &[], outside: &["serde", "thiserror", "jiff"], never: PURE },
    Rule {
        module: "app",
        ours: &["model"],
        outside: &["jiff", "nucleo_matcher", "thiserror", "unicode_width", "unicode_segmentation"],
        never: PURE,
    },
    Rule {
        module: "config",
        ours: &["model", "app"],
        outside: &["serde", "thiserror", "toml", "crossterm", "ratatui", "etcetera"],
        never: &["TcpStream", "TcpListener", "UdpSocket", "async", "await", "Instant", "SystemTime"],
    },
    Rule {
        module: "ui",
        ours: &["app", "model", "config"],
        outside: &["ratatui", "unicode_width", "unicode_segmentation"],
        never: PURE,
    },
    Rule {
        module: "wire",
        ours: &[],
        outside: &["bytes", "flate2", "serde", "serde_json", "thiserror"],
        never: CODEC,
    },
    Rule {
        module: "cluster",
        ours: &["model", "wire"],
        outside: &[
            "base64",
            "bytes",
            "futures_util",
            "http",
            "http_body_util",
            "hyper",
            "hyper_rustls",
            "hyper_util",
            "jiff",
            "kube",
            "prost",
            "rustix",
            "rustls",
            "serde",
            "serde_json",
            "serde_saphyr",
            "thiserror",
            "tokio",
            "tokio_tungstenite",
            "tower",
            "tracing",
        ],
        never: &[],
    },
    Rule {
        module: "dns",
        ours: &["model", "wire"],
        outside: &[
            "bytes",
            "futures_util",
            "hickory_proto",
            "jiff",
            "serde",
            "thiserror",
            "tokio",
            "tracing",
        ],
        never: &[],
    },
    Rule {
        module: "session",
        ours: &["model", "wire"],
        outside: &[
            "base64",
            "bytes",
            "futures_util",
            "http",
            "http_body_util",
            "httpdate",
            "hyper",
            "hyper_util",
            "jiff",
            "kube",
            "regex",
            "rustix",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
            "tokio_tungstenite",
            "toml",
            "tower",
            "tracing",
        ],
        never: &[],
    },
    Rule {
        module: "runtime",
        ours: &["model", "app", "config", "ui", "wire", "cluster", "dns", "session"],
        outside: &[
            "arboard",
            "base64",
            "crossterm",
            "futures_util",
            "jiff",
            "open",
            "ratatui",
            "tokio",
            "tracing",
        ],
        never: &[],
    },
    // What the demo answers is written down: if it used what computes predictions, they would prove nothing.
    Rule {
        module: "demo",
        ours: &["wire"],
        outside: &[
            "base64",
            "bytes",
            "futures_util",
            "hickory_proto",
            "http",
            "http_body_util",
            "hyper",
            "hyper_util",
            "jiff",
            "serde",
            "serde_json",
            "serde_saphyr",
            "tokio",
            "tokio_tungstenite",
            "toml",
        ],
        never: &[],
    },
    Rule {
        module: "cli",
        ours: &["model", "app", "config", "ui", "wire", "cluster", "dns", "session", "runtime", "demo"],
        outside: &[
            "clap",
            "clap_complete",
            "clap_mangen",
            "futures_util",
            "jiff",
            "serde",
            "serde_json",
            "serde_saphyr",
            "tokio",
            "toml",
            "tracing",
            "tracing_subscriber",
            "unicode_width",
        ],
        never: &[],
    },
    // `main.rs` and `lib.rs`.
    Rule { module: "", ours: &[], outside: &[], never: &["std::fs", "std::env", "async", "await"] },
];

#[test]
fn modules_use_only_what_the_table_lets_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = dependencies(root);
    let mut wrong = String::new();
    for file in sources(root) {
        let module = file.modules.first().map_or("", String::as_str);
        let Some(rule) = RULES.iter().find(|r| r.module == module) else {
            let _ = writeln!(wrong, "{}: the table has no module {module}", file.path.display());
            continue;
        };
        check(&file, rule, &crates, &mut wrong);
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

fn check(file: &SourceFile, rule: &Rule, crates: &BTreeSet<String>, wrong: &mut String) {
    let at = |line: usize| format!("{}:{line}", file.path.display());
    for named in file.named(crates) {
        let (may, prefix) = if named.ours { (rule.ours, "crate::") } else { (rule.outside, "") };
        if !may.contains(&named.name.as_str()) {
            let _ = writeln!(wrong, "{}: {} may not use {prefix}{}", at(named.line), rule.module, named.name);
        }
    }
    for word in rule.never {
        for line in file.lines_with(word) {
            let _ = writeln!(wrong, "{}: {} may not use {word}", at(line), rule.module);
        }
    }
}

/// A table that speaks of what is gone would let it come back unseen.
#[test]
fn the_table_speaks_of_modules_and_crates_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (crates, files) = (dependencies(root), sources(root));
    for rule in RULES {
        let there =
            |module: &str| files.iter().any(|f| f.modules.first().map_or("", String::as_str) == module);
        assert!(there(rule.module), "no module {}", rule.module);
        assert!(rule.ours.iter().all(|m| there(m)), "{}", rule.module);
        for name in rule.outside {
            assert!(crates.contains(*name), "{}: no dependency {name}", rule.module);
        }
    }
}

/// The crates of Cargo.toml as code names them.
fn dependencies(root: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let of = |table: &str| {
        manifest[table].as_table().unwrap().keys().map(|k| k.replace('-', "_")).collect::<Vec<_>>()
    };
    of("dependencies").into_iter().chain(of("dev-dependencies")).collect()
}
