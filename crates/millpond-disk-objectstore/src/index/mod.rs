//! `packs.idx`: the SQLite database that says where each packed object lies.
//!
//! One connection a handle, opened when it is first needed, with its statements prepared once. It
//! is in WAL mode, as disk-objectstore leaves it, so that readers never wait; and a commit is
//! durable when it is done, since what it lets go (loose originals, an old pack) goes next.
//!
//! What is read is as of its own statement: nothing here holds a state for longer than a call.

mod rows;
mod write;

use std::{path::Path, time::Duration};

use millpond::{Error, ErrorKind, Result};
use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

pub(crate) use rows::{Lookup, Mark};
pub(crate) use write::Written;

/// As disk-objectstore makes it, to the letter.
const SCHEMA: &str = "CREATE TABLE db_object (
\tid INTEGER NOT NULL, \n\thashkey VARCHAR NOT NULL, \n\tcompressed BOOLEAN NOT NULL, \n\tsize INTEGER NOT NULL, \n\
\t\"offset\" INTEGER NOT NULL, \n\tlength INTEGER NOT NULL, \n\tpack_id INTEGER NOT NULL, \n\tPRIMARY KEY (id)\n);
CREATE UNIQUE INDEX ix_db_object_hashkey ON db_object (hashkey);";

/// Statements that a connection keeps.
const STATEMENTS_MAX: usize = 32;

/// A connection to the index.
#[derive(Debug)]
pub(crate) struct Index {
    connection: Connection,
    /// The process that opened it, in forks.
    generation: u64,
}

impl Index {
    /// Opens the index at `path`; waits for others no longer than `timeout`.
    pub fn open(path: &Path, timeout: Duration) -> Result<Self> {
        Self::connect(path, timeout, OpenFlags::empty())
            .map_err(|error| if path.exists() { error } else { error.with_kind(ErrorKind::NotFound) })
    }

    /// Makes it, if it isn't there.
    pub fn create(path: &Path, timeout: Duration) -> Result<()> {
        let index = Self::connect(path, timeout, OpenFlags::SQLITE_OPEN_CREATE)?;
        let made: Result<(), rusqlite::Error> = (|| {
            index.connection.pragma_update(None, "journal_mode", "wal")?;
            let exists = index.connection.table_exists(None, "db_object")?;
            if exists {
                Ok(())
            } else {
                index.connection.execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA} COMMIT;"))
            }
        })();
        made.map_err(|error| failed("making the index", error))
    }

    fn connect(path: &Path, timeout: Duration, more: OpenFlags) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
        let opened = || -> Result<Connection, rusqlite::Error> {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(timeout)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
            // A damaged or hostile schema can't run anything.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
            // Who only read leaves the files of the WAL to the next one: to remove and make them costs more
            // than all the rest.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            Ok(connection)
        };
        let connection = opened().map_err(|error| failed(&format!("opening {}", path.display()), error))?;
        Ok(Self { connection, generation: millpond_core::fork::generation() })
    }

    /// Whether this process opened it, not one that it was forked from.
    pub fn is_of_this_process(&self) -> bool {
        self.generation == millpond_core::fork::generation()
    }

    /// Lets go of it. What wasn't committed is gone.
    pub fn close(self) -> Result<()> {
        if !self.is_of_this_process() {
            if !self.connection.is_autocommit() {
                // To roll back would touch memory that the parent still writes.
                std::mem::forget(self);
                return Ok(());
            }
            // SQLite shares what it knows of a file among connections, locks included, and the parent's
            // aren't ours: so it has to forget them before the file is opened again. It closes what this
            // process has inherited, and leaves the files as they are.
            let kept = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            kept.map_err(|error| failed("closing the index of the parent", error))?;
        }
        self.connection.close().map_err(|(_, error)| failed("closing the index", error))
    }

    /// A number that changes when another connection commits.
    pub fn version(&self) -> Result<i64> {
        let asked = self.connection.prepare_cached("PRAGMA data_version");
        let version = asked.and_then(|mut statement| statement.query_row([], |row| row.get(0)));
        version.map_err(|error| failed("asking for the version of the index", error))
    }

    /// Runs `work`, in which all reads see the same state.
    pub fn at_one_moment<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        if !self.connection.is_autocommit() {
            return work();
        }
        self.run("BEGIN")?;
        let done = work();
        let ended = self.run("COMMIT");
        let done = done?;
        ended.map(|()| done)
    }

    fn run(&self, statement: &'static str) -> Result<()> {
        let ran = self.connection.prepare_cached(statement).and_then(|mut statement| statement.execute([]));
        ran.map(drop).map_err(|error| failed(statement, error))
    }
}

/// What an error of SQLite means here.
fn failed(doing: &str, error: rusqlite::Error) -> Error {
    let kind = match &error {
        rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => ErrorKind::Timeout,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TypeMismatch => {
                ErrorKind::Corrupt
            }
            ErrorCode::DiskFull => ErrorKind::NoSpace,
            ErrorCode::PermissionDenied | ErrorCode::ReadOnly => ErrorKind::PermissionDenied,
            // It names what the schema doesn't have.
            ErrorCode::Unknown => ErrorKind::Corrupt,
            _ => ErrorKind::Io,
        },
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => ErrorKind::Corrupt,
        _ => ErrorKind::Io,
    };
    let remedy = match kind {
        ErrorKind::Timeout => "; another program writes to packs.idx: try again when it is done",
        ErrorKind::Corrupt => "; packs.idx is damaged: restore it from a backup",
        _ => "",
    };
    Error::new(kind, format!("{doing}: {error}{remedy}"))
}
