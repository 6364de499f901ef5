//! What a backup is made of: a state that all its files hold, and that stay while it is copied.
//!
//! All that is committed goes into runs first. From there on a manifest, and what it names, is the whole
//! container at the epoch with which its log begins. Its files never change (runs), or only grow
//! (segments), and as long as this process uses that manifest nobody unlinks them: so that no lock is held
//! while they are copied, and writers, checkpoints and merges go on.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use millpond_core::{Epoch, Result, SegmentId};

use super::{Engine, maintenance::Patience, segments_dir};
use crate::{
    bugs::{Bug, planted},
    log::{HEADER_BYTES, LogFile, LogHeader, scratch_name},
    manifest::Manifest,
    read::State,
    run::RunId,
    segment,
};

/// A state whose files stay as they are until this is dropped.
pub(crate) struct Frozen<'a> {
    engine: &'a Engine,
    manifest: Arc<Manifest>,
    /// As long as it is there, others know that its files are in use.
    _state: Option<Arc<State>>,
    header: LogHeader,
}

/// A file of a container.
pub(crate) struct FrozenFile {
    /// Its path in the container's directory.
    pub(crate) name: String,
    /// Whether nobody will ever write to it again.
    pub(crate) is_sealed: bool,
}

impl Engine {
    /// Puts all that is committed into runs, and has the files stay.
    ///
    /// # Errors
    /// Those of a checkpoint; `Corrupt` when records of the log are lost and no repair has accepted it.
    pub(crate) fn freeze(&self) -> Result<Frozen<'_>> {
        self.check()?;
        let guard = self.maintenance_lock(Patience::Caller)?;
        let frozen = self.with_reserve(|| {
            self.checkpoint_locked(true)?;
            let state = self.state();
            let header = self.log_header(state.manifest.log_file)?;
            let manifest = state.manifest.clone();
            let state = (!planted(Bug::BackupWithoutPinning)).then_some(state);
            Ok(Frozen { engine: self, manifest, _state: state, header })
        });
        if frozen.is_err() {
            guard.abandon();
        }
        frozen
    }

    /// Where the container is.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Frozen<'_> {
    /// The epoch of the newest commit in it.
    pub(crate) fn epoch(&self) -> Epoch {
        self.header.epoch
    }

    /// Its runs and segments.
    pub(crate) fn files(&self) -> Result<Vec<FrozenFile>> {
        self.engine.clear_dead_slots()?;
        let manifest = &self.manifest;
        let runs = manifest
            .runs
            .iter()
            .map(|run| FrozenFile { name: format!("runs/{}", RunId(run.id).file_name()), is_sealed: true });
        let segments = manifest.segments.keys().map(|id: &SegmentId| FrozenFile {
            name: format!("segments/{}", segment::file_name(*id)),
            is_sealed: self.engine.may_take(*id),
        });
        Ok(runs.chain(segments).collect())
    }

    /// Makes the rest of a container in the directory `dir`: the manifest, and a log without records.
    /// Answers their names.
    pub(crate) fn write_books(&self, dir: &Path) -> Result<Vec<String>> {
        let media = &self.engine.media;
        let manifest = Manifest {
            // Nobody watches a backup, so that no log is kept for those who do.
            retired: Vec::new(),
            clean_end: self.header.base,
            ..(*self.manifest).clone()
        };
        let header = LogHeader {
            capacity: self.engine.options.log_bytes.max(4 * HEADER_BYTES) - HEADER_BYTES,
            ..self.header.clone()
        };
        let log = LogFile::create(media, &dir.join("log"), &scratch_name(0), header, &[])?;
        manifest.store(media, dir)?;
        let log: PathBuf = log.path().strip_prefix(dir).unwrap_or(log.path()).into();
        Ok(vec![log.to_string_lossy().into_owned(), "manifest".into()])
    }

    /// The directories of a container that hold files.
    pub(crate) fn parts(dir: &Path) -> [PathBuf; 3] {
        [dir.join("log"), super::runs_dir(dir), segments_dir(dir)]
    }
}
