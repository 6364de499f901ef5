//! Many threads on one map.

use std::thread;

use millpond::{Comparator, ErrorKind, OrderedMap};

use crate::scratch::Scratch;

const THREADS: u64 = 16;

fn number(map: &OrderedMap, key: &[u8]) -> u64 {
    let value = map.get(key).expect("read").expect("a value");
    String::from_utf8(value.to_vec()).expect("text").parse().expect("a number")
}

/// Each thread adds one, again and again, by compare-and-swap: nothing is lost.
#[test]
fn sixteen_threads_of_compare_and_swap_lose_nothing() {
    const ADDITIONS: u64 = 25;
    let scratch = Scratch::file();
    let map = scratch.container().create_map("counters", &Comparator::Bytes).expect("created");
    map.put(b"all", b"0").expect("put");
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..ADDITIONS {
                    loop {
                        let before = number(&map, b"all");
                        let (old, new) = (before.to_string(), (before + 1).to_string());
                        match map.compare_and_swap(b"all", Some(old.as_bytes()), Some(new.as_bytes())) {
                            Ok(true) => break,
                            Ok(false) => {}
                            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(number(&map, b"all"), THREADS * ADDITIONS);
}

/// Each takes the first entry: everyone gets others, and all together everything.
#[test]
fn those_who_take_the_first_entry_get_different_ones() {
    let scratch = Scratch::file();
    let map = scratch.container().create_map("queue", &Comparator::Integer).expect("created");
    map.put_many((0..200i64).map(|number| (number.to_le_bytes(), b"job"))).expect("put");
    let taken = thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut taken = Vec::new();
                    loop {
                        match map.take_first() {
                            Ok(Some((key, _))) => {
                                taken.push(i64::from_le_bytes(key[..].try_into().expect("8 bytes")));
                            }
                            Ok(None) => return taken,
                            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
                        }
                    }
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("no panic")).collect::<Vec<_>>()
    });
    for of_one in &taken {
        assert!(of_one.is_sorted(), "each one's are in order");
    }
    let mut all: Vec<_> = taken.concat();
    all.sort_unstable();
    assert_eq!(all, (0..200).collect::<Vec<_>>());
}

/// A commit of a seeker doesn't write over what others changed since it got there.
#[test]
fn a_seeker_meets_what_others_changed() {
    let scratch = Scratch::file();
    let map = scratch.container().create_map("m", &Comparator::Bytes).expect("created");
    map.put(b"a", b"one").expect("put");
    let mut seeker = map.seeker();
    assert!(seeker.seek(b"a").expect("sought"));
    seeker.write_range(0, b"O").expect("written");
    map.put(b"a", b"two").expect("put");
    assert_eq!(seeker.value().expect("read"), "one", "it shows what it found");
    assert_eq!(seeker.commit().expect_err("changed").kind(), ErrorKind::Conflict);
    assert_eq!(map.get(b"a").expect("read").as_deref(), Some(&b"two"[..]));
    assert!(seeker.seek(b"a").expect("sought"));
    seeker.write_range(0, b"T").expect("written");
    seeker.commit().expect("committed");
    seeker.write_range(1, b"W").expect("written");
    seeker.abort();
    seeker.commit().expect("nothing to commit");
    assert_eq!(map.get(b"a").expect("read").as_deref(), Some(&b"Two"[..]));
}
