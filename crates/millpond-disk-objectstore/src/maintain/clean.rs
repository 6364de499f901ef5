//! Cleaning: loose files of packed objects go, and duplicates that could not be put in their place.
//!
//! A loose file is the only copy that is known to be durable: disk-objectstore never syncs its packs. So
//! the packs are synced first; and a loose file stays where its pack ends before the object does.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

use millpond::{BlobId, ErrorKind, Result};

use crate::{files, folder::Folder, read::corrupt, source::FromReader, write::digest};

/// A file in the sandbox that nobody wrote to for as long belongs to nobody.
const SANDBOX_AGE: Duration = Duration::from_secs(24 * 3600);

impl Folder {
    /// Removes loose files of objects that are packed, and duplicates; with `vacuum`, also has the index
    /// written anew, smaller and in order. Readers go on meanwhile.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] where there are duplicates of an object of which there is no sound copy;
    /// [`ErrorKind::Timeout`] where somebody else packs.
    pub fn clean_storage(&self, vacuum: bool) -> Result<()> {
        let packer = self.packer()?;
        self.remove_stale_locks(&packer)?;
        self.clean_sandbox()?;
        if vacuum {
            self.with_index(|index| index.vacuum())?;
        }
        self.clean_duplicates()?;
        let rows = self.with_index(|index| {
            index.commit()?;
            Ok(index.find_all(self.list_loose()?)?.rows)
        })?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut sizes = BTreeMap::new();
        for pack in rows.iter().map(|row| row.place.pack).collect::<BTreeSet<_>>() {
            if let Some((file, size)) = self.open_pack(pack)? {
                files::sync(&file, &self.layout().pack(pack))?;
                sizes.insert(pack, size);
            }
        }
        files::sync_directory(&self.layout().packs())?;
        for row in rows {
            if sizes.get(&row.place.pack).is_some_and(|&size| row.place.end() <= size) {
                files::remove(&self.loose_path(&row.id)?)?;
            }
        }
        Ok(())
    }

    /// Removes what dead processes left in the sandbox. Whoever is alive puts a file in its place within
    /// moments of the last write.
    fn clean_sandbox(&self) -> Result<()> {
        let sandbox = self.layout().directory("sandbox");
        for name in files::names(&sandbox)? {
            let path = sandbox.join(name);
            let written = fs::metadata(&path).and_then(|file| file.modified()).ok();
            if written.and_then(|written| written.elapsed().ok()).is_some_and(|age| age > SANDBOX_AGE) {
                files::remove(&path)?;
            }
        }
        Ok(())
    }

    fn clean_duplicates(&self) -> Result<()> {
        for (id, names) in self.duplicates()? {
            let paths: Vec<_> = names.iter().map(|name| self.layout().duplicates().join(name)).collect();
            match self.is_sound(&id) {
                Ok(true) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Err(corrupt(&id, "there are only duplicates of it, in the folder `duplicates`"));
                }
                Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
                Ok(false) | Err(_) => {
                    let mut good = None;
                    for path in &paths {
                        if let Some(file) = files::open(path)?
                            && digest(&mut FromReader(&file), self.config()?.hash_type)? == id
                        {
                            files::sync(&file, path)?;
                            good = Some(path);
                            break;
                        }
                    }
                    let Some(good) = good else {
                        return Err(corrupt(&id, "and so are all of its duplicates"));
                    };
                    self.replace_loose(good, &id)?;
                }
            }
            for path in paths {
                files::remove(&path)?;
            }
        }
        Ok(())
    }

    /// Whether what is read as an object is the object. An error where it can't be read.
    fn is_sound(&self, id: &BlobId) -> Result<bool> {
        let mut reader = FromReader(self.stream_and_meta(id)?.0);
        Ok(digest(&mut reader, self.config()?.hash_type)? == *id)
    }

    /// The names of duplicates, by object.
    pub(crate) fn duplicates(&self) -> Result<BTreeMap<BlobId, Vec<String>>> {
        let mut duplicates = BTreeMap::<_, Vec<_>>::new();
        for name in files::names(&self.layout().duplicates())? {
            if let Some((id, _)) = name.split_once('.')
                && let Ok(id) = id.parse()
            {
                duplicates.entry(id).or_default().push(name);
            }
        }
        Ok(duplicates)
    }
}
