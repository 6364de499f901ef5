//! The class `DictRange`: a part of a dictionary, in one direction.

use std::ops::Bound as KeyBound;

use pyo3::prelude::*;

use crate::{
    arguments::{Key, KeyType},
    errors::Result,
    handle::Handle,
    iterator::{DictIterator, Shape},
};

/// A range of a dictionary's keys, in one direction.
///
/// It holds nothing: each iteration, and each count, reads the entries as they are when it begins.
#[pyclass(frozen, module = "millpond")]
pub struct DictRange {
    dict: Handle<millpond::Dict>,
    range: millpond::DictRange,
}

impl DictRange {
    pub fn new(dict: &millpond::Dict, range: millpond::DictRange) -> Self {
        Self { dict: Handle::new(dict.clone()), range }
    }

    /// The keys from `start`, below `stop`, that begin with `prefix`, and come after `after` in the
    /// direction of the range.
    pub fn bounded(
        dict: &millpond::Dict,
        start: Option<Vec<u8>>,
        stop: Option<Vec<u8>>,
        prefix: Option<Vec<u8>>,
        reverse: bool,
        after: Option<Vec<u8>>,
    ) -> Self {
        let included = |start: Option<_>| start.map_or(KeyBound::Unbounded, KeyBound::Included);
        let excluded = |stop: Option<_>| stop.map_or(KeyBound::Unbounded, KeyBound::Excluded);
        let (low, high) = match (after, reverse) {
            // Resumed further in than where the range begins.
            (Some(after), false) if start.as_ref().is_none_or(|start| *start <= after) => {
                (KeyBound::Excluded(after), excluded(stop))
            }
            (Some(after), true) if stop.as_ref().is_none_or(|stop| *stop > after) => {
                (included(start), KeyBound::Excluded(after))
            }
            _ => (included(start), excluded(stop)),
        };
        Self::new(dict, millpond::DictRange { prefix, start: low, end: high, reverse })
    }

    pub fn iterate(&self, py: Python<'_>, shape: Shape) -> Result<DictIterator> {
        let iter = py.detach(|| self.dict.range(self.range.clone()))?;
        Ok(DictIterator::new(iter, shape, KeyType::Bytes))
    }
}

#[pymethods]
impl DictRange {
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

    /// How many keys it has now.
    fn count(&self, py: Python<'_>) -> Result<u64> {
        Ok(py.detach(|| self.dict.count(&self.range))?)
    }

    fn __reversed__(&self, py: Python<'_>) -> Result<DictIterator> {
        let range = millpond::DictRange { reverse: !self.range.reverse, ..self.range.clone() };
        Self::new(&self.dict, range).iterate(py, Shape::Keys)
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> Result<bool> {
        let Ok(key_bytes) = key.extract::<Key<'_>>() else { return Ok(false) };
        let bytes = key_bytes.as_ref();
        let above = match &self.range.start {
            KeyBound::Included(start) => bytes >= start.as_slice(),
            KeyBound::Excluded(start) => bytes > start.as_slice(),
            KeyBound::Unbounded => true,
        };
        let below = match &self.range.end {
            KeyBound::Included(end) => bytes <= end.as_slice(),
            KeyBound::Excluded(end) => bytes < end.as_slice(),
            KeyBound::Unbounded => true,
        };
        let within = above && below && bytes.starts_with(self.range.prefix.as_deref().unwrap_or_default());
        Ok(within && key.py().detach(|| self.dict.contains(bytes))?)
    }

    fn __repr__(&self) -> String {
        let mut parts = Vec::new();
        let mut part = |name: &str, bytes: &[u8]| parts.push(format!("{name}=b\"{}\"", bytes.escape_ascii()));
        match &self.range.start {
            KeyBound::Included(start) => part("start", start),
            KeyBound::Excluded(start) => part("after", start),
            KeyBound::Unbounded => {}
        }
        if let KeyBound::Excluded(end) = &self.range.end {
            part("stop", end);
        }
        if let Some(prefix) = &self.range.prefix {
            part("prefix", prefix);
        }
        if self.range.reverse {
            parts.push("reverse=True".to_owned());
        }
        format!("<millpond.DictRange of {}: {}>", self.dict.name(), parts.join(", "))
    }
}
