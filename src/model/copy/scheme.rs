//! Which protocol a port likely speaks: by `appProtocol`, by the port's name, by its number.

use super::super::Port;

/// A scheme, and from what it was guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guess {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// `appProtocol`, `port name` or `port number`.
    pub why: &'static str,
}

/// How a connection string is written around host and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// What speaks it.
    pub name: &'static str,
    /// Goes before the host.
    pub before: &'static str,
    /// Goes behind the port.
    pub after: &'static str,
}

/// Well-known ports with the words that port names and `appProtocol` use for them.
const CONNECTIONS: [(i32, &[&str], Connection); 8] = [
    (
        5432,
        &["postgres", "postgresql"],
        Connection { name: "PostgreSQL", before: "postgresql://", after: "/" },
    ),
    (3306, &["mysql", "mariadb"], Connection { name: "MySQL", before: "mysql://", after: "/" }),
    (6379, &["redis", "valkey"], Connection { name: "Redis", before: "redis://", after: "" }),
    (27_017, &["mongodb", "mongo"], Connection { name: "MongoDB", before: "mongodb://", after: "/" }),
    (5672, &["amqp"], Connection { name: "AMQP", before: "amqp://", after: "/" }),
    (4222, &["nats"], Connection { name: "NATS", before: "nats://", after: "" }),
    (9092, &["kafka"], Connection { name: "Kafka", before: "", after: "" }),
    (11_211, &["memcached", "memcache"], Connection { name: "memcached", before: "", after: "" }),
];

/// `http` or `https`, where something says so: `appProtocol` (the IANA names and Kubernetes' own `kubernetes.io/h2c`,
/// `ws`, `wss`), a port called `http`, `https-admin` and the like, or the number 80 or 443.
pub fn url_scheme(port: &Port) -> Option<Guess> {
    let app = port.app_protocol.to_ascii_lowercase();
    if !app.is_empty() {
        let scheme = match app.strip_prefix("kubernetes.io/").unwrap_or(&app) {
            "http" | "h2c" | "ws" => "http",
            "https" | "wss" => "https",
            // It says something else, and knows better than name and number.
            _ => return None,
        };
        return Some(Guess { scheme, why: "appProtocol" });
    }
    match (words(&port.name).next(), port.port) {
        (Some("http" | "web" | "http2"), _) => Some(Guess { scheme: "http", why: "port name" }),
        (Some("https"), _) => Some(Guess { scheme: "https", why: "port name" }),
        (_, 443) => Some(Guess { scheme: "https", why: "port number" }),
        (_, 80) => Some(Guess { scheme: "http", why: "port number" }),
        _ => None,
    }
}

/// How clients of well-known servers write where to connect.
pub fn connection_scheme(port: &Port) -> Option<Connection> {
    let app = port.app_protocol.to_ascii_lowercase();
    let by =
        |f: &dyn Fn(i32, &[&str]) -> bool| CONNECTIONS.iter().find(|(n, w, _)| f(*n, w)).map(|(.., c)| *c);
    if !app.is_empty() {
        return by(&|_, known| known.contains(&&*app));
    }
    by(&|_, known| words(&port.name).any(|w| known.contains(&w)))
        .or_else(|| by(&|number, _| number == port.port))
}

/// The words of a port's name: `tcp-mysql` has two.
/// Whether a port's name, or its number where the name says nothing of it, tells of HTTPS.
pub(super) fn tells_https(name: &str, number: i32) -> bool {
    match words(name).next() {
        Some("https") => true,
        Some("http" | "web" | "http2") => false,
        _ => number == 443,
    }
}

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split('-').filter(|w| !w.is_empty())
}
