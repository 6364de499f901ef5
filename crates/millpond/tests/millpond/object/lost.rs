//! Records of arrays that are lost: what a repair makes of them, and what forgetting does.

use std::ops::Range;

use millpond::{Container, Error, ErrorKind, Object, ObjectId, ObjectOptions};
use millpond_testkit::random::{Random, test_scale, test_seed};

use crate::{
    scratch::{Scratch, noise, refused},
    scrub::damage,
};

/// What extents are whole multiples of, as are the bytes of a segment that are verified together.
const FRAME: u64 = 64 << 10;

fn object(container: &Container, id: ObjectId) -> Object {
    container.object(id).expect("an object")
}

fn read(object: &Object, records: Range<u64>) -> Result<(Vec<u8>, Vec<Range<u64>>), Error> {
    let mut bytes = vec![0xEE; (records.end - records.start) as usize];
    let holes = object.read("d", "a", 1, records.start, &mut bytes)?;
    Ok((bytes, holes))
}

#[test]
fn lost_records_are_marked_and_intact_ones_stay() {
    let scratch = Scratch::file();
    let container = scratch.container();
    let before = container.create_object(ObjectOptions::default()).expect("created");
    let id = before.id();
    // What lies beneath must never show again.
    before.write("d", "a", 1, 0, &noise(1, 3 * FRAME as usize)).expect("written");
    let value = noise(2, 300_000);
    before.write("d", "a", 1, 0, &value).expect("written");
    before.write("d", "a", 1, 100_000, b"newer").expect("written");
    let mut expected = value.clone();
    expected[100_000..100_005].copy_from_slice(b"newer");
    let url = container.url();
    container.close().expect("closed");
    drop((before, container));
    damage(&scratch, &value[70_000..70_032]);

    let container = Container::open(&url).expect("opened");
    let array = object(&container, id);
    refused(read(&array, 70_000..70_001), ErrorKind::Corrupt, "segments/");
    let report = container.check(true).expect("repaired");
    assert_eq!((report.lost, report.repaired.len(), report.markers.len()), (1, 1, 1), "{report:#?}");
    assert!(report.is_clean(), "{report:#?}");
    let look = |array: &Object| {
        refused(read(array, 0..300_000), ErrorKind::DataLoss, "records 69632 to 73728");
        for lost in [69_632..69_633, 73_727..73_728] {
            refused(read(array, lost), ErrorKind::DataLoss, "--forget");
        }
        for records in [0..69_632, 73_728..300_000] {
            let right = &expected[records.start as usize..records.end as usize];
            assert!(read(array, records).expect("intact") == (right.to_vec(), vec![]));
        }
    };
    look(&array);
    container.compact().expect("compacted, in spite of what is lost");
    look(&array);
    array.write("d", "a", 1, 65_536, &value[65_536..72_000]).expect("put back from a copy");
    assert!(read(&array, 0..72_000).expect("read").0 == value[..72_000]);
    refused(read(&array, 72_000..72_001), ErrorKind::DataLoss, "records 69632 to 73728");
    let again = container.check(true).expect("repaired");
    assert_eq!((again.lost, again.markers.len(), again.is_clean()), (0, 1, true), "{again:#?}");

    assert_eq!(container.forget().expect("forgotten"), 1);
    let (bytes, holes) = read(&array, 0..300_000).expect("read");
    assert_eq!(holes, std::iter::once(72_000..73_728).collect::<Vec<_>>());
    assert!(bytes[..72_000] == expected[..72_000] && bytes[73_728..] == expected[73_728..]);
    assert_eq!(container.forget().expect("forgotten"), 0);
    container.compact().expect("compacted");
    assert_eq!(read(&array, 0..300_000).expect("read").1, holes);
    let report = container.check(false).expect("checked");
    assert!(report.is_clean() && report.markers.is_empty(), "{report:#?}");
}

#[test]
fn a_marker_that_nothing_shows_goes_with_the_next_merge() {
    let scratch = Scratch::file();
    let container = scratch.container();
    let id = container.create_object(ObjectOptions::default()).expect("created").id();
    let value = noise(3, 200_000);
    object(&container, id).write("d", "a", 1, 0, &value).expect("written");
    let url = container.url();
    container.close().expect("closed");
    drop(container);
    damage(&scratch, &value[70_000..70_032]);
    let container = Container::open(&url).expect("opened");
    assert_eq!(container.check(true).expect("repaired").markers.len(), 1);
    let array = object(&container, id);
    array.write("d", "a", 1, 60_000, &value[60_000..150_000]).expect("put back from a copy");
    container.compact().expect("compacted");
    assert!(read(&array, 0..200_000).expect("read") == (value, vec![]));
    assert_eq!(container.check(false).expect("checked").markers.len(), 0);
}

const FRAMES: u64 = 10;

/// The parts of the array that can be read; they are right, and what can't be is of that kind.
fn intact(array: &Object, expected: &[Option<u8>], kind: ErrorKind) -> Vec<bool> {
    let parts = (0..2 * FRAMES).map(|part| part * FRAME / 2..(part + 1) * FRAME / 2);
    let read = parts.map(|records| match read(array, records.clone()) {
        Ok((bytes, holes)) => {
            let is_hole = |record: u64| holes.iter().any(|hole| hole.contains(&record));
            let found = (records.start..).zip(bytes).map(|(record, byte)| (!is_hole(record)).then_some(byte));
            let right = &expected[records.start as usize..records.end as usize];
            assert!(found.eq(right.iter().copied()), "records {records:?} are others");
            true
        }
        Err(error) => {
            assert_eq!(error.kind(), kind, "{error}");
            false
        }
    });
    read.collect()
}

fn extents_at_random(seed: u64) {
    let mut random = Random::new(seed);
    let scratch = Scratch::file();
    let container = scratch.container();
    let id = container.create_object(ObjectOptions::default()).expect("created").id();
    let mut expected: Vec<Option<u8>> = vec![None; (FRAMES * FRAME) as usize];
    let mut written = Vec::new();
    for number in 0..12u64 {
        let length = (1 + random.below(3)) * FRAME;
        // Most of them just where what is left of others begins and ends.
        let skew = if random.chance(300) { random.below(FRAME) } else { 0 };
        let start = random.below(FRAMES - 3) * FRAME + skew;
        let bytes = noise(seed * 100 + number, length as usize);
        object(&container, id).write("d", "a", 1, start, &bytes).expect("written");
        expected.splice(start as usize..(start + length) as usize, bytes.iter().copied().map(Some));
        written.push(bytes);
    }
    let url = container.url();
    container.close().expect("closed");
    drop(container);
    for _ in 0..1 + random.below(3) {
        let bytes = &written[random.index(written.len())];
        let at = random.index(bytes.len() - 32);
        damage(&scratch, &bytes[at / 64 * 64..][..8]);
    }

    let container = Container::open(&url).expect("opened");
    let before = intact(&object(&container, id), &expected, ErrorKind::Corrupt);
    let report = container.check(true).expect("repaired");
    // What was overwritten as a whole is nobody's, and the same bit may have been changed twice.
    let is_whole = before.iter().all(|is_intact| *is_intact);
    assert!(report.is_clean() && (report.lost > 0 || is_whole), "{report:#?}");
    let after = intact(&object(&container, id), &expected, ErrorKind::DataLoss);
    assert_eq!(after, before, "what can be read is what could be");
    container.compact().expect("compacted");
    assert_eq!(intact(&object(&container, id), &expected, ErrorKind::DataLoss), after, "merged");
    container.close().expect("closed");
    let container = Container::open(&url).expect("opened");
    assert_eq!(intact(&object(&container, id), &expected, ErrorKind::DataLoss), after, "opened again");

    let mut without = expected.clone();
    for (part, _) in after.iter().enumerate().filter(|(_, is_intact)| !**is_intact) {
        let records = part as u64 * FRAME / 2..(part as u64 + 1) * FRAME / 2;
        for record in records {
            if read(&object(&container, id), record..record + 1).is_err() {
                without[record as usize] = None;
            }
        }
    }
    container.forget().expect("forgotten");
    let all = intact(&object(&container, id), &without, ErrorKind::DataLoss);
    assert!(all.iter().all(|is_intact| *is_intact), "what is forgotten is a hole, and nothing shows through");
    assert!(container.check(false).expect("checked").is_clean());
}

#[test]
fn what_lies_beneath_never_shows_through() {
    let seed = test_seed(1);
    for round in 0..6 * test_scale() {
        println!("seed {}", seed + round);
        extents_at_random(seed + round);
    }
}

/// A compaction merges what it can, and tells of the rest.
#[test]
fn a_compaction_goes_on_behind_a_damaged_array() {
    let scratch = Scratch::file();
    let container = scratch.container();
    let array = container.create_object(ObjectOptions::default()).expect("created");
    let (id, other) = (array.id(), container.create_object(ObjectOptions::default()).expect("created"));
    let other_id = other.id();
    let value = noise(3, 40_000);
    for object in [&array, &other] {
        for akey in ["a", "b"] {
            for part in 0..8u64 {
                let seed = u64::from(akey == "a" && object.id() == id);
                let bytes = if seed == 1 { &value } else { &noise(4, 40_000) };
                let from = part as usize * 5000;
                object.write("d", akey, 1, part * 5000, &bytes[from..from + 5000]).expect("written");
            }
        }
    }
    let url = container.url();
    container.close().expect("closed");
    drop((array, other, container));
    damage(&scratch, &value[22_000..22_032]);

    let container = Container::open(&url).expect("opened");
    let extents = |id: ObjectId, akey: &str| {
        let listed = object(&container, id).list_extents("d", akey).expect("begun");
        listed.collect::<Result<Vec<_>, _>>().expect("read").len()
    };
    assert_eq!([extents(id, "a"), extents(id, "b"), extents(other_id, "a")], [8, 8, 8]);
    let compacted = container.compact_and_report().expect("compacted, but for that array");
    assert_eq!(compacted.left.len(), 1, "{compacted:?}");
    assert_eq!(compacted.left[0].object, Some(id.to_string()), "{compacted:?}");
    assert!(compacted.left[0].what.contains("segments/"), "{compacted:?}");
    assert_eq!([extents(id, "a"), extents(id, "b"), extents(other_id, "b")], [8, 1, 1]);
    let array = object(&container, id);
    refused(read(&array, 22_000..22_001), ErrorKind::Corrupt, "segments/");
    assert!(read(&array, 0..20_000).expect("intact").0 == value[..20_000]);
}
