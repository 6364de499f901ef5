//! How far a long operation is. What is told, and when, is what disk-objectstore tells its callbacks, since programs show it.

use millpond::{Progress, Result};

/// Steps that are told of a few at a time.
pub(crate) struct Steps<'a, 'b> {
    progress: Option<&'a mut (dyn Progress + 'b)>,
    /// None where each is told, even of no steps.
    every: Option<u64>,
    untold: u64,
}

impl<'a, 'b> Steps<'a, 'b> {
    /// Begins something of which is told about `tellings_max` times, or each time.
    pub fn begin(
        progress: Option<&'a mut (dyn Progress + 'b)>,
        tellings_max: Option<u64>,
        describe: impl FnOnce() -> Result<(u64, String)>,
    ) -> Result<Self> {
        let mut steps = Self { progress, every: None, untold: 0 };
        if let Some(progress) = &mut steps.progress {
            let (total, description) = describe()?;
            progress.begin(total, &description)?;
            steps.every = tellings_max.map(|tellings_max| (total / tellings_max).max(1));
        }
        Ok(steps)
    }

    /// So many more are done.
    pub fn advance(&mut self, count: u64) -> Result<()> {
        let Some(progress) = &mut self.progress else { return Ok(()) };
        self.untold += count;
        if self.every.is_none_or(|every| self.untold >= every) {
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
