//! The header of an object, which is there while the object exists.
//!
//! | bytes | content                                                          |
//! |-------|------------------------------------------------------------------|
//! | 1     | 2: an object                                                     |
//! | 8     | of an array: bytes in a cell, most significant first              |
//! | 8     | of an array: cells in a chunk, most significant first             |

use millpond_core::{Error, ErrorKind, Result};

use super::id::ObjectForm;
use crate::layout::KIND_OBJECT;

/// What an array fixes when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// At least 1.
    pub(super) cell_bytes: u64,
    /// At least 1.
    pub(super) chunk_cells: u64,
}

/// The value of a header.
pub(super) fn encode(shape: Option<Shape>) -> Vec<u8> {
    let mut value = vec![KIND_OBJECT];
    if let Some(shape) = shape {
        value.extend_from_slice(&shape.cell_bytes.to_be_bytes());
        value.extend_from_slice(&shape.chunk_cells.to_be_bytes());
    }
    value
}

/// Reads a header: what an array fixes, nothing of other objects.
///
/// # Errors
/// `Corrupt` when it is malformed; `Incompatible` when a newer version wrote it.
pub(super) fn parse(form: ObjectForm, value: &[u8]) -> Result<Option<Shape>> {
    let numbers = match value.split_first() {
        Some((&KIND_OBJECT, numbers)) => numbers,
        Some((kind, _)) => {
            let text = format!("an object of kind {kind} is unknown here: use a newer version");
            return Err(Error::new(ErrorKind::Incompatible, text));
        }
        None => return Err(malformed(value)),
    };
    let number = |from: usize| Some(u64::from_be_bytes(numbers.get(from..from + 8)?.try_into().ok()?));
    match (form, numbers.len(), number(0), number(8)) {
        (ObjectForm::Keyed, 0, ..) => Ok(None),
        (ObjectForm::Array, 16, Some(cell_bytes @ 1..), Some(chunk_cells @ 1..)) => {
            Ok(Some(Shape { cell_bytes, chunk_cells }))
        }
        _ => Err(malformed(value)),
    }
}

fn malformed(value: &[u8]) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the header of an object is malformed: {}", value.escape_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_and_damage_is_told() {
        let shape = Some(Shape { cell_bytes: 8, chunk_cells: 1 << 20 });
        assert_eq!(parse(ObjectForm::Array, &encode(shape)).expect("a header"), shape);
        assert_eq!(parse(ObjectForm::Keyed, &encode(None)).expect("a header"), None);
        for (form, value) in [
            (ObjectForm::Array, encode(None)),
            (ObjectForm::Keyed, encode(shape)),
            (ObjectForm::Keyed, Vec::new()),
            (ObjectForm::Array, encode(Some(Shape { cell_bytes: 0, chunk_cells: 1 }))),
        ] {
            assert_eq!(parse(form, &value).expect_err("damaged").kind(), ErrorKind::Corrupt);
        }
        assert_eq!(parse(ObjectForm::Keyed, &[9]).expect_err("newer").kind(), ErrorKind::Incompatible);
    }
}
