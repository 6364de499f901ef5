//! fjall. Sync: each put is followed by `persist(SyncData)`, an fdatasync of its journal. Async: as it
//! comes, where each put goes to the kernel, and so survives the death of the process.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Peer, Session};
use crate::{
    Result,
    job::Durability,
    keys::{Key, touch},
};

pub struct Fjall {
    database: Database,
    keyspace: Keyspace,
    durability: Durability,
}

impl Fjall {
    pub fn open(directory: &Path, durability: Durability) -> Result<Self> {
        let database = Database::builder(directory.join("fjall")).open()?;
        let keyspace = database.keyspace("bench", KeyspaceCreateOptions::default)?;
        Ok(Self { database, keyspace, durability })
    }
}

impl Peer for Fjall {
    fn session(&self) -> Result<Box<dyn Session + '_>> {
        Ok(Box::new(self))
    }

    fn compact(&self) -> Result<()> {
        self.keyspace.rotate_memtable_and_wait()?;
        Ok(self.keyspace.major_compact()?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }
}

impl Session for &Fjall {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        self.keyspace.insert(key, value)?;
        match self.durability {
            Durability::Sync => Ok(self.database.persist(PersistMode::SyncData)?),
            Durability::Async => Ok(()),
        }
    }

    fn get(&mut self, key: &Key) -> Result<Option<u64>> {
        Ok(self.keyspace.get(key)?.map(|value| touch(&value)))
    }

    fn put_many(&mut self, entries: &[(Key, &[u8])]) -> Result<()> {
        let mode = match self.durability {
            Durability::Sync => PersistMode::SyncData,
            Durability::Async => PersistMode::Buffer,
        };
        let mut batch = self.database.batch().durability(Some(mode));
        for (key, value) in entries {
            batch.insert(&self.keyspace, key, *value);
        }
        Ok(batch.commit()?)
    }

    fn get_many(&mut self, keys: &[Key]) -> Result<u64> {
        let mut found = 0;
        for key in keys {
            if let Some(value) = self.keyspace.get(key)? {
                std::hint::black_box(touch(&value));
                found += 1;
            }
        }
        Ok(found)
    }

    fn scan(&mut self, limit: u64) -> Result<u64> {
        let mut count = 0;
        for entry in self.keyspace.iter() {
            if count == limit {
                break;
            }
            let (key, value) = entry.into_inner()?;
            std::hint::black_box((key, touch(&value)));
            count += 1;
        }
        Ok(count)
    }
}
