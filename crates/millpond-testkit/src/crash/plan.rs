//! Commits that follow from their number, so that a checker knows what each of them wrote.

use std::collections::BTreeMap;

use millpond_core::{
    At, Commit, Durability, Epoch, Extent, Key, KeyRange, Op, RETAINED, Record, Result, Store, Write,
};

use crate::{model::Model, random::Random};

/// One record for each commit, by which the survivors are known.
pub(super) const SEQUENCE: &[u8] = b"seq";
/// Records that are written again and again, and deleted.
pub(super) const HOT: &[u8] = b"hot";
/// Records that own bulk bytes.
pub(super) const BULK: &[u8] = b"blk";
/// Records of large commits.
pub(super) const LARGE: &[u8] = b"lrg";
/// Counters that are adjusted.
pub(super) const SUMS: &[u8] = b"sum";
/// Counters that keep tally of the partition that they are named after.
pub(super) const TALLIES: &[u8] = b"tly";

/// The partitions that hold records, of which tallies are kept.
pub(super) const PARTITIONS: [&[u8]; 4] = [SEQUENCE, HOT, BULK, LARGE];

/// What a commit that goes back to a kept epoch gives back.
pub(super) const ROLLED_BACK: [&[u8]; 3] = [HOT, BULK, LARGE];

/// How many epochs are kept at a time, at most.
const KEPT_COUNT: u64 = 3;

/// How many counters are adjusted.
pub(super) const SUM_COUNT: u64 = 3;

/// What commit `number` of a run is to do.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    writes: Vec<PlannedWrite>,
    /// The record whose epoch it goes back to, besides, if that is there.
    back_to: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
struct PlannedWrite {
    partition: &'static [u8],
    sort: Vec<u8>,
    op: PlannedOp,
}

#[derive(Clone, Debug)]
enum PlannedOp {
    Put { value: Vec<u8>, bulk: Vec<u8> },
    Delete,
    Adjust(i64),
}

impl Plan {
    /// The plan of a commit of the run that `seed` stands for.
    pub(super) fn of(seed: u64, number: u64) -> Self {
        let mut random = Random::new(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut writes = Vec::new();
        let mut write = |partition, sort: Vec<u8>, op| writes.push(PlannedWrite { partition, sort, op });
        let put = |value, bulk| PlannedOp::Put { value, bulk };
        write(SEQUENCE, number.to_be_bytes().to_vec(), put(number.to_le_bytes().to_vec(), Vec::new()));
        let mut hot: Vec<u64> = (0..1 + random.below(3)).map(|_| random.below(12)).collect();
        hot.sort_unstable();
        hot.dedup();
        for key in hot {
            let op = if random.chance(300) {
                PlannedOp::Delete
            } else {
                let length = 1 + random.index(200);
                put(random.bytes(length), Vec::new())
            };
            write(HOT, format!("hot/{key}").into_bytes(), op);
        }
        let sum = number % SUM_COUNT;
        write(SUMS, sum.to_be_bytes().to_vec(), PlannedOp::Adjust(1 + random.below(100) as i64));
        match random.below(100) {
            0..12 => {
                let length = 2500 + random.index(30_000);
                let key = vec![random.below(6) as u8];
                write(BULK, key, put(number.to_le_bytes().to_vec(), random.bytes(length)));
            }
            12..16 => write(BULK, vec![random.below(6) as u8], PlannedOp::Delete),
            16..21 => {
                let first = random.below(100);
                for key in first..first + 60 {
                    let value = [&number.to_le_bytes()[..], &random.bytes(400)].concat();
                    write(LARGE, key.to_be_bytes().to_vec(), put(value, Vec::new()));
                }
            }
            // Kept, or kept anew: then the epoch of before is let go.
            86..93 => {
                write(
                    RETAINED,
                    vec![random.below(KEPT_COUNT) as u8],
                    put(number.to_le_bytes().to_vec(), Vec::new()),
                );
            }
            93..96 => write(RETAINED, vec![random.below(KEPT_COUNT) as u8], PlannedOp::Delete),
            96..100 => {
                writes.retain(|write| !ROLLED_BACK.contains(&write.partition));
                return Self { writes, back_to: Some(vec![random.below(KEPT_COUNT) as u8]) };
            }
            _ => {}
        }
        Self { writes, back_to: None }
    }

    /// What the commit gives back besides, of a store that is as it was when the commit is made: of
    /// each key that was changed since the kept epoch, what it had.
    ///
    /// # Errors
    /// Those of reading.
    pub(super) fn given_back(&self, store: &dyn Store) -> Result<GivenBack> {
        let mut given = GivenBack::default();
        let Some(name) = &self.back_to else { return Ok(given) };
        let now = store.index().view(At::Latest)?;
        let Some(kept) = now.get(Key::new(RETAINED, name))? else { return Ok(given) };
        let then = store.index().view(At::Epoch(kept.version))?;
        for partition in ROLLED_BACK {
            let mut changes = now.changes(kept.version, partition)?;
            while changes.advance()? {
                let sort = changes.key()[partition.len()..].to_vec();
                let record = then.get(Key::new(partition, &sort))?;
                if record.is_some() || changes.record().is_some() {
                    given.0.insert((partition, sort), record);
                }
            }
        }
        Ok(given)
    }

    /// The bulk bytes of each write, empty where it has none.
    pub(super) fn bulk(&self) -> Vec<Vec<u8>> {
        let of = |write: &PlannedWrite| match &write.op {
            PlannedOp::Put { bulk, .. } => bulk.clone(),
            _ => Vec::new(),
        };
        self.writes.iter().map(of).collect()
    }

    /// The commit, whose writes own `extents`, each of its own, and those of what it gives back.
    pub(super) fn commit<'a>(
        &'a self,
        extents: &'a [Vec<Extent>],
        given_back: &'a GivenBack,
        durability: Durability,
    ) -> Commit<'a> {
        let of = |(at, write): (usize, &'a PlannedWrite)| {
            let op = match &write.op {
                PlannedOp::Put { value, .. } => {
                    Op::Put { value, extents: extents.get(at).map_or(&[], Vec::as_slice) }
                }
                PlannedOp::Delete => Op::Delete,
                PlannedOp::Adjust(by) => Op::Adjust(*by),
            };
            let is_tallied = PARTITIONS.contains(&write.partition);
            let tally = is_tallied.then(|| Key::new(TALLIES, write.partition));
            Write { key: Key::new(write.partition, &write.sort), op, tally }
        };
        let back = given_back.0.iter().map(|((partition, sort), record)| Write {
            key: Key::new(partition, sort),
            op: match record {
                Some(record) => Op::Put { value: &record.value, extents: &record.extents },
                None => Op::Delete,
            },
            tally: Some(Key::new(TALLIES, partition)),
        });
        Commit {
            preconditions: Vec::new(),
            writes: self.writes.iter().enumerate().map(of).chain(back).collect(),
            durability,
            ..Commit::default()
        }
    }

    /// Applies the commit to a model; see [`Model::apply`].
    pub(super) fn apply(&self, model: &mut Model, epoch: Epoch) -> Vec<bool> {
        let (given_back, mut bulk) = self.given_back_in(model);
        let mut all = self.bulk();
        all.append(&mut bulk);
        model.apply(&self.commit(&[], &given_back, Durability::Async), &all, epoch)
    }

    /// As [`Plan::given_back`], of a model, with the bulk bytes of each record.
    fn given_back_in(&self, model: &Model) -> (GivenBack, Vec<Vec<u8>>) {
        let (mut given, mut bulk) = (GivenBack::default(), Vec::new());
        let kept = self.back_to.as_ref().and_then(|name| model.get(Key::new(RETAINED, name), model.epoch()));
        let Some(kept) = kept.map(|kept| kept.version) else { return (given, bulk) };
        for partition in ROLLED_BACK {
            let range = KeyRange::all(partition);
            let (then, now) = (model.scan(range, kept), model.scan(range, model.epoch()));
            for (sort, _) in now.iter().filter(|(sort, record)| {
                record.version > kept && !then.iter().any(|(other, _)| other == sort)
            }) {
                given.0.insert((partition, sort.to_vec()), None);
            }
            for (sort, record) in &then {
                let key = Key::new(partition, sort);
                let current = model.get(key, model.epoch());
                if current.is_none_or(|current| current.version > kept) {
                    let given_back = Record {
                        version: record.version,
                        value: record.value.clone().into(),
                        extents: Vec::new(),
                    };
                    given.0.insert((partition, sort.to_vec()), Some(given_back));
                }
            }
        }
        for (partition, sort) in given.0.keys() {
            let then = model.get(Key::new(partition, sort), kept);
            bulk.push(then.map_or_else(Vec::new, |record| record.bulk.clone()));
        }
        (given, bulk)
    }
}

/// Of keys that were changed, what they had.
#[derive(Clone, Debug, Default)]
pub(super) struct GivenBack(BTreeMap<(&'static [u8], Vec<u8>), Option<Record>>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_follows_from_its_number_and_all_kinds_occur() {
        let (mut bulk, mut large, mut deletes, mut kept, mut back) = (0, 0, 0, 0, 0);
        for number in 0..200 {
            let plan = Plan::of(3, number);
            let again = Plan::of(3, number);
            assert_eq!(format!("{plan:?}"), format!("{again:?}"));
            bulk += plan.bulk().iter().filter(|bulk| !bulk.is_empty()).count();
            kept += plan.writes.iter().filter(|write| write.partition == RETAINED).count();
            back += usize::from(plan.back_to.is_some());
            large += usize::from(plan.writes.len() > 50);
            deletes += plan.writes.iter().filter(|write| matches!(write.op, PlannedOp::Delete)).count();
            let mut keys: Vec<_> = plan.writes.iter().map(|write| (write.partition, &write.sort)).collect();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), plan.writes.len(), "no key occurs twice");
        }
        assert!(bulk > 10 && large > 3 && deletes > 30, "{bulk} {large} {deletes}");
        assert!(kept > 10 && back > 3, "{kept} {back}");
    }
}
