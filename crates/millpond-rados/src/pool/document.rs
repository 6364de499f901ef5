//! The pool's document: read and replaced whole, under the guard that nobody else replaced it.

use std::time::Instant;

use millpond_core::{Error, ErrorKind, PoolDocument, Result};
use uuid::Uuid;

use crate::{
    cluster::PATIENCE,
    context::{Context, Whole},
    errno::Errno,
    layout::{
        POOL,
        seal::Identity,
        wire::{Malformed, Reader},
    },
    operation::Change,
};

/// The omap key of the ids of the last updates.
const UPDATES: &[u8] = b"a.updates";
/// Ids that are remembered, for whoever didn't hear how an update ended.
const UPDATES_MAX: usize = 64;
/// What the checksums of a pool's object are bound to.
pub(super) const IDENTITY: Identity = Identity(Uuid::nil());

/// The document as it is, and the guard of its replacement.
pub(super) struct Current {
    pub(super) document: PoolDocument,
    updates: Vec<Uuid>,
    /// The omap value of [`UPDATES`].
    guard: Vec<u8>,
}

/// Reads the document; `None` where there is no pool.
pub(super) fn read(context: &Context) -> Result<Option<Current>> {
    let damaged = |why: &dyn std::fmt::Display| {
        let message = format!("{} is damaged: {why}", context.place(POOL));
        Error::new(ErrorKind::Corrupt, message)
    };
    let (data, guard) = match context.read_whole(POOL, UPDATES)? {
        Ok(Whole { data, entry: Some(guard), .. }) => (data, guard),
        Ok(_) => return Err(damaged(&"its omap entry a.updates is missing")),
        Err(Errno::ABSENT) => return Ok(None),
        Err(errno) => return Err(errno.into_error(format_args!("can't read {}", context.place(POOL)))),
    };
    let body = IDENTITY.open(POOL.to_bytes(), &data).map_err(|why| damaged(&why))?;
    let document = serde_json::from_slice(body).map_err(|why| damaged(&why))?;
    let updates = decode_updates(&guard).map_err(|why| damaged(&why))?;
    Ok(Some(Current { document, updates, guard }))
}

/// Creates the pool's object.
///
/// # Errors
/// `AlreadyExists` when there is a pool; `NotSupported` when the Ceph pool is erasure-coded.
pub(super) fn create(context: &Context, document: &PoolDocument) -> Result<()> {
    let id = Uuid::new_v4();
    let (data, sets) = encode(document, &[id])?;
    let changes = [Change::CreateNew, Change::Replace(&data), Change::Set(&sets)];
    match context.write_again(POOL, &changes)? {
        Ok(()) => Ok(()),
        // Perhaps by a try of ours whose answer was lost.
        Err(Errno::PRESENT) if read(context)?.is_some_and(|current| current.updates.contains(&id)) => Ok(()),
        Err(Errno::PRESENT) => Err(Error::new(
            ErrorKind::AlreadyExists,
            format!("Ceph pool {} has a Millpond pool already: open it, or destroy it first", context.pool()),
        )),
        Err(Errno(libc::EOPNOTSUPP)) => Err(Error::new(
            ErrorKind::NotSupported,
            format!(
                "Ceph pool {} is erasure-coded, where records can't be kept: use a replicated one",
                context.pool()
            ),
        )),
        Err(errno) => Err(errno.into_error(format_args!("can't create {}", context.place(POOL)))),
    }
}

/// Replaces the document by what `change` makes of it.
pub(super) fn update(
    context: &Context,
    change: &mut dyn FnMut(&mut PoolDocument) -> Result<()>,
) -> Result<()> {
    loop {
        let mut current = read(context)?.ok_or_else(|| destroyed(context))?;
        change(&mut current.document)?;
        let id = Uuid::new_v4();
        let mut updates = vec![id];
        updates.extend(current.updates.iter().take(UPDATES_MAX - 1));
        let (data, sets) = encode(&current.document, &updates)?;
        if replace(context, &current, id, &data, &sets)? {
            return Ok(());
        }
    }
}

/// Whether the document was replaced; false if somebody else was faster.
fn replace(
    context: &Context,
    current: &Current,
    id: Uuid,
    data: &[u8],
    sets: &[(Vec<u8>, Vec<u8>)],
) -> Result<bool> {
    let changes = [
        Change::AssertExists,
        Change::Compare { key: UPDATES, value: &current.guard },
        Change::Replace(data),
        Change::Set(sets),
    ];
    let deadline = Instant::now() + PATIENCE;
    let mut in_doubt = false;
    loop {
        match context.write(POOL, &changes)? {
            Ok(()) => return Ok(true),
            Err(Errno::ABSENT) => return Err(destroyed(context)),
            Err(Errno::GUARD) if !in_doubt => return Ok(false),
            Err(errno) if errno == Errno::GUARD || errno.is_transient() => {
                in_doubt = true;
                let now = read(context)?.ok_or_else(|| destroyed(context))?;
                if now.updates.contains(&id) {
                    return Ok(true);
                }
                if now.guard != current.guard {
                    // Our id would be among the last ones, were there not so many since.
                    let newer = now.updates.iter().position(|update| current.updates.first() == Some(update));
                    return if newer.is_some() { Ok(false) } else { Err(unknown(context, errno)) };
                }
                if Instant::now() >= deadline {
                    return Err(unknown(context, errno));
                }
            }
            Err(errno) => return Err(errno.into_error(format_args!("can't write {}", context.place(POOL)))),
        }
    }
}

/// The data and the omap entries of a document.
#[allow(clippy::type_complexity)] // It is told once.
fn encode(document: &PoolDocument, updates: &[Uuid]) -> Result<(Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>)> {
    let json = serde_json::to_vec(document).map_err(|error| {
        Error::new(ErrorKind::InvalidArgument, format!("the pool's description is no JSON: {error}"))
    })?;
    let data = IDENTITY.seal(POOL.to_bytes(), |out| out.extend_from_slice(&json));
    let value = IDENTITY.seal(UPDATES, |out| {
        updates.iter().for_each(|update| out.extend_from_slice(update.as_bytes()));
    });
    Ok((data, vec![(UPDATES.to_vec(), value)]))
}

fn decode_updates(value: &[u8]) -> Result<Vec<Uuid>, Malformed> {
    let mut body = Reader(IDENTITY.open(UPDATES, value)?);
    let mut updates = Vec::new();
    while !body.is_empty() {
        updates.push(Uuid::from_bytes(body.array()?));
    }
    Ok(updates)
}

pub(super) fn destroyed(context: &Context) -> Error {
    Error::new(ErrorKind::Closed, format!("the pool in Ceph pool {} was destroyed", context.pool()))
}

fn unknown(context: &Context, errno: Errno) -> Error {
    let error = errno.into_error(format_args!("can't write {}", context.place(POOL)));
    Error::new(ErrorKind::Io, format!("{error}; the outcome is unknown: read before trying it again"))
}
