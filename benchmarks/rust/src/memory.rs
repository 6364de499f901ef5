//! How much memory a load takes over the mapped files, by one process and by several at once.

use crate::{
    Result,
    clock::MemoryWatch,
    job::{Job, Report, Task},
    keys::Values,
    peers, workloads,
};

/// Records of a batch of the load.
const BATCH: u64 = 10_000;

/// Loads in as many processes as the job says, each its share.
pub fn run(job: &Job) -> Result<Report> {
    peers::open(job)?.close()?;
    let children = (0..job.processes)
        .map(|member| Job { task: Task::Load, member, ..job.clone() }.spawn())
        .collect::<Result<Vec<_>>>()?;
    let mut each = Vec::new();
    for child in children {
        let output = child.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("a loading process failed: {}", output.status).into());
        }
        let report: Report = serde_json::from_slice(&output.stdout)?;
        each.push(report.facts.get("memory_mib").copied().ok_or("a load without its memory")?);
    }
    let mut report = Report::default();
    let mut add = |name: &str, mebibytes| report.facts.insert(name.to_owned(), mebibytes);
    add("memory_mib_max", each.iter().copied().fold(0.0, f64::max));
    add("memory_mib_total", each.iter().sum());
    Ok(report)
}

/// One process's share of the load.
pub fn load(job: &Job) -> Result<Report> {
    let watch = MemoryWatch::start();
    let values = Values::new(job.value_bytes);
    let store = peers::open(job)?;
    let share = job.count / job.processes;
    let mine = job.member * share..(job.member + 1) * share;
    workloads::put_batches(&mut *store.session()?, &values, job.seed, mine, BATCH)?;
    store.close()?;
    let mut report = Report::default();
    report.facts.insert("memory_mib".to_owned(), watch.finish());
    Ok(report)
}
