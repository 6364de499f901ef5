//! Whether the records of an object are well-formed and agree, for the check of a container.

use millpond_core::{Cursor, Direction, Error, ErrorKind, Key, KeyRange, RecordRef, Result, View};

use super::{
    extent::{self, Content, ExtentValue},
    header,
    id::{ObjectForm, ObjectKind},
    records::{self, ArrayHeader, Place, Slot},
};
use crate::{
    layout::{HEADER, ObjectId},
    value::Stored,
};

/// What a check learns of an object.
pub(crate) struct Verified {
    /// The value that its header should have, where it has none.
    pub(crate) lacks_header: Option<Vec<u8>>,
}

/// Looks at every record of an object, and tells `damage` of each that is wrong; `advance` goes to
/// the next one that can be read.
pub(crate) fn verify_object(
    view: &dyn View,
    id: ObjectId,
    mut advance: impl FnMut(&mut dyn Cursor) -> Result<bool>,
    mut damage: impl FnMut(ErrorKind, String),
) -> Result<Verified> {
    let mut verified = Verified { lacks_header: None };
    let kind = match id.kind() {
        Ok(kind) => kind,
        Err(error) => {
            damage(error.kind(), error.to_string());
            return Ok(verified);
        }
    };
    let partition = id.partition();
    let mut cursor = view.scan(KeyRange::all(&partition), Direction::Forward)?;
    let (mut has_header, mut akey) = (false, Akey::default());
    while advance(&mut *cursor)? {
        let (sort, record) = (cursor.key(), cursor.record());
        if sort == HEADER {
            has_header = true;
            if let Err(error) = header::parse(kind.form, record.value) {
                damage(error.kind(), error.to_string());
            }
        } else if let Err(error) = akey.verify(kind, sort, record) {
            let place = Place::parse(kind, sort).ok();
            let akey = place.and_then(|place| Some((Place::dkey(kind, sort)?, place.akey(kind, sort)?)));
            match akey {
                Some((dkey, akey)) => {
                    damage(error.kind(), format!("the akey {akey} of the dkey {dkey}: {error}"));
                }
                None => damage(error.kind(), error.to_string()),
            }
        }
    }
    // A header that can't be read isn't known to be missing.
    if !has_header && view.get(Key::new(&partition, HEADER)).is_ok() {
        damage(ErrorKind::Corrupt, "its header is missing".to_owned());
        // What an array had in its header, nothing else tells.
        verified.lacks_header = (kind.form == ObjectForm::Keyed).then(|| header::encode(None));
    }
    Ok(verified)
}

/// The akey whose records come by.
#[derive(Default)]
struct Akey {
    prefix: Vec<u8>,
    has_single: bool,
    header: Option<ArrayHeader>,
}

impl Akey {
    fn verify(&mut self, kind: ObjectKind, sort: &[u8], record: RecordRef<'_>) -> Result<()> {
        let place = Place::parse(kind, sort)?;
        if self.prefix != sort[..place.akey_end] {
            *self = Self { prefix: sort[..place.akey_end].to_vec(), ..Self::default() };
        }
        match place.record {
            Slot::Single => {
                self.has_single = true;
                Stored::parse(record)?;
            }
            Slot::Array if self.has_single => return Err(wrong("it has a single value and an array")),
            Slot::Array => self.header = Some(ArrayHeader::parse(record.value)?),
            Slot::Extent(records) => {
                let header = self.header.ok_or_else(|| wrong("it has an extent, but no array's header"))?;
                let length = records.end - records.start;
                if header.levels >> records::level(length) & 1 == 0 {
                    return Err(wrong(&format!(
                        "the extent {records:?} is in a level that its header doesn't name"
                    )));
                }
                let value = ExtentValue::parse(record, length.saturating_mul(header.record_bytes))?;
                if let Content::Lost(text) = value.content {
                    return Err(extent::lost(&String::from_utf8_lossy(text)));
                }
            }
        }
        Ok(())
    }
}

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, what)
}
