//! Names asked about: live answers of the cluster's own DNS, and the doctor's examination.
//!
//! Only `app` uses it. Who asks is the viewpoint; what comes back carries the number of the question, and what is
//! late is dropped.

use std::collections::BTreeMap;

use crate::model::dns::forms::shortest;
use crate::model::dns::{self, Comparison, Libc, LiveLookup, Question, Record, RecordType, Verdict};
use crate::model::doctor::{self, Asker, Diagnosis, Extra};
use crate::model::time::Timestamp;
use crate::model::{ObjectKey, Text};

use super::effect::{Effect, Id};
use super::overlay::{Choice, Entry, Overlay, Picker, PickerKind};
use super::panes::Subject;
use super::problem::Problem;
use super::state::{Pane, Tone, Viewpoint};
use super::{Action, App};

/// What was asked about names.
#[derive(Debug, Default)]
pub struct Lookups {
    /// The last look-up of a single name.
    pub lookup: Option<Asked<LiveLookup>>,
    /// The last examination. What can be told at once is there before the answers come.
    pub doctor: Option<Asked<Diagnosis>>,
    /// Live answers beside the records of the DNS pane, by name (lower case) and type.
    pub marks: BTreeMap<(String, RecordType), Mark>,
    /// The question about the records of the selection that is under way.
    asking: Option<Id>,
}

/// A question with a page of its own.
#[derive(Debug)]
pub struct Asked<T> {
    /// What was asked, as a person would say it.
    pub title: String,
    /// Its number while it is under way.
    pub waiting: Option<Id>,
    /// What is known by now.
    pub result: Option<Result<T, Problem>>,
    /// When that was.
    pub at: Timestamp,
}

/// How a record compares with what the server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The verdict.
    pub verdict: MarkVerdict,
    /// The likely reason, where it is not equal.
    pub why: Option<String>,
    /// Who was asked.
    pub server: Text,
    /// Milliseconds from question to reply.
    pub millis: u64,
    /// When.
    pub at: Timestamp,
}

/// Whether the live answer is the predicted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkVerdict {
    /// Asked, no reply yet.
    Asking,
    /// The same data.
    Equal,
    /// Other data, or none; what came, in a few words.
    Different(String),
    /// No reply; why.
    Failed(String),
}

/// A name that is looked up from somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wish {
    question: Question,
    from: Option<ObjectKey>,
    libc: Libc,
}

impl App {
    /// The pod that everything is seen from, if it is one.
    fn seen_from_pod(&self) -> Option<ObjectKey> {
        match &self.viewpoint {
            Viewpoint::Container { pod, .. } => Some(pod.clone()),
            Viewpoint::Selection => self.panes.container().map(|(pod, _)| pod.clone()),
            Viewpoint::Laptop | Viewpoint::Namespace(_) => None,
        }
    }

    /// The C library of a pod, as far as its images tell.
    fn libc_of(&self, pod: Option<&ObjectKey>) -> Libc {
        let pod = pod.and_then(|key| self.snapshot.pod(&key.namespace, &key.name));
        pod.and_then(|pod| doctor::libc_of(pod)).map_or(Libc::Glibc, |(libc, _)| libc)
    }

    /// Asks the cluster's DNS for every record that the DNS pane shows.
    pub(super) fn resolve_selection(&mut self) -> Vec<Effect> {
        if self.is_saved() {
            self.notify(Tone::Note, "a saved file is shown: there is no DNS server to ask");
            return vec![];
        }
        let mut asked: Vec<(String, RecordType)> =
            self.panes.records.iter().map(|r| (r.name.to_ascii_lowercase(), r.kind)).collect();
        asked.sort();
        asked.dedup();
        if asked.is_empty() {
            self.notify(
                Tone::Note,
                "no record of the selection is expected to exist: ask for a name of your own",
            );
            return vec![];
        }
        let id = self.id();
        self.lookups.asking = Some(id);
        for key in &asked {
            let asking =
                Mark { verdict: MarkVerdict::Asking, why: None, server: "".into(), millis: 0, at: self.now };
            self.lookups.marks.insert(key.clone(), asking);
        }
        let questions = asked.into_iter().map(|(name, kind)| Question::of(name, kind)).collect();
        vec![Effect::Resolve { id, epoch: self.connection.epoch, questions, from: None, libc: Libc::Glibc }]
    }

    /// Offers names to look up; others can be typed.
    pub(super) fn choose_name(&mut self) {
        if self.is_saved() {
            return self.notify(Tone::Note, "a saved file is shown: there is no DNS server to ask");
        }
        let from = self.seen_from_pod();
        let libc = self.libc_of(from.as_ref());
        let entries = self.panes.names.iter().map(|form| Entry {
            label: form.text.clone(),
            note: if form.step.is_some() { "works from here".into() } else { "not from here".into() },
            choice: Choice::Resolve(Question::addresses(form.text.clone())),
        });
        let records = self.panes.records.iter().map(|record| Entry {
            label: format!("{} {}", record.name, record.kind),
            note: record.data.clone(),
            choice: Choice::Resolve(Question::of(record.name.clone(), record.kind)),
        });
        let mut entries: Vec<Entry> = entries.chain(records).collect();
        entries.push(Entry {
            label: "NAME [TYPE] [@NAMESPACE/POD] [glibc|musl]".into(),
            note: match &from {
                Some(pod) => format!("or type it; asked as {pod} with {libc}"),
                None => "or type it; asked as an absolute name".into(),
            },
            choice: Choice::Nothing,
        });
        self.overlays.push(Overlay::Picker(Picker::new(PickerKind::Resolve, entries)));
    }

    /// Looks up what was typed.
    pub(super) fn resolve_typed(&mut self, typed: &str) -> Vec<Effect> {
        match self.parse_wish(typed) {
            Ok(wish) => self.look_up(wish),
            Err(why) => {
                self.notify(Tone::Fault, why);
                vec![]
            }
        }
    }

    /// Looks up what was chosen, as the viewpoint would.
    pub(super) fn resolve_chosen(&mut self, question: Question) -> Vec<Effect> {
        let from = self.seen_from_pod();
        let libc = self.libc_of(from.as_ref());
        self.look_up(Wish { question, from, libc })
    }

    fn parse_wish(&self, typed: &str) -> Result<Wish, String> {
        let mut words = typed.split_whitespace();
        let name = words.next().ok_or("a name is needed")?;
        let (mut kind, mut from, mut libc) = (None, self.seen_from_pod(), None);
        for word in words {
            if let Some(pod) = word.strip_prefix('@') {
                let (namespace, name) =
                    pod.split_once('/').ok_or_else(|| format!("{word}: it has to be @NAMESPACE/POD"))?;
                from = Some(ObjectKey::new(namespace, name));
            } else if word.eq_ignore_ascii_case("glibc") {
                libc = Some(Libc::Glibc);
            } else if word.eq_ignore_ascii_case("musl") {
                libc = Some(Libc::Musl);
            } else {
                let parsed = word.to_ascii_uppercase().parse::<RecordType>();
                kind = Some(parsed.map_err(|_| format!("{word} is no record type (A, AAAA, SRV, PTR, …)"))?);
            }
        }
        dns::input::check(name).map_err(|why| format!("that name can't be asked: {why}"))?;
        let libc = libc.unwrap_or_else(|| self.libc_of(from.as_ref()));
        Ok(Wish { question: Question { name: name.to_owned(), kind }, from, libc })
    }

    fn look_up(&mut self, wish: Wish) -> Vec<Effect> {
        let id = self.id();
        let Wish { question, from, libc } = wish;
        let as_whom =
            from.as_ref().map_or("as an absolute name".to_owned(), |pod| format!("as {pod}, {libc}"));
        let title = format!("{question} {as_whom}");
        self.lookups.lookup = Some(Asked { title, waiting: Some(id), result: None, at: self.now });
        self.overlays.push(Overlay::Lookup { offset: 0 });
        vec![Effect::Resolve { id, epoch: self.connection.epoch, questions: vec![question], from, libc }]
    }

    /// Answers have come, or can't be had.
    pub(super) fn resolved(&mut self, id: Id, result: Result<Vec<LiveLookup>, Problem>) {
        let at = self.now;
        if let Some(page) = self.lookups.lookup.as_mut().filter(|p| p.waiting == Some(id)) {
            page.waiting = None;
            page.at = at;
            page.result = match result {
                Ok(mut all) => all.pop().map(|lookup| Ok(lookup.noted())),
                Err(problem) => Some(Err(problem)),
            };
            return;
        }
        if self.lookups.asking.take_if(|waiting| *waiting == id).is_none() {
            return;
        }
        match result {
            Err(problem) => {
                self.lookups.marks.retain(|_, mark| mark.verdict != MarkVerdict::Asking);
                self.refused(problem);
            }
            Ok(all) => {
                let cluster = dns::Cluster::new(&self.snapshot);
                for step in all.into_iter().filter_map(|mut lookup| lookup.steps.pop()) {
                    let key = (step.name.to_ascii_lowercase(), step.kind);
                    let mark = Self::mark(&cluster.compare(step), at);
                    self.lookups.marks.insert(key, mark);
                }
                self.lookups.marks.retain(|_, mark| mark.verdict != MarkVerdict::Asking);
                self.tell_marks();
            }
        }
    }

    /// One line about what the records' live answers came to.
    fn tell_marks(&mut self) {
        let mut counts = [0_usize; 3];
        for record in &self.panes.records {
            let Some(mark) = self.mark_of(record) else { continue };
            counts[match mark.verdict {
                MarkVerdict::Equal => 0,
                MarkVerdict::Different(_) => 1,
                MarkVerdict::Failed(_) | MarkVerdict::Asking => 2,
            }] += 1;
        }
        let text = match counts {
            [1, 0, 0] => "the cluster's DNS answers as predicted: 1 record equal".to_owned(),
            [equal, 0, 0] => format!("the cluster's DNS answers as predicted: {equal} records equal"),
            [equal, different, 0] => format!("{equal} records equal, {different} different"),
            [equal, different, open] => {
                format!("{equal} records equal, {different} different, {open} could not be compared")
            }
        };
        let tone = match counts {
            [_, 0, 0] => Tone::Done,
            [_, 0, _] => Tone::Note,
            _ => Tone::Fault,
        };
        self.notify(tone, text);
    }

    /// What one live answer comes to beside the prediction.
    fn mark(comparison: &Comparison, at: Timestamp) -> Mark {
        let live = &comparison.live;
        let why = comparison.why.clone();
        let verdict = match (comparison.verdict, &live.reply) {
            (Verdict::Equal, _) => MarkVerdict::Equal,
            (Verdict::Different, Ok(reply)) if !reply.answers.is_empty() => {
                let said: Vec<&str> = reply.answers.iter().map(|r| r.data.as_str()).collect();
                MarkVerdict::Different(said.join(", "))
            }
            (Verdict::Different, Ok(reply)) => MarkVerdict::Different(reply.rcode.to_string()),
            (_, Err(failure)) => MarkVerdict::Failed(failure.to_string()),
            (Verdict::Unverifiable, _) => {
                MarkVerdict::Failed(why.clone().unwrap_or_else(|| "it can't be compared".to_owned()))
            }
        };
        let millis = live.took.map_or(0, |took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        Mark { verdict, why, server: live.server.clone().unwrap_or_default(), millis, at }
    }

    /// What the server said to a record, if it was asked.
    pub fn mark_of(&self, record: &Record) -> Option<&Mark> {
        self.lookups.marks.get(&(record.name.to_ascii_lowercase(), record.kind))
    }

    /// Examines the selected Service's name from the viewpoint.
    pub(super) fn examine_selection(&mut self) -> Vec<Effect> {
        let Some(Subject::Service(facts)) = self.panes.subject.clone() else {
            self.notify(Tone::Note, "go to a Service, or type :doctor NAME");
            return vec![];
        };
        let key = facts.key();
        let name = match shortest(&self.panes.names) {
            Some(form) => form.text.clone(),
            None => format!("{}.{}", key.name, key.namespace),
        };
        let named = match self.focus {
            Pane::Dns => self.panes.records.get(self.panes.cursor(Pane::Dns).index()).map(|r| r.name.clone()),
            _ => None,
        };
        self.examine(named.unwrap_or(name))
    }

    /// Examines a name from the viewpoint: what the facts say at once, then what the servers add.
    pub(super) fn examine(&mut self, name: String) -> Vec<Effect> {
        let from = match &self.viewpoint {
            Viewpoint::Laptop => ExamineFrom::Laptop,
            Viewpoint::Namespace(namespace) => ExamineFrom::Namespace(namespace.clone()),
            _ => match (self.seen_from_pod(), self.selected_namespace()) {
                (Some(pod), _) => ExamineFrom::Pod(pod),
                (None, Some(namespace)) => ExamineFrom::Namespace(namespace.clone()),
                (None, None) => ExamineFrom::Laptop,
            },
        };
        let asker = match &from {
            ExamineFrom::Laptop => None,
            ExamineFrom::Namespace(namespace) => Some(Asker::Namespace(namespace.clone(), None)),
            ExamineFrom::Pod(pod) => {
                let known = self.snapshot.pod(&pod.namespace, &pod.name).and_then(|p| doctor::libc_of(p));
                Some(Asker::Pod(pod.clone(), known.map(|(libc, _)| libc)))
            }
        };
        let result = asker.map(|from| {
            let question = doctor::Question { name: name.clone(), kind: None, from };
            let cluster = dns::Cluster::new(&self.snapshot);
            let extra = Extra::of(&self.snapshot);
            Ok(doctor::examine(&question, &self.snapshot, &cluster, &extra, self.now))
        });
        let whence = match &from {
            ExamineFrom::Laptop => "this computer".to_owned(),
            ExamineFrom::Namespace(namespace) => format!("namespace {namespace}"),
            ExamineFrom::Pod(pod) => pod.to_string(),
        };
        let title = format!("{name} from {whence}");
        let saved = self.is_saved();
        let id = self.id();
        let waiting = (!saved || from == ExamineFrom::Laptop).then_some(id);
        self.lookups.doctor = Some(Asked { title, waiting, result, at: self.now });
        self.overlays.push(Overlay::Doctor { offset: 0 });
        match waiting {
            Some(id) => vec![Effect::Examine { id, epoch: self.connection.epoch, name, from }],
            None => vec![],
        }
    }

    /// The whole examination has come, or can't be had.
    pub(super) fn examined(&mut self, id: Id, result: Result<Diagnosis, Problem>) {
        let at = self.now;
        if let Some(page) = self.lookups.doctor.as_mut().filter(|p| p.waiting == Some(id)) {
            page.waiting = None;
            page.at = at;
            // What the facts alone said stays if no more could be found out.
            match (result, &page.result) {
                (Err(problem), Some(Ok(_))) => self.refused(problem),
                (result, _) => page.result = Some(result),
            }
        }
    }

    /// Keys on the pages of answers.
    pub(super) fn act_answers(&mut self, action: Action) -> Option<Vec<Effect>> {
        let of_doctor = matches!(self.overlays.last(), Some(Overlay::Doctor { .. }));
        match action {
            Action::Copy if of_doctor => {
                let Some(Ok(diagnosis)) = self.lookups.doctor.as_ref().and_then(|p| p.result.as_ref()) else {
                    return Some(vec![]);
                };
                let text = diagnosis.absolute.clone().or_else(|| diagnosis.try_next.first().cloned())?;
                Some(self.copy(&text))
            }
            Action::Copy => {
                let Some(Ok(lookup)) = self.lookups.lookup.as_ref().and_then(|p| p.result.as_ref()) else {
                    return Some(vec![]);
                };
                let lines: Vec<String> = lookup.outcome.answers.iter().map(|r| r.data.clone()).collect();
                Some(self.copy_lines(lines.iter().map(String::as_str)))
            }
            Action::Forward if of_doctor => {
                self.overlays.pop();
                Some(self.toggle_forward())
            }
            Action::ResolveAny | Action::Resolve | Action::Doctor => {
                self.overlays.pop();
                Some(vec![])
            }
            _ => None,
        }
    }
}

/// From where an examination asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExamineFrom {
    /// This computer.
    Laptop,
    /// An ordinary pod of a namespace.
    Namespace(Text),
    /// This pod.
    Pod(ObjectKey),
}
