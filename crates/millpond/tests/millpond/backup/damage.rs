//! Damaged backups: a restore names the file, and leaves nothing.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::Path,
};

use millpond::{ErrorKind, Silent, verify_backup};
use millpond_testkit::random::{Random, test_seed};

use super::{back_up, files, other_pool, place, put};
use crate::scratch::Scratch;

fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("opened");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("read");
    file.write_all_at(&[byte[0] ^ 0x20], at).expect("written");
}

#[test]
fn a_flipped_byte_is_named_and_nothing_is_restored() {
    let seed = test_seed(11);
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let scratch = Scratch::file();
    let container = scratch.container();
    put(&container, "d", 0, 60);
    let backup = back_up(&container, &place(&scratch));
    let pool = other_pool(&scratch);
    let mut count = 0;
    for name in files(&backup.path).into_keys() {
        let path = backup.path.join(name.trim_start_matches('/'));
        let length = fs::metadata(&path).expect("a file").len();
        for at in [0, length - 1, random.below(length), random.below(length)] {
            // What ends a line of JSON is no part of it.
            let at = if name == "/backup.json" { at.min(length - 2) } else { at };
            flip(&path, at);
            let error = pool.restore(&backup.path, None, &mut Silent).expect_err("damaged");
            assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible), "{error}");
            assert!(error.to_string().contains(name.trim_start_matches('/')), "{name} at {at}: {error}");
            assert!(pool.containers().expect("listed").is_empty());
            flip(&path, at);
            count += 1;
        }
    }
    assert!(count >= 4 * 6, "{count}");
    let restored = pool.restore(&backup.path, None, &mut Silent).expect("it is as it was");
    assert!(restored.check(false).expect("checked").is_clean());
}

#[test]
fn a_missing_or_short_file_is_named() {
    let scratch = Scratch::file();
    let container = scratch.container();
    put(&container, "d", 0, 60);
    let backup = back_up(&container, &place(&scratch));
    let pool = other_pool(&scratch);
    for name in files(&backup.path).into_keys().filter(|name| name != "/backup.json") {
        let name = name.trim_start_matches('/');
        let path = backup.path.join(name);
        let content = fs::read(&path).expect("read");
        fs::write(&path, &content[..content.len() - 1]).expect("cut");
        let short = pool.restore(&backup.path, None, &mut Silent).expect_err("short");
        assert_eq!(short.kind(), ErrorKind::Corrupt, "{short}");
        assert!(
            short.to_string().contains(name) && short.to_string().contains("bytes instead of"),
            "{short}"
        );
        fs::remove_file(&path).expect("removed");
        let missing = pool.restore(&backup.path, None, &mut Silent).expect_err("missing");
        assert_eq!(missing.kind(), ErrorKind::Corrupt, "{missing}");
        assert!(missing.to_string().contains(name) && missing.to_string().contains("missing"), "{missing}");
        fs::write(&path, &content).expect("written");
    }
    // One that isn't what it says it is is nobody's base.
    let sample = files(&backup.path).into_keys().find(|name| name.starts_with("runs/")).expect("a run");
    let content = fs::read(backup.path.join(&sample)).expect("read");
    fs::write(backup.path.join(&sample), &content[..9]).expect("cut");
    let next = back_up(&container, &place(&scratch));
    assert!(fs::read(next.path.join(&sample)).expect("read") == content);
    pool.restore(&next.path, None, &mut Silent).expect("restored");
}

#[cfg(feature = "planted-bugs")]
#[test]
fn a_restore_that_does_not_compare_is_noticed() {
    super::assert_noticed(
        millpond_local::bugs::Bug::RestoreWithoutChecking,
        a_flipped_byte_is_named_and_nothing_is_restored,
    );
}

/// A verification names all damage, and what is intact is verified all the same.
#[test]
fn every_damaged_file_is_named() {
    let scratch = Scratch::file();
    let container = scratch.container();
    put(&container, "d", 0, 60);
    let backup = back_up(&container, &place(&scratch));
    let verified = verify_backup(&place(&scratch), &mut Silent).expect("verified");
    assert_eq!((&verified.backup, &verified.damages[..]), (&backup, &[][..]));
    let names: Vec<_> = files(&backup.path).into_keys().filter(|name| name != "/backup.json").collect();
    for (number, name) in names.iter().enumerate() {
        let path = backup.path.join(name.trim_start_matches('/'));
        match number % 3 {
            0 => flip(&path, fs::metadata(&path).expect("a file").len() - 1),
            1 => fs::remove_file(&path).expect("removed"),
            _ => OpenOptions::new().append(true).open(&path).expect("opened").set_len(3).expect("cut"),
        }
        let verified = verify_backup(&backup.path, &mut Silent).expect("verified");
        let named: BTreeSet<_> = verified.damages.iter().map(|damage| damage.file.clone()).collect();
        let expected = names[..=number].iter().map(|name| name.trim_start_matches('/').to_owned()).collect();
        assert_eq!(named, expected, "{:?}", verified.damages);
    }
    flip(&backup.path.join("backup.json"), 30);
    let error = verify_backup(&backup.path, &mut Silent).expect_err("nothing says what was written");
    assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible), "{error}");
    let error = verify_backup(scratch.dir.path(), &mut Silent).expect_err("no backup");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
