//! What a store takes on disk after everything in it was overwritten three times, and a compaction.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use crate::{
    Result, clock,
    job::{Job, Report},
    keys::{Key, Values, key, shuffled},
    peers,
};

/// Records of a batch.
const BATCH: u64 = 1000;

/// Bytes of a block as `st_blocks` counts them.
const BLOCK_BYTES: u64 = 512;

/// Puts everything, overwrites it three times in random order, compacts, and measures.
pub fn run(job: &Job) -> Result<Report> {
    let store = peers::open(job)?;
    let values = Values::new(job.value_bytes);
    let mut session = store.session()?;
    let written = clock::written_bytes()?;
    for pass in 0..4 {
        for first in (0..job.count).step_by(usize::try_from(BATCH)?) {
            let entries: Vec<(Key, &[u8])> = (first..job.count.min(first + BATCH))
                .map(|turn| shuffled(turn + pass, job.count))
                .map(|index| (key(job.seed, index), values.get(index + pass)))
                .collect();
            session.put_many(&entries)?;
        }
    }
    drop(session);
    let before = allocated(&job.directory)?;
    store.compact()?;
    store.close()?;

    let payload = (job.count * (size_of::<Key>() + job.value_bytes) as u64) as f64;
    let mut report = Report::default();
    let mut add = |name: &str, bytes: u64| report.facts.insert(name.to_owned(), bytes as f64 / payload);
    add("space_ratio_before", before);
    add("space_ratio", allocated(&job.directory)?);
    add("written_ratio", (clock::written_bytes()? - written) / 4);
    Ok(report)
}

/// Bytes allocated to the files of a directory.
fn allocated(directory: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let about = entry.metadata()?;
        sum += if about.is_dir() { allocated(&entry.path())? } else { about.blocks() * BLOCK_BYTES };
    }
    Ok(sum)
}
