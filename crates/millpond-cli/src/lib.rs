//! The command line of Millpond, as a library.
//!
//! [`run`] parses the arguments, does the work through the front door (`millpond`) and answers the
//! exit code. It never ends the process and changes no environment variable, so a host such as a Python
//! interpreter can call it; [`run_with`] also takes the streams, for tests and for hosts that capture
//! output. Signals are caught only where [`Streams::signals`] allows it, while a command runs that ends by
//! an interrupt, and are given back after that.
//!
//! One file per noun ([`pool`], [`container`], [`dict`], [`map`], [`object`], [`blob`], …) holds its
//! arguments and what they do; [`entries`] has what those that hold keys and values have in common;
//! [`output`] decides how an answer looks (tables for people, one JSON document for programs), and
//! [`exit`] has the one table of exit codes.

mod args;
mod attributes;
mod backup;
mod blob;
mod completions;
mod container;
mod dict;
mod entries;
mod exit;
mod failure;
mod health;
mod map;
mod names;
mod object;
mod output;
mod pool;
mod scrub;
mod signals;
mod snapshot;
mod streams;
mod version;
mod watch;

use std::ffi::OsString;

pub use args::command;
pub use exit::EXIT_CODES;
pub use streams::Streams;

/// Runs `millpond` with the arguments `args`, of which the first is the program's name, on the
/// streams of the process. Answers the exit code; see [`EXIT_CODES`].
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    run_with(args, &mut Streams::of_process())
}

/// Runs `millpond` with the arguments `args`, of which the first is the program's name, on
/// `streams`. Answers the exit code; see [`EXIT_CODES`].
pub fn run_with(args: impl IntoIterator<Item = OsString>, streams: &mut Streams<'_>) -> u8 {
    args::dispatch(&args.into_iter().collect::<Vec<_>>(), streams)
}

/// The Rust in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The Rust in the description of the data model runs.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/model.md")]
struct Model;
