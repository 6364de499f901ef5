//! All objects, each once.

use std::{collections::BTreeSet, mem, vec};

use millpond::{BlobId, Result};

use crate::folder::Folder;

/// Rows that are read at a time.
const PAGE: usize = 10_000;

/// The ids of all objects: packed ones in the order in which they were added, then loose ones. What is
/// there from beginning to end comes; what comes or goes meanwhile may or may not.
#[derive(Debug)]
pub struct Ids {
    folder: Folder,
    /// Those that haven't come yet.
    loose: BTreeSet<BlobId>,
    page: vec::IntoIter<BlobId>,
    /// The last row of the page; none at the end.
    last: Option<i64>,
}

impl Folder {
    /// Lists all objects.
    ///
    /// # Errors
    /// Where the folder can't be read.
    pub fn ids(&self) -> Result<Ids> {
        let loose = self.list_loose()?.into_iter().collect();
        Ok(Ids { folder: self.clone(), loose, page: Vec::new().into_iter(), last: Some(i64::MIN) })
    }
}

impl Iterator for Ids {
    type Item = Result<BlobId>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(id) = self.page.next() {
                self.loose.remove(&id);
                return Some(Ok(id));
            }
            let Some(last) = mem::take(&mut self.last) else { return self.loose.pop_first().map(Ok) };
            match self.folder.with_index(|index| index.page(last, PAGE)) {
                Ok((ids, last)) => (self.page, self.last) = (ids.into_iter(), last),
                Err(error) => {
                    self.loose.clear();
                    return Some(Err(error));
                }
            }
        }
    }
}
