//! Cycles of the graph: proofs that there is no order. Which sorts of edges a cycle has says what it is
//! called.

use super::{
    Anomaly, Phenomenon, Transaction,
    edges::{READ_WRITE, Reason, SCAN_WRITE, TIME, WRITE_READ, WRITE_WRITE},
    graph::{Edge, Graph},
};

/// Ways that are looked for in a part of the graph, for each sort of cycle: a store that is broken breaks
/// thousands, and one is enough.
const WAYS_MAX: usize = 200;

type Cycle = Vec<(usize, Edge<Reason>)>;

/// Adds a short cycle of each sort that there is, in each part of the graph that has any.
pub(super) fn find(history: &[Transaction], graph: &Graph<Reason>, anomalies: &mut Vec<Anomaly>) {
    let writes = WRITE_WRITE;
    let reads = writes | WRITE_READ;
    let items = reads | READ_WRITE;
    let all = items | SCAN_WRITE;
    for component in graph.components(all | TIME) {
        let mut is_member = vec![false; graph.len()];
        component.iter().for_each(|&node| is_member[node] = true);
        let part = Part { graph, component: &component, is_member: &is_member, count: history.len() };
        let mut found = Vec::new();
        let mut note = |cycle: Option<Cycle>| found.extend(cycle);
        note(part.cycle(writes, writes));
        note(part.cycle(WRITE_READ, reads));
        note(part.cycle(READ_WRITE | SCAN_WRITE, reads));
        note(part.cycle(READ_WRITE, items));
        note(part.cycle(SCAN_WRITE, all));
        if found.is_empty() {
            let stale = part.cycle(READ_WRITE | SCAN_WRITE, reads | TIME);
            found.extend(stale.or_else(|| part.cycle(all, all | TIME)));
        }
        for cycle in found {
            let anomaly = Anomaly::new(classify(&cycle), explain(history, &cycle));
            // The same cycle may be the shortest of several sorts.
            if !anomalies.contains(&anomaly) {
                anomalies.push(anomaly);
            }
        }
    }
}

struct Part<'a> {
    graph: &'a Graph<Reason>,
    component: &'a [usize],
    is_member: &'a [bool],
    /// How many of the nodes are transactions.
    count: usize,
}

impl Part<'_> {
    /// A short cycle that begins with an edge of the one sorts and goes on with the others.
    fn cycle(&self, first: u8, rest: u8) -> Option<Cycle> {
        let transactions = self.component.iter().filter(|&&node| node < self.count);
        let begins =
            transactions.flat_map(|&node| self.graph.from(node, first).map(move |edge| (node, *edge)));
        let mut best: Option<Cycle> = None;
        for (node, edge) in begins.filter(|(_, edge)| self.is_member[edge.to]).take(WAYS_MAX) {
            if let Some(way) = self.graph.way(edge.to, node, rest, self.is_member) {
                let cycle: Cycle = std::iter::once((node, edge)).chain(way).collect();
                if best.as_ref().is_none_or(|best| cycle.len() < best.len()) {
                    best = Some(cycle);
                }
            }
            if best.as_ref().is_some_and(|best| best.len() == 2) {
                break;
            }
        }
        best
    }
}

fn classify(cycle: &Cycle) -> Phenomenon {
    let count = |sorts: u8| cycle.iter().filter(|(_, edge)| edge.sort & sorts != 0).count();
    let replaced = |reader: usize, edge: &Edge<Reason>| {
        // The one that read it wrote it too, and is replaced or replaces in turn.
        cycle.iter().any(|(from, other)| {
            let writes = other.sort == WRITE_WRITE && other.label.key == edge.label.key;
            writes && (*from == reader || other.to == reader)
        })
    };
    match (count(TIME), count(READ_WRITE | SCAN_WRITE)) {
        (1.., _) => Phenomenon::RealTime,
        (0, 0) if count(WRITE_READ) == 0 => Phenomenon::DirtyWrite,
        (0, 0) => Phenomenon::CircularInformation,
        (0, 1) => match cycle.iter().any(|(from, edge)| edge.sort == READ_WRITE && replaced(*from, edge)) {
            true => Phenomenon::LostUpdate,
            false => Phenomenon::ReadSkew,
        },
        _ if count(SCAN_WRITE) > 0 => Phenomenon::Phantom,
        _ => Phenomenon::WriteSkew,
    }
}

fn explain(history: &[Transaction], cycle: &Cycle) -> String {
    let mut nodes: Vec<usize> =
        cycle.iter().map(|(from, _)| *from).filter(|&node| node < history.len()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let name = |node: usize| nodes.iter().position(|&of| of == node).map_or(0, |place| place + 1);
    let mut text = "each has to come before the next, and the last before the first:".to_owned();
    let mut waits = None;
    for (from, edge) in cycle {
        // From instant to instant, up to the next transaction.
        let from = *waits.get_or_insert(*from);
        if edge.to >= history.len() {
            continue;
        }
        waits = None;
        let Reason { key, before, after } = edge.label;
        let why = match edge.sort {
            WRITE_WRITE => format!("it {} before the other one {}", did(key, before), did(key, after)),
            WRITE_READ => format!("the other one found that it {}", did(key, before)),
            READ_WRITE => format!("it found key {key} as it was before the other one {}", did(key, after)),
            SCAN_WRITE => {
                format!("it scanned and found no key {key} before the other one {}", did(key, after))
            }
            _ => "it had ended before the other one began".to_owned(),
        };
        text.push_str(&format!("\n  T{} before T{}: {why}", name(from), name(edge.to)));
    }
    for node in &nodes {
        text.push_str(&format!("\n  T{} is {}", name(*node), history[*node]));
    }
    text
}

/// What somebody did to a key.
fn did(key: u64, element: Option<u64>) -> String {
    match element {
        Some(element) => format!("appended {element} to key {key}"),
        None => format!("removed key {key}"),
    }
}
