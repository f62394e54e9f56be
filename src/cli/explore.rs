//! Starts the explorer: settings, theme, where the facts come from, the runtime.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Arc;

use super::args::{Explore, Origin};
use super::crash;
use super::facts;
use super::failure::{Exit, Failure};
use crate::cluster::kubeconfig::{self, Overrides};
use crate::cluster::objects;
use crate::config::load::forwards_file;
use crate::config::{Settings, Source as ThemeSource, Theme};
use crate::demo;
use crate::model::time::Timestamp;
use crate::model::{NamespaceScope, Text};
use crate::runtime::clock::{Clock, OffsetClock, SystemClock};
use crate::runtime::{self, KnownNamespaces, Options, Source};
use crate::session::registry;
use crate::ui::Look;

/// The explorer on the screen, until it is quit.
///
/// # Errors
/// No terminal, a theme or a saved file that can't be used, a demo that can't start.
pub fn run(explore: &Explore, settings: &Settings) -> Result<Exit, Failure> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(Failure::new(
            Exit::Usage,
            "the explorer needs a terminal",
            "Input or output is a file or a pipe.",
            "For scripts there are commands: kdisco services, endpoints, dns, env (see kdisco --help).",
        ));
    }
    let theme = theme(settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Failure::new(Exit::Problems, "the program can't start", e.to_string(), ""))?;
    let result = runtime.block_on(start(explore, settings, theme));
    // Tasks that hang in a system call (a name look-up) must not hold up the end.
    runtime.shutdown_background();
    result
}

async fn start(explore: &Explore, settings: &Settings, theme: Theme) -> Result<Exit, Failure> {
    let mut overrides = overrides(explore)?;
    let (mut scope, mut clock): (_, Box<dyn Clock>) = (scope(explore), Box::new(SystemClock));
    if let Some(now) = explore.now {
        clock = Box::new(OffsetClock::new(now));
    }
    // Kept until the end: dropping it stops the demo cluster.
    let mut _demo = None;
    let source = match explore.origin() {
        Origin::Objects(file) => {
            let (source, newest) = saved(&file, scope.take())?;
            let now = explore.now.or(newest).unwrap_or_else(Timestamp::now);
            clock = Box::new(OffsetClock::new(now));
            source
        }
        Origin::Cluster => Source::Cluster { overrides: Box::new(overrides), scope, known: known(settings) },
        Origin::Demo(scale) => {
            let demo = start_demo(scale.map(|s| (s.services, s.pods))).await?;
            overrides = Overrides { kubeconfig: Some(demo.kubeconfig().to_owned()), ..overrides };
            _demo = Some(demo);
            Source::Cluster { overrides: Box::new(overrides), scope, known: known(settings) }
        }
    };
    let notices = settings.unknown.iter().map(ToString::to_string).collect();
    let options = Options {
        source,
        filter: explore.selector.as_ref().map(|s| format!("-l {s}")).unwrap_or_default(),
        read_only: settings.read_only.value,
        forwards: registry::directory(|name| std::env::var_os(name)),
        profiles: forwards_file(),
        mouse: settings.mouse.value,
        look: Look::new(theme, settings.ascii.value, settings.keymap.clone()),
        notices,
        clock,
    };
    crash::on_wish();
    let ended = tokio::select! {
        ended = runtime::explore(options) => ended,
        // The screen is given back, and said what it was. To go on would be to show what is no longer kept true.
        () = crash::happened() => return Ok(Exit::Broken),
    };
    ended.map(|()| Exit::Fine).map_err(|e| {
        Failure::new(Exit::Problems, "the terminal can't be used", e.to_string(), "Try another terminal.")
    })
}

/// The namespaces that the settings name, for clusters whose namespaces may not be listed.
fn known(settings: &Settings) -> KnownNamespaces {
    let texts = |names: BTreeSet<String>| names.into_iter().map(Text::from).collect();
    KnownNamespaces {
        everywhere: texts(settings.namespaces.value.iter().cloned().collect()),
        by_context: settings
            .contexts
            .keys()
            .map(|name| (name.as_str().into(), texts(settings.namespaces_of(name))))
            .collect(),
    }
}

/// Starts a demo cluster.
pub async fn start_demo(scale: Option<(usize, usize)>) -> Result<demo::Demo, Failure> {
    demo::start(demo::Options { scale, script: true, ..demo::Options::default() }).await.map_err(|e| {
        let hint = "It needs a port of 127.0.0.1 and a directory for temporary files.";
        Failure::new(Exit::Problems, "the demo cluster can't start", e.to_string(), hint)
    })
}

/// A saved file as a source, and the newest time in it.
fn saved(file: &Path, scope: Option<NamespaceScope>) -> Result<(Source, Option<Timestamp>), Failure> {
    let loaded = objects::load(file).map_err(|e| facts::cannot_load(&e))?;
    let name = file.file_name().map_or_else(|| "-".into(), |n| n.to_string_lossy());
    let source = Source::Saved {
        file: name.as_ref().into(),
        snapshot: Arc::new(loaded.snapshot),
        // A file has no current namespace: without a word it is everything that is in it.
        scope: scope.unwrap_or(NamespaceScope::All),
    };
    Ok((source, loaded.newest))
}

/// The namespaces that the flags name, if they name any.
fn scope(explore: &Explore) -> Option<NamespaceScope> {
    if explore.all_namespaces {
        return Some(NamespaceScope::All);
    }
    let names: BTreeSet<Text> = explore.namespaces().into_iter().map(Text::from).collect();
    (!names.is_empty()).then_some(NamespaceScope::Only(names))
}

/// The flags about the connection.
///
/// # Errors
/// A time that is none.
pub fn overrides(explore: &Explore) -> Result<Overrides, Failure> {
    let request_timeout = match &explore.request_timeout {
        Some(text) => kubeconfig::parse_timeout(text).map_err(|why| {
            Failure::new(Exit::Usage, "--request-timeout can't be used", why, "Give 5s, 2m or 0.")
        })?,
        None => None,
    };
    Ok(Overrides {
        kubeconfig: explore.kubeconfig.clone(),
        context: explore.context.clone(),
        cluster: explore.cluster.clone(),
        user: explore.user.clone(),
        namespace: explore.namespaces().first().map(|n| (*n).to_owned()),
        as_user: explore.as_user.clone(),
        as_group: explore.as_group.clone(),
        as_uid: explore.as_uid.clone(),
        token: explore.token.clone(),
        server: explore.server.clone(),
        tls_server_name: explore.tls_server_name.clone(),
        insecure_skip_tls_verify: explore.insecure_skip_tls_verify,
        certificate_authority: explore.certificate_authority.clone(),
        client_certificate: explore.client_certificate.clone(),
        client_key: explore.client_key.clone(),
        username: explore.username.clone(),
        password: explore.password.clone(),
        request_timeout,
        proxy_url: None,
    })
}

/// The theme that the settings name: a built-in one, or a file (beside the configuration, if its path is relative).
fn theme(settings: &Settings) -> Result<Theme, Failure> {
    if !settings.color.value {
        return Ok(Theme::without_colours());
    }
    let name = &settings.theme.value;
    if name.is_empty() {
        let usual = usual_theme(|name| std::env::var(name).unwrap_or_default());
        return Ok(Theme::built_in(usual).unwrap_or_default());
    }
    if let Some(theme) = Theme::built_in(name) {
        return Ok(theme);
    }
    let beside = settings.file.as_ref().and_then(|f| Some(f.parent()?.join(name))).filter(|f| f.is_file());
    let path = beside.unwrap_or_else(|| Path::new(name).to_owned());
    let names: Vec<_> = Theme::names().collect();
    let hint = format!("Built in are {}.", names.join(", "));
    let text = std::fs::read_to_string(&path).map_err(|e| {
        Failure::new(Exit::Usage, format!("there is no theme \"{name}\""), e.to_string(), hint.clone())
    })?;
    let file = path.display().to_string();
    Theme::parse(name, ThemeSource { file: &file, text: &text })
        .map_err(|c| Failure::new(Exit::Usage, "the theme can't be used", c.to_string(), hint))
}

/// The theme for a terminal about which nothing was said: by the colours it has, and by the background where it
/// tells (`COLORFGBG`, written by rxvt, Konsole and others: the last number is the background's, 7 and 15 are light).
fn usual_theme(variable: impl Fn(&str) -> String) -> &'static str {
    let many = !variable("COLORTERM").is_empty() || variable("TERM").contains("256color");
    let background = variable("COLORFGBG");
    match background.rsplit(';').next() {
        _ if !many => "ansi16",
        Some("7" | "15") => "light",
        _ => "dark",
    }
}

#[cfg(test)]
mod tests {
    use super::usual_theme;

    #[test]
    fn the_usual_theme_follows_the_terminal() {
        let with = |vars: &'static [(&str, &str)]| {
            usual_theme(move |n| {
                vars.iter().find(|(k, _)| *k == n).map_or(String::new(), |(_, v)| (*v).to_owned())
            })
        };
        assert_eq!(with(&[("TERM", "xterm-256color")]), "dark");
        assert_eq!(with(&[("TERM", "xterm-256color"), ("COLORFGBG", "0;15")]), "light");
        assert_eq!(with(&[("TERM", "rxvt"), ("COLORTERM", "truecolor"), ("COLORFGBG", "15;0")]), "dark");
        assert_eq!(with(&[("TERM", "linux")]), "ansi16");
    }
}
