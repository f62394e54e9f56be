//! The arguments of `proxy`.

use clap::{ArgAction, ValueEnum};

use crate::session::proxy::filter::{ACCEPT_HOSTS, ACCEPT_PATHS, REJECT_METHODS, REJECT_PATHS};

/// The port that is used without a word.
pub(in crate::cli) const PORT: u16 = 8001;

/// kubectl's flags, with its defaults.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Expressions are RE2, separated by commas, and found anywhere in the text; an empty list \
                        accepts nothing and rejects nothing. What is rejected is refused with 403."
)]
pub struct Flags {
    /// Port to listen on; 0 for any that is free
    #[arg(short, long, value_name = "PORT", default_value_t = PORT)]
    pub port: u16,
    /// Address to listen on; IPv6 in brackets
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub address: String,
    /// Unix socket to listen on instead; its owner alone may connect
    #[arg(short, long, value_name = "PATH", default_value = "", hide_default_value = true)]
    pub unix_socket: String,
    /// Prefix of the API's paths; one that begins with /api is not cut off
    #[arg(long, value_name = "PREFIX", default_value = "/")]
    pub api_prefix: String,
    /// Put the path of the kubeconfig's server before each path
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, value_name = "BOOL",
          default_value_t = false, default_missing_value = "true", hide_default_value = true)]
    pub append_server_path: bool,
    /// Directory whose files are served too
    #[arg(short, long, value_name = "DIRECTORY", default_value = "", hide_default_value = true)]
    pub www: String,
    /// Prefix of the files' paths
    #[arg(short = 'P', long, value_name = "PREFIX", default_value = "/static/")]
    pub www_prefix: String,
    /// Paths that are accepted
    #[arg(long, value_name = "LIST", default_value = ACCEPT_PATHS)]
    pub accept_paths: String,
    /// Paths that are rejected, accepted ones too
    #[arg(long, value_name = "LIST", default_value = REJECT_PATHS)]
    pub reject_paths: String,
    /// Hosts that may be asked for
    #[arg(long, value_name = "LIST", default_value = ACCEPT_HOSTS)]
    pub accept_hosts: String,
    /// Methods that are rejected (POST,PUT,PATCH)
    #[arg(long, value_name = "LIST", default_value = REJECT_METHODS)]
    pub reject_methods: String,
    /// No filter at all: web pages can use your rights then
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, value_name = "BOOL",
          default_value_t = false, default_missing_value = "true", hide_default_value = true)]
    pub disable_filter: bool,
    /// Taken for kubectl's sake: upgraded connections are kept alive in any case
    #[arg(long, value_name = "TIME", default_value = "0s", hide_default_value = true)]
    pub keepalive: String,
    /// Form
    #[arg(short, long, value_name = "FORM", default_value = "plain", hide_default_value = true)]
    pub output: Form,
}

/// Forms of what is told while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// kubectl's line
    Plain,
    /// a kdisco/v1 event a line
    Json,
}
