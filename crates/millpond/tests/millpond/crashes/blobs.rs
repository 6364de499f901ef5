//! Blobs that are inserted, recompressed and deleted, cut off: each is there whole or not at all, many that
//! were inserted together are there together, and the counts agree with what there is.

use std::collections::BTreeSet;

use millpond::{
    BlobId, BlobSettings, BlobSource, BlobStore, Codec, Compression, Container, Durability, HashType,
    InsertOptions, OptimizeOptions, Result, Silent,
};
use millpond_testkit::{random::test_seed, sim::SimMachine};

use super::{Attacked, sweep};
use crate::{attacks::small_log, scratch::noise, simulated};

const PLAIN: InsertOptions =
    InsertOptions { compression: Some(Compression::NONE), recompress: false, note: None };

/// Beside its key, in a segment, compressed, and longer than memory is asked to hold.
fn new_contents() -> Vec<Vec<u8>> {
    vec![noise(1, 100), noise(2, 5000), b"a line of text\n".repeat(600), noise(3, 1_100_000)]
}

fn old_contents() -> Vec<Vec<u8>> {
    (10..16u64).map(|seed| noise(seed, 300 * seed as usize)).collect()
}

fn ids(contents: &[Vec<u8>]) -> BTreeSet<BlobId> {
    contents.iter().map(|content| HashType::Sha256.hash(content)).collect()
}

fn insert(container: &Container, contents: &[Vec<u8>]) {
    let blobs = container.blobs("blobs").expect("opened");
    let sources = contents.iter().map(|content| Ok(BlobSource::from(&content[..])));
    let inserted: Result<Vec<_>> = blobs.insert_many(Box::new(sources), &PLAIN).expect("begun").collect();
    assert_eq!(inserted.expect("inserted").len(), contents.len());
}

/// How far it got: 1 when all are inserted, 2 when they are compressed, 3 when the old ones are deleted.
fn look(container: &Container) -> u64 {
    let blobs = container.blobs("blobs").expect("opened");
    let listed: BTreeSet<_> = blobs.list().expect("listed").collect::<Result<_>>().expect("listed");
    let (new, old) = (ids(&new_contents()), ids(&old_contents()));
    let (mut raw_size, mut size, mut is_compressed) = (0, 0, false);
    for id in &listed {
        let content = blobs.extract(id).expect("extracted");
        assert_eq!(HashType::Sha256.hash(&content), *id, "another content");
        let meta = blobs.meta(id).expect("asked").expect("there");
        raw_size += meta.raw_size;
        size += meta.size;
        is_compressed |= meta.codec == Codec::Zstd;
    }
    let status = blobs.status().expect("a status");
    assert_eq!((status.count, status.raw_size, status.size), (listed.len() as u64, raw_size, size));
    let inserted = listed.intersection(&new).count();
    let left = listed.intersection(&old).count();
    assert!(inserted == 0 || inserted == new.len(), "{inserted} of those that were inserted together");
    assert!(left == 0 || left == old.len(), "{left} of those that were deleted together");
    match (inserted > 0, is_compressed, left > 0) {
        (false, false, true) => 0,
        (true, false, true) => 1,
        (true, true, true) => 2,
        (true, true, false) => 3,
        other => panic!("inserted, compressed, left: {other:?}"),
    }
}

fn attack(seed: u64) -> u64 {
    let machine = SimMachine::new(7);
    machine.record(false);
    let container = simulated::create(&machine, small_log(Durability::Sync));
    container.create_blobs("blobs", BlobSettings::default()).expect("created");
    insert(&container, &old_contents());
    container.close().expect("closed");
    drop(container);
    let act = |container: &Container| {
        insert(container, &new_contents());
        let blobs = container.blobs("blobs").expect("opened");
        blobs.optimize(OptimizeOptions::default(), &mut Silent).expect("optimized");
        let old: Vec<_> = ids(&old_contents()).into_iter().collect();
        blobs.delete(&old).expect("deleted");
    };
    let machine = machine.power_cut_none();
    sweep(&Attacked { machine: &machine, act: &act, look: &look, end: 3 }, seed)
}

#[test]
fn blobs_are_whole_and_counted() {
    let cuts = attack(test_seed(1));
    assert!(cuts > 50, "only {cuts}");
}

/// The test of the test.
#[cfg(feature = "planted-bugs")]
#[test]
fn blobs_that_are_counted_apart_are_noticed() {
    super::assert_noticed("blobs that are counted in a commit of their own", |seed| {
        let _planted = millpond::bugs::plant(millpond::bugs::Bug::CountBlobsApart);
        attack(seed);
    });
}
