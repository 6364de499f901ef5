//! The program `millpond`: the library's [`millpond_cli::run`] and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(millpond_cli::run(std::env::args_os()))
}
