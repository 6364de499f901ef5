//! The class `Array`: cells of one size, as Python's slices have them.

use std::ops::Range;

use pyo3::{
    exceptions::{PyIndexError, PyValueError},
    prelude::*,
    types::{PyBytes, PySlice, PyTuple},
};

use crate::{
    arguments::Value,
    container::Container,
    errors::Result,
    handle::Handle,
    object::{Object, reduce},
    records::{Id, counted, fill_buffer, new_bytes, pairs, ranges_of, room},
};

/// A 1-D array of cells of one size.
#[pyclass(frozen, module = "millpond")]
pub struct Array {
    inner: Handle<millpond::Array>,
}

/// What is known of an array without reading its cells.
#[pyclass(frozen, get_all, module = "millpond")]
pub struct ArrayStat {
    /// Cells in the array.
    size: u64,
    /// The epoch of the newest change that it still shows.
    newest_epoch: u64,
}

#[pymethods]
impl ArrayStat {
    fn __repr__(&self) -> String {
        format!("ArrayStat(size={}, newest_epoch={})", self.size, self.newest_epoch)
    }
}

/// A cell, or cells one after another.
#[derive(FromPyObject)]
enum Index<'py> {
    Slice(Bound<'py, PySlice>),
    Cell(i64),
}

/// The start and the stop of a slice whose step is 1.
fn bounds(slice: &Bound<'_, PySlice>) -> PyResult<(Option<i64>, Option<i64>)> {
    if !matches!(slice.getattr("step")?.extract::<Option<i64>>()?, None | Some(1)) {
        return Err(PyValueError::new_err("slices of an array have a step of 1"));
    }
    Ok((slice.getattr("start")?.extract()?, slice.getattr("stop")?.extract()?))
}

/// A place that is counted from the end where it is negative.
fn from_end(place: i64, size: u64) -> u64 {
    match u64::try_from(place) {
        Ok(place) => place,
        Err(_) => size.saturating_sub(place.unsigned_abs()),
    }
}

impl Array {
    pub fn new(inner: millpond::Array) -> Self {
        Self { inner: Handle::new(inner) }
    }

    pub fn open(py: Python<'_>, container: &millpond::Container, id: &Id) -> Result<Self> {
        Ok(Self::new(py.detach(|| container.array(id.0))?))
    }

    fn cell(&self, py: Python<'_>, cell: i64) -> Result<u64> {
        let size = py.detach(|| self.inner.size())?;
        let place = if cell < 0 { size.checked_sub(cell.unsigned_abs()) } else { Some(cell.unsigned_abs()) };
        match place {
            Some(place) if place < size => Ok(place),
            _ => Err(PyIndexError::new_err(format!("{cell} is not among the {size} cells")).into()),
        }
    }

    fn read_cells<'py>(&self, py: Python<'py>, cells: Range<u64>) -> Result<Bound<'py, PyBytes>> {
        let length = room(cells.end.saturating_sub(cells.start), self.inner.cell_bytes())?;
        new_bytes(py, length, |into| self.inner.read(cells.start, into))
    }
}

#[pymethods]
impl Array {
    /// Its id, in 32 hexadecimal digits.
    #[getter]
    fn id(&self) -> String {
        self.inner.id().to_string()
    }

    /// The object that holds it.
    #[getter]
    fn object(&self) -> Object {
        Object::new(self.inner.object().clone())
    }

    /// Bytes in a cell.
    #[getter]
    fn cell_size(&self) -> u64 {
        self.inner.cell_bytes()
    }

    /// Cells in a chunk.
    #[getter]
    fn chunk_cells(&self) -> u64 {
        self.inner.chunk_cells()
    }

    fn __len__(&self, py: Python<'_>) -> Result<usize> {
        // What doesn't fit becomes an OverflowError.
        Ok(usize::try_from(self.size(py)?).unwrap_or(usize::MAX))
    }

    /// How many cells there are.
    fn size(&self, py: Python<'_>) -> Result<u64> {
        Ok(py.detach(|| self.inner.size())?)
    }

    /// Cells, as bytes; those of holes are zeros.
    fn read<'py>(&self, py: Python<'py>, start: u64, count: u64) -> Result<Bound<'py, PyBytes>> {
        self.read_cells(py, counted(start, count)?)
    }

    /// Reads cells until the buffer is full; answers the holes among them, as pairs.
    fn readinto(&self, start: u64, buffer: &Bound<'_, PyAny>) -> Result<Vec<(u64, u64)>> {
        Ok(pairs(fill_buffer(buffer, |into| self.inner.read(start, into))?))
    }

    /// Writes cells, from the cell ``start`` on, in one atomic commit.
    fn write(&self, py: Python<'_>, start: u64, buffer: Value<'_>) -> Result<()> {
        let bytes = buffer.as_ref();
        Ok(py.detach(|| self.inner.write(start, bytes))?)
    }

    /// Cells of many ranges, all of one state, one range after another.
    fn read_ranges<'py>(&self, ranges: &Bound<'py, PyAny>) -> Result<Bound<'py, PyBytes>> {
        let ranges = ranges_of(ranges).map(|given| (given, ranges.py()))?;
        let (ranges, py) = ranges;
        let cells = ranges.iter().fold(0u64, |sum, range| sum.saturating_add(range.end - range.start));
        let length = room(cells, self.inner.cell_bytes())?;
        new_bytes(py, length, |into| self.inner.read_ranges(&ranges, into))
    }

    /// Writes cells of many ranges in one atomic commit.
    fn write_ranges(&self, ranges: &Bound<'_, PyAny>, buffer: Value<'_>) -> Result<()> {
        let (given, bytes) = (ranges_of(ranges)?, buffer.as_ref());
        Ok(ranges.py().detach(|| self.inner.write_ranges(&given, bytes))?)
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: Index<'py>) -> Result<Bound<'py, PyBytes>> {
        let cells = match index {
            Index::Cell(cell) => {
                let cell = self.cell(py, cell)?;
                cell..cell + 1
            }
            Index::Slice(slice) => {
                let (start, stop) = bounds(&slice)?;
                let size = py.detach(|| self.inner.size())?;
                let start = start.map_or(0, |start| from_end(start, size)).min(size);
                start..stop.map_or(size, |stop| from_end(stop, size)).clamp(start, size)
            }
        };
        self.read_cells(py, cells)
    }

    fn __setitem__(&self, py: Python<'_>, index: Index<'_>, value: Value<'_>) -> Result<()> {
        let bytes = value.as_ref();
        let cell_bytes = self.inner.cell_bytes();
        let cells = match index {
            Index::Cell(cell) => {
                let cell = self.cell(py, cell)?;
                cell..cell + 1
            }
            Index::Slice(slice) => {
                let (start, stop) = bounds(&slice)?;
                let size = match (start, stop) {
                    (Some(..0), _) | (_, Some(..0)) => py.detach(|| self.inner.size())?,
                    _ => 0,
                };
                let start = start.map_or(0, |start| from_end(start, size));
                let given = start.saturating_add(bytes.len() as u64 / cell_bytes);
                start..stop.map_or(given, |stop| from_end(stop, size)).max(start)
            }
        };
        py.detach(|| self.inner.write_ranges(&[cells], bytes))?;
        Ok(())
    }

    /// Makes holes of cells, in one atomic commit.
    fn punch(&self, cells: &Bound<'_, PyAny>) -> Result<()> {
        let ranges = ranges_of(cells)?;
        Ok(cells.py().detach(|| self.inner.punch(&ranges))?)
    }

    /// Makes the array end behind that many cells.
    fn resize(&self, py: Python<'_>, size: u64) -> Result<()> {
        Ok(py.detach(|| self.inner.set_size(size))?)
    }

    /// The size and the newest epoch.
    fn stat(&self, py: Python<'_>) -> Result<ArrayStat> {
        let stat = py.detach(|| self.inner.stat())?;
        Ok(ArrayStat { size: stat.size, newest_epoch: stat.newest_epoch.0 })
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyTuple>> {
        reduce(py, self.inner.object(), "open_array")
    }

    fn __repr__(&self) -> String {
        let place = Container::place(self.inner.object().container());
        format!("<millpond.Array {} of {place}, cells of {} bytes>", self.inner.id(), self.inner.cell_bytes())
    }
}
