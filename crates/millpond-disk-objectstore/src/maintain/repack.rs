//! Repacking: a pack without what was deleted, compressed otherwise where that is asked for.
//!
//! What is in it goes to a pack of a new number, a part at a time: written, synced, and then the index says
//! so, in one commit. The old file goes when nothing in the index names it. So rows always name bytes that
//! are durable; whoever is killed leaves two packs, and each of them can be repacked again. Readers who
//! find the old file gone ask the index again; those who have it open go on.
//!
//! A pack keeps its number where that is asked for: then the new file gets the old number as a second name,
//! the index says so, and the first name goes.

use std::fs;

use millpond::{Error, ErrorKind, Progress, Result};

use super::repack_copy::Copy;
use crate::{
    files,
    folder::Folder,
    layout::PackId,
    lock::{PackLock, Packer},
    progress::{Steps, lend},
    zlib::CompressMode,
};

/// How packs are repacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepackOptions {
    /// Which objects are compressed afterwards.
    pub compress: CompressMode,
    /// Whether packs keep their numbers. Programs that hold what the index said before would then read the
    /// wrong bytes, where otherwise they find no file; our own readers always ask again.
    pub keep_ids: bool,
}

impl Default for RepackOptions {
    /// Compressed as they are, with new numbers.
    fn default() -> Self {
        Self { compress: CompressMode::Keep, keep_ids: false }
    }
}

impl Folder {
    /// Repacks all packs, and vacuums the index. `progress` is told of bytes, a pack at a time.
    ///
    /// # Errors
    /// As of [`Folder::repack_pack`].
    pub fn repack(&self, options: RepackOptions, mut progress: Option<&mut dyn Progress>) -> Result<()> {
        let packer = self.packer()?;
        self.remove_stale_locks(&packer)?;
        for pack in self.packs()? {
            self.repack_one(&packer, pack, options, lend(&mut progress))?;
        }
        self.with_index(|index| index.vacuum())
    }

    /// Repacks a pack, while others read. Answers under which number its objects are now, nothing where it
    /// had none.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] where an object is damaged, which then has to be deleted first;
    /// [`ErrorKind::Timeout`] where somebody else packs; where the disk or `progress` fails. What was moved
    /// before is moved.
    pub fn repack_pack(
        &self,
        pack: PackId,
        options: RepackOptions,
        progress: Option<&mut dyn Progress>,
    ) -> Result<Option<PackId>> {
        if pack == PackId::REPACKING {
            let message = "pack -1 is no pack: it is what disk-objectstore's repack writes to";
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let packer = self.packer()?;
        self.repack_one(&packer, pack, options, progress)
    }

    fn repack_one(
        &self,
        packer: &Packer,
        pack: PackId,
        options: RepackOptions,
        progress: Option<&mut (dyn Progress + '_)>,
    ) -> Result<Option<PackId>> {
        let path = self.layout().pack(pack);
        let timeout = self.options().timeout;
        let has_any = self.with_index(|index| {
            index.commit()?;
            index.has_any_in(pack)
        })?;
        let _lock = PackLock::acquire(packer, self.layout().pack_lock(pack), timeout)?;
        if !has_any {
            files::remove(&path)?;
            return Ok(None);
        }
        let mut steps = Steps::begin(progress, None, || {
            Ok((self.with_index(|index| index.sums())?.size, format!("Repack {pack}")))
        })?;
        let to = self.new_pack()?;
        Copy::new(self, packer, pack, to, options.compress)?.run(&mut steps)?;
        if self.with_index(|index| index.has_any_in(pack))? {
            let message = format!("another program added to {} meanwhile: repack it again", path.display());
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        files::remove(&path)?;
        files::sync_directory(&self.layout().packs())?;
        let number = if options.keep_ids { self.renumber(to, pack)? } else { to };
        steps.end()?;
        Ok(Some(number))
    }

    /// Gives a pack a number that no other has.
    fn renumber(&self, from: PackId, to: PackId) -> Result<PackId> {
        let (old, new) = (self.layout().pack(from), self.layout().pack(to));
        let linked = fs::hard_link(&old, &new);
        linked
            .map_err(|error| Error::io(format!("linking {} to {}", old.display(), new.display()), error))?;
        files::sync_directory(&self.layout().packs())?;
        self.with_index(|index| index.renumber(from, to))?;
        self.has_moved();
        files::remove(&old)?;
        Ok(to)
    }
}
