//! Configurations of engines: JSON, or a mapping of what JSON could hold.

use std::path::PathBuf;

use millpond_pmemkv::{Config, Error, Item, Status};
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyBool, PyBytes, PyInt, PyMapping, PyString},
};

use crate::{arguments::type_name, errors::Failure};

/// The configuration that a `str` of JSON or a mapping stands for.
pub struct EngineConfig(pub Config);

impl<'a, 'py> FromPyObject<'a, 'py> for EngineConfig {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = object.cast::<PyString>() {
            return Ok(Self(Config::from_json(text.to_str()?).map_err(Failure::from)?));
        }
        if let Ok(mapping) = object.cast::<PyMapping>() {
            return items(&mapping).map(Self);
        }
        let message = format!("a configuration is a mapping, or a str of JSON, not {}", type_name(object));
        Err(PyTypeError::new_err(message))
    }
}

fn items(mapping: &Bound<'_, PyMapping>) -> PyResult<Config> {
    let mut config = Config::default();
    for pair in mapping.items()?.iter() {
        let (name, value): (String, Bound<'_, PyAny>) = pair.extract()?;
        let item = item(&name, &value)?;
        config.put(&name, item).map_err(Failure::from)?;
    }
    Ok(config)
}

fn item(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Item> {
    if let Ok(so) = value.cast::<PyBool>() {
        return Ok(so.is_true().into());
    }
    if value.is_instance_of::<PyInt>() {
        if let Ok(number) = value.extract::<i64>() {
            return Ok(number.into());
        }
        if let Ok(number) = value.extract::<u64>() {
            return Ok(number.into());
        }
    } else if let Ok(text) = value.cast::<PyString>() {
        return Ok(text.to_str()?.into());
    } else if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().to_vec().into());
    } else if let Ok(mapping) = value.cast::<PyMapping>() {
        return Ok(items(mapping)?.into());
    } else if let Ok(path) = value.extract::<PathBuf>()
        && let Some(path) = path.to_str()
    {
        return Ok(path.into());
    }
    let message = format!(
        "the item {name} of the configuration can't be {}: an item is an int of 64 bits, a str, bytes, a bool, a \
         path or a mapping",
        value.str().map_or_else(|_| type_name(value.as_borrowed()), |shown| shown.to_string())
    );
    Err(Failure::from(Error::new(Status::ConfigParsingError, message)).into())
}
