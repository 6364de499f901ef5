//! Directories of the simulated disk: what is synced, and the operations on entries since.
//!
//! An operation is atomic, also where it concerns two directories. Operations that weren't synced
//! survive in any subset, applied in their order: file systems with a journal keep a prefix, others
//! promise nothing.

use std::collections::BTreeMap;

use super::choice::Choice;

/// The number of a file or directory, never reused.
pub(super) type NodeId = u64;

pub(super) type Entries = BTreeMap<String, NodeId>;

/// An operation on entries: each place in turn is given its node, or nothing.
#[derive(Clone, Debug)]
pub(super) struct EntryOperation {
    pub(super) changes: Vec<EntryChange>,
    /// Whether a sync of one of its directories failed since.
    pub(super) doubtful: bool,
}

#[derive(Clone, Debug)]
pub(super) struct EntryChange {
    pub(super) directory: NodeId,
    pub(super) name: String,
    pub(super) node: Option<NodeId>,
}

impl EntryChange {
    pub(super) fn apply(&self, entries: &mut Entries) {
        match self.node {
            Some(node) => entries.insert(self.name.clone(), node),
            None => entries.remove(&self.name),
        };
    }
}

impl EntryOperation {
    pub(super) fn concerns(&self, directory: NodeId) -> bool {
        self.changes.iter().any(|change| change.directory == directory)
    }
}

/// The unsynced operations of a disk, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal(Vec<EntryOperation>);

impl Journal {
    pub(super) fn push(&mut self, changes: Vec<EntryChange>) {
        self.0.push(EntryOperation { changes, doubtful: false });
    }

    /// Takes out what a sync of `directory` makes safe: its own operations, and the earlier ones
    /// of every directory that those concern.
    pub(super) fn take_synced(&mut self, directory: NodeId) -> Vec<EntryOperation> {
        let mut directories = vec![directory];
        let mut taken = Vec::new();
        for at in (0..self.0.len()).rev() {
            let operation = &self.0[at];
            if !operation.doubtful && directories.iter().any(|&directory| operation.concerns(directory)) {
                directories.extend(operation.changes.iter().map(|change| change.directory));
                taken.push(self.0.remove(at));
            }
        }
        taken.reverse();
        // What is safe now isn't undone by what was in doubt before.
        for change in taken.iter().flat_map(|operation| &operation.changes) {
            for doubtful in self.0.iter_mut().filter(|operation| operation.doubtful) {
                doubtful.changes.retain(|old| (old.directory, &old.name) != (change.directory, &change.name));
            }
        }
        taken
    }

    /// Leaves the fate of a directory's operations open.
    pub(super) fn fail_sync(&mut self, directory: NodeId) {
        for operation in self.0.iter_mut().filter(|operation| operation.concerns(directory)) {
            operation.doubtful = true;
        }
    }

    /// The operations that a loss of power keeps.
    pub(super) fn surviving(&self, choice: &mut Choice) -> Vec<EntryOperation> {
        self.0.iter().filter(|_| choice.keeps()).cloned().collect()
    }
}
