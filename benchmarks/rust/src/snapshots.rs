//! Snapshots of a container of many keys: taking one, comparing two, and reading beside a hundred.

use std::hint::black_box;

use millpond::{Container, Dict, Difference};

use crate::{
    Result, clock,
    job::{Figure, Job, Report},
    keys::{Values, key, shuffled, touch},
    peers::millpond::container,
    workloads::put_batches,
};

/// Records of a batch.
const BATCH: u64 = 1000;

/// Snapshots that are taken one by one and timed.
const TAKEN: u64 = 51;

/// Times that two snapshots are compared.
const COMPARED: usize = 9;

/// Keys that are changed, added and removed between those two.
const CHANGES: [u64; 3] = [600, 200, 200];

/// Snapshots to read beside.
const PRESENT: u64 = 100;

/// Keys overwritten between two of them.
const OVERWRITTEN: u64 = 200;

/// Turns in which a container with snapshots and one without are read, and reads of each turn.
const TURNS: u64 = 20;
const READS: u64 = 5000;

/// See the module. The containers with and without snapshots have a fifth of the keys.
pub fn run(job: &Job) -> Result<Report> {
    let mut report = Report::default();
    let values = Values::new(job.value_bytes);
    take_and_compare(job, &values, &mut report)?;
    read(&Job { count: job.count / 5, ..job.clone() }, &values, &mut report)?;
    Ok(report)
}

fn filled(job: &Job, name: &str, values: &Values) -> Result<(Container, Dict)> {
    let container = container(&job.directory.join(name), job.durability)?;
    let dict = container.open_or_create_dict("bench")?;
    put_batches(&mut &dict, values, job.seed, 0..job.count, BATCH)?;
    Ok((container, dict))
}

fn take_and_compare(job: &Job, values: &Values, report: &mut Report) -> Result<()> {
    let (container, dict) = filled(job, "large", values)?;
    clock::wait_until_idle();
    let mut times = Vec::new();
    for turn in 0..TAKEN {
        let index = shuffled(turn, job.count);
        dict.put(&key(job.seed, index), values.get(index + 1))?;
        times.push(clock::nanoseconds(|| {
            container.snapshot(&format!("taken-{turn}"))?;
            Ok(())
        })?);
    }
    report.figures.insert("snapshot".to_owned(), clock::median(times));

    container.snapshot("before")?;
    let [changed, added, removed] = CHANGES;
    for turn in 0..changed + removed {
        let index = shuffled(TAKEN + turn, job.count);
        if turn < changed {
            dict.put(&key(job.seed, index), values.get(index + 2))?;
        } else {
            dict.delete(&key(job.seed, index))?;
        }
    }
    for index in job.count..job.count + added {
        dict.put(&key(job.seed, index), values.get(index))?;
    }
    container.snapshot("after")?;
    let mut times = Vec::new();
    for _ in 0..COMPARED {
        times.push(clock::nanoseconds(|| {
            let differences = container.diff("before", "after")?;
            let found = differences.collect::<millpond::Result<Vec<Difference>>>()?.len() as u64;
            let wanted = CHANGES.iter().sum::<u64>();
            if found == wanted { Ok(()) } else { Err(format!("{found} of {wanted} differences").into()) }
        })?);
    }
    report.figures.insert("diff".to_owned(), clock::median(times));
    Ok(container.close()?)
}

/// Reads of a container with snapshots, by turns with one of the same records that has none.
fn read(job: &Job, values: &Values, report: &mut Report) -> Result<()> {
    let with = filled(job, "with", values)?;
    let without = filled(job, "without", values)?;
    for snapshot in 0..PRESENT {
        for (_, dict) in [&with, &without] {
            for turn in snapshot * OVERWRITTEN..(snapshot + 1) * OVERWRITTEN {
                let index = shuffled(turn, job.count);
                dict.put(&key(job.seed, index), values.get(index + 1))?;
            }
        }
        with.0.snapshot(&format!("present-{snapshot}"))?;
    }
    for (container, _) in [&with, &without] {
        container.flush()?;
    }
    clock::wait_until_idle();
    let mut times = [Vec::new(), Vec::new()];
    for turn in 0..TURNS {
        for ((_, dict), times) in [&with, &without].into_iter().zip(&mut times) {
            times.push(clock::nanoseconds(|| {
                for read in turn * READS..(turn + 1) * READS {
                    let index = shuffled(read * 7, job.count);
                    let value = dict.get(&key(job.seed, index))?;
                    black_box(touch(&value.ok_or_else(|| format!("key {index} is missing"))?));
                }
                Ok(())
            })?);
        }
    }
    let [with_figure, without_figure] =
        times.map(|times| Figure { operations: READS, ..clock::median(times) });
    report.figures.insert("get_beside_snapshots".to_owned(), with_figure);
    report.figures.insert("get_beside_snapshots_floor".to_owned(), without_figure);
    with.0.close()?;
    Ok(without.0.close()?)
}
