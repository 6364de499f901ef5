//! The Rust side of the benchmarks: does one job, given as JSON, and prints its figures as JSON.
//!
//! A job is one peer's share of one section, so that each peer is measured in a process of its own
//! and the driver can take the peers in turn. `benchmarks/python/bench.py` is the driver.

mod alternate;
mod clock;
mod extents;
mod floors;
mod growth;
mod job;
mod keys;
mod maps;
mod memory;
mod opening;
mod peers;
mod processes;
mod snapshots;
mod space;
mod visibility;
mod watching;
mod workloads;

use std::process::ExitCode;

use job::{Job, Report, Task};

/// What goes wrong is printed and ends the job.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("millpond-benchmarks: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let text = std::env::args().nth(1).ok_or("give a job as JSON; `make bench` does")?;
    let job: Job = serde_json::from_str(&text).map_err(|error| format!("{text} is no job: {error}"))?;
    let report = match job.task {
        Task::Floors => floors::run(&job)?,
        Task::Operations if job.processes > 1 => processes::lead(&job)?,
        Task::Operations => workloads::run(&job)?,
        Task::Member => return processes::join(&job),
        Task::Visibility => visibility::run(&job)?,
        Task::Watch => return visibility::watch(&job),
        Task::Opening => opening::run(&job)?,
        Task::Open => opening::open(&job)?,
        Task::Fill => return opening::fill_and_die(&job),
        Task::Space => space::run(&job)?,
        Task::Growth => growth::run(&job)?,
        Task::Memory => memory::run(&job)?,
        Task::Load => memory::load(&job)?,
        Task::Maps => maps::run(&job)?,
        Task::Objects => extents::run(&job)?,
        Task::Snapshots => snapshots::run(&job)?,
        Task::Watching => watching::run(&job)?,
        Task::Follow => return watching::follow(&job),
    };
    print_line(&report)
}

/// Prints a report as one line.
fn print_line(report: &Report) -> Result<()> {
    println!("{}", serde_json::to_string(report)?);
    Ok(())
}
