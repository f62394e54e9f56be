//! One port-forward: a listener that stays, and each new connection to a pod that can take it.
//!
//! What it is: [`start`] listens, chooses, carries, and says what is true. What it is not: it watches nothing (what
//! is behind it is handed in as [`Backends`]) and asks for no rights. Dropping [`Forward`] ends its connections and
//! closes its listeners.

mod balance;
mod connection;
mod listen;
mod owner;
mod status;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use self::balance::Balance;
use self::listen::Bound;
use self::status::Live;
use super::stream::Tunnels;
use crate::model::Text;
use crate::model::session::backends::Backends;
use crate::model::session::{Choice, ForwardId, ForwardSpec, ForwardStatus};
use crate::model::target::{LocalPort, RemotePort, TargetKind};
use crate::model::time::Timestamp;

/// To so many pods a connection is kept open ahead.
const WARM: usize = 4;
/// How often pods that could not be reached are tried again, and quiet ones are probed.
const PROBE: Duration = Duration::from_secs(10);

/// What a forward starts with.
pub struct Start {
    /// Its number.
    pub id: ForwardId,
    /// The context it belongs to.
    pub context: Text,
    /// What it is to do.
    pub spec: ForwardSpec,
    /// The way to the pods.
    pub tunnels: Tunnels,
    /// What is behind it; always the latest.
    pub backends: watch::Receiver<Arc<Backends>>,
    /// The clock of what is told.
    pub clock: fn() -> Timestamp,
    /// Who wants to know each change of the status; called at most every few dozen milliseconds.
    pub publish: Box<dyn Fn(ForwardStatus) + Send + Sync>,
}

/// A running forward. Dropping it stops it.
#[derive(Debug)]
pub struct Forward {
    work: JoinHandle<()>,
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.work.abort();
    }
}

/// What all connections of a forward share.
struct Core {
    spec: ForwardSpec,
    tunnels: Tunnels,
    backends: watch::Receiver<Arc<Backends>>,
    balance: Balance,
    live: Live,
    /// Places for connections.
    places: Arc<Semaphore>,
}

/// Starts a forward. Must be called inside a tokio runtime. What goes wrong shows in the status.
pub fn start(start: Start) -> Forward {
    let Start { id, context, spec, tunnels, backends, clock, publish } = start;
    let core = Arc::new(Core {
        live: Live::new(id, context, &spec, clock),
        balance: Balance::new(&spec.choice),
        places: Arc::new(Semaphore::new(spec.max_connections.max(1))),
        spec,
        tunnels,
        backends,
    });
    let work = tokio::spawn(async move {
        let mut tasks = JoinSet::new();
        let publisher = core.clone();
        tasks.spawn(async move { publisher.live.publish_all(&publish).await });
        core.clone().run().await;
        // Only a forward that can't go on gets here: what it died of is told before it ends.
        while tasks.join_next().await.is_some() {}
    });
    Forward { work }
}

impl Core {
    async fn run(self: Arc<Self>) {
        let bound = match self.listen().await {
            Ok(bound) => bound,
            Err(why) => return self.live.close(&why),
        };
        self.live.listening(&bound);
        self.judge();
        let mut tasks = JoinSet::new();
        for listener in bound.listeners {
            tasks.spawn(self.clone().accept(listener));
        }
        tasks.spawn(self.clone().follow());
        tasks.spawn(self.clone().probe());
        while tasks.join_next().await.is_some() {}
    }

    /// Listens, when it is known where: the number of a named port is the cluster's to say.
    async fn listen(&self) -> Result<Bound, String> {
        let mut backends = self.backends.clone();
        let facts = backends.wait_for(|backends| backends.certain).await;
        let facts = facts.map_err(|_| "the session has ended".to_owned())?.clone();
        if let Some(wrong) = &facts.wrong {
            return Err(wrong.to_string());
        }
        let port = match (self.spec.port.local, &self.spec.port.remote) {
            (LocalPort::Any, _) => 0,
            (LocalPort::Fixed(port), _) => port,
            (LocalPort::Same, RemotePort::Number(port)) => *port,
            (LocalPort::Same, RemotePort::Name(_)) => {
                let facts = backends.wait_for(|b| b.own_port.is_some() || b.wrong.is_some()).await;
                let facts = facts.map_err(|_| "the session has ended".to_owned())?.clone();
                match (facts.own_port, &facts.wrong) {
                    (Some(port), _) => port,
                    (None, wrong) => return Err(wrong.as_deref().unwrap_or("no such port").to_owned()),
                }
            }
        };
        listen::bind(&self.spec.listen, port, self.spec.taken).await
    }

    /// Takes connections, as many at once as there are places.
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            let Ok(place) = self.places.clone().acquire_owned().await else { return };
            let accepted = listener.accept().await;
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((socket, _)) => {
                    let core = self.clone();
                    connections.spawn(async move {
                        core.connection(socket).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, or a client that went before it was taken.
                    self.live.problem(&format!("a connection could not be taken: {error}"));
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// Follows what is behind: the state, and connections that are open ahead.
    async fn follow(self: Arc<Self>) {
        let mut backends = self.backends.clone();
        let (mut warm, mut opening) = (HashSet::<Text>::new(), JoinSet::new());
        let mut known = Vec::new();
        loop {
            let ready = backends.borrow_and_update().clone();
            self.judge();
            let left = known.iter().filter(|pod| !ready.ready.iter().any(|b| b.pod == **pod));
            self.balance.changed(left, &ready.ready, Instant::now());
            known = ready.ready.iter().map(|b| b.pod.clone()).collect();
            let count = if self.spec.choice == Choice::Kubectl { 1 } else { WARM };
            let wanted: HashSet<Text> = ready.ready.iter().take(count).map(|b| b.pod.clone()).collect();
            for pod in warm.difference(&wanted) {
                self.tunnels.cool(&self.spec.target.namespace, pod);
            }
            for pod in wanted.difference(&warm) {
                let (core, pod) = (self.clone(), pod.clone());
                opening.spawn(async move {
                    if let Err(error) = core.tunnels.warm(&core.spec.target.namespace, &pod).await {
                        core.live.problem(&error.to_string());
                    }
                });
            }
            warm = wanted;
            while opening.try_join_next().is_some() {}
            if backends.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Asks now and then whether the way to the pod is still there, when nothing else shows it.
    async fn probe(self: Arc<Self>) {
        loop {
            tokio::time::sleep(PROBE).await;
            let backends = self.backends.borrow().clone();
            let pod = self.live.pod().filter(|pod| backends.ready.iter().any(|b| b.pod == *pod));
            let Some(pod) = pod.or_else(|| backends.ready.first().map(|b| b.pod.clone())) else { continue };
            match self.tunnels.probe(&self.spec.target.namespace, &pod).await {
                Ok(()) => self.live.way_is_there(),
                Err(error) => self.live.way_is_lost(&error.to_string()),
            }
        }
    }

    /// Tells the status what is behind.
    fn judge(&self) {
        let backends = self.backends.borrow().clone();
        self.live.backends(&backends);
        if let Some(wrong) = &backends.wrong
            && self.spec.target.kind == TargetKind::Service
        {
            self.live.problem(wrong);
        }
    }
}
