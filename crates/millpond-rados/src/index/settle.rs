//! Writing a plan exactly once, also when the cluster doesn't say how the write ended.
//!
//! A write whose answer was lost may have been applied, may be applied later, or never. Its guard
//! lets only one write be applied after the head that it was made from, so it may be sent again as
//! it is; and the log says whose batch ended with its last epoch. So a commit is never applied twice,
//! and is reported as failed only if it wasn't applied.

use std::{
    thread,
    time::{Duration, Instant},
};

use millpond_core::{Error, ErrorKind, Result};

use super::plan::Writing;
use crate::{
    bugs::{Bug, loses_answer, planted},
    container::Container,
    errno::Errno,
    layout::{
        INDEX,
        keys::{self, HEAD, HORIZON},
        log,
    },
    operation::Change,
};

/// Before a write is sent again.
const PAUSE: Duration = Duration::from_millis(50);

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It took effect.
    Applied,
    /// It did not and will not: something else was committed.
    Overtaken,
}

/// What the log says about a write.
enum Trace {
    Applied,
    Overtaken,
    /// The head is still the one before it.
    None,
}

/// Writes a plan that was made from the head `guard`.
///
/// # Errors
/// After `Io` the outcome is unknown; the message says so.
pub(super) fn write(
    container: &Container,
    guard: &[u8],
    writing: &Writing,
    deadline: Instant,
) -> Result<Ending> {
    let mut changes = vec![Change::AssertExists, Change::Compare { key: HEAD, value: guard }];
    if planted(Bug::CommitWithoutGuard) {
        changes.pop();
    }
    if !writing.removals.is_empty() {
        changes.push(Change::RemoveKeys(&writing.removals));
    }
    changes.push(Change::Set(&writing.sets));
    let mut in_doubt = false;
    loop {
        let answer = container.context.write(INDEX, &changes)?;
        let answer = if answer.is_ok() && loses_answer() { Err(Errno::TIMEOUT) } else { answer };
        match answer {
            Ok(()) => return Ok(Ending::Applied),
            Err(Errno::GUARD) if !in_doubt => return Ok(Ending::Overtaken),
            Err(Errno::ABSENT) => return Err(container.destroyed()),
            Err(errno) if errno == Errno::GUARD || errno.is_transient() => {
                if planted(Bug::RetryWithoutLooking) {
                    return Ok(Ending::Overtaken);
                }
                in_doubt = true;
                match look(container, guard, writing).map_err(doubtful)? {
                    Trace::Applied => return Ok(Ending::Applied),
                    Trace::Overtaken => return Ok(Ending::Overtaken),
                    Trace::None if Instant::now() < deadline => thread::sleep(PAUSE),
                    Trace::None => return Err(unknown(container, errno)),
                }
            }
            Err(errno) if in_doubt => return Err(unknown(container, errno)),
            Err(errno) => return Err(container.failed("commit to", errno)),
        }
    }
}

/// Looks for a write in the log.
fn look(container: &Container, guard: &[u8], writing: &Writing) -> Result<Trace> {
    let key = keys::log(writing.last, 0);
    let answer = container.read(&[&key, HORIZON], vec![])?;
    if let Some(value) = answer.entries.get(&key) {
        let (batch, _) =
            log::decode(&container.identity, &key, value).map_err(|why| container.damaged(&key, why))?;
        return Ok(if batch.id == writing.batch { Trace::Applied } else { Trace::Overtaken });
    }
    if answer.head_value == guard {
        return Ok(Trace::None);
    }
    let horizon = container.horizon(answer.entries.get(HORIZON).map(Vec::as_slice))?;
    if horizon >= writing.last {
        // The log was cut off since.
        return Err(unknown(container, Errno::TIMEOUT));
    }
    Ok(Trace::Overtaken)
}

/// Why it can't be told how a write ended. Of a container that is gone, that says enough.
fn doubtful(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Closed => error,
        _ => error
            .with_kind(ErrorKind::Io)
            .context("a commit was sent and its outcome is unknown, so read before trying it again"),
    }
}

fn unknown(container: &Container, errno: Errno) -> Error {
    let error = container.failed("commit to", errno);
    let message = format!("{error}; the outcome of the commit is unknown: read before trying it again");
    Error::new(ErrorKind::Io, message)
}
