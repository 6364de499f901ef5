//! A consumer that is killed again and again, beside processes that write.
//!
//! What can break: a commit is told in part, twice, out of order or not at all, because a log file went
//! that somebody needed, a wake-up was lost, or a place was taken for another one after a death.
//! What must hold: the consumer, which writes down each commit with its epoch before it asks for the next
//! one, and goes on after the last epoch that it finds there, has in the end each commit of each producer
//! once, whole, in the order of its producer and of the epochs.

use std::{
    fs,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use millpond::{Container, ContainerOptions, Durability, Epoch, OpenOptions, WatchOptions};
use millpond_testkit::{
    process::{Part, Played, role, tell},
    random::{Random, test_scale, test_seed},
};

use crate::scratch::{Scratch, noise};

const TEST: &str = "watch::processes::a_consumer_that_is_killed_misses_nothing";
const PRODUCERS: u64 = 4;
const DICT: &str = "steps";
const JOURNAL: &str = "MILLPOND_TEST_JOURNAL";

/// Keys of a step: now and then so many that the commit is a run of its own.
fn parts(step: u64) -> u64 {
    if step % 50 == 17 { 900 } else { 3 }
}

fn value(producer: u64, step: u64, part: u64) -> Vec<u8> {
    // Some of them in segments.
    let length = if step.is_multiple_of(7) && part == 0 { 9000 } else { 60 };
    noise(producer << 40 | step << 12 | part, length + if parts(step) > 3 { 1500 } else { 0 })
}

fn key(producer: u64, step: u64, part: u64) -> String {
    format!("{producer}/{step:08}/{part:04}")
}

fn produce(url: &str, producer: u64) {
    let durability = if producer.is_multiple_of(2) { Durability::Async } else { Durability::Sync };
    let options = OpenOptions { durability: Some(durability), ..OpenOptions::default() };
    let dict = Container::open_with(url, options).expect("opened").dict(DICT).expect("opened");
    for step in 0.. {
        let step_of = (0..parts(step)).map(|part| (key(producer, step, part), value(producer, step, part)));
        dict.put_many(step_of).expect("put");
        tell(step);
        if step % 40 == 39 && producer == 0 {
            dict.container().compact().expect("compacted");
        }
    }
}

/// Writes a line for each commit, and dies somewhere.
fn consume(url: &str, journal: &Path) {
    let lines = fs::read_to_string(journal).unwrap_or_default();
    // A line that a death has cut is not there.
    let whole = lines.rfind('\n').map_or("", |end| &lines[..=end]);
    let kept = fs::OpenOptions::new().append(true).create(true).open(journal).expect("opened");
    // In one step: a death in between must not take what was seen.
    kept.set_len(whole.len() as u64).expect("cut");
    let last = whole.lines().last().and_then(|line| line.split_once(' ')).map(|(epoch, _)| epoch);
    let container = Container::open(url).expect("opened");
    let mut options = WatchOptions::default().dict(DICT).cursor("consumer");
    if let Some(epoch) = last {
        options = options.after(Epoch(epoch.parse().expect("a number")));
    }
    let mut watch = container.watch(options).expect("a watch");
    let mut out = fs::OpenOptions::new().append(true).create(true).open(journal).expect("opened");
    tell("watching");
    for count in 1u64.. {
        let set = watch.next().expect("endless").expect("no error");
        let epoch = set.epoch();
        let (mut step, mut told) = (None, 0);
        for change in set {
            let change = change.expect("read");
            let text = std::str::from_utf8(change.key().expect("a key")).expect("text");
            let words: Vec<u64> = text.split('/').map(|word| word.parse().expect("a number")).collect();
            let [producer, number, part] = words[..] else { panic!("a foreign key {text}") };
            assert_eq!(*step.get_or_insert((producer, number)), (producer, number), "of one step");
            assert!(
                change.value().expect("read").expect("a value") == value(producer, number, part),
                "{text}"
            );
            told += 1;
        }
        let (producer, number) = step.expect("a change");
        assert_eq!(told, parts(number), "step {number} of producer {producer} is told in part");
        out.write_all(format!("{} {producer} {number}\n", epoch.0).as_bytes()).expect("written");
        if count % 20 == 0 {
            watch.acknowledge(epoch).expect("acknowledged");
        }
        tell(epoch.0);
    }
}

#[test]
fn a_consumer_that_is_killed_misses_nothing() {
    if let Some(role) = role() {
        let journal = std::env::var(JOURNAL).unwrap_or_default();
        let (number, url) = role.split_once(' ').expect("a number and a URL");
        return match number.parse() {
            Ok(producer) => produce(url, producer),
            Err(_) => consume(url, Path::new(&journal)),
        };
    }
    let mut random = Random::new(test_seed(1));
    let scratch = Scratch::file();
    let options = ContainerOptions { log_bytes: Some(64 << 10), ..ContainerOptions::default() };
    let container = scratch.pool().create_container(Some("kv"), options).expect("a container");
    container.create_dict(DICT).expect("created");
    let journal = scratch.dir.path().join("journal");
    let start =
        |part: String| Part::new(TEST, format!("{part} {}", container.url())).env(JOURNAL, &journal).start();
    let mut consumer = start("consumer".into());
    assert_eq!(consumer.told().as_deref(), Some("watching"));
    // From here on the cursor keeps everything.
    let mut producers: Vec<Played> = (0..PRODUCERS).map(|number| start(number.to_string())).collect();
    let mut steps = [0u64; PRODUCERS as usize];
    let deadline = Instant::now() + Duration::from_secs(5 * test_scale());
    let mut deaths = 0;
    while Instant::now() < deadline || deaths < 5 {
        std::thread::sleep(Duration::from_millis(random.below(250)));
        consumer.kill();
        deaths += 1;
        std::thread::sleep(Duration::from_millis(random.below(60)));
        consumer = start("consumer".into());
    }
    for (process, steps) in producers.iter_mut().zip(&mut steps) {
        process.kill();
        while let Some(step) = process.told() {
            *steps = step.parse::<u64>().expect("a number") + 1;
        }
    }
    // The last commit of a producer may have been made and not said.
    let dict = container.dict(DICT).expect("opened");
    for (producer, steps) in steps.iter_mut().enumerate() {
        if dict.contains(key(producer as u64, *steps, 0).as_bytes()).expect("asked") {
            *steps += 1;
        }
        assert!(*steps > 5, "producer {producer} made {steps} steps: the test shows little");
    }
    let last = container.flush().expect("flushed");
    let seen_all = || {
        let lines = fs::read_to_string(&journal).expect("read");
        lines.lines().count() as u64 >= steps.iter().sum()
    };
    let patience = Instant::now() + Duration::from_secs(60);
    while !seen_all() && Instant::now() < patience && consumer.ended().is_none() {
        std::thread::sleep(Duration::from_millis(20));
    }
    consumer.kill();
    let lines = fs::read_to_string(&journal).expect("read");
    let (mut seen, mut before) = ([0u64; PRODUCERS as usize], 0);
    for line in lines.lines() {
        let words: Vec<u64> = line.split(' ').map(|word| word.parse().expect("a number")).collect();
        let [epoch, producer, step] = words[..] else { panic!("{line:?}") };
        assert!(epoch > before && epoch <= last.0, "epoch {epoch} after {before}");
        before = epoch;
        assert_eq!(step, seen[producer as usize], "of producer {producer}");
        seen[producer as usize] += 1;
    }
    assert_eq!(seen, steps, "with {deaths} deaths");
}
