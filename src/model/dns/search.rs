//! How the stub resolvers in images turn a name into questions: glibc's `res_search` and musl's
//! `name_from_dns_search`.
//!
//! What it is not: it asks nobody; [`Cluster::lookup`](super::Cluster::lookup) walks the questions through the
//! prediction, others may walk them through a real server with the same [`Walk`]. Everybody may use it.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// The C library in an image, as far as its resolver goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Libc {
    /// glibc (Debian, Ubuntu, Red Hat, distroless).
    Glibc,
    /// musl (Alpine).
    Musl,
}

impl Libc {
    /// Its usual name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Glibc => "glibc",
            Self::Musl => "musl",
        }
    }
}

impl fmt::Display for Libc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Libc {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Glibc, Self::Musl].into_iter().find(|l| l.as_str() == text).ok_or(())
    }
}

impl Serialize for Libc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One question of a resolver's plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The name that is asked, with the final dot.
    pub name: String,
    /// Which entry of the search list made it; `None` for the name as it stands.
    pub via: Option<usize>,
}

/// Both libraries take at most this (glibc `RES_MAXNDOTS`, musl resolvconf.c).
const MAX_NDOTS: usize = 15;

/// The questions for a name, in order, until one ends the walk. `search` is the list as `resolv.conf` has it.
pub fn plan(name: &str, search: &[&str], ndots: usize, libc: Libc) -> Vec<Query> {
    let dots = name.bytes().filter(|b| *b == b'.').count();
    let absolute = name.ends_with('.');
    let bare = name.strip_suffix('.').unwrap_or(name);
    let as_is = || Query { name: format!("{bare}."), via: None };
    let many = dots >= ndots.min(MAX_NDOTS);
    if absolute || (many && libc == Libc::Musl) {
        return vec![as_is()];
    }
    let mut queries = Vec::with_capacity(search.len() + 1);
    let mut root = false;
    if many {
        queries.push(as_is());
    }
    for (i, domain) in search.iter().enumerate() {
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        match (domain.is_empty(), libc) {
            // A lone dot is the name as it stands for glibc; musl makes an empty label of it and asks nothing.
            (true, Libc::Musl) => continue,
            (true, Libc::Glibc) => root = true,
            _ => {}
        }
        let dot = if domain.is_empty() { "" } else { "." };
        queries.push(Query { name: format!("{bare}.{domain}{dot}"), via: Some(i) });
    }
    if !many && !root {
        queries.push(as_is());
    }
    queries
}

/// What a resolver makes of the replies to one question of its plan, A and AAAA taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// At least one address.
    Addresses,
    /// The name exists without addresses.
    NoData,
    /// An alias that leads to no address.
    Alias,
    /// No such name.
    NxDomain,
    /// The server failed.
    ServFail,
}

/// What `getaddrinfo` says when it finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LookupError {
    /// `EAI_NONAME`
    NoName,
    /// `EAI_NODATA`
    NoData,
    /// `EAI_AGAIN`
    Again,
}

impl LookupError {
    /// The text that `gai_strerror` gives for it.
    pub fn text(self, libc: Libc) -> &'static str {
        match (libc, self) {
            (Libc::Glibc, Self::NoName) => "Name or service not known",
            (Libc::Glibc, Self::NoData) => "No address associated with hostname",
            (Libc::Glibc, Self::Again) => "Temporary failure in name resolution",
            (Libc::Musl, Self::NoName | Self::NoData) => "Name does not resolve",
            (Libc::Musl, Self::Again) => "Try again",
        }
    }
}

/// A walk through a plan: [`next`](Self::next) is asked, [`reply`](Self::reply) takes what came back.
#[derive(Clone, Debug)]
pub struct Walk {
    libc: Libc,
    plan: Vec<Query>,
    at: usize,
    /// The question for the name as it stands came first, and this was its end.
    first: Option<LookupError>,
    no_data: bool,
    failed: bool,
    end: Option<Result<(), LookupError>>,
}

impl Walk {
    /// A walk through the questions of [`plan`].
    pub fn new(plan: Vec<Query>, libc: Libc) -> Self {
        let end = plan.is_empty().then_some(Err(LookupError::NoName));
        Self { libc, plan, at: 0, first: None, no_data: false, failed: false, end }
    }

    /// The question to ask now; `None` at the end.
    pub fn next(&self) -> Option<&Query> {
        if self.end.is_some() { None } else { self.plan.get(self.at) }
    }

    /// How it ended: with addresses or with an error. `None` while there is a question left.
    pub fn end(&self) -> Option<Result<(), LookupError>> {
        self.end
    }

    /// Takes the reply to the current question.
    pub fn reply(&mut self, reply: Reply) {
        let error = match (reply, self.libc) {
            (Reply::Addresses, _) => return self.end = Some(Ok(())),
            // glibc ends at an alias with nothing behind; musl sees no difference to NODATA, and ends at both.
            (Reply::Alias, _) | (Reply::NoData, Libc::Musl) => {
                return self.end = Some(Err(LookupError::NoName));
            }
            (Reply::ServFail, Libc::Musl) => return self.end = Some(Err(LookupError::Again)),
            (Reply::NoData, Libc::Glibc) => LookupError::NoData,
            (Reply::ServFail, Libc::Glibc) => LookupError::Again,
            (Reply::NxDomain, _) => LookupError::NoName,
        };
        let as_is = self.plan.get(self.at).is_some_and(|q| q.via.is_none());
        if as_is && self.at == 0 {
            self.first = Some(error);
        } else if !as_is {
            self.no_data |= error == LookupError::NoData;
            self.failed |= error == LookupError::Again;
        }
        self.at += 1;
        if self.at >= self.plan.len() {
            let list = match (self.no_data, self.failed) {
                (true, _) => Some(LookupError::NoData),
                (_, true) => Some(LookupError::Again),
                _ => None,
            };
            self.end = Some(Err(self.first.or(list).unwrap_or(error)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEARCH: [&str; 3] = ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"];

    fn names(name: &str, search: &[&str], ndots: usize, libc: Libc) -> Vec<String> {
        plan(name, search, ndots, libc).into_iter().map(|q| q.name).collect()
    }

    #[test]
    fn few_dots_search_first_and_many_dots_ask_first() {
        let names_of = |ndots, libc| names("db.prod", &SEARCH[..1], ndots, libc);
        assert_eq!(names_of(5, Libc::Musl), ["db.prod.shop.svc.cluster.local.", "db.prod."]);
        assert_eq!(names_of(5, Libc::Glibc), ["db.prod.shop.svc.cluster.local.", "db.prod."]);
        assert_eq!(names_of(1, Libc::Glibc), ["db.prod.", "db.prod.shop.svc.cluster.local."]);
        assert_eq!(names_of(1, Libc::Musl), ["db.prod."]);
    }

    #[test]
    fn a_final_dot_stops_the_search() {
        assert_eq!(names("db.", &SEARCH, 5, Libc::Glibc), ["db."]);
        assert_eq!(names("db.", &SEARCH, 5, Libc::Musl), ["db."]);
    }

    #[test]
    fn a_lone_dot_in_the_list_and_the_cap_of_ndots() {
        assert_eq!(names("db", &[".", "x"], 5, Libc::Glibc), ["db.", "db.x."]);
        assert_eq!(names("db", &[".", "x"], 5, Libc::Musl), ["db.x.", "db."]);
        let long = "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p";
        assert_eq!(names(long, &["x"], 20, Libc::Musl), [format!("{long}.")]);
    }

    fn walked(name: &str, ndots: usize, libc: Libc, replies: &[Reply]) -> (usize, Result<(), LookupError>) {
        let mut walk = Walk::new(plan(name, &SEARCH, ndots, libc), libc);
        let mut asked = 0;
        while walk.next().is_some() {
            walk.reply(replies.get(asked).copied().unwrap_or(Reply::NxDomain));
            asked += 1;
        }
        (asked, walk.end().unwrap())
    }

    #[test]
    fn what_ends_a_walk_differs() {
        use Reply::{Addresses, Alias, NoData, NxDomain, ServFail};
        for (replies, glibc, musl) in [
            (&[NxDomain, Addresses][..], (2, Ok(())), (2, Ok(()))),
            (&[NoData], (4, Err(LookupError::NoData)), (1, Err(LookupError::NoName))),
            (&[Alias], (1, Err(LookupError::NoName)), (1, Err(LookupError::NoName))),
            (&[ServFail], (4, Err(LookupError::Again)), (1, Err(LookupError::Again))),
            (&[ServFail, NoData], (4, Err(LookupError::NoData)), (1, Err(LookupError::Again))),
            (&[], (4, Err(LookupError::NoName)), (4, Err(LookupError::NoName))),
        ] {
            assert_eq!(walked("a", 5, Libc::Glibc, replies), glibc, "{replies:?}");
            assert_eq!(walked("a", 5, Libc::Musl, replies), musl, "{replies:?}");
        }
        // The error of a first question for the name as it stands stays.
        assert_eq!(walked("a.b", 1, Libc::Glibc, &[NxDomain, NoData]), (4, Err(LookupError::NoName)));
    }
}
