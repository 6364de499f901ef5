//! What the methods of objects and arrays take and answer: ids, dkeys and akeys, ranges of records,
//! conditions, and memory to read into.

use std::ops::Range;

use millpond::{Conditions, Error, ErrorKind, KeyKind, ObjectClass, ObjectId, ObjectKey};
use pyo3::{
    Borrowed,
    buffer::PyBuffer,
    exceptions::{PyBufferError, PyTypeError, PyValueError},
    prelude::*,
    types::{PyBytes, PyDict, PyInt, PyMapping, PyRange, PyString, PyTuple},
};

use crate::{
    arguments::Key,
    errors::{Failure, Result},
};

/// The id of an object: 32 hexadecimal digits, or the number.
pub struct Id(pub ObjectId);

impl<'a, 'py> FromPyObject<'a, 'py> for Id {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = object.cast::<PyString>() {
            return Ok(Self(text.to_str()?.parse().map_err(Failure::from)?));
        }
        let number = object.cast::<PyInt>().map_err(|_| {
            PyTypeError::new_err("an object's id is a str of 32 hexadecimal digits, or an int")
        })?;
        let refuse = |_| PyValueError::new_err("an object's id is not negative and below 2**128");
        Ok(Self(ObjectId::from_number(number.extract().map_err(refuse)?)))
    }
}

/// A dkey or an akey: bytes-like, a `str` that stands for its UTF-8, or an `int`, as the object's kind
/// asks.
pub struct Named(pub ObjectKey<'static>);

impl<'a, 'py> FromPyObject<'a, 'py> for Named {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(number) = object.cast::<PyInt>() {
            let refuse = |_| PyValueError::new_err("a key that is a number is not negative and below 2**64");
            return Ok(Self(ObjectKey::Integer(number.extract().map_err(refuse)?)));
        }
        match object.extract::<Key<'a>>() {
            Ok(key) => Ok(Self(key.into_vec().into())),
            Err(_) => Err(PyTypeError::new_err("a dkey or akey is str, bytes-like or int")),
        }
    }
}

/// A dkey or an akey, as Python has it.
pub fn key_to_python<'py>(py: Python<'py>, key: &ObjectKey<'_>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match key {
        ObjectKey::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
        ObjectKey::Integer(number) => number.into_pyobject(py)?.into_any(),
    })
}

/// The kind of keys of a name.
pub struct Kind(pub KeyKind);

impl Kind {
    pub const HASHED: Self = Self(KeyKind::Hashed);
}

impl<'a, 'py> FromPyObject<'a, 'py> for Kind {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self(object.extract::<&str>()?.parse().map_err(Failure::from)?))
    }
}

/// The object class of a name, such as `"SX"`; without one, the store's choice.
pub fn class_of(name: Option<&str>) -> Result<ObjectClass> {
    Ok(name.map_or(Ok(ObjectClass::default()), str::parse)?)
}

/// Records or cells: a pair of the first and the one behind the last, or a `range`.
pub struct Records(pub Range<u64>);

impl<'a, 'py> FromPyObject<'a, 'py> for Records {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let (start, stop): (Bound<'_, PyAny>, Bound<'_, PyAny>) = if let Ok(range) = object.cast::<PyRange>()
        {
            if range.getattr("step")?.extract::<i64>()? != 1 {
                return Err(PyValueError::new_err("a range of records has a step of 1"));
            }
            (range.getattr("start")?, range.getattr("stop")?)
        } else {
            object
                .extract()
                .map_err(|_| PyTypeError::new_err("records are a pair (start, stop) or a range"))?
        };
        let number = |number: Bound<'_, PyAny>| -> PyResult<u64> {
            let number = number.cast_into::<PyInt>()?;
            let refuse = |_| PyValueError::new_err("a record's number is not negative and below 2**64");
            number.extract().map_err(refuse)
        };
        let (start, stop) = (number(start)?, number(stop)?);
        Ok(Self(start..stop.max(start)))
    }
}

/// One range of records, or several.
pub fn ranges_of(object: &Bound<'_, PyAny>) -> PyResult<Vec<Range<u64>>> {
    let is_pair = object
        .cast::<PyTuple>()
        .is_ok_and(|pair| pair.len() == 2 && pair.iter().all(|number| number.is_instance_of::<PyInt>()));
    if is_pair || object.is_instance_of::<PyRange>() {
        return Ok(vec![object.extract::<Records>()?.0]);
    }
    object.try_iter()?.map(|range| Ok(range?.extract::<Records>()?.0)).collect()
}

/// `count` records from `start` on.
///
/// # Errors
/// `InvalidArgument` where that is beyond what numbers of records go to.
pub fn counted(start: u64, count: u64) -> Result<Range<u64>> {
    let end = start.checked_add(count);
    let refuse = || Error::new(ErrorKind::InvalidArgument, "the last record is beyond 2^64 - 2");
    Ok(start..end.ok_or_else(refuse)?)
}

/// Bytes of records, as far as memory could ever hold them.
///
/// # Errors
/// `ValueTooLong`.
pub fn room(records: u64, record_bytes: u64) -> Result<usize> {
    let bytes = records.checked_mul(record_bytes).and_then(|bytes| isize::try_from(bytes).ok());
    let text = "what was asked for doesn't fit in memory: read it in parts";
    Ok(bytes.ok_or_else(|| Error::new(ErrorKind::ValueTooLong, text))? as usize)
}

/// Ranges as pairs.
pub fn pairs(ranges: Vec<Range<u64>>) -> Vec<(u64, u64)> {
    ranges.into_iter().map(|range| (range.start, range.end)).collect()
}

/// Whether a key has to be there: nothing, `"missing"` or `"exists"`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Missing,
    Exists,
}

impl<'a, 'py> FromPyObject<'a, 'py> for Presence {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match object.extract::<&str>()? {
            "missing" => Ok(Self::Missing),
            "exists" => Ok(Self::Exists),
            other => {
                Err(PyValueError::new_err(format!("a condition is \"missing\" or \"exists\", not {other:?}")))
            }
        }
    }
}

/// The conditions of an operation, from its keyword arguments.
pub struct Asked {
    pub all: Conditions,
    /// Of single akeys.
    pub akeys: Vec<(ObjectKey<'static>, Conditions)>,
}

impl Asked {
    /// Of an update, or of a fetch: in a fetch, what is asked to be missing is an error.
    pub fn new(dkey: Option<Presence>, akeys: Option<&Bound<'_, PyAny>>, of_fetch: bool) -> PyResult<Self> {
        let dkey_of = |presence| match presence {
            Presence::Missing => Conditions::DKEY_INSERT,
            Presence::Exists if of_fetch => Conditions::DKEY_FETCH,
            Presence::Exists => Conditions::DKEY_UPDATE,
        };
        let akey_of = |presence| match presence {
            Presence::Missing => Conditions::AKEY_INSERT,
            Presence::Exists if of_fetch => Conditions::AKEY_FETCH,
            Presence::Exists => Conditions::AKEY_UPDATE,
        };
        let mut asked = Self { all: dkey.map_or(Conditions::NONE, dkey_of), akeys: Vec::new() };
        match akeys {
            None => {}
            Some(akeys) if akeys.cast::<PyMapping>().is_ok() => {
                asked.all |= Conditions::PER_AKEY;
                for (akey, presence) in items(akeys)? {
                    asked.akeys.push((akey.extract::<Named>()?.0, akey_of(presence.extract()?)));
                }
            }
            Some(presence) => asked.all |= akey_of(presence.extract()?),
        }
        Ok(asked)
    }
}

/// The conditions of an update of one akey.
pub fn of_put(dkey: Option<Presence>, akey: Option<Presence>) -> Conditions {
    let dkey = match dkey {
        None => Conditions::NONE,
        Some(Presence::Missing) => Conditions::DKEY_INSERT,
        Some(Presence::Exists) => Conditions::DKEY_UPDATE,
    };
    dkey | match akey {
        None => Conditions::NONE,
        Some(Presence::Missing) => Conditions::AKEY_INSERT,
        Some(Presence::Exists) => Conditions::AKEY_UPDATE,
    }
}

/// The conditions of a punch.
pub fn of_punch(must_exist: bool) -> Conditions {
    if must_exist { Conditions::PUNCH } else { Conditions::NONE }
}

/// The pairs of a mapping.
pub fn items<'py>(mapping: &Bound<'py, PyAny>) -> PyResult<Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>> {
    if let Ok(dict) = mapping.cast::<PyDict>() {
        return Ok(dict.iter().collect());
    }
    mapping.cast::<PyMapping>()?.items()?.iter().map(|pair| pair.extract()).collect()
}

/// Fills a `bytes` of that length with the interpreter released.
pub fn new_bytes<T: Send>(
    py: Python<'_>,
    length: usize,
    fill: impl FnOnce(&mut [u8]) -> millpond::Result<T> + Send,
) -> Result<Bound<'_, PyBytes>> {
    Ok(PyBytes::new_with(py, length, |into| {
        py.detach(|| fill(into)).map_err(Failure::from)?;
        Ok(())
    })?)
}

/// Lets `fill` write to the memory of a writable, contiguous buffer of whatever items, with the
/// interpreter released.
pub fn fill_buffer<T: Send>(
    buffer: &Bound<'_, PyAny>,
    fill: impl FnOnce(&mut [u8]) -> millpond::Result<T> + Send,
) -> Result<T> {
    let py = buffer.py();
    let view = py.import("builtins")?.getattr("memoryview")?.call1((buffer,))?;
    let is_contiguous: bool = view.getattr("c_contiguous")?.extract()?;
    if !is_contiguous {
        return Err(PyBufferError::new_err("the buffer is not contiguous").into());
    }
    if view.getattr("nbytes")?.extract::<usize>()? == 0 {
        return Ok(py.detach(|| fill(&mut []))?);
    }
    let exported: PyBuffer<u8> = PyBuffer::get(&view.call_method1("cast", ("B",))?)?;
    if exported.readonly() {
        return Err(PyBufferError::new_err("the buffer is read-only").into());
    }
    let Some(target) = exported.as_slice_ptr() else {
        return Err(PyBufferError::new_err("the buffer is not contiguous").into());
    };
    let target = Target(target.as_ptr());
    Ok(py.detach(|| {
        let target = target;
        // SAFETY: the memory is exported by `exported`, which outlives this call, so that it can be
        // neither moved nor freed. Python lets another thread write to it meanwhile, as it does for
        // every `readinto`; what the buffer then holds is that program's affair.
        fill(unsafe { &mut *target.0 })
    })?)
}

/// The memory to read into, on its way to where the interpreter is released.
struct Target(*mut [u8]);

// SAFETY: whoever holds the pointer keeps the buffer exported; see `fill_buffer`.
unsafe impl Send for Target {}
