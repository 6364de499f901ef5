//! Waking those who wait for commits, in any process.
//!
//! Two words of the control memory: `sleepers` says whether anybody may be asleep, `rings` counts the
//! wake-ups and is what they sleep on. A committer looks at `sleepers` after it has published, and that is
//! all it pays where nobody sleeps. Whoever wakes the sleepers also clears the word: they say again that
//! they sleep, if they do, so that one that died asleep costs one wake-up and no more.
//!
//! No wake-up is lost. A sleeper reads `rings`, says that it sleeps, and only then looks whether what it
//! waits for is there. So either it sees what was published; or the committer, which published before it
//! looked, finds that somebody sleeps, and counts up `rings`: then the sleeper doesn't fall asleep, or is
//! woken. Should two ring at once, so that one clears what a sleeper has said since the other looked, then
//! it counts up `rings` after that, which the sleeper had read before.

use std::{
    mem::offset_of,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use crate::{
    bugs::{Bug, planted},
    control::{Control, Words},
    sync::{atomic::fence, pause},
};

/// How long anybody sleeps before looking again by itself: for what nobody rings for.
const NAP: Duration = Duration::from_millis(250);

impl Control {
    /// Wakes all who sleep; to be called after what they wait for is there.
    pub(crate) fn ring(&self) {
        fence(Ordering::SeqCst);
        let words = self.words();
        if words.sleepers.load(Ordering::SeqCst) == 0 || planted(Bug::WakeNobody) {
            return;
        }
        words.sleepers.store(0, Ordering::SeqCst);
        words.rings.fetch_add(1, Ordering::SeqCst);
        self.memory().wake(offset_of!(Words, rings));
    }

    /// Sleeps until `is_ready`, but no longer than a nap, and not past `deadline`.
    pub(crate) fn sleep(&self, deadline: Instant, is_ready: impl Fn() -> bool) {
        let words = self.words();
        let rings = words.rings.load(Ordering::SeqCst);
        words.sleepers.store(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if is_ready() {
            return;
        }
        if pause() {
            // On the model checker of interleavings nobody wakes up by himself: a lost wake-up hangs.
            while words.rings.load(Ordering::SeqCst) == rings {
                pause();
            }
            return;
        }
        let timeout = deadline.saturating_duration_since(Instant::now()).min(NAP);
        // The low half of the count: 2³² rings while one reads it twice would go unnoticed for a nap.
        self.memory().wait(offset_of!(Words, rings), rings as u32, timeout);
    }
}
