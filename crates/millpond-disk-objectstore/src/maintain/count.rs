//! How much there is.

use millpond::Result;

use crate::{files, folder::Folder};

/// How many objects there are. One that is loose and packed counts as both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectCount {
    /// In packs.
    pub packed: u64,
    /// With files of their own.
    pub loose: u64,
    /// Files of packs.
    pub pack_files: u64,
}

/// How large everything is, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TotalSize {
    /// Packed objects, as they are read.
    pub packed: u64,
    /// Packed objects, as they lie in the packs.
    pub packed_on_disk: u64,
    /// The packs, with what nobody can reach any more.
    pub pack_files_on_disk: u64,
    /// The index.
    pub index_on_disk: u64,
    /// Loose objects.
    pub loose: u64,
}

impl Folder {
    /// Counts the objects.
    ///
    /// # Errors
    /// Where the folder can't be read.
    pub fn count_objects(&self) -> Result<ObjectCount> {
        Ok(ObjectCount {
            packed: self.with_index(|index| index.count())?,
            loose: self.count_loose()?,
            pack_files: self.packs()?.len() as u64,
        })
    }

    /// Counts the objects, each once.
    pub(crate) fn count_distinct(&self) -> Result<u64> {
        let loose = self.list_loose()?;
        self.with_index(|index| Ok(index.count()? + index.find_all(loose)?.absent.len() as u64))
    }

    /// Adds up the sizes.
    ///
    /// # Errors
    /// Where the folder can't be read.
    pub fn total_size(&self) -> Result<TotalSize> {
        let sums = self.with_index(|index| index.sums())?;
        let mut pack_files_on_disk = 0;
        for pack in self.packs()? {
            pack_files_on_disk += files::size(&self.layout().pack(pack))?.unwrap_or(0);
        }
        Ok(TotalSize {
            packed: sums.size,
            packed_on_disk: sums.length,
            pack_files_on_disk,
            index_on_disk: files::size(&self.layout().index())?.unwrap_or(0),
            loose: self.size_loose()?,
        })
    }
}
