//! The disk of a simulated machine: a tree of files, directories and files of shared memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Component, Path},
    sync::Arc,
};

use super::{
    choice::Choice,
    directory::{Entries, EntryChange, EntryOperation, Journal, NodeId},
    file::{FileState, PAGE_BYTES},
    memory::Memory,
};

const ROOT: NodeId = 0;

#[derive(Clone, Debug)]
pub(super) enum Node {
    File(FileState),
    Directory { now: Entries, synced: Entries },
    Memory(Arc<Memory>),
}

#[derive(Clone, Debug)]
pub(super) struct Disk {
    nodes: BTreeMap<NodeId, Node>,
    journal: Journal,
    next: NodeId,
    pub(super) capacity_bytes: Option<u64>,
}

impl Default for Disk {
    fn default() -> Self {
        let root = Node::Directory { now: Entries::new(), synced: Entries::new() };
        let nodes = BTreeMap::from([(ROOT, root)]);
        Self { nodes, journal: Journal::default(), next: ROOT + 1, capacity_bytes: None }
    }
}

impl Disk {
    /// The node at `path`.
    pub(super) fn find(&self, path: &Path) -> io::Result<NodeId> {
        let mut node = ROOT;
        for name in names(path)? {
            node = *self.entries(node)?.get(&name).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(node)
    }

    /// The directory that holds `path`, and the name there.
    fn find_parent(&self, path: &Path) -> io::Result<(NodeId, String)> {
        let mut names = names(path)?;
        let name = names.pop().ok_or(io::ErrorKind::InvalidInput)?;
        let mut node = ROOT;
        for name in names {
            node = *self.entries(node)?.get(&name).ok_or(io::ErrorKind::NotFound)?;
        }
        self.entries(node)?;
        Ok((node, name))
    }

    pub(super) fn entries(&self, node: NodeId) -> io::Result<&Entries> {
        match &self.nodes[&node] {
            Node::Directory { now, .. } => Ok(now),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn file(&self, node: NodeId) -> io::Result<&FileState> {
        match &self.nodes[&node] {
            Node::File(file) => Ok(file),
            Node::Directory { .. } => Err(io::ErrorKind::IsADirectory.into()),
            Node::Memory(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "it is shared memory")),
        }
    }

    pub(super) fn file_mut(&mut self, node: NodeId) -> io::Result<&mut FileState> {
        self.file(node)?;
        match self.nodes.get_mut(&node) {
            Some(Node::File(file)) => Ok(file),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn memory(&self, node: NodeId) -> io::Result<Arc<Memory>> {
        match &self.nodes[&node] {
            Node::Memory(memory) => Ok(memory.clone()),
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "it isn't shared memory")),
        }
    }

    /// Puts a new node at `path`, in the place of what was there.
    pub(super) fn create(&mut self, path: &Path, node: Node) -> io::Result<NodeId> {
        let (directory, name) = self.find_parent(path)?;
        let id = self.next;
        self.next += 1;
        self.nodes.insert(id, node);
        self.change(vec![EntryChange { directory, name, node: Some(id) }]);
        Ok(id)
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        let mut above = std::path::PathBuf::from("/");
        for name in names(path)? {
            above.push(name);
            match self.find(&above) {
                Ok(node) => {
                    self.entries(node)?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.create(&above, Node::Directory { now: Entries::new(), synced: Entries::new() })?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.find(from)?;
        let (from_directory, from_name) = self.find_parent(from)?;
        let (to_directory, to_name) = self.find_parent(to)?;
        if let Some(&replaced) = self.entries(to_directory)?.get(&to_name) {
            if replaced == node {
                return Ok(());
            }
            match (self.entries(replaced), self.entries(node)) {
                (Ok(entries), Ok(_)) if !entries.is_empty() => {
                    return Err(io::ErrorKind::DirectoryNotEmpty.into());
                }
                (Ok(_), Err(_)) => return Err(io::ErrorKind::IsADirectory.into()),
                (Err(_), Ok(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                _ => {}
            }
        }
        self.change(vec![
            EntryChange { directory: from_directory, name: from_name, node: None },
            EntryChange { directory: to_directory, name: to_name, node: Some(node) },
        ]);
        Ok(())
    }

    /// Gives a file a second name.
    pub(super) fn link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.find(from)?;
        self.file(node)?;
        let (directory, name) = self.find_parent(to)?;
        if self.entries(directory)?.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.change(vec![EntryChange { directory, name, node: Some(node) }]);
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let node = self.find(path)?;
        if self.entries(node).is_ok() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let (directory, name) = self.find_parent(path)?;
        self.change(vec![EntryChange { directory, name, node: None }]);
        Ok(())
    }

    pub(super) fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        let node = self.find(path)?;
        let names: Vec<String> = self.entries(node)?.keys().cloned().collect();
        for name in names {
            let below = path.join(name);
            match self.remove_dir(&below) {
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => self.remove(&below)?,
                other => other?,
            }
        }
        let (directory, name) = self.find_parent(path)?;
        self.change(vec![EntryChange { directory, name, node: None }]);
        Ok(())
    }

    fn change(&mut self, changes: Vec<EntryChange>) {
        for change in &changes {
            if let Some(Node::Directory { now, .. }) = self.nodes.get_mut(&change.directory) {
                change.apply(now);
            }
        }
        self.journal.push(changes);
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let directory = self.directory(path)?;
        for operation in self.journal.take_synced(directory) {
            self.settle(&operation);
        }
        Ok(())
    }

    pub(super) fn fail_sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let directory = self.directory(path)?;
        self.journal.fail_sync(directory);
        Ok(())
    }

    pub(super) fn directory(&self, path: &Path) -> io::Result<NodeId> {
        let directory = self.find(path)?;
        self.entries(directory)?;
        Ok(directory)
    }

    fn settle(&mut self, operation: &EntryOperation) {
        for change in &operation.changes {
            if let Some(Node::Directory { synced, .. }) = self.nodes.get_mut(&change.directory) {
                change.apply(synced);
            }
        }
    }

    /// How many of `length` bytes at `offset` of a file fit on the disk.
    pub(super) fn room_for(&self, node: NodeId, offset: u64, length: u64) -> io::Result<u64> {
        let Some(capacity) = self.capacity_bytes else { return Ok(length) };
        let file = self.file(node)?;
        let free = capacity.saturating_sub(self.bytes_allocated());
        if file.bytes_to_allocate(offset, length) <= free {
            return Ok(length);
        }
        let mut fits = 0;
        while fits < length {
            let next = ((offset + fits) / PAGE_BYTES + 1) * PAGE_BYTES - offset;
            if file.bytes_to_allocate(offset, next.min(length)) > free {
                break;
            }
            fits = next.min(length);
        }
        if fits == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(fits) }
    }

    /// The bytes that all files of the tree take.
    pub(super) fn bytes_allocated(&self) -> u64 {
        let mut bytes = 0;
        let mut seen = BTreeSet::new();
        self.walk(ROOT, |(now, _)| now, &mut |id, node| {
            bytes += match node {
                // Another name of the same file.
                _ if !seen.insert(id) => 0,
                Node::File(file) => file.bytes_allocated(),
                Node::Memory(memory) => memory.bytes_allocated(),
                Node::Directory { .. } => 0,
            };
        });
        bytes
    }

    /// A copy, whose memory is a copy too.
    pub(super) fn fork(&self) -> Self {
        let mut copy = self.clone();
        for node in copy.nodes.values_mut() {
            if let Node::Memory(memory) = node {
                *memory = Arc::new(memory.copy());
            }
        }
        copy
    }

    /// One of the disks that a loss of power may leave.
    pub(super) fn after_power_cut(&self, choice: &mut Choice) -> Self {
        let mut base = self.clone();
        for operation in self.journal.surviving(choice) {
            base.settle(&operation);
        }
        let mut nodes = BTreeMap::new();
        base.walk(ROOT, |(_, synced)| synced, &mut |id, node| {
            if nodes.contains_key(&id) {
                return;
            }
            let node = match node {
                Node::File(file) => Node::File(file.after_power_cut(choice)),
                Node::Memory(memory) => Node::Memory(Arc::new(memory.after_power_cut(choice.salt()))),
                Node::Directory { synced, .. } => {
                    Node::Directory { now: synced.clone(), synced: synced.clone() }
                }
            };
            nodes.insert(id, node);
        });
        Self { nodes, journal: Journal::default(), next: self.next, capacity_bytes: self.capacity_bytes }
    }

    /// Drops clean pages of every file, and decides what is in doubt.
    pub(super) fn evict(&mut self, choice: &mut Choice) {
        for node in self.nodes.values_mut() {
            if let Node::File(file) = node {
                file.evict(choice);
            }
        }
    }

    fn walk(
        &self,
        id: NodeId,
        pick: for<'a> fn((&'a Entries, &'a Entries)) -> &'a Entries,
        visit: &mut dyn FnMut(NodeId, &Node),
    ) {
        let Some(node) = self.nodes.get(&id) else { return };
        visit(id, node);
        if let Node::Directory { now, synced } = node {
            for below in pick((now, synced)).values() {
                self.walk(*below, pick, visit);
            }
        }
    }
}

/// The names of an absolute path, from the root on.
fn names(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name.to_string_lossy().into_owned()),
            Component::RootDir | Component::CurDir => {}
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Node {
        Node::File(FileState::default())
    }

    fn disk() -> Disk {
        let mut disk = Disk::default();
        disk.create_dir(Path::new("/a/b")).expect("created");
        disk.sync_dir(Path::new("/")).expect("synced");
        disk.sync_dir(Path::new("/a")).expect("synced");
        disk
    }

    fn list(disk: &Disk, path: &str) -> Vec<String> {
        let node = disk.find(Path::new(path)).expect("a directory");
        disk.entries(node).expect("a directory").keys().cloned().collect()
    }

    fn outcomes(disk: &Disk, path: &str) -> BTreeSet<Vec<String>> {
        (0..300).map(|seed| list(&disk.after_power_cut(&mut Choice::of_seed(seed)), path)).collect()
    }

    #[test]
    fn an_entry_survives_for_certain_once_its_directory_is_synced() {
        let mut disk = disk();
        disk.create(Path::new("/a/b/x"), file()).expect("created");
        disk.create(Path::new("/a/b/y"), file()).expect("created");
        let all = outcomes(&disk, "/a/b");
        assert_eq!(all.len(), 4, "any subset: {all:?}");
        disk.sync_dir(Path::new("/a")).expect("synced");
        assert_eq!(outcomes(&disk, "/a/b").len(), 4, "syncing the directory above doesn't help");
        disk.sync_dir(Path::new("/a/b")).expect("synced");
        assert_eq!(outcomes(&disk, "/a/b"), BTreeSet::from([vec!["x".into(), "y".into()]]));
    }

    #[test]
    fn a_rename_is_atomic_within_and_across_directories() {
        for to in ["/a/b/z", "/a/z"] {
            let mut disk = disk();
            let node = disk.create(Path::new("/a/b/x"), file()).expect("created");
            disk.sync_dir(Path::new("/a/b")).expect("synced");
            disk.rename(Path::new("/a/b/x"), Path::new(to)).expect("renamed");
            let mut seen = BTreeSet::new();
            for seed in 0..100 {
                let after = disk.after_power_cut(&mut Choice::of_seed(seed));
                let old = after.find(Path::new("/a/b/x")).ok();
                let new = after.find(Path::new(to)).ok();
                assert!((old == Some(node)) != (new == Some(node)), "one of the two names, never both");
                seen.insert(new.is_some());
            }
            assert_eq!(seen.len(), 2);
            disk.sync_dir(Path::new("/a/b")).expect("synced");
            let after = disk.after_power_cut(&mut Choice::KeepNothing);
            assert!(after.find(Path::new(to)).is_ok());
        }
    }

    #[test]
    fn a_removed_entry_may_come_back() {
        let mut disk = disk();
        disk.create(Path::new("/a/b/x"), file()).expect("created");
        disk.sync_dir(Path::new("/a/b")).expect("synced");
        disk.remove(Path::new("/a/b/x")).expect("removed");
        assert_eq!(outcomes(&disk, "/a/b").len(), 2);
        disk.sync_dir(Path::new("/a/b")).expect("synced");
        assert_eq!(outcomes(&disk, "/a/b"), BTreeSet::from([vec![]]));
    }

    #[test]
    fn entries_in_doubt_are_not_saved_by_a_later_sync() {
        let mut disk = disk();
        disk.create(Path::new("/a/b/x"), file()).expect("created");
        disk.fail_sync_dir(Path::new("/a/b")).expect("a directory");
        disk.create(Path::new("/a/b/y"), file()).expect("created");
        disk.sync_dir(Path::new("/a/b")).expect("synced");
        assert_eq!(list(&disk.after_power_cut(&mut Choice::KeepNothing), "/a/b"), ["y"]);
        assert_eq!(list(&disk.after_power_cut(&mut Choice::KeepAll), "/a/b"), ["x", "y"]);
    }

    #[test]
    fn a_synced_replacement_is_not_undone_by_what_was_in_doubt() {
        let mut disk = disk();
        disk.create(Path::new("/a/b/x"), file()).expect("created");
        disk.fail_sync_dir(Path::new("/a/b")).expect("a directory");
        let new = disk.create(Path::new("/a/b/y"), file()).expect("created");
        disk.rename(Path::new("/a/b/y"), Path::new("/a/b/x")).expect("renamed");
        disk.sync_dir(Path::new("/a/b")).expect("synced");
        for seed in 0..50 {
            let after = disk.after_power_cut(&mut Choice::of_seed(seed));
            assert_eq!(after.find(Path::new("/a/b/x")).expect("there"), new);
        }
    }

    #[test]
    fn a_file_of_two_names_is_one_and_stays_until_both_are_gone() {
        let mut disk = disk();
        let node = disk.create(Path::new("/a/b/x"), file()).expect("created");
        disk.file_mut(node).expect("a file").write(&[7; PAGE_BYTES as usize], 0);
        let before = disk.bytes_allocated();
        disk.sync_dir(Path::new("/a/b")).expect("synced");
        disk.link(Path::new("/a/b/x"), Path::new("/a/y")).expect("linked");
        assert_eq!(disk.bytes_allocated(), before);
        let again = disk.link(Path::new("/a/b/x"), Path::new("/a/y")).expect_err("taken");
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert!(disk.link(Path::new("/a/b"), Path::new("/a/z")).is_err(), "a directory has one name");
        assert_eq!(outcomes(&disk, "/a").len(), 2, "the new name may be lost until it is synced");
        disk.sync_dir(Path::new("/a")).expect("synced");
        disk.remove(Path::new("/a/b/x")).expect("removed");
        for seed in 0..20 {
            let after = disk.after_power_cut(&mut Choice::of_seed(seed));
            assert_eq!(after.find(Path::new("/a/y")).expect("there"), node);
        }
    }

    #[test]
    fn a_directory_goes_with_all_that_is_in_it() {
        let mut disk = disk();
        disk.create(Path::new("/a/b/x"), file()).expect("created");
        disk.remove_dir(Path::new("/a")).expect("removed");
        assert_eq!(disk.find(Path::new("/a")).expect_err("gone").kind(), io::ErrorKind::NotFound);
        assert!(disk.after_power_cut(&mut Choice::KeepNothing).find(Path::new("/a/b")).is_ok());
    }

    #[test]
    fn a_full_disk_takes_what_fits() {
        let mut disk = disk();
        let x = disk.create(Path::new("/a/x"), file()).expect("created");
        disk.capacity_bytes = Some(2 * PAGE_BYTES);
        assert_eq!(disk.room_for(x, 0, 3 * PAGE_BYTES).expect("some"), 2 * PAGE_BYTES);
        disk.file_mut(x).expect("a file").write(&[0; 2 * PAGE_BYTES as usize], 0);
        assert_eq!(disk.room_for(x, 5, PAGE_BYTES).expect("allocated before"), PAGE_BYTES);
        let full = disk.room_for(x, 2 * PAGE_BYTES, 1).expect_err("full");
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        disk.remove(Path::new("/a/x")).expect("removed");
        assert_eq!(disk.bytes_allocated(), 0);
    }
}
