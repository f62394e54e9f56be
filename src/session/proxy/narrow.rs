//! The narrow mode: what the explorer's proxy refuses beyond kubectl's filter.
//!
//! What it is: pure. A web page can make a browser ask `http://127.0.0.1:8001`: the answer is kept from it (no CORS
//! header is ever added), but the request is made. So nothing that changes anything passes, and browsers say themselves
//! whose page asks (`Origin`, Fetch Metadata). A page that came through the proxy is of the same origin as the whole
//! API, and whatever runs in the cluster wrote it: it may ask for what is behind its own Service or pod, and for
//! nothing else.

use http::header::{ORIGIN, REFERER};
use http::{HeaderMap, HeaderValue, Method};

use super::Path;

/// Why a request is refused, if it is. `host` is the Host header, port included.
pub(super) fn refusal(
    method: &Method,
    headers: &HeaderMap,
    (host, path): (&str, &Path),
    upgrade: bool,
) -> Option<&'static str> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Some("this proxy only reads: GET and HEAD");
    }
    if upgrade {
        return Some("this proxy only reads: no upgraded connections");
    }
    let own = |origin: &[u8]| origin.strip_prefix(b"http://").is_some_and(|rest| rest == host.as_bytes());
    if headers.get_all(ORIGIN).iter().any(|origin| !own(origin.as_bytes())) {
        return Some("this proxy does not answer pages of other origins");
    }
    let says = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    let foreign = matches!(says("sec-fetch-site"), Some(b"cross-site" | b"same-site"));
    // A link may be followed; a frame, an image or a script may not be taken.
    let followed = says("sec-fetch-mode") == Some(b"navigate") && says("sec-fetch-dest") == Some(b"document");
    if foreign && !followed {
        return Some("this proxy does not answer pages of other origins");
    }
    let referer = headers.get(REFERER).map(|referer| page(referer.as_bytes(), host));
    // Browsers that say nothing of sites name the page at least.
    let from_here = says("sec-fetch-site") == Some(b"same-origin")
        || (says("sec-fetch-site").is_none() && matches!(referer, Some(Some(_))));
    let page = referer.flatten();
    let at_home = page.as_ref().is_some_and(|page| {
        let page = page.text();
        behind(&page).is_some_and(|own| path.text().starts_with(own))
    });
    (from_here && !at_home).then_some("this proxy gives a page only what is behind the same Service or pod")
}

/// The path of a page of ours, from what a `Referer` says.
fn page(referer: &[u8], host: &str) -> Option<Path> {
    let path = referer.strip_prefix(b"http://")?.strip_prefix(host.as_bytes())?;
    let end = path.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(path.len());
    Path::parse(&path[..end]).filter(|_| path.starts_with(b"/"))
}

/// `/api/v1/namespaces/NS/services/NAME/proxy/` (or `pods`), where a path begins so.
fn behind(path: &str) -> Option<&str> {
    let mut ends = path.match_indices('/').map(|(at, _)| at + 1).skip(1);
    let end = ends.nth(6)?;
    let segments: Vec<&str> = path[1..end - 1].split('/').collect();
    let right = matches!(segments[..], ["api", "v1", "namespaces", _, "services" | "pods", _, "proxy"])
        && path.starts_with('/');
    right.then_some(&path[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn asked(method: &Method, path: &str, lines: &[(&'static str, &'static str)]) -> bool {
        let map =
            lines.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
        let path = Path::parse(path.as_bytes()).unwrap();
        refusal(method, &map, ("127.0.0.1:8001", &path), false).is_some()
    }

    fn refused(method: &Method, lines: &[(&'static str, &'static str)]) -> bool {
        asked(method, "/version", lines)
    }

    #[test]
    fn only_reading_passes() {
        assert!(!refused(&Method::GET, &[]) && !refused(&Method::HEAD, &[]));
        for method in [Method::POST, Method::DELETE, Method::OPTIONS, Method::PATCH] {
            assert!(refused(&method, &[]), "{method}");
        }
        assert!(
            refusal(&Method::GET, &HeaderMap::new(), ("localhost", &Path::parse(b"/").unwrap()), true)
                .is_some()
        );
    }

    #[test]
    fn pages_of_others_are_refused_and_pages_through_the_proxy_are_not() {
        assert!(!refused(&Method::GET, &[("origin", "http://127.0.0.1:8001")]));
        for origin in ["http://127.0.0.1:3000", "http://evil.example", "https://127.0.0.1:8001", "null"] {
            assert!(refused(&Method::GET, &[("origin", origin)]), "{origin}");
        }
        assert!(refused(&Method::GET, &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")]));
        assert!(refused(
            &Method::GET,
            &[("sec-fetch-site", "same-site"), ("sec-fetch-dest", "iframe"), ("sec-fetch-mode", "navigate")]
        ));
        assert!(!refused(&Method::GET, &[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")]));
        assert!(!refused(
            &Method::GET,
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-dest", "document"),
                ("sec-fetch-mode", "navigate")
            ]
        ));
    }

    #[test]
    fn a_page_of_the_cluster_gets_what_is_behind_its_own_service_and_nothing_else() {
        const PAGE: &str = "http://127.0.0.1:8001/api/v1/namespaces/shop/services/http:web:80/proxy/a/b?c#d";
        let from = |page: &'static str| [("sec-fetch-site", "same-origin"), ("referer", page)];
        let own = "/api/v1/namespaces/shop/services/http:web:80/proxy/";
        for path in [
            own,
            "/api/v1/namespaces/shop/services/http:web:80/proxy/x%20y",
            "/api/v1/namespaces/shop/services/http%3Aweb:80/proxy/",
        ] {
            assert!(!asked(&Method::GET, path, &from(PAGE)), "{path}");
            // Browsers without Fetch Metadata say where the page is from.
            assert!(!asked(&Method::GET, path, &[("referer", PAGE)]), "{path}");
        }
        for path in [
            "/",
            "/version",
            "/api/v1/secrets",
            "/api/v1/namespaces/shop/secrets",
            "/api/v1/namespaces/shop/services/http:web:80/proxy",
            "/api/v1/namespaces/shop/services/http:web:81/proxy/",
            "/api/v1/namespaces/other/services/http:web:80/proxy/",
            "/api/v1/namespaces/shop/pods/http:web:80/proxy/",
        ] {
            assert!(asked(&Method::GET, path, &from(PAGE)), "{path}");
            assert!(asked(&Method::GET, path, &[("referer", PAGE)]), "{path}");
        }
        for page in [
            "http://127.0.0.1:8001/api/v1/secrets",
            "http://127.0.0.1:8001/",
            "http://127.0.0.1:8001.evil.example/api/v1/namespaces/shop/services/http:web:80/proxy/",
            "http://evil.example/api/v1/namespaces/shop/services/http:web:80/proxy/",
            "%",
        ] {
            assert!(asked(&Method::GET, own, &from(page)), "{page}");
        }
        // A page that hides where it is from gets nothing; a person and a program do.
        assert!(asked(&Method::GET, own, &[("sec-fetch-site", "same-origin")]));
        assert!(!asked(&Method::GET, "/api/v1/secrets", &[("sec-fetch-site", "none")]));
        assert!(!asked(&Method::GET, "/api/v1/secrets", &[]));
    }
}
