//! What a person can ask for: the actions that keys, the palette and the help are made of.
//!
//! An action is a name without parameters, so that every one can be bound to a key in a configuration file. Its
//! default key stands in `assets/keys.toml`, its help text here.

/// Where a key is looked up: which set of bindings applies now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Lists and panes.
    Browse,
    /// A line is being typed: the filter, the palette, a picker. Keys without a binding here are text.
    Input,
    /// A menu or a page without a line to type.
    Menu,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Browse, Self::Input, Self::Menu];

    /// Its name in a configuration file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Browse => "browse",
            Self::Input => "input",
            Self::Menu => "menu",
        }
    }
}

macro_rules! actions {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal, $group:ident, $help:literal;)*) => {
        /// Everything that can be asked for by a key or by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action { $(#[doc = $help] $name,)* }

        impl Action {
            /// All actions in the order in which help shows them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Name in configuration files and the palette (kebab-case).
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// One line of help.
            pub fn help(self) -> &'static str {
                match self { $(Self::$name => $help,)* }
            }

            /// The heading under which help shows it.
            pub fn group(self) -> Group {
                match self { $(Self::$name => Group::$group,)* }
            }
        }
    };
}

/// Headings of the help page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Moving about.
    Move,
    /// What is shown.
    Show,
    /// What is done with the selection.
    Do,
    /// Typing a line.
    Type,
    /// The program itself.
    Program,
}

impl Group {
    /// All of them, in the order of the help page.
    pub const ALL: [Self; 5] = [Self::Move, Self::Show, Self::Do, Self::Type, Self::Program];

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Move => "Move",
            Self::Show => "Show",
            Self::Do => "With the selection",
            Self::Type => "While typing",
            Self::Program => "Program",
        }
    }
}

actions! {
    Down = "down", Move, "one line down";
    Up = "up", Move, "one line up";
    HalfPageDown = "half-page-down", Move, "half a page down";
    HalfPageUp = "half-page-up", Move, "half a page up";
    PageDown = "page-down", Move, "a page down";
    PageUp = "page-up", Move, "a page up";
    Top = "top", Move, "to the first line";
    Bottom = "bottom", Move, "to the last line";
    Left = "left", Move, "scroll to the left";
    Right = "right", Move, "scroll to the right";
    NextPane = "next-pane", Move, "next pane";
    PreviousPane = "previous-pane", Move, "previous pane";
    PaneMain = "pane-main", Move, "the list of Services or pods";
    PaneEndpoints = "pane-endpoints", Move, "the Endpoints pane";
    PaneDns = "pane-dns", Move, "the DNS pane";
    PaneEnvironment = "pane-environment", Move, "the Environment pane";
    Filter = "filter", Show, "filter the list (fuzzy; !not, -l label=value, port:5432 ip:10.96 type:headless)";
    ClearFilter = "clear-filter", Show, "remove the filter";
    Services = "services", Show, "list Services";
    Pods = "pods", Show, "list pods with the Services that lead to them";
    Namespaces = "namespaces", Show, "choose namespaces";
    AllNamespaces = "all-namespaces", Show, "all namespaces, and back";
    Contexts = "contexts", Show, "choose a context";
    Viewpoint = "viewpoint", Show, "see everything from a pod, a namespace or this laptop";
    Container = "container", Show, "next container, then next pod, in the Environment pane";
    Differences = "differences", Show, "only variables that a restart would change or that are in doubt, and back";
    Reveal = "reveal", Show, "show the selected variable's Secret value, and hide it again";
    Sort = "sort", Show, "sort by the next column";
    SortReverse = "sort-reverse", Show, "reverse the order";
    Wide = "wide", Show, "more columns, as kubectl's -o wide";
    Zoom = "zoom", Show, "the focused pane alone, and back";
    Grow = "grow", Show, "move the split to the right";
    Shrink = "shrink", Show, "move the split to the left";
    Detail = "detail", Do, "all about the selection: facts, findings, what to do";
    Copy = "copy", Do, "copy the name that works from the viewpoint";
    CopyMenu = "copy-menu", Do, "choose what to copy";
    Missing = "missing", Do, "which running containers lack this Service's variables, and what cures it";
    Export = "export", Do, "copy the container's environment for dotenv, a shell or docker";
    Resolve = "resolve", Do, "ask the cluster's DNS for every record shown, and compare";
    ResolveAny = "resolve-any", Do, "ask the cluster's DNS for any name, as the viewpoint would";
    Doctor = "doctor", Do, "why does this name not resolve or connect?";
    Verify = "verify", Do, "look into the container and compare its real environment with the prediction";
    Restart = "restart", Do, "restart what lacks this Service's variables, after a question";
    Forward = "forward", Do, "start or stop a port-forward to the selection";
    ForwardChoose = "forward-choose", Do, "choose ports, local address and pod of a port-forward";
    Profile = "profile", Do, "start forwards that are kept under a name";
    ProfileSave = "profile-save", Do, "keep the running forwards under a name";
    ProfileAutostart = "profile-autostart", Do, "have a profile started with its context, or no longer";
    ProfileDelete = "profile-delete", Do, "delete a profile, after a question";
    Open = "open", Do, "open the forward in the browser";
    Proxy = "proxy", Do, "start or stop the API proxy on this computer, for GET and HEAD";
    ProxyWide = "proxy-wide", Do, "let the API proxy pass writes too, after a question";
    Sessions = "sessions", Show, "the running forwards and the API proxy";
    Retry = "retry", Do, "connect again now";
    Accept = "accept", Type, "take it";
    Complete = "complete", Type, "complete from the list";
    ClearLine = "clear-line", Type, "empty the line";
    DeleteWord = "delete-word", Type, "delete the word before the cursor";
    Toggle = "toggle", Type, "mark or unmark, where several can be chosen";
    Palette = "palette", Program, "run a command by name";
    Help = "help", Program, "this page";
    Back = "back", Program, "close, leave, undo the zoom or the filter";
    Redraw = "redraw", Program, "draw the whole screen again";
    Quit = "quit", Program, "quit";
}

impl Action {
    /// The action of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|a| a.name() == name)
    }
}
