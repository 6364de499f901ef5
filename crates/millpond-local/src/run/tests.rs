//! What a run must do, against a plain list of records: every version found at every epoch, walks
//! in both directions, and damage that is an error and never a wrong answer.

use std::{
    fs,
    ops::Bound,
    path::{Path, PathBuf},
    sync::Arc,
};

use millpond_core::{Damage, Epoch, ErrorKind};
use proptest::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

use super::{Entry, EntryRef, Found, Run, RunCursor, RunId, RunSummary, RunWriter, reader::is_between};
use crate::{
    cache::BlockCache,
    media::{Media, SystemMedia},
    verification::Walk,
};

/// The reference: records in the order of a run.
pub(super) mod model {
    use std::{cmp::Reverse, collections::BTreeMap, ops::Range};

    use millpond_core::{Extent, SegmentId};
    use proptest::prelude::*;

    use crate::run::Entry;

    pub(in crate::run) type Records = Vec<(Vec<u8>, u64, Entry)>;

    /// Records of few different keys that share prefixes, with several versions each.
    pub(in crate::run) fn records(count: Range<usize>) -> impl Strategy<Value = Records> {
        let key = prop_oneof![
            6 => prop::collection::vec(0..3u8, 0..7),
            2 => any::<[u8; 2]>().prop_map(|tail| [&b"a partition that is shared/"[..], &tail].concat()),
            1 => (0..2112usize).prop_map(|length| vec![7; length]),
        ];
        let epoch = prop_oneof![4 => 1..20u64, 1 => any::<u64>()];
        prop::collection::btree_map((key, epoch.prop_map(Reverse)), entry(), count).prop_map(
            |records: BTreeMap<_, _>| {
                records.into_iter().map(|((key, Reverse(epoch)), entry)| (key, epoch, entry)).collect()
            },
        )
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let extent = (any::<u64>(), any::<u64>(), any::<u64>())
            .prop_map(|(segment, offset, length)| Extent { segment: SegmentId(segment), offset, length });
        let value = prop_oneof![9 => 0..200usize, 1 => 0..4097usize];
        let value = (value, any::<u8>()).prop_map(|(length, byte)| vec![byte; length].into());
        prop_oneof![
            6 => (value, prop::collection::vec(extent, 0..4))
                .prop_map(|(value, extents)| Entry::Put { value, extents }),
            1 => Just(Entry::Tombstone),
            1 => any::<i64>().prop_map(Entry::Counter),
        ]
    }
}

const CONTAINER: Uuid = Uuid::from_u128(0x0DE1);
pub(super) const ID: RunId = RunId(0x51);

/// A directory with one run in it.
pub(super) struct Place {
    _directory: TempDir,
    media: Arc<dyn Media>,
    pub(super) path: PathBuf,
    mapped: bool,
}

impl Place {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(ID.file_name());
        Self { _directory: directory, media: Arc::new(SystemMedia), path, mapped: true }
    }

    /// As `new`, whose run is read without being mapped.
    fn unmapped() -> Self {
        Self { mapped: false, ..Self::new() }
    }

    fn writer(&self) -> RunWriter {
        RunWriter::create(&self.media, &self.path, ID, CONTAINER, 100).expect("a writer")
    }

    pub(super) fn write(&self, records: &model::Records) -> RunSummary {
        let mut writer = self.writer();
        for (key, epoch, entry) in records {
            writer.add(key, Epoch(*epoch), entry.as_ref()).expect("added");
        }
        assert_eq!(writer.records(), records.len() as u64);
        writer.finish().expect("finished")
    }

    pub(super) fn open(&self) -> millpond_core::Result<Arc<Run>> {
        self.open_as(ID, CONTAINER, None)
    }

    fn open_as(
        &self,
        id: RunId,
        container: Uuid,
        inherited: Option<Epoch>,
    ) -> millpond_core::Result<Arc<Run>> {
        let cache = Arc::new(BlockCache::new(1 << 20));
        Run::open(&self.media, &self.path, id, container, inherited, &cache, self.mapped).map(Arc::new)
    }
}

fn put(value: &[u8]) -> EntryRef<'_> {
    EntryRef::Put { value, extents: &[] }
}

pub(super) fn current(cursor: &RunCursor) -> (Vec<u8>, u64, Entry) {
    (cursor.key().to_vec(), cursor.epoch().0, cursor.entry_owned())
}

pub(super) fn damages(run: &Run) -> Vec<Damage> {
    let mut found = Vec::new();
    let mut report = |damage: Damage| found.push(damage);
    let mut walk = Walk::new(&mut report);
    run.verify(&mut walk).expect("verified");
    assert!(walk.bytes > 0);
    found
}

/// Many records of several blocks.
pub(super) fn numbered(count: u64) -> model::Records {
    (0..count)
        .map(|number| {
            let key = format!("key-{:05}", number / 2).into_bytes();
            let value = format!("value {number} ").repeat(8).into_bytes().into();
            (key, 1000 - number % 2, Entry::Put { value, extents: Vec::new() })
        })
        .collect()
}

pub(super) fn found(records: &model::Records, key: &[u8], at: u64) -> Option<Found> {
    let found = records.iter().find(|(k, epoch, _)| k == key && *epoch <= at)?;
    Some(Found { epoch: Epoch(found.1), entry: found.2.clone() })
}

fn is_at_or_behind(key: &[u8], start: Bound<&[u8]>) -> bool {
    is_between(key, start, Bound::Unbounded)
}

fn is_at_or_before(key: &[u8], end: Bound<&[u8]>) -> bool {
    is_between(key, Bound::Unbounded, end)
}

fn check_walk(run: &Arc<Run>, records: &model::Records, start: Bound<&[u8]>) {
    let mut cursor = run.cursor();
    let mut there = cursor.seek(start).expect("a seek");
    for record in records.iter().filter(|(key, ..)| is_at_or_behind(key, start)) {
        assert!(there && cursor.valid());
        assert_eq!(current(&cursor), *record);
        there = cursor.next().expect("a step");
    }
    assert!(!there && !cursor.valid());
    let mut there = cursor.seek_back(start).expect("a seek");
    for record in records.iter().rev().filter(|(key, ..)| is_at_or_before(key, start)) {
        assert!(there && cursor.valid());
        assert_eq!(current(&cursor), *record);
        there = cursor.prev().expect("a step");
    }
    assert!(!there && !cursor.valid());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn all_versions_come_back(
        records in model::records(0..200),
        probe in prop::collection::vec(0..3u8, 0..7),
        mapped: bool,
    ) {
        let place = if mapped { Place::new() } else { Place::unmapped() };
        let summary = place.write(&records);
        let run = place.open().expect("the run");
        prop_assert_eq!(run.summary(), &summary);
        prop_assert_eq!(summary.records, records.len() as u64);
        prop_assert_eq!(summary.bytes, fs::metadata(&place.path).expect("a file").len());
        prop_assert_eq!(summary.epoch_min.0, records.iter().map(|record| record.1).min().unwrap_or(0));
        prop_assert_eq!(summary.epoch_max.0, records.iter().map(|record| record.1).max().unwrap_or(0));
        prop_assert_eq!(&summary.first_key, &records.first().cloned().unwrap_or((Vec::new(), 0, Entry::Tombstone)).0);
        prop_assert_eq!(&summary.last_key, &records.last().cloned().unwrap_or((Vec::new(), 0, Entry::Tombstone)).0);

        for (key, epoch, _) in records.iter().chain([&(probe.clone(), 9, Entry::Tombstone)]) {
            for at in [*epoch, epoch.saturating_sub(1), epoch.saturating_add(1), u64::MAX] {
                prop_assert_eq!(run.get(key, Epoch(at)).expect("a get"), found(&records, key, at));
            }
            prop_assert!(run.may_contain(key) || found(&records, key, u64::MAX).is_none());
        }
        check_walk(&run, &records, Bound::Unbounded);
        for key in records.iter().map(|record| &record.0).step_by(7).chain([&probe]) {
            check_walk(&run, &records, Bound::Included(key));
            check_walk(&run, &records, Bound::Excluded(key));
        }
        prop_assert_eq!(damages(&run), Vec::new());
    }

    #[test]
    fn a_cursor_may_turn_at_any_record(
        records in model::records(1..150),
        steps in prop::collection::vec(any::<bool>(), 0..400),
        mapped: bool,
    ) {
        let place = if mapped { Place::new() } else { Place::unmapped() };
        place.write(&records);
        let run = place.open().expect("the run");
        let mut cursor = run.cursor();
        // 0 is before the first record.
        let mut at = 0;
        for forward in steps {
            at = if forward { (at + 1).min(records.len() + 1) } else { at.saturating_sub(1) };
            let there = if forward { cursor.next() } else { cursor.prev() }.expect("a step");
            prop_assert_eq!(there, (1..=records.len()).contains(&at));
            if there {
                prop_assert_eq!(&current(&cursor), &records[at - 1]);
            }
        }
    }

    #[test]
    fn changes_are_seen_within_their_range(
        records in model::records(0..80),
        mut keys in prop::array::uniform2(prop::collection::vec(0..3u8, 0..7)),
        since in 0..25u64,
    ) {
        keys.sort();
        let place = Place::new();
        place.write(&records);
        let run = place.open().expect("the run");
        let (low, high) = (keys[0].as_slice(), keys[1].as_slice());
        for start in [Bound::Included(low), Bound::Excluded(low), Bound::Unbounded] {
            for end in [Bound::Included(high), Bound::Excluded(high), Bound::Unbounded] {
                let expected = records.iter().any(|(key, epoch, _)| {
                    *epoch > since && is_at_or_behind(key, start) && is_at_or_before(key, end)
                });
                prop_assert_eq!(run.changed_since(start, end, Epoch(since)).expect("an answer"), expected);
            }
        }
    }
}

#[test]
fn versions_of_one_key_may_fill_many_blocks() {
    let value = bytes::Bytes::from(vec![7; 1000]);
    let mut records: model::Records = vec![(b"a".to_vec(), 1, Entry::Tombstone)];
    let put = || Entry::Put { value: value.clone(), extents: Vec::new() };
    records.extend((1..=50).rev().map(|epoch| (b"b".to_vec(), 2 * epoch, put())));
    records.push((b"c".to_vec(), 1, put()));
    let place = Place::new();
    place.write(&records);
    let run = place.open().expect("the run");
    for at in 0..110 {
        assert_eq!(run.get(b"b", Epoch(at)).expect("a get"), found(&records, b"b", at));
    }
    for bound in [Bound::Included(&b"b"[..]), Bound::Excluded(b"b"), Bound::Included(b"bb"), Bound::Unbounded]
    {
        check_walk(&run, &records, bound);
    }
}

#[test]
fn the_greatest_record_fits() {
    let longest = millpond_core::limits::SORT_KEY_BYTES_MAX + millpond_core::limits::PARTITION_BYTES_MAX;
    let extents: Vec<_> = (0..millpond_core::limits::RECORD_EXTENTS_MAX as u64)
        .map(|number| millpond_core::Extent {
            segment: millpond_core::SegmentId(u64::MAX - number),
            offset: u64::MAX,
            length: u64::MAX,
        })
        .collect();
    let (key, value) = (vec![0xFF; longest], vec![0xAA; 4096]);
    let place = Place::new();
    let mut writer = place.writer();
    writer.add(b"before", Epoch(1), EntryRef::Counter(i64::MIN)).expect("added");
    writer.add(&key, Epoch(1), EntryRef::Put { value: &value, extents: &extents }).expect("added");
    for (length, kind) in [(3 * longest, ErrorKind::KeyTooLong), (longest, ErrorKind::ValueTooLong)] {
        let refused = writer.add(&vec![0xFF; length], Epoch(0), put(&[0; 4097])).expect_err("too long");
        assert_eq!(refused.kind(), kind);
    }
    writer.finish().expect("finished");
    let run = place.open().expect("the run");
    let expected = Entry::Put { value: value.into(), extents };
    assert_eq!(run.get(&key, Epoch(1)).expect("a get").map(|found| found.entry), Some(expected));
}

#[test]
fn an_order_that_searches_could_not_rely_on_is_refused() {
    let place = Place::new();
    let mut writer = place.writer();
    writer.add(b"b", Epoch(5), put(b"1")).expect("the first");
    for (key, epoch) in [(b"a", 9), (b"b", 5), (b"b", 6)] {
        let refused = writer.add(key, Epoch(epoch), put(b"2")).expect_err("out of order");
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
        assert!(refused.to_string().contains(&ID.file_name()), "{refused}");
    }
    writer.add(b"b", Epoch(4), put(b"3")).expect("an older version");
    assert_eq!(writer.finish().expect("finished").records, 2);
    assert_eq!(damages(&place.open().expect("the run")), Vec::new());
}

#[test]
fn records_inherit_the_epoch_of_their_commit() {
    let place = Place::new();
    let mut writer = place.writer();
    writer.add(b"a", Epoch::ZERO, put(b"1")).expect("added");
    writer.add(b"b", Epoch::ZERO, EntryRef::Tombstone).expect("added");
    writer.finish().expect("finished");
    let run = place.open_as(ID, CONTAINER, Some(Epoch(7))).expect("the run");
    assert_eq!((run.summary().epoch_min, run.summary().epoch_max), (Epoch(7), Epoch(7)));
    assert_eq!(run.get(b"a", Epoch(6)).expect("a get"), None);
    let inherited = run.get(b"b", Epoch(7)).expect("a get");
    assert_eq!(inherited, Some(Found { epoch: Epoch(7), entry: Entry::Tombstone }));
    let mut cursor = run.cursor();
    assert!(cursor.seek(Bound::Unbounded).expect("a seek"));
    assert_eq!(cursor.epoch(), Epoch(7));
    let changed = |since| run.changed_since(Bound::Unbounded, Bound::Unbounded, Epoch(since));
    assert_eq!((changed(6).expect("an answer"), changed(7).expect("an answer")), (true, false));
}

#[test]
fn a_run_with_epochs_of_its_own_inherits_none() {
    let place = Place::new();
    place.write(&numbered(3));
    let refused = place.open_as(ID, CONTAINER, Some(Epoch(7))).expect_err("it has epochs");
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
}

#[test]
fn an_unfinished_run_leaves_no_file_and_none_is_overwritten() {
    let place = Place::new();
    let mut writer = place.writer();
    writer.add(b"a", Epoch(1), put(b"1")).expect("added");
    let second = RunWriter::create(&place.media, &place.path, ID, CONTAINER, 0).expect_err("it exists");
    assert_eq!(second.kind(), ErrorKind::AlreadyExists);
    drop(writer);
    assert!(!place.path.exists());
    assert_eq!(place.open().expect_err("it is gone").kind(), ErrorKind::NotFound);
}

#[test]
fn a_flipped_byte_is_an_error_or_does_no_harm() {
    let records = numbered(160);
    let mut place = Place::new();
    place.write(&records);
    let intact = fs::read(&place.path).expect("the file");
    let file = fs::OpenOptions::new().write(true).open(&place.path).expect("the file");
    let overwrite = |at: usize, byte: u8| {
        std::os::unix::fs::FileExt::write_all_at(&file, &[byte], at as u64).expect("a write");
    };
    for (at, &byte) in intact.iter().enumerate() {
        overwrite(at, byte ^ (1 << (at % 8)));
        place.mapped = at % 2 == 0;
        let seen = harmless(&place, &records);
        if !seen {
            let run = place.open().expect("it opens");
            assert!(!damages(&run).is_empty(), "byte {at}: nobody noticed");
        }
        overwrite(at, byte);
    }
    assert_eq!(damages(&place.open().expect("the run")), Vec::new());
}

/// Checks that everything that a run answers is right; true if there was an error.
fn harmless(place: &Place, records: &model::Records) -> bool {
    let named = |error: &millpond_core::Error| {
        assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible), "{error}");
        assert!(error.to_string().contains(&ID.file_name()), "{error}");
    };
    let run = place.open().expect("one damaged byte keeps no run from being opened");
    let mut hidden = 0;
    for (key, epoch, _) in records {
        match run.get(key, Epoch(*epoch)) {
            Ok(answer) => assert_eq!(answer, found(records, key, *epoch)),
            Err(error) => {
                named(&error);
                hidden += 1;
            }
        }
    }
    assert!(hidden < records.len(), "one damaged block hides all records");
    for forward in [true, false] {
        let mut cursor = run.cursor();
        let mut step =
            if forward { cursor.seek(Bound::Unbounded) } else { cursor.seek_back(Bound::Unbounded) };
        let mut seen = Vec::new();
        let mut errors = 0;
        loop {
            match step {
                Ok(true) => seen.push(current(&cursor)),
                Ok(false) => break,
                Err(error) => {
                    named(&error);
                    errors += 1;
                }
            }
            step = if forward { cursor.next() } else { cursor.prev() };
        }
        if !forward {
            seen.reverse();
        }
        assert_eq!(errors, usize::from(hidden > 0));
        // The older of two versions may lie in the block behind the damaged one, where no get can
        // tell that no other one lies between.
        let unseen = records.len() - seen.len();
        assert!(unseen <= hidden && hidden <= unseen + 1, "{unseen} unseen, {hidden} hidden");
        assert!(seen.iter().all(|record| records.contains(record)));
    }
    if hidden > 0 {
        let found = damages(&run);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].place.ends_with(&ID.file_name()));
    }
    hidden > 0
}

#[test]
fn a_file_of_any_shorter_length_hides_its_end() {
    let records = numbered(100);
    let place = Place::new();
    place.write(&records);
    let length = fs::metadata(&place.path).expect("a file").len();
    let file = fs::OpenOptions::new().write(true).open(&place.path).expect("the file");
    let mut hidden_before = 0;
    for cut in (0..length).rev() {
        file.set_len(cut).expect("cut");
        let Ok(run) = place.open() else {
            assert!(cut < 48, "{cut} bytes have a header");
            continue;
        };
        assert!(run.is_impaired() && !damages(&run).is_empty());
        let mut hidden = 0;
        for (key, epoch, _) in &records {
            match run.get(key, Epoch(*epoch)) {
                Ok(answer) => assert_eq!(answer, found(&records, key, *epoch), "cut to {cut}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt);
                    hidden += 1;
                }
            }
        }
        assert!(hidden >= hidden_before, "cut to {cut}");
        hidden_before = hidden;
    }
    assert_eq!(hidden_before, records.len());
}

#[test]
fn files_that_belong_elsewhere_are_refused() {
    let place = Place::new();
    place.write(&numbered(10));
    for (id, container) in [(RunId(9), CONTAINER), (ID, Uuid::from_u128(9))] {
        let refused = place.open_as(id, container, None).expect_err("it belongs elsewhere");
        assert_eq!(refused.kind(), ErrorKind::Incompatible);
    }
    let foreign = Path::new(&place.path);
    fs::write(foreign, b"#!/bin/sh\n".repeat(100)).expect("a write");
    let refused = place.open().expect_err("it is a script");
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert!(refused.to_string().contains("isn't a sorted run"), "{refused}");
}
