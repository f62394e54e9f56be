//! Roles, one a user, on a real cluster: what the explorer shows, what it refuses in which words, what `access` says.
//!
//! The screens stand afterwards in `target/tmp/contract`, so that a person can look at them.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::journeys::{address, explorer_at};
use super::pty::Terminal;
use super::world::{World, ask};

/// Who may do what, and what has to be seen of that.
struct Role {
    name: &'static str,
    /// Built-in ClusterRoles, bound in the tutorial's namespace.
    here: &'static [&'static str],
    /// The same, bound in the whole cluster.
    everywhere: &'static [&'static str],
    /// Verbs and resources beyond, in the tutorial's namespace.
    rules_here: &'static [(&'static [&'static str], &'static str, &'static str)],
    /// The same in the whole cluster.
    rules_everywhere: &'static [(&'static [&'static str], &'static str, &'static str)],
    /// Verdicts by feature.
    access: &'static [(&'static str, &'static str)],
    /// What stands on the screens: after these keys, these texts. `{ns}` is the tutorial's namespace.
    screens: &'static [(&'static str, &'static [&'static str])],
    /// Whether a forward carries a page.
    forwards: bool,
}

const NONE: Role = Role {
    name: "",
    here: &[],
    everywhere: &[],
    rules_here: &[],
    rules_everywhere: &[],
    access: &[],
    screens: &[],
    forwards: false,
};

const LOOK: &[&str] = &["get", "list", "watch"];
const TO_APP: &str = "/my-app\r";

const ROLES: &[Role] = &[
    Role {
        name: "nothing-at-all",
        access: &[
            ("services", "missing"),
            ("pods", "missing"),
            ("forward", "missing"),
            ("namespaces", "missing"),
        ],
        screens: &[
            ("", &["Not allowed: list services in namespace {ns}", "what you may use"]),
            ("P", &["Not allowed: list pods in namespace {ns}"]),
            ("A", &["may use in {ns}", "not allowed: list endpointslices.discovery.k8s.io in {ns}"]),
        ],
        ..NONE
    },
    Role {
        name: "view-in-one-namespace",
        here: &["view"],
        access: &[
            ("services", "works"),
            ("forward", "partly"),
            ("verify", "missing"),
            ("dns-live", "missing"),
        ],
        screens: &[
            ("", &["my-app", "3/3"]),
            ("/my-app\rf", &["no right to create pods/portforward in {ns}"]),
            ("/my-app\r4v", &["no right to", "pods/exec in {ns}"]),
            ("/my-app\rr", &["pods of kube-system may not be listed"]),
            ("a", &["not allowed: services in the whole cluster", "my-app"]),
        ],
        ..NONE
    },
    Role {
        name: "edit-in-one-namespace",
        here: &["edit"],
        access: &[
            ("services", "works"),
            ("forward", "works"),
            ("verify", "works"),
            ("restart", "works"),
            ("namespaces", "missing"),
        ],
        screens: &[("/my-app\r4v", &["verified by"]), ("n", &["{ns}"])],
        forwards: true,
        ..NONE
    },
    Role {
        name: "view-everywhere",
        everywhere: &["view"],
        access: &[
            ("services", "works"),
            ("pods", "works"),
            ("namespaces", "works"),
            ("dns-settings", "works"),
            ("verify", "missing"),
        ],
        screens: &[
            ("a/kube-dns\r", &["kube-system", "kube-dns"]),
            ("/my-app\rr", &["create pods/portforward in kube-system"]),
        ],
        ..NONE
    },
    Role {
        name: "view-without-pods",
        rules_everywhere: &[
            (LOOK, "", "services"),
            (LOOK, "", "namespaces"),
            (LOOK, "discovery.k8s.io", "endpointslices"),
        ],
        access: &[("services", "works"), ("pods", "partly"), ("forward", "partly"), ("namespaces", "works")],
        screens: &[
            ("", &["my-app", "3/3"]),
            ("P", &["Not allowed: list pods in namespace {ns}"]),
            ("/my-app\rf", &["list pods"]),
        ],
        ..NONE
    },
    Role {
        name: "forward-with-create-only",
        here: &["view"],
        rules_here: &[(&["create"], "", "pods/portforward")],
        access: &[("forward", "works")],
        forwards: true,
        ..NONE
    },
    Role {
        name: "forward-with-get-only",
        here: &["view"],
        rules_here: &[(&["get"], "", "pods/portforward")],
        access: &[("forward", "works")],
        forwards: true,
        ..NONE
    },
    Role {
        name: "not-in-kube-system",
        here: &["edit"],
        rules_everywhere: &[(LOOK, "", "namespaces")],
        access: &[
            ("services", "works"),
            ("forward", "works"),
            ("dns-live", "missing"),
            ("dns-settings", "missing"),
        ],
        screens: &[("", &["my-app", "assumed"]), ("/my-app\rr", &["kube-system"])],
        forwards: true,
        ..NONE
    },
];

/// A group and a version with what stands before them.
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

async fn make(world: &World, path: &str, object: &Value) {
    let headers = [("content-type", "application/json")];
    let answer = ask(&world.admin, "POST", path, &headers, &object.to_string()).await;
    assert_eq!(answer.status, 201, "{path}: {}", String::from_utf8_lossy(&answer.body));
}

/// What the cluster keeps goes with the namespace.
async fn owner(world: &World) -> Value {
    let path = format!("/api/v1/namespaces/{}", world.namespace);
    let namespace = ask(&world.admin, "GET", &path, &[], "").await.json();
    json!([{"apiVersion": "v1", "kind": "Namespace", "name": world.namespace, "uid": namespace["metadata"]["uid"]}])
}

/// Makes a user with the role; its kubeconfig.
async fn user(world: &World, role: &Role) -> PathBuf {
    let (namespace, owner) = (world.namespace.as_str(), owner(world).await);
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": role.name}});
    make(world, &world.core("serviceaccounts"), &account).await;
    let subjects = json!([{"kind": "ServiceAccount", "name": role.name, "namespace": namespace}]);
    let rules = |list: &[(&[&str], &str, &str)]| -> Value {
        list.iter()
            .map(|(verbs, group, resource)| json!({"verbs": verbs, "apiGroups": [group], "resources": [resource]}))
            .collect()
    };
    let whole = |name: &str| format!("{namespace}-{name}");
    let own = whole(role.name);
    let mut bound: Vec<(bool, String)> = role.here.iter().map(|name| (false, (*name).to_owned())).collect();
    bound.extend(role.everywhere.iter().map(|name| (true, (*name).to_owned())));
    for (cluster, list, name) in
        [(false, role.rules_here, format!("{own}-here")), (true, role.rules_everywhere, own.clone())]
    {
        if !list.is_empty() {
            let object = json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
                "metadata": {"name": name, "ownerReferences": owner}, "rules": rules(list),
            });
            make(world, &format!("{RBAC}/clusterroles"), &object).await;
            bound.push((cluster, name));
        }
    }
    for (number, (cluster, name)) in bound.iter().enumerate() {
        let object = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": if *cluster { "ClusterRoleBinding" } else { "RoleBinding" },
            "metadata": {"name": format!("{own}-{number}"), "ownerReferences": owner},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": subjects,
        });
        let path = if *cluster {
            format!("{RBAC}/clusterrolebindings")
        } else {
            format!("{RBAC}/namespaces/{namespace}/rolebindings")
        };
        make(world, &path, &object).await;
    }
    world.kubeconfig_for(role.name).await
}

fn keep(role: &Role, what: &str, screen: &Terminal) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("contract");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{}-{what}.txt", role.name)), screen.text()).unwrap();
}

async fn judged(world: &World, path: &std::path::Path, role: &Role) {
    let (_, text) = world.kdisco_with(path, "user", &["access", "-o", "json"]).await;
    let document: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{}: {text}", role.name));
    for (feature, verdict) in role.access {
        let items = document["items"].as_array().unwrap();
        let one = items.iter().find(|one| one["feature"] == *feature).unwrap();
        assert_eq!(one["verdict"], *verdict, "{}: {feature}: {one:#}", role.name);
    }
}

fn looked_at(world: &World, path: &std::path::Path, role: &Role) {
    for (number, (keys, texts)) in role.screens.iter().enumerate() {
        let mut screen = explorer_at(path, "user", &["-n", &world.namespace]);
        screen.expect("the first lists", |text| text.contains("live") || text.contains("not allowed"));
        // What comes behind the filter is about what it has found, with its pods.
        if let Some(rest) = keys.strip_prefix(TO_APP) {
            screen.send(TO_APP);
            screen.expect("my-app with a container, or why there is none", |text| {
                text.contains("/ nginx") || text.contains("Not allowed: list pods")
            });
            screen.send(rest);
        } else {
            screen.send(keys);
        }
        for text in *texts {
            let text = text.replace("{ns}", &world.namespace);
            screen.expect(&format!("{}, after {keys:?}: {text}", role.name), |screen| {
                // A text may be broken at the edge of its pane.
                let words = |text: &str| {
                    text.split(|c: char| c.is_whitespace() || c == '│')
                        .filter(|word| !word.is_empty())
                        .collect::<Vec<_>>()
                        .join(" ")
                };
                screen.contains(&text) || words(screen).contains(&words(&text))
            });
        }
        keep(role, &number.to_string(), &screen);
        screen.send("\x03");
        assert_eq!(screen.end(), 0);
    }
    // Without a namespace: in that of the context, where there may be nothing to see, it says what to do.
    let mut screen = explorer_at(path, "user", &[]);
    screen.expect("the first lists", |text| text.contains("live") || text.contains("not allowed"));
    if screen.text().contains("not allowed: services") {
        screen.expect("what to do", |text| text.contains("a namespace that you may see"));
        screen.send(&format!("n{}\r", world.namespace));
        let seen = role.access.contains(&("services", "works")) || !role.here.is_empty();
        let wanted = if seen { "my-app" } else { "Not allowed" };
        screen.expect("the other namespace", |text| text.contains(wanted) && text.contains(&world.namespace));
    }
    keep(role, "plain", &screen);
    screen.send("\x03");
    assert_eq!(screen.end(), 0);
}

fn forwarded(world: &World, path: &std::path::Path, role: &Role) {
    let mut screen = explorer_at(path, "user", &["-n", &world.namespace]);
    screen.expect("the Services", |text| {
        text.lines().any(|line| line.contains("my-app") && line.contains("3/3"))
    });
    screen.send(TO_APP);
    screen.send("fs");
    screen.expect("the address", |text| address(text).is_some());
    let address = address(&screen.text()).unwrap();
    let mut stream = std::net::TcpStream::connect(&address).expect("the forward listens");
    stream.write_all(b"GET /health HTTP/1.0\r\nconnection: close\r\n\r\n").expect("it takes a request");
    let mut page = String::new();
    stream
        .read_to_string(&mut page)
        .unwrap_or_else(|error| panic!("{}: {error}\n{}", role.name, screen.text()));
    assert!(page.ends_with("ok\n"), "{}: {page}", role.name);
    keep(role, "forward", &screen);
    screen.send("\x03");
    assert_eq!(screen.end(), 0);
}

/// All roles one after the other; what is wrong with each is told at the end.
pub(crate) async fn every_role_sees_what_it_may(world: &World) {
    world.settled().await;
    let mut wrong = Vec::new();
    for role in ROLES {
        let path = user(world, role).await;
        let checks = async {
            judged(world, &path, role).await;
            looked_at(world, &path, role);
            if role.forwards {
                forwarded(world, &path, role);
            }
        };
        let checks = futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(checks));
        if checks.await.is_err() {
            wrong.push(role.name);
        }
    }
    assert!(wrong.is_empty(), "roles with something wrong (see above): {wrong:?}");
}
