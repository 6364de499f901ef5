//! From packed to loose, for programs that want a file.

use std::path::PathBuf;

use millpond::{BlobId, Result};

use crate::{files, folder::Folder, source::FromReader};

impl Folder {
    /// Has an object also loose, and answers where. Whoever cleans may remove it again at any time.
    ///
    /// # Errors
    /// [`millpond::ErrorKind::NotFound`] where there is no such object, [`millpond::ErrorKind::Corrupt`]
    /// where it is damaged.
    pub fn loosen(&self, id: &BlobId) -> Result<PathBuf> {
        let path = self.loose_path(id)?;
        if files::size(&path)?.is_none() {
            let reader = self.stream_and_meta(id)?.0;
            let written = self.add_loose(&mut FromReader(reader))?;
            if written != *id {
                return Err(crate::read::corrupt(id, "its bytes have another digest"));
            }
        }
        Ok(path)
    }
}
