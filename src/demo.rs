//! The `demo` layer.
