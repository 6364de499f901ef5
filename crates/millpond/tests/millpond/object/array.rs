//! Arrays of cells, over the edges of chunks.

use std::ops::Range;

use millpond::{Array, ArrayOptions, Conditions, Container, ErrorKind};
use millpond_testkit::random::{Random, test_scale, test_seed};

use super::oracle::Records;
use crate::scratch::{Scratch, refused};

on_every_backend!(an_array_is_a_vector_of_cells, an_array_has_a_size, arrays_are_made_once);

fn array(container: &Container, cell_bytes: u64, chunk_cells: u64) -> Array {
    container.create_array(ArrayOptions { cell_bytes, chunk_cells, ..Default::default() }).expect("an array")
}

fn an_array_is_a_vector_of_cells(scratch: &Scratch) {
    const CELLS: u64 = 3000;
    let seed = test_seed(1);
    let container = scratch.container();
    for round in 0..4 * test_scale() {
        let mut random = Random::new(seed + round);
        let (cell_bytes, chunk_cells) = ([1, 3, 8][random.index(3)], [1, 7, 100, 5000][random.index(4)]);
        let array = array(&container, cell_bytes, chunk_cells);
        let (mut oracle, mut least) = (Records::new(cell_bytes), 0);
        for _ in 0..120 {
            let ranges: Vec<Range<u64>> = (0..1 + random.index(3))
                .map(|_| {
                    let start = random.below(CELLS - 200);
                    start..start + random.below(200)
                })
                .collect();
            let cells: u64 = ranges.iter().map(|range| range.end - range.start).sum();
            match random.below(10) {
                0..4 => {
                    let bytes = random.bytes((cells * cell_bytes) as usize);
                    array.write_ranges(&ranges, &bytes).expect("written");
                    let mut rest = &bytes[..];
                    for range in &ranges {
                        let (part, behind) = rest.split_at(((range.end - range.start) * cell_bytes) as usize);
                        oracle.write(range.start, part);
                        rest = behind;
                    }
                }
                4..8 => {
                    let mut into = vec![0xAA; (cells * cell_bytes) as usize];
                    let holes = array.read_ranges(&ranges, &mut into).expect("read");
                    let read: Vec<_> = ranges.iter().map(|range| oracle.read(range)).collect();
                    assert!(into == read.iter().flat_map(|(bytes, _)| bytes.clone()).collect::<Vec<_>>());
                    assert_eq!(holes, read.into_iter().flat_map(|(_, holes)| holes).collect::<Vec<_>>());
                }
                8 => {
                    array.punch(&ranges).expect("punched");
                    ranges.into_iter().for_each(|range| oracle.punch(range));
                }
                _ => {
                    least = random.below(CELLS);
                    array.set_size(least).expect("sized");
                    oracle.punch(least..u64::MAX);
                }
            }
            assert_eq!(array.size().expect("asked"), oracle.end().max(least));
        }
        container.compact().expect("compacted");
        let mut all = vec![0; (CELLS * cell_bytes) as usize];
        array.read(0, &mut all).expect("read");
        assert!(all == oracle.read(&(0..CELLS)).0);
    }
    assert!(container.check(false).expect("checked").is_clean());
}

fn an_array_has_a_size(scratch: &Scratch) {
    let array = array(&scratch.container(), 4, 10);
    assert_eq!(array.size().expect("asked"), 0);
    array.write(25, &[1; 8]).expect("written");
    assert_eq!(array.stat().expect("asked").size, 27);
    let before = array.stat().expect("asked").newest_epoch;
    array.set_size(26).expect("shrunk");
    assert_eq!(array.size().expect("asked"), 26);
    assert!(array.stat().expect("asked").newest_epoch > before);
    array.set_size(1 << 40).expect("grown");
    assert_eq!(array.size().expect("asked"), 1 << 40);
    let mut into = [9; 12];
    assert_eq!(array.read(24, &mut into).expect("read"), [24..25, 26..27]);
    assert_eq!(into, [0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0]);
    array.set_size(0).expect("shrunk");
    assert_eq!(array.size().expect("asked"), 0);
    assert_eq!(array.read(0, &mut into).expect("read"), [0..3]);
    refused(array.write(0, &[1; 3]), ErrorKind::InvalidArgument, "whole cells");
    refused(array.write_ranges(&[0..2, 5..6], &[0; 8]), ErrorKind::InvalidArgument, "3 cells");
}

fn arrays_are_made_once(scratch: &Scratch) {
    let container = scratch.container();
    let options = ArrayOptions { cell_bytes: 8, chunk_cells: 100, low: Some(5), ..Default::default() };
    let array = container.create_array(options).expect("an array");
    refused(container.create_array(options), ErrorKind::AlreadyExists, "exists");
    refused(
        container.create_array(ArrayOptions { cell_bytes: 0, ..options }),
        ErrorKind::InvalidArgument,
        "1 byte",
    );
    array.write(0, &[1; 800]).expect("written");
    let again = container.array(array.id()).expect("opened");
    assert_eq!((again.cell_bytes(), again.chunk_cells()), (8, 100));
    array.object().punch(Conditions::NONE).expect("punched");
    refused(again.write(0, &[1; 8]), ErrorKind::NotFound, "no array");
    refused(again.read(0, &mut [1; 8]), ErrorKind::NotFound, "no array");
    refused(again.size(), ErrorKind::NotFound, "no array");
    refused(container.array(array.id()), ErrorKind::NotFound, "no array");
    assert_eq!(container.objects().expect("listed").count(), 0);
    container.create_array(options).expect("an array");
    again.write(0, &[1; 8]).expect("written");
}
