use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, Record, RecordType as Wire};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

/// Answers of one server: what it says to a name and type.
type Answers = fn(&str, Wire) -> (ResponseCode, Vec<RData>);

/// Servers in this process. Each stream serves `lives` questions, then closes.
struct Servers {
    answers: Vec<Option<Answers>>,
    lives: usize,
    opened: AtomicUsize,
}

impl Servers {
    fn of(answers: Vec<Option<Answers>>) -> Self {
        Self { answers, lives: usize::MAX, opened: AtomicUsize::new(0) }
    }
}

impl Connect for Servers {
    type Stream = DuplexStream;

    async fn open(&self, server: usize) -> Result<DuplexStream, String> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let answers = self.answers[server].ok_or("the pod is gone")?;
        let (near, far) = duplex(64 * 1024);
        tokio::spawn(serve(far, answers, self.lives));
        Ok(near)
    }
}

async fn serve(mut far: DuplexStream, answers: Answers, lives: usize) {
    for _ in 0..lives {
        let Ok(length) = far.read_u16().await else { return };
        let mut bytes = vec![0; usize::from(length)];
        far.read_exact(&mut bytes).await.unwrap();
        let query = Message::from_vec(&bytes).unwrap();
        let asked = &query.queries[0];
        let (code, data) = answers(&asked.name.to_ascii(), asked.query_type);
        let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
        reply.metadata.response_code = code;
        reply.add_queries(query.queries.clone());
        reply.add_answers(data.into_iter().map(|d| Record::from_rdata(asked.name.clone(), 5, d)));
        let bytes = reply.to_vec().unwrap();
        let _ = far.write_u16(u16::try_from(bytes.len()).unwrap()).await;
        let _ = far.write_all(&bytes).await;
    }
}

fn shop(name: &str, kind: Wire) -> (ResponseCode, Vec<RData>) {
    match (name, kind) {
        ("db.shop.svc.z.", Wire::A) => {
            (ResponseCode::NoError, vec![RData::A(std::net::Ipv4Addr::new(10, 0, 0, 7).into())])
        }
        ("db.shop.svc.z." | "shop.svc.z.", _) => (ResponseCode::NoError, vec![]),
        ("broken.shop.svc.z.", _) => (ResponseCode::ServFail, vec![]),
        _ => (ResponseCode::NXDomain, vec![]),
    }
}

fn resolver(servers: Servers) -> Resolver<Servers> {
    let labels = (0..servers.answers.len()).map(|i| Text::from(format!("dns-{i}:53"))).collect();
    Resolver::new(servers, labels, Limits::default())
}

fn place(node_known: bool) -> Place {
    let search = ["shop.svc.z", "svc.z", "z"].map(Text::from).to_vec();
    let node_search_at = (!node_known).then_some(3);
    let conf =
        ResolvConf { search, options: vec!["ndots:5".into()], node_search_at, ..ResolvConf::default() };
    let hosts = vec![("10.9.9.9".parse().unwrap(), vec![Text::from("web-0")])];
    Place { pod: ObjectKey::new("shop", "web-0"), conf, hosts }
}

#[tokio::test]
async fn a_search_list_is_walked_as_the_library_does() {
    let resolver = resolver(Servers::of(vec![Some(shop)]));
    let found =
        resolver.lookup(Whom::Any(0), Question::addresses("db"), Some(&place(true)), Libc::Glibc).await;
    assert_eq!(found.outcome.addresses, ["10.0.0.7".parse::<IpAddr>().unwrap()]);
    assert_eq!(found.steps.len(), 2, "A and AAAA of the first domain");
    assert_eq!(found.steps[0].search.as_deref(), Some("shop.svc.z"));
    assert_eq!(found.steps[0].server.as_deref(), Some("dns-0:53"));
    // `db.shop` is found by the second domain; `nope` by none, and last as it stands.
    let found =
        resolver.lookup(Whom::Any(0), Question::addresses("nope"), Some(&place(true)), Libc::Glibc).await;
    let names: Vec<&str> = found.steps.iter().step_by(2).map(|s| &*s.name).collect();
    assert_eq!(names, ["nope.shop.svc.z.", "nope.svc.z.", "nope.z.", "nope."]);
    assert_eq!(found.outcome.error.as_deref(), Some("Name or service not known"));
    assert_eq!(found.outcome.rcode.unwrap().to_string(), "NXDOMAIN");
    // The name of a namespace is an empty answer: musl stops there.
    let stopped =
        resolver.lookup(Whom::Any(0), Question::addresses("shop"), Some(&place(true)), Libc::Musl).await;
    assert_eq!((stopped.steps.len(), stopped.outcome.error.as_deref()), (4, Some("Name does not resolve")));
    let failed =
        resolver.lookup(Whom::Any(0), Question::addresses("broken"), Some(&place(true)), Libc::Musl).await;
    assert_eq!((failed.steps.len(), failed.outcome.error.as_deref()), (2, Some("Try again")));
}

#[tokio::test]
async fn addresses_and_the_hosts_file_need_no_server() {
    let resolver = resolver(Servers::of(vec![Some(shop)]));
    for name in ["web-0", "fd00::1"] {
        let found =
            resolver.lookup(Whom::Any(0), Question::addresses(name), Some(&place(true)), Libc::Glibc).await;
        assert_eq!((found.outcome.addresses.len(), found.steps.len()), (1, 0), "{name}");
    }
    assert_eq!(resolver.connect().opened.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_the_node_adds_is_said_to_be_unknown() {
    let resolver = resolver(Servers::of(vec![Some(shop)]));
    for (name, said) in [("nope", true), ("db.shop.svc.z", true), ("db", false)] {
        let found =
            resolver.lookup(Whom::Any(0), Question::addresses(name), Some(&place(false)), Libc::Glibc).await;
        let caveat = found.outcome.caveat.unwrap_or_default();
        assert_eq!(caveat.contains("node's own search domains"), said, "{name}: {caveat}");
    }
}

#[tokio::test]
async fn a_lost_stream_is_opened_again_without_a_word() {
    let servers = Servers { lives: 1, ..Servers::of(vec![Some(shop)]) };
    let resolver = resolver(servers);
    for _ in 0..3 {
        let step = resolver.ask(Whom::Any(0), "db.shop.svc.z", RecordType::A).await;
        assert_eq!(step.reply.unwrap().answers[0].data, "10.0.0.7");
    }
    assert!(resolver.connect().opened.load(Ordering::Relaxed) >= 3);
}

#[tokio::test]
async fn where_one_server_is_gone_the_next_is_asked_and_named() {
    let both = resolver(Servers::of(vec![None, Some(shop)]));
    let step = both.ask(Whom::Any(0), "db.shop.svc.z.", RecordType::A).await;
    assert_eq!(step.server.as_deref(), Some("dns-1:53"));
    assert!(step.reply.is_ok());
    let none = resolver(Servers::of(vec![None]));
    let found = none.lookup(Whom::Any(0), Question::addresses("db."), None, Libc::Glibc).await;
    assert_eq!(found.outcome.rcode, None);
    assert_eq!(found.outcome.error.as_deref(), Some("the pod is gone"));
}

#[tokio::test]
async fn servers_are_compared() {
    let other: Answers = |_, _| (ResponseCode::NXDomain, vec![]);
    let resolver = resolver(Servers::of(vec![Some(shop), Some(other)]));
    let steps = resolver.ask_everywhere("db.shop.svc.z.", RecordType::A).await;
    let codes: Vec<String> = steps.iter().map(|s| s.reply.as_ref().unwrap().rcode.to_string()).collect();
    assert_eq!(codes, ["NOERROR", "NXDOMAIN"]);
}

#[tokio::test]
async fn many_questions_share_one_connection_and_keep_their_order() {
    let resolver = Arc::new(resolver(Servers::of(vec![Some(shop)])));
    let questions =
        (0..500).map(|i| (if i % 2 == 0 { "db.shop.svc.z." } else { "x." }.to_owned(), RecordType::A));
    let steps: Vec<LiveStep> = resolver.clone().ask_all(questions).collect().await;
    let even =
        |(i, s): (usize, &LiveStep)| s.reply.as_ref().unwrap().answers.len() == usize::from(i % 2 == 0);
    assert!(steps.len() == 500 && steps.iter().enumerate().all(even));
    assert_eq!(resolver.connect().opened.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn servers_share_a_batch_and_each_answer_names_its_own() {
    let resolver = Arc::new(resolver(Servers::of(vec![Some(shop), None, Some(shop)])));
    let questions = (0..ALONE + 300).map(|_| ("db.shop.svc.z.".to_owned(), RecordType::A));
    let steps: Vec<LiveStep> = resolver.clone().ask_all(questions).collect().await;
    let by = |server: &str| steps.iter().filter(|s| s.server.as_deref() == Some(server)).count();
    assert!(steps.iter().all(|s| s.reply.is_ok()));
    let counts = (by("dns-0:53"), by("dns-1:53"), by("dns-2:53"));
    assert_eq!(counts, (ALONE + 100, 0, 200), "the next one steps in");
    assert!(
        steps[..ALONE].iter().all(|s| s.server.as_deref() == Some("dns-0:53")),
        "a small batch has one way"
    );
}

#[tokio::test]
async fn names_that_can_not_be_asked_are_told() {
    let resolver = resolver(Servers::of(vec![Some(shop)]));
    let step = resolver.ask(Whom::Any(0), "a..b", RecordType::A).await;
    assert!(matches!(step.reply, Err(LiveFailure::NotAsked(why)) if why.contains("empty label")));
    assert_eq!(resolver.connect().opened.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn records_are_searched_by_glibc_and_not_by_musl() {
    let resolver = resolver(Servers::of(vec![Some(shop)]));
    let srv = || Question::of("db", RecordType::SRV);
    let glibc = resolver.lookup(Whom::Any(0), srv(), Some(&place(true)), Libc::Glibc).await;
    assert_eq!(glibc.steps[0].name, "db.shop.svc.z.");
    let musl = resolver.lookup(Whom::Any(0), srv(), Some(&place(true)), Libc::Musl).await;
    assert_eq!(musl.steps.iter().map(|s| &*s.name).collect::<Vec<_>>(), ["db."]);
}
