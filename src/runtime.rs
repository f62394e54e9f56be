//! The driver: the event loop that joins the pure state machine, the views and the world.
//!
//! What it is: the only place where messages, keys, time and the terminal meet. What it is not: it decides nothing
//! about what is shown ([`crate::app`]) or how ([`crate::ui`]). `cli` calls it; it knows neither `cli` nor `demo`.

pub mod api_proxy;
pub mod clipboard;
pub mod clock;
pub mod effects;
pub mod examine;
pub mod forwards;
pub mod input;
pub mod live;
pub mod run;
pub mod terminal;
pub mod wake;

pub use effects::{KnownNamespaces, Source};
pub use run::{Options, explore};
