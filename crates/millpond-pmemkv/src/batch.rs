//! Records on their way out, many at a time, so that who reads them takes a lock, and lets go of an
//! interpreter, once for many.

use std::ops::Range;

use crate::{
    engine::Engine,
    error::{Error, Result},
    value::Value,
};

/// Records in the first batch; each further one has twice as many.
const RECORDS_MIN: usize = 16;
/// Records in a batch at most.
const RECORDS_MAX: usize = 1024;
/// Bytes after which a batch is complete.
const BATCH_BYTES: usize = 1 << 20;
/// Bytes of a value from which on it is shared, rather than copied.
pub(crate) const SHARED_BYTES_MIN: usize = 4096;

/// Whether values are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Keys alone: values aren't even read.
    Keys,
    /// Keys with their values.
    Items,
}

/// Some records: their keys and short values in one piece of memory.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    records: Vec<Entry>,
    records_max: usize,
    content: usize,
}

#[derive(Debug)]
struct Entry {
    key: Range<usize>,
    value: Content,
}

#[derive(Debug)]
enum Content {
    Copied(Range<usize>),
    Shared(Value),
}

impl Batch {
    /// Empties it, for one that may be twice as large.
    fn begin(&mut self) {
        self.bytes.clear();
        self.records.clear();
        self.content = 0;
        self.records_max = (2 * self.records_max).clamp(RECORDS_MIN, RECORDS_MAX);
    }

    /// Whether it takes no more.
    pub(crate) fn is_full(&self) -> bool {
        self.records.len() >= self.records_max || self.content >= BATCH_BYTES
    }

    /// Adds a record whose value is copied.
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) {
        let key = self.copy(key);
        let value = Content::Copied(self.copy(value));
        self.records.push(Entry { key, value });
    }

    /// Adds a record whose value is shared.
    pub(crate) fn push_shared(&mut self, key: &[u8], value: Value) {
        let key = self.copy(key);
        self.content += value.len();
        self.records.push(Entry { key, value: Content::Shared(value) });
    }

    fn copy(&mut self, bytes: &[u8]) -> Range<usize> {
        self.bytes.extend_from_slice(bytes);
        self.content += bytes.len();
        self.bytes.len() - bytes.len()..self.bytes.len()
    }

    fn get(&self, index: usize) -> Option<(&[u8], Found<'_>)> {
        let entry = self.records.get(index)?;
        let value = match &entry.value {
            Content::Copied(range) => Found::Copied(&self.bytes[range.clone()]),
            Content::Shared(value) => Found::Shared(value),
        };
        Some((&self.bytes[entry.key.clone()], value))
    }
}

/// The value of a record of a batch.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// A short one, in the batch.
    Copied(&'a [u8]),
    /// A long one, which can be held on to.
    Shared(&'a Value),
}

impl AsRef<[u8]> for Found<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Shared(value) => value,
        }
    }
}

/// Where a scan of an engine is.
pub(crate) trait Cursor: Send {
    /// Adds the next records to a batch until it is full; answers whether there may be more.
    fn fill(&mut self, batch: &mut Batch) -> Result<bool>;
}

/// The records of a range, one after the other. Records that are put or removed meanwhile may be seen or
/// not; a persistent engine shows one state, also after it was closed.
pub struct Records {
    /// What the records are lost with.
    volatile: Option<Engine>,
    cursor: Box<dyn Cursor>,
    batch: Batch,
    taken: usize,
    more: bool,
    /// Met while reading ahead, and told once what came before it is taken.
    failure: Option<Error>,
}

impl Records {
    pub(crate) fn new(engine: &Engine, cursor: Box<dyn Cursor>) -> Self {
        let volatile = (!engine.traits().persistent).then(|| engine.clone());
        Self { volatile, cursor, batch: Batch::default(), taken: 0, more: true, failure: None }
    }

    /// Whether the next record has to be read first, which may take a lock or a disk.
    pub fn is_drained(&self) -> bool {
        self.taken == self.batch.records.len() && (self.more || self.failure.is_some())
    }

    /// Reads records ahead, if those that were read are taken.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` where the engine was volatile and is closed.
    pub fn read_ahead(&mut self) -> Result<()> {
        while self.is_drained() {
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            self.batch.begin();
            self.taken = 0;
            match self.cursor.fill(&mut self.batch) {
                Ok(more) => self.more = more,
                Err(failure) => self.failure = Some(failure),
            }
            // What was found may be what a close has left.
            self.volatile.as_ref().map_or(Ok(()), Engine::expect_open)?;
        }
        Ok(())
    }

    /// The next record that was read ahead; none when all of those are taken. Its value is empty where keys
    /// alone were asked for.
    pub fn next_ready(&mut self) -> Option<(&[u8], Found<'_>)> {
        let next = self.batch.get(self.taken);
        self.taken += usize::from(next.is_some());
        next
    }

    /// The next record.
    pub fn next_record(&mut self) -> Result<Option<(&[u8], Found<'_>)>> {
        self.read_ahead()?;
        Ok(self.next_ready())
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Config, status::Status};

    /// Has two records, of which something between can't be read.
    struct Broken(u8);

    impl Cursor for Broken {
        fn fill(&mut self, batch: &mut Batch) -> Result<bool> {
            self.0 += 1;
            match self.0 {
                1 => {
                    batch.push(b"first", b"1");
                    Err(Error::new(Status::UnknownError, "damaged"))
                }
                2 => {
                    batch.push(b"second", b"2");
                    Ok(false)
                }
                _ => unreachable!("it has said that there is no more"),
            }
        }
    }

    #[test]
    fn a_failure_comes_after_what_was_before_it() {
        let engine = Engine::open("blackhole", &Config::default()).expect("opened");
        let mut records = Records::new(&engine, Box::new(Broken(0)));
        assert!(records.is_drained());
        assert_eq!(records.next_record().expect("read").expect("one").0, b"first");
        assert!(records.is_drained());
        assert_eq!(records.next_record().expect_err("damaged").status(), Status::UnknownError);
        assert_eq!(records.next_record().expect("read").expect("one more").0, b"second");
        assert!(!records.is_drained());
        assert!(records.next_record().expect("read").is_none());
    }
}
