//! What the tests make.

use std::path::PathBuf;

use millpond::{BlobId, Progress, Result};
use millpond_disk_objectstore::{AddOptions, Config, Folder};
use millpond_testkit::random::Random;
use tempfile::TempDir;

/// A directory that goes with the test, and a path in it where nothing is.
pub fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("folder");
    (dir, path)
}

/// An empty folder.
pub fn folder() -> (TempDir, Folder) {
    let (dir, path) = place();
    let folder = Folder::init(&path, &Config::default()).expect("made");
    (dir, folder)
}

/// Bytes of some length, some of them compressible.
pub fn content(random: &mut Random) -> Vec<u8> {
    let length = match random.below(10) {
        0 => 0,
        1..7 => random.below(500),
        7..9 => random.below(20_000),
        _ => random.below(300_000),
    } as usize;
    match random.below(3) {
        0 => random.bytes(length),
        1 => vec![b'a' + random.below(26) as u8; length],
        _ => format!("{} and so on, ", random.below(1000)).bytes().cycle().take(length).collect(),
    }
}

/// Adds contents to packs.
pub fn add(folder: &Folder, contents: &[Vec<u8>], compress: bool) -> Vec<BlobId> {
    let options = AddOptions { compress, ..AddOptions::default() };
    folder.add_to_pack(contents.iter().map(Vec::as_slice), options, None).expect("added")
}

/// Notes what it is told, as disk-objectstore's callbacks are.
#[derive(Default)]
pub struct Notes(pub Vec<(String, u64, String)>);

impl Progress for Notes {
    fn begin(&mut self, total: u64, what: &str) -> Result<()> {
        self.0.push(("init".into(), total, what.into()));
        Ok(())
    }

    fn advance(&mut self, by: u64) -> Result<()> {
        self.0.push(("update".into(), by, String::new()));
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.0.push(("close".into(), 0, String::new()));
        Ok(())
    }
}
