//! Walking over a predicted environment: the variables by name, each with its reason and its candidates.

use super::verdict::address_is_sure;
use super::{ContainerEnvironment, Origin, Resolved, Status, resolve};
use crate::model::ObjectKey;

/// One variable of a container.
#[derive(Clone, Copy, Debug)]
pub struct Variable<'a> {
    /// Name.
    pub name: &'a str,
    /// Value; `None` where it is not known or not shown.
    pub value: Option<&'a str>,
    /// How sure that is.
    pub status: Status,
    /// Where it comes from.
    pub origin: Origin,
    /// The Service that makes it; `None` for other origins, and where several Services make it with different values.
    pub service: Option<&'a ObjectKey>,
    /// Length of the value in bytes, also where it is not shown; 0 where it is not known.
    pub value_len: usize,
    environment: &'a ContainerEnvironment,
    own: Option<usize>,
    rows: Option<Resolved>,
}

/// One of several Services that make the same variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The Service.
    pub service: &'a ObjectKey,
    /// The value it gives.
    pub value: &'a str,
    /// Whether the container has this Service's variables.
    pub status: Status,
}

impl<'a> Variable<'a> {
    /// Why the status is what it is, what is hidden, what it depends on; `None` where there is nothing to say.
    pub fn reason(&self) -> Option<String> {
        let env = self.environment;
        let mut clauses = Vec::new();
        if let Some(own) = self.own.map(|i| &env.own[i].1) {
            clauses.extend(own.note.clone());
            let services: Vec<_> = self.hidden().map(|c| format!("the Service {}", c.service.name)).collect();
            let hidden: Vec<_> = services.into_iter().chain(own.hides.clone()).collect();
            if !hidden.is_empty() {
                clauses.push(format!("hides {}", hidden.join(" and ")));
            }
            if self.status == Status::NextStart && clauses.is_empty() {
                clauses.push("the container is not running".to_owned());
            }
        } else if let Some(rows) = self.rows {
            clauses.extend(self.service_reason(rows));
        }
        if self.origin != Origin::Env || self.own.is_none() {
            let may_set = env.gaps.iter().filter(|gap| self.may_come_from(gap));
            clauses.extend(may_set.map(|gap| {
                format!("unless {} {}, which {}, sets it", gap.kind.name(), gap.key.name, gap.why)
            }));
        }
        (!clauses.is_empty()).then(|| clauses.join("; "))
    }

    fn may_come_from(&self, gap: &super::Gap) -> bool {
        gap.may_set(self.name) && matches!(self.origin, Origin::Service | Origin::EnvFrom | Origin::Runtime)
    }

    fn service_reason(&self, rows: Resolved) -> Option<String> {
        let env = self.environment;
        if rows.differing {
            let each: Vec<_> =
                self.live_candidates().map(|c| format!("{} ({})", c.value, c.service.name)).collect();
            return Some(format!(
                "several Services make this variable and the kubelet picks one at random at each start: {}",
                each.join(", ")
            ));
        }
        let table = env.table.rows();
        // The one that decides the status, which need not be the first.
        let deciding =
            (rows.row..rows.end).find(|i| super::status_of(env.verdicts[table[*i].service]) == self.status);
        let service = table[deciding.unwrap_or(rows.row)].service;
        let reason = env.verdicts[service].reason(&env.table.services()[service], &env.start);
        let kept = self.status == Status::Stale
            && env.table.is_host(rows.row)
            && address_is_sure(&env.table.services()[service], &env.start);
        reason.map(|reason| if kept { format!("{reason}; its address is surely the same") } else { reason })
    }

    /// The Services that make a variable of this name in this container, if it comes from Services: one usually;
    /// several when they collide. Those that are absent are among them.
    pub fn candidates(&self) -> impl Iterator<Item = Candidate<'a>> + use<'a> {
        let range = if self.own.is_none() { self.rows.map(|_| self.name) } else { None };
        self.environment.candidates(range)
    }

    /// Candidates that the container may really have got it from.
    fn live_candidates(&self) -> impl Iterator<Item = Candidate<'a>> + use<'a> {
        self.candidates().filter(|c| c.status != Status::Absent)
    }

    /// The Services whose variable of this name the pod's own entry hides.
    pub fn hidden(&self) -> impl Iterator<Item = Candidate<'a>> + use<'a> {
        let name = self.own.filter(|_| self.origin != Origin::Service).map(|_| self.name);
        self.environment.candidates(name).filter(|c| c.status != Status::Absent)
    }

    /// Whether several Services make it with different values.
    pub fn collides(&self) -> bool {
        self.rows.is_some_and(|rows| rows.differing)
    }

    /// Whether the container may have it now, or would at its next start: all but the absent.
    pub fn may_be_there(&self) -> bool {
        self.status != Status::Absent
    }

    /// Bytes in the process' environment: name, `=`, value and the final NUL.
    pub fn bytes(&self) -> usize {
        self.name.len() + self.value_len + 2
    }
}

impl ContainerEnvironment {
    /// All variables, sorted by name. Those that the container lacks until it restarts are among them.
    pub fn variables(&self) -> Variables<'_> {
        Variables { environment: self, own: 0, row: 0 }
    }

    /// One variable by name.
    pub fn get(&self, name: &str) -> Option<Variable<'_>> {
        if let Ok(i) = self.own.binary_search_by(|(n, _)| (**n).cmp(name)) {
            return Some(self.own_variable(i));
        }
        let found = resolve(&self.table, &self.verdicts, self.table.position(name).ok()?);
        found.eligible.then(|| self.service_variable(found))
    }

    /// The variables that do not come from a Service's table, sorted by name.
    pub fn own_variables(&self) -> impl ExactSizeIterator<Item = Variable<'_>> {
        (0..self.own.len()).map(|i| self.own_variable(i))
    }

    /// Bytes that service variables take.
    pub fn service_bytes(&self) -> usize {
        self.variables().filter(|v| v.origin == Origin::Service && v.may_be_there()).map(|v| v.bytes()).sum()
    }

    /// Bytes that all variables of known length take, the image's not included.
    pub fn bytes(&self) -> usize {
        self.variables().filter(Variable::may_be_there).map(|v| v.bytes()).sum()
    }

    fn own_variable(&self, i: usize) -> Variable<'_> {
        let (name, own) = &self.own[i];
        Variable {
            name,
            value: own.value.as_deref(),
            status: own.status,
            origin: own.origin,
            service: None,
            value_len: own.size,
            environment: self,
            own: Some(i),
            rows: None,
        }
    }

    fn service_variable(&self, found: Resolved) -> Variable<'_> {
        let row = &self.table.rows()[found.row];
        let certain = !found.differing;
        Variable {
            name: &row.name,
            value: certain.then_some(&*row.value),
            status: found.status,
            origin: Origin::Service,
            service: certain.then(|| &self.table.services()[row.service].key),
            value_len: row.value.len(),
            environment: self,
            own: None,
            rows: Some(found),
        }
    }

    fn candidates(&self, name: Option<&str>) -> impl Iterator<Item = Candidate<'_>> + use<'_> {
        let at = name.and_then(|name| self.table.position(name).ok());
        let rows = at.map_or(&[][..], |at| &self.table.rows()[at..=at + self.table.rows()[at].rivals]);
        rows.iter().filter(|row| !matches!(self.verdicts[row.service], super::Verdict::NotEligible(_))).map(
            |row| Candidate {
                service: &self.table.services()[row.service].key,
                value: &row.value,
                status: super::status_of(self.verdicts[row.service]),
            },
        )
    }
}

/// The variables of a container, sorted by name.
#[derive(Clone, Debug)]
pub struct Variables<'a> {
    environment: &'a ContainerEnvironment,
    /// The next of the pod's own.
    own: usize,
    /// The next row of the Services' table.
    row: usize,
}

impl<'a> Iterator for Variables<'a> {
    type Item = Variable<'a>;

    fn next(&mut self) -> Option<Variable<'a>> {
        let env = self.environment;
        loop {
            let own = env.own.get(self.own).map(|(name, _)| &**name);
            let Some(row) = env.table.rows().get(self.row) else {
                own?;
                self.own += 1;
                return Some(env.own_variable(self.own - 1));
            };
            if let Some(name) = own
                && name <= &*row.name
            {
                if *name == *row.name {
                    self.row += row.rivals + 1;
                }
                self.own += 1;
                return Some(env.own_variable(self.own - 1));
            }
            let found = resolve(&env.table, &env.verdicts, self.row);
            self.row = found.end;
            if found.eligible {
                return Some(env.service_variable(found));
            }
        }
    }
}
