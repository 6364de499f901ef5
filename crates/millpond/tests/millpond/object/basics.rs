//! What an object takes and refuses, one thing at a time.

use millpond::{
    Conditions, Container, ErrorKind, Fetched, KeyKind, Object, ObjectClass, ObjectForm, ObjectId,
    ObjectKind, ObjectOptions, limits::KEY_BYTES_MAX,
};

use crate::scratch::{Scratch, noise, refused};

on_every_backend!(
    an_object_exists_from_its_first_update_to_its_punch,
    types_are_not_mixed_silently,
    keys_are_checked,
    ids_and_classes_are_checked,
    values_of_every_length_come_back,
    extents_at_the_edges_of_the_numbers,
    a_fetch_is_of_one_state,
    read_only_handles_change_nothing,
    ends_of_hashed_keys_are_refused,
);

fn lexical(container: &Container) -> Object {
    let options = ObjectOptions { dkeys: KeyKind::Lexical, akeys: KeyKind::Lexical, ..Default::default() };
    container.create_object(options).expect("an object")
}

fn ids(container: &Container) -> Vec<ObjectId> {
    container.objects().expect("listed").map(|id| id.expect("an id")).collect()
}

fn an_object_exists_from_its_first_update_to_its_punch(scratch: &Scratch) {
    let container = scratch.container();
    container.create_dict("d").expect("created").put(b"k", b"v").expect("put");
    let (one, other) = (lexical(&container), lexical(&container));
    assert!(one.id() != other.id() && !one.exists().expect("asked"));
    assert_eq!(ids(&container), []);
    one.put("d", "a", b"1").expect("put");
    other.write("d", "a", 1, 5, b"12").expect("written");
    let mut both = vec![one.id(), other.id()];
    both.sort();
    assert_eq!(ids(&container), both);
    assert_eq!(container.query().expect("queried").objects, 2);
    assert_eq!(container.query().expect("queried").dicts, 1);

    one.punch(Conditions::PUNCH).expect("punched");
    assert!(!one.exists().expect("asked"));
    assert_eq!(ids(&container), [other.id()]);
    assert_eq!(one.get("d", "a").expect("read"), None);
    refused(one.punch(Conditions::PUNCH), ErrorKind::NotFound, &one.id().to_string());
    one.punch(Conditions::NONE).expect("nothing to punch");
    // And it may be made again, by another handle too.
    let again = Container::open(&container.url()).expect("opened").object(one.id()).expect("an object");
    again.put("d", "a", b"2").expect("put");
    one.put("d", "b", b"3").expect("put");
    assert_eq!(one.get("d", "a").expect("read").as_deref(), Some(&b"2"[..]));
    assert_eq!(container.query().expect("queried").objects, 2);
    assert_eq!(container.dicts().expect("listed"), ["d"]);
    assert!(container.check(true).expect("checked").is_clean());
}

fn types_are_not_mixed_silently(scratch: &Scratch) {
    let container = scratch.container();
    let object = lexical(&container);
    object.put("d", "single", b"1").expect("put");
    object.write("d", "array", 4, 0, &[1; 8]).expect("written");
    for _ in 0..2 {
        refused(object.write("d", "single", 1, 0, b"1"), ErrorKind::InvalidArgument, "punch it first");
        refused(object.put("d", "array", b"1"), ErrorKind::InvalidArgument, "punch it first");
        refused(object.write("d", "array", 8, 0, &[1; 8]), ErrorKind::InvalidArgument, "records of 4 bytes");
        refused(object.punch_extents("d", "single", [0..1]), ErrorKind::InvalidArgument, "a single value");
        refused(object.get("d", "array"), ErrorKind::InvalidArgument, "an array");
        refused(object.read("d", "single", 1, 0, &mut [0]), ErrorKind::InvalidArgument, "a single value");
        refused(object.read("d", "array", 8, 0, &mut [0; 8]), ErrorKind::InvalidArgument, "4 bytes");
        refused(object.list_extents("d", "single").map(drop), ErrorKind::InvalidArgument, "a single value");
    }
    // A handle that remembers nothing of it refuses too.
    let fresh = container.object(object.id()).expect("an object");
    refused(fresh.put("d", "array", b"1"), ErrorKind::InvalidArgument, "an array");
    refused(fresh.write("d", "single", 1, 0, b"1"), ErrorKind::InvalidArgument, "a single value");

    let mut update = object.update("d").expect("begun");
    update.single("x", b"1").expect("added");
    refused(update.extent("x", 1, 0, b"1").map(drop), ErrorKind::InvalidArgument, "one or the other");
    update.extent("y", 1, 0, b"1").expect("added");
    refused(update.single("y", b"1").map(drop), ErrorKind::InvalidArgument, "one or the other");
    refused(update.extent("y", 2, 0, b"12").map(drop), ErrorKind::InvalidArgument, "one akey");
    refused(update.extent("z", 3, 0, b"12").map(drop), ErrorKind::InvalidArgument, "whole records");
    refused(update.extent("z", 0, 0, b"").map(drop), ErrorKind::InvalidArgument, "whole records");
    drop(update);
    assert_eq!(object.get("d", "x").expect("read"), None);

    object.punch_akeys("d", ["single", "array"], Conditions::PUNCH).expect("punched");
    object.put("d", "array", b"1").expect("put");
    object.write("d", "single", 1, 0, b"1").expect("written");
    assert!(container.check(false).expect("checked").is_clean());
}

fn keys_are_checked(scratch: &Scratch) {
    let container = scratch.container();
    let object = lexical(&container);
    let longest = vec![0; KEY_BYTES_MAX];
    object.put(&longest[..], &longest[..], b"1").expect("put");
    object.write(&longest[..], "array", 1, 0, &[7; 5000]).expect("written");
    assert_eq!(object.get(&longest[..], &longest[..]).expect("read").as_deref(), Some(&b"1"[..]));
    container.compact().expect("compacted");
    assert_eq!(object.largest_dkey().expect("asked"), Some(longest.clone().into()));
    let long = vec![0; KEY_BYTES_MAX + 1];
    refused(object.put(&long[..], "a", b"1"), ErrorKind::KeyTooLong, "1025");
    refused(object.put("d", &long[..], b"1"), ErrorKind::KeyTooLong, "1025");
    refused(object.put(1, "a", b"1"), ErrorKind::InvalidArgument, "bytes");
    refused(object.get("d", 1), ErrorKind::InvalidArgument, "bytes");
    let options = ObjectOptions { dkeys: KeyKind::Integer, ..Default::default() };
    let numbered = container.create_object(options).expect("an object");
    refused(numbered.put("d", "a", b"1"), ErrorKind::InvalidArgument, "whole numbers");
    numbered.put(u64::MAX, "a", b"1").expect("put");
}

fn ids_and_classes_are_checked(scratch: &Scratch) {
    let container = scratch.container();
    for (name, is_supported) in
        [("S1", true), ("SX", true), ("TINY", true), ("RP_2G1", false), ("EC_4P2GX", false)]
    {
        let class: ObjectClass = name.parse().expect("a class");
        let made = container.create_object(ObjectOptions { class, ..Default::default() });
        match is_supported {
            true => assert_eq!(made.expect("an object").id().kind().expect("a kind").class, class),
            false => refused(made, ErrorKind::NotSupported, "S1"),
        }
        let id = ObjectId::new(ObjectKind { class, ..ObjectKind::default() }, 7).expect("an id");
        assert_eq!(container.object(id).is_ok(), is_supported);
    }
    let chosen =
        container.create_object(ObjectOptions { low: Some(9), ..Default::default() }).expect("an object");
    assert_eq!(chosen.id().low(), 9);
    let too_great = ObjectOptions { low: Some(1 << 96), ..Default::default() };
    refused(container.create_object(too_great), ErrorKind::InvalidArgument, "96 bits");
    refused(container.object(ObjectId::from_number(1 << 96)), ErrorKind::InvalidArgument, "begin with 10");
    refused(container.object(ObjectId::from_number(0x10FF << 112)), ErrorKind::Incompatible, "newer");
    assert_eq!(chosen.kind().form, ObjectForm::Keyed);
    refused(container.array(chosen.id()), ErrorKind::InvalidArgument, "isn't an array");
}

fn values_of_every_length_come_back(scratch: &Scratch) {
    let container = scratch.container();
    let object = lexical(&container);
    for length in [0, 1, 2047, 2048, 2049, 4096, 70_000, 3 << 20] {
        let value = noise(length as u64, length);
        object.put("single", format!("{length}"), &value).expect("put");
        object.write("array", format!("{length}"), 1, 3, &value).expect("written");
        assert!(object.get("single", format!("{length}")).expect("read").as_deref() == Some(&value[..]));
        let mut into = vec![1; length + 5];
        let holes = object.read("array", format!("{length}"), 1, 0, &mut into).expect("read");
        assert!(into[3..length + 3] == value && into[..3] == [0; 3] && into[length + 3..] == [0; 2]);
        assert_eq!(holes.iter().map(|hole| hole.end - hole.start).sum::<u64>(), 5);
    }
    assert!(container.check(false).expect("checked").is_clean());
}

fn extents_at_the_edges_of_the_numbers(scratch: &Scratch) {
    let object = lexical(&scratch.container());
    object.write("d", "a", 2, u64::MAX - 3, &[1, 2, 3, 4, 5, 6]).expect("written");
    refused(object.write("d", "a", 2, u64::MAX - 2, &[1, 2, 3, 4, 5, 6]), ErrorKind::InvalidArgument, "2^64");
    object.write("d", "a", 2, 0, &[9, 9]).expect("written");
    let mut into = [0; 4];
    assert_eq!(object.read("d", "a", 2, u64::MAX - 3, &mut into).expect("read"), []);
    assert_eq!(into, [1, 2, 3, 4]);
    assert_eq!(object.largest_extent("d", "a").expect("asked"), Some(u64::MAX - 3..u64::MAX));
    assert_eq!(object.smallest_extent("d", "a").expect("asked"), Some(0..1));
    // A hole as great as can be, over everything, and a merge of it.
    object.punch_extents("d", "a", [1..u64::MAX]).expect("punched");
    assert_eq!(object.largest_extent("d", "a").expect("asked"), Some(0..1));
    assert_eq!(object.read("d", "a", 2, u64::MAX - 2, &mut into).expect("read"), [u64::MAX - 2..u64::MAX]);
    object.merge().expect("merged");
    let extents: Vec<_> =
        object.list_extents("d", "a").expect("listed").map(|one| one.expect("one").records).collect();
    assert_eq!(extents, [0..1]);
}

fn a_fetch_is_of_one_state(scratch: &Scratch) {
    let container = scratch.container();
    let object = lexical(&container);
    let write = |number: u64| {
        let mut update = object.update("d").expect("begun");
        update.single("one", &number.to_be_bytes()).expect("added");
        update.extent("many", 8, 0, &number.to_be_bytes()).expect("added");
        update.extent("many", 8, 7, &number.to_be_bytes()).expect("added");
        update.commit().expect("committed");
    };
    write(0);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (0..300).for_each(write));
        while !writer.is_finished() {
            let mut fetch = object.fetch("d").expect("begun");
            fetch.single("one").expect("asked").extents("many", [0..1, 7..8]).expect("asked");
            match &fetch.read().expect("read")[..] {
                [Fetched::Single(one), Fetched::Extents(many)] => {
                    assert_eq!(many.bytes, [&one[..], &one[..]].concat());
                    assert_eq!((many.record_bytes, &many.holes[..]), (8, &[][..]));
                }
                other => panic!("{other:?}"),
            }
        }
    });
}

fn read_only_handles_change_nothing(scratch: &Scratch) {
    let container = scratch.container();
    let object = lexical(&container);
    object.put("d", "a", b"1").expect("put");
    let options = millpond::OpenOptions { read_only: true, ..Default::default() };
    let reader = Container::open_with(&container.url(), options).expect("opened");
    let object = reader.object(object.id()).expect("an object");
    assert_eq!(object.get("d", "a").expect("read").as_deref(), Some(&b"1"[..]));
    refused(object.put("d", "a", b"2"), ErrorKind::ReadOnly, "reading only");
    refused(object.punch(Conditions::NONE), ErrorKind::ReadOnly, "reading only");
    refused(object.punch_dkeys(["d"], Conditions::NONE), ErrorKind::ReadOnly, "reading only");
    refused(object.merge(), ErrorKind::ReadOnly, "reading only");
}

fn ends_of_hashed_keys_are_refused(scratch: &Scratch) {
    let object = scratch.container().create_object(ObjectOptions::default()).expect("an object");
    object.put("d", "a", b"1").expect("put");
    refused(object.smallest_dkey(), ErrorKind::NotSupported, "hashed");
    refused(object.largest_dkey(), ErrorKind::NotSupported, "hashed");
    refused(object.smallest_akey("d"), ErrorKind::NotSupported, "hashed");
    refused(object.largest_akey("d"), ErrorKind::NotSupported, "hashed");
}
