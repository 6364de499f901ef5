//! Synced puts and the machine's floor by turns.
//!
//! What a sync costs changes by the second, more than stores differ. So the floor is measured between
//! the puts, on the same disk in the same seconds, and of either the median operation counts.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
    path::Path,
};

use crate::{
    Result, clock,
    job::{Figure, Job},
    keys::{Key, Values, key, shuffled},
    peers::Peer,
};

/// Operations of one kind before it is the other's turn.
const TURNS: u64 = 25;

/// Bytes that a store's log adds to a key and a value, about.
const OVERHEAD_BYTES: usize = 34;

/// Puts the job's records, new or in another order, and answers the figures of the puts and of the floor.
pub fn run(job: &Job, store: &dyn Peer, again: bool) -> Result<[Figure; 2]> {
    let order = |turn| if again { shuffled(turn, job.count) } else { turn };
    puts(job, store, job.count, order)
}

/// Puts the records of so many turns, by turns with the floor.
pub fn puts(job: &Job, store: &dyn Peer, turns: u64, order: impl Fn(u64) -> u64) -> Result<[Figure; 2]> {
    let values = Values::new(job.value_bytes);
    let mut session = store.session()?;
    let mut floor = Floor::create(&job.directory, job.value_bytes, turns)?;
    let start = clock::Start::now();
    let (mut puts, mut floors) = (Vec::new(), Vec::new());
    let mut turn = 0;
    while turn < turns {
        let end = turns.min(turn + TURNS);
        for _ in turn..end {
            let begun = clock::now_ns();
            floor.append_and_sync()?;
            floors.push(clock::now_ns() - begun);
        }
        for turn in turn..end {
            let index = order(turn);
            let begun = clock::now_ns();
            session.put(&key(job.seed, index), values.get(index + turn))?;
            puts.push(clock::now_ns() - begun);
        }
        turn = end;
    }
    let both = start.figure(clock::now_ns(), turns, false);
    Ok([puts, floors].map(|times| Figure { wall_s: clock::median_s(times) * turns as f64, ..both }))
}

/// Appends into space that is zeroed and synced ahead, as a log does it.
pub struct Floor {
    file: File,
    record: Vec<u8>,
    written: u64,
}

impl Floor {
    /// A file with space for so many records.
    pub fn create(directory: &Path, value_bytes: usize, count: u64) -> Result<Self> {
        Self::of_records(directory, value_bytes + size_of::<Key>() + OVERHEAD_BYTES, count)
    }

    /// A file with space for so many records of that many bytes.
    pub fn of_records(directory: &Path, record_bytes: usize, count: u64) -> Result<Self> {
        let path = directory.join("floor");
        let file = OpenOptions::new().create_new(true).write(true).open(&path)?;
        // Nobody needs its name, and the next one takes it.
        fs::remove_file(path)?;
        let record = vec![7; record_bytes];
        for at in 0..count {
            file.write_all_at(&vec![0; record.len()], at * record.len() as u64)?;
        }
        file.sync_all()?;
        Ok(Self { file, record, written: 0 })
    }

    /// One record.
    pub fn append(&mut self) -> Result<()> {
        self.file.write_all_at(&self.record, self.written)?;
        self.written += self.record.len() as u64;
        Ok(())
    }

    /// One record, durably.
    pub fn append_and_sync(&mut self) -> Result<()> {
        self.append()?;
        Ok(self.file.sync_data()?)
    }
}
