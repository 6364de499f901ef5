//! The class `MapRange`: a part of an ordered map, in one direction.

use std::ops::Bound as Edge;

use pyo3::prelude::*;

use crate::{
    arguments::KeyType,
    errors::Result,
    handle::Handle,
    iterator::{DictIterator, Shape},
};

/// A range of a map's keys, in one direction.
///
/// It holds nothing: each iteration, and each count, reads the entries as they are when it begins.
#[pyclass(frozen, module = "millpond")]
pub struct MapRange {
    map: Handle<millpond::OrderedMap>,
    range: millpond::MapRange,
}

impl MapRange {
    pub fn new(map: &millpond::OrderedMap, range: millpond::MapRange) -> Self {
        Self { map: Handle::new(map.clone()), range }
    }

    pub fn iterate(&self, py: Python<'_>, shape: Shape) -> Result<DictIterator> {
        let iter = py.detach(|| self.map.range(&self.range))?;
        Ok(DictIterator::new(iter, shape, self.keys_as()))
    }

    fn keys_as(&self) -> KeyType {
        KeyType::of(self.map.comparator())
    }
}

#[pymethods]
impl MapRange {
    fn __iter__(&self, py: Python<'_>) -> Result<DictIterator> {
        self.iterate(py, Shape::Keys)
    }

    /// Iterates over the keys.
    fn keys(&self, py: Python<'_>) -> Result<DictIterator> {
        self.iterate(py, Shape::Keys)
    }

    /// Iterates over the values.
    fn values(&self, py: Python<'_>) -> Result<DictIterator> {
        self.iterate(py, Shape::Values)
    }

    /// Iterates over the entries, as pairs.
    fn items(&self, py: Python<'_>) -> Result<DictIterator> {
        self.iterate(py, Shape::Items)
    }

    /// How many entries it has now.
    fn count(&self, py: Python<'_>) -> Result<u64> {
        Ok(py.detach(|| self.map.count(&self.range))?)
    }

    /// The same keys, the other way round.
    fn reversed(&self) -> Self {
        Self::new(&self.map, self.range.clone().reversed())
    }

    fn __reversed__(&self, py: Python<'_>) -> Result<DictIterator> {
        self.reversed().iterate(py, Shape::Keys)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let mut parts = Vec::new();
        let mut part = |name: &str, key: &[u8]| -> PyResult<()> {
            parts.push(format!("{name} {}", self.keys_as().to_python(py, key)?.repr()?));
            Ok(())
        };
        match &self.range.start {
            Edge::Included(key) => part("from", key)?,
            Edge::Excluded(key) => part("above", key)?,
            Edge::Unbounded => {}
        }
        match &self.range.end {
            Edge::Included(key) => part("up to", key)?,
            Edge::Excluded(key) => part("below", key)?,
            Edge::Unbounded => {}
        }
        if self.range.reverse {
            parts.push("reversed".to_owned());
        }
        let what = if parts.is_empty() { "all".to_owned() } else { parts.join(", ") };
        Ok(format!("<millpond.MapRange of {}: {what}>", self.map.name()))
    }
}
