//! Snapshots: named states of a container that stay readable.
//!
//! A snapshot is one record in the partition that keeps the epochs of its records' commits readable,
//! so that it costs a commit when it is made, and superseded versions after that. Destroying it
//! deletes the record; compaction then gives back what it alone held.
//!
//! [`record`]: what a record says. [`rule`]: which automatic ones stay. [`moment`]: names and epochs of
//! states. [`scope`]: a handle that shows one. [`diff`], [`rollback`]: what is between two, and back.
//! [`held`]: what each one holds back.

pub(crate) mod decode;
mod diff;
mod held;
mod moment;
mod record;
mod rollback;
mod rule;
mod scope;

use std::sync::Arc;

use millpond_core::{
    At, Direction, Epoch, Error, ErrorKind, Key, Outcome, Precondition, RETAINED, Result, View, Write,
};

pub use self::{
    diff::{Diff, Difference, DifferenceKind, DifferentKey, DifferentObject},
    held::{SnapshotSize, SnapshotSpace},
    moment::Moment,
    record::Snapshot,
    rollback::Rollback,
    rule::SnapshotRule,
};
use self::{record::Made, scope::SnapshotScope};
use crate::{catalog, container::Container, environment};

/// How often a name for an automatic snapshot is looked for.
const NAMES_TRIED_MAX: usize = 100;

impl Container {
    /// Keeps the state just after this call readable under a name of 1 to 512 bytes that isn't a
    /// number: until the snapshot is destroyed, whatever the rule says.
    ///
    /// ```
    /// # use millpond::{ContainerOptions, Pool, PoolOptions};
    /// # fn main() -> millpond::Result<()> {
    /// # let pool = Pool::create("mem:snapshots", PoolOptions::default())?;
    /// # let container = pool.create_container(Some("kv"), ContainerOptions::default())?;
    /// let dict = container.create_dict("weights")?;
    /// dict.put(b"layer", b"1.0")?;
    /// container.snapshot("before")?;
    /// dict.put(b"layer", b"NaN")?;
    ///
    /// let before = container.at("before")?;
    /// assert_eq!(before.dict("weights")?.get(b"layer")?.as_deref(), Some(&b"1.0"[..]));
    /// for difference in container.diff("before", ())? {
    ///     println!("{}", difference?);
    /// }
    /// container.rollback("before")?;
    /// assert_eq!(dict.get(b"layer")?.as_deref(), Some(&b"1.0"[..]));
    /// # Pool::destroy("mem:snapshots", true)
    /// # }
    /// ```
    ///
    /// # Errors
    /// `AlreadyExists` when there is one of that name; `NoSpace` when the pool or the disk is full.
    pub fn snapshot(&self, name: &str) -> Result<Snapshot> {
        self.check_unscoped("take a snapshot")?;
        record::check_name(name)?;
        let made = Made { created_millis: environment::millis(), rule: None };
        put(self, name, &made, &[])?.ok_or_else(|| {
            let message =
                format!("{self} has a snapshot {name:?} already: destroy it first, or take another name");
            Error::new(ErrorKind::AlreadyExists, message)
        })
    }

    /// Takes a snapshot that the container's rule (its property `snapshot-keep`) made, under a name
    /// that tells the time, and destroys those that the rule no longer keeps, in one commit. To be
    /// called as often as the rule's shortest period.
    ///
    /// # Errors
    /// `InvalidArgument` when the container has no rule; `NoSpace` when the pool or the disk is full.
    pub fn snapshot_by_rule(&self) -> Result<Snapshot> {
        self.check_unscoped("take a snapshot")?;
        let rule = self.snapshot_rule()?.ok_or_else(|| {
            let message = format!(
                "{self} has no rule for snapshots: set its property snapshot-keep, to hourly:24,daily:7 for example"
            );
            Error::new(ErrorKind::InvalidArgument, message)
        })?;
        for _ in 0..NAMES_TRIED_MAX {
            let snapshots = self.snapshots()?;
            // Later than all others, whatever the clock says, or the rule would take it for an old one.
            let automatic = snapshots.iter().filter(|snapshot| snapshot.rule.is_some());
            let newest = automatic.map(|snapshot| snapshot.created_millis).max();
            let created_millis = environment::millis().max(newest.map_or(0, |newest| newest + 1));
            let made = Made { created_millis, rule: Some(rule.to_string()) };
            let expired = expired(&snapshots, &rule, &[created_millis]);
            // Where the name is taken, another process did the same in the same millisecond.
            if let Some(snapshot) = put(self, &rule::name_of(created_millis), &made, &expired)? {
                return Ok(snapshot);
            }
        }
        let message = format!("others take snapshots of {self} all the time: try again");
        Err(Error::new(ErrorKind::Conflict, message))
    }

    /// The snapshots, the oldest first.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>> {
        let view = self.index()?.view(At::Latest)?;
        list(&*view)
    }

    /// The snapshot of that name.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub fn find_snapshot(&self, name: &str) -> Result<Snapshot> {
        find(self, &*self.index()?.view(At::Latest)?, name)
    }

    /// Lets go of a snapshot. Handles at it answer `NotFound` from then on; what only it held comes
    /// back with the compaction of the container.
    ///
    /// # Errors
    /// `NotFound` when there is none of that name.
    pub fn destroy_snapshot(&self, name: &str) -> Result<()> {
        self.check_unscoped("destroy a snapshot")?;
        let sort = record::sort_key(name);
        let delete = catalog::delete(Key::new(RETAINED, &sort));
        loop {
            let version = self.find_snapshot(name)?.epoch;
            let there = Precondition::Unchanged { key: Key::new(RETAINED, &sort), version };
            if let Outcome::Committed { .. } = self.commit(vec![there], vec![delete])? {
                return Ok(());
            }
        }
    }

    /// The container as it was: at a snapshot, by its name, or at an epoch. The handle is for reading
    /// only, and all data models work on it. It answers `NotFound` once its snapshot is destroyed, and
    /// `EpochGone` once an epoch without one isn't kept any more.
    ///
    /// # Errors
    /// `NotFound` when there is no snapshot of that name; `EpochGone` when the epoch is no longer kept.
    pub fn at<'m>(&self, moment: impl Into<Moment<'m>>) -> Result<Self> {
        self.check_unscoped("show another state")?;
        let scope = SnapshotScope::new(self, moment.into())?;
        Ok(self.scoped(Arc::new(scope)))
    }

    /// The rule by which automatic snapshots are kept, if the container has one.
    pub(crate) fn snapshot_rule(&self) -> Result<Option<SnapshotRule>> {
        self.snapshot_keep()?.map_or(Ok(None), |text| SnapshotRule::parse(&text))
    }

    /// Destroys the automatic snapshots that the rule no longer keeps.
    pub(crate) fn expire_snapshots(&self) -> Result<()> {
        let snapshots = self.snapshots()?;
        if snapshots.iter().all(|snapshot| snapshot.rule.is_none()) {
            return Ok(());
        }
        let Some(rule) = self.snapshot_rule()? else { return Ok(()) };
        let expired = expired(&snapshots, &rule, &[]);
        if expired.is_empty() {
            return Ok(());
        }
        let deletes = expired.iter().map(|sort| catalog::delete(Key::new(RETAINED, sort))).collect();
        self.commit(Vec::new(), deletes).map(drop)
    }
}

/// Puts the record of a snapshot, and deletes those with the sort keys `expired`. Nothing where the
/// name is taken.
fn put(container: &Container, name: &str, made: &Made, expired: &[Vec<u8>]) -> Result<Option<Snapshot>> {
    let (sort, value) = (record::sort_key(name), made.encode());
    let key = Key::new(RETAINED, &sort);
    let mut writes: Vec<Write<'_>> = vec![catalog::put(key, &value)];
    writes.extend(expired.iter().map(|sort| catalog::delete(Key::new(RETAINED, sort))));
    let free = Precondition::Unchanged { key, version: Epoch::ZERO };
    Ok(match container.commit(vec![free], writes)? {
        Outcome::Committed { epoch, .. } => Some(Snapshot::new(name.to_owned(), epoch, made.clone())),
        Outcome::Conflict { .. } => None,
    })
}

/// The sort keys of the automatic snapshots that a rule lets go of, where others come `beside` them.
fn expired(snapshots: &[Snapshot], rule: &SnapshotRule, beside: &[u64]) -> Vec<Vec<u8>> {
    let automatic: Vec<_> = snapshots.iter().filter(|snapshot| snapshot.rule.is_some()).collect();
    let mut moments: Vec<u64> = automatic.iter().map(|snapshot| snapshot.created_millis).collect();
    moments.extend_from_slice(beside);
    let kept = rule.kept(&moments);
    let is_kept = |place: &usize| kept.contains(place);
    (0..automatic.len())
        .filter(|place| !is_kept(place))
        .map(|place| record::sort_key(&automatic[place].name))
        .collect()
}

/// The snapshots that a view shows, the oldest first.
fn list(view: &dyn View) -> Result<Vec<Snapshot>> {
    let mut cursor = view.scan(record::range(), Direction::Forward)?;
    let mut snapshots = Vec::new();
    while cursor.advance()? {
        let record = cursor.record();
        let name = record::name_of(cursor.key())?;
        snapshots.push(Snapshot::new(name, record.version, Made::decode(record.value)?));
    }
    snapshots.sort_by_key(|snapshot| snapshot.epoch);
    Ok(snapshots)
}

/// # Errors
/// `NotFound` when the view shows no snapshot of that name.
fn find(container: &Container, view: &dyn View, name: &str) -> Result<Snapshot> {
    let sort = record::sort_key(name);
    match view.get(Key::new(RETAINED, &sort))? {
        Some(found) => Ok(Snapshot::new(name.to_owned(), found.version, Made::decode(&found.value)?)),
        None => Err(missing(container, name)),
    }
}

fn missing(container: &Container, name: &str) -> Error {
    let message = format!("{container} has no snapshot {name:?}: it was never taken, or was destroyed");
    Error::new(ErrorKind::NotFound, message)
}
