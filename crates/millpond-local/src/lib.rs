//! The local backend: a log-structured store in a directory that many processes share.
//!
//! Where to start reading: [`engine`](crate::Engine) is the whole, `log` and `manifest` are what
//! it writes to be safe, `run` and `segment` where data rests, `tail` and `read` how it is found,
//! `control` and `presence` how processes work together, [`media`] all that is asked of the machine.

mod backup;
mod bell;
pub mod bugs;
mod cache;
mod control;
mod engine;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod identity;
mod local_store;
mod log;
mod manifest;
pub mod media;
mod pool;
mod prefetch;
mod presence;
mod read;
mod run;
mod segment;
mod segments;
#[cfg(test)]
mod sick_media;
mod space;
mod sync;
mod tail;
mod verification;
mod wire;

use millpond_core::fork;

pub use engine::{Engine, EngineOptions};
pub use local_store::LocalStore;
pub use pool::LocalPool;
pub use space::{Space, Unlimited};
