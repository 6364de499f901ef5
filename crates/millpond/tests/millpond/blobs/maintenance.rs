//! Recompression and validation.

use millpond::{
    BlobSource, BlobStore, Codec, Compression, Error, ErrorKind, InsertOptions, OptimizeOptions, Progress,
    Result, Silent,
};

use super::{blobs, text};
use crate::scratch::{Scratch, noise};

on_every_backend!(
    what_is_worth_it_is_compressed_and_stays_the_same,
    a_codec_is_replaced_by_another,
    a_progress_that_fails_ends_it_soundly,
    readers_go_on_while_blobs_are_recompressed,
);

/// Counts what it is told.
#[derive(Default)]
struct Told {
    total: u64,
    done: u64,
    ended: bool,
    fails: bool,
}

impl Progress for Told {
    fn begin(&mut self, total: u64, _: &str) -> Result<()> {
        self.total = total;
        Ok(())
    }

    fn advance(&mut self, by: u64) -> Result<()> {
        self.done += by;
        if self.fails { Err(Error::new(ErrorKind::Closed, "enough")) } else { Ok(()) }
    }

    fn end(&mut self) -> Result<()> {
        self.ended = true;
        Ok(())
    }
}

const PLAIN: InsertOptions =
    InsertOptions { compression: Some(Compression::NONE), recompress: false, note: None };

fn contents() -> Vec<Vec<u8>> {
    (0..60u64)
        .flat_map(|i| [text(i, i as usize * 300), noise(i, i as usize * 200)])
        .chain([text(100, 3 << 20), noise(101, 2 << 20)])
        .collect()
}

fn what_is_worth_it_is_compressed_and_stays_the_same(scratch: &Scratch) {
    let blobs = blobs(scratch);
    let contents = contents();
    let sources = contents.iter().map(|content| Ok(BlobSource::from(&content[..])));
    for inserted in blobs.insert_many(Box::new(sources), &PLAIN).expect("begun") {
        inserted.expect("inserted");
    }
    let before = blobs.status().expect("a status");
    assert_eq!(before.size, before.raw_size);
    let mut told = Told::default();
    let optimized = blobs.optimize(OptimizeOptions::default(), &mut told).expect("optimized");
    assert!(told.ended && told.done == told.total && told.total == before.count);
    let after = blobs.status().expect("a status");
    assert_eq!((optimized.size_before, optimized.size_after), (before.size, after.size));
    assert!(optimized.memory_peak > 1 << 20, "a process has more than a MiB");
    assert_eq!((after.count, after.raw_size), (before.count, before.raw_size));
    assert!(optimized.changed > 50 && after.size < before.size * 3 / 4, "{optimized:?}");
    for content in &contents {
        let id = blobs.hash_of((&content[..]).into()).expect("hashed");
        assert!(blobs.extract(&id).expect("extracted") == *content);
        let codec = blobs.meta(&id).expect("asked").expect("a blob").codec;
        if content.len() < 850 {
            assert_eq!(codec, Codec::None, "what is small stays as it is");
        }
    }
    // There is nothing left to do.
    let again = blobs.optimize(OptimizeOptions::default(), &mut Silent).expect("optimized");
    assert_eq!((again.changed, again.size_after), (0, after.size));
    for full in [false, true] {
        let validated = blobs.validate(full, &mut Silent).expect("validated");
        assert!(validated.is_valid(), "{validated:?}");
        assert_eq!((validated.count, validated.bytes), (after.count, after.size));
    }
    assert_eq!(blobs.container().check(false).expect("checked").damages, []);
}

fn a_codec_is_replaced_by_another(scratch: &Scratch) {
    let blobs = blobs(scratch);
    let content = text(1, 400_000);
    let zlib = InsertOptions { compression: Some(Codec::Zlib.into()), ..InsertOptions::default() };
    let id = blobs.insert((&content[..]).into(), &zlib).expect("inserted").id;
    let codec = || blobs.meta(&id).expect("asked").expect("a blob").codec;
    assert_eq!(codec(), Codec::Zlib);
    blobs.optimize(OptimizeOptions::default(), &mut Silent).expect("optimized");
    assert_eq!(codec(), Codec::Zlib, "it is compressed, and nobody asked for another codec");
    let small = OptimizeOptions {
        compression: Some("zstd+19".parse().expect("one")),
        recompress: true,
        ..OptimizeOptions::default()
    };
    blobs.optimize(small, &mut Silent).expect("optimized");
    assert_eq!(codec(), Codec::Zstd);
    let smaller = OptimizeOptions { compression: Some("zstd+22".parse().expect("one")), ..small };
    let again = blobs.optimize(smaller, &mut Silent).expect("optimized");
    assert!(again.size_after <= again.size_before, "{again:?}");
    let once_more = blobs.optimize(smaller, &mut Silent).expect("optimized");
    assert_eq!((once_more.changed, codec()), (0, Codec::Zstd), "it is as short as that level makes it");
    let plain = OptimizeOptions { compression: Some(Compression::NONE), recompress: true, keep_dead: true };
    assert_eq!(blobs.optimize(plain, &mut Silent).expect("optimized").size_after, 400_000);
    assert_eq!(codec(), Codec::None);
    assert!(blobs.extract(&id).expect("extracted") == content);
    assert_eq!(blobs.container().check(false).expect("checked").damages, []);
}

fn a_progress_that_fails_ends_it_soundly(scratch: &Scratch) {
    let blobs = blobs(scratch);
    let content = text(1, 10_000);
    let id = blobs.insert((&content[..]).into(), &PLAIN).expect("inserted").id;
    let mut failing = Told { fails: true, ..Told::default() };
    let error = blobs.optimize(OptimizeOptions::default(), &mut failing).expect_err("ended");
    assert_eq!((error.kind(), failing.ended), (ErrorKind::Closed, false));
    let error = blobs.validate(true, &mut failing).expect_err("ended");
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(blobs.extract(&id).expect("extracted") == content);
    assert!(blobs.optimize(OptimizeOptions::default(), &mut Silent).expect("optimized").examined == 1);
    assert_eq!(blobs.container().check(false).expect("checked").damages, []);
}

fn readers_go_on_while_blobs_are_recompressed(scratch: &Scratch) {
    let blobs = blobs(scratch);
    let content = text(1, 3 << 20);
    let id = blobs.insert((&content[..]).into(), &PLAIN).expect("inserted").id;
    let mut reader = blobs.open(&id).expect("opened").expect("a blob");
    let mut back = vec![0; 1000];
    reader.read_exact(&mut back).expect("read");
    blobs.optimize(OptimizeOptions::default(), &mut Silent).expect("optimized");
    reader.read_to_end(&mut back).expect("read");
    assert!(back == content);
    assert_eq!(blobs.meta(&id).expect("asked").expect("a blob").codec, Codec::Zstd);
}
