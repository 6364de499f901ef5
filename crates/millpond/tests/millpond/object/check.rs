//! What the check of a container says of objects, and what it puts right.

use millpond::{Container, Object, ObjectOptions};
use millpond_core::{Commit, Key, Op, Write};

use crate::scratch::Scratch;

on_every_backend!(
    a_lost_header_is_put_back,
    a_wrong_count_of_objects_is_corrected,
    malformed_records_are_named,
    objects_of_a_newer_kind_are_told,
);

const CATALOGUE: [u8; 18] = [0; 18];

fn object(container: &Container) -> Object {
    let object = container.create_object(ObjectOptions::default()).expect("an object");
    object.put("d", "single", b"1").expect("put");
    object.write("d", "array", 1, 0, &[7; 5000]).expect("written");
    object
}

fn partition(object: &Object) -> Vec<u8> {
    [&object.id().number().to_be_bytes()[..], &[0, 0]].concat()
}

fn commit(container: &Container, partition: &[u8], sort: &[u8], op: Op<'_>) {
    let write = Write { key: Key::new(partition, sort), op, tally: None };
    container
        .store()
        .index()
        .commit(&Commit { writes: vec![write], ..Commit::default() })
        .expect("committed");
}

fn damages(container: &Container, repair: bool) -> Vec<String> {
    let report = container.check(repair).expect("checked");
    assert!(report.leaked.is_empty(), "{report:?}");
    report.damages.into_iter().map(|damage| format!("{}: {}", damage.place, damage.what)).collect()
}

fn a_lost_header_is_put_back(scratch: &Scratch) {
    let container = scratch.container();
    let object = object(&container);
    assert_eq!(damages(&container, true), [""; 0]);
    commit(&container, &partition(&object), &[0], Op::Delete);
    assert_eq!(damages(&container, true), [format!("object {}: its header is missing", object.id())]);
    assert_eq!(damages(&container, false), [""; 0]);
    object.put("d", "single", b"2").expect("put");
    assert_eq!(container.query().expect("queried").objects, 1);
}

fn a_wrong_count_of_objects_is_corrected(scratch: &Scratch) {
    let container = scratch.container();
    object(&container);
    commit(&container, &CATALOGUE, b"m", Op::Adjust(3));
    assert_eq!(container.query().expect("queried").objects, 4);
    assert_eq!(damages(&container, true), ["the catalogue: it counts 4 objects, but lists 1"]);
    assert_eq!(container.query().expect("queried").objects, 1);
    assert_eq!(damages(&container, false), [""; 0]);
}

fn malformed_records_are_named(scratch: &Scratch) {
    let container = scratch.container();
    let object = object(&container);
    let partition = partition(&object);
    let put =
        |sort: &[u8], value: &[u8]| commit(&container, &partition, sort, Op::Put { value, extents: &[] });
    put(b"\x02d\0\x01array\0\x01\0", b"\x01a");
    put(b"\x02d\0\x01single\0\x01\0", b"\x09");
    put(b"\x02d\0\x01single\0\x01\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", b"\x01a");
    put(b"\x02d\0\x01", b"\x01a");
    let damages = damages(&container, true);
    let says = |text: &str| damages.iter().any(|damage| damage.contains(text));
    assert!(says("a single value and an array") && says("\"array\""), "{damages:?}");
    assert!(says("a value of kind 9") && says("no array's header"), "{damages:?}");
    assert!(says("is malformed"), "{damages:?}");
}

fn objects_of_a_newer_kind_are_told(scratch: &Scratch) {
    let container = scratch.container();
    let object = object(&container);
    let listed = [b"o", &object.id().number().to_be_bytes()[..]].concat();
    commit(&container, &CATALOGUE, &listed, Op::Put { value: &[9], extents: &[] });
    let damages = damages(&container, false);
    assert!(damages.iter().any(|damage| damage.contains("newer version")), "{damages:?}");
}
