//! DAOS's 1-D array: cells of one size, in chunks that lie under dkeys of their own.
//!
//! | dkey  | akey   | content                                                                    |
//! |-------|--------|----------------------------------------------------------------------------|
//! | 0     | `size` | a single value: the least size, 8 bytes, most significant first; set by [`Array::set_size`] |
//! | 1 + n | `0`    | an array: the cells of chunk n, by their place in it                        |
//!
//! Cells in a chunk and bytes in a cell are in the object's header.

use std::{fmt, ops::Range};

use millpond_core::{Direction, Epoch, Error, ErrorKind, Result, View};

use super::{
    Object, ObjectUpdate, add_range,
    class::ObjectClass,
    header::{self, Shape},
    id::{ObjectForm, ObjectKind},
    key::{KeyKind, ObjectKey},
    records::{self, ENTRY},
};
use crate::layout::{HEADER, ObjectId};

const CELLS: &str = "0";
const SIZE: &str = "size";

/// What an array is to be.
#[derive(Clone, Copy, Debug)]
pub struct ArrayOptions {
    /// Bytes in a cell; 1 by default.
    pub cell_bytes: u64,
    /// Cells in a chunk; 1,048,576 by default.
    pub chunk_cells: u64,
    /// How it is to be spread over devices.
    pub class: ObjectClass,
    /// The lower 96 bits of its id; chosen at random where there are none.
    pub low: Option<u128>,
}

impl Default for ArrayOptions {
    fn default() -> Self {
        Self { cell_bytes: 1, chunk_cells: 1 << 20, class: ObjectClass::default(), low: None }
    }
}

/// What is known of an array without reading its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrayStat {
    /// Cells; see [`Array::size`].
    pub size: u64,
    /// The epoch of the newest change that it still shows.
    pub newest_epoch: Epoch,
}

/// A 1-D array of cells. Clones are cheap; threads and processes may use it at once, and writers of
/// different cells never conflict.
///
/// ```
/// use millpond::ArrayOptions;
/// # use millpond::{ContainerOptions, Pool, PoolOptions};
/// # fn main() -> millpond::Result<()> {
/// # let pool = Pool::create("mem:array-example", PoolOptions::default())?;
/// # let container = pool.create_container(Some("runs"), ContainerOptions::default())?;
///
/// let array = container.create_array(ArrayOptions { cell_bytes: 4, chunk_cells: 1000, ..ArrayOptions::default() })?;
/// array.write(998, &[7; 4 * 5])?; // five cells, over the edge of a chunk
/// assert_eq!(array.size()?, 1003);
///
/// let mut cells = [1; 4 * 4];
/// assert_eq!(array.read(1001, &mut cells)?, [1003..1005]); // cells that were never written
/// assert_eq!(cells, [7, 7, 7, 7, 7, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
///
/// // Another process opens it by its id.
/// let id = array.id().to_string();
/// assert_eq!(container.array(id.parse()?)?.size()?, 1003);
/// # Pool::destroy("mem:array-example", true)
/// # }
/// ```
#[derive(Clone)]
pub struct Array {
    object: Object,
    shape: Shape,
}

pub(super) fn shape_of(options: &ArrayOptions) -> Result<Shape> {
    let ArrayOptions { cell_bytes, chunk_cells, .. } = *options;
    if cell_bytes == 0 || chunk_cells == 0 {
        let text = "an array has cells of at least 1 byte, and chunks of at least 1 cell";
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    Ok(Shape { cell_bytes, chunk_cells })
}

pub(super) fn kind_of(class: ObjectClass) -> ObjectKind {
    ObjectKind { dkeys: KeyKind::Integer, akeys: KeyKind::Hashed, form: ObjectForm::Array, class }
}

/// Cells of one chunk.
struct Part {
    dkey: u64,
    /// In the chunk.
    cells: Range<u64>,
    /// In the array.
    start: u64,
}

impl Array {
    pub(super) fn new(object: Object, shape: Shape) -> Self {
        Self { object, shape }
    }

    pub(super) fn open(object: Object) -> Result<Self> {
        if object.kind() != kind_of(object.kind().class) {
            let text = format!("{object} isn't an array: open it as an object");
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        let header = object.look(None, HEADER)?.ok_or_else(|| object.no_array())?;
        match header::parse(ObjectForm::Array, &header.value).map_err(|error| object.about(&[], error))? {
            Some(shape) => Ok(Self { object, shape }),
            None => Err(object.no_array()),
        }
    }

    /// Its id.
    pub fn id(&self) -> ObjectId {
        self.object.id()
    }

    /// The object that holds it: to punch it, say.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// Bytes in a cell.
    pub fn cell_bytes(&self) -> u64 {
        self.shape.cell_bytes
    }

    /// Cells in a chunk.
    pub fn chunk_cells(&self) -> u64 {
        self.shape.chunk_cells
    }

    /// Writes cells, from the cell `start` on, in one atomic commit.
    ///
    /// # Errors
    /// `InvalidArgument` when `bytes` aren't whole cells, or the last cell would be beyond 2^64 - 2;
    /// `NotFound` when the array was punched; `NoSpace`.
    pub fn write(&self, start: u64, bytes: &[u8]) -> Result<()> {
        let end = self.end_of(start, bytes.len())?;
        self.write_ranges(std::slice::from_ref(&(start..end)), bytes)
    }

    /// Writes cells of many ranges in one atomic commit; `bytes` are those of one range after
    /// another. Where ranges overlap, the last one wins.
    ///
    /// # Errors
    /// As [`Array::write`]; `InvalidArgument` when there are more or fewer bytes than cells.
    pub fn write_ranges(&self, ranges: &[Range<u64>], bytes: &[u8]) -> Result<()> {
        self.check_length(ranges, bytes.len())?;
        let mut update = self.update()?;
        let mut rest = bytes;
        for part in ranges.iter().flat_map(|range| self.parts(range)) {
            let (cells, behind) = rest.split_at(self.bytes_of(&part.cells));
            rest = behind;
            update.dkey(part.dkey)?.extent(CELLS, self.shape.cell_bytes, part.cells.start, cells)?;
        }
        update.commit()
    }

    /// Reads cells, from the cell `start` on, until `into` is full; answers those that were never
    /// written, or punched, whose bytes are zeros.
    ///
    /// # Errors
    /// `InvalidArgument` when `into` isn't whole cells; `NotFound` when the array was punched;
    /// `Corrupt` when bytes fail their checksum.
    pub fn read(&self, start: u64, into: &mut [u8]) -> Result<Vec<Range<u64>>> {
        let end = self.end_of(start, into.len())?;
        self.read_ranges(std::slice::from_ref(&(start..end)), into)
    }

    /// Reads cells of many ranges, all as of one epoch, into one range after another. See
    /// [`Array::read`].
    ///
    /// # Errors
    /// As [`Array::read`]; `InvalidArgument` when `into` has more or fewer bytes than the cells.
    pub fn read_ranges(&self, ranges: &[Range<u64>], into: &mut [u8]) -> Result<Vec<Range<u64>>> {
        self.check_length(ranges, into.len())?;
        let view = self.view()?;
        let mut holes = Vec::new();
        let mut rest = into;
        for range in ranges {
            let mut of_range = Vec::new();
            for part in self.parts(range) {
                let (bytes, behind) = std::mem::take(&mut rest).split_at_mut(self.bytes_of(&part.cells));
                rest = behind;
                for hole in self.read_part(&*view, &part, bytes)? {
                    let shift = |cell: u64| cell - part.cells.start + part.start;
                    add_range(&mut of_range, shift(hole.start)..shift(hole.end));
                }
            }
            holes.append(&mut of_range);
        }
        Ok(holes)
    }

    /// Makes holes of cells, in one atomic commit.
    ///
    /// # Errors
    /// `NotFound` when the array was punched; `NoSpace`.
    pub fn punch(&self, ranges: &[Range<u64>]) -> Result<()> {
        let mut update = self.update()?;
        for range in ranges {
            let mut range = range.clone();
            // Beyond the last chunk nothing needs a hole, however far the range goes.
            range.end = range.end.min(self.size()?);
            for part in self.parts(&range) {
                update.dkey(part.dkey)?.punch_extent(CELLS, part.cells)?;
            }
        }
        update.commit()
    }

    /// How many cells there are: one more than the last one that holds anything, or what
    /// [`Array::set_size`] asked for at least.
    ///
    /// # Errors
    /// `NotFound` when the array was punched.
    pub fn size(&self) -> Result<u64> {
        let view = self.view()?;
        Ok(self.least_size(&*view)?.max(self.end_of_cells(&*view)?))
    }

    /// Makes the array end behind cell `size` - 1: what lies beyond goes, what is missing is a hole.
    ///
    /// # Errors
    /// `NotFound` when the array was punched; `NoSpace`; `Conflict` when others wrote beyond that
    /// cell again and again meanwhile.
    pub fn set_size(&self, size: u64) -> Result<()> {
        let Shape { chunk_cells, .. } = self.shape;
        let (chunk, cells) = (size / chunk_cells, size % chunk_cells);
        let mut update = self.update()?;
        update.dkey(0)?.single(SIZE, &size.to_be_bytes())?;
        let gone = if cells == 0 { chunk.checked_add(1) } else { chunk.checked_add(2) };
        if cells > 0 {
            update.dkey(chunk + 1)?.punch_extent(CELLS, cells..chunk_cells)?;
        }
        if let Some(dkey) = gone {
            update.truncate(records::dkey_prefix(self.object.kind(), &dkey.into())?);
        }
        update.commit()
    }

    /// The size and the newest epoch.
    ///
    /// # Errors
    /// `NotFound` when the array was punched.
    pub fn stat(&self) -> Result<ArrayStat> {
        Ok(ArrayStat { size: self.size()?, newest_epoch: self.object.newest_epoch()? })
    }

    fn update(&self) -> Result<ObjectUpdate> {
        self.object.update(0)
    }

    /// The newest state, if the array is there in it.
    fn view(&self) -> Result<Box<dyn View>> {
        let view = self.object.view()?;
        match self.object.look(Some(&*view), HEADER)? {
            Some(_) => Ok(view),
            None => Err(self.object.no_array()),
        }
    }

    fn read_part(&self, view: &dyn View, part: &Part, into: &mut [u8]) -> Result<Vec<Range<u64>>> {
        let akey = self.cells_of(part.dkey)?;
        let mut holes = Vec::new();
        match self.object.array(Some(view), &akey, &records::array_key(&akey))? {
            Some((header, _)) => {
                self.object.check_record_bytes(&akey, header, self.shape.cell_bytes)?;
                self.object.read_array(view, &akey, header, &part.cells, into, &mut holes)?;
            }
            None => {
                into.fill(0);
                holes.push(part.cells.clone());
            }
        }
        Ok(holes)
    }

    fn least_size(&self, view: &dyn View) -> Result<u64> {
        let dkey = records::dkey_prefix(self.object.kind(), &0.into())?;
        let akey = records::akey_prefix(self.object.kind(), &dkey, &SIZE.into())?;
        let value = self.object.load_single(Some(view), &akey)?;
        Ok(value.and_then(|value| value[..].try_into().ok()).map_or(0, u64::from_be_bytes))
    }

    /// One more than the last cell that shows.
    fn end_of_cells(&self, view: &dyn View) -> Result<u64> {
        let mut end = vec![ENTRY + 1];
        loop {
            let range = self.object.range(&[ENTRY], Some(&end));
            let mut cursor = view.scan(range, Direction::Backward)?;
            if !cursor.advance()? {
                return Ok(0);
            }
            let dkey = match ObjectKey::decode(KeyKind::Integer, &mut &cursor.key()[1..]) {
                Some(ObjectKey::Integer(dkey)) => dkey,
                _ => return Err(self.object.malformed(cursor.key())),
            };
            let Some(chunk) = dkey.checked_sub(1) else { return Ok(0) };
            let akey = self.cells_of(dkey)?;
            if let Some((header, _)) = self.object.array(Some(view), &akey, &records::array_key(&akey))?
                && let Some(last) = self.object.last_extent_in(view, &akey, header, u64::MAX)?
            {
                return Ok(chunk.saturating_mul(self.shape.chunk_cells).saturating_add(last.end));
            }
            end = records::dkey_prefix(self.object.kind(), &dkey.into())?;
        }
    }

    /// The prefix of the akey that holds the cells of a chunk.
    fn cells_of(&self, dkey: u64) -> Result<Vec<u8>> {
        let dkey = records::dkey_prefix(self.object.kind(), &dkey.into())?;
        records::akey_prefix(self.object.kind(), &dkey, &CELLS.into())
    }

    /// The cells of a range, chunk by chunk.
    fn parts(&self, range: &Range<u64>) -> impl Iterator<Item = Part> + use<> {
        let (chunk_cells, end) = (self.shape.chunk_cells, range.end);
        let mut start = range.start;
        std::iter::from_fn(move || {
            if start >= end {
                return None;
            }
            let (chunk, first) = (start / chunk_cells, start % chunk_cells);
            let cells = first..first.saturating_add(end - start).min(chunk_cells);
            let part = Part { dkey: chunk + 1, start, cells };
            start += part.cells.end - part.cells.start;
            Some(part)
        })
    }

    fn bytes_of(&self, cells: &Range<u64>) -> usize {
        ((cells.end - cells.start) * self.shape.cell_bytes) as usize
    }

    fn end_of(&self, start: u64, bytes: usize) -> Result<u64> {
        let (bytes, cell_bytes) = (bytes as u64, self.shape.cell_bytes);
        if !bytes.is_multiple_of(cell_bytes) {
            let text = format!("{bytes} bytes aren't whole cells of {cell_bytes} bytes");
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        super::update::end_of(start, bytes / cell_bytes)
    }

    fn check_length(&self, ranges: &[Range<u64>], bytes: usize) -> Result<()> {
        let cells =
            ranges.iter().try_fold(0u64, |sum, range| sum.checked_add(range.end.saturating_sub(range.start)));
        let wanted = cells.and_then(|cells| cells.checked_mul(self.shape.cell_bytes));
        if wanted == Some(bytes as u64) {
            return Ok(());
        }
        let text = format!(
            "the ranges have {} cells of {} bytes, but there are {bytes} bytes",
            cells.map_or_else(|| "more than 2^64".to_owned(), |cells| cells.to_string()),
            self.shape.cell_bytes
        );
        Err(Error::new(ErrorKind::InvalidArgument, text))
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Array({}, {:?})", self.object, self.shape)
    }
}
