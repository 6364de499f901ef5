//! Snapshots do what copies of everything would do, whatever is asked in whatever order.

use std::collections::BTreeMap;

use millpond::{Container, ContainerOptions, Durability, ErrorKind, Pool, PoolOptions};
use millpond_testkit::random::{Random, test_scale, test_seed};

use crate::scratch::{Scratch, noise};

on_every_backend!(snapshots_are_copies);

type Dicts = BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>;

struct Run<'a> {
    scratch: &'a Scratch,
    random: Random,
    container: Container,
    now: Dicts,
    copies: BTreeMap<String, Dicts>,
    made: u64,
}

fn snapshots_are_copies(scratch: &Scratch) {
    let seed = test_seed(1);
    let options = ContainerOptions {
        log_bytes: Some(64 << 10),
        durability: Some(Durability::Async),
        ..ContainerOptions::default()
    };
    let pool = Pool::create(&scratch.url, PoolOptions::default()).expect("a pool");
    let container = pool.create_container(Some("kv"), options).expect("a container");
    let random = Random::new(seed);
    let mut run = Run { scratch, random, container, now: Dicts::new(), copies: BTreeMap::new(), made: 0 };
    for step in 0..1500 * test_scale() {
        println!("step {step}, seed {seed}");
        run.step();
    }
    run.compare_all();
    assert!(run.container.check(false).expect("checked").is_clean());
}

impl Run<'_> {
    fn step(&mut self) {
        match self.random.below(1000) {
            0..600 => self.write(),
            600..640 => self.create_or_destroy(),
            640..720 => self.snapshot(),
            720..770 => self.destroy_snapshot(),
            770..830 => self.look_back(),
            830..900 => self.diff(),
            900..940 => self.rollback(),
            940..975 => self.container.compact().expect("compacted"),
            _ => self.reopen(),
        }
    }

    fn name(&mut self) -> String {
        format!("dict {}", self.random.below(4))
    }

    fn key(&mut self) -> Vec<u8> {
        format!("key {}", self.random.below(60)).into_bytes()
    }

    /// A value, some of them long ones.
    fn value(&mut self) -> Vec<u8> {
        self.made += 1;
        let length =
            if self.random.chance(60) { 3000 + self.random.index(40_000) } else { self.random.index(120) };
        noise(self.made, length)
    }

    fn write(&mut self) {
        let name = self.name();
        if !self.now.contains_key(&name) {
            return;
        }
        let dict = self.container.dict(&name).expect("opened");
        for _ in 0..1 + self.random.index(6) {
            let key = self.key();
            if self.random.chance(250) {
                dict.delete(&key).expect("deleted");
                self.now.get_mut(&name).expect("there").remove(&key);
            } else {
                let value = self.value();
                dict.put(&key, &value).expect("put");
                self.now.get_mut(&name).expect("there").insert(key, value);
            }
        }
    }

    fn create_or_destroy(&mut self) {
        let name = self.name();
        if self.now.remove(&name).is_some() {
            self.container.destroy_dict(&name).expect("destroyed");
        } else {
            self.container.create_dict(&name).expect("created");
            self.now.insert(name, BTreeMap::new());
        }
    }

    fn snapshot(&mut self) {
        let name = format!("snapshot {}", self.random.below(6));
        match self.container.snapshot(&name) {
            Ok(_) => assert!(self.copies.insert(name, self.now.clone()).is_none()),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
                assert!(self.copies.contains_key(&name));
            }
        }
    }

    fn any(&mut self) -> Option<String> {
        let at = self.random.index(self.copies.len().max(1));
        self.copies.keys().nth(at).cloned()
    }

    fn destroy_snapshot(&mut self) {
        let Some(name) = self.any() else { return };
        self.container.destroy_snapshot(&name).expect("destroyed");
        self.copies.remove(&name);
    }

    fn look_back(&mut self) {
        if let Some(name) = self.any() {
            compare(&self.container.at(name.as_str()).expect("opened"), &self.copies[&name]);
        }
        compare(&self.container, &self.now);
    }

    fn diff(&mut self) {
        let (Some(from), Some(to)) = (self.any(), self.any()) else { return };
        let to_now = self.random.chance(300);
        let found = match to_now {
            true => self.container.diff(from.as_str(), ()),
            false => self.container.diff(from.as_str(), to.as_str()),
        };
        let mut found: Vec<String> =
            found.expect("compared").map(|difference| difference.expect("read").to_string()).collect();
        found.sort();
        let (then, now) = (&self.copies[&from], if to_now { &self.now } else { &self.copies[&to] });
        let expected = difference(then, now);
        // One that was destroyed and made anew is another dictionary of the same name; and what was
        // written again with the same value may count as changed.
        let missing: Vec<_> = expected.iter().filter(|line| !found.contains(line)).collect();
        let is_replaced = |line: &str| {
            let name = &line[2..8];
            found.contains(&format!("- {name}")) && found.contains(&format!("+ {name}"))
        };
        assert!(missing.iter().all(|line| is_replaced(line)), "{missing:?} of {from} to {to} are missing");
        for line in &found {
            let is_there = expected.contains(line) || is_replaced(line) || line.starts_with('~');
            assert!(is_there, "{line} of {from} to {to} is no difference");
        }
    }

    fn rollback(&mut self) {
        let Some(name) = self.any() else { return };
        self.container.rollback(&name).expect("rolled back");
        self.now = self.copies[&name].clone();
        compare(&self.container, &self.now);
    }

    fn reopen(&mut self) {
        if self.scratch.url.starts_with("file:") {
            let url = self.container.url();
            self.container.close().expect("closed");
            self.container = Container::open(&url).expect("opened");
        }
        let names: Vec<_> = self.container.snapshots().expect("listed").into_iter().map(|s| s.name).collect();
        let mut sorted = names.clone();
        sorted.sort();
        assert!(sorted.iter().eq(self.copies.keys()), "{names:?}");
    }

    fn compare_all(&self) {
        compare(&self.container, &self.now);
        for (name, copy) in &self.copies {
            compare(&self.container.at(name.as_str()).expect("opened"), copy);
        }
    }
}

/// The lines that a diff of two copies shows, in order of the text.
fn difference(then: &Dicts, now: &Dicts) -> Vec<String> {
    let empty = BTreeMap::new();
    let mut lines = Vec::new();
    for name in then.keys().chain(now.keys().filter(|name| !then.contains_key(*name))) {
        match (then.contains_key(name), now.contains_key(name)) {
            (true, false) => lines.push(format!("- {name}")),
            (false, true) => lines.push(format!("+ {name}")),
            _ => {}
        }
        let (then, now) = (then.get(name).unwrap_or(&empty), now.get(name).unwrap_or(&empty));
        for (key, value) in then {
            let key_shown = key.escape_ascii();
            match now.get(key) {
                None => lines.push(format!("- {name} {key_shown}")),
                Some(other) if other != value => lines.push(format!("~ {name} {key_shown}")),
                Some(_) => {}
            }
        }
        for key in now.keys().filter(|key| !then.contains_key(*key)) {
            lines.push(format!("+ {name} {}", key.escape_ascii()));
        }
    }
    lines.sort();
    lines
}

#[track_caller]
fn compare(container: &Container, expected: &Dicts) {
    assert!(container.dicts().expect("listed").iter().eq(expected.keys()));
    for (name, entries) in expected {
        let dict = container.dict(name).expect("opened");
        assert_eq!(dict.len().expect("counted"), entries.len() as u64, "{name}");
        let mut found = dict.iter().expect("listed");
        for (key, value) in entries {
            let (found_key, found_value) = found.next().expect("an entry").expect("read");
            assert!(found_key == key[..] && found_value == value[..], "{name} {}", key.escape_ascii());
        }
        assert!(found.next().is_none());
    }
}
