//! Creating and opening a container's storage.
//!
//! Opening follows one door: who comes in alone recovers the log and makes the control memory
//! anew; who meets others joins them. Nothing is trusted that a last holder left (rule 9).

use std::{path::Path, sync::Arc};

use millpond_core::{Epoch, Error, ErrorKind, Result, timeout};
use uuid::Uuid;

use super::{
    Engine, EngineOptions, SyncQueue, apply::Applier, background::Background, lock, runs_dir, segments_dir,
};
use crate::{
    bugs::{Bug, planted},
    cache::BlockCache,
    control::{CONTROL_BYTES, Control, NOT_WATCHING},
    fork,
    log::{HEADER_BYTES, LogFile, LogHeader, Recovered, first_chain, recover, scratch_name},
    manifest::Manifest,
    media::Media,
    presence::{Door, Presence},
    read::State,
    segments::SegmentPool,
    sync::{
        Mutex, RwLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    tail::Tail,
};

impl Engine {
    /// Creates the storage of a container in `dir`, durably but for the entry of `dir` itself.
    pub fn create(media: &Arc<dyn Media>, dir: &Path, container: Uuid, log_bytes: u64) -> Result<()> {
        let making = |what: &Path, error| Error::io(format!("making {}", what.display()), error);
        let log_dir = dir.join("log");
        for part in [&log_dir, &runs_dir(dir), &segments_dir(dir)] {
            media.create_dir(part).map_err(|error| making(part, error))?;
        }
        let header = LogHeader {
            container,
            number: 1,
            base: 0,
            chain: first_chain(container),
            epoch: Epoch::ZERO,
            term: 0,
            capacity: log_bytes.max(4 * HEADER_BYTES) - HEADER_BYTES,
        };
        LogFile::create(media, &log_dir, &scratch_name(0), header, &[])?;
        Presence::new(media, dir)?;
        Manifest::new(container).store(media, dir)
    }

    /// Opens the storage of a container in `dir`, along with any other process that has it open.
    ///
    /// # Errors
    /// `Corrupt`, naming the place, when the manifest is damaged, or so much of the log that it can't be
    /// followed at all; `Incompatible` when a
    /// file is of a newer format, or a process that has it open can't share memory with this one;
    /// `Timeout` when another process is stopped in the middle of opening it; `NotSupported` on a
    /// network file system.
    pub fn open(
        media: Arc<dyn Media>,
        dir: &Path,
        container: Uuid,
        options: EngineOptions,
    ) -> Result<Arc<Self>> {
        media
            .check_dir(dir)
            .map_err(|error| Error::io(format!("opening container directory {}", dir.display()), error))?;
        let presence = Presence::new(&media, dir)?;
        let door = presence.door(timeout())?;
        let alone = presence.be_alone(&door)?;
        let control_path = dir.join("control");
        let share = |fresh| {
            media.share(&control_path, CONTROL_BYTES, fresh).map_err(|error| {
                Error::io(format!("sharing memory through {}", control_path.display()), error)
            })
        };
        let trusts = planted(Bug::TrustOldControl) && share(false).is_ok();
        let control = if alone && !trusts {
            let (manifest, recovered) = recover_log(&media, dir, container, &options)?;
            let control = Control::create(media.clone(), share(true)?)?;
            fill(&control, &manifest, &recovered);
            control
        } else {
            presence.attend(&door)?;
            Control::join(media.clone(), share(false)?)?
        };
        let engine = Arc::new(Self::attach(media, dir, container, options, &presence, &door, control)?);
        if alone {
            // What lost records named isn't known.
            if !engine.is_lossy() {
                engine.collect_all_garbage()?;
            }
            presence.attend(&door)?;
        }
        drop(door);
        if engine.options.background {
            Background::start(&engine);
        }
        Ok(engine)
    }

    /// Takes a slot and reads the state.
    fn attach(
        media: Arc<dyn Media>,
        dir: &Path,
        container: Uuid,
        options: EngineOptions,
        presence: &Presence,
        _: &Door<'_>,
        control: Control,
    ) -> Result<Self> {
        let slot = presence.take_slot()?;
        let words = control.words();
        let serial = words.next_serial.fetch_add(1, Ordering::AcqRel);
        let own = &control.slots()[slot];
        own.generation.store(words.generation.load(Ordering::SeqCst), Ordering::SeqCst);
        own.epoch.store(0, Ordering::SeqCst);
        own.watching.store(NOT_WATCHING, Ordering::SeqCst);
        own.pid.store(std::process::id().into(), Ordering::SeqCst);
        // From here on nothing that the manifest names is unlinked, if that is read after this.
        own.serial.store(serial, Ordering::SeqCst);

        let mut tries = 0;
        let (manifest, file) = loop {
            let manifest = Manifest::load(&media, dir, container)?;
            match LogFile::open(&media, &dir.join("log"), container, manifest.log_file) {
                Ok(file) => break (manifest, file),
                Err(error) if error.kind() == ErrorKind::NotFound && tries < 100 => tries += 1,
                Err(error) => return Err(error),
            }
        };
        let cache = Arc::new(BlockCache::new(options.cache_bytes));
        let segments = Arc::new(SegmentPool::new(
            media.clone(),
            segments_dir(dir),
            container,
            options.space.clone(),
            options.mapped,
        ));
        // A state of an older generation than any, which the first adoption replaces.
        let blank = Manifest { generation: 0, ..Manifest::new(container) };
        let tail = Arc::new(Tail::new(file.number(), file.header.base));
        let applier = Applier::at(file);
        let state =
            Arc::new(State::new(Arc::new(blank), vec![tail], Vec::new(), applier.epoch, Arc::default()));
        let engine = Self {
            dir: dir.to_owned(),
            container,
            fork: fork::generation(),
            presence: presence.clone(),
            slot,
            serial,
            next_file: AtomicU64::new(1),
            cache,
            applied: AtomicU64::new(applier.offset),
            state: RwLock::new(state),
            generation: AtomicU64::new(0),
            states: Mutex::default(),
            applier: Mutex::new(applier),
            queue: Default::default(),
            sync_queue: SyncQueue::default(),
            sync_turn: Mutex::default(),
            maintenance_turn: Mutex::default(),
            stalled_at: AtomicU64::new(u64::MAX),
            segments,
            unsynced_extents: Mutex::default(),
            segment_work: Default::default(),
            obsolete: Mutex::default(),
            unmergeable: Mutex::default(),
            superseded: Default::default(),
            dead_after_merge: AtomicU64::new(0),
            pins: Default::default(),
            background: Background::default(),
            log_bytes_wanted: AtomicU64::new(0),
            handles: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            media,
            options,
            control,
        };
        drop(manifest);
        let mut applier = lock(&engine.applier);
        engine.adopt(&mut applier)?;
        engine.catch_up_with(&mut applier)?;
        drop(applier);
        Ok(engine)
    }
}

/// Finds the end of the log. The caller is alone.
fn recover_log(
    media: &Arc<dyn Media>,
    dir: &Path,
    container: Uuid,
    options: &EngineOptions,
) -> Result<(Manifest, Recovered)> {
    let manifest = Manifest::load(media, dir, container)?;
    let segments =
        SegmentPool::new(media.clone(), segments_dir(dir), container, options.space.clone(), options.mapped);
    let mut segments_intact = |extents: &[millpond_core::Extent]| {
        extents.iter().all(|extent| {
            segments.reader(extent.segment).is_ok_and(|reader| {
                let mut intact = true;
                reader.verify(&[*extent], &mut |_| intact = false);
                intact
            })
        })
    };
    let recovered = recover(
        media,
        &dir.join("log"),
        container,
        manifest.log_file,
        manifest.horizon,
        manifest.clean_end,
        &mut segments_intact,
    )?;
    Ok((manifest, recovered))
}

/// Writes what was recovered to fresh control memory.
fn fill(control: &Control, manifest: &Manifest, recovered: &Recovered) {
    let words = control.words();
    let incarnation = manifest.incarnation + u64::from(!planted(Bug::ReuseIncarnation));
    for (word, value) in [
        (&words.incarnation, incarnation),
        (&words.term, recovered.term + 1),
        (&words.published, recovered.end),
        (&words.synced, recovered.synced),
        (&words.log_file, recovered.file.number()),
        (&words.generation, manifest.generation),
        (&words.lossy, (!recovered.lost.is_empty()).into()),
    ] {
        word.store(value, Ordering::Release);
    }
}
