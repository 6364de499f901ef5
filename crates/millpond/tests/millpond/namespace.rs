//! Directories that stand for containers.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use millpond::{Container, ContainerOptions, ContainerType, ErrorKind, OpenOptions, Pool};

use crate::scratch::{Scratch, refused};

on_every_backend!(
    a_directory_stands_for_a_container,
    a_directory_that_is_taken_is_refused,
    destroying_takes_the_mark_off,
    a_mark_whose_container_is_gone_says_so,
    a_mark_may_be_a_file,
);

fn create(pool: &Pool, path: &Path) -> millpond::Result<Container> {
    let options = ContainerOptions {
        path: Some(path.to_owned()),
        container_type: ContainerType::PYTHON,
        ..ContainerOptions::default()
    };
    pool.create_container(None, options)
}

fn a_directory_stands_for_a_container(scratch: &Scratch) {
    let pool = scratch.pool();
    let path = scratch.dir.path().join("kv");
    let container = create(&pool, &path).expect("created");
    let mode = fs::metadata(&path).expect("a directory").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    container.create_dict("d").expect("created").put(b"key", b"value").expect("put");

    let name = path.to_str().expect("UTF-8");
    for name in [name.to_owned(), format!("{name}/"), format!("{name}/../kv")] {
        let again = Container::open(&name).expect(&name);
        assert_eq!((again.uuid(), again.url()), (container.uuid(), container.url()));
        let value = again.dict("d").expect("opened").get(b"key").expect("read");
        assert_eq!(value.as_deref(), Some(&b"value"[..]));
    }
    let read_only = OpenOptions { read_only: true, ..OpenOptions::default() };
    assert!(Container::open_path(&path, read_only).expect("opened").is_read_only());
    assert_eq!(container.query().expect("queried").path.as_deref(), Some(name));
    assert_eq!(pool.containers().expect("listed")[0].path.as_deref(), Some(name));

    let plain = scratch.dir.path();
    refused(Container::open_path(plain, OpenOptions::default()), ErrorKind::NotFound, "POOL/CONTAINER");
    refused(Container::open(plain.to_str().expect("UTF-8")), ErrorKind::NotFound, "stands for");
    refused(Container::open("./none"), ErrorKind::NotFound, "./none");
}

fn a_directory_that_is_taken_is_refused(scratch: &Scratch) {
    let pool = scratch.pool();
    let exists = ErrorKind::AlreadyExists;
    let path = scratch.dir.path().join("kv");
    create(&pool, &path).expect("created");
    refused(create(&pool, &path), exists, "stands for a container already");
    let full = scratch.dir.path().join("full");
    fs::create_dir(&full).expect("made");
    fs::write(full.join("file"), "").expect("made");
    refused(create(&pool, &full), exists, "not empty");
    refused(create(&pool, &full.join("file")), exists, "no directory");
    refused(create(&pool, &scratch.dir.path().join("a/b")), ErrorKind::NotFound, "a/b");
    assert_eq!(pool.containers().expect("listed").len(), 1, "nothing is left of the others");

    let empty = scratch.dir.path().join("empty");
    fs::create_dir(&empty).expect("made");
    create(&pool, &empty).expect("an empty directory will do");
}

fn destroying_takes_the_mark_off(scratch: &Scratch) {
    let pool = scratch.pool();
    let (path, used) = (scratch.dir.path().join("kv"), scratch.dir.path().join("used"));
    let gone = create(&pool, &path).expect("created").uuid().to_string();
    let kept = create(&pool, &used).expect("created").uuid().to_string();
    fs::write(used.join("file"), "mine").expect("made");
    pool.destroy_container(&gone, false).expect("destroyed");
    assert!(!path.exists());
    pool.destroy_container(&kept, false).expect("destroyed");
    assert_eq!(fs::read(used.join("file")).expect("kept"), b"mine");
    refused(Container::open_path(&used, OpenOptions::default()), ErrorKind::NotFound, "used");

    create(&pool, &path).expect("created again");
    Pool::destroy(&scratch.url, true).expect("destroyed");
    assert!(!path.exists(), "it goes with the pool too");
}

fn a_mark_whose_container_is_gone_says_so(scratch: &Scratch) {
    let pool = scratch.pool();
    let path = scratch.dir.path().join("kv");
    let container = create(&pool, &path).expect("created");
    let moved = scratch.dir.path().join("moved");
    fs::rename(&path, &moved).expect("moved");
    let uuid = container.uuid().to_string();
    assert_eq!(Container::open(moved.to_str().expect("UTF-8")).expect("opened").uuid(), container.uuid());
    drop(container);
    pool.destroy_container(&uuid, false).expect("destroyed");
    refused(Container::open_path(&moved, OpenOptions::default()), ErrorKind::NotFound, &uuid);
}

fn a_mark_may_be_a_file(scratch: &Scratch) {
    let pool = scratch.pool();
    let container = pool.create_container(None, ContainerOptions::default()).expect("created");
    let path = scratch.dir.path().join("kv");
    fs::create_dir(&path).expect("made");
    let url = pool.url();
    let place = url.strip_prefix("file://").unwrap_or(&url);
    fs::write(path.join(".millpond"), format!("MILLPOND.KV://{place}/{}\n", container.uuid())).expect("made");
    let again = Container::open_path(&path, OpenOptions::default()).expect("opened");
    assert_eq!(again.uuid(), container.uuid());
    fs::write(path.join(".millpond"), "DAOS.POSIX://p/c").expect("made");
    refused(Container::open_path(&path, OpenOptions::default()), ErrorKind::Incompatible, "DAOS.POSIX://p/c");
}
