//! A handle that is carried across a fork: the child uses it as if it had opened the folder itself, and the
//! parent doesn't notice.

use std::panic::{AssertUnwindSafe, catch_unwind};

use millpond_disk_objectstore::{AddOptions, Folder, FolderOptions, PackLooseOptions, RepackOptions};
use millpond_testkit::process::{Part, role};

use crate::scratch::{add, folder};

/// Runs `work` in a forked child, while `meanwhile` runs here; answers whether it went well.
fn in_child(work: impl FnOnce(), meanwhile: impl FnOnce()) -> bool {
    // SAFETY: the child runs `work` alone, which waits for no thread that it lacks, and ends by `_exit`.
    match unsafe { libc::fork() } {
        -1 => panic!("{}", std::io::Error::last_os_error()),
        0 => {
            let outcome = catch_unwind(AssertUnwindSafe(work));
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(i32::from(outcome.is_err())) }
        }
        child => {
            meanwhile();
            let mut status = 0;
            // SAFETY: `status` is a valid place to write to, `child` is ours.
            unsafe { libc::waitpid(child, &mut status, 0) };
            status == 0
        }
    }
}

#[test]
fn a_child_goes_on_with_the_handle_of_its_parent() {
    const TEST: &str = "forks::a_child_goes_on_with_the_handle_of_its_parent";
    if role().is_none() {
        // Where no other thread holds anything.
        Part::new(TEST, "alone").start().finish();
        return;
    }
    let (_dir, folder) = folder();
    let contents: Vec<_> = (0..50u8).map(|number| vec![number; 3000]).collect();
    let ids = add(&folder, &contents, true);
    for round in 0..5u8 {
        assert_eq!(folder.read(&ids[0]).expect("read"), contents[0]);
        let work = || {
            assert_eq!(folder.read(&ids[1]).expect("read"), contents[1]);
            folder.add_loose(&mut [round, 1].as_slice()).expect("added");
            let added = add(&folder, &[vec![round; 10]], false);
            folder.pack_all_loose(PackLooseOptions::default(), None).expect("packed");
            assert_eq!(folder.read(&added[0]).expect("read"), vec![round; 10]);
            if round == 3 {
                folder.close().expect("closed");
            }
        };
        let meanwhile = || {
            for (id, content) in ids.iter().zip(&contents) {
                assert_eq!(&folder.read(id).expect("read"), content);
            }
            if round % 2 == 0 {
                // The one who has it open is gone, but for the child.
                folder.close().expect("closed");
                let other = Folder::with_options(folder.path(), FolderOptions::default());
                assert!(other.validate(None).expect("validated").is_valid());
            }
            add(&folder, &[vec![round; 20]], false);
        };
        assert!(in_child(work, meanwhile), "round {round}");
        folder.repack(RepackOptions::default(), None).expect("repacked");
    }
    // A transaction of the parent is no business of the child.
    let options = AddOptions { commit: false, ..AddOptions::default() };
    let waits = folder.add_to_pack([b"waits".as_slice()], options, None).expect("added")[0];
    assert!(in_child(|| assert_eq!(folder.read(&ids[1]).expect("read"), contents[1]), || ()));
    folder.commit().expect("committed");
    assert_eq!(folder.read(&waits).expect("read"), b"waits");
    folder.close().expect("closed");
    let folder = Folder::open(folder.path()).expect("opened");
    assert!(folder.validate(None).expect("validated").is_valid());
    assert_eq!(folder.ids().expect("listed").count(), ids.len() + 1 + 5 * 3);
}
