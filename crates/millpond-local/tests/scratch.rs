use millpond_core::*;
use millpond_local::{media::*, *};
use millpond_testkit::conformance::*;
use std::sync::Arc;
use uuid::Uuid;

fn system() -> Fixture {
    let media: Arc<dyn Media> = Arc::new(SystemMedia);
    let dir = std::env::temp_dir().join(format!("millpond-conf-{:x}", media.random()));
    media.create_dir(&dir).unwrap();
    let id = Uuid::new_v4();
    Engine::create(&media, &dir, id, 64 << 10).unwrap();
    Fixture::new(move || {
        Ok(Arc::new(LocalStore::open(
            media.clone(),
            &dir,
            id,
            EngineOptions { log_bytes: 64 << 10, ..Default::default() },
            false,
        )?))
    })
}

#[test]
fn conformance() {
    run(system);
}

#[test]
fn random() {
    for seed in 0..8 {
        println!("seed {seed}");
        random_ops(&mut system(), seed, 3000);
    }
}

fn put<'a>(key: &'a [u8], value: &'a [u8]) -> Write<'a> {
    Write { key: Key::new(b"p", key), op: Op::Put { value, extents: &[] }, tally: Some(Key::new(b"q", b"n")) }
}

#[test]
fn two_attached() {
    let machine = millpond_testkit::sim::SimMachine::new(1);
    let dir = std::path::Path::new("/c");
    let id = Uuid::from_u128(1);
    let options = EngineOptions { log_bytes: 64 << 10, background: false, ..Default::default() };
    let first: Arc<dyn Media> = machine.process();
    first.create_dir(dir).unwrap();
    Engine::create(&first, dir, id, 64 << 10).unwrap();
    let a = LocalStore::open(first, dir, id, options.clone(), false).unwrap();
    let b = LocalStore::open(machine.process(), dir, id, options.clone(), false).unwrap();
    for round in 0..400u32 {
        let (one, two) = if round % 2 == 0 { (&a, &b) } else { (&b, &a) };
        let key = round.to_be_bytes();
        let commit = Commit {
            writes: vec![put(&key, &[1; 900])],
            durability: Durability::Async,
            ..Default::default()
        };
        one.index().commit(&commit).unwrap();
        if round % 7 == 0 {
            one.compact().unwrap();
        }
        assert!(two.index().get(Key::new(b"p", &key)).unwrap().is_some());
        if round % 5 == 0 {
            two.compact().unwrap();
        }
        if round % 11 == 0 {
            two.flush_check();
        }
    }
    drop((a, b));
    let c = LocalStore::open(machine.process(), dir, id, options, false).unwrap();
    assert_eq!(c.index().view(At::Latest).unwrap().counter(Key::new(b"q", b"n")).unwrap(), 400);
}
trait FlushCheck {
    fn flush_check(&self);
}
impl FlushCheck for LocalStore {
    fn flush_check(&self) {
        self.index().flush().unwrap();
    }
}
