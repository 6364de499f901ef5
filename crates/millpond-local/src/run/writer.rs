//! Writes a run, front to back.
//!
//! Invariant: a run that isn't finished leaves no file, unless the process dies.

use std::{cmp::Ordering, path::Path, sync::Arc};

use millpond_core::{Epoch, Error, ErrorKind, Result, limits};
use uuid::Uuid;

use super::{
    EntryRef, KIND, RunId,
    block::BlockBuilder,
    filter::FilterBuilder,
    footer::{Footer, Section},
    index::{IndexBuilder, bound_between},
    key_hash,
};
use crate::{
    identity::{HEADER_BYTES, Identity},
    media::{File, FileExt, Media, OpenMode},
};

/// Blocks are about as long, and end where a page of as many bytes does.
const BLOCK_BYTES: u64 = 4096;
/// Bytes of a page that are left empty, so that the next block begins with a page.
const FILL_BYTES: u64 = 256;
/// Bytes collected before they are written to the file.
const BUFFER_BYTES: usize = 256 << 10;
/// No key is longer: a partition and a sort key, with what an encoding may add.
pub(super) const KEY_BYTES_MAX: usize = 2 * limits::SORT_KEY_BYTES_MAX;

/// What a run holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunSummary {
    pub id: RunId,
    /// The length of the file.
    pub bytes: u64,
    pub records: u64,
    /// Least epoch of a record; of an empty run, zero.
    pub epoch_min: Epoch,
    /// Greatest epoch of a record; of an empty run, zero.
    pub epoch_max: Epoch,
    /// Empty in an empty run.
    pub first_key: Vec<u8>,
    /// Empty in an empty run.
    pub last_key: Vec<u8>,
}

/// A run that is being written.
#[derive(Debug)]
pub(crate) struct RunWriter {
    media: Arc<dyn Media>,
    file: Arc<dyn File>,
    id: RunId,
    identity: Identity,
    buffer: Vec<u8>,
    buffer_at: u64,
    block: BlockBuilder,
    block_epoch_max: u64,
    filter: FilterBuilder,
    index: IndexBuilder,
    records: u64,
    epoch_min: u64,
    epoch_max: u64,
    first_key: Vec<u8>,
    last_epoch: u64,
    state: State,
    /// A forked child must not remove what its parent writes.
    process: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Writing,
    /// A write failed, so that the file has a hole.
    Failed,
    Finished,
}

impl RunWriter {
    /// Begins a run in a new file. `records_hint` is how many records to expect; the memory of
    /// the filter follows it.
    pub(crate) fn create(
        media: &Arc<dyn Media>,
        path: &Path,
        id: RunId,
        container: Uuid,
        records_hint: u64,
    ) -> Result<Self> {
        let identity = Identity::new(&KIND, path, container, id.0);
        let file = media.open(path, OpenMode::Create).map_err(|error| identity.io("create", error))?;
        let mut buffer = Vec::with_capacity(BUFFER_BYTES + 2 * BLOCK_BYTES as usize);
        buffer.extend_from_slice(&identity.header());
        Ok(Self {
            media: media.clone(),
            file,
            id,
            identity,
            buffer,
            buffer_at: 0,
            block: BlockBuilder::default(),
            block_epoch_max: 0,
            filter: FilterBuilder::new(records_hint),
            index: IndexBuilder::default(),
            records: 0,
            epoch_min: u64::MAX,
            epoch_max: 0,
            first_key: Vec::new(),
            last_epoch: 0,
            state: State::Writing,
            process: std::process::id(),
        })
    }

    /// Adds a record. Keys come in ascending order, and the versions of a key from new to old.
    ///
    /// # Errors
    /// `InvalidArgument` for a record out of order; the run goes on without it. After an error of
    /// the file the run can't be finished.
    pub(crate) fn add(&mut self, key: &[u8], epoch: Epoch, entry: EntryRef<'_>) -> Result<()> {
        self.check_state()?;
        check_size(key, entry)?;
        let order = if self.records == 0 { Ordering::Greater } else { key.cmp(self.block.last_key()) };
        match order {
            Ordering::Greater => {}
            Ordering::Equal if epoch.0 < self.last_epoch => {}
            _ => {
                let path = self.identity.path().display();
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!("{path}: record {} of the run is out of order", self.records),
                ));
            }
        }
        let room = (block_ends(self.position()).0 - self.position()) as usize;
        if !self.block.is_empty() && self.block.length_with(key, size_of_content(entry)) > room {
            let bound = bound_between(self.block.last_key(), key).to_vec();
            self.end_block(&bound)?;
        }
        if self.records == 0 {
            self.first_key = key.to_vec();
        }
        let hash = key_hash(key);
        if order == Ordering::Greater {
            self.filter.add(hash);
        }
        self.block.add(key, hash, epoch.0, entry);
        self.records += 1;
        self.last_epoch = epoch.0;
        self.block_epoch_max = self.block_epoch_max.max(epoch.0);
        self.epoch_min = self.epoch_min.min(epoch.0);
        self.epoch_max = self.epoch_max.max(epoch.0);
        Ok(())
    }

    /// How many records were added.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// Ends the run and syncs its file; the entry in the directory is the caller's to sync.
    pub(crate) fn finish(mut self) -> Result<RunSummary> {
        self.check_state()?;
        let last_key = self.block.last_key().to_vec();
        if self.records == 0 {
            self.epoch_min = 0;
        } else {
            self.end_block(&last_key)?;
        }
        let keys = self.filter.keys();
        let filter = std::mem::replace(&mut self.filter, FilterBuilder::new(0)).finish();
        let filter = self.section(&filter)?;
        let index = std::mem::take(&mut self.index).finish(&self.first_key, &last_key);
        let index = self.section(&index)?;
        let (records, epoch_min, epoch_max) = (self.records, self.epoch_min, self.epoch_max);
        let footer = Footer { records, keys, epoch_min, epoch_max, filter, index };
        self.buffer.extend_from_slice(&footer.encode(&self.identity));
        self.write()?;
        self.file.sync().map_err(|error| self.identity.io("sync", error))?;
        self.state = State::Finished;
        Ok(RunSummary {
            id: self.id,
            bytes: self.buffer_at,
            records,
            epoch_min: Epoch(epoch_min),
            epoch_max: Epoch(epoch_max),
            first_key: std::mem::take(&mut self.first_key),
            last_key,
        })
    }

    fn end_block(&mut self, bound: &[u8]) -> Result<()> {
        let offset = self.position();
        let ends = block_ends(offset);
        let length = self.block.finish(&mut self.buffer, &self.identity, offset, ends);
        self.index.add(length, self.block_epoch_max, bound);
        self.block_epoch_max = 0;
        if self.buffer.len() >= BUFFER_BYTES { self.write() } else { Ok(()) }
    }

    fn section(&mut self, bytes: &[u8]) -> Result<Section> {
        let offset = self.position();
        self.buffer.extend_from_slice(bytes);
        self.write()?;
        let checksum = self.identity.checksum(offset, bytes);
        Ok(Section { offset, length: bytes.len() as u64, checksum })
    }

    fn position(&self) -> u64 {
        self.buffer_at + self.buffer.len() as u64
    }

    fn write(&mut self) -> Result<()> {
        if let Err(error) = self.file.write_all_at(&self.buffer, self.buffer_at) {
            self.state = State::Failed;
            return Err(self.identity.io("write", error));
        }
        self.buffer_at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn check_state(&self) -> Result<()> {
        if self.state == State::Writing {
            return Ok(());
        }
        let path = self.identity.path().display();
        Err(Error::new(ErrorKind::Io, format!("{path}: an earlier write of this run failed")))
    }
}

/// Where in the file a block that begins at `offset` is to end: with the first page that leaves it half
/// a page of room or more; and how many bytes before that it is filled up.
pub(super) fn block_ends(offset: u64) -> (u64, u64) {
    ((offset + BLOCK_BYTES / 2).next_multiple_of(BLOCK_BYTES), FILL_BYTES)
}

impl Drop for RunWriter {
    fn drop(&mut self) {
        let ours = self.process == std::process::id() && !self.media.killed();
        if self.state != State::Finished && ours {
            // What stays behind after a failure is named by no manifest, and reclaimed as garbage.
            let _ = self.media.remove(self.identity.path());
        }
    }
}

const _: () = assert!(limits::PARTITION_BYTES_MAX + limits::SORT_KEY_BYTES_MAX <= KEY_BYTES_MAX);
/// The longest key, value and extents fit in a block.
const _: () = assert!(
    KEY_BYTES_MAX + limits::RECORD_VALUE_BYTES_MAX + 30 * limits::RECORD_EXTENTS_MAX + (HEADER_BYTES + 64)
        <= super::block::BLOCK_BYTES_MAX
);

fn check_size(key: &[u8], entry: EntryRef<'_>) -> Result<()> {
    if key.len() > KEY_BYTES_MAX {
        let text = format!("a key of {} bytes is too long for a run, {KEY_BYTES_MAX} fit", key.len());
        return Err(Error::new(ErrorKind::KeyTooLong, text));
    }
    let EntryRef::Put { value, extents } = entry else { return Ok(()) };
    if value.len() > limits::RECORD_VALUE_BYTES_MAX {
        let (length, most) = (value.len(), limits::RECORD_VALUE_BYTES_MAX);
        let text = format!("a value of {length} bytes is too long for a run, {most} fit");
        return Err(Error::new(ErrorKind::ValueTooLong, text));
    }
    if extents.len() > limits::RECORD_EXTENTS_MAX {
        let (count, most) = (extents.len(), limits::RECORD_EXTENTS_MAX);
        let text = format!("a record of {count} extents is too long for a run, {most} fit");
        return Err(Error::new(ErrorKind::ValueTooLong, text));
    }
    Ok(())
}

/// At most how many bytes a record has beside its key and its checksum, but for extents an estimate.
fn size_of_content(entry: EntryRef<'_>) -> usize {
    const EPOCH_AND_TAG_BYTES: usize = 6;
    EPOCH_AND_TAG_BYTES
        + match entry {
            EntryRef::Put { value, extents } => value.len() + 12 * extents.len(),
            EntryRef::Tombstone | EntryRef::Counter(_) | EntryRef::Damaged(_) => 0,
        }
}
