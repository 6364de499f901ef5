//! `millpond dict delete` and `millpond map remove`.

use std::ffi::OsString;

use clap::Args;
use serde_json::json;

use super::{DurabilityOption, Entries, Target};
use crate::{failure::Outcome, output::Output};

#[derive(Args)]
pub(crate) struct DeleteCommand<T: Target> {
    #[command(flatten)]
    target: T,
    /// The keys.
    #[arg(value_name = "KEY", required = true, allow_negative_numbers = true)]
    keys: Vec<OsString>,
    /// Keys, unless they are numbers, are in hexadecimal digits.
    #[arg(long, short = 'x')]
    hex: bool,
    /// A key that isn't there is no error.
    #[arg(long)]
    ignore_missing: bool,
    #[command(flatten)]
    durability: DurabilityOption,
}

impl<T: Target> DeleteCommand<T> {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let container = self.durability.open(self.target.container())?;
        let entries = self.target.find(&container)?;
        let form = entries.key_form();
        let keys = form.decode_all(self.keys, self.hex)?;
        if !self.ignore_missing {
            for key in &keys {
                if !entries.contains(key)? {
                    return Err(self.target.no_key(form, key).context("nothing deleted").into());
                }
            }
        }
        let mut batch = entries.batch();
        for key in &keys {
            batch.delete(key)?;
        }
        let deleted = batch.commit()?.into_iter().filter(|existed| *existed).count();
        container.close()?;
        output.respond(&json!({ "deleted": deleted }), |_| Ok(()))
    }
}
