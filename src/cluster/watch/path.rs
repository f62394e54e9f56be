//! Where objects are found: paths and queries of lists, watches and single objects.

use std::fmt::Write as _;

use super::{Only, Source};
use crate::model::Kind;

/// The path of one object.
pub(in crate::cluster) fn object(kind: Kind, namespace: &str, name: &str) -> String {
    let namespace = kind.namespaced().then_some(namespace);
    format!("{}/{}", collection(kind, namespace), escape(name))
}

/// The path of a list, with an empty query begun.
pub(in crate::cluster) fn list(source: &Source) -> String {
    let mut path = collection(source.kind, source.namespace.as_deref());
    path.push('?');
    if let Some(name) = &source.name {
        let _ = write!(path, "fieldSelector=metadata.name%3D{}&", escape(name));
    }
    match &source.only {
        Some(Only::Name(name)) => drop(write!(path, "fieldSelector=metadata.name%3D{}&", escape(name))),
        Some(Only::Labels(labels)) => drop(write!(path, "labelSelector={}&", escape(labels))),
        None => {}
    }
    path
}

fn collection(kind: Kind, namespace: Option<&str>) -> String {
    let mut path = match kind.group() {
        "" => "/api/v1".to_owned(),
        group => format!("/apis/{group}/v1"),
    };
    if let Some(namespace) = namespace {
        let _ = write!(path, "/namespaces/{}", escape(namespace));
    }
    let _ = write!(path, "/{}", kind.resource());
    path
}

/// Percent-encodes whatever is not plainly harmless: names come from a person's keyboard too.
pub(in crate::cluster) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    // `.` and `..` would be taken for a way through the path.
    if out.bytes().all(|b| b == b'.') { out.replace('.', "%2E") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_api_and_nothing_breaks_out_of_them() {
        let source = |kind, namespace: Option<&str>, name: Option<&str>| Source {
            kind,
            namespace: namespace.map(Into::into),
            name: name.map(Into::into),
            only: None,
        };
        let part = |only| list(&Source { only: Some(only), ..source(Kind::Pod, Some("shop"), None) });
        assert_eq!(
            part(Only::Name("a&b".into())),
            "/api/v1/namespaces/shop/pods?fieldSelector=metadata.name%3Da%26b&"
        );
        assert_eq!(
            part(Only::Labels("app=web,tier in (a,b)".into())),
            "/api/v1/namespaces/shop/pods?labelSelector=app%3Dweb%2Ctier%20in%20%28a%2Cb%29&"
        );
        assert_eq!(list(&source(Kind::Service, None, None)), "/api/v1/services?");
        assert_eq!(
            list(&source(Kind::EndpointSlice, Some("shop"), None)),
            "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?"
        );
        assert_eq!(
            list(&source(Kind::Service, Some("default"), Some("kubernetes"))),
            "/api/v1/namespaces/default/services?fieldSelector=metadata.name%3Dkubernetes&"
        );
        assert_eq!(object(Kind::Node, "ignored", "n"), "/api/v1/nodes/n");
        assert_eq!(object(Kind::Secret, "a/b?c", ".."), "/api/v1/namespaces/a%2Fb%3Fc/secrets/%2E%2E");
    }
}
