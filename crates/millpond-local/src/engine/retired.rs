//! Log files whose records are in runs, kept for those who watch.
//!
//! A checkpoint makes log files superfluous, and with them the runs of bulk commits and the segments that
//! their records name. They stay while somebody needs them to see each commit: a watch that lives, which
//! says so in the slot of its process, or a registered cursor, which is a record of the index. The manifest
//! lists them, so that every process knows what not to unlink, also after all have died. Beyond the
//! container's retention the oldest go whoever needs them; and all of them go when the pool is full, since
//! nobody who writes ever waits for those who watch.
//!
//! **No commit is missed.** A file goes in three steps, under the maintenance lock: it is found that nobody
//! needs it; the manifest is replaced by one without it; *then it is looked again* whether somebody does,
//! who came in between: for them it goes back into the manifest. Only after that is it handed to those
//! that are unlinked. Whoever begins to watch does it the other way round: it says in its slot that it
//! needs the files from the oldest one on, and then reads the manifest. If the manifest still lists the
//! files, then it was replaced after that, so that the second look came after that, too, and found the
//! slot. If it doesn't, the watch begins anew from what there is.
//!
//! A cursor is registered, durably, while the watch that registers it has the files in its slot. Whoever
//! looks, looks at the slots first and then takes in the log: it finds the slot, or the slot was given
//! up after the cursor was committed, and then it finds the cursor.
//!
//! A cursor that moved on is believed only when its commit is durable: a loss of power must not put it
//! back to where the log is gone.

use std::{sync::atomic::Ordering, time::Duration};

use millpond_core::{
    Epoch, Key, Record, Result,
    watch::{Cursor, Cursors},
};

use super::{Engine, lock, maintenance::Patience};
use crate::{
    bugs::{Bug, planted},
    log::file_name,
    manifest::{Manifest, RetiredLog},
    read::{State, into_record, with_key},
    run::RunId,
    sync::atomic::fence,
    tail::Tail,
};

/// What those who watch still need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Needs {
    /// Log files from this number on.
    file: u64,
    /// Commits after this epoch.
    after: Epoch,
}

impl Needs {
    fn needs(&self, log: &RetiredLog) -> bool {
        log.number >= self.file || log.last > self.after
    }
}

impl Engine {
    /// The cursors that are registered in a state.
    fn cursors(&self, state: &State) -> Result<Vec<Cursor>> {
        let epoch = state.epoch();
        let get = |key: Key<'_>| -> Result<Option<Record>> {
            with_key(key, |key| state.get(key, epoch)?.map_or(Ok(None), into_record))
        };
        Cursors { get: &get, commit: &|commit| self.commit_now(commit) }.list()
    }

    fn watch_needs(&self) -> Result<Needs> {
        // Nobody can follow a log of which records are lost: whoever watches is told to begin anew.
        if self.is_lossy() || planted(Bug::RetireWithoutAskingCursors) {
            return Ok(Needs { file: u64::MAX, after: Epoch::MAX });
        }
        self.clear_dead_slots()?;
        // The manifest is in its place before the slots are looked at.
        fence(Ordering::SeqCst);
        let mut file = u64::MAX;
        for slot in self.control.slots() {
            if slot.serial.load(Ordering::SeqCst) != 0 {
                file = file.min(slot.watching.load(Ordering::SeqCst));
            }
        }
        // In this order; see the module.
        self.catch_up()?;
        let state = self.state();
        let after = self.cursors(&state)?.into_iter().map(|cursor| cursor.epoch).min();
        if after.is_some() {
            self.sync_to(self.applied.load(Ordering::Acquire))?;
        }
        Ok(Needs { file, after: after.unwrap_or(Epoch::MAX) })
    }

    /// Takes out of `logs`, oldest first, what nobody needs or is too much or too old, and answers it.
    fn superfluous(&self, logs: &mut Vec<RetiredLog>, needs: &Needs) -> Vec<RetiredLog> {
        let retention = &self.options.watch_retention;
        let now = self.media.now();
        let mut weight: u64 = logs.iter().map(RetiredLog::weight).sum();
        let stays = logs.iter().position(|log| {
            let is_old = now.saturating_sub(Duration::from_secs(log.since)) > retention.age;
            let stays = needs.needs(log) && weight <= retention.bytes && !is_old;
            weight -= log.weight();
            stays
        });
        logs.drain(..stays.unwrap_or(logs.len())).collect()
    }

    /// Log files that a checkpoint has put into runs, as the manifest would list them.
    pub(super) fn retire(
        &self,
        finished: &[std::sync::Arc<Tail>],
        first: u64,
        end: u64,
    ) -> Result<Vec<RetiredLog>> {
        let since = self.media.now().as_secs();
        let mut logs = Vec::new();
        let mut header = self.log_header(first)?;
        for number in first..end {
            let next = self.log_header(number + 1)?;
            let mut log = RetiredLog {
                number,
                before: header.epoch,
                last: next.epoch,
                bytes: next.base - header.base,
                since,
                ..RetiredLog::default()
            };
            if let Some(tail) = finished.iter().find(|tail| tail.file == number) {
                log.runs = tail
                    .bulk()
                    .iter()
                    .map(|bulk| (bulk.run.summary().id.0, bulk.run.summary().bytes))
                    .collect();
                log.segments = tail.segments().into_iter().collect();
            }
            logs.push(log);
            header = next;
        }
        Ok(logs)
    }

    /// What of `manifest`'s retired log files and the `finished` ones is to stay, and what is to go.
    pub(super) fn divide(
        &self,
        manifest: &Manifest,
        finished: Vec<RetiredLog>,
    ) -> Result<(Vec<RetiredLog>, Vec<RetiredLog>)> {
        let mut logs = manifest.retired.clone();
        logs.extend(finished);
        let gone = self.superfluous(&mut logs, &self.watch_needs()?);
        Ok((logs, gone))
    }

    /// Has log files unlinked that the manifest of `generation` lists no longer, but for those that
    /// somebody has come to need since. Under the maintenance lock.
    pub(super) fn let_go(&self, gone: Vec<RetiredLog>, generation: u64) -> Result<()> {
        let mut gone = gone;
        if !gone.is_empty() && !planted(Bug::RetireWithoutLookingAgain) {
            let manifest = self.state().manifest.clone();
            // All that may stay is looked at together, so that what stays is within the retention.
            let mut logs = gone.clone();
            logs.extend(manifest.retired.iter().cloned());
            let still_gone = self.superfluous(&mut logs, &self.watch_needs()?);
            if still_gone.len() < gone.len() {
                self.replace_manifest(|manifest| manifest.retired = logs)?;
                self.adopt(&mut lock(&self.applier))?;
                gone = still_gone;
            }
        }
        self.unlink_retired(gone, generation);
        Ok(())
    }

    fn unlink_retired(&self, gone: Vec<RetiredLog>, generation: u64) {
        let manifest = self.state().manifest.clone();
        let mut obsolete = lock(&self.obsolete);
        for log in gone {
            self.options.space.release(log.bytes);
            obsolete.push((generation, self.log_dir().join(file_name(log.number)), 0));
            for (run, bytes) in log.runs {
                // One that is no longer part of the state stood here for those who watch alone.
                if !manifest.runs.iter().any(|entry| entry.id == run) && !manifest.keeps_run(run) {
                    obsolete.push((generation, self.runs_dir().join(RunId(run).file_name()), bytes));
                }
            }
        }
    }

    /// Lets retired log files go that nobody needs any more.
    pub(super) fn tend_retired(&self) -> Result<()> {
        let manifest = self.state().manifest.clone();
        if manifest.retired.is_empty() || self.divide(&manifest, Vec::new())?.1.is_empty() {
            return Ok(());
        }
        let guard = self.maintenance_lock(Patience::Background)?;
        let result = self.cut_retired(None);
        if result.is_err() {
            guard.abandon();
        }
        result.map(drop)
    }

    /// Lets all retired log files go, whoever needs them: the pool is full. Answers whether there were
    /// any.
    pub(super) fn drop_retired(&self, patience: Patience) -> Result<bool> {
        if self.state().manifest.retired.is_empty() {
            return Ok(false);
        }
        let guard = self.maintenance_lock(patience)?;
        let result =
            self.with_reserve(|| self.cut_retired(Some(Needs { file: u64::MAX, after: Epoch::MAX })));
        if result.is_err() {
            guard.abandon();
        }
        result
    }

    /// Under the maintenance lock.
    fn cut_retired(&self, needs: Option<Needs>) -> Result<bool> {
        self.catch_up()?;
        let manifest = self.state().manifest.clone();
        let mut kept = manifest.retired.clone();
        let is_forced = needs.is_some();
        let needs = needs.map_or_else(|| self.watch_needs(), Ok)?;
        let gone = self.superfluous(&mut kept, &needs);
        if gone.is_empty() {
            return Ok(false);
        }
        let generation = self.replace_manifest(|manifest| manifest.retired = kept)?;
        self.adopt(&mut lock(&self.applier))?;
        // The state pins what it lists.
        drop(manifest);
        if is_forced {
            self.unlink_retired(gone, generation);
        } else {
            self.let_go(gone, generation)?;
        }
        self.drop_dead_segments()?;
        self.collect_garbage()?;
        Ok(true)
    }
}
