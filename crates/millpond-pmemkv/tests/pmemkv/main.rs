//! pmemkv's engines, each against what pmemkv's manual says of it.

mod comparators;
mod config;
mod creation;
mod deaths;
mod matrix;
mod power_cuts;
mod ranges;
mod sizes;
mod support;
mod threads;
mod views;
