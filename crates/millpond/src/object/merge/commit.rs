//! The commit of a merge.

use std::{borrow::Cow, collections::HashSet};

use millpond_core::{Direction, Durability, Epoch, Extent, Outcome, Result};

use super::{
    super::{
        Object,
        bugs::ObjectBug,
        extent::{self, Content},
        plan::{Plan, Put, Untouched},
        read::Extents,
        records::{self, ArrayHeader},
    },
    Merged,
    outline::{Outline, Run},
};
use crate::value::{Applied, LongValues};

/// What a merge has seen of where it works.
pub(super) struct Window<'a> {
    pub(super) object: &'a Object,
    pub(super) akey: &'a [u8],
    pub(super) header: ArrayHeader,
    /// The version of the array's header.
    pub(super) version: Epoch,
}

/// The record of an extent that comes.
struct Coming {
    sort: Vec<u8>,
    value: Vec<u8>,
    extents: Vec<Extent>,
}

/// The record of an extent that goes.
struct Going {
    sort: Vec<u8>,
    version: Epoch,
}

impl Object {
    /// Takes levels out of an array's header that hold no extent any more, so that nobody looks for
    /// one among what is left of those that went.
    pub(super) fn drop_levels(&self, akey: &[u8]) -> Result<()> {
        let view = self.view()?;
        let array_key = records::array_key(akey);
        let Some((header, version)) = self.array(Some(&*view), akey, &array_key)? else { return Ok(()) };
        let mut plan = Plan { durability: Some(Durability::Async), ..Plan::default() };
        let mut levels = header.levels;
        for level in header.each_level() {
            let (start, end) = (records::level_key(akey, level, 0), records::level_end(akey, level));
            if !view.scan(self.range(&start, Some(&end)), Direction::Forward)?.advance()? {
                levels &= !(1 << level);
                plan.untouched.push(Untouched { start, end: Some(end), since: view.epoch() });
            }
        }
        if levels == header.levels {
            return Ok(());
        }
        let value = Cow::Owned(ArrayHeader { levels, ..header }.encode());
        plan.unchanged.push((Cow::Borrowed(&array_key), version));
        plan.puts.push(Put { sort: Cow::Borrowed(&array_key), value, extents: &[] });
        // Whoever was faster needs the level.
        plan.commit(self)?;
        self.arrays().remove(akey);
        Ok(())
    }
}

impl Window<'_> {
    /// Replaces the extents, unless others were faster.
    pub(super) fn commit(&self, extents: &Extents, outline: &Outline, merged: &mut Merged) -> Result<()> {
        let mut long = LongValues::default();
        let comes =
            outline.runs.iter().map(|run| self.write(extents, run, &mut long)).collect::<Result<Vec<_>>>()?;
        let goes: Vec<Going> = outline
            .goes
            .iter()
            .map(|&extent| {
                let records = &extents.found[extent].0;
                let sort = records::extent_key(self.akey, records.start, records.end - records.start);
                Going { sort, version: extents.versions[extent] }
            })
            .collect();
        let levels = outline.runs.iter().fold(self.header.levels, |levels, run| {
            levels | 1 << records::level(run.records.end - run.records.start)
        });
        let applied = self.replace(&goes, &comes, levels);
        long.settle(&applied);
        match applied? {
            Applied::Done(_) => {
                merged.removed += goes.len() as u64;
                merged.added += comes.len() as u64;
                if levels != self.header.levels {
                    self.object.arrays().remove(self.akey);
                }
            }
            Applied::Conflict => merged.conflicts += 1,
        }
        Ok(())
    }

    /// Writes the bytes of an extent that comes.
    fn write(&self, extents: &Extents, run: &Run, long: &mut LongValues) -> Result<Coming> {
        let container = self.object.container();
        let length = run.records.end - run.records.start;
        let sort = records::extent_key(self.akey, run.records.start, length);
        let epoch = (!ObjectBug::MergeAsOfNow.is_planted()).then_some(run.stamp.epoch);
        let encode = |content| extent::encode(content, epoch, run.stamp.sequence);
        if run.is_hole {
            return Ok(Coming { sort, value: encode(Content::Hole), extents: Vec::new() });
        }
        let segments = container.segments()?;
        let record_bytes = self.header.record_bytes;
        let mut bytes = vec![0; (length * record_bytes) as usize];
        extents.fill(segments, record_bytes, &run.records, &run.pieces, &mut bytes, &mut Vec::new())?;
        if container.fits_inline(bytes.len()) {
            return Ok(Coming { sort, value: encode(Content::Inline(&bytes)), extents: Vec::new() });
        }
        long.append(segments, &bytes)?;
        Ok(Coming { sort, value: encode(Content::Segments), extents: long.finish()? })
    }

    fn replace(&self, goes: &[Going], comes: &[Coming], levels: u64) -> Result<Applied> {
        let gone: HashSet<&[u8]> = goes.iter().map(|going| &going.sort[..]).collect();
        let come: HashSet<&[u8]> = comes.iter().map(|coming| &coming.sort[..]).collect();
        let array_key = records::array_key(self.akey);
        // A merge that is lost in a crash is made again.
        let mut plan = Plan { durability: Some(Durability::Async), ..Plan::default() };
        plan.unchanged.push((Cow::Borrowed(&array_key), self.version));
        plan.unchanged.extend(goes.iter().map(|going| (Cow::Borrowed(&going.sort[..]), going.version)));
        if levels != self.header.levels {
            let value = Cow::Owned(ArrayHeader { levels, ..self.header }.encode());
            plan.puts.push(Put { sort: Cow::Borrowed(&array_key), value, extents: &[] });
        }
        for Coming { sort, value, extents } in comes {
            if !gone.contains(&sort[..]) {
                plan.unchanged.push((Cow::Borrowed(sort), Epoch::ZERO));
            }
            plan.puts.push(Put { sort: Cow::Borrowed(sort), value: Cow::Borrowed(value), extents });
        }
        let deleted = goes.iter().filter(|going| !come.contains(&going.sort[..]));
        plan.deletes = deleted.map(|going| going.sort.clone()).collect();
        Ok(match plan.commit(self.object)? {
            Outcome::Committed { existed, .. } => Applied::Done(existed),
            Outcome::Conflict { .. } => Applied::Conflict,
        })
    }
}
