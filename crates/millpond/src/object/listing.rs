//! Objects of a container: made, opened, listed and counted.

use millpond_core::{At, Cursor, Direction, Epoch, Outcome, Result};

use super::{
    Array, ArrayOptions, Object, ObjectClass, ObjectForm, ObjectKind, array, key::KeyKind, plan::Plan,
};
use crate::{
    container::Container,
    environment, layout,
    layout::{Listing, OBJECT_COUNT, OBJECT_RECORD, ObjectId},
};

/// What an object is to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct ObjectOptions {
    /// Which dkeys it takes.
    pub dkeys: KeyKind,
    /// Which akeys it takes.
    pub akeys: KeyKind,
    /// How it is to be spread over devices.
    pub class: ObjectClass,
    /// The lower 96 bits of its id; chosen at random where there are none.
    pub low: Option<u128>,
}

impl Container {
    /// An object of a new id. Nothing is stored before its first update.
    ///
    /// # Errors
    /// `NotSupported` when its class needs more than one device; `InvalidArgument` when the chosen
    /// part of its id has more than 96 bits.
    pub fn create_object(&self, options: ObjectOptions) -> Result<Object> {
        let ObjectOptions { dkeys, akeys, class, low } = options;
        let kind = ObjectKind { dkeys, akeys, form: ObjectForm::Keyed, class };
        self.object(ObjectId::new(kind, low.unwrap_or_else(random_low))?)
    }

    /// The object of an id, whether or not anything was written to it.
    ///
    /// # Errors
    /// `InvalidArgument` when it isn't the id of an object; `NotSupported` when its class needs more
    /// than one device; `Incompatible` when only a newer version knows its kind.
    pub fn object(&self, id: ObjectId) -> Result<Object> {
        id.kind()?.class.check_supported()?;
        Object::new(self.clone(), id)
    }

    /// Makes a 1-D array.
    ///
    /// # Errors
    /// `InvalidArgument` when cells or chunks have no size; `NotSupported` when its class needs more
    /// than one device; `AlreadyExists` when there is an array of the id that was chosen.
    pub fn create_array(&self, options: ArrayOptions) -> Result<Array> {
        let shape = array::shape_of(&options)?;
        let kind = array::kind_of(options.class);
        let object = self.object(ObjectId::new(kind, options.low.unwrap_or_else(random_low))?)?;
        let plan = Plan { header: Some(Epoch::ZERO), shape: Some(shape), ..Plan::default() };
        match plan.commit(&object)? {
            Outcome::Committed { .. } => Ok(Array::new(object, shape)),
            Outcome::Conflict { .. } => Err(object.exists_already(&[])),
        }
    }

    /// Opens a 1-D array.
    ///
    /// # Errors
    /// `NotFound` when there is none of that id; `InvalidArgument` when it isn't the id of an array.
    pub fn array(&self, id: ObjectId) -> Result<Array> {
        Array::open(self.object(id)?)
    }

    /// The ids of the container's objects, dictionaries left out, in their order.
    pub fn objects(&self) -> Result<Objects> {
        let view = self.index()?.view(At::Latest)?;
        Ok(Objects { cursor: view.scan(Listing::Objects.range(), Direction::Forward)? })
    }
}

/// Ids of objects, of one consistent state.
pub struct Objects {
    cursor: Box<dyn Cursor>,
}

impl Iterator for Objects {
    type Item = Result<ObjectId>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.cursor.advance() {
                Ok(true) if self.cursor.record().value == OBJECT_RECORD => {
                    return Some(layout::object_of(self.cursor.key()));
                }
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// How many objects there are, dictionaries left out.
pub(crate) fn count(container: &Container) -> Result<u64> {
    let record = container.index()?.get(OBJECT_COUNT)?;
    Ok(record.map_or(0, |record| record.counter().max(0).unsigned_abs()))
}

fn random_low() -> u128 {
    environment::unique().as_u128() >> 32
}
