//! Where in the log a watch begins.

use std::sync::{Arc, atomic::Ordering};

use millpond_core::{
    Epoch, Error, ErrorKind, Result,
    watch::{lagged, lost},
};

use super::pins::Pin;
use crate::{
    engine::{Engine, lock},
    log::LogReader,
    manifest::Manifest,
    sync::atomic::fence,
};

/// How often to begin anew because what was there is gone.
const TRIES: usize = 100;

impl Engine {
    /// A place in the log behind the commit of an epoch, or behind the newest one, and the promise that
    /// what follows stays.
    pub(super) fn begin_watch(self: &Arc<Self>, after: Option<Epoch>) -> Result<(Pin, LogReader)> {
        let mut pin = Pin::new(self, 0);
        for _ in 0..TRIES {
            let oldest = self.pin_oldest(&mut pin)?;
            let reader = match after {
                Some(after) => self.behind(after, oldest),
                None => self.behind_newest(),
            };
            match reader {
                Ok(reader) => {
                    pin.move_to(self, reader.file());
                    return Ok((pin, reader));
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(
            ErrorKind::Timeout,
            format!("the log of container {} was let go of again and again; try again", self.container),
        ))
    }

    /// Needs all log files that there are, from a number on that it answers. See `retired.rs`.
    fn pin_oldest(&self, pin: &mut Pin) -> Result<u64> {
        loop {
            let oldest = Manifest::load(&self.media, &self.dir, self.container)?.first_log();
            pin.move_to(self, oldest);
            // What the slot says is there before the manifest is looked at.
            fence(Ordering::SeqCst);
            if Manifest::load(&self.media, &self.dir, self.container)?.first_log() <= oldest {
                return Ok(oldest);
            }
        }
    }

    fn behind_newest(&self) -> Result<LogReader> {
        let mut applier = lock(&self.applier);
        self.catch_up_with(&mut applier)?;
        Ok(LogReader::behind(applier.file.clone(), applier.offset, applier.chain, applier.epoch))
    }

    /// # Errors
    /// `NotFound` when a file went meanwhile.
    fn behind(&self, after: Epoch, oldest: u64) -> Result<LogReader> {
        let words = self.control.words();
        let newest = words.log_file.load(Ordering::Acquire);
        let published = words.published.load(Ordering::Acquire);
        let mut number = newest;
        let mut reader = loop {
            let file = self.open_watched_log(number)?;
            let before = file.header.epoch;
            if before <= after {
                break LogReader::at(file);
            }
            if number <= oldest {
                return Err(lagged(after, before));
            }
            number -= 1;
        };
        let open = |number| self.open_watched_log(number);
        let mut epoch = reader.epoch();
        while epoch < after {
            match reader.next(self.container, newest, published, &open)? {
                Some(record) if record.header.epoch <= after => epoch = record.header.epoch,
                _ => return Err(lost(after, epoch)),
            }
        }
        Ok(reader)
    }
}
