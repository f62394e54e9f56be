//! The explorer's API proxy: one that runs or none, over the connection to the cluster.
//!
//! What it is: `session`'s proxy and `cluster`'s client put together, and errors as problems. What it is not: it asks
//! nobody whether a wide one may be opened ([`crate::model::proxy::Openness::dangers`] says what to ask), and keeps no
//! list.

use std::io;
use std::sync::Arc;

use tokio::sync::watch;

use crate::app::Problem;
use crate::cluster::client::Client;
use crate::model::proxy::ProxyStatus;
use crate::session::proxy::{self, Proxy, ProxyError, ProxySpec};

/// A running proxy; dropping it closes it.
#[derive(Debug)]
pub struct ApiProxy(Proxy);

impl ApiProxy {
    /// Starts one over a connection. [`ProxySpec::narrow`] is what needs no confirmation.
    ///
    /// # Errors
    /// A port that can't be had, expressions that are none.
    pub async fn start(client: &Client, spec: ProxySpec) -> Result<Self, Problem> {
        let passing = client.passing(false);
        proxy::start(spec, passing).await.map(Self).map_err(|error| problem(&error))
    }

    /// Where it listens: `127.0.0.1:8001`.
    pub fn address(&self) -> &str {
        self.0.address()
    }

    /// What goes through it; changes at most every 200 ms.
    pub fn status(&self) -> watch::Receiver<Arc<ProxyStatus>> {
        self.0.status()
    }

    /// Closes it, and returns when the listener and all its connections are closed.
    pub async fn stop(self) {
        self.0.stop().await;
    }
}

fn problem(error: &ProxyError) -> Problem {
    let hint = match error {
        ProxyError::Listen { error, .. } if error.kind() == io::ErrorKind::AddrInUse => {
            "Choose another port, or stop the program that uses it."
        }
        ProxyError::Listen { error, .. } if error.kind() == io::ErrorKind::PermissionDenied => {
            "Ports from 1024 on need no rights."
        }
        _ => "",
    };
    Problem { what: "the API proxy can't start".into(), why: error.to_string(), hint: hint.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_told_with_what_to_do() {
        let error = io::Error::from(io::ErrorKind::AddrInUse);
        let told = problem(&ProxyError::Listen { address: "127.0.0.1:8001".to_owned(), error });
        assert!(told.why.contains("127.0.0.1:8001") && told.hint.contains("another port"), "{told:?}");
    }
}
