//! The decoders of what a dictionary and a catalogue have on disk, as functions of any bytes, for
//! the fuzzers of `fuzz/`. None of them panics, and what they accept is what can be written.

use millpond_core::{Epoch, Extent, RecordRef, SegmentId};

use crate::{layout, location, object, value::Stored};

/// A decoder, which only panics when something is wrong with it.
pub type Decoder = fn(&[u8]);

/// All of them, by the names of their corpora.
pub const DECODERS: [(&str, Decoder); 9] = [
    ("dict_value", dict_value),
    ("compressed_value", crate::value::fuzz_compressed),
    ("catalogue_record", catalogue_record),
    ("catalogue_key", catalogue_key),
    ("location", location),
    object::DECODERS[0],
    object::DECODERS[1],
    object::DECODERS[2],
    object::DECODERS[3],
];

fn dict_value(bytes: &[u8]) {
    let extent = |length| Extent { segment: SegmentId(1), offset: 48, length };
    let held =
        [vec![], vec![extent(100_000)], vec![extent(u64::MAX), extent(u64::MAX)], vec![extent(300); 3]];
    for extents in &held {
        let record = RecordRef { version: Epoch(1), value: bytes, extents };
        match Stored::parse(record) {
            Ok(Stored::Inline(value)) => assert_eq!(value, &bytes[1..]),
            Ok(Stored::InlineCoded(_, compressed)) => assert!(bytes.ends_with(compressed)),
            Ok(stored @ (Stored::Long(_) | Stored::LongCoded(..))) => {
                let sum = extents.iter().try_fold(0u64, |sum, extent| sum.checked_add(extent.length));
                assert_eq!(sum, Some(stored.stored_length()), "its extents are as long as it is");
            }
            Err(_) => {}
        }
    }
}

fn catalogue_record(bytes: &[u8]) {
    if let Ok(id) = layout::parse_name_record(bytes) {
        assert_eq!(layout::name_record(id), bytes);
    }
    if let Ok((settings, name)) = layout::Settings::parse(bytes) {
        assert_eq!(settings.record(&name), bytes);
    }
}

fn catalogue_key(bytes: &[u8]) {
    let _ = layout::name_of(bytes);
    let _ = layout::object_of(bytes);
    assert!(layout::user_key(bytes).len() <= bytes.len());
    for form in crate::map::KeyForm::ALL {
        assert!(form.decode(bytes).len() <= bytes.len());
    }
    if let Ok(sort) = layout::entry_key(bytes) {
        assert_eq!(layout::user_key(&sort), bytes);
    }
}

fn location(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = location::Location::parse(text);
        let _ = location::split(text);
        let _ = crate::parse_size(text);
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use millpond_testkit::{
        mutate,
        random::{test_scale, test_seed},
    };
    use uuid::Uuid;

    use super::*;

    /// Inputs of each decoder in `make test`.
    const MUTANTS: u64 = 20_000;

    fn corpus_dir(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name)
    }

    /// What is written today, which the corpus holds beside what was found once.
    fn samples() -> [(&'static str, Vec<Vec<u8>>); 9] {
        let id = layout::ObjectId::named(&layout::Settings::Dict, Uuid::from_u128(7));
        let map = layout::Settings::Map(crate::Comparator::Integer);
        [
            (
                "dict_value",
                vec![
                    b"\x01a value".to_vec(),
                    b"\x02\xA0\x8D\x06".to_vec(),
                    b"\x04\x02\xC8\x01compressed".to_vec(),
                    b"\x05\x01\x80\x80\x04\xA0\x8D\x06".to_vec(),
                ],
            ),
            ("compressed_value", crate::value::compressed_samples()),
            (
                "catalogue_record",
                vec![
                    layout::name_record(id),
                    layout::Settings::Dict.record("readings"),
                    layout::Settings::Blobs(crate::BlobSettings::default()).record("files"),
                    layout::name_record(layout::ObjectId::named(&map, Uuid::from_u128(7))),
                    map.record("weather"),
                ],
            ),
            (
                "catalogue_key",
                vec![layout::Listing::Objects.object_key(id), layout::Listing::Names.key(b"readings")],
            ),
            (
                "location",
                vec![b"file:///data/my%20pool/kv".to_vec(), b"lab/results".to_vec(), b"1GiB".to_vec()],
            ),
            (
                "object_extent",
                vec![b"\x01inline".to_vec(), b"\x32\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x01".to_vec()],
            ),
            (
                "object_header",
                vec![
                    b"\x01\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\x10\0".to_vec(),
                    b"\x02\0\0\0\0\0\0\0\x08\0\0\0\0\0\x10\0\0".to_vec(),
                    b"EC_4P2GX".to_vec(),
                ],
            ),
            (
                "object_key",
                vec![
                    b"\x02dkey\0\x01akey\0\x01\0".to_vec(),
                    b"\x02d\0\xFF\0\x01a\0\x01\x02\x03\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x08".to_vec(),
                ],
            ),
            (
                "object_anchor",
                vec![b"\x01\x01\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x07\0\x01\x02\0\x01\x02\0\x01\x03".to_vec()],
            ),
        ]
    }

    /// With `MILLPOND_WRITE_CORPUS` set, adds what is written today to the corpus.
    #[test]
    fn the_corpus_holds_what_is_written() {
        let writes = std::env::var_os("MILLPOND_WRITE_CORPUS").is_some();
        for (name, samples) in samples() {
            for (number, sample) in samples.iter().enumerate() {
                let path = corpus_dir(name).join(format!("written-{number}"));
                if writes {
                    std::fs::create_dir_all(corpus_dir(name)).expect("a directory");
                    std::fs::write(&path, sample).expect("written");
                }
                let held = std::fs::read(&path).unwrap_or_default();
                assert!(
                    held == *sample,
                    "{} isn't what is written now: if the format has changed, run this test with MILLPOND_WRITE_CORPUS=1",
                    path.display()
                );
            }
        }
    }

    #[test]
    fn no_decoder_panics() {
        let seed = test_seed(1);
        for (name, decoder) in DECODERS {
            let corpus = mutate::corpus(&corpus_dir(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
            let seeds: Vec<_> = corpus.into_iter().map(|(_, input)| input).collect();
            if let Err(input) = mutate::attack(decoder, &seeds, seed, MUTANTS * test_scale()) {
                panic!("seed {seed}: {name} panics on {}", input.escape_ascii());
            }
        }
    }
}
