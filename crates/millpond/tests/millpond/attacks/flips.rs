//! Every byte of a small pool is changed, one at a time, and looked at through the front door.
//!
//! What can break: a changed byte of a key, a value, an index or a filter makes an entry vanish, or
//! appear, or be another one; a length that is changed makes someone allocate, loop or panic; one
//! damaged block takes its neighbours along. What must hold, now and at a snapshot: each entry, value and
//! record of an array is right or an error that names the damaged file; one that is missing counts as a
//! wrong one; a damaged block or frame hides its own entries only; nothing panics, nothing hangs. A
//! repair gives up what is lost of the log, and nothing else; what can be read before can be read after.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    panic::catch_unwind,
    path::{Path, PathBuf},
    time::Duration,
};

use millpond::{Container, Error, ErrorKind, OpenOptions};
use millpond_testkit::{
    process::{Part, role, tell},
    random::{Random, test_scale, test_seed},
};

use super::{
    copy_dir, files_in,
    holdings::{Holdings, Look, THEN, build},
    plant, url_of,
};

const DIR: &str = "MILLPOND_TEST_DIR";
const TEST: &str = "attacks::flips::every_changed_byte_is_noticed_or_does_not_matter";
/// A look takes milliseconds. One that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(30);
/// Looks of `make test`: a sample.
const LOOKS: u64 = 2500;
const POOL_BYTES_MAX: u64 = 256 << 10;
/// Entries that one block of a run may hide: it is of about 4 KiB, and no entry takes less than 200
/// bytes; each now and at the snapshot.
const HIDDEN_MAX: usize = 2 * 24;

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
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    /// These can't be read, now or at the snapshot; often nothing.
    Hidden(BTreeSet<String>),
    /// The container didn't open.
    Refused,
    /// A repair accepted that a commit is lost, and what was before it is there, but for these.
    GivenUp(BTreeSet<String>),
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

/// Repairs the container, and looks again: what wasn't damaged is there, and nothing is in doubt.
fn repair(dir: &Path, flip: &Flip, seen: Seen) -> Result<Seen, String> {
    let Seen::Hidden(before) = seen else { return Ok(seen) };
    let failed = |doing: &str, error: Error| format!("{doing}: {error}");
    let container = Container::open(&format!("{}/kv", url_of(dir)))
        .map_err(|error| failed("opening it to repair", error))?;
    let report = container.check(true).map_err(|error| failed("repairing", error))?;
    container.close().map_err(|error| failed("closing it repaired", error))?;
    drop(container);
    // Rather than marked, as the values of single keys are.
    let is_unknown =
        report.repaired.iter().any(|damage| damage.place.starts_with("log/") && damage.key.is_none());
    let is_given_up = report.lost > 0 && is_unknown;
    // The one record of the log.
    let now = if is_given_up { Holdings::early() } else { Holdings::now() };
    let Seen::Hidden(after) = look_for(&now, dir, flip).map_err(|why| format!("repaired: {why}"))? else {
        return Err(format!("it doesn't open when it is repaired: {report:?}"));
    };
    if !after.is_subset(&before) {
        return Err(format!("{after:?} can't be read after a repair, {before:?} before: {report:?}"));
    }
    if after.is_empty() && !report.is_clean() && !before.is_empty() {
        return Err(format!("all can be read after a repair that isn't clean: {report:?}"));
    }
    Ok(if is_given_up { Seen::GivenUp(after) } else { Seen::Hidden(before) })
}

/// Looks at all of the pool in `dir`, of which the byte of `flip` is changed.
fn look_for(now: &Holdings, dir: &Path, flip: &Flip) -> Result<Seen, String> {
    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    let container = match Container::open_with(&format!("{}/kv", url_of(dir)), options) {
        Ok(container) => container,
        Err(error) => return honest(&error, flip).map(|()| Seen::Refused),
    };
    let honest = |error: &Error| honest(error, flip);
    let mut look = Look { when: "now", honest: &honest, hidden: BTreeSet::new() };
    look.at(&container, now)?;
    look.when = THEN;
    match container.at(THEN) {
        Ok(then) => look.at(&then, &Holdings::then())?,
        Err(error) => {
            honest(&error)?;
            look.hidden.insert(format!("{THEN}/snapshot"));
        }
    }
    let hidden = look.hidden;
    let report = container.check(false).map_err(|error| format!("the check fails: {error}"))?;
    if !hidden.is_empty() && report.is_clean() && report.markers.is_empty() {
        return Err(format!("{hidden:?} can't be read, and the check finds nothing"));
    }
    container.close().map_err(|error| format!("closing: {error}"))?;
    Ok(Seen::Hidden(hidden))
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
    std::panic::set_hook(Box::new(|_| ()));
    let mut place = first;
    while place < end {
        let flip = Flip::at(&files, place, seed);
        tell(format!("at {place} {flip}"));
        // Beside the pool, so that it goes with it, however this process ends.
        let copy = base.join("copy");
        let _ = fs::remove_dir_all(&copy);
        copy_dir(&pool, &copy);
        let target = copy.join(flip.file.strip_prefix(&pool).expect("a file of the pool"));
        let mut bytes = fs::read(&target).expect("read");
        bytes[flip.offset as usize] ^= flip.mask;
        fs::write(&target, bytes).expect("written");
        let look = || look_for(&Holdings::now(), &copy, &flip);
        let looked = catch_unwind(|| look().and_then(|seen| repair(&copy, &flip, seen)));
        match looked {
            Ok(Ok(Seen::Hidden(hidden))) if hidden.is_empty() => tell("nothing"),
            Ok(Ok(Seen::Hidden(hidden))) => {
                let count = |part: &str| hidden.iter().filter(|name| name.contains(part)).count();
                let (entries, values) = (count("/entry "), count("/single ") + count("/array "));
                tell(format!("hidden {entries} {values} {}", hidden.len() - entries - values));
            }
            Ok(Ok(Seen::Refused)) => tell("refused"),
            Ok(Ok(Seen::GivenUp(_))) => tell("given-up"),
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
    /// Entries that one of them hid, at most.
    entries_max: usize,
    /// How many of them hid single values or records of arrays.
    values: u64,
    /// How many of them hid the dictionary, the object or the snapshot.
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
            ("hidden", counts) => {
                let counts: Vec<usize> =
                    counts.split(' ').map(|count| count.parse().expect("a number")).collect();
                tally.hidden += 1;
                tally.entries_max = tally.entries_max.max(counts[0]);
                tally.values += u64::from(counts[1] > 0);
                tally.unnamed += u64::from(counts[2] > 0);
            }
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
        assert!(tally.entries_max <= HIDDEN_MAX, "{kind}: one byte hides {} entries", tally.entries_max);
    }
    for kind in ["runs", "segments"] {
        let tally = &tallies[kind];
        assert!(tally.hidden > tally.values && tally.values > 0, "{kind}: what is damaged matters");
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
