//! The main list: which objects are shown, in which order, which one is selected.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::model::{ObjectKey, Pod, ServiceFacts};

use super::cursor::Cursor;
use super::filter::Filter;
use super::input::Line;

/// A column that the list can be sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Column {
    /// Namespace, then name.
    Namespace,
    /// Name, then namespace.
    #[default]
    Name,
    /// Type of the Service.
    Type,
    /// Cluster address, or the pod's.
    Address,
    /// First port.
    Ports,
    /// Age, youngest first.
    Age,
    /// Share of ready endpoints, worst first.
    Endpoints,
    /// STATUS of the pod.
    Status,
    /// Restarts of the pod, most first.
    Restarts,
    /// Node of the pod.
    Node,
}

/// One row of the list.
#[derive(Clone, Debug)]
pub struct Row<T> {
    /// The object.
    pub item: Arc<T>,
    /// Characters of the name that the filter matched.
    pub matched: Vec<u32>,
}

/// A list with its filter, order and selection.
#[derive(Clone, Debug)]
pub struct Table<T> {
    /// What is typed as filter.
    pub filter: Line,
    /// What is wrong with the filter as typed so far; the list then shows the last one that was understood.
    pub filter_error: Option<String>,
    /// Sorted by.
    pub column: Column,
    /// The other way round.
    pub reverse: bool,
    /// The rows, filtered and sorted.
    pub rows: Vec<Row<T>>,
    /// How many there are without the filter.
    pub unfiltered: usize,
    /// The selection.
    pub cursor: Cursor<ObjectKey>,
    /// The last filter that was understood, and the text it was made from.
    parsed: (String, Filter),
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            filter: Line::default(),
            filter_error: None,
            column: Column::Namespace,
            reverse: false,
            rows: Vec::new(),
            unfiltered: 0,
            cursor: Cursor::default(),
            parsed: (String::new(), Filter::default()),
        }
    }
}

impl<T> Table<T> {
    /// The filter as typed, or the last one that made sense.
    pub(super) fn parse_filter(&mut self) -> Filter {
        if self.parsed.0 == self.filter.text() {
            self.filter_error = None;
        } else {
            match Filter::parse(self.filter.text()) {
                Ok(filter) => {
                    self.parsed = (self.filter.text().to_owned(), filter);
                    self.filter_error = None;
                }
                Err(error) => self.filter_error = Some(error.message),
            }
        }
        self.parsed.1.clone()
    }
}

/// What a list needs to know of its objects.
pub trait Listed {
    /// The columns that it can be sorted by, in the order in which the key goes through them.
    const COLUMNS: &'static [Column];
    /// Key of the object.
    fn key(&self) -> &ObjectKey;
    /// Order of two objects by a column; ties are broken by key.
    fn compare(&self, other: &Self, column: Column) -> Ordering;
}

impl<T: Listed> Table<T> {
    /// The selected object.
    pub fn selected(&self) -> Option<&Arc<T>> {
        self.rows.get(self.cursor.index()).map(|r| &r.item)
    }

    /// Puts new rows in, sorted, and finds the selection again.
    pub fn set_rows(&mut self, mut rows: Vec<Row<T>>, unfiltered: usize, page: usize) {
        let (column, reverse) = (self.column, self.reverse);
        // What comes in is sorted by key already: the stable sort has nothing to do for the default order.
        if column != Column::Namespace {
            rows.sort_by(|a, b| a.item.compare(&b.item, column));
        }
        if reverse {
            rows.reverse();
        }
        self.rows = rows;
        self.unfiltered = unfiltered;
        let rows = &self.rows;
        self.cursor.anchor(
            rows.len(),
            page,
            |key| rows.iter().position(|r| r.item.key() == key),
            |i| rows[i].item.key().clone(),
        );
    }

    /// Moves the selection by some rows.
    pub fn step(&mut self, by: isize, page: usize) {
        let rows = &self.rows;
        self.cursor.step(by, rows.len(), page, |i| rows[i].item.key().clone());
    }

    /// Scrolls by some rows.
    pub fn scroll(&mut self, by: isize, page: usize) {
        let rows = &self.rows;
        self.cursor.scroll(by, rows.len(), page, |i| rows[i].item.key().clone());
    }

    /// Selects an object, if it is shown.
    pub fn select(&mut self, key: &ObjectKey, page: usize) -> bool {
        let rows = &self.rows;
        let Some(at) = rows.iter().position(|r| r.item.key() == key) else { return false };
        self.cursor.go(at, rows.len(), page, |i| rows[i].item.key().clone());
        true
    }

    /// The column after the one that the list is sorted by.
    pub fn next_column(&self) -> Column {
        let at = T::COLUMNS.iter().position(|c| *c == self.column).unwrap_or(0);
        T::COLUMNS[(at + 1) % T::COLUMNS.len()]
    }
}

impl Listed for ServiceFacts {
    const COLUMNS: &'static [Column] = &[
        Column::Namespace,
        Column::Name,
        Column::Type,
        Column::Address,
        Column::Ports,
        Column::Age,
        Column::Endpoints,
    ];

    fn key(&self) -> &ObjectKey {
        &self.service.key
    }

    fn compare(&self, other: &Self, column: Column) -> Ordering {
        let (a, b) = (&*self.service, &*other.service);
        match column {
            Column::Name => a.key.name.cmp(&b.key.name),
            Column::Type => a.kind.as_str().cmp(b.kind.as_str()),
            Column::Address => address_order(&a.cluster_ip).cmp(&address_order(&b.cluster_ip)),
            Column::Ports => a.ports.first().map(|p| p.port).cmp(&b.ports.first().map(|p| p.port)),
            Column::Age => b.created.cmp(&a.created),
            Column::Endpoints => share(self).cmp(&share(other)),
            _ => Ordering::Equal,
        }
    }
}

/// Addresses in numerical order, then what is none.
fn address_order(text: &str) -> (bool, Option<std::net::IpAddr>) {
    let address = text.parse().ok();
    (address.is_none(), address)
}

/// Ready endpoints in 1/1000 of all; a Service without any comes first of all.
fn share(facts: &ServiceFacts) -> usize {
    (facts.ready * 1000).checked_div(facts.total).unwrap_or(0)
}

impl Listed for Pod {
    const COLUMNS: &'static [Column] = &[
        Column::Namespace,
        Column::Name,
        Column::Status,
        Column::Restarts,
        Column::Address,
        Column::Node,
        Column::Age,
    ];

    fn key(&self) -> &ObjectKey {
        &self.key
    }

    fn compare(&self, other: &Self, column: Column) -> Ordering {
        match column {
            Column::Name => self.key.name.cmp(&other.key.name),
            Column::Status => (self.is_ready(), &self.phase).cmp(&(other.is_ready(), &other.phase)),
            Column::Restarts => other.restarts().cmp(&self.restarts()),
            Column::Address => {
                let first = |p: &Self| address_order(p.ips.first().map_or("", |ip| ip));
                first(self).cmp(&first(other))
            }
            Column::Node => self.node.cmp(&other.node),
            Column::Age => other.created.cmp(&self.created),
            _ => Ordering::Equal,
        }
    }
}
