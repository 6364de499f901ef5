//! From a name and a configuration to what keeps the records.

use std::{fs, path::Path};

use millpond::Comparator;

use crate::{
    backend::Backend,
    blackhole::Blackhole,
    config::Config,
    error::{Error, Result},
    order::Order,
    persistent,
    traits::Traits,
    volatile::{HashEngine, SortedEngine},
};

/// Bytes in a volatile engine at least: memkind's minimum.
const VOLATILE_BYTES_MIN: u64 = 16 << 20;

pub(crate) fn backend(traits: &'static Traits, config: &Config) -> Result<Box<dyn Backend>> {
    match traits.name {
        "blackhole" => Ok(Box::new(Blackhole)),
        // It takes no configuration.
        "dram_vcmap" => Ok(Box::new(HashEngine::new(traits.name, u64::MAX))),
        "vcmap" => Ok(Box::new(HashEngine::new(traits.name, volatile_size(config)?))),
        "vsmap" => {
            let size = volatile_size(config)?;
            Ok(Box::new(SortedEngine::new(Order::of(&comparator(traits, config)?)?, size)))
        }
        _ => Ok(Box::new(persistent::open(traits, &comparator(traits, config)?, config)?)),
    }
}

/// The size of a volatile engine whose directory is there. Nothing is written to it.
fn volatile_size(config: &Config) -> Result<u64> {
    let path = config.path()?;
    let size = config.size(VOLATILE_BYTES_MIN)?;
    let is_directory = fs::metadata(Path::new(path)).is_ok_and(|found| found.is_dir());
    if !is_directory {
        return Err(Error::invalid(format!(
            "{path:?} is no directory: a volatile engine's path is one that exists (nothing is written to it)"
        )));
    }
    Ok(size)
}

/// The order of the engine's keys. Engines without one ignore the item, as they do all that they don't know;
/// one whose order is always the same refuses another.
fn comparator(traits: &Traits, config: &Config) -> Result<Comparator> {
    if !traits.sorted {
        return Ok(Comparator::default());
    }
    let comparator: Comparator = config.text("comparator")?.map_or(Ok(Comparator::default()), str::parse)?;
    if !traits.comparator && comparator != Comparator::Bytes {
        let what = format!("order but that of the keys' bytes: leave out the comparator {comparator}");
        return Err(Error::not_supported(traits.name, &what));
    }
    Ok(comparator)
}
