//! What a segment must do: give back every part of every value, and an error where the bytes in
//! the file are not those of the value, be it a flipped bit or a tail that never reached the disk.

use std::{
    fs,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use millpond_core::{Error, ErrorKind, Extent, SegmentId};
use proptest::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

use super::{
    SegmentFile, SegmentReader, file_name,
    frame::{CURRENT, LONG_FRAMES},
};
use crate::{
    media::{Media, SystemMedia},
    sick_media::SickMedia,
};

const CONTAINER: Uuid = Uuid::from_u128(0x0DE1);
const ID: SegmentId = SegmentId(0x5E6);

const FRAME_BYTES: usize = 4 << 10;

/// A directory with one segment in it.
struct Place {
    _directory: TempDir,
    media: Arc<dyn Media>,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(file_name(ID));
        Self { _directory: directory, media: Arc::new(SystemMedia), path }
    }

    fn create(&self) -> SegmentFile {
        SegmentFile::create(&self.media, &self.path, ID, CONTAINER).expect("a segment")
    }

    fn open(&self) -> Result<SegmentReader, Error> {
        SegmentReader::open(&self.media, &self.path, ID, CONTAINER)
    }

    fn overwrite(&self, at: usize, bytes: &[u8]) {
        let file = fs::OpenOptions::new().write(true).open(&self.path).expect("the file");
        file.write_all_at(bytes, at as u64).expect("a write");
    }
}

fn value(length: usize, salt: u64) -> Vec<u8> {
    (0..length as u64).map(|at| (at.wrapping_mul(0x9E37_79B9).wrapping_add(salt) >> 7) as u8).collect()
}

fn write(segment: &mut SegmentFile, value: &[u8], piece: usize) -> Option<Extent> {
    value.chunks(piece).for_each(|piece| segment.append(piece).expect("appended"));
    segment.finish().expect("finished")
}

fn read(reader: &SegmentReader, extent: &Extent, offset: usize, length: usize) -> Result<Vec<u8>, Error> {
    let mut into = vec![0; length];
    reader.read(extent, offset as u64, &mut into).map(|()| into)
}

fn damages(reader: &SegmentReader, extents: &[Extent]) -> Vec<u64> {
    let mut places = Vec::new();
    reader.verify(extents, &mut |damage| places.push(damage.offset));
    places
}

fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => 0..3000usize,
        2 => 0..4 * FRAME_BYTES,
        1 => (0..5usize, 0..3usize).prop_map(|(frames, more)| (frames * FRAME_BYTES + more).saturating_sub(1)),
        1 => 240 * FRAME_BYTES..600 * FRAME_BYTES,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_part_of_every_value_comes_back(
        values in prop::collection::vec((lengths(), 1..200_000usize, any::<bool>()), 1..6),
        parts in prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 12),
        is_old in any::<bool>(),
        is_mapped in any::<bool>(),
    ) {
        let place = Place::new();
        let format = if is_old { &LONG_FRAMES } else { &CURRENT };
        let segment = SegmentFile::create_as(format, &place.media, &place.path, ID, CONTAINER);
        let mut segment = segment.expect("a segment");
        let reader = place.open().expect("a reader");
        let reader = if is_mapped { reader.mapped() } else { reader };
        let mut written: Vec<(Vec<u8>, Extent)> = Vec::new();
        for (number, (length, piece, abandoned)) in values.into_iter().enumerate() {
            let value = value(length, number as u64);
            if abandoned {
                value.chunks(piece).for_each(|piece| segment.append(piece).expect("appended"));
                segment.abandon();
                continue;
            }
            let extent = write(&mut segment, &value, piece);
            prop_assert_eq!(extent.is_none(), value.is_empty());
            written.extend(extent.map(|extent| (value, extent)));
            prop_assert_eq!(segment.length(), fs::metadata(&place.path).expect("a file").len());
        }
        reader.sync().expect("synced");
        for (value, extent) in &written {
            prop_assert_eq!((extent.segment, extent.length), (ID, value.len() as u64));
            prop_assert_eq!(&read(&reader, extent, 0, value.len()).expect("all of it"), value);
            for (from, to) in &parts {
                let (from, to) = (from.index(value.len() + 1), to.index(value.len() + 1));
                let (from, to) = (from.min(to), from.max(to));
                prop_assert_eq!(&read(&reader, extent, from, to - from).expect("a part"), &value[from..to]);
            }
        }
        let extents: Vec<_> = written.iter().map(|(_, extent)| *extent).collect();
        prop_assert_eq!(damages(&reader, &extents), Vec::<u64>::new());
        if let Some((_, extent)) = written.last() {
            // The last byte of the last value, whatever frame it is in.
            let last = fs::read(&place.path).expect("the file")[segment.length() as usize - 1];
            place.overwrite(segment.length() as usize - 1, &[!last]);
            prop_assert_eq!(damages(&reader, &[*extent]).len(), 1);
            let read = read(&reader, extent, extent.length as usize - 1, 1);
            prop_assert_eq!(read.expect_err("it is damaged").kind(), ErrorKind::Corrupt);
        }
    }
}

#[test]
fn a_flipped_byte_is_an_error_in_its_own_frame_only() {
    let place = Place::new();
    let mut segment = place.create();
    let values = [value(300, 1), value(5, 2), value(700, 3)];
    let extents = values.each_ref().map(|value| write(&mut segment, value, 99).expect("an extent"));
    let intact = fs::read(&place.path).expect("the file");
    for (at, &byte) in intact.iter().enumerate() {
        place.overwrite(at, &[byte ^ (1 << (at % 8))]);
        match place.open() {
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible), "{error}");
                assert!(error.to_string().contains(&file_name(ID)), "{error}");
                assert!(at < 48, "byte {at} is not in the header");
            }
            Ok(reader) => {
                let mut errors = 0;
                for (value, extent) in values.iter().zip(&extents) {
                    match read(&reader, extent, 0, value.len()) {
                        Ok(bytes) => assert_eq!(&bytes, value),
                        Err(error) => {
                            assert_eq!(error.kind(), ErrorKind::Corrupt);
                            let place = format!("{}: at byte {}", file_name(ID), extent.offset);
                            assert!(error.to_string().contains(&place), "{error}");
                            errors += 1;
                        }
                    }
                }
                assert_eq!(errors, 1, "byte {at}");
                assert_eq!(damages(&reader, &extents).len(), 1);
            }
        }
        place.overwrite(at, &[byte]);
    }
}

#[test]
fn damage_in_one_frame_leaves_the_others_readable() {
    let place = Place::new();
    let mut segment = place.create();
    let value = value(5 * FRAME_BYTES / 2, 1);
    let extent = write(&mut segment, &value, 100_000).expect("an extent");
    let second = extent.offset as usize + 8 + FRAME_BYTES;
    place.overwrite(second + 1000, &[value[1000 + FRAME_BYTES - 8] ^ 1]);
    let reader = place.open().expect("a reader");
    assert_eq!(read(&reader, &extent, 0, FRAME_BYTES).expect("the first"), &value[..FRAME_BYTES]);
    assert_eq!(
        read(&reader, &extent, 2 * FRAME_BYTES, 9).expect("the third")[..],
        value[2 * FRAME_BYTES..][..9]
    );
    let error = read(&reader, &extent, 0, value.len()).expect_err("the second is damaged");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(&format!("at byte {second}")), "{error}");
    assert_eq!(damages(&reader, &[extent]), [second as u64]);
}

#[test]
fn a_value_that_is_cut_off_is_damage() {
    let place = Place::new();
    let mut segment = place.create();
    let first = write(&mut segment, &value(100, 1), 100).expect("an extent");
    let long = value(3 * FRAME_BYTES + 10, 2);
    let extent = write(&mut segment, &long, 1 << 20).expect("an extent");
    let length = fs::metadata(&place.path).expect("a file").len();
    let file = fs::OpenOptions::new().write(true).open(&place.path).expect("the file");
    let cuts = (1..40).chain((40..length - first.offset - 116).step_by(997));
    for cut in cuts {
        // Cut off, or of the right length with zeros in the place of what was lost.
        for zeros in [false, true] {
            let intact = fs::read(&place.path).expect("the file");
            file.set_len(length - cut).expect("cut");
            if zeros {
                file.set_len(length).expect("extended");
            }
            let reader = place.open().expect("a reader");
            let error = read(&reader, &extent, 0, long.len()).expect_err("it is cut off");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            assert!(error.to_string().contains(&file_name(ID)), "{error}");
            assert_eq!(read(&reader, &first, 0, 100).expect("it is whole"), value(100, 1));
            assert!(!damages(&reader, &[first, extent]).is_empty());
            place.overwrite(0, &intact);
        }
    }
}

#[test]
fn long_values_are_read_out_of_memory_and_verified_each_time() {
    let place = Place::new();
    let mut segment = place.create();
    let values = [value(3 << 20, 1), value(2 << 20, 2)];
    let extents = values.each_ref().map(|value| write(&mut segment, value, 1 << 20).expect("an extent"));
    let reader = place.open().expect("a reader").mapped();
    let whole = |number: usize| {
        let mut into = vec![0; values[number].len()];
        let is_mapped = reader.read_mapped(&extents[number], 0, &mut into);
        assert!(!is_mapped || into == values[number], "other bytes than were written");
        is_mapped
    };
    assert!(!whole(0), "what was never read comes from the file");
    assert!(whole(0));
    for (offset, length) in [(0, 70_000), (1, 70_000), (4095, 1 << 20), ((3 << 20) - 65_536, 65_536)] {
        let mut into = vec![0; length];
        assert!(reader.read_mapped(&extents[0], offset as u64, &mut into));
        assert_eq!(into, &values[0][offset..offset + length]);
    }

    // Damaged after it was read and verified.
    let at = extents[0].offset as usize + (1 << 20);
    let intact = fs::read(&place.path).expect("the file");
    place.overwrite(at, &[!intact[at]]);
    assert!(!whole(0));
    let error = read(&reader, &extents[0], 0, values[0].len()).expect_err("it is damaged");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    place.overwrite(at, &intact[at..=at]);
    assert!(whole(0));

    // Cut off while it is mapped: an error, and what is left is read.
    let file = fs::OpenOptions::new().write(true).open(&place.path).expect("the file");
    file.set_len(extents[1].offset).expect("cut");
    let error = read(&reader, &extents[1], 0, values[1].len()).expect_err("it is cut off");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(!whole(1));
    assert_eq!(read(&reader, &extents[0], 0, values[0].len()).expect("it is whole"), values[0]);
    place.overwrite(0, &intact);
    assert_eq!(read(&reader, &extents[1], 0, values[1].len()).expect("it is back"), values[1]);
    assert!(whole(1));
}

#[test]
fn an_extent_of_something_else_is_refused() {
    let place = Place::new();
    let mut segment = place.create();
    let first = write(&mut segment, &value(100, 1), 100).expect("an extent");
    let reader = place.open().expect("a reader");
    let refusal =
        |extent, offset, length| read(&reader, &extent, offset, length).expect_err("refused").kind();
    assert_eq!(refusal(first, 0, 101), ErrorKind::InvalidArgument);
    assert_eq!(refusal(first, 101, 0), ErrorKind::InvalidArgument);
    assert_eq!(refusal(first, usize::MAX, 1), ErrorKind::InvalidArgument);
    assert_eq!(refusal(Extent { segment: SegmentId(9), ..first }, 0, 1), ErrorKind::InvalidArgument);
    for extent in [
        Extent { length: 99, ..first },
        Extent { length: 101, ..first },
        Extent { offset: first.offset + 1, ..first },
        Extent { offset: u64::MAX - 5, ..first },
        Extent { length: u64::MAX, ..first },
    ] {
        assert_eq!(refusal(extent, 0, 1), ErrorKind::Corrupt);
        let found = damages(&reader, &[extent]).len();
        assert!((1..=2).contains(&found), "{found} damages");
    }
}

#[test]
fn files_that_belong_elsewhere_are_refused() {
    let place = Place::new();
    drop(place.create());
    let open = |id, container| SegmentReader::open(&place.media, &place.path, id, container);
    let refusal = |id, container| open(id, container).expect_err("refused").kind();
    assert_eq!(refusal(SegmentId(9), CONTAINER), ErrorKind::Incompatible);
    assert_eq!(refusal(ID, Uuid::from_u128(9)), ErrorKind::Incompatible);
    let again = SegmentFile::create(&place.media, &place.path, ID, CONTAINER).expect_err("it exists");
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    fs::write(&place.path, [0x41; 100]).expect("a write");
    assert_eq!(refusal(ID, CONTAINER), ErrorKind::Incompatible);
    fs::write(&place.path, [0x41; 30]).expect("a write");
    assert_eq!(refusal(ID, CONTAINER), ErrorKind::Corrupt);
    fs::remove_file(&place.path).expect("removed");
    assert_eq!(refusal(ID, CONTAINER), ErrorKind::NotFound);
}

#[test]
fn a_full_disk_loses_the_value_and_not_the_segment() {
    let place = Place::new();
    let sick = Arc::new(SickMedia::default());
    let mut segment = {
        let media: Arc<dyn Media> = sick.clone();
        SegmentFile::create(&media, &place.path, ID, CONTAINER).expect("a segment")
    };
    let full = |is_full| sick.full.store(is_full, Ordering::Relaxed);
    let reader = place.open().expect("a reader");
    let first = write(&mut segment, b"the first", 4).expect("an extent");
    full(true);
    let lost = segment.append(&value(200 * FRAME_BYTES, 1)).expect_err("the disk is full");
    assert_eq!(lost.kind(), ErrorKind::NoSpace);
    full(false);
    assert_eq!(segment.append(b"its end").expect_err("its beginning is lost").kind(), ErrorKind::Io);
    assert_eq!(segment.finish().expect_err("its beginning is lost").kind(), ErrorKind::Io);
    full(true);
    segment.append(b"a short one").expect("buffered");
    assert_eq!(segment.finish().expect_err("the disk is full").kind(), ErrorKind::NoSpace);
    full(false);
    let last = write(&mut segment, b"the last", 4).expect("an extent");
    assert_eq!(read(&reader, &first, 0, 9).expect("the first"), b"the first");
    assert_eq!(read(&reader, &last, 0, 8).expect("the last"), b"the last");
}
