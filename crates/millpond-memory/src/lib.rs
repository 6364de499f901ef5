//! The memory backend: a pool that lives and dies with its process.
