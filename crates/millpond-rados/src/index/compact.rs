//! Compaction: everything that can be given back, now.

use millpond_core::{Epoch, Result};

use super::{
    change,
    trim::{Reach, guarded, remove, trim},
};
use crate::{
    container::{Answer, Container},
    layout::{
        INDEX,
        keys::{self, HISTORY, HORIZON, PARTITIONS, RETAINED},
        log::Superseded,
        record::decode,
    },
    operation::{Change, Entry, Query},
    presence, segments,
};

/// Entries that one operation lists: a cluster gives no more.
const ENTRIES_MAX: u64 = 1024;
/// Bytes of dead bulk that are worth a compaction by themselves.
const DEAD_BYTES_MIN: u64 = 64 << 20;

/// Deletes superseded versions, and segments that nothing owns. While other clients have the
/// container open, superseded versions stay for as long as always.
pub(crate) fn compact(container: &Container) -> Result<()> {
    container.check_writable()?;
    let reach = if is_alone(container)? { Reach::All } else { Reach::Window };
    trim(container, reach, usize::MAX)?;
    remove_unneeded(container)?;
    forget_partitions(container)?;
    segments::sweep(container)
}

/// Whether so many bytes of bulk are dead that giving them back is worth reading the index for.
pub(crate) fn is_worth_compacting(container: &Container) -> Result<bool> {
    let head = container.read(&[], vec![])?.head;
    Ok(head.bytes_dead > DEAD_BYTES_MIN.max(head.bytes_bulk / 2))
}

/// Whether no other client has the container open, as far as is known.
fn is_alone(container: &Container) -> Result<bool> {
    let own = container.context.cluster().instance();
    Ok(match presence::watchers(&container.context, INDEX)? {
        Ok(watchers) => watchers.clients.iter().all(|client| *client == own),
        Err(_) => false,
    })
}

/// Goes over all entries of a kind, a page at a time.
pub(crate) fn pages(
    container: &Container,
    kind: u8,
    wanted: &[&[u8]],
    each: &mut dyn FnMut(&Answer, &[Entry]) -> Result<()>,
) -> Result<()> {
    let mut after = vec![kind];
    loop {
        let list = Query::List { prefix: vec![kind], after: after.clone(), max: ENTRIES_MAX };
        let answer = container.read(wanted, vec![list])?;
        let Some(list) = answer.lists.first() else { return Ok(()) };
        each(&answer, &list.entries)?;
        match list.entries.last() {
            Some((last, _)) if list.more => after.clone_from(last),
            _ => return Ok(()),
        }
    }
}

/// Deletes the superseded versions that were kept for epochs that are no longer retained.
fn remove_unneeded(container: &Container) -> Result<()> {
    pages(container, HISTORY, &[HORIZON, RETAINED], &mut |answer, entries| {
        let retention = container.retention(answer)?;
        let doomed: Vec<_> = entries
            .iter()
            .filter_map(|(key, value)| {
                // What is damaged stays, for the check to tell.
                let version = decode(&container.identity, key, value).ok()?;
                let owns_extents = !version.record.extents.is_empty();
                let by = version.superseded.unwrap_or(Epoch::MAX);
                (!retention.needs(&version)).then(|| Superseded { key: key.clone(), by, owns_extents })
            })
            .collect();
        let horizon = answer.entries.get(HORIZON).map_or(&[][..], Vec::as_slice);
        if !doomed.is_empty() {
            remove(container, horizon, Vec::new(), &doomed)?;
        }
        Ok(())
    })
}

/// Deletes the entries of partitions that haven't changed since the horizon: to be absent says the
/// same.
fn forget_partitions(container: &Container) -> Result<()> {
    pages(container, PARTITIONS, &[HORIZON], &mut |answer, entries| {
        let value = answer.entries.get(HORIZON).map_or(&[][..], Vec::as_slice);
        let horizon = container.horizon(answer.entries.get(HORIZON).map(Vec::as_slice))?;
        let old: Vec<&Entry> = entries
            .iter()
            .filter(|(key, value)| {
                change::decode(&container.identity, key, value).is_ok_and(|at| at <= horizon)
            })
            .collect();
        if old.is_empty() {
            return Ok(());
        }
        let removed: Vec<Vec<u8>> = old.iter().map(|(key, _)| key.clone()).collect();
        let mut changes = vec![Change::AssertExists, Change::Compare { key: HORIZON, value }];
        changes.extend(old.iter().map(|(key, value)| Change::Compare { key, value }));
        changes.push(Change::RemoveKeys(&removed));
        // If one of them changed meanwhile, they stay until the next time.
        guarded(container, &changes).map(drop)
    })
}

/// Where an entry is, for reports.
pub(crate) fn place(key: &[u8]) -> String {
    format!("index, omap entry {}", keys::shown(key))
}
