//! The `config` layer.

pub mod theme;
