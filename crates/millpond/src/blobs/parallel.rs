//! Hashing and compressing many blobs on all processors.

use std::{num::NonZero, thread};

/// Less work isn't worth waking other threads for.
const BYTES_MIN: usize = 256 << 10;

/// Threads that work together, at most.
const THREADS_MAX: usize = 8;

/// What `work` makes of each item, in their order; on several threads where the items have so many
/// `bytes` that it is worth it.
pub(super) fn map<T: Sync, R: Send>(items: &[T], bytes: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
    if threads == 1 || bytes < BYTES_MIN || items.len() < 2 * threads {
        return items.iter().map(work).collect();
    }
    let share = items.len().div_ceil(threads);
    let work = &work;
    thread::scope(|scope| {
        let mut shares = items.chunks(share);
        let own = shares.next().unwrap_or_default();
        let others: Vec<_> = shares
            .map(|items| (items, scope.spawn(move || items.iter().map(work).collect::<Vec<_>>())))
            .collect();
        let mut made: Vec<R> = own.iter().map(work).collect();
        for (items, other) in others {
            match other.join() {
                Ok(share) => made.extend(share),
                // It panicked, which it does here again, for the caller to see.
                Err(_) => made.extend(items.iter().map(work)),
            }
        }
        made
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_kept() {
        let items: Vec<u32> = (0..1001).collect();
        for bytes in [0, BYTES_MIN] {
            assert_eq!(map(&items, bytes, |item| item + 1), (1..1002).collect::<Vec<_>>());
            assert_eq!(map(&items[..1], bytes, |item| *item), [0]);
            assert!(map(&items[..0], bytes, |item| *item).is_empty());
        }
    }
}
