//! Verifying: every stored byte is read, and all damage is reported with its place and its owner.
//!
//! Files are read first, each from its beginning to its end; which of the bytes in segments someone owns
//! is asked only for those that are damaged, so that a whole container is verified as fast as it is read.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Bound, Range},
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use millpond_core::{Cursor, Damage, Epoch, ErrorKind, Extent, Owner, Result, SegmentId, Verifier};

use super::{Engine, retention::retained_epochs};
use crate::{
    log::{LogFile, LogOp, LogPlace, Lost, Ops, PayloadRead, is_intact, next_intact, parse},
    manifest::Manifest,
    read::{Epochs, MergeScan, State},
    segment,
    verification::Walk,
};

/// Records that are looked at before the verifier is asked whether to go on.
const RECORDS_AT_A_TIME: u64 = 4096;

/// What is damaged of each extent: the bytes of it.
type Damaged = BTreeMap<(SegmentId, u64, u64), Vec<(Range<u64>, Damage)>>;

impl Engine {
    /// Reads every stored byte; see [`millpond_core::Store::verify_with`].
    pub(crate) fn verify_all(&self, verifier: &mut dyn Verifier) -> Result<u64> {
        let (state, _) = self.current()?;
        let mut walk = Walk::new(verifier);
        let (bytes, damaged) = Manifest::verify(&self.media, &self.dir, self.container)?;
        if let Some(offset) = damaged {
            let what = "one of two copies is damaged; the other one is used";
            walk.verifier.damaged(Damage::new("manifest", offset, what));
        }
        // Before anything that may be slowed down: its files don't stay.
        let mut lost = BTreeSet::new();
        let logged = self.verify_log(state.manifest.first_log(), &mut lost, &mut walk)?;
        for known in state.lost.iter().filter(|known| lost.insert((known.place.file, known.place.offset))) {
            walk.damaged("log", known.damage());
        }
        walk.read(bytes + logged)?;
        let bulk: Vec<_> = state.tails.iter().flat_map(|tail| tail.bulk()).collect();
        for run in state.runs.iter().chain(bulk.iter().map(|bulk| &bulk.run)) {
            run.verify(&mut walk)?;
        }
        drop((bulk, state));
        let damaged = self.verify_segments(&mut walk)?;
        if !damaged.is_empty() || walk.has_lost || walk.is_thorough() {
            // As of now: what was moved or given up meanwhile is nobody's damage.
            let (state, _) = self.current()?;
            tell_owners(&state, &damaged, &lost, &mut walk)?;
        }
        Ok(walk.bytes)
    }

    /// Reads what any record owns in segments.
    fn verify_segments(&self, walk: &mut Walk<'_>) -> Result<Damaged> {
        let mut damaged = Damaged::new();
        for (id, mut extents) in std::mem::take(&mut walk.extents) {
            // Versions may share them.
            extents.sort_unstable_by_key(|extent| (extent.offset, extent.length));
            extents.dedup();
            let mut note = |extent: &Extent, bytes: Range<u64>, damage: Damage| {
                damaged.entry(name_of(extent)).or_default().push((bytes, damage));
            };
            let reader = match self.segments.reader(id) {
                Ok(reader) => reader,
                Err(error) => {
                    let damage = Damage::new(segment::file_name(id), 0, error.to_string());
                    extents.iter().for_each(|extent| note(extent, 0..extent.length, damage.clone()));
                    continue;
                }
            };
            let mut header = None;
            reader.verify_with(&extents, &mut |bytes| walk.read(bytes), &mut |part, damage| match part {
                Some((extent, bytes)) => note(&extent, bytes, damage),
                None => header = Some(damage),
            })?;
            header.into_iter().for_each(|damage| walk.damaged("segments", damage));
        }
        Ok(damaged)
    }

    /// Reads the log from file `first` on, as far as it is published. Records with lost values are
    /// reported, and added to `lost`.
    fn verify_log(&self, first: u64, lost: &mut BTreeSet<(u64, u64)>, walk: &mut Walk<'_>) -> Result<u64> {
        let words = self.control.words();
        let last = words.log_file.load(Ordering::Acquire);
        let published = words.published.load(Ordering::Acquire);
        let open = |number, walk: &mut Walk<'_>| {
            match LogFile::open(&self.media, &self.log_dir(), self.container, number) {
                // Its records have come to be in a run.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    let place = LogPlace { file: number, offset: 0 }.path();
                    walk.damaged("log", Damage::new(place, 0, error.to_string()));
                    Ok(None)
                }
                other => other.map(Some),
            }
        };
        let mut bytes = 0;
        let mut next = open(first, walk)?;
        for number in first..=last {
            let Some(file) = next else {
                next = open(number + 1, walk)?;
                continue;
            };
            next = if number < last { open(number + 1, walk)? } else { None };
            let end = next.as_ref().map_or(published, |next| next.header.base).min(file.end());
            let mut offset = file.header.base;
            let content = Bytes::from(file.read(offset, end.saturating_sub(offset))?);
            bytes += content.len() as u64;
            let mut epoch = file.header.epoch;
            while offset < end {
                let start = (offset - file.header.base) as usize;
                let place = LogPlace { file: number, offset: file.place(offset) };
                let rest = &content[start.min(content.len())..];
                let Some(header) = parse(rest, self.container, offset) else {
                    // `after` and `before` are for readers.
                    walk.damaged("log", Lost { place, after: epoch, before: Epoch::MAX }.damage());
                    lost.insert((place.file, place.offset));
                    match next_intact(rest, self.container, offset, epoch) {
                        Some((behind, _)) => offset = behind,
                        None => break,
                    }
                    continue;
                };
                epoch = header.epoch;
                let record = content.slice(start..start + header.length as usize);
                let damages = note_record(&PayloadRead::of(&record, &header), place, walk);
                if !damages.is_empty() && lost.insert((place.file, place.offset)) {
                    damages.into_iter().for_each(|damage| walk.damaged("log", damage));
                }
                offset += u64::from(header.length);
            }
        }
        Ok(bytes)
    }
}

/// Notes what a record of the log names; answers which values of it are damaged.
fn note_record(payload: &PayloadRead, place: LogPlace, walk: &mut Walk<'_>) -> Vec<Damage> {
    let mut damages = Vec::new();
    for op in Ops::new(payload) {
        match op {
            Ok(LogOp::Put { key, value, checksum, extents }) => {
                if !is_intact(&value, checksum) {
                    damages.push(lost_at(place).of(Owner::Key(key.to_vec())));
                }
                walk.names(&extents);
            }
            Ok(_) => {}
            Err(_) => damages.push(lost_at(place)),
        }
    }
    damages
}

/// Reports what is damaged for each key that owns it, in any version that a kept epoch shows: those of the
/// oldest one, and of the others what was changed since. What no record owns is not worth a word.
fn tell_owners(
    state: &Arc<State>,
    damaged: &Damaged,
    lost: &BTreeSet<(u64, u64)>,
    walk: &mut Walk<'_>,
) -> Result<()> {
    let newest = state.epoch();
    let kept = retained_epochs(state)?.into_iter().filter(|epoch| *epoch < newest);
    let mut since = Epoch::ZERO;
    let (mut told, mut told_lost) = (BTreeSet::new(), BTreeSet::new());
    for at in kept.chain([newest]) {
        let epochs = Epochs { at, since };
        let mut scan =
            MergeScan::new(state, Bound::Unbounded, Bound::Unbounded, epochs, false, 0).in_spite_of_losses();
        for seen in 1u64.. {
            match Cursor::advance(&mut scan) {
                Ok(true) => {}
                Ok(false) => break,
                // A damaged run is reported already; a lost value may be older than what is left of the log.
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    if let Some(place) = scan.damaged()
                        && !lost.contains(&(place.file, place.offset))
                    {
                        let key = Cursor::key(&scan).to_vec();
                        if told_lost.insert((place.file, place.offset, key.clone())) {
                            walk.damaged("log", lost_at(place).of(Owner::Key(key)));
                        }
                    }
                    continue;
                }
                Err(error) => return Err(error),
            }
            if seen.is_multiple_of(RECORDS_AT_A_TIME) {
                walk.read(0)?;
            }
            let mut before = 0;
            for extent in Cursor::record(&scan).extents {
                let name = name_of(extent);
                let parts = damaged.get(&name).map(Vec::as_slice).unwrap_or_default();
                if !parts.is_empty() && told.insert((Cursor::key(&scan).to_vec(), name, before)) {
                    for (bytes, damage) in parts {
                        let (key, bytes) =
                            (Cursor::key(&scan).to_vec(), before + bytes.start..before + bytes.end);
                        let owner = Owner::Value { key, extent: *extent, bytes };
                        walk.damaged("segments", damage.clone().of(owner));
                    }
                }
                before = before.saturating_add(extent.length);
            }
        }
        since = at;
    }
    Ok(())
}

fn name_of(extent: &Extent) -> (SegmentId, u64, u64) {
    (extent.segment, extent.offset, extent.length)
}

fn lost_at(place: LogPlace) -> Damage {
    Damage::new(place.path(), place.offset, LogPlace::WHAT)
}
