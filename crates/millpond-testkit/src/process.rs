//! Tests that run parts of themselves in processes of their own.
//!
//! A test calls [`role`] first. In the process of the tests it answers nothing; in one that
//! [`Part::start`] began, the text that it was begun with, and the test then plays that part.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{BufRead, BufReader, Write},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

const ROLE: &str = "MILLPOND_TEST_ROLE";

/// The part that this process is to play, if it isn't the one of all tests.
pub fn role() -> Option<String> {
    env::var(ROLE).ok()
}

/// Tells the process that began this one something.
pub fn tell(what: impl std::fmt::Display) {
    let line = format!("\nTOLD {what}\n");
    // One write, which a death doesn't cut.
    let mut out = std::io::stdout().lock();
    let told = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    told.expect("the process that began this one listens");
}

/// Says on the terminal, past what catches the output of tests, that a test was skipped and why.
pub fn skipped(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}

/// Whether a program can be run as a test needs it; else the reason.
///
/// # Errors
/// What the program said, or why it can't be run.
pub fn can_run(program: &str, arguments: &[&str]) -> Result<(), String> {
    match Command::new(program).args(arguments).stdin(Stdio::null()).output() {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr);
            Err(format!("`{program} {}` says: {}", arguments.join(" "), said.trim()))
        }
        Err(error) => Err(format!("{program} can't be run: {error}")),
    }
}

/// A part for a process of its own.
#[derive(Debug)]
pub struct Part {
    test: String,
    role: String,
    under: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

impl Part {
    /// The part `role` of a test, by its full name.
    pub fn new(test: &str, role: impl Into<String>) -> Self {
        Self { test: test.to_owned(), role: role.into(), under: Vec::new(), environment: Vec::new() }
    }

    /// Runs it under another program, which is given the command line of the process.
    #[must_use]
    pub fn under(mut self, program: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.under.extend(program.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Begins the process.
    ///
    /// # Panics
    /// Where it can't be begun.
    pub fn start(self) -> Played {
        let mut words = self.under;
        words.push(env::current_exe().expect("this program").into());
        words.extend(["--exact", &self.test, "--nocapture", "--test-threads=1"].map(Into::into));
        let mut process = Command::new(&words[0])
            .args(&words[1..])
            .env(ROLE, &self.role)
            .envs(self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{words:?} doesn't run: {error}"));
        let lines = BufReader::new(process.stdout.take().expect("a pipe"));
        let (sender, told) = mpsc::channel();
        std::thread::spawn(move || {
            // A process that was killed may leave half a line.
            for line in lines.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                if let Some(what) = line.strip_prefix("TOLD ")
                    && sender.send(what.to_owned()).is_err()
                {
                    return;
                }
            }
        });
        Played { process, told }
    }
}

/// A process that plays a part. It doesn't outlive the test.
#[derive(Debug)]
pub struct Played {
    process: Child,
    told: mpsc::Receiver<String>,
}

impl Played {
    /// What the process tells next; nothing once it is gone.
    pub fn told(&mut self) -> Option<String> {
        self.told.recv().ok()
    }

    /// What the process tells next, if it does so in time.
    ///
    /// # Errors
    /// When it takes longer, or is gone.
    pub fn told_within(&mut self, patience: Duration) -> Result<String, mpsc::RecvTimeoutError> {
        self.told.recv_timeout(patience)
    }

    /// All that the process has told so far.
    pub fn told_already(&mut self) -> impl Iterator<Item = String> + '_ {
        self.told.try_iter()
    }

    /// Its number; under another program, that program's.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Kills it with SIGKILL, if it still runs, and waits until it is gone.
    ///
    /// # Panics
    /// Where that fails.
    pub fn kill(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("gone");
    }

    /// Whether it has ended by itself, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().expect("asked")
    }

    /// Waits for the end; no longer than `patience`, after which it is killed.
    ///
    /// # Errors
    /// When it takes longer: a hang.
    pub fn end_within(&mut self, patience: Duration) -> Result<ExitStatus, String> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            if Instant::now() > deadline {
                self.kill();
                return Err(format!("process {} hung for over {patience:?}", self.pid()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for the end, which has to be a good one.
    ///
    /// # Panics
    /// When it isn't.
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
