//! The ways to write a Service's name, and which of them work from where: what `y` copies.
//!
//! What it is not: it knows search lists, not what else exists. A shorter name can be shadowed by another object of
//! that name; [`Cluster::lookup`](super::Cluster::lookup) tells. Everybody may use it.

use super::search::{self, Libc};
use super::{Name, ResolvConf};
use crate::model::{ObjectKey, Text};

/// Where a name is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Viewpoint {
    /// The laptop: its resolver does not know the cluster.
    Laptop,
    /// Any ordinary pod of a namespace.
    Namespace(Text),
    /// One pod with its own resolver settings.
    Pod {
        /// Its namespace.
        namespace: Text,
        /// Its resolver file.
        resolv_conf: ResolvConf,
        /// Its C library.
        libc: Libc,
    },
}

/// Which form a name has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FormKind {
    /// `svc`
    Short,
    /// `svc.ns`
    Namespaced,
    /// `svc.ns.svc`
    Svc,
    /// `svc.ns.svc.cluster.local`
    Full,
    /// `svc.ns.svc.cluster.local.`
    Absolute,
}

/// One way to write a Service's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameForm {
    /// Which form.
    pub kind: FormKind,
    /// The text to type.
    pub text: String,
    /// How it reaches the Service; `None` where it does not from there.
    pub step: Option<Step>,
}

/// The question of a resolver's plan that reaches the Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number in the plan, from 1.
    pub number: usize,
    /// The search domain that made it; `None` for the name as typed.
    pub search: Option<Text>,
    /// Questions in front of it go to names outside the cluster or to the node's own search domains, so what they
    /// answer is not known.
    pub after_unknown: bool,
}

/// All forms of a Service's name, the shortest first, each with the step that makes it work from there.
pub fn names_for(key: &ObjectKey, from: &Viewpoint, domain: &Name) -> Vec<NameForm> {
    let zone = domain.as_str().trim_end_matches('.');
    let (name, namespace) = (&key.name, &key.namespace);
    let full = format!("{name}.{namespace}.svc.{zone}");
    let forms = [
        (FormKind::Short, name.to_string()),
        (FormKind::Namespaced, format!("{name}.{namespace}")),
        (FormKind::Svc, format!("{name}.{namespace}.svc")),
        (FormKind::Full, full.clone()),
        (FormKind::Absolute, format!("{full}.")),
    ];
    let wanted = format!("{full}.");
    let step = |text: &str| match from {
        Viewpoint::Laptop => None,
        Viewpoint::Namespace(own) => {
            let search =
                [format!("{own}.svc.{zone}"), format!("svc.{zone}"), zone.to_owned()].map(Text::from);
            let conf = ResolvConf {
                node_search_at: Some(search.len()),
                search: search.to_vec(),
                options: vec!["ndots:5".to_owned()],
                ..ResolvConf::default()
            };
            step_to(&wanted, text, &conf, Libc::Glibc, domain)
        }
        Viewpoint::Pod { resolv_conf, libc, .. } => step_to(&wanted, text, resolv_conf, *libc, domain),
    };
    forms.into_iter().map(|(kind, text)| NameForm { step: step(&text), kind, text }).collect()
}

/// The shortest form that works without a detour through unknown names; else the shortest that works at all.
pub fn shortest(forms: &[NameForm]) -> Option<&NameForm> {
    let sure = |f: &&NameForm| f.step.as_ref().is_some_and(|s| !s.after_unknown);
    forms.iter().find(sure).or_else(|| forms.iter().find(|f| f.step.is_some()))
}

fn step_to(wanted: &str, text: &str, conf: &ResolvConf, libc: Libc, domain: &Name) -> Option<Step> {
    let search = conf.search_for(libc);
    let list: Vec<&str> = search.iter().map(|s| &**s).collect();
    let plan = search::plan(text, &list, conf.ndots()?, libc);
    let number = plan.iter().position(|q| q.name == wanted)?;
    let via = plan[number].via;
    let outside = |q: &search::Query| !Name::parse(&q.name).is_ok_and(|n| n.is_under(domain));
    let node = conf.node_search_at.filter(|_| !search.is_empty() || conf.search.is_empty());
    let node_before = node.is_some_and(|at| match via {
        Some(i) => i >= at,
        None => number > 0,
    });
    Some(Step {
        number: number + 1,
        search: via.map(|i| search[i].clone()),
        after_unknown: node_before || plan[..number].iter().any(outside),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(from: &Viewpoint) -> Vec<(String, Option<(usize, bool)>)> {
        let key = ObjectKey::new("shop", "db");
        let domain = Name::parse("cluster.local").unwrap();
        let forms = names_for(&key, from, &domain);
        forms.into_iter().map(|f| (f.text, f.step.map(|s| (s.number, s.after_unknown)))).collect()
    }

    fn pod(options: &[&str], libc: Libc) -> Viewpoint {
        Viewpoint::Pod {
            namespace: "web".into(),
            resolv_conf: ResolvConf {
                search: ["web.svc.cluster.local", "svc.cluster.local", "cluster.local"]
                    .map(Text::from)
                    .to_vec(),
                options: options.iter().map(|o| (*o).to_owned()).collect(),
                node_search_at: Some(3),
                ..ResolvConf::default()
            },
            libc,
        }
    }

    #[test]
    fn the_short_name_works_in_its_own_namespace_only() {
        let own = forms(&Viewpoint::Namespace("shop".into()));
        assert_eq!(own[0], ("db".into(), Some((1, false))));
        let other = forms(&Viewpoint::Namespace("web".into()));
        assert_eq!(other[0].1, None);
        assert_eq!(other[1], ("db.shop".into(), Some((2, false))));
        assert_eq!(other[2], ("db.shop.svc".into(), Some((3, false))));
        // Four dots: the search list is walked first, the node's own domains too.
        assert_eq!(other[3], ("db.shop.svc.cluster.local".into(), Some((4, true))));
        assert_eq!(other[4], ("db.shop.svc.cluster.local.".into(), Some((1, false))));
    }

    #[test]
    fn musl_with_few_ndots_needs_the_full_name() {
        let musl = forms(&pod(&["ndots:1"], Libc::Musl));
        assert_eq!(musl.iter().map(|f| f.1.is_some()).collect::<Vec<_>>(), [false, false, false, true, true]);
        let glibc = forms(&pod(&["ndots:1"], Libc::Glibc));
        assert_eq!(glibc[1].1, Some((3, true)));
    }

    #[test]
    fn nothing_works_on_the_laptop_and_the_shortest_sure_form_is_chosen() {
        assert!(forms(&Viewpoint::Laptop).iter().all(|f| f.1.is_none()));
        let key = ObjectKey::new("shop", "db");
        let domain = Name::parse("cluster.local").unwrap();
        let all = names_for(&key, &pod(&["ndots:1"], Libc::Glibc), &domain);
        assert_eq!(shortest(&all).unwrap().text, "db.shop.svc.cluster.local");
    }
}
