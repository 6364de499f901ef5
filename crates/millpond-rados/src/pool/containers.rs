//! The storages of a pool's containers: created, found and destroyed.
//!
//! Invariant: a container is listed in the pool's object before anything of it is stored, and until
//! nothing of it is left. Destroying one first marks its head, which ends every handle, then deletes
//! its segments, and its index last; whoever dies in between leaves it to the next attempt.

use std::time::Instant;

use millpond_core::{ContainerSpec, Error, ErrorKind, PoolSpace, Result};
use uuid::Uuid;

use super::document::{self, IDENTITY};
use crate::{
    cluster::PATIENCE,
    container::{missing, read_entry, read_head, seconds},
    context::Context,
    errno::Errno,
    layout::{
        INDEX, POOL,
        head::Head,
        keys::{HEAD, IDENT},
        namespace,
    },
    operation::{Change, Query},
    presence,
};

/// What the keys of the list begin with.
const LISTED: u8 = b'c';
/// Entries that one operation lists: a cluster gives no more.
const ENTRIES_MAX: u64 = 1024;

fn listed_key(container: Uuid) -> Vec<u8> {
    format!("{}{container}", char::from(LISTED)).into_bytes()
}

/// The containers that there are, or that are being created or destroyed.
pub(super) fn list(context: &Context) -> Result<Vec<Uuid>> {
    let mut found = Vec::new();
    let mut after = vec![LISTED];
    loop {
        let query = Query::List { prefix: vec![LISTED], after: after.clone(), max: ENTRIES_MAX };
        let list = match context.read(POOL, &[query])? {
            Ok(mut lists) => lists.pop().unwrap_or_default(),
            Err(Errno::ABSENT) => return Err(document::destroyed(context)),
            Err(errno) => return Err(errno.into_error(format_args!("can't read {}", context.place(POOL)))),
        };
        let uuid = |key: &Vec<u8>| Uuid::try_parse_ascii(&key[1..]).ok();
        found.extend(list.entries.iter().filter_map(|(key, _)| uuid(key)));
        match list.entries.last() {
            Some((last, _)) if list.more => after.clone_from(last),
            _ => return Ok(found),
        }
    }
}

/// Creates the storage of a container.
pub(super) fn create(pool: &Context, container: Uuid, spec: &ContainerSpec) -> Result<()> {
    let context = pool.sibling(&namespace(container))?;
    match read_head(&context, container)? {
        Some(head) if head.alive => return Err(exists(pool, container)),
        // The rest of one that is being destroyed.
        Some(_) => purge(pool, &context, container)?,
        None => {}
    }
    let key = listed_key(container);
    let value = IDENTITY.seal(&key, |out| out.extend_from_slice(&seconds().to_le_bytes()));
    write(pool, &[Change::AssertExists, Change::Set(&[(key, value)])], "list a container in")?;
    let head = Head::new();
    let json = serde_json::to_vec(spec).map_err(|error| {
        Error::new(ErrorKind::InvalidArgument, format!("the container's settings are no JSON: {error}"))
    })?;
    let ident = head.identity().seal(IDENT, |out| out.extend_from_slice(&json));
    let sets = [(HEAD.to_vec(), head.encode(container)), (IDENT.to_vec(), ident)];
    match context.write_again(INDEX, &[Change::CreateNew, Change::Set(&sets)])? {
        Ok(()) => Ok(()),
        Err(Errno::PRESENT) => match read_head(&context, container)? {
            // A try of ours whose answer was lost.
            Some(found) if found.incarnation == head.incarnation => Ok(()),
            _ => Err(exists(pool, container)),
        },
        Err(errno) => Err(errno.into_error(format_args!("can't create {}", context.place(INDEX)))),
    }
}

/// How a container was created.
pub(super) fn spec(pool: &Context, container: Uuid) -> Result<ContainerSpec> {
    let context = pool.sibling(&namespace(container))?;
    let head = alive(&context, container)?;
    let damaged = |why: &dyn std::fmt::Display| {
        let message = format!("the omap entry a.ident of {} is damaged: {why}", context.place(INDEX));
        Error::new(ErrorKind::Corrupt, message)
    };
    let value = read_entry(&context, INDEX, IDENT)?.ok_or_else(|| damaged(&"it is missing"))?;
    let body = head.identity().open(IDENT, &value).map_err(|why| damaged(&why))?;
    serde_json::from_slice(body).map_err(|why| damaged(&why))
}

/// Deletes the storage of a container.
pub(super) fn destroy(pool: &Context, container: Uuid, force: bool) -> Result<()> {
    let context = pool.sibling(&namespace(container))?;
    let is_alive = match read_head(&context, container) {
        Ok(Some(head)) => head.alive,
        Ok(None) => {
            // The rest of one that was being created or destroyed, if anything.
            purge(pool, &context, container)?;
            return Err(missing(pool, container));
        }
        // What is beyond reading can still be destroyed.
        Err(error) if error.kind() == ErrorKind::Corrupt => true,
        Err(error) => return Err(error),
    };
    if is_alive {
        if !force {
            check_unused(&context, container)?;
        }
        mark_dead(&context, container)?;
    }
    purge(pool, &context, container)
}

/// # Errors
/// `Busy` while somebody has the container open.
pub(super) fn check_unused(context: &Context, container: Uuid) -> Result<()> {
    match presence::watchers(context, INDEX)? {
        Ok(watchers) if watchers.handles == 0 => Ok(()),
        Ok(watchers) => Err(Error::new(
            ErrorKind::Busy,
            format!(
                "container {container} is open in {} places, or was within the last half minute by a process that \
                 died: close it, or destroy it by force",
                watchers.handles
            ),
        )),
        Err(Errno::ABSENT) => Ok(()),
        Err(errno) => Err(errno.into_error(format_args!("can't ask who watches {}", context.place(INDEX)))),
    }
}

/// Ends every handle on a container, and deletes its records.
fn mark_dead(context: &Context, container: Uuid) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let Some(value) = read_entry(context, INDEX, HEAD)? else { return Ok(()) };
        let head = match Head::decode(container, &value) {
            Ok(head) if !head.alive => return Ok(()),
            Ok(head) => head,
            // One that can't be read can still be destroyed.
            Err(_) => Head::new(),
        };
        let dead = Head { alive: false, batch: Uuid::new_v4(), ..head };
        let sets = [(HEAD.to_vec(), dead.encode(container))];
        let changes = [
            Change::AssertExists,
            Change::Compare { key: HEAD, value: &value },
            Change::ClearOmap,
            Change::Set(&sets),
        ];
        match context.write(INDEX, &changes)? {
            Ok(()) | Err(Errno::ABSENT) => return Ok(()),
            // Somebody committed; or the answer was lost, and the next round sees what is.
            Err(errno) if errno == Errno::GUARD || errno.is_transient() => {
                if Instant::now() >= deadline {
                    return Err(errno.into_error(format_args!("can't destroy {}", context.place(INDEX))));
                }
            }
            Err(errno) => {
                return Err(errno.into_error(format_args!("can't destroy {}", context.place(INDEX))));
            }
        }
    }
}

/// Deletes all objects of a container that is dead, its index last, and takes it off the list.
fn purge(pool: &Context, context: &Context, container: Uuid) -> Result<()> {
    let mut objects = Vec::new();
    context.list(&mut |name| {
        objects.extend(std::ffi::CString::new(name).ok().filter(|name| name.as_c_str() != INDEX));
        Ok(())
    })?;
    for object in objects.iter().map(std::ffi::CString::as_c_str).chain([INDEX]) {
        match context.write_again(object, &[Change::Remove])? {
            Ok(()) | Err(Errno::ABSENT) => {}
            Err(errno) => {
                return Err(errno.into_error(format_args!("can't delete {}", context.place(object))));
            }
        }
    }
    write(pool, &[Change::AssertExists, Change::RemoveKeys(&[listed_key(container)])], "take a container off")
}

/// What the containers of a pool use.
pub(super) fn space(pool: &Context) -> Result<PoolSpace> {
    let current = document::read(pool)?.ok_or_else(|| document::destroyed(pool))?;
    let mut used = 0;
    for container in list(pool)? {
        let context = pool.sibling(&namespace(container))?;
        match read_head(&context, container) {
            Ok(Some(head)) => used += head.bytes_records + head.bytes_bulk + head.bytes_dead,
            Ok(None) => {}
            // A damaged container must not keep the others from being used.
            Err(error) if error.kind() == ErrorKind::Corrupt => {}
            Err(error) => return Err(error),
        }
    }
    Ok(PoolSpace { size: current.document.size, used })
}

/// The head of a container that lives.
fn alive(context: &Context, container: Uuid) -> Result<Head> {
    read_head(context, container)?.filter(|head| head.alive).ok_or_else(|| missing(context, container))
}

fn exists(pool: &Context, container: Uuid) -> Error {
    let message = format!("Ceph pool {} has storage of a container {container} already", pool.pool());
    Error::new(ErrorKind::AlreadyExists, message)
}

/// Writes to the pool's object what may be written twice.
fn write(pool: &Context, changes: &[Change<'_>], doing: &str) -> Result<()> {
    match pool.write_again(POOL, changes)? {
        Ok(()) => Ok(()),
        Err(Errno::ABSENT) => Err(document::destroyed(pool)),
        Err(errno) => Err(errno.into_error(format_args!("can't {doing} {}", pool.place(POOL)))),
    }
}
