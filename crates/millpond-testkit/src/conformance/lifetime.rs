//! What outlives a handle, and what a container says about itself.

use millpond_core::{At, Direction, ErrorKind, KeyRange};

use super::{Fixture, Tests, steps::*};

pub(super) const TESTS: Tests = &[
    ("commits_survive_reopen", commits_survive_reopen),
    ("async_commits_survive_a_close", async_commits_survive_a_close),
    ("flush_covers_what_was_visible", flush_covers_what_was_visible),
    ("compaction_changes_nothing_visible", compaction_changes_nothing_visible),
    ("statistics_are_sane", statistics_are_sane),
    ("verify_finds_a_whole_store_whole", verify_finds_a_whole_store_whole),
    ("a_closed_store_says_so", a_closed_store_says_so),
    ("one_handle_closes_alone", one_handle_closes_alone),
];

fn commits_survive_reopen(fixture: &mut Fixture) {
    for round in 0u8..8 {
        let (epoch, _) =
            commit(fixture.store(), &[put(&[round], &[round + 1]), tallied(put(b"x", b"v"), b"#")]);
        fixture.reopen();
        assert_eq!(fixture.store().index().epoch().expect("an epoch"), epoch);
        assert_eq!(all(fixture.store()).len(), usize::from(round) + 3);
        assert_eq!(version(fixture.store(), &[round]), epoch);
        assert_eq!(counter(fixture.store(), b"#"), 1);
    }
    fixture.reopen();
    fixture.reopen();
    assert_eq!(all(fixture.store()).len(), 10);
}

fn async_commits_survive_a_close(fixture: &mut Fixture) {
    for round in 0u16..300 {
        commit_async(fixture.store(), &[put(&round.to_be_bytes(), b"v"), adjust(b"n", 1)]);
    }
    fixture.reopen();
    assert_eq!(all(fixture.store()).len(), 301);
    assert_eq!(counter(fixture.store(), b"n"), 300);
}

fn flush_covers_what_was_visible(fixture: &mut Fixture) {
    let store = fixture.store();
    let (first, _) = commit_async(store, &[put(b"a", b"1")]);
    let (second, _) = commit_async(store, &[put(b"a", b"2")]);
    assert!(store.index().flush().expect("flushed") >= second);
    assert!(store.statistics().expect("statistics").epoch_synced >= second.0);
    assert!(store.index().flush().expect("flushed again") >= second);
    let (third, _) = commit(store, &[put(b"a", b"3")]);
    assert!(store.statistics().expect("statistics").epoch_synced >= third.0, "a sync commit is synced");
    assert!(first < second && second < third);
}

fn compaction_changes_nothing_visible(fixture: &mut Fixture) {
    let store = fixture.store();
    for round in 0u16..500 {
        let sort = (round % 97).to_be_bytes();
        match round % 7 {
            0 => commit_async(store, &[tallied(delete(&sort), b"#")]),
            _ => commit_async(store, &[tallied(put(&sort, &[1; 100]), b"#"), adjust(b"n", 1)]),
        };
    }
    let versions: Vec<_> = all(store).iter().map(|(sort, _)| version(store, sort)).collect();
    let (before, epoch) = (all(store), store.index().epoch().expect("an epoch"));
    for _ in 0..3 {
        store.compact().expect("compacted");
        assert_eq!(all(store), before);
        assert_eq!(store.index().epoch().expect("an epoch"), epoch);
        let after: Vec<_> = all(store).iter().map(|(sort, _)| version(store, sort)).collect();
        assert_eq!(after, versions, "versions are kept");
    }
}

fn statistics_are_sane(fixture: &mut Fixture) {
    let store = fixture.store();
    let bulk = vec![5; 300_000];
    let extents = store_bulk(store, &bulk, 1 << 16);
    let (epoch, _) = commit(store, &[put_bulk(b"big", b"header", &extents), put(b"a", b"1")]);
    store.compact().expect("compacted");
    let statistics = store.statistics().expect("statistics");
    assert_eq!(statistics.epoch, epoch.0);
    assert!(statistics.epoch_synced <= statistics.epoch);
    assert!(statistics.bytes_segments_live >= bulk.len() as u64, "{statistics:?}");
    assert!(statistics.bytes_segments >= bulk.len() as u64, "{statistics:?}");
    assert!(statistics.segments >= 1 && statistics.processes >= 1, "{statistics:?}");
    commit(store, &[delete(b"big")]);
    store.compact().expect("compacted");
    let after = store.statistics().expect("statistics");
    assert!(after.bytes_segments_live < bulk.len() as u64, "nobody owns those any more: {after:?}");
    assert!(after.bytes_dead < bulk.len() as u64, "they were given back: {after:?}");
}

fn verify_finds_a_whole_store_whole(fixture: &mut Fixture) {
    let store = fixture.store();
    let extents = store_bulk(store, &[5; 200_000], 4096);
    commit(store, &[put_bulk(b"big", b"header", &extents), put(b"a", &[1; 1000])]);
    for round in 0u16..200 {
        commit_async(store, &[put(&round.to_be_bytes(), &[2; 50])]);
    }
    for _ in 0..2 {
        let mut damages = Vec::new();
        let bytes = store.verify(&mut |damage| damages.push(damage)).expect("verified");
        assert_eq!(damages, []);
        assert!(bytes >= 200_000, "{bytes} bytes read");
        store.compact().expect("compacted");
    }
}

fn a_closed_store_says_so(fixture: &mut Fixture) {
    let extents = store_bulk(fixture.store(), b"bulk", 4);
    let (epoch, _) = commit(fixture.store(), &[put_bulk(b"a", b"1", &extents)]);
    let closed = fixture.another();
    closed.close().expect("closed");
    let kinds = [
        closed.index().view(At::Latest).err(),
        closed.index().view(At::Epoch(epoch)).err(),
        closed.index().get(key(b"a")).err(),
        closed.index().epoch().err(),
        closed.index().flush().err(),
        try_commit(&*closed, &[], &[put(b"a", b"2")]).err(),
        closed
            .segments()
            .writer()
            .and_then(|mut writer| writer.append(b"x").and_then(|()| writer.finish()))
            .err(),
        closed.segments().read(&extents[0], 0, &mut [0; 4]).err(),
        closed.statistics().err(),
        closed.compact().err(),
        closed.verify(&mut |_| {}).err(),
    ];
    for (at, error) in kinds.into_iter().enumerate() {
        let error = error.unwrap_or_else(|| panic!("call {at} went through a closed store"));
        assert_eq!(error.kind(), ErrorKind::Closed, "call {at}: {error}");
    }
    if let Err(error) = closed.close() {
        assert_eq!(error.kind(), ErrorKind::Closed);
    }
    assert_eq!(value(fixture.store(), b"a"), Some(b"1".to_vec()));
}

fn one_handle_closes_alone(fixture: &mut Fixture) {
    commit(fixture.store(), &[put(b"a", b"1")]);
    let view = latest(fixture.store());
    let other = fixture.another();
    commit_async(&*other, &[put(b"b", b"2")]);
    other.close().expect("closed");
    drop(other);
    assert_eq!(value(fixture.store(), b"b"), Some(b"2".to_vec()));
    commit(fixture.store(), &[put(b"c", b"3")]);
    if let Some(found) = unless_gone(scan(&*view, KeyRange::all(P), Direction::Forward)) {
        assert_eq!(found.len(), 1);
    }
    drop(view);
    fixture.reopen();
    assert_eq!(all(fixture.store()).len(), 3);
}
