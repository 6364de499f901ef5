//! How far a long operation is: told to whoever wants to know, and may end it by an error.
//!
//! What is told, and when, is what disk-objectstore tells its callbacks, since programs show it.

use millpond::Result;

/// Is told how far an operation is. An error of it ends the operation, cleanly.
pub trait Progress {
    /// Something begins that has `total` steps: objects, or bytes, as the operation says.
    ///
    /// # Errors
    /// To end the operation.
    fn begin(&mut self, total: u64, description: &str) -> Result<()>;

    /// So many more steps are done.
    ///
    /// # Errors
    /// To end the operation.
    fn advance(&mut self, steps: u64) -> Result<()>;

    /// What began is done.
    ///
    /// # Errors
    /// To end the operation.
    fn end(&mut self) -> Result<()>;
}

/// Steps that are told of a few at a time.
pub(crate) struct Steps<'a, 'b> {
    progress: Option<&'a mut (dyn Progress + 'b)>,
    every: u64,
    untold: u64,
}

impl<'a, 'b> Steps<'a, 'b> {
    /// Begins something of `total` steps, of which no more than about `tellings_max` times is told.
    pub fn begin(
        progress: Option<&'a mut (dyn Progress + 'b)>,
        tellings_max: u64,
        describe: impl FnOnce() -> Result<(u64, String)>,
    ) -> Result<Self> {
        let mut steps = Self { progress, every: 1, untold: 0 };
        if let Some(progress) = &mut steps.progress {
            let (total, description) = describe()?;
            progress.begin(total, &description)?;
            steps.every = (total / tellings_max).max(1);
        }
        Ok(steps)
    }

    /// So many more are done.
    pub fn advance(&mut self, count: u64) -> Result<()> {
        let Some(progress) = &mut self.progress else { return Ok(()) };
        self.untold += count;
        if self.untold >= self.every {
            progress.advance(std::mem::take(&mut self.untold))?;
        }
        Ok(())
    }

    /// All are done.
    pub fn end(self) -> Result<()> {
        let Some(progress) = self.progress else { return Ok(()) };
        if self.untold > 0 {
            progress.advance(self.untold)?;
        }
        progress.end()
    }
}

/// Lends a progress that may not be there.
pub(crate) fn lend<'a, 'b>(
    progress: &'a mut Option<&mut (dyn Progress + 'b)>,
) -> Option<&'a mut (dyn Progress + 'b)> {
    progress.as_mut().map(|progress| &mut **progress)
}
