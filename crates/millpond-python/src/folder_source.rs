//! What Python hands out to be stored in a folder of disk-objectstore: bytes, streams, and context managers
//! that open streams when their turn comes.

use std::io::{self, Read};

use millpond_disk_objectstore::Source;
use pyo3::{
    prelude::*,
    types::{PyBytes, PyList},
};

use crate::blobs::PythonReader;

/// A stream, or bytes.
pub enum PythonSource {
    Bytes(Vec<u8>),
    Stream {
        stream: Py<PyAny>,
        /// What it is read from where it was opened as a context manager.
        opened: Option<PythonReader>,
        is_manager: bool,
    },
}

impl PythonSource {
    pub fn stream(stream: &Bound<'_, PyAny>, is_manager: bool) -> Self {
        Self::Stream { stream: stream.clone().unbind(), opened: None, is_manager }
    }
}

impl Source for PythonSource {
    fn open(&mut self) -> io::Result<()> {
        let Self::Stream { stream, opened, is_manager } = self else { return Ok(()) };
        let reader = Python::attach(|py| {
            let stream = stream.bind(py);
            let reader = if *is_manager { stream.call_method0("__enter__")? } else { stream.clone() };
            // What can't be read is found out before anything is written.
            reader.getattr("read")?;
            Ok::<_, PyErr>(PythonReader(reader.unbind()))
        });
        *opened = Some(reader?);
        Ok(())
    }

    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stream { opened: Some(reader), .. } => reader.read(room),
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "it isn't open")),
        }
    }

    fn rewind(&mut self) -> io::Result<()> {
        let Self::Stream { opened: Some(reader), .. } = self else { return Ok(()) };
        Ok(Python::attach(|py| reader.0.call_method1(py, "seek", (0,)).map(drop))?)
    }

    fn close(&mut self) -> io::Result<()> {
        let Self::Stream { stream, opened, is_manager } = self else { return Ok(()) };
        *opened = None;
        if !*is_manager {
            return Ok(());
        }
        Ok(Python::attach(|py| {
            stream.call_method1(py, "__exit__", (py.None(), py.None(), py.None())).map(drop)
        })?)
    }

    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Stream { .. } => None,
        }
    }
}

/// Sources of a list, taken one by one.
pub struct PythonSources {
    list: Py<PyList>,
    next: usize,
    length: usize,
    are_managers: bool,
}

impl PythonSources {
    pub fn new(list: &Bound<'_, PyList>, are_managers: bool) -> Self {
        Self { list: list.clone().unbind(), next: 0, length: list.len(), are_managers }
    }
}

impl Iterator for PythonSources {
    type Item = PythonSource;

    fn next(&mut self) -> Option<PythonSource> {
        if self.next >= self.length {
            return None;
        }
        let source = Python::attach(|py| {
            let source = self.list.bind(py).get_item(self.next).ok()?;
            Some(match source.cast::<PyBytes>() {
                Ok(bytes) => PythonSource::Bytes(bytes.as_bytes().to_vec()),
                Err(_) => PythonSource::stream(&source, self.are_managers),
            })
        });
        self.next += 1;
        source
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let rest = self.length - self.next;
        (rest, Some(rest))
    }
}
