//! The grammar of `env`.

use clap::ValueEnum;

use super::output::{Form, Output};
use crate::model::env::export::Format;

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
    pub output: Output<EnvForm>,
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
