//! SQLite through rusqlite, with a write-ahead log. Sync: `synchronous=FULL`. Async: `synchronous=OFF`,
//! which survives the death of the process; a loss of power may destroy it. Each thread has a connection.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension};

use super::{Peer, Session};
use crate::{
    Result,
    job::Durability,
    keys::{Key, touch},
};

const PUT: &str = "INSERT OR REPLACE INTO t VALUES (?, ?)";
const GET: &str = "SELECT v FROM t WHERE k = ?";

pub struct Sqlite {
    path: PathBuf,
    durability: Durability,
    /// Keeps the log from being folded in whenever a session ends.
    connection: std::sync::Mutex<Connection>,
}

impl Sqlite {
    pub fn open(directory: &Path, durability: Durability) -> Result<Self> {
        let path = directory.join("sqlite");
        let connection = connect(&path, durability)?;
        connection.execute("CREATE TABLE IF NOT EXISTS t (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID", ())?;
        Ok(Self { path, durability, connection: connection.into() })
    }
}

fn connect(path: &Path, durability: Durability) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(120))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let level = match durability {
        Durability::Sync => "FULL",
        Durability::Async => "OFF",
    };
    connection.pragma_update(None, "synchronous", level)?;
    Ok(connection)
}

impl Peer for Sqlite {
    fn session(&self) -> Result<Box<dyn Session + '_>> {
        Ok(Box::new(connect(&self.path, self.durability)?))
    }

    fn close(self: Box<Self>) -> Result<()> {
        let connection = self.connection.into_inner().map_err(|error| error.to_string())?;
        connection.close().map_err(|(_, error)| error.into())
    }
}

impl Session for Connection {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        self.prepare_cached(PUT)?.execute((key.as_slice(), value))?;
        Ok(())
    }

    fn get(&mut self, key: &Key) -> Result<Option<u64>> {
        let mut statement = self.prepare_cached(GET)?;
        Ok(statement.query_row((key.as_slice(),), |row| Ok(touch(row.get_ref(0)?.as_blob()?))).optional()?)
    }

    fn put_many(&mut self, entries: &[(Key, &[u8])]) -> Result<()> {
        let transaction = self.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        {
            let mut statement = transaction.prepare_cached(PUT)?;
            for (key, value) in entries {
                statement.execute((key.as_slice(), *value))?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn transact(&mut self, reads: &[Key], writes: &[(Key, &[u8])]) -> Result<u64> {
        let transaction = self.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let mut found = 0;
        {
            let mut get = transaction.prepare_cached(GET)?;
            for key in reads {
                let read = get.query_row((key.as_slice(),), |row| Ok(touch(row.get_ref(0)?.as_blob()?)));
                found += u64::from(read.optional()?.map(std::hint::black_box).is_some());
            }
            let mut put = transaction.prepare_cached(PUT)?;
            for (key, value) in writes {
                put.execute((key.as_slice(), *value))?;
            }
        }
        transaction.commit()?;
        Ok(found)
    }

    fn get_many(&mut self, keys: &[Key]) -> Result<u64> {
        let transaction = self.transaction()?;
        let mut statement = transaction.prepare_cached(GET)?;
        let mut found = 0;
        for key in keys {
            let value = statement.query_row((key.as_slice(),), |row| Ok(touch(row.get_ref(0)?.as_blob()?)));
            if std::hint::black_box(value.optional()?).is_some() {
                found += 1;
            }
        }
        Ok(found)
    }

    fn scan(&mut self, limit: u64) -> Result<u64> {
        let mut statement = self.prepare_cached("SELECT k, v FROM t ORDER BY k")?;
        let mut rows = statement.query(())?;
        let mut count = 0;
        while count < limit
            && let Some(row) = rows.next()?
        {
            std::hint::black_box((row.get_ref(0)?.as_blob()?, touch(row.get_ref(1)?.as_blob()?)));
            count += 1;
        }
        Ok(count)
    }
}
