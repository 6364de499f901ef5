//! A connection to a cluster, shared by all of the process that use the same configuration and
//! user: each one has some twenty threads of its own.
//!
//! Nothing waits for ever: connecting is bounded, and so is each operation.

use std::{
    collections::HashMap,
    ffi::{CStr, CString, c_int},
    fmt,
    path::PathBuf,
    ptr,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use millpond_core::{Error, ErrorKind, Result};

use crate::{
    errno::Errno,
    ffi::{Library, RadosPtr, library},
    fork::{self, PerProcess},
    sync::lock,
};

/// How long a connection may take to come about.
const CONNECT_SECONDS: &CStr = c"15";
/// How long one operation may take before librados gives it up; it is then tried again.
const OPERATION_SECONDS: &CStr = c"30";
/// How long an operation is tried before the user is told.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// How to reach a cluster. By default as Ceph's own programs do: the configuration of the
/// environment variable `CEPH_CONF` or of `/etc/ceph/ceph.conf`, and the user `admin`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClusterOptions {
    /// The configuration file.
    pub conf: Option<PathBuf>,
    /// The Ceph user, without `client.`.
    pub user: Option<String>,
}

/// A connection to a cluster.
pub(crate) struct Cluster {
    library: &'static Library,
    rados: RadosPtr,
    fork: u64,
}

// SAFETY: librados allows every call on a connection from any thread.
unsafe impl Send for Cluster {}
// SAFETY: as above.
unsafe impl Sync for Cluster {}

/// The connections of the process, by what they were made with.
static CLUSTERS: PerProcess<Mutex<Clusters>> = PerProcess::new();

type Clusters = HashMap<ClusterOptions, Weak<Cluster>>;

impl Cluster {
    /// Connects, or shares a connection that there is.
    ///
    /// # Errors
    /// `NotSupported` without librados, `InvalidArgument` without a configuration,
    /// `PermissionDenied` for a wrong key, `Timeout` when nobody answers.
    pub(crate) fn connect(options: &ClusterOptions) -> Result<Arc<Self>> {
        let library = library()?;
        let clusters = CLUSTERS.get();
        if let Some(known) = lock(clusters).get(options).and_then(Weak::upgrade) {
            return Ok(known);
        }
        // Without the lock, which others need not wait for while a cluster doesn't answer. Two
        // connections at once are no harm.
        let cluster = Arc::new(Self::connect_anew(library, options)?);
        let mut clusters = lock(clusters);
        clusters.retain(|_, cluster| cluster.strong_count() > 0);
        clusters.insert(options.clone(), Arc::downgrade(&cluster));
        Ok(cluster)
    }

    fn connect_anew(library: &'static Library, options: &ClusterOptions) -> Result<Self> {
        let user = options.user.as_deref().unwrap_or("admin");
        let id = text(user)?;
        let mut rados = ptr::null_mut();
        // SAFETY: both pointers are valid; on success `rados` is a connection that isn't open yet.
        let created = unsafe { (library.create)(&mut rados, id.as_ptr()) };
        Errno::check(created).map_err(|errno| errno.into_error("can't begin a connection to Ceph"))?;
        // From here on, dropping it releases it.
        let cluster = Self { library, rados, fork: fork::generation() };
        cluster.configure(options)?;
        // SAFETY: the connection is configured, and isn't open.
        let connected = unsafe { (library.connect)(rados) };
        Errno::check(connected).map_err(|errno| cannot_connect(errno, user))?;
        Ok(cluster)
    }

    fn configure(&self, options: &ClusterOptions) -> Result<()> {
        let path = match &options.conf {
            Some(path) => Some(text(path.to_str().ok_or_else(|| {
                let message =
                    format!("the path {} is not UTF-8: Ceph's configuration file has to be", path.display());
                Error::new(ErrorKind::InvalidArgument, message)
            })?)?),
            None => None,
        };
        let path_ptr = path.as_ref().map_or(ptr::null(), |path| path.as_ptr());
        // SAFETY: the path is null, for the usual places, or a C string.
        let read = unsafe { (self.library.conf_read_file)(self.rados, path_ptr) };
        Errno::check(read).map_err(|errno| no_configuration(errno, options))?;
        // SAFETY: null stands for the variable CEPH_ARGS.
        let parsed = unsafe { (self.library.conf_parse_env)(self.rados, ptr::null()) };
        Errno::check(parsed).map_err(|errno| {
            errno
                .into_error("can't read the environment variable CEPH_ARGS")
                .with_kind(ErrorKind::InvalidArgument)
        })?;
        for (option, value) in [
            (c"client_mount_timeout", CONNECT_SECONDS),
            (c"rados_mon_op_timeout", OPERATION_SECONDS),
            (c"rados_osd_op_timeout", OPERATION_SECONDS),
        ] {
            // SAFETY: two C strings.
            let set = unsafe { (self.library.conf_set)(self.rados, option.as_ptr(), value.as_ptr()) };
            Errno::check(set).map_err(|errno| {
                errno.into_error(format_args!("can't set Ceph's option {}", option.to_string_lossy()))
            })?;
        }
        Ok(())
    }

    pub(crate) fn library(&self) -> &'static Library {
        self.library
    }

    pub(crate) fn rados(&self) -> RadosPtr {
        self.rados
    }

    /// The number by which the cluster knows this connection.
    pub(crate) fn instance(&self) -> u64 {
        // SAFETY: the connection is open.
        unsafe { (self.library.get_instance_id)(self.rados) }
    }

    /// # Errors
    /// `Forked` in a forked child.
    pub(crate) fn check_fork(&self) -> Result<()> {
        if self.is_forked() {
            let message = "this process was forked from the one that connected to the Ceph cluster: open the pool \
                           again here, or begin processes by spawning them";
            return Err(Error::new(ErrorKind::Forked, message));
        }
        Ok(())
    }

    pub(crate) fn is_forked(&self) -> bool {
        self.fork != fork::generation()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A child has the memory of the connection, but not the threads that would end it.
        if !self.is_forked() {
            // SAFETY: nobody uses the connection any more: contexts and watches keep it alive.
            unsafe { (self.library.shutdown)(self.rados) };
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("fork", &self.fork).finish_non_exhaustive()
    }
}

/// A C string of `text`.
///
/// # Errors
/// `InvalidArgument` for text with a NUL.
pub(crate) fn text(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| {
        Error::new(ErrorKind::InvalidArgument, format!("{text:?} can't have a NUL: Ceph's names have none"))
    })
}

fn no_configuration(errno: Errno, options: &ClusterOptions) -> Error {
    let place = match &options.conf {
        Some(path) => path.display().to_string(),
        None => "CEPH_CONF or /etc/ceph/ceph.conf".into(),
    };
    let message = format!(
        "rados:// pools need the configuration of a Ceph cluster; {place} can't be read (error {}): set CEPH_CONF \
         to its path",
        errno.0
    );
    Error::new(ErrorKind::InvalidArgument, message)
}

fn cannot_connect(errno: Errno, user: &str) -> Error {
    let seconds = CONNECT_SECONDS.to_string_lossy();
    let (kind, why) = match errno.0 {
        libc::ETIMEDOUT => {
            (ErrorKind::Timeout, format!("none of its monitors answered within {seconds} seconds"))
        }
        libc::EACCES | libc::EPERM => {
            (ErrorKind::PermissionDenied, format!("it refuses the key of client.{user}"))
        }
        libc::ENOENT => {
            (ErrorKind::PermissionDenied, format!("there is no key of client.{user} in the keyring"))
        }
        code => (ErrorKind::Io, std::io::Error::from_raw_os_error(code as c_int).to_string()),
    };
    let message = format!(
        "can't connect to the Ceph cluster: {why}; see whether `ceph status` works with the same CEPH_CONF"
    );
    Error::new(kind, message)
}
