//! `kdisco proxy`: the API server on this machine, in place of `kubectl proxy`.
//!
//! What it is: kubectl's flags, warnings and output line around the proxy of `session`. What it is not: the explorer's
//! proxy, which is narrow; here everything is as wide as kubectl's.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::args::proxy::{Flags, Form, PORT};
use super::args::{Explore, Origin};
use super::explore::{overrides, start_demo};
use super::failure::{Exit, Failure, Stop, tell};
use super::live::failed;
use super::report::{API_VERSION, document};
use super::wait::wait_on_one_thread;
use crate::app::Problem;
use crate::cluster::client::{Client, Terminal};
use crate::cluster::kubeconfig::{self, Environment, Kubeconfig, Overrides};
use crate::model::proxy::ProxyStatus;
use crate::model::text::clean;
use crate::model::time::Timestamp;
use crate::runtime::clock::SystemClock;
use crate::runtime::wake;
use crate::session::proxy::filter::FilterSpec;
use crate::session::proxy::{self, Listen, Proxy, ProxyError, ProxySpec};

/// Serves until it is interrupted.
pub(super) fn run(explore: &Explore, flags: &Flags, out: &mut impl Write) -> Result<Exit, Stop> {
    let spec = spec(flags)?;
    wait_on_one_thread(serve(explore, flags, spec, out))
}

fn spec(flags: &Flags) -> Result<ProxySpec, Failure> {
    let usage = |what: &str, why: &str, hint: &str| Err(Failure::new(Exit::Usage, what, why, hint));
    let socket = !flags.unix_socket.is_empty();
    if socket && flags.port != PORT {
        return usage("cannot set --unix-socket and --port at the same time", "", "Leave out one of them.");
    }
    if kubeconfig::parse_timeout(&flags.keepalive).is_err() {
        return usage("--keepalive can't be used", "It is no duration.", "Give 30s, 5m or 0.");
    }
    let files = Some(&flags.www).filter(|path| !path.is_empty()).map(PathBuf::from);
    let filter = FilterSpec {
        accept_paths: flags.accept_paths.clone(),
        reject_paths: flags.reject_paths.clone(),
        accept_hosts: flags.accept_hosts.clone(),
        reject_methods: flags.reject_methods.clone(),
    };
    Ok(ProxySpec {
        listen: if socket {
            Listen::Unix(PathBuf::from(&flags.unix_socket))
        } else {
            Listen::Tcp { address: flags.address.clone(), port: flags.port, next_free: false }
        },
        api_prefix: flags.api_prefix.clone(),
        files,
        files_prefix: flags.www_prefix.clone(),
        filter: (!flags.disable_filter).then_some(filter),
        narrow: false,
    })
}

async fn serve(
    explore: &Explore,
    flags: &Flags,
    spec: ProxySpec,
    out: &mut impl Write,
) -> Result<Exit, Stop> {
    // Before anything listens: a signal that comes at once is not lost.
    let interrupted = interruption();
    // Kept until the end: dropping it stops the demo cluster.
    let demo = match explore.origin() {
        Origin::Demo(scale) => Some(start_demo(scale.map(|s| (s.services, s.pods))).await?),
        Origin::Objects(_) => {
            let (what, why) = ("a saved file can't be served", "There is no API server behind it.");
            return Err(Failure::new(Exit::Usage, what, why, "Leave out --objects.").into());
        }
        Origin::Cluster => None,
    };
    let overrides = overrides(explore)?;
    let kubeconfig = demo.as_ref().map(|demo| demo.kubeconfig().to_owned());
    let overrides = Overrides { kubeconfig: kubeconfig.or(overrides.kubeconfig.clone()), ..overrides };
    let target = Kubeconfig::load(&overrides, &Environment::of_process())
        .and_then(|kubeconfig| kubeconfig.target())
        .map_err(|e| failed(e.into()))?;
    let (context, path) = (target.context.clone(), target.server.path().trim_end_matches('/').to_owned());
    let client = Client::new(target, Terminal::Shared).map_err(failed)?;
    warn_before(flags, &path);
    let passing = client.passing(flags.append_server_path);
    let proxy = proxy::start(spec, passing).await.map_err(|error| cannot_start(&error, flags))?;
    for danger in proxy.openness().dangers() {
        // kubectl does not warn of a filter that is off behind a socket: only its owner gets there.
        if flags.unix_socket.is_empty() {
            warn(danger, "");
        }
    }
    let mut events = Events { form: flags.output, context: Some(context).filter(|c| !c.is_empty()), out };
    events.listening(&proxy)?;
    tokio::select! {
        result = events.follow(&proxy) => result?,
        () = proxy.closed() => {
            let why = proxy.status().borrow().ended.clone().unwrap_or_default();
            events.tell("closed", proxy.address(), &why)?;
            return Err(Failure::new(Exit::Problems, "the proxy has ended", &*why, "").into());
        }
        () = interrupted => {}
        // Connections that did not outlive a sleep are not used again.
        () = wake::mind(&SystemClock, |_| client.forget_connections()) => {}
    }
    events.closed(&proxy)?;
    proxy.stop().await;
    Ok(Exit::Fine)
}

/// Ctrl-C, or the end that others ask for.
async fn interruption() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// What kubectl warns of before it listens.
fn warn_before(flags: &Flags, server_path: &str) {
    if !flags.append_server_path && !server_path.is_empty() {
        let what = format!("the kubeconfig's server has a path, {server_path}, which is left out");
        warn(&what, "Use --append-server-path to put it before each path.");
    }
    if !flags.disable_filter {
        for (flag, list) in [("reject-paths", &flags.reject_paths), ("reject-methods", &flags.reject_methods)]
        {
            if list.is_empty() {
                warn(&format!("the filter has been relaxed: --{flag} is empty and rejects nothing"), "");
            }
        }
    }
    if !flags.www.is_empty() {
        check_directory(Path::new(&flags.www));
    }
}

fn check_directory(www: &Path) {
    match std::fs::metadata(www) {
        Ok(about) if about.is_dir() => {}
        Ok(_) => warn(&format!("--www {} is no directory", www.display()), ""),
        Err(error) => warn(&format!("--www {}: {error}", www.display()), ""),
    }
}

fn warn(what: &str, hint: &str) {
    let problem = Problem { what: what.into(), hint: hint.into(), ..Problem::default() };
    tell(&mut io::stderr(), "warning", &problem);
}

fn cannot_start(error: &ProxyError, flags: &Flags) -> Failure {
    let what = "the proxy can't start";
    match error {
        ProxyError::Listen { address, error } if error.kind() == io::ErrorKind::AddrInUse => Failure::new(
            Exit::Problems,
            format!("cannot listen on {address}"),
            "The address is in use by another program.",
            "Choose another port with --port, or any that is free with --port=0.",
        ),
        ProxyError::Listen { error, .. }
            if error.kind() == io::ErrorKind::PermissionDenied && flags.port < 1024 =>
        {
            Failure::new(
                Exit::Problems,
                what,
                format!("{error} (port {})", flags.port),
                "Ports from 1024 on need no rights.",
            )
        }
        ProxyError::Listen { .. } => Failure::new(Exit::Problems, what, error.to_string(), ""),
        _ => Failure::new(Exit::Usage, what, error.to_string(), "`kdisco proxy --help` shows the defaults."),
    }
}

/// What is told while the proxy runs.
struct Events<'a, W> {
    form: Form,
    context: Option<String>,
    out: &'a mut W,
}

impl<W: Write> Events<'_, W> {
    fn listening(&mut self, proxy: &Proxy) -> io::Result<()> {
        if self.form == Form::Plain {
            writeln!(self.out, "Starting to serve on {}", clean(proxy.address()))?;
            return self.out.flush();
        }
        self.tell("listening", proxy.address(), "")
    }

    /// Tells the first request that is answered and each failure, for ever.
    async fn follow(&mut self, proxy: &Proxy) -> io::Result<()> {
        if self.form == Form::Plain {
            return std::future::pending().await;
        }
        let (mut status, mut last, mut connected) = (proxy.status(), None, false);
        while status.changed().await.is_ok() {
            let now: ProxyStatus = (**status.borrow_and_update()).clone();
            if !connected && now.down > 0 {
                connected = true;
                self.tell("connected", &now.address, "")?;
            }
            if now.last_error != last {
                let why = now.last_error.as_ref().map(|(_, why)| why.to_string()).unwrap_or_default();
                self.tell("error", &now.address, &why)?;
                last = now.last_error;
            }
        }
        std::future::pending().await
    }

    fn closed(&mut self, proxy: &Proxy) -> io::Result<()> {
        self.tell("closed", proxy.address(), "interrupted")
    }

    fn tell(&mut self, event: &str, local: &str, reason: &str) -> io::Result<()> {
        if self.form == Form::Plain {
            return Ok(());
        }
        let reason = if reason.is_empty() { Value::Null } else { clean(reason).into() };
        let line = json!({
            "apiVersion": API_VERSION,
            "kind": "SessionEvent",
            "context": self.context,
            "at": Timestamp::now().to_string(),
            "session": "proxy",
            "event": event,
            "local": local,
            "target": Value::Null,
            "reason": reason,
        });
        document::json_line(&line, &mut self.out)?;
        self.out.flush()
    }
}
