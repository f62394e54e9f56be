//! The forms that lists are printed in.

use clap::ValueEnum;

/// How a list is printed, in forms of its own where it has some.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Output<F: ValueEnum + Send + Sync + 'static = Form> {
    /// Form
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORM",
        value_enum,
        default_value = "table",
        hide_default_value = true
    )]
    pub form: F,
    /// Go on and print what changes
    #[arg(short, long)]
    pub watch: bool,
    /// Print no headings
    #[arg(long)]
    pub no_headers: bool,
}

/// How one answer is printed.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Once {
    /// Form
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORM",
        default_value = "table",
        hide_default_value = true
    )]
    pub form: Form,
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

impl Form {
    /// Whether it is for programs.
    pub fn is_document(self) -> bool {
        matches!(self, Self::Json | Self::Yaml)
    }
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
