//! Descending scans of many records: found by leaps, and none left out.

use millpond_core::{At, Cursor, Direction, KeyRange, Store};

use crate::{
    cluster::{alone, new_container, new_pool, open},
    steps::{P, commit, put},
};

fn backward(store: &dyn Store) -> Box<dyn Cursor> {
    let view = store.index().view(At::Latest).expect("a view");
    view.scan(KeyRange::all(P), Direction::Backward).expect("a cursor")
}

#[test]
fn every_record_comes_once_and_in_order() {
    let _alone = alone();
    let pool = new_pool();
    let evenly = |at: u32| at.wrapping_mul(2_654_435_761).to_be_bytes().to_vec();
    let in_a_heap = |at: u32| format!("a/long/path/that/all/keys/share/{at:09}").into_bytes();
    let makers: [&dyn Fn(u32) -> Vec<u8>; 2] = [&evenly, &in_a_heap];
    for make in makers {
        let store = open(&pool, new_container(&pool));
        let mut sorts: Vec<Vec<u8>> = (0..9000).map(make).collect();
        for chunk in sorts.chunks(3000) {
            commit(&*store, &chunk.iter().map(|sort| put(sort, b"v")).collect::<Vec<_>>());
        }
        sorts.push(b"#".to_vec());
        sorts.sort();
        let mut cursor = backward(&*store);
        // Half of it is changed while the cursor is at work, which it doesn't see.
        for (at, sort) in sorts.iter().rev().enumerate() {
            assert!(cursor.advance().expect("a record"), "{at} came, then the end");
            assert_eq!(cursor.key(), sort, "at {at}");
            if at == 1500 {
                let gone: Vec<_> = sorts.iter().filter(|sort| *sort != b"#").step_by(2).collect();
                commit(&*store, &gone.iter().map(|sort| put(sort, b"new")).collect::<Vec<_>>());
            }
            assert!(cursor.record().value != b"new");
        }
        assert!(!cursor.advance().expect("the end"));
    }
}
