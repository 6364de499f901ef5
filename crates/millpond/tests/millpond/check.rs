//! The check of a container: what it finds, and what it puts right.
//!
//! Records are removed and changed below the front door, as damage or a fault in the product would.

use millpond::{Container, ErrorKind};
use millpond_core::{Commit, Key, Op, Write};

use crate::scratch::{Scratch, refused};

on_every_backend!(
    a_sound_container_is_clean,
    a_dict_without_a_name_is_found_and_relinked,
    a_dict_without_a_header_gets_it_back,
    a_wrong_count_is_corrected,
    a_malformed_entry_is_named,
);

const CATALOGUE: [u8; 18] = [0; 18];

/// A container with a dict "d" of ten entries.
fn container(scratch: &Scratch) -> Container {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    dict.put_many((0..10u8).map(|number| ([number], "value"))).expect("put");
    dict.put(&[0], &[7; 5000]).expect("put");
    container
}

/// The id of the dict "d".
fn id(container: &Container) -> Vec<u8> {
    let record = container.store().index().get(Key::new(&CATALOGUE, b"dd")).expect("read");
    record.expect("the name's record").value[1..].to_vec()
}

fn commit(container: &Container, partition: &[u8], sort: &[u8], op: Op<'_>) {
    let write = Write { key: Key::new(partition, sort), op, tally: None };
    container
        .store()
        .index()
        .commit(&Commit { writes: vec![write], ..Commit::default() })
        .expect("committed");
}

fn a_sound_container_is_clean(scratch: &Scratch) {
    let container = container(scratch);
    for repair in [false, true] {
        let report = container.check(repair).expect("checked");
        assert!(report.is_clean(), "{report:?}");
        assert!(report.bytes > 5000, "{report:?}");
    }
}

fn a_dict_without_a_name_is_found_and_relinked(scratch: &Scratch) {
    let container = container(scratch);
    let id = id(&container);
    commit(&container, &CATALOGUE, b"dd", Op::Delete);
    refused(container.dict("d"), ErrorKind::NotFound, "no dictionary");

    let hexadecimal: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let report = container.check(false).expect("checked");
    assert_eq!((report.leaked, report.relinked.len()), (vec![hexadecimal.clone()], 0));
    let report = container.check(true).expect("checked");
    assert_eq!(report.leaked, [hexadecimal.as_str()]);
    let name = format!("lost+found-{hexadecimal}");
    assert_eq!(report.relinked, [name.as_str()]);
    let dict = container.dict(&name).expect("it is back");
    assert_eq!(dict.len().expect("counted"), 10);
    assert_eq!(dict.get(&[0]).expect("read").as_deref(), Some(&[7; 5000][..]));
    let report = container.check(true).expect("checked");
    assert!(report.leaked.is_empty(), "{report:?}");
    container.destroy_dict(&name).expect("destroyed");
    assert!(container.check(false).expect("checked").is_clean());
}

fn a_dict_without_a_header_gets_it_back(scratch: &Scratch) {
    let container = container(scratch);
    let partition = [&id(&container)[..], &[0, 0]].concat();
    commit(&container, &partition, &[0], Op::Delete);
    refused(container.dict("d"), ErrorKind::Corrupt, "lost its header");
    let report = container.check(false).expect("checked");
    assert!(report.damages.iter().any(|damage| damage.what.contains("header is missing")), "{report:?}");
    container.check(true).expect("checked");
    assert_eq!(container.dict("d").expect("opened").len().expect("counted"), 10);
    assert!(container.check(false).expect("checked").is_clean());
}

fn a_wrong_count_is_corrected(scratch: &Scratch) {
    let container = container(scratch);
    let partition = [&id(&container)[..], &[0, 0]].concat();
    commit(&container, &partition, &[1], Op::Adjust(5));
    let report = container.check(true).expect("checked");
    assert_eq!(report.damages.len(), 1);
    assert!(report.damages[0].what.contains("counts 15 entries, but holds 10"), "{report:?}");
    assert_eq!(container.dict("d").expect("opened").len().expect("counted"), 10);
    assert!(container.check(false).expect("checked").is_clean());
}

fn a_malformed_entry_is_named(scratch: &Scratch) {
    let container = container(scratch);
    let partition = [&id(&container)[..], &[0, 0]].concat();
    commit(&container, &partition, &[2, 3], Op::Put { value: &[2, 0x80], extents: &[] });
    let report = container.check(false).expect("checked");
    assert_eq!(report.damages.len(), 1, "{report:?}");
    assert!(report.damages[0].what.contains("\"\\x03\""), "{report:?}");
    refused(container.dict("d").expect("opened").get(&[3]), ErrorKind::Corrupt, "\\x03");
}
