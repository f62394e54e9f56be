//! The arguments of `access`.

use clap::ValueEnum;

/// What is printed.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Flags {
    /// Form
    #[arg(short, long, value_name = "FORM", default_value = "table", hide_default_value = true)]
    pub output: Form,
    /// Only the YAML of the smallest roles that allow what is missing
    #[arg(long)]
    pub role: bool,
}

/// Forms of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// a line a feature, then the role
    Table,
    /// one kdisco/v1 document
    Json,
}
