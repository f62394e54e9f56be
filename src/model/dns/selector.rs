//! Label selectors as CoreDNS' options `labels` and `namespace_labels` write them.
//!
//! Everybody may use it. Source: apimachinery `labels.Parse`.

use crate::model::{Labels, Text};

/// A parsed selector: all requirements must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: Text,
    rule: Rule,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    In(Vec<Text>),
    NotIn(Vec<Text>),
    Exists,
    Missing,
}

impl Selector {
    /// Reads `a=b,c!=d,e in (f, g),h notin (i),j,!k`. `None` for what the API machinery would refuse.
    pub fn parse(text: &str) -> Option<Self> {
        let mut requirements = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            // A comma inside of parentheses separates values, not requirements.
            let mut depth = 0_i32;
            let end = rest.find(|c| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                c == ',' && depth == 0
            });
            let (one, more) = end.map_or((rest, ""), |at| (&rest[..at], &rest[at + 1..]));
            requirements.push(requirement(one.trim())?);
            if end.is_some() && more.trim().is_empty() {
                return None;
            }
            rest = more.trim_start();
        }
        Some(Self(requirements))
    }

    /// Whether an object with these labels is selected. An empty selector selects everything.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|r| {
            let value = labels.get(&r.key);
            match &r.rule {
                Rule::In(values) => value.is_some_and(|v| values.contains(v)),
                Rule::NotIn(values) => value.is_none_or(|v| !values.contains(v)),
                Rule::Exists => value.is_some(),
                Rule::Missing => value.is_none(),
            }
        })
    }
}

fn requirement(text: &str) -> Option<Requirement> {
    let word = |t: &str| {
        let t = t.trim();
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        t.chars().all(fine).then(|| Text::from(t))
    };
    let key = |t: &str| word(t).filter(|k| !k.is_empty());
    if let Some(name) = text.strip_prefix('!') {
        return Some(Requirement { key: key(name)?, rule: Rule::Missing });
    }
    for (sign, equal) in [("!=", false), ("==", true), ("=", true)] {
        if let Some((name, value)) = text.split_once(sign) {
            let values = vec![word(value)?];
            let rule = if equal { Rule::In(values) } else { Rule::NotIn(values) };
            return Some(Requirement { key: key(name)?, rule });
        }
    }
    let Some((head, list)) = text.split_once('(') else {
        return Some(Requirement { key: key(text)?, rule: Rule::Exists });
    };
    let values: Vec<Text> = list.trim_end().strip_suffix(')')?.split(',').map(word).collect::<Option<_>>()?;
    let (name, verb) = head.trim().rsplit_once(char::is_whitespace)?;
    let rule = match verb {
        "in" => Rule::In(values),
        "notin" => Rule::NotIn(values),
        _ => return None,
    };
    Some(Requirement { key: key(name)?, rule })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels = Labels::new(labels.iter().map(|(k, v)| ((*k).into(), (*v).into())));
        Selector::parse(selector).unwrap().matches(&labels)
    }

    #[test]
    fn every_form_of_requirement() {
        let web = &[("app", "web"), ("tier", "front")];
        for yes in
            ["", "app=web", "app==web,tier", "app in (web, db)", "app!=db", "x notin (y)", "!x", "x!=y"]
        {
            assert!(matches(yes, web), "{yes}");
        }
        for no in ["app=db", "app", "app in (web)", "app=web,x"] {
            assert!(!matches(no, &[("other", "1")]), "{no}");
        }
        assert!(!matches("app notin (web)", web));
        assert!(!matches("!app", web));
    }

    #[test]
    fn what_the_api_refuses_is_refused() {
        for bad in ["a in b", "a in (b", "(a)", "a=b,", "a b", "=x", "a near (b)"] {
            assert_eq!(Selector::parse(bad), None, "{bad}");
        }
    }
}
