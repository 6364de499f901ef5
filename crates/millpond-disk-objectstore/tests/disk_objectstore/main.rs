//! Folders of disk-objectstore: each module mirrors one of `src`.
