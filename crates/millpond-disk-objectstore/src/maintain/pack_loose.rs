//! From loose to packed.

use std::io::Read;

use millpond::{BlobId, Error, ErrorKind, Hasher, Progress, Result};

use crate::{
    files,
    folder::Folder,
    index::Written,
    progress::{Steps, lend},
    read::corrupt,
    write::Packing,
    zlib::{CompressMode, Sample, should_compress},
};

/// An object that isn't larger is read at once.
const BUFFER: u64 = 1 << 20;

/// How loose objects are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackLooseOptions {
    /// Which to compress. None of them is compressed so far, so that [`CompressMode::Keep`] is
    /// [`CompressMode::No`].
    pub compress: CompressMode,
    /// Whether an object that doesn't have its digest ends the operation.
    pub validate: bool,
    /// Whether packs are durable before the index names what is in them.
    pub sync: bool,
    /// Whether loose files go as soon as their pack is done, which then is durable in any case.
    pub clean_per_pack: bool,
}

impl Default for PackLooseOptions {
    /// Uncompressed, validated, durable; loose files stay until [`Folder::clean_storage`].
    fn default() -> Self {
        Self { compress: CompressMode::No, validate: true, sync: true, clean_per_pack: false }
    }
}

impl Folder {
    /// Packs all loose objects that aren't packed. Readers, and writers of loose objects, go on
    /// meanwhile. `progress` is told of bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] where a loose object isn't the one of its id, [`ErrorKind::Timeout`] where
    /// somebody else packs; and where the disk or `progress` fails. Packs that were done before stay done.
    pub fn pack_all_loose(
        &self,
        options: PackLooseOptions,
        mut progress: Option<&mut dyn Progress>,
    ) -> Result<()> {
        let packer = self.packer()?;
        let loose = self.with_index(|index| Ok(index.find_all(self.list_loose()?)?.absent))?;
        let mut steps = Steps::begin(lend(&mut progress), None, || {
            Ok((self.size_loose()?, "Packing loose objects".to_owned()))
        })?;
        let sync = options.sync || options.clean_per_pack;
        let mut packing = Packing::new(self, packer, sync, Written::Committed);
        let mut buffer = Vec::new();
        for id in loose {
            if packing.is_full()? {
                self.complete(&mut packing, options)?;
            }
            if let Some(size) = self.pack_one(&mut packing, &id, options, &mut buffer)? {
                steps.advance(size)?;
            }
        }
        self.complete(&mut packing, options)?;
        steps.end()
    }

    fn complete(&self, packing: &mut Packing, options: PackLooseOptions) -> Result<()> {
        let rows = packing.complete()?;
        if options.clean_per_pack {
            for row in rows {
                files::remove(&self.loose_path(&row.id)?)?;
            }
        }
        Ok(())
    }

    /// Packs one object. Answers its size, nothing where it can't be read or is gone.
    fn pack_one(
        &self,
        packing: &mut Packing,
        id: &BlobId,
        options: PackLooseOptions,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<u64>> {
        let path = self.loose_path(id)?;
        let mut file = match files::open(&path) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(None),
            // It stays loose until it can be read.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(None),
            Err(error) => return Err(error),
        };
        let failed = |error| Error::io(format!("reading {}", path.display()), error);
        let size = file.metadata().map_err(failed)?.len();
        let mut hasher = options.validate.then(|| Ok(Hasher::new(self.config()?.hash_type))).transpose()?;
        let read = |file: &mut std::fs::File, buffer: &mut Vec<u8>| {
            buffer.clear();
            file.by_ref().take(BUFFER).read_to_end(buffer).map_err(failed)
        };
        let mut length = read(&mut file, buffer)?;
        let compress = if size <= length as u64 {
            should_compress(options.compress, None, size, buffer.as_slice())?
        } else {
            should_compress(options.compress, None, size, &LooseFile { file: &file, id })?
        };
        let mut begun = packing.begin(compress)?;
        let appended = loop {
            if length == 0 {
                break Ok(());
            }
            if let Some(hasher) = &mut hasher {
                hasher.update(buffer);
            }
            if let Err(error) = packing.append(&mut begun, buffer) {
                break Err(error);
            }
            match read(&mut file, buffer) {
                Ok(more) => length = more,
                Err(error) => break Err(error),
            }
        };
        let is_sound = hasher.is_none_or(|hasher| hasher.finish() == *id);
        match appended {
            Ok(()) if is_sound => {
                let size = begun.size();
                packing.end(begun, *id)?;
                Ok(Some(size))
            }
            Ok(()) => Err(corrupt(id, "its loose file has another digest")),
            Err(error) => Err(error),
        }
    }
}

struct LooseFile<'a> {
    file: &'a std::fs::File,
    id: &'a BlobId,
}

impl Sample for LooseFile<'_> {
    fn read_at(&self, room: &mut [u8], offset: u64) -> Result<usize> {
        let read = files::read_at(self.file, room, offset);
        read.map_err(|error| Error::io(format!("reading loose object {}", self.id), error))
    }
}
