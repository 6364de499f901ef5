//! `millpond dict count` and `millpond map count`.

use clap::Args;

use super::{EntriesBounds, Target};
use crate::{failure::Outcome, names::AtOption, output::Output};

#[derive(Args)]
pub(crate) struct CountCommand<T: Target> {
    #[command(flatten)]
    target: T,
    #[command(flatten)]
    at: AtOption,
    #[command(flatten)]
    bounds: T::Bounds,
    /// Keys, unless they are numbers, are in hexadecimal digits.
    #[arg(long, short = 'x')]
    hex: bool,
}

impl<T: Target> CountCommand<T> {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let count = self.bounds.count(&self.target.read(&self.at)?, self.hex)?;
        output.respond(&count, |page| page.line(&count.to_string()))
    }
}
