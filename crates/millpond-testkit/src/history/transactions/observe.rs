//! What each transaction read of the others, and what it wrote for them: its steps without those that
//! concern only itself. What is wrong in a single transaction or a single list is found here.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Anomaly, Outcome, Phenomenon, Step, Transaction};

/// A key as a transaction found it, before it changed it.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) transaction: usize,
    pub(super) key: u64,
    pub(super) list: Vec<u64>,
    /// It was looked for by a scan alone, not by its name.
    pub(super) is_scanned: bool,
}

/// What a transaction did to a key, all in all.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) transaction: usize,
    pub(super) key: u64,
    pub(super) elements: Vec<u64>,
    pub(super) removes: bool,
    /// What it had found there before.
    pub(super) after: Option<Vec<u64>>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Observations {
    pub(super) reads: Vec<Read>,
    pub(super) writes: Vec<Write>,
    /// Of each element, the transaction that appended it, and to which key.
    pub(super) writers: HashMap<u64, (usize, u64)>,
    /// Keys that somebody removed, or may have.
    pub(super) removable: HashSet<u64>,
    /// Whether a transaction took effect, as far as anybody knows.
    pub(super) committed: Vec<bool>,
    /// When a transaction was over at the latest: it was answered, or what it wrote was seen by one that
    /// was.
    pub(super) ended: Vec<u64>,
}

/// What a transaction has made of one key so far.
#[derive(Debug, Default)]
struct Own {
    found: Option<Vec<u64>>,
    is_point: bool,
    appended: Vec<u64>,
    removes: bool,
}

pub(super) fn observe(history: &[Transaction]) -> (Observations, Vec<Anomaly>) {
    let mut anomalies = Vec::new();
    let near = keys_near(history);
    let mut seen = Observations {
        committed: history.iter().map(|transaction| transaction.outcome == Outcome::Committed).collect(),
        ended: history.iter().map(|transaction| transaction.ended.unwrap_or(u64::MAX)).collect(),
        ..Observations::default()
    };
    for (place, transaction) in history.iter().enumerate() {
        let mut own: BTreeMap<u64, Own> = BTreeMap::new();
        for step in &transaction.steps {
            match step {
                Step::Read { key, found } => {
                    let own = own.entry(*key).or_default();
                    own.is_point = true;
                    own.find(transaction, *key, found, &mut anomalies);
                }
                Step::Append { key, element } => {
                    own.entry(*key).or_default().appended.push(*element);
                    if let Some((other, _)) = seen.writers.insert(*element, (place, *key)) {
                        let both =
                            format!("{element} is appended by {}\n  and {transaction}", history[other]);
                        anomalies.push(Anomaly::new(Phenomenon::UnwrittenElement, both));
                    }
                }
                Step::Remove { key } => own.entry(*key).or_default().removes = true,
                Step::Scan { range, found } => {
                    let found: HashMap<u64, &[u64]> =
                        found.iter().map(|(key, list)| (*key, list.as_slice())).collect();
                    let keys = found.keys().chain(own.keys()).chain(&near[place]);
                    let keys: BTreeSet<u64> = keys.copied().filter(|key| range.contains(key)).collect();
                    for key in keys {
                        let list = found.get(&key).copied().unwrap_or_default();
                        own.entry(key).or_default().find(transaction, key, list, &mut anomalies);
                    }
                }
            }
        }
        for (key, own) in own {
            let mut after = None;
            if let Some(found) = own.found {
                after = Some(found.clone());
                seen.reads.push(Read { transaction: place, key, list: found, is_scanned: !own.is_point });
            }
            // A key that it made and removed was never there for anybody.
            if own.removes && !own.appended.is_empty() {
                continue;
            }
            if own.removes || !own.appended.is_empty() {
                let (elements, removes) = (own.appended, own.removes);
                seen.writes.push(Write { transaction: place, key, elements, removes, after });
            }
        }
    }
    seen.check_lists(history, &mut anomalies);
    seen.settle_unknown(history);
    (seen, anomalies)
}

/// For each transaction that scans, the keys that may have been there at some time of it, and perhaps
/// some more. That others weren't there follows from the order in time, and would make the history as
/// long as its square.
fn keys_near(history: &[Transaction]) -> Vec<Vec<u64>> {
    let mut lives: HashMap<u64, (u64, u64)> = HashMap::new();
    for transaction in history {
        for step in &transaction.steps {
            match step {
                Step::Append { key, .. } => {
                    let (born, _) = lives.entry(*key).or_insert((u64::MAX, u64::MAX));
                    *born = transaction.began.min(*born);
                }
                Step::Remove { key } if transaction.outcome == Outcome::Committed => {
                    let (_, died) = lives.entry(*key).or_insert((u64::MAX, u64::MAX));
                    *died = transaction.ended.unwrap_or(u64::MAX);
                }
                _ => {}
            }
        }
    }
    let mut births: Vec<(u64, u64, u64)> =
        lives.into_iter().map(|(key, (born, died))| (born, died, key)).collect();
    births.sort_unstable();
    let scans = |step: &Step| matches!(step, Step::Scan { .. });
    let mut scanning: Vec<usize> =
        (0..history.len()).filter(|&place| history[place].steps.iter().any(scans)).collect();
    scanning.sort_unstable_by_key(|&place| history[place].began);
    let mut near = vec![Vec::new(); history.len()];
    let (mut next, mut alive) = (0, Vec::new());
    for place in scanning {
        let began = history[place].began;
        let Some(ended) = history[place].ended else {
            near[place] = births.iter().map(|(.., key)| *key).collect();
            continue;
        };
        let born = births.partition_point(|(born, ..)| *born <= ended).max(next);
        alive.extend_from_slice(&births[next..born]);
        next = born;
        alive.retain(|(_, died, _)| *died >= began);
        near[place] = alive.iter().map(|(.., key)| *key).collect();
    }
    near
}

impl Own {
    /// The transaction found this list, its own changes included.
    fn find(&mut self, transaction: &Transaction, key: u64, list: &[u64], anomalies: &mut Vec<Anomaly>) {
        let mut wrong = |what: String| {
            let text = format!("{what}\n  {transaction}");
            anomalies.push(Anomaly::new(Phenomenon::Internal, text));
        };
        if self.removes {
            if !list.is_empty() {
                wrong(format!("it found {list:?} at key {key}, which it had removed"));
            }
            return;
        }
        let Some(found) = list.strip_suffix(self.appended.as_slice()) else {
            wrong(format!("it found {list:?} at key {key}, to which it had appended {:?}", self.appended));
            return;
        };
        match &self.found {
            Some(before) if before != found => {
                wrong(format!("it found key {key} first as {before:?}, then as {found:?}"));
            }
            Some(_) => {}
            None => self.found = Some(found.to_vec()),
        }
    }
}

impl Observations {
    /// Looks at each list by itself: who wrote its elements.
    fn check_lists(&self, history: &[Transaction], anomalies: &mut Vec<Anomaly>) {
        let last: HashMap<(usize, u64), Option<u64>> = self
            .writes
            .iter()
            .map(|write| ((write.transaction, write.key), write.elements.last().copied()))
            .collect();
        for read in &self.reads {
            let reader = &history[read.transaction];
            let mut wrong = |phenomenon, what: String| {
                let text = format!("{what}\n  {reader}");
                anomalies.push(Anomaly::new(phenomenon, text));
            };
            let mut met = HashSet::new();
            for (place, element) in read.list.iter().enumerate() {
                let key = read.key;
                if !met.insert(element) {
                    wrong(Phenomenon::UnwrittenElement, format!("{element} is twice in key {key}, found by"));
                    continue;
                }
                let Some((writer, _)) = self.writers.get(element).filter(|(_, of)| *of == key) else {
                    wrong(Phenomenon::UnwrittenElement, format!("nobody appended {element} to key {key}"));
                    continue;
                };
                if history[*writer].outcome == Outcome::Aborted {
                    let what = format!("{element} in key {key} was found although its writer had aborted,");
                    wrong(Phenomenon::AbortedRead, format!("{what}\n  {}", history[*writer]));
                }
                // Nothing of its writer stands behind it, and that wrote more, or removed it.
                let is_last = place + 1 == read.list.len();
                if is_last && last.get(&(*writer, key)).copied().flatten() != Some(*element) {
                    let what = format!("{element} in key {key} was found, but its writer went on,");
                    wrong(Phenomenon::IntermediateRead, format!("{what}\n  {}", history[*writer]));
                }
            }
        }
    }

    /// A transaction of unknown outcome has committed if anybody found what it wrote, and had done so by
    /// then.
    fn settle_unknown(&mut self, history: &[Transaction]) {
        for read in &self.reads {
            let until = self.ended[read.transaction];
            for element in &read.list {
                if let Some((writer, _)) = self.writers.get(element)
                    && *writer != read.transaction
                    && history[*writer].outcome == Outcome::Unknown
                {
                    self.committed[*writer] = true;
                    self.ended[*writer] = self.ended[*writer].min(until);
                }
            }
        }
        // One that removed a key: where there is no other who may have.
        let mut removers: HashMap<u64, Vec<usize>> = HashMap::new();
        for write in self.writes.iter().filter(|write| write.removes) {
            if history[write.transaction].outcome != Outcome::Aborted {
                removers.entry(write.key).or_default().push(write.transaction);
            }
        }
        self.removable = removers.keys().copied().collect();
        let mut made: HashMap<u64, u64> = HashMap::new();
        for write in self.writes.iter().filter(|write| !write.elements.is_empty()) {
            if self.committed[write.transaction] {
                made.insert(write.key, self.ended[write.transaction]);
            }
        }
        let gone = self.reads.iter().filter(|read| {
            let is_made = made.get(&read.key).is_some_and(|made| *made < history[read.transaction].began);
            read.list.is_empty() && is_made
        });
        let mut settled = Vec::new();
        for read in gone {
            if let Some([remover]) = removers.get(&read.key).map(Vec::as_slice)
                && history[*remover].outcome == Outcome::Unknown
                && *remover != read.transaction
            {
                settled.push((*remover, self.ended[read.transaction]));
            }
        }
        for (remover, until) in settled {
            self.committed[remover] = true;
            self.ended[remover] = self.ended[remover].min(until);
        }
    }
}
