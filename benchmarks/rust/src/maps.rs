//! Threads at once on an ordered map: readers, and writers that compare and swap.

use std::{sync::Barrier, thread};

use millpond::{Comparator, ErrorKind, OrderedMap};

use crate::{
    Result,
    clock::{self, Start},
    job::{Figure, Job, Report},
    keys::{Values, key, shuffled, touch},
    peers::millpond::container,
};

const READERS: u64 = 8;
const SWAPPERS: u64 = 16;

/// Keys on which all that swap meet.
const SWAPPED: u64 = 16;

/// Swaps, in all.
const SWAPS: u64 = 32_000;

/// See the module.
pub fn run(job: &Job) -> Result<Report> {
    let container = container(&job.directory, job.durability)?;
    let map = container.create_map("bench", &Comparator::Bytes)?;
    let values = Values::new(job.value_bytes);
    map.put_many((0..job.count).map(|index| (key(job.seed, index), values.get(index))))?;
    clock::wait_until_idle();
    let mut report = Report::default();
    for threads in [1, READERS] {
        let read = |thread: u64| {
            for turn in 0..job.count / threads {
                let index = shuffled(turn + thread * (job.count / threads), job.count);
                touch(&map.get(&key(job.seed, index))?.ok_or("a record is missing")?);
            }
            Ok(())
        };
        report.figures.insert(
            format!("get_of_{threads}_thread{}", plural(threads)),
            together(threads, job.count, read)?,
        );
    }
    for threads in [1, SWAPPERS] {
        let swap = |_| add(&map, SWAPS / threads);
        report
            .figures
            .insert(format!("swap_of_{threads}_thread{}", plural(threads)), together(threads, SWAPS, swap)?);
    }
    let sum: u64 = (0..SWAPPED).map(|key| number(&map, key)).sum::<Result<u64>>()?;
    if sum != 2 * SWAPS {
        return Err(format!("{sum} of {} additions are there", 2 * SWAPS).into());
    }
    Ok(report)
}

fn plural(threads: u64) -> &'static str {
    if threads == 1 { "" } else { "s" }
}

/// Some work by threads, from the first one's beginning to the last one's end.
fn together(threads: u64, operations: u64, work: impl Fn(u64) -> Result<()> + Sync) -> Result<Figure> {
    let ready = Barrier::new(usize::try_from(threads)?);
    let spans = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let (ready, work) = (&ready, &work);
                scope.spawn(move || -> Result<(Start, u64)> {
                    ready.wait();
                    let start = Start::now();
                    work(thread)?;
                    Ok((start, clock::now_ns()))
                })
            })
            .collect();
        let ended = workers.into_iter().map(|worker| worker.join().map_err(|_| "a thread panicked")?);
        ended.collect::<Result<Vec<_>>>()
    })?;
    let start = spans.iter().map(|span| span.0).reduce(Start::min).ok_or("no thread")?;
    Ok(start.figure(spans.iter().map(|span| span.1).max().unwrap_or(0), operations, false))
}

fn number(map: &OrderedMap, counter: u64) -> Result<u64> {
    let value = map.get(&counter.to_be_bytes())?;
    Ok(value.map_or(Ok(0), |value| value[..].try_into().map(u64::from_be_bytes))?)
}

/// Adds one to one counter after the other, each by a swap, again where others were faster.
fn add(map: &OrderedMap, times: u64) -> Result<()> {
    for turn in 0..times {
        let counter = turn % SWAPPED;
        loop {
            let before = number(map, counter)?;
            let old = before.to_be_bytes();
            let expected = (before > 0).then_some(&old[..]);
            match map.compare_and_swap(&counter.to_be_bytes(), expected, Some(&(before + 1).to_be_bytes())) {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}
