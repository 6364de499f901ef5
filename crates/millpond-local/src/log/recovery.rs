//! Finds the end of the log when nobody is left who could tell.
//!
//! What can have happened: the last records were torn, dropped or reordered by a loss of power, or
//! half written by a process that was killed. What was durable once must still be there. So the
//! log ends before the first record that isn't intact, unless something proves that this record
//! had been durable: a later log file, a later record's `synced_upto`, or the manifest's clean
//! end. Then it was damaged since: it is lost, and known to be, and the log goes on behind it (rule 2).
//! Where only values of it are damaged, it counts: reads of their keys are errors, and of no others.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use millpond_core::{Epoch, Error, ErrorKind, Extent, Result};
use uuid::Uuid;

use super::{
    LogFile, LogOp, LogPlace, Lost, Ops, PayloadRead, file_name,
    mend::{Before, open_or_mend},
    next_intact, parse, values_intact,
};
use crate::{
    bugs::{Bug, planted},
    media::Media,
};

/// The state of a log that nobody writes.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// Log offset behind the last record.
    pub(crate) end: u64,
    /// Epoch of the last record.
    pub(crate) epoch: Epoch,
    /// The greatest term seen.
    pub(crate) term: u64,
    /// Log offset up to which the log says it was durable.
    pub(crate) synced: u64,
    /// The file that the log ends in.
    pub(crate) file: LogFile,
    /// What was durable, and is damaged.
    pub(crate) lost: Vec<Lost>,
}

/// Reads the log, which begins behind `horizon` with file `first`. `clean_end` is the offset up to which
/// the manifest knows the log to be durable; `segments_intact` says whether the bulk bytes of an unsynced
/// record are. A damaged header is mended where that is possible.
pub(crate) fn recover(
    media: &Arc<dyn Media>,
    dir: &Path,
    container: Uuid,
    first: u64,
    horizon: Epoch,
    clean_end: u64,
    segments_intact: &mut dyn FnMut(&[Extent]) -> bool,
) -> Result<Recovered> {
    let before = Before::Nothing { epoch: horizon, clean_end };
    let mut file =
        open_or_mend(media, dir, container, first, before).map_err(|error| match error.kind() {
            ErrorKind::NotFound => error.with_kind(ErrorKind::Corrupt),
            _ => error,
        })?;
    let mut found = Recovered {
        end: file.header.base,
        epoch: file.header.epoch,
        term: file.header.term,
        synced: clean_end.max(file.header.base),
        file: file.clone(),
        lost: Vec::new(),
    };
    let mut chain = file.header.chain;
    let mut before: Option<LogFile> = None;
    loop {
        let bytes = Bytes::from(file.read(file.header.base, file.header.capacity)?);
        let next = match open_or_mend(media, dir, container, file.number() + 1, Before::File(&file, &bytes)) {
            Ok(next) => Some(next),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        // A file follows only when all before its base is synced; it may begin before this one's
        // end, when a failed sync made it necessary to write the same records again.
        let end = next.as_ref().map_or(file.end(), |next| next.header.base);
        if let Some(next) = &next {
            found.synced = found.synced.max(next.header.base);
            found.term = found.term.max(next.header.term);
        }
        let bytes = bytes.slice(..bytes.len().min(end.saturating_sub(file.header.base) as usize));
        let at = |offset: u64| &bytes[((offset - file.header.base) as usize).min(bytes.len())..];
        // Records that count only if they were durable before, with bulk bytes that may prove them.
        let mut doubtful: Vec<(u64, Epoch, Option<Vec<Extent>>)> = Vec::new();
        while found.end < end {
            let Some(header) =
                parse(at(found.end), container, found.end).filter(|header| header.chain == chain)
            else {
                // Was what is missing here durable once? Then it was damaged since.
                for offset in (found.end..end).step_by(8).skip(1) {
                    if let Some(later) = parse(at(offset), container, offset) {
                        found.synced = found.synced.max(later.synced_upto);
                    }
                }
                if (found.end >= found.synced && next.is_none()) || planted(Bug::CutCorruptionOff) {
                    break;
                }
                let behind = next_intact(at(found.end), container, found.end, found.epoch);
                let (offset, before) = match (&behind, &next) {
                    (Some((offset, header)), _) => (*offset, header.epoch),
                    (None, Some(next)) => (end, Epoch(next.header.epoch.0 + 1)),
                    (None, None) => (found.synced.min(end), Epoch::MAX),
                };
                let place = LogPlace { file: file.number(), offset: file.place(found.end) };
                found.lost.push(Lost { place, after: found.epoch, before });
                (found.end, chain) = match (behind, &next) {
                    (Some((_, header)), _) => (offset, header.chain),
                    (None, Some(next)) => {
                        found.epoch = next.header.epoch;
                        (offset, next.header.chain)
                    }
                    (None, None) => {
                        found.end = offset;
                        break;
                    }
                };
                continue;
            };
            let start = (found.end - file.header.base) as usize;
            let record = bytes.slice(start..start + header.length as usize);
            let payload = PayloadRead::of(&record, &header);
            let extents = extents_of(&payload).map_err(|what| damaged(&file, found.end, what.0))?;
            if !values_intact(&payload) {
                doubtful.push((found.end, found.epoch, None));
            } else if !extents.is_empty() && !header.segments_synced {
                doubtful.push((found.end, found.epoch, Some(extents)));
            }
            found.synced = found.synced.max(header.synced_upto);
            found.term = found.term.max(header.term.into());
            found.epoch = header.epoch;
            chain = header.checksum;
            found.end += u64::from(header.length);
        }
        // What was not durable yet may be torn, or name bulk bytes that were lost: the log ends before.
        for (end, epoch, extents) in doubtful {
            let counts = || extents.is_some_and(|extents| segments_intact(&extents));
            if end >= found.synced && !counts() {
                let place = (file.number(), file.place(end));
                found.lost.retain(|lost| (lost.place.file, lost.place.offset) < place);
                return Ok(Recovered { end, epoch, synced: found.synced.min(end), file, ..found });
            }
        }
        match next {
            Some(next) if found.end == next.header.base && chain == next.header.chain => {
                before = Some(std::mem::replace(&mut file, next));
                found.file = file.clone();
            }
            Some(next) => {
                return Err(damaged(&next, next.header.base, "it doesn't follow from the file before"));
            }
            None => {
                if found.end < clean_end && !planted(Bug::CutCorruptionOff) {
                    let place = LogPlace { file: file.number(), offset: file.place(found.end) };
                    found.lost.push(Lost { place, after: found.epoch, before: Epoch::MAX });
                    found.end = clean_end.min(file.end());
                }
                // A file without a record may be one whose directory entry could not be synced:
                // the log goes on in the file before it, and it is made again.
                if let Some(before) = before.filter(|_| found.end == file.header.base) {
                    found.file = before;
                }
                return Ok(Recovered { synced: found.synced.min(found.end), ..found });
            }
        }
    }
}

fn extents_of(payload: &PayloadRead) -> Result<Vec<Extent>, crate::wire::Malformed> {
    let mut all = Vec::new();
    for op in Ops::new(payload) {
        if let LogOp::Put { extents, .. } = op? {
            all.extend(extents);
        }
    }
    Ok(all)
}

fn damaged(file: &LogFile, offset: u64, what: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!(
            "log file {}, offset {}: {what}; restore {} from a copy",
            file.path().display(),
            file.place(offset),
            file_name(file.number()),
        ),
    )
}
