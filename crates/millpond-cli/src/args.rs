//! The root of the command tree, and the way from arguments to an exit code.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Write},
    time::Duration,
};

use clap::{CommandFactory, Parser, Subcommand};

use crate::{
    Streams,
    backup::BackupsCommand,
    blob::BlobCommand,
    completions::CompletionsCommand,
    container::ContainerCommand,
    dict::DictCommand,
    exit,
    failure::{Failure, Outcome},
    health::HealthCommand,
    map::MapCommand,
    object::ObjectCommand,
    output::Output,
    pool::PoolCommand,
    snapshot::SnapshotCommand,
    version::VersionCommand,
};

const EXAMPLES: &str = "\
Examples:
  millpond pool create lab --size 1GiB
  millpond container create lab/results --type PYTHON
  millpond dict create lab/results runs
  millpond dict put lab/results runs run-1 'it works'
  millpond dict get lab/results runs run-1

Pools are found by label under MILLPOND_HOME (default: the user's data directory, such as
~/.local/share/millpond), or anywhere by URL, such as file:///data/lab.
Exit codes: 0 done, 2 wrong arguments, 3 not found, 4 exists already, 5 busy, 6 no space, 7 corrupt;
docs/cli.md has the others.";

/// Pools, containers, dictionaries and maps of Millpond, an object store in a directory.
#[derive(Parser)]
#[command(
    name = "millpond",
    bin_name = "millpond",
    version = millpond::version(),
    after_help = EXAMPLES,
    max_term_width = 110,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    /// Print one JSON document: {"response": …, "error": null or {"kind", "message"}, "status": …}.
    #[arg(long, global = true)]
    json: bool,

    /// Wait so long for one lock that another process holds, not for a command as a whole; 10 by default.
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,

    #[command(subcommand)]
    noun: Noun,
}

/// A number of seconds, which may have a fraction.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "not a number of seconds that one can wait".to_owned())
}

#[derive(Subcommand)]
enum Noun {
    /// Create, list and destroy pools: a quota, and the containers in it.
    Pool {
        #[command(subcommand)]
        command: PoolCommand,
    },
    /// Create, list, check and destroy containers: where dictionaries live.
    #[command(visible_alias = "cont")]
    Container {
        #[command(subcommand)]
        command: ContainerCommand,
    },
    /// Read and write dictionaries: ordered, persistent maps from bytes to bytes.
    Dict {
        #[command(subcommand)]
        command: DictCommand,
    },
    /// Read and write ordered maps: dictionaries in an order of their own. Run pmemkv's benchmarks.
    Map {
        #[command(subcommand)]
        command: MapCommand,
    },
    /// Read and write objects: values and arrays of records under dkeys and akeys.
    #[command(visible_alias = "obj")]
    Object {
        #[command(subcommand)]
        command: ObjectCommand,
    },
    /// Store files and other blobs, each once, under the hash of its content.
    Blob {
        #[command(subcommand)]
        command: BlobCommand,
    },
    /// Verify backups, which `container backup` writes.
    Backup {
        #[command(subcommand)]
        command: BackupsCommand,
    },
    /// Keep states of a container, compare them, and go back to one.
    Snapshot {
        #[command(subcommand)]
        command: SnapshotCommand,
    },
    /// Look whether all is well.
    Health {
        #[command(subcommand)]
        command: HealthCommand,
    },
    /// Print the version.
    Version(VersionCommand),
    /// Print a script that completes commands in a shell.
    Completions(CompletionsCommand),
}

/// The whole tree of commands, as data: for completions, documentation and tests.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses `args`, does what they say, and answers the exit code.
pub(crate) fn dispatch(args: &[OsString], streams: &mut Streams<'_>) -> u8 {
    match Cli::try_parse_from(args) {
        Ok(cli) => {
            let mut output = Output::new(streams, cli.json);
            let run = || cli.noun.run(&mut output).and_then(|()| output.flush());
            let outcome = match cli.timeout {
                Some(timeout) => millpond::with_timeout(timeout, run),
                None => run(),
            };
            conclude(outcome, &mut output)
        }
        Err(error) => explain(&error, args, streams),
    }
}

impl Noun {
    fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        match self {
            Noun::Pool { command } => command.run(output),
            Noun::Container { command } => command.run(output),
            Noun::Dict { command } => command.run(output),
            Noun::Map { command } => command.run(output),
            Noun::Object { command } => command.run(output),
            Noun::Blob { command } => command.run(output),
            Noun::Backup { command } => command.run(output),
            Noun::Snapshot { command } => command.run(output),
            Noun::Health { command } => command.run(output),
            Noun::Version(command) => command.run(output),
            Noun::Completions(command) => command.run(output),
        }
    }
}

fn conclude(outcome: Outcome, output: &mut Output<'_, '_>) -> u8 {
    let (code, flushed) = match outcome {
        Ok(()) => (exit::OK, Ok(())),
        Err(Failure::Failed(error)) => (output.fail(&error), output.flush()),
        Err(Failure::Told(code)) => (code, output.flush()),
        Err(failure @ Failure::Output(_)) => (exit::OK, Err(failure)),
    };
    match flushed {
        // The reader has seen enough and left: not a failure of ours.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => code,
        Err(Failure::Output(error)) => {
            let error = millpond::Error::io("writing to the standard output", error);
            // Under --json too, the other stream is the one that still works.
            output.fail_beside(&error)
        }
        _ => code,
    }
}

/// Shows help, the version, or what is wrong with the arguments.
fn explain(error: &clap::Error, args: &[OsString], streams: &mut Streams<'_>) -> u8 {
    let text = error.render();
    if !error.use_stderr() {
        let shown = if streams.stdout_colour {
            write!(streams.stdout, "{}", text.ansi())
        } else {
            write!(streams.stdout, "{text}")
        };
        let outcome = shown.and_then(|()| streams.stdout.flush()).map_err(Failure::Output);
        return conclude(outcome, &mut Output::new(streams, false));
    }
    let json = args.iter().take_while(|arg| *arg != OsStr::new("--")).any(|arg| arg == OsStr::new("--json"));
    if json {
        let text = text.to_string();
        let message = text.trim().trim_start_matches("error: ");
        let mut output = Output::new(streams, true);
        let code = output.fail_as("invalid_argument", exit::USAGE, message);
        let outcome = output.flush().and(Err(Failure::Told(code)));
        return conclude(outcome, &mut output);
    }
    let shown = if streams.stderr_colour {
        write!(streams.stderr, "{}", text.ansi())
    } else {
        write!(streams.stderr, "{text}")
    };
    // With nobody left to tell, the exit code still says it.
    let _untold = shown;
    exit::USAGE
}
