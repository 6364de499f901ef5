//! A client that does transactions at random, and single operations, which are transactions of one
//! operation, and records what it was answered.
//!
//! Lists are in one dictionary and grow; a full one is followed by a new one. Tokens are in another one:
//! each is made once, with one element, and removed once. For those of objects, see `objects`.

use std::{path::Path, thread, time::Duration};

use millpond::{Container, Dict, Durability, Error, ErrorKind, Result, TransactionOptions};
use millpond_testkit::{
    history::transactions::{Step, TransactionRecorder},
    random::Random,
};

use super::{
    objects::{self, Places},
    values,
};

pub const LISTS: &str = "lists";
pub const TOKENS: &str = "tokens";

/// Lists that are in use at a time.
const LISTS_AT_ONCE: u64 = 5;
/// Elements of a list that is full.
pub const LIST_MAX: usize = 12;
/// The first key of a token.
const FIRST_TOKEN: u64 = 1 << 32;
/// Behind it are keys that stand for objects.
const LAST_TOKEN: u64 = (1 << 61) - 1;

/// What clients work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Entries of dictionaries, and objects.
    All,
    /// Entries of dictionaries alone.
    #[cfg(feature = "planted-bugs")]
    Entries,
    /// Objects, and dictionaries as a whole.
    Objects,
}

/// See the module.
pub struct Client {
    pub(super) container: Container,
    pub(super) recorder: TransactionRecorder,
    pub(super) random: Random,
    pub(super) places: Places,
    mix: Mix,
    number: u32,
    /// What was made so far, which makes elements and tokens unlike any other.
    made: u64,
    /// Of each list, how many full ones there were before.
    full: [u64; LISTS_AT_ONCE as usize],
    /// It may be killed, so that it does nothing of which nobody would know what it was.
    may_die: bool,
}

/// How a transaction comes to its end.
enum End {
    Commit,
    Abort,
}

impl Client {
    pub fn new(container: Container, dir: &Path, number: u32, seed: u64, mix: Mix, may_die: bool) -> Self {
        Self {
            container,
            recorder: TransactionRecorder::new(dir, number).expect("a history"),
            random: Random::new(seed ^ u64::from(number) << 40),
            places: Places::default(),
            mix,
            number,
            made: 0,
            full: [0; LISTS_AT_ONCE as usize],
            may_die,
        }
    }

    pub fn step(&mut self) {
        match self.random.below(100) {
            0..60 => self.transaction(),
            60..99 if self.works_with_objects() => self.object_single(),
            60..99 => self.single(),
            _ => self.container.compact().expect("compacted"),
        }
    }

    /// Reads all that there is, in one transaction.
    pub fn read_all(&mut self) {
        let began = self.recorder.time();
        let options = TransactionOptions { read_only: true, ..TransactionOptions::default() };
        let tx = self.container.begin(options).expect("begun");
        let mut steps = Vec::new();
        for (name, first) in [(LISTS, 0), (TOKENS, FIRST_TOKEN)] {
            let dict = tx.dict(name).expect("opened");
            scan(&dict, u64::MAX, false, first, &mut steps).expect("scanned");
        }
        objects::scan_all(tx.container(), &mut steps).expect("scanned");
        let number = self.recorder.attempt(began, &[]).expect("recorded");
        self.recorder.end(number, true, &steps).expect("recorded");
    }

    fn works_with_objects(&mut self) -> bool {
        match self.mix {
            Mix::All => self.random.chance(350),
            #[cfg(feature = "planted-bugs")]
            Mix::Entries => false,
            Mix::Objects => true,
        }
    }

    pub(super) fn element(&mut self) -> u64 {
        self.made += 1;
        u64::from(self.number) << 32 | self.made
    }

    /// A token that nobody had, somewhere among the others.
    fn token(&mut self) -> u64 {
        self.made += 1;
        FIRST_TOKEN | self.random.below(1 << 12) << 48 | u64::from(self.number) << 33 | self.made
    }

    fn list(&mut self) -> u64 {
        let place = self.random.below(LISTS_AT_ONCE);
        place + LISTS_AT_ONCE * self.full[place as usize]
    }

    fn transaction(&mut self) {
        let random = &mut self.random;
        let options = TransactionOptions {
            read_only: random.chance(200),
            durability: Some(if random.chance(100) { Durability::Sync } else { Durability::Async }),
            memory: random.chance(150).then_some(100),
            ..TransactionOptions::default()
        };
        let began = self.recorder.time();
        let mut steps = Vec::new();
        let tx = self.container.begin(options).expect("begun");
        let body = self.body(tx.container(), options.read_only, &mut steps);
        let number = self.recorder.attempt(began, &steps).expect("recorded");
        let committed = match body {
            Ok(End::Commit) => tx.commit().map(|_| true),
            Ok(End::Abort) => {
                tx.abort();
                Ok(false)
            }
            Err(error) => Err(error),
        };
        match committed {
            Ok(committed) => self.recorder.end(number, committed, &steps).expect("recorded"),
            Err(error) if is_abort(&error) => self.recorder.end(number, false, &steps).expect("recorded"),
            Err(error) => panic!("a transaction failed: {error} ({:?})", error.kind()),
        }
    }

    fn body(&mut self, container: &Container, read_only: bool, steps: &mut Vec<Step>) -> Result<End> {
        let (lists, tokens) = (container.dict(LISTS)?, container.dict(TOKENS)?);
        for _ in 0..1 + self.random.below(4) {
            if self.random.chance(300) {
                thread::sleep(Duration::from_micros(self.random.below(300)));
            }
            if self.works_with_objects() {
                self.object_step(container, read_only, steps)?;
                continue;
            }
            let action = self.random.below(if read_only { 45 } else { 100 });
            match action {
                0..15 => self.read_list(&lists, steps)?,
                15..25 => self.read_lists(&lists, steps)?,
                25..35 => self.scan_lists(&lists, steps)?,
                35..45 => self.count_tokens(&tokens, steps)?,
                45..75 => self.append(&lists, steps)?,
                75..95 => self.change_tokens(&tokens, steps)?,
                95..98 => take_last(&tokens, steps)?,
                _ => return Ok(End::Abort),
            }
        }
        Ok(End::Commit)
    }

    fn read_list(&mut self, lists: &Dict, steps: &mut Vec<Step>) -> Result<()> {
        let key = self.list();
        steps.push(Step::Read { key, found: values::get(lists, key)? });
        Ok(())
    }

    fn read_lists(&mut self, lists: &Dict, steps: &mut Vec<Step>) -> Result<()> {
        let keys: Vec<u64> = (0..3).map(|_| self.list()).collect();
        let found = lists.get_many(&keys.iter().map(|key| values::key(*key)).collect::<Vec<_>>())?;
        for (key, found) in std::iter::zip(keys, found) {
            steps.push(Step::Read { key, found: found.map_or_else(Vec::new, |value| values::list(&value)) });
        }
        Ok(())
    }

    fn scan_lists(&mut self, lists: &Dict, steps: &mut Vec<Step>) -> Result<()> {
        let most = if self.random.chance(500) { self.random.below(6) } else { u64::MAX };
        let first = self.full.iter().min().map_or(0, |full| full * LISTS_AT_ONCE);
        scan(lists, most, self.random.chance(300), first, steps).map(drop)
    }

    /// How many tokens there are has to be what a scan of the same state finds.
    fn count_tokens(&mut self, tokens: &Dict, steps: &mut Vec<Step>) -> Result<()> {
        let count = tokens.len()?;
        let found = scan(tokens, u64::MAX, self.random.chance(300), FIRST_TOKEN, steps)?;
        assert_eq!(found.len() as u64, count, "a transaction counts another number of tokens than it finds");
        Ok(())
    }

    fn append(&mut self, lists: &Dict, steps: &mut Vec<Step>) -> Result<()> {
        let key = self.list();
        let mut list = values::get(lists, key)?;
        steps.push(Step::Read { key, found: list.clone() });
        if list.len() >= LIST_MAX {
            self.full[(key % LISTS_AT_ONCE) as usize] += 1;
            return Ok(());
        }
        let element = self.element();
        list.push(element);
        lists.put(&values::key(key), &values::value(&list))?;
        steps.push(Step::Append { key, element });
        Ok(())
    }

    /// Makes some tokens, or removes some of the first or last ones that there are.
    fn change_tokens(&mut self, tokens: &Dict, steps: &mut Vec<Step>) -> Result<()> {
        let found = scan(tokens, 1 + self.random.below(4), self.random.chance(500), FIRST_TOKEN, steps)?;
        // Whoever counted them would be in the way of all others.
        if let Some(&key) = found.get(self.random.index(found.len()))
            && self.random.chance(650)
        {
            if self.random.chance(500) {
                let value = tokens.take(&values::key(key))?.expect("it was found");
                steps.push(Step::Read { key, found: values::list(&value) });
            } else {
                assert!(tokens.delete(&values::key(key))?, "it was found");
            }
            steps.push(Step::Remove { key });
            return Ok(());
        }
        self.make_tokens(tokens, steps)
    }

    fn make_tokens(&mut self, tokens: &Dict, steps: &mut Vec<Step>) -> Result<()> {
        let new: Vec<(u64, u64)> =
            (0..1 + self.random.below(2)).map(|_| (self.token(), self.element())).collect();
        let mut batch = tokens.batch();
        for (key, element) in &new {
            batch.put(&values::key(*key), &values::value(&[*element]))?;
        }
        batch.commit()?;
        steps.extend(new.iter().map(|&(key, element)| Step::Append { key, element }));
        Ok(())
    }

    fn single(&mut self) {
        let dict = |name| self.container.dict(name).expect("opened");
        let (lists, tokens) = (dict(LISTS), dict(TOKENS));
        let mut steps = Vec::new();
        let began = self.recorder.time();
        let done = match self.random.below(100) {
            0..25 => self.read_list(&lists, &mut steps),
            25..40 => self.read_lists(&lists, &mut steps),
            40..55 => self.scan_lists(&lists, &mut steps),
            55..60 if !self.may_die => take_last(&tokens, &mut steps),
            55..80 => return self.make_token(&tokens),
            _ => return self.remove_token(&tokens),
        };
        done.unwrap_or_else(|error| panic!("a single operation failed: {error} ({:?})", error.kind()));
        let number = self.recorder.attempt(began, &[]).expect("recorded");
        self.recorder.end(number, true, &steps).expect("recorded");
    }

    fn make_token(&mut self, tokens: &Dict) {
        let began = self.recorder.time();
        let (key, element) = (self.token(), self.element());
        let steps = [Step::Append { key, element }];
        let number = self.recorder.attempt(began, &steps).expect("recorded");
        let value = values::value(&[element]);
        if self.random.chance(500) {
            assert!(!tokens.put(&values::key(key), &value).expect("put"));
        } else {
            tokens.put_many([(values::key(key), value)]).expect("put");
        }
        self.recorder.end(number, true, &steps).expect("recorded");
    }

    fn remove_token(&mut self, tokens: &Dict) {
        let mut steps = Vec::new();
        let found = scan(tokens, 3, self.random.chance(500), FIRST_TOKEN, &mut steps).expect("scanned");
        let Some(&key) = found.get(self.random.index(found.len())) else { return };
        let began = self.recorder.time();
        let number = self.recorder.attempt(began, &[Step::Remove { key }]).expect("recorded");
        let steps = if self.random.chance(500) {
            match tokens.take(&values::key(key)).expect("taken") {
                Some(value) => vec![Step::Read { key, found: values::list(&value) }, Step::Remove { key }],
                None => vec![Step::Read { key, found: Vec::new() }],
            }
        } else {
            match tokens.delete(&values::key(key)).expect("deleted") {
                true => vec![Step::Remove { key }],
                false => vec![Step::Read { key, found: Vec::new() }],
            }
        };
        self.recorder.end(number, true, &steps).expect("recorded");
    }
}

/// Whether a transaction that answered this has changed nothing.
fn is_abort(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Conflict | ErrorKind::EpochGone)
}

/// Takes the token of the greatest key, so that there is none behind it.
fn take_last(tokens: &Dict, steps: &mut Vec<Step>) -> Result<()> {
    match tokens.take_last()? {
        Some((key, value)) => {
            let key = values::number(&key);
            steps.push(Step::Scan { range: key..=LAST_TOKEN, found: vec![(key, values::list(&value))] });
            steps.push(Step::Remove { key });
        }
        None => steps.push(Step::Scan { range: FIRST_TOKEN..=LAST_TOKEN, found: Vec::new() }),
    }
    Ok(())
}

/// Walks over up to `most` entries of a dictionary, from a first one or from its end; answers their keys.
fn scan(dict: &Dict, most: u64, reverse: bool, first: u64, steps: &mut Vec<Step>) -> Result<Vec<u64>> {
    let start = std::ops::Bound::Included(values::key(first).to_vec());
    let entries = dict.range(millpond::DictRange { start, reverse, ..millpond::DictRange::default() })?;
    let mut found = Vec::new();
    for entry in entries.take(usize::try_from(most).unwrap_or(usize::MAX)) {
        let (key, value) = entry?;
        found.push((values::number(&key), values::list(&value)));
    }
    let last = if dict.name() == LISTS { FIRST_TOKEN - 1 } else { LAST_TOKEN };
    let range = match found.last() {
        _ if (found.len() as u64) < most => first..=last,
        None => return Ok(Vec::new()),
        Some((key, _)) if reverse => *key..=last,
        Some((key, _)) => first..=*key,
    };
    let keys = found.iter().map(|(key, _)| *key).collect();
    steps.push(Step::Scan { range, found });
    Ok(keys)
}
