//! Folders of disk-objectstore, beside disk-objectstore itself where it is installed.

mod oracle;
mod scratch;
#[path = "../../../millpond-local/tests/local/strace.rs"]
mod strace;

mod callbacks;
mod forks;
mod hostile;
mod kills;
mod migrate;
mod objects;
mod settings;
mod together;
mod turns;
