//! `millpond dict delete`.

use std::ffi::OsString;

use clap::Args;
use serde_json::json;

use super::{DurabilityOption, bytes::decode, no_key};
use crate::{failure::Outcome, names::DictName, output::Output};

pub(super) const EXAMPLES: &str = "\
Examples:
  millpond dict delete lab/results runs run-1
  millpond dict delete lab/results runs run-1 run-2 --ignore-missing
  millpond dict delete lab/results runs --hex 00ff";

#[derive(Args)]
pub(crate) struct DeleteCommand {
    #[command(flatten)]
    dict: DictName,
    /// The keys.
    #[arg(value_name = "KEY", required = true)]
    keys: Vec<OsString>,
    /// Keys are in hexadecimal digits.
    #[arg(long, short = 'x')]
    hex: bool,
    /// A key that isn't there is no error.
    #[arg(long)]
    ignore_missing: bool,
    #[command(flatten)]
    durability: DurabilityOption,
}

impl DeleteCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let keys =
            self.keys.into_iter().map(|key| decode(key, self.hex)).collect::<Outcome<Vec<Vec<u8>>>>()?;
        let container = self.durability.open(&self.dict.container)?;
        let dict = self.dict.find(&container)?;
        if !self.ignore_missing {
            for key in &keys {
                if !dict.contains(key)? {
                    return Err(no_key(key, &self.dict).context("nothing deleted").into());
                }
            }
        }
        let mut batch = dict.batch();
        for key in &keys {
            batch.delete(key)?;
        }
        let deleted = batch.commit()?.into_iter().filter(|existed| *existed).count();
        container.close()?;
        output.respond(&json!({ "deleted": deleted }), |_| Ok(()))
    }
}
