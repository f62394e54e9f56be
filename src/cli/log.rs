//! The log: a file, and only where one was asked for. Nothing ever goes to the terminal.

use std::io::{self, Write};
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;

use super::failure::{Exit, Failure};
use crate::config::Settings;
use crate::files;
use crate::model::text::clean;

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
    // It says where one looked, and quotes servers: it is nobody else's business.
    let file = files::append(path).map_err(|e| {
        let what = format!("cannot write the log {}", path.display());
        Failure::new(Exit::Usage, what, e.to_string(), "Name another file with --log-file.")
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(Mutex::new(Lines(file)));
    // A second start can't happen in a process that runs one command.
    let _ = log.try_init();
    tracing::info!("kdisco {}", env!("CARGO_PKG_VERSION"));
    Ok(())
}

/// One line for each entry. What a cluster or a server wrote may stand in it, and can neither begin a line of its own
/// nor talk to the terminal of whoever reads the log.
struct Lines<W>(W);

impl<W: Write> Write for Lines<W> {
    /// Takes one whole entry (tracing-subscriber: `fmt::Layer::on_event` writes each at once).
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(entry);
        let line = format!("{}\n", clean(text.strip_suffix('\n').unwrap_or(&text)));
        self.0.write_all(line.as_bytes())?;
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Memory that a log is written to.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_entry_is_one_line_whatever_a_server_wrote() {
        let kept = Kept::default();
        let log =
            tracing_subscriber::fmt().with_ansi(false).with_writer(Mutex::new(Lines(kept.clone()))).finish();
        let evil = "no\n2026-01-01T00:00:00Z  INFO kdisco: all is well\r\u{1b}[2J\u{202e}";
        tracing::subscriber::with_default(log, || {
            tracing::warn!(error = %evil, "an {evil} entry");
            tracing::warn!(error = ?evil, "another");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 2, "{text:?}");
        assert!(text.lines().all(|line| line.chars().all(crate::model::text::is_safe)), "{text:?}");
        assert!(text.ends_with('\n') && text.contains("WARN") && text.contains("all is well"), "{text:?}");
    }
}
