//! The segments of a container, as one process uses them.
//!
//! Invariants:
//! - A segment has one writer: the process whose serial number is in its name, and there one
//!   [`Writer`] at a time, which takes an idle file or makes a new one.
//! - What a writer finished stays `pending` until a commit names it: till then no manifest and no
//!   log record speaks for it, and this process must not take it for garbage.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    sync::{Arc, Weak},
};

use millpond_core::{Error, ErrorKind, Extent, Result, SegmentId, SegmentWriter, limits};
use uuid::Uuid;

use crate::{
    fork,
    media::Media,
    segment::{self, SegmentFile, SegmentReader, file_name},
    space::Space,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

/// Segment files that wait for a next writer.
const IDLE_MAX: usize = 4;

/// Bytes that are charged to the quota at a time while a value is written.
const CHARGE_BYTES: u64 = 1 << 20;

type NewId<'a> = Box<dyn Fn() -> Result<u64> + Send + 'a>;
type Reclaim<'a> = Box<dyn Fn() -> bool + Send + 'a>;

/// See the module.
pub(crate) struct SegmentPool {
    media: Arc<dyn Media>,
    dir: PathBuf,
    container: Uuid,
    space: Arc<dyn Space>,
    /// Whether files are read as memory.
    mapped: bool,
    inner: Mutex<Inner>,
    /// Whether values were given up whose bytes are still in segments.
    wasted: AtomicBool,
}

#[derive(Default)]
struct Inner {
    idle: Vec<SegmentFile>,
    /// Made by this process, and neither idle nor sealed: some writer has it.
    active: BTreeSet<SegmentId>,
    /// Where values begin that were finished and not committed yet, by segment.
    pending: BTreeMap<SegmentId, BTreeSet<u64>>,
    /// Made by this process and not unlinked.
    own: BTreeSet<SegmentId>,
    /// Written by this process since it was last synced.
    unsynced: BTreeMap<SegmentId, Unsynced>,
    /// A sync of these failed: what was in them may be lost, though a later sync succeed.
    failed: BTreeSet<SegmentId>,
    readers: BTreeMap<SegmentId, Arc<SegmentReader>>,
}

/// A segment that was written since it was last synced.
#[derive(Default)]
struct Unsynced {
    /// How many values were finished since: whether one came while a sync was under way.
    values: u64,
    /// Held to sync it, so that whoever finds a sync under way waits for its end.
    turn: Arc<Mutex<()>>,
}

impl fmt::Debug for SegmentPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentPool").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl SegmentPool {
    pub(crate) fn new(
        media: Arc<dyn Media>,
        dir: PathBuf,
        container: Uuid,
        space: Arc<dyn Space>,
        mapped: bool,
    ) -> Self {
        let (inner, wasted) = (Mutex::default(), AtomicBool::new(false));
        Self { media, dir, container, space, mapped, inner, wasted }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn path(&self, segment: SegmentId) -> PathBuf {
        self.dir.join(file_name(segment))
    }

    /// A writer, on an idle segment or one numbered by `new_id`. When the quota is full, it asks
    /// `reclaim` to give space back, and tries once more if that says that it did.
    pub(crate) fn writer<'a>(
        self: &Arc<Self>,
        new_id: impl Fn() -> Result<u64> + Send + 'a,
        reclaim: impl Fn() -> bool + Send + 'a,
    ) -> Writer<'a> {
        self.writer_with(Box::new(new_id), Some(Box::new(reclaim)))
    }

    /// A writer for a merge, which gives back more than it takes, whatever the quota.
    pub(crate) fn mover<'a>(self: &Arc<Self>, new_id: impl Fn() -> Result<u64> + Send + 'a) -> Writer<'a> {
        self.writer_with(Box::new(new_id), None)
    }

    fn writer_with<'a>(self: &Arc<Self>, new_id: NewId<'a>, reclaim: Option<Reclaim<'a>>) -> Writer<'a> {
        Writer {
            pool: self.clone(),
            fork: fork::generation(),
            file: None,
            new_id,
            reclaim,
            finished: Vec::new(),
            handed_out: Vec::new(),
            charged: 0,
            written: 0,
            part: 0,
            counted: 0,
        }
    }

    fn take_file(&self, new_id: &(dyn Fn() -> Result<u64> + Send + '_)) -> Result<SegmentFile> {
        {
            let mut inner = self.inner();
            if let Some(file) = inner.idle.pop() {
                inner.active.insert(file.id());
                return Ok(file);
            }
        }
        let id = SegmentId(new_id()?);
        let mut inner = self.inner();
        inner.own.insert(id);
        inner.active.insert(id);
        drop(inner);
        let made = SegmentFile::create(&self.media, &self.path(id), id, self.container).and_then(|file| {
            self.media
                .sync_dir(&self.dir)
                .map_err(|error| Error::io(format!("syncing {}", self.dir.display()), error))?;
            self.space.charge_anyway(file.length());
            Ok(file)
        });
        made.inspect_err(|_| self.forget(id))
    }

    fn give_back(&self, file: SegmentFile) {
        let mut inner = self.inner();
        inner.active.remove(&file.id());
        let is_sound = !inner.failed.contains(&file.id());
        if is_sound && file.length() < limits::SEGMENT_BYTES_MAX && inner.idle.len() < IDLE_MAX {
            inner.idle.push(file);
        }
    }

    /// Ends every idle segment, so that it can be compacted.
    pub(crate) fn seal_idle(&self) {
        self.inner().idle.clear();
    }

    /// Whether this process may treat its own segment as garbage, or move what is in it.
    pub(crate) fn is_released(&self, segment: SegmentId) -> bool {
        let inner = self.inner();
        !inner.active.contains(&segment)
            && !inner.pending.contains_key(&segment)
            && !inner.idle.iter().any(|file| file.id() == segment)
    }

    /// Segments that this process made.
    pub(crate) fn own(&self) -> Vec<SegmentId> {
        self.inner().own.iter().copied().collect()
    }

    /// Whether values were given up, since this was last asked, whose bytes are still in segments.
    pub(crate) fn take_wasted(&self) -> bool {
        self.wasted.swap(false, Ordering::Relaxed)
    }

    /// Whether the segment waits for a next writer, so that it can be sealed at any time.
    pub(crate) fn is_idle(&self, segment: SegmentId) -> bool {
        self.inner().idle.iter().any(|file| file.id() == segment)
    }

    /// The segment is unlinked.
    pub(crate) fn forget(&self, segment: SegmentId) {
        let mut inner = self.inner();
        inner.own.remove(&segment);
        inner.active.remove(&segment);
        inner.unsynced.remove(&segment);
        inner.readers.remove(&segment);
    }

    /// The segments of those extents that aren't fresh from a writer of this process.
    pub(crate) fn not_pending<'a>(&self, extents: impl Iterator<Item = &'a Extent>) -> BTreeSet<SegmentId> {
        let mut extents = extents.peekable();
        if extents.peek().is_none() {
            return BTreeSet::new();
        }
        let inner = self.inner();
        let is_pending = |extent: &&Extent| {
            inner.pending.get(&extent.segment).is_some_and(|offsets| offsets.contains(&extent.offset))
        };
        extents.filter(|extent| !is_pending(extent)).map(|extent| extent.segment).collect()
    }

    /// These extents are committed, or given up.
    pub(crate) fn committed(&self, extents: impl Iterator<Item = Extent>) {
        let mut extents = extents.peekable();
        if extents.peek().is_none() {
            return;
        }
        let mut inner = self.inner();
        for extent in extents {
            if let Some(offsets) = inner.pending.get_mut(&extent.segment) {
                offsets.remove(&extent.offset);
                if offsets.is_empty() {
                    inner.pending.remove(&extent.segment);
                }
            }
        }
    }

    /// Makes what was written to these segments durable, whoever wrote it.
    pub(crate) fn sync(&self, segments: impl Iterator<Item = SegmentId>) -> Result<()> {
        let mut last = None;
        for segment in segments {
            if last.replace(segment) == Some(segment) {
                continue;
            }
            let (own, turn) = {
                let inner = self.inner();
                let turn = inner.unsynced.get(&segment).map(|unsynced| unsynced.turn.clone());
                (inner.own.contains(&segment), turn)
            };
            // What this process wrote and has synced since needs no other sync.
            let turn = turn.or_else(|| (!own).then(Arc::default));
            self.check(segment)?;
            let Some(turn) = turn else { continue };
            let _turn = turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            self.check(segment)?;
            let values = self.inner().unsynced.get(&segment).map(|unsynced| unsynced.values);
            if own && values.is_none() {
                continue;
            }
            let synced = match self.reader_of_extents(segment) {
                // What isn't there has nothing to lose.
                Err(error) if error.kind() == ErrorKind::EpochGone => return Err(error),
                other => other.and_then(|reader| reader.sync()),
            };
            let mut inner = self.inner();
            if synced.is_err() {
                inner.failed.insert(segment);
                inner.idle.retain(|file| file.id() != segment);
            } else if inner.unsynced.get(&segment).map(|unsynced| unsynced.values) == values {
                inner.unsynced.remove(&segment);
            }
            drop(inner);
            synced?;
        }
        Ok(())
    }

    /// Writes extents again where they are, and makes them durable: for when a sync may have failed
    /// unseen.
    pub(crate) fn write_again(&self, extents: &[Extent]) -> Result<()> {
        let mut by_segment: BTreeMap<SegmentId, Vec<Extent>> = BTreeMap::new();
        for extent in extents {
            by_segment.entry(extent.segment).or_default().push(*extent);
        }
        for (id, extents) in &by_segment {
            segment::write_again(&self.media, &self.path(*id), *id, self.container, extents)?;
        }
        if by_segment.is_empty() {
            return Ok(());
        }
        self.media
            .sync_dir(&self.dir)
            .map_err(|error| Error::io(format!("syncing {}", self.dir.display()), error))
    }

    /// Refuses a segment of which a sync has failed.
    ///
    /// # Errors
    /// `Poisoned`: the value has to be written again, to another segment.
    pub(crate) fn check(&self, segment: SegmentId) -> Result<()> {
        if !self.inner().failed.contains(&segment) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Poisoned,
            format!(
                "an earlier sync of segment {} failed, and what was written to it may be lost; write the value again",
                self.path(segment).display()
            ),
        ))
    }

    pub(crate) fn reader(&self, segment: SegmentId) -> Result<Arc<SegmentReader>> {
        if let Some(reader) = self.inner().readers.get(&segment) {
            return Ok(reader.clone());
        }
        let reader = SegmentReader::open(&self.media, &self.path(segment), segment, self.container)?;
        let reader = Arc::new(if self.mapped { reader.mapped() } else { reader });
        let mut inner = self.inner();
        if inner.readers.len() >= 256 {
            inner.readers.clear();
        }
        inner.readers.insert(segment, reader.clone());
        Ok(reader)
    }

    pub(crate) fn read(&self, extent: &Extent, offset: u64, into: &mut [u8]) -> Result<()> {
        self.reader_of_extents(extent.segment)?.read(extent, offset, into)
    }

    /// A reader for whoever holds extents of the segment, which may have been reclaimed since.
    fn reader_of_extents(&self, segment: SegmentId) -> Result<Arc<SegmentReader>> {
        self.reader(segment).map_err(|error| match error.kind() {
            ErrorKind::NotFound => error.with_kind(ErrorKind::EpochGone),
            _ => error,
        })
    }
}

/// Appends values to segments of this process.
pub(crate) struct Writer<'a> {
    pool: Arc<SegmentPool>,
    /// The generation of forks that it belongs to: in a child, its file and all that it would do
    /// are the parent's.
    fork: u64,
    file: Option<SegmentFile>,
    new_id: NewId<'a>,
    /// Gives space back; without it, the quota doesn't count.
    reclaim: Option<Reclaim<'a>>,
    /// Extents of the current value in segments that are full.
    finished: Vec<Extent>,
    /// Extents of finished values, until they are committed or given up; some are longer.
    handed_out: Vec<Extent>,
    /// Bytes charged to the quota and not written yet.
    charged: u64,
    /// Bytes of the current value.
    written: u64,
    /// Those of them that are in `file`.
    part: u64,
    /// Bytes of `file`, frames and all, that are charged.
    counted: u64,
}

impl Writer<'_> {
    fn end_part(&mut self) -> Result<()> {
        if let Some(file) = &mut self.file {
            self.finished.extend(file.finish()?);
            let id = file.id();
            self.pool.inner().unsynced.entry(id).or_default().values += 1;
            // What the file needs beyond the value's own bytes is given back with it.
            let grown = file.length() - self.counted;
            self.counted = file.length();
            self.pool.space.charge_anyway(grown.saturating_sub(std::mem::take(&mut self.part)));
        }
        Ok(())
    }

    fn check_fork(&self) -> Result<()> {
        if self.fork == fork::generation() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Forked,
            "a writer of bulk bytes was carried across a fork; begin a new one in the child",
        ))
    }

    fn charge(&mut self, bytes: u64) -> Result<()> {
        if self.charged < bytes {
            // Small values pay exactly, long ones in steps.
            let step = if self.written == 0 { bytes } else { bytes.max(CHARGE_BYTES) };
            let charged =
                [step, bytes].into_iter().find(|step| self.charge_space(step - self.charged).is_ok());
            match (charged, &self.reclaim) {
                (Some(step), _) => self.charged = step,
                (None, Some(reclaim)) if reclaim() => {
                    self.charge_space(bytes - self.charged)?;
                    self.charged = bytes;
                }
                (None, _) => {
                    self.charge_space(bytes - self.charged)?;
                    self.charged = bytes;
                }
            }
        }
        self.charged -= bytes;
        self.written += bytes;
        Ok(())
    }

    /// Forgets the value that is being written, and gives its space back.
    fn give_up_value(&mut self) {
        if let Some(file) = &mut self.file {
            self.charged += file.abandon();
            self.counted = file.length();
        }
        self.part = 0;
        if !self.finished.is_empty() {
            self.finished.clear();
            self.pool.wasted.store(true, Ordering::Relaxed);
        }
        self.pool.space.release(std::mem::take(&mut self.charged));
        self.written = 0;
    }

    fn charge_space(&self, bytes: u64) -> Result<()> {
        if self.reclaim.is_some() {
            return self.pool.space.charge(bytes);
        }
        self.pool.space.charge_anyway(bytes);
        Ok(())
    }
}

impl SegmentWriter for Writer<'_> {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.check_fork()?;
        let appended: Result<()> = (|| {
            if self.written == 0 && self.file.as_ref().is_some_and(|file| self.pool.check(file.id()).is_err())
            {
                self.file = None;
            }
            self.charge(bytes.len() as u64)?;
            if self.file.as_ref().is_some_and(|file| file.length() >= limits::SEGMENT_BYTES_MAX) {
                self.end_part()?;
                if let Some(file) = self.file.take() {
                    self.pool.give_back(file);
                }
            }
            let file = match &mut self.file {
                Some(file) => file,
                file => {
                    let taken = file.insert(self.pool.take_file(&*self.new_id)?);
                    self.counted = taken.length();
                    taken
                }
            };
            file.append(bytes)?;
            self.part += bytes.len() as u64;
            Ok(())
        })();
        if let Err(error) = &appended {
            self.give_up_value();
            if error.kind() == ErrorKind::NoSpace {
                self.pool.space.recount();
            }
        }
        appended
    }

    fn finish(&mut self) -> Result<Vec<Extent>> {
        self.check_fork()?;
        if let Err(error) = self.end_part() {
            // What of it was in this file is cut off again.
            self.charged += self.part;
            self.give_up_value();
            return Err(error);
        }
        let extents = std::mem::take(&mut self.finished);
        self.pool.space.release(std::mem::take(&mut self.charged));
        self.written = 0;
        let mut inner = self.pool.inner();
        for extent in &extents {
            inner.pending.entry(extent.segment).or_default().insert(extent.offset);
        }
        if self.handed_out.len() == self.handed_out.capacity() {
            // Before it grows: one that writes for ever doesn't remember for ever.
            self.handed_out.retain(|extent| {
                inner.pending.get(&extent.segment).is_some_and(|offsets| offsets.contains(&extent.offset))
            });
        }
        drop(inner);
        self.handed_out.extend_from_slice(&extents);
        Ok(extents)
    }

    fn abandon(&mut self) {
        if self.check_fork().is_err() {
            return;
        }
        self.give_up_value();
        // Nothing names them, as if a commit had taken them and dropped them again.
        if !self.handed_out.is_empty() {
            self.pool.wasted.store(true, Ordering::Relaxed);
        }
        self.pool.committed(std::mem::take(&mut self.handed_out).into_iter());
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        if self.check_fork().is_err() {
            return;
        }
        self.give_up_value();
        if let Some(file) = self.file.take() {
            self.pool.give_back(file);
        }
    }
}

/// What a writer asks of an engine, which may be gone by then.
pub(crate) fn asking<E: Send + Sync + 'static, T>(
    engine: &Arc<E>,
    ask: impl Fn(&E) -> Result<T> + Send + 'static,
) -> impl Fn() -> Result<T> + Send + 'static {
    let engine: Weak<E> = Arc::downgrade(engine);
    move || match engine.upgrade() {
        Some(engine) => ask(&engine),
        None => Err(Error::new(ErrorKind::Closed, "the container was closed while a value was written")),
    }
}
