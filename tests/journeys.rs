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

#[tokio::test]
async fn the_missing_variable_arrives_with_a_restart() {
    let mut explorer = Runner::start("demo", None, 160, 48).await;
    explorer.shows("mysql").await;
    explorer.press("/mysql<enter>");
    explorer.sees("its endpoint", |s| s.contains("1/1 ready")).await;
    explorer.press("M");
    explorer.sees("who lacks them", |s| s.contains("client-") && s.contains("8d before")).await;
    explorer.press("X");
    explorer.shows("restart Deployment default/client: its 1 pod is replaced").await;
    explorer.press("<esc>M");
    explorer.sees("nothing was done", |s| s.contains("8d before")).await;
    explorer.press("X");
    explorer.shows("restart Deployment default/client: its 1 pod is replaced").await;
    explorer.press("<enter>");
    explorer.shows("Deployment default/payments restarted").await;
    explorer.press("M");
    for _ in 0..60 {
        explorer.demo.step(std::time::Duration::from_secs(1));
    }
    explorer.sees("everybody has them", |s| s.contains("No running container lacks")).await;
    explorer.quits().await;
}

#[tokio::test]
async fn a_look_into_the_container_agrees_with_the_prediction() {
    let mut explorer = Runner::start("demo", None, 160, 48).await;
    explorer.shows("mysql").await;
    explorer.press("/mysql<enter>");
    explorer.sees("its environment", |s| s.contains("MYSQL_SERVICE_HOST=10.96.80.9")).await;
    explorer.press("v");
    let screen = explorer.shows("verified by exec").await;
    let told = line(&screen, "verified by exec");
    assert!(!told.contains("different") && !told.contains("missing"), "{told}");
    explorer.press("/PATH");
    explorer
        .sees("what the image adds", |s| s.contains("in the container besides") && s.contains("PATH="))
        .await;
    explorer.quits().await;
}

#[tokio::test]
async fn a_secret_is_read_only_when_it_is_asked_for() {
    let mut explorer = Runner::start("demo", None, 160, 48).await;
    explorer.shows("mysql").await;
    explorer.press("/mysql<enter>");
    explorer.sees("the hidden one", |s| s.contains("Secret mysql-credentials was not read")).await;
    explorer.press("4/ROOT_PASSWORD<enter><down>u");
    explorer.sees("its value", |s| s.contains("MYSQL_ROOT_PASSWORD=")).await;
    explorer.press("u");
    explorer.sees("hidden again", |s| !s.contains("MYSQL_ROOT_PASSWORD=")).await;
    explorer.quits().await;
}

#[tokio::test]
async fn the_clusters_dns_answers_as_predicted() {
    let mut explorer = Runner::start("demo", None, 160, 48).await;
    explorer.shows("mysql").await;
    explorer.press("/my-app<enter>");
    explorer.sees("the endpoints", |s| s.contains("3/3 ready")).await;
    explorer.sees("the servers", |s| line(s, "kdisco").contains("dns 2/2")).await;
    explorer.press("r");
    explorer
        .sees("equal records", |s| {
            s.contains("records equal, 0 different") || s.contains("answers as predicted")
        })
        .await;
    explorer.press(":resolve mysql.default srv<enter>");
    explorer
        .sees("a trace by port-forward", |s| s.contains("by port-forward") && s.contains("mysql.default"))
        .await;
    explorer.press("<esc>3<enter>");
    explorer.sees("the servers' page", |s| s.contains("Servers, 2 of 2 ready")).await;
    explorer.quits().await;
}

#[tokio::test]
async fn the_api_proxy_is_a_key_away_and_reads_only() {
    let mut explorer = Runner::start("demo", None, 160, 48).await;
    explorer.shows("mysql").await;
    explorer.press("p");
    let screen =
        explorer.sees("its badge", |s| line(s, "kdisco").contains("read-only proxy 127.0.0.1:")).await;
    let address =
        line(&screen, "kdisco").split("proxy ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let get = http(&address, "GET /api/v1/namespaces/default/services/mysql HTTP/1.1").await;
    assert!(get.starts_with("HTTP/1.1 200") && get.contains("10.96.80.9"), "{get}");
    let delete = http(&address, "DELETE /api/v1/namespaces/default/services/mysql HTTP/1.1").await;
    assert!(delete.starts_with("HTTP/1.1 403"), "{delete}");
    explorer.press("p");
    explorer.sees("no badge", |s| !line(s, "kdisco").contains("proxy")).await;
    assert!(tokio::net::TcpStream::connect(&address).await.is_err(), "the listener is closed");
    explorer.quits().await;
}

/// One request, and the whole answer.
async fn http(address: &str, line: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("{line}\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_forward_starts_serves_survives_its_pod_and_stops_by_one_key() {
    let mut explorer = Runner::start("demo", None, 160, 48).await;
    explorer.shows("mysql").await;
    explorer.press("/my-app<enter>");
    explorer.sees("the endpoints", |s| s.contains("3/3 ready")).await;
    explorer.press("f");
    let screen = explorer.sees("where it listens", |s| s.contains("svc/my-app is on 127.0.0.1:")).await;
    let address = line(&screen, "svc/my-app is on").split("is on ").nth(1).unwrap();
    let address = address.split([' ', '"']).next().unwrap().to_owned();
    let answer = http(&address, "GET / HTTP/1.1").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    explorer.press("s");
    explorer.sees("its state", |s| line(s, "default/svc/my-app").contains("connected")).await;
    explorer.press("<esc>f");
    explorer.sees("no forward", |s| !line(s, "kdisco").contains("forward")).await;
    assert!(tokio::net::TcpStream::connect(&address).await.is_err(), "the listener is closed");
    explorer.quits().await;
}

#[tokio::test]
async fn forwards_are_kept_under_a_name_and_start_with_the_program() {
    let mut explorer = Runner::start("demo", None, 160, 48).await;
    explorer.shows("mysql").await;
    explorer.press("/my-app<enter>");
    explorer.sees("the endpoints", |s| s.contains("3/3 ready")).await;
    explorer.press("f");
    explorer.sees("where it listens", |s| s.contains("svc/my-app is on 127.0.0.1:")).await;
    explorer.press("swwork<enter>");
    explorer.shows("kept 1 forward under the name \"work\"").await;
    explorer.press("A");
    explorer.sees("the menu", |s| line(s, "work").contains("svc/my-app")).await;
    explorer.press("<enter>");
    explorer.shows("\"work\" starts with this context from now on").await;
    let kept = std::fs::read_to_string(explorer.profiles()).unwrap();
    assert!(kept.contains("autostart = true") && kept.contains("target = \"svc/my-app\""), "{kept}");
    // The next time it is there without a key.
    let mut explorer = explorer.again("demo", 160, 48).await;
    let screen = explorer.sees("where it listens", |s| s.contains("svc/my-app is on 127.0.0.1:")).await;
    let address = line(&screen, "svc/my-app is on").split("is on ").nth(1).unwrap();
    let address = address.split([' ', '"']).next().unwrap().to_owned();
    assert!(http(&address, "GET / HTTP/1.1").await.starts_with("HTTP/1.1 200"));
    explorer.press("L");
    explorer.sees("the menu", |s| line(s, "work").contains("starts with the context")).await;
    explorer.press("<enter>");
    explorer.shows("all that the profile \"work\" holds runs already").await;
    explorer.press(":profile-delete<enter>work");
    explorer.shows("Delete the profile").await;
    explorer.press("<enter>");
    explorer.shows("Forwards that run are not stopped.").await;
    explorer.press("<enter>");
    explorer.shows("deleted the profile \"work\"").await;
    assert!(!std::fs::read_to_string(explorer.profiles()).unwrap().contains("work"));
    explorer.quits().await;
    assert!(tokio::net::TcpStream::connect(&address).await.is_err(), "no listener is left");
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

#[tokio::test]
async fn after_a_sleep_of_the_computer_ages_are_right_without_a_key() {
    let mut explorer = Runner::start("demo", None, 160, 48).await;
    explorer.sees("my-app and its age", |s| line(s, "my-app").contains("41d")).await;
    explorer.sleeps(10 * 86_400);
    // Nothing else would draw for hours: ages in days change that seldom.
    explorer.sees("its age ten days later", |s| line(s, "my-app").contains("51d")).await;
    explorer.sees("that all is true again", |s| s.contains("live")).await;
    explorer.quits().await;
}
