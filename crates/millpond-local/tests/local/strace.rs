//! Processes under strace, which kills them or fails their calls at the one that it is told.

use std::{collections::HashMap, fs, path::Path};

use millpond_testkit::process::{can_run, skipped};

/// Whether strace can be used; says on the terminal that `test` is skipped, and why, where not.
pub fn is_there(test: &str) -> bool {
    match can_run("strace", &["-qq", "-e", "trace=none", "true"]) {
        Ok(()) => true,
        Err(why) => {
            skipped(
                test,
                &format!("{why} (the Debian package strace, and leave to trace one's own children)"),
            );
            false
        }
    }
}

/// The command line that records every system call in `trace`, with the paths of descriptors.
pub fn recording(trace: &Path) -> Vec<String> {
    let trace = trace.display().to_string();
    ["strace", "-f", "-qq", "-y", "-s", "200", "-o", &trace].map(str::to_owned).to_vec()
}

/// The command line that does something at a system call: `what` is as strace reads it after the
/// name of the call, such as `signal=KILL` or `error=EIO`. It records what comes after in `trace`.
pub fn injecting(trace: &Path, point: &Point, what: &str) -> Vec<String> {
    let mut words = recording(trace);
    words.push("-e".into());
    words.push(format!("inject={}:{what}:when={}", point.call, point.nth));
    words
}

/// One system call of a process.
#[derive(Clone, Debug)]
pub struct Point {
    /// Its name.
    pub call: String,
    /// Which of its thread's calls of that name it is, from 1.
    pub nth: u64,
    /// How strace wrote it.
    pub line: String,
}

/// The calls in `trace` of the thread that worked on `dir`, from its first one there to its last.
pub fn points(trace: &Path, dir: &Path) -> Vec<Point> {
    let text = fs::read_to_string(trace).expect("a trace");
    let dir = dir.to_str().expect("a plain path");
    let thread = text.lines().find(|line| line.contains(dir)).and_then(|line| line.split(' ').next());
    let thread = thread.unwrap_or_else(|| panic!("nobody worked on {dir}"));
    let mut counts: HashMap<&str, u64> = HashMap::new();
    let mut points = Vec::new();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix(thread).map(str::trim_start) else { continue };
        let Some((call, _)) = rest.split_once('(') else { continue };
        if call.is_empty() || !call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        let nth = counts.entry(call).or_default();
        *nth += 1;
        points.push(Point { call: call.to_owned(), nth: *nth, line: rest.to_owned() });
    }
    let first = points.iter().position(|point| point.line.contains(dir)).expect("there is one");
    let last = points.iter().rposition(|point| point.line.contains(dir)).expect("there is one");
    points.truncate(last + 1);
    points.split_off(first)
}
