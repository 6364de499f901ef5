//! Validation: every object is read and its digest computed again. It needs no lock: what looks wrong is
//! looked at again where the index says that it is now, before it is reported.

use std::io::Read;

use millpond::{BlobId, ErrorKind, Hasher, Progress, Result};

use crate::{
    files,
    folder::Folder,
    index::Mark,
    layout::PackId,
    place::Place,
    progress::{Steps, lend},
    read::{ObjectReader, into_error},
    source::FromReader,
    write::digest,
};

/// Rows that are held in memory at a time.
const ROWS_MAX: usize = 100_000;
/// How often progress is told of a pack.
const TELLINGS_MAX: u64 = 400;
/// Bytes that are read at a time.
const BUFFER: usize = 256 << 10;

/// What is wrong with a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValidationIssues {
    /// Loose objects that aren't those of their ids.
    pub invalid_hashes_loose: Vec<BlobId>,
    /// Packed objects that aren't those of their ids, or can't be read.
    pub invalid_hashes_packed: Vec<BlobId>,
    /// Packed objects of another size than the index says.
    pub invalid_sizes_packed: Vec<BlobId>,
    /// Packed objects that begin before the one before them ends.
    pub overlapping_packed: Vec<BlobId>,
}

impl ValidationIssues {
    /// Whether nothing is wrong.
    pub fn is_valid(&self) -> bool {
        *self == Self::default()
    }
}

/// What was found out about an object.
enum Verdict {
    Sound,
    Unsound { has_other_hash: bool, has_other_size: bool },
}

impl Folder {
    /// Validates everything. `progress` is told of objects: the loose ones first, then a pack at a time.
    ///
    /// # Errors
    /// Where the folder can't be read, or `progress` fails. Damaged objects are no errors here.
    pub fn validate(&self, mut progress: Option<&mut dyn Progress>) -> Result<ValidationIssues> {
        let mut issues = ValidationIssues::default();
        let loose = self.list_loose()?;
        let total = loose.len() as u64;
        let mut steps = Steps::begin(lend(&mut progress), None, || Ok((total, "Loose objects".to_owned())))?;
        for id in loose {
            if let Some(file) = files::open(&self.loose_path(&id)?)?
                && digest(&mut FromReader(file), self.config()?.hash_type)? != id
            {
                issues.invalid_hashes_loose.push(id);
            }
            steps.advance(1)?;
        }
        steps.end()?;
        for pack in self.with_index(|index| index.packs())?.into_iter().filter_map(PackId::new) {
            self.validate_pack(pack, &mut issues, lend(&mut progress))?;
        }
        Ok(issues)
    }

    fn validate_pack(
        &self,
        pack: PackId,
        issues: &mut ValidationIssues,
        progress: Option<&mut (dyn Progress + '_)>,
    ) -> Result<()> {
        let mut steps = Steps::begin(progress, Some(TELLINGS_MAX), || {
            Ok((self.with_index(|index| index.count_in(pack))?, format!("Pack {pack}")))
        })?;
        let file = self.open_pack(pack)?;
        let (mut mark, mut end) = (Mark::BEGIN, 0);
        let mut buffer = vec![0; BUFFER];
        loop {
            let page = self.with_index(|index| index.page_of_pack(pack, mark, ROWS_MAX))?;
            let (rows, Some(last)) = page else { break };
            mark = last;
            for (id, place) in rows {
                let verdict = match (&place, &file) {
                    (Ok(place), Some((file, size))) => {
                        let reader = ObjectReader::packed(id, *place, file.clone(), *size, None);
                        self.judge(place, reader, &mut buffer)?
                    }
                    _ => Verdict::Unsound { has_other_hash: true, has_other_size: false },
                };
                if let Verdict::Unsound { has_other_hash, has_other_size } = verdict
                    && !self.is_sound_elsewhere(&id, place.as_ref().ok(), &mut buffer)?
                {
                    issues.invalid_hashes_packed.extend(has_other_hash.then_some(id));
                    issues.invalid_sizes_packed.extend(has_other_size.then_some(id));
                }
                if let Ok(place) = place {
                    if place.offset < end {
                        issues.overlapping_packed.push(id);
                    }
                    end = place.end();
                }
                steps.advance(1)?;
            }
        }
        steps.end()
    }

    /// Whether an object was moved meanwhile, to where it is sound, or deleted.
    fn is_sound_elsewhere(&self, id: &BlobId, place: Option<&Place>, buffer: &mut [u8]) -> Result<bool> {
        let (reader, now) = match self.open_packed(id) {
            Ok(Some((reader, now))) => (Ok(reader), now),
            Ok(None) => return Ok(true),
            Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(false),
            Err(error) => return Err(error),
        };
        if place == Some(&now) {
            return Ok(false);
        }
        Ok(matches!(self.judge(&now, reader, buffer)?, Verdict::Sound))
    }

    fn judge(&self, place: &Place, reader: Result<ObjectReader>, buffer: &mut [u8]) -> Result<Verdict> {
        let unsound =
            |size: u64| Verdict::Unsound { has_other_hash: true, has_other_size: size != place.size };
        let mut reader = match reader {
            Ok(reader) => reader,
            Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(unsound(0)),
            Err(error) => return Err(error),
        };
        let (id, mut size) = (reader.id(), 0);
        let mut hasher = Hasher::new(self.config()?.hash_type);
        loop {
            match reader.read(buffer).map_err(|error| into_error(error, &id)) {
                Ok(0) => break,
                Ok(length) => {
                    hasher.update(&buffer[..length]);
                    size += length as u64;
                }
                Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(unsound(size)),
                Err(error) => return Err(error),
            }
        }
        Ok(if hasher.finish() == id { Verdict::Sound } else { unsound(size) })
    }
}
