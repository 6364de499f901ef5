//! What the small pool holds whose bytes are changed, and what may be read of it: entries of a
//! dictionary, single values and an array of an object, each short and long, now and at a snapshot.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::Range,
    path::Path,
};

use millpond::{
    Container, Dict, Durability, Error, KeyKind, Object, ObjectClass, ObjectForm, ObjectId, ObjectKind,
};

use super::{container_in, files_in};
use crate::scratch::noise;

/// The snapshot.
pub const THEN: &str = "then";

/// Records of the array, and how many are read at a time.
const RECORDS: u64 = 8000;
const PART: u64 = 500;

/// Everything that stands at one time.
pub struct Holdings {
    pub entries: BTreeMap<Vec<u8>, Vec<u8>>,
    singles: BTreeMap<&'static str, Vec<u8>>,
    /// Nothing where there is a hole.
    array: Vec<Option<u8>>,
}

/// A change of an array.
enum Stroke {
    Write(u64, u64, usize),
    Punch(Range<u64>),
}

use Stroke::{Punch, Write};

/// What is written to the array before the snapshot, after it, and last.
const BEFORE: &[Stroke] = &[Write(0, 1, 3000), Write(1000, 2, 300), Write(5000, 3, 3000)];
const AFTER: &[Stroke] = &[Write(200, 4, 300), Write(4500, 5, 2500), Punch(2000..2300)];
const LATE: &[Stroke] = &[Write(2900, 6, 200), Punch(7000..7100)];

impl Holdings {
    /// At the snapshot.
    pub fn then() -> Self {
        let short =
            (0..120u64).map(|number| (format!("key-{number:03}"), noise(number, 200 + number as usize)));
        let long = (0..4u64).map(|number| (format!("long-{number}"), noise(1000 + number, 6000)));
        let entries = short.chain(long).map(|(key, value)| (key.into_bytes(), value)).collect();
        let singles = BTreeMap::from([("short", noise(5000, 300)), ("long", noise(5001, 6000))]);
        let mut holdings = Self { entries, singles, array: vec![None; RECORDS as usize] };
        BEFORE.iter().for_each(|stroke| holdings.paint(stroke));
        holdings
    }

    /// Before the last commit.
    pub fn early() -> Self {
        let mut holdings = Self::then();
        for number in (0..120u64).step_by(10) {
            holdings.entries.insert(format!("key-{number:03}").into_bytes(), noise(3000 + number, 250));
            holdings.entries.remove(format!("key-{:03}", number + 5).as_bytes());
        }
        holdings.entries.insert(b"long-0".to_vec(), noise(3500, 5000));
        holdings.singles.insert("long", noise(5002, 5000));
        AFTER.iter().for_each(|stroke| holdings.paint(stroke));
        holdings
    }

    /// Now.
    pub fn now() -> Self {
        let mut holdings = Self::early();
        let late =
            (0..12u64).map(|number| (format!("late-{number:02}").into_bytes(), noise(2000 + number, 300)));
        holdings.entries.extend(late);
        holdings.singles.insert("short", noise(5003, 200));
        LATE.iter().for_each(|stroke| holdings.paint(stroke));
        holdings
    }

    fn paint(&mut self, stroke: &Stroke) {
        match stroke {
            Write(start, seed, length) => {
                let bytes = noise(7000 + seed, *length).into_iter().map(Some);
                self.array.splice(*start as usize..*start as usize + length, bytes);
            }
            Punch(records) => self.array[records.start as usize..records.end as usize].fill(None),
        }
    }
}

/// The object with the values and the array.
fn object_id() -> ObjectId {
    let (dkeys, akeys) = (KeyKind::Lexical, KeyKind::Lexical);
    let kind = ObjectKind { dkeys, akeys, form: ObjectForm::Keyed, class: ObjectClass::S1 };
    ObjectId::new(kind, 77).expect("an id")
}

/// Puts into the dictionary and the object what is new in `to`.
fn change(container: &Container, from: &Holdings, to: &Holdings, strokes: &[Stroke]) {
    let transaction = container.begin(Default::default()).expect("begun");
    let inside = transaction.container();
    let dict = inside.dict("d").expect("opened");
    for (key, value) in to.entries.iter().filter(|(key, value)| from.entries.get(*key) != Some(value)) {
        dict.put(key, value).expect("put");
    }
    for key in from.entries.keys().filter(|key| !to.entries.contains_key(*key)) {
        dict.delete(key).expect("deleted");
    }
    let object = inside.object(object_id()).expect("an object");
    for (akey, value) in to.singles.iter().filter(|(akey, value)| from.singles.get(*akey) != Some(value)) {
        object.put("d", *akey, value).expect("put");
    }
    for stroke in strokes {
        match stroke {
            Write(start, seed, length) => {
                object.write("d", "array", 1, *start, &noise(7000 + seed, *length)).expect("written");
            }
            Punch(records) => {
                object.punch_extents("d", "array", std::iter::once(records.clone())).expect("punched");
            }
        }
    }
    transaction.commit().expect("committed");
}

/// Makes the pool: all but the last commit is in a run and in segments, that one in the log.
pub fn build(dir: &Path) {
    let container = container_in(dir, Durability::Async);
    container.create_dict("d").expect("created");
    let nothing = Holdings { entries: BTreeMap::new(), singles: BTreeMap::new(), array: Vec::new() };
    let (then, early, now) = (Holdings::then(), Holdings::early(), Holdings::now());
    change(&container, &nothing, &then, BEFORE);
    container.snapshot(THEN).expect("taken");
    change(&container, &then, &early, AFTER);
    container.compact().expect("compacted");
    change(&container, &early, &now, LATE);
    container.close().expect("closed");
    let name = container.url();
    drop(container);
    // A log file that was still in use when it was closed goes at the next opening.
    Container::open(&name).expect("opened").close().expect("closed");
    // Zeros that are set aside, and never read.
    for file in files_in(dir).into_iter().filter(|file| file.ends_with("reserve")) {
        fs::remove_file(file).expect("removed");
    }
}

/// What can't be read, by the names of its parts.
pub struct Look<'a> {
    /// When: it is a part of each name.
    pub when: &'a str,
    /// Says why an error is not allowed.
    pub honest: &'a dyn Fn(&Error) -> Result<(), String>,
    pub hidden: BTreeSet<String>,
}

impl Look<'_> {
    /// Looks at everything.
    ///
    /// # Errors
    /// What is wrong: something is another one, missing, there although it shouldn't be, or an error isn't
    /// honest.
    pub fn at(&mut self, container: &Container, holdings: &Holdings) -> Result<(), String> {
        match container.dict("d") {
            Ok(dict) => {
                let hidden = self.entries(&dict, &holdings.entries)?;
                self.walk(&dict, &holdings.entries, &hidden)?;
                self.count(&dict, holdings.entries.len() as u64)?;
                let when = self.when;
                self.hidden.extend(hidden.iter().map(|key| format!("{when}/entry {}", key.escape_ascii())));
            }
            Err(error) => self.hide("dict", &error)?,
        }
        match container.object(object_id()) {
            Ok(object) => self.object(&object, holdings),
            Err(error) => self.hide("object", &error),
        }
    }

    fn hide(&mut self, what: impl std::fmt::Display, error: &Error) -> Result<(), String> {
        (self.honest)(error).map_err(|why| format!("{}/{what}: {why}", self.when))?;
        self.hidden.insert(format!("{}/{what}", self.when));
        Ok(())
    }

    /// Gets each entry; answers those that can't be read.
    fn entries(
        &mut self,
        dict: &Dict,
        entries: &BTreeMap<Vec<u8>, Vec<u8>>,
    ) -> Result<BTreeSet<Vec<u8>>, String> {
        let mut hidden = BTreeSet::new();
        for (key, value) in entries {
            match dict.get(key) {
                Ok(Some(found)) if found == *value => {}
                Ok(Some(_)) => {
                    return Err(format!("{}: {} has a wrong value", self.when, key.escape_ascii()));
                }
                Ok(None) => return Err(format!("{}: {} is missing", self.when, key.escape_ascii())),
                Err(error) => {
                    (self.honest)(&error)?;
                    hidden.insert(key.clone());
                }
            }
        }
        for absent in [&b"key-"[..], b"key-0000", b"long-9", b"", &[0xFF; 40]] {
            match dict.get(absent) {
                Ok(None) => {}
                Ok(Some(_)) => return Err(format!("{} is there", absent.escape_ascii())),
                Err(error) => (self.honest)(&error)?,
            }
        }
        Ok(hidden)
    }

    fn count(&self, dict: &Dict, expected: u64) -> Result<(), String> {
        match dict.len() {
            Ok(count) if count == expected => Ok(()),
            Ok(count) => Err(format!("{}: {count} entries are counted", self.when)),
            Err(error) => (self.honest)(&error),
        }
    }

    /// Walks over the dictionary, past what can't be read: all others have to come, in order.
    fn walk(
        &self,
        dict: &Dict,
        entries: &BTreeMap<Vec<u8>, Vec<u8>>,
        hidden: &BTreeSet<Vec<u8>>,
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
                    (self.honest)(&error)?;
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

    fn object(&mut self, object: &Object, holdings: &Holdings) -> Result<(), String> {
        for (akey, value) in &holdings.singles {
            match object.get("d", *akey) {
                Ok(Some(found)) if found == *value => {}
                Ok(found) => {
                    let what = if found.is_some() { "is another one" } else { "is missing" };
                    return Err(format!("{}: the single value {akey} {what}", self.when));
                }
                Err(error) => self.hide(format_args!("single {akey}"), &error)?,
            }
        }
        let parts = (0..RECORDS / PART).map(|part| part * PART..(part + 1) * PART);
        for records in parts.chain(std::iter::once(0..RECORDS)) {
            let mut bytes = vec![0xEE; (records.end - records.start) as usize];
            match object.read("d", "array", 1, records.start, &mut bytes) {
                Ok(holes) => {
                    let is_hole = |record: u64| holes.iter().any(|hole| hole.contains(&record));
                    let found = (records.start..)
                        .zip(&bytes)
                        .map(|(record, byte)| (!is_hole(record)).then_some(*byte));
                    let expected = &holdings.array[records.start as usize..records.end as usize];
                    if !found.eq(expected.iter().copied()) {
                        return Err(format!("{}: the records {records:?} are others", self.when));
                    }
                }
                Err(error) => self.hide(format_args!("array {records:?}"), &error)?,
            }
        }
        self.akeys(object, holdings)
    }

    /// Lists the akeys: none is left out without an error.
    fn akeys(&mut self, object: &Object, holdings: &Holdings) -> Result<(), String> {
        let listed = object.list_akeys("d").map_err(|error| format!("a list doesn't begin: {error}"))?;
        let (mut found, mut is_whole) = (BTreeSet::new(), true);
        for akey in listed.take(20) {
            match akey {
                Ok(akey) => drop(found.insert(akey.to_string())),
                Err(error) => {
                    (self.honest)(&error)?;
                    is_whole = false;
                    break;
                }
            }
        }
        let expected: BTreeSet<String> =
            holdings.singles.keys().chain([&"array"]).map(|akey| format!("\"{akey}\"")).collect();
        if (is_whole && found != expected) || !found.is_subset(&expected) {
            return Err(format!("{}: the akeys {found:?} are listed", self.when));
        }
        Ok(())
    }
}
