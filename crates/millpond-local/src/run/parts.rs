//! The parts of a run's file that are read whole, each with its checksum.

use millpond_core::{ErrorKind, Result};

use super::{
    block::{BLOCK_BYTES_MAX, BLOCK_BYTES_MIN},
    filter::{Filter, FilterBytes},
    footer::{FOOTER_BYTES, Footer, Section},
    index::{Index, Sizes},
    mapped::MappedRun,
};
use crate::{
    identity::{HEADER_BYTES, Identity},
    media::{File, FileExt},
};

/// See the module.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) file: &'a dyn File,
    pub(super) identity: &'a Identity,
}

impl Parts<'_> {
    /// The length of the file.
    pub(super) fn length(self) -> Result<u64> {
        self.file.length().map_err(|error| self.identity.io("ask the length of", error))
    }

    /// Checks the header of a file of that length.
    ///
    /// # Errors
    /// `Corrupt` when it is damaged, `Incompatible` when it is whole, and not that of this run.
    pub(super) fn header(self, length: u64) -> Result<()> {
        if length < HEADER_BYTES as u64 {
            return Err(self.identity.corrupt(length, "the run is cut off in its header"));
        }
        let mut header = [0; HEADER_BYTES];
        self.read_into(0, &mut header)?;
        let checked = self.identity.check_header(&header).map(drop);
        if Identity::is_whole(&header) {
            return checked;
        }
        checked.map_err(|error| error.with_kind(ErrorKind::Corrupt))
    }

    /// Reads the footer of a file of that length.
    pub(super) fn footer(self, length: u64) -> Result<Footer> {
        if length < (HEADER_BYTES + FOOTER_BYTES) as u64 {
            return Err(self.identity.corrupt(length, "the run is cut off behind its header"));
        }
        let offset = length - FOOTER_BYTES as u64;
        let bytes = self.read(offset, FOOTER_BYTES)?;
        Footer::decode(&bytes, self.identity, length).map_err(|what| self.identity.corrupt(offset, what))
    }

    /// Reads the index that the footer names.
    pub(super) fn index(self, footer: &Footer) -> Result<Index> {
        let bytes = self.section(footer.index, "the index")?;
        let sizes = Sizes { min: BLOCK_BYTES_MIN, max: BLOCK_BYTES_MAX };
        Index::decode(&bytes, HEADER_BYTES as u64, footer.filter.offset, sizes)
            .map_err(|what| self.identity.corrupt(footer.index.offset, what))
    }

    /// The filter, in memory or where it is mapped.
    pub(super) fn filter(self, footer: &Footer, mapped: Option<&MappedRun>) -> Result<Filter> {
        let bytes = self.section(footer.filter, "the filter")?;
        let refuse = || self.identity.corrupt(footer.filter.offset, "the filter has an impossible length");
        let bytes = match mapped {
            Some(mapped) => mapped.filter(footer.filter.offset, footer.filter.length),
            None => FilterBytes::Own(bytes),
        };
        Filter::new(bytes).ok_or_else(refuse)
    }

    /// Reads a part that the footer names, which lies within the file.
    fn section(self, section: Section, name: &str) -> Result<Vec<u8>> {
        let bytes = self.read(section.offset, section.length as usize)?;
        if self.identity.checksum(section.offset, &bytes) != section.checksum {
            return Err(self.identity.corrupt(section.offset, format_args!("{name} fails its checksum")));
        }
        Ok(bytes)
    }

    pub(super) fn read(self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.read_into(offset, &mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn read_into(self, offset: u64, into: &mut [u8]) -> Result<()> {
        match self.file.read_exact_at(into, offset) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(self.identity.corrupt(offset, "the run is cut off"))
            }
            Err(error) => Err(self.identity.io(format_args!("read byte {offset} of"), error)),
        }
    }
}
