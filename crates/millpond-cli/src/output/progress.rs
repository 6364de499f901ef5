//! Progress bars: drawn on a terminal only, gone when the work is done.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Between two pictures of a spinner.
const TICK: Duration = Duration::from_millis(120);

/// How far a long command has come.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar towards `total`, or a spinner if nobody knows it; nothing at all unless `drawn`.
    pub(super) fn new(what: &'static str, total: Option<u64>, drawn: bool) -> Self {
        let target = if drawn { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(total, target).with_message(what);
        let template = match total {
            Some(_) => "{msg} {wide_bar} {human_pos}/{human_len} {eta}",
            None => "{spinner} {msg} {elapsed}",
        };
        // The templates are ours, and a test draws them; the default is no worse than none.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        if drawn && total.is_none() {
            bar.enable_steady_tick(TICK);
        }
        Self(bar)
    }

    /// So many of so many are done.
    pub(crate) fn show(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }

    /// `count` more are done.
    pub(crate) fn advance(&self, count: u64) {
        self.0.inc(count);
    }
}

/// A bar that an operation tells how far it is.
pub(crate) struct Bar<'a> {
    drawn: &'a Progress,
    done: u64,
    total: u64,
}

impl<'a> Bar<'a> {
    pub(crate) fn new(drawn: &'a Progress) -> Self {
        Self { drawn, done: 0, total: 0 }
    }
}

impl millpond::Progress for Bar<'_> {
    fn begin(&mut self, total: u64, _: &str) -> millpond::Result<()> {
        (self.done, self.total) = (0, total);
        self.drawn.show(0, total);
        Ok(())
    }

    fn advance(&mut self, by: u64) -> millpond::Result<()> {
        self.done += by;
        self.drawn.show(self.done, self.total);
        Ok(())
    }

    fn end(&mut self) -> millpond::Result<()> {
        Ok(())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_well_formed() {
        for template in ["{msg} {wide_bar} {human_pos}/{human_len} {eta}", "{spinner} {msg} {elapsed}"] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn a_hidden_bar_counts() {
        let progress = Progress::new("loading", Some(10), false);
        progress.advance(3);
        assert_eq!(progress.0.position(), 3);
    }
}
