//! Bugs by number, so that a process of a test can be told which one to plant in its threads.

#[cfg(feature = "planted-bugs")]
pub use millpond_local::bugs::plant_number as plant;

/// Without the feature there is none to plant.
#[cfg(not(feature = "planted-bugs"))]
pub struct Planted;

/// Without the feature there is none to plant.
#[cfg(not(feature = "planted-bugs"))]
#[must_use]
pub fn plant(number: u32) -> Planted {
    assert_eq!(number, 0, "bugs are planted with the feature planted-bugs");
    Planted
}
