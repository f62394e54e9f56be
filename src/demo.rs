//! A small world to try things on: a Kubernetes API server on loopback, with everything behind it.
//!
//! What it is: an HTTP/1.1 server that kubectl and kdisco can be pointed at by an ordinary kubeconfig, a cluster whose
//! pods come and go, programs that listen in the pods, and a CoreDNS whose answers stand in a written zone
//! (`assets/demo`). What it is not: it shares no rule with the rest of kdisco. If what kdisco predicts were what the
//! demo answers by the same code, their agreement would prove nothing; so this module uses `wire` and nothing else.
//!
//! `cli` starts it for `--demo`; tests start it for themselves.

mod api;
mod inside;
mod resource;
mod select;
mod store;
mod stream;
mod world;

pub use self::api::faults::{Failure, Faults, Scope};
pub use self::stream::session::Forwarding;

use self::api::rights::{ADMIN, User, VIEWER};
use self::api::server::{Shared, serve};
use self::world::World;
use crate::files;
use jiff::Timestamp;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How the world's time passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// With the clock on the wall.
    #[default]
    Wall,
    /// Only by [`Demo::step`], as tests need it.
    Stepped,
}

/// What kind of demo to start.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A generated world of so many Services and pods in place of the written one.
    pub scale: Option<(usize, usize)>,
    /// Whether the written script of comings and goings is played.
    pub script: bool,
    /// How time passes.
    pub clock: Clock,
    /// How port-forwards behave.
    pub forwarding: Forwarding,
}

/// A running demo cluster. Dropping it stops the servers and removes its files.
pub struct Demo {
    shared: Arc<Shared>,
    address: SocketAddr,
    files: PrivateDirectory,
    /// Ends what the requests have left running.
    _alive: watch::Sender<()>,
    /// Aborted when dropped.
    _tasks: JoinSet<()>,
}

/// Starts a demo cluster on a port of 127.0.0.1 that the system chooses.
///
/// # Errors
/// When no port can be bound, the kubeconfig cannot be written, or a file of `assets/demo` cannot be read.
pub async fn start(options: Options) -> io::Result<Demo> {
    let now = Timestamp::now();
    let world = World::story(now, options.script, options.scale).map_err(io::Error::other)?;
    let (alive, living) = watch::channel(());
    let shared = Arc::new(Shared::new(world, options.clock, options.forwarding, living));
    let mut tasks = JoinSet::new();
    let mut addresses = Vec::new();
    for user in [User::Admin, User::Viewer] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        addresses.push(listener.local_addr()?);
        tasks.spawn(serve(listener, Arc::clone(&shared), user));
    }
    if options.clock == Clock::Wall {
        tasks.spawn(Arc::clone(&shared).keep_time());
    }
    let files = PrivateDirectory::create()?;
    files.write("kubeconfig", &kubeconfig(addresses[0], addresses[1]))?;
    Ok(Demo { shared, address: addresses[0], files, _alive: alive, _tasks: tasks })
}

impl Demo {
    /// The kubeconfig, readable by its owner only: context `demo`, and `demo-viewer`, which may do next to nothing.
    pub fn kubeconfig(&self) -> &Path {
        &self.files.kubeconfig
    }

    /// The URL of the API server.
    pub fn server(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets so much of the world's time pass at once.
    pub fn step(&self, time: Duration) {
        let mut world = self.shared.world();
        let to = world.now() + jiff::SignedDuration::try_from(time).unwrap_or(jiff::SignedDuration::MAX);
        world.advance(to);
    }

    /// What goes wrong; nothing until something is added.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Forgets all earlier revisions, as etcd's compaction does: watches from before get 410 Gone.
    pub fn compact(&self) {
        self.shared.world().store.compact();
    }
}

/// A directory of one's own in the system's place for temporary files; removed with all that is in it.
struct PrivateDirectory {
    path: PathBuf,
    kubeconfig: PathBuf,
}

impl PrivateDirectory {
    fn create() -> io::Result<Self> {
        use std::hash::{BuildHasher as _, RandomState};
        for attempt in 0..64_u32 {
            let chance = RandomState::new().hash_one(attempt);
            let path = std::env::temp_dir().join(format!("kdisco-demo-{}-{chance:016x}", std::process::id()));
            match files::directories().create(&path) {
                Ok(()) => return Ok(Self { kubeconfig: path.join("kubeconfig"), path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("no free name for a temporary directory"))
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        files::create(&self.path.join(name), text.as_bytes())
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        // Nothing can be done about a directory that does not go, and nobody is left to be told.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// The kubeconfig of both users. They have a server of their own each, because kubectl sends no token over plain HTTP.
fn kubeconfig(admin: SocketAddr, viewer: SocketAddr) -> String {
    format!(
        "apiVersion: v1
kind: Config
preferences: {{}}
current-context: {ADMIN}
clusters:
- name: {ADMIN}
  cluster:
    server: http://{admin}
- name: {VIEWER}
  cluster:
    server: http://{viewer}
contexts:
- name: {ADMIN}
  context:
    cluster: {ADMIN}
    user: {ADMIN}
    namespace: default
- name: {VIEWER}
  context:
    cluster: {VIEWER}
    user: {VIEWER}
    namespace: default
users:
- name: {ADMIN}
  user:
    token: {ADMIN}
- name: {VIEWER}
  user:
    token: {VIEWER}
"
    )
}
