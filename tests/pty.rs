//! The real binary on a real terminal: it starts, follows the size, and gives the terminal back.

#[cfg(unix)]
#[path = "common/pty.rs"]
mod pty;

#[cfg(unix)]
mod on_a_terminal {
    use portable_pty::CommandBuilder;

    use super::pty::Terminal;

    fn kdisco(arguments: &[&str]) -> CommandBuilder {
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

    #[test]
    fn the_demo_shows_services_follows_the_size_and_leaves_the_screen() {
        let mut terminal = Terminal::start(kdisco(&["--demo"]), 120, 36);
        terminal.expect("Services", |s| s.contains("my-app") && s.contains("3/3"));
        assert!(terminal.full_screen());
        terminal.resize(60, 16);
        terminal.expect("the narrow screen", |s| {
            s.contains("my-app") && s.lines().all(|l| l.chars().count() <= 60)
        });
        terminal.resize(10, 3);
        terminal.resize(100, 30);
        terminal.expect("the list again", |s| s.contains("my-app") && s.contains("mysql"));
        terminal.send("q");
        assert_eq!(terminal.end(), 0);
        assert!(!terminal.full_screen(), "the shell has its screen back");
        let raw = String::from_utf8_lossy(&terminal.raw).into_owned();
        for off in ["\x1b[?1049l", "\x1b[?2004l", "\x1b[?1000l", "\x1b[?25h"] {
            assert!(raw.contains(off), "{off:?} is never written");
        }
    }

    #[test]
    fn ctrl_c_ends_it_at_any_moment() {
        let mut terminal = Terminal::start(kdisco(&["--demo"]), 80, 24);
        terminal.expect("the first frame", |s| s.contains("kdisco"));
        terminal.send("/my\x03");
        assert_eq!(terminal.end(), 0);
        assert!(!terminal.full_screen());
    }

    #[test]
    fn without_a_kubeconfig_it_is_friendly() {
        let mut terminal = Terminal::start(kdisco(&[]), 100, 30);
        terminal.expect("what to do", |s| s.contains("kubeconfig") && s.contains("--demo"));
        terminal.send("q");
        assert_eq!(terminal.end(), 0);
    }

    #[test]
    fn a_server_that_refuses_is_told_and_retried() {
        // A port that was free a moment ago: nobody listens there.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = format!("http://127.0.0.1:{port}");
        let mut terminal = Terminal::start(kdisco(&["--server", &server]), 100, 30);
        terminal.expect("why", |s| s.contains("refused"));
        terminal.send("q");
        assert_eq!(terminal.end(), 0);
    }
}
