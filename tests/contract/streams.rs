//! What leaves HTTP: port-forwards by kdisco's own streams, commands in containers, the API proxy.

use std::time::Duration;

use kdisco::cluster::exec::environ::environment;
use kdisco::cluster::exec::{ExecErrorKind, Limits, Place, run};
use kdisco::model::ObjectKey;
use kdisco::session::proxy::{Listen, ProxySpec, start};
use kdisco::session::stream::{Refusal, Tuning, Tunnels, Way};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::world::{PATIENCE, World, ask};

const ECHO: u16 = 7;
const DISCARD: u16 = 9;
const WEB: u16 = 80;
const CLOSED: u16 = 9999;

fn tunnels(world: &World, way: Way) -> Tunnels {
    Tunnels::tuned(world.admin.kube().clone(), Tuning { only: Some(way), ..Tuning::default() })
}

pub(crate) async fn forwards(world: &World) {
    let pod = world.pod().await;
    for way in [Way::Tunnel, Way::Plain, Way::Channels] {
        let tunnels = tunnels(world, way);
        let mut stream = tunnels.open(&world.namespace, &pod, ECHO).await.unwrap();
        let large: Vec<u8> = (0..=u8::MAX).cycle().take(300_000).collect();
        let (mut read, mut write) = tokio::io::split(&mut stream);
        let mut back = vec![0; large.len()];
        let both = async { tokio::try_join!(write.write_all(&large), read.read_exact(&mut back)) };
        timeout(PATIENCE, both).await.expect("the echo").unwrap();
        assert!(back == large, "{way:?}");
        let mut stream = tunnels.open(&world.namespace, &pod, WEB).await.unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut page = Vec::new();
        let end = timeout(PATIENCE, stream.read_to_end(&mut page)).await.expect("a page");
        // A WebSocket of channels can't say that one side has finished: its end is all there is.
        assert!(end.is_ok() || way == Way::Channels, "{way:?}: {end:?}");
        let page = String::from_utf8(page).unwrap();
        assert!(page.ends_with(&format!("my-app pod {pod}\n")), "{way:?}: {page}");
    }
}

/// After the client's end the stream still ends well. Whether the pod hears that end is the runtime's choice: containerd
/// 1.6 closes both directions a second later without having told it, and what it would have answered is lost.
pub(crate) async fn half_close(world: &World) {
    let pod = world.pod().await;
    let tunnels = tunnels(world, Way::Tunnel);
    let mut stream = tunnels.open(&world.namespace, &pod, DISCARD).await.unwrap();
    stream.write_all(&[7; 300_000]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut count = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut count)).await.expect("an end").unwrap();
    assert!(count.trim() == "300000" || (count.is_empty() && world.demo.is_none()), "{count}");
}

pub(crate) async fn refused_ports(world: &World) {
    let pod = world.pod().await;
    for way in [Way::Tunnel, Way::Plain, Way::Channels] {
        let mut stream = tunnels(world, way).open(&world.namespace, &pod, CLOSED).await.unwrap();
        let read = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.expect("an end");
        let error = read.unwrap_err().to_string();
        assert!(error.contains("connection refused"), "{way:?}: {error}");
    }
    let error = tunnels(world, Way::Tunnel).open(&world.namespace, "nope", ECHO).await.unwrap_err();
    assert_eq!((error.refusal, &*error.text), (Refusal::NotFound, "pods \"nope\" not found"));
}

pub(crate) async fn the_end_of_a_pod(world: &World) {
    let pod = world.pod().await;
    let tunnels = tunnels(world, Way::Tunnel);
    let mut stream = tunnels.open(&world.namespace, &pod, ECHO).await.unwrap();
    stream.write_all(b"a").await.unwrap();
    assert_eq!(timeout(PATIENCE, stream.read_u8()).await.expect("an echo").unwrap(), b'a');
    let path = world.core(&format!("pods/{pod}?gracePeriodSeconds=0"));
    assert_eq!(ask(&world.admin, "DELETE", &path, &[], "").await.status, 200);
    world.step(30);
    let mut rest = Vec::new();
    // With an error or without, but it ends.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("the end is told");
    assert!(rest.is_empty());
    world.settled().await;
    let error =
        Tunnels::new(world.admin.kube().clone()).open(&world.namespace, &pod, ECHO).await.unwrap_err();
    assert_eq!(error.refusal, Refusal::NotFound, "{error}");
}

pub(crate) async fn commands(world: &World) {
    let pod = ObjectKey::new(&*world.namespace, &*world.pod().await);
    let limits = Limits { deadline: Duration::from_secs(60), ..Limits::default() };
    let exec = async |name: &ObjectKey, container: &str, command: &[&str]| {
        run(&world.admin, Place { pod: name, container }, command, &limits).await
    };
    let echo = exec(&pod, "", &["echo", "a&b", "c d"]).await.unwrap();
    assert_eq!((echo.stdout.as_slice(), echo.code), (&b"a&b c d\n"[..], Some(0)));
    let missing = exec(&pod, "nginx", &["cat", "/nope"]).await.unwrap();
    assert_eq!(missing.code, Some(1));
    let words = String::from_utf8(missing.stderr).unwrap();
    assert!(words.contains("can't open '/nope': No such file or directory"), "{words}");
    assert_eq!(exec(&pod, "", &["false"]).await.unwrap().code, Some(1));
    let error = exec(&pod, "", &["frobnicate"]).await.unwrap_err();
    assert_eq!(
        (error.kind, &*error.error.why),
        (ExecErrorKind::NoProgram, "its image has no program frobnicate")
    );
    let error = exec(&pod, "nope", &["env"]).await.unwrap_err();
    assert_eq!((error.kind, &*error.error.why), (ExecErrorKind::Gone, "the pod has no container nope"));
    let error = exec(&ObjectKey::new(&*world.namespace, "nope"), "", &["env"]).await.unwrap_err();
    assert_eq!((error.kind, &*error.error.why), (ExecErrorKind::Gone, "there is no pod nope"));
}

pub(crate) async fn environments(world: &World) {
    let pod = world.pod().await;
    let key = ObjectKey::new(&*world.namespace, &*pod);
    let printed =
        environment(&world.admin, Place { pod: &key, container: "" }, &Limits::default()).await.unwrap();
    let text = String::from_utf8_lossy(&printed.text).replace('\0', "\n");
    for line in [
        "MY_APP_SERVICE_PORT=80",
        "MY_APP_SERVICE_PORT_HTTP=80",
        "LOG_LEVEL=info",
        "FEATURE_FLAGS=new-cart,dark-mode",
        "DB_USER=app",
        "DB_PASSWORD=s3cr3t-demo",
        &format!("POD_NAME={pod}"),
        // A name that is defined later, and a ConfigMap that overrides a Service's variable.
        "GREETING=Hello from $(POD_NAME)",
        "MYSQL_SERVICE_PORT=3307",
    ] {
        assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
    }
    // What is predicted for the container is what it has.
    let verified = world.kdisco(&["env", &pod, "--verify", "-o", "json"]).await;
    let document: serde_json::Value =
        serde_json::from_str(&verified.1).unwrap_or_else(|_| panic!("{verified:?}"));
    let variables = document["items"][0]["variables"].as_array().unwrap_or_else(|| panic!("{document:#}"));
    assert!(variables.len() > 15, "{document:#}");
    assert!(!verified.1.contains("\"different\""), "{document:#}");
    assert!(!verified.1.contains("\"missing\""), "{document:#}");
}

pub(crate) async fn the_api_proxy(world: &World) {
    let listen = Listen::Tcp { address: "127.0.0.1".to_owned(), port: 0, next_free: false };
    let spec = ProxySpec { listen, ..ProxySpec::narrow() };
    let proxy = start(spec, world.admin.passing(false)).await.unwrap();
    let get = async |path: String| {
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", proxy.address());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
        answer
    };
    let page = get(world.core("services/my-app:http/proxy/health")).await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("ok"), "{page}");
    let version = get("/version".to_owned()).await;
    assert!(version.contains("gitVersion"), "{version}");
    let missing = get(world.core("services/nope")).await;
    assert!(
        missing.starts_with("HTTP/1.1 404") && missing.contains("services \\\"nope\\\" not found"),
        "{missing}"
    );
}
