//! Which proxy stands between us and the API server: `proxy-url` of the kubeconfig (always used), else
//! `HTTPS_PROXY`/`HTTP_PROXY` with `NO_PROXY` by the rules of Go's `golang.org/x/net/http/httpproxy`, which kubectl
//! follows.

use std::fmt;
use std::net::IpAddr;

use super::{Environment, KubeconfigError, Secret};

/// A proxy.
#[derive(Clone, Debug)]
pub(in crate::cluster) struct Proxy {
    pub(in crate::cluster) kind: ProxyKind,
    /// Address without user information.
    pub(in crate::cluster) address: http::Uri,
    pub(in crate::cluster) login: Option<(String, Secret)>,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cluster) enum ProxyKind {
    /// HTTP CONNECT in the clear.
    Http,
    /// HTTP CONNECT over TLS.
    Https,
    /// SOCKS5; names are resolved by the proxy.
    Socks5,
}

/// Reads a proxy's address. The error does not quote it: it may hold a password.
pub(super) fn parse(url: &str, owner: &str) -> Result<Proxy, KubeconfigError> {
    let bad = |why: &str| KubeconfigError::BadValue {
        field: "proxy-url",
        owner: owner.to_owned(),
        why: why.to_owned(),
    };
    let (scheme, rest) =
        url.split_once("://").ok_or_else(|| bad("it must begin with http://, https:// or socks5://"))?;
    let (kind, port) = match scheme {
        "http" => (ProxyKind::Http, 80),
        "https" => (ProxyKind::Https, 443),
        "socks5" | "socks5h" => (ProxyKind::Socks5, 1080),
        _ => return Err(bad("only http, https and socks5 proxies are supported")),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (login, host) = login(authority);
    let address: http::Uri = format!("{scheme}://{host}").parse().map_err(|_| bad("it is no address"))?;
    if address.host().is_none_or(str::is_empty) {
        return Err(bad("it names no host"));
    }
    let address = if address.port().is_some() {
        address
    } else {
        format!("{scheme}://{host}:{port}").parse().map_err(|_| bad("it is no address"))?
    };
    Ok(Proxy { kind, address, login })
}

/// Name and password that stand before a host, and the host.
pub(super) fn login(authority: &str) -> (Option<(String, Secret)>, &str) {
    let Some((login, host)) = authority.rsplit_once('@') else { return (None, authority) };
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    (Some((percent_decode(user), Secret::new(percent_decode(password)))), host)
}

/// The proxy that the environment names for a server, if any.
pub(super) fn from_environment(
    server: &http::Uri,
    environment: &Environment,
) -> Result<Option<Proxy>, KubeconfigError> {
    let (upper, lower) = if server.scheme_str() == Some("https") {
        ("HTTPS_PROXY", "https_proxy")
    } else {
        ("HTTP_PROXY", "http_proxy")
    };
    let Some((name, url)) = [upper, lower].into_iter().find_map(|name| Some((name, environment.text(name)?)))
    else {
        return Ok(None);
    };
    let exceptions =
        environment.text("NO_PROXY").or_else(|| environment.text("no_proxy")).unwrap_or_default();
    let host = server.host().unwrap_or_default();
    let port = server.port_u16().unwrap_or(if server.scheme_str() == Some("https") { 443 } else { 80 });
    if !uses_proxy(host, port, exceptions) {
        return Ok(None);
    }
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    parse(&url, name).map(Some)
}

/// httpproxy: `useProxy`. This machine itself is never reached through a proxy.
fn uses_proxy(host: &str, port: u16, exceptions: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    let address = host.parse::<IpAddr>().ok();
    if host == "localhost" || address.is_some_and(|a| a.is_loopback()) {
        return false;
    }
    !exceptions
        .split(',')
        .map(|e| e.trim().to_ascii_lowercase())
        .any(|entry| excepts(&entry, &host, address, port))
}

/// Whether one entry of `NO_PROXY` covers a host.
fn excepts(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if entry.is_empty() {
        return false;
    }
    if entry == "*" {
        return true;
    }
    if let Some((network, bits)) = entry.split_once('/') {
        return match (network.parse(), bits.parse(), address) {
            (Ok(network), Ok(bits), Some(address)) => in_network(network, bits, address),
            _ => false,
        };
    }
    let (name, wanted_port) = match entry.rsplit_once(':') {
        Some((name, digits)) if entry.parse::<IpAddr>().is_err() => (name, digits.parse::<u16>().ok()),
        _ => (entry, None),
    };
    if wanted_port.is_some_and(|wanted| wanted != port) {
        return false;
    }
    let name = name.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = name.parse::<IpAddr>() {
        return address == Some(ip);
    }
    // `example.com` covers itself and what is below; `.example.com` and `*.example.com` only what is below.
    let name = name.strip_prefix('*').unwrap_or(name);
    match name.strip_prefix('.') {
        Some(_) => host.ends_with(name),
        None => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
    }
}

fn in_network(network: IpAddr, bits: u32, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(n), IpAddr::V4(a)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            n.to_bits() & mask == a.to_bits() & mask
        }
        (IpAddr::V6(n), IpAddr::V6(a)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            n.to_bits() & mask == a.to_bits() & mask
        }
        _ => false,
    }
}

fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = |i: usize| tail.get(i).and_then(|b| (*b as char).to_digit(16));
        if byte == b'%'
            && let (Some(high), Some(low)) = (hex(0), hex(1))
        {
            out.push(u8::try_from(high * 16 + low).unwrap_or_default());
            rest = &tail[2..];
        } else {
            out.push(byte);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_covers_names_below_addresses_networks_and_ports() {
        let used = |host: &str, except: &str| uses_proxy(host, 6443, except);
        assert!(used("api.example.com", ""));
        assert!(!used("api.example.com", "other, example.com"));
        assert!(used("badexample.com", "example.com"));
        assert!(used("example.com", ".example.com"));
        assert!(!used("api.example.com", "*.example.com"));
        assert!(!used("10.1.2.3", "10.0.0.0/8"));
        assert!(used("11.1.2.3", "10.0.0.0/8"));
        assert!(!used("11.1.2.3", "0.0.0.0/0"));
        assert!(!used("10.1.2.3", "10.1.2.3:6443"));
        assert!(used("10.1.2.3", "10.1.2.3:443"));
        assert!(!used("[fd00::1]", "fd00::/8"));
        assert!(!used("api.example.com", "*"));
    }

    #[test]
    fn this_machine_is_never_behind_a_proxy() {
        for host in ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"] {
            assert!(!uses_proxy(host, 6443, ""), "{host}");
        }
    }

    #[test]
    fn the_password_of_a_proxy_is_decoded_and_not_shown() {
        let proxy = parse("socks5://me:p%40ss%3Aword@proxy.corp", "c").unwrap();
        assert_eq!(
            (proxy.kind, proxy.address.to_string()),
            (ProxyKind::Socks5, "socks5://proxy.corp:1080/".into())
        );
        assert_eq!(proxy.login.as_ref().unwrap().1.expose(), "p@ss:word");
        assert!(!format!("{proxy:?}").contains("p@ss"));
        let error = parse("ftp://me:secret@proxy", "c").unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }
}
