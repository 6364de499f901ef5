//! The beginnings of a block's keys, in memory: most searches for a place in the block need nothing else of it,
//! where the block itself would have to be fetched line by line.
//!
//! | part    | bytes | content                                                                 |
//! |---------|------:|-------------------------------------------------------------------------|
//! | length  |     4 | p, bytes that all keys begin with                                       |
//! | prefix  |     p | what all keys begin with                                                |
//! | heads   |   2 n | of each key the two bytes behind that, greatest first; zeros where there |
//! |         |       | are none                                                                |

use std::ops::Range;

use super::block::Block;
use crate::wire::Malformed;

/// See the module.
#[derive(Debug)]
pub(super) struct Heads(Box<[u8]>);

impl Heads {
    pub(super) fn of(block: &Block) -> Result<Self, Malformed> {
        let prefix = block.prefix();
        let mut bytes = Vec::with_capacity(4 + prefix.len() + 2 * block.count());
        bytes.extend_from_slice(&(prefix.len() as u32).to_le_bytes());
        bytes.extend_from_slice(prefix);
        for place in 0..block.count() {
            bytes.extend_from_slice(&head(block.rest(&block.record(place)?)));
        }
        Ok(Self(bytes.into()))
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.0.len()
    }

    /// The numbers of the records whose keys begin as `key` does, of which the block has to be asked; those
    /// before them have lesser keys, and the others greater ones.
    pub(super) fn alike(&self, key: &[u8]) -> Range<usize> {
        let Some((length, rest)) = self.0.split_first_chunk::<4>() else { return 0..0 };
        let (prefix, heads) = rest.split_at(u32::from_le_bytes(*length) as usize);
        let (heads, _) = heads.as_chunks::<2>();
        match key.split_at_checked(prefix.len()) {
            Some((begins, rest)) if begins == prefix => {
                let wanted = head(rest);
                let first = heads.partition_point(|head| *head < wanted);
                let count = heads[first..].iter().take_while(|head| **head == wanted).count();
                first..first + count
            }
            _ if key < prefix => 0..0,
            _ => heads.len()..heads.len(),
        }
    }
}

/// The first two bytes; of two keys, the lesser one has no greater head.
fn head(rest: &[u8]) -> [u8; 2] {
    match rest {
        [] => [0, 0],
        [only] => [*only, 0],
        [first, second, ..] => [*first, *second],
    }
}
