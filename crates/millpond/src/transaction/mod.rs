//! Transactions over everything in a container: optimistic and serializable.
//!
//! A transaction reads a consistent state, the one that it began with, and its own writes over it.
//! What it writes waits, in memory as far as there is room; at commit, all of it takes effect at once, if nothing that the
//! transaction read was changed meanwhile: no key, and none that would have come to lie in a range that
//! it scanned. Otherwise nothing takes effect and the error says `Conflict`: whoever runs the
//! transaction runs it again.
//!
//! It lies below all data models. A handle of the container that belongs to the transaction
//! ([`Transaction::container`]) reads and writes through the two contracts as any other does, but
//! finds the transaction behind them ([`scope`]): so dictionaries and objects, their creation and
//! their destruction, take part without knowing it.
//!
//! - [`state`]: what a transaction is, and its commit. [`buffer`]: what it wrote, [`spill`]: what of that
//!   memory has no room for. [`reads`]: what it read. [`view`]: the one over the other. [`writers`]: bulk bytes. [`retry`]: running it again.

mod buffer;
mod reads;
mod retry;
mod scope;
mod spill;
mod state;
mod view;
mod writers;

use std::{fmt, sync::Arc};

use millpond_core::{At, Durability, Epoch, Error, ErrorKind, Result};

pub(crate) use self::retry::run;
use self::{scope::TransactionScope, state::State};
use crate::{container::Container, dict::Dict, map::OrderedMap};

/// How a transaction works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransactionOptions {
    /// Refuse every change. Such a transaction never conflicts, and remembers nothing of what it reads.
    pub read_only: bool,
    /// Read the state just after this epoch instead of the newest one; only for reading.
    pub at: Option<Epoch>,
    /// When its commit counts as done; as the container's handle has it by default.
    pub durability: Option<Durability>,
    /// How often it is tried again after a conflict; 100 times by default.
    pub retries: Option<u32>,
    /// Bytes of writes that it holds in memory; 64 MiB by default. What is more goes to disk until the
    /// commit, and counts as used space of the pool until then.
    pub memory: Option<usize>,
}

/// See [`TransactionOptions::memory`].
const MEMORY_BYTES: usize = 64 << 20;

/// A transaction. Dropped without a commit, it is aborted, and nothing has changed.
pub struct Transaction {
    state: Arc<State>,
    container: Container,
}

impl Transaction {
    pub(crate) fn begin(container: &Container, options: &TransactionOptions) -> Result<Self> {
        if container.is_in_transaction() {
            let message = format!("{container} is in a transaction already: they don't nest");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let read_only = options.read_only || options.at.is_some() || container.is_read_only();
        let durability = options.durability.unwrap_or_else(|| container.durability());
        let memory = options.memory.unwrap_or(MEMORY_BYTES);
        let at = options.at.map_or(At::Latest, At::Epoch);
        let state = Arc::new(State::begin(container, at, read_only, durability, memory)?);
        let scope = TransactionScope::new(Arc::clone(&state));
        Ok(Self { state, container: container.scoped(Arc::new(scope)) })
    }

    /// The container as the transaction sees and changes it. The handle, and all that is opened
    /// through it, answers `Closed` once the transaction has ended.
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// Opens a dictionary in the transaction. See [`Container::dict`].
    pub fn dict(&self, name: &str) -> Result<Dict> {
        self.container.dict(name)
    }

    /// Opens an ordered map in the transaction. See [`Container::map`].
    pub fn map(&self, name: &str) -> Result<OrderedMap> {
        self.container.map(name)
    }

    /// The epoch of the state that it reads.
    pub fn epoch(&self) -> Epoch {
        self.state.epoch
    }

    /// Makes everything that was written take effect at once, and answers the epoch; of a transaction
    /// that wrote nothing, the epoch of what it read.
    ///
    /// # Errors
    /// `Conflict` when something that it read was changed meanwhile: run it again. `NoSpace` when the
    /// pool's quota or the disk is full. Then nothing has changed.
    pub fn commit(self) -> Result<Epoch> {
        self.state.commit()
    }

    /// Gives up what was written.
    pub fn abort(self) {
        self.state.abort();
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.state.abort();
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transaction({} as of epoch {})", self.container, self.epoch())
    }
}
