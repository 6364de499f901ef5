use millpond_core::*;
use millpond_local::{media::*, *};
use std::sync::Arc;
use uuid::Uuid;

fn put<'a>(key: &'a [u8], value: &'a [u8]) -> Write<'a> {
    Write { key: Key::new(b"p", key), op: Op::Put { value, extents: &[] }, tally: Some(Key::new(b"q", b"n")) }
}

#[test]
fn smoke() {
    let media: Arc<dyn Media> = Arc::new(SystemMedia);
    let dir = std::env::temp_dir().join(format!("millpond-smoke-{:x}", media.random()));
    media.create_dir(&dir).unwrap();
    let id = Uuid::new_v4();
    Engine::create(&media, &dir, id, 1 << 20).unwrap();
    let open = || LocalStore::open(media.clone(), &dir, id, EngineOptions::default(), false).unwrap();
    let store = open();
    let n = 200_000u64;
    let t = std::time::Instant::now();
    for i in 0..n {
        let key = (i.wrapping_mul(0x9E37_79B9_7F4A_7C15)).to_be_bytes();
        let commit = Commit {
            writes: vec![put(&key, &[7; 100])],
            durability: Durability::Async,
            ..Default::default()
        };
        let Outcome::Committed { existed, .. } = store.index().commit(&commit).unwrap() else { panic!() };
        assert_eq!(existed, [false]);
    }
    println!("put {:.2} us", t.elapsed().as_secs_f64() * 1e6 / n as f64);
    let count =
        |store: &LocalStore| store.index().view(At::Latest).unwrap().counter(Key::new(b"q", b"n")).unwrap();
    assert_eq!(count(&store), n as i64);
    let t = std::time::Instant::now();
    for i in 0..n {
        let key = (i.wrapping_mul(0x9E37_79B9_7F4A_7C15)).to_be_bytes();
        assert!(store.index().get(Key::new(b"p", &key)).unwrap().is_some());
    }
    println!("get {:.2} us", t.elapsed().as_secs_f64() * 1e6 / n as f64);
    let t = std::time::Instant::now();
    let mut cursor =
        store.index().view(At::Latest).unwrap().scan(KeyRange::all(b"p"), Direction::Forward).unwrap();
    let mut seen = 0;
    while cursor.advance().unwrap() {
        seen += 1;
    }
    assert_eq!(seen, n);
    println!("scan {:.3} us", t.elapsed().as_secs_f64() * 1e6 / n as f64);
    let mut cursor =
        store.index().view(At::Latest).unwrap().scan(KeyRange::all(b"p"), Direction::Backward).unwrap();
    let mut seen = 0;
    while cursor.advance().unwrap() {
        seen += 1;
    }
    assert_eq!(seen, n);
    println!("{:?}", store.statistics().unwrap());
    let t = std::time::Instant::now();
    for i in 0..500u64 {
        let key = i.to_be_bytes();
        let commit = Commit { writes: vec![put(&key, &[8; 100])], ..Default::default() };
        store.index().commit(&commit).unwrap();
    }
    println!("sync put {:.2} us", t.elapsed().as_secs_f64() * 1e6 / 500.0);
    let keys: Vec<[u8; 9]> = (0..100_000u64)
        .map(|i| {
            let mut k = [1; 9];
            k[1..].copy_from_slice(&i.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
            k
        })
        .collect();
    let t = std::time::Instant::now();
    let commit = Commit { writes: keys.iter().map(|k| put(k, &[9; 100])).collect(), ..Default::default() };
    store.index().commit(&commit).unwrap();
    println!("bulk {:.2} us", t.elapsed().as_secs_f64() * 1e6 / 100_000.0);
    let total = count(&store);
    let mut writer = store.segments().writer().unwrap();
    writer.append(&[5; 300_000]).unwrap();
    let extents = writer.finish().unwrap();
    drop(writer);
    let commit = Commit {
        writes: vec![Write {
            key: Key::new(b"p", b"big"),
            op: Op::Put { value: b"x", extents: &extents },
            tally: None,
        }],
        ..Default::default()
    };
    store.index().commit(&commit).unwrap();
    store.close().unwrap();
    let t = std::time::Instant::now();
    let store = open();
    println!("open {:.2} ms", t.elapsed().as_secs_f64() * 1e3);
    assert_eq!(count(&store), total);
    store.compact().unwrap();
    println!("{:?}", store.statistics().unwrap());
    assert_eq!(count(&store), total);
    let big = store.index().get(Key::new(b"p", b"big")).unwrap().unwrap();
    let mut into = vec![0; 1000];
    store.segments().read(&big.extents[0], 299_000, &mut into).unwrap();
    assert_eq!(into, [5; 1000]);
    let mut damage = Vec::new();
    store.verify(&mut |d| damage.push(d)).unwrap();
    assert!(damage.is_empty());
    for i in 0..n {
        let key = (i.wrapping_mul(0x9E37_79B9_7F4A_7C15)).to_be_bytes();
        assert!(store.index().get(Key::new(b"p", &key)).unwrap().is_some());
    }
    drop(store);
    media.remove_dir(&dir).unwrap();
}
