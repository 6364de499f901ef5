//! Commits that follow from their number, so that a checker knows what each of them wrote.

use millpond_core::{Commit, Durability, Extent, Key, Op, Write};

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

/// The partitions that hold records.
pub(super) const PARTITIONS: [&[u8]; 4] = [SEQUENCE, HOT, BULK, LARGE];

/// How many counters are adjusted.
pub(super) const SUM_COUNT: u64 = 3;

/// What commit `number` of a run is to do.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    writes: Vec<PlannedWrite>,
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
            _ => {}
        }
        Self { writes }
    }

    /// The bulk bytes of each write, empty where it has none.
    pub(super) fn bulk(&self) -> Vec<Vec<u8>> {
        let of = |write: &PlannedWrite| match &write.op {
            PlannedOp::Put { bulk, .. } => bulk.clone(),
            _ => Vec::new(),
        };
        self.writes.iter().map(of).collect()
    }

    /// The commit, whose writes own `extents`, each of its own.
    pub(super) fn commit<'a>(&'a self, extents: &'a [Vec<Extent>], durability: Durability) -> Commit<'a> {
        let of = |(at, write): (usize, &'a PlannedWrite)| {
            let op = match &write.op {
                PlannedOp::Put { value, .. } => {
                    Op::Put { value, extents: extents.get(at).map_or(&[], Vec::as_slice) }
                }
                PlannedOp::Delete => Op::Delete,
                PlannedOp::Adjust(by) => Op::Adjust(*by),
            };
            let tally = (write.partition != SUMS).then(|| Key::new(TALLIES, write.partition));
            Write { key: Key::new(write.partition, &write.sort), op, tally }
        };
        Commit {
            preconditions: Vec::new(),
            writes: self.writes.iter().enumerate().map(of).collect(),
            durability,
            ..Commit::default()
        }
    }

    /// Applies the commit to a model; see [`Model::apply`].
    pub(super) fn apply(&self, model: &mut Model, epoch: millpond_core::Epoch) -> Vec<bool> {
        model.apply(&self.commit(&[], Durability::Async), &self.bulk(), epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_follows_from_its_number_and_all_kinds_occur() {
        let (mut bulk, mut large, mut deletes) = (0, 0, 0);
        for number in 0..200 {
            let plan = Plan::of(3, number);
            let again = Plan::of(3, number);
            assert_eq!(format!("{plan:?}"), format!("{again:?}"));
            bulk += plan.bulk().iter().filter(|bulk| !bulk.is_empty()).count();
            large += usize::from(plan.writes.len() > 50);
            deletes += plan.writes.iter().filter(|write| matches!(write.op, PlannedOp::Delete)).count();
            let mut keys: Vec<_> = plan.writes.iter().map(|write| (write.partition, &write.sort)).collect();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), plan.writes.len(), "no key occurs twice");
        }
        assert!(bulk > 10 && large > 3 && deletes > 30, "{bulk} {large} {deletes}");
    }
}
