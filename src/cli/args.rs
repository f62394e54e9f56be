//! The grammar of the command line: flags with kubectl's names, and the commands.
//!
//! What it is: text to values. What it is not: it reads no file, no environment beyond what clap needs, and decides
//! nothing; `kdisco --version` ends here.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub mod access;
pub mod dns;
pub mod doctor;
mod env;
mod explore;
mod forward;
mod output;
pub mod proxy;

pub use env::{EnvArgs, EnvForm};
pub use explore::{Explore, Origin, Scale};
pub use forward::{Balance, Events, Forward};
pub use output::{Form, KeysForm, Once, Output};

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "kdisco",
    version,
    about = "Explore Kubernetes service discovery: Services, endpoints, DNS names and container environments",
    long_about = "Explore Kubernetes service discovery: which Services there are, what is behind each and why \
                  nothing is, which DNS names exist, and which variables each container sees.\n\nWithout a command \
                  it opens the explorer on the current context of your kubeconfig.",
    after_help = "Try it without a cluster: kdisco --demo\nExit codes: 0 fine, 1 problems or nothing found, \
                  2 usage, 3 cluster unreachable, 4 forbidden",
    max_term_width = 100,
    infer_long_args = false,
    disable_help_subcommand = false
)]
pub struct Args {
    /// What it works on and how it looks.
    #[command(flatten)]
    pub explore: Explore,
    /// What to do; without one the explorer opens.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Services as `kubectl get services` prints them, with their ready endpoints
    #[command(visible_alias = "svc", alias = "service")]
    Services {
        /// Names (web, svc/web, shop/web); all without one
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// How it is printed.
        #[command(flatten)]
        output: Output,
    },
    /// What is behind Services: a line an address, all slices merged
    #[command(visible_alias = "ep", alias = "endpoint")]
    Endpoints {
        /// Services (web, svc/web, shop/web); all without one
        #[arg(value_name = "SERVICE")]
        names: Vec<String>,
        /// How it is printed.
        #[command(flatten)]
        output: Output,
    },
    /// DNS records that exist, computed from the API
    Dns {
        /// Services or pods (web, svc/web, pod/web-0, shop/web); all Services without one
        #[arg(value_name = "SERVICE|POD")]
        names: Vec<String>,
        /// The state of the DNS server instead: pods, Corefile, version, what it counts
        #[arg(long, conflicts_with = "names")]
        health: bool,
        /// How it is printed.
        #[command(flatten)]
        output: Output,
    },
    /// The resolv.conf that pods have
    #[command(visible_alias = "resolv")]
    Resolvconf {
        /// Pods (web-0, pod/web-0, shop/web-0); all without one
        #[arg(value_name = "POD")]
        names: Vec<String>,
        /// How it is printed.
        #[command(flatten)]
        output: Output,
    },
    /// What a name resolves to, asked of the cluster's own DNS or computed, as a pod would find it
    Resolve(dns::Resolve),
    /// What the cluster's DNS says against what the API's objects make it say
    Check(dns::Check),
    /// Why a name does not resolve from somewhere, or why nothing answers behind it
    Doctor(doctor::Doctor),
    /// Environment variables that containers have, and those they lack until a restart
    Env {
        /// Pods (web-0, pod/web-0, shop/web-0); all without one
        #[arg(value_name = "POD")]
        names: Vec<String>,
        /// What is looked at and how it is printed.
        #[command(flatten)]
        args: EnvArgs,
    },
    /// Restart what owns the containers that lack a Service's variables or hold old ones
    #[command(
        long_about = "Restart what owns the containers that lack a Service's variables or hold old ones: a \
                            rollout restart of their Deployment, StatefulSet or DaemonSet, or deletion of a pod that \
                            has none. Every object that will change is named first, and it asks before it does \
                            anything."
    )]
    Restart {
        /// Services (web, svc/web, shop/web), or pods (pod/web-0) that are restarted whatever they have
        #[arg(value_name = "SERVICE", required = true)]
        names: Vec<String>,
        /// Do it without asking
        #[arg(short, long)]
        yes: bool,
        /// Delete pods too that nothing makes again
        #[arg(long)]
        force: bool,
        /// Say what would be done and change nothing
        #[arg(long, value_name = "WHERE")]
        dry_run: Option<DryRunAt>,
    },
    /// What your rights let work, what is missing, and the role that would allow it
    Access(access::Flags),
    /// The API server on this machine, as `kubectl proxy` serves it: same flags, same filter
    Proxy(proxy::Flags),
    /// Port-forwards that stay, as `kubectl port-forward`; each new connection goes to a ready pod
    #[command(visible_alias = "port-forward", alias = "pf")]
    Forward(Forward),
    /// Script that completes commands and flags in a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Manual page, in roff
    Man {
        /// The page of this command
        #[arg(value_name = "COMMAND")]
        command: Option<String>,
    },
    /// Settings in force, and where each was set
    Config,
    /// Keys in force
    Keys {
        /// Form
        #[arg(short, long, value_name = "FORM", default_value = "table")]
        output: KeysForm,
    },
}

/// Where a change is only tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DryRunAt {
    /// print what would be done
    Client,
    /// and let the API server check it
    Server,
}

/// The grammar itself, for completions and the manual page.
pub fn grammar() -> clap::Command {
    Args::command()
}

/// Reads the command line. A program that is called `kubectl-disco` calls itself `kubectl disco`, as kubectl's
/// plugins do.
///
/// # Errors
/// What is wrong with it, or the help or version that was asked for.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Args, clap::Error> {
    let words: Vec<OsString> = words.into_iter().collect();
    let mut grammar = grammar();
    if called_by_kubectl(words.first()) {
        grammar = grammar.bin_name("kubectl disco");
    }
    let mut matches = grammar.try_get_matches_from_mut(words)?;
    Args::from_arg_matches_mut(&mut matches).map_err(|e| e.format(&mut grammar))
}

fn called_by_kubectl(name: Option<&OsString>) -> bool {
    name.map(std::path::Path::new).and_then(|path| path.file_stem()).is_some_and(|stem| {
        stem.to_str().is_some_and(|stem| stem == "kubectl-disco" || stem == "kubectl-kdisco")
    })
}

#[cfg(test)]
mod tests;
