//! Makes the header of a log file again, where that is damaged.
//!
//! The header says nothing that can't be found out: the checksum of a record is bound to its log
//! offset, so that a file's base is right when a record of it verifies, and the records before the file
//! lead to it. Nothing is believed that no record proves.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use millpond_core::{Epoch, Error, ErrorKind, Result};
use uuid::Uuid;

use super::{
    HEADER_BYTES, LogFile, LogHeader, RECORD_HEADER_BYTES, RecordHeader, file_name, next_intact, parse,
};
use crate::media::{FileExt, Media, OpenMode};

/// Places of records that are tried at most.
const PLACES_MAX: usize = 64;

/// What is known of the log where a file of it is to follow.
#[derive(Clone, Copy, Debug)]
pub(super) enum Before<'a> {
    /// The file before, with what it holds.
    File(&'a LogFile, &'a Bytes),
    /// Nothing is left of it: the epoch where the log begins, and offsets that may be close to it.
    Nothing { epoch: Epoch, clean_end: u64 },
}

/// A place in the log, between two records.
#[derive(Clone, Copy, Debug)]
struct Joint {
    offset: u64,
    chain: u64,
    epoch: Epoch,
}

/// Opens log file `number`, whose header is written anew if it is damaged and the rest proves it. The
/// caller is alone.
///
/// # Errors
/// `Corrupt` when nothing does; `NotFound` when there is no such file.
pub(super) fn open_or_mend(
    media: &Arc<dyn Media>,
    dir: &Path,
    container: Uuid,
    number: u64,
    before: Before<'_>,
) -> Result<LogFile> {
    let error = match LogFile::open(media, dir, container, number) {
        Err(error) if error.kind() == ErrorKind::Corrupt => error,
        other => return other,
    };
    let path = dir.join(file_name(number));
    let doing = |what: &str| format!("{what} log file {}", path.display());
    let file = media.open(&path, OpenMode::Write).map_err(|error| Error::io(doing("opening"), error))?;
    let length = file.length().map_err(|error| Error::io(doing("opening"), error))?;
    let Some(capacity) = length.checked_sub(HEADER_BYTES) else { return Err(error) };
    let mut content = vec![0; capacity as usize];
    file.read_exact_at(&mut content, HEADER_BYTES).map_err(|error| Error::io(doing("reading"), error))?;
    let Some((joint, term)) = find_joint(&content, container, number, before) else { return Err(error) };
    let Joint { offset: base, chain, epoch } = joint;
    let header = LogHeader { container, number, base, chain, epoch, term, capacity };
    file.write_all_at(&header.encode(), 0)
        .and_then(|()| file.sync())
        .map_err(|error| Error::io(doing("mending"), error))?;
    LogFile::open(media, dir, container, number)
}

/// Where a file of that content begins, and the term of a record in it.
fn find_joint(content: &[u8], container: Uuid, number: u64, before: Before<'_>) -> Option<(Joint, u64)> {
    let at = |place: usize, base: u64| parse(&content[place..], container, base + place as u64);
    // Records by the length that they claim, which nothing proves yet.
    let places = places_of(content);
    match before {
        Before::File(file, bytes) => {
            let joints = joints_of(file, bytes, container);
            let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
            if is_zero(content) {
                // It was made, and nothing appended; where it begins, the file before has to say.
                let end = joints.last().filter(|end| {
                    let at = ((end.offset - file.header.base) as usize).min(bytes.len());
                    is_zero(&bytes[at..])
                })?;
                return Some((*end, file.header.term));
            }
            // It begins before the end of the file before where records were written again.
            let first = joints.iter().rev().find_map(|joint| Some((*joint, at(0, joint.offset)?)));
            let (joint, record) =
                first.filter(|(joint, record)| record.chain == joint.chain).or_else(|| {
                    // Its first records are damaged, too.
                    let joint = *joints.last()?;
                    let place =
                        (8..content.len()).step_by(8).find(|place| at(*place, joint.offset).is_some())?;
                    Some((joint, at(place, joint.offset)?))
                })?;
            Some((joint, record.term.into()))
        }
        Before::Nothing { epoch, clean_end } => {
            let claims = |place: &usize| claimed(&content[*place..]);
            let ends = places.iter().map(|place| (*place + claims(place).length as usize) as u64);
            // The first file, or one that began where all was durable, or ended where it was closed.
            let mut bases = vec![0];
            for place in &places {
                let synced = claims(place).synced_upto;
                bases.extend(places.iter().filter_map(|before| synced.checked_sub(*before as u64)));
            }
            bases.extend(ends.filter_map(|end| clean_end.checked_sub(end)));
            bases.retain(|base| *base != 0 || number == 1);
            let (base, record) = places.iter().find_map(|place| {
                bases.iter().find_map(|base| Some((*base, (*place, at(*place, *base)?))))
            })?;
            let chain = if record.0 == 0 { record.1.chain } else { 0 };
            (record.1.epoch > epoch).then_some((Joint { offset: base, chain, epoch }, record.1.term.into()))
        }
    }
}

/// Places, in order, of what may be records.
fn places_of(content: &[u8]) -> Vec<usize> {
    let mut places = Vec::new();
    let mut place = 0;
    while place + RECORD_HEADER_BYTES <= content.len() && places.len() < PLACES_MAX {
        let claims = claimed(&content[place..]);
        let length = claims.length as usize;
        let fits = length.is_multiple_of(8)
            && length >= RECORD_HEADER_BYTES + claims.operations as usize
            && claims.operations > 0
            && length <= content.len() - place;
        if fits {
            places.push(place);
        }
        place += if fits { length } else { 8 };
    }
    places
}

/// What a record's header says, true or not.
fn claimed(bytes: &[u8]) -> RecordHeader {
    RecordHeader::read(bytes).unwrap_or_default()
}

/// The places between the records of a file, and its end.
fn joints_of(file: &LogFile, bytes: &Bytes, container: Uuid) -> Vec<Joint> {
    let mut joint = Joint { offset: file.header.base, chain: file.header.chain, epoch: file.header.epoch };
    let mut joints = vec![joint];
    loop {
        let rest = &bytes[((joint.offset - file.header.base) as usize).min(bytes.len())..];
        let parsed = parse(rest, container, joint.offset).filter(|header| header.chain == joint.chain);
        let (offset, header) = match parsed {
            Some(header) => (joint.offset, header),
            None => match next_intact(rest, container, joint.offset, joint.epoch) {
                Some(next) => next,
                None => return joints,
            },
        };
        joint =
            Joint { offset: offset + u64::from(header.length), chain: header.checksum, epoch: header.epoch };
        joints.push(joint);
    }
}
