//! A commit: read what it depends on, plan, and write the plan under the guard of the head.

use std::{
    collections::BTreeSet,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use millpond_core::{Commit, Error, ErrorKind, Outcome, Result};

use super::{
    draft::Draft,
    plan::{Plan, State},
    queue::Waiting,
    settle::{Ending, write},
    trim,
};
use crate::{cluster::PATIENCE, container::Container, layout::keys::HORIZON};

/// Keys that one operation reads at most.
const KEYS_MAX: usize = 2048;
/// Bytes that one operation may write: a cluster takes 90 MiB, and some of it is not ours.
const OPERATION_BYTES_MAX: usize = 80 << 20;
/// Between two tries of a commit that others were faster than, at most.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// Applies a commit, or reports the precondition that does not hold.
pub(crate) fn commit(container: &Arc<Container>, commit: &Commit<'_>) -> Result<Outcome> {
    container.check_writable()?;
    let draft = Draft::new(commit)?;
    if !draft.only_deletes {
        container.quota.admit(draft.bytes as u64)?;
    }
    let outcome = container.queue.commit(draft, |batch| write_batch(container, batch))?;
    if matches!(outcome, Outcome::Committed { .. }) {
        trim::now_and_then(container);
    }
    Ok(outcome)
}

/// Writes a batch, and settles each commit of it.
fn write_batch(container: &Container, batch: &[Arc<Waiting>]) {
    match try_batch(container, batch) {
        Ok(outcomes) => {
            for (waiting, outcome) in batch.iter().zip(outcomes) {
                waiting.settle(outcome);
            }
        }
        // More than an operation holds: each by itself.
        Err(error) if error.kind() == ErrorKind::ValueTooLong && batch.len() > 1 => {
            batch.chunks(1).for_each(|single| write_batch(container, single));
        }
        Err(error) => {
            for waiting in batch {
                waiting.settle(Err(Error::new(error.kind(), error.to_string())));
            }
        }
    }
}

fn try_batch(container: &Container, batch: &[Arc<Waiting>]) -> Result<Vec<Result<Outcome>>> {
    let deadline = Instant::now() + PATIENCE;
    for attempt in 0u32.. {
        if attempt > 0 {
            if Instant::now() >= deadline {
                break;
            }
            pause(attempt);
        }
        let Some(state) = read_state(container, batch)? else { continue };
        let mut plan = Plan::new(container, &state);
        let outcomes: Vec<_> = batch.iter().map(|waiting| plan.add(&waiting.draft)).collect();
        if plan.is_empty() {
            return Ok(outcomes);
        }
        let writing = plan.finish();
        if writing.bytes > OPERATION_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::ValueTooLong,
                format!(
                    "a commit of {} bytes is more than the {OPERATION_BYTES_MAX} that a cluster takes in one \
                     operation: split it",
                    writing.bytes
                ),
            ));
        }
        match write(container, &state.head_value, &writing, deadline)? {
            Ending::Applied => return Ok(outcomes),
            Ending::Overtaken => {}
        }
    }
    let message =
        format!("other clients were always faster in committing to container {}: try again", container.uuid);
    Err(Error::new(ErrorKind::Conflict, message))
}

/// What the batch depends on, as of one moment; `None` if something was committed meanwhile.
fn read_state(container: &Container, batch: &[Arc<Waiting>]) -> Result<Option<State>> {
    let wanted: BTreeSet<Vec<u8>> = batch.iter().flat_map(|waiting| waiting.draft.dependencies()).collect();
    let wanted: Vec<&[u8]> = wanted.iter().map(Vec::as_slice).collect();
    let mut state: Option<State> = None;
    // One operation at least, for the head.
    for chunk in wanted.chunks(KEYS_MAX).chain(wanted.is_empty().then_some(&[][..])) {
        // The horizon moves without the head, and takes entries of partitions away: so it is read
        // with each piece, and the furthest one holds for all.
        let answer = container.read(&[chunk, &[HORIZON]].concat(), vec![])?;
        let horizon = container.horizon(answer.entries.get(HORIZON).map(Vec::as_slice))?;
        match &mut state {
            None => {
                let (head, head_value, entries) = (answer.head, answer.head_value, answer.entries);
                state = Some(State { head, head_value, entries, horizon });
            }
            Some(state) if state.head_value == answer.head_value => {
                state.entries.extend(answer.entries);
                state.horizon = state.horizon.max(horizon);
            }
            Some(_) => return Ok(None),
        }
    }
    Ok(state)
}

/// Waits a little, for a time that differs from client to client.
fn pause(attempt: u32) {
    let most = PAUSE_MAX.min(Duration::from_millis(1) * 2u32.saturating_pow(attempt.min(8)));
    let share = uuid::Uuid::new_v4().as_u128() as u32;
    thread::sleep(most.mul_f64(f64::from(share) / f64::from(u32::MAX)));
}
