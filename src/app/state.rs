//! The parts that the state is made of: panes, viewpoint, connection, notices, layout.

use std::sync::Arc;

use crate::model::time::Timestamp;
use crate::model::{ObjectKey, Text};

use super::message::{ContextInfo, Identity, Viewport};
use super::problem::Problem;

/// The four panes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pane {
    /// The list of Services or pods.
    #[default]
    Main,
    /// What is behind the selection.
    Endpoints,
    /// The DNS names of the selection.
    Dns,
    /// The environment of one container.
    Environment,
}

impl Pane {
    /// All of them, in the order of the keys 1 to 4.
    pub const ALL: [Self; 4] = [Self::Main, Self::Endpoints, Self::Dns, Self::Environment];

    /// Position in [`Self::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Main => "Services",
            Self::Endpoints => "Endpoints",
            Self::Dns => "DNS",
            Self::Environment => "Environment",
        }
    }
}

/// What the main list holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MainView {
    /// Services.
    #[default]
    Services,
    /// Pods.
    Pods,
}

/// From where everything is seen: which names work and what is copied depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Viewpoint {
    /// The selection's own first pod, or its namespace while no pod is known.
    #[default]
    Selection,
    /// This computer, outside the cluster.
    Laptop,
    /// Some pod of a namespace with default settings.
    Namespace(Text),
    /// One container of one pod.
    Container {
        /// The pod.
        pod: ObjectKey,
        /// The container's name.
        container: Text,
    },
}

/// How the connection to the cluster stands.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// Number of the newest attempt; what carries another number is late and dropped.
    pub epoch: u64,
    /// Why the credential plugin could not sign in without the terminal; trying again lends it the terminal.
    pub asks: Option<Text>,
    /// The context that is being connected to, where one was chosen.
    pub wanted: Option<Text>,
    /// What we are connected to, once the configuration was read.
    pub identity: Option<Identity>,
    /// Why there is no connection.
    pub problem: Option<Problem>,
    /// The contexts to choose from.
    pub contexts: Arc<Vec<ContextInfo>>,
}

/// How bad a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Something was done.
    Done,
    /// Worth knowing.
    Note,
    /// It did not work.
    Fault,
}

/// A line that tells what just happened, and goes away by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How bad.
    pub tone: Tone,
    /// The line.
    pub text: String,
    /// When it goes.
    pub until: Timestamp,
}

/// Seconds that a notice stays.
pub const NOTICE_SECONDS: i64 = 6;

/// How the screen is divided, as far as a person decides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Share of the width that the main list has, in 1/1000.
    pub split: u16,
    /// More columns.
    pub wide: bool,
    /// The focused pane alone.
    pub zoom: bool,
    /// Which of the right-hand panes is the open tab where only one fits.
    pub tab: Pane,
    /// Columns by which the panes are scrolled to the right.
    pub scroll: [usize; 4],
    /// What the last frame had room for.
    pub viewport: Viewport,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            split: 560,
            wide: false,
            zoom: false,
            tab: Pane::Endpoints,
            scroll: [0; 4],
            viewport: Viewport { rows: [10; 4], overlay_rows: 10, ..Viewport::default() },
        }
    }
}
