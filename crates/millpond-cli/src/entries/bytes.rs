//! Keys and values from the command line: any bytes, as they stand or in hexadecimal digits.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};

use millpond::Error;

use crate::{
    failure::{Failure, Outcome},
    output::{Output, parse_hex},
};

/// The bytes that `word` stands for.
pub(crate) fn decode(word: OsString, hex: bool) -> Outcome<Vec<u8>> {
    if !hex {
        return Ok(word.into_vec());
    }
    parse_hex(word.as_bytes())
        .map_err(|why| Failure::usage(format!("{:?} can't be read as --hex: {why}", word.to_string_lossy())))
}

/// Where a value comes from.
pub(crate) enum Source {
    /// The command line.
    Bytes(Vec<u8>),
    /// Standard input.
    Input,
    /// A file, open for reading.
    File(PathBuf, File),
}

impl Source {
    /// What `word` stands for: `-` for standard input, `@path` for a file, and else itself.
    pub(crate) fn new(word: OsString, hex: bool, literal: bool) -> Outcome<Self> {
        match word.as_bytes() {
            b"-" if !literal => Ok(Self::Input),
            [b'@', path @ ..] if !literal => {
                let path = PathBuf::from(OsStr::from_bytes(path));
                let file = File::open(&path)
                    .map_err(|error| Error::io(format!("opening {} for its value", path.display()), error))?;
                Ok(Self::File(path, file))
            }
            _ => Ok(Self::Bytes(decode(word, hex)?)),
        }
    }

    /// Reads the next bytes into `buffer`, as many as there are or fit: fewer only at the end.
    pub(crate) fn fill(&mut self, buffer: &mut [u8], output: &mut Output<'_, '_>) -> Outcome<usize> {
        let (reader, name): (&mut dyn Read, &dyn std::fmt::Display) = match self {
            Self::Bytes(bytes) => {
                let taken = bytes.len().min(buffer.len());
                buffer[..taken].copy_from_slice(&bytes[..taken]);
                bytes.drain(..taken);
                return Ok(taken);
            }
            Self::Input => (output.input(), &"the standard input"),
            Self::File(path, file) => (file, &path.display().to_string()),
        };
        fill(reader, buffer).map_err(|error| Error::io(format!("reading {name}"), error).into())
    }
}

/// Reads into `buffer` until it is full or there is no more.
pub(crate) fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The store's own error, if that is what an error of its readers and writers carries.
pub(crate) fn store_error(doing: &str, error: io::Error) -> Failure {
    match error.downcast::<Error>() {
        Ok(error) => error.into(),
        Err(error) => Error::io(doing, error).into(),
    }
}
