//! An object does what maps and arrays in memory do, whatever is asked of it in whatever order.
//!
//! What can go wrong: an extent shows where a newer one or a hole ought to, a merge brings back what
//! was overwritten, a punch leaves something or takes too much, keys that are prefixes of each other
//! are mixed up, a list loses its place. So the ranges overlap a great deal, the keys are the
//! awkward ones, and merges, compactions, transactions and new handles come in between.

use std::{collections::BTreeMap, ops::Range};

use millpond::{
    Anchor, Conditions, Container, ErrorKind, Fetched, KeyKind, Object, ObjectOptions, ObjectUpdate,
};
use millpond_testkit::random::{Random, test_scale, test_seed};

use super::oracle::{Akey, Key, Oracle, Records};
use crate::scratch::Scratch;

on_every_backend!(an_object_is_maps_and_arrays);

const ROUNDS: u64 = 6;
const STEPS: u64 = 250;
/// Records of an array.
const RECORDS: u64 = 6000;

const KINDS: [(KeyKind, KeyKind); 4] = [
    (KeyKind::Lexical, KeyKind::Lexical),
    (KeyKind::Integer, KeyKind::Hashed),
    (KeyKind::Hashed, KeyKind::Integer),
    (KeyKind::Integer, KeyKind::Integer),
];

fn an_object_is_maps_and_arrays(scratch: &Scratch) {
    let seed = test_seed(1);
    let container = scratch.container();
    for round in 0..ROUNDS * test_scale() {
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            Run::new(&container, seed + round).run();
        }));
        if let Err(panic) = ran {
            println!("replay with MILLPOND_TEST_SEED={} and one round", seed + round);
            std::panic::resume_unwind(panic);
        }
    }
}

/// The test of this test: each of these has to be noticed.
#[cfg(feature = "planted-bugs")]
#[test]
fn bugs_are_caught() {
    use millpond::ObjectBug;
    for bug in [ObjectBug::IgnoreSequence, ObjectBug::SearchTooShort] {
        let caught = (1..40).any(|seed| {
            let scratch = Scratch::memory();
            let container = scratch.container();
            let _planted = bug.plant();
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Run::new(&container, seed).run()))
                .is_err()
        });
        assert!(caught, "{bug:?} wasn't noticed");
    }
}

/// What happens to an akey in an update.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Single,
    Array(u64),
    Holes,
}

struct Run {
    random: Random,
    container: Container,
    object: Object,
    oracle: Oracle,
}

impl Run {
    fn new(container: &Container, seed: u64) -> Self {
        let (dkeys, akeys) = KINDS[seed as usize % KINDS.len()];
        let options = ObjectOptions { dkeys, akeys, low: Some(seed.into()), ..ObjectOptions::default() };
        let object = container.create_object(options).expect("an object");
        object.punch(Conditions::NONE).expect("punched");
        Self { random: Random::new(seed), container: container.clone(), object, oracle: Oracle::default() }
    }

    fn run(&mut self) {
        for _ in 0..STEPS {
            self.step();
        }
        self.compare();
        let report = self.container.check(false).expect("checked");
        assert!(report.is_clean(), "{report:?}");
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..45 => {
                let object = self.object.clone();
                self.update(&object);
            }
            45..70 => {
                let object = self.object.clone();
                self.read(&object);
            }
            70..76 => self.punch_keys(),
            76..79 => self.punch_extents(),
            79..87 => self.transaction(),
            87..93 => self.lists(),
            93..95 => {
                self.object.merge().expect("merged");
            }
            95 => self.container.compact().expect("compacted"),
            96..98 => self.reopen(),
            98 => {
                self.object.punch(Conditions::NONE).expect("punched");
                self.oracle = Oracle::default();
            }
            _ => self.compare(),
        }
    }

    fn reopen(&mut self) {
        let container = Container::open(&self.container.url()).expect("opened");
        self.object = container.object(self.object.id()).expect("an object");
    }

    fn key(&mut self, kind: KeyKind) -> Key {
        const AWKWARD: [&[u8]; 9] =
            [b"", b"\0", b"\0\0", b"\x01", b"\xFF", b"\xFF\xFF", b"a", b"a\0", b"a\0\x01"];
        match kind {
            KeyKind::Integer => [0, 1, 255, 256, u64::MAX - 1, u64::MAX][self.random.index(6)].into(),
            _ if self.random.chance(20) => vec![0; 1024].into(),
            _ => AWKWARD[self.random.index(AWKWARD.len())].to_vec().into(),
        }
    }

    fn dkey(&mut self) -> Key {
        self.key(self.object.kind().dkeys)
    }

    fn akey(&mut self) -> Key {
        self.key(self.object.kind().akeys)
    }

    /// Ranges of all sizes, most of them small.
    fn range(&mut self) -> Range<u64> {
        let length = match self.random.below(10) {
            0..6 => 1 + self.random.below(40),
            6..9 => 1 + self.random.below(600),
            _ => 1 + self.random.below(RECORDS / 2),
        };
        let start = self.random.below(RECORDS - length);
        start..start + length
    }

    fn value(&mut self) -> Vec<u8> {
        let length =
            if self.random.chance(150) { 2000 + self.random.index(4000) } else { self.random.index(50) };
        self.random.bytes(length)
    }

    /// An update of several akeys, as an object takes it or refuses it.
    fn update(&mut self, object: &Object) {
        let mut after = self.oracle.clone();
        let mut dkey = self.dkey();
        let mut update = object.update(&dkey).expect("begun");
        let mut refused = None;
        let mut touched: BTreeMap<(Key, Key), Shape> = BTreeMap::new();
        let mut dkeys = vec![dkey.clone()];
        for _ in 0..1 + self.random.index(4) {
            if self.random.chance(150) {
                dkey = self.dkey();
                dkeys.push(dkey.clone());
                update.dkey(&dkey).expect("a dkey");
            }
            let akey = self.akey();
            let before = after.dkeys.entry(dkey.clone()).or_default().get(&akey).cloned();
            let shape = self.shape(before.as_ref());
            // What an update can't take at once is refused before the commit; this isn't about that.
            if touched.get(&(dkey.clone(), akey.clone())).is_none_or(|other| *other == shape) {
                match self.add(&mut update, before, shape, &akey) {
                    Ok(Some(held)) => {
                        drop(after.dkeys.entry(dkey.clone()).or_default().insert(akey.clone(), held))
                    }
                    Ok(None) => {}
                    Err(kind) => refused = Some(kind),
                }
                touched.insert((dkey.clone(), akey), shape);
            }
        }
        let touched: Vec<_> = touched.into_keys().collect();
        let (conditions, expected) = self.condition(&dkeys, &touched);
        if conditions != Conditions::NONE {
            update.condition(conditions).expect("conditions");
        }
        let result = update.commit();
        match (refused, expected) {
            // Which of two reasons is told first isn't promised.
            (Some(kind), Some(other)) => {
                let told = result.expect_err("refused").kind();
                assert!(told == kind || told == other, "{told:?}");
            }
            (Some(kind), None) | (None, Some(kind)) => assert_eq!(result.expect_err("refused").kind(), kind),
            (None, None) => {
                result.expect("committed");
                after.dkeys.retain(|_, akeys| !akeys.is_empty());
                self.oracle = after;
            }
        }
    }

    /// What to do to an akey: mostly what it takes.
    fn shape(&mut self, before: Option<&Akey>) -> Shape {
        let record_bytes = [1, 1, 3, 8][self.random.index(4)];
        match (self.random.below(10), before) {
            (0, _) => Shape::Holes,
            (1, _) | (2.., Some(Akey::Single(_))) => Shape::Single,
            (3.., Some(Akey::Array(records))) => Shape::Array(records.record_bytes),
            _ => Shape::Array(record_bytes),
        }
    }

    /// Adds a change; answers what the akey then has, or how the commit will be refused.
    fn add(
        &mut self,
        update: &mut ObjectUpdate,
        before: Option<Akey>,
        shape: Shape,
        akey: &Key,
    ) -> Result<Option<Akey>, ErrorKind> {
        let range = self.range();
        match shape {
            Shape::Single => {
                let value = self.value();
                update.single(akey, &value).expect("a value");
                match before {
                    Some(Akey::Array(_)) => Err(ErrorKind::InvalidArgument),
                    _ => Ok(Some(Akey::Single(value))),
                }
            }
            Shape::Array(record_bytes) => {
                let bytes = self.random.bytes(((range.end - range.start) * record_bytes) as usize);
                update.extent(akey, record_bytes, range.start, &bytes).expect("an extent");
                let mut records = match before {
                    Some(Akey::Array(records)) if records.record_bytes == record_bytes => records,
                    None => Records::new(record_bytes),
                    Some(_) => return Err(ErrorKind::InvalidArgument),
                };
                records.write(range.start, &bytes);
                Ok(Some(Akey::Array(records)))
            }
            Shape::Holes => {
                update.punch_extent(akey, range.clone()).expect("a hole");
                match before {
                    Some(Akey::Single(_)) => Err(ErrorKind::InvalidArgument),
                    Some(Akey::Array(mut records)) => {
                        records.punch(range);
                        Ok(Some(Akey::Array(records)))
                    }
                    None => Ok(None),
                }
            }
        }
    }

    /// Conditions, and how an update fails under them.
    fn condition(&mut self, dkeys: &[Key], touched: &[(Key, Key)]) -> (Conditions, Option<ErrorKind>) {
        let has = |dkey: &Key| self.oracle.dkeys.contains_key(dkey);
        let has_akey = |(dkey, akey): &(Key, Key)| {
            self.oracle.dkeys.get(dkey).is_some_and(|akeys| akeys.contains_key(akey))
        };
        let exist = Some(ErrorKind::AlreadyExists);
        let nonexist = Some(ErrorKind::NotFound);
        match self.random.below(12) {
            0 => (Conditions::DKEY_INSERT, exist.filter(|_| dkeys.iter().any(has))),
            1 => (Conditions::DKEY_UPDATE, nonexist.filter(|_| !dkeys.iter().all(has))),
            2 => (Conditions::AKEY_INSERT, exist.filter(|_| touched.iter().any(has_akey))),
            3 => (Conditions::AKEY_UPDATE, nonexist.filter(|_| !touched.iter().all(has_akey))),
            _ => (Conditions::NONE, None),
        }
    }

    /// Single values and ranges of one dkey, in one fetch.
    fn read(&mut self, object: &Object) {
        let dkey = self.dkey();
        let mut fetch = object.fetch(&dkey).expect("begun");
        let mut expected = Vec::new();
        for _ in 0..1 + self.random.index(4) {
            let akey = self.akey();
            let held = self.oracle.dkeys.get(&dkey).and_then(|akeys| akeys.get(&akey)).cloned();
            match held {
                Some(Akey::Single(value)) => {
                    fetch.single(&akey).expect("asked");
                    expected.push(Fetched::Single(value.into()));
                }
                Some(Akey::Array(records)) => {
                    let ranges: Vec<_> = (0..1 + self.random.index(3)).map(|_| self.range()).collect();
                    fetch.extents(&akey, ranges.clone()).expect("asked");
                    let mut all =
                        millpond::FetchedExtents { record_bytes: records.record_bytes, ..Default::default() };
                    for range in &ranges {
                        let (bytes, holes) = records.read(range);
                        all.bytes.extend_from_slice(&bytes);
                        for hole in holes {
                            match all.holes.last_mut() {
                                Some(last) if last.end == hole.start => last.end = hole.end,
                                _ => all.holes.push(hole),
                            }
                        }
                        if let [only] = &ranges[..] {
                            let mut into = vec![0xAA; bytes.len()];
                            let holes =
                                object.read(&dkey, &akey, records.record_bytes, only.start, &mut into);
                            assert_eq!(holes.expect("read"), all.holes);
                            assert!(into == bytes);
                        }
                    }
                    expected.push(Fetched::Extents(all));
                }
                None => {
                    if self.random.chance(500) {
                        fetch.single(&akey).expect("asked");
                    } else {
                        let range = self.range();
                        fetch.extents(&akey, [range]).expect("asked");
                    }
                    expected.push(Fetched::Absent);
                }
            }
        }
        let fetched = fetch.read().expect("fetched");
        for (one, other) in fetched.iter().zip(&expected) {
            assert!(one == other, "dkey {dkey}");
        }
        assert_eq!(fetched.len(), expected.len());
    }

    fn punch_keys(&mut self) {
        let conditions = if self.random.chance(300) { Conditions::PUNCH } else { Conditions::NONE };
        let dkey = self.dkey();
        let (result, missing) = if self.random.chance(300) {
            let other = self.dkey();
            let missing = [&dkey, &other].iter().any(|dkey| !self.oracle.dkeys.contains_key(dkey));
            let result = self.object.punch_dkeys([&dkey, &other], conditions);
            if result.is_ok() {
                self.oracle.dkeys.remove(&dkey);
                self.oracle.dkeys.remove(&other);
            }
            (result, missing)
        } else {
            let akey = self.akey();
            let result = self.object.punch_akeys(&dkey, [&akey], conditions);
            let akeys = self.oracle.dkeys.entry(dkey.clone()).or_default();
            let missing = akeys.remove(&akey).is_none();
            if akeys.is_empty() {
                self.oracle.dkeys.remove(&dkey);
            }
            (result, missing)
        };
        match conditions == Conditions::PUNCH && missing {
            true => assert_eq!(result.expect_err("refused").kind(), ErrorKind::NotFound),
            false => result.expect("punched"),
        }
    }

    fn punch_extents(&mut self) {
        let (dkey, akey) = (self.dkey(), self.akey());
        let ranges: Vec<_> = (0..1 + self.random.index(3)).map(|_| self.range()).collect();
        let result = self.object.punch_extents(&dkey, &akey, ranges.clone());
        match self.oracle.dkeys.get_mut(&dkey).and_then(|akeys| akeys.get_mut(&akey)) {
            Some(Akey::Single(_)) => {
                assert_eq!(result.expect_err("refused").kind(), ErrorKind::InvalidArgument);
            }
            Some(Akey::Array(records)) => {
                result.expect("punched");
                ranges.into_iter().for_each(|range| records.punch(range));
            }
            None => result.expect("nothing to punch"),
        }
    }

    /// Updates and reads in a transaction, which sees what it wrote; committed or not.
    fn transaction(&mut self) {
        let before = self.oracle.clone();
        let transaction = self.container.begin(Default::default()).expect("begun");
        let object = transaction.container().object(self.object.id()).expect("an object");
        for _ in 0..1 + self.random.index(6) {
            if self.random.chance(600) {
                self.update(&object);
            } else {
                self.read(&object);
            }
        }
        if self.random.chance(700) {
            transaction.commit().expect("committed");
        } else {
            transaction.abort();
            self.oracle = before;
        }
    }

    /// Lists with stops and splits in between, and what is asked of the ends.
    fn lists(&mut self) {
        let dkeys: Vec<Key> = self.oracle.dkeys.keys().cloned().collect();
        let whole = self.object.list_dkeys().expect("listed").anchor();
        assert_eq!(self.keys(whole), dkeys);
        if self.object.kind().dkeys.is_ordered() {
            assert_eq!(self.object.smallest_dkey().expect("asked").as_ref(), dkeys.first());
            assert_eq!(self.object.largest_dkey().expect("asked").as_ref(), dkeys.last());
        }
        let dkey = self.dkey();
        let akeys = self.oracle.dkeys.get(&dkey).cloned().unwrap_or_default();
        let whole = self.object.list_akeys(&dkey).expect("listed").anchor();
        assert_eq!(self.keys(whole), akeys.keys().cloned().collect::<Vec<_>>());
        if self.object.kind().akeys.is_ordered() {
            assert_eq!(self.object.largest_akey(&dkey).expect("asked").as_ref(), akeys.keys().next_back());
        }
        for (akey, held) in &akeys {
            let Akey::Array(records) = held else { continue };
            let whole = self.object.list_extents(&dkey, akey).expect("listed").anchor();
            assert_eq!(self.extents(whole), records.held(&(0..RECORDS)));
            let largest = self.object.largest_extent(&dkey, akey).expect("asked");
            assert_eq!(largest.map_or(0, |extent| extent.end), records.end());
        }
    }

    /// The parts of an anchor, some of them through text.
    fn split(&mut self, whole: Anchor) -> Vec<Anchor> {
        let parts = 1 + self.random.index(4);
        let split = self.object.split(&whole, parts).expect("split");
        assert!(!split.is_empty() && split.len() <= parts);
        split.into_iter().map(|anchor| anchor.to_string().parse().expect("an anchor")).collect()
    }

    fn keys(&mut self, whole: Anchor) -> Vec<Key> {
        let mut keys = Vec::new();
        for part in self.split(whole) {
            let mut anchor = part;
            // A few at a time, each time with a new list.
            while !anchor.is_done() {
                let mut list = self.object.keys_from(&anchor).expect("a list");
                keys.extend(list.by_ref().take(1 + self.random.index(3)).map(|key| key.expect("a key")));
                anchor = list.anchor();
            }
        }
        keys
    }

    fn extents(&mut self, whole: Anchor) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for part in self.split(whole) {
            let mut anchor = part;
            while !anchor.is_done() {
                let mut list = self.object.extents_from(&anchor).expect("a list");
                for extent in list.by_ref().take(1 + self.random.index(20)) {
                    let records = extent.expect("an extent").records;
                    match ranges.last_mut() {
                        Some(last) if last.end == records.start => last.end = records.end,
                        last => {
                            assert!(last.is_none_or(|last| last.end < records.start), "extents overlap");
                            ranges.push(records);
                        }
                    }
                }
                anchor = list.anchor();
            }
        }
        ranges
    }

    /// Everything that there is.
    fn compare(&self) {
        let mut found = Oracle::default();
        for dkey in self.object.list_dkeys().expect("listed") {
            let dkey = dkey.expect("a dkey");
            for akey in self.object.list_akeys(&dkey).expect("listed") {
                let akey = akey.expect("an akey");
                let expected = &self.oracle.dkeys[&dkey][&akey];
                match expected {
                    Akey::Single(value) => {
                        let read = self.object.get(&dkey, &akey).expect("read");
                        assert!(read.as_deref() == Some(&value[..]));
                    }
                    Akey::Array(records) => {
                        let (bytes, holes) = records.read(&(0..RECORDS));
                        let mut into = vec![1; bytes.len()];
                        let read = self.object.read(&dkey, &akey, records.record_bytes, 0, &mut into);
                        assert_eq!(read.expect("read"), holes, "{dkey} {akey}");
                        assert!(into == bytes, "the bytes of {dkey} {akey}");
                    }
                }
                found.dkeys.entry(dkey.clone()).or_default().insert(akey, expected.clone());
            }
        }
        assert!(found == self.oracle, "keys are missing");
    }
}
