//! Merges: of a great many small extents, over long ones, and while others write.

use std::sync::atomic::{AtomicBool, Ordering};

use millpond::{Container, Object, ObjectOptions};
use millpond_testkit::random::{Random, test_scale, test_seed};

use super::oracle::Records;
use crate::scratch::Scratch;

on_every_backend!(
    small_extents_become_few,
    long_extents_are_merged_with_what_lies_over_them,
    writers_merge_as_they_go,
    what_is_written_during_a_merge_stays,
);

fn object(container: &Container) -> Object {
    container.create_object(ObjectOptions::default()).expect("an object")
}

fn check(object: &Object, oracle: &Records, records: u64) {
    let (bytes, holes) = oracle.read(&(0..records));
    let mut into = vec![1; bytes.len()];
    assert_eq!(object.read("d", "a", oracle.record_bytes, 0, &mut into).expect("read"), holes);
    assert!(into == bytes);
}

fn small_extents_become_few(scratch: &Scratch) {
    let container = scratch.container();
    let object = object(&container);
    let mut random = Random::new(test_seed(1));
    let mut oracle = Records::new(3);
    let records = (1 << 20) / 3 * 2;
    for _ in 0..2000 * test_scale() {
        let start = random.below(records - 5000);
        let length = random.index(5000);
        let bytes = random.bytes(length * 3);
        object.write("d", "a", 3, start, &bytes).expect("written");
        oracle.write(start, &bytes);
    }
    object.merge().expect("merged");
    check(&object, &oracle, records);
    let again = object.merge().expect("merged");
    assert_eq!((again.removed, again.conflicts), (0, 0), "nothing is left to merge");
    container.compact().expect("compacted");
    check(&object, &oracle, records);
    assert!(container.check(false).expect("checked").is_clean());
}

fn long_extents_are_merged_with_what_lies_over_them(scratch: &Scratch) {
    let container = scratch.container();
    let object = object(&container);
    let mut random = Random::new(test_seed(2));
    let mut oracle = Records::new(1);
    let records = 8 << 20;
    for step in 0..60 * test_scale() {
        // Of all lengths up to more than a window, holes among them.
        let bits = 3 + random.below(20);
        let length = 1 + random.below(1 << bits);
        let start = random.below(records - length);
        if step % 5 == 4 {
            object.punch_extents("d", "a", [start..start + length]).expect("punched");
            oracle.punch(start..start + length);
        } else {
            let bytes = random.bytes(length as usize);
            object.write("d", "a", 1, start, &bytes).expect("written");
            oracle.write(start, &bytes);
        }
        if step % 20 == 19 {
            object.merge().expect("merged");
            check(&object, &oracle, records);
        }
    }
    assert!(container.check(false).expect("checked").is_clean());
}

fn writers_merge_as_they_go(scratch: &Scratch) {
    let container = scratch.container();
    let object = object(&container);
    let mut random = Random::new(test_seed(3));
    let mut oracle = Records::new(1);
    for _ in 0..6000 {
        let start = random.below(20_000);
        let length = 200 + random.index(300);
        let bytes = random.bytes(length);
        object.write("d", "a", 1, start, &bytes).expect("written");
        oracle.write(start, &bytes);
    }
    let merged = object.merge().expect("merged");
    assert!(merged.removed < 4000, "{merged:?}: writers have merged nothing");
    check(&object, &oracle, 21_000);
}

/// Each writer has bytes of its own, which no other one writes; they go up, and never down again.
fn what_is_written_during_a_merge_stays(scratch: &Scratch) {
    assert_eq!(merge_while_writing(scratch, || ()), None);
}

/// The test of this test.
#[cfg(feature = "planted-bugs")]
#[test]
fn a_merge_that_hides_newer_extents_is_caught() {
    let caught = (0..10).any(|_| {
        merge_while_writing(&Scratch::memory(), || millpond::ObjectBug::MergeAsOfNow.plant()).is_some()
    });
    assert!(caught, "the bug wasn't noticed");
}

/// What went wrong, if anything did.
fn merge_while_writing<T>(scratch: &Scratch, plant: impl Fn() -> T + Sync) -> Option<String> {
    const WRITERS: u64 = 3;
    let container = scratch.container();
    let object = object(&container);
    let done = AtomicBool::new(false);
    let ends = std::thread::scope(|scope| {
        let merger = scope.spawn(|| {
            let _planted = plant();
            let object = container.object(object.id()).expect("an object");
            let mut merges = 0;
            while !done.load(Ordering::Relaxed) {
                merges += object.merge().expect("merged").removed;
            }
            merges
        });
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let object = container.object(object.id()).expect("an object");
                scope.spawn(move || {
                    let mut random = Random::new(writer);
                    let mut mine = vec![0; 700];
                    for round in 0..1500 * test_scale() {
                        let start = random.index(600);
                        let end = start + 1 + random.index(100);
                        mine[start..end].fill(round as u8);
                        let at = writer * 700 + start as u64;
                        object.write("d", "a", 1, at, &mine[start..end]).expect("written");
                        let mut back = vec![0; end - start];
                        object.read("d", "a", 1, at, &mut back).expect("read");
                        if back != mine[start..end] {
                            return Err(format!("writer {writer} lost its bytes in round {round}"));
                        }
                    }
                    Ok(mine)
                })
            })
            .collect();
        let ends: Vec<_> = writers.into_iter().map(|writer| writer.join().expect("a writer")).collect();
        done.store(true, Ordering::Relaxed);
        assert!(merger.join().expect("a merger") > 0, "nothing was merged meanwhile");
        ends
    });
    let mut all = vec![0; 2100];
    object.read("d", "a", 1, 0, &mut all).expect("read");
    for (mine, part) in ends.into_iter().zip(all.chunks(700)) {
        match mine {
            Ok(mine) if mine == part => {}
            Ok(_) => return Some("the bytes at the end aren't those that were written".to_owned()),
            Err(lost) => return Some(lost),
        }
    }
    None
}
