//! Whether an object shall be compressed. The decision is disk-objectstore's, always: it is part of what
//! programs rely on that both choose alike.

use millpond::Result;

use super::Deflater;

/// Below this part of its size, compression is worth it.
const RATIO_MAX: f64 = 0.9;
/// Bytes of a sample's piece.
const PIECE: u64 = 1 << 10;
/// Bytes of a sample.
const SAMPLE_MAX: u64 = 128 << 10;
/// The level at which a sample is tried, whatever the folder's is.
const SAMPLE_LEVEL: u32 = 1;

/// Which objects to compress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CompressMode {
    /// None.
    #[default]
    No,
    /// All.
    Yes,
    /// Those that are compressed already.
    Keep,
    /// Those of which a sample says that it is worth it, or that are much smaller already.
    Auto,
}

impl From<bool> for CompressMode {
    fn from(compress: bool) -> Self {
        if compress { Self::Yes } else { Self::No }
    }
}

/// An object of which a sample can be taken.
pub(crate) trait Sample {
    /// Reads up to `room.len()` bytes at `offset`; fewer only at the end.
    fn read_at(&self, room: &mut [u8], offset: u64) -> Result<usize>;
}

impl Sample for [u8] {
    fn read_at(&self, room: &mut [u8], offset: u64) -> Result<usize> {
        let rest = self.get(offset as usize..).unwrap_or_default();
        let length = rest.len().min(room.len());
        room[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

/// Whether to compress an object of `size` bytes, of which `compressed_length` says how many it has now
/// where it is compressed. `sample` is looked at only where nothing else decides.
pub(crate) fn should_compress<S: Sample + ?Sized>(
    mode: CompressMode,
    compressed_length: Option<u64>,
    size: u64,
    sample: &S,
) -> Result<bool> {
    match (mode, compressed_length) {
        (CompressMode::No, _) => Ok(false),
        (CompressMode::Yes, _) => Ok(true),
        (CompressMode::Keep, compressed_length) => Ok(compressed_length.is_some()),
        (CompressMode::Auto, _) if size == 0 => Ok(false),
        (CompressMode::Auto, Some(length)) => Ok((length as f64 / size as f64) < RATIO_MAX),
        (CompressMode::Auto, None) => Ok(estimate(sample, size)? < RATIO_MAX),
    }
}

/// The ratio that a sample is compressed to: pieces at even distances, from the beginning on.
fn estimate<S: Sample + ?Sized>(from: &S, size: u64) -> Result<f64> {
    let interval = size / (SAMPLE_MAX / PIECE);
    let mut sample = Vec::with_capacity(SAMPLE_MAX.min(size) as usize);
    let (mut offset, mut room) = (0, [0; PIECE as usize]);
    while (sample.len() as u64) < SAMPLE_MAX {
        let length = from.read_at(&mut room, offset)?;
        if length == 0 {
            break;
        }
        sample.extend_from_slice(&room[..length]);
        offset += length as u64;
        offset += interval.saturating_sub(length as u64).min(size.saturating_sub(offset));
    }
    if sample.is_empty() {
        return Ok(1.0);
    }
    let (mut deflater, mut out) = (Deflater::new(SAMPLE_LEVEL)?, Vec::new());
    deflater.update(&sample, &mut out)?;
    deflater.finish(&mut out)?;
    Ok(out.len() as f64 / sample.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_already_decides_by_its_ratio() {
        let auto = |length, size| {
            should_compress(CompressMode::Auto, Some(length), size, b"".as_slice()).expect("decided")
        };
        assert!(!auto(8, 0));
        assert!(auto(899, 1000));
        assert!(!auto(900, 1000));
        assert!(!auto(1011, 1000));
    }

    #[test]
    fn a_sample_decides_about_what_is_not() {
        let auto = |bytes: &[u8]| {
            should_compress(CompressMode::Auto, None, bytes.len() as u64, bytes).expect("decided")
        };
        assert!(!auto(b""));
        assert!(!auto(b"short"));
        assert!(auto(&b"again and ".repeat(100)));
        let random = millpond_testkit::random::Random::new(1).bytes(1 << 20);
        assert!(!auto(&random));
        // Most of it is compressible, but the pieces of the sample lie elsewhere.
        let mut tricky = vec![b'a'; 4 << 20];
        for piece in (0..tricky.len()).step_by(32 << 10) {
            tricky[piece..piece + 1024].copy_from_slice(&random[piece / 32..][..1024]);
        }
        assert!(!auto(&tricky));
    }

    #[test]
    fn the_other_modes_need_no_look() {
        let nothing = b"".as_slice();
        for (mode, compressed, expected) in [
            (CompressMode::No, Some(1), false),
            (CompressMode::Yes, None, true),
            (CompressMode::Keep, Some(1), true),
            (CompressMode::Keep, None, false),
        ] {
            assert_eq!(should_compress(mode, compressed, 10, nothing).expect("decided"), expected);
        }
    }
}
