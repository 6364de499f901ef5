//! The ten workloads, as each of their threads does them.

use std::ops::Range;

use clap::ValueEnum;

use super::thread::{Stop, Thread};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub(super) enum Workload {
    /// Load the entries in the order of their numbers.
    FillSeq,
    /// Load as many entries in random order.
    FillRandom,
    /// The same in transactions.
    TxFillRandom,
    /// Read values in the order of their numbers.
    ReadSeq,
    /// Read values in random order.
    ReadRandom,
    /// Look for keys that aren't there.
    ReadMissing,
    /// Remove the entries in the order of their numbers.
    DeleteSeq,
    /// Remove entries in random order.
    DeleteRandom,
    /// Read values in random order, while one more thread writes.
    ReadWhileWriting,
    /// Read and write in random order.
    ReadRandomWriteRandom,
}

impl Workload {
    /// Its name on the command line and in rows.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FillSeq => "fillseq",
            Self::FillRandom => "fillrandom",
            Self::TxFillRandom => "txfillrandom",
            Self::ReadSeq => "readseq",
            Self::ReadRandom => "readrandom",
            Self::ReadMissing => "readmissing",
            Self::DeleteSeq => "deleteseq",
            Self::DeleteRandom => "deleterandom",
            Self::ReadWhileWriting => "readwhilewriting",
            Self::ReadRandomWriteRandom => "readrandomwriterandom",
        }
    }

    /// Does it, as one of its threads.
    pub(super) fn run(self, thread: &mut Thread<'_>) -> Result<(), Stop> {
        match self {
            Self::FillSeq => fill(thread, Order::Ascending),
            Self::FillRandom => fill(thread, Order::Random),
            Self::TxFillRandom => fill_in_transactions(thread),
            Self::ReadSeq => read(thread, Order::Ascending, false),
            Self::ReadRandom => read(thread, Order::Random, false),
            Self::ReadMissing => read(thread, Order::Random, true),
            Self::DeleteSeq => delete(thread, Order::Ascending),
            Self::DeleteRandom => delete(thread, Order::Random),
            Self::ReadWhileWriting if thread.is_writer() => write(thread),
            Self::ReadWhileWriting => read(thread, Order::Random, false),
            Self::ReadRandomWriteRandom => read_and_write(thread),
        }
    }
}

/// In which order keys come.
#[derive(Clone, Copy)]
enum Order {
    Ascending,
    Random,
}

impl Order {
    /// The key of an operation, of those that are the thread's.
    fn key(self, thread: &mut Thread<'_>, operation: u64, keys: &Range<u64>) -> u64 {
        let among = (keys.end - keys.start).max(1);
        keys.start
            + match self {
                Self::Ascending => operation % among,
                Self::Random => thread.random.below(among),
            }
    }
}

fn fill(thread: &mut Thread<'_>, order: Order) -> Result<(), Stop> {
    let keys = thread.share(thread.run.settings.num);
    let value = vec![b'X'; thread.run.settings.value_size];
    for operation in 0..keys.end - keys.start {
        let key = order.key(thread, operation, &keys);
        thread.set_key(key, false);
        thread.run.engine.put(&thread.key, &value)?;
        thread.stats.bytes += thread.record_bytes();
        thread.operation()?;
    }
    Ok(())
}

/// Here, an operation is a transaction.
fn fill_in_transactions(thread: &mut Thread<'_>) -> Result<(), Stop> {
    let keys = thread.share(thread.run.settings.num);
    let value = vec![b'X'; thread.run.settings.value_size];
    let mut left = keys.end - keys.start;
    while left > 0 {
        let count = left.min(thread.run.settings.tx_size);
        let mut transaction = thread.run.engine.transaction()?;
        for operation in 0..count {
            let key = Order::Random.key(thread, operation, &keys);
            thread.set_key(key, false);
            transaction.put(&thread.key, &value)?;
            thread.stats.bytes += thread.record_bytes();
        }
        transaction.commit()?;
        thread.operation()?;
        left -= count;
    }
    Ok(())
}

fn read(thread: &mut Thread<'_>, order: Order, is_missing: bool) -> Result<(), Stop> {
    let (keys, reads) = (thread.share(thread.run.settings.num), thread.share(thread.run.settings.reads()));
    let (mut found, reads) = (0, reads.end - reads.start);
    for operation in 0..reads {
        let key = order.key(thread, operation, &keys);
        thread.set_key(key, is_missing);
        found += u64::from(get(thread)?);
        thread.operation()?;
    }
    thread.stats.message = format!("({found} of {reads} found by one thread)");
    Ok(())
}

/// Reads the value of the thread's key, whole; answers whether there is one.
fn get(thread: &mut Thread<'_>) -> Result<bool, Stop> {
    let value = thread.run.engine.get(&thread.key)?;
    if let Some(value) = &value {
        thread.value.clear();
        thread.value.extend_from_slice(value);
        thread.stats.bytes += value.len() as u64;
    }
    thread.stats.bytes += thread.key.len() as u64;
    Ok(value.is_some())
}

fn delete(thread: &mut Thread<'_>, order: Order) -> Result<(), Stop> {
    let keys = thread.share(thread.run.settings.num);
    for operation in 0..keys.end - keys.start {
        let key = order.key(thread, operation, &keys);
        thread.set_key(key, false);
        thread.run.engine.remove(&thread.key)?;
        thread.operation()?;
    }
    Ok(())
}

/// Writes for as long as others read.
fn write(thread: &mut Thread<'_>) -> Result<(), Stop> {
    while thread.run.has_readers() {
        put_random(thread)?;
        thread.check()?;
    }
    Ok(())
}

/// Puts a value that looks random under a random key.
fn put_random(thread: &mut Thread<'_>) -> Result<(), Stop> {
    let key = thread.random.below(thread.run.settings.num);
    thread.set_key(key, false);
    let value = thread.run.values.part(key, thread.run.settings.value_size);
    thread.run.engine.put(&thread.key, value)?;
    thread.stats.bytes += thread.record_bytes();
    Ok(())
}

/// So many of a hundred operations are reads, and the rest of them writes.
fn read_and_write(thread: &mut Thread<'_>) -> Result<(), Stop> {
    let (mut found, mut reads, mut writes) = (0, 0, 0);
    let total = thread.run.settings.reads();
    let reads_of_hundred = u64::from(thread.run.settings.readwritepercent);
    for operation in 0..total {
        if operation % 100 < reads_of_hundred {
            let key = thread.random.below(thread.run.settings.num);
            thread.set_key(key, false);
            found += u64::from(get(thread)?);
            reads += 1;
        } else {
            put_random(thread)?;
            writes += 1;
        }
        thread.operation()?;
    }
    thread.stats.message = format!("(reads:{reads} writes:{writes} total:{total} found:{found})");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for workload in Workload::value_variants() {
            assert_eq!(Workload::from_str(workload.name(), false), Ok(*workload));
        }
    }
}
