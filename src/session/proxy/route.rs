//! Where a request goes: to the API, to static files, or back with a redirect (Go: `http.ServeMux`; kubectl:
//! `NewServer`, `NewProxyHandler`).
//!
//! What it is: pure; a path in, a decision out. What it is not: the filter, which comes behind it for the API alone.

use std::borrow::Cow;

use super::address::{Path, clean, escape, unescape};

/// The prefixes, each with a slash at both ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes {
    api: String,
    files: Option<String>,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To the API, with the path that is left.
    Api(Path),
    /// To the static files: the decoded path behind their prefix.
    Files(Vec<u8>),
    /// Back: 307 with this `Location`, query included.
    Redirect(String),
    /// Nowhere.
    NotFound,
}

impl Routes {
    /// `files` is the prefix of static files, if there are any. A slash at the end is added; the one at the beginning
    /// has to be there.
    pub fn new(api: &str, files: Option<&str>) -> Option<Self> {
        let whole = |prefix: &str| {
            let slash = if prefix.ends_with('/') { "" } else { "/" };
            prefix.starts_with('/').then(|| format!("{prefix}{slash}"))
        };
        let files = match files {
            Some(prefix) => Some(whole(prefix)?),
            None => None,
        };
        Some(Self { api: whole(api)?, files })
    }

    /// The prefix of the static files, if there are any.
    pub fn files(&self) -> Option<&str> {
        self.files.as_deref()
    }

    /// The prefix of the API.
    pub fn api(&self) -> &str {
        &self.api
    }

    /// Decides. `query` is the text behind the `?`, if there is one; `connect` for the method that has no path.
    pub fn of(&self, path: Path, query: Option<&str>, connect: bool) -> Route {
        let encoded = path.encoded();
        let cleaned = if connect { encoded.clone() } else { clean(&encoded) };
        let matched = self.matching(&cleaned);
        if let Some(location) = self.with_slash(matched, &cleaned, &path, query) {
            return Route::Redirect(location);
        }
        if cleaned != encoded {
            // The cleaned path is encoded already and is encoded once more here: that is what Go does.
            return Route::Redirect(located(escape(cleaned.as_bytes()), query));
        }
        match matched {
            None => Route::NotFound,
            Some(prefix) if self.files.as_deref() == Some(prefix) => {
                let rest = path.decoded.strip_prefix(prefix.as_bytes());
                rest.map_or(Route::NotFound, |rest| Route::Files(rest.to_vec()))
            }
            // A prefix that begins like the API's own paths is part of them.
            Some(prefix) if prefix.starts_with("/api") => Route::Api(path),
            Some(prefix) => path.without_prefix(prefix).map_or(Route::NotFound, Route::Api),
        }
    }

    /// The longer prefix that a path begins with, segment by segment, each decoded.
    fn matching(&self, path: &str) -> Option<&str> {
        let fits = |prefix: &&str| {
            // The common case first: everything begins with a slash.
            if **prefix == *"/" {
                return path.starts_with('/');
            }
            let mut segments = path.split('/');
            let mut wanted = prefix.trim_end_matches('/').split('/').map(decoded);
            wanted.all(|want| segments.next().map(decoded) == Some(want)) && segments.next().is_some()
        };
        let mut prefixes: Vec<&str> = [Some(&*self.api), self.files()].into_iter().flatten().collect();
        prefixes.sort_unstable_by_key(|prefix| std::cmp::Reverse(prefix.matches('/').count()));
        prefixes.into_iter().find(fits)
    }

    /// A prefix without its last slash is sent to the one with it.
    fn with_slash(
        &self,
        matched: Option<&str>,
        path: &str,
        whole: &Path,
        query: Option<&str>,
    ) -> Option<String> {
        if path.is_empty() || path.ends_with('/') || (self.files.is_none() && self.api == "/") {
            return None;
        }
        let longer = format!("{path}/");
        let exact = self.matching(&longer)?;
        if Some(exact) == matched || exact.matches('/').count() != longer.matches('/').count() {
            return None;
        }
        let text = String::from_utf8_lossy(&whole.decoded);
        let target = format!("{}/", clean(&text).trim_end_matches('/'));
        Some(located(escape(target.as_bytes()), query))
    }
}

fn decoded(segment: &str) -> Cow<'_, [u8]> {
    unescape(segment.as_bytes()).map_or(Cow::Borrowed(segment.as_bytes()), Cow::Owned)
}

/// A `Location` with its query.
fn located(path: Cow<'_, str>, query: Option<&str>) -> String {
    match query.filter(|query| !query.is_empty()) {
        Some(query) => format!("{path}?{query}"),
        None => path.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(routes: &Routes, path: &str, query: Option<&str>) -> Route {
        routes.of(Path::parse(path.as_bytes()).unwrap(), query, false)
    }

    fn api(path: &str) -> Route {
        Route::Api(Path::parse(path.as_bytes()).unwrap())
    }

    #[test]
    fn without_prefix_everything_is_the_apis() {
        let routes = Routes::new("/", None).unwrap();
        assert_eq!(route(&routes, "/api/v1", None), api("/api/v1"));
        let Route::Api(root) = route(&routes, "/", None) else { panic!() };
        assert_eq!((root.text().as_ref(), root.behind("")), ("", "/".to_owned()));
    }

    #[test]
    fn odd_paths_are_sent_to_the_cleaned_one() {
        let routes = Routes::new("/", None).unwrap();
        for (path, query, location) in [
            ("//api", None, "/api"),
            ("/api/../version", Some("a=b"), "/version?a=b"),
            ("/a/./b/", None, "/a/b/"),
            ("//a%2Fb", None, "/a%252Fb"),
            ("", None, "/"),
        ] {
            assert_eq!(route(&routes, path, query), Route::Redirect(location.to_owned()), "{path}");
        }
    }

    #[test]
    fn prefixes_are_cut_off_unless_they_begin_like_the_api() {
        let custom = Routes::new("/custom", None).unwrap();
        assert_eq!(route(&custom, "/custom/api/x", None), api("/api/x"));
        assert_eq!(route(&custom, "/metrics", None), Route::NotFound);
        assert_eq!(route(&custom, "/custom", Some("x")), Route::Redirect("/custom/?x".to_owned()));
        let like_api = Routes::new("/apiproxy/", None).unwrap();
        assert_eq!(route(&like_api, "/apiproxy/v1", None), api("/apiproxy/v1"));
        assert_eq!(Routes::new("custom", None), None);
    }

    #[test]
    fn files_have_the_longer_prefix() {
        let routes = Routes::new("/", Some("/static/")).unwrap();
        assert_eq!(route(&routes, "/static/a%20b", None), Route::Files(b"a b".to_vec()));
        assert_eq!(route(&routes, "/%73tatic/x", None), Route::Files(b"x".to_vec()));
        assert_eq!(route(&routes, "/static", None), Route::Redirect("/static/".to_owned()));
        assert_eq!(route(&routes, "/static//x", None), Route::Redirect("/static/x".to_owned()));
        assert_eq!(route(&routes, "/statics", None), api("/statics"));
    }
}
