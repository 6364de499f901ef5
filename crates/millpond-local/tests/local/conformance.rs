//! The contracts, on a simulated machine and on the real one.

use std::{path::Path, sync::Arc};

use millpond_local::{
    EngineOptions, LocalStore,
    media::{Media, SystemMedia},
};
use millpond_testkit::{
    conformance::{self, Fixture},
    sim::SimMachine,
};

use crate::subject::{CONTAINER, DIR, SUBJECT, create, options};

pub fn simulated() -> Fixture {
    let machine = SimMachine::new(1);
    machine.record(false);
    let process = machine.process();
    (SUBJECT.create)(process.clone()).expect("created");
    Fixture::new(move || (SUBJECT.open)(process.clone()))
}

#[test]
fn without_a_thread_of_its_own() {
    conformance::run(simulated);
}

#[test]
fn with_its_thread_and_two_processes() {
    conformance::run(|| {
        let machine = SimMachine::new(1);
        machine.record(false);
        (SUBJECT.create)(machine.process()).expect("created");
        // Each open is another process of the machine.
        Fixture::new(move || {
            let options = EngineOptions { background: true, ..options() };
            Ok(Arc::new(LocalStore::open(machine.process(), Path::new(DIR), CONTAINER, options, false)?))
        })
    });
}

#[test]
fn on_the_machine_s_own_files() {
    conformance::run(|| {
        let dir = Arc::new(tempfile::tempdir().expect("a directory"));
        let media: Arc<dyn Media> = Arc::new(SystemMedia);
        create(&media, &dir.path().join("container")).expect("created");
        Fixture::new(move || {
            let options = EngineOptions::default();
            Ok(Arc::new(LocalStore::open(
                media.clone(),
                &dir.path().join("container"),
                CONTAINER,
                options,
                false,
            )?))
        })
    });
}
