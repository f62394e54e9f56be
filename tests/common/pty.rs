//! A program on a real terminal of its own: a pseudo terminal, with a screen that understands what it writes.

#![expect(dead_code, reason = "the tests and the bench use different parts of it")]

use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

fn size_of(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).expect("a screen has cells")
}

/// The program with arguments, and with no settings of whoever runs it.
pub(crate) fn kdisco<A: AsRef<OsStr>>(arguments: &[A]) -> CommandBuilder {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_kdisco"));
    command.args(arguments);
    for variable in
        ["KUBECONFIG", "KDISCO_CONFIG", "NO_COLOR", "TMUX", "SSH_TTY", "SSH_CONNECTION", "COLORFGBG"]
    {
        command.env_remove(variable);
    }
    command.env("TERM", "xterm-256color");
    command.env("XDG_CONFIG_HOME", "/nonexistent");
    command.env("HOME", "/nonexistent");
    // Else it would start in the home directory.
    command.cwd(std::env::temp_dir());
    command
}

/// A running program and its screen.
pub(crate) struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    writer: Box<dyn std::io::Write + Send>,
    output: mpsc::Receiver<Vec<u8>>,
    parser: vt100::Parser,
    /// Everything that was written, for those who look for sequences.
    pub raw: Vec<u8>,
    /// When it was started.
    pub started: Instant,
}

impl Terminal {
    /// Starts a program on a screen of that size.
    pub(crate) fn start(command: CommandBuilder, columns: u16, rows: u16) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo terminal");
        let started = Instant::now();
        let child = pair.slave.spawn_command(command).expect("the program starts");
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let writer = pair.master.take_writer().expect("a writer");
        let (sender, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(n) = reader.read(&mut buffer) {
                if n == 0 || sender.send(buffer[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        let parser = vt100::Parser::new(size_of(rows), size_of(columns), 0);
        Self { child, master: pair.master, writer, output, parser, raw: Vec::new(), started }
    }

    /// Types keys as bytes.
    pub(crate) fn send(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).expect("the terminal takes keys");
        self.writer.flush().expect("the terminal takes keys");
    }

    /// Gives the screen another size.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).expect("the terminal takes a size");
        self.parser.screen_mut().set_size(size_of(rows), size_of(columns));
    }

    /// What is on the screen.
    pub(crate) fn text(&self) -> String {
        self.parser.screen().contents()
    }

    /// Whether the program has put the full screen on.
    pub(crate) fn full_screen(&self) -> bool {
        self.parser.screen().alternate_screen()
    }

    /// Process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.process_id().expect("it runs")
    }

    /// Takes in what was written within a time; false when the program has closed the terminal.
    pub(crate) fn pump(&mut self, within: Duration) -> bool {
        match self.output.recv_timeout(within) {
            Ok(bytes) => {
                self.parser.process(&bytes);
                self.raw.extend(&bytes);
                while let Ok(more) = self.output.try_recv() {
                    self.parser.process(&more);
                    self.raw.extend(&more);
                }
                true
            }
            Err(mpsc::RecvTimeoutError::Timeout) => true,
            Err(mpsc::RecvTimeoutError::Disconnected) => false,
        }
    }

    /// Waits until the screen is as wanted, and says how long that took; `None` when it never was.
    pub(crate) fn wait(&mut self, wanted: impl Fn(&str) -> bool) -> Option<Duration> {
        let (begin, limit) = (Instant::now(), Duration::from_secs(60));
        loop {
            if wanted(&self.text()) {
                return Some(begin.elapsed());
            }
            if begin.elapsed() > limit || !self.pump(Duration::from_millis(200)) {
                return wanted(&self.text()).then(|| begin.elapsed());
            }
        }
    }

    /// Waits until the screen is as wanted; shows it when it never is.
    pub(crate) fn expect(&mut self, what: &str, wanted: impl Fn(&str) -> bool) {
        if self.wait(wanted).is_none() {
            panic!("never seen: {what}\n--- screen\n{}\n---", self.text());
        }
    }

    /// Waits for the end of the program; its exit code.
    pub(crate) fn end(&mut self) -> u32 {
        while self.pump(Duration::from_secs(60)) {
            if let Ok(Some(status)) = self.child.try_wait() {
                while self.pump(Duration::from_millis(20)) && self.output.try_recv().is_ok() {}
                return status.exit_code();
            }
        }
        self.child.wait().expect("it ends").exit_code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
