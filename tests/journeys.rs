//! Journeys through the explorer: the real loop, the real client, the demo cluster.

#[path = "common/runner.rs"]
mod runner;

use kdisco::model::NamespaceScope;
use runner::Runner;

/// The line of the screen that holds a text.
fn line<'a>(screen: &'a str, text: &str) -> &'a str {
    screen.lines().find(|l| l.contains(text)).unwrap_or("")
}

#[tokio::test]
async fn services_show_with_what_is_behind_them_and_the_panes_follow() {
    let mut explorer = Runner::start("demo", None, 160, 48).await;
    let screen = explorer.sees("my-app with its count", |s| line(s, "my-app").contains("3/3")).await;
    assert!(line(&screen, "docs").contains("ExternalName"), "{screen}");
    explorer.press("/my-app<enter>");
    explorer.sees("the endpoints of my-app", |s| s.contains("3/3 ready")).await;
    explorer.sees("its name", |s| s.contains("my-app.default.svc.cluster.local")).await;
    explorer.sees("its variable", |s| s.contains("MY_APP_SERVICE_HOST=10.96.14.2")).await;
    explorer.quits().await;
}

#[tokio::test]
async fn the_client_that_is_older_than_mysql_lacks_its_variables() {
    let mut explorer = Runner::start("demo", None, 160, 48).await;
    explorer.shows("mysql").await;
    explorer.press("@client-");
    explorer.sees("the client in the list, once pods are known", |s| s.contains("default/client-")).await;
    explorer.press("<enter>/mysql<enter>");
    let screen = explorer.sees("the missing variable", |s| s.contains("MYSQL_SERVICE_HOST")).await;
    assert!(line(&screen, "MYSQL_SERVICE_HOST").contains('✗'), "{screen}");
    explorer.quits().await;
}

#[tokio::test]
async fn a_broken_selector_is_explained() {
    let mut explorer = Runner::start("demo", None, 160, 48).await;
    explorer.shows("reports").await;
    explorer.press("/reports<enter>");
    explorer.sees("the finding with the label that would match", |s| s.contains("app=report")).await;
    explorer.quits().await;
}

#[tokio::test]
async fn the_copied_name_follows_the_viewpoint() {
    let mut explorer = Runner::start("demo", None, 120, 40).await;
    explorer.sees("my-app with its count", |s| line(s, "my-app").contains("3/3")).await;
    explorer.press("/my-app<enter>");
    explorer.sees("the endpoints", |s| s.contains("3/3 ready")).await;
    explorer.press("y");
    assert_eq!(explorer.copies().await, "my-app");
    explorer.press("@ns/shop<enter>y");
    assert_eq!(explorer.copies().await, "my-app.default");
    explorer.press("@laptop<enter>y");
    assert_eq!(explorer.copies().await, "my-app.default.svc.cluster.local");
    explorer.quits().await;
}

#[tokio::test]
async fn namespaces_and_pods_are_a_key_away() {
    let mut explorer = Runner::start("demo", None, 160, 48).await;
    explorer.shows("mysql").await;
    explorer.press("a");
    explorer.shows("kube-dns").await;
    explorer.press(":ns shop<enter>");
    explorer.sees("shop alone", |s| s.contains("checkout") && !s.contains("kube-dns")).await;
    explorer.press(":pods<enter>");
    explorer.sees("pods with their Services", |s| s.contains("frontend-") && s.contains("Running")).await;
    explorer.quits().await;
}

#[tokio::test]
async fn without_rights_it_says_what_is_missing_and_shows_nothing_as_empty() {
    let mut explorer = Runner::start("demo-viewer", Some(NamespaceScope::All), 120, 40).await;
    let screen = explorer.sees("its own namespace all the same", |s| line(s, "my-app").contains("3/3")).await;
    assert!(line(&screen, "kdisco").contains("not allowed: services in the whole cluster"), "{screen}");
    explorer
        .sees("the missing right to pods", |s| s.contains("Not allowed: list pods in namespace default"))
        .await;
    explorer.quits().await;
}

#[tokio::test]
async fn a_saved_selection_survives_a_pod_that_is_replaced() {
    let mut explorer = Runner::start("demo", None, 160, 48).await;
    explorer.sees("my-app with its count", |s| line(s, "my-app").contains("3/3")).await;
    explorer.press("/my-app<enter>");
    let before = explorer.sees("the endpoints", |s| s.contains("3/3 ready")).await;
    // The script replaces pods as its time passes; the clock is ours.
    for _ in 0..240 {
        explorer.demo.step(std::time::Duration::from_secs(1));
    }
    let after = explorer.sees("another picture", |s| *s != before).await;
    assert!(line(&after, "▸").contains("my-app"), "{after}");
    explorer.quits().await;
}

/// A kubeconfig whose user signs in by a shell script; nobody listens at its server.
fn signing_in(folder: &std::path::Path, mode: &str, script: &str) -> kdisco::cluster::kubeconfig::Overrides {
    use std::os::unix::fs::PermissionsExt;
    let plugin = folder.join("plugin.sh");
    std::fs::write(&plugin, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o755)).unwrap();
    let file = folder.join("config");
    let text = format!(
        "clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:1'}}}}]\n\
         users: [{{name: u, user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: ./plugin.sh, interactiveMode: {mode}}}}}}}]\n\
         contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\ncurrent-context: x\n"
    );
    std::fs::write(&file, text).unwrap();
    kdisco::cluster::kubeconfig::Overrides { kubeconfig: Some(file), ..Default::default() }
}

#[tokio::test]
async fn the_screen_answers_while_a_credential_plugin_runs_and_shows_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    // It would read what is typed, and write over the screen, if it could.
    let overrides =
        signing_in(folder.path(), "IfAvailable", "cat\necho 'open https://sign.in now' >&2\nexec sleep 600");
    let mut explorer = Runner::with_overrides(overrides, 120, 40).await;
    explorer.shows("open https://sign.in now").await;
    explorer.press("?");
    explorer.shows("half").await;
    explorer.press("<esc>:ctx");
    explorer.shows("Command").await;
    explorer.quits().await;
}

#[tokio::test]
async fn a_plugin_that_needs_a_person_is_run_when_the_person_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let script = "test -e \"$(dirname \"$0\")/asked\" || { touch \"$(dirname \"$0\")/asked\"; echo 'log in first' >&2; exit 1; }\n\
                  echo 'still no' >&2; exit 1";
    let overrides = signing_in(folder.path(), "IfAvailable", script);
    let mut explorer = Runner::with_overrides(overrides, 120, 40).await;
    explorer.shows("signing in needs you").await;
    explorer.retry();
    explorer.shows("still no").await;
    explorer.quits().await;
}
