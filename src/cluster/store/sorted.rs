//! Shared lists of objects, sorted by name, that are copied only when they change while a snapshot holds them.

use std::sync::Arc;

use crate::model::{Namespace, Pod};

/// Something with a name that is unique in its list.
pub(super) trait Named: PartialEq {
    /// The name.
    fn name(&self) -> &str;
}

impl Named for Pod {
    fn name(&self) -> &str {
        &self.key.name
    }
}

impl Named for Namespace {
    fn name(&self) -> &str {
        &self.name
    }
}

/// Puts an object in its place, unless it is there already; says whether the list changed.
pub(super) fn insert<T: Named>(list: &mut Arc<Vec<Arc<T>>>, object: Arc<T>) -> bool {
    match find(list, object.name()) {
        Ok(at) if list[at] == object => return false,
        Ok(at) => Arc::make_mut(list)[at] = object,
        Err(at) => Arc::make_mut(list).insert(at, object),
    }
    true
}

/// Takes an object out; says whether it was there.
pub(super) fn remove<T: Named>(list: &mut Arc<Vec<Arc<T>>>, name: &str) -> bool {
    match find(list, name) {
        Ok(at) => drop(Arc::make_mut(list).remove(at)),
        Err(_) => return false,
    }
    true
}

/// Whether an object of that name is in the list.
pub(super) fn knows<T: Named>(list: &[Arc<T>], name: &str) -> bool {
    find(list, name).is_ok()
}

fn find<T: Named>(list: &[Arc<T>], name: &str) -> Result<usize, usize> {
    // Lists arrive in order: the end is the likeliest place.
    match list.last() {
        Some(end) if end.name() < name => Err(list.len()),
        _ => list.binary_search_by(|object| object.name().cmp(name)),
    }
}
