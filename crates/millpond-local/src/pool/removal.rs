//! Destroying containers and pools, and what crashes leave of them.
//!
//! Invariant: a container or pool is there or not there, whatever happens in between: one rename
//! takes it away, and only then is anything in it deleted.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use millpond_core::{Error, ErrorKind, Result, timeout};
use uuid::Uuid;

use super::{NEW, TRASH, container_dir, containers_dir, document::POOL_FILE, failed};
use crate::{
    control::{CONTROL_BYTES, Control},
    media::Media,
    presence::Presence,
};

/// The description of a pool that is being destroyed.
pub(super) const DESTROYED_FILE: &str = "pool.json.destroyed";

/// A container that nobody else opens until this is dropped.
#[derive(Debug)]
pub(super) struct Seized {
    dir: PathBuf,
    presence: Presence,
    /// Whether others have it open all the same.
    open: bool,
}

impl Seized {
    /// Takes hold of a container.
    ///
    /// # Errors
    /// `NotFound` where there is none; `Busy` while others have it open, unless `force`.
    pub(super) fn new(media: &Arc<dyn Media>, pool: &Path, container: Uuid, force: bool) -> Result<Self> {
        let dir = container_dir(pool, container);
        media.list(&dir).map_err(|error| failed("open the container in", &dir, error))?;
        let presence = Presence::new(media, &dir)?;
        let open = {
            let door = presence.door(timeout())?;
            !presence.be_alone(&door)?
        };
        if open && !force {
            return Err(Error::new(
                ErrorKind::Busy,
                format!(
                    "container {container} is open, here or in another process (`lsof {}/lock` shows them); close it, or force its destruction",
                    dir.display()
                ),
            ));
        }
        Ok(Self { dir, presence, open })
    }

    /// Destroys the container; handles that others have to it answer `Closed` from now on.
    pub(super) fn destroy(self, media: &Arc<dyn Media>) -> Result<()> {
        if self.open {
            let path = self.dir.join("control");
            let memory = media.share(&path, CONTROL_BYTES, false);
            let memory = memory.map_err(|error| failed("share memory through", &path, error))?;
            let control = Control::join(media.clone(), memory)?;
            control.words().destroyed.store(1, Ordering::SeqCst);
        }
        let name = self.dir.file_name().unwrap_or_default().to_string_lossy();
        let trash = self.dir.with_file_name(format!("{TRASH}{name}"));
        media.rename(&self.dir, &trash).map_err(|error| failed("destroy", &self.dir, error))?;
        let containers = self.dir.parent().unwrap_or(Path::new("."));
        media.sync_dir(containers).map_err(|error| failed("sync", containers, error))?;
        drop(self.presence);
        // From here on it is gone; what can't be removed now is removed by the next to clean up.
        let _ = media.remove_dir(&trash);
        Ok(())
    }
}

/// Removes what crashes left in the pool. The caller is alone in it.
pub(super) fn clean_up(media: &Arc<dyn Media>, pool: &Path) -> Result<()> {
    let containers = containers_dir(pool);
    for (dir, is_left) in [
        (
            &containers,
            &(|name: &str| name.starts_with(TRASH) || name.starts_with(NEW)) as &dyn Fn(&str) -> bool,
        ),
        (&pool.to_owned(), &|name| name.ends_with(".tmp") && is_ours(name)),
    ] {
        for name in list(media, dir)? {
            if is_left(&name) {
                let path = dir.join(&name);
                // What can't be removed costs space alone.
                let _ = if name.ends_with(".tmp") { media.remove(&path) } else { media.remove_dir(&path) };
            }
        }
    }
    Ok(())
}

/// Takes a pool away: from here on it is none.
pub(super) fn take_away(media: &Arc<dyn Media>, pool: &Path) -> Result<()> {
    let path = pool.join(POOL_FILE);
    media.rename(&path, &pool.join(DESTROYED_FILE)).map_err(|error| failed("destroy", &path, error))?;
    media.sync_dir(pool).map_err(|error| failed("sync", pool, error))
}

/// Removes what is left of a pool that was taken away: its files, and the directory if there is
/// nothing else in it.
pub(super) fn remove_rest(media: &Arc<dyn Media>, pool: &Path) -> Result<()> {
    let removing = |path: &Path, removed: io::Result<()>| match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, error)),
        _ => Ok(()),
    };
    let containers = containers_dir(pool);
    removing(&containers, media.remove_dir(&containers))?;
    for name in list(media, pool)?.into_iter().filter(|name| is_ours(name) && name != DESTROYED_FILE) {
        let path = pool.join(name);
        removing(&path, media.remove(&path))?;
    }
    remove_mark(media, pool)
}

/// Forgets that a pool was destroyed, once nothing of it can come back.
pub(super) fn remove_mark(media: &Arc<dyn Media>, pool: &Path) -> Result<()> {
    media.sync_dir(pool).map_err(|error| failed("sync", pool, error))?;
    let mark = pool.join(DESTROYED_FILE);
    media.remove(&mark).map_err(|error| failed("remove", &mark, error))
}

/// Removes a pool's directory if it is empty.
pub(super) fn remove_empty(media: &Arc<dyn Media>, pool: &Path) -> Result<()> {
    if list(media, pool)?.is_empty() {
        media.remove_dir(pool).map_err(|error| failed("remove", pool, error))?;
        if let Some(parent) = pool.parent() {
            // The pool is gone without this, too.
            let _ = media.sync_dir(parent);
        }
    }
    Ok(())
}

/// Whether an entry of a pool's directory is one of Millpond's.
pub(super) fn is_ours(name: &str) -> bool {
    ["containers", "lock", "control", POOL_FILE, DESTROYED_FILE].contains(&name)
        || name.ends_with(".tmp") && (name.starts_with("control.") || name.starts_with("pool.json."))
}

fn list(media: &Arc<dyn Media>, dir: &Path) -> Result<Vec<String>> {
    match media.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.map_err(|error| failed("list", dir, error)),
    }
}
