//! Several processes on one array: no write waits for another one for long, and no byte is lost.

use millpond::{Container, ErrorKind, KeyKind, Object, ObjectOptions};
use millpond_testkit::{
    process::{Part, role},
    random::{Random, test_scale, test_seed},
};

use crate::scratch::{Scratch, noise};

const PROCESSES: u64 = 8;
/// Bytes of a process's own part of a stripe: nothing is aligned to them.
const PART: u64 = 1237;
const STRIPES: u64 = 40;

fn stripe_of(record: u64) -> (u64, u64) {
    (record / (PART * PROCESSES), record / PART % PROCESSES)
}

#[test]
fn writers_of_disjoint_extents_never_conflict_and_lose_nothing() {
    let stripes = STRIPES * test_scale();
    if let Some(role) = role() {
        let [url, id, number, seed] = role.split(' ').collect::<Vec<_>>()[..] else { panic!("a role") };
        let (number, seed): (u64, u64) = (number.parse().expect("a number"), seed.parse().expect("a seed"));
        let container = Container::open(url).expect("opened");
        let object = container.object(id.parse().expect("an id")).expect("an object");
        let mut random = Random::new(seed + number);
        for stripe in 0..stripes {
            let start = (stripe * PROCESSES + number) * PART;
            let bytes = noise(start, PART as usize);
            // First something else, and then the right bytes, in pieces of any length.
            object.write(1, "a", 1, start, &vec![0xEE; PART as usize]).expect("written");
            let mut at = 0;
            while at < bytes.len() {
                let end = (at + 1 + random.index(300)).min(bytes.len());
                object.write(1, "a", 1, start + at as u64, &bytes[at..end]).expect("written");
                at = end;
            }
            // Those who read merge, too.
            if stripe % 8 == 7 {
                let mut all = vec![0; (PART * PROCESSES * (stripe + 1)) as usize];
                object.read(1, "a", 1, 0, &mut all).expect("read");
                check_own(&all, number);
            }
        }
        return;
    }
    let seed = test_seed(1);
    let scratch = Scratch::file();
    let container = scratch.container();
    let options = ObjectOptions { dkeys: KeyKind::Integer, ..Default::default() };
    let object = container.create_object(options).expect("an object");
    let processes: Vec<_> = (0..PROCESSES)
        .map(|number| {
            let role = format!("{} {} {number} {seed}", container.url(), object.id());
            Part::new("object::processes::writers_of_disjoint_extents_never_conflict_and_lose_nothing", role)
                .start()
        })
        .collect();
    processes.into_iter().for_each(|process| process.finish());
    for merged in [false, true] {
        let mut all = vec![0; (PART * PROCESSES * stripes) as usize];
        assert_eq!(object.read(1, "a", 1, 0, &mut all).expect("read"), []);
        (0..PROCESSES).for_each(|number| check_own(&all, number));
        if !merged {
            container.compact().expect("compacted");
        }
    }
    assert!(container.check(false).expect("checked").is_clean());
}

/// What a process wrote is there, all of it.
fn check_own(all: &[u8], number: u64) {
    for (stripe, part) in
        all.chunks_exact(PART as usize).enumerate().map(|(part, bytes)| (part as u64, bytes))
    {
        let start = stripe * PART;
        if stripe_of(start).1 == number {
            assert!(part == noise(start, PART as usize), "bytes from {start} on");
        }
    }
}

/// All of them at once, on the same records: what is there in the end is what one of them wrote.
#[test]
fn writers_of_the_same_extent_never_conflict() {
    if let Some(role) = role() {
        let [url, id, number] = role.split(' ').collect::<Vec<_>>()[..] else { panic!("a role") };
        let container = Container::open(url).expect("opened");
        let object: Object = container.object(id.parse().expect("an id")).expect("an object");
        let number: u8 = number.parse().expect("a number");
        for round in 0..200u64 {
            object.write(1, "a", 1, round % 7, &[number; 100]).expect("written");
            object.put(2, "a", &[number; 100]).expect("put");
        }
        return;
    }
    let scratch = Scratch::file();
    let container = scratch.container();
    let options = ObjectOptions { dkeys: KeyKind::Integer, ..Default::default() };
    let object = container.create_object(options).expect("an object");
    let processes: Vec<_> = (1..=4)
        .map(|number| {
            let role = format!("{} {} {number}", container.url(), object.id());
            Part::new("object::processes::writers_of_the_same_extent_never_conflict", role).start()
        })
        .collect();
    processes.into_iter().for_each(|process| process.finish());
    let mut middle = [0; 90];
    object.read(1, "a", 1, 7, &mut middle).expect("read");
    assert!((1..=4).contains(&middle[0]) && middle.iter().all(|byte| *byte == middle[0]));
    let single = object.get(2, "a").expect("read").expect("a value");
    assert!(single.iter().all(|byte| *byte == single[0]));
    assert_eq!(object.write(2, "a", 1, 0, b"x").expect_err("mixed").kind(), ErrorKind::InvalidArgument);
}
