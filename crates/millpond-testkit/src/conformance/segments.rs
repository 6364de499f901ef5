//! Segments: bulk bytes of any length, read in part and whole.

use millpond_core::{ErrorKind, Extent, Store};

use super::{Fixture, Tests, steps::*};
use crate::random::Random;

/// What a frame may hold: its edges are where reads go wrong.
const FRAME: usize = 64 << 10;

pub(super) const TESTS: Tests = &[
    ("values_of_any_length_come_back", values_of_any_length_come_back),
    ("parts_are_read_at_any_edge", parts_are_read_at_any_edge),
    ("pieces_make_no_difference", pieces_make_no_difference),
    ("an_empty_value_has_no_extents", an_empty_value_has_no_extents),
    ("a_read_past_the_end_is_refused", a_read_past_the_end_is_refused),
    ("an_unfinished_value_is_nothing", an_unfinished_value_is_nothing),
    ("many_values_through_one_writer", many_values_through_one_writer),
    ("many_writers_at_once", many_writers_at_once),
    ("a_record_of_many_extents", a_record_of_many_extents),
    ("bulk_bytes_survive_reopen_and_compaction", bulk_bytes_survive_reopen_and_compaction),
    ("a_dead_value_s_space_comes_back", a_dead_value_s_space_comes_back),
];

fn pattern(length: usize, salt: u64) -> Vec<u8> {
    Random::new(salt).bytes(length)
}

fn length_of(extents: &[Extent]) -> u64 {
    extents.iter().map(|extent| extent.length).sum()
}

/// Reads `into.len()` bytes of a value at `offset`, over its extents.
fn read_part(store: &dyn Store, extents: &[Extent], mut offset: u64, mut into: &mut [u8]) {
    for extent in extents {
        if offset >= extent.length {
            offset -= extent.length;
            continue;
        }
        let count = into.len().min((extent.length - offset) as usize);
        let (head, rest) = into.split_at_mut(count);
        store.segments().read(extent, offset, head).expect("read");
        into = rest;
        offset = 0;
    }
    assert!(into.is_empty(), "the value is shorter than asked");
}

fn values_of_any_length_come_back(fixture: &mut Fixture) {
    let lengths =
        [1, 2, 511, 512, 4095, 4096, 4097, FRAME - 1, FRAME, FRAME + 1, 2 * FRAME - 1, 2 * FRAME, 3_000_001];
    for (at, length) in lengths.into_iter().enumerate() {
        let bytes = pattern(length, at as u64);
        let extents = store_bulk(fixture.store(), &bytes, 100_000);
        assert_eq!(length_of(&extents), length as u64);
        commit_async(fixture.store(), &[put_bulk(&[at as u8], b"header", &extents)]);
    }
    for _ in 0..2 {
        for (at, length) in lengths.into_iter().enumerate() {
            let record = get(fixture.store(), &[at as u8]).expect("there");
            let bytes = read_bulk(fixture.store(), &record.extents).expect("read");
            assert!(bytes == pattern(length, at as u64), "{length} bytes");
        }
        fixture.reopen();
    }
}

fn parts_are_read_at_any_edge(fixture: &mut Fixture) {
    let store = fixture.store();
    let bytes = pattern(3 * FRAME + 100, 1);
    let extents = store_bulk(store, &bytes, FRAME + 1);
    commit(store, &[put_bulk(b"a", b"header", &extents)]);
    let edges: Vec<usize> = [0, FRAME, 2 * FRAME, 3 * FRAME]
        .into_iter()
        .flat_map(|edge| [edge.saturating_sub(1), edge, edge + 1])
        .collect();
    for &start in &edges {
        for length in [0, 1, 2, 100, FRAME - 1, FRAME, FRAME + 1, 2 * FRAME + 1] {
            let length = length.min(bytes.len() - start);
            let mut part = vec![0; length];
            read_part(store, &extents, start as u64, &mut part);
            assert!(part == bytes[start..start + length], "{length} bytes at {start}");
        }
    }
}

fn pieces_make_no_difference(fixture: &mut Fixture) {
    let store = fixture.store();
    let bytes = pattern(2 * FRAME + 333, 2);
    for piece in [7_777, FRAME - 1, FRAME, FRAME + 1, bytes.len()] {
        let extents = store_bulk(store, &bytes, piece);
        commit_async(store, &[put_bulk(b"a", b"header", &extents)]);
        assert!(read_bulk(store, &extents).expect("read") == bytes, "in pieces of {piece}");
    }
    let mut writer = store.segments().writer().expect("a writer");
    for byte in &bytes[..2000] {
        writer.append(std::slice::from_ref(byte)).expect("appended");
        writer.append(b"").expect("nothing is appended");
    }
    let extents = writer.finish().expect("finished");
    commit_async(store, &[put_bulk(b"a", b"header", &extents)]);
    assert!(read_bulk(store, &extents).expect("read") == bytes[..2000]);
}

fn an_empty_value_has_no_extents(fixture: &mut Fixture) {
    let mut writer = fixture.store().segments().writer().expect("a writer");
    assert_eq!(writer.finish().expect("finished"), []);
    writer.append(b"").expect("nothing is appended");
    assert_eq!(writer.finish().expect("finished"), []);
}

fn a_read_past_the_end_is_refused(fixture: &mut Fixture) {
    let store = fixture.store();
    let extents = store_bulk(store, &[1; 1000], 1000);
    commit(store, &[put_bulk(b"a", b"header", &extents)]);
    let last = extents.last().expect("an extent");
    for (offset, length) in [(0, last.length + 1), (last.length, 1), (last.length - 1, 2), (u64::MAX, 1)] {
        let mut into = vec![0; length as usize];
        let error = store.segments().read(last, offset, &mut into).expect_err("it ends before");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    store.segments().read(last, last.length, &mut []).expect("nothing at the end is there");
}

fn an_unfinished_value_is_nothing(fixture: &mut Fixture) {
    let mut writer = fixture.store().segments().writer().expect("a writer");
    writer.append(&[1; 100_000]).expect("appended");
    drop(writer);
    let extents = store_bulk(fixture.store(), &[2; 1000], 10);
    commit(fixture.store(), &[put_bulk(b"a", b"header", &extents)]);
    fixture.reopen();
    let store = fixture.store();
    store.compact().expect("compacted");
    let record = get(store, b"a").expect("there");
    assert_eq!(read_bulk(store, &record.extents).expect("read"), [2; 1000]);
    let mut damages = Vec::new();
    store.verify(&mut |damage| damages.push(damage)).expect("verified");
    assert_eq!(damages, []);
}

fn many_values_through_one_writer(fixture: &mut Fixture) {
    let store = fixture.store();
    let mut writer = store.segments().writer().expect("a writer");
    let mut random = Random::new(3);
    for at in 0u64..200 {
        let bytes = pattern(1 + random.index(9000), at);
        writer.append(&bytes).expect("appended");
        let extents = writer.finish().expect("finished");
        assert_eq!(length_of(&extents), bytes.len() as u64);
        commit_async(store, &[put_bulk(&at.to_be_bytes(), &(bytes.len() as u32).to_le_bytes(), &extents)]);
    }
    drop(writer);
    fixture.reopen();
    let store = fixture.store();
    for at in 0u64..200 {
        let record = get(store, &at.to_be_bytes()).expect("there");
        let length = u32::from_le_bytes(record.value[..].try_into().expect("a length"));
        assert!(read_bulk(store, &record.extents).expect("read") == pattern(length as usize, at));
    }
}

fn many_writers_at_once(fixture: &mut Fixture) {
    let store = fixture.shared();
    std::thread::scope(|scope| {
        for thread in 0u8..4 {
            let store = &*store;
            scope.spawn(move || {
                let mut writer = store.segments().writer().expect("a writer");
                for at in 0u8..20 {
                    let bytes =
                        pattern(30_000 + usize::from(at) * 1000, u64::from(thread) << 8 | u64::from(at));
                    for piece in bytes.chunks(7000) {
                        writer.append(piece).expect("appended");
                    }
                    let extents = writer.finish().expect("finished");
                    commit_async(store, &[put_bulk(&[thread, at], b"header", &extents)]);
                }
            });
        }
    });
    drop(store);
    for _ in 0..2 {
        for (thread, at) in (0u8..4).flat_map(|thread| (0u8..20).map(move |at| (thread, at))) {
            let record = get(fixture.store(), &[thread, at]).expect("there");
            let bytes = read_bulk(fixture.store(), &record.extents).expect("read");
            let length = 30_000 + usize::from(at) * 1000;
            assert!(bytes == pattern(length, u64::from(thread) << 8 | u64::from(at)));
        }
        fixture.reopen();
    }
}

fn a_record_of_many_extents(fixture: &mut Fixture) {
    let store = fixture.store();
    let mut extents = Vec::new();
    let mut expected = Vec::new();
    for at in 0u64..1000 {
        let bytes = pattern(100 + at as usize, at);
        extents.extend(store_bulk(store, &bytes, 50));
        expected.extend(bytes);
    }
    commit(store, &[put_bulk(b"many", b"header", &extents), put_bulk(b"few", b"header", &[])]);
    for step in 0..3 {
        let store = fixture.store();
        let record = get(store, b"many").expect("there");
        assert_eq!(length_of(&record.extents), expected.len() as u64);
        assert!(read_bulk(store, &record.extents).expect("read") == expected);
        assert!(get(store, b"few").expect("there").extents.is_empty());
        match step {
            0 => store.compact().expect("compacted"),
            _ => fixture.reopen(),
        }
    }
}

fn bulk_bytes_survive_reopen_and_compaction(fixture: &mut Fixture) {
    let mut random = Random::new(5);
    let mut expected = std::collections::BTreeMap::new();
    for round in 0u64..120 {
        let store = fixture.store();
        let sort = [random.below(25) as u8];
        if random.chance(300) {
            commit_async(store, &[delete(&sort)]);
            expected.remove(&sort);
        } else {
            let length = 3000 + random.index(40_000);
            let extents = store_bulk(store, &pattern(length, round), 10_000);
            commit_async(store, &[put_bulk(&sort, b"header", &extents)]);
            expected.insert(sort, (length, round));
        }
        match round % 30 {
            14 => fixture.store().compact().expect("compacted"),
            29 => fixture.reopen(),
            _ => {}
        }
        for (sort, (length, salt)) in &expected {
            if round % 10 == 0 {
                let record = get(fixture.store(), sort).expect("there");
                let bytes = read_bulk(fixture.store(), &record.extents).expect("read");
                assert!(bytes == pattern(*length, *salt), "{sort:?} in round {round}");
            }
        }
    }
}

fn a_dead_value_s_space_comes_back(fixture: &mut Fixture) {
    let store = fixture.store();
    for at in 0u8..10 {
        let extents = store_bulk(store, &pattern(400_000, u64::from(at)), 100_000);
        commit(store, &[put_bulk(&[at], b"header", &extents)]);
    }
    fixture.reopen();
    let before = fixture.store().statistics().expect("statistics").bytes_segments;
    assert!(before >= 4_000_000, "{before}");
    for at in 0u8..9 {
        commit(fixture.store(), &[delete(&[at])]);
    }
    for _ in 0..3 {
        fixture.store().compact().expect("compacted");
    }
    fixture.reopen();
    fixture.store().compact().expect("compacted");
    let after = fixture.store().statistics().expect("statistics").bytes_segments;
    assert!(after < before / 2, "{after} of {before} bytes are left");
    let record = get(fixture.store(), &[9]).expect("there");
    assert!(read_bulk(fixture.store(), &record.extents).expect("read") == pattern(400_000, 9));
}
