//! Every byte of a small pool is changed, one at a time, and looked at through the front door.
//!
//! What can break: a changed byte of a key, a value, an index or a filter makes an entry vanish, or
//! appear, or be another one; a length that is changed makes someone allocate, loop or panic; one
//! damaged block takes its neighbours along. What must hold: each entry is right or an error that
//! names the damaged file; a missing entry counts as a wrong one; a damaged block or frame hides
//! its own entries only; nothing panics, nothing hangs. A repair gives up what is lost of the log, and
//! no other entry.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    panic::catch_unwind,
    path::{Path, PathBuf},
    time::Duration,
};

use millpond::{Container, Dict, Durability, Error, ErrorKind, OpenOptions};
use millpond_testkit::{
    process::{Part, role, tell},
    random::{Random, test_scale, test_seed},
};

use super::{container_in, copy_dir, files_in, plant, url_of};
use crate::scratch::noise;

const DIR: &str = "MILLPOND_TEST_DIR";
const TEST: &str = "attacks::flips::every_changed_byte_is_noticed_or_does_not_matter";
/// A look takes milliseconds. One that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(30);
/// Looks of `make test`: a sample.
const LOOKS: u64 = 2500;
const POOL_BYTES_MAX: u64 = 256 << 10;
/// Entries that one block of a run may hide: it is of about 4 KiB, and no entry takes less than 200
/// bytes.
const HIDDEN_MAX: usize = 24;

/// What the pool holds: entries in blocks of a run, in a segment, and in the log.
fn expected() -> BTreeMap<Vec<u8>, Vec<u8>> {
    let short = (0..120u64).map(|number| (format!("key-{number:03}"), noise(number, 200 + number as usize)));
    let long = (0..4u64).map(|number| (format!("long-{number}"), noise(1000 + number, 6000)));
    let late = (0..12u64).map(|number| (format!("late-{number:02}"), noise(2000 + number, 300)));
    short.chain(long).chain(late).map(|(key, value)| (key.into_bytes(), value)).collect()
}

fn build(dir: &Path) {
    let container = container_in(dir, Durability::Async);
    let dict = container.create_dict("d").expect("created");
    let entries = expected();
    let (late, early): (Vec<_>, Vec<_>) = entries.iter().partition(|(key, _)| key.starts_with(b"late"));
    dict.put_many(early).expect("put");
    container.compact().expect("compacted");
    dict.put_many(late).expect("put");
    container.close().expect("closed");
    let name = container.url();
    drop((dict, container));
    // A log file that was still in use when it was closed goes at the next opening.
    Container::open(&name).expect("opened").close().expect("closed");
    // Zeros that are set aside, and never read.
    for file in files_in(dir).into_iter().filter(|file| file.ends_with("reserve")) {
        fs::remove_file(file).expect("removed");
    }
}

/// Files of which nothing is ever read that a last holder left.
fn is_never_trusted(file: &Path) -> bool {
    file.ends_with("control") || file.ends_with("lock")
}

/// One changed byte.
struct Flip {
    file: PathBuf,
    offset: u64,
    mask: u8,
}

impl Flip {
    /// The flip at `place` of all bytes of all files.
    fn at(files: &[(PathBuf, u64)], mut place: u64, seed: u64) -> Self {
        let mut random = Random::new(seed ^ place);
        for (file, length) in files {
            if place < *length {
                return Self { file: file.clone(), offset: place, mask: 1 << random.below(8) };
            }
            place -= length;
        }
        panic!("there are fewer bytes");
    }
}

impl std::fmt::Display for Flip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} byte {} mask {:#04x}", self.file.display(), self.offset, self.mask)
    }
}

/// What a changed byte did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Nothing.
    Nothing,
    /// So many entries answered an error.
    Hidden(usize),
    /// The block is damaged that has the dictionary's name, or it may have been changed by what is lost.
    Unnamed,
    /// The container didn't open.
    Refused,
    /// A repair accepted that records are lost, and all others are there.
    GivenUp,
}

/// An error that says what is damaged, or that it isn't.
fn honest(error: &Error, flip: &Flip) -> Result<(), String> {
    let name = flip.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // Of what a repair has marked as lost, the last one.
    if !matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible | ErrorKind::DataLoss) {
        return Err(format!("an error of another kind, {:?}: {error}", error.kind()));
    }
    if !error.to_string().contains(&name) {
        return Err(format!("an error that doesn't name {name}: {error}"));
    }
    Ok(())
}

/// Looks at all of the dictionary in the pool in `dir`, of which the byte of `flip` is changed.
fn look(dir: &Path, flip: &Flip) -> Result<Seen, String> {
    look_for(&expected(), dir, flip)
}

/// Repairs the container, and looks again: what wasn't damaged is there, and nothing is in doubt.
fn repair(dir: &Path, flip: &Flip, seen: Seen) -> Result<Seen, String> {
    if seen == Seen::Refused {
        return Ok(seen);
    }
    let failed = |doing: &str, error: Error| format!("{doing}: {error}");
    let container = Container::open(&format!("{}/kv", url_of(dir)))
        .map_err(|error| failed("opening it to repair", error))?;
    let report = container.check(true).map_err(|error| failed("repairing", error))?;
    container.close().map_err(|error| failed("closing it repaired", error))?;
    drop(container);
    let mut entries = expected();
    // Rather than marked, as the values of single keys are.
    let is_unknown = report.repaired.iter().any(|damage| damage.place.starts_with("log/"));
    if report.lost > 0 && is_unknown {
        // The one record of the log that holds entries.
        entries.retain(|key, _| !key.starts_with(b"late"));
    }
    match look_for(&entries, dir, flip).map_err(|why| format!("repaired: {why}"))? {
        Seen::Nothing | Seen::Hidden(_) if report.lost > 0 && is_unknown => Ok(Seen::GivenUp),
        after if after == seen && (report.is_clean() || seen != Seen::Nothing) => Ok(seen),
        after => Err(format!("{after:?} after a repair, {seen:?} before: {report:?}")),
    }
}

fn look_for(entries: &BTreeMap<Vec<u8>, Vec<u8>>, dir: &Path, flip: &Flip) -> Result<Seen, String> {
    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    let container = match Container::open_with(&format!("{}/kv", url_of(dir)), options) {
        Ok(container) => container,
        Err(error) => return honest(&error, flip).map(|()| Seen::Refused),
    };
    let dict = match container.dict("d") {
        Ok(dict) => dict,
        Err(error) => return honest(&error, flip).map(|()| Seen::Unnamed),
    };
    let mut hidden = BTreeSet::new();
    for (key, value) in entries {
        match dict.get(key) {
            Ok(Some(found)) if found == *value => {}
            Ok(Some(_)) => return Err(format!("{} has a wrong value", key.escape_ascii())),
            Ok(None) => return Err(format!("{} is missing", key.escape_ascii())),
            Err(error) => {
                honest(&error, flip)?;
                hidden.insert(key.clone());
            }
        }
    }
    walk(&dict, entries, &hidden, flip)?;
    match dict.len() {
        Ok(count) if count == entries.len() as u64 => {}
        Ok(count) => return Err(format!("{count} entries are counted")),
        Err(error) => honest(&error, flip)?,
    }
    for absent in [&b"key-"[..], b"key-0000", b"long-9", b"", &[0xFF; 40]] {
        match dict.get(absent) {
            Ok(None) => {}
            Ok(Some(_)) => return Err(format!("{} is there", absent.escape_ascii())),
            Err(error) => honest(&error, flip)?,
        }
    }
    let report = container.check(false).map_err(|error| format!("the check fails: {error}"))?;
    if !hidden.is_empty() && report.is_clean() && report.markers.is_empty() {
        return Err(format!("{} entries can't be read, and the check finds nothing", hidden.len()));
    }
    container.close().map_err(|error| format!("closing: {error}"))?;
    Ok(if hidden.is_empty() { Seen::Nothing } else { Seen::Hidden(hidden.len()) })
}

/// Walks over the dictionary, past what can't be read: all others have to come, in order.
fn walk(
    dict: &Dict,
    entries: &BTreeMap<Vec<u8>, Vec<u8>>,
    hidden: &BTreeSet<Vec<u8>>,
    flip: &Flip,
) -> Result<(), String> {
    let mut left = entries.iter().filter(|(key, _)| !hidden.contains(*key)).peekable();
    let mut errors = 0;
    for entry in dict.iter().map_err(|error| format!("an iteration doesn't begin: {error}"))? {
        match entry {
            Ok((key, value)) if hidden.contains(&key[..]) => {
                if entries[&key[..]] != value {
                    return Err(format!("{} has a wrong value", key.escape_ascii()));
                }
            }
            Ok((key, value)) => match left.next() {
                Some((next, right)) if *next == key && *right == value => {}
                _ => return Err(format!("an iteration shows {} out of turn", key.escape_ascii())),
            },
            Err(error) => {
                honest(&error, flip)?;
                errors += 1;
                if errors > entries.len() {
                    return Err("an iteration never ends".into());
                }
            }
        }
    }
    match left.next() {
        Some((key, _)) => Err(format!("an iteration leaves out {}", key.escape_ascii())),
        None => Ok(()),
    }
}

/// A place in memory where there is one, since a look needs nothing durable.
fn fast_dir() -> tempfile::TempDir {
    let builder = || tempfile::Builder::new().prefix("millpond-flips-").to_owned();
    builder().tempdir_in("/dev/shm").or_else(|_| builder().tempdir()).expect("a directory")
}

fn sizes(pool: &Path) -> Vec<(PathBuf, u64)> {
    let length = |file: &PathBuf| fs::metadata(file).expect("a file").len();
    files_in(pool)
        .into_iter()
        .map(|file| (length(&file), file))
        .map(|(length, file)| (file, length))
        .collect()
}

/// The process that looks: `role` is the seed, the first look and the last one, how far apart, and
/// the number of a bug to plant.
fn play(role: &str) {
    let numbers: Vec<u64> = role.split(' ').map(|word| word.parse().expect("a number")).collect();
    let [seed, first, end, every, bug] = numbers[..] else { panic!("five numbers") };
    let _planted = plant(bug as u32);
    let base = PathBuf::from(std::env::var(DIR).expect("a directory"));
    let pool = base.join("pool");
    let files = sizes(&pool);
    let own = fast_dir();
    std::panic::set_hook(Box::new(|_| ()));
    let mut place = first;
    while place < end {
        let flip = Flip::at(&files, place, seed);
        tell(format!("at {place} {flip}"));
        let copy = own.path().join("pool");
        let _ = fs::remove_dir_all(&copy);
        copy_dir(&pool, &copy);
        let target = copy.join(flip.file.strip_prefix(&pool).expect("a file of the pool"));
        let mut bytes = fs::read(&target).expect("read");
        bytes[flip.offset as usize] ^= flip.mask;
        fs::write(&target, bytes).expect("written");
        let looked = catch_unwind(|| look(&copy, &flip).and_then(|seen| repair(&copy, &flip, seen)));
        match looked {
            Ok(Ok(Seen::Nothing)) => tell("nothing"),
            Ok(Ok(Seen::Hidden(count))) => tell(format!("hidden {count}")),
            Ok(Ok(Seen::Unnamed)) => tell("unnamed"),
            Ok(Ok(Seen::Refused)) => tell("refused"),
            Ok(Ok(Seen::GivenUp)) => tell("given-up"),
            Ok(Err(why)) => tell(format!("wrong {}", why.replace('\n', " "))),
            Err(_) => tell("wrong a panic"),
        }
        place += every;
    }
}

/// What the flips of one kind of file did.
#[derive(Debug, Default)]
struct Tally {
    nothing: u64,
    hidden: u64,
    hidden_max: usize,
    unnamed: u64,
    refused: u64,
    given_up: u64,
}

/// The kind of a file, by its directory or its name.
fn kind_of(flip: &str) -> String {
    let path = Path::new(flip.split(' ').next().unwrap_or_default());
    let dir = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    match &*dir {
        "log" | "runs" | "segments" => dir,
        _ => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    }
}

/// Changes bytes of a new pool, one at a time, about `looks` of them; answers what that did.
///
/// # Errors
/// What must not be, with the changed byte.
fn sweep(test: &str, seed: u64, looks: u64, bug: u32) -> Result<BTreeMap<String, Tally>, String> {
    let dir = fast_dir();
    let pool = dir.path().join("pool");
    build(&pool);
    let total: u64 = sizes(&pool).iter().map(|(_, length)| length).sum();
    assert!(total < POOL_BYTES_MAX, "the pool has {total} bytes");
    // A sample is spread over all bytes, from a place that the seed decides.
    let every = (total / looks).max(1);
    let first = Random::new(seed).below(every);
    let role = format!("{seed} {first} {total} {every} {bug}");
    let mut process = Part::new(test, role).env(DIR, dir.path()).start();
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let mut seen = 0;
    while let Ok(at) = process.told_within(PATIENCE) {
        let told = process.told_within(PATIENCE);
        let told = told.map_err(|error| format!("{at}: the process hangs or is gone ({error})"))?;
        let flip = at.splitn(3, ' ').nth(2).unwrap_or_default();
        let tally = tallies.entry(kind_of(flip)).or_default();
        match told.split_once(' ').unwrap_or((&told, "")) {
            ("nothing", _) => tally.nothing += 1,
            ("hidden", count) => {
                tally.hidden += 1;
                tally.hidden_max = tally.hidden_max.max(count.parse().expect("a number"));
            }
            ("unnamed", _) => tally.unnamed += 1,
            ("refused", _) => tally.refused += 1,
            ("given-up", _) => tally.given_up += 1,
            (_, why) => return Err(format!("{at}: {why}")),
        }
        seen += 1;
    }
    process.finish();
    println!("{seen} of {total} bytes changed: {tallies:?}");
    assert_eq!(seen, (total - first).div_ceil(every));
    Ok(tallies)
}

#[test]
fn every_changed_byte_is_noticed_or_does_not_matter() {
    if let Some(role) = role() {
        return play(&role);
    }
    let seed = test_seed(1);
    let tallies = sweep(TEST, seed, LOOKS * test_scale(), 0);
    let tallies = tallies.unwrap_or_else(|why| panic!("seed {seed}, {why}"));
    for (kind, tally) in &tallies {
        if is_never_trusted(Path::new(kind)) {
            assert_eq!((tally.hidden, tally.refused), (0, 0), "{kind} is trusted");
        }
        assert!(tally.hidden_max <= HIDDEN_MAX, "{kind}: one byte hides {} entries", tally.hidden_max);
    }
    for kind in ["runs", "segments"] {
        assert!(tallies[kind].hidden > 0, "{kind}: what is damaged matters");
    }
    // What can't be read of these keeps nobody from the rest.
    for kind in ["log", "manifest", "runs", "segments"] {
        assert_eq!(tallies[kind].refused, 0, "{kind}");
        assert_eq!(tallies[kind].given_up > 0, kind == "log", "{kind}");
    }
    assert_eq!((tallies["log"].unnamed, tallies["manifest"].hidden), (0, 0));
}

/// The test of the test.
#[cfg(feature = "planted-bugs")]
#[test]
fn checksums_that_are_not_compared() {
    if let Some(role) = role() {
        return play(&role);
    }
    let bug = millpond_local::bugs::Bug::SkipChecksums as u32;
    let found = sweep("attacks::flips::checksums_that_are_not_compared", 1, 500, bug);
    println!("{}", found.expect_err("the bug was not noticed"));
}
