//! Locks of bytes that belong to open files, as Linux's open-file-description locks do.

use std::collections::BTreeMap;

use millpond_local::media::Lock;

/// Who holds a lock: an open lock file of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    pub(super) process: u64,
    pub(super) open_file: u64,
}

/// The locks of a machine: (file, byte) → holders.
#[derive(Debug, Default)]
pub(super) struct Locks(BTreeMap<(u64, u64), BTreeMap<Owner, Lock>>);

impl Locks {
    pub(super) fn try_lock(&mut self, file: u64, byte: u64, owner: Owner, lock: Lock) -> bool {
        let holders = self.0.entry((file, byte)).or_default();
        let mut others = holders.iter().filter(|(holder, _)| **holder != owner);
        let granted = match lock {
            Lock::None => true,
            Lock::Shared => others.all(|(_, held)| *held == Lock::Shared),
            Lock::Exclusive => others.next().is_none(),
        };
        if granted {
            match lock {
                Lock::None => holders.remove(&owner),
                _ => holders.insert(owner, lock),
            };
        }
        granted
    }

    /// Whether anyone but `owner` holds the byte.
    pub(super) fn is_locked(&self, file: u64, byte: u64, owner: Owner) -> bool {
        let holders = self.0.get(&(file, byte));
        holders.is_some_and(|holders| holders.keys().any(|holder| *holder != owner))
    }

    pub(super) fn release_where(&mut self, gone: impl Fn(&Owner) -> bool) {
        for holders in self.0.values_mut() {
            holders.retain(|owner, _| !gone(owner));
        }
    }
}
