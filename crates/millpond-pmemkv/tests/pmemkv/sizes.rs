//! The size of an engine is enforced, and what is removed makes room.

use millpond_pmemkv::{Range, Status};

use crate::support::{Opened, eight, engines, status};

const VALUE: usize = 10_000;

/// Puts until there is no room; answers how many records fitted.
fn fill(opened: &Opened, limit: u64) -> u64 {
    let value = vec![1; VALUE];
    for number in 0..limit {
        if let Err(error) = opened.engine.put(&eight(number), &value) {
            assert_eq!(error.status(), Status::OutOfMemory, "{error}");
            return number;
        }
    }
    panic!("{limit} records of {VALUE} bytes fitted");
}

#[test]
fn a_volatile_engine_takes_what_its_size_says() {
    for name in ["vsmap", "vcmap"] {
        let size = 16 << 20;
        let opened = Opened::sized(name, size);
        let engine = &opened.engine;
        let fitted = fill(&opened, size);
        // What a record takes beside its bytes is little beside these.
        let bytes = fitted * VALUE as u64;
        assert!(bytes <= size && bytes > size - size / 50, "{name}: {bytes} of {size}");
        assert_eq!(engine.count(Range::All).expect("counted"), fitted, "{name}");

        // A value in place of another one of that length fits, even now; a longer one doesn't.
        engine.put(&eight(0), &vec![2; VALUE]).expect("replaced");
        assert_eq!(status(engine.put(&eight(0), &vec![3; 2 * VALUE])), Status::OutOfMemory);
        assert_eq!(engine.get(&eight(0)).expect("read").expect("there"), vec![2; VALUE], "{name}");
        let swapped = engine.compare_and_swap(&eight(fitted), None, Some(&vec![4; VALUE]));
        assert_eq!(status(swapped), Status::OutOfMemory, "{name}");

        // Many at once are put or not: nothing of what didn't fit is there, nothing that was there is gone.
        let (old, new) = (eight(1), eight(fitted + 1));
        let long = vec![5; VALUE];
        let records: [(&[u8], &[u8]); 3] = [(&old, b"short"), (&new, &long), (b"another key", &long)];
        assert_eq!(status(engine.put_many(&records)), Status::OutOfMemory, "{name}");
        assert_eq!(engine.get(&old).expect("read").expect("there"), vec![1; VALUE], "{name}");
        assert!(!engine.exists(&new).expect("asked"));

        for number in 0..fitted / 2 {
            assert!(engine.remove(&eight(number)).expect("removed"));
        }
        assert_eq!(fill(&opened, size), fitted, "{name}: there is the room of what was removed");
        engine.close().expect("closed");
    }
}

#[test]
fn a_persistent_engine_takes_what_its_size_says() {
    let size = 16 << 20;
    for name in engines(|engine| engine.persistent && engine.fixed_bytes.is_none()) {
        let mut opened = Opened::with(name, size, &[("durability", "async")]);
        let fitted = fill(&opened, size / 1000);
        let bytes = fitted * VALUE as u64;
        // The space that a log sets aside isn't counted.
        assert!(bytes <= size + (1 << 20) && bytes > size / 4, "{name}: {bytes} of {size}");
        opened.reopen();
        let engine = &opened.engine;
        assert_eq!(engine.count(Range::All).expect("counted"), fitted, "{name}");
        assert_eq!(status(fill_one_more(engine)), Status::OutOfMemory, "{name}");
        for number in 0..fitted {
            assert!(engine.remove(&eight(number)).expect("removed"), "{name}");
        }
        assert_eq!(engine.count(Range::All).expect("counted"), 0, "{name}");
    }
}

/// More than the slack of a pool that was full.
fn fill_one_more(engine: &millpond_pmemkv::Engine) -> millpond_pmemkv::Result<()> {
    let value = vec![1; VALUE];
    (0..200u64).try_for_each(|number| engine.put(&eight(1 << 40 | number), &value))
}

#[test]
fn robinhood_takes_eight_bytes_only() {
    let opened = Opened::new("robinhood");
    let engine = &opened.engine;
    let key = eight(1);
    engine.put(&key, &key).expect("put");
    for wrong in [&b""[..], b"1234567", b"123456789"] {
        assert_eq!(status(engine.put(wrong, &key)), Status::InvalidArgument);
        assert_eq!(status(engine.put(&key, wrong)), Status::InvalidArgument);
        assert_eq!(status(engine.get(wrong)), Status::InvalidArgument);
        assert_eq!(status(engine.exists(wrong)), Status::InvalidArgument);
        assert_eq!(status(engine.remove(wrong)), Status::InvalidArgument);
        assert_eq!(status(engine.get_many(&[&key, wrong])), Status::InvalidArgument);
        assert_eq!(status(engine.put_many(&[(&key, &key), (wrong, &key)])), Status::InvalidArgument);
        assert_eq!(status(engine.compare_and_swap(&key, Some(&key), Some(wrong))), Status::InvalidArgument);
        assert_eq!(status(engine.update(wrong, 0, b"x")), Status::InvalidArgument);
    }
    assert!(engine.update(&key, 7, b"x").expect("updated"));
    assert_eq!(engine.get(&key).expect("read").expect("there"), b"\0\0\0\0\0\0\0x");
    assert_eq!(engine.count(Range::All).expect("counted"), 1);
}
