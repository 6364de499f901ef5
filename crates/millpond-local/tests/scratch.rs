use millpond_core::*;
use millpond_local::{media::*, *};
use millpond_testkit::conformance::*;
use std::sync::Arc;
use uuid::Uuid;

fn system() -> Fixture {
    let media: Arc<dyn Media> = Arc::new(SystemMedia);
    let dir = std::env::temp_dir().join(format!("millpond-conf-{:x}", media.random()));
    media.create_dir(&dir).unwrap();
    let id = Uuid::new_v4();
    Engine::create(&media, &dir, id, 64 << 10).unwrap();
    Fixture::new(move || {
        Ok(Arc::new(LocalStore::open(
            media.clone(),
            &dir,
            id,
            EngineOptions { log_bytes: 64 << 10, ..Default::default() },
            false,
        )?))
    })
}

#[test]
fn conformance() {
    run(system);
}

#[test]
fn random() {
    for seed in 0..8 {
        println!("seed {seed}");
        random_ops(&mut system(), seed, 3000);
    }
}
