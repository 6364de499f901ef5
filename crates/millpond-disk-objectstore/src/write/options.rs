//! How objects are added to packs.

/// How objects are added to packs. None of these ways leaves holes where an object is known already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddOptions {
    /// Whether to compress.
    pub compress: bool,
    /// Whether progress is told of the look for known objects, as disk-objectstore does when it is asked for
    /// packs without holes.
    pub no_holes: bool,
    /// With `no_holes`, whether a source is read once for its id, and again only if it isn't known. It has
    /// to be one that can be read twice.
    pub read_twice: bool,
    /// Whether packs are durable before the index names what is in them. Without it, a loss of power may
    /// leave objects that the index knows and that are damaged.
    pub sync: bool,
    /// Whether to commit to the index. Without it, only this handle sees the objects, until one of its later
    /// operations, or [`Folder::commit`](crate::Folder::commit), does; closing it forgets them.
    pub commit: bool,
}

impl Default for AddOptions {
    /// Uncompressed, read once, durable.
    fn default() -> Self {
        Self { compress: false, no_holes: false, read_twice: false, sync: true, commit: true }
    }
}
