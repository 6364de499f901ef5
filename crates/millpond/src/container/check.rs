//! The check of a container: that its bytes are what was written, and that its records agree.
//!
//! All records are compared in one view, so that what others change meanwhile contradicts nothing.
//! What can't be read is reported and proves nothing: neither that something is missing, nor that
//! it was never there. A repair of records only adds: it puts back a header, a name or a count that the
//! other records prove, and never removes an entry; where the bytes of a
//! value are lost, it puts a marker in its place, which says so (see `loss`). Below them, it first lets the store give up what
//! damage took, where that keeps more than itself from being read or written.

use std::collections::BTreeSet;

use millpond_core::{
    At, Cursor, Direction, Epoch, Error, ErrorKind, Key, KeyRange, Op, Precondition, Record, Result, View,
    Write,
};

use super::{
    Container,
    damage::{Damage, Naming},
    loss,
};
use crate::{
    blobs, catalog,
    dict::verify_entry,
    layout::{
        self, CATALOGUE, COUNT, HEADER, Listed, Listing, NamedKind, OBJECT_COUNT, ObjectId, RAW_BYTES,
        STORED_BYTES, Settings,
    },
    object,
    query::CheckReport,
};

/// Damages of one place that a report lists at most.
const DAMAGES_LISTED_MAX: usize = 1000;

const CATALOGUE_PLACE: &str = "the catalogue";

pub(super) fn check(container: &Container, repair: bool) -> Result<CheckReport> {
    let mut report = CheckReport::default();
    let (mut repaired, mut found) = (Vec::new(), Vec::new());
    if repair {
        match container.open_store()?.repair(&mut |damage| repaired.push(damage)) {
            Ok(lost) => report.lost = lost,
            Err(error) if error.kind() == ErrorKind::NotSupported => {}
            Err(error) => return Err(error),
        }
    }
    report.bytes = container.open_store()?.verify(&mut |damage| found.push(damage))?;
    if repair {
        let view = container.index()?.view(At::Latest)?;
        let mut naming = Naming::new(&*view);
        let damages: Vec<_> = found.iter().cloned().map(|damage| naming.name(damage)).collect();
        let marked = loss::mark(container, &damages)?;
        if !marked.is_empty() {
            // What snapshots show of them is as damaged as before.
            found.clear();
            report.bytes = container.open_store()?.verify(&mut |damage| found.push(damage))?;
            report.lost += marked.len() as u64;
            report.repaired = marked;
        }
    }
    let view = container.index()?.view(At::Latest)?;
    let mut naming = Naming::new(&*view);
    report.repaired.extend(repaired.into_iter().map(|damage| naming.name(damage)));
    report.damages = found.into_iter().map(|damage| naming.name(damage)).collect();
    let mut check = Check { container, view: &*view, repair, report };
    if repair {
        let reaped = catalog::reap_all(container, usize::MAX);
        check.readable(CATALOGUE_PLACE, reaped)?;
    }
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
struct Name {
    name: String,
    id: ObjectId,
    version: Epoch,
}

impl Check<'_> {
    fn run(&mut self) -> Result<()> {
        let before = self.report.damages.len();
        let names = self.names()?;
        let all_names_known = self.report.damages.len() == before;
        for named in &names {
            self.check_named(named)?;
        }
        let linked: BTreeSet<ObjectId> = names.iter().map(|named| named.id).collect();
        for (id, listed) in self.objects()? {
            match listed {
                Listed::Object => self.check_object(id)?,
                Listed::Named if all_names_known && !linked.contains(&id) => self.check_leaked(id)?,
                Listed::Named => {}
            }
        }
        Ok(())
    }

    fn names(&mut self) -> Result<Vec<Name>> {
        let mut names = Vec::new();
        let mut cursor = self.view.scan(Listing::Names.range(), Direction::Forward)?;
        while self.advance(&mut *cursor, CATALOGUE_PLACE)? {
            let record = cursor.record();
            let parsed = layout::name_of(cursor.key())
                .and_then(|name| Ok((name, layout::parse_name_record(record.value)?)));
            match parsed {
                Ok((name, id)) => names.push(Name { name, id, version: record.version }),
                Err(error) => self.damage(CATALOGUE_PLACE, error.to_string()),
            }
        }
        Ok(names)
    }

    fn objects(&mut self) -> Result<Vec<(ObjectId, Listed)>> {
        let before = self.report.damages.len();
        let mut objects = Vec::new();
        let mut cursor = self.view.scan(Listing::Objects.range(), Direction::Forward)?;
        while self.advance(&mut *cursor, CATALOGUE_PLACE)? {
            let value = cursor.record().value;
            match layout::object_of(cursor.key()).and_then(|id| Ok((id, layout::parse_listed(value)?))) {
                Ok(object) => objects.push(object),
                Err(error) => self.damage(CATALOGUE_PLACE, error.to_string()),
            }
        }
        let listed = objects.iter().filter(|(_, listed)| *listed == Listed::Object).count() as i64;
        if let Some(counted) = self.get(CATALOGUE_PLACE, OBJECT_COUNT)?
            && self.report.damages.len() == before
        {
            let counted = counted.map_or(0, |record| record.counter());
            if counted != listed {
                self.damage(CATALOGUE_PLACE, format!("it counts {counted} objects, but lists {listed}"));
                let version = self.view.get(OBJECT_COUNT)?.map_or(Epoch::ZERO, |record| record.version);
                let same = Precondition::Unchanged { key: OBJECT_COUNT, version };
                let correction = Write { key: OBJECT_COUNT, op: Op::Adjust(listed - counted), tally: None };
                self.restore(same, correction)?;
            }
        }
        Ok(objects)
    }

    /// An object of dkeys and akeys. A repair puts back its header, where that is known.
    fn check_object(&mut self, id: ObjectId) -> Result<()> {
        let place = format!("object {id}");
        let before = self.report.damages.len();
        let (mut unreadable, mut wrong, mut lost) = (Vec::new(), Vec::new(), Vec::new());
        let verified = object::verify_object(
            self.view,
            id,
            |cursor| {
                for _ in 0..DAMAGES_LISTED_MAX {
                    match cursor.advance() {
                        Err(error) if error.kind() == ErrorKind::Corrupt => {
                            unreadable.push(error.to_string())
                        }
                        other => return other,
                    }
                }
                Ok(false)
            },
            |kind, what| {
                if kind == ErrorKind::DataLoss {
                    lost.push(what);
                } else if wrong.len() < DAMAGES_LISTED_MAX {
                    wrong.push(what);
                }
            },
        );
        self.report.markers.extend(lost.into_iter().map(|what| Damage::new(&*place, what)));
        unreadable.append(&mut wrong);
        unreadable.into_iter().for_each(|what| self.damage(&place, what));
        let Some(verified) = self.readable(&place, verified)? else { return Ok(()) };
        if let Some(header) = verified.lacks_header
            && self.report.damages.len() == before + 1
        {
            let partition = id.partition();
            let key = Key::new(&partition, HEADER);
            let missing = Precondition::Unchanged { key, version: Epoch::ZERO };
            self.restore(missing, catalog::put(key, &header))?;
        }
        Ok(())
    }

    fn check_named(&mut self, named: &Name) -> Result<()> {
        let Name { name, id, version } = named;
        let place = place_of(*id, name);
        let partition = id.partition();
        let name_key = Listing::Names.key(name.as_bytes());
        let still_named = Precondition::Unchanged { key: Key::new(CATALOGUE, &name_key), version: *version };
        let object_key = Listing::Objects.object_key(*id);
        let keys = [
            (Key::new(&partition, HEADER), "its header"),
            (Key::new(CATALOGUE, &object_key), "its record among the objects"),
        ];
        let mut found = Vec::new();
        for (key, what) in keys {
            if let Some(record) = self.get(&place, key)? {
                found.push((key, what, record.map(|record| Settings::parse(&record.value))));
            }
        }
        // What one of the two says of the object, the other one said too.
        let said = found.iter().find_map(|(_, _, said)| match said {
            Some(Ok((settings, _))) if Some(settings.kind()) == id.named_kind() => Some(settings.clone()),
            _ => None,
        });
        let settings = said.or_else(|| Settings::of(*id));
        for (key, what, said) in found {
            let wrong = match said {
                Some(Ok((said, found))) if found == *name && Some(&said) == settings.as_ref() => continue,
                Some(Ok((_, found))) => format!("{what} says {found:?}, or another kind of object"),
                Some(Err(error)) => format!("{what} is malformed: {error}"),
                None => format!("{what} is missing"),
            };
            self.damage(&place, wrong);
            if let Some(settings) = &settings {
                self.restore(still_named, catalog::put(key, &settings.record(name)))?;
            }
        }
        self.check_entries(&place, *id)
    }

    fn check_entries(&mut self, place: &str, id: ObjectId) -> Result<()> {
        let partition = id.partition();
        let before = self.report.damages.len();
        let mut cursor = self.view.scan(layout::entries(&partition), Direction::Forward)?;
        let mut entries = 0i64;
        let (mut raw, mut stored) = (0i64, 0i64);
        while self.advance(&mut *cursor, place)? {
            entries += 1;
            let (raw_size, size) = blobs::sizes(cursor.record());
            raw = raw.saturating_add(raw_size);
            stored = stored.saturating_add(size);
            let Err(error) = verify_entry(cursor.record()) else { continue };
            let what = format!("{}: {error}", entry_shown(id, &id.user_key(cursor.key())));
            if error.kind() == ErrorKind::DataLoss {
                self.report.markers.push(Damage::new(place, what));
            } else if self.report.damages.len() < before + DAMAGES_LISTED_MAX {
                self.damage(place, what);
            }
        }
        // Where entries can't be read, their number isn't known.
        if self.report.damages.len() > before {
            return Ok(());
        }
        self.check_counter(place, id, COUNT, ("entries", entries))?;
        if id.named_kind() == Some(NamedKind::Blobs) {
            self.check_counter(place, id, RAW_BYTES, ("bytes of blobs", raw))?;
            self.check_counter(place, id, STORED_BYTES, ("bytes that blobs take", stored))?;
        }
        Ok(())
    }

    /// Compares a counter of an object with what there is.
    fn check_counter(
        &mut self,
        place: &str,
        id: ObjectId,
        sort: &[u8],
        (what, there): (&str, i64),
    ) -> Result<()> {
        let partition = id.partition();
        let key = Key::new(&partition, sort);
        let Some(counted) = self.get(place, key)? else { return Ok(()) };
        let counted = counted.map_or(0, |record| record.counter());
        if counted == there {
            return Ok(());
        }
        self.damage(place, format!("it counts {counted} {what}, but holds {there}"));
        let header_key = Key::new(&partition, HEADER);
        if let Some(Some(header)) = self.get(place, header_key)? {
            let alive = Precondition::Unchanged { key: header_key, version: header.version };
            let correction = Write { key, op: Op::Adjust(there.saturating_sub(counted)), tally: None };
            self.restore(alive, correction)?;
        }
        Ok(())
    }

    /// An object that no name leads to: a repair gives it one.
    fn check_leaked(&mut self, id: ObjectId) -> Result<()> {
        self.report.leaked.push(id.to_string());
        let partition = id.partition();
        let Some(header) = self.get(CATALOGUE_PLACE, Key::new(&partition, HEADER))? else { return Ok(()) };
        let mut records = self.view.scan(KeyRange::all(&partition), Direction::Forward)?;
        if !self.repair || !self.advance(&mut *records, CATALOGUE_PLACE)? {
            return Ok(());
        }
        let name = format!("lost+found-{id}");
        if let Some(settings) = self.settings_of(id, header.as_ref())?
            && catalog::link(self.container, &name, id, &settings)?.is_some()
        {
            self.report.relinked.push(name.clone());
        }
        self.check_entries(&place_of(id, &name), id)
    }

    /// What an object is, by its header or by its record among the objects.
    fn settings_of(&mut self, id: ObjectId, header: Option<&Record>) -> Result<Option<Settings>> {
        if let Some(Ok((settings, _))) = header.map(|header| Settings::parse(&header.value)) {
            return Ok(Some(settings));
        }
        let listed = self.get(CATALOGUE_PLACE, Key::new(CATALOGUE, &Listing::Objects.object_key(id)))?;
        let listed = listed.flatten().and_then(|listed| Settings::parse(&listed.value).ok());
        Ok(listed.map(|(settings, _)| settings).or_else(|| Settings::of(id)))
    }

    /// Makes a change of a repair, unless the dictionary was destroyed or repaired meanwhile.
    fn restore(&self, unless: Precondition<'_>, write: Write<'_>) -> Result<()> {
        if self.repair {
            self.container.commit(vec![unless], vec![write])?;
        }
        Ok(())
    }

    /// A record, if it can be read.
    fn get(&mut self, place: &str, key: Key<'_>) -> Result<Option<Option<Record>>> {
        let read = self.view.get(key);
        self.readable(place, read)
    }

    /// The next record that can be read.
    fn advance(&mut self, cursor: &mut dyn Cursor, place: &str) -> Result<bool> {
        for _ in 0..DAMAGES_LISTED_MAX {
            if let Some(more) = self.readable(place, cursor.advance())? {
                return Ok(more);
            }
        }
        Ok(false)
    }

    /// Reports what is damaged; other errors end the check.
    fn readable<T>(&mut self, place: &str, result: Result<T>) -> Result<Option<T>> {
        let is_damage = |error: &Error| error.kind() == ErrorKind::Corrupt;
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if is_damage(&error) => {
                self.damage(place, error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn damage(&mut self, place: &str, what: String) {
        self.report.damages.push(Damage::new(place, what));
    }
}

fn place_of(id: ObjectId, name: &str) -> String {
    match id.named_kind() {
        Some(NamedKind::Blobs) => format!("blobs {name:?}"),
        Some(NamedKind::Map) => format!("map {name:?}"),
        _ => format!("dict {name:?}"),
    }
}

fn entry_shown(id: ObjectId, key: &[u8]) -> String {
    match id.named_kind() {
        Some(NamedKind::Blobs) => format!("the blob {}", layout::hex(key)),
        _ => format!("the entry {}", id.key_form().shown(key)),
    }
}
