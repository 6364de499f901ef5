//! The commit log: one sequence of records, appended to by all processes, in files of fixed size.
//!
//! A place in the log is a 64-bit offset over all files. Recovery accepts the longest prefix of
//! records whose own checksums hold and which chain on to each other; see [`recovery`]. What was damaged
//! later is left out, and what is then in doubt is known: [`salvage`]; a damaged header is made again
//! from the records: [`mend`].

mod file;
mod header;
mod mend;
mod place;
mod reader;
mod record;
mod recovery;
mod salvage;

pub(crate) use file::{AHEAD_NAME, LogFile, ahead_scratch_name, file_name, file_number, scratch_name};
pub(crate) use header::{HEADER_BYTES, LogHeader};
pub(crate) use place::LogPlace;
pub(crate) use reader::{LogReader, LogRecord};
pub(crate) use record::{
    LogOp, LogOpRef, Ops, Payload, PayloadRead, RECORD_HEADER_BYTES, RecordHeader, encode_op, encode_record,
    encode_run, first_chain, is_intact, parse, values_intact,
};
pub(crate) use recovery::{Recovered, recover};
pub(crate) use salvage::{Lost, next_intact};
