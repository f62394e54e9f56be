//! What a request means: path, query and verb, as apiserver's `RequestInfo` reads them.

use super::status::Refusal;
use crate::demo::resource::{GROUPS, Resource};
use hyper::Method;
use hyper::header::{ACCEPT, HeaderMap};

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::demo) enum Route {
    Version,
    /// `/healthz`, `/livez`, `/readyz`.
    Health,
    /// `/api`.
    CoreVersions,
    /// `/apis`.
    Groups,
    /// `/apis/GROUP`.
    Group(String),
    /// `/api/v1` (empty group) or `/apis/GROUP/v1`.
    Resources(String),
    /// A kind or an object of it.
    Objects(Target),
    /// `selfsubjectaccessreviews` or `selfsubjectrulesreviews`.
    Review(String),
    /// Nothing of that name in a group that is served.
    NoSuchKind,
    Unknown,
}

/// A kind, one object, or something below one.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::demo) struct Target {
    pub(in crate::demo) resource: Resource,
    /// `None`: over all namespaces, or the kind has none.
    pub(in crate::demo) namespace: Option<String>,
    pub(in crate::demo) name: Option<String>,
    /// `exec`, `portforward`, `log`, `proxy`, `status`, `scale`, …
    pub(in crate::demo) sub: Option<String>,
    /// What follows `…/proxy`, with its leading slash, still encoded; `None` when nothing follows.
    pub(in crate::demo) rest: Option<String>,
}

/// Reads a path.
pub(in crate::demo) fn route(path: &str) -> Route {
    let parts: Vec<&str> = path.split('/').skip(1).filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["version"] => Route::Version,
        ["healthz" | "livez" | "readyz", ..] => Route::Health,
        ["api"] => Route::CoreVersions,
        ["api", "v1"] => Route::Resources(String::new()),
        ["apis"] => Route::Groups,
        ["apis", group, ..] if !GROUPS.contains(group) => Route::Unknown,
        ["apis", group] => Route::Group((*group).to_owned()),
        ["apis", group, "v1"] => Route::Resources((*group).to_owned()),
        ["apis", "authorization.k8s.io", "v1", review] => Route::Review((*review).to_owned()),
        ["api", "v1", rest @ ..] => objects("", rest, path),
        ["apis", group, "v1", rest @ ..] => objects(group, rest, path),
        ["api" | "apis", ..] => Route::NoSuchKind,
        _ => Route::Unknown,
    }
}

fn objects(group: &str, parts: &[&str], path: &str) -> Route {
    let (namespace, parts) = match parts {
        ["namespaces", namespace, rest @ ..]
            if !rest.is_empty() && Resource::by_path(group, rest[0]).is_some() =>
        {
            (Some(decode(namespace)), rest)
        }
        _ => (None, parts),
    };
    let Some(resource) = parts.first().and_then(|plural| Resource::by_path(group, plural)) else {
        return Route::NoSuchKind;
    };
    if namespace.is_some() && !resource.info().namespaced {
        return Route::NoSuchKind;
    }
    let sub = parts.get(2).map(|part| (*part).to_owned());
    let rest = match sub.as_deref() {
        Some("proxy") => after_proxy(path),
        _ if parts.len() > 3 => return Route::NoSuchKind,
        _ => None,
    };
    Route::Objects(Target { resource, namespace, name: parts.get(1).map(|name| decode(name)), sub, rest })
}

/// What follows the `/proxy` of `…/NAME/proxy/REST`, kept as it was sent.
fn after_proxy(path: &str) -> Option<String> {
    path.split_once("/proxy").map(|(_, rest)| rest.to_owned()).filter(|rest| !rest.is_empty())
}

/// The query, decoded.
#[derive(Debug, Default)]
pub(in crate::demo) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what stands after the `?`.
    pub(in crate::demo) fn parse(text: &str) -> Self {
        let pair = |part: &str| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(&key.replace('+', " ")), decode(&value.replace('+', " ")))
        };
        Self(text.split('&').filter(|part| !part.is_empty()).map(pair).collect())
    }

    /// The first value of a parameter, empty when it is missing.
    pub(in crate::demo) fn get(&self, key: &str) -> &str {
        self.0.iter().find(|(have, _)| have == key).map_or("", |(_, value)| value)
    }

    /// All values of a parameter.
    pub(in crate::demo) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(have, _)| have == key).map(|(_, value)| value.as_str())
    }

    /// Whether a boolean parameter is on.
    pub(in crate::demo) fn on(&self, key: &str) -> bool {
        matches!(self.get(key), "true" | "1")
    }

    /// A number, `None` when it is missing or empty.
    pub(in crate::demo) fn number(&self, key: &str) -> Result<Option<u64>, Refusal> {
        match self.get(key) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Refusal::bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"))
            }),
        }
    }
}

/// Undoes percent-encoding; what is not UTF-8 afterwards is replaced.
pub(in crate::demo) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        if let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The RBAC verb of a request.
pub(in crate::demo) fn verb(method: &Method, target: &Target, query: &Query) -> &'static str {
    match *method {
        Method::GET | Method::HEAD if target.name.is_some() => "get",
        Method::GET | Method::HEAD if query.on("watch") => "watch",
        Method::GET | Method::HEAD => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if target.name.is_some() => "delete",
        Method::DELETE => "deletecollection",
        _ => "",
    }
}

/// The form an answer is asked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::demo) enum View {
    /// The objects themselves.
    Plain,
    /// `as=Table`: what kubectl prints.
    Table,
    /// `as=PartialObjectMetadata(List)`.
    Metadata,
}

/// Chooses the first form of the Accept header that is served. The demo serves JSON only.
pub(in crate::demo) fn view(headers: &HeaderMap) -> Result<View, Refusal> {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    for clause in accept.split(',') {
        let mut parts = clause.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        if !matches!(media, "application/json" | "application/*" | "*/*" | "") {
            continue;
        }
        let (mut form, mut version, mut group) = ("", "", "");
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            match key {
                "as" => form = value,
                "v" => version = value,
                "g" => group = value,
                _ => {}
            }
        }
        match (form, version, group) {
            ("", _, _) => return Ok(View::Plain),
            ("Table", "v1", "meta.k8s.io") => return Ok(View::Table),
            ("PartialObjectMetadataList" | "PartialObjectMetadata", "v1", "meta.k8s.io") => {
                return Ok(View::Metadata);
            }
            _ => {}
        }
    }
    Err(Refusal::not_acceptable())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn target(path: &str) -> Target {
        match route(path) {
            Route::Objects(target) => target,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn paths() {
        let all = target("/api/v1/pods");
        assert_eq!((all.resource, all.namespace, all.name), (Resource::Pods, None, None));
        let one = target("/api/v1/namespaces/shop/pods/cart/log");
        assert_eq!(one.namespace.as_deref(), Some("shop"));
        assert_eq!((one.name.as_deref(), one.sub.as_deref()), (Some("cart"), Some("log")));
        let namespace = target("/api/v1/namespaces/shop");
        assert_eq!((namespace.resource, namespace.name.as_deref()), (Resource::Namespaces, Some("shop")));
        let slices = target("/apis/discovery.k8s.io/v1/namespaces/a/endpointslices");
        assert_eq!(slices.resource, Resource::EndpointSlices);
        for path in ["/api/v1/namespaces/a/nodes", "/api/v1/secretz", "/api/v2/pods", "/apis/apps/v2"] {
            assert_eq!(route(path), Route::NoSuchKind, "{path}");
        }
        for path in ["/nope", "/apis/nothing.example", "/apis/nothing.example/v1/x"] {
            assert_eq!(route(path), Route::Unknown, "{path}");
        }
        assert_eq!(route("/apis/apps/v1"), Route::Resources("apps".to_owned()));
    }

    #[test]
    fn proxy_paths_keep_what_follows() {
        let rest = |path: &str| target(path).rest;
        assert_eq!(
            rest("/api/v1/namespaces/a/services/http:web:80/proxy/x%2fy/"),
            Some("/x%2fy/".to_owned())
        );
        assert_eq!(rest("/api/v1/namespaces/a/services/web/proxy"), None);
        assert_eq!(rest("/api/v1/namespaces/a/pods/web:80/proxy/"), Some("/".to_owned()));
    }

    #[test]
    fn queries_are_decoded() {
        let query =
            Query::parse("labelSelector=app%3Da%2Ctier+in+%28x%29&limit=5&watch=1&command=a&command=b");
        assert_eq!(query.get("labelSelector"), "app=a,tier in (x)");
        assert_eq!(query.number("limit").unwrap(), Some(5));
        assert!(query.on("watch"));
        assert_eq!(query.all("command").collect::<Vec<_>>(), ["a", "b"]);
        assert!(Query::parse("limit=x").number("limit").is_err());
        assert_eq!(decode("%zz%4"), "%zz%4");
    }

    #[test]
    fn the_first_form_that_is_served_is_taken() {
        let asked = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(text));
            view(&headers).map_err(|refusal| refusal.code)
        };
        assert_eq!(asked("application/vnd.kubernetes.protobuf, application/json;q=0.9"), Ok(View::Plain));
        assert_eq!(asked("application/json;as=Table;v=v1;g=meta.k8s.io,application/json"), Ok(View::Table));
        assert_eq!(asked("application/json;as=Table;v=v9;g=meta.k8s.io,application/json"), Ok(View::Plain));
        assert_eq!(asked("application/vnd.kubernetes.protobuf"), Err(406));
        assert_eq!(view(&HeaderMap::new()).ok(), Some(View::Plain));
    }
}
