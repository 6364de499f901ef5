//! A rollback, cut off: the container shows the state before it or the one after, whole.
//!
//! What can break: a dictionary is back without its entries, or its count; an array has some of its
//! extents; bytes that the old versions own again are given up; a snapshot isn't what it was.

use std::collections::BTreeMap;

use millpond::{ArrayOptions, Conditions, Container, Durability, ErrorKind, ObjectOptions};
use millpond_testkit::{random::test_seed, sim::SimMachine};

use super::{Attacked, sweep};
use crate::{attacks::small_log, scratch::noise, simulated};

/// Records of arrays that are read.
const RECORDS: usize = 40_000;

/// All that a container shows.
type Contents = BTreeMap<String, Vec<u8>>;

fn contents(container: &Container) -> Contents {
    let mut all = Contents::new();
    for name in container.dicts().expect("listed") {
        let dict = container.dict(&name).expect("opened");
        let mut count = 0;
        for entry in dict.iter().expect("listed") {
            let (key, value) = entry.expect("read");
            all.insert(format!("{name} {}", key.escape_ascii()), value.to_vec());
            count += 1;
        }
        assert_eq!(dict.len().expect("counted"), count, "dict {name:?}");
        all.insert(name, Vec::new());
    }
    for id in container.objects().expect("listed") {
        let object = container.object(id.expect("read")).expect("opened");
        for dkey in object.list_dkeys().expect("listed") {
            let dkey = dkey.expect("read");
            for akey in object.list_akeys(dkey.clone()).expect("listed") {
                let akey = akey.expect("read");
                let value = match object.get(dkey.clone(), akey.clone()) {
                    Err(error) if error.kind() == ErrorKind::InvalidArgument => {
                        let mut bytes = vec![0; RECORDS];
                        let holes = object.read(dkey.clone(), akey.clone(), 1, 0, &mut bytes).expect("read");
                        bytes.extend(format!("{holes:?}").into_bytes());
                        bytes
                    }
                    value => value.expect("read").expect("there").to_vec(),
                };
                all.insert(format!("{} {dkey} {akey}", object.id()), value);
            }
        }
    }
    all
}

/// A container that was changed since its snapshot "then": of `keys` short values each.
fn changed(keys: u64) -> SimMachine {
    let machine = SimMachine::new(7);
    machine.record(false);
    let container = simulated::create(&machine, small_log(Durability::Sync));
    let dict = container.create_dict("d").expect("created");
    let put = |generation: u64| {
        let entries = (generation..keys + generation)
            .map(|number| (number.to_be_bytes(), noise(generation * 1000 + number, 1500)));
        dict.put_many(entries).expect("put");
        dict.put(b"long", &noise(generation, 20_000)).expect("put");
    };
    put(0);
    container.create_dict("gone").expect("created").put(b"k", b"v").expect("put");
    let object = container.create_object(ObjectOptions::default()).expect("created");
    object.put("d", "single", &noise(1, 9000)).expect("put");
    object.write("d", "array", 1, 100, &noise(2, 20_000)).expect("written");
    let punched = container.create_object(ObjectOptions::default()).expect("created");
    punched.put("d", "a", b"1").expect("put");
    container.snapshot("then").expect("taken");
    container.compact().expect("compacted");

    put(1);
    dict.delete(&1u64.to_be_bytes()).expect("deleted");
    container.destroy_dict("gone").expect("destroyed");
    container.create_dict("new").expect("created").put(b"k", b"v").expect("put");
    object.put("d", "single", &noise(3, 5000)).expect("put");
    object.write("d", "array", 1, 7000, &noise(4, 9000)).expect("written");
    object.punch_extents("d", "array", [0..300, 15_000..16_000]).expect("punched");
    punched.punch(Conditions::NONE).expect("punched");
    container.create_array(ArrayOptions::default()).expect("created").write(5, b"abc").expect("written");
    container.close().expect("closed");
    drop(container);
    machine.power_cut_none()
}

/// Attacks a rollback of so many keys and more.
fn attack(keys: u64, seed: u64) -> u64 {
    let machine = changed(keys);
    let (before, then) = {
        let process = machine.process();
        let container = simulated::open(&process);
        let both = (contents(&container), contents(&container.at("then").expect("opened")));
        process.kill();
        both
    };
    assert!(before != then);
    let look = |container: &Container| {
        let now = contents(container);
        assert!(now == before || now == then, "a rollback is there in part");
        assert!(contents(&container.at("then").expect("opened")) == then, "the snapshot is another one");
        u64::from(now == then)
    };
    let act = |container: &Container| {
        container.rollback("then").expect("rolled back");
    };
    sweep(&Attacked { machine: &machine, act: &act, look: &look, end: 1 }, seed)
}

#[test]
fn a_rollback_in_one_record_is_whole() {
    let cuts = attack(6, test_seed(1));
    assert!(cuts > 20, "only {cuts}");
}

/// It is written as a run, which its record only names.
#[test]
fn a_rollback_in_a_run_is_whole() {
    let cuts = attack(800, test_seed(1));
    assert!(cuts > 100, "only {cuts}");
}

/// The tests of the tests.
#[cfg(feature = "planted-bugs")]
mod planted {
    use crate::crashes::assert_noticed;

    #[test]
    fn a_rollback_of_two_commits_is_noticed() {
        assert_noticed("a rollback in two commits", |seed| {
            let _planted = millpond::bugs::plant(millpond::bugs::Bug::TearRollbacks);
            super::attack(6, seed);
        });
    }

    #[test]
    fn a_run_that_is_not_durable_is_noticed() {
        assert_noticed("a run that isn't synced", |seed| {
            use millpond_local::bugs::{Bug, plant};
            let _planted = plant(Bug::BulkRunWithoutSync);
            super::attack(800, seed);
        });
    }
}
