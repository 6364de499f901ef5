//! Whether compressing a blob is worth the time, told by how it begins: without compressing it.
//!
//! The rules and their limits are those of the notes on rsdos, a content-addressed store in Rust, which
//! took them from measurements of git repositories.

use crate::value::codec::Codec;

/// What is shorter isn't compressed: as many bytes as a file's metadata take.
pub const SMALL_BYTES: usize = 850;

/// As many bytes are searched for one that text never has.
const TEXT_BYTES: usize = 512;

/// So many bytes from the beginning of a blob decide.
pub const HEAD_BYTES: usize = SMALL_BYTES;

/// What a blob looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// It has less than 850 bytes: not worth it.
    SmallContent,
    /// It is compressed already, by zlib or by zstd; its first four bytes. Worth it only where it is to be
    /// compressed again, by the other one.
    ZFile([u8; 4]),
    /// There is a zero among its first bytes: not worth it.
    MaybeBinary,
    /// None of these: worth it.
    MaybeLargeText,
}

impl Worth {
    /// Decides by the first 850 bytes of a blob, or all of it where it has less.
    ///
    /// ```
    /// # use millpond::Worth;
    /// assert_eq!(Worth::of(&[b'a'; 849]), Worth::SmallContent);
    /// assert_eq!(Worth::of(&[b'x'; 850]), Worth::MaybeLargeText);
    /// assert_eq!(Worth::of(&[0; 850]), Worth::MaybeBinary);
    /// ```
    pub fn of(head: &[u8]) -> Self {
        if head.len() < SMALL_BYTES {
            return Self::SmallContent;
        }
        if let Some(first) = head.first_chunk::<4>()
            && (is_zstd(head) || is_zlib(head))
        {
            return Self::ZFile(*first);
        }
        if head[..TEXT_BYTES].contains(&0) {
            return Self::MaybeBinary;
        }
        Self::MaybeLargeText
    }

    /// Whether it is worth to compress it with `codec`; with `recompress`, also what the other codec
    /// has compressed.
    pub fn is_worth(self, codec: Codec, recompress: bool) -> bool {
        if codec == Codec::None {
            return false;
        }
        match self {
            Self::SmallContent | Self::MaybeBinary => false,
            Self::ZFile(first) => recompress && codec != codec_of(first),
            Self::MaybeLargeText => true,
        }
    }
}

fn codec_of(first: [u8; 4]) -> Codec {
    if first == ZSTD_MAGIC { Codec::Zstd } else { Codec::Zlib }
}

const ZSTD_MAGIC: [u8; 4] = 0xFD2F_B528u32.to_le_bytes();

/// Whether a frame of zstd's begins here: the magic number, and a header that RFC 8878 allows.
fn is_zstd(head: &[u8]) -> bool {
    // Of the descriptor, bit 3 is reserved and zero.
    head.starts_with(&ZSTD_MAGIC) && head.get(4).is_some_and(|descriptor| descriptor & 0x08 == 0)
}

/// Whether a stream of zlib's begins here. The two bytes of its header are also those of many texts
/// ("x^2", say), so what follows has to be the beginning of compressed blocks too.
fn is_zlib(head: &[u8]) -> bool {
    let [method, flags, ..] = *head else { return false };
    let header = u16::from_be_bytes([method, flags]);
    // Method 8, a window of at most 32 KiB, a check of 5 bits, and no dictionary, which only its maker has.
    if method & 0x0F != 8 || method >> 4 > 7 || header % 31 != 0 || flags & 0x20 != 0 {
        return false;
    }
    let mut decoder = flate2::Decompress::new(true);
    let mut out = [0; 4096];
    loop {
        let (read, written) = (decoder.total_in(), decoder.total_out());
        let rest = head.get(usize::try_from(read).unwrap_or(usize::MAX)..).unwrap_or_default();
        match decoder.decompress(rest, &mut out, flate2::FlushDecompress::None) {
            Err(_) => return false,
            Ok(flate2::Status::StreamEnd) => return true,
            // The head is used up, and nothing was wrong with it.
            Ok(_) if (decoder.total_in(), decoder.total_out()) == (read, written) => return true,
            // A few bytes may stand for a great many; that much without a mistake is no accident.
            Ok(_) if decoder.total_out() > 1 << 20 => return true,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn text(length: usize) -> Vec<u8> {
        b"the quick brown fox jumps over the lazy dog, ".iter().copied().cycle().take(length).collect()
    }

    /// Numbers without a pattern, which no codec makes shorter.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .take(length)
        .collect()
    }

    #[test]
    fn small_content_ends_at_its_limit() {
        assert_eq!(Worth::of(b""), Worth::SmallContent);
        assert_eq!(Worth::of(&text(849)), Worth::SmallContent);
        assert_eq!(Worth::of(&text(850)), Worth::MaybeLargeText);
        assert_eq!(Worth::of(&text(851)), Worth::MaybeLargeText);
        // Short ones aren't looked at.
        assert_eq!(Worth::of(&[0; 849]), Worth::SmallContent);
    }

    #[test]
    fn a_zero_among_the_first_512_bytes_tells_a_binary() {
        for (place, expected) in
            [(0, Worth::MaybeBinary), (511, Worth::MaybeBinary), (512, Worth::MaybeLargeText)]
        {
            let mut content = text(1000);
            content[place] = 0;
            assert_eq!(Worth::of(&content), expected, "{place}");
        }
    }

    #[test]
    fn what_is_compressed_is_told_by_more_than_a_byte() {
        for level in 0..=9 {
            for content in [noise(5000), text(500_000)] {
                let mut encoder =
                    flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(level));
                encoder.write_all(&content).expect("to memory");
                let compressed = encoder.finish().expect("to memory");
                let head = &compressed[..HEAD_BYTES];
                let first = *head.first_chunk().expect("four bytes");
                assert_eq!(Worth::of(head), Worth::ZFile(first), "level {level}");
            }
        }
        let compressed = zstd::bulk::compress(&noise(5000), 3).expect("to memory");
        assert_eq!(Worth::of(&compressed[..HEAD_BYTES]), Worth::ZFile(ZSTD_MAGIC));
        for beginning in ["x", "x^2 + y^2 = r^2\n", "x\u{1}", "xyz", "(\u{b5}/", "HTTP", "h\u{81}"] {
            let mut content = beginning.as_bytes().to_vec();
            content.extend(text(1000));
            assert_eq!(Worth::of(&content), Worth::MaybeLargeText, "{beginning:?}");
        }
    }

    #[test]
    fn what_one_codec_compressed_the_other_may_do_again() {
        let zlib = Worth::ZFile([0x78, 0x9C, 1, 2]);
        let zstd = Worth::ZFile(ZSTD_MAGIC);
        for (worth, codec, plainly, again) in [
            (zlib, Codec::Zstd, false, true),
            (zlib, Codec::Zlib, false, false),
            (zstd, Codec::Zlib, false, true),
            (zstd, Codec::Zstd, false, false),
            (Worth::MaybeLargeText, Codec::Zstd, true, true),
            (Worth::MaybeLargeText, Codec::None, false, false),
            (Worth::MaybeBinary, Codec::Zstd, false, false),
            (Worth::SmallContent, Codec::Zlib, false, false),
        ] {
            assert_eq!(worth.is_worth(codec, false), plainly, "{worth:?} {codec}");
            assert_eq!(worth.is_worth(codec, true), again, "{worth:?} {codec}");
        }
    }
}
