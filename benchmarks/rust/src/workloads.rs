//! The workloads: each is done by all threads of a process at once, each with its share of the keys.

use std::{hint::black_box, sync::Barrier, thread};

use crate::{
    Result, alternate,
    clock::{self, Start},
    job::{Durability, Figure, Job, Report},
    keys::{Key, Values, key, shuffled},
    peers::{self, Peer, Session},
};

/// Records of a batch.
const BATCH: u64 = 1000;

/// Keys that a transaction reads, and as many others that it overwrites.
const TRANSACTION: usize = 10;

/// Does the job's workloads in this process.
pub fn run(job: &Job) -> Result<Report> {
    let store = peers::open(job)?;
    let mut report = Report::default();
    for workload in &job.workloads {
        match workload.as_str() {
            "compact" => store.compact()?,
            "timed_put" | "timed_overwrite" => {
                let [figure, floor] = alternate::run(job, &*store, workload == "timed_overwrite")?;
                report.figures.insert(workload.clone(), figure);
                report.figures.insert(format!("{workload}_floor"), floor);
            }
            _ => {
                report.figures.insert(workload.clone(), measure(job, &*store, workload)?);
            }
        }
        if workload.starts_with("scan")
            && let Some(runs) = store.runs()?
        {
            report.facts.insert(format!("{workload}_runs"), runs as f64);
        }
    }
    if let Some(count) = store.len()?
        && count != job.count
    {
        return Err(format!("{} counts {count} records, and holds {}", job.peer, job.count).into());
    }
    store.close()?;
    Ok(report)
}

/// One workload, by all threads of this process: from the first one's beginning to the last one's end.
pub fn measure(job: &Job, store: &dyn Peer, workload: &str) -> Result<Figure> {
    let values = Values::new(job.value_bytes);
    let share = job.count / (job.threads * job.processes);
    let writes = matches!(workload, "put" | "overwrite" | "put_many" | "transact");
    // Where a sync is part of it, time on the clock counts, and nothing is to be waited for.
    let settle = writes && job.durability == Durability::Async;
    let first = job.member * job.threads;
    let ready = Barrier::new(usize::try_from(job.threads)?);
    let spans = thread::scope(|scope| {
        let threads: Vec<_> = (first..first + job.threads)
            .map(|thread| {
                let part = Part { seed: job.seed, first: thread * share, count: share };
                let (ready, values) = (&ready, &values);
                scope.spawn(move || -> Result<(Start, u64)> {
                    let session = store.session();
                    // Before the error is returned: the others would wait for ever.
                    ready.wait();
                    let mut session = session?;
                    // By the thread itself: whoever waits for it may be late.
                    let start = Start::now();
                    part.work(&mut *session, workload, values)?;
                    Ok((start, clock::now_ns()))
                })
            })
            .collect();
        let ended = threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")?);
        ended.collect::<Result<Vec<_>>>()
    })?;
    let start = spans.iter().map(|span| span.0).reduce(Start::min).ok_or("a job without a thread")?;
    let end_ns = spans.iter().map(|span| span.1).max().unwrap_or(0);
    let operations = if workload == "transact" { share / TRANSACTION as u64 } else { share };
    Ok(start.figure(end_ns, operations * job.threads, settle))
}

/// A thread's share of the keys.
struct Part {
    seed: u64,
    first: u64,
    count: u64,
}

impl Part {
    fn work(&self, session: &mut dyn Session, workload: &str, values: &Values) -> Result<()> {
        match workload {
            "put" => self.put(session, values, |turn| turn),
            "overwrite" => self.put(session, values, |turn| shuffled(turn, self.count)),
            "get" => self.get(session),
            "put_many" => self.put_many(session, values),
            "get_many" => self.get_many(session),
            "transact" => self.transact(session, values),
            "scan" | "scan_compacted" => expect(session.scan(u64::MAX)?, self.count),
            other => Err(format!("there is no workload {other:?}").into()),
        }
    }

    fn put(&self, session: &mut dyn Session, values: &Values, order: impl Fn(u64) -> u64) -> Result<()> {
        for turn in 0..self.count {
            let index = self.first + order(turn);
            session.put(&key(self.seed, index), values.get(index + turn))?;
        }
        Ok(())
    }

    fn get(&self, session: &mut dyn Session) -> Result<()> {
        for turn in 0..self.count {
            let index = self.first + shuffled(turn, self.count);
            match session.get(&key(self.seed, index))? {
                Some(sum) => black_box(sum),
                None => return Err(format!("key {index} is missing").into()),
            };
        }
        Ok(())
    }

    fn put_many(&self, session: &mut dyn Session, values: &Values) -> Result<()> {
        put_batches(session, values, self.seed, self.first..self.first + self.count, BATCH)
    }

    fn transact(&self, session: &mut dyn Session, values: &Values) -> Result<()> {
        let at = |turn: u64| self.first + shuffled(turn % self.count, self.count);
        for turn in 0..self.count / TRANSACTION as u64 {
            let first = turn * TRANSACTION as u64;
            let reads: [Key; TRANSACTION] = std::array::from_fn(|n| key(self.seed, at(first + n as u64)));
            let writes: [(Key, &[u8]); TRANSACTION] = std::array::from_fn(|n| {
                let index = at(first + self.count / 2 + n as u64);
                (key(self.seed, index), values.get(index + turn))
            });
            let found = session.transact(&reads, &writes)?;
            expect(found, TRANSACTION as u64)?;
        }
        Ok(())
    }

    fn get_many(&self, session: &mut dyn Session) -> Result<()> {
        let mut keys: Vec<Key> = Vec::new();
        let mut found = 0;
        for turn in 0..self.count {
            keys.push(key(self.seed, self.first + shuffled(turn, self.count)));
            if keys.len() as u64 == BATCH || turn + 1 == self.count {
                found += session.get_many(&keys)?;
                keys.clear();
            }
        }
        expect(found, self.count)
    }
}

/// Puts the records of some indices, so many in a commit.
pub fn put_batches(
    session: &mut dyn Session,
    values: &Values,
    seed: u64,
    indices: std::ops::Range<u64>,
    batch: u64,
) -> Result<()> {
    let mut first = indices.start;
    while first < indices.end {
        let end = indices.end.min(first + batch);
        let entries: Vec<(Key, &[u8])> =
            (first..end).map(|index| (key(seed, index), values.get(index))).collect();
        session.put_many(&entries)?;
        first = end;
    }
    Ok(())
}

fn expect(found: u64, wanted: u64) -> Result<()> {
    if found == wanted { Ok(()) } else { Err(format!("{found} of {wanted} records were found").into()) }
}
