//! Kubeconfig files and flags, by kubectl's rules (client-go `tools/clientcmd`).

#![expect(clippy::unwrap_used, reason = "what goes wrong in a helper must fail the test")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kdisco::cluster::ApiError;
use kdisco::cluster::kubeconfig::{
    Environment, Kubeconfig, KubeconfigError, Overrides, Target, parse_timeout,
};

struct Home {
    folder: tempfile::TempDir,
    variables: BTreeMap<String, OsString>,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let variables = [("HOME".to_owned(), folder.path().into())].into();
        Self { folder, variables }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.variables.insert(name.to_owned(), value.into());
    }

    fn environment(&self) -> Environment {
        Environment { variables: self.variables.clone(), service_account: self.path("serviceaccount") }
    }

    fn load(&self, flags: &Overrides) -> Result<Kubeconfig, KubeconfigError> {
        Kubeconfig::load(flags, &self.environment())
    }

    fn target(&self, flags: &Overrides) -> Result<Target, KubeconfigError> {
        self.load(flags)?.target()
    }
}

fn flags() -> Overrides {
    Overrides::default()
}

#[expect(clippy::unnecessary_wraps, reason = "flags are options")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

const CONFIG: &str = "
apiVersion: v1
kind: Config
preferences: {}
clusters:
- name: east
  cluster: {server: 'https://east:6443', tls-server-name: east.internal}
- name: west
  cluster:
    server: https://west:6443
users:
- name: admin
  user: {token: sesame}
- name: guest
  user: {}
contexts:
- name: prod-east
  context: {cluster: east, user: admin, namespace: shop}
- name: prod-west
  context: {cluster: west, user: guest}
- name: lost
  context: {cluster: gone, user: admin}
- name: empty
  context: {}
current-context: prod-east
";

#[test]
fn the_file_in_the_home_folder_is_the_default() {
    let home = Home::new();
    home.write(".kube/config", CONFIG);
    let target = home.target(&flags()).unwrap();
    assert_eq!(target.server.to_string(), "https://east:6443/");
    assert_eq!(
        (&*target.context, &*target.cluster, &*target.user, &*target.namespace),
        ("prod-east", "east", "admin", "shop")
    );
}

#[test]
fn contexts_are_listed_with_what_they_name() {
    let home = Home::new();
    home.write(".kube/config", CONFIG);
    let kubeconfig = home.load(&Overrides { context: some("prod-west"), ..flags() }).unwrap();
    let listed: Vec<_> =
        kubeconfig.contexts().into_iter().map(|c| (c.name, c.namespace, c.current)).collect();
    let expected = [
        ("empty".to_owned(), None, false),
        ("lost".to_owned(), None, false),
        ("prod-east".to_owned(), some("shop"), false),
        ("prod-west".to_owned(), None, true),
    ];
    assert_eq!(listed, expected);
    assert_eq!(kubeconfig.target().unwrap().namespace, "default");
    assert_eq!(kubeconfig.target_of("prod-east").unwrap().namespace, "shop");
}

#[test]
fn of_several_files_the_first_to_name_something_wins_whole() {
    let mut home = Home::new();
    let first = home.write(
        "a/one",
        "
clusters: [{name: shared, cluster: {server: 'https://first'}}]
users: [{name: me, user: {token: t, as: jane}}]
",
    );
    let second = home.write("b/two", "
clusters: [{name: shared, cluster: {server: 'https://second', tls-server-name: two}}, {name: more, cluster: {server: 'https://more'}}]
contexts: [{name: c, context: {cluster: shared, user: me}}]
current-context: c
");
    let third =
        home.write("three", "current-context: other\ncontexts: [{name: c, context: {cluster: more}}]");
    let missing = home.path("missing");
    let list = std::env::join_paths([&PathBuf::new(), &missing, &first, &second, &first, &third]).unwrap();
    home.set("KUBECONFIG", list);
    let kubeconfig = home.load(&flags()).unwrap();
    assert_eq!(kubeconfig.sources(), [first, second, third]);
    assert_eq!(kubeconfig.current(), Some("c"));
    assert_eq!(kubeconfig.target().unwrap().server.to_string(), "https://first/");
}

#[test]
fn an_explicit_file_stands_alone_and_must_exist() {
    let mut home = Home::new();
    home.set("KUBECONFIG", home.write("ignored", "this: [is broken"));
    let file = home.write("other", CONFIG);
    let explicit = |path: &Path| Overrides { kubeconfig: Some(path.to_owned()), ..flags() };
    assert_eq!(home.target(&explicit(&file)).unwrap().cluster, "east");
    let error = home.target(&explicit(&home.path("nowhere"))).unwrap_err();
    assert!(
        matches!(&error, KubeconfigError::Unreadable { why, .. } if why == "there is no such file"),
        "{error}"
    );
}

#[test]
fn an_empty_kubeconfig_variable_means_the_default_file() {
    let mut home = Home::new();
    home.write(".kube/config", CONFIG);
    home.set("KUBECONFIG", "");
    assert!(home.target(&flags()).is_ok());
}

#[test]
fn flags_replace_what_the_files_say() {
    let home = Home::new();
    home.write(".kube/config", CONFIG);
    let target = |flags: Overrides| home.target(&flags).unwrap();
    assert_eq!(
        target(Overrides { cluster: some("west"), ..flags() }).server.to_string(),
        "https://west:6443/"
    );
    assert_eq!(target(Overrides { namespace: some("n"), ..flags() }).namespace, "n");
    assert_eq!(target(Overrides { user: some("guest"), ..flags() }).user, "guest");
    let moved = target(Overrides { server: some("https://elsewhere/k8s/c-1"), ..flags() });
    assert_eq!(moved.server.to_string(), "https://elsewhere/k8s/c-1");
    let insecure = target(Overrides { insecure_skip_tls_verify: true, ..flags() });
    assert!(insecure.insecure);
    let timed = target(Overrides { request_timeout: Some(Duration::from_secs(3)), ..flags() });
    assert_eq!(timed.request_timeout, Some(Duration::from_secs(3)));
}

#[test]
fn a_server_by_flag_needs_no_kubeconfig_and_without_scheme_is_plain_http() {
    let home = Home::new();
    let target = |server: &str| home.target(&Overrides { server: some(server), ..flags() });
    assert_eq!(target("https://h:6443").unwrap().server.to_string(), "https://h:6443/");
    assert_eq!(target("127.0.0.1:8001").unwrap().server.to_string(), "http://127.0.0.1:8001/");
    assert!(matches!(target("ftp://h"), Err(KubeconfigError::BadValue { field: "server", .. })));
    assert!(matches!(target("https://"), Err(KubeconfigError::BadValue { field: "server", .. })));
}

#[test]
fn nothing_at_all_is_told_with_the_places_and_a_way_out() {
    let home = Home::new();
    let error = home.target(&flags()).unwrap_err();
    assert_eq!(error, KubeconfigError::NoConfiguration { looked: vec![home.path(".kube/config")] });
    let error = ApiError::from(error);
    assert!(error.why.contains(".kube/config"), "{error}");
    assert!(error.hint.contains("kdisco --demo"), "{}", error.hint);
}

#[test]
fn a_pod_without_kubeconfig_uses_its_own_cluster() {
    let mut home = Home::new();
    home.set("KUBERNETES_SERVICE_HOST", "fd00::1");
    home.set("KUBERNETES_SERVICE_PORT", "443");
    assert!(home.target(&flags()).is_err(), "without a token it is no pod");
    home.write("serviceaccount/token", "t");
    home.write("serviceaccount/namespace", "mine\n");
    let target = home.target(&flags()).unwrap();
    assert_eq!(target.server.to_string(), "https://[fd00::1]:443/");
    assert_eq!((&*target.context, &*target.namespace), ("in-cluster", "mine"));
    home.set("POD_NAMESPACE", "other");
    assert_eq!(home.target(&flags()).unwrap().namespace, "other");
    // A kubeconfig comes first, but the pod's namespace is the default even then.
    home.write(".kube/config", CONFIG);
    assert_eq!(home.target(&flags()).unwrap().cluster, "east");
    let west = home.target(&Overrides { context: some("prod-west"), ..flags() }).unwrap();
    assert_eq!(west.namespace, "other");
}

#[test]
fn unknown_names_are_told_with_those_like_them() {
    let home = Home::new();
    home.write(".kube/config", CONFIG);
    let error = home.target(&Overrides { context: some("prod-eats"), ..flags() }).unwrap_err();
    assert!(error.hint().contains("prod-east"), "{}", error.hint());
    let error = home.target(&Overrides { context: some("lost"), ..flags() }).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no cluster \"gone\" in the kubeconfig, though context \"lost\" names it"
    );
    let error = home.target(&Overrides { context: some("empty"), ..flags() }).unwrap_err();
    assert_eq!(error, KubeconfigError::ContextWithoutCluster { context: "empty".into() });
    let error = home.target(&Overrides { user: some("admim"), ..flags() }).unwrap_err();
    assert!(
        matches!(&error, KubeconfigError::Unknown { kind: "user", near, .. } if near == &["admin"]),
        "{error}"
    );
}

#[test]
fn without_current_context_the_choice_is_listed() {
    let home = Home::new();
    home.write(".kube/config", &CONFIG.replace("current-context: prod-east", ""));
    let error = home.target(&flags()).unwrap_err();
    assert!(error.hint().contains("prod-west"), "{}", error.hint());
}

#[test]
fn broken_yaml_is_told_with_file_and_line_and_without_content() {
    let home = Home::new();
    for text in [
        "clusters: []\nusers:\n- name: u\n  user: {token: sesame, bad\n",
        "users:\n- name: u\n  user:\n    token: [sesame]\n",
        "users:\n- name: u\n  user:\n    insecure: x\nclusters:\n- cluster:\n    insecure-skip-tls-verify: sesame\n",
    ] {
        home.write(".kube/config", text);
        let error = home.target(&flags()).unwrap_err();
        assert!(matches!(&error, KubeconfigError::BrokenYaml { line: Some(_), .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("sesame"), "{error}");
    }
    home.write(".kube/config", "clusters: [{name: a}, {name: a}]");
    let error = home.target(&flags()).unwrap_err();
    assert!(error.to_string().ends_with("\"a\" is there twice in clusters"), "{error}");
}

#[test]
fn missing_fields_nulls_and_numbers_are_taken_as_kubectl_takes_them() {
    let home = Home::new();
    home.write(
        ".kube/config",
        "
clusters: [{name: c, cluster: {server: 'https://h', extensions: null, certificate-authority: ''}}]
users: null
contexts: [{name: x, context: {cluster: c, namespace: ''}}]
current-context: x
unknown: [1, 2]
",
    );
    assert_eq!(home.target(&flags()).unwrap().namespace, "default");
    home.write(".kube/config", "");
    assert!(matches!(home.target(&flags()), Err(KubeconfigError::NoCurrentContext { .. })));
}

#[test]
fn utf16_files_of_windows_are_read() {
    let home = Home::new();
    let mut bytes = vec![0xff, 0xfe];
    bytes.extend(CONFIG.encode_utf16().flat_map(u16::to_le_bytes));
    std::fs::create_dir_all(home.path(".kube")).unwrap();
    std::fs::write(home.path(".kube/config"), bytes).unwrap();
    assert_eq!(home.target(&flags()).unwrap().cluster, "east");
}

/// A kubeconfig with one cluster and one user of the given fields.
fn one(cluster: &str, user: &str) -> String {
    format!(
        "clusters: [{{name: c, cluster: {{server: 'https://h', {cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n\
         contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\ncurrent-context: x"
    )
}

#[test]
fn contradictions_are_refused_as_kubectl_refuses_them() {
    let home = Home::new();
    home.write("ca", "x");
    for (cluster, user) in [
        ("certificate-authority: ../ca, certificate-authority-data: eA==", ""),
        ("certificate-authority-data: eA==, insecure-skip-tls-verify: true", ""),
        ("", "token: t, username: u"),
        ("", "client-certificate: ../ca, client-certificate-data: eA==, client-key-data: eA=="),
        ("", "client-certificate: ../ca, client-key: ../ca, client-key-data: eA=="),
        ("", "as-groups: [g]"),
        (
            "",
            "exec: {command: c, apiVersion: client.authentication.k8s.io/v1beta1}, auth-provider: {name: oidc}",
        ),
    ] {
        home.write(".kube/config", &one(cluster, user));
        let error = home.target(&flags()).unwrap_err();
        assert!(matches!(error, KubeconfigError::Conflict { .. }), "{cluster} {user}: {error}");
    }
}

#[test]
fn bad_values_are_named_by_field_and_owner() {
    let home = Home::new();
    for (cluster, user, expected) in [
        ("certificate-authority-data: '%%'", "", "certificate-authority-data of \"c\""),
        ("certificate-authority: nowhere", "", "certificate-authority of \"c\""),
        ("proxy-url: 'ftp://p'", "", "proxy-url of \"c\""),
        ("", "client-certificate-data: eA==", "client-certificate of \"u\""),
        ("", "client-certificate: gone, client-key: gone", "client-certificate of \"u\""),
        ("", "tokenFile: gone", "tokenFile of \"u\""),
        ("", "exec: {command: c}", "exec of \"u\""),
        ("", "exec: {apiVersion: client.authentication.k8s.io/v1}", "exec of \"u\""),
        ("", "exec: {command: c, apiVersion: client.authentication.k8s.io/v1}", "exec of \"u\""),
        ("", "exec: {command: c, apiVersion: client.authentication.k8s.io/v1alpha1}", "exec of \"u\""),
    ] {
        home.write(".kube/config", &one(cluster, user));
        let error = home.target(&flags()).unwrap_err().to_string();
        assert!(error.contains(expected), "{cluster} {user}: {error}");
    }
}

#[test]
fn a_flag_for_the_authority_or_against_verification_clears_the_files_choice() {
    let home = Home::new();
    home.write(".kube/config", &one("certificate-authority-data: eA==", ""));
    assert!(home.target(&Overrides { insecure_skip_tls_verify: true, ..flags() }).unwrap().insecure);
    home.write(".kube/config", &one("insecure-skip-tls-verify: true", ""));
    let ca = home.write("ca", "x");
    let target = home.target(&Overrides { certificate_authority: Some(ca), ..flags() }).unwrap();
    assert!(!target.insecure);
}

#[test]
fn secrets_never_show_in_debug_output() {
    let home = Home::new();
    home.write(".kube/config", &one("", "username: me, password: sesame, client-key-data: c2VzYW1l"));
    let overrides = Overrides { password: some("sesame"), ..flags() };
    let kubeconfig = home.load(&overrides).unwrap();
    for text in
        [format!("{kubeconfig:?}"), format!("{overrides:?}"), format!("{:?}", kubeconfig.target().unwrap())]
    {
        assert!(!text.contains("sesame") && !text.contains("c2VzYW1l"), "{text}");
    }
}

#[test]
fn timeouts_are_seconds_or_numbers_with_units() {
    assert_eq!(parse_timeout("0"), Ok(None));
    assert_eq!(parse_timeout("30"), Ok(Some(Duration::from_secs(30))));
    assert_eq!(parse_timeout("1m30s"), Ok(Some(Duration::from_secs(90))));
    assert_eq!(parse_timeout("1.5s"), Ok(Some(Duration::from_millis(1500))));
    for wrong in ["", "s", "1x", "-1", "1m3", "99999999999999999999h"] {
        assert!(parse_timeout(wrong).is_err(), "{wrong}");
    }
}
