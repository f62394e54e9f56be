//! The grammar of the command line: flags with kubectl's names, and the commands.
//!
//! What it is: text to values. What it is not: it reads no file, no environment beyond what clap needs, and decides
//! nothing; `kdisco --version` ends here.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::config::load::Flags;
use crate::model::env::export::Format;
use crate::model::time::Timestamp;

pub mod dns;
pub mod doctor;

const CLUSTER: &str = "Cluster and user (as kubectl)";
const LOOK: &str = "Look and configuration";
const SOURCE: &str = "Something else than your cluster";

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

/// What the explorer and every command work on, and how they look.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
#[derive(Clone, Default, clap::Args)]
pub struct Explore {
    /// Kubeconfig file to use, instead of $KUBECONFIG or ~/.kube/config
    #[arg(long, global = true, value_name = "FILE", help_heading = CLUSTER)]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, global = true, value_name = "NAME", help_heading = CLUSTER)]
    pub context: Option<String>,
    /// Cluster of the kubeconfig
    #[arg(long, global = true, value_name = "NAME", help_heading = CLUSTER)]
    pub cluster: Option<String>,
    /// User of the kubeconfig
    #[arg(long, global = true, value_name = "NAME", help_heading = CLUSTER)]
    pub user: Option<String>,
    /// Namespace, or several with commas between
    #[arg(short, long, global = true, value_name = "NAME", value_delimiter = ',', help_heading = CLUSTER)]
    pub namespace: Vec<String>,
    /// All namespaces
    #[arg(short = 'A', long, global = true, help_heading = CLUSTER)]
    pub all_namespaces: bool,
    /// Only objects with these labels (app=web, tier!=db, env in (a,b), !canary)
    #[arg(short = 'l', long, global = true, value_name = "LABELS", help_heading = CLUSTER)]
    pub selector: Option<String>,
    /// User to act as
    #[arg(long = "as", global = true, value_name = "USER", help_heading = CLUSTER)]
    pub as_user: Option<String>,
    /// Group to act as; may be repeated
    #[arg(long, global = true, value_name = "GROUP", help_heading = CLUSTER)]
    pub as_group: Vec<String>,
    /// UID to act as
    #[arg(long, global = true, value_name = "UID", help_heading = CLUSTER)]
    pub as_uid: Option<String>,
    /// How long one request may take (5s, 2m, 0 for no limit)
    #[arg(long, global = true, value_name = "TIME", help_heading = CLUSTER)]
    pub request_timeout: Option<String>,
    /// URL of the API server
    #[arg(short, long, global = true, value_name = "URL", help_heading = CLUSTER)]
    pub server: Option<String>,
    /// Name that the server's certificate has to be for
    #[arg(long, global = true, value_name = "NAME", help_heading = CLUSTER)]
    pub tls_server_name: Option<String>,
    /// Do not check the server's certificate
    #[arg(long, global = true, help_heading = CLUSTER)]
    pub insecure_skip_tls_verify: bool,
    /// File with the certificate authority
    #[arg(long, global = true, value_name = "FILE", help_heading = CLUSTER)]
    pub certificate_authority: Option<PathBuf>,
    /// File with a client certificate
    #[arg(long, global = true, value_name = "FILE", help_heading = CLUSTER)]
    pub client_certificate: Option<PathBuf>,
    /// File with the client certificate's key
    #[arg(long, global = true, value_name = "FILE", help_heading = CLUSTER)]
    pub client_key: Option<PathBuf>,
    /// Bearer token
    #[arg(long, global = true, value_name = "TOKEN", help_heading = CLUSTER)]
    pub token: Option<String>,
    /// User name for basic authentication
    #[arg(long, global = true, value_name = "NAME", help_heading = CLUSTER)]
    pub username: Option<String>,
    /// Password for basic authentication
    #[arg(long, global = true, value_name = "PASSWORD", help_heading = CLUSTER)]
    pub password: Option<String>,

    /// An embedded demo cluster
    #[arg(long, global = true, conflicts_with = "objects", help_heading = SOURCE)]
    pub demo: bool,
    /// A generated demo cluster of that many Services and pods (2000,10000)
    #[arg(
        long,
        global = true,
        value_name = "SERVICES,PODS",
        value_parser = parse_scale,
        conflicts_with = "objects",
        help_heading = SOURCE
    )]
    pub demo_scale: Option<Scale>,
    /// Objects that `kubectl get … -A -o json` saved (- for standard input)
    #[arg(long, global = true, value_name = "FILE", help_heading = SOURCE)]
    pub objects: Option<PathBuf>,
    /// What time it is, for ages (2026-01-31T12:00:00Z); with --objects the newest time of the file otherwise
    #[arg(long, global = true, value_name = "TIME", help_heading = SOURCE)]
    pub now: Option<Timestamp>,

    /// Theme: dark, light, high-contrast, ansi16, or a file
    #[arg(long, global = true, value_name = "NAME", help_heading = LOOK)]
    pub theme: Option<String>,
    /// Draw with ASCII alone
    #[arg(long, global = true, help_heading = LOOK)]
    pub ascii: bool,
    /// No colours
    #[arg(long, help = "No colours, as with $NO_COLOR", global = true, help_heading = LOOK)]
    pub no_color: bool,
    /// Configuration file, instead of ~/.config/kdisco/config.toml
    #[arg(long, global = true, value_name = "FILE", help_heading = LOOK)]
    pub config: Option<PathBuf>,
    /// Change nothing in the cluster: restarts are switched off
    #[arg(long, global = true, help_heading = LOOK)]
    pub read_only: bool,
    /// Write a log to this file
    #[arg(long, global = true, value_name = "FILE", help_heading = LOOK)]
    pub log_file: Option<PathBuf>,
}

impl std::fmt::Debug for Explore {
    /// Token and password stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Explore")
            .field("kubeconfig", &self.kubeconfig)
            .field("context", &self.context)
            .field("namespace", &self.namespace)
            .field("all_namespaces", &self.all_namespaces)
            .field("demo", &self.demo)
            .field("objects", &self.objects)
            .finish_non_exhaustive()
    }
}

/// Size of a generated demo cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Services.
    pub services: usize,
    /// Pods.
    pub pods: usize,
}

/// Where the facts come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A cluster, by the kubeconfig.
    Cluster,
    /// The demo cluster.
    Demo(Option<Scale>),
    /// A saved file.
    Objects(PathBuf),
}

impl Explore {
    /// Where the facts come from.
    pub fn origin(&self) -> Origin {
        match &self.objects {
            Some(file) => Origin::Objects(file.clone()),
            None if self.demo || self.demo_scale.is_some() => Origin::Demo(self.demo_scale),
            None => Origin::Cluster,
        }
    }

    /// What the flags say about settings.
    pub fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            theme: self.theme.clone(),
            ascii: self.ascii,
            no_color: self.no_color,
            log_file: self.log_file.clone(),
            read_only: self.read_only,
        }
    }

    /// The namespaces that were named, each once, in their order.
    pub fn namespaces(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for name in self.namespace.iter().map(|n| n.trim()).filter(|n| !n.is_empty()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
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
    Access(super::access::Flags),
    /// The API server on this machine, as `kubectl proxy` serves it: same flags, same filter
    Proxy(super::proxy::Flags),
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

/// What `env` looks at, and how it is printed.
#[derive(Clone, Debug, clap::Args)]
pub struct EnvArgs {
    /// Only this container
    #[arg(short, long, value_name = "NAME")]
    pub container: Option<String>,
    /// Read and print the values that come from Secrets
    #[arg(long)]
    pub show_secrets: bool,
    /// Run env in the containers and compare: what is equal, different, missing, not predicted
    #[arg(long)]
    pub verify: bool,
    /// Replace hosts and ports of Services by those of running forwards, and say which could not be
    #[arg(long)]
    pub local: bool,
    /// A forward to use besides those that run (mysql=127.0.0.1:13306, shop/web:http=localhost:8080)
    #[arg(long, value_name = "SERVICE[:PORT]=HOST:PORT")]
    pub forward: Vec<String>,
    /// How it is printed.
    #[command(flatten)]
    pub output: EnvOutput,
}

/// How an environment is printed.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct EnvOutput {
    /// Form
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORM",
        default_value = "table",
        hide_default_value = true
    )]
    pub form: EnvForm,
    /// Go on and print what changes
    #[arg(short, long)]
    pub watch: bool,
    /// Print no headings
    #[arg(long)]
    pub no_headers: bool,
}

/// Forms of an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EnvForm {
    /// a line a variable
    Table,
    /// more columns
    Wide,
    /// one kdisco/v1 document
    Json,
    /// the same document
    Yaml,
    /// names of the pods alone
    Name,
    /// one container's variables for dotenv libraries and Docker Compose
    Dotenv,
    /// one container's variables for a POSIX shell: eval "$(kdisco env POD -o shell)"
    Shell,
    /// one container's variables for docker run --env-file
    Docker,
}

impl EnvForm {
    /// The form of a list, if it is one.
    pub fn list(self) -> Option<Form> {
        Some(match self {
            Self::Table => Form::Table,
            Self::Wide => Form::Wide,
            Self::Json => Form::Json,
            Self::Yaml => Form::Yaml,
            Self::Name => Form::Name,
            Self::Dotenv | Self::Shell | Self::Docker => return None,
        })
    }

    /// The form for another program, if it is one.
    pub fn export(self) -> Option<Format> {
        Some(match self {
            Self::Dotenv => Format::Dotenv,
            Self::Shell => Format::Shell,
            Self::Docker => Format::DockerEnvFile,
            _ => return None,
        })
    }
}

/// Where a change is only tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DryRunAt {
    /// print what would be done
    Client,
    /// and let the API server check it
    Server,
}

/// What is forwarded, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct Forward {
    /// TYPE/NAME or a pod, and ports (80, 8080:http, :80); all ports of a Service without one. A later argument with
    /// a / begins another target
    #[arg(value_name = "TARGET [PORT]", required_unless_present = "profile", conflicts_with = "profile")]
    pub arguments: Vec<String>,
    /// Addresses to listen on, with commas between
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', default_value = "localhost")]
    pub address: Vec<String>,
    /// Listen on addresses that other computers can reach without asking
    #[arg(long)]
    pub expose: bool,
    /// How long a running pod is waited for at the start (0: for ever)
    #[arg(long, value_name = "TIME", default_value = "1m0s")]
    pub pod_running_timeout: String,
    /// How the pod of a new connection is chosen
    #[arg(long, value_name = "HOW", default_value = "round-robin")]
    pub balance: Balance,
    /// Start the forwards of this profile
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Keep these forwards as a profile of the context
    #[arg(long, value_name = "NAME")]
    pub save_profile: Option<String>,
    /// Print events instead of kubectl's lines
    #[arg(short, long, value_name = "FORM")]
    pub output: Option<Events>,
}

/// How the pod of a new connection is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Balance {
    /// ready pods in turn
    RoundRobin,
    /// the ready pod with the fewest connections
    LeastConnections,
    /// one pod, chosen as kubectl does, until it is gone
    Kubectl,
}

/// Forms of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Events {
    /// one JSON line each
    Json,
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Output {
    /// Form
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORM",
        default_value = "table",
        hide_default_value = true
    )]
    pub form: Form,
    /// Go on and print what changes
    #[arg(short, long)]
    pub watch: bool,
    /// Print no headings
    #[arg(long)]
    pub no_headers: bool,
}

/// Forms of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// kubectl's columns
    Table,
    /// more columns
    Wide,
    /// one kdisco/v1 document
    Json,
    /// the same document
    Yaml,
    /// names alone
    Name,
}

/// Forms of the list of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeysForm {
    /// aligned columns
    Table,
    /// a Markdown table
    Markdown,
    /// as in a configuration file
    Toml,
}

fn parse_scale(text: &str) -> Result<Scale, String> {
    let wrong = || "give two numbers with a comma between, as in 2000,10000".to_owned();
    let (services, pods) = text.split_once(',').ok_or_else(wrong)?;
    let number = |n: &str| n.trim().replace('_', "").parse().map_err(|_| wrong());
    Ok(Scale { services: number(services)?, pods: number(pods)? })
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
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Args, clap::Error> {
        parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn the_grammar_is_sound() {
        grammar().debug_assert();
    }

    #[test]
    fn without_a_command_everything_goes_to_the_explorer() {
        let args =
            read("kdisco --context prod -n shop,billing -n shop -l app=web --demo-scale 20,100").unwrap();
        assert!(args.command.is_none());
        assert_eq!(args.explore.context.as_deref(), Some("prod"));
        assert_eq!(args.explore.namespaces(), ["shop", "billing"]);
        assert_eq!(args.explore.origin(), Origin::Demo(Some(Scale { services: 20, pods: 100 })));
        assert_eq!(read("kdisco").unwrap().explore.origin(), Origin::Cluster);
        assert_eq!(read("kdisco --demo").unwrap().explore.origin(), Origin::Demo(None));
    }

    #[test]
    fn flags_stand_before_or_behind_the_command() {
        for line in
            ["kdisco -n shop svc web -o json --no-headers", "kdisco services web -o=json --no-headers -nshop"]
        {
            let args = read(line).unwrap();
            assert_eq!(args.explore.namespaces(), ["shop"], "{line}");
            let Some(Command::Services { names, output }) = args.command else { panic!("{line}") };
            assert_eq!((names, output.form, output.no_headers), (vec!["web".to_owned()], Form::Json, true));
        }
    }

    #[test]
    fn what_excludes_each_other_is_refused() {
        for line in
            ["kdisco --demo --objects f", "kdisco --demo-scale 1", "kdisco --now yesterday", "kdisco frob"]
        {
            assert_eq!(read(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn as_a_plugin_it_is_called_what_one_types() {
        let usage = |line| read(line).unwrap_err().to_string();
        assert!(
            usage("/usr/bin/kubectl-disco services -o xml").contains("kubectl disco services --help")
                || usage("/usr/bin/kubectl-disco services --bogus").contains("Usage: kubectl disco services")
        );
        assert!(usage("kubectl-disco --help").contains("Usage: kubectl disco [OPTIONS] [COMMAND]"));
        assert!(usage("kdisco --help").contains("Usage: kdisco [OPTIONS] [COMMAND]"));
    }
}
