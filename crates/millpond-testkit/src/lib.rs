//! What tests of every backend share; never shipped.
//!
//! - [`conformance`]: the contracts, clause by clause, for any backend; [`model`] is what they are
//!   compared with.
//! - [`crash`]: power cuts, kills and faults at every point of a workload, and what must hold after.
//! - [`history`]: whether what many processes did at once can be right.
//! - [`mutate`]: inputs for decoders that are almost right.
//! - [`process`]: tests that run parts of themselves in processes of their own.
//! - [`sim`]: a machine in memory that loses power, kills processes and fails calls, replayable
//!   from a number.

pub mod conformance;
pub mod crash;
pub mod history;
pub mod model;
pub mod mutate;
pub mod process;
pub mod random;
pub mod sim;
