//! The pieces that views are made of: text that fits, spans, tables, frames, pages.
//!
//! They know the look but nothing of Kubernetes. Only `ui` uses them.

pub(super) mod frame;
pub(super) mod glyph;
pub(super) mod input;
pub(super) mod page;
pub(super) mod pen;
pub(super) mod spans;
pub(super) mod table;
pub(super) mod text;
