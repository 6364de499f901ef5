//! Objects of dkeys and akeys at snapshots, compared, and gone back to.

use millpond::{
    ArrayOptions, Conditions, Container, DifferenceKind, DifferentKey, DifferentObject, KeyKind, ObjectId,
    ObjectKey, ObjectOptions,
};

use crate::scratch::{Scratch, noise};

on_every_backend!(an_array_goes_back, differences_name_dkeys_and_akeys, an_object_comes_back);

fn read(container: &Container, id: ObjectId) -> Vec<u8> {
    let array = container.array(id).expect("opened");
    let mut bytes = vec![0; array.size().expect("asked") as usize];
    array.read(0, &mut bytes).expect("read");
    bytes
}

/// What was overwritten shows again, and not what overwrote it: though the records that are put back
/// are the newer ones now.
fn an_array_goes_back(scratch: &Scratch) {
    let container = scratch.container();
    let array = container
        .create_array(ArrayOptions { chunk_cells: 64 << 10, ..ArrayOptions::default() })
        .expect("created");
    let mut expected = noise(1, 100_000);
    array.write(0, &expected).expect("written");
    for part in 0..20u64 {
        let bytes = noise(part + 2, 3000);
        array.write(part * 2500, &bytes).expect("written");
        expected[part as usize * 2500..][..3000].copy_from_slice(&bytes);
    }
    container.snapshot("then").expect("taken");
    assert_eq!(read(&container, array.id()), expected);
    for round in 0..3u64 {
        for part in 0..30 {
            array.write((part * 3333 + round * 100) % 97_000, &noise(part + 100, 2500)).expect("written");
        }
        array.punch(std::slice::from_ref(&(5000..9000))).expect("punched");
        array.set_size(120_000 - round * 40_000).expect("set");
        if round > 0 {
            container.compact().expect("compacted");
        }
        assert!(read(&container, array.id()) != expected);
        assert!(read(&container.at("then").expect("opened"), array.id()) == expected, "round {round}");
        container.rollback("then").expect("rolled back");
        assert!(read(&container, array.id()) == expected, "round {round}");
        container.compact().expect("compacted");
        assert!(read(&container, array.id()) == expected, "round {round}, merged");
    }
    container.destroy_snapshot("then").expect("destroyed");
    array.write(0, &noise(7, 10)).expect("written");
    expected[..10].copy_from_slice(&noise(7, 10));
    container.compact().expect("compacted");
    assert!(read(&container, array.id()) == expected);
    assert!(container.check(false).expect("checked").is_clean());
}

fn differences_name_dkeys_and_akeys(scratch: &Scratch) {
    let container = scratch.container();
    let options =
        ObjectOptions { dkeys: KeyKind::Integer, akeys: KeyKind::Lexical, ..ObjectOptions::default() };
    let object = container.create_object(options).expect("created");
    object.put(1u64, "same", b"1").expect("put");
    object.put(1u64, "changed", b"1").expect("put");
    container.snapshot("then").expect("taken");
    object.put(1u64, "changed", b"2").expect("put");
    object.put(2u64, "added", b"2").expect("put");
    object.write(2u64, "array", 1, 10, b"abc").expect("written");
    for _ in 0..2 {
        let found: Vec<_> = container
            .diff("then", ())
            .expect("compared")
            .map(|difference| difference.expect("read"))
            .inspect(|difference| assert_eq!(difference.object, DifferentObject::Object(object.id())))
            .map(|difference| (difference.key.expect("a key"), difference.change))
            .collect();
        let key = |dkey: u64, akey: &'static str, records| DifferentKey::Akey {
            dkey: ObjectKey::from(dkey),
            akey: ObjectKey::from(akey),
            records,
        };
        let expected = [
            (key(1, "changed", None), DifferenceKind::Changed),
            (key(2, "added", None), DifferenceKind::Added),
            (key(2, "array", None), DifferenceKind::Added),
            (key(2, "array", Some(10..13)), DifferenceKind::Added),
        ];
        assert_eq!(found, expected);
        container.compact().expect("compacted");
    }
    container.rollback("then").expect("rolled back");
    assert_eq!(container.diff("then", ()).expect("compared").count(), 0);
}

fn an_object_comes_back(scratch: &Scratch) {
    let container = scratch.container();
    let object = container.create_object(ObjectOptions::default()).expect("created");
    object.put("d", "a", &noise(1, 50_000)).expect("put");
    container.snapshot("then").expect("taken");
    object.punch(Conditions::default()).expect("punched");
    let other = container.create_object(ObjectOptions::default()).expect("created");
    container.compact().expect("compacted");
    container.rollback("then").expect("rolled back");
    assert!(object.exists().expect("asked") && !other.exists().expect("asked"));
    let ids: Vec<_> = container.objects().expect("listed").map(|id| id.expect("read")).collect();
    assert_eq!(ids, [object.id()]);
    assert!(container.check(false).expect("checked").is_clean());
}
