//! What tests of every backend share; never shipped.
//!
//! - [`sim`]: a machine in memory that loses power, kills processes and fails calls, replayable
//!   from a number.

pub mod random;
pub mod sim;
