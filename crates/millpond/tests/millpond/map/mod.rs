//! Ordered maps.

mod comparators;
mod model;
mod threads;
