//! Watching: each commit of an index, whole and in order, as it is made.
//!
//! What every backend keeps to:
//! - Commits are delivered in the order of their epochs, each once and whole, with every change that it
//!   made. Adjustments of counters are among them, those of tallies too.
//! - With `durable`, nothing is delivered that a loss of power could take back.
//! - A commit that changes nothing but [`CURSORS`] is not delivered, nor are such changes of others:
//!   a consumer that acknowledges what it saw would else see that, and so on for ever.
//! - A watch never slows a commit down, and never makes one fail. One that falls behind what the
//!   backend keeps for it gets [`Lagged`](ErrorKind::Lagged).

use std::time::Duration;

use bytes::Bytes;

use crate::{
    Commit, Durability, Epoch, Error, ErrorKind, Extent, Key, Op, Outcome, Precondition, Record, Result,
    Write, limits::NAME_BYTES_MAX,
};

/// The partition of the registered cursors; no data model writes to it. Its records are ordinary ones:
/// the sort key is one byte, a place below [`CURSORS_MAX`], and the value is the cursor's epoch (eight
/// bytes, least significant first) and its name.
pub const CURSORS: &[u8; 18] = b"\xFF\xFF\xFF\xFFmillpond.watch";

/// Cursors that can be registered in a container at once.
pub const CURSORS_MAX: u8 = 64;

/// How to watch.
#[derive(Clone, Copy, Debug)]
pub struct WatchOptions<'a> {
    /// The epoch of the last commit that is known already. By default the one that the cursor has
    /// acknowledged, or else the newest one: then only what is committed from now on is delivered.
    pub after: Option<Epoch>,
    /// Registers a cursor of this name, or goes on with the one that there is: what is committed after
    /// the epoch that it acknowledged is kept for it, also while nobody watches, as far as
    /// [`WatchRetention`] allows. Needs a handle that may write.
    pub cursor: Option<&'a str>,
    /// Deliver only what survives a loss of power, and have it made so without delay; else, what is
    /// visible.
    pub durable: bool,
}

impl Default for WatchOptions<'_> {
    fn default() -> Self {
        Self { after: None, cursor: None, durable: true }
    }
}

/// How much of what was committed is kept for those who watch and have not seen it yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchRetention {
    /// Bytes of commits, their bulk bytes included.
    pub bytes: u64,
    /// How long.
    pub age: Duration,
}

impl Default for WatchRetention {
    fn default() -> Self {
        Self { bytes: 256 << 20, age: Duration::from_secs(24 * 60 * 60) }
    }
}

/// Walks over the commits of an index. It begins before the first one.
pub trait Watch: Send {
    /// Goes to the next commit, for which it waits up to `timeout`, and answers its epoch; nothing
    /// where none came. What was not read of the commit before is passed over.
    ///
    /// # Errors
    /// `Lagged`, with the epoch to restart from, when what comes next is no longer kept; `Closed` once
    /// the store is closed.
    fn next(&mut self, timeout: Duration) -> Result<Option<Epoch>>;

    /// The next change of the commit; nothing at its end. A huge commit is read piece by piece. A key
    /// may occur several times only where its changes are adjustments.
    ///
    /// # Errors
    /// `Corrupt`, naming the place, when the stored bytes fail their checksum: the next call goes on
    /// behind them.
    fn change(&mut self) -> Result<Option<Change>>;

    /// The epoch of the commit that it is at; at first, the one that it began after. A watch after this
    /// epoch goes on where this one is.
    fn epoch(&self) -> Epoch;

    /// Has its cursor know that all is done with up to `epoch`, so that it need not be kept any more.
    /// After a loss of power the cursor may be at an earlier epoch again, never at a later one.
    ///
    /// # Errors
    /// `InvalidArgument` without a cursor; `NotFound` when the cursor was removed.
    fn acknowledge(&mut self, epoch: Epoch) -> Result<()>;
}

/// A change that a commit made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key: its partition and its sort key in one piece, as [`Key::concat`] makes it.
    pub key: Bytes,
    /// What became of it.
    pub kind: ChangeKind,
}

/// What a [`Change`] did to its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was put.
    Put {
        /// The value.
        value: Bytes,
        /// The bulk bytes that the record owns. They can be read at least until the watch goes on to
        /// the next commit.
        extents: Vec<Extent>,
    },
    /// It was deleted, whether or not it was there.
    Delete,
    /// A counter was adjusted by so much.
    Adjust(i64),
}

/// A registered cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Its name.
    pub name: String,
    /// The epoch of the last commit that it acknowledged.
    pub epoch: Epoch,
}

/// The registered cursors of an index, by whatever way it is reached.
#[expect(missing_debug_implementations, reason = "functions have nothing to show")]
pub struct Cursors<'a> {
    /// Reads a record.
    pub get: &'a dyn Fn(Key<'_>) -> Result<Option<Record>>,
    /// Commits.
    pub commit: &'a dyn Fn(&Commit<'_>) -> Result<Outcome>,
}

/// How often to try when others change cursors at the same time.
const TRIES: usize = 100;

/// A place for a cursor, as it was read.
struct Place {
    sort: [u8; 1],
    version: Epoch,
    cursor: Option<Cursor>,
}

impl Place {
    fn key(&self) -> Key<'_> {
        Key::new(CURSORS, &self.sort)
    }

    fn unchanged(&self) -> Precondition<'_> {
        Precondition::Unchanged { key: self.key(), version: self.version }
    }
}

impl Cursors<'_> {
    /// All cursors, in no order.
    pub fn list(&self) -> Result<Vec<Cursor>> {
        Ok(self.places()?.into_iter().filter_map(|place| place.cursor).collect())
    }

    /// The epoch of a cursor, if there is one of that name.
    pub fn find(&self, name: &str) -> Result<Option<Epoch>> {
        Ok(self.list()?.into_iter().find(|cursor| cursor.name == name).map(|cursor| cursor.epoch))
    }

    /// Registers a cursor that has acknowledged `epoch`, durably; of one that there is, moves it back
    /// to there if it was ahead.
    ///
    /// # Errors
    /// `InvalidArgument` where the name is empty or too long, or there are too many cursors.
    pub fn register(&self, name: &str, epoch: Epoch) -> Result<()> {
        check_name(name)?;
        for _ in 0..TRIES {
            let places = self.places()?;
            let known = places.iter().find(|place| is_of(place, name));
            if known.and_then(|place| place.cursor.as_ref()).is_some_and(|cursor| cursor.epoch <= epoch) {
                return Ok(());
            }
            let Some(place) = known.or_else(|| places.iter().find(|place| place.cursor.is_none())) else {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!("{CURSORS_MAX} cursors are registered, which is the most; remove one"),
                ));
            };
            // All of them: another one of that name might come to stand in another place.
            let unchanged = places.iter().map(Place::unchanged).collect();
            if self.put(place, name, epoch, unchanged, Durability::Sync)? {
                return Ok(());
            }
        }
        Err(contended(name))
    }

    /// Moves a cursor on to `epoch`; one that is there or further stays.
    ///
    /// # Errors
    /// `NotFound` where there is none of that name.
    pub fn acknowledge(&self, name: &str, epoch: Epoch) -> Result<()> {
        for _ in 0..TRIES {
            let place = self.place_of(name)?;
            if place.cursor.as_ref().is_some_and(|cursor| cursor.epoch >= epoch)
                || self.put(&place, name, epoch, vec![place.unchanged()], Durability::Async)?
            {
                return Ok(());
            }
        }
        Err(contended(name))
    }

    /// Removes a cursor: nothing is kept for it any more.
    ///
    /// # Errors
    /// `NotFound` where there is none of that name.
    pub fn remove(&self, name: &str) -> Result<()> {
        for _ in 0..TRIES {
            let place = self.place_of(name)?;
            let done = (self.commit)(&Commit {
                preconditions: vec![place.unchanged()],
                writes: vec![Write { key: place.key(), op: Op::Delete, tally: None }],
                ..Commit::default()
            })?;
            if let Outcome::Committed { .. } = done {
                return Ok(());
            }
        }
        Err(contended(name))
    }

    fn place_of(&self, name: &str) -> Result<Place> {
        self.places()?.into_iter().find(|place| is_of(place, name)).ok_or_else(|| {
            let message = format!("there is no cursor {name:?}: it was removed, or never registered");
            Error::new(ErrorKind::NotFound, message)
        })
    }

    fn places(&self) -> Result<Vec<Place>> {
        let place = |place| {
            let sort = [place];
            let record = (self.get)(Key::new(CURSORS, &sort))?;
            let cursor = record.as_ref().map(|record| Cursor::parse(&record.value)).transpose()?;
            Ok(Place { sort, version: record.map_or(Epoch::ZERO, |record| record.version), cursor })
        };
        (0..CURSORS_MAX).map(place).collect()
    }

    /// Whether it was committed.
    fn put(
        &self,
        place: &Place,
        name: &str,
        epoch: Epoch,
        preconditions: Vec<Precondition<'_>>,
        durability: Durability,
    ) -> Result<bool> {
        let value = [&epoch.0.to_le_bytes(), name.as_bytes()].concat();
        let op = Op::Put { value: &value, extents: &[] };
        let writes = vec![Write { key: place.key(), op, tally: None }];
        let done = (self.commit)(&Commit { preconditions, writes, durability, ..Commit::default() })?;
        Ok(matches!(done, Outcome::Committed { .. }))
    }
}

fn is_of(place: &Place, name: &str) -> bool {
    place.cursor.as_ref().is_some_and(|cursor| cursor.name == name)
}

impl Cursor {
    /// The cursor in a record of [`CURSORS`].
    ///
    /// # Errors
    /// `Incompatible` where it can't be read.
    pub fn parse(value: &[u8]) -> Result<Self> {
        let malformed = || {
            let message =
                "the record of a watch's cursor is malformed: it was written by a newer version, use that";
            Error::new(ErrorKind::Incompatible, message)
        };
        let (epoch, name) = value.split_first_chunk().ok_or_else(malformed)?;
        let name = std::str::from_utf8(name).map_err(|_| malformed())?.to_owned();
        Ok(Self { name, epoch: Epoch(u64::from_le_bytes(*epoch)) })
    }
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        let message = format!("the name of a cursor has 1 to {NAME_BYTES_MAX} bytes, not {}", name.len());
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    Ok(())
}

fn contended(name: &str) -> Error {
    let message =
        format!("others changed cursors again and again while {name:?} was to be changed; try again");
    Error::new(ErrorKind::Conflict, message)
}

/// What a watch answers that has fallen behind what is kept: it can go on after `restart`, the first
/// epoch after which every commit is still there.
pub fn lagged(after: Epoch, restart: Epoch) -> Error {
    Error::lagged(
        restart,
        format!(
            "the commits between epoch {after} and epoch {restart} are no longer kept for those who watch; \
             compare a snapshot of before with the newest state, or read that anew, and watch after epoch \
             {restart}"
        ),
    )
}

/// What a watch answers that is to go on after an epoch which the index doesn't have; `restart` is the
/// one before it.
pub fn lost(after: Epoch, restart: Epoch) -> Error {
    Error::lagged(
        restart,
        format!(
            "there is no commit of epoch {after} here: a loss of power took it, with what was not durable, or \
             it is another container's; compare what you hold with the state at epoch {restart}, and watch \
             after that"
        ),
    )
}
