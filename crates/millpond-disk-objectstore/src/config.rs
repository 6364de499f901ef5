//! `config.json`: what was fixed when the folder was made.
//!
//! | field | default | |
//! | --- | --- | --- |
//! | `container_version` | 1 | any other is refused |
//! | `loose_prefix_len` | 2 | digits of an id that name the directory of a loose object; 0: none |
//! | `pack_size_target` | 4 GiB | a pack of that size or more is full |
//! | `hash_type` | `sha256` | or `sha1` |
//! | `container_id` | empty | 32 hexadecimal digits |
//! | `compression_algorithm` | `zlib+1` | to `zlib+9` |
//!
//! A field that isn't there has its default, and a field that nobody knows is passed over.

use millpond::{Error, ErrorKind, HashType, Result};
use serde::Deserialize;
use uuid::Uuid;

/// The version of the format that this crate reads and writes.
const VERSION: u64 = 1;
/// A name in the directory of a shard has at least one digit left, of the shortest ids.
const LOOSE_PREFIX_LEN_MAX: u64 = 39;

/// What was fixed when a folder was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How many digits of an id name the directory of a loose object; none with 0.
    pub loose_prefix_len: usize,
    /// Bytes from which on a pack is full.
    pub pack_size_target: u64,
    /// What makes the ids.
    pub hash_type: HashType,
    /// The folder's own identity: 32 hexadecimal digits.
    pub container_id: String,
    /// How hard zlib tries, from 1 to 9.
    pub zlib_level: u32,
}

impl Default for Config {
    /// disk-objectstore's defaults, and an identity of its own.
    fn default() -> Self {
        Self {
            loose_prefix_len: 2,
            pack_size_target: 4 << 30,
            hash_type: HashType::Sha256,
            container_id: Uuid::new_v4().simple().to_string(),
            zlib_level: 1,
        }
    }
}

/// The document as it stands in the file.
#[derive(Deserialize)]
struct Document {
    container_version: Option<u64>,
    loose_prefix_len: Option<u64>,
    pack_size_target: Option<u64>,
    hash_type: Option<String>,
    container_id: Option<String>,
    compression_algorithm: Option<String>,
}

impl Config {
    /// Reads the document.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] where it isn't one, [`ErrorKind::Incompatible`] for another version
    /// of the format, and for what this version doesn't know.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let document: Document = serde_json::from_slice(bytes).map_err(|error| {
            Error::new(ErrorKind::Corrupt, format!("it isn't the expected JSON: {error}"))
        })?;
        let foreign = |error: Error| error.with_kind(ErrorKind::Incompatible);
        if let Some(version) = document.container_version.filter(|&version| version != VERSION) {
            return Err(Error::new(
                ErrorKind::Incompatible,
                format!("its container_version is {version}, and this program knows only {VERSION}"),
            ));
        }
        let hash_type = document.hash_type.as_deref().map_or(Ok(HashType::Sha256), parse_hash_type);
        let zlib_level = document.compression_algorithm.as_deref().map_or(Ok(1), parse_compression);
        let config = Self {
            loose_prefix_len: document.loose_prefix_len.unwrap_or(2) as usize,
            pack_size_target: document.pack_size_target.unwrap_or(4 << 30),
            hash_type: hash_type.map_err(foreign)?,
            container_id: document.container_id.unwrap_or_default(),
            zlib_level: zlib_level.map_err(foreign)?,
        };
        config.check().map_err(foreign)?;
        Ok(config)
    }

    /// The document, as disk-objectstore writes it.
    pub fn encode(&self) -> String {
        format!(
            "{{\"container_version\": {VERSION}, \"loose_prefix_len\": {}, \"pack_size_target\": {}, \
             \"hash_type\": \"{}\", \"container_id\": {}, \"compression_algorithm\": \"{}\"}}",
            self.loose_prefix_len,
            self.pack_size_target,
            self.hash_type,
            serde_json::Value::from(self.container_id.as_str()),
            self.compression_algorithm(),
        )
    }

    /// The algorithm's name, such as `zlib+1`.
    pub fn compression_algorithm(&self) -> String {
        format!("zlib+{}", self.zlib_level)
    }

    /// Whether a folder can be made so.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] where not.
    pub fn check(&self) -> Result<()> {
        let wrong = |message| Err(Error::new(ErrorKind::InvalidArgument, message));
        if self.loose_prefix_len as u64 > LOOSE_PREFIX_LEN_MAX {
            return wrong(format!(
                "the prefix of loose objects has {} digits: take 0 to {LOOSE_PREFIX_LEN_MAX}",
                self.loose_prefix_len
            ));
        }
        if self.pack_size_target == 0 {
            return wrong("the target size of packs is 0: take at least 1 byte".to_owned());
        }
        if !(1..=9).contains(&self.zlib_level) {
            return wrong(format!("zlib has no level {}: take 1 to 9", self.zlib_level));
        }
        parse_hash_type(self.hash_type.as_str()).map(drop)
    }
}

/// Reads the name of a hash type that the format knows.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`] for others.
pub fn parse_hash_type(name: &str) -> Result<HashType> {
    match name {
        "sha256" => Ok(HashType::Sha256),
        "sha1" => Ok(HashType::Sha1),
        _ => {
            let message = format!("unknown hash type {name:?}: these folders have sha256 or sha1");
            Err(Error::new(ErrorKind::InvalidArgument, message))
        }
    }
}

/// Reads the name of an algorithm: the level of `zlib+1` to `zlib+9`.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`] for others.
pub fn parse_compression(name: &str) -> Result<u32> {
    let level = name.strip_prefix("zlib+").filter(|level| level.len() == 1);
    level.and_then(|level| level.parse().ok()).filter(|level| (1..=9).contains(level)).ok_or_else(|| {
        let message = format!("unknown compression {name:?}: these folders have zlib+1 to zlib+9");
        Error::new(ErrorKind::InvalidArgument, message)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_written_as_disk_objectstore_writes_it() {
        let config = Config { container_id: "184f82fbdb634860af886af81fc43298".into(), ..Config::default() };
        assert_eq!(
            config.encode(),
            "{\"container_version\": 1, \"loose_prefix_len\": 2, \"pack_size_target\": 4294967296, \
             \"hash_type\": \"sha256\", \"container_id\": \"184f82fbdb634860af886af81fc43298\", \
             \"compression_algorithm\": \"zlib+1\"}"
        );
    }

    #[test]
    fn what_is_missing_has_its_default_and_what_is_unknown_is_refused() {
        let empty = Config::decode(b"{}").expect("defaults");
        assert_eq!(empty, Config { container_id: String::new(), ..Config::default() });
        let kind = |text: &str| Config::decode(text.as_bytes()).expect_err(text).kind();
        for foreign in [
            r#"{"container_version": 2}"#,
            r#"{"container_version": 0}"#,
            r#"{"hash_type": "md5"}"#,
            r#"{"compression_algorithm": "zlib+0"}"#,
            r#"{"compression_algorithm": "zlib+10"}"#,
            r#"{"compression_algorithm": "zstd+1"}"#,
            r#"{"loose_prefix_len": 40}"#,
            r#"{"pack_size_target": 0}"#,
        ] {
            assert_eq!(kind(foreign), ErrorKind::Incompatible, "{foreign}");
        }
        for damaged in ["", "[]", "{", r#"{"loose_prefix_len": -1}"#, r#"{"hash_type": 1}"#] {
            assert_eq!(kind(damaged), ErrorKind::Corrupt, "{damaged}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            loose_prefix_len in 0usize..40,
            pack_size_target in 1u64..,
            is_sha1: bool,
            container_id in ".{0,40}",
            zlib_level in 1u32..10,
        ) {
            let hash_type = if is_sha1 { HashType::Sha1 } else { HashType::Sha256 };
            let config = Config { loose_prefix_len, pack_size_target, hash_type, container_id, zlib_level };
            prop_assert_eq!(Config::decode(config.encode().as_bytes()).expect("read"), config);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, at in 0usize..200, byte: u8) {
            let _ = Config::decode(&bytes);
            let mut document = Config::default().encode().into_bytes();
            let at = at % document.len();
            document[at] = byte;
            let _ = Config::decode(&document);
        }
    }
}
