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
