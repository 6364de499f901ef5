//! Opening and creating the pool of a persistent engine.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::FileTypeExt},
    path::{Path, PathBuf},
};

use millpond::{
    Comparator, Container, ContainerOptions, Durability, ErrorKind, Label, OpenOptions, OrderedMap, Pool,
    PoolOptions,
};

use super::PersistentEngine;
use crate::{
    config::{Config, Item},
    error::{Error, Result},
    status::Status,
    traits::Traits,
};

/// Bytes in a pool at least: libpmemobj's minimum.
const POOL_BYTES_MIN: u64 = 8 << 20;

/// The name of the map in the container.
const MAP: &str = "records";

/// The label of a pool whose directory has a name that can't be one.
const LABEL: &str = "pmemkv";

/// What an engine does with the place that it is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Creation {
    Never,
    IfMissing,
    Always,
}

pub(crate) fn open(
    traits: &'static Traits,
    comparator: &Comparator,
    config: &Config,
) -> Result<PersistentEngine> {
    let path = place(traits, config)?;
    let creation = creation(config)?;
    let options = OpenOptions { durability: Some(durability(config)?), ..OpenOptions::default() };
    let url = url(&path);
    let pool = match creation {
        Creation::Always => create_pool(&path, comparator, config)?,
        Creation::Never => Pool::open(&url).map_err(refused)?,
        Creation::IfMissing => match Pool::open(&url) {
            Ok(pool) => pool,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                create_pool(&path, comparator, config).or_else(|error| {
                    // Another process may have been faster.
                    Pool::open(&url).map_err(|_| error)
                })?
            }
            Err(error) => return Err(refused(error)),
        },
    };
    in_pool(traits, comparator, &pool, creation, options)
}

/// An engine in a pool that is open already, made there if it is missing.
pub(crate) fn over(traits: &'static Traits, pool: &Pool) -> Result<PersistentEngine> {
    in_pool(traits, &Comparator::default(), pool, Creation::IfMissing, OpenOptions::default())
}

fn in_pool(
    traits: &'static Traits,
    comparator: &Comparator,
    pool: &Pool,
    creation: Creation,
    options: OpenOptions,
) -> Result<PersistentEngine> {
    let container = open_container(traits, pool, creation, options)?;
    let map = open_map(&container, comparator, creation)?;
    Ok(PersistentEngine { container, map })
}

fn create_pool(path: &Path, comparator: &Comparator, config: &Config) -> Result<Pool> {
    // Nothing is made for an order that this process doesn't know.
    comparator.order().map_err(refused)?;
    let mut options = PoolOptions { size: Some(config.size(POOL_BYTES_MIN)?), ..PoolOptions::default() };
    let name = path.file_name().and_then(OsStr::to_str);
    // A pool is labelled as its directory is named, where that can be a label.
    if name.is_none_or(|name| Label::new(name).is_err()) {
        options.properties.insert("label".to_owned(), LABEL.to_owned());
    }
    Pool::create(&url(path), options).map_err(refused)
}

fn open_container(
    traits: &Traits,
    pool: &Pool,
    creation: Creation,
    options: OpenOptions,
) -> Result<Container> {
    let label = label(traits.name);
    loop {
        match pool.open_container(&label, options.clone()) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => return other.map_err(refused),
        }
        expect_no_other_engine(traits, pool)?;
        if creation == Creation::Never {
            return Err(Error::invalid(format!(
                "the pool {pool} has no records of an engine: open it with create_if_missing"
            )));
        }
        match pool.create_container(Some(&label), ContainerOptions::default()) {
            // It is opened with the options then, as is one that another process was faster to make.
            Ok(container) => container.close().map_err(refused)?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(refused(error)),
        }
    }
}

/// The label of an engine's container: pmemkv's name of its layout.
fn label(engine: &str) -> String {
    if engine == "cmap" { "pmemkv".to_owned() } else { format!("pmemkv_{engine}") }
}

fn expect_no_other_engine(traits: &Traits, pool: &Pool) -> Result<()> {
    let containers = pool.containers()?;
    let is_there = |engine: &&Traits| {
        let label = label(engine.name);
        engine.name != traits.name
            && containers.iter().any(|container| container.label.as_deref() == Some(&*label))
    };
    match Traits::all().iter().filter(|engine| engine.persistent).find(is_there) {
        None => Ok(()),
        Some(other) => Err(Error::invalid(format!(
            "the pool {pool} was made by the engine {}: open it with that, or take another path for {}",
            other.name, traits.name
        ))),
    }
}

fn open_map(container: &Container, comparator: &Comparator, creation: Creation) -> Result<OrderedMap> {
    let map = match creation {
        Creation::Never => container.map_under(MAP, comparator),
        Creation::IfMissing | Creation::Always => container.open_or_create_map(MAP, comparator),
    };
    map.map_err(refused)
}

/// The directory of the pool, absolute.
fn place(traits: &Traits, config: &Config) -> Result<PathBuf> {
    let has_oid = match config.item("oid") {
        None => false,
        Some(Item::Config(_)) => true,
        Some(_) => {
            let message = "the item oid isn't an object: it would be one of libpmemobj's";
            return Err(Error::new(Status::ConfigTypeError, message));
        }
    };
    let path = match (config.text("path")?, has_oid) {
        (Some(_), true) => {
            return Err(Error::invalid("the configuration has both path and oid: give the path"));
        }
        (None, true) => {
            let what = "place in a pool of libpmemobj's, which an oid would be: give it a path";
            return Err(Error::not_supported(traits.name, what));
        }
        (None, false) => return config.path().map(PathBuf::from),
        (Some(path), false) => path,
    };
    let absolute = std::path::absolute(path)
        .map_err(|error| Error::invalid(format!("{path:?} is no path of a pool: {error}")))?;
    let found = fs::metadata(&absolute).map(|found| found.file_type());
    match found {
        Ok(kind) if kind.is_char_device() || kind.is_block_device() => {
            Err(Error::invalid(format!("{path:?} is a device: give a directory of a file system on it")))
        }
        Ok(kind) if !kind.is_dir() => Err(Error::invalid(format!(
            "{path:?} is a file: an engine's pool is a directory. A file or a poolset of pmemkv's can't be opened"
        ))),
        // Only the pool's own directory is made.
        Err(_) if absolute.parent().is_none_or(|parent| !parent.is_dir()) => {
            Err(Error::invalid(format!("the directory that {path:?} would be in isn't there: make it first")))
        }
        _ => Ok(absolute),
    }
}

fn creation(config: &Config) -> Result<Creation> {
    let if_missing = config.flag("create_if_missing")?.unwrap_or(false);
    // The older name counts where the newer one isn't given.
    let always = match config.flag("create_or_error_if_exists")? {
        Some(always) => always,
        None => config.flag("force_create")?.unwrap_or(false),
    };
    match (if_missing, always) {
        (true, true) => Err(Error::invalid(
            "the configuration has both create_if_missing and create_or_error_if_exists: give one of them",
        )),
        (true, false) => Ok(Creation::IfMissing),
        (false, true) => Ok(Creation::Always),
        (false, false) => Ok(Creation::Never),
    }
}

/// When a change counts as done: ours alone, since pmemkv's were always durable.
fn durability(config: &Config) -> Result<Durability> {
    match config.text("durability")? {
        None | Some("sync") => Ok(Durability::Sync),
        Some("async") => Ok(Durability::Async),
        Some(other) => Err(Error::invalid(format!("the durability is \"sync\" or \"async\", not {other:?}"))),
    }
}

/// What can't be opened or created, with pmemkv's status for that.
fn refused(error: millpond::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::AlreadyExists | ErrorKind::Incompatible => {
            Error::invalid(error.to_string())
        }
        _ => error.into(),
    }
}

/// The URL of a directory.
fn url(path: &Path) -> String {
    let mut url = "file://".to_owned();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(byte) {
            url.push(char::from(*byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_any_bytes_have_a_url() {
        assert_eq!(url(Path::new("/dev/shm/a b%c?")), "file:///dev/shm/a%20b%25c%3F");
        assert_eq!(url(Path::new("/tmp/mühle")), "file:///tmp/m%C3%BChle");
    }

    #[test]
    fn containers_are_labelled_by_layout() {
        assert_eq!((label("cmap").as_str(), label("stree").as_str()), ("pmemkv", "pmemkv_stree"));
    }
}
