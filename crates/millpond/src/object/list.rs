//! Lists of dkeys and of akeys, and how they are split for scans in parallel.

use millpond_core::{Cursor, Direction, Error, ErrorKind, KeyRange, Result, View};

use super::{
    Object, ObjectExtents,
    anchor::{Anchor, ListOf},
    key::{ObjectKey, encoded_length},
    records::{self, ENTRY},
};

/// Records that are passed over one by one before the next key is looked for.
const STEPS: usize = 8;

/// Keys of an object, in the order of their bytes, of one consistent state: what others change
/// meanwhile isn't seen.
pub struct ObjectKeys {
    object: Object,
    view: Box<dyn View>,
    cursor: Option<Box<dyn Cursor>>,
    anchor: Anchor,
}

impl ObjectKeys {
    fn new(object: Object, anchor: Anchor) -> Result<Self> {
        let view = object.view()?;
        Ok(Self { object, view, cursor: None, anchor })
    }

    /// Where a list has to go on to give what this one hasn't given yet.
    pub fn anchor(&self) -> Anchor {
        self.anchor.clone()
    }

    fn next_key(&mut self) -> Result<Option<ObjectKey<'static>>> {
        if self.anchor.is_done() || !self.seek()? {
            self.anchor.start = self.anchor.end.clone();
            return Ok(None);
        }
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let (sort, from) = (cursor.key(), self.anchor.prefix.len());
        let kind = match self.anchor.of {
            ListOf::Dkeys => self.object.kind().dkeys,
            ListOf::Akeys | ListOf::Extents => self.object.kind().akeys,
        };
        let key = sort.get(from..).and_then(|mut rest| ObjectKey::decode(kind, &mut rest));
        let length = sort.get(from..).and_then(|rest| encoded_length(kind, rest));
        let (Some(key), Some(length)) = (key, length) else {
            let error = self.object.malformed(sort);
            // The next one goes on behind it.
            self.anchor.start = [sort, &[0]].concat();
            return Err(error);
        };
        self.anchor.start = KeyRange::prefix_end(&sort[..from + length]).unwrap_or_default();
        Ok(Some(key))
    }

    /// Goes to the first record from the anchor on.
    fn seek(&mut self) -> Result<bool> {
        if let Some(cursor) = &mut self.cursor {
            for _ in 0..STEPS {
                if !cursor.advance()? {
                    return Ok(false);
                }
                if cursor.key() >= &self.anchor.start[..] {
                    return Ok(true);
                }
            }
        }
        let range = self.object.range(&self.anchor.start, Some(&self.anchor.end));
        let cursor = self.cursor.insert(self.view.scan(range, Direction::Forward)?);
        cursor.advance()
    }
}

impl Iterator for ObjectKeys {
    type Item = Result<ObjectKey<'static>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_key().transpose()
    }
}

impl Object {
    /// The object's dkeys.
    pub fn list_dkeys(&self) -> Result<ObjectKeys> {
        self.keys_from(&Anchor::keys(self.id(), ListOf::Dkeys, vec![ENTRY]))
    }

    /// The akeys of a dkey.
    pub fn list_akeys<'d>(&self, dkey: impl Into<ObjectKey<'d>>) -> Result<ObjectKeys> {
        let dkey = records::dkey_prefix(self.kind(), &dkey.into())?;
        self.keys_from(&Anchor::keys(self.id(), ListOf::Akeys, dkey))
    }

    /// Goes on with a list of dkeys or akeys, in the newest state.
    ///
    /// # Errors
    /// `InvalidArgument` when the anchor is of another object, or of extents.
    pub fn keys_from(&self, anchor: &Anchor) -> Result<ObjectKeys> {
        self.check_anchor(anchor, anchor.of != ListOf::Extents)?;
        ObjectKeys::new(self.clone(), anchor.clone())
    }

    /// Splits what an anchor has still to list into at most `parts` parts of very roughly the same
    /// size. Together they list the same, each key or extent in one of them.
    ///
    /// # Errors
    /// `InvalidArgument` when the anchor is of another object.
    pub fn split(&self, anchor: &Anchor, parts: usize) -> Result<Vec<Anchor>> {
        self.check_anchor(anchor, true)?;
        if anchor.of == ListOf::Extents {
            return ObjectExtents::split(self, anchor, parts);
        }
        let mut split = Vec::with_capacity(parts.max(1));
        self.split_keys(&*self.view()?, anchor.clone(), parts, &mut split)?;
        Ok(split)
    }

    fn split_keys(
        &self,
        view: &dyn View,
        anchor: Anchor,
        parts: usize,
        into: &mut Vec<Anchor>,
    ) -> Result<()> {
        let Some(middle) = (if parts > 1 { self.middle(view, &anchor)? } else { None }) else {
            into.push(anchor);
            return Ok(());
        };
        let left = Anchor { end: middle.clone(), ..anchor.clone() };
        self.split_keys(view, left, parts / 2, into)?;
        self.split_keys(view, Anchor { start: middle, ..anchor }, parts - parts / 2, into)
    }

    /// Where a key begins that isn't the first one from the anchor on, in the middle by its bytes.
    fn middle(&self, view: &dyn View, anchor: &Anchor) -> Result<Option<Vec<u8>>> {
        let kind = match anchor.of {
            ListOf::Dkeys => self.kind().dkeys,
            ListOf::Akeys | ListOf::Extents => self.kind().akeys,
        };
        let prefix_in = |start: &[u8], direction| {
            let mut cursor = view.scan(self.range(start, Some(&anchor.end)), direction)?;
            if !cursor.advance()? {
                return Ok(None);
            }
            let (sort, from) = (cursor.key(), anchor.prefix.len());
            let length = sort.get(from..).and_then(|rest| encoded_length(kind, rest));
            let length = length.ok_or_else(|| self.malformed(sort))?;
            Ok::<_, Error>(Some(sort[..from + length].to_vec()))
        };
        let first = prefix_in(&anchor.start, Direction::Forward)?;
        let last = prefix_in(&anchor.start, Direction::Backward)?;
        let (Some(first), Some(last)) = (first, last) else { return Ok(None) };
        if first == last {
            return Ok(None);
        }
        let behind = KeyRange::prefix_end(&first).unwrap_or_default();
        let aim = between(&first, &last).clamp(behind, last);
        prefix_in(&aim, Direction::Forward)
    }

    pub(super) fn check_anchor(&self, anchor: &Anchor, fits: bool) -> Result<()> {
        if anchor.object != self.id() {
            let text = format!("the anchor is of the object {}, not of {self}", anchor.object);
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        if !fits {
            let text = "the anchor is of another kind of list: keys and extents have lists of their own";
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        Ok(())
    }
}

/// Bytes about half way between two strings.
fn between(first: &[u8], last: &[u8]) -> Vec<u8> {
    let common = first.iter().zip(last).take_while(|(one, other)| one == other).count();
    let number = |bytes: &[u8]| {
        let mut eight = [0; 8];
        let rest = &bytes[common..];
        let length = rest.len().min(8);
        eight[..length].copy_from_slice(&rest[..length]);
        u64::from_be_bytes(eight)
    };
    let (low, high) = (number(first), number(last));
    let half = low + high.saturating_sub(low) / 2;
    [&first[..common], &half.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_lies_between() {
        for (first, last) in
            [(&b"a"[..], &b"c"[..]), (b"sensor-1", b"sensor-9"), (b"", b"b"), (b"abc", b"abd")]
        {
            let middle = between(first, last);
            assert!(first <= &middle[..] && &middle[..] <= last || middle.starts_with(first), "{middle:?}");
        }
    }
}
