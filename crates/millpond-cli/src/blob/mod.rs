//! `millpond blob`: content-addressed stores, and the files in them.

mod add;
mod cat;
mod maintain;
mod migrate;

use clap::{Args, Subcommand};
use millpond::{
    BlobId, BlobMeta, BlobSettings, BlobStore, Blobs, Compression, Container, ContainerOptions,
    ContainerType, Error, ErrorKind, HashType, OpenOptions, format_size,
};
use serde_json::json;

use crate::{
    backup::{self, BackupCommand, RestoreCommand},
    failure::Outcome,
    names::{self, ContainerName},
    output::{Output, Table, plural},
};

const INIT_EXAMPLES: &str = "\
Examples:
  millpond blob init lab/files
  millpond blob init lab/files --compression zstd+9
  millpond blob init file:///data/lab/files --hash blake3";

#[derive(Subcommand)]
pub(crate) enum BlobCommand {
    /// Make a store of blobs, and the container that it is in where there is none.
    #[command(after_help = INIT_EXAMPLES)]
    Init {
        #[command(flatten)]
        store: StoreName,
        /// The hash that names blobs: sha256, sha1 or blake3.
        #[arg(long, value_name = "HASH", default_value = "sha256", value_parser = hash)]
        hash: HashType,
        /// How blobs are stored that look worth compressing: none, zlib, zstd, or one with a level.
        #[arg(long, value_name = "CODEC", default_value = "zstd", value_parser = compression)]
        compression: Compression,
    },

    /// Print how many blobs and bytes there are.
    #[command(after_help = "Examples:\n  millpond blob status lab/files")]
    Status {
        #[command(flatten)]
        store: StoreName,
    },

    /// Store files, and print the id of each.
    #[command(after_help = add::EXAMPLES)]
    AddFiles(add::AddCommand),

    /// Write a blob to the standard output.
    #[command(visible_alias = "cat-file", after_help = cat::EXAMPLES)]
    Cat(cat::CatCommand),

    /// Print what is known of blobs.
    #[command(
        after_help = "Examples:\n  millpond blob inspect lab/files ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )]
    Inspect {
        #[command(flatten)]
        store: StoreName,
        /// Their ids.
        #[arg(required = true, value_parser = id)]
        ids: Vec<BlobId>,
    },

    /// List the ids of all blobs.
    #[command(visible_alias = "ls", after_help = "Examples:\n  millpond blob list lab/files | wc -l")]
    List {
        #[command(flatten)]
        store: StoreName,
    },

    /// Delete blobs.
    #[command(
        after_help = "Examples:\n  millpond blob delete lab/files ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )]
    Delete {
        #[command(flatten)]
        store: StoreName,
        /// Their ids.
        #[arg(required = true, value_parser = id)]
        ids: Vec<BlobId>,
    },

    /// Compress what looks worth it and isn't compressed, and give back the space.
    #[command(after_help = maintain::OPTIMIZE_EXAMPLES)]
    Optimize(maintain::OptimizeCommand),

    /// Merge what lies in many places and give back what is dead; blobs stay as they are stored.
    #[command(after_help = "Examples:\n  millpond blob pack lab/files")]
    Pack {
        #[command(flatten)]
        store: StoreName,
    },

    /// Store blobs anew that another codec has compressed, and give back the space.
    #[command(after_help = "Examples:\n  millpond blob repack lab/files --compression zstd+19")]
    Repack(maintain::RepackCommand),

    /// Read every blob and compare it with its checksums or, with --full, with its id.
    #[command(after_help = maintain::VALIDATE_EXAMPLES)]
    Validate(maintain::ValidateCommand),

    /// Store what is in a folder of disk-objectstore; the folder stays as it is.
    #[command(after_help = migrate::EXAMPLES)]
    Migrate(migrate::MigrateCommand),

    /// Write a backup of the container to a new directory in DIR, as `container backup` does.
    #[command(after_help = backup::BACKUP_EXAMPLES)]
    Backup(BackupCommand),

    /// Make a container of a backup, as `container restore` does.
    #[command(after_help = backup::RESTORE_EXAMPLES)]
    Restore(RestoreCommand),
}

/// Which store of blobs.
#[derive(Args, Clone)]
pub(crate) struct StoreName {
    #[command(flatten)]
    container: ContainerName,
    /// The store in it, where it isn't the one that is called blobs.
    #[arg(long, value_name = "NAME", default_value = "blobs")]
    store: String,
}

impl BlobCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        match self {
            Self::Init { store, hash, compression } => {
                init(&store, BlobSettings { hash, compression }, output)
            }
            Self::Status { store } => status(&store, output),
            Self::AddFiles(command) => command.run(output),
            Self::Cat(command) => command.run(output),
            Self::Inspect { store, ids } => inspect(&store, &ids, output),
            Self::List { store } => list(&store, output),
            Self::Delete { store, ids } => delete(&store, &ids, output),
            Self::Optimize(command) => command.run(output),
            Self::Pack { store } => maintain::pack(&store, output),
            Self::Repack(command) => command.run(output),
            Self::Validate(command) => command.run(output),
            Self::Migrate(command) => command.run(output),
            Self::Backup(command) => command.run(output),
            Self::Restore(command) => command.run(output),
        }
    }
}

impl StoreName {
    /// Opens it to look at it.
    fn read(&self) -> Outcome<Blobs> {
        self.find(&self.container.read()?)
    }

    /// Opens it for writing.
    fn write(&self) -> Outcome<Blobs> {
        self.find(&self.container.open(OpenOptions::default())?)
    }

    fn find(&self, container: &Container) -> Outcome<Blobs> {
        let suggest = |error| names::suggest(error, &self.store, container.blob_stores().unwrap_or_default());
        container.blobs(&self.store).map_err(|error| suggest(error).into())
    }

    /// As people write it.
    fn shown(&self) -> String {
        match self.store.as_str() {
            "blobs" => self.container.shown(),
            store => format!("{} --store {store}", self.container.shown()),
        }
    }
}

fn hash(text: &str) -> Result<HashType, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

fn compression(text: &str) -> Result<Compression, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

fn id(text: &str) -> Result<BlobId, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

fn init(name: &StoreName, settings: BlobSettings, output: &mut Output<'_, '_>) -> Outcome {
    let container = match name.container.open(OpenOptions::default()) {
        Err(crate::failure::Failure::Failed(error)) if error.kind() == ErrorKind::NotFound => {
            let Some((pool, label)) = name.container.parts() else { return Err(error.into()) };
            let options =
                ContainerOptions { container_type: ContainerType::BLOB, ..ContainerOptions::default() };
            names::open_pool(pool)?.create_container(Some(label), options)?
        }
        other => other?,
    };
    container.create_blobs(&name.store, settings)?;
    container.close()?;
    let response = json!({
        "created": name.store,
        "hash": settings.hash,
        "compression": settings.compression.to_string(),
    });
    output.respond(&response, |page| page.line(&format!("created a store of blobs in {}", name.shown())))
}

fn status(name: &StoreName, output: &mut Output<'_, '_>) -> Outcome {
    let blobs = name.read()?;
    let status = blobs.status()?;
    let settings = blobs.settings();
    let response = json!({
        "count": status.count,
        "raw_size": status.raw_size,
        "size": status.size,
        "hash": settings.hash,
        "compression": settings.compression.to_string(),
    });
    output.respond(&response, |page| {
        page.line(&plural(status.count, "blob"))?;
        page.line(&format!("{} of content", format_size(status.raw_size)))?;
        page.line(&format!("{} stored", format_size(status.size)))?;
        page.line(&format!("named by {}, {} where it is worth it", settings.hash, settings.compression))
    })
}

fn inspect(name: &StoreName, ids: &[BlobId], output: &mut Output<'_, '_>) -> Outcome {
    let metas = name.read()?.meta_many(ids)?;
    let found: Vec<&BlobMeta> = metas.iter().flatten().collect();
    let response: Vec<_> = found
        .iter()
        .map(|meta| {
            let note = meta.note.as_deref().map(String::from_utf8_lossy);
            json!({
                "id": meta.id, "raw_size": meta.raw_size, "size": meta.size, "codec": meta.codec, "note": note,
            })
        })
        .collect();
    let show = |page: &mut crate::output::Page<'_>| {
        let mut table = Table::new(["ID", "SIZE", "STORED", "CODEC"]);
        for meta in &found {
            table.row([
                &meta.id.to_string(),
                &format_size(meta.raw_size),
                &format_size(meta.size),
                &meta.codec.to_string(),
            ]);
        }
        page.table(&table)
    };
    match std::iter::zip(ids, &metas).find(|(_, meta)| meta.is_none()) {
        Some((missing, _)) => output.respond_failed(&response, &no_blob(missing, name), show),
        None => output.respond(&response, show),
    }
}

fn list(name: &StoreName, output: &mut Output<'_, '_>) -> Outcome {
    let blobs = name.read()?;
    let is_json = output.is_json();
    if is_json {
        output.begin("[", "]")?;
    }
    let mut is_first = true;
    for id in blobs.list()? {
        let id = id?;
        output.raw(|to| match (is_json, is_first) {
            (true, true) => write!(to, "\"{id}\""),
            (true, false) => write!(to, ",\"{id}\""),
            (false, _) => writeln!(to, "{id}"),
        })?;
        is_first = false;
    }
    if is_json { output.finish() } else { Ok(()) }
}

fn delete(name: &StoreName, ids: &[BlobId], output: &mut Output<'_, '_>) -> Outcome {
    let blobs = name.write()?;
    let deleted = blobs.delete(ids)?;
    blobs.container().close()?;
    let show = |page: &mut crate::output::Page<'_>| {
        page.line(&format!("deleted {} of {}", plural(deleted.len() as u64, "blob"), name.shown()))
    };
    let response = json!({ "deleted": deleted });
    match ids.iter().find(|id| !deleted.contains(id)) {
        Some(missing) => output.respond_failed(&response, &no_blob(missing, name), show),
        None => output.respond(&response, show),
    }
}

fn no_blob(id: &BlobId, name: &StoreName) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no blob {id} in {}", name.shown()))
}
