//! Where what lies in a folder.
//!
//! | path | what it is |
//! | --- | --- |
//! | `config.json` | see [`crate::config`] |
//! | `loose/<prefix>/<rest>` | an object as it is, under the digits of its id; `loose/<id>` with a prefix of 0 |
//! | `sandbox/<32 digits>` | a loose object that is being written |
//! | `packs/<number>` | objects, one behind the other, with nothing between them |
//! | `packs/-1` | the pack that disk-objectstore's repack writes |
//! | `packs/<number>.lock` | there while somebody writes that pack |
//! | `duplicates/<id>.<32 digits>` | a loose object that couldn't be put in its place |
//! | `packs.idx`, `-wal`, `-shm` | SQLite: where each packed object lies |
//! | `millpond.lock` | ours alone: held, by the kernel's lock, by the one who packs |

use std::{
    fmt,
    path::{Path, PathBuf},
};

use millpond::BlobId;
use uuid::Uuid;

/// The directories that a folder has.
pub(crate) const DIRECTORIES: [&str; 4] = ["packs", "loose", "duplicates", "sandbox"];

/// The number of a pack: at least 0, but for [`PackId::REPACKING`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackId(i64);

impl PackId {
    /// What disk-objectstore's repack writes to. It names no pack for long.
    pub const REPACKING: Self = Self(-1);
    /// Where packs begin.
    pub(crate) const FIRST: Self = Self(0);

    /// The pack of that number, if there can be one.
    pub fn new(number: i64) -> Option<Self> {
        (number >= -1).then_some(Self(number))
    }

    /// Its number.
    pub fn number(self) -> i64 {
        self.0
    }

    /// The one behind it.
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Reads the name of a pack's file: digits, the first of which isn't 0 where there are more.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let is_plain = name == "0" || !name.starts_with('0');
        let digits = is_plain && name.bytes().all(|byte| byte.is_ascii_digit());
        name.parse().ok().filter(|_| digits).map(Self)
    }
}

impl fmt::Display for PackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The paths of a folder.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn config(&self) -> PathBuf {
        self.root.join("config.json")
    }

    pub fn index(&self) -> PathBuf {
        self.root.join("packs.idx")
    }

    pub fn lock(&self) -> PathBuf {
        self.root.join("millpond.lock")
    }

    pub fn directory(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn packs(&self) -> PathBuf {
        self.root.join("packs")
    }

    pub fn pack(&self, pack: PackId) -> PathBuf {
        self.root.join(format!("packs/{pack}"))
    }

    pub fn pack_lock(&self, pack: PackId) -> PathBuf {
        self.root.join(format!("packs/{pack}.lock"))
    }

    pub fn loose_root(&self) -> PathBuf {
        self.root.join("loose")
    }

    /// Where a loose object lies.
    pub fn loose(&self, prefix_len: usize, id: &BlobId) -> PathBuf {
        let name = id.to_string();
        match name.split_at(prefix_len) {
            ("", name) => self.root.join(format!("loose/{name}")),
            (prefix, rest) => self.root.join(format!("loose/{prefix}/{rest}")),
        }
    }

    pub fn duplicates(&self) -> PathBuf {
        self.root.join("duplicates")
    }

    /// A place for a loose object to be written.
    pub fn new_sandbox(&self) -> PathBuf {
        self.root.join(format!("sandbox/{}", Uuid::new_v4().simple()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_packs_are_plain_numbers() {
        for (name, pack) in [("0", Some(0)), ("7", Some(7)), ("10", Some(10))] {
            assert_eq!(PackId::parse(name).map(PackId::number), pack);
        }
        for name in ["", "00", "01", "-1", "+1", "1.lock", "x", "99999999999999999999"] {
            assert_eq!(PackId::parse(name), None, "{name}");
        }
        assert_eq!(PackId::new(-2), None);
    }

    #[test]
    fn a_loose_object_lies_under_its_first_digits() {
        let layout = Layout::new(Path::new("/f"));
        let id: BlobId = "0123456789abcdef0123456789abcdef01234567".parse().expect("an id");
        for (prefix_len, path) in [
            (0, "/f/loose/0123456789abcdef0123456789abcdef01234567"),
            (2, "/f/loose/01/23456789abcdef0123456789abcdef01234567"),
            (4, "/f/loose/0123/456789abcdef0123456789abcdef01234567"),
        ] {
            assert_eq!(layout.loose(prefix_len, &id), Path::new(path));
        }
    }
}
