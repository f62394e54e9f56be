//! The flags that every command and the explorer have: which cluster, whose rights, what it looks like.

use std::path::PathBuf;

use crate::config::load::Flags;
use crate::model::time::Timestamp;

const CLUSTER: &str = "Cluster and user (as kubectl)";
const LOOK: &str = "Look and configuration";
const SOURCE: &str = "Something else than your cluster";

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

fn parse_scale(text: &str) -> Result<Scale, String> {
    let wrong = || "give two numbers with a comma between, as in 2000,10000".to_owned();
    let (services, pods) = text.split_once(',').ok_or_else(wrong)?;
    let number = |n: &str| n.trim().replace('_', "").parse().map_err(|_| wrong());
    Ok(Scale { services: number(services)?, pods: number(pods)? })
}
