//! What a client does with objects, and with dictionaries as a whole.
//!
//! An object holds lists: some as single values, which are replaced whole, some as arrays, to which a
//! record is written behind the last one. Dictionaries and further objects are tokens: each is made once,
//! with one element in it, and destroyed once.

use std::ops::RangeInclusive;

use millpond::{
    Conditions, Container, ErrorKind, KeyKind, Object, ObjectClass, ObjectForm, ObjectId, ObjectKind, Result,
};
use millpond_testkit::history::transactions::Step;

use super::{
    client::{Client, LIST_MAX},
    values,
};

/// Keys of the history, by what they stand for.
const SINGLES: RangeInclusive<u64> = 1 << 61..=(2 << 61) - 1;
const ARRAYS: RangeInclusive<u64> = 2 << 61..=(3 << 61) - 1;
const DICTS: RangeInclusive<u64> = 3 << 61..=(4 << 61) - 1;
const OBJECTS: RangeInclusive<u64> = 4 << 61..=(5 << 61) - 1;

/// Lists of each sort that are in use at a time.
const LISTS_AT_ONCE: u64 = 3;
/// Tokens of a sort above which one is rather removed.
const TOKENS_MANY: usize = 6;

/// Where in each sort of list this client is: how many full ones there were before.
#[derive(Default)]
pub struct Places {
    singles: [u64; LISTS_AT_ONCE as usize],
    arrays: [u64; LISTS_AT_ONCE as usize],
}

fn id(dkeys: KeyKind, low: u64) -> ObjectId {
    let (akeys, form, class) = (KeyKind::Lexical, ObjectForm::Keyed, ObjectClass::S1);
    ObjectId::new(ObjectKind { dkeys, akeys, form, class }, low.into()).expect("an id")
}

/// The object with the lists.
fn lists(container: &Container) -> Result<Object> {
    container.object(id(KeyKind::Integer, 1))
}

fn get(object: &Object, key: u64) -> Result<Vec<u64>> {
    if SINGLES.contains(&key) {
        return Ok(object.get(key, "list")?.map_or_else(Vec::new, |value| values::list(&value)));
    }
    let mut bytes = vec![0xEE; 8 * LIST_MAX];
    let holes = object.read(key, "list", 8, 0, &mut bytes)?;
    let length = holes.first().map_or(LIST_MAX, |hole| hole.start as usize);
    assert!(holes.len() <= 1 && holes.iter().all(|hole| hole.end == LIST_MAX as u64), "holes at {holes:?}");
    let elements = bytes[..8 * length].chunks(8);
    Ok(elements.map(|bytes| u64::from_le_bytes(bytes.try_into().expect("eight bytes"))).collect())
}

fn name_of(key: u64) -> String {
    format!("token {key}")
}

/// The tokens that are there.
fn tokens(container: &Container, sort: &RangeInclusive<u64>) -> Result<Vec<(u64, Vec<u64>)>> {
    let mut found = Vec::new();
    if *sort == DICTS {
        for name in container.dicts()? {
            let Some(key) = name.strip_prefix("token ") else { continue };
            let value = container.dict(&name)?.get(b"e")?.expect("it was made with its dictionary");
            found.push((key.parse().expect("a number"), values::list(&value)));
        }
    } else {
        for listed in container.objects()? {
            let listed = listed?;
            let key = u64::try_from(listed.low()).expect("a key of this test");
            if listed == id(KeyKind::Lexical, key) {
                let value = container.object(listed)?.get("d", "a")?.expect("it was made with its object");
                found.push((key, values::list(&value)));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn make(container: &Container, key: u64, element: u64) -> Result<()> {
    let value = values::value(&[element]);
    if DICTS.contains(&key) {
        return container.create_dict(&name_of(key))?.put(b"e", &value).map(drop);
    }
    container.object(id(KeyKind::Lexical, key))?.put("d", "a", &value)
}

/// Destroys a token; answers whether it was there.
fn destroy(container: &Container, key: u64) -> Result<bool> {
    let destroyed = if DICTS.contains(&key) {
        container.destroy_dict(&name_of(key))
    } else {
        container.object(id(KeyKind::Lexical, key))?.punch(Conditions::PUNCH)
    };
    match destroyed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads all that there is, in a transaction.
pub fn scan_all(container: &Container, steps: &mut Vec<Step>) -> Result<()> {
    scan_lists(container, steps)?;
    for range in [DICTS, OBJECTS] {
        let found = tokens(container, &range)?;
        steps.push(Step::Scan { range, found });
    }
    Ok(())
}

fn scan_lists(container: &Container, steps: &mut Vec<Step>) -> Result<()> {
    let object = lists(container)?;
    let (mut singles, mut arrays) = (Vec::new(), Vec::new());
    for dkey in object.list_dkeys()? {
        let key = dkey?.integer().expect("an integer");
        let sort = if SINGLES.contains(&key) { &mut singles } else { &mut arrays };
        sort.push((key, get(&object, key)?));
    }
    steps.push(Step::Scan { range: SINGLES, found: singles });
    steps.push(Step::Scan { range: ARRAYS, found: arrays });
    Ok(())
}

impl Client {
    fn place(&mut self) -> u64 {
        let place = self.random.below(LISTS_AT_ONCE);
        if self.random.chance(500) {
            SINGLES.start() + place + LISTS_AT_ONCE * self.places.singles[place as usize]
        } else {
            ARRAYS.start() + place + LISTS_AT_ONCE * self.places.arrays[place as usize]
        }
    }

    /// A step of a transaction.
    pub(super) fn object_step(
        &mut self,
        container: &Container,
        read_only: bool,
        steps: &mut Vec<Step>,
    ) -> Result<()> {
        match self.random.below(if read_only { 50 } else { 100 }) {
            0..25 => {
                let key = self.place();
                steps.push(Step::Read { key, found: get(&lists(container)?, key)? });
            }
            25..40 => scan_lists(container, steps)?,
            40..50 => {
                let range = if self.random.chance(500) { DICTS } else { OBJECTS };
                let found = tokens(container, &range)?;
                steps.push(Step::Scan { range, found });
            }
            50..80 => self.append_to_object(container, steps)?,
            _ => self.change_objects(container, steps)?,
        }
        Ok(())
    }

    fn append_to_object(&mut self, container: &Container, steps: &mut Vec<Step>) -> Result<()> {
        let key = self.place();
        let object = lists(container)?;
        let mut list = get(&object, key)?;
        steps.push(Step::Read { key, found: list.clone() });
        let is_single = SINGLES.contains(&key);
        if list.len() >= LIST_MAX {
            let places = if is_single { &mut self.places.singles } else { &mut self.places.arrays };
            let first = if is_single { SINGLES } else { ARRAYS };
            places[((key - first.start()) % LISTS_AT_ONCE) as usize] += 1;
            return Ok(());
        }
        let element = self.element();
        list.push(element);
        if is_single {
            object.put(key, "list", &values::value(&list))?;
        } else {
            object.write(key, "list", 8, list.len() as u64 - 1, &element.to_le_bytes())?;
        }
        steps.push(Step::Append { key, element });
        Ok(())
    }

    /// Makes a dictionary or an object, or destroys one that there is.
    fn change_objects(&mut self, container: &Container, steps: &mut Vec<Step>) -> Result<()> {
        let range = if self.random.chance(500) { DICTS } else { OBJECTS };
        // Whoever looks is in the way of those that make one.
        if self.random.chance(400) {
            let found = tokens(container, &range)?;
            let keys: Vec<u64> = found.iter().map(|(key, _)| *key).collect();
            steps.push(Step::Scan { range: range.clone(), found });
            if let Some(&key) = keys.get(self.random.index(keys.len()))
                && (keys.len() > TOKENS_MANY || self.random.chance(500))
            {
                assert!(destroy(container, key)?, "it was found");
                steps.push(Step::Remove { key });
                return Ok(());
            }
        }
        let (key, element) = (self.object_token(&range), self.element());
        make(container, key, element)?;
        steps.push(Step::Append { key, element });
        Ok(())
    }

    fn object_token(&mut self, range: &RangeInclusive<u64>) -> u64 {
        range.start() + self.element()
    }

    /// An operation by itself.
    pub(super) fn object_single(&mut self) {
        let container = self.container.clone();
        let began = self.recorder.time();
        match self.random.below(100) {
            0..50 => {
                let key = self.place();
                let found = lists(&container).and_then(|object| get(&object, key)).expect("read");
                let number = self.recorder.attempt(began, &[]).expect("recorded");
                self.recorder.end(number, true, &[Step::Read { key, found }]).expect("recorded");
            }
            50..75 => {
                let (key, element) = (self.object_token(&OBJECTS), self.element());
                let steps = [Step::Append { key, element }];
                let number = self.recorder.attempt(began, &steps).expect("recorded");
                make(&container, key, element).expect("made");
                self.recorder.end(number, true, &steps).expect("recorded");
            }
            _ => self.destroy_alone(&container),
        }
    }

    fn destroy_alone(&mut self, container: &Container) {
        let range = if self.random.chance(500) { DICTS } else { OBJECTS };
        let options = millpond::TransactionOptions { read_only: true, ..Default::default() };
        let state = container.begin(options).expect("begun");
        let found = tokens(state.container(), &range).expect("read");
        state.abort();
        let Some(&(key, _)) = found.get(self.random.index(found.len())) else { return };
        let began = self.recorder.time();
        let number = self.recorder.attempt(began, &[Step::Remove { key }]).expect("recorded");
        let step = match destroy(container, key).expect("destroyed") {
            true => Step::Remove { key },
            false => Step::Read { key, found: Vec::new() },
        };
        self.recorder.end(number, true, &[step]).expect("recorded");
    }
}
