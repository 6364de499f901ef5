//! Bugs by number, so that a process of a test can be told which one to plant in its threads.

/// Plants the bug of this number for what this thread drives; 0 is none.
#[cfg(feature = "planted-bugs")]
pub fn plant(number: u32) -> millpond_local::bugs::Planted {
    millpond_local::bugs::plant_number(number)
}

/// Without the feature there is none to plant.
#[cfg(not(feature = "planted-bugs"))]
pub fn plant(number: u32) {
    assert_eq!(number, 0, "bugs are planted with the feature planted-bugs");
}
