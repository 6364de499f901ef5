//! What progress is told is what disk-objectstore tells its callbacks; and an error of it ends an operation
//! cleanly.

use std::fs;

use millpond::{BlobId, Error, ErrorKind, Progress, Result};
use millpond_disk_objectstore::{
    AddOptions, CompressMode, Config, Folder, ImportOptions, PackLooseOptions, RepackOptions,
};
use millpond_testkit::random::Random;
use serde_json::{Value, json};

use crate::{
    oracle::{Oracle, hex, pack},
    scratch::{Notes, add, content, folder, place},
};

/// What disk-objectstore told, as [`Notes`] are.
fn told(trace: Value) -> Vec<(String, u64, String)> {
    let trace = trace.as_array().expect("a trace");
    let each = trace.iter().map(|told| {
        let (action, value) = (told[0].as_str().expect("an action").to_owned(), &told[1]);
        match value.as_object() {
            Some(what) => {
                let description = what["description"].as_str().expect("a description");
                (action, what["total"].as_u64().expect("a number"), description.to_owned())
            }
            None => (action, value.as_u64().unwrap_or(0), String::new()),
        }
    });
    each.collect()
}

/// The same whatever order objects come in.
fn sorted(mut told: Vec<(String, u64, String)>) -> Vec<(String, u64, String)> {
    told.sort();
    told
}

#[test]
fn the_same_is_told() {
    let Some(mut oracle) = Oracle::start("callbacks::the_same_is_told") else { return };
    let mut random = Random::new(1);
    let contents: Vec<_> = (0..950).map(|number| format!("{number}").into_bytes()).collect();
    let loose: Vec<_> = (0..20).map(|_| content(&mut random)).collect();
    let [digits, loose_digits] =
        [&contents, &loose].map(|all| all.iter().map(|one| hex(one)).collect::<Vec<_>>());
    let ((_dir, theirs), (_other_dir, path)) = (place(), place());
    oracle.does(json!(["init", theirs, {}]));
    let ours = Folder::init(&path, &Config::default()).expect("made");
    let add_some = |range: std::ops::Range<usize>, no_holes| {
        let mut notes = Notes::default();
        let options = AddOptions { no_holes, ..AddOptions::default() };
        ours.add_to_pack(contents[range].iter().map(Vec::as_slice), options, Some(&mut notes))
            .expect("added");
        notes.0
    };
    let trace = told(oracle.does(json!(["trace", "add_to_pack", digits[..900], false])));
    assert_eq!(add_some(0..900, false), trace);
    let trace = told(oracle.does(json!(["trace", "add_to_pack", digits[890..], true])));
    assert_eq!(add_some(890..950, true), trace);

    oracle.does(json!(["add_loose", loose_digits]));
    for content in &loose {
        ours.add_loose(&mut content.as_slice()).expect("added");
    }
    let trace = told(oracle.does(json!(["trace", "validate"])));
    let mut notes = Notes::default();
    assert!(ours.validate(Some(&mut notes)).expect("validated").is_valid());
    assert_eq!(notes.0, trace);

    let trace = told(oracle.does(json!(["trace", "pack_all_loose"])));
    let mut notes = Notes::default();
    ours.pack_all_loose(PackLooseOptions::default(), Some(&mut notes)).expect("packed");
    assert_eq!(sorted(notes.0), sorted(trace));

    let trace = told(oracle.does(json!(["trace", "repack"])));
    let mut notes = Notes::default();
    ours.repack(RepackOptions::default(), Some(&mut notes)).expect("repacked");
    assert_eq!(sorted(notes.0), sorted(trace));

    for hash_type in ["sha256", "sha1"] {
        let ((_dir, theirs_into), (_other_dir, path_into)) = (place(), place());
        let config = Config { hash_type: hash_type.parse().expect("a hash"), ..Config::default() };
        oracle.does(json!(["init", theirs_into, {"hash_type": hash_type}]));
        let into = Folder::init(&path_into, &config).expect("made");
        oracle.does(json!(["add_to_pack", digits[..3], false]));
        add(&into, &contents[..3], false);
        let trace = told(oracle.does(json!(["trace", "import", theirs])));
        let ids: Vec<_> = ours.ids().expect("listed").map(|id| id.expect("an id")).collect();
        let mut notes = Notes::default();
        into.import(ids, &ours, ImportOptions::default(), Some(&mut notes)).expect("imported");
        assert_eq!(notes.0, trace, "{hash_type}");
    }
}

/// Fails after some calls.
struct Impatient(u64);

impl Impatient {
    fn call(&mut self) -> Result<()> {
        self.0 = self.0.checked_sub(1).ok_or_else(|| Error::new(ErrorKind::Closed, "no more of this"))?;
        Ok(())
    }
}

impl Progress for Impatient {
    fn begin(&mut self, _: u64, _: &str) -> Result<()> {
        self.call()
    }

    fn advance(&mut self, _: u64) -> Result<()> {
        self.call()
    }

    fn end(&mut self) -> Result<()> {
        self.call()
    }
}

/// A folder with loose and packed objects, and ids of all.
fn full() -> (tempfile::TempDir, Folder, Vec<BlobId>) {
    let (dir, folder) = folder();
    let mut random = Random::new(2);
    let contents: Vec<_> = (0..10).map(|_| content(&mut random)).collect();
    let mut ids = add(&folder, &contents[..5], false);
    ids.extend(contents[5..].iter().map(|content| folder.add_loose(&mut content.as_slice()).expect("added")));
    (dir, folder, ids)
}

#[test]
fn an_operation_that_is_ended_leaves_everything_and_nothing_else() {
    type Operation = fn(&Folder, &mut dyn Progress) -> Result<()>;
    let operations: [(&str, Operation); 4] = [
        ("pack", |folder, progress| {
            let options = PackLooseOptions { compress: CompressMode::Auto, ..Default::default() };
            folder.pack_all_loose(options, Some(progress))
        }),
        ("repack", |folder, progress| {
            let options = RepackOptions { compress: CompressMode::Yes, keep_ids: false };
            folder.repack(options, Some(progress))
        }),
        ("add", |folder, progress| {
            let contents = (0..9).map(|number| vec![number; 70_000]);
            folder.add_to_pack(contents, AddOptions::default(), Some(progress)).map(drop)
        }),
        ("validate", |folder, progress| folder.validate(Some(progress)).map(drop)),
    ];
    for (name, operation) in operations {
        let mut endings = 0;
        for calls in 0.. {
            let (_dir, folder, ids) = full();
            let before = folder.total_size().expect("added up");
            let size = fs::metadata(pack(folder.path(), 0)).expect("a pack").len();
            let done = operation(&folder, &mut Impatient(calls));
            let after = folder.total_size().expect("added up");
            for id in &ids {
                folder.read(id).expect("still there");
            }
            assert!(folder.validate(None).expect("validated").is_valid());
            assert!(fs::read_dir(folder.path().join("sandbox")).expect("a directory").next().is_none());
            match done {
                Ok(()) => break,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Closed, "{name}: {error}"),
            }
            endings += 1;
            let is_at_end = after.packed != before.packed || !pack(folder.path(), 0).exists();
            if !is_at_end {
                let packs: Vec<_> = folder.packs().expect("listed");
                assert_eq!(packs.len(), 1, "{name} after {calls} calls left {packs:?}");
                assert_eq!(fs::metadata(pack(folder.path(), 0)).expect("a pack").len(), size, "{name}");
            }
        }
        assert!(endings > 5, "{name} was ended {endings} times");
    }
}
