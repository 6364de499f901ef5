//! Lists of numbers as values of a dictionary, and numbers as keys.

use millpond::{Dict, Result, limits::VALUE_INLINE_BYTES_MAX};

use crate::scratch::noise;

/// A key, so that the order of numbers is the order of keys.
pub fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

pub fn number(key: &[u8]) -> u64 {
    u64::from_be_bytes(key.try_into().expect("a key of this test"))
}

/// The value of a list: its length, its elements, and bytes that follow from the last one, of which some
/// are so many that they go to segments.
pub fn value(list: &[u64]) -> Vec<u8> {
    let mut value = (list.len() as u32).to_le_bytes().to_vec();
    list.iter().for_each(|element| value.extend_from_slice(&element.to_le_bytes()));
    value.extend_from_slice(&rest(list));
    value
}

fn rest(list: &[u64]) -> Vec<u8> {
    let last = list.last().copied().unwrap_or_default();
    let length = if last % 11 == 0 { 2 * VALUE_INLINE_BYTES_MAX } else { last as usize % 100 };
    noise(last, length)
}

/// The list of a value, which has to be whole.
pub fn list(value: &[u8]) -> Vec<u64> {
    let (length, behind) = value.split_at(4);
    let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
    let (elements, behind) = behind.split_at(8 * length);
    let elements = elements.chunks(8).map(|bytes| u64::from_le_bytes(bytes.try_into().expect("eight bytes")));
    let list: Vec<u64> = elements.collect();
    assert!(behind == rest(&list), "the value of {list:?} isn't whole");
    list
}

/// What a dictionary holds at a key; nothing is an empty list.
pub fn get(dict: &Dict, number: u64) -> Result<Vec<u64>> {
    Ok(dict.get(&key(number))?.map_or_else(Vec::new, |value| list(&value)))
}
