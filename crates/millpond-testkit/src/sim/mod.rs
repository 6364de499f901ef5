//! A machine in memory: its disk, its shared memory and its processes.
//!
//! What it does to a store is what a real machine may do by the contract of
//! [`millpond_local::media`], and each fault can be replayed from a number:
//!
//! - **A loss of power** ([`SimMachine::power_cut`]) leaves of each file what was synced, and of
//!   each write since any subset of its 512-byte sectors, in any order; of each directory what was
//!   synced and any subset of the operations since, a rename being atomic. Locks are gone; what
//!   the file of shared memory holds is anybody's guess.
//! - **A kill** ([`SimMedia::kill_at`]) ends a process between any two of its calls, or within a
//!   write; of a store any bytes may be there. Its locks vanish, the rest stays as it is.
//! - **A failed sync** ([`SimMedia::fail_sync_at`]) leaves the fate of what wasn't synced open for
//!   good: a later sync doesn't bring it back, since the kernel counts those pages as clean.
//! - **A failed call, a full disk, short reads and writes, a flipped bit.**

mod choice;
mod directory;
mod disk;
mod faults;
mod file;
mod locks;
mod machine;
mod memory;
mod operation;
mod process;
#[cfg(test)]
mod tests;

pub use faults::{Killed, PlannedPanic, is_killed};
pub use machine::{Moment, Observer, SimMachine};
pub use operation::{Operation, OperationKind};
pub use process::SimMedia;
