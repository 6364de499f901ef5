//! How long it takes to open a store: closed cleanly, after a death, and once more in one process.

use crate::{
    Result, clock,
    job::{Durability, Figure, Job, Report, Task},
    keys::{Values, key},
    peers, workloads,
};

/// Records of a batch of the load.
const BATCH: u64 = 10_000;

/// Single puts that the dying process leaves in its log: more than any peer keeps there by itself,
/// so that what it keeps is as full as it gets, about.
const TAIL_PUTS: u64 = 25_000;

/// Times of one kind, of which the median counts.
const TIMES: usize = 5;

/// Loads, then opens in processes of their own.
pub fn run(job: &Job) -> Result<Report> {
    let store = peers::open(job)?;
    let values = Values::new(job.value_bytes);
    workloads::put_batches(&mut *store.session()?, &values, job.seed, 0..job.count, BATCH)?;
    store.compact()?;
    store.close()?;

    let mut report = Report::default();
    let open = Job { task: Task::Open, ..job.clone() };
    let mut clean = Vec::new();
    for _ in 0..TIMES {
        clean.push(open.run_apart()?);
    }
    for name in ["open", "open_again"] {
        if let Some(figure) = median(&clean, name) {
            report.figures.insert(name.to_owned(), figure);
        }
    }
    let mut full = Vec::new();
    for turn in 0..3 {
        let fill = Job { task: Task::Fill, seed: job.seed + 1 + turn, ..job.clone() };
        let mut child = fill.spawn()?;
        child.wait()?;
        full.push(open.run_apart()?);
    }
    if let Some(figure) = median(&full, "open") {
        report.figures.insert("open_full_tail".to_owned(), figure);
    }
    Ok(report)
}

/// Opens, reads a record, and opens again while the first handle is open.
pub fn open(job: &Job) -> Result<Report> {
    let mut report = Report::default();
    let mut first = None;
    let opened = clock::timed(1, false, || {
        let store = peers::open(job)?;
        let found = store.session()?.get(&key(job.seed, 0))?;
        found.ok_or("a record is gone")?;
        first = Some(store);
        Ok(())
    })?;
    report.figures.insert("open".to_owned(), opened);
    // Of a peer that allows it: LMDB, fjall and redb refuse, since a second handle would harm the first.
    let mut again = None;
    let opened = clock::timed(1, false, || {
        again = peers::open(job).ok();
        Ok(())
    })?;
    if let Some(again) = again {
        report.figures.insert("open_again".to_owned(), opened);
        again.close()?;
    }
    if let Some(first) = first {
        first.close()?;
    }
    Ok(report)
}

/// Puts single records until the log is as full as it gets, and dies without closing.
pub fn fill_and_die(job: &Job) -> Result<()> {
    let store = peers::open_as(job, Durability::Async)?;
    let values = Values::new(job.value_bytes);
    let mut session = store.session()?;
    for turn in 0..TAIL_PUTS {
        session.put(&key(job.seed, turn), values.get(turn))?;
    }
    // SAFETY: ends the process at once; that nothing is cleaned up is the point.
    unsafe { libc::_exit(0) }
}

/// The median by the clock; none of what no report has.
fn median(reports: &[Report], name: &str) -> Option<Figure> {
    let mut figures: Vec<_> = reports.iter().filter_map(|report| report.figures.get(name)).copied().collect();
    figures.sort_by(|one, other| one.wall_s.total_cmp(&other.wall_s));
    figures.get(figures.len() / 2).copied()
}
