//! This machine's own resolver: its settings, and what it answers.
//!
//! What it is: the facts that the doctor needs of a question that is asked outside the cluster. It reads the resolver
//! file, the hosts file and the order of both, and asks the servers as a C library would: over UDP, again over TCP
//! where an answer was cut. What it is not: a resolver for anything else. Paths and port are arguments, so that tests
//! need neither files of the system nor a network.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::message::{self, Asked};
use crate::model::Text;
use crate::model::dns::search::{self, Reply, Walk};
use crate::model::dns::{Libc, Rcode, RecordType};
use crate::model::doctor::{LaptopFacts, LaptopReply, LiveAnswer};

/// Where this machine's settings are, and how long to wait.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The resolver file.
    pub resolv_conf: PathBuf,
    /// The hosts file.
    pub hosts: PathBuf,
    /// The order of sources (`/etc/nsswitch.conf`).
    pub nsswitch: PathBuf,
    /// The port of name servers.
    pub port: u16,
    /// How long one question may take.
    pub patience: Duration,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            resolv_conf: "/etc/resolv.conf".into(),
            hosts: "/etc/hosts".into(),
            nsswitch: "/etc/nsswitch.conf".into(),
            port: 53,
            patience: Duration::from_secs(2),
        }
    }
}

/// No reply over UDP is larger without EDNS, and nobody sends more with it than fits here.
const DATAGRAM: usize = 65_535;

/// This machine's settings, and what its resolver says to a name. Never fails: what does not work is part of it.
/// `ask` is unset where nobody is to be asked.
pub async fn look(machine: &Machine, name: &str, kind: Option<RecordType>, ask: bool) -> LaptopFacts {
    let mut facts = LaptopFacts { file: machine.resolv_conf.display().to_string(), ..LaptopFacts::default() };
    match tokio::fs::read_to_string(&machine.resolv_conf).await {
        Ok(text) => read_settings(&text, &mut facts),
        Err(error) => {
            facts.ndots = 1;
            facts.problem = Some(format!("{} can't be read: {error}", facts.file));
        }
    }
    let order = tokio::fs::read_to_string(&machine.nsswitch).await.unwrap_or_default();
    if uses_files(&order) && !name.ends_with('.') {
        let text = tokio::fs::read_to_string(&machine.hosts).await.unwrap_or_default();
        facts.hosts = in_hosts(&text, name);
    }
    if !ask || !facts.hosts.is_empty() {
        return facts;
    }
    if facts.nameservers.is_empty() && facts.problem.is_none() {
        facts.problem = Some(format!("{} names no server", facts.file));
    }
    let kinds = kind.map_or_else(|| vec![RecordType::A, RecordType::AAAA], |k| vec![k]);
    let domains: Vec<&str> = facts.search.iter().map(|s| &**s).collect();
    let mut walk = Walk::new(search::plan(name, &domains, facts.ndots, Libc::Glibc), Libc::Glibc);
    let mut replies = Vec::new();
    while let Some(query) = walk.next().cloned() {
        let mut halves = Vec::new();
        for kind in &kinds {
            let reply = ask_one(machine, &facts.nameservers, &query.name, *kind).await;
            halves.push(reply.result.clone());
            replies.push(reply);
        }
        walk.reply(taken(&halves));
        if halves.iter().all(Result::is_err) {
            break;
        }
    }
    facts.replies = replies;
    facts
}

fn taken(halves: &[Result<LiveAnswer, Text>]) -> Reply {
    let answers = || halves.iter().filter_map(|h| h.as_ref().ok());
    match () {
        () if answers().any(|a| a.answers.iter().any(|r| r.kind != RecordType::CNAME)) => Reply::Addresses,
        () if answers().any(|a| !a.answers.is_empty()) => Reply::Alias,
        () if answers().any(|a| a.rcode == Rcode::NxDomain) => Reply::NxDomain,
        () if answers().any(|a| a.rcode == Rcode::NoError) => Reply::NoData,
        () => Reply::ServFail,
    }
}

/// `resolv.conf(5)`: of several `search` and `domain` lines the last counts.
fn read_settings(text: &str, facts: &mut LaptopFacts) {
    facts.ndots = 1;
    for line in text.lines() {
        let line = line.split(['#', ';']).next().unwrap_or_default();
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => facts.nameservers.extend(words.next().map(Text::from)),
            Some("search" | "domain") => facts.search = words.map(Text::from).collect(),
            Some("options") => {
                for option in words {
                    if let Some(n) = option.strip_prefix("ndots:") {
                        facts.ndots = n.parse().unwrap_or(1);
                    }
                }
            }
            _ => {}
        }
    }
    facts.nameservers.truncate(3);
}

/// Whether the hosts file is looked at (`nsswitch.conf(5)`); without the file it is.
fn uses_files(nsswitch: &str) -> bool {
    let line = nsswitch.lines().find_map(|l| l.trim_start().strip_prefix("hosts:"));
    line.is_none_or(|sources| sources.split_whitespace().any(|s| s == "files"))
}

fn in_hosts(text: &str, name: &str) -> Vec<IpAddr> {
    let mut out: Vec<IpAddr> = Vec::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(address) = words.next().and_then(|w| w.parse().ok()) else { continue };
        if words.any(|w| w.eq_ignore_ascii_case(name)) && !out.contains(&address) {
            out.push(address);
        }
    }
    out
}

/// Asks the servers one after the other until one answers.
async fn ask_one(machine: &Machine, servers: &[Text], name: &str, kind: RecordType) -> LaptopReply {
    let mut reply =
        LaptopReply { name: name.to_owned(), kind, server: "nobody".into(), result: Err("no server".into()) };
    let asked = match Asked::new(name, kind) {
        Ok(asked) => asked,
        Err(error) => return LaptopReply { result: Err(error.to_string().into()), ..reply },
    };
    for server in servers {
        // A zone (`fe80::1%eth0`) is of no use without its interface.
        let Some(ip) = server.split('%').next().and_then(|s| s.parse::<IpAddr>().ok()) else { continue };
        let address = SocketAddr::new(ip, machine.port);
        reply.server = server.clone();
        let result = timeout(machine.patience, exchange(address, &asked)).await;
        reply.result = match result {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => Err(why.into()),
            Err(_) => Err(format!("no answer within {} s", machine.patience.as_secs().max(1)).into()),
        };
        if reply.result.is_ok() {
            break;
        }
    }
    reply
}

async fn exchange(server: SocketAddr, asked: &Asked) -> Result<LiveAnswer, String> {
    let failed = |e: std::io::Error| e.to_string();
    let mut question = Vec::new();
    // The id only has to be hard to guess for others on the way; the port is random too.
    let id = u16::from_be_bytes(id_bytes());
    asked.write(id, &mut question);
    let local = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(local).await.map_err(failed)?;
    socket.connect(server).await.map_err(failed)?;
    socket.send(&question[2..]).await.map_err(failed)?;
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(failed)?;
        // What answers another question is left alone.
        if message::id(&buffer[..length]) != Some(id) {
            continue;
        }
        let reply = message::read(&buffer[..length])?;
        return if reply.cut { over_tcp(server, &question).await } else { answer(reply) };
    }
}

async fn over_tcp(server: SocketAddr, question: &[u8]) -> Result<LiveAnswer, String> {
    let failed = |e: std::io::Error| e.to_string();
    let mut stream = TcpStream::connect(server).await.map_err(failed)?;
    stream.write_all(question).await.map_err(failed)?;
    let length = stream.read_u16().await.map_err(failed)?;
    let mut buffer = vec![0; usize::from(length)];
    stream.read_exact(&mut buffer).await.map_err(failed)?;
    answer(message::read(&buffer)?)
}

fn answer(reply: message::Reply) -> Result<LiveAnswer, String> {
    let said = reply.said;
    let rcode = said.rcode.known().ok_or_else(|| format!("it says {}", said.rcode))?;
    Ok(LiveAnswer { rcode, answers: said.answers, soa: said.authority.map(|r| r.name) })
}

/// Two bytes that others can't guess, from the standard library's own source of randomness.
fn id_bytes() -> [u8; 2] {
    use std::hash::{BuildHasher as _, Hasher as _};
    let value = std::collections::hash_map::RandomState::new().build_hasher().finish().to_be_bytes();
    [value[0], value[1]]
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(files: &[(&str, &str)]) -> Self {
            let unique = u64::from_be_bytes(
                [id_bytes(), id_bytes(), id_bytes(), id_bytes()].concat().try_into().unwrap(),
            );
            let folder = std::env::temp_dir().join(format!("kdisco-laptop-{}-{unique}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            for (name, text) in files {
                std::fs::write(folder.join(name), text).unwrap();
            }
            Self(folder)
        }

        fn machine(&self, port: u16) -> Machine {
            Machine {
                resolv_conf: self.0.join("resolv.conf"),
                hosts: self.0.join("hosts"),
                nsswitch: self.0.join("nsswitch.conf"),
                port,
                patience: Duration::from_secs(20),
            }
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// Answers everything with NXDOMAIN, over UDP; `cut` says that the answer is longer.
    async fn server(cut: bool) -> (u16, tokio::task::JoinHandle<()>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            let mut buffer = [0; 512];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let mut reply = buffer[..length].to_vec();
                reply[2] = 0x81 | if cut { 2 } else { 0 };
                reply[3] = 0x83;
                // A reply to somebody else's question comes first.
                let mut other = reply.clone();
                other[0] ^= 0xff;
                socket.send_to(&other, from).await.unwrap();
                socket.send_to(&reply, from).await.unwrap();
            }
        });
        (port, task)
    }

    #[tokio::test]
    async fn the_resolver_is_asked_as_a_library_asks_it() {
        let (port, task) = server(false).await;
        let folder = Folder::new(&[(
            "resolv.conf",
            "# x\nnameserver 127.0.0.1\nsearch lan corp.example\noptions ndots:1\n",
        )]);
        let facts = look(&folder.machine(port), "my-app.default", None, true).await;
        task.abort();
        assert_eq!((facts.ndots, &*facts.nameservers[0]), (1, "127.0.0.1"));
        let asked: Vec<&str> = facts.replies.iter().map(|r| &*r.name).collect();
        assert_eq!(
            asked,
            [
                "my-app.default.",
                "my-app.default.",
                "my-app.default.lan.",
                "my-app.default.lan.",
                "my-app.default.corp.example.",
                "my-app.default.corp.example."
            ]
        );
        assert!(
            facts.replies.iter().all(|r| r.result.as_ref().unwrap().rcode == Rcode::NxDomain),
            "{facts:?}"
        );
        assert!(facts.addresses().is_empty());
    }

    #[tokio::test]
    async fn a_cut_answer_is_asked_again_over_tcp() {
        let (port, task) = server(true).await;
        let folder = Folder::new(&[("resolv.conf", "nameserver 127.0.0.1\n")]);
        let facts = look(&folder.machine(port), "my-app.default", Some(RecordType::A), true).await;
        task.abort();
        // Nobody listens there: that is told, and not the half of an answer.
        assert!(facts.replies[0].result.is_err(), "{facts:?}");
    }

    #[tokio::test]
    async fn the_hosts_file_comes_first_and_missing_files_are_told() {
        let folder = Folder::new(&[("resolv.conf", ""), ("hosts", "127.0.0.9 my-app.default my-app # x\n")]);
        let facts = look(&folder.machine(1), "My-App", None, true).await;
        assert_eq!(facts.hosts, ["127.0.0.9".parse::<IpAddr>().unwrap()]);
        assert!(facts.replies.is_empty());
        let facts = look(&folder.machine(1), "other", None, true).await;
        assert!(facts.problem.unwrap().contains("names no server"));
        let order = Folder::new(&[("nsswitch.conf", "hosts: dns\n"), ("hosts", "127.0.0.9 my-app\n")]);
        let facts = look(&order.machine(1), "my-app", None, false).await;
        assert!(facts.hosts.is_empty() && facts.problem.unwrap().contains("can't be read"));
    }
}
