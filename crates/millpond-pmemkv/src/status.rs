//! What a call of pmemkv answers.

use std::fmt;

/// The statuses of pmemkv 1.5, with their numbers.
///
/// [`Status::Ok`] and [`Status::NotFound`] of a key are no errors here: they are what a method answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Status {
    /// It was done.
    Ok = 0,
    /// What has no status of its own: a damaged value, a failure of the operating system.
    UnknownError = 1,
    /// There is no such record, or configuration item.
    NotFound = 2,
    /// The engine doesn't do that.
    NotSupported = 3,
    /// An argument, or a configuration item, has a wrong value.
    InvalidArgument = 4,
    /// The configuration isn't JSON, or holds what no item can be.
    ConfigParsingError = 5,
    /// A configuration item has another type than the engine takes.
    ConfigTypeError = 6,
    /// A callback ended an iteration.
    StoppedByCallback = 7,
    /// There is no room left in the engine's size, or on the disk.
    OutOfMemory = 8,
    /// There is no engine of that name.
    WrongEngineName = 9,
    /// A call in the scope of a transaction of libpmemobj. Nothing here answers it, since there is none.
    TransactionScopeError = 10,
    /// Moving records together failed.
    DefragError = 11,
    /// The engine was created with a comparator of another name.
    ComparatorMismatch = 12,
}

impl Status {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::Ok,
        Self::UnknownError,
        Self::NotFound,
        Self::NotSupported,
        Self::InvalidArgument,
        Self::ConfigParsingError,
        Self::ConfigTypeError,
        Self::StoppedByCallback,
        Self::OutOfMemory,
        Self::WrongEngineName,
        Self::TransactionScopeError,
        Self::DefragError,
        Self::ComparatorMismatch,
    ];

    /// Its number in pmemkv's C interface.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Its name in pmemkv's C interface, without the prefix.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::UnknownError => "UNKNOWN_ERROR",
            Self::NotFound => "NOT_FOUND",
            Self::NotSupported => "NOT_SUPPORTED",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::ConfigParsingError => "CONFIG_PARSING_ERROR",
            Self::ConfigTypeError => "CONFIG_TYPE_ERROR",
            Self::StoppedByCallback => "STOPPED_BY_CB",
            Self::OutOfMemory => "OUT_OF_MEMORY",
            Self::WrongEngineName => "WRONG_ENGINE_NAME",
            Self::TransactionScopeError => "TRANSACTION_SCOPE_ERROR",
            Self::DefragError => "DEFRAG_ERROR",
            Self::ComparatorMismatch => "COMPARATOR_MISMATCH",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_c_interface() {
        for (number, status) in Status::ALL.iter().enumerate() {
            assert_eq!(usize::from(status.number()), number, "{status}");
        }
        assert_eq!((Status::OutOfMemory.number(), Status::ComparatorMismatch.number()), (8, 12));
    }
}
