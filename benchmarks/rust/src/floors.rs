//! What the machine costs without any store: the least that a figure can be.

use std::hint::black_box;

use crate::{
    Result,
    alternate::Floor,
    clock,
    job::{Job, Report},
    keys::{Values, key},
};

/// Bytes that are copied to measure the memory.
const COPY_BYTES: usize = 64 << 20;

/// Measures all floors. The job's `count` is that of the syncs.
pub fn run(job: &Job) -> Result<Report> {
    let mut report = Report::default();
    let mut add = |name: &str, figure| report.figures.insert(name.to_owned(), figure);

    let mut file = Floor::create(&job.directory, job.value_bytes, job.count)?;
    add(
        "append_and_sync",
        clock::timed(job.count, false, || (0..job.count).try_for_each(|_| file.append_and_sync()))?,
    );
    let mut file = Floor::create(&job.directory, job.value_bytes, job.count)?;
    add("append", clock::timed(job.count, false, || (0..job.count).try_for_each(|_| file.append()))?);

    let (from, mut to) = (vec![1_u8; COPY_BYTES], vec![0_u8; COPY_BYTES]);
    let mebibytes = COPY_BYTES as u64 >> 20;
    add(
        "copy_1mib",
        clock::timed(mebibytes, false, || {
            to.copy_from_slice(black_box(&from));
            black_box(&to);
            Ok(())
        })?,
    );

    // What the benchmark itself costs in each operation.
    let values = Values::new(job.value_bytes);
    let turns = job.count * 100;
    add(
        "key_and_value",
        clock::timed(turns, false, || {
            for turn in 0..turns {
                black_box((key(job.seed, turn), values.get(turn)));
            }
            Ok(())
        })?,
    );
    Ok(report)
}
