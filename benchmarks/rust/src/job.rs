//! What the driver asks for, and what it is told.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde::{Deserialize, Serialize};

use crate::Result;

/// A kind of job.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// What the machine itself costs.
    Floors,
    /// The workloads named, one after the other, in threads or processes.
    Operations,
    /// One process of several, for `Operations`.
    Member,
    /// How soon another process sees a commit.
    Visibility,
    /// The process that looks, for `Visibility`.
    Watch,
    /// How long it takes to open a store.
    Opening,
    /// Opens once, for `Opening`.
    Open,
    /// Leaves a full tail and dies, for `Opening`.
    Fill,
    /// What overwritten data leaves on disk.
    Space,
    /// How costs grow with the number of records.
    Growth,
    /// How much memory a load takes, by one process and by several.
    Memory,
    /// One process's share of a load, for `Memory`.
    Load,
    /// Threads at once on an ordered map.
    Maps,
    /// Extents of arrays, and a scrub of them.
    Objects,
    /// Snapshots: taking them, comparing them, and reading beside many of them.
    Snapshots,
    /// How soon a watch in another process is told of a commit.
    Watching,
    /// The process that watches, for `Watching`.
    Follow,
}

/// When a put counts as done.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// When it survives a loss of power.
    Sync,
    /// When it survives the death of the process.
    Async,
}

/// One job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// What to do.
    pub task: Task,
    /// By whom; none for the floors.
    #[serde(default)]
    pub peer: String,
    /// In which class.
    pub durability: Durability,
    /// Bytes in a value.
    pub value_bytes: usize,
    /// Records, in all.
    pub count: u64,
    /// Threads that share them.
    #[serde(default = "one")]
    pub threads: u64,
    /// Processes that share them.
    #[serde(default = "one")]
    pub processes: u64,
    /// Which of the processes this is.
    #[serde(default)]
    pub member: u64,
    /// What to measure, in order.
    #[serde(default)]
    pub workloads: Vec<String>,
    /// Where the keys come from.
    #[serde(default)]
    pub seed: u64,
    /// An empty directory for the data.
    pub directory: PathBuf,
}

fn one() -> u64 {
    1
}

impl Job {
    /// Starts a process that does this job, and reads and writes lines.
    pub fn spawn(&self) -> Result<Child> {
        Ok(Command::new(std::env::current_exe()?)
            .arg(serde_json::to_string(self)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?)
    }

    /// Does this job in a process of its own and returns its report.
    pub fn run_apart(&self) -> Result<Report> {
        let output = self.spawn()?.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("a {:?} job of {} failed: {}", self.task, self.peer, output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// What a workload took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Figure {
    /// How often it was done.
    pub operations: u64,
    /// Seconds on the clock, until the last operation returned.
    pub wall_s: f64,
    /// Seconds of processor time of all threads, until the store was idle again.
    pub cpu_s: f64,
    /// When it began, in seconds of the clock that all processes share.
    pub start_s: f64,
}

/// What a job found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// What was timed.
    pub figures: BTreeMap<String, Figure>,
    /// What was counted, units in the names.
    pub facts: BTreeMap<String, f64>,
}
