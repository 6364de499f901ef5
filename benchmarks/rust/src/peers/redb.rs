//! redb. Sync: `Durability::Immediate`. Async: `Durability::None`, which is weaker than the class: what
//! wasn't followed by a durable commit is lost with the process. In several processes:
//! `ConcurrencyMode::MultiWriter`, whose commits are always durable.

use std::path::Path;

use redb::{ConcurrencyMode, Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::{Peer, Session};
use crate::{
    Result,
    job::Durability,
    keys::{Key, touch},
};

const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("bench");

pub struct Redb {
    database: Database,
    durability: Durability,
}

impl Redb {
    pub fn open(directory: &Path, durability: Durability, shared: bool) -> Result<Self> {
        let mut builder = Database::builder();
        if shared {
            builder.set_concurrency_mode(ConcurrencyMode::MultiWriter);
        }
        let database = builder.create(directory.join("redb"))?;
        let transaction = database.begin_write()?;
        transaction.open_table(TABLE)?;
        transaction.commit()?;
        Ok(Self { database, durability })
    }

    fn begin(&self) -> Result<WriteTransaction> {
        let mut transaction = self.database.begin_write()?;
        if self.durability == Durability::Async {
            transaction.set_durability(redb::Durability::None)?;
        }
        Ok(transaction)
    }
}

impl Peer for Redb {
    fn session(&self) -> Result<Box<dyn Session + '_>> {
        Ok(Box::new(self))
    }

    fn close(self: Box<Self>) -> Result<()> {
        // The last durable commit makes those before it durable.
        self.database.begin_write()?.commit()?;
        Ok(())
    }
}

impl Session for &Redb {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        let transaction = self.begin()?;
        transaction.open_table(TABLE)?.insert(key.as_slice(), value)?;
        Ok(transaction.commit()?)
    }

    fn get(&mut self, key: &Key) -> Result<Option<u64>> {
        let table = self.database.begin_read()?.open_table(TABLE)?;
        Ok(table.get(key.as_slice())?.map(|value| touch(value.value())))
    }

    fn put_many(&mut self, entries: &[(Key, &[u8])]) -> Result<()> {
        let transaction = self.begin()?;
        let mut table = transaction.open_table(TABLE)?;
        for (key, value) in entries {
            table.insert(key.as_slice(), *value)?;
        }
        drop(table);
        Ok(transaction.commit()?)
    }

    fn transact(&mut self, reads: &[Key], writes: &[(Key, &[u8])]) -> Result<u64> {
        let transaction = self.begin()?;
        let mut table = transaction.open_table(TABLE)?;
        let mut found = 0;
        for key in reads {
            if let Some(value) = table.get(key.as_slice())? {
                std::hint::black_box(touch(value.value()));
                found += 1;
            }
        }
        for (key, value) in writes {
            table.insert(key.as_slice(), *value)?;
        }
        drop(table);
        transaction.commit()?;
        Ok(found)
    }

    fn get_many(&mut self, keys: &[Key]) -> Result<u64> {
        let table = self.database.begin_read()?.open_table(TABLE)?;
        let mut found = 0;
        for key in keys {
            if let Some(value) = table.get(key.as_slice())? {
                std::hint::black_box(touch(value.value()));
                found += 1;
            }
        }
        Ok(found)
    }

    fn scan(&mut self, limit: u64) -> Result<u64> {
        let table = self.database.begin_read()?.open_table(TABLE)?;
        let mut count = 0;
        for entry in table.iter()? {
            if count == limit {
                break;
            }
            let (key, value) = entry?;
            std::hint::black_box((key.value(), touch(value.value())));
            count += 1;
        }
        Ok(count)
    }
}
