//! The engine as the harnesses drive it.

use std::{path::Path, sync::Arc};

use millpond_core::{Result, Store};
use millpond_local::{Engine, EngineOptions, LocalStore, media::Media};
use millpond_testkit::{crash::Subject, sim::SimMedia};
use uuid::Uuid;

/// The smallest log, so that a short run rolls it, checkpoints it and merges its runs.
pub const LOG_BYTES: u64 = 64 << 10;

pub const CONTAINER: Uuid = Uuid::from_u128(0x6D69_6C6C_706F_6E64_8000_0000_0000_0001);

pub const DIR: &str = "/pool/container";

/// The engine on a simulated machine. Without its thread, so that a run is the same each time.
pub const SUBJECT: Subject = Subject { create: create_simulated, open: open_simulated };

pub fn options() -> EngineOptions {
    EngineOptions {
        log_bytes: LOG_BYTES,
        checkpoint_bytes: 0,
        background: false,
        cache_bytes: 1 << 20,
        ..EngineOptions::default()
    }
}

fn create_simulated(media: Arc<SimMedia>) -> Result<()> {
    let media: Arc<dyn Media> = media;
    // In a thread of its own, where no bug is planted: what is tested is what comes after.
    let created = std::thread::spawn(move || create(&media, Path::new(DIR))).join();
    created.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn open_simulated(media: Arc<SimMedia>) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(LocalStore::open(media, Path::new(DIR), CONTAINER, options(), false)?))
}

/// Creates the container in `dir`, durably.
pub fn create(media: &Arc<dyn Media>, dir: &Path) -> Result<()> {
    let failed = |error| millpond_core::Error::io("creating the container's directory", error);
    media.create_dir(dir).map_err(failed)?;
    let mut above = dir.parent();
    while let Some(dir) = above {
        media.sync_dir(dir).map_err(failed)?;
        above = dir.parent();
    }
    Engine::create(media, dir, CONTAINER, LOG_BYTES)
}
