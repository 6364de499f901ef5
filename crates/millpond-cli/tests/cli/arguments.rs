//! Help, mistakes in arguments, and what a shell completes.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use clap::Command;

use crate::bench::Bench;

/// Every command that does something, with the words that name it.
pub fn leaves() -> Vec<(Vec<String>, Command)> {
    fn walk(command: &Command, words: &[String], leaves: &mut Vec<(Vec<String>, Command)>) {
        let inner: Vec<_> = command.get_subcommands().filter(|one| one.get_name() != "help").collect();
        if inner.is_empty() {
            leaves.push((words.to_vec(), command.clone()));
        }
        for one in inner {
            walk(one, &[words, &[one.get_name().to_owned()]].concat(), leaves);
        }
    }
    let mut leaves = Vec::new();
    walk(&millpond_cli::command(), &[], &mut leaves);
    leaves
}

#[test]
fn the_command_tree_is_sound() {
    millpond_cli::command().debug_assert();
}

#[test]
fn every_command_explains_itself_with_examples_that_parse() {
    let bench = Bench::memory();
    let leaves = leaves();
    assert!(leaves.len() > 30, "only {} commands", leaves.len());
    for (words, command) in leaves {
        let name = words.join(" ");
        assert!(command.get_about().is_some(), "{name} has no description");
        let help = bench.run(words.iter().map(String::as_str).chain(["--help"]));
        assert_eq!(help.code, 0);
        let help = String::from_utf8(help.stdout).expect("help in UTF-8");
        assert!(help.contains("Examples:"), "{name}: {help}");
        assert!(help.contains(&format!("Usage: millpond {name}")), "{name}: {help}");
        let examples = help.split_once("Examples:").map(|(_, examples)| examples).unwrap_or_default();
        let commands: Vec<_> = examples.lines().flat_map(commands).collect();
        assert!(commands.iter().any(|command| command[1..].starts_with(&words)), "{name}: {help}");
        for command in commands {
            if let Err(error) = millpond_cli::command().try_get_matches_from(&command) {
                panic!("an example of {name}, {command:?}: {error}");
            }
        }
    }
}

/// The commands of ours in a line of shell, as words.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    for (place, piece) in line.split('\'').enumerate() {
        let quoted = place % 2 == 1;
        let words = if quoted { vec![piece] } else { piece.split_whitespace().collect() };
        for word in words {
            match word {
                "|" => commands.push(Vec::new()),
                // What follows is the shell's.
                ">" => commands.push(vec![word.to_owned()]),
                _ => commands.last_mut().expect("a command").push(word.to_owned()),
            }
        }
    }
    commands.retain(|words| line.starts_with("  ") && words.first().is_some_and(|word| word == "millpond"));
    commands
}

#[test]
fn no_command_at_all_shows_the_help_and_is_an_error() {
    let answer = Bench::memory().run([""; 0]);
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.contains("Usage: millpond"), "{}", answer.stderr);
}

#[test]
fn a_misspelt_command_is_corrected() {
    let bench = Bench::memory();
    let message = bench.run(["pool", "crate", "lab"]);
    assert_eq!(message.code, 2);
    assert!(message.stderr.contains("similar subcommand exists: 'create'"), "{}", message.stderr);
    let message = bench.run(["pool", "create", "lab", "--sise", "1GiB"]);
    assert_eq!(message.code, 2);
    assert!(message.stderr.contains("'--size'"), "{}", message.stderr);
}

#[test]
fn mistakes_are_json_too() {
    let document = Bench::memory().run(["pool", "crate", "--json"]).document();
    assert_eq!(document["status"], 2);
    assert_eq!(document["error"]["kind"], "invalid_argument");
    let message = document["error"]["message"].as_str().expect("a message");
    assert!(message.starts_with("unrecognized subcommand 'crate'"), "{message}");
    assert!(!message.contains('\u{1b}'));
}

#[test]
fn a_size_that_is_none_is_refused() {
    let answer = Bench::memory().run(["pool", "create", "mem:sizes", "--size", "1 elephant"]);
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.contains("elephant"), "{}", answer.stderr);
}

#[test]
fn arguments_that_are_not_utf_8_are_an_error_or_bytes() {
    let bench = Bench::processes();
    let bytes = OsStr::from_bytes(b"lab\xff");
    for args in [
        vec![bytes],
        vec![OsStr::new("pool"), OsStr::new("create"), bytes],
        vec![OsStr::new("pool"), OsStr::new("query"), bytes, OsStr::new("--json")],
        vec![OsStr::new("dict"), OsStr::new("list"), bytes],
        vec![OsStr::new("container"), OsStr::new("create"), bytes],
        vec![OsStr::new("container"), OsStr::new("destroy"), bytes],
    ] {
        let answer = bench.run(&args);
        assert!((2..=3).contains(&answer.code), "{args:?}: {} {}", answer.code, answer.stderr);
        assert!(!answer.stderr.contains("panicked"), "{}", answer.stderr);
    }
}

#[test]
fn completions_exist_for_every_shell() {
    let bench = Bench::memory();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = String::from_utf8(bench.ok(["completions", shell])).expect("a script in UTF-8");
        assert!(script.contains("list-attrs"), "{shell}");
        let response = bench.json(["completions", shell]);
        assert_eq!(response["script"], script.as_str());
    }
    assert_eq!(bench.run(["completions", "abacus"]).code, 2);
}

#[test]
fn the_version_is_told() {
    Bench::each(|bench| {
        let version = bench.json(["version"])["millpond"].as_str().expect("a version").to_owned();
        assert_eq!(version, env!("CARGO_PKG_VERSION"));
        assert_eq!(bench.ok(["version"]), format!("millpond {version}\n").into_bytes());
        assert_eq!(bench.ok(["--version"]), format!("millpond {version}\n").into_bytes());
    });
}
