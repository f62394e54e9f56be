//! Sessions as facts: which forwards there are, what each is asked to do, and what is true of it now.
//!
//! What it is: the values that the screen shows, the command prints and a profile keeps. What it is not: nothing here
//! listens, connects or looks at a clock; [`crate::session`] does, and fills these in.

pub mod backends;
pub mod profile;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use super::Text;
use super::target::{PortWish, Target};
use super::time::Timestamp;

/// So many seconds of rates are kept.
const KEPT_RATES: usize = 60;

/// Which forward of this program. Never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ForwardId(pub u64);

impl std::fmt::Display for ForwardId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "forward-{}", self.0)
    }
}

/// What starts one forward: one port of one target, on one local port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardSpec {
    /// What is behind it.
    pub target: Target,
    /// Which of its ports, and on which local one.
    pub port: PortWish,
    /// Where it listens.
    pub listen: Listen,
    /// How the pod of a new connection is chosen.
    pub choice: Choice,
    /// What happens when the local port is not free.
    pub taken: Taken,
    /// So many connections at once; more wait in the listener's queue.
    pub max_connections: usize,
    /// How long a new connection waits for an endpoint when there is none, in milliseconds.
    pub patience_ms: u64,
}

impl ForwardSpec {
    /// A forward as `kubectl port-forward` would listen, with new connections spread over the ready endpoints.
    pub fn new(target: Target, port: PortWish) -> Self {
        Self {
            target,
            port,
            listen: Listen::default(),
            choice: Choice::default(),
            taken: Taken::default(),
            max_connections: 4096,
            patience_ms: 30_000,
        }
    }
}

/// Local addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listen {
    /// 127.0.0.1 and `::1`, of which one has to succeed (kubectl's `localhost`).
    pub localhost: bool,
    /// These, which all have to succeed. Empty without [`Self::localhost`] means localhost.
    pub addresses: Vec<IpAddr>,
}

impl Listen {
    /// Reads the values of `--address`: IP addresses and `localhost` (client-go: `parseAddresses`).
    ///
    /// # Errors
    /// A text that is neither, in kubectl's words.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut listen = Self::default();
        for text in texts {
            if text == "localhost" {
                listen.localhost = true;
                continue;
            }
            let address: IpAddr = text.parse().map_err(|_| format!("{text} is not a valid IP"))?;
            if !listen.addresses.contains(&address) {
                listen.addresses.push(address);
            }
        }
        Ok(listen)
    }

    /// The addresses to bind, each with whether it has to succeed. One has to in any case.
    pub fn wanted(&self) -> Vec<(IpAddr, bool)> {
        let mut wanted: Vec<(IpAddr, bool)> = self.addresses.iter().map(|a| (*a, true)).collect();
        if self.localhost || wanted.is_empty() {
            for address in [IpAddr::from(std::net::Ipv4Addr::LOCALHOST), std::net::Ipv6Addr::LOCALHOST.into()]
            {
                if !wanted.iter().any(|(a, _)| *a == address) {
                    wanted.push((address, false));
                }
            }
        }
        wanted
    }

    /// The addresses that others than this computer can reach.
    pub fn exposed(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().copied().filter(|a| !a.is_loopback())
    }
}

/// How the pod of a new connection is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The ready endpoints in turn.
    #[default]
    RoundRobin,
    /// The ready endpoint with the fewest connections of this forward.
    LeastConnections,
    /// This pod, whether it is ready or not.
    Pinned(Text),
    /// One pod, chosen as kubectl chooses it, until it is gone.
    Kubectl,
}

impl Choice {
    /// A word for it, as profiles have it; pods are named beside it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::LeastConnections => "least-connections",
            Self::Pinned(_) => "pinned",
            Self::Kubectl => "kubectl",
        }
    }
}

/// What happens when the local port is not free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Taken {
    /// The next free one is taken.
    #[default]
    NextFree,
    /// The forward does not start.
    Fail,
}

/// What a forward is at this moment. It says what was seen, never what is hoped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForwardState {
    /// It does not listen yet.
    Opening,
    /// It listens and has carried nothing yet.
    Listening,
    /// The last connection worked, and the way to its pod has answered since.
    Connected,
    /// The last thing that was tried failed. New connections are tried all the same.
    Degraded {
        /// Why, in a sentence.
        why: Text,
        /// Since when.
        since: Timestamp,
    },
    /// There is no endpoint; new connections wait for one.
    Waiting {
        /// Why, in a sentence.
        why: Text,
        /// Since when.
        since: Timestamp,
    },
    /// It has ended and listens no more.
    Closed {
        /// Why, in a sentence.
        why: Text,
    },
}

impl ForwardState {
    /// The state's own word, lower case.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Listening => "listening",
            Self::Connected => "connected",
            Self::Degraded { .. } => "degraded",
            Self::Waiting { .. } => "waiting",
            Self::Closed { .. } => "closed",
        }
    }

    /// Why it is so, where there is something to say.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Degraded { why, .. } | Self::Waiting { why, .. } | Self::Closed { why } => Some(why),
            _ => None,
        }
    }
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    /// What, in a sentence. It may hold text from the cluster.
    pub text: Text,
    /// When.
    pub at: Timestamp,
}

/// A local port that was asked for and is somebody else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenPort {
    /// The port.
    pub port: u16,
    /// Who has it (`nginx, process 4711`), where that can be known.
    pub by: Option<Text>,
    /// It is free, but this user may not listen there (ports below 1024).
    pub privileged: bool,
}

/// What is true of a forward now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardStatus {
    /// Which one.
    pub id: ForwardId,
    /// The kubeconfig context it belongs to; empty where there is none.
    pub context: Text,
    /// What it was asked to do.
    pub spec: ForwardSpec,
    /// Where it listens; empty until it does and after it has ended.
    pub local: Vec<SocketAddr>,
    /// The port that was wanted and could not be had.
    pub taken: Option<TakenPort>,
    /// State.
    pub state: ForwardState,
    /// The pod of the latest connection.
    pub pod: Option<Text>,
    /// The pod's port of the latest connection, or the one that the next would get.
    pub pod_port: Option<u16>,
    /// The target's own port as a number, when it is known: of a Service its port.
    pub target_port: Option<u16>,
    /// Endpoints that a new connection may get.
    pub ready: usize,
    /// Connections that are open.
    pub open: u64,
    /// Connections that were taken since the start.
    pub total: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Those that a pod ended after it had stopped being ready: what came over them may be incomplete.
    pub cut: u64,
    /// Bytes that pods sent.
    pub bytes_in: u64,
    /// Bytes that pods were sent.
    pub bytes_out: u64,
    /// Rates of the last minute.
    pub rates: Rates,
    /// The last thing that went wrong.
    pub last_error: Option<LastError>,
    /// When it was started.
    pub started_at: Timestamp,
}

impl ForwardStatus {
    /// The address to give to somebody: IPv4 before IPv6.
    pub fn address(&self) -> Option<SocketAddr> {
        self.local.iter().find(|a| a.is_ipv4()).or(self.local.first()).copied()
    }
}

/// Bytes of each second of the last minute, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    seconds: VecDeque<(u64, u64)>,
    totals: (u64, u64),
}

impl Rates {
    /// Closes a second, with the totals at its end.
    pub fn push(&mut self, bytes_in: u64, bytes_out: u64) {
        if self.seconds.len() == KEPT_RATES {
            self.seconds.pop_front();
        }
        let (last_in, last_out) = self.totals;
        self.seconds.push_back((bytes_in.saturating_sub(last_in), bytes_out.saturating_sub(last_out)));
        self.totals = (bytes_in, bytes_out);
    }

    /// Bytes in and out of each second, oldest first.
    pub fn seconds(&self) -> impl ExactSizeIterator<Item = (u64, u64)> {
        self.seconds.iter().copied()
    }

    /// Bytes in and out of the last whole second.
    pub fn last(&self) -> (u64, u64) {
        self.seconds.back().copied().unwrap_or_default()
    }

    /// Whether nothing has moved for the whole time that is kept.
    pub fn quiet(&self) -> bool {
        self.seconds.iter().all(|second| *second == (0, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_both_loopbacks_of_which_one_will_do() {
        let one = |text: &str| Listen::parse(text.split(',')).unwrap().wanted();
        let (v4, v6): (IpAddr, IpAddr) = ("127.0.0.1".parse().unwrap(), "::1".parse().unwrap());
        assert_eq!(Listen::default().wanted(), [(v4, false), (v6, false)]);
        assert_eq!(one("localhost"), [(v4, false), (v6, false)]);
        assert_eq!(one("localhost,127.0.0.1"), [(v4, true), (v6, false)]);
        assert_eq!(one("::1,::1"), [(v6, true)]);
        assert_eq!(Listen::parse(["example.org"]).unwrap_err(), "example.org is not a valid IP");
        let exposed: Vec<IpAddr> = Listen::parse(["0.0.0.0", "127.0.0.2"]).unwrap().exposed().collect();
        assert_eq!(exposed, ["0.0.0.0".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn rates_are_differences_and_of_a_minute() {
        let mut rates = Rates::default();
        for second in 1..=70 {
            rates.push(second * 10, 5);
        }
        assert_eq!(rates.seconds().len(), 60);
        assert_eq!(rates.last(), (10, 0));
        assert!(!rates.quiet());
        for _ in 0..60 {
            rates.push(700, 5);
        }
        assert!(rates.quiet());
    }
}
