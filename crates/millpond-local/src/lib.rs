//! The local backend: a log-structured store in a directory that many processes share.

#[allow(dead_code)]
mod cache;
#[allow(dead_code)]
mod identity;
pub mod media;
#[allow(dead_code, unused_imports)]
mod run;
#[allow(dead_code, unused_imports)]
mod segment;
#[allow(dead_code)]
mod wire;
