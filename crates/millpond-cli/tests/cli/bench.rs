//! Where a test runs its commands.

use std::{
    ffi::{OsStr, OsString},
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
};

use millpond_cli::{Streams, run_with};
use serde_json::Value;
use tempfile::TempDir;

/// A place of its own for pools, and a way to run commands on them.
pub struct Bench {
    directory: TempDir,
    in_memory: Option<u64>,
}

/// How a command ended.
pub struct Answer {
    pub code: u8,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Bench {
    /// Each command is a process of its own; pools are in a temporary directory.
    pub fn processes() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory"), in_memory: None }
    }

    /// Commands run in this process; pools are in memory.
    pub fn memory() -> Self {
        Self { in_memory: Some(NEXT.fetch_add(1, Ordering::Relaxed)), ..Self::processes() }
    }

    /// Runs `scenario` on either kind.
    pub fn each(scenario: impl Fn(&Bench)) {
        scenario(&Self::memory());
        scenario(&Self::processes());
    }

    /// A pool's name here.
    pub fn pool(&self, label: &str) -> String {
        match self.in_memory {
            Some(number) => format!("mem:{label}-{number}"),
            None => label.to_owned(),
        }
    }

    /// A directory for the test's files, beside the pools.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where pools are found by label.
    pub fn home(&self) -> std::path::PathBuf {
        self.directory.path().join("home")
    }

    /// A pool `lab` with a container `c` and a dictionary `d` in it; answers `POOL/CONTAINER`.
    pub fn prepare(&self) -> String {
        let container = self.container();
        self.ok(["dict", "create", &container, "d"]);
        container
    }

    /// A container in which nothing was done yet.
    pub fn container(&self) -> String {
        let pool = self.pool("lab");
        let container = format!("{pool}/c");
        self.ok(["pool", "create", &pool, "--size", "64MiB"]);
        self.ok(["container", "create", &container, "--type", "PYTHON"]);
        container
    }

    /// Runs `millpond` with `args`.
    pub fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Answer {
        self.run_with_input(args, b"")
    }

    /// Runs `millpond` with `args` and `input` on its standard input.
    pub fn run_with_input<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>, input: &[u8]) -> Answer {
        let args: Vec<OsString> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        if self.in_memory.is_none() {
            return self.spawn(&args, input);
        }
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let args = [OsString::from("millpond")].into_iter().chain(args);
        let code = run_with(args, &mut Streams::plain(input, &mut stdout, &mut stderr));
        Answer { code, stdout, stderr: String::from_utf8(stderr).expect("errors in UTF-8") }
    }

    /// Runs a command that is to succeed without a word on the error stream.
    pub fn ok<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Vec<u8> {
        self.run(args).ok()
    }

    /// Runs a command that is to succeed, and answers its `response`.
    pub fn json<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Value {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned());
        let answer = self.run([OsString::from("--json")].into_iter().chain(args));
        let document = answer.document();
        assert_eq!(answer.code, 0, "{document}");
        assert_eq!(document["status"], 0);
        assert_eq!(document["error"], Value::Null);
        document["response"].clone()
    }

    /// Runs a command that is to fail with `code`, and answers the message; under `--json` it fails
    /// with the same code and message.
    pub fn fails<A: AsRef<OsStr>>(&self, code: u8, args: impl IntoIterator<Item = A>) -> String {
        let args: Vec<OsString> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        let answer = self.run(&args);
        assert_eq!(answer.code, code, "{args:?}: {}", answer.stderr);
        let message = answer.stderr.trim_end().strip_prefix("error: ").expect("an error").to_owned();
        let answer = self.run([OsString::from("--json")].iter().chain(&args));
        let document = answer.document();
        assert_eq!(answer.code, code, "{args:?}: {document}");
        assert_eq!(document["status"], code);
        assert_eq!(document["response"], Value::Null);
        assert!(document["error"]["kind"].is_string());
        assert_eq!(document["error"]["message"], message.as_str());
        message
    }

    /// A command that runs `millpond` as a process.
    pub fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millpond"));
        command
            .args(args)
            .env("MILLPOND_HOME", self.home())
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .current_dir(self.directory())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn spawn(&self, args: &[OsString], input: &[u8]) -> Answer {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().expect("the program starts");
        let mut stdin = child.stdin.take().expect("its input");
        let output = std::thread::scope(|scope| {
            scope.spawn(move || {
                // A command that reads nothing may end first.
                let _unread = stdin.write_all(input);
            });
            child.wait_with_output().expect("its output")
        });
        Answer {
            code: output.status.code().and_then(|code| code.try_into().ok()).expect("an exit code"),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).expect("errors in UTF-8"),
        }
    }
}

impl Answer {
    /// The output of a success without a word on the error stream.
    pub fn ok(self) -> Vec<u8> {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""));
        self.stdout
    }

    /// The output as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("output in UTF-8")
    }

    /// The one JSON document that the output is.
    pub fn document(&self) -> Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in {:?} ({})", self.text(), self.stderr))
    }
}
