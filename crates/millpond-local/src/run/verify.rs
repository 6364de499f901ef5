//! Verifying a run: the file is read in big pieces, past all caches.

use bytes::Bytes;
use millpond_core::{Owner, Result};

use super::{EntryRef, block::Block, footer::FOOTER_BYTES, parts::Parts, reader::Run};
use crate::{identity::HEADER_BYTES, verification::Walk};

/// Bytes of blocks that are read in one piece, where one block isn't more.
const PIECE_BYTES: usize = 1 << 20;

impl Run {
    /// Reads the whole file again, and reports what is damaged: blocks with the keys between which their
    /// records were. Notes the extents that records name.
    ///
    /// # Errors
    /// Those of the verifier.
    pub(crate) fn verify(&self, walk: &mut Walk<'_>) -> Result<()> {
        let parts = Parts { file: &*self.file, identity: &self.identity };
        let mut check = |checked: Result<u64>, offset| match checked {
            Ok(bytes) => walk.read(bytes),
            Err(error) => {
                walk.damaged("runs", self.identity.damage(offset, error));
                Ok(())
            }
        };
        check(parts.header(self.summary.bytes).map(|()| HEADER_BYTES as u64), 0)?;
        match parts.footer(self.summary.bytes) {
            Err(error) => check(Err(error), self.summary.bytes.saturating_sub(FOOTER_BYTES as u64))?,
            Ok(footer) => {
                check(Ok(FOOTER_BYTES as u64), 0)?;
                check(parts.index(&footer).map(|_| footer.index.length), footer.index.offset)?;
                check(parts.filter(&footer, None).map(|_| footer.filter.length), footer.filter.offset)?;
            }
        }
        let mut last = None;
        let mut next = 0;
        while next < self.index.count() {
            let (from, piece) = (next, self.piece(next));
            next = from + piece.len().max(1);
            let mut bytes = 0;
            for number in from..next {
                let (offset, length) = self.index.place(number);
                bytes += length as u64;
                let block = match piece.get(number - from) {
                    Some(bytes) => Block::open(bytes.clone(), &self.identity, offset)
                        .map_err(|what| self.malformed(number, what)),
                    // What can't be read in one piece.
                    None => self.read_block(number, Vec::new()),
                };
                let verified = block.and_then(|block| {
                    if walk.is_thorough() {
                        self.check_block(number, &block, &mut last)
                            .map_err(|what| self.malformed(number, what))?;
                    }
                    note(&block, walk).map_err(|what| self.malformed(number, what))
                });
                if let Err(error) = verified {
                    last = None;
                    let damage = self.identity.damage(offset, error).of(self.keys_of(number));
                    walk.damaged("runs", damage);
                }
            }
            walk.read(bytes)?;
        }
        Ok(())
    }

    /// The bytes of blocks from one on that lie one behind the other; none where they can't be read so.
    fn piece(&self, first: usize) -> Vec<Bytes> {
        let (start, mut end) = (self.index.place(first).0, self.index.place(first).0);
        let mut places = Vec::new();
        for number in first..self.index.count() {
            let (offset, length) = self.index.place(number);
            let is_full = !places.is_empty() && (end - start) as usize + length > PIECE_BYTES;
            if offset != end || is_full || self.lost.binary_search(&number).is_ok() {
                break;
            }
            let behind = end - start;
            end += length as u64;
            places.push(behind as usize..(end - start) as usize);
        }
        let mut bytes = vec![0; (end - start) as usize];
        let parts = Parts { file: &*self.file, identity: &self.identity };
        if parts.read_into(start, &mut bytes).is_err() {
            return Vec::new();
        }
        let bytes = Bytes::from(bytes);
        places.into_iter().map(|place| bytes.slice(place)).collect()
    }

    /// Between which keys the records of a block are.
    fn keys_of(&self, number: usize) -> Owner {
        let before = number.checked_sub(1).map(|before| self.index.bound(before));
        Owner::Between(before.unwrap_or_else(|| self.index.first_key().to_vec()), self.index.bound(number))
    }
}

fn note(block: &Block, walk: &mut Walk<'_>) -> Result<(), crate::wire::Malformed> {
    let mut extents = Vec::new();
    for place in 0..block.count() {
        let record = block.record(place)?;
        block.extents(&record, &mut extents)?;
        walk.has_lost |= matches!(block.entry(&record, &[]), EntryRef::Damaged(_));
        walk.names(&extents);
        extents.clear();
    }
    Ok(())
}
