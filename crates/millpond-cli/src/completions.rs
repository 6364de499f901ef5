//! `millpond completions`: scripts for shells.

use clap::Args;
use clap_complete::Shell;
use serde_json::json;

use crate::{args, failure::Outcome, output::Output};

const EXAMPLES: &str = "\
Examples:
  millpond completions bash > ~/.local/share/bash-completion/completions/millpond
  millpond completions zsh > \"${fpath[1]}/_millpond\"
  millpond completions fish > ~/.config/fish/completions/millpond.fish";

/// Print a script that completes commands in a shell.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsCommand {
    /// The shell.
    shell: Shell,
}

impl CompletionsCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut args::command(), "millpond", &mut script);
        if output.is_json() {
            let script = String::from_utf8_lossy(&script);
            return output.respond(&json!({ "shell": self.shell.to_string(), "script": script }), |_| Ok(()));
        }
        output.raw(|to| to.write_all(&script))
    }
}
