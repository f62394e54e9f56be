//! The log: a file, and only where one was asked for. Nothing ever goes to the terminal.

use std::fs::OpenOptions;

use tracing_subscriber::EnvFilter;

use super::failure::{Exit, Failure};
use crate::config::Settings;

/// Starts the log, if the settings name a file for it. Lines are added to what is there.
///
/// # Errors
/// A file that can't be written, a level that is none.
pub fn start(settings: &Settings) -> Result<(), Failure> {
    let Some(path) = &settings.log_file.value else { return Ok(()) };
    let level = &settings.log_level.value;
    let filter = EnvFilter::try_new(level).map_err(|e| {
        let hint = "Write it like info, or kdisco=debug,hyper=warn.";
        Failure::new(Exit::Usage, format!("\"{level}\" is no log level"), e.to_string(), hint)
    })?;
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    // It says where one looked, and quotes servers: it is nobody else's business.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|e| {
        let what = format!("cannot write the log {}", path.display());
        Failure::new(Exit::Usage, what, e.to_string(), "Name another file with --log-file.")
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(file);
    // A second start can't happen in a process that runs one command.
    let _ = log.try_init();
    tracing::info!("kdisco {}", env!("CARGO_PKG_VERSION"));
    Ok(())
}
