//! The two contracts as a transaction offers them to the data models.

use std::{fmt, sync::Arc};

use millpond_core::{
    At, Commit, Epoch, Error, ErrorKind, Extent, Index, Key, Outcome, Record, Result, SegmentWriter,
    Segments, View,
};

use super::{
    state::{OWN_WRITES, State},
    view::TransactionView,
};
use crate::container::{Container, Scope};

/// See the module.
pub(super) struct TransactionScope {
    state: Arc<State>,
}

impl TransactionScope {
    pub(super) fn new(state: Arc<State>) -> Self {
        Self { state }
    }
}

impl Scope for TransactionScope {
    fn index(&self) -> &dyn Index {
        self
    }

    fn segments(&self) -> &dyn Segments {
        self
    }

    fn check_writable(&self, _: &Container) -> Result<()> {
        self.state.check_writable()
    }

    fn is_transaction(&self) -> bool {
        true
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" (in a transaction)")
    }
}

impl Index for TransactionScope {
    fn commit(&self, commit: &Commit<'_>) -> Result<Outcome> {
        self.state.write(commit)
    }

    fn view(&self, at: At) -> Result<Box<dyn View>> {
        match at {
            At::Latest => Ok(Box::new(TransactionView::new(Arc::clone(&self.state))?)),
            At::Epoch(epoch) => {
                let message = format!("a transaction shows its own state, not epoch {epoch}");
                Err(Error::new(ErrorKind::InvalidArgument, message))
            }
        }
    }

    fn get(&self, key: Key<'_>) -> Result<Option<Record>> {
        self.state.get(key)
    }

    fn epoch(&self) -> Result<Epoch> {
        self.state.check()?;
        Ok(Epoch(OWN_WRITES | self.state.number()))
    }

    fn flush(&self) -> Result<Epoch> {
        Err(whole("made durable before it commits"))
    }
}

impl Segments for TransactionScope {
    fn writer(&self) -> Result<Box<dyn SegmentWriter>> {
        self.state.check_writable()?;
        self.state.writers.writer(self.state.base_segments()?)
    }

    fn read(&self, extent: &Extent, offset: u64, into: &mut [u8]) -> Result<()> {
        self.state.check()?;
        self.state.base_segments()?.read(extent, offset, into)
    }
}

fn whole(what: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("what a transaction sees can't be {what}"))
}
