//! `millpond map bench`: what it prints, and what it leaves.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use millpond_pmemkv::{Config, Engine, Traits};
use serde_json::Value;

use crate::bench::Bench;

const WORKLOADS: [&str; 10] = [
    "fillseq",
    "fillrandom",
    "txfillrandom",
    "readseq",
    "readrandom",
    "readmissing",
    "deleteseq",
    "deleterandom",
    "readwhilewriting",
    "readrandomwriterandom",
];

/// The columns without histograms, as pmemkv-bench has them.
const HEADER: &str = "sequence_id,Benchmark,CPU,CPU model,CPUCache,Date,Engine,Entries,Keys [bytes each],\
    Open [millis/op],Path,RawSize [MB (estimated)],Values [bytes each],extra_data,micros/op (avarage),ops/sec,\
    throughput [MB/s]";

/// A run on a pool in a place of the test's own, and that place.
fn args(bench: &Bench, more: &[&str]) -> (Vec<String>, std::path::PathBuf) {
    let place = bench.directory().join("engine");
    let db = format!("--db={}", place.display());
    let words = ["map", "bench", &db].into_iter().chain(more.iter().copied());
    (words.map(str::to_owned).collect(), place)
}

fn rows(bench: &Bench, more: &[&str]) -> Vec<Value> {
    let (args, _) = args(bench, more);
    bench.json(args).as_array().expect("rows").clone()
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).expect("a directory").next().is_none()
}

#[test]
fn the_csv_has_a_row_for_each_workload() {
    Bench::each(|bench| {
        let all = format!("--benchmarks={}", WORKLOADS.join(","));
        let (args, place) = args(bench, &["--engine=radix", "--num=200", "--value_size=50", &all]);
        let csv = String::from_utf8(bench.ok(args)).expect("text");
        let lines: Vec<&str> = csv.split_terminator("\r\n").collect();
        assert_eq!(lines[0], HEADER);
        assert_eq!(lines.len(), 1 + WORKLOADS.len(), "{csv}");
        for ((line, workload), number) in lines[1..].iter().zip(WORKLOADS).zip(1..) {
            assert!(line.starts_with(&format!("{number},{workload},")), "{line}");
            let cells: Vec<&str> = line.split(',').collect();
            assert_eq!(cells.len(), HEADER.split(',').count(), "{line}");
            assert_eq!((cells[6], cells[7], cells[8], cells[12]), ("radix", "200", "16", "50"), "{line}");
            assert_eq!(cells[9].is_empty(), number != 1, "the engine is opened once: {line}");
            let per_second: f64 = cells[15].parse().expect("a number");
            assert!(per_second > 0.0, "{line}");
        }
        assert!(lines[4].contains("(200 of 200 found by one thread)"), "{}", lines[4]);
        assert!(lines[6].contains("(0 of 200 found by one thread)"), "{}", lines[6]);
        assert!(lines[10].contains("(reads:180 writes:20 total:200 found:"), "{}", lines[10]);
        assert!(!place.exists());
    });
}

#[test]
fn histograms_have_columns_and_a_picture() {
    let bench = Bench::memory();
    let options = ["--engine=vcmap", "--num=100", "--benchmarks=fillseq,readseq", "--histogram=1"];
    let rows = rows(&bench, &options);
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[1]["sequence_id"], &rows[1]["Benchmark"]), (&2.into(), &"readseq".into()));
    for column in ["Median", "Percentile P50.000000", "Percentile P99.900000", "Percentile P99.990000"] {
        assert!(rows[0][format!("{column} [micros/op]")].is_f64(), "{column} of {}", rows[0]);
    }
    let (args, _) = args(&bench, &options);
    let text = String::from_utf8(bench.ok(args)).expect("text");
    assert!(text.contains(",Median [micros/op],Open [millis/op],Path,Percentile P50.000000 [micros/op],"));
    assert!(text.contains("\nbenchmark: 2, readseq\nCount: 100  Average: "), "{text}");
}

#[test]
fn every_engine_is_measured_and_leaves_nothing() {
    for engine in Traits::all() {
        let bench = Bench::memory();
        let name = format!("--engine={}", engine.name);
        let sizes = ["--num=50", "--key_size=8", "--value_size=8", "--threads=3", "--durability=async"];
        let rows = rows(&bench, &[&[&*name], &sizes[..]].concat());
        let expected: Vec<_> = WORKLOADS
            .into_iter()
            .filter(|workload| engine.transactions || *workload != "txfillrandom")
            .collect();
        let done: Vec<_> = rows.iter().map(|row| row["Benchmark"].as_str().expect("a name")).collect();
        assert_eq!(done, expected, "{}", engine.name);
        assert!(is_empty(bench.directory()), "{}", engine.name);
    }
}

#[test]
fn threads_share_the_work_if_they_are_told_to() {
    let bench = Bench::memory();
    let fill = ["--num=1000", "--threads=7", "--disjoint=1", "--benchmarks=fillseq", "--keep"];
    assert_eq!(rows(&bench, &fill).len(), 1);
    let read = rows(&bench, &["--num=1000", "--benchmarks=readseq,readmissing"]);
    assert_eq!(read[0]["extra_data"], "(1000 of 1000 found by one thread)");
    assert_eq!(read[1]["extra_data"], "(0 of 1000 found by one thread)");
}

#[test]
fn what_is_kept_is_used_again_and_then_gone() {
    Bench::each(|bench| {
        let (fill, place) = args(bench, &["--engine=stree", "--num=100", "--benchmarks=fillseq", "--keep"]);
        bench.ok(fill);
        assert!(place.is_dir());
        let (other, _) = args(bench, &["--engine=csmap", "--num=100", "--benchmarks=readseq"]);
        let message = bench.fails(2, other);
        assert!(message.contains("stree"), "{message}");
        assert!(place.is_dir());

        let config = Config::default().with("path", place.to_str().expect("text")).expect("a configuration");
        let engine = Engine::open("stree", &config).expect("what was kept");
        let key = [&7u64.to_le_bytes()[..], b"00000000"].concat();
        assert_eq!(engine.get(&key).expect("read").as_deref(), Some(&[b'X'; 100][..]));
        engine.close().expect("closed");

        let read = rows(bench, &["--engine=stree", "--num=100", "--benchmarks=readrandom", "--reads=40"]);
        assert_eq!(read[0]["extra_data"], "(40 of 40 found by one thread)");
        assert!(!place.exists());
    });
}

#[test]
fn what_no_benchmark_made_is_left_alone() {
    Bench::each(|bench| {
        let (args, place) = args(bench, &["--num=10"]);
        fs::create_dir(&place).expect("a directory");
        let message = bench.fails(4, &args);
        assert!(message.contains("no benchmark made it"), "{message}");
        assert!(is_empty(&place));

        fs::write(place.join("precious"), "data").expect("a file");
        bench.fails(4, &args);
        assert_eq!(fs::read_to_string(place.join("precious")).expect("the file"), "data");
        fs::remove_dir_all(&place).expect("removed");

        let config = Config::default().with("path", place.to_str().expect("text")).expect("a configuration");
        let config =
            config.with("size", 1u64 << 30).and_then(|config| config.with("create_if_missing", true));
        let engine = Engine::open("cmap", &config.expect("a configuration")).expect("an engine");
        engine.put(b"precious", b"data").expect("stored");
        bench.fails(4, &args);
        assert_eq!(engine.get(b"precious").expect("read").as_deref(), Some(&b"data"[..]));
    });
}

#[test]
fn a_workload_that_fails_ends_the_run() {
    Bench::each(|bench| {
        let (args, _) = args(bench, &["--num=10", "--benchmarks=fillseq,txfillrandom,readseq"]);
        let answer = bench.run(&args);
        assert_eq!(answer.code, 16, "{}", answer.stderr);
        assert!(answer.stderr.contains("cmap has no transactions"), "{}", answer.stderr);
        assert_eq!(answer.text().lines().count(), 2, "{}", answer.text());
        let document = bench.run(args.iter().map(String::as_str).chain(["--json"])).document();
        assert_eq!(document["status"], 16);
        assert_eq!(document["response"].as_array().expect("rows").len(), 1);
        assert!(is_empty(bench.directory()) || !bench.directory().join("engine").exists());
    });
}

#[test]
fn an_engine_that_is_full_says_so() {
    let bench = Bench::memory();
    let options = ["--engine=vsmap", "--db_size_in_gb=1", "--value_size=100000000", "--num=20"];
    let (args, _) = args(&bench, &[&options[..], &["--benchmarks=fillseq"]].concat());
    let answer = bench.run(args);
    assert_eq!(answer.code, 6, "{}", answer.stderr);
    assert!(is_empty(bench.directory()));
}

#[test]
fn mistakes_are_told() {
    let bench = Bench::memory();
    for (option, why) in [
        ("--engine=cmaps", "a similar value exists: 'cmap'"),
        ("--benchmarks=fillseq,fillrnd", "fillrandom"),
        ("--num=0", "0 is not in 1.."),
        ("--threads=0", "0 is not in 1.."),
        ("--key_size=1025", "from 1 to 1024"),
        ("--histogram=2", "2 is not in"),
        ("--engine=robinhood", "8 bytes"),
    ] {
        let (args, _) = args(&bench, &[option]);
        let answer = bench.run(args);
        assert_eq!(answer.code, 2, "{option}: {}", answer.stderr);
        assert!(answer.stderr.contains(why), "{option}: {}", answer.stderr);
    }
    assert!(is_empty(bench.directory()));
}

#[test]
fn an_interrupted_run_prints_what_is_done_and_leaves_nothing() {
    let bench = Bench::processes();
    let (args, place) =
        args(&bench, &["--num=100000000", "--reads=10", "--benchmarks=readseq,readrandom,fillseq"]);
    let mut running = bench.command(args).stderr(Stdio::null()).spawn().expect("begun");
    let begun = Instant::now();
    while !place.join("pool.json").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "no pool appears");
        std::thread::sleep(Duration::from_millis(20));
    }
    // By then it catches signals, since it does so before it makes the pool.
    std::thread::sleep(Duration::from_millis(200));
    assert!(Command::new("kill").args(["-INT", &running.id().to_string()]).status().expect("run").success());
    let lines: Vec<String> = BufReader::new(running.stdout.take().expect("a pipe"))
        .lines()
        .map(|line| line.expect("text"))
        .collect();
    assert_eq!(running.wait().expect("ended").code(), Some(130));
    assert!(lines[0].starts_with("sequence_id"), "{lines:?}");
    assert!(lines[1..].iter().all(|line| line.contains(",read")), "{lines:?}");
    assert!(!place.exists());
}
