//! The cluster by way of Ceph's own `rados` program: to damage what is stored, and to look at it.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use uuid::Uuid;

use crate::cluster::{CEPH_POOL, conf};

fn rados(container: Uuid, arguments: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.args(["60", "rados", "-c"]).arg(conf()).args(["-p", CEPH_POOL, "-N"]);
    command.arg(format!("millpond.{container}")).args(arguments);
    command
}

/// The names of a container's objects.
pub(crate) fn objects(container: Uuid) -> Vec<String> {
    let listed = rados(container, &["ls"]).output().expect("rados runs");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let mut names: Vec<_> = String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect();
    names.sort();
    names
}

/// The data of an object.
pub(crate) fn data(container: Uuid, object: &str) -> Vec<u8> {
    let read = rados(container, &["get", object, "-"]).output().expect("rados runs");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    read.stdout
}

/// Replaces the data of an object.
pub(crate) fn set_data(container: Uuid, object: &str, data: &[u8]) {
    feed(rados(container, &["put", object, "-"]), data);
}

/// The value of an omap key of the index.
pub(crate) fn value(container: Uuid, key: &[u8]) -> Vec<u8> {
    let file = std::env::temp_dir().join(format!("millpond-omap-{}", Uuid::new_v4()));
    let key_file = write_key(key);
    let read = rados(container, &["getomapval", "--omap-key-file"])
        .args([&key_file])
        .arg("index")
        .arg(&file)
        .output()
        .expect("rados runs");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let value = std::fs::read(&file).expect("the value");
    for file in [file, key_file] {
        std::fs::remove_file(file).expect("removed");
    }
    value
}

/// Sets the value of an omap key of the index.
pub(crate) fn set_value(container: Uuid, key: &[u8], value: &[u8]) {
    let key_file = write_key(key);
    let mut command = rados(container, &["setomapval", "--omap-key-file"]);
    command.arg(&key_file).arg("index");
    feed(command, value);
    std::fs::remove_file(key_file).expect("removed");
}

fn write_key(key: &[u8]) -> std::path::PathBuf {
    let file = std::env::temp_dir().join(format!("millpond-omap-key-{}", Uuid::new_v4()));
    std::fs::write(&file, key).expect("written");
    file
}

fn feed(mut command: Command, input: &[u8]) {
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("rados runs");
    child.stdin.take().expect("a pipe").write_all(input).expect("written");
    let done = child.wait_with_output().expect("rados ends");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
