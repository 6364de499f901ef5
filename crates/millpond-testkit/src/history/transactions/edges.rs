//! Who has to come before whom: the edges of the graph.

use super::{
    Transaction,
    graph::Graph,
    observe::{Observations, Read},
    versions::{Version, Versions},
};

/// The one replaced what the other one had written.
pub(super) const WRITE_WRITE: u8 = 1;
/// The one found what the other one had written.
pub(super) const WRITE_READ: u8 = 2;
/// The one replaced what the other one had found.
pub(super) const READ_WRITE: u8 = 4;
/// The one made what the other one had looked for by a scan and not found.
pub(super) const SCAN_WRITE: u8 = 8;
/// The one began after the other one had ended.
pub(super) const TIME: u8 = 16;

/// What an edge is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) key: u64,
    /// What the first one wrote.
    pub(super) before: Option<u64>,
    /// What the second one wrote.
    pub(super) after: Option<u64>,
}

/// The nodes are the transactions by their places, and behind them instants.
pub(super) fn graph(history: &[Transaction], seen: &Observations, versions: &Versions) -> Graph<Reason> {
    let mut graph = Graph::new(history.len());
    for (&key, versions) in versions {
        for pair in versions.windows(2) {
            let reason = Reason { key, before: pair[0].element, after: pair[1].element };
            graph.add(pair[0].writer, pair[1].writer, WRITE_WRITE, reason);
        }
    }
    for read in &seen.reads {
        let Some(versions) = versions.get(&read.key) else { continue };
        let Some(count) = version_found(history, seen, read, versions) else { continue };
        let before = count.checked_sub(1).and_then(|last| versions.get(last));
        if let Some(before) = before {
            let reason = Reason { key: read.key, before: before.element, after: None };
            graph.add(before.writer, read.transaction, WRITE_READ, reason);
        }
        if let Some(next) = versions.get(count) {
            let sort = if read.is_scanned && count == 0 { SCAN_WRITE } else { READ_WRITE };
            let reason = Reason { key: read.key, before: None, after: next.element };
            graph.add(read.transaction, next.writer, sort, reason);
        }
    }
    add_time(history, seen, &mut graph);
    graph
}

/// How many versions there had been when a key was found so; nothing, where that can't be told.
fn version_found(
    history: &[Transaction],
    seen: &Observations,
    read: &Read,
    versions: &[Version],
) -> Option<usize> {
    let elements = versions.iter().map_while(|version| version.element);
    if !read.list.is_empty() {
        return elements.take(read.list.len()).eq(read.list.iter().copied()).then_some(read.list.len());
    }
    if !seen.removable.contains(&read.key) {
        return Some(0);
    }
    // It isn't there yet, or not any more.
    let removed = versions.last().filter(|last| last.element.is_none());
    let (first, reader) = (versions.first()?, &history[read.transaction]);
    match removed {
        Some(removed) if seen.ended[first.writer] < reader.began || first.writer == removed.writer => {
            Some(versions.len())
        }
        Some(removed) if seen.ended[read.transaction] < history[removed.writer].began => Some(0),
        _ => None,
    }
}

/// Instead of an edge for each pair, which would be many: each transaction leads to the instant at which
/// it ended, each instant to the next one, and the last one before a transaction began to that.
fn add_time(history: &[Transaction], seen: &Observations, graph: &mut Graph<Reason>) {
    let reason = Reason { key: 0, before: None, after: None };
    let mut ended: Vec<usize> = (0..history.len()).filter(|&place| seen.ended[place] != u64::MAX).collect();
    ended.sort_unstable_by_key(|&place| seen.ended[place]);
    let mut instants: Vec<(u64, usize)> = Vec::with_capacity(ended.len());
    for place in ended {
        let instant = graph.add_node();
        graph.add(place, instant, TIME, reason);
        if let Some((_, last)) = instants.last() {
            graph.add(*last, instant, TIME, reason);
        }
        instants.push((seen.ended[place], instant));
    }
    for (place, transaction) in history.iter().enumerate() {
        let before = instants.partition_point(|(at, _)| *at < transaction.began);
        if let Some((_, instant)) = before.checked_sub(1).and_then(|last| instants.get(last)) {
            graph.add(*instant, place, TIME, reason);
        }
    }
}
