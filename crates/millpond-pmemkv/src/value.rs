//! Values as engines hand them out: shared, never changed, alive as long as somebody looks.

use std::{fmt, ops::Deref, sync::Arc};

use bytes::Bytes;

/// The value of a record, without a copy. It stays what it is when the record is replaced or removed, and
/// when the engine is closed. Clones share it.
#[derive(Clone)]
pub struct Value(Inner);

#[derive(Clone)]
enum Inner {
    /// A record of a volatile engine, in which the value begins there.
    Record(Arc<[u8]>, usize),
    Bytes(Bytes),
}

impl Value {
    pub(crate) fn of_record(record: Arc<[u8]>, begin: usize) -> Self {
        debug_assert!(begin <= record.len());
        Self(Inner::Record(record, begin))
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self(Inner::Bytes(bytes))
    }
}

impl From<Value> for Bytes {
    fn from(value: Value) -> Self {
        match value.0 {
            Inner::Bytes(bytes) => bytes,
            Inner::Record(..) => Bytes::from_owner(value),
        }
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Inner::Record(record, begin) => &record[*begin..],
            Inner::Bytes(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Value {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}
