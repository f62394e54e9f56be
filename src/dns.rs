//! The cluster's own DNS, asked live: questions over any byte stream, pipelined, with deadlines and a trace.
//!
//! What it is: DNS over TCP as CoreDNS speaks it, and the plan of a live look-up (the walk of a search list is
//! `model::dns::search`'s). What it is not: it opens no connection to a pod (who calls it brings the stream) and it
//! predicts nothing. The runtime and the command line may use it; it uses `model` and `wire`.
