//! The truth table of the conditions: each of them, on keys that exist and on keys that don't, and
//! between two writers that race.

use std::sync::atomic::{AtomicU64, Ordering};

use millpond::{Conditions, ErrorKind, Object, ObjectOptions, Result};

use crate::scratch::{Scratch, refused};

on_every_backend!(
    each_condition_holds_or_not,
    conditions_of_single_akeys,
    conditions_that_make_no_sense_are_refused,
    of_writers_that_race_one_inserts,
);

/// Which keys an operation asks for.
#[derive(Clone, Copy, Debug)]
enum There {
    Nothing,
    /// The dkey, with another akey.
    Dkey,
    /// The dkey and the akey.
    Akey,
}

fn object(scratch: &Scratch) -> Object {
    scratch.container().create_object(ObjectOptions::default()).expect("an object")
}

fn prepare(object: &Object, there: There) {
    object.punch(Conditions::NONE).expect("punched");
    match there {
        There::Nothing => object.put("another", "a", b"0").expect("put"),
        There::Dkey => object.put("d", "another", b"0").expect("put"),
        There::Akey => object.put("d", "a", b"0").expect("put"),
    }
}

fn update(object: &Object, conditions: Conditions) -> Result<()> {
    let mut update = object.update("d")?;
    update.condition(conditions)?.single("a", b"1")?;
    update.commit()
}

fn fetch(object: &Object, conditions: Conditions) -> Result<()> {
    let mut fetch = object.fetch("d")?;
    fetch.condition(conditions)?.single("a")?;
    fetch.read().map(drop)
}

fn each_condition_holds_or_not(scratch: &Scratch) {
    use Conditions as C;
    type Do = fn(&Object, Conditions) -> Result<()>;
    let punch_dkey: Do = |object, conditions| object.punch_dkeys(["d"], conditions);
    let punch_akey: Do = |object, conditions| object.punch_akeys("d", ["a"], conditions);
    let exist = Some(ErrorKind::AlreadyExists);
    let nonexist = Some(ErrorKind::NotFound);
    let object = object(scratch);
    // With nothing there, with the dkey, with the akey.
    let table: [(Do, Conditions, [Option<ErrorKind>; 3]); 14] = [
        (update, C::NONE, [None, None, None]),
        (update, C::DKEY_INSERT, [None, exist, exist]),
        (update, C::DKEY_UPDATE, [nonexist, None, None]),
        (update, C::AKEY_INSERT, [None, None, exist]),
        (update, C::AKEY_UPDATE, [nonexist, nonexist, None]),
        (update, C::DKEY_UPDATE | C::AKEY_INSERT, [nonexist, None, exist]),
        (update, C::DKEY_INSERT | C::AKEY_INSERT, [None, exist, exist]),
        (update, C::PER_AKEY, [None, None, None]),
        (fetch, C::NONE, [None, None, None]),
        (fetch, C::DKEY_FETCH, [nonexist, None, None]),
        (fetch, C::AKEY_FETCH, [nonexist, nonexist, None]),
        (punch_dkey, C::NONE, [None, None, None]),
        (punch_dkey, C::PUNCH, [nonexist, None, None]),
        (punch_akey, C::PUNCH, [nonexist, nonexist, None]),
    ];
    for (number, (operation, conditions, expected)) in table.into_iter().enumerate() {
        for (there, expected) in [There::Nothing, There::Dkey, There::Akey].into_iter().zip(expected) {
            prepare(&object, there);
            let before = object.newest_epoch().expect("asked");
            let result = operation(&object, conditions).map_err(|error| error.kind());
            assert_eq!(result.err(), expected, "row {number}: {conditions:?} with {there:?}");
            if expected.is_some() {
                assert_eq!(object.newest_epoch().expect("asked"), before, "row {number} changed something");
            }
        }
    }
    // The condition of a punch of the object itself.
    object.punch(C::PUNCH).expect("punched");
    refused(object.punch(C::PUNCH), ErrorKind::NotFound, "doesn't exist");
}

fn conditions_of_single_akeys(scratch: &Scratch) {
    let object = object(scratch);
    object.put("d", "old", b"0").expect("put");
    let write = |of_old, of_new| {
        let mut update = object.update("d").expect("begun");
        update.condition(Conditions::PER_AKEY).expect("a condition");
        update.akey_condition("old", of_old).expect("a condition").single("old", b"1").expect("added");
        update.akey_condition("new", of_new).expect("a condition").extent("new", 1, 0, b"1").expect("added");
        update.commit()
    };
    refused(write(Conditions::AKEY_INSERT, Conditions::AKEY_INSERT), ErrorKind::AlreadyExists, "old");
    refused(write(Conditions::AKEY_UPDATE, Conditions::AKEY_UPDATE), ErrorKind::NotFound, "new");
    let read = |of_new| {
        let mut fetch = object.fetch("d").expect("begun");
        fetch.condition(Conditions::PER_AKEY).expect("a condition");
        fetch.akey_condition("new", of_new).expect("a condition");
        fetch.single("old").expect("asked").extents("new", [0..1]).expect("asked");
        fetch.read().map(|fetched| fetched.len())
    };
    refused(read(Conditions::AKEY_FETCH), ErrorKind::NotFound, "new");
    assert_eq!(read(Conditions::NONE).expect("read"), 2);
    write(Conditions::AKEY_UPDATE, Conditions::AKEY_INSERT).expect("committed");
    assert_eq!(read(Conditions::AKEY_FETCH).expect("read"), 2);
}

fn conditions_that_make_no_sense_are_refused(scratch: &Scratch) {
    use Conditions as C;
    let object = object(scratch);
    for conditions in [
        C::DKEY_INSERT | C::DKEY_UPDATE,
        C::AKEY_INSERT | C::AKEY_UPDATE,
        C::DKEY_FETCH,
        C::PUNCH,
        C::PER_AKEY | C::AKEY_INSERT,
    ] {
        refused(update(&object, conditions), ErrorKind::InvalidArgument, "");
    }
    for conditions in [C::DKEY_INSERT, C::AKEY_UPDATE, C::PUNCH] {
        refused(fetch(&object, conditions), ErrorKind::InvalidArgument, "a fetch");
    }
    refused(object.punch(C::DKEY_UPDATE), ErrorKind::InvalidArgument, "a punch");
    let mut update = object.update("d").expect("begun");
    refused(update.akey_condition("a", C::AKEY_INSERT).map(drop), ErrorKind::InvalidArgument, "PER_AKEY");
    update.condition(C::PER_AKEY).expect("a condition");
    refused(update.akey_condition("a", C::DKEY_INSERT).map(drop), ErrorKind::InvalidArgument, "single akey");
    assert_eq!(C::parse("dkey_insert | AKEY_INSERT").expect("conditions"), C::DKEY_INSERT | C::AKEY_INSERT);
    refused(C::parse("INSERT"), ErrorKind::InvalidArgument, "DKEY_INSERT");
}

fn of_writers_that_race_one_inserts(scratch: &Scratch) {
    let object = object(scratch);
    for conditions in [Conditions::DKEY_INSERT, Conditions::AKEY_INSERT] {
        for dkey in 0..30 {
            let winners = AtomicU64::new(0);
            std::thread::scope(|scope| {
                for writer in 0..4u8 {
                    let (object, winners) = (object.clone(), &winners);
                    scope.spawn(move || {
                        let mut update = object.update(format!("{conditions:?} {dkey}")).expect("begun");
                        // Writers of one dkey's insertion may write akeys of their own.
                        let akey = if conditions == Conditions::DKEY_INSERT { writer } else { 0 };
                        update
                            .condition(conditions)
                            .expect("a condition")
                            .single(&[akey], &[writer])
                            .expect("added");
                        match update.commit() {
                            Ok(()) => drop(winners.fetch_add(1, Ordering::Relaxed)),
                            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
                        }
                    });
                }
            });
            assert_eq!(winners.into_inner(), 1, "{conditions:?}");
        }
    }
}
