//! Extents of arrays beside what the machine itself needs for such bytes, and a scrub of them.

use std::{
    fs::{self, File, OpenOptions},
    hint::black_box,
    io::Write,
    os::fd::AsRawFd,
    path::Path,
    ptr,
};

use millpond::{Container, Object, ObjectOptions, ScrubOptions};

use crate::{
    Result,
    alternate::Floor,
    clock,
    job::{Durability, Figure, Job, Report},
    keys::{Values, shuffled},
    peers::millpond::container,
};

/// Bytes of a long extent, and of a short one.
const LONG: usize = 1 << 20;
const SHORT: usize = 4 << 10;

/// Short extents in a long one.
const PARTS: u64 = (LONG / SHORT) as u64;

/// Random reads of each array.
const READS: u64 = 20_000;

/// Times that everything is scrubbed.
const SCRUBS: usize = 5;

/// Measures extents of arrays of `count` MiB.
pub fn run(job: &Job) -> Result<Report> {
    let synced = container(&job.directory, Durability::Sync)?;
    let container = container(&job.directory, Durability::Async)?;
    let (long, short) = (Values::new(LONG), Values::new(SHORT));
    let array = synced.create_object(ObjectOptions::default())?;
    let mut report = Report::default();
    let mut add = |name: &str, figure| report.figures.insert(name.to_owned(), figure);

    let [written, floor] = write_long(job, &array, &long)?;
    add("write_1mib", written);
    add("write_1mib_floor", floor);
    let array = container.object(array.id())?;
    clock::wait_until_idle();
    let [read, floor] = read_long(job, &array, &long)?;
    add("read_1mib", read);
    add("read_1mib_floor", floor);
    add(
        "read_4kib",
        read_short(job, &array, |block| &long.get(block / PARTS)[at(block % PARTS)..][..SHORT])?,
    );

    let array = container.create_object(ObjectOptions::default())?;
    let blocks = job.count * PARTS;
    add(
        "write_4kib",
        clock::timed(blocks, true, || {
            (0..blocks).try_for_each(|turn| {
                let block = shuffled(turn, blocks);
                Ok(array.write("dkey", "field", 1, block * SHORT as u64, short.get(block))?)
            })
        })?,
    );
    add("read_4kib_of_short", read_short(job, &array, |block| short.get(block))?);

    let speed = scrub(&container)?;
    report.facts.insert("scrub_gb_per_s".to_owned(), speed);
    synced.close()?;
    container.close()?;
    Ok(report)
}

fn at(block: u64) -> usize {
    usize::try_from(block).unwrap_or(0) * SHORT
}

/// Synced writes of long extents, by turns with appends into zeroed space.
fn write_long(job: &Job, array: &Object, values: &Values) -> Result<[Figure; 2]> {
    let mut floor = Floor::of_records(&job.directory, LONG, job.count)?;
    let mut times = [Vec::new(), Vec::new()];
    for turn in 0..job.count {
        times[1].push(clock::nanoseconds(|| floor.append_and_sync())?);
        times[0].push(clock::nanoseconds(|| {
            Ok(array.write("dkey", "field", 1, turn * LONG as u64, values.get(turn))?)
        })?);
    }
    Ok(times.map(clock::median))
}

/// Reads of long extents, by turns with copies out of a file in memory.
fn read_long(job: &Job, array: &Object, values: &Values) -> Result<[Figure; 2]> {
    let map = Map::create(&job.directory, job.count, values)?;
    let mut bytes = vec![0; LONG];
    let mut times = [Vec::new(), Vec::new()];
    for pass in 0..3 {
        for turn in 0..job.count {
            let copied = clock::nanoseconds(|| {
                bytes.copy_from_slice(map.part(turn));
                black_box(&mut bytes);
                Ok(())
            })?;
            let read = clock::nanoseconds(|| {
                array.read("dkey", "field", 1, turn * LONG as u64, &mut bytes)?;
                black_box(&mut bytes);
                Ok(())
            })?;
            if bytes != values.get(turn) {
                return Err(format!("MiB {turn} reads otherwise than it was written").into());
            }
            // The first pass brings everything into memory.
            if pass > 0 {
                times[0].push(read);
                times[1].push(copied);
            }
        }
    }
    Ok(times.map(clock::median))
}

/// Random reads of short extents.
fn read_short<'a>(job: &Job, array: &Object, wanted: impl Fn(u64) -> &'a [u8]) -> Result<Figure> {
    let blocks = job.count * PARTS;
    let mut bytes = vec![0; SHORT];
    let mut read = |turn: u64| -> Result<u64> {
        let block = shuffled(turn, blocks);
        array.read("dkey", "field", 1, block * SHORT as u64, &mut bytes)?;
        black_box(&mut bytes);
        // Only now and then: comparing takes time too.
        if turn.is_multiple_of(64) && bytes != wanted(block) {
            return Err(format!("block {block} reads otherwise than it was written").into());
        }
        Ok(block)
    };
    // What was written and read moves things in the background.
    (0..READS).try_for_each(|turn| read(turn).map(drop))?;
    clock::wait_until_idle();
    clock::timed(READS, false, || (0..READS).try_for_each(|turn| read(turn).map(drop)))
}

/// How many gigabytes of hot data a second are scrubbed.
fn scrub(container: &Container) -> Result<f64> {
    let mut speeds = Vec::new();
    for _ in 0..SCRUBS {
        let begun = clock::now_ns();
        let report = container.scrub(ScrubOptions::default())?;
        speeds.push(report.bytes as f64 / (clock::now_ns() - begun) as f64);
        if let Some(damage) = report.damages.first() {
            return Err(format!("a scrub found damage: {damage:?}").into());
        }
    }
    speeds.sort_by(f64::total_cmp);
    Ok(speeds[SCRUBS / 2])
}

/// A file that is mapped.
struct Map {
    _file: File,
    address: *const u8,
    bytes: usize,
}

impl Map {
    /// A file of so many long values.
    fn create(directory: &Path, count: u64, values: &Values) -> Result<Self> {
        let path = directory.join("map");
        let mut file = OpenOptions::new().create_new(true).read(true).write(true).open(&path)?;
        fs::remove_file(path)?;
        for turn in 0..count {
            file.write_all(values.get(turn))?;
        }
        let bytes = usize::try_from(count)? * LONG;
        // SAFETY: a new mapping of a file of that length.
        let address = unsafe {
            libc::mmap(ptr::null_mut(), bytes, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        if address == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error().into());
        }
        Ok(Self { _file: file, address: address.cast(), bytes })
    }

    /// A long value.
    fn part(&self, turn: u64) -> &[u8] {
        let at = usize::try_from(turn).unwrap_or(usize::MAX).saturating_mul(LONG);
        assert!(at.saturating_add(LONG) <= self.bytes, "a part of the file");
        // SAFETY: within the mapping, of a file that nobody else has, which nobody writes.
        unsafe { std::slice::from_raw_parts(self.address.add(at), LONG) }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: `create` made the mapping, and no part of it is lent any more.
        unsafe { libc::munmap(self.address.cast_mut().cast(), self.bytes) };
    }
}
