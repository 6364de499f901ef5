//! Directed graphs with several sorts of edges: strongly connected parts, and shortest ways.

use std::collections::VecDeque;

/// An edge to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge<L> {
    pub(super) to: usize,
    /// One bit: its sort.
    pub(super) sort: u8,
    pub(super) label: L,
}

/// A graph whose nodes are numbers.
#[derive(Debug)]
pub(super) struct Graph<L> {
    edges: Vec<Vec<Edge<L>>>,
}

impl<L: Copy> Graph<L> {
    pub(super) fn new(nodes: usize) -> Self {
        Self { edges: (0..nodes).map(|_| Vec::new()).collect() }
    }

    pub(super) fn add_node(&mut self) -> usize {
        self.edges.push(Vec::new());
        self.edges.len() - 1
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.edges.len()
    }

    pub(super) fn add(&mut self, from: usize, to: usize, sort: u8, label: L) {
        let known = self.edges[from].last().is_some_and(|last| last.to == to && last.sort == sort);
        if from != to && !known {
            self.edges[from].push(Edge { to, sort, label });
        }
    }

    /// The edges that leave a node, of the given sorts.
    pub(super) fn from(&self, node: usize, sorts: u8) -> impl Iterator<Item = &Edge<L>> {
        self.edges[node].iter().filter(move |edge| edge.sort & sorts != 0)
    }

    /// The sets of more than one node in which each leads to each by edges of the given sorts, by
    /// Tarjan's algorithm; without recursion, since a history may be long.
    pub(super) fn components(&self, sorts: u8) -> Vec<Vec<usize>> {
        const UNSEEN: usize = usize::MAX;
        let count = self.edges.len();
        let mut number = vec![UNSEEN; count];
        let mut low = vec![0; count];
        let mut is_on_stack = vec![false; count];
        let (mut stack, mut components, mut next) = (Vec::new(), Vec::new(), 0);
        for root in 0..count {
            if number[root] != UNSEEN {
                continue;
            }
            // A node, and which of its edges comes next.
            let mut path = vec![(root, 0)];
            while let Some((node, edge)) = path.last_mut() {
                let node = *node;
                if *edge == 0 {
                    (number[node], low[node]) = (next, next);
                    next += 1;
                    stack.push(node);
                    is_on_stack[node] = true;
                }
                let rest = self.edges[node].iter().enumerate().skip(*edge);
                let follow = rest.filter(|(_, edge)| edge.sort & sorts != 0).find_map(|(place, edge)| {
                    if number[edge.to] == UNSEEN {
                        return Some((place, edge.to));
                    }
                    if is_on_stack[edge.to] {
                        low[node] = low[node].min(number[edge.to]);
                    }
                    None
                });
                if let Some((place, to)) = follow {
                    *edge = place + 1;
                    path.push((to, 0));
                    continue;
                }
                path.pop();
                if let Some((above, _)) = path.last() {
                    low[*above] = low[*above].min(low[node]);
                }
                if low[node] == number[node] {
                    let mut component = Vec::new();
                    while let Some(member) = stack.pop() {
                        is_on_stack[member] = false;
                        component.push(member);
                        if member == node {
                            break;
                        }
                    }
                    if component.len() > 1 {
                        components.push(component);
                    }
                }
            }
        }
        components
    }

    /// A shortest way from one node to another by edges of the given sorts, within `members`: each edge
    /// with the node that it leaves.
    pub(super) fn way(
        &self,
        from: usize,
        to: usize,
        sorts: u8,
        is_member: &[bool],
    ) -> Option<Vec<(usize, Edge<L>)>> {
        let mut before: Vec<Option<(usize, Edge<L>)>> = vec![None; self.edges.len()];
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front() {
            if node == to && node != from {
                break;
            }
            for edge in self.from(node, sorts) {
                if is_member[edge.to] && edge.to != from && before[edge.to].is_none() {
                    before[edge.to] = Some((node, *edge));
                    queue.push_back(edge.to);
                }
            }
        }
        let mut way = Vec::new();
        let mut at = to;
        while at != from {
            let step = before[at]?;
            way.push(step);
            at = step.0;
        }
        way.reverse();
        Some(way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn parts_that_lead_to_themselves_are_found() {
        let mut graph = Graph::new(7);
        for (from, to, sort) in [(0, 1, 1), (1, 2, 1), (2, 0, 2), (2, 3, 1), (3, 4, 1), (4, 3, 1), (5, 6, 1)]
        {
            graph.add(from, to, sort, ());
        }
        let mut all = graph.components(3);
        all.iter_mut().for_each(|component| component.sort_unstable());
        all.sort();
        assert_eq!(all, [vec![0, 1, 2], vec![3, 4]]);
        assert_eq!(graph.components(1).len(), 1, "an edge of another sort is none");
        let way = graph.way(0, 4, 1, &[true; 7]).expect("a way");
        assert_eq!(
            way.iter().map(|(from, edge)| (*from, edge.to)).collect::<Vec<_>>(),
            [(0, 1), (1, 2), (2, 3), (3, 4)]
        );
        assert!(graph.way(4, 0, 3, &[true; 7]).is_none());
        assert!(graph.way(0, 4, 1, &[true, true, false, true, true, true, true]).is_none());
    }

    /// Against what each node reaches, by brute force.
    #[test]
    fn random_graphs_fall_into_the_parts_that_they_have() {
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let count = 2 + random.index(12);
            let mut graph = Graph::new(count);
            let mut reaches = vec![vec![false; count]; count];
            for _ in 0..random.index(3 * count) {
                let (from, to) = (random.index(count), random.index(count));
                graph.add(from, to, 1, ());
                reaches[from][to] = true;
            }
            for middle in 0..count {
                for from in 0..count {
                    for to in 0..count {
                        reaches[from][to] |= reaches[from][middle] && reaches[middle][to];
                    }
                }
            }
            let components = graph.components(1);
            let part = |node: usize| components.iter().position(|component| component.contains(&node));
            for (from, row) in reaches.iter().enumerate() {
                for (to, &there) in row.iter().enumerate().filter(|(to, _)| *to != from) {
                    let together = part(from).is_some() && part(from) == part(to);
                    assert_eq!(together, there && reaches[to][from], "seed {seed}: {from} and {to}");
                    let way = graph.way(from, to, 1, &vec![true; count]);
                    assert_eq!(way.is_some(), there, "seed {seed}: {from} to {to}");
                }
            }
        }
    }
}
