//! Decoders are given what is almost right: valid inputs from a corpus, changed by chance.
//!
//! What the fuzzers of `fuzz/` do with a nightly toolchain and coverage, this does anywhere, with
//! less of both, and replayable from a seed.

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use crate::random::Random;

/// Bytes at which decoders err.
const AWKWARD: [u8; 6] = [0, 1, 0x7F, 0x80, 0xFE, 0xFF];

/// The inputs in a directory, in the order of their names.
///
/// # Errors
/// When it can't be read.
pub fn corpus(dir: &Path) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files =
        fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    files.sort();
    files.into_iter().map(|file| Ok((file.clone(), fs::read(file)?))).collect()
}

/// An input like one of `seeds`.
pub fn mutant(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.index(seeds.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.index(bytes.len() + 1);
        let length = random.index(9).min(bytes.len() - at);
        match random.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = AWKWARD[random.index(AWKWARD.len())],
            2 => drop(bytes.drain(at..at + length)),
            3 => bytes.truncate(at),
            4 => {
                let count = random.index(9);
                bytes.splice(at..at, random.bytes(count));
            }
            // A number of eight bytes, or of four.
            5 => {
                let number = [0, 1, u64::MAX, 1 << 31, 1 << 32, 1 << 63][random.index(6)].to_le_bytes();
                let count = if random.chance(500) { 4 } else { 8 };
                bytes.splice(at..at + length.min(count), number[..count].iter().copied());
            }
            // A part of another input, or of this one.
            _ => {
                let other = &seeds[random.index(seeds.len())];
                let from = random.index(other.len() + 1);
                let part = other[from..(from + random.index(64)).min(other.len())].to_vec();
                bytes.splice(at..at + length, part);
            }
        }
    }
    bytes
}

/// Gives a decoder each of `seeds`, and `count` mutants of them.
///
/// # Errors
/// The input that it panics on.
pub fn attack(decoder: fn(&[u8]), seeds: &[Vec<u8>], seed: u64, count: u64) -> Result<(), Vec<u8>> {
    let mut random = Random::new(seed);
    let mutants = std::iter::from_fn(|| Some(mutant(seeds, &mut random))).take(count as usize);
    for input in seeds.iter().cloned().chain(mutants) {
        if catch_unwind(AssertUnwindSafe(|| decoder(&input))).is_err() {
            return Err(input);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Believes a length.
    fn careless(bytes: &[u8]) {
        if let Some((length, rest)) = bytes.split_first_chunk::<4>() {
            let length = u32::from_le_bytes(*length) as usize;
            assert!(length != rest.len() + 1 || rest[..length].is_empty());
        }
    }

    #[test]
    fn a_careless_decoder_is_found_out() {
        let valid = [&3u32.to_le_bytes()[..], b"abc"].concat();
        let found = attack(careless, &[valid], 1, 100_000).expect_err("an input that it panics on");
        assert!(catch_unwind(|| careless(&found)).is_err());
    }
}
