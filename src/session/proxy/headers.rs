//! What happens to headers on the way (Go: `httputil.ReverseProxy`; apimachinery: `UpgradeAwareHandler`).
//!
//! What it is: pure. What it is not: credential and agent, which the way to the server adds where they are missing.

use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, PRAGMA, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Those that concern one connection alone (Go: `hopHeaders`).
const HOP: [HeaderName; 8] = [
    PROXY_CONNECTION,
    KEEP_ALIVE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Whether a request asks for another protocol: a `Connection` header speaks of an upgrade (apimachinery:
/// `IsUpgradeRequest`).
pub(super) fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    headers.get_all(CONNECTION).iter().any(|value| {
        let upgrade = b"upgrade";
        value.as_bytes().windows(upgrade.len()).any(|part| part.eq_ignore_ascii_case(upgrade))
    })
}

/// Removes what concerns the connection alone, and what it says it does.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> =
            tokens(headers, &CONNECTION).filter_map(|token| HeaderName::from_bytes(token).ok()).collect();
        headers.remove(CONNECTION);
        for name in named {
            headers.remove(name);
        }
    }
    for name in &HOP {
        headers.remove(name);
    }
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
}

/// The headers of a request that goes on. `peer` is the client's address, if it has one; `empty` that there is no
/// body.
pub(super) fn onward(headers: &mut HeaderMap, method: &Method, peer: Option<&HeaderValue>, empty: bool) {
    let trailers = tokens(headers, &TE).any(|token| token.eq_ignore_ascii_case(b"trailers"));
    strip_hop_by_hop(headers);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if empty {
        // Go writes a length of nothing for those methods alone.
        if matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        } else {
            headers.remove(CONTENT_LENGTH);
        }
    }
    add_peer(headers, peer);
    no_cache(headers);
}

/// Says for whom a request is made, behind those who said so before.
pub(super) fn add_peer(headers: &mut HeaderMap, peer: Option<&HeaderValue>) {
    let Some(peer) = peer else { return };
    if !headers.contains_key(FORWARDED_FOR) {
        headers.insert(FORWARDED_FOR, peer.clone());
        return;
    }
    let mut all: Vec<&[u8]> = headers.get_all(FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect();
    all.push(peer.as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(&all.join(&b", "[..])) {
        headers.insert(FORWARDED_FOR, value);
    }
}

/// `Pragma: no-cache` says `Cache-Control: no-cache` (Go: `fixPragmaCacheControl`).
fn no_cache(headers: &mut HeaderMap) {
    if headers.get(PRAGMA).is_some_and(|value| value == "no-cache") && !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn what_concerns_the_connection_alone_stays_behind() {
        let mut map = headers(&[
            ("connection", "close, x-mine"),
            ("x-mine", "1"),
            ("keep-alive", "5"),
            ("te", "gzip, trailers"),
            ("proxy-authorization", "x"),
            ("upgrade", "h2c"),
            ("x-yours", "2"),
        ]);
        onward(&mut map, &Method::GET, None, true);
        assert_eq!(map, headers(&[("te", "trailers"), ("x-yours", "2")]));
    }

    #[test]
    fn the_client_is_named_behind_those_before_it() {
        let peer = HeaderValue::from_static("127.0.0.1");
        let mut map = headers(&[("x-forwarded-for", "1.2.3.4"), ("pragma", "no-cache")]);
        map.append(FORWARDED_FOR, HeaderValue::from_static("5.6.7.8"));
        onward(&mut map, &Method::POST, Some(&peer), true);
        assert_eq!(map[FORWARDED_FOR], "1.2.3.4, 5.6.7.8, 127.0.0.1");
        assert_eq!(
            (&map[CONTENT_LENGTH], &map[CACHE_CONTROL]),
            (&"0".parse().unwrap(), &"no-cache".parse().unwrap())
        );
    }

    #[test]
    fn an_upgrade_is_what_connection_speaks_of() {
        assert!(asks_for_upgrade(&headers(&[("connection", "keep-alive, Upgrade")])));
        assert!(!asks_for_upgrade(&headers(&[("connection", "close"), ("upgrade", "websocket")])));
    }
}
