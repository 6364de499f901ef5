//! What to watch, and from where.

use millpond_core::Epoch;

use crate::layout::ObjectId;

/// What to watch, and from where. By default: everything that is committed from now on, once it survives a
/// loss of power.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// The epoch of the last commit that is known already. By default the one that the cursor has
    /// acknowledged, or else the newest one.
    pub after: Option<Epoch>,
    /// A cursor to register, or to go on with: what is committed after the epoch that it acknowledged is
    /// kept for it, also while nobody watches, as far as the container's `watch-retention` allows.
    pub cursor: Option<String>,
    /// Whether to tell only of what survives a loss of power.
    pub durable: bool,
    /// Only changes of the dictionary of this name, which may be still to come.
    pub dict: Option<String>,
    /// Only changes of the object of this id.
    pub object: Option<ObjectId>,
    /// Only changes of keys, or of dkeys, that begin with these bytes.
    pub prefix: Vec<u8>,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self { after: None, cursor: None, durable: true, dict: None, object: None, prefix: Vec::new() }
    }
}

impl WatchOptions {
    /// From the commit after this epoch on.
    #[must_use]
    pub fn after(mut self, epoch: Epoch) -> Self {
        self.after = Some(epoch);
        self
    }

    /// With a cursor of this name.
    #[must_use]
    pub fn cursor(mut self, name: impl Into<String>) -> Self {
        self.cursor = Some(name.into());
        self
    }

    /// Only the dictionary of this name.
    #[must_use]
    pub fn dict(mut self, name: impl Into<String>) -> Self {
        self.dict = Some(name.into());
        self
    }

    /// Only the object of this id.
    #[must_use]
    pub fn object(mut self, id: ObjectId) -> Self {
        self.object = Some(id);
        self
    }

    /// Only keys that begin with these bytes.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<Vec<u8>>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Also what is visible and a loss of power could still take back; a little earlier.
    #[must_use]
    pub fn not_durable(mut self) -> Self {
        self.durable = false;
        self
    }
}
