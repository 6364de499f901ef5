//! The command line, as people and programs meet it.
//!
//! Every scenario runs twice: as a process of its own for each command, on pools in a temporary
//! directory; and through the library in this process, on pools in memory. See [`bench`].

mod arguments;
mod bench;
mod blob;
mod container;
mod dict;
mod docs;
mod health;
mod map;
mod map_bench;
mod object;
mod output;
mod pool;
mod snapshot;
mod transfer;
mod watch;
