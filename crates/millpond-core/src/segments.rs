//! The second contract: append-only bulk bytes.
//!
//! The index is what makes bytes in a segment reachable: whoever appends first writes the bytes,
//! then commits a record that owns their extents. A crash between the two leaves unreachable
//! bytes, which the backend reclaims, and nothing worse.

use serde::{Deserialize, Serialize};

use crate::Result;

/// The number of a segment in its container, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SegmentId(pub u64);

/// Bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Extent {
    /// The segment.
    pub segment: SegmentId,
    /// Where the extent begins, in the backend's own terms.
    pub offset: u64,
    /// How many bytes it holds for the reader, without frames and checksums.
    pub length: u64,
}

/// Append-only bulk bytes, checksummed. Sealed segments never change; a backend deletes a segment
/// whole, once no record owns an extent of it.
pub trait Segments: Send + Sync {
    /// A place to append to, for one writer.
    fn writer(&self) -> Result<Box<dyn SegmentWriter>>;

    /// Fills `into` with the bytes of `extent` from `offset` on.
    ///
    /// # Errors
    /// `Corrupt`, naming the place, when the stored bytes fail their checksum; `InvalidArgument`
    /// when the extent ends before `into` is full; `EpochGone` when the segment has been
    /// reclaimed, so that the record has to be read again.
    fn read(&self, extent: &Extent, offset: u64, into: &mut [u8]) -> Result<()>;
}

/// Appends values to segments, in bounded memory. A value that is dropped unfinished is never
/// reachable. Segments are sealed and begun as the backend sees fit.
///
/// Keep a writer until the commit that names its values has returned, however that ended: while it
/// lives, the backend doesn't take what it finished for garbage. Once it is gone, a backend may take
/// back the space of values that no commit has named, and a commit that names them later makes a
/// record whose bytes can't be read.
pub trait SegmentWriter: Send {
    /// Adds bytes to the value that is being written.
    ///
    /// # Errors
    /// `NoSpace` when the pool's quota or the disk is full. The value is then lost, the writer
    /// usable for another one.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;

    /// Ends the value and answers where it is; empty for an empty value. What was written is as
    /// durable as the commit that names it.
    fn finish(&mut self) -> Result<Vec<Extent>>;

    /// Gives up every value of this writer that no commit has named: none will. A backend that
    /// can't tell otherwise keeps finished values as long as the process lives; this lets it take
    /// their space back.
    fn abandon(&mut self) {}
}
