//! The local backend: a log-structured store in a directory that many processes share.

pub mod media;
#[allow(dead_code)]
mod wire;
