//! How long operations took, counted in buckets.

use std::fmt::{self, Display};

/// Buckets of a factor of ten, by where they end; those below ten end at each whole microsecond.
const STEPS: [f64; 16] =
    [10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0, 50.0, 60.0, 70.0, 80.0, 90.0];

/// Factors of ten that are told apart from 10 microseconds on: up to about three hours.
const DECADES: usize = 9;

const BUCKETS: usize = 9 + STEPS.len() * DECADES + 1;

/// The hash marks of a bucket that has everything.
const MARKS: f64 = 20.0;

/// Durations in microseconds.
#[derive(Clone)]
pub(super) struct Histogram {
    counts: [u64; BUCKETS],
    count: u64,
    sum: f64,
    sum_squares: f64,
    min: f64,
    max: f64,
}

/// Where a bucket ends, itself not included, in microseconds.
fn end(bucket: usize) -> f64 {
    match bucket.checked_sub(9) {
        None => (bucket + 1) as f64,
        Some(above) if above / STEPS.len() < DECADES => {
            STEPS[above % STEPS.len()] * 10f64.powi((above / STEPS.len()) as i32)
        }
        Some(_) => f64::MAX,
    }
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { counts: [0; BUCKETS], count: 0, sum: 0.0, sum_squares: 0.0, min: f64::MAX, max: 0.0 }
    }

    pub(super) fn add(&mut self, micros: f64) {
        // Most operations are short: the bucket is near.
        let bucket = (0..BUCKETS - 1).find(|bucket| micros < end(*bucket)).unwrap_or(BUCKETS - 1);
        self.counts[bucket] += 1;
        self.count += 1;
        self.sum += micros;
        self.sum_squares += micros * micros;
        self.min = self.min.min(micros);
        self.max = self.max.max(micros);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.sum_squares += other.sum_squares;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// What so many percent took at most, if what is in a bucket is spread evenly over it.
    pub(super) fn percentile(&self, percent: f64) -> f64 {
        let threshold = self.count as f64 * percent / 100.0;
        let mut below = 0.0;
        for (bucket, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = *count as f64;
            if below + count >= threshold {
                let start = if bucket == 0 { 0.0 } else { end(bucket - 1) };
                let within = start + (end(bucket) - start) * (threshold - below) / count;
                return within.clamp(self.min, self.max);
            }
            below += count;
        }
        self.max
    }

    fn average(&self) -> f64 {
        self.sum / self.count.max(1) as f64
    }

    fn deviation(&self) -> f64 {
        let count = self.count.max(1) as f64;
        ((self.sum_squares * count - self.sum * self.sum).max(0.0) / (count * count)).sqrt()
    }
}

/// As pmemkv's benchmark prints it.
impl Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let min = if self.count == 0 { 0.0 } else { self.min };
        writeln!(
            f,
            "Count: {}  Average: {:.4}  StdDev: {:.2}",
            self.count,
            self.average(),
            self.deviation()
        )?;
        writeln!(f, "Min: {min:.4}  Median: {:.4}  Max: {:.4}", self.percentile(50.0), self.max)?;
        write!(f, "Percentiles:")?;
        for percent in [50.0, 75.0, 99.0, 99.9, 99.99] {
            write!(f, " P{percent}: {:.2}", self.percentile(percent))?;
        }
        writeln!(f, "\n------------------------------------------------------")?;
        let (all, mut seen) = (self.count.max(1) as f64, 0.0);
        for (bucket, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let start = if bucket == 0 { 0.0 } else { end(bucket - 1) };
            let share = *count as f64 / all;
            seen += share;
            let marks = "#".repeat((MARKS * share).round() as usize);
            writeln!(
                f,
                "[ {start:7.0}, {:7.0} ) {count:7} {:7.3}% {:7.3}% {marks}",
                end(bucket),
                share * 100.0,
                seen * 100.0
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other() {
        let ends: Vec<f64> = (0..BUCKETS).map(end).collect();
        assert!(ends.windows(2).all(|pair| pair[0] < pair[1]), "{ends:?}");
        assert_eq!(ends[..12], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 14.0]);
        assert_eq!((ends[24], ends[25], ends[26]), (90.0, 100.0, 120.0));
    }

    #[test]
    fn percentiles_are_where_they_should_be() {
        let mut histogram = Histogram::new();
        let mut other = Histogram::new();
        for micros in 1..=1000 {
            let half = if micros % 2 == 0 { &mut histogram } else { &mut other };
            half.add(f64::from(micros));
        }
        histogram.merge(&other);
        for (percent, expected) in [(50.0, 500.0), (75.0, 750.0), (99.9, 999.0)] {
            let found = histogram.percentile(percent);
            assert!((found - expected).abs() <= expected * 0.02, "P{percent} is {found}");
        }
        let text = histogram.to_string();
        assert!(text.starts_with("Count: 1000  Average: 500.5000  StdDev: 288.67\nMin: 1.0000"), "{text}");
        assert!(text.contains("[     900,    1000 )     100  10.000%  99.900% ##\n"), "{text}");
    }

    #[test]
    fn nothing_takes_no_time() {
        assert_eq!(Histogram::new().percentile(99.0), 0.0);
        assert!(Histogram::new().to_string().starts_with("Count: 0  Average: 0.0000"));
    }

    #[test]
    fn what_takes_for_ever_is_in_the_last_bucket() {
        let mut histogram = Histogram::new();
        histogram.add(1e12);
        assert_eq!(histogram.percentile(50.0), 1e12);
    }
}
