//! A view: a state as of one epoch.

use std::{ops::Bound, sync::Arc};

use millpond_core::{
    ChangeCursor, Cursor, Direction, Epoch, Error, ErrorKind, Key, KeyRange, Record, Result, View,
};

use super::{Epochs, MergeScan, State, count::count};
use crate::{
    fork,
    run::{Entry, Found, key_hash},
    tail::FORESEEN_MAX,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct LocalView {
    state: Arc<State>,
    epoch: Epoch,
    fork: u64,
}

impl LocalView {
    pub(crate) fn new(state: Arc<State>, epoch: Epoch) -> Self {
        Self { state, epoch, fork: fork::generation() }
    }

    fn check(&self) -> Result<()> {
        if self.fork == fork::generation() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Forked, "this view was opened before a fork; open a new one in the child"))
    }
}

impl View for LocalView {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn get(&self, key: Key<'_>) -> Result<Option<Record>> {
        self.check()?;
        with_key(key, |key| self.state.get(key, self.epoch)?.map_or(Ok(None), into_record))
    }

    fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Option<Record>>> {
        self.check()?;
        let mut records = Vec::with_capacity(keys.len());
        let (mut bytes, mut ends) = (Vec::new(), [0; FORESEEN_MAX]);
        for keys in keys.chunks(FORESEEN_MAX) {
            bytes.clear();
            for (key, end) in keys.iter().zip(&mut ends) {
                bytes.extend_from_slice(key.partition);
                bytes.extend_from_slice(key.sort);
                *end = bytes.len();
            }
            let mut begin = 0;
            let mut wanted = [(0, &[][..]); FORESEEN_MAX];
            for (end, wanted) in ends[..keys.len()].iter().zip(&mut wanted) {
                let key = &bytes[begin..*end];
                *wanted = (key_hash(key), key);
                begin = *end;
            }
            let wanted = &wanted[..keys.len()];
            self.state.foresee(wanted);
            for (hash, key) in wanted {
                let found = self.state.get_hashed(*hash, key, self.epoch)?;
                records.push(found.map_or(Ok(None), into_record)?);
            }
        }
        Ok(records)
    }

    fn scan(&self, range: KeyRange<'_>, direction: Direction) -> Result<Box<dyn Cursor>> {
        self.check()?;
        let (start, end) = concat_bounds(&range);
        let backward = direction == Direction::Backward;
        let epochs = Epochs::at(self.epoch);
        Ok(Box::new(MergeScan::new(&self.state, start, end, epochs, backward, range.partition.len())))
    }

    fn count(&self, range: KeyRange<'_>) -> Result<u64> {
        self.check()?;
        let (start, end) = concat_bounds(&range);
        count(&self.state, self.epoch, start, end)
    }

    fn changes(&self, since: Epoch, prefix: &[u8]) -> Result<Box<dyn ChangeCursor>> {
        self.check()?;
        if since > self.epoch {
            let message = format!("epoch {since} comes after the view, which is of epoch {}", self.epoch);
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        if since > Epoch::ZERO {
            self.state.manifest.check_readable(since)?;
        }
        let (start, end) = concat_bounds(&KeyRange::all(prefix));
        let epochs = Epochs { at: self.epoch, since };
        Ok(Box::new(MergeScan::new(&self.state, start, end, epochs, false, 0)))
    }
}

/// Calls `with` with the two parts of a key in one piece.
pub(crate) fn with_key<T>(key: Key<'_>, with: impl FnOnce(&[u8]) -> T) -> T {
    let (partition, length) = (key.partition.len(), key.partition.len() + key.sort.len());
    if length > 256 {
        return with(&key.concat());
    }
    let mut buffer = [0u8; 256];
    buffer[..partition].copy_from_slice(key.partition);
    buffer[partition..length].copy_from_slice(key.sort);
    with(&buffer[..length])
}

/// What a read answers of a version.
///
/// # Errors
/// `Corrupt`, naming the place, when its value is lost.
pub(crate) fn into_record(found: Found) -> Result<Option<Record>> {
    Ok(match found.entry {
        Entry::Put { value, extents } => Some(Record { version: found.epoch, value, extents }),
        Entry::Counter(sum) => Some(Record {
            version: found.epoch,
            value: sum.to_le_bytes().to_vec().into(),
            extents: Vec::new(),
        }),
        Entry::Tombstone => None,
        Entry::Damaged(place) => return Err(place.error()),
    })
}

/// The bounds of a range of sort keys, as bounds of whole keys.
pub(crate) fn concat_bounds(range: &KeyRange<'_>) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let concat = |sort: &[u8]| Key::new(range.partition, sort).concat();
    let start = match range.start {
        Bound::Included(start) => Bound::Included(concat(start)),
        Bound::Excluded(start) => Bound::Excluded(concat(start)),
        Bound::Unbounded => Bound::Included(range.partition.to_vec()),
    };
    let end = match range.end {
        Bound::Included(end) => Bound::Included(concat(end)),
        Bound::Excluded(end) => Bound::Excluded(concat(end)),
        Bound::Unbounded => KeyRange::prefix_end(range.partition).map_or(Bound::Unbounded, Bound::Excluded),
    };
    (start, end)
}
