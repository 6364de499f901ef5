//! Knows whether this process is a forked child of the one that opened a handle.
//!
//! A child inherits memory but not the locks and threads behind it, so nothing that the parent
//! opened may be used there: no lock taken, nothing flushed or unlinked (rule 12).

pub(crate) use millpond_core::fork::generation;
