//! Keys and values: any bytes, up to the limits and not beyond.

use millpond_core::{
    Direction, ErrorKind, Key, KeyRange, Store,
    limits::{PARTITION_BYTES_MAX, RECORD_VALUE_BYTES_MAX, SORT_KEY_BYTES_MAX},
};

use super::{Fixture, Tests, steps::*};

pub(super) const TESTS: Tests = &[
    ("any_bytes_are_a_key", any_bytes_are_a_key),
    ("any_bytes_are_a_value", any_bytes_are_a_value),
    ("the_longest_keys_and_values", the_longest_keys_and_values),
    ("what_is_too_long_is_refused", what_is_too_long_is_refused),
    ("long_common_prefixes", long_common_prefixes),
    ("many_partitions", many_partitions),
];

fn any_bytes_are_a_key(fixture: &mut Fixture) {
    let sorts: [&[u8]; 8] = [b"", b"\0", b"\0\0\0", b"\xFF", b"\xFF\xFF\xFF", b"a\0b", b"\x80\xFE", b"k"];
    for (at, sort) in sorts.iter().enumerate() {
        commit_async(fixture.store(), &[put(sort, &[at as u8 + 1])]);
    }
    for step in 0..3 {
        for (at, sort) in sorts.iter().enumerate() {
            assert_eq!(value(fixture.store(), sort), Some(vec![at as u8 + 1]), "{sort:?}");
        }
        assert_eq!(value(fixture.store(), b"\0\0"), None);
        match step {
            0 => fixture.store().compact().expect("compacted"),
            _ => fixture.reopen(),
        }
    }
    for sort in sorts {
        let (_, existed) = commit_async(fixture.store(), &[delete(sort)]);
        assert_eq!(existed, [true]);
    }
    assert_eq!(all(fixture.store()), []);
}

fn any_bytes_are_a_value(fixture: &mut Fixture) {
    let values: Vec<Vec<u8>> = vec![
        vec![0],
        vec![0; 8],
        vec![0xFF; 8],
        vec![0xFF; 700],
        (0..=255).collect(),
        vec![0; RECORD_VALUE_BYTES_MAX],
    ];
    for (at, value) in values.iter().enumerate() {
        commit_async(fixture.store(), &[put(&[at as u8], value)]);
    }
    for step in 0..3 {
        for (at, expected) in values.iter().enumerate() {
            assert_eq!(value(fixture.store(), &[at as u8]).as_ref(), Some(expected));
        }
        match step {
            0 => fixture.store().compact().expect("compacted"),
            _ => fixture.reopen(),
        }
    }
}

fn the_longest_keys_and_values(fixture: &mut Fixture) {
    let partition = [7; PARTITION_BYTES_MAX];
    let sorts: Vec<Vec<u8>> = (0..40u8).map(longest_key).collect();
    let long = vec![9; RECORD_VALUE_BYTES_MAX];
    for sort in &sorts {
        commit_async(fixture.store(), &[put_at(Key::new(&partition, sort), &long)]);
    }
    for step in 0..3 {
        let view = latest(fixture.store());
        for sort in &sorts {
            let record = view.get(Key::new(&partition, sort)).expect("read").expect("there");
            assert_eq!(record.value[..], long);
        }
        let found = scan(&*view, KeyRange::all(&partition), Direction::Forward).expect("scanned");
        assert!(found.iter().map(|(sort, _)| sort).eq(&sorts));
        match step {
            0 => fixture.store().compact().expect("compacted"),
            _ => fixture.reopen(),
        }
    }
}

fn longest_key(last: u8) -> Vec<u8> {
    let mut sort = vec![1; SORT_KEY_BYTES_MAX];
    sort[SORT_KEY_BYTES_MAX - 1] = last;
    sort
}

fn what_is_too_long_is_refused(fixture: &mut Fixture) {
    let store = fixture.store();
    commit(store, &[put(b"a", b"1")]);
    let long_sort = vec![1; SORT_KEY_BYTES_MAX + 1];
    let long_partition = vec![1; PARTITION_BYTES_MAX + 1];
    let long_value = vec![1; RECORD_VALUE_BYTES_MAX + 1];
    let refused = |store: &dyn Store, write, kind| {
        let error = try_commit(store, &[], &[put(b"a", b"2"), write]).expect_err("too long");
        assert_eq!(error.kind(), kind, "{error}");
    };
    refused(store, put(&long_sort, b"v"), ErrorKind::KeyTooLong);
    refused(store, put_at(Key::new(&long_partition, b"k"), b"v"), ErrorKind::KeyTooLong);
    refused(store, put(b"k", &long_value), ErrorKind::ValueTooLong);
    assert_eq!(all(store), [(b"a".to_vec(), b"1".to_vec())]);
}

fn long_common_prefixes(fixture: &mut Fixture) {
    let sorts: Vec<Vec<u8>> = (0u16..600)
        .map(|at| [&[b'x'; 1000][..usize::from(at) % 1000], &at.to_be_bytes(), &[0; 3]].concat())
        .collect();
    let store = fixture.store();
    for chunk in sorts.chunks(50) {
        commit_async(
            store,
            &chunk.iter().map(|sort| put(sort, &sort[..2.min(sort.len())])).collect::<Vec<_>>(),
        );
    }
    let mut expected = sorts.clone();
    expected.sort();
    for _ in 0..2 {
        assert!(all(store).into_iter().map(|(sort, _)| sort).eq(expected.iter().cloned()));
        for sort in &sorts {
            assert!(get(store, sort).is_some());
            assert!(get(store, &[sort, &b"\0"[..]].concat()).is_none());
        }
        store.compact().expect("compacted");
    }
}

fn many_partitions(fixture: &mut Fixture) {
    let partitions: Vec<[u8; 4]> = (0u32..3000).map(|at| (at * 7).to_be_bytes()).collect();
    for chunk in partitions.chunks(100) {
        let writes: Vec<_> = chunk
            .iter()
            .flat_map(|partition| [&b"a"[..], b"b"].map(|sort| put_at(Key::new(partition, sort), partition)))
            .collect();
        commit_async(fixture.store(), &writes);
    }
    for step in 0..2 {
        let view = latest(fixture.store());
        for partition in partitions.iter().step_by(13) {
            let found = scan(&*view, KeyRange::all(partition), Direction::Forward).expect("scanned");
            assert_eq!(found, [(b"a".to_vec(), partition.to_vec()), (b"b".to_vec(), partition.to_vec())]);
            let backward = scan(&*view, KeyRange::all(partition), Direction::Backward).expect("scanned");
            assert_eq!(backward.len(), 2);
            let missing = [partition[0], partition[1], partition[2], partition[3].wrapping_add(1)];
            assert_eq!(scan(&*view, KeyRange::all(&missing), Direction::Forward).expect("scanned"), []);
        }
        if step == 0 {
            fixture.store().compact().expect("compacted");
            fixture.reopen();
        }
    }
}
