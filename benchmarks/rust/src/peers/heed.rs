//! LMDB through heed. Sync: its defaults, which sync data and then the meta page at each commit.
//! Async: `MDB_NOSYNC`, which survives the death of the process; a loss of power may destroy it.

use std::path::Path;

use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, types::Bytes};

use super::{Peer, Session};
use crate::{
    Result,
    job::Durability,
    keys::{Key, touch},
};

/// Address space set aside for the file, which grows within it.
const MAP_BYTES: usize = 64 << 30;

pub struct Heed {
    env: Env,
}

struct Opened<'e> {
    env: &'e Env,
    database: Database<'e, Bytes, Bytes>,
}

impl Heed {
    pub fn open(directory: &Path, durability: Durability) -> Result<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES).max_readers(126);
        if durability == Durability::Async {
            // SAFETY: without syncs a loss of power may damage the file. It is a benchmark's, and is thrown away.
            unsafe { options.flags(EnvFlags::NO_SYNC) };
        }
        // SAFETY: nothing but LMDB changes the file while it is open.
        let env = unsafe { options.open(directory)? };
        Ok(Self { env })
    }
}

impl Peer for Heed {
    fn session(&self) -> Result<Box<dyn Session + '_>> {
        let transaction = self.env.read_txn()?;
        let opened = self.env.open_databases_and_commit(transaction, |opener, transaction| {
            opener.open_database::<Bytes, Bytes>(transaction, None).map(CommitOrAbort::<_, ()>::Commit)
        })?;
        let database = opened.commit().flatten().ok_or("LMDB has no unnamed database")?;
        Ok(Box::new(Opened { env: &self.env, database }))
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.env.force_sync()?;
        self.env.prepare_for_closing().wait();
        Ok(())
    }
}

impl Session for Opened<'_> {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        self.database.put(&mut transaction, key, value)?;
        Ok(transaction.commit()?)
    }

    fn get(&mut self, key: &Key) -> Result<Option<u64>> {
        let transaction = self.env.read_txn()?;
        Ok(self.database.get(&transaction, key)?.map(touch))
    }

    fn put_many(&mut self, entries: &[(Key, &[u8])]) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        for (key, value) in entries {
            self.database.put(&mut transaction, key, value)?;
        }
        Ok(transaction.commit()?)
    }

    fn transact(&mut self, reads: &[Key], writes: &[(Key, &[u8])]) -> Result<u64> {
        let mut transaction = self.env.write_txn()?;
        let mut found = 0;
        for key in reads {
            if let Some(value) = self.database.get(&transaction, key)? {
                std::hint::black_box(touch(value));
                found += 1;
            }
        }
        for (key, value) in writes {
            self.database.put(&mut transaction, key, value)?;
        }
        transaction.commit()?;
        Ok(found)
    }

    fn get_many(&mut self, keys: &[Key]) -> Result<u64> {
        let transaction = self.env.read_txn()?;
        let mut found = 0;
        for key in keys {
            if let Some(value) = self.database.get(&transaction, key)? {
                std::hint::black_box(touch(value));
                found += 1;
            }
        }
        Ok(found)
    }

    fn scan(&mut self, limit: u64) -> Result<u64> {
        let transaction = self.env.read_txn()?;
        let mut count = 0;
        for entry in self.database.iter(&transaction)? {
            if count == limit {
                break;
            }
            let (key, value) = entry?;
            std::hint::black_box((key, touch(value)));
            count += 1;
        }
        Ok(count)
    }
}
