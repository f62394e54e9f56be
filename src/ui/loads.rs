//! What the watches say about what is shown: the worst of them decides the face of a pane and the word in the top
//! line.

use crate::app::App;
use crate::config::theme::Role;
use crate::model::snapshot::LoadEntry;
use crate::model::time::{Timestamp, age};
use crate::model::{Kind, Load, NamespaceScope};

use super::widgets::glyph::Glyph;
use super::widgets::pen::Pen;
use super::widgets::spans::Spans;

/// How far the watches of one kind have come, over all namespaces that are looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary<'a> {
    /// How many watches there are.
    pub(super) all: usize,
    /// Objects of the lists that are still arriving; `None` when none is.
    pub(super) loading: Option<usize>,
    /// The stale ones.
    pub(super) stale: Vec<&'a LoadEntry>,
    /// Those that are not allowed.
    pub(super) forbidden: Vec<&'a LoadEntry>,
    /// Those that never worked.
    pub(super) failed: Vec<&'a LoadEntry>,
}

impl<'a> Summary<'a> {
    /// Of one kind in the namespaces that are looked at.
    pub(super) fn of(app: &'a App, kind: Kind) -> Self {
        Self::over(app, kind, |namespace| app.scope.as_ref().is_none_or(|s| s.contains(namespace)))
    }

    /// Of one kind in one namespace.
    pub(super) fn in_namespace(app: &'a App, kind: Kind, namespace: &str) -> Self {
        Self::over(app, kind, |n| n == namespace)
    }

    fn over(app: &'a App, kind: Kind, seen: impl Fn(&str) -> bool) -> Self {
        let mut summary = Self::default();
        let seen = |entry: &&LoadEntry| entry.namespace.as_deref().is_none_or(&seen);
        for entry in app.snapshot.loads.iter().filter(|e| e.kind == kind).filter(seen) {
            summary.all += 1;
            match &entry.load {
                Load::Live => {}
                Load::Loading(n) => *summary.loading.get_or_insert(0) += n,
                Load::Stale { .. } => summary.stale.push(entry),
                Load::Forbidden { .. } => summary.forbidden.push(entry),
                Load::Failed { .. } => summary.failed.push(entry),
            }
        }
        if summary.all == 0 {
            summary.loading = Some(0);
        }
        summary
    }

    /// Whether what it lists is known, be it that of a moment ago.
    pub(super) fn known(&self) -> bool {
        self.loading.is_none() && self.forbidden.is_empty() && self.failed.is_empty()
    }

    /// Since when the oldest stale one is.
    pub(super) fn stale_since(&self) -> Option<Timestamp> {
        let since = |entry: &&LoadEntry| match &entry.load {
            Load::Stale { since, .. } | Load::Failed { since, .. } => Some(*since),
            _ => None,
        };
        self.stale.iter().filter_map(since).min()
    }
}

/// The namespaces that are looked at, in words: `default`, `shop, web +2`, `all namespaces`.
pub(super) fn scope_words(scope: Option<&NamespaceScope>) -> String {
    match scope {
        None => String::new(),
        Some(NamespaceScope::All) => "all namespaces".to_owned(),
        Some(NamespaceScope::Only(names)) => {
            let first: Vec<_> = names.iter().take(2).map(|n| &**n).collect();
            let more = names.len().saturating_sub(2);
            let more = if more > 0 { format!(" +{more}") } else { String::new() };
            format!("{}{more}", first.join(", "))
        }
    }
}

/// `in namespace shop`, `in the whole cluster`, `in 3 namespaces`.
pub(super) fn where_words(entries: &[&LoadEntry]) -> String {
    match entries {
        [LoadEntry { namespace: None, .. }, ..] => "in the whole cluster".to_owned(),
        [LoadEntry { namespace: Some(name), .. }] => format!("in namespace {name}"),
        _ => format!("in {} namespaces", entries.len()),
    }
}

/// The badge of a pane whose list is not simply live.
pub(super) fn badge(pen: &mut Pen<'_>, app: &App, summary: &Summary<'_>) -> Spans<'static> {
    let of = |n: usize| if summary.all > 1 { format!(" {n} of {}", summary.all) } else { String::new() };
    if !summary.failed.is_empty() {
        let text = format!("{} unreachable{}", pen.glyph(Glyph::Ending), of(summary.failed.len()));
        Spans::of(Role::Bad, text)
    } else if !summary.forbidden.is_empty() {
        let text = format!("{} not allowed{}", pen.glyph(Glyph::Ending), of(summary.forbidden.len()));
        Spans::of(Role::Warn, text)
    } else if let Some(since) = summary.stale_since() {
        pen.ages(Some(since), app.now);
        let text = format!("{} stale for {}", pen.glyph(Glyph::Partly), age(Some(since), app.now));
        Spans::of(Role::Warn, text)
    } else if let Some(arrived) = summary.loading {
        Spans::of(Role::Dim, format!("{} loading {arrived}", pen.glyph(Glyph::Unknown)))
    } else {
        Spans::new()
    }
}
