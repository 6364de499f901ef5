//! An epoch is let go, and power is lost before that is durable.
//!
//! What can break: a checkpoint drops what only that epoch needed, in a manifest that is durable at once;
//! and then the record that kept the epoch is there again.

use millpond_core::{At, Commit, Durability, Epoch, Error, Key, Op, Outcome, RETAINED, Store, Write};
use millpond_testkit::sim::SimMachine;

use crate::subject::SUBJECT;

const KEPT: Key<'static> = Key { partition: RETAINED, sort: b"kept" };
const VALUE: Key<'static> = Key { partition: b"p", sort: b"a" };

fn commit(store: &dyn Store, writes: &[(Key<'_>, Op<'_>)], durability: Durability) -> Result<Epoch, String> {
    let writes = writes.iter().map(|(key, op)| Write { key: *key, op: *op, tally: None }).collect();
    let outcome = store.index().commit(&Commit { writes, durability, ..Commit::default() });
    match outcome.map_err(|error| error.to_string())? {
        Outcome::Committed { epoch, .. } => Ok(epoch),
        Outcome::Conflict { .. } => Err("a conflict without a precondition".into()),
    }
}

fn put(value: &[u8]) -> Op<'_> {
    Op::Put { value, extents: &[] }
}

/// Lets go of an epoch after more and more commits, so that a checkpoint comes right behind it.
pub fn what_is_let_go_unsynced_is_whole() -> Result<(), String> {
    let text = |error: Error| error.to_string();
    for fillers in 10..70 {
        let machine = SimMachine::new(fillers);
        (SUBJECT.create)(machine.process()).map_err(text)?;
        let store = (SUBJECT.open)(machine.process()).map_err(text)?;
        let then = [(VALUE, put(b"then")), (KEPT, put(b"kept"))];
        let epoch = commit(&*store, &then, Durability::Sync)?;
        let later = [7; 4000];
        for _ in 0..fillers {
            commit(&*store, &[(VALUE, put(&later))], Durability::Async)?;
        }
        // As large as the others, so that it is it that begins a file now and then.
        commit(&*store, &[(KEPT, Op::Delete), (VALUE, put(&later))], Durability::Async)?;
        commit(&*store, &[(VALUE, put(&later))], Durability::Async)?;
        let machine = machine.power_cut_worst();
        let store = (SUBJECT.open)(machine.process()).map_err(text)?;
        let Some(kept) = store.index().get(KEPT).map_err(text)? else { continue };
        let context = |error: Error| format!("after {fillers} commits the record is there again: {error}");
        let view = store.index().view(At::Epoch(kept.version)).map_err(context)?;
        let value = view.get(VALUE).map_err(context)?.map(|record| record.value);
        if kept.version != epoch || value.as_deref() != Some(b"then") {
            return Err(format!("after {fillers} commits: {:?} of epoch {}", value, kept.version));
        }
    }
    Ok(())
}

#[test]
fn an_epoch_that_is_there_again_is_whole() {
    what_is_let_go_unsynced_is_whole().expect("no violation");
}
