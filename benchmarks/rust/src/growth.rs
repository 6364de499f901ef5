//! How much more a get, a synced put and a scanned record cost when there are ten times as many.

use crate::{
    Result, alternate, clock,
    job::{Durability, Job, Report},
    keys::{Values, key, shuffled},
    peers, workloads,
};

/// Records of a batch of the load.
const BATCH: u64 = 100_000;

/// Gets at each size.
const GETS: u64 = 200_000;

/// Synced puts at each size.
const PUTS: u64 = 500;

/// Records scanned at each size.
const SCANNED: u64 = 1_000_000;

/// Measures at a tenth of the job's count, and at all of it.
pub fn run(job: &Job) -> Result<Report> {
    let mut report = Report::default();
    let tenth = job.count / 10;
    for (name, loaded, count) in [("tenth", 0, tenth), ("all", tenth, job.count)] {
        let values = Values::new(job.value_bytes);
        let store = peers::open_as(job, Durability::Async)?;
        let mut session = store.session()?;
        let load = clock::timed(count - loaded, true, || {
            workloads::put_batches(&mut *session, &values, job.seed, loaded..count, BATCH)
        })?;
        report.figures.insert(format!("load_{name}"), load);
        // Twice: the first time warms the caches, at either size.
        for _ in 0..2 {
            let get = clock::timed(GETS, false, || {
                for turn in 0..GETS {
                    let index = shuffled(turn * (count / GETS).max(1), count);
                    session.get(&key(job.seed, index))?.ok_or("a record is missing")?;
                }
                Ok(())
            })?;
            report.figures.insert(format!("get_{name}"), get);
            let limit = SCANNED.min(count);
            let scan = clock::timed(limit, false, || session.scan(limit).map(drop))?;
            report.figures.insert(format!("scan_{name}"), scan);
        }
        if let Some(runs) = store.runs()? {
            report.facts.insert(format!("runs_{name}"), runs as f64);
        }
        drop(session);
        store.close()?;

        let store = peers::open_as(job, Durability::Sync)?;
        let [put, floor] = alternate::puts(job, &*store, PUTS, |turn| job.count + count + turn)?;
        report.figures.insert(format!("sync_put_{name}"), put);
        report.figures.insert(format!("sync_put_{name}_floor"), floor);
        store.close()?;
    }
    Ok(report)
}
