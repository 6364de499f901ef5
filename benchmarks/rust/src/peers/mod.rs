//! The contenders, each in the settings that give a durability class, else as it comes.

mod fjall;
mod heed;
pub mod millpond;
mod redb;
mod sqlite;

use std::{fs, path::Path};

use crate::{
    Result,
    job::{Durability, Job},
    keys::Key,
};

/// An open store, shared by the threads of a process.
pub trait Peer: Sync {
    /// What a thread works through.
    fn session(&self) -> Result<Box<dyn Session + '_>>;

    /// Merges what can be merged, where there is such a thing.
    fn compact(&self) -> Result<()> {
        Ok(())
    }

    /// How many records there are, where the store keeps count of them.
    fn len(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// Sorted files that a read has to look at, where there are such.
    fn runs(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// Closes it cleanly.
    fn close(self: Box<Self>) -> Result<()>;
}

/// One thread's way into a store.
pub trait Session {
    /// Sets a value, in a commit of its own.
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()>;

    /// Reads a value, in a view of its own, and touches it.
    fn get(&mut self, key: &Key) -> Result<Option<u64>>;

    /// Sets values in one commit.
    fn put_many(&mut self, entries: &[(Key, &[u8])]) -> Result<()>;

    /// Reads values in one view, touches them, and answers how many there were.
    fn get_many(&mut self, keys: &[Key]) -> Result<u64>;

    /// Reads values and sets others, in one transaction; answers how many of them there were.
    fn transact(&mut self, _reads: &[Key], _writes: &[(Key, &[u8])]) -> Result<u64> {
        Err("it has no transactions of reads and writes".into())
    }

    /// Reads up to so many records in order, touches them, and answers how many there were.
    fn scan(&mut self, limit: u64) -> Result<u64>;
}

/// Opens the job's store, creating it where there is none.
pub fn open(job: &Job) -> Result<Box<dyn Peer>> {
    open_as(job, job.durability)
}

/// Opens the job's store in another durability class.
pub fn open_as(job: &Job, durability: Durability) -> Result<Box<dyn Peer>> {
    let directory: &Path = &job.directory;
    fs::create_dir_all(directory)?;
    Ok(match job.peer.as_str() {
        "millpond" => Box::new(millpond::Millpond::open(directory, durability)?),
        "heed" => Box::new(heed::Heed::open(directory, durability)?),
        "fjall" => Box::new(fjall::Fjall::open(directory, durability)?),
        "redb" => Box::new(redb::Redb::open(directory, durability, job.processes > 1)?),
        "rusqlite" => Box::new(sqlite::Sqlite::open(directory, durability)?),
        other => return Err(format!("there is no peer {other:?}").into()),
    })
}
