//! The decoders of everything on disk, as functions of any bytes, for the fuzzers of `fuzz/`.
//!
//! Whatever the bytes, none of them panics, hangs or allocates more than they justify; what they
//! accept is what can be written. Checksums would keep chance from getting far, so that each is
//! also given the bytes with a right one.

use std::path::Path;

use bytes::Bytes;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    identity::{FileKind, HEADER_BYTES, Identity},
    log::{LogHeader, LogOp, Ops, PayloadRead, parse, values_intact},
    manifest::Manifest,
    pool::document,
    run, segment,
};

/// A decoder, which only panics when something is wrong with it.
pub type Decoder = fn(&[u8]);

/// All of them, by the names of their corpora.
pub const DECODERS: [(&str, Decoder); 11] = [
    ("file_header", file_header),
    ("log_header", log_header),
    ("log_record", log_record),
    ("log_payload", log_payload),
    ("manifest", manifest),
    ("pool_document", document::fuzz),
    ("run_block", run::fuzzing::block),
    ("run_filter", run::fuzzing::filter),
    ("run_footer", run::fuzzing::footer),
    ("run_index", run::fuzzing::index),
    ("segment_frame", segment::fuzz),
];

const CONTAINER: Uuid = Uuid::from_u128(1);
static KIND: FileKind = FileKind { magic: *b"MPFUZZ\r\n", version: 1, oldest: 1, name: "fuzzed file" };

fn place() -> &'static Path {
    Path::new("a file")
}

fn sealed(bytes: &[u8]) -> Vec<u8> {
    [bytes, &xxh3_64(bytes).to_le_bytes()].concat()
}

fn file_header(bytes: &[u8]) {
    if let Some(header) = bytes.first_chunk::<HEADER_BYTES>() {
        let _ = Identity::new(&KIND, place(), CONTAINER, 1).check_header(header);
    }
}

fn log_header(bytes: &[u8]) {
    let _ = LogHeader::decode(bytes, place(), CONTAINER, 1);
    let sealed = sealed(bytes);
    if let Ok(header) = LogHeader::decode(&sealed, place(), CONTAINER, 1) {
        assert_eq!(header.encode(), sealed[..header.encode().len()], "it is what was written");
    }
}

fn log_record(bytes: &[u8]) {
    if let Some(header) = parse(bytes, CONTAINER, 0) {
        assert!(header.length as usize <= bytes.len());
        operations(&PayloadRead::of(&Bytes::copy_from_slice(bytes), &header));
    }
}

/// Two bytes say how many of the others are operations; what follows them are values.
fn log_payload(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk() else { return };
    let (operations_bytes, values) = rest.split_at(rest.len().min(u16::from_le_bytes(*length).into()));
    operations(&PayloadRead {
        operations: Bytes::copy_from_slice(operations_bytes),
        values: Bytes::copy_from_slice(values),
    });
}

fn operations(payload: &PayloadRead) {
    let most = payload.operations.len();
    for op in Ops::new(payload) {
        match op {
            Ok(LogOp::Put { extents, .. }) => assert!(extents.capacity() <= most),
            Ok(LogOp::Run { segments, .. }) => assert!(segments.capacity() <= most),
            Ok(LogOp::Delete { .. } | LogOp::Adjust { .. }) | Err(_) => {}
        }
    }
    let _ = values_intact(payload);
}

fn manifest(bytes: &[u8]) {
    let _ = Manifest::decode(bytes, place(), CONTAINER);
    if let Ok(manifest) = Manifest::decode(&sealed(bytes), place(), CONTAINER) {
        let again = Manifest::decode(&manifest.encode(), place(), CONTAINER).expect("it was written");
        assert_eq!(again, manifest);
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use millpond_core::{Epoch, Extent, SegmentId};
    use millpond_testkit::{
        mutate,
        random::{test_scale, test_seed},
    };

    use super::*;
    use crate::{
        log::{LogOpRef, Payload, RecordHeader, encode_op, encode_record, encode_run},
        manifest::{RetiredLog, RunEntry},
    };

    /// Inputs of each decoder in `make test`.
    const MUTANTS: u64 = 20_000;

    fn corpus_dir(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name)
    }

    /// What is written today, which the corpus holds beside what was found once.
    fn samples() -> Vec<(&'static str, Vec<Vec<u8>>)> {
        let header = LogHeader {
            container: CONTAINER,
            number: 1,
            base: 1 << 20,
            chain: 5,
            epoch: Epoch(1 << 41),
            term: 2,
            capacity: 1 << 16,
        }
        .encode();
        let extent = Extent { segment: SegmentId(1 << 40), offset: 48, length: 100_000 };
        let mut payload = Payload::default();
        encode_op(&mut payload, b"key", b"-1", LogOpRef::Put { value: b"value", extents: &[extent, extent] });
        encode_op(&mut payload, b"key", b"-2", LogOpRef::Delete);
        encode_op(&mut payload, b"count", b"", LogOpRef::Adjust(-3));
        encode_run(&mut payload, 77, &[(SegmentId(5), 1000)]);
        let record_header = RecordHeader {
            length: 0,
            operations: 0,
            checksum: 0,
            chain: 5,
            epoch: Epoch(9),
            synced_upto: 0,
            term: 1,
            segments_synced: true,
        };
        let mut record = Vec::new();
        encode_record(&mut record, CONTAINER, 0, &record_header, &payload);
        let length = (payload.operations.len() as u16).to_le_bytes();
        let payload = [&length[..], &payload.operations, &payload.values].concat();
        let mut manifest = Manifest::new(CONTAINER);
        manifest.retained = vec![Epoch(4), Epoch(1 << 41)];
        manifest.runs = vec![RunEntry {
            id: 7,
            inherited: Some(Epoch(3)),
            bytes: 4096,
            records: 12,
            epoch_min: Epoch(1),
            epoch_max: Epoch(9),
        }];
        manifest.adjust_segment(SegmentId(1 << 40), 100);
        manifest.retired = vec![RetiredLog {
            number: 2,
            before: Epoch(4),
            last: Epoch(1 << 41),
            bytes: 500,
            since: 1_750_000_000,
            runs: vec![(7, 4096)],
            segments: vec![(SegmentId(1 << 40), 100)],
        }];
        let manifest = manifest.encode();
        let file = Identity::new(&KIND, place(), CONTAINER, 1).header().to_vec();
        let mut all = vec![
            ("file_header", vec![file]),
            ("log_header", vec![header[..header.len() - 8].to_vec(), header]),
            ("log_record", vec![record]),
            ("log_payload", vec![payload]),
            ("manifest", vec![manifest[..manifest.len() - 8].to_vec(), manifest]),
            ("pool_document", document::samples()),
            ("segment_frame", segment::samples()),
        ];
        all.extend(run::fuzzing::samples());
        all
    }

    /// With `MILLPOND_WRITE_CORPUS` set, adds what is written today to the corpus.
    #[test]
    fn the_corpus_holds_what_is_written() {
        let writes = std::env::var_os("MILLPOND_WRITE_CORPUS").is_some();
        for (name, samples) in samples() {
            let dir = corpus_dir(name);
            for (number, sample) in samples.iter().enumerate() {
                let path = dir.join(format!("written-{number}"));
                if writes {
                    std::fs::create_dir_all(&dir).expect("a directory");
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

    #[test]
    fn the_samples_are_accepted() {
        let all = samples();
        let of = |name: &str| {
            all.iter().find(|(other, _)| *other == name).map(|(_, samples)| samples).expect("samples")
        };
        assert!(LogHeader::decode(&of("log_header")[1], place(), CONTAINER, 1).is_ok());
        let record = Bytes::from(of("log_record")[0].clone());
        let header = parse(&record, CONTAINER, 0).expect("intact");
        let payload = PayloadRead::of(&record, &header);
        assert!(Ops::new(&payload).all(|op| op.is_ok()) && values_intact(&payload));
        assert!(Manifest::decode(&of("manifest")[1], place(), CONTAINER).is_ok());
        assert_eq!(all.len(), DECODERS.len());
    }
}
