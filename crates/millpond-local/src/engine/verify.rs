//! Verifying: every stored byte is read, and all damage is reported with its place.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::atomic::Ordering,
};

use bytes::Bytes;
use millpond_core::{Cursor, Damage, Epoch, ErrorKind, Extent, Result, SegmentId};

use super::{Engine, retention::retained_epochs};
use crate::{
    log::{LogFile, LogPlace, Lost, PayloadRead, next_intact, parse, values_intact},
    manifest::Manifest,
    read::{Epochs, MergeScan},
    segment,
};

impl Engine {
    /// Reads every stored byte; see [`millpond_core::Store::verify`].
    pub(crate) fn verify_all(&self, report: &mut dyn FnMut(Damage)) -> Result<u64> {
        let (state, _) = self.current()?;
        let (mut bytes, damaged) = Manifest::verify(&self.media, &self.dir, self.container)?;
        if let Some(offset) = damaged {
            let what = "one of two copies is damaged; the other one is used".into();
            report(Damage { place: "manifest".into(), offset, what });
        }
        let mut relative = |dir: &str, damage: Damage| {
            let place = damage.place.rsplit('/').next().unwrap_or_default();
            report(Damage { place: format!("{dir}/{place}"), ..damage });
        };
        let bulk: Vec<_> = state.tails.iter().flat_map(|tail| tail.bulk()).collect();
        for run in state.runs.iter().chain(bulk.iter().map(|bulk| &bulk.run)) {
            bytes += run.verify(&mut |damage| relative("runs", damage));
        }
        let mut lost = BTreeSet::new();
        bytes +=
            self.verify_log(state.manifest.first_log(), &mut lost, &mut |damage| relative("log", damage))?;

        for known in state.lost.iter().filter(|known| lost.insert((known.place.file, known.place.offset))) {
            relative("log", known.damage());
        }

        // The whole of each live segment: what no record owns is not worth a word. Every version counts
        // that a kept epoch shows: those of the oldest one, and of the others what was changed since.
        let mut extents: BTreeMap<SegmentId, Vec<Extent>> = BTreeMap::new();
        let newest = state.epoch();
        let kept = retained_epochs(&state)?.into_iter().filter(|epoch| *epoch < newest);
        let mut since = Epoch::ZERO;
        for at in kept.chain([newest]) {
            let epochs = Epochs { at, since };
            let mut scan = MergeScan::new(&state, Bound::Unbounded, Bound::Unbounded, epochs, false, 0)
                .in_spite_of_losses();
            loop {
                match Cursor::advance(&mut scan) {
                    Ok(true) => {
                        for extent in Cursor::record(&scan).extents {
                            extents.entry(extent.segment).or_default().push(*extent);
                        }
                    }
                    Ok(false) => break,
                    // A damaged run is reported above; a lost value may be older than what is left of
                    // the log.
                    Err(error) if error.kind() == ErrorKind::Corrupt => {
                        if let Some(place) = scan.damaged()
                            && lost.insert((place.file, place.offset))
                        {
                            relative("log", lost_at(place));
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
            since = at;
        }
        for extents in extents.values_mut() {
            // Versions may share them.
            extents.sort_unstable_by_key(|extent| (extent.offset, extent.length));
            extents.dedup();
        }
        for (id, extents) in extents {
            match self.segments.reader(id) {
                Ok(reader) => bytes += reader.verify(&extents, &mut |damage| relative("segments", damage)),
                Err(error) => relative(
                    "segments",
                    Damage { place: segment::file_name(id), offset: 0, what: error.to_string() },
                ),
            }
        }
        Ok(bytes)
    }

    /// Reads the log from file `first` on, as far as it is published. Records with lost values are
    /// reported, and added to `lost`.
    fn verify_log(
        &self,
        first: u64,
        lost: &mut BTreeSet<(u64, u64)>,
        report: &mut dyn FnMut(Damage),
    ) -> Result<u64> {
        let words = self.control.words();
        let last = words.log_file.load(Ordering::Acquire);
        let published = words.published.load(Ordering::Acquire);
        let open = |number, report: &mut dyn FnMut(Damage)| {
            match LogFile::open(&self.media, &self.log_dir(), self.container, number) {
                // Its records have come to be in a run.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    let place = LogPlace { file: number, offset: 0 }.path();
                    report(Damage { place, offset: 0, what: error.to_string() });
                    Ok(None)
                }
                other => other.map(Some),
            }
        };
        let mut bytes = 0;
        let mut next = open(first, report)?;
        for number in first..=last {
            let Some(file) = next else {
                next = open(number + 1, report)?;
                continue;
            };
            next = if number < last { open(number + 1, report)? } else { None };
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
                    report(Lost { place, after: epoch, before: Epoch::MAX }.damage());
                    lost.insert((place.file, place.offset));
                    match next_intact(rest, self.container, offset, epoch) {
                        Some((behind, _)) => offset = behind,
                        None => break,
                    }
                    continue;
                };
                epoch = header.epoch;
                let record = content.slice(start..start + header.length as usize);
                if !values_intact(&PayloadRead::of(&record, &header))
                    && lost.insert((place.file, place.offset))
                {
                    report(lost_at(place));
                }
                offset += u64::from(header.length);
            }
        }
        Ok(bytes)
    }
}

fn lost_at(place: LogPlace) -> Damage {
    Damage { place: place.path(), offset: place.offset, what: LogPlace::WHAT.into() }
}
