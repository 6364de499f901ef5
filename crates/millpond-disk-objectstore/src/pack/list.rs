//! Which packs there are, and which is written next.

use std::path::{Path, PathBuf};

use millpond::{Error, ErrorKind, Result};

use crate::{
    files,
    folder::Folder,
    layout::PackId,
    lock::{PackLock, Packer},
};

/// A pack that nobody else writes, until it is dropped: for programs that append to it themselves.
#[derive(Debug)]
pub struct LockedPack {
    path: PathBuf,
    _lock: PackLock,
    _packer: Packer,
}

impl LockedPack {
    /// The pack's file, which may not be there yet.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Folder {
    /// Locks a pack.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] where somebody packs, or has locked it.
    pub fn lock_pack(&self, pack: PackId) -> Result<LockedPack> {
        let packer = self.packer()?;
        let lock = PackLock::acquire(&packer, self.layout().pack_lock(pack), self.options().timeout)?;
        Ok(LockedPack { path: self.layout().pack(pack), _lock: lock, _packer: packer })
    }

    /// All packs that have a file, in order.
    pub fn packs(&self) -> Result<Vec<PackId>> {
        self.config()?;
        let names = files::names(&self.layout().packs())?;
        let mut packs: Vec<_> = names.iter().filter_map(|name| PackId::parse(name)).collect();
        packs.sort_unstable();
        Ok(packs)
    }

    /// The first pack, from `first` on, that isn't full.
    pub(crate) fn pack_to_write(&self, first: PackId) -> Result<PackId> {
        let target = self.config()?.pack_size_target;
        let mut pack = first;
        loop {
            match files::size(&self.layout().pack(pack))? {
                Some(size) if size >= target => pack = pack.next(),
                Some(_) => return Ok(pack),
                // Bytes of another pack of that number would be taken for those that are lost.
                None if self.with_index(|index| index.has_any_in(pack))? => {
                    let path = self.layout().pack(pack);
                    let message =
                        format!("{} is missing, but objects should be there: restore it", path.display());
                    return Err(Error::new(ErrorKind::Corrupt, message));
                }
                None => return Ok(pack),
            }
        }
    }

    /// A pack behind all that there are, and that the index knows.
    pub(crate) fn new_pack(&self) -> Result<PackId> {
        let known = self.with_index(|index| index.packs())?;
        let last = known.into_iter().filter_map(PackId::new).chain(self.packs()?).max();
        Ok(last.map_or(PackId::FIRST, PackId::next))
    }
}
