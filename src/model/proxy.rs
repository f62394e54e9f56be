//! The API proxy as others see it: where it listens, how far it is open, what went through it.
//!
//! What it is: values. What it is not: the proxy itself, which is `session`'s.

use super::Text;
use super::time::Timestamp;

/// How far an API proxy is open, from what it was started with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a way to be open that is told by itself")]
pub struct Openness {
    /// Only GET and HEAD pass, no upgrades, and no pages of other origins.
    pub narrow: bool,
    /// It listens on addresses that other machines reach.
    pub beyond_loopback: bool,
    /// It answers to names that are not this machine's.
    pub foreign_hosts: bool,
    /// It has no filter at all.
    pub unfiltered: bool,
}

impl Openness {
    /// What that exposes, in plain words, a sentence each; nothing for what is usual.
    pub fn dangers(self) -> Vec<&'static str> {
        let mut said = Vec::new();
        if self.beyond_loopback {
            said.push(
                "Everybody who can reach this address acts in the cluster with all rights of your kubeconfig, \
                 without a password and over plain HTTP.",
            );
        }
        if self.unfiltered {
            said.push(
                "Without the filter any web page that you open can use your rights in the cluster (XSRF, DNS \
                 rebinding), commands in pods (exec, attach) included.",
            );
        } else if self.foreign_hosts {
            said.push(
                "It answers to any host name: a web page that you open can make your browser use your rights in \
                 the cluster (DNS rebinding).",
            );
        }
        said
    }
}

/// The state of a running (or ended) API proxy. Counts are since its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyStatus {
    /// Where it listens, as it is printed: `127.0.0.1:8001`, or the path of a socket.
    pub address: Text,
    /// How far it is open.
    pub openness: Openness,
    /// Since when.
    pub started: Timestamp,
    /// Requests that came in.
    pub requests: u64,
    /// Requests and upgraded connections that are open now.
    pub open: u64,
    /// Requests that were refused: by the filter, by the narrow mode, or because they were malformed.
    pub rejected: u64,
    /// Requests whose answer did not come from the API server because it could not be reached.
    pub failed: u64,
    /// Bytes from clients to the server, headers not counted.
    pub up: u64,
    /// Bytes from the server to clients, headers not counted.
    pub down: u64,
    /// The last failure, and when.
    pub last_error: Option<(Timestamp, Text)>,
    /// Why it ended, once it has.
    pub ended: Option<Text>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_exposes_is_told() {
        let usual = Openness::default();
        assert!(usual.dangers().is_empty());
        assert!(Openness { narrow: true, ..usual }.dangers().is_empty());
        let all = Openness { beyond_loopback: true, foreign_hosts: true, unfiltered: true, narrow: false };
        assert_eq!(all.dangers().len(), 2);
        assert!(Openness { foreign_hosts: true, ..usual }.dangers()[0].contains("DNS rebinding"));
    }
}
