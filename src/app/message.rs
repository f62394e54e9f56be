//! What happens to the program: everything that reaches [`super::App::update`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::dns::{LiveLookup, Metrics};
use crate::model::doctor::Diagnosis;
use crate::model::env::Fetch;
use crate::model::env::restart::Plan;
use crate::model::proxy::ProxyStatus;
use crate::model::session::ForwardStatus;
use crate::model::session::profile::{Profile, ProfileAct};
use crate::model::time::Timestamp;
use crate::model::{ClusterSnapshot, Kind, NamespaceScope, ObjectKey, Text};

use super::action::Action;
use super::cure::Printed;
use super::effect::Id;
use super::problem::Problem;
use super::state::Pane;
use super::table::Column;

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Message {
    /// A newer picture of the cluster.
    Snapshot(Arc<ClusterSnapshot>),
    /// A connection stands; its watches follow.
    Connected {
        /// Which attempt.
        epoch: u64,
        /// To what.
        identity: Identity,
        /// The namespaces it looks at.
        scope: NamespaceScope,
    },
    /// A connection could not even be tried (kubeconfig, certificates, plugin).
    ConnectFailed {
        /// Which attempt.
        epoch: u64,
        /// Why.
        problem: Problem,
    },
    /// The contexts that the kubeconfig has.
    Contexts(Arc<Vec<ContextInfo>>),
    /// A key that is bound, or a palette entry.
    Action(Action),
    /// Text was typed or pasted while a line is open.
    Edit(Edit),
    /// The mouse was pressed on something.
    Click {
        /// On what.
        target: Target,
        /// A second press on the same spot.
        double: bool,
    },
    /// The wheel turned over something; positive is down, in lines.
    Wheel {
        /// Over what.
        target: Target,
        /// How far.
        lines: isize,
    },
    /// The split between left and right was dragged to this share of the width, in 1/1000.
    DragSplit(u16),
    /// What the last frame had room for.
    Viewport(Viewport),
    /// Time goes on. The only way the program learns what time it is.
    Tick(Timestamp),
    /// An object could not be read by name.
    NotFetched {
        /// By which connection.
        epoch: u64,
        /// What kind.
        kind: Kind,
        /// Which.
        key: ObjectKey,
        /// Why not.
        why: Fetch,
    },
    /// A credential plugin could not sign in without the terminal (why), or it has done so since (`None`).
    SignInAsked {
        /// For which connection.
        epoch: u64,
        /// The plugin's words.
        why: Option<Text>,
    },
    /// The terminal was lent to a credential plugin and is back.
    SignedIn {
        /// For which connection.
        epoch: u64,
        /// What went wrong, if anything did.
        problem: Option<Problem>,
    },
    /// What is true of the forwards now.
    Forwards(Arc<Vec<ForwardStatus>>),
    /// The cluster's DNS has answered, or could not be asked.
    Resolved {
        /// Of which effect.
        id: Id,
        /// A look-up for each question, in their order.
        result: Result<Vec<LiveLookup>, Problem>,
    },
    /// What the cluster's DNS servers count of themselves, by pod; an error says why it can't be read.
    DnsMetrics {
        /// By which connection.
        epoch: u64,
        /// The counts.
        metrics: BTreeMap<Text, Result<Metrics, String>>,
    },
    /// A name was examined.
    Examined {
        /// Of which effect.
        id: Id,
        /// What it came to.
        result: Box<Result<Diagnosis, Problem>>,
    },
    /// A look into a container came to an end.
    Looked {
        /// Of which effect.
        id: Id,
        /// What it printed.
        result: Result<Printed, Problem>,
    },
    /// It is known what a restart would change.
    RestartPlanned {
        /// Of which effect.
        id: Id,
        /// The plan.
        result: Result<Plan, Problem>,
    },
    /// One step of a restart was done (what, in a few words), or was not.
    Restarted(Result<String, Problem>),
    /// The profiles of a context as they are now, after what was done with them.
    Profiles {
        /// For which connection.
        epoch: u64,
        /// What was asked for.
        act: ProfileAct,
        /// What there is; or why it was not done.
        result: Result<Arc<Vec<Profile>>, Problem>,
    },
    /// What is true of the API proxy now.
    Proxy(Option<ProxyStatus>),
    /// Something that was asked for can't be done.
    Refused(Problem),
    /// Something worth a line happened outside (a sign-in plugin spoke).
    Note(String),
    /// A copy came to an end.
    Copied {
        /// Of which effect.
        id: Id,
        /// How.
        outcome: CopyOutcome,
    },
}

/// A change to the line being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Characters typed or pasted.
    Insert(String),
    /// Delete the character before the cursor.
    Backspace,
    /// Delete the character under the cursor.
    Delete,
    /// Cursor one character to the left.
    Left,
    /// Cursor one character to the right.
    Right,
    /// Cursor to the start.
    Home,
    /// Cursor to the end.
    End,
}

/// What we are connected to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Name of the kubeconfig's context; empty when there is none (in-cluster, `--server`).
    pub context: Text,
    /// Name of its cluster.
    pub cluster: Text,
    /// Name of its user.
    pub user: Text,
    /// URL of the API server.
    pub server: Text,
    /// Namespace of the context.
    pub namespace: Text,
    /// The server's certificate is not checked: a badge says so.
    pub insecure: bool,
    /// Namespaces that the configuration names for this context.
    pub known_namespaces: BTreeSet<Text>,
    /// A saved file is shown, no cluster: the file's name.
    pub file: Option<Text>,
}

/// One context of the kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextInfo {
    /// Name.
    pub name: Text,
    /// Its cluster.
    pub cluster: Text,
    /// Its user.
    pub user: Text,
    /// Its namespace.
    pub namespace: Text,
}

/// Something on the screen that the mouse can hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A row of the main list.
    Row(ObjectKey),
    /// A column heading of the main list.
    Heading(Column),
    /// A row of one of the right-hand panes, by index.
    PaneRow(Pane, usize),
    /// A pane, but none of its rows; also its tab.
    Pane(Pane),
    /// The border between left and right.
    Split,
    /// An entry of the open menu or picker, by index.
    Entry(usize),
    /// The open menu, picker or page, but none of its entries.
    Overlay,
    /// A word of the top or bottom line that stands for an action.
    Action(Action),
}

/// What the last frame had room for, so that paging and scrolling know how far a page is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Viewport {
    /// Rows visible in each pane, indexed by [`Pane::index`]; 0 where it is not on the screen.
    pub rows: [usize; 4],
    /// Rows visible in the open menu, picker or page.
    pub overlay_rows: usize,
    /// The last line of the open page that can be its first visible one.
    pub overlay_end: usize,
    /// Columns by which each pane can be scrolled to the right, indexed by [`Pane::index`].
    pub aside: [usize; 4],
    /// Whether panes are shown one at a time.
    pub narrow: bool,
}

/// How a copy ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyOutcome {
    /// The system's clipboard took it.
    Clipboard,
    /// It was handed to the terminal by OSC 52, which does not answer.
    Terminal,
    /// No way: the text is to be shown so that a terminal can select it. Why.
    Failed(String),
}
