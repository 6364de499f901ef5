//! Stores of blobs.

mod maintenance;
mod store;
mod together;

use millpond::{BlobSettings, Blobs, Container, ErrorKind, Result};

use crate::scratch::{Scratch, noise};

fn blobs(scratch: &Scratch) -> Blobs {
    blobs_in(&scratch.container(), BlobSettings::default())
}

fn blobs_in(container: &Container, settings: BlobSettings) -> Blobs {
    container.create_blobs("blobs", settings).expect("created")
}

/// Bytes that compress to about a third.
fn text(seed: u64, length: usize) -> Vec<u8> {
    noise(seed, length).into_iter().map(|byte| b"etaoin shrdlu"[usize::from(byte) % 5]).collect()
}

/// Of all lengths at which something changes: where a blob goes, and in how many frames.
const LENGTHS: [usize; 17] = [
    0,
    1,
    100,
    511,
    512,
    513,
    849,
    850,
    2047,
    2048,
    2049,
    65_536,
    (128 << 10) - 1,
    128 << 10,
    (1 << 20) - 1,
    1 << 20,
    (3 << 20) + 17,
];

/// Why something was refused.
fn kind_of<T>(result: Result<T>) -> ErrorKind {
    match result {
        Ok(_) => panic!("this should have been refused"),
        Err(error) => error.kind(),
    }
}

/// A short one that is inserted by itself lies in its record, so that one sync makes it durable; of many that
/// share one anyway, it lies where its container has it.
#[test]
fn a_short_blob_that_is_synced_takes_no_segment() {
    use millpond::{BlobStore, ContainerOptions, ContainerType, Durability, InsertOptions};
    let scratch = Scratch::file();
    let pool = scratch.pool();
    let options = |durability| ContainerOptions {
        container_type: ContainerType::BLOB,
        durability,
        ..ContainerOptions::default()
    };
    for (durability, length, takes_segment) in [
        (Durability::Sync, 2048, false),
        (Durability::Sync, 2049, true),
        (Durability::Async, 2048, true),
        (Durability::Async, 512, false),
    ] {
        let container = pool.create_container(None, options(Some(durability))).expect("created");
        let blobs = blobs_in(&container, BlobSettings::default());
        let content = noise(length as u64, length);
        let inserted = blobs.insert(content[..].into(), &InsertOptions::default()).expect("inserted");
        let bulk = container.query().expect("asked").statistics.bytes_segments_live;
        assert_eq!(bulk > 0, takes_segment, "{durability:?} {length}: {bulk} bytes");
        assert!(blobs.extract(&inserted.id).expect("read") == content);
        let many = noise(7, 2000);
        let sources = Box::new(std::iter::once(Ok(many[..].into())));
        let ids: Vec<_> = blobs.insertions(sources, &InsertOptions::default()).expect("begun").collect();
        let id = ids[0].as_ref().expect("inserted").id;
        let with_many = container.query().expect("asked").statistics.bytes_segments_live;
        assert!(with_many > bulk, "of many, it lies in a segment");
        assert!(blobs.extract(&id).expect("read") == many);
    }
}
