//! Everything that takes bytes from outside, as functions that must neither panic nor hang. The fuzz targets (`fuzz/`)
//! and the tests of the corpus run the same ones.

use std::io::Write as _;

use bytes::Bytes;
use kdisco::app::filter::Filter;
use kdisco::cluster::kubeconfig::{Environment, Kubeconfig, Overrides};
use kdisco::config::load::{Flags, World, load_from};
use kdisco::model::text::clean;
use kdisco::wire::k8s::{Gunzip, JsonList, JsonWatch, ProtoList, ProtoWatch, Status, WireError};

/// One target.
pub(crate) type Target = fn(&[u8]);

/// All targets, by the name of their folder in the corpus.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("kubeconfig", kubeconfig),
    ("watch", watch),
    ("spdy", spdy),
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

/// Frames of a port-forward.
pub(crate) fn spdy(data: &[u8]) {
    let mut decoder = kdisco::wire::spdy::Decoder::default();
    for piece in data.chunks(1 + data.len() / 3) {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Ok(Some(_)) = decoder.frame() {}
    }
    let mut decoder = kdisco::wire::websocket::Decoder::new();
    let mut input = Bytes::copy_from_slice(data);
    while let Ok(Some(_)) = decoder.next(&mut input) {}
}

/// What is typed behind `/`.
pub(crate) fn filter(data: &[u8]) {
    let _ = Filter::parse(&String::from_utf8_lossy(data));
}

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

/// `--objects FILE`.
pub(crate) fn objects(data: &[u8]) {
    let _ = kdisco::cluster::objects::read(data, "corpus");
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
