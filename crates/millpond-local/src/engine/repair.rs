//! Repair: what damage can be done without is written anew, and what it took is given up.
//!
//! Records of the log that were durable and are damaged leave the container as it is: nobody writes,
//! nothing is unlinked, and what they may have changed answers an error. A repair accepts their loss: it
//! ends the log behind what is intact, and writes that to a run. It is done when the manifest begins the
//! log behind it; until then the next one finds all as it was.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use millpond_core::{Damage, Result, timeout};

use super::{Engine, lock, maintenance::Patience};
use crate::{
    bugs::{Bug, planted},
    control::LockName,
    log::Lost,
    manifest::Manifest,
};

impl Engine {
    /// Whether records of the log are lost, and no repair has accepted it.
    pub(super) fn is_lossy(&self) -> bool {
        self.control.words().lossy.load(Ordering::Acquire) != 0
    }

    pub(super) fn refuse_if_lossy(&self) -> Result<()> {
        if self.is_lossy() { Err(Lost::refusal(self.container)) } else { Ok(()) }
    }

    /// See [`millpond_core::Store::repair`].
    pub(crate) fn repair_now(&self, report: &mut dyn FnMut(Damage)) -> Result<u64> {
        self.check()?;
        self.catch_up()?;
        let lost = if self.is_lossy() { self.accept_losses(report)? } else { 0 };
        self.rewrite_impaired(report)?;
        Ok(lost)
    }

    fn accept_losses(&self, report: &mut dyn FnMut(Damage)) -> Result<u64> {
        let guard = self.maintenance_lock_in_spite_of_losses(Patience::Caller)?;
        let accepted = self.with_reserve(|| {
            self.end_lossy_log()?;
            let lost = self.state().lost.clone();
            self.checkpoint_locked(false)?;
            Ok(lost)
        });
        let lost = match accepted {
            Ok(lost) => lost,
            Err(error) => {
                guard.abandon();
                return Err(error);
            }
        };
        self.control.words().lossy.store(0, Ordering::Release);
        drop(guard);
        lost.iter().for_each(|lost| report(lost.damage()));
        Ok(lost.len() as u64)
    }

    /// Begins a log file behind all that is intact.
    fn end_lossy_log(&self) -> Result<()> {
        let guard = self.control.lock(LockName::Commit, timeout())?;
        let mut applier = lock(&self.applier);
        let ended = self.make_ready_in_spite_of_losses(&guard, &mut applier).and_then(|()| {
            // Another process may have done it, and died since.
            if self.state().lost.is_empty() { Ok(()) } else { self.roll(&mut applier, 0, true) }
        });
        drop(applier);
        if ended.is_err() {
            guard.abandon();
        }
        ended
    }

    /// Writes anew what is damaged where nothing is lost by it.
    fn rewrite_impaired(&self, report: &mut dyn FnMut(Damage)) -> Result<()> {
        let (_, copy) = Manifest::verify(&self.media, &self.dir, self.container)?;
        let has_impaired = {
            let state = self.state();
            let in_tails =
                || state.tails.iter().any(|tail| tail.bulk().iter().any(|bulk| bulk.run.is_impaired()));
            state.runs.iter().any(|run| run.is_impaired()) || in_tails()
        };
        // In runs, what is lost of the log is known by its keys, and the log goes.
        let has_damaged = self.state().tails.iter().any(|tail| tail.is_damaged());
        if copy.is_none() && !has_impaired && !has_damaged {
            return Ok(());
        }
        let guard = self.maintenance_lock(Patience::Caller)?;
        let rewritten = self.with_reserve(|| {
            // Runs that only the log names come to be in the manifest.
            self.checkpoint_locked(true)?;
            for run in self.state().runs.iter().filter(|run| run.is_impaired() && run.is_readable()) {
                if planted(Bug::UnlinkBeforeRepair) {
                    let path = self.dir.join("runs").join(run.summary().id.file_name());
                    let _ = self.media.remove(&path);
                }
                self.merge(std::slice::from_ref(run), &BTreeSet::new())?;
                let place = format!("runs/{}", run.summary().id.file_name());
                report(Damage::new(place, 0, "the run was written anew; nothing of it is lost"));
            }
            if let Some(offset) = copy {
                self.replace_manifest(|_| ())?;
                self.adopt(&mut lock(&self.applier))?;
                let what = "the manifest was written anew; nothing of it is lost";
                report(Damage::new("manifest", offset, what));
            }
            self.collect_garbage()
        });
        if rewritten.is_err() {
            guard.abandon();
        }
        rewritten
    }
}
