//! Metrics in Prometheus' text format, version 0.0.4: the one that files for its node exporter have,
//! too, which the OpenMetrics libraries don't write.

use std::fmt::{Display, Write};

use super::{Histogram, Metrics, Operations, histogram::BOUNDS_NS};

/// A family of samples: what it is called, what it says, and how to read it off.
struct Family {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    value: fn(&Metrics) -> Option<u64>,
}

const fn gauge(name: &'static str, help: &'static str, value: fn(&Metrics) -> Option<u64>) -> Family {
    Family { name, help, kind: "gauge", value }
}

const fn counter(name: &'static str, help: &'static str, value: fn(&Metrics) -> Option<u64>) -> Family {
    Family { name, help, kind: "counter", value }
}

const FAMILIES: &[Family] = &[
    gauge("pool_used_bytes", "Bytes allocated in the pool.", |m| Some(m.pool_used)),
    gauge("pool_size_bytes", "The pool's quota.", |m| m.pool_size),
    gauge("epoch", "The epoch of the newest commit.", |m| Some(m.statistics.epoch)),
    gauge("epoch_synced", "The epoch up to which a loss of power takes nothing.", |m| {
        Some(m.statistics.epoch_synced)
    }),
    gauge("records_bytes", "Bytes allocated for records, without the log.", |m| {
        Some(m.statistics.bytes_records)
    }),
    gauge("segments_bytes", "Bytes allocated for long values.", |m| Some(m.statistics.bytes_segments)),
    gauge("segments_live_bytes", "Bytes of long values that records own.", |m| {
        Some(m.statistics.bytes_segments_live)
    }),
    gauge("dead_bytes", "Bytes that a compaction would give back, about.", |m| Some(m.statistics.bytes_dead)),
    gauge("log_bytes", "Bytes in the log that no run holds yet: the backlog of checkpoints.", |m| {
        Some(m.statistics.bytes_log)
    }),
    gauge("records", "Records in runs, superseded versions and tombstones included.", |m| {
        Some(m.statistics.records)
    }),
    gauge("runs", "Sorted runs: the backlog of compaction.", |m| Some(m.statistics.runs)),
    gauge("segments", "Segments of long values.", |m| Some(m.statistics.segments)),
    gauge("processes", "Processes that have the container open.", |m| Some(m.statistics.processes)),
    counter("conflicts_total", "Commits that met another one.", |m| Some(m.operations.as_ref()?.conflicts)),
    counter("commits_refused_total", "Commits that failed.", |m| {
        Some(m.operations.as_ref()?.commits_refused)
    }),
    counter("records_written_total", "Records that commits put, deleted or adjusted.", |m| {
        Some(m.operations.as_ref()?.records_written)
    }),
    counter("records_scanned_total", "Records that scans came by.", |m| {
        Some(m.operations.as_ref()?.records_scanned)
    }),
    counter("written_bytes_total", "Bytes of keys and values that were written.", |m| {
        Some(m.operations.as_ref()?.bytes_written)
    }),
    counter("read_bytes_total", "Bytes of keys and values that were read.", |m| {
        Some(m.operations.as_ref()?.bytes_read)
    }),
];

type Durations = (&'static str, &'static str, fn(&Operations) -> &Histogram);

const DURATIONS: &[Durations] = &[
    ("commit_seconds", "How long commits took.", |o| &o.commits),
    ("flush_seconds", "How long calls of flush took.", |o| &o.flushes),
    ("get_seconds", "How long looking up a record took.", |o| &o.gets),
    ("segment_read_seconds", "How long reads of long values took.", |o| &o.segment_reads),
];

pub(super) fn text(metrics: &[Metrics]) -> String {
    let mut out = String::new();
    for family in FAMILIES {
        let samples: Vec<_> = metrics.iter().filter_map(|m| Some((labels(m), (family.value)(m)?))).collect();
        if samples.is_empty() {
            continue;
        }
        head(&mut out, family.name, family.help, family.kind);
        for (labels, value) in samples {
            sample(&mut out, family.name, &labels, value);
        }
    }
    for (name, help, of) in DURATIONS {
        let counted: Vec<_> =
            metrics.iter().filter_map(|m| Some((labels(m), m.operations.as_ref()?))).collect();
        if counted.is_empty() {
            continue;
        }
        head(&mut out, name, help, "histogram");
        for (labels, operations) in counted {
            histogram(&mut out, name, &labels, of(operations));
        }
    }
    out
}

fn histogram(out: &mut String, name: &str, labels: &str, histogram: &Histogram) {
    let mut upto = 0;
    for (count, bound) in histogram.buckets.iter().zip(BOUNDS_NS) {
        upto += count;
        let labels = format!("{labels},le=\"{}\"", bound as f64 / 1e9);
        sample(out, &format!("{name}_bucket"), &labels, upto);
    }
    let count = histogram.count();
    sample(out, &format!("{name}_bucket"), &format!("{labels},le=\"+Inf\""), count);
    sample(out, &format!("{name}_sum"), labels, histogram.sum_seconds);
    sample(out, &format!("{name}_count"), labels, count);
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    // Writing to a String doesn't fail.
    let _ = writeln!(out, "# HELP millpond_{name} {help}");
    let _ = writeln!(out, "# TYPE millpond_{name} {kind}");
}

fn sample(out: &mut String, name: &str, labels: &str, value: impl Display) {
    let _ = writeln!(out, "millpond_{name}{{{labels}}} {value}");
}

fn labels(metrics: &Metrics) -> String {
    format!("pool=\"{}\",container=\"{}\"", escaped(&metrics.pool), escaped(&metrics.container))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use super::*;
    use crate::metrics::histogram::Counting;

    fn metrics(container: &str, operations: Option<Operations>) -> Metrics {
        Metrics {
            pool: "lab \"1\"".into(),
            container: container.into(),
            statistics: Default::default(),
            pool_used: 7,
            pool_size: None,
            operations,
        }
    }

    #[test]
    fn each_family_has_one_head_and_a_sample_of_each_container() {
        let text = text(&[metrics("a", None), metrics("b", Some(Operations::default()))]);
        let heads: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
        assert_eq!(heads.len(), heads.iter().collect::<BTreeSet<_>>().len());
        assert!(
            text.contains("millpond_pool_used_bytes{pool=\"lab \\\"1\\\"\",container=\"a\"} 7\n"),
            "{text}"
        );
        assert!(text.contains("millpond_runs{pool=\"lab \\\"1\\\"\",container=\"b\"} 0\n"));
        assert!(text.contains("millpond_conflicts_total{pool=\"lab \\\"1\\\"\",container=\"b\"} 0\n"));
        assert!(!text.contains("millpond_conflicts_total{pool=\"lab \\\"1\\\"\",container=\"a\"}"));
        assert!(!text.contains("pool_size"), "there is no quota");
    }

    #[test]
    fn a_histogram_adds_up() {
        let counting = Counting::default();
        counting.add(Duration::from_micros(3));
        counting.add(Duration::from_secs(11));
        let operations = Operations { gets: counting.read(), ..Operations::default() };
        let text = text(&[metrics("a", Some(operations))]);
        let labels = "pool=\"lab \\\"1\\\"\",container=\"a\"";
        for (le, count) in [("0.000002", 0), ("0.000005", 1), ("10", 1), ("+Inf", 2)] {
            let line = format!("millpond_get_seconds_bucket{{{labels},le=\"{le}\"}} {count}\n");
            assert!(text.contains(&line), "{line} in {text}");
        }
        assert!(text.contains(&format!("millpond_get_seconds_count{{{labels}}} 2\n")));
        assert!(text.contains(&format!("millpond_get_seconds_sum{{{labels}}} 11.000003\n")));
    }
}
