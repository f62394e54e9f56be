//! Walking over a predicted environment: the variables by name, each with its reason and its candidates.

use super::verdict::address_is_sure;
use super::{ContainerEnvironment, Origin, Own, Resolved, Status, resolve};
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
    environment: &'a ContainerEnvironment,
    place: Place,
}

/// Where a variable stands in its environment.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Among the pod's own.
    Own(usize),
    /// In the Services' table: the first row of the name.
    Row(usize),
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
        if let Some(own) = self.own() {
            clauses.extend(own.note.clone());
            let services: Vec<_> = self.hidden().map(|c| format!("the Service {}", c.service.name)).collect();
            let hidden: Vec<_> = services.into_iter().chain(own.hides.clone()).collect();
            if !hidden.is_empty() {
                clauses.push(format!("hides {}", hidden.join(" and ")));
            }
            if self.status == Status::NextStart && clauses.is_empty() {
                clauses.push("the container is not running".to_owned());
            }
        } else if let Some(rows) = self.rows() {
            clauses.extend(self.service_reason(rows));
        }
        if self.origin != Origin::Env {
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
        let at = if let Place::Row(at) = self.place { Some(at) } else { None };
        self.environment.candidates(at)
    }

    /// Candidates that the container may really have got it from.
    fn live_candidates(&self) -> impl Iterator<Item = Candidate<'a>> + use<'a> {
        self.candidates().filter(|c| c.status != Status::Absent)
    }

    /// The Services whose variable of this name the pod's own entry hides.
    pub fn hidden(&self) -> impl Iterator<Item = Candidate<'a>> + use<'a> {
        let table = &self.environment.table;
        let at = self.own().and_then(|_| table.position(self.name).ok());
        self.environment.candidates(at).filter(|c| c.status != Status::Absent)
    }

    /// Whether several Services make it with different values.
    pub fn collides(&self) -> bool {
        self.rows().is_some_and(|rows| rows.differing)
    }

    /// Whether the container may have it now, or would at its next start: all but the absent.
    pub fn may_be_there(&self) -> bool {
        self.status != Status::Absent
    }

    /// Bytes in the process' environment: name, `=`, value and the final NUL.
    pub fn bytes(&self) -> usize {
        self.name.len() + self.value_len() + 2
    }

    /// Length of the value in bytes, also where it is not shown; 0 where it is not known.
    pub fn value_len(&self) -> usize {
        match self.place {
            Place::Own(i) => self.environment.own[i].2.size,
            Place::Row(at) => self.environment.table.rows()[at].value.len(),
        }
    }

    fn own(&self) -> Option<&'a Own> {
        match self.place {
            Place::Own(i) => Some(&self.environment.own[i].2),
            Place::Row(_) => None,
        }
    }

    fn rows(&self) -> Option<Resolved> {
        match self.place {
            Place::Own(_) => None,
            Place::Row(at) => Some(resolve(&self.environment.table, &self.environment.verdicts, at)),
        }
    }
}

impl ContainerEnvironment {
    /// All variables, sorted by name. Those that the container lacks until it restarts are among them.
    pub fn variables(&self) -> Variables<'_> {
        Variables { environment: self, own: 0, row: 0 }
    }

    /// One variable by name.
    pub fn get(&self, name: &str) -> Option<Variable<'_>> {
        if let Ok(i) = self.own.binary_search_by(|(n, _, _)| (**n).cmp(name)) {
            return Some(self.own_variable(i));
        }
        let at = self.table.position(name).ok()?;
        let found = resolve(&self.table, &self.verdicts, at);
        found.eligible.then(|| self.service_variable(found, at))
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
        let (name, _, own) = &self.own[i];
        Variable {
            name,
            value: own.value.as_deref(),
            status: own.status,
            origin: own.origin,
            service: None,
            environment: self,
            place: Place::Own(i),
        }
    }

    fn service_variable(&self, found: Resolved, at: usize) -> Variable<'_> {
        let row = &self.table.rows()[found.row];
        let certain = !found.differing;
        Variable {
            name: &row.name,
            value: certain.then_some(&*row.value),
            status: found.status,
            origin: Origin::Service,
            service: certain.then(|| &self.table.services()[row.service].key),
            environment: self,
            place: Place::Row(at),
        }
    }

    /// What the rows of one name, the first of which is at `at`, come from.
    fn candidates(&self, at: Option<usize>) -> impl Iterator<Item = Candidate<'_>> + use<'_> {
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
        let rows = env.table.rows();
        loop {
            // The pod's own come before the rows that they stand in front of, or in the place of.
            if let Some((name, before, _)) = env.own.get(self.own)
                && *before <= self.row
            {
                if let Some(row) = rows.get(*before).filter(|row| *row.name == **name) {
                    self.row += row.rivals + 1;
                }
                self.own += 1;
                return Some(env.own_variable(self.own - 1));
            }
            let at = self.row;
            rows.get(at)?;
            let found = resolve(&env.table, &env.verdicts, at);
            self.row = found.end;
            if found.eligible {
                return Some(env.service_variable(found, at));
            }
        }
    }
}
