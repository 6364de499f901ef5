//! Deleting objects. The bytes of a packed one stay in the pack until a repack.

use millpond::{BlobId, Result};

use crate::{files, folder::Folder};

impl Folder {
    /// Deletes objects. Answers those that there were, each once.
    ///
    /// # Errors
    /// [`millpond::ErrorKind::Timeout`] where somebody packs; where the disk fails, some may be deleted.
    pub fn delete(&self, ids: impl IntoIterator<Item = BlobId>) -> Result<Vec<BlobId>> {
        let _packer = self.packer()?;
        let mut ids: Vec<_> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        let duplicates = self.duplicates()?;
        // Loose files first: an object that is packed, too, is there until its row goes, and then it isn't.
        let mut deleted = Vec::new();
        for id in &ids {
            for name in duplicates.get(id).into_iter().flatten() {
                files::remove(&self.layout().duplicates().join(name))?;
            }
            if files::remove(&self.loose_path(id)?)? {
                deleted.push(*id);
            }
        }
        let packed = self.with_index(|index| {
            let packed = index.at_one_moment(|| {
                let packed = ids.iter().map(|id| Ok(index.contains(id)?.then_some(*id)));
                packed.filter_map(Result::transpose).collect::<Result<Vec<_>>>()
            })?;
            if packed.is_empty() { Ok(packed) } else { index.delete(&packed) }
        })?;
        deleted.extend(packed);
        deleted.sort_unstable();
        deleted.dedup();
        Ok(deleted)
    }
}
