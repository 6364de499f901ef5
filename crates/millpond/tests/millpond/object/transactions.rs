//! Objects in transactions: what one wrote later shows over what it wrote before.

use millpond::{Conditions, ErrorKind, Object, ObjectOptions, Transaction};

use crate::scratch::{Scratch, refused};

on_every_backend!(
    the_later_of_two_extents_of_a_transaction_shows,
    what_is_aborted_never_was,
    conditions_hold_in_a_transaction,
    a_merge_keeps_the_order_of_a_transaction,
);

fn in_it(transaction: &Transaction, object: &Object) -> Object {
    transaction.container().object(object.id()).expect("an object")
}

fn bytes(object: &Object, length: usize) -> Vec<u8> {
    let mut into = vec![0xFF; length];
    object.read("d", "a", 1, 0, &mut into).expect("read");
    into
}

fn the_later_of_two_extents_of_a_transaction_shows(scratch: &Scratch) {
    let container = scratch.container();
    let object = container.create_object(ObjectOptions::default()).expect("an object");
    object.write("d", "a", 1, 0, b"..........").expect("written");
    let transaction = container.begin(Default::default()).expect("begun");
    let inside = in_it(&transaction, &object);
    // The longer one is of a higher level, the shorter ones lie before and behind it in the index.
    for (start, text) in [(2, &b"aaaa"[..]), (0, b"bbbbbbbb"), (3, b"cc"), (1, b"ddd"), (4, b"e")] {
        inside.write("d", "a", 1, start, text).expect("written");
    }
    inside.punch_extents("d", "a", [6..7]).expect("punched");
    assert_eq!(bytes(&inside, 10), b"bdddeb\0b..");
    assert_eq!(bytes(&object, 10), b"..........");
    transaction.commit().expect("committed");
    assert_eq!(bytes(&object, 10), b"bdddeb\0b..");
    container.compact().expect("compacted");
    assert_eq!(bytes(&object, 10), b"bdddeb\0b..");
}

fn what_is_aborted_never_was(scratch: &Scratch) {
    let container = scratch.container();
    let object = container.create_object(ObjectOptions::default()).expect("an object");
    let transaction = container.begin(Default::default()).expect("begun");
    let inside = in_it(&transaction, &object);
    inside.write("d", "a", 1, 0, &[7; 5000]).expect("written");
    inside.put("d", "b", b"1").expect("put");
    assert!(inside.exists().expect("asked"));
    assert_eq!(inside.list_akeys("d").expect("listed").count(), 2);
    transaction.abort();
    assert!(!object.exists().expect("asked"));
    assert_eq!(container.objects().expect("listed").count(), 0);
    assert_eq!(container.query().expect("queried").objects, 0);
    assert!(container.check(false).expect("checked").is_clean());
}

fn conditions_hold_in_a_transaction(scratch: &Scratch) {
    let container = scratch.container();
    let object = container.create_object(ObjectOptions::default()).expect("an object");
    let insert = |object: &Object, dkey: &str| {
        let mut update = object.update(dkey)?;
        update.condition(Conditions::DKEY_INSERT)?.single("a", b"1")?;
        update.commit()
    };
    let transaction = container.begin(Default::default()).expect("begun");
    let inside = in_it(&transaction, &object);
    insert(&inside, "d").expect("inserted");
    refused(insert(&inside, "d"), ErrorKind::AlreadyExists, "d");
    inside.punch_dkeys(["d"], Conditions::PUNCH).expect("punched");
    refused(inside.punch_dkeys(["d"], Conditions::PUNCH), ErrorKind::NotFound, "d");
    insert(&inside, "d").expect("inserted");
    inside.punch(Conditions::PUNCH).expect("punched");
    insert(&inside, "d").expect("inserted");
    // Somebody else inserts the same: one of the two gets it.
    insert(&object, "d").expect("inserted");
    assert_eq!(transaction.commit().expect_err("a conflict").kind(), ErrorKind::Conflict);
    assert_eq!(object.list_dkeys().expect("listed").count(), 1);
    assert!(container.check(false).expect("checked").is_clean());
}

fn a_merge_keeps_the_order_of_a_transaction(scratch: &Scratch) {
    let container = scratch.container();
    let object = container.create_object(ObjectOptions::default()).expect("an object");
    let width = 1u64 << 20;
    // One extent reaches over the edge of a window and stays; it lies between two of the same commit.
    let transaction = container.begin(Default::default()).expect("begun");
    let inside = in_it(&transaction, &object);
    let long = vec![b'b'; (3 * width) as usize];
    inside.write("d", "a", 1, 0, &[b'a'; 100]).expect("written");
    inside.write("d", "a", 1, 50, &long).expect("written");
    inside.write("d", "a", 1, 60, &[b'c'; 10]).expect("written");
    inside.write("d", "a", 1, 70, &[b'd'; 10]).expect("written");
    inside.punch_extents("d", "a", [75..78]).expect("punched");
    transaction.commit().expect("committed");
    let expected = [&[b'a'; 50][..], &[b'b'; 10], &[b'c'; 10], b"ddddd\0\0\0dd", &[b'b'; 20]].concat();
    assert_eq!(bytes(&object, 100), expected);
    object.merge().expect("merged");
    assert_eq!(bytes(&object, 100), expected);
    object.write("d", "a", 1, 61, b"e").expect("written");
    assert_eq!(bytes(&object, 100)[59..63], *b"bcec");
}
