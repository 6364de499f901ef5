//! What pools and containers tell about themselves.

use std::collections::BTreeMap;

use millpond_core::{Durability, LastScrub, Statistics};
use serde::Serialize;
use uuid::Uuid;

use crate::{container::Damage, container_type::ContainerType, properties::serialize_durability};

/// A pool in a list.
#[derive(Clone, Debug, Serialize)]
pub struct PoolSummary {
    /// Its label.
    pub label: String,
    /// Its UUID; nil where the pool can't be opened.
    pub uuid: Uuid,
    /// Its canonical URL.
    pub url: String,
    /// Its quota in bytes, if any.
    pub size: Option<u64>,
    /// Bytes allocated.
    pub used: u64,
    /// How many containers it has.
    pub containers: u64,
    /// Why it can't be opened, if it can't.
    pub problem: Option<String>,
}

/// All about a pool.
#[derive(Clone, Debug, Serialize)]
pub struct PoolQuery {
    /// Its label.
    pub label: String,
    /// Its UUID.
    pub uuid: Uuid,
    /// Its canonical URL.
    pub url: String,
    /// Seconds since 1970 when it was created.
    pub created: u64,
    /// Its quota in bytes, if any.
    pub size: Option<u64>,
    /// Bytes allocated.
    pub used: u64,
    /// Its containers, by label.
    pub containers: Vec<ContainerSummary>,
    /// Its properties.
    pub properties: BTreeMap<String, String>,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
}

/// A container in a list.
#[derive(Clone, Debug, Serialize)]
pub struct ContainerSummary {
    /// Its label, if it has one.
    pub label: Option<String>,
    /// Its UUID.
    pub uuid: Uuid,
    /// What it is for.
    pub container_type: ContainerType,
    /// Seconds since 1970 when it was created.
    pub created: u64,
    /// The directory of the unified namespace that stands for it, if any.
    pub path: Option<String>,
}

/// All about a container.
#[derive(Clone, Debug, Serialize)]
pub struct ContainerQuery {
    /// Its label, if it has one.
    pub label: Option<String>,
    /// Its UUID.
    pub uuid: Uuid,
    /// The label of its pool.
    pub pool: String,
    /// Its canonical URL.
    pub url: String,
    /// What it is for.
    pub container_type: ContainerType,
    /// Seconds since 1970 when it was created.
    pub created: u64,
    /// When a commit counts as done, unless a handle asks for something else.
    #[serde(serialize_with = "serialize_durability")]
    pub durability: Durability,
    /// The directory of the unified namespace that stands for it, if any.
    pub path: Option<String>,
    /// How many dictionaries it holds.
    pub dicts: u64,
    /// How many other objects it holds.
    pub objects: u64,
    /// How many stores of blobs it holds.
    pub blob_stores: u64,
    /// How many ordered maps it has.
    pub maps: u64,
    /// The last scrub that was finished, if any was.
    pub last_scrub: Option<LastScrub>,
    /// Sizes and counts of its storage.
    pub statistics: Statistics,
    /// Its properties.
    pub properties: BTreeMap<String, String>,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
}

/// What a check of a container found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CheckReport {
    /// How many bytes were read.
    pub bytes: u64,
    /// Every damaged place, and every record that contradicts another one.
    pub damages: Vec<Damage>,
    /// What a repair dealt with below the records: places whose records were given up, and files that
    /// were written anew. It is damaged no more.
    pub repaired: Vec<Damage>,
    /// At how many of these places records were lost.
    pub lost: u64,
    /// Values that were lost, in whose place a repair put a marker. They are no damage.
    pub markers: Vec<Damage>,
    /// The ids of dictionaries that no name led to.
    pub leaked: Vec<String>,
    /// The names under which they are found again, after a repair.
    pub relinked: Vec<String>,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.damages.is_empty() && self.leaked.is_empty()
    }
}
