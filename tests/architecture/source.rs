//! A look at Rust source that is enough to see which paths it names: comments, literals and test code taken out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One source file of the library.
pub(crate) struct SourceFile {
    /// Path from the repository's root.
    pub(crate) path: PathBuf,
    /// Its modules from the crate's root (`["model", "env"]`); empty for `lib.rs` and `main.rs`.
    pub(crate) modules: Vec<String>,
    /// The text; what is no code or only for tests is blanked, lines stay where they are.
    pub(crate) code: String,
}

/// A path that a file names: `crate::model` or `serde`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// The first name behind `crate::`, or the name of a crate.
    pub(crate) name: String,
    /// Whether it is one of ours.
    pub(crate) ours: bool,
    /// Line, from 1.
    pub(crate) line: usize,
}

/// All files of `src`, sorted by path, those that are compiled for tests alone left out.
pub(crate) fn sources(root: &Path) -> Vec<SourceFile> {
    let mut paths = Vec::new();
    walk(&root.join("src"), &mut paths);
    let mut files: Vec<(SourceFile, BTreeSet<String>)> = paths
        .into_iter()
        .map(|full| {
            let text = std::fs::read_to_string(&full).unwrap();
            let (code, test_modules) = without_tests(&blanked(&text));
            let path = full.strip_prefix(root).unwrap().to_owned();
            let modules = modules(&path);
            (SourceFile { path, modules, code }, test_modules)
        })
        .collect();
    let tests: BTreeSet<String> = files
        .iter()
        .flat_map(|(file, names)| names.iter().map(|n| [file.modules.join("::"), n.clone()].join("::")))
        .collect();
    files
        .retain(|(file, _)| (1..=file.modules.len()).all(|n| !tests.contains(&file.modules[..n].join("::"))));
    files.into_iter().map(|(file, _)| file).collect()
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn modules(path: &Path) -> Vec<String> {
    let without = path.with_extension("");
    let names: Vec<String> = without.iter().skip(1).map(|n| n.to_str().unwrap().to_owned()).collect();
    if names == ["lib"] || names == ["main"] { vec![] } else { names }
}

/// The text with comments, strings and characters made blank.
pub(crate) fn blanked(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let (mut code, mut i) = (String::with_capacity(text.len()), 0);
    let at = |i: usize| characters.get(i).copied().unwrap_or('\0');
    while i < characters.len() {
        let end = match (at(i), at(i + 1)) {
            ('/', '/') => (i..characters.len()).find(|j| at(*j) == '\n').unwrap_or(characters.len()),
            ('/', '*') => end_of_comment(&characters, i),
            ('"', _) => end_of_string(&characters, i),
            ('r', '"' | '#') if !is_word(at(i.wrapping_sub(1))) || at(i.wrapping_sub(1)) == 'b' => {
                end_of_raw(&characters, i).unwrap_or(i)
            }
            // A character; else a lifetime.
            ('\'', '\\') => (i + 3..characters.len()).find(|j| at(*j) == '\'').map_or(i, |j| j + 1),
            ('\'', _) if at(i + 2) == '\'' => i + 3,
            _ => i,
        };
        if end == i {
            code.push(at(i));
            i += 1;
        }
        for j in i..end {
            code.push(if at(j) == '\n' { '\n' } else { ' ' });
        }
        i = i.max(end);
    }
    code
}

fn end_of_comment(characters: &[char], start: usize) -> usize {
    let (mut depth, mut i) = (0, start);
    while i + 1 < characters.len() {
        match (characters[i], characters[i + 1]) {
            ('/', '*') => (depth, i) = (depth + 1, i + 2),
            ('*', '/') => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return i;
        }
    }
    characters.len()
}

fn end_of_string(characters: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < characters.len() {
        match characters[i] {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    characters.len()
}

fn end_of_raw(characters: &[char], start: usize) -> Option<usize> {
    let hashes = characters[start + 1..].iter().take_while(|c| **c == '#').count();
    let open = start + 1 + hashes;
    (characters.get(open) == Some(&'"')).then_some(())?;
    let closes = |j: &usize| {
        characters[*j] == '"' && characters[j + 1..].iter().take_while(|c| **c == '#').count() >= hashes
    };
    Some((open + 1..characters.len()).find(closes).map_or(characters.len(), |j| j + 1 + hashes))
}

/// Blanks what stands under `#[cfg(test)]`, and names the modules that are files of their own.
fn without_tests(code: &str) -> (String, BTreeSet<String>) {
    const MARK: &str = "#[cfg(test)]";
    let (mut code, mut files, mut from) = (code.to_owned(), BTreeSet::new(), 0);
    while let Some(start) = code[from..].find(MARK).map(|i| i + from) {
        let rest = &code[start + MARK.len()..];
        let end_of_item = rest.find([';', '{']).map(|i| start + MARK.len() + i);
        let Some(stop) = end_of_item else { break };
        let head = code[start + MARK.len()..stop].trim().to_owned();
        let end = if code[stop..].starts_with('{') { end_of_block(&code, stop) } else { stop + 1 };
        if let Some(name) = head.rsplit_once("mod ").map(|(_, n)| n)
            && code[stop..].starts_with(';')
        {
            files.insert(name.trim().to_owned());
        }
        let blank: String = code[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        code.replace_range(start..end, &blank);
        from = start;
    }
    (code, files)
}

fn end_of_block(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (i, c) in code[open..].char_indices() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if depth == 0 {
            return open + i + 1;
        }
    }
    code.len()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

impl SourceFile {
    /// Every module of ours outside this file's own top-level module, and every crate of `crates`, that it names.
    pub(crate) fn named(&self, crates: &BTreeSet<String>) -> Vec<Named> {
        let mut found = Vec::new();
        for (start, word) in words(&self.code) {
            let before = self.code[..start].trim_end();
            let after = self.code[start + word.len()..].trim_start();
            let continues = before.ends_with("::") || before.ends_with('.');
            if continues || !after.starts_with("::") {
                continue;
            }
            let line = self.code[..start].matches('\n').count() + 1;
            let path = self.code[start..].chars().filter(|c| !c.is_whitespace()).collect::<String>();
            let rest = match word {
                "crate" => path.strip_prefix("crate::"),
                "super" => self.out_of_the_crate_root(&path),
                _ => None,
            };
            if let Some(rest) = rest {
                found.extend(first_names(rest).into_iter().map(|name| Named { name, ours: true, line }));
            } else if crates.contains(word) && !self.modules.iter().any(|m| m == word) {
                found.push(Named { name: word.to_owned(), ours: false, line });
            }
        }
        let own = self.modules.first();
        found.retain(|n| !n.ours || Some(&n.name) != own);
        found
    }

    /// Lines where a word of the language or a path of the standard library stands, however it was imported.
    pub(crate) fn lines_with(&self, word: &str) -> Vec<usize> {
        let last = word.rsplit("::").next().unwrap_or(word);
        let whole = |(start, found): &(usize, &str)| {
            let path = word.strip_suffix(last).unwrap_or_default();
            *found == last && self.code[..*start].ends_with(path)
        };
        let line = |(start, _): (usize, &str)| self.code[..start].matches('\n').count() + 1;
        let direct = words(&self.code).filter(whole).map(line);
        // `use std::{fs, time}`.
        let grouped = word.strip_prefix("std::").into_iter().flat_map(|name| {
            self.code.match_indices("std::{").filter(move |(start, _)| {
                let group = &self.code[start + 5..];
                first_names(&group.chars().filter(|c| !c.is_whitespace()).collect::<String>())
                    .iter()
                    .any(|n| n == name)
            })
        });
        direct.chain(grouped.map(|(start, _)| self.code[..start].matches('\n').count() + 1)).collect()
    }

    /// What follows as many `super::` as lead to the crate's root; `None` where they lead to less.
    fn out_of_the_crate_root<'a>(&self, path: &'a str) -> Option<&'a str> {
        let mut rest = path;
        let mut ups = 0;
        while let Some(next) = rest.strip_prefix("super::") {
            (rest, ups) = (next, ups + 1);
        }
        // Inline modules are few and none of them climbs further than the file.
        (ups >= self.modules.len()).then_some(rest)
    }
}

/// The words of the code and where each begins.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + code[from..].find(is_word)?;
        let length = code[start..].find(|c| !is_word(c)).unwrap_or(code.len() - start);
        from = start + length;
        Some((start, &code[start..from]))
    })
}

/// `a` of `a::b`, and `a`, `c` of `{a::b, c}`.
fn first_names(path: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| is_word(*c)).collect::<String>();
    if !path.starts_with('{') {
        return vec![word(path)];
    }
    let inner = &path[1..end_of_block(path, 0) - 1];
    let (mut depth, mut names, mut start) = (0, Vec::new(), 0);
    for (i, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if c == ',' && depth == 0 {
            names.push(word(&inner[start..i]));
            start = i + 1;
        }
    }
    names.retain(|n| !n.is_empty());
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(modules: &[&str], text: &str) -> SourceFile {
        let (code, _) = without_tests(&blanked(text));
        let modules = modules.iter().map(|m| (*m).to_owned()).collect();
        SourceFile { path: PathBuf::new(), modules, code }
    }

    fn named(modules: &[&str], text: &str) -> Vec<String> {
        let crates = BTreeSet::from(["serde".to_owned(), "tokio".to_owned()]);
        file(modules, text).named(&crates).into_iter().map(|n| format!("{}:{}", n.line, n.name)).collect()
    }

    #[test]
    fn comments_strings_and_characters_name_nothing() {
        let text = "// crate::ui\n/* /* tokio::x */ crate::a */ let s = \"crate::ui \\\" tokio::\"; let r = r#\"tokio::\"x\"#;\nlet c = '\"'; tokio::spawn();";
        assert_eq!(named(&["model"], text), ["3:tokio"]);
        assert_eq!(named(&["model"], "fn f<'a>(x: &'a str) { tokio::x(x, '\\'') }"), ["1:tokio"]);
    }

    #[test]
    fn every_way_out_of_a_module_is_seen() {
        assert_eq!(
            named(&["app", "keys"], "use crate::{model::{A, b}, ui};\nuse super::super::wire::X;"),
            ["1:model", "1:ui", "2:wire"]
        );
        assert_eq!(named(&["app", "keys"], "use super::state::X; use crate::app::Y; self::z();"), [""; 0]);
        assert_eq!(named(&["app"], "let x = crate::cluster::f(a.serde::<T>());"), ["1:cluster"]);
        assert_eq!(named(&["app"], "use ::tokio::net; use serde::Serialize; mod tokio_ish;"), ["1:serde"]);
    }

    #[test]
    fn parts_of_the_standard_library_are_seen() {
        let lines = |text: &str, word: &str| file(&["app"], text).lines_with(word);
        assert_eq!(lines("use std::fs;\nuse std::{net, fs::File};\nlet fs = 1;", "std::fs"), [1, 2]);
        assert_eq!(lines("use jiff::Timestamp;\nTimestamp::now();\nasync fn f() {}", "Timestamp::now"), [2]);
        assert_eq!(lines("a\nasync fn f() { asynchronous }", "async"), [2]);
    }

    #[test]
    fn test_code_is_left_out() {
        let text = "a();\n#[cfg(test)]\nmod tests {\n use tokio::x; fn f() { {} }\n}\nserde::x();";
        assert_eq!(named(&["app"], text), ["6:serde"]);
    }
}
