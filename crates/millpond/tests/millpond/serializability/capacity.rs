//! A place with a limit that is kept by counting: who finds room comes in, who finds none sends somebody
//! away. Nobody must ever see more than there is room for, although nobody reads what others write, but
//! only how many there are.

use millpond::{Container, Durability, TransactionOptions};
use millpond_testkit::random::{Random, test_scale, test_seed};

use crate::scratch::Scratch;

const ROOM: u64 = 5;
const GUESTS: &str = "guests";
const THREADS: u64 = 8;

/// The greatest number of guests that anybody saw.
pub fn most_seen<T>(scratch: &Scratch, seed: u64, rounds: u64, prepare: impl Fn() -> T + Sync) -> u64 {
    let container = super::container(scratch);
    container.create_dict(GUESTS).expect("created");
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (container, prepare) = (&container, &prepare);
                scope.spawn(move || {
                    let _prepared = prepare();
                    let mut random = Random::new(seed ^ thread << 32);
                    let turns = 0..rounds;
                    turns.map(|round| turn(container, &mut random, thread << 32 | round)).max().unwrap_or(0)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).max().unwrap_or(0)
    })
}

/// Comes in or sends somebody away, and looks around; answers how many there were at most.
fn turn(container: &Container, random: &mut Random, guest: u64) -> u64 {
    let options = TransactionOptions {
        durability: Some(Durability::Async),
        retries: Some(100_000),
        memory: random.chance(200).then_some(1),
        ..TransactionOptions::default()
    };
    let waits = random.below(200);
    container
        .transaction_with(options, |tx| {
            let guests = tx.dict(GUESTS)?;
            let count = guests.len()?;
            std::thread::sleep(std::time::Duration::from_micros(waits));
            if count < ROOM {
                guests.put(&guest.to_be_bytes(), b"is there")?;
            } else {
                guests.take_last()?;
            }
            Ok(())
        })
        .expect("committed");
    let options = TransactionOptions { read_only: true, ..options };
    let seen = container.transaction_with(options, |tx| {
        let guests = tx.dict(GUESTS)?;
        let (count, met) = (guests.len()?, guests.iter()?.count() as u64);
        assert_eq!(count, met, "a state counts another number of guests than it has");
        Ok(count)
    });
    seen.expect("read")
}

#[test]
fn there_are_never_more_than_there_is_room_for() {
    let seed = test_seed(1);
    for scratch in [Scratch::memory(), Scratch::file()] {
        assert_eq!(most_seen(&scratch, seed, 30 * test_scale(), || ()), ROOM);
    }
}
