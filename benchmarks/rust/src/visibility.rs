//! How soon a commit is visible in another process.

use std::{
    io::{BufRead, BufReader},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Result, clock,
    job::{Job, Report, Task},
    keys::{Values, key},
    peers,
};

/// Pause between two commits, in which the watcher comes to wait for the next one.
const PAUSE: Duration = Duration::from_millis(2);

/// How long the watcher waits for a commit before it gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Commits, one after the other, while another process looks for each; answers the median and the
/// greatest time from before the call of put until the other had the value.
pub fn run(job: &Job) -> Result<Report> {
    let store = peers::open(job)?;
    let mut session = store.session()?;
    let values = Values::new(job.value_bytes);
    let mut watcher = Job { task: Task::Watch, ..job.clone() }.spawn()?;
    let output = watcher.stdout.take().ok_or("a watcher without an output")?;
    let mut lines = BufReader::new(output).lines();
    let mut delays = Vec::new();
    lines.next().ok_or("the watcher ended before its time")??;
    for turn in 0..job.count {
        thread::sleep(PAUSE);
        let before = clock::now_ns();
        session.put(&key(job.seed, turn), values.get(turn))?;
        let seen: u64 = lines.next().ok_or("the watcher saw no commit")??.parse()?;
        delays.push(seen.saturating_sub(before));
    }
    let status = watcher.wait()?;
    if !status.success() {
        return Err(format!("the watcher failed: {status}").into());
    }
    drop(session);
    store.close()?;
    let mut report = Report::default();
    let greatest = delays.iter().copied().max().unwrap_or(0) as f64 / 1e3;
    report.figures.insert("visible_elsewhere".to_owned(), clock::median(delays));
    report.facts.insert("visible_elsewhere_max_us".to_owned(), greatest);
    Ok(report)
}

/// Looks for one key after the other, and prints when each was seen.
pub fn watch(job: &Job) -> Result<()> {
    let store = peers::open(job)?;
    let mut session = store.session()?;
    println!("ready");
    for turn in 0..job.count {
        let wanted = key(job.seed, turn);
        let begun = Instant::now();
        while session.get(&wanted)?.is_none() {
            if begun.elapsed() > PATIENCE {
                return Err(format!("commit {turn} wasn't seen within {PATIENCE:?}").into());
            }
            // Else it holds the processor that the writer needs.
            thread::yield_now();
        }
        println!("{}", clock::now_ns());
    }
    drop(session);
    store.close()
}
