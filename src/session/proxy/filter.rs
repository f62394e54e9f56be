//! kubectl's filter: which requests may pass (kubectl: `pkg/proxy/proxy_server.go`, `FilterServer`).
//!
//! What it is: pure. Method as sent, decoded path behind the API prefix, Host without its port, in; yes or no, out.
//! What it is not: a guard against programs on the network, which may send any Host; it guards against web pages.

use regex::Regex;

use super::re2::translate;

/// Paths that pass unless told otherwise: all.
pub const ACCEPT_PATHS: &str = "^.*";
/// Paths that do not pass unless told otherwise: commands in pods.
pub const REJECT_PATHS: &str = "^/api/.*/pods/.*/exec,^/api/.*/pods/.*/attach";
/// Hosts that may be asked for unless told otherwise: this machine's names.
pub const ACCEPT_HOSTS: &str = r"^localhost$,^127\.0\.0\.1$,^\[::1\]$";
/// Methods that do not pass unless told otherwise: none.
pub const REJECT_METHODS: &str = "^$";

/// The four lists as the flags have them: expressions with commas between, searched for anywhere in the text; an
/// empty text is an empty list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterSpec {
    /// `--accept-paths`.
    pub accept_paths: String,
    /// `--reject-paths`.
    pub reject_paths: String,
    /// `--accept-hosts`.
    pub accept_hosts: String,
    /// `--reject-methods`.
    pub reject_methods: String,
}

impl Default for FilterSpec {
    fn default() -> Self {
        Self {
            accept_paths: ACCEPT_PATHS.to_owned(),
            reject_paths: REJECT_PATHS.to_owned(),
            accept_hosts: ACCEPT_HOSTS.to_owned(),
            reject_methods: REJECT_METHODS.to_owned(),
        }
    }
}

impl FilterSpec {
    /// Whether some Host that is not this machine's passes: then web pages of others can be made to reach the proxy
    /// (DNS rebinding), and so can programs that only know an address.
    ///
    /// # Errors
    /// As [`Filter::new`].
    pub fn accepts_foreign_hosts(&self) -> Result<bool, BadExpression> {
        let hosts = List::new("accept-hosts", &self.accept_hosts)?;
        Ok(["evil.example", "203.0.113.7", "2001:db8::7", "rebind.localhost.evil.example"]
            .iter()
            .any(|host| hosts.matches(host)))
    }
}

/// An expression that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--{flag}: \"{expression}\" is no regular expression: {why}")]
pub struct BadExpression {
    /// The flag, without its dashes.
    pub flag: &'static str,
    /// The expression.
    pub expression: String,
    /// What is wrong with it.
    pub why: String,
}

/// The filter, ready.
#[derive(Debug)]
pub struct Filter {
    accept_paths: List,
    reject_paths: List,
    accept_hosts: List,
    reject_methods: List,
}

impl Filter {
    /// Reads the expressions.
    ///
    /// # Errors
    /// The first that is none.
    pub fn new(spec: &FilterSpec) -> Result<Self, BadExpression> {
        Ok(Self {
            accept_paths: List::new("accept-paths", &spec.accept_paths)?,
            reject_paths: List::new("reject-paths", &spec.reject_paths)?,
            accept_hosts: List::new("accept-hosts", &spec.accept_hosts)?,
            reject_methods: List::new("reject-methods", &spec.reject_methods)?,
        })
    }

    /// Whether a request may pass. `path` is decoded, without query, behind the API prefix; `host` is what
    /// [`host_of`] leaves of the Host header.
    pub fn accepts(&self, method: &str, path: &str, host: &str) -> bool {
        !self.reject_paths.matches(path)
            && !self.reject_methods.matches(method)
            && self.accept_paths.matches(path)
            && self.accept_hosts.matches(host)
    }
}

/// Expressions, of which one has to be found.
#[derive(Debug)]
struct List(Vec<Rule>);

/// Most requests meet expressions that need no engine.
#[derive(Debug)]
enum Rule {
    Always,
    Exactly(String),
    Expression(Regex),
}

impl List {
    fn new(flag: &'static str, text: &str) -> Result<Self, BadExpression> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let rules = text.split(',').map(|expression| {
            Rule::new(expression).map_err(|why| BadExpression {
                flag,
                expression: expression.to_owned(),
                why,
            })
        });
        rules.collect::<Result<_, _>>().map(Self)
    }

    fn matches(&self, text: &str) -> bool {
        self.0.iter().any(|rule| match rule {
            Rule::Always => true,
            Rule::Exactly(wanted) => wanted == text,
            Rule::Expression(regex) => regex.is_match(text),
        })
    }
}

impl Rule {
    fn new(expression: &str) -> Result<Self, String> {
        if matches!(expression, "" | "^" | ".*" | "^.*" | "^*$") {
            return Ok(Self::Always);
        }
        if let Some(literal) = literal(expression) {
            return Ok(Self::Exactly(literal));
        }
        let regex = Regex::new(&translate(expression)?).map_err(|error| {
            // The last line says what is wrong, those before it show where.
            let text = error.to_string();
            text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        })?;
        Ok(Self::Expression(regex))
    }
}

/// What `^literal$` is equal to.
fn literal(expression: &str) -> Option<String> {
    let inner = expression.strip_prefix('^')?.strip_suffix('$')?;
    let mut text = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.push(chars.next().filter(char::is_ascii_punctuation)?),
            c if c.is_alphanumeric() || "/:-_%@ ~".contains(c) => text.push(c),
            _ => return None,
        }
    }
    Some(text)
}

/// The Host header without its port, by the rules of Go's `net.SplitHostPort`; where those find no port, the header
/// as it is. So `[::1]:8001` loses its brackets and `[::1]` keeps them.
pub fn host_of(header: &str) -> &str {
    split_host_port(header).unwrap_or(header)
}

fn split_host_port(text: &str) -> Option<&str> {
    let colon = text.rfind(':')?;
    let (host, behind_open, behind_close) = if text.starts_with('[') {
        let end = text.find(']')?;
        if end + 1 != colon {
            return None;
        }
        (&text[1..end], 1, end + 1)
    } else {
        let host = &text[..colon];
        if host.contains(':') {
            return None;
        }
        (host, 0, 0)
    };
    (!text[behind_open..].contains('[') && !text[behind_close..].contains(']')).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_lose_their_port_as_in_go() {
        for (header, host) in [
            ("localhost:8001", "localhost"),
            ("localhost:", "localhost"),
            ("localhost", "localhost"),
            ("[::1]:8001", "::1"),
            ("[::1]", "[::1]"),
            ("::1", "::1"),
            ("127.0.0.1:80:90", "127.0.0.1:80:90"),
            ("[::1]x:80", "[::1]x:80"),
            ("[[::1]:80", "[[::1]:80"),
            ("a]:80", "a]:80"),
            ("[a:80", "[a:80"),
            (":80", ""),
            ("", ""),
        ] {
            assert_eq!(host_of(header), host, "{header}");
        }
    }

    #[test]
    fn an_empty_list_accepts_nobody_and_rejects_nothing() {
        let filter = |spec| Filter::new(&spec).unwrap();
        let nobody = filter(FilterSpec { accept_hosts: String::new(), ..FilterSpec::default() });
        assert!(!nobody.accepts("GET", "/version", "localhost"));
        let exec = filter(FilterSpec { reject_paths: String::new(), ..FilterSpec::default() });
        assert!(exec.accepts("GET", "/api/v1/namespaces/d/pods/p/exec", "localhost"));
        // But one empty expression among others is found in everything.
        let all = filter(FilterSpec { accept_hosts: "^x$,".to_owned(), ..FilterSpec::default() });
        assert!(all.accepts("GET", "/version", "evil.example"));
    }

    #[test]
    fn what_needs_no_engine_is_equal_to_what_an_engine_finds() {
        for expression in ["^localhost$", r"^127\.0\.0\.1$", r"^\[::1\]$", "^$", "^a-b_c$", "^*$", "^.*"] {
            let rule = List::new("x", expression).unwrap();
            assert!(!matches!(rule.0[0], Rule::Expression(_)), "{expression}");
            let regex = Regex::new(&translate(expression).unwrap()).unwrap();
            for text in
                ["localhost", "xlocalhost", "127.0.0.1", "127x0.0.1", "[::1]", "::1", "", "a-b_c", "a\nb"]
            {
                assert_eq!(rule.matches(text), regex.is_match(text), "{expression} {text:?}");
            }
        }
    }

    #[test]
    fn a_bad_expression_is_told_with_its_flag() {
        let spec = FilterSpec { reject_paths: "^a$,(b".to_owned(), ..FilterSpec::default() };
        let error = Filter::new(&spec).unwrap_err();
        assert_eq!((error.flag, &*error.expression), ("reject-paths", "(b"));
        assert!(error.to_string().contains("unclosed group"), "{error}");
    }

    #[test]
    fn hosts_that_expose_are_noticed() {
        let foreign = |hosts: &str| {
            let spec = FilterSpec { accept_hosts: hosts.to_owned(), ..FilterSpec::default() };
            spec.accepts_foreign_hosts().unwrap()
        };
        assert!(!foreign(ACCEPT_HOSTS) && !foreign("^my-laptop$") && !foreign(""));
        assert!(foreign("^*$") && foreign(".*") && foreign("localhost") && foreign("^$,"));
    }
}
