//! The contracts with a clock and counters around them. A container that isn't metered does without.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use millpond_core::{
    At, ChangeCursor, Commit, Cursor, Direction, Epoch, Extent, Index, Key, KeyRange, Op, Outcome, Record,
    RecordRef, Result, SegmentWriter, Segments, Store, View, Watch, WatchOptions, Write, WriteStream,
};

use super::{Operations, histogram::Counting};

/// What was done through a handle.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    commits: Counting,
    syncs: Counting,
    gets: Counting,
    segment_reads: Counting,
    commits_refused: AtomicU64,
    conflicts: AtomicU64,
    records_written: AtomicU64,
    records_scanned: AtomicU64,
    bytes_written: AtomicU64,
    bytes_read: AtomicU64,
}

impl Meter {
    pub(super) fn read(&self) -> Operations {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Operations {
            commits: self.commits.read(),
            flushes: self.syncs.read(),
            gets: self.gets.read(),
            segment_reads: self.segment_reads.read(),
            commits_refused: load(&self.commits_refused),
            conflicts: load(&self.conflicts),
            records_written: load(&self.records_written),
            records_scanned: load(&self.records_scanned),
            bytes_written: load(&self.bytes_written),
            bytes_read: load(&self.bytes_read),
        }
    }

    fn committed(&self, began: Instant, outcome: &Result<Outcome>, records: u64, bytes: u64) {
        match outcome {
            Ok(Outcome::Committed { .. }) => {
                self.commits.add(began.elapsed());
                add(&self.records_written, records);
                add(&self.bytes_written, bytes);
            }
            Ok(Outcome::Conflict { .. }) => add(&self.conflicts, 1),
            Err(_) => add(&self.commits_refused, 1),
        }
    }
}

fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

/// Bytes of a write that are the user's and the model's: key and value, without long values.
fn bytes_of(write: &Write<'_>) -> u64 {
    let value = match write.op {
        Op::Put { value, .. } => value.len(),
        _ => 0,
    };
    (write.key.partition.len() + write.key.sort.len() + value) as u64
}

/// The index and the segments of a store, metered.
pub(crate) struct Metered {
    store: Arc<dyn Store>,
    pub(crate) meter: Arc<Meter>,
}

impl Metered {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, meter: Arc::default() }
    }
}

impl Index for Metered {
    fn commit(&self, commit: &Commit<'_>) -> Result<Outcome> {
        let began = Instant::now();
        let outcome = self.store.index().commit(commit);
        let bytes = commit.writes.iter().map(bytes_of).sum();
        self.meter.committed(began, &outcome, commit.writes.len() as u64, bytes);
        outcome
    }

    fn commit_stream(&self, commit: &Commit<'_>, writes: &mut dyn WriteStream) -> Result<Outcome> {
        let began = Instant::now();
        let mut counted = CountedWrites { writes, records: 0, bytes: 0 };
        let outcome = self.store.index().commit_stream(commit, &mut counted);
        self.meter.committed(began, &outcome, counted.records, counted.bytes);
        outcome
    }

    fn view(&self, at: At) -> Result<Box<dyn View>> {
        let view = self.store.index().view(at)?;
        Ok(Box::new(MeteredView { view, meter: Arc::clone(&self.meter) }))
    }

    fn get(&self, key: Key<'_>) -> Result<Option<Record>> {
        let began = Instant::now();
        let record = self.store.index().get(key)?;
        self.meter.gets.add(began.elapsed());
        add(&self.meter.bytes_read, record.as_ref().map_or(0, |record| record.value.len() as u64));
        Ok(record)
    }

    fn epoch(&self) -> Result<Epoch> {
        self.store.index().epoch()
    }

    fn flush(&self) -> Result<Epoch> {
        let began = Instant::now();
        let epoch = self.store.index().flush()?;
        self.meter.syncs.add(began.elapsed());
        Ok(epoch)
    }

    fn watch(&self, options: &WatchOptions<'_>) -> Result<Box<dyn Watch>> {
        self.store.index().watch(options)
    }
}

struct CountedWrites<'a> {
    writes: &'a mut dyn WriteStream,
    records: u64,
    bytes: u64,
}

impl WriteStream for CountedWrites<'_> {
    fn records_max(&self) -> u64 {
        self.writes.records_max()
    }

    fn next(&mut self) -> Result<Option<Write<'_>>> {
        let write = self.writes.next()?;
        if let Some(write) = &write {
            self.records += 1;
            self.bytes += bytes_of(write);
        }
        Ok(write)
    }
}

impl Segments for Metered {
    fn writer(&self) -> Result<Box<dyn SegmentWriter>> {
        let writer = self.store.segments().writer()?;
        Ok(Box::new(MeteredWriter { writer, meter: Arc::clone(&self.meter) }))
    }

    fn read(&self, extent: &Extent, offset: u64, into: &mut [u8]) -> Result<()> {
        let began = Instant::now();
        self.store.segments().read(extent, offset, into)?;
        self.meter.segment_reads.add(began.elapsed());
        add(&self.meter.bytes_read, into.len() as u64);
        Ok(())
    }
}

struct MeteredWriter {
    writer: Box<dyn SegmentWriter>,
    meter: Arc<Meter>,
}

impl SegmentWriter for MeteredWriter {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.append(bytes)?;
        add(&self.meter.bytes_written, bytes.len() as u64);
        Ok(())
    }

    fn finish(&mut self) -> Result<Vec<Extent>> {
        self.writer.finish()
    }

    fn abandon(&mut self) {
        self.writer.abandon();
    }
}

struct MeteredView {
    view: Box<dyn View>,
    meter: Arc<Meter>,
}

impl View for MeteredView {
    fn epoch(&self) -> Epoch {
        self.view.epoch()
    }

    fn get(&self, key: Key<'_>) -> Result<Option<Record>> {
        let began = Instant::now();
        let record = self.view.get(key)?;
        self.meter.gets.add(began.elapsed());
        add(&self.meter.bytes_read, record.as_ref().map_or(0, |record| record.value.len() as u64));
        Ok(record)
    }

    fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Option<Record>>> {
        let began = Instant::now();
        let records = self.view.get_many(keys)?;
        // Each of them took its share.
        let each = began.elapsed() / u32::try_from(keys.len().max(1)).unwrap_or(u32::MAX);
        keys.iter().for_each(|_| self.meter.gets.add(each));
        let bytes = records.iter().flatten().map(|record| record.value.len() as u64).sum();
        add(&self.meter.bytes_read, bytes);
        Ok(records)
    }

    fn scan(&self, range: KeyRange<'_>, direction: Direction) -> Result<Box<dyn Cursor>> {
        let cursor = self.view.scan(range, direction)?;
        Ok(Box::new(MeteredCursor { cursor, meter: Arc::clone(&self.meter), records: 0, bytes: 0 }))
    }

    fn count(&self, range: KeyRange<'_>) -> Result<u64> {
        self.view.count(range)
    }

    fn changes(&self, since: Epoch, prefix: &[u8]) -> Result<Box<dyn ChangeCursor>> {
        self.view.changes(since, prefix)
    }
}

struct MeteredCursor {
    cursor: Box<dyn Cursor>,
    meter: Arc<Meter>,
    records: u64,
    bytes: u64,
}

impl Cursor for MeteredCursor {
    fn advance(&mut self) -> Result<bool> {
        let more = self.cursor.advance()?;
        if more {
            self.records += 1;
            self.bytes += (self.cursor.key().len() + self.cursor.record().value.len()) as u64;
        }
        Ok(more)
    }

    fn key(&self) -> &[u8] {
        self.cursor.key()
    }

    fn record(&self) -> RecordRef<'_> {
        self.cursor.record()
    }
}

impl Drop for MeteredCursor {
    fn drop(&mut self) {
        add(&self.meter.records_scanned, self.records);
        add(&self.meter.bytes_read, self.bytes);
    }
}
