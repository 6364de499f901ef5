//! Tests that run parts of themselves in processes of their own.
//!
//! A test calls [`role`] first. In the process of the tests it answers nothing; in one that
//! [`start`] began, the text that it was begun with, and the test then plays that part.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
};

const ROLE: &str = "MILLPOND_TEST_ROLE";

/// The part that this process is to play, if it isn't the one of all tests.
pub fn role() -> Option<String> {
    env::var(ROLE).ok()
}

/// Begins a process that runs one test, in a role.
pub fn start(test: &str, role: &str, environment: &[(&str, &str)]) -> Played {
    let mut process = Command::new(env::current_exe().expect("this program"))
        .args(["--exact", test, "--nocapture"])
        .env(ROLE, role)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program runs");
    let lines = BufReader::new(process.stdout.take().expect("a pipe"));
    Played { process, lines }
}

/// Tells the process that began this one something.
pub fn tell(what: impl std::fmt::Display) {
    println!("\nTOLD {what}");
}

/// A process that plays a role. It doesn't outlive the test.
pub struct Played {
    process: Child,
    lines: BufReader<ChildStdout>,
}

impl Played {
    /// What the process tells next, if anything.
    pub fn told(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).expect("a pipe") == 0 {
                return None;
            }
            // A process that was killed may leave half a line.
            if let Some(what) = line.strip_prefix("TOLD ").and_then(|told| told.strip_suffix('\n')) {
                return Some(what.to_owned());
            }
        }
    }

    pub fn kill(&mut self) {
        self.process.kill().expect("killed");
    }

    /// Waits for the end, which has to be a good one.
    #[track_caller]
    pub fn finish(mut self) {
        while self.told().is_some() {}
        assert!(self.process.wait().expect("waited").success(), "a process of the test failed");
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
