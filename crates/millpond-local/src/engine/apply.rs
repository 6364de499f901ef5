//! Catching up: what any process published becomes part of this one's state.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use bytes::{Bytes, BytesMut};
use millpond_core::{Epoch, Error, ErrorKind, Result};

use super::{Engine, lock, prepare::PreparedWrite};
use crate::{
    bugs::{Bug, planted},
    log::{
        LogFile, LogHeader, LogOp, LogPlace, Lost, Ops, PayloadRead, RECORD_HEADER_BYTES, RecordHeader,
        is_intact, next_intact, parse,
    },
    manifest::Manifest,
    read::State,
    run::{Run, RunId},
    tail::{BulkRun, Change, Replaced, Tail},
    wire::Malformed,
};

/// Bytes of the log to read at a time.
const READ_BYTES: u64 = 1 << 20;

/// Where this process stands in the log.
#[derive(Debug)]
pub(super) struct Applier {
    pub(super) file: LogFile,
    /// Log offset behind the last record that was applied.
    pub(super) offset: u64,
    /// Its checksum.
    pub(super) chain: u64,
    /// Its epoch.
    pub(super) epoch: Epoch,
    /// Where records of this process are made. The tail holds parts of it.
    pub(super) records: BytesMut,
    /// What a record changes, while it is applied.
    changes: Vec<(Bytes, Change, Replaced)>,
}

/// Bytes for records to allocate at a time.
const RECORDS_BYTES: usize = 64 << 10;

/// Where the bytes of a record come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    /// This process has just made them, with `writes` as the first operations.
    Own { writes: &'a [PreparedWrite] },
    /// They were read, and their values not verified yet.
    Log,
}

impl Applier {
    /// At the first record of a file.
    pub(super) fn at(file: LogFile) -> Self {
        Self {
            offset: file.header.base,
            chain: file.header.chain,
            epoch: file.header.epoch,
            file,
            records: BytesMut::with_capacity(RECORDS_BYTES),
            changes: Vec::new(),
        }
    }
}

impl Engine {
    /// Applies all that is published.
    pub(super) fn catch_up(&self) -> Result<()> {
        self.catch_up_with(&mut lock(&self.applier))
    }

    pub(super) fn catch_up_with(&self, applier: &mut Applier) -> Result<()> {
        let words = self.control.words();
        if words.generation.load(Ordering::Acquire) > self.generation.load(Ordering::Acquire) {
            self.adopt(applier)?;
        }
        loop {
            // In this order: what is published reaches at least to where the newest file begins.
            let newest = words.log_file.load(Ordering::Acquire);
            let published = words.published.load(Ordering::Acquire);
            let number = applier.file.number();
            let mut end = published.min(applier.file.end());
            let mut next_header = None;
            // A new file counts even before it holds a record: nobody may append to the old one.
            if newest > number {
                match LogFile::open(&self.media, &self.log_dir(), self.container, number + 1) {
                    Ok(next) if next.header.base <= applier.offset => {
                        self.switch_file(applier, next);
                        continue;
                    }
                    // After a failed sync, records were written again, and the rest is there only.
                    Ok(next) => {
                        end = end.min(next.header.base);
                        next_header = Some(next.header);
                    }
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        // Its records are in a run by now.
                        self.adopt(applier)?;
                        if applier.file.number() == number {
                            return Err(error.with_kind(ErrorKind::Corrupt));
                        }
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            } else if applier.offset >= published {
                return self.lose_end(applier);
            }
            if applier.offset >= end {
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!(
                        "log file {} ends before the one that follows it begins; close the container everywhere and check it",
                        applier.file.path().display(),
                    ),
                ));
            }
            self.replay(applier, end, next_header.as_ref())?;
        }
    }

    /// Applies what others appended to the current file meanwhile, if nobody else is at it. Waits for
    /// no lock, so that it may be called with the sync lock held.
    pub(super) fn catch_up_a_little(&self) {
        let words = self.control.words();
        let Ok(mut applier) = self.applier.try_lock() else { return };
        let published = words.published.load(Ordering::Acquire);
        if words.log_file.load(Ordering::Acquire) == applier.file.number()
            && words.generation.load(Ordering::Acquire) == self.generation.load(Ordering::Acquire)
            && (applier.offset..=applier.file.end()).contains(&published)
            && published > applier.offset
            && !self.is_lossy()
        {
            // What is wrong with the log is for those to say who need these records.
            let _ = self.replay(&mut applier, published, None);
        }
    }

    /// Goes on in the next log file, with a tail of its own. What was written again after a failed
    /// sync is in that file now: of several processes, whichever checkpoints the files before it
    /// leaves these records in the log.
    pub(super) fn switch_file(&self, applier: &mut Applier, next: LogFile) {
        let state = self.state();
        let mut tails = state.tails.clone();
        if next.header.base < applier.offset && !planted(Bug::KeepRecordsInOldFile) {
            let (before, behind) = tails[0].split(next.header.epoch, (next.number(), next.header.base));
            tails[0] = Arc::new(before);
            tails.insert(0, Arc::new(behind));
        } else {
            let tail = Tail::new(next.number(), next.header.base);
            // As many in a byte as there were in the file before.
            let before = (applier.offset - applier.file.header.base).max(1);
            tail.expect((tails[0].keys() as u64 * next.header.capacity.min(4 * before) / before) as usize);
            tails.insert(0, Arc::new(tail));
        }
        applier.file = next;
        self.set_state(State::new(
            state.manifest.clone(),
            tails,
            state.runs.clone(),
            state.epoch(),
            state.lost.clone(),
        ));
    }

    /// Applies records of the current file, some or all of those up to `end`, where the next one begins
    /// if there is one.
    fn replay(&self, applier: &mut Applier, end: u64, next: Option<&LogHeader>) -> Result<()> {
        let length_of =
            |bytes: &[u8]| bytes.first_chunk().map_or(0, |length| u64::from(u32::from_le_bytes(*length)));
        let mut bytes = applier.file.read(applier.offset, READ_BYTES.min(end - applier.offset))?;
        if length_of(&bytes) > bytes.len() as u64 {
            bytes = applier.file.read(applier.offset, length_of(&bytes).min(end - applier.offset))?;
        }
        let bytes = Bytes::from(bytes);
        let mut place = 0;
        while applier.offset < end {
            let rest = &bytes[place..];
            let is_cut_off = rest.len() < RECORD_HEADER_BYTES || length_of(rest) > rest.len() as u64;
            if place > 0 && is_cut_off {
                return Ok(());
            }
            let Some(header) =
                parse(rest, self.container, applier.offset).filter(|header| header.chain == applier.chain)
            else {
                if self.is_lossy() {
                    return self.leave_out(applier, end, next);
                }
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!(
                        "log file {}, offset {}: a published record is damaged; close the container everywhere and check it",
                        applier.file.path().display(),
                        applier.file.place(applier.offset),
                    ),
                ));
            };
            let record = bytes.slice(place..place + header.length as usize);
            place += header.length as usize;
            self.apply(applier, &header, &PayloadRead::of(&record, &header), Source::Log)?;
        }
        Ok(())
    }

    /// Goes on behind records that recovery found to be lost.
    fn leave_out(&self, applier: &mut Applier, end: u64, next: Option<&LogHeader>) -> Result<()> {
        let rest = applier.file.read(applier.offset, end - applier.offset)?;
        let behind = next_intact(&rest, self.container, applier.offset, applier.epoch);
        let before = match (&behind, next) {
            (Some((_, header)), _) => header.epoch,
            (None, Some(next)) => Epoch(next.epoch.0 + 1),
            (None, None) => Epoch::MAX,
        };
        self.lose(applier, before);
        match (behind, next) {
            (Some((offset, header)), _) => (applier.offset, applier.chain) = (offset, header.chain),
            (None, Some(next)) => {
                (applier.offset, applier.chain, applier.epoch) = (next.base, next.chain, next.epoch);
            }
            (None, None) => applier.offset = end,
        }
        self.applied.store(applier.offset, Ordering::Release);
        Ok(())
    }

    /// Where the log ends before what was durable when it was closed, its end is lost.
    fn lose_end(&self, applier: &Applier) -> Result<()> {
        let state = self.state();
        let is_known = || state.lost.last().is_some_and(|lost| lost.before == Epoch::MAX);
        if self.is_lossy() && applier.offset < state.manifest.clean_end && !is_known() {
            self.lose(applier, Epoch::MAX);
        }
        Ok(())
    }

    /// Records of before that epoch are lost, where the applier stands.
    fn lose(&self, applier: &Applier, before: Epoch) {
        let state = self.state();
        let place = LogPlace { file: applier.file.number(), offset: applier.file.place(applier.offset) };
        let lost = state.lost.iter().copied().chain([Lost { place, after: applier.epoch, before }]).collect();
        // A view of now is one of after the loss, even if nothing intact comes behind it.
        let epoch = state.epoch().max(Epoch(applier.epoch.0 + 1));
        // What comes now is not added to what was before.
        let mut tails = state.tails.clone();
        tails.insert(0, Arc::new(Tail::new(applier.file.number(), applier.file.header.base)));
        self.set_state(State::new(state.manifest.clone(), tails, state.runs.clone(), epoch, lost));
    }

    /// Applies one record, which begins at the applier's offset, and makes it visible.
    pub(super) fn apply(
        &self,
        applier: &mut Applier,
        header: &RecordHeader,
        payload: &PayloadRead,
        source: Source<'_>,
    ) -> Result<()> {
        let place = LogPlace { file: applier.file.number(), offset: applier.file.place(applier.offset) };
        let file = &applier.file;
        let malformed = |what: Malformed| {
            let text = format!("log file {}, offset {}: {what}", file.path().display(), place.offset);
            Error::new(ErrorKind::Corrupt, text)
        };
        let end = applier.offset + u64::from(header.length);
        let state = self.state();
        let tail = state.newest_tail();
        let writes = if let Source::Own { writes } = source { writes } else { &[] };
        let mut writes = writes.iter().map(PreparedWrite::replaces);
        applier.changes.clear();
        for op in Ops::new(payload) {
            let replaced = writes.next().unwrap_or_default();
            let (key, change) = match op.map_err(malformed)? {
                LogOp::Put { key, value, checksum, .. }
                    if matches!(source, Source::Log) && !is_intact(&value, checksum) =>
                {
                    (key, Change::Damaged(place))
                }
                LogOp::Put { key, value, extents, .. } => {
                    if !header.segments_synced && !extents.is_empty() {
                        lock(&self.unsynced_extents).extend(extents.iter().map(|extent| (end, *extent)));
                    }
                    (key, Change::Put(value, extents))
                }
                LogOp::Delete { key } => (key, Change::Delete),
                LogOp::Adjust { key, delta } => (key, Change::Adjust(delta)),
                LogOp::Run { id, segments } => {
                    // The writes are in the run, and what follows here are others.
                    writes.by_ref().for_each(drop);
                    let run = self.open_run(id, Some(header.epoch))?;
                    tail.add_bulk(BulkRun { run, epoch: header.epoch, segments });
                    continue;
                }
            };
            applier.changes.push((key, change, replaced));
        }
        tail.apply(header.epoch, applier.changes.drain(..));
        applier.offset = end;
        applier.chain = header.checksum;
        applier.epoch = header.epoch;
        state.advance(header.epoch);
        self.applied.store(end, Ordering::Release);
        Ok(())
    }

    pub(super) fn open_run(&self, id: u64, inherited: Option<Epoch>) -> Result<Arc<Run>> {
        open_run(self, &self.runs_dir(), id, inherited)
    }

    /// Takes on the newest manifest: its runs come, and the tails that are in them go.
    pub(super) fn adopt(&self, applier: &mut Applier) -> Result<()> {
        let mut tries = 0;
        loop {
            match self.try_adopt(applier) {
                // Replaced while we opened what it names: read it again.
                Err(error) if error.kind() == ErrorKind::NotFound && tries < 100 => tries += 1,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Err(error.with_kind(ErrorKind::Corrupt));
                }
                other => return other,
            }
        }
    }

    fn try_adopt(&self, applier: &mut Applier) -> Result<()> {
        let manifest = Arc::new(Manifest::load(&self.media, &self.dir, self.container)?);
        let state = self.state();
        if manifest.generation <= state.manifest.generation {
            return Ok(());
        }
        let known = |id: u64| {
            let in_tails = state
                .tails
                .iter()
                .flat_map(|tail| tail.bulk())
                .map(|bulk| bulk.run)
                .find(|run| run.summary().id.0 == id);
            state.runs.iter().find(|run| run.summary().id.0 == id).cloned().or(in_tails)
        };
        let mut runs = Vec::with_capacity(manifest.runs.len());
        for entry in &manifest.runs {
            runs.push(match known(entry.id) {
                Some(run) => run,
                None => self.open_run(entry.id, entry.inherited)?,
            });
        }
        let mut tails: Vec<_> =
            state.tails.iter().filter(|tail| tail.file >= manifest.log_file).cloned().collect();
        let mut epoch = state.epoch();
        if applier.file.number() < manifest.log_file {
            let file = LogFile::open(&self.media, &self.log_dir(), self.container, manifest.log_file)?;
            if file.header.base < applier.offset {
                // Written again after a failed sync, and applied from where it was before.
                let place = (file.number(), file.header.base);
                let (_, behind) = state.newest_tail().split(file.header.epoch, place);
                tails = vec![Arc::new(behind)];
                applier.file = file;
            } else {
                tails = vec![Arc::new(Tail::new(file.number(), file.header.base))];
                *applier = Applier::at(file);
                epoch = epoch.max(applier.epoch);
                self.applied.store(applier.offset, Ordering::Release);
            }
        }
        let lost = state.lost.iter().filter(|lost| lost.place.file >= manifest.log_file).copied().collect();
        self.set_state(State::new(manifest, tails, runs, epoch, lost));
        Ok(())
    }
}

fn open_run(engine: &Engine, dir: &Path, id: u64, inherited: Option<Epoch>) -> Result<Arc<Run>> {
    let id = RunId(id);
    let (path, mapped) = (dir.join(id.file_name()), engine.options.mapped);
    let run = Run::open(&engine.media, &path, id, engine.container, inherited, &engine.cache, mapped)?;
    Ok(Arc::new(run))
}
