//! Live look-ups: one question, or a name walked as a pod's C library walks it, each step with its reply and time.
//!
//! What it is: kept connections to one or more servers, opened when needed, ended when idle and opened again without a
//! word; one more try where a stream is lost; other servers where one is gone. What it is not: it opens no stream
//! itself ([`Connect`] does) and judges no answer (`model::dns::compare` does).

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::{self, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::message::Asked;
use super::transport::{Connection, Trouble, WINDOW};
use crate::model::dns::hosts::{self, HostsLine};
use crate::model::dns::live::{Half, code_of, taken, taken_one};
use crate::model::dns::predicted::{MUSL_RECORDS, dotted, sorted, without_repeats};
use crate::model::dns::search::{self, Reply, Walk};
use crate::model::dns::{
    Code, Libc, LiveFailure, LiveLookup, LiveReply, LiveStep, Mode, Question, RecordType, ReplyCode,
    ResolvConf,
};
use crate::model::{ObjectKey, Text};

/// Opens streams to servers.
pub trait Connect: Send + Sync + 'static {
    /// A stream to a server's DNS port.
    type Stream: AsyncRead + AsyncWrite + Send + 'static;

    /// Opens a stream to a server, by its place in the resolver's list.
    ///
    /// # Errors
    /// Why it can't be had, in a sentence.
    fn open(&self, server: usize) -> impl Future<Output = Result<Self::Stream, String>> + Send;
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From a question to its reply.
    pub question: Duration,
    /// Until a stream is open.
    pub open: Duration,
    /// So many questions of a batch are under way at once.
    pub window: usize,
}

impl Default for Limits {
    /// As the libraries in pods wait for a reply, twice that for a stream.
    fn default() -> Self {
        Self { question: Duration::from_secs(5), open: Duration::from_secs(10), window: WINDOW }
    }
}

/// The place that a name is looked up from.
#[derive(Clone, Debug)]
pub struct Place {
    /// The pod.
    pub pod: ObjectKey,
    /// Its resolver file.
    pub conf: ResolvConf,
    /// Its hosts file.
    pub hosts: Vec<HostsLine>,
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// This server, by its place in the list, or the next where it is gone.
    Any(usize),
    /// This server, and no other.
    Only(usize),
}

/// So many first questions of a batch go to one server: a way to another one takes longer to open than they take.
const ALONE: usize = 512;

struct Seat {
    label: Text,
    connection: Mutex<Option<Connection>>,
}

/// Asks servers. Cheap to share by `Arc`; all questions to a server go over one connection.
pub struct Resolver<C> {
    connect: C,
    seats: Vec<Seat>,
    limits: Limits,
}

impl<C> std::fmt::Debug for Resolver<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let labels: Vec<&str> = self.seats.iter().map(|s| &*s.label).collect();
        f.debug_struct("Resolver").field("servers", &labels).finish_non_exhaustive()
    }
}

impl<C: Connect> Resolver<C> {
    /// A resolver for servers, the preferred one first, called as they are to be shown
    /// (`coredns-abc:53 by port-forward`). Nothing is opened yet.
    pub fn new(connect: C, labels: Vec<Text>, limits: Limits) -> Self {
        let seats = labels.into_iter().map(|label| Seat { label, connection: Mutex::default() });
        Self { connect, seats: seats.collect(), limits }
    }

    /// How many servers there are.
    pub fn servers(&self) -> usize {
        self.seats.len()
    }

    /// What opens the streams.
    pub fn connect(&self) -> &C {
        &self.connect
    }

    /// Opens the connection to a server, unless it is open.
    ///
    /// # Errors
    /// Why it can't be had, in a sentence.
    pub async fn open(&self, server: usize) -> Result<(), String> {
        self.connection(server).await.map(drop)
    }

    /// The kept connection to a server, or a new one.
    async fn connection(&self, server: usize) -> Result<Connection, String> {
        let Some(seat) = self.seats.get(server) else { return Err("there is no such server".to_owned()) };
        let mut kept = seat.connection.lock().await;
        if let Some(connection) = kept.as_ref().filter(|c| c.ended().is_none()) {
            return Ok(connection.clone());
        }
        let stream = timeout(self.limits.open, self.connect.open(server)).await;
        let waited = self.limits.open.as_secs();
        let stream = stream.map_err(|_| format!("no connection to {} within {waited} s", seat.label))??;
        Ok(kept.insert(Connection::new(stream)).clone())
    }

    /// Asks one server. A lost stream is opened once more, without a word if it works then.
    async fn ask_server(&self, server: usize, asked: &Asked) -> Result<LiveReply, LiveFailure> {
        let mut last = String::new();
        for _ in 0..2 {
            let connection = match self.connection(server).await {
                Ok(connection) => connection,
                // A second try of what takes as long as the first would double the wait; others may be quicker.
                Err(why) => return Err(LiveFailure::Lost(why)),
            };
            match connection.ask(asked.clone(), self.limits.question).await {
                Err(Trouble::Lost(why)) => last = why.to_string(),
                other => return other.map_err(failure),
            }
        }
        Err(LiveFailure::Lost(last))
    }

    /// Asks for records of one type.
    pub async fn ask(&self, whom: Whom, name: &str, kind: RecordType) -> LiveStep {
        let first = match whom {
            Whom::Only(server) => return self.ask_one(server, name, kind).await,
            Whom::Any(server) => server,
        };
        let mut step = self.ask_one(first, name, kind).await;
        let count = self.seats.len();
        for server in (1..count).map(|further| (first + further) % count) {
            if !matches!(step.reply, Err(LiveFailure::Lost(_))) {
                break;
            }
            step = self.ask_one(server, name, kind).await;
        }
        step
    }

    async fn ask_one(&self, server: usize, name: &str, kind: RecordType) -> LiveStep {
        let start = Instant::now();
        let reply = match Asked::new(name, kind) {
            Ok(asked) => self.ask_server(server, &asked).await,
            Err(error) => Err(LiveFailure::NotAsked(error.to_string())),
        };
        let asked = !matches!(reply, Err(LiveFailure::NotAsked(_)));
        LiveStep {
            name: dotted(name),
            kind,
            search: None,
            reply,
            server: self.seats.get(server).filter(|_| asked).map(|seat| seat.label.clone()),
            took: asked.then(|| start.elapsed()),
        }
    }

    /// Asks every server the same, so that their answers can be compared.
    pub async fn ask_everywhere(&self, name: &str, kind: RecordType) -> Vec<LiveStep> {
        join_all((0..self.seats.len()).map(|server| self.ask_one(server, name, kind))).await
    }

    /// Asks many questions, [`Limits::window`] at a time; answers come in order. The servers share a large batch: each
    /// step says which one answered.
    pub fn ask_all(
        self: Arc<Self>,
        questions: impl IntoIterator<Item = (String, RecordType)>,
    ) -> impl Stream<Item = LiveStep> {
        let window = self.limits.window;
        stream::iter(questions.into_iter().enumerate())
            .map(move |(number, (name, kind))| {
                let resolver = self.clone();
                async move { resolver.ask(resolver.turn(number), &name, kind).await }
            })
            .buffered(window)
    }

    /// Whose turn the question of a number in a batch is: of a large one all servers have their share.
    pub fn turn(&self, number: usize) -> Whom {
        Whom::Any(if number < ALONE { 0 } else { number % self.seats.len().max(1) })
    }

    /// Looks a name up: from a pod as its library would, else the name as it stands.
    pub async fn lookup(
        &self,
        whom: Whom,
        question: Question,
        place: Option<&Place>,
        libc: Libc,
    ) -> LiveLookup {
        match place {
            None => self.absolute(whom, question, libc).await,
            Some(place) => self.searched(whom, question, place, libc).await,
        }
    }

    /// The questions of one step, asked together as `getaddrinfo` does.
    async fn step(
        &self,
        whom: Whom,
        name: &str,
        kinds: &[RecordType],
        search: Option<&Text>,
    ) -> Vec<LiveStep> {
        let mut steps = join_all(kinds.iter().map(|kind| self.ask(whom, name, *kind))).await;
        for step in &mut steps {
            step.search = search.cloned();
        }
        steps
    }

    async fn absolute(&self, whom: Whom, question: Question, libc: Libc) -> LiveLookup {
        let mut out = LiveLookup::unasked(question, None, libc, Mode::Live);
        out.steps = self.step(whom, &dotted(&out.question.name), &out.question.kinds(), None).await;
        let (_, addresses) = taken(&lower(&dotted(&out.question.name)), &halves(&out.steps), Libc::Glibc);
        let replied = || out.steps.iter().filter_map(|s| s.reply.as_ref().ok());
        let best = replied().find(|r| !r.answers.is_empty()).or_else(|| replied().next());
        out.outcome.rcode = best.map(|r| Code::Reply(r.rcode)).or_else(|| silence(&out.steps));
        out.outcome.error = match best {
            None => trouble(&out.steps),
            Some(_) => None,
        };
        out.outcome.answers = without_repeats(replied().flat_map(|r| r.answers.iter().cloned()).collect());
        out.outcome.addresses = sorted(addresses);
        out
    }

    async fn searched(&self, whom: Whom, question: Question, place: &Place, libc: Libc) -> LiveLookup {
        let mut out = LiveLookup::unasked(question, Some(place.pod.clone()), libc, Mode::Live);
        if out.question.kind.is_none()
            && let Some((addresses, why)) = without_dns(&out.question.name, place, libc)
        {
            out.outcome.rcode = Some(Code::Reply(ReplyCode::from_number(0)));
            out.outcome.addresses = sorted(addresses);
            out.outcome.caveat = Some(why.to_owned());
            return out;
        }
        let conf = &place.conf;
        let list = conf.search_for(libc);
        let search: Vec<&str> = list.iter().map(|s| &**s).collect();
        let name = if libc == Libc::Musl && !out.question.wants_addresses() {
            out.outcome.caveat = Some(MUSL_RECORDS.to_owned());
            dotted(&out.question.name)
        } else {
            out.question.name.clone()
        };
        let ndots = conf.ndots().unwrap_or(1);
        let mut walk = Walk::new(search::plan(&name, &search, ndots, libc), libc);
        let kinds = out.question.kinds();
        let mut addresses = Vec::new();
        while let Some(query) = walk.next().cloned() {
            let domain = query.via.and_then(|i| list.get(i));
            // The library does not ask a name that is too long, and goes on.
            let steps = self.step(whom, &query.name, &kinds, domain).await;
            let unasked = steps.iter().all(|s| matches!(s.reply, Err(LiveFailure::NotAsked(_))));
            let reply = if unasked {
                Reply::NxDomain
            } else {
                let (reply, found) = verdict(&out.question, &query.name, &steps, libc);
                addresses = found;
                reply
            };
            out.steps.extend(steps);
            walk.reply(reply);
        }
        finish(&mut out, &walk, addresses, conf);
        out
    }
}

/// What came of a walk.
fn finish(out: &mut LiveLookup, walk: &Walk, addresses: Vec<IpAddr>, conf: &ResolvConf) {
    let replied = |s: &LiveStep| s.reply.as_ref().ok().map(|r| r.rcode);
    let last = out.steps.last().map(|s| s.name.clone());
    if let Some(Err(error)) = walk.end() {
        let rcode = out.steps.iter().rev().find_map(replied);
        let silent = rcode.is_none().then(|| silence(&out.steps)).flatten();
        out.outcome.rcode = Some(silent.unwrap_or_else(|| code_of(error, rcode)));
        out.outcome.error = Some(error.text(out.libc).to_owned());
        if let Some(why) = trouble(&out.steps) {
            out.outcome.caveat = Some(why);
        }
    } else {
        let of_last = out.steps.iter().filter(|s| Some(&s.name) == last.as_ref());
        let answers = of_last.filter_map(|s| s.reply.as_ref().ok()).flat_map(|r| r.answers.iter());
        out.outcome.answers = without_repeats(answers.cloned().collect());
        out.outcome.addresses = sorted(addresses);
        out.outcome.rcode = Some(Code::Reply(ReplyCode::from_number(0)));
    }
    // The node's domains stand behind the known ones: a name that those have is found before.
    let searched = out.steps.iter().any(|s| s.search.is_some());
    let as_it_stands = out.steps.last().is_some_and(|s| s.search.is_none());
    let passed = searched && (as_it_stands || walk.end() != Some(Ok(())));
    if conf.node_search_at.is_some() && passed && out.outcome.caveat.is_none() {
        let what = "the node's own search domains are asked before the name as it stands; they are not known and \
                    were not tried (where they fail, musl fails)";
        out.outcome.caveat = Some(what.to_owned());
    }
}

/// What a library finds without DNS: the name is an address, or in the hosts file.
fn without_dns(name: &str, place: &Place, libc: Libc) -> Option<(Vec<IpAddr>, &'static str)> {
    if let Ok(ip) = name.parse() {
        return Some((vec![ip], "the name is an address: nothing is asked"));
    }
    let found = hosts::look_up(&place.hosts, name, libc);
    (!found.is_empty()).then_some((found, "found in the pod's /etc/hosts: DNS is not asked"))
}

fn lower(name: &str) -> String {
    name.to_ascii_lowercase()
}

fn halves(steps: &[LiveStep]) -> Vec<Half<'_>> {
    fn half(step: &LiveStep) -> Half<'_> {
        match &step.reply {
            Ok(reply) => Half { rcode: Some(reply.rcode), answers: &reply.answers },
            Err(_) => Half { rcode: None, answers: &[] },
        }
    }
    steps.iter().map(half).collect()
}

fn verdict(question: &Question, name: &str, steps: &[LiveStep], libc: Libc) -> (Reply, Vec<IpAddr>) {
    let halves = halves(steps);
    match question.kind {
        Some(kind) if !question.wants_addresses() => {
            (halves.first().map_or(Reply::ServFail, |half| taken_one(kind, *half)), Vec::new())
        }
        _ => taken(&lower(name), &halves, libc),
    }
}

/// How it ends where no question has a reply.
fn silence(steps: &[LiveStep]) -> Option<Code> {
    let timed_out = |s: &LiveStep| matches!(s.reply, Err(LiveFailure::Timeout(_)));
    steps.iter().any(timed_out).then_some(Code::Timeout)
}

/// What went wrong with a question, the first of them.
fn trouble(steps: &[LiveStep]) -> Option<String> {
    let why = |f: &LiveFailure| match f {
        LiveFailure::NotAsked(_) => None,
        other => Some(other.to_string()),
    };
    steps.iter().filter_map(|s| s.reply.as_ref().err()).find_map(why)
}

fn failure(trouble: Trouble) -> LiveFailure {
    match trouble {
        Trouble::Timeout(limit) => LiveFailure::Timeout(limit),
        Trouble::Lost(why) => LiveFailure::Lost(why.to_string()),
        Trouble::Nonsense(why) => LiveFailure::Nonsense(why.to_string()),
    }
}

#[cfg(test)]
mod tests;
