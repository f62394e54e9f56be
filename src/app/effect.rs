//! What the program wants done: data that `runtime::effects` carries out. Results come back as messages with the
//! same id or epoch; what comes back late is dropped by that.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::dns::Libc;
use crate::model::dns::live::Question;
use crate::model::env::restart::Plan;
use crate::model::session::profile::ProfileAct;
use crate::model::session::{ForwardId, ForwardSpec};
use crate::model::{Kind, NamespaceScope, ObjectKey, Pod, Text};

use super::lookups::ExamineFrom;

/// Number of one effect; results carry it back.
pub type Id = u64;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Drop the connection there is and open one to a context (`None`: the one that the command line chose).
    Connect {
        /// Number of the attempt; snapshots and results carry it.
        epoch: u64,
        /// Context name.
        context: Option<Text>,
    },
    /// Look at other namespaces.
    SetScope {
        /// Of which connection.
        epoch: u64,
        /// Which.
        scope: NamespaceScope,
    },
    /// Watch the pods of these namespaces (`None`: of all) and of no others.
    WatchPods {
        /// Of which connection.
        epoch: u64,
        /// Which.
        namespaces: BTreeSet<Option<Text>>,
    },
    /// Read one object by name; it comes with a later snapshot, or [`super::Message::NotFetched`] says why not.
    Fetch {
        /// By which connection.
        epoch: u64,
        /// What kind.
        kind: Kind,
        /// Which.
        key: ObjectKey,
    },
    /// Do not wait for the backoff.
    RetryNow {
        /// Of which connection.
        epoch: u64,
    },
    /// Put the screen aside and run the credential plugin with the terminal: it has to talk to a person.
    SignIn {
        /// Of which connection.
        epoch: u64,
    },
    /// Put text where it can be pasted.
    Copy {
        /// Number of this copy.
        id: Id,
        /// The text, already cleaned of control characters.
        text: String,
    },
    /// Ask the cluster's own DNS.
    Resolve {
        /// Number of this question.
        id: Id,
        /// By which connection.
        epoch: u64,
        /// What is asked.
        questions: Vec<Question>,
        /// The pod whose search list is walked; `None`: names are absolute.
        from: Option<ObjectKey>,
        /// The library whose walk is imitated.
        libc: Libc,
    },
    /// Read what the cluster's DNS servers count of themselves.
    DnsMetrics {
        /// By which connection.
        epoch: u64,
    },
    /// Find out why a name does not resolve or connect.
    Examine {
        /// Number of this examination.
        id: Id,
        /// By which connection.
        epoch: u64,
        /// The name as typed.
        name: String,
        /// Who asks.
        from: ExamineFrom,
    },
    /// Have a container print its environment; nothing but reading is done there.
    ReadEnvironment {
        /// Number of this look.
        id: Id,
        /// By which connection.
        epoch: u64,
        /// The pod.
        pod: ObjectKey,
        /// The container.
        container: Text,
    },
    /// Find out what a restart of these pods would change, and whether it is allowed.
    PlanRestart {
        /// Number of this plan.
        id: Id,
        /// By which connection.
        epoch: u64,
        /// The pods.
        pods: Vec<Arc<Pod>>,
    },
    /// Do what a person has agreed to.
    Restart {
        /// By which connection.
        epoch: u64,
        /// What was shown.
        plan: Plan,
    },
    /// Start forwards over a connection.
    StartForwards {
        /// Over which.
        epoch: u64,
        /// What is wanted.
        specs: Vec<ForwardSpec>,
    },
    /// Stop forwards; those that have ended are put away.
    StopForwards {
        /// Which.
        ids: Vec<ForwardId>,
    },
    /// Read the forwards that are kept under a name for a context, or change them.
    Profiles {
        /// For which connection.
        epoch: u64,
        /// The context.
        context: Text,
        /// What is to be done.
        act: ProfileAct,
    },
    /// Start the API proxy over a connection; one that runs is stopped first.
    StartProxy {
        /// Over which.
        epoch: u64,
        /// Everything that `kubectl proxy` passes on, instead of GET and HEAD alone.
        wide: bool,
    },
    /// Stop the API proxy.
    StopProxy,
    /// Show a page in the person's browser.
    OpenUrl {
        /// Its address.
        url: String,
    },
    /// Clear the terminal and draw everything again.
    Redraw,
    /// Stop.
    Quit,
}
