//! Every limit of the store, in one place, with their relations asserted.

/// Bytes in a user's key: of a dictionary, a dkey, an akey.
pub const KEY_BYTES_MAX: usize = 1024;

/// Bytes in the partition of an index key.
pub const PARTITION_BYTES_MAX: usize = 64;

/// Bytes in the sort key of an index key: a dkey and an akey, each of which an escape may double, and
/// what a data model adds to them.
pub const SORT_KEY_BYTES_MAX: usize = 4 * KEY_BYTES_MAX + 64;

/// Bytes of a value that the index holds itself; longer ones go to segments.
pub const VALUE_INLINE_BYTES_MAX: usize = 2048;

/// Bytes in a value as the index stores it: an inline value with its model's header.
pub const RECORD_VALUE_BYTES_MAX: usize = 2 * VALUE_INLINE_BYTES_MAX;

/// Extents of one record. A value of this many segments would be 64 TiB.
pub const RECORD_EXTENTS_MAX: usize = 65_536;

/// Bytes in a segment before the next one is begun.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// Characters in a label.
pub const LABEL_CHARS_MAX: usize = 127;

/// Bytes in the name of a dictionary, of a property or of an attribute.
pub const NAME_BYTES_MAX: usize = 512;

/// Bytes in the value of an attribute.
pub const ATTRIBUTE_BYTES_MAX: usize = VALUE_INLINE_BYTES_MAX;

const _: () = assert!(KEY_BYTES_MAX < SORT_KEY_BYTES_MAX);
const _: () = assert!(NAME_BYTES_MAX < SORT_KEY_BYTES_MAX);
const _: () = assert!(VALUE_INLINE_BYTES_MAX + 64 <= RECORD_VALUE_BYTES_MAX);
const _: () = assert!(SORT_KEY_BYTES_MAX + PARTITION_BYTES_MAX <= u16::MAX as usize);
