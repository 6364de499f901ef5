//! Garbage: files that nobody needs any more are unlinked (rule 14).

use std::{collections::BTreeSet, sync::atomic::Ordering};

use millpond_core::{Error, Result};

use super::{Engine, lock};
use crate::{
    bugs::{Bug, planted},
    log::file_number,
    run::RunId,
    segment,
};

impl Engine {
    /// Unlinks files that no manifest in use names.
    pub(super) fn collect_garbage(&self) -> Result<()> {
        self.update_slot();
        let oldest = if planted(Bug::UnlinkWhileInUse) { u64::MAX } else { self.oldest_generation()? };
        let mut obsolete = lock(&self.obsolete);
        let mut kept = Vec::new();
        for (generation, path, bytes) in obsolete.drain(..) {
            if generation > oldest {
                kept.push((generation, path, bytes));
                continue;
            }
            match self.media.remove(&path) {
                Ok(()) => self.options.space.release(bytes),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                // Tried again later, and when the container is next opened alone.
                Err(_) => kept.push((generation, path, bytes)),
            }
        }
        *obsolete = kept;
        Ok(())
    }

    /// Unlinks everything that neither the manifest nor the log names. The process is alone, so
    /// that whoever made it is gone; also when that was before the manifest was durable.
    pub(super) fn collect_all_garbage(&self) -> Result<()> {
        let state = self.state();
        let mut runs: BTreeSet<String> =
            state.manifest.runs.iter().map(|run| RunId(run.id).file_name()).collect();
        let mut segments: BTreeSet<String> =
            state.manifest.segments.keys().map(|id| segment::file_name(*id)).collect();
        for tail in &state.tails {
            runs.extend(tail.bulk().iter().map(|bulk| bulk.run.summary().id.file_name()));
            segments.extend(tail.segments().into_keys().map(segment::file_name));
        }
        for log in &state.manifest.retired {
            runs.extend(log.runs.iter().map(|(run, _)| RunId(*run).file_name()));
            segments.extend(log.segments.iter().map(|(segment, _)| segment::file_name(*segment)));
        }
        let first = state.manifest.first_log();
        let last = self.control.words().log_file.load(Ordering::Acquire);
        let is_log = |name: &str| file_number(name).is_some_and(|number| (first..=last).contains(&number));
        let mut garbage = Vec::new();
        for (dir, is_needed) in [
            (self.runs_dir(), &(|name: &str| runs.contains(name)) as &dyn Fn(&str) -> bool),
            (super::segments_dir(&self.dir), &|name| segments.contains(name)),
            (self.log_dir(), &is_log),
            // What was made under another name, and never came to stand in its place.
            (self.dir.clone(), &|name| !name.ends_with(".tmp")),
        ] {
            let names = self
                .media
                .list(&dir)
                .map_err(|error| Error::io(format!("listing {}", dir.display()), error))?;
            for name in names {
                let ours = [".run", ".seg", ".log", ".tmp"].iter().any(|extension| name.ends_with(extension));
                if ours && !is_needed(&name) {
                    garbage.push(dir.join(name));
                }
            }
        }
        if garbage.is_empty() || planted(Bug::LeaveGarbage) {
            return Ok(());
        }
        // The manifest before this one may need it, and a loss of power could bring that one back. What
        // isn't removed costs space alone.
        if planted(Bug::UnlinkByManifestInDoubt) || self.media.sync_dir(&self.dir).is_ok() {
            for path in garbage {
                let _ = self.media.remove(&path);
            }
        }
        Ok(())
    }
}
