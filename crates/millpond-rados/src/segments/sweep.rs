//! Giving back the segments that nothing owns.
//!
//! A segment may go once no record and no superseded version owns it, and no commit will. Those whose
//! last owner was deleted are marked dead, and go at once. Those that nobody ever committed, since
//! their writer died, go a day after they were written, because a living writer may still commit them.
//!
//! Between looking for owners and deleting, a commit may come to own a segment. So the segment is
//! first condemned in the index, by a write whose guard says that since the search no commit took
//! extents; and a commit that names a condemned segment is refused. Condemnations outlast any writer.

use std::collections::{BTreeMap, BTreeSet};

use millpond_core::{Result, SegmentId};
use uuid::Uuid;

use crate::{
    container::{Container, seconds},
    errno::Errno,
    index::{guarded, mark, pages},
    layout::{
        head::Head,
        keys::{self, CONDEMNED, DEAD, HEAD, HISTORY, HORIZON, RECORDS},
        parse_segment_object,
        record::decode,
        segment_object,
        wire::Reader,
    },
    operation::{Change, Entry},
};

/// After this time, what nobody committed won't be committed.
const ORPHAN_SECONDS: u64 = 24 * 60 * 60;
/// After this time, nobody remembers a segment that was deleted.
const CONDEMNED_SECONDS: u64 = 7 * ORPHAN_SECONDS;
/// How often the search for owners is made again since a commit took extents meanwhile.
const SEARCHES_MAX: usize = 3;
/// How often a condemnation is tried while others commit.
const TRIES: usize = 20;

/// The parts of each segment that there are.
type Parts = BTreeMap<SegmentId, Vec<u64>>;

/// Deletes the segments that nothing owns.
pub(crate) fn sweep(container: &Container) -> Result<()> {
    let mut parts = Parts::new();
    container.context.list(&mut |name| {
        if let Some((segment, part)) = parse_segment_object(name) {
            parts.entry(segment).or_default().push(part);
        }
        Ok(())
    })?;
    let dead = marked(container, DEAD)?;
    let condemned = marked(container, CONDEMNED)?;
    // What an earlier sweep didn't come to delete.
    delete(container, &parts, condemned.keys())?;
    for _ in 0..SEARCHES_MAX {
        let owned = Owned::search(container)?;
        let mut victims: Vec<SegmentId> = Vec::new();
        for segment in parts.keys().filter(|segment| !condemned.contains_key(segment)) {
            if !owned.segments.contains(segment)
                && (dead.contains_key(segment) || is_orphan(container, *segment, &parts)?)
            {
                victims.push(*segment);
            }
        }
        if condemn(container, &owned, &victims)? {
            delete(container, &parts, victims.iter())?;
            return forget(container, &owned, dead.keys(), &condemned);
        }
    }
    // Commits with extents come in all the time: the next compaction tries again.
    Ok(())
}

/// The segments with a mark, and since when.
fn marked(container: &Container, kind: u8) -> Result<BTreeMap<SegmentId, u64>> {
    let mut marks = BTreeMap::new();
    pages(container, kind, &[], &mut |_, entries| {
        for (key, value) in entries {
            let damaged = |why| container.damaged(key, why);
            let body = container.identity.open(key, value).map_err(damaged)?;
            let since = Reader(body).u64().map_err(damaged)?;
            marks.insert(keys::segment_of(key).map_err(damaged)?, since);
        }
        Ok(())
    })?;
    Ok(marks)
}

/// What records and superseded versions own.
struct Owned {
    segments: BTreeSet<SegmentId>,
    /// The head before the search.
    head: Head,
    /// Bytes that superseded versions own.
    bytes_past: u64,
}

impl Owned {
    fn search(container: &Container) -> Result<Self> {
        let head = container.read(&[], vec![])?.head;
        let mut owned = Self { segments: BTreeSet::new(), head, bytes_past: 0 };
        // The history second: what is superseded meanwhile is found in one of the two.
        for kind in [RECORDS, HISTORY] {
            pages(container, kind, &[], &mut |_, entries| {
                for (key, value) in entries {
                    // Whoever can't be read may own anything.
                    let version =
                        decode(&container.identity, key, value).map_err(|why| container.damaged(key, why))?;
                    for extent in &version.record.extents {
                        owned.segments.insert(extent.segment);
                        if kind == HISTORY {
                            owned.bytes_past += extent.length;
                        }
                    }
                }
                Ok(())
            })?;
        }
        Ok(owned)
    }
}

fn is_orphan(container: &Container, segment: SegmentId, parts: &Parts) -> Result<bool> {
    let Some(first) = parts.get(&segment).and_then(|parts| parts.first()) else { return Ok(false) };
    let written = container.context.written_at(&segment_object(segment, *first))?;
    Ok(written.is_some_and(|at| at.saturating_add(ORPHAN_SECONDS) < seconds()))
}

/// Condemns segments; false when a commit took extents since the search.
fn condemn(container: &Container, owned: &Owned, victims: &[SegmentId]) -> Result<bool> {
    let mut marks: Vec<Entry> = victims.iter().map(|segment| mark(container, CONDEMNED, *segment)).collect();
    for _ in 0..TRIES {
        let answer = container.read(&[], vec![])?;
        if answer.head.epoch_bulk != owned.head.epoch_bulk {
            return Ok(false);
        }
        // What was counted as dead at the search, less what is left of it.
        let given_back = owned.head.bytes_dead.saturating_sub(owned.bytes_past);
        if victims.is_empty() && given_back == 0 {
            return Ok(true);
        }
        let head = Head {
            batch: Uuid::new_v4(),
            bytes_dead: answer.head.bytes_dead.saturating_sub(given_back),
            ..answer.head
        };
        marks.push((HEAD.to_vec(), head.encode(container.uuid)));
        let guard = Change::Compare { key: HEAD, value: &answer.head_value };
        let done = guarded(container, &[Change::AssertExists, guard, Change::Set(&marks)])?;
        marks.pop();
        if done {
            return Ok(true);
        }
    }
    Ok(false)
}

fn delete<'s>(
    container: &Container,
    parts: &Parts,
    segments: impl Iterator<Item = &'s SegmentId>,
) -> Result<()> {
    for segment in segments {
        for part in parts.get(segment).into_iter().flatten() {
            let object = segment_object(*segment, *part);
            match container.context.write_again(&object, &[Change::Remove])? {
                Ok(()) | Err(Errno::ABSENT) => {}
                Err(errno) => {
                    return Err(
                        errno.into_error(format_args!("can't delete {}", container.context.place(&object)))
                    );
                }
            }
        }
    }
    Ok(())
}

/// Takes marks away that have served: of dead segments that are deleted, and old condemnations.
fn forget<'s>(
    container: &Container,
    owned: &Owned,
    dead: impl Iterator<Item = &'s SegmentId>,
    condemned: &BTreeMap<SegmentId, u64>,
) -> Result<()> {
    let old = condemned.iter().filter(|(_, since)| since.saturating_add(CONDEMNED_SECONDS) < seconds());
    let served: Vec<Vec<u8>> = dead
        .filter(|segment| !owned.segments.contains(segment))
        .map(|segment| keys::of_segment(DEAD, *segment))
        .chain(old.map(|(segment, _)| keys::of_segment(CONDEMNED, *segment)))
        .collect();
    if served.is_empty() {
        return Ok(());
    }
    let answer = container.read(&[HORIZON], vec![])?;
    let horizon = answer.entries.get(HORIZON).map_or(&[][..], Vec::as_slice);
    let guard = Change::Compare { key: HORIZON, value: horizon };
    guarded(container, &[Change::AssertExists, guard, Change::RemoveKeys(&served)]).map(drop)
}

const _: () = assert!(CONDEMNED_SECONDS > ORPHAN_SECONDS);
