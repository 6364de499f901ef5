//! What the index is asked.

use millpond::{BlobId, Error, ErrorKind, Result};
use rusqlite::{OptionalExtension, Params, params};

use super::{Index, failed};
use crate::{
    layout::PackId,
    place::{Place, RawPlace, Row},
};

const COLUMNS_OF_PLACE: &str = "pack_id, \"offset\", length, size, compressed";

/// Sums over all rows, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub size: u64,
    pub length: u64,
}

/// What was found of many objects.
#[derive(Debug, Default)]
pub(crate) struct Lookup {
    /// The rows that there are.
    pub rows: Vec<Row>,
    /// Who has none.
    pub absent: Vec<BlobId>,
    /// Whose row can't be believed, and why.
    pub damaged: Vec<(BlobId, Error)>,
}

/// Where a page of a pack's rows ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    offset: i64,
    row: i64,
}

/// Rows of a pack, and where they end; nothing where there are no more. A row that says what can't be comes
/// with the reason.
pub(crate) type PageOfPack = (Vec<(BlobId, Result<Place>)>, Option<Mark>);

impl Mark {
    /// Before the first row.
    pub const BEGIN: Self = Self { offset: i64::MIN, row: i64::MIN };
}

impl Index {
    /// Where an object lies.
    pub fn find(&self, id: &BlobId) -> Result<Option<Place>> {
        const FIND: &str =
            "SELECT pack_id, \"offset\", length, size, compressed FROM db_object WHERE hashkey = ?1";
        let found = self.connection.prepare_cached(FIND).and_then(|mut statement| {
            statement.query_row([id.text(&mut [0; BlobId::TEXT_MAX])], |row| raw_place(row, 0)).optional()
        });
        let found = found.map_err(|error| failed(&format!("looking up object {id}"), error))?;
        found.map(|raw| raw.check(id)).transpose()
    }

    /// Whether an object is packed.
    pub fn contains(&self, id: &BlobId) -> Result<bool> {
        const FIND: &str = "SELECT 1 FROM db_object WHERE hashkey = ?1";
        let found = self.connection.prepare_cached(FIND);
        let found = found.and_then(|mut statement| statement.exists([id.text(&mut [0; BlobId::TEXT_MAX])]));
        found.map_err(|error| failed(&format!("looking up object {id}"), error))
    }

    /// How many objects are packed.
    pub fn count(&self) -> Result<u64> {
        Ok(self.numbers("SELECT COUNT(*) FROM db_object", [])?.first().map_or(0, |&count| count as u64))
    }

    /// How many objects lie in a pack.
    pub fn count_in(&self, pack: PackId) -> Result<u64> {
        let counted = self.numbers("SELECT COUNT(*) FROM db_object WHERE pack_id = ?1", [pack.number()])?;
        Ok(counted.first().map_or(0, |&count| count as u64))
    }

    /// Whether anything lies in a pack.
    pub fn has_any_in(&self, pack: PackId) -> Result<bool> {
        Ok(!self.numbers("SELECT 1 FROM db_object WHERE pack_id = ?1 LIMIT 1", [pack.number()])?.is_empty())
    }

    /// The packs that objects lie in, in order.
    pub fn packs(&self) -> Result<Vec<i64>> {
        self.numbers("SELECT DISTINCT pack_id FROM db_object ORDER BY pack_id", [])
    }

    /// What all packed objects have together.
    pub fn sums(&self) -> Result<Sums> {
        // TOTAL doesn't fail where the sum of damaged rows is too large.
        const SUMS: &str = "SELECT TOTAL(size), TOTAL(length), COALESCE(MAX(ABS(size)), 0) FROM db_object";
        const EXACT: &str = "SELECT COALESCE(SUM(size), 0), COALESCE(SUM(length), 0) FROM db_object";
        let sums = self.connection.query_row(EXACT, [], |row| {
            Ok(Sums {
                size: row.get::<_, i64>(0)?.max(0) as u64,
                length: row.get::<_, i64>(1)?.max(0) as u64,
            })
        });
        let sums = sums.or_else(|_| {
            self.connection.query_row(SUMS, [], |row| {
                Ok(Sums { size: row.get::<_, f64>(0)? as u64, length: row.get::<_, f64>(1)? as u64 })
            })
        });
        sums.map_err(|error| failed("adding up the sizes of packed objects", error))
    }

    /// Ids behind row `after`, at most `limit`, each with the number of its row. What is no id is
    /// passed over.
    pub fn page(&self, after: i64, limit: usize) -> Result<(Vec<BlobId>, Option<i64>)> {
        const PAGE: &str = "SELECT id, hashkey FROM db_object WHERE id > ?1 ORDER BY id LIMIT ?2";
        let (mut ids, mut last) = (Vec::with_capacity(limit.min(1 << 14)), None);
        self.each(PAGE, params![after, limit as i64], |row| {
            last = Some(row.get(0)?);
            ids.extend(row.get_ref(1)?.as_str().ok().and_then(|text| text.parse::<BlobId>().ok()));
            Ok(())
        })?;
        if last.is_some_and(|last| last <= after) {
            // Else whoever goes on from there comes by again and again.
            return Err(Error::new(
                ErrorKind::Corrupt,
                "the rows of packs.idx are out of order: restore it from a backup",
            ));
        }
        Ok((ids, last))
    }

    /// Rows of a pack in the order in which they lie there, at most `limit` behind `after`. A row that
    /// says what can't be is answered as the reason.
    pub fn page_of_pack(&self, pack: PackId, after: Mark, limit: usize) -> Result<PageOfPack> {
        let statement = format!(
            "SELECT id, hashkey, {COLUMNS_OF_PLACE} FROM db_object WHERE pack_id = ?1 \
             AND (\"offset\", id) > (?2, ?3) ORDER BY \"offset\", id LIMIT ?4"
        );
        let (mut rows, mut last) = (Vec::new(), None);
        self.each(&statement, params![pack.number(), after.offset, after.row, limit as i64], |row| {
            let raw = raw_place(row, 2)?;
            last = Some(Mark { offset: raw.offset, row: row.get(0)? });
            let text = row.get_ref(1)?.as_str()?;
            if let Ok(id) = text.parse() {
                rows.push((id, raw.check(&text)));
            }
            Ok(())
        })?;
        Ok((rows, last))
    }

    /// The rows of `ids`, as of one moment.
    pub fn find_all(&self, ids: impl IntoIterator<Item = BlobId>) -> Result<Lookup> {
        self.at_one_moment(|| {
            let mut lookup = Lookup::default();
            for id in ids {
                match self.find(&id) {
                    Ok(Some(place)) => lookup.rows.push(Row { id, place }),
                    Ok(None) => lookup.absent.push(id),
                    Err(error) if error.kind() == ErrorKind::Corrupt => lookup.damaged.push((id, error)),
                    Err(error) => return Err(error),
                }
            }
            Ok(lookup)
        })
    }

    fn numbers(&self, statement: &str, params: impl Params) -> Result<Vec<i64>> {
        let mut numbers = Vec::new();
        self.each(statement, params, |row| {
            numbers.push(row.get(0)?);
            Ok(())
        })?;
        Ok(numbers)
    }

    fn each(
        &self,
        statement: &str,
        params: impl Params,
        mut take: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<()>,
    ) -> Result<()> {
        let done = self.connection.prepare_cached(statement).and_then(|mut statement| {
            let mut rows = statement.query(params)?;
            while let Some(row) = rows.next()? {
                take(row)?;
            }
            Ok(())
        });
        done.map_err(|error| failed("reading the index", error))
    }
}

fn raw_place(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<RawPlace> {
    Ok(RawPlace {
        pack_id: row.get(first)?,
        offset: row.get(first + 1)?,
        length: row.get(first + 2)?,
        size: row.get(first + 3)?,
        compressed: row.get(first + 4)?,
    })
}
