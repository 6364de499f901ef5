//! disk-objectstore itself, in a process of Python that `scripts/setup-oracle` has made an environment for.

use std::{
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use millpond_testkit::process::skipped;
use serde_json::{Value, json};

/// The process, which goes with the test.
pub struct Oracle {
    process: Child,
    /// None once it is to end.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    /// Starts it, if it is installed; says on the terminal that `test` is skipped where not.
    pub fn start(test: &str) -> Option<Self> {
        Self::start_under(test, &[])
    }

    /// Starts it under another program, which is given its command line.
    pub fn start_under(test: &str, under: &[String]) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python = root.join(".venv-oracle/bin/python");
        if !python.exists() {
            skipped(test, "disk-objectstore isn't installed: run scripts/setup-oracle");
            return None;
        }
        let mut words: Vec<OsString> = under.iter().map(OsString::from).collect();
        words.extend([python.into(), root.join("tests/oracle/serve.py").into()]);
        let mut process = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python runs");
        let requests = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("a pipe"));
        Some(Self { process, requests, answers })
    }

    /// Asks for something; an error is the name of the exception.
    pub fn ask(&mut self, request: Value) -> Result<Value, String> {
        writeln!(self.requests.as_mut().expect("a pipe"), "{request}").expect("it listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        let mut answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("it answers {line:?}"));
        match answer.get_mut("ok") {
            Some(ok) => Ok(ok.take()),
            None => Err(format!("{}: {}", answer["error"].as_str().unwrap_or("?"), answer["message"])),
        }
    }

    /// Has it do something that it is to do.
    #[track_caller]
    pub fn does(&mut self, request: Value) -> Value {
        self.ask(request.clone()).unwrap_or_else(|error| panic!("{}: {error}", request[0]))
    }

    /// Has it open the folder at `path`.
    pub fn at(&mut self, path: &Path) {
        self.does(json!(["at", path]));
    }

    /// Has it end by itself.
    pub fn ends(mut self) {
        self.requests = None;
        self.process.wait().expect("it ends");
    }

    /// Has it validate the folder, in which nothing may be wrong.
    #[track_caller]
    pub fn finds_nothing_wrong(&mut self) {
        let issues = self.does(json!(["validate"]));
        let is_clean = issues.as_object().expect("issues").values().all(|keys| keys == &json!([]));
        assert!(is_clean, "{issues}");
    }

    /// Whether disk-objectstore would compress `bytes`.
    pub fn would_compress(&mut self, bytes: &[u8]) -> bool {
        self.does(json!(["should_compress", hex(bytes)])).as_bool().expect("a decision")
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Bytes in digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The path of a pack.
pub fn pack(folder: &Path, number: u64) -> PathBuf {
    folder.join("packs").join(number.to_string())
}
