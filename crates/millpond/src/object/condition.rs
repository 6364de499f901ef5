//! Conditions of an operation, as DAOS has them.

use std::ops::{BitOr, BitOrAssign};

use millpond_core::{Error, ErrorKind, Result};

/// What must hold for an operation to take place. Joined by `|`.
///
/// What exists although it shouldn't is answered as `AlreadyExists`, what should and doesn't as
/// `NotFound`; nothing has changed then. Each is decided together with the operation: no other
/// writer comes between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Conditions(u8);

/// What an operation does, as far as its conditions go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Update,
    Fetch,
    Punch,
}

const NAMES: [&str; 8] = [
    "DKEY_INSERT",
    "DKEY_UPDATE",
    "DKEY_FETCH",
    "AKEY_INSERT",
    "AKEY_UPDATE",
    "AKEY_FETCH",
    "PUNCH",
    "PER_AKEY",
];

impl Conditions {
    /// No condition.
    pub const NONE: Self = Self(0);
    /// An update takes place if its dkey doesn't exist.
    pub const DKEY_INSERT: Self = Self(1);
    /// An update takes place if its dkey exists.
    pub const DKEY_UPDATE: Self = Self(1 << 1);
    /// A fetch takes place if its dkey exists.
    pub const DKEY_FETCH: Self = Self(1 << 2);
    /// An update takes place if none of its akeys exists.
    pub const AKEY_INSERT: Self = Self(1 << 3);
    /// An update takes place if all of its akeys exist.
    pub const AKEY_UPDATE: Self = Self(1 << 4);
    /// A fetch takes place if all of its akeys exist.
    pub const AKEY_FETCH: Self = Self(1 << 5);
    /// A punch takes place if what it punches exists.
    pub const PUNCH: Self = Self(1 << 6);
    /// Each akey has a condition of its own, or none.
    pub const PER_AKEY: Self = Self(1 << 7);

    const OF_AKEYS: Self = Self(0b0011_1000);

    /// Whether all of `other` are among them.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The conditions of a name, such as `DKEY_INSERT`; several are joined by `|`, or `,`.
    ///
    /// # Errors
    /// `InvalidArgument` for another name.
    pub fn parse(text: &str) -> Result<Self> {
        let mut all = Self::NONE;
        for name in text.split(['|', ',']).map(str::trim).filter(|name| !name.is_empty()) {
            let upper = name.to_ascii_uppercase();
            let place = NAMES.iter().position(|known| *known == upper);
            let place = place
                .ok_or_else(|| refused(&format!("{name:?} is no condition: use {}", NAMES.join(", "))))?;
            all |= Self(1 << place);
        }
        Ok(all)
    }

    /// # Errors
    /// `InvalidArgument` when they contradict each other, or say nothing of the operation.
    pub(super) fn check(self, operation: Operation) -> Result<()> {
        let allowed = match operation {
            Operation::Update => {
                Self::DKEY_INSERT | Self::DKEY_UPDATE | Self::AKEY_INSERT | Self::AKEY_UPDATE | Self::PER_AKEY
            }
            Operation::Fetch => Self::DKEY_FETCH | Self::AKEY_FETCH | Self::PER_AKEY,
            Operation::Punch => Self::PUNCH,
        };
        let foreign = Self(self.0 & !allowed.0);
        if !foreign.is_empty() {
            let operation = match operation {
                Operation::Update => "an update",
                Operation::Fetch => "a fetch",
                Operation::Punch => "a punch",
            };
            return Err(refused(&format!("{operation} can't have the condition {}", foreign.names())));
        }
        for both in [Self::DKEY_INSERT | Self::DKEY_UPDATE, Self::AKEY_INSERT | Self::AKEY_UPDATE] {
            if self.contains(both) {
                return Err(refused(&format!("{} contradict each other: ask for one of them", both.names())));
            }
        }
        if self.contains(Self::PER_AKEY) && self.0 & Self::OF_AKEYS.0 != 0 {
            return Err(refused("with PER_AKEY each akey has its own condition: give it there"));
        }
        Ok(())
    }

    /// # Errors
    /// `InvalidArgument` when it isn't the condition of one akey, or when the operation as a whole
    /// doesn't say that there are such.
    pub(super) fn check_akey(self, operation: Operation, of_all: Self) -> Result<()> {
        if self.0 & !Self::OF_AKEYS.0 != 0 {
            return Err(refused(&format!("{} is no condition of a single akey", self.names())));
        }
        if !of_all.contains(Self::PER_AKEY) {
            return Err(refused("conditions of single akeys need the condition PER_AKEY first"));
        }
        self.check(operation)
    }

    fn names(self) -> String {
        let set = NAMES.iter().enumerate().filter(|(place, _)| self.0 >> place & 1 == 1);
        set.map(|(_, name)| *name).collect::<Vec<_>>().join(" and ")
    }
}

fn refused(text: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, text)
}

impl BitOr for Conditions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Conditions {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
