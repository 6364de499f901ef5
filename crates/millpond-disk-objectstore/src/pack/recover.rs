//! What a repack of disk-objectstore leaves behind when it is killed.
//!
//! It writes the pack anew as `packs/-1`, has the index point there, replaces the old file, and has the
//! index point back. Killed in between, it leaves rows that say `-1`, which it can't read itself, and a
//! file that keeps it from ever repacking again. Here such rows are read like any others, and the next one
//! of ours who packs gives the file a number.

use std::{fs, time::Duration};

use millpond::{Error, ErrorKind, Result};

use crate::{
    files,
    folder::Folder,
    layout::PackId,
    lock::{PackLock, Packer},
};

impl Folder {
    /// The right to write packs, after what others left undone was done.
    pub(crate) fn packer(&self) -> Result<Packer> {
        self.config()?;
        let packer = Packer::acquire(&self.layout().lock(), self.options().timeout)?;
        if files::size(&self.layout().pack(PackId::REPACKING))?.is_some() {
            self.finish_repack(&packer)?;
        }
        Ok(packer)
    }

    /// Removes locks whose makers are gone: they would keep disk-objectstore from packs that nobody here
    /// writes any more.
    pub(crate) fn remove_stale_locks(&self, packer: &Packer) -> Result<()> {
        for name in files::names(&self.layout().packs())? {
            let pack = name.strip_suffix(".lock").and_then(|pack| pack.parse().ok()).and_then(PackId::new);
            if let Some(pack) = pack {
                // Dropped at once, it removes the file. One that is held stays.
                match PackLock::acquire(packer, self.layout().pack_lock(pack), Duration::ZERO) {
                    Err(error) if error.kind() != ErrorKind::Timeout => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn finish_repack(&self, packer: &Packer) -> Result<()> {
        let layout = self.layout();
        // While it is at work, it holds this lock.
        let _lock = PackLock::acquire(packer, layout.pack_lock(PackId::REPACKING), self.options().timeout)?;
        let left = layout.pack(PackId::REPACKING);
        let Some(file) = files::open(&left)? else { return Ok(()) };
        if self.with_index(|index| index.has_any_in(PackId::REPACKING))? {
            files::sync(&file, &left)?;
            let pack = self.new_pack()?;
            let path = layout.pack(pack);
            let linked = fs::hard_link(&left, &path);
            linked.map_err(|error| {
                Error::io(format!("linking {} to {}", left.display(), path.display()), error)
            })?;
            files::sync_directory(&layout.packs())?;
            self.with_index(|index| index.renumber(PackId::REPACKING, pack))?;
            self.has_moved();
        }
        files::remove(&left)?;
        Ok(())
    }
}
