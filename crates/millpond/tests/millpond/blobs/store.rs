//! Inserting and extracting.

use std::io::{Read, Seek, SeekFrom};

use millpond::{
    BlobId, BlobMeta, BlobSettings, BlobSource, BlobStore, Blobs, Codec, Compression, ErrorKind, HashType,
    InsertOptions, Inserted, Result,
};
use proptest::prelude::*;

use super::{LENGTHS, blobs, blobs_in, kind_of, text};
use crate::scratch::{Scratch, noise};

on_every_backend!(
    blobs_of_all_lengths_come_back_however_they_are_stored,
    many_are_inserted_and_extracted,
    a_duplicate_is_stored_once,
    any_place_of_a_blob_is_read,
    a_reader_keeps_what_is_deleted,
    metas_and_notes_are_kept,
    what_is_deleted_is_gone_and_counted,
    names_of_another_kind_are_refused,
    a_source_that_fails_changes_nothing,
    a_full_pool_refuses_blobs_and_takes_deletes,
);

fn insert(blobs: &Blobs, content: &[u8]) -> Inserted {
    blobs.insert(content.into(), &InsertOptions::default()).expect("inserted")
}

fn with(compression: &str) -> InsertOptions {
    InsertOptions {
        compression: Some(compression.parse().expect("a compression")),
        ..InsertOptions::default()
    }
}

fn read(blobs: &Blobs, id: &BlobId) -> Vec<u8> {
    let mut content = Vec::new();
    let mut reader = blobs.open(id).expect("opened").expect("a blob");
    reader.read_to_end(&mut content).expect("read");
    content
}

fn blobs_of_all_lengths_come_back_however_they_are_stored(scratch: &Scratch) {
    let container = scratch.container();
    for hash in HashType::ALL {
        let name = format!("by {hash}");
        let settings = BlobSettings { hash, ..BlobSettings::default() };
        let blobs = container.create_blobs(&name, settings).expect("created");
        let mut sizes = 0;
        for compression in ["none", "zlib+1", "zstd+3"] {
            for length in LENGTHS {
                let seed = compression.len() as u64 * 1000 + compression.as_bytes()[1] as u64;
                for content in [text(seed, length), noise(seed + 1, length)] {
                    let streamed = BlobSource::Reader(Box::new(&content[..]));
                    let inserted = blobs.insert(streamed, &with(compression)).expect("inserted");
                    let context = format!("{hash} {compression} {length}");
                    assert_eq!(inserted.id, hash.hash(&content), "{context}");
                    assert_eq!(inserted.raw_size, length as u64, "{context}");
                    assert!(blobs.extract(&inserted.id).expect("extracted") == content, "{context}");
                    assert!(read(&blobs, &inserted.id) == content, "{context}");
                    let mut copied = Vec::new();
                    let count = blobs.extract_into(&inserted.id, &mut copied).expect("copied");
                    assert!(count == length as u64 && copied == content, "{context}");
                    sizes += if inserted.is_new { length } else { 0 };
                }
            }
        }
        let status = blobs.status().expect("a status");
        assert_eq!(status.raw_size, sizes as u64);
        assert!(status.size < status.raw_size);
        assert_eq!(status.count, blobs.list().expect("ids").count() as u64);
        // What they are counted with agrees with what there is.
        assert_eq!(container.check(false).expect("checked").damages, []);
        // Opened again, it is what it was made.
        assert_eq!(container.blobs(&name).expect("opened").settings(), settings);
    }
    assert_eq!(container.blob_stores().expect("names"), ["by blake3", "by sha1", "by sha256"]);
}

fn many_are_inserted_and_extracted(scratch: &Scratch) {
    let blobs = blobs(scratch);
    let contents: Vec<Vec<u8>> = (0..1500u64)
        .map(|i| text(i % 1400, 1 + (i as usize * 37) % 5000))
        .chain([noise(1, 5 << 20), text(2, 2 << 20), noise(1, 5 << 20)])
        .collect();
    let sources = contents.iter().map(|content| Ok(BlobSource::from(&content[..])));
    let inserted: Vec<_> = blobs
        .insert_many(Box::new(sources), &InsertOptions::default())
        .expect("begun")
        .collect::<Result<_>>()
        .expect("inserted");
    assert_eq!(inserted.len(), contents.len());
    let mut known = std::collections::HashSet::new();
    for (content, inserted) in std::iter::zip(&contents, &inserted) {
        assert_eq!(inserted.id, HashType::Sha256.hash(content));
        assert_eq!(inserted.is_new, known.insert(inserted.id), "each is new once");
    }
    assert_eq!(blobs.count().expect("counted"), known.len() as u64);

    let missing = HashType::Sha256.hash(b"nobody inserted this");
    let mut ids: Vec<_> = inserted.iter().map(|inserted| inserted.id).collect();
    ids.push(missing);
    let mut seen = 0;
    for extracted in blobs.extract_many(Box::new(ids.clone().into_iter())).expect("begun") {
        let extracted = extracted.expect("extracted");
        seen += 1;
        match extracted.content {
            None => assert_eq!(extracted.id, missing),
            Some(mut reader) => {
                let mut content = Vec::new();
                reader.read_to_end(&mut content).expect("read");
                assert_eq!(HashType::Sha256.hash(&content), extracted.id);
                assert_eq!(reader.meta().raw_size, content.len() as u64);
            }
        }
    }
    assert_eq!(seen, ids.len());
    let there = blobs.has_many(&ids).expect("asked");
    assert_eq!(there.iter().filter(|there| !**there).count(), 1);
    let mut listed: Vec<_> = blobs.list().expect("ids").collect::<Result<_>>().expect("ids");
    listed.sort();
    let mut known: Vec<_> = known.into_iter().collect();
    known.sort();
    assert_eq!(listed, known);
    assert_eq!(blobs.container().check(false).expect("checked").damages, []);
}

fn a_duplicate_is_stored_once(scratch: &Scratch) {
    let blobs = blobs(scratch);
    for length in [10, 3000, 3 << 20] {
        let content = noise(3, length);
        assert!(insert(&blobs, &content).is_new);
        let before = blobs.status().expect("a status");
        for _ in 0..3 {
            assert!(!insert(&blobs, &content).is_new);
            let streamed = BlobSource::Reader(Box::new(&content[..]));
            let again = blobs.insert(streamed, &InsertOptions::default()).expect("inserted");
            assert!(!again.is_new);
        }
        assert_eq!(blobs.status().expect("a status"), before);
    }
    let path = scratch.dir.path().join("a file");
    std::fs::write(&path, noise(3, 3000)).expect("written");
    let from_file = blobs.insert(BlobSource::Path(path), &InsertOptions::default()).expect("inserted");
    assert!(!from_file.is_new);
    assert_eq!(blobs.hash_of(noise(3, 3000).into()).expect("hashed"), from_file.id);
}

fn any_place_of_a_blob_is_read(scratch: &Scratch) {
    let blobs = blobs(scratch);
    let content = text(1, 1_000_000);
    for compression in ["none", "zlib+1", "zstd+3"] {
        blobs.delete(&[HashType::Sha256.hash(&content)]).expect("deleted");
        let inserted = blobs.insert((&content[..]).into(), &with(compression)).expect("inserted");
        let mut reader = blobs.open(&inserted.id).expect("opened").expect("a blob");
        assert_eq!(reader.meta().codec, compression.parse::<Compression>().expect("one").codec());
        for place in [999_990, 0, 131_072, 131_071, 500_000, 131_070, 999_999] {
            assert_eq!(reader.seek(SeekFrom::Start(place)).expect("a place"), place);
            let mut part = vec![0; 100];
            let count = reader.read(&mut part).expect("read");
            assert!(
                count > 0 && part[..count] == content[place as usize..][..count],
                "{compression} {place}"
            );
        }
        assert_eq!(reader.seek(SeekFrom::End(-3)).expect("a place"), 999_997);
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).expect("read");
        assert_eq!(rest, content[999_997..]);
        assert!(reader.seek(SeekFrom::Current(-2_000_000)).is_err());
        reader.seek(SeekFrom::Start(5_000_000)).expect("behind the end");
        assert_eq!(reader.read(&mut [0; 10]).expect("read"), 0);
    }
}

fn a_reader_keeps_what_is_deleted(scratch: &Scratch) {
    let blobs = blobs(scratch);
    for content in [noise(1, 100), noise(2, 50_000), text(3, 2_000_000)] {
        let id = insert(&blobs, &content).id;
        let mut reader = blobs.open(&id).expect("opened").expect("a blob");
        assert_eq!(blobs.delete(&[id]).expect("deleted"), [id]);
        let mut back = Vec::new();
        reader.read_to_end(&mut back).expect("read");
        assert!(back == content);
        assert!(blobs.open(&id).expect("opened").is_none());
        let error = blobs.extract(&id).expect_err("deleted");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains(&id.to_string()), "{error}");
    }
}

fn metas_and_notes_are_kept(scratch: &Scratch) {
    let blobs = blobs(scratch);
    let content = text(1, 10_000);
    let options = InsertOptions { note: Some("from run 7".into()), ..InsertOptions::default() };
    let id = blobs.insert((&content[..]).into(), &options).expect("inserted").id;
    let BlobMeta { raw_size, size, codec, note, .. } = blobs.meta(&id).expect("asked").expect("a blob");
    assert_eq!((raw_size, codec), (10_000, Codec::Zstd));
    assert!(0 < size && size < 5000, "{size}");
    assert_eq!(note.as_deref(), Some(&b"from run 7"[..]));
    assert_eq!(blobs.status().expect("a status").size, size);
    // One more insert of the same replaces the note, and nothing else.
    let options = InsertOptions { note: Some("from run 8".into()), ..InsertOptions::default() };
    assert!(!blobs.insert((&content[..]).into(), &options).expect("inserted").is_new);
    let note = blobs.meta(&id).expect("asked").expect("a blob").note;
    assert_eq!(note.as_deref(), Some(&b"from run 8"[..]));
    blobs.set_note(&id, b"").expect("forgotten");
    assert_eq!(blobs.meta(&id).expect("asked").expect("a blob").note, None);
    blobs.set_note(&id, b"again").expect("noted");
    blobs.delete(&[id]).expect("deleted");
    assert_eq!(kind_of(blobs.set_note(&id, b"late")), ErrorKind::NotFound);
    assert_eq!(kind_of(blobs.set_note(&id, &[1; 5000])), ErrorKind::ValueTooLong);
    insert(&blobs, &content);
    assert_eq!(blobs.meta(&id).expect("asked").expect("a blob").note, None, "it went with the blob");
    assert_eq!(blobs.meta(&HashType::Sha256.hash(b"none")).expect("asked"), None);
}

fn what_is_deleted_is_gone_and_counted(scratch: &Scratch) {
    let blobs = blobs(scratch);
    let ids: Vec<_> = (0..300).map(|i| insert(&blobs, &noise(i, 10 * i as usize)).id).collect();
    let some = [&ids[100..200], &ids[100..150], &[HashType::Sha256.hash(b"none")]].concat();
    let mut deleted = blobs.delete(&some).expect("deleted");
    deleted.sort();
    let mut expected = ids[100..200].to_vec();
    expected.sort();
    assert_eq!(deleted, expected);
    let status = blobs.status().expect("a status");
    let left: u64 = (0..300).filter(|i| !(100..200).contains(i)).map(|i| 10 * i).sum();
    assert_eq!((status.count, status.raw_size), (200, left));
    assert_eq!(blobs.delete(&some).expect("deleted"), []);
    let container = blobs.container().clone();
    assert_eq!(container.check(false).expect("checked").damages, []);
    container.destroy_blobs("blobs").expect("destroyed");
    assert_eq!(kind_of(blobs.extract(&ids[0])), ErrorKind::NotFound);
    assert_eq!(kind_of(blobs.count()), ErrorKind::NotFound);
    assert_eq!(kind_of(blobs.insert(b"x"[..].into(), &InsertOptions::default())), ErrorKind::NotFound);
    assert_eq!(kind_of(container.blobs("blobs")), ErrorKind::NotFound);
    assert_eq!(container.check(false).expect("checked").damages, []);
}

fn names_of_another_kind_are_refused(scratch: &Scratch) {
    let blobs = blobs(scratch);
    let container = blobs.container();
    container.create_dict("d").expect("created");
    assert_eq!(kind_of(container.blobs("d")), ErrorKind::InvalidArgument);
    assert_eq!(kind_of(container.dict("blobs")), ErrorKind::InvalidArgument);
    assert_eq!(kind_of(container.destroy_dict("blobs")), ErrorKind::InvalidArgument);
    assert_eq!(kind_of(container.create_dict("blobs")), ErrorKind::AlreadyExists);
    assert_eq!(kind_of(container.create_blobs("blobs", BlobSettings::default())), ErrorKind::AlreadyExists);
    assert_eq!(container.dicts().expect("names"), ["d"]);
    assert_eq!(container.blob_stores().expect("names"), ["blobs"]);
    assert_eq!(container.query().expect("a description").dicts, 1);
    let sha1 = HashType::Sha1.hash(b"");
    for refusal in [kind_of(blobs.extract(&sha1)), kind_of(blobs.has(&sha1)), kind_of(blobs.delete(&[sha1]))]
    {
        assert_eq!(refusal, ErrorKind::InvalidArgument, "a store of sha256 has no names of sha1");
    }
}

/// Fails behind some bytes.
struct Breaking(usize);

impl Read for Breaking {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.0 == 0 {
            return Err(std::io::Error::other("the cable is out"));
        }
        let count = into.len().min(self.0);
        into[..count].fill(7);
        self.0 -= count;
        Ok(count)
    }
}

fn a_source_that_fails_changes_nothing(scratch: &Scratch) {
    let blobs = blobs(scratch);
    for length in [0, 100, 5 << 20] {
        let source = BlobSource::Reader(Box::new(Breaking(length)));
        let error = blobs.insert(source, &InsertOptions::default()).expect_err("broken");
        assert!(error.to_string().contains("the cable is out"), "{error}");
    }
    assert_eq!(blobs.status().expect("a status").count, 0);
    // Of many, those before the broken one are stored.
    let sources = vec![
        Ok(b"first"[..].into()),
        Ok(b"second"[..].into()),
        Ok(BlobSource::Reader(Box::new(Breaking(2 << 20)))),
        Ok(b"never asked for"[..].into()),
    ];
    let answers: Vec<_> =
        blobs.insert_many(Box::new(sources.into_iter()), &InsertOptions::default()).expect("begun").collect();
    assert_eq!(answers.len(), 3);
    assert!(answers[0].is_ok() && answers[1].is_ok());
    assert!(answers[2].as_ref().is_err_and(|error| error.kind() == ErrorKind::Io));
    assert_eq!(blobs.count().expect("counted"), 2);
    assert_eq!(blobs.container().check(false).expect("checked").damages, []);
}

fn a_full_pool_refuses_blobs_and_takes_deletes(scratch: &Scratch) {
    let pool = scratch.pool_of(Some(64 << 20));
    let container =
        pool.create_container(Some("c"), millpond::ContainerOptions::default()).expect("a container");
    let blobs = blobs_in(&container, BlobSettings::default());
    let mut ids = Vec::new();
    let error = loop {
        match blobs.insert(noise(ids.len() as u64, 3 << 20).into(), &InsertOptions::default()) {
            Ok(inserted) => ids.push(inserted.id),
            Err(error) => break error,
        }
        assert!(ids.len() < 64, "the pool has an end");
    };
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    assert_eq!(blobs.count().expect("counted"), ids.len() as u64);
    assert_eq!(blobs.delete(&ids).expect("deleted").len(), ids.len());
    container.compact().expect("compacted");
    assert!(blobs.insert(noise(99, 3 << 20).into(), &InsertOptions::default()).expect("room").is_new);
}

/// One of the operations of the model.
#[derive(Clone, Debug)]
enum Step {
    Insert(u64, usize),
    Many(Vec<(u64, usize)>),
    Delete(Vec<u64>),
    Extract(u64),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Few contents, so that they meet.
    let content = || (0..12u64, prop::sample::select(vec![0usize, 5, 600, 3000, 70_000, 1_200_000]));
    let step = prop_oneof![
        4 => content().prop_map(|(seed, length)| Step::Insert(seed, length)),
        2 => prop::collection::vec(content(), 0..20).prop_map(Step::Many),
        2 => prop::collection::vec(any::<u64>(), 0..5).prop_map(Step::Delete),
        4 => any::<u64>().prop_map(Step::Extract),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any operations, and a map in memory beside them.
    #[test]
    fn any_operations_agree_with_a_map(steps in steps()) {
        let scratch = Scratch::file();
        let mut container = scratch.container();
        let mut blobs = blobs_in(&container, BlobSettings::default());
        let mut model = std::collections::BTreeMap::new();
        let chosen = |model: &std::collections::BTreeMap<BlobId, Vec<u8>>, number: u64| {
            let place = number as usize % (model.len() + 1);
            model.keys().nth(place).copied().unwrap_or(HashType::Sha256.hash(b"never inserted"))
        };
        for step in steps {
            match step {
                Step::Insert(seed, length) => {
                    let content = text(seed, length);
                    let inserted = insert(&blobs, &content);
                    prop_assert_eq!(inserted.is_new, model.insert(inserted.id, content).is_none());
                }
                Step::Many(contents) => {
                    let contents: Vec<_> = contents.iter().map(|&(seed, length)| text(seed, length)).collect();
                    let sources: Vec<_> =
                        contents.iter().map(|content| Ok(BlobSource::from(&content[..]))).collect();
                    let answers: Vec<_> = blobs
                        .insert_many(Box::new(sources.into_iter()), &InsertOptions::default())
                        .expect("begun")
                        .collect::<Result<_>>()
                        .expect("inserted");
                    for (inserted, content) in std::iter::zip(answers, contents) {
                        prop_assert_eq!(inserted.is_new, model.insert(inserted.id, content).is_none());
                    }
                }
                Step::Delete(numbers) => {
                    let ids: Vec<_> = numbers.iter().map(|number| chosen(&model, *number)).collect();
                    let mut deleted = blobs.delete(&ids).expect("deleted");
                    deleted.sort();
                    let mut expected: Vec<_> = ids.iter().filter(|id| model.contains_key(id)).copied().collect();
                    expected.sort();
                    expected.dedup();
                    prop_assert_eq!(deleted, expected);
                    ids.iter().for_each(|id| drop(model.remove(id)));
                }
                Step::Extract(number) => {
                    let id = chosen(&model, number);
                    match model.get(&id) {
                        Some(content) => prop_assert!(blobs.extract(&id).expect("extracted") == content),
                        None => prop_assert_eq!(kind_of(blobs.extract(&id)), ErrorKind::NotFound),
                    }
                }
                Step::Reopen => {
                    container.close().expect("closed");
                    container = millpond::Container::open(&format!("{}/kv", scratch.url)).expect("opened");
                    blobs = container.blobs("blobs").expect("opened");
                }
            }
        }
        let status = blobs.status().expect("a status");
        let bytes: usize = model.values().map(Vec::len).sum();
        prop_assert_eq!((status.count, status.raw_size), (model.len() as u64, bytes as u64));
        let mut listed: Vec<_> = blobs.list().expect("ids").collect::<Result<_>>().expect("ids");
        listed.sort();
        prop_assert_eq!(listed, model.keys().copied().collect::<Vec<_>>());
        prop_assert_eq!(container.check(false).expect("checked").damages, vec![]);
    }
}
