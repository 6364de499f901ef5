//! Who is told how far a long operation is.

use crate::Result;

/// Is told how far a long operation is: a progress bar, or a callable of Python's. An error that it
/// answers ends the operation in a sound state and is what that answers.
pub trait Progress {
    /// Something begins: how much there is to do, in bytes or blobs, and what it is.
    fn begin(&mut self, total: u64, what: &str) -> Result<()>;

    /// So much more is done.
    fn advance(&mut self, by: u64) -> Result<()>;

    /// What began last is done.
    fn end(&mut self) -> Result<()>;
}

/// Nobody is told.
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _: u64, _: &str) -> Result<()> {
        Ok(())
    }

    fn advance(&mut self, _: u64) -> Result<()> {
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        Ok(())
    }
}
