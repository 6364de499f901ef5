//! The verbs of the tests.

use millpond_core::{
    Commit, Durability, Epoch, Extent, Key, Op, Outcome, Precondition, Result, Store, Write,
};

pub(crate) const P: &[u8] = b"p";

pub(crate) fn key(sort: &[u8]) -> Key<'_> {
    Key::new(P, sort)
}

pub(crate) fn put<'a>(sort: &'a [u8], value: &'a [u8]) -> Write<'a> {
    put_bulk(sort, value, &[])
}

pub(crate) fn put_bulk<'a>(sort: &'a [u8], value: &'a [u8], extents: &'a [Extent]) -> Write<'a> {
    Write { key: key(sort), op: Op::Put { value, extents }, tally: Some(key(b"#")) }
}

pub(crate) fn adjust(sort: &[u8], by: i64) -> Write<'_> {
    Write { key: key(sort), op: Op::Adjust(by), tally: None }
}

pub(crate) fn try_commit(
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

/// Commits as it must succeed.
pub(crate) fn commit(store: &dyn Store, writes: &[Write<'_>]) -> Epoch {
    match try_commit(store, &[], writes).expect("committed") {
        Outcome::Committed { epoch, .. } => epoch,
        Outcome::Conflict { .. } => panic!("a commit without preconditions met a conflict"),
    }
}

pub(crate) fn value(store: &dyn Store, sort: &[u8]) -> Option<Vec<u8>> {
    store.index().get(key(sort)).expect("read").map(|record| record.value.to_vec())
}

pub(crate) fn counter(store: &dyn Store, sort: &[u8]) -> i64 {
    store.index().get(key(sort)).expect("read").map_or(0, |record| record.counter())
}

/// Stores bytes in segments.
pub(crate) fn store_bulk(store: &dyn Store, bytes: &[u8]) -> Vec<Extent> {
    let mut writer = store.segments().writer().expect("a writer");
    writer.append(bytes).expect("appended");
    writer.finish().expect("finished")
}

/// All the bytes of extents.
pub(crate) fn read_bulk(store: &dyn Store, extents: &[Extent]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for extent in extents {
        let mut part = vec![0; usize::try_from(extent.length).expect("it fits")];
        store.segments().read(extent, 0, &mut part)?;
        bytes.append(&mut part);
    }
    Ok(bytes)
}
