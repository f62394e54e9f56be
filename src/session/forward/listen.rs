//! Listening where it was asked for, or as near to it as can be.
//!
//! What it is: kubectl's rules for addresses (both loopbacks, of which one will do), and another port when the wanted
//! one is taken. What it is not: it takes no connections.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpListener;

use super::owner;
use crate::model::session::{Listen, Taken, TakenPort};

/// So many ports after the wanted one are tried.
const NEXT: u16 = 100;
/// What is added to a port that this user may not have.
const UNPRIVILEGED: u16 = 8000;

/// Listeners, and the port that could not be had.
pub(super) struct Bound {
    pub(super) listeners: Vec<TcpListener>,
    pub(super) local: Vec<SocketAddr>,
    pub(super) taken: Option<TakenPort>,
}

/// Listens on a port, 0 for any.
pub(super) async fn bind(listen: &Listen, port: u16, taken: Taken) -> Result<Bound, String> {
    let wanted = listen.wanted();
    let error = match all(&wanted, port).await {
        Ok(listeners) => return Ok(bound(listeners, None)),
        Err(error) => error,
    };
    let privileged = error.kind() == io::ErrorKind::PermissionDenied && port < 1024;
    if !privileged && error.kind() != io::ErrorKind::AddrInUse {
        return Err(format!("can't listen on port {port}: {error}"));
    }
    let by = if privileged { None } else { owner::of(port).await.map(Into::into) };
    let note = TakenPort { port, by, privileged };
    if taken == Taken::Fail {
        return Err(words(&note));
    }
    let first = if privileged { port + UNPRIVILEGED } else { port.saturating_add(1) };
    for next in first..=first.saturating_add(NEXT) {
        if let Ok(listeners) = all(&wanted, next).await {
            return Ok(bound(listeners, Some(note)));
        }
    }
    all(&wanted, 0).await.map(|listeners| bound(listeners, Some(note.clone()))).map_err(|_| words(&note))
}

/// Why a port could not be had, in a sentence.
pub(super) fn words(taken: &TakenPort) -> String {
    let port = taken.port;
    match &taken.by {
        _ if taken.privileged => {
            format!("ports below 1024 need more rights than you have: {port} can't be listened on")
        }
        Some(by) => format!("port {port} is taken by {by}"),
        None => format!("port {port} is taken"),
    }
}

fn bound(listeners: Vec<TcpListener>, taken: Option<TakenPort>) -> Bound {
    let local = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    Bound { listeners, local, taken }
}

/// Listens on the same port of every address that must be, and of those that can.
async fn all(wanted: &[(IpAddr, bool)], mut port: u16) -> io::Result<Vec<TcpListener>> {
    let (mut listeners, mut last) = (Vec::new(), None);
    for (address, must) in wanted {
        match TcpListener::bind(SocketAddr::new(*address, port)).await {
            Ok(listener) => {
                port = listener.local_addr()?.port();
                listeners.push(listener);
            }
            // Somebody has the port on one loopback: who connects to `localhost` could meet either.
            Err(error) if *must || error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_gives_way_to_the_next_and_its_owner_is_named() {
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = other.local_addr().unwrap().port();
        let listen = Listen::parse(["127.0.0.1"]).unwrap();
        let got = bind(&listen, port, Taken::NextFree).await.unwrap();
        assert_ne!(got.local[0].port(), port);
        let taken = got.taken.unwrap();
        assert_eq!((taken.port, taken.privileged), (port, false));
        #[cfg(target_os = "linux")]
        assert!(
            taken.by.as_deref().unwrap().contains(&format!("process {}", std::process::id())),
            "{taken:?}"
        );
        let refused = bind(&listen, port, Taken::Fail).await.err().unwrap();
        assert!(refused.starts_with(&format!("port {port} is taken")), "{refused}");
    }

    #[tokio::test]
    async fn any_port_is_the_same_on_both_loopbacks() {
        let got = bind(&Listen::default(), 0, Taken::Fail).await.unwrap();
        assert!(
            got.local.iter().all(|local| local.port() == got.local[0].port() && local.ip().is_loopback())
        );
    }
}
