//! A repair, cut off: of the store below, which accepts what is lost of the log and writes anew what
//! can be done without; and of the records, which puts back names and counts, and markers in the place of
//! what is lost.
//!
//! What can break: what could be read before can't be any more, or is another one; what is lost is
//! missing, and nothing says so; what was in doubt is taken for whole, and written to, before its loss
//! is accepted; the next repair finds something that it can't deal with.

use std::path::PathBuf;

use millpond::{Container, Dict, Durability, Error, ErrorKind, ObjectId, ObjectOptions, Result};
use millpond_core::{Commit, Key, Op, Write};
use millpond_testkit::{random::test_seed, sim::SimMachine};

use super::{Attacked, sweep};
use crate::{
    attacks::small_log,
    scratch::noise,
    simulated::{self, DIR},
};

const CATALOGUE: [u8; 18] = [0; 18];
const KEYS: u64 = 40;

fn files(machine: &SimMachine, kind: &str) -> Vec<PathBuf> {
    let files = machine.files(DIR.as_ref()).expect("listed");
    files.into_iter().filter(|file| file.to_string_lossy().ends_with(kind)).collect()
}

/// Changes a bit at the place of these bytes, in the only file of the kind that has them.
fn damage(machine: &SimMachine, kind: &str, bytes: &[u8]) {
    let mut damaged = 0;
    for file in files(machine, kind) {
        let content = machine.content(&file).expect("read");
        if let Some(place) = content.windows(bytes.len()).position(|window| window == bytes) {
            machine.flip(&file, place as u64 + 2, 0x10).expect("changed");
            damaged += 1;
        }
    }
    assert_eq!(damaged, 1, "files with {}", bytes.escape_ascii());
}

/// A container with a damaged manifest, run, log and segment, a dictionary without a name and one with
/// a wrong count; and the id of its object.
fn damaged() -> (SimMachine, ObjectId) {
    let machine = SimMachine::new(7);
    machine.record(false);
    let container = simulated::create(&machine, small_log(Durability::Sync));
    let dict = container.create_dict("d").expect("created");
    dict.put_many((0..KEYS).map(|number| (format!("key-{number:02}"), noise(number, 200)))).expect("put");
    dict.put_many((0..3).map(|number| (format!("long-{number}"), noise(100 + number, 9000)))).expect("put");
    let unnamed = container.create_dict("unnamed").expect("created");
    unnamed.put_many([(b"k", noise(300, 50))]).expect("put");
    let object = container.create_object(ObjectOptions::default()).expect("created");
    object.put("d", "single", &noise(200, 6000)).expect("put");
    object.write("d", "array", 1, 0, &noise(201, 100_000)).expect("written");
    object.write("d", "array", 1, 110_000, &noise(202, 8000)).expect("written");
    container.compact().expect("compacted");
    let store = container.store();
    let id = store.index().get(Key::new(&CATALOGUE, b"dd")).expect("read").expect("its name").value;
    let partition = [&id[1..], &[0, 0]].concat();
    for (key, op) in
        [(Key::new(&CATALOGUE, b"dunnamed"), Op::Delete), (Key::new(&partition, &[1]), Op::Adjust(5))]
    {
        let write = Write { key, op, tally: None };
        store.index().commit(&Commit { writes: vec![write], ..Commit::default() }).expect("committed");
    }
    dict.put_many((0..3).map(|number| (format!("lost-{number}"), noise(400 + number, 100)))).expect("put");
    dict.put_many((0..3).map(|number| (format!("late-{number}"), noise(500 + number, 100)))).expect("put");
    let id = object.id();
    container.close().expect("closed");
    drop((dict, unnamed, object, container));
    let machine = machine.power_cut_none();
    damage(&machine, ".log", b"lost-1");
    damage(&machine, ".seg", &noise(101, 9000)[5000..5020]);
    damage(&machine, ".seg", &noise(201, 100_000)[70_000..70_020]);
    for (kind, from_end) in [(".run", 1), ("manifest", 40)] {
        let files = files(&machine, kind);
        assert_eq!(files.len(), 1, "{files:?}");
        let length = machine.content(&files[0]).expect("read").len() as u64;
        machine.flip(&files[0], length - from_end, 0x04).expect("changed");
    }
    (machine, id)
}

/// Whether something can be read; then it is right.
fn is_there<T: PartialEq>(found: Result<T>, right: &T, what: &str) -> bool {
    match found {
        Ok(found) => {
            assert!(found == *right, "{what} is another one, or missing");
            true
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
            false
        }
    }
}

/// How many things of the container are as they should be; whatever can be read is.
fn look(container: &Container, object: ObjectId) -> u64 {
    let mut healthy = look_at_object(container, object).into_iter().filter(|healthy| *healthy).count();
    match container.dict("d") {
        Ok(dict) => healthy += look_at_dict(&dict),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
    }
    match container.dicts() {
        Ok(names) => {
            assert!(names.contains(&"d".to_owned()), "{names:?}");
            let found = names.iter().filter(|name| name.starts_with("lost+found-"));
            for name in found {
                let value =
                    container.dict(name).and_then(|dict| dict.get(b"k")).map(|value| value.map(Vec::from));
                assert!(is_there(value, &Some(noise(300, 50)), name));
                healthy += 1;
            }
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
    }
    healthy as u64
}

fn look_at_object(container: &Container, object: ObjectId) -> [bool; 4] {
    let Ok(object) = container.object(object) else { return [false; 4] };
    let single = object.get("d", "single").map(|value| value.map(Vec::from));
    let read = |start: u64, length: usize| {
        let mut bytes = vec![0; length];
        object.read("d", "array", 1, start, &mut bytes).map(|holes| (bytes, holes))
    };
    let intact = noise(201, 100_000)[..65_536].to_vec();
    let behind = [vec![0; 10_000], noise(202, 8000)].concat();
    let lost = read(65_000, 10_000).expect_err("a part of it is damaged").kind();
    assert!(matches!(lost, ErrorKind::Corrupt | ErrorKind::DataLoss), "{lost:?}");
    [
        is_there(single, &Some(noise(200, 6000)), "a single value"),
        is_there(read(0, 65_536), &(intact, Vec::new()), "what is intact of an extent"),
        is_there(read(100_000, 18_000), &(behind, std::iter::once(100_000..110_000).collect()), "an array"),
        lost == ErrorKind::DataLoss,
    ]
}

fn look_at_dict(dict: &Dict) -> usize {
    let get = |key: String| dict.get(key.as_bytes()).map(|value| value.map(Vec::from));
    let mut healthy = 0;
    let expected = (0..KEYS)
        .map(|number| (format!("key-{number:02}"), noise(number, 200)))
        .chain([0, 2].map(|number| (format!("long-{number}"), noise(100 + number, 9000))))
        .chain((0..3).map(|number| (format!("late-{number}"), noise(500 + number, 100))));
    for (key, value) in expected {
        healthy += usize::from(is_there(get(key.clone()), &Some(value), &key));
    }
    for number in 0..3 {
        // It was given up, or is in doubt.
        healthy += usize::from(is_there(get(format!("lost-{number}")), &None, "what is lost"));
    }
    // Its marker says so.
    match get("long-1".into()).expect_err("its bytes are damaged") {
        error if error.kind() == ErrorKind::DataLoss => healthy += 1,
        error => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
    }
    healthy + usize::from(dict.len().is_ok_and(|count| count == KEYS + 6))
}

/// Everything that is to be healthy in the end.
const END: u64 = KEYS + 2 + 3 + 3 + 1 + 1 + 4 + 1;

fn attack(seed: u64) -> u64 {
    let (machine, object) = damaged();
    let act = |container: &Container| {
        let report = container.check(true).expect("repaired");
        let written = container.dict("d").and_then(|dict| dict.put(b"key-00", &noise(0, 200)));
        written.unwrap_or_else(|error: Error| panic!("{error}, after {report:?}"));
        container.flush().expect("flushed");
    };
    let look = |container: &Container| look(container, object);
    sweep(&Attacked { machine: &machine, act: &act, look: &look, end: END }, seed)
}

#[test]
fn a_repair_never_makes_it_worse() {
    let cuts = attack(test_seed(1));
    assert!(cuts > 200, "only {cuts}");
}

/// The tests of the tests.
#[cfg(feature = "planted-bugs")]
mod planted {
    use crate::crashes::assert_noticed;

    #[test]
    fn a_value_that_is_gone_before_its_marker_is_there_is_noticed() {
        assert_noticed("a deletion before the marker", |seed| {
            let _planted = millpond::bugs::plant(millpond::bugs::Bug::DeleteBeforeMarker);
            super::attack(seed);
        });
    }

    #[test]
    fn files_that_go_by_a_manifest_that_is_not_durable_are_noticed() {
        assert_noticed("files unlinked by a manifest in doubt", |seed| {
            use millpond_local::bugs::{Bug, plant};
            let _planted = plant(Bug::UnlinkByManifestInDoubt);
            super::attack(seed);
        });
    }

    #[test]
    fn a_run_that_is_gone_before_the_new_one_is_there_is_noticed() {
        assert_noticed("a run that is unlinked early", |seed| {
            use millpond_local::bugs::{Bug, plant};
            let _planted = plant(Bug::UnlinkBeforeRepair);
            super::attack(seed);
        });
    }
}
