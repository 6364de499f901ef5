//! Verifying what is stored: who is told of damage and of progress, and how damage is named.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{Extent, Result};

/// Follows a verification while it goes. A closure that takes a [`Damage`] is one that lets it run.
pub trait Verifier {
    /// A place is damaged.
    fn damaged(&mut self, damage: Damage);

    /// So many bytes more were read, which may be none. May take its time, so that others get the device.
    ///
    /// # Errors
    /// Whatever is answered ends the verification.
    fn read(&mut self, bytes: u64) -> Result<()> {
        let _ = bytes;
        Ok(())
    }

    /// Whether records are compared with what finds them too: their order, indexes and filters. Otherwise
    /// every byte is compared with its checksum alone, which is faster.
    fn is_thorough(&self) -> bool {
        true
    }
}

impl<F: FnMut(Damage)> Verifier for F {
    fn damaged(&mut self, damage: Damage) {
        self(damage);
    }
}

/// A place that fails its checksum, or is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// The file or object, relative to the container.
    pub place: String,
    /// Where in it.
    pub offset: u64,
    /// What is wrong with it.
    pub what: String,
    /// Whose bytes those are, as far as that is known.
    #[serde(skip)]
    pub owner: Option<Owner>,
}

impl Damage {
    /// A damage of which nobody knows whose bytes it took.
    pub fn new(place: impl Into<String>, offset: u64, what: impl Into<String>) -> Self {
        Self { place: place.into(), offset, what: what.into(), owner: None }
    }

    /// The same, of which that is known.
    #[must_use]
    pub fn of(self, owner: Owner) -> Self {
        Self { owner: Some(owner), ..self }
    }
}

/// Whose bytes are damaged. Keys are a partition and a sort key behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The record of this key.
    Key(Vec<u8>),
    /// A part of the value of this key.
    Value {
        /// The key.
        key: Vec<u8>,
        /// The extent that is damaged.
        extent: Extent,
        /// Bytes of the value that are damaged, at most.
        bytes: Range<u64>,
    },
    /// Records from one key to another: which ones there were, is lost.
    Between(Vec<u8>, Vec<u8>),
}
