//! Deleting what no view needs any more: superseded versions, and the log that names them.
//!
//! Nobody knows all views. A superseded version is kept for [`WINDOW_SECONDS`] after the commit that
//! superseded it, by that writer's clock, and as long as a view of this process or a retained epoch
//! sees it. The horizon moves first, so that a view that comes too late is told so.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use millpond_core::{Epoch, Result, SegmentId};

use crate::{
    container::{Container, seconds},
    errno::Errno,
    layout::{
        INDEX,
        keys::{self, DEAD, HISTORY, HORIZON, LOG, RETAINED},
        log::{self, Superseded},
        record::decode,
        retention::{Retention, encode_horizon},
    },
    operation::{Change, Entry, Query},
};

/// How long superseded versions are kept for views of other processes.
const WINDOW_SECONDS: u64 = 60;
/// Commits of this handle after which it looks for what can be deleted.
const COMMITS_BETWEEN: u64 = 256;
/// Parts of the log that one round takes.
const PARTS_MAX: u64 = 64;
/// Rounds that a writer makes at a time.
const ROUNDS_MAX: usize = 4;

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// What was superseded before the window.
    Window,
    /// Everything that no view of this process sees.
    All,
}

/// Counts the commits of a handle.
#[derive(Debug, Default)]
pub(crate) struct Commits(AtomicU64);

/// Trims after every so many commits. A failure leaves it to the next time, and to the others.
pub(super) fn now_and_then(container: &Arc<Container>) {
    if container.commits.0.fetch_add(1, Ordering::Relaxed) % COMMITS_BETWEEN == COMMITS_BETWEEN - 1 {
        let _ = trim(container, Reach::Window, ROUNDS_MAX);
    }
}

/// Trims in rounds; answers whether it came to the end.
pub(super) fn trim(container: &Container, reach: Reach, rounds: usize) -> Result<bool> {
    for _ in 0..rounds {
        if !round(container, reach)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Deletes the oldest batches of the log with what they superseded; false when there is no more to do.
fn round(container: &Container, reach: Reach) -> Result<bool> {
    let list = Query::List { prefix: vec![LOG], after: vec![LOG], max: PARTS_MAX };
    let answer = container.read(&[HORIZON, RETAINED], vec![list])?;
    let retention = container.retention(&answer)?;
    let limit = container.oldest_view().unwrap_or(Epoch::MAX);
    let now = seconds();
    let (mut parts, mut doomed, mut horizon) = (Vec::new(), Vec::new(), retention.horizon);
    for (key, value) in answer.lists.iter().flat_map(|list| &list.entries) {
        let (batch, superseded) =
            log::decode(&container.identity, key, value).map_err(|why| container.damaged(key, why))?;
        let is_old = reach == Reach::All || batch.time.saturating_add(WINDOW_SECONDS) <= now;
        if batch.last > limit || !is_old {
            break;
        }
        horizon = horizon.max(batch.last);
        parts.push(key.clone());
        doomed.extend(superseded);
    }
    if parts.is_empty() {
        return Ok(false);
    }
    let old = answer.entries.get(HORIZON).map_or(&[][..], Vec::as_slice);
    let retained = answer.entries.get(RETAINED).map_or(&[][..], Vec::as_slice);
    let new = encode_horizon(&container.identity, horizon);
    if new != old {
        let entry = [(HORIZON.to_vec(), new.clone())];
        let changes = [
            Change::AssertExists,
            Change::Compare { key: HORIZON, value: old },
            Change::Compare { key: RETAINED, value: retained },
            Change::Set(&entry),
        ];
        if !guarded(container, &changes)? {
            return Ok(false);
        }
    }
    let retention = Retention { horizon, ..retention };
    doomed.retain(|version| {
        let from = keys::history_version(&version.key).unwrap_or(Epoch::ZERO);
        !retention.needs_between(from, version.by)
    });
    remove(container, &new, parts, &doomed)
}

/// Applies a guarded write; false if the guard didn't hold, as when another client is at the same
/// work.
pub(crate) fn guarded(container: &Container, changes: &[Change<'_>]) -> Result<bool> {
    match container.context.write(INDEX, changes)? {
        Ok(()) => Ok(true),
        Err(Errno::GUARD) => Ok(false),
        Err(Errno::ABSENT) => Err(container.destroyed()),
        Err(errno) => Err(container.failed("clean up", errno)),
    }
}

/// Deletes superseded versions and parts of the log, and marks the segments that were theirs. All is
/// bound to `horizon`, the value of the horizon, which no other incarnation has.
pub(super) fn remove(
    container: &Container,
    horizon: &[u8],
    mut others: Vec<Vec<u8>>,
    doomed: &[Superseded],
) -> Result<bool> {
    let marks = dead_marks(container, doomed)?;
    others.extend(doomed.iter().map(|version| version.key.clone()));
    if others.is_empty() {
        return Ok(true);
    }
    let changes = [
        Change::AssertExists,
        Change::Compare { key: HORIZON, value: horizon },
        Change::RemoveKeys(&others),
        Change::Set(&marks),
    ];
    guarded(container, if marks.is_empty() { &changes[..3] } else { &changes })
}

/// The marks on the segments that superseded versions owned.
fn dead_marks(container: &Container, doomed: &[Superseded]) -> Result<Vec<Entry>> {
    let owners: Vec<&[u8]> =
        doomed.iter().filter(|version| version.owns_extents).map(|version| version.key.as_slice()).collect();
    let mut segments: Vec<SegmentId> = Vec::new();
    for chunk in owners.chunks(1024) {
        for (key, value) in container.read(chunk, vec![])?.entries {
            if key.first() != Some(&HISTORY) {
                continue;
            }
            // What is damaged can't say what it owned: the sweep finds it by its age.
            if let Ok(version) = decode(&container.identity, &key, &value) {
                segments.extend(version.record.extents.iter().map(|extent| extent.segment));
            }
        }
    }
    segments.sort();
    segments.dedup();
    Ok(segments.into_iter().map(|segment| mark(container, DEAD, segment)).collect())
}

/// The omap entry of a mark of now on a segment.
pub(crate) fn mark(container: &Container, kind: u8, segment: SegmentId) -> Entry {
    let key = keys::of_segment(kind, segment);
    let value = container.identity.seal(&key, |out| out.extend_from_slice(&seconds().to_le_bytes()));
    (key, value)
}
