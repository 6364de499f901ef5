//! The manifest: which runs and segments make up a container, and where its log begins.
//!
//! | offset | bytes | what |
//! | ---: | ---: | --- |
//! | 0 | 8 | magic `mpmanif\x01` |
//! | 8 | 4 | format version |
//! | 12 | 16 | container UUID |
//! | 28 | … | varints: generation, incarnation, first log file, clean end of the log, horizon, superseded records |
//! | … | … | retained epochs: count, each |
//! | … | … | runs: count, for each id, inherited epoch + 1 (0: none), bytes, records, smallest and greatest epoch |
//! | … | … | segments: count, for each id, live bytes, superseded bytes |
//! | … | … | retired log files, oldest first: count, for each number, epoch before its first record, epoch of its last one, bytes of records, seconds since 1970; runs: count, for each id, bytes; segments: count, for each id, bytes that its records own |
//! | … | … | zeros, up to a multiple of 4096 bytes with the checksum |
//! | end − 8 | 8 | xxh3 of all before |
//!
//! All of that is in the file twice, one behind the other: a damaged page leaves the other copy. (An
//! older manifest could not stand in for it: runs that it names may be gone, and epochs that were
//! given out since could be given out again.) Format version 1 had one copy, without the zeros.
//!
//! Invariants:
//! - It is replaced whole: written to another name, synced, renamed, its directory synced. What it
//!   names (runs, and the log up to its first file) was synced before (rule 13).
//! - It is replaced only under the maintenance lock, or by one who is alone.
//! - Every record before the first log file is in a run.
//! - The horizon and the retained epochs say which past states the runs named beside them hold whole,
//!   so that a state of the container answers for the past from its own manifest alone.
//! - The retired log files are the last ones before the first log file, without a gap. What they name
//!   is not unlinked while they are there.
//!
//! Format versions 1 and 2 had no retired log files.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use millpond_core::{Epoch, Error, ErrorKind, Result, SegmentId};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    bugs::{Bug, planted},
    media::{FileExt, Media, OpenMode},
    wire::{Malformed, Reader, put_varint},
};

const MAGIC: &[u8; 8] = b"mpmanif\x01";
const VERSION: u32 = 3;
/// Of one copy, without zeros.
const VERSION_SINGLE: u32 = 1;
/// Without retired log files.
const VERSION_WITHOUT_RETIRED: u32 = 2;
const NAME: &str = "manifest";
const SCRATCH: &str = "manifest.tmp";

/// The length of a copy is a multiple of it, so that no page has parts of both.
const COPY_UNIT: usize = 4096;
const CHECKSUM_BYTES: usize = 8;

/// A manifest is small; what claims to be longer is not one of ours.
const BYTES_MAX: u64 = 64 << 20;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) container: Uuid,
    pub(crate) generation: u64,
    /// High bits of the epochs given out since it was last durably bumped.
    pub(crate) incarnation: u64,
    /// The first file of the log whose records are not all in runs.
    pub(crate) log_file: u64,
    /// Log offset up to which the log was durable when this was written.
    pub(crate) clean_end: u64,
    /// Epochs below it, except retained ones, may no longer be whole.
    pub(crate) horizon: Epoch,
    /// Epochs below the horizon that the runs hold whole all the same, ascending: those that a record
    /// of [`RETAINED`](millpond_core::RETAINED) kept when versions were dropped last.
    pub(crate) retained: Vec<Epoch>,
    /// Newest first.
    pub(crate) runs: Vec<RunEntry>,
    /// The segments that runs point to.
    pub(crate) segments: BTreeMap<SegmentId, SegmentEntry>,
    /// About how many records of runs newer ones supersede: what a merge of all of them would drop.
    pub(crate) superseded_records: u64,
    /// Log files whose records are in runs, kept for those who watch; oldest first.
    pub(crate) retired: Vec<RetiredLog>,
}

/// A log file that is kept for those who watch, and what its records name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RetiredLog {
    pub(crate) number: u64,
    /// Epoch of the record before its first one.
    pub(crate) before: Epoch,
    /// Epoch of its last record.
    pub(crate) last: Epoch,
    /// Bytes of its records.
    pub(crate) bytes: u64,
    /// When it was retired, in seconds since 1970.
    pub(crate) since: u64,
    /// Runs of bulk commits, each with its bytes.
    pub(crate) runs: Vec<(u64, u64)>,
    /// Segments, each with the bytes that the records own.
    pub(crate) segments: Vec<(SegmentId, u64)>,
}

impl RetiredLog {
    /// What it holds back, in bytes.
    pub(crate) fn weight(&self) -> u64 {
        let named = self.runs.iter().map(|run| run.1).chain(self.segments.iter().map(|segment| segment.1));
        self.bytes + named.sum::<u64>()
    }
}

/// A segment, as the manifest names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SegmentEntry {
    /// Bytes that records in runs own.
    pub(crate) live: u64,
    /// About how many of these belong to superseded records, and go when their runs are merged.
    pub(crate) superseded: u64,
}

/// A run, as the manifest names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunEntry {
    pub(crate) id: u64,
    /// The epoch of all its records, if a bulk commit wrote it.
    pub(crate) inherited: Option<Epoch>,
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    pub(crate) epoch_min: Epoch,
    pub(crate) epoch_max: Epoch,
}

impl Manifest {
    /// The manifest of a container without records.
    pub(crate) fn new(container: Uuid) -> Self {
        Self {
            container,
            generation: 1,
            incarnation: 0,
            log_file: 1,
            clean_end: 0,
            horizon: Epoch::ZERO,
            retained: Vec::new(),
            runs: Vec::new(),
            segments: BTreeMap::new(),
            superseded_records: 0,
            retired: Vec::new(),
        }
    }

    /// # Errors
    /// `EpochGone` when the state at `epoch` may no longer be whole.
    pub(crate) fn check_readable(&self, epoch: Epoch) -> Result<()> {
        if epoch >= self.horizon || self.retained.contains(&epoch) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::EpochGone,
            format!(
                "the state at epoch {epoch} is no longer kept; whole states are kept from epoch {} on, and where a snapshot was taken",
                self.horizon
            ),
        ))
    }

    /// Versions older than `horizon` were dropped, but for those that `retained` see.
    pub(crate) fn raise_horizon(&mut self, horizon: Epoch, retained: &[Epoch]) {
        self.horizon = self.horizon.max(horizon);
        // What is above it needs no word, and may yet be lost with the commit that it comes from.
        self.retained = retained.iter().copied().filter(|epoch| *epoch < self.horizon).collect();
    }

    /// Adds to (or, with a negative number, takes from) a segment's live bytes.
    pub(crate) fn adjust_segment(&mut self, segment: SegmentId, bytes: i64) {
        let entry = self.segments.entry(segment).or_default();
        entry.live = entry.live.saturating_add_signed(bytes);
        entry.superseded = entry.superseded.min(entry.live);
    }

    /// The first log file that is there.
    pub(crate) fn first_log(&self) -> u64 {
        self.retired.first().map_or(self.log_file, |log| log.number)
    }

    /// Whether a retired log file names the run.
    pub(crate) fn keeps_run(&self, run: u64) -> bool {
        self.retired.iter().any(|log| log.runs.iter().any(|(id, _)| *id == run))
    }

    /// Whether a retired log file names the segment.
    pub(crate) fn keeps_segment(&self, segment: SegmentId) -> bool {
        self.retired.iter().any(|log| log.segments.iter().any(|(id, _)| *id == segment))
    }

    /// One copy.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(self.container.as_bytes());
        let mut put = |number| put_varint(&mut out, number);
        for number in [
            self.generation,
            self.incarnation,
            self.log_file,
            self.clean_end,
            self.horizon.0,
            self.superseded_records,
        ] {
            put(number);
        }
        put(self.retained.len() as u64);
        self.retained.iter().for_each(|epoch| put(epoch.0));
        put(self.runs.len() as u64);
        for run in &self.runs {
            // Epoch u64::MAX is never given out, so that adding one doesn't overflow.
            for number in [
                run.id,
                run.inherited.map_or(0, |epoch| epoch.0 + 1),
                run.bytes,
                run.records,
                run.epoch_min.0,
                run.epoch_max.0,
            ] {
                put(number);
            }
        }
        put(self.segments.len() as u64);
        for (segment, entry) in &self.segments {
            put(segment.0);
            put(entry.live);
            put(entry.superseded);
        }
        put(self.retired.len() as u64);
        for log in &self.retired {
            for number in [log.number, log.before.0, log.last.0, log.bytes, log.since] {
                put(number);
            }
            put(log.runs.len() as u64);
            for (run, bytes) in &log.runs {
                put(*run);
                put(*bytes);
            }
            put(log.segments.len() as u64);
            for (segment, bytes) in &log.segments {
                put(segment.0);
                put(*bytes);
            }
        }
        out.resize((out.len() + CHECKSUM_BYTES).next_multiple_of(COPY_UNIT) - CHECKSUM_BYTES, 0);
        let checksum = xxh3_64(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Reads a copy.
    pub(crate) fn decode(bytes: &[u8], path: &Path, container: Uuid) -> Result<Self> {
        let corrupt = |what: &str| {
            Error::new(
                ErrorKind::Corrupt,
                format!("manifest {}: {what}; restore it from a copy", path.display()),
            )
        };
        let Some((body, checksum)) = bytes.split_last_chunk::<8>() else {
            return Err(corrupt("it is cut off"));
        };
        let intact = xxh3_64(body) == u64::from_le_bytes(*checksum);
        let mut reader = Reader(body);
        let magic = reader.bytes(8).map_err(|what| corrupt(what.0))?;
        let version = reader.u32().map_err(|what| corrupt(what.0))?;
        if !intact {
            return Err(corrupt("it fails its checksum"));
        }
        if magic != MAGIC {
            return Err(Error::new(
                ErrorKind::Incompatible,
                format!("{} is no manifest of Millpond", path.display()),
            ));
        }
        if ![VERSION, VERSION_WITHOUT_RETIRED, VERSION_SINGLE].contains(&version) {
            return Err(Error::new(
                ErrorKind::Incompatible,
                format!(
                    "manifest {} has format version {version}, this Millpond reads {VERSION}; upgrade Millpond",
                    path.display()
                ),
            ));
        }
        let manifest = Self::decode_body(&mut reader, version).map_err(|what| corrupt(what.0))?;
        if reader.0.iter().any(|byte| *byte != 0) || (version == VERSION_SINGLE && !reader.is_empty()) {
            return Err(corrupt("it is longer than its contents"));
        }
        if manifest.container != container {
            return Err(corrupt("it belongs to another container"));
        }
        Ok(manifest)
    }

    fn decode_body(reader: &mut Reader<'_>, version: u32) -> Result<Self, Malformed> {
        let container =
            Uuid::from_slice(reader.bytes(16)?).map_err(|_| Malformed("its container is malformed"))?;
        let mut manifest = Self::new(container);
        manifest.generation = reader.varint()?;
        manifest.incarnation = reader.varint()?;
        manifest.log_file = reader.varint()?;
        manifest.clean_end = reader.varint()?;
        manifest.horizon = Epoch(reader.varint()?);
        manifest.superseded_records = reader.varint()?;
        for _ in 0..reader.varint()? {
            manifest.retained.push(Epoch(reader.varint()?));
        }
        for _ in 0..reader.varint()? {
            manifest.runs.push(RunEntry {
                id: reader.varint()?,
                inherited: reader.varint()?.checked_sub(1).map(Epoch),
                bytes: reader.varint()?,
                records: reader.varint()?,
                epoch_min: Epoch(reader.varint()?),
                epoch_max: Epoch(reader.varint()?),
            });
        }
        for _ in 0..reader.varint()? {
            let segment = SegmentId(reader.varint()?);
            let entry = SegmentEntry { live: reader.varint()?, superseded: reader.varint()? };
            manifest.segments.insert(segment, entry);
        }
        let retired = if version <= VERSION_WITHOUT_RETIRED { 0 } else { reader.varint()? };
        for _ in 0..retired {
            let mut log = RetiredLog {
                number: reader.varint()?,
                before: Epoch(reader.varint()?),
                last: Epoch(reader.varint()?),
                bytes: reader.varint()?,
                since: reader.varint()?,
                ..RetiredLog::default()
            };
            for _ in 0..reader.varint()? {
                log.runs.push((reader.varint()?, reader.varint()?));
            }
            for _ in 0..reader.varint()? {
                log.segments.push((SegmentId(reader.varint()?), reader.varint()?));
            }
            manifest.retired.push(log);
        }
        Ok(manifest)
    }

    /// Reads the manifest of the container in `dir`, from whichever copy is intact.
    pub(crate) fn load(media: &Arc<dyn Media>, dir: &Path, container: Uuid) -> Result<Self> {
        let bytes = read(media, dir)?;
        let mut refused = None;
        for (_, copy) in copies(&bytes) {
            match Self::decode(copy, &dir.join(NAME), container) {
                Err(error) if error.kind() == ErrorKind::Corrupt => refused = Some(error),
                other => return other,
            }
        }
        // What is no file of two copies is one.
        Self::decode(&bytes, &dir.join(NAME), container).map_err(|error| refused.unwrap_or(error))
    }

    /// Answers how many bytes the manifest has, and where a copy begins that is damaged while the other
    /// one is not.
    pub(crate) fn verify(media: &Arc<dyn Media>, dir: &Path, container: Uuid) -> Result<(u64, Option<u64>)> {
        let bytes = read(media, dir)?;
        let is_damaged = |copy| Self::decode(copy, &dir.join(NAME), container).is_err();
        let damaged = if Self::decode(&bytes, &dir.join(NAME), container).is_ok() {
            None
        } else {
            copies(&bytes).into_iter().find(|(_, copy)| is_damaged(copy)).map(|(at, _)| at)
        };
        Ok((bytes.len() as u64, damaged))
    }

    /// Makes this the manifest of the container in `dir`, durably.
    pub(crate) fn store(&self, media: &Arc<dyn Media>, dir: &Path) -> Result<()> {
        let (path, scratch) = (dir.join(NAME), dir.join(SCRATCH));
        let store = || {
            match media.remove(&scratch) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let file = media.open(&scratch, OpenMode::Create)?;
            let copy = self.encode();
            file.write_all_at(&[&copy[..], &copy].concat(), 0)?;
            file.sync()?;
            media.rename(&scratch, &path)?;
            if planted(Bug::SkipManifestDirectorySync) { Ok(()) } else { media.sync_dir(dir) }
        };
        store().map_err(|error| Error::io(format!("writing manifest {}", path.display()), error))
    }
}

fn read(media: &Arc<dyn Media>, dir: &Path) -> Result<Vec<u8>> {
    let path = dir.join(NAME);
    let doing = || format!("reading manifest {}", path.display());
    let file = media.open(&path, OpenMode::Read).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::new(
            ErrorKind::Corrupt,
            format!("manifest {} is missing; restore it from a copy", path.display()),
        ),
        _ => Error::io(doing(), error),
    })?;
    let length = file.length().map_err(|error| Error::io(doing(), error))?;
    if length > BYTES_MAX {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!("manifest {} is too long to be one; restore it from a copy", path.display()),
        ));
    }
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, 0).map_err(|error| Error::io(doing(), error))?;
    Ok(bytes)
}

/// The copies that a file has, with their places.
fn copies(bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let half = bytes.len() / 2;
    let (first, second) = bytes.split_at(half);
    let is_double = half > 0 && bytes.len().is_multiple_of(2 * COPY_UNIT);
    if is_double { vec![(0, first), (half as u64, second)] } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::SystemMedia;

    fn manifest() -> Manifest {
        let mut manifest = Manifest::new(Uuid::from_u128(5));
        manifest.generation = 300;
        manifest.retained = vec![Epoch(4), Epoch(1 << 41)];
        manifest.clean_end = 1 << 50;
        manifest.superseded_records = 77;
        let run = RunEntry {
            id: 7,
            inherited: None,
            bytes: 4096,
            records: 12,
            epoch_min: Epoch(1),
            epoch_max: Epoch(9),
        };
        manifest.runs = vec![RunEntry { id: 8, inherited: Some(Epoch::ZERO), ..run.clone() }, run];
        manifest.adjust_segment(SegmentId(1 << 60), 100);
        manifest.adjust_segment(SegmentId(1 << 60), -40);
        manifest.retired = vec![RetiredLog {
            number: 3,
            before: Epoch(9),
            last: Epoch(1 << 41),
            bytes: 1000,
            since: 1_750_000_000,
            runs: vec![(8, 4096)],
            segments: vec![(SegmentId(1 << 60), 100), (SegmentId(7), 1)],
        }];
        manifest
    }

    #[test]
    fn the_version_before_is_read() {
        let manifest = Manifest { retired: Vec::new(), ..manifest() };
        let mut old = manifest.encode();
        // What says that none is retired is one of its zeros.
        old.truncate(old.len() - CHECKSUM_BYTES);
        old[MAGIC.len()] = VERSION_WITHOUT_RETIRED as u8;
        let checksum = xxh3_64(&old);
        old.extend_from_slice(&checksum.to_le_bytes());
        let decoded = Manifest::decode(&old, Path::new("manifest"), manifest.container).expect("decoded");
        assert_eq!(decoded, manifest);
    }

    #[test]
    fn it_comes_back() {
        let manifest = manifest();
        assert_eq!(manifest.segments[&SegmentId(1 << 60)].live, 60);
        let decoded =
            Manifest::decode(&manifest.encode(), Path::new("manifest"), manifest.container).expect("decoded");
        assert_eq!(decoded, manifest);
    }

    #[test]
    fn every_flipped_and_every_missing_byte_is_noticed() {
        let good = manifest().encode();
        for place in 0..good.len() {
            let mut bad = good.clone();
            bad[place] ^= 0x40;
            Manifest::decode(&bad, Path::new("manifest"), Uuid::from_u128(5)).expect_err("a flipped byte");
            Manifest::decode(&good[..place], Path::new("manifest"), Uuid::from_u128(5)).expect_err("cut off");
        }
    }

    #[test]
    fn one_copy_is_enough_and_a_manifest_of_one_copy_is_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let (media, manifest): (Arc<dyn Media>, _) = (Arc::new(SystemMedia), manifest());
        let load = || Manifest::load(&media, dir.path(), manifest.container);
        let verify = || Manifest::verify(&media, dir.path(), manifest.container).expect("read").1;
        manifest.store(&media, dir.path()).expect("stored");
        let path = dir.path().join(NAME);
        let good = std::fs::read(&path).expect("read");
        assert_eq!((good.len(), verify()), (2 * COPY_UNIT, None));
        for place in (0..good.len()).step_by(7) {
            let mut bad = good.clone();
            bad[place] ^= 0x40;
            std::fs::write(&path, &bad).expect("written");
            assert_eq!(load().expect("one copy is enough"), manifest);
            assert_eq!(verify(), Some(if place < COPY_UNIT { 0 } else { COPY_UNIT as u64 }));
            bad[(place + COPY_UNIT) % good.len()] ^= 1;
            std::fs::write(&path, &bad).expect("written");
            assert_eq!(load().expect_err("both are damaged").kind(), ErrorKind::Corrupt);
        }
        let manifest = Manifest { retired: Vec::new(), ..manifest.clone() };
        let mut single = manifest.encode()[..COPY_UNIT - CHECKSUM_BYTES].to_vec();
        // The last number is a 0.
        single.truncate(2 + single.iter().rposition(|byte| *byte != 0).expect("not all zeros"));
        single[MAGIC.len()] = VERSION_SINGLE as u8;
        let checksum = xxh3_64(&single);
        std::fs::write(&path, [&single[..], &checksum.to_le_bytes()].concat()).expect("written");
        assert_eq!((load().expect("of format 1"), verify()), (manifest.clone(), None));
        let mut newer = good[..COPY_UNIT - CHECKSUM_BYTES].to_vec();
        newer[MAGIC.len()] = VERSION as u8 + 1;
        let checksum = xxh3_64(&newer);
        let newer = [&newer[..], &checksum.to_le_bytes()].concat();
        std::fs::write(&path, newer.repeat(2)).expect("written");
        assert_eq!(load().expect_err("a newer format").kind(), ErrorKind::Incompatible);
    }
}
