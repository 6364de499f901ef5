//! pmemkv's engines, by their names and with their traits.
//!
//! pmemkv was Intel's key-value store for persistent memory: one interface, and engines that differ in what
//! they keep, in which order, and what they are asked. This crate has the engines of its version 1.5: the
//! volatile ones in memory, the persistent ones in Millpond pools.
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use millpond_pmemkv::{Config, Engine, Range};
//!
//! # fn main() -> millpond_pmemkv::Result<()> {
//! let config = Config::from_json(r#"{"path": "/dev/shm", "size": 1073741824}"#)?;
//! let engine = Engine::open("vsmap", &config)?;
//! engine.put(b"key1", b"one")?;
//! engine.put(b"key2", b"two")?;
//! assert_eq!(engine.get(b"key1")?.as_deref(), Some(&b"one"[..]));
//! assert_eq!(engine.count(Range::Above(b"key1"))?, 1);
//! engine.each(Range::All, |key, value| {
//!     println!("{} is {}", key.escape_ascii(), value.escape_ascii());
//!     ControlFlow::Continue(())
//! })?;
//! engine.close()
//! # }
//! ```
//!
//! A configuration's `comparator` is a name: `bytes`, `reverse`, `integer`, `float`, or one that was registered with
//! [`millpond::Comparator::register`]. A persistent engine opens with the name that it was created with only.
//!
//! Three things are better than there: any number of threads may use any engine, what was given out never
//! dangles, and a key that isn't there is an answer, not an error.

mod backend;
mod batch;
mod blackhole;
mod config;
mod engine;
mod error;
mod fork;
mod iterator;
mod open;
mod order;
mod persistent;
mod range;
mod status;
mod traits;
mod transaction;
mod value;
mod volatile;

pub use batch::{Found, Records, Shape};
pub use config::{Config, Item};
pub use engine::Engine;
pub use error::{Error, Result};
pub use iterator::EngineIterator;
pub use range::Range;
pub use status::Status;
pub use traits::{Steps, Traits};
pub use transaction::EngineTransaction;
pub use value::Value;
