//! How pools and containers are named: labels, UUIDs and URLs.
//!
//! A pool is a label or a UUID under [`home`](crate::home()), or a URL: `file:///dir` for any
//! directory, `rados://cephpool` for one in a Ceph cluster, `mem:label` for one in the memory of this
//! process. In the path of a `file:` URL, a byte may be written as `%` and two hexadecimal digits, and
//! `%` itself has to. A container is its pool, a slash, and its label or UUID, split at the last
//! slash.

use std::{
    ffi::OsString,
    fmt,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use millpond_core::{Error, ErrorKind, Label, Result};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use uuid::Uuid;

/// What a path in a URL can't hold as it is.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'?').add(b'#').add(b'"').add(b'<').add(b'>');

/// Where a user says that a pool is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// Under the home, by label.
    Label(Label),
    /// Under the home, by UUID.
    Uuid(Uuid),
    /// In any directory.
    Directory(PathBuf),
    /// In the memory of this process.
    Memory(Label),
    /// In a Ceph cluster.
    Rados(CephPool),
}

/// A Ceph pool, and as which user it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CephPool {
    /// Without `client.`; by default `admin`.
    pub(crate) user: Option<Label>,
    pub(crate) name: Label,
}

impl Location {
    /// Reads a location.
    ///
    /// # Errors
    /// `InvalidArgument`, saying how a location is written.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if let Some(path) = text.strip_prefix("file:") {
            return directory(text, path).map(Self::Directory);
        }
        if let Some(label) = text.strip_prefix("mem:") {
            return Label::new(label)
                .map(Self::Memory)
                .map_err(|error| error.context(format_args!("{text:?} should be mem:LABEL")));
        }
        if let Some(rest) = text.strip_prefix("rados:") {
            return ceph_pool(rest)
                .map(Self::Rados)
                .map_err(|error| error.context(format_args!("{text:?} should be rados://CEPHPOOL")));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            let message = format!(
                "{text:?}: {scheme}: is no kind of pool here; there are file:///DIRECTORY, rados://CEPHPOOL and \
                 mem:LABEL"
            );
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        if let Ok(uuid) = Uuid::try_parse(text) {
            return Ok(Self::Uuid(uuid));
        }
        if text.contains('/') {
            let message = format!(
                "{text:?} is no pool's label: a pool in a directory of its own is written as a URL, \
                 file:///DIRECTORY"
            );
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        Label::new(text).map(Self::Label).map_err(|error| {
            error.context("a pool is a label, a UUID, file:///DIRECTORY, rados://CEPHPOOL or mem:LABEL")
        })
    }
}

/// The Ceph pool in a `rados:` URL: `//name` or `//user@name`. Names of Ceph pools have no rule; those
/// that would be a label can be named here.
fn ceph_pool(text: &str) -> Result<CephPool> {
    let Some(rest) = text.strip_prefix("//") else {
        return Err(Error::new(ErrorKind::InvalidArgument, "the two slashes are missing"));
    };
    let (user, name) = match rest.split_once('@') {
        Some((user, name)) => (Some(Label::new(user)?), name),
        None => (None, rest),
    };
    Ok(CephPool { user, name: Label::new(name)? })
}

/// The path in a `file:` URL.
fn directory(text: &str, path: &str) -> Result<PathBuf> {
    let refuse = |why: &str| {
        Err(Error::new(ErrorKind::InvalidArgument, format!("{text:?} {why}: write file:///DIRECTORY")))
    };
    let path = match path.strip_prefix("//") {
        None => path,
        Some(rest) if rest.starts_with('/') => rest,
        Some(rest) => match rest.strip_prefix("localhost") {
            Some(rest) if rest.starts_with('/') => rest,
            _ => return refuse("names another machine, or a relative path"),
        },
    };
    if !path.starts_with('/') {
        return refuse("has no absolute path");
    }
    let bytes: Vec<u8> = percent_decode_str(path).collect();
    if bytes.contains(&0) {
        return refuse("has a NUL in its path");
    }
    Ok(PathBuf::from(OsString::from_vec(bytes)))
}

/// Where a pool's bytes are, as the backends know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A directory, absolute.
    Directory(PathBuf),
    /// The memory of this process.
    Memory(Label),
    /// A Ceph cluster: the one of this process's environment.
    Rados(CephPool),
}

/// The canonical URL of the place.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "file://{}", escaped(path)),
            Self::Memory(label) => write!(f, "mem:{label}"),
            Self::Rados(CephPool { user: Some(user), name }) => write!(f, "rados://{user}@{name}"),
            Self::Rados(CephPool { user: None, name }) => write!(f, "rados://{name}"),
        }
    }
}

fn escaped(path: &Path) -> impl fmt::Display {
    percent_encode(path.as_os_str().as_bytes(), ESCAPED)
}

/// Whether `name` is a URL, so that it can't be a path of the unified namespace.
pub(crate) fn is_url(name: &str) -> bool {
    ["file:", "mem:", "rados:"].iter().any(|scheme| name.starts_with(scheme)) || name.contains("://")
}

/// Splits the name of a container into its pool's and its own.
///
/// # Errors
/// `InvalidArgument` when one of the two is missing.
pub(crate) fn split(name: &str) -> Result<(&str, &str)> {
    match name.rsplit_once('/') {
        Some((pool, container)) if !pool.is_empty() && !container.is_empty() => Ok((pool, container)),
        _ => {
            let message = format!(
                "{name:?} names no container: write POOL/CONTAINER, file:///DIRECTORY/CONTAINER, \
                 rados://CEPHPOOL/CONTAINER, mem:POOL/CONTAINER, or the path of a directory that stands for a container"
            );
            Err(Error::new(ErrorKind::InvalidArgument, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_told_apart() {
        let label = |text| Label::new(text).expect("a label");
        let uuid = "2f2a3c1e-6f0b-4a51-8d5d-0d8c3c1b9a77";
        for (text, location) in [
            ("pydaos", Location::Label(label("pydaos"))),
            ("a:b", Location::Label(label("a:b"))),
            (uuid, Location::Uuid(Uuid::try_parse(uuid).expect("a UUID"))),
            ("file:///data/my%20pool", Location::Directory("/data/my pool".into())),
            ("file:/data/p", Location::Directory("/data/p".into())),
            ("file://localhost/data", Location::Directory("/data".into())),
            ("mem:scratch", Location::Memory(label("scratch"))),
            ("rados://hot", Location::Rados(CephPool { user: None, name: label("hot") })),
            ("rados://ada@hot", Location::Rados(CephPool { user: Some(label("ada")), name: label("hot") })),
        ] {
            assert_eq!(Location::parse(text).expect(text), location);
        }
        for text in [
            "",
            "a b",
            "/data/pool",
            "./pool",
            "file:pool",
            "file://host/p",
            "mem:",
            "mem:a/b",
            "s3://b",
            "rados:",
            "rados:hot",
            "rados://",
            "rados://a/b",
            "rados://@hot",
            "rados://a@",
        ] {
            let error = Location::parse(text).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        }
    }

    #[test]
    fn urls_come_back() {
        for path in ["/data/pool", "/a b/100%/é?#", "/"] {
            let place = Place::Directory(path.into());
            assert_eq!(Location::parse(&place.to_string()).expect("a URL"), Location::Directory(path.into()));
        }
        for text in ["rados://hot", "rados://ada@hot"] {
            let Location::Rados(pool) = Location::parse(text).expect("a URL") else { panic!("{text}") };
            assert_eq!(Place::Rados(pool).to_string(), text);
        }
        let bytes = PathBuf::from(OsString::from_vec(b"/\xFF\xFE".to_vec()));
        let url = Place::Directory(bytes.clone()).to_string();
        assert_eq!(Location::parse(&url).expect("a URL"), Location::Directory(bytes));
    }

    #[test]
    fn containers_are_split_at_the_last_slash() {
        assert_eq!(split("pool/c").expect("a name"), ("pool", "c"));
        assert_eq!(split("file:///a/b/c").expect("a name"), ("file:///a/b", "c"));
        assert_eq!(split("mem:p/c").expect("a name"), ("mem:p", "c"));
        assert_eq!(split("rados://hot/c").expect("a name"), ("rados://hot", "c"));
        for bad in ["", "pool", "pool/", "/c"] {
            assert_eq!(split(bad).expect_err(bad).kind(), ErrorKind::InvalidArgument);
        }
    }
}
