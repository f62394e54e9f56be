//! The predicted environment held against the one that a container really has, as a command in it printed it.
//!
//! What it is: reading what `env -0`, `env` or an `environ` file of `/proc` prints, and a verdict for each variable.
//! What it is not: it runs nothing; how the text was got is the caller's affair.
//!
//! A process that is started in the container by exec gets the container's configured environment: what the kubelet
//! made, above what the image says, with `HOME` from the runtime. That is what predictions are about. The environment
//! of PID 1 is that of the container's process only where the pod shares no process namespace, and where its
//! entrypoint has not changed it before it replaced itself.
//!
//! **Secrets.** What a container has may hold values of Secrets that the reader did not ask for. An actual value is
//! kept back, unless it is the predicted one that is shown anyway, wherever a Secret or a file in the pod may have
//! set it: by a `secretKeyRef` or `fileKeyRef` of that name, by a literal that refers to such a variable, or by an
//! `envFrom` of a Secret whose prefix the name begins with, whatever is in that Secret today. It is never stored
//! then. The verdict is told all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::expand::{Meaning, expand};
use super::{ContainerEnvironment, Secrets, Status};
use crate::model::Text;
use crate::model::pod::{Container, EnvValue};

/// How variables are separated in what was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A NUL behind each (`env -0`, `/proc/…/environ`): values survive whole.
    Nul,
    /// A line end behind each (`env`): where a value has line ends, it can't be told from the next variable, except
    /// where it is the predicted one.
    Lines,
}

/// The environment that a container really has. `Debug` prints names alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Actual {
    /// Values, and whether they were changed to be UTF-8.
    variables: BTreeMap<Text, (Text, bool)>,
    /// Values with line ends may have been torn apart.
    torn: bool,
}

impl fmt::Debug for Actual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl Actual {
    /// Reads what was printed. `predicted` helps to keep values with line ends whole.
    pub fn parse(printed: &[u8], form: Form, predicted: &ContainerEnvironment) -> Self {
        match form {
            Form::Nul => Self::of_entries(printed.split(|byte| *byte == 0), false),
            Form::Lines => Self::of_entries(cut_lines(printed, predicted).into_iter(), true),
        }
    }

    fn of_entries<'a>(entries: impl Iterator<Item = &'a [u8]>, torn: bool) -> Self {
        let mut actual = Self { torn, ..Self::default() };
        for entry in entries {
            let Some(at) = entry.iter().position(|byte| *byte == b'=').filter(|at| *at > 0) else { continue };
            let (name, value) = (String::from_utf8_lossy(&entry[..at]), &entry[at + 1..]);
            let text = String::from_utf8_lossy(value);
            let changed = text.len() != value.len() || matches!(text, std::borrow::Cow::Owned(_));
            // getenv takes the first of several.
            actual.variables.entry(name.into()).or_insert_with(|| (text.into(), changed));
        }
        actual
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.variables.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.variables.is_empty()
    }
}

/// Cuts lines into variables. A line without a name and `=` belongs to the value before; a predicted value with line
/// ends is taken whole where it stands.
fn cut_lines<'a>(printed: &'a [u8], predicted: &ContainerEnvironment) -> Vec<&'a [u8]> {
    let whole = |rest: &[u8]| -> Option<usize> {
        let at = rest.iter().position(|byte| *byte == b'=')?;
        let name = std::str::from_utf8(&rest[..at]).ok()?;
        let value = predicted.get(name)?.value.filter(|value| value.contains('\n'))?;
        let end = at + 1 + value.len();
        let fits =
            rest[at + 1..].starts_with(value.as_bytes()) && matches!(rest.get(end), None | Some(b'\n'));
        fits.then_some(end)
    };
    let begins = |line: &[u8]| match line.iter().position(|byte| *byte == b'=') {
        Some(at) => at > 0 && line[..at].iter().all(u8::is_ascii_graphic),
        None => false,
    };
    let (mut cuts, mut at) = (Vec::<(usize, usize)>::new(), 0);
    while at < printed.len() {
        let line = printed[at..].iter().position(|byte| *byte == b'\n').map_or(printed.len(), |i| at + i);
        let end = whole(&printed[at..]).map_or(line, |length| at + length);
        match cuts.last_mut() {
            Some(last) if !begins(&printed[at..end]) => last.1 = end,
            _ => cuts.push((at, end)),
        }
        at = end + 1;
    }
    cuts.into_iter().map(|(from, to)| &printed[from..to]).collect()
}

/// What holding a prediction against reality came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verified {
    /// As predicted: the same value, or absent as predicted.
    Equal,
    /// There with another value.
    Different,
    /// Predicted, or thought possible, and not there.
    Missing,
    /// There and not predicted: from the image, the runtime, or an object that is gone.
    Unpredicted,
    /// Nothing to hold against each other: the value is not known or not shown, or the container does not run.
    Unverifiable,
}

impl Verified {
    /// All, in the order of the reports.
    pub const ALL: [Self; 5] =
        [Self::Equal, Self::Different, Self::Missing, Self::Unpredicted, Self::Unverifiable];

    /// The word of the JSON documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Different => "different",
            Self::Missing => "missing",
            Self::Unpredicted => "unpredicted",
            Self::Unverifiable => "unverifiable",
        }
    }
}

/// One variable, predicted and actual. `Debug` prints no value.
#[derive(Clone, PartialEq, Eq)]
pub struct Check {
    /// Name, verbatim.
    pub name: Text,
    /// The prediction's status; `None` where the variable was not predicted at all.
    pub predicted: Option<Status>,
    /// The value in the container; `None` if it has none, or if the value is kept back.
    pub actual: Option<Text>,
    /// It has a value that is kept back because it may be a Secret's.
    pub hidden: bool,
    /// The verdict.
    pub verified: Verified,
    /// What there is to add, as a clause.
    pub note: Option<String>,
}

impl Check {
    /// Whether the prediction was wrong. What it had called stale, uncertain or absent, it had not promised.
    pub fn contradicts(&self) -> bool {
        self.predicted == Some(Status::Present)
            && matches!(self.verified, Verified::Different | Verified::Missing)
    }

    /// Whether the container has the variable.
    pub fn is_there(&self) -> bool {
        self.actual.is_some() || self.hidden
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.verified.as_str())
    }
}

/// The result for one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// How the actual environment was got (`exec env`).
    pub by: Text,
    /// Every predicted variable and every one that is there, sorted by name.
    pub checks: Box<[Check]>,
    /// What holds for the whole, a sentence each.
    pub notes: Vec<String>,
}

impl Verification {
    /// The check of one variable.
    pub fn get(&self, name: &str) -> Option<&Check> {
        let at = self.checks.binary_search_by(|check| (*check.name).cmp(name)).ok()?;
        Some(&self.checks[at])
    }

    /// What is there and was predicted by no row of the prediction.
    pub fn unpredicted(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.predicted.is_none())
    }

    /// How many variables have a verdict.
    pub fn count(&self, verified: Verified) -> usize {
        self.checks.iter().filter(|check| check.verified == verified).count()
    }

    /// What the prediction was wrong about.
    pub fn contradictions(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.contradicts())
    }

    /// `29 equal, 1 different, 2 unpredicted`.
    pub fn summary(&self) -> String {
        let counts = Verified::ALL.map(|verified| (self.count(verified), verified.as_str()));
        let told = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}"));
        let told: Vec<String> = told.collect();
        if told.is_empty() { "no variables".to_owned() } else { told.join(", ") }
    }
}

/// Holds a prediction against what is there. `container` is the container that the prediction is of; `secrets` says
/// which values that may be a Secret's are wanted; `by` says how the environment was got.
pub fn verify(
    predicted: &ContainerEnvironment,
    container: &Container,
    actual: &Actual,
    secrets: Secrets<'_>,
    by: impl Into<Text>,
) -> Verification {
    let sources = Sources::of(container);
    let hides = |name: &str| !secrets.shows(name) && sources.may_set(name);
    let (mut checks, mut names) = (Vec::new(), BTreeSet::new());
    for variable in predicted.variables() {
        names.insert(variable.name);
        let there = actual.variables.get(variable.name);
        let same = there.is_some() && there.map(|(text, _)| &**text) == variable.value;
        let hidden = there.is_some() && !same && hides(variable.name);
        let verified = judge(&variable, there.map(|(text, _)| &**text));
        checks.push(Check {
            name: variable.name.into(),
            predicted: Some(variable.status),
            actual: there.filter(|_| !hidden).map(|(text, _)| text.clone()),
            hidden,
            verified,
            note: note(variable.status, verified, hidden, there.is_some_and(|(_, changed)| *changed)),
        });
    }
    // Parts of a hidden value with line ends would look like names.
    let unsure = actual.torn && sources.any();
    let rest = actual.variables.iter().filter(|(name, _)| !names.contains(&***name) && !unsure);
    for (name, (text, changed)) in rest {
        let hidden = hides(name);
        checks.push(Check {
            name: name.clone(),
            predicted: None,
            actual: (!hidden).then(|| text.clone()),
            hidden,
            verified: Verified::Unpredicted,
            note: Some(origin_of(predicted, name, hidden, *changed)),
        });
    }
    checks.sort_by(|a, b| a.name.cmp(&b.name));
    let mut notes = Vec::new();
    if unsure {
        notes.push(
            "the image's env can't separate values that hold line ends; variables that were not predicted are not \
             listed, as they may be parts of hidden values"
                .to_owned(),
        );
    } else if actual.torn {
        notes.push(
            "the image's env can't separate values that hold line ends; such values may be cut".to_owned(),
        );
    }
    Verification { by: by.into(), checks: checks.into(), notes }
}

fn judge(variable: &super::Variable<'_>, there: Option<&str>) -> Verified {
    match (variable.status, there) {
        (Status::NextStart, _) => Verified::Unverifiable,
        (Status::Absent, None) => Verified::Equal,
        (Status::Absent, Some(_)) => Verified::Unpredicted,
        (_, None) => Verified::Missing,
        (_, Some(there)) => match variable.value {
            Some(value) if value == there => Verified::Equal,
            Some(_) => Verified::Different,
            // Several Services make it; any of their values is one that was thought of.
            None if variable.collides() && variable.candidates().any(|c| c.value == there) => Verified::Equal,
            None if variable.collides() => Verified::Different,
            None => Verified::Unverifiable,
        },
    }
}

fn note(status: Status, verified: Verified, hidden: bool, changed: bool) -> Option<String> {
    let mut clauses = Vec::new();
    clauses.extend(match (status, verified) {
        (Status::Stale, Verified::Different) => Some("it still has what was there before the change"),
        (Status::Stale, Verified::Missing) => Some("it came with the change; a restart brings it"),
        (Status::Stale, Verified::Equal) => Some("the change did not touch it"),
        (Status::Uncertain, Verified::Equal) => Some("it is settled: the container has it"),
        (Status::Uncertain, Verified::Different) => Some("it is settled: the container has another value"),
        (Status::Uncertain, Verified::Missing) => Some("it is settled: the container lacks it"),
        (Status::Absent, Verified::Unpredicted) => {
            Some("set by an older Service of this name, which is gone, or by the image")
        }
        (Status::NextStart, Verified::Unverifiable) => Some("the prediction is about the next start"),
        (Status::Present, Verified::Different) => Some(
            "something it comes from was changed without a trace since the start, or the entrypoint set it",
        ),
        (Status::Present, Verified::Missing) => Some("the prediction is wrong here"),
        _ => None,
    });
    if hidden {
        clauses.push(HIDDEN);
    }
    if changed {
        clauses.push(NOT_UTF8);
    }
    (!clauses.is_empty()).then(|| clauses.join("; "))
}

const HIDDEN: &str = "the value may be a Secret's, hidden until asked for";
const NOT_UTF8: &str = "the value is not UTF-8; replacement characters stand for what is not";

/// Where a variable that was not predicted probably comes from, as a clause.
fn origin_of(predicted: &ContainerEnvironment, name: &str, hidden: bool, changed: bool) -> String {
    let former = predicted.table.formerly_of(name, &predicted.verdicts);
    let mut clauses = vec![match former {
        Some(i) => {
            let service = &predicted.table.services()[i].key.name;
            format!("a former variable of the Service {service}, which was changed since")
        }
        None if like_a_service(name) => "it looks like a variable of a Service that is gone".to_owned(),
        None => "not in the API: from the image or the container runtime".to_owned(),
    }];
    clauses.extend(hidden.then(|| HIDDEN.to_owned()));
    clauses.extend(changed.then(|| NOT_UTF8.to_owned()));
    clauses.join("; ")
}

/// Whether a name is one that the kubelet makes of a Service.
fn like_a_service(name: &str) -> bool {
    if name.ends_with("_SERVICE_HOST") || name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_") {
        return true;
    }
    let Some((_, port)) = name.split_once("_PORT_") else { return false };
    let mut parts = port.split('_');
    parts.next().is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
        && parts.next().is_some_and(|p| matches!(p, "TCP" | "UDP" | "SCTP"))
}

/// Which variables may come from a Secret or a file, by the container's own words alone.
struct Sources<'a> {
    /// Prefixes of `envFrom` Secrets.
    prefixes: Vec<&'a str>,
    /// Names that `env` takes from a Secret or a file, or makes of such.
    names: BTreeSet<&'a str>,
    /// Names that `env` surely sets from something else.
    open: BTreeSet<&'a str>,
}

impl<'a> Sources<'a> {
    fn of(container: &'a Container) -> Self {
        let from = container.env_from.iter().filter(|source| source.secret);
        let mut sources = Self {
            prefixes: from.map(|source| &*source.prefix).collect(),
            names: BTreeSet::new(),
            open: BTreeSet::new(),
        };
        for entry in &container.env {
            let name = &*entry.name;
            let secret = match &entry.value {
                EnvValue::SecretKey(_) | EnvValue::FileKey { .. } => true,
                EnvValue::Literal(text) => sources.refers(text),
                // Skipped where it is missing: what was set before shows through.
                EnvValue::ConfigMapKey(reference) if reference.optional => continue,
                EnvValue::ConfigMapKey(_) | EnvValue::Field(_) | EnvValue::Resource { .. } => false,
            };
            if secret {
                sources.names.insert(name);
                sources.open.remove(name);
            } else {
                sources.names.remove(name);
                sources.open.insert(name);
            }
        }
        sources
    }

    fn may_set(&self, name: &str) -> bool {
        let from_all = || self.prefixes.iter().any(|p| name.len() > p.len() && name.starts_with(p));
        self.names.contains(name) || (!self.open.contains(name) && from_all())
    }

    fn any(&self) -> bool {
        !self.prefixes.is_empty() || !self.names.is_empty()
    }

    /// Whether a literal refers to a variable that may hold something secret.
    fn refers(&self, text: &str) -> bool {
        let mut found = false;
        expand(text, |name| {
            found |= self.may_set(name);
            Meaning::Unset
        });
        found
    }
}
