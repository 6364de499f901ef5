//! Millpond: one store for the data that a pipeline makes.
