//! Which loose objects there are.

use millpond::{BlobId, Result};

use crate::{files, folder::Folder};

impl Folder {
    /// All loose objects, in the order of their ids.
    pub(crate) fn list_loose(&self) -> Result<Vec<BlobId>> {
        let mut ids = Vec::new();
        self.each_loose(|id| ids.push(id))?;
        ids.sort_unstable();
        Ok(ids)
    }

    /// How many loose objects there are.
    pub(crate) fn count_loose(&self) -> Result<u64> {
        let mut count = 0;
        self.each_loose(|_| count += 1)?;
        Ok(count)
    }

    /// Bytes of all loose objects.
    pub(crate) fn size_loose(&self) -> Result<u64> {
        let mut ids = Vec::new();
        self.each_loose(|id| ids.push(id))?;
        let sizes = ids.iter().map(|id| Ok(files::size(&self.loose_path(id)?)?.unwrap_or(0)));
        sizes.sum()
    }

    fn each_loose(&self, mut take: impl FnMut(BlobId)) -> Result<()> {
        let config = self.config()?;
        let digits = 2 * config.hash_type.bytes();
        let mut take_name = |name: String| {
            if name.len() == digits
                && let Ok(id) = name.parse()
            {
                take(id);
            }
        };
        let root = self.layout().loose_root();
        for name in files::names(&root)? {
            if config.loose_prefix_len == 0 {
                take_name(name);
            } else if name.len() == config.loose_prefix_len {
                for rest in files::names_if_there(&root.join(&name))? {
                    take_name(format!("{name}{rest}"));
                }
            }
        }
        Ok(())
    }
}
