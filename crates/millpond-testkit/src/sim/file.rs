//! A file of the simulated disk: what is synced, and each change since.
//!
//! Invariants: `synced` with every change of `pending` applied in order is `now`, but for changes
//! that are in doubt since a sync failed. Those are what a later sync can't be trusted for: it
//! writes the pages that were touched since, and no others.

use std::sync::Arc;

use super::choice::Choice;

/// Bytes that a disk writes all of or none.
pub(super) const SECTOR_BYTES: u64 = 512;

/// Bytes that the kernel writes back together, and that a disk allocates together.
pub(super) const PAGE_BYTES: u64 = 4096;

#[derive(Clone, Debug, Default)]
pub(super) struct FileState {
    /// What a process reads.
    now: Arc<Vec<u8>>,
    /// What a loss of power leaves in any case.
    synced: Arc<Vec<u8>>,
    /// What was changed since, oldest first.
    pending: Vec<Pending>,
    /// Which pages have a place on the disk.
    allocated: Vec<bool>,
}

#[derive(Clone, Debug)]
struct Pending {
    change: Change,
    /// The file's length after it.
    length: u64,
    /// Whether a sync failed since.
    doubtful: bool,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: u64, bytes: Arc<[u8]> },
    Length,
}

impl FileState {
    pub(super) fn length(&self) -> u64 {
        self.now.len() as u64
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.now
    }

    pub(super) fn read(&self, into: &mut [u8], offset: u64) -> usize {
        let Some(rest) = usize::try_from(offset).ok().and_then(|offset| self.now.get(offset..)) else {
            return 0;
        };
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        count
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        let change = Change::Write { offset, bytes: bytes.into() };
        let length = self.length().max(offset + bytes.len() as u64);
        self.allocate(offset, bytes.len() as u64);
        self.push(Pending { change, length, doubtful: false });
    }

    pub(super) fn set_length(&mut self, length: u64) {
        self.allocated.truncate(length.div_ceil(PAGE_BYTES) as usize);
        self.push(Pending { change: Change::Length, length, doubtful: false });
    }

    fn push(&mut self, pending: Pending) {
        pending.apply(Arc::make_mut(&mut self.now));
        self.pending.push(pending);
    }

    fn allocate(&mut self, offset: u64, length: u64) {
        let pages = page_range(offset, length);
        if self.allocated.len() < pages.end {
            self.allocated.resize(pages.end, false);
        }
        self.allocated[pages].fill(true);
    }

    /// How many bytes a disk has to find to write `length` bytes at `offset`.
    pub(super) fn bytes_to_allocate(&self, offset: u64, length: u64) -> u64 {
        let missing = page_range(offset, length).filter(|&page| self.allocated.get(page) != Some(&true));
        missing.count() as u64 * PAGE_BYTES
    }

    /// How many bytes of the disk it takes.
    pub(super) fn bytes_allocated(&self) -> u64 {
        self.allocated.iter().filter(|&&allocated| allocated).count() as u64 * PAGE_BYTES
    }

    /// Makes what is not in doubt safe.
    pub(super) fn sync(&mut self) {
        if self.pending.iter().all(|pending| !pending.doubtful) {
            let synced = Arc::make_mut(&mut self.synced);
            for pending in self.pending.drain(..) {
                pending.apply(synced);
            }
            return;
        }
        let dirty = self.dirty_pages();
        let synced = Arc::make_mut(&mut self.synced);
        synced.resize(self.now.len(), 0);
        for (page, _) in dirty.iter().enumerate().filter(|(_, dirty)| **dirty) {
            let start = page * PAGE_BYTES as usize;
            let end = (start + PAGE_BYTES as usize).min(self.now.len());
            synced[start..end].copy_from_slice(&self.now[start..end]);
        }
        let length = self.now.len() as u64;
        let doubtful = std::mem::take(&mut self.pending);
        self.pending = doubtful
            .into_iter()
            .filter(|pending| pending.doubtful)
            .flat_map(|pending| pending.pages_of(|page| dirty.get(page) == Some(&false)))
            .map(|pending| Pending { length, ..pending })
            .collect();
    }

    /// The pages that were written since the last sync, failed or not.
    fn dirty_pages(&self) -> Vec<bool> {
        let mut dirty = vec![false; self.now.len().div_ceil(PAGE_BYTES as usize)];
        for pending in self.pending.iter().filter(|pending| !pending.doubtful) {
            if let Change::Write { offset, bytes } = &pending.change {
                let pages = page_range(*offset, bytes.len() as u64);
                let end = pages.end.min(dirty.len());
                dirty[pages.start.min(end)..end].fill(true);
            }
        }
        dirty
    }

    /// Leaves the fate of what isn't synced open.
    pub(super) fn fail_sync(&mut self) {
        for pending in &mut self.pending {
            pending.doubtful = true;
        }
    }

    /// Drops the pages that the kernel takes for clean: what is in doubt there reads from now on as
    /// the disk has it.
    pub(super) fn evict(&mut self, choice: &mut Choice) {
        let dirty = self.dirty_pages();
        let clean = |page: usize| dirty.get(page) != Some(&true);
        let mut synced = self.synced.to_vec();
        let mut pending = Vec::new();
        for change in std::mem::take(&mut self.pending) {
            if change.doubtful {
                change.pages_of(clean).iter().for_each(|part| part.settle(choice, &mut synced));
                pending.extend(change.pages_of(|page| !clean(page)));
            } else {
                pending.push(change);
            }
        }
        synced.truncate(self.synced.len());
        let length = self.length();
        pending.push(Pending { change: Change::Length, length, doubtful: false });
        let mut now = synced.clone();
        pending.iter().for_each(|change| change.apply(&mut now));
        *self = Self { now: Arc::new(now), synced: Arc::new(synced), pending, ..std::mem::take(self) };
    }

    /// The file as a loss of power leaves it.
    pub(super) fn after_power_cut(&self, choice: &mut Choice) -> Self {
        if self.pending.is_empty() {
            return Self { pending: Vec::new(), now: self.synced.clone(), ..self.clone() };
        }
        let lengths: Vec<u64> = std::iter::once(self.synced.len() as u64)
            .chain(self.pending.iter().map(|pending| pending.length))
            .collect();
        let length_at = choice.index(lengths.len());
        let mut content = self.synced.to_vec();
        for (at, pending) in self.pending.iter().enumerate() {
            match pending.change {
                // A cut of the file that survives takes what was there before it.
                Change::Length if at < length_at => {
                    content.truncate(usize_of(pending.length));
                }
                Change::Length => {}
                Change::Write { .. } => pending.settle(choice, &mut content),
            }
        }
        content.resize(usize_of(lengths[length_at]), 0);
        let mut allocated = self.allocated.clone();
        allocated.resize(content.len().div_ceil(PAGE_BYTES as usize), false);
        let now = Arc::new(content);
        Self { synced: now.clone(), now, pending: Vec::new(), allocated }
    }

    /// Turns over the bits of one byte, on the disk and in the cache.
    pub(super) fn flip(&mut self, byte: u64, mask: u8) -> bool {
        let byte = usize_of(byte);
        if let Some(place) = Arc::make_mut(&mut self.synced).get_mut(byte) {
            *place ^= mask;
        }
        match Arc::make_mut(&mut self.now).get_mut(byte) {
            Some(place) => {
                *place ^= mask;
                true
            }
            None => false,
        }
    }
}

impl Pending {
    fn apply(&self, content: &mut Vec<u8>) {
        match &self.change {
            Change::Length => content.resize(usize_of(self.length), 0),
            Change::Write { offset, bytes } => put(content, bytes, *offset),
        }
    }

    /// Applies what `choice` keeps of a write.
    fn settle(&self, choice: &mut Choice, content: &mut Vec<u8>) {
        let Change::Write { offset, bytes } = &self.change else { return };
        if !choice.keeps() {
            return;
        }
        if !choice.tears() {
            return put(content, bytes, *offset);
        }
        let end = offset + bytes.len() as u64;
        let mut at = *offset;
        while at < end {
            let next = ((at / SECTOR_BYTES + 1) * SECTOR_BYTES).min(end);
            if choice.keeps_sector() {
                put(content, &bytes[usize_of(at - offset)..usize_of(next - offset)], at);
            }
            at = next;
        }
    }

    /// The parts of a write that lie in certain pages.
    fn pages_of(&self, wanted: impl Fn(usize) -> bool) -> Vec<Pending> {
        let Change::Write { offset, bytes } = &self.change else { return Vec::new() };
        let pages = page_range(*offset, bytes.len() as u64).filter(|&page| wanted(page));
        let parts = pages.map(|page| {
            let start = (page as u64 * PAGE_BYTES).max(*offset);
            let end = ((page as u64 + 1) * PAGE_BYTES).min(offset + bytes.len() as u64);
            let part = &bytes[usize_of(start - offset)..usize_of(end - offset)];
            Pending { change: Change::Write { offset: start, bytes: part.into() }, ..self.clone() }
        });
        parts.collect()
    }
}

fn put(content: &mut Vec<u8>, bytes: &[u8], offset: u64) {
    let start = usize_of(offset);
    let end = start + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(bytes);
}

fn page_range(offset: u64, length: u64) -> std::ops::Range<usize> {
    if length == 0 {
        return 0..0;
    }
    (offset / PAGE_BYTES) as usize..(offset + length).div_ceil(PAGE_BYTES) as usize
}

fn usize_of(number: u64) -> usize {
    usize::try_from(number).expect("a simulated file fits in memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &[u8]) -> FileState {
        let mut file = FileState::default();
        file.write(content, 0);
        file.sync();
        file
    }

    fn outcomes(file: &FileState) -> std::collections::BTreeSet<Vec<u8>> {
        (0..2000).map(|seed| file.after_power_cut(&mut Choice::of_seed(seed)).content().to_vec()).collect()
    }

    #[test]
    fn synced_bytes_survive_whatever_is_chosen() {
        let file = file(&[7; 2000]);
        assert_eq!(outcomes(&file).len(), 1);
        assert_eq!(file.after_power_cut(&mut Choice::KeepNothing).content(), [7; 2000]);
    }

    #[test]
    fn unsynced_writes_survive_whole_torn_or_not_at_all_and_out_of_order() {
        let mut file = file(&[0; 2048]);
        file.write(&[1; 1024], 0);
        file.write(&[2; 1024], 1024);
        let outcomes = outcomes(&file);
        let of = |first: u8, second: u8, third: u8, fourth: u8| {
            [first, second, third, fourth].map(|byte| [byte; 512]).concat()
        };
        for expected in [of(0, 0, 0, 0), of(1, 1, 2, 2), of(1, 1, 0, 0), of(0, 0, 2, 2), of(0, 1, 2, 0)] {
            assert!(outcomes.contains(&expected), "{:?}", &expected[..]);
        }
        assert_eq!(outcomes.len(), 16, "nothing is torn within a sector");
        assert_eq!(file.after_power_cut(&mut Choice::KeepAll).content(), of(1, 1, 2, 2));
        assert_eq!(file.after_power_cut(&mut Choice::KeepNothing).content(), of(0, 0, 0, 0));
    }

    #[test]
    fn a_longer_file_may_survive_as_zeros() {
        let mut file = file(&[7; 10]);
        file.write(&[8; 10], 10);
        let outcomes = outcomes(&file);
        assert!(outcomes.contains(&[[7; 10], [8; 10]].concat()));
        assert!(outcomes.contains(&[[7; 10], [0; 10]].concat()));
        assert!(outcomes.contains(&[7; 10][..]));
        assert_eq!(outcomes.len(), 3);
    }

    #[test]
    fn a_cut_file_may_come_back_at_its_old_length() {
        let mut file = file(&[7; 10]);
        file.set_length(4);
        file.set_length(8);
        assert_eq!(file.content(), [7, 7, 7, 7, 0, 0, 0, 0]);
        let outcomes = outcomes(&file);
        assert!(outcomes.contains(&[7; 10][..]));
        assert!(outcomes.contains(&[7; 4][..]));
        assert!(outcomes.contains(&[7, 7, 7, 7, 0, 0, 0, 0][..]));
        file.sync();
        assert_eq!(file.after_power_cut(&mut Choice::KeepNothing).content(), [7, 7, 7, 7, 0, 0, 0, 0]);
    }

    #[test]
    fn what_a_failed_sync_left_is_not_saved_by_the_next_one() {
        let mut file = file(&[0; 3 * PAGE_BYTES as usize]);
        file.write(&[1; 100], 0);
        file.write(&[2; 100], PAGE_BYTES);
        file.fail_sync();
        file.write(&[3; 100], PAGE_BYTES + 200);
        file.sync();
        let after = file.after_power_cut(&mut Choice::KeepNothing);
        assert_eq!(after.content()[..100], [0; 100], "its page was clean, so nobody wrote it");
        assert_eq!(after.content()[4096..4196], [2; 100], "its page was written again");
        assert_eq!(after.content()[4296..4396], [3; 100]);
        let after = file.after_power_cut(&mut Choice::KeepAll);
        assert_eq!(after.content()[..100], [1; 100], "or it had reached the disk all the same");
        assert_eq!(file.content()[..100], [1; 100]);
    }

    #[test]
    fn an_evicted_page_reads_as_the_disk_has_it_for_good() {
        let mut file = file(&[0; 5000]);
        file.write(&[1; 5000], 0);
        file.fail_sync();
        file.write(&[2; 10], 4990);
        file.evict(&mut Choice::KeepNothing);
        assert_eq!(file.content()[..4096], [0; 4096], "the page was clean");
        assert_eq!(file.content()[4096..4990], [1; 894], "this one wasn't");
        assert_eq!(file.content()[4990..], [2; 10]);
        assert_eq!(file.after_power_cut(&mut Choice::KeepNothing).content(), [0; 5000]);
        let now = file.content().to_vec();
        file.sync();
        assert_eq!(file.after_power_cut(&mut Choice::KeepNothing).content(), now);
    }

    #[test]
    fn a_page_is_allocated_when_it_is_first_written() {
        let mut file = FileState::default();
        file.set_length(4 * PAGE_BYTES);
        assert_eq!(file.bytes_allocated(), 0);
        assert_eq!(file.bytes_to_allocate(PAGE_BYTES - 1, 2), 2 * PAGE_BYTES);
        file.write(&[0; 2], PAGE_BYTES - 1);
        assert_eq!(file.bytes_allocated(), 2 * PAGE_BYTES);
        assert_eq!(file.bytes_to_allocate(0, 3 * PAGE_BYTES), PAGE_BYTES);
        file.set_length(1);
        assert_eq!(file.bytes_allocated(), PAGE_BYTES);
    }

    #[test]
    fn a_flipped_byte_is_flipped_on_the_disk_too() {
        let mut file = file(&[0; 4]);
        assert!(file.flip(2, 0x10));
        assert!(!file.flip(4, 0x10));
        assert_eq!(file.content(), [0, 0, 0x10, 0]);
        assert_eq!(file.after_power_cut(&mut Choice::KeepNothing).content(), [0, 0, 0x10, 0]);
    }
}
