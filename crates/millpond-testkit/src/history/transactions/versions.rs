//! In which order the versions of each key came: as the longest list that anybody found has it.

use std::collections::HashMap;

use super::{
    Anomaly, Phenomenon, Transaction,
    observe::{Observations, Read, Write},
};

/// A version of a key: who made it, and by appending what; nothing, where it removed the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) writer: usize,
    pub(super) element: Option<u64>,
}

/// Of each key, its versions in order.
pub(super) type Versions = HashMap<u64, Vec<Version>>;

/// Finds the order of versions, and where there is none.
pub(super) fn order(history: &[Transaction], seen: &Observations, anomalies: &mut Vec<Anomaly>) -> Versions {
    let mut reads: HashMap<u64, Vec<&Read>> = HashMap::new();
    let mut writes: HashMap<u64, Vec<&Write>> = HashMap::new();
    for read in &seen.reads {
        reads.entry(read.key).or_default().push(read);
    }
    for write in seen.writes.iter().filter(|write| seen.committed[write.transaction]) {
        writes.entry(write.key).or_default().push(write);
    }
    let mut keys: Vec<u64> = reads.keys().chain(writes.keys()).copied().collect();
    keys.sort_unstable();
    keys.dedup();
    let none = (Vec::new(), Vec::new());
    keys.into_iter()
        .map(|key| {
            let reads = reads.get(&key).unwrap_or(&none.0);
            let writes = writes.get(&key).unwrap_or(&none.1);
            let mut of_key = OfKey { key, history, seen, reads, writes, anomalies };
            of_key.find_forks();
            of_key.find_lost();
            (key, of_key.versions())
        })
        .collect()
}

struct OfKey<'a> {
    key: u64,
    history: &'a [Transaction],
    seen: &'a Observations,
    reads: &'a [&'a Read],
    writes: &'a [&'a Write],
    anomalies: &'a mut Vec<Anomaly>,
}

impl OfKey<'_> {
    fn wrong(&mut self, phenomenon: Phenomenon, what: &str, whose: &[usize]) {
        let mut text = what.to_owned();
        for transaction in whose {
            text.push_str(&format!("\n  {}", self.history[*transaction]));
        }
        self.anomalies.push(Anomaly::new(phenomenon, text));
    }

    /// Two that found the same version and replaced it, and committed.
    fn find_forks(&mut self) {
        let mut next: HashMap<&[u64], usize> = HashMap::new();
        for write in self.writes {
            let Some(after) = &write.after else { continue };
            if let Some(other) = next.insert(after, write.transaction) {
                let what = format!("key {} was found as {after:?} and replaced by both", self.key);
                self.wrong(Phenomenon::LostUpdate, &what, &[other, write.transaction]);
            }
        }
        let removers: Vec<_> =
            self.writes.iter().filter(|write| write.removes && write.after.is_none()).collect();
        if let [first, second, ..] = removers[..] {
            let what = format!("key {}, which is made once, was removed by both", self.key);
            self.wrong(Phenomenon::LostUpdate, &what, &[first.transaction, second.transaction]);
        }
    }

    /// Elements that nobody found who came after their writer, although somebody came.
    fn find_lost(&mut self) {
        let history = self.history;
        let is_removed = self.seen.removable.contains(&self.key);
        // Of each element, when the last one began who found it.
        let mut found: HashMap<u64, u64> = HashMap::new();
        let mut last: Option<&Read> = None;
        for read in self.reads {
            let began = history[read.transaction].began;
            for element in &read.list {
                let at = found.entry(*element).or_default();
                *at = began.max(*at);
            }
            let tells = !(read.list.is_empty() && is_removed);
            if tells && last.is_none_or(|last| history[last.transaction].began < began) {
                last = Some(read);
            }
        }
        let Some(last) = last else { return };
        for write in self.writes {
            let ended = self.seen.ended[write.transaction];
            let lost =
                write.elements.iter().find(|element| found.get(element).is_none_or(|began| *began <= ended));
            if let Some(lost) = lost
                && history[last.transaction].began > ended
            {
                let what = format!("{lost} was appended to key {}, and is gone for", self.key);
                self.wrong(Phenomenon::LostElement, &what, &[write.transaction, last.transaction]);
            }
        }
    }

    fn versions(&mut self) -> Vec<Version> {
        let longest = self.reads.iter().max_by_key(|read| read.list.len());
        let mut list = longest.map(|read| read.list.clone()).unwrap_or_default();
        if let Some(longest) = longest
            && let Some(other) = self.reads.iter().find(|read| !longest.list.starts_with(&read.list))
        {
            let what = format!(
                "key {} was found as {:?} and as {:?}, neither of which grew out of the other",
                self.key, longest.list, other.list
            );
            self.wrong(Phenomenon::IncompatibleOrder, &what, &[longest.transaction, other.transaction]);
        }
        // What was written over it and not found by anybody.
        loop {
            let longer = self.writes.iter().find(|write| {
                let goes_on = write.after.as_ref().is_some_and(|after| *after == list);
                goes_on && !write.elements.is_empty()
            });
            match longer {
                Some(write) => list.extend(&write.elements),
                None => break,
            }
        }
        let mut blind = self.writes.iter().filter(|write| !write.elements.is_empty());
        if let (true, Some(only), None) = (list.is_empty(), blind.next(), blind.next()) {
            list.extend(&only.elements);
        }
        let version = |element: u64| {
            let (writer, _) = self.seen.writers.get(&element)?;
            Some(Version { writer: *writer, element: Some(element) })
        };
        let mut versions: Vec<Version> = list.iter().filter_map(|element| version(*element)).collect();
        // Only where each element has a writer does a length tell the version.
        if versions.len() < list.len() {
            return Vec::new();
        }
        let removed = self.writes.iter().find(|write| write.removes);
        versions.extend(removed.map(|write| Version { writer: write.transaction, element: None }));
        versions
    }
}
