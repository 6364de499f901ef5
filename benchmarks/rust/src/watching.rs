//! How soon a watch in another process is told of a commit.

use std::{
    io::{BufRead, BufReader},
    thread,
    time::Duration,
};

use millpond::WatchOptions;

use crate::{
    Result, clock,
    job::{Durability, Job, Report, Task},
    keys::{Values, key},
    peers::millpond::container,
};

/// Pause between two commits, in which the watcher goes to sleep.
const PAUSE: Duration = Duration::from_millis(2);

/// How long the watcher waits for a commit before it gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Commits one after the other, each of which another process watches for; answers the median and the
/// greatest time from before the call of put until the other was told.
pub fn run(job: &Job) -> Result<Report> {
    let container = container(&job.directory, job.durability)?;
    let dict = container.open_or_create_dict("bench")?;
    let values = Values::new(job.value_bytes);
    let mut follower = Job { task: Task::Follow, ..job.clone() }.spawn()?;
    let output = follower.stdout.take().ok_or("a follower without an output")?;
    let mut lines = BufReader::new(output).lines();
    let mut delays = Vec::new();
    lines.next().ok_or("the follower ended before its time")??;
    for turn in 0..job.count {
        thread::sleep(PAUSE);
        let before = clock::now_ns();
        dict.put(&key(job.seed, turn), values.get(turn))?;
        let told: u64 = lines.next().ok_or("the follower was told of no commit")??.parse()?;
        delays.push(told.saturating_sub(before));
    }
    let status = follower.wait()?;
    if !status.success() {
        return Err(format!("the follower failed: {status}").into());
    }
    container.close()?;
    let mut report = Report::default();
    let greatest = delays.iter().copied().max().unwrap_or(0) as f64 / 1e3;
    report.figures.insert("told_elsewhere".to_owned(), clock::median(delays));
    report.facts.insert("told_elsewhere_max_us".to_owned(), greatest);
    Ok(report)
}

/// Watches, and prints when it was told of each commit: of a synced one once it is durable, of another
/// one once it is visible.
pub fn follow(job: &Job) -> Result<()> {
    let container = container(&job.directory, job.durability)?;
    let options = match job.durability {
        Durability::Sync => WatchOptions::default(),
        Durability::Async => WatchOptions::default().not_durable(),
    };
    let mut watch = container.watch(options)?;
    println!("ready");
    for turn in 0..job.count {
        let mut commit = watch
            .next_within(PATIENCE)?
            .ok_or_else(|| format!("commit {turn} wasn't told of within {PATIENCE:?}"))?;
        let told = clock::now_ns();
        let change = commit.next().ok_or("a commit without a change")??;
        if change.key() != Some(&key(job.seed, turn)[..]) {
            return Err(format!("commit {turn} was told of out of turn: {:?}", change.key()).into());
        }
        println!("{told}");
    }
    drop(watch);
    Ok(container.close()?)
}
