//! What is run in every order: a few calls of a few threads, and what must hold of their answers.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use millpond_core::{
    At, Commit, Direction, Durability, Epoch, Index, Key, KeyRange, Op, Outcome, Precondition, Segments,
    Store, View, WatchOptions, Write,
};
use millpond_local::{Engine, EngineOptions, LocalStore, media::Media};
use millpond_testkit::{
    history::{self, Action, Answer, Call, End},
    random::Random,
    sim::SimMachine,
};
use shuttle::thread;
use uuid::Uuid;

const P: &[u8] = b"p";
const COUNT: Key<'static> = Key { partition: b"count", sort: b"" };
const CONTAINER: Uuid = Uuid::from_u128(1);
const LOG_BYTES: u64 = 64 << 10;
const DIR: &str = "/pool/container";

fn machine() -> SimMachine {
    let machine = SimMachine::new(1);
    machine.record(false);
    let media: Arc<dyn Media> = machine.process();
    media.create_dir(Path::new(DIR)).expect("created");
    Engine::create(&media, Path::new(DIR), CONTAINER, LOG_BYTES).expect("created");
    machine
}

fn open(machine: &SimMachine) -> Arc<LocalStore> {
    let options = EngineOptions {
        log_bytes: LOG_BYTES,
        checkpoint_bytes: 0,
        background: false,
        cache_bytes: 1 << 20,
        ..EngineOptions::default()
    };
    let store = LocalStore::open(machine.process(), Path::new(DIR), CONTAINER, options, false);
    Arc::new(store.expect("opened"))
}

/// The calls of all threads. Its clock counts their begins and ends; no step is made of it.
#[derive(Default)]
struct Record {
    clock: AtomicU64,
    calls: Mutex<Vec<Call>>,
}

impl Record {
    fn call(&self, client: u32, key: u32, action: Action, work: impl FnOnce() -> (Answer, Option<Epoch>)) {
        let began = self.clock.fetch_add(1, Ordering::SeqCst);
        let (answer, epoch) = work();
        let at = self.clock.fetch_add(1, Ordering::SeqCst);
        let end = Some(End { at, answer, epoch: epoch.map(|epoch| epoch.0) });
        self.calls.lock().expect("no panic").push(Call { client, key, began, action, end });
    }

    fn check(&self) {
        let calls = self.calls.lock().expect("no panic");
        history::check(&calls).unwrap_or_else(|why| panic!("{why}"));
    }
}

fn value(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

fn commit(
    store: &LocalStore,
    key: u32,
    new: Option<u64>,
    expected: Option<Epoch>,
) -> (Answer, Option<Epoch>) {
    let sort = key.to_be_bytes();
    let at = Key::new(P, &sort);
    let bytes = new.map(value);
    let op = bytes.as_ref().map_or(Op::Delete, |value| Op::Put { value, extents: &[] });
    let preconditions =
        expected.map(|version| Precondition::Unchanged { key: at, version }).into_iter().collect();
    let writes = vec![Write { key: at, op, tally: Some(COUNT) }];
    let durability = if new.is_some_and(|new| new % 2 == 0) { Durability::Sync } else { Durability::Async };
    match store
        .index()
        .commit(&Commit { preconditions, writes, durability, ..Commit::default() })
        .expect("committed")
    {
        Outcome::Committed { epoch, existed } => (Answer::Existed(existed[0]), Some(epoch)),
        Outcome::Conflict { .. } => (Answer::Conflict, None),
    }
}

/// What one thread does: reads and changes of two keys, that follow from its number.
fn work(store: &LocalStore, record: &Record, client: u32) {
    let mut random = Random::new(client.into());
    for turn in 0..3u64 {
        let key = random.below(2) as u32;
        let new = u64::from(client) << 32 | turn;
        match random.below(4) {
            0 => record.call(client, key, Action::Put(new), || commit(store, key, Some(new), None)),
            1 => record.call(client, key, Action::Delete, || commit(store, key, None, None)),
            _ => {
                let sort = key.to_be_bytes();
                let mut seen = None;
                record.call(client, key, Action::Get, || {
                    seen = store.index().get(Key::new(P, &sort)).expect("read");
                    (Answer::Value(seen.as_ref().map(number_of)), None)
                });
                let expected = seen.as_ref().map(number_of);
                let version = seen.map_or(Epoch::ZERO, |seen| seen.version);
                let action = Action::Replace { expected, new: Some(new) };
                record.call(client, key, action, || commit(store, key, Some(new), Some(version)));
            }
        }
    }
    record.call(client, 0, Action::Count, || {
        let view = store.index().view(At::Latest).expect("a view");
        let count = view.counter(COUNT).expect("read");
        assert_eq!(count, content(&*view).len() as i64, "a view counts what it holds");
        (Answer::Count(count), Some(view.epoch()))
    });
}

fn number_of(record: &millpond_core::Record) -> u64 {
    u64::from_be_bytes(record.value[..8].try_into().expect("eight bytes"))
}

fn content(view: &dyn View) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut cursor = view.scan(KeyRange::all(P), Direction::Forward).expect("a scan");
    let mut content = BTreeMap::new();
    while cursor.advance().expect("read") {
        content.insert(cursor.key().to_vec(), cursor.record().value.to_vec());
    }
    content
}

fn run_clients(stores: &[Arc<LocalStore>], threads: u32) {
    let record = Arc::new(Record::default());
    let clients: Vec<_> = stores
        .iter()
        .cycle()
        .take(stores.len() * threads as usize)
        .zip(1..)
        .map(|(store, client)| {
            let (store, record) = (store.clone(), record.clone());
            thread::spawn(move || work(&store, &record, client))
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().expect("no panic"));
    record.check();
}

/// Three threads of one process, on the queue of commits and the tail.
pub fn threads() {
    let machine = machine();
    run_clients(&[open(&machine)], 3);
}

/// Two processes of two threads, on the control memory.
pub fn processes() {
    let machine = machine();
    run_clients(&[open(&machine), open(&machine)], 2);
}

fn bulk(number: u64) -> Vec<u8> {
    Random::new(number).bytes(300)
}

/// Puts keys with bulk bytes that follow from `salt`.
fn put_bulk(store: &LocalStore, salt: u64) {
    for key in 0..4u64 {
        let mut writer = Segments::writer(store).expect("a writer");
        writer.append(&bulk(salt + key)).expect("appended");
        let extents = writer.finish().expect("finished");
        let (sort, number) = (key.to_be_bytes(), value(salt + key));
        let op = Op::Put { value: &number, extents: &extents };
        let writes = vec![Write { key: Key::new(P, &sort), op, tally: None }];
        let commit = Commit { writes, durability: Durability::Async, ..Commit::default() };
        store.index().commit(&commit).expect("committed");
    }
}

/// Reads all of a view, bulk bytes too.
fn read_all(store: &LocalStore, view: &dyn View) -> Vec<u64> {
    let mut cursor = view.scan(KeyRange::all(P), Direction::Forward).expect("a scan");
    let mut numbers = Vec::new();
    while cursor.advance().expect("a view is readable as long as it lives") {
        let number = u64::from_be_bytes(cursor.record().value.try_into().expect("eight bytes"));
        for extent in cursor.record().extents {
            let mut bytes = vec![0; extent.length as usize];
            Segments::read(store, extent, 0, &mut bytes).expect("a view keeps its bulk bytes");
            assert_eq!(bytes, bulk(number));
        }
        numbers.push(number);
    }
    numbers
}

/// One process reads views while another one overwrites and merges all of it.
pub fn views() {
    let machine = machine();
    let (reader, writer) = (open(&machine), open(&machine));
    put_bulk(&writer, 100);
    writer.compact().expect("compacted");
    let held = reader.index().view(At::Latest).expect("a view");
    let rewriter = thread::spawn(move || {
        for salt in [200, 300] {
            put_bulk(&writer, salt);
            writer.compact().expect("compacted");
        }
    });
    let others = {
        let reader = reader.clone();
        thread::spawn(move || {
            for _ in 0..3 {
                let view = reader.index().view(At::Latest).expect("a view");
                let first = read_all(&reader, &*view);
                thread::yield_now();
                assert_eq!(read_all(&reader, &*view), first, "a view changes");
            }
        })
    };
    // Its files are opened when they are read: now, or only when all else is over.
    if shuttle::rand::Rng::r#gen(&mut shuttle::rand::thread_rng()) {
        assert_eq!(read_all(&reader, &*held), [100, 101, 102, 103]);
    }
    rewriter.join().expect("no panic");
    others.join().expect("no panic");
    assert_eq!(read_all(&reader, &*held), [100, 101, 102, 103]);
    drop(held);
    let last = reader.index().view(At::Latest).expect("a view");
    assert_eq!(read_all(&reader, &*last), [300, 301, 302, 303]);
}

/// A process opens the container, and reads it, while another one overwrites and merges all of it.
pub fn opening() {
    let machine = machine();
    let writer = open(&machine);
    put_bulk(&writer, 100);
    writer.compact().expect("compacted");
    let rewriter = thread::spawn(move || {
        for salt in [200, 300] {
            put_bulk(&writer, salt);
            writer.compact().expect("compacted");
        }
        writer
    });
    let reader = open(&machine);
    let view = reader.index().view(At::Latest).expect("a view");
    let first = read_all(&reader, &*view);
    assert_eq!(first.len(), 4);
    let writer = rewriter.join().expect("no panic");
    assert_eq!(read_all(&reader, &*view), first, "a view changes");
    drop((view, writer));
}

/// Two processes commit, one of which also lets go of the log, while a third one watches: it is told of
/// every commit behind which it began, once and in order, and never left asleep.
pub fn watching() {
    const COMMITS: u64 = 3;
    let machine = machine();
    let (one, two, reader) = (open(&machine), open(&machine), open(&machine));
    put_number(&one, 0, 0);
    let begun = reader.epoch().expect("an epoch");
    let options = WatchOptions { after: Some(begun), durable: false, cursor: None };
    // Before anybody lets go of the log: from here on nothing that it needs goes.
    let mut watch = reader.watch(&options).expect("a watch");
    let watcher = thread::spawn(move || {
        let (mut seen, mut last) = ([0; 2], begun);
        for _ in 0..2 * COMMITS {
            let epoch =
                watch.next(std::time::Duration::from_secs(3600)).expect("no error").expect("a commit");
            assert!(epoch > last, "in order");
            last = epoch;
            let change = watch.change().expect("read").expect("a change");
            let client = usize::from(change.key[change.key.len() - 1]) - 1;
            seen[client] += 1;
            let millpond_core::ChangeKind::Put { value, .. } = change.kind else { panic!("a put") };
            assert_eq!(&value[..], value_of(seen[client]), "of client {client}");
        }
    });
    let writers = [(one, 1u8), (two, 2)].map(|(store, client)| {
        thread::spawn(move || {
            for number in 1..=COMMITS {
                put_number(&store, client, number);
                if client == 2 && number == 2 {
                    store.compact().expect("compacted");
                }
            }
        })
    });
    writers.into_iter().for_each(|writer| writer.join().expect("no panic"));
    watcher.join().expect("no panic");
}

fn value_of(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

fn put_number(store: &LocalStore, client: u8, number: u64) {
    let (key, value) = ([client], value_of(number));
    let op = Op::Put { value: &value, extents: &[] };
    let writes = vec![Write { key: Key::new(P, &key), op, tally: None }];
    store.commit(&Commit { writes, durability: Durability::Async, ..Commit::default() }).expect("committed");
}
