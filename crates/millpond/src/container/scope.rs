//! What a handle of a container reads and writes, where that isn't the newest state.
//!
//! A scope is a pair of contracts over the container's own. Data models don't know of it: what they
//! do on a handle in a scope, they do in the scope.

use std::fmt;

use millpond_core::{Index, Result, Segments};

use super::Container;

/// See the module.
pub(crate) trait Scope: Send + Sync {
    /// The records.
    fn index(&self) -> &dyn Index;

    /// The bulk bytes.
    fn segments(&self) -> &dyn Segments;

    /// # Errors
    /// `ReadOnly`, where nothing may be changed in it; what any use of it answers once it has ended.
    fn check_writable(&self, container: &Container) -> Result<()>;

    /// Whether everything in it is for reading only.
    fn is_read_only(&self) -> bool {
        false
    }

    /// Whether it is a transaction.
    fn is_transaction(&self) -> bool {
        false
    }

    /// What to add to the name of the container in messages.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}
