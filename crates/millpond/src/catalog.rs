//! The catalogue of a container: which objects have which names, and which are being destroyed.
//!
//! Invariants:
//! - An object that has a name is created or destroyed in one commit that changes all its records of
//!   the catalogue and its header together.
//! - A destroyed one has a record to be reaped until its last entry is gone. Nothing adds to
//!   it meanwhile, since every write asks for its header.

use millpond_core::{
    At, Direction, Durability, Epoch, Error, ErrorKind, Key, KeyRange, Op, Outcome, Precondition, Result,
    View, Write, limits::NAME_BYTES_MAX,
};

use crate::{
    container::Container,
    environment,
    layout::{self, CATALOGUE, COUNT, HEADER, Listing, NamedKind, ObjectId, Settings},
    named::Named,
};

/// Records that one commit of a reaper deletes at most.
const REAP_RECORDS: usize = 4096;

/// Bytes of keys that one commit of a reaper deletes at most: a commit stays well below a log file.
const REAP_BYTES: usize = 32 << 10;

/// Opens an object by its name, if there is one of that name; with what its header says.
///
/// # Errors
/// `InvalidArgument` when the name is that of another kind of object.
pub(crate) fn open(container: &Container, kind: NamedKind, name: &str) -> Result<Option<(Named, Settings)>> {
    check_name(kind, name)?;
    let view = container.index()?.view(At::Latest)?;
    let Some((id, _)) = find(&*view, name)? else { return Ok(None) };
    check_kind(container, kind, name, id)?;
    let partition = id.partition();
    match view.get(Key::new(&partition, HEADER))? {
        Some(header) => {
            let (settings, _) = Settings::parse(&header.value)?;
            Ok(Some((Named::new(container.clone(), name, kind, id, header.version), settings)))
        }
        None => Err(Error::new(
            ErrorKind::Corrupt,
            format!("{name:?} of {container} has lost its header; `check` with repair restores it"),
        )),
    }
}

/// Creates an object that has a name.
pub(crate) fn create(container: &Container, settings: &Settings, name: &str) -> Result<Named> {
    let kind = settings.kind();
    check_name(kind, name)?;
    let id = ObjectId::named(settings, environment::unique());
    match link(container, name, id, settings)? {
        Some(version) => Ok(Named::new(container.clone(), name, kind, id, version)),
        None => Err(Error::new(
            ErrorKind::AlreadyExists,
            match find(&*container.index()?.view(At::Latest)?, name)?.and_then(|(id, _)| id.named_kind()) {
                Some(other) if other != kind => {
                    format!("{name:?} is {} of {container}: take another name", other.described())
                }
                _ => format!(
                    "{container} has {} {name:?} already: open it, or destroy it first",
                    kind.described()
                ),
            },
        )),
    }
}

/// Gives an object a name, which its header says too. Answers the epoch of the commit, or nothing
/// where the name is taken.
pub(crate) fn link(
    container: &Container,
    name: &str,
    id: ObjectId,
    settings: &Settings,
) -> Result<Option<Epoch>> {
    let partition = id.partition();
    let (name_key, object_key) = (Listing::Names.key(name.as_bytes()), Listing::Objects.object_key(id));
    let (name_record, header_record) = (layout::name_record(id), settings.record(name));
    let name_key = Key::new(CATALOGUE, &name_key);
    let writes = vec![
        Write { tally: Some(settings.kind().count()), ..put(name_key, &name_record) },
        put(Key::new(CATALOGUE, &object_key), &header_record),
        put(Key::new(&partition, HEADER), &header_record),
    ];
    let free = Precondition::Unchanged { key: name_key, version: Epoch::ZERO };
    match container.commit(vec![free], writes)? {
        Outcome::Committed { epoch, .. } => Ok(Some(epoch)),
        Outcome::Conflict { .. } => Ok(None),
    }
}

/// Destroys an object that has a name, and clears its records.
pub(crate) fn destroy(container: &Container, kind: NamedKind, name: &str) -> Result<()> {
    check_name(kind, name)?;
    container.check_writable()?;
    loop {
        let found = find(&*container.index()?.view(At::Latest)?, name)?;
        let Some((id, version)) = found else { return Err(missing(container, kind, name)) };
        check_kind(container, kind, name, id)?;
        let partition = id.partition();
        let (name_key, object_key) = (Listing::Names.key(name.as_bytes()), Listing::Objects.object_key(id));
        let reap_key = Listing::Reaps.object_key(id);
        let name_key = Key::new(CATALOGUE, &name_key);
        let writes = vec![
            Write { tally: Some(kind.count()), ..delete(name_key) },
            delete(Key::new(CATALOGUE, &object_key)),
            delete(Key::new(&partition, HEADER)),
            delete(Key::new(&partition, COUNT)),
            put(Key::new(CATALOGUE, &reap_key), layout::REAP_RECORD),
        ];
        let unchanged = Precondition::Unchanged { key: name_key, version };
        if let Outcome::Committed { .. } = container.commit(vec![unchanged], writes)? {
            if container.is_scoped() {
                // Nothing is destroyed before the transaction commits; then it is reaped.
                return Ok(());
            }
            return reap(container, id, &mut { usize::MAX }).map_err(|error| {
                error.context(format_args!(
                    "{name:?} is destroyed, but its space isn't given back yet (compacting {container} will)"
                ))
            });
        }
    }
}

/// Goes on with the destruction of objects, up to `records_max` records.
pub(crate) fn reap_all(container: &Container, records_max: usize) -> Result<()> {
    let mut left = records_max;
    for id in objects(&*container.index()?.view(At::Latest)?, Listing::Reaps)? {
        if left == 0 {
            break;
        }
        reap(container, id, &mut left)?;
    }
    Ok(())
}

/// Deletes the records of a destroyed object in bounded batches, the record of its destruction
/// last. Two processes may do so at once; whoever meets a change of that record leaves the rest.
fn reap(container: &Container, id: ObjectId, left: &mut usize) -> Result<()> {
    let partition = id.partition();
    // What is lost of this in a crash is done again: no batch needs to wait for the disk.
    let unsynced = Durability::Async;
    let view = container.index()?.view(At::Latest)?;
    let reap_key = Listing::Reaps.object_key(id);
    let reap_key = Key::new(CATALOGUE, &reap_key);
    let Some(destroyed) = view.get(reap_key)? else { return Ok(()) };
    // A rollback brings the object back, and takes this record away.
    let still_destroyed = Precondition::Unchanged { key: reap_key, version: destroyed.version };
    let mut cursor = view.scan(KeyRange::all(&partition), Direction::Forward)?;
    let mut more = true;
    while more {
        let (mut keys, mut bytes) = (Vec::new(), 0);
        while more && keys.len() < REAP_RECORDS && bytes < REAP_BYTES {
            if *left == 0 {
                return Ok(());
            }
            more = cursor.advance()?;
            if more {
                *left -= 1;
                bytes += cursor.key().len() + partition.len();
                keys.push(cursor.key().to_vec());
            }
        }
        if !keys.is_empty() {
            let deletes = keys.iter().map(|sort| delete(Key::new(&partition, sort))).collect();
            if let Outcome::Conflict { .. } = container.commit_as(unsynced, vec![still_destroyed], deletes)? {
                return Ok(());
            }
        }
    }
    // Where that isn't so any more, another process was faster, or a rollback.
    container.commit_as(unsynced, vec![still_destroyed], vec![delete(reap_key)]).map(drop)
}

/// The names of all objects of a kind, sorted.
pub(crate) fn names(container: &Container, kind: NamedKind) -> Result<Vec<String>> {
    let view = container.index()?.view(At::Latest)?;
    let mut cursor = view.scan(Listing::Names.range(), Direction::Forward)?;
    let mut names = Vec::new();
    while cursor.advance()? {
        if layout::parse_name_record(cursor.record().value)?.named_kind() == Some(kind) {
            names.push(layout::name_of(cursor.key())?);
        }
    }
    Ok(names)
}

/// How many objects of a kind there are.
pub(crate) fn count(container: &Container, kind: NamedKind) -> Result<u64> {
    let record = container.index()?.get(kind.count())?;
    Ok(record.map_or(0, |record| record.counter().max(0).unsigned_abs()))
}

/// The objects that the catalogue lists in one way.
pub(crate) fn objects(view: &dyn View, listing: Listing) -> Result<Vec<ObjectId>> {
    let mut cursor = view.scan(listing.range(), Direction::Forward)?;
    let mut objects = Vec::new();
    while cursor.advance()? {
        objects.push(layout::object_of(cursor.key())?);
    }
    Ok(objects)
}

/// The object that a name leads to, and the version of the name's record.
pub(crate) fn find(view: &dyn View, name: &str) -> Result<Option<(ObjectId, Epoch)>> {
    let key = Listing::Names.key(name.as_bytes());
    let Some(record) = view.get(Key::new(CATALOGUE, &key))? else { return Ok(None) };
    Ok(Some((layout::parse_name_record(&record.value)?, record.version)))
}

pub(crate) fn missing(container: &Container, kind: NamedKind, name: &str) -> Error {
    let message = format!("{container} has no {} {name:?}: create it first", kind.noun());
    Error::new(ErrorKind::NotFound, message)
}

/// # Errors
/// `InvalidArgument` when what a name leads to is of another kind.
fn check_kind(container: &Container, kind: NamedKind, name: &str, id: ObjectId) -> Result<()> {
    match id.named_kind() {
        Some(found) if found != kind => {
            let message =
                format!("{name:?} of {container} is {}, not {}", found.described(), kind.described());
            Err(Error::new(ErrorKind::InvalidArgument, message))
        }
        _ => Ok(()),
    }
}

pub(crate) fn put<'a>(key: Key<'a>, value: &'a [u8]) -> Write<'a> {
    Write { key, op: Op::Put { value, extents: &[] }, tally: None }
}

pub(crate) fn delete(key: Key<'_>) -> Write<'_> {
    Write { key, op: Op::Delete, tally: None }
}

fn check_name(kind: NamedKind, name: &str) -> Result<()> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        let message =
            format!("the name of {} has 1 to {NAME_BYTES_MAX} bytes, not {}", kind.described(), name.len());
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    Ok(())
}
