//! Fuzzes the decoder that `MILLPOND_FUZZ_DECODER` names, with the corpus of that name.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static DECODER: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("MILLPOND_FUZZ_DECODER").unwrap_or_default();
    let mut all = millpond_local::fuzzing::DECODERS.iter().chain(&millpond::fuzzing::DECODERS);
    match all.find(|(other, _)| *other == name) {
        Some((_, decoder)) => *decoder,
        None => panic!("MILLPOND_FUZZ_DECODER names no decoder: {name:?}"),
    }
});

fuzz_target!(|bytes: &[u8]| DECODER(bytes));
