//! Objects at snapshots, and back to them: an extent that is written again keeps its place among the
//! others.

use millpond::{Container, Object, ObjectOptions};

use crate::scratch::Scratch;

on_every_backend!(extents_show_as_they_did, an_object_comes_back_after_its_punch);

fn bytes(object: &Object, length: usize) -> Vec<u8> {
    let mut into = vec![0xFF; length];
    object.read("d", "a", 1, 0, &mut into).expect("read");
    into
}

fn object(container: &Container) -> Object {
    let object = container.create_object(ObjectOptions::default()).expect("an object");
    object.write("d", "a", 1, 0, b"aaaaaaaa").expect("written");
    object.write("d", "a", 1, 2, b"bbb").expect("written");
    object.punch_extents("d", "a", [3..4]).expect("punched");
    object
}

fn extents_show_as_they_did(scratch: &Scratch) {
    let container = scratch.container();
    let object = object(&container);
    container.snapshot("before").expect("made");
    // The oldest extent is replaced: put back, it must not hide those that came after it.
    object.write("d", "a", 1, 0, b"cccccccc").expect("written");
    object.write("d", "a", 1, 6, b"dddd").expect("written");
    assert_eq!(bytes(&object, 10), b"ccccccdddd");
    let then = container.at("before").expect("opened").object(object.id()).expect("an object");
    assert_eq!(bytes(&then, 10), b"aab\0baaa\0\0");

    container.rollback("before").expect("rolled back");
    assert_eq!(bytes(&object, 10), b"aab\0baaa\0\0");
    object.write("d", "a", 1, 1, b"ee").expect("written");
    assert_eq!(bytes(&object, 10), b"aee\0baaa\0\0");

    // The same, with a merge in between.
    container.compact().expect("compacted");
    assert_eq!(bytes(&object, 10), b"aee\0baaa\0\0");
    container.rollback("before").expect("rolled back");
    assert_eq!(bytes(&object, 10), b"aab\0baaa\0\0");
    assert_eq!(bytes(&then, 10), b"aab\0baaa\0\0");
    assert!(container.check(false).expect("checked").is_clean());
}

fn an_object_comes_back_after_its_punch(scratch: &Scratch) {
    let container = scratch.container();
    let object = object(&container);
    container.snapshot("before").expect("made");
    object.punch(Default::default()).expect("punched");
    object.put("d", "a", b"now a single value").expect("put");
    container.rollback("before").expect("rolled back");
    assert_eq!(bytes(&object, 10), b"aab\0baaa\0\0");
    assert_eq!(container.objects().expect("listed").count(), 1);
    assert_eq!(container.query().expect("queried").objects, 1);
    assert!(container.check(false).expect("checked").is_clean());
}
