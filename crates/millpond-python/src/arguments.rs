//! What the methods take: keys, values, places and options, checked as they come in.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

use millpond::{Comparator, Durability, NumberKey};
use pyo3::{
    Borrowed,
    buffer::PyBuffer,
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::{PyBytes, PyInt, PyString},
};

use crate::errors::Failure;

/// A key: bytes-like, or a `str` that stands for its UTF-8.
pub struct Key<'a>(Cow<'a, [u8]>);

impl<'a, 'py> FromPyObject<'a, 'py> for Key<'a> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if object.is_instance_of::<PyBytes>() {
            Ok(Self(Cow::Borrowed(object.extract::<&'a [u8]>()?)))
        } else if object.is_instance_of::<PyString>() {
            Ok(Self(Cow::Borrowed(object.extract::<&'a str>()?.as_bytes())))
        } else if let Ok(buffer) = PyBuffer::<u8>::get(&object) {
            Ok(Self(Cow::Owned(buffer.to_vec(object.py())?)))
        } else {
            Err(PyTypeError::new_err(format!("a key is str or bytes-like, not {}", type_name(object))))
        }
    }
}

impl AsRef<[u8]> for Key<'_> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Key<'_> {
    /// The key, on its own.
    pub fn into_vec(self) -> Vec<u8> {
        self.0.into_owned()
    }
}

/// How Python gives the keys of a map, and gets them back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// As `bytes`.
    Bytes,
    /// As `int`.
    Integer,
    /// As `float`.
    Float,
}

impl KeyType {
    pub fn of(comparator: &Comparator) -> Self {
        match comparator {
            Comparator::Integer => Self::Integer,
            Comparator::Float => Self::Float,
            _ => Self::Bytes,
        }
    }

    /// A key of this type.
    pub fn extract<'a>(self, object: &'a Bound<'_, PyAny>) -> PyResult<Key<'a>> {
        let what = match self {
            Self::Bytes => return object.extract(),
            Self::Integer => match object.extract::<i64>() {
                Ok(number) => return Ok(Key(Cow::Owned(number.to_le_bytes().to_vec()))),
                Err(_) if object.is_instance_of::<PyInt>() => {
                    let message = format!("a key of this map is from -2**63 to 2**63 - 1, not {object}");
                    return Err(PyValueError::new_err(message));
                }
                Err(_) => "an int",
            },
            Self::Float => match object.extract::<f64>() {
                // Python takes both zeros for equal.
                Ok(number) => return Ok(Key(Cow::Owned((number + 0.0).to_le_bytes().to_vec()))),
                Err(_) => "a float",
            },
        };
        let given = type_name(object.as_borrowed());
        Err(PyTypeError::new_err(format!("a key of this map is {what}, not {given}")))
    }

    /// The key as Python gets it.
    pub fn to_python<'py>(self, py: Python<'py>, key: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        Ok(match (self, <[u8; 8]>::try_from(key)) {
            (Self::Integer, Ok(bytes)) => i64::from_le_bytes(bytes).into_pyobject(py)?.into_any(),
            (Self::Float, Ok(bytes)) => f64::from_le_bytes(bytes).into_pyobject(py)?.into_any(),
            _ => PyBytes::new(py, key).into_any(),
        })
    }
}

/// A number that is a key, as Python gets it.
pub fn number_to_python<'py>(py: Python<'py>, number: &NumberKey) -> PyResult<Bound<'py, PyAny>> {
    let keys = if number.integer().is_some() { KeyType::Integer } else { KeyType::Float };
    keys.to_python(py, &number.bytes())
}

/// A value: bytes-like. A buffer that isn't a `bytes` object is copied, since whoever else holds it
/// could change it between its checksum and its write.
pub struct Value<'a>(Cow<'a, [u8]>);

impl<'a, 'py> FromPyObject<'a, 'py> for Value<'a> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.extract::<&'a [u8]>() {
            return Ok(Self(Cow::Borrowed(bytes)));
        }
        if let Ok(bytes) = byte_view(object) {
            return Ok(Self(Cow::Owned(bytes)));
        }
        let hint = if object.is_instance_of::<PyString>() { "; encode it first" } else { "" };
        Err(PyTypeError::new_err(format!("a value is bytes-like, not {}{hint}", type_name(object))))
    }
}

impl AsRef<[u8]> for Value<'_> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A value that may also be a `str`, which stands for its UTF-8.
pub struct Data<'a>(Value<'a>);

impl<'a, 'py> FromPyObject<'a, 'py> for Data<'a> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if object.is_instance_of::<PyString>() {
            return Ok(Self(Value(Cow::Borrowed(object.extract::<&'a str>()?.as_bytes()))));
        }
        object.extract().map(Self)
    }
}

impl AsRef<[u8]> for Data<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref()
    }
}

/// The bytes of any buffer, whatever its items are: an `array('d')` or a NumPy array too.
fn byte_view(object: Borrowed<'_, '_, PyAny>) -> PyResult<Vec<u8>> {
    let py = object.py();
    if let Ok(buffer) = PyBuffer::<u8>::get(&object) {
        return buffer.to_vec(py);
    }
    let bytes = py.get_type::<PyBytes>();
    let view = py.import("builtins")?.getattr("memoryview")?.call1((object,))?;
    let copy = bytes.call1((view,))?;
    Ok(copy.cast::<PyBytes>()?.as_bytes().to_vec())
}

/// A number of bytes: an int, or a text such as `"1GiB"`.
pub struct Size(pub u64);

impl<'a, 'py> FromPyObject<'a, 'py> for Size {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(number) = object.cast::<PyInt>() {
            let refuse = |_| PyValueError::new_err("a size is not negative and below 2**64");
            return number.extract().map(Self).map_err(refuse);
        }
        if let Ok(text) = object.cast::<PyString>() {
            return Ok(Self(millpond::parse_size(text.to_str()?).map_err(Failure::from)?));
        }
        Err(PyTypeError::new_err(format!(
            "a size is an int or a str such as \"1GiB\", not {}",
            type_name(object)
        )))
    }
}

/// A durability class by name.
pub struct DurabilityName(pub Durability);

impl<'a, 'py> FromPyObject<'a, 'py> for DurabilityName {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let text: &str = object.extract()?;
        match text {
            "sync" => Ok(Self(Durability::Sync)),
            "async" => Ok(Self(Durability::Async)),
            _ => Err(PyValueError::new_err(format!("durability is \"sync\" or \"async\", not {text:?}"))),
        }
    }
}

/// The name of a durability class.
pub fn durability_name(durability: Durability) -> &'static str {
    match durability {
        Durability::Sync => "sync",
        Durability::Async => "async",
    }
}

/// Where a pool or a container is: a name or URL, or a path object for a place in the file system.
pub enum Place {
    /// A label, a UUID, `POOL/CONTAINER` or a URL.
    Name(String),
    /// A path, told apart from a name by its type.
    Path(PathBuf),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Place {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = object.cast::<PyString>() {
            return Ok(Self::Name(text.to_str()?.to_owned()));
        }
        object.extract().map(Self::Path)
    }
}

impl Place {
    /// The place as the front door takes a pool's: a path becomes its URL.
    pub fn into_location(self) -> PyResult<String> {
        match self {
            Self::Name(name) => Ok(name),
            Self::Path(path) => file_url(&path),
        }
    }
}

fn file_url(path: &Path) -> PyResult<String> {
    let absolute = std::path::absolute(path)?;
    let refuse = || PyValueError::new_err(format!("{} isn't UTF-8, which a URL has to be", path.display()));
    Ok(format!("file://{}", absolute.to_str().ok_or_else(refuse)?))
}

pub fn type_name(object: Borrowed<'_, '_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "that".to_owned(), |name| name.to_string())
}
