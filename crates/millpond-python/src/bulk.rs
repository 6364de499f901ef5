//! Many entries at once: one pass over what Python gives, one call of the store.

use std::collections::HashMap;

use millpond::{DictBatch, DictIter};
use pyo3::{
    prelude::*,
    types::{PyDict, PyMapping},
};

use crate::{
    arguments::{Key, KeyType, Value},
    errors::Result,
    iterator::{Batches, Shape},
    value::to_python,
};

/// What has entries: a dictionary or a map.
pub trait Entries: Sync {
    /// How Python gives its keys.
    fn keys(&self) -> KeyType {
        KeyType::Bytes
    }

    fn put_many(&self, entries: Vec<(Key<'_>, Value<'_>)>) -> millpond::Result<()>;
    fn batch(&self) -> DictBatch;
    fn get_many(&self, keys: &[Key<'_>]) -> millpond::Result<Vec<Option<bytes::Bytes>>>;
    fn iter(&self) -> millpond::Result<DictIter>;
    fn len(&self) -> millpond::Result<u64>;
}

macro_rules! entries {
    ($class:ty, $($keys:tt)*) => {
        impl Entries for $class {
            $($keys)*

            fn put_many(&self, entries: Vec<(Key<'_>, Value<'_>)>) -> millpond::Result<()> {
                <$class>::put_many(self, entries)
            }

            fn batch(&self) -> DictBatch {
                <$class>::batch(self)
            }

            fn get_many(&self, keys: &[Key<'_>]) -> millpond::Result<Vec<Option<bytes::Bytes>>> {
                <$class>::get_many(self, keys)
            }

            fn iter(&self) -> millpond::Result<DictIter> {
                <$class>::iter(self)
            }

            fn len(&self) -> millpond::Result<u64> {
                <$class>::len(self)
            }
        }
    };
}

entries!(millpond::Dict,);
entries!(
    millpond::OrderedMap,
    fn keys(&self) -> KeyType {
        KeyType::of(self.comparator())
    }
);

type Pair<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// Puts every entry of a mapping, or of an iterable of pairs, and then `keywords`: one commit.
pub fn put<'py>(
    dict: &impl Entries,
    entries: &Bound<'py, PyAny>,
    keywords: Option<&Bound<'py, PyDict>>,
) -> Result<()> {
    let mut pairs = pairs(entries)?;
    pairs.extend(keywords.into_iter().flatten());
    let borrowed = pairs
        .iter()
        .map(|(key, value)| Ok((dict.keys().extract(key)?, value.extract()?)))
        .collect::<PyResult<Vec<(Key<'_>, Value<'_>)>>>()?;
    entries.py().detach(|| dict.put_many(borrowed))?;
    Ok(())
}

/// Puts the entries that have a value and deletes those that have `None`: one commit.
pub fn apply(dict: &impl Entries, changes: &Bound<'_, PyAny>) -> Result<()> {
    let pairs = pairs(changes)?;
    let borrowed = pairs
        .iter()
        .map(|(key, value)| Ok((dict.keys().extract(key)?, value.extract()?)))
        .collect::<PyResult<Vec<(Key<'_>, Option<Value<'_>>)>>>()?;
    changes.py().detach(|| {
        let mut batch = dict.batch();
        for (key, value) in &borrowed {
            match value {
                Some(value) => batch.put(key.as_ref(), value.as_ref())?,
                None => batch.delete(key.as_ref())?,
            };
        }
        batch.commit()
    })?;
    Ok(())
}

/// The values of many keys, by the objects that asked for them; `None` where there is none. A
/// `dict` is filled in place, anything else makes a new one.
pub fn get<'py>(dict: &impl Entries, keys: &Bound<'py, PyAny>) -> Result<Bound<'py, PyDict>> {
    let py = keys.py();
    let objects = keys.try_iter()?.collect::<PyResult<Vec<_>>>()?;
    let borrowed = objects.iter().map(|key| dict.keys().extract(key)).collect::<PyResult<Vec<Key<'_>>>>()?;
    let values = py.detach(|| dict.get_many(&borrowed))?;
    let answer = match keys.cast::<PyDict>() {
        Ok(given) => given.clone(),
        Err(_) => PyDict::new(py),
    };
    for (key, value) in objects.iter().zip(values) {
        answer.set_item(key, value.map(|value| to_python(py, &value)).transpose()?)?;
    }
    Ok(answer)
}

/// Every entry, as a plain dict in the order of the keys.
pub fn dump<'py>(dict: &impl Entries, py: Python<'py>) -> Result<Bound<'py, PyDict>> {
    let answer = PyDict::new(py);
    let mut batches = py.detach(|| dict.iter().map(|iter| Batches::new(iter, Shape::Items)))?;
    while let Some((key, value)) = batches.next(py)? {
        answer.set_item(dict.keys().to_python(py, key)?, to_python(py, value)?)?;
    }
    Ok(answer)
}

/// Whether a mapping holds the same entries: what `==` answers, `NotImplemented` of anything else.
///
/// Entries are read once, and only as far as they agree.
pub fn equal<'py>(dict: &impl Entries, other: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
    let py = other.py();
    let answer = |equal: bool| Ok(pyo3::types::PyBool::new(py, equal).to_owned().into_any());
    if other.cast::<PyMapping>().is_err() {
        return Ok(py.NotImplemented().into_bound(py));
    }
    let mut expected = HashMap::new();
    for (key, value) in pairs(other)? {
        let Ok(bytes) = dict.keys().extract(&key) else { return answer(false) };
        expected.insert(bytes.into_vec(), value);
    }
    if py.detach(|| dict.len())? != expected.len() as u64 {
        return answer(false);
    }
    let mut batches = py.detach(|| dict.iter().map(|iter| Batches::new(iter, Shape::Items)))?;
    while let Some((key, value)) = batches.next(py)? {
        let same = expected.remove(key).is_some_and(|expected| {
            expected.extract::<Value<'_>>().is_ok_and(|expected| expected.as_ref() == value)
        });
        if !same {
            return answer(false);
        }
    }
    answer(expected.is_empty())
}

/// The pairs of a mapping or of an iterable, held.
pub fn pairs<'py>(entries: &Bound<'py, PyAny>) -> PyResult<Vec<Pair<'py>>> {
    if let Ok(dict) = entries.cast::<PyDict>() {
        return Ok(dict.iter().collect());
    }
    let py = entries.py();
    let items = match entries.getattr_opt(pyo3::intern!(py, "items"))? {
        Some(items) => items.call0()?,
        None => entries.clone(),
    };
    items.try_iter()?.map(|pair| pair?.extract()).collect()
}
