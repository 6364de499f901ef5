//! How long something took, in buckets.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde::Serialize;

/// The upper ends of the buckets in nanoseconds, the last one open: three for each power of ten, from
/// a microsecond to ten seconds.
pub(super) const BOUNDS_NS: [u64; 22] = [
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Counts as they go up, by any number of threads.
#[derive(Debug, Default)]
pub(super) struct Counting {
    buckets: [AtomicU64; BOUNDS_NS.len() + 1],
    sum_ns: AtomicU64,
}

impl Counting {
    pub(super) fn add(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_NS.partition_point(|bound| *bound < nanos);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Histogram {
        let buckets = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        Histogram { buckets, sum_seconds: self.sum_ns.load(Ordering::Relaxed) as f64 / 1e9 }
    }
}

/// How often something took how long.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Histogram {
    /// How often it took up to 1 µs, over that up to 2, 5, 10, … µs, and so on up to 10 s, and longer.
    pub buckets: Vec<u64>,
    /// How long all of them took together.
    pub sum_seconds: f64,
}

impl Histogram {
    /// How often it was done.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The upper end in seconds of the bucket in which a quantile (0 to 1) lies; nothing where it was
    /// never done, and infinite where it took longer than 10 s.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let count = self.count();
        let wanted = ((count as f64 * quantile).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|in_it| {
            seen += in_it;
            seen >= wanted
        })?;
        Some(BOUNDS_NS.get(bucket).map_or(f64::INFINITY, |bound| *bound as f64 / 1e9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_falls_into_its_bucket() {
        let counting = Counting::default();
        for (nanos, times) in [(0, 1), (1_000, 2), (1_001, 3), (10_000_000_000, 4), (10_000_000_001, 5)] {
            (0..times).for_each(|_| counting.add(Duration::from_nanos(nanos)));
        }
        let read = counting.read();
        assert_eq!((read.buckets[0], read.buckets[1]), (3, 3));
        assert_eq!((read.buckets[21], read.buckets[22]), (4, 5));
        assert_eq!(read.count(), 15);
        assert!((read.sum_seconds - 90.0).abs() < 0.1);
    }

    #[test]
    fn quantiles_are_ends_of_buckets() {
        let counting = Counting::default();
        assert_eq!(counting.read().quantile(0.5), None);
        (0..98).for_each(|_| counting.add(Duration::from_micros(3)));
        (0..2).for_each(|_| counting.add(Duration::from_secs(60)));
        assert_eq!(counting.read().quantile(0.5), Some(5e-6));
        assert_eq!(counting.read().quantile(0.98), Some(5e-6));
        assert_eq!(counting.read().quantile(1.0), Some(f64::INFINITY));
    }
}
