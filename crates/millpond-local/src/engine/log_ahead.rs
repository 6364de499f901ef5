//! The log's next file is made before it is needed: its space is zeroed and synced while commits go on
//! in the current one, so that the one that needs it doesn't wait for that.
//!
//! Whoever fills the middle of a file has the next one made, under a name that all processes know.
//! It becomes the next file by a header and a rename, under the commit lock. A file that isn't there
//! then, or isn't as long as it should be, costs a wait and nothing else.

use std::sync::atomic::Ordering;

use super::{Engine, apply::Applier};
use crate::{
    log::{AHEAD_NAME, HEADER_BYTES, LogFile, ahead_scratch_name, scratch_name},
    media::OpenMode,
};

impl Engine {
    /// A record was appended from log offset `from` on: sees to what is to be done while a file is
    /// filled.
    pub(super) fn note_progress(&self, applier: &Applier, from: u64) {
        let header = &applier.file.header;
        let passes = |eighths: u64| {
            let mark = header.base + header.capacity / 8 * eighths;
            (from..applier.offset).contains(&mark)
        };
        let is_half_full = passes(4);
        if is_half_full && !self.options.background {
            self.make_log_ahead(self.next_log_bytes(applier));
        } else if is_half_full {
            self.log_bytes_wanted.store(self.next_log_bytes(applier), Ordering::Relaxed);
            self.background.wake();
        } else if passes(7) {
            // What is synced by then, nobody waits for when the file ends.
            self.background.wake();
        }
    }

    /// Makes the next file, if it was asked for.
    pub(super) fn make_wanted_log(&self) {
        let length = self.log_bytes_wanted.swap(0, Ordering::Relaxed);
        if length > 0 {
            self.make_log_ahead(length);
        }
    }

    fn make_log_ahead(&self, length: u64) {
        // Without it the next file is made when it is needed, and that says what is wrong.
        let _ = LogFile::make_ahead(&self.media, &self.log_dir(), &ahead_scratch_name(self.serial), length);
    }

    /// How long the next file is to be: longer and longer while they are filled; one that a bulk load
    /// ends early is no reason.
    pub(super) fn next_log_bytes(&self, applier: &Applier) -> u64 {
        let length = applier.file.header.capacity + HEADER_BYTES;
        let is_filled = (applier.offset - applier.file.header.base) * 2 + HEADER_BYTES >= length;
        let grown = if is_filled { length * 2 } else { length };
        grown.min(self.log_bytes_max())
    }

    /// Gives back the space of a file that was made ahead.
    pub(super) fn remove_log_ahead(&self) {
        let _ = self.media.remove(&self.log_dir().join(AHEAD_NAME));
    }

    /// Takes the file that was made ahead under a name of this process's; false if there is none that
    /// is `length` bytes long.
    pub(super) fn take_log_ahead(&self, length: u64) -> bool {
        let (from, to) = (self.log_dir().join(AHEAD_NAME), self.log_dir().join(scratch_name(self.serial)));
        if self.media.rename(&from, &to).is_err() {
            return false;
        }
        let found = self.media.open(&to, OpenMode::Read).and_then(|file| file.length());
        let fits = found.is_ok_and(|found| found == length);
        if !fits {
            let _ = self.media.remove(&to);
        }
        fits
    }
}
