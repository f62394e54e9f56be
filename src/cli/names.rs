//! The objects that a command line names: `web`, `svc/web`, `shop/web`.

use std::collections::BTreeSet;

use super::args::Explore;
use super::failure::{Exit, Failure};
use crate::model::selector::Selector;
use crate::model::{Kind, Labels, NamespaceScope, ObjectKey, Text};

/// One object that was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Its kind, where that was said.
    pub kind: Option<Kind>,
    /// Its namespace, where that was said.
    pub namespace: Option<Text>,
    /// Its name.
    pub name: Text,
}

impl Wish {
    /// Reads a name as kubectl does (`TYPE/NAME`), or with a namespace in front. A word before the slash that is a
    /// type is one, so a namespace called `svc` has to be given by `-n`.
    fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = || {
            Failure::new(
                Exit::Usage,
                format!("\"{text}\" names no object"),
                "It has to be NAME, TYPE/NAME or NAMESPACE/NAME.",
                "",
            )
        };
        let parts: Vec<&str> = text.split('/').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(wrong());
        }
        match parts[..] {
            [name] => Ok(Self { kind: None, namespace: None, name: name.into() }),
            [kind, name] if kind_of(kind).is_some() => {
                Ok(Self { kind: kind_of(kind), namespace: None, name: name.into() })
            }
            [namespace, name] => {
                Ok(Self { kind: None, namespace: Some(namespace.into()), name: name.into() })
            }
            [namespace, kind, name] if kind_of(kind).is_some() => {
                Ok(Self { kind: kind_of(kind), namespace: Some(namespace.into()), name: name.into() })
            }
            _ => Err(wrong()),
        }
    }

    /// Whether it can be that object, in a command that shows objects of this kind.
    pub fn is(&self, kind: Kind, key: &ObjectKey) -> bool {
        self.kind.is_none_or(|k| k == kind)
            && self.name == key.name
            && self.namespace.as_ref().is_none_or(|n| *n == key.namespace)
    }
}

fn kind_of(word: &str) -> Option<Kind> {
    match word {
        "svc" | "service" | "services" => Some(Kind::Service),
        "po" | "pod" | "pods" => Some(Kind::Pod),
        _ => None,
    }
}

/// What a command is to show: which namespaces, which labels, which names.
#[derive(Clone, Debug)]
pub struct Query {
    /// Namespaces of the objects that were named without one, and of all where none were named; `None` means the
    /// context's own.
    pub scope: Option<NamespaceScope>,
    /// Labels that objects have to have.
    pub selector: Selector,
    /// Names; all objects where there are none.
    pub wishes: Vec<Wish>,
}

impl Query {
    /// What the flags and the names of a command mean. `kinds` are those that the command shows.
    ///
    /// # Errors
    /// Names and selectors that can't be read, and kinds that the command does not show.
    pub fn new(explore: &Explore, names: &[String], kinds: &[Kind]) -> Result<Self, Failure> {
        let wishes: Vec<Wish> = names.iter().map(|name| Wish::parse(name)).collect::<Result<_, _>>()?;
        if let Some((wish, kind)) =
            wishes.iter().find_map(|w| Some((w, w.kind?))).filter(|(_, kind)| !kinds.contains(kind))
        {
            let shown: Vec<&str> = kinds.iter().map(|k| k.resource()).collect();
            return Err(Failure::new(
                Exit::Usage,
                format!("{} {} can't be asked for here", kind.name(), wish.name),
                format!("This command is about {}.", shown.join(" and ")),
                "",
            ));
        }
        let selector = Selector::parse(explore.selector.as_deref().unwrap_or_default()).map_err(|e| {
            let text = explore.selector.as_deref().unwrap_or_default();
            Failure::new(
                Exit::Usage,
                format!("\"{text}\" is no label selector"),
                format!("At character {}: {e}.", e.at + 1),
                "Write it like app=web, tier!=db, env in (prod,test), !canary.",
            )
        })?;
        if !wishes.is_empty() && !selector.is_empty() {
            return Err(Failure::new(
                Exit::Usage,
                "names and -l can't be used together",
                "A name is one object, a selector is many.",
                "Leave one of them out.",
            ));
        }
        Ok(Self { scope: scope(explore), selector, wishes })
    }

    /// Everything in these namespaces.
    pub fn all(explore: &Explore) -> Self {
        Self { scope: scope(explore), selector: Selector::default(), wishes: vec![] }
    }

    /// Whether an object is to be shown. `scope` is what [`Self::scope`] came to.
    pub fn wants(&self, scope: &NamespaceScope, kind: Kind, key: &ObjectKey, labels: &Labels) -> bool {
        if self.wishes.is_empty() {
            return scope.contains(&key.namespace) && self.selector.matches(labels);
        }
        self.wishes
            .iter()
            .any(|w| w.is(kind, key) && (w.namespace.is_some() || scope.contains(&key.namespace)))
    }

    /// The namespaces that have to be looked at when the context's own is `own`.
    pub fn namespaces(&self, own: &str) -> NamespaceScope {
        let scope = self.scope.clone().unwrap_or_else(|| NamespaceScope::one(own));
        let NamespaceScope::Only(mut names) = scope else { return scope };
        if !self.wishes.is_empty() && self.wishes.iter().all(|w| w.namespace.is_some()) {
            names = BTreeSet::new();
        }
        names.extend(self.wishes.iter().filter_map(|w| w.namespace.clone()));
        NamespaceScope::Only(names)
    }
}

fn scope(explore: &Explore) -> Option<NamespaceScope> {
    let names = explore.namespaces();
    match (explore.all_namespaces, names.is_empty()) {
        (true, _) => Some(NamespaceScope::All),
        (false, false) => Some(NamespaceScope::Only(names.into_iter().map(Text::from).collect())),
        (false, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(names: &[&str], explore: &Explore) -> Result<Query, Failure> {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        Query::new(explore, &names, &[Kind::Service])
    }

    fn key(text: &str) -> ObjectKey {
        let (namespace, name) = text.split_once('/').unwrap();
        ObjectKey::new(namespace, name)
    }

    #[test]
    fn names_with_a_type_and_with_a_namespace() {
        let q = query(&["web", "svc/db", "shop/api", "shop/service/x"], &Explore::default()).unwrap();
        let scope = q.namespaces("default");
        let wants = |text| q.wants(&scope, Kind::Service, &key(text), &Labels::default());
        assert!(wants("default/web") && wants("default/db") && wants("shop/api") && wants("shop/x"));
        assert!(!wants("other/web") && !wants("default/other"));
        assert_eq!(scope, NamespaceScope::Only(["default", "shop"].map(Text::from).into()));
        let only = query(&["shop/api"], &Explore::default()).unwrap();
        assert_eq!(only.namespaces("default"), NamespaceScope::one("shop"));
    }

    #[test]
    fn what_names_nothing_is_a_usage_error() {
        for name in ["", "/web", "a/b/c", "pod/web", "svc/"] {
            assert_eq!(query(&[name], &Explore::default()).unwrap_err().exit, Exit::Usage, "{name}");
        }
        let labels = |text: &str| Explore { selector: Some(text.into()), ..Explore::default() };
        assert_eq!(query(&[], &labels("a=(")).unwrap_err().exit, Exit::Usage);
        assert_eq!(query(&["web"], &labels("a=b")).unwrap_err().exit, Exit::Usage);
        assert!(query(&[], &labels("a in (b,c)")).is_ok());
    }

    #[test]
    fn flags_say_which_namespaces() {
        let explore = Explore { namespace: vec!["a".into(), "b".into()], ..Explore::default() };
        let q = Query::all(&explore);
        assert_eq!(q.namespaces("own"), NamespaceScope::Only(["a", "b"].map(Text::from).into()));
        assert_eq!(Query::all(&Explore::default()).namespaces("own"), NamespaceScope::one("own"));
        let all = Explore { all_namespaces: true, ..explore };
        assert_eq!(Query::all(&all).namespaces("own"), NamespaceScope::All);
    }
}
