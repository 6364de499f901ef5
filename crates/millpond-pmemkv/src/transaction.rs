//! Transactions as pmemkv has them: puts and removals that nobody sees before they are committed.

use crate::{engine::Engine, error::Result};

/// Changes that take effect together, in the order in which they were made, or not at all. It may be used
/// again after a commit or an abort.
#[derive(Debug)]
pub struct EngineTransaction {
    engine: Engine,
    changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl EngineTransaction {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine, changes: Vec::new() }
    }

    /// Puts a record when the transaction commits.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.engine.check(key, Some(value))?;
        self.changes.push((key.to_vec(), Some(value.to_vec())));
        Ok(())
    }

    /// Removes a record when the transaction commits, if there is one then.
    pub fn remove(&mut self, key: &[u8]) -> Result<()> {
        self.engine.check(key, None)?;
        self.changes.push((key.to_vec(), None));
        Ok(())
    }

    /// Makes the changes, in one step.
    ///
    /// # Errors
    /// `OUT_OF_MEMORY` where they don't fit: then nothing is changed, and the transaction still has them.
    pub fn commit(&mut self) -> Result<()> {
        let changes: Vec<_> = self.changes.iter().map(|(key, value)| (&**key, value.as_deref())).collect();
        self.engine.apply(&changes)?;
        self.changes.clear();
        Ok(())
    }

    /// Lets go of the changes.
    pub fn abort(&mut self) {
        self.changes.clear();
    }
}
