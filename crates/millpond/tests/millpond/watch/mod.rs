//! Watching containers.

mod dicts;
mod processes;
mod retention;
