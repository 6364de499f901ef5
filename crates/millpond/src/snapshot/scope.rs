//! A handle on a container as it was: the contracts over one past epoch, for reading.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use millpond_core::{
    At, Commit, Epoch, Error, ErrorKind, Extent, Index, Key, Outcome, Record, Result, SegmentWriter,
    Segments, View,
};

use super::{Moment, find};
use crate::container::{Container, Scope};

/// See the module.
pub(super) struct SnapshotScope {
    /// The container, as it is now.
    container: Container,
    epoch: Epoch,
    /// The snapshot's, if it was asked for by name.
    name: Option<String>,
    /// As of this epoch the snapshot was there.
    there: AtomicU64,
}

impl SnapshotScope {
    pub(super) fn new(container: &Container, moment: Moment<'_>) -> Result<Self> {
        let newest = container.index()?.view(At::Latest)?;
        let (epoch, name) = match moment {
            Moment::Now => (newest.epoch(), None),
            Moment::Snapshot(name) => (find(container, &*newest, name)?.epoch, Some(name.to_owned())),
            Moment::Epoch(epoch) => (epoch, None),
        };
        let there = AtomicU64::new(newest.epoch().0);
        let scope = Self { container: container.clone(), epoch, name, there };
        scope.base_view(epoch)?;
        Ok(scope)
    }

    /// # Errors
    /// `NotFound` when the snapshot was destroyed.
    fn check_there(&self) -> Result<()> {
        let Some(name) = &self.name else { return Ok(()) };
        let index = self.container.index()?;
        let newest = index.epoch()?;
        if self.there.load(Ordering::Relaxed) == newest.0 {
            return Ok(());
        }
        let view = index.view(At::Latest)?;
        let found = find(&self.container, &*view, name);
        match found {
            Ok(snapshot) if snapshot.epoch == self.epoch => {
                self.there.store(view.epoch().0, Ordering::Relaxed);
                Ok(())
            }
            Ok(_) => Err(self.destroyed(name)),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(self.destroyed(name)),
            Err(error) => Err(error),
        }
    }

    fn destroyed(&self, name: &str) -> Error {
        let message = format!("the snapshot {name:?} of {} was destroyed", self.container);
        Error::new(ErrorKind::NotFound, message)
    }

    fn base_view(&self, epoch: Epoch) -> Result<Box<dyn View>> {
        self.check_there()?;
        self.container.index()?.view(At::Epoch(epoch)).map_err(|error| match error.kind() {
            ErrorKind::EpochGone if self.name.is_none() => error.context(format_args!(
                "{} can't be shown as it was at epoch {epoch}: take a snapshot of what is to stay",
                self.container
            )),
            _ => error,
        })
    }

    fn read_only(&self) -> Error {
        let message = format!("{}{self} is for reading only", self.container);
        Error::new(ErrorKind::ReadOnly, message)
    }
}

impl Scope for SnapshotScope {
    fn index(&self) -> &dyn Index {
        self
    }

    fn segments(&self) -> &dyn Segments {
        self
    }

    fn check_writable(&self, _: &Container) -> Result<()> {
        Err(self.read_only())
    }

    fn is_read_only(&self) -> bool {
        true
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SnapshotScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, " (at the snapshot {name:?})"),
            None => write!(f, " (at epoch {})", self.epoch),
        }
    }
}

impl Index for SnapshotScope {
    fn commit(&self, _: &Commit<'_>) -> Result<Outcome> {
        Err(self.read_only())
    }

    fn view(&self, at: At) -> Result<Box<dyn View>> {
        match at {
            At::Latest => self.base_view(self.epoch),
            At::Epoch(epoch) if epoch <= self.epoch => self.base_view(epoch),
            At::Epoch(epoch) => {
                let message = format!("epoch {epoch} comes after what{self} shows");
                Err(Error::new(ErrorKind::InvalidArgument, message))
            }
        }
    }

    fn get(&self, key: Key<'_>) -> Result<Option<Record>> {
        self.base_view(self.epoch)?.get(key)
    }

    fn epoch(&self) -> Result<Epoch> {
        self.check_there()?;
        Ok(self.epoch)
    }

    fn flush(&self) -> Result<Epoch> {
        Err(self.read_only())
    }
}

impl Segments for SnapshotScope {
    fn writer(&self) -> Result<Box<dyn SegmentWriter>> {
        Err(self.read_only())
    }

    fn read(&self, extent: &Extent, offset: u64, into: &mut [u8]) -> Result<()> {
        self.container.segments()?.read(extent, offset, into)
    }
}
