//! `millpond blob optimize`, `pack`, `repack` and `validate`.

use std::ffi::OsString;

use clap::Args;
use millpond::{Compression, Error, ErrorKind, OptimizeOptions, Optimized, format_size};
use serde_json::json;

use super::{StoreName, compression};
use crate::{
    failure::{Failure, Outcome},
    output::{Bar, Output, Table, plural},
};

pub(super) const OPTIMIZE_EXAMPLES: &str = "\
Examples:
  millpond blob optimize lab/files
  millpond blob optimize lab/files --compression zstd+19 --recompress
  millpond blob optimize pack lab/files
  millpond blob optimize repack lab/files

With pack or repack before the name it does what those commands do. Others may read and write meanwhile. It needs about 64 MiB of free space, however large the store is.";

pub(super) const VALIDATE_EXAMPLES: &str = "\
Examples:
  millpond blob validate lab/files
  millpond blob validate lab/files --full --json";

#[derive(Args)]
pub(crate) struct OptimizeCommand {
    /// The container of the store; before it, pack or repack does only that.
    #[arg(required = true, num_args = 1..=2, value_name = "POOL/CONTAINER")]
    words: Vec<OsString>,
    /// The store in it, where it isn't the one that is called blobs.
    #[arg(long, value_name = "NAME", default_value = "blobs")]
    store: String,
    /// How blobs are to be stored that look worth it; the store's setting decides otherwise.
    #[arg(long, value_name = "CODEC", value_parser = compression)]
    compression: Option<Compression>,
    /// Compress anew what is compressed by another codec.
    #[arg(long)]
    recompress: bool,
}

#[derive(Args)]
pub(crate) struct RepackCommand {
    #[command(flatten)]
    store: StoreName,
    /// How blobs are to be stored; the store's setting decides otherwise.
    #[arg(long, value_name = "CODEC", value_parser = compression)]
    compression: Option<Compression>,
}

#[derive(Args)]
pub(crate) struct ValidateCommand {
    #[command(flatten)]
    store: StoreName,
    /// Decode every blob too, and compare its hash with its id.
    #[arg(long)]
    full: bool,
}

impl OptimizeCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let mut words = self.words.into_iter();
        let (first, second) = (words.next().unwrap_or_default(), words.next());
        let (verb, container) = match second {
            Some(container) => (first.to_string_lossy().into_owned(), container),
            None => (String::new(), first),
        };
        let store = StoreName { container: container.into(), store: self.store };
        match verb.as_str() {
            "" => optimize(&store, self.compression, self.recompress, output),
            "pack" => pack(&store, output),
            "repack" => optimize(&store, self.compression, true, output),
            other => Err(Failure::usage(format!("optimize {other:?}: write pack, repack, or nothing"))),
        }
    }
}

impl RepackCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        optimize(&self.store, self.compression, true, output)
    }
}

impl ValidateCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let blobs = self.store.read()?;
        let validated = {
            let bar = output.progress("validating", Some(0));
            blobs.validate(self.full, &mut Bar::new(&bar))?
        };
        let wrong = validated.invalid.len() + validated.unreadable.len();
        let show = |page: &mut crate::output::Page<'_>| {
            let read = format!("{}, {} read", plural(validated.count, "blob"), format_size(validated.bytes));
            if validated.is_valid() {
                return page.good(&read);
            }
            page.bad(&format!("{read}, {} wrong", plural(wrong as u64, "place")))?;
            let mut table = Table::new(["BLOB", "WHAT"]);
            for (id, what) in &validated.invalid {
                table.row([&id.to_string(), what]);
            }
            for what in &validated.unreadable {
                table.row([&"-".to_owned(), what]);
            }
            page.table(&table)
        };
        if validated.is_valid() {
            return output.respond(&validated, show);
        }
        let message = format!(
            "{} has {}: restore it from a copy, or see what `millpond container check --repair` can do",
            self.store.shown(),
            plural(wrong as u64, "damage")
        );
        output.respond_failed(&validated, &Error::new(ErrorKind::Corrupt, message), show)
    }
}

fn optimize(
    store: &StoreName,
    compression: Option<Compression>,
    recompress: bool,
    output: &mut Output<'_, '_>,
) -> Outcome {
    let blobs = store.write()?;
    let options = OptimizeOptions { compression, recompress, keep_dead: false };
    let optimized = {
        let bar = output.progress("optimizing", Some(0));
        blobs.optimize(options, &mut Bar::new(&bar))?
    };
    blobs.container().close()?;
    let Optimized { examined, changed, size_before, size_after, memory_peak } = optimized;
    output.respond(&optimized, |page| {
        page.line(&format!(
            "{changed} of {} stored anew: {} before, {} now; at most {} of memory",
            plural(examined, "blob"),
            format_size(size_before),
            format_size(size_after),
            format_size(memory_peak)
        ))
    })
}

pub(super) fn pack(store: &StoreName, output: &mut Output<'_, '_>) -> Outcome {
    let blobs = store.write()?;
    let container = blobs.container();
    let used = |container: &millpond::Container| container.pool().query().map(|pool| pool.used);
    let before = used(container)?;
    {
        let _spinner = output.progress("packing", None);
        container.compact()?;
    }
    let after = used(container)?;
    container.close()?;
    output.respond(&json!({ "used_before": before, "used_after": after }), |page| {
        page.line(&format!("{} in use before, {} now", format_size(before), format_size(after)))
    })
}
