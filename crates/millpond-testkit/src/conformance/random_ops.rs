//! Random commits, reads, scans and reopens, compared with the reference model after each step.

use std::{collections::BTreeMap, ops::Bound};

use millpond_core::{
    At, Commit, Direction, Durability, Epoch, Extent, Key, KeyRange, Op, Outcome, Precondition, Record,
    Store, View, Write,
};

use super::{Fixture, Tests, steps::*};
use crate::{
    model::{Model, ModelRecord},
    random::Random,
};

pub(super) const TESTS: Tests =
    &[("a_thousand_steps", a_thousand_steps), ("another_thousand", another_thousand)];

fn a_thousand_steps(fixture: &mut Fixture) {
    random_ops(fixture, crate::random::test_seed(1), 1000);
}

fn another_thousand(fixture: &mut Fixture) {
    random_ops(fixture, crate::random::test_seed(1) ^ 0xABCD, 1000);
}

/// None is a prefix of another one, as the contract has it.
const PARTITIONS: [&[u8]; 3] = [b"\0one", b"two", b"\xFF3"];

/// The partition of counters that keep tally.
const TALLIES: &[u8] = b"tallies";

/// Makes `steps` random steps on an empty container and compares every answer with the model's.
pub fn random_ops(fixture: &mut Fixture, seed: u64, steps: usize) {
    let mut run =
        Run { random: Random::new(seed), model: Model::default(), views: Vec::new(), retained: Vec::new() };
    for step in 0..steps {
        let what = run.random.below(1000);
        match what {
            0..550 => run.commit(fixture.store()),
            550..700 => run.get(fixture.store()),
            700..850 => run.scan(fixture.store()),
            850..900 => run.keep_view(fixture.store()),
            900..940 => run.look_back(fixture.store()),
            940..960 => run.retain(fixture.store()),
            960..975 => {
                fixture.store().compact().unwrap_or_else(|error| panic!("step {step}, seed {seed}: {error}"));
            }
            975..985 => {
                let epoch = fixture.store().index().flush().expect("flushed");
                assert!(epoch >= run.model.epoch());
            }
            985..993 => run.large_commit(fixture.store()),
            _ => {
                run.views.clear();
                fixture.reopen();
                let epoch = fixture.store().index().epoch().expect("an epoch");
                assert!(epoch >= run.model.epoch());
            }
        }
    }
    run.check_everything(fixture.store());
    run.views.clear();
    fixture.reopen();
    run.check_everything(fixture.store());
}

struct Run {
    random: Random,
    model: Model,
    views: Vec<Box<dyn View>>,
    /// The epochs that records keep, with the sort keys of those.
    retained: Vec<(Epoch, Vec<u8>)>,
}

/// A write, with what it borrows.
struct Draft {
    partition: &'static [u8],
    sort: Vec<u8>,
    op: DraftOp,
    tally: bool,
}

enum DraftOp {
    Put { value: Vec<u8>, bulk: Vec<u8>, extents: Vec<Extent> },
    Delete,
    Adjust(i64),
}

impl Draft {
    fn key(&self) -> Key<'_> {
        Key::new(self.partition, &self.sort)
    }

    fn write(&self) -> Write<'_> {
        let op = match &self.op {
            DraftOp::Put { value, extents, .. } => Op::Put { value, extents },
            DraftOp::Delete => Op::Delete,
            DraftOp::Adjust(by) => Op::Adjust(*by),
        };
        Write { key: self.key(), op, tally: self.tally.then(|| Key::new(TALLIES, self.partition)) }
    }

    fn bulk(&self) -> Vec<u8> {
        match &self.op {
            DraftOp::Put { bulk, .. } => bulk.clone(),
            _ => Vec::new(),
        }
    }
}

impl Run {
    fn partition(&mut self) -> &'static [u8] {
        PARTITIONS[self.random.index(PARTITIONS.len())]
    }

    /// A sort key of a small set, so that keys are met again; counters are a set of their own.
    fn sort(&mut self) -> Vec<u8> {
        let number = self.random.below(120);
        match number % 6 {
            0 => vec![0xFF; number as usize % 40],
            1 => vec![0; number as usize % 40],
            2 => [&b"a long prefix that many keys share, as paths do/"[..], &number.to_be_bytes()].concat(),
            _ => number.to_be_bytes()[7..].to_vec(),
        }
    }

    fn draft(&mut self, store: &dyn Store) -> Draft {
        let partition = self.partition();
        if self.random.chance(200) {
            let sort = vec![b'#', self.random.below(4) as u8];
            let by = self.random.below(100) as i64 - 50;
            return Draft { partition, sort, op: DraftOp::Adjust(by), tally: false };
        }
        let sort = self.sort();
        if self.random.chance(250) {
            return Draft { partition, sort, op: DraftOp::Delete, tally: true };
        }
        let length = match self.random.below(20) {
            0 => 1 + self.random.index(4096),
            _ => 1 + self.random.index(60),
        };
        let value = self.random.bytes(length);
        let (mut bulk, mut extents) = (Vec::new(), Vec::new());
        if self.random.chance(60) {
            let length = self.random.index(100_000);
            bulk = self.random.bytes(length);
            extents = store_bulk(store, &bulk, 1 + self.random.index(70_000));
        }
        Draft { partition, sort, op: DraftOp::Put { value, bulk, extents }, tally: true }
    }

    fn commit(&mut self, store: &dyn Store) {
        let most = if self.random.chance(100) { 60 } else { 5 };
        let count = 1 + self.random.index(most);
        let mut drafts: BTreeMap<(&[u8], Vec<u8>), Draft> = BTreeMap::new();
        for _ in 0..count {
            let draft = self.draft(store);
            drafts.insert((draft.partition, draft.sort.clone()), draft);
        }
        let mut drafts: Vec<Draft> = drafts.into_values().collect();
        let at = self.random.index(drafts.len());
        drafts.rotate_left(at);
        let guarded: Vec<(Draft, Epoch)> = (0..self.random.below(3))
            .map(|_| {
                let draft = Draft {
                    partition: self.partition(),
                    sort: self.sort(),
                    op: DraftOp::Delete,
                    tally: false,
                };
                let version = self.model.get(draft.key(), self.model.epoch()).map(|record| record.version);
                let wrong = self.random.chance(150);
                let version = version.unwrap_or(Epoch::ZERO);
                (draft, if wrong { Epoch(version.0 ^ 1) } else { version })
            })
            .collect();
        let mut preconditions: Vec<Precondition<'_>> = guarded
            .iter()
            .map(|(draft, version)| Precondition::Unchanged { key: draft.key(), version: *version })
            .collect();
        let partition = self.partition();
        if self.random.chance(200) {
            // Mostly of now, since one of the past hardly ever holds.
            let past = self.views.first().filter(|_| self.random.chance(300)).map(|view| view.epoch());
            let since = past.unwrap_or(self.model.epoch());
            preconditions.push(Precondition::RangeUnchanged { range: KeyRange::all(partition), since });
        }
        self.apply(store, &drafts, preconditions);
    }

    fn large_commit(&mut self, store: &dyn Store) {
        let partition = self.partition();
        let first = self.random.below(1000);
        let value = self.random.bytes(600);
        let drafts: Vec<Draft> = (0..2000)
            .map(|at| {
                let op = DraftOp::Put { value: value.clone(), bulk: vec![], extents: vec![] };
                Draft { partition, sort: (first + at).to_be_bytes().to_vec(), op, tally: true }
            })
            .collect();
        self.apply(store, &drafts, Vec::new());
    }

    fn apply(&mut self, store: &dyn Store, drafts: &[Draft], preconditions: Vec<Precondition<'_>>) {
        let durability = if self.random.chance(50) { Durability::Sync } else { Durability::Async };
        let commit = Commit {
            preconditions,
            writes: drafts.iter().map(Draft::write).collect(),
            durability,
            ..Commit::default()
        };
        let outcome = store.index().commit(&commit).expect("no error");
        match (self.model.conflict(&commit.preconditions), outcome) {
            (None, Outcome::Committed { epoch, existed }) => {
                let bulk: Vec<_> = drafts.iter().map(Draft::bulk).collect();
                assert_eq!(existed, self.model.apply(&commit, &bulk, epoch));
            }
            (Some(_), Outcome::Conflict { precondition }) => {
                let named = &commit.preconditions[precondition..=precondition];
                assert!(self.may_conflict(named), "{named:?} holds");
            }
            (None, Outcome::Conflict { precondition }) => {
                let named = &commit.preconditions[precondition..=precondition];
                assert!(self.is_coarse(&named[0]), "{named:?} holds");
            }
            (expected, found) => panic!("the model says {expected:?}, the store {found:?}"),
        }
    }

    fn may_conflict(&self, precondition: &[Precondition<'_>]) -> bool {
        self.model.conflict(precondition).is_some() || self.is_coarse(&precondition[0])
    }

    /// Whether a backend may report a conflict that isn't one: over a range, if anything changed.
    fn is_coarse(&self, precondition: &Precondition<'_>) -> bool {
        matches!(precondition, Precondition::RangeUnchanged { since, .. } if *since < self.model.epoch())
    }

    fn get(&mut self, store: &dyn Store) {
        let keys: Vec<_> = (0..1 + self.random.index(8)).map(|_| (self.partition(), self.sort())).collect();
        let keys: Vec<_> = keys.iter().map(|(partition, sort)| Key::new(partition, sort)).collect();
        let many = latest(store).get_many(&keys).expect("read");
        assert_eq!(many.len(), keys.len());
        for (key, found) in keys.iter().zip(many) {
            let expected = self.model.get(*key, self.model.epoch());
            compare(store, *key, found, expected);
            compare(store, *key, store.index().get(*key).expect("read"), expected);
        }
        let tally = Key::new(TALLIES, keys[0].partition);
        let view = latest(store);
        assert_eq!(view.counter(tally).expect("read"), self.model.counter(tally, self.model.epoch()));
    }

    fn scan(&mut self, store: &dyn Store) {
        let view = latest(store);
        assert_eq!(view.epoch(), store.index().epoch().expect("an epoch"));
        self.compare_scan(store, &*view, self.model.epoch());
    }

    fn compare_scan(&mut self, store: &dyn Store, view: &dyn View, epoch: Epoch) {
        let (low, high) = (self.sort(), self.sort());
        let bounds = [(); 2].map(|()| self.random.below(4));
        let bound = |kind, sort| match kind {
            0 => Bound::Included(sort),
            1 => Bound::Excluded(sort),
            _ => Bound::Unbounded,
        };
        let range = KeyRange {
            partition: self.partition(),
            start: bound(bounds[0], &low[..]),
            end: bound(bounds[1], &high[..]),
        };
        let direction = if self.random.chance(500) { Direction::Forward } else { Direction::Backward };
        let mut expected = self.model.scan(range, epoch);
        if let Some(count) = unless_gone(view.count(range)) {
            assert_eq!(count, expected.len() as u64, "records of {range:?}");
        }
        if direction == Direction::Backward {
            expected.reverse();
        }
        let Some(mut cursor) = unless_gone(view.scan(range, direction)) else { return };
        for (sort, record) in expected {
            match unless_gone(cursor.advance()) {
                Some(more) => assert!(more, "{sort:?} is missing in {range:?} {direction:?}"),
                None => return,
            }
            assert_eq!(cursor.key(), sort, "in {range:?} {direction:?}");
            assert_eq!(cursor.record().version, record.version);
            assert_eq!(cursor.record().value, record.value);
            compare_bulk(store, cursor.record().extents, &record.bulk);
        }
        assert_ne!(unless_gone(cursor.advance()), Some(true), "a record too many in {range:?}");
    }

    fn keep_view(&mut self, store: &dyn Store) {
        if self.views.len() >= 4 {
            let at = self.random.index(self.views.len());
            self.views.swap_remove(at);
        }
        self.views.push(latest(store));
    }

    fn look_back(&mut self, store: &dyn Store) {
        let views = std::mem::take(&mut self.views);
        for view in &views {
            self.compare_scan(store, &**view, view.epoch());
            let (partition, sort) = (self.partition(), self.sort());
            let key = Key::new(partition, &sort);
            if let Some(found) = unless_gone(view.get(key)) {
                compare(store, key, found, self.model.get(key, view.epoch()));
            }
        }
        self.views = views;
        let newest = latest(store);
        for (epoch, _) in self.retained.clone() {
            let view = store.index().view(At::Epoch(epoch)).expect("a retained epoch is readable");
            self.compare_scan(store, &*view, epoch);
            self.compare_changes(&*newest, epoch);
            if let Some((since, _)) = self.retained.first().filter(|(since, _)| *since < epoch) {
                self.compare_changes(&*view, *since);
            }
        }
    }

    /// Compares what is told of changes with what became of each key.
    fn compare_changes(&mut self, view: &dyn View, since: Epoch) {
        let prefix = if self.random.chance(500) { &[][..] } else { self.partition() };
        let mut cursor = view.changes(since, prefix).expect("a retained epoch is readable");
        let mut told: BTreeMap<Vec<u8>, Option<(Epoch, Vec<u8>)>> = BTreeMap::new();
        while cursor.advance().expect("read") {
            let record = cursor.record().map(|record| (record.version, record.value.to_vec()));
            assert!(told.last_key_value().is_none_or(|(last, _)| &last[..] < cursor.key()), "out of order");
            told.insert(cursor.key().to_vec(), record);
        }
        for (key, then, now) in self.model.between(since, view.epoch()) {
            if !key.starts_with(prefix) {
                continue;
            }
            let version =
                |record: Option<&ModelRecord>| record.map(|record| (record.version, record.value.clone()));
            let (then, now) = (version(then), version(now));
            match told.remove(&key) {
                // Whether a counter is written anew by nothing is the backend's choice.
                Some(record) if key.starts_with(TALLIES) => {
                    let value = |record: Option<(Epoch, Vec<u8>)>| record.map(|(_, value)| value);
                    assert_eq!(value(record), value(now), "{key:?} between {since} and {}", view.epoch());
                }
                Some(record) => {
                    assert_eq!(record, now, "{key:?} between {since} and {}", view.epoch());
                    assert!(then != now || now.is_none(), "{key:?} was not changed");
                }
                None => assert_eq!(
                    then.map(|(_, value)| value),
                    now.map(|(_, value)| value),
                    "{key:?} between {since} and {}",
                    view.epoch()
                ),
            }
        }
        assert!(told.is_empty(), "{told:?}");
    }

    /// Keeps the epoch of a commit, and lets go of another one in the same commit.
    fn retain(&mut self, store: &dyn Store) {
        let dropped = (self.retained.len() >= 3).then(|| {
            let at = self.random.index(self.retained.len());
            self.retained.remove(at).1
        });
        let name = self.random.number().to_be_bytes().to_vec();
        let hot = self.sort();
        let mut writes = vec![keep(&name), put_at(Key::new(PARTITIONS[0], &hot), b"kept with it")];
        writes.extend(dropped.as_deref().map(let_go));
        let commit = Commit { writes, durability: Durability::Async, ..Commit::default() };
        match store.index().commit(&commit).expect("no error") {
            Outcome::Committed { epoch, .. } => {
                self.model.apply(&commit, &[], epoch);
                self.retained.push((epoch, name));
            }
            Outcome::Conflict { .. } => panic!("a conflict without a precondition"),
        }
    }

    fn check_everything(&mut self, store: &dyn Store) {
        let view = latest(store);
        for partition in PARTITIONS {
            let found = scan(&*view, KeyRange::all(partition), Direction::Forward).expect("scanned");
            let expected = self.model.scan(KeyRange::all(partition), self.model.epoch());
            assert_eq!(found.len(), expected.len());
            for ((sort, value), (expected_sort, record)) in found.iter().zip(expected) {
                assert_eq!((&sort[..], value), (expected_sort, &record.value));
                let key = Key::new(partition, sort);
                compare(store, key, view.get(key).expect("read"), Some(record));
            }
            let tally = Key::new(TALLIES, partition);
            assert_eq!(view.counter(tally).expect("read"), self.model.counter(tally, self.model.epoch()));
        }
        self.look_back(store);
    }
}

#[track_caller]
fn compare(store: &dyn Store, key: Key<'_>, found: Option<Record>, expected: Option<&ModelRecord>) {
    match (found, expected) {
        (None, None) => {}
        (Some(found), Some(expected)) => {
            assert_eq!((found.version, &found.value[..]), (expected.version, &expected.value[..]), "{key:?}");
            compare_bulk(store, &found.extents, &expected.bulk);
        }
        (found, expected) => panic!("of {key:?} the store has {found:?}, the model {expected:?}"),
    }
}

#[track_caller]
fn compare_bulk(store: &dyn Store, extents: &[Extent], expected: &[u8]) {
    // The segment may go while it is read, if a newer version of the record is there.
    if let Some(bytes) = unless_gone(read_bulk(store, extents)) {
        assert!(bytes == expected, "bulk bytes differ");
    }
}
