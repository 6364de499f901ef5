//! Commits of which any process can say afterwards whether they are there, whole and right.
//!
//! Commit `number` of `name` puts the keys `name/number/0…`, mostly two of them, now and then so
//! many that the commit is a run of its own; what their values and bulk bytes are follows from the
//! key.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
    sync::Arc,
};

use millpond_core::{
    At, Commit, Direction, Durability, Error, Key, KeyRange, Op, Outcome, Segments, Store, Write,
};
use millpond_local::{
    EngineOptions, LocalStore,
    media::{Media, SystemMedia},
};
use millpond_testkit::random::Random;

use crate::subject;

const KEYS: &[u8] = b"keys";
const COUNT: Key<'static> = Key { partition: b"count", sort: b"" };
/// Keys of a commit that is larger than the log likes.
const PARTS_MANY: usize = 300;

/// Creates a container on real files.
pub fn create(dir: &Path) {
    let media: Arc<dyn Media> = Arc::new(SystemMedia);
    subject::create(&media, dir).expect("created");
}

/// Opens the container on real files, with or without the engine's thread.
pub fn open(dir: &Path, background: bool) -> Result<LocalStore, Error> {
    open_on(Arc::new(SystemMedia), dir, background)
}

pub fn open_on(media: Arc<dyn Media>, dir: &Path, background: bool) -> Result<LocalStore, Error> {
    let options = EngineOptions { background, ..subject::options() };
    LocalStore::open(media, dir, subject::CONTAINER, options, false)
}

fn parts(number: u64) -> usize {
    if number % 40 == 19 { PARTS_MANY } else { 2 }
}

fn seed_of(key: &str) -> u64 {
    key.bytes().fold(0, |seed: u64, byte| seed.wrapping_mul(0x100_0000_01B3) ^ u64::from(byte))
}

fn value_of(key: &str, number: u64) -> Vec<u8> {
    let mut random = Random::new(seed_of(key));
    random.bytes(50 + (number * 37 % 1000) as usize)
}

fn bulk_of(key: &str) -> Vec<u8> {
    Random::new(seed_of(key) ^ 1).bytes(20_000)
}

/// Makes one commit; of the one in sixteen, the first key has bulk bytes.
pub fn commit(store: &dyn Store, name: &str, number: u64, durability: Durability) -> Result<(), Error> {
    let keys: Vec<_> = (0..parts(number)).map(|part| format!("{name}/{number:08}/{part}")).collect();
    let mut extents = Vec::new();
    if number.is_multiple_of(16) {
        let mut writer = Segments::writer(store.segments())?;
        writer.append(&bulk_of(&keys[0]))?;
        extents = writer.finish()?;
    }
    let values: Vec<_> = keys.iter().map(|key| value_of(key, number)).collect();
    let write = |place: usize| Write {
        key: Key::new(KEYS, keys[place].as_bytes()),
        op: Op::Put { value: &values[place], extents: if place == 0 { &extents } else { &[] } },
        tally: Some(COUNT),
    };
    let writes = (0..keys.len()).map(write).collect();
    match store.index().commit(&Commit { writes, durability, ..Commit::default() })? {
        Outcome::Committed { .. } => Ok(()),
        Outcome::Conflict { .. } => panic!("a conflict without a precondition"),
    }
}

/// The name of a commit, as it is acknowledged.
pub fn acknowledgement(name: &str, number: u64) -> String {
    format!("{name}/{number:08}")
}

/// Checks all that is there: whole commits with the right bytes, a right count, and every commit
/// that was acknowledged.
pub fn check(store: &dyn Store, acknowledged: &BTreeSet<String>) -> Result<(), String> {
    let text = |error: Error| format!("{error} ({:?})", error.kind());
    let view = store.index().view(At::Latest).map_err(text)?;
    let mut cursor = view.scan(KeyRange::all(KEYS), Direction::Forward).map_err(text)?;
    let (mut commits, mut keys) = (BTreeMap::<String, usize>::new(), 0);
    while cursor.advance().map_err(text)? {
        let key = String::from_utf8(cursor.key().to_vec()).map_err(|error| error.to_string())?;
        let (commit, _) = key.rsplit_once('/').ok_or_else(|| format!("a foreign key {key}"))?;
        let number = commit.rsplit('/').next().and_then(|number| number.parse().ok());
        let number: u64 = number.ok_or_else(|| format!("a foreign key {key}"))?;
        if cursor.record().value != value_of(&key, number) {
            return Err(format!("{key} has a wrong value"));
        }
        let mut bulk = Vec::new();
        for extent in cursor.record().extents {
            let mut bytes = vec![0; extent.length as usize];
            store.segments().read(extent, 0, &mut bytes).map_err(text)?;
            bulk.append(&mut bytes);
        }
        let has_bulk = number.is_multiple_of(16) && key.ends_with("/0");
        if bulk != if has_bulk { bulk_of(&key) } else { Vec::new() } {
            return Err(format!("{key} has wrong bulk bytes"));
        }
        *commits.entry(commit.to_owned()).or_default() += 1;
        keys += 1;
    }
    match view.counter(COUNT).map_err(text)? {
        count if count == keys => {}
        count => return Err(format!("the counter says {count}, there are {keys} keys")),
    }
    for (commit, found) in &commits {
        let number: u64 = commit.rsplit('/').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        if *found != parts(number) {
            return Err(format!("commit {commit} is there in part: {found} of {} keys", parts(number)));
        }
    }
    match acknowledged.iter().find(|commit| !commits.contains_key(*commit)) {
        Some(commit) => Err(format!("acknowledged commit {commit} is lost")),
        None => Ok(()),
    }
}

/// Checks as [`check`] does, and that every stored byte is sound.
pub fn check_all(store: &dyn Store, acknowledged: &BTreeSet<String>) -> Result<(), String> {
    check(store, acknowledged)?;
    let mut damages = Vec::new();
    store.verify(&mut |damage| damages.push(damage)).map_err(|error| error.to_string())?;
    if damages.is_empty() { Ok(()) } else { Err(format!("{damages:?}")) }
}

/// Copies a directory with all that is in it, whatever happens to it meanwhile.
pub fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let copied = if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), &target).map(drop)
        };
        match copied {
            // It was unlinked since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}
