//! `millpond version`.

use clap::Args;
use serde_json::json;

use crate::{failure::Outcome, output::Output};

/// Print the version.
#[derive(Args)]
#[command(after_help = "Examples:\n  millpond version\n  millpond version --json")]
pub(crate) struct VersionCommand {}

impl VersionCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let version = millpond::version();
        output.respond(&json!({ "millpond": version }), |page| page.line(&format!("millpond {version}")))
    }
}
