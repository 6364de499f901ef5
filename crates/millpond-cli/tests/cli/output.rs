//! How output behaves beside its content: colour, pipes that break, disks that are full.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    process::Stdio,
};

use millpond_cli::{Streams, run_with};

use crate::bench::Bench;

#[test]
fn a_pipe_that_breaks_ends_the_command_quietly() {
    let bench = Bench::processes();
    let container = bench.prepare();
    let lines: String = (0..100_000).map(|n| format!("{{\"key\":\"{n:06}\",\"value\":\"\"}}\n")).collect();
    bench.run_with_input(["dict", "load", &container, "d"], lines.as_bytes()).ok();
    for args in [vec!["keys"], vec!["dump"], vec!["keys", "--json"]] {
        let words = ["dict", args[0], container.as_str(), "d"].into_iter().chain(args[1..].iter().copied());
        let mut child = bench.command(words).spawn().expect("the program starts");
        let mut reader = BufReader::new(child.stdout.take().expect("its output"));
        let mut some = [0; 10];
        std::io::Read::read_exact(&mut reader, &mut some).expect("a first piece");
        drop(reader);
        let output = child.wait_with_output().expect("its end");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
        assert_eq!(output.status.code(), Some(0), "{args:?}");
    }
}

#[test]
fn a_full_disk_under_the_output_is_an_error() {
    let bench = Bench::processes();
    for args in [vec!["version"], vec!["version", "--json"], vec!["--help"], vec!["completions", "bash"]] {
        let full = File::options().write(true).open("/dev/full").expect("/dev/full");
        let output = bench.command(&args).stdout(Stdio::from(full)).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(6), "{args:?}");
        let told = String::from_utf8(output.stderr).expect("text");
        assert!(told.contains("standard output"), "{args:?}: {told}");
    }
}

#[test]
fn colour_comes_when_asked_for_and_never_else() {
    let bench = Bench::processes();
    let coloured = |variables: &[(&str, &str)]| {
        let mut command = bench.command(["pool", "query", "nowhere"]);
        let output = command.envs(variables.iter().copied()).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(3));
        BufReader::new(&output.stderr[..]).lines().any(|line| line.expect("text").contains('\u{1b}'))
    };
    assert!(!coloured(&[]));
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}

#[test]
fn stored_text_cannot_command_the_terminal() {
    let bench = Bench::memory();
    let container = bench.prepare();
    bench.ok(["dict", "put", &container, "d", "clear\u{1b}[2J", ""]);
    bench.ok(["container", "set-attr", &container, "note", "clear\u{1b}[2J"]);
    for args in [["dict", "keys", &container, "d"].as_slice(), &["container", "query", &container]] {
        let text = String::from_utf8(bench.ok(args)).expect("text");
        assert!(text.contains("clear\\x1b[2J"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}

#[test]
fn a_value_on_a_terminal_ends_its_line() {
    let bench = Bench::memory();
    let container = bench.prepare();
    let args = ["millpond", "dict", "get", &container, "d", "k"].map(Into::into);
    for (value, shown) in [("v", "v\n"), ("v\n", "v\n"), ("", "")] {
        bench.ok(["dict", "put", &container, "d", "k", value]);
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut streams = Streams::plain(&b""[..], &mut stdout, &mut stderr);
        streams.stdout_terminal = true;
        assert_eq!(run_with(args.clone(), &mut streams), 0);
        drop(streams);
        assert_eq!(String::from_utf8(stdout).expect("text"), shown);
        assert_eq!(stderr, b"");
    }
}
