//! Lists: in pieces, in parts, and gone on with by another process.

use std::collections::BTreeSet;

use millpond::{Anchor, Container, ErrorKind, KeyKind, Object, ObjectKey, ObjectOptions};
use millpond_testkit::process::{Part, role, tell};

use crate::scratch::{Scratch, refused};

on_every_backend!(
    parts_of_a_list_are_the_list,
    a_list_of_many_akeys_a_dkey,
    anchors_are_of_their_object_and_kind,
    extents_far_apart_are_found,
    extents_and_holes_of_some_records,
);

fn object(container: &Container, dkeys: KeyKind) -> Object {
    let options = ObjectOptions { dkeys, akeys: KeyKind::Lexical, ..Default::default() };
    container.create_object(options).expect("an object")
}

/// A dkey for each number, in one update.
fn fill(object: &Object, dkeys: u64) {
    let mut update = object.update("").expect("begun");
    for number in 0..dkeys {
        update.dkey(format!("sensor-{number:06}")).expect("a dkey");
        update.single("a", b"1").expect("added").single("b", b"2").expect("added");
    }
    update.commit().expect("committed");
}

fn keys(object: &Object, anchor: &Anchor) -> Vec<ObjectKey<'static>> {
    object.keys_from(anchor).expect("a list").map(|key| key.expect("a key")).collect()
}

fn parts_of_a_list_are_the_list(scratch: &Scratch) {
    let object = object(&scratch.container(), KeyKind::Lexical);
    fill(&object, 1000);
    let whole = object.list_dkeys().expect("listed").anchor();
    let all = keys(&object, &whole);
    assert_eq!(all.len(), 1000);
    for parts in [1, 2, 4, 7] {
        let split = object.split(&whole, parts).expect("split");
        assert_eq!(split.len(), parts);
        let listed: Vec<Vec<_>> = split.iter().map(|anchor| keys(&object, anchor)).collect();
        let most = listed.iter().map(Vec::len).max().unwrap_or_default();
        assert!(most <= 1000 / parts * 4, "{parts} parts, one of {most} keys");
        assert_eq!(listed.concat(), all);
    }
    // What comes and goes behind an anchor is listed as it is then.
    let mut list = object.list_dkeys().expect("listed");
    list.by_ref().take(500).for_each(drop);
    let anchor = list.anchor();
    object.put("sensor-000499+", "a", b"1").expect("put");
    object.punch_dkeys(["sensor-000700", "sensor-000001"], Default::default()).expect("punched");
    let rest = keys(&object, &anchor);
    assert_eq!(rest.first(), Some(&"sensor-000499+".into()));
    assert_eq!(rest.len(), 500);
    assert_eq!(list.count(), 500, "a list shows the state that it began with");
}

fn a_list_of_many_akeys_a_dkey(scratch: &Scratch) {
    let object = object(&scratch.container(), KeyKind::Integer);
    for dkey in [3, 1, 2] {
        let mut update = object.update(dkey).expect("begun");
        for akey in 0..300u32 {
            update.extent(format!("{akey:03}"), 1, 0, &[1; 10]).expect("added");
            update.extent(format!("{akey:03}"), 1, 100, &[1; 100]).expect("added");
        }
        update.commit().expect("committed");
    }
    let dkeys = keys(&object, &object.list_dkeys().expect("listed").anchor());
    assert_eq!(dkeys, [1.into(), 2.into(), 3.into()]);
    let akeys = keys(&object, &object.list_akeys(2).expect("listed").anchor());
    assert_eq!(akeys.len(), 300);
    assert_eq!(object.smallest_akey(2).expect("asked"), Some("000".into()));
    assert_eq!(object.largest_akey(2).expect("asked"), Some("299".into()));
    assert_eq!(object.largest_akey(9).expect("asked"), None);
    assert_eq!(object.smallest_dkey().expect("asked"), Some(1.into()));
}

fn anchors_are_of_their_object_and_kind(scratch: &Scratch) {
    let container = scratch.container();
    let (one, other) = (object(&container, KeyKind::Lexical), object(&container, KeyKind::Lexical));
    let anchor = one.list_dkeys().expect("listed").anchor();
    refused(other.keys_from(&anchor).map(drop), ErrorKind::InvalidArgument, &one.id().to_string());
    refused(one.extents_from(&anchor).map(drop), ErrorKind::InvalidArgument, "another kind");
    let extents = one.list_extents("d", "a").expect("listed").anchor();
    refused(one.keys_from(&extents).map(drop), ErrorKind::InvalidArgument, "another kind");
    refused(other.split(&extents, 2), ErrorKind::InvalidArgument, "not of");
    refused("nonsense".parse::<Anchor>(), ErrorKind::InvalidArgument, "no anchor");
}

fn extents_far_apart_are_found(scratch: &Scratch) {
    let object = object(&scratch.container(), KeyKind::Lexical);
    let starts: Vec<u64> = (0..40).map(|bit| 1 << bit).collect();
    for &start in &starts {
        object.write("d", "a", 1, start, b"x").expect("written");
    }
    let listed = object.list_extents("d", "a").expect("listed");
    let listed: BTreeSet<u64> = listed.flat_map(|extent| extent.expect("an extent").records).collect();
    assert!(listed.into_iter().eq(starts));
    object.punch_extents("d", "a", [3..1 << 50]).expect("punched");
    assert_eq!(object.largest_extent("d", "a").expect("asked"), Some(2..3));
    object.punch_extents("d", "a", [0..3]).expect("punched");
    assert_eq!(object.largest_extent("d", "a").expect("asked"), None);
    assert_eq!(object.smallest_extent("d", "a").expect("asked"), None);
}

#[test]
fn a_list_goes_on_in_another_process() {
    if let Some(role) = role() {
        let [url, id, anchor] = role.split(' ').collect::<Vec<_>>()[..] else { panic!("a role") };
        let container = Container::open(url).expect("opened");
        let object = container.object(id.parse().expect("an id")).expect("an object");
        let anchor: Anchor = anchor.parse().expect("an anchor");
        let mut list = object.keys_from(&anchor).expect("a list");
        for key in list.by_ref().take(100) {
            tell(String::from_utf8_lossy(key.expect("a key").bytes().expect("bytes")));
        }
        tell(format!("anchor {}", list.anchor()));
        return;
    }
    let scratch = Scratch::file();
    let container = scratch.container();
    let object = object(&container, KeyKind::Lexical);
    fill(&object, 550);
    let mut told = Vec::new();
    for anchor in object.split(&object.list_dkeys().expect("listed").anchor(), 2).expect("split") {
        let mut anchor = anchor;
        while !anchor.is_done() {
            let role = format!("{} {} {anchor}", container.url(), object.id());
            let mut part = Part::new("object::lists::a_list_goes_on_in_another_process", role).start();
            while let Some(line) = part.told() {
                match line.strip_prefix("anchor ") {
                    Some(text) => anchor = text.parse().expect("an anchor"),
                    None => told.push(line),
                }
            }
            part.finish();
        }
    }
    let expected: Vec<String> = (0..550).map(|number| format!("sensor-{number:06}")).collect();
    assert_eq!(told, expected);
}

fn extents_and_holes_of_some_records(scratch: &Scratch) {
    let object = object(&scratch.container(), KeyKind::Lexical);
    object.write("d", "a", 2, 10, &[1; 20]).expect("written");
    object.write("d", "a", 2, 1 << 40, &[2; 20]).expect("written");
    object.punch_extents("d", "a", [13..15]).expect("punched");
    let extents = |records| {
        let listed = object.list_extents_in("d", "a", records).expect("listed");
        listed.map(|one| one.expect("one").records).collect::<Vec<_>>()
    };
    assert_eq!(extents(12..18), [12..13, 15..18]);
    assert_eq!(extents(0..11), std::iter::once(10..11).collect::<Vec<_>>());
    assert!(extents(20..1 << 40).is_empty());
    let holes = |akey: &str, records| object.holes("d", akey, records).expect("found");
    assert_eq!(holes("a", 8..22), [8..10, 13..15, 20..22]);
    assert!(holes("a", 10..13).is_empty());
    assert_eq!(holes("a", 15..u64::MAX), [20..1 << 40, (1 << 40) + 10..u64::MAX]);
    assert_eq!(holes("nothing", 3..5), std::iter::once(3..5).collect::<Vec<_>>());
    object.put("d", "single", b"1").expect("put");
    refused(object.holes("d", "single", 0..1), ErrorKind::InvalidArgument, "a single value");
}
