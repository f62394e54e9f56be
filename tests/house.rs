//! The house rules that a machine can check.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

use kdisco::cli::report::keys::markdown;
use kdisco::config::Keymap;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of the repository: those that git knows, or without git all but build products.
fn files() -> Vec<PathBuf> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    if let Ok(output) = listed
        && output.status.success()
        && !output.stdout.is_empty()
    {
        let names = String::from_utf8(output.stdout).unwrap();
        return names.split('\0').filter(|n| !n.is_empty()).map(|n| root().join(n)).collect();
    }
    let mut found = Vec::new();
    walk(root(), &mut found);
    found
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.file_name().and_then(|n| n.to_str()) {
            Some("target" | ".git") => {}
            _ if path.is_dir() => walk(&path, found),
            _ => found.push(path),
        }
    }
}

/// Text files with their names from the root.
fn texts() -> Vec<(String, String)> {
    let name = |path: &Path| path.strip_prefix(root()).unwrap().display().to_string();
    // Files that are deleted but not committed yet are no matter.
    files().into_iter().filter_map(|path| Some((name(&path), std::fs::read_to_string(&path).ok()?))).collect()
}

fn rust_files() -> Vec<(String, String)> {
    let mut files = texts();
    files.retain(|(name, _)| Path::new(name).extension().is_some_and(|e| e == "rs"));
    assert!(files.len() > 50, "found {} Rust files", files.len());
    files
}

/// What is wrong, a line each; the test fails if there is any.
fn none(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn the_keys_of_the_readme_are_those_of_keys_toml() {
    const MARKS: (&str, &str) = ("<!-- keys -->\n", "<!-- /keys -->");
    let path = root().join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(MARKS.0).expect("README.md has no <!-- keys --> mark");
    let (table, after) = rest.split_once(MARKS.1).expect("README.md has no <!-- /keys --> mark");
    let wanted = format!("\n{}\n", markdown(&Keymap::default()));
    if std::env::var_os("KDISCO_UPDATE_README").is_some() {
        std::fs::write(&path, [before, MARKS.0, &wanted, MARKS.1, after].concat()).unwrap();
        return;
    }
    assert!(table == wanted, "the key table of README.md is out of date: run `just readme-keys`");
}

#[test]
fn no_file_speaks_of_the_machine_that_it_was_written_on() {
    // Put together here so that this file is none of them.
    let paths = ["work", "root", "tmp"].map(|d| format!("/{d}/"));
    let mut found = Vec::new();
    for (name, text) in texts() {
        for (number, line) in text.lines().enumerate() {
            if paths.iter().any(|p| at_a_boundary(line, p)) {
                found.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    none(&found);
}

/// Whether a line has an absolute path that begins so, and not as a part of a longer one or of a URL.
fn at_a_boundary(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || "._-/~$}".contains(c))
    })
}

#[test]
fn every_exception_from_a_lint_says_why() {
    let mut found = Vec::new();
    for (name, text) in rust_files() {
        for mark in ["#[expect(", "#![expect("] {
            for (at, _) in text.match_indices(mark).filter(|(at, _)| begins_its_line(&text, *at)) {
                let end = text[at..].find(")]").map_or(text.len(), |i| at + i);
                if !text[at..end].contains("reason = \"") {
                    found.push(format!("{name}:{}: an expect without a reason", line_of(&text, at)));
                }
            }
        }
        for mark in ["#[allow(", "#![allow("] {
            for (at, _) in text.match_indices(mark).filter(|(at, _)| begins_its_line(&text, *at)) {
                let end = text[at..].find(")]").map_or(text.len(), |i| at + i);
                // Shared by several test programs, of which some use all of it: expect would be wrong in those.
                let shared = name.starts_with("tests/") && name.matches('/').count() > 1;
                if !shared || !text[at..end].contains("reason = \"") {
                    found.push(format!("{name}:{}: allow instead of expect", line_of(&text, at)));
                }
            }
        }
    }
    none(&found);
}

fn begins_its_line(text: &str, at: usize) -> bool {
    text[..at].rsplit('\n').next().is_some_and(|before| before.trim().is_empty())
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

#[test]
fn files_can_be_held_in_the_head() {
    // A file of tests is a list of cases that nobody reads as a whole.
    let most = |name: &str| if name.ends_with("tests.rs") { 1000 } else { 700 };
    let long = rust_files().into_iter().filter_map(|(name, text)| {
        let (lines, most) = (text.lines().count(), most(&name));
        (lines >= most).then(|| format!("{name}: {lines} lines, {most} are too many"))
    });
    none(&long.collect::<Vec<_>>());
}

#[test]
fn modules_are_files_of_their_own_name_and_say_what_they_are() {
    let mut found = Vec::new();
    for (name, text) in rust_files() {
        if name.ends_with("/mod.rs") {
            found.push(format!("{name}: foo.rs beside foo/ is the style here"));
        }
        let is_test = name.ends_with("tests.rs") || name.starts_with("src/") && name.contains("/tests/");
        if name.starts_with("src/") && !is_test && !text.starts_with("//! ") {
            found.push(format!("{name}: has no header"));
        }
    }
    none(&found);
}

/// SECURITY.md names the test that holds each promise; a promise whose test is gone is none.
#[test]
fn each_promise_of_security_names_tests_that_there_are() {
    let text = std::fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let (mut wrong, mut promises) = (Vec::new(), 0);
    for row in text.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| promise")) {
        promises += 1;
        let held = row.split('|').nth(2).unwrap_or_default();
        let tests: Vec<_> = held.split('·').map(|t| t.trim().trim_matches('`')).collect();
        for test in tests {
            let Some((file, name)) = test.split_once(": ") else {
                wrong.push(format!("no test is named in: {row}"));
                continue;
            };
            let source = std::fs::read_to_string(root().join(file)).unwrap_or_default();
            if !source.contains(&format!("fn {name}(")) {
                wrong.push(format!("{file} has no test {name}"));
            }
        }
    }
    assert!(promises > 10, "SECURITY.md has {promises} promises");
    none(&wrong);
}

#[test]
fn unsafe_code_is_forbidden() {
    let manifest: toml::Table = std::fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    assert_eq!(manifest["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
}

#[test]
fn every_code_of_a_finding_is_documented() {
    // Kebab-case words that are no codes: names of objects, options and the like.
    const OTHERS: [&str; 16] = [
        "kube-system",
        "kube-dns",
        "node-local-dns",
        "pod-template-hash",
        "kubelet-config",
        "kubeadm-config",
        "dns-tcp",
        "dns-tcp-local",
        "openshift-dns",
        "dns-version",
        "in-addr",
        "next-start",
        "kubectl-edit",
        "ephemeral-storage",
        "kebab-case",
        "single-request",
    ];
    let documented = std::fs::read_to_string(root().join("docs/json.md")).unwrap();
    let places = ["src/model/diagnose", "src/model/doctor", "src/model/env", "src/model/dns"];
    let mut found = Vec::new();
    for (name, text) in rust_files() {
        if !places.iter().any(|place| name.starts_with(place)) || name.contains("/tests") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap();
        for word in code.split('"').skip(1).step_by(2) {
            let kebab = word.contains('-')
                && word.split('-').all(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase()));
            if kebab && !OTHERS.contains(&word) && !documented.contains(&format!("| `{word}` |")) {
                found.push(format!("{name}: {word} is not in docs/json.md"));
            }
        }
    }
    none(&found);
}
