//! Punches: of an object, of dkeys, of akeys and of extents.

use std::ops::Range;

use millpond_core::{Direction, Epoch, Key, KeyRange, Outcome, Precondition, Result, Write};

use super::{
    Object,
    condition::{Conditions, Operation},
    key::ObjectKey,
    plan::{Plan, Untouched},
    records,
};
use crate::{
    catalog,
    layout::{CATALOGUE, HEADER, Listing, OBJECT_COUNT},
    value::CONFLICT_RETRIES,
};

impl Object {
    /// Removes the object with all that it holds, in one atomic commit. It may be written again.
    ///
    /// # Errors
    /// `NotFound` when it doesn't exist and the condition [`Conditions::PUNCH`] asks for it;
    /// `Conflict` when others wrote to it again and again meanwhile.
    pub fn punch(&self, conditions: Conditions) -> Result<()> {
        conditions.check(Operation::Punch)?;
        self.container().check_writable()?;
        for _ in 0..CONFLICT_RETRIES {
            let view = self.view()?;
            if self.look(Some(&*view), HEADER)?.is_none() {
                return match conditions.contains(Conditions::PUNCH) {
                    true => Err(self.missing(&[])),
                    false => Ok(()),
                };
            }
            let mut cursor = view.scan(KeyRange::all(self.partition()), Direction::Forward)?;
            let mut sorts = Vec::new();
            while cursor.advance()? {
                sorts.push(cursor.key().to_vec());
            }
            let object_key = Listing::Objects.object_key(self.id());
            let mut writes: Vec<_> = sorts.iter().map(|sort| catalog::delete(self.key(sort))).collect();
            writes.push(Write {
                tally: Some(OBJECT_COUNT),
                ..catalog::delete(Key::new(CATALOGUE, &object_key))
            });
            let range = KeyRange::all(self.partition());
            let untouched = Precondition::RangeUnchanged { range, since: view.epoch() };
            self.forget();
            if let Outcome::Committed { .. } = self.container().commit(vec![untouched], writes)? {
                return Ok(());
            }
        }
        Err(self.contended("punch"))
    }

    /// Removes dkeys with all that they hold, in one atomic commit.
    ///
    /// # Errors
    /// As [`Object::punch`]; with [`Conditions::PUNCH`] each of the dkeys has to exist.
    pub fn punch_dkeys<'k, K: Into<ObjectKey<'k>>>(
        &self,
        dkeys: impl IntoIterator<Item = K>,
        conditions: Conditions,
    ) -> Result<()> {
        let prefixes: Result<Vec<_>> =
            dkeys.into_iter().map(|dkey| records::dkey_prefix(self.kind(), &dkey.into())).collect();
        self.punch_prefixes(prefixes?, conditions)
    }

    /// Removes akeys of a dkey with all that they hold, in one atomic commit. A dkey whose last akey
    /// goes is gone.
    ///
    /// # Errors
    /// As [`Object::punch`]; with [`Conditions::PUNCH`] each of the akeys has to exist.
    pub fn punch_akeys<'d, 'k, K: Into<ObjectKey<'k>>>(
        &self,
        dkey: impl Into<ObjectKey<'d>>,
        akeys: impl IntoIterator<Item = K>,
        conditions: Conditions,
    ) -> Result<()> {
        let dkey = records::dkey_prefix(self.kind(), &dkey.into())?;
        let prefixes: Result<Vec<_>> =
            akeys.into_iter().map(|akey| records::akey_prefix(self.kind(), &dkey, &akey.into())).collect();
        self.punch_prefixes(prefixes?, conditions)
    }

    /// Makes holes of records of an array, in one atomic commit. The akey stays, even with holes
    /// only; where there is no such akey, nothing changes.
    ///
    /// # Errors
    /// As [`ObjectUpdate::commit`](super::ObjectUpdate::commit).
    pub fn punch_extents<'d, 'a>(
        &self,
        dkey: impl Into<ObjectKey<'d>>,
        akey: impl Into<ObjectKey<'a>>,
        ranges: impl IntoIterator<Item = Range<u64>>,
    ) -> Result<()> {
        let akey = akey.into();
        let mut update = self.update(dkey)?;
        for range in ranges {
            update.punch_extent(&akey, range)?;
        }
        update.commit()
    }

    fn punch_prefixes(&self, mut prefixes: Vec<Vec<u8>>, conditions: Conditions) -> Result<()> {
        conditions.check(Operation::Punch)?;
        self.container().check_writable()?;
        prefixes.sort();
        prefixes.dedup();
        for _ in 0..CONFLICT_RETRIES {
            let view = self.view()?;
            let header = self.look(Some(&*view), HEADER)?.map_or(Epoch::ZERO, |record| record.version);
            let mut plan = Plan { header: Some(header), ..Plan::default() };
            for prefix in &prefixes {
                let found = plan.deletes.len();
                let end = KeyRange::prefix_end(prefix);
                let mut cursor = view.scan(self.range(prefix, end.as_deref()), Direction::Forward)?;
                while cursor.advance()? {
                    plan.deletes.push(cursor.key().to_vec());
                }
                if plan.deletes.len() == found && conditions.contains(Conditions::PUNCH) {
                    return Err(self.missing(prefix));
                }
                plan.untouched.push(Untouched::prefix(prefix, view.epoch()));
            }
            if plan.is_empty() {
                return Ok(());
            }
            self.forget();
            if let Outcome::Committed { .. } = plan.commit(self)? {
                return Ok(());
            }
        }
        Err(self.contended("punch keys of"))
    }
}
