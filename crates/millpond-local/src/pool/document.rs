//! The JSON files of a pool: an envelope with a format and a checksum around a document.
//!
//! ```json
//! {"format":1,"checksum":"0123456789abcdef","document":{…}}
//! ```
//!
//! The checksum is the XXH3-64 of the document's text, as it stands. A file is replaced whole, so
//! that a reader sees the old one or the new one, and a crash leaves one of them.

use std::{io, path::Path, sync::Arc};

use millpond_core::{ContainerSpec, Error, ErrorKind, PoolDocument, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::failed;
use crate::media::{FileExt, Media, OpenMode};

/// The newest format that this program reads, and the one that it writes.
const FORMAT: u64 = 1;
/// No description is longer: an attribute has 2 KiB, and there are few.
const DOCUMENT_BYTES_MAX: u64 = 1 << 30;

/// The file of a pool's description.
pub(super) const POOL_FILE: &str = "pool.json";
/// The file that says how a container was created.
pub(crate) const CONTAINER_FILE: &str = "container.json";

/// What the file of a container says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ContainerDocument {
    pub(super) uuid: Uuid,
    pub(super) spec: ContainerSpec,
}

/// The part of an envelope that no format changes.
#[derive(Deserialize)]
struct Head {
    format: u64,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    format: u64,
    checksum: String,
    document: Box<RawValue>,
}

/// Reads the description of the pool in `dir`; None where there is no pool.
pub(super) fn load_pool(media: &Arc<dyn Media>, dir: &Path) -> Result<Option<PoolDocument>> {
    load(media, &dir.join(POOL_FILE), "pool")
}

/// Reads how the container in `dir` was created; None where there is no container.
pub(super) fn load_container(media: &Arc<dyn Media>, dir: &Path) -> Result<Option<ContainerDocument>> {
    load(media, &dir.join(CONTAINER_FILE), "container")
}

/// Writes a document in the place of the one that was at `path`, durably.
pub(crate) fn store<T: Serialize>(media: &Arc<dyn Media>, path: &Path, document: &T) -> Result<()> {
    let bytes = encode(document).map_err(|error| {
        Error::new(ErrorKind::InvalidArgument, format!("{} can't be written: {error}", path.display()))
    })?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:016x}.tmp", media.random()));
    let scratch = path.with_file_name(name);
    let written = (|| {
        let file = media.open(&scratch, OpenMode::Create)?;
        file.write_all_at(&bytes, 0)?;
        file.sync()?;
        media.rename(&scratch, path)?;
        media.sync_dir(path.parent().unwrap_or(Path::new(".")))
    })();
    written.map_err(|error| {
        if !media.killed() {
            let _ = media.remove(&scratch);
        }
        failed("write", path, error)
    })
}

fn encode<T: Serialize>(document: &T) -> serde_json::Result<Vec<u8>> {
    let document = to_raw_value(document)?;
    let checksum = format!("{:016x}", xxh3_64(document.get().as_bytes()));
    let mut bytes = serde_json::to_vec(&Envelope { format: FORMAT, checksum, document })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads a document; None where there is no file.
pub(crate) fn load<T: DeserializeOwned>(
    media: &Arc<dyn Media>,
    path: &Path,
    what: &str,
) -> Result<Option<T>> {
    let bytes = match read(media, path) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(failed("read", path, error)),
    };
    decode(&bytes, what).map(Some).map_err(|error| error.context(path.display()))
}

fn read(media: &Arc<dyn Media>, path: &Path) -> io::Result<Vec<u8>> {
    let file = media.open(path, OpenMode::Read)?;
    let length = file.length()?;
    if length > DOCUMENT_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too long to be a description"));
    }
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

fn decode<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    let corrupt = |why: &str| {
        let text = format!("this description of a {what} is damaged ({why}); restore the file from a copy");
        Error::new(ErrorKind::Corrupt, text)
    };
    let incompatible = |why: String| Error::new(ErrorKind::Incompatible, why);
    if bytes.is_empty() {
        return Err(corrupt("it is empty"));
    }
    let foreign = format!("this isn't a description of a {what}; put the file back that belongs here");
    if bytes[0] != b'{' {
        return Err(incompatible(foreign));
    }
    let value: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|error| corrupt(&format!("it is no whole JSON: {error}")))?;
    let head = Head::deserialize(&value).map_err(|_| incompatible(foreign))?;
    if head.format != FORMAT {
        let format = head.format;
        return Err(incompatible(format!(
            "this {what} has format {format}, and this program reads format {FORMAT}; use a program of the version that wrote it, or a newer one"
        )));
    }
    let envelope: Envelope =
        serde_json::from_slice(bytes).map_err(|error| corrupt(&format!("a part is missing: {error}")))?;
    let text = envelope.document.get();
    if format!("{:016x}", xxh3_64(text.as_bytes())) != envelope.checksum {
        return Err(corrupt("its checksum fails"));
    }
    serde_json::from_str(text).map_err(|error| corrupt(&error.to_string()))
}

/// The decoders of both descriptions, for fuzzers: with a right checksum, and as the bytes are.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn fuzz(bytes: &[u8]) {
    fn both<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
        let _ = decode::<T>(bytes, "test");
        let Some(document) =
            std::str::from_utf8(bytes).ok().and_then(|text| RawValue::from_string(text.to_owned()).ok())
        else {
            return;
        };
        let checksum = format!("{:016x}", xxh3_64(document.get().as_bytes()));
        let sealed = serde_json::to_vec(&Envelope { format: FORMAT, checksum, document });
        if let Ok(document) = decode::<T>(&sealed.expect("it is text"), "test") {
            let again = encode(&document).expect("it was read");
            assert_eq!(decode::<T>(&again, "test").expect("it was written"), document);
        }
    }
    both::<PoolDocument>(bytes);
    both::<ContainerDocument>(bytes);
}

/// Valid inputs of [`fuzz`].
#[cfg(test)]
pub(crate) fn samples() -> Vec<Vec<u8>> {
    use std::collections::BTreeMap;

    let container =
        ContainerDocument { uuid: Uuid::from_u128(5), spec: ContainerSpec { log_bytes: 1 << 16 } };
    let entry = millpond_core::ContainerEntry {
        label: Some(millpond_core::Label::new("kv").expect("a label")),
        container_type: "PYTHON".into(),
        created: 7,
        properties: BTreeMap::from([("durability".into(), "async".into())]),
        attributes: BTreeMap::from([("note".into(), "\u{e9}\"\\".into())]),
        path: Some("/somewhere".into()),
        last_scrub: None,
    };
    let pool = PoolDocument {
        uuid: Uuid::from_u128(9),
        label: millpond_core::Label::new("lab").expect("a label"),
        created: 3,
        size: Some(1 << 40),
        properties: BTreeMap::new(),
        attributes: BTreeMap::new(),
        containers: BTreeMap::from([(Uuid::from_u128(5), entry)]),
    };
    let text = |document: serde_json::Result<Vec<u8>>| document.expect("it is text");
    vec![
        text(serde_json::to_vec(&container)),
        text(serde_json::to_vec(&pool)),
        text(encode(&container)),
        text(encode(&pool)),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use millpond_core::Label;

    use super::*;

    fn document() -> PoolDocument {
        PoolDocument {
            uuid: Uuid::from_u128(7),
            label: Label::new("pydaos").expect("a label"),
            created: 1_700_000_000,
            size: Some(1 << 30),
            properties: BTreeMap::new(),
            attributes: BTreeMap::from([("größe".into(), "\"groß\"\n".into())]),
            containers: BTreeMap::new(),
        }
    }

    fn decoded(bytes: &[u8]) -> Result<PoolDocument> {
        decode(bytes, "pool")
    }

    #[test]
    fn a_document_comes_back_and_a_flipped_bit_is_seen() {
        let bytes = encode(&document()).expect("it encodes");
        assert_eq!(decoded(&bytes).expect("it decodes"), document());
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            match decoded(&flipped) {
                Ok(same) => assert_eq!(same, document(), "bit {bit}"),
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible), "{error}");
                }
            }
        }
        for length in 0..bytes.len() - 1 {
            assert_eq!(decoded(&bytes[..length]).expect_err("cut off").kind(), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn foreign_files_and_newer_formats_are_named_as_such() {
        for (text, expected) in [
            ("#!/bin/sh\n", "isn't a description"),
            ("{\"name\": \"package\"}", "isn't a description"),
            ("{\"format\": 2, \"something\": []}", "has format 2"),
        ] {
            let error = decoded(text.as_bytes()).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Incompatible);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
