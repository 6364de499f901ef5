//! What a thread has done, and in how long.

use std::time::{Duration, Instant};

use super::histogram::Histogram;

/// Bytes in a megabyte, as throughput is given.
const MEGABYTE: f64 = 1_048_576.0;

/// What one thread has done, or several together.
pub(super) struct Stats {
    start: Instant,
    finish: Instant,
    last: Instant,
    /// The time of all threads.
    busy: Duration,
    /// Operations done.
    pub(super) done: u64,
    /// Bytes of keys and values that went in or out.
    pub(super) bytes: u64,
    pub(super) histogram: Option<Histogram>,
    /// What there is to say beside.
    pub(super) message: String,
}

impl Stats {
    /// Begins now.
    pub(super) fn begin(with_histogram: bool) -> Self {
        let now = Instant::now();
        let histogram = with_histogram.then(Histogram::new);
        Self {
            start: now,
            finish: now,
            last: now,
            busy: Duration::ZERO,
            done: 0,
            bytes: 0,
            histogram,
            message: String::new(),
        }
    }

    /// One more operation is done.
    pub(super) fn operation(&mut self) {
        self.done += 1;
        if let Some(histogram) = &mut self.histogram {
            let now = Instant::now();
            histogram.add(now.duration_since(self.last).as_secs_f64() * 1e6);
            self.last = now;
        }
    }

    /// Ends now.
    pub(super) fn end(&mut self) {
        self.finish = Instant::now();
        self.busy = self.finish - self.start;
    }

    /// Adds what another thread has done.
    pub(super) fn merge(mut self, other: Self) -> Self {
        self.start = self.start.min(other.start);
        self.finish = self.finish.max(other.finish);
        self.busy += other.busy;
        self.done += other.done;
        self.bytes += other.bytes;
        if let (Some(histogram), Some(other)) = (&mut self.histogram, &other.histogram) {
            histogram.merge(other);
        }
        // Of the messages, one is as good as another.
        if self.message.is_empty() {
            self.message = other.message;
        }
        self
    }

    /// Microseconds that a thread took for an operation.
    pub(super) fn micros_per_operation(&self) -> f64 {
        self.busy.as_secs_f64() * 1e6 / self.done.max(1) as f64
    }

    pub(super) fn operations_per_second(&self) -> f64 {
        self.done as f64 / self.elapsed()
    }

    pub(super) fn megabytes_per_second(&self) -> f64 {
        self.bytes as f64 / MEGABYTE / self.elapsed()
    }

    /// Seconds on the clock, of all threads; never nothing.
    fn elapsed(&self) -> f64 {
        (self.finish - self.start).max(Duration::from_nanos(1)).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_add_up() {
        let start = Instant::now();
        let of = |begin: u64, end: u64, done| Stats {
            start: start + Duration::from_secs(begin),
            finish: start + Duration::from_secs(end),
            busy: Duration::from_secs(end - begin),
            done,
            bytes: 1 << 20,
            message: format!("{done}"),
            ..Stats::begin(false)
        };
        let both = of(0, 2, 100).merge(of(1, 4, 300));
        assert_eq!((both.done, both.message.as_str()), (400, "100"));
        assert_eq!(both.micros_per_operation(), 5e6 / 400.0);
        assert_eq!(both.operations_per_second(), 100.0);
        assert_eq!(both.megabytes_per_second(), 0.5);
    }
}
