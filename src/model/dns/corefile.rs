//! The syntax of a Corefile: server blocks, directives, snippets and imports.
//!
//! What it is not: what the directives mean is in [`server`](super::server). It never fails: what it can't read is
//! told in [`Corefile::oddities`]. Everybody may use it.
//!
//! Source: coredns/caddy `caddyfile` (lexer, parser), CoreDNS manual "Configuration".

use std::collections::BTreeMap;

/// A Corefile as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corefile {
    /// Server blocks in order.
    pub blocks: Vec<ServerBlock>,
    /// What could not be read or found, one sentence each.
    pub oddities: Vec<String>,
}

/// One server block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerBlock {
    /// Zones with scheme and port as written (`.:53`, `dns://cluster.local`).
    pub keys: Vec<String>,
    /// Directives in the order of the file, which is not the order they act in.
    pub directives: Vec<Directive>,
}

impl ServerBlock {
    /// All directives of that name.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Directive> {
        self.directives.iter().filter(move |d| d.name == name)
    }
}

/// One directive: a plugin with its arguments and options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directive {
    /// Plugin name.
    pub name: String,
    /// Arguments on its own line.
    pub args: Vec<String>,
    /// The lines of its block; empty without one.
    pub lines: Vec<Vec<String>>,
}

impl Directive {
    /// The arguments of the first option of that name.
    pub fn option(&self, name: &str) -> Option<&[String]> {
        self.lines.iter().find(|l| l[0] == name).map(|l| &l[1..])
    }
}

type Lines = Vec<Vec<String>>;

/// How deep imports may nest; a snippet that imports itself ends here.
const DEPTH: usize = 8;

impl Corefile {
    /// Reads a Corefile that imports no files.
    pub fn parse(text: &str) -> Self {
        Self::parse_with(text, &|_| None)
    }

    /// Reads a Corefile; `file` gives the text behind the path (or glob) of an `import`.
    pub fn parse_with(text: &str, file: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut reader = Reader { file, snippets: BTreeMap::new(), out: Self::default() };
        reader.top_level(lines_of(text), 0);
        reader.out
    }
}

/// Splits text into lines of tokens: white space separates, `"` quotes (over line ends too), `#` begins a comment.
fn lines_of(text: &str) -> Lines {
    let (mut lines, mut line, mut token) = (Vec::new(), Vec::new(), None::<String>);
    let (mut quoted, mut comment) = (false, false);
    let mut chars = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                token.get_or_insert_default().push('"');
            }
            '"' if quoted => {
                quoted = false;
                line.extend(token.take());
            }
            _ if quoted => token.get_or_insert_default().push(c),
            '\n' => {
                comment = false;
                line.extend(token.take());
                if !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                }
            }
            _ if comment => {}
            _ if c.is_whitespace() => line.extend(token.take()),
            '#' => comment = true,
            '"' if token.is_none() => {
                quoted = true;
                token = Some(String::new());
            }
            _ => token.get_or_insert_default().push(c),
        }
    }
    line.extend(token);
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

struct Reader<'a> {
    file: &'a dyn Fn(&str) -> Option<String>,
    snippets: BTreeMap<String, Lines>,
    out: Corefile,
}

impl Reader<'_> {
    fn top_level(&mut self, lines: Lines, depth: usize) {
        let mut lines = lines.into_iter();
        while let Some(mut keys) = lines.next() {
            if keys[0] == "import" {
                let more = self.imported(&keys, depth);
                self.top_level(more, depth + 1);
                continue;
            }
            while keys.last().is_some_and(|k| k.ends_with(',')) {
                let Some(more) = lines.next() else { break };
                keys.extend(more);
            }
            let braced = keys.last().is_some_and(|k| k == "{");
            if braced {
                keys.pop();
            }
            let body = if braced { self.block(&mut lines) } else { lines.by_ref().collect() };
            match keys.as_slice() {
                [one] if one.len() > 2 && one.starts_with('(') && one.ends_with(')') => {
                    self.snippets.insert(one[1..one.len() - 1].to_owned(), body);
                }
                _ => {
                    let keys = keys.iter().flat_map(|k| k.split(',')).filter(|k| !k.is_empty());
                    let keys = keys.map(str::to_owned).collect();
                    let mut directives = Vec::new();
                    self.directives(body, &mut directives, depth);
                    self.out.blocks.push(ServerBlock { keys, directives });
                }
            }
        }
    }

    /// The lines up to the brace that closes the block that is open.
    fn block(&mut self, lines: &mut impl Iterator<Item = Vec<String>>) -> Lines {
        let (mut body, mut open) = (Vec::new(), 1);
        for line in lines {
            for token in &line {
                match token.as_str() {
                    "{" => open += 1,
                    "}" => open -= 1,
                    _ => {}
                }
            }
            if open <= 0 {
                if line.len() > 1 {
                    body.push(line[..line.len() - 1].to_vec());
                }
                return body;
            }
            body.push(line);
        }
        self.out.oddities.push("a brace is never closed".to_owned());
        body
    }

    fn directives(&mut self, lines: Lines, into: &mut Vec<Directive>, depth: usize) {
        let mut lines = lines.into_iter();
        while let Some(mut line) = lines.next() {
            if line[0] == "import" {
                let more = self.imported(&line, depth);
                self.directives(more, into, depth + 1);
                continue;
            }
            let options = if line.last().is_some_and(|t| t == "{") {
                line.pop();
                self.block(&mut lines)
            } else {
                Vec::new()
            };
            if !line.is_empty() {
                into.push(Directive { name: line.remove(0), args: line, lines: options });
            }
        }
    }

    /// The lines that an `import` stands for: a snippet's, or a file's. A glob that matches nothing is no error in
    /// CoreDNS either; it is told, because the file may exist where CoreDNS runs.
    fn imported(&mut self, line: &[String], depth: usize) -> Lines {
        let Some(what) = line.get(1) else { return Vec::new() };
        if depth >= DEPTH {
            self.out.oddities.push(format!("import {what} nests too deeply"));
            return Vec::new();
        }
        if let Some(snippet) = self.snippets.get(what) {
            return snippet.clone();
        }
        if let Some(text) = (self.file)(what) {
            return lines_of(&text);
        }
        self.out.oddities.push(format!("import {what}: the file is not in the API, it is taken as empty"));
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blocks_directives_options_comments_and_quotes() {
        let file = Corefile::parse(
            "(common) {\n  errors\n  cache 30 { # short\n success 10\n}\n}\n.:53, example.org {\n import common\n log \"a b\"\n}\n\
             consul.local:53 {\n forward . 10.0.0.1\n}\n",
        );
        assert_eq!(file.oddities, [""; 0]);
        assert_eq!(file.blocks.len(), 2);
        assert_eq!(file.blocks[0].keys, [".:53", "example.org"]);
        let names: Vec<_> = file.blocks[0].directives.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(names, ["errors", "cache", "log"]);
        assert_eq!(file.blocks[0].directives[1].option("success"), Some(&["10".to_owned()][..]));
        assert_eq!(file.blocks[0].directives[2].args, ["a b"]);
        assert_eq!(file.blocks[1].directives[0].args, [".", "10.0.0.1"]);
    }

    #[test]
    fn a_single_server_needs_no_braces() {
        let file = Corefile::parse("cluster.local\nkubernetes\nforward . 1.1.1.1");
        assert_eq!(file.blocks[0].keys, ["cluster.local"]);
        assert_eq!(file.blocks[0].directives.len(), 2);
    }

    #[test]
    fn imports_come_from_files_and_missing_ones_are_told() {
        let file = Corefile::parse_with(
            ". {\n import custom/*.override\n import other\n}\nimport more\n",
            &|path| match path {
                "custom/*.override" => Some("log\n".to_owned()),
                "more" => Some("x.example {\n whoami\n}\n".to_owned()),
                _ => None,
            },
        );
        assert_eq!(file.blocks[0].directives[0].name, "log");
        assert_eq!(file.blocks[1].keys, ["x.example"]);
        assert_eq!(file.oddities.len(), 1);
    }

    #[test]
    fn a_snippet_that_imports_itself_ends() {
        let file = Corefile::parse("(a) {\n import a\n}\n. {\n import a\n}\n");
        assert!(file.oddities[0].contains("too deeply"));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[a{}()\"\\\\#, \n:.]{0,60}|\\PC{0,60}") {
            let _ = Corefile::parse(&text);
        }
    }
}
