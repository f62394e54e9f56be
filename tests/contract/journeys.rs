//! The real binary on a real terminal.

use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::path::Path;

use super::pty::{Terminal, kdisco};
use super::world::World;

fn explorer(world: &World, who: usize) -> Terminal {
    let (path, context) = &world.contexts[who];
    explorer_at(path, context, &["-n", &world.namespace])
}

/// The explorer with a kubeconfig and a context.
pub(crate) fn explorer_at(path: &Path, context: &str, arguments: &[&str]) -> Terminal {
    let cluster: [&OsStr; 4] =
        ["--kubeconfig".as_ref(), path.as_os_str(), "--context".as_ref(), context.as_ref()];
    let mut command = kdisco(&cluster);
    command.args(arguments);
    Terminal::start(command, 140, 40)
}

pub(crate) async fn the_explorer_shows_the_tutorial(world: &World) {
    world.settled().await;
    let mut screen = explorer(world, 0);
    screen.expect("the Services with what is behind them", |text| {
        let row =
            |name: &str, ready: &str| text.lines().any(|line| line.contains(name) && line.contains(ready));
        row("my-app", "3/3")
            && row("mysql", "1/1")
            && row("cache", "1/2")
            && row("reports", "0")
            && row("docs", "ExternalName")
    });
    screen.send("/my-app\r");
    screen.expect("its endpoints", |text| text.contains("Endpoints") && text.contains("my-app-"));
    screen.send("3");
    let record = format!("my-app.{}.svc", world.namespace);
    screen.expect("its names", |text| text.contains(&record));
    screen.send("\x03");
    assert_eq!(screen.end(), 0);
}

/// A forward from the explorer carries a page; the address is the one on the screen.
pub(crate) async fn a_forward_from_the_explorer(world: &World) {
    world.settled().await;
    let mut screen = explorer(world, 0);
    screen.expect("the Services", |text| {
        text.lines().any(|line| line.contains("my-app") && line.contains("3/3"))
    });
    screen.send("/my-app\r");
    screen.expect("one alone", |text| text.contains("my-app") && !text.contains("reports"));
    screen.send("f");
    screen.expect("the address", |text| address(text).is_some());
    let address = address(&screen.text()).expect("an address");
    let mut stream = std::net::TcpStream::connect(&address).expect("the forward listens");
    stream.write_all(b"GET /health HTTP/1.0\r\nconnection: close\r\n\r\n").expect("it takes a request");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("it answers");
    assert!(page.contains("200") && page.ends_with("ok\n"), "{page}");
    screen.send("\x03");
    assert_eq!(screen.end(), 0);
}

/// The first `127.0.0.1:PORT` on a screen.
pub(crate) fn address(text: &str) -> Option<String> {
    let at = text.find("127.0.0.1:")?;
    let port: String = text[at + 10..].chars().take_while(char::is_ascii_digit).collect();
    (!port.is_empty()).then(|| format!("127.0.0.1:{port}"))
}

pub(crate) async fn without_rights_it_says_so(world: &World) {
    world.settled().await;
    let mut screen = explorer(world, 1);
    screen.expect("the Services", |text| {
        text.lines().any(|line| line.contains("my-app") && line.contains("3/3"))
    });
    screen.send("P");
    let missing = format!("list pods in namespace {}", world.namespace);
    screen.expect("what is not allowed", |text| text.contains("Not allowed") && text.contains(&missing));
    screen.send("\x03");
    assert_eq!(screen.end(), 0);
}
