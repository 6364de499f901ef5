//! How keys of a map lie in its sort keys, so that the order of the bytes is the order of the map.
//!
//! | form      | in the sort key                                              | comparators          |
//! |-----------|--------------------------------------------------------------|----------------------|
//! | plain     | the key                                                      | `bytes`, `reverse`   |
//! | integer   | 8 bytes, most significant first, the sign bit flipped        | `integer`            |
//! | float     | the same of the bits; of a negative number, all bits flipped | `float`              |
//! | sorted by | what a function makes of the key, escaped, then the key      | registered ones      |
//!
//! A function of two keys, as other stores have it, can't be an order here: runs are merged by whatever
//! process comes by, which need not know the function. A reversed map lies as any other, and is
//! walked backward.

use std::{borrow::Cow, fmt, ops::Deref, sync::Arc};

use millpond_core::{Error, ErrorKind, Result, limits::KEY_BYTES_MAX};

use super::comparator::{Comparator, KeyFunction};
use crate::layout;

/// Ends what a key is sorted by. In that, a zero is followed by `FF`, so that this comes before
/// whatever goes on.
const END: [u8; 2] = [0, 1];

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum KeyForm {
    #[default]
    Plain,
    Integer,
    Float,
    SortedBy,
}

impl KeyForm {
    pub(crate) const ALL: [Self; 4] = [Self::Plain, Self::Integer, Self::Float, Self::SortedBy];

    /// The user's key of what [`KeyOrder::encode`] made. Of what it can't have made, some bytes.
    pub(crate) fn decode(self, encoded: &[u8]) -> UserKey<'_> {
        let number = |decode: fn(u64) -> u64| match encoded.try_into() {
            Ok(bytes) => UserKey::Number(decode(u64::from_be_bytes(bytes)).to_le_bytes()),
            Err(_) => UserKey::Bytes(encoded),
        };
        match self {
            Self::Plain => UserKey::Bytes(encoded),
            Self::Integer => number(|bits| bits ^ SIGN),
            Self::Float => number(|bits| if bits & SIGN == 0 { !bits } else { bits ^ SIGN }),
            Self::SortedBy => UserKey::Bytes(behind_end(encoded).unwrap_or(encoded)),
        }
    }

    /// A user's key, as people read it.
    pub(crate) fn shown(self, key: &[u8]) -> String {
        match self.number(key) {
            Some(number) => number.to_string(),
            None => format!("\"{}\"", key.escape_ascii()),
        }
    }

    /// A user's key as a number, if keys are.
    pub(crate) fn number(self, key: &[u8]) -> Option<NumberKey> {
        let is_integer = match self {
            Self::Integer => true,
            Self::Float => false,
            Self::Plain | Self::SortedBy => return None,
        };
        Some(NumberKey { is_integer, bytes: key.try_into().ok()? })
    }
}

/// A key that is a number, told of where keys of any map may be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NumberKey {
    is_integer: bool,
    bytes: [u8; 8],
}

impl NumberKey {
    /// The key as the map has it: 8 bytes, least significant first.
    pub fn bytes(&self) -> [u8; 8] {
        self.bytes
    }

    /// The number, if keys are whole ones.
    pub fn integer(&self) -> Option<i64> {
        self.is_integer.then(|| i64::from_le_bytes(self.bytes))
    }

    /// The number, if keys are floating-point ones.
    pub fn float(&self) -> Option<f64> {
        (!self.is_integer).then(|| f64::from_le_bytes(self.bytes))
    }
}

/// The number in digits.
impl fmt::Display for NumberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.integer() {
            Some(integer) => integer.fmt(f),
            None => f64::from_le_bytes(self.bytes).fmt(f),
        }
    }
}

const SIGN: u64 = 1 << 63;

/// What comes behind the first end mark; none where there is no such mark.
fn behind_end(encoded: &[u8]) -> Option<&[u8]> {
    let mut from = 0;
    loop {
        let zero = from + encoded.get(from..)?.iter().position(|byte| *byte == 0)?;
        if *encoded.get(zero + 1)? == END[1] {
            return encoded.get(zero + 2..);
        }
        from = zero + 2;
    }
}

/// A user's key, borrowed from its sort key where it lies there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserKey<'a> {
    Bytes(&'a [u8]),
    Number([u8; 8]),
}

impl<'a> UserKey<'a> {
    pub(crate) fn into_cow(self) -> Cow<'a, [u8]> {
        match self {
            Self::Bytes(bytes) => Cow::Borrowed(bytes),
            Self::Number(bytes) => Cow::Owned(bytes.to_vec()),
        }
    }
}

impl Deref for UserKey<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(bytes) => bytes,
        }
    }
}

/// The order that a [`Comparator`] stands for, ready for use in this process.
#[derive(Clone, Default)]
pub struct KeyOrder(Kind);

#[derive(Clone, Default)]
enum Kind {
    #[default]
    Bytes,
    Reverse,
    Integer,
    Float,
    Registered(Arc<str>, KeyFunction),
}

impl KeyOrder {
    /// # Errors
    /// `NotFound` when nothing is registered in this process under the comparator's name.
    pub(super) fn of(comparator: &Comparator) -> Result<Self> {
        Ok(Self(match comparator {
            Comparator::Bytes => Kind::Bytes,
            Comparator::Reverse => Kind::Reverse,
            Comparator::Integer => Kind::Integer,
            Comparator::Float => Kind::Float,
            Comparator::Registered(name) => {
                Kind::Registered(name.clone(), super::comparator::function(name)?)
            }
        }))
    }

    pub(crate) fn form(&self) -> KeyForm {
        match self.0 {
            Kind::Bytes | Kind::Reverse => KeyForm::Plain,
            Kind::Integer => KeyForm::Integer,
            Kind::Float => KeyForm::Float,
            Kind::Registered(..) => KeyForm::SortedBy,
        }
    }

    /// Whether the encoded keys' bytes are in the opposite of the order.
    pub fn is_reversed(&self) -> bool {
        matches!(self.0, Kind::Reverse)
    }

    /// Whether encoded keys are the keys themselves.
    pub(crate) fn is_plain(&self) -> bool {
        self.form() == KeyForm::Plain
    }

    /// Appends to `out` what lies in the order of its bytes as the keys lie in this order (or in the opposite:
    /// [`KeyOrder::is_reversed`]).
    ///
    /// # Errors
    /// `KeyTooLong`; `InvalidArgument` when the key is no number; what the registered function answers.
    pub fn encode(&self, key: &[u8], out: &mut Vec<u8>) -> Result<()> {
        layout::check_entry_key(key)?;
        match &self.0 {
            Kind::Bytes | Kind::Reverse => out.extend_from_slice(key),
            Kind::Integer => out.extend_from_slice(&(number(key, "an integer")? ^ SIGN).to_be_bytes()),
            Kind::Float => {
                let bits = number(key, "a floating-point number")?;
                let ordered = if bits & SIGN == 0 { bits ^ SIGN } else { !bits };
                out.extend_from_slice(&ordered.to_be_bytes());
            }
            Kind::Registered(name, function) => {
                let sorted_by = function(key)?;
                if sorted_by.len() > KEY_BYTES_MAX {
                    let message = format!(
                        "the comparator {name:?} made {} bytes of a key: {KEY_BYTES_MAX} are allowed",
                        sorted_by.len()
                    );
                    return Err(Error::new(ErrorKind::KeyTooLong, message));
                }
                for byte in sorted_by {
                    out.push(byte);
                    if byte == 0 {
                        out.push(0xFF);
                    }
                }
                out.extend_from_slice(&END);
                out.extend_from_slice(key);
            }
        }
        Ok(())
    }

    /// The key of what [`KeyOrder::encode`] appended.
    pub fn decode<'a>(&self, encoded: &'a [u8]) -> Cow<'a, [u8]> {
        self.form().decode(encoded).into_cow()
    }
}

impl fmt::Debug for KeyOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.0 {
            Kind::Bytes => "bytes",
            Kind::Reverse => "reverse",
            Kind::Integer => "integer",
            Kind::Float => "float",
            Kind::Registered(name, _) => name,
        };
        write!(f, "KeyOrder({name})")
    }
}

/// The bits of a key that is a number.
fn number(key: &[u8], what: &str) -> Result<u64> {
    key.try_into().map(u64::from_le_bytes).map_err(|_| {
        let message = format!(
            "a key of this map is {what}: 8 bytes, the least significant one first; this one has {}",
            key.len()
        );
        Error::new(ErrorKind::InvalidArgument, message)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(order: &KeyOrder, key: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        order.encode(key, &mut out).expect("a key");
        assert_eq!(*order.decode(&out), *key, "{order:?}");
        out
    }

    /// Sorted by the second half of a key.
    fn by_second_half() -> KeyOrder {
        KeyOrder(Kind::Registered("halves".into(), Arc::new(|key| Ok(key[key.len() / 2..].to_vec()))))
    }

    proptest! {
        #[test]
        fn integers_lie_in_their_order(left: i64, right: i64) {
            let order = KeyOrder(Kind::Integer);
            let (a, b) = (encoded(&order, &left.to_le_bytes()), encoded(&order, &right.to_le_bytes()));
            prop_assert_eq!(a.cmp(&b), left.cmp(&right));
        }

        #[test]
        fn floats_lie_in_their_total_order(left: u64, right: u64) {
            let order = KeyOrder(Kind::Float);
            let (left, right) = (f64::from_bits(left), f64::from_bits(right));
            let (a, b) = (encoded(&order, &left.to_le_bytes()), encoded(&order, &right.to_le_bytes()));
            prop_assert_eq!(a.cmp(&b), left.total_cmp(&right));
        }

        #[test]
        fn registered_orders_break_ties_by_the_key(left: Vec<u8>, right: Vec<u8>) {
            let (a, b) = (encoded(&by_second_half(), &left), encoded(&by_second_half(), &right));
            let sorted_by = |key: &Vec<u8>| (key[key.len() / 2..].to_vec(), key.clone());
            prop_assert_eq!(a.cmp(&b), sorted_by(&left).cmp(&sorted_by(&right)));
        }

        #[test]
        fn foreign_bytes_are_decoded_to_some_key(bytes: Vec<u8>) {
            for form in KeyForm::ALL {
                prop_assert!(form.decode(&bytes).len() <= bytes.len());
            }
        }
    }

    #[test]
    fn known_numbers_lie_where_their_bytes_say() {
        let integer = KeyOrder(Kind::Integer);
        assert_eq!(encoded(&integer, &0i64.to_le_bytes()), [0x80, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(encoded(&integer, &i64::MIN.to_le_bytes()), [0; 8]);
        let float = KeyOrder(Kind::Float);
        assert_eq!(encoded(&float, &1f64.to_le_bytes()), [0xBF, 0xF0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(encoded(&float, &(-1f64).to_le_bytes()), [0x40, 0x0F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
    }

    #[test]
    fn what_is_no_number_is_told() {
        for order in [KeyOrder(Kind::Integer), KeyOrder(Kind::Float)] {
            let error = order.encode(b"seven", &mut Vec::new()).expect_err("no number");
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().contains("8 bytes"), "{error}");
        }
    }
}
