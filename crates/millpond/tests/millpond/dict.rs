//! Dictionaries, one behaviour at a time.

use std::ops::Bound;

use millpond::{Dict, DictRange, ErrorKind, limits::KEY_BYTES_MAX};

use crate::scratch::{Scratch, noise, refused};

on_every_backend!(
    any_bytes_are_keys_and_values,
    put_and_delete_tell_what_was_there,
    a_key_that_is_too_long_is_refused,
    many_values_are_of_one_state,
    a_batch_takes_effect_as_if_one_after_another,
    a_refused_batch_changes_nothing,
    the_last_of_equal_keys_wins,
    what_is_there_is_not_inserted,
    entries_are_taken_once,
    clear_leaves_nothing,
    iteration_is_ordered_and_consistent,
    ranges_and_prefixes_apply_together,
    iteration_can_be_resumed,
    keys_alone_and_lengths_come_without_values,
    len_is_known_before_walking,
    dicts_do_not_see_each_other,
    clear_of_a_great_many,
);

fn dict(scratch: &Scratch) -> Dict {
    scratch.container().create_dict("d").expect("created")
}

fn keys(dict: &Dict, range: DictRange) -> Vec<Vec<u8>> {
    dict.range(range).expect("begun").keys_only().map(|key| key.expect("a key").to_vec()).collect()
}

fn any_bytes_are_keys_and_values(scratch: &Scratch) {
    let dict = dict(scratch);
    let longest = [0xFF; KEY_BYTES_MAX];
    let keys: [&[u8]; 7] = [b"", b"\0", b"\0\0", b"a\0b", &[0xFF], "é".as_bytes(), &longest];
    for key in keys {
        assert!(!dict.put(key, key).expect("put"));
    }
    for key in keys {
        assert_eq!(dict.get(key).expect("read").as_deref(), Some(key));
        assert!(dict.contains(key).expect("asked"));
        assert_eq!(dict.value_length(key).expect("asked"), Some(key.len() as u64));
    }
    assert_eq!(dict.len().expect("counted"), 7);
    assert_eq!(dict.get(b"\0\0\0").expect("read"), None);
    assert_eq!(dict.value_length(b"\0\0\0").expect("asked"), None);
    assert!(!dict.is_empty().expect("asked"));
    // An empty value is a value.
    assert_eq!(dict.get(b"").expect("read").as_deref(), Some(&b""[..]));
}

fn put_and_delete_tell_what_was_there(scratch: &Scratch) {
    let dict = dict(scratch);
    assert!(!dict.put(b"a", b"1").expect("put"));
    assert!(dict.put(b"a", b"2").expect("put"));
    assert_eq!(dict.len().expect("counted"), 1);
    assert!(dict.delete(b"a").expect("deleted"));
    assert!(!dict.delete(b"a").expect("deleted"));
    assert_eq!(dict.len().expect("counted"), 0);
    assert!(!dict.put(b"a", b"3").expect("put"));
    assert_eq!(dict.get(b"a").expect("read").as_deref(), Some(&b"3"[..]));
}

fn a_key_that_is_too_long_is_refused(scratch: &Scratch) {
    let dict = dict(scratch);
    let long = [0; KEY_BYTES_MAX + 1];
    let kind = ErrorKind::KeyTooLong;
    refused(dict.put(&long, b""), kind, "1025 bytes is too long: 1024");
    refused(dict.get(&long), kind, "1025");
    refused(dict.get_many(&[&long]), kind, "1025");
    refused(dict.delete(&long), kind, "1025");
    refused(dict.contains(&long), kind, "1025");
    refused(dict.put_many([(&long[..], b"")]), kind, "1025");
    refused(dict.writer(&long).map(drop), kind, "1025");
    assert_eq!(dict.len().expect("counted"), 0);
}

fn many_values_are_of_one_state(scratch: &Scratch) {
    let dict = dict(scratch);
    dict.put_many([("a", "1"), ("b", "2")]).expect("put");
    dict.put(b"long", &noise(1, 5000)).expect("put");
    let values = dict.get_many(&["b", "none", "a", "long", "b"]).expect("read");
    let values: Vec<_> = values.iter().map(Option::as_deref).collect();
    assert_eq!(values, [Some(&b"2"[..]), None, Some(b"1"), Some(&noise(1, 5000)), Some(b"2")]);
    assert!(dict.get_many::<&[u8]>(&[]).expect("read").is_empty());
}

fn a_batch_takes_effect_as_if_one_after_another(scratch: &Scratch) {
    let dict = dict(scratch);
    dict.put_many([("a", "1"), ("b", "2")]).expect("put");
    let mut batch = dict.batch();
    batch.put(b"a", b"3").expect("added").delete(b"b").expect("added");
    batch.delete(b"c").expect("added").put(b"c", b"4").expect("added");
    batch.put(b"b", &noise(2, 9000)).expect("added").delete(b"a").expect("added");
    assert_eq!((batch.len(), batch.is_empty()), (6, false));
    assert_eq!(dict.get(b"a").expect("read").as_deref(), Some(&b"1"[..]), "nothing happens before");
    assert_eq!(batch.commit().expect("committed"), [true, true, false, false, false, true]);
    assert_eq!(dict.get(b"a").expect("read"), None);
    assert_eq!(dict.get(b"b").expect("read").as_deref(), Some(&noise(2, 9000)[..]));
    assert_eq!(dict.get(b"c").expect("read").as_deref(), Some(&b"4"[..]));
    assert_eq!(dict.len().expect("counted"), 2);
    assert!(dict.batch().commit().expect("committed").is_empty());
}

fn a_refused_batch_changes_nothing(scratch: &Scratch) {
    let dict = dict(scratch);
    dict.put(b"a", b"1").expect("put");
    let mut batch = dict.batch();
    batch.put(b"a", b"2").expect("added");
    refused(batch.put(&[0; 2000], b"").map(drop), ErrorKind::KeyTooLong, "2000");
    drop(batch);
    assert_eq!(dict.get(b"a").expect("read").as_deref(), Some(&b"1"[..]));
    assert_eq!(dict.len().expect("counted"), 1);
}

fn the_last_of_equal_keys_wins(scratch: &Scratch) {
    let dict = dict(scratch);
    dict.put_many([("a", "1"), ("b", "2"), ("a", "3")]).expect("put");
    assert_eq!(dict.get(b"a").expect("read").as_deref(), Some(&b"3"[..]));
    assert_eq!(dict.len().expect("counted"), 2);
}

fn what_is_there_is_not_inserted(scratch: &Scratch) {
    let dict = dict(scratch);
    assert_eq!(dict.insert_if_absent(b"a", b"1").expect("inserted"), None);
    let existing = dict.insert_if_absent(b"a", b"2").expect("asked");
    assert_eq!(existing.as_deref(), Some(&b"1"[..]));
    assert_eq!(dict.insert_if_absent(b"b", &noise(3, 5000)).expect("inserted"), None);
    assert_eq!(dict.insert_if_absent(b"b", b"").expect("asked").as_deref(), Some(&noise(3, 5000)[..]));
    assert_eq!(dict.len().expect("counted"), 2);
}

fn entries_are_taken_once(scratch: &Scratch) {
    let dict = dict(scratch);
    dict.put_many([("a", "1"), ("b", "2")]).expect("put");
    dict.put(b"c", &noise(4, 5000)).expect("put");
    assert_eq!(dict.take(b"a").expect("taken").as_deref(), Some(&b"1"[..]));
    assert_eq!(dict.take(b"a").expect("taken"), None);
    let (key, value) = dict.take_last().expect("taken").expect("an entry");
    assert_eq!((&key[..], &value[..]), (&b"c"[..], &noise(4, 5000)[..]));
    assert_eq!(dict.take_last().expect("taken").expect("an entry").0, &b"b"[..]);
    assert_eq!(dict.take_last().expect("taken"), None);
    assert_eq!(dict.len().expect("counted"), 0);
}

fn clear_leaves_nothing(scratch: &Scratch) {
    let dict = dict(scratch);
    dict.clear().expect("cleared");
    dict.put_many((0..1000u32).map(|number| (number.to_be_bytes(), "x"))).expect("put");
    dict.put(b"", &noise(5, 5000)).expect("put");
    dict.clear().expect("cleared");
    assert_eq!(dict.len().expect("counted"), 0);
    assert!(dict.iter().expect("begun").next().is_none());
    dict.put(b"a", b"1").expect("a cleared dict is a dict");
    assert_eq!(dict.len().expect("counted"), 1);
}

fn iteration_is_ordered_and_consistent(scratch: &Scratch) {
    let dict = dict(scratch);
    let numbers: Vec<u32> = (0..2000).map(|number| (number * 7919) % 2000).collect();
    dict.put_many(numbers.iter().map(|number| (number.to_be_bytes(), noise(u64::from(*number), 30))))
        .expect("put");
    dict.put(&5u32.to_be_bytes(), &noise(5, 4000)).expect("put");
    let mut iter = dict.iter().expect("begun");
    let first = iter.next().expect("an entry").expect("read");
    assert_eq!(&first.0[..], 0u32.to_be_bytes());
    dict.clear().expect("cleared");
    dict.put(b"new", b"").expect("put");
    let rest: Vec<_> = iter.map(|entry| entry.expect("read")).collect();
    assert_eq!(rest.len(), 1999);
    for (number, (key, value)) in (1u32..).zip(&rest) {
        let length = if number == 5 { 4000 } else { 30 };
        assert_eq!(
            (&key[..], &value[..]),
            (&number.to_be_bytes()[..], &noise(u64::from(number), length)[..])
        );
    }
}

fn ranges_and_prefixes_apply_together(scratch: &Scratch) {
    let dict = dict(scratch);
    for key in [&b""[..], b"a", b"a\0", b"ab", b"ab\xFF", b"ac", b"b", b"\xFF", b"\xFF\xFF"] {
        dict.put(key, b"").expect("put");
    }
    let prefix = |prefix: &[u8]| DictRange::prefix(prefix);
    assert_eq!(keys(&dict, prefix(b"ab")), [&b"ab"[..], b"ab\xFF"]);
    assert_eq!(keys(&dict, prefix(b"\xFF")), [&b"\xFF"[..], b"\xFF\xFF"]);
    assert_eq!(keys(&dict, prefix(b"")).len(), 9);
    assert_eq!(keys(&dict, prefix(b"x")).len(), 0);
    let range = DictRange {
        start: Bound::Excluded(b"a".to_vec()),
        end: Bound::Excluded(b"ac".to_vec()),
        reverse: true,
        ..prefix(b"a")
    };
    assert_eq!(keys(&dict, range), [&b"ab\xFF"[..], b"ab", b"a\0"]);
    let inverted = DictRange {
        start: Bound::Included(b"b".to_vec()),
        end: Bound::Excluded(b"a".to_vec()),
        ..DictRange::default()
    };
    assert_eq!(keys(&dict, inverted).len(), 0);
    let long = DictRange::after(vec![0xFF; 5000]);
    assert_eq!(keys(&dict, long).len(), 0, "a bound may be longer than a key");
}

fn iteration_can_be_resumed(scratch: &Scratch) {
    let dict = dict(scratch);
    dict.put_many((0..100u8).map(|number| ([number], "x"))).expect("put");
    let mut seen = Vec::new();
    let mut range = DictRange::default();
    loop {
        let page: Vec<_> =
            dict.range(range).expect("begun").keys_only().take(7).map(|key| key.expect("a key")).collect();
        let Some(last) = page.last() else { break };
        range = DictRange::after(last.to_vec());
        seen.extend(page.iter().map(|key| key[0]));
    }
    assert_eq!(seen, (0..100).collect::<Vec<u8>>());
}

fn keys_alone_and_lengths_come_without_values(scratch: &Scratch) {
    let dict = dict(scratch);
    dict.put(b"long", &noise(6, 10_000)).expect("put");
    dict.put(b"short", b"12345").expect("put");
    let mut iter = dict.iter().expect("begun");
    let entry = iter.next_entry().expect("read").expect("an entry");
    assert_eq!((entry.key(), entry.value_length().expect("known")), (&b"long"[..], 10_000));
    assert_eq!(entry.value().expect("read"), noise(6, 10_000));
    assert_eq!(entry.short_value().expect("read"), None);
    let entry = iter.next_entry().expect("read").expect("an entry");
    assert_eq!((entry.key(), entry.value_length().expect("known")), (&b"short"[..], 5));
    assert_eq!(entry.short_value().expect("read"), Some(&b"12345"[..]));
    assert!(iter.next_entry().expect("read").is_none());
}

fn len_is_known_before_walking(scratch: &Scratch) {
    let dict = dict(scratch);
    dict.put_many((0..50u8).map(|number| ([number], "x"))).expect("put");
    let mut iter = dict.iter().expect("begun");
    assert_eq!(iter.len_hint().expect("asked"), Some(50));
    iter.next();
    dict.put(b"new key", b"").expect("put");
    assert_eq!(iter.len_hint().expect("asked"), Some(49));
    assert_eq!(iter.keys_only().len_hint().expect("asked"), Some(49));
    assert_eq!(dict.range(DictRange::prefix(b"n")).expect("begun").len_hint().expect("asked"), None);
}

fn dicts_do_not_see_each_other(scratch: &Scratch) {
    let container = scratch.container();
    let (a, b) = (container.create_dict("a").expect("created"), container.create_dict("b").expect("created"));
    a.put(b"key", b"a").expect("put");
    b.put(b"key", b"b").expect("put");
    a.clear().expect("cleared");
    assert_eq!(b.get(b"key").expect("read").as_deref(), Some(&b"b"[..]));
    assert_eq!((a.len().expect("counted"), b.len().expect("counted")), (0, 1));
}

fn clear_of_a_great_many(scratch: &Scratch) {
    let dict = dict(scratch);
    for half in 0..2u32 {
        let numbers = half * 60_000..(half + 1) * 60_000;
        dict.put_many(numbers.map(|number| (number.to_be_bytes(), "x"))).expect("put");
    }
    assert_eq!(dict.len().expect("counted"), 120_000);
    dict.clear().expect("cleared");
    assert_eq!(dict.len().expect("counted"), 0);
    assert!(dict.iter().expect("begun").next().is_none());
}
