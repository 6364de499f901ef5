//! Blobs with the rest of a container: transactions, snapshots, differences, watches; and many at once.

use std::{collections::BTreeSet, thread};

use millpond::{
    BlobSettings, BlobSource, BlobStore, ChangeKind, Compression, Container, DifferentObject, ErrorKind,
    HashType, InsertOptions, OptimizeOptions, Result, Silent, TransactionOptions, WatchOptions,
};
use millpond_testkit::process::{Part, role};

use super::{blobs, kind_of, text};
use crate::scratch::{Scratch, noise};

const PLAIN: InsertOptions =
    InsertOptions { compression: Some(Compression::NONE), recompress: false, note: None };

on_every_backend!(
    a_transaction_takes_blobs_and_entries_together,
    a_snapshot_shows_the_blobs_of_its_time,
    threads_that_insert_the_same_store_it_once,
);

fn a_transaction_takes_blobs_and_entries_together(scratch: &Scratch) {
    let blobs = blobs(scratch);
    let container = blobs.container().clone();
    let index = container.create_dict("index").expect("created");
    let content = text(1, 5000);
    let aborted = container.begin(TransactionOptions::default()).expect("begun");
    let within = blobs.within(&aborted).expect("within");
    let id = within.insert((&content[..]).into(), &InsertOptions::default()).expect("inserted").id;
    assert!(within.extract(&id).expect("its own write") == content);
    assert_eq!(within.count().expect("counted"), 1);
    aborted.abort();
    assert_eq!((blobs.count().expect("counted"), blobs.has(&id).expect("asked")), (0, false));
    container
        .transaction(|tx| {
            let id = blobs.within(tx)?.insert((&content[..]).into(), &InsertOptions::default())?.id;
            index.within(tx)?.put(b"input", id.as_bytes()).map(drop)
        })
        .expect("committed");
    let named = index.get(b"input").expect("read").expect("an entry");
    let id = blobs.settings().hash.id(&named).expect("an id");
    assert!(blobs.extract(&id).expect("extracted") == content);
    assert_eq!(container.check(false).expect("checked").damages, []);
}

fn a_snapshot_shows_the_blobs_of_its_time(scratch: &Scratch) {
    let blobs = blobs(scratch);
    let container = blobs.container().clone();
    let old = blobs.insert(text(1, 5000).into(), &InsertOptions::default()).expect("inserted").id;
    container.snapshot("before").expect("taken");
    blobs.delete(&[old]).expect("deleted");
    let new = blobs.insert(text(2, 5000).into(), &InsertOptions::default()).expect("inserted").id;
    container.compact().expect("compacted");
    let then = container.at("before").expect("kept").blobs("blobs").expect("opened");
    assert!(then.extract(&old).expect("extracted") == text(1, 5000));
    assert_eq!(kind_of(then.extract(&new)), ErrorKind::NotFound);
    assert_eq!(then.status().expect("a status").raw_size, 5000);
    assert_eq!(kind_of(then.insert(b"x"[..].into(), &InsertOptions::default())), ErrorKind::ReadOnly);
    let mut differences: Vec<_> =
        container.diff("before", ()).expect("compared").collect::<Result<_>>().expect("differences");
    differences.sort_by_key(|difference| difference.change);
    assert_eq!(differences.len(), 2);
    for difference in &differences {
        assert_eq!(difference.object, DifferentObject::Blobs("blobs".into()));
    }
    container.rollback("before").expect("back");
    assert_eq!(blobs.has_many(&[old, new]).expect("asked"), [true, false]);
    assert_eq!(blobs.status().expect("a status").count, 1);
    assert_eq!(container.check(false).expect("checked").damages, []);
}

fn threads_that_insert_the_same_store_it_once(scratch: &Scratch) {
    let blobs = blobs(scratch);
    let contents: Vec<_> = (0..200u64).map(|i| noise(i, 100 + 50 * i as usize)).collect();
    let new: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let (blobs, contents) = (&blobs, &contents);
                scope.spawn(move || {
                    if thread % 2 == 0 {
                        let inserted = |content: &Vec<u8>| {
                            blobs.insert((&content[..]).into(), &InsertOptions::default()).expect("inserted")
                        };
                        return contents.iter().filter(|content| inserted(content).is_new).count();
                    }
                    let sources = contents.iter().rev().map(|content| Ok(BlobSource::from(&content[..])));
                    let inserted = blobs.insert_many(Box::new(sources), &InsertOptions::default());
                    inserted
                        .expect("begun")
                        .filter(|inserted| inserted.as_ref().expect("inserted").is_new)
                        .count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!(new, contents.len(), "each was new to one of them");
    let status = blobs.status().expect("a status");
    assert_eq!(status.count, contents.len() as u64);
    assert_eq!(status.raw_size, contents.iter().map(Vec::len).sum::<usize>() as u64);
    assert_eq!(blobs.container().check(false).expect("checked").damages, []);
}

#[test]
fn a_watch_tells_of_blobs() {
    let scratch = Scratch::file();
    let blobs = blobs(&scratch);
    let container = blobs.container();
    let mut watch = container.watch(WatchOptions::default()).expect("a watch");
    let content = text(1, 5000);
    let id = blobs.insert((&content[..]).into(), &InsertOptions::default()).expect("inserted").id;
    blobs.delete(&[id]).expect("deleted");
    container.create_blobs("more", BlobSettings::default()).expect("created");
    let mut told = Vec::new();
    while told.len() < 3 {
        let set = watch.next_within(std::time::Duration::from_secs(30)).expect("told").expect("in time");
        for change in set {
            let change = change.expect("told");
            let blobs = change.blobs().map(str::to_owned);
            told.push((change.kind(), blobs, change.key().map(<[u8]>::to_vec)));
        }
    }
    let name = |name: &str| Some(name.to_owned());
    let key = Some(id.as_bytes().to_vec());
    assert_eq!(
        told,
        [
            (ChangeKind::Put, name("blobs"), key.clone()),
            (ChangeKind::Delete, name("blobs"), key),
            (ChangeKind::Create, name("more"), None),
        ]
    );
}

/// Six processes insert, half of it the same, while one recompresses and one validates, again and again.
#[test]
fn processes_insert_while_others_optimize_and_validate() {
    const INSERTING: u64 = 6;
    const BLOBS: u64 = 120;
    let contents = |number: u64| {
        (0..BLOBS).map(move |i| {
            let seed = if i % 2 == 0 { i } else { 1000 * (number + 1) + i };
            text(seed, 40 * i as usize + number as usize % 2)
        })
    };
    if let Some(role) = role() {
        let (number, url) = role.split_once(' ').expect("a number and a URL");
        let number: u64 = number.parse().expect("a number");
        let blobs = Container::open(url).expect("opened").blobs("blobs").expect("opened");
        match number {
            0..INSERTING => {
                let mut all = contents(number);
                for content in all.by_ref().take(40) {
                    blobs.insert(content.into(), &PLAIN).expect("inserted");
                }
                let sources = all.map(|content| Ok(BlobSource::from(content)));
                let inserted = blobs.insert_many(Box::new(sources), &PLAIN).expect("begun");
                assert_eq!(inserted.filter(|inserted| inserted.is_ok()).count(), BLOBS as usize - 40);
            }
            INSERTING => {
                for _ in 0..6 {
                    blobs.optimize(OptimizeOptions::default(), &mut Silent).expect("optimized");
                }
            }
            _ => {
                for round in 0..6 {
                    let validated = blobs.validate(round % 2 == 0, &mut Silent).expect("validated");
                    assert!(validated.is_valid(), "{validated:?}");
                }
            }
        }
        return;
    }
    let scratch = Scratch::file();
    let blobs = blobs(&scratch);
    let name = "blobs::together::processes_insert_while_others_optimize_and_validate";
    let url = blobs.container().url();
    let processes: Vec<_> =
        (0..INSERTING + 2).map(|number| Part::new(name, format!("{number} {url}")).start()).collect();
    processes.into_iter().for_each(|process| process.finish());
    let expected: BTreeSet<_> =
        (0..INSERTING).flat_map(contents).map(|content| (HashType::Sha256.hash(&content), content)).collect();
    for (id, content) in &expected {
        assert!(blobs.extract(id).expect("extracted") == *content, "{id}");
    }
    let status = blobs.status().expect("a status");
    let bytes: usize = expected.iter().map(|(_, content)| content.len()).sum();
    assert_eq!((status.count, status.raw_size), (expected.len() as u64, bytes as u64));
    assert!(blobs.container().check(false).expect("checked").is_clean());
}
