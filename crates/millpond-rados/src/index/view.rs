//! Views: the state of the index at an epoch.
//!
//! The cluster knows no views. One is an epoch, and stays readable as long as the horizon hasn't
//! passed it, which every read of something superseded asks in the same operation: whoever reads
//! too late is told `EpochGone`, and never shown another state.

use std::sync::Arc;

use millpond_core::{
    At, ChangeCursor, Cursor, Direction, Epoch, Error, ErrorKind, Key, KeyRange, Record, Result, View,
};

use super::{changes::Changes, cursor, read};
use crate::{
    container::{Container, Pin},
    layout::keys::{self, HORIZON, RECORDS, RETAINED},
};

/// Opens a view.
pub(crate) fn open(container: &Arc<Container>, at: At) -> Result<Box<dyn View>> {
    let epoch = match at {
        At::Latest => container.read(&[], vec![])?.head.epoch,
        At::Epoch(epoch) => {
            let answer = container.read(&[HORIZON, RETAINED], vec![])?;
            if epoch > answer.head.epoch {
                let message =
                    format!("epoch {epoch} is still to come: the newest one is {}", answer.head.epoch);
                return Err(Error::new(ErrorKind::InvalidArgument, message));
            }
            if epoch < answer.head.epoch {
                container.retention(&answer)?.check(epoch)?;
            }
            epoch
        }
    };
    Ok(Box::new(RadosView { pin: Arc::new(container.pin(epoch)) }))
}

struct RadosView {
    pin: Arc<Pin>,
}

impl View for RadosView {
    fn epoch(&self) -> Epoch {
        self.pin.epoch
    }

    fn get(&self, key: Key<'_>) -> Result<Option<Record>> {
        Ok(self.get_many(&[key])?.pop().flatten())
    }

    fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Option<Record>>> {
        let records: Vec<_> = keys.iter().map(|key| keys::of_key(RECORDS, *key)).collect();
        read::get_many(&self.pin.container, self.pin.epoch, &records)
    }

    fn scan(&self, range: KeyRange<'_>, direction: Direction) -> Result<Box<dyn Cursor>> {
        self.pin.container.check_open()?;
        Ok(match direction {
            Direction::Forward => Box::new(cursor::Forward::new(Arc::clone(&self.pin), range)),
            Direction::Backward => Box::new(cursor::Backward::new(Arc::clone(&self.pin), range)),
        })
    }

    fn changes(&self, since: Epoch, prefix: &[u8]) -> Result<Box<dyn ChangeCursor>> {
        Ok(Box::new(Changes::new(&self.pin, since, prefix)?))
    }
}
