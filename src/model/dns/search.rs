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
}
