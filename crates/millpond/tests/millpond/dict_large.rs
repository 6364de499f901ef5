//! Long values: streamed in and out, replaced while they are read, and a pool that is full.

use std::io::{Read, Seek, SeekFrom, Write};

use millpond::{ContainerOptions, Dict, ErrorKind, PoolOptions, limits::VALUE_INLINE_BYTES_MAX};

use crate::scratch::{Scratch, noise, refused};

on_every_backend!(
    lengths_around_the_limit_come_back,
    a_value_is_streamed_in_and_out,
    a_reader_keeps_what_it_began_with,
    a_reader_seeks,
    a_writer_that_is_dropped_changes_nothing,
    a_writer_finds_its_dict_destroyed,
    a_full_pool_refuses_values_and_takes_deletes,
    abandoned_values_give_their_space_back,
);

fn dict(scratch: &Scratch) -> Dict {
    scratch.container().create_dict("d").expect("created")
}

fn lengths_around_the_limit_come_back(scratch: &Scratch) {
    let dict = dict(scratch);
    let limit = VALUE_INLINE_BYTES_MAX;
    let lengths = [0, 1, limit - 1, limit, limit + 1, 4096, 65_535, 65_536, 1 << 20, (1 << 20) + 1, 3 << 20];
    for length in lengths {
        let key = length.to_string();
        dict.put(key.as_bytes(), &noise(length as u64, length)).expect("put");
        let mut writer = dict.writer(format!("streamed {key}").as_bytes()).expect("a writer");
        assert!(writer.is_empty());
        for piece in noise(length as u64, length).chunks(1000) {
            writer.write_all(piece).expect("written");
        }
        assert_eq!(writer.len(), length as u64);
        assert!(!writer.commit().expect("committed"));
    }
    for length in lengths {
        for key in [length.to_string(), format!("streamed {length}")] {
            let value = dict.get(key.as_bytes()).expect("read").expect("a value");
            assert!(value == noise(length as u64, length), "{key}");
            assert_eq!(dict.value_length(key.as_bytes()).expect("asked"), Some(length as u64));
        }
    }
}

fn a_value_is_streamed_in_and_out(scratch: &Scratch) {
    let dict = dict(scratch);
    let piece = noise(1, 300_001);
    dict.put(b"key", b"old").expect("put");
    let mut writer = dict.writer(b"key").expect("a writer");
    for _ in 0..40 {
        writer.write_all(&piece).expect("written");
    }
    writer.flush().expect("flushed");
    assert_eq!(dict.get(b"key").expect("read").as_deref(), Some(&b"old"[..]), "nothing happens before");
    assert!(writer.commit().expect("committed"));

    let mut reader = dict.reader(b"key").expect("opened").expect("a value");
    assert_eq!((reader.len(), reader.is_empty()), (40 * 300_001, false));
    let mut back = vec![0; piece.len()];
    for _ in 0..40 {
        reader.read_exact(&mut back).expect("read");
        assert!(back == piece);
    }
    assert_eq!(reader.read(&mut back).expect("read"), 0);
    assert!(dict.reader(b"none").expect("opened").is_none());
}

fn a_reader_keeps_what_it_began_with(scratch: &Scratch) {
    let dict = dict(scratch);
    for length in [100, 500_000] {
        let value = noise(7, length);
        dict.put(b"key", &value).expect("put");
        let mut reader = dict.reader(b"key").expect("opened").expect("a value");
        let mut begin = vec![0; 50];
        reader.read_exact(&mut begin).expect("read");
        dict.put(b"key", &noise(8, length)).expect("replaced");
        dict.delete(b"key").expect("deleted");
        dict.container().compact().expect("compacted");
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).expect("read");
        assert!([begin, rest].concat() == value, "{length}");
    }
}

fn a_reader_seeks(scratch: &Scratch) {
    let dict = dict(scratch);
    for length in [1000usize, 200_000] {
        let value = noise(9, length);
        dict.put(b"key", &value).expect("put");
        let mut reader = dict.reader(b"key").expect("opened").expect("a value");
        let mut bytes = [0; 10];
        for place in [0, 1, 499, length - 10] {
            reader.seek(SeekFrom::Start(place as u64)).expect("sought");
            reader.read_exact(&mut bytes).expect("read");
            assert_eq!(bytes, value[place..place + 10]);
        }
        assert_eq!(reader.seek(SeekFrom::End(-5)).expect("sought"), length as u64 - 5);
        assert_eq!(reader.read(&mut bytes).expect("read"), 5);
        assert_eq!(reader.seek(SeekFrom::Current(100)).expect("sought"), length as u64 + 100);
        assert_eq!(reader.read(&mut bytes).expect("read"), 0);
        assert!(reader.seek(SeekFrom::End(-1 - length as i64)).is_err());
    }
}

fn a_writer_that_is_dropped_changes_nothing(scratch: &Scratch) {
    let dict = dict(scratch);
    dict.put(b"key", b"value").expect("put");
    for length in [100, 1 << 20] {
        let mut writer = dict.writer(b"key").expect("a writer");
        writer.write_all(&noise(1, length)).expect("written");
    }
    assert_eq!(dict.get(b"key").expect("read").as_deref(), Some(&b"value"[..]));
    assert_eq!(dict.len().expect("counted"), 1);
}

fn a_writer_finds_its_dict_destroyed(scratch: &Scratch) {
    let dict = dict(scratch);
    let mut writer = dict.writer(b"key").expect("a writer");
    writer.write_all(&noise(1, 10_000)).expect("written");
    dict.container().destroy_dict("d").expect("destroyed");
    refused(writer.commit(), ErrorKind::NotFound, "was destroyed");
}

fn a_full_pool_refuses_values_and_takes_deletes(scratch: &Scratch) {
    let options = PoolOptions { size: Some(32 << 20), ..PoolOptions::default() };
    let pool = millpond::Pool::create(&scratch.url, options).expect("a pool");
    let container = pool.create_container(Some("kv"), ContainerOptions::default()).expect("created");
    let dict = container.create_dict("d").expect("created");
    let value = noise(1, 1 << 20);

    let mut stored = 0u32;
    let error = loop {
        match dict.put(&stored.to_be_bytes(), &value) {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 64, "a pool of 32 MiB holds no 64 MiB");
    };
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
    assert!(stored > 8, "only {stored} MiB fit");
    assert_eq!(dict.len().expect("counted"), u64::from(stored), "nothing is lost, nothing half there");
    refused(dict.put_many([(b"a", &value), (b"b", &value)]), ErrorKind::NoSpace, "");
    let mut writer = dict.writer(b"streamed").expect("a writer");
    let written = (0..64).try_for_each(|_| writer.write_all(&value));
    assert_eq!(written.expect_err("full").kind(), std::io::ErrorKind::StorageFull);
    refused(writer.commit(), ErrorKind::InvalidArgument, "writing it failed");

    for number in 0..stored {
        assert!(dict.get(&number.to_be_bytes()).expect("read").as_deref() == Some(&value[..]));
    }
    for number in 0..stored {
        assert!(dict.delete(&number.to_be_bytes()).expect("deletes pass"));
    }
    container.compact().expect("compacted");
    for number in 0..stored / 2 {
        dict.put(&number.to_be_bytes(), &value).expect("the space is back");
    }
    assert_eq!(dict.len().expect("counted"), u64::from(stored / 2));
}

fn abandoned_values_give_their_space_back(scratch: &Scratch) {
    let pool = scratch.pool_of(Some(32 << 20));
    let container = pool.create_container(Some("kv"), ContainerOptions::default()).expect("created");
    let dict = container.create_dict("d").expect("created");
    dict.put(b"taken", b"").expect("put");
    let value = noise(1, 4 << 20);
    for round in 0..20u32 {
        let mut writer = dict.writer(&round.to_be_bytes()).expect("a writer");
        writer.write_all(&value).expect("the space of those before is back");
        drop(writer);
        let mut batch = dict.batch();
        batch.put(&round.to_be_bytes(), &value).expect("the space of those before is back");
        drop(batch);
        container.compact().expect("compacted");
    }
    assert_eq!(dict.len().expect("counted"), 1);
    let statistics = container.query().expect("queried").statistics;
    assert!(statistics.bytes_segments < 16 << 20, "{statistics:?}");
}

#[test]
fn finished_values_that_are_given_up_cost_nothing_in_memory() {
    let scratch = Scratch::memory();
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    dict.put(b"taken", b"").expect("put");
    let value = noise(1, 1 << 20);
    let mut batch = dict.batch();
    batch.put(b"a", &value).expect("added").put(b"b", &value).expect("added");
    assert!(container.query().expect("queried").statistics.bytes_segments >= 2 << 20);
    drop(batch);
    assert_eq!(container.query().expect("queried").statistics.bytes_segments, 0);
    dict.insert_if_absent(b"taken", &value).expect("asked");
    container.destroy_dict("d").expect("destroyed");
    refused(dict.put(b"a", &value), ErrorKind::NotFound, "was destroyed");
    assert_eq!(container.query().expect("queried").statistics.bytes_segments, 0);
}
