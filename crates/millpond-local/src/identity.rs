//! What a data file is: the header that runs and segments begin with, the checksums that bind
//! bytes to their place, and the errors that name it.
//!
//! A checksum is seeded with the container, the file's number and the place in the file, so that
//! sound bytes in the wrong place (a misdirected write, a file copied over another) are damage too.
//!
//! The header, in all versions of all data files (integers little-endian):
//!
//! | offset | bytes | content                               |
//! |-------:|------:|---------------------------------------|
//! |      0 |     8 | magic, which says what kind of file   |
//! |      8 |     4 | format version                        |
//! |     12 |     4 | zeros                                 |
//! |     16 |    16 | UUID of the container                 |
//! |     32 |     8 | number of the file in its container   |
//! |     40 |     8 | XXH3-64 of the bytes before           |

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use millpond_core::{Damage, Error, ErrorKind, Result};
use twox_hash::XxHash3_64;
use uuid::Uuid;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const VERSION_AT: usize = 8;
const CONTAINER_AT: usize = VERSION_AT + 8;
const NUMBER_AT: usize = CONTAINER_AT + 16;
const CHECKSUM_AT: usize = NUMBER_AT + 8;

/// Bytes of the header.
pub(crate) const HEADER_BYTES: usize = CHECKSUM_AT + 8;

/// From so many bytes on, checksums are made with the widest instructions that the processor has, which
/// have to be looked for: one library does that, and the other one is faster at what is short.
const LONG_BYTES: usize = 1024;

/// A kind of data file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileKind {
    /// Its first eight bytes.
    pub(crate) magic: [u8; 8],
    /// The newest format version that this program reads, and the one that it writes.
    pub(crate) version: u32,
    /// The oldest one that it reads.
    pub(crate) oldest: u32,
    /// What to call it in messages.
    pub(crate) name: &'static str,
}

/// Which data file this is, and where.
#[derive(Debug)]
pub(crate) struct Identity {
    kind: &'static FileKind,
    path: PathBuf,
    container: Uuid,
    number: u64,
    binding: u64,
}

impl Identity {
    pub(crate) fn new(kind: &'static FileKind, path: &Path, container: Uuid, number: u64) -> Self {
        let mut named = [0; 32];
        named[..8].copy_from_slice(&kind.magic);
        named[8..24].copy_from_slice(container.as_bytes());
        named[24..].copy_from_slice(&number.to_le_bytes());
        Self { kind, path: path.to_owned(), container, number, binding: xxh3_64(&named) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A number that no other file of any container has, short of a collision of hashes.
    pub(crate) fn binding(&self) -> u64 {
        self.binding
    }

    /// The checksum of bytes at `offset` of this file.
    pub(crate) fn checksum(&self, offset: u64, bytes: &[u8]) -> u64 {
        let seed = self.binding.wrapping_add(offset);
        if bytes.len() < LONG_BYTES {
            return xxh3_64_with_seed(bytes, seed);
        }
        XxHash3_64::oneshot_with_seed(seed, bytes)
    }

    pub(crate) fn header(&self) -> [u8; HEADER_BYTES] {
        self.header_of(self.kind.version)
    }

    /// The header of a file of that format version.
    pub(crate) fn header_of(&self, version: u32) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[..VERSION_AT].copy_from_slice(&self.kind.magic);
        header[VERSION_AT..][..4].copy_from_slice(&version.to_le_bytes());
        header[CONTAINER_AT..NUMBER_AT].copy_from_slice(self.container.as_bytes());
        header[NUMBER_AT..CHECKSUM_AT].copy_from_slice(&self.number.to_le_bytes());
        let checksum = xxh3_64(&header[..CHECKSUM_AT]);
        header[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        header
    }

    /// Whether a header is one that was written, be it of another file.
    pub(crate) fn is_whole(header: &[u8; HEADER_BYTES]) -> bool {
        let (body, checksum) = header.split_at(CHECKSUM_AT);
        xxh3_64(body).to_le_bytes() == *checksum
    }

    /// Checks the header that was read from the file, and answers its format version.
    ///
    /// # Errors
    /// `Corrupt` when it is damaged; `Incompatible` when it is another kind of file, of a newer
    /// format, or one that belongs elsewhere.
    pub(crate) fn check_header(&self, header: &[u8; HEADER_BYTES]) -> Result<u32> {
        let name = self.kind.name;
        if header[..VERSION_AT] != self.kind.magic {
            return Err(self.incompatible(format_args!(
                "this isn't a {name} of Millpond's, or its beginning is overwritten; put the file back that belongs here"
            )));
        }
        if !Self::is_whole(header) {
            return Err(self.corrupt(0, "the header fails its checksum"));
        }
        let mut version = [0; 4];
        version.copy_from_slice(&header[VERSION_AT..][..4]);
        let version = u32::from_le_bytes(version);
        let FileKind { oldest, version: newest, .. } = *self.kind;
        if !(oldest..=newest).contains(&version) {
            let ours = if oldest == newest { newest.to_string() } else { format!("{oldest} to {newest}") };
            return Err(self.incompatible(format_args!(
                "this {name} has format {version}, and this program reads format {ours}; use a program of the version that wrote it, or a newer one"
            )));
        }
        if *header != self.header_of(version) {
            let (container, number) = (self.container, self.number);
            return Err(self.incompatible(format_args!(
                "this {name} belongs to another place than number {number} of container {container}; put the file back that belongs here"
            )));
        }
        Ok(version)
    }

    /// The file's bytes at `offset` are not what was written.
    pub(crate) fn corrupt(&self, offset: u64, what: impl fmt::Display) -> Error {
        Error::new(
            ErrorKind::Corrupt,
            format!(
                "{}: at byte {offset}: {what}; `millpond container check` lists all damage, and what it lists has to be restored from a copy",
                self.path.display()
            ),
        )
    }

    /// The same as an entry of a report.
    pub(crate) fn damage(&self, offset: u64, what: impl fmt::Display) -> Damage {
        Damage::new(self.place(), offset, what.to_string())
    }

    /// The operating system failed while `doing` something to this file.
    pub(crate) fn io(&self, doing: impl fmt::Display, error: io::Error) -> Error {
        Error::io(format_args!("can't {doing} {}", self.path.display()), error)
    }

    fn incompatible(&self, what: impl fmt::Display) -> Error {
        Error::new(ErrorKind::Incompatible, format!("{}: {what}", self.path.display()))
    }

    /// The path relative to the container, whose data files are one directory down.
    fn place(&self) -> String {
        let name = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        format!("{}/{}", name(self.path.parent().and_then(Path::file_name)), name(self.path.file_name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static KIND: FileKind = FileKind { magic: *b"MPtest\r\n", version: 3, oldest: 2, name: "test file" };
    static NEWER: FileKind = FileKind { magic: *b"MPtest\r\n", version: 4, oldest: 4, name: "test file" };

    fn identity(kind: &'static FileKind, container: u128, number: u64) -> Identity {
        Identity::new(kind, Path::new("c/runs/7"), Uuid::from_u128(container), number)
    }

    fn refusal(header: &[u8; HEADER_BYTES]) -> Error {
        identity(&KIND, 1, 7).check_header(header).expect_err("a refusal")
    }

    #[test]
    fn a_header_comes_back_and_a_flipped_bit_is_seen() {
        let header = identity(&KIND, 1, 7).header();
        assert_eq!(identity(&KIND, 1, 7).check_header(&header).expect("the header is right"), 3);
        for bit in 0..8 * HEADER_BYTES {
            let mut flipped = header;
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = refusal(&flipped);
            assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible), "{error}");
            assert!(error.to_string().contains("c/runs/7"), "{error}");
        }
    }

    #[test]
    fn files_of_other_formats_and_places_are_named_as_such() {
        let newer = refusal(&identity(&NEWER, 1, 7).header());
        assert_eq!(newer.kind(), ErrorKind::Incompatible);
        assert!(newer.to_string().contains("format 4"), "{newer}");
        let here = identity(&KIND, 1, 7);
        assert_eq!(here.check_header(&here.header_of(2)).expect("an older format is read"), 2);
        assert!(refusal(&here.header_of(1)).to_string().contains("reads format 2 to 3"));
        for elsewhere in [identity(&KIND, 2, 7), identity(&KIND, 1, 8)] {
            assert_eq!(refusal(&elsewhere.header()).kind(), ErrorKind::Incompatible);
        }
        assert_eq!(refusal(&[0x41; HEADER_BYTES]).kind(), ErrorKind::Incompatible);
    }

    #[test]
    fn both_libraries_make_the_same_checksums() {
        let here = identity(&KIND, 1, 7);
        let bytes: Vec<u8> = (0..5000u32).map(|byte| ((byte * 7) >> 3) as u8).collect();
        for length in (0..bytes.len()).step_by(61).chain([LONG_BYTES - 1, LONG_BYTES]) {
            let expected = xxh3_64_with_seed(&bytes[..length], here.binding().wrapping_add(3));
            assert_eq!(here.checksum(3, &bytes[..length]), expected, "{length} bytes");
        }
    }

    #[test]
    fn a_checksum_holds_in_one_place_only() {
        let here = identity(&KIND, 1, 7);
        assert_ne!(here.checksum(0, b"bytes"), here.checksum(8, b"bytes"));
        assert_ne!(here.checksum(0, b"bytes"), identity(&KIND, 1, 8).checksum(0, b"bytes"));
        assert_ne!(here.checksum(0, b"bytes"), identity(&KIND, 2, 7).checksum(0, b"bytes"));
        assert_eq!(here.damage(9, "gone").place, "runs/7");
    }
}
