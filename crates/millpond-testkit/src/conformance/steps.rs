//! The verbs of the tests.

use millpond_core::{
    At, Commit, Direction, Durability, Epoch, ErrorKind, Extent, Key, KeyRange, Op, Outcome, Precondition,
    RETAINED, Record, Result, Store, View, Write,
};

/// The partition that most tests use.
pub(super) const P: &[u8] = b"p";

pub(super) fn key<'a>(sort: &'a [u8]) -> Key<'a> {
    Key::new(P, sort)
}

pub(super) fn put<'a>(sort: &'a [u8], value: &'a [u8]) -> Write<'a> {
    put_at(key(sort), value)
}

pub(super) fn put_at<'a>(key: Key<'a>, value: &'a [u8]) -> Write<'a> {
    Write { key, op: Op::Put { value, extents: &[] }, tally: None }
}

pub(super) fn put_bulk<'a>(sort: &'a [u8], value: &'a [u8], extents: &'a [Extent]) -> Write<'a> {
    Write { key: key(sort), op: Op::Put { value, extents }, tally: None }
}

pub(super) fn delete(sort: &[u8]) -> Write<'_> {
    Write { key: key(sort), op: Op::Delete, tally: None }
}

pub(super) fn adjust(sort: &[u8], by: i64) -> Write<'_> {
    Write { key: key(sort), op: Op::Adjust(by), tally: None }
}

pub(super) fn tallied<'a>(write: Write<'a>, counter: &'a [u8]) -> Write<'a> {
    Write { tally: Some(key(counter)), ..write }
}

/// Keeps the epoch of its commit readable.
pub(super) fn keep(name: &[u8]) -> Write<'_> {
    put_at(Key::new(RETAINED, name), b"kept")
}

/// Ends what [`keep`] began.
pub(super) fn let_go(name: &[u8]) -> Write<'_> {
    Write { key: Key::new(RETAINED, name), op: Op::Delete, tally: None }
}

pub(super) fn unchanged(sort: &[u8], version: Epoch) -> Precondition<'_> {
    Precondition::Unchanged { key: key(sort), version }
}

pub(super) fn range_unchanged<'a>(range: KeyRange<'a>, since: Epoch) -> Precondition<'a> {
    Precondition::RangeUnchanged { range, since }
}

/// Commits as it must succeed.
pub(super) fn commit(store: &dyn Store, writes: &[Write<'_>]) -> (Epoch, Vec<bool>) {
    match commit_if(store, &[], writes) {
        Outcome::Committed { epoch, existed } => (epoch, existed),
        Outcome::Conflict { .. } => panic!("a commit without preconditions met a conflict"),
    }
}

/// Commits async as it must succeed.
pub(super) fn commit_async(store: &dyn Store, writes: &[Write<'_>]) -> (Epoch, Vec<bool>) {
    let commit = Commit {
        preconditions: vec![],
        writes: writes.to_vec(),
        durability: Durability::Async,
        ..Commit::default()
    };
    match store.index().commit(&commit).expect("committed") {
        Outcome::Committed { epoch, existed } => (epoch, existed),
        Outcome::Conflict { .. } => panic!("a commit without preconditions met a conflict"),
    }
}

/// Commits under preconditions.
pub(super) fn commit_if(
    store: &dyn Store,
    preconditions: &[Precondition<'_>],
    writes: &[Write<'_>],
) -> Outcome {
    try_commit(store, preconditions, writes).expect("no error")
}

pub(super) fn try_commit(
    store: &dyn Store,
    preconditions: &[Precondition<'_>],
    writes: &[Write<'_>],
) -> Result<Outcome> {
    store.index().commit(&Commit {
        preconditions: preconditions.to_vec(),
        writes: writes.to_vec(),
        durability: Durability::Sync,
        ..Commit::default()
    })
}

#[track_caller]
pub(super) fn assert_conflict(outcome: Outcome, precondition: usize) {
    assert_eq!(outcome, Outcome::Conflict { precondition });
}

#[track_caller]
pub(super) fn assert_committed(outcome: Outcome) -> Epoch {
    match outcome {
        Outcome::Committed { epoch, .. } => epoch,
        Outcome::Conflict { precondition } => panic!("precondition {precondition} should hold"),
    }
}

pub(super) fn latest(store: &dyn Store) -> Box<dyn View> {
    store.index().view(At::Latest).expect("a view")
}

pub(super) fn get(store: &dyn Store, sort: &[u8]) -> Option<Record> {
    store.index().get(key(sort)).expect("read")
}

/// The value of a key, as bytes.
pub(super) fn value(store: &dyn Store, sort: &[u8]) -> Option<Vec<u8>> {
    get(store, sort).map(|record| record.value.to_vec())
}

pub(super) fn version(store: &dyn Store, sort: &[u8]) -> Epoch {
    get(store, sort).map_or(Epoch::ZERO, |record| record.version)
}

pub(super) fn counter(store: &dyn Store, sort: &[u8]) -> i64 {
    latest(store).counter(key(sort)).expect("read")
}

/// The keys and values of a range, as the cursor gives them.
pub(super) fn scan(
    view: &dyn View,
    range: KeyRange<'_>,
    direction: Direction,
) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut cursor = view.scan(range, direction)?;
    let mut found = Vec::new();
    while cursor.advance()? {
        found.push((cursor.key().to_vec(), cursor.record().value.to_vec()));
    }
    Ok(found)
}

/// The keys and values of the test partition.
pub(super) fn all(store: &dyn Store) -> Vec<(Vec<u8>, Vec<u8>)> {
    scan(&*latest(store), KeyRange::all(P), Direction::Forward).expect("scanned")
}

/// What was read, or nothing where the view is gone, which a backend may say of any old one.
pub(super) fn unless_gone<T>(result: Result<T>) -> Option<T> {
    match result {
        Ok(read) => Some(read),
        Err(error) if error.kind() == ErrorKind::EpochGone => None,
        Err(error) => panic!("{error}"),
    }
}

/// Stores `bytes` in segments, in pieces of `piece` bytes.
pub(super) fn store_bulk(store: &dyn Store, bytes: &[u8], piece: usize) -> Vec<Extent> {
    let mut writer = store.segments().writer().expect("a writer");
    for piece in bytes.chunks(piece.max(1)) {
        writer.append(piece).expect("appended");
    }
    writer.finish().expect("finished")
}

/// All the bytes of extents.
pub(super) fn read_bulk(store: &dyn Store, extents: &[Extent]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for extent in extents {
        let mut part = vec![0; usize::try_from(extent.length).expect("it fits")];
        store.segments().read(extent, 0, &mut part)?;
        bytes.append(&mut part);
    }
    Ok(bytes)
}
