//! What a backend brings to the suite: an empty container that can be opened again.

use std::sync::Arc;

use millpond_core::{Result, Store};

/// An open container, empty at first, and the way to open it again.
pub struct Fixture {
    open: Box<dyn Fn() -> Result<Arc<dyn Store>>>,
    store: Arc<dyn Store>,
}

impl Fixture {
    /// A fixture of the container that `open` opens, the same one each time.
    ///
    /// # Panics
    /// Where it can't be opened.
    pub fn new(open: impl Fn() -> Result<Arc<dyn Store>> + 'static) -> Self {
        let store = open().expect("the container opens");
        Self { open: Box::new(open), store }
    }

    /// The open container.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// The open container, for threads.
    pub fn shared(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// A second handle on the same container, while the first one is open.
    ///
    /// # Panics
    /// Where it can't be opened.
    pub fn another(&self) -> Arc<dyn Store> {
        (self.open)().expect("the container opens twice")
    }

    /// Closes the container and opens it again.
    ///
    /// # Panics
    /// Where it can't be closed or opened.
    pub fn reopen(&mut self) {
        self.store.close().expect("the container closes");
        self.store = (self.open)().expect("the container opens again");
    }
}
