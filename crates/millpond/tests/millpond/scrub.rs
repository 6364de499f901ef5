//! Scrubs: whose bytes are damaged, how fast they go, and what is kept of them.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use millpond::{Container, Error, ErrorKind, ObjectOptions, Pool, ScrubOptions};

use crate::scratch::{Scratch, noise, refused};

on_every_backend!(
    a_sound_container_is_scrubbed_and_it_is_kept,
    progress_ends_at_the_end_and_may_end_it,
    a_rate_is_kept,
);

/// A container with a dictionary "d" of short and long values.
fn container(scratch: &Scratch) -> Container {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    dict.put_many((0..20_000u32).map(|key| (key.to_be_bytes(), noise(key.into(), 100)))).expect("put");
    for key in 0..20u64 {
        dict.put(format!("long-{key}").as_bytes(), &noise(key, 200_000)).expect("put");
    }
    container.flush().expect("flushed");
    container
}

fn a_sound_container_is_scrubbed_and_it_is_kept(scratch: &Scratch) {
    let container = container(scratch);
    assert_eq!(container.query().expect("told").last_scrub, None);
    let report = container.scrub(ScrubOptions::default()).expect("scrubbed");
    assert!(report.damages.is_empty(), "{report:?}");
    assert!(report.bytes > 6_000_000, "{report:?}");
    let last = container.query().expect("told").last_scrub.expect("it is kept");
    assert_eq!((last.bytes, last.damages), (report.bytes, 0));
    assert!(last.finished > 0);
    let reports = Pool::open(&scratch.url).expect("opened").scrub(ScrubOptions::default()).expect("scrubbed");
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].container, container.url());
    refused(
        container.scrub(ScrubOptions { bytes_per_second: Some(0), ..ScrubOptions::default() }),
        ErrorKind::InvalidArgument,
        "never ends",
    );
}

fn progress_ends_at_the_end_and_may_end_it(scratch: &Scratch) {
    let container = container(scratch);
    let mut told = Vec::new();
    let mut progress = |done, total| {
        told.push((done, total));
        Ok(())
    };
    let report = container
        .scrub(ScrubOptions { progress: Some(&mut progress), ..ScrubOptions::default() })
        .expect("scrubbed");
    assert!(told.is_sorted_by_key(|(done, _)| *done), "{told:?}");
    assert!(told.iter().all(|(done, total)| done <= total), "{told:?}");
    assert_eq!(told.last(), Some(&(report.bytes, report.bytes)));
    let before = container.query().expect("told").last_scrub;
    let mut end = |_, _| Err(Error::new(ErrorKind::Closed, "enough"));
    let ended = container.scrub(ScrubOptions { progress: Some(&mut end), ..ScrubOptions::default() });
    refused(ended, ErrorKind::Closed, "enough");
    assert_eq!(container.query().expect("told").last_scrub, before, "it wasn't finished");
}

fn a_rate_is_kept(scratch: &Scratch) {
    let container = container(scratch);
    let begun = Instant::now();
    let options = ScrubOptions { bytes_per_second: Some(8 << 20), ..ScrubOptions::default() };
    let report = container.scrub(options).expect("scrubbed");
    let least = Duration::from_secs_f64(report.bytes as f64 / f64::from(8 << 20));
    assert!(begun.elapsed() >= least, "{:?} for {} bytes", begun.elapsed(), report.bytes);
}

/// Changes a byte of the only file with these bytes in it; answers its name and where it was.
pub fn damage(scratch: &Scratch, bytes: &[u8]) -> (String, u64) {
    let mut directories = vec![scratch.dir.path().to_owned()];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { directories.push(path) } else { files.push(path) }
        }
    }
    for path in files {
        let mut content = fs::read(&path).expect("read");
        if let Some(at) = content.windows(bytes.len()).position(|window| window == bytes) {
            content[at] ^= 1;
            fs::write(&path, content).expect("written");
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
            return (name.to_owned(), at as u64);
        }
    }
    panic!("the bytes are in no file");
}

#[test]
fn each_damage_is_named_with_its_key_and_bytes() {
    let scratch = Scratch::file();
    let before = container(&scratch);
    before.snapshot("kept").expect("made");
    before.dict("d").expect("opened").put(b"long-5", b"short").expect("put");
    before.compact().expect("compacted");
    let url = before.url();
    before.close().expect("closed");
    drop(before);

    // In a frame within one value, the first of another that only a snapshot has, and in a
    // block of records.
    let (segment, _) = damage(&scratch, &noise(3, 200_000)[70_000..70_032]);
    damage(&scratch, &noise(5, 200_000)[110..142]);
    let (run, _) = damage(&scratch, &noise(10_000, 100)[..32]);

    let container = Container::open(&url).expect("opened");
    let report = container.scrub(ScrubOptions::default()).expect("scrubbed");
    assert_eq!(report.damages.len(), 3, "{report:#?}");
    let of = |key: &str| {
        report.damages.iter().find(|damage| damage.key.as_deref() == Some(key)).unwrap_or_else(|| {
            panic!("no damage of {key}: {report:#?}");
        })
    };
    let long = of("\"long-3\"");
    assert_eq!((long.dict.as_deref(), long.extent), (Some("d"), Some([69_632, 73_728])));
    assert_eq!(long.place, format!("segments/{segment}"));
    assert_eq!(of("\"long-5\"").extent, Some([0, 4096]));
    let block = report.damages.iter().find(|damage| damage.last_key.is_some()).expect("a block");
    assert_eq!((block.place.clone(), block.dict.as_deref()), (format!("runs/{run}"), Some("d")));
    assert!(block.what.contains("no marker can stand for"), "{}", block.what);
    let key = format!("\"{}\"", 10_000u32.to_be_bytes().escape_ascii());
    let (first, last) = (block.key.clone().expect("a key"), block.last_key.clone().expect("a key"));
    assert!(first <= key && key <= last, "{first} {key} {last}");
    assert_eq!(container.query().expect("told").last_scrub.map(|last| last.damages), Some(3));

    let check = container.check(false).expect("checked");
    assert!(report.damages.iter().all(|damage| check.damages.contains(damage)), "{check:#?}");
    let dict = container.dict("d").expect("opened");
    assert_eq!(dict.get(b"long-4").expect("read").as_deref(), Some(&noise(4, 200_000)[..]));
    refused(dict.get(b"long-3"), ErrorKind::Corrupt, "long-3");
}

#[test]
fn a_lost_value_is_marked_forgotten_and_whole_in_no_snapshot() {
    for has_snapshot in [false, true] {
        let scratch = Scratch::file();
        let before = container(&scratch);
        if has_snapshot {
            before.snapshot("kept").expect("made");
        }
        let url = before.url();
        before.close().expect("closed");
        drop(before);
        damage(&scratch, &noise(3, 200_000)[70_000..70_032]);
        damage(&scratch, &noise(4, 200_000)[110..142]);

        let container = Container::open(&url).expect("opened");
        let dict = container.dict("d").expect("opened");
        let found = container.check(false).expect("checked");
        assert_eq!((found.damages.len(), found.markers.len()), (2, 0), "{found:#?}");
        assert!(found.damages.iter().any(|damage| damage.key.as_deref() == Some("\"long-3\"")), "{found:#?}");
        refused(dict.get(b"long-3"), ErrorKind::Corrupt, "long-3");

        let report = container.check(true).expect("repaired");
        assert_eq!((report.lost, report.repaired.len(), report.markers.len()), (2, 2, 2), "{report:#?}");
        assert_eq!(report.damages.len(), if has_snapshot { 2 } else { 0 }, "{report:#?}");
        for key in ["long-3", "long-4"] {
            refused(dict.get(key.as_bytes()), ErrorKind::DataLoss, key);
            if has_snapshot {
                let kept = container.at("kept").expect("opened").dict("d").expect("opened");
                refused(kept.get(key.as_bytes()), ErrorKind::Corrupt, key);
            }
        }
        refused(dict.get(b"long-3"), ErrorKind::DataLoss, "bytes 69632 to 73728 of 200000");
        let others = (0..20u64).filter(|key| !(3..5).contains(key));
        for key in others {
            let value = dict.get(format!("long-{key}").as_bytes()).expect("read");
            assert!(value.as_deref() == Some(&noise(key, 200_000)[..]), "a wrong value of {key}");
        }
        assert_eq!(dict.len().expect("counted"), 20_020);
        // A marker is replaced like any value; a second repair finds nothing to do.
        dict.put(b"long-4", b"again").expect("put");
        let again = container.check(true).expect("repaired");
        assert_eq!((again.lost, again.markers.len()), (0, 1), "{again:#?}");

        assert_eq!(container.forget().expect("forgotten"), 1);
        assert_eq!(dict.get(b"long-3").expect("read"), None);
        assert_eq!(dict.get(b"long-4").expect("read").as_deref(), Some(&b"again"[..]));
        assert_eq!(dict.len().expect("counted"), 20_019);
        assert_eq!(container.forget().expect("forgotten"), 0);
        let check = container.check(false).expect("checked");
        assert_eq!(check.is_clean(), !has_snapshot, "{check:#?}");
    }
}

#[test]
fn a_short_value_that_is_lost_in_the_log_is_marked() {
    for is_checkpointed in [false, true] {
        let scratch = Scratch::file();
        let before = scratch.container();
        let dict = before.create_dict("d").expect("created");
        dict.put_many((0..5u64).map(|key| (key.to_be_bytes(), noise(key, 100)))).expect("put");
        let object = before.create_object(ObjectOptions::default()).expect("created");
        object.put("d", "a", &noise(10, 200)).expect("put");
        object.put("d", "b", &noise(11, 200)).expect("put");
        let (url, id) = (before.url(), object.id());
        before.close().expect("closed");
        drop((dict, object, before));
        for (seed, length) in [(1, 100), (2, 100), (10, 200)] {
            damage(&scratch, &noise(seed, length));
        }

        let container = Container::open(&url).expect("opened");
        if is_checkpointed {
            // What is lost goes along, by its key.
            container.store().compact().expect("compacted");
        }
        let (dict, object) = (container.dict("d").expect("opened"), container.object(id).expect("opened"));
        for key in [1u64, 2] {
            refused(dict.get(&key.to_be_bytes()), ErrorKind::Corrupt, ".log");
        }
        let report = container.check(true).expect("repaired");
        assert_eq!((report.lost, report.repaired.len(), report.markers.len()), (3, 3, 3), "{report:#?}");
        assert!(report.is_clean(), "{report:#?}");
        for key in [1u64, 2] {
            refused(dict.get(&key.to_be_bytes()), ErrorKind::DataLoss, "all of it (log/");
        }
        refused(object.get("d", "a"), ErrorKind::DataLoss, "all of it (log/");
        assert_eq!(object.get("d", "b").expect("read").as_deref(), Some(&noise(11, 200)[..]));
        for key in [0u64, 3, 4] {
            let value = dict.get(&key.to_be_bytes()).expect("read");
            assert_eq!(value.as_deref(), Some(&noise(key, 100)[..]));
        }
        assert_eq!(dict.len().expect("counted"), 5);
        let again = container.check(true).expect("repaired");
        assert_eq!((again.lost, again.markers.len(), again.is_clean()), (0, 3, true), "{again:#?}");
        dict.put(&1u64.to_be_bytes(), b"again").expect("put");
        assert_eq!(container.forget().expect("forgotten"), 2);
        assert_eq!(dict.len().expect("counted"), 4);
        assert_eq!(dict.get(&2u64.to_be_bytes()).expect("read"), None);
        assert_eq!(object.get("d", "a").expect("read"), None);
        let check = container.check(false).expect("checked");
        assert!(check.is_clean() && check.markers.is_empty(), "{check:#?}");
    }
}
