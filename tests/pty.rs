//! The real binary on a real terminal: it starts, follows the size, and gives the terminal back.

#[cfg(unix)]
#[path = "common/pty.rs"]
mod pty;

#[cfg(unix)]
mod on_a_terminal {
    use portable_pty::CommandBuilder;

    use super::pty::{Terminal, kdisco};

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
        let mut terminal = Terminal::start(kdisco::<&str>(&[]), 100, 30);
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

    /// A kubeconfig whose user signs in by a script; nobody listens at its server.
    fn signing_in(folder: &std::path::Path, script: &str) -> CommandBuilder {
        use std::os::unix::fs::PermissionsExt as _;
        let plugin = folder.join("plugin.sh");
        std::fs::write(&plugin, format!("#!/bin/sh\n{script}\n")).expect("a plugin");
        std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o755)).expect("it may run");
        let text = "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n\
                    users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin.sh, interactiveMode: IfAvailable}}}]\n\
                    contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n";
        let file = folder.join("config");
        std::fs::write(&file, text).expect("a kubeconfig");
        kdisco(&["--kubeconfig", &file.to_string_lossy()])
    }

    #[test]
    fn a_plugin_that_opens_the_terminal_without_being_asked_finds_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = "echo OVERWRITTEN > /dev/tty\necho 'there is no terminal here' >&2\nexit 1";
        let mut terminal = Terminal::start(signing_in(folder.path(), script), 120, 36);
        terminal.expect("what it says", |s| s.contains("there is no terminal here"));
        terminal.send("q");
        assert_eq!(terminal.end(), 0);
        assert!(!String::from_utf8_lossy(&terminal.raw).contains("OVERWRITTEN"));
    }

    #[test]
    fn a_plugin_that_asks_a_person_gets_the_terminal_and_the_screen_comes_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = "[ -t 0 ] || { echo 'log in first' >&2; exit 1; }\n\
                      printf 'Your number? ' >&2\nread number\nprintf 'Thank you, %s.\\n' \"$number\" > /dev/tty\n\
                      echo '{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"status\": {\"token\": \"t\"}}'";
        let mut terminal = Terminal::start(signing_in(folder.path(), script), 120, 36);
        terminal.expect("that it needs somebody", |s| s.contains("signing in needs you"));
        assert!(terminal.full_screen());
        terminal.send("\x12");
        terminal.expect("its question", |s| s.contains("Your number?"));
        assert!(!terminal.full_screen(), "the screen is put aside");
        terminal.send("4711\r");
        terminal.expect("the screen, with what comes after signing in", |s| s.contains("connection refused"));
        assert!(terminal.full_screen());
        assert!(String::from_utf8_lossy(&terminal.raw).contains("Thank you, 4711."));
        terminal.send("q");
        assert_eq!(terminal.end(), 0);
        assert!(!terminal.full_screen());
    }

    #[test]
    fn a_plugin_that_is_not_there_or_may_not_run_is_told_as_such() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let command = signing_in(folder.path(), "exit 0");
        let plugin = folder.path().join("plugin.sh");
        std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o644)).expect("a mode");
        let mut terminal = Terminal::start(command.clone(), 120, 36);
        terminal.expect("why", |s| s.contains("may not be run"));
        std::fs::remove_file(&plugin).expect("it goes");
        let mut terminal = Terminal::start(command, 120, 36);
        terminal.expect("why", |s| s.contains("is not installed"));
    }
    /// The address that a browser is started with, on a machine where `xdg-open` is a program of ours.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_forward_is_opened_in_the_browser() {
        use std::io::{Read as _, Write as _};
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().expect("a folder");
        // The program says what it was asked for to whoever reads the pipe.
        let (pipe, browser) = (folder.path().join("pipe"), folder.path().join("xdg-open"));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
        assert!(made.success());
        let script = format!("#!/bin/sh\nprintf '%s' \"$*\" > '{}'\n", pipe.display());
        std::fs::write(&browser, script).expect("a browser");
        std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).expect("it may run");
        let (opened, asked) = std::sync::mpsc::channel();
        std::thread::spawn(move || opened.send(std::fs::read_to_string(pipe)));

        let mut command = kdisco(&["--demo"]);
        command.env("PATH", folder.path());
        let mut terminal = Terminal::start(command, 140, 40);
        terminal.expect("Services", |s| s.contains("my-app") && s.contains("3/3"));
        terminal.send("/my-app\ro");
        terminal.expect("that there is nothing to open yet", |s| s.contains("start a forward first"));
        terminal.send("f");
        terminal.expect("the forward", |s| s.contains("127.0.0.1:"));
        terminal.send("o");
        terminal.expect("what is opened", |s| s.contains("opening http://127.0.0.1:"));
        let url = asked.recv_timeout(std::time::Duration::from_secs(60)).expect("the browser is started");
        let url = url.expect("it says its address");
        let address = url.strip_prefix("http://").and_then(|url| url.strip_suffix('/'));
        let mut stream = std::net::TcpStream::connect(address.unwrap_or_else(|| panic!("{url}")))
            .unwrap_or_else(|error| panic!("nobody listens at {url}: {error}"));
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("it takes a request");
        let mut page = String::new();
        stream.read_to_string(&mut page).expect("it answers");
        assert!(page.contains("my-app pod "), "{page}");
        terminal.send("\x03");
        assert_eq!(terminal.end(), 0);
    }

    #[test]
    fn without_a_browser_it_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = kdisco(&["--demo"]);
        command.env("PATH", folder.path());
        let mut terminal = Terminal::start(command, 140, 40);
        terminal.expect("Services", |s| s.contains("my-app") && s.contains("3/3"));
        terminal.send("/my-app\rf");
        terminal.expect("the forward", |s| s.contains("127.0.0.1:"));
        terminal.send("o");
        terminal.expect("why", |s| s.contains("no browser could be started"));
        terminal.send("\x03");
        assert_eq!(terminal.end(), 0);
    }
}
