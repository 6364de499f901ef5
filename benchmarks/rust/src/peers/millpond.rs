//! Millpond: `durability=sync` or `async`; nothing else is set.

use std::{fs, path::Path};

use millpond::{Container, ContainerOptions, Dict, OpenOptions, Pool, PoolOptions};

use super::{Peer, Session};
use crate::{
    Result,
    job::Durability,
    keys::{Key, touch},
};

pub struct Millpond {
    container: Container,
    dict: Dict,
    directory: std::path::PathBuf,
}

impl Millpond {
    pub fn open(directory: &Path, durability: Durability) -> Result<Self> {
        let container = container(directory, durability)?;
        let dict = container.open_or_create_dict("bench")?;
        Ok(Self { container, dict, directory: directory.join("pool") })
    }
}

/// The container of a job, made where there is none.
pub fn container(directory: &Path, durability: Durability) -> Result<Container> {
    let place = directory.join("pool");
    let location = format!("file://{}", place.display());
    let durability = Some(match durability {
        Durability::Sync => millpond::Durability::Sync,
        Durability::Async => millpond::Durability::Async,
    });
    Ok(if place.exists() {
        let options = OpenOptions { durability, ..OpenOptions::default() };
        Container::open_with(&format!("{location}/bench"), options)?
    } else {
        let options = ContainerOptions { durability, ..ContainerOptions::default() };
        Pool::create(&location, PoolOptions::default())?.create_container(Some("bench"), options)?
    })
}

impl Peer for Millpond {
    fn session(&self) -> Result<Box<dyn Session + '_>> {
        Ok(Box::new(&self.dict))
    }

    fn compact(&self) -> Result<()> {
        Ok(self.container.compact()?)
    }

    fn len(&self) -> Result<Option<u64>> {
        Ok(Some(self.dict.len()?))
    }

    fn runs(&self) -> Result<Option<u64>> {
        let containers = self.directory.join("containers");
        let runs = containers.join(self.container.uuid().to_string()).join("runs");
        Ok(Some(fs::read_dir(runs)?.count() as u64))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.container.close()?)
    }
}

impl Session for &Dict {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        Dict::put(self, key, value)?;
        Ok(())
    }

    fn get(&mut self, key: &Key) -> Result<Option<u64>> {
        Ok(Dict::get(self, key)?.map(|value| touch(&value)))
    }

    fn put_many(&mut self, entries: &[(Key, &[u8])]) -> Result<()> {
        Ok(Dict::put_many(self, entries.iter().copied())?)
    }

    fn transact(&mut self, reads: &[Key], writes: &[(Key, &[u8])]) -> Result<u64> {
        let found = self.container().transaction(|transaction| {
            let within = self.within(transaction)?;
            let mut found = 0;
            for key in reads {
                if let Some(value) = within.get(key)? {
                    std::hint::black_box(touch(&value));
                    found += 1;
                }
            }
            for (key, value) in writes {
                within.put(key, value)?;
            }
            Ok(found)
        })?;
        Ok(found)
    }

    fn get_many(&mut self, keys: &[Key]) -> Result<u64> {
        let mut found = 0;
        for value in Dict::get_many(self, keys)?.into_iter().flatten() {
            std::hint::black_box(touch(&value));
            found += 1;
        }
        Ok(found)
    }

    fn scan(&mut self, limit: u64) -> Result<u64> {
        let (mut entries, mut count) = (self.iter()?, 0);
        while count < limit
            && let Some(entry) = entries.next_entry()?
        {
            let read = match entry.short_value()? {
                Some(value) => touch(value),
                None => touch(&entry.value()?),
            };
            std::hint::black_box((entry.key(), read));
            count += 1;
        }
        Ok(count)
    }
}
