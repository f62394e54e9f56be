//! What to type next.

use super::case::Case;
use super::{Asker, Verdict};
use crate::model::copy::shell_quote;
use crate::model::{ObjectKey, ServiceFacts};

impl Case<'_> {
    pub(super) fn try_next(
        &self,
        verdict: &Verdict,
        target: Option<&ObjectKey>,
        absolute: Option<&str>,
    ) -> Vec<String> {
        let mut out = Vec::new();
        let facts = target.and_then(|k| self.service(k));
        let advice = self.blockers.first().map(|(_, f)| f.advice.clone()).filter(|a| !a.is_empty());
        out.extend(advice);
        match &self.question.from {
            Asker::Laptop(_) => {
                if let Some(facts) = facts {
                    out.push(forward(facts));
                }
                out.extend(facts.zip(absolute).and_then(|(f, name)| in_endpoint(f, name)));
            }
            Asker::Pod(key, _) if self.snapshot.pod(&key.namespace, &key.name).is_some() => {
                let name = absolute.unwrap_or(&self.question.name);
                out.push(exec(key, name));
            }
            Asker::Pod(..) | Asker::Namespace(..) => {
                out.extend(facts.zip(absolute).and_then(|(f, name)| in_endpoint(f, name)));
            }
        }
        if matches!(verdict.code, "live-differs-from-prediction" | "not-determined" | "cached-negative") {
            out.extend(absolute.map(|name| format!("kdisco resolve {}", shell_quote(name))));
        }
        if let Some(facts) = facts.filter(|_| {
            matches!(
                verdict.code,
                "no-ready-endpoints"
                    | "selector-matches-nothing"
                    | "target-port-not-declared"
                    | "all-endpoints-terminating"
                    | "headless-no-ready-endpoints"
            )
        }) {
            let key = facts.key();
            out.push(format!(
                "kdisco endpoints {} -n {}",
                shell_quote(&key.name),
                shell_quote(&key.namespace)
            ));
        }
        out.dedup();
        out
    }
}

/// The look-up in a pod that is behind the Service.
fn in_endpoint(facts: &ServiceFacts, name: &str) -> Option<String> {
    let endpoints = facts.slices.iter().flat_map(|s| &s.endpoints).filter(|e| e.is_ready());
    let target = endpoints.filter_map(|e| e.target.as_ref()).find(|t| &*t.kind == "Pod")?;
    Some(exec(&ObjectKey::new(target.namespace.clone(), target.name.clone()), name))
}

fn exec(pod: &ObjectKey, name: &str) -> String {
    let (namespace, pod) = (shell_quote(&pod.namespace), shell_quote(&pod.name));
    format!("kubectl exec -n {namespace} {pod} -- getent hosts {}", shell_quote(name))
}

fn forward(facts: &ServiceFacts) -> String {
    let key = facts.key();
    let name = format!("svc/{}", key.name);
    let namespace = if &*key.namespace == "default" {
        String::new()
    } else {
        format!(" -n {}", shell_quote(&key.namespace))
    };
    format!("kdisco forward {}{namespace}", shell_quote(&name))
}
