//! The questions whose answers are compared.

/// Who asks.
#[derive(Clone, Copy)]
pub(crate) enum Who {
    Admin,
    Viewer,
    Stranger,
}

impl Who {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Viewer => "viewer",
            Self::Stranger => "stranger",
        }
    }
}

/// One request. `{ns}` is the tutorial's namespace, `{pod}` a pod of my-app.
pub(crate) struct Probe {
    pub(crate) who: Who,
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) headers: &'static [(&'static str, &'static str)],
    pub(crate) body: &'static str,
    /// A watch of which so many events are read.
    pub(crate) events: Option<usize>,
}

const fn get(path: &'static str) -> Probe {
    Probe { who: Who::Admin, method: "GET", path, headers: &[], body: "", events: None }
}

const fn accepting(path: &'static str, headers: &'static [(&'static str, &'static str)]) -> Probe {
    Probe { headers, ..get(path) }
}

const fn watch(path: &'static str, events: usize) -> Probe {
    Probe { events: Some(events), ..get(path) }
}

const fn viewer(method: &'static str, path: &'static str) -> Probe {
    Probe { who: Who::Viewer, method, ..get(path) }
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const MERGE: &[(&str, &str)] = &[("content-type", "application/merge-patch+json")];

const fn send(
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
) -> Probe {
    Probe { method, headers, body, ..get(path) }
}

pub(crate) const DISCOVERY: &[Probe] = &[
    get("/version"),
    get("/readyz"),
    get("/healthz"),
    get("/livez"),
    get("/api"),
    get("/apis/discovery.k8s.io"),
    get("/apis/apps/v2"),
    get("/apis/nothing.example"),
    get("/apis/nothing.example/v1/x"),
    get("/api/v2"),
];

pub(crate) const LISTS: &[Probe] = &[
    get("/api/v1/namespaces/{ns}/services?labelSelector=app%3Dmy-app"),
    get("/api/v1/namespaces/{ns}/services?labelSelector=no%3Dsuch"),
    get("/api/v1/namespaces/no-such/services"),
    get("/api/v1/namespaces/{ns}/services?limit=1"),
    get("/api/v1/namespaces/{ns}/services?limit=1&labelSelector=app"),
    get("/api/v1/namespaces/{ns}/services?resourceVersion=0&limit=1&labelSelector=app%3Dmy-app"),
    get(
        "/api/v1/namespaces/{ns}/services?resourceVersion=1&resourceVersionMatch=NotOlderThan&labelSelector=app%3Dmy-app",
    ),
    get("/api/v1/namespaces/{ns}/services/my-app"),
    get("/api/v1/namespaces/{ns}/pods?fieldSelector=metadata.name%3D{pod}"),
    accepting(
        "/api/v1/namespaces/{ns}/services?labelSelector=app%3Dmy-app",
        &[("accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")],
    ),
    watch("/api/v1/namespaces/{ns}/services?watch=true&fieldSelector=metadata.name%3Dmy-app", 1),
    watch(
        "/api/v1/namespaces/{ns}/services?watch=1&resourceVersion=0&fieldSelector=metadata.name%3Dmy-app",
        1,
    ),
    watch(
        "/api/v1/namespaces/{ns}/services?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&fieldSelector=metadata.name%3Dmy-app",
        2,
    ),
    watch("/api/v1/namespaces/{ns}/services?watch=1&resourceVersion=1", 2),
    watch("/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices?watch=1&resourceVersion=1", 2),
    watch("/api/v1/namespaces/{ns}/services?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dnope", 1),
];

pub(crate) const REFUSALS: &[Probe] = &[
    get("/nope"),
    get("/api/v1/nope"),
    get("/api/v1/namespaces/{ns}/nope"),
    get("/api/v2/pods"),
    get("/apis/discovery.k8s.io/v1/nope"),
    get("/api/v1/namespaces/{ns}/services/nope"),
    get("/api/v1/namespaces/nope"),
    get("/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices/nope"),
    get("/apis/apps/v1/namespaces/{ns}/deployments/nope"),
    get("/api/v1/namespaces/{ns}/services?resourceVersion=abc"),
    get("/api/v1/namespaces/{ns}/services?limit=abc"),
    get("/api/v1/namespaces/{ns}/services?continue=abc"),
    get("/api/v1/namespaces/{ns}/services?labelSelector=a%3Db%3Dc"),
    get("/api/v1/namespaces/{ns}/services?labelSelector=-%3Db"),
    get("/api/v1/namespaces/{ns}/services?fieldSelector=spec.nope%3Db"),
    get("/api/v1/namespaces/{ns}/services?fieldSelector=nope"),
    get("/api/v1/namespaces/{ns}/services?resourceVersionMatch=Exact"),
    get("/api/v1/namespaces/{ns}/services?resourceVersionMatch=NotOlderThan"),
    get("/api/v1/namespaces/{ns}/services?resourceVersionMatch=Exact&resourceVersion=0"),
    get("/api/v1/namespaces/{ns}/services?resourceVersionMatch=Nope&resourceVersion=1"),
    get("/api/v1/namespaces/{ns}/services?resourceVersionMatch=NotOlderThan&resourceVersion=1&continue=abc"),
    get("/api/v1/namespaces/{ns}/services?resourceVersionMatch=NotOlderThan&resourceVersion=99999999999"),
    get("/api/v1/namespaces/{ns}/services?sendInitialEvents=true"),
    get("/api/v1/namespaces/{ns}/services?watch=1&sendInitialEvents=true"),
    get("/api/v1/namespaces/{ns}/services?watch=1&resourceVersionMatch=NotOlderThan&resourceVersion=1"),
    get("/api/v1/namespaces/{ns}/services?watch=1&resourceVersion=abc"),
    accepting("/api/v1/namespaces/{ns}/services", &[("accept", "text/html")]),
    accepting("/api/v1/namespaces/{ns}/services/my-app", &[("accept", "image/png")]),
    Probe { who: Who::Stranger, ..get("/api/v1/namespaces/{ns}/services") },
    Probe { who: Who::Stranger, ..get("/version") },
    Probe { method: "HEAD", ..get("/version") },
    Probe { method: "HEAD", ..get("/readyz") },
    Probe { method: "HEAD", ..get("/api/v1/namespaces/{ns}/services") },
    get("/api/v1/namespaces/{ns}/pods/{pod}/log?container=nope"),
    get("/api/v1/namespaces/{ns}/pods/nope/log"),
];

pub(crate) const RIGHTS: &[Probe] = &[
    viewer("GET", "/version"),
    viewer("GET", "/api/v1/namespaces/{ns}/services/nope"),
    viewer("GET", "/api/v1/namespaces/{ns}/pods"),
    viewer("GET", "/api/v1/namespaces/{ns}/pods?watch=1"),
    viewer("GET", "/api/v1/services"),
    viewer("GET", "/api/v1/namespaces"),
    viewer("GET", "/api/v1/namespaces/{ns}"),
    viewer("GET", "/api/v1/nodes"),
    viewer("GET", "/api/v1/namespaces/{ns}/pods/{pod}"),
    viewer("GET", "/api/v1/namespaces/kube-system/services"),
    viewer("GET", "/api/v1/namespaces/{ns}/configmaps/my-app-settings"),
    viewer("GET", "/apis/discovery.k8s.io/v1/endpointslices"),
    viewer("GET", "/apis/apps/v1/namespaces/{ns}/deployments/my-app"),
    viewer("DELETE", "/api/v1/namespaces/{ns}/pods/{pod}"),
    viewer("DELETE", "/api/v1/namespaces/{ns}/pods"),
    viewer("GET", "/api/v1/namespaces/{ns}/pods/{pod}/exec?command=env&stdout=1"),
    viewer("POST", "/api/v1/namespaces/{ns}/pods/{pod}/exec?command=env&stdout=1"),
    viewer("GET", "/api/v1/namespaces/{ns}/pods/{pod}/portforward"),
    viewer("GET", "/api/v1/namespaces/{ns}/services/my-app:http/proxy/"),
    viewer("POST", "/api/v1/namespaces/{ns}/services/my-app:http/proxy/"),
    Probe {
        headers: MERGE,
        body: "{}",
        ..viewer("PATCH", "/apis/apps/v1/namespaces/{ns}/deployments/my-app")
    },
    Probe {
        headers: JSON,
        body: r#"{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","spec":{"resourceAttributes":{"verb":"list","resource":"services","namespace":"{ns}"}}}"#,
        ..viewer("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
    },
    Probe {
        headers: JSON,
        body: r#"{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","spec":{"resourceAttributes":{"verb":"list","resource":"pods","namespace":"{ns}"}}}"#,
        ..viewer("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
    },
    Probe {
        headers: JSON,
        body: r#"{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","spec":{"resourceAttributes":{"verb":"create","resource":"pods","subresource":"exec","namespace":"{ns}","name":"x"}}}"#,
        ..viewer("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
    },
    Probe {
        headers: JSON,
        body: r#"{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","spec":{}}"#,
        ..viewer("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
    },
    viewer("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
];

pub(crate) const WRITES: &[Probe] = &[
    send("DELETE", "/api/v1/namespaces/{ns}/pods/nope", &[], ""),
    send(
        "DELETE",
        "/api/v1/namespaces/{ns}/pods/{pod}",
        JSON,
        r#"{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"00000000-0000-4000-8000-000000000000"}}"#,
    ),
    send("DELETE", "/api/v1/namespaces/{ns}/pods/{pod}?dryRun=All", &[], ""),
    send(
        "PATCH",
        "/apis/apps/v1/namespaces/{ns}/deployments/my-app",
        MERGE,
        r#"{"metadata":{"resourceVersion":"1"}}"#,
    ),
    send(
        "PATCH",
        "/apis/apps/v1/namespaces/{ns}/deployments/my-app",
        MERGE,
        r#"{"metadata":{"uid":"00000000-0000-4000-8000-000000000000"}}"#,
    ),
    send(
        "PATCH",
        "/apis/apps/v1/namespaces/{ns}/deployments/my-app",
        &[("content-type", "text/plain")],
        "{}",
    ),
    send("PATCH", "/apis/apps/v1/namespaces/{ns}/deployments/my-app", MERGE, "{"),
    send("PATCH", "/apis/apps/v1/namespaces/{ns}/deployments/nope", MERGE, "{}"),
    send(
        "PATCH",
        "/apis/apps/v1/namespaces/{ns}/deployments/my-app",
        MERGE,
        r#"{"metadata":{"name":"other"}}"#,
    ),
    send("PATCH", "/apis/apps/v1/namespaces/{ns}/deployments/my-app", MERGE, r#"{"spec":{"replicas":-1}}"#),
    send(
        "PATCH",
        "/apis/apps/v1/namespaces/{ns}/deployments/my-app?dryRun=All",
        MERGE,
        r#"{"spec":{"replicas":2}}"#,
    ),
    send("PATCH", "/apis/apps/v1/namespaces/{ns}/deployments/my-app?dryRun=Nope", MERGE, "{}"),
    send("PATCH", "/apis/apps/v1/namespaces/{ns}/deployments", MERGE, "{}"),
    send("DELETE", "/api/v1/namespaces/{ns}/services/nope", &[], ""),
    send("POST", "/version", &[], ""),
    get("/apis/apps/v1/namespaces/{ns}/deployments/my-app/scale"),
];

const TUNNEL: &[(&str, &str)] = &[
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ("sec-websocket-protocol", "SPDY/3.1+portforward.k8s.io"),
];
const CHANNELS: &[(&str, &str)] =
    &[TUNNEL[0], TUNNEL[1], TUNNEL[2], TUNNEL[3], ("sec-websocket-protocol", "v4.channel.k8s.io")];
const CHANNELS5: &[(&str, &str)] = &[
    TUNNEL[0],
    TUNNEL[1],
    TUNNEL[2],
    TUNNEL[3],
    ("sec-websocket-protocol", "v5.channel.k8s.io, v4.channel.k8s.io"),
];
const UNKNOWN: &[(&str, &str)] =
    &[TUNNEL[0], TUNNEL[1], TUNNEL[2], TUNNEL[3], ("sec-websocket-protocol", "v9.nope")];
const NONE: &[(&str, &str)] = &[TUNNEL[0], TUNNEL[1], TUNNEL[2], TUNNEL[3]];
const SPDY: &[(&str, &str)] = &[
    ("connection", "Upgrade"),
    ("upgrade", "SPDY/3.1"),
    ("x-stream-protocol-version", "portforward.k8s.io"),
];
const SPDY_UNKNOWN: &[(&str, &str)] =
    &[("connection", "Upgrade"), ("upgrade", "SPDY/3.1"), ("x-stream-protocol-version", "v9.nope")];

pub(crate) const UPGRADES: &[Probe] = &[
    accepting("/api/v1/namespaces/{ns}/pods/{pod}/portforward", TUNNEL),
    accepting("/api/v1/namespaces/{ns}/pods/{pod}/portforward?ports=7", CHANNELS),
    accepting("/api/v1/namespaces/{ns}/pods/{pod}/portforward", CHANNELS),
    accepting("/api/v1/namespaces/{ns}/pods/{pod}/portforward?ports=x", CHANNELS),
    accepting("/api/v1/namespaces/{ns}/pods/{pod}/portforward?ports=7", CHANNELS5),
    accepting("/api/v1/namespaces/{ns}/pods/{pod}/portforward", UNKNOWN),
    accepting("/api/v1/namespaces/{ns}/pods/{pod}/portforward", NONE),
    send("POST", "/api/v1/namespaces/{ns}/pods/{pod}/portforward", SPDY, ""),
    send("POST", "/api/v1/namespaces/{ns}/pods/{pod}/portforward", SPDY_UNKNOWN, ""),
    get("/api/v1/namespaces/{ns}/pods/{pod}/portforward"),
    accepting("/api/v1/namespaces/{ns}/pods/nope/portforward", TUNNEL),
    send("POST", "/api/v1/namespaces/{ns}/pods/nope/portforward", SPDY, ""),
    accepting("/api/v1/namespaces/{ns}/pods/{pod}/exec?command=env&stdout=true", CHANNELS5),
    accepting("/api/v1/namespaces/{ns}/pods/{pod}/exec?command=env&stdout=true", CHANNELS),
    accepting("/api/v1/namespaces/{ns}/pods/{pod}/exec?command=env&stdout=true", UNKNOWN),
    accepting("/api/v1/namespaces/{ns}/pods/{pod}/exec?command=env&stdout=true&container=nope", CHANNELS5),
    accepting("/api/v1/namespaces/{ns}/pods/{pod}/exec?stdout=true", CHANNELS5),
    accepting("/api/v1/namespaces/{ns}/pods/{pod}/exec?command=env", CHANNELS5),
    accepting("/api/v1/namespaces/{ns}/pods/nope/exec?command=env&stdout=true", CHANNELS5),
    get("/api/v1/namespaces/{ns}/pods/{pod}/exec?command=env&stdout=true"),
];

pub(crate) const PROXY: &[Probe] = &[
    get("/api/v1/namespaces/{ns}/services/my-app:http/proxy/health"),
    get("/api/v1/namespaces/{ns}/services/http:my-app:http/proxy/health"),
    get("/api/v1/namespaces/{ns}/services/my-app:80/proxy/health"),
    get("/api/v1/namespaces/{ns}/services/my-app:80/proxy?a=b"),
    get("/api/v1/namespaces/{ns}/services/my-app/proxy/health"),
    get("/api/v1/namespaces/{ns}/services/my-app:81/proxy/"),
    get("/api/v1/namespaces/{ns}/services/my-app:nope/proxy/"),
    get("/api/v1/namespaces/{ns}/services/reports:http/proxy/"),
    get("/api/v1/namespaces/{ns}/services/nope:http/proxy/"),
    get("/api/v1/namespaces/{ns}/services/a:b:c:d/proxy/"),
    get("/api/v1/namespaces/{ns}/services/ftp:my-app:80/proxy/"),
    get("/api/v1/namespaces/{ns}/services/https:my-app:http/proxy/"),
    get("/api/v1/namespaces/{ns}/services/docs:80/proxy/"),
    get("/api/v1/namespaces/{ns}/pods/{pod}:80/proxy/health"),
    get("/api/v1/namespaces/{ns}/pods/{pod}/proxy/health"),
    get("/api/v1/namespaces/{ns}/pods/{pod}:9999/proxy/"),
    get("/api/v1/namespaces/{ns}/pods/nope:80/proxy/"),
    get("/api/v1/namespaces/{ns}/pods/{pod}:80/proxy"),
];
