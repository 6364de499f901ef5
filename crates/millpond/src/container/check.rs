//! The check of a container: that its bytes are what was written, and that its records agree.
//!
//! All records are compared in one view, so that what others change meanwhile contradicts nothing.
//! A repair only adds: it puts back a header, a name or a count that the remaining records prove,
//! and never removes an entry.

use std::collections::BTreeSet;

use millpond_core::{
    At, Cursor, Damage, Direction, Epoch, ErrorKind, Key, KeyRange, Op, Precondition, Result, View, Write,
};

use super::Container;
use crate::{
    catalog,
    dict::verify_entry,
    layout::{self, CATALOGUE, COUNT, HEADER, Listing, ObjectId},
    query::CheckReport,
};

/// Damaged entries of one dictionary that a report lists at most.
const DAMAGES_LISTED_MAX: usize = 1000;

pub(super) fn check(container: &Container, repair: bool) -> Result<CheckReport> {
    let mut report = CheckReport::default();
    report.bytes = container.open_store()?.verify(&mut |damage| report.damages.push(damage))?;
    if repair {
        catalog::reap_all(container, usize::MAX)?;
    }
    let view = container.index()?.view(At::Latest)?;
    let mut check = Check { container, view: &*view, repair, report };
    check.run()?;
    Ok(check.report)
}

struct Check<'a> {
    container: &'a Container,
    view: &'a dyn View,
    repair: bool,
    report: CheckReport,
}

/// A name of the catalogue.
struct Named {
    name: String,
    id: ObjectId,
    version: Epoch,
}

impl Check<'_> {
    fn run(&mut self) -> Result<()> {
        let names = self.names()?;
        for named in &names {
            self.check_dict(named)?;
        }
        let linked: BTreeSet<String> = names.iter().map(|named| named.id.to_string()).collect();
        for id in catalog::objects(self.view, Listing::Objects)? {
            if !linked.contains(&id.to_string()) {
                self.relink(id)?;
            }
        }
        Ok(())
    }

    fn names(&mut self) -> Result<Vec<Named>> {
        let mut names = Vec::new();
        let mut cursor = self.view.scan(Listing::Names.range(), Direction::Forward)?;
        while self.advance(&mut *cursor, "the catalogue")? {
            let record = cursor.record();
            let parsed = layout::name_of(cursor.key())
                .and_then(|name| Ok((name, layout::parse_name_record(record.value)?)));
            match parsed {
                Ok((name, id)) => names.push(Named { name, id, version: record.version }),
                Err(error) => self.damage("the catalogue", error.to_string()),
            }
        }
        Ok(names)
    }

    fn check_dict(&mut self, named: &Named) -> Result<()> {
        let Named { name, id, version } = named;
        let place = format!("dict {name:?}");
        let partition = id.partition();
        let (header_key, name_key) = (Key::new(&partition, HEADER), Listing::Names.key(name.as_bytes()));
        let object_key = Listing::Objects.object_key(*id);
        let object_key = Key::new(CATALOGUE, &object_key);
        let record = layout::header_record(name);
        for (key, what) in [(header_key, "its header"), (object_key, "its record among the objects")] {
            let wrong = match self.view.get(key)?.map(|found| layout::parse_header_record(&found.value)) {
                Some(Ok(found)) if found == *name => continue,
                Some(Ok(found)) => format!("{what} says {found:?}"),
                Some(Err(error)) => format!("{what} can't be read: {error}"),
                None => format!("{what} is missing"),
            };
            self.damage(&place, wrong);
            let named = Precondition::Unchanged { key: Key::new(CATALOGUE, &name_key), version: *version };
            self.restore(vec![named], catalog::put(key, &record))?;
        }
        self.check_entries(&place, *id)
    }

    fn check_entries(&mut self, place: &str, id: ObjectId) -> Result<()> {
        let partition = id.partition();
        let mut cursor = self.view.scan(layout::entries(&partition), Direction::Forward)?;
        let (mut entries, damages_before) = (0i64, self.report.damages.len());
        while self.advance(&mut *cursor, place)? {
            entries += 1;
            if let Err(error) = verify_entry(cursor.record())
                && self.report.damages.len() < damages_before + DAMAGES_LISTED_MAX
            {
                let key = layout::user_key(cursor.key()).escape_ascii();
                self.damage(place, format!("the entry \"{key}\": {error}"));
            }
        }
        // Where entries can't be read, their number isn't known.
        let readable = self.report.damages.len() == damages_before;
        let count_key = Key::new(&partition, COUNT);
        let counted = self.view.counter(count_key)?;
        if readable && counted != entries {
            self.damage(place, format!("it counts {counted} entries, but holds {entries}"));
            if let Some(header) = self.view.get(Key::new(&partition, HEADER))? {
                let alive =
                    Precondition::Unchanged { key: Key::new(&partition, HEADER), version: header.version };
                let correction = Write { key: count_key, op: Op::Adjust(entries - counted), tally: None };
                self.restore(vec![alive], correction)?;
            }
        }
        Ok(())
    }

    /// Gives an object that no name leads to a name.
    fn relink(&mut self, id: ObjectId) -> Result<()> {
        self.report.leaked.push(id.to_string());
        let partition = id.partition();
        let empty = !self.view.scan(KeyRange::all(&partition), Direction::Forward)?.advance()?;
        if !self.repair || empty {
            return Ok(());
        }
        let headless = self.view.get(Key::new(&partition, HEADER))?.is_none();
        let name = format!("lost+found-{id}");
        if catalog::link(self.container, &name, id, headless)?.is_some() {
            self.report.relinked.push(name.clone());
        }
        self.check_entries(&format!("dict {name:?}"), id)
    }

    fn restore(&self, preconditions: Vec<Precondition<'_>>, write: Write<'_>) -> Result<()> {
        if self.repair {
            // A conflict means that the dictionary was destroyed or repaired meanwhile.
            self.container.commit(preconditions, vec![write])?;
        }
        Ok(())
    }

    /// The next record that can be read.
    fn advance(&mut self, cursor: &mut dyn Cursor, place: &str) -> Result<bool> {
        for _ in 0..DAMAGES_LISTED_MAX {
            match cursor.advance() {
                Err(error) if error.kind() == ErrorKind::Corrupt => self.damage(place, error.to_string()),
                other => return other,
            }
        }
        Ok(false)
    }

    fn damage(&mut self, place: &str, what: String) {
        self.report.damages.push(Damage { place: place.to_owned(), offset: 0, what });
    }
}
