//! Making a folder. Its configuration comes last, under its name at once: a folder that was begun and
//! not finished has none, and is begun again.

use std::{fs, io::Write};

use millpond::{Error, ErrorKind, Result};

use super::Folder;
use crate::{config::Config, files, index::Index, layout::DIRECTORIES, lock::Packer};

/// What the configuration is called until it is complete.
const UNFINISHED: &str = "config.json.new";

impl Folder {
    /// Makes a folder at `path`.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] where there is one, or something else is there;
    /// [`ErrorKind::InvalidArgument`] for a configuration that can't be.
    pub fn init(path: impl AsRef<std::path::Path>, config: &Config) -> Result<Self> {
        config.check()?;
        let folder = Self::at(path);
        let root = folder.path().to_owned();
        if folder.is_initialised() {
            let message = format!("{} is a folder already: clear it to begin anew", root.display());
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
        fs::create_dir_all(&root).map_err(|error| Error::io(format!("making {}", root.display()), error))?;
        folder.expect_nothing_of_others()?;
        for name in DIRECTORIES {
            let path = folder.layout().directory(name);
            fs::create_dir_all(&path)
                .map_err(|error| Error::io(format!("making {}", path.display()), error))?;
        }
        Index::create(&folder.layout().index(), folder.options().timeout)?;
        let unfinished = root.join(UNFINISHED);
        let written = fs::File::create(&unfinished).and_then(|mut file| {
            file.write_all(config.encode().as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| Error::io(format!("writing {}", unfinished.display()), error))?;
        files::rename(&unfinished, &folder.layout().config())?;
        files::sync_directory(&root)?;
        if let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            files::sync_directory(parent)?;
        }
        Self::open(root)
    }

    /// Deletes everything at `path`, whatever it is, and makes a folder there.
    ///
    /// # Errors
    /// Those of [`Folder::init`], before anything is deleted; [`ErrorKind::Timeout`] where somebody packs.
    pub fn init_cleared(path: impl AsRef<std::path::Path>, config: &Config) -> Result<Self> {
        config.check()?;
        let folder = Self::at(path.as_ref());
        let root = folder.path();
        if root.exists() {
            let packer = folder.layout().lock().exists();
            let packer = packer.then(|| Packer::acquire(&folder.layout().lock(), folder.options().timeout));
            let _packer = packer.transpose()?;
            // What is half deleted is no folder any more.
            files::remove(&folder.layout().config())?;
            fs::remove_dir_all(root)
                .map_err(|error| Error::io(format!("clearing {}", root.display()), error))?;
        }
        Self::init(path, config)
    }

    /// An error where something is there that a beginning of ours didn't leave.
    fn expect_nothing_of_others(&self) -> Result<()> {
        let is_ours = |name: &str| match name {
            UNFINISHED | "packs.idx" | "packs.idx-wal" | "packs.idx-shm" => Ok(true),
            _ if DIRECTORIES.contains(&name) => Ok(files::names(&self.layout().directory(name))?.is_empty()),
            _ => Ok(false),
        };
        for name in files::names(self.path())? {
            if !is_ours(&name)? {
                let message = format!(
                    "there is already something in {}: {name:?}. Take an empty directory",
                    self.path().display()
                );
                return Err(Error::new(ErrorKind::AlreadyExists, message));
            }
        }
        Ok(())
    }
}
