//! The `cluster` layer.

pub mod convert;
pub mod objects;
pub mod slim;
pub mod store;
