//! Everything that takes bytes from outside, as functions that must neither panic nor hang. The fuzz targets (`fuzz/`)
//! and the tests of the corpus run the same ones.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use kdisco::app::filter::{Filter, Matcher};
use kdisco::cli::args::{Explore, Form, Output};
use kdisco::cli::facts::Facts;
use kdisco::cli::failure::Exit;
use kdisco::cli::list::List;
use kdisco::cli::names::Query;
use kdisco::cluster::kubeconfig::{Environment, Kubeconfig, Overrides};
use kdisco::config::load::{Flags, World, load_from};
use kdisco::dns::message::{self, Asked};
use kdisco::model::NamespaceScope;
use kdisco::model::dns::RecordType;
use kdisco::model::env::Fetches;
use kdisco::model::text::{clean, is_safe};
use kdisco::session::proxy::filter::{Filter as Hosts, host_of};
use kdisco::session::proxy::{Answering, Passed, Path, ProxySpec, Upstream, serve_one};
use kdisco::wire::k8s::{Gunzip, JsonList, JsonWatch, ProtoList, ProtoWatch, Status, WireError};

/// One target.
pub(crate) type Target = fn(&[u8]);

/// All targets, by the name of their folder in the corpus.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("kubeconfig", kubeconfig),
    ("watch", watch),
    ("spdy", spdy),
    ("websocket", websocket),
    ("dns", dns),
    ("proxy", proxy),
    ("expressions", expressions),
    ("filter", filter),
    ("configuration", configuration),
    ("objects", objects),
    ("corefile", corefile),
    ("text", text),
];

/// A kubeconfig, and every context of it.
pub(crate) fn kubeconfig(data: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(data).unwrap();
    let flags = Overrides { kubeconfig: Some(file.path().to_owned()), ..Overrides::default() };
    let environment = Environment { variables: [].into(), service_account: "/nonexistent".into() };
    if let Ok(config) = Kubeconfig::load(&flags, &environment) {
        let _ = config.target();
        for context in config.contexts().iter().take(20) {
            let _ = config.target_of(&context.name);
        }
    }
}

/// Lists and watches, whole and in pieces.
pub(crate) fn watch(data: &[u8]) {
    for size in [data.len().max(1), 1 + data.len() / 3] {
        let mut watch = JsonWatch::default();
        let _ = data.chunks(size).try_for_each(|piece| watch.push(piece, |_, _| Ok::<_, WireError>(())));
        let mut watch = ProtoWatch::default();
        let _ = data.chunks(size).try_for_each(|piece| watch.push(piece, |_, _| Ok::<_, WireError>(())));
        let mut list = JsonList::default();
        let _ = data.chunks(size).try_for_each(|piece| list.push(piece, |_| Ok::<_, WireError>(())));
        let _ = list.finish();
        let mut list = ProtoList::default();
        let _ = data.chunks(size).try_for_each(|piece| list.push(piece, |_| Ok::<_, WireError>(())));
        let _ = list.finish();
        let mut unpack = Gunzip::default();
        let _ = data.chunks(size).try_for_each(|piece| unpack.push(piece, |_| Ok::<_, WireError>(())));
    }
    let _ = Status::from_body(data);
    let _ = Status::from_proto(data);
}

/// Frames of a port-forward, whole and in pieces: the same comes out, and no more is held back than came in.
pub(crate) fn spdy(data: &[u8]) {
    let frames = |size: usize| {
        let mut decoder = kdisco::wire::spdy::Decoder::default();
        let mut frames = Vec::new();
        for piece in data.chunks(size) {
            decoder.push(Bytes::copy_from_slice(piece));
            while let Ok(Some(frame)) = decoder.frame() {
                frames.push(frame);
            }
            assert!(decoder.pending() <= data.len());
        }
        (frames, decoder.frame().err())
    };
    assert_eq!(frames(data.len().max(1)), frames(1 + data.len() / 3));
}

/// Frames of a WebSocket, whole and in pieces: the same bytes come out.
pub(crate) fn websocket(data: &[u8]) {
    use kdisco::wire::websocket::{Decoder, Event};
    let read = |size: usize| {
        let (mut decoder, mut bytes, mut others) = (Decoder::new(), Vec::new(), Vec::new());
        for piece in data.chunks(size) {
            let mut input = Bytes::copy_from_slice(piece);
            loop {
                match decoder.next(&mut input) {
                    Ok(Some(Event::Piece { payload, .. })) => bytes.extend_from_slice(&payload),
                    Ok(Some(other)) => others.push(other),
                    Ok(None) => break,
                    Err(error) => return (bytes, others, Some(error)),
                }
            }
        }
        (bytes, others, None)
    };
    assert_eq!(read(data.len().max(1)), read(1 + data.len() / 5));
}

/// A reply of a DNS server; and each line as a name to ask for.
pub(crate) fn dns(data: &[u8]) {
    let _ = message::id(data);
    if let Ok(reply) = message::read(data) {
        for record in reply.said.answers.iter().chain(&reply.said.additional).chain(&reply.said.authority) {
            let _ = format!("{record:?}");
        }
    }
    for line in String::from_utf8_lossy(data).lines().take(20) {
        let Ok(asked) = Asked::new(line, RecordType::A) else { continue };
        let mut question = Vec::new();
        asked.write(7, &mut question);
        assert_eq!(usize::from(u16::from_be_bytes([question[0], question[1]])), question.len() - 2);
        assert!(message::read(&question[2..]).is_err_and(|why| why.contains("question")), "{line:?}");
    }
}

/// A server that is not there; it makes sure that only what may pass comes so far.
struct Nobody {
    filter: Hosts,
    narrow: bool,
}

impl Upstream for Nobody {
    fn send(&self, request: Request<Passed>) -> Answering {
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        assert!(uri.authority().is_none() && uri.scheme().is_none(), "{uri}");
        let path = Path::parse(uri.path().as_bytes()).expect("a path that decodes");
        // The Host of the request line counts where there is one, and it is gone by now.
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let local = ["localhost", "127.0.0.1", "[::1]"]
            .iter()
            .any(|local| self.filter.accepts(method.as_str(), &path.text(), local));
        assert!(local, "{method} {uri} {host}");
        if self.narrow {
            assert!(matches!(method.as_str(), "GET" | "HEAD"), "{method}");
            assert!(!headers.contains_key(header::UPGRADE), "{headers:?}");
        }
        Box::pin(async { Err("nobody is there".into()) })
    }
}

/// What a client of the API proxy sends: request lines, headers, bodies, one after the other.
pub(crate) fn proxy(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for spec in [ProxySpec::kubectl(), ProxySpec::narrow()] {
        let filter = Hosts::new(spec.filter.as_ref().expect("there is one")).expect("it is a good one");
        let nobody = Nobody { filter, narrow: spec.narrow };
        runtime.block_on(async {
            let (client, server) = tokio::io::duplex(data.len().max(1));
            let (mut from, mut to) = tokio::io::split(client);
            let send = async {
                use tokio::io::AsyncWriteExt as _;
                let _ = to.write_all(data).await;
                let _ = to.shutdown().await;
            };
            let read = async {
                use tokio::io::AsyncReadExt as _;
                let _ = from.read_to_end(&mut Vec::new()).await;
            };
            let all = async { tokio::join!(send, read, serve_one(spec, nobody, server)) };
            let ended = tokio::time::timeout(Duration::from_secs(60), all).await;
            assert!(ended.is_ok(), "a connection whose client is done does not end");
        });
    }
}

/// What the proxy's filter and its paths are made of: expressions, a path, a Host.
pub(crate) fn expressions(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines();
    let (expression, path, host) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    let Some(path) = Path::parse(path.as_bytes()) else { return };
    // What goes on to the server means what was filtered.
    let again = Path::parse(path.encoded().as_bytes()).expect("a path that was encoded decodes");
    assert_eq!(again.decoded, path.decoded);
    let spec = kdisco::session::proxy::filter::FilterSpec {
        reject_paths: expression.to_owned(),
        ..kdisco::session::proxy::filter::FilterSpec::default()
    };
    let _ = spec.accepts_foreign_hosts();
    if let Ok(filter) = Hosts::new(&spec) {
        let _ = filter.accepts("GET", &path.text(), host_of(host));
    }
}

/// What is typed behind `/`, and what it finds in a world.
pub(crate) fn filter(data: &[u8]) {
    let Ok(filter) = Filter::parse(&String::from_utf8_lossy(data)) else { return };
    let world = WORLD.get_or_init(|| {
        let file = include_bytes!("../fixtures/shop.json");
        kdisco::cluster::objects::read(&file[..], "shop").expect("a good file").snapshot
    });
    let mut matcher = Matcher::default();
    for facts in &*world.services {
        let _ = filter.score_service(&mut matcher, facts);
        let _ = filter.highlights(&mut matcher, &facts.service.key.name);
    }
    for pod in world.pods.values().flat_map(|pods| pods.iter()) {
        let _ = filter.score_pod(&mut matcher, pod, &[Arc::from("web")]);
    }
}

/// What filters look for things in.
static WORLD: std::sync::OnceLock<kdisco::model::ClusterSnapshot> = std::sync::OnceLock::new();

/// The configuration file.
pub(crate) fn configuration(data: &[u8]) {
    let content = String::from_utf8_lossy(data).into_owned();
    let world = World {
        variable: &|_| None,
        read: &move |_| Ok(content.clone()),
        config_dir: Some("/config".into()),
    };
    let _ = load_from(&world, &Flags::default());
}

/// `--objects FILE`, and every list of what is in it, in a form that its length chooses: all in turn.
pub(crate) fn objects(data: &[u8]) {
    let Ok(loaded) = kdisco::cluster::objects::read(data, "corpus") else { return };
    let explore = Explore::default();
    let lists = [
        List::Services,
        List::Endpoints,
        List::Dns,
        List::ResolvConf,
        List::Env { container: None, show_secrets: true },
    ];
    let now = loaded.newest.unwrap_or_default();
    let facts = Facts {
        snapshot: Arc::new(loaded.snapshot),
        context: None,
        scope: NamespaceScope::All,
        now,
        fetches: Fetches::new(),
        warnings: vec![],
        exit: Exit::Fine,
    };
    for list in lists {
        let query = Query::new(&explore, &[], list.kinds()).expect("nothing is named");
        let form = [Form::Table, Form::Wide, Form::Json, Form::Yaml, Form::Name][data.len() % 5];
        let output = Output { form, watch: false, no_headers: false };
        let mut out = Vec::new();
        let _ = list.print(&facts, &query, output, &mut out).expect("memory takes everything");
        let text = String::from_utf8(out).expect("what is printed is UTF-8");
        let odd = text.chars().find(|c| !is_safe(*c) && *c != '\n');
        assert_eq!(odd, None, "{list:?} {form:?}");
        if form == Form::Json && !text.is_empty() {
            let read: Result<serde::de::IgnoredAny, _> = serde_json::from_str(&text);
            assert!(read.is_ok(), "{list:?} {form:?} {text}");
        }
    }
}

/// CoreDNS's configuration, and names.
pub(crate) fn corefile(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = kdisco::model::dns::corefile::Corefile::parse(&text);
    for line in text.lines().take(100) {
        let _ = kdisco::model::dns::name::Name::parse(line);
    }
}

/// What is cleaned stays clean.
pub(crate) fn text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let once = clean(&text).into_owned();
    assert_eq!(clean(&once), once);
    assert!(!once.contains(['\u{1b}', '\u{9b}', '\r', '\n', '\u{202e}', '\u{2066}']), "{once:?}");
}
