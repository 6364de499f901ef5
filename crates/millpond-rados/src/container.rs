//! An open container: where its index is, what this handle may do, and how it reads.
//!
//! Invariant: every answer of the cluster comes with the container's head, so that a handle of a
//! container that was destroyed, or destroyed and made anew, says so and mixes nothing up.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::CStr,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use millpond_core::{Epoch, Error, ErrorKind, Result};
use uuid::Uuid;

use crate::{
    context::Context,
    errno::Errno,
    fork::PerProcess,
    index::{Commits, Queue},
    layout::{
        INDEX,
        head::Head,
        keys::{self, HEAD, HORIZON, RETAINED},
        retention::{Retention, decode_horizon, decode_retained},
        seal::Identity,
        wire::Malformed,
    },
    operation::{Found, Query},
    presence::Watch,
    quota::Quota,
    sync::lock,
};

/// What a read of the index found.
pub(crate) struct Answer {
    pub(crate) head: Head,
    /// The head's omap value, to be a commit's guard.
    pub(crate) head_value: Vec<u8>,
    /// The entries of the keys that were asked for, those that there are.
    pub(crate) entries: HashMap<Vec<u8>, Vec<u8>>,
    /// The listings that were asked for, in order.
    pub(crate) lists: Vec<Found>,
}

/// A handle on a container.
pub(crate) struct Container {
    pub(crate) context: Arc<Context>,
    pub(crate) uuid: Uuid,
    pub(crate) identity: Identity,
    pub(crate) queue: Queue,
    pub(crate) commits: Commits,
    pub(crate) quota: Arc<Quota>,
    /// The epochs of the views that this process has open, of all its handles.
    views: Arc<Views>,
    watch: Mutex<Option<Watch>>,
    read_only: bool,
    closed: AtomicBool,
}

/// Epochs of open views, with their number.
#[derive(Debug, Default)]
pub(crate) struct Views(Mutex<BTreeMap<Epoch, u64>>);

/// The open views of the process, by the incarnation of their container.
static VIEWS: PerProcess<Mutex<HashMap<Uuid, Weak<Views>>>> = PerProcess::new();

impl Container {
    /// Opens a container whose namespace is `context`.
    ///
    /// # Errors
    /// `NotFound`, naming it, where there is none.
    pub(crate) fn open(
        context: Context,
        uuid: Uuid,
        read_only: bool,
        quota: Arc<Quota>,
    ) -> Result<Arc<Self>> {
        let context = Arc::new(context);
        let head =
            read_head(&context, uuid)?.filter(|head| head.alive).ok_or_else(|| missing(&context, uuid))?;
        let watch = match Watch::begin(&context, INDEX)? {
            Ok(watch) => watch,
            Err(Errno::ABSENT) => return Err(missing(&context, uuid)),
            Err(errno) => return Err(errno.into_error(format_args!("can't watch {}", context.place(INDEX)))),
        };
        let container = Self {
            uuid,
            identity: head.identity(),
            queue: Queue::default(),
            commits: Commits::default(),
            quota,
            views: views_of(head.incarnation),
            watch: Mutex::new(Some(watch)),
            read_only,
            closed: AtomicBool::new(false),
            context,
        };
        // Who destroys it looks for watches after marking the head: so look at the head again.
        container.read(&[], vec![]).map_err(|error| match error.kind() {
            ErrorKind::Closed => missing(&container.context, uuid),
            _ => error,
        })?;
        Ok(Arc::new(container))
    }

    /// Reads entries and listings of the index, all as of one moment.
    pub(crate) fn read(&self, wanted: &[&[u8]], lists: Vec<Query>) -> Result<Answer> {
        self.check_open()?;
        self.keep_watch()?;
        let mut all = vec![HEAD.to_vec()];
        all.extend(wanted.iter().map(|key| key.to_vec()));
        let mut queries = vec![Query::Keys(all)];
        queries.extend(lists);
        let mut found = match self.context.read(INDEX, &queries)? {
            Ok(found) => found,
            Err(Errno::ABSENT) => return Err(self.destroyed()),
            Err(errno) => return Err(self.failed("read", errno)),
        };
        let lists = found.split_off(1);
        let mut entries: HashMap<_, _> = found.pop().unwrap_or_default().entries.into_iter().collect();
        let head_value =
            entries.remove(HEAD).ok_or_else(|| self.damaged(HEAD, Malformed("it is missing")))?;
        let head = Head::decode(self.uuid, &head_value).map_err(|why| self.damaged(HEAD, why))?;
        if !head.alive || head.identity() != self.identity {
            return Err(self.destroyed());
        }
        Ok(Answer { head, head_value, entries, lists })
    }

    /// Which past epochs are readable, of an answer to [`HORIZON`] and [`RETAINED`].
    pub(crate) fn retention(&self, answer: &Answer) -> Result<Retention> {
        let horizon = self.horizon(answer.entries.get(HORIZON).map(Vec::as_slice))?;
        let retained = match answer.entries.get(RETAINED) {
            Some(value) => {
                decode_retained(&self.identity, value).map_err(|why| self.damaged(RETAINED, why))?
            }
            None => Vec::new(),
        };
        Ok(Retention { horizon, retained })
    }

    /// The horizon in the value of [`HORIZON`], if there is one.
    pub(crate) fn horizon(&self, value: Option<&[u8]>) -> Result<Epoch> {
        value.map_or(Ok(Epoch::ZERO), |value| {
            decode_horizon(&self.identity, value).map_err(|why| self.damaged(HORIZON, why))
        })
    }

    /// The error about an omap entry that isn't what was written.
    pub(crate) fn damaged(&self, key: &[u8], why: Malformed) -> Error {
        let place = self.context.place(INDEX);
        let message = format!("the omap entry \"{}\" of {place} is damaged: {why}", keys::shown(key));
        Error::new(ErrorKind::Corrupt, message)
    }

    /// The error about an operation on the index that failed.
    pub(crate) fn failed(&self, doing: &str, errno: Errno) -> Error {
        errno.into_error(format_args!("can't {doing} {}", self.context.place(INDEX)))
    }

    pub(crate) fn destroyed(&self) -> Error {
        Error::new(ErrorKind::Closed, format!("container {} was destroyed", self.uuid))
    }

    /// # Errors
    /// `Closed` when this handle was closed.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            let message = format!("container {} was closed: open it again", self.uuid);
            return Err(Error::new(ErrorKind::Closed, message));
        }
        Ok(())
    }

    /// # Errors
    /// `ReadOnly` when this handle may change nothing, `Closed` when it was closed.
    pub(crate) fn check_writable(&self) -> Result<()> {
        self.check_open()?;
        if self.read_only {
            let message = format!("container {} is open for reading only; open it for writing", self.uuid);
            return Err(Error::new(ErrorKind::ReadOnly, message));
        }
        Ok(())
    }

    /// Lets go of the container.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let watch = lock(&self.watch).take();
        drop(watch);
    }

    /// Begins the watch again, if the cluster has lost it.
    fn keep_watch(&self) -> Result<()> {
        let mut watch = lock(&self.watch);
        if !watch.as_ref().is_some_and(Watch::is_broken) {
            return Ok(());
        }
        *watch = None;
        match Watch::begin(&self.context, INDEX)? {
            Ok(fresh) => *watch = Some(fresh),
            Err(Errno::ABSENT) => return Err(self.destroyed()),
            // Only presence depends on it, and the next operation tries again.
            Err(_) => {}
        }
        Ok(())
    }

    /// Keeps this process's own deletions away from the state at `epoch`.
    pub(crate) fn pin(self: &Arc<Self>, epoch: Epoch) -> Pin {
        *lock(&self.views.0).entry(epoch).or_insert(0) += 1;
        Pin { container: Arc::clone(self), epoch }
    }

    /// The oldest epoch that a view of this process shows.
    pub(crate) fn oldest_view(&self) -> Option<Epoch> {
        lock(&self.views.0).first_key_value().map(|(epoch, _)| *epoch)
    }
}

/// A view's hold on its epoch.
pub(crate) struct Pin {
    pub(crate) container: Arc<Container>,
    pub(crate) epoch: Epoch,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut views = lock(&self.container.views.0);
        if let Some(count) = views.get_mut(&self.epoch) {
            *count -= 1;
            if *count == 0 {
                views.remove(&self.epoch);
            }
        }
    }
}

fn views_of(incarnation: Uuid) -> Arc<Views> {
    let mut known = lock(VIEWS.get());
    if let Some(views) = known.get(&incarnation).and_then(Weak::upgrade) {
        return views;
    }
    known.retain(|_, views| views.strong_count() > 0);
    let views = Arc::new(Views::default());
    known.insert(incarnation, Arc::downgrade(&views));
    views
}

/// The head of a container, dead or alive; `None` where there is none.
pub(crate) fn read_head(context: &Context, uuid: Uuid) -> Result<Option<Head>> {
    read_entry(context, INDEX, HEAD)?
        .map(|value| {
            Head::decode(uuid, &value).map_err(|why| {
                let message = format!("the head of {} is damaged: {why}", context.place(INDEX));
                Error::new(ErrorKind::Corrupt, message)
            })
        })
        .transpose()
}

/// One omap entry of an object; `None` where the object or the entry is missing.
pub(crate) fn read_entry(context: &Context, object: &CStr, key: &[u8]) -> Result<Option<Vec<u8>>> {
    match context.read(object, &[Query::Keys(vec![key.to_vec()])])? {
        Ok(mut found) => Ok(found.pop().and_then(|mut found| found.entries.pop()).map(|(_, value)| value)),
        Err(Errno::ABSENT) => Ok(None),
        Err(errno) => Err(errno.into_error(format_args!("can't read {}", context.place(object)))),
    }
}

pub(crate) fn missing(context: &Context, uuid: Uuid) -> Error {
    let message = format!("Ceph pool {} has no storage of a container {uuid}", context.pool());
    Error::new(ErrorKind::NotFound, message)
}

/// Seconds since 1970.
pub(crate) fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
