//! What changes the index. A change is one transaction, durable when it is done; or it waits, in a
//! transaction that stays open, for a later one to take it along.

use millpond::{BlobId, Result};
use rusqlite::{config::DbConfig, params};

use super::{Index, failed};
use crate::{
    layout::PackId,
    place::{Place, Row},
};

/// What is to become of what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is committed, durably, with all that waits.
    Committed,
    /// It waits for the next commit; only this handle sees it.
    Waits,
}

impl Index {
    /// Adds rows; an object that has one already keeps it.
    pub fn insert(&self, rows: &[Row], written: Written) -> Result<()> {
        const INSERT: &str = "INSERT OR IGNORE INTO db_object (hashkey, compressed, size, \"offset\", length, pack_id) \
                              VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        self.change(written, "adding objects to the index", |index| {
            let mut statement = index.connection.prepare_cached(INSERT)?;
            for Row { id, place } in rows {
                statement.execute(params![
                    id.text(&mut [0; BlobId::TEXT_MAX]),
                    i64::from(place.is_compressed),
                    place.size as i64,
                    place.offset as i64,
                    place.length as i64,
                    place.pack.number(),
                ])?;
            }
            Ok(())
        })
    }

    /// Moves objects: each from the place where it was found to another one. An object that is no
    /// longer where it was found stays as it is.
    pub fn relocate(&self, moves: &[(Row, Place)]) -> Result<()> {
        const MOVE: &str = "UPDATE db_object SET pack_id = ?2, \"offset\" = ?3, length = ?4, compressed = ?5 \
                            WHERE hashkey = ?1 AND pack_id = ?6 AND \"offset\" = ?7";
        self.change(Written::Committed, "moving objects in the index", |index| {
            let mut statement = index.connection.prepare_cached(MOVE)?;
            for (Row { id, place: from }, to) in moves {
                statement.execute(params![
                    id.text(&mut [0; BlobId::TEXT_MAX]),
                    to.pack.number(),
                    to.offset as i64,
                    to.length as i64,
                    i64::from(to.is_compressed),
                    from.pack.number(),
                    from.offset as i64,
                ])?;
            }
            Ok(())
        })
    }

    /// Says that the bytes of one pack are now found under another number.
    pub fn renumber(&self, from: PackId, to: PackId) -> Result<()> {
        self.change(Written::Committed, "giving a pack another number in the index", |index| {
            index.connection.execute(
                "UPDATE db_object SET pack_id = ?2 WHERE pack_id = ?1",
                [from.number(), to.number()],
            )?;
            Ok(())
        })
    }

    /// Takes rows away. Answers which there were.
    pub fn delete(&self, ids: &[BlobId]) -> Result<Vec<BlobId>> {
        let mut deleted = Vec::new();
        self.change(Written::Committed, "taking objects out of the index", |index| {
            let mut statement =
                index.connection.prepare_cached("DELETE FROM db_object WHERE hashkey = ?1")?;
            for id in ids {
                if statement.execute([id.text(&mut [0; BlobId::TEXT_MAX])])? > 0 {
                    deleted.push(*id);
                }
            }
            Ok(())
        })?;
        Ok(deleted)
    }

    /// Commits what waits.
    pub fn commit(&self) -> Result<()> {
        self.change(Written::Committed, "committing to the index", |_| Ok(()))
    }

    /// Writes the database anew, in the order of its rows and without free pages.
    pub fn vacuum(&self) -> Result<()> {
        self.commit()?;
        self.connection.execute_batch("VACUUM").map_err(|error| failed("vacuuming the index", error))
    }

    fn change(
        &self,
        written: Written,
        doing: &str,
        work: impl FnOnce(&Self) -> rusqlite::Result<()>,
    ) -> Result<()> {
        let done: rusqlite::Result<()> = (|| {
            if self.connection.is_autocommit() {
                self.connection.prepare_cached("PRAGMA synchronous=FULL")?.execute([])?;
                self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
                self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            }
            work(self)?;
            if written == Written::Committed {
                self.connection.prepare_cached("COMMIT")?.execute([])?;
            }
            Ok(())
        })();
        done.map_err(|error| {
            if !self.connection.is_autocommit() {
                // Whatever fails here has failed before: the first reason counts.
                let _ = self.connection.execute_batch("ROLLBACK");
            }
            failed(doing, error)
        })
    }
}
