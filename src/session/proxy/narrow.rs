//! The narrow mode: what the explorer's proxy refuses beyond kubectl's filter.
//!
//! What it is: pure. A web page can make a browser ask `http://127.0.0.1:8001`: the answer is kept from it (no CORS
//! header is ever added), but the request is made. So nothing that changes anything passes, and browsers say themselves
//! whose page asks (`Origin`, Fetch Metadata); a page that came through the proxy is no foreigner.

use http::header::ORIGIN;
use http::{HeaderMap, HeaderValue, Method};

/// Why a request is refused, if it is. `host` is the Host header, port included.
pub(super) fn refusal(
    method: &Method,
    headers: &HeaderMap,
    host: &str,
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
    (foreign && !followed).then_some("this proxy does not answer pages of other origins")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn refused(method: &Method, lines: &[(&'static str, &'static str)]) -> bool {
        let map =
            lines.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
        refusal(method, &map, "127.0.0.1:8001", false).is_some()
    }

    #[test]
    fn only_reading_passes() {
        assert!(!refused(&Method::GET, &[]) && !refused(&Method::HEAD, &[]));
        for method in [Method::POST, Method::DELETE, Method::OPTIONS, Method::PATCH] {
            assert!(refused(&method, &[]), "{method}");
        }
        assert!(refusal(&Method::GET, &HeaderMap::new(), "localhost", true).is_some());
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
        assert!(!refused(&Method::GET, &[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")]));
        assert!(!refused(
            &Method::GET,
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-dest", "document"),
                ("sec-fetch-mode", "navigate")
            ]
        ));
    }
}
